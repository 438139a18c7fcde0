"""The one loop: read, normalise, enrich, mask, batch, write, commit, count.

Two ledgers are kept and must balance at any time; a difference is a bug that the run reports.

    lines:  read == used + dropped + held + failed
    events: made == delivered + dropped + rejected + quarantined + undelivered

`used` lines are in an event; `held` ones wait for a later line (a request for its response) and are
read again by the next run; `quarantined` events are delivered without their content, because masking
failed; `undelivered` ones are not committed and are read again by the next run.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from agenttrail.errors import AgenttrailError, Bug, Rejected, RetryLater
from agenttrail.seams import (
    Drop,
    Dropped,
    Enricher,
    Event,
    Format,
    Idle,
    Mask,
    MaskedEvent,
    Notice,
    Position,
    Record,
    Remembering,
    Sink,
    Source,
    StreamEnd,
    Watching,
)

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0
_FIRST_BATCH_BYTES, _LEAST_BATCH_BYTES = 65_536, 16_384


@dataclass(slots=True)
class Counts:
    """Both ledgers. Reasons are short constants."""

    lines_read: int = 0
    lines_used: int = 0
    lines_held: int = 0
    lines_failed: int = 0
    lines_dropped: Counter[str] = field(default_factory=Counter)
    bytes_read: int = 0
    events_made: int = 0
    events_delivered: int = 0
    events_quarantined: int = 0
    events_rejected: Counter[str] = field(default_factory=Counter)
    events_dropped: Counter[str] = field(default_factory=Counter)
    events_undelivered: int = 0
    retries: int = 0
    batches: int = 0

    def balance(self) -> list[str]:
        """What does not add up; empty where all does."""
        lines = self.lines_used + self.lines_held + self.lines_failed + self.lines_dropped.total()
        events = (
            self.events_delivered
            + self.events_quarantined
            + self.events_undelivered
            + self.events_rejected.total()
            + self.events_dropped.total()
        )
        problems = []
        if self.lines_read != lines:
            problems.append(f"{self.lines_read} lines were read, {lines} are accounted for")
        if self.events_made != events:
            problems.append(f"{self.events_made} events were made, {events} are accounted for")
        return problems

    def ledger(self) -> dict[tuple[str, str, str], int]:
        """Both ledgers as they stand, for whoever watches from another thread."""
        made = {
            ("lines", "used", ""): self.lines_used,
            ("lines", "failed", ""): self.lines_failed,
            ("events", "delivered", ""): self.events_delivered,
            ("events", "quarantined", ""): self.events_quarantined,
        }
        for what, outcome, counted in (
            ("lines", "dropped", self.lines_dropped),
            ("events", "dropped", self.events_dropped),
            ("events", "rejected", self.events_rejected),
        ):
            # dict() of a Counter is one step that no other thread comes between.
            made |= {(what, outcome, reason): n for reason, n in dict(counted).items()}
        return made


@dataclass(slots=True)
class Outcome:
    """How a run ended. `failure` is what stopped it before its end, if anything did."""

    counts: Counts
    notices: list[str]
    failed: bool
    failure: AgenttrailError | None
    stopped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the loop needs to know beside its stages; see `config.DeliveryOptions`."""

    batch_events: int = 500
    batch_bytes: int = 8_000_000
    flush_s: float = 1.0
    retry_for_s: float | None = 300.0
    dead_letter: str = "agenttrail-dead-letter.jsonl"
    quarantine: str | None = None


def _ignore(_: object) -> None:
    pass


@dataclass(slots=True)
class _Batch:
    events: list[Event] = field(default_factory=list)
    bytes: int = 0
    born: float = 0.0
    positions: dict[str, Position] = field(default_factory=dict)


class Runner:
    """One pipeline, once.

    Args:
        sinks: by a name for messages; every one gets every event.
        stop: asked between records and while waiting; True ends the run after the batch at hand.
        observe: is shown every masked batch, for counting; must not raise.
        progress: is called now and then with the counts so far.
        notice: is told what a person should know at once.
        clock, sleep, rng: time and chance, so that tests need neither.
    """

    def __init__(
        self,
        *,
        source: Source,
        format: Format,
        mask: Mask,
        sinks: dict[str, Sink],
        enrichers: Sequence[Enricher] = (),
        settings: Settings | None = None,
        stop: Callable[[], bool] = lambda: False,
        observe: Callable[[Sequence[MaskedEvent]], None] = _ignore,
        progress: Callable[[Counts], None] = _ignore,
        notice: Callable[[str], None] = _ignore,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.source, self.format, self.mask = source, format, mask
        self.sinks, self.enrichers = sinks, enrichers
        self.settings = settings or Settings()
        self.counts = Counts()
        self.notices: list[str] = []
        self._failed = False
        self._stop, self._observe, self._progress, self._notice = stop, observe, progress, notice
        self._clock, self._sleep = clock, sleep
        self._rng = rng or random.Random()  # noqa: S311  spreads retries, guards nothing
        self._batch = _Batch(born=clock())
        # Follows what masking and writing manage in flush_s, so that a slow mask commits and shows
        # its progress every second or so too.
        self._batch_bytes = min(_FIRST_BATCH_BYTES, self.settings.batch_bytes)
        self._open: dict[int, Record] = {}  # lines read that no event or reason accounts for yet

    def run(self) -> Outcome:
        """Runs to the end of the source, to `stop`, or to a failure that retrying did not mend."""
        failure: AgenttrailError | None = None
        stopped = False
        for sink in self.sinks.values():
            if isinstance(sink, Watching):
                sink.watch(self.counts.ledger)
        try:
            for item in self.source.read():
                self._take(item)
                if self._stop():
                    stopped = True
                    break
            self._flush()
        except AgenttrailError as error:
            failure = error
        self.counts.lines_held = len(self._open)
        self.counts.events_undelivered += len(self._batch.events)
        problems = self.counts.balance()
        if not stopped and failure is None and self._open:
            problems.append(
                f"{len(self._open)} lines vanished in format {type(self.format).__name__}"
            )
        if problems and failure is None:
            failure = Bug(
                "; ".join(problems), hint="please report this; nothing was committed wrongly"
            )
        self._progress(self.counts)
        return Outcome(
            counts=self.counts, notices=self.notices, failed=self._failed or failure is not None,
            failure=failure, stopped=stopped,
        )  # fmt: skip

    def _take(self, item: Record | StreamEnd | Notice | Idle) -> None:
        if isinstance(item, Record):
            self._take_record(item)
        elif isinstance(item, StreamEnd):
            self._account(self.format.end(item.stream))
        elif isinstance(item, Notice):
            self.say(item.text, failed=item.failed)
        else:
            self._flush()
            self._progress(self.counts)
        batch = self._batch
        if (
            len(batch.events) >= self.settings.batch_events
            or batch.bytes >= self._batch_bytes
            or self._clock() - batch.born >= self.settings.flush_s
        ):
            self._flush()
            self._progress(self.counts)

    def say(self, text: str, *, failed: bool) -> None:
        """Keeps a notice for the summary and tells it at once; `failed` makes the run end with 1."""
        self.notices.append(text)
        self._failed = self._failed or failed
        self._notice(text)

    def _take_record(self, record: Record) -> None:
        if record.replay:
            try:
                for _ in self.format(record):
                    pass
            except Drop:
                pass
            return
        self.counts.lines_read += 1
        self.counts.bytes_read += record.full_bytes
        self._open[id(record)] = record
        try:
            made: Iterable[Event | Dropped] = list(self.format(record))
        except Drop as drop:
            made = [Dropped(record, drop.reason)]
        except Exception as error:  # noqa: BLE001  a format's bug must not stop the log
            del self._open[id(record)]
            self.counts.lines_failed += 1
            self._quarantine([record])
            place = f"{record.path or record.stream}:{record.line}"
            self.say(
                f"{place}: the format failed ({type(error).__name__}); line left out", failed=True
            )
            made = []
        self._account(made)
        self._batch.positions[record.position.incarnation] = record.position

    def _account(self, made: Iterable[Event | Dropped]) -> None:
        for item in made:
            if isinstance(item, Dropped):
                if self._open.pop(id(item.record), None) is not None:
                    self.counts.lines_dropped[item.reason] += 1
                continue
            for origin in item.origins:
                if self._open.pop(id(origin), None) is not None:
                    self.counts.lines_used += 1
            self._enrich(item)
            self._batch.bytes += sum(len(origin.data) for origin in item.origins)

    def _enrich(self, event: Event) -> None:
        self.counts.events_made += 1
        for enricher in self.enrichers:
            try:
                enriched: Any = enricher(event)
            except Drop as drop:
                self.counts.events_dropped[drop.reason] += 1
                return
            if not isinstance(enriched, Event):
                raise Bug(
                    f"{type(enricher).__name__} returned {type(enriched).__name__}, not an Event"
                )
            event = enriched
        self._batch.events.append(event)

    def _flush(self) -> None:
        """Masks and writes the batch to every sink, then commits its positions."""
        batch, begun = self._batch, self._clock()
        if batch.events:
            masked = self.mask(batch.events)
            if len(masked) != len(batch.events):
                raise Bug(f"the mask made {len(masked)} of {len(batch.events)} events")
            rejected: dict[int, str] = {}
            for name, sink in self.sinks.items():
                for index, reason in self._deliver(name, sink, masked).items():
                    self._bury(name, masked[index], reason)
                    rejected.setdefault(index, reason)
            failures = [e for e, m in zip(batch.events, masked, strict=True) if m.failed]
            if failures:
                self._quarantine([r for event in failures for r in event.origins])
            for index, event in enumerate(masked):
                if index in rejected:
                    self.counts.events_rejected[rejected[index]] += 1
                elif event.failed:
                    self.counts.events_quarantined += 1
                else:
                    self.counts.events_delivered += 1
            self.counts.batches += 1
            self._observe(masked)
        self._batch = _Batch(born=self._clock())
        for enricher in self.enrichers:
            if isinstance(enricher, Remembering):
                enricher.save()
        if batch.positions:
            self.source.commit(list(batch.positions.values()))
        if batch.bytes and (spent := self._clock() - begun) > 0:
            bearable = int(batch.bytes / spent * self.settings.flush_s)
            self._batch_bytes = min(max(bearable, _LEAST_BATCH_BYTES), self.settings.batch_bytes)

    def _deliver(self, name: str, sink: Sink, batch: Sequence[MaskedEvent]) -> dict[int, str]:
        """Writes until delivered; gives the reasons of what the sink will never take, by index."""
        started, wait_s = self._clock(), _FIRST_WAIT_S
        while True:
            try:
                sink.write(batch)
            except Rejected as error:
                return error.reasons
            except RetryLater as error:
                spent = self._clock() - started
                limit = self.settings.retry_for_s
                # Equal jitter: many collectors that lost one server do not come back at one time.
                pause_s = max(error.after_s or 0.0, wait_s / 2 + self._rng.uniform(0, wait_s / 2))
                if (limit is not None and spent + pause_s > limit) or self._stop():
                    raise AgenttrailError(
                        f"sink {name}: {error.message}; gave up after {spent:.0f} s",
                        hint=error.hint or "what was not delivered is read again by the next run",
                    ) from None
                if wait_s == _FIRST_WAIT_S:
                    self._notice(f"sink {name}: {error.message}; trying again")
                self.counts.retries += 1
                self._pause(pause_s)
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
            else:
                return {}

    def _pause(self, seconds: float) -> None:
        """Sleeps in short pieces, so that a stop is heard."""
        end = self._clock() + seconds
        while (left := end - self._clock()) > 0 and not self._stop():
            self._sleep(min(left, 0.5))

    def _bury(self, sink: str, event: MaskedEvent, reason: str) -> None:
        line = orjson.dumps({"sink": sink, "reason": reason})[:-1]
        self._keep(self.settings.dead_letter, line + b',"event":' + event.line + b"}\n")

    def _quarantine(self, records: Sequence[Record]) -> None:
        if self.settings.quarantine is not None:
            for record in records:
                self._keep(self.settings.quarantine, record.data + b"\n")

    @staticmethod
    def _keep(path: str, line: bytes) -> None:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            # Not kept is lost: stop before the commit rather than go on.
            raise AgenttrailError(f"{path}: cannot be written: {error.strerror}") from None
