"""One page of who decides: who looks at what, at which threshold, and contacts whom; and what is undecided.

Made from the agent registry and the policy, nothing else: what is not written there is undecided, and
said. Each row names who acts, when, by which channel and within what time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from agenttrail.governance.policy import PolicyFile, Range
from agenttrail.governance.registry import Agent, Registry

_THEN = {
    "alert": "is told",
    "require_approval": "approves every further call",
    "stop": "the agent is stopped; decides on the restart",
}


@dataclass(frozen=True, slots=True)
class Row:
    """Who looks at what, when, and contacts whom."""

    subject: str
    who: str
    looks_at: str
    threshold: str
    contacts: str
    within: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """The rows of the page, and what nobody has decided yet."""

    rows: tuple[Row, ...]
    undecided: tuple[str, ...]


def matrix(registry: Registry, policy: PolicyFile | None) -> Matrix:
    """The page of an organisation's agents."""
    rows: list[Row] = []
    undecided: list[str] = []
    for agent in registry.agents.values():
        rows += _of_agent(agent, registry)
        undecided += _missing(agent, registry, policy)
    if policy is None:
        undecided.append("there is no policy: nothing needs an approval, nothing has a budget")
    else:
        rows += _of_policy(policy, registry)
        undecided += _missing_in_policy(policy, registry)
    return Matrix(tuple(rows), tuple(undecided))


def _reach(name: str, registry: Registry) -> str:
    contact = registry.contacts.get(name)
    return f"{name} ({contact.channel})" if contact is not None and contact.channel else name


def _of_agent(agent: Agent, registry: Registry) -> Iterator[Row]:
    subject, owner = agent.id, _reach(agent.owner, registry)
    yield Row(subject, owner, "task success, cost and value", "monthly report", _reach(agent.technical_contact, registry), "")  # fmt: skip
    yield Row(subject, _reach(agent.operations, registry), "alerts, stops and restarts", "any alert", owner, "")  # fmt: skip
    yield Row(subject, _reach(agent.reviewer, registry), "approvals and a sample of tasks", "as the policy asks", owner, "")  # fmt: skip
    if agent.deprecation is not None:
        yield Row(subject, _reach(agent.operations, registry), "use after its end", f"from {agent.deprecation}", owner, "")  # fmt: skip


def _of_policy(policy: PolicyFile, registry: Registry) -> Iterator[Row]:
    channels = {channel.name: channel for channel in policy.channels}
    for rule in policy.rules:
        if rule.verdict == "automatic":
            continue
        channel = channels.get(rule.channel or "")
        subjects = ", ".join(rule.agents) or "every agent"
        tools = ", ".join(rule.tools) or "every tool"
        yield Row(
            subjects,
            (", ".join(channel.approvers) or channel.name) if channel else "nobody named",
            tools,
            _when(rule),
            (channel.address or channel.name) if channel else "",
            "" if channel is None else _time(channel.respond_within_s),
        )
    for budget in policy.budgets:
        whose = ", ".join(budget.only) or f"each {budget.by}"
        agents = [a for a in registry.agents.values() if budget.by == "department" and a.department in budget.only]  # fmt: skip
        owners = sorted({_reach(agent.owner, registry) for agent in agents})
        for threshold in budget.thresholds:
            limit = f"{threshold.at:.0%} of {budget.amount:,} {budget.currency}"
            period = f" a {budget.period}" if budget.period else ""
            yield Row(whose, ", ".join(owners) or "owner of the agent", f"budget {budget.name}", limit + period, _THEN[threshold.then], "")  # fmt: skip


def _when(rule: Any) -> str:
    if rule.type == "always":
        return "always"
    bounds = _range(rule.range) if rule.range is not None else ""
    if rule.type == "sampling":
        return f"{rule.share * 100:.3g} % of calls drawn" + (f", {bounds}" if bounds else "")
    return bounds


def _range(bounds: Range) -> str:
    unit = bounds.currency or bounds.unit or ""
    what = (bounds.path or bounds.field or "").removeprefix("$.")
    parts = [
        f"{word} {value:,} {unit}".strip()
        for word, value in (("over", bounds.over), ("from", bounds.at_least), ("under", bounds.under), ("up to", bounds.at_most))
        if value is not None
    ]  # fmt: skip
    return f"{what} {' '.join(parts)}".strip()


def _time(seconds: float) -> str:
    if seconds >= 7200:
        return f"{seconds / 3600:g} h"
    return f"{seconds / 60:g} min" if seconds >= 120 else f"{seconds:g} s"


def _missing(agent: Agent, registry: Registry, policy: PolicyFile | None) -> Iterator[str]:
    for role in ("owner", "operations"):
        name = getattr(agent, role)
        contact = registry.contacts.get(name)
        if contact is None or not contact.channel:
            yield f"{agent.id}: how its {role} ({name}) is reached"
    if not agent.match:
        yield f"{agent.id}: which events are its own (no match)"
    if not agent.uses:
        yield f"{agent.id}: which tools it may use"
    if agent.baseline is None:
        yield f"{agent.id}: what its work took before (no baseline, so no value can be told)"
    if policy is not None and not any(_covers(b, agent) for b in policy.budgets):
        yield f"{agent.id}: what it may cost (no budget covers it)"
    risky = [t for use in agent.uses for t in _destructive(use, registry)]
    if policy is not None:
        for tool in sorted(set(risky)):
            ruled = any(
                (not rule.agents or any(fnmatchcase(agent.id, p) for p in rule.agents))
                and (not rule.tools or any(fnmatchcase(tool, p) for p in rule.tools))
                for rule in policy.rules
            )
            if not ruled:
                yield f"{agent.id}: who approves {tool}, which cannot be taken back"


def _covers(budget: Any, agent: Agent) -> bool:
    if budget.name == agent.budget:
        return True
    value = {"agent": agent.id, "department": agent.department}.get(budget.by)
    return value is not None and (not budget.only or value in budget.only)


def _destructive(use: Any, registry: Registry) -> Iterator[str]:
    tools = registry.servers[use.server].tools if use.server in registry.servers else registry.tools if use.server is None else ()  # fmt: skip
    for tool in tools:
        named = not use.tools or any(fnmatchcase(tool.name, pattern) for pattern in use.tools)
        if tool.destructive and named:
            yield tool.name


def _missing_in_policy(policy: PolicyFile, registry: Registry) -> Iterator[str]:
    for rule in policy.rules:
        if rule.verdict == "require_approval" and rule.channel is None:
            yield f"rule '{rule.name}': whom to ask (no channel)"
    for channel in policy.channels:
        if not channel.address:
            yield f"channel '{channel.name}': where it is (no address)"
        if not any(rule.channel == channel.name for rule in policy.rules):
            yield f"channel '{channel.name}': no rule asks it"
    departments = {agent.department for agent in registry.agents.values()}
    for budget in policy.budgets:
        for name in budget.only if budget.by == "department" else ():
            if name not in departments:
                yield f"budget '{budget.name}': no agent is of the department {name}"


def markdown(made: Matrix) -> str:
    """The page as Markdown."""
    lines = ["# Who decides", "", "| agents | who | looks at | at which threshold | contacts, or what happens | within |", "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    lines += [
        "| " + " | ".join(_cell(part) for part in (r.subject, r.who, r.looks_at, r.threshold, r.contacts, r.within)) + " |"
        for r in made.rows
    ]  # fmt: skip
    lines += ["", "## Undecided", ""]
    lines += [f"- {text}" for text in made.undecided] or ["Nothing."]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


_TEMPLATE = """
<h1>Who decides</h1>
<p class="soft">Who looks at what, at which threshold, and contacts whom. From the agent registry and the policy.</p>
{% if made.rows %}<div class="wide"><table><tr><th>agents</th><th>who</th><th>looks at</th><th>threshold</th><th>contacts, or what happens</th><th>within</th></tr>
{% for r in made.rows %}<tr><td>{{ r.subject }}</td><td class="t">{{ r.who }}</td><td>{{ r.looks_at }}</td><td class="t">{{ r.threshold }}</td><td class="t">{{ r.contacts }}</td><td>{{ r.within }}</td></tr>
{% endfor %}</table></div>{% else %}<p class="empty">No agents are registered.</p>{% endif %}
<h2>Undecided</h2>
{% if made.undecided %}<ul>{% for text in made.undecided %}<li class="warn">{{ text }}</li>{% endfor %}</ul>{% else %}<p class="good">Nothing.</p>{% endif %}
<footer>agenttrail matrix</footer>
"""


def page(made: Matrix) -> str:
    """The same as a page that needs no network."""
    from agenttrail.insight._page import render

    return render(_TEMPLATE, title="Who decides", made=made)
