"""When each agent was last seen: written by the enricher `registry`, read by `agenttrail registry unseen`.

An agent's newest event time counts, in whatever order events come; a new one is written down once an
hour of the log's own time, so that a busy agent costs no disk.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from agenttrail.errors import AgenttrailError
from agenttrail.governance.registry import Agent, Registry
from agenttrail.governance.state import State

SCOPE = "agents_seen"
_HOUR_S, _DAY_S = 3600.0, 86_400.0


class Seen:
    """The times in one state.

    Args:
        state: of the scope `SCOPE`.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def after_silence(self, agent: str, at: float, event: str, days: int | None) -> bool:
        """Whether an event is the agent's first after more than so many days; notes that it was seen.

        Args:
            agent: its id.
            at: the event's time, in seconds since 1970.
            event: the event's id; one that is given again after a crash has the same answer.
            days: how long the silence may be; None: any time.
        """
        last, first = self._state.get(agent, (None, None))
        if first == event:
            return True
        silent = last is not None and days is not None and at - last > days * _DAY_S
        if last is None or at - last >= _HOUR_S:
            self._state.put(agent, [at, event if silent else first], at=at)
        return silent


def from_state(path: str) -> dict[str, float]:
    """Agent ids to the time of their newest event, by a state file that an enricher may be writing.

    Raises:
        AgenttrailError: it is no such file.
    """
    if not Path(path).is_file():
        raise AgenttrailError(f"{path}: there is no such file", hint="the enricher registry writes it: state: PATH")  # fmt: skip
    try:
        # Read only, and without the lock of the one that writes.
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            rows = database.execute(f"SELECT key, value FROM {SCOPE}").fetchall()  # noqa: S608
        return {str(key): float(json.loads(value)[0]) for key, value in rows}
    except (sqlite3.Error, ValueError, TypeError, LookupError):
        raise AgenttrailError(f"{path}: is no state of the enricher registry", hint="state: PATH in the pipeline file") from None  # fmt: skip


def silent(
    registry: Registry, seen: Mapping[str, float], *, now: datetime, days: int | None
) -> list[tuple[Agent, datetime | None]]:
    """Agents without an event for longer than they may be, and when they were last seen.

    Args:
        registry: whose agents are asked for.
        seen: agent ids to times, in seconds since 1970.
        now: with a time zone.
        days: for all agents; None: each agent's own `seen_within_days`, where it has one.
    """
    found: list[tuple[Agent, datetime | None]] = []
    for agent in registry.agents.values():
        limit = days if days is not None else agent.seen_within_days
        if limit is None:
            continue
        last = seen.get(agent.id)
        if last is None or now.timestamp() - last > limit * _DAY_S:
            found.append((agent, None if last is None else datetime.fromtimestamp(last, UTC)))
    return found
