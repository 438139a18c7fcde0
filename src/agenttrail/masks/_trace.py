"""A walk that remembers where in the original texts everything was found: to explain and to measure.

Masking goes over a text in rounds, and from the second on offsets are those of a text that already
holds markers. Here they are led back to the text as it came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agenttrail import jsontext
from agenttrail.masks._findings import Finding
from agenttrail.masks._operators import Operator, Operators
from agenttrail.masks._reader import Mode, Reader
from agenttrail.masks._walk import Walk


@dataclass(frozen=True, slots=True)
class Spotted:
    """A finding in a leaf, at text[start:end], and the operator that was applied to it."""

    start: int
    end: int
    entity: str
    score: float
    recogniser: str
    operator: str


@dataclass(slots=True)
class Leaf:
    """A string, number or key as it was looked at.

    `path` is dotted and empty where the text is no JSON; `mode` is None where the value was not
    searched, because its key or its shape said all.
    """

    path: str
    text: str
    mode: Mode | None
    key: bool = False
    findings: list[Spotted] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Trace:
    """A text as it came, as it leaves, and its leaves in their order."""

    text: str
    masked: str
    leaves: list[Leaf]


class TracedWalk(Walk):
    """A walk over one text or value."""

    # A value that is known to stay would be passed over, and none of its leaves noted.
    _remembers = False

    def __init__(
        self, reader: Reader, operators: Operators, *, max_text_chars: int, max_event_chars: int
    ) -> None:
        super().__init__(
            reader, operators, max_text_chars=max_text_chars, max_event_chars=max_event_chars
        )
        self.leaves: list[Leaf] = []
        self._leaf: Leaf | None = None
        self._places: list[tuple[int, int]] = []
        self._loose: list[Spotted] = []
        self._in_key = False

    def value(self, value: Any, key: str = "", level: int = 1) -> Any:
        seen = len(self.leaves)
        result = super().value(value, key, level)
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            self._leaf_of(value, seen)
        return result

    def line(self, text: str, *, plain: bool) -> str:
        """A text masked as the value of no key; `plain` takes JSON for text too."""
        masked = self.words(text, "prose") if plain else self.text(text)
        self._leaf_of(text, 0)
        return masked

    def text(self, value: str, key: str = "", mode: Mode | None = None) -> str:
        # A text that is known to stay would be passed over, and none of its leaves noted.
        self._reader.unchanged.texts.pop(value, None)
        return super().text(value, key, mode)

    def words(self, value: str, mode: Mode) -> str:
        outer, places = self._leaf, self._places
        self._leaf = Leaf(".".join(self.path), value, mode, self._in_key)
        self._places = [(i, i + 1) for i in range(len(value))]
        self.leaves.append(self._leaf)
        try:
            return super().words(value, mode)
        finally:
            self._leaf, self._places = outer, places

    def _leaf_of(self, value: str | int | float, seen: int) -> None:
        """Notes a leaf that was not searched, and gives it what was found by its key or shape."""
        if len(self.leaves) == seen:
            text = value if isinstance(value, str) else jsontext.dumps(value).decode()
            self.leaves.append(Leaf(".".join(self.path), text, None))
        leaf = self.leaves[-1]
        leaf.findings += [
            Spotted(0, len(leaf.text), s.entity, s.score, s.recogniser, s.operator)
            for s in self._loose
        ]
        self._loose = []

    def key(self, key: str) -> str:
        self._in_key = True
        try:
            return super().key(key)
        finally:
            self._in_key = False

    def _count(self, finding: Finding, operator: str) -> None:
        super()._count(finding, operator)
        whole = finding.end == 0
        if self._leaf is None:
            start = end = 0
        elif whole:
            start, end = 0, len(self._leaf.text)
        else:
            start, end = self._places[finding.start][0], self._places[finding.end - 1][1]
        spotted = Spotted(start, end, finding.entity, finding.score, finding.recogniser, operator)
        (self._loose if self._leaf is None else self._leaf.findings).append(spotted)

    def _put(self, value: str, masked: Sequence[tuple[Finding, Operator]]) -> str:
        places: list[tuple[int, int]] = []
        at = 0
        for finding, operator in masked:
            marker = self._operators.marker(
                operator, finding.entity, value[finding.start : finding.end]
            )
            place = self._places[finding.start][0], self._places[finding.end - 1][1]
            places += [*self._places[at : finding.start], *[place] * len(marker)]
            at = finding.end
        self._places = places + self._places[at:]
        return super()._put(value, masked)


def trace(text: str, walk: TracedWalk, *, plain: bool) -> Trace:
    """A text masked by a new walk, and what the walk saw."""
    masked = walk.line(text, plain=plain)
    return Trace(text, masked, walk.leaves)
