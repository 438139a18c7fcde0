"""Masked lines in a file, for questions that are asked of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from agenttrail import fields as f
from tests._events import masked


def write(path: Path, events: Iterable[dict[str, Any]]) -> str:
    """The events' lines, each with an id of its own; gives the path as text."""
    lines = [masked(fields, id=f"{n:016x}").line for n, fields in enumerate(events)]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return str(path)


def ended(agent: str, state: str, *, human: bool = False, at: str = "2026-10-01T10:00:00Z") -> dict[str, Any]:  # fmt: skip
    """The event that ends a task; each call is another task."""
    fields = {f.TIMESTAMP: at, f.AGENT_NAME: agent, f.EVENT_ACTION: "turn_completed", f.TASK_STATE: state}  # fmt: skip
    return {**fields, f.TASK_ESCALATED: state} if human else fields
