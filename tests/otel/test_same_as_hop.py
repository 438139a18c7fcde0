"""Masked in the agent's process or on its way through a hop: the same request, byte for byte."""

from __future__ import annotations

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags, TraceState

from agenttrail.masks._export import PresidioExportMask
from agenttrail.otel import MaskingLogRecordExporter, MaskingSpanExporter
from agenttrail.seams import Export, ExportKind
from tests.otel import _agents

MAIL = "ann@example.com"
STATE = TraceState([("desk", f"of-{MAIL}"), ("b", "2")])


def odd(provider: TracerProvider) -> None:
    """Everything that a span can say, personal wherever it can be."""
    tracer = provider.get_tracer(
        f"desk of {MAIL}", "1.2", f"https://example.com/{MAIL}", {"owner": MAIL}
    )
    link = Link(SpanContext(7, 8, True, TraceFlags(1), STATE), {"why": f"for {MAIL}"})
    given = {"user.id": 7, "tags": ["x", MAIL], "n": 4111111111111111, "f": 1.5, f"of {MAIL}": True}
    span = tracer.start_span(f"GET /{MAIL}", kind=SpanKind.CLIENT, links=[link], attributes=given)
    span.add_event(f"asked {MAIL}", {"who": MAIL, "json": f'{{"to": "{MAIL}"}}'})
    span.set_status(StatusCode.ERROR, f"no {MAIL}")
    span.end()
    tracer.start_span("plain").end()


def through_hop(masker, kind: ExportKind, request):
    """The request as a hop with the same mask sends it on."""
    data = request.SerializeToString()
    masked = PresidioExportMask(masker)(Export(kind, request, len(data)))
    return type(request).FromString(masked.payload)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "run", [odd, _agents.openai_agents, _agents.pydantic_ai, _agents.run_mcp_client]
)
def test_spans(masker, run):
    raw = InMemorySpanExporter()
    provider = TracerProvider(
        resource=Resource({"service.name": "desk", "user.email": MAIL}, f"https://x/{MAIL}")
    )
    provider.add_span_processor(SimpleSpanProcessor(raw))
    run(provider)
    provider.shutdown()
    spans = raw.get_finished_spans()
    here = InMemorySpanExporter()
    MaskingSpanExporter(here, masker).export(spans)
    sent = encode_spans(here.get_finished_spans())
    assert sent == through_hop(masker, "traces", encode_spans(spans))
    assert sent != encode_spans(spans)
    assert MAIL.encode() not in sent.SerializeToString()


def test_log_records(masker):
    raw = InMemoryLogRecordExporter()
    provider = LoggerProvider(resource=Resource({"service.name": "desk", "user.id": "u-7"}))
    provider.add_log_record_processor(SimpleLogRecordProcessor(raw))
    logger = provider.get_logger("desk", "1.2")
    for body in (
        f"asked by {MAIL}",
        {"to": [MAIL, None], "user": {"id": 7}},
        None,
        7,
        b"\x00\x01" * 50,
    ):
        logger.emit(
            LogRecord(
                timestamp=5, observed_timestamp=6, severity_text=f"of {MAIL}", body=body,
                severity_number=SeverityNumber.WARN, event_name=f"asked {MAIL}",
                attributes={"user.email": MAIL, "n": 3, "deep": {"email": "x"}},
            )
        )  # fmt: skip
    provider.shutdown()
    records = raw.get_finished_logs()
    here = InMemoryLogRecordExporter()
    MaskingLogRecordExporter(here, masker).export(records)
    sent = encode_logs(here.get_finished_logs())
    assert sent == through_hop(masker, "logs", encode_logs(records))
    assert MAIL.encode() not in sent.SerializeToString()
