"""The loop: conservation, retries, fail closed, commit after write."""

import json
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agenttrail.errors import AgenttrailError, Bug, Rejected, RetryLater, Unreachable
from agenttrail.runner import Outcome, Runner, Settings
from agenttrail.seams import (
    Drop,
    Dropped,
    Event,
    Idle,
    Ledger,
    MaskedEvent,
    Notice,
    Position,
    Record,
    StreamEnd,
)
from agenttrail.testing import ListSource, MemorySink, records
from tests._events import masked


class Words:
    """A format for tests: a line says what becomes of it.

    `event N` makes N events, `drop` raises Drop, `hold` waits for the end, `late` drops what is held,
    `raise` is a bug, `lose` vanishes.
    """

    def __init__(self) -> None:
        self.held: list[Record] = []

    def __call__(self, record: Record, /) -> Iterable[Event | Dropped]:
        word, _, number = record.data.decode().partition(" ")
        if word == "event":
            return [Event({"n": n}, (record,)) for n in range(int(number or 1))]
        if word == "drop":
            raise Drop("told_to")
        if word == "hold":
            self.held.append(record)
            return []
        if word == "late":
            held, self.held = self.held, []
            return [*(Dropped(r, "too_late") for r in held), Event({}, (record,))]
        if word == "raise":
            raise RuntimeError("holds content")
        return []

    def end(self, stream: str, /) -> Iterable[Event | Dropped]:
        held, self.held = self.held, []
        return [Event({}, (r,)) for r in held]


def mask(events: Sequence[Event], /) -> list[MaskedEvent]:
    return [masked(id=f"{number:016x}") for number, _ in enumerate(events)]


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def run(
    *lines: str, sink: object | None = None, source: ListSource | None = None, **more: object
) -> tuple[Outcome, ListSource, MemorySink]:
    source = source or ListSource(records(*(line.encode() for line in lines)))
    memory = sink or MemorySink()
    time = more.pop("time", None) or Time()
    arguments: dict[str, object] = {
        "source": source, "format": Words(), "mask": mask, "sinks": {"memory": memory},
        "clock": time.clock, "sleep": time.sleep, "rng": random.Random(7), **more,
    }  # fmt: skip
    outcome = Runner(**arguments).run()  # type: ignore[arg-type]
    return outcome, source, memory  # type: ignore[return-value]


LINES = st.lists(
    st.sampled_from(["event", "event 0", "event 3", "drop", "hold", "late", "raise"]), max_size=40
)


@given(
    LINES.filter(lambda lines: "event 0" not in lines),
    st.integers(1, 5),
    st.lists(st.sampled_from(["ok", "retry", "reject"]), max_size=20),
)
@settings(max_examples=300, deadline=None)
def test_every_line_and_every_event_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], batch: int, answers: list[str]
) -> None:
    """Whatever the format drops, holds or breaks, and whatever the sink answers."""
    dead = tmp_path_factory.mktemp("dead") / "letters"

    class Moody(MemorySink):
        def write(self, events: Sequence[MaskedEvent], /) -> None:
            answer = answers.pop(0) if answers else "ok"
            if answer == "retry":
                raise RetryLater("not now")
            self.events.extend(events)
            if answer == "reject":
                raise Rejected({0: "bad"})

    outcome, source, _ = run(
        *lines, sink=Moody(), settings=Settings(batch_events=batch, dead_letter=str(dead))
    )
    counts = outcome.counts
    assert outcome.failure is None
    assert counts.balance() == []
    assert counts.lines_held == 0
    assert counts.lines_read == len(lines)
    assert counts.lines_failed == lines.count("raise")
    kept = dead.read_bytes().splitlines() if dead.exists() else []
    assert len(kept) == counts.events_rejected.total()
    if lines:
        assert source.committed[-1].offset == source.items[-1].end  # type: ignore[union-attr]


def test_a_line_that_vanishes_in_a_format_is_reported() -> None:
    """A format that forgets a line is a bug, never a silence."""
    outcome, _, _ = run("event", "lose")
    assert isinstance(outcome.failure, Bug)
    assert outcome.failure.message == "1 lines vanished in format Words"


def test_an_enricher_that_forgets_to_return_is_reported() -> None:
    """None does not mean drop."""
    outcome, source, memory = run("event", enrichers=[lambda event: None])
    assert isinstance(outcome.failure, Bug)
    assert (source.committed, memory.events) == ([], [])


def test_a_mask_that_loses_an_event_stops_the_run() -> None:
    """Before anything is written or committed."""
    outcome, source, memory = run("event", "event", mask=lambda events: [])
    assert isinstance(outcome.failure, Bug)
    assert (source.committed, memory.events) == ([], [])
    assert outcome.counts.events_undelivered == 2


def test_nothing_is_committed_before_every_sink_has_it() -> None:
    """The second sink is down: the first has the batch, the source has no commit."""
    first, second = MemorySink(), MemorySink([Unreachable("gone")])
    outcome, source, _ = run("event", sinks={"a": first, "b": second})
    assert len(first.events) == 1
    assert source.committed == []
    assert outcome.failed
    assert outcome.counts.events_undelivered == 1


def test_an_enricher_remembers_after_every_sink_and_before_the_commit() -> None:
    """Killed in between, the batch comes again and the enricher knows it."""
    order: list[str] = []

    class Counting:
        def __call__(self, event: Event, /) -> Event:
            return event

        def save(self) -> None:
            order.append("save")

    class Sink(MemorySink):
        def write(self, batch: Sequence[MaskedEvent], /) -> None:
            order.append("write")

    class Source(ListSource):
        def commit(self, positions: Sequence[Position], /) -> None:
            order.append("commit")

    source = Source(records(b"event"))
    run(source=source, enrichers=[Counting()], sinks={"a": Sink(), "b": Sink()})
    assert order == ["write", "write", "save", "commit"]
    order.clear()
    run("event", enrichers=[Counting()], sink=MemorySink([Unreachable("gone")]))
    assert order == []


def test_a_sink_is_retried_with_growing_pauses_and_jitter_until_it_answers() -> None:
    """Five failures, then delivered once."""
    time = Time()
    sink = MemorySink([RetryLater("down")] * 5)
    outcome, _, _ = run("event", sink=sink, time=time)
    assert (outcome.failure, len(sink.events), outcome.counts.retries) == (None, 1, 5)
    assert 0.25 + 0.5 + 1 + 2 + 4 <= time.now <= 0.5 + 1 + 2 + 4 + 8


def test_the_servers_own_wish_for_a_pause_is_kept() -> None:
    """Retry-After wins over a shorter backoff."""
    time = Time()
    run("event", sink=MemorySink([RetryLater("busy", after_s=17)]), time=time)
    assert time.now == pytest.approx(17)


def test_a_sink_that_stays_down_ends_the_run_without_a_commit() -> None:
    """After retry_for_s; the next run reads the lines again."""
    outcome, source, _ = run(
        "event", sink=MemorySink([RetryLater("down", hint="start it")] * 99),
        settings=Settings(retry_for_s=20),
    )  # fmt: skip
    assert outcome.failure is not None
    assert outcome.failure.message.startswith("sink memory: down; gave up after ")
    assert outcome.failure.hint == "start it"
    assert source.committed == []
    assert outcome.counts.balance() == []


def test_a_stop_is_heard_while_waiting_for_a_sink() -> None:
    """SIGTERM does not wait for the server to come back."""
    time = Time()
    outcome, source, _ = run(
        "event", sink=MemorySink([RetryLater("down")] * 10**4), time=time,
        stop=lambda: time.now > 3, settings=Settings(retry_for_s=None),
    )  # fmt: skip
    assert outcome.failure is not None
    assert source.committed == []


def test_a_rejected_event_is_kept_masked_with_its_reason(tmp_path: Path) -> None:
    """The dead letter names sink and reason, and is readable by its owner only."""
    path = tmp_path / "dead.jsonl"

    class Picky(MemorySink):
        def write(self, events: Sequence[MaskedEvent], /) -> None:
            self.events.extend([events[0], events[2]])
            raise Rejected({1: "document_parsing_exception"})

    outcome, source, _ = run("event 3", sink=Picky(), settings=Settings(dead_letter=str(path)))
    letter = json.loads(path.read_bytes())
    assert (letter["sink"], letter["reason"]) == ("memory", "document_parsing_exception")
    assert letter["event"]["event"]["id"] == f"{1:016x}"
    assert path.stat().st_mode & 0o077 == 0
    assert outcome.counts.events_delivered == 2
    assert len(source.committed) == 1


def test_a_sink_that_watches_sees_the_runs_own_ledger(tmp_path: Path) -> None:
    """While it runs and behind its end, what no delivered event shows included."""

    class Watching(MemorySink):
        def watch(self, ledger: Callable[[], Ledger], /) -> None:
            self.ledger = ledger
            self.first = ledger()

        def write(self, events: Sequence[MaskedEvent], /) -> None:
            super().write(events)
            raise Rejected({0: "document_parsing_exception"})

    sink = Watching()
    run("event 2", "raise", "drop", sink=sink, settings=Settings(dead_letter=str(tmp_path / "d")))
    assert set(sink.first.values()) == {0}
    assert sink.ledger() == {
        ("lines", "used", ""): 1, ("lines", "failed", ""): 1, ("lines", "dropped", "told_to"): 1,
        ("events", "delivered", ""): 1, ("events", "quarantined", ""): 0,
        ("events", "rejected", "document_parsing_exception"): 1,
    }  # fmt: skip


def test_a_dead_letter_that_cannot_be_kept_stops_the_commit(tmp_path: Path) -> None:
    """Losing it would be silent."""

    class Picky(MemorySink):
        def write(self, events: Sequence[MaskedEvent], /) -> None:
            raise Rejected({0: "bad"})

    outcome, source, _ = run(
        "event", sink=Picky(), settings=Settings(dead_letter=str(tmp_path / "no" / "folder"))
    )
    assert outcome.failure is not None
    assert source.committed == []


def test_lines_whose_masking_failed_are_counted_and_kept_where_asked(tmp_path: Path) -> None:
    """The envelope is delivered; the raw line stays on this machine, owner only."""
    path = tmp_path / "quarantine"

    def failing(events: Sequence[Event], /) -> list[MaskedEvent]:
        return [MaskedEvent(m.fields, m.line, failed=True) for m in mask(events)]

    outcome, _, memory = run("event 1", mask=failing, settings=Settings(quarantine=str(path)))
    assert (outcome.counts.events_quarantined, len(memory.events)) == (1, 1)
    assert path.read_bytes() == b"event 1\n"
    assert path.stat().st_mode & 0o077 == 0


def test_a_format_that_raises_loses_one_line_and_says_which_without_its_content() -> None:
    """The run goes on and ends with 1."""
    outcome, _, memory = run("event", "raise", "event")
    assert (outcome.counts.lines_failed, len(memory.events), outcome.failed) == (1, 2, True)
    assert outcome.notices == ["test.log:2: the format failed (RuntimeError); line left out"]


def test_replayed_records_rebuild_state_and_deliver_nothing() -> None:
    """A request that was read before the restart still meets its response."""
    from dataclasses import replace

    first, second = records(b"hold", b"event")
    source = ListSource([replace(first, replay=True), second])
    outcome, _, memory = run(source=source)
    assert outcome.counts.lines_read == 1
    assert len(memory.events) == 2  # the held one at the end, and the new one
    assert outcome.failure is None


def test_silence_ships_what_was_read() -> None:
    """While following, a batch does not wait for the next line."""
    seen: list[int] = []
    sink = MemorySink()
    (record,) = records(b"event")

    class Source(ListSource):
        def read(self):  # type: ignore[no-untyped-def]
            yield record
            yield Idle()
            seen.append(len(sink.events))
            yield StreamEnd(stream="test")

    run(source=Source([record]), sink=sink)
    assert seen == [1]


def test_a_batch_goes_out_by_bytes_too() -> None:
    """Long lines do not pile up in memory until there are 500 of them."""
    outcome, _, _ = run(*["event"] * 10, settings=Settings(batch_bytes=10))
    assert outcome.counts.batches == 5


def test_a_slow_mask_gets_small_batches_so_that_commits_keep_coming() -> None:
    """A batch is what can be masked in about flush_s, not eight megabytes at a stretch."""
    time = Time()

    def slow(events: Sequence[Event], /) -> list[MaskedEvent]:
        time.now += sum(len(event.origins[0].data) for event in events) / 20_000
        return mask(events)

    line = "event 1" + " " * 993
    source = ListSource(records(*[line.encode()] * 300))
    outcome, _, _ = run(source=source, mask=slow, time=time, format=Padded())
    # 300 kB at 20 kB/s: a first batch of 64 kB, then one a second.
    assert 10 <= outcome.counts.batches <= 16


class Padded(Words):
    """Lines with spaces behind the words."""

    def __call__(self, record: Record, /) -> Iterable[Event | Dropped]:
        return [Event({}, (record,))]


def test_a_notice_that_failed_makes_the_run_fail() -> None:
    """A file that could not be read is not a success."""
    source = ListSource([Notice(text="a.log: cannot be read", failed=True)])
    outcome, _, _ = run(source=source)
    assert outcome.failed
    assert outcome.failure is None


def test_a_stop_finishes_the_batch_and_commits_it() -> None:
    """SIGTERM: what was read is delivered, the rest is for the next run."""
    asked = iter([False, True])
    outcome, source, memory = run("event", "event", "event", stop=lambda: next(asked))
    assert (len(memory.events), len(source.committed), outcome.stopped) == (2, 1, True)
    assert outcome.counts.balance() == []


def test_an_error_of_the_source_ends_the_run_with_its_hint() -> None:
    """What was delivered before it is committed or sent again."""

    class Broken(ListSource):
        def read(self):  # type: ignore[no-untyped-def]
            yield from self.items
            raise AgenttrailError("disk gone", hint="look at it")

    outcome, _, _ = run(source=Broken(records(b"event")))
    assert outcome.failure is not None
    assert outcome.failure.hint == "look at it"
    assert outcome.counts.events_undelivered == 1
