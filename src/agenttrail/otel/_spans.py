"""A span exporter that masks before it hands on to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Status

from agenttrail.masking import MaskedSignal, Masker, Profile, Signal
from agenttrail.otel._shared import (
    Surroundings,
    attributes,
    log,
    plain,
    trace_state,
    with_trace_state,
)


class MaskingSpanExporter(SpanExporter):
    """Hands spans on with names, attributes, events, links, status, resource and scope masked.

    Ids, parents, kind, times, flags and counts of what the SDK dropped stay. A span whose
    masking fails goes on with its ids, times and kind and what of its attributes no person can
    stand in, marked `agenttrail.pii.failed` (fail closed); a batch that cannot be put together at all
    is given back to the processor as failed, without any of it having left.

    Masking happens where `export` is called: under a BatchSpanProcessor in its own thread, never in
    the agent's. Works in forked children.

    What leaves is what `agenttrail hop` would make of the same request, byte for byte.

    Limits: an exporter that reads spans by other ways than this wrapper (a second processor) sees
    them unmasked.

    Args:
        exporter: gets the masked spans.
        masker: None is one of `profile`, shared by all wrappers of the process.
        profile: without a masker: balanced, or fast (no names).

    Raises:
        MaskError: the mask cannot be set up; at start, before there is data.

    Cost: see benchmarks/inprocess.py.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        masker: Masker | None = None,
        *,
        profile: Profile = "balanced",
    ) -> None:
        self._exporter = exporter
        self._masker = masker or Masker.shared(profile)
        self._around = Surroundings(self._masker)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            masked = self._masked(spans)
        except Exception as error:  # noqa: BLE001 - fail closed; its message may quote a span
            log.error("%d spans not exported: %s while masking", len(spans), type(error).__name__)
            return SpanExportResult.FAILURE
        return self._exporter.export(masked)

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def _masked(self, spans: Sequence[ReadableSpan]) -> list[ReadableSpan]:
        around = self._around.masked(
            [item for span in spans for item in (span.resource, span.instrumentation_scope)]
        )
        signals = self._masker.signals([_signal(span) for span in spans])
        return [
            _MaskedSpan(span, signal, around) for span, signal in zip(spans, signals, strict=True)
        ]


def _signal(span: ReadableSpan) -> Signal:
    parts = [
        Signal(names=[event.name], attributes=plain(event.attributes)) for event in span.events
    ]
    parts += [
        Signal(attributes=plain(link.attributes), values=[trace_state(link.context)])
        for link in span.links
    ]
    return Signal(
        attributes=plain(span.attributes),
        names=[span.name],
        values=[span.status.description, trace_state(span.context), trace_state(span.parent)],
        parts=parts,
    )


class _MaskedSpan(ReadableSpan):
    """A span as it may leave, with the counts of the one that it stands for."""

    def __init__(self, span: ReadableSpan, masked: MaskedSignal, around: dict[Any, Any]) -> None:
        count = len(span.events)
        parts = masked.parts
        super().__init__(
            name=masked.names[0],
            context=with_trace_state(span.context, masked.values[1]),
            parent=with_trace_state(span.parent, masked.values[2]) if span.parent else None,
            resource=around[span.resource],
            attributes=masked.attributes,
            events=[
                Event(part.names[0], attributes(part.attributes, event.attributes), event.timestamp)
                for event, part in zip(span.events, parts[:count], strict=True)
            ],
            links=[
                Link(
                    with_trace_state(link.context, part.values[0]),
                    attributes(part.attributes, link.attributes),
                )
                for link, part in zip(span.links, parts[count:], strict=True)
            ],
            kind=span.kind,
            status=_status(span.status, masked.values[0]),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=(
                around[span.instrumentation_scope] if span.instrumentation_scope else None
            ),
        )
        self._dropped = (span.dropped_attributes, span.dropped_events, span.dropped_links)

    @property
    def dropped_attributes(self) -> int:
        return self._dropped[0]

    @property
    def dropped_events(self) -> int:
        return self._dropped[1]

    @property
    def dropped_links(self) -> int:
        return self._dropped[2]


def _status(status: Status, description: str | None) -> Status:
    return Status(status.status_code, description or None)
