"""Doubles that ship with agenttrail, for its tests and for yours: a source from a list, a sink in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from agenttrail.seams import Idle, MaskedEvent, Notice, Position, Record, StreamEnd


def records(
    *lines: bytes, path: str | None = "test.log", stream: str = "test", source: str = "file"
) -> list[Record]:
    """Records as a source would give them for these lines of one file."""
    digest = hashlib.blake2b(stream.encode(), digest_size=16).digest()
    made: list[Record] = []
    offset = 0
    for number, line in enumerate(lines, 1):
        digest = hashlib.blake2b(digest + line, digest_size=16).digest()
        end = offset + len(line) + 1
        made.append(
            Record(
                data=line,
                source=source,
                path=path,
                stream=stream,
                incarnation=stream,
                line=number,
                offset=offset,
                end=end,
                digest=digest,
                full_bytes=len(line),
                time="2026-01-01T00:00:00Z",
            )
        )
        offset = end
    return made


class ListSource:
    """A source over given items; keeps what was committed in `committed`."""

    def __init__(self, items: Sequence[Record | StreamEnd | Notice | Idle]) -> None:
        self.items = list(items)
        self.committed: list[Position] = []

    def read(self) -> Iterator[Record | StreamEnd | Notice | Idle]:
        yield from self.items
        for stream in dict.fromkeys(i.stream for i in self.items if isinstance(i, Record)):
            if StreamEnd(stream=stream) not in self.items:
                yield StreamEnd(stream=stream)

    def commit(self, positions: Sequence[Position], /) -> None:
        self.committed.extend(positions)

    def close(self) -> None:
        pass


class MemorySink:
    """A sink that keeps its events in `events`. `failures` are raised first, one a call."""

    def __init__(self, failures: Sequence[Exception] = ()) -> None:
        self.events: list[MaskedEvent] = []
        self.failures = list(failures)

    def write(self, batch: Sequence[MaskedEvent], /) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.events.extend(batch)

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass
