"""A masker in watched processes: what hangs or dies over an item takes nothing else with it.

    with Guard(PresidioOptions(), timeout_s=30) as guard:
        guard.lines([b'{"to":"ann@example.com"}'])   # [(b'{"to":"<EMAIL_ADDRESS>"}', "")]

Each worker is a process of its own, started as a program (so that threads of a host, syslog-ng's say,
do not matter), and holds one whole `Masker`. Items go to it in batches with a time limit. A worker that
does not answer in time is killed; one that died, or was killed for its memory, is noticed at once. Its
items are then tried again one by one by a new worker; an item over which that fails too comes back as
its envelope, with the class `MaskTimeout`, `MaskDied` or `MaskMissing` (fail closed).

A worker that cannot be started again is tried for with growing pauses. Items wait for it as long as the
time limit; from then on they come back as envelopes until it is there. A worker ends by itself where its owner is gone, even one that hangs.

One guard serves all threads of a process, one after the other. Cost: 1 to 2 s and 170 MB for a worker,
and a copy of each item both ways.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Literal, Self

from agenttrail.errors import AgenttrailError, MaskError
from agenttrail.masking import MaskedSignal, Masker, Signal
from agenttrail.masks._attributes import failed_signal
from agenttrail.masks._envelope import lost_event
from agenttrail.masks.presidio import PresidioOptions
from agenttrail.seams import Event, MaskedEvent

__all__ = ["Guard"]

_Method = Literal["events", "lines", "signals"]


_START_S = 120.0
_PAUSES_S = (0.1, 1.0, 2.0, 5.0, 10.0, 30.0)
# How much longer than its owner waits a worker lives by itself over one batch, in seconds.
_GRACE_S = 10.0
_HEAD = struct.Struct(">Q")
_PROGRAM = "{path}from agenttrail.guard import _work; _work({r}, {w})"


@dataclass(frozen=True, slots=True)
class _Lost:
    """Stands for an item that could not be masked, and says why in one word."""

    why: str


class Guard:
    """Masks in `options.workers` watched processes; see the module.

    Args:
        options: of the mask.
        timeout_s: how long a worker may take for what it was given at once, in seconds.
        python: the interpreter that workers run in, which finds agenttrail by itself; where it is empty
            ours, with our search path.

    Attributes:
        restarts: workers started in the place of one that was killed or died.
        pids: process ids of the workers that run.

    Raises:
        AgenttrailError: the mask cannot be built, or a worker does not start.
    """

    def __init__(self, options: PresidioOptions, *, timeout_s: float, python: str = "") -> None:
        self._options = replace(options, workers=1)
        self._timeout_s = timeout_s
        self._python = python
        self._lock = threading.Lock()
        self._workers: list[_Worker | None] = []
        self._failures, self._not_before, self._missing_since = 0, 0.0, 0.0
        self.restarts = 0
        try:
            for _ in range(options.workers):
                self._workers.append(self._new_worker())
            for worker in self._workers:
                assert worker is not None
                worker.wait_ready()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pids(self) -> list[int]:
        return [worker.pid for worker in self._workers if worker is not None]

    def events(self, events: Sequence[Event], /) -> list[MaskedEvent]:
        """As a mask of the pipeline."""
        sizes = [sum(len(origin.data) for origin in event.origins) for event in events]
        masked = self._run("events", [event.fields for event in events], sizes)
        return [
            lost_event(event.fields, made.why, policy=self._options.policy)
            if isinstance(made, _Lost)
            else made
            for event, made in zip(events, masked, strict=True)
        ]

    def lines(self, lines: Sequence[bytes], /) -> list[tuple[bytes, str]]:
        """As `Masker.masked_lines`; of a lost line nothing is left."""
        made = self._run("lines", lines, [len(line) for line in lines])
        return [(b"", each.why) if isinstance(each, _Lost) else each for each in made]

    def signals(self, signals: Sequence[Signal], /) -> list[MaskedSignal]:
        """As `Masker.signals`."""
        made = self._run("signals", signals, [1] * len(signals))
        return [
            failed_signal(signal, each.why) if isinstance(each, _Lost) else each
            for signal, each in zip(signals, made, strict=True)
        ]

    def _run(self, method: _Method, items: Sequence[Any], sizes: Sequence[int]) -> list[Any]:
        """What a worker makes of each item, or `_Lost`, in their order; shared out by their sizes."""
        with self._lock:
            return self._shared_out(method, items, sizes)

    def _shared_out(self, method: _Method, items: Sequence[Any], sizes: Sequence[int]) -> list[Any]:
        if not items:
            return []
        shares = _shares(sizes, len(self._workers))
        sent: list[bool] = []
        for place, (start, end) in enumerate(shares):
            worker = self._worker(place)
            sent.append(worker is not None and worker.send(method, items[start:end]))
        results: list[Any] = []
        deadline = time.monotonic() + self._timeout_s
        for place, (start, end) in enumerate(shares):
            answer: Sequence[Any] | str = "MaskMissing"
            if sent[place]:
                answer = self._answer(place, deadline)
            elif self._workers[place] is not None:
                self._end(place)
                answer = "MaskDied"
            if isinstance(answer, str):
                results += self._one_by_one(place, method, items[start:end], answer)
            else:
                results += answer
        return results

    def close(self) -> None:
        """Ends the workers, by force."""
        for place, worker in enumerate(self._workers):
            self._workers[place] = None
            if worker is not None:
                worker.end()

    def _one_by_one(self, place: int, method: _Method, items: Sequence[Any], why: str) -> list[Any]:
        """Each item alone, after they failed together; one that hung alone is not tried again."""
        results: list[Any] = []
        for item in items:
            if len(items) == 1 and why == "MaskTimeout":
                results.append(_Lost(why))
                continue
            worker = self._worker(place)
            answer: Sequence[Any] | str = "MaskMissing"
            if worker is not None:
                answer = "MaskDied"
                if worker.send(method, [item]):
                    answer = self._answer(place, time.monotonic() + self._timeout_s)
                else:
                    self._end(place)
            results.append(_Lost(answer) if isinstance(answer, str) else answer[0])
        return results

    def _answer(self, place: int, deadline: float) -> Sequence[Any] | str:
        """A worker's answer; where there is none it is ended."""
        worker = self._workers[place]
        assert worker is not None
        try:
            answer: Sequence[Any] = worker.receive(deadline)
        except TimeoutError:
            self._end(place)
            return "MaskTimeout"
        except _DiedError:
            self._end(place)
            return "MaskDied"
        return answer

    def _end(self, place: int) -> None:
        worker, self._workers[place] = self._workers[place], None
        if worker is not None:
            worker.end()

    def _new_worker(self) -> _Worker:
        return _Worker(self._options, self._python, self._timeout_s)

    def _worker(self, place: int) -> _Worker | None:
        """The worker at a place, started anew where it ended; None where that goes on failing."""
        worker = self._workers[place]
        if worker is not None and worker.running():
            return worker
        self._end(place)
        while True:
            if time.monotonic() >= self._not_before:
                started = self._started()
                if started is not None:
                    self._workers[place] = started
                    return started
            if time.monotonic() - self._missing_since >= self._timeout_s:
                return None
            time.sleep(0.05)

    def _started(self) -> _Worker | None:
        """A new worker, or None and a pause before the next try."""
        worker = None
        try:
            worker = self._new_worker()
            worker.wait_ready()
        except (AgenttrailError, OSError):
            if worker is not None:
                worker.end()
            if not self._failures:
                self._missing_since = time.monotonic()
            pause_s = _PAUSES_S[min(self._failures, len(_PAUSES_S) - 1)]
            self._failures += 1
            self._not_before = time.monotonic() + pause_s
            return None
        self._failures, self._not_before = 0, 0.0
        self.restarts += 1
        return worker


class _DiedError(Exception):
    """The worker is gone."""


class _Worker:
    """The owner's end of one process."""

    def __init__(self, options: PresidioOptions, python: str, timeout_s: float) -> None:
        their_in, our_out = os.pipe()
        our_in, their_out = os.pipe()
        # Another interpreter has libraries of its own.
        path = "" if python else f"import sys; sys.path[:] = {sys.path!r}; "
        program = _PROGRAM.format(path=path, r=their_in, w=their_out)
        try:
            self._process = subprocess.Popen(  # noqa: S603  our own program
                [python or sys.executable, "-c", program],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(their_in, their_out),
                # One thread each: the workers are the parallelism.
                env={"OMP_NUM_THREADS": "1", **os.environ},
            )
        except BaseException:
            os.close(our_in)
            os.close(our_out)
            raise
        finally:
            os.close(their_in)
            os.close(their_out)
        self._in, self._out = our_in, our_out
        self._first = pickle.dumps((options, timeout_s))
        self.pid = self._process.pid

    def wait_ready(self) -> None:
        """Sends the options and waits for the mask to be built; raises what building it raised."""
        problem: Any = _DiedError()
        try:
            self._write(self._first, time.monotonic() + _START_S)
            problem = self.receive(time.monotonic() + _START_S)
        except (TimeoutError, _DiedError, OSError) as error:
            problem = error
        if isinstance(problem, AgenttrailError):
            raise problem
        if problem is not None:
            raise MaskError(
                f"the masking process does not start ({type(problem).__name__})",
                hint="is there memory for the model? agenttrail mask TEXT tries it",
            )

    def running(self) -> bool:
        return self._process.poll() is None

    def send(self, method: _Method, items: Sequence[Any]) -> bool:
        """False where the worker is gone."""
        try:
            self._write(pickle.dumps((method, list(items))), time.monotonic() + _START_S)
        except (OSError, TimeoutError):
            return False
        return True

    def receive(self, deadline: float) -> Any:
        """The next answer.

        Raises:
            TimeoutError: it did not come in time.
            _DiedError: the worker is gone.
        """
        (size,) = _HEAD.unpack(self._read(_HEAD.size, deadline))
        return pickle.loads(self._read(size, deadline))  # noqa: S301  from our own process

    def end(self) -> None:
        """Kills it and waits for its end."""
        for descriptor in (self._in, self._out):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._in = self._out = -1
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()

    def _write(self, data: bytes, deadline: float) -> None:
        view = memoryview(_HEAD.pack(len(data)) + data)
        os.set_blocking(self._out, False)
        while view:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([], [self._out], [], left)[1]:
                raise TimeoutError
            with contextlib.suppress(BlockingIOError):
                view = view[os.write(self._out, view) :]

    def _read(self, size: int, deadline: float) -> bytes:
        pieces: list[bytes] = []
        while size:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._in], [], [], left)[0]:
                raise TimeoutError
            piece = os.read(self._in, min(size, 1 << 20))
            if not piece:
                raise _DiedError
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)


def _shares(sizes: Sequence[int], parts: int) -> list[tuple[int, int]]:
    """At most `parts` runs of neighbours of about the same size, as half-open ranges."""
    goal = (sum(sizes) + len(sizes)) / parts
    shares: list[tuple[int, int]] = []
    start, size = 0, 0
    for end, more in enumerate(sizes, 1):
        size += more + 1
        if (size >= goal and len(shares) < parts - 1) or end == len(sizes):
            shares.append((start, end))
            start, size = end, 0
    return shares


def _work(reading: int, writing: int) -> None:
    """A worker's whole life, between two pipes; ends with its owner."""
    for number in (signal.SIGINT, signal.SIGTERM):  # for the owner, which still wants its answers
        signal.signal(number, signal.SIG_IGN)
    with os.fdopen(reading, "rb") as requests, os.fdopen(writing, "wb") as answers:
        options, timeout_s = pickle.loads(_frame(requests))  # noqa: S301  our own owner's
        try:
            masker = Masker(options)
        except AgenttrailError as error:
            _answer(answers, error)
            return
        _answer(answers, None)
        with contextlib.suppress(EOFError, BrokenPipeError):
            while True:
                method, items = pickle.loads(_frame(requests))  # noqa: S301  our own owner's
                # Nobody is left to kill a worker that hangs after its owner died: this does, as no
                # handler is set.
                signal.setitimer(signal.ITIMER_REAL, timeout_s + _GRACE_S)
                _answer(answers, _made(masker, method, items))
                signal.setitimer(signal.ITIMER_REAL, 0)


def _made(masker: Masker, method: _Method, items: Sequence[Any]) -> list[Any]:
    if method == "events":
        return masker.events([Event(fields, ()) for fields in items])
    return masker.masked_lines(items) if method == "lines" else masker.signals(items)


def _frame(file: BinaryIO) -> bytes:
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise EOFError
    return file.read(*_HEAD.unpack(head))


def _answer(file: BinaryIO, value: Any) -> None:
    data = pickle.dumps(value)
    file.write(_HEAD.pack(len(data)))
    file.write(data)
    file.flush()
