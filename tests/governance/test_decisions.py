"""Decisions: what cannot be read as a yes is none, and each yes is for one call."""

import json
import multiprocessing
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agenttrail.governance.decisions import Decisions, DecisionsError, allows, parsed
from agenttrail.governance.policy import ApprovalTerms

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
GOOD = {
    "approval": "decision",
    "id": "apr-1",
    "at": "2026-11-25T11:00:00Z",
    "outcome": "allow",
    "approver": "lead@example.com",
}


def name(agent: str | None, server: str | None, tool: str, arguments: Any) -> str:
    return json.dumps([agent, server, tool, arguments])


def write(path: Path, *lines: Any) -> None:
    with path.open("a") as file:
        for line in lines:
            file.write((line if isinstance(line, str) else json.dumps(line)) + "\n")


@pytest.mark.parametrize(
    ("more", "terms", "allowed"),
    [
        ({}, {}, True),
        ({"outcome": "Approved"}, {}, True),
        ({"at": "2026-11-25T18:00:00+07:00"}, {}, True),
        ({"at": 1795604400}, {}, True),  # 2026-11-25T11:00:00Z
        ({"at": "2026-11-25T11:00:00"}, {}, True),  # without a zone: UTC
        ({"outcome": "deny"}, {}, False),
        ({"outcome": "maybe"}, {}, False),
        ({"outcome": None}, {}, False),
        ({"approval": "expiry"}, {}, False),
        ({"at": "2026-11-24T11:59:59Z"}, {}, False),  # older than a decision holds
        ({"at": "2026-11-25T12:00:04Z"}, {}, True),  # clocks differ
        ({"at": "2026-11-25T12:00:10Z"}, {}, False),  # not made yet
        ({"at": "9999-12-31T23:59:59Z"}, {}, False),  # no time is a day later
        ({"expires": "2026-11-25T11:59:59Z"}, {}, False),
        ({"expires": "2026-11-26T11:59:59Z", "at": "2026-11-20T00:00:00Z"}, {}, True),
        ({"source": "hook"}, {}, False),
        ({"source": "hook"}, {"sources": ("user", "hook")}, True),
        ({"scope": "session"}, {}, False),
        ({"scope": "session"}, {"standing": True}, True),
        ({"approver": "OWNER@example.com"}, {}, False),
        ({"approver": "OWNER@example.com"}, {"owner_may_approve": True}, True),
    ],
)
def test_a_decision_counts_as_the_policy_says(
    more: dict[str, Any], terms: dict[str, Any], allowed: bool
) -> None:
    """Time, source, scope, owner."""
    decision = parsed(json.dumps({**GOOD, **more}).encode(), name)
    assert decision is not None
    assert allows(decision, ApprovalTerms(**terms), NOW, owners=["owner@example.com"]) is allowed


def test_only_those_of_the_channel_may_decide() -> None:
    """Where it names them; nobody is nobody."""
    decision = parsed(json.dumps(GOOD).encode(), name)
    assert allows(decision, ApprovalTerms(), NOW, approvers=["Lead@example.com"])
    assert not allows(decision, ApprovalTerms(), NOW, approvers=["other@example.com"])
    assert not allows(None, ApprovalTerms(), NOW)


@pytest.mark.parametrize(
    "line",
    ["", "{", "[]", "5", {**GOOD, "approval": "request"}, {**GOOD, "id": ""}, {**GOOD, "id": 5}, {**GOOD, "id": "x" * 201},
     {**GOOD, "at": None}, {**GOOD, "at": "soon"}, {**GOOD, "at": True}, {**GOOD, "at": 10**30}, {**GOOD, "expires": "later"},
     {**GOOD, "id": None}, {k: v for k, v in GOOD.items() if k != "id"}],
)  # fmt: skip
def test_what_is_no_decision_is_passed_over(line: Any) -> None:
    """A ticket system that writes something else allows nothing."""
    assert parsed((line if isinstance(line, str) else json.dumps(line)).encode(), name) is None


def test_a_decision_may_name_the_call_instead_of_an_id() -> None:
    """By agent, server, tool and arguments."""
    call = {"agent": "a", "server": "s", "tool": "t", "arguments": {"x": 1}}
    decision = parsed(
        json.dumps({**{k: v for k, v in GOOD.items() if k != "id"}, **call}).encode(), name
    )
    assert decision is not None
    assert decision.approval == name("a", "s", "t", {"x": 1})


def test_the_last_decision_counts_and_is_used_once(tmp_path: Path) -> None:
    """By its own time; also over a restart, and in a file that grows, is torn or is begun anew."""
    path = tmp_path / "d.jsonl"
    decisions = Decisions(str(path), name)
    assert decisions.last("apr-1") is None
    write(path, GOOD, "garbage", {**GOOD, "outcome": "deny", "at": "2026-11-25T10:00:00Z"})
    first = decisions.last("apr-1")
    assert first is not None
    assert first.outcome == "allow"
    assert decisions.claim(first) is None
    assert decisions.claim(first) == 0
    again = Decisions(str(path), name)
    assert again.last("apr-1") == first
    assert again.claim(first) == 0
    with path.open("a") as file:
        file.write(json.dumps({**GOOD, "at": "2026-11-25T11:30:00Z"}))  # no line break yet
    assert decisions.last("apr-1") == first
    with path.open("a") as file:
        file.write("\n")
    second = decisions.last("apr-1")
    assert second is not None
    assert second.time.minute == 30
    assert decisions.claim(second) is None
    path.write_text(json.dumps({**GOOD, "id": "apr-2"}) + "\n")
    assert decisions.last("apr-2") is not None


def test_of_several_decisions_all_are_used_or_none(tmp_path: Path) -> None:
    """What is told is the one that stands in the way: used before, or twice among them."""
    path = tmp_path / "d.jsonl"
    decisions = Decisions(str(path), name)
    one, two, three = (decisions.hand_in({**GOOD, "id": f"apr-{n}"}) for n in (1, 2, 3))
    assert one is not None
    assert two is not None
    assert three is not None
    assert decisions.claim(one, one) == 1
    assert decisions.claim(two) is None
    assert decisions.claim(one, two, three) == 1
    assert Decisions(str(path), name).claim(one, three) is None
    assert decisions.claim(three) == 0
    assert (tmp_path / "d.jsonl.used").read_text().count("\n") == 3


def test_a_standing_permission_is_not_used_up(tmp_path: Path) -> None:
    """Where the policy lets it count at all."""
    decisions = Decisions(str(tmp_path / "d.jsonl"), name)
    standing = decisions.hand_in({**GOOD, "scope": "always"})
    assert standing is not None
    assert decisions.claim(standing, standing) is None
    assert decisions.claim(standing) is None


def test_what_is_handed_in_is_appended_for_its_owner_only(tmp_path: Path) -> None:
    """What is no decision is not written."""
    path = tmp_path / "d.jsonl"
    decisions = Decisions(str(path), name)
    assert decisions.hand_in({"approval": "request"}) is None
    assert not path.exists()
    path.write_text('{"half":')
    assert decisions.hand_in(GOOD) is not None
    assert path.read_text().splitlines() == ['{"half":', json.dumps(GOOD, separators=(",", ":"))]
    path.unlink()
    decisions.hand_in(GOOD)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def _claim(path: str, answers: Any) -> None:
    decisions = Decisions(path, name)
    decision = decisions.last("apr-1")
    assert decision is not None
    answers.put(decisions.claim(decision) is None)


def test_of_several_processes_one_uses_a_decision(tmp_path: Path) -> None:
    """Two taps, one approval, one call."""
    path = tmp_path / "d.jsonl"
    write(path, GOOD)
    context = multiprocessing.get_context("spawn")
    answers: Any = context.Queue()
    workers = [context.Process(target=_claim, args=(str(path), answers)) for _ in range(4)]
    for worker in workers:
        worker.start()
    found = [answers.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert sorted(found) == [False, False, False, True]


def test_what_cannot_be_read_or_used_is_an_error(tmp_path: Path) -> None:
    """Never "no decision", never "not used yet"."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(DecisionsError):
        Decisions(str(tmp_path / "folder"), name).last("apr-1")
    decisions = Decisions(str(tmp_path / "d.jsonl"), name)
    decision = parsed(json.dumps(GOOD).encode(), name)
    assert decision is not None
    (tmp_path / "d.jsonl.used").mkdir()
    with pytest.raises(DecisionsError):
        decisions.claim(decision)
    assert decision.time + timedelta(hours=1) == NOW
