"""Source `tap`: what an MCP client and a stdio server say to each other, seen from between them.

`agenttrail tap` starts the server and passes every byte on (`Relay`), hands a copy of them to a
`Recorder`, and the recorder's lines go to a file, to a pipeline, or to both. This source is the
pipeline's end: it reads those lines from a pipe. A line is one message of the stdio transport
(MCP 2025-11-25 and 2026-07-28, Transports, stdio: messages are delimited by newlines), or a line of
stderr, in the shape of the `mcp_wire` format:

    {"ts": "2026-11-23T01:02:03.000004Z", "server": "files", "conn": "18a9…", "dir": "c2s", "raw": "{…}"}

`ts` is when the line's last byte was seen (RFC 3339, UTC, microseconds); `conn` tells one run of tap
from another in the same file. A byte that is no UTF-8 reads U+FFFD in a pipeline; in a recording
meant as material it is the lone surrogate (U+DC80 to U+DCFF) that PEP 383 gives it, so that no byte is
lost. A line longer than 64 MiB is cut and `bytes` says how long it was.

Promises: traffic is never changed, held back or ended by recording. What cannot be recorded is
counted as lost. At most 64 MiB wait to be written.

Limits: POSIX only (Windows has no signals or descriptors of this kind). A recorder that is killed
loses what came in the last 10 ms. Whether the very last line of a stream ended in a line break is
not recorded. A position cannot be read again: live traffic happens once.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from agenttrail.errors import UsageError
from agenttrail.seams import Idle, Notice, Position, Record, StreamEnd
from agenttrail.sources._lines import Lines
from agenttrail.sources._tap_recorder import Counts, Direction, Recorder, timestamp
from agenttrail.sources._tap_relay import Relay

__all__ = ["Counts", "Direction", "Recorder", "Relay", "TapOptions", "TapSource", "open_private"]

_READ_BYTES = 65536
_QUEUED_CHUNKS = 1024  # of 64 KiB; the writer waits when they are full


@dataclass(frozen=True, slots=True, kw_only=True)
class TapOptions:
    """What `agenttrail tap` sees between an MCP client and a stdio server."""

    type: ClassVar[str] = "tap"

    def build(self) -> TapSource:
        """Always raises: there is nothing to read until a client has started the tap.

        Raises:
            UsageError: says how to start it.
        """
        raise UsageError(
            "source tap runs as part of an MCP client's server command",
            hint="agenttrail tap -c pipeline.yaml -- COMMAND...",
        )


def open_private(path: str) -> int:
    """A descriptor that appends to `path`; a file it creates is for its owner only (mode 0600).

    Raises:
        OSError: as `os.open`.
    """
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


class TapSource:
    """Records of `mcp_wire` lines from a pipe that a `Recorder` writes to.

    The pipe is emptied from the moment this is made, by a thread, so that the writer need not wait
    while a pipeline is still loading its models.

    Args:
        fd: the reading end; closed by `close`.
        stream: names this connection; unlike any other's, since event ids rest on it.
        idle_s: how long nothing must come before `Idle` is given.
        max_line_bytes: of a longer line only the head is given, and its size.
        now: nanoseconds since 1970.
    """

    def __init__(
        self,
        fd: int,
        *,
        stream: str,
        idle_s: float = 0.5,
        max_line_bytes: int = 16_777_216,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._fd = fd
        self._stream = stream
        self._idle_s = idle_s
        self._max_line_bytes = max_line_bytes
        self._now = now
        self._chunks: queue.Queue[bytes] = queue.Queue(_QUEUED_CHUNKS)
        threading.Thread(target=self._fill, name="tap-source", daemon=True).start()

    def read(self) -> Iterator[Record | StreamEnd | Notice | Idle]:
        lines = Lines(
            source="tap", key=self._stream, stream=self._stream, incarnation=self._stream,
            path=None, time=timestamp(self._now()), max_line_bytes=self._max_line_bytes,
        )  # fmt: skip
        while True:
            try:
                chunk = self._chunks.get(timeout=self._idle_s)
            except queue.Empty:
                yield Idle()
                continue
            if not chunk:
                break
            lines.time = timestamp(self._now())
            yield from lines.feed(chunk)
        # The recorder ends each line, but one that was killed may have written half of its last.
        yield from lines.finish()
        yield StreamEnd(stream=self._stream)

    def commit(self, positions: Sequence[Position], /) -> None:
        """Nothing to remember: what passed cannot be asked for again."""

    def close(self) -> None:
        os.close(self._fd)

    def _fill(self) -> None:
        while True:
            try:
                chunk = os.read(self._fd, _READ_BYTES)
            except OSError:
                chunk = b""
            self._chunks.put(chunk)
            if not chunk:
                return
