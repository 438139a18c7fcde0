"""Shapes of Kibana's saved objects: every key that may stand there, and every one that must.

Taken from what Elastic ships, read in 2026 (which keys stand always, which sometimes):

- elastic/endpoint-package, commit 19941229, both dashboards (`typeMigrationVersion` 10.2.0, parts as text,
  as Kibana keeps and exports them);
- elastic/integrations: `aws_bedrock`, the overview (10.2.0: controls, links, sums), commit 21df2225;
  `aws_bedrock_agentcore`, the code interpreter (10.3.0: ES|QL charts), commit 811c7f04; `system` (8.9.0:
  numbers of every kind, Markdown) as copied into elastic/elastic-package, commit 6371beee;
- elastic/kibana: the schema of a dashboard's attributes, which its import validates against (model
  version 2 is `typeMigrationVersion` 10.2.0), commit 353fb1c2;
- data views: exports of Kibana 8 and 9, `typeMigrationVersion` 8.0.0.

`percentile` and `median` are in none of these dashboards; their columns are as Lens's definitions of these
operations in elastic/kibana build them (commits 039846d2, 0d321280).
"""

from __future__ import annotations

import re
from typing import Any

from tests.packs._shape import check

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TEXT = re.compile(r"\S.*", re.DOTALL)
_EMPTY = (lambda value: value == [], lambda value: value == {})
_NONE: Any = lambda value: value in ([], {})  # noqa: E731

REFERENCE = {"id": _TEXT, "name": _TEXT, "type": {"index-pattern", "dashboard", "tag"}}
OBJECT = {
    "attributes": dict,
    "coreMigrationVersion": {"8.8.0"},
    "created_at?": str,
    "id": _TEXT,
    "managed?": bool,
    "references": [REFERENCE],
    "type": {"dashboard", "index-pattern"},
    "typeMigrationVersion": {"10.2.0", "8.0.0"},
}
DATA_VIEW = {
    "allowHidden": bool,
    "fieldAttrs": {"{}"},
    "fieldFormatMap": {"{}"},
    "fields": {"[]"},
    "name": _TEXT,
    "runtimeFieldMap": {"{}"},
    "sourceFilters": {"[]"},
    "timeFieldName": {"@timestamp"},
    "title": _TEXT,
}
DASHBOARD = {
    "controlGroupInput?": {
        "chainingSystem": {"HIERARCHICAL", "NONE"},
        "controlStyle": {"oneLine", "twoLine"},
        "ignoreParentSettingsJSON": str,
        "panelsJSON": str,
        "showApplySelections": bool,
    },
    "description": _TEXT,
    "kibanaSavedObjectMeta": {"searchSourceJSON": str},
    "optionsJSON": str,
    "panelsJSON": str,
    "hits?": int,
    "refreshInterval?": {"pause": bool, "value": int},
    "timeFrom?": _TEXT,
    "timeRestore": bool,
    "timeTo?": _TEXT,
    "title": _TEXT,
    "version": int,
}
OPTIONS = {
    "hidePanelTitles": bool,
    "syncColors": bool,
    "syncCursor": bool,
    "syncTooltips": bool,
    "useMargins": bool,
}
QUERY = {"language": {"kuery", "lucene"}, "query": str}
ESQL = {"esql": _TEXT}
SEARCH_SOURCE = {"filter": [dict], "query": QUERY}
IGNORED = {
    "ignoreFilters": bool,
    "ignoreQuery": bool,
    "ignoreTimerange": bool,
    "ignoreValidations": bool,
}
CONTROL = {
    "explicitInput": {
        "dataViewId": _TEXT,
        "exclude?": bool,
        "existsSelected?": bool,
        "fieldName": _TEXT,
        "id?": _ID,
        "searchTechnique": {"prefix", "wildcard", "exact"},
        "selectedOptions": [str],
        "sort": {"by": {"_count", "_key"}, "direction": {"asc", "desc"}},
        "title": _TEXT,
    },
    "grow": bool,
    "order": int,
    "type": {"optionsListControl"},
    "width": {"small", "medium", "large"},
}
_ENHANCEMENTS = {"dynamicActions?": {"events": [dict]}}
_PANEL = {
    "gridData": {"h": int, "i": _ID, "w": int, "x": int, "y": int},
    "panelIndex": _ID,
}
LINKS = _PANEL | {
    "type": {"links"},
    "embeddableConfig": {
        "attributes": {
            "layout": {"horizontal", "vertical"},
            "links": [
                {
                    "destinationRefName": _TEXT,
                    "id": _ID,
                    "label": _TEXT,
                    "options": {
                        "openInNewTab": bool,
                        "useCurrentDateRange": bool,
                        "useCurrentFilters": bool,
                    },
                    "order": int,
                    "type": {"dashboardLink"},
                }
            ],
        },
        "enhancements?": _ENHANCEMENTS,
    },
}
MARKDOWN = _PANEL | {
    "type": {"visualization"},
    "embeddableConfig": {
        "enhancements": _ENHANCEMENTS,
        "hidePanelTitles?": bool,
        "savedVis": {
            "data": {"aggs": _NONE, "searchSource": SEARCH_SOURCE},
            "description": str,
            "id?": str,
            "params": {"fontSize": int, "markdown": _TEXT, "openLinksInNewTab?": bool},
            "title": str,
            "type": {"markdown"},
            "uiState": _NONE,
        },
    },
}
_FORMAT = {
    "id": {"number", "percent", "bytes"},
    "params?": {"decimals?": int, "compact?": bool},
}
_COLUMN = {"label": _TEXT, "customLabel?": bool, "scale?": {"ratio", "ordinal", "interval"}}
_NUMBER = _COLUMN | {"isBucketed": {False}, "sourceField": _TEXT, "filter?": QUERY}
COLUMNS: dict[str, Any] = {
    "date_histogram": _COLUMN
    | {
        "dataType": {"date"},
        "isBucketed": {True},
        "operationType": {"date_histogram"},
        "params": {"dropPartials?": bool, "includeEmptyRows": bool, "interval": _TEXT},
        "sourceField": {"@timestamp"},
    },
    "terms": _COLUMN
    | {
        "dataType": {"string", "boolean", "number", "date"},
        "isBucketed": {True},
        "operationType": {"terms"},
        "params": {
            "accuracyMode?": bool,
            "exclude?": [str],
            "excludeIsRegex?": bool,
            "include?": [str],
            "includeIsRegex?": bool,
            "missingBucket": bool,
            "orderBy": {"columnId": _ID, "type": {"column"}},
            "orderDirection": {"asc", "desc"},
            "otherBucket": bool,
            "parentFormat": {"id": {"terms"}},
            "secondaryFields?": [str],
            "size": lambda value: type(value) is int and 1 <= value <= 10000,
        },
        "sourceField": _TEXT,
    },
    **{
        operation: _NUMBER
        | {
            "dataType": {"number"},
            "operationType": {operation},
            "params": {"emptyAsNull": bool, "format?": _FORMAT},
        }
        for operation in ("count", "sum", "unique_count")
    },
    "average": _NUMBER
    | {
        "dataType": {"number"},
        "operationType": {"average"},
        "params?": {"emptyAsNull?": bool, "format?": _FORMAT},
    },
    **{
        operation: _NUMBER
        | {
            "dataType": {"number", "date"},
            "operationType": {operation},
            "params": {"emptyAsNull?": bool, "format?": _FORMAT},
        }
        for operation in ("max", "min")
    },
    "median": _NUMBER
    | {
        "dataType": {"number"},
        "operationType": {"median"},
        "params": {"emptyAsNull?": bool, "format?": _FORMAT},
    },
    "percentile": _NUMBER
    | {
        "dataType": {"number"},
        "operationType": {"percentile"},
        "params": {"format?": _FORMAT, "percentile": int},
    },
}
_FORM_LAYER = {
    "columnOrder": [_ID],
    "columns": {"*": lambda value: check_column(value)},
    "ignoreGlobalFilters?": bool,
    "incompleteColumns?": _NONE,
    "indexPatternId?": _TEXT,
    "sampling?": int,
}
_ESQL_COLUMN = {
    "columnId": _TEXT,
    "customLabel": bool,
    "fieldName": _TEXT,
    "inMetricDimension?": {True},
    "label": _TEXT,
    "meta": {"esType": _TEXT, "type": {"number", "string", "date", "boolean"}},
    "params?": {"format": _FORMAT},
}
_HASH = re.compile(r"[0-9a-f]{64}")
FORM_STATE = {
    "adHocDataViews?": _NONE,
    "datasourceStates": {
        "formBased": {"currentIndexPatternId?": _TEXT, "layers": {"*": _FORM_LAYER}},
        "indexpattern?": {"layers": _NONE},
        "textBased?": {"layers": _NONE},
    },
    "filters": _NONE,
    "internalReferences?": _NONE,
    "query": QUERY,
    "visualization": dict,
}
ESQL_STATE = {
    "adHocDataViews": {
        "*": {
            "allowHidden": bool,
            "allowNoIndex": bool,
            "fieldFormats": _NONE,
            "id": _HASH,
            "name": _TEXT,
            "runtimeFieldMap": _NONE,
            "sourceFilters": _NONE,
            "timeFieldName": {"@timestamp"},
            "title": _TEXT,
            "type": {"esql"},
        }
    },
    "datasourceStates": {
        "textBased": {
            "indexPatternRefs": [{"id": _HASH, "timeField": {"@timestamp"}, "title": _TEXT}],
            "layers": {
                "*": {
                    "columns": [_ESQL_COLUMN],
                    "index": _HASH,
                    "query": ESQL,
                    "timeField": {"@timestamp"},
                }
            },
        }
    },
    "filters": _NONE,
    "needsRefresh": bool,
    "query": ESQL,
    "visualization": dict,
}
_COLOURS = {
    "assignments": _NONE,
    "colorMode": {"type": {"categorical"}},
    "paletteId": {"default", "eui_amsterdam_color_blind"},
    "specialAssignments": [
        {"color": {"type": {"loop"}}, "rules": [{"type": {"other"}}], "touched": bool}
    ],
}
_LAYER = {"layerId": _ID, "layerType": {"data"}}
VISUALIZATIONS = {
    "lnsMetric": _LAYER | {"metricAccessor": _TEXT},
    "lnsDatatable": _LAYER
    | {"columns": [{"columnId": _TEXT, "isMetric?": bool, "isTransposed?": bool}]},
    "lnsPie": {
        "layers": [
            _LAYER
            | {
                "categoryDisplay": {"default", "hide", "inside"},
                "colorMapping?": _COLOURS,
                "legendDisplay": {"default", "show", "hide"},
                "metrics": [_TEXT],
                "nestedLegend": bool,
                "numberDisplay": {"percent", "value", "hidden"},
                "primaryGroups": [_TEXT],
            }
        ],
        "shape": {"pie", "donut"},
    },
    "lnsXY": {
        "layers": [
            _LAYER
            | {
                "accessors": [_TEXT],
                "colorMapping?": _COLOURS,
                "position?": {"top"},
                "seriesType": {"line", "bar", "bar_stacked", "bar_horizontal", "area_stacked"},
                "showGridlines?": bool,
                "splitAccessor?": _TEXT,
                "xAccessor": _TEXT,
            }
        ],
        "legend": {"isVisible": bool, "position": {"right", "bottom"}},
        "preferredSeriesType": _TEXT,
        "valueLabels": {"hide", "show"},
    },
}
LENS = _PANEL | {
    "type": {"lens"},
    "embeddableConfig": {
        "attributes": {
            "references": [REFERENCE],
            "state": (FORM_STATE, ESQL_STATE),
            "title": str,
            "type": {"lens"},
            "visualizationType": set(VISUALIZATIONS),
        },
        "description": _TEXT,
        "enhancements": _ENHANCEMENTS,
        "hidePanelTitles?": bool,
        "syncColors?": bool,
        "syncCursor?": bool,
        "syncTooltips?": bool,
        "title": _TEXT,
    },
}
PANELS = {"lens": LENS, "visualization": MARKDOWN, "links": LINKS}


def check_column(value: Any) -> bool:
    """A column is of the shape of its operation; raises where it is not."""
    check(value, COLUMNS[value["operationType"]], f"column {value.get('label')}")
    return True
