"""Running a format over lines, and the promises that every run is held to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import strategies as st

from agenttrail import fields as f
from agenttrail.jsontext import dumps, loads
from agenttrail.seams import Drop, Dropped, Event, Format, Record
from agenttrail.testing import records

SHARED = Path(__file__).parents[3] / "shared" / "data" / "agents"
SCHEMA = jsonschema.Draft202012Validator(f.json_schema())


def plain_run(form: Format, *lines: bytes, path: str | None = "test.log") -> list[Event]:
    """The events of some lines of one stream; each line in an event or dropped, each id once."""
    given = records(*lines, path=path)
    events: list[Event] = []
    dropped = 0
    for record in given:
        try:
            made = list(form(record))
        except Drop:
            dropped += 1
        else:
            events += [event for event in made if isinstance(event, Event)]
    events += [event for event in form.end("test") if isinstance(event, Event)]
    seen = {origin.line for event in events for origin in event.origins}
    assert len(seen) + dropped == len(given), "every record is in an event or dropped"
    ids = [event.fields[f.EVENT_ID] for event in events]
    assert len(set(ids)) == len(ids)
    return events


@dataclass
class Run:
    """What came out: events in order, drops by reason, and the lines that are accounted for."""

    events: list[dict[str, Any]] = field(default_factory=list)
    origins: list[tuple[int, ...]] = field(default_factory=list)
    drops: Counter[str] = field(default_factory=Counter)
    lines: set[tuple[str, int]] = field(default_factory=set)

    def of(self, action: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event[f.EVENT_ACTION] == action]

    def actions(self) -> list[str]:
        return [event[f.EVENT_ACTION] for event in self.events]

    def total(self, name: str) -> int:
        return sum(event.get(name, 0) for event in self.events)


def run(form: Format, given: list[Record], *, validate: bool = True) -> Run:
    """Runs all records; every one must end in an event or a drop, and every event must be valid."""
    result = Run()

    def take(item: Event | Dropped) -> None:
        if isinstance(item, Dropped):
            result.drops[item.reason] += 1
            result.lines.add((item.record.stream, item.record.line))
            return
        result.events.append(dict(item.fields))
        result.origins.append(tuple(origin.line for origin in item.origins))
        result.lines.update((origin.stream, origin.line) for origin in item.origins)
        if validate:
            document = f.to_document({**item.fields, f.PII_MASKED: 0, f.PII_POLICY: "none"})
            SCHEMA.validate(loads(dumps(document)))

    for record in given:
        try:
            for item in form(record):
                take(item)
        except Drop as drop:
            take(Dropped(record, drop.reason))
    for stream in dict.fromkeys(record.stream for record in given):
        for item in form.end(stream):
            take(item)
    assert result.lines == {(record.stream, record.line) for record in given}
    return result


def lines_of(*rows: Any) -> list[bytes]:
    return [row if isinstance(row, bytes) else dumps(row) for row in rows]


def run_rows(form: Format, *rows: Any, path: str | None = None) -> Run:
    return run(form, records(*lines_of(*rows), path=path))


def shared(pattern: str) -> list[Path]:
    if not SHARED.is_dir():
        pytest.skip(f"needs the real logs of {SHARED}")
    found = sorted(SHARED.glob(pattern))
    assert found
    return found


def read(path: Path) -> list[bytes]:
    return path.read_bytes().removesuffix(b"\n").split(b"\n")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def mutated(draw: st.DrawFn, rows: list[dict[str, Any]]) -> list[bytes]:
    """Real-shaped rows in any order, some repeated, with values put out of shape or left out."""
    chosen = draw(st.lists(st.sampled_from(rows), max_size=12))
    return [
        draw(st.binary(max_size=30)) if draw(st.integers(0, 15)) == 0 else _cut(draw, dumps(_spoil(draw, row)))
        for row in chosen
    ]  # fmt: skip


def _cut(draw: st.DrawFn, line: bytes) -> bytes:
    return line[: draw(st.integers(0, len(line)))] if draw(st.integers(0, 15)) == 0 else line


def _spoil(draw: st.DrawFn, value: Any) -> Any:
    luck = draw(st.integers(0, 40))
    if luck == 0:
        return draw(JSON)
    if isinstance(value, dict):
        return {k: _spoil(draw, v) for k, v in value.items() if draw(st.integers(0, 40)) != 0}
    if isinstance(value, list):
        return [_spoil(draw, item) for item in value]
    return value
