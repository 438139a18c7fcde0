"""The report's numbers are the truth's, and odd events give a sensible page."""

from collections import Counter, defaultdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from agenttrail import fields as f
from agenttrail.governance import policy, prices, registry
from agenttrail.insight._report_html import page
from agenttrail.insight._report_words import _ROWS, LANGUAGES
from agenttrail.insight.events import opened
from agenttrail.insight.report import Basis, report, targets_of
from agenttrail.simulate.month import Month
from tests.insight._lines import ended, write


@pytest.fixture(scope="module")
def made(month_run: Path) -> dict[str, Any]:
    basis = Basis(
        registry=registry.load(str(month_run / "agents.yaml")),
        policy=policy.load(str(month_run / "policy.yaml")),
        prices=prices.load(str(month_run / "prices.yaml")),
        targets={"support-tyo": {"task_success": 0.99}, "sales": {"task_success": 0.5}},
        reviewers=1,
    )
    with opened([str(month_run / "masked.jsonl")]) as db:
        return report(db, basis)


def tasks(month: Month, **only: Any) -> list[dict[str, Any]]:
    rows = [row for row in month.truth if row["kind"] == "task"]
    return [row for row in rows if all(row[name] == value for name, value in only.items())]


def test_totals_are_the_truths(month: Month, made: dict[str, Any]) -> None:
    rows = [row for row in tasks(month) if row["agent"] != "helpdesk"]
    states = Counter(row["state"] for row in rows)

    assert made["tasks"]["ended"] == len(rows)
    assert {name: made["tasks"][name] for name in states} == states
    assert made["tasks"]["escalated"] == sum(row["human"] for row in rows)
    assert made["tasks"]["tool_calls"] == sum(row["tool_calls"] for row in tasks(month))
    assert made["tasks"]["cost"] == pytest.approx(sum(float(row["cost_usd"]) for row in rows))
    assert made["tasks"]["open"] == len(tasks(month, agent="helpdesk"))


def test_agents_active_and_registered(month: Month, made: dict[str, Any]) -> None:
    assert made["agents"]["unregistered"] == ["shadow-bot"]
    assert made["agents"]["silent"] == []
    assert {row["agent"] for row in made["agents"]["list"]} == {row["agent"] for row in tasks(month)}  # fmt: skip


def test_indicators_by_agent_and_their_targets(month: Month, made: dict[str, Any]) -> None:
    for row in made["slis"]:
        mine = tasks(month, agent=row["agent"])
        if row["agent"] == "helpdesk":
            assert row["success"] is None
            continue
        good = sum(task["state"] == "completed" and not task["human"] for task in mine)
        assert row["success"] == pytest.approx(good / len(mine))
        assert row["tokens"] == sum(t["tokens"]["input"] + t["tokens"]["output"] for t in mine)
    met = {row["agent"]: row["met"] for row in made["slis"] if row["met"]}
    assert met == {"support-tyo": {"task_success": False}, "sales": {"task_success": True}}


def test_cost_and_its_forecast_by_department(month: Month, made: dict[str, Any]) -> None:
    spent: dict[str, float] = defaultdict(float)
    for row in tasks(month):
        spent[row["department"]] += float(row["cost_usd"])
    for row in made["cost"]["by_department"]:
        assert row["cost"] == pytest.approx(spent[row["department"]])
        assert row["month_cost"] == pytest.approx(spent[row["department"]])  # all in October
        # By hand: what a working day cost, for every working day that is left.
        last = max(t["start"] for t in tasks(month))[:10]
        days = [date(2026, 10, 1) + timedelta(days=n) for n in range(31)]
        worked = sum(d.weekday() < 5 and str(d) <= last for d in days)
        left = sum(d.weekday() < 5 and str(d) > last for d in days)
        assert row["month_forecast"] == pytest.approx(row["cost"] * (1 + left / worked))


def test_approvals_and_waits(month: Month, made: dict[str, Any]) -> None:
    approvals = [a for row in tasks(month) for a in row["approvals"]]
    decided = Counter(a["outcome"] for a in approvals)

    assert made["approvals"]["requests"] == len(approvals)
    assert made["approvals"]["decisions"] == decided
    for channel in made["approvals"]["channels"]:
        mine = [a for a in approvals if a["channel"] == channel["channel"] and a["wait_ms"] is not None]  # fmt: skip
        assert channel["in_time"] == sum(not a["target_missed"] for a in mine)
    assert {row["overload"] for row in made["approvals"]["workload"]} <= {"no", "now", "in 4 weeks"}


def test_incidents_are_what_was_planted(month: Month, made: dict[str, Any]) -> None:
    planted = Counter(row["name"] for row in month.truth if row["kind"] == "anomaly")
    found = {row["name"]: row for row in made["incidents"]}

    for mark, name in {
        "executed_without_approval": "approval-missing", "arguments_changed": "approval-reused",
        "executed_after_deny": "approval-denied-executed", "executed_after_expiry": "approval-expired",
        "approved_by_owner": "approval-by-owner", "undeclared_server": "tool-undeclared",
        "category_not_allowed": "data-category-misplaced",
    }.items():  # fmt: skip
        assert found[mark]["tasks"] == planted[name], mark
    assert found["unregistered_agent"]["agents"] == ["shadow-bot"]
    assert found["record-conflicting"]["events"] == sum(r["kind"] == "conflict" for r in month.truth)  # fmt: skip


def test_hours_saved_and_return(month: Month, made: dict[str, Any]) -> None:
    """Twelve minutes a task that nobody had to look at, at 20 USD an hour, less what it cost."""
    for row in made["value"]["agents"]:
        mine = tasks(month, agent=row["agent"])
        good = sum(t["state"] == "completed" and not t["human"] for t in mine) if row["agent"] != "helpdesk" else 0  # fmt: skip
        cost = sum(float(t["cost_usd"]) for t in mine)
        assert row["hours_saved"] == pytest.approx(good * 12 / 60)
        assert row["return"] == pytest.approx(good * 12 / 60 * 20 - cost)


def test_coverage_says_what_the_audit_log_holds(made: dict[str, Any]) -> None:
    assert made["coverage"]["unreadable"] == 0
    assert made["masking"]["failed"] == 0
    assert set(made["coverage"]["formats"]) == {"approvals", "claude_code", "codex", "mcp_wire", "otel"}  # fmt: skip
    assert made["masking"]["by_kind"]["EMAIL_ADDRESS"] > 100
    assert made["masking"]["findings"] == sum(made["masking"]["by_kind"].values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_whole_in_every_language(made: dict[str, Any], language: str) -> None:
    """Charts inside, nothing from elsewhere, the words of that language."""
    text = page(made, language, review=True)

    assert text.count("<svg") == 3
    assert _ROWS["review"][LANGUAGES.index(language)] in text
    assert f'<html lang="{language}">' in text
    assert "http://" not in text.replace("http://www.w3.org/", "")
    assert "https://" not in text
    for agent in made["agents"]["list"]:
        assert agent["agent"] in text


def test_every_word_has_every_language() -> None:
    for name, row in _ROWS.items():
        assert len(row) == len(LANGUAGES)
        assert all(row), name
        assert {p for p in row[0].split() if p[:1] == "{"} <= {p for r in row for p in r.split()} or "{" in row[1]  # fmt: skip


@pytest.mark.parametrize(
    "events",
    [
        [{}],
        [ended("a", "completed")],
        [{f.TASK_ID: "t", f.TASK_STATE: "started", f.AGENT_NAME: "a"}],
        [{f.AGENT_NAME: "a", f.COST_TOTAL: 1.0, f.COST_CURRENCY: "USD"}, {f.AGENT_NAME: "a", f.COST_TOTAL: 100.0, f.COST_CURRENCY: "JPY"}],
        [{f.AGENT_NAME: "<script>alert(1)</script>", f.REGISTRY_DEPARTMENT: "営業 <b>"}],
        [{f.APPROVAL_STAGE: "request"}],
        [{f.EVALUATION_NAME: "correct", f.EVALUATION_SCORE: 0.5, f.TASK_ID: "nowhere"}],
    ],
    ids=["one event", "one end", "a task that never ended", "two currencies", "markup in a name", "a request alone", "an evaluation of no task"],
)  # fmt: skip
def test_odd_events_give_a_sensible_page(tmp_path: Path, events: list[dict[str, Any]]) -> None:
    with opened([write(tmp_path / "a.jsonl", events)]) as db:
        text = page(report(db, Basis()), "en")

    assert "<script>" not in text
    assert "nan" not in text.lower().replace("finance", "").replace("governance", "")


def test_a_time_without_events_is_a_page_too(tmp_path: Path) -> None:
    with opened([write(tmp_path / "a.jsonl", [{}])], since="2030-01-01") as db:
        made = report(db, Basis())

    assert made["period"]["events"] == 0
    assert "No events in this time." in page(made, "en")


def test_evaluations_stand_with_their_tasks_agent(tmp_path: Path) -> None:
    events = [
        {f.TASK_ID: "t1", f.AGENT_NAME: "a"},
        {f.TASK_ID: "t1", f.EVALUATION_NAME: "correct", f.EVALUATION_SCORE: 1.0, f.EVALUATION_LABEL: "pass"},
        {f.TASK_ID: "t1", f.EVALUATION_NAME: "correct", f.EVALUATION_SCORE: 0.0, f.EVALUATION_LABEL: "fail"},
    ]  # fmt: skip
    with opened([write(tmp_path / "a.jsonl", events)]) as db:
        (row,) = report(db, Basis())["evaluations"]

    assert (row["agent"], row["results"], row["tasks"], row["mean"]) == ("a", 2, 1, 0.5)
    assert row["labels"] == {"fail": 1, "pass": 1}


def test_targets_are_read_from_what_propose_printed() -> None:
    printed = {"proposals": [{"agent": "a", "indicator": "task_success", "target": 0.9}, {"agent": "b", "indicator": "task_success", "target": None}]}  # fmt: skip

    assert targets_of(printed) == {"a": {"task_success": 0.9}}
