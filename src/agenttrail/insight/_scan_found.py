"""What a detector gives, and the numbers that it goes by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Limits of `agenttrail scan`; `runbooks/thresholds.yaml` gives the reason of each, as `scan_<name>`."""

    history_days: float = 7  # days of an agent's own events before it is judged by its habit
    mads: float = 10  # distances from the median that are far
    loop_calls: float = 30
    loop_same_share: float = 0.5  # of the calls that are one and the same
    conflict_s: float = 60
    context_lost: float = 2
    context_lost_share: float = 0.5
    destruction_calls: float = 20
    destruction_s: float = 600
    exfil_reads: float = 10
    off_hours: float = 2  # hours from the nearest one that the agent is known to work in
    silent_days: float = 5
    silent_factor: float = 4  # times its longest usual gap
    silent_hours: float = 24  # behind its own log, of what others tell of an agent
    silent_seen: float = 5  # events by which others tell of it
    user_cost: float = 5  # in the log's currency
    personal_masked: float = 40
    collapse_share: float = 0.1  # of the usual findings an event
    collapse_events: float = 20


@dataclass(frozen=True, slots=True)
class Found:
    """One anomaly. `at` is UTC; `key` says which one it is; `evidence` holds counts and ids."""

    slug: str
    agent: str
    at: datetime | str
    key: tuple[Any, ...]
    evidence: dict[str, Any]
    task: str | None = None
    tool: str | None = None
    server: str | None = None

    @property
    def id(self) -> str:
        """Deterministic: the same anomaly has the same id on every run."""
        text = "\x1f".join((self.slug, *map(str, self.key)))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def moment(self) -> str:
        """RFC 3339, UTC."""
        if isinstance(self.at, datetime):
            return f"{self.at:%Y-%m-%dT%H:%M:%S}.{self.at.microsecond // 1000:03}Z"
        return self.at
