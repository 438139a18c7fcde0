"""Baselines: what is recorded is the median and the MAD, and what goes on long enough is the new usual."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path

import pytest
import yaml

from agenttrail import fields as f
from agenttrail.cli.pack import metrics
from agenttrail.errors import OptionError
from agenttrail.packs import baselines
from agenttrail.packs import prometheus as rules
from agenttrail.packs.baselines import Baseline, Window
from agenttrail.packs.series import at_s, series
from tests.engines import _backfill, prometheus
from tests.engines.fixtures import required
from tests.packs._pack import RUNBOOKS, pack

FOLDER = RUNBOOKS / "rules" / "prometheus"
COST = "agent:agenttrail_task_cost"
WEEK_S, STEP_S = 7 * 86_400, 1800
WINDOW = Window("7d", "4d")


@pytest.fixture(scope="module")
def programs() -> prometheus.Programs:
    with required():
        return prometheus.prepare()


def a_baseline(**more: object) -> Baseline:
    given = {"record": "agent:calls:mean1h", "value": "calls", "mads": 6, "least": 20, "mad_least": 1}  # fmt: skip
    return Baseline(**{**given, **more})  # type: ignore[arg-type]


def test_what_an_alert_asks() -> None:
    """Far above or below its usual, beyond the least; without history, as the rule says."""
    assert baselines.alert(a_baseline(), ("agent",), WINDOW) == (
        "agent:calls:mean1h > agent:calls:median7d_mean1h + 6 * clamp_min(agent:calls:mad7d_mean1h, 1)"
        " and agent:calls:mean1h > 20"
        " and on (agent) present_over_time(agent:calls:mean1h[7d] offset 4d)"
    )
    below = a_baseline(side="below", mad_least=0, mad_least_share=0.1, only="sum(x) > 1")
    assert baselines.alert(below, ("agent", "tool"), WINDOW) == (
        "agent:calls:mean1h < agent:calls:median7d_mean1h - 6 * (agent:calls:mad7d_mean1h > 0.1 * agent:calls:median7d_mean1h or 0.1 * agent:calls:median7d_mean1h)"
        " and agent:calls:mean1h < 20"
        " and on (agent, tool) present_over_time(agent:calls:mean1h[7d] offset 4d) and on (agent, tool) (sum(x) > 1)"
    )
    assert baselines.alert(a_baseline(unknown="fires"), ("agent",), WINDOW) == (
        "agent:calls:mean1h > 20 unless on (agent)"
        " (agent:calls:mean1h <= agent:calls:median7d_mean1h + 6 * clamp_min(agent:calls:mad7d_mean1h, 1)"
        " and on (agent) present_over_time(agent:calls:mean1h[7d] offset 4d))"
    )


@pytest.mark.parametrize(
    "more, option",
    [({"record": "calls"}, "record"), ({"record": "a:b:mean"}, "record"), ({"mads": 0}, "mads"), ({"mad_least": 0}, "mad_least")],
)  # fmt: skip
def test_wrong_baselines_are_refused(more: dict[str, object], option: str) -> None:
    with pytest.raises(OptionError) as caught:
        a_baseline(**more)
    assert caught.value.option == option


def test_names_are_level_metric_and_operations() -> None:
    """A level is the labels that are left, a metric one that the sink has (a counter without _total)."""
    recorded = [rule["record"] for rule in rules.recording(pack())["groups"][0]["rules"]]
    assert len(recorded) == len(set(recorded)) >= 28
    levels = {"agent": ["gen_ai_agent_name"], "agent_tool": ["gen_ai_agent_name", "gen_ai_tool_name"], "agent_server": ["gen_ai_agent_name", "agenttrail_mcp_server_name"], "department": ["agenttrail_registry_department"]}  # fmt: skip
    seen = set()
    for anomaly in pack().anomalies:
        rule = anomaly.rule.prometheus
        if rule is not None and rule.baseline is not None:
            level, metric, _ = rule.baseline.record.split(":")
            assert list(rule.by) == levels[level]
            assert set(re.findall(r"by \(([^)]*)\)", rule.baseline.value)) == {", ".join(rule.by)}
            assert metric.removesuffix("_failure") in rule.baseline.value
            seen.add(level)
    assert seen == set(levels)


@pytest.mark.engine
def test_what_goes_on_for_half_a_week_is_the_new_usual(
    programs: prometheus.Programs, tmp_path: Path
) -> None:
    """A cost that triples after a week, hour by hour: exact values, by promtool."""

    def at(days: float, name: str, value: float | None) -> dict[str, object]:
        samples = [] if value is None else [{"labels": f'{COST}:{name}{{gen_ai_agent_name="a"}}', "value": value}]  # fmt: skip
        return {"expr": f"{COST}:{name}", "eval_time": f"{days * 24:.0f}h", "exp_samples": samples}

    labels = '{gen_ai_agent_name="a"}'
    test = {
        "interval": "30m",
        "input_series": [
            {"series": f"agenttrail_task_cost_sum{labels}", "values": "0+2x336 678+6x336"},
            {"series": f"agenttrail_task_cost_count{labels}", "values": "0+1x673"},
            # Nobody works: it has no value, and no baseline comes of it.
            {"series": 'agenttrail_task_cost_sum{gen_ai_agent_name="idle"}', "values": "5+0x673"},
            {"series": 'agenttrail_task_cost_count{gen_ai_agent_name="idle"}', "values": "5+0x673"},
        ],
        "promql_expr_test": [
            at(6, "mean1h", 2), at(6, "median7d_mean1h", 2), at(6, "mad7d_mean1h", 0),
            at(10, "mean1h", 6), at(10, "median7d_mean1h", 2), at(10, "deviation_mean1h", 4), at(10, "mad7d_mean1h", 0),
            at(12, "mean1h", 6), at(12, "median7d_mean1h", 6), at(12, "deviation_mean1h", 0),
        ],
    }  # fmt: skip
    whole = {"rule_files": [str(FOLDER / "recording.yaml")], "evaluation_interval": "30m", "tests": [test]}  # fmt: skip
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(whole))
    code, said = programs.promtool_says("test", "rules", "tests.yaml", cwd=tmp_path)
    assert code == 0, said


@pytest.mark.engine
def test_the_months_baselines_are_its_medians(
    programs: prometheus.Programs,
    month_run: Path,
    tmp_path: Path,
) -> None:
    """Recorded by a real Prometheus over the simulated month, and computed from the events in Python."""
    lines = (month_run / "masked.jsonl").read_bytes().splitlines()
    events = [f.from_document(json.loads(line))[0] for line in lines]
    measure, kinds = metrics()
    seen = series(events, measure, kinds, step_s=STEP_S)
    with _backfill.month(tmp_path, seen, rules.recording(pack())) as server:
        found = {
            name: {
                row["metric"]["gen_ai_agent_name"]: {int(at): float(v) for at, v in row["values"]}
                for row in _backfill.over(server, seen, f"{COST}:{name}")
            }
            for name in ("mean1h", "median7d_mean1h", "deviation_mean1h", "mad7d_mean1h")
        }
    compared = 0
    for agent, means in found["mean1h"].items():
        for at, median in found["median7d_mean1h"][agent].items():
            week = [v for t, v in means.items() if at - WEEK_S <= t <= at]
            assert median == pytest.approx(statistics.median(week)), (agent, at)
            away = [
                v for t, v in found["deviation_mean1h"][agent].items() if at - WEEK_S <= t <= at
            ]
            assert found["mad7d_mean1h"][agent][at] == pytest.approx(statistics.median(away))
            compared += 1
        for at, value in found["deviation_mean1h"][agent].items():
            assert value == pytest.approx(abs(means[at] - found["median7d_mean1h"][agent][at]))
    assert compared > 2_000
    _means_are_those_of_the_events(events, found["mean1h"])


def _means_are_those_of_the_events(
    events: list[dict[str, object]], means: dict[str, dict[int, float]]
) -> None:
    """Of hours that neither begin a series nor have half a task in them, which Prometheus estimates."""
    ended = [(e[f.REGISTRY_AGENT_ID], at_s(e), e[f.TASK_COST]) for e in events if e.get(f.TASK_STATE) == "completed" and f.TASK_COST in e and f.REGISTRY_AGENT_ID in e]  # fmt: skip
    exact = 0
    for agent, values in means.items():
        costs = [(t, float(cost)) for name, t, cost in ended if name == agent]  # type: ignore[arg-type]
        for at, value in values.items():
            within = [cost for t, cost in costs if at - 3600 < t <= at]
            if within and value == pytest.approx(statistics.fmean(within), rel=0.01):
                exact += 1
    assert exact / sum(map(len, means.values())) > 0.8
