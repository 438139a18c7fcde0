"""Every format turns its golden inputs into exactly the events beside them.

A case is `tests/golden/<format>/<case>.in.*` with `<case>.out.jsonl` and, where the format is not to
run with its defaults, `<case>.options.json`. `AGENTTRAIL_REWRITE_GOLDEN=1` writes the outputs anew;
it is refused where CI is set.
"""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from agenttrail import fields as f
from agenttrail import jsontext, seams, testing

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = sorted(GOLDEN.glob("*/*.in.*"))
REWRITE = os.environ.get("AGENTTRAIL_REWRITE_GOLDEN") == "1"
SCHEMA = jsonschema.Draft202012Validator(f.json_schema())


def build(format_id: str, options: dict[str, Any]) -> seams.Format:
    module = importlib.import_module(f"agenttrail.formats.{format_id}")
    name = "".join(word.capitalize() for word in format_id.split("_")) + "Options"
    return getattr(module, name)(**options).build()


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().removesuffix(b"\n").split(b"\n")


def run(form: seams.Format, records: list[seams.Record]) -> tuple[list[seams.Event], int]:
    """All events of these records in order, and how many records were dropped."""
    events: list[seams.Event] = []
    dropped = 0
    for record in records:
        try:
            given = list(form(record))
        except seams.Drop:
            dropped += 1
            continue
        dropped += sum(not isinstance(item, seams.Event) for item in given)
        events += [item for item in given if isinstance(item, seams.Event)]
    for stream in dict.fromkeys(record.stream for record in records):
        given = list(form.end(stream))
        dropped += sum(not isinstance(item, seams.Event) for item in given)
        events += [item for item in given if isinstance(item, seams.Event)]
    return events, dropped


def document(event: seams.Event) -> dict[str, Any]:
    return f.to_document(event.fields)


@pytest.mark.parametrize("case", CASES, ids=[f"{c.parent.name}/{c.name}" for c in CASES])
def test_input_gives_the_golden_events(case: Path) -> None:
    """The events of a golden input, as canonical lines, equal the golden output line by line."""
    stem = case.name.split(".in.")[0]
    options_file = case.with_name(f"{stem}.options.json")
    options = json.loads(options_file.read_text()) if options_file.exists() else {}
    records = testing.records(*lines_of(case), path=f"{case.parent.name}/{case.name}", stream=stem)
    events, dropped = run(build(case.parent.name, options), records)
    for event in events:
        masked = {**event.fields, f.PII_MASKED: 0, f.PII_POLICY: "test"}
        SCHEMA.validate(json.loads(jsontext.dumps(f.to_document(masked))))
    ids = [event.fields[f.EVENT_ID] for event in events]
    assert len(set(ids)) == len(ids), "two events have one id"
    accounted = {origin.line for event in events for origin in event.origins}
    assert len(accounted) + dropped == len(records), "a line is in no event and not dropped"
    got = [jsontext.dumps(document(event)) for event in events]
    out = case.with_name(f"{stem}.out.jsonl")
    if REWRITE:
        assert not os.environ.get("CI"), "golden outputs are never rewritten in CI"
        out.write_bytes(b"".join(line + b"\n" for line in got))
    assert out.exists(), (
        f"create {out.name}: run once with AGENTTRAIL_REWRITE_GOLDEN=1, then read it"
    )
    assert got == lines_of(out)


def test_every_golden_output_has_its_input() -> None:
    """An output whose input was renamed would never be compared again."""
    orphans = [
        out.name
        for out in GOLDEN.glob("*/*.out.jsonl")
        if not list(out.parent.glob(out.name.replace(".out.jsonl", ".in.*")))
    ]
    assert orphans == []
