"""What Claude Code's tools touch, and how their results are to be read.

Names of the built-in tools: Claude Code documentation, "Tools available to Claude", versions 1.0 to
2.1. Wordings of refusals: session logs of those versions; Claude Code marks them in no other way.
"""

from __future__ import annotations

import re
from typing import Any

from agenttrail import fields as f
from agenttrail.formats import _messages as m

# Tool name to ECS category and what it does there.
_KINDS = {
    **dict.fromkeys(("Bash", "PowerShell", "KillShell", "KillBash", "REPL"), ("process", "start")),
    **dict.fromkeys(
        ("BashOutput", "TaskOutput", "TaskStop", "AgentOutputTool", "Monitor"),
        ("process", "access"),
    ),
    **dict.fromkeys(("Read", "Glob", "Grep", "LS", "NotebookRead", "LSP"), ("file", "access")),
    **dict.fromkeys(("Write", "Edit", "MultiEdit", "NotebookEdit", "Update"), ("file", "change")),
    **dict.fromkeys(
        ("WebFetch", "WebSearch", "web_search", "web_fetch"), ("web", "access")
    ),
    **dict.fromkeys(("ReadMcpResourceTool", "ListMcpResourcesTool", "Skill"), ("", "access")),
}  # fmt: skip

_REJECTED = re.compile(
    r"(?:Error: )?(?:The user doesn't want to (?:proceed with this tool use|take this action)"
    r"|User rejected (?:tool use|the )|\[Request interrupted by user for tool use\]"
    r"|The agent proposed a plan that was rejected by the user)"
)
_DENIED = re.compile(
    r"(?:Error: )?(?:Claude requested permissions? (?:to use|to write|to read|to edit)"
    r"|Permission to (?:use|read|edit|write) .{0,200}? (?:has been|was) denied"
    r"|Permission for this (?:action|tool use|command) (?:has been|was) denied"
    r"|This command requires approval)"
)
_HOOK_DENIED = re.compile(
    r"(?:Error: )?(?:Hook )?PreToolUse:[\w.:-]{1,128}(?: \[.{0,500}?\])?:? (?:hook (?:error|stopped|blocking)|denied)"
    r"|(?:Error: )?(?:Execution|Operation) (?:blocked|stopped) by (?:PreToolUse )?hook",
    re.DOTALL,
)
_CANCELLED = re.compile(
    r"(?:Error: )?(?:\[Request (?:interrupted|cancelled|aborted)|Interrupted by user"
    r"|(?:<tool_use_error>)?(?:Cancelled: parallel tool call|Sibling tool call errored))"
)
_EXIT_CODE = re.compile(r"(?:Error: )?Exit code (-?\d{1,9})\b")
_TAGGED = re.compile(r"<tool_use_error>(.*)</tool_use_error>", re.DOTALL)
_MCP = re.compile(r"mcp__(.+?)__(.+)", re.DOTALL)


def mcp_server(name: str) -> str | None:
    """The server of a tool named mcp__server__tool, else None."""
    match = _MCP.fullmatch(name)
    return match[1] if match else None


def kind(name: str) -> tuple[tuple[str, ...], str]:
    """ECS categories of a tool, and access, change or start."""
    category, verb = _KINDS.get(name, ("", "access"))
    return (("api", category) if category else ("api",)), verb


def call_fields(block: dict[str, Any]) -> dict[str, Any]:
    """What a tool_use block says of the call."""
    name = m.string(block.get("name"))
    given = block.get("input")
    arguments = m.mapping(given)
    server = mcp_server(name) if name else None
    fields: dict[str, Any] = {
        f.EVENT_ACTION: "execute_tool",
        f.OPERATION_NAME: "execute_tool",
        f.TOOL_NAME: name,
        f.TOOL_TYPE: "function",
        f.TOOL_CALL_ID: m.string(block.get("id")),
        f.TOOL_ARGUMENTS: m.wrapped(m.bare(given)),
        f.TOOL_ARGUMENTS_BYTES: m.size(given),
    }
    if server:
        fields[f.MCP_SERVER_NAME] = server
        fields[f.MCP_METHOD] = "tools/call"
    elif name in ("Bash", "PowerShell"):
        fields[f.PROCESS_COMMAND_LINE] = m.string(arguments.get("command"))
    elif name == "WebFetch":
        fields[f.URL_FULL] = m.string(arguments.get("url"))
    elif name in ("ReadMcpResourceTool", "ListMcpResourcesTool"):
        fields[f.MCP_SERVER_NAME] = m.string(arguments.get("server"))
        fields[f.MCP_RESOURCE_URI] = m.string(arguments.get("uri"))
    elif name == "Skill":
        fields[f.SKILL_NAME] = m.string(arguments.get("skill")) or m.string(
            arguments.get("command")
        )
    elif name in ("Task", "Agent"):
        fields[f.AGENT_TYPE] = m.string(arguments.get("subagent_type"))
        fields[f.AGENT_DESCRIPTION] = m.string(arguments.get("description"))
    return fields


def result_fields(block: dict[str, Any], structured: Any) -> tuple[str, bool, dict[str, Any]]:
    """Outcome, whether it was denied, and fields of a tool_result block.

    Args:
        block: the tool_result block.
        structured: the row's toolUseResult: an object, a string or absent.
    """
    content = block.get("content")
    text = m.text_of(content)
    extra = m.mapping(structured)
    fields: dict[str, Any] = {f.TOOL_RESULT_BYTES: m.size(content)}
    kept = _small(extra)
    if kept:
        fields[f.SOURCE_RAW] = {"toolUseResult": kept}
    fields[f.PROCESS_EXIT_CODE] = m.code(extra.get("exitCode"))
    failed = block.get("is_error") is True
    if failed and (_REJECTED.match(text) or structured == "User rejected tool use"):
        fields |= _refused(text, "rejected", "user")
        return "failure", True, fields
    if failed and (_HOOK_DENIED.match(text) or _DENIED.match(text)):
        source = "hook" if _HOOK_DENIED.match(text) else "config"
        fields |= _refused(text, "denied", source)
        return "failure", True, fields
    if extra.get("interrupted") is True or (failed and _CANCELLED.match(text)):
        fields |= {f.ERROR_TYPE: "cancelled", f.ERROR_MESSAGE: m.string(text)}
        return "failure", False, fields
    if failed or extra.get("status") == "failed" or extra.get("is_error") is True:
        match = _EXIT_CODE.match(text)
        if match:
            fields[f.PROCESS_EXIT_CODE] = int(match[1])
        tagged = _TAGGED.fullmatch(text)
        message = tagged[1] if tagged else text
        fields |= {f.ERROR_TYPE: "tool_error", f.ERROR_MESSAGE: m.string(message)}
        return "failure", False, fields
    fields[f.TOOL_RESULT] = m.wrapped(m.bare(content))
    return "success", False, fields


def _refused(text: str, error: str, source: str) -> dict[str, Any]:
    return {
        f.ERROR_TYPE: error,
        f.ERROR_MESSAGE: m.string(text),
        f.EVENT_REASON: "refused before it ran",
        f.APPROVAL_OUTCOME: "deny",
        f.APPROVAL_SOURCE: source,
        f.APPROVAL_SCOPE: "once" if source == "user" else None,
    }


def _small(extra: dict[str, Any]) -> dict[str, Any]:
    """What toolUseResult says beyond the text that the model was given.

    Long strings (stdout, file contents before the edit) are in the result or the arguments already;
    `usage` of a sub-agent is a roll-up of messages that are events themselves, so it stays here.
    """
    return {
        key: value
        for key, value in extra.items()
        if key == "usage"
        or (value is not None and not isinstance(value, (dict, list)) and m.size(value) <= 256)
    }
