"""The kill switch: whole or not at all, and never "nothing is stopped" where that is not known."""

import json
import multiprocessing
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agenttrail.governance.kill_switch import Call, KillSwitch, KillSwitchError, Stop, written_name

NOW = datetime(2026, 11, 25, 2, 0, 0, tzinfo=UTC)
SINCE = "2026-11-25T02:00:00Z"


def made(path: Path, *stops: Stop, now: datetime = NOW) -> KillSwitch:
    switch = KillSwitch(str(path / "k.json"), now=lambda: now)
    switch.create()
    for stop in stops:
        switch.stop(stop)
    return switch


def stop(scope: Any = "agent", target: str = "a", **more: Any) -> Stop:
    return Stop(**{"scope": scope, "target": target, "since": SINCE, "by": "person", **more})


@pytest.mark.parametrize(
    ("entry", "call", "stopped"),
    [
        (stop(), Call(agent="a"), True),
        (stop(), Call(agent="b"), False),
        (stop(), Call(server="a", tool="a"), False),
        (stop("all", ""), Call(), True),
        (stop("tool", "send"), Call(server="mail", tool="send"), True),
        (stop("tool", "mcp__mail__send"), Call(server="mail", tool="send"), True),
        (stop("tool", "mcp__mail__send"), Call(server="post", tool="send"), False),
        (stop("tool", "send"), Call(server="mail", tool="mcp__mail__send"), True),
        (stop("tool", "send"), Call(tool="mcp__mail__send"), True),
        (stop("tool", "mcp__mail__send"), Call(tool="mcp__mail__send"), True),
        (stop("server", "mail"), Call(tool="mcp__mail__send"), True),
        (stop("server", "mail"), Call(server="post", tool="mcp__mail__send"), False),
        (stop("server", "mail"), Call(server="mail", tool="send"), True),
        (stop("department", "sales"), Call(agent="x", department="sales"), True),
        (stop("user", "0a1b"), Call(user="0a1b"), True),
        (stop("task", "t1"), Call(task="t1"), True),
        (stop("task", "t1"), Call(), False),
        (stop(until="2026-11-25T02:00:01Z"), Call(agent="a"), True),
        (stop(until="2026-11-25T02:00:00Z"), Call(agent="a"), False),  # over by itself
    ],
)
def test_an_entry_stops_what_it_names(
    tmp_path: Path, entry: Stop, call: Call, stopped: bool
) -> None:
    """And nothing else."""
    assert (made(tmp_path, entry).verdict(call) is not None) is stopped


@pytest.mark.parametrize(
    ("name", "as_it_is"),
    [("t1", True), ("4f2c9a10-7b3e-4d55-9c1a-0e8f6b2d7a31", True), ("nightly:2026.report", True),
     ("ann@example.com", False), ("Ann Lee", False), ("call-555-010-1234", False), ("+66812345678", False)],
)  # fmt: skip
@pytest.mark.parametrize("scope", ["task", "agent", "department"])
def test_a_name_of_a_log_is_written_down_by_a_hash_where_it_could_be_a_persons(
    tmp_path: Path, name: str, as_it_is: bool, scope: Any
) -> None:
    """A log may say anything there; the stop holds all the same."""
    assert (written_name(name) == name) is as_it_is
    switch = made(tmp_path, stop(scope, written_name(name)))
    assert switch.verdict(Call(**{scope: name})) is not None
    assert switch.verdict(Call(**{scope: "other"})) is None
    assert switch.verdict(Call()) is None
    assert (name.encode() in (tmp_path / "k.json").read_bytes()) is as_it_is


def test_a_stop_is_named_before_an_approval_and_the_wider_before_the_narrower(
    tmp_path: Path,
) -> None:
    """What is told is the strictest."""
    switch = made(
        tmp_path, stop(verdict="require_approval"), stop("tool", "t"), stop("server", "s")
    )
    found = switch.verdict(Call(agent="a", server="s", tool="t"))
    assert found is not None
    assert (found.scope, found.verdict) == ("server", "stop")
    found = switch.verdict(Call(agent="a"))
    assert found is not None
    assert found.verdict == "require_approval"


def test_stopping_again_changes_nothing_and_starting_takes_all_of_it_away(tmp_path: Path) -> None:
    """The first `since` stays; a person's stop and a budget's are two entries."""
    switch = made(tmp_path)
    assert switch.stop(stop())
    assert not switch.stop(stop(since="2026-11-25T03:00:00Z"))
    assert switch.stop(stop(budget="b", by="budget", until="2026-11-26T00:00:00Z"))
    assert switch.stop(stop(budget="b", by="budget", until="2026-11-27T00:00:00Z"))
    assert not switch.stop(stop(budget="b", by="budget", until="2026-11-26T00:00:00Z"))
    assert [(s.since, s.until) for s in switch.stops()] == [
        (SINCE, None),
        (SINCE, "2026-11-27T00:00:00Z"),
    ]
    assert len(switch.start("agent", "a")) == 2
    assert switch.start("agent", "a") == ()
    assert switch.verdict(Call(agent="a")) is None


def test_the_file_says_what_other_runtimes_need(tmp_path: Path) -> None:
    """Its shape is a promise."""
    made(tmp_path, stop(category="incident", runbook="https://example.com/r"))
    document = json.loads((tmp_path / "k.json").read_text())
    assert document == {
        "version": 1, "updated": SINCE,
        "stopped": [{"scope": "agent", "target": "a", "since": SINCE, "by": "person", "verdict": "stop",
                     "category": "incident", "runbook": "https://example.com/r"}],
    }  # fmt: skip
    assert stat.S_IMODE((tmp_path / "k.json").stat().st_mode) == 0o644
    assert sorted(os.listdir(tmp_path)) == ["k.json", "k.json.lock"]


def test_a_change_by_another_process_is_seen_at_the_next_question(tmp_path: Path) -> None:
    """No restart."""
    reader = made(tmp_path)
    assert reader.verdict(Call(agent="a")) is None
    made(tmp_path, stop())
    assert reader.verdict(Call(agent="a")) is not None


@pytest.mark.parametrize(
    ("until", "holds"),
    [("2026-11-24T18:00:00-09:00", True), ("2026-11-25T10:59:59+09:00", False), ("2026-11-25T03:00:00", True)],
)  # fmt: skip
def test_a_time_in_another_zone_ends_a_stop_when_it_is_over(
    tmp_path: Path, until: str, holds: bool
) -> None:
    """People write the file too; without a zone it is UTC."""
    (tmp_path / "k.json").write_text(
        json.dumps({"version": 1, "stopped": [{**GOOD, "until": until}]})
    )
    switch = KillSwitch(str(tmp_path / "k.json"), now=lambda: NOW)
    assert (switch.verdict(Call(agent="a")) is not None) is holds


GOOD = {"scope": "agent", "target": "a", "since": SINCE, "by": "person"}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"version": 2, "stopped": []}', '{"version": 1}',
     '{"version": 1, "stopped": {}}x', json.dumps({"version": 1, "stopped": [{**GOOD, "scope": "planet"}]}),
     json.dumps({"version": 1, "stopped": [{**GOOD, "verdict": "maybe"}]}),
     json.dumps({"version": 1, "stopped": [{**GOOD, "until": "soon"}]}),
     json.dumps({"version": 1, "stopped": [{**GOOD, "until": "0001-01-01T00:00:00+09:00"}]}),
     json.dumps({"version": 1, "stopped": [{**GOOD, "unless": "x"}]}),
     json.dumps({"version": 1, "stopped": [{"scope": "all"}]}), json.dumps({"version": 1, "stopped": ["a"]})],
)  # fmt: skip
def test_what_cannot_be_understood_is_an_error_and_never_nothing_stopped(
    tmp_path: Path, text: str
) -> None:
    """Also an entry of a later version: what it means is not known."""
    (tmp_path / "k.json").write_text(text)
    switch = KillSwitch(str(tmp_path / "k.json"))
    for _ in range(2):
        with pytest.raises(KillSwitchError):
            switch.verdict(Call(agent="a"))
    with pytest.raises(KillSwitchError):
        switch.stop(stop())
    assert (tmp_path / "k.json").read_text() == text


def test_a_missing_file_is_an_error_too(tmp_path: Path) -> None:
    """Somebody may have deleted it; `create` is a decision."""
    switch = made(tmp_path, stop())
    assert switch.verdict(Call(agent="a")) is not None
    (tmp_path / "k.json").unlink()
    with pytest.raises(KillSwitchError, match="cannot be read") as caught:
        switch.verdict(Call(agent="a"))
    assert "start --all" in caught.value.hint
    switch.create()
    assert switch.stops() == ()


def _stop_many(path: str, name: str) -> None:
    switch = KillSwitch(path, now=lambda: NOW)
    for number in range(20):
        switch.stop(stop(target=f"{name}{number}"))


def test_writers_wait_for_one_another(tmp_path: Path) -> None:
    """Four processes: no entry is lost."""
    made(tmp_path)
    context = multiprocessing.get_context("spawn")
    path = str(tmp_path / "k.json")
    workers = [context.Process(target=_stop_many, args=(path, name)) for name in "abcd"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(KillSwitch(path, now=lambda: NOW).stops()) == 80


def test_entries_that_end_by_themselves_do_not_grow_without_end(tmp_path: Path) -> None:
    """Those of a person stay."""
    entries = [
        {
            **GOOD,
            "scope": "task",
            "target": f"t{n}",
            "until": (NOW + timedelta(seconds=n + 1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        for n in range(10_000)
    ]
    (tmp_path / "k.json").write_text(json.dumps({"version": 1, "stopped": entries}))
    switch = made(tmp_path, stop())
    names = {entry.target for entry in switch.stops()}
    assert len(names) == 10_000
    assert "a" in names
    assert "t0" not in names
