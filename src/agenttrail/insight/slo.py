"""Targets from what was measured: one step above a pilot, with the evidence; and the rules that watch them.

A share gets the lowest rung of `RUNGS` above what was measured (70 % measured, 75 % proposed): a target
that is met already asks for nothing, one far off is ignored. Of fewer than `least` tasks nothing is
proposed. The evidence is the number of tasks and the Wilson interval of the share.

Rules: recording rules of the error ratio over eight windows, and alerts on the rate at which the error
budget of 30 days burns, each over a long and a short window (Google, The Site Reliability Workbook,
chapter 5, table 5-8). That table is for targets near 100 %: with a budget of 25 % a burn rate of 14.4
would be an error ratio of 360 %. So an alert's error ratio is at most half way from the budget to 1.
Alerts ask for `least_alerting` tasks in their long window, so that one failure at night pages nobody.

OpenSLO v1 is written beside the rules, for tools that read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from agenttrail.insight.sli import Sums, interval, slis

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Per cent. Coarse where much is to be gained, fine where little is left.
RUNGS = (10, 20, 30, 40, 50, 55, 60, 65, 70, 75, 80, 85, 90, 92, 94, 95, 96, 97, 98, 99, 99.5, 99.9)
Indicator = Literal["task_success", "reviews_in_time"]
# Long window, short window, burn rate, severity: The Site Reliability Workbook, table 5-8.
BURNS = (
    ("1h", "5m", 14.4, "critical"),
    ("6h", "30m", 6.0, "critical"),
    ("1d", "2h", 3.0, "warning"),
    ("3d", "6h", 1.0, "warning"),
)
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d")
PERIOD_DAYS = 30
_LABELS: dict[Indicator, str] = {"task_success": "Task success", "reviews_in_time": "Reviews in time"}  # fmt: skip
_AGENT = "gen_ai_agent_name"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A target for one indicator of one agent. Shares are 0 to 1; `target` is None where too little was seen."""

    agent: str
    indicator: Indicator
    measured: float | None
    of: int
    low: float
    high: float
    target: float | None
    note: str = ""


def propose(db: DuckDBPyConnection, *, least: int = 30) -> list[Proposal]:
    """Targets for every agent that something was seen of, sorted by agent.

    Args:
        db: with the table `events` of a pilot period.
        least: tasks, or decisions, below which nothing is proposed.
    """
    made: list[Proposal] = []
    for sums in slis(db, ("agent",)):
        made.append(_proposal(sums, "task_success", sums.successes, sums.ended, least))
        if sums.decisions:
            made.append(_proposal(sums, "reviews_in_time", sums.in_time, sums.decisions, least))
    return made


def _proposal(sums: Sums, indicator: Indicator, good: int, of: int, least: int) -> Proposal:
    low, high = interval(good, of)
    measured = good / of if of else None
    what = "tasks that ended" if indicator == "task_success" else "decisions with a target"
    if of < least or measured is None:
        note = f"{of} {what}; at least {least} are needed"
        return Proposal(sums.key[0], indicator, measured, of, low, high, None, note)
    return Proposal(sums.key[0], indicator, measured, of, low, high, step_above(measured))


def step_above(share: float) -> float:
    """The lowest rung above a share, both 0 to 1; the highest rung where none is above it."""
    per_cent = next((rung for rung in RUNGS if rung > share * 100 + 1e-9), RUNGS[-1])
    return per_cent / 100


def rules(proposals: Sequence[Proposal], *, runbooks: str = "runbooks/anomalies", least_alerting: int = 10) -> dict[str, Any]:  # fmt: skip
    """A Prometheus rules file for the targets that were proposed.

    Args:
        proposals: those without a target get no rules.
        runbooks: address of the folder of runbooks, which alerts name theirs under.
        least_alerting: tasks or decisions in the long window without which no alert fires.
    """
    wanted = [p for p in proposals if p.target is not None]
    groups = []
    for indicator in sorted({p.indicator for p in wanted}):
        name = indicator.replace("_", "-")
        groups.append(
            {
                "name": f"agenttrail-{name}-ratios",
                "interval": "1m",
                "rules": [
                    {"record": _series(indicator, window), "expr": error_ratio(indicator, window)}
                    for window in WINDOWS
                ],
            }
        )
        mine = [p for p in wanted if p.indicator == indicator]
        groups.append({"name": f"agenttrail-{name}-targets", "rules": list(_bounds(mine))})
        alerts = [_alert(indicator, *burn, runbooks, least_alerting) for burn in BURNS]
        groups.append({"name": f"agenttrail-{name}-burning", "rules": alerts})
    return {"groups": groups}


def _series(indicator: Indicator, window: str) -> str:
    return f"agenttrail:{indicator}_errors:ratio_rate{window}"


def error_ratio(indicator: Indicator, window: str) -> str:
    """PromQL: the share of bad events by agent over a window, from the metrics of the sink `metrics`."""
    good, total = _counts(indicator, f"rate(%s[{window}])")
    return f"1 - ({good}) / ({total} > 0)"


def _counts(indicator: Indicator, over: str) -> tuple[str, str]:
    """PromQL of good and of all events by agent; `over` is wrapped round each series."""

    def summed(metric: str, labels: str = "") -> str:
        return f"sum by ({_AGENT}) ({over % (metric + labels)})"

    if indicator == "reviews_in_time":
        metric = "agenttrail_approval_events_total"
        total = summed(metric, '{agenttrail_approval_in_time=~"yes|no"}')
        timely = summed(metric, '{agenttrail_approval_in_time="yes"}')
        return f"{timely} or 0 * {total}", total
    total = summed("agenttrail_task_ended_total")
    completed = summed("agenttrail_task_ended_total", '{agenttrail_task_state="completed"}')
    called = summed("agenttrail_task_escalated_total", '{agenttrail_task_state="completed"}')
    return f"({completed} or 0 * {total}) - ({called} or 0 * {total})", total


def _bounds(proposals: Sequence[Proposal]) -> Iterator[dict[str, Any]]:
    """Series of each agent's target, and of the error ratios that alerts fire above."""
    for proposal in proposals:
        assert proposal.target is not None
        labels = {_AGENT: proposal.agent}
        yield {
            "record": f"agenttrail:{proposal.indicator}:target",
            "expr": f"vector({proposal.target:.6g})",
            "labels": labels,
        }
        for long, _, burn, _ in BURNS:
            bound = reachable(1 - proposal.target, burn)
            yield {
                "record": _bound(proposal.indicator, long),
                "expr": f"vector({bound:.6g})",
                "labels": labels,
            }


def _bound(indicator: Indicator, long: str) -> str:
    return f"agenttrail:{indicator}_errors:bound{long}"


def _alert(
    indicator: Indicator, long: str, short: str, burn: float, severity: str, runbooks: str, least: int
) -> dict[str, Any]:  # fmt: skip
    name, slug, what = {
        "task_success": ("TaskSuccessBurning", "task-success-burning", "tasks"),
        "reviews_in_time": ("ReviewersOverloaded", "reviewers-overloaded", "decisions"),
    }[indicator]
    _, total = _counts(indicator, f"increase(%s[{long}])")
    above = [
        f"{_series(indicator, window)} > on ({_AGENT}) {_bound(indicator, long)}"
        for window in (long, short)
    ]
    label = _LABELS[indicator].lower()
    return {
        "alert": name,
        "expr": f"{above[0]} and on ({_AGENT}) {above[1]} and on ({_AGENT}) {total} >= {least}",
        "labels": {"severity": severity, "slo": indicator, "long_window": long},
        "annotations": {
            "summary": f"{{{{ $labels.{_AGENT} }}}}: {label} burns its error budget",
            "description": f"Over {long} and {short} {{{{ $value | humanizePercentage }}}} of {what} were bad, {burn:g} times what the target of {PERIOD_DAYS} days allows or as much as can be told from it.",
            "runbook_url": f"{runbooks}/{slug}/README.md",
        },
    }


def reachable(budget: float, burn: float) -> float:
    """The error ratio that an alert fires above: the burn rate's, but one that can be reached."""
    return min(burn * budget, (1 + budget) / 2)


def openslo(proposals: Sequence[Proposal]) -> list[dict[str, Any]]:
    """OpenSLO v1 documents: a Service for each agent and an SLO for each target.

    Source: OpenSLO v1, schemas/v1.
    """
    wanted = [p for p in proposals if p.target is not None]
    made: list[dict[str, Any]] = [
        {"apiVersion": "openslo/v1", "kind": "Service", "metadata": {"name": _dns(agent), "displayName": agent}, "spec": {"description": f"The agent {agent}"}}
        for agent in sorted({p.agent for p in wanted})
    ]  # fmt: skip
    for p in wanted:
        good, total = _counts(p.indicator, "%s")
        where = f' and on ({_AGENT}) agenttrail_task_ended_total{{{_AGENT}="{p.agent}"}}'

        def source(query: str, where: str = where) -> dict[str, Any]:
            return {"metricSource": {"type": "Prometheus", "spec": {"query": f"({query}){where}"}}}

        name = f"{_dns(p.agent)}-{p.indicator.replace('_', '-')}"
        made.append(
            {
                "apiVersion": "openslo/v1",
                "kind": "SLO",
                "metadata": {
                    "name": name,
                    "displayName": f"{p.agent}: {_LABELS[p.indicator].lower()}",
                },
                "spec": {
                    "description": f"Measured {p.measured:.1%} of {p.of} ({p.low:.1%} to {p.high:.1%}); one step above.",
                    "service": _dns(p.agent),
                    "indicator": {
                        "metadata": {"name": f"{name}-ratio"},
                        "spec": {
                            "ratioMetric": {
                                "counter": True,
                                "good": source(good),
                                "total": source(total),
                            }
                        },
                    },
                    "timeWindow": [{"duration": f"{PERIOD_DAYS}d", "isRolling": True}],
                    "budgetingMethod": "Occurrences",
                    "objectives": [{"displayName": _LABELS[p.indicator], "target": p.target}],
                },
            }
        )
    return made


def _dns(name: str) -> str:
    """A name as OpenSLO wants it: RFC 1123, at most 63 characters."""
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower()).strip("-")
    return plain[:40].strip("-") or "agent"
