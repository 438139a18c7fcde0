"""Every field we emit: its name, type, unit, meaning, source standard, other names, and privacy.

Inside the pipeline an event is a flat map of these dotted names to values. The canonical JSON line
is the same map nested at its dots (`to_document`), so a path reads as the OTel or ECS name it is.
The JSON Schema of the line and the Elasticsearch mappings are made from this table.

Standards as of November 2026: ECS 9.4.0 (`gen_ai.provider.name` and `gen_ai.tool.call.*` follow its
9.5.0-dev), OTel core semantic conventions 1.44.0, OTel GenAI and MCP conventions
(semantic-conventions-genai at e07f4eba, no release exists), MCP 2026-07-28, OCSF 1.8.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from agenttrail.shapes import (
    ACTION,
    CLASS,
    DATE,
    HEX,
    LABEL,
    MADE_ID,
    METHOD,
    PROVIDER,
    TOKEN,
    VERSION,
    WORD,
    Shape,
    one_of,
)

SCHEMA_VERSION = "1.0"
ECS_VERSION = "9.4.0"
GEN_AI_SEMCONV = "gen-ai-dev/1.42.0-dev@e07f4eba"
SEMCONV = "1.44.0"
DATASET = "agenttrail.audit"

Type = Literal[
    "keyword",
    "keywords",
    "text",
    "date",
    "long",
    "double",
    "boolean",
    "object",
    "objects",
    "counts",
]
# keyword/text: a string; keywords: a list of strings; date: RFC 3339 in UTC ending in Z;
# object: any JSON object; objects: a list of JSON objects; counts: an object of keyword to long.

Privacy = Literal["structural", "text", "personal"]
# structural: left alone while it has its shape, masked like text where it lacks it;
# text: strings are analysed, objects are walked, keys included;
# personal: replaced whole by `<kind>`, whatever it looks like.


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One row of the registry.

    `ecs` and `ocsf` are the paths of the same thing there, empty where there is none. `kind` is the
    entity name that a personal value is replaced by. `envelope` marks what still leaves when masking
    failed: made by us or a protocol, checked by its shape, never free text.
    """

    name: str
    type: Type
    unit: str
    meaning: str
    source: str
    ecs: str
    ocsf: str
    privacy: Privacy
    shape: Shape | None
    kind: str
    envelope: bool


FIELDS: dict[str, Field] = {}

_ECS = "ECS 9.4.0"
_OTEL = "OTel 1.44.0"
_GENAI = "OTel GenAI e07f4eba"
_MCP = "OTel MCP e07f4eba"
_OWN = "agenttrail 1.0"


def _field(
    name: str,
    type: Type,
    meaning: str,
    source: str,
    *,
    unit: str = "",
    ecs: str | None = None,
    ocsf: str = "",
    privacy: Privacy | None = None,
    shape: Shape | None = None,
    kind: str = "",
    envelope: bool = False,
) -> str:
    """Adds one row and gives its name back. Privacy is text unless a shape or a kind says more."""
    if name in FIELDS:
        raise ValueError(f"field declared twice: {name}")
    if privacy is None:
        plain = type in ("long", "double", "boolean", "counts")
        privacy = "personal" if kind else "structural" if shape or plain else "text"
    FIELDS[name] = Field(
        name=name, type=type, unit=unit, meaning=meaning, source=source,
        ecs=(name if source == _ECS else "") if ecs is None else ecs,
        ocsf=ocsf, privacy=privacy, shape=shape, kind=kind,
        envelope=envelope,
    )  # fmt: skip
    return name


# One row a line: a table reads better unwrapped.
# fmt: off
# --- when and what -------------------------------------------------------------------------------
TIMESTAMP = _field("@timestamp", "date", "When it happened (start of a call); time of reading only where the log holds none, which agenttrail.source.time says.", _ECS, ocsf="time", shape=DATE, envelope=True)
ECS_VERSION_FIELD = _field("ecs.version", "keyword", "ECS version that the record follows.", _ECS, shape=VERSION, envelope=True)
EVENT_ID = _field("event.id", "keyword", "Deterministic id: the same input gives the same id on every run.", _ECS, ocsf="metadata.uid", shape=MADE_ID, envelope=True)
EVENT_KIND = _field("event.kind", "keyword", "event, or pipeline_error for a line that could not be read.", _ECS, shape=one_of("event", "alert", "metric", "state", "pipeline_error", "signal"), envelope=True)
EVENT_CATEGORY = _field("event.category", "keywords", "ECS categories.", _ECS, shape=one_of("api", "authentication", "configuration", "database", "email", "file", "host", "iam", "network", "package", "process", "session", "threat", "web"), envelope=True)
EVENT_TYPE = _field("event.type", "keywords", "ECS types.", _ECS, shape=one_of("access", "admin", "allowed", "change", "connection", "creation", "deletion", "denied", "end", "error", "group", "info", "installation", "protocol", "start", "user"), envelope=True)
EVENT_ACTION = _field("event.action", "keyword", "What was done: the GenAI operation (execute_tool, chat, invoke_agent), an MCP method, or a name of our own (user_prompt, permission_mode_changed, stderr, unreadable).", _ECS, ocsf="activity_name", shape=ACTION, envelope=True)
EVENT_OUTCOME = _field("event.outcome", "keyword", "success, failure, or unknown (pending or never answered).", _ECS, ocsf="status_id", shape=one_of("success", "failure", "unknown"), envelope=True)
EVENT_DURATION = _field("event.duration", "long", "From request to response.", _ECS, unit="ns", ocsf="duration (ms)", envelope=True)
EVENT_REASON = _field("event.reason", "text", "Why it ended as it did, in words.", _ECS, ocsf="status_detail")
EVENT_SEQUENCE = _field("event.sequence", "long", "Order within the source where the source numbers its records.", _ECS, ocsf="metadata.sequence")
EVENT_DATASET = _field("event.dataset", "keyword", "Always agenttrail.audit.", _ECS, shape=one_of(DATASET), envelope=True)
DATA_STREAM_TYPE = _field("data_stream.type", "keyword", "Always logs.", _ECS, shape=one_of("logs"), envelope=True)
DATA_STREAM_DATASET = _field("data_stream.dataset", "keyword", "Always agenttrail.audit.", _ECS, shape=one_of(DATASET), envelope=True)
DATA_STREAM_NAMESPACE = _field("data_stream.namespace", "keyword", "Set by the operator; default where nothing is.", _ECS, shape=TOKEN, envelope=True)
MESSAGE = _field("message", "text", "The line or notification in words (stderr, log messages).", _ECS, ocsf="message")
LOG_LEVEL = _field("log.level", "keyword", "Severity as the source wrote it, lower case.", _ECS, ocsf="severity", shape=WORD)
LOG_LOGGER = _field("log.logger", "keyword", "Logger that wrote it.", _ECS, shape=TOKEN)
TAGS = _field("tags", "keywords", "Free marks set by the operator.", _ECS, shape=TOKEN)

# --- tracing -------------------------------------------------------------------------------------
TRACE_ID = _field("trace.id", "keyword", "W3C trace id.", _ECS, ocsf="trace.uid", shape=HEX, envelope=True)
SPAN_ID = _field("span.id", "keyword", "W3C span id.", _ECS, ocsf="trace.span.uid", shape=HEX, envelope=True)
SPAN_PARENT_ID = _field("agenttrail.span.parent.id", "keyword", "W3C id of the parent span.", _OWN, ocsf="trace.span.parent_uid", shape=HEX, envelope=True)

# --- agent, conversation, model ------------------------------------------------------------------
OPERATION_NAME = _field("gen_ai.operation.name", "keyword", "GenAI operation, execute_tool only for tool calls.", _GENAI, ecs="gen_ai.operation.name", ocsf="api.operation", shape=WORD, envelope=True)
PROVIDER_NAME = _field("gen_ai.provider.name", "keyword", "Model provider.", _GENAI, ecs="gen_ai.provider.name", ocsf="ai_model.ai_provider", shape=PROVIDER)
REQUEST_MODEL = _field("gen_ai.request.model", "keyword", "Model asked for.", _GENAI, ecs="gen_ai.request.model", ocsf="ai_model.name", shape=TOKEN)
REQUEST_MAX_TOKENS = _field("gen_ai.request.max_tokens", "long", "Most tokens the answer may have.", _GENAI, unit="{token}", ecs="gen_ai.request.max_tokens")
RESPONSE_MODEL = _field("gen_ai.response.model", "keyword", "Model that answered.", _GENAI, ecs="gen_ai.response.model", ocsf="ai_model.name", shape=TOKEN)
RESPONSE_ID = _field("gen_ai.response.id", "keyword", "Provider's id of the answer.", _GENAI, ecs="gen_ai.response.id", shape=TOKEN)
FINISH_REASONS = _field("gen_ai.response.finish_reasons", "keywords", "Why the model stopped.", _GENAI, ecs="gen_ai.response.finish_reasons", shape=WORD)
CONVERSATION_ID = _field("gen_ai.conversation.id", "keyword", "Session or thread id that the agent's own log gives.", _GENAI, ocsf="message_context.uid", shape=TOKEN)
CONVERSATION_COMPACTED = _field("gen_ai.conversation.compacted", "boolean", "Only true, where the context was compacted before this.", _GENAI)
AGENT_ID = _field("gen_ai.agent.id", "keyword", "Stable id of a hosted agent, never of an instance.", _GENAI, ecs="gen_ai.agent.id", ocsf="ai_agent.uid", shape=TOKEN)
AGENT_NAME = _field("gen_ai.agent.name", "keyword", "Agent's name.", _GENAI, ecs="gen_ai.agent.name", ocsf="ai_agent.name", shape=TOKEN)
AGENT_VERSION = _field("gen_ai.agent.version", "keyword", "Agent's version.", _GENAI, ocsf="ai_agent.version", shape=VERSION)
AGENT_DESCRIPTION = _field("gen_ai.agent.description", "text", "What the agent was started for.", _GENAI, ecs="gen_ai.agent.description")
AGENT_INSTANCE_ID = _field("agenttrail.agent.instance.id", "keyword", "One running instance (a sub-agent of a session, say).", _OWN, ocsf="ai_agent.instance_uid", shape=TOKEN)
AGENT_PARENT_ID = _field("agenttrail.agent.parent.id", "keyword", "Instance or session that started this agent.", _OWN, shape=TOKEN)
AGENT_TYPE = _field("agenttrail.agent.type", "keyword", "Kind of sub-agent as its runtime calls it.", _OWN, shape=TOKEN)
AGENT_SIDECHAIN = _field("agenttrail.agent.sidechain", "boolean", "True on the work of a sub-agent beside the main conversation.", _OWN)
TASK_ID = _field("agenttrail.task.id", "keyword", "Unit of work asked for by a person or a job.", _OWN, ocsf="metadata.correlation_uid", shape=TOKEN)
TASK_STATE = _field("agenttrail.task.state", "keyword", "On the event that begins or ends a task: started, completed, failed, or abandoned where it was cut off.", _OWN, shape=one_of("started", "completed", "failed", "abandoned"), envelope=True)
TASK_HUMAN = _field("agenttrail.task.human", "boolean", "Only true: with this event a person is asked or called in: the task is escalated.", _OWN, envelope=True)
TASK_ESCALATED = _field("agenttrail.task.escalated", "keyword", "How a task ended that a person was called into: on the event that makes both known, once a task.", _OWN, shape=one_of("completed", "failed", "abandoned"), envelope=True)
TASK_TOOL_CALLS = _field("agenttrail.task.tool_calls", "long", "Tool calls of the task so far, on the event that ends it.", _OWN, unit="{call}", envelope=True)
TASK_TOKENS = _field("agenttrail.task.tokens", "long", "Input and output tokens of the task so far, on the event that ends it.", _OWN, unit="{token}", envelope=True)
TASK_COST = _field("agenttrail.task.cost", "double", "Cost of the task so far, on the event that ends it.", _OWN, unit="agenttrail.cost.currency", envelope=True)
TURN_ID = _field("agenttrail.turn.id", "keyword", "One turn (prompt to final answer) where the source names it.", _OWN, shape=TOKEN)
HANDOFF_FROM = _field("agenttrail.handoff.from", "keyword", "Agent that handed over.", _OWN, shape=TOKEN)
HANDOFF_TO = _field("agenttrail.handoff.to", "keyword", "Agent that took over.", _OWN, shape=TOKEN)
INPUT_MESSAGES = _field("gen_ai.input.messages", "objects", "What the model or agent was told: OTel message objects of role and parts.", _GENAI, ecs="gen_ai.input.messages", ocsf="message_context.prompt_text")
OUTPUT_MESSAGES = _field("gen_ai.output.messages", "objects", "What the model answered: OTel message objects.", _GENAI, ecs="gen_ai.output.messages", ocsf="message_context.response_text")
SYSTEM_INSTRUCTIONS = _field("gen_ai.system_instructions", "objects", "System prompt as OTel parts.", _GENAI, ecs="gen_ai.system_instructions")
INPUT_TOKENS = _field("gen_ai.usage.input_tokens", "long", "All input tokens, cached ones included.", _GENAI, unit="{token}", ecs="gen_ai.usage.input_tokens", ocsf="message_context.prompt_tokens")
OUTPUT_TOKENS = _field("gen_ai.usage.output_tokens", "long", "All output tokens, reasoning included.", _GENAI, unit="{token}", ecs="gen_ai.usage.output_tokens", ocsf="message_context.completion_tokens")
CACHE_READ_TOKENS = _field("gen_ai.usage.cache_read.input_tokens", "long", "Input tokens read from a cache; part of input_tokens.", _GENAI, unit="{token}")
CACHE_WRITE_TOKENS = _field("gen_ai.usage.cache_write.input_tokens", "long", "Input tokens written to a cache; part of input_tokens.", _GENAI, unit="{token}")
CACHE_WRITE_1H_TOKENS = _field("agenttrail.usage.cache_write_1h.input_tokens", "long", "Of the tokens written to a cache those kept for an hour, which have a price of their own.", _OWN, unit="{token}")
REASONING_TOKENS = _field("gen_ai.usage.reasoning.output_tokens", "long", "Output tokens spent on reasoning; part of output_tokens.", _GENAI, unit="{token}")
COST_TOTAL = _field("agenttrail.cost.total", "double", "Money spent.", _OWN, unit="agenttrail.cost.currency")
COST_CURRENCY = _field("agenttrail.cost.currency", "keyword", "ISO 4217 code.", _OWN, shape=Shape(name="currency", pattern=re.compile("[A-Z]{3}")))
COST_SOURCE = _field("agenttrail.cost.source", "keyword", "reported by the source, or computed.", _OWN, shape=one_of("reported", "computed"))
COST_COMPUTED = _field("agenttrail.cost.computed", "double", "By the price table, where the source reported another cost.", _OWN, unit="agenttrail.cost.currency")
COST_PRICE_DATE = _field("agenttrail.cost.price.date", "keyword", "Day from which the price that was used holds.", _OWN, shape=Shape(name="day", pattern=re.compile(r"20\d\d-[01]\d-[0-3]\d")))
COST_FINDINGS = _field("agenttrail.cost.findings", "keywords", "differs_from_reported, no_price; no_rate where a budget in another currency could not count it.", _OWN, shape=one_of("differs_from_reported", "no_price", "no_rate"), envelope=True)
USAGE_ROLLUP = _field("agenttrail.usage.rollup", "boolean", "Only true: tokens and cost repeat those of children with events of their own; left out of sums.", _OWN, envelope=True)
BUDGET_NAMES = _field("agenttrail.budget.names", "keywords", "Budgets that passed a threshold with this event.", _OWN, shape=LABEL)
BUDGET_VERDICT = _field("agenttrail.budget.verdict", "keyword", "What the strictest of these thresholds asks for.", _OWN, shape=one_of("alert", "require_approval", "stop"), envelope=True)
BUDGET_USED = _field("agenttrail.budget.used", "double", "Share of that budget that is spent.", _OWN, unit="1", envelope=True)
EVALUATION_NAME = _field("gen_ai.evaluation.name", "keyword", "What was evaluated.", _GENAI, shape=WORD)
EVALUATION_SCORE = _field("gen_ai.evaluation.score.value", "double", "Score given.", _GENAI)
EVALUATION_LABEL = _field("gen_ai.evaluation.score.label", "keyword", "Label given.", _GENAI, shape=WORD)
EVALUATION_EXPLANATION = _field("gen_ai.evaluation.explanation", "text", "Why, in the evaluator's words.", _GENAI)

# --- tool ----------------------------------------------------------------------------------------
TOOL_NAME = _field("gen_ai.tool.name", "keyword", "Tool called. MCP names its characters: A-Z a-z 0-9 _ - . (MCP 2026-07-28, Tools).", _GENAI, ecs="gen_ai.tool.name", ocsf="api.operation", shape=Shape(name="tool name", pattern=re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}"), scan=True ))
TOOL_TYPE = _field("gen_ai.tool.type", "keyword", "function, extension or datastore.", _GENAI, ecs="gen_ai.tool.type", shape=WORD)
TOOL_DESCRIPTION = _field("gen_ai.tool.description", "text", "Tool's own description.", _GENAI)
TOOL_CALL_ID = _field("gen_ai.tool.call.id", "keyword", "Id of this call.", _GENAI, ecs="gen_ai.tool.call.id", ocsf="api.request.uid", shape=TOKEN)
TOOL_ARGUMENTS = _field("gen_ai.tool.call.arguments", "object", "Arguments; anything but an object stands under `value`.", _GENAI, ecs="gen_ai.tool.call.arguments", ocsf="api.request.data")
TOOL_RESULT = _field("gen_ai.tool.call.result", "object", "Result of a call that succeeded; anything but an object stands under `value`.", _GENAI, ecs="gen_ai.tool.call.result", ocsf="api.response.data")
TOOL_DEFINITIONS = _field("gen_ai.tool.definitions", "objects", "Tools as a server or a request listed them.", _GENAI, ecs="gen_ai.tool.definitions")
TOOL_ARGUMENTS_BYTES = _field("agenttrail.tool.arguments.bytes", "long", "Size of the arguments as JSON, before masking.", _OWN, unit="By", envelope=True)
TOOL_RESULT_BYTES = _field("agenttrail.tool.result.bytes", "long", "Size of the result as JSON, before masking.", _OWN, unit="By", envelope=True)
TOOL_READ_ONLY = _field("agenttrail.tool.annotations.read_only", "boolean", "readOnlyHint of tools/list: the server's own claim.", "MCP 2026-07-28", envelope=True)
TOOL_DESTRUCTIVE = _field("agenttrail.tool.annotations.destructive", "boolean", "destructiveHint of tools/list.", "MCP 2026-07-28", envelope=True)
TOOL_IDEMPOTENT = _field("agenttrail.tool.annotations.idempotent", "boolean", "idempotentHint of tools/list.", "MCP 2026-07-28", envelope=True)
TOOL_OPEN_WORLD = _field("agenttrail.tool.annotations.open_world", "boolean", "openWorldHint of tools/list.", "MCP 2026-07-28", envelope=True)
PROMPT_NAME = _field("gen_ai.prompt.name", "keyword", "Prompt template asked for.", _GENAI, shape=TOKEN)
SKILL_NAME = _field("gen_ai.skill.name", "keyword", "Skill used.", _GENAI, shape=TOKEN)
WORKFLOW_NAME = _field("gen_ai.workflow.name", "keyword", "Workflow run.", _GENAI, shape=TOKEN)
PROCESS_COMMAND_LINE = _field("process.command_line", "text", "Shell command that a tool ran.", _ECS, ocsf="process.cmd_line")
PROCESS_EXIT_CODE = _field("process.exit_code", "long", "Exit code of that command.", _ECS, ocsf="process.exit_code")
PROCESS_WORKING_DIRECTORY = _field("process.working_directory", "text", "Folder the agent worked in.", _ECS)

# --- MCP -----------------------------------------------------------------------------------------
MCP_METHOD = _field("mcp.method.name", "keyword", "MCP method.", _MCP, ocsf="api.operation", shape=METHOD, envelope=True)
MCP_SESSION_ID = _field("mcp.session.id", "keyword", "Session id (revisions up to 2025-11-25 only).", _MCP, ocsf="actor.session.uid", shape=TOKEN)
MCP_PROTOCOL_VERSION = _field("mcp.protocol.version", "keyword", "MCP revision spoken.", _MCP, ocsf="api.version", shape=Shape(name="MCP revision", pattern=re.compile(r"20\d{2}-\d{2}-\d{2}|DRAFT-[A-Za-z0-9-]{1,32}") ), envelope=True)
MCP_RESOURCE_URI = _field("mcp.resource.uri", "text", "Resource asked for.", _MCP, ocsf="resources[].uid")
MCP_MESSAGE_TYPE = _field("agenttrail.mcp.message.type", "keyword", "What the event was made of.", _OWN, shape=one_of("request", "notification", "response", "stderr", "text"), envelope=True)
MCP_DIRECTION = _field("agenttrail.mcp.direction", "keyword", "Who sent the request or notification: c2s is client to server.", _OWN, shape=one_of("c2s", "s2c", "stderr"), envelope=True)
MCP_SERVER_NAME = _field("agenttrail.mcp.server.name", "keyword", "Server's name: as configured where the log has it, else self-reported.", _OWN, ocsf="api.service.name", shape=TOKEN)
MCP_SERVER_VERSION = _field("agenttrail.mcp.server.version", "keyword", "Server's self-reported version.", _OWN, shape=VERSION)
MCP_CLIENT_NAME = _field("agenttrail.mcp.client.name", "keyword", "Client's self-reported name: not for security decisions.", _OWN, ocsf="message_context.application.name", shape=TOKEN)
MCP_CLIENT_VERSION = _field("agenttrail.mcp.client.version", "keyword", "Client's self-reported version.", _OWN, shape=VERSION)
MCP_RESULT_TYPE = _field("agenttrail.mcp.result_type", "keyword", "resultType: complete, input_required, task; absent means complete.", "MCP 2026-07-28", shape=WORD, envelope=True)
MCP_TASK_ID = _field("agenttrail.mcp.task.id", "keyword", "MCP task that the message belongs to.", "MCP 2026-07-28", shape=TOKEN)
MCP_TASK_STATUS = _field("agenttrail.mcp.task.status", "keyword", "working, input_required, completed, failed, cancelled.", "MCP 2026-07-28", shape=WORD, envelope=True)
MCP_REQUEST_STATE_HASH = _field("agenttrail.mcp.request_state.hash", "keyword", "SHA-256 (first 16 bytes) of requestState: links a retry to the call that asked for input.", _OWN, shape=HEX)
MCP_PARAMS = _field("agenttrail.mcp.params", "object", "Parameters of a message that is no tool call.", _OWN)
MCP_RESULT = _field("agenttrail.mcp.result", "object", "Result of a request that is no tool call, or of a failed one.", _OWN)
MCP_META = _field("agenttrail.mcp.meta", "object", "What _meta held beyond the fields that have names here.", _OWN)
MCP_HEADERS = _field("agenttrail.mcp.headers", "object", "HTTP headers of a Streamable HTTP exchange.", _OWN)
MCP_ELICITATION_ACTION = _field("agenttrail.mcp.elicitation.action", "keyword", "accept, decline or cancel.", "MCP 2026-07-28", shape=WORD, envelope=True)
JSONRPC_REQUEST_ID = _field("jsonrpc.request.id", "keyword", "JSON-RPC id as a string.", _MCP, ocsf="api.request.uid", shape=TOKEN)
JSONRPC_ID_TYPE = _field("agenttrail.jsonrpc.request.id_type", "keyword", 'Type of that id on the wire: 1 and "1" are two ids.', _OWN, shape=one_of("string", "number", "null"))
JSONRPC_VERSION = _field("jsonrpc.protocol.version", "keyword", "Only where it is not 2.0.", _OTEL, shape=VERSION)
RPC_STATUS_CODE = _field("rpc.response.status_code", "keyword", "JSON-RPC error code.", _OTEL, ocsf="api.response.code", shape=WORD, envelope=True)
ERROR_TYPE = _field("error.type", "keyword", "JSON-RPC code, tool_error, cancelled, no_response, or the source's own class of error.", _ECS, ocsf="api.response.error", shape=CLASS, envelope=True)
ERROR_MESSAGE = _field("error.message", "text", "Error in words.", _ECS, ocsf="api.response.error_message")
ERROR_CODE = _field("error.code", "keyword", "Source's own error code.", _ECS, shape=TOKEN)

# --- network -------------------------------------------------------------------------------------
NETWORK_TRANSPORT = _field("network.transport", "keyword", "pipe for stdio, tcp or quic for HTTP.", _ECS, shape=one_of("pipe", "tcp", "quic", "udp", "unix"), envelope=True)
NETWORK_PROTOCOL = _field("network.protocol.name", "keyword", "http, or absent on stdio.", _OTEL, shape=WORD)
HTTP_METHOD = _field("http.request.method", "keyword", "HTTP method.", _ECS, ocsf="http_request.http_method", shape=WORD)
HTTP_STATUS = _field("http.response.status_code", "long", "HTTP status.", _ECS, ocsf="http_response.code")
URL_FULL = _field("url.full", "text", "Address asked.", _ECS, ocsf="http_request.url.url_string")
SERVER_ADDRESS = _field("server.address", "keyword", "Host of the server.", _ECS, ocsf="dst_endpoint.hostname", privacy="text")
SERVER_PORT = _field("server.port", "long", "Port of the server.", _ECS, ocsf="dst_endpoint.port")
CLIENT_ADDRESS = _field("client.address", "keyword", "Address of the person's machine.", _ECS, ocsf="src_endpoint.ip", kind="IP_ADDRESS")
CLIENT_PORT = _field("client.port", "long", "Port of the client.", _ECS, ocsf="src_endpoint.port")

# --- people --------------------------------------------------------------------------------------
USER_ID = _field("user.id", "keyword", "Person or account behind the agent.", _ECS, ocsf="actor.user.uid", kind="USER_ID")
USER_NAME = _field("user.name", "keyword", "Login name.", _ECS, ocsf="actor.user.name", kind="USER_NAME")
USER_FULL_NAME = _field("user.full_name", "keyword", "Name.", _ECS, ocsf="actor.user.full_name", kind="PERSON")
USER_EMAIL = _field("user.email", "keyword", "E-mail address.", _ECS, ocsf="actor.user.email_addr", kind="EMAIL_ADDRESS")
USER_ROLES = _field("user.roles", "keywords", "Roles.", _ECS, shape=TOKEN)
USER_DEPARTMENT = _field("agenttrail.user.department", "keyword", "Department of the person.", _OWN, ocsf="actor.user.ldap_person.department")
ORGANIZATION_ID = _field("organization.id", "keyword", "Organisation.", _ECS, ocsf="actor.user.org.uid", shape=TOKEN)
ORGANIZATION_NAME = _field("organization.name", "keyword", "Organisation's name.", _ECS, ocsf="actor.user.org.name")

# --- approvals -----------------------------------------------------------------------------------
APPROVAL_OUTCOME = _field("agenttrail.approval.outcome", "keyword", "allow, deny, require_approval, expired.", _OWN, ocsf="disposition_id", shape=WORD, envelope=True)
APPROVAL_SOURCE = _field("agenttrail.approval.source", "keyword", "Who decided: user, config, hook, policy.", _OWN, shape=WORD, envelope=True)
APPROVAL_SCOPE = _field("agenttrail.approval.scope", "keyword", "once, session, always.", _OWN, shape=WORD, envelope=True)
APPROVAL_WAIT_MS = _field("agenttrail.approval.wait_ms", "long", "Time a person took to decide.", _OWN, unit="ms", envelope=True)
PERMISSION_MODE = _field("agenttrail.permission.mode", "keyword", "Mode that the agent ran in (Claude Code permissionMode, Codex approval_policy). It does not prove that a person was asked.", _OWN, shape=WORD, envelope=True)
PERMISSION_SANDBOX = _field("agenttrail.permission.sandbox", "keyword", "Sandbox that the agent ran in (Codex sandbox_policy).", _OWN, shape=WORD, envelope=True)

# --- whose agent, which rule, which decision ------------------------------------------------------
REGISTRY_AGENT_ID = _field("agenttrail.registry.agent.id", "keyword", "Agent's id in the agent registry.", _OWN, ocsf="ai_agent.uid", shape=TOKEN, envelope=True)
REGISTRY_OWNER = _field("agenttrail.registry.owner", "keyword", "Business owner by the registry.", _OWN, shape=LABEL)
REGISTRY_DEPARTMENT = _field("agenttrail.registry.department", "keyword", "Department that the agent works for.", _OWN, shape=LABEL)
REGISTRY_PURPOSE = _field("agenttrail.registry.purpose", "keyword", "What the agent is for.", _OWN, shape=LABEL)
REGISTRY_FINDINGS = _field("agenttrail.registry.findings", "keywords", "unregistered_agent, undeclared_server, undeclared_tool, category_not_allowed, past_deprecation, not_seen.", _OWN, shape=one_of("unregistered_agent", "undeclared_server", "undeclared_tool", "category_not_allowed", "past_deprecation", "not_seen"), envelope=True)
DATA_CATEGORIES = _field("agenttrail.data.categories", "keywords", "Categories of data that the event deals with, by registry and policy.", _OWN, shape=TOKEN)
RESOURCE_IDS = _field("agenttrail.resource.ids", "keywords", "Keyed hashes of the records that the call reads or changes: equal for equal records.", _OWN, shape=HEX, envelope=True)
POLICY_VERDICT = _field("agenttrail.policy.verdict", "keyword", "What policy asks of this call.", _OWN, ocsf="disposition_id", shape=one_of("automatic", "require_approval", "stop"), envelope=True)
POLICY_BASIS = _field("agenttrail.policy.basis", "keyword", "Kind of rule that decided: always, threshold, sampling, budget, stopped, default.", _OWN, shape=one_of("always", "threshold", "sampling", "budget", "stopped", "default"), envelope=True)
POLICY_RULES = _field("agenttrail.policy.rules", "keywords", "Names of the rules that matched, the one that decided first.", _OWN, ocsf="policy.name", shape=LABEL)
POLICY_VERSION = _field("agenttrail.policy.version", "keyword", "Version of the policy.", _OWN, ocsf="policy.version", shape=TOKEN, envelope=True)
POLICY_FINDINGS = _field("agenttrail.policy.findings", "keywords", "What of the call could not be judged, so that an approval is needed.", _OWN, shape=one_of("value_missing", "value_unreadable", "value_negative", "currency_missing", "currency_unknown", "key_missing"), envelope=True)
APPROVAL_ID = _field("agenttrail.approval.id", "keyword", "Links request, decision and execution.", _OWN, shape=TOKEN)
APPROVAL_STAGE = _field("agenttrail.approval.stage", "keyword", "request, decision or execution.", _OWN, shape=one_of("request", "decision", "execution"), envelope=True)
APPROVAL_ARGUMENTS_HASH = _field("agenttrail.approval.arguments.hash", "keyword", "Keyed hash of the arguments that the decision was about.", _OWN, shape=HEX, envelope=True)
APPROVAL_ARGUMENTS_GIVEN = _field("agenttrail.approval.arguments.given", "keyword", "Hash of the arguments that an approval system gave, for the enricher approvals. Replaced where that does not take it out: one without a key could be turned back.", _OWN, kind="ARGUMENTS_HASH")
APPROVAL_APPROVER = _field("agenttrail.approval.approver.id", "keyword", "Who decided.", _OWN, ocsf="actor.user.uid", kind="USER_ID")
APPROVAL_CHANNEL = _field("agenttrail.approval.channel", "keyword", "Escalation channel.", _OWN, shape=LABEL)
APPROVAL_TARGET_MS = _field("agenttrail.approval.target_ms", "long", "Response time that the channel promises.", _OWN, unit="ms", envelope=True)
APPROVAL_EXPIRES = _field("agenttrail.approval.expires", "date", "Until when the decision holds.", _OWN, shape=DATE, envelope=True)
APPROVAL_FINDINGS = _field("agenttrail.approval.findings", "keywords", "Marks of reconciliation.", _OWN, shape=one_of("executed_without_approval", "arguments_changed", "decision_reused", "executed_after_deny", "executed_after_expiry", "approved_by_owner", "approver_not_allowed", "decided_after_execution", "target_missed"), envelope=True)
APPROVAL_SETTLES = _field("agenttrail.approval.settles", "keywords", "On a request or a decision that was logged after executions that it was made before: their event ids; the findings here replace theirs.", _OWN, shape=MADE_ID, envelope=True)
CONTROL_ACTION = _field("agenttrail.control.action", "keyword", "An agent was stopped or started.", _OWN, shape=one_of("stop", "start"), envelope=True)
CONTROL_SCOPE = _field("agenttrail.control.scope", "keyword", "What was stopped or started, or for whose stop a call was refused.", _OWN, shape=one_of("agent", "tool", "server", "all", "department", "user", "task"), envelope=True)
CONTROL_TARGET = _field("agenttrail.control.target", "keyword", "Name of it.", _OWN, shape=TOKEN)
ANOMALY_NAME = _field("agenttrail.anomaly.name", "keyword", "Anomaly found by agenttrail itself, as its runbook is called.", _OWN, ocsf="finding_info.title", shape=Shape(name="slug", pattern=re.compile(r"[a-z]{2,20}(?:-[a-z]{1,20}){1,6}")), envelope=True)
ANOMALY_SEVERITY = _field("agenttrail.anomaly.severity", "keyword", "critical, high, medium, low.", _OWN, ocsf="severity", shape=one_of("critical", "high", "medium", "low"), envelope=True)
ANOMALY_EVIDENCE = _field("agenttrail.anomaly.evidence", "object", "Counts and ids that it rests on.", _OWN)

# --- about the record itself ---------------------------------------------------------------------
SCHEMA_VERSION_FIELD = _field("agenttrail.schema.version", "keyword", "Version of this record.", _OWN, shape=VERSION, envelope=True)
SCHEMA_GEN_AI = _field("agenttrail.schema.gen_ai_semconv", "keyword", "OTel GenAI conventions that it follows, by commit.", _OWN, shape=one_of(GEN_AI_SEMCONV), envelope=True)
SCHEMA_SEMCONV = _field("agenttrail.schema.semconv", "keyword", "OTel core conventions that it follows.", _OWN, shape=VERSION, envelope=True)
SOURCE_TYPE = _field("agenttrail.source.type", "keyword", "Source component: file, stdin, tap.", _OWN, shape=WORD, envelope=True)
SOURCE_FORMAT = _field("agenttrail.source.format", "keyword", "Format component that read it.", _OWN, ocsf="metadata.log_name", shape=WORD, envelope=True)
SOURCE_FILE = _field("agenttrail.source.file", "text", "File it was read from.", _OWN, ocsf="metadata.log_provider")
SOURCE_LINE = _field("agenttrail.source.line", "long", "First line it was made of, from 1.", _OWN, envelope=True)
SOURCE_LINES = _field("agenttrail.source.lines", "long", "How many lines it was made of.", _OWN, envelope=True)
SOURCE_BYTES = _field("agenttrail.source.bytes", "long", "Size of those lines.", _OWN, unit="By", envelope=True)
SOURCE_EVENT_TYPE = _field("agenttrail.source.event.type", "keyword", "Record type in the source's own words.", _OWN, shape=TOKEN)
SOURCE_EVENT_ID = _field("agenttrail.source.event.id", "keyword", "Record id in the source.", _OWN, shape=TOKEN)
SOURCE_PARENT_ID = _field("agenttrail.source.event.parent_id", "keyword", "Record id of its parent in the source.", _OWN, shape=TOKEN)
SOURCE_TIME = _field("agenttrail.source.time", "keyword", "Where @timestamp comes from: log, neighbour (the line before it), or read (the file's modification time, or the clock).", _OWN, shape=one_of("log", "neighbour", "read"), envelope=True)
SOURCE_TRUNCATED = _field("agenttrail.source.truncated", "boolean", "Only true: the writer or the size limit cut the line.", _OWN, envelope=True)
SOURCE_ERROR = _field("agenttrail.source.error", "keyword", "Why a line could not be read: not_json, not_utf8, too_long, bad_type and the like.", _OWN, shape=WORD, envelope=True)
SOURCE_RAW = _field("agenttrail.source.raw", "object", "What the source said beyond the fields above, masked; a line that is no object stands under `value`.", _OWN)
PII_MASKED = _field("agenttrail.pii.masked", "long", "Findings replaced.", _OWN, envelope=True)
PII_BY_TYPE = _field("agenttrail.pii.by_type", "counts", "Findings replaced, by entity.", _OWN, ocsf="metadata.data_classifications[].discovery_details[]", envelope=True)
PII_BY_OPERATOR = _field("agenttrail.pii.by_operator", "counts", "Findings by what became of them: replace, pseudonym, partial, encrypt, drop, keep.", _OWN, envelope=True)
PII_KEPT = _field("agenttrail.pii.kept", "counts", "Findings left as they are for a written reason, by entity; not in masked.", _OWN, envelope=True)
PII_UNMASKED = _field("agenttrail.pii.unmasked", "counts", "Values that a person decrypted, by entity (agenttrail unmask).", _OWN, envelope=True)
PII_POLICY = _field("agenttrail.pii.policy", "keyword", "Masking policy and its version.", _OWN, shape=TOKEN, envelope=True)
PII_FAILED = _field("agenttrail.pii.failed", "boolean", "Only true: masking failed, the content was left out.", _OWN, envelope=True)
PII_ERROR = _field("agenttrail.pii.error", "keyword", "Class of that failure.", _OWN, shape=WORD, envelope=True)
PII_REMOVED = _field("agenttrail.pii.removed", "long", "Fields left out because masking failed.", _OWN, envelope=True)
# fmt: on

# The same in every record.
CONSTANTS: dict[str, Any] = {
    ECS_VERSION_FIELD: ECS_VERSION,
    EVENT_DATASET: DATASET,
    DATA_STREAM_TYPE: "logs",
    DATA_STREAM_DATASET: DATASET,
    SCHEMA_VERSION_FIELD: SCHEMA_VERSION,
    SCHEMA_GEN_AI: GEN_AI_SEMCONV,
    SCHEMA_SEMCONV: SEMCONV,
}  # fmt: skip

REQUIRED = (
    TIMESTAMP, ECS_VERSION_FIELD, EVENT_ID, EVENT_KIND, EVENT_CATEGORY, EVENT_TYPE, EVENT_ACTION,
    EVENT_OUTCOME, EVENT_DATASET, DATA_STREAM_TYPE, DATA_STREAM_DATASET, DATA_STREAM_NAMESPACE,
    SCHEMA_VERSION_FIELD, SCHEMA_GEN_AI, SCHEMA_SEMCONV, SOURCE_TYPE, SOURCE_FORMAT, SOURCE_LINE,
    SOURCE_TIME, PII_MASKED, PII_POLICY,
)  # fmt: skip

_ORDER = {name: number for number, name in enumerate(FIELDS)}


def to_document(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The nested document of a flat map of dotted names, in the registry's order.

    Raises:
        KeyError: a name that is not in the registry.
    """
    places: list[dict[str, Any]] = [{}]
    for place, key, name in _layout(tuple(fields)):
        if name is None:
            below: dict[str, Any] = {}
            places[place][key] = below
            places.append(below)
        else:
            places[place][key] = fields[name]
    return places[0]


@lru_cache(4096)
def _layout(names: tuple[str, ...]) -> tuple[tuple[int, str, str | None], ...]:
    """How a document of these names is built: each step opens a place in another, or sets a field.

    Events of one kind have the same names, so that a layout serves many.
    """
    steps: list[tuple[int, str, str | None]] = []
    opened = {"": 0}
    for name in sorted(names, key=_ORDER.__getitem__):
        *parents, leaf = name.split(".")
        path = ""
        for parent in parents:
            above, path = opened[path], f"{path}.{parent}"
            if path not in opened:
                opened[path] = len(opened)
                steps.append((above, parent, None))
        steps.append((opened[path], leaf, name))
    return tuple(steps)


def from_document(document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The flat map of a nested document, and what of it the registry does not know.

    The second part is keyed by dotted paths; an object leaf of the registry is not descended into.
    """
    known: dict[str, Any] = {}
    unknown: dict[str, Any] = {}

    def walk(value: Mapping[str, Any], prefix: str) -> None:
        for key, item in value.items():
            name = prefix + key
            if name in FIELDS:
                known[name] = item
            elif isinstance(item, dict) and name in _PARENTS:
                walk(item, name + ".")
            else:
                unknown[name] = item

    walk(document, "")
    return known, unknown


_PARENTS = {
    ".".join(parts[:end])
    for parts in (name.split(".") for name in FIELDS)
    for end in range(1, len(parts))
}


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the canonical line. Unknown keys are refused at every level."""
    root: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"agenttrail audit event {SCHEMA_VERSION}",
    }
    _object(root)
    for field in FIELDS.values():
        *parents, leaf = field.name.split(".")
        place = root
        for parent in parents:
            place = place["properties"].setdefault(parent, _object({}))
        place["properties"][leaf] = _leaf_schema(field)
    for name in REQUIRED:
        place = root
        for part in name.split("."):
            if part not in place.setdefault("required", []):
                place["required"].append(part)
            place = place["properties"][part]
    return root


def _object(schema: dict[str, Any]) -> dict[str, Any]:
    schema.update(type="object", properties={}, additionalProperties=False)
    return schema


def _leaf_schema(field: Field) -> dict[str, Any]:
    unit = f" Unit: {field.unit}." if field.unit else ""
    described = {"description": f"{field.meaning}{unit} Source: {field.source}."}
    string = {"type": "string"}
    by_type: dict[Type, dict[str, Any]] = {
        "keyword": string,
        "text": string,
        "keywords": {"type": "array", "items": string},
        "date": {"type": "string", "format": "date-time", "pattern": f"^{DATE.pattern.pattern}$"},
        "long": {"type": "integer"},
        "double": {"type": "number"},
        "boolean": {"type": "boolean"},
        "object": {"type": "object"},
        "objects": {"type": "array", "items": {"type": "object"}},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
    }
    return described | by_type[field.type]
