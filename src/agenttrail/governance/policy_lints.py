"""What is wrong with a policy as a whole, noted in its document with file, line and a hint."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from agenttrail.decode import Document
from agenttrail.governance.policy import PolicyFile, Range, Rule, SamplingRule
from agenttrail.governance.registry import Registry
from agenttrail.shapes import LABEL

_WILD = set("*?[")


def consistent(document: Document) -> None:
    """Names given twice, unknown channels, sampling without a seed, ranges that overlap."""
    policy: PolicyFile | None = document.value
    if policy is None:
        return
    for what, parts in (("rule", policy.rules), ("channel", policy.channels), ("budget", policy.budgets)):  # fmt: skip
        _twice(document, what, parts)
    channels = [channel.name for channel in policy.channels]
    for budget in policy.budgets:
        if not LABEL.fits(budget.name):
            document.problem(
                budget, "name", "is one line of up to 200 characters without <, > and @"
            )
    for rule in policy.rules:
        if rule.channel is not None:
            _known(document, rule, "channel", "channel", rule.channel, channels)
        if rule.verdict == "automatic" and isinstance(rule, SamplingRule):
            document.problem(rule, "verdict", "sampling draws what is not automatic", "verdict: require_approval")  # fmt: skip
        if isinstance(rule, SamplingRule) and not policy.seed:
            document.problem(rule, "", "the policy has no seed to draw by", "seed: ${SAMPLING_SEED}")  # fmt: skip
    _overlaps(document, policy.rules)
    _currencies(document, policy.rules)


def known(document: Document, registry: Registry) -> None:
    """Agents, departments, servers, tools and budgets that registry and policy do not share."""
    policy: PolicyFile | None = document.value
    if policy is None:
        return
    departments = {agent.department for agent in registry.agents.values()}
    described = [tool.name for server in registry.servers.values() for tool in server.tools]
    described += [tool.name for tool in registry.tools]
    for rule in policy.rules:
        _all_known(document, rule, "agents", rule.agents, registry.agents)
        _all_known(document, rule, "departments", rule.departments, departments)
        _all_known(document, rule, "servers", rule.servers, registry.servers)
        servers = [s for s in rule.servers if s in registry.servers]
        tools = (
            [t.name for s in servers for t in registry.servers[s].tools] if servers else described
        )
        _all_known(document, rule, "tools", rule.tools, tools)
    for budget in policy.budgets:
        if budget.by == "agent":
            _all_known(document, budget, "only", budget.only, registry.agents)
        elif budget.by == "department":
            _all_known(document, budget, "only", budget.only, departments)
    budgets = [budget.name for budget in policy.budgets]
    for agent in registry.agents.values():
        if agent.budget is not None and agent.budget not in budgets:
            document.problem(
                policy, "budgets", f"agent '{agent.id}' of the registry names budget '{agent.budget}'",
                f"known: {', '.join(budgets) or 'none'}",
            )  # fmt: skip


def _twice(document: Document, what: str, parts: Sequence[Any]) -> None:
    first: dict[str, str] = {}
    for part in parts:
        if part.name in first:
            document.problem(part, "name", f"a {what} '{part.name}' is there already", f"first at {first[part.name]}")  # fmt: skip
        first.setdefault(part.name, document.place(part, "name"))


def _all_known(
    document: Document, part: Any, option: str, names: Sequence[str], known: Iterable[str]
) -> None:
    known = list(known)
    what = "name" if option == "only" else option.removesuffix("s")
    for number, name in enumerate(names):
        place = f"{option}[{number}]"
        if not _WILD & set(name):
            # What the registry describes by a pattern covers the names that fit it.
            if not any(fnmatchcase(name, pattern) for pattern in known):
                _known(document, part, place, what, name, known)
        elif not any(fnmatchcase(item, name) for item in known):
            document.problem(part, place, f"no {what} of the registry fits '{name}'", f"known: {', '.join(sorted(known)) or 'none'}")  # fmt: skip


def _known(
    document: Document, part: Any, option: str, what: str, name: str, known: Sequence[str]
) -> None:
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=1)
    document.problem(
        part, option, f"no {what} is called '{name}'",
        f"known: {', '.join(sorted(known)) or 'none'}",
        f"did you mean '{close[0]}'?" if close else "",
    )  # fmt: skip


# --- ranges --------------------------------------------------------------------------------------
def _overlaps(document: Document, rules: Sequence[Rule]) -> None:
    """Two ranges of one number that share values, or that take it for two currencies."""
    ranged = [(rule, range_) for rule in rules if (range_ := getattr(rule, "range", None))]
    for number, (rule, mine) in enumerate(ranged):
        for other, theirs in ranged[:number]:
            if not _same_calls(rule, other):
                continue
            fixed = mine.currency_path is None and mine.currency != theirs.currency
            if fixed and _number(mine) == _number(theirs):
                document.problem(
                    mine, "currency", f"rule '{other.name}' says that the same amount is in another",
                    f"at {document.place(theirs)}; say where a call has it: currency_path: $.currency",
                )  # fmt: skip
            elif rule.where == other.where and _meet(mine, theirs):
                document.problem(
                    mine, "", f"overlaps the range of rule '{other.name}'",
                    f"at {document.place(theirs)}; end one where the other begins: "
                    "at_most beside over, or under beside at_least",
                )  # fmt: skip


def _same_calls(one: Rule, other: Rule) -> bool:
    return all(
        _share(getattr(one, name), getattr(other, name))
        for name in ("agents", "departments", "servers", "tools")
    )


def _share(one: Sequence[str], other: Sequence[str]) -> bool:
    if not one or not other:
        return True
    return any(fnmatchcase(a, b) or fnmatchcase(b, a) for a in one for b in other)


def _meet(one: Range, other: Range) -> bool:
    if _number(one) != _number(other) or one.currency != other.currency:
        return False
    return not (_ends_before(one, other) or _ends_before(other, one))


def _number(range_: Range) -> tuple[Any, ...]:
    return (range_.path, range_.field, range_.measure, range_.currency_path)


def _ends_before(one: Range, other: Range) -> bool:
    high, low = one.bounds[1], other.bounds[0]
    if high is None or low is None:
        return False
    touching = one.at_most is not None and other.at_least is not None
    return high < low or (high == low and not touching)


def _currencies(document: Document, rules: Sequence[Rule]) -> None:
    """One amount of one tool in a currency that only some of its rules state would slip past the rest."""
    ranged = [
        (rule, range_)
        for rule in rules
        if (range_ := getattr(rule, "range", None)) and range_.currency_path is not None
    ]
    for rule, mine in ranged:
        others = [
            (other, theirs)
            for other, theirs in ranged
            if theirs.currency != mine.currency
            and _number(theirs) == _number(mine)
            and _same_calls(rule, other)
        ]
        if not others:
            continue
        top: dict[str | None, Decimal | None] = {}
        for _, range_ in [(rule, mine), *others]:
            _raise_top(top, range_)
        for _, range_ in ranged:
            if _number(range_) == _number(mine) and range_.currency == mine.currency:
                _raise_top(top, range_)
        # Open above in one currency and closed in another: large amounts of the other one pass.
        if top[mine.currency] is not None and None in top.values():
            document.problem(
                mine, "currency", f"amounts above {top[mine.currency]} {mine.currency} have no rule, those of another currency have",
                "add a rule with `over` for this currency",
            )  # fmt: skip
            return


def _raise_top(top: dict[str | None, Decimal | None], range_: Range) -> None:
    high = range_.bounds[1]
    if range_.currency not in top:
        top[range_.currency] = high
    else:
        known = top[range_.currency]
        top[range_.currency] = None if known is None or high is None else max(known, high)
