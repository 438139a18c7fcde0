"""OpenInference spans (Arize Phoenix and its instrumentations): kind, flattened messages, tokens, cost.

Source: OpenInference semantic conventions 0.1.42; as openinference-instrumentation-openai-agents
2.6 writes them.
"""

from __future__ import annotations

import re
from typing import Any

from agenttrail import fields as f
from agenttrail.formats import _messages as m
from agenttrail.formats._event import Made
from agenttrail.formats._otel_common import TOOL, Memory, blobless, fill, judge, said, tool
from agenttrail.formats._otel_genai import (
    has_spending_child,
    spending_child,
    usage_once,
)
from agenttrail.formats._otel_wire import Signal

KIND = "openinference.span.kind"
_ACTIONS = {
    "LLM": "chat",
    "TOOL": TOOL,
    "AGENT": "invoke_agent",
    "EMBEDDING": "embeddings",
    "RETRIEVER": "retrieval",
    "RERANKER": "rerank",
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "evaluation",
    "PROMPT": "prompt",
    "DECISION": "decision",
    "CHAIN": "chain",
}
_OPERATIONS = frozenset(["chat", TOOL, "invoke_agent", "embeddings", "retrieval"])
_MESSAGE = re.compile(r"llm\.(input|output)_messages\.(\d{1,4})\.message\.(.{1,150})")
_HANDOFF = re.compile(r"handoff to (.{1,200})", re.DOTALL)


def span(signal: Signal, memory: Memory) -> Made:
    """One span with `openinference.span.kind`."""
    made = Made({}, type=("access", "end"))
    judge(signal, made)
    kind = str(signal.take(KIND)).upper()
    action = _ACTIONS.get(kind, "span")
    handoff = _HANDOFF.fullmatch(signal.name) if kind == "TOOL" else None
    if handoff and "tool.name" not in signal.attributes:
        made.fields |= {
            f.EVENT_ACTION: "handoff",
            f.HANDOFF_FROM: m.string(signal.take("input.value")),
            f.HANDOFF_TO: m.string(signal.take("output.value")) or handoff[1],
        }
        fill(signal, made)
        return made
    made.fields[f.EVENT_ACTION] = action
    if action in _OPERATIONS:
        made.fields[f.OPERATION_NAME] = action
    given, got = signal.take("input.value"), signal.take("output.value")
    # What the values are is seen in them.
    signal.take("input.mime_type")
    signal.take("output.mime_type")
    if action == TOOL:
        schema = m.unpacked(signal.take("tool.parameters", "tool.json_schema"))
        if isinstance(schema, dict) and given is None and "properties" not in schema:
            given = schema  # older instrumentations put the arguments here
        elif schema is not None:
            made.raw["tool.parameters"] = schema
        tool(made, given, got)
        if f.TOOL_NAME not in made.fields and "tool.name" not in signal.attributes:
            made.fields[f.TOOL_NAME] = m.string(signal.name)
    else:
        _messages(signal, made, given, got)
    _usage(signal, made, action, memory)
    fill(signal, made)
    return made


def _usage(signal: Signal, made: Made, action: str, memory: Memory) -> None:
    child = has_spending_child(signal, memory)
    if action in ("chat", "embeddings"):
        usage_once(signal, made, memory, "span", signal.trace_id, signal.span_id)
        spending_child(signal, memory)
    elif child:
        made.fields[f.USAGE_ROLLUP] = True
        spending_child(signal, memory)
    parameters = m.mapping(m.unpacked(signal.attributes.get("llm.invocation_parameters")))
    limit = parameters.get("max_tokens", parameters.get("max_output_tokens"))
    made.fields[f.REQUEST_MAX_TOKENS] = m.integer(limit)
    total, prompt, completion = (
        signal.attributes.get(f"llm.token_count.{part}")
        for part in ("total", "prompt", "completion")
    )
    if isinstance(total, int) and total == (prompt or 0) + (completion or 0):
        del signal.attributes["llm.token_count.total"]


def _messages(signal: Signal, made: Made, given: Any, got: Any) -> None:
    rows: dict[str, dict[int, dict[str, Any]]] = {"input": {}, "output": {}}
    for name in list(signal.attributes):
        match = _MESSAGE.fullmatch(name)
        if match:
            side, number, rest = match.groups()
            rows[side].setdefault(int(number), {})[rest] = signal.attributes.pop(name)
    for side, field, role, plain in (
        ("input", f.INPUT_MESSAGES, "user", given),
        ("output", f.OUTPUT_MESSAGES, "assistant", got),
    ):
        found = [_message(row, role) for _, row in sorted(rows[side].items())]
        if found:
            made.fields[field] = found
        elif plain is not None:
            text = plain if isinstance(plain, str) else None
            made.fields[field] = said(role, text) or [
                {"role": role, "parts": m.parts(blobless(plain))}
            ]
    reasons = [
        message["finish_reason"]
        for message in made.fields.get(f.OUTPUT_MESSAGES) or []
        if m.string(message.get("finish_reason"))
    ]
    if reasons:
        made.fields[f.FINISH_REASONS] = reasons


def _message(row: dict[str, Any], role: str) -> dict[str, Any]:
    """`role`, `content`, `contents.0.message_content.text`, `tool_calls.0.tool_call.…` as a message."""
    parts: list[dict[str, Any]] = []
    contents: dict[int, dict[str, Any]] = {}
    calls: dict[int, dict[str, Any]] = {}
    message: dict[str, Any] = {"role": m.string(row.pop("role", None)) or role, "parts": parts}
    content = row.pop("content", None)
    answered = row.pop("tool_call_id", None)
    if m.string(answered):
        parts.append({"type": "tool_call_response", "id": answered, "response": blobless(m.unpacked(content))})  # fmt: skip
    elif content is not None:
        parts.append({"type": "text", "content": content})
    for key in sorted(row):
        words = key.split(".")
        if len(words) < 4 or not words[1].isdecimal():
            continue
        if words[0] == "contents" and words[2] == "message_content":
            contents.setdefault(int(words[1]), {})[".".join(words[3:])] = row.pop(key)
        elif words[0] == "tool_calls" and words[2] == "tool_call":
            calls.setdefault(int(words[1]), {})[".".join(words[3:])] = row.pop(key)
    for _, item in sorted(contents.items()):
        if "text" in item:
            parts.append({"type": "text", "content": item["text"]})
        elif "image.image.url" in item:
            url = str(item["image.image.url"])
            parts.append(
                m.blob(url, None, "image")
                if url.startswith("data:")
                else {"type": "uri", "modality": "image", "uri": url}
            )
        else:
            parts.append(blobless(item))
    for _, call in sorted(calls.items()):
        parts.append(
            {
                "type": "tool_call",
                "id": call.get("id"),
                "name": call.get("function.name"),
                "arguments": m.unpacked(call.get("function.arguments")),
            }
        )
    return {**message, **row}
