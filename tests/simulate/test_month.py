"""The simulated month: the same every time, in formats that are read whole, and its truth holds."""

import json
import re
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agenttrail.insight.events import opened
from agenttrail.insight.sli import slis
from agenttrail.simulate._company import TOOLS
from agenttrail.simulate.month import Month, simulate

CLAIM_LIMITS = (10_000, 100_000)


def rows(month: Month, kind: str) -> list[dict[str, Any]]:
    return [row for row in month.truth if row["kind"] == kind]


def test_the_same_seed_gives_the_same_bytes(month: Month) -> None:
    """And another seed another month."""
    again = simulate(days=24, tasks_per_day=20)

    assert again.files == month.files
    assert again.truth == month.truth
    assert simulate(seed=2, days=2, tasks_per_day=5).files != simulate(days=2, tasks_per_day=5).files  # fmt: skip


@pytest.mark.parametrize(
    "size", [{"days": 30, "tasks_per_day": 60}, {"days": 24, "tasks_per_day": 20}]
)
def test_what_breaks_a_habit_is_planted_behind_one(size: dict[str, int]) -> None:
    """A week of the agent's days at least, as the truth says; nothing is left out of a month this long."""
    planted = {row["name"]: row for row in rows(simulate(**size), "anomaly")}
    assert len(planted) >= 30
    for name in ("agent-off-hours", "tool-first-seen"):
        assert planted[name]["days_before"] >= 7, name
    for name in (
        "agent-looping",
        "task-cost-spiking",
        "department-cost-spiking",
        "cache-collapsed",
        "server-slow",
    ):
        assert planted[name]["days_before"] >= 4, name


def test_a_quiet_month_has_no_anomalies() -> None:
    assert rows(simulate(days=10, tasks_per_day=5, anomalies=False), "anomaly") == []


def test_nobody_works_on_weekends_but_where_it_is_an_anomaly(month: Month) -> None:
    for row in rows(month, "task"):
        assert (date(2026, 10, 1).toordinal() + row["day"] - 1) % 7 < 5


def test_every_anomaly_names_tasks_that_exist(month: Month) -> None:
    """At least twenty kinds of them; none without a task."""
    tasks = {row["id"] for row in rows(month, "task")}
    anomalies = rows(month, "anomaly")

    assert len({row["name"] for row in anomalies}) >= 20
    for row in anomalies:
        assert set(row["tasks"]) <= tasks
    without = [row["name"] for row in anomalies if not row["tasks"]]
    assert len(without) <= 2, without  # a day on which an agent had nothing to do


def test_large_claims_are_approved_and_small_ones_are_not(month: Month) -> None:
    """Over ¥100,000 always, under ¥10,000 never, but for what was planted."""
    planted = {task for row in rows(month, "anomaly") for task in row["tasks"]}
    amounts = {}
    for name, content in month.files.items():
        for line in content.splitlines() if name.startswith("claude/") else ():
            for block in json.loads(line)["message"]["content"] if '"tool_use"' in line.decode() and "pay_claim" in line.decode() else ():  # fmt: skip
                if isinstance(block, dict) and block.get("type") == "tool_use":
                    amounts[block["id"]] = block["input"]["amount"]
    seen: Counter[str] = Counter()
    for row in rows(month, "task"):
        if row["agent"] != "expense" or row["id"] in planted:
            continue
        asked = {a["call"] for a in row["approvals"]}
        for call in row["calls"]:
            if call["tool"] == "pay_claim":
                amount = amounts[call["id"]]
                size = "small" if amount < CLAIM_LIMITS[0] else "large" if amount > CLAIM_LIMITS[1] else "middle"  # fmt: skip
                seen[size, call["id"] in asked] += 1  # type: ignore[index]
    assert seen["small", True] == 0  # type: ignore[index]
    assert seen["large", False] == 0  # type: ignore[index]
    assert seen["small", False] > 10  # type: ignore[index]
    assert seen["large", True] > 1  # type: ignore[index]


def test_the_registry_of_the_company_knows_every_tool(month: Month) -> None:
    text = month.files["agents.yaml"].decode()
    for tool in TOOLS.values():
        assert f"name: {tool.name}\n" in text


def test_every_task_is_found_with_its_calls_tokens_cost_and_end(
    month: Month, month_run: Path
) -> None:
    """Exactly, to the last token and the last cent; in all formats. A capture of MCP says no end."""
    with opened([str(month_run / "masked.jsonl")]) as db:
        found = db.execute(
            """
            SELECT task, any_value(agent), max(task_state) FILTER (task_state <> 'started'),
                count(*) FILTER (operation = 'execute_tool'),
                count(*) FILTER (operation = 'execute_tool' AND outcome = 'failure'),
                coalesce(sum(input_tokens) FILTER (rollup IS NOT TRUE), 0), coalesce(sum(output_tokens) FILTER (rollup IS NOT TRUE), 0),
                coalesce(sum(cache_read_tokens), 0), coalesce(sum(cost::DECIMAL(38, 12)) FILTER (rollup IS NOT TRUE), 0),
                coalesce(bool_or(task_human), false)
            FROM events WHERE task IS NOT NULL GROUP BY task
            """
        ).fetchall()
    expected = [
        (
            row["id"], row["agent"], None if row["agent"] == "helpdesk" else row["state"], row["tool_calls"], row["failed_calls"],
            row["tokens"]["input"], row["tokens"]["output"], row["tokens"]["cache_read"], Decimal(row["cost_usd"]), row["human"],
        )
        for row in rows(month, "task")
    ]  # fmt: skip
    assert sorted(found) == sorted(expected)


def test_the_indicators_are_those_of_the_truth(month: Month, month_run: Path) -> None:
    with opened([str(month_run / "masked.jsonl")]) as db:
        found = {sums.key[0]: sums for sums in slis(db)}
    for agent in {row["agent"] for row in rows(month, "task")} - {"helpdesk"}:
        tasks = [row for row in rows(month, "task") if row["agent"] == agent]
        decided = [a for row in tasks for a in row["approvals"] if a["wait_ms"] is not None]
        sums = found[agent]
        assert sums.ended == len(tasks)
        assert sums.successes == sum(row["state"] == "completed" and not row["human"] for row in tasks)  # fmt: skip
        assert sums.escalated == sum(row["human"] for row in tasks)
        assert sums.tool_calls == sum(row["tool_calls"] for row in tasks)
        assert sums.failed_calls == sum(row["failed_calls"] for row in tasks)
        assert sums.in_time == sum(not a["target_missed"] for a in decided)
        assert sums.decisions == len(decided)


PLANTED = {
    # Anomaly to the mark that its executions must have.
    "approval-missing": "executed_without_approval", "approval-reused": "arguments_changed",
    "approval-expired": "executed_after_expiry", "approval-denied-executed": "executed_after_deny",
    "approval-by-owner": "approved_by_owner",
}  # fmt: skip


def test_reconciliation_finds_what_was_planted_and_nothing_else(
    month: Month, month_run: Path
) -> None:
    with opened([str(month_run / "masked.jsonl")]) as db:
        found = db.execute(
            "SELECT call_id, mark FROM (SELECT call_id, operation, unnest(approval_findings) AS mark FROM events) "
            "WHERE operation = 'execute_tool' AND mark <> 'target_missed'"
        ).fetchall()
    expected = [
        (row["detail"]["call"], PLANTED[row["name"]])
        for row in rows(month, "anomaly")
        if row["name"] in PLANTED
    ]
    assert sorted(found) == sorted(expected)


def test_budgets_are_passed_as_in_the_truth(month: Month, month_run: Path) -> None:
    """The strictest verdict of each budget in each month, and of each task."""
    with opened([str(month_run / "masked.jsonl")]) as db:
        found = db.execute(
            "SELECT name, CASE WHEN name = 'one task' THEN task ELSE strftime(ts + INTERVAL 7 HOUR, '%Y-%m') END AS period, "
            "max_by(budget_verdict, CASE budget_verdict WHEN 'alert' THEN 1 WHEN 'require_approval' THEN 2 ELSE 3 END) "
            "FROM (SELECT ts, task, budget_verdict, unnest(budgets) AS name FROM events) GROUP BY ALL"
        ).fetchall()
    expected = {(row["name"], row["period"]): row["verdict"] for row in rows(month, "budget")}
    assert len(expected) >= 3
    assert {(name, period) for name, period, _ in found} == set(expected)
    for name, period, verdict in found:
        # An event that passes two budgets has the strictest verdict of both.
        assert verdict in (expected[name, period], "stop")


def test_the_registry_finds_what_was_planted(month: Month, month_run: Path) -> None:
    with opened([str(month_run / "masked.jsonl")]) as db:
        found = db.execute(
            "SELECT DISTINCT mark, task FROM (SELECT task, unnest(registry_findings) AS mark FROM events)"
        ).fetchall()
    wanted = {"agent-unregistered": "unregistered_agent", "tool-undeclared": "undeclared_server", "data-category-misplaced": "category_not_allowed", "agent-deprecated-active": "past_deprecation"}  # fmt: skip
    expected = [
        (wanted[row["name"]], task)
        for row in rows(month, "anomaly")
        if row["name"] in wanted
        for task in row["tasks"]
    ]
    assert sorted(found) == sorted(expected)


def test_nothing_of_a_person_is_in_the_masked_lines(month: Month, month_run: Path) -> None:
    """E-mail addresses and phone numbers in four scripts; names are the balanced profile's."""
    raw = b"".join(month.files.values()).decode()
    text = (month_run / "masked.jsonl").read_text()
    for domain in ("example.co.th", "example.co.jp", "example.la", "example.net"):
        assert f"@{domain}" in raw
        assert f"@{domain}" not in text
    (secret,) = set(re.findall("AKIA[A-Z2-7]{16}", raw))
    assert secret not in text
