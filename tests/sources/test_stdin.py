"""Standard input: lines as they come, silence, the end."""

import os
import threading
from datetime import UTC, datetime

import pytest

from agenttrail.errors import OptionError
from agenttrail.seams import Idle, Record, StreamEnd
from agenttrail.sources.stdin import StdinOptions, StdinSource


def source(descriptor: int, **options: object) -> StdinSource:
    made = StdinOptions(idle_s=0.01, **options)  # type: ignore[arg-type]
    return StdinSource(made, descriptor, now=lambda: datetime(2026, 1, 2, tzinfo=UTC))


def test_lines_come_with_the_time_they_were_read_and_the_stream_ends() -> None:
    """The last line needs no line break."""
    reading, writing = os.pipe()
    os.write(writing, b"one\ntwo\r\nthree")
    os.close(writing)
    items = list(source(reading).read())
    os.close(reading)
    records = [item for item in items if isinstance(item, Record)]
    assert [r.data for r in records] == [b"one", b"two", b"three"]
    assert {r.time for r in records} == {"2026-01-02T00:00:00.000000Z"}
    assert items[-1] == StreamEnd(stream="stdin")


def test_silence_is_told_so_that_what_was_read_is_shipped() -> None:
    """A quiet pipe does not hold back the line before."""
    reading, writing = os.pipe()
    os.write(writing, b"one\n")
    items = source(reading).read()
    assert isinstance(next(items), Record)
    assert isinstance(next(items), Idle)
    os.close(writing)
    assert list(items)[-1] == StreamEnd(stream="stdin")
    os.close(reading)


def test_a_slow_writer_loses_nothing() -> None:
    """A line that comes in many pieces is one line."""
    reading, writing = os.pipe()

    def write() -> None:
        for piece in (b"o", b"n", b"e\nt", b"wo\n"):
            os.write(writing, piece)
        os.close(writing)

    thread = threading.Thread(target=write)
    thread.start()
    got = [item.data for item in source(reading).read() if isinstance(item, Record)]
    thread.join()
    os.close(reading)
    assert got == [b"one", b"two"]


def test_ids_depend_on_the_streams_name() -> None:
    """Two hosts that pipe equal lines can be told apart."""
    digests = []
    for name in ("a", "b", "a"):
        reading, writing = os.pipe()
        os.write(writing, b"one\n")
        os.close(writing)
        digests.append(next(iter(source(reading, name=name).read())).digest)  # type: ignore[union-attr]
        os.close(reading)
    assert digests[0] == digests[2] != digests[1]


@pytest.mark.parametrize("options", [{"idle_s": 0}, {"max_line_bytes": 1}])
def test_options_that_make_no_sense_are_refused(options: dict[str, float]) -> None:
    """Each names itself."""
    with pytest.raises(OptionError):
        StdinOptions(**options)  # type: ignore[arg-type]
