"""Real SDK, real instrumentations, real Collector, the hop in its way: traces stay traces, masked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.collectors._hop import Pipeline, wait_for
from tests.otel import _agents

# What a masked span must say as the unmasked one did.
KEPT = (
    "traceId", "spanId", "parentSpanId", "traceState", "flags", "kind", "startTimeUnixNano",
    "endTimeUnixNano", "droppedAttributesCount", "droppedEventsCount", "droppedLinksCount",
)  # fmt: skip


def spans_of(line: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Resource, scope and span of an OTLP/JSON traces line."""
    return [
        (group.get("resource", {}), scoped.get("scope", {}), span)
        for group in line.get("resourceSpans", [])
        for scoped in group["scopeSpans"]
        for span in scoped["spans"]
    ]


def arrived(running: Pipeline, trace_ids: set[str]) -> dict[str, tuple[Any, Any, Any]]:
    """What the destination has of these traces, by span id."""
    lines = map(json.loads, running.destination().splitlines())
    return {
        found[2]["spanId"]: found
        for line in lines
        for found in spans_of(line)
        if found[2]["traceId"] in trace_ids
    }


def keys(attributes: list[dict[str, Any]]) -> list[str]:
    return [pair["key"] for pair in attributes]


@pytest.mark.engine
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("transport", ["grpc", "http"])
@pytest.mark.parametrize(
    "agent, scope",
    [
        (_agents.run_mcp_client, "mcp-python-sdk"),
        (_agents.openai_agents, "openinference.instrumentation.openai_agents"),
        (_agents.pydantic_ai, "pydantic-ai"),
    ],
    ids=["mcp", "openai-agents", "pydantic-ai"],
)
def test_spans_arrive_with_their_ids_parents_and_durations_and_masked(
    running: Pipeline, agent: Callable[[TracerProvider], None], scope: str, transport: str
) -> None:
    sent = InMemorySpanExporter()
    provider = TracerProvider(
        resource=Resource({"service.name": "desk", "enduser.mail": _agents.MAIL})
    )
    provider.add_span_processor(SimpleSpanProcessor(sent))
    exporter = (
        GrpcExporter(endpoint=f"http://{running.front.address('grpc')}", insecure=True)
        if transport == "grpc"
        else HttpExporter(endpoint=f"http://{running.front.address('http')}/v1/traces")
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    agent(provider)
    provider.shutdown()

    from google.protobuf import json_format

    encoded = encode_spans(sent.get_finished_spans())
    before = {span["spanId"]: span for span in _hexed(json_format.MessageToDict(encoded))}
    assert len(before) > 2
    traces = {span["traceId"] for span in before.values()}
    wait_for(lambda: len(arrived(running, traces)) == len(before))
    after = arrived(running, traces)
    assert after.keys() == before.keys()
    for span_id, was in before.items():
        resource, _, now = after[span_id]
        assert {k: str(v) for k, v in now.items() if k in KEPT and v} == {
            k: str(v) for k, v in was.items() if k in KEPT and v
        }
        assert now.get("status", {}).get("code", 0) == was.get("status", {}).get("code", 0)
        assert keys(now.get("attributes", [])) == keys(was.get("attributes", []))
        assert [e["timeUnixNano"] for e in now.get("events", [])] == [
            e["timeUnixNano"] for e in was.get("events", [])
        ]
        assert {"key": "service.name", "value": {"stringValue": "desk"}} in resource["attributes"]
    assert any(span.get("parentSpanId") for span in before.values())
    assert scope in {found[1].get("name") for found in after.values()}
    text = json.dumps(list(after.values()), ensure_ascii=False)
    assert "<EMAIL_ADDRESS>" in text
    # The profile fast knows no names; addresses, phones and cards are nowhere.
    assert running.leaked(*_agents.PLANTED) == []
    assert any(planted in str(list(before.values())) for planted in _agents.PLANTED)


def _hexed(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The spans with their ids as OTLP/JSON has them, and enumerations as numbers."""
    import base64

    kinds = {"SPAN_KIND_INTERNAL": 1, "SPAN_KIND_SERVER": 2, "SPAN_KIND_CLIENT": 3}
    codes = {"STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
    made = []
    for _, _, span in spans_of(message):
        for name in ("traceId", "spanId", "parentSpanId"):
            if name in span:
                span[name] = base64.b64decode(span[name]).hex()
        span["kind"] = kinds[span["kind"]]
        if "code" in span.get("status", {}):
            span["status"]["code"] = codes[span["status"]["code"]]
        made.append(span)
    return made
