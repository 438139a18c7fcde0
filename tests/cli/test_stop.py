"""`agenttrail stop`: at once, by name, and on record without a name in it."""

import json
from pathlib import Path

import pytest

from tests._events import assert_valid
from tests.cli._run import agenttrail

WHERE = ("--kill-switch", "kill.json", "--audit-log", "audit.jsonl")
WHY = ("--reason", "mail of ann@example.com: it pays twice")
REGISTRY = Path(__file__).parents[2] / "docs" / "examples" / "agents.yaml"
PIPELINE = """
sources: [stdin]
mask: {type: presidio, profile: fast}
enrichers: [{type: budgets, policy: policy.yaml, state: null, kill_switch: from-pipeline.json}]
sinks: [{type: jsonl, path: one.jsonl, mode: replace}, {type: jsonl, path: two.jsonl}]
"""


def test_a_stop_is_written_and_on_record_masked(tmp_path: Path) -> None:
    """Who, why, what: an event of our schema; the file has a category and a runbook, no reason."""
    done = agenttrail(tmp_path, "stop", "expense", *WHERE, *WHY, "--category", "incident", "--runbook", "https://example.com/r", "--until", "2999-01-01T00:00:00+07:00")  # fmt: skip
    assert (done.code, done.out, done.err) == (0, "", "agent expense: stopped\n")
    (stop,) = json.loads((tmp_path / "kill.json").read_text())["stopped"]
    assert stop.pop("since")
    assert stop == {
        "scope": "agent", "target": "expense", "verdict": "stop", "by": "person", "category": "incident",
        "runbook": "https://example.com/r", "until": "2998-12-31T17:00:00Z",
    }  # fmt: skip
    (line,) = (tmp_path / "audit.jsonl").read_bytes().splitlines()
    assert_valid(line)
    event = json.loads(line)
    assert b"ann@" not in line
    assert event["event"]["reason"] == "mail of <EMAIL_ADDRESS>: it pays twice"
    assert event["agenttrail"]["control"] == {
        "action": "stop",
        "scope": "agent",
        "target": "expense",
    }
    assert event["user"] == {"id": "<USER_ID>", "name": "<USER_NAME>"}
    listed = agenttrail(tmp_path, "stop", "--list", "--kill-switch", "kill.json")
    assert listed.out.startswith("agent expense: stopped since ")
    assert json.loads(agenttrail(tmp_path, "stop", "--list", "--json", *WHERE[:2]).out)[0]["target"] == "expense"  # fmt: skip


def test_a_pipeline_names_the_kill_switch_the_mask_and_the_sinks(tmp_path: Path) -> None:
    """The record is added to each sink, also to one that a run replaces."""
    (tmp_path / "p.yaml").write_text(PIPELINE)
    (tmp_path / "one.jsonl").write_text('{"was":"there"}\n')
    for target in (("--tool", "pay_claim"), ("--all",)):
        assert agenttrail(tmp_path, "stop", *target, *WHY, "-c", "p.yaml").code == 0
    scopes = [
        s["scope"] for s in json.loads((tmp_path / "from-pipeline.json").read_text())["stopped"]
    ]
    assert scopes == ["tool", "all"]
    assert len((tmp_path / "one.jsonl").read_text().splitlines()) == 3
    assert len((tmp_path / "two.jsonl").read_text().splitlines()) == 2


def test_a_stop_holds_where_the_record_fails_and_says_so(tmp_path: Path) -> None:
    """Nothing holds up a stop."""
    done = agenttrail(tmp_path, "stop", "expense", *WHY, "--kill-switch", "kill.json", "--audit-log", "kill.json/a.jsonl")  # fmt: skip
    assert done.code == 1
    assert "stopped, but NOT on record" in done.err
    assert json.loads((tmp_path / "kill.json").read_text())["stopped"]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((*WHERE, *WHY), "name one thing"),
        (("a", "--all", *WHERE, *WHY), "not allowed with"),
        (("a", *WHERE), "--reason must say why"),
        (("a", *WHERE, "--reason", " "), "--reason must say why"),
        (("a", "--audit-log", "a.jsonl", *WHY), "which kill switch?"),
        (("a", "--kill-switch", "kill.json", *WHY), "name one place for the record"),
        (("a b", *WHERE, *WHY), "the name is letters"),
        (("", *WHERE, *WHY), "the name is letters"),
        (("a", *WHERE, *WHY, "--until", "soon"), "no time"),
        (("a", *WHERE, *WHY, "--until", "2999-01-01T00:00:00"), "no time zone"),
        (("a", *WHERE, *WHY, "--until", "2020-01-01T00:00:00Z"), "in the past"),
        (("a", *WHERE, *WHY, "--json"), "no effect"),
        (("expence", *WHERE, *WHY, "--registry", str(REGISTRY)), "did you mean 'expense'?"),
        (("--tool", "pay_clam", *WHERE, *WHY, "--registry", str(REGISTRY)), "did you mean 'pay_claim'?"),
    ],
)  # fmt: skip
def test_what_is_not_clear_stops_nothing(tmp_path: Path, arguments: tuple[str, ...], part: str) -> None:  # fmt: skip
    """A name that nobody has would be a stop that stops nothing."""
    done = agenttrail(tmp_path, "stop", *arguments)
    assert done.code == 2
    assert part in done.err
    assert not list(tmp_path.iterdir())


def test_a_broken_kill_switch_is_not_written_over(tmp_path: Path) -> None:
    """What it said is somebody's to look at."""
    (tmp_path / "kill.json").write_text("{")
    done = agenttrail(tmp_path, "stop", "a", *WHERE, *WHY)
    assert done.code == 1
    assert "no kill switch of this version" in done.err
    assert (tmp_path / "kill.json").read_text() == "{"
    assert not (tmp_path / "audit.jsonl").exists()


def test_a_name_that_the_pipelines_registry_does_not_know_is_stopped_and_told(
    tmp_path: Path,
) -> None:
    """An agent that nobody registered is what a stop is for; a misspelling stops nobody."""
    known = f"enrichers: [{{type: registry, path: {REGISTRY}}}, {{type: budgets"
    (tmp_path / "p.yaml").write_text(PIPELINE.replace("enrichers: [{type: budgets", known))
    (tmp_path / "policy.yaml").write_text("version: '1'\n")
    done = agenttrail(tmp_path, "stop", "expence", *WHY, "-c", "p.yaml")
    assert done.code == 0
    assert done.err.startswith("agent expence: stopped\n")
    assert "knows no agent of this name: is it a misspelling? did you mean 'expense'?" in done.err
    known_one = agenttrail(tmp_path, "stop", "expense", *WHY, "-c", "p.yaml")
    assert (known_one.code, known_one.err) == (0, "agent expense: stopped\n")


@pytest.mark.parametrize("registry", ["agents: [", None], ids=["broken", "absent"])
def test_a_registry_that_cannot_be_read_keeps_no_stop_off_the_record(
    tmp_path: Path, registry: str | None
) -> None:
    pipeline = PIPELINE.replace("[{type: budgets", "[{type: registry, path: mine.yaml}, {type: budgets")  # fmt: skip
    (tmp_path / "p.yaml").write_text(pipeline)
    (tmp_path / "policy.yaml").write_text("version: '1'\n")
    if registry is not None:
        (tmp_path / "mine.yaml").write_text(registry)
    done = agenttrail(tmp_path, "stop", "expense", *WHY, "-c", "p.yaml")
    assert done.code == 0
    assert "mine.yaml: cannot be read, so whether it knows agent expense is not checked" in done.err
    assert b'"stop_agent"' in (tmp_path / "two.jsonl").read_bytes()
