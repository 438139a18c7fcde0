"""Masked events as a DuckDB table: the columns that questions are asked of.

    with opened(["masked.jsonl"]) as db:
        db.sql("SELECT agent, count(*) FROM events GROUP BY agent")

Files are JSON Lines as the sink `jsonl` writes them, plain, gzip or zstd; the address of an
Elasticsearch data stream stands for the events in it (`_elasticsearch`). An event that stands in them
twice (a batch repeated after a crash) is one row. A line that is no event is passed over and counted:
`unread`.

Columns: see `COLUMNS`; each is a field of the record. `agent` is the registry's id, else the agent's own
name, else its MCP client's. Times are UTC.

Cost: DuckDB reads some 100 MB/s a core; of each event only these columns are kept, on disk where the
files hold more than 500 MB; then memory is bounded by 4 GB.
Version: DuckDB 1.4 to 2.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agenttrail import fields as f
from agenttrail.errors import UsageError
from agenttrail.insight._elasticsearch import fetched, is_address

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_LARGE_BYTES = 500_000_000
_MEMORY = "4GB"  # beyond it DuckDB works on disk
# Column name to field.
COLUMNS = {
    "ts": f.TIMESTAMP,
    "id": f.EVENT_ID,
    "action": f.EVENT_ACTION,
    "outcome": f.EVENT_OUTCOME,
    "duration_ns": f.EVENT_DURATION,
    "namespace": f.DATA_STREAM_NAMESPACE,
    "operation": f.OPERATION_NAME,
    "registered": f.REGISTRY_AGENT_ID,
    "agent_name": f.AGENT_NAME,
    "client": f.MCP_CLIENT_NAME,
    "version": f.AGENT_VERSION,
    "department": f.REGISTRY_DEPARTMENT,
    "owner": f.REGISTRY_OWNER,
    "instance": f.AGENT_INSTANCE_ID,
    "parent_instance": f.AGENT_PARENT_ID,
    "agent_type": f.AGENT_TYPE,
    "sidechain": f.AGENT_SIDECHAIN,
    "conversation": f.CONVERSATION_ID,
    "task": f.TASK_ID,
    "task_state": f.TASK_STATE,
    "task_human": f.TASK_HUMAN,
    "task_escalated": f.TASK_ESCALATED,
    "trace": f.TRACE_ID,
    "span": f.SPAN_ID,
    "parent_span": f.SPAN_PARENT_ID,
    "user_id": f.USER_ID,
    "model": f.REQUEST_MODEL,
    "input_tokens": f.INPUT_TOKENS,
    "output_tokens": f.OUTPUT_TOKENS,
    "cache_read_tokens": f.CACHE_READ_TOKENS,
    "cache_write_tokens": f.CACHE_WRITE_TOKENS,
    "cost": f.COST_TOTAL,
    "currency": f.COST_CURRENCY,
    "rollup": f.USAGE_ROLLUP,
    "tool": f.TOOL_NAME,
    "server": f.MCP_SERVER_NAME,
    "method": f.MCP_METHOD,
    "call_id": f.TOOL_CALL_ID,
    "read_only": f.TOOL_READ_ONLY,
    "idempotent": f.TOOL_IDEMPOTENT,
    "destructive": f.TOOL_DESTRUCTIVE,
    "error": f.ERROR_TYPE,
    "handoff_from": f.HANDOFF_FROM,
    "handoff_to": f.HANDOFF_TO,
    "resources": f.RESOURCE_IDS,
    "categories": f.DATA_CATEGORIES,
    "policy": f.POLICY_VERDICT,
    "policy_basis": f.POLICY_BASIS,
    "policy_rules": f.POLICY_RULES,
    "approval": f.APPROVAL_ID,
    "approval_stage": f.APPROVAL_STAGE,
    "approval_outcome": f.APPROVAL_OUTCOME,
    "approval_source": f.APPROVAL_SOURCE,
    "approval_channel": f.APPROVAL_CHANNEL,
    "approver": f.APPROVAL_APPROVER,
    "wait_ms": f.APPROVAL_WAIT_MS,
    "target_ms": f.APPROVAL_TARGET_MS,
    "registry_findings": f.REGISTRY_FINDINGS,
    "approval_findings": f.APPROVAL_FINDINGS,
    "settles": f.APPROVAL_SETTLES,
    "cost_findings": f.COST_FINDINGS,
    "budgets": f.BUDGET_NAMES,
    "budget_verdict": f.BUDGET_VERDICT,
    "anomaly": f.ANOMALY_NAME,
    "severity": f.ANOMALY_SEVERITY,
    "control": f.CONTROL_ACTION,
    "control_target": f.CONTROL_TARGET,
    "evaluation": f.EVALUATION_NAME,
    "score": f.EVALUATION_SCORE,
    "label": f.EVALUATION_LABEL,
    "masked": f.PII_MASKED,
    "masked_by_type": f.PII_BY_TYPE,
    "mask_failed": f.PII_FAILED,
    "mode": f.PERMISSION_MODE,
    "format": f.SOURCE_FORMAT,
    "source_error": f.SOURCE_ERROR,
    "line": f.SOURCE_LINE,
}
_TYPES = {
    "keyword": "VARCHAR", "text": "VARCHAR", "keywords": "VARCHAR[]", "date": "TIMESTAMP", "long": "BIGINT",
    "double": "DOUBLE", "boolean": "BOOLEAN", "object": "JSON", "objects": "JSON", "counts": "JSON",
}  # fmt: skip


@contextlib.contextmanager
def opened(
    paths: Sequence[str],
    *,
    since: str | None = None,
    until: str | None = None,
    more: Sequence[str] = (),
) -> Iterator[DuckDBPyConnection]:
    """A connection with the table `events` of these files.

    Args:
        paths: files, folders of `.jsonl` files, or addresses of Elasticsearch; read as one.
        since: first time, RFC 3339 or a day; None from the beginning.
        until: time before which events are, or the last day; None to the end.
        more: further fields of the registry to keep, as columns named by their dotted name.

    Raises:
        UsageError: a file is not there, or holds no JSON Lines.
    """
    import duckdb

    with contextlib.ExitStack() as stack:
        files = [
            str(path)
            for name in paths
            for path in (stack.enter_context(fetched(name)) if is_address(name) else files_of(name))
        ]
        if not files:
            raise UsageError(
                "no files to read", hint="name files that agenttrail wrote, or a folder"
            )
        size = sum(Path(file).stat().st_size for file in files)
        place = ":memory:"
        if size > _LARGE_BYTES:  # columns on disk are packed, and memory stays bounded
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="agenttrail-"))
            place = f"{folder}/events.duckdb"
        db = duckdb.connect(place)
        stack.callback(db.close)
        if place != ":memory:":
            db.execute(f"SET memory_limit = '{_MEMORY}'")
        db.execute("SET TimeZone = 'UTC'")
        db.execute("SET preserve_insertion_order = false")
        columns = {**COLUMNS, **{name: name for name in more}}
        picked = ", ".join(f'{_path(field)} AS "{name}"' for name, field in columns.items())
        shape = _struct([*columns.values()])
        when = [f'"{f.TIMESTAMP}" IS NOT NULL']
        if since is not None:
            when.append(f"\"{f.TIMESTAMP}\" >= TIMESTAMP '{_time(since, last=False)}'")
        if until is not None:
            when.append(f"\"{f.TIMESTAMP}\" < TIMESTAMP '{_time(until, last=True)}'")
        try:
            db.execute(
                f"CREATE TABLE events AS SELECT {picked}, coalesce({_path(f.REGISTRY_AGENT_ID)}, "  # noqa: S608  names of our own
                f"{_path(f.AGENT_NAME)}, {_path(f.MCP_CLIENT_NAME)}, '') AS agent "
                f"FROM read_json(?, format='newline_delimited', columns={shape}, ignore_errors=true, "
                f"maximum_object_size=67108864) WHERE {' AND '.join(when)}",
                [files],
            )
            # Twice is rare: by hashes it is soon seen whether there is any.
            once, rows = db.execute("SELECT count(DISTINCT hash(id)), count(*) FROM events").fetchall()[0]  # fmt: skip
            if once < rows:
                db.execute(
                    "DELETE FROM events WHERE rowid NOT IN (SELECT min(rowid) FROM events GROUP BY id)"
                )
        except duckdb.Error as error:
            raise UsageError(
                f"the files cannot be read ({type(error).__name__})",
                hint="are they JSON Lines of agenttrail's sink jsonl?",
            ) from None
        yield db


def files_of(name: str) -> list[Path]:
    """A file, or the JSON Lines files below a folder, in the order of their names.

    Raises:
        UsageError: it is not there.
    """
    path = Path(name)
    if path.is_dir():
        endings = (".jsonl", ".jsonl.gz", ".jsonl.zst")
        return sorted(p for p in path.rglob("*") if p.name.endswith(endings) and p.stat().st_size)
    if not path.is_file():
        raise UsageError(f"{name}: no such file or folder")
    return [path] if path.stat().st_size else []


def _time(text: str, *, last: bool) -> str:
    """A time in UTC, for a query.

    Raises:
        UsageError: it is none.
    """
    import datetime as dt

    try:
        if len(text) == 10:
            day = dt.date.fromisoformat(text) + dt.timedelta(days=1 if last else 0)
            return f"{day} 00:00:00"
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"not a time: {text}", hint="as 2026-10-01 or 2026-10-01T09:00:00Z") from None  # fmt: skip
    return f"{at.astimezone(dt.UTC) if at.tzinfo else at:%Y-%m-%d %H:%M:%S.%f}"


def _path(field: str) -> str:
    """A field in the nested line, as SQL."""
    return ".".join(f'"{part}"' for part in field.split("."))


def _struct(names: Sequence[str]) -> str:
    """The nested type of the line, with these fields only, as DuckDB writes it."""
    root: dict[str, Any] = {}
    for name in names:
        *parents, leaf = name.split(".")
        place = root
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = _TYPES[f.FIELDS[name].type]

    def written(value: Any) -> str:
        if isinstance(value, str):
            return value
        return "STRUCT(" + ", ".join(f'"{k}" {written(v)}' for k, v in value.items()) + ")"

    return "{" + ", ".join(f"'{name}': '{written(value)}'" for name, value in root.items()) + "}"
