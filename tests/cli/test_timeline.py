"""`agenttrail timeline`: on the terminal, as JSON, as a page."""

import json
from pathlib import Path

from agenttrail.simulate.month import Month
from tests.cli._run import agenttrail


def planted(month: Month, name: str) -> str:
    return next(r["tasks"][0] for r in month.truth if r["kind"] == "anomaly" and r["name"] == name)


def test_a_task_is_told_on_the_terminal(month: Month, month_run: Path) -> None:
    """Its steps, its effects, the safe point, what the hand-over lost."""
    done = agenttrail(month_run, "timeline", planted(month, "context-lost"), "masked.jsonl")

    assert done.code == 0, done.err
    assert "hand-over to research-writer" in done.out
    assert "docs.write_section" in done.out
    assert "safe to run again: from the beginning, no lasting effect was done" in done.out
    assert "2 of 3 values never got there" in done.out
    assert "budget_jpy = 4200000" in done.out


def test_json_and_page_say_the_same(month: Month, month_run: Path, tmp_path: Path) -> None:
    """The page is one file that asks no network for anything."""
    task, page = planted(month, "approval-missing"), tmp_path / "page.html"

    done = agenttrail(month_run, "timeline", task, "masked.jsonl", "--json", "--html", str(page))

    told = json.loads(done.out)
    text = page.read_text()
    assert told["safe_after"]["call_id"] is not None
    assert [s["findings"] for s in told["steps"] if s["findings"]] == [["executed_without_approval"]]  # fmt: skip
    assert "executed without approval" in text
    assert "default-src 'none'" in text
    assert "http://" not in text.replace("http://www.w3.org/", "")
    assert "https://" not in text


def test_a_record_that_two_tasks_changed_is_told(month: Month, month_run: Path) -> None:
    done = agenttrail(month_run, "timeline", planted(month, "record-conflicting"), "masked.jsonl")

    assert "conflict: update_customer changed a record at the same time as" in done.out


def test_an_id_that_is_none_is_told(month_run: Path) -> None:
    done = agenttrail(month_run, "timeline", "nothing-like-it", "masked.jsonl")

    assert (done.code, "no task and no conversation" in done.err) == (2, True)
