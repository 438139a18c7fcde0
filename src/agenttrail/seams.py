"""The shapes all stages agree on: what flows through the pipeline, and what each stage promises.

Bytes become a `Record` (sources), a record becomes `Event`s (formats), an event gains context
(enrichers), loses its personal data and becomes a `MaskedEvent` (masks), and is delivered (sinks).
A sink takes `MaskedEvent` only, and only `masks/` makes one, so unmasked data cannot reach a sink
without a type error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

# A parsed JSON value: None, bool, int, float, str, list of Json, dict of str to Json.
Json = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where reading resumes: everything of `incarnation` before `offset` is delivered.

    An incarnation is one file as long as it is not replaced; `offset` counts decompressed bytes.
    """

    incarnation: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line as its source read it, without the line break, and where it came from.

    `digest` is a hash over the stream's name and every byte up to and including this line, so it
    tells two equal lines of one stream apart and is the same on every run: event ids rest on it.
    """

    data: bytes
    source: str  # component id of the source: "file", "stdin"
    path: str | None  # as the user would name it; None where there is no file
    stream: str  # formats keep their state under this name; it outlives a rotation
    incarnation: str  # positions are committed under this name; a new file is a new one
    line: int  # 1-based
    offset: int  # of the first byte
    end: int  # where reading resumes: after the line break, or at `offset` where there was none yet
    digest: bytes
    full_bytes: int  # length of the line at its source; larger than len(data) where it was cut
    time: str  # RFC 3339, UTC: the file's modification time, or the clock where there is no file
    replay: bool = False  # delivered by an earlier run: read again only to rebuild a format's state

    @property
    def truncated(self) -> bool:
        return self.full_bytes > len(self.data)

    @property
    def position(self) -> Position:
        return Position(incarnation=self.incarnation, offset=self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnd:
    """The source will give no more of this stream: formats let go of what they still hold."""

    stream: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something about reading that a person should know; `failed` makes the run end with 1.

    `text` names files and positions, never content.
    """

    text: str
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """Nothing new for a moment (only while following): the runner ships what it has."""


@dataclass(frozen=True, slots=True)
class Event:
    """One normalised event, not yet masked: dotted field names of `fields.py` to values.

    `origins` are the records that it accounts for, the one it is about first; never empty.
    """

    fields: Mapping[str, Json]
    origins: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A record that a format let go of without an event, and why: a short constant, never content."""

    record: Record
    reason: str


@dataclass(frozen=True, slots=True)
class MaskedEvent:
    """An event that may leave. Made in `masks/` and nowhere else.

    `failed` is True where masking failed and only the envelope is left (fail closed).
    `line` is the canonical JSON line, without a line break.
    """

    fields: Mapping[str, Json]
    line: bytes
    failed: bool = False


ExportKind = Literal["logs", "traces"]


@dataclass(frozen=True, slots=True)
class Export:
    """One OTLP export request as it came, not yet masked.

    `message` is the ExportLogsServiceRequest or ExportTraceServiceRequest; `bytes` its size.
    """

    kind: ExportKind
    message: Any
    bytes: int


@dataclass(frozen=True, slots=True)
class MaskedExport:
    """An export request that may leave, as binary protobuf. Made in `masks/` and nowhere else.

    `items` are its spans or log records; `failed` says how many parts left without their content,
    because masking them failed; `counts` are findings replaced, by kind.
    """

    kind: ExportKind
    payload: bytes
    items: int
    failed: int
    counts: Mapping[str, int]


class Drop(BaseException):
    """Raised by a format or an enricher to drop a record or an event, counted by `reason`.

    Derives from BaseException because it is no error. `reason` is a short constant, never content.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@runtime_checkable
class Source(Protocol):
    """Bytes in. Reading ends, or goes on for ever where the source follows.

    After a restart it may give records again from the start of a stream, marked `replay`.
    """

    def read(self) -> Iterator[Record | StreamEnd | Notice | Idle]: ...

    def commit(self, positions: Sequence[Position], /) -> None:
        """Called after every sink has all events made from the records before these positions."""

    def close(self) -> None: ...


@runtime_checkable
class Measured(Protocol):
    """A source that knows how far it is: bytes read, and bytes in all."""

    def progress(self) -> tuple[int, int]: ...


class Format(Protocol):
    """One record in, any number of events out; the same records always give the same events.

    It may hold a record back until a later one completes it. Whatever it neither turns into an
    event nor holds it drops, by raising `Drop` for the record at hand or by giving a `Dropped` for an
    earlier one: the runner reports a record that vanished.
    A line it cannot read becomes an event too (`agenttrail.source.error`), never an exception.
    """

    def __call__(self, record: Record, /) -> Iterable[Event | Dropped]: ...

    def end(self, stream: str, /) -> Iterable[Event | Dropped]:
        """The stream is over: the events of what is still held."""


class Enricher(Protocol):
    """Adds context to an event, from raw values; sends nothing. May raise `Drop`."""

    def __call__(self, event: Event, /) -> Event: ...


@runtime_checkable
class Remembering(Protocol):
    """An enricher that remembers: `save` makes it durable.

    Called after every sink has the batch, before its positions are committed: a killed run gives the
    events of at most one batch again, and `governance.state` tells them apart.
    """

    def save(self) -> None: ...


@runtime_checkable
class Closing(Protocol):
    """An enricher that holds something open (its state, a connection): called once at the end."""

    def close(self) -> None: ...


class Mask(Protocol):
    """The last step before a sink: as many masked events out as events in, in their order.

    Never raises for what an event holds: where masking fails, the envelope alone goes on, marked.
    """

    def __call__(self, events: Sequence[Event], /) -> list[MaskedEvent]: ...


class Sink(Protocol):
    """Bytes out. `write` returns when all of the batch is safe at the destination.

    It raises `errors.RetryLater` (nothing is known to be lost, call again with the same batch) or
    `errors.Rejected` (all is delivered but the events at these indexes, which never will be).
    There is no fourth outcome.
    """

    def write(self, batch: Sequence[MaskedEvent], /) -> None: ...

    def check(self) -> None:
        """Raises `errors.Unreachable` where the destination cannot be used as configured."""

    def close(self) -> None: ...


@runtime_checkable
class Finishing(Protocol):
    """A sink that has something left to do once a run has come to its end."""

    def finish(self) -> None: ...


# What became of lines and events so far: ("lines" or "events", outcome, reason or "") to their number.
Ledger = Mapping[tuple[str, str, str], int]


@runtime_checkable
class Watching(Protocol):
    """A sink that tells how the run itself is doing."""

    def watch(self, ledger: Callable[[], Ledger], /) -> None:
        """Called once, before the first line; `ledger` may be asked at any time from any thread."""


class ExportMask(Protocol):
    """As `Mask`, for a whole export request: ids, times and shape stay.

    Raises `errors.RetryLater` where there was no memory for it; never for what the request holds.
    """

    def __call__(self, export: Export, /) -> MaskedExport: ...


class ExportSink(Protocol):
    """Where masked export requests go.

    `send` returns how many items the destination rejected of a request that it took; 0 is all
    well. It raises `errors.RetryLater`, or `errors.Refused` where the destination will never take
    the request.
    """

    def send(self, export: MaskedExport, /) -> int: ...

    def check(self) -> None:
        """Raises `errors.Unreachable` where the destination cannot be used as configured."""

    def close(self) -> None: ...
