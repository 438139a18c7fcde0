"""`agenttrail replay-plan`: the calls of a task in order, as JSON."""

import json
from pathlib import Path

from agenttrail.simulate.month import Month
from tests.cli._run import agenttrail


def test_the_calls_come_in_order_with_what_each_would_do_again(
    month: Month, month_run: Path
) -> None:
    """Arguments masked; the unsafe ones named."""
    row = next(r for r in month.truth if r["kind"] == "task" and r["agent"] == "expense" and r["safe_after"])  # fmt: skip

    done = agenttrail(month_run, "replay-plan", row["id"], "masked.jsonl")

    plan = json.loads(done.out)
    assert [call["call_id"] for call in plan["calls"]] == [call["id"] for call in row["calls"]]
    unsafe = [c["id"] for c in row["calls"] if c["ran"] and not c["failed"] and not c["read_only"] and not c["idempotent"]]  # fmt: skip
    assert [c["call_id"] for c in plan["calls"] if not c["safe_to_repeat"]] == unsafe
    assert "would do again what lasts" in done.err


def test_from_the_safe_step_on_nothing_unsafe_is_left(month: Month, month_run: Path) -> None:
    for row in [r for r in month.truth if r["kind"] == "task" and r["safe_after"] and r["agent"] != "helpdesk"][:5]:  # fmt: skip
        done = agenttrail(month_run, "replay-plan", row["id"], "masked.jsonl", "--from", "safe")
        assert json.loads(done.out)["unsafe_calls"] == []


def test_a_step_that_is_none_is_told(month: Month, month_run: Path) -> None:
    row = next(r for r in month.truth if r["kind"] == "task")

    done = agenttrail(month_run, "replay-plan", row["id"], "masked.jsonl", "--from", "99")

    assert (done.code, "no step has the number 99" in done.err) == (2, True)
