"""Our own lines read back, so that pipelines can be chained and masked logs masked again.

Promises: an event keeps its id, its time, its provenance and every value that has its field's type.
A value of another type is put into it where that is exact; what cannot be, and every key that the
registry does not know, goes under `agenttrail.source.raw` by its dotted path, so nothing is lost
and what leaves is valid by the schema. A missing required field gets what a new event would have.

Format: the canonical line of agenttrail schema 1.0 (`fields.json_schema`).

Limits: an event of another schema version keeps that version's number and loses no value, but its
unknown fields are not translated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from agenttrail import fields as f
from agenttrail.formats import _event
from agenttrail.formats._coerce import coerce
from agenttrail.jsontext import loads
from agenttrail.seams import Drop, Event, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class AgenttrailOptions:
    """agenttrail's own JSON Lines, to chain pipelines."""

    type: ClassVar[str] = "agenttrail"

    def build(self) -> AgenttrailFormat:
        return AgenttrailFormat()


class AgenttrailFormat:
    """One canonical line to one event; see the module's docstring."""

    def __call__(self, record: Record, /) -> Iterable[Event]:
        if not record.data.strip():
            raise Drop("blank")
        try:
            document = loads(record.data)
        except ValueError:
            return [_unreadable(record, "not_json")]
        if not isinstance(document, dict) or not isinstance(document.get("agenttrail"), dict):
            return [_unreadable(record, "unknown_shape")]
        return [_event_of(record, document)]

    def end(self, _stream: str, /) -> Iterable[Event]:
        return ()


def sniff(lines: Sequence[bytes], path: str | None) -> int:  # noqa: ARG001
    """100 where every line that is JSON is an agenttrail event, 80 where most are, else 0."""
    scores = [score for score in map(_score, lines) if score is not None]
    if not scores or sum(scores) * 2 <= len(scores):
        return 0
    return 100 if all(scores) else 80


def _score(line: bytes) -> bool | None:
    """Whether a line is one of ours; None for a line that is no JSON."""
    try:
        document = loads(line)
    except ValueError:
        return None
    known = isinstance(document, dict) and "event" in document
    own = document.get("agenttrail") if known else None
    schema = own.get("schema") if isinstance(own, dict) else None
    return isinstance(schema, dict) and isinstance(schema.get("version"), str)


def _event_of(record: Record, document: dict[str, Any]) -> Event:
    known, unknown = f.from_document(document)
    raw: dict[str, Any] = {}
    kept: dict[str, Any] = {}
    for name, value in known.items():
        exact = coerce(f.FIELDS[name], value)
        if exact is not None:
            kept[name] = exact
        elif value is not None:
            raw[name] = value
    raw.update(unknown)
    if raw:
        # A key of the line's own raw object wins nothing over a leftover of the same path.
        kept[f.SOURCE_RAW] = {**kept.get(f.SOURCE_RAW, {}), **raw}
    kept.setdefault(f.EVENT_ACTION, "log")
    if f.TIMESTAMP not in kept:
        kept[f.TIMESTAMP] = record.time
        kept[f.SOURCE_TIME] = "read"
    made = _event.make("agenttrail", kept, record)
    # What the line does not say about its first source stays unsaid, but for what is required.
    optional = {f.SOURCE_FILE, f.SOURCE_LINES, f.SOURCE_BYTES}
    fields = {
        name: value for name, value in made.fields.items() if name in kept or name not in optional
    }
    return replace(made, fields=fields)


def _unreadable(record: Record, error: str) -> Event:
    return _event.unreadable("agenttrail", record, error, timestamp=record.time, time="read")
