"""`agenttrail matrix`: one page of who looks at what, at which threshold, and contacts whom."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

from agenttrail.errors import UsageError


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb."""
    parser = verbs.add_parser(
        "matrix",
        help="one page: who looks at what, at which threshold, contacts whom, and what is undecided",
        description="Prints the decision matrix of an organisation's agents from registry and policy, as Markdown, a page or JSON, and says what is undecided: contacts without a channel, tools that cannot be taken back and that nobody approves, agents without a budget.",
    )
    parser.add_argument("registry", metavar="REGISTRY", help="agents.yaml, or its folder")
    parser.add_argument("policy", nargs="?", metavar="POLICY", help="policy.yaml")
    parser.add_argument("--html", metavar="FILE", help="write the page here")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--strict", action="store_true", help="end with 1 where something is undecided")  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the page; gives the exit code."""
    from agenttrail.governance import policy, registry
    from agenttrail.insight.matrix import markdown, matrix, page

    known = registry.load(arguments.registry)
    rules = None if arguments.policy is None else policy.load(arguments.policy, known)
    made = matrix(known, rules)
    if arguments.html is not None:
        try:
            with open(arguments.html, "w", encoding="utf-8") as file:
                file.write(page(made))
        except OSError as error:
            raise UsageError(f"{arguments.html}: cannot be written: {error.strerror}") from None
        sys.stderr.write(f"{arguments.html} written\n")
    if arguments.json:
        sys.stdout.write(json.dumps(dataclasses.asdict(made), ensure_ascii=False) + "\n")
    elif arguments.html is None:
        sys.stdout.write(markdown(made))
    return 1 if arguments.strict and made.undecided else 0
