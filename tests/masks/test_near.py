"""Patterns run near their hits only: the matches are those of a search of the whole text."""

from __future__ import annotations

import random

import pytest
import regex

from agenttrail.masks._near import Near, reach
from agenttrail.masks._prefilter import Prefilter, Source
from agenttrail.recognizers import all_recognizers
from tests.masks._differential import all_recognisers, fuzz

CASES = (
    "โทร 081-234-5678 ครับ เลขบัตร 1-1017-00207-36-6 ที่อยู่ 99/1 ถนนสุขุมวิท แขวงคลองเตย เขตคลองเตย กรุงเทพมหานคร 10110",
    "〒100-0001 東京都千代田区千代田1-1 電話番号は03-1234-5678、マイナンバー 1234 5678 9018",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345 and DE89 3704 0044 0532 0130 00, 4111 1111 1111 1111",
    "192.0.2.1 2001:db8::1 00:1A:2B:3C:4D:5E bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq 219-09-9999",
)


def test_matches_are_those_of_a_search_of_everything() -> None:
    recognisers = [*all_recognisers()[:-1], *all_recognizers()]
    patterns = [
        (p.regex, int(r.global_regex_flags))
        for r in recognisers
        for p in getattr(r, "patterns", ())
    ]
    nears = [Near(*pattern, 10) for pattern in patterns]
    assert sum(reach(*pattern) is not None for pattern in patterns) > 200
    prefilter = Prefilter([Source(*pattern) for pattern in patterns])
    rng = random.Random(20_261_125)
    pieces = [*fuzz(20_261_125, 600), *CASES * 20]
    rng.shuffle(pieces)
    # Long enough for windows, with hits close to one another and far apart.
    texts = [rng.choice((" ", "\n", "", " a word between them " * 40)).join(pieces[i : i + 6]) for i in range(0, len(pieces), 6)]  # fmt: skip
    found = 0
    for text, hits in zip(texts, prefilter.hits(texts), strict=True):
        for number, places in ({} if hits is None else hits).items():
            near = nears[number]
            expected = [m.span() for m in near.pattern.finditer(text) if m.end() > m.start()]
            matches = near.matches(text, places)
            assert [m.span() for m in matches if m.end() > m.start()] == expected, (text, patterns[number])  # fmt: skip
            found += len(expected)
    assert found > 500


@pytest.mark.parametrize(
    "pattern", [r"a{3,}", r"^ab", r"ab$", r"(?<=x.*)ab", r"\Aab", r"a(?=.*b)", r"(?:ab){200,500}"]
)
def test_a_pattern_without_bound_or_at_the_ends_of_a_text_searches_everything(pattern: str) -> None:
    assert reach(pattern, 0) is None


def test_a_match_that_begins_in_another_window_takes_its_text() -> None:
    near = Near(r"\d{3}-\d{3}|3-9", 0, 10)
    text = "x" * 60 + "123-456" + "3-9" + "y" * 60 + "3-9"
    every = [at for at in range(len(text)) if regex.match(r"\d", text[at - 1 : at])]
    assert [m.group() for m in near.matches(text, every)] == ["123-456", "3-9", "3-9"]


def test_patterns_that_are_not_compiled_at_the_start_can_be() -> None:
    for recogniser in [*all_recognisers()[:-1], *all_recognizers()]:
        for pattern in getattr(recogniser, "patterns", ()):
            regex.compile(pattern.regex, int(recogniser.global_regex_flags))
