"""A masked event as an OTLP LogRecord.

- `event_name` is event.action; trace and span id are the record's own where they are valid W3C ids;
  `message` is the body; @timestamp is the time, to the nanosecond. What went there is no attribute
  as well, but event.action, which dashboards ask for.
- Attributes have flat dotted names. Objects are structured values. What a protobuf value cannot hold
  is a string of its digits: integers beyond 64 bits, numbers that a double would round.
- Severity: log.level where the source gave one that is known, else ERROR for a failure and INFO for
  the rest; severity_text is the source's own word.

Source: OpenTelemetry specification 1.55.0, Logs data model (Field: SeverityNumber, EventName);
opentelemetry-proto 1.9, logs.proto and common.proto.

Limits: JSON nested deeper than 30 levels goes on as JSON text from there, because protobuf libraries
refuse messages nested deeper than 100, and one JSON level takes up to three. A time before 1970 or
after 2554 stays the attribute @timestamp.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agenttrail import fields as f
from agenttrail import jsontext, shapes

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

_DEPTH = 30
_LONE = re.compile("[\ud800-\udfff]")
_INT64 = range(-(2**63), 2**63)
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")  # W3C Trace Context: all zeros is invalid
_SPAN_ID = re.compile(r"(?!0{16})[0-9a-f]{16}")

INFO, ERROR = 9, 17
# Levels of syslog (MCP uses them too), of log4j and of Python; numbers as the data model's
# appendix B maps syslog's.
_SEVERITY = {
    "trace": 1, "debug": 5, "info": INFO, "information": INFO, "informational": INFO, "notice": 10,
    "warn": 13, "warning": 13, "error": ERROR, "err": ERROR, "critical": 18, "crit": 18,
    "alert": 19, "fatal": 21, "panic": 21, "emergency": 21, "emerg": 21,
}  # fmt: skip


def log_record(fields: Mapping[str, Any], *, observed_ns: int) -> LogRecord:
    """The LogRecord of one event's fields; `observed_ns` is the clock's time since 1970."""
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

    left = dict(fields)
    record = LogRecord(observed_time_unix_nano=observed_ns)
    time_ns = unix_nanoseconds(left[f.TIMESTAMP])
    if time_ns is not None:
        record.time_unix_nano = time_ns
        del left[f.TIMESTAMP]
    if _TRACE_ID.fullmatch(str(left.get(f.TRACE_ID))):
        record.trace_id = bytes.fromhex(left.pop(f.TRACE_ID))
        # A span id says nothing without its trace.
        if _SPAN_ID.fullmatch(str(left.get(f.SPAN_ID))):
            record.span_id = bytes.fromhex(left.pop(f.SPAN_ID))
    if f.MESSAGE in left:
        record.body.CopyFrom(any_value(left.pop(f.MESSAGE)))
    record.event_name = _text(str(left[f.EVENT_ACTION]))
    level = left.get(f.LOG_LEVEL)
    failed = left.get(f.EVENT_OUTCOME) == "failure"
    record.severity_number = _SEVERITY.get(str(level).lower(), ERROR if failed else INFO)  # type: ignore[assignment]
    record.severity_text = _text(str(level)) if level else "ERROR" if failed else "INFO"
    record.attributes.extend(
        KeyValue(key=name, value=any_value(value)) for name, value in left.items()
    )
    return record


def any_value(value: Any, depth: int = _DEPTH) -> AnyValue:
    """A JSON value as AnyValue; null is one without a value."""
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

    if isinstance(value, str):
        return AnyValue(string_value=_text(value))
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, jsontext.Number):
        return AnyValue(string_value=value.text)
    if isinstance(value, int):
        return (
            AnyValue(int_value=value)
            if value in _INT64
            else AnyValue(string_value=jsontext.dumps(value).decode())
        )
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, (dict, list, tuple)) and depth == 0:
        return AnyValue(string_value=jsontext.dumps(value).decode())
    result = AnyValue()
    if isinstance(value, dict):
        result.kvlist_value.SetInParent()
        result.kvlist_value.values.extend(
            KeyValue(key=_text(key), value=any_value(item, depth - 1))
            for key, item in value.items()
        )
    elif isinstance(value, (list, tuple)):
        result.array_value.SetInParent()
        result.array_value.values.extend(any_value(item, depth - 1) for item in value)
    return result


def unix_nanoseconds(timestamp: str) -> int | None:
    """Nanoseconds since 1970 of RFC 3339 text in UTC; None where 64 unsigned bits cannot say it."""
    if not shapes.DATE.fits(timestamp):
        return None
    whole, _, fraction = timestamp.removesuffix("Z").partition(".")
    try:
        moment = datetime.fromisoformat(whole + "+00:00")
    except ValueError:
        return None
    nanoseconds = int(moment.timestamp()) * 10**9 + int(fraction.ljust(9, "0") or 0)
    return nanoseconds if 0 < nanoseconds < 2**64 else None


def _text(value: str) -> str:
    """The string as UTF-8 can hold it."""
    return _LONE.sub("\ufffd", value)
