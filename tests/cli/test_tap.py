"""`agenttrail tap`: the session is as without it, and what was said is written down."""

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

import agenttrail

SECRET = "somchai@example.co.th"
_MAIN = """
# Whoever runs the tests may ignore signals (nohup, a background job), and children inherit that.
import signal
for number in (signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
import argparse, sys
from agenttrail.cli import tap
from agenttrail.errors import AgenttrailError
parser = argparse.ArgumentParser(prog="agenttrail")
tap.add(parser.add_subparsers(required=True))
args = parser.parse_args()
try:
    sys.exit(args.run(args))
except AgenttrailError as error:
    sys.stderr.write(error.message)
    sys.exit(error.exit_code)
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(agenttrail.__file__).parent.parent)}


def command(*arguments: object) -> list[str]:
    """The verb as a program, without the other verbs around it."""
    return [sys.executable, "-c", _MAIN, "tap", *map(str, arguments)]


def tap(
    *arguments: object, data: bytes = b"", cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command(*arguments), input=data, capture_output=True, timeout=60, env=ENVIRONMENT, cwd=cwd
    )


def read(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_session_passes_unchanged_and_is_written_down(tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl"
    server = 'while read line; do echo "answer to $line"; echo "log $line" >&2; done; exit 5'
    done = tap("--raw", path, "--server", "desk", "--", "sh", "-c", server, data=b"one\ntwo\n")
    assert done.returncode == 5
    assert done.stdout == b"answer to one\nanswer to two\n"
    assert done.stderr.replace(b"log one\nlog two\n", b"").startswith(
        b"agenttrail tap: recording UNMASKED"
    )
    lines = read(path)
    said = [(line["dir"], line["raw"]) for line in lines]
    assert sorted(said) == [
        ("c2s", "one"),
        ("c2s", "two"),
        ("s2c", "answer to one"),
        ("s2c", "answer to two"),
        ("stderr", "log one"),
        ("stderr", "log two"),
    ]
    for word in ("one", "two"):
        assert said.index(("c2s", word)) < said.index(("s2c", f"answer to {word}"))
    assert {line["server"] for line in lines} == {"desk"}
    assert len({line["conn"] for line in lines}) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_run_appends_and_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl"
    for _ in range(2):
        assert tap("--raw", path, "--", "cat", data=b"x\n").returncode == 0
    lines = read(path)
    assert len(lines) == 4
    assert len({line["conn"] for line in lines}) == 2
    assert {line["server"] for line in lines} == {"cat"}


def test_binary_noise_passes_unchanged(tmp_path: Path) -> None:
    data = random.Random(5).randbytes(3_000_001)
    done = tap("--raw", tmp_path / "wire.jsonl", "--", "cat", data=data)
    assert done.stdout == data
    raw = [str(line["raw"]) for line in read(tmp_path / "wire.jsonl") if line["dir"] == "s2c"]
    assert "\n".join(raw).encode("utf-8", "surrogateescape") == data


def test_a_line_of_fifty_megabytes_passes_and_is_recorded_whole(tmp_path: Path) -> None:
    data = b'{"x":"' + b"a" * 50_000_000 + b'"}\n'
    done = tap("--raw", tmp_path / "wire.jsonl", "-v", "--", "cat", data=data)
    assert done.stdout == data
    # The recorder may be slower than a pipe: then lines are lost, counted and told, never torn.
    lengths = [len(line["raw"]) for line in read(tmp_path / "wire.jsonl")]
    assert set(lengths) <= {50_000_008}
    assert f"{len(lengths)} lines recorded, {2 - len(lengths)} lost".encode() in done.stderr


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -9 $$", 137), ("kill -15 $$", 143)],
)
def test_the_exit_code_is_the_servers(tmp_path: Path, script: str, code: int) -> None:
    assert tap("--raw", tmp_path / "w", "--", "sh", "-c", script).returncode == code


TRAP = """
import signal, sys, time
def leave(number, frame):
    print("caught", number, flush=True)
    sys.exit(40 + number)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, leave)
print("ready", flush=True)
time.sleep(30)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_reaches_the_server_which_decides_what_to_do(tmp_path: Path, number: int) -> None:
    with subprocess.Popen(
        command("--raw", tmp_path / "w", "--", sys.executable, "-c", TRAP),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT,
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.stdout.read() == f"caught {int(number)}\n".encode()
        assert process.wait(20) == 40 + number
    assert [line["raw"] for line in read(tmp_path / "w")] == ["ready", f"caught {int(number)}"]


def test_a_server_that_ignores_a_signal_goes_on_as_without_tap(tmp_path: Path) -> None:
    script = "trap '' TERM; echo ready; read line; echo got $line"
    with subprocess.Popen(
        command("--raw", tmp_path / "w", "--", "sh", "-c", script),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        time.sleep(0.1)
        process.stdin.write(b"more\n")
        process.stdin.close()
        assert process.stdout.read() == b"got more\n"
        assert process.wait(20) == 0


@pytest.mark.parametrize("path", ["/dev/full", "/no/such/folder/wire.jsonl"])
def test_where_recording_fails_the_traffic_goes_on_and_the_failure_is_told(path: str) -> None:
    done = tap("--raw", path, "--", "cat", data=f"{SECRET}\n".encode() * 3)
    assert (done.returncode, done.stdout) == (0, f"{SECRET}\n".encode() * 3)
    assert b"recording failed" in done.stderr
    assert b"0 lines recorded, 6 lost" in done.stderr
    assert SECRET.encode() not in done.stderr


def test_an_output_that_is_never_read_does_not_keep_the_client_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    started = time.monotonic()
    done = tap("--raw", tmp_path / "fifo", "--", "cat", data=b"x\n")
    assert (done.returncode, done.stdout) == (0, b"x\n")
    assert b"gave up writing the rest" in done.stderr
    assert time.monotonic() - started < 20


def test_counts_are_printed_only_where_asked_for_or_where_something_was_lost(
    tmp_path: Path,
) -> None:
    quiet = tap("--raw", tmp_path / "w", "--", "cat", data=b"x\n").stderr
    loud = tap("--raw", tmp_path / "w", "-v", "--", "cat", data=b"x\n").stderr
    assert b"recorded" not in quiet
    assert b"agenttrail tap: raw: 2 lines recorded, 0 lost\n" in loud


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--raw", "w"], "no command"),
        (["--raw", "w", "--"], "no command"),
        (["--", "cat"], "nowhere to record"),
        (["--output", "-", "--", "cat"], "stdout belongs to the protocol"),
    ],
)
def test_wrong_usage_starts_nothing(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = tap(*arguments, data=b"x\n", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr.decode()
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_cannot_be_run_ends_as_it_does_in_a_shell(tmp_path: Path) -> None:
    script = tmp_path / "server"
    script.write_text("#!/bin/sh\n")
    assert tap("--raw", tmp_path / "w", "--", tmp_path / "none").returncode == 127
    assert tap("--raw", tmp_path / "w", "--", script).returncode == 126


def test_options_after_the_command_are_the_commands(tmp_path: Path) -> None:
    done = tap("--raw", tmp_path / "w", "--", "echo", "--raw", "--", "-v")
    assert done.stdout == b"--raw -- -v\n"


def test_a_client_that_leaves_first_ends_the_server(tmp_path: Path) -> None:
    with subprocess.Popen(
        command("--raw", tmp_path / "w", "--", "yes", SECRET),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT,
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 128 + signal.SIGPIPE


CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "send_mail", "arguments": {"to": SECRET, "card": "4111 1111 1111 1111"}},
}


def test_the_traffic_becomes_masked_events_while_it_passes(tmp_path: Path) -> None:
    """The server's answer repeats the request, so the secret is in both and may be in neither."""
    server = f'read line; echo \'{{"jsonrpc":"2.0","id":1,"result":{{"content":[{{"type":"text","text":"sent to {SECRET}"}}]}}}}\'; echo mail to {SECRET} >&2'
    data = json.dumps(CALL).encode() + b"\n"
    path = tmp_path / "audit.jsonl"
    done = tap("--output", path, "--server", "mail", "-v", "--", "sh", "-c", server, data=data)
    assert done.returncode == 0
    assert json.loads(done.stdout)["result"]["content"][0]["text"] == f"sent to {SECRET}"
    assert b"pipeline: 3 lines recorded, 0 lost" in done.stderr
    written = path.read_bytes()
    assert SECRET.encode() not in written
    assert b"4111" not in written
    events = [json.loads(line) for line in written.splitlines()]
    call, stderr = sorted(events, key=lambda event: str(event["event"]["action"]))
    assert call["event"]["action"] == "execute_tool"
    assert call["event"]["outcome"] == "success"
    assert call["agenttrail"]["source"]["type"] == "tap"
    assert call["agenttrail"]["source"]["lines"] == 2
    assert stderr["event"]["action"] == "stderr"


def test_a_pipeline_that_cannot_start_leaves_the_traffic_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = tap("--output", tmp_path / "file" / "x.jsonl", "--", "cat", data=f"{SECRET}\n".encode())
    assert (done.returncode, done.stdout) == (0, f"{SECRET}\n".encode())
    assert b"the traffic was not affected" in done.stderr
    assert SECRET.encode() not in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sinks: [{type: elasticsarch}]\n", "elasticsarch"),
        ("sources: [stdin]\nsinks: [{type: jsonl, path: o}]\n", "a tap reads nothing else"),
        (
            "sources: [{type: tap}]\nformat: {type: mcp_wire}\nsinks: [{type: jsonl, path: '-'}]\n",
            "stdout belongs to the protocol",
        ),
    ],
)
def test_a_wrong_configuration_is_told_before_anything_starts(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text(text)
    done = tap("-c", path, "--", "touch", tmp_path / "started")
    assert done.returncode == 2
    assert said in done.stderr.decode()
    assert not (tmp_path / "started").exists()


def test_a_signal_after_the_servers_end_ends_the_wait_for_recording(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")  # nobody reads it, so recording hangs
    with subprocess.Popen(
        command("--raw", tmp_path / "fifo", "--", "sh", "-c", "exit 3"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT,
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stdout.read() == b""
        time.sleep(0.3)
        started = time.monotonic()
        process.terminate()
        assert process.wait(20) == 3
        assert time.monotonic() - started < 3


def test_a_server_ends_with_a_tap_that_is_killed(tmp_path: Path) -> None:
    script = f"cat; touch {tmp_path}/ended"
    with subprocess.Popen(
        command("--raw", tmp_path / "w", "--", "sh", "-c", script),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"x\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"x\n"
        process.kill()
        process.wait(20)
    deadline = time.monotonic() + 10
    while not (tmp_path / "ended").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (tmp_path / "ended").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_bounded_where_recording_hangs(tmp_path: Path) -> None:
    """400 MB without one line break pass while nothing can be written."""
    os.mkfifo(tmp_path / "fifo")
    with subprocess.Popen(
        command("--raw", tmp_path / "fifo", "--", "head", "-c", "400000000", "/dev/zero"),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT,
    ) as process:  # fmt: skip
        assert process.stdout
        passed = 0
        while chunk := process.stdout.read(1_000_000):
            passed += len(chunk)
        # It waits a while for the recording, and shows the most memory it ever had.
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.terminate()
        assert process.wait(20) == 0
    assert passed == 400_000_000
    most = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    assert 64_000 < int(most) < 150_000  # kB: the queue, and the program itself
