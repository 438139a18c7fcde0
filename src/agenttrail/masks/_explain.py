"""Why something in a text was masked, kept or passed over: every candidate, with its reason.

The candidates come from a detector that looks for every kind at every score; the outcome is that of
the mask. What it gives holds the text: for the eyes of its owner.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from agenttrail.masks._findings import Finding
from agenttrail.masks._noise import useful
from agenttrail.masks._reader import Detector, Mode
from agenttrail.masks._readings import readings
from agenttrail.masks._rules import rule_findings
from agenttrail.masks._trace import Leaf, Spotted, Trace


class Choice(Protocol):
    """What of the options decides whether a candidate counts."""

    @property
    def score_threshold(self) -> float: ...

    @property
    def entities(self) -> tuple[str, ...]: ...

    @property
    def exclude_entities(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Reason:
    """One candidate at `value[start:end]` of the leaf at `path`, and what became of it.

    `reading` says in which form of the text it was seen; `outcome` is masked, kept or dropped.
    """

    path: str
    start: int
    end: int
    value: str
    entity: str
    score: float
    recogniser: str
    reading: str
    outcome: str
    why: str


def explain(traced: Trace, wide: Detector, choice: Choice) -> list[Reason]:
    """The candidates of every leaf, in their order.

    Args:
        traced: the text as masked.
        wide: finds every kind at every score.
        choice: the options of the mask that masked it.

    Raises:
        Exception: whatever the detector raises.
    """
    return [reason for leaf in traced.leaves for reason in _leaf(leaf, wide, choice)]


def _leaf(leaf: Leaf, wide: Detector, choice: Choice) -> Iterator[Reason]:
    rows: dict[tuple[int, int, str], Reason] = {}

    def note(finding: Finding | Spotted, reading: str, outcome: str, why: str) -> None:
        place = finding.start, finding.end, finding.entity
        found = rows.get(place)
        if found is None or (found.score < finding.score and outcome == found.outcome):
            value = leaf.text[finding.start : finding.end]
            rows[place] = Reason(leaf.path, *place[:2], value, finding.entity, finding.score, finding.recogniser, reading, outcome, why)  # fmt: skip

    for spotted in leaf.findings:
        kept = spotted.operator == "keep"
        said = "kept for a written reason" if kept else f"operator {spotted.operator}"
        note(
            spotted, "whole value" if leaf.mode is None else "", "kept" if kept else "masked", said
        )
    if leaf.mode is not None:
        for name, finding in _candidates(leaf.text, leaf.mode, wide):
            settled = rows.get((finding.start, finding.end, finding.entity))
            if settled is not None and not settled.reading:
                rows[finding.start, finding.end, finding.entity] = _seen_as(settled, name)
            elif settled is None or settled.outcome == "dropped":
                note(finding, name, "dropped", _why_not(leaf, finding, choice))
    elif not leaf.findings:
        return
    yield from sorted(rows.values(), key=lambda row: (row.start, -row.end, row.outcome, row.entity))


def _seen_as(reason: Reason, reading: str) -> Reason:
    return Reason(
        reason.path, reason.start, reason.end, reason.value, reason.entity, reason.score,
        reason.recogniser, reading, reason.outcome, reason.why,
    )  # fmt: skip


def _candidates(text: str, mode: Mode, wide: Detector) -> Iterator[tuple[str, Finding]]:
    for number, reading in enumerate(readings(text)):
        name = "as written" if number == 0 else "escapes undone" if reading.prose else "folded"
        detect = wide.prose if reading.prose and mode == "prose" else wide.patterns
        (found,) = detect([reading.text])
        for finding in (*found, *rule_findings(reading.text)):
            start, end = reading.place(finding.start, finding.end)
            yield name, Finding(start, end, finding.entity, finding.score, finding.recogniser)


def _why_not(leaf: Leaf, finding: Finding, choice: Choice) -> str:
    if choice.entities and finding.entity not in choice.entities:
        return "its kind is not among entities"
    if not choice.entities and finding.entity in choice.exclude_entities:
        return "its kind is excluded by exclude_entities"
    if finding.score < choice.score_threshold:
        return f"its score is under score_threshold {choice.score_threshold:g}"
    if not useful(leaf.text, finding, is_token=leaf.mode == "token"):
        return "the noise rules: most likely no personal data"
    for other in leaf.findings:
        if other.start < finding.end and finding.start < other.end:
            return f"gives way to {other.entity} at {other.start}-{other.end}"
    return "stands in a marker, or the profile does not look for it here"
