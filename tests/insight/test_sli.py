"""Indicators: ratios of sums, the same live and over history, whatever the order."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agenttrail import fields as f
from agenttrail.errors import UsageError
from agenttrail.insight.events import opened
from agenttrail.insight.sli import interval, slis
from agenttrail.sinks._metrics_measures import Bounded, measures
from tests._events import masked
from tests.insight._lines import ended, write

CALL = {f.OPERATION_NAME: "execute_tool", f.AGENT_NAME: "a", f.TASK_ID: "t1"}
EVENTS = [
    CALL, {**CALL, f.EVENT_OUTCOME: "failure"}, {**CALL, f.EVENT_OUTCOME: "unknown"},
    {f.AGENT_NAME: "a", f.INPUT_TOKENS: 900, f.OUTPUT_TOKENS: 100, f.COST_TOTAL: 0.5, f.COST_CURRENCY: "USD"},
    {f.AGENT_NAME: "a", f.INPUT_TOKENS: 900, f.OUTPUT_TOKENS: 100, f.COST_TOTAL: 0.5, f.USAGE_ROLLUP: True},
    {**ended("a", "completed"), f.TASK_ID: "t1"}, {**ended("a", "completed", human=True), f.TASK_ID: "t2"},
    {**ended("a", "failed"), f.TASK_ID: "t3"}, {f.AGENT_NAME: "a", f.TASK_ID: "t4", f.TASK_STATE: "started"},
    {f.AGENT_NAME: "a", f.APPROVAL_STAGE: "decision", f.APPROVAL_WAIT_MS: 50_000, f.APPROVAL_TARGET_MS: 60_000},
    {f.AGENT_NAME: "a", f.APPROVAL_STAGE: "decision", f.APPROVAL_WAIT_MS: 70_000, f.APPROVAL_TARGET_MS: 60_000},
]  # fmt: skip


def test_what_the_indicators_are(tmp_path: Path) -> None:
    with opened([write(tmp_path / "a.jsonl", EVENTS)]) as db:
        (sums,) = slis(db)

    assert sums.key == ("a",)
    assert (sums.ended, sums.completed, sums.failed, sums.escalated, sums.successes, sums.open) == (3, 2, 1, 1, 1, 1)  # fmt: skip
    assert sums.success == pytest.approx(1 / 3)
    assert sums.escalation == pytest.approx(1 / 3)
    assert sums.calls_per_task == 1.0
    assert sums.failed_work == 0.5  # what has no outcome yet is neither
    assert (sums.tokens_per_task, sums.cost, sums.currency) == (pytest.approx(1000 / 3), 0.5, "USD")
    assert sums.reviews_in_time == 0.5


def test_what_never_happened_has_no_share(tmp_path: Path) -> None:
    """None, not zero: nothing can be said."""
    with opened([write(tmp_path / "a.jsonl", [{}])]) as db:
        (sums,) = slis(db)

    assert [sums.success, sums.escalation, sums.calls_per_task, sums.reviews_in_time] == [None] * 4


def test_groups_and_one_row_over_all(tmp_path: Path) -> None:
    events = [ended("a", "completed"), ended("b", "failed", at="2026-10-02T00:30:00Z")]
    with opened([write(tmp_path / "a.jsonl", events)]) as db:
        assert [sums.key for sums in slis(db, ("day", "agent"))] == [("2026-10-01", "a"), ("2026-10-02", "b")]  # fmt: skip
        assert [sums.ended for sums in slis(db, ())] == [2]
        with pytest.raises(UsageError, match="cannot group by tool"):
            slis(db, ("tool",))


numbers = itertools.count()


@given(st.lists(st.sampled_from(EVENTS), max_size=12))
@settings(max_examples=8, deadline=None)
def test_live_metrics_and_history_have_the_same_sums(
    tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, object]]
) -> None:
    """For the same events, any events."""
    path = tmp_path_factory.getbasetemp() / f"same-{next(numbers)}.jsonl"
    all_events = [{f.OPERATION_NAME: "chat"}, *events]
    write(path, all_events)
    live: dict[str, float] = {}
    for fields in all_events:
        for name, value, attributes in measures(masked(fields).fields, Bounded(100)):
            live[name] = live.get(name, 0) + value
            for attribute, what in attributes:
                key = f"{name} {attribute}={what}"
                live[key] = live.get(key, 0) + value
    with opened([str(path)]) as db:
        (sums,) = slis(db, ())

    assert sums.tool_calls == live.get("agenttrail.tool.calls", 0)
    assert sums.ended == live.get("agenttrail.task.ended", 0)
    assert sums.escalated == live.get("agenttrail.task.escalated", 0)
    assert sums.completed == live.get(f"agenttrail.task.ended {f.TASK_STATE}=completed", 0)
    assert sums.failed_calls == live.get(f"agenttrail.tool.calls {f.EVENT_OUTCOME}=failure", 0)
    assert sums.cost == live.get("agenttrail.cost", 0)
    assert sums.in_time == live.get("agenttrail.approval.events agenttrail.approval.in_time=yes", 0)
    usage = "gen_ai.client.inference.usage"
    assert sums.tokens == live.get(f"{usage}.input_tokens", 0) + live.get(f"{usage}.output_tokens", 0)  # fmt: skip


@pytest.mark.parametrize(
    "good, of, low, high",
    [(0, 0, 0.0, 1.0), (7, 10, 0.397, 0.892), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (700, 1000, 0.671, 0.728)],
)  # fmt: skip
def test_the_interval_is_wilsons(good: int, of: int, low: float, high: float) -> None:
    """Against values worked out by hand."""
    assert interval(good, of) == (pytest.approx(low, abs=6e-4), pytest.approx(high, abs=6e-4))
