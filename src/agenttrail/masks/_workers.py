"""A mask in several processes: each event is masked in one of them, and their order stays.

The workers come from a fork server that has loaded the model, so that they share its memory. A
worker that dies (killed for its memory, say) takes no event with it: its events are tried again,
one by one, and the one that kills a worker twice goes on as its envelope (fail closed).
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, TypeVar

from agenttrail.errors import MaskError
from agenttrail.masks._model import PRELOAD
from agenttrail.seams import Event, MaskedEvent

if TYPE_CHECKING:
    from agenttrail.masks._attributes import MaskedSignal, Signal
    from agenttrail.masks._walk import Found
    from agenttrail.masks.presidio import PresidioMask, PresidioOptions

_CHUNKS_PER_WORKER = 2
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_mask: PresidioMask | None = None  # of a worker process


class WorkerMask:
    """Masks batches in `workers` processes.

    Args:
        options: with `workers` 1; built again in every worker.
        detection: settings of the detector, which the fork server makes ahead.
        lost: masks events that no worker survived; it has no detector, so their text is left out.
    """

    def __init__(
        self,
        options: PresidioOptions,
        workers: int,
        *,
        detection: Mapping[str, Any],
        lost: PresidioMask,
    ) -> None:
        self._options, self._workers, self._lost = options, workers, lost
        os.environ[PRELOAD] = json.dumps(detection)
        # One thread each: the workers are the parallelism.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["agenttrail.masks._model"])
        self._pool = self._start()
        try:
            self._pool.submit(_ready).result()
        except BrokenProcessPool:
            self._pool.shutdown()
            options.one()  # says in this process what went wrong in the other
            raise MaskError("the masking workers cannot start", hint="workers: 1") from None

    def __call__(self, events: Sequence[Event], /) -> list[MaskedEvent]:
        sizes = [sum(len(origin.data) for origin in event.origins) + 1 for event in events]
        return self._share(
            [event.fields for event in events], sizes, _work,
            lambda fields: self._lost([Event(fields, ())])[0],
        )  # fmt: skip

    def signals(self, signals: Sequence[Signal], /) -> list[MaskedSignal]:
        """As `PresidioMask.signals`."""
        sizes = [_size(signal) for signal in signals]
        return self._share(signals, sizes, _work_signals, lambda s: self._lost.signals([s])[0])

    def _share(
        self,
        items: Sequence[_Item],
        sizes: Sequence[int],
        work: Callable[[Sequence[_Item]], list[_Result]],
        lost: Callable[[_Item], _Result],
    ) -> list[_Result]:
        """Items masked by the workers, each worker a few runs of neighbours, in their order."""
        chunks = list(_cut(items, sizes, self._workers * _CHUNKS_PER_WORKER))
        try:
            waiting: list[Future[list[_Result]]] = [self._pool.submit(work, c) for c in chunks]
        except BrokenProcessPool:
            waiting = []
        masked: list[_Result] = []
        for number, chunk in enumerate(chunks):
            try:
                masked += waiting[number].result()
            except Exception:  # noqa: BLE001  a dead worker, or an item that does not travel
                masked += [self._again(item, work, lost) for item in chunk]
        return masked

    def findings(self, event: Event) -> list[Found]:
        """As `PresidioMask.findings`."""
        return self._pool.submit(_find, event.fields).result()

    def pids(self) -> list[int]:
        """The workers' process ids."""
        return list(self._pool._processes)

    def close(self) -> None:
        """Ends the workers."""
        self._pool.shutdown()

    def _again(
        self,
        item: _Item,
        work: Callable[[Sequence[_Item]], list[_Result]],
        lost: Callable[[_Item], _Result],
    ) -> _Result:
        """One item on its own, after a worker died over it or beside it."""
        for _ in range(2):
            try:
                return self._pool.submit(work, [item]).result()[0]
            except BrokenProcessPool:
                self._pool.shutdown(wait=False)
                self._pool = self._start()
            except Exception:  # noqa: BLE001  fail closed, whatever it was
                break
        return lost(item)

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._workers, mp_context=self._context, initializer=_begin, initargs=(self._options,)
        )


class LostDetector:
    """Stands where no worker is left: whatever would have to be analysed fails."""

    def prose(self, texts: Sequence[str], /) -> Iterator[Any]:
        if texts:
            raise WorkerLostError
        return iter(())

    patterns = prose


class WorkerLostError(RuntimeError):
    """A worker died twice over one event."""


def _cut(items: Sequence[_Item], sizes: Sequence[int], parts: int) -> Iterator[Sequence[_Item]]:
    """At most `parts` runs of neighbours, of about the same size."""
    goal = sum(sizes) / parts
    start, size = 0, 0
    for end, more in enumerate(sizes, 1):
        size += more
        if size >= goal or end == len(sizes):
            yield items[start:end]
            start, size = end, 0


def _size(signal: Signal) -> int:
    """About how much there is to mask in a signal."""
    texts = (*signal.attributes.values(), *signal.names, *signal.values)
    own = sum(len(text) if isinstance(text, (str, bytes)) else 16 for text in texts)
    return 1 + own + sum(map(_size, signal.parts))


def _begin(options: PresidioOptions) -> None:
    global _mask
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that reads and commits
    _mask = options.one()


def _ready() -> bool:
    return _mask is not None


def _work(batch: Sequence[Mapping[str, Any]]) -> list[MaskedEvent]:
    assert _mask is not None
    return _mask([Event(fields, ()) for fields in batch])


def _work_signals(signals: Sequence[Signal]) -> list[MaskedSignal]:
    assert _mask is not None
    return _mask.signals(signals)


def _find(fields: Mapping[str, Any]) -> list[Found]:
    assert _mask is not None
    return _mask.findings(Event(fields, ()))
