"""A relay answers when a request is safe; a spool keeps it safe while the destination is away."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agenttrail.errors import Refused, RetryLater, SourceError
from agenttrail.masks._export import pack, unpack
from agenttrail.relay import Relay
from agenttrail.seams import Export, MaskedExport
from agenttrail.spool import Spool


def masked(number: int, *, items: int = 1, failed: int = 0) -> MaskedExport:
    return MaskedExport(
        kind="logs", payload=b"%d" % number, items=items, failed=failed, counts={"PERSON": 2}
    )


class Destination:
    """A sink that raises what it is told to, once a request, and keeps what it takes."""

    def __init__(self, *errors: Any) -> None:
        self.errors, self.got = list(errors), []
        self.open = threading.Event()
        self.open.set()

    def send(self, export: MaskedExport, /) -> int:
        if not self.open.is_set():
            raise RetryLater("away", after_s=0.01)
        error = self.errors.pop(0) if self.errors else None
        if isinstance(error, Exception):
            raise error
        self.got.append(export)
        return error or 0

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def spool(folder: Path, sink: Any, said: list[str] | None = None, max_bytes: int = 10_000) -> Spool:
    made = Spool(
        str(folder), max_bytes=max_bytes, sink=sink, pack=pack, unpack=unpack,
        say=(said if said is not None else []).append,
    )  # fmt: skip
    made.start()
    return made


def test_a_request_is_answered_with_what_the_destination_said_and_counted() -> None:
    said: list[str] = []
    sink = Destination(RetryLater("away"), Refused("no"), 2)
    relay = Relay(lambda _: masked(1, items=5, failed=1), sink, say=said.append)
    export = Export("logs", None, 0)
    with pytest.raises(RetryLater):
        relay(export)
    with pytest.raises(Refused):
        relay(export)
    assert relay(export) == 2
    assert relay(export) == 0
    assert relay.counts == {"delivered": 8, "rejected": 2, "failed": 2}
    assert relay.masked == {"PERSON": 4}
    assert ["without their content" in text for text in said] == [True], "told once"


def test_with_a_spool_the_answer_comes_while_the_destination_is_away(tmp_path: Path) -> None:
    sink = Destination()
    sink.open.clear()
    keeper = spool(tmp_path / "spool", sink)
    numbers = iter(range(10))
    relay = Relay(lambda _: masked(next(numbers)), sink, keeper=keeper)
    for _ in range(3):
        assert relay(Export("logs", None, 0)) == 0
    assert (sink.got, keeper.waiting) == ([], 3)
    sink.open.set()
    until(lambda: keeper.waiting == 0)
    assert [export.payload for export in sink.got] == [b"0", b"1", b"2"]
    assert keeper.bytes == 0
    assert keeper.counts["delivered"] == 3
    keeper.close()


def test_what_is_in_the_spool_outlives_the_process_in_its_order(tmp_path: Path) -> None:
    away = Destination()
    away.open.clear()
    first = spool(tmp_path, away)
    for number in range(12):
        first.put(masked(number))
    first.close()
    (tmp_path / "0000000000000099.otlp.part").write_bytes(b"cut off by a crash")
    there, said = Destination(), []
    second = spool(tmp_path, there, said)
    second.put(masked(12))
    until(lambda: second.waiting == 0)
    assert [int(export.payload) for export in there.got] == list(range(13))
    assert there.got[0] == masked(0)
    second.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock"]
    assert "12 requests of an earlier run" in said[0]


def test_a_full_spool_sends_the_sender_away_and_drops_nothing(tmp_path: Path) -> None:
    sink = Destination()
    sink.open.clear()
    size = len(pack(masked(0)))
    keeper = spool(tmp_path, sink, max_bytes=2 * size)
    keeper.put(masked(0))
    keeper.put(masked(1))
    with pytest.raises(RetryLater, match="full"):
        keeper.put(masked(2))
    sink.open.set()
    until(lambda: keeper.waiting == 0)
    keeper.put(masked(2))
    until(lambda: len(sink.got) == 3)
    keeper.close()


def test_a_disk_that_cannot_be_written_sends_the_sender_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = spool(tmp_path, Destination())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(RetryLater, match="No space left"):
            keeper.put(masked(0))
    assert keeper.bytes == 0
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    keeper.put(masked(1))
    until(lambda: keeper.waiting == 0)
    keeper.close()


def test_what_is_refused_or_damaged_is_set_aside_and_does_not_hold_up_the_rest(
    tmp_path: Path,
) -> None:
    sink = Destination()
    sink.open.clear()
    first = spool(tmp_path, sink)
    for number in range(3):
        first.put(masked(number))
    first.close()
    damaged = sorted(tmp_path.glob("*.otlp"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    there, said = Destination(Refused("never")), []
    second = spool(tmp_path, there, said)
    until(lambda: second.waiting == 0)
    assert [export.payload for export in there.got] == [b"2"]
    assert [len(list((tmp_path / name).iterdir())) for name in ("damaged", "refused")] == [1, 1]
    assert second.bytes > 0, "what is set aside counts until somebody sees to it"
    assert second.counts == {"refused": 1, "delivered": 1, "rejected": 0}
    second.close()


def test_what_an_earlier_run_set_aside_is_never_written_over(tmp_path: Path) -> None:
    """Each run goes on counting behind all that is there."""
    for number in range(3):
        kept = spool(tmp_path, Destination(Refused("no")))
        kept.put(masked(number))
        until(lambda kept=kept: kept.counts["refused"])
        until(lambda kept=kept: kept.waiting == 0)
        kept.close()
    files = sorted((tmp_path / "refused").iterdir())
    assert [unpack(file.read_bytes()).payload for file in files] == [b"0", b"1", b"2"]


def test_a_file_that_somebody_removed_does_not_hold_up_the_rest(tmp_path: Path) -> None:
    """An operator may throw a request away while the destination is not to be had."""
    destination, said = Destination(), list[str]()
    destination.open.clear()
    kept = spool(tmp_path, destination, said)
    for number in range(2):
        kept.put(masked(number))
    (tmp_path / f"{0:016d}.otlp").unlink()
    destination.open.set()
    until(lambda: destination.got)
    kept.close()
    assert [export.payload for export in destination.got] == [b"1"]
    assert any("removed" in text for text in said)


def test_one_process_uses_a_spool_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    sink = Destination()
    sink.open.clear()
    first = spool(tmp_path / "spool", sink)
    first.put(masked(0))
    with pytest.raises(SourceError, match="another process"):
        spool(tmp_path / "spool", sink)
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    for path in (tmp_path / "spool").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first.close()


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    sink = Destination()
    keeper = spool(tmp_path, sink, max_bytes=10**6)
    threads = [
        threading.Thread(target=lambda n=n: [keeper.put(masked(n * 100 + i)) for i in range(20)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: keeper.waiting == 0)
    assert sorted(int(export.payload) for export in sink.got) == sorted(
        n * 100 + i for n in range(4) for i in range(20)
    )
    keeper.close()
