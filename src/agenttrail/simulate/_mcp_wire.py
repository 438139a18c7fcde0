"""Captures of MCP traffic, as `agenttrail tap --raw` writes them, of simulated tasks.

MCP 2026-07-28: every request carries `_meta`, with the W3C trace context that names the task.
"""

from __future__ import annotations

from typing import Any

from agenttrail.simulate._company import TOOLS, USES
from agenttrail.simulate._logs import Files, day, rfc3339, text
from agenttrail.simulate._story import Call, Task

REVISION = "2026-07-28"


class Writer:
    """Adds tasks' messages to the capture of their day, one for each server."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._ids: dict[str, int] = {}

    def write(self, task: Task) -> None:
        for step in task.steps:
            if isinstance(step, Call):
                self._call(task, step)

    def listed(self, task: Task, server: str, at: int, more: dict[str, str] | None = None) -> None:
        """A tools/list answered, with changed descriptions where `more` has them by tool."""
        tools = []
        for name in USES[task.agent.kind]:
            tool = TOOLS[name]
            if tool.server == server:
                described = (more or {}).get(name, f"{name.replace('_', ' ')} of {server}")
                hints = {"readOnlyHint": tool.read_only, "idempotentHint": tool.idempotent, "destructiveHint": tool.destructive}  # fmt: skip
                tools.append({"name": name, "description": described, "inputSchema": {"type": "object"}, "annotations": hints})  # fmt: skip
        self._exchange(task, server, at, at + 9, "tools/list", {}, {"resultType": "complete", "tools": tools})  # fmt: skip

    def _call(self, task: Task, step: Call) -> None:
        content = [{"type": "text", "text": step.error or text(step.result)}]
        result: dict[str, Any] = {"resultType": "complete", "content": content}
        if step.error:
            result["isError"] = True
        else:
            result["structuredContent"] = step.result
        params = {"name": step.tool, "arguments": step.arguments}
        self._exchange(task, step.server, step.at, step.end, "tools/call", params, result)

    def _exchange(
        self, task: Task, server: str, at: int, end: int, method: str,
        params: dict[str, Any], result: dict[str, Any],
    ) -> None:  # fmt: skip
        name = f"mcp/{server}-{day(at)}.wire.jsonl"
        number = self._ids[name] = self._ids.get(name, 0) + 1
        meta = {
            "io.modelcontextprotocol/protocolVersion": REVISION,
            "io.modelcontextprotocol/clientInfo": {"name": task.agent.id, "version": task.version},
            "io.modelcontextprotocol/clientCapabilities": {},
            "traceparent": f"00-{task.id}-{task.rng.getrandbits(64):016x}-01",
        }
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": {**params, "_meta": meta}}  # fmt: skip
        self._line(name, server, at, "c2s", request)
        self._line(name, server, end, "s2c", {"jsonrpc": "2.0", "id": number, "result": result})

    def _line(self, name: str, server: str, at: int, way: str, message: dict[str, Any]) -> None:
        self.files.add(name, at, {"ts": rfc3339(at), "server": server, "dir": way, "raw": text(message)})  # fmt: skip
