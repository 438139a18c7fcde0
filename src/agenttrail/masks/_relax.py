r"""A recogniser's regular expression made into one that a DFA engine takes, and that hits no less.

Hyperscan and RE2 know no lookaround, no backreference and no Unicode `\b`. The relaxed pattern
drops what they lack, or keeps of it what they can say, so that wherever the original matches in a text, the relaxed one matches in
the bytes of that text: a hit is a hint, no hit is a proof. The proof rests on two kinds of text:

- ASCII: `\b`, `\d`, `\w`, `\s` mean the same in both, so `\b` is kept;
- others, read as UTF-8 bytes: `\b` is dropped, and where one of many characters beyond ASCII may
  stand, or one with a case, any run of bytes from 0x80 may. This holds for texts in which `is_plain` finds neither a digit beyond
  ASCII nor one of the four characters that IGNORECASE equates with an ASCII letter.

Source of the syntax tree: CPython's own parser (`re._parser`, 3.11 to 3.13). Patterns are those of
`regex` 2026.11.15, version 0, or of `re`; syntax of `regex` that `re` does not know is refused.
"""

from __future__ import annotations

import re
import re._constants as c  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

# A longer bounded repeat becomes an open one: hyperscan says "Pattern is too large" of {1,253}.
_LONGEST_REPEAT = 20
_SCOPED_FLAGS = int(re.IGNORECASE | re.DOTALL | re.MULTILINE)
_KNOWN_FLAGS = re.IGNORECASE | re.MULTILINE | re.DOTALL | re.UNICODE
# Longer ranges beyond ASCII are not searched for letters with a case.
_LONGEST_RANGE = 70_000
# POSIX classes and fuzzy matching of `regex`, which `re` reads as something else.
_OTHER_SYNTAX = re.compile(r"\[:\^?\w+:\]|\{[^{}]*[eids][^{}]*\}")
# U+0130, U+0131, U+017F, U+212A: `i`, `s` and `k` to IGNORECASE.
_FOLDING = frozenset("\u0130\u0131\u017f\u212a")
_FOLDED = frozenset(map(ord, "iIkKsS"))
_HIGH = r"[\x80-\xff]"
_ASCII = range(128)
_ZERO_WIDTH = frozenset({c.ASSERT, c.ASSERT_NOT, c.AT})
_WORD = frozenset(code for code in _ASCII if chr(code).isalnum() or chr(code) == "_")
_RAW = object()
_REPEATS = frozenset({c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT})
_CATEGORIES: dict[Any, Callable[[str], bool]] = {
    c.CATEGORY_DIGIT: str.isdigit,
    c.CATEGORY_NOT_DIGIT: lambda char: not char.isdigit(),
    c.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
    c.CATEGORY_NOT_WORD: lambda char: not (char.isalnum() or char == "_"),
    # \x1c to \x1f are spaces to `re` and to str.isspace, and not to `regex`: either way is kept.
    c.CATEGORY_SPACE: str.isspace,
    c.CATEGORY_NOT_SPACE: lambda char: not char.isspace() or "\x1c" <= char <= "\x1f",
}

# A set or one character, behind which a repeat needs no brackets.
_ONE = re.compile(r"\[[^\[\]]*\]|\\x..|\w", re.DOTALL)
_SHORT = {"{0,1}": "?", "{0,}": "*", "{1,}": "+", "{1}": ""}

_Item = tuple[Any, Any]


class NotRelaxableError(ValueError):
    """The pattern says something that no pattern of a DFA engine is known to cover."""


def relax(pattern: str, flags: int, *, ascii_only: bool) -> str:
    """The relaxed pattern, as text of ASCII characters, to be matched against bytes with DOTALL.

    Args:
        pattern: for `regex` (version 0) or `re`.
        flags: of the module that compiles it; the values of I, M, S and U are the same in both.
        ascii_only: True for ASCII texts, False for the others.

    Raises:
        NotRelaxableError: the pattern must be tried on every text.
    """
    if flags & ~int(_KNOWN_FLAGS) or _OTHER_SYNTAX.search(pattern):
        raise NotRelaxableError(pattern)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tree = parser.parse(pattern, flags)
    except (re.error, OverflowError, Warning) as error:
        raise NotRelaxableError(pattern) from error
    if tree.state.flags & ~int(_KNOWN_FLAGS):
        raise NotRelaxableError(pattern)
    ignore_case = bool(tree.state.flags & re.IGNORECASE)
    relaxed = _Relaxer(tree, ascii_only=ascii_only, ignore_case=ignore_case).text()
    if not relaxed:
        raise NotRelaxableError(pattern)
    return relaxed


class _Relaxer:
    def __init__(self, tree: Iterable[_Item], *, ascii_only: bool, ignore_case: bool) -> None:
        self._ascii = ascii_only
        self._ignore_case = ignore_case
        self._items = list(tree)
        self._groups: dict[int, Sequence[_Item]] = {}
        self._has_scopes = False
        self._find_groups(self._items)

    def text(self) -> str:
        text = self._sequence(self._trim(self._trim(self._items, 0), -1), edges=self._ascii)
        return f"(?i){text}" if self._ignore_case and not self._has_scopes and text else text

    def _find_groups(self, items: Iterable[_Item]) -> None:
        for op, av in items:
            if op is c.SUBPATTERN:
                group, added, removed, inner = av
                if (added | removed) & ~_SCOPED_FLAGS:
                    raise NotRelaxableError("flags inside the pattern")
                self._has_scopes = self._has_scopes or bool((added | removed) & re.IGNORECASE)
                if group is not None:
                    self._groups[group] = inner
                self._find_groups(inner)
            elif op is c.BRANCH:
                for branch in av[1]:
                    self._find_groups(branch)
            elif op in _REPEATS:
                self._find_groups(av[2])
            elif op is c.ATOMIC_GROUP:
                self._find_groups(av)

    def _trim(self, items: Sequence[_Item], end: int) -> list[_Item]:
        """The items without what at this end (0 or -1) may be empty: what is left still hits.

        A look around the end is kept where it can be: what it demands becomes part of the pattern,
        what it forbids of one character, in ASCII texts, a word boundary or another word character.
        """
        rest = list(items)
        looks: list[_Item] = []
        while rest and rest[end][0] in _ZERO_WIDTH:
            looks.append(rest.pop(end))
        outwards = -1 if end == 0 else 1
        for op, av in looks:
            if op is c.ASSERT and av[0] == outwards:
                demanded = self._trim(av[1], end)
                if demanded:
                    group = [(c.SUBPATTERN, (None, 0, 0, demanded))]
                    return [*group, *rest] if end == 0 else [*rest, *group]
        if self._ascii and rest and self._is_word(rest[end], end):
            for op, av in looks:
                if op is c.ASSERT_NOT and av[0] == outwards:
                    allowed = _WORD - self._forbidden(av[1])
                    if len(allowed) < len(_WORD):
                        edge = f"(?:\\b|[{_ranges(sorted(allowed))}])" if allowed else "\\b"
                        return [(_RAW, edge), *rest] if end == 0 else [*rest, (_RAW, edge)]
        if any(not self._is_dropped(op, av) for op, av in looks):
            boundary = [(c.AT, c.AT_BOUNDARY)]
            return [*boundary, *rest] if end == 0 else [*rest, *boundary]
        return self._shorten(rest, end)

    def _is_word(self, item: _Item, end: int) -> bool:
        """True where every character that the item can begin (0) or end (-1) with is of a word."""
        op, av = item
        if op is c.LITERAL:
            return av in _WORD
        if op is c.IN:
            return self._members(av) <= _WORD
        if op in _REPEATS:
            return av[0] > 0 and len(av[2]) > 0 and self._is_word(av[2][end], end)
        if op is c.SUBPATTERN:
            return not av[1] and not av[2] and len(av[3]) > 0 and self._is_word(av[3][end], end)
        if op is c.BRANCH:
            return all(branch and self._is_word(branch[end], end) for branch in av[1])
        return False

    def _forbidden(self, items: Sequence[_Item]) -> set[int]:
        """Characters each of which alone is what a negative look around forbids."""
        if len(items) != 1:
            return set()
        op, av = items[0]
        if op is c.BRANCH:
            return set().union(*(self._forbidden(branch) for branch in av[1]))
        if op is c.SUBPATTERN and not av[1] and not av[2]:
            return self._forbidden(av[3])
        if op is c.LITERAL and av < 128:
            return self._members([(op, av)])
        return self._members(av) if op is c.IN else set()

    def _shorten(self, items: Sequence[_Item], end: int) -> list[_Item]:
        left = list(items)
        while left:
            op, av = left[end]
            if op in _ZERO_WIDTH:
                return self._trim(left, end)
            if op in _REPEATS:
                least, _, inner = av
                if least == 0:
                    left.pop(end)
                    continue
                left[end] = (c.MAX_REPEAT, (least, least, inner))
                if least == 1:
                    left[end] = (c.SUBPATTERN, (None, 0, 0, inner))
                    continue
            elif op in (c.SUBPATTERN, c.ATOMIC_GROUP):
                added, removed = av[1:3] if op is c.SUBPATTERN else (0, 0)
                inner = self._trim(av[3] if op is c.SUBPATTERN else av, end)
                left[end] = (c.SUBPATTERN, (None, added, removed, inner))
                if not inner:
                    left.pop(end)
                    continue
            elif op is c.BRANCH:
                branches = [self._trim(branch, end) for branch in av[1]]
                if not all(branches):
                    left.pop(end)
                    continue
                left[end] = (c.BRANCH, (None, branches))
            break
        return left

    def _is_dropped(self, op: Any, av: Any) -> bool:
        return op in _ZERO_WIDTH and not (self._ascii and op is c.AT and av is c.AT_BOUNDARY)

    def _sequence(self, items: Iterable[_Item], *, edges: bool) -> str:
        return "".join(self._item(op, av, edges=edges) for op, av in items)

    def _item(self, op: Any, av: Any, *, edges: bool) -> str:
        if op is c.LITERAL:
            # Engines bound the length of a pattern: a character is written as short as it can be.
            if av > 127 or (self._ignore_case and self._has_scopes):
                return self._set([(op, av)])
            return _char(ord(chr(av).lower()) if self._ignore_case else av)
        if op is c.NOT_LITERAL:
            return self._set([(c.NEGATE, None), (c.LITERAL, av)])
        if op is c.ANY:
            return self._set([(c.RANGE, (0, 0x10FFFF))])
        if op is c.IN:
            return self._set(av)
        if op is c.BRANCH:
            return f"(?:{'|'.join(self._sequence(b, edges=edges) for b in av[1])})"
        if op is _RAW:
            return str(av)
        if op is c.ATOMIC_GROUP:
            return f"(?:{self._sequence(av, edges=edges)})"
        if op is c.SUBPATTERN:
            outer = self._ignore_case
            self._ignore_case = bool((outer or av[1] & re.IGNORECASE) and not av[2] & re.IGNORECASE)
            inside = self._sequence(av[3], edges=edges)
            self._ignore_case = outer
            return f"(?:{inside})"
        if op is c.GROUPREF:
            if self._has_scopes:
                raise NotRelaxableError("a backreference among flags")
            # The same characters again, but not at the same kind of place: no \b in here.
            return f"(?:{self._sequence(self._groups[av], edges=False)})"
        if op in _REPEATS:
            least, most, inner = av
            bound = "" if most is c.MAXREPEAT or most > _LONGEST_REPEAT else str(most)
            least = min(least, _LONGEST_REPEAT)
            times = f"{{{least}}}" if bound == str(least) else f"{{{least},{bound}}}"
            body = self._sequence(inner, edges=edges)
            return f"{body if _ONE.fullmatch(body) else f'(?:{body})'}{_SHORT.get(times, times)}"
        if op in _ZERO_WIDTH:
            return "\\b" if edges and not self._is_dropped(op, av) else ""
        raise NotRelaxableError(f"{op} is unknown")

    def _set(self, members: Sequence[_Item]) -> str:
        chosen = self._members(members)
        ascii_set = f"[{_ranges(sorted(chosen))}]" if chosen else ""
        if self._ascii:
            return ascii_set or _HIGH
        high: dict[str, None] = {}
        for op, av in members:
            if op is c.NEGATE or (op is c.CATEGORY and av is not c.CATEGORY_DIGIT):
                # Digits beyond ASCII are in no text that is scanned.
                high[f"{_HIGH}+"] = None
            elif op in (c.LITERAL, c.RANGE):
                first, last = (av, av) if op is c.LITERAL else av
                if last > 127:
                    high.update(dict.fromkeys(self._beyond(max(first, 128), last)))
        if f"{_HIGH}+" in high:
            high = {f"{_HIGH}+": None}
        choices = [ascii_set, *high] if ascii_set else list(high)
        return choices[0] if len(choices) == 1 else f"(?:{'|'.join(choices)})" if choices else _HIGH

    def _beyond(self, first: int, last: int) -> list[str]:
        """What stands for the characters from `first` to `last`, both beyond ASCII, in UTF-8."""
        if self._ignore_case and (
            last - first > _LONGEST_RANGE or any(map(_is_cased, range(first, last + 1)))
        ):
            return [f"{_HIGH}+"]
        found: list[str] = []
        for low, high in ((0x80, 0x7FF), (0x800, 0xFFFF), (0x10000, 0x10FFFF)):
            if first <= high and last >= low:
                one = chr(max(first, low)).encode("utf-8", "surrogatepass")
                other = chr(min(last, high)).encode("utf-8", "surrogatepass")
                same = 0
                while same < len(one) and one[same] == other[same]:
                    same += 1
                text = "".join(rf"\x{octet:02x}" for octet in one[:same])
                if same < len(one):
                    text += rf"[\x{one[same]:02x}-\x{other[same]:02x}]"
                    text += r"[\x80-\xbf]" * (len(one) - same - 1)
                found.append(text)
        return found

    def _members(self, members: Sequence[_Item]) -> set[int]:
        """The ASCII characters of a set, and perhaps separators (U+001C to U+001F)."""
        negated, chosen = False, set[int]()
        for op, av in members:
            if op is c.NEGATE:
                negated = True
            elif op in (c.LITERAL, c.RANGE):
                first, last = (av, av) if op is c.LITERAL else av
                chosen.update(range(first, min(last, 127) + 1))
                if last > 127 and any(first <= ord(x) <= last for x in _FOLDING):
                    if negated and self._ignore_case:
                        raise NotRelaxableError("a negated set beyond ASCII")
                    if self._ignore_case:
                        chosen.update(_FOLDED)
            elif op is c.CATEGORY:
                is_member = _CATEGORIES[av]
                chosen.update(code for code in _ASCII if is_member(chr(code)))
            else:
                raise NotRelaxableError(f"{op} is unknown")
        if self._ignore_case:
            chosen.update({ord(chr(code).swapcase()) for code in chosen if chr(code).isalpha()})
        if not negated:
            return chosen
        if any(op is c.CATEGORY for op, _ in members):
            chosen.difference_update(range(0x1C, 0x20))
        return set(_ASCII) - chosen


def _is_cased(code: int) -> bool:
    char = chr(code)
    return char.lower() != char or char.upper() != char or char.casefold() != char


def _ranges(codes: Sequence[int]) -> str:
    spans: list[list[int]] = []
    for code in codes:
        if spans and spans[-1][1] == code - 1:
            spans[-1][1] = code
        else:
            spans.append([code, code])
    return "".join(
        _char(first) if first == last else f"{_char(first)}-{_char(last)}" for first, last in spans
    )


def _char(code: int) -> str:
    char = chr(code)
    return char if char.isalnum() else rf"\x{code:02x}"
