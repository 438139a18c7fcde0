"""The events of Codex's messages, calls and counts, and the state that they are made from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from agenttrail import fields as f
from agenttrail.formats import _codex_rows as rows
from agenttrail.formats import _codex_tools as tools
from agenttrail.formats import _event
from agenttrail.formats import _messages as m
from agenttrail.formats._codex_fork import Fork
from agenttrail.seams import Drop, Event, Record

ID = "codex"


@dataclass(slots=True)
class Row:
    """One parsed line: its payload, and the fields that every event of it has."""

    record: Record
    kind: str
    payload: dict[str, Any]
    inner: str  # the payload's own type
    time: str | None
    context: dict[str, Any]


@dataclass(slots=True)
class Call:
    row: Row
    ends: list[Row] = field(default_factory=list)


@dataclass(slots=True)
class Stream:
    time: str | None = None
    bare: bool = False  # the form without envelope
    settings: dict[str, Any] = field(default_factory=dict)  # fields that all events have
    said: tuple[Any, ...] | None = None  # the last turn_context
    model: str | None = None
    provider: str | None = None
    fork: Fork = field(default_factory=Fork)
    prompt: Row | None = None  # a user item, until it is known whether a user_message follows
    typed: str | None = None  # the text of the last user_message, while its item may still follow
    answer: list[Row] = field(default_factory=list)
    usage: Row | None = None  # a token_usage_record whose token_count has not come
    total: Any = None
    calls: dict[str, Call] = field(default_factory=dict)
    answered: dict[str, None] = field(default_factory=dict)
    compacted: bool = False

    def begin(self) -> None:
        """Another session follows in the same stream: nothing of the last one holds for it."""
        self.settings, self.said, self.fork, self.total = {}, None, Fork(), None


def turn_ids(payload: dict[str, Any]) -> dict[str, Any]:
    turn = m.string(payload.get("turn_id"))
    return {f.TURN_ID: turn, f.TASK_ID: turn} if turn else {}


def call_id(row: Row) -> str:
    """The id that pairs a call with its output; one of its own where the line has none."""
    found = m.string(row.payload.get("call_id")) or m.string(row.payload.get("id"))
    return found or row.record.digest.hex()


def made(row: Row, made: _event.Made, part: str = "") -> Event:
    fields = {**row.context, **{n: v for n, v in made.fields.items() if v is not None}}
    fields[f.SOURCE_RAW] = made.raw or None
    return _event.make(
        ID, fields, row.record, part=part,
        outcome=made.outcome, category=made.category, type=made.type,
    )  # fmt: skip


def settled(stream: Stream) -> list[Event]:
    """The event of a user item that no user_message followed: context, or the bare form's prompt."""
    row, stream.prompt = stream.prompt, None
    if row is None:
        return []
    content = row.payload.get("content")
    said = {f.INPUT_MESSAGES: [{"role": "user", "parts": m.parts(content)}]}
    if rows.CONTEXT.match(m.text_of(content)):
        action = "context_added"
    elif row.context.get(f.AGENT_SIDECHAIN):
        action = "agent_prompt"
    else:
        action = "user_prompt" if stream.bare else "context_added"
    return [made(row, _event.Made({f.EVENT_ACTION: action, **said}))]


def prompt(row: Row, held: Row | None) -> Event:
    payload = row.payload
    parts = m.parts(held.payload.get("content") if held else payload.get("message"))
    if held is None:
        images = payload.get("images")
        parts += m.parts(
            [{"type": "input_image", "image_url": url} for url in images or ()]
            if isinstance(images, list)
            else None
        )
    origins = (held.record, row.record) if held else (row.record,)
    fields = {
        **row.context,
        f.EVENT_ACTION: "user_prompt",
        f.INPUT_MESSAGES: [{"role": "user", "parts": parts}],
        f.SOURCE_RAW: rows.rest(payload, "message", "images") or None,
    }
    return _event.make(ID, fields, *origins, part="prompt")


def turn(stream: Stream, row: Row) -> list[Event]:
    payload = row.payload
    policy, sandbox = payload.get("approval_policy"), payload.get("sandbox_policy")
    sandbox_name = (
        sandbox
        if isinstance(sandbox, str)
        else m.mapping(sandbox).get("type", m.mapping(sandbox).get("mode"))
    )
    approval = policy if isinstance(policy, str) else next(iter(m.mapping(policy)), None)
    model, folder = m.string(payload.get("model")), m.string(payload.get("cwd"))
    stream.model = model or stream.model
    found = {
        f.PERMISSION_MODE: m.string(approval),
        f.PERMISSION_SANDBOX: m.string(sandbox_name),
        f.PROCESS_WORKING_DIRECTORY: folder,
    }
    stream.settings |= {name: value for name, value in found.items() if value is not None}
    stream.settings |= turn_ids(payload)
    before, stream.said = stream.said, (policy, sandbox, model, folder, payload.get("effort"))
    if stream.said == before:
        raise Drop("unchanged_settings")
    changed = before is not None and before[:2] != stream.said[:2]
    fields = {
        **stream.settings,
        f.EVENT_ACTION: "permission_mode_changed" if changed else "settings",
        f.REQUEST_MODEL: model,
    }
    type_ = ("info",) if before is None else ("change",)
    raw = rows.rest(
        payload, "turn_id", "cwd", "model", "approval_policy" if isinstance(policy, str) else ""
    )
    return [made(row, _event.Made(fields, "success", ("configuration",), type_, raw))]


def count(stream: Stream, row: Row) -> list[Event]:
    info = row.payload.get("info")
    if not isinstance(info, dict):
        raise Drop("rate_limits")
    total, last = info.get("total_token_usage"), info.get("last_token_usage")
    before = stream.total
    stream.total = total if isinstance(total, dict) else last
    if stream.total == before:
        raise Drop("repeated_token_count")
    if not isinstance(last, dict):
        if before is None and stream.fork.forked:
            raise Drop("replayed_history")  # the parent's total: what the fork starts from
        last = _difference(m.mapping(total), m.mapping(before))
    elif stream.fork.forked and not stream.fork.begun:
        raise Drop("replayed_history")
    if not any(m.integer(count) for count in last.values()) and not stream.answer:
        raise Drop("rate_limits")
    return chat(stream, row, last)


def _difference(total: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    counts = {
        key: (m.integer(value), m.integer(before.get(key)) or 0) for key, value in total.items()
    }
    return {key: max(0, now - then) for key, (now, then) in counts.items() if now is not None}


def chat(stream: Stream, row: Row | None, counted: Any = None) -> list[Event]:
    """The answer collected so far as one event, with the usage that `row` tells where there is one."""
    answer, stream.answer = stream.answer, []
    record, stream.usage = stream.usage, None
    if counted is None and record is not None:
        counted = record.payload.get("usage")
    involved = [*answer, *([record] if record else []), *([row] if row else [])]
    if not involved:
        return []
    usage = m.mapping(counted)
    parts = [part for item in answer for part in _parts(item)]
    fields: dict[str, Any] = {
        **stream.settings,
        **{name: value for name, value in involved[0].context.items() if value is not None},
        f.EVENT_ACTION: "chat",
        f.OPERATION_NAME: "chat",
        f.PROVIDER_NAME: stream.provider or "openai",
        f.REQUEST_MODEL: stream.model,
        f.RESPONSE_ID: m.string(record.payload.get("response_id")) if record else None,
        f.OUTPUT_MESSAGES: [{"role": "assistant", "parts": parts}] if parts else None,
        f.INPUT_TOKENS: m.integer(usage.get("input_tokens")),
        f.OUTPUT_TOKENS: m.integer(usage.get("output_tokens")),
        f.CACHE_READ_TOKENS: m.integer(usage.get("cached_input_tokens")),
        f.CACHE_WRITE_TOKENS: m.integer(usage.get("cache_write_input_tokens")),
        f.REASONING_TOKENS: m.integer(usage.get("reasoning_output_tokens")),
    }
    records = [item.record for item in involved]
    return [
        _event.make(ID, fields, *records, part="chat", outcome="success", type=("access", "end"))
    ]  # fmt: skip


def _parts(row: Row) -> list[dict[str, Any]]:
    payload = row.payload
    if row.inner == "message":
        return m.parts(payload.get("content"))
    if row.inner == "reasoning":
        return m.parts(payload.get("summary")) + m.parts(payload.get("content"))
    fields = tools.call_fields(payload)
    kind = "server_tool_call" if row.inner in tools.WHOLE else "tool_call"
    part = {"type": kind, "id": fields[f.TOOL_CALL_ID], "name": fields[f.TOOL_NAME]}
    given = fields[f.TOOL_ARGUMENTS]
    if kind == "tool_call":
        return [{**part, "arguments": given}]
    return [{**part, "server_tool_call": {"type": fields[f.TOOL_NAME], **m.mapping(given)}}]


def executed(call: Call, output: Row | None) -> Event:
    fields = {**call.row.context, **tools.call_fields(call.row.payload)}
    category, verb = tools.kind(fields[f.TOOL_NAME] or "")
    found: dict[str, Any] = {f.ERROR_TYPE: "no_response"}
    outcome, refused = "unknown", False
    stated: int | None = None
    if output is not None:
        given = output.payload.get(
            "output", output.payload.get("tools", output.payload.get("result"))
        )
        outcome, refused, found = tools.output_fields(given)
        stated = found.pop(f.EVENT_DURATION)
    elif call.ends:
        found = tools.own_fields(call.ends[-1].payload)
        found = {name: found[name] for name in (f.TOOL_RESULT,)}
    # The output's own word first: lines of one moment would give 0 for a call that took its time.
    took = stated
    if took is None and output is not None:
        took = _event.nanoseconds(call.row.time, output.time)
    for end in call.ends:
        told, more = tools.end_fields(end.payload)
        took = more.pop(f.EVENT_DURATION) or took
        found |= {name: value for name, value in more.items() if value is not None}
        outcome = told if told == "failure" or (told and output is None) else outcome
    if outcome == "failure":
        found.pop(f.TOOL_RESULT, None)
    fields |= {name: value for name, value in found.items() if value is not None}
    fields[f.EVENT_DURATION] = took
    records = [call.row.record, *(end.record for end in call.ends)]
    records += [output.record] if output else []
    types = [verb] + (["denied"] if refused else []) + (["end"] if output or call.ends else [])
    return _event.make(
        ID, fields, *records, part="call", outcome=outcome, category=category, type=tuple(types)
    )  # fmt: skip


def whole(row: Row) -> Event:
    """A call that the provider ran: its one item is all there is."""
    fields = {**row.context, **tools.call_fields(row.payload)}
    category, verb = tools.kind(fields[f.TOOL_NAME])
    status = row.payload.get("status")
    outcome = {"completed": "success", "failed": "failure"}.get(str(status), "unknown")
    if outcome == "failure":
        fields[f.ERROR_TYPE] = "tool_error"
    if isinstance(row.payload.get("result"), str):
        fields[f.TOOL_RESULT] = m.blob(row.payload["result"], "image/png")
    return _event.make(
        ID, fields, row.record, part="call", outcome=outcome, category=category, type=(verb, "end")
    )  # fmt: skip


def ended(row: Row) -> Event:
    outcome, more = tools.end_fields(row.payload)
    fields = {**row.context, **tools.own_fields(row.payload)}
    fields |= {name: value for name, value in more.items() if value is not None}
    if outcome == "failure":
        fields[f.TOOL_RESULT] = None
    category, verb = tools.kind(fields[f.TOOL_NAME] or "")
    return _event.make(
        ID, fields, row.record, part="call",
        outcome=outcome or "unknown", category=category, type=(verb, "end"),
    )  # fmt: skip


def orphan(row: Row) -> Event:
    """An output whose call is not in this stream, or was let go of."""
    outcome, refused, found = tools.output_fields(
        row.payload.get("output", row.payload.get("tools"))
    )
    own = {
        f.EVENT_ACTION: "tool_result",
        f.TOOL_CALL_ID: m.string(row.payload.get("call_id")),
        f.SOURCE_ERROR: "no_request",
    }
    types = ("denied", "end") if refused else ("end",)
    return _event.make(
        ID, {**row.context, **found, **own}, row.record, part="result", outcome=outcome, type=types
    )  # fmt: skip


def unreadable(stream: Stream, record: Record, error: str) -> Event:
    time = "neighbour" if stream.time else "read"
    event = _event.unreadable(ID, record, error, timestamp=stream.time or record.time, time=time)
    session = stream.settings.get(f.CONVERSATION_ID)
    return replace(event, fields={**event.fields, f.CONVERSATION_ID: session}) if session else event
