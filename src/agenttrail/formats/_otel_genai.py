"""GenAI and MCP as OTel writes them, and what libraries write in their stead.

- GenAI spans and events (semantic-conventions-genai e07f4eba) with the older names that are still
  met: `gen_ai.prompt.N.content`, span events `gen_ai.content.prompt`, message events of 1.28 to 1.36.
- MCP spans, client's and server's. Of the spans that describe one tool call the first that comes is
  `execute_tool`; another is named after its method, so that calls are counted once.
- pydantic-ai (`tool_arguments`, `gen_ai.aggregated_usage.*`), OpenLLMetry (`traceloop.*`), the Docker
  MCP gateway (`mcp.tool.call` with `mcp.tool.name`; docker/mcp-gateway, pkg/telemetry).
"""

from __future__ import annotations

import re
from typing import Any

from agenttrail import fields as f
from agenttrail.formats import _messages as m
from agenttrail.formats._event import Made
from agenttrail.formats._otel_common import (
    TOOL,
    Memory,
    blobless,
    fill,
    judge,
    messages,
    parts_of,
    said,
    tool,
)
from agenttrail.formats._otel_wire import Signal

DETAILS = "gen_ai.client.inference.operation.details"
EXCEPTION = "gen_ai.client.operation.exception"
EVALUATION = "gen_ai.evaluation.result"
# Operations that call a model: what they use is spent.
_INFERENCE = frozenset(["chat", "generate_content", "text_completion", "embeddings", "retrieval"])
# Docker MCP gateway: span name to MCP method.
_DOCKER = {
    "mcp.tool.call": "tools/call",
    "mcp.prompt.get": "prompts/get",
    "mcp.resource.read": "resources/read",
    "mcp.initialize": "initialize",
    "mcp.list.tools": "tools/list",
    "mcp.list.prompts": "prompts/list",
    "mcp.list.resources": "resources/list",
}
_INDEXED = re.compile(r"gen_ai\.(prompt|completion)\.(\d{1,4})\.(.{1,100})")
_ROLES = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}


def is_genai(signal: Signal) -> bool:
    names = signal.attributes
    return (
        signal.name.startswith("gen_ai.")
        or signal.name in _DOCKER
        or any(name.startswith(("gen_ai.", "mcp.", "traceloop.")) for name in names)
    )


def span(signal: Signal, memory: Memory) -> Made:
    """Any span of these."""
    made = Made({}, type=("access", "end"))
    judge(signal, made)
    method = m.string(signal.attributes.get(f.MCP_METHOD)) or _docker(signal)
    operation = m.string(signal.attributes.get(f.OPERATION_NAME))
    if method is not None:
        _mcp(signal, made, method, operation, memory)
    elif operation is None and "traceloop.span.kind" in signal.attributes:
        _traceloop(signal, made, memory)
    elif signal.name.endswith(".mcp") and signal.scope.startswith(_OPENLLMETRY_MCP):
        _traceloop_mcp(signal, made)
    else:
        _operation(signal, made, operation or _operation_of(signal), memory)
    fill(signal, made)
    return made


def event(signal: Signal, memory: Memory) -> Made:
    """A log record whose event is one of GenAI's."""
    made = Made({f.SOURCE_EVENT_TYPE: signal.name})
    if signal.name == EVALUATION:
        made.fields[f.EVENT_ACTION] = "evaluation"
        judge(signal, made)
    elif signal.name in (DETAILS, EXCEPTION):
        made.type = ("access", "end")
        signal.failed = signal.name == EXCEPTION
        judge(signal, made)
        operation = m.string(signal.attributes.get(f.OPERATION_NAME)) or "chat"
        _content(signal, made)
        made.fields[f.EVENT_ACTION] = operation
        made.fields[f.OPERATION_NAME] = operation
        usage_once(signal, made, memory, "span", signal.trace_id, signal.span_id)
    else:
        _message(signal, made)
    fill(signal, made)
    return made


def usage_once(signal: Signal, made: Made, memory: Memory, *key: Any) -> None:
    """Marks usage that another record of the same call told already."""
    spent = any("usage" in name or "token" in name or "cost" in name for name in signal.attributes)
    told = any(
        made.fields.get(name) is not None
        for name in (f.INPUT_TOKENS, f.OUTPUT_TOKENS, f.COST_TOTAL)
    )
    if (spent or told) and not memory.first("usage", *key):
        made.fields[f.USAGE_ROLLUP] = True


def spending_child(signal: Signal, memory: Memory) -> None:
    """Remembers that a part of the parent has usage of its own."""
    memory.put(1, "child", signal.trace_id, signal.parent_id)


def has_spending_child(signal: Signal, memory: Memory) -> bool:
    return memory.get("child", signal.trace_id, signal.span_id) is not None


def _operation_of(signal: Signal) -> str:
    """The operation of a span that does not name it."""
    if m.string(signal.attributes.get(f.TOOL_NAME)):
        return TOOL
    if m.string(signal.attributes.get(f.REQUEST_MODEL)):
        return "chat"
    return "span"


def _operation(signal: Signal, made: Made, operation: str, memory: Memory) -> None:
    made.fields[f.EVENT_ACTION] = operation
    if operation == "span":
        made.fields[f.MESSAGE] = m.string(signal.name)
    else:
        made.fields[f.OPERATION_NAME] = operation
        signal.attributes.pop(f.OPERATION_NAME, None)
    if operation == TOOL:
        _tool_content(signal, made)
        _command(signal, made)
        return
    _content(signal, made)
    child = has_spending_child(signal, memory)
    if operation in _INFERENCE:
        usage_once(signal, made, memory, "span", signal.trace_id, signal.span_id)
    elif child or any(name.startswith("gen_ai.aggregated_usage.") for name in signal.attributes):
        made.fields[f.USAGE_ROLLUP] = True
    if child or operation in _INFERENCE:
        spending_child(signal, memory)
    final = signal.take("final_result")
    if f.OUTPUT_MESSAGES not in made.fields and isinstance(final, str):
        made.fields[f.OUTPUT_MESSAGES] = said("assistant", final)


def _tool_content(signal: Signal, made: Made) -> None:
    tool(
        made,
        signal.take(f.TOOL_ARGUMENTS, "tool_arguments", "gen_ai.tool.arguments", "input-json"),
        signal.take(f.TOOL_RESULT, "tool_response", "gen_ai.tool.result", "output-json"),
    )  # fmt: skip


def _command(signal: Signal, made: Made) -> None:
    if (
        "process.executable.name" in signal.attributes
        or f.PROCESS_COMMAND_LINE in signal.attributes
    ):
        made.category, made.type = ("api", "process"), ("start", "end")


def _content(signal: Signal, made: Made) -> None:
    """What was told and answered, from attributes and from span events."""
    for event in list(signal.events):
        if _from_span_event(event, made):
            signal.events.remove(event)
    for name, aliases in (
        (f.INPUT_MESSAGES, (f.INPUT_MESSAGES, "gen_ai.prompt", "input-json")),
        (f.OUTPUT_MESSAGES, (f.OUTPUT_MESSAGES, "gen_ai.completion", "output-json")),
        (f.SYSTEM_INSTRUCTIONS, (f.SYSTEM_INSTRUCTIONS,)),
        (f.TOOL_DEFINITIONS, (f.TOOL_DEFINITIONS,)),
        (f.INPUT_MESSAGES, ("pydantic_ai.all_messages",)),
    ):
        found = messages(signal.take(*aliases))
        if found:
            made.fields.setdefault(name, found)
    for side, name, role in (
        ("prompt", f.INPUT_MESSAGES, "user"),
        ("completion", f.OUTPUT_MESSAGES, "assistant"),
    ):
        found = _indexed(signal, side, role)
        if found:
            made.fields.setdefault(name, found)


def _indexed(signal: Signal, side: str, role: str) -> list[dict[str, Any]]:
    """`gen_ai.prompt.0.role`, `.content`, `.tool_calls.0.name` and the like (OpenLLMetry) as messages."""
    rows: dict[int, dict[str, Any]] = {}
    for name in list(signal.attributes):
        match = _INDEXED.fullmatch(name)
        if match and match[1] == side:
            rows.setdefault(int(match[2]), {})[match[3]] = signal.attributes.pop(name)
    found = []
    for _, row in sorted(rows.items()):
        message: dict[str, Any] = {"role": row.pop("role", role), "parts": []}
        content = row.pop("content", None)
        if content is not None:
            message["parts"] += m.parts(m.unpacked(content))
        reason = row.pop("finish_reason", None)
        if reason is not None:
            message["finish_reason"] = reason
        calls: dict[str, dict[str, Any]] = {}
        for key in list(row):
            head, _, rest = key.partition(".")
            number, _, leaf = rest.partition(".")
            if head == "tool_calls" and leaf:
                calls.setdefault(number, {"type": "tool_call"})[leaf] = m.unpacked(row.pop(key))
        message["parts"] += list(calls.values())
        found.append({**message, **row})
    return found


def _from_span_event(event: dict[str, Any], made: Made) -> bool:
    """Span events of conventions 1.26 to 1.36; True where all of the event is taken."""
    given = event["attributes"]
    match event["name"]:
        case "gen_ai.content.prompt":
            field, value = f.INPUT_MESSAGES, messages(given.get("gen_ai.prompt"))
        case "gen_ai.content.completion":
            field, value = f.OUTPUT_MESSAGES, messages(given.get("gen_ai.completion"))
        case _ if event["name"] == DETAILS:
            for field in (f.INPUT_MESSAGES, f.OUTPUT_MESSAGES, f.SYSTEM_INSTRUCTIONS):
                found = messages(given.get(field))
                if found:
                    made.fields.setdefault(field, found)
            return True
        case _:
            return False
    if value:
        made.fields.setdefault(field, value)
    return bool(value)


def _message(signal: Signal, made: Made) -> None:
    """Message events of conventions 1.28 to 1.36: `gen_ai.user.message`, `gen_ai.choice`."""
    made.fields[f.EVENT_ACTION] = "message"
    body = m.mapping(m.unpacked(signal.body))
    kind = signal.name.removeprefix("gen_ai.").removesuffix(".message")
    inner = m.mapping(body.get("message")) or body
    role = m.string(inner.get("role")) or _ROLES.get(kind, "assistant")
    parts = parts_of(inner)
    message: dict[str, Any] = {"role": role, "parts": blobless(parts)}
    if signal.name == "gen_ai.choice":
        message["finish_reason"] = body.get("finish_reason") or "unknown"
        made.fields[f.OUTPUT_MESSAGES] = [message]
    elif parts:
        made.fields[f.INPUT_MESSAGES] = [message]
    elif body:
        made.raw["body"] = body
    signal.body = None


# --- MCP -----------------------------------------------------------------------------------------


def _docker(signal: Signal) -> str | None:
    method = _DOCKER.get(signal.name)
    if method is not None:
        signal.attributes.pop("mcp.list.type", None)
    return method


def _mcp(signal: Signal, made: Made, method: str, operation: str | None, memory: Memory) -> None:
    is_call = method == "tools/call"
    made.fields[f.MCP_METHOD] = method
    made.fields[f.EVENT_ACTION] = method
    if signal.span_kind in ("client", "server"):
        made.fields[f.MCP_DIRECTION] = "c2s"
    signal.attributes.pop(f.MCP_METHOD, None)
    signal.attributes.pop(f.OPERATION_NAME, None)
    if is_call:
        _tool_content(signal, made)
        # A client's span without the operation is that of a client which leaves the call to others
        # to tell; a span whose call is told already is not told again.
        told = operation == TOOL or signal.name in _DOCKER
        call = _call_of(signal)
        if told and memory.first("call", signal.trace_id, call):
            made.fields[f.EVENT_ACTION] = TOOL
            made.fields[f.OPERATION_NAME] = TOOL
    if f.TOOL_NAME not in made.fields and is_call:
        # The SDK's client names the tool in the span's name only: "MCP send tools/call find".
        _, _, name = signal.name.partition("tools/call ")
        if name and f.TOOL_NAME not in signal.attributes:
            made.fields[f.TOOL_NAME] = name


def _call_of(signal: Signal) -> str | None:
    """What a client's span and the server's below it have in common: the client's span id."""
    return signal.parent_id if signal.span_kind == "server" else signal.span_id


# --- OpenLLMetry ---------------------------------------------------------------------------------

_OPENLLMETRY_MCP = "opentelemetry.instrumentation.mcp"
_TRACELOOP = {"tool": TOOL, "agent": "invoke_agent", "workflow": "invoke_workflow"}


def _traceloop(signal: Signal, made: Made, memory: Memory) -> None:
    kind = str(signal.take("traceloop.span.kind"))
    name = m.string(signal.take("traceloop.entity.name"))
    given, got = signal.take("traceloop.entity.input"), signal.take("traceloop.entity.output")
    operation = _TRACELOOP.get(kind, "span")
    made.fields[f.EVENT_ACTION] = operation
    if operation == TOOL:
        call = m.mapping(m.unpacked(given))
        arguments = call.get("arguments", given) if "tool_name" in call else given
        made.fields |= {f.OPERATION_NAME: TOOL, f.TOOL_NAME: name}
        tool(made, arguments, got)
        return
    if operation == "span":
        made.raw |= {
            "kind": kind,
            "name": name,
            "input": m.unpacked(given),
            "output": m.unpacked(got),
        }
        made.raw = {key: value for key, value in made.raw.items() if value is not None}
        return
    made.fields[f.OPERATION_NAME] = operation
    made.fields[f.AGENT_NAME if operation == "invoke_agent" else f.WORKFLOW_NAME] = name
    made.fields[f.INPUT_MESSAGES] = said("user", given)
    made.fields[f.OUTPUT_MESSAGES] = said("assistant", got)
    if has_spending_child(signal, memory):
        made.fields[f.USAGE_ROLLUP] = True
        spending_child(signal, memory)


def _traceloop_mcp(signal: Signal, made: Made) -> None:
    """`tools/list.mcp`: a request that is no tool call, with its parameters and result as JSON."""
    method = signal.name.removesuffix(".mcp")
    given = m.mapping(m.unpacked(signal.take("traceloop.entity.input")))
    got = m.unpacked(signal.take("traceloop.entity.output"))
    made.fields |= {
        f.EVENT_ACTION: method,
        f.MCP_METHOD: method,
        f.MCP_DIRECTION: "c2s",
        f.MCP_PARAMS: m.wrapped(blobless(given.get("params"))),
        f.MCP_RESULT: m.wrapped(blobless(got)),
    }
