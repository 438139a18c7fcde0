"""What both exporters share: one mask a profile, and what of the SDK's objects repeats."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceState

from agenttrail.masking import MaskedSignal, Masker, Signal

log = logging.getLogger("agenttrail.otel")
# A process has few resources and some dozens of scopes.
_REMEMBERED = 256


class Surroundings:
    """Resources and scopes as they may leave, masked once."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._known: OrderedDict[Any, Any] = OrderedDict()

    def masked(self, items: Sequence[Resource | InstrumentationScope | None]) -> dict[Any, Any]:
        """The masked one of each; one that could not be masked is tried again the next time."""
        wanted = dict.fromkeys(item for item in items if item is not None)
        found = {item: self._known[item] for item in wanted if item in self._known}
        new = [item for item in wanted if item not in found]
        signals = self._masker.signals([_signal(item) for item in new]) if new else []
        for item, signal in zip(new, signals, strict=True):
            found[item] = _made(item, signal)
            if not signal.failed:
                self._known[item] = found[item]
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found


def _signal(item: Resource | InstrumentationScope) -> Signal:
    if isinstance(item, Resource):
        return Signal(attributes=dict(item.attributes), values=[item.schema_url])
    return Signal(
        attributes=dict(item.attributes or {}),
        names=[item.name],
        values=[item.version, item.schema_url],
    )


def _made(item: Resource | InstrumentationScope, masked: MaskedSignal) -> Any:
    if isinstance(item, Resource):
        return Resource(masked.attributes, masked.values[0] or None)
    version, schema_url = masked.values
    attributes = masked.attributes if item.attributes or masked.failed else None
    return InstrumentationScope(masked.names[0], version, schema_url or None, attributes)


def attributes(masked: dict[str, Any], original: Any) -> Mapping[str, Any]:
    """Masked attributes with the number that the SDK dropped from the original ones."""
    dropped = original.dropped if isinstance(original, BoundedAttributes) else 0
    if not dropped:
        return masked
    bounded = BoundedAttributes(attributes=masked)
    bounded.dropped = dropped
    return bounded


def plain(given: Mapping[str, Any] | None) -> dict[str, Any]:
    return {} if given is None else dict(given)


def trace_state(context: SpanContext | None) -> str:
    """What stands in a context's trace state, as its header."""
    return context.trace_state.to_header() if context is not None else ""


def with_trace_state(context: SpanContext, masked: str | None) -> SpanContext:
    """The context with the trace state that may leave; the same one where nothing was found."""
    if (masked or "") == trace_state(context):
        return context
    return SpanContext(
        context.trace_id,
        context.span_id,
        context.is_remote,
        context.trace_flags,
        TraceState.from_header([masked or ""]),
    )
