"""Reads lines from standard input, as they come.

Nothing is remembered: what was read and not yet delivered when the process is killed is the
upstream program's to send again. Equal input gives equal event ids, so that is safe.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from agenttrail.errors import OptionError
from agenttrail.seams import Idle, Notice, Position, Record, StreamEnd
from agenttrail.sources._lines import Lines

_CHUNK_BYTES = 1 << 16


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class StdinOptions:
    """Lines from standard input."""

    type: ClassVar[str] = "stdin"
    name: Annotated[str, "Name of the stream; event ids depend on it."] = "stdin"
    idle_s: Annotated[float, "Silence after which what was read is shipped, in seconds."] = 0.5
    max_line_bytes: Annotated[
        int, "Longest line that is read whole; of a longer one the head is, and its size."
    ] = 16_777_216

    def __post_init__(self) -> None:
        if self.idle_s <= 0:
            raise OptionError("idle_s", "must be positive")
        if self.max_line_bytes < 1024:
            raise OptionError("max_line_bytes", "must be at least 1024")

    def build(self, *, now: Callable[[], datetime] = _utc_now) -> StdinSource:
        return StdinSource(self, sys.stdin.fileno(), now=now)


class StdinSource:
    """Records from a file descriptor that is read as bytes come."""

    def __init__(
        self, options: StdinOptions, descriptor: int, *, now: Callable[[], datetime]
    ) -> None:
        self.options, self.descriptor, self._now = options, descriptor, now

    def read(self) -> Iterator[Record | StreamEnd | Notice | Idle]:
        name = self.options.name
        lines = Lines(
            source="stdin", key=name, stream=name, incarnation=name, path=None,
            time=self._time(), max_line_bytes=self.options.max_line_bytes,
        )  # fmt: skip
        while True:
            ready, _, _ = select.select([self.descriptor], [], [], self.options.idle_s)
            if not ready:
                yield Idle()
                continue
            data = os.read(self.descriptor, _CHUNK_BYTES)
            if not data:
                break
            lines.time = self._time()
            yield from lines.feed(data)
        yield from lines.finish()
        yield StreamEnd(stream=name)

    def _time(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def commit(self, positions: Sequence[Position], /) -> None:
        pass

    def close(self) -> None:
        pass
