"""`agenttrail mask`: plain text and JSON lines masked, and why."""

import json
from pathlib import Path

import pytest

from tests.cli._run import agenttrail

PIPELINE = "sources: [stdin]\nsinks: [{type: jsonl, path: o}]\n"


def test_each_line_is_masked_and_json_stays_json(tmp_path: Path) -> None:
    """Empty lines stay, a line in which nothing is found stays byte for byte."""
    lines = [
        "mail bob@example.com",
        "",
        '{"to": "bob@example.com", "args": "{\\"card_number\\": 4111111111111111}"}',
        '{"a": 1.10,  "b": []}',
    ]
    (tmp_path / "a.log").write_text("\n".join(lines) + "\n")
    done = agenttrail(tmp_path, "mask", "a.log")
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        "mail <EMAIL_ADDRESS>",
        "",
        '{"to":"<EMAIL_ADDRESS>","args":"{\\"card_number\\":\\"<CREDIT_CARD>\\"}"}',
        lines[3],
    ]


def test_text_stands_for_itself_and_a_dash_for_standard_input(tmp_path: Path) -> None:
    """What is no file is the text."""
    assert agenttrail(tmp_path, "mask", "call 081-234-5678").out == "call <PHONE_NUMBER>\n"
    done = agenttrail(tmp_path, "mask", "-", stdin=b"\xffcall 081-234-5678\r\n")
    assert done.out == "\ufffdcall <PHONE_NUMBER>\n"


def test_findings_as_json_hold_no_value(tmp_path: Path) -> None:
    """Where, what, by whom, and what became of it."""
    done = agenttrail(tmp_path, "mask", "--json", '{"to":["bob@example.com"]}')
    said = json.loads(done.out)
    assert said["masked"] == '{"to":["<EMAIL_ADDRESS>"]}'
    (found,) = said["findings"]
    assert (found["path"], found["start"], found["end"]) == ("to.0", 0, 15)
    assert (found["entity"], found["operator"]) == ("EMAIL_ADDRESS", "replace")
    assert "bob" not in done.out


def test_explain_says_why_for_every_candidate(tmp_path: Path) -> None:
    """Masked, kept, excluded, under the threshold, noise, and what gave way to another."""
    (tmp_path / "p.yaml").write_text(
        PIPELINE + "mask:\n  type: presidio\n"
        "  operators: {IP_ADDRESS: {type: keep, reason: our own hosts}}\n"
    )
    text = "bob%40example.com from 10.1.2.3 took v2 of 12345678, seen 2026-01-02 10:11:12"
    done = agenttrail(tmp_path, "mask", "--explain", "-c", "p.yaml", text)
    assert done.code == 0, done.err
    first, second, *rows = done.out.splitlines()
    assert first == text
    assert second == "<EMAIL_ADDRESS> from 10.1.2.3 took v2 of 12345678, seen 2026-01-02 10:11:12"
    for expected in (
        "masked  EMAIL_ADDRESS 1.00 'bob%40example.com' at 0-17",
        "kept    IP_ADDRESS",
        "kept for a written reason",
        "dropped US_DRIVER_LICENSE 0.30 'v2'",
        "excluded by exclude_entities",
        "dropped US_BANK_NUMBER 0.05 '12345678' at 43-51",
        "under score_threshold 0.4",
    ):
        assert any(expected in row for row in rows), expected


def test_explain_as_json_names_each_candidate(tmp_path: Path) -> None:
    """For programs: outcome and reason beside place and recogniser."""
    done = agenttrail(tmp_path, "mask", "--explain", "--json", "see v2, bob@example.com")
    candidates = {c["entity"]: c for c in json.loads(done.out)["candidates"]}
    assert candidates["EMAIL_ADDRESS"]["outcome"] == "masked"
    assert candidates["EMAIL_ADDRESS"]["reading"] == "as written"
    assert candidates["US_DRIVER_LICENSE"]["outcome"] == "dropped"
    assert candidates["US_DRIVER_LICENSE"]["value"] == "v2"


def test_the_pseudonyms_of_a_value_can_be_asked_for(tmp_path: Path) -> None:
    """Under every key, the current one first, to search older lines for one person."""
    (tmp_path / "k1.key").write_text("01" * 32)
    (tmp_path / "k2.key").write_text("02" * 32)
    (tmp_path / "p.yaml").write_text(
        PIPELINE + "mask:\n  type: presidio\n  operators: {EMAIL_ADDRESS: pseudonym}\n"
        "  pseudonym_keys: [{id: k2, file: k2.key}, {id: k1, file: k1.key}]\n"
    )
    ask = ("mask", "-c", "p.yaml", "--kind", "EMAIL_ADDRESS")
    new, old = agenttrail(tmp_path, *ask, "BOB@example.com").out.splitlines()
    assert (new[:18], old[:18]) == ("<EMAIL_ADDRESS:k2:", "<EMAIL_ADDRESS:k1:")
    assert agenttrail(tmp_path, "mask", "-c", "p.yaml", "to bob@example.com").out == f"to {new}\n"
    said = agenttrail(tmp_path, *ask, "bob@example.com", "--json").out
    assert json.loads(said) == {"markers": [new, old]}


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["-c", "no.yaml", "x"], "no.yaml: cannot be read"),
        (["--kind", "EMAIL", "x"], "nothing finds the kind EMAIL"),
        (["--kind", "PERSON", "--explain", "x"], "--explain has no effect with --kind"),
        ([], "the following arguments are required"),
    ],
)
def test_wrong_use_is_one_clear_sentence(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    """Never a traceback."""
    done = agenttrail(tmp_path, "mask", *arguments)
    assert (done.code, "Traceback" in done.err) == (2, False)
    assert message in done.err
