"""Whether a context word can raise the score of a finding: if not, no lemma is needed.

Presidio raises a score where one of a recogniser's context words is part of the lemma of a word
before the finding. A lemma is the word itself in lower case, or what spaCy's English rules, their
exceptions and the attribute ruler make of it. Turning these tables around gives, for each context
word, the pieces one of which a text must hold for any lemma in it to hold the word. The tables are
those of the loaded model.

Source: spaCy 3.8, pipeline/lemmatizer.py (`rule_lemmatize`) and lang/en/lemmatizer.py;
presidio-analyzer 2.2.366, context_aware_enhancers/lemma_context_aware_enhancer.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

# The pipeline of spaCy's small, medium and large English models, in this order.
_KNOWN_PIPELINE = ("tok2vec", "tagger", "parser", "attribute_ruler", "lemmatizer", "ner")
# What only lemmas need. The parser stays: NER keeps to the sentences that it finds.
LEMMA_PIPES = ("tagger", "attribute_ruler", "lemmatizer")


class ContextWords:
    """May a text, in lower case, hold a lemma with one of these words in it?"""

    def __init__(self, nlp: Any) -> None:
        """Reads the tables of a spaCy pipeline; of an unknown one every text is held possible."""
        self.is_known = (
            tuple(nlp.pipe_names) == _KNOWN_PIPELINE
            and nlp.get_pipe("lemmatizer").mode == "rule"
            and nlp.lang == "en"
        )
        self._rules: set[tuple[str, str]] = set()
        self._lemmas: list[tuple[str, tuple[str, ...] | None]] = []
        if self.is_known:
            tables = nlp.get_pipe("lemmatizer").lookups
            rules = tables.get_table("lemma_rules")
            self._rules = {(old, new) for table in rules.values() for old, new in table}
            self._lemmas = [*_exceptions(nlp, tables), *_ruled(nlp.get_pipe("attribute_ruler"))]

    def search(self, words: Iterable[str]) -> Callable[[str], object] | None:
        """The test for some words; None where no text can pass it."""
        forms: set[str] = set()
        # A lemma is one token, and English tokens hold no space.
        for word in {word.lower() for word in words if " " not in word}:
            pieces = self._pieces(word)
            if pieces is None:
                return lambda _text: True
            forms |= pieces
        if not forms:
            return None
        return re.compile("|".join(map(re.escape, sorted(forms)))).search

    def _pieces(self, word: str) -> set[str] | None:
        """Pieces of text, one of which stands behind any lemma with the word; None if any text."""
        if not self.is_known or not word:
            return None
        pieces = {word}
        for old, new in self._rules:
            # lemma = stem + new where the text has stem + old: the word may end inside `new` …
            for cut in range(1, len(new) + 1):
                if word.endswith(new[:cut]) and not old.startswith(new[:cut]):
                    pieces.add(word[:-cut] + old)
            # … or stand wholly inside it.
            if word in new and word not in old:
                pieces.add(old)
        if "" in pieces:
            return None
        for lemma, surfaces in self._lemmas:
            if word not in lemma:
                continue
            if surfaces is None:
                return None
            pieces.update(
                surface for surface in surfaces if not any(piece in surface for piece in pieces)
            )
        return pieces


def _exceptions(nlp: Any, tables: Any) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    strings = nlp.vocab.strings
    for table in tables.get_table("lemma_exc").values():
        for surface, lemmas in table.items():
            text = strings[surface] if isinstance(surface, int) else surface
            for lemma in lemmas:
                yield lemma.lower(), (text.lower(),)


def _ruled(ruler: Any) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    for rule in ruler.patterns:
        lemma = rule["attrs"].get("LEMMA")
        if lemma is None:
            continue
        for pattern in rule["patterns"]:
            token = pattern[rule.get("index", 0)]
            said = token.get("LOWER", token.get("ORTH"))
            if isinstance(said, dict) and set(said) == {"IN"}:
                yield lemma.lower(), tuple(text.lower() for text in said["IN"])
            else:
                yield lemma.lower(), (said.lower(),) if isinstance(said, str) else None
