"""Reads log files: one, many, globs, folders; plain, gzip or zstd; once, or following them as they grow.

Promises: no line is lost by rotation (rename or copy-and-truncate), a restart resumes after the last
committed line, and event ids do not depend on where the file lies, on rotation or on compression.

After a restart a file is read from its start again, its delivered records marked `replay`: formats
pair requests with later responses, and need the past to do so. Only what follows is delivered.

A last line without a line break is read too, but not committed: where it has grown by the next run,
the whole line comes then.

Limits: what a writer appends to a rotated-away file later than `rotate_wait_s` is read at the next
start only, unless the paths name the rotated file, too. A file that comes and is rotated away within
one `poll_s` is not seen. Ids rest on a file's name and all that stands before a line, so a run over
another copy of a log, or over `-` instead of its file, gives other ids where the name differs. Read
once, a request without its answer is an event of its own at the end of the file; where the file grows
and is read again, the answered request is another. A copy-and-truncate loses what the writer adds between the copy and the truncation, as it
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
from agenttrail.sources._find import Found, find, stream_of, would_find
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

    def reads(self, path: str) -> bool:
        """Whether a file at `path` would be read, now or once it is there."""
        return would_find(self.paths, self.exclude, path)

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
        found += self._rotated_away(found)
        self._total_bytes = sum(_size(item.path) for item in found)
        streams: dict[str, list[Found]] = {}
        for item in found:
            streams.setdefault(item.stream, []).append(item)
        for stream, items in streams.items():
            yield from self._once_stream(sorted(items, key=lambda item: _modified(item.path)))
            yield StreamEnd(stream=stream)

    def _once_stream(self, items: Sequence[Found]) -> Iterator[Record | Notice]:
        """The files of one stream, oldest first, from the last one before anything new."""
        before: Found | None = None
        for item in items:
            try:
                tail = self._open(item)
                if tail is None:
                    before = item
                    self._done_bytes += _size(item.path)
                    continue
                if before is not None:
                    # Its requests may be answered in this file.
                    yield from self._whole_file(self._open(before, again=True))
                    before = None
            except OSError as error:
                yield Notice(text=f"{item.path}: cannot be read: {error.strerror}", failed=True)
                continue
            yield from self._whole_file(tail)

    def _whole_file(self, tail: Tail | None) -> Iterator[Record | Notice]:
        assert tail is not None
        self._current = tail
        yield from self._drain(tail)
        yield from self._finish(tail)
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
            self._last[name] = max(record.end, self._last.get(name, 0))
            if not (tail.silent and record.replay):
                yield record

    def _open(self, found: Found, *, again: bool = False) -> Tail | None:
        """The file, resumed where it is known; None where all of it is delivered and not `again`."""
        status = os.stat(found.path)
        name = f"{status.st_dev}:{status.st_ino}"
        tail = Tail(found, self.options.max_line_bytes)
        entry = self._known(name, tail, status.st_size)
        if entry is None:
            if self.options.start == "end":
                tail.begin(status.st_size)
            return tail
        unchanged = (entry.size, entry.mtime_ns) == (status.st_size, status.st_mtime_ns)
        whole = tail.compression is None and entry.offset == status.st_size
        if not self.options.follow and not again and (unchanged or whole):
            tail.close()
            return None
        # The stream keeps the name it had before a rotation, so that ids stay.
        tail.key = entry.key
        tail.silent = name in self._last and not again
        tail.begin(entry.offset)
        return tail

    def _known(self, name: str, tail: Tail, size: int) -> Entry | None:
        """What is known of a file: from this run, from the checkpoint, or from before it was packed."""
        if name in self._live:
            return replace(self._live[name], offset=self._last[name])
        if self.checkpoint is None:
            return None
        entry = self.checkpoint.entries.get(name)
        if entry is not None:
            emptied = tail.compression is None and size < entry.offset
            return entry if tail.head_is(entry) and not emptied else None
        if tail.compression is None:
            return None
        packed = [
            entry for entry in self.checkpoint.entries.values()
            if entry.key == tail.key and entry.head_bytes and tail.unpacked_head_is(entry)
        ]  # fmt: skip
        return max(packed, key=lambda entry: entry.offset, default=None)

    # --- following ---

    def _follow(self) -> Iterator[Record | StreamEnd | Notice | Idle]:
        tails = self._tails
        told: set[str] = set()
        for item in self._rotated_away(
            find(self.options.paths, self.options.exclude, required=False)
        ):
            tails[item.path] = self._begin(item)
        while True:
            moved = False
            opened = {tail.incarnation for tail in tails.values()}
            for item in find(self.options.paths, self.options.exclude, required=False):
                try:
                    if item.path in tails or _identity(item.path) in opened:
                        continue
                    tail = self._begin(item)
                except OSError as error:
                    if item.path not in told:
                        told.add(item.path)
                        yield Notice(
                            text=f"{item.path}: cannot be read: {error.strerror}; trying on"
                        )
                    continue
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
                    self._last[tail.incarnation] = before = 0
                yield from self._drain(tail)
                if tail.lines.offset + tail.lines.open_bytes != before:
                    moved, tail.rotated_at = True, None
                    continue
                if self._is_gone(tail):
                    if tail.rotated_at is None:
                        tail.rotated_at = self._clock()
                        self._note(path)
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

    def _begin(self, found: Found) -> Tail:
        """Opens a file to follow and notes it, so that a restart finds it wherever it is then."""
        tail = self._open(found)
        assert tail is not None
        if self.checkpoint and tail.incarnation not in self.checkpoint.entries:
            self.checkpoint.entries[tail.incarnation] = tail.entry(tail.lines.committed)
            self.checkpoint.save()
        return tail

    def _note(self, path: str) -> None:
        """A file has taken the place of one that is still being read: notes it before it goes, too."""
        try:
            tail = Tail(Found(path, os.path.basename(path), stream_of(path)), 1024)
        except OSError:
            return
        known = self.checkpoint.entries if self.checkpoint else {}
        if self.checkpoint and tail.incarnation not in known and tail.compression is None:
            known[tail.incarnation] = tail.entry(0)
            self.checkpoint.save()
        tail.close()

    def _is_gone(self, tail: Tail) -> bool:
        try:
            status = os.stat(tail.path)
        except OSError:
            return True
        return (status.st_dev, status.st_ino) != (tail.device, tail.inode)

    def _rotated_away(self, found: Sequence[Found]) -> list[Found]:
        """Files rotated away while nothing was running that the paths do not name.

        Those with something left to read, and the last one before a file that is read: its requests
        may be answered there.
        """
        named = {_identity(item.path) for item in found}
        streams = {item.stream for item in found}
        away: list[tuple[int, bool, Found]] = []
        for name, entry in self.checkpoint.entries.items() if self.checkpoint else ():
            stream = stream_of(entry.path)
            if name in named or not (stream in streams or self.options.follow):
                continue
            for path in _near(entry):
                item = Found(path, entry.key, stream)
                try:
                    tail = Tail(item, 1024)
                except OSError:
                    continue
                if tail.compression is None and tail.head_is(entry):
                    away.append((tail.mtime_ns, tail.size > entry.offset, item))
                tail.close()
        away.sort(key=lambda each: each[0])
        last = {item.stream: item for _, _, item in away}
        return [item for _, rest, item in away if rest or last[item.stream] is item]


def _near(entry: Entry) -> list[str]:
    """Where the file of an entry is now, in the folder that it was in."""
    try:
        with os.scandir(os.path.dirname(entry.path)) as places:
            return [e.path for e in places if e.is_file() and e.inode() == entry.inode]
    except OSError:
        return []


def _identity(path: str) -> str:
    status = os.stat(path)
    return f"{status.st_dev}:{status.st_ino}"


def _modified(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
