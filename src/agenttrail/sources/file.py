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

import glob
import gzip
import hashlib
import io
import os
import re
import stat
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import IO, Annotated, Any, ClassVar, Literal

from agenttrail.errors import OptionError, SourceError
from agenttrail.seams import Idle, Notice, Position, Record, StreamEnd
from agenttrail.sources._checkpoint import Checkpoint, Entry
from agenttrail.sources._lines import Lines

_CHUNK_BYTES = 1 << 20
_HEAD_BYTES = 1024
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
# What a folder is searched for; a file named by the user is read whatever its name.
_LOG_NAME = re.compile(r"[^.].*\.(?:jsonl|ndjson|json|log|txt)(?:[.-]\d+)*(?:\.(?:gz|zst|zstd))?")
# logrotate: name.log.1, name.log-20260131, both with a compression suffix
_ROTATION = re.compile(r"(?:[.-]\d{1,3}|-\d{8}(?:-\d{1,10})?)?(?:\.(?:gz|zst|zstd))?$")


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


@dataclass(slots=True)
class _Found:
    """A file to read. `key` names its stream: the path below what the user named."""

    path: str
    key: str


class _Tail:
    """One open file: its incarnation, its lines, and how far it is read."""

    def __init__(self, found: _Found, entry: Entry | None, options: FileOptions) -> None:
        self.path, self.key = found.path, found.key
        self.raw: IO[bytes] = open(found.path, "rb")  # noqa: SIM115  closed by close()
        status = os.fstat(self.raw.fileno())
        self.device, self.inode = status.st_dev, status.st_ino
        self.compression = next(
            (name for magic, name in _MAGIC.items() if self._pread(4).startswith(magic)), None
        )
        self.head_bytes = 0
        self.head = ""
        self.grow_head(status.st_size)
        self.options = options
        self.file = _decompressed(self.raw, self.compression)
        self.rotated_at: float | None = None
        committed = 0
        if entry is not None:
            committed = entry.offset
        elif options.follow and options.start == "end":
            committed = status.st_size
        self.begin(committed, status)

    def begin(self, committed: int, status: os.stat_result) -> None:
        self.size, self.mtime_ns = status.st_size, status.st_mtime_ns
        self.lines = Lines(
            source="file", key=self.key, stream=os.path.abspath(self.path),
            incarnation=f"{self.device}:{self.inode}", path=self.path,
            time=datetime.fromtimestamp(status.st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            max_line_bytes=self.options.max_line_bytes, committed=committed,
        )  # fmt: skip
        self.read_bytes = 0

    @property
    def incarnation(self) -> str:
        return self.lines.incarnation

    def _pread(self, size: int) -> bytes:
        try:
            return os.pread(self.raw.fileno(), size, 0)
        except OSError:  # a pipe or a device has no positions
            return b""

    def grow_head(self, size: int) -> None:
        if self.head_bytes < _HEAD_BYTES and size > self.head_bytes:
            head = self._pread(min(_HEAD_BYTES, size))
            self.head_bytes, self.head = len(head), _hash(head)

    def head_is(self, entry: Entry) -> bool:
        return _hash(self._pread(entry.head_bytes)) == entry.head

    def chunk(self) -> bytes:
        data = self.file.read(_CHUNK_BYTES)
        self.read_bytes += len(data)
        if self.compression is None:
            self.grow_head(self.read_bytes)
        return data

    def was_emptied(self) -> bool:
        """The writer truncated the file and wrote on (logrotate's copytruncate)."""
        status = os.fstat(self.raw.fileno())
        shorter = status.st_size < self.read_bytes
        return shorter or _hash(self._pread(self.head_bytes)) != self.head

    def rewind(self) -> None:
        self.raw.seek(0)
        self.head_bytes, self.head = 0, ""
        status = os.fstat(self.raw.fileno())
        self.grow_head(status.st_size)
        self.begin(0, status)

    def entry(self, offset: int) -> Entry:
        return Entry(
            path=os.path.abspath(self.path), key=self.key, device=self.device, inode=self.inode,
            offset=offset, head=self.head, head_bytes=self.head_bytes, size=-1, mtime_ns=0,
        )  # fmt: skip

    def close(self) -> None:
        self.raw.close()


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
        self._live: dict[str, Entry] = {}  # by incarnation, offset not yet committed
        self._whole: dict[str, tuple[int, int, int]] = {}  # incarnation: last offset, size, mtime
        self._done_bytes = 0
        self._total_bytes = 0
        self._current: _Tail | None = None
        self._tails: dict[str, _Tail] = {}  # by path, while following

    def read(self) -> Iterator[Record | StreamEnd | Notice | Idle]:
        yield from self._follow() if self.options.follow else self._once()

    def progress(self) -> tuple[int, int]:
        """Raw bytes read and raw bytes in all."""
        here = self._current.raw.tell() if self._current and not self._current.raw.closed else 0
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
        found = self._find(required=True)
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

    def _drain(self, tail: _Tail) -> Iterator[Record | Notice]:
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

    def _cut(self, tail: _Tail) -> Notice:
        return Notice(
            text=f"{tail.path}: the {tail.compression} data is cut or damaged after line {tail.lines.line}; what came before is kept",
            failed=True,
        )

    def _finish(self, tail: _Tail) -> Iterator[Record]:
        yield from self._remember(tail, tail.lines.finish())
        self._whole[tail.incarnation] = (0, tail.size, tail.mtime_ns)
        entry = self._live.get(tail.incarnation)
        if entry is not None:
            self._whole[tail.incarnation] = (entry.offset, tail.size, tail.mtime_ns)

    def _remember(self, tail: _Tail, records: Iterable[Record]) -> Iterator[Record]:
        for record in records:
            entry = self._live.get(tail.incarnation)
            if entry is None or entry.head_bytes != tail.head_bytes or entry.head != tail.head:
                entry = tail.entry(record.end)
            else:
                entry = replace(entry, offset=record.end)
            self._live[tail.incarnation] = entry
            yield record

    def _open(self, found: _Found) -> _Tail | None:
        """The file, resumed where the checkpoint knows it; None where all of it is delivered."""
        status = os.stat(found.path)
        name = f"{status.st_dev}:{status.st_ino}"
        entry = self.checkpoint.entries.get(name) if self.checkpoint else None
        tail = _Tail(found, None, self.options)
        if entry is None:
            return tail
        plain = tail.compression is None
        if not tail.head_is(entry) or (plain and status.st_size < entry.offset):
            return tail  # another file under the same number, or emptied since
        unchanged = (entry.size, entry.mtime_ns) == (status.st_size, status.st_mtime_ns)
        if not self.options.follow and (unchanged or (plain and entry.offset == status.st_size)):
            tail.close()
            return None
        # The stream keeps the name it had before a rotation, so that ids stay.
        found = _Found(found.path, entry.key)
        tail.close()
        return _Tail(found, entry, self.options)

    # --- following ---

    def _follow(self) -> Iterator[Record | StreamEnd | Notice | Idle]:
        tails = self._tails
        told: set[str] = set()
        yield from self._rotated_away()
        while True:
            moved = False
            for item in self._find(required=False):
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

    def _is_gone(self, tail: _Tail) -> bool:
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
                    tail = _Tail(_Found(place.path, entry.key), entry, self.options)
                except OSError:
                    continue
                if tail.compression is None and tail.head_is(entry) and tail.size > entry.offset:
                    # The same name for formats, so that a response in the new file finds its request.
                    tail.lines.stream = entry.path
                    yield from self._drain(tail)
                    yield from self._finish(tail)
                tail.close()

    # --- finding ---

    def _find(self, *, required: bool) -> list[_Found]:
        """The files that the paths name now, each once, in the order of their names.

        Raises:
            SourceError: with `required`, a path that names nothing.
        """
        found: dict[str, _Found] = {}
        for given in self.options.paths:
            matches = list(_matches(given))
            if required and not matches:
                raise SourceError(
                    f"no file to read at {given}",
                    hint="a folder is searched for *.jsonl, *.ndjson, *.json, *.log and *.txt, rotated and compressed ones too; name other files themselves"
                    if os.path.isdir(given)
                    else "check the path; quote a glob so that the shell leaves it alone",
                )
            for path, root in matches:
                real = os.path.realpath(path)
                if real in found or any(
                    glob_fits(path, pattern) for pattern in self.options.exclude
                ):
                    continue
                key = _ROTATION.sub("", os.path.relpath(path, root))
                found[real] = _Found(path, key)
        return list(found.values())


def glob_fits(path: str, pattern: str) -> bool:
    """Whether a path, or its last part, fits a glob."""
    from fnmatch import fnmatchcase

    return fnmatchcase(path, pattern) or fnmatchcase(os.path.basename(path), pattern)


def _matches(given: str) -> Iterator[tuple[str, str]]:
    """Paths and, for each, the folder that its stream's name is relative to."""
    if os.path.isdir(given):
        for folder, folders, names in os.walk(given):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                if _LOG_NAME.fullmatch(name) and _is_readable_kind(path):
                    yield path, given
    elif os.path.exists(given):
        yield given, os.path.dirname(given) or "."
    elif glob.has_magic(given):
        parts = given.split(os.sep)
        fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
        root = os.sep.join(parts[:fixed]) or (os.sep if given.startswith(os.sep) else ".")
        for path in sorted(glob.glob(given, recursive=True)):
            if _is_readable_kind(path):
                yield path, root


def _is_readable_kind(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _decompressed(raw: IO[bytes], compression: str | None) -> IO[bytes]:
    if compression == "gzip":
        return gzip.GzipFile(fileobj=raw)
    if compression == "zstd":
        return io.BufferedReader(_ZstdReader(raw), _CHUNK_BYTES)
    return raw


class _ZstdReader(io.RawIOBase):
    """Zstandard frames one after another; a cut one is an EOFError (zstandard's own reader is silent)."""

    # One compressed block of 4 bytes can hold 128 KiB (RFC 8878, 3.1.1.2), so this bounds what one
    # step can unpack to 32 MiB.
    _STEP_BYTES = 1024

    def __init__(self, raw: IO[bytes]) -> None:
        import zstandard

        self._raw, self._start = raw, zstandard.ZstdDecompressor().decompressobj
        self._frame = self._start()
        self._fed = False
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._ready:
            data = self._frame.unused_data if self._frame.eof else self._raw.read(self._STEP_BYTES)
            if self._frame.eof:
                self._frame, self._fed = self._start(), False
                data = data or self._raw.read(self._STEP_BYTES)
            if not data:
                if self._fed:
                    raise EOFError
                return 0
            self._fed = True
            self._ready = memoryview(self._frame.decompress(data))
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
