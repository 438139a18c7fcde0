"""Every query of every panel of Grafana's dashboards, of a real Prometheus and a real Elasticsearch.

Both hold a simulated month as its own pipeline delivered it: the lines in Elasticsearch, and in Prometheus
the series that scrapes of the sink `metrics` would have seen, put into its storage by promtool.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from agenttrail import fields as f
from agenttrail.cli.pack import metrics
from agenttrail.insight import events, sli
from agenttrail.packs.series import series
from agenttrail.packs.sigma import INDEX
from agenttrail.sinks._elasticsearch_template import mappings
from tests.cli._run import agenttrail
from tests.engines import _backfill, prometheus
from tests.engines import elasticsearch as es
from tests.packs import _grafana_asks as asks
from tests.packs._pack import ROOT, anomaly_events, pack
from tests.packs._samples import fill

pytestmark = pytest.mark.engine
DASHBOARDS = asks.dashboards(ROOT / "dashboards" / "grafana")
MONTH = "grafana-month"  # no data stream: of another test's template there may be one


@dataclass(frozen=True, slots=True)
class Engines:
    """Both servers, and the time that they hold."""

    prometheus: prometheus.Server
    elasticsearch: es.Server
    times: asks.Times
    folder: Path

    def ask(self, panel: dict[str, Any]) -> asks.Answer:
        return asks.ask(panel, self.prometheus, self.elasticsearch, MONTH, self.times)


@pytest.fixture(scope="module")
def engines(
    elasticsearch: es.Server, month_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engines]:
    folder = tmp_path_factory.mktemp("prometheus")
    found = folder / "anomalies.jsonl"
    done = agenttrail(month_run, "scan", "masked.jsonl", "--output", str(found))
    assert done.code in (0, 1), done.err
    lines = [
        json.loads(line)
        for path in (month_run / "masked.jsonl", found)
        for line in path.read_bytes().splitlines()
    ]
    fill(elasticsearch, MONTH, mappings(), lines)
    seen = asks.metrics_of(month_run, found)
    times = asks.Times(seen.start_s, seen.start_s + (seen.steps - 1) * seen.step_s)
    with _backfill.month(folder, seen) as server:
        yield Engines(server, elasticsearch, times, month_run)


@pytest.mark.parametrize("slug", sorted(DASHBOARDS))
def test_every_query_of_every_panel_gives_data(engines: Engines, slug: str) -> None:
    for panel in DASHBOARDS[slug]["panels"]:
        answer = engines.ask(panel)
        assert asks.has_data(answer), f"{slug}: {panel['title']}"
        if panel["title"] not in RARE:
            assert any(v for line in answer.lines for _, v in line.points), f"{slug}: {panel['title']}: nothing but nought"  # fmt: skip


# What this month has none of, and the anomaly of whose samples there is something to show.
RARE = {
    "Masking failed": "mask-failing",
    "Quarantined": "mask-failing",
    "Refused": "dead-letters-growing",
    "People far above others": "user-cost-spiking",
}


@pytest.mark.parametrize("slug", sorted(set(RARE.values())))
def test_what_the_month_has_none_of_shows_where_it_is(slug: str, tmp_path: Path) -> None:
    (anomaly,) = (a for a in pack().anomalies if a.rule.slug == slug)
    samples = anomaly.hit
    if anomaly.rule.scan:
        samples = tuple(f.from_document(d)[0] for d in anomaly_events()[slug])
    seen = series(samples, *metrics(), refused_as=anomaly.rule.refused_as, step_s=asks.STEP_S)
    times = asks.Times(seen.start_s, seen.start_s + (seen.steps - 1) * seen.step_s)
    panels = [p for d in DASHBOARDS.values() for p in d["panels"] if RARE.get(p["title"]) == slug]
    assert panels
    with _backfill.month(tmp_path, seen) as server:
        for panel in panels:
            answer = asks.of_metrics(panel, server, times)
            assert any(v > 0 for line in answer.lines for _, v in line.points), panel["title"]


def test_a_panel_that_asks_for_a_metric_that_is_none_has_no_data(engines: Engines) -> None:
    panel = copy.deepcopy(DASHBOARDS["cost"]["panels"][0])
    panel["targets"][0]["expr"] = panel["targets"][0]["expr"].replace("agenttrail_cost_total", "agenttrail_costs_total")  # fmt: skip
    assert not asks.has_data(engines.ask(panel))


def test_a_chosen_agent_is_the_only_one_on_panels_of_events(engines: Engines) -> None:
    seen = 0
    for each in DASHBOARDS.values():
        for panel in each["panels"]:
            if "bucketAggs" not in panel["targets"][0]:
                continue
            answer = asks.of_events(panel, engines.elasticsearch, MONTH, engines.times, "sales")
            named = {dict(line.labels).get(f.REGISTRY_AGENT_ID) for line in answer.lines}
            assert named <= {None, "sales"}, panel["title"]
            seen += "sales" in named
    assert seen > 2


def test_numbers_are_those_of_the_lines(engines: Engines) -> None:
    """Shares and sums over the whole month, as `agenttrail slo show` has them."""
    with events.opened([str(engines.folder / "masked.jsonl")]) as db:
        (sums,) = sli.slis(db, ())
    shown = {
        p["title"]: p for slug in ("agent-quality", "cost") for p in DASHBOARDS[slug]["panels"]
    }
    for title, wanted in (
        ("Task success", sums.success),
        ("Escalation rate", sums.escalation),
        ("Failed work", sums.failed_work),
        ("Tool calls of a task", sums.calls_per_task),
        ("Cost of a task", sums.cost_per_task),
    ):
        ((value,),) = [line.points for line in engines.ask(shown[title]).lines]
        assert value[1] == pytest.approx(wanted, rel=1e-6), title


def test_the_index_that_the_data_source_names_is_the_data_streams() -> None:
    file = ROOT / "dashboards/grafana/provisioning/datasources/agenttrail.yaml"
    sources = {each["type"]: each for each in yaml.safe_load(file.read_text())["datasources"]}
    assert sources["elasticsearch"]["jsonData"]["index"] == INDEX
    assert sources["elasticsearch"]["jsonData"]["timeField"] == f.TIMESTAMP
    assert sources.keys() == {"elasticsearch", "prometheus"}


def test_a_cell_without_an_answer_is_no_number() -> None:
    panel = {"targets": [{"legendFormat": "Calls"}, {"legendFormat": "Success"}]}
    one, other = (("agent", "a"),), (("agent", "b"),)
    answer = asks.Answer([[asks.Line("", one, ((0, 1.0),)), asks.Line("", other, ((0, 2.0),))], [asks.Line("", one, ((0, 0.5),))]])  # fmt: skip
    columns, rows = asks.rows_of(panel, answer)
    assert columns == ["agent", "Calls", "Success"]
    assert rows[0] == ["a", 1.0, 0.5]
    assert rows[1][:2] == ["b", 2.0]
    assert rows[1][2] != rows[1][2]
