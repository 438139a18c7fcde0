"""What a collector that cannot be run here would send to the hop, and read back from it.

`Backend` plays the OTLP input of such a program: it takes what the hop sends on. It is no collector:
it says nothing about one but how the bytes look on their way.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from tests.cli._run import BINARY
from tests.engines._process import PROJECT, free_ports, listening

COLLECTORS = PROJECT / "collectors"
REWRITE = bool(os.environ.get("AGENTTRAIL_REWRITE_GOLDEN"))


class Backend:
    """Takes OTLP logs over HTTP (protobuf); `status` other than 200 refuses them."""

    def __init__(self) -> None:
        self.requests: list[ExportLogsServiceRequest] = []
        self.status = 200
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if backend.status == 200:
                    request = ExportLogsServiceRequest.FromString(body)
                    if request.resource_logs:
                        backend.requests.append(request)
                self.send_response(backend.status)
                answer = ExportLogsServiceResponse().SerializeToString()
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def bodies(self) -> list[AnyValue]:
        """The body of every log record, in the order in which they came."""
        return [
            record.body
            for request in self.requests
            for group in request.resource_logs
            for scope in group.scope_logs
            for record in scope.log_records
        ]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def hop(folder: Path, settings: Path, ports: Mapping[int, int]) -> Iterator[None]:
    """A real hop by a shipped file, with our ports for the shipped ones."""
    text = settings.read_text()
    for shipped, own in ports.items():
        assert str(shipped) in text
        text = text.replace(f":{shipped}", f":{own}")
    (folder / "hop.yaml").write_text(text)
    log = folder / "hop.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [BINARY, "hop", "-c", "hop.yaml"], cwd=folder, stdout=out, stderr=out,
            env={**os.environ, "PYTHONUTF8": "1"},
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 90
        while not all(listening(ports[p]) for p in (4327, 4328) if p in ports):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def new_ports(backend: Backend) -> dict[int, int]:
    """Own ports for those of hop.yaml; its destination is the backend."""
    grpc, http, health = free_ports(3)
    return {4327: grpc, 4328: http, 4329: health, 4320: backend.port}


def post(port: int, request: ExportLogsServiceRequest, *, zipped: bool = False) -> int:
    """Sends a request as these programs do; the status of the answer."""
    body = request.SerializeToString()
    headers = {"Content-Type": "application/x-protobuf"}
    if zipped:
        body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
    made = urllib.request.Request(f"http://127.0.0.1:{port}/v1/logs", body, headers)
    try:
        with urllib.request.urlopen(made, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def compare(path: Path, found: list[Any]) -> None:
    """Against the sample's expected lines; writes them where AGENTTRAIL_REWRITE_GOLDEN is set."""
    text = "".join(json.dumps(v, ensure_ascii=False, separators=(",", ":")) + "\n" for v in found)
    if REWRITE:
        path.write_text(text)
    assert path.read_text() == text


def run_file(folder: Path, settings: Path, sample: Path) -> list[dict[str, Any]]:
    """The events of a shipped pipeline file over a sample; it ends where the shipped one follows."""
    made = yaml.safe_load(settings.read_text())
    logs = folder / "agents"
    logs.mkdir()
    (logs / "desk.jsonl").write_bytes(sample.read_bytes())
    (source,) = made["sources"]
    assert source["follow"] is True
    source |= {"paths": [str(logs)], "follow": False, "checkpoint": str(folder / "checkpoint.json")}
    made["sinks"][0]["path"] = str(folder / "masked.jsonl")
    made["delivery"]["dead_letter"] = str(folder / "dead.jsonl")
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(made))
    done = subprocess.run(
        [BINARY, "run", "-c", "pipeline.yaml", "--quiet"], cwd=folder, capture_output=True,
        env={**os.environ, "PYTHONUTF8": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = lines(folder / "masked.jsonl")
    for event in found:
        event["agenttrail"]["source"]["file"] = "desk.jsonl"
        event["event"].pop("id")  # made from the path too
    return found
