"""What Grafana's data sources ask for a panel, asked of a real Prometheus and a real Elasticsearch.

A panel is taken from the JSON that is shipped, not from its definition. Grafana itself is in no registry that
tests reach: variables are put in as it puts them in, range queries have its steps, and the aggregations are
those that its Elasticsearch data source makes of a query's `bucketAggs` and `metrics`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from agenttrail import fields as f
from agenttrail.cli.pack import metrics
from agenttrail.packs._grafana_panels import PROMQL, filled
from agenttrail.packs.series import Series, series
from tests.cli._run import agenttrail
from tests.engines import elasticsearch as es
from tests.engines import prometheus

STEP_S = 1800
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One series of an answer: how its legend calls it, its labels, values by seconds since 1970."""

    name: str
    labels: Labels
    points: tuple[tuple[float, float], ...]


@dataclass(slots=True)
class Answer:
    """What a panel got: lines over time or, of an instant, lines of one point; a query each."""

    queries: list[list[Line]] = field(default_factory=list)

    @property
    def lines(self) -> list[Line]:
        return [line for lines in self.queries for line in lines]


@dataclass(frozen=True, slots=True)
class Times:
    """The time that is looked at, in seconds since 1970."""

    start_s: float
    end_s: float

    @property
    def range(self) -> str:
        return f"{self.end_s - self.start_s:.0f}s"


def dashboards(folder: Path) -> dict[str, dict[str, Any]]:
    """The shipped dashboards by slug."""
    return {slug: json.loads((folder / f"{slug}.json").read_text()) for slug in PROMQL}


def metrics_of(folder: Path, found: Path) -> Series:
    """The month's series: of its masked lines, of what scan found, and the targets that were proposed of it."""
    documents = [
        json.loads(line)
        for path in (folder / "masked.jsonl", found)
        for line in path.read_bytes().splitlines()
    ]
    seen = series([f.from_document(d)[0] for d in documents], *metrics(), step_s=STEP_S)
    rules = found.with_name("slo-rules.yaml")
    done = agenttrail(
        folder, "slo", "propose", "masked.jsonl", "--least", "10", "--rules", str(rules)
    )
    assert done.code == 0, done.err
    targets = {
        (rule["record"], tuple(rule["labels"].items())): [float(rule["expr"][7:-1])] * seen.steps
        for group in yaml.safe_load(rules.read_text())["groups"]
        for rule in group["rules"]
        if str(rule.get("record", "")).endswith(":target")
    }
    assert targets
    values = dict(sorted({**seen.values, **targets}.items()))
    return Series(seen.start_s, seen.step_s, seen.steps, values)


def ask(
    panel: Mapping[str, Any], metrics_in: prometheus.Server, events_in: es.Server, index: str, times: Times
) -> Answer:  # fmt: skip
    """Every query of a panel."""
    answer = Answer()
    for target in panel["targets"]:
        if "expr" in target:
            answer.queries.append(list(_prometheus(metrics_in, panel, target, times)))
        else:
            answer.queries.append(list(_elasticsearch(events_in, index, target, times)))
    return answer


def of_metrics(panel: Mapping[str, Any], server: prometheus.Server, times: Times) -> Answer:
    """The queries of a panel that asks Prometheus alone."""
    return Answer([list(_prometheus(server, panel, target, times)) for target in panel["targets"]])


def of_events(
    panel: Mapping[str, Any], server: es.Server, index: str, times: Times, agent: str
) -> Answer:
    """The queries of a panel that asks Elasticsearch, with one agent chosen."""
    return Answer([list(_elasticsearch(server, index, t, times, agent)) for t in panel["targets"]])


def _prometheus(
    server: prometheus.Server, panel: Mapping[str, Any], target: Mapping[str, Any], times: Times
) -> Iterator[Line]:
    step_s = {"1h": 4 * 3600, "30m": 3600}.get(str(panel.get("interval")), 3600)
    expr = filled(target["expr"], interval=f"{step_s}s", range=times.range)
    if target.get("instant"):
        answer = server.get("/api/v1/query", query=expr, time=str(times.end_s))
        rows = [(row["metric"], [row["value"]]) for row in answer["data"]["result"]]
    else:
        answer = server.get("/api/v1/query_range", query=expr, start=str(times.start_s), end=str(times.end_s), step=str(step_s))  # fmt: skip
        rows = [(row["metric"], row["values"]) for row in answer["data"]["result"]]
    for labels, values in rows:
        name = str(target.get("legendFormat", ""))
        name = re.sub(r"\{\{(\w+)\}\}", lambda m, of=labels: of.get(m[1], "(none)"), name)
        yield Line(name, tuple(labels.items()), tuple((float(at), float(v)) for at, v in values))


def _elasticsearch(
    server: es.Server, index: str, target: Mapping[str, Any], times: Times, agent: str = ".*"
) -> Iterator[Line]:
    query = target["query"]
    for name, value in (("agent", agent), ("department", ".*")):
        query = query.replace(f"${{{name}:regex}}", value)
    body = {
        "size": 0,
        "query": {
            "bool": {
                "filter": [
                    {"range": {target["timeField"]: {"gte": int(times.start_s * 1000), "lte": int(times.end_s * 1000), "format": "epoch_millis"}}},
                    {"query_string": {"analyze_wildcard": True, "query": query}},
                ]
            }
        },
        "aggs": _aggregations(target["bucketAggs"], target["metrics"]),
    }  # fmt: skip
    answer = server.request("POST", f"/{index}/_search", body)
    found: dict[tuple[Labels, str], list[tuple[float, float]]] = {}
    for labels, at, metric, value in _walked(answer["aggregations"], target["bucketAggs"], target["metrics"], ()):  # fmt: skip
        found.setdefault((labels, metric), []).append((times.end_s if at is None else at, value))
    for (labels, metric), points in found.items():
        yield Line(
            " ".join(value for _, value in labels) or metric,
            (*labels, ("metric", metric)),
            tuple(points),
        )


def _aggregations(
    buckets: Sequence[Mapping[str, Any]], measured: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    if not buckets:
        made: dict[str, Any] = {}
        for metric in measured:
            if metric["type"] != "count":
                percents = metric.get("settings", {}).get("percents")
                more = {} if percents is None else {"percents": [float(p) for p in percents]}
                made[metric["id"]] = {metric["type"]: {"field": metric["field"], **more}}
        return made
    first, settings = buckets[0], buckets[0]["settings"]
    if first["type"] == "terms":
        inner: dict[str, Any] = {"terms": {"field": first["field"], "size": int(settings["size"]), "order": {settings["orderBy"]: settings["order"]}, "min_doc_count": int(settings["min_doc_count"])}}  # fmt: skip
    else:
        interval = "4h" if settings["interval"] == "auto" else settings["interval"]
        inner = {"date_histogram": {"field": first["field"], "fixed_interval": interval, "min_doc_count": int(settings["min_doc_count"])}}  # fmt: skip
    below = _aggregations(buckets[1:], measured)
    return {first["id"]: {**inner, **({"aggs": below} if below else {})}}


def _walked(
    found: Mapping[str, Any], buckets: Sequence[Mapping[str, Any]], measured: Sequence[Mapping[str, Any]],
    labels: Labels, at: float | None = None, count: int = 0,
) -> Iterator[tuple[Labels, float | None, str, float]]:  # fmt: skip
    if not buckets:
        for metric in measured:
            if metric["type"] == "count":
                yield labels, at, _column(metric, measured), float(count)
                continue
            part = found[metric["id"]]
            value = next(iter(part["values"].values())) if "values" in part else part["value"]
            if value is not None:
                yield labels, at, _column(metric, measured), float(value)
        return
    first = buckets[0]
    for bucket in found[first["id"]]["buckets"]:
        if first["type"] == "terms":
            name = str(bucket.get("key_as_string", bucket["key"]))
            yield from _walked(bucket, buckets[1:], measured, (*labels, (first["field"], name)), at, bucket["doc_count"])  # fmt: skip
        else:
            moment = bucket["key"] / 1000
            yield from _walked(bucket, buckets[1:], measured, labels, moment, bucket["doc_count"])


_NAMES = {"count": "Count", "sum": "Sum", "avg": "Average", "min": "Min", "max": "Max", "cardinality": "Unique Count"}  # fmt: skip


def _column(metric: Mapping[str, Any], beside: Sequence[Mapping[str, Any]]) -> str:
    """What Grafana's data source calls it."""
    if metric["type"] == "percentiles":
        return f"p{float(metric['settings']['percents'][0]):.1f} {metric['field']}"
    alike = sum(each["type"] == metric["type"] for each in beside)
    name = _NAMES[metric["type"]]
    return f"{name} {metric['field']}" if alike > 1 else name


def rows_of(panel: Mapping[str, Any], answer: Answer) -> tuple[list[str], list[list[str | float]]]:
    """The table that Grafana's `merge` makes of a panel's queries: columns, and rows by their labels.

    Where a query gave a row nothing, its cell is no number: nought would be an answer that nobody gave.
    """
    columns: list[str] = []
    rows: dict[Labels, dict[str, float]] = {}
    names: list[str] = []
    for target, lines in zip(panel["targets"], answer.queries, strict=True):
        for line in lines:
            key = tuple((k, v) for k, v in line.labels if k not in ("metric", "__name__"))
            metric = dict(line.labels).get("metric")
            column = str(target.get("legendFormat") or metric)
            names += [k for k, _ in key if k not in names]
            columns += [column] if column not in columns else []
            rows.setdefault(key, {})[column] = line.points[-1][1]
    table: list[list[str | float]] = [
        [*(dict(key).get(n, "") for n in names), *(values.get(c, math.nan) for c in columns)]
        for key, values in rows.items()
    ]
    return [*names, *columns], table


def has_data(answer: Answer) -> bool:
    """Each query gave something that is a number."""
    return all(
        any(value == value for line in lines for _, value in line.points)
        for lines in answer.queries
    ) and bool(answer.queries)
