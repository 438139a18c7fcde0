"""`agenttrail scan`: writes each anomaly once, masked, as an event of the record."""

import json
import shutil
from pathlib import Path

from tests._events import assert_valid
from tests.cli._run import agenttrail

SAMPLES = Path(__file__).parents[2] / "runbooks" / "anomalies"


def given(folder: Path, slug: str = "destruction-bursting") -> None:
    shutil.copy(SAMPLES / slug / "hit.jsonl", folder / "events.jsonl")


def test_each_anomaly_is_written_once(tmp_path: Path) -> None:
    """A second run adds nothing; the anomaly events themselves are no events to scan."""
    given(tmp_path)
    arguments = ("scan", "events.jsonl", "--state", "scan.db", "--output", "events.jsonl")

    first = agenttrail(tmp_path, *arguments)
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
    second = agenttrail(tmp_path, *arguments)

    assert (first.code, second.code) == (0, 0)
    assert first.err == "1 anomalies, 1 written: 1 destruction-bursting\n"
    assert second.err == "1 anomalies, 0 written: 1 destruction-bursting\n"
    assert (tmp_path / "events.jsonl").read_bytes().splitlines() == lines
    assert_valid(lines[-1])
    event = json.loads(lines[-1])
    assert event["event"]["kind"] == "alert"
    assert event["agenttrail"]["anomaly"] == {"name": "destruction-bursting", "severity": "critical", "evidence": {"calls": 24}}  # fmt: skip


def test_without_a_state_the_same_ids_are_written(tmp_path: Path) -> None:
    """A store that goes by ids keeps one of them."""
    given(tmp_path)
    ids = []
    for name in ("one.jsonl", "two.jsonl"):
        assert agenttrail(tmp_path, "scan", "events.jsonl", "--output", name).code == 0
        ids += [json.loads(x)["event"]["id"] for x in (tmp_path / name).read_bytes().splitlines()]
    assert len(ids) == 2
    assert len(set(ids)) == 1


def test_numbers_of_ones_own_and_json(tmp_path: Path) -> None:
    given(tmp_path)
    (tmp_path / "my.yaml").write_text("thresholds: {scan_destruction_calls: {value: 99}, lag_s: {value: 1}}\n")  # fmt: skip

    usual = agenttrail(tmp_path, "scan", "events.jsonl", "--json")
    lax = agenttrail(tmp_path, "scan", "events.jsonl", "--json", "--thresholds", "my.yaml")

    (row,) = json.loads(usual.out)["found"]
    assert (row["name"], row["agent"], row["severity"]) == ("destruction-bursting", "helpdesk", "critical")  # fmt: skip
    assert json.loads(lax.out) == {"found": [], "new": 0}


def test_mistakes_are_told(tmp_path: Path) -> None:
    given(tmp_path)
    (tmp_path / "bad.yaml").write_text("thresholds: {scan_nosuch: {value: 1}}\n")
    for arguments, said in (
        (("none.jsonl",), "no such file"),
        (("events.jsonl", "--only", "nosuch"), "nothing is called nosuch"),
        (("events.jsonl", "--state", "s.db"), "--state has no effect"),
        (("events.jsonl", "--thresholds", "bad.yaml"), "no such number"),
        (("events.jsonl", "-c", "p.yaml", "--output", "x.jsonl"), "name one place"),
    ):
        done = agenttrail(tmp_path, "scan", *arguments)
        assert (done.code, said in done.err) == (2, True), done.err
