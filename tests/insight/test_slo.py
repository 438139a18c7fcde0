"""Targets one step above what was measured, and rules that fire when their budget burns."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from agenttrail.insight import slo
from agenttrail.insight.events import opened
from tests.engines import prometheus
from tests.engines.fixtures import required
from tests.insight._lines import ended, write


def proposals(tmp_path: Path, good: int, bad: int, **more: Any) -> list[slo.Proposal]:
    events = [ended("support", "completed")] * good + [ended("support", "failed")] * bad
    with opened([write(tmp_path / "a.jsonl", events)]) as db:
        return slo.propose(db, **more)


def test_seventy_measured_is_seventy_five_proposed(tmp_path: Path) -> None:
    """With the number of tasks and the interval as evidence."""
    (made,) = proposals(tmp_path, 70, 30)

    assert (made.agent, made.indicator, made.measured, made.of, made.target) == ("support", "task_success", 0.7, 100, 0.75)  # fmt: skip
    assert made.low < 0.61 < made.high


def test_of_too_few_tasks_nothing_is_proposed(tmp_path: Path) -> None:
    (made,) = proposals(tmp_path, 9, 1)

    assert made.target is None
    assert made.note == "10 tasks that ended; at least 30 are needed"


@pytest.mark.parametrize(
    "share, target",
    [(0.0, 0.1), (0.699, 0.7), (0.70, 0.75), (0.7001, 0.75), (0.9, 0.92), (0.985, 0.99), (0.9991, 0.999), (1.0, 0.999)],
)  # fmt: skip
def test_a_step_is_the_next_rung(share: float, target: float) -> None:
    """Never a target of 100 %: no budget would be left."""
    assert slo.step_above(share) == pytest.approx(target)


@pytest.mark.parametrize("target", [0.5, 0.75, 0.9, 0.99, 0.999])
@pytest.mark.parametrize("burn", [14.4, 6, 3, 1])
def test_every_alert_can_fire(target: float, burn: float) -> None:
    """The bound is below 1, and never below what the budget allows for good."""
    bound = slo.reachable(1 - target, burn)

    assert 1 - target <= bound + 1e-12
    assert bound < 1


def test_openslo_documents_have_what_the_specification_asks_for(tmp_path: Path) -> None:
    """Names after RFC 1123, a service for each SLO, a ratio of two queries."""
    documents = slo.openslo(proposals(tmp_path, 70, 30))

    assert [d["kind"] for d in documents] == ["Service", "SLO"]
    spec = documents[1]["spec"]
    assert spec["service"] == documents[0]["metadata"]["name"]
    assert spec["objectives"][0]["target"] == 0.75
    assert spec["budgetingMethod"] == "Occurrences"
    assert set(spec["indicator"]["spec"]["ratioMetric"]) == {"counter", "good", "total"}


def series(completed: str, failed: str) -> list[dict[str, Any]]:
    names = {
        'agenttrail_task_ended_total{gen_ai_agent_name="support", agenttrail_task_state="completed"}': completed,
        'agenttrail_task_ended_total{gen_ai_agent_name="support", agenttrail_task_state="failed"}': failed,
    }  # fmt: skip
    return [{"series": name, "values": values} for name, values in names.items()]


FAILING = [("1h", "critical"), ("6h", "critical"), ("1d", "warning"), ("3d", "warning")]
CASES = [
    ("three of four tasks fail", series("0+1x720", "0+3x720"), FAILING),
    ("all is well", series("0+2x720", "0x720"), []),
    ("one failure in a quiet night", series("0x720", "0x600 1x120"), []),
    ("three of a hundred fail, as the target allows", series("0+97x720", "0+3x720"), []),
]


@pytest.mark.engine
@pytest.mark.parametrize("name, given, fired", CASES, ids=[case[0] for case in CASES])
def test_alerts_fire_when_the_budget_burns_and_only_then(
    tmp_path: Path, name: str, given: list[dict[str, Any]], fired: list[tuple[str, str]]
) -> None:
    """By promtool, over twelve hours."""
    with required():
        programs = prometheus.prepare()
    made = slo.rules(proposals(tmp_path, 95, 5))
    (tmp_path / "whole.yaml").write_text(yaml.safe_dump(made))
    code, said = programs.promtool_says("check", "rules", "whole.yaml", cwd=tmp_path)
    assert code == 0, said
    for group in made["groups"]:
        for rule in group["rules"]:
            rule.pop("annotations", None)  # promtool would compare them too
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(made))
    expected = [
        {"exp_labels": {"severity": severity, "slo": "task_success", "long_window": window, "gen_ai_agent_name": "support"}}
        for window, severity in fired
    ]  # fmt: skip
    tests = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "name": name, "interval": "1m", "input_series": given,
                "alert_rule_test": [{"eval_time": "11h", "alertname": "TaskSuccessBurning", "exp_alerts": expected}],
            }
        ],
    }  # fmt: skip
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests))

    code, said = programs.promtool_says("test", "rules", "tests.yaml", cwd=tmp_path)

    assert code == 0, said
