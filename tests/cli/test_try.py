"""`agenttrail try`: a record after each stage, with what was masked marked."""

from pathlib import Path

import pytest

from tests.cli._run import agenttrail
from tests.cli.test_run import wire


def test_a_record_is_shown_after_each_stage(tmp_path: Path) -> None:
    """As it was read, as an event, masked with every finding named, and as a line."""
    (tmp_path / "a.jsonl").write_bytes(wire(1, "ask somchai@example.com"))
    done = agenttrail(tmp_path, "try", "a.jsonl")
    assert done.code == 0, done.err
    read, event, masked, line = done.out.split("─ ")[1:]
    assert "record, as it was read" in read
    assert "a.jsonl:2" in read
    assert 'gen_ai.tool.call.arguments = {"text":"ask somchai@example.com"}' in event
    assert 'gen_ai.tool.call.arguments = {"text":"ask <EMAIL_ADDRESS>"}' in masked
    assert "^ EMAIL_ADDRESS 1.00 by EmailRecognizer at gen_ai.tool.call.arguments.text" in masked
    assert "somchai" not in line


def test_the_events_of_one_line_can_be_asked_for(tmp_path: Path) -> None:
    """Also where the line is the answer to an earlier one."""
    (tmp_path / "a.jsonl").write_bytes(wire(1, "first") + wire(2, "second"))
    done = agenttrail(tmp_path, "try", "a.jsonl", "--line", "4")
    assert "second" in done.out
    assert "first" not in done.out


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["a.jsonl", "--line", "99"], 1, "no event was made of line 99"),
        (["a.jsonl", "-n", "0"], 2, "--events must be at least 1"),
        (["no.log"], 1, "no file to read at no.log"),
        (["a.jsonl", "-f", "mcp"], 2, "no format is called 'mcp'"),
        (["a.jsonl", "-f", "codex", "-c", "p.yaml"], 2, "--format has no effect with --config"),
    ],
)
def test_wrong_use_is_one_clear_sentence(
    tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    """Never a traceback."""
    (tmp_path / "a.jsonl").write_bytes(wire(1))
    done = agenttrail(tmp_path, "try", *arguments)
    assert (done.code, "Traceback" in done.err) == (code, False)
    assert message in done.err


def test_a_pipelines_enrichers_are_shown_too(tmp_path: Path) -> None:
    """With -c: its format, enrichers and mask."""
    (tmp_path / "a.jsonl").write_bytes(wire(1))
    (tmp_path / "p.yaml").write_text(
        "sources: [stdin]\nsinks: [{type: jsonl, path: o}]\n"
        "enrichers: [{type: set_fields, fields: {organization.name: Example}}]\n"
    )
    done = agenttrail(tmp_path, "try", "a.jsonl", "-c", "p.yaml")
    assert 'organization.name = "Example"' in done.out
