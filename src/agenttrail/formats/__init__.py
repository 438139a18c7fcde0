"""Stage 2: meaning. A format makes events of records; the same records give the same events."""

from agenttrail.formats.agenttrail import AgenttrailOptions
from agenttrail.formats.approvals import ApprovalsOptions
from agenttrail.formats.auto import AutoOptions
from agenttrail.formats.claude_code import ClaudeCodeOptions
from agenttrail.formats.claude_desktop import ClaudeDesktopOptions
from agenttrail.formats.codex import CodexOptions
from agenttrail.formats.evaluations import EvaluationsOptions
from agenttrail.formats.jsonl import JsonlOptions
from agenttrail.formats.mcp_jsonrpc import McpJsonrpcOptions
from agenttrail.formats.mcp_wire import McpWireOptions
from agenttrail.formats.otel import OtelOptions

FormatOptions = (
    AutoOptions
    | AgenttrailOptions
    | ApprovalsOptions
    | ClaudeCodeOptions
    | ClaudeDesktopOptions
    | CodexOptions
    | EvaluationsOptions
    | JsonlOptions
    | McpJsonrpcOptions
    | McpWireOptions
    | OtelOptions
)
