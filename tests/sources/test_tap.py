"""Source `tap`: bytes pass unchanged whatever happens, and what is recorded adds up."""

import hashlib
import itertools
import json
import os
import random
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agenttrail import jsontext
from agenttrail.seams import Idle, Record, StreamEnd
from agenttrail.sources.tap import Recorder, Relay, TapSource, open_private

SECRET = "somchai@example.co.th"


def silent(text: str) -> None:
    """A report that nobody reads."""


def recorder(path: Path, **options: object) -> Recorder:
    settled = {"server": "s", "connection": "c", "report": silent, "gather_s": 0.0, **options}
    return Recorder(lambda: open_private(str(path)), **settled)  # type: ignore[arg-type]


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


# --- recording -----------------------------------------------------------------------------------


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lines=st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=8),
    cuts=st.lists(st.integers(0, 300), max_size=6),
    broken=st.booleans(),
)
def test_lines_come_out_as_they_were_however_they_are_cut_into_chunks(
    tmp_path: Path, lines: list[bytes], cuts: list[int], broken: bool
) -> None:
    data = b"".join(line + b"\n" for line in lines)
    if broken and data:
        data = data[:-1]
        if not lines[-1]:
            lines = lines[:-1]
    path = tmp_path / "wire.jsonl"
    path.unlink(missing_ok=True)
    tap = recorder(path)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, end in itertools.pairwise(edges):
        tap.put("c2s", data[start:end])
    tap.put("c2s", b"")
    assert tap.close(10)
    found = read(path) if lines else []
    assert [str(line["raw"]).encode("utf-8", "surrogateescape") for line in found] == lines
    assert (tap.counts.written, tap.counts.lost) == (len(lines), 0)


def test_a_recorded_line_says_when_where_and_what(tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl"
    tap = recorder(path, server="files")
    tap.put("s2c", '{"ชื่อ": "สมชาย"}\r\n'.encode())
    assert tap.close(10)
    (line,) = read(path)
    assert list(line) == ["ts", "server", "conn", "dir", "raw"]
    assert (line["server"], line["dir"], line["raw"]) == ("files", "s2c", '{"ชื่อ": "สมชาย"}\r')
    assert len(str(line["ts"])) == len("2026-01-01T00:00:00.000000Z")
    moment = datetime.fromisoformat(str(line["ts"]))
    assert moment.utcoffset() == timedelta(0)
    assert abs(time.time() - moment.timestamp()) < 60


def test_a_request_is_recorded_before_its_answer_though_chunks_end_in_the_middle(
    tmp_path: Path,
) -> None:
    path = tmp_path / "wire.jsonl"
    tap = recorder(path)
    for direction, chunk in [
        ("c2s", b"ask"),
        ("stderr", b"no"),
        ("c2s", b" 1\nas"),
        ("s2c", b"a1\n"),
    ]:
        tap.put(direction, chunk)  # type: ignore[arg-type]
    tap.put("c2s", b"k 2\n")
    assert tap.close(10)
    assert [line["raw"] for line in read(path)] == ["ask 1", "a1", "ask 2", "no"]


def test_bytes_that_are_no_utf8_are_kept_only_where_the_recording_is_material(
    tmp_path: Path,
) -> None:
    for name, exact in (("raw", True), ("pipeline", False)):
        tap = recorder(tmp_path / name, exact=exact)
        tap.put("s2c", b"\xff\xfe\x00\n")
        assert tap.close(10)
    (exact,), (plain,) = read(tmp_path / "raw"), read(tmp_path / "pipeline")
    assert str(exact["raw"]).encode("utf-8", "surrogateescape") == b"\xff\xfe\x00"
    assert plain["raw"] == "\ufffd\ufffd\x00"
    # What reads the recording for a pipeline takes lone surrogates for what they stand for.
    data = (tmp_path / "raw").read_bytes()
    assert jsontext.loads(data)["raw"] == "\ufffd\ufffd\x00"


def test_a_line_over_the_limit_is_cut_and_its_length_told(tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl"
    tap = recorder(path, line_bytes=10)
    for chunk in (b"0123456789", b"abc", b"def\n", b"0123456789\n"):
        tap.put("s2c", chunk)
    assert tap.close(10)
    cut, whole = read(path)
    assert (cut["raw"], cut["bytes"]) == ("0123456789", 16)
    assert whole["raw"] == "0123456789"
    assert "bytes" not in whole
    assert tap.counts.cut == 1


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_what_overflows_the_queue_is_counted_and_leaves_no_half_line(data: st.DataObject) -> None:
    """written + lost is the number of lines, and the lines written are whole and in their order."""
    lines = [
        b"%d:" % n + b"x" * data.draw(st.integers(0, 12))
        for n in range(data.draw(st.integers(1, 12)))
    ]
    wire = b"\n".join(lines) + (b"\n" if data.draw(st.booleans()) else b"")
    edges = sorted({0, len(wire), *data.draw(st.lists(st.integers(0, len(wire)), max_size=12))})
    chunks = [wire[a:b] for a, b in itertools.pairwise(edges)]
    pauses = data.draw(st.sets(st.integers(0, len(chunks))))
    reading, writing = os.pipe()
    gate, reports = threading.Event(), []

    def open_output() -> int:
        gate.wait(10)
        return writing

    tap = Recorder(
        open_output,
        server="s",
        connection="c",
        report=reports.append,
        queue_bytes=620,
        gather_s=0.0,
    )
    for number, chunk in enumerate(chunks):
        if number in pauses:
            gate.set()
            time.sleep(0.001)  # a chance for the queue to empty: both outcomes are right
        tap.put("c2s", chunk)
    tap.put("c2s", b"")
    gate.set()
    assert tap.close(10)
    with os.fdopen(reading, "rb") as file:
        found = [json.loads(line)["raw"].encode() for line in file.read().splitlines()]
    assert tap.counts.written == len(found)
    assert tap.counts.written + tap.counts.lost == len(lines)
    rest = iter(lines)
    assert all(line in rest for line in found)
    assert bool(reports) == bool(tap.counts.lost)


def test_an_overflow_is_reported_once_and_recording_goes_on_after_it(tmp_path: Path) -> None:
    gate, reports = threading.Event(), []
    path = tmp_path / "wire.jsonl"

    def open_output() -> int:
        gate.wait(10)
        return open_private(str(path))

    tap = Recorder(
        open_output,
        server="s",
        connection="c",
        report=reports.append,
        queue_bytes=300,
        gather_s=0.0,
    )
    tap.put("c2s", b"a" * 60)
    for _ in range(5):
        tap.put("c2s", b"b" * 60 + b"\n")
    gate.set()
    deadline = time.monotonic() + 10
    while tap._pending and time.monotonic() < deadline:
        time.sleep(0.005)
    tap.put("c2s", b"after\n")
    assert tap.close(10)
    assert [line["raw"] for line in read(path)] == ["after"]
    assert (tap.counts.written, tap.counts.lost) == (1, 5)
    assert len(reports) == 1


def test_a_full_disk_is_counted_and_reported_once_without_content() -> None:
    reports: list[str] = []
    tap = Recorder(
        lambda: open_private("/dev/full"),
        server="s",
        connection="c",
        report=reports.append,
        gather_s=0.0,
    )
    for _ in range(3):
        tap.put("c2s", SECRET.encode() + b"\n")
        time.sleep(0.01)
    assert tap.close(10)
    assert (tap.counts.written, tap.counts.lost) == (0, 3)
    assert len(reports) == 1
    assert "No space left on device" in reports[0]
    assert SECRET not in reports[0]


def test_a_file_that_cannot_be_opened_is_tried_again_on_the_next_batch(tmp_path: Path) -> None:
    path = tmp_path / "later" / "wire.jsonl"
    reports: list[str] = []
    tap = recorder(path, report=reports.append)
    tap.put("c2s", b"one\n")
    deadline = time.monotonic() + 10
    while not tap.counts.lost and time.monotonic() < deadline:
        time.sleep(0.005)
    path.parent.mkdir()
    tap.put("c2s", b"two\n")
    assert tap.close(10)
    assert [line["raw"] for line in read(path)] == ["two"]
    assert (tap.counts.written, tap.counts.lost) == (1, 1)
    assert len(reports) == 1


def test_the_line_that_a_failed_write_tore_does_not_spoil_the_next_one() -> None:
    """A full pipe that may not be waited for takes part of a batch, as a full disk does."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    reports: list[str] = []
    tap = Recorder(lambda: writing, server="s", connection="c", report=reports.append, gather_s=0.0)
    tap.put("c2s", b"x" * 100_000 + b"\n")
    deadline = time.monotonic() + 10
    while not reports and time.monotonic() < deadline:
        time.sleep(0.005)
    torn = os.read(reading, 1_000_000)
    tap.put("c2s", b"next\n")
    assert tap.close(10)
    with os.fdopen(reading, "rb") as file:
        rest = file.read()
    assert torn.startswith(b'{"ts"')
    assert rest.startswith(b"\n")
    assert json.loads(rest)["raw"] == "next"
    assert (tap.counts.written, tap.counts.lost) == (1, 1)


def test_an_output_that_hangs_is_given_up_after_the_time_allowed() -> None:
    gate = threading.Event()

    def open_output() -> int:
        gate.wait(10)
        return os.open(os.devnull, os.O_WRONLY)

    tap = Recorder(open_output, server="s", connection="c", report=silent, gather_s=0.0)
    tap.put("c2s", b"x\n")
    assert not tap.close(0.05)
    gate.set()
    assert tap.close(10)


def test_a_recording_is_for_its_owner_only_and_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl"
    before = os.umask(0)
    try:
        for _ in range(2):
            tap = recorder(path)
            tap.put("c2s", b"x\n")
            assert tap.close(10)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(read(path)) == 2


# --- passing on ----------------------------------------------------------------------------------


class Between:
    """A relay between pipes: `to` and `back` are the client's ends."""

    def __init__(self, *command: str, linger_s: float = 1.0) -> None:
        stdin, self.to = os.pipe()
        self.back, stdout = os.pipe()
        self.err, stderr = os.pipe()
        self.ours = (stdin, stdout, stderr)
        self.seen: dict[str, list[bytes]] = {"c2s": [], "s2c": [], "stderr": []}
        self.code: int | None = None
        self.relay = Relay(command, stdin=stdin, stdout=stdout, stderr=stderr, linger_s=linger_s)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        self.code = self.relay.run(lambda direction, chunk: self.seen[direction].append(chunk))

    def end(self) -> int | None:
        self.thread.join(20)
        return self.code


@contextmanager
def between(*command: str, linger_s: float = 1.0) -> Iterator[Between]:
    pipes = Between(*command, linger_s=linger_s)
    try:
        yield pipes
    finally:
        if pipes.relay.child.poll() is None:
            pipes.relay.child.kill()
        for fd in (pipes.to, pipes.back, pipes.err):
            with suppress(OSError):
                os.close(fd)
        pipes.thread.join(20)
        for thread in pipes.relay.threads:
            thread.join(20)
        for file in (pipes.relay.child.stdin, pipes.relay.child.stdout, pipes.relay.child.stderr):
            assert file
            file.close()
        for fd in pipes.ours:
            os.close(fd)


def drain(fd: int) -> bytes:
    parts = []
    while part := os.read(fd, 1_000_000):
        parts.append(part)
    return b"".join(parts)


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-Ic", code)


ECHO = "import os\nwhile data := os.read(0, 65536):\n os.write(1, data)\n os.write(2, data)"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no line break",
        b"\r\n\r\n\n",
        b"\x00\xff\xfe\n\x00",
        b"\n",
        bytes(range(256)) * 3,
        random.Random(7).randbytes(300_000),
    ],
    ids=["nothing", "open line", "crlf", "nul", "line break", "all bytes", "noise"],
)
def test_bytes_come_back_as_they_were_sent(data: bytes) -> None:
    with between(*python(ECHO)) as pipes:
        got: dict[str, bytes] = {}
        readers = [
            threading.Thread(target=lambda n=name, fd=fd: got.update({n: drain(fd)}))
            for name, fd in (("out", pipes.back), ("err", pipes.err))
        ]
        readers[0].start()
        written = 0
        errors = threading.Thread(target=lambda: got.update(err=read_exactly(pipes.err, len(data))))
        errors.start()
        while written < len(data):
            written += os.write(pipes.to, data[written:])
        os.close(pipes.to)
        assert pipes.end() == 0
        readers[0].join(20)
        errors.join(20)
        assert got == {"out": data, "err": data}
        assert {name: b"".join(parts) for name, parts in pipes.seen.items()} == {
            "c2s": data,
            "s2c": data,
            "stderr": data,
        }


def read_exactly(fd: int, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += os.read(fd, count - len(data))
    return data


def test_twenty_megabytes_pass_unchanged_in_both_directions() -> None:
    code = "import os\nwhile data := os.read(0, 65536):\n os.write(1, data)"
    block = random.Random(3).randbytes(1_000_003)
    sent, received = hashlib.sha256(), hashlib.sha256()
    with between(*python(code)) as pipes:

        def feed() -> None:
            for _ in range(20):
                sent.update(block)
                view = memoryview(block)
                while view:
                    view = view[os.write(pipes.to, view) :]
            os.close(pipes.to)

        feeder = threading.Thread(target=feed)
        feeder.start()
        while part := os.read(pipes.back, 1_000_000):
            received.update(part)
        feeder.join(20)
        assert pipes.end() == 0
    assert received.digest() == sent.digest()


def test_the_end_of_the_input_reaches_the_child_and_its_last_words_come_back() -> None:
    with between("sh", "-c", "cat >/dev/null; printf bye") as pipes:
        os.write(pipes.to, b"hello")
        os.close(pipes.to)
        assert drain(pipes.back) == b"bye"
        assert pipes.end() == 0


def test_the_client_sees_the_end_of_the_output_while_the_child_still_runs() -> None:
    with between("sh", "-c", "printf hi; exec >/dev/null; cat >/dev/null; exit 3") as pipes:
        assert drain(pipes.back) == b"hi"
        assert pipes.relay.child.poll() is None
        os.close(pipes.to)
        assert pipes.end() == 3


def test_a_child_whose_reader_went_away_is_told_as_without_us() -> None:
    with between("yes") as pipes:
        os.read(pipes.back, 10)
        os.close(pipes.back)
        assert pipes.end() == 128 + signal.SIGPIPE


def test_a_client_that_writes_to_a_closed_input_is_told() -> None:
    def write_on() -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            os.write(pipes.to, b"x\n")
            time.sleep(0.01)

    with between("sh", "-c", "exec <&-; exec sleep 30") as pipes, pytest.raises(BrokenPipeError):
        write_on()


def test_a_child_that_never_reads_makes_its_client_wait() -> None:
    """No more is taken than pipes and one chunk hold, so memory does not grow with the input."""
    with between("sleep", "30") as pipes:
        os.set_blocking(pipes.to, False)
        taken = quiet = 0
        while quiet < 20 and taken < 10_000_000:
            try:
                taken += os.write(pipes.to, b"x" * 65536)
                quiet = 0
            except BlockingIOError:
                quiet += 1
                time.sleep(0.01)
        assert 65536 <= taken <= 1_000_000
        pipes.relay.child.kill()
        assert pipes.end() == 128 + signal.SIGKILL


def test_a_child_that_dies_in_the_middle_of_a_line_leaves_what_it_wrote() -> None:
    with between("sh", "-c", "printf '{\"half'; kill -9 $$") as pipes:
        assert drain(pipes.back) == b'{"half'
        assert pipes.end() == 128 + signal.SIGKILL


def test_output_that_the_child_left_behind_is_passed_on_until_it_is_quiet() -> None:
    started = time.monotonic()
    with between("sh", "-c", "(sleep 0.2; printf late; sleep 2) & exit 4", linger_s=0.6) as pipes:
        assert read_exactly(pipes.back, 4) == b"late"
        assert pipes.end() == 4
        assert time.monotonic() - started < 1.9
        for thread in pipes.relay.threads:
            assert thread.daemon


def test_a_slow_reader_gets_all_that_a_child_wrote_before_it_ended() -> None:
    code = "import os; [os.write(1, b'x' * 65536) for _ in range(2)]"
    with between(*python(code), linger_s=0.1) as pipes:
        assert pipes.relay.child.wait(20) == 0
        time.sleep(0.4)
        assert pipes.code is None
        assert len(drain(pipes.back)) == 131072
        assert pipes.end() == 0


def test_a_command_that_does_not_exist_is_an_error_before_anything_is_read() -> None:
    with pytest.raises(FileNotFoundError):
        Relay(["agenttrail-no-such-command"])


# --- the pipeline's end --------------------------------------------------------------------------


def test_a_pipeline_gets_records_whose_digests_are_those_of_any_source() -> None:
    reading, writing = os.pipe()
    source = TapSource(reading, stream="tap:files:1", now=lambda: 1_767_225_600_000_001_000)
    os.write(writing, b'{"n":1}\n{"n"')
    os.write(writing, b':2}\n{"torn')
    os.close(writing)
    found = [item for item in source.read() if not isinstance(item, Idle)]
    source.close()
    lines = [item for item in found if isinstance(item, Record)]
    assert [line.data for line in lines] == [b'{"n":1}', b'{"n":2}', b'{"torn']
    digest = hashlib.blake2b(b"tap:files:1", digest_size=16).digest()
    for line in lines:
        digest = hashlib.blake2b(digest + line.data, digest_size=16).digest()
        assert line.digest == digest
    assert [line.offset for line in lines] == [0, 8, 16]
    assert {(line.source, line.path, line.time) for line in lines} == {
        ("tap", None, "2026-01-01T00:00:00.000001Z")
    }
    assert found[-1] == StreamEnd(stream="tap:files:1")


def test_a_pipeline_is_told_when_nothing_comes() -> None:
    reading, writing = os.pipe()
    source = TapSource(reading, stream="s", idle_s=0.01)
    items = source.read()
    assert next(items) == Idle()
    os.write(writing, b"{}\n")
    while isinstance(item := next(items), Idle):
        pass
    assert isinstance(item, Record)
    os.close(writing)
    assert list(items)[-1] == StreamEnd(stream="s")
    source.close()


def test_a_writer_need_not_wait_for_a_pipeline_that_has_not_begun_to_read() -> None:
    reading, writing = os.pipe()
    source = TapSource(reading, stream="s")
    for _ in range(100):
        os.write(writing, b"x" * 9_999 + b"\n")  # far more than a pipe holds
    os.close(writing)
    assert sum(isinstance(item, Record) for item in source.read()) == 100
    source.close()
