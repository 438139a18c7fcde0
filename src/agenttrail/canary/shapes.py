"""Canaries as the lines and requests that agents write.

`claude_code`: transcripts of Claude Code 2.1 (a prompt, a tool call and its result a canary);
`mcp_wire`: what `agenttrail tap --raw` writes (a call and its response); `jsonl`: one object a line.
OTLP: JSON of OTLP 1.9, a log record and a span a canary.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from agenttrail import fields as f
from agenttrail.canary.plant import Canary

_SPACE = uuid.UUID("0199a3f0-0000-7000-8000-00000000ca9a")


def session_of(canary: Canary) -> str:
    """A session id that is the canary's own: it stays where the mark's text is dropped."""
    return str(uuid.uuid5(_SPACE, canary.mark))


def trace_of(canary: Canary) -> str:
    """A trace id that is the canary's own."""
    return uuid.uuid5(_SPACE, canary.mark).hex


def names_of(canary: Canary) -> tuple[str, ...]:
    """All by which a record is known to be this canary's."""
    return (canary.mark, session_of(canary), trace_of(canary))


def jsonl(canary: Canary, now: datetime) -> list[str]:
    """One object."""
    made = {
        "time": _time(now), "level": "info", "canary": canary.mark, "session_id": session_of(canary),
        "message": f"{canary.mark} {canary.text}",
    }  # fmt: skip
    if canary.data is not None:
        made["data"] = canary.data
    return [_line(made)]


def claude_code(canary: Canary, now: datetime) -> list[str]:
    """A prompt, a tool call, its result."""
    session = session_of(canary)

    def row(kind: str, number: int, message: dict[str, Any], **more: Any) -> str:
        ids = [str(uuid.uuid5(_SPACE, f"{canary.mark}:{n}")) for n in (number - 1, number)]
        return _line(
            {
                "parentUuid": ids[0] if number else None, "isSidechain": False, "userType": "external",
                "cwd": "/srv/canary", "sessionId": session, "version": "2.1.39", "gitBranch": "main",
                "type": kind, "message": message, "uuid": ids[1], "timestamp": _time(now), **more,
            }
        )  # fmt: skip

    call = f"toolu_{session.replace('-', '')[:24]}"
    given = {"note": f"{canary.mark} {canary.text}", "data": canary.data}
    usage = {"input_tokens": 3, "output_tokens": 5}
    return [
        row("user", 0, {"role": "user", "content": f"{canary.mark} {canary.text}"}),
        row("assistant", 1, {
            "model": "canary", "id": f"msg_{call[6:]}", "type": "message", "role": "assistant",
            "content": [{"type": "tool_use", "id": call, "name": "Canary", "input": given}],
            "stop_reason": "tool_use", "stop_sequence": None, "usage": usage,
        }),
        row("user", 2, {"role": "user", "content": [
            {"tool_use_id": call, "type": "tool_result", "content": f"{canary.mark} {canary.text}"}
        ]}, toolUseResult=given),
    ]  # fmt: skip


def mcp_wire(canary: Canary, now: datetime) -> list[str]:
    """A call of a tool and its response."""

    def row(direction: str, message: dict[str, Any]) -> str:
        return _line(
            {"ts": _time(now), "server": "canary", "conn": trace_of(canary)[:16],
             "session": session_of(canary), "dir": direction, "raw": _line(message)}
        )  # fmt: skip

    given = {"note": f"{canary.mark} {canary.text}", "data": canary.data}
    answer = {"content": [{"type": "text", "text": f"{canary.mark} {canary.text}"}], "structuredContent": given, "isError": False}  # fmt: skip
    return [
        row("c2s", {"jsonrpc": "2.0", "id": canary.mark, "method": "tools/call", "params": {"name": "canary", "arguments": given}}),
        row("s2c", {"jsonrpc": "2.0", "id": canary.mark, "result": answer}),
    ]  # fmt: skip


FORMATS: dict[str, Callable[[Canary, datetime], list[str]]] = {
    "jsonl": jsonl, "claude_code": claude_code, "mcp_wire": mcp_wire,
}  # fmt: skip


def otlp_logs(canaries: Sequence[Canary], now: datetime) -> dict[str, Any]:
    """An ExportLogsServiceRequest."""
    nanos = str(int(now.timestamp() * 1e9))
    records = [
        {
            "timeUnixNano": nanos, "observedTimeUnixNano": nanos, "severityNumber": 9,
            "severityText": "INFO", "body": {"stringValue": f"{c.mark} {c.text}"},
            "attributes": _attributes(c), "traceId": trace_of(c), "spanId": trace_of(c)[:16],
        }
        for c in canaries
    ]  # fmt: skip
    return {"resourceLogs": [{"resource": _RESOURCE, "scopeLogs": [{"scope": _SCOPE, "logRecords": records}]}]}  # fmt: skip


def otlp_traces(canaries: Sequence[Canary], now: datetime) -> dict[str, Any]:
    """An ExportTraceServiceRequest: planted in names, attributes, an event and a status."""
    nanos = int(now.timestamp() * 1e9)
    spans = [
        {
            "traceId": trace_of(c), "spanId": trace_of(c)[:16], "name": f"execute_tool {c.mark}",
            "kind": 1, "startTimeUnixNano": str(nanos), "endTimeUnixNano": str(nanos + 1_000_000),
            "attributes": _attributes(c),
            "events": [{"timeUnixNano": str(nanos), "name": "exception", "attributes": [
                {"key": "exception.message", "value": {"stringValue": f"{c.mark} {c.text}"}}]}],
            "status": {"code": 2, "message": f"{c.mark} {c.text}"},
        }
        for c in canaries
    ]  # fmt: skip
    return {"resourceSpans": [{"resource": _RESOURCE, "scopeSpans": [{"scope": _SCOPE, "spans": spans}]}]}  # fmt: skip


_RESOURCE = {"attributes": [{"key": "service.name", "value": {"stringValue": "agenttrail-canary"}}]}
_SCOPE = {"name": "agenttrail.canary"}


def _attributes(canary: Canary) -> list[dict[str, Any]]:
    given = _line({"note": f"{canary.mark} {canary.text}", "data": canary.data})
    texts = {
        f.CONVERSATION_ID: session_of(canary), f.OPERATION_NAME: "execute_tool",
        f.TOOL_NAME: "canary", f.TOOL_ARGUMENTS: given,
    }  # fmt: skip
    made: list[dict[str, Any]] = [{"key": k, "value": {"stringValue": v}} for k, v in texts.items()]
    if canary.data is not None:
        made.append({"key": "canary.data", "value": _any(canary.data)})
    return made


def _any(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {"kvlistValue": {"values": [{"key": k, "value": _any(v)} for k, v in value.items()]}}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_any(v) for v in value]}}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"stringValue": str(value)}


def _time(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
