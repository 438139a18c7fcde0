"""The source `otlp` with real senders: every way of the Collector's exporters, and kill -9."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from agenttrail.seams import Export
from tests.cli._run import BINARY
from tests.engines import otelcol
from tests.engines._process import free_ports, listening
from tests.engines.fixtures import required
from tests.sources._otlp import LOGS_JSON, TRACES_JSON, certificates, serve

SECRET = "ann@example.com"
# Exporters of the Collector, each to the server's gRPC or HTTP port.
EXPORTERS: dict[str, dict[str, Any]] = {
    "otlp/gzip": {"compression": "gzip"},
    "otlp/none": {"compression": "none"},
    "otlphttp/gzip": {"compression": "gzip"},
    "otlphttp/zstd": {"compression": "zstd"},
    "otlphttp/deflate": {"compression": "deflate"},
    "otlphttp/none": {"compression": "none"},
    "otlphttp/json": {"encoding": "json", "compression": "zstd"},
}


@pytest.mark.engine
def test_every_exporter_of_the_collector_is_understood_over_mutual_tls_with_a_token(
    tmp_path: Path,
) -> None:
    tls = certificates(tmp_path)
    got: list[Export] = []

    def take(export: Export) -> int:
        got.append(export)
        return 0

    with required():
        otelcol.prepare()
    with serve(
        take, token="s3cret", client_ca_file=str(tls / "ca.pem"),
        cert_file=str(tls / "server.pem"), key_file=str(tls / "server.key"),
    ) as server:  # fmt: skip

        def settings(ports: Mapping[str, int], folder: Path) -> dict[str, Any]:
            made = otelcol.otlp_to_file(ports, folder)
            common = {
                "headers": {"Authorization": "Bearer s3cret"},
                "tls": {
                    "ca_file": str(tls / "ca.pem"), "cert_file": str(tls / "client.pem"),
                    "key_file": str(tls / "client.key"),
                },
                "sending_queue": {"enabled": False},
            }  # fmt: skip
            made["exporters"] = {
                name: {
                    **common, **own,
                    "endpoint": f"localhost:{server.ports['grpc']}" if name.startswith("otlp/") else f"https://localhost:{server.ports['http']}",
                }
                for name, own in EXPORTERS.items()
            }  # fmt: skip
            logs = {"receivers": ["otlp"], "exporters": list(EXPORTERS)}
            made["service"]["pipelines"] = {"logs": logs, "traces": logs}
            return made

        with otelcol.start(settings) as collector:
            for kind, body in (("logs", LOGS_JSON), ("traces", TRACES_JSON)):
                answer = requests.post(
                    f"http://{collector.address('http')}/v1/{kind}", json=body, timeout=60
                )
                assert answer.status_code == 200, collector.process.tail()
            collector.wait_for(lambda: len(got) >= 2 * len(EXPORTERS))
        assert server.said == []
    for kind in ("logs", "traces"):
        found = [export.message for export in got if export.kind == kind]
        assert len(found) == len(EXPORTERS)
        assert all(message == found[0] for message in found)


@contextlib.contextmanager
def pipeline(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    (folder / "pipeline.yaml").write_text(
        f"sources: [{{type: otlp, grpc: null, http: '127.0.0.1:{port}'}}]\nformat: otel\n"
        "mask: {type: presidio, profile: fast}\nsinks: [{type: jsonl, path: out.jsonl}]\n"
    )
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [BINARY, "run", "-c", "pipeline.yaml"], cwd=folder, stdout=log, stderr=log,
            env={**os.environ, "PYTHONUTF8": "1"},
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not listening(port):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def events(folder: Path) -> list[dict[str, Any]]:
    path = folder / "out.jsonl"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def log_request(*bodies: str) -> dict[str, Any]:
    records = [{"timeUnixNano": "1767225600000000000", "body": {"stringValue": b}} for b in bodies]
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}


def test_what_was_answered_outlives_kill_9_and_a_retry_has_the_same_event_ids(
    tmp_path: Path,
) -> None:
    port = free_ports(1)[0]

    def send(*bodies: str) -> int:
        return requests.post(
            f"http://127.0.0.1:{port}/v1/logs", json=log_request(*bodies), timeout=60
        ).status_code

    with pipeline(tmp_path, port) as process:
        assert send(f"first {SECRET}", f"second {SECRET}") == 200
        process.kill()
        process.wait()
        assert len(events(tmp_path)) == 2, "answered is delivered"
        with pytest.raises(requests.ConnectionError):
            send("nobody is there")
    with pipeline(tmp_path, port) as process:
        # As a collector does that heard no answer: one of them again, in other company.
        assert send(f"third {SECRET}", f"second {SECRET}") == 200
        process.terminate()
        assert process.wait(30) == 0
    found = events(tmp_path)
    assert 3 <= len(found) <= 4, "at least once"
    by_message: dict[str, set[str]] = {}
    for event in found:
        by_message.setdefault(event["message"], set()).add(event["event"]["id"])
    assert {message: len(ids) for message, ids in by_message.items()} == {
        "first <EMAIL_ADDRESS>": 1,
        "second <EMAIL_ADDRESS>": 1,
        "third <EMAIL_ADDRESS>": 1,
    }
    assert all(event["agenttrail"]["source"]["format"] == "otel" for event in found)
    assert SECRET not in (tmp_path / "out.jsonl").read_text() + (tmp_path / "log").read_text()
