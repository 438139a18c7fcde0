"""AnalyzerEngine.analyze for many texts: recognisers, language model, context words, threshold.

The findings are those of presidio-analyzer 2.2.366 with the same recognisers, spaCy model and
threshold: entity, place, score, and the name of the recogniser that Presidio names. The model runs
over batches; tagger, attribute ruler and lemmatizer only over texts in which a context word can
raise a score. A finding that the model alone makes needs neither.

Limits: the default enhancer (lemmas, five words before a finding), English, no context given with
the call, no allow list. With a recogniser that overrides `enhance_using_context` each text goes
through the AnalyzerEngine itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from agenttrail.masks._context import LEMMA_PIPES, ContextWords
from agenttrail.masks._fast import FastRecognisers, Part, Raw, supports, without_duplicates
from agenttrail.masks._findings import Finding

_BATCH = 64
_CHUNK = 128


class Analyzer:
    """Findings in texts, with the language model or without; one list a text, best score first."""

    def __init__(
        self,
        analyzer: Any,
        language: str,
        *,
        threshold: float | None,
        recognisers: FastRecognisers,
        reads: Callable[[str], str] | None = None,
    ) -> None:
        """Takes over an AnalyzerEngine.

        Args:
            analyzer: an AnalyzerEngine with its registry and a spaCy or no-op engine.
            language: of its recognisers and model.
            threshold: 0 to 1; None is each recogniser's own, as `analyze` without one.
            recognisers: those of the registry for the language, in its order.
            reads: what the model is given to find names in, in place of a text and as long as it;
                None is the text.
        """
        from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer
        from presidio_analyzer.nlp_engine import NlpArtifacts, SpacyNlpEngine
        from presidio_analyzer.predefined_recognizers import SpacyRecognizer

        self._analyzer = analyzer
        self._language = language
        self._reads = reads
        self._threshold = threshold
        self._fast = recognisers
        self._all = recognisers.recognisers
        for recogniser in self._all:
            if not recogniser.is_loaded:
                recogniser.load()
                recogniser.is_loaded = True
        self._entities = analyzer.get_supported_entities(language)
        self._nlp_engine = analyzer.nlp_engine
        enhancer = analyzer.context_aware_enhancer
        self._enhancer = enhancer
        is_own = type(enhancer) is LemmaContextAwareEnhancer and supports(self._all)
        self._is_stock = not is_own
        self._is_spacy = type(self._nlp_engine) is SpacyNlpEngine
        no_tokens: Any = []
        self._no_words = NlpArtifacts([], no_tokens, [], [], self._nlp_engine, language)
        kinds = {i: type(r) is SpacyRecognizer for i, r in recognisers.plain}
        self._spacy_at = [i for i, is_ner in kinds.items() if is_ner and self._is_spacy]
        self._plain = [(i, r) for i, r in recognisers.plain if i not in self._spacy_at]
        self._reads_words = any(
            not getattr(r, "reads_text_only", False) or r.context for _, r in self._plain
        )
        self._nlp = self._nlp_engine.nlp.get(language) if self._is_spacy else None
        self._context: ContextWords | None = None
        self._can_matter: dict[int, Any] = {}

    def patterns(
        self, texts: Sequence[str], likes: Sequence[str | None] | None = None
    ) -> Iterator[tuple[Finding, ...]]:
        """For each text, in order, what the recognisers find without a language model.

        `likes` is that of `FastRecognisers.find`.
        """
        if self._is_stock:
            for text in texts:
                yield self._stock(text, self._no_words)
            return
        for text, parts in zip(texts, self._fast.find(texts, likes), strict=True):
            yield self._result(text, [*parts, *self._plainly(text, self._no_words)], None)

    def prose(self, texts: Sequence[str]) -> Iterator[tuple[Finding, ...]]:
        """For each text, in order, what recognisers and language model find."""
        if self._nlp is None:
            yield from self.patterns(texts)
            return
        for at in range(0, len(texts), _CHUNK):
            yield from self._prose(texts[at : at + _CHUNK])

    def _prose(self, texts: Sequence[str]) -> list[tuple[Finding, ...]]:
        unique = list(dict.fromkeys(texts))
        if self._is_stock:
            batch = self._nlp_engine.process_batch(
                unique, language=self._language, batch_size=_BATCH
            )
            answers = {text: self._stock(text, artifacts) for text, artifacts in batch}
            return [answers[text] for text in texts]
        if self._context is None:
            self._read_tables()
        assert self._nlp is not None
        found = dict(zip(unique, self._fast.find(unique), strict=True))
        whole = [text for text in unique if self._needs_lemmas(text, found[text])]
        skipped = set(whole)
        short = [text for text in unique if text not in skipped]
        answers = {}
        read = short if self._reads is None else list(map(self._reads, short))
        docs = self._nlp.pipe(read, batch_size=_BATCH, disable=LEMMA_PIPES)
        for text, doc in zip(short, docs, strict=True):
            parts = [*found[text], *self._named(doc), *self._plainly(text, self._no_words)]
            answers[text] = self._result(text, parts, None)
        for text, doc in zip(whole, self._nlp.pipe(whole, batch_size=_BATCH), strict=True):
            artifacts = self._nlp_engine._doc_to_nlp_artifact(doc, self._language)
            parts = [*found[text], *self._plainly(text, artifacts)]
            read_as = text if self._reads is None else self._reads(text)
            if read_as == text:
                parts += self._entities_of(artifacts.entities, artifacts.scores)
            else:
                parts += self._named(self._nlp(read_as, disable=LEMMA_PIPES))
            answers[text] = self._result(text, parts, artifacts)
        return [answers[text] for text in texts]

    def _read_tables(self) -> None:
        self._context = ContextWords(self._nlp)
        for place, recogniser in enumerate(self._all):
            if recogniser.context:
                self._can_matter[place] = self._context.search(recogniser.context)

    def _needs_lemmas(self, text: str, parts: Sequence[Part]) -> bool:
        # Recognisers of others' making may read lemmas, and an unknown pipeline is run as it is.
        assert self._context is not None
        if self._reads_words or not self._context.is_known:
            return True
        lower = None
        for place, _ in parts:
            search = self._can_matter.get(place)
            if search is not None:
                lower = lower or text.lower()
                if search(lower):
                    return True
        return False

    def _named(self, doc: Any) -> list[Part]:
        if not self._spacy_at:
            return []
        engine = self._nlp_engine
        entities, scores = engine._get_updated_entities(
            engine._get_entities(doc), engine._get_scores_for_entities(doc)
        )
        return self._entities_of(entities, scores)

    def _entities_of(self, entities: Sequence[Any], scores: Sequence[float]) -> list[Part]:
        """SpacyRecognizer.analyze."""
        if not entities:
            return []
        return [
            (
                place,
                [
                    (x.label_, x.start_char, x.end_char, score)
                    for x, score in zip(entities, scores, strict=True)
                    if x.label_ in self._entities
                    and x.label_ in self._all[place].supported_entities
                ],
            )
            for place in self._spacy_at
        ]

    def _plainly(self, text: str, artifacts: Any) -> list[Part]:
        """What recognisers with an `analyze` of their own find."""
        parts: list[Part] = []
        for place, recogniser in self._plain:
            results = recogniser.analyze(
                text=text, entities=self._entities, nlp_artifacts=artifacts
            )
            if results:
                parts.append((place, [(r.entity_type, r.start, r.end, r.score) for r in results]))
        return parts

    def _result(self, text: str, parts: list[Part], artifacts: Any) -> tuple[Finding, ...]:
        """The steps of `analyze` behind the recognisers."""
        if not parts:
            return ()
        if len(parts) > 1:
            parts.sort(key=_place)
        names: dict[Raw, str] = {}
        for place, found in parts:
            recogniser = self._all[place]
            least = self._threshold
            for one in found:
                if artifacts is not None and recogniser.context:
                    one = self._boosted(text, one, recogniser.context, artifacts)
                if one[3] >= (self._least(recogniser, one[0]) if least is None else least):
                    names.setdefault(one, recogniser.name)
        return tuple(
            Finding(start, end, entity, score, names[entity, start, end, score])
            for entity, start, end, score in without_duplicates(list(names))
        )

    def _boosted(self, text: str, one: Raw, words: list[str], artifacts: Any) -> Raw:
        """LemmaContextAwareEnhancer.enhance_using_context."""
        entity, start, end, score = one
        enhancer = self._enhancer
        around = enhancer._extract_surrounding_words(
            nlp_artifacts=artifacts, word=text[start:end], start=start
        )
        mode = enhancer.context_matching_mode
        if enhancer._find_supportive_word_in_context(around, words, mode) == "":
            return one
        raised = max(
            score + enhancer.context_similarity_factor, enhancer.min_score_with_context_similarity
        )
        return entity, start, end, min(raised, 1.0)

    def _least(self, recogniser: Any, entity: str) -> float:
        thresholds = recogniser.score_thresholds
        default = thresholds.get("default", self._analyzer.default_score_threshold)
        least: float = thresholds.get(entity, default)
        return least

    def _stock(self, text: str, artifacts: Any) -> tuple[Finding, ...]:
        results = self._analyzer.analyze(
            text, self._language, nlp_artifacts=artifacts, score_threshold=self._threshold
        )
        return tuple(
            Finding(
                r.start,
                r.end,
                r.entity_type,
                r.score,
                (r.recognition_metadata or {}).get("recognizer_name", ""),
            )
            for r in results
        )


def _place(part: Part) -> int:
    return part[0]
