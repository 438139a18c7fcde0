"""`agenttrail schema`: the JSON Schema of an event line, or of a pipeline file."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any


def add(verbs: Any) -> None:
    """Adds the verb."""
    parser = verbs.add_parser(
        "schema",
        help="the JSON Schema of an event line or of a pipeline file",
        description="Prints the JSON Schema (2020-12) of the canonical event line, or of a pipeline file for your editor.",
    )
    parser.add_argument("what", choices=("event", "pipeline"), help="which schema")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints to standard output."""
    from agenttrail import config, fields

    schema = fields.json_schema() if arguments.what == "event" else config.json_schema()
    sys.stdout.write(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
    return 0
