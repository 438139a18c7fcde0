"""Service level indicators of agents over history: the same sums that the sink `metrics` counts live.

All are ratios of sums over events, so that they do not depend on the order of events, and history and
live metrics agree:

| indicator | is |
| --- | --- |
| task success | tasks completed without a person / tasks that ended |
| escalation rate | tasks that ended and that a person was called into / tasks that ended |
| tool calls per task | tool calls / tasks that ended |
| tokens per task, cost per task | input and output tokens, cost / tasks that ended; roll-ups left out |
| failed work | tool calls that failed / tool calls that succeeded or failed |
| reviews in time | decisions within their channel's target / decisions with a target |

A task that has no end in the log (cut off, still running, or a capture of MCP traffic, which does not
say when a task is over) is in no denominator; it is counted as `open`. What a task is: enricher `tasks`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agenttrail.errors import UsageError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

GROUPS = ("agent", "version", "department", "day")


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of one group of events; `key` are its values in the order that was asked for."""

    key: tuple[str, ...]
    events: int
    tasks: int  # distinct tasks that something happened in
    ended: int
    completed: int
    failed: int
    abandoned: int
    escalated: int
    successes: int
    tool_calls: int
    failed_calls: int
    settled_calls: int  # succeeded or failed
    tokens: int
    cost: float
    currency: str  # of cost; several are joined by a plus, and then cost is no sum of money
    decisions: int  # with a target
    in_time: int
    wait_ms: int

    @property
    def open(self) -> int:
        """Tasks without an end."""
        return self.tasks - self.ended

    @property
    def success(self) -> float | None:
        """Share of ended tasks that were completed without a person; None without any."""
        return ratio(self.successes, self.ended)

    @property
    def escalation(self) -> float | None:
        return ratio(self.escalated, self.ended)

    @property
    def calls_per_task(self) -> float | None:
        return ratio(self.tool_calls, self.ended)

    @property
    def tokens_per_task(self) -> float | None:
        return ratio(self.tokens, self.ended)

    @property
    def cost_per_task(self) -> float | None:
        return ratio(self.cost, self.ended)

    @property
    def failed_work(self) -> float | None:
        return ratio(self.failed_calls, self.settled_calls)

    @property
    def reviews_in_time(self) -> float | None:
        return ratio(self.in_time, self.decisions)


def ratio(part: float, whole: float) -> float | None:
    """The quotient, or None where there is no whole."""
    return part / whole if whole else None


def slis(db: DuckDBPyConnection, by: Sequence[str] = ("agent",)) -> list[Sums]:
    """The sums of each group, sorted by its key.

    Args:
        db: with the table `events` (`events.opened`).
        by: columns out of `GROUPS`; none gives one row over all events.

    Raises:
        UsageError: a column that is none of them.
    """
    strange = [name for name in by if name not in GROUPS]
    if strange:
        raise UsageError(f"cannot group by {strange[0]}", hint=f"known: {', '.join(GROUPS)}")
    keys = ["strftime(ts, '%Y-%m-%d')" if n == "day" else f"coalesce({n}, '')" for n in by]
    # Days are those of the end; a task is of the version and department that its end names.
    grouped = "".join(f"{key}, " for key in keys)
    # Executions repeat the wait of their decision.
    decided = "approval_stage IS DISTINCT FROM 'execution'"
    rows = db.execute(
        f"""
        SELECT {grouped}
            count(*), count(DISTINCT task),
            count(*) FILTER (task_state IN ('completed', 'failed', 'abandoned')),
            count(*) FILTER (task_state = 'completed'),
            count(*) FILTER (task_state = 'failed'),
            count(*) FILTER (task_state = 'abandoned'),
            count(task_escalated),
            count(*) FILTER (task_state = 'completed') - count(*) FILTER (task_escalated = 'completed'),
            count(*) FILTER (operation = 'execute_tool'),
            count(*) FILTER (operation = 'execute_tool' AND outcome = 'failure'),
            count(*) FILTER (operation = 'execute_tool' AND outcome IN ('success', 'failure')),
            coalesce(sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) FILTER (rollup IS NOT TRUE), 0)::BIGINT,
            coalesce(sum(cost::DECIMAL(38, 12)) FILTER (rollup IS NOT TRUE), 0)::DOUBLE,
            coalesce(string_agg(DISTINCT currency, '+' ORDER BY currency), ''),
            count(*) FILTER ({decided} AND wait_ms IS NOT NULL AND target_ms IS NOT NULL),
            count(*) FILTER ({decided} AND wait_ms <= target_ms),
            coalesce(sum(wait_ms) FILTER ({decided}), 0)::BIGINT
        FROM events {"GROUP BY " + ", ".join(keys) if keys else ""}
        ORDER BY ALL
        """  # noqa: S608  names of our own
    ).fetchall()
    width = len(by)
    return [Sums(tuple(row[:width]), *row[width:]) for row in rows]


def interval(successes: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """The Wilson interval of a share: between what it lies with 95 % confidence, each 0 to 1.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference (1927).
    """
    if of == 0:
        return 0.0, 1.0
    share = successes / of
    spread = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    middle, scale = share + z * z / (2 * of), 1 + z * z / of
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
