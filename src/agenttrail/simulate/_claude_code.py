"""Claude Code session logs (`~/.claude/projects/<project>/<session>.jsonl`) of simulated tasks.

The shape is that of Claude Code 2.1: a row a content block, usage repeated on the rows of one message,
sub-agents in files of their own. See `formats/claude_code`.
"""

from __future__ import annotations

from typing import Any

from agenttrail.simulate._logs import Files, rfc3339, text
from agenttrail.simulate._story import Approval, Call, Chat, Handover, Task
from agenttrail.simulate._tasks import token, uuid

_REFUSED = "The user doesn't want to proceed with this tool use. The tool use was rejected."


def write(task: Task, files: Files) -> None:
    """Adds a task's rows to its session's file, and those of an agent that it was handed to."""
    _Session(task, files).write()


class _Session:
    def __init__(self, task: Task, files: Files) -> None:
        self.task, self.files = task, files
        project = task.agent.folder.replace("/", "-")
        self.name = f"claude/projects/{project}/{task.conversation}.jsonl"
        self.base: dict[str, Any] = {
            "userType": "external", "cwd": task.agent.folder, "sessionId": task.conversation,
            "version": task.version, "gitBranch": "main", "promptId": task.id,
        }  # fmt: skip
        self.parent: str | None = None
        self.message: dict[str, Any] = {}
        self.request = ""

    def write(self) -> None:
        task = self.task
        prompt = {"role": "user", "content": task.prompt}
        self.row(task.start, "user", message=prompt, permissionMode=task.mode)
        for step in task.steps:
            self.step(step)
        if task.state == "failed":
            said = {"id": uuid(task.rng), "type": "message", "role": "assistant", "model": "<synthetic>", "content": [{"type": "text", "text": "API Error: 529 overloaded"}], "stop_reason": "stop_sequence", "usage": {"input_tokens": 0, "output_tokens": 0}}  # fmt: skip
            self.row(task.end + 900, "assistant", message=said, isApiErrorMessage=True, error="overloaded_error")  # fmt: skip
        elif task.state == "abandoned":
            stop = {"role": "user", "content": [{"type": "text", "text": "[Request interrupted by user]"}]}  # fmt: skip
            self.row(task.end + 900, "user", message=stop)
        else:
            self.row(task.end + 100, "system", subtype="turn_duration", durationMs=task.end - task.start, isMeta=False)  # fmt: skip

    def step(self, step: Any) -> None:
        if isinstance(step, Chat):
            self.chat(step)
        elif isinstance(step, Call):
            self.call(step)
        elif isinstance(step, Handover):
            self.handover(step)
        else:
            assert isinstance(step, Approval)  # asked and answered elsewhere

    def chat(self, step: Chat) -> None:
        model = self.task.agent.model
        assert model is not None
        usage = {"input_tokens": step.input, "cache_creation_input_tokens": step.cache_write, "cache_read_input_tokens": step.cache_read, "output_tokens": step.output}  # fmt: skip
        self.message = {
            "id": token(self.task.rng, "msg_01"), "type": "message", "role": "assistant", "model": model.name,
            "stop_reason": "end_turn" if step.final else "tool_use", "stop_sequence": None, "usage": usage,
        }  # fmt: skip
        self.request = token(self.task.rng, "req_01")
        self.block(step.end, {"type": "text", "text": step.text})

    def block(self, at: int, block: dict[str, Any]) -> None:
        """A row of the message at hand: each block has one, with the whole message's usage."""
        message = {**self.message, "content": [block]}
        self.row(at, "assistant", message=message, requestId=self.request)

    def call(self, step: Call) -> None:
        used = {"type": "tool_use", "id": step.id, "name": f"mcp__{step.server}__{step.tool}", "input": step.arguments}  # fmt: skip
        self.block(step.at, used)
        failed = step.error is not None
        content = [{"type": "text", "text": _REFUSED if not step.ran else step.error or text(step.result)}]  # fmt: skip
        result: dict[str, Any] = {"tool_use_id": step.id, "type": "tool_result", "content": content, "is_error": failed}  # fmt: skip
        self.row(step.end, "user", message={"role": "user", "content": [result]}, toolUseResult=content)  # fmt: skip

    def handover(self, step: Handover) -> None:
        brief = "Write the study. " + " ".join(f"{name}: {value}." for name, value in step.passed.items())  # fmt: skip
        given: dict[str, Any] = {
            "description": "write the study",
            "prompt": brief,
            "subagent_type": step.to,
        }
        used: dict[str, Any] = {"type": "tool_use", "id": step.id, "name": "Task", "input": given}
        self.block(step.at, used)
        chats = [s for s in step.steps if isinstance(s, Chat)]
        total: dict[str, int] = {"input_tokens": sum(s.input for s in chats), "output_tokens": sum(s.output for s in chats)}  # fmt: skip
        written: dict[str, Any] = {"status": "completed", "agentId": step.instance, "agentType": step.to, "totalDurationMs": step.end - step.at, "totalTokens": sum(total.values()), "totalToolUseCount": len(step.steps) - len(chats), "usage": total}  # fmt: skip
        result: dict[str, Any] = {"tool_use_id": step.id, "type": "tool_result", "content": [{"type": "text", "text": "Written."}], "is_error": False}  # fmt: skip
        self.row(step.end, "user", message={"role": "user", "content": [result]}, toolUseResult=written)  # fmt: skip
        outer = self.name, self.base, self.parent, self.message, self.request
        self.name = self.name.removesuffix(".jsonl") + f"/subagents/agent-{step.instance}.jsonl"
        self.base, self.parent = self.base | {"agentId": step.instance, "isSidechain": True}, None
        self.row(step.at + 50, "user", message={"role": "user", "content": brief})
        for inner in step.steps:
            self.step(inner)
        self.name, self.base, self.parent, self.message, self.request = outer

    def row(self, at: int, kind: str, **more: Any) -> None:
        own = uuid(self.task.rng)
        row = {"parentUuid": self.parent, "isSidechain": False, **self.base, "type": kind, **more, "uuid": own, "timestamp": rfc3339(at)}  # fmt: skip
        self.files.add(self.name, at, row)
        self.parent = own
