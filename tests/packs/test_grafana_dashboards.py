"""Grafana's dashboards: their shape key by key, their places, their links, and what they ask for."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from agenttrail import fields as f
from agenttrail.cli.pack import metrics
from agenttrail.packs import exports
from agenttrail.packs._grafana_panels import EVENTS, PROMQL, PromPanel, filled, panels
from agenttrail.packs._kibana_panels import PANELS
from agenttrail.packs._lens import Question
from agenttrail.packs.grafana_dashboards import anomalies, column_of, of_all, uid
from agenttrail.packs.kibana_dashboards import TITLES
from agenttrail.packs.series import LAG, OUTCOMES, name_of
from tests.engines import prometheus
from tests.packs._grafana_asks import dashboards
from tests.packs._grafana_shape import DASHBOARD
from tests.packs._pack import ROOT, pack
from tests.packs._shape import ShapeError, check

GRAFANA = ROOT / "dashboards" / "grafana"
SHIPPED = dashboards(GRAFANA)


def test_every_dashboard_is_of_grafanas_shape() -> None:
    assert SHIPPED.keys() == TITLES.keys() == PROMQL.keys() == EVENTS.keys()
    assert {p.stem for p in GRAFANA.glob("*.json")} == SHIPPED.keys()
    for slug, each in SHIPPED.items():
        check(each, DASHBOARD, slug)
        assert each["uid"] == uid(slug)


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "an unknown key": (lambda d: d["panels"][0].update(tooltips={}), "'tooltips' is unknown"),
    "a missing title": (lambda d: d["panels"][0].pop("title"), "'title' is missing"),
    "a missing query": (lambda d: d["panels"][0]["targets"][0].pop("expr"), "'expr' is missing"),
    "an unknown aggregation": (lambda d: d["panels"][-1]["targets"][0]["metrics"][0].update(type="median"), "'median' is none of"),
    "a data source by name": (lambda d: d["panels"][0].update(datasource="Prometheus"), "is no object"),
    "an unknown variable": (lambda d: d["templating"]["list"][0].update(type="interval"), "'interval' is none of"),
    "another version": (lambda d: d.update(schemaVersion=16), "16 is none of"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_the_shape_refuses_what_grafana_does_not_know(change: str) -> None:
    changed = copy.deepcopy(SHIPPED["cost"])
    change_it, problem = CHANGES[change]
    change_it(changed)
    with pytest.raises(ShapeError, match=re.escape(problem)):
        check(changed, DASHBOARD)


def test_panels_lie_side_by_side() -> None:
    """Within the grid, no two in one place."""
    for slug, each in SHIPPED.items():
        taken: set[tuple[int, int]] = set()
        for panel in each["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}  # fmt: skip
            assert at["x"] + at["w"] <= 24, (slug, panel["title"])
            assert not cells & taken, (slug, panel["title"])
            taken |= cells


def test_a_panel_says_what_it_shows_in_its_unit() -> None:
    for slug, each in SHIPPED.items():
        titles = [panel["title"] for panel in each["panels"]]
        assert len(set(titles)) == len(titles), slug
        ids = [panel["id"] for panel in each["panels"]]
        assert len(set(ids)) == len(ids), slug
        for panel in each["panels"]:
            assert panel["description"].endswith("."), panel["title"]


def test_columns_of_events_have_the_unit_of_their_field() -> None:
    def units(slug: str, title: str) -> dict[str, str]:
        (panel,) = (p for p in SHIPPED[slug]["panels"] if p["title"] == title)
        over = panel["fieldConfig"]["overrides"]
        return {o["matcher"]["options"]: o["properties"][0]["value"] for o in over}

    assert units("pipeline-health", "Last event of each agent") == {"Last event": "dateTimeAsIso"}
    assert units("agent-quality", "Tasks by agent") == {"Cost": "currencyUSD"}
    assert set(units("approvals", "Channels").values()) == {"ms"}


def test_a_panel_links_to_the_runbooks_of_what_it_shows() -> None:
    for slug, each in SHIPPED.items():
        for panel, shipped in zip(panels(slug), each["panels"], strict=True):
            linked = [link["url"] for link in shipped.get("links", ())]
            assert linked == [f"runbooks/anomalies/{a}/README.md" for a in anomalies(slug, panel)]
            assert all((ROOT / link).is_file() for link in linked), shipped["title"]


def test_every_anomaly_shows_on_the_dashboards_that_its_rule_names() -> None:
    """Both ways: no dashboard shows what its rule does not name."""
    shown: dict[str, set[str]] = {}
    for slug in PROMQL:
        for panel in panels(slug):
            for each in anomalies(slug, panel):
                shown.setdefault(each, set()).add(slug)
    assert shown == {a.rule.slug: set(a.rule.dashboards) for a in pack().anomalies}


def test_alerts_are_marked_on_the_dashboards_of_their_anomaly() -> None:
    for slug, each in SHIPPED.items():
        (mark,) = each["annotations"]["list"]
        named = set(re.search(r'alertname=~"([^"]+)"', mark["expr"])[1].split("|"))  # type: ignore[index]
        assert named == {a.alert for a in pack().anomalies if slug in a.rule.dashboards}


def _metrics() -> set[str]:
    _, kinds = metrics()
    parts = {"counter": ("",), "histogram": ("sum", "count")}
    names = {name_of(m, k, part) for m, k in kinds.items() for part in parts[k.kind]}
    return {*names, LAG, OUTCOMES, "agenttrail_pipeline_lines_total"}


def test_every_metric_that_is_asked_for_exists() -> None:
    known = _metrics()
    for slug, all_of in PROMQL.items():
        for panel in all_of:
            for query in panel.queries:
                named = set(re.findall(r"\b((?:agenttrail|gen_ai)_[a-z_]+?)(?=[{\[]| offset| unless| or|\)|$)", query.expr))  # fmt: skip
                named |= set(re.findall(r"^agenttrail_[a-z_]+$", query.expr))
                labels = {w for w in named if re.search(rf"by \([^)]*\b{w}\b", query.expr)}
                assert named - labels <= known, (slug, panel.title, named - labels - known)


@pytest.mark.engine
def test_every_expression_is_promql(tmp_path: Path) -> None:
    """promtool takes each as the expression of a recording rule."""
    exprs = [filled(q.expr) for all_of in PROMQL.values() for p in all_of for q in p.queries]
    rules = [{"record": f"checked:{n}:expr".replace("-", "_"), "expr": e} for n, e in enumerate(exprs)]  # fmt: skip
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))  # fmt: skip
    code, said = prometheus.prepare().promtool_says("check", "rules", "rules.yaml", cwd=tmp_path)
    assert code == 0, said
    assert f"{len(exprs)} rules found" in said


def test_what_is_asked_of_events_is_a_question_of_kibanas_dashboards() -> None:
    for slug, titles in EVENTS.items():
        named = {panel.title: panel for panel in PANELS[slug]}
        assert titles.keys() <= named.keys(), slug
        for title in titles:
            asked = named[title].asked
            assert isinstance(asked, Question), title
            measured = of_all(asked)
            assert measured, title
            assert len({column_of(metric, measured) for metric in measured}) == len(measured), title
            for metric in measured:
                assert not metric.field or metric.field in f.FIELDS, title


def test_provisioning_files_name_what_the_dashboards_need() -> None:
    folder = GRAFANA / "provisioning"
    (provider,) = yaml.safe_load((folder / "dashboards" / "agenttrail.yaml").read_text())["providers"]  # fmt: skip
    assert provider["type"] == "file"
    assert provider["options"]["path"].startswith("/")
    sources = yaml.safe_load((folder / "datasources" / "agenttrail.yaml").read_text())["datasources"]  # fmt: skip
    wanted = {v["query"] for v in SHIPPED["cost"]["templating"]["list"] if v["type"] == "datasource"}  # fmt: skip
    assert {each["type"] for each in sources} == wanted
    assert all(each["url"].startswith("http://localhost:") for each in sources)


def test_shipped_dashboards_are_those_of_a_fresh_build() -> None:
    made = exports.dashboards(pack(), "runbooks/anomalies", ("grafana",))
    assert len(made) == len(SHIPPED)
    for name, text in made.items():
        assert (ROOT / "dashboards" / name).read_text() == text, name
        json.loads(text)


def test_variables_are_put_in_as_grafana_does() -> None:
    text = 'sum(increase(x{a=~"$agent", d=~"$department"}[$__range])) / sum(rate(x[$__interval]))'
    made = filled(text, agent="a|b", department=".*", interval="60s", range="1h")
    assert made == 'sum(increase(x{a=~"a|b", d=~".*"}[1h])) / sum(rate(x[60s]))'
    panel = PROMQL["cost"][0]
    assert isinstance(panel, PromPanel)
    assert "$" not in filled(panel.queries[0].expr)
