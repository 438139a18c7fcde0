"""An agent against its own habit: how much, when, with what, and whether at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from agenttrail import fields as f
from agenttrail.insight._scan_found import Found, Numbers

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def looping(db: DuckDBPyConnection, numbers: Numbers) -> Iterator[Found]:
    """Tasks with far more calls than the agent's others, most of them one and the same."""
    rows = db.execute(
        f"""
        WITH same AS (
            SELECT agent, task, tool, md5(coalesce("{f.TOOL_ARGUMENTS}"::VARCHAR, '')) AS arguments, count(*) AS times, max(ts) AS moment
            FROM events WHERE operation = 'execute_tool' AND task IS NOT NULL GROUP BY ALL
        ), tasks AS (
            SELECT agent, task, sum(times)::BIGINT AS calls, max(times) AS most, arg_max(tool, times) AS tool, max(moment) AS moment
            FROM same GROUP BY agent, task
        ), usual AS (
            SELECT agent, median(calls) AS middle, mad(calls) AS stray FROM tasks GROUP BY agent
        )
        SELECT agent, task, tool, moment, calls, most, middle FROM tasks JOIN usual USING (agent)
        WHERE calls >= ? AND calls > middle + ? * greatest(stray, 1) AND most >= ? * calls
        """,  # noqa: S608  a name of our own
        [numbers.loop_calls, numbers.mads, numbers.loop_same_share],
    ).fetchall()
    for agent, task, tool, at, calls, most, middle in rows:
        yield Found("agent-looping", agent, at, (task,), {"calls": calls, "same": most, "median": middle}, task=task, tool=tool)  # fmt: skip


def off_hours(db: DuckDBPyConnection, numbers: Numbers) -> Iterator[Found]:
    """Work at an hour that is far from all hours of the days before."""
    rows = db.execute(
        """
        SELECT agent, ts::DATE AS day, hour(ts)::INT AS hour, min(ts), any_value(task), count(*)
        FROM events WHERE agent <> '' GROUP BY ALL ORDER BY agent, day, hour
        """
    ).fetchall()
    hours: dict[str, set[int]] = {}
    days: dict[str, set[object]] = {}
    said: set[tuple[str, object]] = set()
    for agent, day, hour, at, task, count in rows:
        known, seen = hours.setdefault(agent, set()), days.setdefault(agent, set())
        away = min((_apart(hour, other) for other in known), default=0)
        if len(seen - {day}) >= numbers.history_days and away > numbers.off_hours:
            if (agent, day) not in said:
                said.add((agent, day))
                yield Found("agent-off-hours", agent, at, (agent, day), {"events": count, "hours_away": away, "days_known": len(seen)}, task=task)  # fmt: skip
            continue  # what is out of the ordinary is no habit
        known.add(hour)
        seen.add(day)


def _apart(one: int, other: int) -> int:
    return min((one - other) % 24, (other - one) % 24)


def silent(db: DuckDBPyConnection, numbers: Numbers) -> Iterator[Found]:
    """An agent that worked on many days and has not been heard of for far longer than ever."""
    rows = db.execute(
        """
        WITH days AS (SELECT DISTINCT agent, ts::DATE AS day FROM events WHERE agent <> ''),
        gaps AS (SELECT agent, day, day - lag(day) OVER (PARTITION BY agent ORDER BY day) AS gap FROM days),
        newest AS (SELECT max(ts) AS moment FROM events)
        SELECT agent, count(*), max(gap), max(day), any_value(moment) FROM gaps, newest GROUP BY agent
        HAVING count(*) >= ? AND any_value(moment)::DATE - max(day) >= greatest(?, ? * max(gap))
        """,
        [numbers.history_days, numbers.silent_days, numbers.silent_factor],
    ).fetchall()
    for agent, active, gap, last, at in rows:
        yield Found("agent-silent", agent, at, (agent, last), {"days_active": active, "days_silent": (at.date() - last).days, "longest_gap": gap})  # fmt: skip
    yield from _unlogged(db, numbers)


def _unlogged(db: DuckDBPyConnection, numbers: Numbers) -> Iterator[Found]:
    """An agent that others still tell of (approvals, the wire of a server), while its own log has ended."""
    rows = db.execute(
        """
        WITH logs AS (
            SELECT agent, format, count(*) AS events, count(DISTINCT ts::DATE) AS days, max(ts) AS last
            FROM events WHERE agent <> '' GROUP BY ALL
        ), own AS (
            SELECT agent, arg_max(format, events) AS format, arg_max(days, events) AS days, arg_max(last, events) AS last
            FROM logs GROUP BY agent
        )
        SELECT agent, own.days, own.last, arg_max(e.format, e.ts), count(*), max(e.ts)
        FROM own JOIN events e USING (agent)
        WHERE e.format <> own.format AND e.ts > own.last AND own.days >= ? GROUP BY ALL
        HAVING count(*) >= ? AND max(e.ts) - own.last >= to_hours(?)
        """,
        [numbers.history_days, numbers.silent_seen, int(numbers.silent_hours)],
    ).fetchall()
    for agent, active, last, seen_in, events, at in rows:
        hours = round((at - last).total_seconds() / 3600, 1)
        yield Found("agent-silent", agent, at, (agent, last, "seen"), {"days_active": active, "hours_silent": hours, "seen_in": seen_in, "events": events})  # fmt: skip


def first_seen(db: DuckDBPyConnection, numbers: Numbers) -> Iterator[Found]:
    """A tool or a server that an agent never used before, once the agent is known for long enough.

    A server counts from when it is first spoken to, a call or not; its tools of that day are no news beside it.
    """
    rows = db.execute(
        """
        WITH first AS (
            SELECT agent, coalesce(server, '') AS server, regexp_replace(tool, '^mcp__.*?__', '') AS tool,
                min(ts) AS moment, arg_min(task, ts) AS task
            FROM events WHERE operation = 'execute_tool' AND tool IS NOT NULL AND agent <> '' GROUP BY ALL
        ), servers AS (
            SELECT agent, server, '' AS tool, min(ts) AS moment, arg_min(task, ts) AS task
            FROM events WHERE server IS NOT NULL AND agent <> '' GROUP BY ALL
        ), news AS (
            SELECT * FROM servers
            UNION ALL
            SELECT first.* FROM first LEFT JOIN servers USING (agent, server)
            WHERE servers.moment IS NULL OR first.moment - servers.moment > INTERVAL 1 DAY
        )
        SELECT agent, server, tool, moment, task,
            (SELECT count(DISTINCT ts::DATE) FROM events e WHERE e.agent = news.agent AND e.ts < news.moment) AS days
        FROM news WHERE days >= ?
        """,
        [numbers.history_days],
    ).fetchall()
    for agent, server, tool, at, task, days in rows:
        yield Found("tool-first-seen", agent, at, (agent, server, tool), {"days_known": days, "new": "tool" if tool else "server"}, task=task, tool=tool or None, server=server or None)  # fmt: skip


def user_cost(db: DuckDBPyConnection, numbers: Numbers) -> Iterator[Found]:
    """A person who spent far more with an agent in a day than others do, where people can be told apart."""
    rows = db.execute(
        """
        WITH days AS (
            SELECT agent, user_id, ts::DATE AS day, sum(cost) AS spent, max(ts) AS moment, arg_max(task, cost) AS task
            FROM events WHERE agent <> '' AND cost IS NOT NULL AND rollup IS NOT TRUE
                AND user_id IS NOT NULL AND NOT regexp_matches(user_id, '^<[A-Z_]+>$')
            GROUP BY ALL
        ), usual AS (
            SELECT agent, median(spent) AS middle, mad(spent) AS stray, count(DISTINCT day) AS known FROM days GROUP BY agent
        )
        SELECT agent, user_id, day, moment, task, spent, middle FROM days JOIN usual USING (agent)
        WHERE known >= ? AND spent >= ? AND spent > middle + ? * greatest(stray, middle / 10)
        """,
        [numbers.history_days, numbers.user_cost, numbers.mads],
    ).fetchall()
    for agent, user, day, at, task, spent, middle in rows:
        yield Found("user-cost-spiking", agent, at, (agent, user, day), {"user": user, "spent": round(spent, 4), "median": round(middle, 4)}, task=task)  # fmt: skip


def surging(db: DuckDBPyConnection, numbers: Numbers) -> Iterator[Found]:
    """An event with far more personal data than the agent's others."""
    rows = db.execute(
        """
        WITH usual AS (
            SELECT agent, median(masked) AS middle, mad(masked) AS stray FROM events GROUP BY agent
        )
        SELECT agent, task, tool, ts, id, masked, middle FROM events JOIN usual USING (agent)
        WHERE masked >= ? AND masked > middle + ? * greatest(stray, 1)
        """,
        [numbers.personal_masked, numbers.mads],
    ).fetchall()
    for agent, task, tool, at, event, masked, middle in rows:
        # A task that tells the same list twice is one surge.
        yield Found("personal-data-surging", agent, at, (agent, task or event), {"masked": masked, "median": middle, "event": event}, task=task, tool=tool)  # fmt: skip


def collapsed(db: DuckDBPyConnection, numbers: Numbers) -> Iterator[Found]:
    """A day on which far less was masked of what an agent said than on the days before."""
    rows = db.execute(
        """
        WITH days AS (
            SELECT agent, ts::DATE AS day, count(*) AS events, sum(masked) / count(*) AS rate, max(ts) AS moment
            FROM events WHERE agent <> '' GROUP BY ALL HAVING count(*) >= ?
        ), usual AS (
            SELECT *, median(rate) OVER before AS middle, count(*) OVER before AS known FROM days
            WINDOW before AS (PARTITION BY agent ORDER BY day ROWS BETWEEN 30 PRECEDING AND 1 PRECEDING)
        )
        SELECT agent, day, moment, events, rate, middle FROM usual
        WHERE known >= ? AND middle > 0 AND rate < ? * middle
        """,
        [numbers.collapse_events, numbers.history_days, numbers.collapse_share],
    ).fetchall()
    for agent, day, at, events, rate, middle in rows:
        yield Found("masking-collapsed", agent, at, (agent, day), {"events": events, "masked_an_event": round(rate, 3), "median": round(middle, 3)})  # fmt: skip
