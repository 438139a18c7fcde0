"""What hangs or dies over an item takes nothing else with it, and nothing leaves unmasked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agenttrail import fields as f
from agenttrail.errors import MaskError
from agenttrail.guard import Guard
from agenttrail.masking import Masker, Signal
from agenttrail.masks.presidio import PresidioOptions
from agenttrail.seams import Event

FAST = PresidioOptions(profile="fast")
LINES = [
    b'{"to":"ann@example.com","n":1.10}',
    b"mail bob@example.com \xff",
    b"",
    'โทร 081-555-0199 {"password":"hunter2-x"}'.encode(),
]
EVENT = Event(
    {
        **f.CONSTANTS, f.TIMESTAMP: "2026-11-22T10:15:30Z", f.EVENT_ID: "0" * 15 + "a",
        f.EVENT_ACTION: "log", f.SOURCE_LINE: 7, f.SOURCE_RAW: {"to": "ann@example.com"},
        f.SOURCE_FILE: "/home/ann@example.com/x.log",
    },
    (),
)  # fmt: skip


@pytest.fixture(scope="module")
def guard() -> Iterator[Guard]:
    with Guard(FAST, timeout_s=1.0) as made:
        yield made


def test_it_answers_as_a_masker_does(guard: Guard) -> None:
    masker = Masker(FAST)
    signal_ = Signal(attributes={"user.email": "ann@example.com"}, values=["x"])
    assert guard.lines(LINES) == masker.masked_lines(LINES)
    assert guard.signals([signal_]) == masker.signals([signal_])
    assert [e.line for e in guard.events([EVENT])] == [e.line for e in masker.events([EVENT])]
    assert b"ann@" not in guard.events([EVENT])[0].line
    assert guard.lines([]) == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_died_is_replaced_and_its_lines_are_masked(
    how: signal.Signals, guard: Guard
) -> None:
    before = guard.restarts
    os.kill(guard.pids[0], how)
    assert guard.lines(LINES) == Masker(FAST).masked_lines(LINES)
    assert guard.restarts == before + 1


def test_a_worker_that_hangs_is_killed_and_its_lines_are_masked_by_the_next(guard: Guard) -> None:
    os.kill(guard.pids[0], signal.SIGSTOP)
    assert guard.lines(LINES) == Masker(FAST).masked_lines(LINES)


def test_an_item_that_hangs_alone_comes_back_as_its_envelope(guard: Guard) -> None:
    os.kill(guard.pids[0], signal.SIGSTOP)
    (lost,) = guard.events([EVENT])
    assert lost.failed
    assert lost.fields[f.PII_ERROR] == "MaskTimeout"
    assert lost.fields[f.SOURCE_LINE] == 7
    assert b"example.com" not in lost.line
    os.kill(_next(guard), signal.SIGSTOP)
    assert guard.lines([b"mail ann@example.com"]) == [(b"", "MaskTimeout")]
    os.kill(_next(guard), signal.SIGSTOP)
    (gone,) = guard.signals([Signal(attributes={"user.email": "ann@example.com"}, values=["x"])])
    assert gone.error == "MaskTimeout"
    assert "example.com" not in repr(gone)


def _next(guard: Guard) -> int:
    """The worker that is started for the next item."""
    guard.lines([b"x"])
    return guard.pids[0]


def test_while_no_worker_starts_everything_is_an_envelope_and_then_it_recovers(
    tmp_path: Path,
) -> None:
    broken = tmp_path / "broken"
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ntest -e "{broken}" && exit 1\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    with Guard(FAST, timeout_s=1.0, python=str(python)) as guard:
        broken.touch()
        os.kill(guard.pids[0], signal.SIGKILL)
        assert guard.lines([b"mail ann@example.com"] * 3) == [(b"", "MaskMissing")] * 3
        broken.unlink()
        deadline = time.monotonic() + 20
        while guard.lines([b"mail ann@example.com"]) != [(b"mail <EMAIL_ADDRESS>", "")]:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.parametrize(
    "options, python, error",
    [
        (PresidioOptions(spacy_model="no_such_model"), "", "no_such_model"),
        (FAST, "/bin/false", "does not start"),
    ],
)
def test_what_cannot_start_is_told_before_the_first_item(
    options: PresidioOptions, python: str, error: str
) -> None:
    with pytest.raises(MaskError, match=error):
        Guard(options, timeout_s=5.0, python=python)


def test_several_workers_keep_the_order() -> None:
    lines = [b'{"n":%d,"to":"ann%d@example.com"}' % (n, n) for n in range(100)]
    with Guard(PresidioOptions(profile="fast", workers=2), timeout_s=5.0) as guard:
        assert len(guard.pids) == 2
        os.kill(guard.pids[1], signal.SIGKILL)
        assert [line for line, _ in guard.lines(lines)] == [
            b'{"n":%d,"to":"<EMAIL_ADDRESS>"}' % n for n in range(100)
        ]


def test_a_worker_ends_with_its_owner() -> None:
    program = (
        "import sys, time\n"
        "from agenttrail.guard import Guard\n"
        "from agenttrail.masks.presidio import PresidioOptions\n"
        "guard = Guard(PresidioOptions(profile='fast'), timeout_s=5)\n"
        "print(guard.pids[0], flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        worker = int(owner.stdout.readline())
        owner.kill()
    deadline = time.monotonic() + 10
    while _runs(worker):
        assert time.monotonic() < deadline, "the worker outlives its owner"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().split()[2] != "Z"
    except OSError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return not Path("/proc/self").exists()
