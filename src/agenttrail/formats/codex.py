"""OpenAI Codex CLI rollouts (`~/.codex/sessions/YYYY/MM/DD/rollout-<time>-<uuid>.jsonl`).

Format: `RolloutLine` of openai/codex (codex-rs/protocol/src/protocol.rs), versions 0.2x to 0.15x:
`{"timestamp", "type", "payload"}`, and the bare items without that envelope of before
September 2025.

What becomes what:
- A call item with its output becomes one `execute_tool` event; `exec_command_end`,
  `mcp_tool_call_end` and `patch_apply_end` add what they know to it, and are events of their own
  only where no item tells of the call. A call without output is `no_response`, outcome unknown.
- A `token_count` whose total differs from the one before becomes a `chat` event with
  `last_token_usage` and the answer since the last one; Codex repeats counts, and those are dropped.
  `input_tokens` includes cached ones, `output_tokens` reasoning, as in OTel.
- `user_message` with the item before it is one `user_prompt`; other user and developer items are
  `context_added`. `agent_message` and `agent_reasoning` repeat items and are dropped.
- A forked rollout begins with a copy of its parent's history: dropped as `replayed_history`. Where
  it ends is told by the turn ids (UUIDv7, older than the session), by timestamps older than the
  session, or by the first turn that starts later than the copy.
- Session start, changed settings (approval policy, sandbox, model, folder), finished and aborted
  turns, approvals asked for, errors, compactions and all kinds unknown here are events of their own.

Task id: the turn's id; a turn is one prompt and all that follows from it.

Limits: encrypted reasoning, ghost snapshots and world state are dropped; of a compaction's
replacement history only its length is kept (it is a copy). Without `token_count` a `chat` event has
no usage and holds the answer up to the next tool output, prompt or end of turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from agenttrail import fields as f
from agenttrail.errors import OptionError
from agenttrail.formats import _codex_events as codex
from agenttrail.formats import _codex_rows as rows
from agenttrail.formats import _codex_tools as tools
from agenttrail.formats import _event
from agenttrail.formats import _messages as m
from agenttrail.jsontext import loads
from agenttrail.seams import Drop, Dropped, Event, Record

_PATH = re.compile(r"rollout-[0-9T-]+-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.jsonl")
_ITEMS = frozenset(("message", "reasoning", *tools.CALLS, *tools.OUTPUTS, *tools.WHOLE))
_TYPES = frozenset(
    ("session_meta", "response_item", "event_msg", "turn_context", "compacted", "world_state",
     "inter_agent_communication", "inter_agent_communication_metadata", "token_usage_record")
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexOptions:
    """OpenAI Codex CLI's rollout files."""

    type: ClassVar[str] = "codex"
    pending_max: Annotated[
        int,
        "Tool calls and pieces of an answer held a stream; past it the oldest is given as it is.",
    ] = 10_000
    remember_max: Annotated[int, "Answered calls remembered a stream, to know their repeats."] = (
        50_000
    )

    def __post_init__(self) -> None:
        for option in ("pending_max", "remember_max"):
            if getattr(self, option) < 1:
                raise OptionError(option, "must be positive")

    def build(self) -> CodexFormat:
        return CodexFormat(self)


class CodexFormat:
    """Rollout lines to events; see the module's docstring."""

    def __init__(self, options: CodexOptions) -> None:
        self._options = options
        self._streams: dict[str, codex.Stream] = {}

    def __call__(self, record: Record, /) -> Iterable[Event | Dropped]:
        if not record.data.strip():
            raise Drop("blank")
        stream = self._streams.get(record.stream)
        if stream is None:
            stream = self._streams[record.stream] = codex.Stream()
            match = _PATH.search(record.path or "")
            stream.settings[f.CONVERSATION_ID] = match[1] if match else None
        try:
            data = loads(record.data)
        except ValueError:
            return [codex.unreadable(stream, record, "not_json")]
        row = _parse(stream, record, data)
        if row is None:
            if isinstance(data, dict) and data.get("record_type") == "state":
                raise Drop("state")
            return [codex.unreadable(stream, record, "unknown_shape")]
        return self._read(stream, row)

    def end(self, stream: str, /) -> Iterable[Event | Dropped]:
        state = self._streams.pop(stream, None)
        if state is None:
            return []
        events = [*codex.settled(state), *codex.chat(state, None)]
        return events + [codex.executed(call, None) for call in state.calls.values()]

    def _read(self, stream: codex.Stream, row: codex.Row) -> list[Event | Dropped]:
        if stream.fork.replays(row.kind, row.inner, row.payload, row.time):
            if row.inner == "token_count":
                stream.total = m.mapping(row.payload.get("info")).get(
                    "total_token_usage", stream.total
                )
            raise Drop("replayed_history")
        before: list[Event | Dropped] = []
        if not (row.kind == "event_msg" and row.inner == "user_message"):
            before += codex.settled(stream)
        try:
            return [*before, *self._handle(stream, row)]
        except Drop as drop:
            if not before:
                raise
            return [*before, Dropped(row.record, drop.reason)]

    def _handle(self, stream: codex.Stream, row: codex.Row) -> Iterable[Event]:
        if row.kind == "response_item":
            return self._item(stream, row)
        if row.kind == "event_msg":
            return self._message(stream, row)
        if row.kind == "session_meta":
            return [codex.made(row, rows.meta(row.payload))]
        if row.kind == "turn_context":
            return codex.turn(stream, row)
        if row.kind == "token_usage_record":
            lone = codex.chat(stream, None) if stream.usage is not None else []
            stream.usage = row
            return lone
        if row.kind == "compacted":
            stream.compacted = True
            replaced = row.payload.get("replacement_history")
            raw = rows.rest(row.payload, "message", "replacement_history")
            if isinstance(replaced, list):
                raw["replacement_items"] = len(replaced)
            fields = {
                f.EVENT_ACTION: "conversation_compacted",
                f.CONVERSATION_COMPACTED: True,
                f.MESSAGE: m.string(row.payload.get("message")),
            }
            return [codex.made(row, _event.Made(fields, raw=raw))]
        if row.kind in ("world_state", "inter_agent_communication_metadata"):
            raise Drop("turn_marker" if row.kind.endswith("metadata") else "world_state")
        action = "agent_message" if row.kind == "inter_agent_communication" else "log"
        return [codex.made(row, _event.Made({f.EVENT_ACTION: action}, raw=rows.rest(row.payload)))]

    # --- items ------------------------------------------------------------------------------------

    def _item(self, stream: codex.Stream, row: codex.Row) -> list[Event]:
        kind, payload = row.inner, row.payload
        typed, stream.typed = stream.typed, None
        if kind == "message":
            role = payload.get("role")
            if role == "assistant":
                return self._answer(stream, row)
            stream.compacted = False
            if role == "user":
                if typed is not None and m.text_of(payload.get("content")) == typed:
                    raise Drop("repeated_message")
                flushed = codex.chat(stream, None) if stream.bare else []
                stream.prompt = row
                return flushed
            instructions = {f.SYSTEM_INSTRUCTIONS: m.parts(payload.get("content"))}
            return [codex.made(row, _event.Made({f.EVENT_ACTION: "context_added", **instructions}))]
        if kind == "reasoning":
            return self._answer(stream, row)
        if kind in tools.WHOLE:
            event = codex.whole(row)
            return [*self._answer(stream, row), event]
        if kind in tools.CALLS:
            key = codex.call_id(row)
            if key not in stream.calls:
                stream.calls[key] = codex.Call(row)
            events = self._answer(stream, row)
            while len(stream.calls) > self._options.pending_max:
                events.append(codex.executed(stream.calls.pop(next(iter(stream.calls))), None))
            return events
        if kind in tools.OUTPUTS:
            key = codex.call_id(row)
            call = stream.calls.pop(key, None)
            if call is None and key in stream.answered:
                raise Drop("repeated_call")
            flushed = codex.chat(stream, None) if stream.bare else []
            if call is None:
                return [*flushed, codex.orphan(row)]
            self._remember(stream, key)
            return [*flushed, codex.executed(call, row)]
        if kind == "ghost_snapshot":
            raise Drop("ghost_snapshot")
        if kind in ("compaction", "compaction_summary", "context_compaction"):
            return self._compaction(stream, row)
        if kind == "additional_tools":
            listed = payload.get("tools")
            defined = (
                listed
                if isinstance(listed, list) and all(isinstance(t, dict) for t in listed)
                else None
            )
            return [
                codex.made(row, _event.Made({f.EVENT_ACTION: "tools_listed", f.TOOL_DEFINITIONS: defined}))
            ]  # fmt: skip
        action = "agent_message" if kind == "agent_message" else "log"
        return [codex.made(row, _event.Made({f.EVENT_ACTION: action}, raw=rows.rest(payload)))]

    def _answer(self, stream: codex.Stream, row: codex.Row) -> list[Event]:
        stream.answer.append(row)
        return codex.chat(stream, None) if len(stream.answer) > self._options.pending_max else []

    def _compaction(self, stream: codex.Stream, row: codex.Row) -> list[Event]:
        if stream.compacted:
            raise Drop("repeated_compaction")
        stream.compacted = True
        fields = {f.EVENT_ACTION: "conversation_compacted", f.CONVERSATION_COMPACTED: True}
        return [codex.made(row, _event.Made(fields))]

    def _remember(self, stream: codex.Stream, key: str) -> None:
        stream.answered[key] = None
        while len(stream.answered) > self._options.remember_max:
            del stream.answered[next(iter(stream.answered))]

    # --- event messages ---------------------------------------------------------------------------

    def _message(self, stream: codex.Stream, row: codex.Row) -> list[Event]:
        kind = row.inner
        if kind == "token_count":
            return codex.count(stream, row)
        if kind == "user_message":
            held, stream.prompt = stream.prompt, None
            flushed = codex.chat(stream, None)
            stream.compacted = False
            stream.typed = None if held else m.string(row.payload.get("message"))
            return [*flushed, codex.prompt(row, held)]
        if rows.ENDS.fullmatch(kind):
            key = codex.call_id(row)
            if key in stream.answered:
                raise Drop("repeated_call")
            if key in stream.calls:
                stream.calls[key].ends.append(row)
                return []
            self._remember(stream, key)
            return [codex.ended(row)]
        if kind == "context_compacted":
            return self._compaction(stream, row)
        if kind in ("task_started", "turn_started"):
            stream.settings |= codex.turn_ids(row.payload)
        made = rows.message(kind, row.payload)
        if kind in ("task_complete", "turn_complete", "turn_aborted"):
            return [*codex.chat(stream, None), codex.made(row, made)]
        return [codex.made(row, made)]


def sniff(lines: Sequence[bytes], path: str | None) -> int:
    """How surely these are rollout lines, with or without envelope."""
    scores = [score for score in map(_score, lines) if score is not None]
    if not scores or sum(score > 0 for score in scores) * 2 < len(scores):
        return 0
    hint = _PATH.search(path or "") is not None
    return min(100, max(scores) + (5 if hint else 0))


def _score(line: bytes) -> int | None:
    """0 for a foreign object, None for what tells nothing (blank, no object)."""
    try:
        data = loads(line)
    except ValueError:  # a long first line may be cut
        cut = re.match(
            rb'\{"timestamp":"[^"]{10,40}",(?:"ordinal":\d+,)?"type":"(\w+)","payload":\{', line
        )
        return 70 if cut and cut[1].decode() in _TYPES else None
    if not isinstance(data, dict):
        return None
    kind = data.get("type")
    if not isinstance(kind, str | None):
        return 0
    if isinstance(data.get("payload"), dict):
        return 95 if kind in _TYPES else 0
    if data == {"record_type": "state"}:
        return 80
    if kind is None:
        header = "id" in data and "timestamp" in data and "instructions" in data
        return 80 if header and "jsonrpc" not in data else 0
    if kind == "message" and "sessionId" not in data and "uuid" not in data:
        return (
            60 if isinstance(data.get("content"), list) and isinstance(data.get("role"), str) else 0
        )
    if kind in _ITEMS and ("call_id" in data or "summary" in data) and "uuid" not in data:
        return 70
    return 0


def _parse(stream: codex.Stream, record: Record, data: Any) -> codex.Row | None:
    if not isinstance(data, dict):
        return None
    kind, payload = data.get("type"), data.get("payload")
    if not (isinstance(kind, str) and isinstance(payload, dict)):
        payload = data
        if isinstance(kind, str) and kind in _ITEMS:
            kind, stream.bare = "response_item", True
        elif kind is None and isinstance(data.get("id"), str) and "timestamp" in data:
            kind, stream.bare = "session_meta", True
        else:
            return None
    inner = payload.get("type")
    time = _event.timestamp(data.get("timestamp"))
    stream.time = time or stream.time
    row = codex.Row(record, kind, payload, inner if isinstance(inner, str) else "", time, {})
    if kind == "session_meta" and stream.fork.succeeded(payload):
        stream.begin()
    if kind == "session_meta" and not stream.fork.known:
        stream.settings |= _session(payload)
        stream.provider = m.string(payload.get("model_provider"))
    named = f"{kind}.{row.inner}" if row.inner else kind
    row.context = {
        **stream.settings,
        f.TIMESTAMP: time or stream.time or record.time,
        f.SOURCE_TIME: "log" if time else "neighbour" if stream.time else "read",
        f.AGENT_NAME: "codex",
        f.EVENT_SEQUENCE: m.integer(data.get("ordinal")),
        f.SOURCE_EVENT_TYPE: named,
        f.SOURCE_EVENT_ID: m.string(payload.get("id")) if kind == "response_item" else None,
    }
    row.context |= codex.turn_ids(payload) if kind == "event_msg" else {}
    return row


def _session(payload: dict[str, Any]) -> dict[str, Any]:
    source = payload.get("source")
    spawn = m.mapping(m.mapping(m.mapping(source).get("subagent")).get("thread_spawn"))
    parent = m.string(payload.get("parent_thread_id")) or m.string(spawn.get("parent_thread_id"))
    inferior = parent is not None and (
        "subagent" in m.mapping(source) or payload.get("thread_source") == "subagent"
    )
    name = m.string(payload.get("id")) or m.string(payload.get("session_id"))
    return {
        f.CONVERSATION_ID: name,
        f.AGENT_VERSION: m.string(payload.get("cli_version")),
        f.PROCESS_WORKING_DIRECTORY: m.string(payload.get("cwd")),
        f.AGENT_INSTANCE_ID: name if inferior else None,
        f.AGENT_PARENT_ID: parent,
        f.AGENT_SIDECHAIN: True if inferior else None,
        f.AGENT_TYPE: m.string(payload.get("agent_role")) or m.string(spawn.get("agent_role")),
    }
