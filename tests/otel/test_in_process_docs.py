"""docs/in-process.md is run as it stands, against a real Collector: what it promises arrives."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry._logs import LogRecord
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.engines import otelcol
from tests.engines.fixtures import required
from tests.otel import _agents

PAGE = Path(__file__).parents[2] / "docs" / "in-process.md"


def to_file(ports: Any, folder: Path) -> dict[str, Any]:
    """A collector that writes the traces and logs it gets to `out.jsonl`."""
    settings = otelcol.otlp_to_file({**ports, "grpc": ports["http"]}, folder)
    del settings["receivers"]["otlp"]["protocols"]["grpc"]
    logs = settings["service"]["pipelines"]["logs"]
    settings["service"]["pipelines"]["traces"] = logs
    return settings


@pytest.fixture
def collector() -> Iterator[otelcol.Collector]:
    with required():
        otelcol.prepare()
    with otelcol.start(to_file, ("http",)) as started:
        yield started


@pytest.fixture
def page(collector, monkeypatch, capfd) -> Iterator[dict[str, Any]]:
    """The names that the page's code blocks leave, run in their order."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{collector.address('http')}")
    # The page sets the process's own provider, which can be done once only.
    set_here: list[Any] = []
    monkeypatch.setattr(trace, "set_tracer_provider", set_here.append)
    names: dict[str, Any] = {"__name__": "page"}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)
    assert set_here == [names["provider"]]
    yield names
    logging.getLogger("desk").handlers.clear()
    names["exporter"].shutdown()


def lines(collector: otelcol.Collector) -> list[dict[str, Any]]:
    path = collector.folder / "out.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.engine
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_page_runs_and_agents_spans_arrive_masked_with_their_ids(page, collector):
    raw = InMemorySpanExporter()
    provider, logs = page["provider"], page["logs"]
    provider.add_span_processor(SimpleSpanProcessor(raw))
    _agents.pydantic_ai(provider)
    _agents.run_mcp_client(provider)
    logs.get_logger("desk").emit(LogRecord(body=f"asked by {_agents.MAIL}", event_name="asked"))
    provider.shutdown()
    logs.shutdown()
    told = raw.get_finished_spans()

    def arrived() -> list[dict[str, Any]]:
        return [
            span
            for line in lines(collector)
            for group in line.get("resourceSpans", [])
            for scoped in group["scopeSpans"]
            for span in scoped["spans"]
        ]

    collector.wait_for(lambda: len(arrived()) == len(told) and any("resourceLogs" in line for line in lines(collector)))  # fmt: skip
    by_id = {span["spanId"]: span for span in arrived()}
    for span in told:
        got = by_id[f"{span.context.span_id:016x}"]
        assert got["traceId"] == f"{span.context.trace_id:032x}"
        assert got.get("parentSpanId", "") == (f"{span.parent.span_id:016x}" if span.parent else "")
        assert (got["startTimeUnixNano"], got["endTimeUnixNano"]) == (str(span.start_time), str(span.end_time))  # fmt: skip
        assert {a["key"] for a in got.get("attributes", [])} == set(span.attributes)
    everything = (collector.folder / "out.jsonl").read_text()
    assert "find_customer" in everything
    assert "asked by <EMAIL_ADDRESS>" in everything.replace("\\u003c", "<").replace("\\u003e", ">")
    assert [value for value in _agents.PLANTED if value in everything] == []


@pytest.mark.engine
def test_the_pages_log_line_is_what_it_says(page, capfd):
    printed = capfd.readouterr().err
    assert printed.splitlines()[-1] == "no customer <EMAIL_ADDRESS>"
    assert printed.splitlines()[-1] in PAGE.read_text()
