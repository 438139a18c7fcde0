"""Writes masked events as JSON Lines to a file or to standard output.

Promises: when `write` returns the lines are on the disk (fsync), so a commit that follows is true. A
restart repairs a line that a crash cut, and does not write again what the file's last 5,000 lines
hold: as the source commits after the write, a crash between the two repeats one batch. A full disk is
`RetryLater`, and the part of the batch that was written is taken back first. Several processes may
append to one file: each batch is written under a lock, whole.

With `mode: replace` lines go to `<path>.part`, which takes the path's place when the run ends well;
a device or a pipe is written to directly. One run at a time.

Limits: standard output has no fsync and no repair. Locks are of flock(2): they do not hold between
machines that share a network disk. An unfinished last line of another program's is ended, not mended.
"""

from __future__ import annotations

import errno
import fcntl
import gzip
import os
import re
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

from agenttrail import fields as f
from agenttrail import jsontext
from agenttrail.errors import OptionError, RetryLater, Unreachable
from agenttrail.seams import MaskedEvent

_JOINED_BYTES = 1 << 20
_TAIL_LINES = 5_000  # lines whose ids are remembered at start: several batches
_BLOCK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonlOptions:
    """JSON Lines in a file with rotation, or on standard output."""

    type: ClassVar[str] = "jsonl"
    path: Annotated[str, "File to write; - is standard output."]
    mode: Annotated[
        Literal["append", "replace"],
        "append adds to what is there; replace puts a new file in its place when the run ends well.",
    ] = "append"
    rotate_bytes: Annotated[int | None, "Size at which a new file is begun, in bytes."] = None
    rotate_s: Annotated[float | None, "Age at which a new file is begun, in seconds."] = None
    compress: Annotated[bool, "Compress rotated files with gzip."] = False
    keep_files: Annotated[
        int | None, "Most rotated files to keep; older ones are deleted. Null keeps all."
    ] = None

    def __post_init__(self) -> None:
        rotates = self.rotate_bytes is not None or self.rotate_s is not None
        if not self.path:
            raise OptionError("path", "must not be empty")
        for name in ("rotate_bytes", "rotate_s", "keep_files"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise OptionError(name, "must be positive")
            if value is not None and self.path == "-":
                raise OptionError(name, "has no effect on standard output")
            if value is not None and self.mode == "replace":
                raise OptionError(name, "does not go with mode: replace")
        if self.path == "-" and self.mode == "replace":
            raise OptionError("mode", "'replace' has no effect on standard output")
        for name in ("compress", "keep_files"):
            if getattr(self, name) and not rotates:
                raise OptionError(name, "has no effect without rotate_bytes or rotate_s")

    def writes(self) -> tuple[str, ...]:
        """The files that this sink writes; () for standard output and devices."""
        special = self.path == "-" or (os.path.exists(self.path) and not os.path.isfile(self.path))
        return () if special else (self.path,)

    def build(self, *, clock: Callable[[], float] = time.time) -> JsonlSink | StdoutSink:
        return StdoutSink() if self.path == "-" else JsonlSink(self, clock=clock)


class StdoutSink:
    """Lines on standard output; a reader that went away ends the run."""

    def __init__(self) -> None:
        self._descriptor = sys.stdout.fileno()

    def write(self, batch: Sequence[MaskedEvent], /) -> None:
        data = memoryview(b"".join(event.line + b"\n" for event in batch))
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except BrokenPipeError:
            raise Unreachable("standard output was closed by its reader") from None
        except OSError as error:
            raise Unreachable(f"standard output: {error.strerror}") from None

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass


class JsonlSink:
    """See the module."""

    def __init__(self, options: JsonlOptions, *, clock: Callable[[], float]) -> None:
        self.options, self._clock = options, clock
        # Through symbolic links: a link stays one, and its file is what is replaced or rotated.
        self._path = os.path.realpath(options.path)
        regular = os.path.isfile(self._path) or not os.path.exists(self._path)
        self._replaces = options.mode == "replace" and regular
        self._target = self._path + ".part" if self._replaces else self._path
        self._descriptor: int | None = None
        self._seen: set[str] = set()
        self._born = 0.0

    def write(self, batch: Sequence[MaskedEvent], /) -> None:
        try:
            with self._locked() as descriptor:
                self._append(
                    descriptor, [e for e in batch if e.fields[f.EVENT_ID] not in self._seen]
                )
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            raise RetryLater(
                f"{self._target}: cannot be written: {error.strerror}",
                hint="free disk space; nothing is lost meanwhile"
                if full
                else "make the file writable; nothing is lost meanwhile",
            ) from None

    def check(self) -> None:
        folder = os.path.dirname(self._path)
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise Unreachable(f"{folder}: cannot be made: {error.strerror}") from None
        if os.path.isdir(self._path):
            raise Unreachable(f"{self.options.path}: is a folder", hint="name a file in it")
        writable = self._path if os.path.exists(self._path) else folder
        if not os.access(writable, os.W_OK):
            raise Unreachable(f"{self.options.path}: may not be written by this user")
        if self._replaces and os.path.exists(self._target):
            with open(self._target, "rb") as part:
                try:
                    fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    raise Unreachable(f"{self._target}: another run is writing it") from None

    def finish(self) -> None:
        """The run ended well: a replaced file takes its place."""
        if not self._replaces:
            return
        try:
            with self._locked():
                os.replace(self._target, self._path)
            self.close()
        except OSError as error:
            raise Unreachable(
                f"{self.options.path}: cannot be put in place: {error.strerror}"
            ) from None

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    # --- inside ---

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The open file, for this process alone; rotated first where that is due."""
        while True:
            if self._descriptor is None:
                self._open()
            descriptor = self._descriptor
            assert descriptor is not None
            # A replaced file is one run's from beginning to end; an appended one for each batch.
            if not self._replaces:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            try:
                moved = not self._replaces and self._was_moved(descriptor)
                if not moved and not self._rotate_if_due(descriptor):
                    yield descriptor
                    return
            finally:
                if not self._replaces and self._descriptor is not None:
                    fcntl.flock(descriptor, fcntl.LOCK_UN)
            self.close()

    def _was_moved(self, descriptor: int) -> bool:
        """Another process has rotated the file, or somebody has deleted it."""
        here = os.fstat(descriptor)
        try:
            there = os.stat(self._target)
        except FileNotFoundError:
            return True
        return (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino)

    def _open(self) -> None:
        # Masked, but still an audit log: not for everybody on the machine.
        descriptor = os.open(self._target, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
        self._regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        if self._replaces:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                raise OSError(errno.EBUSY, "another run is writing it") from None
            os.ftruncate(descriptor, 0)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        self._descriptor = descriptor
        status = os.fstat(descriptor)
        self._born = status.st_mtime if status.st_size else self._clock()
        if self._regular and not self._replaces:
            self._repair(descriptor, status.st_size)

    def _repair(self, descriptor: int, size: int) -> None:
        """Sees to a last line without an end, and remembers the ids of the lines before it."""
        lines = _backwards(descriptor, size)
        open_line = next(lines, b"")
        if open_line:
            ours = open_line.startswith(b'{"@timestamp":') or b'{"@timestamp":'.startswith(
                open_line
            )
            if ours and not _is_json(open_line):
                os.ftruncate(descriptor, size - len(open_line))  # cut by a crash; it comes again
            else:
                os.write(descriptor, b"\n")
                lines = _backwards(descriptor, size + 1)
                next(lines)
        for _, line in zip(range(_TAIL_LINES), lines, strict=False):
            try:
                self._seen.add(str(jsontext.loads(line)["event"]["id"]))
            except (ValueError, KeyError, TypeError):
                continue  # a line of another program in the same file

    def _append(self, descriptor: int, events: Sequence[MaskedEvent]) -> None:
        size = os.fstat(descriptor).st_size
        try:
            for part in _joined([event.line for event in events]):
                data = memoryview(part)
                while data:
                    data = data[os.write(descriptor, data) :]
            if self._regular:
                os.fsync(descriptor)
        except OSError:
            if self._regular:
                os.ftruncate(descriptor, size)
            raise

    def _rotate_if_due(self, descriptor: int) -> bool:
        """Moves a file away that is full or old; then a new one is to be opened."""
        limit, age = self.options.rotate_bytes, self.options.rotate_s
        size = os.fstat(descriptor).st_size
        full = limit is not None and size >= limit
        old = age is not None and size > 0 and self._clock() - self._born >= age
        if not (full or old):
            return False
        stamp = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y%m%dT%H%M%S")
        stem, ending = os.path.splitext(self._path)
        number = 0
        while os.path.exists(name := f"{stem}-{stamp}-{number:03d}{ending}") or os.path.exists(
            f"{name}.gz"
        ):
            number += 1
        os.rename(self._path, name)
        if self.options.compress:
            with open(name, "rb") as plain, gzip.open(f"{name}.gz.part", "wb") as packed:
                shutil.copyfileobj(plain, packed)
            os.replace(f"{name}.gz.part", f"{name}.gz")
            os.unlink(name)
        if self.options.keep_files:
            for extra in self._rotated()[: -self.options.keep_files]:
                os.unlink(extra)
        return True

    def _rotated(self) -> list[str]:
        """Files that a rotation of ours has named, oldest first, and no others."""
        folder = os.path.dirname(self._path)
        stem, ending = os.path.splitext(os.path.basename(self._path))
        ours = re.compile(
            rf"{re.escape(stem)}-\d{{8}}T\d{{6}}-\d{{3,}}{re.escape(ending)}(?:\.gz)?"
        )
        return sorted(os.path.join(folder, n) for n in os.listdir(folder) if ours.fullmatch(n))


def _joined(lines: Sequence[bytes]) -> Iterator[bytes]:
    """Lines with their ends, a megabyte at once; of a longer line there is no second copy."""
    small: list[bytes] = []
    size = 0
    for line in lines:
        if small and size + len(line) > _JOINED_BYTES:
            yield b"".join(small)
            small, size = [], 0
        if len(line) > _JOINED_BYTES:
            yield line
            yield b"\n"
        else:
            small += line, b"\n"
            size += len(line)
    if small:
        yield b"".join(small)


def _is_json(line: bytes) -> bool:
    try:
        jsontext.loads(line)
    except ValueError:
        return False
    return True


def _backwards(descriptor: int, size: int) -> Iterator[bytes]:
    """The lines of a file from its end: first what follows the last line break, perhaps nothing."""
    rest = b""
    while size > 0:
        start = max(0, size - _BLOCK_BYTES)
        block = os.pread(descriptor, size - start, start) + rest
        size = start
        rest, *lines = block.split(b"\n")
        yield from reversed(lines)
    yield rest
