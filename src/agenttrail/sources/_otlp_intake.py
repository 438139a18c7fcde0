"""Between an OTLP server and what is done with a request: who is let in, and what is answered.

- A request is let in while those at work hold less than a number of bytes and come no faster than a
  rate; else it is told when to come again. Nothing is queued beyond that: the sender keeps it.
- A request that comes again while its twin is still at work waits for the twin's outcome, and an
  answer that nobody heard is kept for the retry. So a sender with a short timeout neither repeats
  the work for ever nor delivers twice.

Limits: what was answered into the void is remembered in memory, for ten minutes; after a crash the
sender's retry is delivered again, as OTLP allows.
"""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from agenttrail.errors import Refused, RetryLater
from agenttrail.seams import Export, ExportKind
from agenttrail.sources._otlp_decode import (
    TooLargeError,
    UndecodableError,
    decompress,
    parse,
)

_UNHEARD_S = 600.0
_UNHEARD = 1000
_MOST_AT_WORK = 64
_THREADS = 8  # they mask one after the other, and wait for the destination side by side
_SAY_AGAIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of a request.

    `code` is ok, bad_data, too_large, unavailable (try again after `after_s`) or throttled (the
    same, because the sender is too fast). `rejected` counts items of an
    accepted request that the destination did not take. `text` never holds content.
    """

    code: str = "ok"
    text: str = ""
    rejected: int = 0
    after_s: float = 0.0


# Gives how many items were rejected; raises RetryLater or Refused.
Handler = Callable[[Export], int]


@dataclass(slots=True)
class Work:
    """One request at work; `done` gets its answer. `waiting` counts the senders that wait for it."""

    digest: bytes
    size: int
    done: Future[Answer]
    waiting: int = 0


_Task = tuple[Work, ExportKind, bytes, str, bool]


class Intake:
    """Decides over requests; every method may be called from any thread.

    Args:
        handle: does the work, called by as many threads as there are requests.
        max_request_bytes: largest request after decompression.
        max_waiting_bytes: what all requests at work may hold together.
        items_per_s: spans and log records a second; None for no limit.
        say: is told of trouble, at most once a minute for each kind.
        clock: seconds.
    """

    def __init__(
        self,
        handle: Handler,
        *,
        max_request_bytes: int,
        max_waiting_bytes: int,
        items_per_s: float | None = None,
        say: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._handle, self._say, self._clock = handle, say, clock
        self.max_request_bytes, self.max_waiting_bytes = max_request_bytes, max_waiting_bytes
        self._rate = items_per_s
        self._allowance, self._allowed_at = items_per_s or 0.0, clock()
        self._lock = threading.Lock()
        self._at_work_bytes = 0
        self._works: dict[bytes, Work] = {}
        self._unheard: dict[bytes, tuple[Answer, float]] = {}
        self._said: dict[str, float] = {}
        self._closed = False
        self.counts: Counter[str] = Counter()
        self._todo: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        # Started here: a thread that cannot be started later, for want of memory, would be missed.
        for number in range(_THREADS):
            threading.Thread(target=self._work, name=f"otlp-work-{number}", daemon=True).start()

    def begin(
        self, kind: ExportKind, body: bytes, *, encoding: str = "", as_json: bool = False
    ) -> Answer | Work:
        """Starts on a request, or finds it at work; or the answer where that is known at once.

        Who gets work calls `heard` or `left` with it.

        Args:
            kind: logs or traces.
            body: as it came.
            encoding: its content encoding.
            as_json: OTLP/JSON instead of binary protobuf.
        """
        person = f"{kind}{encoding}{as_json}"[:16].encode()
        digest = hashlib.blake2b(body, digest_size=16, person=person).digest()
        with self._lock:
            work = self._works.get(digest)
            if work is not None:
                work.waiting += 1
                return work
            answer = self._met_before(digest) or self._refused_entry(len(body))
            if answer is not None:
                self.counts[f"requests_{answer.code}"] += 1
                return answer
            work = self._works[digest] = Work(digest, len(body), Future(), waiting=1)
            self._at_work_bytes += work.size
        # By a thread of ours, so that a sender who leaves does not take the work along.
        self._todo.put((work, kind, body, encoding, as_json))
        return work

    def heard(self, work: Work) -> None:
        """The answer was given to a sender."""
        self.counts[f"requests_{work.done.result(0).code}"] += 1

    def left(self, work: Work) -> None:
        """A sender waits no longer, or could not be answered: the answer is kept for its retry."""
        with self._lock:
            work.waiting -= 1
            self.counts["requests_unheard"] += 1
            if work.waiting == 0 and work.done.done():
                self._keep(work)

    def _keep(self, work: Work) -> None:
        answer = work.done.result(0)
        if answer.code == "ok":
            self._unheard[work.digest] = (answer, self._clock() + _UNHEARD_S)
            while len(self._unheard) > _UNHEARD:
                del self._unheard[next(iter(self._unheard))]

    def close(self) -> None:
        """From now on nobody is let in; what is at work is finished."""
        self._closed = True
        for _ in range(_THREADS):
            self._todo.put(None)

    @property
    def at_work(self) -> int:
        """Requests that no outcome is known of."""
        return len(self._works)

    def _met_before(self, digest: bytes) -> Answer | None:
        kept = self._unheard.pop(digest, None)
        return kept[0] if kept is not None and kept[1] > self._clock() else None

    def _refused_entry(self, size: int) -> Answer | None:
        if self._closed:
            return Answer("unavailable", "closing down", after_s=1.0)
        if size > self.max_request_bytes:
            return Answer("too_large", f"larger than {self.max_request_bytes} bytes")
        # One request is always let in, however large, or it never would be.
        full = len(self._works) >= _MOST_AT_WORK
        if full or (self._works and self._at_work_bytes + size > self.max_waiting_bytes):
            self._tell("busy: more bytes are waiting than max_waiting_bytes; senders are told to come again")  # fmt: skip
            return Answer("throttled", "busy", after_s=1.0)
        return None

    def _work(self) -> None:
        while (task := self._todo.get()) is not None:
            work, kind, body, encoding, as_json = task
            answer = self._outcome(work, kind, body, encoding, as_json=as_json)
            del task, body
            self._finish(work, answer)

    def _finish(self, work: Work, answer: Answer) -> None:
        with self._lock:
            self._works.pop(work.digest, None)
            self._at_work_bytes -= work.size
            work.done.set_result(answer)
            if work.waiting == 0:
                self._keep(work)

    def _outcome(
        self, work: Work, kind: ExportKind, body: bytes, encoding: str, *, as_json: bool
    ) -> Answer:
        try:
            data = decompress(body, encoding, self.max_request_bytes)
            with self._lock:
                self._at_work_bytes += len(data) - work.size
                work.size = len(data)
            message = parse(kind, data, as_json=as_json)
            export = Export(kind, message, len(data))
            del data
            items = count_items(export)
            wait_s = self._pace(items)
            if wait_s > 0:
                self._tell("the rate of items_per_s is reached; senders are told to come again")
                return Answer("throttled", "too many items a second", after_s=wait_s)
            rejected = self._handle(export)
        except TooLargeError:
            self._tell("a request was larger than max_request_bytes and refused for good")
            return Answer("too_large", f"larger than {self.max_request_bytes} bytes")
        except UndecodableError as error:
            self._tell(f"a request cannot be read: {error}")
            return Answer("bad_data", str(error))
        except RetryLater as error:
            self._tell(error.message)
            return Answer("unavailable", error.message, after_s=error.after_s or 1.0)
        except Refused as error:
            self._tell(error.message)
            return Answer("bad_data", error.message)
        except MemoryError:
            self._tell("out of memory; senders are told to come again")
            return Answer("unavailable", "out of memory", after_s=5.0)
        except Exception as error:  # noqa: BLE001  its text may hold content: the class only
            self._tell(f"internal error: {type(error).__name__}; the sender is told to come again")
            return Answer("unavailable", f"internal error: {type(error).__name__}", after_s=5.0)
        self.counts[f"{kind}_items"] += items
        self.counts[f"{kind}_bytes"] += export.bytes
        return Answer(rejected=rejected)

    def _pace(self, items: int) -> float:
        """Takes so many items out of the allowance; or seconds until they may come."""
        if self._rate is None:
            return 0.0
        with self._lock:
            now = self._clock()
            # A second's worth may come at once; a request of more than that waits for a full second.
            self._allowance = min(
                self._rate, self._allowance + (now - self._allowed_at) * self._rate
            )
            self._allowed_at = now
            needed = min(float(items), self._rate)
            if needed > self._allowance:
                return (needed - self._allowance) / self._rate
            self._allowance -= items  # below zero: a large request is paid for afterwards
            return 0.0

    def _tell(self, text: str) -> None:
        now = self._clock()
        if now - self._said.get(text, -_SAY_AGAIN_S) >= _SAY_AGAIN_S:
            self._said[text] = now
            self._say(text)


def count_items(export: Export) -> int:
    """Spans or log records in a request."""
    if export.kind == "logs":
        return sum(len(s.log_records) for r in export.message.resource_logs for s in r.scope_logs)
    return sum(len(s.spans) for r in export.message.resource_spans for s in r.scope_spans)


def each_scope(export: Export) -> Iterable[tuple[Any, Any, Any]]:
    """Resource group, scope group and the list of items, in their order."""
    if export.kind == "logs":
        for group in export.message.resource_logs:
            for scoped in group.scope_logs:
                yield group, scoped, scoped.log_records
    else:
        for group in export.message.resource_spans:
            for scoped in group.scope_spans:
                yield group, scoped, scoped.spans
