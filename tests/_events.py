"""Masked events for the tests of sinks, made without a mask."""

from __future__ import annotations

import functools
import json
from typing import Any

import jsonschema

from agenttrail import fields as f
from agenttrail import jsontext
from agenttrail.seams import MaskedEvent


def masked(fields: dict[str, Any] | None = None, *, id: str = "0123456789abcdef") -> MaskedEvent:
    """An event as a mask would give it: everything that is required, and `fields` over it."""
    filled: dict[str, Any] = {
        **f.CONSTANTS,
        f.TIMESTAMP: "2026-01-02T03:04:05.678901234Z",
        f.EVENT_ID: id,
        f.EVENT_KIND: "event",
        f.EVENT_CATEGORY: ["api"],
        f.EVENT_TYPE: ["info"],
        f.EVENT_ACTION: "execute_tool",
        f.EVENT_OUTCOME: "success",
        f.DATA_STREAM_NAMESPACE: "default",
        f.SOURCE_TYPE: "file",
        f.SOURCE_FORMAT: "mcp_wire",
        f.SOURCE_LINE: 1,
        f.SOURCE_TIME: "log",
        f.PII_MASKED: 0,
        f.PII_POLICY: "default-1",
        **(fields or {}),
    }
    return MaskedEvent(filled, jsontext.dumps(f.to_document(filled)))


SAMPLES: dict[str, Any] = {
    "keyword": "sample",
    "keywords": ["one", "two"],
    "text": "words of a sample",
    "date": "2026-01-02T03:04:05.678901234Z",
    "long": 42,
    "double": 1.5,
    "boolean": True,
    "object": {"key": {"inner": [1, "two", None]}},
    "objects": [{"role": "user"}, {"role": "assistant", "parts": [{"type": "text"}]}],
    "counts": {"EMAIL_ADDRESS": 2, "PERSON": 1},
}


def full(*, id: str = "0123456789abcdef") -> MaskedEvent:
    """An event that has every field of the registry, each with a value of its type."""
    required = masked(id=id).fields
    return masked(
        {name: SAMPLES[field.type] for name, field in f.FIELDS.items() if name not in required},
        id=id,
    )


@functools.cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(f.json_schema())


def assert_valid(line: bytes) -> None:
    """The line follows the JSON Schema of the record."""
    _validator().validate(json.loads(line))
