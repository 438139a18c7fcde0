"""Lines from one descriptor and answers to another, for `agenttrail filter`.

Whatever is there already is read and given as one batch, so that a fast sender is masked many lines at
once and a slow one waits for nothing. Memory is bounded by the longest line and one batch.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import stat
import sys
import termios
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from agenttrail.seams import Record
from agenttrail.sources._lines import Lines

_CHUNK_BYTES = 1 << 18
# A batch grows and shrinks so that masking it takes about this long: an answer never waits for long.
_GOAL_S = 0.25
_FIRST_BYTES, _LEAST_BYTES, _MOST_BYTES = 65_536, 16_384, 4_000_000
# After a signal to end: how long the rest of a line that has begun is waited for.
_REST_S = 0.5


class Stopper:
    """SIGTERM and Ctrl-C end the reading; what was read is answered. A second one ends at once.

    Args:
        waits: for who asks and waits for each answer, and would lose lines without them: then the first
            signal is passed over, and the end of the input is the end. A service manager sends the
            signal to the collector and to its program at one time.
    """

    def __init__(self, *, waits: bool = False) -> None:
        self.asked = False
        self._warned = not waits
        self.reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)

    def __enter__(self) -> Stopper:
        self._before = {n: signal.signal(n, self._ask) for n in (signal.SIGTERM, signal.SIGINT)}
        return self

    def _ask(self, *_: object) -> None:
        if self.asked:
            os._exit(1)
        if not self._warned:
            self._warned = True
            return
        self.asked = True
        with contextlib.suppress(OSError):
            os.write(self._writing, b"x")

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self.reading)
        os.close(self._writing)


class Reader:
    """Batches of the lines of a descriptor, until its end or a stop."""

    def __init__(self, descriptor: int, *, stream: str, max_line_bytes: int, stop: Stopper) -> None:
        self._descriptor, self._stop = descriptor, stop
        self._limit = _FIRST_BYTES
        self._lines = Lines(
            source="stdin", key=stream, stream=stream, incarnation=stream, path=None, time=now(),
            max_line_bytes=max_line_bytes,
        )  # fmt: skip

    def batches(self) -> Iterator[list[Record]]:
        """Never an empty one. Between two, what the caller does is timed: it decides the next size."""
        waiting: list[Record] = []
        size = 0
        ended = False
        while not ended or waiting:
            if not ended and size < self._limit:
                data = self._read(wait=not waiting)
                if data is not None:
                    ended = not data
                    self._lines.time = now()
                    more = list(self._lines.feed(data) if data else self._lines.finish())
                    waiting += more
                    size += sum(len(record.data) + 1 for record in more)
                    continue
            batch, waiting = self._cut(waiting)
            size = sum(len(record.data) + 1 for record in waiting)
            begun = time.monotonic()
            yield batch
            self._learn(sum(len(r.data) + 1 for r in batch), time.monotonic() - begun)

    def _cut(self, waiting: list[Record]) -> tuple[list[Record], list[Record]]:
        size = 0
        for number, record in enumerate(waiting, 1):
            size += len(record.data) + 1
            if size >= self._limit:
                return waiting[:number], waiting[number:]
        return waiting, []

    def _learn(self, size: int, seconds: float) -> None:
        if seconds > 0 and size >= self._limit // 2:
            bearable = int(size / seconds * _GOAL_S)
            self._limit = min(max(bearable, _LEAST_BYTES), _MOST_BYTES)

    def _read(self, *, wait: bool) -> bytes | None:
        """What is there; b"" at the end or after a stop; None where waiting is not wanted."""
        wait_s: float | None = None if wait else 0.0
        if self._stop.asked and wait:
            wait_s = _REST_S if self._lines.open_bytes else 0.0
        watched = [self._descriptor] + ([] if self._stop.asked else [self._stop.reading])
        ready, _, _ = select.select(watched, [], [], wait_s)
        if self._descriptor in ready:
            return os.read(self._descriptor, _CHUNK_BYTES)
        if ready:
            return self._read(wait=wait)
        return b"" if self._stop.asked else None


def readable(descriptor: int) -> bool:
    """Whether something can be read there at once; True at its end too."""
    return bool(select.select([descriptor], [], [], 0)[0])


def unread(descriptor: int) -> bool:
    """Whether bytes that we wrote into this pipe still lie in it; False where that cannot be told."""
    size = bytearray(4)
    try:
        fcntl.ioctl(descriptor, termios.FIONREAD, size)
    except OSError:
        return False
    return int.from_bytes(size, sys.byteorder) > 0


def write(descriptor: int, data: bytes) -> None:
    """Writes all of it; raises BrokenPipeError where the reader has left."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            select.select([], [descriptor], [])


def keep_messages_apart(log: str | None) -> None:
    """From here on no message of ours or of a library's goes where answers go.

    rsyslog gives a program one pipe for both: a message there would be read as the answer to a line.
    Where there is a log file messages go there, else nowhere where they would go into that pipe.
    """
    sys.stderr.flush()
    if log is None:
        answers, messages = os.fstat(1), os.fstat(2)
        if stat.S_ISREG(answers.st_mode) or not os.path.samestat(answers, messages):
            return
    target = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(target, 2)
    os.close(target)


def now() -> str:
    """The clock as records have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def open_private(path: str) -> Any:
    """A file to append bytes to, made readable for its owner only."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab", 0)
