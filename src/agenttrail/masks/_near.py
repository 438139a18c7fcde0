"""A regular expression run only near the places where a prefilter says that it can match.

The matches, in order, are those of `finditer` over the whole text. Of a pattern of bounded length a
match ends within its length behind its start, and looks around itself as far as it says; so a match
begins in a window before the place of a hit, and a search that begins where the last match ended and
goes on to the end of that window finds what a search of everything finds. Where nothing is known of
places, or the length has no bound, everything is searched.
"""

from __future__ import annotations

import re
import re._constants as c  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any

_LONGEST = 400
# A place may be one character off where it stands inside a character beyond ASCII, or behind the
# character that stands for a boundary.
_MARGIN = 2
_EDGES = (c.AT_BOUNDARY, c.AT_NON_BOUNDARY)


class Near:
    """A pattern, compiled when it is first needed."""

    def __init__(self, source: str, flags: int, timeout_s: int | None = None) -> None:
        """Takes a pattern of `regex`, or of `re` where there is no time limit."""
        self._source, self._flags = source, flags
        self._more = {} if timeout_s is None else {"timeout": timeout_s}
        self._compiled: Any = None

    @cached_property
    def _reach(self) -> tuple[int, int, int] | None:
        """Characters that a start stands before and behind a place, and an end behind a start."""
        return reach(self._source, self._flags)

    @property
    def pattern(self) -> Any:
        """The compiled pattern."""
        if self._compiled is None:
            if self._more:
                import regex

                self._compiled = regex.compile(self._source, self._flags)
            else:
                self._compiled = re.compile(self._source, self._flags)
        return self._compiled

    def matches(self, text: str, places: Sequence[int], like: str | None = None) -> Iterator[Any]:
        """Its matches in a text, in order.

        Args:
            text: of any length.
            places: sorted; near them all matches are. Empty means anywhere.
            like: a text of the same length, searched already: where both say the same, matches may
                be left out.
        """
        near = self._reach if places else None
        if near is None or (len(text) <= near[2] and like is None):
            found: Iterator[Any] = self.pattern.finditer(text, **self._more)
            return found
        return self._within(text, places, like, *near)

    def _within(
        self,
        text: str,
        places: Sequence[int],
        like: str | None,
        before: int,
        behind: int,
        whole: int,
    ) -> Iterator[Any]:
        finditer, size, done, number = self.pattern.finditer, len(text), 0, 0
        if like is not None:
            places = _unlike(text, places, like, before, behind, whole)
        while number < len(places):
            first, last = places[number] - before, places[number] + behind
            number += 1
            while number < len(places) and places[number] - before <= last:
                last = places[number] + behind
                number += 1
            start, end = max(first, done), min(last + whole, size)
            for match in finditer(text, start, end, **self._more):
                if match.start() > last:
                    break
                done = match.end()
                yield match


def _unlike(
    text: str, places: Sequence[int], like: str, before: int, behind: int, whole: int
) -> list[int]:
    """The places of those windows, taken together where they touch, in which the texts differ."""
    kept: list[int] = []
    number = 0
    while number < len(places):
        first, group = number, places[number]
        start = max(0, group - before - behind)
        end = group + behind + whole
        number += 1
        while number < len(places) and places[number] - before - behind <= end:
            end = places[number] + behind + whole
            number += 1
        if text[start : end + 1] != like[start : end + 1]:
            kept += places[first:number]
    return kept


@lru_cache(2_000)
def reach(source: str, flags: int) -> tuple[int, int, int] | None:
    """How far from a hit a match can begin, before and behind it, and what it then can depend on.

    None where that has no bound, or is not known.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = parser.parse(source, flags)
        around = _looks(tree)
    except (re.error, OverflowError, RecursionError):
        return None
    if around is None:
        return None
    longest = int(tree.getwidth()[1])
    back, ahead = around
    if max(longest, back, ahead) > _LONGEST:
        return None
    return longest + ahead + _MARGIN, back + _MARGIN, longest + ahead + _MARGIN


def _looks(items: Iterable[Any]) -> tuple[int, int] | None:
    """How far a pattern looks behind its start and beyond its end; None where that depends on the text's ends."""
    back = ahead = 0
    for op, av in items:
        inner: list[Any] = []
        if op is c.AT:
            if av not in _EDGES:
                return None
            back, ahead = max(back, 1), max(ahead, 1)
        elif op in (c.ASSERT, c.ASSERT_NOT):
            width = int(av[1].getwidth()[1])
            within = _looks(av[1])
            if within is None:
                return None
            back = max(back, within[0] + (width if av[0] < 0 else 0))
            ahead = max(ahead, within[1] + (width if av[0] > 0 else 0))
        elif op is c.BRANCH:
            inner = list(av[1])
        elif op is c.SUBPATTERN:
            inner = [av[3]]
        elif op is c.ATOMIC_GROUP:
            inner = [av]
        elif op in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
            inner = [av[2]]
        for branch in inner:
            within = _looks(branch)
            if within is None:
                return None
            back, ahead = max(back, within[0]), max(ahead, within[1])
    return back, ahead
