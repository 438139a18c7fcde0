"""Kibana's Lens charts, as they stand by value in a dashboard.

A chart asks either by columns that Kibana turns into an aggregation (`Question`, Lens's form-based layer,
which people can change in its editor), or by ES|QL where an aggregation cannot say it (`Esql`: shares,
rows of events).

Source: dashboards that Elastic ships, of `typeMigrationVersion` 10.2.0 and 10.3.0 (elastic/integrations,
elastic/endpoint-package); tests hold every key against them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agenttrail import fields as f

Operation = Literal["count", "sum", "average", "max", "min", "median", "percentile", "unique_count"]
Chart = Literal["number", "line", "bar", "bars", "area", "table", "donut"]
_XY = {"line": "line", "bar": "bar_stacked", "bars": "bar_horizontal", "area": "area_stacked"}
_RECORDS = "___records___"  # Lens's name for whole documents
_KIND: dict[str, tuple[str, str]] = {  # types of the record to Lens's and Elasticsearch's
    "date": ("date", "date"), "long": ("number", "long"), "double": ("number", "double"),
    "boolean": ("boolean", "boolean"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A number of each bucket: how many events, or what a field of them comes to."""

    operation: Operation
    label: str
    field: str = ""  # none counts events
    query: str = ""  # Lucene; only events that it finds
    format: str = "number"  # number, percent, bytes
    decimals: int = 0
    percentile: int = 95


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What numbers are told apart by: a field's most frequent values, or time."""

    field: str
    label: str
    size: int = 10

    @property
    def time(self) -> bool:
        return self.field == f.TIMESTAMP


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Numbers by buckets, of the events that a query finds."""

    query: str  # Lucene; empty finds all
    metrics: tuple[Metric, ...]
    buckets: tuple[Bucket, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of what an ES|QL query gives."""

    name: str
    label: str
    type: str  # of Elasticsearch: keyword, date, long, double, boolean
    metric: bool = False
    format: str = "number"
    decimals: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Esql:
    """A query in ES|QL; `?_tstart` and `?_tend` are the dashboard's times."""

    text: str
    columns: tuple[Column, ...]


def attributes(
    chart: Chart, asked: Question | Esql, *, view: str, index: str, seed: str
) -> dict[str, Any]:
    """A Lens chart.

    Args:
        chart: how numbers are drawn.
        asked: what is asked.
        view: id of the data view.
        index: pattern of the data stream, which ES|QL asks.
        seed: what ids are made of, so that they are the same in every build.
    """
    layer = made_id(seed, "layer")
    if isinstance(asked, Question):
        columns, order, splits, numbers = _form_columns(asked, seed)
        form = {
            "currentIndexPatternId": view,
            "layers": {
                layer: {
                    "columnOrder": order,
                    "columns": columns,
                    "ignoreGlobalFilters": False,
                    "incompleteColumns": {},
                    "indexPatternId": view,
                    "sampling": 1,
                }
            },
        }
        states = {"formBased": form, "indexpattern": {"layers": {}}, "textBased": {"layers": {}}}
        reference = {"id": view, "name": f"indexpattern-datasource-layer-{layer}", "type": "index-pattern"}  # fmt: skip
        state: dict[str, Any] = {
            "adHocDataViews": {},
            "datasourceStates": states,
            "filters": [],
            "internalReferences": [],
            "query": {"language": "lucene", "query": asked.query},
        }
        references = [reference]
        times = {each for each in splits if columns[each]["dataType"] == "date"}
    else:
        splits = [each.name for each in asked.columns if not each.metric]
        numbers = [each.name for each in asked.columns if each.metric]
        times = {each.name for each in asked.columns if each.type == "date"}
        state = _esql_state(asked, layer, index)
        references = []
    state["visualization"] = _visualization(chart, layer, splits, numbers, times)
    kinds = {"number": "lnsMetric", "table": "lnsDatatable", "donut": "lnsPie"}
    return {
        "references": references,
        "state": state,
        "title": "",
        "type": "lens",
        "visualizationType": kinds.get(chart, "lnsXY"),
    }


def made_id(*parts: str) -> str:
    """A UUID of the parts, the same in every build."""
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


def _form_columns(
    asked: Question, seed: str
) -> tuple[dict[str, Any], list[str], list[str], list[str]]:
    """Columns by id, their order, and the ids of buckets and of metrics."""
    numbers = [made_id(seed, f"metric {place}") for place in range(len(asked.metrics))]
    splits = [made_id(seed, f"bucket {place}") for place in range(len(asked.buckets))]
    columns: dict[str, Any] = {}
    for each, bucket in zip(splits, asked.buckets, strict=True):
        columns[each] = _bucket(bucket, numbers[0])
    for each, metric in zip(numbers, asked.metrics, strict=True):
        columns[each] = _metric(metric)
    return columns, [*splits, *numbers], splits, numbers


def _bucket(bucket: Bucket, by: str) -> dict[str, Any]:
    made: dict[str, Any] = {"customLabel": True, "isBucketed": True, "label": bucket.label, "sourceField": bucket.field}  # fmt: skip
    if bucket.time:
        params: dict[str, Any] = {"dropPartials": False, "includeEmptyRows": True, "interval": "auto"}  # fmt: skip
        return made | {"dataType": "date", "operationType": "date_histogram", "params": params}
    known = f.FIELDS.get(bucket.field)
    params = {
        "exclude": [],
        "excludeIsRegex": False,
        "include": [],
        "includeIsRegex": False,
        "missingBucket": False,
        "orderBy": {"columnId": by, "type": "column"},
        "orderDirection": "desc",
        "otherBucket": False,
        "parentFormat": {"id": "terms"},
        "secondaryFields": [],
        "size": bucket.size,
    }
    kind = _KIND.get(known.type if known else "keyword", ("string", "keyword"))[0]
    return made | {"dataType": kind, "operationType": "terms", "params": params}


def _metric(metric: Metric) -> dict[str, Any]:
    known = f.FIELDS.get(metric.field)
    dated = known is not None and known.type == "date" and metric.operation in ("max", "min")
    params: dict[str, Any] = {}
    if not dated:
        params["format"] = _format(metric.format, metric.decimals)
    if metric.operation == "percentile":
        params["percentile"] = metric.percentile
    elif metric.operation in ("count", "sum", "unique_count"):
        params["emptyAsNull"] = False
    made: dict[str, Any] = {
        "customLabel": True,
        "dataType": "date" if dated else "number",
        "isBucketed": False,
        "label": metric.label,
        "operationType": metric.operation,
        "params": params,
        "sourceField": metric.field or _RECORDS,
    }
    if metric.query:
        made["filter"] = {"language": "lucene", "query": metric.query}
    return made


def _format(kind: str, decimals: int) -> dict[str, Any]:
    return {"id": kind, "params": {"decimals": decimals}}


def _esql_state(asked: Esql, layer: str, index: str) -> dict[str, Any]:
    # The name that Kibana gives the view it makes for a query.
    view = hashlib.sha256(f"esql-{index}".encode()).hexdigest()
    columns = []
    for each in asked.columns:
        kind = _KIND.get(each.type, ("string", "keyword"))[0]
        column: dict[str, Any] = {
            "columnId": each.name,
            "customLabel": True,
            "fieldName": each.name,
            "label": each.label,
            "meta": {"esType": each.type, "type": kind},
        }
        if each.metric:
            column["inMetricDimension"] = True
            column["params"] = {"format": _format(each.format, each.decimals)}
        columns.append(column)
    query = {"esql": asked.text}
    layers = {layer: {"columns": columns, "index": view, "query": query, "timeField": f.TIMESTAMP}}
    return {
        "adHocDataViews": {
            view: {
                "allowHidden": False,
                "allowNoIndex": False,
                "fieldFormats": {},
                "id": view,
                "name": index,
                "runtimeFieldMap": {},
                "sourceFilters": [],
                "timeFieldName": f.TIMESTAMP,
                "title": index,
                "type": "esql",
            }
        },
        "datasourceStates": {
            "textBased": {
                "indexPatternRefs": [{"id": view, "timeField": f.TIMESTAMP, "title": index}],
                "layers": layers,
            }
        },
        "filters": [],
        "needsRefresh": False,
        "query": query,
    }


def _visualization(
    chart: Chart, layer: str, splits: Sequence[str], numbers: Sequence[str], times: set[str]
) -> dict[str, Any]:
    base = {"layerId": layer, "layerType": "data"}
    colours = {
        "assignments": [],
        "colorMode": {"type": "categorical"},
        "paletteId": "default",
        "specialAssignments": [{"color": {"type": "loop"}, "rules": [{"type": "other"}], "touched": False}],
    }  # fmt: skip
    if chart == "number":
        return base | {"metricAccessor": numbers[0]}
    if chart == "table":
        columns = [{"columnId": each, "isMetric": False, "isTransposed": False} for each in splits]
        columns += [{"columnId": each, "isMetric": True, "isTransposed": False} for each in numbers]
        return base | {"columns": columns}
    if chart == "donut":
        ring = {
            "categoryDisplay": "default",
            "colorMapping": colours,
            "legendDisplay": "show",
            "metrics": list(numbers),
            "nestedLegend": False,
            "numberDisplay": "value",
            "primaryGroups": list(splits),
        }
        return {"layers": [base | ring], "shape": "donut"}
    # Time runs along x; without time the first bucket does, and what is left tells series apart.
    along = next((each for each in splits if each in times), splits[0])
    rest = [each for each in splits if each != along]
    series: dict[str, Any] = {
        "accessors": list(numbers),
        "colorMapping": colours,
        "position": "top",
        "seriesType": _XY[chart],
        "showGridlines": False,
        "xAccessor": along,
    }
    if rest:
        series["splitAccessor"] = rest[0]
    return {
        "layers": [base | series],
        "legend": {"isVisible": bool(rest) or len(numbers) > 1, "position": "right"},
        "preferredSeriesType": _XY[chart],
        "valueLabels": "hide",
    }
