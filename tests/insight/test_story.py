"""The story of a task: order, nesting, effects and safe points, against the truth and on odd events."""

import json
from pathlib import Path
from typing import Any

import pytest

from agenttrail import fields as f
from agenttrail.errors import UsageError
from agenttrail.governance import registry
from agenttrail.insight._story_html import page
from agenttrail.insight._story_runs import runs
from agenttrail.insight._story_text import lines
from agenttrail.insight.conflicts import conflicts
from agenttrail.insight.documents import Found, find
from agenttrail.insight.events import opened
from agenttrail.insight.handover import handovers, leaves
from agenttrail.insight.story import Step, Story, duration, tell
from agenttrail.simulate.month import Month
from tests.insight._lines import write


def tasks(month: Month) -> list[dict[str, Any]]:
    return [row for row in month.truth if row["kind"] == "task"]


@pytest.fixture(scope="module")
def found(month: Month, month_run: Path) -> dict[str, Found]:
    """Every task's events, read at once."""
    from agenttrail import jsontext
    from agenttrail.insight.documents import _events

    lines: dict[str, list[str]] = {}
    for line in (month_run / "masked.jsonl").read_text().splitlines():
        task = json.loads(line)["agenttrail"].get("task", {}).get("id")
        lines.setdefault(task, []).append(line)
    assert jsontext  # the reader that `_events` uses
    return {task: Found("task", task, _events(of)) for task, of in lines.items() if task}


def test_calls_are_in_the_order_of_the_truth_and_below_who_made_them(
    month: Month, found: dict[str, Found]
) -> None:
    """For every task of the month, in every format."""
    for row in tasks(month):
        story = tell(found[row["id"]])
        calls = sorted((s for s in story.in_order() if s.kind == "call"), key=lambda s: (s.at_ms, s.end_ms))  # fmt: skip
        assert [step.call_id for step in calls] == [
            call["id"] if row["agent"] != "helpdesk" else None for call in row["calls"]
        ]
        below = {
            step.call_id
            for hand in story.in_order()
            if hand.kind == "hand-over"
            for step in hand.children
        }
        inner = {call["id"] for call in row["calls"] if call["tool"] == "write_section"}
        assert below - {None} == inner
        assert [s.call_id for s in story.in_order() if s.kind == "hand-over"] == [h["id"] for h in row["handovers"]]  # fmt: skip


def test_safe_points_are_those_of_the_truth(
    month: Month, month_run: Path, found: dict[str, Found]
) -> None:
    """What the registry holds of a tool stands on the events: no further file is needed."""
    seen = set()
    for row in tasks(month):
        if row["agent"] == "helpdesk":
            continue  # a capture of MCP has no call ids; its effects are below
        last = tell(found[row["id"]]).safe_after()
        seen.add(last is not None)
        assert (last.call_id if last else None) == row["safe_after"], row["id"]
    assert seen == {True, False}


def test_effects_of_a_capture_follow_its_servers_annotations(
    month: Month, found: dict[str, Found]
) -> None:
    for row in tasks(month):
        if row["agent"] == "helpdesk":
            done = [c["tool"] for c in row["calls"] if not c["read_only"] and not c["failed"]]
            assert [str(s.event[f.TOOL_NAME]) for s in tell(found[row["id"]]).effects()] == done


def test_what_a_hand_over_lost_is_what_the_truth_lost(
    month: Month, found: dict[str, Found]
) -> None:
    losses = 0
    for row in tasks(month):
        handed = handovers(tell(found[row["id"]]))
        assert [sorted(fact.key for fact in each.lost) for each in handed] == [h["lost"] for h in row["handovers"]]  # fmt: skip
        losses += sum(bool(each.lost) for each in handed)
    assert losses == 1


BARE = {"deadline": "2026-12-01", "amount": 250}


@pytest.mark.parametrize(
    "wrapped",
    [BARE, {"input": BARE}, {"arguments": BARE}, {"arguments": json.dumps(BARE)}, {"value": json.dumps(BARE)},
     {"content": [{"type": "text", "text": json.dumps(BARE)}]}, {"parameters": {"input": BARE}},
     {"content": [{"type": "text", "text": f"```json\n{json.dumps(BARE)}\n```"}]},
     {"value": json.dumps(json.dumps(BARE))}, {"type": "tool_use", "input": BARE},
     {"deadline": {"value": "2026-12-01"}, "amount": {"content": [{"type": "text", "text": "250"}]}}],
)  # fmt: skip
def test_wrappers_of_arguments_and_results_are_no_keys_and_hide_no_value(wrapped: Any) -> None:
    """Of clients, frameworks and content blocks; the key is the one that says something."""
    assert list(leaves(wrapped)) == [("deadline", "2026-12-01"), ("amount", "250")]


def test_what_only_looks_like_a_wrapper_stays() -> None:
    """A type of the data's own is a value, and a text keeps its key where nothing is around it."""
    given = {"type": "refund", "value": 5}
    assert list(leaves(given)) == [("type", "refund"), ("value", "5")]
    assert list(leaves({"text": '"quoted"'})) == [("text", '"quoted"')]


def test_equal_notes_in_a_row_are_one_line_with_their_count() -> None:
    """Hooks log a line each; a call between them, or another note, begins a new run."""
    kinds = ["hook"] * 3 + ["call"] + ["hook"] * 12 + ["other", "hook"]
    steps = [
        Step({}, "call" if kind == "call" else "note", kind, number * 1_000, None, number=str(number + 1))
        for number, kind in enumerate(kinds)
    ]  # fmt: skip
    assert [(run.number, run.title) for run in runs(steps)] == [
        ("1–3", "hook × 3"), ("4", "call"), ("5–16", "hook × 12"), ("17", "other"), ("18", "hook"),
    ]  # fmt: skip
    marked = Step({f.COST_FINDINGS: ["no_rate"]}, "note", "hook", 0, None, number="2")
    assert len(runs([steps[0], marked, steps[1]])) == 3
    inner = Step({}, "note", "hook", 0, None, number="1.1", depth=1)
    assert len(runs([steps[0], inner, steps[1]])) == 3


def test_terminal_and_page_show_a_run_of_notes_once() -> None:
    """By the numbers of its first and its last step, and how many there are."""
    steps = [Step({}, "note", "hook", number, None, number=str(number)) for number in range(1, 41)]
    story = Story(
        kind="task", id="t1", agent="a", department="", state="open", escalated=False,
        started="2026-11-25T09:00:00Z", seconds=1.0, tool_calls=0, failed_calls=0, tokens=0, cost=0.0,
        currency="", steps=steps, notes=[],
    )  # fmt: skip
    told = [line for line in lines(story, [], [], 120) if "hook" in line]
    assert [line.split() for line in told] == [["1–40", "+0.0", "s", "note", "hook", "×", "40"]]
    shown = page(story, [], [])
    assert shown.count("hook") == 1
    assert '<td>note</td><td class="t">hook × 40</td>' in shown
    assert ">1–40</td>" in shown


def test_conflicts_are_those_of_the_truth(month: Month, month_run: Path) -> None:
    expected = [row for row in month.truth if row["kind"] == "conflict"]
    with opened([str(month_run / "masked.jsonl")]) as db:
        pairs = conflicts(db)
        for row in expected:
            assert len(conflicts(db, task=row["tasks"][0])) == 1
    assert [{c.first.call_id, c.second.call_id} for c in pairs] == [set(r["calls"]) for r in expected]  # fmt: skip
    assert len(pairs) >= 1


def test_sums_of_a_story_are_those_of_the_truth(month: Month, found: dict[str, Found]) -> None:
    for row in tasks(month):
        story = tell(found[row["id"]])
        assert (story.tool_calls, story.failed_calls) == (row["tool_calls"], row["failed_calls"])
        assert story.tokens == row["tokens"]["input"] + row["tokens"]["output"]
        assert story.cost == pytest.approx(float(row["cost_usd"]))
        assert story.escalated == row["human"]
        assert story.state == ("open" if row["agent"] == "helpdesk" else row["state"])


# --- odd events -----------------------------------------------------------------------------------

CALL = {f.OPERATION_NAME: "execute_tool", f.EVENT_ACTION: "execute_tool", f.TOOL_NAME: "pay", f.EVENT_DURATION: 1_000_000_000}  # fmt: skip


def event(at: str, **more: Any) -> dict[str, Any]:
    return {f.EVENT_ID: at, f.TIMESTAMP: f"2026-10-01T10:00:{at}Z", f.EVENT_OUTCOME: "success", **more}  # fmt: skip


def story(*events: dict[str, Any]) -> Any:
    return tell(Found("task", "t", tuple(events)))


def test_no_event_and_one_event_are_stories_too() -> None:
    assert story().in_order() == []
    (step,) = story(event("00", **CALL)).in_order()
    assert (step.number, step.kind, step.effect) == ("1", "call", "unknown")


@pytest.mark.parametrize(
    "outcome, hints, safe",
    [
        ("success", {}, False), ("unknown", {}, False), ("failure", {}, True),
        ("success", {f.TOOL_READ_ONLY: True}, True), ("success", {f.TOOL_IDEMPOTENT: True}, True),
        ("success", {f.TOOL_READ_ONLY: False}, False), ("unknown", {f.TOOL_DESTRUCTIVE: True}, False),
    ],
)  # fmt: skip
def test_what_makes_the_beginning_unsafe(outcome: str, hints: dict[str, Any], safe: bool) -> None:
    """A lasting effect that was done, or may have been."""
    told = story(event("00", **{**CALL, **hints, f.EVENT_OUTCOME: outcome}))

    assert (told.safe_after() is None) == safe


def test_the_registry_wins_over_what_a_server_says_of_its_tools(month_run: Path) -> None:
    known = registry.load(str(month_run / "agents.yaml"))
    claimed = {**CALL, f.MCP_SERVER_NAME: "finance", f.TOOL_NAME: "pay_claim", f.TOOL_READ_ONLY: True}  # fmt: skip

    assert tell(Found("task", "t", (event("00", **claimed),)), known).safe_after() is not None


def test_clocks_that_disagree_are_said_and_break_nothing() -> None:
    """A child before its parent stays below it."""
    told = story(
        event("01", **CALL, **{f.SPAN_ID: "c", f.SPAN_PARENT_ID: "p"}),
        event("30", **{f.EVENT_ACTION: "invoke_agent", f.OPERATION_NAME: "invoke_agent", f.SPAN_ID: "p", f.EVENT_DURATION: 2_000_000_000}),
    )  # fmt: skip
    assert [step.number for step in told.in_order()] == ["1", "1.1"]
    assert told.notes == ["clocks disagree: 1 steps lie outside the step that started them"]


def test_spans_that_name_one_another_make_no_circle() -> None:
    told = story(
        event("01", **CALL, **{f.SPAN_ID: "a", f.SPAN_PARENT_ID: "b"}),
        event("02", **CALL, **{f.SPAN_ID: "b", f.SPAN_PARENT_ID: "a"}),
    )
    assert len(told.in_order()) == 2


def test_two_agents_of_one_name_are_told_apart() -> None:
    told = story(
        event("01", **CALL, **{f.AGENT_NAME: "bot", f.AGENT_INSTANCE_ID: "i1"}),
        event("02", **CALL, **{f.AGENT_NAME: "bot", f.AGENT_INSTANCE_ID: "i2"}),
    )
    assert told.notes == ["2 instances share the name bot: i1, i2"]


def test_a_task_that_never_ended_is_open() -> None:
    assert story(event("01", **CALL)).state == "open"


@pytest.mark.parametrize(
    "ms, said", [(0, "0 ms"), (999, "999 ms"), (1_000, "1.0 s"), (59_940, "59.9 s"), (320_000, "5 min 20 s"), (7_500_000, "2 h 5 min")],
)  # fmt: skip
def test_times_are_said_in_words(ms: float, said: str) -> None:
    assert duration(ms) == said


def test_a_beginning_of_an_id_is_enough_where_one_begins_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{f.TASK_ID: "abcd-1"}, {f.TASK_ID: "abcd-2"}, {f.TASK_ID: "efgh-1", f.CONVERSATION_ID: "conv-1"}])  # fmt: skip

    assert find([path], "efgh").id == "efgh-1"
    assert find([path], "conv").kind == "conversation"
    for wanted, said in (("abcd", "2 tasks begin with"), ("zzzz", "no task and no conversation"), ("efg", "begin with")):  # fmt: skip
        with pytest.raises(UsageError, match=said):
            find([path], wanted)
