"""Prometheus, promtool and Alertmanager, the real ones, on loopback with a folder of their own.

The ones that are installed are taken; else Debian's packages (2.42 and 0.25 in Debian 12) are unpacked
into the cache and nothing is installed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.engines._debian import daemons_path, libraries, unpacked
from tests.engines._process import Process, free_ports, tool, work_folder

_PACKAGES = ("prometheus", "prometheus-alertmanager")
# Debian's Alertmanager reads its templates from here, wherever it lies itself.
_TEMPLATES = "usr/share/prometheus/alertmanager"


@dataclass(frozen=True, kw_only=True)
class Programs:
    """Where they are, and the environment that they run in."""

    prometheus: Path
    promtool: Path
    alertmanager: Path
    amtool: Path
    env: Mapping[str, str]
    templates: Path | None = None  # of an unpacked Alertmanager, which looks for them elsewhere

    def promtool_says(self, *arguments: str, cwd: Path) -> tuple[int, str]:
        """Exit code and output of promtool."""
        done = subprocess.run(
            [self.promtool, *arguments], cwd=cwd, env=self.env, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr


def prepare() -> Programs:
    """The installed programs, or ones fetched the first time (40 MB).

    Raises:
        MissingError: there are neither the programs nor apt-get.
        RuntimeError: the packages could not be fetched.
    """
    path = daemons_path()
    names = {
        "prometheus": "prometheus", "promtool": "promtool",
        "alertmanager": "prometheus-alertmanager", "amtool": "amtool",
    }  # fmt: skip
    found = {role: shutil.which(name, path=path) for role, name in names.items()}
    found["alertmanager"] = found["alertmanager"] or shutil.which("alertmanager", path=path)
    if all(found.values()):
        return Programs(**{r: Path(p) for r, p in found.items() if p}, env=dict(os.environ))
    home = unpacked("prometheus", _PACKAGES)
    return Programs(
        **{role: home / "usr/bin" / name for role, name in names.items()},
        env=libraries(home),
        templates=home / _TEMPLATES,
    )


@dataclass(kw_only=True)
class Server:
    """A running Prometheus or Alertmanager at `url`."""

    url: str
    folder: Path
    process: Process

    def get(self, path: str, **query: str) -> Any:
        """The JSON that a path answers with."""
        address = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=30) as answer:
            return json.load(answer)

    def query(self, text: str, at: float | None = None) -> dict[tuple[tuple[str, str], ...], float]:
        """An instant query: values by their sorted labels."""
        more = {} if at is None else {"time": str(at)}
        data = self.get("/api/v1/query", query=text, **more)["data"]
        return {
            tuple(sorted(row["metric"].items())): float(row["value"][1]) for row in data["result"]
        }

    def wait_for(self, true: Callable[[], bool], wait_s: float = 30.0) -> None:
        """Waits until it is true. Raises AssertionError with the end of the log."""
        deadline = time.monotonic() + wait_s
        while not true():
            assert time.monotonic() < deadline, f"not in {wait_s} s\n{self.process.tail()}"
            time.sleep(0.1)


@contextlib.contextmanager
def start(
    targets: Mapping[str, str],
    *,
    rules: str | None = None,
    alertmanager: str | None = None,
    interval: str = "1s",
) -> Iterator[Server]:
    """A Prometheus for the length of the block.

    Args:
        targets: job names to HOST:PORT of what is scraped.
        rules: text of a rules file.
        alertmanager: HOST:PORT of an Alertmanager.
        interval: of scraping and of evaluating rules.
    """
    programs = prepare()
    (port,) = free_ports(1)
    with work_folder("prometheus-") as folder:
        settings: dict[str, Any] = {
            "global": {"scrape_interval": interval, "evaluation_interval": interval},
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [target]}]}
                for job, target in targets.items()
            ],
        }
        if rules is not None:
            (folder / "rules.yaml").write_text(rules)
            settings["rule_files"] = [str(folder / "rules.yaml")]
        if alertmanager is not None:
            settings["alerting"] = {
                "alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]
            }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(settings))
        arguments = [
            str(programs.prometheus), f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
        ]  # fmt: skip
        with _running("prometheus", arguments, folder, port, programs.env) as server:
            yield server


@contextlib.contextmanager
def stored(folder: Path) -> Iterator[Server]:
    """A Prometheus that scrapes nothing, over what lies in the folder's `data`."""
    programs = prepare()
    (port,) = free_ports(1)
    (folder / "prometheus.yaml").write_text("{}\n")
    arguments = [
        str(programs.prometheus), "--config.file=prometheus.yaml", "--storage.tsdb.path=data",
        "--storage.tsdb.retention.time=10y", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with _running("prometheus", arguments, folder, port, programs.env) as server:
        yield server


@contextlib.contextmanager
def start_alertmanager(settings: Mapping[str, Any]) -> Iterator[Server]:
    """An Alertmanager for the length of the block."""
    programs = prepare()
    (port,) = free_ports(1)
    with work_folder("alertmanager-") as folder:
        (folder / "alertmanager.yaml").write_text(yaml.safe_dump(dict(settings)))
        arguments = [
            str(programs.alertmanager), f"--config.file={folder / 'alertmanager.yaml'}",
            f"--storage.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ]  # fmt: skip
        if programs.templates is not None and not Path(f"/{_TEMPLATES}").exists():
            arguments = _with_templates(programs.templates, arguments)
        with _running("alertmanager", arguments, folder, port, programs.env) as server:
            yield server


def _with_templates(templates: Path, arguments: list[str]) -> list[str]:
    """The program with its templates where it looks for them, in a mount namespace of its own."""
    script = f'mount -t tmpfs none /usr/share && mkdir -p /{_TEMPLATES} && cp "$0"/*.tmpl /{_TEMPLATES} && exec "$@"'
    return [tool("unshare", "apt-get install util-linux"), "--map-root-user", "--mount", "sh", "-c", script, str(templates), *arguments]  # fmt: skip


@contextlib.contextmanager
def _running(
    name: str, arguments: list[str], folder: Path, port: int, env: Mapping[str, str]
) -> Iterator[Server]:
    def ready() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    process = Process(name, arguments, cwd=folder, log=folder / "log", healthy=ready, env=env)
    process.start()
    try:
        yield Server(url=f"http://127.0.0.1:{port}", folder=folder, process=process)
    finally:
        process.stop()
