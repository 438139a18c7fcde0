"""Writes masked events as JSON Lines to a file or to standard output.

Promises: when `write` returns the lines are on the disk (fsync), so a commit that follows is true. A
restart repairs a line that a crash cut, and does not write again what the last batches hold: as the
source commits after the write, a crash between the two repeats at most one batch. A full disk is
`RetryLater`, and the part of the batch that was written is taken back first.

With `mode: replace` lines go to `<path>.part`, which takes the path's place when the run ends well.

Limits: standard output has no fsync and no repair. A file that another program rotates or truncates
under us is written on where we stand; use `rotate_bytes` instead.
"""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

from agenttrail import fields as f
from agenttrail import jsontext
from agenttrail.errors import OptionError, RetryLater, Unreachable
from agenttrail.seams import MaskedEvent

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
        self._target = options.path + ".part" if options.mode == "replace" else options.path
        self._descriptor: int | None = None
        self._seen: set[str] = set()
        self._size = 0
        self._born = 0.0

    def write(self, batch: Sequence[MaskedEvent], /) -> None:
        try:
            if self._descriptor is None:
                self._open()
            self._rotate_if_due()
            self._append([e for e in batch if e.fields[f.EVENT_ID] not in self._seen])
        except OSError as error:
            raise RetryLater(
                f"{self._target}: cannot be written: {error.strerror}",
                hint="free disk space or make the folder writable; nothing is lost meanwhile",
            ) from None
        # Ids of the file's tail matter for the batch that a crash repeated, and that comes first.
        self._seen.clear()

    def check(self) -> None:
        folder = os.path.dirname(os.path.abspath(self.options.path))
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise Unreachable(f"{folder}: cannot be made: {error.strerror}") from None
        if os.path.isdir(self.options.path):
            raise Unreachable(f"{self.options.path}: is a folder", hint="name a file in it")
        writable = self.options.path if os.path.exists(self.options.path) else folder
        if not os.access(writable, os.W_OK):
            raise Unreachable(f"{self.options.path}: may not be written by this user")

    def finish(self) -> None:
        """The run ended well: a replaced file takes its place."""
        if self.options.mode != "replace":
            return
        try:
            if self._descriptor is None:
                self._open()
            self.close()
            os.replace(self._target, self.options.path)
        except OSError as error:
            raise Unreachable(
                f"{self.options.path}: cannot be put in place: {error.strerror}"
            ) from None

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    # --- inside ---

    def _open(self) -> None:
        replaces = self.options.mode == "replace"
        flags = os.O_RDWR | os.O_CREAT | (os.O_TRUNC if replaces else 0)
        # Masked, but still an audit log: not for everybody on the machine.
        self._descriptor = os.open(self._target, flags, 0o640)
        status = os.fstat(self._descriptor)
        self._regular = stat.S_ISREG(status.st_mode)
        self._born = status.st_mtime if status.st_size else self._clock()
        self._size = self._repair(status.st_size) if self._regular else 0

    def _repair(self, size: int) -> int:
        """Cuts off a line that a crash left open, and remembers the ids of the last lines."""
        assert self._descriptor is not None
        lines = _backwards(self._descriptor, size)
        open_line = next(lines, b"")
        if open_line:
            size -= len(open_line)
            os.ftruncate(self._descriptor, size)
        for _, line in zip(range(_TAIL_LINES), lines, strict=False):
            try:
                self._seen.add(str(jsontext.loads(line)["event"]["id"]))
            except (ValueError, KeyError, TypeError):
                continue  # a line of another program in the same file
        os.lseek(self._descriptor, size, os.SEEK_SET)
        return size

    def _append(self, events: Sequence[MaskedEvent]) -> None:
        assert self._descriptor is not None
        data = memoryview(b"".join(event.line + b"\n" for event in events))
        total = len(data)
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
            if self._regular:
                os.fsync(self._descriptor)
        except OSError:
            if self._regular:
                os.ftruncate(self._descriptor, self._size)
                os.lseek(self._descriptor, self._size, os.SEEK_SET)
            raise
        self._size += total

    def _rotate_if_due(self) -> None:
        size, age = self.options.rotate_bytes, self.options.rotate_s
        full = size is not None and self._size >= size
        old = age is not None and self._size > 0 and self._clock() - self._born >= age
        if not (full or old):
            return
        self.close()
        stamp = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y%m%dT%H%M%S")
        stem, ending = os.path.splitext(self.options.path)
        number = 0
        while os.path.exists(name := f"{stem}-{stamp}-{number:03d}{ending}") or os.path.exists(
            f"{name}.gz"
        ):
            number += 1
        os.rename(self.options.path, name)
        if self.options.compress:
            with open(name, "rb") as plain, gzip.open(f"{name}.gz.part", "wb") as packed:
                shutil.copyfileobj(plain, packed)
            os.replace(f"{name}.gz.part", f"{name}.gz")
            os.unlink(name)
        for extra in self._rotated()[: -self.options.keep_files or None] if self.options.keep_files else ():  # fmt: skip
            os.unlink(extra)
        self._open()

    def _rotated(self) -> list[str]:
        folder = os.path.dirname(os.path.abspath(self.options.path))
        stem, ending = os.path.splitext(os.path.basename(self.options.path))
        return sorted(
            os.path.join(folder, name)
            for name in os.listdir(folder)
            if name.startswith(f"{stem}-") and name.removesuffix(".gz").endswith(ending)
        )


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
