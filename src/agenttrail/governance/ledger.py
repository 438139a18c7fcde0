"""What was spent of each budget: kept over restarts, every event once, in the period it belongs to.

An account is one budget for one subject (a task, an agent, a department, a user) in one period. The
ledger sums the cost of events into accounts and tells which thresholds an event passed; each fires
once an account. A period is the one of the event's own time, so late and out-of-order events land
where they belong. It lives in `state.State` under the scope `budgets`:

    s <budget> <first day or -> <subject>    [spent, highest threshold fired, events]
    v <event id>                             the verdict of an event, for when it is given again
    w <id>                                   a message to the webhook that was not settled yet

Users stand in it as keyed hashes; agents and departments by their name in the registry or in the budget's
`only`; tasks, and agents and departments that only a log names, as `kill_switch.written_name` gives them.
Money is a decimal in text.

Limits: an account that nothing was added to for `keep_days` (by the clock, not by the log's time) is
forgotten; what comes for it after that begins at zero. A budget that gets another name begins anew.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from agenttrail import fields as f
from agenttrail.governance.budget import VERDICTS, Budget, Then
from agenttrail.governance.kill_switch import written_name
from agenttrail.governance.prices import Prices
from agenttrail.governance.state import State, peek

SCOPE = "budgets"
_CUT = "\x1f"
_FOREVER = 1e18  # an `at` that `prune` never reaches
_PRUNE_EVERY = 500
_MINUTES = 10_000
# Who a budget is about, the surest name first.
_SUBJECTS: Mapping[str, tuple[str, ...]] = {
    "task": (f.TASK_ID,),
    "agent": (f.REGISTRY_AGENT_ID, f.AGENT_ID, f.AGENT_NAME),
    "department": (f.REGISTRY_DEPARTMENT, f.USER_DEPARTMENT),
    "user": (f.USER_ID, f.USER_EMAIL, f.USER_NAME),
}
# Names from a file of whoever runs this; all others are from logs.
_OWN_NAMES = {"agent": f.REGISTRY_AGENT_ID, "department": f.REGISTRY_DEPARTMENT}


@dataclass(frozen=True, slots=True)
class Passed:
    """A threshold that an event passed."""

    budget: Budget
    then: Then
    subject: str  # as it may be written down: a user's is a hash
    begins: date | None
    used: float


@dataclass(slots=True)
class Spending:
    """What one event did."""

    passed: list[Passed] = field(default_factory=list)
    no_rate: bool = False
    again: list[Any] | None = None  # the verdict that it had when it was given before


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is known of one budget of one subject."""

    budget: Budget
    subject: str
    begins: date | None
    spent: Decimal
    events: int
    fired: float

    @property
    def used(self) -> float:
        """Share that is spent."""
        return float(self.spent / self.budget.amount)

    @property
    def verdict(self) -> Then | None:
        """What the highest threshold that was passed asks for."""
        passed = [t.then for t in self.budget.thresholds if t.at <= self.fired]
        return passed[-1] if passed else None

    def forecast(self, now: datetime) -> Decimal | None:
        """Spending at the end of the period at the pace so far; None in its first twentieth, or without one."""
        if self.begins is None:
            return None
        begins, ends = self.budget.started(self.begins), self.budget.ends(self.begins)
        if now >= ends:
            return self.spent
        part = (now - begins) / (ends - begins)
        return self.spent / Decimal(part) if part >= 0.05 else None


def user_hash(key: bytes, user: str) -> str:
    """How a user is written down: the same user and key give the same 32 hex digits."""
    return hashlib.blake2b(
        user.encode(), key=key[:64], digest_size=16, person=b"at budget"
    ).hexdigest()


class Ledger:
    """See the module.

    Args:
        budgets: their names are unique.
        state: of the scope `SCOPE`.
        prices: for exchange rates, where budgets have another currency than costs.
        user_key: what users are hashed with; needed for a budget by user.
        keep_days: days after which an account that nothing is added to is forgotten.
        now: the clock.
    """

    def __init__(
        self,
        budgets: Iterable[Budget],
        state: State,
        *,
        prices: Prices | None = None,
        user_key: bytes = b"",
        keep_days: float = 40,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._budgets = tuple(budgets)
        self._state, self._prices, self._key, self._now = state, prices, user_key, now
        self._keep = timedelta(days=keep_days)
        self._verdicts: list[str] = []  # of the batch at hand
        self._old_verdicts: list[str] = []  # of the batch before, which is committed
        self._saves = 0
        self._periods: dict[tuple[str, str], date | None] = {}
        self._by = {budget.by for budget in self._budgets}
        self._clock = now().timestamp()

    def spend(
        self, event_id: str, fields: Mapping[str, Any], cost: Decimal, currency: str
    ) -> Spending:
        """Adds an event's cost to the accounts that it belongs to; once, however often it is given."""
        found = Spending()
        subjects = {by: _subject(fields, by) for by in self._by}
        concerned = [
            (budget, name)
            for budget in self._budgets
            if (name := subjects[budget.by]) is not None
            and (not budget.only or name in budget.only)
        ]
        if not concerned:
            return found
        if self._state.seen(event_id):
            key = "v" + _CUT + event_id
            found.again = self._state.get(key)
            if found.again is not None:
                self._verdicts.append(key)  # of the batch at hand again
            return found
        time = str(fields[f.TIMESTAMP])
        for budget, name in concerned:
            amount: Decimal | None = cost
            if currency != budget.currency:
                rates = self._prices
                amount = rates.converted(cost, currency, budget.currency, time[:10]) if rates else None  # fmt: skip
            if amount is None:
                found.no_rate = True
                continue
            subject = name
            if budget.by == "user":
                subject = user_hash(self._key, name)
            elif name not in budget.only and name != fields.get(_OWN_NAMES.get(budget.by, "")):
                subject = written_name(name)
            self._add(budget, subject, self._begins(budget, time), amount, found)
        return found

    def _begins(self, budget: Budget, time: str) -> date | None:
        """The period of an instant; the same for a whole minute: zones are not off by seconds."""
        if budget.period is None:
            return None
        key = (budget.name, time[:16])
        if key not in self._periods:
            if len(self._periods) >= _MINUTES:
                self._periods.clear()
            self._periods[key] = budget.begins(datetime.fromisoformat(time))
        return self._periods[key]

    def _add(
        self, budget: Budget, subject: str, begins: date | None, amount: Decimal, found: Spending
    ) -> None:
        key = _CUT.join(("s", budget.name, str(begins or "-"), subject))
        before, fired, events = self._state.get(key) or ("0", 0.0, 0)
        spent = Decimal(before) + amount
        used = spent / budget.amount
        passed = [t for t in budget.thresholds if t.at > fired and used >= _exact(t.at)]
        if passed:
            fired = passed[-1].at
            found.passed.append(Passed(budget, passed[-1].then, subject, begins, float(used)))
        self._state.put(key, [str(spent), fired, events + 1], at=self._clock)

    def keep_verdict(self, event_id: str, verdict: list[Any]) -> None:
        """Remembers what an event was given, in case the run is killed before it is committed."""
        key = "v" + _CUT + event_id
        self._state.put(key, verdict, at=self._clock)
        self._verdicts.append(key)

    def save(self) -> None:
        """Makes it durable; now and then forgets what is old."""
        for key in self._old_verdicts:
            self._state.delete(key)
        self._state.save()
        self._old_verdicts, self._verdicts = self._verdicts, []
        self._saves += 1
        now = self._now()
        self._clock = now.timestamp()
        if self._saves % _PRUNE_EVERY == 1:
            self._state.prune((now - self._keep).timestamp())


def messages(state: State) -> Iterator[tuple[str, str]]:
    """Messages to the webhook that were not settled: their ids and texts."""
    for key, text in state.items("w" + _CUT):
        yield key.split(_CUT, 1)[1], text


def keep_message(state: State, name: str, text: str) -> None:
    """Keeps a message until it is settled."""
    state.put("w" + _CUT + name, text, at=_FOREVER)


def forget_messages(state: State, names: Iterable[str]) -> None:
    """The messages are settled."""
    state.discard(["w" + _CUT + name for name in names])


def accounts(path: str, budgets: Iterable[Budget]) -> Iterator[Account]:
    """What a state file says of these budgets; also while a pipeline writes it.

    Raises:
        StateError: it cannot be read.
    """
    for budget in budgets:
        for key, (spent, fired, events) in peek(path, SCOPE, _CUT.join(("s", budget.name, ""))):
            _, _, begins, subject = key.split(_CUT, 3)
            yield Account(
                budget=budget, subject=subject, spent=Decimal(spent), events=events, fired=fired,
                begins=None if begins == "-" else date.fromisoformat(begins),
            )  # fmt: skip


def strictest(passed: Iterable[Passed]) -> Passed | None:
    """The threshold that asks for most; of several the one that is spent most."""
    return max(passed, key=lambda p: (VERDICTS.index(p.then), p.used), default=None)


@functools.lru_cache(1_000)
def _exact(share: float) -> Decimal:
    return Decimal(str(share))


def _subject(fields: Mapping[str, Any], by: str) -> str | None:
    for name in _SUBJECTS[by]:
        value = fields.get(name)
        if isinstance(value, str) and value:
            return value
    return None
