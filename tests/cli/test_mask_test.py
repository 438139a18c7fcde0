"""`agenttrail mask-test`: what the mask does on a user's own lines."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli._run import BINARY, agenttrail

TEXT = "Mail bob@example.com, order 4711"
SAMPLES = [
    {"text": TEXT, "spans": [{"start": 5, "end": 20, "label": "EMAIL"}]},
    {"full_text": "code abc", "spans": [{"entity_type": "SECRET", "start_position": 5, "end_position": 8}]},
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Labelled samples, and a log without labels."""
    (tmp_path / "labelled.jsonl").write_text("\n".join(map(json.dumps, SAMPLES)))
    log = [f'{{"from":"10.0.0.{i}","to":"bob@example.com"}}' for i in range(3)]
    (tmp_path / "agent.log").write_text("\n".join([*log, "nothing here"]))
    return tmp_path


def test_labelled_lines_give_recall_and_precision(folder: Path) -> None:
    """By kind and language, and in characters."""
    done = agenttrail(folder, "mask-test", "labelled.jsonl")
    assert done.code == 0, done.err
    first, head, *rows = done.out.splitlines()
    assert first == (
        "2 samples; masked: 83.3 % of 18 personal characters, 0.0 % of 22 others"
    )  # fmt: skip
    assert head.split()[:3] == ["kind", "lang", "labelled"]
    assert [row.split() for row in rows] == [
        ["EMAIL_ADDRESS", "en", "1", "100.0", "%", "100.0", "%", "1", "100.0", "%"],
        ["SECRET", "en", "1", "0.0", "%", "0.0", "%", "0", "-"],
    ]


def test_unlabelled_lines_give_the_most_frequent_findings(folder: Path) -> None:
    """By kind, shape and key, without a value."""
    done = agenttrail(folder, "mask-test", "agent.log", "--top", "5")
    assert done.out.splitlines() == [
        "4 lines without labels, 6 findings; the most frequent:",
        "       3 IP_ADDRESS 99.9.9.9  at from",
        "       3 EMAIL_ADDRESS a@a.a  at to",
    ]


def test_json_holds_both(folder: Path) -> None:
    """Shares from 0 to 1."""
    text = (folder / "labelled.jsonl").read_text() + "\n" + (folder / "agent.log").read_text()
    done = agenttrail(folder, "mask-test", "-", "--json", "--label", "SECRET=", stdin=text.encode())
    said = json.loads(done.out)
    assert said["labelled"]["samples"] == 2
    assert said["labelled"]["personal_masked"] == 1.0
    assert [row["kind"] for row in said["labelled"]["kinds"]] == ["EMAIL_ADDRESS"]
    assert said["unlabelled"]["findings"] == 6
    assert said["unlabelled"]["frequent"][0] == {
        "kind": "IP_ADDRESS", "shape": "99.9.9.9", "path": "from", "findings": 3,
    }  # fmt: skip
    assert "bob" not in done.out


def test_values_are_shown_on_a_terminal_where_they_are_asked_for(folder: Path) -> None:
    """So that false positives can be named."""
    master, slave = os.openpty()
    with subprocess.Popen(
        [BINARY, "mask-test", "agent.log", "--show-values"],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        os.close(slave)
        shown = b""
        while b"10.0.0.2" not in shown:
            shown += os.read(master, 4096)
        os.close(master)
    assert process.returncode == 0
    assert b"3 EMAIL_ADDRESS 'bob@example.com'" in shown


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["agent.log", "--show-values"], "--show-values is for a terminal"),
        (["agent.log", "--top", "0"], "--top must be at least 1"),
        (["agent.log", "--label", "X"], "--label needs LABEL=KIND"),
        (["no.log"], "no.log cannot be read"),
        (["empty.log"], "empty.log holds no line"),
        (["wrong.jsonl"], "wrong.jsonl: line 1: a span stands outside its text"),
        (["agent.log", "-c", "p.yaml", "--profile", "fast"], "--profile has no effect"),
    ],
)  # fmt: skip
def test_wrong_use_is_one_clear_sentence(folder: Path, arguments: list[str], message: str) -> None:
    """Never a traceback, never a value."""
    (folder / "empty.log").write_text("\n")
    wrong = {"text": "bob", "spans": [{"start": 0, "end": 9, "label": "X"}]}
    (folder / "wrong.jsonl").write_text(json.dumps(wrong))
    done = agenttrail(folder, "mask-test", *arguments)
    assert (done.code, "Traceback" in done.err) == (2, False)
    assert message in done.err
