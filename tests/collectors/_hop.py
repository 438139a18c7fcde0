"""The shipped configuration round a real hop: collector, hop and a destination that may be away."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.cli._run import BINARY
from tests.engines import otelcol
from tests.engines._process import free_ports, listening

FOLDER = Path(__file__).parents[2] / "collectors" / "otel_collector"
PORTS = {
    "grpc": 4317, "http": 4318, "masked": 4337,
    "hop_grpc": 4327, "hop_http": 4328, "health": 4329,
}  # fmt: skip
LISTENING = ("grpc", "http", "masked")
SECRET = "ann@example.com"


def with_ports(text: str, ports: Mapping[str, int]) -> str:
    """The file with each of our ports in place of the shipped one."""
    for name, shipped in PORTS.items():
        text = re.sub(rf":{shipped}\b", f":{ports[name]}", text)
    return text


def shipped(ports: Mapping[str, int], folder: Path) -> dict[str, Any]:
    """`config.yaml` as it is, but for ports and folders."""
    text = with_ports((FOLDER / "config.yaml").read_text(), ports)
    for place, own in (
        ("/var/log/agents", folder / "agents"),
        ("/var/lib/otelcol", folder / "lib"),
        ("/var/log/otelcol", folder),
    ):
        assert place in text
        text = text.replace(place, str(own))
    (folder / "agents").mkdir(exist_ok=True)
    made: dict[str, Any] = yaml.safe_load(text)
    made["service"]["telemetry"] = {"metrics": {"level": "none"}}
    return made


@dataclass
class Hop:
    """A hop by the shipped file; may be killed, stopped, limited and started again."""

    folder: Path
    ports: Mapping[str, int]
    mask: str | None = None
    process: subprocess.Popen[bytes] | None = None
    more: str = ""
    logs: list[Path] = field(default_factory=list)

    def start(self) -> None:
        text = with_ports((FOLDER / "hop.yaml").read_text(), self.ports)
        if self.mask is not None:
            made = yaml.safe_load(text)
            made["mask"], made["mask_timeout_s"] = yaml.safe_load(self.mask), 10
            text = yaml.safe_dump(made)
        (self.folder / "hop.yaml").write_text(text + self.more)
        self.logs.append(self.folder / f"hop.{len(self.logs)}.log")
        with self.logs[-1].open("wb") as log:
            self.process = subprocess.Popen(
                [BINARY, "hop", "-c", "hop.yaml"], cwd=self.folder, stdout=log, stderr=log,
                env={**os.environ, "PYTHONUTF8": "1"},
            )  # fmt: skip
        wait_for(lambda: self._listens(), 90.0)

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.said()
        return listening(self.ports["hop_grpc"]) and listening(self.ports["hop_http"])

    def send(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGKILL) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
        self.process.wait(60)

    def health(self) -> dict[str, Any]:
        answer = requests.get(f"http://127.0.0.1:{self.ports['health']}/healthz", timeout=10)
        found: dict[str, Any] = answer.json()
        return found

    def said(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self.logs)


def limit_memory(pid: int, more_bytes: int | None) -> None:
    """So much beyond what the process has; None takes the limits away.

    Both of address space and of data: what an allocator has reserved counts in the first alone.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    for name, which in (("VmSize", resource.RLIMIT_AS), ("VmData", resource.RLIMIT_DATA)):
        limit = resource.RLIM_INFINITY
        if more_bytes is not None:
            limit = int(re.findall(rf"{name}:\s+(\d+) kB", status)[0]) * 1024 + more_bytes
        resource.prlimit(pid, which, (limit, resource.RLIM_INFINITY))


def wait_for(condition: Callable[[], Any], wait_s: float = 40.0) -> None:
    deadline = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@dataclass
class Pipeline:
    """Everything that runs; `front` has the shipped configuration, `back` is the destination."""

    front: otelcol.Collector
    back: otelcol.Collector
    hop: Hop

    def write(self, *lines: bytes) -> None:
        """Appends to a log that the Collector reads."""
        with (self.front.folder / "agents" / "agent.jsonl").open("ab") as file:
            file.writelines(line + b"\n" for line in lines)

    def post(self, kind: str, body: Mapping[str, Any]) -> None:
        """One OTLP request to the Collector; returns when it is acknowledged."""
        answer = requests.post(
            f"http://127.0.0.1:{self.front.ports['http']}/v1/{kind}", json=body, timeout=60
        )
        assert answer.status_code == 200, answer.text

    def arrived(self) -> bytes:
        """Everything that left: at the destination, and in the Collector's own file."""
        paths = (self.back.folder / "out.jsonl", self.front.folder / "masked.jsonl")
        return b"".join(path.read_bytes() for path in paths if path.exists())

    def destination(self) -> bytes:
        path = self.back.folder / "out.jsonl"
        return path.read_bytes() if path.exists() else b""

    def bodies(self) -> list[str]:
        return [
            str(record["body"].get("stringValue")) for record in self.back.log_records("out.jsonl")
        ]

    def leaked(self, *secrets: str) -> list[str]:
        """Those of the secrets that stand in anything that left, or that was said about it."""
        out = self.arrived() + self.hop.said().encode() + self.front.process.log.read_bytes()
        return [secret for secret in secrets if secret.encode() in out]


@contextlib.contextmanager
def pipeline(mask: str | None) -> Iterator[Pipeline]:
    """The shipped configuration, with a second Collector where it has Elasticsearch."""
    hop_ports = dict(zip(("hop_grpc", "hop_http", "health"), free_ports(3), strict=True))

    def back_settings(ports: Mapping[str, int], folder: Path) -> dict[str, Any]:
        made = otelcol.otlp_to_file(ports, folder)
        made["receivers"]["otlp"]["protocols"]["grpc"]["max_recv_msg_size_mib"] = 32
        made["service"]["pipelines"]["traces"] = made["service"]["pipelines"]["logs"]
        return made

    with otelcol.start(back_settings) as back:

        def settings(ports: Mapping[str, int], folder: Path) -> dict[str, Any]:
            made = shipped({**ports, **hop_ports}, folder)
            del made["exporters"]["elasticsearch"]
            made["exporters"]["otlp/destination"] = {
                "endpoint": back.address("grpc"), "tls": {"insecure": True},
                "sending_queue": {"enabled": False}, "retry_on_failure": {"enabled": False},
            }  # fmt: skip
            for each in made["service"]["pipelines"].values():
                each["exporters"] = [
                    "otlp/destination" if name == "elasticsearch" else name
                    for name in each["exporters"]
                ]
            # So that a fault lasts seconds here; the shipped figures are a person's.
            made["exporters"]["otlp/agenttrail"]["retry_on_failure"]["max_interval"] = "1s"
            return made

        with otelcol.start(settings, LISTENING) as front:
            hop = Hop(front.folder, {**front.ports, **hop_ports}, mask)
            try:
                hop.start()
                yield Pipeline(front, back, hop)
            finally:
                if hop.process is not None:
                    hop.end()


def log_request(*bodies: str) -> dict[str, Any]:
    return {
        "resourceLogs": [
            {
                "scopeLogs": [
                    {
                        "logRecords": [
                            {"timeUnixNano": str(time.time_ns()), "body": {"stringValue": body}}
                            for body in bodies
                        ]
                    }
                ]
            }
        ]
    }


def as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
