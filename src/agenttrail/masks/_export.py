"""A whole OTLP export request masked in place: traces stay traces, logs stay logs.

Ids, parents, times, kinds, status codes, flags, counts and the order of everything stay. Masked are
attribute values and keys of resources, scopes, spans, events, links and log records; names of
spans, events and scopes; bodies, severity texts, status messages, trace states, schema URLs. A
request in which nothing was found leaves as it was, but for what no reader downstream can use:
fields unknown to this version of OTLP (removed before, they could not be masked), the earlier of
two equal keys, ids that have not an id's length. Bytes are described, not kept (`_attributes`).

Fail closed: a span, log record, resource or scope whose masking fails keeps ids, times, kind and
status code, and of its attributes those with a known shape; `agenttrail.pii.failed` marks it. Only
where memory or a running mask was missing the request is given back to be sent again: what a moment
lacked must not cost content.

Masking twice changes nothing.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agenttrail import jsontext
from agenttrail.errors import RetryLater
from agenttrail.masks._attributes import MaskedSignal, Signal, failed_signal
from agenttrail.seams import Export, MaskedExport


class SignalMask(Protocol):
    """Masks signals; `PresidioMask` is one."""

    def signals(self, signals: Sequence[Signal], /) -> list[MaskedSignal]: ...


class PresidioExportMask:
    """Masks export requests with the mask that pipelines have, one after the other."""

    def __init__(self, mask: SignalMask) -> None:
        self._mask = mask
        self._lock = threading.Lock()

    def __call__(self, export: Export, /) -> MaskedExport:
        places = [_Place(holder, kind) for holder, kind in _places(export)]
        signals = [place.read() for place in places]
        masked: list[MaskedSignal] = []
        for start, end in _pieces(places):
            with self._lock:
                masked += self._mask.signals(signals[start:end])
            for result in masked[start:end]:
                if result.error in _NOT_ITS_FAULT:
                    raise RetryLater(_NOT_ITS_FAULT[result.error], after_s=5.0)
        counts: Counter[str] = Counter()
        failed = 0
        for place, signal, result in zip(places, signals, masked, strict=True):
            try:
                place.write(signal, result)
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001  what cannot be written back must not stay
                result = failed_signal(signal, type(error).__name__)
                place.clear()
                place.write(signal, result)
            counts.update(result.counts)
            failed += result.failed
        return MaskedExport(
            kind=export.kind,
            payload=export.message.SerializeToString(),
            items=sum(place.kind in ("span", "log") for place in places),
            failed=failed,
            counts=dict(counts),
        )


# What a request cannot help, by the class of the failure, and what its sender is told.
_NOT_ITS_FAULT = {
    MemoryError.__name__: "out of memory while masking",
    "MaskMissing": "no mask is running",
}
# A piece is masked at one go: so small that a limit of seconds suffices for it, so large that the
# model has company to be fast in.
_PIECE_BYTES = 65_536


def _pieces(places: Sequence[_Place]) -> Iterator[tuple[int, int]]:
    """Runs of neighbours of about so many bytes; a larger one stands alone."""
    start = size = 0
    for end, place in enumerate(places):
        # A group's own message holds its items, which stand for themselves.
        more = place.holder.ByteSize() if place.kind in ("span", "log") else 0
        if end > start and size + more > _PIECE_BYTES:
            yield start, end
            start, size = end, 0
        size += more
    if start < len(places):
        yield start, len(places)


def _places(export: Export) -> Iterator[tuple[Any, str]]:
    """Everything in a request that holds text, once."""
    if export.kind == "logs":
        for group in export.message.resource_logs:
            yield group, "resource"
            for scoped in group.scope_logs:
                yield scoped, "scope"
                for record in scoped.log_records:
                    yield record, "log"
    else:
        for group in export.message.resource_spans:
            yield group, "resource"
            for scoped in group.scope_spans:
                yield scoped, "scope"
                for span in scoped.spans:
                    yield span, "span"


@dataclass(slots=True)
class _Place:
    """One message of a request, read as a signal and written back. `kind` says which."""

    holder: Any
    kind: str
    # False where the message says more than its plain values do, or what cannot be kept.
    exact: bool = True

    def read(self) -> Signal:
        holder = self.holder
        match self.kind:
            case "resource":
                texts = [holder.schema_url]
                for entity in holder.resource.entity_refs:
                    texts += [entity.schema_url, entity.type]
                    texts += [*entity.id_keys, *entity.description_keys]
                return Signal(attributes=self._attributes(holder.resource.attributes), values=texts)
            case "scope":
                return Signal(
                    attributes=self._attributes(holder.scope.attributes),
                    names=[holder.scope.name],
                    values=[holder.scope.version, holder.schema_url],
                )
            case "log":
                _trim_ids(holder)
                return Signal(
                    attributes=self._attributes(holder.attributes),
                    names=[holder.event_name],
                    values=[self._plain(holder.body), holder.severity_text],
                )
        _trim_ids(holder)
        events = [
            Signal(attributes=self._attributes(event.attributes), names=[event.name])
            for event in holder.events
        ]
        links = []
        for link in holder.links:
            _trim_ids(link)
            links.append(
                Signal(attributes=self._attributes(link.attributes), values=[link.trace_state])
            )
        return Signal(
            attributes=self._attributes(holder.attributes),
            names=[holder.name],
            values=[holder.status.message, holder.trace_state],
            parts=[*events, *links],
        )

    def write(self, signal: Signal, masked: MaskedSignal) -> None:
        """Puts what was masked where it was read; what is equal is left alone."""
        if self.exact and _same(signal, masked):
            return
        holder, values = self.holder, [value or "" for value in masked.values]
        match self.kind:
            case "resource":
                _set_attributes(holder.resource.attributes, masked.attributes)
                texts = iter(values)
                _set_text(holder, "schema_url", next(texts))
                for entity in holder.resource.entity_refs:
                    _set_text(entity, "schema_url", next(texts))
                    _set_text(entity, "type", next(texts))
                    for keys in (entity.id_keys, entity.description_keys):
                        keys[:] = [next(texts) for _ in keys]
            case "scope":
                _set_attributes(holder.scope.attributes, masked.attributes)
                _set_text(holder.scope, "name", masked.names[0])
                _set_text(holder.scope, "version", values[0])
                _set_text(holder, "schema_url", values[1])
            case "log":
                _set_attributes(holder.attributes, masked.attributes)
                _set_text(holder, "event_name", masked.names[0])
                if holder.HasField("body"):
                    holder.body.Clear()
                    _set_value(holder.body, masked.values[0])
                _set_text(holder, "severity_text", values[1])
            case _:
                _set_attributes(holder.attributes, masked.attributes)
                _set_text(holder, "name", masked.names[0])
                if holder.status.message:
                    holder.status.message = values[0]
                _set_text(holder, "trace_state", values[1])
                for event, part in zip(holder.events, masked.parts, strict=False):
                    _set_attributes(event.attributes, part.attributes)
                    _set_text(event, "name", part.names[0])
                for link, part in zip(
                    holder.links, masked.parts[len(holder.events) :], strict=True
                ):
                    _set_attributes(link.attributes, part.attributes)
                    _set_text(link, "trace_state", part.values[0] or "")

    def clear(self) -> None:
        """Everything will be written anew."""
        self.exact = False

    def _attributes(self, pairs: Any) -> dict[str, Any]:
        attributes = {pair.key: self._plain(pair.value) for pair in pairs}
        if len(attributes) != len(pairs):
            self.exact = False
        return attributes

    def _plain(self, value: Any) -> Any:
        """An AnyValue as plain values; None for one without a value."""
        match value.WhichOneof("value"):
            case "string_value":
                return value.string_value
            case "int_value":
                return value.int_value
            case "double_value":
                return value.double_value
            case "bool_value":
                return value.bool_value
            case "array_value":
                return [self._plain(item) for item in value.array_value.values]
            case "kvlist_value":
                return self._attributes(value.kvlist_value.values)
            case "bytes_value":
                return value.bytes_value
            case None:
                return None
        # An index into a dictionary that this signal has not got.
        self.exact = False
        return None


def _same(signal: Signal, masked: MaskedSignal) -> bool:
    return (
        signal.attributes == masked.attributes
        and signal.names == masked.names
        and signal.values == masked.values
        and all(map(_same, signal.parts, masked.parts))
    )


def _trim_ids(holder: Any) -> None:
    """Removes what is called an id and has not an id's length: it may hold anything."""
    if len(holder.trace_id) not in (0, 16):
        holder.ClearField("trace_id")
    if len(holder.span_id) not in (0, 8):
        holder.ClearField("span_id")
    if hasattr(holder, "parent_span_id") and len(holder.parent_span_id) not in (0, 8):
        holder.ClearField("parent_span_id")


def _set_text(holder: Any, name: str, text: str) -> None:
    if getattr(holder, name) != text:
        setattr(holder, name, text)


def _set_attributes(pairs: Any, attributes: Mapping[str, Any]) -> None:
    del pairs[:]
    for key, value in attributes.items():
        pair = pairs.add(key=key)
        pair.value.SetInParent()
        _set_value(pair.value, value)


def _set_value(target: Any, value: Any) -> None:
    """Sets an AnyValue that has no value yet; None leaves it without one."""
    if value is None:
        return
    if isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, Mapping):
        target.kvlist_value.SetInParent()
        _set_attributes(target.kvlist_value.values, value)
    else:
        target.array_value.SetInParent()
        for item in value:
            _set_value(target.array_value.values.add(), item)


_MAGIC = b"agenttrail-export/1\n"
_DIGEST_BYTES = 16


def pack(export: MaskedExport) -> bytes:
    """A masked request for a file, with a digest over all of it."""
    head = {
        "kind": export.kind, "items": export.items, "failed": export.failed,
        "counts": dict(export.counts),
    }  # fmt: skip
    content = jsontext.dumps(head) + b"\n" + export.payload
    return _MAGIC + hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest() + content


def unpack(data: bytes) -> MaskedExport:
    """What `pack` wrote. Raises ValueError where it is not whole."""
    start = len(_MAGIC) + _DIGEST_BYTES
    content = data[start:]
    digest = hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()
    if data[:start] != _MAGIC + digest:
        raise ValueError("not a whole masked request")
    head, _, payload = content.partition(b"\n")
    return MaskedExport(payload=payload, **jsontext.loads(head))
