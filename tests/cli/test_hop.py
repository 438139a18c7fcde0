"""`agenttrail hop`: the installed command between a sender and a destination."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from agenttrail import config
from agenttrail.errors import ConfigError, OptionError
from tests.cli._run import BINARY, agenttrail
from tests.engines._process import free_ports, listening
from tests.sinks._http_server import serve

SECRET = "ann@example.com"
PROTOBUF = {"Content-Type": "application/x-protobuf"}


class Destination:
    """What arrived, by path; away while `away`."""

    def __init__(self) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.away = False

    def __call__(self, _: str, path: str, headers: dict[str, str], body: bytes) -> Any:
        if self.away:
            return 503, {}, b""
        if body:
            self.got.append((path, body))
        return 200, PROTOBUF, b""

    def text(self) -> bytes:
        return b"".join(body for _, body in self.got)


@pytest.fixture
def destination() -> Iterator[tuple[str, Destination]]:
    made = Destination()
    with serve(made) as url:
        yield url, made


def logs(*bodies: str) -> bytes:
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for body in bodies:
        scope.log_records.add(time_unix_nano=time.time_ns()).body.string_value = body
    return request.SerializeToString()


@contextlib.contextmanager
def hop(folder: Path, text: str, http: int) -> Iterator[subprocess.Popen[bytes]]:
    (folder / "hop.yaml").write_text(text)
    log = (folder / "hop.log").open("ab")
    process = subprocess.Popen(
        [BINARY, "hop", "-c", "hop.yaml"], cwd=folder, stderr=log, stdout=log,
        env={**os.environ, "PYTHONUTF8": "1"},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not listening(http):
            assert process.poll() is None, (folder / "hop.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()
        log.close()


def file(url: str, http: int, more: str = "") -> str:
    return f"""\
listen: {{type: otlp, grpc: null, http: "127.0.0.1:{http}"}}
mask: {{type: presidio, profile: fast}}
forward: {{type: otlp, endpoint: "{url}", compress: false}}
{more}
"""


def send(http: int, body: bytes, kind: str = "logs") -> requests.Response:
    return requests.post(
        f"http://127.0.0.1:{http}/v1/{kind}", data=body, headers=PROTOBUF, timeout=30
    )


def until(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_logs_and_traces_pass_masked_and_a_signal_ends_it_with_counts(
    tmp_path: Path, destination: tuple[str, Destination]
) -> None:
    url, there = destination
    http, health = free_ports(2)
    spans = ExportTraceServiceRequest()
    spans.resource_spans.add().scope_spans.add().spans.add(
        trace_id=bytes(range(16)), span_id=bytes(range(8)), name=f"mail {SECRET}"
    )
    with hop(tmp_path, file(url, http, f'health: "127.0.0.1:{health}"'), http) as process:
        assert send(http, logs(f"mail {SECRET}", "nothing")).status_code == 200
        assert send(http, spans.SerializeToString(), "traces").status_code == 200
        assert send(http, b"\xff").status_code == 400
        there.away = True
        assert send(http, logs(f"later {SECRET}")).status_code == 503
        report = requests.get(f"http://127.0.0.1:{health}/healthz", timeout=10).json()
        measured = requests.get(f"http://127.0.0.1:{health}/metrics", timeout=10).text
        assert requests.get(f"http://127.0.0.1:{health}/", timeout=10).status_code == 404
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert [path for path, _ in there.got] == ["/v1/logs", "/v1/traces"]
    (span,) = ExportTraceServiceRequest.FromString(there.got[1][1]).resource_spans[0].scope_spans[0].spans  # fmt: skip
    assert (span.trace_id, span.span_id) == (bytes(range(16)), bytes(range(8)))
    assert span.name == "mail <EMAIL_ADDRESS>"
    assert {k: report[k] for k in ("status", "logs", "traces", "delivered", "failed", "masked")} == {
        "status": "ok", "logs": 2, "traces": 1, "delivered": 3, "failed": 0,
        "masked": {"EMAIL_ADDRESS": 2},
    }  # fmt: skip
    assert {
        (s.name, s.labels.get("agenttrail_pipeline_outcome")): s.value
        for family in text_string_to_metric_families(measured)
        for s in family.samples
    } == {
        ("agenttrail_pipeline_events_total", "delivered"): 3,
        ("agenttrail_pipeline_events_total", "rejected"): 0,
        ("agenttrail_pipeline_events_total", "refused"): 0,
        ("agenttrail_mask_failed_total", None): 0,
    }
    assert report["requests"] == {"bad_data": 1, "ok": 2, "unavailable": 1}
    said = (tmp_path / "hop.log").read_text()
    assert "2 log records, 1 spans: 3 delivered" in said
    assert "EMAIL_ADDRESS 2" in said
    assert "answered 503" in said
    assert SECRET not in said


def test_with_a_spool_it_answers_at_once_and_a_killed_hop_delivers_after_its_restart(
    tmp_path: Path, destination: tuple[str, Destination]
) -> None:
    url, there = destination
    http = free_ports(1)[0]
    text = file(url, http, "spool: spool")
    there.away = True
    with hop(tmp_path, text, http) as process:
        for number in range(3):
            assert send(http, logs(f"{number} {SECRET}")).status_code == 200
        process.kill()
        process.wait()
    assert there.got == []
    kept = [path.read_bytes() for path in (tmp_path / "spool").glob("*.otlp")]
    assert len(kept) == 3
    assert SECRET.encode() not in b"".join(kept)
    there.away = False
    with hop(tmp_path, text, http):
        until(lambda: len(there.got) == 3)
    assert SECRET.encode() not in there.text()
    assert b"2 <EMAIL_ADDRESS>" in there.text()


def test_options_of_the_command_line_are_enough(tmp_path: Path) -> None:
    grpc, http, away = free_ports(3)
    process = subprocess.Popen(
        [BINARY, "hop", "--to", f"http://127.0.0.1:{away}", "--grpc", f"127.0.0.1:{grpc}",
         "--http", f"127.0.0.1:{http}", "--profile", "fast"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: listening(http) and listening(grpc))
    assert send(http, logs("x")).status_code == 503
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "cannot be used yet" in said
    assert "senders keep their data" in said


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        ([], 2, "where do masked signals go?"),
        (["-c", "hop.yaml", "--to", "http://x:1"], 2, "--to has no effect with --config"),
        (["-c", "hop.yaml", "--profile", "fast"], 2, "--profile has no effect with --config"),
        (["--to", "nowhere"], 2, "must be http://HOST:PORT"),
        (["-c", "absent.yaml"], 2, "absent.yaml: cannot be read"),
        (["--to", "http://127.0.0.1:9", "--check"], 1, "127.0.0.1:9"),
        (["--to", "http://127.0.0.1:9", "--http", "0.0.0.0:1"], 2, "it has no TLS"),
        (["--to", "http://127.0.0.1:4317"], 2, "it would feed itself"),
    ],
)
def test_wrong_usage_is_told(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    (tmp_path / "hop.yaml").write_text("forward: {type: otlp}\n")
    done = agenttrail(tmp_path, "hop", *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


def test_check_says_whether_the_destination_takes_both_signals(
    tmp_path: Path, destination: tuple[str, Destination]
) -> None:
    url, there = destination
    done = agenttrail(tmp_path, "hop", "--to", url, "--protocol", "http", "--check")
    assert (done.code, done.err) == (0, f"agenttrail hop: {url} takes logs and traces\n")
    there.away = True
    assert agenttrail(tmp_path, "hop", "--to", url, "--protocol", "http", "--check").code == 1


def test_an_address_that_is_taken_ends_it(tmp_path: Path) -> None:
    with serve(Destination()) as url:
        taken = url.removeprefix("http://")
        free = free_ports(1)[0]
        done = agenttrail(
            tmp_path, "hop", "--to", f"http://127.0.0.1:{free}", "--profile", "fast",
            "--health", taken, "--http", f"127.0.0.1:{free_ports(1)[0]}",
        )  # fmt: skip
    assert done.code == 1
    assert "cannot listen on" in done.err


@pytest.mark.parametrize(
    "text, said",
    [
        ("listen: otlp", "'forward' is missing"),
        ("forward: {type: otlp}\nsinks: []", "sinks: no such option"),
        ("forward: {type: otlp, resource: {a: b}}", "resource has no effect"),
        ('forward: {type: otlp, endpoint: "http://h:1/api"}', "must end in /v1/logs"),
        ("forward: {type: otlp}\nspool_bytes: 0", "spool_bytes: must be positive"),
        ('forward: {type: otlp}\nhealth: "0.0.0.0:1"', "must be 127.0.0.1:PORT"),
        ('forward: {type: otlp}\nhealth: "127.0.0.1:70000"', "must be 127.0.0.1:PORT"),
        ('forward: {type: otlp}\nhealth: "127.0.0.1:4318"', "is an address that listen has"),
    ],
)
def test_a_file_that_cannot_work_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.decode(text, "hop.yaml", config.HopOptions)
    assert said in str(caught.value)
    assert "hop.yaml:" in str(caught.value)


def test_a_secret_of_the_file_is_not_in_its_representation() -> None:
    options = config.decode(
        'listen: {type: otlp, token: "s3cret"}\nforward: {type: otlp, endpoint: "http://h:1", headers: {a: "s3cret"}}',
        "hop.yaml", config.HopOptions,
    )  # fmt: skip
    assert "s3cret" not in repr(options)
    with pytest.raises(OptionError):
        config.HopOptions(forward=options.forward, spool_bytes=-1)
    assert json.dumps(options.listen.token) == '"s3cret"'
