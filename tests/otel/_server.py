"""A real MCP server on stdio; with AGENT_OTLP set its own spans go there."""

from __future__ import annotations

import os

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("desk", version="1.0")


@server.tool()
def find_customer(email: str) -> dict[str, str]:
    """Finds a customer."""
    return {"name": "Margaret Thornbury", "email": email, "phone": "+1 202-555-0143"}


@server.tool()
def refund(email: str, card: str) -> str:
    """Pays money back."""
    raise ToolError(f"no refund to {card} of {email}")


if __name__ == "__main__":
    provider = None
    if os.environ.get("AGENT_OTLP"):
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(os.environ["AGENT_OTLP"])))
        trace.set_tracer_provider(provider)
    server.run("stdio")
    if provider is not None:
        provider.shutdown()
