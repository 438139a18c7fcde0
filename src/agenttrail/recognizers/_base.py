r"""What the recognisers share: how a pattern class is declared, where a number may begin, check digits.

Scripts without spaces have no word boundaries: Unicode's `\b` sees none between a Thai letter and
a digit. So a number may begin and end at anything but a digit of any script, an ASCII letter and
`_`; `\d` itself is Unicode's, so Thai, Lao and full-width digits are read as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from presidio_analyzer import (
    AnalysisExplanation,
    LocalRecognizer,
    Pattern,
    PatternRecognizer,
    RecognizerResult,
)

DASH = "\\-\u2010-\u2015\u2212\u30fc\uff0d\uff70"
SEPARATOR = f"[{DASH} \u00a0]"
# Not inside a longer number, name, version or id. A comma between digits parts the cells of a table:
# no amount has so many digits behind one.
BEFORE = rf"(?<![A-Za-z\d_+])(?<!\d[.{DASH}])"
AFTER = rf"(?![A-Za-z\d_]|[.{DASH}]\d)"


class PatternClass(PatternRecognizer):
    """A `PatternRecognizer` whose entity and patterns stand in the class.

    `SOURCE_PATTERNS` are (name, regular expression, score). `validate_result` gives False for what
    fails its check digit and None for what passes, so that the score of the pattern stays: one
    number in ten passes by chance.
    """

    ENTITY: ClassVar[str]
    SOURCE_PATTERNS: ClassVar[Sequence[tuple[str, str, float]]]

    def __init__(
        self,
        supported_language: str = "en",
        supported_entity: str | None = None,
        name: str | None = None,
        **more: Any,
    ) -> None:
        """Takes what every Presidio recogniser takes.

        Args:
            supported_language: code that it is registered under; the patterns are the same in all.
            supported_entity: another name for the kind.
            name: another name for the recogniser.
            more: further arguments of `PatternRecognizer`, as context or patterns.
        """
        more.setdefault("patterns", [Pattern(*each) for each in self.SOURCE_PATTERNS])
        super().__init__(
            supported_entity=supported_entity or self.ENTITY,
            supported_language=supported_language,
            name=name or type(self).__name__,
            **more,
        )


class ScriptPatternClass(PatternClass):
    """Patterns of which every match holds a letter of one script.

    A prefilter over bytes (hyperscan) would report such patterns at every byte of that script; one
    look for the script costs less.
    """

    SCRIPT: ClassVar[re.Pattern[str]]
    reads_text_only: ClassVar[bool] = True

    def analyze(
        self,
        text: str,
        entities: list[str],
        nlp_artifacts: Any = None,
        regex_flags: int | None = None,
    ) -> list[RecognizerResult]:
        """What the patterns find, where the script is in the text."""
        if text.isascii() or self.SCRIPT.search(text) is None:
            return []
        return super().analyze(text, entities, nlp_artifacts, regex_flags)


class TextRecognizer(LocalRecognizer):
    """A recogniser of one kind that looks at the text alone: `spans` gives (start, end, score)."""

    name: str
    ENTITY: ClassVar[str]
    # Read by whoever has texts without a language model's words: analyze() asks for none.
    reads_text_only: ClassVar[bool] = True
    # A pattern, and flags, that match in every text in which there is anything to find.
    GATE: ClassVar[re.Pattern[str] | None] = None
    # True where there is nothing to find in ASCII.
    BEYOND_ASCII: ClassVar[bool] = False

    def __init__(
        self,
        supported_language: str = "en",
        supported_entity: str | None = None,
        name: str | None = None,
        **more: Any,
    ) -> None:
        """Takes what every Presidio recogniser takes, and loads."""
        super().__init__(
            supported_entities=[supported_entity or self.ENTITY],
            supported_language=supported_language,
            name=name or type(self).__name__,
            **more,
        )

    def load(self) -> None:
        """Nothing to load."""

    def spans(self, text: str) -> Iterable[tuple[int, int, float]]:
        """Half-open spans in no order, possibly overlapping, each with its score."""
        raise NotImplementedError

    def best(self, text: str) -> dict[tuple[int, int], float]:
        """Each span once, with its best score."""
        best: dict[tuple[int, int], float] = {}
        for start, end, score in self.spans(text):
            best[start, end] = max(score, best.get((start, end), 0.0))
        return best

    def analyze(
        self,
        text: str,
        entities: list[str],  # noqa: ARG002 - presidio's signature
        nlp_artifacts: Any = None,  # noqa: ARG002
    ) -> list[RecognizerResult]:
        """The spans as Presidio's results, one a place, with the best score."""
        return [
            RecognizerResult(
                entity_type=self.supported_entities[0],
                start=start,
                end=end,
                score=score,
                analysis_explanation=AnalysisExplanation(
                    recognizer=self.name, original_score=score
                ),
                recognition_metadata={
                    RecognizerResult.RECOGNIZER_NAME_KEY: self.name,
                    RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: str(self.id),
                },
            )
            for (start, end), score in self.best(text).items()
        ]


def digits_of(text: str) -> list[int]:
    """The decimal digits of any script in a text, as numbers."""
    return [int(char) for char in text if char.isdecimal()]


def one_script(text: str) -> bool:
    """True where all digits are of one script: a number is written in one."""
    return len({ord(char) - int(char) for char in text if char.isdecimal()}) == 1
