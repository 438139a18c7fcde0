"""What masking in an agent's own process costs a span, beside the same exporter without it.

    python benchmarks/inprocess.py [--rounds 5] [--json]

The spans are those of tests/golden/otel (recorded from real instrumentations), over and over, each
time with other customers, so that what is said of a customer is new to the mask and the rest repeats
as it does in an agent. The exporter makes OTLP's protobuf of a batch and throws it away. CPU time of
the process for a batch, ways interleaved, minimum of the rounds; for the agent's own thread, its CPU
time from start to end of a span, under a BatchSpanProcessor.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from agenttrail import jsontext
from agenttrail.formats._otel_wire import Signal, signals
from agenttrail.masking import Masker
from agenttrail.otel import MaskingSpanExporter

GOLDEN = Path(__file__).parent.parent / "tests" / "golden" / "otel"
CASES = ("mcp_sdk", "openinference", "pydantic_ai", "genai_spans", "claude_code_spans", "mcp_spans")
BATCH = 512  # BatchSpanProcessor's default
_CUSTOMER = re.compile(r"(?<=m\.)thornbury|margaret(?=@)|(?<=555-0)1\d\d|\b1041\b")


class Encode(SpanExporter):
    """Encodes as the OTLP exporters do; sends nothing."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.bytes = len(encode_spans(spans).SerializeToString())
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


def recorded() -> list[Signal]:
    return [
        signal
        for case in CASES
        for line in (GOLDEN / f"{case}.in.jsonl").read_bytes().splitlines()
        for signal in signals(jsontext.loads(line))
    ]


def other(value: Any, number: int) -> Any:
    """The value of another customer."""
    if isinstance(value, str):
        return _CUSTOMER.sub(lambda m: f"1{number % 100:02d}" if len(m[0]) == 3 else f"{m[0]}{number}", value)  # fmt: skip
    if isinstance(value, dict):
        return {key: other(item, number) for key, item in value.items()}
    if isinstance(value, list):
        return [other(item, number) for item in value]
    return value


def spans(told: list[Signal], numbers: Iterator[int], count: int) -> list[ReadableSpan]:
    resources: dict[str, Resource] = {}
    made: list[ReadableSpan] = []
    while len(made) < count:
        number = next(numbers)
        for signal in told:
            resource = resources.setdefault(str(signal.resource), Resource(signal.resource))
            made.append(
                ReadableSpan(
                    name=other(signal.name, number),
                    context=SpanContext(number + 1, len(made) + 1, is_remote=False, trace_flags=TraceFlags(1)),
                    resource=resource,
                    attributes=other(signal.attributes, number),
                    events=[Event(e["name"], other(e["attributes"], number), e["time"]) for e in signal.events],
                    kind=SpanKind.INTERNAL,
                    status=Status(StatusCode.ERROR, other(signal.status_message, number)) if signal.failed else Status(),
                    start_time=signal.start,
                    end_time=signal.end,
                    instrumentation_scope=InstrumentationScope(signal.scope, signal.scope_version),
                )
            )  # fmt: skip
    return made[:count]


def agents_thread(exporter: SpanExporter, count: int = 1000) -> float:
    """Microseconds of the agent's own thread for a span."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=10_000))
    tracer = provider.get_tracer("agent")
    started = time.thread_time()
    for number in range(count):
        span = tracer.start_span("execute_tool find", attributes={"gen_ai.tool.name": "find"})
        span.set_attribute("gen_ai.tool.call.arguments", f'{{"email": "ann{number}@example.com"}}')
        span.end()
    used = time.thread_time() - started
    provider.shutdown()
    return used / count * 1e6


def main() -> None:
    """Prints a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    told = recorded()
    inner = Encode()
    ways: dict[str, SpanExporter] = {
        "without": inner,
        "fast": MaskingSpanExporter(inner, Masker(profile="fast")),
        "balanced": MaskingSpanExporter(inner, Masker(profile="balanced")),
    }
    numbers = iter(range(10**9))
    batches: dict[str, list[float]] = {name: [] for name in ways}
    threads: dict[str, list[float]] = {name: [] for name in ways}
    for exporter in ways.values():  # what does not depend on a customer is known in a running agent
        exporter.export(spans(told, numbers, len(told)))
    for _ in range(arguments.rounds):
        for name, exporter in ways.items():
            batch = spans(told, numbers, BATCH)
            started = time.process_time()
            exporter.export(batch)
            batches[name].append((time.process_time() - started) / BATCH * 1e6)
            threads[name].append(agents_thread(exporter))
    size = (encode_spans(spans(told, numbers, BATCH)).ByteSize()) // BATCH
    figures = {
        "bytes_per_span": size,
        "cpu_us_per_span": {name: round(min(runs)) for name, runs in batches.items()},
        "agents_thread_us_per_span": {name: round(min(runs), 1) for name, runs in threads.items()},
    }
    if arguments.json:
        print(json.dumps(figures))
        return
    print(f"{len(told)} recorded spans, {size} bytes of OTLP each; minimum of {arguments.rounds}")
    print(f"  {'':<10} {'CPU us a span':>14} {'agent thread us':>16}")
    for name in ways:
        print(f"  {name:<10} {min(batches[name]):>14.0f} {min(threads[name]):>16.1f}")


if __name__ == "__main__":
    main()
