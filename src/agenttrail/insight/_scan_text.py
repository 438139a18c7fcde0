"""What the words of tools say: instructions where there should be data, and descriptions that changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from agenttrail import fields as f
from agenttrail import jsontext
from agenttrail.governance.hashing import canonical
from agenttrail.insight._scan_found import Found, Numbers

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Words by which text speaks to the model that reads it: English, Thai, Japanese, Lao. RE2.
MARKERS = {
    "ignore_instructions": r"(?i)(ignore|disregard|forget|override)\W+(?:\w+\W+){0,3}?(previous|prior|above|earlier|preceding|system)\W+(?:\w+\W+){0,2}?(instruction|prompt|rule|direction)s?",
    "hide_from_user": r"(?i)(do not|don't|never)\s+(tell|inform|mention|reveal|show)\s+(?:\w+\s+){0,3}?(the\s+)?(user|human|person)",
    "important_tag": r"(?i)<\s*/?\s*(important|system|instructions?)\s*>",
    "before_using": r"(?i)before\s+(using|calling|invoking)\s+(any|this|other)\s+(tool|function)",
    "japanese": r"(以前|これまで|上記|前)の(すべての|全ての)?(指示|命令|プロンプト)を?(無視|忘れ)",
    "thai": r"(เพิกเฉย|ละเว้น|ไม่ต้องสนใจ|ลืม)(ต่อ)?(คำสั่ง|คำแนะนำ)(ก่อนหน้า|ทั้งหมด|ข้างต้น)?",
    "lao": r"(ບໍ່ຕ້ອງສົນໃຈ|ລະເລີຍ|ລືມ)(ຄໍາສັ່ງ|ຄຳສັ່ງ)",
}


def injected(db: DuckDBPyConnection, numbers: Numbers) -> Iterator[Found]:  # noqa: ARG001
    """Results and descriptions of tools with words that instruct a model."""
    text = f'concat_ws(\' \', "{f.TOOL_RESULT}"::VARCHAR, "{f.MCP_RESULT}"::VARCHAR)'
    for marker, pattern in MARKERS.items():
        rows = db.execute(
            f"SELECT agent, task, tool, server, ts, id FROM events WHERE regexp_matches({text}, ?)",  # noqa: S608  names of our own
            [pattern],
        ).fetchall()
        for agent, task, tool, server, at, event in rows:
            yield Found("injection-suspected", agent, at, (event,), {"marker": marker, "event": event}, task=task, tool=tool, server=server)  # fmt: skip


def redefined(db: DuckDBPyConnection, numbers: Numbers) -> Iterator[Found]:  # noqa: ARG001
    """A tool that a server describes in other words, or with other arguments, than it did before."""
    rows = db.execute(
        f"SELECT agent, task, coalesce(server, ''), ts, id, \"{f.MCP_RESULT}\"::VARCHAR FROM events "  # noqa: S608  a name of our own
        "WHERE method = 'tools/list' AND outcome = 'success' ORDER BY ts, id"
    ).fetchall()
    known: dict[tuple[str, str], str] = {}
    for agent, task, server, at, event, result in rows:
        for tool, digest in _definitions(result):
            before = known.get((server, tool))
            known[server, tool] = digest
            if before is not None and before != digest:
                yield Found("tool-definition-changed", agent, at, (server, tool, event), {"event": event, "before": before[:12], "after": digest[:12]}, task=task, tool=tool, server=server or None)  # fmt: skip


def _definitions(result: str | None) -> Iterator[tuple[str, str]]:
    try:
        listed: Any = jsontext.loads(result or "null")
    except ValueError:
        return
    tools = listed.get("tools") if isinstance(listed, dict) else None
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, dict) and isinstance(tool.get("name"), str):
            yield tool["name"], hashlib.sha256(canonical(tool)).hexdigest()
