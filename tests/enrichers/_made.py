"""Events and files for the tests of the enrichers of governance."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from agenttrail import fields as f
from agenttrail.seams import Event
from agenttrail.testing import records

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
AGENTS, POLICY = str(EXAMPLES / "agents.yaml"), str(EXAMPLES / "policy.yaml")
_numbers = itertools.count()
_RECORDS = tuple(records(b"x"))


def event(fields: dict[str, Any] | None = None, **more: Any) -> Event:
    """An event with an id of its own; `more` is agent, at, id and the like, by short names."""
    names = {
        "agent": f.AGENT_NAME, "at": f.TIMESTAMP, "id": f.EVENT_ID, "tool": f.TOOL_NAME,
        "server": f.MCP_SERVER_NAME, "arguments": f.TOOL_ARGUMENTS, "call": f.TOOL_CALL_ID,
        "action": f.EVENT_ACTION,
    }  # fmt: skip
    made = {
        f.EVENT_ID: f"{next(_numbers):032x}",
        f.EVENT_KIND: "event",
        f.EVENT_ACTION: "execute_tool" if "tool" in more else "log",
        f.TIMESTAMP: "2026-11-25T09:00:00Z",
        **{names[name]: value for name, value in more.items()},
        **(fields or {}),
    }
    return Event(made, _RECORDS)


def payment(amount: Any = 5_000, currency: str = "JPY", claim: str = "c-1", **more: Any) -> Event:
    """A payment by the example's expense agent."""
    arguments = {"claim_id": claim, "amount": amount, "currency": currency}
    return event(
        **{"agent": "expense", "server": "expenses", "tool": "pay_claim", "arguments": arguments, **more}
    )  # fmt: skip
