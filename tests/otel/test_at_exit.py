"""A process that ends without a word still exports what it has, masked, and ends in peace."""

from __future__ import annotations

import subprocess
import sys

import pytest

SPANS = """
import sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

# The provider comes first, as in everybody's set-up: its exit handler runs last.
provider = TracerProvider()

class Print(SpanExporter):
    def export(self, spans):
        for span in spans:
            sys.stdout.write(f"{span.attributes['note']}\\n")
        sys.stdout.flush()
        return SpanExportResult.SUCCESS
    def shutdown(self):
        pass

from agenttrail.otel import MaskingSpanExporter
provider.add_span_processor(BatchSpanProcessor(MaskingSpanExporter(Print()), schedule_delay_millis=50))
tracer = provider.get_tracer("desk")
for n in range(200):
    tracer.start_span("s", attributes={"note": f"call {n} ann{n}@example.com and John Smith please"}).end()
"""
LOGS = """
import atexit, logging, sys

log = logging.getLogger("desk")
for n in range(20):
    atexit.register(log.warning, "call %s ann%s@example.com and John Smith please", n, n)
from agenttrail.logging import MaskingHandler
log.addHandler(MaskingHandler(logging.StreamHandler(sys.stdout)))
"""


@pytest.mark.parametrize("program, lines", [(SPANS, 200), (LOGS, 20)], ids=["spans", "logs"])
def test_what_is_left_at_exit_leaves_masked(program, lines):
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.stderr == ""
    assert done.returncode == 0
    said = done.stdout.splitlines()
    assert sorted(said) == sorted(
        f"call {n} <EMAIL_ADDRESS> and <PERSON> please" for n in range(lines)
    )
