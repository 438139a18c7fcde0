"""Prometheus series out of events, as a scrape of the sink `metrics` would have given them over time.

What an event counts in comes from the sink's own measures, which are handed in: a pack knows no sink.
Names follow OpenTelemetry's rules for Prometheus (compatibility specification 1.57: dots become
underscores, the unit is appended, counters end in `_total`); a test holds them against the real exporter.

Limits: histograms have their sum and count, no buckets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agenttrail import fields as f

# Seconds between scrapes; where samples span more than a day, longer, so that tests stay quick.
STEP_S, LONG_STEP_S = 300, 1800
_LONG_S = 86_400
LAG = "agenttrail_lag_seconds"
# What became of an event, by the runner's own ledger.
OUTCOMES = "agenttrail_pipeline_events_total"
# An event to the metrics it counts in: name, value, attributes.
Measure = Callable[[Mapping[str, Any]], Iterable[tuple[str, float, Sequence[tuple[str, str]]]]]


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of a metric: counter or histogram, and its unit by UCUM."""

    kind: str
    unit: str


def name_of(metric: str, kind: Kind, part: str = "") -> str:
    """The Prometheus name of a metric; `part` is sum or count of a histogram."""
    unit = {"s": "_seconds"}.get(kind.unit, "")
    ending = "_total" if kind.kind == "counter" else f"_{part}"
    return metric.replace(".", "_") + unit + ending


def label_of(attribute: str) -> str:
    """The Prometheus name of an attribute."""
    return attribute.replace(".", "_")


def at_s(event: Mapping[str, Any]) -> float:
    """An event's time, in seconds since 1970."""
    return datetime.fromisoformat(str(event[f.TIMESTAMP])).timestamp()


@dataclass(frozen=True, slots=True)
class Series:
    """Values of each series at steps of `step_s` from `start_s`; None where it was not there yet."""

    start_s: float
    step_s: int
    steps: int
    values: Mapping[tuple[str, tuple[tuple[str, str], ...]], Sequence[float | None]]


def series(
    events: Sequence[Mapping[str, Any]],
    measure: Measure,
    kinds: Mapping[str, Kind],
    *,
    delivered_after_s: float = 0.0,
    refused_as: str = "",
    step_s: int | None = None,
    before: int = 4,
    after: int = 12,
) -> Series:
    """What scrapes would have seen.

    Args:
        events: flat, in any order.
        measure: the sink's measures of one event.
        kinds: what is known of each metric.
        delivered_after_s: how long after its time each event is delivered.
        refused_as: reason by which a sink refuses all of them.
        step_s: seconds between scrapes; None takes them by the span of the events.
        before: steps before the first event.
        after: steps behind the last one.
    """
    ordered = sorted(events, key=at_s)
    first, last = (at_s(ordered[i]) + delivered_after_s for i in (0, -1))
    step_s = step_s or (LONG_STEP_S if last - first > _LONG_S else STEP_S)
    start = (math.floor(first / step_s) - before) * step_s
    steps = math.ceil((last - start) / step_s) + after
    changes: dict[tuple[str, tuple[tuple[str, str], ...]], dict[int, float]] = {}
    newest: dict[int, float] = {}
    for event in ordered:
        delivered = at_s(event) + delivered_after_s
        step = math.ceil((delivered - start) / step_s)
        newest[step] = at_s(event)
        for name, labels, amount in _counted(event, measure, kinds, refused_as):
            places = changes.setdefault((name, labels), {})
            places[step] = places.get(step, 0.0) + amount
    made: dict[Any, Sequence[float | None]] = {
        key: list(_running(places, steps)) for key, places in sorted(changes.items())
    }
    made[LAG, ()] = list(_lags(newest, start, step_s, steps))
    return Series(start, step_s, steps, made)


def _counted(
    event: Mapping[str, Any], measure: Measure, kinds: Mapping[str, Kind], refused_as: str
) -> Iterator[tuple[str, tuple[tuple[str, str], ...], float]]:
    outcome = "quarantined" if event.get(f.PII_FAILED) else "delivered"
    became = [("outcome", "rejected"), ("reason", refused_as)] if refused_as else [("outcome", outcome)]  # fmt: skip
    yield OUTCOMES, tuple((f"agenttrail_pipeline_{k}", v) for k, v in became), 1.0
    for metric, value, attributes in measure(event):
        labels = tuple(sorted((label_of(k), v) for k, v in attributes if v))
        for name, amount in _parts(metric, kinds[metric], value):
            yield name, labels, amount


def _parts(metric: str, kind: Kind, value: float) -> Iterator[tuple[str, float]]:
    if kind.kind == "counter":
        yield name_of(metric, kind), value
    else:
        yield name_of(metric, kind, "sum"), value
        yield name_of(metric, kind, "count"), 1.0


def _running(places: Mapping[int, float], steps: int) -> Iterator[float | None]:
    total: float | None = None
    for step in range(steps):
        if step in places:
            total = round((total or 0.0) + places[step], 9)
        yield total


def _lags(
    newest: Mapping[int, float], start: float, step_s: int, steps: int
) -> Iterator[float | None]:
    known: float | None = None
    for step in range(steps):
        known = newest.get(step, known)
        yield None if known is None else max(0.0, start + step * step_s - known)


def notation(values: Sequence[float | None]) -> str:
    """Values as promtool writes them, repeated ones together.

    >>> notation([None, None, 1.0, 1.0, 1.0, 2.5])
    '_x2 1+0x2 2.5'
    """
    words, at = [], 0
    while at < len(values):
        value, end = values[at], at
        while end < len(values) and values[end] == value:
            end += 1
        times = end - at
        if value is None:
            words.append("_" if times == 1 else f"_x{times}")
        else:
            words.append(f"{value:.12g}" if times == 1 else f"{value:.12g}+0x{times - 1}")
        at = end
    return " ".join(words)


def selector(name: str, labels: Sequence[tuple[str, str]]) -> str:
    """A series as PromQL writes it."""
    if not labels:
        return name
    escaped = (
        (k, v.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for k, v in labels
    )
    return name + "{" + ", ".join(f'{k}="{v}"' for k, v in escaped) + "}"
