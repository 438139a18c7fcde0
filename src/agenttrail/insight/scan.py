"""What no query of a SIEM expresses, found over masked events: baselines, chains, conflicts, silence.

    for found in scan(["masked.jsonl"], Numbers()):
        found.slug, found.agent, found.evidence

Each detector is a function of a DuckDB connection and gives `Found`s. A `Found` has a key: the same key
is the same anomaly on every run. Evidence holds counts and ids only.

Baselines are an agent's own: the median of what it did over the events at hand, and how far it strays
(MAD, the median distance from the median). Both are left alone by a few wild values, so what is looked
for does not hide itself. An agent with too little history has no baseline and is not judged by one.

Limits: what lies before the first event given is unknown; give some weeks. Times of day are UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agenttrail import fields as f
from agenttrail.insight import _scan_habits, _scan_text
from agenttrail.insight._scan_found import Found, Numbers
from agenttrail.insight.conflicts import conflicts
from agenttrail.insight.documents import told
from agenttrail.insight.events import opened
from agenttrail.insight.handover import handovers
from agenttrail.insight.story import tell

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["DETECTORS", "Found", "Numbers", "scan"]

_MORE = (f.TOOL_ARGUMENTS, f.TOOL_RESULT, f.MCP_RESULT, f.EVENT_KIND)
# Names of tools that send something out, where no annotation says so.
_SENDS = r"(?i)(^|_)(send|mail|email|upload|post|publish|share|webhook)(_|$)"
# Categories of data whose leaving is no harm.
_OPEN_DATA = ("public", "internal")


@dataclass(frozen=True, slots=True)
class _Given:
    """What a detector may read."""

    db: DuckDBPyConnection
    paths: Sequence[str]
    numbers: Numbers


def scan(
    paths: Sequence[str],
    numbers: Numbers,
    *,
    only: Sequence[str] = (),
    since: str | None = None,
    until: str | None = None,
) -> list[Found]:
    """All anomalies in masked JSON Lines, by time; each key once.

    Args:
        paths: files or folders.
        numbers: the limits.
        only: slugs out of `DETECTORS`; none means all.
        since: first time of events that are read.
        until: time before which they are.

    Cost: about a second for 100 MB, and 5 ms for each task with a hand-over.

    Raises:
        UsageError: the files cannot be read.
    """
    made: dict[str, Found] = {}
    with opened(paths, since=since, until=until, more=_MORE) as db:
        db.execute(f"DELETE FROM events WHERE \"{f.EVENT_KIND}\" <> 'event'")  # noqa: S608  a name of ours
        given = _Given(db, paths, numbers)
        for slug, detect in DETECTORS.items():
            if not only or slug in only:
                for found in detect(given):
                    made.setdefault(found.id, found)
    return sorted(made.values(), key=lambda each: (each.moment, each.slug, each.id))


def _conflicting(given: _Given) -> Iterator[Found]:
    for each in conflicts(given.db, window_s=given.numbers.conflict_s):
        first, second = each.first, each.second
        evidence = {"record": each.record, "tasks": [first.task, second.task], "calls": [first.call_id, second.call_id], "gap_s": each.gap_s}  # fmt: skip
        yield Found("record-conflicting", second.agent, second.at, (each.record, first.call_id, second.call_id), evidence, task=second.task, tool=second.tool)  # fmt: skip


def _context_lost(given: _Given) -> Iterator[Found]:
    tasks = [
        row[0]
        for row in given.db.execute(
            "SELECT DISTINCT task FROM events WHERE task IS NOT NULL AND (handoff_to IS NOT NULL OR operation = 'invoke_agent' OR parent_instance IS NOT NULL) ORDER BY task"
        ).fetchall()
    ]
    for story in map(tell, told(given.paths, tasks)):
        for handed in handovers(story):
            known, lost = len(handed.known), len(handed.lost)
            if lost >= given.numbers.context_lost and lost >= given.numbers.context_lost_share * known:  # fmt: skip
                evidence = {"step": handed.step, "known": known, "lost": lost}
                yield Found("context-lost", story.agent, story.started, (story.id, handed.step), evidence, task=story.id)  # fmt: skip


def _exfiltrating(given: _Given) -> Iterator[Found]:
    open_data = ", ".join(f"'{each}'" for each in _OPEN_DATA)
    rows = given.db.execute(
        f"""
        WITH calls AS (
            SELECT *, read_only IS TRUE AND outcome <> 'failure' AND (masked > 0
                    OR NOT list_has_all([{open_data}], coalesce(categories, []))) AS reads,
                read_only IS NOT TRUE AND outcome <> 'failure' AND regexp_matches(tool, '{_SENDS}') AS sends
            FROM events WHERE operation = 'execute_tool' AND task IS NOT NULL
        ), counted AS (
            SELECT *, count(*) FILTER (reads) OVER (PARTITION BY task ORDER BY ts, id
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before
            FROM calls
        )
        SELECT agent, task, min(ts), max(before), arg_min(id, ts), arg_min(tool, ts) FROM counted
        WHERE sends AND before >= ? GROUP BY agent, task
        """,  # noqa: S608  names of our own
        [given.numbers.exfil_reads],
    ).fetchall()
    for agent, task, at, reads, event, tool in rows:
        yield Found("data-exfiltrating", agent, at, (task,), {"reads": reads, "event": event}, task=task, tool=tool)  # fmt: skip


def _destroying(given: _Given) -> Iterator[Found]:
    rows = given.db.execute(
        """
        WITH calls AS (
            SELECT agent, task, tool, ts, id, count(*) OVER (PARTITION BY agent ORDER BY ts
                RANGE BETWEEN to_seconds(?) PRECEDING AND CURRENT ROW) AS burst
            FROM events WHERE operation = 'execute_tool' AND destructive AND outcome <> 'failure'
        )
        SELECT agent, task, any_value(tool), min(ts), max(burst) FROM calls
        WHERE burst >= ? GROUP BY agent, task
        """,
        [given.numbers.destruction_s, given.numbers.destruction_calls],
    ).fetchall()
    for agent, task, tool, at, burst in rows:
        yield Found("destruction-bursting", agent, at, (agent, task or f"{at:%Y-%m-%d}"), {"calls": burst}, task=task, tool=tool)  # fmt: skip


def _on(detect: Callable[[DuckDBPyConnection, Numbers], Iterator[Found]]) -> Callable[[_Given], Iterator[Found]]:  # fmt: skip
    return lambda given: detect(given.db, given.numbers)


DETECTORS: dict[str, Callable[[_Given], Iterator[Found]]] = {
    "record-conflicting": _conflicting,
    "context-lost": _context_lost,
    "data-exfiltrating": _exfiltrating,
    "destruction-bursting": _destroying,
    "agent-looping": _on(_scan_habits.looping),
    "agent-off-hours": _on(_scan_habits.off_hours),
    "agent-silent": _on(_scan_habits.silent),
    "tool-first-seen": _on(_scan_habits.first_seen),
    "user-cost-spiking": _on(_scan_habits.user_cost),
    "personal-data-surging": _on(_scan_habits.surging),
    "masking-collapsed": _on(_scan_habits.collapsed),
    "injection-suspected": _on(_scan_text.injected),
    "tool-definition-changed": _on(_scan_text.redefined),
}
