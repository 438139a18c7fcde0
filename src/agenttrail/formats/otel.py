"""Spans and log records of OpenTelemetry as events: of agents, of MCP, of anything else.

Reads OTLP/JSON lines as the Collector's file exporter and the SDKs write them (one line, many
signals), one signal a line as the source `otlp` gives it, and the JavaScript SDK's own objects as
agents' file exporters write them, one a line or printed over many lines (Gemini CLI's outfile).

What becomes what:
- A span or event of GenAI, MCP, OpenInference, Claude Code, Codex, Gemini CLI, pydantic-ai,
  OpenLLMetry or the Docker MCP gateway becomes the event that it describes, under the names of this
  record; older names are taken for the current ones.
- Any other span becomes a small event `span`, any other log record `log`; with `other: drop` they are
  left out, and a record with nothing else in it is dropped as `other_signal`.
- What has no field stands under `agenttrail.source.raw`: attributes, the resource's, span events, links.
- Records of our own that come back over OTLP (sink `otlp`) are the events that they were.

Once only: of the records that tell of one tool call (a client's span and its server's, a span beside
a log) the first that comes is `execute_tool`. Usage that comes a second time, and the sums that an
agent's span repeats of its model calls, are marked `agenttrail.usage.rollup`. `remember_max` bounds
what is remembered for this, over all streams.

Event ids are hashes over what a signal says, so a record that is sent again, or comes by another
way, is the same event.

Versions: opentelemetry-proto 1.9; semantic-conventions-genai e07f4eba and its predecessors from 1.26.

Limits: metrics are dropped. Of an object printed over many lines at most 100,000 lines and 16 MB are
held; its end is a line with nothing but its closing brace. A parent that comes before its children is not known to repeat their
usage. A call is told once within one run and `remember_max`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from agenttrail import fields as f
from agenttrail.errors import OptionError
from agenttrail.formats import _event, _otel_agents, _otel_genai, _otel_openinference
from agenttrail.formats import _messages as m
from agenttrail.formats._coerce import coerce
from agenttrail.formats._cut import CUT, drop_end
from agenttrail.formats._event import Made
from agenttrail.formats._otel_common import (
    TOOL,
    UNTOLD,
    Memory,
    fill,
    judge,
    leftovers,
    usage_marks,
)
from agenttrail.formats._otel_wire import (
    Signal,
    is_export,
    is_flat,
    is_metrics,
    is_sdk_object,
    signals,
)
from agenttrail.jsontext import loads
from agenttrail.seams import Drop, Dropped, Event, Record

_ID = "otel"
_AGENTS = ("claude_code", "codex", "gemini_cli")
_CLAUDE_SCOPES = ("com.anthropic.claude_code.events", "com.anthropic.claude_code")
# Logs data model: the first severity number of each level.
_LEVELS = ((21, "fatal"), (17, "error"), (13, "warn"), (9, "info"), (5, "debug"), (1, "trace"))


# Keys of an object printed over many lines that only this SDK has.
_PRINTED = frozenset(
    {
        b'"_spanContext"',
        b'"hrTime"',
        b'"_hrTime"',
        b'"instrumentationScope"',
        b'"scopeMetrics"',
    }
)
_HELD_LINES = 100_000
_HELD_BYTES = 16 << 20
_KEPT_LINES = 200  # of an object that cannot be read


def sniff(lines: Sequence[bytes], path: str | None) -> int:  # noqa: ARG001
    """Certain for OTLP/JSON exports, signals one a line and the JavaScript SDK's objects."""
    if lines and lines[0].strip() == b"{":
        keys = {line.split(b":")[0].strip() for line in lines if line.startswith(b'  "')}
        return 95 if keys & _PRINTED else 0
    for line in lines:
        head = line[:4096]
        if b'"resource' not in head and b'"kind"' not in head:
            continue
        try:
            data = loads(line)
        except ValueError:
            # A line that was cut: an export begins with its only key.
            return (
                95
                if head.lstrip()[:16].startswith((b'{"resourceSpans"', b'{"resourceLogs"'))
                else 0
            )
        if is_export(data) or is_metrics(data) or is_sdk_object(data):
            return 95
        if is_flat(data) and ("attributes" in data[data["kind"]] or "resource" in data):
            return 95
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OtelOptions:
    """OpenTelemetry's spans and log records: OTLP/JSON lines, or one signal a line."""

    type: ClassVar[str] = "otel"
    other: Annotated[
        Literal["keep", "drop"], "Spans and log records that are no agent's business."
    ] = "keep"
    # About 300 bytes each.
    remember_max: Annotated[
        int, "Calls and spans remembered, so that each call and its usage is told once."
    ] = 100_000

    def __post_init__(self) -> None:
        if self.remember_max < 1:
            raise OptionError("remember_max", "must be positive")

    def build(self) -> OtelFormat:
        return OtelFormat(self)


class OtelFormat:
    """Signals to events; see the module."""

    def __init__(self, options: OtelOptions) -> None:
        self._keeps_others = options.other == "keep"
        self._memory = Memory(options.remember_max)
        # An object that is printed over many lines, by stream: what there is of it so far.
        self._open: dict[str, list[Record]] = {}
        self._held_bytes: dict[str, int] = {}

    def __call__(self, record: Record, /) -> Iterable[Event | Dropped]:
        if record.stream in self._open or record.data.rstrip() == b"{":
            return self._printed(record)
        if not record.data.strip():
            raise Drop("blank")
        return self._whole(record.data, record)

    def end(self, stream: str, /) -> Iterable[Event | Dropped]:
        return [_broken(self._open.pop(stream), "incomplete")] if stream in self._open else ()

    def _printed(self, record: Record) -> Iterable[Event | Dropped]:
        """One line of an object that is printed over many."""
        held = self._open.setdefault(record.stream, [])
        if record.data.rstrip() == b"{" and held:
            # Another begins before this one has ended: its writer stopped in the middle.
            self._open[record.stream] = [record]
            self._held_bytes[record.stream] = len(record.data)
            return [_broken(held, "incomplete")]
        held.append(record)
        size = self._held_bytes.get(record.stream, 0) * (len(held) > 1) + len(record.data)
        self._held_bytes[record.stream] = size
        if record.data.rstrip() == b"}":
            del self._open[record.stream]
            return self._whole(b"\n".join(each.data for each in held), *held)
        if len(held) > _HELD_LINES or size > _HELD_BYTES:
            del self._open[record.stream]
            return [_broken(held, "too_long")]
        return ()

    def _whole(self, text: bytes, *origins: Record) -> Iterable[Event | Dropped]:
        """The events of one JSON text."""
        try:
            data = loads(text)
        except ValueError:
            return [_broken(origins, "not_json")]
        if is_metrics(data):
            return _dropped("metrics", origins)
        if not (is_export(data) or is_flat(data) or is_sdk_object(data)):
            return [_broken(origins, "unknown_shape")]
        events: list[Event | Dropped] = []
        again: dict[str, int] = {}
        for signal in signals(data):
            made = self._read(signal)
            if made is None:
                continue
            # Two equal records of one export are two events.
            again[signal.identity] = number = again.get(signal.identity, 0) + 1
            part = signal.identity if number == 1 else f"{signal.identity}.{number}"
            events.append(_finish(signal, made, origins, part))
        if not events:
            return _dropped("empty_export" if self._keeps_others else "other_signal", origins)
        return events

    def _read(self, signal: Signal) -> Made | None:
        made = self._span(signal) if signal.kind == "span" else self._log(signal)
        if made is None and self._keeps_others:
            made = _other(signal)
        return made

    def _span(self, signal: Signal) -> Made | None:
        if signal.name.startswith("claude_code."):
            return _otel_agents.claude_span(signal, self._memory)
        if _otel_openinference.KIND in signal.attributes:
            return _otel_openinference.span(signal, self._memory)
        if _otel_genai.is_genai(signal):
            return _otel_genai.span(signal, self._memory)
        if _otel_genai.has_spending_child(signal, self._memory):
            _otel_genai.spending_child(signal, self._memory)
        return None

    def _log(self, signal: Signal) -> Made | None:
        attributes = signal.attributes
        if f.SCHEMA_VERSION_FIELD in attributes and f.EVENT_ID in attributes:
            return _ours(signal)
        name = _event_name(signal)
        vendor = name.partition(".")[0]
        if vendor in _AGENTS:
            made = _otel_agents.log(signal, name, self._memory)
        elif name.startswith("gen_ai."):
            signal.name = name
            key = _otel_agents.gemini_key(signal)
            made = _otel_genai.event(signal, self._memory)
            if signal.trace_id is None or key[2] is not None:
                usage_marks(made, self._memory, "usage", *key)
        else:
            return None
        _body(signal, made, name)
        return made


def _event_name(signal: Signal) -> str:
    """`vendor.event` of a log record: EventName, the older attribute, or Claude Code's body."""
    told = m.string(signal.name) or m.string(signal.attributes.get("event.name")) or ""
    body = signal.body if isinstance(signal.body, str) else ""
    if body.startswith("claude_code.") and " " not in body:
        return body
    if signal.scope.startswith(_CLAUDE_SCOPES) and told and not told.startswith("claude_code."):
        return f"claude_code.{told}"
    return told


def _body(signal: Signal, made: Made, name: str) -> None:
    """What the body says beyond the event's name."""
    body = signal.body
    if isinstance(body, str) and body not in ("", name):
        made.fields.setdefault(f.MESSAGE, body)
    elif body is not None and not isinstance(body, str):
        made.raw["body"] = body


def _other(signal: Signal) -> Made:
    """A span or log record that is no agent's: what it is called, how long it took, how it ended."""
    if signal.kind == "span":
        made = Made({f.EVENT_ACTION: "span", f.MESSAGE: m.string(signal.name)})
        judge(signal, made)
    else:
        name = m.string(signal.name) or m.string(signal.attributes.get("event.name"))
        made = Made({f.EVENT_ACTION: "log", f.SOURCE_EVENT_TYPE: name})
        _body(signal, made, "")
        kind = signal.take("exception.type")
        if kind is not None:
            made.outcome = "failure"
            made.fields[f.ERROR_TYPE] = str(kind)
            made.fields[f.ERROR_MESSAGE] = m.string(signal.take("exception.message"))
    fill(signal, made)
    return made


def _ours(signal: Signal) -> Made:
    """An event of ours that was sent as a log record."""
    made = Made({})
    for name in list(signal.attributes):
        field = f.FIELDS.get(name)
        value = None if field is None else coerce(field, signal.attributes[name])
        if value is not None:
            made.fields[name] = value
            del signal.attributes[name]
    if isinstance(signal.body, str) and signal.body:
        made.fields.setdefault(f.MESSAGE, signal.body)
    made.outcome = made.fields.get(f.EVENT_OUTCOME, "unknown")
    made.fields.setdefault(f.EVENT_ACTION, "log")
    return made


def _dropped(reason: str, origins: Sequence[Record]) -> list[Event | Dropped]:
    """All lines of a text let go of, each counted."""
    if len(origins) == 1:
        raise Drop(reason)
    return [Dropped(origin, reason) for origin in origins]


def _broken(origins: Sequence[Record], error: str) -> Event:
    """The event of lines that are no signal: what they say, under the first one's position."""
    first = origins[0]
    if len(origins) == 1:
        return _event.unreadable(_ID, first, error, timestamp=first.time, time="read")
    text = b"\n".join(origin.data for origin in origins[:_KEPT_LINES])
    fields = {
        f.TIMESTAMP: first.time,
        f.SOURCE_TIME: "read",
        f.EVENT_ACTION: "unreadable",
        f.SOURCE_ERROR: error,
        f.SOURCE_RAW: {"value": drop_end(text.decode("utf-8", "replace")) + CUT},
    }
    return _event.make(_ID, fields, *origins, kind="pipeline_error")


def _finish(signal: Signal, made: Made, origins: Sequence[Record], part: str) -> Event:
    is_ours = f.SCHEMA_VERSION_FIELD in made.fields
    start = signal.start
    if signal.kind == "log" and start is None:
        start = signal.observed
    stamp = _event.timestamp(signal.attributes.get("event.timestamp")) if signal.kind == "log" else None  # fmt: skip
    time = _event.timestamp(start) if start is not None else stamp
    if signal.kind == "log" and signal.start is None and stamp is not None:
        time = stamp
    if not is_ours:
        _typed(made)
        leftovers(signal, made)
        if made.fields.get(f.ERROR_TYPE) == UNTOLD and made.fields[f.EVENT_ACTION] == TOOL:
            made.fields[f.ERROR_TYPE] = "tool_error"
    fields: dict[str, Any] = {
        f.TIMESTAMP: time or origins[0].time,
        f.SOURCE_TIME: "log" if time else "read",
        f.TRACE_ID: signal.trace_id,
        f.SPAN_ID: signal.span_id,
        f.SPAN_PARENT_ID: signal.parent_id,
        f.EVENT_ID: part if "." not in part else None,
        f.LOG_LEVEL: _level(signal),
        **{name: value for name, value in made.fields.items() if value is not None},
    }
    if signal.kind == "span":
        fields.setdefault(f.SOURCE_EVENT_TYPE, f"span.{signal.span_kind}")
        if signal.start is not None and signal.end is not None and signal.end >= signal.start:
            fields[f.EVENT_DURATION] = min(signal.end - signal.start, 2**63 - 1)
    if made.raw and not is_ours:
        fields[f.SOURCE_RAW] = made.raw
    return _event.make(
        _ID, fields, *origins, part=part,
        category=made.category, type=made.type, outcome=made.outcome,
    )  # fmt: skip


def _typed(made: Made) -> None:
    """Whatever a dialect took that is not of its field's type goes to the leftovers."""
    for name, value in made.fields.items():
        if value is None:
            continue
        exact = coerce(f.FIELDS[name], value)
        if exact is None:
            made.raw[name] = value
        made.fields[name] = exact


def _level(signal: Signal) -> str | None:
    if signal.kind == "span":
        return None
    if signal.severity:
        return signal.severity.lower()
    return next((name for number, name in _LEVELS if signal.severity_number >= number), None)
