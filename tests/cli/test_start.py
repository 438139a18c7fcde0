"""`agenttrail start`: on record first, and only what is named."""

import json
from pathlib import Path

from agenttrail.governance.kill_switch import KillSwitch, Stop
from tests.cli._run import agenttrail

WHERE = ("--kill-switch", "kill.json", "--audit-log", "audit.jsonl", "--reason", "fixed")


def stopped(folder: Path) -> list[str]:
    document = json.loads((folder / "kill.json").read_text())
    return [f"{stop['scope']} {stop['target']}" for stop in document["stopped"]]


def test_a_stop_of_a_person_and_of_a_budget_end_and_others_hold(tmp_path: Path) -> None:
    """And it is an event."""
    switch = KillSwitch(str(tmp_path / "kill.json"))
    for scope, target, by in (("agent", "a", "person"), ("agent", "a", "budget"), ("agent", "b", "person"), ("all", "", "person")):  # fmt: skip
        switch.stop(
            Stop(scope=scope, target=target, since="2026-01-01T00:00:00Z", by=by, budget=by)
        )  # type: ignore[arg-type]
    done = agenttrail(tmp_path, "start", "a", *WHERE)
    assert (done.code, done.err) == (0, "agent a: started\n2 other stops hold: agenttrail stop --list\n")  # fmt: skip
    assert stopped(tmp_path) == ["agent b", "all "]
    assert agenttrail(tmp_path, "start", "a", *WHERE).err.startswith("agent a: was not stopped")
    events = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [e["agenttrail"]["control"] for e in events] == [
        {"action": "start", "scope": "agent", "target": "a"},
        {"action": "start", "scope": "agent", "target": "a"},
    ]  # fmt: skip
    assert {e["event"]["action"] for e in events} == {"start_agent"}


def test_start_all_makes_a_kill_switch_in_which_nothing_is_stopped(tmp_path: Path) -> None:
    """A missing file is never read as that."""
    assert agenttrail(tmp_path, "stop", "--list", "--kill-switch", "kill.json").code == 1
    assert agenttrail(tmp_path, "start", "--all", *WHERE).code == 0
    assert agenttrail(tmp_path, "stop", "--list", "--kill-switch", "kill.json").out == "nothing is stopped\n"  # fmt: skip


def test_what_is_not_on_record_is_not_started(tmp_path: Path) -> None:
    """The other way round than a stop."""
    agenttrail(tmp_path, "stop", "a", *WHERE)
    done = agenttrail(tmp_path, "start", "a", "--kill-switch", "kill.json", "--reason", "x", "--audit-log", "kill.json/a")  # fmt: skip
    assert done.code == 1
    assert "nothing was started" in done.err
    assert stopped(tmp_path) == ["agent a"]
