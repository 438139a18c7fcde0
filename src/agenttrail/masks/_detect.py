"""The detector: texts in, findings out, in batches; stock presidio-analyzer 2.2.366 over spaCy.

Everything that knows Presidio is here, so that another engine with the same two methods can take
its place. What differs from stock, each because stock loses or leaks something:

- the IBAN recogniser also runs with its own, case-sensitive flags: the registry's IGNORECASE makes
  it miss an IBAN with a word behind it;
- the e-mail recogniser asks the public suffix list that ships with tldextract and no server, and
  the path or query before an address is no part of it;
- the Thai national id, shipped but switched off, is on, also written with dashes or spaces and
  with any province digits (its list of provinces refuses ids that exist), and the Japanese My
  Number is known by its check digit (ministry ordinance 85 of 2014, article 5);
- a recogniser that runs out of time fails the text instead of being passed over in silence;
- phone regions are options.

Limits: English. Names written in Thai, Lao, Japanese or other scripts are not found.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from agenttrail.errors import MaskError
from agenttrail.masks._findings import Finding

# spaCy's cost and Presidio's phone matcher (which gives up after 65,535 tries) want bounded texts.
WINDOW_CHARS = 20_000
OVERLAP_CHARS = 500
_NER_BATCH = 64
# Without a digit, @ or colon none of the stock patterns below 26 characters can match (the
# shortest that needs none of them is a MAC address of letters with dashes, 17; then crypto, 26).
_NOTHING = re.compile(r"[A-Za-z_./ ]{0,25}|[A-Za-z_./ -]{0,16}")
_NEEDS_DIGITS = frozenset(
    [
        "CREDIT_CARD",
        "CRYPTO",
        "EMAIL_ADDRESS",
        "IBAN_CODE",
        "IP_ADDRESS",
        "MAC_ADDRESS",
        "PHONE_NUMBER",
        "TH_TNIN",
        "UK_NHS",
        "US_BANK_NUMBER",
        "JP_MY_NUMBER",
        "US_ITIN",
        "US_PASSPORT",
        "US_SSN",
        "PERSON",
        "LOCATION",
        "NRP",
        "ORGANIZATION",
    ]
)

# What presidio takes into an e-mail address from the path, address or query before it.
_BEFORE_MAIL = re.compile(r"(?:[^@]*[/?&#|])?(?:\w+=)?['`{]*")


class PresidioDetector:
    """Findings of the stock recognisers and of a spaCy model, at or above a score.

    Cost: about 1.5 s to build, 1 ms a text for the patterns, 3 ms more for the language model.
    """

    def __init__(
        self,
        *,
        language: str,
        model: str,
        entities: frozenset[str] | None,
        excluded: frozenset[str],
        score_threshold: float,
        phone_regions: Sequence[str],
    ) -> None:
        """Loads the model.

        Args:
            language: code that the recognisers are registered under; "en".
            model: an installed spaCy package or a folder.
            entities: the kinds to look for; None is all of them but `excluded`.
            excluded: kinds not to look for.
            score_threshold: 0 to 1.
            phone_regions: ISO 3166 codes.

        Raises:
            MaskError: the model is not installed, or no recogniser knows an entity.
        """
        if importlib.util.find_spec(model) is None and not Path(model).exists():
            raise MaskError(
                f"the spaCy model {model} is not installed",
                hint=f"pip install {model.replace('_', '-')}, or name another model under spacy_model",
            )
        # Read by presidio at import: a regular expression may run this long over one text.
        os.environ.setdefault("REGEX_TIMEOUT_SECONDS", "10")
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
        from presidio_analyzer.nlp_engine import NerModelConfiguration, NlpArtifacts, SpacyNlpEngine

        logger = logging.getLogger("presidio-analyzer")
        if not any(isinstance(known, _Guard) for known in logger.filters):
            logger.addFilter(_Guard())
        wanted_labels = {"ORGANIZATION"} & (entities or frozenset())
        self._engine = SpacyNlpEngine(
            models=[{"lang_code": language, "model_name": model}],
            ner_model_configuration=NerModelConfiguration(
                model_to_presidio_entity_mapping=_LABELS,
                labels_to_ignore=sorted(_IGNORED_LABELS - wanted_labels),
            ),
        )
        self._engine.load()
        registry = RecognizerRegistry(supported_languages=[language])
        registry.load_predefined_recognizers(languages=[language], nlp_engine=self._engine)
        loaded: list[Any] = list(registry.recognizers)
        kept = [r for r in loaded if r.name not in ("EmailRecognizer", "PhoneRecognizer")]
        kept += _own_recognisers(language, phone_regions)
        self.known = frozenset(entity for r in kept for entity in r.supported_entities)
        unknown = sorted((entities or frozenset()) - self.known)
        if unknown:
            raise MaskError(
                f"entities: no recogniser knows {', '.join(unknown)}",
                hint=f"known: {', '.join(sorted(self.known))}",
            )
        self.entities = (entities or self.known) - excluded
        registry.recognizers = [r for r in kept if self.entities & set(r.supported_entities)]
        # Analysing for "all" entities keeps the recognisers in this order; naming them does not.
        self._analyzer = AnalyzerEngine(
            registry=registry, nlp_engine=self._engine, supported_languages=[language]
        )
        self._language = language
        self._threshold = score_threshold
        no_tokens: Any = []
        self._no_words = NlpArtifacts([], no_tokens, [], [], self._engine, language)
        self._skips = self.entities <= _NEEDS_DIGITS

    def prose(self, texts: Sequence[str]) -> Iterator[tuple[Finding, ...]]:
        """For each text, in order, what recognisers and language model find in it."""
        pieces = [(i, at, piece) for i, text in enumerate(texts) for at, piece in _windows(text)]
        found: list[set[Finding]] = [set() for _ in texts]
        batch: Iterator[Any] = self._engine.process_batch(
            [piece for _, _, piece in pieces], language=self._language, batch_size=_NER_BATCH
        )
        done = 0
        for (i, at, piece), (_, words) in zip(pieces, batch, strict=True):
            for ready in range(done, i):
                yield tuple(found[ready])
            done = max(done, i)
            found[i].update(self._analyse(piece, words, at))
        for ready in range(done, len(texts)):
            yield tuple(found[ready])

    def patterns(self, texts: Sequence[str]) -> Iterator[tuple[Finding, ...]]:
        """For each text, in order, what the recognisers alone find in it."""
        for text in texts:
            if self._skips and _NOTHING.fullmatch(text):
                yield ()
                continue
            found: set[Finding] = set()
            for at, piece in _windows(text):
                found.update(self._analyse(piece, self._no_words, at))
            yield tuple(found)

    def _analyse(self, text: str, words: Any, at: int) -> Iterable[Finding]:
        if not text:
            return
        for result in self._analyzer.analyze(
            text, self._language, nlp_artifacts=words, score_threshold=self._threshold
        ):
            if result.entity_type in self.entities and result.start < result.end:
                name = (result.recognition_metadata or {}).get("recognizer_name", "")
                start = result.start
                if result.entity_type == "EMAIL_ADDRESS":
                    start += _BEFORE_MAIL.match(text[start : result.end]).end()  # type: ignore[union-attr]
                yield Finding(at + start, at + result.end, result.entity_type, result.score, name)


# presidio_analyzer/conf/default.yaml: labels of the model and the entities that they are.
_LABELS = {
    "PER": "PERSON", "PERSON": "PERSON", "NORP": "NRP", "FAC": "LOCATION", "LOC": "LOCATION",
    "GPE": "LOCATION", "LOCATION": "LOCATION", "ORG": "ORGANIZATION",
    "ORGANIZATION": "ORGANIZATION", "DATE": "DATE_TIME", "TIME": "DATE_TIME",
}  # fmt: skip
_IGNORED_LABELS = frozenset(
    [
        "ORGANIZATION",
        "CARDINAL",
        "EVENT",
        "LANGUAGE",
        "LAW",
        "MONEY",
        "ORDINAL",
        "PERCENT",
        "PRODUCT",
        "QUANTITY",
        "WORK_OF_ART",
    ]
)


class _Guard(logging.Filter):
    """Keeps presidio's messages in (they can quote a text) and makes a timeout a failure."""

    def filter(self, record: logging.LogRecord) -> bool:
        if "timed out" in str(record.msg):
            raise TimeoutError("a recogniser ran out of time")
        return False


def _own_recognisers(language: str, regions: Sequence[str]) -> list[Any]:
    from presidio_analyzer import Pattern, PatternRecognizer
    from presidio_analyzer.predefined_recognizers import (
        EmailRecognizer,
        IbanRecognizer,
        PhoneRecognizer,
        ThTninRecognizer,
    )
    from tldextract import TLDExtract

    # No URLs and no cache: the list inside the package, the same on every machine.
    suffixes = TLDExtract(cache_dir=None, suffix_list_urls=())

    class OfflineEmailRecognizer(EmailRecognizer):
        def validate_result(self, pattern_text: str) -> bool:
            return suffixes(pattern_text).fqdn != ""

    class MyNumberRecognizer(PatternRecognizer):
        def validate_result(self, pattern_text: str) -> bool:
            digits = [int(char) for char in reversed(pattern_text) if char.isdecimal()]
            weighted = sum(d * (n + 1 if n < 7 else n - 5) for n, d in enumerate(digits[1:], 1))
            return digits[0] == (0 if weighted % 11 < 2 else 11 - weighted % 11)

    return [
        OfflineEmailRecognizer(supported_language=language, name="EmailRecognizer"),
        PhoneRecognizer(
            supported_language=language, supported_regions=tuple(regions), name="PhoneRecognizer"
        ),
        IbanRecognizer(supported_language=language, name="IbanRecognizerCaseSensitive"),
        ThTninRecognizer(
            supported_language=language,
            patterns=[
                Pattern("TNIN", r"\b[1-8]\d{12}\b", 0.5),
                Pattern("TNIN (groups)", r"\b[1-8][- ]\d{4}[- ]\d{5}[- ]\d{2}[- ]\d\b", 0.5),
            ],
            replacement_pairs=[("-", ""), (" ", "")],
            name="ThTninRecognizer",
        ),
        MyNumberRecognizer(
            supported_entity="JP_MY_NUMBER",
            supported_language=language,
            patterns=[
                Pattern("My Number", r"\b\d{12}\b", 0.5),
                Pattern("My Number (groups)", r"\b\d{4}([- ])\d{4}\1\d{4}\b", 0.5),
            ],
            name="MyNumberRecognizer",
        ),
    ]


def _windows(text: str) -> Iterator[tuple[int, str]]:
    """The text in overlapping pieces that begin with a line or a word; nearly always one piece."""
    at = 0
    while True:
        yield at, text[at : at + WINDOW_CHARS]
        if at + WINDOW_CHARS >= len(text):
            return
        at += WINDOW_CHARS - OVERLAP_CHARS
        line = text.find("\n", at, at + OVERLAP_CHARS // 4)
        space = line if line >= 0 else text.find(" ", at, at + OVERLAP_CHARS // 4)
        at = space + 1 if space >= 0 else at
