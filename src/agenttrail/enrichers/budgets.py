"""Budgets, live: what each task, agent, department and user spends, and what happens at a threshold.

The budgets stand in the policy file. An event with a cost (enricher `cost`, before this one) is added
to each budget that it belongs to, in the period of its own time; roll-ups are not. The event that
passes a threshold gets `agenttrail.budget.names`, `.verdict` (the strictest) and `.used`; no amount.
A budget by agent or department goes by the registry where the enricher `registry` stands before this.

`stop` and `require_approval` are written into the kill-switch file at once, until the end of the
period; a webhook can be told. An event of a period that is over (an old log read again) changes no
kill switch: what it says is history.

Promises: each threshold fires once for a budget, a subject and a period. With a `state` file all of
it survives `kill -9` exactly: what a killed run gives again is known by its id, is counted once, and
has the same verdict. Memory is bounded, however many tasks there are. A kill switch that cannot be
written stops the run before it commits.

Limits: a stop takes effect where calls are refused (`agenttrail tap --enforce`, `verdicts`, your own
runtime): what is spent by calls already made is spent. A log that is read anew without its checkpoint is
counted anew. A cost in a currency without an exchange rate
is not counted, and the event says `no_rate`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar

from agenttrail import fields as f
from agenttrail import jsontext
from agenttrail.errors import OptionError
from agenttrail.governance import ledger as books
from agenttrail.governance.kill_switch import KillSwitch, Stop
from agenttrail.governance.ledger import Ledger, Passed
from agenttrail.governance.prices import money
from agenttrail.governance.state import State
from agenttrail.governance.webhook import Webhook, WebhookOptions
from agenttrail.keys import KeyOptions, read_keys
from agenttrail.seams import Event

_TASK_STOPPED_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetsOptions:
    """Budgets by task, agent, department and user; thresholds that alert, ask or stop."""

    type: ClassVar[str] = "budgets"
    policy: Annotated[str, "Policy file whose budgets are kept."]
    state: Annotated[str | None, "SQLite file that keeps what was spent; null: it ends with the run."]  # fmt: skip
    prices: Annotated[str | None, "File with exchange rates, for costs in another currency than a budget's."] = None  # fmt: skip
    kill_switch: Annotated[str | None, "File that stops are written into; null: they stand on events only."] = None  # fmt: skip
    user_key: Annotated[KeyOptions | None, "Key that users are hashed with in state and kill switch; needed for a budget by user. Its id begins with u."] = None  # fmt: skip
    webhook: Annotated[WebhookOptions | None, "Address that is told of stops and approvals needed."] = None  # fmt: skip
    keep_days: Annotated[int, "Days after which a budget of a task, a user and so on that nothing was added to is forgotten."] = 40  # fmt: skip

    def __post_init__(self) -> None:
        if self.keep_days < 1:
            raise OptionError("keep_days", "must be at least 1")

    def build(self) -> Budgets:
        from agenttrail.governance import policy, prices

        budgets = policy.load(self.policy).budgets
        if not budgets:
            raise OptionError("policy", f"{self.policy} has no budgets")
        key = b""
        if self.user_key is not None:
            key = read_keys("user_key", [self.user_key])[0].secret
        elif any(budget.by == "user" for budget in budgets):
            raise OptionError("user_key", "is missing: a budget by user keeps hashes", hint="user_key: {id: u1, file: PATH}")  # fmt: skip
        rates = None if self.prices is None else prices.load(self.prices)
        switch = None if self.kill_switch is None else KillSwitch(self.kill_switch)
        if switch is not None:
            switch.create()
        hook = None if self.webhook is None else self.webhook.build()
        state = State(self.state, books.SCOPE)
        made = Ledger(budgets, state, prices=rates, user_key=key, keep_days=self.keep_days)
        return Budgets(made, state, switch=switch, webhook=hook)


class Budgets:
    """See the module."""

    def __init__(
        self,
        ledger: Ledger,
        state: State,
        *,
        switch: KillSwitch | None = None,
        webhook: Webhook | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger, self._state, self._switch, self._webhook, self._now = ledger, state, switch, webhook, now  # fmt: skip
        if webhook is not None:
            for name, text in books.messages(state):
                webhook.send(name, text.encode())

    def __call__(self, event: Event, /) -> Event:
        fields = event.fields
        cost, currency = fields.get(f.COST_TOTAL), fields.get(f.COST_CURRENCY)
        if cost is None or not isinstance(currency, str) or fields.get(f.USAGE_ROLLUP) is True:
            return event
        amount = money(cost)
        if amount is None:
            return event
        spending = self._ledger.spend(fields[f.EVENT_ID], fields, amount, currency)
        added: dict[str, Any] = {}
        if spending.no_rate:
            added[f.COST_FINDINGS] = [*fields.get(f.COST_FINDINGS, ()), "no_rate"]
        verdict = spending.again
        strictest = books.strictest(spending.passed)
        if strictest is not None:
            names = list(dict.fromkeys(passed.budget.name for passed in spending.passed))
            verdict = [names, strictest.then, round(strictest.used, 6)]
            self._ledger.keep_verdict(fields[f.EVENT_ID], verdict)
            for passed in spending.passed:
                self._act(passed, fields)
        if verdict is not None:
            added[f.BUDGET_NAMES], added[f.BUDGET_VERDICT], added[f.BUDGET_USED] = verdict
        return Event({**fields, **added}, event.origins) if added else event

    def _act(self, passed: Passed, fields: Any) -> None:
        """Stops what is to be stopped, and tells the webhook."""
        if passed.then == "alert":
            return
        until = (
            datetime.fromisoformat(fields[f.TIMESTAMP]) + _TASK_STOPPED_FOR
            if passed.begins is None
            else passed.budget.ends(passed.begins)
        ).astimezone(UTC)
        now = self._now()
        if until <= now:
            return
        budget = passed.budget
        stop = Stop(
            scope=budget.by, target=passed.subject, verdict=passed.then, by="budget",
            since=now.strftime("%Y-%m-%dT%H:%M:%SZ"), until=until.strftime("%Y-%m-%dT%H:%M:%SZ"),
            budget=budget.name, category="budget", runbook=budget.runbook,
        )  # fmt: skip
        if self._switch is not None:
            self._switch.stop(stop)
        if self._webhook is not None:
            # The same for the same passing, so that a receiver knows a repetition.
            name = f"{fields[f.EVENT_ID]}.{budget.name.encode().hex()[:40]}"
            text = message(stop)
            books.keep_message(self._state, name, text.decode())
            self._webhook.send(name, text)

    def save(self) -> None:
        """Makes durable what was spent; see `seams.Remembering`."""
        self._ledger.save()
        if self._webhook is not None and (settled := self._webhook.settled()):
            books.forget_messages(self._state, settled)

    def close(self) -> None:
        """Gives the webhook a last chance and lets go of the state; what is not sent is sent next time."""
        if self._webhook is not None:
            self._webhook.close()
            books.forget_messages(self._state, self._webhook.settled())
        self._state.close()


def message(stop: Stop) -> bytes:
    """What the webhook is told: names and the verdict."""
    said = {
        "type": f"agenttrail.{stop.verdict}", "scope": stop.scope, "target": stop.target,
        "verdict": stop.verdict, "since": stop.since, "until": stop.until, "by": stop.by,
        "budget": stop.budget, "category": stop.category, "runbook": stop.runbook,
    }  # fmt: skip
    return jsontext.dumps({name: value for name, value in said.items() if value})
