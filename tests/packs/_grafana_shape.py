"""Shapes of Grafana's dashboards: every key that may stand there, and every one that must.

Taken from grafana/grafana, read in 2026: `kinds/dashboard/dashboard_kind.cue`, commit 00139e84 (dashboard, panel,
field configuration, links, grid, transformations); `devenv/dev-dashboards/datasource-elasticsearch/
elasticsearch_simple.json`, commit 2a2a6bea (queries of the Elasticsearch data source, options of a chart over
time); and from the models of grafana-foundation-sdk 1769699379!11.6.0, which Grafana makes of its schemas of
version 11.6: what its variables, queries of Prometheus and links have.
"""

from __future__ import annotations

import re
from typing import Any

_TEXT = re.compile(r"\S.*", re.DOTALL)
_NUMBER = re.compile(r"[0-9]+")
_REF = re.compile(r"[A-Z]")


def _source(kind: str) -> dict[str, Any]:
    return {"type": {kind}, "uid": {"${" + kind + "}"}}


LINK = {
    "title": _TEXT, "type": {"link", "dashboards"}, "icon": str, "tooltip": str, "tags": [str], "url?": _TEXT,
    "asDropdown": bool, "targetBlank": bool, "includeVars": bool, "keepTime": bool,
}  # fmt: skip
_VARIABLE = {
    "name": _TEXT, "label": _TEXT, "skipUrlSync": bool, "multi": bool, "allowCustomValue": bool, "includeAll": bool,
    "auto": bool, "auto_min": str, "auto_count": int,
}  # fmt: skip
VARIABLE = (
    {**_VARIABLE, "type": {"datasource"}, "query": {"prometheus", "elasticsearch"}},
    {
        **_VARIABLE, "type": {"query"}, "query": {"query": _TEXT, "refId": _TEXT}, "datasource": _source("prometheus"),
        "current": {"text": str, "value": str, "selected": bool}, "refresh": {1, 2}, "sort": int, "allValue": str,
    },
)  # fmt: skip
ANNOTATION = {
    "name": _TEXT, "datasource": _source("prometheus"), "enable": bool, "iconColor": _TEXT, "hide": bool, "builtIn": {0},
    "expr": _TEXT,
}  # fmt: skip
METRIC = {
    "id": _NUMBER, "type": {"count", "sum", "avg", "min", "max", "percentiles", "cardinality"}, "field?": _TEXT,
    "settings?": {"percents": [_NUMBER]},
}  # fmt: skip
BUCKET = (
    {
        "id": _NUMBER, "type": {"terms"}, "field": _TEXT,
        "settings": {"min_doc_count": _NUMBER, "order": {"asc", "desc"}, "orderBy": _TEXT, "size": _NUMBER},
    },
    {
        "id": _NUMBER, "type": {"date_histogram"}, "field": {"@timestamp"},
        "settings": {"interval": _TEXT, "min_doc_count": _NUMBER, "trimEdges": _NUMBER},
    },
)  # fmt: skip
OF_METRICS = {
    "refId": _REF, "datasource": _source("prometheus"), "expr": _TEXT, "legendFormat": _TEXT, "instant": bool,
    "range": bool, "format?": {"table", "time_series"},
}  # fmt: skip
OF_EVENTS = {
    "refId": _REF, "datasource": _source("elasticsearch"), "query": _TEXT, "timeField": {"@timestamp"},
    "metrics": [METRIC], "bucketAggs": [BUCKET],
}  # fmt: skip
CUSTOM = {
    "drawStyle": {"line", "bars", "points"}, "lineWidth": (int, float), "fillOpacity": (int, float), "spanNulls?": bool,
    "stacking?": {"mode": {"none", "normal", "percent"}, "group": str},
}  # fmt: skip
OPTIONS = {
    "legend": {"displayMode": {"list", "table"}, "placement": {"bottom", "right"}, "showLegend": bool, "calcs": [str]},
    "tooltip": {"mode": {"single", "multi", "none"}, "sort": {"asc", "desc", "none"}},
}  # fmt: skip
TRANSFORMATION = (
    {"id": {"merge"}, "options": {}},
    {"id": {"organize"}, "options": {"excludeByName": {"*": bool}, "indexByName": {"*": int}, "renameByName": {"*": str}}},
)  # fmt: skip
OVERRIDE = {
    "matcher": {"id": {"byName"}, "options": _TEXT},
    "properties": [{"id": {"unit"}, "value": _TEXT}],
}  # fmt: skip
_PANEL = {
    "id": int, "title": _TEXT, "description": _TEXT, "transparent": bool, "links?": [LINK], "repeatDirection": {"h", "v"},
    "gridPos": {"h": int, "w": int, "x": int, "y": int}, "interval?": re.compile(r"[0-9]+[smhd]"),
    "fieldConfig": {"defaults": {"unit": _TEXT, "custom?": CUSTOM}, "overrides": [OVERRIDE]},
    "type": {"stat", "timeseries", "bargauge", "barchart", "table"}, "options?": OPTIONS,
    "transformations?": [TRANSFORMATION],
}  # fmt: skip
PANEL = (
    {**_PANEL, "datasource": _source("prometheus"), "targets": [OF_METRICS]},
    {**_PANEL, "datasource": _source("elasticsearch"), "targets": [OF_EVENTS]},
)
DASHBOARD = {
    "uid": re.compile(r"[a-z-]{8,40}"), "title": _TEXT, "description": _TEXT, "tags": [_TEXT], "timezone": {"browser", "utc"},
    "editable": bool, "graphTooltip": {0, 1, 2}, "time": {"from": _TEXT, "to": _TEXT}, "fiscalYearStartMonth": int,
    "refresh": _TEXT, "schemaVersion": {41}, "panels": [PANEL], "templating": {"list": [VARIABLE]},
    "annotations": {"list": [ANNOTATION]}, "links": [LINK],
}  # fmt: skip
