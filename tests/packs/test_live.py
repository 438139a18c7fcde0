"""The loop from a log to the person who is told, live: nothing is back-filled, nothing is sent by hand.

A real `agenttrail run` follows a simulated month's logs and what `agenttrail scan` found in them; a real
Prometheus scrapes its sink `metrics` each second, with the shipped rules loaded; a real Alertmanager with the
shipped routes tells a real webhook.

It proves alerts that fire on a counter's step. All of a month arrives within seconds here, so it says nothing of
alerts that ask how hours or weeks went: those are asked of a month in a real Prometheus's storage
(`test_baselines.py`, `benchmarks/detections.py`) and by promtool (`test_prometheus.py`).
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from agenttrail.packs import prometheus as rules
from agenttrail.simulate.month import Month
from tests.cli._run import agenttrail
from tests.engines import prometheus
from tests.engines._process import free_ports
from tests.packs._pack import RUNBOOKS, pack
from tests.packs.test_prometheus import _Hook, hook

__all__ = ["hook"]
STAGE = "shared"


@pytest.fixture
def followed(month: Month, month_run: Path, tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A pipeline that follows the month's logs and listens for scrapes: its folder and port."""
    for name, content in month.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    done = agenttrail(month_run, "scan", "masked.jsonl", "--output", str(tmp_path / "found.jsonl"))
    assert done.code in (0, 1), done.err
    (port,) = free_ports(1)
    settings = yaml.safe_load((tmp_path / "pipeline.yaml").read_text())
    (source,) = settings["sources"]
    paths = [*source["paths"], "found.jsonl"]
    settings["sources"] = [{"type": "file", "paths": paths, "follow": True, "checkpoint": "checkpoint.json"}]  # fmt: skip
    settings["sinks"] = [
        {"type": "jsonl", "path": "live.jsonl", "mode": "append"},
        {"type": "metrics", "listen": f"127.0.0.1:{port}"},
    ]
    (tmp_path / "live.yaml").write_text(yaml.safe_dump(settings))
    with (tmp_path / "run.log").open("wb") as log:
        command = [sys.executable, "-m", "agenttrail", "run", "-q", "-c", "live.yaml"]
        process = subprocess.Popen(command, cwd=tmp_path, stderr=log, stdout=log)
        try:
            yield tmp_path, port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def _counted(port: int) -> float:
    """Events that the sink counted so far."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return 0.0
    lines = [line for line in text.splitlines() if line.startswith("agenttrail_events_total")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.mark.engine
def test_what_was_planted_reaches_who_must_be_told(
    followed: tuple[Path, int], month: Month, month_run: Path, hook: str
) -> None:
    folder, port = followed
    counted = {
        a.alert: a
        for a in pack().anomalies
        if a.rule.scan or (a.rule.prometheus is not None and a.rule.prometheus.counted)
    }
    planted = {row["name"] for row in month.truth if row["kind"] == "anomaly"}
    lines = _lines(month_run / "masked.jsonl")
    # A month uses up budgets that nobody planted.
    planted |= {"budget-burning" for d in lines if d["agenttrail"].get("budget", {}).get("verdict")}
    found = {d["agenttrail"]["anomaly"]["name"] for d in _lines(folder / "found.jsonl")}
    expected = {
        alert for alert, a in counted.items() if a.rule.slug in (found if a.rule.scan else planted)
    }
    assert len(expected) > 15
    settings = yaml.safe_load((RUNBOOKS / "rules" / "alertmanager" / f"{STAGE}.yaml").read_text())
    settings["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    for receiver in settings["receivers"]:
        receiver["webhook_configs"][0]["url"] = f"{hook}/{receiver['name']}"
    shipped = (RUNBOOKS / "rules" / "prometheus" / "alerts.yaml").read_text()
    with (
        prometheus.start_alertmanager(settings) as told,
        prometheus.start(
            {"agenttrail": f"127.0.0.1:{port}"},
            rules=shipped,
            alertmanager=told.url.removeprefix("http://"),
        ) as server,
    ):

        def firing() -> set[str]:
            alerts = server.get("/api/v1/alerts")["data"]["alerts"]
            return {a["labels"]["alertname"] for a in alerts if a["state"] == "firing"}

        # All but requests that are still open: while a log is followed their answer may come.
        server.wait_for(lambda: _counted(port) > 0.9 * len(lines), wait_s=90)
        server.wait_for(lambda: expected <= firing(), wait_s=60)
        assert firing() & counted.keys() == expected
        # What is less severe than critical waits behind it, of one agent and channel (shipped inhibition).
        loud = {alert for alert in expected if counted[alert].rule.severity in ("critical", "high")}
        receivers = rules._RECEIVERS[STAGE]
        wanted = {(f"/{receivers[counted[a].rule.channel]}", a) for a in loud}
        told.wait_for(lambda: wanted <= set(_Hook.got), wait_s=60)
        for path, alert in set(_Hook.got):
            if alert in counted:
                assert path == f"/{receivers[counted[alert].rule.channel]}", alert
