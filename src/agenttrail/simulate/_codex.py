"""Codex CLI rollouts (`~/.codex/sessions/YYYY/MM/DD/rollout-<time>-<uuid>.jsonl`) of simulated tasks.

The shape is that of Codex 0.104: a turn a task, tools of MCP servers as function calls, token counts
that add up over the session. See `formats/codex`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agenttrail.simulate._logs import Files, day, rfc3339, text
from agenttrail.simulate._story import Approval, Call, Chat, Task


@dataclass(slots=True)
class Rollout:
    """One session's file, and the tokens counted in it so far."""

    name: str
    total: dict[str, int] = field(default_factory=dict)


class Writer:
    """Adds tasks' lines to their sessions' files; a session's tasks come in the order of their times."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._sessions: dict[str, Rollout] = {}

    def write(self, task: Task) -> None:
        session = self._sessions.get(task.conversation)
        if session is None:
            date = day(task.start)
            stamp = rfc3339(task.start)[:19].replace(":", "-")
            name = (
                f"codex/sessions/{date.replace('-', '/')}/rollout-{stamp}-{task.conversation}.jsonl"
            )
            session = self._sessions[task.conversation] = Rollout(name)
            meta = {"id": task.conversation, "timestamp": rfc3339(task.start), "cwd": task.agent.folder, "originator": "codex_exec", "cli_version": task.version, "source": "exec", "model_provider": "openai"}  # fmt: skip
            self._line(session, task.start, "session_meta", meta)
        started = {"type": "task_started", "turn_id": task.id, "model_context_window": 258_400}
        self._line(session, task.start, "event_msg", started)
        said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": task.prompt}]}  # fmt: skip
        self._line(session, task.start + 1, "response_item", said)
        self._line(session, task.start + 2, "event_msg", {"type": "user_message", "message": task.prompt, "images": []})  # fmt: skip
        assert task.agent.model is not None
        turn = {"turn_id": task.id, "cwd": task.agent.folder, "approval_policy": "never" if task.mode == "bypassPermissions" else "on-request", "sandbox_policy": {"type": "danger-full-access" if task.mode == "bypassPermissions" else "workspace-write"}, "model": task.agent.model.name}  # fmt: skip
        self._line(session, task.start + 3, "turn_context", turn)
        for step in task.steps:
            if isinstance(step, Chat):
                self._chat(session, step)
            elif isinstance(step, Call):
                self._call(session, step)
            else:
                assert isinstance(step, Approval)
        at = task.end + 200
        if task.state == "completed":
            self._line(session, at, "event_msg", {"type": "task_complete", "turn_id": task.id, "last_agent_message": None})  # fmt: skip
        elif task.state == "failed":
            self._line(session, at, "event_msg", {"type": "error", "message": "stream disconnected before completion", "codex_error_info": "response_stream_disconnected"})  # fmt: skip
            self._line(session, at + 5, "event_msg", {"type": "task_complete", "turn_id": task.id, "last_agent_message": None})  # fmt: skip
        else:
            self._line(session, at, "event_msg", {"type": "turn_aborted", "turn_id": task.id, "reason": "interrupted"})  # fmt: skip

    def _chat(self, session: Rollout, step: Chat) -> None:
        said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": step.text}]}  # fmt: skip
        self._line(session, step.end - 2, "response_item", said)
        last = {"input_tokens": step.input + step.cache_read + step.cache_write, "cached_input_tokens": step.cache_read, "output_tokens": step.output, "reasoning_output_tokens": 0, "total_tokens": step.input + step.cache_read + step.cache_write + step.output}  # fmt: skip
        for name, count in last.items():
            session.total[name] = session.total.get(name, 0) + count
        info = {"total_token_usage": dict(session.total), "last_token_usage": last, "model_context_window": 258_400}  # fmt: skip
        self._line(session, step.end, "event_msg", {"type": "token_count", "info": info, "rate_limits": None})  # fmt: skip

    def _call(self, session: Rollout, step: Call) -> None:
        used = {"type": "function_call", "name": f"mcp__{step.server}__{step.tool}", "arguments": text(step.arguments), "call_id": step.id}  # fmt: skip
        self._line(session, step.at, "response_item", used)
        failed = step.error is not None
        result = {"Ok": {"content": [{"type": "text", "text": step.error or text(step.result)}], "isError": failed}}  # fmt: skip
        seconds, millis = divmod(step.ms, 1000)
        ended = {"type": "mcp_tool_call_end", "call_id": step.id, "invocation": {"server": step.server, "tool": step.tool, "arguments": step.arguments}, "duration": {"secs": seconds, "nanos": millis * 1_000_000}, "result": result}  # fmt: skip
        self._line(session, step.end - 1, "event_msg", ended)
        output: Any = {"type": "function_call_output", "call_id": step.id, "output": step.error or text(step.result)}  # fmt: skip
        self._line(session, step.end, "response_item", output)

    def _line(self, session: Rollout, at: int, kind: str, payload: dict[str, Any]) -> None:
        line = {"timestamp": rfc3339(at), "type": kind, "payload": payload}
        self.files.add(session.name, at, line)
