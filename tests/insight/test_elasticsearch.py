"""The same answers from Elasticsearch as from JSON Lines, for the same events."""

from pathlib import Path
from typing import Any

import pytest

from agenttrail.errors import Unreachable, UsageError
from agenttrail.insight.documents import find
from agenttrail.insight.events import opened
from agenttrail.insight.report import Basis, report
from agenttrail.simulate.month import Month
from tests.cli._run import agenttrail
from tests.engines import elasticsearch as es


@pytest.mark.engine
def test_a_report_from_elasticsearch_is_the_report_from_lines(
    month: Month, month_run: Path, elasticsearch_empty: es.Server, tmp_path: Path
) -> None:
    """Every number, and every event of a task."""
    url = elasticsearch_empty.url
    assert agenttrail(tmp_path, "setup", "elasticsearch", "--url", url).code == 0
    shipped = agenttrail(
        tmp_path, "run", "-q", "--profile", "fast", "-i", str(month_run / "masked.jsonl"), "--elasticsearch", url
    )  # fmt: skip
    assert shipped.code == 0, shipped.err
    elasticsearch_empty.request("POST", "/logs-*/_refresh")

    def made(place: str) -> dict[str, Any]:
        with opened([place]) as db:
            return report(db, Basis())

    from_lines = made(str(month_run / "masked.jsonl"))
    assert made(url) == from_lines
    task = next(row["id"] for row in month.truth if row["kind"] == "task")
    assert [e["event.id"] for e in find([url], task).events] == [
        e["event.id"] for e in find([str(month_run / "masked.jsonl")], task).events
    ]


@pytest.mark.engine
def test_a_data_stream_that_is_not_there_is_told(elasticsearch_empty: es.Server) -> None:
    with pytest.raises(Unreachable, match="has no logs-nothing"), opened([f"{elasticsearch_empty.url}/logs-nothing"]):  # fmt: skip
        pass


def test_addresses_that_cannot_be_are_told() -> None:
    with pytest.raises(UsageError, match="not an address: host"), opened(["http://user:secret@host"]):  # fmt: skip
        pass
    with pytest.raises(Unreachable, match="ConnectionError"), opened(["http://127.0.0.1:1/x"]):
        pass
