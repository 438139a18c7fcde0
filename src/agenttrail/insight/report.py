"""The numbers of a report over masked events: agents, tasks, indicators, cost, approvals, incidents, value.

Sums of money are decimal, so that they do not depend on the order of events. Every number is one that the events, the registry and the policy give; nothing is estimated but what is
called a forecast. The number of agents is no measure of value: value is hours saved times what an hour
costs, less what the agents cost.

Hours saved: tasks that were completed without a person, times the minutes that one took a person before
(the registry's `baseline.minutes_per_task`); an agent without a baseline counts `minutes_saved` of the
tools that it called with success. Neither stated, nothing is counted.

Forecast of a month: what is spent, and for each working day (Monday to Friday) that is left as much as
was spent on a working day of the last 28 days.

Settled marks: where a decision was logged after the execution that it belongs to, its own findings stand
and those of the execution are left out (`agenttrail.approval.settles`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from agenttrail.governance.policy import PolicyFile
from agenttrail.governance.prices import Prices
from agenttrail.governance.registry import Registry
from agenttrail.insight.conflicts import conflicts
from agenttrail.insight.sli import Sums, slis
from agenttrail.insight.workload import reviewers_needed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_LATELY_DAYS = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a report stands on beside the events.

    `targets` are shares by agent and indicator, as `slo propose --json` gives them. `review_minutes` is
    how long one review takes a person; `reviewers` how many there are, None where that is not said.
    """

    registry: Registry | None = None
    policy: PolicyFile | None = None
    prices: Prices | None = None
    targets: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    review_minutes: float = 6.0
    reviewers: int | None = None


def report(db: DuckDBPyConnection, basis: Basis) -> dict[str, Any]:
    """All numbers, as JSON; sections that nothing is known of are empty, never left out.

    Args:
        db: with the table `events` of the period (`events.opened`).
        basis: registry, policy and so on.
    """
    first, last, events = db.execute("SELECT min(ts), max(ts), count(*) FROM events").fetchall()[0]
    whole = slis(db, ())
    return {
        "period": {"from": _text(first), "to": _text(last), "events": events},
        "agents": _agents(db, basis),
        "tasks": _sums(whole[0]) if whole else {},
        "slis": [_indicators(sums, basis) for sums in slis(db, ("agent",)) if sums.key[0]],
        "daily": _daily(db),
        "cost": _cost(db, basis, last),
        "approvals": _approvals(db, basis),
        "incidents": _incidents(db),
        "coverage": _coverage(db),
        "masking": _masking(db),
        "value": _value(db, basis),
        "evaluations": _evaluations(db),
    }


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S}Z"


def _sums(sums: Sums) -> dict[str, Any]:
    names = (
        "tasks", "ended", "open", "completed", "failed", "abandoned", "escalated", "successes", "success", "escalation",
        "tool_calls", "failed_calls", "calls_per_task", "tokens", "tokens_per_task", "cost", "cost_per_task", "currency",
        "failed_work", "decisions", "in_time", "reviews_in_time",
    )  # fmt: skip
    return {name: getattr(sums, name) for name in names}


def _indicators(sums: Sums, basis: Basis) -> dict[str, Any]:
    targets = basis.targets.get(sums.key[0], {})
    met = {
        name: None if value is None else value >= targets[name]
        for name, value in (("task_success", sums.success), ("reviews_in_time", sums.reviews_in_time))
        if name in targets
    }  # fmt: skip
    return {"agent": sums.key[0], **_sums(sums), "targets": dict(targets), "met": met}


def _agents(db: DuckDBPyConnection, basis: Basis) -> dict[str, Any]:
    rows = db.execute(
        "SELECT agent, any_value(department), count(*), min(ts), max(ts), bool_or(registered IS NOT NULL), "
        "list_sort(list_distinct(list(version) FILTER (version IS NOT NULL))) FROM events WHERE agent <> '' GROUP BY agent ORDER BY agent"
    ).fetchall()
    active = [
        {
            "agent": row[0], "department": row[1] or "", "events": row[2], "first": _text(row[3]), "last": _text(row[4]),
            "registered": row[5], "versions": row[6] or [],
        }
        for row in rows
    ]  # fmt: skip
    listed = sorted(basis.registry.agents) if basis.registry else []
    seen = {row["agent"] for row in active}
    return {
        "registered": len(listed),
        "active": len(active),
        "list": active,
        "unregistered": [row["agent"] for row in active if not row["registered"]],
        "silent": [name for name in listed if name not in seen],
    }


def _daily(db: DuckDBPyConnection) -> list[dict[str, Any]]:
    rows = db.execute(
        "SELECT strftime(ts, '%Y-%m-%d') AS day, count(*) FILTER (task_state = 'completed'), count(*) FILTER (task_state = 'failed'), "
        "count(*) FILTER (task_state = 'abandoned'), coalesce(sum(cost::DECIMAL(38, 12)) FILTER (rollup IS NOT TRUE), 0)::DOUBLE FROM events GROUP BY day ORDER BY day"
    ).fetchall()
    names = ("day", "completed", "failed", "abandoned", "cost")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _cost(db: DuckDBPyConnection, basis: Basis, last: datetime | None) -> dict[str, Any]:
    counted = "cost IS NOT NULL AND rollup IS NOT TRUE"
    rows = db.execute(
        f"SELECT coalesce(department, ''), coalesce(currency, ''), sum(cost::DECIMAL(38, 12))::DOUBLE FROM events WHERE {counted} GROUP BY ALL ORDER BY ALL"  # noqa: S608
    ).fetchall()
    departments = []
    for department, currency, spent in rows:
        month, forecast = (None, None) if last is None else _forecast(db, department, currency, last)  # fmt: skip
        budget = _budget(basis, department, currency)
        departments.append(
            {
                "department": department, "currency": currency, "cost": spent, "month": None if last is None else f"{last:%Y-%m}",
                "month_cost": month, "month_forecast": forecast, "budget": None if budget is None else float(budget),
                "over": None if budget is None or forecast is None else forecast > float(budget),
            }
        )  # fmt: skip
    agents = db.execute(
        f"SELECT agent, coalesce(currency, ''), sum(cost::DECIMAL(38, 12))::DOUBLE, sum(coalesce(input_tokens, 0))::BIGINT, sum(coalesce(cache_read_tokens, 0))::BIGINT "  # noqa: S608
        f"FROM events WHERE {counted} GROUP BY ALL ORDER BY 3 DESC, 1"
    ).fetchall()
    return {
        "by_department": departments,
        "by_agent": [
            {"agent": a, "currency": c, "cost": s, "cache_share": r / i if i else None}
            for a, c, s, i, r in agents
        ],
    }


def _forecast(
    db: DuckDBPyConnection, department: str, currency: str, last: datetime
) -> tuple[float, float]:
    """What a department spent in the month of the last event, and what it will have at its end."""
    begin = last.date().replace(day=1)
    rows = db.execute(
        "SELECT ts::DATE, sum(cost::DECIMAL(38, 12))::DOUBLE FROM events WHERE cost IS NOT NULL AND rollup IS NOT TRUE "
        "AND coalesce(department, '') = ? AND coalesce(currency, '') = ? GROUP BY 1",
        [department, currency],
    ).fetchall()
    by_day: dict[date, float] = dict(rows)
    spent = sum(cost for day, cost in by_day.items() if day >= begin)
    (since,) = db.execute("SELECT min(ts)::DATE FROM events").fetchall()[0]
    window = max(since, last.date() - timedelta(days=_LATELY_DAYS - 1))
    worked = _working_days(window, last.date() + timedelta(days=1))
    lately = sum(cost for day, cost in by_day.items() if day >= window)
    following = (begin + timedelta(days=32)).replace(day=1)
    left = _working_days(last.date() + timedelta(days=1), following)
    return spent, spent + (lately / worked * left if worked else 0.0)


def _working_days(first: date, end: date) -> int:
    """Mondays to Fridays from `first` to before `end`."""
    days = (first + timedelta(days=n) for n in range((end - first).days))
    return sum(day.weekday() < 5 for day in days)


def _budget(basis: Basis, department: str, currency: str) -> Decimal | None:
    budgets = basis.policy.budgets if basis.policy else ()
    for budget in budgets:
        named = not budget.only or department in budget.only
        if budget.by == "department" and budget.period == "month" and named and budget.currency == currency:  # fmt: skip
            return budget.amount
    return None


def _approvals(db: DuckDBPyConnection, basis: Basis) -> dict[str, Any]:
    decided = "approval_stage = 'decision'"
    outcomes = dict(
        db.execute(
            f"SELECT coalesce(approval_outcome, 'unknown'), count(*) FROM events WHERE {decided} GROUP BY 1 ORDER BY 1"  # noqa: S608
        ).fetchall()
    )
    (requests,) = db.execute(
        "SELECT count(*) FROM events WHERE approval_stage = 'request'"
    ).fetchall()[0]
    channels = db.execute(
        f"SELECT coalesce(approval_channel, ''), count(*), median(wait_ms), quantile_cont(wait_ms, 0.95), any_value(target_ms), "  # noqa: S608
        f"count(*) FILTER (wait_ms <= target_ms), count(*) FILTER (wait_ms IS NOT NULL AND target_ms IS NOT NULL) FROM events WHERE {decided} GROUP BY 1 ORDER BY 1"
    ).fetchall()
    return {
        "requests": requests,
        "decisions": outcomes,
        "channels": [
            {
                "channel": c, "decisions": n, "median_wait_ms": m, "p95_wait_ms": p, "target_ms": t,
                "in_time": i, "with_target": w, "share_in_time": i / w if w else None,
            }
            for c, n, m, p, t, i, w in channels
        ],
        "workload": _workload(db, basis),
    }  # fmt: skip


def _workload(db: DuckDBPyConnection, basis: Basis) -> list[dict[str, Any]]:
    """By channel: the busiest hour of the week, reviewers needed for it now, and in four weeks as it grows."""
    rows = db.execute(
        "SELECT coalesce(approval_channel, ''), isodow(ts), hour(ts), count(*), min(target_ms) FROM events WHERE approval_stage = 'request' GROUP BY ALL"
    ).fetchall()
    weeks_of = dict(
        db.execute(
            "SELECT coalesce(approval_channel, ''), list(n ORDER BY week) FROM (SELECT approval_channel, date_trunc('week', ts) AS week, count(*) AS n "
            "FROM events WHERE approval_stage = 'request' GROUP BY ALL) GROUP BY 1"
        ).fetchall()
    )
    (weeks,) = db.execute("SELECT greatest(1, epoch(max(ts) - min(ts)) / 604800) FROM events").fetchall()[0]  # fmt: skip
    made = []
    for channel in sorted({row[0] for row in rows}):
        mine = [row for row in rows if row[0] == channel]
        _, weekday, hour, count, target = max(mine, key=lambda row: (row[3], -row[1], -row[2]))
        rate = count / weeks
        growth = _growth(weeks_of[channel])
        target_s = (target or 900_000) / 1000
        needed = reviewers_needed(rate, basis.review_minutes, target_s)
        soon = reviewers_needed(rate * growth**4, basis.review_minutes, target_s)
        made.append(
            {
                "channel": channel, "busiest": {"weekday": weekday, "hour_utc": hour, "requests_per_hour": rate},
                "growth_per_week": growth, "target_s": target_s, "review_minutes": basis.review_minutes,
                "reviewers_needed": needed, "reviewers_needed_in_4_weeks": soon, "reviewers": basis.reviewers,
                "overload": None if basis.reviewers is None else "now" if needed > basis.reviewers else "in 4 weeks" if soon > basis.reviewers else "no",
            }
        )  # fmt: skip
    return made


def _growth(weekly: list[int]) -> float:
    """Factor by which requests grow a week: first against last of the whole weeks; 1 of less than three."""
    whole = weekly[1:-1] if len(weekly) > 3 else weekly
    if len(whole) < 3 or whole[0] == 0:
        return 1.0
    # Between halving and doubling: more than that is a start, no trend.
    factor: float = (whole[-1] / whole[0]) ** (1 / (len(whole) - 1))
    return min(2.0, max(0.5, factor))


_MARKS = """
    SELECT unnest(registry_findings) AS name, 'registry' AS kind, agent, task FROM events
    UNION ALL SELECT unnest(approval_findings), 'approval', agent, task FROM events
        WHERE id NOT IN (SELECT unnest(settles) FROM events WHERE settles IS NOT NULL)
    UNION ALL SELECT unnest(cost_findings), 'cost', agent, task FROM events
    UNION ALL SELECT unnest(budgets) || ' (' || budget_verdict || ')', 'budget', agent, task FROM events
    UNION ALL SELECT anomaly, 'anomaly', agent, task FROM events WHERE anomaly IS NOT NULL
    UNION ALL SELECT control || ' by hand', 'control', control_target, task FROM events WHERE control IS NOT NULL
"""


def _incidents(db: DuckDBPyConnection) -> list[dict[str, Any]]:
    rows = db.execute(
        f"SELECT kind, name, count(*), count(DISTINCT task), list_sort(list_distinct(list(agent))) FROM ({_MARKS}) WHERE name IS NOT NULL GROUP BY ALL ORDER BY kind, name"  # noqa: S608
    ).fetchall()
    made = [
        {"kind": k, "name": n, "events": e, "tasks": t, "agents": [a for a in agents if a]}
        for k, n, e, t, agents in rows
    ]
    shared = conflicts(db)
    if shared:
        agents = sorted({side.agent for c in shared for side in (c.first, c.second)})
        tasks = {side.task for c in shared for side in (c.first, c.second)}
        made.append({"kind": "anomaly", "name": "record-conflicting", "events": len(shared), "tasks": len(tasks), "agents": agents})  # fmt: skip
    return made


def _coverage(db: DuckDBPyConnection) -> dict[str, Any]:
    row = db.execute(
        "SELECT count(*), count(*) FILTER (source_error IS NOT NULL), count(*) FILTER (mask_failed), count(*) FILTER (registered IS NOT NULL), "
        "count(*) FILTER (task IS NOT NULL), count(*) FILTER (operation = 'execute_tool' AND outcome = 'unknown') FROM events"
    ).fetchall()[0]
    formats = db.execute("SELECT format, count(*) FROM events GROUP BY format ORDER BY format").fetchall()  # fmt: skip
    names = ("events", "unreadable", "without_content", "of_a_registered_agent", "of_a_task", "calls_without_an_answer")  # fmt: skip
    return {**dict(zip(names, row, strict=True)), "formats": dict(formats)}


def _masking(db: DuckDBPyConnection) -> dict[str, Any]:
    kinds: Counter[str] = Counter()
    for text, count in db.execute(
        "SELECT masked_by_type::VARCHAR, count(*) FROM events WHERE masked_by_type IS NOT NULL GROUP BY 1"
    ).fetchall():
        for kind, number in json.loads(text).items():
            kinds[kind] += number * count
    findings, failed = db.execute(
        "SELECT coalesce(sum(masked), 0)::BIGINT, count(*) FILTER (mask_failed) FROM events"
    ).fetchall()[0]
    return {"findings": findings, "by_kind": dict(sorted(kinds.items())), "failed": failed}


def _value(db: DuckDBPyConnection, basis: Basis) -> dict[str, Any]:
    agents = basis.registry.agents if basis.registry else {}
    calls = db.execute(
        "SELECT agent, server, tool, count(*) FROM events WHERE operation = 'execute_tool' AND outcome = 'success' GROUP BY ALL"
    ).fetchall()
    rows: list[dict[str, Any]] = []
    for sums in slis(db, ("agent",)):
        agent = agents.get(sums.key[0])
        if agent is None:
            continue
        minutes, by = 0.0, "nothing stated"
        if agent.baseline is not None:
            minutes, by = sums.successes * agent.baseline.minutes_per_task, "tasks"
        else:
            assert basis.registry is not None
            from agenttrail.governance.registry import bare_tool

            for name, server, tool, count in calls:
                facts = basis.registry.facts(server, bare_tool(tool, server)) if name == agent.id else None  # fmt: skip
                if facts is not None and facts.minutes_saved is not None:
                    minutes, by = minutes + count * facts.minutes_saved, "calls"
        hours = minutes / 60
        worth = hours * agent.baseline.cost_per_hour if agent.baseline else None
        currency = agent.baseline.currency if agent.baseline else ""
        rows.append(
            {
                "agent": agent.id, "hours_saved": hours, "counted_by": by, "worth": worth, "worth_currency": currency,
                "running_cost": sums.cost, "cost_currency": sums.currency, "return": _return(worth, currency, sums, basis, db),
            }
        )  # fmt: skip
    return {"agents": rows, "hours_saved": sum(row["hours_saved"] for row in rows)}


def _return(
    worth: float | None, currency: str, sums: Sums, basis: Basis, db: DuckDBPyConnection
) -> float | None:
    """Worth less running cost, in the currency of the worth; None where they cannot be compared."""
    if worth is None or "+" in sums.currency:
        return None
    if not sums.cost or sums.currency == currency:
        return worth - sums.cost
    if basis.prices is None:
        return None
    (last,) = db.execute("SELECT strftime(max(ts), '%Y-%m-%d') FROM events").fetchall()[0]
    cost = basis.prices.converted(Decimal(str(sums.cost)), sums.currency, currency, last)
    return None if cost is None else worth - float(cost)


def _evaluations(db: DuckDBPyConnection) -> list[dict[str, Any]]:
    """Scores by agent and name; the agent is that of the task's other events."""
    rows = db.execute(
        """
        WITH owner AS (SELECT task, min(agent) AS agent FROM events WHERE evaluation IS NULL AND agent <> '' GROUP BY task)
        SELECT coalesce(owner.agent, nullif(e.agent, ''), ''), e.evaluation, count(*), count(DISTINCT e.task), avg(e.score), min(e.score), max(e.score),
            count(*) FILTER (owner.task IS NULL), list(e.label ORDER BY e.label) FILTER (e.label IS NOT NULL)
        FROM events e LEFT JOIN owner ON e.task = owner.task WHERE e.evaluation IS NOT NULL GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    names = ("agent", "name", "results", "tasks", "mean", "least", "most", "without_task")
    return [
        {**dict(zip(names, row[:8], strict=True)), "labels": dict(Counter(row[8] or []))}
        for row in rows
    ]


def targets_of(proposals: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Targets by agent and indicator, out of what `slo propose --json` printed."""
    made: dict[str, dict[str, float]] = {}
    for row in proposals.get("proposals", ()):
        if row.get("target") is not None:
            made.setdefault(row["agent"], {})[row["indicator"]] = row["target"]
    return made
