"""Masked export requests on disk until their destination has them.

A request is in the spool when its file and the folder are synced: then its sender may be answered.
Files are delivered in the order they came, by one thread, and removed when the destination has
them; a restart goes on with what it finds. When the spool is full nothing is taken in: the sender
is told to come again, and nothing is ever dropped to make room.

What the destination refuses for good is kept in `refused/`, what a disk has damaged in `damaged/`;
both count against the size, so that they are seen to. All of it is masked; the folder is for its
owner only. One process uses a folder at a time.

Limits: delivery is one request after the other. A crash between a delivery and the removal of its
file delivers it again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from agenttrail.errors import AgenttrailError, Refused, RetryLater, SourceError
from agenttrail.seams import ExportSink, MaskedExport

_SUFFIX = ".otlp"
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 30.0


class Spool:
    """Takes requests from any thread between `start` and `close`.

    Args:
        folder: made where it is missing.
        max_bytes: of all files.
        sink: the destination.
        pack: a masked request as bytes that tell whether they are whole.
        unpack: the reverse; raises ValueError for bytes that are not whole.
        say: is told of trouble.
        rng: spreads retries.
    """

    def __init__(
        self,
        folder: str,
        *,
        max_bytes: int,
        sink: ExportSink,
        pack: Callable[[MaskedExport], bytes],
        unpack: Callable[[bytes], MaskedExport],
        say: Callable[[str], None] = lambda _: None,
        rng: random.Random | None = None,
    ) -> None:
        self._folder, self._max_bytes, self._sink = Path(folder), max_bytes, sink
        self._pack, self._unpack, self._say = pack, unpack, say
        self._rng = rng or random.Random()  # noqa: S311  spreads retries, guards nothing
        self._lock = threading.Lock()
        self._more = threading.Event()
        self._stop = threading.Event()
        self._waiting: list[str] = []  # names, oldest first
        self._next = 0
        self._owner: int | None = None
        self._thread = threading.Thread(target=self._drain, name="spool", daemon=True)
        self.bytes = 0
        self.counts: Counter[str] = Counter()

    def start(self) -> None:
        """Finds what an earlier run left and begins to deliver.

        Raises:
            SourceError: the folder cannot be used, or another process uses it.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._owner = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SourceError("spool: another process uses this folder") from None
        except OSError as error:
            raise SourceError(f"spool: the folder cannot be used: {error.strerror}") from None
        for path in self._folder.glob("*.part"):
            path.unlink()  # a write that a crash cut off: its sender was not answered
        self._waiting = sorted(path.name for path in self._folder.glob(f"*{_SUFFIX}"))
        # Also behind what was set aside: a file of the same name would take its place.
        names = [path.stem for path in self._folder.rglob(f"*{_SUFFIX}")]
        self._next = 1 + max((int(name) for name in names if name.isdecimal()), default=-1)
        if self._waiting:
            self._more.set()
            self._say(f"spool: {len(self._waiting)} requests of an earlier run are waiting")
        self.bytes = sum(path.stat().st_size for path in self._folder.rglob(f"*{_SUFFIX}"))
        self._thread.start()

    def put(self, export: MaskedExport, /) -> None:
        """Returns when the request is on disk. Raises RetryLater where it cannot be."""
        data = self._pack(export)
        with self._lock:
            if self.bytes + len(data) > self._max_bytes:
                raise RetryLater("the spool is full", after_s=5.0)
            self.bytes += len(data)
            name = f"{self._next:016d}{_SUFFIX}"
            self._next += 1
        try:
            self._write(name, data)
        except OSError as error:
            with self._lock:
                self.bytes -= len(data)
            raise RetryLater(f"the spool cannot be written: {error.strerror}", after_s=5.0) from None  # fmt: skip
        with self._lock:
            self._waiting.append(name)
            self._waiting.sort()
        self._more.set()

    def close(self) -> None:
        """Ends delivery; what is not delivered stays for the next run."""
        self._stop.set()
        self._more.set()
        if self._thread.is_alive():
            self._thread.join(10.0)
        if self._owner is not None:
            os.close(self._owner)

    @property
    def waiting(self) -> int:
        """Requests that are not delivered yet."""
        return len(self._waiting)

    def _write(self, name: str, data: bytes) -> None:
        part = self._folder / f"{name}.part"
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.rename(self._folder / name)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()
            raise
        try:
            # The name too must outlive a power cut.
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError:
            # Its sender is told to come again: it must not be delivered beside that.
            with contextlib.suppress(OSError):
                (self._folder / name).unlink()
            raise

    def _drain(self) -> None:
        wait_s = _FIRST_WAIT_S
        while not self._stop.is_set():
            with self._lock:
                name = self._waiting[0] if self._waiting else None
                if name is None:
                    self._more.clear()
            if name is None:
                self._more.wait()
                continue
            try:
                self._deliver(name)
            except RetryLater as error:
                if wait_s == _FIRST_WAIT_S:
                    self._say(f"spool: {error.message}; trying again")
                pause_s = max(error.after_s or 0.0, wait_s / 2 + self._rng.uniform(0, wait_s / 2))
                self._stop.wait(min(pause_s, _LONGEST_WAIT_S))
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
            except Exception as error:  # noqa: BLE001  its text may hold content: the class only
                self._say(f"spool: {type(error).__name__}; trying again")
                self._stop.wait(wait_s)
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
            else:
                wait_s = _FIRST_WAIT_S

    def _deliver(self, name: str) -> None:
        path = self._folder / name
        try:
            data = path.read_bytes()
            size = len(data)
            export = self._unpack(data)
        except FileNotFoundError:
            with self._lock:
                self._waiting.remove(name)
            self._say("spool: a request was removed from the folder by somebody else")
            return
        except OSError as error:
            raise RetryLater(f"a file cannot be read: {error.strerror}") from None
        except ValueError:
            self._set_aside(name, "damaged")
            return
        try:
            rejected = self._sink.send(export)
        except Refused:
            self.counts["refused"] += export.items
            self._set_aside(name, "refused")
            return
        self.counts["delivered"] += export.items - rejected
        self.counts["rejected"] += rejected
        path.unlink()
        with self._lock:
            self._waiting.remove(name)
            self.bytes -= size

    def _set_aside(self, name: str, where: str) -> None:
        folder = self._folder / where
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            (self._folder / name).rename(folder / name)
        except OSError as error:
            raise AgenttrailError(f"cannot be moved: {error.strerror}") from None
        with self._lock:
            self._waiting.remove(name)
        self._say(f"spool: a request is kept in {where}/ and not delivered")
