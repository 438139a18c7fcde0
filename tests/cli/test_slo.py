"""`agenttrail slo`: indicators and proposals, for people and machines."""

import json
from pathlib import Path

import yaml

from tests.cli._run import agenttrail
from tests.insight._lines import ended, write


def pilot(folder: Path) -> None:
    events = [ended("support", "completed")] * 70 + [ended("support", "failed")] * 30
    write(folder / "pilot.jsonl", [*events, ended("sales", "completed", at="2026-10-05T10:00:00Z")])


def test_show_prints_the_indicators(tmp_path: Path) -> None:
    """A row an agent; JSON has the sums that the shares are made of."""
    pilot(tmp_path)

    people = agenttrail(tmp_path, "slo", "show", "pilot.jsonl")
    machine = json.loads(agenttrail(tmp_path, "slo", "show", "pilot.jsonl", "--json").out)

    assert people.code == 0
    assert people.out.splitlines()[2].split()[:4] == ["support", "0", "100", "70.0%"]
    assert [row["success"] for row in machine["slis"]] == [1.0, 0.7]


def test_propose_goes_one_step_above_the_pilot_and_writes_the_rules(tmp_path: Path) -> None:
    """Only over the days of the pilot."""
    pilot(tmp_path)

    done = agenttrail(
        tmp_path, "slo", "propose", "pilot.jsonl", "--from", "2026-10-01", "--to", "2026-10-02",
        "--rules", "rules.yaml", "--openslo", "slo.yaml",
    )  # fmt: skip

    assert done.code == 0
    assert done.out.splitlines()[1].split() == ["support", "task_success", "70.0%", "100", "60.4%", "to", "78.1%", "75.0%"]  # fmt: skip
    assert len(yaml.safe_load((tmp_path / "rules.yaml").read_text())["groups"]) == 3
    assert len(list(yaml.safe_load_all((tmp_path / "slo.yaml").read_text()))) == 2


def test_mistakes_are_told(tmp_path: Path) -> None:
    pilot(tmp_path)
    for arguments, said in (
        (["show", "none.jsonl"], "no such file"),
        (["show", "pilot.jsonl", "--by", "tool"], "cannot group by tool"),
        (["show", "pilot.jsonl", "--rules", "x"], "--rules has no effect"),
        (["show", "pilot.jsonl", "--from", "soon"], "not a time"),
        (["propose", "pilot.jsonl", "--rules", "no/such/rules.yaml"], "cannot be written"),
    ):
        done = agenttrail(tmp_path, "slo", *arguments)
        assert (done.code, said in done.err) == (2, True), done.err


def test_a_time_without_events_is_no_error(tmp_path: Path) -> None:
    pilot(tmp_path)

    done = agenttrail(tmp_path, "slo", "show", "pilot.jsonl", "--from", "2027-01-01")

    assert (done.code, done.out, done.err) == (0, "", "no events in this time\n")
