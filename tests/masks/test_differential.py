"""The fast engine finds what stock Presidio finds: entity, place, score, recogniser and order.

A failure prints the texts and the seed. Millions of strings: `python benchmarks/differential.py`.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from tests.masks._differential import (
    all_recognisers,
    differences,
    fast_engine,
    fuzz,
    stock_engine,
)

DATA = Path(__file__).parents[3] / "shared/data/pii"
NEEDS_DATA = pytest.mark.skipif(not DATA.exists(), reason="../shared/data/pii is absent")
# The same texts on every run; another seed in AGENTTRAIL_SEED makes others.
SEED = int(os.environ.get("AGENTTRAIL_SEED", "20261123"))


def texts_of(name: str) -> list[str]:
    with (DATA / f"{name}.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [row["text"] if "text" in row else row["value"] for row in rows]


@pytest.fixture(scope="module")
def stock():
    return stock_engine(model=False)


@pytest.fixture(scope="module")
def fast(stock):
    return fast_engine(stock)


@pytest.fixture(scope="module")
def stock_with_model():
    return stock_engine(model=True)


def assert_equal(stock, fast, texts, **how):
    assert texts
    unlike = list(differences(stock, fast, texts, **how))
    report = "\n".join(f"{t!r}\n  stock {a}\n  fast  {b}" for t, a, b in unlike[:5])
    assert not unlike, f"seed {SEED}: {len(unlike)} of {len(texts)}\n{report}"


@NEEDS_DATA
@pytest.mark.parametrize(
    "name, most",
    [
        ("presidio_recognizer_cases", 400),
        ("phones_by_phonenumbers", 600),
        ("ids_by_stdnum", 500),
        ("dd_sds_ids", 200),
        ("gitleaks_tp_fp", 200),
        ("en_presidio_generated_large", 700),
        ("en_presidio_synth_v2", 500),
        ("th_thainer13", 300),
    ],
)
def test_patterns_on_known_texts(stock, fast, name, most):
    assert_equal(stock, fast, texts_of(name)[:most])


@NEEDS_DATA
def test_every_recogniser_of_presidio_on_its_own_cases():
    stock = stock_engine(model=False, recognisers=all_recognisers())
    assert_equal(stock, fast_engine(stock), texts_of("presidio_recognizer_cases"))


def test_patterns_on_texts_made_to_be_hard(stock, fast):
    assert_equal(stock, fast, list(fuzz(SEED, 20_000)))


@pytest.mark.parametrize("engine", ["re2", "none"])
def test_findings_do_not_depend_on_the_engine_of_the_prefilter(stock, engine):
    if engine == "re2":
        pytest.importorskip("re2")
    assert_equal(stock, fast_engine(stock, engine), list(fuzz(SEED + 1, 1_000)))


def test_texts_read_together_are_read_as_alone(fast):
    texts = list(fuzz(SEED + 2, 500))
    assert list(fast.patterns(texts)) == [next(fast.patterns([text])) for text in texts]


def test_names_and_context_words_on_texts_made_to_be_hard(stock_with_model):
    fast = fast_engine(stock_with_model)
    words = [
        "his phone number is {}", "credit cards: {}", "the bank's account {}", "let's use {} at us",
        "John Smith's passport {} of Berlin", "driver licences {}", "securities {} saved", "{}",
    ]  # fmt: skip
    rng = random.Random(SEED)
    texts = [rng.choice(words).format(text) for text in fuzz(SEED + 3, 400)]
    assert_equal(stock_with_model, fast, texts, prose=True)


@NEEDS_DATA
def test_names_and_context_words_in_sentences(stock_with_model):
    fast = fast_engine(stock_with_model)
    texts = [text for name in ("en_presidio_generated_small", "en_presidio_generated_large") for text in texts_of(name)]  # fmt: skip
    cases = random.Random(SEED).sample(texts, 400) + texts_of("presidio_recognizer_cases")
    assert_equal(stock_with_model, fast, cases, prose=True)


def test_recognisers_of_users_keep_their_findings():
    """Deny lists, patterns that cannot be relaxed, an analyze and a scoring of their own."""
    from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer, RecognizerResult

    class Own(EntityRecognizer):
        def load(self):
            pass

        def analyze(self, text, entities, nlp_artifacts):
            at = text.find("own")
            return [RecognizerResult("OWN", at, at + 3, 0.7)] if at >= 0 else []

    class Raised(PatternRecognizer):
        def enhance_using_context(self, text, raw_recognizer_results, **others):
            for result in raw_recognizer_results:
                result.score = 0.99 if others["other_raw_recognizer_results"] else 0.11
            return raw_recognizer_results

    recognisers = [
        PatternRecognizer("TITLE", name="titles", deny_list=["Mr.", "คุณ", "様"]),
        PatternRecognizer("FUZZY", name="fuzzy", patterns=[Pattern("f", r"(?:sample){e<=1}", 0.3)]),
        PatternRecognizer("WORD", name="words", patterns=[Pattern("w", r"[[:upper:]]{3}", 0.2)], global_regex_flags=0),
        PatternRecognizer("TWICE", name="twice", patterns=[Pattern("t", r"\b(\w\d)-\1\b", 0.6)]),
        PatternRecognizer("DOT", name="dot", patterns=[Pattern("d", r"é.{2}z", 0.6)]),
        PatternRecognizer("LATE", name="late", patterns=[Pattern("l", r"x(?i)yz", 0.6)]),
        Own(["OWN"], name="own"),
    ]  # fmt: skip
    pieces = ["Mr. ", "คุณ", "様", "sampel", "smple", "ABC", "abc", "a1-a1", "ก๑-ก๑", "éกขz", "xYZ", "own", " ", "-"]  # fmt: skip
    rng = random.Random(SEED)
    texts = ["".join(rng.choices(pieces, k=rng.randint(1, 6))) for _ in range(1_500)]
    stock = stock_engine(model=False, recognisers=recognisers)
    assert_equal(stock, fast_engine(stock), texts)
    raised = [*recognisers, Raised("UP", name="up", patterns=[Pattern("u", "a1", 0.5)])]
    stock = stock_engine(model=False, recognisers=raised)
    assert_equal(stock, fast_engine(stock), texts[:300])
