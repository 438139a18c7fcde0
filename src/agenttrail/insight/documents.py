"""Whole events of one task or conversation, out of masked JSON Lines.

    find(["masked.jsonl"], "55fab97a-f81e-47b7-a6a8-0c0fef223a08")

An id is that of a task, else of a conversation; a beginning of either is enough where only one begins so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agenttrail import fields as f
from agenttrail import jsontext
from agenttrail.errors import UsageError
from agenttrail.insight._elasticsearch import fetched, is_address
from agenttrail.insight.events import files_of

# A beginning shorter than this fits too many ids to be meant.
_SHORTEST = 4


@dataclass(frozen=True, slots=True)
class Found:
    """The events, flat, in the order of their times; `kind` is task or conversation, `id` the whole id."""

    kind: str
    id: str
    events: tuple[Mapping[str, Any], ...]


def find(paths: Sequence[str], wanted: str) -> Found:
    """The events of a task or a conversation, each once.

    Raises:
        UsageError: there is none, or several begin like this.
    """
    import duckdb

    with contextlib.ExitStack() as stack:
        files = _files(paths, stack)
        if not files:
            raise UsageError(
                "no files to read", hint="name files that agenttrail wrote, or a folder"
            )
        db = stack.enter_context(duckdb.connect())
        for kind, field in (("task", f.TASK_ID), ("conversation", f.CONVERSATION_ID)):
            path = "$." + ".".join(f'"{part}"' for part in field.split("."))
            try:
                rows = db.execute(
                    "SELECT json_extract_string(json, ?) AS id, json::VARCHAR FROM "
                    "read_ndjson_objects(?, ignore_errors=true, maximum_object_size=67108864) "
                    "WHERE starts_with(json_extract_string(json, ?), ?)",
                    [path, files, path, wanted],
                ).fetchall()
            except duckdb.Error as error:
                raise UsageError(
                    f"the files cannot be read ({type(error).__name__})",
                    hint="are they JSON Lines of agenttrail's sink jsonl?",
                ) from None
            exact = [row for row in rows if row[0] == wanted]
            ids = sorted({row[0] for row in exact or rows})
            if len(ids) == 1 and (exact or len(wanted) >= _SHORTEST):
                return Found(kind, ids[0], _events([row[1] for row in exact or rows]))
            if ids:
                shown = ", ".join(ids[:5]) + (", …" if len(ids) > 5 else "")
                raise UsageError(f"{len(ids)} {kind}s begin with {wanted}", hint=f"{shown}")
    raise UsageError(
        f"no task and no conversation has the id {wanted}",
        hint="ids stand under agenttrail.task.id and gen_ai.conversation.id",
    )


def told(paths: Sequence[str], tasks: Sequence[str]) -> Iterator[Found]:
    """The events of many tasks, read once; tasks that are not there are left out.

    Raises:
        UsageError: the files cannot be read.
    """
    import duckdb

    path = "$." + ".".join(f'"{part}"' for part in f.TASK_ID.split("."))
    with contextlib.ExitStack() as stack:
        files = _files(paths, stack)
        if not files or not tasks:
            return
        db = stack.enter_context(duckdb.connect())
        try:
            rows = db.execute(
                "SELECT json_extract_string(json, ?) AS id, list(json::VARCHAR) FROM "
                "read_ndjson_objects(?, ignore_errors=true, maximum_object_size=67108864) "
                "WHERE list_contains(?, json_extract_string(json, ?)) GROUP BY 1 ORDER BY 1",
                [path, files, list(tasks), path],
            ).fetchall()
        except duckdb.Error as error:
            raise UsageError(f"the files cannot be read ({type(error).__name__})") from None
    for task, lines in rows:
        yield Found("task", task, _events(lines))


def _files(paths: Sequence[str], stack: contextlib.ExitStack) -> list[str]:
    """Files and those of folders; what an address holds is fetched for as long as the stack lives."""
    return [
        str(path)
        for name in paths
        for path in (stack.enter_context(fetched(name)) if is_address(name) else files_of(name))
    ]


def _events(lines: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
    found: dict[str, Mapping[str, Any]] = {}
    for line in lines:
        known, _ = f.from_document(jsontext.loads(line))
        found[str(known.get(f.EVENT_ID))] = known
    return tuple(sorted(found.values(), key=_order))


def _order(fields: Mapping[str, Any]) -> tuple[Any, ...]:
    """By time; at one time a prompt first, what ends a task last, and else as the source has it."""
    action, state = fields.get(f.EVENT_ACTION), fields.get(f.TASK_STATE)
    rank = 0 if action in ("user_prompt", "agent_prompt") else 2 if state not in (None, "started") else 1  # fmt: skip
    return (
        str(fields.get(f.TIMESTAMP)).removesuffix("Z"),
        rank,
        str(fields.get(f.SOURCE_FILE)),
        fields.get(f.EVENT_SEQUENCE) or 0,
        fields.get(f.SOURCE_LINE) or 0,
        str(fields.get(f.EVENT_ID)),
    )
