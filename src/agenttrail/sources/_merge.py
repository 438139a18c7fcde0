"""Several sources as one: each read in a thread of its own, through one bounded queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence

from agenttrail.seams import Idle, Measured, Notice, Position, Record, Source, StreamEnd

_QUEUE_ITEMS = 1_000
_IDLE_S = 0.5

_Item = Record | StreamEnd | Notice | Idle


class MergedSource:
    """Gives what any of its sources gives; ends when all have ended, or with the first error."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = list(sources)
        self._owner: dict[str, Source] = {}  # by incarnation
        self._queue: queue.Queue[tuple[Source, _Item | Exception | None]] = queue.Queue(
            _QUEUE_ITEMS
        )
        self._closed = threading.Event()

    def read(self) -> Iterator[_Item]:
        for source in self._sources:
            threading.Thread(target=self._pump, args=(source,), daemon=True).start()
        running = len(self._sources)
        while running:
            try:
                source, item = self._queue.get(timeout=_IDLE_S)
            except queue.Empty:
                yield Idle()
                continue
            if item is None:
                running -= 1
            elif isinstance(item, Exception):
                raise item
            else:
                if isinstance(item, Record):
                    self._owner[item.incarnation] = source
                yield item

    def _pump(self, source: Source) -> None:
        last: Exception | None = None
        try:
            for item in source.read():
                self._put(source, item)
                if self._closed.is_set():
                    return
        except Exception as error:  # noqa: BLE001  raised again in the reader's thread
            last = error
        self._put(source, last)

    def _put(self, source: Source, item: _Item | Exception | None) -> None:
        while not self._closed.is_set():
            try:
                self._queue.put((source, item), timeout=_IDLE_S)
            except queue.Full:
                continue
            else:
                return

    def progress(self) -> tuple[int, int]:
        parts = [s.progress() for s in self._sources if isinstance(s, Measured)]
        return sum(done for done, _ in parts), sum(total for _, total in parts)

    def commit(self, positions: Sequence[Position], /) -> None:
        for source in self._sources:
            own = [p for p in positions if self._owner.get(p.incarnation) is source]
            if own:
                source.commit(own)

    def close(self) -> None:
        self._closed.set()
        for source in self._sources:
            source.close()
