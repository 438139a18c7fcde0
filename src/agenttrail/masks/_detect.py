"""The detector: texts in, findings out, in batches; presidio-analyzer 2.2.366 over spaCy.

Which recognisers there are is said here; how they are run, in `_analyse` and `_fast`. The profile
`stock` is Presidio as it comes, but that it asks no server for the public suffix list, and that
texts of more than 20,000 characters are read in overlapping windows. What differs from stock in the
others, each because stock loses or leaks something:

- the IBAN recogniser also runs with its own, case-sensitive flags: the registry's IGNORECASE makes
  it miss an IBAN with a word behind it;
- the e-mail recogniser asks the public suffix list that ships with tldextract and no server, and
  the path or query before an address is no part of it;
- `agenttrail.recognizers` are there too: Thai, Japanese and Lao ids, phones, addresses and names,
  and secrets. They look at a text's script themselves, so one text may mix all. The Thai national
  id that ships with Presidio, switched off, is not used: its list of provinces refuses ids that
  exist;
- a recogniser that runs out of time fails the text instead of being passed over in silence;
- phone regions are options.

Limits: names in Latin letters are the English model's; those in Thai, Japanese and Lao are known by
titles, lists and dictionaries (see the recognisers); those in other scripts are not found.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from agenttrail.errors import MaskError
from agenttrail.masks._findings import Finding
from agenttrail.masks._model import import_presidio, known_patterns, load
from agenttrail.masks._readings import without_unspaced
from agenttrail.masks._user import load_recognisers
from agenttrail.recognizers import all_recognizers

# spaCy's cost and Presidio's phone matcher (which gives up after 65,535 tries) want bounded texts.
WINDOW_CHARS = 20_000
OVERLAP_CHARS = 500
# What presidio takes into an e-mail address from the path, address or query before it.
_BEFORE_MAIL = re.compile(r"(?:[^@]*[/?&#|])?(?:\w+=)?['`{]*")


Profile = Literal["stock", "balanced", "fast"]


# Made ahead by a fork server, for its workers; by what they depend on.
_ahead: dict[str, PresidioDetector] = {}
# One text for each way of reading and each recogniser that loads something when it is first needed.
_SAMPLES = (
    "Please write to anna.lee@example.com, see https://www.example.com/a or call +1 212 555 0100 today.",
    "Card 4111 1111 1111 1111, IBAN DE89370400440532013000, SSN 078-05-1120, 192.0.2.7, 00:00:5e:00:53:01.",
    "password=Hunter2-not-real and the token AKIAIOSFODNN7EXAMPLE, Dear Ms Anna Lee, born 1990-01-01",
    "คุณสมชาย ใจดี โทร 081-234-5678 เลขประจำตัวประชาชน 1-1017-00207-36-6",
    "田中太郎さんの電話番号は03-1234-5678、住所は東京都千代田区千代田1-1です。",
    "ທ້າວ ສົມສະຫວັນ ໂທ 020 5551 2345",
)


def made(detection: Mapping[str, Any]) -> PresidioDetector:
    """The detector of some settings, as JSON has them; the one that was made ahead, where it was.

    Raises:
        OptionError, MaskError: as `PresidioDetector`.
    """
    known = _ahead.get(json.dumps(detection, sort_keys=True))
    if known is not None:
        return known
    return PresidioDetector(
        **{**detection, "entities": frozenset(detection["entities"]) or None,
           "excluded": frozenset(detection["excluded"])}
    )  # fmt: skip


def make_ahead(detection: Mapping[str, Any]) -> None:
    """Makes the detector for processes that are forked from this one, and has it load all it needs."""
    detector = made(detection)
    list(detector.prose(_SAMPLES))
    _ahead[json.dumps(detection, sort_keys=True)] = detector


class PresidioDetector:
    """Findings of Presidio's recognisers and of a spaCy model, at or above a score.

    Cost: about 1.5 s to build (0.7 s without a model), then 50 us a text for the patterns and 1 to
    3 ms more for the language model.
    """

    def __init__(
        self,
        *,
        language: str,
        model: str,
        entities: frozenset[str] | None,
        excluded: frozenset[str],
        score_threshold: float | None,
        phone_regions: Sequence[str] | None,
        profile: Profile = "balanced",
        recognizers: Sequence[str] = (),
    ) -> None:
        """Loads the model.

        Args:
            language: code that the recognisers are registered under; "en".
            model: an installed spaCy package or a folder; not loaded in `fast`.
            entities: the kinds to look for; None is all of them but `excluded`.
            excluded: kinds not to look for.
            score_threshold: 0 to 1; None is each recogniser's own.
            phone_regions: ISO 3166 codes; None is Presidio's.
            profile: `stock` is Presidio as it comes; `fast` uses no model, and takes a run of
                digits for a phone only with a + or something between the digits.
            recognizers: files and classes of a user's own; see `_user`.

        Raises:
            OptionError: a recogniser of a user's own cannot be made.
            MaskError: the model is not installed, or no recogniser knows an entity.
        """
        if (
            profile != "fast"
            and importlib.util.find_spec(model) is None
            and not Path(model).exists()
        ):
            raise MaskError(
                f"the spaCy model {model} is not installed",
                hint=f"pip install {model.replace('_', '-')}, or name another model under spacy_model",
            )
        # Read by presidio at import: a regular expression may run this long over one text.
        os.environ.setdefault("REGEX_TIMEOUT_SECONDS", "10")
        import_presidio()
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry

        from agenttrail.masks._analyse import Analyzer
        from agenttrail.masks._fast import FastRecognisers

        logger = logging.getLogger("presidio-analyzer")
        if not any(isinstance(known, _Guard) for known in logger.filters):
            logger.addFilter(_Guard())
        self._is_stock = profile == "stock"
        wanted_labels = {"ORGANIZATION"} & (entities or frozenset())
        engine = (
            _no_model(language) if profile == "fast" else _model(language, model, wanted_labels)
        )
        registry = RecognizerRegistry(supported_languages=[language])
        with known_patterns():
            registry.load_predefined_recognizers(languages=[language], nlp_engine=engine)
            loaded: list[Any] = list(registry.recognizers)
            own = _own_recognisers(language, phone_regions)
        if self._is_stock:
            # In their places, so that of two recognisers with one finding the same is named.
            offline = {r.name: r for r in own if r.name in ("EmailRecognizer", "PhoneRecognizer")}
            kept = [offline.get(r.name, r) for r in loaded]
        else:
            kept = [r for r in loaded if r.name not in ("EmailRecognizer", "PhoneRecognizer")]
            kept += own
        if profile == "fast":
            kept = [r for r in kept if r.name != "SpacyRecognizer"]
        users = load_recognisers(recognizers, language, [r.name for r in kept])
        # What they find is what their owner wants: it is never noise.
        self.trusted = frozenset(r.name for r in users)
        kept += users
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
        self._analyzer = Analyzer(
            AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[language]),
            language,
            threshold=score_threshold,
            recognisers=FastRecognisers(
                registry.recognizers,
                bare_phones=profile != "fast",
                is_exact=self._is_stock,
                # Without a model no context word raises a score.
                least=score_threshold or 0.0 if profile == "fast" else 0.0,
            ),
            # The English model takes any Thai, Lao or Japanese words for names.
            reads=None if self._is_stock else without_unspaced,
        )

    def prose(self, texts: Sequence[str]) -> Iterator[tuple[Finding, ...]]:
        """For each text, in order, what recognisers and language model find in it."""
        return self._find(texts, self._analyzer.prose)

    def patterns(self, texts: Sequence[str]) -> Iterator[tuple[Finding, ...]]:
        """For each text, in order, what the recognisers alone find in it."""
        return self._find(texts, self._analyzer.patterns)

    def patterns_beside(
        self, texts: Sequence[str], likes: Sequence[str | None]
    ) -> Iterator[tuple[Finding, ...]]:
        """As `patterns`; what a text has in common with its `like` may be missing.

        Args:
            texts: to search.
            likes: for each text one of the same length that is searched too, or None.
        """
        # Long texts are cut at their spaces, which two texts need not have in the same places.
        if any(len(text) > WINDOW_CHARS for text in texts):
            return self.patterns(texts)
        return self._find(texts, lambda pieces: self._analyzer.patterns(pieces, likes))

    def _find(
        self,
        texts: Sequence[str],
        find: Callable[[Sequence[str]], Iterator[tuple[Finding, ...]]],
    ) -> Iterator[tuple[Finding, ...]]:
        pieces = [list(_windows(text)) for text in texts]
        answers = find([piece for windows in pieces for _, piece in windows])
        for windows in pieces:
            if len(windows) == 1:
                yield tuple(self._own(windows[0][1], next(answers), 0))
            else:
                found: dict[Finding, None] = {}
                for at, piece in windows:
                    found.update(dict.fromkeys(self._own(piece, next(answers), at)))
                yield tuple(found)

    def _own(self, text: str, findings: Sequence[Finding], at: int) -> Iterator[Finding]:
        """The findings of kinds that are looked for, at their places in the whole text."""
        for finding in findings:
            if finding.entity not in self.entities or finding.start >= finding.end:
                continue
            start = finding.start
            if finding.entity == "EMAIL_ADDRESS" and not self._is_stock:
                start += _BEFORE_MAIL.match(text[start : finding.end]).end()  # type: ignore[union-attr]
            if start == finding.start and not at:
                yield finding
            else:
                yield finding.moved(at + start, at + finding.end)


def _no_model(language: str) -> Any:
    from presidio_analyzer.nlp_engine import NoOpNlpEngine

    engine = NoOpNlpEngine(models=[{"lang_code": language, "model_name": "no_op"}])
    engine.load()
    return engine


def _model(language: str, model: str, wanted_labels: Set[str]) -> Any:
    from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine

    engine = SpacyNlpEngine(
        models=[{"lang_code": language, "model_name": model}],
        ner_model_configuration=NerModelConfiguration(
            model_to_presidio_entity_mapping=_LABELS,
            labels_to_ignore=sorted(_IGNORED_LABELS - wanted_labels),
        ),
    )
    try:
        engine.nlp = {language: load(model)}  # type: ignore[assignment]
    except (OSError, ValueError, ImportError) as error:
        raise MaskError(
            f"spacy_model: {model} is no spaCy model that can be loaded ({type(error).__name__})",
            hint="a folder of a model holds config.cfg and meta.json",
        ) from None
    return engine


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


def _own_recognisers(language: str, regions: Sequence[str] | None) -> list[Any]:
    from presidio_analyzer.predefined_recognizers import (
        EmailRecognizer,
        IbanRecognizer,
        PhoneRecognizer,
    )
    from tldextract import TLDExtract

    # No URLs and no cache: the list inside the package, the same on every machine.
    suffixes = TLDExtract(cache_dir=None, suffix_list_urls=())

    # A log has the same addresses again and again.
    @lru_cache(10_000)
    def is_domain(text: str) -> bool:
        return suffixes(text).fqdn != ""

    class OfflineEmailRecognizer(EmailRecognizer):
        def validate_result(self, pattern_text: str) -> bool:
            return is_domain(pattern_text)

    return [
        OfflineEmailRecognizer(supported_language=language, name="EmailRecognizer"),
        PhoneRecognizer(
            supported_language=language,
            supported_regions=PhoneRecognizer.DEFAULT_SUPPORTED_REGIONS
            if regions is None
            else tuple(regions),
            name="PhoneRecognizer",
        ),
        IbanRecognizer(supported_language=language, name="IbanRecognizerCaseSensitive"),
        *all_recognizers(language=language),
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
