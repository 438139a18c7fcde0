"""A month of the company: its agents' logs, the files that govern them, and the truth.

    made = simulate(seed=1, start=date(2026, 10, 1), days=30, tasks_per_day=60)
    made.files   # {"claude/projects/…/….jsonl": b"…", "agents.yaml": b"…", …}
    made.truth   # {"kind": "task", …}, {"kind": "anomaly", …}, {"kind": "total", …}

The truth is made from the stories, never from the logs. Money is exact, in USD, written as text.

Rows of the truth:

- `task`: id (as `agenttrail.task.id` has it), agent, department, office, user, version, conversation,
  start and end, state (completed, failed, abandoned), human (a person was asked or called in),
  safe_after (the last call with an effect that a second run would have again, or null),
  tool_calls and failed_calls (hand-overs are calls, refused calls are failed ones), tokens (input with
  cached ones), cost_usd, calls, approvals and handovers in the order of their times.
- `conflict`: two calls of different tasks that change one record within a minute.
- `budget`: the strictest threshold of a budget that was passed, and in which month, or by which task.
- `anomaly`: name, agent, at, tasks, detail; days_before: days, in UTC, on which its agent had worked before.
- `total`: the sums over all tasks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from agenttrail.simulate import _approvals, _claude_code, _codex, _mcp_wire, _otel
from agenttrail.simulate import _company as c
from agenttrail.simulate._logs import Files, rfc3339
from agenttrail.simulate._plan import Anomaly, Asks, Plan
from agenttrail.simulate._planted import plant
from agenttrail.simulate._setup import (
    TASK_BUDGET_USD,
    THRESHOLDS,
    asks_by_policy,
    budgets,
    settings,
)
from agenttrail.simulate._story import Call, Task, cost_of
from agenttrail.simulate._tasks import TARGET_MS


@dataclass(frozen=True, slots=True)
class Month:
    """What was made: files by their name, and rows of truth."""

    files: dict[str, bytes]
    truth: list[dict[str, Any]]


def simulate(
    *, seed: int = 1, start: date = date(2026, 10, 1), days: int = 30, tasks_per_day: int = 60,
    anomalies: bool = True, asks: Asks | None = None, progress: Callable[[int, int], None] = lambda *_: None,
) -> Month:  # fmt: skip
    """A month of logs and its truth; the same arguments give the same bytes.

    Args:
        seed: of everything that is by chance.
        start: the first day.
        days: how many days; on weekends nobody works.
        tasks_per_day: of all agents together.
        anomalies: whether things are put out of order; without them the month is quiet.
        asks: which payments need a decision, by claim and amount in yen; None asks the company's policy.
        progress: is told tasks written and tasks in all.

    Cost: about 0.3 ms and 6 kB of logs a task.
    """
    plan = Plan(seed, start, days, tasks_per_day, asks or asks_by_policy())
    if anomalies:
        plant(plan)
    plan.settle()
    files = Files()
    codex, wire = _codex.Writer(files), _mcp_wire.Writer(files)
    listed: set[tuple[str, int]] = set()
    for number, task in enumerate(plan.tasks):
        match task.agent.log:
            case "claude_code":
                _claude_code.write(task, files)
            case "codex":
                codex.write(task)
            case "otel":
                _otel.write(task, files)
            case _:
                servers = sorted({call.server for call in task.calls()})
                for server in servers:
                    if (server, plan.day_of(task)) not in listed:
                        listed.add((server, plan.day_of(task)))
                        wire.listed(task, server, task.start + 10)
                wire.write(task)
        _approvals.write(task, files)
        if number % 200 == 0:
            progress(number, len(plan.tasks))
    for task, server, at, words in plan.listings:
        wire.listed(task, server, at, words)
    truth = [_task(task, plan) for task in plan.tasks]
    truth += [
        {"kind": "anomaly", "name": a.name, "agent": a.agent, "at": rfc3339(a.at), "tasks": a.tasks, "days_before": _days_before(a, plan), "detail": a.detail}
        for a in sorted(plan.anomalies, key=lambda a: a.at)
    ]  # fmt: skip
    truth += _conflicts(plan.tasks)
    truth += _budgets(truth, plan)
    truth.append(_total(truth))
    progress(len(plan.tasks), len(plan.tasks))
    return Month({**files.take(), **settings(plan)}, truth)


def _days_before(anomaly: Anomaly, plan: Plan) -> int:
    days = {rfc3339(task.start)[:10] for task in plan.of(anomaly.agent) if task.start < anomaly.at}
    return len(days - {rfc3339(anomaly.at)[:10]})


def _task(task: Task, plan: Plan) -> dict[str, Any]:
    chats, calls, handovers = task.chats(), task.calls(), task.handovers()
    model = task.agent.model
    cost = sum((cost_of(model, chat) for chat in chats), Decimal(0)) if model else Decimal(0)
    return {
        "kind": "task",
        "id": task.id,
        "agent": task.agent.id,
        "department": task.agent.department,
        "office": task.agent.office.city,
        "user": task.user.id,
        "version": task.version,
        "conversation": task.conversation,
        "start": rfc3339(task.start),
        "end": rfc3339(task.end),
        "day": plan.day_of(task),
        "state": task.state,
        "human": task.human,
        "tool_calls": len(calls) + len(handovers),
        "failed_calls": sum(call.error is not None for call in calls),
        "tokens": {
            "input": sum(s.input + s.cache_read + s.cache_write for s in chats),
            "output": sum(s.output for s in chats),
            "cache_read": sum(s.cache_read for s in chats),
            "cache_write": sum(s.cache_write for s in chats),
        },
        "cost_usd": format(cost, "f"),
        "calls": [_call(call) for call in calls],
        "safe_after": _safe_after(calls),
        "approvals": [
            {
                "id": a.id, "call": a.call.id, "outcome": a.outcome, "channel": a.channel,
                "wait_ms": None if a.decided is None else a.decided - a.at, "target_ms": TARGET_MS[a.channel],
                "target_missed": a.decided is None or a.decided - a.at > TARGET_MS[a.channel],
            }
            for a in task.approvals()
        ],
        "handovers": [
            {
                "id": h.id, "to": h.to, "instance": h.instance, "known": sorted(h.known), "passed": sorted(h.passed),
                "lost": sorted(set(h.known) - set(h.passed)),
            }
            for h in handovers
        ],
    }  # fmt: skip


def _safe_after(calls: list[Call]) -> str | None:
    """The last call that a second run would repeat with an effect: behind it all is safe to run again."""
    lasting = [
        call.id
        for call in calls
        if call.ran and call.error is None and not c.TOOLS[call.tool].read_only and not c.TOOLS[call.tool].idempotent
    ]  # fmt: skip
    return lasting[-1] if lasting else None


def _call(call: Call) -> dict[str, Any]:
    tool = c.TOOLS[call.tool]
    return {
        "id": call.id, "server": call.server, "tool": call.tool, "at": rfc3339(call.at), "ms": call.ms,
        "failed": call.error is not None, "ran": call.ran, "read_only": tool.read_only,
        "idempotent": tool.idempotent, "destructive": tool.destructive,
        "resource": None if tool.resource is None else call.arguments.get(tool.resource),
    }  # fmt: skip


def _conflicts(tasks: list[Task]) -> list[dict[str, Any]]:
    """Calls of two tasks that change one record within a minute of one another."""
    changes: dict[tuple[str, str], list[tuple[Task, Call]]] = {}
    for task in tasks:
        for call in task.calls():
            tool = c.TOOLS[call.tool]
            if tool.resource and not tool.read_only and call.ran and call.error is None:
                key = (tool.server, str(call.arguments.get(tool.resource)))
                changes.setdefault(key, []).append((task, call))
    found = []
    for (server, resource), made in sorted(changes.items()):
        made.sort(key=lambda pair: pair[1].at)
        for number, (first, one) in enumerate(made):
            for second, other in made[number + 1 :]:
                if first is not second and other.at <= one.end + 60_000:
                    found.append({"kind": "conflict", "server": server, "resource": resource, "tasks": [first.id, second.id], "calls": [one.id, other.id]})  # fmt: skip
    return found


def _budgets(truth: list[dict[str, Any]], plan: Plan) -> list[dict[str, Any]]:
    """The strictest threshold that each department passed in each month, and each task over its budget."""
    found: list[dict[str, Any]] = []
    spent: dict[tuple[str, str], Decimal] = {}
    for task in plan.tasks:
        for chat in task.chats():
            # Months are those of the policy's time zone, Asia/Bangkok.
            month = rfc3339(chat.at + 7 * 3_600_000)[:7]
            key = (task.agent.department, month)
            assert task.agent.model is not None
            spent[key] = spent.get(key, Decimal(0)) + cost_of(task.agent.model, chat)
    amounts = budgets(plan)
    for (department, month), cost in sorted(spent.items()):
        passed = [
            v
            for share, v in THRESHOLDS
            if department in amounts and cost >= share * amounts[department]
        ]
        if passed:
            found.append(
                {
                    "kind": "budget",
                    "name": f"{department} month",
                    "period": month,
                    "verdict": passed[-1],
                }
            )
    found += [
        {"kind": "budget", "name": "one task", "period": row["id"], "verdict": "stop"}
        for row in truth
        if row["kind"] == "task" and Decimal(row["cost_usd"]) >= TASK_BUDGET_USD
    ]
    return found


def _total(truth: list[dict[str, Any]]) -> dict[str, Any]:
    rows = [row for row in truth if row["kind"] == "task"]
    tokens: Counter[str] = Counter()
    for row in rows:
        tokens.update(row["tokens"])
    return {
        "kind": "total",
        "tasks": len(rows),
        "states": dict(sorted(Counter(row["state"] for row in rows).items())),
        "successes": sum(row["state"] == "completed" and not row["human"] for row in rows),
        "escalated": sum(row["human"] for row in rows),
        "tool_calls": sum(row["tool_calls"] for row in rows),
        "failed_calls": sum(row["failed_calls"] for row in rows),
        "tokens": dict(tokens),
        "cost_usd": format(sum((Decimal(row["cost_usd"]) for row in rows), Decimal(0)), "f"),
        "approvals": sum(len(row["approvals"]) for row in rows),
        "handovers": sum(len(row["handovers"]) for row in rows),
        "anomalies": sum(row["kind"] == "anomaly" for row in truth),
    }
