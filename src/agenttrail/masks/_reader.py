"""Asks the detector for many texts at once, reads each in several ways, and remembers the answers."""

from __future__ import annotations

import re
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal, Protocol

from agenttrail.masks._findings import Finding, settle_beside, without
from agenttrail.masks._markers import Markers
from agenttrail.masks._prefilter import Hits, Prefilter, Source
from agenttrail.masks._readings import TRIGGERS, Reading, readings
from agenttrail.masks._rules import RULES, rule_findings

# prose: recognisers and language model; plain: recognisers only; token: recognisers only, and a
# bare run of digits is no phone (ids of machines are such runs).
Mode = Literal["prose", "plain", "token"]
Answer = tuple[Finding, ...]


class Detector(Protocol):
    """Findings in texts, one answer a text, in order; may raise whatever its engine raises."""

    def prose(self, texts: Sequence[str], /) -> Iterator[Answer]: ...

    def patterns(self, texts: Sequence[str], /) -> Iterator[Answer]: ...


class Reader:
    """Sorted, disjoint findings for a text, markers never among them.

    `ask` answers from memory and notes what it does not know; `learn` has the detector read all
    that was noted. Memory is bounded by `cache_chars` of text.
    """

    def __init__(
        self,
        detector: Detector,
        markers: Markers,
        cache_chars: int,
        kept_kinds: frozenset[str] = frozenset(),
        *,
        as_is: bool = False,
    ) -> None:
        """Takes any detector.

        Args:
            detector: finds personal data in texts.
            markers: how replaced findings are told from text.
            cache_chars: characters of text that are remembered.
            kept_kinds: kinds that stay where they are found.
            as_is: nothing but what the detector finds in prose: no other readings, no rules, and
                nothing is noise.
        """
        self._as_is = as_is
        self._markers = markers
        self._kept_kinds = kept_kinds
        self._detector = detector
        self._known: OrderedDict[tuple[str, Mode], Answer] = OrderedDict()
        self._chars = 0
        self._cache_chars = cache_chars
        self._asked: dict[tuple[str, Mode], None] = {}
        self._rules = Prefilter([Source(p, 0) for p, _ in RULES] + [Source(p, 0) for p in TRIGGERS])
        # What was asked in vain, in order, until the caller clears it.
        self.missed: list[tuple[str, Mode]] = []
        # Texts that stay as they are under any key, and the characters that they count for.
        self.unchanged: dict[str, int] = {}
        self._unchanged_chars = 0

    def is_marker(self, text: str) -> bool:
        return self._markers.is_marker(text)

    def bare(self, text: str) -> str:
        """The text without its markers: by this a text is judged, so that masking changes nothing."""
        return self._markers.bare(text)

    def ask(self, text: str, mode: Mode) -> Answer | None:
        """The findings, or None where they are not known yet."""
        if self._as_is:
            mode = "prose"
        answer = self._known.get((text, mode))
        if answer is None:
            self.missed.append((text, mode))
            self._asked[text, mode] = None
        else:
            self._known.move_to_end((text, mode))
        return answer

    def stays(self, text: str, chars: int) -> None:
        """Notes that a text stays as it is under any key, and the characters it counts for."""
        if text not in self.unchanged:
            self._unchanged_chars += len(text) + 100
        self.unchanged[text] = chars

    def finds(self, asked: Iterable[tuple[str, Mode]]) -> bool:
        """Whether anything was found in any of these, which are known now."""
        return any(self._known.get(each) != () for each in asked)

    def learn(self) -> bool:
        """Reads what was asked in vain since the last call; False where there was nothing."""
        asked, self._asked = list(self._asked), {}
        if not asked:
            return False
        todo = self._readings([text for text, _ in asked])
        found: list[list[Finding]] = [[] for _ in asked]
        prose = [one for one in todo if one[1].prose and asked[one[0]][1] == "prose"]
        plain = [one for one in todo if not (one[1].prose and asked[one[0]][1] == "prose")]
        for group, detect in ((prose, self._detector.prose), (plain, self._detector.patterns)):
            answers = detect([reading.text for _, reading, _ in group])
            for (i, reading, rules), answer in zip(group, answers, strict=True):
                if not answer and rules == ():
                    continue
                for finding in (*answer, *rule_findings(reading.text, rules)):
                    if reading.spans is not None:
                        start, end = reading.place(finding.start, finding.end)
                        finding = replace(finding, start=start, end=end)
                    found[i].append(finding)
        for (text, mode), findings in zip(asked, found, strict=True):
            if not findings and "<" not in text:
                self._remember(text, mode, ())
                continue
            markers = self._markers.spans(text)
            forged = [Finding(*place, 1.0, "marker") for place in self._markers.forged(text)]
            useful = findings if self._as_is else [_useful(text, f, mode) for f in findings]
            kept = without((finding for finding in useful if finding), text, markers) + forged
            self._remember(text, mode, tuple(settle_beside(text, kept, self._kept_kinds)))
        return True

    def _readings(self, texts: Sequence[str]) -> list[tuple[int, Reading, Hits]]:
        """Every reading of every text, with the text's place and the rules that may find in it."""
        if self._as_is:
            return [(i, Reading(text, None, prose=True), ()) for i, text in enumerate(texts)]
        todo: list[tuple[int, Reading, Hits]] = []
        others: list[tuple[int, Reading]] = []
        for i, (text, hits) in enumerate(zip(texts, self._rules.hits(texts), strict=True)):
            known = hits if hits is None else tuple(n for n in hits if n < len(RULES))
            todo.append((i, Reading(text, None, prose=True), known))
            if known is None or len(known) != len(hits or ()) or not text.isascii():
                others += [(i, reading) for reading in readings(text)][1:]
        again = self._rules.hits([reading.text for _, reading in others])
        for (i, reading), hits in zip(others, again, strict=True):
            known = hits if hits is None else tuple(n for n in hits if n < len(RULES))
            todo.append((i, reading, known))
        return todo

    def forget_asked(self) -> None:
        """Drops what was noted, after a failure."""
        self._asked = {}

    def trim(self) -> None:
        """Brings memory back within its bound; called between batches."""
        if self._unchanged_chars > self._cache_chars:
            self.unchanged.clear()
            self._unchanged_chars = 0
        while self._chars > self._cache_chars:
            (text, _), _ = self._known.popitem(last=False)
            self._chars -= len(text) + 100

    def _remember(self, text: str, mode: Mode, answer: Answer) -> None:
        if (text, mode) not in self._known:
            self._chars += len(text) + 100
        self._known[text, mode] = answer


# Seconds, milliseconds, microseconds and nanoseconds from 2001 to 2033 as they stand in logs.
_EPOCH = re.compile(r"1\d{9}(?:\d{3}){0,3}")
# claude-sonnet-4-5-20250929: a version and a day behind a name.
_DATED = re.compile(r"[\d.-]{0,8}20\d\d-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])")
_UUID_BEFORE = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}-(?:[0-9a-f]{4}-){0,3}\Z", re.IGNORECASE)
_DECIMAL = re.compile(r"[\[(]?\d{1,3}\.\d{3,}[\])]?")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?")
_NAME_WORD = re.compile(r"(?<!\w)[^\W\d_]{2,}(?!\w)")
_NAMES = frozenset({"PERSON", "LOCATION", "NRP", "ORGANIZATION"})


def is_noise(text: str, finding: Finding, mode: Mode) -> bool:
    """True for a finding that is passed over, though its kind and score would count."""
    return _useful(text, finding, mode) is None


def _useful(text: str, finding: Finding, mode: Mode) -> Finding | None:
    """The finding, or None where it is noise; a name without the punctuation around it.

    Noise is a name without a word in it (`0.9s`, `short_id`), the address `::`, and a phone that is
    far more often something else: never where a word beside it says phone, which raises its score
    above 0.4.
    """
    found = text[finding.start : finding.end]
    if finding.entity in _NAMES:
        if found.isascii() and not _NAME_WORD.search(found):
            return None
        first = next((i for i, char in enumerate(found) if char.isalnum()), None)
        if first is None:
            return None
        last = next(i for i, char in enumerate(reversed(found)) if _ends_word(char))
        return replace(finding, start=finding.start + first, end=finding.end - last)
    if finding.entity == "IP_ADDRESS" and not found.strip(":"):
        return None
    if finding.entity in _BY_CHANCE and finding.score <= _BARE and found.isdecimal():
        return None if _is_count(text, finding) else finding
    if finding.entity == "CREDIT_CARD" and found.isdecimal() and len(found) == 13:
        # ISO/IEC 7812: of the networks only the oldest Visa cards have 13 digits.
        return finding if found.startswith("4") else None
    if (
        finding.entity == "PHONE_NUMBER"
        and finding.score <= 0.4
        and _is_machine_number(text, finding, found, mode)
    ):
        return None
    return finding


# Score of a number without groups between its digits, of which one in eleven has a valid check digit.
_BARE = 0.5
_BY_CHANCE = {
    # Kind, the script that it is at home in, others' scripts.
    "TH_TNIN": (re.compile("[\u0e01-\u0e4e]"), re.compile("[\u3041-\u30fa]")),
    "JP_MY_NUMBER": (
        re.compile("(?i)[\u3041-\u30fa\u4e00-\u9fff]|my ?number"),
        re.compile("[\u0e01-\u0e4e\u0e81-\u0ecd]"),
    ),
}
# What numbers of 12 and 13 digits are far more often where such a word stands before them.
_COUNTED = re.compile(
    r"(?i)(?:order|invoice|receipt|since|until|epoch|timestamp|time|ticket|tracking|sku|transaction|txn"
    r"|batch|build|sequence|offset|คำสั่งซื้อ|ออเดอร์|ใบแจ้งหนี้|注文(?:番号)?|伝票(?:番号)?)(?:[ _]?(?:id|no|number))?[\s\"'.:=#(]{1,4}\Z"
)


def _is_count(text: str, finding: Finding) -> bool:
    """True where the words before a number, or the script around it, say that it is no person's."""
    if _COUNTED.search(text, max(0, finding.start - 30), finding.start):
        return True
    home, others = _BY_CHANCE[finding.entity]
    return others.search(text) is not None and home.search(text) is None


def _ends_word(char: str) -> bool:
    """True for letters, digits and the marks that Thai and Lao put on them, ี as in ใจดี."""
    return char.isalnum() or unicodedata.category(char) in ("Mn", "Mc")


def _is_machine_number(text: str, finding: Finding, found: str, mode: Mode) -> bool:
    """True for part of a timestamp, the end of a model's name, an epoch, and a short run of digits.

    In a token any bare run of digits is one, unless it begins with a trunk 0.
    """
    if _DECIMAL.fullmatch(found):
        return True
    before = text[max(0, finding.start - 30) : finding.start]
    if _UUID_BEFORE.search(before) and text[finding.end : finding.end + 1] == "-":
        return True
    if _DATED.fullmatch(found):
        return re.search(r"[A-Za-z0-9][-@_:]$", before) is not None
    near = text[max(0, finding.start - 30) : finding.end + 10]
    offset = finding.start - max(0, finding.start - 30)
    for stamp in _TIMESTAMP.finditer(near):
        if stamp.start() <= offset and offset + len(found) <= stamp.end():
            return True
    if not found.isdecimal() or before.endswith(("+", "%2B", "%2b")):
        return False
    return (
        _EPOCH.fullmatch(found) is not None
        or len(found) < 8
        # A national number has at most 12 digits with its 0; behind 00 stands an international one.
        or (len(found) > 12 and not found.startswith("00"))
        or (mode == "token" and found[0] != "0")
    )
