"""A month put into a Prometheus's storage at once, by promtool, and what recording rules make of it.

Recording rules are evaluated by a real Prometheus over what is stored, at the steps of the series, and
their results stored beside it. Rules that rest on other rules need those first, and a Prometheus finds new
blocks at its start: so each level of rules is one start. (`promtool tsdb create-blocks-from rules` does the
same at moments of its own for each group, between which a month of long steps has nothing to see.)
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agenttrail.packs.series import Series, selector
from tests.engines import prometheus


@contextlib.contextmanager
def month(
    folder: Path, seen: Series, recording: Mapping[str, Any] | None = None
) -> Iterator[prometheus.Server]:
    """A Prometheus that has these series, and what the recording rules made of them at the same steps."""
    programs = prometheus.prepare()
    moments = [seen.start_s + step * seen.step_s for step in range(seen.steps)]
    _store(
        programs,
        folder,
        (
            (*key, [(at, v) for at, v in zip(moments, values, strict=True) if v is not None])
            for key, values in seen.values.items()
        ),
    )
    for rules in levels(recording or {"groups": []}):
        with prometheus.stored(folder) as server:
            found = [
                (rule["record"], sorted(row["metric"].items()), row["values"])
                for rule in rules
                for row in over(server, seen, rule["expr"])
            ]
        _store(programs, folder, ((name, [(k, v) for k, v in labels if k != "__name__"], values) for name, labels, values in found))  # fmt: skip
    with prometheus.stored(folder) as server:
        yield server


def over(server: prometheus.Server, seen: Series, expr: str) -> list[dict[str, Any]]:
    """What an expression gives at each step: rows with `metric` and `values`."""
    end = seen.start_s + (seen.steps - 1) * seen.step_s
    answer = server.get("/api/v1/query_range", query=expr, start=str(seen.start_s), end=str(end), step=str(seen.step_s))  # fmt: skip
    rows: list[dict[str, Any]] = answer["data"]["result"]
    return rows


def levels(recording: Mapping[str, Any]) -> list[list[dict[str, str]]]:
    """The rules, each behind those whose names stand in its expression."""
    rules = [rule for group in recording["groups"] for rule in group["rules"]]
    depths: dict[str, int] = {}
    for rule in rules:
        named = set(re.findall(r"[a-z_]+:[a-z0-9_]+:[a-z0-9_]+", rule["expr"]))
        depths[rule["record"]] = 1 + max((depths[name] for name in named), default=0)
    return [
        [rule for rule in rules if depths[rule["record"]] == depth]
        for depth in range(1, max(depths.values(), default=0) + 1)
    ]


def _store(
    programs: prometheus.Programs,
    folder: Path,
    rows: Iterable[tuple[str, Sequence[tuple[str, str]], Sequence[tuple[float, float | str]]]],
) -> None:
    """Blocks of samples: metric, labels, and values by their times."""
    with (folder / "metrics.txt").open("w") as file:
        for metric, group in itertools.groupby(rows, key=lambda row: row[0]):
            # Of no type: OpenMetrics would want each name to end as its type says.
            file.write(f"# TYPE {metric} gauge\n")
            for _, labels, values in group:
                written = selector(metric, labels).replace(", ", ",")
                file.writelines(f"{written} {float(value):.12g} {at:.0f}\n" for at, value in values)
        file.write("# EOF\n")
    code, said = programs.promtool_says("tsdb", "create-blocks-from", "--max-block-duration=1488h", "openmetrics", "metrics.txt", "data", cwd=folder)  # fmt: skip
    assert code == 0, said[-2000:]
