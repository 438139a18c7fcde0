"""Approvals of ticket systems, chats and services of your own: one JSON object a line, or a list of them.

    {"approval": "request", "id": "AP-1042", "at": "2026-11-25T09:00:00Z", "agent": "expense",
     "server": "expenses", "tool": "pay_claim", "call_id": "toolu_01", "arguments": {"amount": 250000},
     "channel": "expense reviewers", "expires": "2026-11-25T13:00:00Z"}
    {"approval": "decision", "id": "AP-1042", "at": "2026-11-25T09:12:00Z", "outcome": "allow",
     "approver": "reviewer@example.com", "channel": "expense reviewers"}
    {"approval": "expiry", "id": "AP-1042", "at": "2026-11-25T13:00:00Z"}

It is what a webhook of such a system is mapped to (the body of one call is one line), and what a
program of yours can write. Needed are `approval`, `at`, and of `id`, `call_id` and `arguments` enough
to find the call. All that is known:

| key | meaning |
| --- | --- |
| approval | request, decision or expiry |
| id | the approval's id, the same in request, decision and expiry |
| at | when: RFC 3339, or seconds to nanoseconds since 1970 |
| agent | the agent's id in the agent registry |
| server, tool, call_id, conversation, task | which call it is about, as the agent's log names them |
| arguments | those that are approved; they are masked like every other argument |
| arguments_hash | instead of them: their keyed hash, by the recipe of `agenttrail explain approvals` with a key that both sides have; read by the enricher `approvals`, never passed on by itself |
| outcome | of a decision: allow (also approved, accept), deny (denied, rejected, decline), expired |
| approver | who decided, as the registry's contacts and the policy's approvers name people |
| source | who decided: user (the default), config, hook, policy |
| scope | once (the default), session, always |
| channel | the policy's channel; stays under source.raw until the enricher `approvals` knows it for one |
| wait_ms | how long the decision took, where it is known better than by the times |
| expires | until when the request, or the decision, holds |
| user | whom the agent worked for |
| reason | in words |

Everything else stays under `agenttrail.source.raw`. A line without a stage that is known, or without a
time, is an event with `agenttrail.source.error`; a decision without an outcome that is known is taken
for a refusal, and marked too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from agenttrail import fields as f
from agenttrail import jsontext
from agenttrail.formats import _event
from agenttrail.formats import _messages as m
from agenttrail.formats._coerce import coerce
from agenttrail.seams import Drop, Event, Record

_STAGES = {"request": "request", "decision": "decision", "expiry": "decision"}
_ACTIONS = {"request": "approval_requested", "decision": "approval_decided", "expiry": "approval_expired"}  # fmt: skip
_OUTCOMES = {
    **dict.fromkeys(("allow", "allowed", "approve", "approved", "accept", "accepted"), "allow"),
    **dict.fromkeys(("deny", "denied", "reject", "rejected", "decline", "declined"), "deny"),
    **dict.fromkeys(("expire", "expired", "timeout", "timed_out"), "expired"),
}
_TEXTS = {
    "agent": f.AGENT_ID,
    "server": f.MCP_SERVER_NAME,
    "tool": f.TOOL_NAME,
    "call_id": f.TOOL_CALL_ID,
    "conversation": f.CONVERSATION_ID,
    "task": f.TASK_ID,
    "arguments_hash": f.APPROVAL_ARGUMENTS_GIVEN,
    "approver": f.APPROVAL_APPROVER,
    "source": f.APPROVAL_SOURCE,
    "scope": f.APPROVAL_SCOPE,
    "wait_ms": f.APPROVAL_WAIT_MS,
    "expires": f.APPROVAL_EXPIRES,
    "user": f.USER_ID,
    "reason": f.EVENT_REASON,
}
_OWN = {"approval", "id", "at", "arguments", "outcome"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalsOptions:
    """Requests, decisions and expiries of ticket systems and chats, one JSON object a line."""

    type: ClassVar[str] = "approvals"

    def build(self) -> ApprovalsFormat:
        return ApprovalsFormat()


class ApprovalsFormat:
    """See the module."""

    def __call__(self, record: Record, /) -> Iterable[Event]:
        if not record.data.strip():
            raise Drop("blank")
        try:
            value = jsontext.loads(record.data)
        except ValueError:
            return [_bad(record, "not_json")]
        given = value if isinstance(value, list) else [value]
        if not given:
            raise Drop("blank")
        return [_made(record, item, str(number)) for number, item in enumerate(given)]

    def end(self, _stream: str, /) -> Iterable[Event]:
        return ()


def _bad(record: Record, error: str) -> Event:
    return _event.unreadable("approvals", record, error, timestamp=record.time, time="read")


def _made(record: Record, item: Any, part: str) -> Event:
    data = m.mapping(item)
    said = data.get("approval")
    stage = _STAGES.get(said) if isinstance(said, str) else None
    moment = _event.timestamp(data.get("at"))
    fields: dict[str, Any] = {
        f.TIMESTAMP: moment or record.time,
        f.SOURCE_TIME: "log" if moment else "read",
        f.EVENT_ACTION: _ACTIONS.get(str(said), "log"),
        f.SOURCE_EVENT_TYPE: said if stage else None,
    }
    error = None if stage else "unknown_stage"
    if moment is None:
        error = error or "no_time"
    rest = {key: value for key, value in data.items() if key not in _OWN}
    if not stage:
        rest = data or {"value": item}
    else:
        error = _fill(fields, rest, data, stage) or error
    outcome = fields.get(f.APPROVAL_OUTCOME)
    kinds = {"allow": "allowed", "deny": "denied", "expired": "denied"}
    fields[f.SOURCE_ERROR] = error
    fields[f.SOURCE_RAW] = {key: m.bare(value) for key, value in rest.items()} or None
    return _event.make(
        "approvals", fields, record, part=part, category=("iam",),
        type=(kinds.get(outcome or "", "info"),),
        outcome="success" if stage == "decision" else "unknown",
    )  # fmt: skip


def _fill(
    fields: dict[str, Any], rest: dict[str, Any], data: dict[str, Any], stage: str
) -> str | None:
    """Fills in what the line says; what could not be read as it should stays in `rest`."""
    error = None
    fields[f.APPROVAL_STAGE] = stage
    fields[f.APPROVAL_ID] = _word(data.get("id"))
    for key, name in _TEXTS.items():
        if key not in data or data[key] is None:
            rest.pop(key, None)
            continue
        value = coerce(f.FIELDS[name], data[key])
        if value is None:
            error = "bad_type"
            continue
        fields[name] = value
        del rest[key]
    if "arguments" in data:
        fields[f.TOOL_ARGUMENTS] = m.wrapped(m.bare(m.unpacked(data["arguments"])))
    if stage == "request":
        fields[f.APPROVAL_OUTCOME] = "require_approval"
        return error
    said = data.get("outcome")
    if data["approval"] == "expiry":
        fields[f.APPROVAL_OUTCOME] = "expired"
        return error
    outcome = _OUTCOMES.get(said.strip().lower()) if isinstance(said, str) else None
    # What cannot be read as a yes is a no.
    fields[f.APPROVAL_OUTCOME] = outcome or "deny"
    fields.setdefault(f.APPROVAL_SOURCE, "user")
    fields.setdefault(f.APPROVAL_SCOPE, "once")
    if outcome is None:
        rest["outcome"] = said
        return "unknown_outcome"
    return error


def _word(value: Any) -> str | None:
    """An id; tickets often have numbers."""
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def sniff(lines: Sequence[bytes], path: str | None) -> int:  # noqa: ARG001
    """95 where the first line says its stage and names what it is about."""
    for line in lines:
        if not line.strip():
            continue
        try:
            value = jsontext.loads(line)
        except ValueError:
            return 0
        first = value[0] if isinstance(value, list) and value else value
        if not isinstance(first, dict) or first.get("approval") not in _STAGES:
            return 0
        return 95 if {"id", "call_id", "arguments", "arguments_hash"} & set(first) else 60
    return 0
