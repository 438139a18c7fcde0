"""OTLP JSON lines of simulated tasks, as the Collector's file exporter writes them.

Spans of the OTel GenAI conventions: an `invoke_agent` span a task, with its `chat` and `execute_tool`
spans below it, exported together once the task is over.
"""

from __future__ import annotations

from typing import Any

from agenttrail.simulate._logs import Files, day, text
from agenttrail.simulate._story import Call, Chat, Task

_INTERNAL, _CLIENT = 1, 3  # opentelemetry-proto, SpanKind


def write(task: Task, files: Files) -> None:
    """Adds a task's spans as one line to its agent's file of the day."""
    agent = task.agent
    root = f"{task.rng.getrandbits(64):016x}"
    spans = [_step(task, root, step) for step in task.steps if isinstance(step, (Chat, Call))]
    common = {"gen_ai.agent.name": agent.id, "gen_ai.conversation.id": task.conversation}
    failed = task.state != "completed"
    attributes: dict[str, Any] = {"gen_ai.operation.name": "invoke_agent", **common, "gen_ai.agent.version": task.version, "user.id": task.user.id, "user.email": task.user.email, "gen_ai.input.messages": text([{"role": "user", "parts": [{"type": "text", "content": task.prompt}]}])}  # fmt: skip
    if failed:
        attributes["error.type"] = "cancelled" if task.state == "abandoned" else "overloaded_error"
    end = task.end + 50
    spans.append(_span(task, root, "", f"invoke_agent {agent.id}", _INTERNAL, task.start, end, attributes, failed=failed))  # fmt: skip
    resource = {"service.name": agent.id, "service.version": task.version, "deployment.environment.name": "production"}  # fmt: skip
    scope = {"scope": {"name": "company.agents", "version": "1"}, "spans": spans}
    line = {"resourceSpans": [{"resource": {"attributes": _attributes(resource)}, "scopeSpans": [scope]}]}  # fmt: skip
    files.add(f"otel/{agent.id}-{day(task.start)}.jsonl", end, line)


def _step(task: Task, root: str, step: Chat | Call) -> dict[str, Any]:
    own = f"{task.rng.getrandbits(64):016x}"
    common = {"gen_ai.agent.name": task.agent.id, "gen_ai.conversation.id": task.conversation}
    if isinstance(step, Chat):
        model = task.agent.model
        assert model is not None
        usage = {
            "gen_ai.usage.input_tokens": step.input + step.cache_read + step.cache_write,
            "gen_ai.usage.output_tokens": step.output,
            "gen_ai.usage.cache_read.input_tokens": step.cache_read,
            "gen_ai.usage.cache_write.input_tokens": step.cache_write,
        }
        said = [{"role": "assistant", "parts": [{"type": "text", "content": step.text}]}]
        attributes = {
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": model.provider, "gen_ai.request.model": model.name,
            "gen_ai.response.model": model.name, **common, **usage,
            "gen_ai.response.finish_reasons": ["stop" if step.final else "tool_calls"],
            "gen_ai.output.messages": text(said),
        }  # fmt: skip
        return _span(task, own, root, f"chat {model.name}", _CLIENT, step.at, step.end, attributes)
    attributes = {
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": step.tool, "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": step.id, **common, "mcp.server.name": step.server,
        "gen_ai.tool.call.arguments": text(step.arguments),
    }  # fmt: skip
    if step.error is None:
        attributes["gen_ai.tool.call.result"] = text(step.result)
    else:
        attributes["error.type"] = "tool_error"
    name = f"execute_tool {step.tool}"
    return _span(task, own, root, name, _INTERNAL, step.at, step.end, attributes, failed=step.error is not None)  # fmt: skip


def _span(
    task: Task, own: str, parent: str, name: str, kind: int, start: int, end: int,
    attributes: dict[str, Any], *, failed: bool = False,
) -> dict[str, Any]:  # fmt: skip
    return {
        "traceId": task.id, "spanId": own, "parentSpanId": parent, "name": name, "kind": kind,
        "startTimeUnixNano": f"{start}000000", "endTimeUnixNano": f"{end}000000",
        "attributes": _attributes(attributes), "status": {"code": 2} if failed else {},
    }  # fmt: skip


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    """AnyValue in OTLP's JSON encoding: 64-bit integers are strings."""
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"stringValue": value}
