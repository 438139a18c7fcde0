"""The field policy: what `fields.py` says of a field's privacy, type and shape, applied to a value.

Each function gives the value that may leave, or `REMOVED` where the field's type cannot hold
anything that may.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from agenttrail import fields as f
from agenttrail import jsontext
from agenttrail.masks._objects import is_settled
from agenttrail.masks._walk import Walk


class _Removed:
    """The type of `REMOVED`."""


REMOVED: Final = _Removed()
# Chained lines bring counts with them: a name of ours or of a recogniser, never one of a person.
_KIND = re.compile(r"[A-Z][A-Z0-9_]{1,63}")
_OPERATORS = frozenset({"replace", "pseudonym", "partial", "encrypt", "drop", "keep"})
# Longer values are seldom met again.
_REMEMBERED_CHARS = 80


_LONGS = frozenset(field.name for field in f.FIELDS.values() if field.type == "long")
_STRINGS = frozenset(field.name for field in f.FIELDS.values() if field.type in ("keyword", "text"))
_BOOLEANS = frozenset(field.name for field in f.FIELDS.values() if field.type == "boolean")
_LISTS = frozenset(field.name for field in f.FIELDS.values() if field.type == "keywords")


def stays(name: str, value: Any) -> bool:
    """True where a value of this field may leave as it is, told without a look at anything else.

    False says nothing.
    """
    kind = type(value)
    if kind is str:
        return len(value) <= _REMEMBERED_CHARS and name in _STRINGS and _is_left_alone(name, value)
    if kind is int:
        return name in _LONGS
    if kind is bool:
        return name in _BOOLEANS
    if kind is list and name in _LISTS:
        for item in value:
            if type(item) is not str or len(item) > _REMEMBERED_CHARS:
                return False
            if not _is_left_alone(name, item):
                return False
        return True
    return False


def mask_field(field: f.Field, value: Any, walk: Walk) -> Any:
    """One field's value, masked as its privacy says."""
    match field.type:
        case "long" | "double" | "boolean" | "date" | "counts":
            return value if fits_type(field, value) else REMOVED
        case "keyword" | "text":
            return _string(field, value, walk)
        case "keywords":
            items = value if isinstance(value, (list, tuple)) else [value]
            return [_string(field, item, walk) for item in items if item is not None]
        case "object":
            return walk.remembered(value if isinstance(value, dict) else {"value": value})
        case "objects":
            items = value if isinstance(value, (list, tuple)) else [value]
            wrapped = [item if isinstance(item, dict) else {"value": item} for item in items]
            return walk.remembered(wrapped, level=0)


def fits_type(field: f.Field, value: Any) -> bool:
    """True where the value is of the field's type and, where it must have a shape, has it."""
    match field.type:
        case "long":
            return isinstance(value, int) and not isinstance(value, bool)
        case "double":
            return (
                isinstance(value, (int, float)) and not isinstance(value, bool) and value == value
            )
        case "boolean":
            return isinstance(value, bool)
        case "counts":
            return isinstance(value, dict) and all(
                (key in _OPERATORS if field.name == f.PII_BY_OPERATOR else _KIND.fullmatch(key))
                and isinstance(n, int)
                and not isinstance(n, bool)
                for key, n in value.items()
            )
        case "keyword" | "text" | "date":
            return isinstance(value, str) and (field.shape is None or field.shape.fits(value))
        case "keywords":
            return isinstance(value, list) and all(
                isinstance(item, str) and (field.shape is None or field.shape.fits(item))
                for item in value
            )
        case "object":
            return isinstance(value, dict)
        case "objects":
            return isinstance(value, list) and all(isinstance(item, dict) for item in value)


@lru_cache(65_536)
def _is_left_alone(name: str, text: str) -> bool:
    """Whether a structural value stays whatever else is known: it has its shape, and that is not searched."""
    field = f.FIELDS[name]
    if f.CONSTANTS.get(name) == text:
        return True
    if field.privacy != "structural" or field.shape is None or not field.shape.fits(text):
        return False
    return not field.shape.scan or is_settled(text)


def _string(field: f.Field, value: Any, walk: Walk) -> str:
    text = value if isinstance(value, str) else jsontext.dumps(value).decode()
    if len(text) <= _REMEMBERED_CHARS and _is_left_alone(field.name, text):
        return text
    if field.privacy == "personal":
        return text if not text or walk.is_marker(text) else walk.whole(field.kind, text)
    if field.privacy == "structural" and field.shape is not None and field.shape.fits(text):
        if not field.shape.scan or is_settled(text):  # longer than what is remembered
            return text
        return walk.words(text, "token")
    if field.shape is not None and field.shape.words:
        return walk.word(text)
    return walk.text(text)
