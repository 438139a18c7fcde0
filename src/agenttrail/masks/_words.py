r"""Presidio's patterns of e-mail addresses and URLs, run on those words of a text that can match.

No match of these patterns holds a space, and none looks beyond itself but for `\b`, so each word is
searched alone, and only where it holds an `@`, a `.` or a `://`. In ASCII words `re` does it, which
begins a search 50 times as fast as `regex`, with the list of top-level domains as a tree. Of the
list the first that fits wins, so the tree for patterns that may end behind the domain holds no
domain of which another one earlier in the list is the beginning: of the others the longest wins.

Source: presidio-analyzer 2.2.366, generic/email_recognizer.py and generic/url_recognizer.py; any
other pattern is unknown here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from agenttrail.masks._near import Near

_EMAIL = r"\b((([!#$%&'*+\-/=?^_`{|}~\w])|([!#$%&'*+\-/=?^_`{|}~\w][!#$%&'*+\-/=?^_`{|}~\.\w]{0,}[!#$%&'*+\-/=?^_`{|}~\w]))[@]\w+(?:-+\w+)*(?:\.\w+(?:-+\w+)*)+)\b"
# UrlRecognizer's, but for their lists of domains.
_URL = re.compile(
    r"""\(\?i\)(?P<quoted>\["\\'\])?\(+(?:\?:)?(?P<scheme>https\?://\)?)?\(*www\\d\{0,3\}\[\.\]\)\?"""
    r"""\[a-z0-9\.\\-\]\{1,253\}\[\.\](?P<domains>\(\?:(?:\(\?:[a-z]+\)\|?)+\))\(\?:/\[\^\\s\(\)<>\\"'\]\*\)\?\)+(?:\["\\'\])?"""
)
# Characters that are no word's and stand in no address, to `regex` as to everybody.
_SPACES = (" ", "\n", "\t")
# Spaces to `re` and none to `regex`.
_SEPARATORS = re.compile("[\x1c-\x1f]").search
# `re` cannot be stopped, so it gets no word in which it could run long.
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Words:
    """How a known pattern is run: what stands in each match, and the pattern for `re`."""

    needle: str
    same: re.Pattern[str]
    timeout_s: int

    @classmethod
    def of(cls, pattern: str, flags: int, timeout_s: int) -> Words | None:
        """None for a pattern that is not known."""
        if pattern == _EMAIL:
            return cls("@", re.compile(pattern, flags), timeout_s)
        url = _URL.fullmatch(pattern)
        if url is None or not flags & re.IGNORECASE:
            return None
        domains = re.findall("[a-z]+", url.group("domains"))
        tree = _tree(domains if url.group("quoted") else _alive(domains))
        start, end = url.span("domains")
        same = re.compile(f"{pattern[:start]}(?:{tree}){pattern[end:]}", flags)
        return cls("://" if url.group("scheme") else ".", same, timeout_s)

    def matches(self, pattern: Near, text: str, like: str | None = None) -> Iterator[Any]:
        """Matches of the pattern in a text, in order; those of words that `like` has may be missing."""
        is_simple = text.isascii() and not _SEPARATORS(text)
        done = 0
        while (at := text.find(self.needle, done)) >= 0:
            start = max(text.rfind(space, done, at) for space in _SPACES) + 1 or done
            ends = [found for space in _SPACES if (found := text.find(space, at)) >= 0]
            end = min(ends, default=len(text))
            around = slice(max(0, start - 1), end + 1)
            if like is not None and text[around] == like[around]:
                pass
            elif is_simple and end - start <= _LONGEST:
                yield from self.same.finditer(text, start, end)
            else:
                yield from pattern.pattern.finditer(text, start, end, timeout=self.timeout_s)
            done = end


def _alive(words: Iterable[str]) -> list[str]:
    """The words that can win: those of which no earlier word is the beginning."""
    place: dict[str, int] = {}
    for word in words:
        place.setdefault(word, len(place))
    return [
        word
        for word, at in place.items()
        if not any(place.get(word[:size], at) < at for size in range(1, len(word)))
    ]


def _tree(words: Iterable[str]) -> str:
    """A pattern that matches the longest of the words."""
    by_first: dict[str, set[str]] = {}
    ends = False
    for word in words:
        if word:
            by_first.setdefault(word[0], set()).add(word[1:])
        else:
            ends = True
    if not by_first:
        return ""
    inside = "|".join(first + _tree(rest) for first, rest in sorted(by_first.items()))
    return f"(?:{inside})?" if ends else f"(?:{inside})"
