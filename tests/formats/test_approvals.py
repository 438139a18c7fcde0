"""Lines of approval systems: every stage, every word for yes and no, and what cannot be read."""

import json
from typing import Any

import jsonschema
import pytest

from agenttrail import fields as f
from agenttrail.formats.approvals import ApprovalsOptions, sniff
from agenttrail.formats.auto import AutoOptions
from agenttrail.jsontext import dumps, loads
from agenttrail.seams import Drop, Event
from agenttrail.testing import records

SCHEMA = jsonschema.Draft202012Validator(f.json_schema())
REQUEST = {"approval": "request", "id": "AP-1", "at": "2026-11-25T09:00:00Z", "tool": "pay"}
DECISION = {"approval": "decision", "id": "AP-1", "at": "2026-11-25T09:00:00Z", "outcome": "allow"}


def read(value: Any) -> list[dict[str, Any]]:
    """The fields of the events of one line, each of them valid."""
    (record,) = records(json.dumps(value).encode())
    events = [e for e in ApprovalsOptions().build()(record) if isinstance(e, Event)]
    for event in events:
        document = f.to_document({**event.fields, f.PII_MASKED: 0, f.PII_POLICY: "none"})
        SCHEMA.validate(loads(dumps(document)))
    return [dict(event.fields) for event in events]


@pytest.mark.parametrize(
    ("said", "outcome", "error"),
    [("allow", "allow", None), ("Approved", "allow", None), (" accept ", "allow", None),
     ("deny", "deny", None), ("REJECTED", "deny", None), ("decline", "deny", None),
     ("expired", "expired", None), ("timeout", "expired", None),
     ("perhaps", "deny", "unknown_outcome"), (True, "deny", "unknown_outcome"),
     (None, "deny", "unknown_outcome"), ("", "deny", "unknown_outcome")],
)  # fmt: skip
def test_what_cannot_be_read_as_a_yes_is_a_no(said: Any, outcome: str, error: str | None) -> None:
    """And is marked."""
    (fields,) = read({**DECISION, "outcome": said})
    assert fields[f.APPROVAL_OUTCOME] == outcome
    assert fields.get(f.SOURCE_ERROR) == error
    assert fields[f.EVENT_TYPE] == ["allowed" if outcome == "allow" else "denied"]


def test_every_key_has_its_field_and_the_rest_stays() -> None:
    """Nothing of a line is lost."""
    line = {
        **DECISION, "agent": "expense", "server": "expenses", "tool": "pay_claim",
        "call_id": "toolu_1", "conversation": "s-1", "task": "t-1", "arguments": {"amount": 5},
        "arguments_hash": "ab" * 16, "approver": "r@example.com", "source": "hook",
        "scope": "session", "channel": "経費承認", "wait_ms": 5, "expires": "2026-11-26T09:00:00Z",
        "user": "u-1", "reason": "fine", "ticket": {"queue": "EXP"},
    }  # fmt: skip
    (fields,) = read(line)
    assert {name: fields[name] for name in (
        f.AGENT_ID, f.MCP_SERVER_NAME, f.TOOL_NAME, f.TOOL_CALL_ID, f.CONVERSATION_ID, f.TASK_ID,
        f.TOOL_ARGUMENTS, f.APPROVAL_ARGUMENTS_GIVEN, f.APPROVAL_APPROVER, f.APPROVAL_SOURCE,
        f.APPROVAL_SCOPE, f.APPROVAL_WAIT_MS, f.APPROVAL_EXPIRES, f.USER_ID,
        f.EVENT_REASON, f.APPROVAL_ID, f.APPROVAL_STAGE, f.EVENT_ACTION, f.SOURCE_RAW,
    )} == {
        f.AGENT_ID: "expense", f.MCP_SERVER_NAME: "expenses", f.TOOL_NAME: "pay_claim",
        f.TOOL_CALL_ID: "toolu_1", f.CONVERSATION_ID: "s-1", f.TASK_ID: "t-1",
        f.TOOL_ARGUMENTS: {"amount": 5}, f.APPROVAL_ARGUMENTS_GIVEN: "ab" * 16,
        f.APPROVAL_APPROVER: "r@example.com", f.APPROVAL_SOURCE: "hook",
        f.APPROVAL_SCOPE: "session", f.APPROVAL_WAIT_MS: 5,
        f.APPROVAL_EXPIRES: "2026-11-26T09:00:00Z", f.USER_ID: "u-1", f.EVENT_REASON: "fine",
        f.APPROVAL_ID: "AP-1", f.APPROVAL_STAGE: "decision", f.EVENT_ACTION: "approval_decided",
        f.SOURCE_RAW: {"channel": "経費承認", "ticket": {"queue": "EXP"}},
    }  # fmt: skip


def test_a_request_and_an_expiry_say_what_they_are() -> None:
    """An expiry is the decision that nobody made."""
    (fields,) = read(REQUEST)
    assert (fields[f.APPROVAL_STAGE], fields[f.APPROVAL_OUTCOME]) == ("request", "require_approval")
    (fields,) = read({**REQUEST, "approval": "expiry"})
    assert (fields[f.APPROVAL_STAGE], fields[f.APPROVAL_OUTCOME]) == ("decision", "expired")


@pytest.mark.parametrize(
    ("line", "error"),
    [({**REQUEST, "approval": "question"}, "unknown_stage"), ({"id": "AP-1"}, "unknown_stage"),
     ({**REQUEST, "approval": ["request"]}, "unknown_stage"), (5, "unknown_stage"),
     ({**REQUEST, "at": "soon"}, "no_time"), ({**REQUEST, "wait_ms": "long"}, "bad_type")],
)  # fmt: skip
def test_what_cannot_be_read_is_an_event_with_all_that_it_said(line: Any, error: str) -> None:
    """Never an exception, never silence."""
    (fields,) = read(line)
    assert fields[f.SOURCE_ERROR] == error
    if error != "no_time":
        assert fields[f.SOURCE_RAW]


def test_a_list_is_as_many_events_with_ids_of_their_own() -> None:
    """A webhook that sends several at once."""
    made = read([REQUEST, DECISION, DECISION])
    assert [fields[f.APPROVAL_STAGE] for fields in made] == ["request", "decision", "decision"]
    assert len({fields[f.EVENT_ID] for fields in made}) == 3


@pytest.mark.parametrize("line", [b"", b"  ", b"[]"])
def test_a_blank_line_is_dropped(line: bytes) -> None:
    """With its reason."""
    (record,) = records(line, stream="s")
    with pytest.raises(Drop):
        ApprovalsOptions().build()(record)


@pytest.mark.parametrize(
    ("line", "least"),
    [(REQUEST, 90), ([DECISION], 90), ({"approval": "request", "at": 5}, 50),
     ({"approval": "question", "id": 1}, 0), ({"id": "x", "outcome": "allow"}, 0), ([], 0)],
)  # fmt: skip
def test_its_lines_are_told_from_others(line: Any, least: int) -> None:
    """By the stage and by what they are about."""
    score = sniff([b"", json.dumps(line).encode()], None)
    assert (score >= least) if least else score == 0
    assert sniff([b"text"], None) == 0


def test_auto_chooses_it() -> None:
    """So that a folder of logs and approvals is read as it is."""
    chosen: list[str] = []
    form = AutoOptions().build(choose=lambda _stream, name, _why: chosen.append(name))
    for record in records(json.dumps(REQUEST).encode(), json.dumps(DECISION).encode()):
        list(form(record))
    assert chosen == ["approvals"]
