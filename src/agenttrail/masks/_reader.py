"""Asks the detector for many texts at once, reads each in several ways, and remembers the answers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, Protocol

from agenttrail.masks._findings import Finding, settle_beside, without
from agenttrail.masks._markers import Markers
from agenttrail.masks._noise import NAMES, useful
from agenttrail.masks._prefilter import NOTHING, Hits, Prefilter, Source
from agenttrail.masks._readings import TRIGGERS, Reading, readings
from agenttrail.masks._rules import RULES, rule_findings
from agenttrail.masks._unchanged import Unchanged

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
        trusted: frozenset[str] = frozenset(),
        excluded: frozenset[str] = frozenset(),
    ) -> None:
        """Takes any detector.

        Args:
            detector: finds personal data in texts.
            markers: how replaced findings are told from text.
            cache_chars: characters of text that are remembered.
            kept_kinds: kinds that stay where they are found.
            as_is: nothing but what the detector finds in prose: no other readings, no rules, and
                nothing is noise.
            trusted: recognisers of which nothing is noise.
            excluded: kinds that are passed over, whoever finds them.
        """
        self._trusted = trusted
        self._excluded = excluded
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
        self.unchanged = Unchanged(cache_chars)

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
        # What of two readings it can search in the one, having searched the other.
        beside: Callable[[Sequence[str], Sequence[str | None]], Iterator[Answer]] | None = getattr(
            self._detector, "patterns_beside", None
        )
        prose = [one for one in todo if one[1].prose and asked[one[0]][1] == "prose"]
        plain = [one for one in todo if not (one[1].prose and asked[one[0]][1] == "prose")]
        for group, is_prose in ((prose, True), (plain, False)):
            texts = [reading.text for _, reading, _ in group]
            # A reading that has every character in its place differs from the text here and there.
            likes = [None if self._as_is or r.spans or r.text is asked[i][0] else asked[i][0] for i, r, _ in group]  # fmt: skip
            if is_prose:
                answers = self._detector.prose(texts)
            elif beside is not None:
                answers = beside(texts, likes)
            else:
                answers = self._detector.patterns(texts)
            for (i, reading, rules), like, answer in zip(group, likes, answers, strict=True):
                if not answer and not rules and rules is not None:
                    continue
                for finding in (*answer, *rule_findings(reading.text, rules, like)):
                    found[i] += self._judged(asked[i], reading, finding)
        for (text, mode), findings in zip(asked, found, strict=True):
            if not findings and "<" not in text:
                self._remember(text, mode, ())
                continue
            markers = self._markers.spans(text)
            forged = [Finding(*place, 1.0, "marker") for place in self._markers.forged(text)]
            kept = without(findings, text, markers) + forged
            self._remember(text, mode, tuple(settle_beside(text, kept, self._kept_kinds)))
        return True

    def _judged(
        self, asked: tuple[str, Mode], reading: Reading, finding: Finding
    ) -> Sequence[Finding]:
        """What of a finding in a reading counts, at its place in the text.

        A name is judged by what was read, since %20 is no part of it; a number by what is written
        around it, since the script of the text says something of it.
        """
        text, mode = asked
        if finding.entity in self._excluded:
            return ()
        if self._as_is:
            return (finding,)
        if finding.recogniser in self._trusted:
            return (_placed(finding, reading),)
        if finding.entity in NAMES:
            parts = useful(reading.text, finding, is_token=mode == "token")
            return [_placed(part, reading) for part in parts]
        read = None if reading.spans is None else reading.text[finding.start : finding.end]
        return useful(text, _placed(finding, reading), is_token=mode == "token", read=read)

    def _readings(self, texts: Sequence[str]) -> list[tuple[int, Reading, Hits]]:
        """Every reading of every text, with the text's place and the rules that may find in it."""
        if self._as_is:
            return [(i, Reading(text, None, prose=True), NOTHING) for i, text in enumerate(texts)]
        todo: list[tuple[int, Reading, Hits]] = []
        others: list[tuple[int, Reading]] = []
        for i, (text, hits) in enumerate(zip(texts, self._rules.hits(texts), strict=True)):
            known = _rules_of(hits)
            todo.append((i, Reading(text, None, prose=True), known))
            if known is None or len(known) != len(hits or ()) or not text.isascii():
                others += [(i, reading) for reading in readings(text)][1:]
        again = self._rules.hits([reading.text for _, reading in others])
        for (i, reading), hits in zip(others, again, strict=True):
            todo.append((i, reading, _rules_of(hits)))
        return todo

    def forget_asked(self) -> None:
        """Drops what was noted, after a failure."""
        self._asked = {}

    def trim(self) -> None:
        """Brings memory back within its bound; called between batches."""
        self.unchanged.trim()
        while self._chars > self._cache_chars:
            (text, _), _ = self._known.popitem(last=False)
            self._chars -= len(text) + 100

    def _remember(self, text: str, mode: Mode, answer: Answer) -> None:
        if (text, mode) not in self._known:
            self._chars += len(text) + 100
        self._known[text, mode] = answer


def _rules_of(hits: Hits) -> Hits:
    """Hits without those of TRIGGERS."""
    if hits is None or not hits:
        return hits
    return {number: places for number, places in hits.items() if number < len(RULES)}


def _placed(finding: Finding, reading: Reading) -> Finding:
    if reading.spans is None:
        return finding
    start, end = reading.place(finding.start, finding.end)
    return finding.moved(start, end)
