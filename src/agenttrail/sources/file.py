"""Reads log files: one, many, globs, folders; plain, gzip or zstd; once, or following them as they grow.

Promises: no line is lost by rotation (rename or copy-and-truncate), a restart resumes after the last
committed line, and event ids do not depend on where the file lies, on rotation or on compression.

After a restart a file is read from its start again, its delivered records marked `replay`: formats
pair requests with later responses, and need the past to do so. Only what follows is delivered.

A last line without a line break is read too, but not committed: where it has grown by the next run,
the whole line comes then.

Limits: what a writer appends to a rotated-away file later than `rotate_wait_s` is read at the next
start only. A copy-and-truncate loses what the writer adds between the copy and the truncation, as it
does for every reader. Following leaves out compressed files: they are what was followed before.
Two streams whose name and whole content up to a line are equal give that line one id.
"""

from __future__ import annotations

import gzip
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from agenttrail.errors import OptionError
from agenttrail.seams import Idle, Notice, Position, Record, StreamEnd
from agenttrail.sources._checkpoint import Checkpoint, Entry
from agenttrail.sources._find import Found, find
from agenttrail.sources._tail import Tail


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """Log files: paths, globs, folders; plain, gzip, zstd; read once or followed."""

    type: ClassVar[str] = "file"
    paths: Annotated[tuple[str, ...], "Files, globs (** crosses folders) and folders."]
    exclude: Annotated[tuple[str, ...], "Globs of paths to leave out."] = ()
    follow: Annotated[bool, "Keep reading as the files grow, through rotation."] = False
    checkpoint: Annotated[
        str | None, "File that remembers what was delivered; needed to follow."
    ] = None
    start: Annotated[
        Literal["beginning", "end"], "Where to begin in a file that the checkpoint does not know."
    ] = "beginning"
    poll_s: Annotated[float, "Pause between looks at the files while following, in seconds."] = 0.5
    rotate_wait_s: Annotated[
        float, "How long a rotated-away file is still read after its last line, in seconds."
    ] = 5.0
    max_line_bytes: Annotated[
        int, "Longest line that is read whole; of a longer one the head is, and its size."
    ] = 16_777_216

    def __post_init__(self) -> None:
        if not self.paths:
            raise OptionError("paths", "at least one path is needed")
        if self.follow and self.checkpoint is None:
            raise OptionError(
                "checkpoint", "following needs one, or a restart would read everything again",
                hint="checkpoint: /var/lib/agenttrail/checkpoint.json",
            )  # fmt: skip
        if self.start == "end" and not self.follow:
            raise OptionError("start", "'end' has an effect only with follow: true")
        if self.poll_s <= 0 or self.rotate_wait_s < 0:
            raise OptionError("poll_s", "times must be positive")
        if self.max_line_bytes < 1024:
            raise OptionError("max_line_bytes", "must be at least 1024")

    def build(
        self,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> FileSource:
        checkpoint = Checkpoint(self.checkpoint) if self.checkpoint else None
        return FileSource(self, checkpoint, sleep=sleep, clock=clock)


class FileSource:
    """See the module. `checkpoint` is None where nothing is to be remembered."""

    def __init__(
        self,
        options: FileOptions,
        checkpoint: Checkpoint | None,
        *,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        self.options, self.checkpoint = options, checkpoint
        self._sleep, self._clock = sleep, clock
        self._live: dict[str, Entry] = {}  # by incarnation; the offset comes with the commit
        self._last: dict[str, int] = {}  # by incarnation: where the last record given ends
        self._whole: dict[str, tuple[int, int, int]] = {}  # incarnation: last offset, size, mtime
        self._done_bytes = 0
        self._total_bytes = 0
        self._current: Tail | None = None
        self._tails: dict[str, Tail] = {}  # by path, while following

    def read(self) -> Iterator[Record | StreamEnd | Notice | Idle]:
        yield from self._follow() if self.options.follow else self._once()

    def progress(self) -> tuple[int, int]:
        """Raw bytes given as records and raw bytes in all (of a compressed file: bytes read)."""
        tail, here = self._current, 0
        if tail and not tail.raw.closed:
            here = tail.raw.tell() if tail.compression else tail.lines.offset
        return self._done_bytes + here, self._total_bytes

    def commit(self, positions: Sequence[Position], /) -> None:
        if self.checkpoint is None:
            return
        for position in positions:
            name = position.incarnation
            entry = replace(self._live[name], offset=position.offset)
            whole = self._whole.get(name)
            if whole is not None and position.offset >= whole[0]:
                entry = replace(entry, size=whole[1], mtime_ns=whole[2])
            self.checkpoint.entries[name] = entry
        if positions:
            self.checkpoint.save()

    def close(self) -> None:
        for tail in (*self._tails.values(), *([self._current] if self._current else [])):
            tail.close()

    # --- reading once ---

    def _once(self) -> Iterator[Record | StreamEnd | Notice]:
        found = find(self.options.paths, self.options.exclude, required=True)
        self._total_bytes = sum(_size(item.path) for item in found)
        for item in found:
            try:
                tail = self._open(item)
            except OSError as error:
                yield Notice(text=f"{item.path}: cannot be read: {error.strerror}", failed=True)
                continue
            if tail is None:
                self._done_bytes += _size(item.path)
                continue
            self._current = tail
            yield from self._drain(tail)
            yield from self._finish(tail)
            yield StreamEnd(stream=tail.lines.stream)
            self._done_bytes += tail.raw.tell()
            tail.close()
            self._current = None

    def _drain(self, tail: Tail) -> Iterator[Record | Notice]:
        """All that is there now, up to the end of the file."""
        try:
            while data := tail.chunk():
                yield from self._remember(tail, tail.lines.feed(data))
        except (EOFError, zlib.error, gzip.BadGzipFile):
            yield self._cut(tail)
        except OSError as error:
            yield Notice(text=f"{tail.path}: reading stopped: {error.strerror}", failed=True)
        except Exception as error:  # zstandard's error class cannot be named without importing it
            if type(error).__name__ != "ZstdError":
                raise
            yield self._cut(tail)

    def _cut(self, tail: Tail) -> Notice:
        return Notice(
            text=f"{tail.path}: the {tail.compression} data is cut or damaged after line {tail.lines.line}; what came before is kept",
            failed=True,
        )

    def _finish(self, tail: Tail) -> Iterator[Record]:
        yield from self._remember(tail, tail.lines.finish())
        last = self._last.get(tail.incarnation, 0)
        self._whole[tail.incarnation] = (last, tail.size, tail.mtime_ns)

    def _remember(self, tail: Tail, records: Iterable[Record]) -> Iterator[Record]:
        name = tail.incarnation
        for record in records:
            entry = self._live.get(name)
            if entry is None or entry.head_bytes != tail.head_bytes or entry.head != tail.head:
                self._live[name] = tail.entry(0)
            self._last[name] = record.end
            yield record

    def _open(self, found: Found) -> Tail | None:
        """The file, resumed where the checkpoint knows it; None where all of it is delivered."""
        status = os.stat(found.path)
        name = f"{status.st_dev}:{status.st_ino}"
        entry = self.checkpoint.entries.get(name) if self.checkpoint else None
        tail = Tail(found, self.options.max_line_bytes)
        plain = tail.compression is None
        known = (
            entry is not None
            and tail.head_is(entry)
            and not (plain and status.st_size < entry.offset)  # emptied since
        )
        if entry is None or not known:
            if self.options.start == "end":
                tail.begin(status.st_size)
            return tail
        unchanged = (entry.size, entry.mtime_ns) == (status.st_size, status.st_mtime_ns)
        if not self.options.follow and (unchanged or (plain and entry.offset == status.st_size)):
            tail.close()
            return None
        # The stream keeps the name it had before a rotation, so that ids stay.
        tail.key = entry.key
        tail.begin(entry.offset)
        return tail

    # --- following ---

    def _follow(self) -> Iterator[Record | StreamEnd | Notice | Idle]:
        tails = self._tails
        told: set[str] = set()
        yield from self._rotated_away()
        while True:
            moved = False
            for item in find(self.options.paths, self.options.exclude, required=False):
                if item.path in tails:
                    continue
                try:
                    tail = self._open(item)
                except OSError as error:
                    if item.path not in told:
                        told.add(item.path)
                        yield Notice(
                            text=f"{item.path}: cannot be read: {error.strerror}; trying on"
                        )
                    continue
                assert tail is not None
                if tail.compression:
                    tail.close()
                    if item.path not in told:
                        told.add(item.path)
                        yield Notice(text=f"{item.path}: compressed, not followed")
                    continue
                tails[item.path] = tail
            for path, tail in list(tails.items()):
                before = tail.lines.offset + tail.lines.open_bytes
                if tail.was_emptied():
                    yield from self._remember(tail, tail.lines.finish())
                    yield Notice(text=f"{path}: was emptied; read from its start")
                    tail.rewind()
                    before = 0
                yield from self._drain(tail)
                if tail.lines.offset + tail.lines.open_bytes != before:
                    moved, tail.rotated_at = True, None
                    continue
                if self._is_gone(tail):
                    if tail.rotated_at is None:
                        tail.rotated_at = self._clock()
                    if self._clock() - tail.rotated_at >= self.options.rotate_wait_s:
                        yield from self._finish(tail)
                        if not os.path.exists(path):
                            yield StreamEnd(stream=tail.lines.stream)
                        tail.close()
                        del tails[path]
                        moved = True
            if not moved:
                yield Idle()
                self._sleep(self.options.poll_s)

    def _is_gone(self, tail: Tail) -> bool:
        try:
            status = os.stat(tail.path)
        except OSError:
            return True
        return (status.st_dev, status.st_ino) != (tail.device, tail.inode)

    def _rotated_away(self) -> Iterator[Record | Notice]:
        """The rest of files that were rotated away while nothing was running."""
        for name, entry in list(self.checkpoint.entries.items()) if self.checkpoint else ():
            folder = os.path.dirname(entry.path)
            try:
                status = os.stat(entry.path)
                if f"{status.st_dev}:{status.st_ino}" == name:
                    continue
            except OSError:
                pass
            try:
                near = [e for e in os.scandir(folder) if e.is_file() and e.inode() == entry.inode]
            except OSError:
                continue
            for place in near:
                try:
                    tail = Tail(Found(place.path, entry.key), self.options.max_line_bytes)
                except OSError:
                    continue
                if tail.compression is None and tail.head_is(entry) and tail.size > entry.offset:
                    tail.begin(entry.offset)
                    # The same name for formats, so that a response in the new file finds its request.
                    tail.lines.stream = entry.path
                    yield from self._drain(tail)
                    yield from self._finish(tail)
                tail.close()


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
