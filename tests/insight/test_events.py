"""Masked lines as a table: every column, each event once, times in UTC, mistakes told."""

import gzip
from pathlib import Path

import pytest

from agenttrail import fields as f
from agenttrail.errors import UsageError
from agenttrail.insight.events import COLUMNS, opened
from tests._events import SAMPLES, full
from tests.insight._lines import write


def test_every_column_holds_its_field(tmp_path: Path) -> None:
    """Of a line that has every field of the registry."""
    (tmp_path / "a.jsonl").write_bytes(full().line + b"\n")

    with opened([str(tmp_path / "a.jsonl")]) as db:
        table = db.sql("SELECT * FROM events")
        row = dict(zip(table.columns, table.fetchall()[0], strict=True))

    assert set(row) == {*COLUMNS, "agent"}
    for column, field in COLUMNS.items():
        kind = f.FIELDS[field].type
        if field not in f.CONSTANTS and kind in ("long", "double", "boolean", "keywords"):
            assert row[column] == full().fields[field], column
        else:
            assert row[column] is not None, column
    assert row["agent"] == SAMPLES["keyword"]


def test_an_event_that_was_delivered_twice_is_one_row(tmp_path: Path) -> None:
    """At least once is once, by its id; in whatever file of a folder."""
    for name in ("a.jsonl", "b.jsonl"):
        write(tmp_path / name, [{}, {}])

    with opened([str(tmp_path)]) as db:
        assert db.sql("SELECT count(*) FROM events").fetchall() == [(2,)]


@pytest.mark.parametrize(
    "since, until, left",
    [
        (None, None, 4),
        ("2026-10-02", None, 3),
        (None, "2026-10-02", 3),  # the last day is in it
        ("2026-10-02", "2026-10-02", 2),
        ("2026-10-02T12:00:00+09:00", None, 2),
        ("2026-10-02T03:00:00Z", "2026-10-02T20:00:00Z", 0),
    ],
)
def test_times_are_half_open_and_in_utc(
    tmp_path: Path, since: str | None, until: str | None, left: int
) -> None:
    times = ["2026-10-01T23:59:59.9Z", "2026-10-02T00:00:00Z", "2026-10-02T23:00:00.5Z", "2026-10-03T00:00:00Z"]  # fmt: skip
    path = write(tmp_path / "a.jsonl", [{f.TIMESTAMP: time} for time in times])

    with opened([path], since=since, until=until) as db:
        assert db.sql("SELECT count(*) FROM events").fetchall() == [(left,)]


def test_packed_files_and_further_columns(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.jsonl.gz", "wb") as file:
        file.write(full().line + b"\n")

    with opened([str(tmp_path)], more=[f.EVENT_REASON]) as db:
        assert db.sql(f'SELECT "{f.EVENT_REASON}" FROM events').fetchall() == [(SAMPLES["text"],)]


def test_lines_that_are_no_events_are_passed_over(tmp_path: Path) -> None:
    """A cut line at the end of a file that is being written, a line of something else."""
    path = write(tmp_path / "a.jsonl", [{}])
    with open(path, "ab") as file:
        file.write(b'not JSON\n{"other": 1}\n{"@timestamp": "2026-10-0')

    with opened([path]) as db:
        assert db.sql("SELECT count(*) FROM events").fetchall() == [(1,)]


def test_nothing_to_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    for given, said in (
        ([str(tmp_path / "none.jsonl")], "no such file"),
        ([str(tmp_path)], "no files to read"),
    ):
        with pytest.raises(UsageError, match=said), opened(given):
            pass


@pytest.mark.parametrize("time", ["yesterday", "2026-13-01", "2026-10-01T99:00"])
def test_a_time_that_is_none_is_refused(tmp_path: Path, time: str) -> None:
    path = write(tmp_path / "a.jsonl", [{}])
    with pytest.raises(UsageError, match="not a time"), opened([path], since=time):
        pass
