"""`agenttrail registry`: what a person and a pipeline see of it."""

import json
import shutil
from pathlib import Path

import pytest

from agenttrail.enrichers.registry import RegistryOptions
from tests.cli._run import agenttrail
from tests.enrichers._made import AGENTS, POLICY, event


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(AGENTS, tmp_path / "agents.yaml")
    shutil.copy(POLICY, tmp_path / "policy.yaml")
    return tmp_path


def test_check_says_ok_and_counts(folder: Path) -> None:
    """Of registry and policy together."""
    done = agenttrail(folder, "registry", "check", "agents.yaml", "--policy", "policy.yaml", "--now", "2026-11-25")  # fmt: skip
    assert (done.code, done.out) == (0, "")
    assert done.err == "ok: 6 agents, 4 servers, 16 tools\n"


def test_check_names_all_mistakes_of_registry_and_policy_at_once(folder: Path) -> None:
    """Unknown tool, owner equal to operations, overlapping thresholds, currency missing,."""
    path = folder / "agents.yaml"
    text = path.read_text().replace("tools: [search, fetch_page, save_note]", "tools: [search, fetch_pge, save_note]")  # fmt: skip
    text = text.replace("operations: Platform team\n    department: sales", "operations: head of SALES\n    department: sales", 1)  # fmt: skip
    path.write_text(text)
    path = folder / "policy.yaml"
    text = path.read_text().replace("at_most: 100_000", "at_most: 200_000").replace("unit: share, ", "")  # fmt: skip
    path.write_text(text)
    done = agenttrail(folder, "registry", "check", "agents.yaml", "--policy", "policy.yaml", "--now", "2026-11-25")  # fmt: skip
    assert done.code == 2
    for expected in (
        "agents.yaml:141: agents[4].uses[0].tools[1]: no tool is called 'fetch_pge' of server 'library'",
        "  did you mean 'fetch_page'?",
        "agents.yaml:94: agents[2].operations: owner and operations are the same",
        "policy.yaml:24: rules[1].range: overlaps the range of rule 'expense over 100,000 yen'",
        "policy.yaml:61: rules[7].range: the currency is missing",
        "  currency: JPY; or, for what is no money, unit: points",
    ):
        assert expected in done.err, done.err


def test_check_and_unseen_name_silent_agents(folder: Path) -> None:
    """By the state of an enricher that may be running."""
    enrich = RegistryOptions(path=AGENTS, state=str(folder / "seen.db")).build()
    enrich(event(agent="support", at="2026-11-24T12:00:00Z"))
    enrich(event(agent="expense", at="2026-11-20T12:00:00Z"))
    enrich(event(agent="writer", at="2026-11-01T12:00:00Z"))
    enrich.save()
    now = ("--now", "2026-11-25")
    done = agenttrail(folder, "registry", "unseen", "agents.yaml", "--state", "seen.db", *now)
    assert (done.code, done.out) == (0, "expense\t2026-11-20T12:00:00Z\tHead of accounting\n")
    done = agenttrail(folder, "registry", "unseen", "agents.yaml", "--state", "seen.db", "--days", "10", "--json", *now)  # fmt: skip
    assert [json.loads(line)["agent"] for line in done.out.splitlines()] == ["sales", "sales-2", "researcher", "writer"]  # fmt: skip
    assert json.loads(done.out.splitlines()[0])["last_seen"] is None
    done = agenttrail(folder, "registry", "check", "agents.yaml", "--seen", "seen.db", *now)
    assert done.code == 2
    assert "agents.yaml:84: agents[1].seen_within_days: agent 'expense' had no event since 2026-11-20" in done.err  # fmt: skip
    enrich.close()
    done = agenttrail(folder, "registry", "unseen", "agents.yaml", "--state", "none.db")
    assert (done.code, done.out) == (1, "")


def test_diff_marks_what_a_reviewer_looks_at(folder: Path) -> None:
    """One line each."""
    text = Path(AGENTS).read_text().replace("pii: personal\n    budget: support month", "pii: sensitive\n    budget: support month")  # fmt: skip
    (folder / "new.yaml").write_text(text.replace('version: "1.4"\n', 'version: "1.5"\n'))
    done = agenttrail(folder, "registry", "diff", "agents.yaml", "new.yaml")
    assert (done.code, done.out) == (
        0,
        "! agent support: pii: personal is sensitive now\n  agent sales: version: 1.4 is 1.5 now\n",
    )
    done = agenttrail(folder, "registry", "diff", "agents.yaml", "new.yaml", "--json")
    assert json.loads(done.out.splitlines()[0]) == {"where": "agent support", "what": "pii: personal is sensitive now", "look": True}  # fmt: skip
    done = agenttrail(folder, "registry", "diff", "agents.yaml", "agents.yaml")
    assert (done.code, done.out, done.err) == (0, "", "nothing differs\n")


def test_update_prints_a_diff_and_writes_when_told(folder: Path) -> None:
    """Without --write nothing is touched; twice is once."""
    (folder / ".mcp.json").write_text(json.dumps({"mcpServers": {"expenses": {"command": "x", "env": {"KEY": "s3cret"}}, "crm": {"url": "https://example.com"}}}))  # fmt: skip
    command = ("registry", "update", "agents.yaml", "--agent", "expense", "--from", ".mcp.json", "--by", "pipeline", "--now", "2026-11-25")  # fmt: skip
    done = agenttrail(folder, *command)
    assert done.code == 0
    assert done.out.startswith("--- a/agents.yaml\n+++ b/agents.yaml\n")
    assert "\n+      - {server: crm}\n" in done.out
    assert "s3cret" not in done.out + done.err
    assert (folder / "agents.yaml").read_text() == Path(AGENTS).read_text()
    done = agenttrail(folder, *command, "--write")
    assert "agents.yaml written" in done.err
    assert "      - {server: crm}\n" in (folder / "agents.yaml").read_text()
    done = agenttrail(folder, *command, "--write")
    assert (done.out, done.err) == ("", "nothing differs\n")


@pytest.mark.parametrize(
    "command",
    [("check", "none.yaml"), ("check", "agents.yaml", "--now", "soon"), ("diff", "agents.yaml", "none.yaml"),
     ("update", "agents.yaml", "--agent", "nobody", "--from", "agents.yaml"),
     ("unseen", "agents.yaml", "--state", "x", "--days", "0"), ()],
)  # fmt: skip
def test_a_wrong_command_ends_with_two(folder: Path, command: tuple[str, ...]) -> None:
    """And a sentence, never a traceback."""
    done = agenttrail(folder, "registry", *command)
    assert done.code == 2
    assert done.out == ""
    assert "Traceback" not in done.err
