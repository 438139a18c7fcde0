"""What becomes of a batch of lines: masked in their own shape, or made into events and masked.

Fail closed: a line that cannot be masked is answered with its envelope (an event with ids, sizes and
the class of the failure, `agenttrail.pii.failed: true`).
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from agenttrail import fields as f
from agenttrail.cli._filter_protocols import Asked, Protocol_, Status
from agenttrail.formats import _event
from agenttrail.guard import Guard
from agenttrail.masks._envelope import lost_event
from agenttrail.seams import Drop, Dropped, Enricher, Event, Format, Record, Remembering
from agenttrail.sources._lines import Lines

_UNKNOWN = "unrecognised_format"
_STREAMS = 1000  # open at a time; the one not seen for longest is ended for another


@dataclass(frozen=True, slots=True)
class Answer:
    """What may leave of one line: `lines`, without their breaks."""

    record: Record
    asked: Asked
    lines: list[bytes]
    status: Status


@dataclass(slots=True)
class Counts:
    """Every line read is answered, held or dropped."""

    read: int = 0
    answered: int = 0
    events: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)


class Shape:
    """Mask mode: a line keeps its own shape."""

    def __init__(self, protocol: Protocol_, guard: Guard, policy: str, counts: Counts) -> None:
        self._protocol, self._guard = protocol, guard
        self._policy, self._counts = policy, counts

    def answers(self, records: Sequence[Record]) -> list[Answer]:
        """One a line."""
        asked = [self._asked(record) for record in records]
        sound = [each.line for each in asked if not each.problem]
        masked = iter(self._guard.lines(sound))
        made: list[Answer] = []
        for record, each in zip(records, asked, strict=True):
            line, error = (b"", each.problem) if each.problem else next(masked)
            self._counts.answered += 1
            if error:
                self._counts.failed[error] += 1
                line = self._envelope(record, error)
            status: Status = "failed" if error else "masked"
            made.append(Answer(record, each, [line], status))
        return made

    def end(self) -> list[bytes]:
        return []

    def _asked(self, record: Record) -> Asked:
        if record.truncated:
            return Asked(b"", problem="too_long")
        return self._protocol.ask(record, whole=True)

    def _envelope(self, record: Record, error: str) -> bytes:
        event = _event.make(
            "unknown",
            {f.TIMESTAMP: record.time, f.SOURCE_TIME: "read", f.EVENT_ACTION: "log",
             f.SOURCE_RAW: {"value": ""}},
            record,
        )  # fmt: skip
        return lost_event(event.fields, error, policy=self._policy).line


class Events:
    """Normalise mode: a line becomes our events.

    What a format holds for a later line (a request for its response) comes with that line's answer,
    or at the end. Lines of different streams do not mix.
    """

    def __init__(
        self,
        protocol: Protocol_,
        guard: Guard,
        form: Format,
        enrichers: Sequence[Enricher],
        *,
        stream: str,
        policy: str,
        counts: Counts,
    ) -> None:
        self._protocol, self._guard, self._format = protocol, guard, form
        self._enrichers, self._policy, self._counts = enrichers, policy, counts
        self._own = stream
        self._streams: OrderedDict[str, Lines] = OrderedDict()

    def answers(self, records: Sequence[Record]) -> list[Answer]:
        """One a line."""
        asked = [self._protocol.ask(record, whole=False) for record in records]
        made = [self._events(*pair) for pair in zip(records, asked, strict=True)]
        masked = iter(self._guard.events([event for events, _, _ in made for event in events]))
        answers: list[Answer] = []
        for record, each, (events, dropped, lost) in zip(records, asked, made, strict=True):
            lines = []
            failed = bool(lost)
            for _ in events:
                event = next(masked)
                if event.failed:
                    self._counts.failed[str(event.fields[f.PII_ERROR])] += 1
                    failed = True
                lines.append(event.line)
            lines += [line.encode() for line in lost]
            self._counts.events += len(lines)
            self._counts.answered += 1
            status: Status = "masked" if lines else "dropped" if dropped else "held"
            answers.append(Answer(record, each, lines, "failed" if failed else status))
        self._save()
        return answers

    def end(self) -> list[bytes]:
        """The events of what is still held, a line each without its break."""
        events: list[Event] = []
        for stream in list(self._streams):
            events += self._taken(self._format.end(stream))
        masked = self._guard.events(events)
        for event in masked:
            if event.failed:
                self._counts.failed[str(event.fields[f.PII_ERROR])] += 1
        self._counts.events += len(masked)
        self._save()
        return [event.line for event in masked]

    def _events(self, record: Record, asked: Asked) -> tuple[list[Event], int, list[str]]:
        """Events of a line, how often something was dropped, and lines of envelopes."""
        if asked.problem:
            return [], 0, [self._lost(record, asked.problem)]
        before = self._counts.dropped.total()
        events: list[Event] = []
        if asked.stream:
            records = self._inner(record, asked, events)
        else:
            self._streams.setdefault(record.stream, _no_lines(record))
            records = [record]
        for each in records:
            try:
                made: Iterable[Event | Dropped] = list(self._format(each))
            except Drop as drop:
                made = [Dropped(each, drop.reason)]
            except Exception as error:  # noqa: BLE001  a format's bug must not stop the log
                return events, 0, [self._lost(record, type(error).__name__)]
            events += self._taken(made)
        return events, self._counts.dropped.total() - before, []

    def _inner(self, record: Record, asked: Asked, events: list[Event]) -> list[Record]:
        """The line as a record of its own stream; `events` gets those of a stream ended for it."""
        lines = self._streams.get(asked.stream)
        if lines is None:
            if len(self._streams) >= _STREAMS:
                old, _ = self._streams.popitem(last=False)
                events += self._taken(self._format.end(old))
            lines = self._streams[asked.stream] = Lines(
                source=record.source, key=f"{self._own}:{asked.stream}", stream=asked.stream,
                incarnation=asked.stream, path=asked.path, time=record.time,
                max_line_bytes=max(record.full_bytes, 1 << 24),
            )  # fmt: skip
        self._streams.move_to_end(asked.stream)
        lines.time = record.time
        return list(lines.feed(asked.line + b"\n"))

    def _taken(self, made: Iterable[Event | Dropped]) -> list[Event]:
        events: list[Event] = []
        for item in made:
            event: Event | None
            if isinstance(item, Dropped):
                if item.reason != _UNKNOWN:
                    self._counts.dropped[item.reason] += 1
                    continue
                # The collector gave the line away: it must come out, if only as unreadable.
                event = _event.unreadable(
                    "unknown", item.record, item.reason, timestamp=item.record.time, time="read"
                )
            else:
                event = item
            for enricher in self._enrichers:
                try:
                    event = enricher(event)
                except Drop as drop:
                    self._counts.dropped[drop.reason] += 1
                    event = None
                    break
            if event is not None:
                events.append(event)
        return events

    def _lost(self, record: Record, error: str) -> str:
        self._counts.failed[error] += 1
        event = _event.make(
            "unknown", {f.TIMESTAMP: record.time, f.SOURCE_TIME: "read", f.EVENT_ACTION: "log"},
            record,
        )  # fmt: skip
        return lost_event(event.fields, error, policy=self._policy).line.decode()

    def _save(self) -> None:
        for enricher in self._enrichers:
            if isinstance(enricher, Remembering):
                enricher.save()


def _no_lines(record: Record) -> Lines:
    """Stands for the stream that the reader itself cuts into lines."""
    return Lines(
        source=record.source, key=record.stream, stream=record.stream,
        incarnation=record.stream, path=None, time=record.time, max_line_bytes=1024,
    )  # fmt: skip
