"""What goes through every route: lines of every format, and lines of all that is hard to mask.

`lines.jsonl` is written by hand: languages, secrets, JSON in strings, keys, odd numbers, text. What it
becomes is in `masked.jsonl`, which a person has read. The formats' golden inputs come on top.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agenttrail import fields as f
from agenttrail import jsontext

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden"
LINES = (HERE / "lines.jsonl").read_bytes().splitlines()
MASKED = HERE / "masked.jsonl"
# Small logs of each format, as (format, file).
LOGS = [
    (form, next((GOLDEN / form).glob(f"{case}.in.*")))
    for form, case in (
        ("mcp_wire", "modern_session"), ("mcp_jsonrpc", "conversation"), ("claude_code", "session"),
        ("claude_desktop", "new_order"), ("codex", "turn"), ("jsonl", "unmapped"),
        ("agenttrail", "chain"),
    )
]  # fmt: skip
# In LINES, and in nothing that leaves.
PLANTED = (
    "ann.lee@example.com", "somchai@example", "yamada@example", "bounmy@example", "bob@example.com",
    "ann%40example", "Ann Lee", "081-555-0199", "03-5555-0123", "5555 0123", "4111111111111111",
    "4111 1111 1111 1111", "1101700207366", "203.0.113.7", "correct-horse", "abc.def.ghi",
    "k-0123456789abcdef", "tok_live_", "AKIAQ7XZ3MNPLK5RTWVB", "wJbsrXUtnFEMI", "sk-proj-abc",
    "hunter2pw", "สมชาย", "ใจดี", "山田太郎", "ບຸນມີ",
)  # fmt: skip


def all_lines() -> list[bytes]:
    """The lines of LINES and of every log, as every collector hands them on.

    None is blank, and there is no white space around one: `filelog` takes it away, others pass blank
    lines over.
    """
    logs = [line for _, path in LOGS for line in path.read_bytes().splitlines()]
    return [line.strip() for line in [*LINES, *logs] if line.strip()]


def canonical_line(line: bytes) -> bytes:
    """A line as it is compared: JSON without the white space that carries nothing."""
    try:
        return jsontext.dumps(jsontext.loads(line))
    except ValueError:
        return line


# What says by which way an event came: two ways differ in that, and in nothing else.
_WAY = (f.EVENT_ID, f.SOURCE_TYPE, f.SOURCE_FILE, f.DATA_STREAM_NAMESPACE)


def canonical_event(line: bytes) -> bytes:
    """An event as it is compared: its fields in order, without its way and the clock's time."""
    fields: dict[str, Any] = f.from_document(jsontext.loads(line))[0]
    for name in _WAY:
        fields.pop(name, None)
    if fields[f.SOURCE_TIME] == "read":
        del fields[f.TIMESTAMP]
    return jsontext.dumps(dict(sorted(fields.items())))
