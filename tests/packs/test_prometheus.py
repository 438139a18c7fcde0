"""Alerts fire on their hits and not on their misses, by promtool; Alertmanager tells the right people."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import yaml

from agenttrail.cli.pack import metrics
from agenttrail.packs import prometheus as rules
from agenttrail.packs.series import notation, selector, series
from tests.engines import prometheus
from tests.engines.fixtures import required
from tests.packs._pack import RUNBOOKS, pack

FOLDER = RUNBOOKS / "rules" / "prometheus"


@pytest.fixture(scope="module")
def programs() -> prometheus.Programs:
    with required():
        return prometheus.prepare()


def test_every_rule_has_its_tests() -> None:
    """A hit and a miss of each that speaks of metrics; scan's are below."""
    written = [yaml.safe_load(path.read_text()) for path in FOLDER.glob("tests-*.yaml")]
    names = sorted(test["name"] for each in written for test in each["tests"])
    wanted = [a.rule.slug for a in pack().anomalies if a.rule.prometheus]
    assert names == sorted(f"{slug} {case}" for slug in wanted for case in ("hit", "miss"))
    alerts = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"][0]["rules"]
    for alert in alerts:
        assert (RUNBOOKS.parent / alert["annotations"]["runbook_url"]).is_file()
        slug = alert["annotations"]["dashboard_url"].removeprefix(
            "http://localhost:3000/d/agenttrail-"
        )
        assert (RUNBOOKS.parent / "dashboards" / "grafana" / f"{slug}.json").is_file()


@pytest.mark.engine
@pytest.mark.parametrize("name", ["tests-300s.yaml", "tests-1800s.yaml"])
def test_alerts_fire_on_their_hits_and_not_on_their_misses(
    programs: prometheus.Programs, name: str
) -> None:
    """The tests that are shipped, by promtool."""
    code, said = programs.promtool_says("check", "rules", "alerts.yaml", cwd=FOLDER)
    assert code == 0, said
    code, said = programs.promtool_says("test", "rules", name, cwd=FOLDER)
    assert code == 0, said


@pytest.mark.engine
def test_a_miss_that_should_fire_fails(programs: prometheus.Programs, tmp_path: Path) -> None:
    """The tests can fail: each hit under the expectation of a miss does."""
    given = yaml.safe_load((FOLDER / "tests-300s.yaml").read_text())
    given["rule_files"] = [str(FOLDER / "alerts.yaml")]
    given["tests"] = [t for t in given["tests"] if t["name"].endswith(" hit") and "spiking" not in t["name"]]  # fmt: skip
    for test in given["tests"]:
        test["promql_expr_test"][0]["exp_samples"] = []
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(given))
    code, said = programs.promtool_says("test", "rules", "tests.yaml", cwd=tmp_path)
    assert code != 0
    assert said.count("group by (gen_ai_agent_name)") == len(given["tests"])


@pytest.mark.engine
def test_alerts_fire_on_what_scan_found(programs: prometheus.Programs, tmp_path: Path) -> None:
    """Anomaly events of each detector, counted by the sink's measures."""
    from agenttrail import fields as f
    from tests.packs._pack import anomaly_events

    measure, kinds = metrics()
    tests = []
    for slug, documents in anomaly_events().items():
        anomaly = next(a for a in pack().anomalies if a.rule.slug == slug)
        seen = series([f.from_document(d)[0] for d in documents], measure, kinds, step_s=300)
        agents = sorted({d["agenttrail"]["registry"]["agent"]["id"] for d in documents})
        assert agents == sorted(anomaly.rule.fires_for)
        tests.append(
            {
                "name": slug, "interval": "300s",
                "input_series": [{"series": selector(*key), "values": notation(v)} for key, v in seen.values.items()],
                "promql_expr_test": [
                    {
                        "expr": 'group by (alertname, gen_ai_agent_name) (last_over_time(ALERTS{alertstate="firing"}[60d]))',
                        "eval_time": f"{seen.steps * 300}s",
                        "exp_samples": [{"labels": f'{{alertname="{anomaly.alert}", gen_ai_agent_name="{agent}"}}', "value": 1} for agent in agents],
                    }
                ],
            }
        )  # fmt: skip
    whole = {"rule_files": [str(FOLDER / "alerts.yaml")], "evaluation_interval": "300s", "tests": tests}  # fmt: skip
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(whole))
    code, said = programs.promtool_says("test", "rules", "tests.yaml", cwd=tmp_path)
    assert code == 0, said


class _Hook(http.server.BaseHTTPRequestHandler):
    got: ClassVar[list[tuple[str, str]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.got += [(self.path, alert["labels"]["alertname"]) for alert in body["alerts"]]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def hook() -> Iterator[str]:
    _Hook.got.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


EXPECTED = {
    # Stage to where an alert of the channels owner, operations and security goes.
    "owner-first": ("agent-owner", "agent-owner", "security"),
    "shared": ("agent-owner", "on-call", "security"),
    "whole-rota": ("on-call", "on-call", "security"),
}


@pytest.mark.engine
@pytest.mark.parametrize("stage", EXPECTED)
def test_alertmanager_tells_the_right_people(
    programs: prometheus.Programs, hook: str, stage: str
) -> None:
    """Every alert of the pack, sent to a real Alertmanager with the routes that are shipped."""
    settings = yaml.safe_load((RUNBOOKS / "rules" / "alertmanager" / f"{stage}.yaml").read_text())
    settings["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    for receiver in settings["receivers"]:
        receiver["webhook_configs"][0]["url"] = f"{hook}/{receiver['name']}"
    alerts = rules.rules(pack(), "runbooks")["groups"][0]["rules"]
    channels = dict(zip(("owner", "operations", "security"), EXPECTED[stage], strict=True))
    wanted = {(f"/{channels[a['labels']['channel']]}", a["alert"]) for a in alerts}
    assert {path for path, _ in wanted} == {f"/{name}" for name in EXPECTED[stage]}
    # Each of another agent, or a critical one would hold back what is less severe.
    sent = [
        {"labels": {**a["labels"], "alertname": a["alert"], "gen_ai_agent_name": f"agent-{n}"}}
        for n, a in enumerate(alerts)
    ]
    with prometheus.start_alertmanager(settings) as server:
        request = urllib.request.Request(
            f"{server.url}/api/v2/alerts",
            json.dumps(sent).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200
        server.wait_for(lambda: len(set(_Hook.got)) >= len(wanted))
    assert set(_Hook.got) == wanted
