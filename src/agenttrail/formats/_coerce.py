"""Foreign values put into the types of the registry, exactly or not at all."""

from __future__ import annotations

import re
from typing import Any

from agenttrail import fields as f
from agenttrail import shapes
from agenttrail.formats import _event
from agenttrail.jsontext import Number

_LONG = range(-(2**63), 2**63)  # Elasticsearch long
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,18})")
_DECIMAL = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?(?:[eE][+-]?\d{1,2})?")


def coerce(field: f.Field, value: Any) -> Any:
    """`value` in the type of `field`, or None where that cannot be done without changing it.

    Exact means: a numeric string or a whole float to long, "true" and "false" to boolean, a number
    to the keyword of its digits, one string to a list of one, an epoch or RFC 3339 text to date,
    anything but an object under {"value": …} where the field holds an object. A value outside the
    enumeration of its field is none of its type.
    """
    exact = _BY_TYPE[field.type](value)
    closed = field.shape is not None and field.shape.name == "one of"
    if closed and exact is not None and field.name not in f.CONSTANTS:
        assert field.shape is not None
        texts = exact if isinstance(exact, list) else [exact]
        return exact if all(map(field.shape.fits, texts)) else None
    return exact


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return value.text
    if isinstance(value, (int, float)):
        return str(value)
    return None


def _texts(value: Any) -> list[str] | None:
    items = value if isinstance(value, list) else [value]
    texts = [text for text in map(_text, items) if text is not None]
    return texts if texts and len(texts) == len(items) else None


def _long(value: Any) -> int | None:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value in _LONG:
        return value
    return None


def _double(value: Any) -> float | None:
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return float(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return float(value) if abs(value) < 2**53 else None
    if isinstance(value, float):
        return float(value) if abs(value) < 1e308 else None
    return None


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return None


def _date(value: Any) -> str | None:
    if isinstance(value, str) and _DECIMAL.fullmatch(value) and len(value) >= 9:
        value = float(value) if "." in value else int(value)
    if isinstance(value, float) and not abs(value) < 1e20:
        return None
    text = _event.timestamp(value)
    return text if text is not None and shapes.DATE.fits(text) else None


def _object(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    return value if isinstance(value, dict) else {"value": value}


def _objects(value: Any) -> list[dict[str, Any]] | None:
    items = value if isinstance(value, list) else [value]
    objects = [item for item in map(_object, items) if item is not None]
    return objects if objects and len(objects) == len(items) else None


def _counts(value: Any) -> dict[str, int] | None:
    if not isinstance(value, dict):
        return None
    counts = {str(key): _long(item) for key, item in value.items()}
    exact = {key: item for key, item in counts.items() if item is not None}
    return exact if len(exact) == len(counts) else None


_BY_TYPE: dict[str, Any] = {
    "keyword": _text,
    "text": _text,
    "keywords": _texts,
    "long": _long,
    "double": _double,
    "boolean": _boolean,
    "date": _date,
    "object": _object,
    "objects": _objects,
    "counts": _counts,
}
