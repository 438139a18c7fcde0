"""An agent against itself: a value, its median and its MAD of a week, as Prometheus recording rules.

    agent:agenttrail_task_cost:mean1h                 the value, as the rule gives it
    agent:agenttrail_task_cost:median7d_mean1h        its median over the window
    agent:agenttrail_task_cost:deviation_mean1h       how far it is from that median now
    agent:agenttrail_task_cost:mad7d_mean1h           the median of these distances

Names are level, metric and operations, the newest first (Prometheus, "Recording rules", naming). An
alert asks for what is some MADs away from the median. Both are left alone by a few wild values, so an
anomaly does not hide itself until it has gone on for half the window; then it is the new usual.

A value is recorded only while there is something to measure, so nights and weekends are in no baseline.
What has no value older than `baseline_age` has no baseline: each rule says what it makes of that.

Limits: a distance is taken from the median of its own time, not from that of the end of the window.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from agenttrail.errors import OptionError
from agenttrail.packs._promql import written_out

_RECORD = re.compile(r"[a-z_]+:[a-z_]+:[a-z]+\d+[smhd]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A value of which an agent, a tool, a server or a department has a usual one."""

    record: Annotated[str, "Name that it is recorded under: level:metric:operation."]
    value: Annotated[str, "PromQL of the value; no sample where there is nothing to measure."]
    mads: Annotated[float, "How many MADs from the median are too far."]
    side: Annotated[Literal["above", "below"], "Which way is too far."] = "above"
    mad_least: Annotated[float, "What a MAD counts for at least, in the value's unit."] = 0.0
    mad_least_share: Annotated[float, "What a MAD counts for at least, as a share of the median."] = 0.0  # fmt: skip
    least: Annotated[float, "What lies below (above, for the side below) is never too far."]
    only: Annotated[str, "PromQL, with the same labels, that must have a sample too."] = ""
    unknown: Annotated[Literal["quiet", "fires"], "Without a baseline: says nothing, or goes by `least` and `only` alone."] = "quiet"  # fmt: skip

    def __post_init__(self) -> None:
        if not _RECORD.fullmatch(self.record):
            raise OptionError("record", "must be level:metric:operation with a window, as agent:agenttrail_task_cost:mean1h")  # fmt: skip
        if self.mads <= 0:
            raise OptionError("mads", "must be positive")
        if not (self.mad_least or self.mad_least_share):
            raise OptionError("mad_least", "or mad_least_share is needed: what never varied has a MAD of 0")  # fmt: skip

    def name(self, operation: str) -> str:
        """The recorded name of an operation on the value, as `median7d`."""
        level, metric, own = self.record.split(":")
        return f"{level}:{metric}:{operation}_{own}"


@dataclass(frozen=True, slots=True)
class Window:
    """How far back baselines look, and how old one must be to count."""

    length: str
    age: str


def recorded(baseline: Baseline, window: Window) -> Iterator[tuple[str, str]]:
    """Name and expression of each recording rule, in the order in which they rest on one another."""
    value, median, away = baseline.record, baseline.name(f"median{window.length}"), baseline.name("deviation")  # fmt: skip
    yield value, written_out(baseline.value)
    yield median, f"quantile_over_time(0.5, {value}[{window.length}])"
    yield away, f"abs({value} - {median})"
    yield baseline.name(f"mad{window.length}"), f"quantile_over_time(0.5, {away}[{window.length}])"


def alert(baseline: Baseline, by: tuple[str, ...], window: Window) -> str:
    """PromQL of what is too far."""
    value, labels = baseline.record, ", ".join(by)
    above = baseline.side == "above"
    beyond, within, sign = (">", "<=", "+") if above else ("<", ">=", "-")
    median = baseline.name(f"median{window.length}")
    limit = f"{median} {sign} {baseline.mads:.12g} * {_spread(baseline, window)}"
    known = f"present_over_time({value}[{window.length}] offset {window.age})"
    where = f" and on ({labels}) ({written_out(baseline.only)})" if baseline.only else ""
    if baseline.unknown == "quiet":
        return f"{value} {beyond} {limit} and {value} {beyond} {baseline.least:.12g} and on ({labels}) {known}{where}"  # fmt: skip
    return f"{value} {beyond} {baseline.least:.12g}{where} unless on ({labels}) ({value} {within} {limit} and on ({labels}) {known})"  # fmt: skip


def _spread(baseline: Baseline, window: Window) -> str:
    mad = baseline.name(f"mad{window.length}")
    if baseline.mad_least_share:
        least = f"{baseline.mad_least_share:.12g} * {baseline.name(f'median{window.length}')}"
        mad = f"({mad} > {least} or {least})"
    return f"clamp_min({mad}, {baseline.mad_least:.12g})" if baseline.mad_least else mad
