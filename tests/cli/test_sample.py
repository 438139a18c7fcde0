"""`agenttrail sample`: a sheet that, filled in, is read again and joins its tasks."""

import csv
import io
import json
from pathlib import Path

from tests.cli._run import agenttrail


def test_a_sheet_is_drawn_filled_in_and_reported(month_run: Path, tmp_path: Path) -> None:
    """The whole loop: draw, score, import, report beside cost and compliance."""
    drawn = agenttrail(month_run, "sample", "masked.jsonl", "-n", "12", "--by", "agent")
    rows = list(csv.DictReader(io.StringIO(drawn.out)))
    for number, row in enumerate(rows):
        row["score"], row["label"] = str(number % 2), "pass" if number % 2 else "fail"
    with (tmp_path / "review.csv").open("w", newline="") as file:
        sheet = csv.DictWriter(file, rows[0].keys())
        sheet.writeheader()
        sheet.writerows(rows)

    read = agenttrail(tmp_path, "run", "-q", "--profile", "fast", "-i", "review.csv", "-f", "evaluations", "-o", "evaluations.jsonl")  # fmt: skip
    done = agenttrail(tmp_path, "report", str(month_run / "masked.jsonl"), "evaluations.jsonl", "--json")  # fmt: skip

    assert read.code == 0, read.err
    found = json.loads(done.out)["evaluations"]
    assert sum(row["results"] for row in found) == len(rows) >= 12
    assert {row["agent"] for row in found} == {row["agent"] for row in rows}
    assert sum(row["without_task"] for row in found) == 0


def test_the_same_seed_draws_the_same(month_run: Path) -> None:
    one, two, other = (agenttrail(month_run, "sample", "masked.jsonl", "-n", "5", "--seed", seed, "--json").out for seed in ("7", "7", "8"))  # fmt: skip

    assert one == two != other


def test_mistakes_are_told(month_run: Path) -> None:
    for arguments, said in ((["-n", "0"], "must be at least 1"), (["--by", "tool"], "cannot draw by tool")):  # fmt: skip
        done = agenttrail(month_run, "sample", "masked.jsonl", *arguments)
        assert (done.code, said in done.err) == (2, True), done.err
