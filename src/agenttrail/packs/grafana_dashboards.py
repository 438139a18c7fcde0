"""Grafana's dashboards: JSON for its import or its provisioning, a file each.

Data sources are variables, Prometheus for the metrics and Elasticsearch for the events; agent and department
are variables too. Every panel says in a sentence what it shows, has its unit, and links to the runbooks of
the anomalies that show in it; firing alerts are marked over time. Ids are the same in every build, so that a
later import takes the place of an earlier one.

Source: the dashboard model of Grafana 11.6 (schemaVersion 41), by grafana-foundation-sdk
1769699379!11.6.0; later versions migrate it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agenttrail import fields as f
from agenttrail.packs._grafana_panels import EVENTS, PROMQL, PromPanel, panels
from agenttrail.packs._kibana_panels import Panel
from agenttrail.packs._lens import Metric, Question
from agenttrail.packs.anomalies import Pack
from agenttrail.packs.kibana_dashboards import TITLES

_SCHEMA_VERSION = 41  # Grafana 11.6
_COLUMNS = 24
_KIBANA_COLUMNS = 48
_TAG = "agenttrail"
_PROMETHEUS, _ELASTICSEARCH = "${prometheus}", "${elasticsearch}"
_EVENTS_HEIGHT = 8
_COLUMN_NAMES = {
    "count": "Count", "sum": "Sum", "average": "Average", "min": "Min", "max": "Max", "unique_count": "Unique Count",
}  # fmt: skip
_OPERATIONS = {
    "count": "count", "sum": "sum", "average": "avg", "min": "min", "max": "max",
    "median": "percentiles", "percentile": "percentiles", "unique_count": "cardinality",
}  # fmt: skip


def uid(slug: str) -> str:
    """Of a dashboard, in every Grafana."""
    return f"agenttrail-{slug}"


def files(pack: Pack, runbooks: str) -> dict[str, str]:
    """The dashboards, by file.

    Args:
        pack: the anomalies that panels link to.
        runbooks: address of the folder `anomalies`.

    Raises:
        ModuleNotFoundError: grafana-foundation-sdk is not installed.
    """
    names = {a.rule.slug: a.alert for a in pack.anomalies}
    return {
        f"grafana/{slug}.json": json.dumps(_dashboard(slug, names, runbooks), indent=1, ensure_ascii=False) + "\n"
        for slug in PROMQL
    }  # fmt: skip


def _dashboard(slug: str, names: dict[str, str], runbooks: str) -> dict[str, Any]:
    from grafana_foundation_sdk.builders import dashboard as build
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import dashboard as model

    made = (
        build.Dashboard(TITLES[slug].title)
        .uid(uid(slug))
        .description(TITLES[slug].description)
        .tags([_TAG])
        .readonly()
        .time("now-30d", "now")
        .timezone("browser")
        .refresh("5m")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(
            build.DashboardLink("agenttrail")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags([_TAG])
            .as_dropdown(True)  # noqa: FBT003  the builder's own shape
            .keep_time(True)  # noqa: FBT003
            .include_vars(True)  # noqa: FBT003
        )
        .with_variable(build.DatasourceVariable("prometheus").label("Metrics").type("prometheus"))
        .with_variable(build.DatasourceVariable("elasticsearch").label("Events").type("elasticsearch"))
        .with_variable(_values("agent", "Agent", "gen_ai_agent_name"))
        .with_variable(_values("department", "Department", "agenttrail_registry_department"))
        .annotation(_alerts(slug, names))
    )  # fmt: skip
    for number, (panel, at) in enumerate(_placed(panels(slug)), 1):
        made.with_panel(_built(panel, slug, names, runbooks).id(number).grid_pos(model.GridPos(h=at["h"], w=at["w"], x=at["x"], y=at["y"])))  # fmt: skip
    document: dict[str, Any] = json.loads(json.dumps(made.build(), cls=JSONEncoder))
    document["schemaVersion"] = _SCHEMA_VERSION
    return document


def _placed(
    all_of: Sequence[PromPanel | Panel],
) -> list[tuple[PromPanel | Panel, dict[str, int]]]:
    """Panels in rows; the last of a row is as wide as what is left of it."""
    made: list[tuple[PromPanel | Panel, dict[str, int]]] = []
    x = y = row = 0
    for panel in all_of:
        width, height = _size(panel)
        if x + width > _COLUMNS:
            made[-1][1]["w"] += _COLUMNS - x
            x, y, row = 0, y + row, 0
        made.append((panel, {"h": height, "w": width, "x": x, "y": y}))
        x, row = x + width, max(row, height)
    made[-1][1]["w"] += _COLUMNS - x
    return made


def _size(panel: PromPanel | Panel) -> tuple[int, int]:
    if isinstance(panel, PromPanel):
        return panel.width, panel.height
    if panel.chart == "number":
        return _COLUMNS // 6, 3
    return panel.width * _COLUMNS // _KIBANA_COLUMNS, _EVENTS_HEIGHT


def _values(name: str, label: str, of: str) -> Any:
    """A variable: all values of a label, any number of them chosen."""
    from grafana_foundation_sdk.builders import dashboard as build
    from grafana_foundation_sdk.models import dashboard as model

    query: dict[str, object] = {
        "query": f"label_values(agenttrail_events_total, {of})",
        "refId": name,
    }
    return (
        build.QueryVariable(name)
        .label(label)
        .datasource(model.DataSourceRef(type_val="prometheus", uid=_PROMETHEUS))
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)  # noqa: FBT003
        .include_all(True)  # noqa: FBT003
        .all_value(".*")
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


def _alerts(slug: str, names: dict[str, str]) -> Any:
    """Firing alerts of this dashboard's anomalies, as marks over time."""
    from grafana_foundation_sdk.builders import dashboard as build
    from grafana_foundation_sdk.models import dashboard as model

    shown = sorted({names[each] for panel in panels(slug) for each in anomalies(slug, panel) if each in names})  # fmt: skip
    expr = f'ALERTS{{alertstate="firing", alertname=~"{"|".join(shown)}"}}'
    return (
        build.AnnotationQuery()
        .name("Alerts")
        .enable(True)  # noqa: FBT003
        .icon_color("red")
        .datasource(model.DataSourceRef(type_val="prometheus", uid=_PROMETHEUS))
        .expr(expr)
    )


def anomalies(slug: str, panel: PromPanel | Panel) -> tuple[str, ...]:
    """What shows in a panel of a dashboard."""
    return panel.anomalies if isinstance(panel, PromPanel) else EVENTS[slug][panel.title]


def _built(panel: PromPanel | Panel, slug: str, names: dict[str, str], runbooks: str) -> Any:
    """The builder of a panel, but for its place."""
    from grafana_foundation_sdk.builders import dashboard as build
    from grafana_foundation_sdk.models import dashboard as model

    made: Any
    if isinstance(panel, PromPanel):
        made = _of_metrics(panel)
        source = model.DataSourceRef(type_val="prometheus", uid=_PROMETHEUS)
    else:
        made = _of_events(panel)
        source = model.DataSourceRef(type_val="elasticsearch", uid=_ELASTICSEARCH)
    links = [
        build.DashboardLink(f"Runbook: {names[each]}")
        .type(model.DashboardLinkType.LINK)
        .url(f"{runbooks}/{each}/README.md")
        .target_blank(True)  # noqa: FBT003
        for each in anomalies(slug, panel)
        if each in names
    ]
    made.title(panel.title).description(panel.description).datasource(source)
    return made.links(links) if links else made


def _of_metrics(panel: PromPanel) -> Any:
    from grafana_foundation_sdk.builders import bargauge, stat, table, timeseries
    from grafana_foundation_sdk.builders import prometheus as query
    from grafana_foundation_sdk.models import dashboard
    from grafana_foundation_sdk.models import prometheus as model

    source = dashboard.DataSourceRef(type_val="prometheus", uid=_PROMETHEUS)
    now = panel.kind in ("stat", "bargauge", "table")
    targets = [
        (
            query.Dataquery()
            .expr(q.expr)
            .legend_format(q.legend)
            .ref_id(chr(ord("A") + n))
            .datasource(source),
            q,
        )
        for n, q in enumerate(panel.queries)
    ]
    kinds: dict[str, Any] = {"stat": stat.Panel, "bargauge": bargauge.Panel, "table": table.Panel}
    made: Any = kinds.get(panel.kind, timeseries.Panel)()
    made.unit(panel.unit)
    for target, _ in targets:
        if panel.kind == "table":
            target.format(model.PromQueryFormat.TABLE)
        made.with_target(target.instant() if now else target.range())
    if panel.kind == "table":
        columns = [f"Value #{chr(ord('A') + n)}" if len(targets) > 1 else "Value" for n in range(len(targets))]  # fmt: skip
        renamed = dict(zip(columns, (q.legend for _, q in targets), strict=True))
        for each in _merged({"Time": True}, renamed):
            made.with_transformation(each)
    elif panel.kind in ("timeseries", "bars"):
        _over_time(made, bars=panel.kind == "bars")
    return made


def _over_time(made: Any, *, bars: bool) -> None:
    from grafana_foundation_sdk.builders import common as build
    from grafana_foundation_sdk.models import common as model

    made.legend(build.VizLegendOptions().display_mode(model.LegendDisplayMode.LIST).placement(model.LegendPlacement.BOTTOM).show_legend(True))  # noqa: FBT003  # fmt: skip
    made.tooltip(build.VizTooltipOptions().mode(model.TooltipDisplayMode.MULTI).sort(model.SortOrder.DESCENDING))  # fmt: skip
    if bars:
        made.draw_style(model.GraphDrawStyle.BARS).fill_opacity(80).line_width(0)
        made.stacking(build.StackingConfig().mode(model.StackingMode.NORMAL).group("A"))
        # Of a month an hour each would be hairs.
        made.interval("1h")
    else:
        made.draw_style(model.GraphDrawStyle.LINE).fill_opacity(8).line_width(2).span_nulls(True)  # noqa: FBT003
        made.interval("30m")


def _merged(hidden: dict[str, bool], renamed: dict[str, str]) -> Iterator[Any]:
    """Transformations: the answers of all queries as one table."""
    from grafana_foundation_sdk.models import dashboard as model

    yield model.DataTransformerConfig(id_val="merge", options={})
    organised = {"excludeByName": hidden, "indexByName": {}, "renameByName": renamed}
    yield model.DataTransformerConfig(id_val="organize", options=organised)


def _of_events(panel: Panel) -> Any:
    """A panel of Kibana's, as Grafana's data source for Elasticsearch asks it."""
    from grafana_foundation_sdk.builders import barchart, stat, table, timeseries
    from grafana_foundation_sdk.models import dashboard as model

    asked = panel.asked
    assert isinstance(asked, Question)
    kinds: dict[str, Any] = {"number": stat.Panel, "table": table.Panel, "bars": barchart.Panel, "donut": barchart.Panel}  # fmt: skip
    made = kinds.get(panel.chart, timeseries.Panel)()
    measured = of_all(asked)
    made.unit(unit_of(measured[0]) if len(measured) == 1 else "short")
    made.with_target(_asked(asked, measured))
    if panel.chart == "table":
        columns = {column_of(m, measured): m.label for m in measured}
        fields = {bucket.field: bucket.label for bucket in asked.buckets}
        for each in _merged({}, fields | columns):
            made.with_transformation(each)
        for metric in measured:
            if len(measured) > 1 and unit_of(metric) != "short":
                made.override_by_name(metric.label, [model.DynamicConfigValue("unit", unit_of(metric))])  # fmt: skip
    elif panel.chart not in kinds:
        _over_time(made, bars=panel.chart == "bar")
    return made


def of_all(asked: Question) -> tuple[Metric, ...]:
    """The metrics of all events that the question finds: a query of Grafana's filters none of them apart."""
    return tuple(metric for metric in asked.metrics if not metric.query)


def column_of(metric: Metric, beside: Sequence[Metric]) -> str:
    """What Grafana calls the column of a metric in a table: its field only where another is of its kind."""
    if metric.operation in ("median", "percentile"):
        percent = 50 if metric.operation == "median" else metric.percentile
        return f"p{percent:.1f} {metric.field}"
    alike = sum(each.operation == metric.operation for each in beside)
    name = _COLUMN_NAMES[metric.operation]
    return f"{name} {metric.field}" if alike > 1 else name


def _of_chosen(query: str) -> str:
    """The query, of the agents and departments that are chosen; what names none is always shown."""
    parts = [f"({query})"] if query else []
    for name, variable in ((f.REGISTRY_AGENT_ID, "agent"), (f.REGISTRY_DEPARTMENT, "department")):
        # Lucene takes a NOT beside an OR for a must-not of all: it stands within an AND.
        parts.append(f"((*:* AND NOT _exists_:{name}) OR {name}:/${{{variable}:regex}}/)")
    return " AND ".join(parts)


def unit_of(metric: Metric) -> str:
    """Grafana's id of the unit of a metric of the events."""
    if metric.operation in ("count", "unique_count"):
        return "short"
    if metric.field == f.TIMESTAMP:
        return "dateTimeAsIso"
    if metric.field in (f.COST_TOTAL, f.TASK_COST):
        return "currencyUSD"
    return {"ms": "ms", "ns": "ns", "By": "bytes"}.get(f.FIELDS[metric.field].unit, "short")


def _asked(asked: Question, metrics: Sequence[Metric]) -> Any:
    from grafana_foundation_sdk.builders import elasticsearch as build
    from grafana_foundation_sdk.models import dashboard as model

    measured: list[Any] = [
        _Built(metric_of(metric, str(number))) for number, metric in enumerate(metrics, 1)
    ]
    buckets = []
    for number, bucket in enumerate(asked.buckets, len(measured) + 1):
        if bucket.time:
            settings = {"interval": "auto", "min_doc_count": "0", "trimEdges": "0"}
            buckets.append({"field": bucket.field, "id": str(number), "settings": settings, "type": "date_histogram"})  # fmt: skip
        else:
            settings = {"min_doc_count": "1", "order": "desc", "orderBy": "_count", "size": str(bucket.size)}  # fmt: skip
            buckets.append({"field": bucket.field, "id": str(number), "settings": settings, "type": "terms"})  # fmt: skip
    if not buckets:
        # Grafana asks over time and shows the last or the sum; one bucket of all of it gives the number.
        settings = {"interval": "1000d", "min_doc_count": "0", "trimEdges": "0"}
        buckets.append({"field": f.TIMESTAMP, "id": str(len(measured) + 1), "settings": settings, "type": "date_histogram"})  # fmt: skip
    # Kibana splits by time last, Grafana's series need it last too.
    buckets.sort(key=lambda each: each["type"] == "date_histogram")
    made: list[Any] = [_Built(each) for each in buckets]
    return (
        build.Dataquery()
        .query(_of_chosen(asked.query))
        .time_field(f.TIMESTAMP)
        .metrics(measured)
        .bucket_aggs(made)
        .ref_id("A")
        .datasource(model.DataSourceRef(type_val="elasticsearch", uid=_ELASTICSEARCH))
    )


@dataclass(frozen=True, slots=True)
class _Built:
    """What needs no builder, where one is wanted."""

    value: Any

    def build(self) -> Any:
        return self.value


def metric_of(metric: Metric, number: str) -> dict[str, Any]:
    """A metric as Grafana's query has it."""
    made: dict[str, Any] = {"id": number, "type": _OPERATIONS[metric.operation]}
    if metric.field:
        made["field"] = metric.field
    if metric.operation in ("median", "percentile"):
        percent = 50 if metric.operation == "median" else metric.percentile
        made["settings"] = {"percents": [str(percent)]}
    return made
