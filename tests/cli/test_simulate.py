"""`agenttrail simulate`: a folder that the next command can read."""

import json
from pathlib import Path

from tests.cli._run import agenttrail


def test_a_folder_with_logs_settings_and_truth_is_written(tmp_path: Path) -> None:
    """And says what comes next; totals for machines."""
    done = agenttrail(tmp_path, "simulate", "out", "--days", "3", "--tasks-per-day", "5", "--json")

    assert done.code == 0, done.err
    total = json.loads(done.out)
    truth = [json.loads(line) for line in (tmp_path / "out" / "truth.jsonl").read_text().splitlines()]  # fmt: skip
    assert truth[-1] == total
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"agents.yaml", "policy.yaml", "prices.yaml", "pipeline.yaml", "truth.jsonl"}  # fmt: skip
    assert "agenttrail run -c pipeline.yaml" in done.err


def test_mistakes_are_told(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for arguments, said in (
        (["full"], "is not empty"), (["out", "--start", "soon"], "is no day"), (["out", "--days", "0"], "--days must be"),
    ):  # fmt: skip
        done = agenttrail(tmp_path, "simulate", *arguments)
        assert (done.code, said in done.err) == (2, True), done.err
