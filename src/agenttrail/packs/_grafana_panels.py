"""What Grafana's dashboards show of the metrics: panels by dashboard, in PromQL.

Counts are those of the sink `metrics`; shares are those of `docs/slo.md`. What metrics cannot tell (tasks
by name, rows of events) is asked of Elasticsearch, by Kibana's panels of the same dashboard.

A counter comes into being with its first event, which no increase sees: so what is new within a window
counts whole (`_grown`).

Limits: of histograms sums and counts are used, so that panels show means; medians and percentiles are
asked of the events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agenttrail.packs._kibana_panels import PANELS, Panel

Kind = Literal["stat", "timeseries", "bars", "bargauge", "table"]
# Grafana's variables, and what its Prometheus data source puts in for the time that is looked at.
AGENT, DEPARTMENT = "$agent", "$department"
RANGE, INTERVAL = "$__range", "$__interval"
_AGENT = f'gen_ai_agent_name=~"{AGENT}"'
_OF = f'{_AGENT}, agenttrail_registry_department=~"{DEPARTMENT}"'
_BY = "sum by (gen_ai_agent_name)"
_NAME = "{{gen_ai_agent_name}}"


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and how its series are called in the legend (`{{label}}`)."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class PromPanel:
    """One panel; `unit` is Grafana's id of it, width and height those of its grid of 24 columns.

    `anomalies` are the runbooks of what it shows. `rare` is True where a healthy fleet has nothing to show.
    """

    title: str
    description: str
    kind: Kind
    unit: str
    queries: tuple[Query, ...]
    anomalies: tuple[str, ...] = ()
    width: int = 12
    height: int = 8
    rare: bool = False


def panels(slug: str) -> tuple[PromPanel | Panel, ...]:
    """All panels of a dashboard, in their order: numbers, of the metrics, of the events."""
    every: tuple[PromPanel | Panel, ...] = (
        *PROMQL[slug],
        *(p for p in PANELS[slug] if p.title in EVENTS[slug]),
    )
    numbers = tuple(each for each in every if _is_number(each))
    return (*numbers, *(each for each in every if not _is_number(each)))


def _is_number(panel: PromPanel | Panel) -> bool:
    return panel.kind == "stat" if isinstance(panel, PromPanel) else panel.chart == "number"


def filled(expr: str, *, agent: str = ".*", department: str = ".*", interval: str = "1h", range: str = "30d") -> str:  # fmt: skip
    """An expression with its variables put in, as Grafana does before it asks."""
    for name, value in ((RANGE, range), (INTERVAL, interval), (AGENT, agent), (DEPARTMENT, department)):  # fmt: skip
        expr = expr.replace(name, value)
    return expr


def _or_none(expr: str) -> str:
    return f"{expr} or vector(0)"


def _grown(selector: str, window: str) -> str:
    """What a counter grew by, its first value included."""
    return f"(({selector} unless {selector} offset {window}) or increase({selector}[{window}]))"


def _counter(name: str, *more: str, of: str = _OF) -> str:
    return f"{name}{{{', '.join((of, *more))}}}"


def _braced(matcher: str) -> str:
    return "{" + matcher + "}"


def _sum(name: str, window: str, *more: str, of: str = _OF, by: str = "sum") -> str:
    return f"{by} ({_grown(_counter(name, *more, of=of), window)})"


def _share(part: str, whole: str) -> str:
    return f"({part}) / ({whole} > 0)"


def _stat(title: str, description: str, unit: str, expr: str, anomalies: tuple[str, ...] = (), *, width: int = 6, rare: bool = False) -> PromPanel:  # fmt: skip
    return PromPanel(title, description, "stat", unit, (Query(expr, title),), anomalies, width, 3, rare)  # fmt: skip


def _bars(title: str, description: str, unit: str, expr: str, legend: str, anomalies: tuple[str, ...] = (), *, width: int = 12, rare: bool = False) -> PromPanel:  # fmt: skip
    return PromPanel(title, description, "bars", unit, (Query(expr, legend),), anomalies, width, 8, rare)  # fmt: skip


_EVENTS = "agenttrail_events_total"
_CALLS = "agenttrail_tool_calls_total"
_COST = "agenttrail_cost_total"
_ENDED, _ESCALATED = "agenttrail_task_ended_total", "agenttrail_task_escalated_total"
_INPUT = "gen_ai_client_inference_usage_input_tokens_total"
_OUTPUT = "gen_ai_client_inference_usage_output_tokens_total"
_CACHED = "gen_ai_client_inference_usage_cache_read_input_tokens_total"
_SECONDS = "gen_ai_execute_tool_duration_seconds"
_APPROVALS, _WAIT = "agenttrail_approval_events_total", "agenttrail_approval_wait_seconds"
_FINDINGS, _ANOMALIES = "agenttrail_findings_total", "agenttrail_anomalies_total"
_BUDGETS = "agenttrail_budget_verdicts_total"
_PIPELINE = "agenttrail_pipeline_events_total"
_MASKED, _MASK_FAILED = "agenttrail_masked_total", "agenttrail_mask_failed_total"
_SECRET, _QUARANTINED = 'agenttrail_kind="SECRET"', 'agenttrail_pipeline_outcome="quarantined"'
_REFUSED = '{__name__=~"agenttrail_pipeline_(events|lines)_total", agenttrail_pipeline_outcome=~"rejected|refused|failed"}'  # fmt: skip
_TOLD = 'agenttrail_anomaly_name=~"context-lost|record-conflicting"'
_RUNAWAY = 'agenttrail_anomaly_name=~"agent-looping|data-exfiltrating|destruction-bursting|injection-suspected"'  # fmt: skip
_DONE = 'agenttrail_task_state="completed"'
_FAILED, _SETTLED = 'event_outcome="failure"', 'event_outcome=~"success|failure"'
_TIMELY, _PROMISED = 'agenttrail_approval_in_time="yes"', 'agenttrail_approval_in_time=~"yes|no"'


def _success(window: str, by: str) -> str:
    completed = _sum(_ENDED, window, _DONE, by=by)
    helped = _sum(_ESCALATED, window, _DONE, by=by)
    return _share(f"{completed} - ({helped} or {completed} * 0)", _sum(_ENDED, window, by=by))


def _escalated(window: str, by: str) -> str:
    ended = _sum(_ENDED, window, by=by)
    return _share(f"{_sum(_ESCALATED, window, by=by)} or {ended} * 0", ended)


def _failed(window: str, by: str) -> str:
    settled = _sum(_CALLS, window, _SETTLED, by=by)
    return _share(f"{_sum(_CALLS, window, _FAILED, by=by)} or {settled} * 0", settled)


def _timely(window: str, by: str) -> str:
    decided = _sum(_APPROVALS, window, _PROMISED, by=by)
    return _share(f"{_sum(_APPROVALS, window, _TIMELY, by=by)} or {decided} * 0", decided)


def _a_task(what: str, window: str, by: str) -> str:
    return _share(what, _sum(_ENDED, window, by=by))


def _marks(window: str, names: str, by: str = "sum") -> str:
    return _sum(_FINDINGS, window, f'agenttrail_finding=~"{names}"', by=by)


def _against_target(title: str, description: str, share: str, indicator: str, anomalies: tuple[str, ...]) -> PromPanel:  # fmt: skip
    """A share of each agent over a day, beside the target that `agenttrail slo propose` recorded."""
    target = f"agenttrail:{indicator}:target{{{_AGENT}}}"
    queries = (Query(share, _NAME), Query(target, f"target {_NAME}"))
    return PromPanel(title, description, "timeseries", "percentunit", queries, anomalies)


_UNSAFE = "executed_without_approval|executed_after_deny|executed_after_expiry|decision_reused|arguments_changed|approved_by_owner|approver_not_allowed"
_BEYOND = (
    "unregistered_agent|undeclared_tool|undeclared_server|past_deprecation|category_not_allowed"
)
_SECURITY = (
    "injection-suspected", "tool-definition-changed", "tool-first-seen", "data-exfiltrating", "destruction-bursting",
    "agent-off-hours", "personal-data-surging", "record-conflicting",
)  # fmt: skip
_A_DAY = "1d"

PROMQL: dict[str, tuple[PromPanel, ...]] = {
    "fleet-overview": (
        _stat("Agents at work", "Agents that did anything in this time.", "short", f"count({_BY} ({_grown(_counter(_EVENTS), RANGE)}) > 0)", ("agent-unregistered",)),
        _stat("Tasks ended", "Completed, failed and abandoned.", "short", _sum(_ENDED, RANGE)),
        _stat("Tool calls", "Calls of tools by all agents.", "short", _sum(_CALLS, RANGE)),
        _stat("Cost", "Money spent on models, roll-ups left out; in the currency of the prices.", "currencyUSD", _sum(_COST, RANGE)),
        _bars("Events by agent", "What agents did; one that falls silent while others' logs name it is not watched.", "short", _sum(_EVENTS, INTERVAL, by=_BY), _NAME, ("agent-silent", "agent-off-hours"), width=24),
        _bars("Tasks by how they ended", "Completed, failed and abandoned tasks.", "short", _sum(_ENDED, INTERVAL, by="sum by (agenttrail_task_state)"), "{{agenttrail_task_state}}"),
        _bars("Unregistered, past their date, or beyond their entry", "Marks of the registry, by what is wrong.", "short", _sum(_FINDINGS, INTERVAL, 'agenttrail_kind="registry"', by="sum by (agenttrail_finding)"), "{{agenttrail_finding}}", ("agent-unregistered", "agent-deprecated-active")),
        PromPanel("Agents at a glance", "Each agent's tasks, success, cost and escalations.", "table", "short", (
            Query(_sum(_ENDED, RANGE, by=_BY), "Tasks"), Query(_success(RANGE, _BY), "Success"), Query(_escalated(RANGE, _BY), "Escalated"),
            Query(_sum(_CALLS, RANGE, by=_BY), "Tool calls"), Query(_sum(_COST, RANGE, by=_BY), "Cost"),
        ), (), 24, 9),
    ),
    "agent-quality": (
        _stat("Task success", "Tasks completed without a person, of all that ended.", "percentunit", _success(RANGE, "sum"), ("task-success-burning",)),
        _stat("Escalation rate", "Ended tasks that a person was called into.", "percentunit", _escalated(RANGE, "sum"), ("escalations-surging",)),
        _stat("Failed work", "Tool calls that failed, of those with an outcome.", "percentunit", _failed(RANGE, "sum"), ("tool-errors-surging",)),
        _stat("Tool calls of a task", "Calls for each task that ended; a jump is a loop.", "short", _a_task(_sum(_CALLS, RANGE), RANGE, "sum"), ("agent-looping",)),
        _against_target("Task success against its target", "A day's share of each agent, and the target of `agenttrail slo propose`.", _success(_A_DAY, _BY), "task_success", ("task-success-burning",)),
        PromPanel("Escalation rate, by agent", "A day's share of ended tasks that a person was called into.", "timeseries", "percentunit", (Query(_escalated(_A_DAY, _BY), _NAME),), ("escalations-surging",)),
        PromPanel("Tool calls of a task, by agent", "A day's mean; far above the agent's own usual is a loop.", "timeseries", "short", (Query(_a_task(_sum(_CALLS, _A_DAY, by=_BY), _A_DAY, _BY), _NAME),), ("agent-looping",)),
        PromPanel("Tokens of a task, by agent", "A day's mean of input and output tokens.", "timeseries", "short", (Query(_a_task(f"{_sum(_INPUT, _A_DAY, by=_BY)} + {_sum(_OUTPUT, _A_DAY, by=_BY)}", _A_DAY, _BY), _NAME),), ("context-lost",)),
        PromPanel("Failed calls by tool", "A day's share, of tools that failed at all.", "timeseries", "percentunit", (Query(f"{_share(_sum(_CALLS, _A_DAY, _FAILED, by='sum by (gen_ai_tool_name)'), _sum(_CALLS, _A_DAY, _SETTLED, by='sum by (gen_ai_tool_name)'))}", "{{gen_ai_tool_name}}"),), ("tool-errors-surging",)),
        PromPanel("Failed calls by server", "A day's share; a server that fails every call is down.", "timeseries", "percentunit", (Query(f"{_share(_sum(_CALLS, _A_DAY, _FAILED, by='sum by (agenttrail_mcp_server_name)'), _sum(_CALLS, _A_DAY, _SETTLED, by='sum by (agenttrail_mcp_server_name)'))}", "{{agenttrail_mcp_server_name}}"),), ("server-down",)),
        PromPanel("Answer time of servers", "A day's mean of a tool call.", "timeseries", "s", (Query(_share(_sum(f"{_SECONDS}_sum", _A_DAY, of=_AGENT, by="sum by (agenttrail_mcp_server_name)"), _sum(f"{_SECONDS}_count", _A_DAY, of=_AGENT, by="sum by (agenttrail_mcp_server_name)")), "{{agenttrail_mcp_server_name}}"),), ("server-slow",), 24),
    ),
    "cost": (
        _stat("Cost", "Money spent on models, roll-ups left out; in the currency of the prices.", "currencyUSD", _sum(_COST, RANGE), ("department-cost-spiking",)),
        _stat("Cost of a task", "Cost, of all that was spent, for each task that ended.", "currencyUSD", _a_task(_sum(_COST, RANGE), RANGE, "sum"), ("task-cost-spiking",)),
        _stat("Tokens", "Input and output tokens.", "short", f"{_sum(_INPUT, RANGE)} + {_sum(_OUTPUT, RANGE)}"),
        _stat("Cache reads", "Input tokens that came from a cache, of all; a fall costs money.", "percentunit", _share(_sum(_CACHED, RANGE), _sum(_INPUT, RANGE)), ("cache-collapsed",)),
        _bars("Cost by department", "What each department's agents spend.", "currencyUSD", _sum(_COST, INTERVAL, by="sum by (agenttrail_registry_department)"), "{{agenttrail_registry_department}}", ("department-cost-spiking",)),
        _bars("Cost by model", "What each model costs.", "currencyUSD", _sum(_COST, INTERVAL, by="sum by (gen_ai_request_model)"), "{{gen_ai_request_model}}"),
        PromPanel("Cost of a task, by agent", "A day's mean of each agent, against its own usual.", "timeseries", "currencyUSD", (Query(_a_task(_sum(_COST, _A_DAY, by=_BY), _A_DAY, _BY), _NAME),), ("task-cost-spiking",)),
        PromPanel("Cache reads, by agent", "A day's share of input tokens.", "timeseries", "percentunit", (Query(_share(_sum(_CACHED, _A_DAY, by=_BY), _sum(_INPUT, _A_DAY, by=_BY)), _NAME),), ("cache-collapsed",)),
        _bars("People far above others", "Found by `agenttrail scan`, of people told apart by pseudonym.", "short", _or_none(_sum(_ANOMALIES, INTERVAL, 'agenttrail_anomaly_name="user-cost-spiking"', by="sum by (agenttrail_anomaly_name)")), "found", ("user-cost-spiking",)),
        PromPanel("Cost by agent", "What each agent spent in this time.", "bargauge", "currencyUSD", (Query(f"sort_desc({_sum(_COST, RANGE, by=_BY)})", _NAME),)),
        PromPanel("Budget thresholds passed", "Budgets that alerted, asked for an approval or stopped, with how often.", "table", "short", (Query(_sum(_BUDGETS, RANGE, by="sum by (agenttrail_budget_names, agenttrail_budget_verdict)"), "Times"),), ("budget-burning",), 24),
    ),
    "approvals": (
        _stat("Requests", "Approvals that were asked for.", "short", _sum(_APPROVALS, RANGE, 'agenttrail_approval_stage="request"'), ("reviewers-overloaded",)),
        _stat("Reviews in time", "Decisions within the time that their channel promises.", "percentunit", _timely(RANGE, "sum"), ("reviewers-overloaded",)),
        _stat("Wait for a decision", "Mean.", "s", _share(_sum(f"{_WAIT}_sum", RANGE), _sum(f"{_WAIT}_count", RANGE)), ("reviewers-overloaded",)),
        _stat("Past approval", "Executed without approval, after a denial or an expiry, or with one that was for something else.", "short", _or_none(_marks(RANGE, _UNSAFE)), ("approval-missing", "approval-denied-executed")),
        _bars("Requests and decisions", "A gap between them is work that waits.", "short", _sum(_APPROVALS, INTERVAL, 'agenttrail_approval_stage=~"request|decision"', by="sum by (agenttrail_approval_stage)"), "{{agenttrail_approval_stage}}", ("reviewers-overloaded",)),
        PromPanel("Wait by channel", "A day's mean of the time until a decision.", "timeseries", "s", (Query(_share(_sum(f"{_WAIT}_sum", _A_DAY, by="sum by (agenttrail_approval_channel)"), _sum(f"{_WAIT}_count", _A_DAY, by="sum by (agenttrail_approval_channel)")), "{{agenttrail_approval_channel}}"),), ("reviewers-overloaded",)),
        _against_target("Reviews in time against their target", "A day's share of each agent's decisions, and the target of `agenttrail slo propose`.", _timely(_A_DAY, _BY), "reviews_in_time", ("reviewers-overloaded", "escalations-surging")),
        _bars("What went past approval", "By what was wrong; each has a runbook.", "short", _marks(INTERVAL, _UNSAFE, "sum by (agenttrail_finding)"), "{{agenttrail_finding}}", ("approval-missing", "approval-denied-executed", "approval-expired", "approval-reused", "approval-by-owner")),
    ),
    "security-audit": (
        _stat("Anomalies", "Found by `agenttrail scan`.", "short", _or_none(_sum(_ANOMALIES, RANGE)), ("tool-first-seen",), width=4),
        _stat("Past approval", "Executed without approval, after a denial or an expiry, or with one for something else.", "short", _or_none(_marks(RANGE, _UNSAFE)), ("approval-missing", "approval-denied-executed", "approval-expired", "approval-reused"), width=4),
        _stat("Beyond their entry", "Unknown agents, undeclared tools and servers, foreign data, agents past their date.", "short", _or_none(_marks(RANGE, _BEYOND)), ("tool-undeclared", "agent-unregistered", "data-category-misplaced", "agent-deprecated-active"), width=4),
        _stat("Secrets masked", "Keys, tokens and passwords that were replaced.", "short", _or_none(_sum(_MASKED, RANGE, _SECRET, of=_AGENT)), ("secret-exposed",), width=4),
        _bars("Anomalies over time", "By name; each has a runbook.", "short", _sum(_ANOMALIES, INTERVAL, by="sum by (agenttrail_anomaly_name)"), "{{agenttrail_anomaly_name}}", _SECURITY, width=24),
        _bars("Beyond what they may", "Marks of the registry, by what is wrong.", "short", _marks(INTERVAL, _BEYOND, "sum by (agenttrail_finding)"), "{{agenttrail_finding}}", ("tool-undeclared", "agent-unregistered", "agent-deprecated-active", "data-category-misplaced")),
        _bars("Past approval, over time", "By what was wrong.", "short", _marks(INTERVAL, _UNSAFE, "sum by (agenttrail_finding)"), "{{agenttrail_finding}}", ("approval-missing", "approval-denied-executed", "approval-expired", "approval-reused")),
    ),
    "privacy": (
        _stat("Findings masked", "Values that were replaced.", "short", _sum(_MASKED, RANGE, of=_AGENT), ("personal-data-surging",)),
        _stat("Findings of an event", "Replaced values for each event; a sudden fall is a leak.", "short", _share(_sum(_MASKED, RANGE, of=_AGENT), _sum(_EVENTS, RANGE)), ("masking-collapsed",)),
        _stat("Secrets", "Keys, tokens and passwords that were replaced.", "short", _or_none(_sum(_MASKED, RANGE, _SECRET, of=_AGENT)), ("secret-exposed",)),
        _stat("Masking failed", "Events whose content was left out because masking failed.", "short", _or_none(_sum(_MASK_FAILED, RANGE, of=_AGENT)), ("mask-failing",)),
        _bars("Findings by kind", "A kind that was always there and no longer is points to a leak.", "short", _sum(_MASKED, INTERVAL, of=_AGENT, by="sum by (agenttrail_kind)"), "{{agenttrail_kind}}", ("masking-collapsed", "personal-data-surging"), width=24),
        PromPanel("Drift: findings of an event, by agent", "A day's mean; a fall is a leak, a jump a dump of records.", "timeseries", "short", (Query(_share(_sum(_MASKED, _A_DAY, of=_AGENT, by=_BY), _sum(_EVENTS, _A_DAY, by=_BY)), _NAME),), ("masking-collapsed", "personal-data-surging")),
        _bars("Data outside the allowed category", "Calls that dealt with kinds of data that the agent may not see.", "short", _marks(INTERVAL, "category_not_allowed", _BY), _NAME, ("data-category-misplaced",)),
        PromPanel("Findings by agent", "Whose logs hold personal data.", "bargauge", "short", (Query(f"sort_desc({_sum(_MASKED, RANGE, of=_AGENT, by=_BY)})", _NAME),), ("personal-data-surging",), 24),
    ),
    "pipeline-health": (
        _stat("Events", "All that was delivered.", "short", _sum(_EVENTS, RANGE)),
        _stat("Lag", "Age of the newest event delivered.", "s", "agenttrail_lag_seconds", ("pipeline-lagging",)),
        _stat("Quarantined", "Events that left without content, because masking failed.", "short", _or_none(f"sum ({_grown(_PIPELINE + _braced(_QUARANTINED), RANGE)})"), ("mask-failing",)),
        _stat("Refused", "Events and lines that a store refused for good, or that failed in their format.", "short", _or_none(f"sum ({_grown(_REFUSED, RANGE)})"), ("dead-letters-growing",)),
        _bars("Events by format", "A format that stops is a source that is no longer read.", "short", _sum(_EVENTS, INTERVAL, by="sum by (agenttrail_source_format)"), "{{agenttrail_source_format}}", ("agent-silent",), width=24),
        PromPanel("Lag over time", "Age of the newest event delivered; at night it is the time since agents worked.", "timeseries", "s", (Query("agenttrail_lag_seconds", "lag"),), ("pipeline-lagging",)),
        _bars("What became of events", "Delivered, quarantined (without content), rejected by a store, dropped.", "short", f"sum by (agenttrail_pipeline_outcome) ({_grown(_PIPELINE, INTERVAL)})", "{{agenttrail_pipeline_outcome}}", ("mask-failing", "dead-letters-growing")),
    ),
    "task-story": (
        _stat("Tasks ended", "Completed, failed and abandoned.", "short", _sum(_ENDED, RANGE)),
        _stat("Cost of a task", "For each task that ended.", "currencyUSD", _a_task(_sum(_COST, RANGE), RANGE, "sum"), ("task-cost-spiking",)),
        _stat("Lost hand-overs and conflicts", "Found by `agenttrail scan`.", "short", _or_none(_sum(_ANOMALIES, RANGE, _TOLD)), ("context-lost", "record-conflicting")),
        _stat("Loops, chains and bursts", "Found by `agenttrail scan`.", "short", _or_none(_sum(_ANOMALIES, RANGE, _RUNAWAY)), ("agent-looping", "data-exfiltrating", "destruction-bursting", "injection-suspected")),
    ),
}  # fmt: skip

# What the events themselves answer: titles of Kibana's panels, with the anomalies that each shows. None is
# written in ES|QL, which Grafana's data source for Elasticsearch does not ask.
EVENTS: dict[str, dict[str, tuple[str, ...]]] = {
    "fleet-overview": {"Tools called most": ()},
    "agent-quality": {"Tasks by agent": ()},
    "cost": {"Dearest tasks": ("task-cost-spiking",)},
    "approvals": {"Channels": ("reviewers-overloaded",), "Rules that ask": ()},
    "security-audit": {
        "Calls with a secret": ("secret-exposed",), "Unfenced": ("permissions-unsafe",),
        "Destructive calls": ("destruction-bursting",), "Servers": ("tool-first-seen",), "Failures by kind": (),
    },
    "privacy": {"Data categories": ("data-category-misplaced",), "Findings by source": ()},
    "pipeline-health": {"Versions in the data": (), "Last event of each agent": ("agent-silent",)},
    "task-story": {"Tasks": ()},
}  # fmt: skip
