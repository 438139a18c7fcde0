"""Spans and log records out of the JSON that carries them: OTLP/JSON exports, and one signal a line.

OTLP/JSON is what the Collector's file exporter and the SDKs write: `{"resourceSpans": […]}` or
`{"resourceLogs": […]}`, attributes as lists of typed values, 64-bit integers as strings, ids as hex.
One signal a line is what the source `otlp` gives: `{"kind": "span", "resource": {"attributes": {}},
"scope": {}, "span": {}}` with attributes as a plain object; `"log"` likewise.
Objects of the JavaScript SDK are what file exporters of agents write as they are (Gemini CLI's
outfile, GitHub Copilot Chat): times as `[seconds, nanoseconds]`, private names with an underscore.

Source: opentelemetry-proto 1.9, "OTLP/JSON"; trace.proto, logs.proto, common.proto;
@opentelemetry/sdk-trace-base 2.12 and sdk-logs 0.223 (SpanImpl, LogRecordImpl), and their 1.x names.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from agenttrail.formats import _data_uri
from agenttrail.jsontext import dumps

SPAN_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_ERROR = 2  # Status.StatusCode
_MAX_DEPTH = 60  # of nested values; what is deeper is left out
_HEX = re.compile("[0-9a-f]+")


@dataclass(slots=True)
class Signal:
    """One span or log record. `attributes` are taken from as they are read; the rest is left over.

    `start` and `end` are nanoseconds since 1970, None where they are not told; a log record has one
    time, `start`. `name` is the span's or the event's.
    """

    kind: Literal["span", "log"]
    name: str
    attributes: dict[str, Any]
    resource: dict[str, Any] = field(default_factory=dict)
    scope: str = ""
    scope_version: str = ""
    trace_id: str | None = None
    span_id: str | None = None
    parent_id: str | None = None
    start: int | None = None
    end: int | None = None
    observed: int | None = None
    span_kind: str = "unspecified"
    failed: bool = False
    status_message: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    body: Any = None
    severity: str = ""
    severity_number: int = 0
    identity: str = ""

    def sealed(self) -> Signal:
        """Itself with its identity: a hash over all that it says."""
        said = [
            *(self.kind, self.name, self.trace_id, self.span_id, self.parent_id),
            *(self.start, self.end, self.span_kind, self.failed, self.status_message),
            *(sorted(self.attributes.items()), sorted(self.resource.items()), self.scope),
            *(self.events, self.links, self.body, self.severity),
        ]
        self.identity = hashlib.blake2b(dumps(said), digest_size=16).hexdigest()
        return self

    def take(self, *names: str) -> Any:
        """The value of the first of these attributes that is there; those equal to it go with it."""
        found: Any = None
        for name in names:
            value = self.attributes.get(name)
            if value is None or value in ("", []):
                continue
            if found is None:
                found = value
            if value == found:
                del self.attributes[name]
        return found


def is_export(data: Any) -> bool:
    return isinstance(data, dict) and any(key in data for key in ("resourceSpans", "resourceLogs"))


_LOG_TIMES = ("_hrTime", "hrTime")


def is_metrics(data: Any) -> bool:
    return isinstance(data, dict) and ("resourceMetrics" in data or "scopeMetrics" in data)


def is_sdk_object(data: Any) -> bool:
    """True for a span or log record as the JavaScript SDK holds it."""
    if not isinstance(data, dict) or not isinstance(data.get("attributes"), dict):
        return False
    return any(isinstance(data.get(name), list) for name in (*_LOG_TIMES, "startTime"))


def is_flat(data: Any) -> bool:
    return (
        isinstance(data, dict)
        and data.get("kind") in ("span", "log")
        and isinstance(data.get(data["kind"]), dict)
    )


def signals(data: dict[str, Any]) -> list[Signal]:
    """Every signal of one record, in the order of their ends, so that parts come before wholes."""
    if is_sdk_object(data):
        return [_sdk_object(data).sealed()]
    found = list(_exported(data)) if is_export(data) else [_flat(data)]
    found.sort(key=lambda signal: signal.end or signal.start or 0)
    return [signal.sealed() for signal in found]


def _exported(data: dict[str, Any]) -> Iterator[Signal]:
    for key, scopes, items, build in (
        ("resourceSpans", "scopeSpans", "spans", _span),
        ("resourceLogs", "scopeLogs", "logRecords", _log),
    ):
        for group in _objects(data.get(key)):
            resource = _attributes(_object(group.get("resource")).get("attributes"))
            for scoped in _objects(group.get(scopes)):
                for item in _objects(scoped.get(items)):
                    signal = build(item, _attributes)
                    _place(signal, resource, _object(scoped.get("scope")))
                    yield signal


def _flat(data: dict[str, Any]) -> Signal:
    build = _span if data["kind"] == "span" else _log
    signal = build(data[data["kind"]], _plain)
    _place(
        signal, _plain(_object(data.get("resource")).get("attributes")), _object(data.get("scope"))
    )
    return signal


def _sdk_object(data: dict[str, Any]) -> Signal:
    context = _object(data.get("_spanContext", data.get("spanContext")))
    parent = _object(data.get("parentSpanContext"))
    status = _object(data.get("status"))
    common: dict[str, Any] = {
        "attributes": _plain(data.get("attributes")),
        "trace_id": _hex(context.get("traceId"), 32),
        "span_id": _hex(context.get("spanId"), 16),
    }
    if any(name in data for name in _LOG_TIMES):
        body = data.get("_body", data.get("body"))
        number = data.get("_severityNumber", data.get("severityNumber"))
        signal = Signal(
            kind="log",
            name=_text(data.get("_eventName", data.get("eventName"))),
            start=_pair(data.get("_hrTime", data.get("hrTime"))),
            observed=_pair(data.get("_hrTimeObserved", data.get("hrTimeObserved"))),
            body=_data_uri.without_content(body),
            severity=_text(data.get("_severityText", data.get("severityText"))),
            severity_number=number if type(number) is int else 0,
            **common,
        )
    else:
        kind = data.get("kind")
        signal = Signal(
            kind="span",
            name=_text(data.get("name")),
            parent_id=_hex(parent.get("spanId", data.get("parentSpanId")), 16),
            start=_pair(data.get("startTime")),
            end=_pair(data.get("endTime")),
            # SpanKind of @opentelemetry/api has no "unspecified" and begins with INTERNAL as 0.
            span_kind=_span_kind(kind + 1) if type(kind) is int else "unspecified",
            failed=status.get("code") == _ERROR,
            status_message=_text(status.get("message")),
            events=[
                {
                    "name": _text(event.get("name")),
                    "time": _pair(event.get("time")),
                    "attributes": _plain(event.get("attributes")),
                }
                for event in _objects(data.get("events"))
            ],
            links=[
                {
                    "trace": _hex(_object(link.get("context")).get("traceId"), 32),
                    "span": _hex(_object(link.get("context")).get("spanId"), 16),
                    "attributes": _plain(link.get("attributes")),
                }
                for link in _objects(data.get("links"))
            ],
            **common,
        )
    resource = _object(data.get("resource"))
    told = resource.get("_rawAttributes")
    pairs = {
        pair[0]: pair[1]
        for pair in _list(told)
        if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)
    }
    scope = data.get("instrumentationScope", data.get("instrumentationLibrary"))
    _place(signal, _plain(pairs or resource.get("attributes", resource.get("_attributes"))), _object(scope))  # fmt: skip
    return signal


def _pair(value: Any) -> int | None:
    """`[seconds, nanoseconds]` in nanoseconds."""
    numbers = _list(value)
    if len(numbers) != 2 or not all(type(number) is int for number in numbers):
        return None
    return _nanoseconds(numbers[0] * 10**9 + numbers[1])


def _place(signal: Signal, resource: dict[str, Any], scope: dict[str, Any]) -> None:
    signal.resource = dict(resource)
    signal.scope = _text(scope.get("name"))
    signal.scope_version = _text(scope.get("version"))


def _span(item: dict[str, Any], attributes: Any) -> Signal:
    status = _object(item.get("status"))
    code = status.get("code")
    return Signal(
        kind="span",
        name=_text(item.get("name")),
        attributes=attributes(item.get("attributes")),
        trace_id=_hex(item.get("traceId"), 32),
        span_id=_hex(item.get("spanId"), 16),
        parent_id=_hex(item.get("parentSpanId"), 16),
        start=_nanoseconds(item.get("startTimeUnixNano")),
        end=_nanoseconds(item.get("endTimeUnixNano")),
        span_kind=_span_kind(item.get("kind")),
        failed=code in (_ERROR, "STATUS_CODE_ERROR", "ERROR"),
        status_message=_text(status.get("message")),
        events=[
            {
                "name": _text(event.get("name")),
                "time": _nanoseconds(event.get("timeUnixNano")),
                "attributes": attributes(event.get("attributes")),
            }
            for event in _objects(item.get("events"))
        ],
        links=[
            {
                "trace": _hex(link.get("traceId"), 32),
                "span": _hex(link.get("spanId"), 16),
                "attributes": attributes(link.get("attributes")),
            }
            for link in _objects(item.get("links"))
        ],
    )


def _log(item: dict[str, Any], attributes: Any) -> Signal:
    number = item.get("severityNumber")
    body = item.get("body")
    return Signal(
        kind="log",
        name=_text(item.get("eventName")),
        attributes=attributes(item.get("attributes")),
        trace_id=_hex(item.get("traceId"), 32),
        span_id=_hex(item.get("spanId"), 16),
        start=_nanoseconds(item.get("timeUnixNano")),
        observed=_nanoseconds(item.get("observedTimeUnixNano")),
        body=_value(body) if attributes is _attributes else _data_uri.without_content(body),
        severity=_text(item.get("severityText")),
        severity_number=number if isinstance(number, int) and not isinstance(number, bool) else 0,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    """A list of `{"key": …, "value": {"stringValue": …}}` as a plain object."""
    return {
        pair["key"]: _value(pair.get("value"))
        for pair in _objects(pairs)
        if isinstance(pair.get("key"), str)
    }


def _plain(attributes: Any) -> dict[str, Any]:
    """A plain object, with what bytes it holds described as an export's are."""
    found: dict[str, Any] = _data_uri.without_content(_object(attributes))
    return found


def _value(value: Any, depth: int = 0) -> Any:
    """The JSON value that an AnyValue stands for."""
    if not isinstance(value, dict) or depth > _MAX_DEPTH:
        return None
    for kind, said in value.items():
        match kind:
            case "stringValue":
                return _text(said)
            case "intValue":
                return _whole(said)
            case "doubleValue" | "boolValue":
                return said
            case "arrayValue":
                return [_value(item, depth + 1) for item in _list(_object(said).get("values"))]
            case "kvlistValue":
                return {
                    pair["key"]: _value(pair.get("value"), depth + 1)
                    for pair in _objects(_object(said).get("values"))
                    if isinstance(pair.get("key"), str)
                }
            case "bytesValue":
                return _data_uri.described(f"data:application/octet-stream;base64,{_text(said)}")
    return None


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return int(value) if len(value) < 30 else value
        except ValueError:
            return value
    return value


def _nanoseconds(value: Any) -> int | None:
    number = _whole(value)
    if isinstance(number, bool) or not isinstance(number, int):
        return None
    return number if 0 < number < 2**64 else None


def _span_kind(value: Any) -> str:
    if isinstance(value, int) and 0 <= value < len(SPAN_KINDS):
        return SPAN_KINDS[value]
    name = _text(value).lower().removeprefix("span_kind_")
    return name if name in SPAN_KINDS else "unspecified"


def _hex(value: Any, size: int) -> str | None:
    """A valid W3C id in small letters, else None."""
    text = _text(value).lower()
    valid = len(text) == size and _HEX.fullmatch(text) is not None and text.strip("0") != ""
    return text if valid else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: Any) -> Iterable[dict[str, Any]]:
    return [item for item in _list(value) if isinstance(item, dict)]
