"""`agenttrail budget show`: what is spent, which thresholds passed, where it will end."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from agenttrail.governance import policy
from agenttrail.governance.budget import Budget, Threshold
from agenttrail.governance.ledger import SCOPE, Account, Ledger
from agenttrail.governance.state import State
from tests.cli._run import agenttrail

POLICY = """
version: "1"
default: automatic
budgets:
  - {name: sales, by: department, amount: 10, currency: USD, period: month, thresholds: [{at: 0.5, then: alert}, {at: 1, then: stop}]}
  - {name: task, by: task, amount: 2, currency: USD, thresholds: [{at: 1, then: require_approval}]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A policy, and a state that is still held open by its writer."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "p.yaml").write_text(
        "sources: [stdin]\nsinks: [{type: jsonl, path: o}]\n"
        "enrichers: [{type: budgets, policy: policy.yaml, state: state.db}]\n"
    )
    state = State(str(tmp_path / "state.db"), SCOPE)
    ledger = Ledger(policy.load(str(tmp_path / "policy.yaml")).budgets, state)
    now = datetime.now(UTC)
    for number, (moment, cost) in enumerate([(now, "6"), (now, "1.5"), (now - timedelta(days=40), "3")]):  # fmt: skip
        fields = {
            "@timestamp": f"{moment:%Y-%m-%dT%H:%M:%SZ}", "agenttrail.task.id": f"t{number}",
            "agenttrail.registry.department": "sales",
        }  # fmt: skip
        ledger.spend(f"e{number}", fields, Decimal(cost), "USD")
    ledger.save()
    return tmp_path


def test_running_periods_are_shown_with_share_thresholds_and_forecast(folder: Path) -> None:
    """As JSON with exact amounts; those that are over on request; the most spent first."""
    done = agenttrail(folder, "budget", "show", "--policy", "policy.yaml", "--state", "state.db", "--json")  # fmt: skip
    sales, *tasks = json.loads(done.out)
    assert (sales["budget"], sales["subject"], sales["spent"], sales["used"], sales["verdict"]) == (
        "sales", "sales", "7.5", 0.75, "alert")  # fmt: skip
    assert [t["passed"] for t in sales["thresholds"]] == [True, False]
    assert [(t["subject"], t["spent"], t["verdict"], t["forecast"]) for t in tasks] == [
        ("t0", "6", "require_approval", None), ("t2", "3", "require_approval", None), ("t1", "1.5", None, None)]  # fmt: skip
    everything = agenttrail(folder, "budget", "show", "-c", "p.yaml", "--json", "--all")
    assert [a["spent"] for a in json.loads(everything.out) if a["budget"] == "sales"] == [
        "7.5",
        "3",
    ]
    top = agenttrail(folder, "budget", "show", "-c", "p.yaml", "--json", "--top", "1")
    assert [a["subject"] for a in json.loads(top.out)] == ["sales", "t0"]


def test_people_get_a_table(folder: Path) -> None:
    """One line an account."""
    done = agenttrail(folder, "budget", "show", "-c", "p.yaml")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split() == ["budget", "of", "from", "spent", "of", "amount", "used", "forecast", "state"]  # fmt: skip
    assert "department sales" in lines[1]
    assert "75%" in lines[1]
    assert lines[2].split()[-1] == "require_approval"


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [((), 2, "which budgets?"), (("--policy", "policy.yaml"), 2, "which budgets?"),
     (("-c", "p.yaml", "--state", "x"), 2, "no effect"), (("-c", "p.yaml", "--top", "0"), 2, "at least 1"),
     (("--policy", "policy.yaml", "--state", "none.db"), 1, "cannot be read"),
     (("--policy", "none.yaml", "--state", "state.db"), 2, "cannot be read")],
)  # fmt: skip
def test_what_cannot_be_shown_is_said(folder: Path, arguments: tuple[str, ...], code: int, part: str) -> None:  # fmt: skip
    """With a hint."""
    done = agenttrail(folder, "budget", "show", *arguments)
    assert (done.code, part in done.err) == (code, True)


@pytest.mark.parametrize(
    ("now", "forecast"),
    [("2026-11-01T12:00:00", None), ("2026-11-16T00:00:00", 30), ("2026-11-30T23:59:59", 15), ("2026-12-02T00:00:00", 15)],
)  # fmt: skip
def test_the_forecast_is_the_pace_so_far(now: str, forecast: int | None) -> None:
    """Not in the first twentieth of a period, and not beyond its end."""
    made = Budget(name="b", by="agent", amount=Decimal(10), currency="USD", period="month", thresholds=(Threshold(at=1, then="stop"),))  # fmt: skip
    account = Account(budget=made, subject="a", begins=made.begins(datetime(2026, 11, 5, tzinfo=UTC)), spent=Decimal(15), events=1, fired=1)  # fmt: skip
    found = account.forecast(datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert (None if found is None else round(found)) == forecast
