"""Findings in a text: how overlaps are settled, and how findings are replaced.

The outcome is that of presidio-anonymizer 2.2.366 with `replace` and REMOVE_INTERSECTIONS (a test
compares the two), but the same on every run: there, which of two kinds with one span and one score
wins depends on the seed of Python's hashes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Personal data at text[start:end] (characters, half-open, never empty)."""

    start: int
    end: int
    entity: str
    score: float
    recogniser: str

    def moved(self, start: int, end: int) -> Finding:
        """The same in another place; dataclasses.replace() costs four times as much."""
        return Finding(start, end, self.entity, self.score, self.recogniser)


def settle(text: str, findings: Iterable[Finding]) -> list[Finding]:
    """The findings sorted and without overlap; every character of a finding stays in one."""
    ordered = sorted(findings, key=lambda f: (f.start, f.end, f.score, f.entity))
    whole = _outermost(_merge_same(ordered))
    return _join_by_spaces(text, _apart(whole))


def settle_beside(
    text: str, findings: Iterable[Finding], kept_kinds: frozenset[str]
) -> list[Finding]:
    """As `settle`; findings of kinds that stay give way to all others, so that they hide none."""
    if not kept_kinds:
        return settle(text, findings)
    every = list(findings)
    masked = settle(text, (f for f in every if f.entity not in kept_kinds))
    kept = (f for f in every if f.entity in kept_kinds)
    taken = [(f.start, f.end) for f in masked]
    return sorted([*masked, *settle(text, without(kept, text, taken))], key=_place)


def render(text: str, findings: Sequence[Finding], markers: Sequence[str] = ()) -> str:
    """The text with each of these (sorted, disjoint) findings replaced by its marker.

    Args:
        text: what the findings are in.
        findings: what to replace.
        markers: one a finding; none means `<ENTITY>` for each.
    """
    parts: list[str] = []
    at = 0
    for i, finding in enumerate(findings):
        parts += (text[at : finding.start], markers[i] if markers else f"<{finding.entity}>")
        at = finding.end
    return "".join([*parts, text[at:]])


def without(
    findings: Iterable[Finding], text: str, kept: Sequence[tuple[int, int]]
) -> list[Finding]:
    """The findings cut so that they touch none of the spans in `kept` (sorted, disjoint).

    What is left of a finding beside such a span counts only where it holds a letter or a digit.
    """
    if not kept:
        return list(findings)
    cut: list[Finding] = []
    for finding in findings:
        at = finding.start
        touched = False
        for i in range(bisect_right(kept, finding.start, key=_end), len(kept)):
            start, end = kept[i]
            if start >= finding.end:
                break
            touched = True
            if at < start:
                cut.append(finding.moved(at, start))
            at = max(at, end)
        if not touched:
            cut.append(finding)
        elif at < finding.end:
            cut.append(finding.moved(at, finding.end))
    return [f for f in cut if any(map(str.isalnum, text[f.start : f.end]))]


def _end(span: tuple[int, int]) -> int:
    return span[1]


def _merge_same(ordered: list[Finding]) -> list[Finding]:
    """Overlapping findings of one entity made one: union of spans, highest score."""
    last: dict[str, int] = {}
    merged: list[Finding] = []
    for finding in ordered:
        at = last.get(finding.entity)
        if at is not None and finding.start < merged[at].end:
            one = merged[at]
            best = one if one.score >= finding.score else finding
            merged[at] = best.moved(one.start, max(one.end, finding.end))
        else:
            last[finding.entity] = len(merged)
            merged.append(finding)
    return merged


def _outermost(findings: list[Finding]) -> list[Finding]:
    """The findings that no other contains; of several with one span the one that scores highest."""
    kept: list[Finding] = []
    reach = -1
    for finding in sorted(findings, key=lambda f: (f.start, -f.end, -f.score, f.entity)):
        if finding.end > reach:
            kept.append(finding)
            reach = finding.end
    return kept


def _apart(findings: list[Finding]) -> list[Finding]:
    """Two that overlap in part share the text: the higher score keeps it, the other is cut."""
    apart = sorted(findings, key=_place)
    at = 0
    while at < len(apart) - 1:
        one, other = apart[at], apart[at + 1]
        if one.end <= other.start:
            at += 1
            continue
        if one.score >= other.score:
            apart[at + 1] = other.moved(one.end, other.end)
        else:
            apart[at] = one.moved(one.start, other.start)
        apart.sort(key=_place)
    return [finding for finding in apart if finding.start < finding.end]


def _place(finding: Finding) -> tuple[int, int]:
    return finding.start, finding.end


def _join_by_spaces(text: str, findings: list[Finding]) -> list[Finding]:
    """Neighbours of one entity with nothing but spaces between them made one."""
    joined: list[Finding] = []
    for finding in findings:
        between = text[joined[-1].end : finding.start] if joined else ""
        if between and not between.strip(" ") and joined[-1].entity == finding.entity:
            joined[-1] = joined[-1].moved(joined[-1].start, finding.end)
        else:
            joined.append(finding)
    return joined
