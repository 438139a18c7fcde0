"""Two tasks at one record: calls that change it at the same time, or shortly one after another.

Records are told by the keyed hashes that the enricher `registry` sets (`agenttrail.resource.ids`), so a
conflict is seen without knowing the record. A call counts that is not read only and was done, or may
have been.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Seconds between the end of one call and the begin of the other: within it neither agent can have
# seen what the other one did.
WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two calls. `at` is UTC, RFC 3339."""

    task: str
    agent: str
    tool: str
    call_id: str
    at: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two calls of different tasks that change one record; the one that began first is `first`.

    `gap_s` is the time from the end of the first to the begin of the second; negative where they overlap.
    """

    record: str
    first: Side
    second: Side
    gap_s: float


def conflicts(
    db: DuckDBPyConnection, *, task: str | None = None, window_s: float = WINDOW_S
) -> list[Conflict]:
    """All conflicts, or those of one task, by time.

    Args:
        db: with the table `events` (`events.opened`).
        task: only those that this task has a part in.
        window_s: seconds within which two calls are at the same time.
    """
    rows = db.execute(
        """
        WITH changes AS (
            SELECT unnest(resources) AS record, task, agent, tool, coalesce(call_id, id) AS call,
                ts, ts + to_microseconds(coalesce(duration_ns, 0) // 1000) AS until
            FROM events
            WHERE operation = 'execute_tool' AND resources IS NOT NULL AND task IS NOT NULL
                AND read_only IS NOT TRUE AND outcome <> 'failure'
        )
        SELECT a.record, a.task, a.agent, a.tool, a.call, strftime(a.ts, '%Y-%m-%dT%H:%M:%S.%gZ'),
            b.task, b.agent, b.tool, b.call, strftime(b.ts, '%Y-%m-%dT%H:%M:%S.%gZ'),
            epoch(b.ts) - epoch(a.until)
        FROM changes a JOIN changes b ON a.record = b.record AND a.task <> b.task
            AND (a.ts < b.ts OR (a.ts = b.ts AND a.call < b.call))
            AND b.ts <= a.until + to_microseconds(?)
        WHERE ? IS NULL OR a.task = ? OR b.task = ?
        ORDER BY a.ts, a.call, b.ts, b.call
        """,
        [round(window_s * 1e6), task, task, task],
    ).fetchall()
    return [Conflict(row[0], Side(*row[1:6]), Side(*row[6:11]), round(row[11], 3)) for row in rows]
