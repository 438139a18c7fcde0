"""Budgets: exact sums in the right period, thresholds once, stops at once, over restarts."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agenttrail import fields as f
from agenttrail.enrichers.budgets import Budgets, BudgetsOptions
from agenttrail.errors import OptionError
from agenttrail.governance import ledger as books
from agenttrail.governance import policy, prices
from agenttrail.governance.budget import Budget, Threshold
from agenttrail.governance.kill_switch import Call, KillSwitch, written_name
from agenttrail.governance.ledger import Ledger
from agenttrail.governance.state import State, StateError
from agenttrail.keys import KeyOptions
from agenttrail.seams import Event
from agenttrail.testing import records

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
RATES = prices.loads("rates: [{base: USD, quote: JPY, rate: 150, valid_from: 2026-01-01}]")


def budget(name: str = "b", by: Any = "agent", amount: Any = 10, **more: Any) -> Budget:
    thresholds = more.pop("thresholds", [(0.5, "alert"), (0.8, "require_approval"), (1.0, "stop")])
    more.setdefault("period", None if by == "task" else "day")
    return Budget(
        name=name, by=by, amount=Decimal(str(amount)), currency=more.pop("currency", "USD"),
        thresholds=tuple(Threshold(at=at, then=then) for at, then in thresholds), **more,
    )  # fmt: skip


class Desk:
    """A budgets enricher over a state file, opened again at will."""

    def __init__(self, folder: Path, *budgets: Budget, now: Callable[[], datetime] = lambda: NOW, **more: Any) -> None:  # fmt: skip
        self.path, self.budgets = str(folder / "state.db"), budgets
        self.switch = KillSwitch(str(folder / "kill.json"), now=now)
        self.switch.create()
        self.now, self.more = now, more
        self.count = 0
        self.open()

    def open(self) -> None:
        self.state = State(self.path, books.SCOPE)
        made = Ledger(
            self.budgets, self.state, prices=RATES, user_key=b"k", now=self.now, **self.more
        )
        self.enrich = Budgets(made, self.state, switch=self.switch, now=self.now)

    def kill(self) -> None:
        """As kill -9 would leave it: what was not saved is gone."""
        self.state.close()
        self.open()

    def event(self, cost: Any, time: str = "2026-11-25T10:00:00Z", **more: Any) -> Event:
        self.count += 1
        fields = {
            f.TIMESTAMP: time, f.EVENT_ID: f"e{self.count}", f.COST_TOTAL: cost, f.COST_CURRENCY: "USD",
            f.AGENT_NAME: "a", **more,
        }  # fmt: skip
        return Event(fields, tuple(records(b"x")))

    def give(self, *events: Event) -> list[tuple[Any, Any, Any]]:
        made = [self.enrich(event) for event in events]
        return [
            (m.fields.get(f.BUDGET_NAMES), m.fields.get(f.BUDGET_VERDICT), m.fields.get(f.BUDGET_USED))
            for m in made
        ]  # fmt: skip

    def accounts(self) -> dict[tuple[str, str, str], Decimal]:
        self.enrich.save()
        return {
            (a.budget.name, str(a.begins), a.subject): a.spent
            for a in books.accounts(self.path, self.budgets)
        }


NOTHING = (None, None, None)


def test_each_threshold_fires_once_with_the_event_that_passes_it(tmp_path: Path) -> None:
    """One event may pass several: the strictest counts. Amounts stand nowhere."""
    desk = Desk(tmp_path, budget())
    assert desk.give(*(desk.event(cost) for cost in (4.9, 0.1, 2.9, 0.1, 1.9, 0.1, 100))) == [
        NOTHING, (["b"], "alert", 0.5), NOTHING, (["b"], "require_approval", 0.8), NOTHING,
        (["b"], "stop", 1.0), NOTHING,
    ]  # fmt: skip
    other = Desk(tmp_path / "o" if (tmp_path / "o").mkdir() is None else tmp_path, budget())
    assert other.give(other.event(25)) == [(["b"], "stop", 2.5)]


def test_ten_times_a_tenth_is_one(tmp_path: Path) -> None:
    """Decimals, not floats: the threshold is passed by the tenth."""
    desk = Desk(tmp_path, budget(amount=1, thresholds=[(1, "stop")]))
    assert desk.give(*(desk.event(0.1) for _ in range(10)))[8:] == [NOTHING, (["b"], "stop", 1.0)]


@pytest.mark.parametrize(
    ("by", "field"),
    [("task", f.TASK_ID), ("agent", f.REGISTRY_AGENT_ID), ("department", f.REGISTRY_DEPARTMENT),
     ("department", f.USER_DEPARTMENT), ("user", f.USER_ID)],
)  # fmt: skip
def test_a_budget_is_for_each_subject_by_itself(tmp_path: Path, by: str, field: str) -> None:
    """Two subjects do not share; an event without one belongs to none."""
    desk = Desk(tmp_path, budget(by=by, thresholds=[(1, "stop")]))
    given = [desk.event(6, **{field: name}) for name in ("x", "y", "x")]
    verdicts = [verdict for _, verdict, _ in desk.give(*given)]
    assert verdicts == [None, None, "stop"]
    assert sorted(desk.accounts().values()) == [6, 12]


def test_only_those_named_have_the_budget(tmp_path: Path) -> None:
    """And one event can belong to several budgets."""
    desk = Desk(tmp_path, budget("one", only=("a",), amount=5), budget("all", amount=6))
    names = [
        n
        for n, _, _ in desk.give(desk.event(5), desk.event(6, **{f.AGENT_NAME: "z"}), desk.event(1))
    ]
    assert names == [["one", "all"], ["all"], ["all"]]


def test_users_are_hashes_in_state_and_kill_switch(tmp_path: Path) -> None:
    """No name is written down, and the same user is found again."""
    desk = Desk(tmp_path, budget(by="user", only=("ann@example.com",)))
    desk.give(desk.event(50, **{f.USER_ID: "ann@example.com"}))
    desk.enrich.save()
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"ann" not in written
    assert desk.switch.verdict(Call(user=books.user_hash(b"k", "ann@example.com"))) is not None
    assert books.user_hash(b"k", "a") != books.user_hash(b"l", "a")


@pytest.mark.parametrize(
    ("by", "field", "own"),
    [("agent", f.AGENT_NAME, f.REGISTRY_AGENT_ID), ("department", f.USER_DEPARTMENT, f.REGISTRY_DEPARTMENT)],
)  # fmt: skip
def test_names_that_only_a_log_knows_are_hashes_where_they_could_be_a_persons(
    tmp_path: Path, by: str, field: str, own: str
) -> None:
    """In state and kill switch; those of the registry and of the policy stand as they are."""
    named = budget("named", by=by, only=("Team Lee",), amount=5)
    desk = Desk(tmp_path, budget(by=by, amount=5), named)
    desk.give(
        desk.event(6, **{field: "Ann Lee's helper"}), desk.event(6, **{field: "coder-7"}),
        desk.event(6, **{field: "x", own: "Head Office"}), desk.event(6, **{field: "Team Lee"}),
    )  # fmt: skip
    subjects = {(b, s) for b, _, s in desk.accounts()}
    assert subjects == {
        ("b", written_name("Ann Lee's helper")), ("b", "coder-7"), ("b", "Head Office"),
        ("named", "Team Lee"), ("b", written_name("Team Lee")),
    }  # fmt: skip
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"Ann" not in written
    assert desk.switch.verdict(Call(**{by: "Ann Lee's helper"})) is not None


def test_roll_ups_and_what_is_no_money_are_not_counted(tmp_path: Path) -> None:
    """Parents repeat their children."""
    desk = Desk(tmp_path, budget())
    desk.give(
        desk.event(7, **{f.USAGE_ROLLUP: True}), desk.event("7"), desk.event(True), desk.event(-7),
        desk.event(float("inf")), desk.event(7, **{f.COST_CURRENCY: 5}), desk.event(2),
    )  # fmt: skip
    assert list(desk.accounts().values()) == [2]


def test_other_currencies_go_by_the_days_rate_or_are_flagged(tmp_path: Path) -> None:
    """Never guessed."""
    desk = Desk(tmp_path, budget(amount=1500, currency="JPY", thresholds=[(1, "stop")]))
    made = desk.enrich(desk.event(10, **{f.COST_CURRENCY: "EUR", f.COST_FINDINGS: ["no_price"]}))
    assert made.fields[f.COST_FINDINGS] == ["no_price", "no_rate"]
    assert desk.give(desk.event(9.99), desk.event(0.01)) == [NOTHING, (["b"], "stop", 1.0)]


def test_late_and_out_of_order_events_land_in_their_own_period(tmp_path: Path) -> None:
    """By the event's time in the budget's zone, whatever the order."""
    zone = budget(period="day", time_zone="Asia/Tokyo")
    desk = Desk(tmp_path, zone)
    start = datetime(2026, 11, 20, tzinfo=UTC)
    given = [(start + timedelta(minutes=37 * n), Decimal(n % 7) / 4) for n in range(400)]
    expected: Counter[str] = Counter()
    for moment, cost in given:
        expected[str((moment + timedelta(hours=9)).date())] += cost  # type: ignore[assignment]
    random.Random(5).shuffle(given)
    fired: Counter[Any] = Counter()
    for moment, cost in given:
        (verdict,) = desk.give(desk.event(float(cost), moment.strftime("%Y-%m-%dT%H:%M:%SZ")))
        fired[verdict[1]] += 1
    found = {day: spent for (_, day, _), spent in desk.accounts().items()}
    assert found == dict(expected)
    full = sum(spent >= 10 for spent in expected.values())
    assert full > 8
    assert fired["stop"] <= full <= sum(fired[v] for v in ("alert", "require_approval", "stop"))


# --- restarts ------------------------------------------------------------------------------------
def test_a_killed_run_counts_what_comes_again_once_and_says_the_same(tmp_path: Path) -> None:
    """Killed before the save, after it, and again; batches cut elsewhere the next time."""
    desk = Desk(tmp_path, budget(thresholds=[(0.3, "alert"), (1, "stop")]))
    batch = [desk.event(1) for _ in range(4)]
    first = desk.give(*batch)
    assert first[2] == (["b"], "alert", 0.3)
    desk.kill()  # nothing was saved
    assert desk.give(*batch) == first
    desk.enrich.save()
    desk.kill()  # saved and delivered, not committed
    assert desk.give(*batch[:3]) == first[:3]
    desk.enrich.save()
    desk.kill()
    assert desk.give(*batch[2:], desk.event(6)) == [first[2], NOTHING, (["b"], "stop", 1.0)]
    assert list(desk.accounts().values()) == [10]


def test_any_order_of_kills_and_batches_gives_the_same_sums(tmp_path: Path) -> None:
    """Random histories against a plain sum."""
    for seed in range(15):
        rng = random.Random(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        desk = Desk(folder, budget(amount=20, by="task", thresholds=[(0.5, "alert"), (1, "stop")]))
        given = [
            desk.event(rng.randrange(1, 5), **{f.TASK_ID: rng.choice("xyz")}) for _ in range(40)
        ]
        committed, delivered = 0, {}
        while committed < len(given):
            batch = given[committed : committed + rng.randrange(1, 9)]
            made = desk.give(*batch)
            for event, verdict in zip(batch, made, strict=True):
                assert delivered.setdefault(event.fields[f.EVENT_ID], verdict) == verdict
            if rng.random() < 0.3:
                desk.kill()
                continue
            desk.enrich.save()
            if rng.random() < 0.3:
                desk.kill()
                continue
            committed += len(batch)
        sums: Counter[str] = Counter()
        for event in given:
            sums[event.fields[f.TASK_ID]] += event.fields[f.COST_TOTAL]
        assert {subject: spent for (_, _, subject), spent in desk.accounts().items()} == sums
        passed = Counter(verdict for _, verdict, _ in delivered.values() if verdict)
        assert passed["stop"] == sum(spent >= 20 for spent in sums.values())
        desk.state.close()


# --- stops ---------------------------------------------------------------------------------------
def test_a_stop_is_written_at_once_and_ends_with_the_period(tmp_path: Path) -> None:
    """Before anything is saved or delivered; by whom and until when."""
    desk = Desk(tmp_path, budget(time_zone="Asia/Tokyo", runbook="https://example.com/r"))
    desk.give(desk.event(8))
    assert [s.verdict for s in desk.switch.stops()] == ["require_approval"]
    desk.give(desk.event(2))
    found = desk.switch.verdict(Call(agent="a"))
    assert found is not None
    assert (found.verdict, found.by, found.budget, found.category, found.until, found.runbook) == (
        "stop", "budget", "b", "budget", "2026-11-25T15:00:00Z", "https://example.com/r")  # fmt: skip
    assert desk.switch.verdict(Call(agent="other")) is None


@pytest.mark.parametrize(
    ("by", "field", "call"),
    [("task", f.TASK_ID, Call(task="n")), ("department", f.REGISTRY_DEPARTMENT, Call(department="n"))],
)  # fmt: skip
def test_what_is_stopped_is_what_the_budget_is_for(
    tmp_path: Path, by: str, field: str, call: Call
) -> None:
    """A task's budget stops the task, not its agent."""
    desk = Desk(tmp_path, budget(by=by))
    desk.give(desk.event(10, **{field: "n"}))
    assert desk.switch.verdict(call) is not None
    assert desk.switch.verdict(Call(agent="a")) is None


def test_a_log_of_last_week_stops_nobody_today(tmp_path: Path) -> None:
    """Its events say what passed then."""
    desk = Desk(tmp_path, budget())
    assert desk.give(desk.event(10, "2026-11-18T10:00:00Z")) == [(["b"], "stop", 1.0)]
    assert desk.switch.stops() == ()


def test_an_agent_that_a_person_started_again_is_not_stopped_by_the_same_threshold(tmp_path: Path) -> None:  # fmt: skip
    """Each fires once."""
    desk = Desk(tmp_path, budget())
    desk.give(desk.event(10))
    desk.switch.start("agent", "a")
    desk.give(desk.event(10))
    assert desk.switch.stops() == ()


# --- bounds --------------------------------------------------------------------------------------
def test_accounts_that_nothing_is_added_to_are_forgotten(tmp_path: Path) -> None:
    """By the clock; those in use stay, and so do verdicts and messages."""
    clock = [NOW]
    desk = Desk(tmp_path, budget(by="task"), now=lambda: clock[0], keep_days=2)
    desk.give(desk.event(1, **{f.TASK_ID: "old"}), desk.event(1, **{f.TASK_ID: "used"}))
    for _ in range(501):
        clock[0] += timedelta(minutes=10)
        desk.give(desk.event(0.5, **{f.TASK_ID: "used"}))
        desk.enrich.save()
    assert [subject for _, _, subject in desk.accounts()] == ["used"]


def test_memory_holds_a_part_of_many_tasks(tmp_path: Path) -> None:
    """Thirty thousand tasks: what is kept in memory is bounded, and all of it is on disk."""
    desk = Desk(tmp_path, budget(by="task"))
    for number in range(30_000):
        desk.enrich(desk.event(1, **{f.TASK_ID: f"t{number}"}))
        if number % 500 == 499:
            desk.enrich.save()
    assert len(desk.state._known) <= 10_000
    assert not desk.state._changed
    assert len(desk.accounts()) == 30_000


# --- the whole pipeline, killed ------------------------------------------------------------------
POLICY = """
version: "1"
default: automatic
budgets:
  - {name: task, by: task, amount: 1, currency: USD, thresholds: [{at: 0.5, then: alert}, {at: 1, then: stop}]}
  - {name: day, by: agent, amount: 40, currency: USD, period: day, time_zone: Asia/Bangkok, thresholds: [{at: 0.25, then: alert}, {at: 0.5, then: require_approval}, {at: 1, then: stop}]}
"""
PIPELINE = """
sources: [{type: file, paths: [calls.jsonl], checkpoint: checkpoint.json}]
format:
  type: jsonl
  fields: {"@timestamp": time, gen_ai.operation.name: op, gen_ai.provider.name: provider, gen_ai.response.model: model, gen_ai.usage.input_tokens: tokens, agenttrail.task.id: task, gen_ai.agent.name: agent}
enrichers:
  - {type: cost, prices: prices.yaml}
  - {type: budgets, policy: policy.yaml, state: state.db, kill_switch: kill.json}
mask: {type: presidio, profile: fast}
sinks: [{type: jsonl, path: out.jsonl, mode: append}]
delivery: {batch_events: 40}
"""


def test_sums_and_verdicts_are_exact_after_kill_9_of_a_real_pipeline(tmp_path: Path) -> None:
    """Real processes, a file source with its checkpoint: killed four times at any moment."""
    rng = random.Random(3)
    prices_file = "prices: [{model: m, currency: USD, valid_from: 2026-01-01, per_million: {input: 1000, output: 0}}]"
    (tmp_path / "prices.yaml").write_text(prices_file)
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "p.yaml").write_text(PIPELINE)
    sums: Counter[tuple[str, str]] = Counter()
    start = datetime(2026, 6, 1, tzinfo=UTC)
    with (tmp_path / "calls.jsonl").open("w") as file:
        for number in range(6_000):
            moment = start + timedelta(seconds=rng.randrange(3 * 86_400))
            task, agent, tokens = (
                f"t{rng.randrange(300)}",
                f"a{rng.randrange(4)}",
                rng.randrange(1, 90),
            )
            parent = number % 10 == 9
            row = {
                "time": moment.isoformat(), "op": "invoke_agent" if parent else "chat", "provider": "p",
                "model": "m", "tokens": tokens, "task": task, "agent": agent, "number": number,
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")
            if not parent:
                day = (moment + timedelta(hours=7)).date()
                sums["task", task] += tokens
                sums[str(day), agent] += tokens
    command = [sys.executable, "-m", "agenttrail", "run", "-c", "p.yaml"]
    kills = 0
    for _ in range(4):
        before = (tmp_path / "out.jsonl").stat().st_size if (tmp_path / "out.jsonl").exists() else 0
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        deadline = time.monotonic() + 60
        goal = before + rng.randrange(1, 400_000)
        while process.poll() is None and time.monotonic() < deadline:
            if (tmp_path / "out.jsonl").exists() and (tmp_path / "out.jsonl").stat().st_size > goal:
                process.kill()
            time.sleep(0.002)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 3
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    budgets = policy.load(str(tmp_path / "policy.yaml")).budgets
    found = {
        ("task" if a.begins is None else str(a.begins), a.subject): a
        for a in books.accounts(str(tmp_path / "state.db"), budgets)
    }
    assert {key: a.spent for key, a in found.items()} == {
        key: Decimal(tokens) / 1000 for key, tokens in sums.items()
    }
    delivered: dict[str, Any] = {}
    for line in (tmp_path / "out.jsonl").read_bytes().splitlines():
        own = json.loads(line)["agenttrail"]
        verdict = own.get("budget")
        # What was delivered twice says the same twice.
        assert delivered.setdefault(json.loads(line)["event"]["id"], verdict) == verdict
    assert len(delivered) == 6_000
    stops = sum(v is not None and v["verdict"] == "stop" for v in delivered.values())
    assert stops == sum(a.spent >= a.budget.amount for a in found.values()) > 50
    # June is over: it stops nobody, but for tasks, which have no day.
    assert {s.scope for s in KillSwitch(str(tmp_path / "kill.json")).stops()} <= {"task"}


def test_wrong_options_fail_before_the_first_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """A policy without budgets, users without a key, a state in use."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "none.yaml").write_text('{version: "1", default: automatic}')
    (tmp_path / "user.yaml").write_text(
        '{version: "1", default: automatic, budgets: [{name: u, by: user, period: day, amount: 1, '
        "currency: USD, thresholds: [{at: 1, then: stop}]}]}"
    )
    for option, more in (
        ("policy", {"policy": "none.yaml"}), ("user_key", {"policy": "user.yaml"}),
        ("keep_days", {"policy": "user.yaml", "keep_days": 0}),
    ):  # fmt: skip
        with pytest.raises(OptionError) as caught:
            BudgetsOptions(**{"state": "s.db", **more}).build()
        assert caught.value.option == option
    (tmp_path / "key").write_text("00" * 32)
    options = BudgetsOptions(
        policy="user.yaml", state="s.db", user_key=KeyOptions(id="u1", file="key")
    )
    made = options.build()
    with pytest.raises(StateError):
        options.build()
    made.close()
    options.build().close()


def test_the_webhook_is_told_and_what_it_did_not_take_is_sent_by_the_next_run(
    tmp_path: Path,
) -> None:
    """Names and the verdict; the same id again, so that a receiver knows it."""

    class Hook:
        def __init__(self) -> None:
            self.sent: dict[str, bytes] = {}
            self.done: list[str] = []

        def send(self, name: str, body: bytes) -> bool:
            self.sent[name] = body
            return True

        def settled(self) -> list[str]:
            done, self.done = self.done, []
            return done

        def close(self) -> None:
            pass

    desk = Desk(tmp_path, budget())
    first, second, third = Hook(), Hook(), Hook()
    desk.enrich._webhook = first  # type: ignore[assignment]
    desk.give(desk.event(5), desk.event(5))
    desk.enrich.save()
    ((name, body),) = first.sent.items()
    assert json.loads(body) == {
        "type": "agenttrail.stop", "scope": "agent", "target": "a", "verdict": "stop", "by": "budget",
        "since": "2026-11-25T12:00:00Z", "until": "2026-11-26T00:00:00Z", "budget": "b", "category": "budget",
    }  # fmt: skip
    desk.kill()
    again = Budgets(desk.enrich._ledger, desk.state, webhook=second)  # type: ignore[arg-type]
    assert second.sent == {name: body}
    second.done = [name]
    again.save()
    Budgets(desk.enrich._ledger, desk.state, webhook=third)  # type: ignore[arg-type]
    assert third.sent == {}
