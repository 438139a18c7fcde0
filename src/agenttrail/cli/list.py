"""`agenttrail list`: every component, by stage."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any


def add(verbs: Any) -> None:
    """Adds the verb."""
    parser = verbs.add_parser(
        "list",
        help="every component, by stage",
        description="Lists the components that a pipeline can be made of, with one sentence each.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the list to standard output."""
    from agenttrail import config

    stages = {
        stage: {name: _sentence(cls) for name, cls in sorted(config.members(union).items())}
        for stage, union in config.STAGES.items()
    }
    if arguments.json:
        sys.stdout.write(json.dumps(stages) + "\n")
        return 0
    width = max(len(name) for components in stages.values() for name in components)
    for stage, components in stages.items():
        sys.stdout.write(f"{stage}s\n")
        for name, sentence in components.items():
            sys.stdout.write(f"  {name:<{width}}  {sentence}\n")
    sys.stdout.write("\nagenttrail explain NAME shows what it does and its options\n")
    return 0


def _sentence(cls: type[Any]) -> str:
    return (cls.__doc__ or "").strip().split("\n")[0]
