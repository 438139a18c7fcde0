"""The story of a task: its steps in order, nested by who started whom, and what on-call asks about it.

Order is by time. Nesting is by spans where there are any, else by the agent instance that a call
started (a sub-agent's steps below the hand-over), so clocks that disagree do not break it: they are
said (`notes`).

Effects. A call has `no` effect where its tool only reads; a `repeatable` one where calling it twice is
as calling it once; else a `lasting` one, and where nothing is known of the tool an `unknown` one, which
is taken for lasting. What the registry
says of a tool wins over its own annotations. A call was done where it succeeded; one without an answer
may have been done, and counts as done; one that failed or was refused was not.

Safe to run again: behind the last lasting effect that was done. From there on a second run repeats
nothing that lasts. Where no lasting effect was done, from the beginning.

Limits: two effects at one time are in the order of their lines. A tool that says it is idempotent and
is not, is not found out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from agenttrail import fields as f
from agenttrail.governance.registry import Registry, bare_tool
from agenttrail.insight.documents import Found

Kind = Literal["prompt", "answer", "call", "hand-over", "approval", "agent", "end", "error", "note"]
Effect = Literal["no", "repeatable", "lasting", "unknown", ""]
EFFECTS = {
    "no": "reads", "repeatable": "changes, repeatable", "lasting": "changes", "unknown": "may change, tool not described",
}  # fmt: skip
_HANDING = frozenset({"Task", "Agent"})  # Claude Code's tools that start a sub-agent
# Clocks of two machines, and rounding: what is further apart than this is said.
_SKEW_MS = 1_000


@dataclass(slots=True)
class Step:
    """One step. `number` is 1, 2, … for steps of the task, 3.1, 3.2, … for those below step 3."""

    event: Mapping[str, Any]
    kind: Kind
    title: str
    at_ms: int
    ms: int | None
    number: str = ""
    depth: int = 0
    effect: Effect = ""
    done: bool = False
    children: list[Step] = field(default_factory=list)

    @property
    def end_ms(self) -> int:
        return self.at_ms + (self.ms or 0)

    @property
    def outcome(self) -> str:
        return str(self.event.get(f.EVENT_OUTCOME) or "unknown")

    @property
    def call_id(self) -> str | None:
        found = self.event.get(f.TOOL_CALL_ID)
        return None if found is None else str(found)

    @property
    def findings(self) -> list[str]:
        names = (f.REGISTRY_FINDINGS, f.APPROVAL_FINDINGS, f.COST_FINDINGS)
        return [str(mark) for name in names for mark in self.event.get(name) or ()]


@dataclass(slots=True)
class Story:
    """A task or a conversation told.

    `steps` are the outermost ones; `in_order` has all, in the order in which they began.
    """

    kind: str
    id: str
    agent: str
    department: str
    state: str  # completed, failed, abandoned, or open where no end is in the log
    escalated: bool
    started: str
    seconds: float
    tool_calls: int
    failed_calls: int
    tokens: int
    cost: float
    currency: str
    steps: list[Step]
    notes: list[str]

    def in_order(self) -> list[Step]:
        return _flat(self.steps)

    def effects(self) -> list[Step]:
        """Calls with an effect, or one that nobody knows, that were done."""
        return [s for s in _by_end(self.in_order()) if s.done and s.effect not in ("no", "")]

    def safe_after(self) -> Step | None:
        """The last lasting effect that was done; None where the whole task is safe to run again."""
        lasting = [step for step in self.effects() if step.effect != "repeatable"]
        return lasting[-1] if lasting else None

    def safe_from(self) -> Step | None:
        """The first step from which running again repeats nothing that lasts; None where none is left."""
        last = self.safe_after()
        order = _by_end([s for s in self.in_order() if s.kind in ("prompt", "answer", "call", "hand-over")])  # fmt: skip
        if last is None:
            return order[0] if order else None
        later = [step for step in order if step.at_ms >= last.end_ms and step is not last]
        return later[0] if later else None


def tell(found: Found, registry: Registry | None = None) -> Story:
    """The story of the events of a task or a conversation, in order."""
    steps = [step for event in found.events if (step := _step(event, registry)) is not None]
    notes: list[str] = []
    outer = _nest(steps, notes)
    _number(outer, "", 0)
    agents = [agent_of(event) for event in found.events if agent_of(event)]
    where = {str(e[f.CONVERSATION_ID]) for e in found.events if e.get(f.CONVERSATION_ID)}
    if found.kind == "task" and len(where) > 1:
        notes.append(f"the task runs through {len(where)} conversations")
    started = {str(s.event.get(f.AGENT_INSTANCE_ID)) for s in steps if s.kind == "hand-over"}
    own = {
        (agent_of(e), str(e[f.AGENT_INSTANCE_ID]))
        for e in found.events
        if e.get(f.AGENT_INSTANCE_ID)
    }
    for name in sorted({name for name, instance in own if instance not in started}):
        several = [i for n, i in own if n == name and i not in started]
        if len(several) > 1:
            notes.append(
                f"{len(several)} instances share the name {name}: {', '.join(sorted(several)[:5])}"
            )
    first = min((step.at_ms for step in steps), default=0)
    last = max((step.end_ms for step in steps), default=0)
    ends = [e[f.TASK_STATE] for e in found.events if e.get(f.TASK_STATE) not in (None, "started")]
    calls = [e for e in found.events if e.get(f.OPERATION_NAME) == "execute_tool"]
    counted = [e for e in found.events if not e.get(f.USAGE_ROLLUP)]
    currencies = sorted({str(e[f.COST_CURRENCY]) for e in counted if e.get(f.COST_CURRENCY)})
    return Story(
        kind=found.kind, id=found.id, agent=agents[0] if agents else "",
        department=next((str(e[f.REGISTRY_DEPARTMENT]) for e in found.events if e.get(f.REGISTRY_DEPARTMENT)), ""),
        state=str(ends[0]) if found.kind == "task" and ends else "open" if found.kind == "task" else "",
        escalated=any(e.get(f.TASK_HUMAN) for e in found.events),
        started=str(found.events[0].get(f.TIMESTAMP)) if found.events else "", seconds=(last - first) / 1000,
        tool_calls=len(calls), failed_calls=sum(e.get(f.EVENT_OUTCOME) == "failure" for e in calls),
        tokens=sum((e.get(f.INPUT_TOKENS) or 0) + (e.get(f.OUTPUT_TOKENS) or 0) for e in counted),
        cost=float(sum(e.get(f.COST_TOTAL) or 0.0 for e in counted)), currency="+".join(currencies),
        steps=outer, notes=notes,
    )  # fmt: skip


def agent_of(event: Mapping[str, Any]) -> str:
    """The agent's name: the registry's, else its own, else its MCP client's."""
    for name in (f.REGISTRY_AGENT_ID, f.AGENT_NAME, f.MCP_CLIENT_NAME):
        if event.get(name):
            return str(event[name])
    return ""


def milliseconds(timestamp: Any) -> int:
    """An RFC 3339 time in milliseconds since 1970; 0 where there is none."""
    try:
        return round(datetime.fromisoformat(str(timestamp)).timestamp() * 1000)
    except ValueError:
        return 0


def _step(event: Mapping[str, Any], registry: Registry | None) -> Step | None:
    action = str(event.get(f.EVENT_ACTION))
    duration = event.get(f.EVENT_DURATION)
    step = Step(
        event, "note", action.replace("_", " "), milliseconds(event.get(f.TIMESTAMP)),
        None if duration is None else round(duration / 1e6),
    )  # fmt: skip
    tool = event.get(f.TOOL_NAME)
    if event.get(f.APPROVAL_STAGE) in ("request", "decision") and event.get(f.OPERATION_NAME) != "execute_tool":  # fmt: skip
        step.kind, step.title = "approval", _approval(event)
    elif event.get(f.OPERATION_NAME) == "execute_tool" and tool:
        server = event.get(f.MCP_SERVER_NAME)
        name = bare_tool(str(tool), server)
        if name in _HANDING or event.get(f.HANDOFF_TO):
            to = event.get(f.HANDOFF_TO) or event.get(f.AGENT_TYPE) or "another agent"
            step.kind, step.title = "hand-over", f"to {to}"
            step.done = False
        else:
            step.kind, step.title = "call", f"{server}.{name}" if server else name
            step.effect = effect_of(event, registry)
            step.done = step.outcome in ("success", "unknown")
    elif action in ("user_prompt", "user_command", "agent_prompt"):
        step.kind, step.title = "prompt", _said(event, f.INPUT_MESSAGES)
    elif action == "chat":
        step.kind, step.title = "answer", _said(event, f.OUTPUT_MESSAGES)
    elif event.get(f.OPERATION_NAME) in ("invoke_agent", "invoke_workflow"):
        step.kind, step.title = "agent", agent_of(event)
    elif action in ("api_error", "error", "turn_aborted", "user_interrupt"):
        step.kind = "error"
        step.title = action.replace("_", " ") + (f": {event[f.ERROR_TYPE]}" if event.get(f.ERROR_TYPE) else "")  # fmt: skip
    elif action == "turn_completed":
        step.kind, step.title, step.ms = "end", "turn completed", None
    return step


def effect_of(event: Mapping[str, Any], registry: Registry | None) -> Effect:
    """What a second call of the same tool would do again."""
    tool, server = str(event.get(f.TOOL_NAME)), event.get(f.MCP_SERVER_NAME)
    facts = registry.facts(server, bare_tool(tool, server)) if registry is not None else None
    for read_only, idempotent in (
        (facts.read_only, facts.idempotent) if facts is not None else (None, None),
        (event.get(f.TOOL_READ_ONLY), event.get(f.TOOL_IDEMPOTENT)),
    ):
        if read_only:
            return "no"
        if idempotent:
            return "repeatable"
        if read_only is False or idempotent is False or (facts is not None and facts.destructive):
            return "lasting"
    if facts is not None:
        return "lasting"
    # Tools of coding agents that the format knows: reading a file or the web changes neither.
    reads = {"file", "web"} & set(event.get(f.EVENT_CATEGORY) or ())
    if reads:
        return "no" if "access" in (event.get(f.EVENT_TYPE) or ()) else "lasting"
    return "unknown"


def _approval(event: Mapping[str, Any]) -> str:
    channel = f" by {event[f.APPROVAL_CHANNEL]}" if event.get(f.APPROVAL_CHANNEL) else ""
    if event.get(f.APPROVAL_STAGE) == "request":
        return f"asked{channel.replace(' by ', ' of ')}"
    wait = event.get(f.APPROVAL_WAIT_MS)
    waited = f" after {duration(wait)}" if isinstance(wait, (int, float)) else ""
    return f"{event.get(f.APPROVAL_OUTCOME) or 'decided'}{channel}{waited}"


def _said(event: Mapping[str, Any], name: str) -> str:
    """The text of the messages, without line breaks."""
    parts = [
        str(part.get("content"))
        for message in event.get(name) or ()
        for part in message.get("parts") or ()
        if isinstance(part, dict) and part.get("type") == "text" and part.get("content")
    ]
    return " ".join(" ".join(parts).split())


def duration(ms: float) -> str:
    """A time for people: 340 ms, 12.3 s, 5 min 20 s, 2 h 5 min."""
    if ms < 1_000:
        return f"{ms:.0f} ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    minutes, rest = divmod(round(ms / 1000), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _nest(steps: Sequence[Step], notes: list[str]) -> list[Step]:
    """The outermost steps; each other one is put below the step that started it."""
    spans = {str(s.event[f.SPAN_ID]): s for s in steps if s.event.get(f.SPAN_ID)}
    started: dict[str, Step] = {}
    for step in steps:
        if step.kind == "hand-over" and step.event.get(f.AGENT_INSTANCE_ID):
            started.setdefault(str(step.event[f.AGENT_INSTANCE_ID]), step)
    outer: list[Step] = []
    skewed = 0
    for step in steps:
        above = spans.get(str(step.event.get(f.SPAN_PARENT_ID)))
        if above is None and step.kind != "hand-over":
            above = started.get(str(step.event.get(f.AGENT_INSTANCE_ID)))
        elif above is None:  # a hand-over of a sub-agent stands below the one that started it
            above = started.get(str(step.event.get(f.AGENT_PARENT_ID)))
        if above is None or above is step or _below(above, step):
            outer.append(step)
            continue
        above.children.append(step)
        late = step.end_ms > above.end_ms + _SKEW_MS and above.ms is not None
        skewed += step.at_ms < above.at_ms - _SKEW_MS or late
    if skewed:
        notes.append(f"clocks disagree: {skewed} steps lie outside the step that started them")
    return outer


def _below(step: Step, top: Step) -> bool:
    """Whether a step is below `top` already: spans that name one another make no circle."""
    return any(child is step or _below(step, child) for child in top.children)


def _number(steps: Sequence[Step], before: str, depth: int) -> None:
    for place, step in enumerate(steps, 1):
        step.number, step.depth = f"{before}{place}", depth
        _number(step.children, f"{step.number}.", depth + 1)


def _flat(steps: Sequence[Step]) -> list[Step]:
    return [each for step in steps for each in (step, *_flat(step.children))]


def _by_end(steps: Sequence[Step]) -> list[Step]:
    return sorted(steps, key=lambda step: (step.at_ms, step.end_ms))
