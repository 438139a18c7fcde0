"""What a Lens chart of an exported dashboard asks Elasticsearch, made of the chart alone.

Kibana turns columns into an aggregation: buckets nested in their order, numbers within the last, a
column's filter around its number. This is the same, and says whether the answer holds data.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agenttrail import fields as f
from tests.engines import elasticsearch as es

_NUMBERS = {
    "sum": "sum",
    "average": "avg",
    "max": "max",
    "min": "min",
    "unique_count": "cardinality",
}


@dataclass(frozen=True)
class Times:
    """What the dashboard's time picker says, as ISO 8601."""

    start: str
    end: str

    @property
    def range(self) -> dict[str, Any]:
        return {"range": {f.TIMESTAMP: {"gte": self.start, "lte": self.end}}}


def charts(dashboard: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Title and Lens attributes of each chart of a saved object."""
    for panel in json.loads(dashboard["attributes"]["panelsJSON"]):
        if panel["type"] == "lens":
            yield panel["embeddableConfig"]["title"], panel["embeddableConfig"]["attributes"]


def rows(server: es.Server, chart: dict[str, Any], index: str, times: Times) -> list[list[float]]:
    """The numbers of the chart, a row for each bucket that holds events; what is null is left out."""
    states = chart["state"]["datasourceStates"]
    if "formBased" in states:
        return _form_rows(server, chart, index, times)
    (layer,) = states["textBased"]["layers"].values()
    asked = {
        "query": layer["query"]["esql"],
        "params": [{"_tstart": times.start}, {"_tend": times.end}],
        "filter": times.range,
    }
    answer = server.request("POST", "/_query", asked)
    names = [column["name"] for column in answer["columns"]]
    wanted = [column["fieldName"] for column in layer["columns"]]
    assert names == wanted, "the chart's columns are those that the query gives"
    types = {column["name"]: column["type"] for column in answer["columns"]}
    for column in layer["columns"]:
        assert types[column["fieldName"]] == column["meta"]["esType"], column
    numbers = [
        place for place, name in enumerate(names) if types[name] in ("long", "double", "integer")
    ]
    if not numbers:  # events, a row each
        return [[1.0] for _ in answer["values"]]
    return [[float(row[n]) for n in numbers if row[n] is not None] for row in answer["values"]]


def _form_rows(
    server: es.Server, chart: dict[str, Any], index: str, times: Times
) -> list[list[float]]:
    (layer,) = chart["state"]["datasourceStates"]["formBased"]["layers"].values()
    columns = layer["columns"]
    order = layer["columnOrder"]
    assert set(order) == set(columns)
    buckets = [each for each in order if columns[each]["isBucketed"]]
    numbers = [each for each in order if not columns[each]["isBucketed"]]
    aggregations: dict[str, Any] = {each: _number(columns[each]) for each in numbers}
    for each in reversed(buckets):
        inner = {"aggs": aggregations} if aggregations else {}
        aggregations = {each: _bucket(columns[each], columns) | inner}
    query = chart["state"]["query"]
    assert query["language"] == "lucene"
    body = {
        "size": 0,
        "track_total_hits": True,
        "query": {"bool": {"filter": [times.range, *_lucene(query["query"])]}},
        "aggs": aggregations,
    }
    answer = server.request("POST", f"/{index}/_search", body)
    return [
        [value for each in numbers if (value := _value(part[each])) is not None]
        for part in _leaves(answer["aggregations"], buckets)
    ]


def _lucene(text: str) -> list[dict[str, Any]]:
    return [{"query_string": {"query": text, "analyze_wildcard": True}}] if text else []


def _number(column: dict[str, Any]) -> dict[str, Any]:
    operation, field = column["operationType"], column["sourceField"]
    known = f.FIELDS.get(field)
    if operation == "count":
        made: dict[str, Any] = {"filter": {"match_all": {}}}
        assert field == "___records___"
    else:
        assert known is not None, f"no field is called {field}"
        if operation in ("percentile", "median"):
            percent = column["params"].get("percentile", 50)
            made = {"percentiles": {"field": field, "percents": [percent]}}
        else:
            made = {_NUMBERS[operation]: {"field": field}}
    condition = column.get("filter")
    if condition is None:
        return made
    assert condition["language"] == "lucene"
    (query,) = _lucene(condition["query"])
    return {"filter": query, "aggs": {"number": made}}


def _bucket(column: dict[str, Any], columns: dict[str, Any]) -> dict[str, Any]:
    assert column["sourceField"] in f.FIELDS, column["sourceField"]
    if column["operationType"] == "date_histogram":
        interval = {"field": column["sourceField"], "fixed_interval": "1d", "min_doc_count": 1}
        return {"date_histogram": interval}
    params = column["params"]
    by = params["orderBy"]["columnId"]
    assert not columns[by]["isBucketed"]
    return {"terms": {"field": column["sourceField"], "size": params["size"]}}


def _leaves(answer: dict[str, Any], buckets: list[str]) -> Iterator[dict[str, Any]]:
    if not buckets:
        yield answer
        return
    for bucket in answer[buckets[0]]["buckets"]:
        yield from _leaves(bucket, buckets[1:])


def _value(part: dict[str, Any]) -> float | None:
    inner = part.get("number", part)
    if "values" in inner:
        (value,) = inner["values"].values()
        return None if value is None else float(value)
    value = inner.get("value", inner.get("doc_count"))
    return None if value is None else float(value)
