"""How every format makes an event: id, provenance, time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from agenttrail import fields as f
from agenttrail import shapes
from agenttrail.formats import _data_uri
from agenttrail.formats._cut import CUT, drop_end
from agenttrail.seams import Event, Record


@dataclass(slots=True)
class Made:
    """An event to be: its fields and what `_event.make` takes beside them."""

    fields: dict[str, Any]
    outcome: str = "unknown"
    category: tuple[str, ...] = ("api",)
    type: tuple[str, ...] = ("info",)
    raw: dict[str, Any] = field(default_factory=dict)


def make(
    format_id: str,
    fields: Mapping[str, Any],
    *origins: Record,
    part: str = "",
    kind: str = "event",
    category: tuple[str, ...] = ("api",),
    type: tuple[str, ...] = ("info",),
    outcome: str = "unknown",
) -> Event:
    """An event with its constants, id and provenance filled in; `fields` win over what is filled in.

    Args:
        format_id: the format's component id.
        fields: what the format read; entries whose value is None are left out.
        origins: the records it accounts for, the one it is about first.
        part: tells the events of one record apart ("0", "1", "usage"); the same on every run.
        kind: ECS event.kind.
        category: ECS categories.
        type: ECS types.
        outcome: ECS event.outcome.

    Base64 in `data:` URIs does not come out, in whatever field; see `_data_uri`.

    The id is a hash over the first and the last origin's digest and `part`, so a request that found
    its answer later has another id than the same request reported as unanswered.
    """
    first, last = origins[0], origins[-1]
    digest = hashlib.blake2b(first.digest + last.digest + part.encode(), digest_size=16)
    filled: dict[str, Any] = {
        **f.CONSTANTS,
        f.EVENT_ID: digest.hexdigest(),
        f.EVENT_KIND: kind,
        f.EVENT_CATEGORY: list(category),
        f.EVENT_TYPE: list(type),
        f.EVENT_OUTCOME: outcome,
        f.DATA_STREAM_NAMESPACE: "default",
        f.SOURCE_TYPE: first.source,
        f.SOURCE_FORMAT: format_id,
        f.SOURCE_LINE: first.line,
        f.SOURCE_LINES: len(origins),
        f.SOURCE_BYTES: sum(origin.full_bytes for origin in origins),
        f.SOURCE_TIME: "log",
    }
    if first.path is not None:
        filled[f.SOURCE_FILE] = first.path
    if any(origin.truncated for origin in origins):
        filled[f.SOURCE_TRUNCATED] = True
    filled.update((name, value) for name, value in fields.items() if value is not None)
    if any(_data_uri.possible(origin.data) for origin in origins):
        filled = _data_uri.without_content(filled)
    return Event(filled, origins)


def unreadable(
    format_id: str, record: Record, error: str, *, timestamp: str, time: str = "neighbour"
) -> Event:
    """The event of a line that is not what its format expects: kept under source.raw.

    It is kept whole, but for the last word of a line that was cut.

    Args:
        format_id: the format's component id.
        record: the line.
        error: a short constant such as "not_json".
        timestamp: the neighbouring line's time, or the record's time of reading.
        time: which of the two it is: "neighbour" or "read".
    """
    text = record.data.decode("utf-8", "replace")
    if record.truncated or _is_half(text):
        text = drop_end(text) + CUT
    return make(
        format_id,
        {
            f.TIMESTAMP: timestamp,
            f.SOURCE_TIME: time,
            f.EVENT_ACTION: "unreadable",
            f.SOURCE_ERROR: "too_long" if record.truncated else error,
            f.SOURCE_RAW: {"value": text},
        },
        record,
        kind="pipeline_error",
    )


def _is_half(text: str) -> bool:
    """True for JSON whose end is missing: its writer stopped in the middle."""
    first, last = text.lstrip()[:1], text.rstrip()[-1:]
    return (first == "{" and last != "}") or (first == "[" and last != "]")


def timestamp(value: Any) -> str | None:
    """An instant as RFC 3339 in UTC ending in Z, or None where `value` is none.

    Args:
        value: RFC 3339 text (a missing zone means UTC, a space may stand for the T), or seconds,
            milliseconds, microseconds or nanoseconds since 1970, told apart by their size.

    Fractions keep up to nine digits as written.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        for scale in (1, 10**3, 10**6, 10**9):
            if abs(value) < 10**11 * scale:
                try:
                    if isinstance(value, int):
                        whole, rest = divmod(value, scale)
                        moment = datetime.fromtimestamp(whole, UTC)
                        fraction = f"{rest / scale:.9f}"[2:].rstrip("0") if rest else ""
                        text = moment.replace(tzinfo=None).isoformat(timespec="seconds")
                        return f"{text}.{fraction}Z" if fraction else f"{text}Z"
                    return _iso(datetime.fromtimestamp(value / scale, UTC))
                except (ValueError, OverflowError, OSError):
                    return None
        return None
    if not isinstance(value, str) or not 10 < len(value) < 40:
        return None
    try:
        moment = datetime.fromisoformat(value)
        if shapes.DATE.fits(value):
            return value
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return _iso(moment.astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def nanoseconds(start: str | None, end: str | None) -> int | None:
    """Time from `start` to `end`, both as `timestamp` gives them; None where it cannot be told."""
    if start is None or end is None:
        return None
    microseconds = (datetime.fromisoformat(end) - datetime.fromisoformat(start)) // timedelta(
        microseconds=1
    )
    return microseconds * 1000 if microseconds >= 0 else None


def _iso(moment: datetime) -> str:
    text = moment.replace(tzinfo=None, microsecond=0).isoformat()  # strftime drops a year's zeros
    return f"{text}.{moment.microsecond:06d}Z" if moment.microsecond else f"{text}Z"
