"""One open file: which incarnation it is, its lines, and how far it is read."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from datetime import UTC, datetime
from typing import IO, Any

from agenttrail.sources._checkpoint import Entry
from agenttrail.sources._find import Found
from agenttrail.sources._lines import Lines

_CHUNK_BYTES = 1 << 20
_HEAD_BYTES = 1024
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


class Tail:
    """One open file: its incarnation, its lines, and how far it is read."""

    def __init__(self, found: Found, max_line_bytes: int) -> None:
        self.path, self.key, self.stream = found.path, found.key, found.stream
        self.raw: IO[bytes] = open(found.path, "rb")  # noqa: SIM115  closed by close()
        status = os.fstat(self.raw.fileno())
        self.device, self.inode = status.st_dev, status.st_ino
        self.compression = next(
            (name for magic, name in _MAGIC.items() if self._pread(4).startswith(magic)), None
        )
        self.head_bytes = 0
        self.head = ""
        self.grow_head(status.st_size)
        self.max_line_bytes = max_line_bytes
        self.file = _decompressed(self.raw, self.compression)
        self.rotated_at: float | None = None
        self.silent = False  # what lies before the committed offset is not given again
        self.begin(0)

    def begin(self, committed: int) -> None:
        """Sets out to read from the start; what lies before `committed` is a replay."""
        status = os.fstat(self.raw.fileno())
        self.size, self.mtime_ns = status.st_size, status.st_mtime_ns
        self.lines = Lines(
            source="file", key=self.key, stream=self.stream,
            incarnation=f"{self.device}:{self.inode}", path=self.path,
            time=datetime.fromtimestamp(status.st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            max_line_bytes=self.max_line_bytes, committed=committed,
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

    def unpacked_head_is(self, entry: Entry) -> bool:
        """A compressed file holds what was once read plain under this entry."""
        with open(self.path, "rb") as raw:
            try:
                head = _decompressed(raw, self.compression).read(entry.head_bytes)
            except (OSError, EOFError, zlib.error):
                return False
        return _hash(head) == entry.head

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
        self.grow_head(os.fstat(self.raw.fileno()).st_size)
        self.begin(0)

    def entry(self, offset: int) -> Entry:
        return Entry(
            path=os.path.abspath(self.path), key=self.key, device=self.device, inode=self.inode,
            offset=offset, head=self.head, head_bytes=self.head_bytes, size=-1, mtime_ns=0,
        )  # fmt: skip

    def close(self) -> None:
        self.raw.close()


def _decompressed(raw: IO[bytes], compression: str | None) -> IO[bytes] | io.BufferedIOBase:
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
