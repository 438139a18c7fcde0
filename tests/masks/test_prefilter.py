"""No pattern that matches a text is missed, whatever the engine; databases on disk are only a help."""

from __future__ import annotations

import re

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from agenttrail.masks._prefilter import Prefilter, Source, cache_folder
from agenttrail.masks._relax import NotRelaxableError, relax

PATTERNS = [
    (r"\b\d{3}-\d{2}\b", regex.I), (r"(?<!x)a+b?(?=c)", 0), (r"(\w\d)-\1", regex.I), (r"k[a-z]s", regex.I),
    (r"é.{2}z", regex.S), (r"[^\d\s]{3}1", 0), (r"\B-\b", 0), (r"^q|q$", regex.M), (r"(?:ab|\Bcd|)e", 0),
    (r"(?i)straSSe", 0), (r"\S\sx", 0), (r"[ก-๙]{2,}\d", 0), (r"z{2,90}y", regex.I), (r"(?:sample){e<=1}", 0),
    (r"[[:digit:]]f", 0), (r"x(?i)yz", 0), (r"(?:)", 0), (r"[^k]w", regex.I), (r"\b::\b", 0),
    (r"(?<![A-Za-z\d_])\d{2}(?![A-Za-z\d_]|-\d)", 0), (r"(?<=k:\s?)(?<!x)\d+", 0), (r"(?i:k)s(?=ก|e)", 0),
    (r"(?<!\d)\d\d(?!\d)", 0), (r"(?<![a-c])b|a(?![bq])", regex.I), (r"(?<=a)?d(?<!cd)", 0), (r"(?-i:K)d", regex.I),
    (r"(?:(?<=s)e|(?<![x1])1)(?=\W|$)", 0), (r"(?=\w)(?<!_)[ab]{1,3}(?!b)", 0),
]  # fmt: skip
ALPHABET = "_abcdekqsxyzwK SſKıİé\u0e01\u0e01๑1234-: \n\x1cß\u200d::fsample"


@pytest.fixture(scope="module", params=["hyperscan", "re2", "none"])
def prefilter(request):
    if request.param != "none":
        pytest.importorskip(request.param)
    return Prefilter([Source(p, int(flags)) for p, flags in PATTERNS], request.param)


@settings(max_examples=300)
@given(st.lists(st.text(ALPHABET, max_size=12), max_size=8))
def test_every_pattern_that_matches_is_among_the_hits(prefilter, texts):
    for text, hits in zip(texts, prefilter.hits(texts), strict=True):
        matching = {
            i for i, (p, flags) in enumerate(PATTERNS) if any(m.group() for m in regex.finditer(p, text, flags))
        }  # fmt: skip
        assert hits is None or matching <= set(hits)


@pytest.mark.parametrize("engine", ["hyperscan", "re2"])
def test_most_texts_hit_nothing(engine):
    pytest.importorskip(engine)
    prefilter = Prefilter([Source(r"\b\d{3}-\d{2}\b", 0), Source(r"\w+@\w+", 0)], engine)
    texts = ["a", "123-4", "x123-45", "123-45", "", "ก@ข", "๑๒๓-๔๕"]
    assert [hits if hits is None else list(hits) for hits in prefilter.hits(texts)] == [
        [], [], [], [0], [], [1], None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "pattern", [r"(?:a){e<=1}", r"[[:alpha:]]", r"a(?i)b", r"a*", r"(?=x)", r"\p{L}", r"(?a:\w)b"]
)
def test_what_a_relaxed_pattern_could_miss_is_not_relaxed(pattern):
    with pytest.raises(NotRelaxableError):
        relax(pattern, 0, ascii_only=True)


def test_relaxed_patterns_are_patterns_of_bytes():
    for pattern, flags in PATTERNS:
        for ascii_only in (True, False):
            try:
                relaxed = relax(pattern, int(flags), ascii_only=ascii_only)
            except NotRelaxableError:
                continue
            assert relaxed.isascii()
            re.compile(relaxed.encode(), re.DOTALL)


def test_a_damaged_database_is_made_again(tmp_path, monkeypatch):
    pytest.importorskip("hyperscan")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    sources = [Source("ab+c", 0), Source("a(?i)c", 0)]
    assert [list(h) for h in Prefilter(sources).hits(["xabbc", "d"])] == [[0, 1], [1]]
    folder = cache_folder()
    assert folder == tmp_path / "agenttrail"
    kept = {path: path.read_bytes() for path in folder.iterdir()}
    assert len(kept) == 2
    for damage in (b"", b"x" * 100, next(iter(kept.values()))[:-1]):
        for path in kept:
            path.write_bytes(damage)
        assert [list(h) for h in Prefilter(sources).hits(["xabbc", "d"])] == [[0, 1], [1]]
        assert {path: path.read_bytes() for path in folder.iterdir()} == kept


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path, monkeypatch):
    (tmp_path / "agenttrail").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert [list(h) for h in Prefilter([Source("ab", 0)]).hits(["ab", ""])] == [[0], []]
