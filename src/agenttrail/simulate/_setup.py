"""The files that govern the company's agents: registry, policy, prices, and a pipeline that reads it all."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from decimal import Decimal
from typing import Any

import yaml

from agenttrail import decode
from agenttrail.governance.policy import PolicyFile
from agenttrail.governance.verdicts import Call, Evaluator
from agenttrail.simulate import _company as c
from agenttrail.simulate._plan import Asks, Plan
from agenttrail.simulate._tasks import LARGE_JPY, OWNERS, REVIEWERS, SMALL_JPY, TARGET_MS, VALID_MS

# Who decides on payments; `_tasks.ask` draws from these.
REVIEWER_NUMBERS = range(9_000, 9_004)
_PII = {"customer": "personal", "finance": "personal", "hr": "sensitive"}
_MATCHES = {"claude_code": "working_directories", "codex": "working_directories", "otel": "agent_names", "mcp_wire": "clients"}  # fmt: skip
# USD a month for each task that is planned on a day: some departments keep to it and some do not.
_BUDGET_SHARES = {"Support": "0.02", "Accounting": "0.012", "Sales": "0.006", "Research": "0.03", "IT": "0.001"}  # fmt: skip
TASK_BUDGET_USD = Decimal(2)
THRESHOLDS = ((Decimal("0.8"), "alert"), (Decimal("1"), "require_approval"))
_PIPELINE = """\
# Reads the month's logs, says what they mean, masks them, and writes JSON Lines.
# Approvals come first: a decision that is read before its execution needs no second look.
sources:
  - {type: file, paths: [approvals, claude, codex, otel, mcp]}
enrichers:
  - {type: registry, path: agents.yaml, key: {id: r1, file: records.key}}
  - {type: cost, prices: prices.yaml}
  - {type: tasks, escalation_tools: [hand_to_person]}
  - {type: policy, policy: policy.yaml, registry: agents.yaml}
  - {type: approvals, policy: policy.yaml, registry: agents.yaml}
  - {type: budgets, policy: policy.yaml, prices: prices.yaml, state: null}
mask: {type: presidio, profile: fast}
sinks:
  - {type: jsonl, path: masked.jsonl, mode: replace}
"""


def settings(plan: Plan) -> dict[str, bytes]:
    """agents.yaml, policy.yaml, prices.yaml, pipeline.yaml, and the key that records are hashed with."""
    return {
        "agents.yaml": _yaml("The company's agents.", _registry(plan)),
        "policy.yaml": _yaml(
            "What its agents may do by themselves, and spend.", _policy(budgets(plan))
        ),
        "prices.yaml": _yaml("Made-up prices of its models.", _prices(plan)),
        "pipeline.yaml": _PIPELINE.encode(),
        # Of a company that does not exist: made from the seed, so that hashes are the same every time.
        "records.key": hashlib.sha256(f"records {plan.seed}".encode()).hexdigest().encode() + b"\n",
    }


def asks_by_policy() -> Asks:
    """Which payments need a decision, by the company's own policy."""
    text = _yaml("", _policy({})).decode()
    evaluate = Evaluator(decode.decode(text, "policy.yaml", PolicyFile, {}))

    def asks(claim: str, amount: int) -> str | None:
        arguments = {"claim_id": claim, "amount": float(amount), "currency": "JPY"}
        call = Call(tool="pay_claim", server="finance", agent="expense", arguments=arguments)
        verdict = evaluate(call)
        return verdict.basis if verdict.action == "require_approval" else None

    return asks


def _yaml(title: str, value: Any) -> bytes:
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
    return f"# {title} Made by agenttrail simulate.\n{text}".encode()


def _registry(plan: Plan) -> dict[str, Any]:
    contacts: dict[str, Any] = {
        f"Owner of {agent.id}": {"ids": [c.owner(agent).email]} for agent in (*c.AGENTS, c.FAQ)
    }
    contacts["Platform team"] = {"channel": "#platform"}
    servers: dict[str, list[dict[str, Any]]] = {}
    for tool in c.TOOLS.values():
        servers.setdefault(tool.server, []).append(_tool(tool))
    return {
        "contacts": contacts,
        "servers": [{"name": name, "tools": tools} for name, tools in servers.items()],
        "tools": [{"name": "Task"}],
        "agents": [_agent(agent, plan) for agent in (*c.AGENTS, c.FAQ)],
    }


def _tool(tool: c.Tool) -> dict[str, Any]:
    made: dict[str, Any] = {"name": tool.name, "data_categories": [tool.category]}
    for name in ("read_only", "idempotent", "destructive"):
        if getattr(tool, name):
            made[name] = True
    if tool.category in _PII:
        made["pii"] = _PII[tool.category]
    if tool.resource:
        made["resources"] = [f"$.{tool.resource}"]
    return made


def _agent(agent: c.Agent, plan: Plan) -> dict[str, Any]:
    matched = agent.folder if agent.log in ("claude_code", "codex") else agent.id
    used = [c.TOOLS[name] for name in c.USES[agent.kind]]
    if agent.kind == "research":
        used += [c.TOOLS[name] for name in c.USES["writer"]]
    uses: dict[str, list[str]] = {}
    for tool in used:
        uses.setdefault(tool.server, []).append(tool.name)
    declared: list[dict[str, Any]] = [{"server": name, "tools": tools} for name, tools in uses.items()]  # fmt: skip
    if agent.kind == "research":
        declared.append({"tools": ["Task"]})
    categories = sorted({tool.category for tool in used})
    made: dict[str, Any] = {
        "id": agent.id,
        "purpose": agent.purpose,
        "owner": f"Owner of {agent.id}",
        "technical_contact": "Platform team",
        "reviewer": "Reviewers",
        "operations": "Platform team",
        "department": agent.department,
        "office": agent.office.city,
        "version": agent.version,
        "match": [{_MATCHES[agent.log]: [matched]}],
        "uses": declared,
        "data_categories": categories,
        "pii": max(
            (_PII.get(name, "none") for name in categories),
            key=["none", "personal", "sensitive"].index,
        ),
        "baseline": {"minutes_per_task": 12, "cost_per_hour": 20, "currency": "USD"},
        "history": [
            {
                "date": str(plan.start - timedelta(days=60)),
                "version": agent.version,
                "change": "First version in use",
            }
        ],
    }
    if agent is c.FAQ:
        made["deprecation"] = str(plan.start)
        made["replaced_by"] = "support-bkk"
    return made


def budgets(plan: Plan) -> dict[str, Decimal]:
    """What each department may spend in a month, in USD."""
    tasks = plan.tasks_per_day * plan.days
    return {name: Decimal(share) * tasks for name, share in _BUDGET_SHARES.items()}


def _policy(amounts: dict[str, Decimal]) -> dict[str, Any]:
    pay = {"agents": ["expense"], "tools": ["pay_claim"]}
    yen = {"path": "$.amount", "currency_path": "$.currency", "currency": "JPY"}
    return {
        "version": "2026-09-01",
        "seed": "seed of the simulated company",
        "default": "automatic",
        "rules": [
            {"type": "threshold", "name": "expense over 100,000 yen", **pay, "range": {**yen, "over": LARGE_JPY}, "channel": OWNERS},
            {"type": "sampling", "name": "expense sample", **pay, "range": {**yen, "at_least": SMALL_JPY, "at_most": LARGE_JPY}, "share": 0.05, "key": ["$.claim_id"], "channel": REVIEWERS},
            {"type": "threshold", "name": "expense under 10,000 yen", **pay, "range": {**yen, "under": SMALL_JPY}, "verdict": "automatic"},
        ],
        "channels": [
            {"name": REVIEWERS, "kind": "reviewer", "respond_within_s": TARGET_MS[REVIEWERS] // 1000},
            {"name": OWNERS, "kind": "business_owner", "respond_within_s": TARGET_MS[OWNERS] // 1000},
        ],
        "approvals": {"valid_for_s": VALID_MS // 1000, "owner_may_approve": False, "sources": ["user"]},
        "budgets": [
            {"name": f"{name} month", "by": "department", "only": [name], "amount": float(amount), "currency": "USD", "period": "month", "time_zone": "Asia/Bangkok", "thresholds": [{"at": 0.8, "then": "alert"}, {"at": 1.0, "then": "require_approval"}]}
            for name, amount in amounts.items()
        ]
        + [{"name": "one task", "by": "task", "amount": 2, "currency": "USD", "thresholds": [{"at": 1.0, "then": "stop"}]}],
    }  # fmt: skip


def _prices(plan: Plan) -> dict[str, Any]:
    return {
        "prices": [
            {
                "provider": model.provider, "model": model.name, "currency": "USD", "valid_from": str(plan.start - timedelta(days=90)),
                "per_million": {n: float(getattr(model, n)) for n in ("input", "output", "cache_read", "cache_write")},
            }
            for model in c.MODELS
        ]
    }  # fmt: skip
