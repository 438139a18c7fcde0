"""Bytes to records: line framing with a size limit, and the running digest that event ids rest on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from agenttrail.seams import Record

# What is kept of a line over the limit: enough to read its time, method and ids.
HEAD_BYTES = 65_536


class Lines:
    """Cuts one stream of bytes into records.

    Feed bytes in any pieces; a line comes out when its break has come in. Memory is bounded by
    `max_line_bytes`: of a longer line only the head is kept, the rest passes through the digest.

    Args:
        source: component id of the source.
        key: the stream's name wherever it lies; it seeds the digest.
        stream: the name under which formats keep state.
        incarnation: the name under which positions are committed.
        path: as the user would name it.
        time: RFC 3339; when the bytes were written, as far as the source can tell.
        committed: offset up to which an earlier run delivered everything.
    """

    def __init__(
        self,
        *,
        source: str,
        key: str,
        stream: str,
        incarnation: str,
        path: str | None,
        time: str,
        max_line_bytes: int,
        committed: int = 0,
    ) -> None:
        self.source, self.stream, self.incarnation = source, stream, incarnation
        self.path, self.time, self.max_line_bytes = path, time, max_line_bytes
        self.committed = committed
        self.offset = 0  # of the first byte of the line being read
        self.line = 0
        self.digest = hashlib.blake2b(
            key.encode("utf-8", "surrogateescape"), digest_size=16
        ).digest()
        self._start()

    def _start(self) -> None:
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._bytes = 0
        self._hash = hashlib.blake2b(self.digest, digest_size=16)

    @property
    def open_bytes(self) -> int:
        """Bytes of a line whose break has not come yet."""
        return self._bytes

    def feed(self, data: bytes) -> Iterator[Record]:
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._add(data[start:end] if start or end < len(data) else data)
            yield self._record(break_bytes=1)
            start = end + 1
        if start < len(data):
            self._add(data[start:])

    def finish(self) -> Iterator[Record]:
        """The last line, where it has no break. Its position is its own start: it may still grow."""
        if self._bytes:
            yield self._record(break_bytes=0)

    def _add(self, piece: bytes) -> None:
        self._bytes += len(piece)
        self._hash.update(piece)
        if self._bytes <= self.max_line_bytes:
            self._kept.append(piece)
            self._kept_bytes += len(piece)
        elif self._kept_bytes != min(HEAD_BYTES, self.max_line_bytes):
            head = b"".join([*self._kept, piece])[: min(HEAD_BYTES, self.max_line_bytes)]
            self._kept, self._kept_bytes = [head], len(head)

    def _record(self, *, break_bytes: int) -> Record:
        data = self._kept[0] if len(self._kept) == 1 else b"".join(self._kept)
        full_bytes = self._bytes
        if data.endswith(b"\r") and len(data) == full_bytes:
            data, full_bytes = data[:-1], full_bytes - 1
        self.line += 1
        self.digest = self._hash.digest()
        end = self.offset + self._bytes + break_bytes
        record = Record(
            data=data, source=self.source, path=self.path, stream=self.stream,
            incarnation=self.incarnation, line=self.line, offset=self.offset,
            end=end if break_bytes else self.offset, digest=self.digest, full_bytes=full_bytes,
            time=self.time, replay=end <= self.committed,
        )  # fmt: skip
        self.offset = end
        self._start()
        return record
