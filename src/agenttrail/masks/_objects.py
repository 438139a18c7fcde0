"""What the keys of an object say of its values, and which strings are no text at all."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from agenttrail import shapes
from agenttrail.masks._encoded import whole
from agenttrail.masks._rules import kind_of

# Keys whose one capitalised word is a name of a program's, not of a person.
SCHEMA_KEYS = frozenset(
    [
        "name",
        "type",
        "role",
        "kind",
        "status",
        "state",
        "tool",
        "tool_name",
        "toolName",
        "server",
        "method",
        "action",
        "mode",
        "level",
        "title",
        "event",
        "operation",
        "subagent_type",
        "description",
        "format",
        "language",
        "class",
        "code",
        "reason",
    ]
)
_NAME_KEYS = frozenset(["name", "key", "field", "header", "parameter", "variable", "option"])
_VALUE_KEYS = frozenset(["value", "val", "values"])
# JSON Schema 2020-12: what says that an object describes a value, and what in it holds values.
_SCHEMA_TYPES = frozenset(["string", "number", "integer", "boolean", "object", "array", "null"])
SCHEMA_VALUES = frozenset(["default", "const", "enum", "example", "examples"])
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z_]{0,40}")
_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]{0,40}")
# Objects of more keys are of no shape that comes again.
_USUAL_KEYS = 64
_SEVEN_DIGITS = re.compile(r"(?:\D*\d){7}")
_SETTLED = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
    r"|(?:sha(?:1|256|384|512)|md5)[:=-](?=[0-9]*[a-fA-F])[0-9a-fA-F]{32,128}"
)
# None of them is longer.
_SETTLED_CHARS = 160


def is_settled(text: str) -> bool:
    """True for a string that no personal data fits: a machine's id, a digest, a timestamp."""
    # None of them is longer, and but for a timestamp none holds a space.
    if len(text) > _SETTLED_CHARS or (" " in text and not text[0].isdecimal()):
        return False
    return (
        shapes.MADE_ID.fits(text) or shapes.HEX.fits(text) or _SETTLED.fullmatch(text) is not None
    )


@lru_cache(4096)
def is_plain(key: str) -> bool:
    """True for a key that is no personal data: a name of a program's, a machine's id."""
    if _PLAIN_KEY.fullmatch(key) and not _SEVEN_DIGITS.match(key) and whole(key) is None:
        return True
    return is_settled(key)


def is_schema(value: dict[str, Any]) -> bool:
    """True for an object that describes a value instead of holding one."""
    kind = value.get("type")
    if isinstance(kind, str):
        return kind in _SCHEMA_TYPES and not any(key.lower() in _VALUE_KEYS for key in value)
    return isinstance(kind, list) or not value.keys().isdisjoint({"$ref", "anyOf", "oneOf"})


@dataclass(frozen=True, slots=True)
class ObjectKeys:
    """What the keys of an object say."""

    is_plain: bool  # every one stays as it is
    names: tuple[str, ...]  # those whose value is a key of what stands beside it
    values: frozenset[str]  # those of what stands beside it

    @classmethod
    def of(cls, keys: tuple[str, ...]) -> ObjectKeys:
        return cls(
            all(map(is_plain, keys)),
            tuple(key for key in keys if key.lower() in _NAME_KEYS),
            frozenset(key for key in keys if key.lower() in _VALUE_KEYS),
        )


_of_usual = lru_cache(4096)(ObjectKeys.of)


def keys_of(keys: tuple[str, ...]) -> ObjectKeys:
    """What these keys say; of a usual object's it is remembered."""
    return _of_usual(keys) if len(keys) <= _USUAL_KEYS else ObjectKeys.of(keys)


def names_next(before: str, item: Any, *, is_pair: bool) -> bool:
    """True where one item of a list is the key of the next: --token X, ["X-Api-Key", "…"].

    Lists of field names are no such pairs: two of them stand side by side, and ["password", "city"]
    is two words unless it stands in a list of pairs.
    """
    if not isinstance(item, (str, int, float)) or len(before) > 100 or before[:2] == "- ":
        return False
    if before.startswith("--"):
        return kind_of(before[2:]) == "SECRET" and not str(item).startswith("-")
    if kind_of(before) is None or (isinstance(item, str) and kind_of(item) is not None):
        return False
    if is_pair:
        # A count behind a word is none: ["phone", 0].
        return isinstance(item, str) or abs(item) >= 1000
    return kind_of(before) == "SECRET" and isinstance(item, str) and not _IDENTIFIER.fullmatch(item)


def free_key(key: str, taken: set[str]) -> str:
    """`key`, or with the first number behind it that makes it differ from all in `taken`."""
    free, number = key, 1
    while free in taken:
        number += 1
        free = f"{key}_{number}"
    taken.add(free)
    return free


def has_twins(text: str) -> bool:
    """True where JSON text has one key twice: what the first one holds was not looked at."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        unique = dict(items)
        if len(unique) < len(items):
            raise KeyError
        return unique

    try:
        json.loads(text.lstrip("\ufeff"), object_pairs_hook=pairs, parse_int=str, strict=False)
    except KeyError:
        return True
    return False
