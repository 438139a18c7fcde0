"""Writes what passed through `tap` as `mcp_wire` lines, from a copy and in a thread of its own.

`put` never waits: it appends to a queue bounded in bytes, and what does not fit is counted as lost.
Lines are framed, encoded and written by the recorder's thread. Nothing that goes wrong here reaches
the traffic: failures are counted in `Counts` and reported once each kind, without content.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Direction = Literal["c2s", "s2c", "stderr"]
DIRECTIONS: tuple[Direction, ...] = ("c2s", "s2c", "stderr")
# What was lost since the last chunk kept: nothing, up to a line break, or up to somewhere in a line.
Gap = Literal["", "whole", "torn"]

QUEUE_BYTES = 64 * 1024 * 1024
# A tool result with pictures in it may have tens of megabytes; what is longer is cut.
LINE_BYTES = 64 * 1024 * 1024
_CHUNK_COST = 200  # bytes that a queued chunk takes beside its own: many small ones count too
# After the first chunk of a burst the thread lets more come, so that it does not compete with the
# traffic for the interpreter on every message. A killed tap loses at most this much.
GATHER_S = 0.01
_WRITE_BYTES = 1024 * 1024

_json = json.JSONEncoder(ensure_ascii=False).encode
_json_ascii = json.JSONEncoder(ensure_ascii=True).encode


@dataclass(slots=True)
class Counts:
    """What became of the lines: seen == written + lost once the recorder is closed."""

    written: int = 0
    lost: int = 0  # lines that overflowed the queue, or could not be written
    cut: int = 0  # of the written: lines longer than the limit


class Recorder:
    """Frames chunks of three byte streams into lines and writes each as one JSON line.

    Args:
        open_output: gives the file descriptor to write to, which the recorder closes; called in
            its thread, at once, and where it failed again on every batch.
        server: the name that goes into each line.
        agent: the name of who calls, if it is known.
        connection: what tells this run from others of the same server in one file.
        exact: keeps bytes that are no UTF-8, as the lone surrogates of PEP 383; else U+FFFD.
        report: takes one sentence for a human, without content; called from any thread.
    """

    def __init__(
        self,
        open_output: Callable[[], int],
        *,
        server: str,
        connection: str,
        agent: str | None = None,
        report: Callable[[str], None],
        exact: bool = True,
        queue_bytes: int = QUEUE_BYTES,
        line_bytes: int = LINE_BYTES,
        gather_s: float = GATHER_S,
    ) -> None:
        self.counts = Counts()
        self._open_output = open_output
        self._names = f'"server":{_json(server)},"conn":{_json(connection)},'
        if agent is not None:
            self._names += f'"agent":{_json(agent)},'
        self._at = (0, "")  # the last chunk's time, and its text
        self._report = report
        self._exact = exact
        self._queue_bytes = queue_bytes
        self._line_bytes = line_bytes
        self._gather_s = gather_s
        self._queue: queue.SimpleQueue[tuple[Direction, int, bytes, Gap, str] | None] = (
            queue.SimpleQueue()
        )
        self._lock = threading.Lock()
        self._pending = 0  # bytes queued
        self._gap: dict[Direction, Gap] = dict.fromkeys(DIRECTIONS, "")
        self._overflowed = False
        self._lines = {direction: _Line() for direction in DIRECTIONS}
        self._fd: int | None = None
        self._broken_line = False
        self._failed: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="tap-recorder", daemon=True)
        self._thread.start()

    def put(
        self, direction: Direction, chunk: bytes, note: dict[str, Any] | list[Any] | None = None
    ) -> None:
        """Takes a copy of bytes just read, before they are passed on; `note` is what the gate says of one line.

        Before, because the answer to a request must not be queued ahead of the request. An empty
        chunk is the end of that direction: its last line needs no line break.
        """
        with self._lock:
            if chunk and self._pending + len(chunk) + _CHUNK_COST > self._queue_bytes:
                # Each line break ends one line that is lost in part or whole.
                self.counts.lost += chunk.count(b"\n")
                self._gap[direction] = "whole" if chunk.endswith(b"\n") else "torn"
                first, self._overflowed = not self._overflowed, True
            else:
                first = False
                self._pending += len(chunk) + _CHUNK_COST
                said = f',"gate":{_json_ascii(note)}' if note is not None else ""
                self._queue.put((direction, time.time_ns(), chunk, self._gap[direction], said))
                self._gap[direction] = ""
        if first:
            self._report("recording is too slow for the traffic: lines are being lost")

    def close(self, timeout_s: float) -> bool:
        """Writes what is queued and ends; False where that was not done within `timeout_s`."""
        self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        self._write([])  # opens the output, so that a wrong path is told at the start
        ended = False
        while not ended:
            items = [self._queue.get()]
            if items[0] is not None:
                time.sleep(self._gather_s)
            batch: list[bytes] = []
            size = 0
            while items:
                item = items.pop()
                if item is None:
                    ended = True
                    for direction, gap in self._gap.items():
                        batch.extend(self._frame(direction, time.time_ns(), b"", gap))
                    break
                for line in self._frame(*item):
                    batch.append(line)
                    size += len(line)
                if size >= _WRITE_BYTES:
                    self._write(batch)
                    batch, size = [], 0
                try:
                    items.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            if batch:
                self._write(batch)
        if self._fd is not None:
            os.close(self._fd)

    def _frame(
        self, direction: Direction, at_ns: int, chunk: bytes, gap: Gap, note: str = ""
    ) -> list[bytes]:
        """The encoded lines that end in this chunk; an empty chunk ends the last one."""
        line = self._lines[direction]
        made: list[bytes] = []
        start = 0
        if gap:
            line.clear()
            line.skipping = gap == "torn"
        while (end := chunk.find(b"\n", start)) >= 0:
            if line.skipping:
                line.skipping = False
                with self._lock:
                    self.counts.lost += 1
            else:
                line.add(chunk[start:end], self._line_bytes)
                made.append(self._encode(direction, at_ns, line, note))
                line.clear()
            start = end + 1
        if start < len(chunk):
            if not line.skipping:
                line.add(chunk[start:], self._line_bytes)
        elif not chunk:
            if line.skipping:
                line.skipping = False
                with self._lock:
                    self.counts.lost += 1
            elif line.full_bytes:
                made.append(self._encode(direction, at_ns, line))
            line.clear()
        with self._lock:
            self._pending -= len(chunk) + _CHUNK_COST
        return made

    def _encode(self, direction: Direction, at_ns: int, line: _Line, note: str = "") -> bytes:
        data = b"".join(line.parts)
        try:
            raw = _json(data.decode("utf-8"))
        except UnicodeDecodeError:
            # Lone surrogates must be escapes.
            raw = _json_ascii(data.decode("utf-8", "surrogateescape" if self._exact else "replace"))
        cut = ""
        if line.full_bytes > len(data):
            cut = f',"bytes":{line.full_bytes}'
            self.counts.cut += 1
        if at_ns != self._at[0]:
            self._at = at_ns, timestamp(at_ns)
        text = f'{{"ts":"{self._at[1]}",{self._names}"dir":"{direction}","raw":{raw}{cut}{note}}}\n'
        return text.encode("utf-8")

    def _write(self, batch: list[bytes]) -> None:
        """Writes a batch; on failure its lines are lost, and the next batch is tried again."""
        data = b"".join(batch)
        if self._broken_line:
            data = b"\n" + data  # ends the line that a failed write left in the file
        done = 0
        try:
            if self._fd is None:
                self._fd = self._open_output()
            view = memoryview(data)
            while done < len(data):
                done += os.write(self._fd, view[done:])
        except OSError as error:
            complete = data[:done].count(b"\n") - self._broken_line if done else 0
            self._broken_line = not data[:done].endswith(b"\n") if done else self._broken_line
            with self._lock:
                self.counts.written += complete
                self.counts.lost += len(batch) - complete
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
            if reason not in self._failed:
                self._failed.add(reason)
                self._report(f"recording failed ({reason}); the traffic goes on unrecorded")
            return
        self._broken_line = False
        with self._lock:
            self.counts.written += len(batch)


class _Line:
    """A line that is still coming: its first bytes up to a limit, and how many there were."""

    __slots__ = ("full_bytes", "kept", "parts", "skipping")

    def __init__(self) -> None:
        self.skipping = False  # its head was lost, so the rest of it goes too
        self.clear()

    def clear(self) -> None:
        self.parts: list[bytes] = []
        self.kept = 0
        self.full_bytes = 0

    def add(self, part: bytes, limit: int) -> None:
        self.full_bytes += len(part)
        if self.kept < limit:
            part = part[: limit - self.kept]
            self.parts.append(part)
            self.kept += len(part)


def timestamp(ns: int) -> str:
    """RFC 3339 in UTC with microseconds, of nanoseconds since 1970."""
    seconds, rest = divmod(ns, 10**9)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"
