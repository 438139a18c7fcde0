"""What Codex's tools touch, and how their calls and outputs are to be read.

Items: OpenAI Responses API items as Codex keeps them (openai/codex, codex-rs/protocol/src/models.rs).
Wordings of outputs: codex-rs/core/src/tools of versions 0.2x to 0.15x.
"""

from __future__ import annotations

import re
import shlex
from typing import Any

from agenttrail import fields as f
from agenttrail.formats import _messages as m

CALLS = frozenset(
    ("function_call", "custom_tool_call", "local_shell_call", "tool_search_call", "mcp_tool_call")
)
OUTPUTS = frozenset(
    (
        "function_call_output", "custom_tool_call_output", "local_shell_call_output",
        "tool_search_output", "mcp_tool_call_output",
    )
)  # fmt: skip
# Items that are call and result in one.
WHOLE = {"web_search_call": "web_search", "image_generation_call": "image_generation"}

_SHELLS = frozenset(
    ("exec_command", "shell", "shell_command", "local_shell", "container.exec", "unified_exec")
)
_KINDS = {
    **dict.fromkeys(_SHELLS, ("process", "start")),
    "write_stdin": ("process", "change"),
    "apply_patch": ("file", "change"),
    **dict.fromkeys(
        ("read_file", "list_dir", "grep_files", "view_image"), ("file", "access")
    ),
    **dict.fromkeys(("web_search", "web_fetch"), ("web", "access")),
}  # fmt: skip

_EXIT = re.compile(r"(?:Process exited with code|Exit code:?) (-?\d{1,9})\b")
# Heads of what the newer shell tools give; below them is the program's own output.
_WALL = re.compile(
    r"(?:Chunk ID: [^\n]{0,40}\n)?(?:Exit code:? -?\d{1,9}\n)?"
    r"Wall time: (\d{1,9}(?:\.\d{1,9})? ?s)(?:econds)?\n"
)
_REFUSED = re.compile(
    r"(?:exec command |patch |command |tool call |request |user )?rejected(?: by(?: the)? user|\b.{0,40}user)"
    r"|user (?:rejected|denied|cancelled MCP tool call)",
    re.IGNORECASE,
)
_CANCELLED = re.compile(
    r"\s*(?:aborted(?: by user)?\b|command was aborted|interrupted\b)", re.IGNORECASE
)
_FAILED = re.compile(
    r"\s*(?:tool call error|err:|error:|execution error|unsupported (?:custom tool )?call"
    r"|failed to parse (?:function|tool) (?:arguments|call)|apply_patch verification failed"
    r"|failed in sandbox|command timed out|exec_command failed|write_stdin failed)",
    re.IGNORECASE,
)  # fmt: skip
_MCP = re.compile(r"mcp__(.+?)__(.+)", re.DOTALL)


def kind(name: str) -> tuple[tuple[str, ...], str]:
    """ECS categories of a tool, and access, change or start."""
    category, verb = _KINDS.get(name, ("", "access"))
    return (("api", category) if category else ("api",)), verb


def call_fields(item: dict[str, Any]) -> dict[str, Any]:
    """What a call item says of the call."""
    type_ = str(item.get("type"))
    given = item.get("arguments", item.get("input"))
    if type_ == "local_shell_call":
        name: str | None = "local_shell"
        given = item.get("action")
    elif type_ == "tool_search_call":
        name = "tool_search"
    elif type_ in WHOLE:
        name = WHOLE[type_]
        given = item.get("action", item.get("revised_prompt"))
    else:
        name = m.string(item.get("name"))
    arguments = m.unpacked(given) if type_ != "custom_tool_call" else given
    server = _server(name, item.get("namespace"))
    call_id = m.string(item.get("call_id")) or m.string(item.get("id"))
    return {
        f.EVENT_ACTION: "execute_tool",
        f.OPERATION_NAME: "execute_tool",
        f.TOOL_NAME: name,
        f.TOOL_TYPE: "extension" if type_ in WHOLE else "function",
        f.TOOL_CALL_ID: call_id,
        f.TOOL_ARGUMENTS: m.wrapped(m.bare(arguments)),
        f.TOOL_ARGUMENTS_BYTES: m.size(given) if given is not None else None,
        f.MCP_SERVER_NAME: server,
        f.MCP_METHOD: "tools/call" if server else None,
        f.PROCESS_COMMAND_LINE: command_line(arguments) if name in _SHELLS else None,
    }


def _server(name: str | None, namespace: Any) -> str | None:
    match = _MCP.fullmatch(name) if name else None
    if match:
        return match[1]
    if isinstance(namespace, str) and namespace.startswith("mcp__"):
        return m.string(namespace[5:].strip("_"))
    return None


def command_line(arguments: Any) -> str | None:
    """The command of a shell tool's arguments: a string, or a list of words."""
    given = m.mapping(arguments)
    for key in ("cmd", "command"):
        value = given.get(key)
        if isinstance(value, str):
            return m.string(value)
        if isinstance(value, list) and value and all(isinstance(word, str) for word in value):
            # A shell with a script: the script is the command, as the newer tools write it.
            script = len(value) == 3 and value[1] in ("-c", "-lc", "-Command")
            return m.string(value[2]) if script else shlex.join(value)
    return None


def output_fields(output: Any) -> tuple[str, bool, dict[str, Any]]:
    """Outcome, whether it was refused, and fields of a call's output.

    Args:
        output: a string, a JSON object in a string, content items, or an object.
    """
    fields: dict[str, Any] = {f.TOOL_RESULT_BYTES: m.size(output)}
    found = m.unpacked(output)
    failed = False
    code: int | None = None
    took: int | None = None
    if isinstance(found, dict):
        metadata = m.mapping(found.get("metadata"))
        code = m.code(metadata.get("exit_code", found.get("exit_code")))
        took = _seconds(metadata.get("duration_seconds", found.get("duration_seconds")))
        failed = found.get("success") is False or found.get("isError") is True
        if isinstance(found.get("output"), str) and set(found) <= {"output", "metadata"}:
            found = found["output"]
        elif isinstance(found.get("content"), (str, list)) and set(found) <= {"content", "success"}:
            found = found["content"]
    text = m.text_of(found)
    match = _EXIT.search(text[:400])
    if code is None and match:
        code = int(match[1])
    if took is None and (wall := _WALL.match(text)):
        took = duration(wall[1].replace(" ", ""))
    fields[f.PROCESS_EXIT_CODE] = code
    fields[f.EVENT_DURATION] = took
    # Only what is told by its beginning: a program's own output may say such things too.
    if code is None and _REFUSED.match(text):
        fields |= {
            f.ERROR_TYPE: "rejected",
            f.ERROR_MESSAGE: text,
            f.EVENT_REASON: "refused before it ran",
            f.APPROVAL_OUTCOME: "deny",
            f.APPROVAL_SOURCE: "user",
        }
        return "failure", True, fields
    if code is None and isinstance(found, str) and _CANCELLED.match(text):
        fields |= {f.ERROR_TYPE: "cancelled", f.ERROR_MESSAGE: m.string(text)}
        return "failure", False, fields
    if failed or code not in (None, 0) or (code is None and _FAILED.match(text)):
        fields |= {f.ERROR_TYPE: "tool_error", f.ERROR_MESSAGE: m.string(text)}
        return "failure", False, fields
    fields[f.TOOL_RESULT] = m.wrapped(m.bare(found))
    return "success", False, fields


def end_fields(payload: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """Outcome (None where it is not told) and fields of an *_end event of a call."""
    took = duration(payload.get("duration"))
    if took is None:
        took = duration(f"{m.integer(payload.get('duration_ms'))}ms")
    fields: dict[str, Any] = {
        f.EVENT_DURATION: took,
        f.PROCESS_EXIT_CODE: m.code(payload.get("exit_code")),
    }
    invocation = m.mapping(payload.get("invocation"))
    if invocation:
        fields[f.MCP_SERVER_NAME] = m.string(invocation.get("server"))
        fields[f.MCP_METHOD] = "tools/call"
    result = payload.get("result")
    if isinstance(result, dict) and ("Err" in result or "Ok" in result):
        ok = m.mapping(result.get("Ok"))
        failed = "Err" in result or (ok.get("isError", ok.get("is_error")) is True)
        if failed:
            message = m.text_of(result.get("Err")) or m.text_of(ok.get("content"))
            fields |= {f.ERROR_TYPE: "tool_error", f.ERROR_MESSAGE: m.string(message)}
        return "failure" if failed else "success", fields
    if payload.get("status") == "declined":
        fields |= {f.ERROR_TYPE: "rejected", f.APPROVAL_OUTCOME: "deny", f.APPROVAL_SOURCE: "user"}
        return "failure", fields
    code = fields[f.PROCESS_EXIT_CODE]
    if (
        payload.get("success") is False
        or payload.get("status") == "failed"
        or code not in (None, 0)
    ):
        fields |= {f.ERROR_TYPE: "tool_error", f.ERROR_MESSAGE: m.string(_streams(payload))}
        return "failure", fields
    if payload.get("success") is True or payload.get("status") == "completed" or code == 0:
        return "success", fields
    return None, fields


def own_fields(payload: dict[str, Any]) -> dict[str, Any]:
    """Call and result of an *_end event whose call is no item of the log (a command of the user's)."""
    invocation = m.mapping(payload.get("invocation"))
    name = m.string(invocation.get("tool")) or m.string(payload.get("tool"))
    type_ = str(payload.get("type"))
    if name is None:
        name = {"exec_command_end": "exec_command", "patch_apply_end": "apply_patch"}.get(
            type_, type_.removesuffix("_end")
        )
    given = invocation.get("arguments", payload.get("changes", payload.get("command")))
    arguments = m.wrapped(m.bare(given))
    ok = m.mapping(payload.get("result")).get("Ok", m.string(_streams(payload)))
    return {
        f.EVENT_ACTION: "execute_tool",
        f.OPERATION_NAME: "execute_tool",
        f.TOOL_NAME: name,
        f.TOOL_TYPE: "function",
        f.TOOL_CALL_ID: m.string(payload.get("call_id")),
        f.TOOL_ARGUMENTS: arguments,
        f.TOOL_ARGUMENTS_BYTES: m.size(given) if given is not None else None,
        f.TOOL_RESULT: m.wrapped(m.bare(ok)),
        f.PROCESS_COMMAND_LINE: command_line(payload),
    }


def duration(value: Any) -> int | None:
    """Nanoseconds of a Rust Duration: {"secs", "nanos"}, or text such as "1.5s" or "250ms"."""
    if isinstance(value, dict):
        seconds, nanos = m.integer(value.get("secs")), m.integer(value.get("nanos"))
        if seconds is None or nanos is None or seconds >= 2**33 or nanos >= 10**9:
            return None
        return seconds * 10**9 + nanos
    match = (
        re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(ns|µs|us|ms|s)", value)
        if isinstance(value, str)
        else None
    )
    if match is None:
        return None
    scale = {"ns": 1, "µs": 10**3, "us": 10**3, "ms": 10**6, "s": 10**9}[match[2]]
    return round(float(match[1]) * scale)


def _seconds(value: Any) -> int | None:
    """Nanoseconds of a number of seconds (metadata.duration_seconds; a tenth is its finest step)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**33:
        return None
    return round(value * 10**9)


def _streams(payload: dict[str, Any]) -> str:
    for key in ("aggregated_output", "formatted_output"):
        if isinstance(payload.get(key), str) and payload[key]:
            return str(payload[key])
    return "\n".join(
        payload[key]
        for key in ("stdout", "stderr")
        if isinstance(payload.get(key), str) and payload[key]
    )
