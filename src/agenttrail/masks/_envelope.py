"""What of an event may leave though masking it failed: its envelope, each field by its shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from agenttrail import fields as f
from agenttrail import jsontext
from agenttrail.masks._fields import fits_type
from agenttrail.seams import MaskedEvent

if TYPE_CHECKING:
    from agenttrail.masks._walk import Walk

# What a mask says of its work; an event that went through one before brings it along.
_TOLD = frozenset({f.PII_MASKED, f.PII_BY_TYPE, f.PII_BY_OPERATOR, f.PII_KEPT})
# What the schema requires of every event, for one of which nothing else may leave.
_LAST_RESORT: dict[str, Any] = {
    f.TIMESTAMP: "1970-01-01T00:00:00Z",
    f.EVENT_ID: "0" * 15 + "f",
    f.EVENT_KIND: "event",
    f.EVENT_CATEGORY: ["api"],
    f.EVENT_TYPE: ["info"],
    f.EVENT_ACTION: "unreadable",
    f.EVENT_OUTCOME: "unknown",
    f.DATA_STREAM_NAMESPACE: "default",
    f.SOURCE_TYPE: "unknown",
    f.SOURCE_FORMAT: "unknown",
    f.SOURCE_LINE: 0,
    f.SOURCE_TIME: "read",
}


def envelope(
    fields: Mapping[str, Any],
    error: str,
    *,
    policy: str,
    passes: Callable[[f.Field, Any], bool],
) -> dict[str, Any]:
    """The fields that stay.

    Args:
        fields: the whole event's.
        error: class of the failure.
        policy: of the mask.
        passes: whether a value of a loose shape holds nothing that patterns find.
    """
    kept: dict[str, Any] = dict(f.CONSTANTS)
    for name, value in fields.items():
        field = f.FIELDS.get(name)
        if (
            field is not None
            and field.envelope
            and fits_type(field, value)
            and (field.shape is None or not field.shape.scan or passes(field, value))
        ):
            kept[name] = value
    for name, value in _LAST_RESORT.items():
        kept.setdefault(name, value)
    kept[f.PII_REMOVED] = sum(
        value is not None and name not in kept for name, value in fields.items()
    )
    kept[f.PII_MASKED] = kept.get(f.PII_MASKED, 0)
    kept[f.PII_POLICY] = policy
    kept[f.PII_FAILED] = True
    kept[f.PII_ERROR] = named(error)
    return kept


def named(error: str) -> str:
    """The class of a failure as it may be written; a strange one is any Exception."""
    shape = f.FIELDS[f.PII_ERROR].shape
    return error if shape is not None and shape.fits(error) else "Exception"


def masked_event(fields: dict[str, Any]) -> MaskedEvent:
    """The event of masked fields, with its line."""
    line = jsontext.dumps(f.to_document(fields))
    return MaskedEvent(fields, line, failed=fields.get(f.PII_FAILED) is True)


def counted(fields: dict[str, Any], walk: Walk, *, policy: str) -> MaskedEvent:
    """The event of masked fields, with what the walk over them found."""
    if walk.is_quiet and _TOLD.isdisjoint(fields):
        fields[f.PII_MASKED] = 0
        fields[f.PII_POLICY] = policy
        return masked_event(fields)
    fields[f.PII_MASKED] = fields.get(f.PII_MASKED, 0) + walk.counts.total()
    # What was kept is still there and was found again; what was masked came on top.
    before = {k: n for k, n in fields.get(f.PII_BY_OPERATOR, {}).items() if k != "keep"}
    for name, counts in (
        (f.PII_BY_TYPE, Counter(fields.get(f.PII_BY_TYPE, {})) + walk.counts),
        (f.PII_BY_OPERATOR, Counter(before) + walk.by_operator),
        (f.PII_KEPT, walk.kept),
    ):
        fields.pop(name, None)
        if counts:
            fields[name] = dict(sorted(counts.items()))
    fields[f.PII_POLICY] = policy
    return masked_event(fields)


def lost_event(fields: Mapping[str, Any], error: str, *, policy: str) -> MaskedEvent:
    """An event's envelope where no mask is at hand: a value of a loose shape does not stay."""
    return masked_event(envelope(fields, error, policy=policy, passes=lambda *_: False))
