"""OpenTelemetry Collector 0.145.0, the real one, built with the components that the tests use.

The builder (`go.opentelemetry.io/collector/cmd/builder`) takes about three minutes and a warm Go
cache less than one; the binary is kept under a name made from its component list.

The checksum database has no record of the contrib `elasticsearchexporter`, so its hashes stand here
and are compared before anything is built; every other module is verified by the database.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.engines._process import (
    Process,
    cache_folder,
    carry_out,
    free_ports,
    listening,
    locked,
    say,
    tool,
    work_folder,
)

VERSION = "0.145.0"
_CORE = "go.opentelemetry.io/collector"
_CONTRIB = "github.com/open-telemetry/opentelemetry-collector-contrib"
_GO_HINT = "apt-get install golang-go (1.24 or newer)"

COMPONENTS: Mapping[str, Sequence[str]] = {
    "receivers": [f"{_CORE}/receiver/otlpreceiver", f"{_CONTRIB}/receiver/filelogreceiver"],
    "processors": [
        f"{_CORE}/processor/batchprocessor",
        f"{_CONTRIB}/processor/redactionprocessor",
        f"{_CONTRIB}/processor/transformprocessor",
    ],
    "exporters": [
        f"{_CORE}/exporter/debugexporter",
        f"{_CORE}/exporter/otlpexporter",
        f"{_CORE}/exporter/otlphttpexporter",
        f"{_CONTRIB}/exporter/fileexporter",
        f"{_CONTRIB}/exporter/elasticsearchexporter",
    ],
    "extensions": [f"{_CONTRIB}/extension/storage/filestorage"],
}

# module: hash of its content and of its go.mod, as go.sum has them, seen on 2026-11-25.
_PINNED = {
    f"{_CONTRIB}/exporter/elasticsearchexporter": (
        "h1:GAhSybrBhk00uUFyptjG9yn8VUbZGSqaDOwPoj2qLfo=",
        "h1:vf0BhuWjR2LcO1OOTgm/6/B6S34KxzZVocjXDZZGi+I=",
    )
}


def prepare(components: Mapping[str, Sequence[str]] = COMPONENTS) -> Path:
    """The collector's binary, built the first time.

    Raises:
        MissingError: go is not here.
        RuntimeError: it could not be built.
    """
    manifest: dict[str, Any] = {
        "dist": {"name": "otelcol", "description": "collector for tests", "version": VERSION},
        **{
            kind: [{"gomod": f"{module} v{VERSION}"} for module in modules]
            for kind, modules in components.items()
        },
    }
    key = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:12]
    binary = cache_folder() / f"otelcol-{VERSION}-{key}"
    with locked("otelcol"):
        if binary.exists():
            return binary
        go = tool("go", _GO_HINT)
        say(f"building the OpenTelemetry Collector {VERSION} (about three minutes)")
        folder = cache_folder() / "otelcol-build"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        manifest["dist"]["output_path"] = str(folder / "out")
        (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest))
        env = {**os.environ, "GOWORK": "off", "CGO_ENABLED": "0"}
        pinned = [m for m in _PINNED if any(m in modules for modules in components.values())]
        env["GONOSUMDB"] = ",".join(filter(None, [os.environ.get("GONOSUMDB"), *pinned]))
        for module in pinned:
            _verify(go, module, env, folder)
        carry_out(
            [go, "run", f"{_CORE}/cmd/builder@v{VERSION}", "--config", "manifest.yaml"],
            cwd=folder,
            env=env,
        )
        (folder / "out" / "otelcol").rename(binary)
        shutil.rmtree(folder)
        say("the Collector is ready")
    return binary


def _verify(go: str, module: str, env: Mapping[str, str], folder: Path) -> None:
    """Raises RuntimeError where the module's content is not what `_PINNED` says."""
    done = subprocess.run(
        [go, "mod", "download", "-json", f"{module}@v{VERSION}"],
        cwd=folder, env=dict(env), capture_output=True, check=False,
    )  # fmt: skip
    found = json.loads(done.stdout or b"{}")
    if (found.get("Sum"), found.get("GoModSum")) != _PINNED[module]:
        raise RuntimeError(f"{module} v{VERSION} is not the module that was pinned: {found}")


@dataclass(kw_only=True)
class Collector:
    """A running collector. `ports` are those the settings asked for, `folder` is its own."""

    folder: Path
    ports: Mapping[str, int]
    process: Process

    def address(self, name: str) -> str:
        return f"127.0.0.1:{self.ports[name]}"

    def wait_for(self, condition: Callable[[], Any], wait_s: float = 30.0) -> None:
        """Waits until the condition holds. Raises AssertionError with the log if it does not."""
        deadline = time.monotonic() + wait_s
        while not condition():
            assert time.monotonic() < deadline, self.process.tail()
            time.sleep(0.05)

    def log_records(self, file: str = "out.jsonl") -> list[dict[str, Any]]:
        """What the file exporter wrote: every OTLP/JSON log record with its `resource` and `scope`.

        `scope` also has the `schemaUrl` of its group.
        """
        path = self.folder / file
        lines = path.read_text().splitlines() if path.exists() else []
        return [
            {
                **record,
                "resource": group.get("resource", {}),
                "scope": {**scoped.get("scope", {}), "schemaUrl": scoped.get("schemaUrl", "")},
            }
            for line in lines
            for group in json.loads(line)["resourceLogs"]
            for scoped in group["scopeLogs"]
            for record in scoped["logRecords"]
        ]


def otlp_to_file(
    ports: Mapping[str, int], folder: Path, **protocols: Mapping[str, Any]
) -> dict[str, Any]:
    """Settings of a collector that writes the OTLP logs it gets to `out.jsonl`.

    Args:
        ports: needs "grpc" and "http".
        protocols: further settings of the receiver's `grpc` and `http` (TLS, say).
    """
    return {
        "receivers": {
            "otlp": {
                "protocols": {
                    name: {"endpoint": f"127.0.0.1:{ports[name]}", **protocols.get(name, {})}
                    for name in ("grpc", "http")
                }
            }
        },
        "exporters": {
            "file": {
                "path": str(folder / "out.jsonl"),
                "flush_interval": "50ms",
                "append": True,  # a restart must not empty it
            },
        },
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {"logs": {"receivers": ["otlp"], "exporters": ["file"]}},
        },
    }


Settings = Callable[[Mapping[str, int], Path], Mapping[str, Any]]


@contextlib.contextmanager
def start(
    settings: Settings = otlp_to_file, ports: Sequence[str] = ("grpc", "http")
) -> Iterator[Collector]:
    """A collector for the length of the block.

    Args:
        settings: given a free port for each name in `ports` and a folder, gives the settings; they
            are used as they are.
        ports: names of the ports that it will listen on; it is ready when it does on all.
    """
    binary = prepare()
    with work_folder("agenttrail-otelcol-") as folder:
        numbers = dict(zip(ports, free_ports(len(ports)), strict=True))
        (folder / "config.yaml").write_text(yaml.safe_dump(settings(numbers, folder)))
        log = folder / "output.log"

        def ready() -> bool:
            said = log.read_text(errors="replace") if log.exists() else ""
            return "Everything is ready" in said and all(map(listening, numbers.values()))

        process = Process(
            "the Collector",
            [str(binary), "--config", "config.yaml"],
            cwd=folder,
            log=log,
            healthy=ready,
            start_s=60.0,
        )
        try:
            process.start()
            yield Collector(folder=folder, ports=numbers, process=process)
        finally:
            process.stop()
