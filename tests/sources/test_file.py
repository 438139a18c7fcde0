"""The file source: nothing lost, nothing twice, ids that stay."""

import gzip
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from agenttrail.errors import CheckpointError, OptionError, SourceError
from agenttrail.seams import Idle, Notice, Record, StreamEnd
from agenttrail.sources._lines import Lines
from agenttrail.sources.file import FileOptions, FileSource


def build(*paths: object, **options: object) -> FileSource:
    clock = iter(range(10_000_000))
    return FileOptions(paths=tuple(map(str, paths)), **options).build(  # type: ignore[arg-type]
        sleep=lambda seconds: None, clock=lambda: float(next(clock))
    )


def read(source: FileSource) -> list[Record]:
    return [item for item in source.read() if isinstance(item, Record)]


def new(source: FileSource) -> list[bytes]:
    """What a run delivers: reads to the end, commits, closes."""
    records = [record for record in read(source) if not record.replay]
    if records:
        source.commit([records[-1].position])
    source.close()
    return [record.data for record in records]


@pytest.mark.parametrize(
    "pack, name",
    [(bytes, "a.log"), (gzip.compress, "a.log.gz"), (zstandard.compress, "a.log.zst")],
)
def test_lines_and_ids_are_the_same_plain_gzip_and_zstd(
    tmp_path: Path, pack: Callable[[bytes], bytes], name: str
) -> None:
    """Compression by rotation changes neither lines nor digests."""
    plain = tmp_path / "plain" / "a.log"
    plain.parent.mkdir()
    plain.write_bytes(b"one\ntwo\r\n\nfour")
    packed = tmp_path / name
    packed.write_bytes(pack(b"one\ntwo\r\n\nfour"))
    expected, got = read(build(plain)), read(build(packed))
    assert [r.data for r in got] == [b"one", b"two", b"", b"four"]
    assert [(r.digest, r.line, r.offset) for r in got] == [
        (r.digest, r.line, r.offset) for r in expected
    ]


def test_progress_counts_what_was_given_not_what_was_read_ahead(tmp_path: Path) -> None:
    """A small file is read in one piece; its lines are masked one by one."""
    path = tmp_path / "a.log"
    path.write_bytes(b"12345678\n" * 10)
    source = build(path)
    seen = [source.progress() for item in source.read() if isinstance(item, Record)]
    assert seen == [(9 * n, 90) for n in range(1, 11)]
    assert source.progress() == (90, 90)


def test_gzip_of_several_members_is_read_to_its_end(tmp_path: Path) -> None:
    """`cat a.gz b.gz` is a gzip file too; so are several zstd frames."""
    path = tmp_path / "a.log"
    path.write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    assert [r.data for r in read(build(path))] == [b"one", b"two"]
    path.write_bytes(zstandard.compress(b"one\n") + zstandard.compress(b"two\n"))
    assert [r.data for r in read(build(path))] == [b"one", b"two"]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_cut_compressed_data_gives_what_can_be_read_and_a_failure(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    """A file cut in the middle is said to be, and the run does not end as if all was well."""
    path = tmp_path / "a.gz"
    lines = b"".join(b"%d\n" % random.Random(1).getrandbits(64) for _ in range(200_000))
    path.write_bytes(pack(lines)[:-100])
    items = list(build(path).read())
    notices = [item for item in items if isinstance(item, Notice)]
    assert [notice.failed for notice in notices] == [True]
    assert "cut or damaged" in notices[0].text
    assert isinstance(items[0], Record)


def test_files_globs_and_folders_are_each_read_once(tmp_path: Path) -> None:
    """A file that several paths name is read once; a folder is searched for logs, sorted."""
    for name in ("b.jsonl", "a.log", "sub/c.log.1", "picture.png", ".hidden.log", "sub/d.log.2.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        content = name.encode() + b"\n"
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    found = read(build(tmp_path, tmp_path / "*.log", tmp_path / "picture.png"))
    assert [r.data for r in found] == [
        b"a.log", b"b.jsonl", b"sub/c.log.1", b"sub/d.log.2.gz", b"picture.png",
    ]  # fmt: skip
    assert [r.data for r in read(build(tmp_path / "**/*.log*", exclude=("*.gz",)))] == [
        b"a.log", b"sub/c.log.1",
    ]  # fmt: skip


@pytest.mark.parametrize("given_", ["nothing.log", "*.nothing", "."])
def test_a_path_that_names_nothing_fails_before_the_first_line(tmp_path: Path, given_: str) -> None:
    """Fail at start, with a hint."""
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(SourceError) as caught:
        read(build(tmp_path / given_))
    assert caught.value.hint


def test_an_unreadable_file_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    """One bad file does not stop the run; the run ends with 1."""
    (tmp_path / "b.log").write_bytes(b"x\n")
    os.mkfifo(tmp_path / "a.log")
    (tmp_path / "a.log").unlink()
    (tmp_path / "a.log").symlink_to(tmp_path / "b.log")
    source = build(tmp_path / "a.log", tmp_path / "b.log")
    assert [r.data for r in read(source)] == [b"x"]  # one file behind two names


def test_ids_do_not_depend_on_place_or_rotation(tmp_path: Path) -> None:
    """The same stream in another folder, or rotated away, gives the same digests."""
    digests = []
    for name in ("one/a.log", "two/a.log", "three/a.log.1", "four/a.log-20260131"):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_bytes(b"x\ny\n")
        digests.append([r.digest for r in read(build(path))])
    assert digests.count(digests[0]) == 4
    other = tmp_path / "one" / "b.log"
    other.write_bytes(b"x\ny\n")
    assert digests[0] != [r.digest for r in read(build(other))]


def test_equal_lines_of_one_stream_have_different_ids(tmp_path: Path) -> None:
    """A digest covers all that came before."""
    path = tmp_path / "a.log"
    path.write_bytes(b"same\nsame\nsame\n")
    assert len({r.digest for r in read(build(path))}) == 3


def test_a_restart_delivers_only_what_is_new_and_replays_the_rest(tmp_path: Path) -> None:
    """The past is given again, marked, so that formats can pair old requests."""
    path, checkpoint = tmp_path / "a.log", tmp_path / "checkpoint.json"
    path.write_bytes(b"1\n2\n")
    assert new(build(path, checkpoint=str(checkpoint))) == [b"1", b"2"]
    assert new(build(path, checkpoint=str(checkpoint))) == []
    with path.open("ab") as file:
        file.write(b"3\n")
    records = read(build(path, checkpoint=str(checkpoint)))
    assert [(r.data, r.replay, r.line) for r in records] == [
        (b"1", True, 1), (b"2", True, 2), (b"3", False, 3),
    ]  # fmt: skip


def test_an_unterminated_line_is_read_but_not_committed(tmp_path: Path) -> None:
    """It may be half a line: when it has grown, the whole of it comes."""
    path, checkpoint = tmp_path / "a.log", tmp_path / "checkpoint.json"
    path.write_bytes(b"1\nha")
    assert new(build(path, checkpoint=str(checkpoint))) == [b"1", b"ha"]
    with path.open("ab") as file:
        file.write(b"lf\n")
    assert new(build(path, checkpoint=str(checkpoint))) == [b"half"]


@pytest.mark.parametrize("content", [b"9\n", b"another\nfile\nof\nmore\nlines\n"])
def test_a_file_replaced_in_place_is_read_from_its_start(tmp_path: Path, content: bytes) -> None:
    """Emptied and refilled, shorter or longer than before: nothing of it is passed over."""
    path, checkpoint = tmp_path / "a.log", tmp_path / "checkpoint.json"
    path.write_bytes(b"1\n2\n")
    new(build(path, checkpoint=str(checkpoint)))
    with path.open("wb") as file:
        file.write(content)
    assert new(build(path, checkpoint=str(checkpoint))) == content.split()


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"version":7}', b'{"version":1,"files":{"a":{}}}']
)
def test_a_damaged_checkpoint_is_an_error_with_a_way_out(tmp_path: Path, content: bytes) -> None:
    """Never a traceback, never a silent start from the beginning."""
    checkpoint = tmp_path / "checkpoint.json"
    checkpoint.write_bytes(content)
    with pytest.raises(CheckpointError, match="checkpoint"):
        build(tmp_path, checkpoint=str(checkpoint))


def test_a_checkpoint_that_cannot_be_written_stops_the_run(tmp_path: Path) -> None:
    """A commit that did not happen must not look like one."""
    path = tmp_path / "a.log"
    path.write_bytes(b"1\n")
    (tmp_path / "c.part").mkdir()
    source = build(path, checkpoint=str(tmp_path / "c"))
    records = read(source)
    with pytest.raises(CheckpointError, match="cannot be written"):
        source.commit([records[-1].position])


def test_memory_is_bounded_on_a_long_line(tmp_path: Path) -> None:
    """Of a line over the limit the head is kept; its size and its digest are the whole line's."""
    path = tmp_path / "a.log"
    path.write_bytes(b"a" * 3_000_000 + b"\nnext\n")
    long, after = read(build(path, max_line_bytes=1_000_000))
    assert (len(long.data), long.full_bytes, long.truncated) == (65_536, 3_000_000, True)
    assert (after.data, after.line, after.offset) == (b"next", 2, 3_000_001)
    path.write_bytes(b"a" * 2_999_999 + b"b\nnext\n")
    assert read(build(path, max_line_bytes=1_000_000))[0].digest != long.digest


@given(st.lists(st.binary(max_size=40), max_size=12), st.lists(st.integers(1, 30), min_size=1))
@settings(max_examples=150, deadline=None)
def test_lines_do_not_depend_on_how_bytes_come(pieces: list[bytes], sizes: list[int]) -> None:
    """Any cut of the input into chunks gives the same records."""

    def lines(chunks: Iterator[bytes]) -> list[tuple[bytes, int, int, bytes]]:
        framing = Lines(
            source="file", key="k", stream="s", incarnation="i", path=None, time="t",
            max_line_bytes=1024,
        )  # fmt: skip
        made = [r for chunk in chunks for r in framing.feed(chunk)]
        made.extend(framing.finish())
        return [(r.data, r.offset, r.line, r.digest) for r in made]

    data = b"\n".join(pieces)
    cut, at, turn = [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        cut.append(data[at : at + size])
        at, turn = at + size, turn + 1
    whole = lines(iter([data]))
    assert lines(iter(cut)) == whole
    expected = data.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    assert [w[0] for w in whole] == [e.removesuffix(b"\r") for e in expected]


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while Followed.made:
        Followed.made.pop().source.close()


class Followed:
    """A source that follows, driven from a test: `take` gives what has come since."""

    made: ClassVar[list["Followed"]] = []

    def __init__(self, folder: Path, **options: object) -> None:
        self.made.append(self)
        self.source = build(
            folder / "*.log", follow=True, checkpoint=str(folder / "c.json"), **options
        )
        self._items = self.source.read()

    def take(self, rounds: int = 30) -> list[bytes]:
        """Reads until nothing has come for `rounds` looks; each look is a second of the clock."""
        got: list[bytes] = []
        idle = 0
        for item in self._items:
            if isinstance(item, Record):
                if not item.replay:
                    got.append(item.data)
                    self.last = item
                idle = 0
            elif isinstance(item, Idle):
                idle += 1
                if idle >= rounds:
                    return got
        return got

    def commit(self) -> None:
        self.source.commit([self.last.position])


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_following_gives_lines_as_they_come(tmp_path: Path) -> None:
    """Half a line waits for its other half; a new file is found."""
    append(tmp_path / "a.log", b"1\nha")
    followed = Followed(tmp_path)
    assert followed.take() == [b"1"]
    append(tmp_path / "a.log", b"lf\n")
    append(tmp_path / "b.log", b"new\n")
    assert followed.take() == [b"half", b"new"]


def test_rotation_by_rename_loses_nothing(tmp_path: Path) -> None:
    """What the writer still appends to the renamed file is read before the new one."""
    append(tmp_path / "a.log", b"1\n")
    followed = Followed(tmp_path)
    assert followed.take() == [b"1"]
    (tmp_path / "a.log").rename(tmp_path / "a.log.1")
    append(tmp_path / "a.log.1", b"2\n")
    append(tmp_path / "a.log", b"3\n")
    assert followed.take() == [b"2", b"3"]


def test_copy_and_truncate_is_noticed(tmp_path: Path) -> None:
    """Also where the new content is already longer than the old was."""
    append(tmp_path / "a.log", b"1\n2\n")
    followed = Followed(tmp_path)
    assert followed.take() == [b"1", b"2"]
    with (tmp_path / "a.log").open("r+b") as file:
        file.truncate(0)
        file.write(b"30\n31\n32\n")
    assert followed.take() == [b"30", b"31", b"32"]


def test_a_restart_after_a_rotation_reads_the_rest_of_the_old_file(tmp_path: Path) -> None:
    """Rotated while nothing was running: the remainder is found by inode."""
    append(tmp_path / "a.log", b"1\n2\n")
    followed = Followed(tmp_path)
    followed.take()
    followed.commit()
    followed.source.close()
    append(tmp_path / "a.log", b"3\n")
    (tmp_path / "a.log").rename(tmp_path / "a.log.1")
    append(tmp_path / "a.log", b"4\n")
    assert Followed(tmp_path).take() == [b"3", b"4"]


def test_a_restart_after_a_rotation_replays_the_old_file_into_the_same_stream(
    tmp_path: Path,
) -> None:
    """A request in the rotated file meets its answer in the new one."""
    append(tmp_path / "a.log", b"request\n")
    followed = Followed(tmp_path)
    followed.take()
    followed.commit()
    (tmp_path / "a.log").rename(tmp_path / "a.log.1")
    append(tmp_path / "a.log", b"between\n")
    followed.take()
    followed.commit()
    followed.source.close()
    append(tmp_path / "a.log", b"answer\n")
    items = Followed(tmp_path).source.read()
    records = [item for item in (next(items) for _ in range(3)) if isinstance(item, Record)]
    assert [(r.data, r.replay) for r in records] == [
        (b"request", True), (b"between", True), (b"answer", False),
    ]  # fmt: skip
    assert len({r.stream for r in records}) == 1


def test_a_file_that_came_and_went_while_nothing_ran_is_read(tmp_path: Path) -> None:
    """It was noted when it took the other's place, before a line of it was read."""
    append(tmp_path / "a.log", b"1\n")
    followed = Followed(tmp_path)
    followed.take()
    followed.commit()
    (tmp_path / "a.log").rename(tmp_path / "a.log.1")
    append(tmp_path / "a.log", b"2\n")
    followed.take(rounds=2)  # noticed, and not yet read: then killed
    (tmp_path / "a.log").rename(tmp_path / "a.log.2")
    append(tmp_path / "a.log", b"3\n")
    assert Followed(tmp_path).take() == [b"2", b"3"]


def test_following_a_folder_reads_a_renamed_file_once(tmp_path: Path) -> None:
    """The rotated name is in the folder too; what is added there later still comes."""
    append(tmp_path / "a.log", b"1\n")
    source = build(tmp_path, follow=True, checkpoint=str(tmp_path / "c"))
    followed = Followed.__new__(Followed)
    followed.source, followed._items = source, source.read()
    Followed.made.append(followed)
    assert followed.take() == [b"1"]
    (tmp_path / "a.log").rename(tmp_path / "a.log.1")
    append(tmp_path / "a.log.1", b"2\n")
    assert followed.take(rounds=2) == [b"2"]
    append(tmp_path / "a.log", b"3\n")
    assert followed.take() == [b"3"]
    append(tmp_path / "a.log.1", b"late\n")
    assert followed.take() == [b"late"]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_file_that_was_packed_since_the_last_run_is_not_delivered_again(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    """Rotated, compressed, another inode: its content is known by its head."""
    checkpoint = str(tmp_path / "checkpoint")
    (tmp_path / "a.log").write_bytes(b"1\n2\n")
    assert new(build(tmp_path, checkpoint=checkpoint)) == [b"1", b"2"]
    append(tmp_path / "a.log", b"3\n")
    ending = "gz" if pack is gzip.compress else "zst"
    (tmp_path / f"a.log.1.{ending}").write_bytes(pack((tmp_path / "a.log").read_bytes()))
    (tmp_path / "a.log").unlink()
    (tmp_path / "a.log").write_bytes(b"4\n")
    assert sorted(new(build(tmp_path, checkpoint=checkpoint))) == [b"3", b"4"]


def test_one_stream_is_read_oldest_first_and_ends_once(tmp_path: Path) -> None:
    """a.log.2, a.log.1, a.log are one stream in that order."""
    for number, name in enumerate(("a.log.2", "a.log.1", "a.log")):
        append(tmp_path / name, b"%d\n" % number)
        os.utime(tmp_path / name, (1000 + number, 1000 + number))
    items = list(build(tmp_path).read())
    assert [item.data for item in items if isinstance(item, Record)] == [b"0", b"1", b"2"]
    assert [type(item) for item in items] == [Record, Record, Record, StreamEnd]


def test_the_same_file_has_the_same_ids_however_it_is_named(tmp_path: Path) -> None:
    """By its folder, by a glob, by itself; two files of one name in one run are told apart."""
    (tmp_path / "sub").mkdir()
    append(tmp_path / "sub" / "a.log", b"x\n")
    named = [tmp_path, tmp_path / "sub" / "*.log", tmp_path / "sub" / "a.log"]
    assert len({read(build(path))[0].digest for path in named}) == 1
    (tmp_path / "other").mkdir()
    append(tmp_path / "other" / "a.log", b"x\n")
    assert len({r.digest for r in read(build(tmp_path))}) == 2


@pytest.mark.parametrize(
    "paths, path, expected",
    [
        (["logs"], "logs/out.jsonl", True), (["logs"], "logs/deep/out.jsonl", True),
        (["logs"], "logs/out.png", False), (["logs"], "other/out.jsonl", False),
        (["logs/*.jsonl"], "logs/out.jsonl", True), (["logs/*.jsonl"], "logs/deep/o.jsonl", False),
        (["logs/**/*.jsonl"], "logs/deep/o.jsonl", True), (["a.log"], "./a.log", True),
        (["a.log"], "b.log", False),
    ],
)  # fmt: skip
def test_it_is_known_whether_a_file_would_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: list[str], path: str, expected: bool
) -> None:
    """So that a sink can be kept from feeding its own source."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    assert FileOptions(paths=tuple(paths)).reads(path) is expected


def test_start_at_the_end_passes_over_what_was_there(tmp_path: Path) -> None:
    """Old lines are replayed for formats, not delivered."""
    append(tmp_path / "a.log", b"old\n")
    followed = Followed(tmp_path, start="end")
    assert followed.take() == []
    append(tmp_path / "a.log", b"new\n")
    assert followed.take() == [b"new"]


def test_a_deleted_file_ends_its_stream(tmp_path: Path) -> None:
    """Formats let go of what they hold."""
    append(tmp_path / "a.log", b"1\n")
    source = build(tmp_path / "*.log", follow=True, checkpoint=str(tmp_path / "c"))
    items = source.read()
    assert isinstance(next(items), Record)
    (tmp_path / "a.log").unlink()
    assert any(isinstance(next(items), StreamEnd) for _ in range(50))
    source.close()


@pytest.mark.parametrize(
    "options, option",
    [({"paths": ()}, "paths"), ({"follow": True}, "checkpoint"), ({"start": "end"}, "start"),
     ({"max_line_bytes": 3}, "max_line_bytes"), ({"poll_s": 0.0}, "poll_s")],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options: dict[str, object], option: str) -> None:
    """Each names itself."""
    with pytest.raises(OptionError) as caught:
        FileOptions(**{"paths": ("x",), **options})  # type: ignore[arg-type]
    assert caught.value.option == option
