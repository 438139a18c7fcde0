"""Says which task an event belongs to, and where a task begins, is escalated and ends.

A task is a unit of work that a person or a job asked for. Its id is, in this order:

1. the id that the source gives: a prompt and all that follows from it (Claude Code), a turn (Codex),
   `agenttrail.task.id` of a log of your own;
2. the trace (`trace.id`): OpenTelemetry, and MCP with `_meta.traceparent`;
3. the fall-back: what happens in one conversation, MCP session or connection without a pause longer
   than `idle_s` is one task. It begins with a prompt or an operation, not with a session's start.

Marks that it sets:

- `agenttrail.task.state` on the event that ends it: `completed`, `failed` or `abandoned`. An end is
  a turn that is completed or aborted, an answer of the main agent that closes its turn, an error that
  its runtime gave up with, a person's interruption, or the root span of an agent or a workflow. The
  first end counts. The first event of a task that ends later is `started`.
- `agenttrail.task.human` where a person is asked or called in: an approval or an answer asked for, a
  refusal by a person, a tool of `escalation_tools`.
- `agenttrail.task.escalated` once, on the event that makes both known, an end and a person.
- `agenttrail.task.tool_calls`, `.tokens`, `.cost`: sums so far, on the event that ends the task.

Sums over events are exact in any order of events; the three sums so far miss what comes after the end
(an answer is sometimes logged after the turn that it closes).

A task of the fall-back has no end of its own: how it went is read from its last event, by whoever
reads its history. An event that comes late joins the task in whose time it falls.

Limits: a person who interrupts an agent and then lets it go on under the same prompt (Claude Code with
a prompt in its queue) leaves a task that counts as abandoned, as the first end counts.

What it remembers is one small entry a task; with `state` it survives a restart and every event counts
once. Entries untouched for `remember_s` of the log's own time are forgotten.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar

from agenttrail import fields as f
from agenttrail.errors import OptionError
from agenttrail.governance.state import State
from agenttrail.seams import Event

_CLOSING = frozenset({"end_turn", "stop", "stop_sequence"})
_ROOTS = frozenset({"invoke_agent", "invoke_workflow"})
# Beside the operations of GenAI: what a person asked for.
_WORK = frozenset({"user_prompt", "user_command"})
_PRUNE_EVERY = 5_000  # events


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksOptions:
    """Task ids where the source has none, and where tasks begin, are escalated and end."""

    type: ClassVar[str] = "tasks"
    state: Annotated[
        str | None, "SQLite file that keeps open tasks over a restart; null keeps them in memory."
    ] = None
    idle_s: Annotated[
        float, "Without any id: a pause longer than this, in seconds, begins a new task."
    ] = 900.0
    remember_s: Annotated[
        float, "How long a task that nothing happens in is remembered, in seconds of log time."
    ] = 604_800.0
    escalation_tools: Annotated[
        tuple[str, ...], "Tools that call a person in: names as gen_ai.tool.name has them."
    ] = ()

    def __post_init__(self) -> None:
        for option in ("idle_s", "remember_s"):
            if getattr(self, option) <= 0:
                raise OptionError(option, "must be positive")

    def build(self) -> Tasks:
        return Tasks(self, State(self.state, "tasks"))


class Tasks:
    """See the module."""

    def __init__(self, options: TasksOptions, state: State) -> None:
        self._options, self._state = options, state
        self._tools = frozenset(options.escalation_tools)
        self._newest = 0.0
        self._since_prune = 0

    def __call__(self, event: Event, /) -> Event:
        at = seconds(event.fields.get(f.TIMESTAMP))
        self._newest = max(self._newest, at)
        known = event.fields.get(f.TASK_ID) or event.fields.get(f.TRACE_ID)
        new = dict(event.fields)
        counted = self._state.seen(str(event.fields.get(f.EVENT_ID)))
        task = str(known) if known else self._window(event, at)
        if task is None:
            return event
        new[f.TASK_ID] = task
        human = self._calls_a_person(event)
        if human:
            new[f.TASK_HUMAN] = True
        self._follow(task, new, at, human=human, counted=counted)
        return Event(new, event.origins)

    def save(self) -> None:
        self._state.save()
        if self._since_prune >= _PRUNE_EVERY:
            self._since_prune = 0
            self._state.prune(self._newest - self._options.remember_s)

    def _follow(
        self, task: str, new: dict[str, Any], at: float, *, human: bool, counted: bool
    ) -> None:
        """Sets the marks and remembers what later events need.

        Remembered are end, id of the event that ended it, whether a person was called, id of the event
        that made both known, calls, tokens, cost. By the ids an event that is given again after a kill
        gets the marks that it had.
        """
        # A log's own id may be a person's; the state is not masked.
        key, own = f"t:{_digest(task)}", str(new.get(f.EVENT_ID))
        entry: list[Any] | None = self._state.get(key)
        ended, ended_by, called, both_by, calls, tokens, cost = entry or [None, "", False, "", 0, 0, 0.0]  # fmt: skip
        if not counted:
            calls += new.get(f.OPERATION_NAME) == "execute_tool"
            if not new.get(f.USAGE_ROLLUP):
                tokens += (new.get(f.INPUT_TOKENS) or 0) + (new.get(f.OUTPUT_TOKENS) or 0)
                cost += new.get(f.COST_TOTAL) or 0.0
            if ended is None and (end := _end_of(new)) is not None:
                ended, ended_by = end, own
            called = called or human
            if called and ended is not None and not both_by:
                both_by = own
        if ended_by == own:
            new[f.TASK_STATE] = ended
            new[f.TASK_TOOL_CALLS], new[f.TASK_TOKENS] = calls, tokens
            if cost:
                new[f.TASK_COST] = cost
        elif entry is None:
            new[f.TASK_STATE] = "started"
        if both_by == own:
            new[f.TASK_ESCALATED] = ended
        after = [ended, ended_by, called, both_by, calls, tokens, cost]
        if after != entry:
            self._state.put(key, after, at=at)
            self._since_prune += 1

    def _calls_a_person(self, event: Event) -> bool:
        fields = event.fields
        if fields.get(f.APPROVAL_STAGE) == "request":
            return fields.get(f.APPROVAL_SOURCE) in (None, "user")
        if fields.get(f.APPROVAL_SOURCE) == "user" and f.APPROVAL_OUTCOME in fields:
            return True
        if fields.get(f.MCP_METHOD) == "elicitation/create":
            return True
        return fields.get(f.TOOL_NAME) in self._tools

    def _window(self, event: Event, at: float) -> str | None:
        """The task of an event without an id: the one of its conversation in whose time it falls."""
        fields = event.fields
        place = (
            fields.get(f.CONVERSATION_ID)
            or fields.get(f.MCP_SESSION_ID)
            or f"{event.origins[0].stream}\n{fields.get(f.MCP_SERVER_NAME)}"
        )
        key = "w:" + _digest(str(place))
        windows: list[list[Any]] = self._state.get(key) or []  # [first, last, id], latest last
        idle = self._options.idle_s
        for window in reversed(windows):
            if window[0] - idle <= at <= window[1] + idle:
                window[0], window[1] = min(window[0], at), max(window[1], at)
                found = str(window[2])
                break
        else:
            if not (fields.get(f.OPERATION_NAME) or fields.get(f.EVENT_ACTION) in _WORK):
                return None  # a session that starts, a list of tools: no work yet
            seed = f"{key}\n{at:.3f}\n{fields.get(f.EVENT_ID)}"
            found = hashlib.blake2b(seed.encode(), digest_size=16).hexdigest()
            windows = sorted([*windows, [at, at, found]])[-8:]
        self._state.put(key, windows, at=at)
        self._since_prune += 1
        return found


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=12).hexdigest()


def _end_of(fields: dict[str, Any]) -> str | None:
    """How the task ends with this event, or None where it does not."""
    action = fields.get(f.EVENT_ACTION)
    if action in ("turn_aborted", "user_interrupt"):
        return "abandoned"
    if fields.get(f.AGENT_SIDECHAIN):
        return None
    if action in ("turn_completed", "task_completed"):
        return "completed"
    if action == "error" or (action == "api_error" and f.OUTPUT_MESSAGES in fields):
        return "failed"  # an error that stands as the answer; others are tried again
    if action == "chat":
        closing = _CLOSING & set(fields.get(f.FINISH_REASONS) or ())
        # An answer below an agent's span ends nothing: that span does.
        return "completed" if closing and f.SPAN_ID not in fields else None
    if action in _ROOTS and f.SPAN_ID in fields and f.SPAN_PARENT_ID not in fields:
        if fields.get(f.ERROR_TYPE) == "cancelled":
            return "abandoned"
        return "failed" if fields.get(f.EVENT_OUTCOME) == "failure" else "completed"
    return None


def seconds(timestamp: Any) -> float:
    """An RFC 3339 time in seconds since 1970; 0 where there is none."""
    try:
        return datetime.fromisoformat(str(timestamp)).timestamp()
    except ValueError:
        return 0.0
