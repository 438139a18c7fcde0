"""Real agents under real instrumentations, offline: models that say what a script says.

Each function runs one agent whose spans go to the provider that is given. All personal data in it
is made up: `PLANTED` says what must not be found in what leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import TracerProvider

SERVER = Path(__file__).parent / "_server.py"
NAME = "Margaret Thornbury"
MAIL = "m.thornbury@example.com"
PHONE = "+1 202-555-0143"
CARD = "4111 1111 1111 1111"
PLANTED = (MAIL, PHONE, CARD)
CUSTOMER = {"number": 1041, "name": NAME, "email": MAIL, "phone": PHONE, "card": CARD}
ASK = f"Refund {NAME}, {MAIL}, who rang from {PHONE}"


async def mcp_client(provider: TracerProvider, environment: dict[str, str] | None = None) -> None:
    """An MCP client that talks to a real server over stdio; the SDK makes the spans itself."""
    from mcp import Client, MCPError, StdioServerParameters
    from mcp.client.stdio import stdio_client
    from mcp.shared import _otel

    tracer, _otel._tracer = _otel._tracer, provider.get_tracer("mcp-python-sdk")
    try:
        server = StdioServerParameters(
            command=sys.executable, args=[str(SERVER)], env=environment or {}
        )
        with (
            open(os.devnull, "w") as quiet,
            provider.get_tracer("agent").start_as_current_span("turn"),
        ):
            # Its default is the standard error of the moment it was imported in.
            async with Client(stdio_client(server, errlog=quiet)) as client:
                await client.list_tools()
                await client.call_tool("find_customer", {"email": MAIL})
                await client.call_tool("refund", {"email": MAIL, "card": CARD})
                with contextlib.suppress(MCPError):
                    await client.read_resource(f"desk://customers/{MAIL}")
    finally:
        _otel._tracer = tracer


def openai_agents(provider: TracerProvider) -> None:
    """The OpenAI Agents SDK under openinference-instrumentation-openai-agents: tool, handoff, failure."""
    from agents import Agent, ModelResponse, Runner, Usage, UserError, function_tool, handoff
    from agents.models.interface import Model
    from openai.types.responses import (
        ResponseFunctionToolCall,
        ResponseOutputMessage,
        ResponseOutputText,
    )
    from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor

    def call(name: str, arguments: dict[str, Any], number: int) -> ResponseFunctionToolCall:
        return ResponseFunctionToolCall(
            call_id=f"call_desk{number:04d}", name=name, type="function_call",
            arguments=json.dumps(arguments),
        )  # fmt: skip

    def says(text: str) -> ResponseOutputMessage:
        part = ResponseOutputText(text=text, type="output_text", annotations=[])
        return ResponseOutputMessage(
            id="msg_desk0001", content=[part], role="assistant", status="completed", type="message"
        )

    class Script(Model):
        def __init__(self, *turns: Any) -> None:
            self.turns = list(turns)

        async def get_response(self, *args: Any, **more: Any) -> ModelResponse:
            output = [self.turns.pop(0)]
            usage = Usage(requests=1, input_tokens=21, output_tokens=5, total_tokens=26)
            return ModelResponse(output=output, usage=usage, response_id="resp_desk0001")

        def stream_response(self, *args: Any, **more: Any) -> Any:
            raise NotImplementedError

    @function_tool
    def find_customer(email: str) -> str:
        """Finds a customer by e-mail address."""
        return json.dumps(CUSTOMER | {"asked": email})

    @function_tool(failure_error_function=None)
    def refund(email: str, card: str) -> str:
        """Pays money back."""
        raise RuntimeError(f"no refund to {card} of {email}")

    refunds = Agent(
        name="refunds", tools=[refund],
        model=Script(call("refund", {"email": MAIL, "card": CARD}, 3), says("never said")),
    )  # fmt: skip
    desk = Agent(
        name="desk", instructions=f"Help {NAME}.", tools=[find_customer], handoffs=[handoff(refunds)],
        model=Script(call("find_customer", {"email": MAIL}, 1), call("transfer_to_refunds", {}, 2)),
    )  # fmt: skip
    instrumentor = OpenAIAgentsInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        with contextlib.suppress(UserError):  # the tool fails on purpose
            asyncio.run(Runner.run(desk, ASK))
    finally:
        instrumentor.uninstrument()


def pydantic_ai(provider: TracerProvider, version: int = 5) -> None:
    """A pydantic-ai agent with its own instrumentation and a model that is a function."""
    from pydantic_ai import Agent
    from pydantic_ai.capabilities import Instrumentation
    from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
    from pydantic_ai.models.function import AgentInfo, FunctionModel
    from pydantic_ai.models.instrumented import InstrumentationSettings
    from pydantic_ai.usage import RequestUsage

    def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if len(messages) == 1:
            parts: Any = [ToolCallPart("find_customer", {"email": MAIL}, "call_desk0004")]
        else:
            parts = [TextPart(f"{NAME} is reached at {PHONE}")]
        usage = RequestUsage(input_tokens=50, output_tokens=7, cache_read_tokens=20)
        return ModelResponse(parts=parts, usage=usage)

    settings = InstrumentationSettings(tracer_provider=provider, version=version)  # type: ignore[arg-type]
    agent = Agent(
        FunctionModel(model, model_name="desk-model"), name="desk",
        instructions=f"Help {NAME}.", capabilities=[Instrumentation(settings=settings)],
    )  # fmt: skip

    @agent.tool_plain
    def find_customer(email: str) -> dict[str, Any]:
        """Finds a customer."""
        return CUSTOMER | {"asked": email}

    asyncio.run(agent.run(ASK))


def run_mcp_client(provider: TracerProvider, environment: dict[str, str] | None = None) -> None:
    asyncio.run(mcp_client(provider, environment))
