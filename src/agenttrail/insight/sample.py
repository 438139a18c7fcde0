"""Tasks drawn for review: the same for the same seed, and of every stratum as many as its share asks for.

A stratum is what tasks have in common (agent and state, say). Each gets its share of the sample by its
size, at least one, the largest remainders first (Hamilton's method). Within one, tasks are drawn by a
hash of seed and id: adding tasks to a log changes no other task's place, so a sample can grow.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agenttrail.errors import UsageError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

STRATA = ("agent", "state", "department", "version", "escalated")


@dataclass(frozen=True, slots=True)
class Drawn:
    """One task of the sample; `stratum` are its values in the order that was asked for."""

    task: str
    agent: str
    state: str
    begun: str
    stratum: tuple[str, ...]


def sample(
    db: DuckDBPyConnection, number: int, *, by: Sequence[str] = ("agent", "state"), seed: str = "1"
) -> list[Drawn]:
    """So many tasks, sorted by agent and task; all where there are not more.

    Args:
        db: with the table `events` (`events.opened`).
        number: of tasks; a stratum has at least one, so small numbers may give a few more.
        by: columns out of `STRATA`.
        seed: of the draw.

    Raises:
        UsageError: a column that is none of them.
    """
    strange = [name for name in by if name not in STRATA]
    if strange:
        raise UsageError(f"cannot draw by {strange[0]}", hint=f"known: {', '.join(STRATA)}")
    rows = db.execute(
        """
        SELECT task, min(agent), coalesce(max(task_state) FILTER (task_state <> 'started'), 'open'), strftime(min(ts), '%Y-%m-%dT%H:%M:%SZ'),
            coalesce(min(department), ''), coalesce(min(version), ''), CASE WHEN bool_or(task_human) THEN 'yes' ELSE 'no' END
        FROM events WHERE task IS NOT NULL AND agent <> '' AND evaluation IS NULL GROUP BY task
        """
    ).fetchall()
    strata: dict[tuple[str, ...], list[Drawn]] = defaultdict(list)
    for task, agent, state, begun, department, version, escalated in rows:
        values = {"agent": agent, "state": state, "department": department, "version": version, "escalated": escalated}  # fmt: skip
        stratum = tuple(values[name] for name in by)
        strata[stratum].append(Drawn(task, agent, state, begun, stratum))
    drawn: list[Drawn] = []
    for stratum, quota in quotas({key: len(of) for key, of in strata.items()}, number).items():
        drawn += sorted(strata[stratum], key=lambda each: _place(seed, each.task))[:quota]
    return sorted(drawn, key=lambda each: (each.agent, each.task))


def quotas(sizes: dict[tuple[str, ...], int], number: int) -> dict[tuple[str, ...], int]:
    """How many of each stratum: by its share, at least one, never more than there are."""
    total = sum(sizes.values())
    if number >= total:
        return dict(sizes)
    exact = {key: number * size / total for key, size in sizes.items()}
    made = {key: max(1, int(share)) for key, share in exact.items()}
    left = number - sum(made.values())
    # The most short of its share first; one that has its one by the rule above is not.
    by_rest = sorted(exact, key=lambda key: (made[key] - exact[key], key))
    for key in by_rest[: max(0, left)]:
        made[key] += 1
    return {key: min(count, sizes[key]) for key, count in made.items()}


def _place(seed: str, task: str) -> bytes:
    return hashlib.blake2b(f"{seed}\n{task}".encode(), digest_size=16).digest()
