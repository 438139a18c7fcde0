"""Draws Grafana's dashboards from what a real Prometheus and a real Elasticsearch answer.

    python benchmarks/dashboards.py [--out docs/pictures] [--only SLUG…] [--days 24] [--tasks-per-day 20] [--json]

A simulated month goes through its own pipeline into both engines; each panel of the shipped JSON asks its
queries, and each dashboard is drawn from the answers in its own grid, so that a person can look at it without
Grafana. It is no picture of Grafana: colours and fonts are ours. A panel without data makes the run fail.
Needs Chromium for the pictures; about a minute.
"""

from __future__ import annotations

import argparse
import html
import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from agenttrail.packs.anomalies import load
from agenttrail.simulate.month import simulate
from agenttrail.sinks._elasticsearch_template import mappings
from tests.cli._run import agenttrail
from tests.engines import _backfill
from tests.engines import elasticsearch as es
from tests.packs import _grafana_asks as asks
from tests.packs._samples import fill

ROOT = Path(__file__).parents[1]
_INDEX = "logs-agenttrail.audit-pictures"
_COLUMN, _ROW, _GAP = 58, 36, 8
_PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6D31", "#6A51A3", "#4D4D4D", "#B2DF8A", "#A6761D", "#1B9E77", "#7570B3", "#E7298A", "#66A61E", "#E6AB02"]  # fmt: skip
_SERIES = 16  # more are told apart by no eye
_STYLE = """
body { margin: 0; padding: 16px; background: #f4f5f5; color: #24292e; font: 13px "Liberation Sans", Arial, sans-serif }
h1 { font-size: 20px; margin: 0 0 2px } .soft { color: #6a737d }
.grid { position: relative; margin-top: 12px } .panel { position: absolute; background: #fff; border: 1px solid #dfe2e5; border-radius: 3px; overflow: hidden; box-sizing: border-box; padding: 7px 10px }
.panel h2 { font-size: 13px; margin: 0; font-weight: 600; white-space: nowrap } .panel p { margin: 1px 0 4px; font-size: 11px; color: #6a737d; white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
.number { font-size: 30px; line-height: 42px; color: #1a5f9e; font-weight: 600 } table { border-collapse: collapse; width: 100%; font-size: 12px }
th { text-align: left; color: #6a737d; font-weight: 600 } td, th { padding: 3px 8px; border-bottom: 1px solid #eceff1; white-space: nowrap; max-width: 330px; overflow: hidden; text-overflow: ellipsis } .n { text-align: right }
.bar { height: 14px; background: #0072B2; border-radius: 2px } svg { display: block }
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--only", nargs="*", help="these dashboards only, by slug")
    parser.add_argument("--days", type=int, default=24)
    parser.add_argument("--tasks-per-day", type=int, default=20)
    parser.add_argument("--json", action="store_true", help="panels, lines and points as JSON on standard output")  # fmt: skip
    arguments = parser.parse_args()
    shipped = asks.dashboards(ROOT / "dashboards" / "grafana")
    chosen = {slug: each for slug, each in shipped.items() if not arguments.only or slug in arguments.only}  # fmt: skip
    empty: list[str] = []
    told: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, es.start() as events_in:
        folder = Path(name)
        say("simulating and masking")
        seen = month(folder / "month", events_in, arguments)
        times = asks.Times(seen.start_s, seen.start_s + (seen.steps - 1) * seen.step_s)
        (folder / "prometheus").mkdir()
        with _backfill.month(folder / "prometheus", seen) as metrics_in:
            for slug, dashboard in chosen.items():
                say(f"drawing {slug}")
                answers = [asks.ask(p, metrics_in, events_in, _INDEX, times) for p in dashboard["panels"]]  # fmt: skip
                for panel, answer in zip(dashboard["panels"], answers, strict=True):
                    empty += [f"{slug}: {panel['title']}"] if not asks.has_data(answer) else []
                    told.append({"dashboard": slug, "panel": panel["title"], "lines": len(answer.lines), "points": sum(len(line.points) for line in answer.lines)})  # fmt: skip
                draw(page(dashboard, answers, times), height(dashboard), arguments.out / f"dashboard-{slug}.png")  # fmt: skip
    if arguments.json:
        print(json.dumps({"panels": told, "empty": empty}))
    else:
        print(f"{len(told)} panels of {len(chosen)} dashboards asked, {len(empty)} without data")
    for each in empty:
        say(f"no data: {each}")
    return 1 if empty else 0


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


def month(folder: Path, events_in: es.Server, arguments: argparse.Namespace) -> Any:
    """The month read by its own pipeline, its lines in Elasticsearch; its series."""
    made = simulate(days=arguments.days, tasks_per_day=arguments.tasks_per_day)
    for name, content in made.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    done = agenttrail(folder, "run", "-c", "pipeline.yaml", "-q")
    assert done.code == 0, done.err
    found = folder / "anomalies.jsonl"
    done = agenttrail(folder, "scan", "masked.jsonl", "--output", str(found))
    assert done.code in (0, 1), done.err
    lines = [json.loads(x) for path in (folder / "masked.jsonl", found) for x in path.read_bytes().splitlines()]  # fmt: skip
    fill(events_in, _INDEX, mappings(), lines)
    return asks.metrics_of(folder, found)


def height(dashboard: dict[str, Any]) -> int:
    rows = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in dashboard["panels"])
    return rows * _ROW + 90


def page(dashboard: dict[str, Any], answers: Sequence[asks.Answer], times: asks.Times) -> str:
    """The dashboard as a page of its own."""
    anomalies = {a.rule.slug: a for a in load(ROOT / "runbooks").anomalies}
    assert anomalies
    panels = []
    for panel, answer in zip(dashboard["panels"], answers, strict=True):
        at = panel["gridPos"]
        width, tall = at["w"] * _COLUMN - _GAP, at["h"] * _ROW - _GAP
        place = f"left:{at['x'] * _COLUMN}px;top:{at['y'] * _ROW}px;width:{width}px;height:{tall}px"
        body = inside(panel, answer, times, width - 22, tall - 52)
        panels.append(f'<div class="panel" style="{place}"><h2>{html.escape(panel["title"])}</h2><p>{html.escape(panel["description"])}</p>{body}</div>')  # fmt: skip
    about = f"{html.escape(dashboard['description'])} {day(times.start_s)} to {day(times.end_s)}, a simulated month."
    return f'<meta charset="utf-8"><style>{_STYLE}</style><h1>{html.escape(dashboard["title"])}</h1><div class="soft">{about}</div><div class="grid">{"".join(panels)}</div>'  # fmt: skip


def day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%-d %B %Y")


def inside(
    panel: dict[str, Any], answer: asks.Answer, times: asks.Times, width: int, tall: int
) -> str:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    kind = panel["type"]
    if kind == "stat":
        values = [line.points[-1][1] for line in answer.lines if line.points]
        # Of the events a stat asks for one bucket of a thousand days, of which the month may touch two.
        points = [v for line in answer.lines for _, v in line.points]
        value = sum(points) if "metrics" in panel["targets"][0] else values[0] if values else math.nan  # fmt: skip
        return f'<div class="number">{shown(value, unit)}</div>'
    if kind == "table":
        return table(panel, answer, max(1, (tall - 8) // 23 - 1))
    if kind in ("bargauge", "barchart"):
        return bars(answer, unit, max(1, tall // 22))
    return over_time(panel, answer, unit, times, width, tall)


def shown(value: float, unit: str) -> str:
    """A number in its unit."""
    if value != value:
        return "–"
    if unit == "percentunit":
        return f"{value * 100:.1f} %"
    if unit == "currencyUSD":
        return f"${value:,.2f}" if abs(value) >= 1 else f"${value:.4f}"
    if unit == "s":
        for size, name in ((86400, "days"), (3600, "h"), (60, "min")):
            if value >= size:
                return f"{value / size:.1f} {name}"
        return f"{value:.2f} s"
    for size, name in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if name == 'k' else size):.1f}{name}"
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else f"{value:.2f}"


def table(panel: dict[str, Any], answer: asks.Answer, most: int) -> str:
    columns, rows = asks.rows_of(panel, answer)
    words = sum(isinstance(cell, str) for cell in rows[0]) if rows else 0
    renamed = {}
    for each in panel.get("transformations", ()):
        renamed |= each["options"].get("renameByName", {})
    heads = "".join(f"<th{' class=n' if n >= words else ''}>{html.escape(named(renamed.get(c, c)))}</th>" for n, c in enumerate(columns))  # fmt: skip
    first = next((n for n in range(len(columns)) if rows and isinstance(rows[0][n], float)), 0)
    rows.sort(key=lambda row: -row[first] if isinstance(row[first], float) and row[first] == row[first] else math.inf)  # fmt: skip
    lines = []
    for row in rows[:most]:
        cells = "".join(
            f"<td>{html.escape(cell)}</td>" if isinstance(cell, str) else f"<td class=n>{cell_of(cell, renamed.get(columns[n], columns[n]))}</td>"
            for n, cell in enumerate(row)
        )  # fmt: skip
        lines.append(f"<tr>{cells}</tr>")
    return f"<table><tr>{heads}</tr>{''.join(lines)}</table>"


def named(column: str) -> str:
    """A column as people read it."""
    known = {"gen_ai_agent_name": "Agent", "agenttrail_budget_names": "Budget", "agenttrail_budget_verdict": "Asks for"}  # fmt: skip
    return known.get(column, column)


def cell_of(value: float, column: str) -> str:
    if column in ("Success", "Escalated"):
        return shown(value, "percentunit")
    if column == "Last event":
        return (
            datetime.fromtimestamp(value / 1000, UTC).strftime("%d %b %H:%M")
            if value == value
            else "–"
        )
    if column.endswith(", ms"):
        return "–" if value != value else f"{value:,.0f}"
    return shown(value, "currencyUSD" if "ost" in column else "short")


def bars(answer: asks.Answer, unit: str, most: int) -> str:
    values = sorted(((line.name, sum(v for _, v in line.points)) for line in answer.lines), key=lambda x: -x[1])[:most]  # fmt: skip
    top = max((value for _, value in values), default=1) or 1
    rows = "".join(
        f'<tr><td style="width:180px">{html.escape(name)}</td><td><div class="bar" style="width:{max(0.5, 100 * value / top):.1f}%"></div></td><td class="n" style="width:80px">{shown(value, unit)}</td></tr>'
        for name, value in values
    )
    return f"<table>{rows}</table>"


def over_time(
    panel: dict[str, Any], answer: asks.Answer, unit: str, times: asks.Times, width: int, tall: int
) -> str:
    import altair as alt
    import vl_convert

    is_bars = panel["fieldConfig"]["defaults"].get("custom", {}).get("drawStyle") == "bars"
    totals = sorted(answer.lines, key=lambda line: -sum(v for _, v in line.points if v == v))
    kept = {line.name for line in totals[:_SERIES]}
    data = [
        {"t": at * 1000, "v": value, "s": line.name or "(none)"}
        for line in answer.lines
        if line.name in kept
        for at, value in line.points
        if value == value and math.isfinite(value)
    ]
    formats = {"percentunit": "%", "currencyUSD": "$,.2~f", "s": "~s", "short": "~s"}
    axis = alt.Axis(title=None, format=formats[unit], tickCount=4, grid=True, gridColor="#eceff1", domain=False, ticks=False)  # fmt: skip
    if unit == "s":
        axis.labelExpr = "datum.value >= 3600 ? format(datum.value / 3600, '.3~r') + ' h' : datum.value >= 60 ? format(datum.value / 60, '.3~r') + ' min' : datum.value + ' s'"
    base = alt.Chart(alt.Data(values=data)).encode(
        x=alt.X("t:T", scale=alt.Scale(domain=[times.start_s * 1000, times.end_s * 1000]), axis=alt.Axis(title=None, format="%d %b", tickCount=8, grid=False)),
        color=alt.Color("s:N", scale=alt.Scale(range=_PALETTE), sort=[line.name for line in totals], legend=alt.Legend(title=None, orient="bottom", columns=max(1, width // 170), labelLimit=160, symbolType="square")),
    )  # fmt: skip
    if is_bars:
        chart = base.mark_bar(size=max(1.5, width / 170)).encode(y=alt.Y("sum(v):Q", stack=True, axis=axis))  # fmt: skip
    else:
        chart = base.mark_line(strokeWidth=1.6, interpolate="step-after").encode(
            y=alt.Y("v:Q", axis=axis),
            strokeDash=alt.condition("indexof(datum.s, 'target ') == 0", alt.value([4, 3]), alt.value([1, 0])),
        )  # fmt: skip
    names = len({row["s"] for row in data})
    legend = 22 * math.ceil(names / max(1, width // 170)) + 14
    spec = chart.properties(width=width - 48, height=max(40, tall - legend - 24)).configure_view(stroke=None).configure_axis(labelFontSize=10, labelColor="#6a737d").to_json()  # fmt: skip
    return str(vl_convert.vegalite_to_svg(spec))


def draw(text: str, tall: int, path: Path) -> None:
    """A page as a picture."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("chromium is missing: apt-get install chromium")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.html"
        source.write_text(text)
        subprocess.run(
            [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={24 * _COLUMN + 26},{tall}", f"--screenshot={path.resolve()}", source.as_uri()],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
