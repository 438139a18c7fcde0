r"""Which numbering plans know a run of digits: automata over ten signs, made as they are used.

A plan is an alternation of hundreds of branches. `re` tries them one after another, 15 us a number;
a state for each set of branches that are still open takes 0.1 us a digit, and after four digits
nearly all plans are out.

Limits: literals, sets, `\d`, groups, alternation and repeats, nothing else.
"""

from __future__ import annotations

import re._constants as c  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_SIGNS = tuple("0123456789")
_HEAD = 4
# Nothing is known of longer numbers: no plan has them but behind any digits.
_LONGEST = 24
_PASSES = 3
_REPEATS = (c.MAX_REPEAT, c.MIN_REPEAT)


class UnknownSyntaxError(ValueError):
    """A pattern says more than digits."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`whole` matches all digits of a number, or `end` matches the last of them, after any others."""

    whole: str
    end: str | None = None

    def pattern(self) -> str:
        """Both as one pattern for a full match."""
        return self.whole if self.end is None else rf"{self.whole}|\d*(?:{self.end})"


class Plans:
    """Plans by name; which of them know a run of ASCII digits."""

    def __init__(self, plans: Mapping[str, Plan]) -> None:
        """Reads the plans.

        Raises:
            UnknownSyntaxError: one holds what is not known here.
        """
        made = {
            pattern: _Automaton(pattern)
            for plan in plans.values()
            for pattern in (plan.whole, plan.end)
            if pattern is not None
        }
        by_plan: dict[Plan, list[str]] = {}
        for name, plan in plans.items():
            by_plan.setdefault(plan, []).append(name)
        # Plans of one text (the United States and Canada share theirs) run once.
        self._whole = [(made[p.whole], frozenset(names)) for p, names in by_plan.items()]
        self._end = [(made[p.end], frozenset(n)) for p, n in by_plan.items() if p.end is not None]
        self._heads: dict[str, list[tuple[_Automaton, int, frozenset[str]]]] = {}

    def knowing(self, digits: str) -> frozenset[str]:
        """Names of the plans that know it."""
        head = digits[:_HEAD]
        begun = self._heads.get(head)
        if begun is None:
            octets = head.encode()
            begun = [(a, a.run(octets, 0), names) for a, names in self._whole]
            begun = self._heads[head] = [one for one in begun if one[1] >= 0]
        octets = digits.encode()
        left = max(0, len(octets) - _HEAD)
        rest = octets[_HEAD:]
        known: frozenset[str] = frozenset()
        for automaton, state, names in begun:
            if automaton.can_end(state, left) and automaton.fits(automaton.run(rest, state)):
                known |= names
        for automaton, names in self._end:
            if not names <= known and automaton.ends(octets):
                known |= names
        return known


class _Automaton:
    """One pattern; states are numbers, 0 the first, -1 where nothing can match any more."""

    def __init__(self, pattern: str) -> None:
        # By place: the places that a sign leads to, by sign, and those entered without one.
        self._by_sign: list[dict[str, list[int]]] = []
        self._free: list[list[int]] = []
        first, self._last = self._place(), self._place()
        self._sequence(parser.parse(pattern), first, self._last)
        self._lengths = self._left()
        self._numbers: dict[frozenset[int], int] = {}
        self._places: list[frozenset[int]] = []
        # Below -1 stands what was not asked yet.
        self._next: list[list[int]] = []
        self._fits: list[bool] = []
        # By state: bit n is set where n more digits may end a match.
        self._can_end: list[int] = []
        self._state(self._closed({first}))

    def fits(self, state: int) -> bool:
        """True where the digits so far match as a whole."""
        return state >= 0 and self._fits[state]

    def can_end(self, state: int, more: int) -> bool:
        """False where no match has exactly so many more digits."""
        return state >= 0 and bool(self._can_end[state] >> min(more, _LONGEST) & 1)

    def ends(self, octets: bytes) -> bool:
        """True where it matches the last of these digits, as many as it may."""
        size = len(octets)
        return any(
            self.fits(self.run(octets[at:], 0)) for at in range(size) if self.can_end(0, size - at)
        )

    def run(self, octets: bytes, state: int) -> int:
        """The state behind some more digits."""
        following = self._next
        for octet in octets:
            to = following[state][octet - 48]
            if to < -1:
                to = self._step(state, octet - 48)
            if to < 0:
                return -1
            state = to
        return state

    def _step(self, state: int, sign: int) -> int:
        char = _SIGNS[sign]
        reached = {to for at in self._places[state] for to in self._by_sign[at].get(char, ())}
        to = self._state(self._closed(reached)) if reached else -1
        self._next[state][sign] = to
        return to

    def _state(self, places: frozenset[int]) -> int:
        number = self._numbers.get(places)
        if number is None:
            number = self._numbers[places] = len(self._next)
            self._next.append([-2] * 10)
            self._places.append(places)
            self._fits.append(self._last in places)
            lengths = 0
            for place in places:
                lengths |= self._lengths[place]
            self._can_end.append(lengths)
        return number

    def _left(self) -> list[int]:
        """By place: bit n is set where n digits may lead from it to the end, up to `_LONGEST`."""
        bound = (1 << (_LONGEST + 1)) - 1
        behind = [
            (place, self._free[place], {to for targets in signs.values() for to in targets})
            for place, signs in enumerate(self._by_sign)
        ]
        behind.reverse()
        left = [0] * len(self._free)
        left[self._last] = 1
        changed, passes = True, 0
        while changed:
            changed, passes = False, passes + 1
            for place, free, signs in behind:
                lengths = before = left[place]
                for to in free:
                    lengths |= left[to]
                for to in signs:
                    lengths |= left[to] << 1
                # A loop over any digit: as many as one likes.
                if place in signs and lengths:
                    lengths |= bound & -(lengths & -lengths)
                if lengths & bound != before:
                    # A loop over a prefix: more than may be is no harm, more passes are.
                    if passes > _PASSES:
                        lengths |= bound & -(lengths & -lengths)
                    left[place] = lengths & bound
                    changed = True
        return left

    def _closed(self, places: set[int]) -> frozenset[int]:
        open_places, closed = list(places), set(places)
        while open_places:
            for to in self._free[open_places.pop()]:
                if to not in closed:
                    closed.add(to)
                    open_places.append(to)
        return frozenset(closed)

    def _place(self) -> int:
        self._by_sign.append({})
        self._free.append([])
        return len(self._free) - 1

    def _sequence(self, items: Sequence[Any], first: int, last: int) -> None:
        at = first
        for op, av in items:
            to = self._place()
            self._item(op, av, at, to)
            at = to
        self._free[at].append(last)

    def _item(self, op: Any, av: Any, first: int, last: int) -> None:
        if op is c.LITERAL or op is c.IN:
            for char in _members(((op, av),) if op is c.LITERAL else tuple(av)):
                self._by_sign[first].setdefault(char, []).append(last)
        elif op is c.SUBPATTERN and not av[1] and not av[2]:
            self._sequence(av[3], first, last)
        elif op is c.BRANCH:
            for branch in av[1]:
                self._sequence(branch, first, last)
        elif op in _REPEATS:
            least, most, inner = av
            at = first
            for _ in range(least):
                to = self._place()
                self._sequence(inner, at, to)
                at = to
            if most is c.MAXREPEAT:
                again = self._place()
                self._free[at].append(again)
                self._sequence(inner, again, again)
                at = again
            else:
                for _ in range(most - least):
                    self._free[at].append(last)
                    to = self._place()
                    self._sequence(inner, at, to)
                    at = to
            self._free[at].append(last)
        else:
            raise UnknownSyntaxError(str(op))


@lru_cache(1_000)
def _members(items: tuple[Any, ...]) -> frozenset[str]:
    """The digits of a set."""
    chosen: set[str] = set()
    for op, av in items:
        if op is c.LITERAL:
            chosen.add(chr(av))
        elif op is c.RANGE:
            chosen.update(sign for sign in _SIGNS if av[0] <= ord(sign) <= av[1])
        elif op is c.CATEGORY and av is c.CATEGORY_DIGIT:
            chosen.update(_SIGNS)
        else:
            raise UnknownSyntaxError(str(op))
    return frozenset(chosen.intersection(_SIGNS))
