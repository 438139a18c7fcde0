"""Steps that say the same one after the other, as one: a hook's lines are many and mean one thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agenttrail.insight.story import Step


@dataclass(frozen=True, slots=True)
class Run:
    """Equal steps in a row, of which the first is shown."""

    first: Step
    last: Step
    count: int

    @property
    def number(self) -> str:
        """`7`, or `7–19` where it is more than one."""
        return self.first.number if self.count == 1 else f"{self.first.number}–{self.last.number}"

    @property
    def title(self) -> str:
        return self.first.title if self.count == 1 else f"{self.first.title} × {self.count}"


def runs(steps: Sequence[Step]) -> list[Run]:
    """All steps in their order. Notes of one title and level become one; all else stands by itself.

    A note that has a mark, an effect or steps below it stands by itself too.
    """
    made: list[Run] = []
    for step in steps:
        before = made[-1] if made else None
        if (
            before is not None
            and _plain(step)
            and _plain(before.last)
            and _alike(before.last, step)
        ):
            made[-1] = Run(before.first, step, before.count + 1)
        else:
            made.append(Run(step, step, 1))
    return made


def _plain(step: Step) -> bool:
    return step.kind == "note" and not (step.findings or step.effect or step.children)


def _alike(one: Step, other: Step) -> bool:
    return (one.title, one.depth, one.outcome) == (other.title, other.depth, other.outcome)
