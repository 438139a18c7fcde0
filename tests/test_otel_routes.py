"""OTLP by any way is the same: a file of exports, or the server's lines, give the same events."""

from __future__ import annotations

from pathlib import Path

import pytest

from agenttrail import fields as f
from agenttrail import jsontext, testing
from agenttrail.formats.otel import OtelOptions
from agenttrail.seams import Export
from agenttrail.sources._otlp_decode import parse
from agenttrail.sources._otlp_json import lines

GOLDEN = Path(__file__).parent / "golden" / "otel"
# What a record is and where it came from differs by way.
WAY = frozenset({f.SOURCE_LINE, f.SOURCE_LINES, f.SOURCE_BYTES, f.SOURCE_TRUNCATED})
EXPORTS = [
    pytest.param(line, id=f"{path.name.split('.')[0]}-{number}")
    for path in sorted(GOLDEN.glob("*.in.jsonl"))
    for number, line in enumerate(path.read_bytes().splitlines(), 1)
    if line.startswith((b'{"resourceSpans":[{', b'{"resourceLogs":[{')) and line.endswith(b"}")
]


@pytest.mark.parametrize("line", EXPORTS)
def test_a_line_of_a_file_and_the_same_export_over_the_wire_are_the_same_events(line):
    whole = list(OtelOptions().build()(testing.records(line)[0]))
    kind = "logs" if b"resourceLogs" in line[:20] else "traces"
    export = Export(kind, parse(kind, line, as_json=True), len(line))
    form = OtelOptions().build()
    alone = sorted_by_end(list(lines(export)))
    single = [event for record in testing.records(*alone) for event in form(record)]
    assert len(whole) == len(single) > 0
    for one, other in zip(whole, single, strict=True):
        assert {k: v for k, v in one.fields.items() if k not in WAY} == {
            k: v for k, v in other.fields.items() if k not in WAY
        }


def sorted_by_end(found: list[bytes]) -> list[bytes]:
    """As the format takes the signals of one export: parts before wholes."""

    def end(line: bytes) -> int:
        data = jsontext.loads(line)
        item = data[data["kind"]]
        return int(item.get("endTimeUnixNano") or item.get("timeUnixNano") or 0)

    return sorted(found, key=end)
