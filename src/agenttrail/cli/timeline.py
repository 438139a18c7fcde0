"""`agenttrail timeline`: the story of a task or a conversation, on the terminal, as a page, or as JSON."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import sys
from typing import Any

from agenttrail.errors import UsageError


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb."""
    parser = verbs.add_parser(
        "timeline",
        help="the story of a task: its steps, what they changed, from where it is safe to run again",
        description="Tells a task or a conversation out of masked JSON Lines: which agent called which tool in what order, hand-overs, approvals, cost and failures; effects that were done, from which step it is safe to run again, what was lost in hand-overs, and which other task changed the same record.",
    )
    parser.add_argument("id", metavar="ID", help="of a task or a conversation; a beginning is enough")  # fmt: skip
    parser.add_argument("input", nargs="+", metavar="PATH", help="masked JSON Lines, files or folders")  # fmt: skip
    parser.add_argument("--registry", metavar="PATH", help="agents.yaml: what is known of tools that events say nothing of")  # fmt: skip
    parser.add_argument("--html", metavar="FILE", help="write a page that needs no network")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Tells it; gives the exit code."""
    from agenttrail.insight.conflicts import conflicts
    from agenttrail.insight.documents import find
    from agenttrail.insight.events import opened
    from agenttrail.insight.handover import handovers
    from agenttrail.insight.story import tell

    registry = None
    if arguments.registry is not None:
        from agenttrail.governance.registry import load

        registry = load(arguments.registry)
    found = find(arguments.input, arguments.id)
    story = tell(found, registry)
    shared = []
    if found.kind == "task":
        with opened(arguments.input) as db:
            shared = conflicts(db, task=found.id)
    handed = handovers(story)
    if arguments.html is not None:
        from agenttrail.insight._story_html import page

        try:
            with open(arguments.html, "w", encoding="utf-8") as file:
                file.write(page(story, handed, shared))
        except OSError as error:
            raise UsageError(f"{arguments.html}: cannot be written: {error.strerror}") from None
        sys.stderr.write(f"{arguments.html} written\n")
    if arguments.json:
        sys.stdout.write(json.dumps(described(story, handed, shared), ensure_ascii=False) + "\n")
    elif arguments.html is None:
        from agenttrail.insight._story_text import lines

        width = shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "160"))  # fmt: skip
        for line in lines(story, handed, shared, width):
            sys.stdout.write(line + "\n")
    return 0


def described(story: Any, handed: Any, shared: Any) -> dict[str, Any]:
    """A story as one JSON object; steps in the order in which they began, by their numbers nested."""
    last, first = story.safe_after(), story.safe_from()
    names = ("kind", "id", "agent", "department", "state", "escalated", "started", "seconds", "tool_calls", "failed_calls", "tokens", "cost", "currency", "notes")  # fmt: skip
    return {
        **{name: getattr(story, name) for name in names},
        "steps": [
            {
                "number": step.number, "kind": step.kind, "title": step.title, "at_ms": step.at_ms, "ms": step.ms,
                "outcome": step.outcome, "effect": step.effect or None, "done": step.done, "call_id": step.call_id,
                "findings": step.findings,
            }
            for step in sorted(story.in_order(), key=lambda step: step.at_ms)
        ],
        "effects_done": [step.number for step in story.effects()],
        "safe_after": None if last is None else {"number": last.number, "call_id": last.call_id},
        "safe_from": None if first is None else first.number,
        "handovers": [dataclasses.asdict(each) for each in handed],
        "conflicts": [dataclasses.asdict(each) for each in shared],
    }  # fmt: skip
