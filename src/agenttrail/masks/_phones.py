"""The phone numbers that phonenumbers finds in a text for several regions, in one pass.

Presidio's PhoneRecognizer runs phonenumbers' PhoneNumberMatcher once a region. Here the search for
candidates, which no region changes, is done once; a candidate that no region's numbering plan has
room for is dropped by one regular expression made from the plans; what is left is parsed and
verified by phonenumbers itself, and remembered. Findings are the matcher's, by construction where
possible and by differential tests elsewhere.

Source: phonenumbers 9.0.43, phonenumbermatcher.py and phonenumberutil.py, whose metadata and
private patterns are read here; another version needs the differential tests anew.

Limits: leniency VALID (1), Presidio's default. The matcher gives up after 65,535 tries, which takes
a text of more than 9,000 characters; there it is run itself, unless `is_exact` is off.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from agenttrail.masks._plans import Plan, Plans, UnknownSyntaxError

VERSION = "9.0.43"
# Each character begins at most two inner groups, each candidate adds seven tries: 9,000 cannot
# reach the matcher's bound.
_EXACT_CHARS = 9_000
_MEMO = 50_000
_TYPES = (
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "personal_number",
    "voip",
    "pager",
    "uan",
    "voicemail",
)
# Rules that rewrite a national prefix, and leave digits from the end of the number as they are.
_SUFFIX_RULES = {
    (r"(?:0|90)(?:(1[245]|2[1-35]|31|4[13]|[56]5|99)(\d{10,11}))?", r"\2"),
    (r"(000[2569]\d{4,6})$|(?:(?:003768)0?)|0", r"\1"),
}
# The shortest valid number with its country code: 4 national digits behind 2 (Austria, Germany).
_SHORTEST_WITH_CODE = 6
_PUNCTUATION = r"[-xX ()./~\[\]]"

Span = tuple[int, int]
# Stands for what is to be searched on, a region at a time.
_ON: tuple[Span, ...] = ((-1, -1),)
# A part of a candidate that may be a number, where it starts, and its digits; no digits where only
# parsing can tell.
_Group = tuple[str, int, str | None]


class Phones:
    """Finds the spans of phone numbers; sorted by region, then place, without repeats."""

    def __init__(self, regions: Sequence[str], *, is_exact: bool = True, bare: bool = True) -> None:
        """Reads the numbering plans.

        Args:
            regions: ISO 3166 codes; others are ignored, as the matcher does.
            is_exact: give up where the matcher gives up.
            bare: also numbers without a + and without anything between their digits.
        """
        import phonenumbers
        from phonenumbers import phonenumbermatcher, phonenumberutil

        # It keeps its lock where loading a region fails (the package replaced under a running
        # process, no memory), and the next search would wait for ever.
        setattr(phonenumbers.PhoneMetadata, "_metadata_lock", threading.RLock())  # noqa: B010
        self._regions = tuple(regions)
        self._is_exact = is_exact
        self._bare = bare
        self._matcher_module = phonenumbermatcher
        self._parse: Callable[..., Any] = phonenumberutil.parse
        self._refused = phonenumberutil.NumberParseException
        self._matcher = phonenumbermatcher.PhoneNumberMatcher("", "US")
        # What candidates are made of, one after another (phonenumbermatcher._PATTERN).
        lead = phonenumbermatcher._LEAD_CLASS_CHARS
        one = rf"[{phonenumberutil._VALID_PUNCTUATION}{lead}\d]"
        # An x is punctuation too: what is left of an extension that begins with one.
        left = r"(?<=[x\uff58~\uff5e])(?:[t\uff54]\w{0,9})?[:.\uff0e]?[ \u00a0\t,-]*(?=\d)"
        more = rf"(?:{phonenumberutil._EXTN_PATTERNS_FOR_MATCHING}|{left}){one}*"
        self._codes = {str(code) for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE}
        plans = {region: _plan(phonenumbers, region) for region in self._regions}
        known = {region: plan for region, plan in plans.items() if plan is not None}
        self._knowing = _knowing(known)
        # Of these regions nothing is known: whatever they are asked, parsing tells.
        self._unplanned = frozenset(plans.keys() - known.keys())
        self._prefixes = {region: _Prefix(phonenumbers, region) for region in known}
        self._least = min(
            [_SHORTEST_WITH_CODE, *(_least(phonenumbers, region) for region in self._regions)]
        )
        self._stretches = re.compile(
            rf"[{lead}\d](?:{one}{{{self._least - 1},}}(?:{more})*|{one}*(?:{more})+)",
            phonenumbermatcher._PATTERN.flags,
        ).finditer
        self._verified: dict[tuple[str, str | None], bool] = {}
        self._known: dict[tuple[str, bool, bool, bool], tuple[Span, ...]] = {}
        self._planned: dict[str, frozenset[str]] = {}

    def patterns(self) -> tuple[str, str]:
        """What hits every text with a number: for ASCII texts and for others; both relaxed."""
        more = self._least - 1
        if not self._bare:
            return tuple(  # type: ignore[return-value]
                rf"[+]{gap}{{0,4}}[0-9](?:{gap}{{0,4}}[0-9]){{{more},}}"
                rf"|(?:^|[^A-Za-z0-9%$])[xX]*[0-9]{{1,20}}{gap}{{1,4}}[0-9](?:{gap}{{0,4}}[0-9]){{{more - 6 if more > 6 else 1},}}(?:\b|[_xX])"
                for gap in (_PUNCTUATION, rf"(?:{_PUNCTUATION}|[\x80-\xff]+)")
            )
        # A hit ends inside its text: behind the last digit only what is no letter but x may stand.
        tail = r"(?:\b|[_xX])|[0-9][^0-9A-Za-z]*(?:[eE]?[xX][tT]|[iI][nN][tT]|[aA][nN][eE][xX][oO])"
        return tuple(  # type: ignore[return-value]
            rf"(?:^|[^A-Za-z0-9%$])[xX]*[0-9](?:{gap}{{0,4}}[0-9]){{{more},}}{tail}"
            for gap in (_PUNCTUATION, rf"(?:{_PUNCTUATION}|[\x80-\xff]+)")
        )

    def find(self, text: str, like: str | None = None) -> list[Span]:
        """Spans of numbers in a text, half-open; those that `like` has in the same place may be missing."""
        if self._is_exact and len(text) > _EXACT_CHARS:
            return self.find_slowly(text)
        found: dict[Span, None] = {}
        regions = list(self._regions)
        is_minute = self._matcher_module._TIME_STAMPS_SUFFIX.match
        for at, candidate in self._candidates(text, 0, like):
            end = at + len(candidate)
            if len(regions) == len(self._regions):
                # What becomes of a candidate is said by it and by what stands beside it.
                before, behind = text[at - 1 : at], text[end : end + 1]
                key = (
                    candidate,
                    bool(at) and self._forbids(before),
                    bool(behind) and self._forbids(behind),
                    behind == ":" and is_minute(text, end) is not None,
                )
                known = self._known.get(key)
                if known is None:
                    if len(self._known) > _MEMO:
                        self._known.clear()
                    known = self._known[key] = self._all_regions(text, candidate, at)
                if known is not _ON:
                    for start, stop in known:
                        found[at + start, at + stop] = None
                    continue
            groups = list(self._groups(text, candidate, at))
            for region in tuple(regions):
                number = self._first(groups, region)
                if number is None:
                    continue
                found[number] = None
                if number[1] != end:
                    # The next search starts inside this candidate: from here the region's own way.
                    self._go_on(text, number[1], region, found)
                    regions.remove(region)
            if not regions:
                break
        return list(found)

    def _all_regions(self, text: str, candidate: str, at: int) -> tuple[Span, ...]:
        """Numbers of any region in a candidate, from its start; `_ON` where one ends inside it."""
        groups = list(self._groups(text, candidate, at))
        found: dict[Span, None] = {}
        for region in self._regions if groups else ():
            number = self._first(groups, region)
            if number is None:
                continue
            if number[1] != at + len(candidate):
                return _ON
            found[number[0] - at, number[1] - at] = None
            if len(groups) == 1:
                break
        return tuple(found)

    def find_slowly(self, text: str) -> list[Span]:
        """The same by the matcher itself, a region at a time."""
        matcher = self._matcher_module.PhoneNumberMatcher
        return list(
            dict.fromkeys(
                (match.start, match.end)
                for region in self._regions
                for match in matcher(text, region, leniency=1)
            )
        )

    def _go_on(self, text: str, at: int, region: str, found: dict[Span, None]) -> None:
        while True:
            for start, candidate in self._candidates(text, at):
                end = at = start + len(candidate)
                number = self._first(list(self._groups(text, candidate, start)), region)
                if number is not None:
                    found[number] = None
                    if number[1] != end:
                        at = number[1]
                        break
            else:
                return

    def _candidates(self, text: str, at: int, like: str | None = None) -> Iterator[tuple[int, str]]:
        """Where each candidate starts, and the candidate (PhoneNumberMatcher._find).

        No candidate is of two stretches, and one with too few digits is none.
        """
        module = self._matcher_module
        search = module._PATTERN.search
        second = module._SECOND_NUMBER_START_PATTERN.search
        least = self._least
        for stretch in self._stretches(text, at):
            held = stretch.group()
            if not self._bare and held.isdecimal():
                continue
            if sum(map(str.isdecimal, held)) < least:
                continue
            first, last = stretch.span()
            if like is not None:
                around = slice(max(0, first - 1), last + 3)
                if text[around] == like[around]:
                    continue
            at = max(at, first)
            while at < last and (match := search(text, at)) is not None:
                start, candidate = match.start(), match.group()
                if start >= last:
                    break
                if not candidate.isdigit():
                    cut = second(candidate)
                    if cut:
                        candidate = candidate[: cut.start()]
                at = start + len(candidate)
                if candidate.isdigit() and (not self._bare or len(candidate) < least):
                    continue
                yield start, candidate

    def _groups(self, text: str, candidate: str, at: int) -> Iterator[_Group]:
        """PhoneNumberMatcher._extract_match and _extract_inner_match."""
        module = self._matcher_module
        if candidate.isdigit():
            if self._bare:
                group = self._group(text, candidate, at)
                if group:
                    yield group
            return
        if module._SLASH_SEPARATED_DATES.search(candidate):
            return
        if module._TIME_STAMPS.search(candidate) and module._TIME_STAMPS_SUFFIX.match(
            text, at + len(candidate)
        ):
            return
        group = self._group(text, candidate, at)
        if group:
            yield group
        trim = module._UNWANTED_END_CHAR_PATTERN.search
        for pattern in module._INNER_MATCHES:
            inner = pattern.search(candidate)
            if inner is None:
                continue
            before = candidate[: inner.start()]
            cut = trim(before)
            group = self._group(text, before[: cut.start()] if cut else before, at)
            if group:
                yield group
            while inner is not None:
                part = inner.group(1)
                cut = trim(part)
                group = self._group(text, part[: cut.start()] if cut else part, at + inner.start(1))
                if group:
                    yield group
                inner = pattern.search(candidate, inner.start() + 1)

    def _group(self, text: str, group: str, at: int) -> _Group | None:
        """What PhoneNumberMatcher._parse_and_verify asks before it parses, cheapest first."""
        if len(group) < self._least:
            return None
        if group.isdecimal() and group.isascii():
            if not self._bare:
                return None
            digits: str | None = group
        elif not _ONLY_PARSING_TELLS(group):
            digits = _NOT_DIGIT("", group)
            if len(digits) < self._least:
                return None
        else:
            if sum(map(str.isdigit, group)) < self._least and not _LETTER(group):
                return None
            digits = None
        module = self._matcher_module
        if at > 0 and group[0] not in module._LEAD_CLASS_CHARS and self._forbids(text[at - 1]):
            return None
        end = at + len(group)
        if end < len(text) and self._forbids(text[end]):
            return None
        if digits is not None and "+" not in group and not self._regions_of(digits):
            return None
        if not group.isalnum() and (
            not module._MATCHING_BRACKETS.fullmatch(group) or module._PUB_PAGES.search(group)
        ):
            return None
        return group, at, digits

    def _forbids(self, neighbour: str) -> bool:
        if neighbour < "\x80":
            return neighbour.isalpha() or neighbour in "%$"
        matcher = self._matcher
        return bool(
            matcher._is_invalid_punctuation_symbol(neighbour) or matcher._is_latin_letter(neighbour)
        )

    def _regions_of(self, digits: str) -> frozenset[str]:
        """The regions in which these digits, without a +, can be a number."""
        known = self._planned.get(digits)
        if known is None:
            if len(self._planned) > _MEMO:
                self._planned.clear()
            known = self._planned[digits] = self._knowing(digits) | self._unplanned
        return known

    def _first(self, groups: Sequence[_Group], region: str) -> Span | None:
        for group, at, digits in groups:
            if self._is_number(group, digits, region):
                return at, at + len(group)
        return None

    def _is_number(self, group: str, digits: str | None, region: str) -> bool:
        where: str | None = region
        if digits is not None:
            if group[0] == "+" and not self._codes.isdisjoint((digits[:1], digits[:2], digits[:3])):
                # The country is in the number: the same answer for every region.
                where = None
            elif "+" not in group:
                if region not in self._regions_of(digits):
                    return False
                prefix = self._prefixes.get(region)
                if prefix is not None and prefix.is_missing(digits):
                    return False
        key = digits if digits is not None and "+" not in group else group, where
        known = self._verified.get(key)
        if known is None:
            if len(self._verified) > _MEMO:
                self._verified.clear()
            try:
                number = self._parse(key[0], region, keep_raw_input=True)
                known = self._matcher_module._verify(1, number, group, self._matcher)
            except self._refused:
                known = False
            self._verified[key] = known
        return known


# Extensions, vanity letters and digits beyond ASCII: how they count is phonenumbers' business.
_ONLY_PARSING_TELLS = re.compile(r"[A-Za-z#;,~]|[^\x00-\x7f]").search
_LETTER = re.compile(r"[^\W\d_xX]").search
_NOT_DIGIT = re.compile(r"[^0-9]+").sub


class _Prefix:
    """Whether digits lack the trunk prefix that numbers of a region are written with.

    phonenumbermatcher._is_national_prefix_present_if_required, for digits that begin with no prefix
    at all, so that they are the national number.
    """

    def __init__(self, phonenumbers: Any, region: str) -> None:
        own = phonenumbers.PhoneMetadata.metadata_for_region(region)
        main = _metas(phonenumbers, region)[0]
        known = (
            meta_prefix
            for meta in (own, main)
            for meta_prefix in (meta.national_prefix_for_parsing, meta.international_prefix)
            if meta_prefix
        )
        self._begins = re.compile(f"(?:{own.country_code}|{'|'.join(known)})").match
        self._formats = [
            (
                re.compile(one.leading_digits_pattern[-1]).match
                if one.leading_digits_pattern
                else None,
                re.compile(one.pattern).fullmatch,
                bool(
                    one.national_prefix_formatting_rule
                    and not one.national_prefix_optional_when_formatting
                    and not _FIRST_GROUP_ONLY(one.national_prefix_formatting_rule)
                ),
            )
            for one in main.number_format
        ]

    def is_missing(self, digits: str) -> bool:
        if self._begins(digits):
            return False
        for leads, fits, is_required in self._formats:
            if (leads is None or leads(digits)) and fits(digits):
                return is_required
        return False


# phonenumberutil._FIRST_GROUP_ONLY_PREFIX_PATTERN
_FIRST_GROUP_ONLY = re.compile(r"\(?\\1\)?").fullmatch


def _metas(phonenumbers: Any, region: str) -> list[Any]:
    """The plans of all countries that share this one's code: a number valid in one is valid."""
    meta = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if meta is None:
        return []
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[meta.country_code]
    return [phonenumbers.PhoneMetadata.metadata_for_region(name) for name in regions]


def _types(meta: Any) -> list[Any]:
    described = (getattr(meta, name) for name in _TYPES)
    return [one for one in described if one is not None and one.national_number_pattern]


def _least(phonenumbers: Any, region: str) -> int:
    """Digits of the shortest number of this region, without country code."""
    lengths = [
        length
        for meta in _metas(phonenumbers, region)
        for one in _types(meta)
        for length in (one.possible_length or meta.general_desc.possible_length)
        if length > 0
    ]
    return min(lengths, default=_SHORTEST_WITH_CODE)


def _knowing(plans: dict[str, Plan]) -> Callable[[str], frozenset[str]]:
    """What says which plans know some digits; made when it is first asked, in 0.1 s."""
    made: list[Callable[[str], frozenset[str]]] = []

    def knowing(digits: str) -> frozenset[str]:
        if not made:
            made.append(_made(tuple(plans.items())))
        return made[0](digits)

    return knowing


@lru_cache(8)
def _made(plans: tuple[tuple[str, Plan], ...]) -> Callable[[str], frozenset[str]]:
    try:
        return Plans(dict(plans)).knowing
    except UnknownSyntaxError:
        fits = {region: re.compile(plan.pattern()).fullmatch for region, plan in plans}
        return lambda digits: frozenset(region for region in fits if fits[region](digits))


def _plan(phonenumbers: Any, region: str) -> Plan | None:
    """What digits must match to be valid when dialled in this region; None where all may.

    Prefixes (country code, trunk) in front in any number: phonenumbers strips "1 1" and "33 0 0".
    Behind an international prefix any digits may follow.
    """
    metas = _metas(phonenumbers, region)
    if not metas:
        return None
    own = phonenumbers.PhoneMetadata.metadata_for_region(region)
    numbers = {one.national_number_pattern for meta in metas for one in _types(meta)}
    prefixes = {str(own.country_code)}
    anything = False
    for meta in (own, metas[0]):
        prefix, rule = meta.national_prefix_for_parsing, meta.national_prefix_transform_rule
        if rule is not None:
            if (prefix, rule) not in _SUFFIX_RULES:
                return None
            anything = True
        elif prefix:
            prefixes.add(prefix)
    before = f"(?:{'|'.join(sorted(prefixes))})*"
    national = "|".join(sorted(numbers))
    here = f"{before}(?:{national})"
    whole = rf"(?:{own.international_prefix})\d*|{here}" if own.international_prefix else here
    return Plan(whole, national if anything else None)
