"""Asks the detector for many texts at once, reads each in several ways, and remembers the answers."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, Protocol

from agenttrail.masks._findings import Finding, settle, without
from agenttrail.masks._readings import Reading, readings
from agenttrail.masks._rules import rule_findings

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

    def __init__(self, detector: Detector, kinds: Iterable[str], cache_chars: int) -> None:
        names = sorted(kinds, key=lambda kind: (-len(kind), kind))
        self._marker = re.compile(f"<(?:{'|'.join(map(re.escape, names))})>")
        self._detector = detector
        self._known: OrderedDict[tuple[str, Mode], Answer] = OrderedDict()
        self._chars = 0
        self._cache_chars = cache_chars
        self._asked: dict[tuple[str, Mode], None] = {}

    def is_marker(self, text: str) -> bool:
        return self._marker.fullmatch(text) is not None

    def size(self, text: str) -> int:
        """Characters without markers, so that a text never grows by being masked."""
        return len(self._marker.sub("", text) if "<" in text else text)

    def ask(self, text: str, mode: Mode) -> Answer | None:
        """The findings, or None where they are not known yet."""
        answer = self._known.get((text, mode))
        if answer is None:
            self._asked[text, mode] = None
        else:
            self._known.move_to_end((text, mode))
        return answer

    def learn(self) -> bool:
        """Reads what was asked in vain since the last call; False where there was nothing."""
        asked, self._asked = list(self._asked), {}
        if not asked:
            return False
        todo: list[tuple[int, Reading]] = [
            (i, reading) for i, (text, _) in enumerate(asked) for reading in readings(text)
        ]
        found: list[list[Finding]] = [[] for _ in asked]
        prose = [(i, r) for i, r in todo if r.prose and asked[i][1] == "prose"]
        plain = [(i, r) for i, r in todo if not (r.prose and asked[i][1] == "prose")]
        for group, detect in ((prose, self._detector.prose), (plain, self._detector.patterns)):
            for (i, reading), answer in zip(group, detect([r.text for _, r in group]), strict=True):
                for finding in (*answer, *rule_findings(reading.text)):
                    start, end = reading.place(finding.start, finding.end)
                    found[i].append(
                        Finding(start, end, finding.entity, finding.score, finding.recogniser)
                    )
        for (text, mode), findings in zip(asked, found, strict=True):
            markers = [match.span() for match in self._marker.finditer(text)]
            kept = (f for f in findings if not _is_machine_number(text, f, mode))
            self._remember(text, mode, tuple(settle(text, without(kept, text, markers))))
        return True

    def forget_asked(self) -> None:
        """Drops what was noted, after a failure."""
        self._asked = {}

    def trim(self) -> None:
        """Brings memory back within its bound; called between batches."""
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


def _is_machine_number(text: str, finding: Finding, mode: Mode) -> bool:
    """True for a phone that is far more often something else.

    Never where a word beside it says phone, which raises its score above 0.4. An epoch is no phone anywhere, nor the version and day at the end of a model's name. In a token
    a bare run of digits is a phone only where it begins with a trunk 0.
    """
    if finding.entity != "PHONE_NUMBER" or finding.score > 0.4:
        return False
    number, before = text[finding.start : finding.end], text[: finding.start]
    if _DATED.fullmatch(number):
        return re.search(r"[A-Za-z0-9][-@_:]$", before) is not None
    if not number.isdecimal() or before.endswith(("+", "%2B", "%2b")):
        return False
    return _EPOCH.fullmatch(number) is not None or (mode == "token" and number[0] != "0")
