"""Kibana's dashboards: their shape key by key, and every chart's question against a real Elasticsearch.

Kibana itself is in no registry that tests reach. What it would ask is asked instead: a chart's columns as
the aggregation that Kibana makes of them, ES|QL as it stands; of a simulated month and what `agenttrail
scan` found in it, the samples of what a sound month lacks, and a log that cannot be read.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agenttrail import fields as f
from agenttrail.insight import events, sli
from agenttrail.packs.sigma import INDEX
from agenttrail.sinks._elasticsearch_template import mappings
from tests.cli._run import agenttrail
from tests.engines import elasticsearch as es
from tests.packs import _kibana_shape as shape
from tests.packs._lens_asks import Times, charts, rows
from tests.packs._pack import ROOT, RUNBOOKS, pack
from tests.packs._samples import fill
from tests.packs._shape import ShapeError, check

FILE = ROOT / "dashboards" / "kibana" / "agenttrail.ndjson"
TIMES = Times("2026-01-01T00:00:00Z", "2026-12-31T23:59:59Z")
MONTH = f"logs-{f.DATASET}-default"
# What a sound month has none of, so that the samples of these anomalies are looked at too.
_SAMPLED = ("mask-failing", "approval-missing")


def objects() -> list[dict[str, Any]]:
    return [json.loads(line) for line in FILE.read_text().splitlines()]


def dashboards() -> list[dict[str, Any]]:
    return [each for each in objects() if each["type"] == "dashboard"]


def _check(each: dict[str, Any]) -> None:
    """The whole of one saved object, with what it keeps as text."""
    check(each, shape.OBJECT, each["id"])
    if each["type"] == "index-pattern":
        check(each["attributes"], shape.DATA_VIEW, each["id"])
        return
    attributes = each["attributes"]
    check(attributes, shape.DASHBOARD, each["id"])
    source = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
    check(source, shape.SEARCH_SOURCE, "searchSourceJSON")
    check(json.loads(attributes["optionsJSON"]), shape.OPTIONS, "optionsJSON")
    group = attributes["controlGroupInput"]
    check(json.loads(group["ignoreParentSettingsJSON"]), shape.IGNORED, "ignoreParentSettingsJSON")
    check(json.loads(group["panelsJSON"]), {"*": shape.CONTROL}, "controls")
    for panel in json.loads(attributes["panelsJSON"]):
        where = f"{each['id']}: {panel['embeddableConfig'].get('title', panel['type'])}"
        check(panel, shape.PANELS[panel["type"]], where)
        if panel["type"] == "lens":
            chart = panel["embeddableConfig"]["attributes"]
            kind = chart["visualizationType"]
            check(chart["state"]["visualization"], shape.VISUALIZATIONS[kind], where)


def test_every_object_is_of_kibanas_shape() -> None:
    assert [each["type"] for each in objects()] == ["index-pattern"] + ["dashboard"] * 8
    for each in objects():
        _check(each)


def _in_panels(change: Callable[[list[dict[str, Any]]], None]) -> Callable[[dict[str, Any]], None]:
    def changed(dashboard: dict[str, Any]) -> None:
        panels = json.loads(dashboard["attributes"]["panelsJSON"])
        change([each for each in panels if each["type"] == "lens"])
        dashboard["attributes"]["panelsJSON"] = json.dumps(panels)

    return changed


def _column(panels: list[dict[str, Any]]) -> dict[str, Any]:
    state = panels[0]["embeddableConfig"]["attributes"]["state"]
    (layer,) = state["datasourceStates"]["formBased"]["layers"].values()
    column: dict[str, Any] = next(iter(layer["columns"].values()))
    return column


@pytest.mark.parametrize(
    "change, problem",
    [
        (lambda d: d.update(migrationVersion={}), "'migrationVersion' is unknown"),
        (lambda d: d["attributes"].pop("timeRestore"), "'timeRestore' is missing"),
        (lambda d: d["attributes"].update(optionsJSON="{}"), "'hidePanelTitles' is missing"),
        (_in_panels(lambda p: p[0].pop("panelIndex")), "'panelIndex' is missing"),
        (_in_panels(lambda p: p[0]["gridData"].update(z=1)), "'z' is unknown"),
        (_in_panels(lambda p: _column(p).update(field="x")), "'field' is unknown"),
        (_in_panels(lambda p: _column(p)["params"].pop("emptyAsNull")), "'emptyAsNull' is missing"),
        (_in_panels(lambda p: _column(p).update(isBucketed=True)), "True is none of"),
    ],
)
def test_the_shape_refuses_what_kibana_does_not_know(
    change: Callable[[dict[str, Any]], None], problem: str
) -> None:
    dashboard = copy.deepcopy(dashboards()[0])
    change(dashboard)
    with pytest.raises(ShapeError, match=problem):
        _check(dashboard)


def test_what_is_referred_to_is_in_the_file() -> None:
    """By every name that Kibana resolves references by: panel, layer, control, link."""
    there = {(each["type"], each["id"]) for each in objects()}
    for each in dashboards():
        names = {reference["name"] for reference in each["references"]}
        assert len(names) == len(each["references"])
        assert {(r["type"], r["id"]) for r in each["references"]} <= there
        wanted = set()
        for panel in json.loads(each["attributes"]["panelsJSON"]):
            index, inner = panel["panelIndex"], panel["embeddableConfig"]
            if panel["type"] == "lens":
                wanted |= {f"{index}:{r['name']}" for r in inner["attributes"]["references"]}
            elif panel["type"] == "links":
                links = inner["attributes"]["links"]
                wanted |= {f"{index}:{link['destinationRefName']}" for link in links}
        controls = json.loads(each["attributes"]["controlGroupInput"]["panelsJSON"])
        wanted |= {f"controlGroup_{index}:optionsListDataView" for index in controls}
        assert names == wanted


def test_panels_lie_side_by_side() -> None:
    """Nothing overlaps, nothing is beyond 48 columns, ids are unique."""
    seen: set[str] = set()
    for each in dashboards():
        taken: set[tuple[int, int]] = set()
        for panel in json.loads(each["attributes"]["panelsJSON"]):
            place = panel["gridData"]
            assert place["i"] == panel["panelIndex"] not in seen
            seen.add(place["i"])
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert max(x for x, _ in cells) < 48
            assert not cells & taken
            taken |= cells


def test_a_dashboard_links_to_the_runbooks_of_what_it_shows() -> None:
    for each in dashboards():
        slug = each["id"].removeprefix("agenttrail-")
        panels = json.loads(each["attributes"]["panelsJSON"])
        (text,) = (p for p in panels if p["type"] == "visualization")
        markdown = text["embeddableConfig"]["savedVis"]["params"]["markdown"]
        for anomaly in pack().anomalies:
            page = f"[{anomaly.alert}](runbooks/anomalies/{anomaly.rule.slug}/README.md)"
            assert (page in markdown) == (slug in anomaly.rule.dashboards)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture(scope="module")
def filled(
    elasticsearch_esql: es.Server, month_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> es.Server:
    """The month in one index, and what it lacks in another."""
    found = tmp_path_factory.mktemp("found") / "anomalies.jsonl"
    done = agenttrail(month_run, "scan", "masked.jsonl", "--output", str(found))
    assert done.code in (0, 1), done.err
    fill(elasticsearch_esql, MONTH, mappings(), _lines(month_run / "masked.jsonl") + _lines(found))
    broken = tmp_path_factory.mktemp("broken")
    (broken / "in.jsonl").write_text('{"not closed\n')
    os.utime(broken / "in.jsonl", (1_790_000_000, 1_790_000_000))  # the only time that it has
    (broken / "pipeline.yaml").write_text(
        "sources: [{type: file, paths: [in.jsonl]}]\nformat: claude_code\nsinks: [{type: jsonl, path: out.jsonl}]\n"
    )
    assert agenttrail(broken, "run", "-c", "pipeline.yaml").code == 0
    samples = [
        d for s in _SAMPLED for d in _lines(RUNBOOKS / "anomalies" / s / "hit.jsonl")
    ]  # fmt: skip
    fill(elasticsearch_esql, f"{MONTH}-rare", mappings(), _lines(broken / "out.jsonl") + samples)
    return elasticsearch_esql


@pytest.mark.engine
def test_every_chart_has_data(filled: es.Server) -> None:
    """A number above nought somewhere in each chart of each dashboard."""
    seen = 0
    for each in dashboards():
        for title, chart in charts(each):
            found = rows(filled, chart, INDEX, TIMES)
            assert any(number > 0 for row in found for number in row), f"{each['id']}: {title}"
            seen += 1
    assert seen > 60


@pytest.mark.engine
def test_numbers_are_those_of_slo_show(filled: es.Server, month_run: Path) -> None:
    """Shares, and cost, tokens and calls of a task, over the month alone."""
    with events.opened([str(month_run / "masked.jsonl")]) as db:
        (sums,) = sli.slis(db, ())
    (quality,) = (each for each in dashboards() if each["id"] == "agenttrail-agent-quality")
    asked = dict(charts(quality))
    for title, wanted in (
        ("Task success", sums.success),
        ("Escalation rate", sums.escalation),
        ("Failed work", sums.failed_work),
        ("Reviews in time", sums.reviews_in_time),
        ("Cost of a task", sums.cost_per_task),
        ("Tokens of a task", sums.tokens_per_task),
        ("Tool calls of a task", sums.calls_per_task),
        ("Tasks ended", sums.ended),
    ):
        chart = json.loads(json.dumps(asked[title]).replace(INDEX, MONTH))
        assert rows(filled, chart, MONTH, TIMES) == [[pytest.approx(wanted)]], title
