"""What all dialects of OpenTelemetry share: names and their older names, content, outcome, memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

from agenttrail import fields as f
from agenttrail.formats import _messages as m
from agenttrail.formats._coerce import coerce
from agenttrail.formats._event import Made
from agenttrail.formats._otel_wire import Signal

TOOL = "execute_tool"
# Class of an error of which nothing else is told.
UNTOLD = "error"
# Field to the attributes that say the same, the current name first. Conventions renamed them
# (gen_ai.system, prompt_tokens, cache_creation), vendors have their own.
_ALIASES: dict[str, tuple[str, ...]] = {
    f.PROVIDER_NAME: (f.PROVIDER_NAME, "gen_ai.system", "llm.provider", "llm.system"),
    f.REQUEST_MODEL: (f.REQUEST_MODEL, "llm.model_name", "embedding.model_name"),
    f.CONVERSATION_ID: (f.CONVERSATION_ID, "session.id", "conversation.id"),
    f.AGENT_NAME: (f.AGENT_NAME, "agent.name", "agent_name"),
    f.AGENT_INSTANCE_ID: ("gen_ai.agent.call.id", "agent_id"),
    f.AGENT_PARENT_ID: ("parent_agent_id", "graph.node.parent_id"),
    f.INPUT_TOKENS: (
        f.INPUT_TOKENS, "gen_ai.usage.prompt_tokens", "llm.token_count.prompt",
        "llm.usage.prompt_tokens", "gen_ai.aggregated_usage.input_tokens",
    ),
    f.OUTPUT_TOKENS: (
        f.OUTPUT_TOKENS, "gen_ai.usage.completion_tokens", "llm.token_count.completion",
        "llm.usage.completion_tokens", "gen_ai.aggregated_usage.output_tokens",
    ),
    f.CACHE_READ_TOKENS: (
        f.CACHE_READ_TOKENS, "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cached_tokens", "llm.token_count.prompt_details.cache_read",
        "gen_ai.aggregated_usage.cache_read.input_tokens",
    ),
    f.CACHE_WRITE_TOKENS: (
        f.CACHE_WRITE_TOKENS, "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens", "llm.token_count.prompt_details.cache_write",
        "gen_ai.aggregated_usage.cache_creation.input_tokens",
    ),
    f.REASONING_TOKENS: (
        f.REASONING_TOKENS, "gen_ai.usage.reasoning_tokens",
        "codex.usage.reasoning_output_tokens", "llm.token_count.completion_details.reasoning",
    ),
    f.COST_TOTAL: ("llm.cost.total", "operation.cost", "gen_ai.usage.cost"),
    f.TOOL_NAME: (f.TOOL_NAME, "mcp.tool.name", "tool.name"),
    f.TOOL_CALL_ID: (f.TOOL_CALL_ID, "gen_ai.tool.call_id", "tool_call.id", "tool.id"),
    f.TOOL_DESCRIPTION: (f.TOOL_DESCRIPTION, "tool.description"),
    f.PROMPT_NAME: (f.PROMPT_NAME, "mcp.prompt.name"),
    f.JSONRPC_REQUEST_ID: (f.JSONRPC_REQUEST_ID, "mcp.request.id", "rpc.jsonrpc.request_id"),
    f.RPC_STATUS_CODE: (f.RPC_STATUS_CODE, "rpc.jsonrpc.error_code"),
    f.MCP_SERVER_NAME: ("mcp.server.name", "mcp_server_name"),
    f.MCP_SERVER_VERSION: ("mcp.server.version",),
    f.MCP_CLIENT_NAME: ("mcp.client.name",),
    f.MCP_CLIENT_VERSION: ("mcp.client.version",),
    f.USER_ID: (f.USER_ID, "enduser.id", "gen_ai.user.id", "llm.user"),
    f.USER_DEPARTMENT: ("user.department", "department"),
    f.NETWORK_TRANSPORT: (f.NETWORK_TRANSPORT,),
    f.HTTP_METHOD: (f.HTTP_METHOD, "http.method"),
    f.HTTP_STATUS: (f.HTTP_STATUS, "http.status_code"),
    f.URL_FULL: (f.URL_FULL, "http.url"),
    f.CLIENT_ADDRESS: (f.CLIENT_ADDRESS, "http.client_ip"),
    f.PROCESS_EXIT_CODE: (f.PROCESS_EXIT_CODE, "process.exit.code"),
}  # fmt: skip
# Attributes that are fields by their own name; what describes the record itself is not taken over.
_OWN = ("event.", "data_stream.", "ecs.", "agenttrail.", "trace.", "span.", "log.")
_SAME = frozenset(
    name for name, field in f.FIELDS.items()
    if "." in name and not name.startswith(_OWN) and field.type not in ("object", "objects")
)  # fmt: skip
# Written for the reader of another program only.
_NOISE = ("logfire.json_schema", "logfire.msg", "event.timestamp", "event.name")


class Memory:
    """What was seen lately, by key; the oldest goes first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._seen: OrderedDict[Hashable, Any] = OrderedDict()

    def first(self, *key: Hashable) -> bool:
        """True the first time that a key is met; a key with a None in it is met first always."""
        if None in key:
            return True
        if key in self._seen:
            return False
        self.put(1, *key)
        return True

    def put(self, value: Any, *key: Hashable) -> None:
        if None not in key:
            self._seen[key] = value
            if len(self._seen) > self._size:
                self._seen.popitem(last=False)

    def get(self, *key: Hashable) -> Any:
        return self._seen.get(key)


def fill(signal: Signal, made: Made) -> None:
    """Takes what has a field of its own from the attributes, and from the resource what is a person's."""
    for name, aliases in _ALIASES.items():
        _give(signal, made, name, aliases)
    for name in [name for name in signal.attributes if name in _SAME]:
        _give(signal, made, name, (name,))
    for name in (f.USER_ID, f.USER_NAME, f.USER_EMAIL, f.ORGANIZATION_ID, f.ORGANIZATION_NAME):
        value = signal.resource.pop(name, None)
        if made.fields.get(name) is None and value is not None:
            made.fields[name] = coerce(f.FIELDS[name], value)
    department = signal.resource.pop("department", None)
    if made.fields.get(f.USER_DEPARTMENT) is None and isinstance(department, str):
        made.fields[f.USER_DEPARTMENT] = department
    if made.fields.get(f.COST_TOTAL) is not None:
        made.fields.setdefault(f.COST_CURRENCY, "USD")
        made.fields.setdefault(f.COST_SOURCE, "reported")


def usage_marks(made: Made, memory: Memory, *key: Hashable) -> None:
    """Marks the usage of an event where this key told it already."""
    told = any(
        made.fields.get(name) is not None
        for name in (f.INPUT_TOKENS, f.OUTPUT_TOKENS, f.COST_TOTAL)
    )
    if told and not memory.first(*key):
        made.fields[f.USAGE_ROLLUP] = True


def _give(signal: Signal, made: Made, name: str, aliases: tuple[str, ...]) -> None:
    if made.fields.get(name) is not None:
        for alias in aliases:
            if signal.attributes.get(alias) == made.fields[name]:
                del signal.attributes[alias]
        return
    before = {alias: signal.attributes[alias] for alias in aliases if alias in signal.attributes}
    if not before:
        return
    value = coerce(f.FIELDS[name], signal.take(*aliases))
    if value is None:
        signal.attributes.update(before)  # not of the field's type: left over
    else:
        made.fields[name] = value


def leftovers(signal: Signal, made: Made) -> None:
    """What has no field, under source.raw."""
    raw = {
        key: value
        for key, value in signal.attributes.items()
        if key not in _NOISE and value is not None and value not in ("", [], {})
    }
    resource = {
        key: value
        for key, value in signal.resource.items()
        if not key.startswith("telemetry.") and value is not None
    }
    events = [event for event in signal.events if event["name"] or event["attributes"]]
    for key, value in (
        ("resource", resource),
        ("scope", signal.scope),
        ("events", [_trimmed(event) for event in events]),
        ("links", [_trimmed(link) for link in signal.links]),
    ):
        raw |= {key: value} if value else {}
    made.raw = {**raw, **made.raw}


def _trimmed(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if value is not None and value != {}}


def judge(signal: Signal, made: Made) -> None:
    """Outcome and error of a span or event: its status, its error.type, its exception."""
    exception = next((e for e in signal.events if e["name"] == "exception"), None)
    told = dict(exception["attributes"]) if exception else {}
    kind = _class(signal.take(f.ERROR_TYPE)) or _class(told.get("exception.type"))
    if signal.failed or kind is not None:
        made.outcome = "failure"
        made.fields.setdefault(
            f.ERROR_TYPE, kind or _class(signal.take("exception.type")) or UNTOLD
        )
        message = m.string(signal.take(f.ERROR_MESSAGE, "exception.message"))
        text = message or m.string(told.get("exception.message")) or m.string(signal.status_message)
        if text is not None:
            made.fields.setdefault(f.ERROR_MESSAGE, text)
    elif made.outcome == "unknown":
        made.outcome = "success"
    if exception is not None:
        signal.events.remove(exception)
        trace = told.get("exception.stacktrace")
        if m.string(trace):
            made.raw["stacktrace"] = trace


def _class(value: Any) -> str | None:
    return str(value) if isinstance(value, (str, int)) and value != "" else None


def tool(made: Made, arguments: Any, result: Any) -> None:
    """Arguments and result of a call; the result of a call that failed is its error in words."""
    given, got = m.unpacked(arguments), m.unpacked(result)
    if given is not None:
        made.fields[f.TOOL_ARGUMENTS] = m.wrapped(blobless(given))
        made.fields.setdefault(f.TOOL_ARGUMENTS_BYTES, m.size(arguments))
    if got is None:
        return
    made.fields.setdefault(f.TOOL_RESULT_BYTES, m.size(result))
    if made.outcome != "failure":
        made.fields[f.TOOL_RESULT] = m.wrapped(blobless(got))
    elif made.fields.get(f.ERROR_MESSAGE) is None and m.string(m.text_of(got)):
        made.fields[f.ERROR_MESSAGE] = m.text_of(got)
    else:
        made.raw["result"] = blobless(got)


def messages(value: Any) -> list[dict[str, Any]] | None:
    """Messages, parts or definitions in their JSON, as objects without base64."""
    found = coerce(f.FIELDS[f.INPUT_MESSAGES], m.unpacked(value)) if value is not None else None
    return [blobless(_message(item)) for item in found] if found else None


def _message(item: dict[str, Any]) -> dict[str, Any]:
    """A message of an older kind (`role`, `content`, `tool_calls`) with parts; else as it is."""
    if "role" not in item or "parts" in item or not item.keys() & {"content", "tool_calls"}:
        return item
    rest = {key: value for key, value in item.items() if key not in ("content", "tool_calls")}
    return {**rest, "parts": parts_of(item)}


def parts_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Content and tool calls of a chat completion's message as parts."""
    content, calls = message.get("content"), message.get("tool_calls")
    parts = m.parts(m.unpacked(content)) if content is not None else []
    for call in calls if isinstance(calls, list) else []:
        function = m.mapping(m.mapping(call).get("function"))
        parts.append(
            {
                "type": "tool_call",
                "id": m.mapping(call).get("id"),
                "name": function.get("name"),
                "arguments": m.unpacked(function.get("arguments")),
            }
        )
    return parts


def said(role: str, text: Any) -> list[dict[str, Any]] | None:
    """A text as the one message of a role."""
    if not m.string(text):
        return None
    return [{"role": role, "parts": [{"type": "text", "content": text}]}]


def blobless(value: Any) -> Any:
    """The value with base64 at any depth put as `_messages.blob` does."""
    if isinstance(value, list):
        return [blobless(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "blob" and isinstance(value.get("content"), str):
        return m.blob(value["content"], value.get("mime_type"), str(value.get("modality") or ""))
    bare = m.bare(value)
    return {key: blobless(item) for key, item in bare.items()} if isinstance(bare, dict) else bare


def milliseconds(value: Any) -> int | None:
    """Milliseconds, as a number or as its digits, in nanoseconds."""
    number = coerce(f.FIELDS[f.COST_TOTAL], value)
    return round(number * 1_000_000) if number is not None and 0 <= number < 1e12 else None


def whole(value: Any) -> int | None:
    """A count, as a number or as its digits."""
    return m.integer(coerce(f.FIELDS[f.INPUT_TOKENS], value))


def boolean(value: Any) -> bool | None:
    found = coerce(f.FIELDS[f.TOOL_READ_ONLY], value)
    return found if isinstance(found, bool) else None
