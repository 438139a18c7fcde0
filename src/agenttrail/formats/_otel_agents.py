"""Claude Code, Codex and Gemini CLI as they write to OpenTelemetry.

- Claude Code 2.1: events (`claude_code.*`) and beta spans (code.claude.com, "Monitoring"). Its
  `input_tokens` exclude cached ones; its booleans and sizes are strings.
- Codex: log events `codex.*` (openai/codex, codex-rs/otel/src/events/session_telemetry.rs). Numbers
  and booleans are strings too; input tokens include cached ones.
- Gemini CLI: log events `gemini_cli.*` (google-gemini/gemini-cli, packages/core/src/telemetry/types.ts).
  Thoughts are counted beside the output, prompts of tools beside the input.

A decision about a tool call is an event of its own (`tool_decision`) and stands on the call as well;
`agenttrail.approval.id` is the call's id on both.
"""

from __future__ import annotations

from typing import Any

from agenttrail import fields as f
from agenttrail.formats import _claude_tools, _codex_tools
from agenttrail.formats import _messages as m
from agenttrail.formats._event import Made
from agenttrail.formats._otel_common import (
    TOOL,
    UNTOLD,
    Memory,
    boolean,
    fill,
    judge,
    milliseconds,
    said,
    tool,
    whole,
)
from agenttrail.formats._otel_genai import usage_once
from agenttrail.formats._otel_wire import Signal

# Claude Code's `source` of a decision: who decided, and for how long it holds.
_CLAUDE_SOURCE = {
    "config": ("config", None),
    "hook": ("hook", None),
    "user_permanent": ("user", "always"),
    "user_temporary": ("user", "once"),
    "user_abort": ("user", "once"),
    "user_reject": ("user", "once"),
}
# Codex's ReviewDecision, without its underscores: outcome and scope.
_CODEX_DECISION = {
    "approved": ("allow", "once"),
    "approvedforsession": ("allow", "session"),
    "approvedexecpolicyamendment": ("allow", "always"),
    "approvedwithamendment": ("allow", "always"),
    "networkpolicyamendment": ("allow", "always"),
    "denied": ("deny", "once"),
    "abort": ("deny", "once"),
    "timedout": ("expired", None),
}
_CODEX_SOURCE = {"config": "config", "user": "user", "automated_reviewer": "policy"}
_GEMINI_DECISION = {
    "accept": ("allow", "once"),
    "modify": ("allow", "once"),
    "auto_accept": ("allow", "always"),
    "reject": ("deny", "once"),
}
_TRANSPORT = {"stdio": "pipe", "http": "tcp", "sse": "tcp", "ws": "tcp"}


def log(signal: Signal, name: str, memory: Memory) -> Made:
    """A log event of one of the three; `name` is `vendor.event`."""
    vendor, _, event = name.partition(".")
    made = Made({f.EVENT_ACTION: event, f.SOURCE_EVENT_TYPE: name})
    made.fields[f.EVENT_DURATION] = milliseconds(signal.take("duration_ms", "duration"))
    sequence = whole(signal.take(f.EVENT_SEQUENCE))
    made.fields[f.EVENT_SEQUENCE] = sequence
    {"claude_code": _claude, "codex": _codex, "gemini_cli": _gemini}[vendor](
        signal, made, event, memory
    )
    judge_log(signal, made)
    fill(signal, made)
    return made


def judge_log(signal: Signal, made: Made) -> None:
    """The error that a log record names, where its dialect has not said more."""
    kind = signal.take(f.ERROR_TYPE, "error_type")
    message = signal.take(f.ERROR_MESSAGE, "error")
    if made.outcome == "failure":
        made.fields.setdefault(f.ERROR_TYPE, m.string(kind) or UNTOLD)
        if m.string(message):
            made.fields.setdefault(f.ERROR_MESSAGE, message)
    elif message or kind:
        made.outcome = "failure"
        made.fields[f.ERROR_TYPE] = m.string(kind) or UNTOLD
        made.fields[f.ERROR_MESSAGE] = m.string(message)


# --- Claude Code ---------------------------------------------------------------------------------


def _claude(signal: Signal, made: Made, event: str, memory: Memory) -> None:
    _claude_common(signal, made)
    if event == "tool_result":
        _claude_result(signal, made, memory)
    elif event == "tool_decision":
        _claude_call(signal, made)
        _claude_decision(made, signal.take("decision"), signal.take("source"))
        made.fields[f.APPROVAL_STAGE] = "decision"
    elif event in ("api_request", "api_error"):
        request = m.string(signal.attributes.get("request_id"))
        _claude_model(signal, made)
        if event == "api_request":
            made.fields |= {f.EVENT_ACTION: "chat", f.OPERATION_NAME: "chat"}
            made.outcome, made.type = "success", ("access", "end")
            usage_once(signal, made, memory, "request", request)
        else:
            made.outcome = "failure"
            made.fields[f.ERROR_TYPE] = "api_error"
            made.fields[f.HTTP_STATUS] = whole(signal.take("status_code"))
    elif event == "user_prompt":
        made.fields[f.INPUT_MESSAGES] = said("user", signal.take("prompt"))
    elif event == "permission_mode_changed":
        made.category, made.type = ("configuration",), ("change",)
        made.fields[f.PERMISSION_MODE] = m.string(signal.take("to_mode"))
    elif event == "mcp_server_connection":
        status = signal.attributes.get("status")
        made.type = ("connection",)
        made.outcome = {"connected": "success", "failed": "failure"}.get(str(status), "unknown")
        made.fields[f.MCP_SERVER_NAME] = m.string(signal.take("server_name"))
        made.fields[f.NETWORK_TRANSPORT] = _TRANSPORT.get(
            str(signal.attributes.get("transport_type"))
        )
    elif event == "skill_activated":
        made.fields[f.SKILL_NAME] = m.string(signal.take("skill.name", "skill_name"))


def _claude_common(signal: Signal, made: Made) -> None:
    made.fields[f.AGENT_NAME] = "claude-code"
    version = signal.take("app.version") or signal.resource.get("service.version")
    made.fields[f.AGENT_VERSION] = m.string(version)
    made.fields[f.TASK_ID] = m.string(signal.take("prompt.id"))
    # user.id is an installation's id; the account is the person.
    person = signal.take("user.account_uuid") or signal.take("user.account_id")
    made.fields[f.USER_ID] = person or signal.take(f.USER_ID)


def _claude_call(signal: Signal, made: Made) -> None:
    """Which tool was meant: MCP's server and tool are named in the parameters only."""
    parameters = m.unpacked(signal.take("tool_parameters"))
    told = m.mapping(parameters)
    name = m.string(signal.take("tool_name"))
    server, inner = m.string(told.get("mcp_server_name")), m.string(told.get("mcp_tool_name"))
    if name in (None, "mcp_tool", "mcp"):
        name = f"mcp__{server}__{inner}" if server and inner else inner or name
    call = m.string(signal.take("tool_use_id", f.TOOL_CALL_ID))
    given = signal.take("tool_input")
    made.fields |= {
        f.TOOL_NAME: name,
        f.TOOL_TYPE: "function",
        f.TOOL_CALL_ID: call,
        f.APPROVAL_ID: call,
        f.MCP_SERVER_NAME: server,
        f.MCP_METHOD: "tools/call" if server else None,
        f.TOOL_ARGUMENTS_BYTES: whole(signal.take("tool_input_size_bytes")),
        f.TOOL_RESULT_BYTES: whole(signal.take("tool_result_size_bytes")),
    }
    arguments = given if given is not None else parameters
    if arguments is not None:
        tool(made, arguments, None)
    if given is not None and parameters is not None:
        made.raw["tool_parameters"] = parameters
    block = {"name": name, "input": m.unpacked(arguments)}
    for field in (f.PROCESS_COMMAND_LINE, f.URL_FULL, f.SKILL_NAME, f.AGENT_TYPE):
        made.fields.setdefault(field, _claude_tools.call_fields(block).get(field))
    if made.fields.get(f.PROCESS_COMMAND_LINE) is None:
        made.fields[f.PROCESS_COMMAND_LINE] = m.string(told.get("full_command"))
    made.category = _claude_tools.kind(name or "")[0]


def _claude_decision(made: Made, decision: Any, source: Any) -> None:
    outcome = {"accept": "allow", "reject": "deny"}.get(str(decision))
    who, scope = _CLAUDE_SOURCE.get(str(source), (m.string(source), None))
    if outcome is not None:
        made.type = ("allowed",) if outcome == "allow" else ("denied",)
    made.fields |= {
        f.APPROVAL_OUTCOME: outcome or m.string(decision),
        f.APPROVAL_SOURCE: who,
        f.APPROVAL_SCOPE: scope,
    }


def _claude_result(signal: Signal, made: Made, memory: Memory) -> None:
    _claude_call(signal, made)
    decision, source = signal.take("decision_type"), signal.take("decision_source")
    if decision or source:
        _claude_decision(made, decision, source)
        made.fields[f.APPROVAL_STAGE] = "execution"
    _succeeded(signal, made)
    name = made.fields[f.TOOL_NAME] or ""
    made.type = (_claude_tools.kind(name)[1], "end")
    _call_once(made, memory)


def _claude_model(signal: Signal, made: Made) -> None:
    model = m.string(signal.take("model", f.REQUEST_MODEL))
    plain, read, write = (
        whole(signal.take(name))
        for name in ("input_tokens", "cache_read_tokens", "cache_creation_tokens")
    )
    known = [count for count in (plain, read, write) if count is not None]
    made.fields |= {
        f.PROVIDER_NAME: m.string(signal.take("gen_ai.system")) or "anthropic",
        f.REQUEST_MODEL: model,
        f.RESPONSE_MODEL: model,
        f.INPUT_TOKENS: sum(known) if known else None,
        f.OUTPUT_TOKENS: whole(signal.take("output_tokens")),
        f.CACHE_READ_TOKENS: read,
        f.CACHE_WRITE_TOKENS: write,
    }
    cost = signal.take("cost_usd")
    if cost is not None:
        signal.attributes["llm.cost.total"] = cost
        signal.attributes.pop("cost_usd_micros", None)


def claude_span(signal: Signal, memory: Memory) -> Made:
    """One of Claude Code's spans: interaction, llm_request, tool and what is below it."""
    kind = signal.name.removeprefix("claude_code.")
    made = Made({f.EVENT_ACTION: kind.replace(".", "_")}, type=("access", "end"))
    signal.attributes.pop("span.type", None)
    _claude_common(signal, made)
    told = boolean(signal.take("success"))
    if kind == "llm_request":
        request = m.string(signal.attributes.get("request_id"))
        _claude_model(signal, made)
        made.fields |= {f.EVENT_ACTION: "chat", f.OPERATION_NAME: "chat"}
        usage_once(signal, made, memory, "request", request)
    elif kind == "interaction":
        made.fields |= {f.EVENT_ACTION: "invoke_agent", f.OPERATION_NAME: "invoke_agent"}
        made.fields[f.INPUT_MESSAGES] = said("user", signal.take("user_prompt"))
    elif kind == "tool":
        _claude_call(signal, made)
        for name in ("file_path", "full_command"):
            value = m.string(signal.take(name))
            if value and f.TOOL_ARGUMENTS not in made.fields:
                made.fields[f.TOOL_ARGUMENTS] = {name: value}
            if name == "full_command":
                made.fields[f.PROCESS_COMMAND_LINE] = value
        made.type = (_claude_tools.kind(made.fields[f.TOOL_NAME] or "")[1], "end")
        # Only the execution below it knows how it ended.
        told = memory.get("ended", signal.trace_id, signal.span_id)
        if told is None and not signal.failed:
            made.outcome = "unknown"
        _call_once(made, memory)
    elif kind == "tool.execution":
        memory.put(told, "ended", signal.trace_id, signal.parent_id)
        made.fields[f.TOOL_CALL_ID] = m.string(signal.take("tool_use_id", f.TOOL_CALL_ID))
    elif kind == "tool.blocked_on_user":
        made.fields[f.EVENT_ACTION] = "tool_decision"
        made.fields[f.APPROVAL_STAGE] = "decision"
        source = signal.take("source")
        _claude_decision(made, signal.take("decision"), source)
        if str(source).startswith("user"):
            made.fields[f.APPROVAL_WAIT_MS] = whole(signal.attributes.get("duration_ms"))
    _claude_ended(signal, made, told, is_open=kind == "tool" and told is None)
    fill(signal, made)
    return made


def _claude_ended(signal: Signal, made: Made, told: Any, *, is_open: bool) -> None:
    error = m.string(signal.take("error"))
    if error is not None:
        signal.attributes.setdefault(f.ERROR_MESSAGE, error)
        signal.attributes.setdefault(
            f.ERROR_TYPE, signal.take("error_class", "error_type") or UNTOLD
        )
    if told is False:
        signal.failed = True
    judge(signal, made)
    if is_open and made.outcome == "success":
        made.outcome = "unknown"
    for name in ("duration_ms", "interaction.duration_ms"):
        signal.attributes.pop(name, None)  # the span's own times say it


# --- Codex ---------------------------------------------------------------------------------------


def _codex(signal: Signal, made: Made, event: str, memory: Memory) -> None:
    made.fields[f.AGENT_NAME] = "codex"
    made.fields[f.AGENT_VERSION] = m.string(signal.take("app.version"))
    made.fields[f.USER_ID] = m.string(signal.take("user.account_id"))
    model = m.string(signal.take("model", "slug"))
    made.fields[f.REQUEST_MODEL] = model
    name = m.string(signal.take("tool_name"))
    call = m.string(signal.take("call_id"))
    if event in ("tool_result", "tool_decision", "sandbox_outcome"):
        made.fields |= {f.TOOL_NAME: name, f.TOOL_CALL_ID: call, f.APPROVAL_ID: call}
        made.category = _codex_tools.kind(name or "")[0]
    if event == "tool_result":
        _codex_result(signal, made, name or "", memory)
    elif event == "tool_decision":
        decision = str(signal.take("decision"))
        outcome, scope = _CODEX_DECISION.get(decision.replace("_", "").lower(), (None, None))
        made.type = ("allowed",) if outcome == "allow" else ("denied",) if outcome else ("info",)
        made.fields |= {
            f.APPROVAL_OUTCOME: outcome or decision,
            f.APPROVAL_SCOPE: scope,
            f.APPROVAL_SOURCE: _CODEX_SOURCE.get(str(signal.take("source")).lower(), "policy"),
            f.APPROVAL_STAGE: "decision",
        }
    elif event == "sse_event" and signal.attributes.get(f.EVENT_KIND) == "response.completed":
        made.fields |= {
            f.EVENT_ACTION: "chat",
            f.OPERATION_NAME: "chat",
            f.PROVIDER_NAME: "openai",
            f.RESPONSE_MODEL: model,
            f.INPUT_TOKENS: whole(signal.take("input_token_count")),
            f.OUTPUT_TOKENS: whole(signal.take("output_token_count")),
            f.CACHE_READ_TOKENS: whole(signal.take("cached_token_count")),
            f.REASONING_TOKENS: whole(signal.take("reasoning_token_count")),
        }
        made.outcome, made.type = "success", ("access", "end")
    elif event == "user_prompt":
        made.fields[f.INPUT_MESSAGES] = said("user", signal.take("prompt"))
    elif event == "conversation_starts":
        made.fields[f.PERMISSION_MODE] = m.string(signal.take("approval_policy"))
        made.fields[f.PERMISSION_SANDBOX] = m.string(signal.take("sandbox_policy"))
        made.fields[f.PROVIDER_NAME] = str(signal.take("provider_name") or "").lower() or None
        made.type = ("start",)
    elif event == "api_request":
        status = whole(signal.attributes.get(f.HTTP_STATUS))
        if status is not None:
            made.outcome = "success" if 200 <= status < 300 else "failure"
            made.type = ("access", "end")
    if boolean(signal.attributes.get("success")) is not None:
        _succeeded(signal, made)


def _codex_result(signal: Signal, made: Made, name: str, memory: Memory) -> None:
    given, got = m.string(signal.take("arguments")), m.string(signal.take("output"))
    server = m.string(signal.take("mcp_server"))
    _succeeded(signal, made)
    tool(made, given, got)
    if made.outcome == "failure":
        made.fields.setdefault(f.ERROR_TYPE, "tool_error")
    made.fields |= {
        f.EVENT_ACTION: TOOL,
        f.OPERATION_NAME: TOOL,
        f.TOOL_TYPE: "function",
        f.MCP_SERVER_NAME: server,
        f.MCP_METHOD: "tools/call" if server else None,
        f.PROCESS_COMMAND_LINE: _codex_tools.command_line(m.unpacked(given)),
        f.APPROVAL_STAGE: "execution",
    }
    made.type = (_codex_tools.kind(name)[1], "end")
    _call_once(made, memory)


# --- Gemini CLI ----------------------------------------------------------------------------------


def _gemini(signal: Signal, made: Made, event: str, memory: Memory) -> None:
    made.fields[f.AGENT_NAME] = m.string(signal.take("agent_name")) or "gemini-cli"
    made.fields[f.TASK_ID] = m.string(signal.take("prompt_id"))
    made.fields[f.PERMISSION_MODE] = m.string(signal.take("active_approval_mode", "approval_mode"))
    if event == "tool_call":
        _gemini_call(signal, made)
    elif event in ("api_response", "api_error", "api_request"):
        model = m.string(signal.take("model", "model_name"))
        made.fields |= {f.PROVIDER_NAME: "gcp.gemini", f.REQUEST_MODEL: model}
        made.fields[f.HTTP_STATUS] = whole(signal.take("status_code", "http.status_code"))
        if event == "api_response":
            _gemini_usage(signal, made)
            made.fields |= {
                f.EVENT_ACTION: "chat",
                f.OPERATION_NAME: "chat",
                f.RESPONSE_MODEL: model,
            }
            made.outcome, made.type = "success", ("access", "end")
            reasons = signal.take("finish_reasons")
            made.fields[f.FINISH_REASONS] = reasons if isinstance(reasons, list) else None
            made.fields[f.OUTPUT_MESSAGES] = said("assistant", signal.take("response_text"))
            # Each response is told a second time, as gen_ai.client.inference.operation.details.
            usage_once(signal, made, memory, *gemini_key(signal))
        elif event == "api_error":
            made.outcome = "failure"
            signal.attributes.setdefault(f.ERROR_TYPE, "api_error")
        else:
            made.fields[f.INPUT_MESSAGES] = said("user", signal.take("request_text"))
    elif event == "user_prompt":
        made.fields[f.INPUT_MESSAGES] = said("user", signal.take("prompt"))
    elif event == "agent.finish":
        made.fields |= {f.EVENT_ACTION: "invoke_agent", f.OPERATION_NAME: "invoke_agent"}
        made.fields[f.EVENT_REASON] = m.string(signal.attributes.get("terminate_reason"))
        made.outcome = (
            "success" if signal.attributes.get("terminate_reason") == "GOAL" else "unknown"
        )
        made.type = ("end",)
    made.fields[f.EVENT_ACTION] = str(made.fields[f.EVENT_ACTION]).replace(".", "_")


def gemini_key(signal: Signal) -> tuple[Any, ...]:
    """What the two records of one response have in common: session and time."""
    return "gemini", signal.attributes.get("session.id"), signal.attributes.get("event.timestamp")


def _gemini_call(signal: Signal, made: Made) -> None:
    name = m.string(signal.take("function_name"))
    server = m.string(signal.take("mcp_server_name"))
    outcome, scope = _GEMINI_DECISION.get(str(signal.attributes.get("decision")), (None, None))
    if outcome is not None:
        signal.take("decision")
        made.fields[f.APPROVAL_STAGE] = "execution"
    made.fields |= {
        f.EVENT_ACTION: TOOL,
        f.OPERATION_NAME: TOOL,
        f.TOOL_NAME: name,
        f.TOOL_TYPE: "function",
        f.MCP_SERVER_NAME: server,
        f.MCP_METHOD: "tools/call" if server else None,
        f.APPROVAL_OUTCOME: outcome,
        f.APPROVAL_SCOPE: scope,
        f.APPROVAL_SOURCE: "user" if outcome else None,
        f.TOOL_RESULT_BYTES: whole(signal.take("content_length")),
    }
    tool(made, signal.take("function_args"), None)
    _succeeded(signal, made)
    made.type = ("access", "end") if outcome != "deny" else ("denied", "end")


def _gemini_usage(signal: Signal, made: Made) -> None:
    given, got, cached, thoughts, tools = (
        whole(signal.take(f"{name}_token_count"))
        for name in ("input", "output", "cached_content", "thoughts", "tool")
    )
    signal.attributes.pop("total_token_count", None)
    made.fields |= {
        f.INPUT_TOKENS: None if given is None else given + (tools or 0),
        f.OUTPUT_TOKENS: None if got is None else got + (thoughts or 0),
        f.CACHE_READ_TOKENS: cached,
        f.REASONING_TOKENS: thoughts,
    }


# --- all -----------------------------------------------------------------------------------------


def _succeeded(signal: Signal, made: Made) -> None:
    told = boolean(signal.take("success"))
    if told is not None:
        made.outcome = "success" if told else "failure"
    if told is False:
        kind = signal.take("error_type", f.ERROR_TYPE)
        made.fields.setdefault(f.ERROR_TYPE, m.string(kind) or "tool_error")


def _call_once(made: Made, memory: Memory) -> None:
    """The first record of a call is `execute_tool`; another one (a span beside a log) is not."""
    if memory.first("tool", made.fields.get(f.TOOL_CALL_ID)):
        made.fields |= {f.EVENT_ACTION: TOOL, f.OPERATION_NAME: TOOL}
    else:
        made.fields[f.EVENT_ACTION] = "tool_call_repeated"
