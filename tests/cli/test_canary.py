"""`agenttrail canary`: through real pipelines; what leaks is told, and what is lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli._run import BINARY, Done, agenttrail
from tests.engines import rsyslog
from tests.engines._process import free_ports, listening
from tests.engines.elasticsearch import Server
from tests.engines.fixtures import required


def verdicts(done: Done) -> dict[str, str]:
    assert done.out, done.err
    return {c["canary"]: c["verdict"] for c in json.loads(done.out)["canaries"]}


@contextlib.contextmanager
def running(folder: Path, *arguments: str, port: int = 0) -> Iterator[None]:
    """An agenttrail in the background; ready when it listens, if it does."""
    log = folder / "background.log"
    with log.open("wb") as out:
        process = subprocess.Popen([BINARY, *arguments], cwd=folder, stdout=out, stderr=out, env={**os.environ, "PYTHONUTF8": "1"})  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while port and not listening(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_a_pipeline_that_masks_gives_0(tmp_path: Path) -> None:
    done = agenttrail(tmp_path, "canary", "--exec", f"{BINARY} filter", "--jsonl", "-", "--json")
    assert set(verdicts(done).values()) == {"masked"}
    report = json.loads(done.out)
    assert done.code == 0
    assert report["ok"]
    assert report["masked"] == len(report["canaries"]) >= 25


def test_what_the_mask_says_it_does_not_see_is_found_to_leak(tmp_path: Path) -> None:
    done = agenttrail(tmp_path, "canary", "--hard", "--without", "en.name", "--exec", f"{BINARY} filter --profile fast", "--jsonl", "-", "--json")  # fmt: skip
    assert done.code == 1
    assert {n for n, v in verdicts(done).items() if v == "leaked"} == {
        "wrapped.hex",
        "wrapped.words",
    }


def test_a_pipeline_past_the_mask_leaks_every_canary_and_prints_none(tmp_path: Path) -> None:
    """And what the destination held before is neither looked at nor shown."""
    (tmp_path / "out.jsonl").write_text('{"message":"an old secret of somebody@example.com"}\n')
    (tmp_path / "pipe.sh").write_text("cat >> out.jsonl\n")
    done = agenttrail(tmp_path, "canary", "--exec", "sh pipe.sh", "--jsonl", "out.jsonl", "--wait-s", "5", "--settle-s", "0")  # fmt: skip
    assert done.code == 1
    lines = done.out.splitlines()
    assert all(line.startswith("leaked ") for line in lines)
    assert len(lines) >= 25
    assert "out.jsonl:2" in done.out
    for value in ("4111", "Thornbury", "@example", "สมชาย", "somebody"):
        assert value not in done.out + done.err


def test_what_never_arrives_is_lost_by_name_and_gives_3(tmp_path: Path) -> None:
    """One canary is dropped on the way, the others are masked."""
    (tmp_path / "pipe.sh").write_text(
        f"grep -v 4111 | {BINARY} filter --profile fast >> out.jsonl\n"
    )
    done = agenttrail(tmp_path, "canary", "--exec", "sh pipe.sh", "--jsonl", "out.jsonl", "--wait-s", "1", "--without", "en.name", "--json")  # fmt: skip
    assert done.code == 3
    assert {n for n, v in verdicts(done).items() if v == "lost"} == {"en.card"}


def test_a_second_unmasked_copy_is_a_leak(tmp_path: Path) -> None:
    """A bypass beside the mask: everything arrives masked, and something arrives twice."""
    (tmp_path / "pipe.sh").write_text(f"tee copy | {BINARY} filter --profile fast >> out.jsonl\ngrep _01 copy >> out.jsonl\n")  # fmt: skip
    done = agenttrail(tmp_path, "canary", "--exec", "sh pipe.sh", "--jsonl", "out.jsonl", "--wait-s", "10", "--settle-s", "0", "--without", "en.name", "--json")  # fmt: skip
    assert done.code == 1
    assert {n for n, v in verdicts(done).items() if v == "leaked"} == {"en.email"}


def test_canaries_can_be_left_out(tmp_path: Path) -> None:
    """`fast` finds no names: a run that says so is still a proof of the rest."""
    done = agenttrail(tmp_path, "canary", "--exec", f"{BINARY} filter --profile fast", "--jsonl", "-", "--json", "--without", "en.name", "--without", "lo")  # fmt: skip
    assert not {n for n in verdicts(done) if n == "en.name" or n.startswith("lo.")}
    assert done.code == 0, verdicts(done)


@pytest.mark.parametrize("shape", ["jsonl", "claude_code", "mcp_wire"])
def test_lines_of_every_format_go_through_agenttrail_run(tmp_path: Path, shape: str) -> None:
    """A log that is followed: read as that format, masked, and found."""
    (tmp_path / "agents.jsonl").touch()
    (tmp_path / "p.yaml").write_text(
        "sources: [{type: file, paths: [agents.jsonl], follow: true, checkpoint: c.json}]\n"
        f"format: {shape if shape != 'jsonl' else 'auto'}\n"
        "mask: {type: presidio, profile: fast}\nsinks: [{type: jsonl, path: out.jsonl}]\ndelivery: {flush_s: 0.2}\n"
    )
    if shape == "jsonl":
        text = (tmp_path / "p.yaml").read_text().replace(
            "format: auto", "format: {type: jsonl, fields: {event.action: $.level}}"
        )  # fmt: skip
        (tmp_path / "p.yaml").write_text(text)
    with running(tmp_path, "run", "-c", "p.yaml"):
        done = agenttrail(tmp_path, "canary", "--append", "agents.jsonl", "--without", "en.name", "--format", shape, "--jsonl", "out.jsonl", "--wait-s", "40", "--json")  # fmt: skip
    assert set(verdicts(done).values()) == {"masked"}, (verdicts(done), (tmp_path / "background.log").read_text())  # fmt: skip


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--jsonl", "x"], "one of --append, --otlp, --syslog, --exec is needed"),
        (["--append", "x"], "one of --jsonl, --otlp-file, --elasticsearch is needed"),
        (["--append", "x", "--exec", "y", "--jsonl", "x"], "only one of"),
        (["--append", "x", "--jsonl", "-"], "--jsonl - is the output of --exec"),
        (["--otlp", "localhost:4318", "--jsonl", "x"], "--otlp is http://HOST:PORT"),
        (["--append", "x", "--elasticsearch", "es:9200"], "--elasticsearch is http://HOST:PORT"),
        (["--syslog", "127.0.0.1", "--jsonl", "x"], "--syslog is udp://HOST:PORT"),
        (["--append", "x", "--jsonl", "x", "--signal", "logs"], "--signal has no effect without --otlp"),
        (["--otlp", "http://x", "--jsonl", "x", "--format", "jsonl"], "--format has no effect"),
        (["--otlp", "http://x", "--jsonl", "x", "--header", "a"], "--header needs NAME=VALUE"),
        (["--exec", "cat", "--jsonl", "-", "--wait-s", "0"], "--wait-s must be positive"),
    ],
)  # fmt: skip
def test_wrong_usage_is_2(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = agenttrail(tmp_path, "canary", *arguments)
    assert done.code == 2
    assert said in done.err


def test_a_destination_that_cannot_be_read_is_1_and_no_verdict(tmp_path: Path) -> None:
    """Not "lost": nobody has looked."""
    done = agenttrail(tmp_path, "canary", "--exec", "cat", "--elasticsearch", "http://127.0.0.1:9", "--wait-s", "1")  # fmt: skip
    assert done.code == 1
    assert "Elasticsearch cannot be reached" in done.err
    assert not [line for line in done.out.splitlines() if line.startswith(("lost", "masked"))]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--append", "none.jsonl"], "none.jsonl cannot be appended to"),
        (["--otlp", "http://127.0.0.1:9"], "cannot be reached"),
        (["--syslog", "tcp://127.0.0.1:9"], "cannot be reached"),
        (["--exec", "no-such-program"], "the command cannot be run"),
        (["--exec", "false"], "the command ended with 1"),
    ],
)
def test_what_cannot_be_sent_is_1_and_no_verdict(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = agenttrail(tmp_path, "canary", *arguments, "--jsonl", "out.jsonl", "--wait-s", "1")
    assert done.code == 1
    assert said in done.err
    assert done.out == ""


@pytest.mark.engine
def test_through_the_hop_and_the_real_collector_nothing_leaks(
    tmp_path: Path, start_otel_collector
) -> None:
    """OTLP into the hop, masked to the Collector, its file exporter is the destination."""
    grpc, http = free_ports(2)

    def settings(ports, folder: Path) -> dict:
        from tests.engines import otelcol

        made = otelcol.otlp_to_file(ports, folder)
        made["service"]["pipelines"]["traces"] = made["service"]["pipelines"]["logs"]
        return made

    collector = start_otel_collector(settings)
    out = collector.folder / "out.jsonl"
    to = f"http://{collector.address('grpc')}"
    with running(tmp_path, "hop", "--profile", "fast", "--to", to, "--grpc", f"127.0.0.1:{grpc}", "--http", f"127.0.0.1:{http}", port=http):  # fmt: skip
        masked = agenttrail(tmp_path, "canary", "--otlp", f"http://127.0.0.1:{http}", "--otlp-file", str(out), "--without", "en.name", "--json")  # fmt: skip
    assert set(verdicts(masked).values()) == {"masked"}, verdicts(masked)
    assert masked.code == 0
    past = agenttrail(tmp_path, "canary", "--otlp", f"http://{collector.address('http')}", "--otlp-file", str(out), "--signal", "traces", "--json", "--wait-s", "20")  # fmt: skip
    assert past.code == 1
    assert set(verdicts(past).values()) == {"leaked"}


@pytest.mark.engine
def test_in_a_real_elasticsearch_what_is_masked_and_what_leaks_is_found(
    tmp_path: Path, elasticsearch: Server
) -> None:
    """agenttrail's own data stream, then documents that somebody indexed past it."""
    url = elasticsearch.url
    assert agenttrail(tmp_path, "setup", "elasticsearch", "--url", url).code == 0
    (tmp_path / "agents.jsonl").touch()
    with running(tmp_path, "run", "--input", "agents.jsonl", "--format", "claude_code", "--profile", "fast", "--follow", "--checkpoint", "c.json", "--elasticsearch", url):  # fmt: skip
        done = agenttrail(tmp_path, "canary", "--append", "agents.jsonl", "--without", "en.name", "--format", "claude_code", "--elasticsearch", url, "--json", "--wait-s", "60")  # fmt: skip
    assert set(verdicts(done).values()) == {"masked"}, verdicts(done)
    assert done.code == 0
    (tmp_path / "index.py").write_text(
        "import json, sys, urllib.request\n"
        "for line in sys.stdin:\n"
        "    doc = json.loads(line) | {'@timestamp': json.loads(line)['time']}\n"
        f"    r = urllib.request.Request('{url}/canary-past/_doc', json.dumps(doc).encode(), {{'Content-Type': 'application/json'}})\n"
        "    urllib.request.urlopen(r).read()\n"
    )
    past = agenttrail(tmp_path, "canary", "--exec", "python3 index.py", "--elasticsearch", url, "--index", "canary-*", "--json", "--wait-s", "30")  # fmt: skip
    assert past.code == 1
    assert set(verdicts(past).values()) == {"leaked"}


@pytest.mark.engine
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_syslog_to_a_real_rsyslog_with_the_mask(tmp_path: Path, protocol: str) -> None:
    (port,) = free_ports(1)
    with required():
        rsyslog.prepare()

    def configuration(folder: Path) -> str:
        return (
            f'module(load="im{protocol}")\nmodule(load="mmexternal")\n'
            f'input(type="im{protocol}" address="127.0.0.1" port="{port}")\n'
            'template(name="line" type="string" string="%$!agenttrail!line%\\n")\n'
            f'action(type="mmexternal" binary="{BINARY} filter --protocol rsyslog --profile fast" interface.input="fulljson" forceSingleInstance="on")\n'
            f'action(type="omfile" file="{folder}/out.jsonl" template="line" flushOnTXEnd="on")\n'
        )

    with rsyslog.start(configuration) as daemon:
        out = daemon.folder / "out.jsonl"
        done = agenttrail(tmp_path, "canary", "--syslog", f"{protocol}://127.0.0.1:{port}", "--jsonl", str(out), "--without", "en.name", "--json", "--wait-s", "60")  # fmt: skip
    assert set(verdicts(done).values()) == {"masked"}, verdicts(done)
