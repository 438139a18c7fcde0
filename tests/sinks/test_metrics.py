"""SLIs as metrics: what an event counts in, and the same sums in Prometheus, in a Collector and in the lines."""

import json
import socket
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agenttrail import fields as f
from agenttrail.errors import OptionError, Unreachable
from agenttrail.sinks._metrics_measures import INSTRUMENTS, Bounded, measures
from agenttrail.sinks.metrics import MetricsOptions
from tests._events import full, masked
from tests.engines import prometheus
from tests.engines._process import free_ports
from tests.engines.fixtures import required

AGENT = {f.AGENT_NAME: "support", f.REGISTRY_DEPARTMENT: "Support", f.AGENT_VERSION: "1.0"}
EVENTS = [
    {f.OPERATION_NAME: "execute_tool", f.TOOL_NAME: "reply", f.EVENT_DURATION: 120_000_000, f.PII_BY_TYPE: {"PERSON": 2}},
    {f.OPERATION_NAME: "execute_tool", f.TOOL_NAME: "reply", f.EVENT_OUTCOME: "failure", f.ERROR_TYPE: "tool_error"},
    {f.OPERATION_NAME: "chat", f.EVENT_ACTION: "chat", f.REQUEST_MODEL: "m", f.INPUT_TOKENS: 900, f.OUTPUT_TOKENS: 30, f.CACHE_READ_TOKENS: 800, f.COST_TOTAL: 0.125, f.COST_CURRENCY: "USD"},
    {f.OPERATION_NAME: "chat", f.EVENT_ACTION: "chat", f.INPUT_TOKENS: 900, f.USAGE_ROLLUP: True},
    {f.EVENT_ACTION: "approval", f.APPROVAL_STAGE: "decision", f.APPROVAL_OUTCOME: "allow", f.APPROVAL_CHANNEL: "reviewers", f.APPROVAL_WAIT_MS: 90_000},
    {f.EVENT_ACTION: "turn_completed", f.TASK_STATE: "completed", f.TASK_TOOL_CALLS: 2, f.TASK_TOKENS: 930, f.TASK_COST: 0.125, f.TASK_ESCALATED: "completed"},
    {f.EVENT_ACTION: "user_prompt", f.TASK_STATE: "started", f.REGISTRY_FINDINGS: ["undeclared_tool"], f.BUDGET_VERDICT: "alert", f.BUDGET_NAMES: ["support-month"]},
]  # fmt: skip


def events() -> list[Any]:
    return [masked({**AGENT, **fields}, id=f"{n:016x}") for n, fields in enumerate(EVENTS)]


def test_what_an_event_counts_in() -> None:
    """By name and value, over all events."""
    sums: dict[str, float] = {}
    for event in events():
        for name, value, _ in measures(event.fields, Bounded(100)):
            sums[name] = sums.get(name, 0) + value

    assert sums == {
        "agenttrail.events": 7, "agenttrail.tool.calls": 2, "gen_ai.execute_tool.duration": 0.12,
        "gen_ai.client.inference.usage.input_tokens": 900, "gen_ai.client.inference.usage.output_tokens": 30,
        "gen_ai.client.inference.usage.cache_read.input_tokens": 800, "agenttrail.cost": 0.125,
        "agenttrail.approval.events": 1, "agenttrail.approval.wait": 90, "agenttrail.task.ended": 1,
        "agenttrail.task.escalated": 1, "agenttrail.task.tool_calls": 2, "agenttrail.task.tokens": 930,
        "agenttrail.task.cost": 0.125, "agenttrail.findings": 1, "agenttrail.budget.verdicts": 1, "agenttrail.masked": 2,
    }  # fmt: skip


def test_every_metric_is_counted_by_some_event() -> None:
    """A metric that nothing counts in is a promise not kept."""
    everything = {**full().fields, f.OPERATION_NAME: "execute_tool", f.TASK_STATE: "failed", f.USAGE_ROLLUP: None, f.PII_FAILED: True}  # fmt: skip

    assert {name for name, _, _ in measures(everything, Bounded(100))} == set(INSTRUMENTS)


def test_no_state_of_a_task_makes_series_grow_without_end() -> None:
    """A log may claim any state of its tasks."""
    bounded = Bounded(2)
    states = [
        value
        for number in range(10)
        for name, _, attributes in measures({f.TASK_STATE: f"s{number}", f.TASK_ESCALATED: f"s{number}"}, bounded)
        if name.startswith("agenttrail.task.")
        for key, value in attributes
        if key == f.TASK_STATE
    ]  # fmt: skip
    assert set(states) == {"s0", "s1", "other"}


def test_attributes_are_never_free_text() -> None:
    """Only fields that are names or enumerations, and their number is bounded."""
    for event in events():
        for _, _, attributes in measures(event.fields, Bounded(100)):
            for name, _ in attributes:
                field = f.FIELDS.get(name)
                assert field is None or (field.privacy == "structural" and field.type != "text")
    bounded = Bounded(3)
    assert [bounded("tool", n) for n in "abcda"] == ["a", "b", "c", "other", "a"]


@pytest.mark.parametrize(
    "options, option",
    [
        ({"listen": None}, "listen"), ({"listen": "9464"}, "listen"), ({"listen": "h:0"}, "listen"),
        ({"otlp_endpoint": "localhost:4318"}, "otlp_endpoint"), ({"otlp_headers": {"a": "b"}}, "otlp_headers"),
        ({"otlp_endpoint": "http://u:p@h"}, "otlp_endpoint"), ({"interval_s": 0}, "interval_s"), ({"values_max": 0}, "values_max"),
        ({"series_max": 0}, "series_max"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(options: dict[str, Any], option: str) -> None:
    with pytest.raises(OptionError) as caught:
        MetricsOptions(**options)
    assert caught.value.option == option


def test_an_address_that_is_taken_is_told_at_the_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = MetricsOptions(listen=f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(Unreachable, match="cannot be listened on"):
            options.build()


def test_prometheus_text_has_units_and_conventional_names() -> None:
    """Counters end in _total, times in seconds."""
    (port,) = free_ports(1)
    sink = MetricsOptions(listen=f"127.0.0.1:{port}").build(now=lambda: 1_767_323_045.0 + 60)
    try:
        sink.write(events())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    finally:
        sink.close()

    assert 'agenttrail_task_ended_total{agenttrail_registry_department="Support",agenttrail_task_state="completed"' in text  # fmt: skip
    assert "gen_ai_execute_tool_duration_seconds_bucket{" in text
    assert "agenttrail_lag_seconds 5" in text
    assert "example.com" not in text


def test_combinations_of_attributes_are_bounded_and_the_sum_stays_right() -> None:
    """Each attribute is below its own bound; what is beyond the product's is one series more."""
    (port,) = free_ports(1)
    sink = MetricsOptions(listen=f"127.0.0.1:{port}", series_max=10).build()
    given = [{f.AGENT_NAME: f"agent{a}", f.TOOL_NAME: f"tool{t}", f.OPERATION_NAME: "execute_tool"} for a in range(8) for t in range(8)]  # fmt: skip
    try:
        sink.write([masked(fields, id=f"{n:016x}") for n, fields in enumerate(given)])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    finally:
        sink.close()

    (calls,) = [m for m in text_string_to_metric_families(text) if m.name == "agenttrail_tool_calls"]  # fmt: skip
    found = [sample for sample in calls.samples if sample.name.endswith("_total")]
    assert len(found) == 11
    assert sum(sample.value for sample in found) == 64
    (over,) = [sample for sample in found if sample.labels.get("otel_metric_overflow")]
    assert (over.value, over.labels.get("gen_ai_tool_name", "")) == (54, "")


def test_what_became_of_lines_and_events_is_the_runs_ledger() -> None:
    """Asked for at each scrape; reasons are bounded like all values."""
    (port,) = free_ports(1)
    sink = MetricsOptions(listen=f"127.0.0.1:{port}", values_max=3).build()
    ledger = {("lines", "failed", ""): 0, ("events", "rejected", "a"): 1}
    sink.watch(lambda: dict(ledger))

    def scraped() -> dict[tuple[str, str, str], float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            families = text_string_to_metric_families(answer.read().decode())
            return {
                (s.name, s.labels["agenttrail_pipeline_outcome"], s.labels["agenttrail_pipeline_reason"]): s.value
                for family in families
                for s in family.samples
                if "pipeline" in s.name
            }  # fmt: skip

    try:
        assert scraped() == {
            ("agenttrail_pipeline_lines_total", "failed", ""): 0,
            ("agenttrail_pipeline_events_total", "rejected", "a"): 1,
        }
        ledger |= {("lines", "failed", ""): 7, ("events", "rejected", "b"): 2, ("events", "rejected", "c"): 3}  # fmt: skip
        assert scraped() == {
            ("agenttrail_pipeline_lines_total", "failed", ""): 7,
            ("agenttrail_pipeline_events_total", "rejected", "a"): 1,
            ("agenttrail_pipeline_events_total", "rejected", "b"): 2,
            ("agenttrail_pipeline_events_total", "rejected", "other"): 3,
        }
    finally:
        sink.close()


@pytest.mark.engine
def test_prometheus_and_a_collector_have_the_sums_of_the_lines(
    start_otel_collector: Callable[..., Any], tmp_path: Path
) -> None:
    """Scraped by a real Prometheus, sent to a real Collector, and counted in the lines themselves."""

    def settings(ports: Mapping[str, int], folder: Path) -> dict[str, Any]:
        return {
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{ports['http']}"}}}},
            "exporters": {"file": {"path": str(folder / "metrics.jsonl"), "flush_interval": "50ms"}},
            "service": {"telemetry": {"metrics": {"level": "none"}}, "pipelines": {"metrics": {"receivers": ["otlp"], "exporters": ["file"]}}},
        }  # fmt: skip

    collector = start_otel_collector(settings, ports=("http",))
    (port,) = free_ports(1)
    with required():
        prometheus.prepare()
    sink = MetricsOptions(
        listen=f"127.0.0.1:{port}",
        otlp_endpoint=f"http://127.0.0.1:{collector.ports['http']}",
        interval_s=3600,
    ).build()
    batch = [
        masked({**AGENT, **fields}, id=f"{n:08x}{i:08x}")
        for n in range(300)
        for i, fields in enumerate(EVENTS)
    ]
    with prometheus.start({"agenttrail": f"127.0.0.1:{port}"}) as server:
        sink.write(batch[:1000])
        sink.write(batch[1000:])
        server.wait_for(lambda: sum(server.query("agenttrail_events_total").values()) == len(batch))
        scraped = {
            name: sum(server.query(text).values())
            for name, text in {
                "calls": "agenttrail_tool_calls_total",
                "input": "gen_ai_client_inference_usage_input_tokens_total",
                "cost": "agenttrail_cost_total",
                "ended": "agenttrail_task_ended_total",
                "escalated": "agenttrail_task_escalated_total",
                "task tokens": "agenttrail_task_tokens_sum",
            }.items()
        }
        sink.close()
    lines = [json.loads(event.line) for event in batch]

    def total(*path: str) -> float:
        values = []
        for line in lines:
            value: Any = line
            for part in path:
                value = value.get(part, {}) if isinstance(value, dict) else {}
            values.append(value if isinstance(value, (int, float)) else 0)
        return sum(values)

    assert scraped == {
        "calls": sum(line["gen_ai"].get("operation", {}).get("name") == "execute_tool" for line in lines),
        "input": sum(line["gen_ai"].get("usage", {}).get("input_tokens", 0) for line in lines if not line["agenttrail"].get("usage")),
        "cost": total("agenttrail", "cost", "total"),
        "ended": 300,
        "escalated": 300,
        "task tokens": total("agenttrail", "task", "tokens"),
    }  # fmt: skip
    collector.wait_for(lambda: (collector.folder / "metrics.jsonl").exists())
    sent = json.loads((collector.folder / "metrics.jsonl").read_text().splitlines()[-1])
    by_name = {
        metric["name"]: metric
        for resource in sent["resourceMetrics"]
        for scope in resource["scopeMetrics"]
        for metric in scope["metrics"]
    }
    ended = by_name["agenttrail.task.ended"]["sum"]["dataPoints"]
    spent = by_name["agenttrail.cost"]["sum"]["dataPoints"]
    assert sum(int(point["asInt"]) for point in ended) == 300
    assert sum(float(point["asDouble"]) for point in spent) == total("agenttrail", "cost", "total")
