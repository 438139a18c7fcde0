"""`agenttrail report`: a page and JSON out of masked lines."""

import json
from pathlib import Path

from tests.cli._run import agenttrail
from tests.insight._lines import ended, write


def test_page_and_json_are_written(month_run: Path, tmp_path: Path) -> None:
    """With targets from slo propose, as a pipe of commands."""
    proposed = agenttrail(month_run, "slo", "propose", "masked.jsonl", "--json")
    (tmp_path / "targets.json").write_text(proposed.out)

    done = agenttrail(
        month_run, "report", "masked.jsonl", "--registry", "agents.yaml", "--policy", "policy.yaml", "--prices", "prices.yaml",
        "--targets", str(tmp_path / "targets.json"), "--reviewers", "2", "--html", str(tmp_path / "report.html"), "--json",
    )  # fmt: skip

    assert done.code == 0, done.err
    made = json.loads(done.out)
    assert made["tasks"]["ended"] > 300
    assert any(row["targets"] for row in made["slis"])
    assert "Quality against targets" in (tmp_path / "report.html").read_text()


def test_the_half_yearly_review_takes_six_months(tmp_path: Path) -> None:
    """Up to --to, or up to the last event."""
    write(tmp_path / "a.jsonl", [ended("a", "completed", at=f"{day}T10:00:00Z") for day in ("2026-01-15", "2026-07-15", "2026-12-20")])  # fmt: skip

    whole = agenttrail(tmp_path, "report", "a.jsonl", "--preset", "half-year", "--json")
    until = agenttrail(tmp_path, "report", "a.jsonl", "--preset", "half-year", "--to", "2026-07-31", "--json")  # fmt: skip

    assert json.loads(whole.out)["tasks"]["ended"] == 2
    assert json.loads(until.out)["tasks"]["ended"] == 1


def test_mistakes_are_told(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [{}])
    (tmp_path / "targets.json").write_text("[]")
    for arguments, said in (
        (["a.jsonl"], "nothing to write"), (["none", "--json"], "no such file"), (["a.jsonl", "--json", "--targets", "targets.json"], "is no object"),
        (["a.jsonl", "--json", "--preset", "half-year", "--from", "2026-01-01"], "--from has no effect"), (["a.jsonl", "--json", "--review-minutes", "0"], "must be positive"),
        (["a.jsonl", "--json", "--registry", "none.yaml"], "none.yaml"),
    ):  # fmt: skip
        done = agenttrail(tmp_path, "report", *arguments)
        assert (done.code, said in done.err) == (2, True), done.err
