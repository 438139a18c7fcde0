"""What is known of attribute names: those of `fields.py`, and those that OTel and vendors write.

Unknown names are searched as text, so this table makes masks better, not safe: it says which values
are a person's by nature (replaced whole), and which are a machine's while they have their shape
(searched by patterns only, since the language model sees names in identifiers).

Source: OTel semantic conventions 1.44.0; OTel GenAI and MCP at e07f4eba; OpenInference semantic
conventions 0.1; Claude Code, Codex and Gemini CLI as they write in November 2026. `*` stands for an
index: `llm.input_messages.0.message.role`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from agenttrail import fields as f
from agenttrail import shapes


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How the value of a known attribute is masked.

    With `kind` it is replaced whole; with `shape` it is left alone while it fits; numbers stay
    where `is_number`; everything else is searched. `envelope` admits it where masking failed.
    """

    kind: str = ""
    shape: shapes.Shape | None = None
    is_number: bool = False
    is_object: bool = False
    envelope: bool = False


_INDEX = re.compile(r"\.\d{1,6}(?=\.|\Z)")
_LONGEST = 150


@lru_cache(8192)
def policy_of(name: str) -> Policy | None:
    """The policy of a known attribute; None for an unknown one."""
    if len(name) > _LONGEST:
        return None
    known = _POLICIES.get(name)
    return known if known is not None else _POLICIES.get(_INDEX.sub(".*", name))


def _of(field: f.Field) -> Policy:
    return Policy(
        kind=field.kind,
        # Labels are of files of whoever runs agenttrail; what a program writes there is searched.
        shape=field.shape
        if field.privacy == "structural" and field.shape is not shapes.LABEL
        else None,
        is_number=field.type in ("long", "double", "boolean"),
        is_object=field.type in ("object", "objects", "counts"),
        envelope=field.envelope,
    )


_POLICIES: dict[str, Policy] = {name: _of(field) for name, field in f.FIELDS.items()}


def _add(names: str, **policy: object) -> None:
    for name in names.split():
        _POLICIES.setdefault(name, Policy(**policy))  # type: ignore[arg-type]


# --- people ---------------------------------------------------------------------------------------
_add(
    "enduser.id enduser.pseudo.id user.hash user.account_id user.account_uuid gen_ai.user.id llm.user"
    " langfuse.user.id langsmith.user.id traceloop.association.properties.user_id jwt.sub"
    " traceloop.association.properties.userid ai.telemetry.metadata.userid mlflow.user",
    kind="USER_ID",
)
_add(
    "process.owner process.user.name process.real_user.name db.user os.user.name", kind="USER_NAME"
)
_add(
    "source.address network.peer.address network.local.address net.peer.ip net.host.ip net.sock.peer.addr"
    " net.sock.host.addr http.client_ip host.ip host.ip.* client.socket.address",
    kind="IP_ADDRESS",
)
_add("host.mac", kind="MAC_ADDRESS")
_add("geo.location.lat geo.location.lon geo.postal_code geo.locality.name", kind="LOCATION")
_add("host.name host.id net.host.name net.peer.name device.id")

# --- machines -------------------------------------------------------------------------------------
_add(
    "service.name service.namespace service.instance.id telemetry.distro.name otel.scope.name otel.library.name"
    " deployment.environment deployment.environment.name process.runtime.name process.executable.name"
    " container.id container.runtime container.image.name k8s.namespace.name k8s.pod.name k8s.pod.uid k8s.node.name"
    " k8s.container.name k8s.deployment.name k8s.cluster.name cloud.provider cloud.region cloud.platform"
    " cloud.availability_zone faas.name faas.instance rpc.system rpc.service rpc.method rpc.grpc.status_code"
    " messaging.system messaging.operation.name db.system db.system.name db.operation.name db.collection.name"
    " code.function code.function.name code.namespace thread.name session.id session.previous_id"
    " gen_ai.request.model gen_ai.system llm.model_name llm.system llm.provider embedding.model_name reranker.model_name"
    " gen_ai.tool.call_id gen_ai.response.service_tier gen_ai.openai.request.service_tier"
    " gen_ai.openai.response.system_fingerprint gen_ai.data_source.id gen_ai.main_agent.id"
    " gen_ai.main_agent.name gen_ai.skill.resource.name gen_ai.evaluation.name"
    " tool.id tool_call.id agent.name graph.node.id graph.node.parent_id mcp.tool.name mcp.server.name"
    " mcp.server.type mcp.client.name mcp.resource.name mcp.prompt.name mcp.request.id rpc.request.id"
    " llm.input_messages.*.message.tool_calls.*.tool_call.id llm.output_messages.*.message.tool_calls.*.tool_call.id"
    " llm.input_messages.*.message.tool_call_id llm.output_messages.*.message.tool_call_id"
    " tool_use_id call_id prompt_id prompt.id request_id conversation.id client_request_id"
    " model model_name agent_id parent_agent_id installation.id organization.id",
    shape=shapes.TOKEN,
)
_add(
    "tool.name tool_name function_name mcp_tool_name mcp_server_name agent_name skill.name skill_name"
    " llm.input_messages.*.message.tool_calls.*.tool_call.function.name"
    " llm.output_messages.*.message.tool_calls.*.tool_call.function.name"
    " llm.input_messages.*.message.name llm.output_messages.*.message.name",
    shape=f.FIELDS[f.TOOL_NAME].shape,
)
_add(
    "service.version telemetry.distro.version process.runtime.version os.version app.version"
    " mcp.server.version mcp.client.version otel.scope.version otel.library.version network.protocol.version",
    shape=shapes.VERSION,
)
_add(
    "os.type host.arch url.scheme http.scheme http.method http.flavor db.operation"
    " llm.input_messages.*.message.role llm.output_messages.*.message.role"
    " llm.input_messages.*.message.contents.*.message_content.type"
    " llm.output_messages.*.message.contents.*.message_content.type"
    " llm.output_messages.*.message.finish_reason gen_ai.output.type gen_ai.token.type gen_ai.evaluation.score.label"
    " event.name event.kind decision source decision_source decision_type tool_type terminal.type auth_mode"
    " active_approval_mode query_source speed effort log.iostream messaging.operation.type error_type"
    " mcp_server_scope approval_mode",
    shape=shapes.ACTION,
)
_add("exception.type", shape=shapes.CLASS, envelope=True)
_add(
    "telemetry.sdk.language telemetry.sdk.name otel.status_code gen_ai.operation.name network.type span.kind",
    shape=shapes.WORD, envelope=True,
)  # fmt: skip
_add("telemetry.sdk.version", shape=shapes.VERSION)
_add(
    "openinference.span.kind",
    shape=shapes.one_of(
        *("LLM", "EMBEDDING", "CHAIN", "RETRIEVER", "RERANKER", "TOOL", "AGENT", "GUARDRAIL"),
        *("EVALUATOR", "PROMPT", "DECISION", "UNKNOWN"),
    ),
    envelope=True,
)
_add(
    "input.mime_type output.mime_type http.request.header.content-type http.response.header.content-type",
    shape=shapes.Shape(name="media type", pattern=re.compile(r"(?:application|text|image|audio|video|multipart)/[a-z0-9.+-]{1,60}(?:; ?charset=[A-Za-z0-9-]{1,20})?")),
    envelope=True,
)  # fmt: skip
_add(
    "http.status_code http.request.body.size http.response.body.size http.request.resend_count"
    " gen_ai.request.temperature gen_ai.request.top_p gen_ai.request.top_k gen_ai.request.frequency_penalty"
    " gen_ai.request.presence_penalty gen_ai.request.seed gen_ai.request.choice.count gen_ai.usage.prompt_tokens"
    " gen_ai.usage.completion_tokens gen_ai.usage.total_tokens gen_ai.usage.cache_creation.input_tokens"
    " gen_ai.usage.cache_creation_input_tokens gen_ai.usage.cache_read_input_tokens gen_ai.usage.cached_tokens"
    " gen_ai.usage.reasoning_tokens gen_ai.evaluation.score.value gen_ai.client.operation.duration"
    " llm.token_count.prompt llm.token_count.completion llm.token_count.total"
    " llm.token_count.prompt_details.cache_read llm.token_count.prompt_details.cache_write"
    " llm.token_count.prompt_details.audio llm.token_count.completion_details.reasoning"
    " llm.token_count.completion_details.audio llm.cost.prompt llm.cost.completion llm.cost.total"
    " process.pid process.parent_pid thread.id code.line.number code.lineno exception.escaped"
    " duration_ms duration input_tokens output_tokens cache_read_tokens cache_creation_tokens cost_usd"
    " input_token_count output_token_count cached_token_count cached_content_token_count reasoning_token_count"
    " thoughts_token_count tool_token_count total_token_count tool_input_size_bytes tool_result_size_bytes"
    " prompt_length event.sequence success attempt status_code",
    is_number=True, envelope=True,
)  # fmt: skip

# Beginnings of known names: where an object may hold one.
PARENTS = frozenset(
    name.rsplit(".", cut)[0] for name in _POLICIES for cut in range(1, name.count(".") + 1)
)
