"""The JSON Lines sink: on the disk when it returns, repaired after a crash, nothing twice."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agenttrail import fields as f
from agenttrail.errors import OptionError, RetryLater, Unreachable
from agenttrail.seams import MaskedEvent
from agenttrail.sinks.jsonl import JsonlOptions, JsonlSink
from tests._events import masked


def event(number: int, **more: object) -> MaskedEvent:
    return masked(more, id=f"{number:031x}a")


def build(path: Path, clock: float = 1_700_000_000.0, **options: object) -> JsonlSink:
    sink = JsonlOptions(path=str(path), **options).build(clock=lambda: clock)  # type: ignore[arg-type]
    assert isinstance(sink, JsonlSink)
    return sink


def ids(path: Path) -> list[str]:
    return [json.loads(line)["event"]["id"] for line in path.read_bytes().splitlines()]


def test_lines_are_written_as_they_are(tmp_path: Path) -> None:
    """The event's canonical line, and a line break."""
    sink = build(tmp_path / "o.jsonl")
    sink.check()
    sink.write([event(1), event(2)])
    assert (tmp_path / "o.jsonl").read_bytes() == event(1).line + b"\n" + event(2).line + b"\n"


def test_a_batch_that_a_crash_repeats_is_not_written_twice(tmp_path: Path) -> None:
    """Killed between write and commit, the next run sends the batch again."""
    build(tmp_path / "o").write([event(1), event(2), event(3)])
    again = build(tmp_path / "o")
    again.write([event(2), event(3), event(4)])
    again.write([event(5)])
    assert ids(tmp_path / "o") == [event(n).fields[f.EVENT_ID] for n in (1, 2, 3, 4, 5)]


def test_a_line_that_a_crash_cut_is_taken_back_and_written_whole(tmp_path: Path) -> None:
    """Also where the cut line is longer than a block."""
    for size in (10, 200_000):
        path = tmp_path / f"o{size}"
        build(path).write([event(1), event(2, message="x" * size)])
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size - 5)
        build(path).write([event(2, message="x" * size), event(3)])
        assert ids(path) == [event(n).fields[f.EVENT_ID] for n in (1, 2, 3)]


def test_a_repeated_batch_may_be_cut_differently(tmp_path: Path) -> None:
    """After a crash the same events come in smaller batches: still none twice."""
    build(tmp_path / "o").write([event(n) for n in range(500)])
    again = build(tmp_path / "o")
    again.write([event(n) for n in range(200)])
    again.write([event(n) for n in range(200, 510)])
    assert ids(tmp_path / "o") == [event(n).fields[f.EVENT_ID] for n in range(510)]


@pytest.mark.parametrize("last", [b'{"precious":2}', b"half of somebody's", b'{"a":'])
def test_an_unended_last_line_of_another_program_is_ended_not_deleted(
    tmp_path: Path, last: bytes
) -> None:
    """Only a line of ours that a crash cut is taken back."""
    (tmp_path / "o").write_bytes(b'{"precious":1}\n' + last)
    build(tmp_path / "o").write([event(1)])
    assert (tmp_path / "o").read_bytes() == b'{"precious":1}\n' + last + b"\n" + event(
        1
    ).line + b"\n"


def test_two_processes_can_append_to_one_file(tmp_path: Path) -> None:
    """Also while it rotates: every line whole, none lost."""
    program = f"""
import sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from tests.sinks.test_jsonl import build, event
sink = build(Path({str(tmp_path / "o.jsonl")!r}), rotate_bytes=20_000)
first = int(sys.argv[1])
for number in range(first, first + 100):
    sink.write([event(number), event(number + 1000)])
"""
    running = [subprocess.Popen([sys.executable, "-c", program, str(n)]) for n in (0, 100, 200)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    found = [i for path in tmp_path.iterdir() for i in ids(path)]
    assert len(found) == len(set(found)) == 600
    assert len(list(tmp_path.iterdir())) > 5


def test_one_run_at_a_time_replaces_a_file(tmp_path: Path) -> None:
    """A second is refused before its first line."""
    first = build(tmp_path / "o", mode="replace")
    first.write([event(1)])
    with pytest.raises(Unreachable, match="another run is writing it"):
        build(tmp_path / "o", mode="replace").check()
    first.finish()
    build(tmp_path / "o", mode="replace").check()


def test_replace_follows_a_link_and_leaves_a_device_one(tmp_path: Path) -> None:
    """The link and the device stay what they are."""
    (tmp_path / "real").write_bytes(b"old\n")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    for name in ("link", "pipe"):
        sink = build(tmp_path / name, mode="replace")
        sink.check()
        sink.write([event(1)])
        sink.finish()
        sink.close()
    assert (tmp_path / "link").is_symlink()
    assert ids(tmp_path / "real") == [event(1).fields[f.EVENT_ID]]
    assert os.read(reading, 100_000) == event(1).line + b"\n"
    os.close(reading)


def test_keeping_few_files_deletes_no_file_of_others(tmp_path: Path) -> None:
    """Only names that a rotation gave."""
    (tmp_path / "o-errors1.jsonl").write_bytes(b"x")
    sink = build(tmp_path / "o.jsonl", rotate_bytes=1, keep_files=1)
    for number in range(4):
        sink.write([event(number)])
    assert len(list(tmp_path.iterdir())) == 3
    assert (tmp_path / "o-errors1.jsonl").exists()


def test_lines_of_another_program_stay(tmp_path: Path) -> None:
    """A file that holds other lines is appended to."""
    (tmp_path / "o").write_bytes(b"not ours\n[1]\n")
    build(tmp_path / "o").write([event(1)])
    assert (tmp_path / "o").read_bytes() == b"not ours\n[1]\n" + event(1).line + b"\n"


def test_a_full_disk_is_retried_and_leaves_no_half_line(tmp_path: Path) -> None:
    """/dev/full takes nothing: the sink says so and can be called again."""
    sink = build(Path("/dev/full"))
    for _ in range(2):
        with pytest.raises(RetryLater, match="No space left"):
            sink.write([event(1)])


def test_a_disk_that_fills_in_the_middle_keeps_whole_lines(tmp_path: Path) -> None:
    """A real limit on the file's size, in a process of its own."""
    program = f"""
import resource, signal, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from agenttrail.errors import RetryLater
from tests.sinks.test_jsonl import build, event
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path({str(tmp_path / "o")!r})
sink = build(path)
sink.write([event(1)])
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, resource.RLIM_INFINITY))
try:
    sink.write([event(2)])
except RetryLater:
    pass
else:
    sys.exit("not refused")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
sink.write([event(2)])
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert ids(tmp_path / "o") == [event(n).fields[f.EVENT_ID] for n in (1, 2)]


def test_replace_puts_a_whole_file_in_place_at_the_end(tmp_path: Path) -> None:
    """Until the run ends well the old file stays; a second run does not add to the first."""
    path = tmp_path / "o"
    path.write_bytes(b"old\n")
    sink = build(path, mode="replace")
    sink.write([event(1)])
    assert path.read_bytes() == b"old\n"
    sink.finish()
    assert ids(path) == [event(1).fields[f.EVENT_ID]]
    assert os.listdir(tmp_path) == ["o"]


def test_replace_without_events_leaves_an_empty_file(tmp_path: Path) -> None:
    """An empty result is a result."""
    sink = build(tmp_path / "o", mode="replace")
    sink.finish()
    assert (tmp_path / "o").read_bytes() == b""


@pytest.mark.parametrize("compress", [False, True])
def test_rotation_by_size_keeps_every_line(tmp_path: Path, compress: bool) -> None:
    """The newest file has the plain name; each rotated one a time and a number."""
    sink = build(tmp_path / "o.jsonl", rotate_bytes=1, compress=compress)
    for number in range(5):
        sink.write([event(number)])
    names = sorted(os.listdir(tmp_path))
    ending = ".jsonl.gz" if compress else ".jsonl"
    assert names == [f"o-20231114T221320-00{n}{ending}" for n in range(4)] + ["o.jsonl"]
    lines = b"".join(
        gzip.decompress((tmp_path / n).read_bytes()) if n.endswith("gz") else (tmp_path / n).read_bytes()
        for n in names
    )  # fmt: skip
    assert len(lines.splitlines()) == 5


def test_rotation_by_age_and_the_number_of_files_kept(tmp_path: Path) -> None:
    """Old rotated files go when there are more than asked for."""
    now = [1_700_000_000.0]
    sink = JsonlOptions(path=str(tmp_path / "o.jsonl"), rotate_s=60, keep_files=2).build(
        clock=lambda: now[0]
    )
    for number in range(6):
        sink.write([event(number)])
        now[0] += 61
    assert len(os.listdir(tmp_path)) == 3
    assert ids(tmp_path / "o.jsonl") == [event(5).fields[f.EVENT_ID]]


@pytest.mark.parametrize("place", ["folder", "missing/parent/is/a/file"])
def test_check_refuses_what_cannot_be_written(tmp_path: Path, place: str) -> None:
    """Before the first byte is read."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "missing").write_bytes(b"")
    with pytest.raises(Unreachable):
        build(tmp_path / place).check()


@pytest.mark.parametrize(
    "options, option",
    [({"path": ""}, "path"), ({"path": "-", "rotate_bytes": 5}, "rotate_bytes"),
     ({"path": "-", "mode": "replace"}, "mode"), ({"path": "o", "compress": True}, "compress"),
     ({"path": "o", "keep_files": 3}, "keep_files"), ({"path": "o", "rotate_s": 0}, "rotate_s"),
     ({"path": "o", "mode": "replace", "rotate_s": 5}, "rotate_s")],
)  # fmt: skip
def test_an_option_without_effect_is_refused(options: dict[str, object], option: str) -> None:
    """Each names itself."""
    with pytest.raises(OptionError) as caught:
        JsonlOptions(**options)  # type: ignore[arg-type]
    assert caught.value.option == option
