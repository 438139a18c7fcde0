"""Any JSON object a line: the way out for every in-house log.

The object is kept whole under `agenttrail.source.raw`; a scalar or an array stands there under
`value`. A mapping puts values into our fields:

    format:
      type: jsonl
      fields: {gen_ai.tool.name: tool, user.id: /actor/id, event.action: op.name}
      constants: {agenttrail.mcp.server.name: billing}
      timestamp: [meta.at]

Paths are dotted (`a.b.0` is the first item of the list at a.b), or JSON Pointers (RFC 6901) where
they start with a slash. A mapped value leaves `agenttrail.source.raw`: a field that names a person
is masked whole, and a copy left in raw would be masked only where an analyser finds it. A value
that cannot be put into its field's type exactly stays in raw alone, and the event is marked
`agenttrail.source.error: bad_type`.

Time: the first of `timestamp`, else the usual names, that holds an instant (RFC 3339, or seconds
to nanoseconds since 1970); else the time of reading, which `agenttrail.source.time` says.

Limits: one field takes one path; nothing is computed or joined.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from agenttrail import fields as f
from agenttrail.errors import OptionError
from agenttrail.formats import _event
from agenttrail.formats._coerce import coerce
from agenttrail.jsontext import loads
from agenttrail.seams import Drop, Event, Record

_TIMES = (
    "@timestamp", "timestamp", "ts", "time", "event_timestamp", "eventTime", "event_time",
    "startTime", "start_time", "started_at", "created_at", "createdAt", "datetime", "Datetime",
    "date", "timeUnixNano", "TimeGenerated",
)  # fmt: skip
# Made by agenttrail about its own work: a mapping that could set them could forge them.
_OWN = frozenset(f.CONSTANTS) | {
    f.SOURCE_TYPE, f.SOURCE_FORMAT, f.SOURCE_FILE, f.SOURCE_LINE, f.SOURCE_LINES, f.SOURCE_BYTES,
    f.SOURCE_TIME, f.SOURCE_TRUNCATED, f.SOURCE_ERROR, f.SOURCE_RAW, f.PII_MASKED, f.PII_BY_TYPE,
    f.PII_BY_OPERATOR, f.PII_KEPT, f.PII_UNMASKED, f.PII_POLICY, f.PII_FAILED, f.PII_ERROR,
    f.PII_REMOVED, f.EVENT_ID,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonlOptions:
    """Any JSON object a line, kept under agenttrail.source.raw, with a mapping of your own."""

    type: ClassVar[str] = "jsonl"
    fields: Annotated[
        dict[str, str], "Our field name to the path of its value: dotted, or a JSON Pointer."
    ] = field(default_factory=dict)
    constants: Annotated[dict[str, str], "Our field name to a value that every event gets."] = (
        field(default_factory=dict)
    )
    timestamp: Annotated[
        tuple[str, ...], "Paths to look for the time in; the usual names where there is none."
    ] = ()

    def __post_init__(self) -> None:
        for option, names in (("fields", self.fields), ("constants", self.constants)):
            for name in names:
                _check(option, name)
        for name, path in self.fields.items():
            if not _steps(path):
                raise OptionError(f"fields.{name}", "an empty path points at nothing")
        for name, value in self.constants.items():
            if name in self.fields:
                raise OptionError(f"constants.{name}", "is in fields too")
            if coerce(f.FIELDS[name], value) is None:
                raise OptionError(f"constants.{name}", f"must be a {f.FIELDS[name].type}")
        if not all(_steps(path) for path in self.timestamp):
            raise OptionError("timestamp", "an empty path points at nothing")

    def build(self) -> JsonlFormat:
        return JsonlFormat(self)


def _check(option: str, name: str) -> None:
    if name in _OWN:
        raise OptionError(f"{option}.{name}", "is set by agenttrail itself")
    if name not in f.FIELDS:
        near = difflib.get_close_matches(name, f.FIELDS, n=1, cutoff=0.0)
        raise OptionError(
            f"{option}.{name}",
            "no field has this name",
            hint=f"did you mean '{near[0]}'?" if near else "",
        )


class JsonlFormat:
    """One line to one event; see the module's docstring."""

    def __init__(self, options: JsonlOptions) -> None:
        self._paths = {name: _steps(path) for name, path in options.fields.items()}
        self._constants = {
            name: coerce(f.FIELDS[name], value) for name, value in options.constants.items()
        }
        self._times = [_steps(path) for path in options.timestamp]

    def __call__(self, record: Record, /) -> Iterable[Event]:
        if not record.data.strip():
            raise Drop("blank")
        try:
            value = loads(record.data)
        except ValueError:
            return [
                _event.unreadable(
                    "jsonl", record, "not_json", timestamp=record.time, time="read"
                )
            ]  # fmt: skip
        return [self._event(record, value if isinstance(value, dict) else {"value": value})]

    def end(self, _stream: str, /) -> Iterable[Event]:
        return ()

    def _event(self, record: Record, raw: dict[str, Any]) -> Event:
        fields: dict[str, Any] = dict(self._constants)
        moment = self._moment(raw)
        fields[f.TIMESTAMP] = moment or record.time
        fields[f.SOURCE_TIME] = "log" if moment else "read"
        taken: list[tuple[str | int, ...]] = []
        for name, path in self._paths.items():
            found, place = _find(raw, path)
            if found is None:
                continue
            exact = coerce(f.FIELDS[name], found)
            if exact is None:
                fields[f.SOURCE_ERROR] = "bad_type"
                continue
            fields[name] = exact
            taken.append(place)
            if name == f.TIMESTAMP:
                fields[f.SOURCE_TIME] = "log"
        # Later items of a list first, so that the earlier ones keep their places.
        for place in sorted(set(taken), key=_order, reverse=True):
            _remove(raw, place)
        fields.setdefault(f.EVENT_ACTION, "log")
        fields[f.SOURCE_RAW] = raw or None
        return _event.make("jsonl", fields, record)

    def _moment(self, raw: dict[str, Any]) -> str | None:
        for path in self._times:
            moment: str | None = coerce(f.FIELDS[f.TIMESTAMP], _find(raw, path)[0])
            if moment:
                return moment
        if self._times:
            return None
        for name in _TIMES:
            moment = coerce(f.FIELDS[f.TIMESTAMP], raw.get(name))
            if moment:
                return moment
        return None


def sniff(lines: Sequence[bytes], path: str | None) -> int:  # noqa: ARG001
    """5 where every line is a JSON object: enough to be the last resort, too little to win."""
    texts = [line for line in lines if line.strip()]
    try:
        return 5 if texts and all(isinstance(loads(line), dict) for line in texts) else 0
    except ValueError:
        return 0


def _steps(path: str) -> tuple[str, ...]:
    """The keys of a dotted path or a JSON Pointer; empty where there are none."""
    if path.startswith("/"):
        return tuple(
            step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")
        )  # fmt: skip
    return tuple(path.split(".")) if path else ()


def _find(value: Any, steps: tuple[str, ...]) -> tuple[Any, tuple[str | int, ...]]:
    """The value at a path (None where there is none) and its keys and list indexes.

    A key that holds dots itself wins over the path through nested objects: flat logs have such.
    """
    place: list[str | int] = []
    whole = ".".join(steps)
    if isinstance(value, dict) and whole in value:
        return value[whole], (whole,)
    for step in steps:
        if isinstance(value, dict) and step in value:
            place.append(step)
            value = value[step]
        elif isinstance(value, list) and step.isascii() and step.isdigit() and len(step) < 10:
            if int(step) >= len(value):
                return None, ()
            place.append(int(step))
            value = value[int(step)]
        else:
            return None, ()
    return value, tuple(place)


def _order(place: tuple[str | int, ...]) -> tuple[tuple[str, int], ...]:
    return tuple(("", step) if isinstance(step, int) else (step, 0) for step in place)


def _remove(raw: dict[str, Any], place: tuple[str | int, ...]) -> None:
    """Takes out the value at `place`, and the objects and lists that this empties."""
    holders: list[tuple[Any, str | int]] = []
    holder: Any = raw
    for step in place:
        if not _has(holder, step):
            return  # an outer value was mapped too and is gone already
        holders.append((holder, step))
        holder = holder[step]
    for holder, step in reversed(holders):
        del holder[step]
        if holder:
            return


def _has(holder: Any, step: str | int) -> bool:
    if isinstance(holder, dict):
        return step in holder
    return isinstance(holder, list) and isinstance(step, int) and step < len(holder)
