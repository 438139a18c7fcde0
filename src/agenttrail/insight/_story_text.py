"""A story on the terminal: a line a step, and below it what on-call asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agenttrail.insight._story_runs import Run, runs
from agenttrail.insight.conflicts import Conflict
from agenttrail.insight.handover import Handed
from agenttrail.insight.story import EFFECTS, Story, duration


def lines(
    story: Story, handed: Sequence[Handed], conflicts: Sequence[Conflict], width: int
) -> Iterator[str]:
    """The page's lines, none longer than `width` where that can be.

    Args:
        story: the task or conversation.
        handed: its hand-overs.
        conflicts: what it shares records with.
        width: of the terminal, in characters.
    """
    state = story.state + (", escalated" if story.escalated else "")
    yield f"{story.kind} {story.id}"
    yield "  ".join(
        part
        for part in (
            state, f"{story.agent} ({story.department})" if story.department else story.agent,
            story.started.replace("T", " ").removesuffix("Z")[:19] + " UTC", duration(story.seconds * 1000),
            f"{story.tool_calls} calls" + (f" ({story.failed_calls} failed)" if story.failed_calls else ""),
            f"{story.tokens:,} tokens", f"{story.cost:.4f} {story.currency}" if story.currency else "",
        )
        if part
    )  # fmt: skip
    yield ""
    steps = story.in_order()
    begin = min((step.at_ms for step in steps), default=0)
    shown = runs(steps)
    wide = max((len(run.number) + 2 * run.first.depth for run in shown), default=1)
    for run in shown:
        yield _step(run, begin, wide, width)
    yield ""
    yield from _answers(story, handed, conflicts)


def _step(run: Run, begin: int, wide: int, width: int) -> str:
    step = run.first
    number = ("  " * step.depth + run.number).ljust(wide)
    after = f"+{(step.at_ms - begin) / 1000:.1f} s".rjust(10)
    marks = [] if step.ms is None else [duration(step.ms)]
    if step.kind in ("call", "hand-over") and step.outcome != "success":
        marks.append({"failure": "FAILED", "unknown": "no answer"}.get(step.outcome, step.outcome))
    if step.effect:
        marks.append(EFFECTS[step.effect])
    marks += [f"! {mark.replace('_', ' ')}" for mark in step.findings]
    tail = "  " + ", ".join(marks) if marks else ""
    head = f"{number} {after}  {step.kind:<9} "
    room = max(12, width - len(head) - len(tail))
    title = run.title if len(run.title) <= room else run.title[: room - 1] + "…"
    return f"{head}{title}{tail}".rstrip()


def _answers(
    story: Story, handed: Sequence[Handed], conflicts: Sequence[Conflict]
) -> Iterator[str]:
    done = story.effects()
    yield f"effects done: {len(done)}" if done else "effects done: none"
    for step in done:
        yield f"  {step.number}  {step.title}  ({EFFECTS[step.effect]})" + (
            "  no answer: check whether it was done" if step.outcome == "unknown" else ""
        )
    last, first = story.safe_after(), story.safe_from()
    if last is None:
        yield "safe to run again: from the beginning, no lasting effect was done"
    elif first is None:
        yield f"safe to run again: nowhere, step {last.number} was the last and changed something"
    else:
        yield f"safe to run again: from step {first.number}, behind step {last.number} ({last.title})"
    for each in handed:
        if not each.lost:
            yield f"hand-over {each.step} to {each.to}: all {len(each.known)} values known before it were handed over"
        else:
            yield f"hand-over {each.step} to {each.to}: {len(each.lost)} of {len(each.known)} values never got there"
            for fact in each.lost[:20]:
                yield f"  {fact.key} = {fact.value}  (step {fact.step})"
    for conflict in conflicts:
        mine, other = (conflict.first, conflict.second) if conflict.first.task == story.id else (conflict.second, conflict.first)  # fmt: skip
        when = "at the same time as" if conflict.gap_s < 0 else f"{conflict.gap_s:.0f} s apart from"
        yield f"conflict: {mine.tool} changed a record {when} {other.tool} of task {other.task} ({other.agent})"
    for note in story.notes:
        yield f"note: {note}"
