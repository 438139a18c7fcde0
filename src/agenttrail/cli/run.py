"""`agenttrail run`: read logs, mask them, deliver them."""

from __future__ import annotations

import argparse
from typing import Any

from agenttrail.cli._collector import uncollected
from agenttrail.errors import UsageError


def add(verbs: Any) -> None:
    """Adds the verb."""
    from agenttrail.cli._options import add_format, add_output, add_profile

    parser = verbs.add_parser(
        "run",
        help="read logs, mask them, deliver them",
        description="Reads logs, masks personal data and delivers JSON Lines; by a pipeline file, or without one by the options below. Ends with counts in which every line and event is accounted for.",
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="pipeline file; see: agenttrail explain pipeline")  # fmt: skip
    parser.add_argument("-i", "--input", nargs="+", metavar="PATH", help="files, globs, folders; - is standard input")  # fmt: skip
    add_format(parser)
    add_output(parser)
    add_profile(parser)
    parser.add_argument("--follow", action="store_true", help="keep reading as the files grow")
    parser.add_argument("--checkpoint", metavar="FILE", help="remember what was delivered; the next run goes on from there")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="the counts as one JSON object on standard output")  # fmt: skip
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs the pipeline; 0, or 1 where something was left out or not delivered."""
    with uncollected():
        from agenttrail.cli._options import pipeline
        from agenttrail.cli._run import run_pipeline
        from agenttrail.sinks.jsonl import JsonlOptions

        options = pipeline(arguments)
    on_stdout = any(isinstance(s, JsonlOptions) and s.path == "-" for s in options.sinks)
    if arguments.json and on_stdout:
        raise UsageError("--json and the events would both go to standard output", hint="--output FILE")  # fmt: skip
    return run_pipeline(options, as_json=arguments.json, quiet=arguments.quiet)
