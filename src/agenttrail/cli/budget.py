"""`agenttrail budget show`: what is spent of each budget, also while a pipeline runs.

The forecast is linear: spending so far over the part of the period that has passed, in its budget's
time zone; none in the first twentieth of a period, and none for tasks.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agenttrail.errors import UsageError

if TYPE_CHECKING:
    from agenttrail.governance.ledger import Account


def add(verbs: Any) -> None:
    """Adds the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "budget",
        help="what is spent of each budget, its thresholds, and the forecast",
        description="Shows the state that the enricher budgets keeps: spent, share, thresholds passed, and where the period will end at this pace.",
    )
    parser.add_argument("action", choices=("show",), help="show: the accounts of the running periods")  # fmt: skip
    parser.add_argument("-c", "--config", metavar="FILE", help="pipeline whose enricher budgets names policy and state")  # fmt: skip
    parser.add_argument("--policy", metavar="FILE", help="policy with the budgets")
    parser.add_argument("--state", metavar="FILE", help="state file of the enricher")
    parser.add_argument("--all", action="store_true", help="periods that are over too")
    parser.add_argument("--top", type=int, default=20, metavar="N", help="most accounts of each budget, the most spent first (default: 20)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the accounts."""
    from agenttrail.governance import ledger, policy

    if arguments.top < 1:
        raise UsageError("--top must be at least 1")
    policy_path, state = _places(arguments)
    budgets = policy.load(policy_path).budgets
    now = datetime.now(UTC)
    shown: list[dict[str, Any]] = []
    for budget in budgets:
        # A million tasks are read, and the most spent of them kept.
        kept: list[tuple[float, str, Account]] = []
        for account in ledger.accounts(state, (budget,)):
            running = account.begins is None or account.begins == budget.begins(now)
            if running or arguments.all:
                kept.append((-account.used, account.subject, account))
                if len(kept) >= 2 * arguments.top:
                    kept = sorted(kept, key=lambda item: item[:2])[: arguments.top]
        kept.sort(key=lambda item: item[:2])
        shown += [_described(account, now) for _, _, account in kept[: arguments.top]]
    if arguments.json:
        sys.stdout.write(json.dumps(shown) + "\n")
    else:
        _print(shown)
    return 0


def _places(arguments: argparse.Namespace) -> tuple[str, str]:
    policy, state = arguments.policy, arguments.state
    if arguments.config is not None:
        from agenttrail import config
        from agenttrail.enrichers.budgets import BudgetsOptions

        if policy or state:
            raise UsageError("--policy and --state have no effect with --config")
        for options in config.load(arguments.config).enrichers:
            if isinstance(options, BudgetsOptions):
                policy, state = options.policy, options.state
    if not policy or not state:
        raise UsageError("which budgets?", hint="--policy FILE --state FILE, or -c with an enricher budgets that has a state")  # fmt: skip
    return policy, state


def _described(account: Account, now: datetime) -> dict[str, Any]:
    budget = account.budget
    forecast = account.forecast(now)
    return {
        "budget": budget.name, "by": budget.by, "subject": account.subject,
        "period": budget.period, "begins": None if account.begins is None else str(account.begins),
        "ends": None if account.begins is None else budget.ends(account.begins).isoformat(),
        "amount": str(budget.amount), "currency": budget.currency, "spent": str(account.spent),
        "used": round(account.used, 4), "events": account.events, "verdict": account.verdict,
        "thresholds": [
            {"at": t.at, "then": t.then, "passed": t.at <= account.fired} for t in budget.thresholds
        ],
        "forecast": None if forecast is None else str(round(forecast, 2)),
        "forecast_used": None if forecast is None else round(float(forecast / budget.amount), 4),
    }  # fmt: skip


def _print(shown: list[dict[str, Any]]) -> None:
    if not shown:
        sys.stdout.write("nothing is spent in the running periods\n")
        return
    header = ("budget", "of", "from", "spent", "of amount", "used", "forecast", "state")
    rows = [header]
    for one in shown:
        forecast = one["forecast_used"]
        rows.append((
            one["budget"], f"{one['by']} {one['subject']}", one["begins"] or "", f"{float(one['spent']):.2f}",
            f"{one['amount']} {one['currency']}", f"{one['used']:.0%}", "" if forecast is None else f"{forecast:.0%}",
            one["verdict"] or "",
        ))  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")
