"""Spans and log records as lines of JSON for the format `otel`; the shape is in `otlp.py`."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from typing import Any

from agenttrail import jsontext
from agenttrail.seams import Export
from agenttrail.sources._otlp_intake import each_scope

# As OTLP/JSON spells them.
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_IDS = frozenset({"trace_id", "span_id", "parent_span_id"})


def lines(export: Export) -> Iterator[bytes]:
    """One JSON object a span or log record, in their order."""
    kind = "log" if export.kind == "logs" else "span"
    for group, scoped, items in each_scope(export):
        resource = _with_schema(plain(group.resource), group.schema_url)
        scope = _with_schema(plain(scoped.scope), scoped.schema_url)
        for item in items:
            yield jsontext.dumps(
                {"kind": kind, "resource": resource, "scope": scope, kind: plain(item)}
            )


def _with_schema(value: dict[str, Any], url: str) -> dict[str, Any]:
    return {**value, "schemaUrl": url} if url else value


def plain(message: Any) -> dict[str, Any]:
    """A message by OTLP's JSON mapping, but that attributes and bodies are plain JSON."""
    made: dict[str, Any] = {}
    for field, value in message.ListFields():
        name = field.name
        if name == "attributes":
            made["attributes"] = attributes(value)
        elif name == "body":
            made["body"] = any_value(value)
        elif name in _IDS:
            made[field.json_name] = value.hex()
        elif field.type == field.TYPE_MESSAGE:
            made[field.json_name] = (
                [plain(item) for item in value] if field.is_repeated else plain(value)
            )
        elif field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64):
            made[field.json_name] = str(value)
        else:
            made[field.json_name] = list(value) if field.is_repeated else value
    return made


def attributes(pairs: Any) -> dict[str, Any]:
    """Of two equal keys the last wins."""
    return {pair.key: any_value(pair.value) for pair in pairs}


def any_value(value: Any) -> Any:
    """An AnyValue as JSON; bytes are a `data:` URI, what has no value is null."""
    match value.WhichOneof("value"):
        case "array_value":
            return [any_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return attributes(value.kvlist_value.values)
        case "bytes_value":
            # A URI, so that the format sees what it is and puts its size and hash in its place.
            encoded = base64.b64encode(value.bytes_value).decode()
            return f"data:application/octet-stream;base64,{encoded}"
        case None | "string_value_strindex":
            return None
        case "double_value" if not math.isfinite(value.double_value):
            return _NOT_FINITE[str(value.double_value)]
        case name:
            return getattr(value, name)
