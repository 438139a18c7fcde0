"""Claude Code session JSON Lines (`~/.claude/projects/<project>/<session>.jsonl`) and its sub-agents'.

The format is not documented; this follows session logs of Claude Code 1.0 to 2.1.

What becomes what:
- The rows of one API message (`message.id`; several rows, a content block each, that repeat its
  usage) become one `chat` event with the usage of the row that counted furthest. Anthropic counts
  cached input apart; `gen_ai.usage.input_tokens` is the sum, as OTel wants it. The log names only
  the model that answered: it stands in `gen_ai.request.model` too.
- Each tool_use with its tool_result becomes one `execute_tool` event; without a result it is
  `no_response`, outcome unknown. A refusal (by the person, a hook, the settings) is a failure with
  `agenttrail.approval.outcome: deny`. On a Task or Agent call `agenttrail.agent.instance.id` is the
  agent that it started; that agent's usage is a roll-up of other events and stays under
  `agenttrail.source.raw`.
- What a person typed is `user_prompt`; commands, interruptions, added context, task notifications,
  compactions, API errors, hooks, changes of the permission mode have events of their own.
- `agent_progress` rows copy rows of `subagents/agent-*.jsonl`: they become `agent_progress` events
  without usage, so that totals over a session's folder are right.
- Dropped, each under its reason: output repeated while a tool runs, file snapshots, titles, queue
  bookkeeping, and rows that come again.

Task id: the row's `promptId`; before 2.1 had it, the uuid of the prompt that started the turn.

Promises: a row or a message that comes again in the stream (`repeated_row`), and a row that another
stream gave already (`replayed_history`: resumed and forked sessions copy their history), is dropped:
the stream that has it first keeps it, and what is new behind the copy is read as if the copy stood
there. Ids are made from what a row says without its session, so a copy that is read by another run
makes the same event id. Nothing is held but the open message of each agent and the tool calls
without result.

Limits: a copy more than `remember_max` rows behind is not known as one. Rows without a uuid (titles,
queue bookkeeping) are not compared. The copied part of a conversation has the id of the session that
had it first. Base64 data is kept as its size and hash; `toolUseResult` beyond what the model was given is
kept where it is small; thinking is kept without its signature.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar

from agenttrail import fields as f
from agenttrail.errors import OptionError
from agenttrail.formats import _claude_events as claude
from agenttrail.formats import _claude_rows as rows
from agenttrail.formats import _event
from agenttrail.formats import _messages as m
from agenttrail.jsontext import loads
from agenttrail.seams import Drop, Event, Record

_ID = claude.ID


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeCodeOptions:
    """Claude Code's session logs, its sub-agents' included."""

    type: ClassVar[str] = "claude_code"
    pending_max: Annotated[
        int, "Open messages and tool calls held a stream; past it the oldest is given as it is."
    ] = 10_000
    # About 250 bytes a row.
    remember_max: Annotated[
        int, "Rows remembered over all streams, to know those that come again."
    ] = 100_000
    hooks: Annotated[
        bool, "Whether hooks that ran beside a tool call are events; else dropped."
    ] = True

    def __post_init__(self) -> None:
        for option in ("pending_max", "remember_max"):
            if getattr(self, option) < 1:
                raise OptionError(option, "must be positive")

    def build(self) -> ClaudeCodeFormat:
        return ClaudeCodeFormat(self)


@dataclass(slots=True)
class _Stream:
    time: str | None = None
    messages: dict[tuple[Any, str], claude.Message] = field(default_factory=dict)
    # message id to its blocks' hashes
    closed: OrderedDict[str, set[bytes]] = field(default_factory=OrderedDict)
    calls: dict[str, claude.Call] = field(default_factory=dict)
    # Calls in copied rows: another stream gives them, but their result may stand here only.
    copied: OrderedDict[str, claude.Call] = field(default_factory=OrderedDict)
    # call id to its result's hash
    answered: OrderedDict[str, bytes] = field(default_factory=OrderedDict)
    modes: OrderedDict[str, str] = field(default_factory=OrderedDict)  # session to permission mode
    tasks: OrderedDict[str, str] = field(
        default_factory=OrderedDict
    )  # session to its turn's prompt


class ClaudeCodeFormat:
    """Rows to events; see the module's docstring."""

    def __init__(self, options: ClaudeCodeOptions) -> None:
        self._options = options
        self._streams: dict[str, _Stream] = {}
        self._owners: OrderedDict[bytes, str] = OrderedDict()  # row to the stream that gave it

    def __call__(self, record: Record, /) -> Iterable[Event]:
        if not record.data.strip():
            raise Drop("blank")
        stream = self._streams.setdefault(record.stream, _Stream())
        try:
            data = loads(record.data)
        except ValueError:
            return [_unreadable(stream, record, "not_json")]
        kind = data.get("type") if isinstance(data, dict) else None
        if not isinstance(kind, str):
            return [_unreadable(stream, record, "unknown_shape")]
        return self._read(stream, record, data, kind)

    def end(self, stream: str, /) -> Iterable[Event]:
        state = self._streams.pop(stream, None)
        if state is None:
            return []
        events = [self._close(state, key) for key in list(state.messages)]
        return events + [claude.unanswered(call) for call in state.calls.values()]

    def _read(
        self, stream: _Stream, record: Record, data: dict[str, Any], kind: str
    ) -> list[Event]:
        message = data.get("message")
        content = message.get("content") if isinstance(message, dict) else None
        if kind in ("user", "assistant") and not isinstance(content, (str, list)):
            return [_unreadable(stream, record, "unknown_shape")]
        said = content if isinstance(content, (str, list)) else ""
        own = _event.timestamp(data.get("timestamp"))
        stream.time = own or stream.time
        row = claude.Row(record, data, claude.identity_of(record, data), {}, own)
        row.context = self._context(stream, row, kind)
        if m.string(data.get("uuid")):
            owner = self._owners.get(row.identity)
            _keep(
                self._owners, row.identity, owner or record.stream, self._options.remember_max
            )  # fmt: skip
            if owner == record.stream:
                raise Drop("repeated_row")
            if owner is not None:
                self._learn(stream, row, said)
                raise Drop("replayed_history")
        if kind == "assistant":
            return self._assistant(stream, row, m.mapping(message), said)
        if kind == "user":
            return self._user(stream, row, said)
        return self._other(stream, row, kind)

    def _context(self, stream: _Stream, row: claude.Row, kind: str) -> dict[str, Any]:
        """The fields that every event of this row has."""
        data = row.data
        session = m.string(data.get("sessionId")) or m.string(data.get("session_id"))
        agent = m.string(data.get("agentId"))
        subtype = m.string(data.get("subtype"))
        branch = m.string(data.get("gitBranch"))
        return {
            f.TIMESTAMP: row.time or stream.time or row.record.time,
            f.SOURCE_TIME: "log" if row.time else "neighbour" if stream.time else "read",
            f.CONVERSATION_ID: session,
            f.AGENT_NAME: "claude-code",
            f.AGENT_VERSION: m.string(data.get("version")),
            f.AGENT_INSTANCE_ID: agent,
            f.AGENT_PARENT_ID: session if agent else None,
            f.AGENT_SIDECHAIN: True if data.get("isSidechain") is True else None,
            f.PROCESS_WORKING_DIRECTORY: m.string(data.get("cwd")),
            f.PERMISSION_MODE: m.string(data.get("permissionMode"))
            or stream.modes.get(session or ""),
            f.TASK_ID: m.string(data.get("promptId")) or stream.tasks.get(session or ""),
            f.SOURCE_EVENT_ID: m.string(data.get("uuid")),
            f.SOURCE_PARENT_ID: m.string(data.get("parentUuid"))
            or m.string(data.get("logicalParentUuid")),
            f.SOURCE_EVENT_TYPE: f"{kind}.{subtype}" if subtype else kind,
            f.SOURCE_RAW: {"gitBranch": branch} if branch else None,
        }

    # --- assistant rows ---------------------------------------------------------------------------

    def _assistant(
        self, stream: _Stream, row: claude.Row, message: dict[str, Any], content: str | list[Any]
    ) -> list[Event]:
        if row.data.get("isApiErrorMessage") is True or message.get("model") == "<synthetic>":
            return [*self._close_lane(stream, _lane(row.data)), claude.synthetic(row, content)]
        blocks = content if isinstance(content, list) else [content]
        hashes = {claude.hash_of(block) for block in blocks}
        name = _message_name(row)
        before = stream.closed.get(name) if name else None
        if before is not None and hashes <= before:
            raise Drop("repeated_message")
        key = (_lane(row.data), name or row.identity.hex())
        events: list[Event] = []
        if before is None:
            events += self._close_lane(stream, key[0], but=key)
            held = stream.messages.setdefault(key, claude.Message())
            held.rows.append(row)
            held.parts += m.parts(content)
            held.hashes |= hashes
        else:  # more of a message that was given already; its usage was counted then
            before |= hashes
            events.append(claude.late(row, content))
        for block in blocks:
            if isinstance(block, dict) and block.get("type") == "tool_use":
                call_id = m.string(block.get("id"))
                if call_id is None:
                    call_id = f"{row.identity.hex()}.{len(stream.calls)}"
                if call_id not in stream.calls:
                    stream.calls[call_id] = claude.Call(row, block)
        return events + self._relieve(stream)

    def _relieve(self, stream: _Stream) -> list[Event]:
        events: list[Event] = []
        while len(stream.calls) > self._options.pending_max:
            events.append(claude.unanswered(stream.calls.pop(next(iter(stream.calls)))))
        while len(stream.messages) > self._options.pending_max:
            events.append(self._close(stream, next(iter(stream.messages))))
        for key, message in list(stream.messages.items()):
            if len(message.rows) > self._options.pending_max:
                events.append(self._close(stream, key))
        return events

    def _close_lane(self, stream: _Stream, lane: Any, *, but: Any = None) -> list[Event]:
        keys = [key for key in stream.messages if key[0] == lane and key != but]
        return [self._close(stream, key) for key in keys]

    def _close(self, stream: _Stream, key: tuple[Any, str]) -> Event:
        held = stream.messages.pop(key)
        _keep(stream.closed, key[1], held.hashes, self._options.remember_max)
        return claude.chat(held)

    # --- user rows --------------------------------------------------------------------------------

    def _user(self, stream: _Stream, row: claude.Row, content: str | list[Any]) -> list[Event]:
        blocks = content if isinstance(content, list) else [content]
        results = [b for b in blocks if isinstance(b, dict) and b.get("type") == "tool_result"]
        said = [b for b in blocks if not (isinstance(b, dict) and b.get("type") == "tool_result")]
        events: list[Event] = self._mode(stream, row)
        repeated = False
        for number, block in enumerate(results):
            # toolUseResult is about the row's one result; of several it is not known which.
            structured = row.data.get("toolUseResult") if len(results) == 1 else None
            answered = self._answer(stream, row, block, structured, number)
            events += answered
            repeated = repeated or not answered
        if said or not results:
            made = rows.prompt(row.data, said if isinstance(content, list) else content)
            self._begin_task(stream, row, made)
            if not results:
                events += self._close_lane(stream, _lane(row.data))
            events.append(claude.made(row, made, "said"))
        if not events and repeated:
            raise Drop("repeated_row")
        return events

    def _begin_task(self, stream: _Stream, row: claude.Row, made: _event.Made) -> None:
        """A prompt that a person gave is the task of the rows that follow it."""
        starts = made.fields[f.EVENT_ACTION] in ("user_prompt", "user_command")
        task = m.string(row.data.get("promptId")) or m.string(row.data.get("uuid"))
        if starts and task and not row.data.get("isSidechain"):
            session = row.context[f.CONVERSATION_ID] or ""
            _keep(stream.tasks, session, task, self._options.remember_max)
            made.fields[f.TASK_ID] = task

    def _answer(
        self, stream: _Stream, row: claude.Row, block: dict[str, Any], structured: Any, number: int
    ) -> list[Event]:
        call_id = m.string(block.get("tool_use_id"))
        call = stream.calls.pop(call_id, None) if call_id else None
        digest = claude.hash_of(block.get("content"))
        if call is None and call_id is not None and call_id in stream.copied:
            copy = stream.copied.pop(call_id)
            # The copied row is dropped and accounted for: the event is made of the result's alone.
            call = claude.Call(replace(copy.row, record=row.record), copy.block)
        if call is None:
            if call_id is not None and stream.answered.get(call_id) == digest:
                return []
            return [claude.orphan(row, block, structured, number)]
        assert call_id is not None
        _keep(stream.answered, call_id, digest, self._options.remember_max)
        return [claude.executed(call, row, block, structured)]

    def _mode(self, stream: _Stream, row: claude.Row) -> list[Event]:
        """The event of a permission mode that differs from the session's last one."""
        mode = m.string(row.data.get("permissionMode"))
        session = row.context[f.CONVERSATION_ID] or ""
        before = stream.modes.get(session)
        if mode is None or mode == before:
            return []
        _keep(stream.modes, session, mode, self._options.remember_max)
        if before is None and row.data["type"] == "user":
            return []  # the session's first mode stands on its prompt
        fields = {
            f.EVENT_ACTION: "permission_mode_changed",
            f.PERMISSION_MODE: mode,
            f.EVENT_REASON: f"from {before} to {mode}" if before else None,
        }
        return [
            claude.made(
                row, _event.Made(fields, "success", ("configuration",), ("change",)), "mode"
            )
        ]

    # --- copied rows ------------------------------------------------------------------------------

    def _learn(self, stream: _Stream, row: claude.Row, content: str | list[Any]) -> None:
        """Takes from a row that another stream gave what the new rows behind it are read with."""
        kind, limit = row.data["type"], self._options.remember_max
        if "permissionMode" in row.data:
            self._mode(stream, row)
        blocks = content if isinstance(content, list) else [content]
        if kind == "assistant":
            name = _message_name(row)
            if name and (_lane(row.data), name) not in stream.messages:
                hashes = {claude.hash_of(block) for block in blocks}
                _keep(stream.closed, name, stream.closed.get(name, set()) | hashes, limit)
            for block in blocks:
                if isinstance(block, dict) and block.get("type") == "tool_use":
                    call_id = m.string(block.get("id"))
                    if call_id and call_id not in stream.calls and call_id not in stream.answered:
                        _keep(
                            stream.copied,
                            call_id,
                            claude.Call(row, block),
                            self._options.pending_max,
                        )
        elif kind == "user":
            said = []
            for block in blocks:
                if not (isinstance(block, dict) and block.get("type") == "tool_result"):
                    said.append(block)
                elif call_id := m.string(block.get("tool_use_id")):
                    stream.copied.pop(call_id, None)
                    stream.calls.pop(call_id, None)  # its message is an event, its end another's
                    _keep(stream.answered, call_id, claude.hash_of(block.get("content")), limit)
            if said:
                prompt = rows.prompt(row.data, said if isinstance(content, list) else content)
                self._begin_task(stream, row, prompt)

    # --- all others -------------------------------------------------------------------------------

    def _other(self, stream: _Stream, row: claude.Row, kind: str) -> list[Event]:
        if kind in ("permission-mode", "mode"):
            events = self._mode(stream, row)
            if not events:
                raise Drop("unchanged_mode")
            return events
        if kind == "system":
            made = rows.system(row.data)
        elif kind == "progress":
            made = rows.progress(row.data)
        elif kind == "attachment":
            made = rows.attachment(row.data)
        else:
            made = rows.other(row.data, kind)
        if made.fields[f.EVENT_ACTION] == "hook" and not self._options.hooks:
            raise Drop("hook")
        events = []
        if made.fields[f.EVENT_ACTION] == "turn_completed":
            events = self._close_lane(stream, _lane(row.data))
        return [*events, claude.made(row, made)]


def sniff(lines: Sequence[bytes], path: str | None) -> int:
    """How surely these are Claude Code rows: by the row types together with the ids they carry."""
    scores = [score for score in map(_score, lines) if score is not None]
    if not scores or sum(score > 0 for score in scores) * 2 < len(scores):
        return 0
    place = (path or "").replace("\\", "/")
    hint = "/.claude/projects/" in place or "/subagents/agent-" in place
    return min(100, max(scores) + (5 if hint else 0))


def _score(line: bytes) -> int | None:
    """0 for a foreign object, None for what tells nothing (blank, no object)."""
    try:
        data = loads(line)
    except ValueError:  # a long first line may be cut
        cut = line.startswith(b"{") and b'"sessionId":' in line and b'"parentUuid":' in line
        return 60 if cut else None
    if not isinstance(data, dict):
        return None
    kind = data.get("type")
    if not isinstance(kind, str) or kind not in rows.TYPES or "payload" in data:
        return 0
    session = isinstance(data.get("sessionId"), str)
    if isinstance(data.get("session_id"), str) and "uuid" in data:  # --output-format stream-json
        return 85
    if session and "uuid" in data and ("parentUuid" in data or "isSidechain" in data):
        return 95
    if kind == "summary" and "leafUuid" in data and "summary" in data:
        return 90
    if kind == "file-history-snapshot" and "snapshot" in data:
        return 90
    if kind in ("user", "assistant") and "uuid" in data and isinstance(data.get("message"), dict):
        return 80
    return 75 if session else 0


def _unreadable(stream: _Stream, record: Record, error: str) -> Event:
    time = "neighbour" if stream.time else "read"
    return _event.unreadable(_ID, record, error, timestamp=stream.time or record.time, time=time)


def _lane(data: dict[str, Any]) -> Any:
    """The agent that a row belongs to: rows of several may alternate in one file."""
    session, agent = m.string(data.get("sessionId")), m.string(data.get("agentId"))
    return session, agent, data.get("isSidechain") is True


def _message_name(row: claude.Row) -> str | None:
    """What the rows of one API message have in common."""
    return m.string(m.mapping(row.data.get("message")).get("id")) or m.string(
        row.data.get("requestId")
    )


def _keep(memory: OrderedDict[Any, Any], key: Any, value: Any, limit: int) -> None:
    """Remembers, and forgets the oldest past `limit`."""
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > limit:
        memory.popitem(last=False)
