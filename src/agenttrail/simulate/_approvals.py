"""The company's approval system: a line when somebody is asked, and one when it is decided or runs out.

The shape is that of the format `approvals`.
"""

from __future__ import annotations

from typing import Any

from agenttrail.simulate._logs import Files, day, rfc3339
from agenttrail.simulate._story import Task


def write(task: Task, files: Files) -> None:
    """Adds a task's requests and decisions to the files of their days."""
    for approval in task.approvals():
        call = approval.call
        request = {
            "approval": "request", "id": approval.id, "at": rfc3339(approval.at), "agent": task.agent.id,
            "server": call.server, "tool": call.tool, "call_id": call.id, "task": task.id, "conversation": task.conversation,
            "arguments": approval.arguments or call.arguments, "channel": approval.channel, "expires": rfc3339(approval.expires),
            "user": task.user.email,
        }  # fmt: skip
        files.add(f"approvals/approvals-{day(approval.at)}.jsonl", approval.at, request)
        ended: dict[str, Any] = {"id": approval.id, "at": rfc3339(approval.end), "agent": task.agent.id, "channel": approval.channel, "task": task.id, "call_id": call.id}  # fmt: skip
        if approval.decided is None:
            row: dict[str, Any] = {"approval": "expiry", **ended}
        else:
            row = {
                "approval": "decision", **ended, "outcome": approval.outcome, "approver": approval.approver.email,
                "wait_ms": approval.decided - approval.at, "expires": rfc3339(approval.expires),
            }  # fmt: skip
        files.add(f"approvals/approvals-{day(approval.end)}.jsonl", approval.end, row)
