"""Several worker processes: the same lines as one, and nothing lost when a worker is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from agenttrail import fields as f
from agenttrail.errors import OptionError
from agenttrail.jsontext import loads
from agenttrail.masks._workers import WorkerMask
from agenttrail.masks.presidio import PresidioMask, PresidioOptions
from agenttrail.seams import Event
from tests.masks.conftest import event


@pytest.fixture(scope="module")
def workers() -> Iterator[WorkerMask]:
    mask = PresidioOptions(workers=2).build()
    assert isinstance(mask, WorkerMask)
    yield mask
    mask.close()


def events(count: int) -> list[Event]:
    return [
        event({f.EVENT_ID: f"{n:031x}a", f.TOOL_ARGUMENTS: {
            "to": f"user{n}@example.com", "exact": loads("123456789012345678901234567890"),
            "digits": loads("1.10"), "text": "Call Margaret Smith on +66 81 234 5678" * (n % 3)}})
        for n in range(count)
    ]  # fmt: skip


def processes(mask: WorkerMask) -> list[int]:
    return [pid for pid in mask._pool._processes or {} if pid is not None]


@pytest.mark.parametrize("count", [0, 1, 2, 7, 40])
def test_the_lines_are_those_of_one_process_in_their_order(
    workers: WorkerMask, mask: PresidioMask, count: int
) -> None:
    """However the batch is cut; numbers keep their digits on the way."""
    batch = events(count)
    assert workers(batch) == mask(batch)


def test_findings_can_be_asked_for(workers: WorkerMask, mask: PresidioMask) -> None:
    """`agenttrail try` works with workers, too."""
    assert workers.findings(events(2)[1]) == mask.findings(events(2)[1])


def test_a_killed_worker_loses_nothing(workers: WorkerMask, mask: PresidioMask) -> None:
    """Before the batch, and while it is at work."""
    batch = events(10)
    workers(batch)
    os.kill(processes(workers)[0], signal.SIGKILL)
    assert workers(batch) == mask(batch)
    assert workers(batch) == mask(batch)


def test_an_event_that_no_worker_survives_goes_on_as_its_envelope(
    workers: WorkerMask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fail closed: the content is left out, the event is marked and counted."""
    real = workers._start

    def dead() -> Any:
        pool = real()
        pool.submit(os.getpid).result()
        for pid in list(pool._processes or {}):
            os.kill(pid, signal.SIGKILL)
        return pool

    monkeypatch.setattr(workers, "_start", dead)
    workers._pool.shutdown()
    workers._pool = dead()
    (masked,) = workers(events(2)[1:])
    assert masked.failed
    assert masked.fields[f.PII_ERROR] == "WorkerLostError"
    assert b"example.com" not in masked.line
    monkeypatch.undo()
    workers._pool = real()


def test_the_number_of_workers_must_make_sense() -> None:
    """None is no number of processes."""
    with pytest.raises(OptionError):
        PresidioOptions(workers=0)
