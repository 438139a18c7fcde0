"""What Presidio's recognisers find, as plain tuples, running only those patterns that can match.

The same findings as `AnalyzerEngine.analyze` over the same recognisers, entity, place, score and
order: a recogniser of patterns keeps its regular expressions, its validation and its flags, and
Presidio's order of steps is kept too: duplicates within a recogniser, context words, threshold,
duplicates among recognisers. What is saved is running patterns that a prefilter knows cannot match,
objects that explain results, and copies of them.

A recogniser with an `analyze` of its own is called as Presidio calls it. Where one also overrides
`enhance_using_context`, which sees others' results, nothing here applies: `supports` says so.

Source: presidio-analyzer 2.2.366, analyzer_engine.py, pattern_recognizer.py, entity_recognizer.py,
predefined_recognizers/generic/{iban,phone}_recognizer.py.

Cost: about 30 us for a text of 50 characters, against 600 us of Presidio's own path.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from agenttrail.masks._near import Near
from agenttrail.masks._phones import VERSION, Phones
from agenttrail.masks._prefilter import NOTHING, Engine, Hits, Prefilter, Source
from agenttrail.masks._words import Words

# entity, start, end, score
Raw = tuple[str, int, int, float]
# What one recogniser found: its place among the recognisers, and findings.
Part = tuple[int, list[Raw]]
# A pattern may run this long over one text; then the text fails, as Presidio's would be skipped.
TIMEOUT_S = int(os.environ.get("REGEX_TIMEOUT_SECONDS", "10"))


class Lean(Protocol):
    """A recogniser without its ceremony."""

    sources: list[Source]

    def find(self, text: str, hits: Hits, like: str | None) -> list[Raw]:
        """Findings by those of its patterns that can match (by place), or by all.

        What `like`, a text of the same length, holds in the same place may be left out.
        """
        ...


class FastRecognisers:
    """Recognisers that run over many texts at once."""

    def __init__(
        self,
        recognisers: Sequence[Any],
        *,
        engine: Engine | None = None,
        bare_phones: bool = True,
        is_exact: bool = True,
        least: float = 0.0,
    ) -> None:
        """Compiles the prefilter.

        Args:
            least: patterns of which every match scores less are not run.
            recognisers: Presidio's, loaded, in the order of their registry.
            engine: of the prefilter; None is the best that is installed.
            bare_phones: also phones without a + and without anything between their digits.
            is_exact: give up on phones where phonenumbers gives up.
        """
        self.recognisers = list(recognisers)
        made = [
            _lean(r, bare_phones=bare_phones, is_exact=is_exact, least=least) for r in recognisers
        ]
        self._lean = {place: lean for place, lean in enumerate(made) if lean is not None}
        self.plain = [(i, r) for i, r in enumerate(recognisers) if i not in self._lean]
        self._owner: list[tuple[int, int]] = []
        sources: list[Source] = []
        for place, lean in self._lean.items():
            self._owner += [(place, number) for number in range(len(lean.sources))]
            sources += lean.sources
        self.prefilter = Prefilter(sources, engine)
        # Those without a pattern, for all texts that are not ASCII.
        self._ungated = [place for place, lean in self._lean.items() if not lean.sources]

    def find(
        self, texts: Sequence[str], likes: Sequence[str | None] | None = None
    ) -> list[list[Part]]:
        """For each text what each recogniser of patterns finds, in their order; nothing empty.

        Args:
            texts: to search.
            likes: for each text one of the same length that is searched too, or None: what both
                hold may be found in that one only.
        """
        return [
            self._find(text, hits, like) if hits or hits is None or not text.isascii() else []
            for text, hits, like in zip(
                texts, self.prefilter.hits(texts), likes or [None] * len(texts), strict=True
            )
        ]

    def _find(self, text: str, hits: Hits, like: str | None) -> list[Part]:
        parts: list[Part] = []
        if hits is None:
            for place, lean in self._lean.items():
                found = lean.find(text, None, None)
                if found:
                    parts.append((place, found))
            return parts
        by_place: dict[int, dict[int, Sequence[int]]] = {}
        for hit, ends in hits.items():
            place, number = self._owner[hit]
            if place in by_place:
                by_place[place][number] = ends
            else:
                by_place[place] = {number: ends}
        for place, numbers in by_place.items():
            found = self._lean[place].find(text, numbers, like)
            if found:
                parts.append((place, found))
        if self._ungated and not text.isascii():
            for place in self._ungated:
                found = self._lean[place].find(text, NOTHING, None)
                if found:
                    parts.append((place, found))
        return parts


def supports(recognisers: Iterable[Any]) -> bool:
    """True where no recogniser changes its scores by what others found."""
    from presidio_analyzer import EntityRecognizer

    own = EntityRecognizer.enhance_using_context
    return all(type(r).enhance_using_context is own for r in recognisers)


def without_duplicates(found: list[Raw]) -> list[Raw]:
    """EntityRecognizer.remove_duplicates: what another of its entity holds, with no higher score."""
    if len(found) == 1:
        return found if found[0][3] != 0 else []
    kept: list[Raw] = []
    active: list[Raw] = []
    entity = None
    for one in sorted(dict.fromkeys(found), key=_by_place):
        if one[0] != entity:
            entity, active = one[0], []
        if one[3] == 0:
            continue
        active = [other for other in active if other[2] >= one[1]]
        for other in active:
            if one[2] <= other[2] and one[3] <= other[3]:
                break
        else:
            kept.append(one)
            active.append(one)
    kept.sort(key=_by_score)
    return kept


def _by_place(one: Raw) -> tuple[str, int, int, float]:
    return str(one[0]), one[1], one[1] - one[2], -one[3]


def _by_score(one: Raw) -> tuple[float, int, int]:
    return -one[3], one[1], one[1] - one[2]


def _lean(recogniser: Any, *, bare_phones: bool, is_exact: bool, least: float) -> Lean | None:
    """The recogniser in lean form; None where it has ways of its own."""
    from importlib.metadata import version

    from presidio_analyzer import PatternRecognizer
    from presidio_analyzer.predefined_recognizers import IbanRecognizer, PhoneRecognizer

    from agenttrail.recognizers._base import ScriptPatternClass, TextRecognizer

    kind = type(recogniser)
    analyze = getattr(kind, "analyze", None)
    if "analyze" in vars(recogniser):
        return None
    if analyze is ScriptPatternClass.analyze:
        # It looks for the script first, which every match holds; so does the prefilter.
        analyze = PatternRecognizer.analyze
    patterns = "_PatternRecognizer__analyze_patterns"
    if analyze is PatternRecognizer.analyze and getattr(kind, patterns) is getattr(
        PatternRecognizer, patterns
    ):
        return _Patterns(recogniser, least)
    if analyze is TextRecognizer.analyze and (recogniser.GATE or recogniser.BEYOND_ASCII):
        return _Texts(recogniser)
    if analyze is IbanRecognizer.analyze:
        return _Ibans(recogniser)
    if (
        analyze is PhoneRecognizer.analyze
        and kind._get_recognizer_result is PhoneRecognizer._get_recognizer_result
        and recogniser.leniency == 1
        and version("phonenumbers") == VERSION
    ):
        return _PhoneNumbers(recogniser, bare=bare_phones, is_exact=is_exact)
    return None


class _Patterns:
    """PatternRecognizer.analyze."""

    def __init__(self, recogniser: Any, least: float) -> None:
        from presidio_analyzer import PatternRecognizer

        kind = type(recogniser)
        flags = int(recogniser.global_regex_flags)
        self._entity = recogniser.supported_entities[0]
        self._validate = _overridden(recogniser, kind, PatternRecognizer, "validate_result")
        self._invalidate = _overridden(recogniser, kind, PatternRecognizer, "invalidate_result")
        # Only a validation raises a score.
        patterns = [
            p for p in recogniser.patterns if self._validate is not None or p.score >= least
        ]
        self.sources = [Source(p.regex, flags) for p in patterns]
        self._patterns = [(Near(p.regex, flags, TIMEOUT_S), p.score) for p in patterns]
        self._words = [Words.of(p.regex, flags, TIMEOUT_S) for p in patterns]

    def find(self, text: str, hits: Hits, like: str | None) -> list[Raw]:
        found: list[Raw] = []
        entity, validate, invalidate = self._entity, self._validate, self._invalidate
        for number in range(len(self._patterns)) if hits is None else hits:
            pattern, base = self._patterns[number]
            words = self._words[number]
            if words is None:
                matches = pattern.matches(text, () if hits is None else hits[number], like)
            else:
                matches = words.matches(pattern, text, like)
            for match in matches:
                start, end = match.span()
                if start == end:
                    continue
                score = base
                if validate is not None:
                    valid = validate(text[start:end])
                    if valid is not None:
                        score = 1.0 if valid else 0
                if invalidate is not None and invalidate(text[start:end]):
                    score = 0
                if score > 0:
                    found.append((entity, start, end, score))
        return without_duplicates(found) if len(found) > 1 else found


class _Texts:
    """TextRecognizer.analyze."""

    def __init__(self, recogniser: Any) -> None:
        gate = recogniser.GATE
        self.sources = [Source(gate.pattern, gate.flags & ~re.UNICODE)] if gate else []
        self._best: Callable[[str], dict[tuple[int, int], float]] = recogniser.best
        self._entity = recogniser.supported_entities[0]

    def find(self, text: str, hits: Hits, like: str | None) -> list[Raw]:
        del hits, like
        entity = self._entity
        return [(entity, start, end, score) for (start, end), score in self._best(text).items()]


class _Ibans:
    """IbanRecognizer.analyze: of a match the longest run of groups with a valid checksum."""

    def __init__(self, recogniser: Any) -> None:
        flags = int(recogniser.global_regex_flags)
        self.sources = [Source(p.regex, flags) for p in recogniser.patterns]
        self._patterns = [(Near(p.regex, flags, TIMEOUT_S), p.score) for p in recogniser.patterns]
        self._entity = recogniser.supported_entities[0]
        self._validate = recogniser.validate_result

    def find(self, text: str, hits: Hits, like: str | None) -> list[Raw]:
        found: list[Raw] = []
        for number in range(len(self._patterns)) if hits is None else hits:
            pattern, base = self._patterns[number]
            for match in pattern.matches(text, () if hits is None else hits[number], like):
                for group in range(len(match.groups()), 0, -1):
                    start, end = match.start(), match.span(group)[1]
                    if end <= 0:
                        end = match.end()
                    if start >= end:
                        continue
                    valid = self._validate(text[start:end])
                    score = base if valid is None else 1.0 if valid else 0
                    if score > 0:
                        found.append((self._entity, start, end, score))
                        break
        return found


class _PhoneNumbers:
    """PhoneRecognizer.analyze."""

    def __init__(self, recogniser: Any, *, bare: bool, is_exact: bool) -> None:
        self._phones = Phones(recogniser.supported_regions, bare=bare, is_exact=is_exact)
        ascii_pattern, other_pattern = self._phones.patterns()
        self.sources = [Source(ascii_pattern, 0, relaxed_other=other_pattern)]
        self._entity = recogniser.supported_entities[0]
        self._score = recogniser.SCORE

    def find(self, text: str, hits: Hits, like: str | None) -> list[Raw]:
        # Where no proof holds (digits beyond ASCII) phonenumbers runs as it is.
        spans = self._phones.find_slowly(text) if hits is None else self._phones.find(text, like)
        found = [(self._entity, start, end, self._score) for start, end in spans]
        return without_duplicates(found) if len(found) > 1 else found


def _overridden(
    recogniser: Any, kind: Any, base: Any, name: str
) -> Callable[[str], bool | None] | None:
    """The recogniser's method where it is not the base's, which says nothing."""
    if name not in vars(recogniser) and getattr(kind, name) is getattr(base, name):
        return None
    method: Callable[[str], bool | None] = getattr(recogniser, name)
    return method
