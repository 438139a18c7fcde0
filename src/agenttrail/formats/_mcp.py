"""What MCP messages mean: JSON-RPC methods, parameters and results to our fields. Pure functions.

Defined by MCP 2026-07-28 and, before it, 2024-11-05 to 2025-11-25; the tasks of both eras
(2025-11-25 core, SEP-2663 extension). Names follow the OTel MCP conventions at e07f4eba.

Limits: where several elicitations are answered at once, the least willing answer stands in
`agenttrail.mcp.elicitation.action` (cancel before decline before accept). `gen_ai.operation.name`
is set on tool calls only, as the OTel MCP conventions ask; sampling gets the model and the reason
it stopped, under the method's own name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from agenttrail import fields as f
from agenttrail import jsontext
from agenttrail.formats import _jsonrpc

Direction = Literal["c2s", "s2c"]

_PREFIX = "io.modelcontextprotocol/"  # MCP 2026-07-28, Basic: reserved _meta keys
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")  # W3C level 1
_SERVER_ASKS = frozenset({"elicitation/create", "sampling/createMessage", "roots/list"})
_CLIENT_TELLS = frozenset(
    {"notifications/initialized", "notifications/roots/list_changed"}
)  # fmt: skip
_SERVER_TELLS = (
    "notifications/message",
    "notifications/resources/",
    "notifications/tools/",
    "notifications/prompts/",
    "notifications/subscriptions/",
    "notifications/elicitation/",
)
_EITHER = frozenset({"ping", "tasks/get", "tasks/result", "tasks/list", "tasks/cancel"})
_CHANGES = frozenset({"logging/setLevel", "tasks/cancel", "tasks/update"})
# What a result of this method has, to tell two requests of one id apart.
_RESULT_KEYS = {
    "elicitation/create": ("action",),
    "sampling/createMessage": ("role", "model"),
    "roots/list": ("roots",),
    "tools/call": ("content", "structuredContent", "task", "taskId", "inputRequests"),
    "tools/list": ("tools",),
    "initialize": ("protocolVersion", "serverInfo"),
    "server/discover": ("supportedVersions",),
    "resources/list": ("resources",),
    "resources/templates/list": ("resourceTemplates",),
    "resources/read": ("contents",),
    "prompts/list": ("prompts",),
    "prompts/get": ("messages",),
    "completion/complete": ("completion",),
}
# MCP 2026-07-28, Basic, and the tasks extension (SEP-2663); None is a result that names none.
_RESULT_TYPES = frozenset({None, "complete", "input_required", "task"})
_PENDING = frozenset({"working", "input_required"})


def direction_of(method: str, *, request: bool) -> Direction | None:
    """Who sends a message of this method, where the method alone tells."""
    if method in _SERVER_ASKS or (not request and method.startswith(_SERVER_TELLS)):
        return "s2c"
    if method in _CLIENT_TELLS or (request and method not in _EITHER):
        return "c2s"
    return None


def is_request(method: str) -> bool:
    """Whether messages of this method have an id."""
    return not method.startswith("notifications/")


def likeness(method: str, message: Mapping[str, Any]) -> int:
    """How many marks of an answer to this method a response bears."""
    result = message.get("result")
    if not isinstance(result, dict):
        return 0
    return sum(key in result for key in _RESULT_KEYS.get(method, ()))


def as_object(value: Any) -> dict[str, Any]:
    """An object as it is, anything else under `value`."""
    return value if isinstance(value, dict) else {"value": value}


def text_or_none(value: Any) -> str | None:
    """A string that is whole and not empty."""
    return value if isinstance(value, str) and value and not _jsonrpc.was_cut(value) else None


def without_blobs(value: Any) -> Any:
    """The value with the base64 of image, audio and blob blocks replaced by what it was.

    `{"sha256": first 16 bytes in hex, "bytes": decoded size, "mimeType": as the block says}`.
    """
    return _without_blobs(value) if _has_key(value, b"data", b"blob") else value


def _has_key(value: Any, *keys: bytes) -> bool:
    """False where no object in the value has such a key: its text is searched sooner than itself."""
    if not isinstance(value, (dict, list)) or not value:
        return False
    try:
        text = jsontext.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return True
    return any(b'"' + key + b'":' in text for key in keys)


def _without_blobs(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_blobs(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") in ("image", "audio"):
        key = "data"
    elif "uri" in value or "mimeType" in value:
        key = "blob"
    else:
        key = ""
    return {
        name: _blob(item, value.get("mimeType"))
        if name == key and isinstance(item, str)
        else _without_blobs(item)
        for name, item in value.items()
    }


def _blob(text: str, mime: Any) -> dict[str, Any]:
    raw = text.encode("utf-8", "replace")
    try:
        content = base64.b64decode(raw, validate=True)
    except (binascii.Error, ValueError):
        content = raw
    described: dict[str, Any] = {"sha256": _hash(content), "bytes": len(content)}
    if isinstance(mime, str):
        described["mimeType"] = mime
    return described


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def without_states(value: Any) -> Any:
    """The value with every requestState in it, however deep, replaced by its hash."""
    return _without_states(value) if _has_key(value, b"requestState") else value


def _without_states(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_states(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: {"sha256": _state_hash(item)} if key == "requestState" else _without_states(item)
        for key, item in value.items()
    }


_STATE = re.compile(
    r'(?<!\\)(?P<q>\\*+")requestState(?P=q)\s*:\s*(?P=q)(?P<state>.*?)(?:(?<!\\)(?P=q)|\Z)',
    re.DOTALL,
)


def without_state(text: str) -> str:
    """A text that is not JSON without the requestState that may stand in it."""
    return _STATE.sub(
        lambda match: "requestState sha256 " + _hash(match["state"].encode("utf-8", "replace")),
        text,
    )


# --- requests ------------------------------------------------------------------------------------
def of_request(method: str, params: Any) -> dict[str, Any]:
    """The fields of a request or a notification: method, what it asks for, its _meta."""
    fields: dict[str, Any] = {f.MCP_METHOD: method}
    if not isinstance(params, dict):
        if params is not None:
            fields[f.MCP_PARAMS] = {"value": without_blobs(params)}
        return fields
    rest = dict(params)
    fields.update(_meta(rest, f.MCP_META))
    fields.update(_state(rest))
    fields[f.MCP_ELICITATION_ACTION] = _answered(rest.get("inputResponses"))
    task_id = rest.get("taskId") if method.startswith(("tasks/", "notifications/tasks")) else None
    fields[f.MCP_TASK_ID] = text_or_none(task_id) or fields.get(f.MCP_TASK_ID)
    if method == "tools/call":
        fields.update(_tool_call(rest))
    elif method == "prompts/get":
        fields[f.PROMPT_NAME] = text_or_none(rest.get("name"))
    elif method == "completion/complete" and isinstance(rest.get("ref"), dict):
        fields[f.PROMPT_NAME] = text_or_none(rest["ref"].get("name"))
        fields[f.MCP_RESOURCE_URI] = text_or_none(rest["ref"].get("uri"))
    elif method.startswith(("resources/", "notifications/resources/")):
        fields[f.MCP_RESOURCE_URI] = text_or_none(rest.get("uri"))
    elif method == "sampling/createMessage":
        tokens = rest.get("maxTokens")
        if isinstance(tokens, int) and not isinstance(tokens, bool):
            fields[f.REQUEST_MAX_TOKENS] = tokens
    elif method == "initialize":
        fields[f.MCP_PROTOCOL_VERSION] = text_or_none(rest.get("protocolVersion"))
        fields.update(_named(rest.get("clientInfo"), f.MCP_CLIENT_NAME, f.MCP_CLIENT_VERSION))
    if method.startswith("notifications/"):
        fields.update(_notified(method, rest))
    if rest:
        fields[f.MCP_PARAMS] = without_blobs(rest)
    return fields


def _tool_call(rest: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {f.OPERATION_NAME: "execute_tool"}
    if name := text_or_none(rest.get("name")):
        fields[f.TOOL_NAME] = name
        del rest["name"]
    if "arguments" in rest:
        arguments = rest.pop("arguments")
        fields[f.TOOL_ARGUMENTS_BYTES] = len(jsontext.dumps(arguments))
        fields[f.TOOL_ARGUMENTS] = as_object(without_blobs(arguments))
    return fields


def _notified(method: str, params: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if method == "notifications/message":
        level = text_or_none(params.get("level"))
        fields[f.LOG_LEVEL] = level.lower() if level else None
        fields[f.LOG_LOGGER] = text_or_none(params.get("logger"))
        data = params.get("data")
        if isinstance(data, dict):
            data = next((data[key] for key in ("message", "msg") if key in data), None)
        fields[f.MESSAGE] = data if isinstance(data, str) else None
    elif method == "notifications/progress":
        fields[f.MESSAGE] = text_or_none(params.get("message"))
    elif method == "notifications/cancelled":
        fields[f.EVENT_REASON] = text_or_none(params.get("reason"))
    elif method.startswith("notifications/tasks"):
        outcome, more = _task(method, params)
        fields.update(more)
        fields[f.EVENT_OUTCOME] = outcome
    return fields


def _answered(responses: Any) -> str | None:
    if not isinstance(responses, dict):
        return None
    actions = {item.get("action") for item in responses.values() if isinstance(item, dict)}
    return next((action for action in ("cancel", "decline", "accept") if action in actions), None)


def _state(rest: dict[str, Any]) -> dict[str, Any]:
    """Takes requestState out and gives its hash: it may hold anything, and is signed at best."""
    if "requestState" not in rest:
        return {}
    return {f.MCP_REQUEST_STATE_HASH: _state_hash(rest.pop("requestState"))}


def _state_hash(state: Any) -> str:
    return _hash(
        state.encode("utf-8", "replace") if isinstance(state, str) else jsontext.dumps(state)
    )


def _named(info: Any, name: str, version: str) -> dict[str, Any]:
    if not isinstance(info, dict):
        return {}
    return {name: text_or_none(info.get("name")), version: text_or_none(info.get("version"))}


def _meta(rest: dict[str, Any], place: str) -> dict[str, Any]:
    """Takes `_meta` out of params or a result; what has no field of its own goes to `place`."""
    meta = rest.get("_meta")
    if not isinstance(meta, dict):
        return {}
    del rest["_meta"]
    left = dict(meta)
    fields: dict[str, Any] = {}
    traceparent = left.get("traceparent")
    match = _TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    if match and int(match[1], 16) and int(match[2], 16):
        fields[f.TRACE_ID], fields[f.SPAN_PARENT_ID] = match[1], match[2]
        del left["traceparent"]
    version = text_or_none(left.get(_PREFIX + "protocolVersion"))
    if version:
        fields[f.MCP_PROTOCOL_VERSION] = version
        del left[_PREFIX + "protocolVersion"]
    for key, name, number in (
        ("clientInfo", f.MCP_CLIENT_NAME, f.MCP_CLIENT_VERSION),
        ("serverInfo", f.MCP_SERVER_NAME, f.MCP_SERVER_VERSION),
    ):
        info = left.get(_PREFIX + key)
        fields.update(_named(info, name, number))
        if isinstance(info, dict) and set(info) <= {"name", "version"}:
            del left[_PREFIX + key]
    related = left.get(_PREFIX + "related-task")
    if isinstance(related, dict):
        fields[f.MCP_TASK_ID] = text_or_none(related.get("taskId"))
    if left:
        fields[place] = without_blobs(left)
    return fields


# --- responses -----------------------------------------------------------------------------------
RESULT_META = "result _meta"  # a key of `of_response`'s answer only, no field


def of_response(method: str | None, message: Mapping[str, Any], *, cut: bool) -> dict[str, Any]:
    """The fields of a response: outcome (always), error, result. The success rule is here.

    Cases: an error is a failure of that code; a result with isError true a failure `tool_error`;
    input asked for or a task under way is pending (unknown); a task that was cancelled or failed is
    a failure; a tool's result that was cut before it said isError is unknown; so are, without an
    error.type, a null result and a resultType not known here; all else a success.
    Why unknown: MCP has no method with a null result and calls an unrecognised resultType invalid
    (2026-07-28, Basic; absent means complete). Neither says that the call failed, and taken for a
    success it would hide, say, an extension's "refused". A null resultType counts as absent: it is
    how many serialisers write that.

    Args:
        method: of the request, or None where no request is known.
        message: the response.
        cut: its end is missing.
    """
    error = message.get("error")
    if error is not None:
        fields = _error(error)
        if message.get("result") is not None:
            both = as_object(without_states(without_blobs(message["result"])))
            fields[f.MCP_RESULT] = {**both, **fields.get(f.MCP_RESULT, {})}
        return fields
    result = message.get("result")
    if result is None:
        return {f.EVENT_OUTCOME: "unknown", f.EVENT_REASON: "The result is null."}
    fields = {f.EVENT_OUTCOME: "success"}
    if not isinstance(result, dict):
        fields[f.TOOL_RESULT if method == "tools/call" else f.MCP_RESULT] = {"value": result}
        return fields
    size = len(jsontext.dumps(result)) if method == "tools/call" else None
    rest = dict(result)
    fields.update(_meta(rest, RESULT_META))
    fields.update(_state(rest))
    fields.update(_judge(method, rest, cut=cut))
    fields[f.TOOL_RESULT_BYTES] = size
    if method == "initialize":
        fields[f.MCP_PROTOCOL_VERSION] = text_or_none(rest.get("protocolVersion"))
        fields.update(_named(rest.get("serverInfo"), f.MCP_SERVER_NAME, f.MCP_SERVER_VERSION))
    elif method == "elicitation/create":
        fields[f.MCP_ELICITATION_ACTION] = text_or_none(rest.get("action"))
    elif method == "sampling/createMessage":
        fields[f.RESPONSE_MODEL] = text_or_none(rest.get("model"))
        if reason := text_or_none(rest.get("stopReason")):
            fields[f.FINISH_REASONS] = [reason]
    if rest:
        succeeded = method == "tools/call" and fields[f.EVENT_OUTCOME] == "success"
        fields[f.TOOL_RESULT if succeeded else f.MCP_RESULT] = without_blobs(rest)
    return fields


def _judge(method: str | None, rest: dict[str, Any], *, cut: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {f.EVENT_OUTCOME: "success"}
    result_type = text_or_none(rest.get("resultType"))
    if result_type:
        fields[f.MCP_RESULT_TYPE] = rest.pop("resultType")
    outcome, more = _task(method, rest)
    fields.update(more)
    if rest.get("isError") is True:
        fields.update(_tool_error(rest))
    elif outcome == "failure":
        fields[f.EVENT_OUTCOME] = outcome
    elif result_type == "input_required" or outcome == "unknown":
        fields[f.EVENT_OUTCOME] = "unknown"
    elif rest.get("resultType") is not None or result_type not in _RESULT_TYPES:
        fields[f.EVENT_OUTCOME] = "unknown"
        fields[f.EVENT_REASON] = "The result is of an unknown resultType."
    elif cut and method in (None, "tools/call") and "isError" not in rest:
        fields[f.EVENT_OUTCOME] = "unknown"
        fields[f.EVENT_REASON] = "The response was cut before it said how the call ended."
    return fields


def _tool_error(result: Mapping[str, Any]) -> dict[str, Any]:
    content = result.get("content")
    texts = [
        block["text"]
        for block in (content if isinstance(content, list) else [])
        if isinstance(block, dict) and isinstance(block.get("text"), str)
    ]
    return {
        f.EVENT_OUTCOME: "failure",
        f.ERROR_TYPE: "tool_error",  # OTel MCP conventions: CallToolResult.isError
        f.ERROR_MESSAGE: "\n".join(texts) or None,
    }


def _error(error: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {f.EVENT_OUTCOME: "failure", f.ERROR_TYPE: "_OTHER"}
    if not isinstance(error, dict):
        fields[f.ERROR_MESSAGE] = error if isinstance(error, str) else None
        return fields
    code = _jsonrpc.id_key(error.get("code"))
    if code is not None and code[0] in ("number", "string") and 0 < len(code[1]) <= 64:
        fields[f.ERROR_TYPE] = fields[f.RPC_STATUS_CODE] = code[1]
    if isinstance(error.get("message"), str):
        fields[f.ERROR_MESSAGE] = error["message"]
    left = {key: item for key, item in error.items() if key not in ("code", "message")}
    if left:
        fields[f.MCP_RESULT] = {"error": without_blobs(left)}
    return fields


def _task(method: str | None, rest: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Outcome and fields of the task that a result or a notification describes, if it does.

    2025-11-25 nests it under `task`, its tasks/get and SEP-2663 are flat. Cancelling a task that
    then is cancelled is a success; asking after it tells of a failure.
    """
    nested = rest.get("task")
    task: Mapping[str, Any] = nested if isinstance(nested, dict) else rest
    if not isinstance(task.get("taskId"), str):
        return "success", {}
    status = text_or_none(task.get("status"))
    fields: dict[str, Any] = {
        f.MCP_TASK_ID: text_or_none(task["taskId"]),
        f.MCP_TASK_STATUS: status,
    }
    if method == "tasks/cancel":
        return "success", fields
    if status in _PENDING:
        return "unknown", fields
    inlined = task.get("result")
    if isinstance(inlined, dict) and inlined.get("isError") is True:
        fields.update(_tool_error(inlined))
    elif status == "failed":
        error = task.get("error")
        fields.update(_error(error) if error is not None else {f.ERROR_TYPE: "task_failed"})
        fields.pop(f.MCP_RESULT, None)
        fields.setdefault(f.ERROR_MESSAGE, text_or_none(task.get("statusMessage")))
    elif status == "cancelled":
        fields[f.ERROR_TYPE] = "cancelled"
    else:
        return "success", fields
    fields.pop(f.EVENT_OUTCOME, None)
    return "failure", fields


# --- categories ----------------------------------------------------------------------------------
def event_type(method: str, fields: Mapping[str, Any], *, answered: bool) -> tuple[str, ...]:
    """ECS types of a request: access, or change where the server says that the tool changes."""
    verb = "change" if method in _CHANGES else "access"
    if method == "tools/call" and fields.get(f.TOOL_READ_ONLY) is not True:
        hints = (fields.get(f.TOOL_READ_ONLY) is False, fields.get(f.TOOL_DESTRUCTIVE) is True)
        verb = "change" if any(hints) else "access"
    return verb, "end" if answered else "start"


def tool_annotations(result: Any) -> Iterable[tuple[str, dict[str, bool]]]:
    """Tool names of a tools/list result with the fields of their annotations."""
    tools = result.get("tools") if isinstance(result, dict) else None
    for tool in tools if isinstance(tools, list) else ():
        hints = tool.get("annotations") if isinstance(tool, dict) else None
        if isinstance(hints, dict) and isinstance(tool.get("name"), str):
            known = {
                field: hints[hint]
                for hint, field in (
                    ("readOnlyHint", f.TOOL_READ_ONLY),
                    ("destructiveHint", f.TOOL_DESTRUCTIVE),
                    ("idempotentHint", f.TOOL_IDEMPOTENT),
                    ("openWorldHint", f.TOOL_OPEN_WORLD),
                )
                if isinstance(hints.get(hint), bool)
            }
            if known:
                yield tool["name"], known
