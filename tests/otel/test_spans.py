"""Spans leave the process masked, with the ids, parents and times that they had, or not at all."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from agenttrail.masking import FAILED, Masker
from agenttrail.otel import MaskingSpanExporter
from tests.otel import _agents

MAIL = "ann@example.com"
OTHER = SpanContext(
    7, 8, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("a", "b")])
)


def both(
    masker: Masker, **provider: Any
) -> tuple[TracerProvider, InMemorySpanExporter, InMemorySpanExporter]:
    """A provider whose spans go to two exporters: as they are, and masked."""
    raw, masked = InMemorySpanExporter(), InMemorySpanExporter()
    made = TracerProvider(**provider)
    made.add_span_processor(SimpleSpanProcessor(raw))
    made.add_span_processor(BatchSpanProcessor(MaskingSpanExporter(masked, masker)))
    return made, raw, masked


KEPT = (
    "context", "parent", "kind", "start_time", "end_time",
    "dropped_attributes", "dropped_events", "dropped_links",
)  # fmt: skip


def same_but_for_content(raw: Sequence[ReadableSpan], masked: Sequence[ReadableSpan]) -> None:
    assert len(raw) == len(masked) > 0
    by_id = {span.context.span_id: span for span in masked}
    for before in raw:
        after = by_id[before.context.span_id]
        for name in KEPT:
            assert getattr(after, name) == getattr(before, name), name
        assert after.context.trace_state == before.context.trace_state
        assert after.status.status_code == before.status.status_code
        assert [e.timestamp for e in after.events] == [e.timestamp for e in before.events]
        assert [link.context for link in after.links] == [link.context for link in before.links]
        assert after.attributes.keys() == before.attributes.keys()


def test_all_of_a_span_is_masked_but_its_ids_and_times(masker):
    provider, raw, masked = both(
        masker,
        resource=Resource(
            {"service.name": "desk", "user.email": MAIL, "host.name": f"of {MAIL}"}, "https://x/1"
        ),
        span_limits=SpanLimits(
            max_span_attributes=4, max_events=1, max_links=1, max_event_attributes=1
        ),
    )
    tracer = provider.get_tracer("desk", "1.2", attributes={"owner": MAIL})
    links = [Link(OTHER, {"why": "first"}), Link(OTHER, {"why": f"for {MAIL}"})]
    given = {"a": 1, "user.id": 7, "ok": True, "tags": ["x", MAIL], "note": f"to {MAIL}"}
    with (
        tracer.start_as_current_span("root"),
        tracer.start_as_current_span(f"GET /{MAIL}", kind=SpanKind.CLIENT, links=links) as span,
    ):
        for name, value in given.items():
            span.set_attribute(name, value)
        span.add_event("first")
        span.add_event(f"asked {MAIL}", {"b": 2, "who": MAIL})
        span.set_status(StatusCode.ERROR, f"no {MAIL}")
    provider.shutdown()
    before, after = raw.get_finished_spans(), masked.get_finished_spans()
    same_but_for_content(before, after)
    span = after[0]
    assert (span.dropped_attributes, span.dropped_events, span.dropped_links) == (1, 1, 1)
    assert span.name == "GET /<EMAIL_ADDRESS>"
    assert dict(span.attributes) == {
        "user.id": "<USER_ID>", "ok": True, "tags": ["x", "<EMAIL_ADDRESS>"],
        "note": "to <EMAIL_ADDRESS>",
    }  # fmt: skip
    assert [e.name for e in span.events] == ["asked <EMAIL_ADDRESS>"]
    assert dict(span.events[0].attributes) == {"who": "<EMAIL_ADDRESS>"}
    assert span.events[0].dropped_attributes == before[0].events[0].dropped_attributes == 1
    assert dict(span.links[0].attributes) == {"why": "for <EMAIL_ADDRESS>"}
    assert span.status.description == "no <EMAIL_ADDRESS>"
    assert span.resource.attributes == {
        "service.name": "desk", "user.email": "<EMAIL_ADDRESS>", "host.name": "of <EMAIL_ADDRESS>",
    }  # fmt: skip
    assert span.resource.schema_url == "https://x/1"
    scope = span.instrumentation_scope
    assert (scope.name, scope.version) == ("desk", "1.2")
    assert dict(scope.attributes) == {"owner": "<EMAIL_ADDRESS>"}
    assert MAIL.encode() not in encode_spans(after).SerializeToString()
    assert MAIL not in "".join(span.to_json() for span in after)
    # Spans of one resource and scope stay together on the wire.
    assert len(encode_spans(after).resource_spans) == len(encode_spans(before).resource_spans) == 1


def test_the_trace_state_of_a_remote_parent_is_masked_as_the_spans_own(masker: Masker) -> None:
    """A caller's header stands in both; an exporter may read either. Ids and flags stay."""
    state = TraceState([("desk", f"of-{MAIL}"), ("b", "2")])
    parent = SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(1), trace_state=state)
    provider, raw, masked = both(masker)
    around = set_span_in_context(NonRecordingSpan(parent))
    provider.get_tracer("desk").start_span("x", context=around).end()
    provider.shutdown()
    (before,), (after,) = raw.get_finished_spans(), masked.get_finished_spans()
    assert before.parent.trace_state == state
    for context, own in ((after.parent, before.parent), (after.context, before.context)):
        assert MAIL not in context.trace_state.to_header()
        assert context.trace_state["b"] == "2"
        assert (context.trace_id, context.span_id, context.is_remote, context.trace_flags) == (
            own.trace_id, own.span_id, own.is_remote, own.trace_flags)  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "run, least",
    [(_agents.openai_agents, 8), (_agents.pydantic_ai, 4), (_agents.run_mcp_client, 6)],
    ids=["openinference", "pydantic_ai", "mcp"],
)
def test_real_instrumentations_lose_personal_data_and_nothing_else(
    masker: Masker, run: Callable[[TracerProvider], None], least: int
) -> None:
    """The OpenAI Agents SDK, pydantic-ai, and the MCP SDK with a real server, all offline."""
    provider, raw, masked = both(masker)
    run(provider)
    provider.shutdown()
    before, after = raw.get_finished_spans(), masked.get_finished_spans()
    assert len(after) >= least
    same_but_for_content(before, after)
    told, left = (
        encode_spans(each).SerializeToString().decode("utf-8", "replace")
        for each in (before, after)
    )
    planted = [value for value in _agents.PLANTED if value in told]
    assert _agents.MAIL in planted
    assert [value for value in planted if value in left] == []


def test_a_span_that_cannot_be_masked_keeps_its_envelope(broken):
    provider, raw, masked = both(broken)
    tracer = provider.get_tracer("desk")
    given = {"gen_ai.operation.name": "execute_tool", "note": MAIL}
    with (
        tracer.start_as_current_span("fine", attributes={"note": "all well"}),
        tracer.start_as_current_span("poison", attributes=given) as span,
    ):
        span.add_event("asked", {"note": MAIL})
        span.set_status(StatusCode.ERROR, MAIL)
    provider.shutdown()
    spans = masked.get_finished_spans()
    failed, fine = spans
    assert fine.name == "fine"
    assert dict(fine.attributes) == {"note": "all well"}
    assert failed.name == FAILED
    assert dict(failed.attributes) == {
        "gen_ai.operation.name": "execute_tool", "agenttrail.pii.failed": True,
        "agenttrail.pii.error": "RuntimeError",
    }  # fmt: skip
    assert [e.name for e in failed.events] == [FAILED]
    assert failed.status.status_code == StatusCode.ERROR
    assert failed.status.description is None
    assert [span.context for span in spans] == [span.context for span in raw.get_finished_spans()]
    assert MAIL.encode() not in encode_spans(spans).SerializeToString()
    assert broken.failures == {"RuntimeError": 1}


def test_a_resource_that_could_not_be_masked_once_is_tried_again(broken):
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"note": "poison"}))
    provider.add_span_processor(SimpleSpanProcessor(MaskingSpanExporter(exporter, broken)))
    tracer = provider.get_tracer("desk")
    tracer.start_span("one").end()
    mended = broken._mask._reader._detector
    mended.prose = mended.patterns = lambda texts: iter([()] * len(texts))
    tracer.start_span("two").end()
    first, second = exporter.get_finished_spans()
    assert "note" not in first.resource.attributes
    assert first.resource.attributes["agenttrail.pii.failed"] is True
    assert second.resource.attributes["note"] == "poison"
    provider.shutdown()


class Recording(SpanExporter):
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def export(self, spans):
        self.calls.append(("export", len(spans)))
        return SpanExportResult.SUCCESS

    def shutdown(self):
        self.calls.append("shutdown")

    def force_flush(self, timeout_millis=30000):
        self.calls.append(("force_flush", timeout_millis))
        return False


def test_a_batch_that_cannot_be_put_together_is_failed_and_none_of_it_leaves(caplog):
    class Wrong(Masker):
        def signals(self, signals, /):
            raise ValueError(f"cannot mask {signals}")

    inner = Recording()
    provider = TracerProvider()
    exporter = MaskingSpanExporter(inner, Wrong(profile="fast"))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with caplog.at_level(logging.ERROR):
        provider.get_tracer("desk").start_span(MAIL).end()
    assert inner.calls == []
    assert caplog.messages == ["1 spans not exported: ValueError while masking"]
    assert MAIL not in caplog.text
    provider.shutdown()


def test_flush_and_shutdown_are_the_inner_exporters(masker):
    inner = Recording()
    exporter = MaskingSpanExporter(inner, masker)
    assert exporter.force_flush(123) is False
    exporter.shutdown()
    assert inner.calls == [("force_flush", 123), "shutdown"]


def test_masking_is_done_in_the_processors_thread():
    seen: list[bool] = []
    called = threading.Event()

    class Watching(Masker):
        def signals(self, signals, /):
            seen.append(threading.current_thread() is threading.main_thread())
            called.set()
            return super().signals(signals)

    inner = Recording()
    provider = TracerProvider()
    exporter = MaskingSpanExporter(inner, Watching(profile="fast"))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    for _ in range(600):  # more than a batch: the thread wakes before the shutdown
        provider.get_tracer("desk").start_span(MAIL).end()
    assert called.wait(30)
    assert seen[0] is False
    provider.shutdown()
    assert sum(call[1] for call in inner.calls if call[0] == "export") == 600


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_spans_of_a_forked_child_are_masked_too(masker):
    read, write = os.pipe()

    class Pipe(SpanExporter):
        def export(self, spans):
            os.write(write, b"".join(span.name.encode() + b"\n" for span in spans))
            return SpanExportResult.SUCCESS

        def shutdown(self):
            pass

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(MaskingSpanExporter(Pipe(), masker)))
    tracer = provider.get_tracer("desk")
    tracer.start_span(f"parent of {MAIL}").end()
    provider.force_flush()
    child = os.fork()
    if child == 0:
        tracer.start_span(f"child of {MAIL}").end()
        provider.force_flush()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    provider.shutdown()
    os.close(write)
    assert os.read(read, 1000) == b"parent of <EMAIL_ADDRESS>\nchild of <EMAIL_ADDRESS>\n"
    os.close(read)


def test_wrappers_of_one_profile_share_one_mask():
    one, two = MaskingSpanExporter(Recording()), MaskingSpanExporter(Recording())
    assert one._masker is two._masker
