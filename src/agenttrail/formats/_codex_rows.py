"""Codex's event messages that are events by themselves, and those that repeat an item.

Kinds: openai/codex, codex-rs/protocol/src/protocol.rs (EventMsg), and rollout/src/policy.rs for what
is written to a rollout by default. Every kind unknown here becomes an event with its payload.
"""

from __future__ import annotations

import re
from typing import Any

from agenttrail import fields as f
from agenttrail.formats import _codex_tools as tools
from agenttrail.formats import _messages as m
from agenttrail.formats._event import Made
from agenttrail.seams import Drop

# Event messages that repeat a response_item, or only serve the screen.
REPEATS = {
    **dict.fromkeys(
        (
            "agent_message", "agent_reasoning", "agent_reasoning_raw_content",
            "agent_reasoning_section_break", "raw_response_item", "item_started",
        ),
        "repeated_message",
    ),
    **dict.fromkeys(
        (
            "web_search_end", "image_generation_end", "view_image_tool_call", "plan_update",
            "turn_diff", "patch_apply_updated", "terminal_interaction",
            "dynamic_tool_call_request", "dynamic_tool_call_response",
        ),
        "repeated_call",
    ),
    **dict.fromkeys(
        ("task_started", "turn_started", "session_configured", "thread_settings_applied",
         "shutdown_complete", "mcp_startup_update", "safety_buffering"),
        "turn_marker",
    ),
    "thread_name_updated": "title",
}  # fmt: skip
# The end of a call that is usually an item too.
ENDS = re.compile(r"(?:exec_command|mcp_tool_call|patch_apply|collab_[a-z_]+)_end")
_APPROVALS = frozenset(
    ("exec_approval_request", "apply_patch_approval_request", "request_permissions",
     "elicitation_request", "request_user_input")
)  # fmt: skip
_DECIDED = {"approved": "allow", "denied": "deny", "aborted": "deny", "timed_out": "expired"}

# Words that Codex puts before what the user said; never typed by a person.
CONTEXT = re.compile(
    r"\s*(?:<(?:environment_context|user_instructions|permissions|collaboration_mode|skills?"
    r"|apps|plugins|turn_aborted|subagent_notification|user_shell_command|system-reminder"
    r"|recommended_plugins|model_switch)\b|# AGENTS\.md instructions)",
    re.IGNORECASE,
)


def message(kind: str, payload: dict[str, Any]) -> Made:
    """The event of an event message.

    Raises:
        Drop: where it repeats an item or only serves the screen.
    """
    if kind in REPEATS:
        raise Drop(REPEATS[kind])
    if kind.endswith("_delta"):
        raise Drop("delta")
    if kind.endswith("_begin"):
        raise Drop("repeated_call")
    raw = rest(payload, "message", "turn_id", "duration_ms")
    said = m.string(payload.get("message"))
    if kind in ("task_complete", "turn_complete"):
        raw = rest(raw, "last_agent_message")  # an item already
        duration = m.integer(payload.get("duration_ms"))
        fields: dict[str, Any] = {f.EVENT_ACTION: "turn_completed"}
        if duration is not None and duration < 2**43:
            fields[f.EVENT_DURATION] = duration * 1_000_000
        return Made(fields, "success", type=("end",), raw=raw)
    if kind == "turn_aborted":
        reason = m.string(payload.get("reason"))
        fields = {f.EVENT_ACTION: kind, f.ERROR_TYPE: "cancelled", f.EVENT_REASON: reason}
        return Made(fields, "failure", type=("end",), raw=rest(raw, "reason"))
    if kind in ("error", "stream_error"):
        info = payload.get("codex_error_info")
        name = info if isinstance(info, str) else next(iter(m.mapping(info)), None)
        fields = {
            f.EVENT_ACTION: "api_error" if kind == "stream_error" else "error",
            f.ERROR_TYPE: m.string(name) or kind,
            f.ERROR_MESSAGE: said,
        }
        return Made(fields, "failure", raw=raw)
    if kind in ("warning", "guardian_warning", "background_event", "deprecation_notice"):
        return Made({f.EVENT_ACTION: kind, f.MESSAGE: said}, raw=raw)
    if kind in _APPROVALS:
        return _approval(payload, raw, said)
    if kind == "guardian_assessment":
        outcome = _DECIDED.get(str(payload.get("status")))
        fields = {
            f.EVENT_ACTION: kind,
            f.TOOL_CALL_ID: m.string(payload.get("target_item_id")),
            f.APPROVAL_OUTCOME: outcome or "require_approval",
            f.APPROVAL_SOURCE: "policy",
            f.EVENT_REASON: m.string(payload.get("rationale")),
        }
        type_ = {"allow": "allowed", "deny": "denied"}.get(outcome or "", "info")
        return Made(fields, type=(type_,), raw=rest(raw, "rationale"))
    if kind == "context_compacted":
        fields = {f.EVENT_ACTION: "conversation_compacted", f.CONVERSATION_COMPACTED: True}
        return Made(fields, raw=raw)
    action = kind if re.fullmatch(r"[a-z][a-z_]{0,62}", kind) else "log"
    return Made({f.EVENT_ACTION: action, f.MESSAGE: said}, raw=raw)


def _approval(payload: dict[str, Any], raw: dict[str, Any], said: str | None) -> Made:
    fields = {
        f.EVENT_ACTION: "approval_requested",
        f.TOOL_CALL_ID: m.string(payload.get("call_id")),
        f.PROCESS_COMMAND_LINE: tools.command_line(payload),
        f.APPROVAL_OUTCOME: "require_approval",
        f.APPROVAL_SOURCE: "user",
        f.EVENT_REASON: m.string(payload.get("reason")) or said,
        f.MCP_SERVER_NAME: m.string(payload.get("server_name")),
    }
    return Made(fields, raw=rest(raw, "call_id", "command", "reason", "server_name"))


def meta(payload: dict[str, Any]) -> Made:
    """The event of a session's first row."""
    given = payload.get("base_instructions", payload.get("instructions"))
    text = m.text_of(given)
    defined = payload.get("dynamic_tools")
    listed = isinstance(defined, list) and all(isinstance(tool, dict) for tool in defined)
    fields = {
        f.EVENT_ACTION: "session_start",
        f.SYSTEM_INSTRUCTIONS: [{"type": "text", "content": text}] if text else None,
        f.TOOL_DEFINITIONS: defined if listed and defined else None,
    }
    known = ("id", "session_id", "timestamp", "cwd", "cli_version", "base_instructions",
             "instructions", "dynamic_tools" if listed else "")  # fmt: skip
    return Made(fields, category=("session",), type=("start",), raw=rest(payload, *known))


def rest(payload: dict[str, Any], *known: str) -> dict[str, Any]:
    """What of a payload has no field of ours."""
    return {
        key: m.bare(value)
        for key, value in payload.items()
        if key != "type" and key not in known and value not in (None, "", [], {})
    }
