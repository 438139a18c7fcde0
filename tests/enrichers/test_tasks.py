"""Where tasks begin, are escalated and end: by ids, by traces, by pauses; once, in any order."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenttrail import fields as f
from agenttrail.enrichers.tasks import Tasks, TasksOptions
from agenttrail.errors import OptionError
from agenttrail.seams import Event
from agenttrail.testing import records

PROMPT = {f.EVENT_ACTION: "user_prompt"}
CALL = {f.EVENT_ACTION: "execute_tool", f.OPERATION_NAME: "execute_tool"}
CHAT = {f.EVENT_ACTION: "chat", f.INPUT_TOKENS: 100, f.OUTPUT_TOKENS: 20}
END = {f.EVENT_ACTION: "turn_completed"}
ASKED = {f.EVENT_ACTION: "approval", f.APPROVAL_STAGE: "request", f.APPROVAL_SOURCE: "user"}

numbers = itertools.count()


def event(fields: dict[str, Any], *, at: str = "10:00:00", stream: str = "s", **more: Any) -> Event:
    own = {f.EVENT_ID: f"{next(numbers):016x}", f.TIMESTAMP: f"2026-10-01T{at}Z"}
    return Event({**own, **fields, **more}, tuple(records(b"x", stream=stream)))


def marks(enrich: Tasks, *events: Event) -> list[dict[str, Any]]:
    """The marks set on each event, without their common beginning."""
    made = []
    for each in events:
        new = enrich(each).fields
        made.append({n.removeprefix("agenttrail.task."): v for n, v in new.items() if n.startswith("agenttrail.task.")})  # fmt: skip
    return made


def of(task: str, *fields: dict[str, Any]) -> list[Event]:
    return [event({**each, f.TASK_ID: task}) for each in fields]


def test_a_task_begins_with_its_first_event_and_ends_once() -> None:
    """With its sums so far on the event that ends it; a second end counts for nothing."""
    closing = {**CHAT, f.FINISH_REASONS: ["end_turn"], f.COST_TOTAL: 0.25}
    made = marks(TasksOptions().build(), *of("t", PROMPT, CHAT, CALL, CALL, closing, END))

    assert made == [
        {"id": "t", "state": "started"}, {"id": "t"}, {"id": "t"}, {"id": "t"},
        {"id": "t", "state": "completed", "tool_calls": 2, "tokens": 240, "cost": 0.25}, {"id": "t"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "last, state",
    [
        (END, "completed"),
        ({f.EVENT_ACTION: "turn_aborted"}, "abandoned"),
        ({f.EVENT_ACTION: "user_interrupt"}, "abandoned"),
        ({f.EVENT_ACTION: "error"}, "failed"),
        ({f.EVENT_ACTION: "api_error", f.OUTPUT_MESSAGES: [{}]}, "failed"),
        ({f.EVENT_ACTION: "api_error"}, None),  # tried again
        ({**CHAT, f.FINISH_REASONS: ["tool_use"]}, None),
        ({**CHAT, f.FINISH_REASONS: ["end_turn"], f.AGENT_SIDECHAIN: True}, None),  # a sub-agent's
        ({**CHAT, f.FINISH_REASONS: ["stop"], f.SPAN_ID: "ab"}, None),  # its agent's span ends it
        ({f.EVENT_ACTION: "invoke_agent", f.SPAN_ID: "ab", f.EVENT_OUTCOME: "success"}, "completed"),
        ({f.EVENT_ACTION: "invoke_agent", f.SPAN_ID: "ab", f.EVENT_OUTCOME: "failure"}, "failed"),
        ({f.EVENT_ACTION: "invoke_agent", f.SPAN_ID: "ab", f.ERROR_TYPE: "cancelled"}, "abandoned"),
        ({f.EVENT_ACTION: "invoke_agent", f.SPAN_ID: "ab", f.SPAN_PARENT_ID: "cd"}, None),
    ],
)  # fmt: skip
def test_what_ends_a_task_and_how(last: dict[str, Any], state: str | None) -> None:
    made = marks(TasksOptions().build(), *of("t", PROMPT, last))

    assert made[-1].get("state") == state


def test_escalation_is_marked_once_whichever_comes_first() -> None:
    """A person asked before the end, or an approval that is read after it."""
    before = marks(TasksOptions().build(), *of("t", PROMPT, ASKED, ASKED, END))
    after = marks(TasksOptions().build(), *of("t", PROMPT, END, ASKED, ASKED))

    assert [m.get("escalated") for m in before] == [None, None, None, "completed"]
    assert [m.get("escalated") for m in after] == [None, None, "completed", None]
    assert [m.get("human") for m in before] == [None, True, True, None]


@pytest.mark.parametrize(
    "fields",
    [
        {f.APPROVAL_STAGE: "request"},
        {f.APPROVAL_OUTCOME: "deny", f.APPROVAL_SOURCE: "user"},
        {f.MCP_METHOD: "elicitation/create"},
        {f.TOOL_NAME: "hand_to_person"},
    ],
)
def test_what_calls_a_person_in(fields: dict[str, Any]) -> None:
    enrich = TasksOptions(escalation_tools=("hand_to_person",)).build()

    assert marks(enrich, *of("t", fields))[0]["human"] is True


@pytest.mark.parametrize(
    "fields",
    [
        {f.APPROVAL_STAGE: "request", f.APPROVAL_SOURCE: "config"},
        {f.APPROVAL_OUTCOME: "allow", f.APPROVAL_SOURCE: "hook"},
        {f.TOOL_NAME: "reply"},
    ],
)
def test_what_a_machine_decides_is_no_escalation(fields: dict[str, Any]) -> None:
    enrich = TasksOptions(escalation_tools=("hand_to_person",)).build()

    assert "human" not in marks(enrich, *of("t", fields))[0]


def test_a_trace_is_a_task_where_there_is_no_id() -> None:
    made = marks(TasksOptions().build(), event({**CALL, f.TRACE_ID: "ab" * 16}))

    assert made == [{"id": "ab" * 16, "state": "started"}]


def test_without_ids_a_pause_begins_a_new_task_and_late_events_join_theirs() -> None:
    """By time, not by arrival; each conversation and each server for itself."""
    enrich = TasksOptions(idle_s=600).build()
    ids = [
        marks(enrich, event(CALL, at=at, **{f.CONVERSATION_ID: where}))[0]["id"]
        for at, where in [
            ("10:00:00", "a"), ("10:09:00", "a"), ("10:30:00", "a"), ("10:05:00", "a"),
            ("10:00:00", "b"), ("09:55:00", "a"),
        ]
    ]  # fmt: skip

    assert ids[0] == ids[1] == ids[3] == ids[5]
    assert len(set(ids)) == 3
    assert ids[2] not in (ids[0], ids[4])


def test_a_session_that_starts_is_no_task_yet() -> None:
    """What comes before any work belongs to no task; after it, to the task at hand."""
    start = {f.EVENT_ACTION: "session_start", f.CONVERSATION_ID: "a"}
    made = marks(TasksOptions().build(), event(start), event({**CALL, f.CONVERSATION_ID: "a"}), event(start))  # fmt: skip

    assert made[0] == {}
    assert made[1]["id"] == made[2]["id"]


def test_the_same_log_gives_the_same_ids() -> None:
    """On every run, so that repeated events stay the same events."""
    log = [event(CALL, at=f"10:{m:02}:00") for m in (0, 5, 40)]

    assert marks(TasksOptions().build(), *log) == marks(TasksOptions().build(), *log)


def test_a_killed_run_counts_and_marks_its_last_batch_as_before(tmp_path: Path) -> None:
    """Saved, not committed: the same events come again and get the marks that they had."""
    options = TasksOptions(state=str(tmp_path / "state.db"))
    log = of("t", PROMPT, CALL, CHAT, ASKED, END)
    first = options.build()
    marks(first, *log[:2])
    first.save()
    before = marks(first, *log[2:])
    first.save()
    first._state.close()

    again = marks(options.build(), *log[2:])

    assert again == before
    assert again[-1] == {"id": "t", "state": "completed", "tool_calls": 1, "tokens": 120, "escalated": "completed"}  # fmt: skip


def test_no_id_of_a_log_stands_in_the_state(tmp_path: Path) -> None:
    """It may be anything, a person's address too; the file is not masked."""
    path = tmp_path / "state.db"
    tasks = TasksOptions(state=str(path)).build()
    marks(tasks, *of("ann@example.com", PROMPT, CALL, END))
    tasks.save()
    tasks._state.close()

    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"t:" in written
    assert b"ann@example.com" not in written


@given(st.permutations([PROMPT, CALL, CALL, CHAT, ASKED, END, END, {f.EVENT_ACTION: "error"}]))
def test_whatever_the_order_a_task_ends_once_and_is_escalated_once(order: list[Any]) -> None:
    """Sums over marks are right, though sums so far depend on the order."""
    made = marks(TasksOptions().build(), *of("t", *order))

    assert sum(m.get("state") in ("completed", "failed") for m in made) == 1
    assert sum("escalated" in m for m in made) == 1


def test_a_roll_up_is_not_counted_twice() -> None:
    rollup = {**CHAT, f.USAGE_ROLLUP: True}

    assert marks(TasksOptions().build(), *of("t", CHAT, rollup, END))[-1]["tokens"] == 120


def test_what_lies_long_back_is_forgotten() -> None:
    """Memory stays bounded on any number of tasks."""
    enrich = TasksOptions(remember_s=60).build()
    for number in range(12_000):
        at = f"{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}"
        enrich(event(PROMPT, at=at, **{f.TASK_ID: str(number)}))
        if number % 500 == 0:
            enrich.save()
    enrich.save()

    assert len(list(enrich._state.items())) < 6_000


@pytest.mark.parametrize("option", ["idle_s", "remember_s"])
def test_a_time_that_is_none_is_refused(option: str) -> None:
    with pytest.raises(OptionError):
        TasksOptions(**{option: 0})
