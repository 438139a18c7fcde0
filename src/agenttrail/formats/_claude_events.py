"""The events of Claude Code's messages and tool calls, and what tells rows apart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agenttrail import fields as f
from agenttrail.formats import _claude_tools as tools
from agenttrail.formats import _event
from agenttrail.formats import _messages as m
from agenttrail.jsontext import dumps
from agenttrail.seams import Event, Record

ID = "claude_code"


@dataclass(slots=True)
class Row:
    """One parsed row and where it came from."""

    record: Record
    data: dict[str, Any]
    identity: bytes
    context: dict[str, Any]
    time: str | None  # its own


@dataclass(slots=True)
class Message:
    """An API message of which more rows may come."""

    rows: list[Row] = field(default_factory=list)
    parts: list[dict[str, Any]] = field(default_factory=list)
    hashes: set[bytes] = field(default_factory=set)


@dataclass(slots=True)
class Call:
    """A tool_use without its result so far."""

    row: Row
    block: dict[str, Any]


def _make(rows_: Sequence[Row], fields: dict[str, Any], part: str = "", **more: Any) -> Event:
    """An event of these rows, its id made from what they say and not from where they stand."""
    digest = hashlib.blake2b(part.encode(), digest_size=16)
    for row in rows_:
        digest.update(row.identity)
    raw = {**(rows_[0].context.get(f.SOURCE_RAW) or {}), **(fields.get(f.SOURCE_RAW) or {})}
    known = {name: value for name, value in fields.items() if value is not None}
    merged = {**rows_[0].context, **known, f.SOURCE_RAW: raw or None}
    merged[f.EVENT_ID] = digest.hexdigest()
    # Rows of one message may be one record when a row has more than one block.
    records = tuple({id(row.record): row.record for row in rows_}.values())
    return _event.make(ID, merged, *records, part=part, **more)


def made(row: Row, made: _event.Made, part: str = "") -> Event:
    fields = {**made.fields, f.SOURCE_RAW: made.raw or None}
    return _make(
        [row], fields, part, outcome=made.outcome, category=made.category, type=made.type
    )  # fmt: skip


def chat(held: Message) -> Event:
    messages = [m.mapping(row.data.get("message")) for row in held.rows]
    usage: dict[str, Any] = {}
    reason = None
    for message in messages:
        found = m.mapping(message.get("usage"))
        if (m.integer(found.get("output_tokens")) or 0) >= (
            m.integer(usage.get("output_tokens")) or 0
        ):
            usage = found or usage
        reason = m.string(message.get("stop_reason")) or reason
    model = m.string(messages[0].get("model"))
    request = m.string(held.rows[0].data.get("requestId"))
    said = {"role": "assistant", "parts": held.parts, "finish_reason": reason or "unknown"}
    fields = {
        f.EVENT_ACTION: "chat",
        f.OPERATION_NAME: "chat",
        f.PROVIDER_NAME: "anthropic",
        f.REQUEST_MODEL: model,
        f.RESPONSE_MODEL: model,
        f.RESPONSE_ID: m.string(messages[0].get("id")),
        f.FINISH_REASONS: [reason] if reason else None,
        f.OUTPUT_MESSAGES: [said],
        f.SOURCE_RAW: {"requestId": request} if request else None,
        **_usage(usage),
    }
    return _make(held.rows, fields, "chat", outcome="success", type=("access", "end"))


def _usage(usage: dict[str, Any]) -> dict[str, Any]:
    plain = m.integer(usage.get("input_tokens"))
    read = m.integer(usage.get("cache_read_input_tokens"))
    write = m.integer(usage.get("cache_creation_input_tokens"))
    known = [count for count in (plain, read, write) if count is not None]
    return {
        f.INPUT_TOKENS: m.integer(sum(known)) if known else None,
        f.OUTPUT_TOKENS: m.integer(usage.get("output_tokens")),
        f.CACHE_READ_TOKENS: read,
        f.CACHE_WRITE_TOKENS: write,
        f.CACHE_WRITE_1H_TOKENS: m.integer(
            m.mapping(usage.get("cache_creation")).get("ephemeral_1h_input_tokens")
        )
        or None,
        f.REASONING_TOKENS: m.integer(
            m.mapping(usage.get("output_tokens_details")).get("thinking_tokens")
        ),
    }


def late(row: Row, content: Any) -> Event:
    message = m.mapping(row.data.get("message"))
    fields = {
        f.EVENT_ACTION: "message_part",
        f.RESPONSE_ID: m.string(message.get("id")),
        f.RESPONSE_MODEL: m.string(message.get("model")),
        f.OUTPUT_MESSAGES: [{"role": "assistant", "parts": m.parts(content)}],
    }
    return _make([row], fields, "late")


def synthetic(row: Row, content: Any) -> Event:
    """Claude Code itself wrote this row: it stands for a request that failed, or for none."""
    failed = row.data.get("isApiErrorMessage") is True
    status = m.integer(row.data.get("apiErrorStatus"))
    error = m.string(row.data.get("error")) or "api_error"
    fields: dict[str, Any] = {
        f.EVENT_ACTION: "api_error" if failed else "synthetic_message",
        f.OUTPUT_MESSAGES: [{"role": "assistant", "parts": m.parts(content)}],
    }
    if failed:
        fields |= {
            f.ERROR_TYPE: error,
            f.ERROR_MESSAGE: m.string(m.text_of(content)),
            f.HTTP_STATUS: status,
            f.ERROR_CODE: None if status is None else str(status),
        }
    return _make([row], fields, "synthetic", outcome="failure" if failed else "unknown")


def executed(call: Call, row: Row, block: dict[str, Any], structured: Any) -> Event:
    fields = tools.call_fields(call.block)
    category, kind = tools.kind(fields[f.TOOL_NAME] or "")
    outcome, denied, found = tools.result_fields(block, structured)
    fields |= {name: value for name, value in found.items() if value is not None}
    fields[f.EVENT_DURATION] = _event.nanoseconds(call.row.time, row.time)
    if fields[f.TOOL_NAME] in ("Task", "Agent"):
        started = m.mapping(structured)
        context = call.row.context
        fields[f.AGENT_INSTANCE_ID] = m.string(started.get("agentId"))
        fields[f.AGENT_PARENT_ID] = context[f.AGENT_INSTANCE_ID] or context[f.CONVERSATION_ID]
        fields[f.AGENT_TYPE] = fields.get(f.AGENT_TYPE) or m.string(started.get("agentType"))
    types = (kind, "denied", "end") if denied else (kind, "end")
    part = f"call {fields[f.TOOL_CALL_ID]}"
    return _make([call.row, row], fields, part, outcome=outcome, category=category, type=types)


def unanswered(call: Call) -> Event:
    fields = tools.call_fields(call.block)
    category, kind = tools.kind(fields[f.TOOL_NAME] or "")
    fields[f.ERROR_TYPE] = "no_response"
    part = f"open {fields[f.TOOL_CALL_ID]} {hash_of(call.block).hex()}"
    return _make([call.row], fields, part, category=category, type=(kind,))


def orphan(row: Row, block: dict[str, Any], structured: Any, number: int) -> Event:
    """A result whose call is not in this stream, or was let go of."""
    outcome, denied, fields = tools.result_fields(block, structured)
    fields |= {
        f.EVENT_ACTION: "tool_result",
        f.TOOL_CALL_ID: m.string(block.get("tool_use_id")),
        f.SOURCE_ERROR: "no_request",
    }
    types = ("denied", "end") if denied else ("end",)
    return _make([row], fields, f"result {number}", outcome=outcome, type=types)


# What a resumed or forked session changes in the rows that it copies.
_COPIED_ANEW = ("sessionId", "session_id", "cwd", "gitBranch", "version", "slug", "forkedFrom")


def identity_of(record: Record, data: dict[str, Any]) -> bytes:
    """The same for a row and its copy; rows without a uuid are told apart by where they stand."""
    if not m.string(data.get("uuid")):
        return record.digest
    kept = {key: value for key, value in data.items() if key not in _COPIED_ANEW}
    return hashlib.blake2b(dumps(kept), digest_size=16).digest()


def hash_of(value: Any) -> bytes:
    return hashlib.blake2b(dumps(value), digest_size=8).digest()
