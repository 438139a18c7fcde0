from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from agenttrail import fields as f
from agenttrail.masks.presidio import PresidioMask, PresidioOptions
from agenttrail.seams import Event, MaskedEvent, Record

RECORD = Record(
    data=b"{}",
    source="file",
    path="agent.jsonl",
    stream="s",
    incarnation="s",
    line=1,
    offset=0,
    end=3,
    digest=b"0123456789abcdef",
    full_bytes=2,
    time="2026-01-01T00:00:00Z",
)
BASE = f.CONSTANTS | {
    f.TIMESTAMP: "2026-01-01T00:00:00Z",
    f.EVENT_ID: "5994ac5a40434059d7779c28d4f88765",
    f.EVENT_KIND: "event",
    f.EVENT_CATEGORY: ["api"],
    f.EVENT_TYPE: ["access", "end"],
    f.EVENT_ACTION: "execute_tool",
    f.EVENT_OUTCOME: "success",
    f.DATA_STREAM_NAMESPACE: "default",
    f.SOURCE_TYPE: "file",
    f.SOURCE_FORMAT: "mcp_wire",
    f.SOURCE_LINE: 1,
    f.SOURCE_TIME: "log",
}


def event(fields: Mapping[str, Any]) -> Event:
    """A complete event with these fields beside what every event has."""
    return Event({**BASE, **fields}, (RECORD,))


@pytest.fixture(scope="session")
def mask() -> PresidioMask:
    return PresidioOptions().one()


@pytest.fixture(scope="session")
def masked(mask: PresidioMask) -> Callable[[Mapping[str, Any]], MaskedEvent]:
    """Masks one event made of these fields."""
    return lambda fields: mask([event(fields)])[0]


@pytest.fixture(scope="session")
def text(masked: Callable[[Mapping[str, Any]], MaskedEvent]) -> Callable[[str], str]:
    """Masks one string as the value of an argument."""
    return lambda value: masked({f.TOOL_ARGUMENTS: {"text": value}}).fields[f.TOOL_ARGUMENTS][
        "text"
    ]
