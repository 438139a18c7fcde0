"""Choosing a format: right on every known shape, said out loud, never a silent guess."""

import json
from pathlib import Path

import pytest

from agenttrail import fields as f
from agenttrail.errors import OptionError
from agenttrail.formats.auto import KNOWN, AutoOptions
from agenttrail.seams import Drop, Dropped, Event
from agenttrail.testing import records

GOLDEN = Path(__file__).parent.parent / "golden"
DATA = Path(__file__).parent.parent.parent.parent / "shared" / "data"
CASES = [
    pytest.param(path, path.parent.name, id=f"{path.parent.name}-{path.name}")
    for path in sorted(GOLDEN.glob("*/*.in.*"))
    if path.parent.name != "jsonl"
]
REAL = [
    *((path, "claude_code") for path in sorted(DATA.glob("agents/claude_code/**/*.jsonl"))),
    *((path, "codex") for path in sorted(DATA.glob("agents/codex/*.jsonl"))),
    *((path, "mcp_wire") for path in sorted(DATA.glob("mcp/streamable_http/*.jsonl"))),
]


def choose(
    *lines: bytes, path: str | None = "x.log", **options: object
) -> tuple[list[tuple[str, str, str]], list[Event | Dropped]]:
    told: list[tuple[str, str, str]] = []
    form = AutoOptions(**options).build(choose=lambda *each: told.append(each))  # type: ignore[arg-type]
    made: list[Event | Dropped] = []
    for record in records(*lines, path=path):
        try:
            made.extend(form(record))
        except Drop as drop:
            made.append(Dropped(record, drop.reason))
    made.extend(form.end("test"))
    return told, made


@pytest.mark.parametrize("path, expected", CASES)
def test_every_golden_case_is_recognised(path: Path, expected: str) -> None:
    """From its content alone: the path says nothing."""
    told, made = choose(*path.read_bytes().splitlines())
    assert [name for _, name, _ in told] == [expected]
    if expected != "agenttrail":  # its events keep the format that they were first read as
        assert {e.fields[f.SOURCE_FORMAT] for e in made if isinstance(e, Event)} == {expected}


@pytest.mark.skipif(not DATA.exists(), reason="the shared data is not beside the project")
@pytest.mark.parametrize("path, expected", REAL, ids=lambda v: v.name if isinstance(v, Path) else v)
def test_every_real_log_is_recognised(path: Path, expected: str) -> None:
    """From its first lines, and from each of its first five alone with what follows it."""
    lines = path.read_bytes().splitlines()
    for start in range(min(5, len(lines))):
        told, _ = choose(*lines[start : start + 40])
        assert [name for _, name, _ in told] == [expected], f"from line {start + 1}"


def test_json_of_no_known_shape_is_read_as_jsonl_and_said_so() -> None:
    """The fall-back is no secret."""
    told, made = choose(b'{"hello":1}', b"", b'{"world":2}')
    assert told == [("x.log", "jsonl", "JSON objects of no known shape")]
    assert len([e for e in made if isinstance(e, Event)]) == 2


@pytest.mark.parametrize(
    "lines",
    [
        [b"\x89PNG\r", b"\x1a", b"\x00\x00\x00\rIHDR\x00\x00"],
        [b"plain words", b"and more of them"],
        [b"[1,2,3]"],
        [b'192.0.2.1 - - [10/Oct/2026:13:55:36 +0700] "GET / HTTP/1.1" 200 2326'],
        [b"\x00" * 200],
    ],
)
def test_what_is_no_log_of_ours_is_left_out_loudly(lines: list[bytes]) -> None:
    """Each line is dropped with a reason and the choice says that there was none."""
    told, made = choose(*lines)
    assert [name for _, name, _ in told] == [""]
    assert [d.reason for d in made if isinstance(d, Dropped)] == ["unrecognised_format"] * len(
        lines
    )


def test_nothing_but_blank_lines_is_no_failure() -> None:
    """An empty file has no format; its lines are accounted for, and nothing is said."""
    told, made = choose(b"", b"  ")
    assert [d.reason for d in made if isinstance(d, Dropped)] == ["blank", "blank"]
    assert told == []


def test_a_hint_wins_over_the_content() -> None:
    """For files whose first lines say too little."""
    told, _ = choose(b'{"hello":1}', path="logs/desk.wire", hints={"*.wire": "mcp_wire"})
    assert told == [("logs/desk.wire", "mcp_wire", "hint *.wire")]


def test_a_hint_at_no_format_is_refused() -> None:
    """At start, with the known ones."""
    with pytest.raises(OptionError):
        AutoOptions(hints={"*": "mcp_wier"})


def test_streams_are_told_apart() -> None:
    """Two files at once, each in its own format."""
    wire = json.dumps({"ts": 1, "server": "s", "dir": "stderr", "raw": "x"}).encode()
    form = AutoOptions().build()
    (first,) = records(wire, stream="one")
    (second,) = records(b'{"hello":1}', stream="two")
    made = [*form(first), *form(second), *form.end("one"), *form.end("two")]
    assert [e.fields[f.SOURCE_FORMAT] for e in made if isinstance(e, Event)] == [
        "mcp_wire", "jsonl",
    ]  # fmt: skip


def test_every_format_it_asks_can_be_built_without_options() -> None:
    """`auto` has no options to give."""
    from agenttrail import config

    for name in (*KNOWN, "jsonl"):
        assert config.members(config.STAGES["format"])[name]().build()
