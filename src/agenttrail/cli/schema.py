"""`agenttrail schema`: the JSON Schema of an event line, or of a file that people write."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any


def add(verbs: Any) -> None:
    """Adds the verb."""
    parser = verbs.add_parser(
        "schema",
        help="the JSON Schema of an event line, or of a pipeline, registry or policy file",
        description="Prints the JSON Schema (2020-12) of the canonical event line, or of a pipeline file, an agent registry or a policy for your editor.",
    )
    parser.add_argument(
        "what", choices=("event", "pipeline", "agents", "policy"), help="which schema"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints to standard output."""
    from agenttrail import config, fields
    from agenttrail.governance import policy, registry

    schemas = {
        "event": fields.json_schema,
        "pipeline": config.json_schema,
        "agents": registry.json_schema,
        "policy": policy.json_schema,
    }
    schema = schemas[arguments.what]()
    sys.stdout.write(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
    return 0
