"""`agenttrail unmask`: values back for who holds the key, and on record before they are shown."""

import json
from pathlib import Path

import jsonschema
import pytest

from agenttrail import fields as f
from tests.cli._run import agenttrail

LINES = [
    '{"to":"bob@example.com","note":"say \\"hi\\" to bob@example.com","n":1.10}',
    '{"args":"{\\"phone\\":\\"081-234-5678\\"}"}',
    "mail eve@example.com now",
    "nothing in here",
]
PIPELINE = (
    "sources: [stdin]\nsinks: [{type: jsonl, path: o}]\n"
    "mask:\n  type: presidio\n  operator: encrypt\n  encryption_keys: [{id: e1, file: e1.key}]\n"
)
WHY = ("--reason", "case 17", "--audit-log", "audit.jsonl")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a key, a pipeline, the lines masked, and another key."""
    (tmp_path / "e1.key").write_text("07" * 32)
    (tmp_path / "other.key").write_text("08" * 32)
    (tmp_path / "p.yaml").write_text(PIPELINE)
    done = agenttrail(tmp_path, "mask", "-c", "p.yaml", "-", stdin="\n".join(LINES).encode())
    assert done.code == 0, done.err
    assert "example.com" not in done.out
    (tmp_path / "masked.log").write_text(done.out)
    return tmp_path


@pytest.mark.parametrize(
    "key", [["--key-file", "e1.key"], ["--key-file", "e1=e1.key"], ["-c", "p.yaml"]]
)
def test_values_come_back_where_they_were(folder: Path, key: list[str]) -> None:
    """Also in JSON in strings, which stays JSON."""
    done = agenttrail(folder, "unmask", *key, *WHY, "masked.log")
    assert (done.code, done.out.splitlines()) == (0, LINES)
    assert "4 values decrypted, recorded in audit.jsonl" in done.err


def test_standard_input_can_be_unmasked(folder: Path) -> None:
    """It is read before the record is written."""
    masked = (folder / "masked.log").read_bytes()
    done = agenttrail(folder, "unmask", "--key-file", "e1.key", *WHY, "-", stdin=masked)
    assert done.out.splitlines() == LINES


def test_who_when_why_and_how_many_are_recorded(folder: Path) -> None:
    """As an event of our schema, which a run can ship; never a value."""
    agenttrail(folder, "unmask", "--key-file", "e1.key", *WHY, "masked.log")
    agenttrail(folder, "unmask", "--key-file", "e1.key", *WHY, "masked.log")
    text = (folder / "audit.jsonl").read_text()
    assert "example.com" not in text
    first, second = map(json.loads, text.splitlines())
    jsonschema.Draft202012Validator(f.json_schema()).validate(first)
    assert first["event"]["id"] != second["event"]["id"]
    assert first["event"]["action"] == "unmask"
    assert first["event"]["outcome"] == "success"
    assert first["event"]["reason"] == "case 17"
    assert first["user"]["name"]
    assert first["agenttrail"]["source"]["file"] == "masked.log"
    assert first["agenttrail"]["pii"]["unmasked"] == {"EMAIL_ADDRESS": 3, "PHONE_NUMBER": 1}
    assert (folder / "audit.jsonl").stat().st_mode & 0o777 == 0o600
    done = agenttrail(folder, "run", "--input", "audit.jsonl", "--output", "-")
    assert json.loads(done.out.splitlines()[0])["event"]["action"] == "unmask"


def test_another_key_opens_nothing_and_that_is_recorded_too(folder: Path) -> None:
    """The lines come as they are, the exit code says that something is left."""
    done = agenttrail(folder, "unmask", "--key-file", "other.key", *WHY, "masked.log")
    assert (done.code, done.out) == (1, (folder / "masked.log").read_text())
    event = json.loads((folder / "audit.jsonl").read_text())
    assert event["event"]["outcome"] == "failure"
    assert event["agenttrail"]["pii"]["unmasked"] == {}


def test_a_key_with_an_id_opens_only_its_own_markers(folder: Path) -> None:
    """A marker says e1; the same bytes given as e2 are another key."""
    done = agenttrail(folder, "unmask", "--key-file", "e2=e1.key", *WHY, "masked.log")
    assert (done.code, done.out) == (1, (folder / "masked.log").read_text())


def test_what_cannot_be_recorded_is_not_shown(folder: Path) -> None:
    """No record, no value."""
    done = agenttrail(
        folder, "unmask", "--key-file", "e1.key", "--reason", "case 17",
        "--audit-log", "no/such/audit.jsonl", "masked.log",
    )  # fmt: skip
    assert (done.code, done.out) == (1, "")
    assert "it must be on record" in done.err


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([*WHY, "masked.log"], "no key"),
        (["--key-file", "e1.key", "--audit-log", "a", "masked.log"], "--reason"),
        (["--key-file", "e1.key", "--reason", "x", "masked.log"], "--audit-log"),
        (["--key-file", "e1.key", "--reason", " ", "--audit-log", "a", "masked.log"], "must say why"),
        (["--key-file", "no.key", *WHY, "masked.log"], "cannot be read"),
        (["--key-file", "p.yaml", *WHY, "masked.log"], "32 bytes as hex or base64"),
        (["--key-file", "x9y=e1.key", *WHY, "masked.log"], "small letter"),
        (["--key-file", "e1.key", *WHY, "no.log"], "no.log cannot be read"),
    ],
)  # fmt: skip
def test_wrong_use_shows_nothing(folder: Path, arguments: list[str], message: str) -> None:
    """One clear sentence, and no record of what did not happen."""
    done = agenttrail(folder, "unmask", *arguments)
    assert (done.code, done.out, "Traceback" in done.err) == (2, "", False)
    assert message in done.err
    assert not (folder / "audit.jsonl").exists()
