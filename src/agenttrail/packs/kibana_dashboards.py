"""Kibana's dashboards: saved objects for its import, one line of JSON each.

A data view on the data stream `logs-agenttrail.audit-*`, and a dashboard of each subject, whose charts stand
in it by value. Every dashboard begins with links to the others and to the runbooks of what it shows, and has
controls for agent and department. Ids are the same in every build, so that a later import takes the place of
an earlier one.

Source: the dashboards of elastic/integrations and elastic/endpoint-package with `typeMigrationVersion` 10.2.0
(Kibana 8.18 and 8.19 write it, later ones migrate it); data views of 8.0.0. Of ES|QL panels: 10.3.0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agenttrail import fields as f
from agenttrail.packs import _lens
from agenttrail.packs._kibana_panels import PANELS, Panel
from agenttrail.packs.anomalies import Pack
from agenttrail.packs.kibana_rules import dashboard_id
from agenttrail.packs.sigma import INDEX

DATA_VIEW = "agenttrail-events"
_CORE_MIGRATION = "8.8.0"
_DASHBOARD_MIGRATION = "10.2.0"
_DATA_VIEW_MIGRATION = "8.0.0"
_COLUMNS = 48
_LINKS_HEIGHT, _TEXT_HEIGHT = 3, 5
_OPTIONS = {
    "hidePanelTitles": False, "syncColors": False, "syncCursor": True, "syncTooltips": False,
    "useMargins": True,
}  # fmt: skip
_NO_QUERY = {"filter": [], "query": {"language": "kuery", "query": ""}}
_CONTROLS = ((f.REGISTRY_AGENT_ID, "Agent"), (f.REGISTRY_DEPARTMENT, "Department"))


@dataclass(frozen=True, slots=True)
class Title:
    """What a dashboard is called, and what it is for, in one sentence."""

    title: str
    description: str


TITLES = {
    "fleet-overview": Title("Fleet overview", "All agents at a glance: who works, on what, at what cost."),
    "agent-quality": Title("Agent quality", "Service level indicators of agents: success, escalations, failed work."),
    "cost": Title("Cost", "Money and tokens by agent, department, model and task; budgets."),
    "approvals": Title("Approvals and reviewers", "What needs a person, how long it takes, and what went past."),
    "security-audit": Title("Security audit", "Anomalies, and what agents did beyond what they may."),
    "privacy": Title("Privacy", "What is masked, of which kind, where, and whether that changes."),
    "pipeline-health": Title("Pipeline health", "Whether the record is whole: sources, formats, unreadable lines."),
    "task-story": Title("Task story", "Step by step what happened in a task."),
}  # fmt: skip


def ndjson(pack: Pack, runbooks: str) -> str:
    """The data view and all dashboards."""
    objects = [_data_view(), *(_dashboard(slug, pack, runbooks) for slug in PANELS)]
    return "".join(json.dumps(each, ensure_ascii=False, sort_keys=True) + "\n" for each in objects)


def _data_view() -> dict[str, Any]:
    return {
        "attributes": {
            "allowHidden": False,
            "fieldAttrs": "{}",
            "fieldFormatMap": "{}",
            "fields": "[]",
            "name": "agenttrail events",
            "runtimeFieldMap": "{}",
            "sourceFilters": "[]",
            "timeFieldName": f.TIMESTAMP,
            "title": INDEX,
        },
        "coreMigrationVersion": _CORE_MIGRATION,
        "id": DATA_VIEW,
        "managed": False,
        "references": [],
        "type": "index-pattern",
        "typeMigrationVersion": _DATA_VIEW_MIGRATION,
    }


def _dashboard(slug: str, pack: Pack, runbooks: str) -> dict[str, Any]:
    panels, references = _panels(slug, pack, runbooks)
    controls, control_references = _controls(slug)
    named = TITLES[slug]
    return {
        "attributes": {
            "controlGroupInput": controls,
            "description": named.description,
            "kibanaSavedObjectMeta": {"searchSourceJSON": _text(_NO_QUERY)},
            "optionsJSON": _text(_OPTIONS),
            "panelsJSON": _text(panels),
            "refreshInterval": {"pause": True, "value": 60000},
            "timeFrom": "now-7d/d",
            "timeRestore": True,
            "timeTo": "now",
            "title": f"[agenttrail] {named.title}",
            "version": 2,
        },
        "coreMigrationVersion": _CORE_MIGRATION,
        "id": dashboard_id(slug),
        "managed": False,
        "references": references + control_references,
        "type": "dashboard",
        "typeMigrationVersion": _DASHBOARD_MIGRATION,
    }


def _panels(
    slug: str, pack: Pack, runbooks: str
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """The panels from top to bottom, and what they refer to."""
    links, references = _links(slug)
    made = [links, _runbook_text(slug, pack, runbooks)]
    x, y, row_height = 0, _LINKS_HEIGHT + _TEXT_HEIGHT, 0
    for panel in PANELS[slug]:
        if x + panel.width > _COLUMNS:
            x, y, row_height = 0, y + row_height, 0
        index = _lens.made_id(slug, panel.title)
        chart = _lens.attributes(panel.chart, panel.asked, view=DATA_VIEW, index=INDEX, seed=index)
        made.append(_panel(index, "lens", x, y, panel, _lens_config(panel, chart)))
        references += [each | {"name": f"{index}:{each['name']}"} for each in chart["references"]]
        x, row_height = x + panel.width, max(row_height, panel.height)
    return made, references


def _panel(
    index: str, kind: str, x: int, y: int, size: Panel | tuple[int, int], config: Mapping[str, Any]
) -> dict[str, Any]:
    width, height = (size.width, size.height) if isinstance(size, Panel) else size
    return {
        "embeddableConfig": dict(config),
        "gridData": {"h": height, "i": index, "w": width, "x": x, "y": y},
        "panelIndex": index,
        "type": kind,
    }


def _lens_config(panel: Panel, chart: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "attributes": dict(chart),
        "description": panel.description,
        "enhancements": {"dynamicActions": {"events": []}},
        "hidePanelTitles": False,
        "syncColors": False,
        "syncCursor": True,
        "syncTooltips": False,
        "title": panel.title,
    }


def _links(slug: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Links to the other dashboards, which keep the time that is looked at."""
    index = _lens.made_id(slug, "links")
    links, references = [], []
    for order, other in enumerate(each for each in PANELS if each != slug):
        link = _lens.made_id(slug, "link", other)
        name = f"link_{link}_dashboard"
        links.append(
            {
                "destinationRefName": name,
                "id": link,
                "label": TITLES[other].title,
                "options": {"openInNewTab": False, "useCurrentDateRange": True, "useCurrentFilters": False},
                "order": order,
                "type": "dashboardLink",
            }
        )  # fmt: skip
        references.append(
            {"id": dashboard_id(other), "name": f"{index}:{name}", "type": "dashboard"}
        )
    config = {"attributes": {"layout": "horizontal", "links": links}, "enhancements": {}}
    return _panel(index, "links", 0, 0, (_COLUMNS, _LINKS_HEIGHT), config), references


def _runbook_text(slug: str, pack: Pack, runbooks: str) -> dict[str, Any]:
    shown = [each for each in pack.anomalies if slug in each.rule.dashboards]
    pages = [f"[{a.alert}]({runbooks}/{a.rule.slug}/README.md)" for a in shown]
    text = TITLES[slug].description
    if pages:
        text += f"\n\nRunbooks of what shows here: {', '.join(pages)}"
    index = _lens.made_id(slug, "runbooks")
    saved = {
        "data": {"aggs": [], "searchSource": _NO_QUERY},
        "description": "",
        "params": {"fontSize": 12, "markdown": text, "openLinksInNewTab": False},
        "title": "",
        "type": "markdown",
        "uiState": {},
    }  # fmt: skip
    config = {
        "enhancements": {"dynamicActions": {"events": []}},
        "hidePanelTitles": True,
        "savedVis": saved,
    }
    return _panel(index, "visualization", 0, _LINKS_HEIGHT, (_COLUMNS, _TEXT_HEIGHT), config)


def _controls(slug: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    panels, references = {}, []
    for order, (field, title) in enumerate(_CONTROLS):
        index = _lens.made_id(slug, "control", field)
        panels[index] = {
            "explicitInput": {
                "dataViewId": DATA_VIEW,
                "exclude": False,
                "existsSelected": False,
                "fieldName": field,
                "id": index,
                "searchTechnique": "prefix",
                "selectedOptions": [],
                "sort": {"by": "_count", "direction": "desc"},
                "title": title,
            },
            "grow": False,
            "order": order,
            "type": "optionsListControl",
            "width": "medium",
        }
        references.append(
            {"id": DATA_VIEW, "name": f"controlGroup_{index}:optionsListDataView", "type": "index-pattern"}
        )  # fmt: skip
    ignored = ("ignoreFilters", "ignoreQuery", "ignoreTimerange", "ignoreValidations")
    group = {
        "chainingSystem": "HIERARCHICAL",
        "controlStyle": "oneLine",
        "ignoreParentSettingsJSON": _text(dict.fromkeys(ignored, False)),
        "panelsJSON": _text(panels),
        "showApplySelections": False,
    }
    return group, references


def _text(value: Any) -> str:
    """Kibana keeps these parts as text."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
