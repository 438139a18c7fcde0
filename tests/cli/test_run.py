"""`agenttrail run`, the installed command: real use, bad input, signals."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests._events import assert_valid
from tests.cli._run import BINARY, agenttrail

ROOT = Path(__file__).parent.parent.parent


def wire(number: int, text: str = "hello", **more: object) -> bytes:
    """A call and its answer, as two mcp_wire lines."""
    base = {"ts": f"2026-01-02T03:04:{number % 60:02d}Z", "server": "desk"}
    call = {"jsonrpc": "2.0", "id": number, "method": "tools/call",
            "params": {"name": "search", "arguments": {"text": text}}}  # fmt: skip
    answer = {
        "jsonrpc": "2.0",
        "id": number,
        "result": {"content": [{"type": "text", "text": "ok"}]},
    }
    return b"".join(
        json.dumps({**base, "dir": direction, "raw": json.dumps(message), **more}).encode() + b"\n"
        for direction, message in (("c2s", call), ("s2c", answer))
    )


def test_a_log_becomes_masked_lines_with_counts_that_add_up(tmp_path: Path) -> None:
    """The whole job in one command; every line follows the schema; nothing personal is left."""
    (tmp_path / "desk.wire.jsonl").write_bytes(
        b"".join(wire(n, f"mail {n} to somchai{n}@example.com") for n in range(5))
    )
    done = agenttrail(tmp_path, "run", "-i", "desk.wire.jsonl", "-o", "out.jsonl", "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["balanced"]
    assert report["lines"]["read"] == report["lines"]["used"] == 10
    assert report["events"]["delivered"] == 5
    assert report["tools"] == {"search": 5}
    assert report["masked"]["EMAIL_ADDRESS"] == 5
    text = (tmp_path / "out.jsonl").read_bytes()
    assert b"@example.com" not in text
    for line in text.splitlines():
        assert_valid(line)
    assert "desk.wire.jsonl: read as mcp_wire" in done.err


def test_the_same_input_gives_the_same_lines_again(tmp_path: Path) -> None:
    """A second run replaces the output by an equal one."""
    (tmp_path / "a.jsonl").write_bytes(wire(1) + wire(2))
    outputs = []
    for _ in range(2):
        assert agenttrail(tmp_path, "run", "-i", "a.jsonl", "-o", "out.jsonl").code == 0
        outputs.append((tmp_path / "out.jsonl").read_bytes())
    assert outputs[0] == outputs[1] != b""


def test_events_go_to_standard_output_and_words_to_standard_error(tmp_path: Path) -> None:
    """So that a pipe gets nothing but JSON Lines."""
    done = agenttrail(tmp_path, "run", "-i", "-", "-f", "mcp_wire", stdin=wire(1))
    assert done.code == 0
    assert [json.loads(line)["event"]["action"] for line in done.out.splitlines()] == [
        "execute_tool"
    ]
    assert "1 made = 1 delivered" in done.err


def test_our_own_lines_can_be_read_again(tmp_path: Path) -> None:
    """A pipeline can be chained: ids stay, and masking changes nothing more."""
    (tmp_path / "a.jsonl").write_bytes(wire(1, "from taro@example.jp"))
    assert agenttrail(tmp_path, "run", "-i", "a.jsonl", "-o", "one.jsonl", "-q").code == 0
    done = agenttrail(tmp_path, "run", "-i", "one.jsonl", "-o", "two.jsonl")
    assert "read as agenttrail" in done.err
    one, two = (json.loads((tmp_path / n).read_bytes()) for n in ("one.jsonl", "two.jsonl"))
    assert one["gen_ai"] == two["gen_ai"]
    assert one["event"]["id"] == two["event"]["id"]


BAD = {
    "not UTF-8": b'{"ts":1,"server":"s","dir":"c2s","raw":"\xff\xfe"}',
    "cut in the middle": b'{"ts":1,"server":"s","dir":"c2s","raw":"{\\"jsonr',
    "a NUL": b'{"ts":1,"server":"s","dir":"c2s","raw":"a\x00b"}',
    "no object": b"[1,2",
    "blank": b"   ",
    "deep": b'{"a":' * 3000,
    "lone surrogate": b'{"ts":1,"server":"s","dir":"c2s","raw":"\\ud800"}',
    "words": b"Traceback (most recent call last):",
}


@pytest.mark.parametrize("format_", ["auto", "mcp_wire", "claude_code", "codex", "claude_desktop", "jsonl", "mcp_jsonrpc", "agenttrail"])  # fmt: skip
def test_bad_lines_are_kept_counted_and_do_not_stop_the_run(tmp_path: Path, format_: str) -> None:
    """Every kind of damage between good lines, in every format: conservation and valid output."""
    (tmp_path / "a.jsonl").write_bytes(
        wire(1) + b"\n".join(BAD.values()) + b"\n" + wire(2) + b'{"cut":'
    )
    done = agenttrail(tmp_path, "run", "-i", "a.jsonl", "-f", format_, "-o", "o.jsonl", "--json")
    report = json.loads(done.out)
    assert report["balanced"]
    assert report["lines"]["read"] == 4 + len(BAD) + 1
    assert report["lines"]["failed"] == report["lines"]["held"] == 0
    for line in (tmp_path / "o.jsonl").read_bytes().splitlines():
        assert_valid(line)
    if format_ in ("auto", "mcp_wire"):
        assert report["tools"] == {"search": 2}
        assert done.code == 0


def test_a_50_mb_line_is_kept_as_what_can_be_read_of_it(tmp_path: Path) -> None:
    """Memory stays bounded; the event says that it was cut, and how long it was."""
    with (tmp_path / "a.jsonl").open("wb") as file:
        file.write(wire(1))
        file.write(b'{"ts":"2026-01-02T03:05:00Z","server":"desk","dir":"s2c","raw":"')
        for _ in range(50):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n' + wire(2))
    program = f"ulimit -v 3000000; exec {BINARY} run -i a.jsonl -f mcp_wire -o o.jsonl --json"
    done = subprocess.run(
        ["bash", "-c", program], cwd=tmp_path, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-500:]
    report = json.loads(done.stdout)
    assert (report["balanced"], report["tools"]) == (True, {"search": 2})
    events = [json.loads(line) for line in (tmp_path / "o.jsonl").read_bytes().splitlines()]
    (long,) = [e for e in events if e["agenttrail"]["source"].get("truncated")]
    assert long["agenttrail"]["source"]["bytes"] > 50_000_000
    assert len(json.dumps(long)) < 500_000


def test_a_picture_is_not_a_log(tmp_path: Path) -> None:
    """Said by name, nothing made up of it, exit code 1; the log beside it is read."""
    (tmp_path / "a.log").write_bytes(
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 20
    )
    (tmp_path / "b.jsonl").write_bytes(wire(1))
    done = agenttrail(tmp_path, "run", "-i", ".", "-o", "o.json.out", "--json")
    assert done.code == 1
    report = json.loads(done.out)
    assert report["balanced"]
    assert report["events"]["delivered"] == 1
    assert "no format knows these lines; left out. Name the format with --format" in done.err


def test_a_wrong_format_cannot_be_missed(tmp_path: Path) -> None:
    """Most lines unreadable: the summary warns by file and format."""
    (tmp_path / "a.jsonl").write_bytes(wire(1) + wire(2))
    done = agenttrail(tmp_path, "run", "-i", "a.jsonl", "-f", "codex", "-o", "o.jsonl")
    assert "a.jsonl: 4 of 4 records unreadable as codex; wrong --format?" in done.err


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "nothing to read"),
        (["-i", "nothing.log"], "no file to read at nothing.log"),
        (["-i", "-", "x"], "--input - stands alone"),
        (["-i", "-", "--follow", "--checkpoint", "c"], "no effect on standard input"),
        (["-i", "x", "--follow"], "--follow needs --checkpoint FILE"),
        (["-i", "x", "-f", "mcp"], "no format is called 'mcp'"),
        (["-c", "no.yaml"], "no.yaml: cannot be read"),
        (["-c", "no.yaml", "-i", "x"], "--input has no effect with --config"),
        (["-i", "x", "-o", "./x"], "is what sources[0] reads"),
        (["-i", ".", "-o", "out.jsonl"], "is what sources[0] reads"),
        (["-i", "x", "--json"], "would both go to standard output"),
        (["-i", "x", "-o", "/dev/null/x"], "cannot be made"),
        (["-i", "x", "--elasticsearch", "nonsense"], "must be http://HOST:PORT"),
    ],
)  # fmt: skip
def test_wrong_use_is_one_clear_sentence(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    """What is wrong and what to do, never a traceback."""
    (tmp_path / "x").write_bytes(b"{}\n")
    (tmp_path / "nothing").mkdir()
    done = agenttrail(tmp_path, "run", *arguments)
    assert done.code in (1, 2)
    assert message in done.err
    assert "Traceback" not in done.err


def test_an_unreachable_elasticsearch_is_found_before_the_first_line(tmp_path: Path) -> None:
    """Nothing is read, nothing is committed, the message names the address."""
    (tmp_path / "x.jsonl").write_bytes(wire(1))
    done = agenttrail(
        tmp_path,
        "run",
        "-i",
        "x.jsonl",
        "--elasticsearch",
        "http://127.0.0.1:9",
        "--checkpoint",
        "c",
    )
    assert done.code == 1
    assert "127.0.0.1:9" in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "c").exists()


def test_a_full_disk_is_an_error_and_the_next_run_has_everything(tmp_path: Path) -> None:
    """/dev/full takes nothing; the checkpoint stays where it was."""
    (tmp_path / "a.jsonl").write_bytes(wire(1) + wire(2))
    (tmp_path / "p.yaml").write_text(
        "sources: [{type: file, paths: [a.jsonl], checkpoint: c.json}]\n"
        "sinks: [{type: jsonl, path: '${OUT}'}]\ndelivery: {retry_for_s: 0.2}\n"
    )
    done = agenttrail(tmp_path, "run", "-c", "p.yaml", env={"OUT": "/dev/full"})
    assert done.code == 1
    assert "No space left on device" in done.err
    assert "2 not delivered, read again by the next run" in done.err
    again = agenttrail(tmp_path, "run", "-c", "p.yaml", env={"OUT": "out.jsonl"})
    assert again.code == 0
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == 2


def test_a_closed_pipe_ends_the_run_quietly(tmp_path: Path) -> None:
    """`agenttrail run … | head -1` is not an error with a traceback."""
    (tmp_path / "a.jsonl").write_bytes(b"".join(wire(n, "y" * 5000) for n in range(200)))
    done = subprocess.run(
        ["bash", "-c", f"{BINARY} run -i a.jsonl -f mcp_wire | head -c 10"],
        cwd=tmp_path, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_the_batch_commits_and_prints_the_counts(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Following, stopped, and started again: every line once."""
    log = tmp_path / "a.jsonl"
    log.write_bytes(wire(1))
    command = [BINARY, "run", "-i", "a.jsonl", "--follow", "--checkpoint", "c", "-o", "o.jsonl"]
    for round_ in (1, 2):
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            out = tmp_path / "o.jsonl"
            if out.exists() and len(out.read_bytes().splitlines()) == round_:
                break
            time.sleep(0.1)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert b"1 made = 1 delivered" in err
        assert b"(stopped)" in err
        with log.open("ab") as file:
            file.write(wire(2))
    assert len((tmp_path / "o.jsonl").read_bytes().splitlines()) == 2


def test_of_many_files_of_one_format_five_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    """A folder of sessions does not scroll everything else away; machines get all of it."""
    (tmp_path / "in").mkdir()
    for number in range(9):
        line = {
            "ts": "2026-10-01T10:00:00Z",
            "server": "s",
            "dir": "c2s",
            "raw": json.dumps({"jsonrpc": "2.0", "id": number, "method": "ping"}),
        }
        (tmp_path / "in" / f"{number}.wire.jsonl").write_text(json.dumps(line) + "\n")

    done = agenttrail(
        tmp_path, "run", "--profile", "fast", "-i", "in", "-o", "masked.jsonl", "--json"
    )

    assert done.code == 0, done.err
    assert done.err.count(": read as mcp_wire (") == 5
    assert "4 more files: read as mcp_wire" in done.err
    assert len(json.loads(done.out)["formats"]) == 9
