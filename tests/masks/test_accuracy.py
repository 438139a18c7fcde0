"""Measuring a mask: samples are read as they are written, counts are what a person would count."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from agenttrail.masks._accuracy import (
    Sample,
    Score,
    Span,
    alike,
    frequent,
    language_of,
    measure,
    read_samples,
    shape,
)
from agenttrail.masks._trace import Leaf, Spotted, Trace

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
LABELLED = runpy.run_path(str(BENCHMARKS / "_labelled.py"))
SENTENCES = runpy.run_path(str(BENCHMARKS / "_sentences.py"))
VALIDITY = runpy.run_path(str(BENCHMARKS / "_validity.py"))


class Finds:
    """A mask that finds what it was told: kind and place in the text."""

    def __init__(self, *found: tuple[int, int, str], operator: str = "replace") -> None:
        self.found = [Spotted(start, end, kind, 1.0, "r", operator) for start, end, kind in found]

    def trace(self, texts, *, plain=False):
        return [Trace(text, text, [Leaf("", text, "prose", False, self.found)]) for text in texts]


TEXT = "Ann Lee lives in Rome"
PERSON = Span(0, 7, "PERSON")


@pytest.mark.parametrize(
    "found, labelled_found_masked, findings_right_beside, personal, other",
    [
        ([(0, 7, "PERSON")], (1, 1, 1), (1, 1, 0), 7, 0),
        ([(0, 3, "PERSON")], (1, 1, 0), (1, 1, 0), 3, 0),
        ([(0, 3, "PERSON"), (4, 7, "PERSON")], (1, 1, 1), (2, 2, 0), 6, 0),
        ([(4, 13, "PERSON")], (1, 1, 0), (1, 1, 0), 3, 6),
        ([(17, 21, "PERSON")], (1, 0, 0), (1, 0, 1), 0, 4),
        ([], (1, 0, 0), (0, 0, 0), 0, 0),
    ],
)
def test_counts_of_one_kind(found, labelled_found_masked, findings_right_beside, personal, other):
    score = Score()
    measure(Finds(*found), [Sample(TEXT, (PERSON,), "en")], score)
    row = score.rows["PERSON", "en"]
    assert (row.labelled, row.found, row.masked) == labelled_found_masked
    assert (row.findings, row.right, row.beside) == findings_right_beside
    assert (score.personal_chars, score.personal_masked) == (7, personal)
    assert (score.other_chars, score.other_masked) == (14, other)


def test_a_finding_of_another_kind_masks_but_does_not_find():
    score = Score()
    measure(Finds((0, 7, "LOCATION")), [Sample(TEXT, (PERSON,), "en")], score)
    assert (score.rows["PERSON", "en"].found, score.rows["PERSON", "en"].masked) == (0, 1)
    location = score.rows["LOCATION", "en"]
    assert (location.findings, location.right, location.beside) == (1, 0, 0)
    assert score.as_json()["kinds"][0] == {
        "kind": "LOCATION", "language": "en", "labelled": 0, "found": 0, "masked": 0, "findings": 1,
        "right": 0, "beside": 0, "recall": None, "masked_share": None, "precision": 0.0,
    }  # fmt: skip


def test_what_is_kept_is_not_masked():
    score = Score()
    measure(Finds((0, 7, "PERSON"), operator="keep"), [Sample(TEXT, (PERSON,), "en")], score)
    assert (score.personal_masked, score.rows["PERSON", "en"].masked) == (0, 0)


def test_labels_of_what_is_not_personal_count_in_no_share():
    score = Score()
    sample = Sample(TEXT, (PERSON, Span(17, 21, "DATE")), "en")
    measure(Finds((17, 21, "LOCATION")), [sample], score)
    assert (score.personal_chars, score.other_chars, score.other_masked) == (7, 10, 0)
    assert score.rows["DATE_TIME", "en"].labelled == 1


def test_labels_can_be_renamed_and_passed_over():
    score = Score()
    sample = Sample(TEXT, (Span(0, 7, "WHO"), Span(17, 21, "WHERE")), "en")
    measure(Finds((0, 7, "PERSON")), [sample], score, {"WHO": "PERSON", "WHERE": ""})
    assert set(score.rows) == {("PERSON", "en")}
    assert score.rows["PERSON", "en"].found == 1


@pytest.mark.parametrize(
    "kind, other, same",
    [
        ("PERSON", "PERSON", True),
        ("ADDRESS", "LOCATION", True),
        ("NATIONAL_ID", "TH_TNIN", True),
        ("JP_MY_NUMBER", "TH_TNIN", False),
        ("PERSON", "LOCATION", False),
        ("SECRET", "CREDENTIALS", True),
    ],
)
def test_which_kinds_may_stand_for_one_another(kind, other, same):
    assert alike(kind, other) is alike(other, kind) is same


def test_samples_of_three_forms_are_read():
    """Our own, presidio-evaluator's, and records with paths; what is none of them is a log line."""
    lines = [
        json.dumps({"text": TEXT, "spans": [{"start": 0, "end": 7, "label": "PERSON"}]}),
        "",
        json.dumps(
            {
                "full_text": TEXT, "masked": None, "template_id": 3,
                "spans": [{"entity_type": "PERSON", "entity_value": "Ann Lee", "start_position": 0, "end_position": 7}],
            }
        ),
        json.dumps({"record": {"a": [1, "Ann"]}, "lang": "xx", "spans": [{"path": "a.1", "start": 0, "end": 3, "label": "PERSON"}]}),
        '{"level": "info", "text": "no spans here"}',
        "plain line",
    ]  # fmt: skip
    first, second, record, log, plain = read_samples(lines)
    assert first == second == Sample(TEXT, (PERSON,), "en")
    assert (record.text, record.language, record.record) == ('{"a":[1,"Ann"]}', "xx", True)
    assert record.spans == (Span(0, 3, "PERSON", "a.1"),)
    assert (log.spans, plain.spans) == (None, None)


def test_an_array_of_samples_is_read_over_many_lines():
    """As presidio-evaluator writes a data set; an array that is none is lines of a log."""
    item = {"full_text": TEXT, "spans": [{"entity_type": "PERSON", "start_position": 0, "end_position": 7}]}  # fmt: skip
    text = json.dumps([item, item], indent=2)
    assert list(read_samples(text.splitlines())) == [Sample(TEXT, (PERSON,), "en")] * 2
    assert [s.text for s in read_samples(["[1, 2]", "[3]"])] == ["[1, 2]", "[3]"]


@pytest.mark.parametrize(
    "spans, message",
    [
        ([{"start": 0, "end": 99, "label": "X"}], "line 2: a span stands outside its text"),
        ([{"start": 5, "end": 5, "label": "X"}], "line 2: a span stands outside its text"),
        ([{"start": -1, "end": 5, "label": "X"}], "line 2: a span stands outside its text"),
        ([{"start": 0, "end": 5}], "line 2: a span needs start, end and label"),
    ],
)
def test_a_wrong_label_is_told_by_its_line(spans, message):
    lines = ["{}", json.dumps({"text": TEXT, "spans": spans})]
    with pytest.raises(ValueError, match=message):
        list(read_samples(lines))


def test_a_label_at_a_path_that_is_not_there_is_told():
    sample = Sample('{"a":"b"}', (Span(0, 1, "PERSON", "c"),), "en", record=True)
    with pytest.raises(ValueError, match="a path that its record does not have"):
        measure(Finds(), [sample], Score())


@pytest.mark.parametrize(
    "text, language",
    [
        ("Ann", "en"),
        ("คุณ Ann", "th"),
        ("ທ່ານ", "lo"),
        ("山田さん", "ja"),
        ("カナ", "ja"),
        ("", "en"),
    ],
)
def test_the_language_of_a_text_is_that_of_its_script(text, language):
    assert language_of(text) == language


@pytest.mark.parametrize(
    "value, expected",
    [
        ("bob.smith@example.com", "a.a@a.a"),
        ("+66 81-234", "+99 99-999"),
        ("John McLane", "A A"),
        ("สมชาย ๑๒", "a 99"),
        ("x" * 50 + " 1" * 30, "a" + " 9" * 19 + "…"),
    ],
)
def test_a_shape_shows_no_letter_and_no_digit(value, expected):
    assert shape(value) == expected


def test_frequent_findings_are_counted_by_shape_and_key(mask):
    lines = [f'{{"rows":[{{"ip":"10.0.0.{i}"}},{{"ip":"10.0.0.{i}"}}]}}' for i in (1, 2)]
    shapes: Counter = Counter()
    values: Counter = Counter()
    assert frequent(mask.trace(lines), shapes, values) == 4
    ((top, number),) = shapes.most_common()
    assert (top.entity, top.shape, top.path, number) == ("IP_ADDRESS", "99.9.9.9", "rows.ip", 4)
    assert values["IP_ADDRESS", "10.0.0.1"] == 2


def test_places_found_are_those_of_the_text_as_it_came(mask):
    """Also where it took several rounds, in keys, and in JSON in a string."""
    text = 'bob@example.com, 081-234-5678 and "eve@example.com"'
    inner = json.dumps({"to": text, "eve@example.com": 4111111111111111})
    (plain, nested) = mask.trace([text, json.dumps({"j": inner})])
    for traced in (plain, nested):
        seen = {
            (leaf.path, leaf.key, leaf.text[x.start : x.end], x.entity)
            for leaf in traced.leaves
            for x in leaf.findings
        }
        path = "" if traced is plain else "j.to"
        for value, kind in (
            ("bob@example.com", "EMAIL_ADDRESS"),
            ("081-234-5678", "PHONE_NUMBER"),
            ("eve@example.com", "EMAIL_ADDRESS"),
        ):
            assert (path, False, value, kind) in seen
    assert ("j", True, "eve@example.com", "EMAIL_ADDRESS") in seen
    assert ("j.<EMAIL_ADDRESS>", False, "4111111111111111", "CREDIT_CARD") in seen


def test_a_trace_masks_what_an_event_masks(mask, text):
    """Measured is what is delivered."""
    for line in ("call 081-234-5678, ask bob@example.com", '{"email":"x","n":[1.10]}', "", "a  b"):
        (traced,) = mask.trace([line])
        assert traced.masked == text(line)


def test_a_text_seen_before_is_traced_all_the_same(mask):
    for _ in range(3):
        (traced,) = mask.trace(['{"note":"see v2 of it"}'])
        assert [(leaf.path, leaf.mode) for leaf in traced.leaves] == [("note", "prose")]


def test_labelled_logs_are_the_same_for_a_seed_and_true_to_their_labels():
    samples = list(LABELLED["samples"](seed=3, records=80))
    assert samples == list(LABELLED["samples"](seed=3, records=80))
    assert samples != list(LABELLED["samples"](seed=4, records=80))
    assert {s["lang"] for s in samples} == {"en", "th", "ja", "lo"}
    read = list(read_samples(map(json.dumps, samples)))
    assert all(s.record and s.spans is not None for s in read)
    assert any(not s.spans for s in read)


def test_personal_data_in_labelled_agent_logs_is_masked(mask):
    """Not one structured value of these logs may get lost: a floor, benchmarks/accuracy.py has the table."""
    score = Score()
    samples = read_samples(map(json.dumps, LABELLED["samples"](seed=5, records=150)))
    measure(mask, samples, score)
    for kind in ("EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "IP_ADDRESS", "MAC_ADDRESS", "TH_TNIN", "JP_MY_NUMBER", "US_SSN", "SECRET"):  # fmt: skip
        rows = [row for (of, _), row in score.rows.items() if of == kind]
        labelled = sum(row.labelled for row in rows)
        assert labelled > 0, kind
        assert sum(row.masked for row in rows) >= 0.97 * labelled, kind
    assert score.personal_masked >= 0.97 * score.personal_chars
    assert score.other_masked <= 0.05 * score.other_chars


def test_labels_of_invalid_values_have_a_row_of_their_own_and_count_in_no_share():
    """Neither is it a miss not to find them, nor a mistake to mask them."""
    text = "cards 4111111111111111 and 4111111111111112"
    spans = (Span(6, 22, "CREDIT_CARD"), Span(27, 43, "CREDIT_CARD"))
    score = Score()
    both = Finds((6, 22, "CREDIT_CARD"), (27, 43, "CREDIT_CARD"))
    measure(both, [Sample(text, spans, "en")], score, is_invalid=VALIDITY["is_invalid"])
    rows = {kind: (row.labelled, row.found) for (kind, _), row in score.rows.items()}
    assert rows == {"CREDIT_CARD": (1, 1), "CREDIT_CARD (invalid)": (1, 1)}
    assert score.rows["CREDIT_CARD", "en"].right == 2
    assert (score.personal_chars, score.other_chars, score.other_masked) == (16, 11, 0)


@pytest.mark.parametrize(
    "kind, valid, invalid",
    [
        ("CREDIT_CARD", "4111 1111 1111 1111", "4111 1111 1111 1112"),
        ("CREDIT_CARD", "675984103431", "42"),
        ("PHONE_NUMBER", "785 8949", "191"),  # Iceland has seven digits; an emergency number
        ("PHONE_NUMBER", "(88) 684-334", "1 2"),
        ("IBAN_CODE", "DE89 3704 0044 0532 0130 00", "DE88 3704 0044 0532 0130 00"),
        ("IP_ADDRESS", "2001:db8::1", "300.1.1.1"),
        ("US_SSN", "219-09-9999", "911-89-1234"),
        ("PERSON", "anything", None),
    ],
)
def test_a_rule_says_which_labelled_values_are_none_of_their_kind(kind, valid, invalid):
    assert not VALIDITY["is_invalid"](kind, valid)
    assert invalid is None or VALIDITY["is_invalid"](kind, invalid)


def test_sentences_of_our_own_are_true_to_their_labels():
    made = list(SENTENCES["sentences"](seed=2, each=40))
    assert made == list(SENTENCES["sentences"](seed=2, each=40))
    read = list(read_samples(map(json.dumps, made)))
    assert {s.language for s in read} == {"ja", "lo", "th"}
    for sample in read:
        values = SENTENCES["VALUES"][sample.language]
        assert all(sample.text[s.start : s.end] in values[s.label] for s in sample.spans)
    assert any(not s.spans for s in read)


def test_the_table_sets_the_profiles_side_by_side():
    """benchmarks/accuracy.py as it is run, on the sentences, which need no shared data."""
    said = subprocess.run(
        [sys.executable, str(BENCHMARKS / "accuracy.py"), "--only", "own_sentences", "--profile", "balanced", "--profile", "fast"],
        capture_output=True, text=True, check=True, timeout=120,
    ).stdout  # fmt: skip
    assert "balanced" in said.split("\n")[2]
    assert "fast" in said.split("\n")[2]
    (row,) = (
        line for line in said.splitlines() if line.startswith("PHONE_NUMBER") and " th " in line
    )
    numbers = [float(x) for cell in row.split("|")[1:] for x in cell.split()]
    assert len(numbers) == 4
    assert min(numbers) >= 97
