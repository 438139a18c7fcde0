"""What the metrics are, and which of them an event counts in.

Names are those of OTel GenAI (e07f4eba) where it has one, else of ours. Attributes are fields of the
record; each is a name or an enumeration, never free text, and of each only so many values are told
apart (`Bounded`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agenttrail import fields as f


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One metric: `buckets` are the upper bounds of a histogram."""

    name: str
    kind: Literal["counter", "histogram"]
    unit: str
    meaning: str
    buckets: tuple[float, ...] = ()


INSTRUMENTS: dict[str, Instrument] = {}


def _counter(name: str, unit: str, meaning: str) -> str:
    INSTRUMENTS[name] = Instrument(name=name, kind="counter", unit=unit, meaning=meaning)
    return name


def _histogram(name: str, unit: str, meaning: str, buckets: tuple[float, ...]) -> str:
    INSTRUMENTS[name] = Instrument(
        name=name, kind="histogram", unit=unit, meaning=meaning, buckets=buckets
    )
    return name


# OTel GenAI: advised bounds of gen_ai.execute_tool.duration.
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_COUNTS = (0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144)
_TOKENS = (1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6, 3e6, 1e7)
_MONEY = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
_WAITS = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 86400)

EVENTS = _counter("agenttrail.events", "{event}", "Events delivered.")
TOOL_CALLS = _counter("agenttrail.tool.calls", "{call}", "Tool calls, by outcome.")
TOOL_DURATION = _histogram("gen_ai.execute_tool.duration", "s", "From a tool's request to its response.", _SECONDS)  # fmt: skip
INPUT = _counter("gen_ai.client.inference.usage.input_tokens", "{token}", "Input tokens, cached ones included.")  # fmt: skip
OUTPUT = _counter("gen_ai.client.inference.usage.output_tokens", "{token}", "Output tokens.")
CACHE_READ = _counter("gen_ai.client.inference.usage.cache_read.input_tokens", "{token}", "Input tokens that came from a cache.")  # fmt: skip
CACHE_WRITE = _counter("gen_ai.client.inference.usage.cache_write.input_tokens", "{token}", "Input tokens that were written to a cache.")  # fmt: skip
COST = _counter("agenttrail.cost", "1", "Money spent, in agenttrail.cost.currency.")
TASKS_ENDED = _counter("agenttrail.task.ended", "{task}", "Tasks that ended, by how.")
TASKS_ESCALATED = _counter(f.TASK_ESCALATED, "{task}", "Tasks that ended and that a person was called into, by how they ended.")  # fmt: skip
TASK_CALLS = _histogram(f.TASK_TOOL_CALLS, "{call}", "Tool calls of a task up to its end.", _COUNTS)  # fmt: skip
TASK_TOKENS = _histogram(f.TASK_TOKENS, "{token}", "Tokens of a task up to its end.", _TOKENS)  # fmt: skip
TASK_COST = _histogram(f.TASK_COST, "1", "Cost of a task up to its end, in agenttrail.cost.currency.", _MONEY)  # fmt: skip
APPROVALS = _counter("agenttrail.approval.events", "{event}", "Requests, decisions and executions, by outcome.")  # fmt: skip
APPROVAL_WAIT = _histogram("agenttrail.approval.wait", "s", "Time a person took to decide.", _WAITS)
FINDINGS = _counter("agenttrail.findings", "{finding}", "Marks of registry, policy, approvals and cost.")  # fmt: skip
BUDGETS = _counter("agenttrail.budget.verdicts", "{verdict}", "Thresholds of budgets passed.")
ANOMALIES = _counter("agenttrail.anomalies", "{anomaly}", "Anomalies that agenttrail found.")
MASKED = _counter("agenttrail.masked", "{finding}", "Findings replaced, by kind.")
MASK_FAILED = _counter("agenttrail.mask.failed", "{event}", "Events that left without content, masking failed.")  # fmt: skip

# Of the run itself, read from its ledger when somebody asks: metric to unit and meaning.
RUN = {
    "events": ("agenttrail.pipeline.events", "{event}", "What became of events: delivered, quarantined (without content), rejected by a sink, dropped."),
    "lines": ("agenttrail.pipeline.lines", "{line}", "What became of lines: used, dropped, failed in their format."),
}  # fmt: skip

_FINDINGS = (
    (f.REGISTRY_FINDINGS, "registry"),
    (f.APPROVAL_FINDINGS, "approval"),
    (f.COST_FINDINGS, "cost"),
)
_USAGE = (
    (f.INPUT_TOKENS, INPUT),
    (f.OUTPUT_TOKENS, OUTPUT),
    (f.CACHE_READ_TOKENS, CACHE_READ),
    (f.CACHE_WRITE_TOKENS, CACHE_WRITE),
)
Attributes = tuple[tuple[str, str], ...]
OUTCOME, REASON = "agenttrail.pipeline.outcome", "agenttrail.pipeline.reason"
MODALITY = "gen_ai.token.modality"  # OTel GenAI requires it on usage
KIND, FINDING = "agenttrail.kind", "agenttrail.finding"
IN_TIME = "agenttrail.approval.in_time"  # yes, no, or empty where no target is known


class Bounded:
    """At most so many values of each attribute; all later ones are `other`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: dict[str, set[str]] = {}

    def __call__(self, name: str, value: Any) -> str:
        text = "" if value is None else str(value)
        known = self._values.setdefault(name, set())
        if text in known:
            return text
        if len(known) >= self._most:
            return "other"
        known.add(text)
        return text


def measures(
    fields: Mapping[str, Any], bounded: Bounded
) -> Iterator[tuple[str, float, Attributes]]:
    """Each metric that an event counts in: its name, the value and its attributes."""

    def named(*names: str) -> Attributes:
        return tuple((name, bounded(name, fields.get(name))) for name in names)

    agent = (
        (f.AGENT_NAME, bounded(f.AGENT_NAME, agent_of(fields))),
        *named(f.AGENT_VERSION, f.REGISTRY_DEPARTMENT),
    )
    yield EVENTS, 1, (*agent, *named(f.EVENT_ACTION, f.EVENT_OUTCOME, f.SOURCE_FORMAT))
    if fields.get(f.OPERATION_NAME) == "execute_tool":
        tool = named(f.TOOL_NAME, f.MCP_SERVER_NAME)
        yield TOOL_CALLS, 1, (*agent, *tool, *named(f.EVENT_OUTCOME))
        if (duration := fields.get(f.EVENT_DURATION)) is not None:
            yield TOOL_DURATION, duration / 1e9, (agent[0], *tool, *named(f.ERROR_TYPE))
    if not fields.get(f.USAGE_ROLLUP):
        for name, metric in _USAGE:
            if count := fields.get(name):
                yield metric, count, (*agent, *named(f.REQUEST_MODEL), (MODALITY, "unknown"))
        if cost := fields.get(f.COST_TOTAL):
            yield COST, cost, (*agent, *named(f.REQUEST_MODEL, f.COST_CURRENCY))
    yield from _task(fields, agent, named(f.COST_CURRENCY), bounded)
    if f.APPROVAL_STAGE in fields or f.APPROVAL_OUTCOME in fields:
        how = named(f.APPROVAL_STAGE, f.APPROVAL_OUTCOME, f.APPROVAL_CHANNEL)
        # An execution repeats the wait of its decision.
        repeats = fields.get(f.APPROVAL_STAGE) == "execution"
        wait = None if repeats else fields.get(f.APPROVAL_WAIT_MS)
        target = fields.get(f.APPROVAL_TARGET_MS)
        timely = "" if wait is None or target is None else "yes" if wait <= target else "no"
        yield APPROVALS, 1, (*agent, *how, (IN_TIME, timely))
        if wait is not None:
            yield APPROVAL_WAIT, wait / 1e3, (*agent, *named(f.APPROVAL_CHANNEL))
    for name, kind in _FINDINGS:
        for found in fields.get(name) or ():
            yield FINDINGS, 1, (*agent, (KIND, kind), (FINDING, bounded(FINDING, found)))
    if f.BUDGET_VERDICT in fields:
        for budget in fields.get(f.BUDGET_NAMES) or ():
            yield BUDGETS, 1, (*agent, *named(f.BUDGET_VERDICT), (f.BUDGET_NAMES, bounded(f.BUDGET_NAMES, budget)))  # fmt: skip
    if f.ANOMALY_NAME in fields:
        yield ANOMALIES, 1, (*agent, *named(f.ANOMALY_NAME, f.ANOMALY_SEVERITY))
    for kind, count in (fields.get(f.PII_BY_TYPE) or {}).items():
        yield MASKED, count, (agent[0], (KIND, bounded(KIND, kind)))
    if fields.get(f.PII_FAILED):
        yield MASK_FAILED, 1, agent[:1]


def _task(
    fields: Mapping[str, Any], agent: Attributes, currency: Attributes, bounded: Bounded
) -> Iterator[tuple[str, float, Attributes]]:
    state = fields.get(f.TASK_STATE)
    if state not in (None, "started"):
        ended = (*agent, (f.TASK_STATE, bounded(f.TASK_STATE, state)))
        yield TASKS_ENDED, 1, ended
        yield TASK_CALLS, fields.get(f.TASK_TOOL_CALLS) or 0, ended
        yield TASK_TOKENS, fields.get(f.TASK_TOKENS) or 0, ended
        if (cost := fields.get(f.TASK_COST)) is not None:
            yield TASK_COST, cost, (*ended, *currency)
    if f.TASK_ESCALATED in fields:
        yield (
            TASKS_ESCALATED,
            1,
            (*agent, (f.TASK_STATE, bounded(f.TASK_STATE, fields[f.TASK_ESCALATED]))),
        )


def agent_of(fields: Mapping[str, Any]) -> str | None:
    """The agent's name: its id in the registry, else its own name, else its MCP client's."""
    for name in (f.REGISTRY_AGENT_ID, f.AGENT_NAME, f.MCP_CLIENT_NAME):
        if fields.get(name):
            return str(fields[name])
    return None
