"""`agenttrail check`: all problems of a pipeline file, then every sink."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from agenttrail.errors import AgenttrailError


def add(verbs: Any) -> None:
    """Adds the verb."""
    parser = verbs.add_parser(
        "check",
        help="all problems of a pipeline file, then every sink",
        description="Reads a pipeline file and reports everything that is wrong with it at once; then builds every part and asks every sink whether it can be used. Reads no log and delivers nothing.",
    )
    parser.add_argument("config", metavar="FILE", help="pipeline file")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 where the pipeline could run, 1 where a part cannot be used, 2 for a wrong file."""
    from agenttrail import config
    from agenttrail.cli._run import attempt
    from agenttrail.sources.tap import TapOptions

    options = config.load(arguments.config)
    parts: list[tuple[str, Any]] = [
        *((f"source {o.type}", o) for o in options.sources),
        (f"format {options.format.type}", options.format),
        *((f"enricher {o.type}", o) for o in options.enrichers),
        (f"mask {options.mask.type}", options.mask),
        *((f"sink {o.type}", o) for o in options.sinks),
    ]
    results: list[dict[str, Any]] = []
    for name, part in parts:
        result: dict[str, Any] = {"part": name, "ok": True}
        stage = name.split()[0]
        if isinstance(part, TapOptions):  # nothing to build until a client has started it
            results.append(result)
            continue
        try:
            built = attempt(stage, part.type, part.build)
            if stage == "sink":
                attempt(stage, part.type, built.check)
                built.close()
        except AgenttrailError as error:
            result |= {"ok": False, "problem": error.message, "try": error.hint}
        results.append(result)
    good = all(result["ok"] for result in results)
    if arguments.json:
        sys.stdout.write(json.dumps({"ok": good, "parts": results}) + "\n")
    for result in results:
        sys.stderr.write(f"{'ok     ' if result['ok'] else 'PROBLEM'} {result['part']}\n")
        if not result["ok"]:
            sys.stderr.write(f"        {result['problem']}\n")
            if result["try"]:
                sys.stderr.write(f"        try: {result['try']}\n")
    return 0 if good else 1
