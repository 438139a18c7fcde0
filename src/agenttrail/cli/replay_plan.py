"""`agenttrail replay-plan`: the calls of a task in order, as JSON, for running it again."""

from __future__ import annotations

import argparse
import json
import sys

from agenttrail.errors import UsageError


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb."""
    parser = verbs.add_parser(
        "replay-plan",
        help="the calls of a task in order, as JSON, with what running each again would do",
        description="Writes the tool calls of a task in their order as one JSON object: server, tool and masked arguments, what each changed, and which are safe to run again. Arguments are masked: what runs the plan fills them in from its own source, by call id. The plan runs nothing.",
    )
    parser.add_argument("task", metavar="TASK", help="id of a task; a beginning is enough")
    parser.add_argument("input", nargs="+", metavar="PATH", help="masked JSON Lines, files or folders")  # fmt: skip
    parser.add_argument("--registry", metavar="PATH", help="agents.yaml: what is known of tools that events say nothing of")  # fmt: skip
    parser.add_argument("--from", dest="begin", metavar="STEP", help="begin with this step of the timeline; safe begins where it is safe")  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the plan; gives the exit code."""
    from agenttrail import fields as f
    from agenttrail.insight.documents import find
    from agenttrail.insight.story import tell

    registry = None
    if arguments.registry is not None:
        from agenttrail.governance.registry import load

        registry = load(arguments.registry)
    found = find(arguments.input, arguments.task)
    story = tell(found, registry)
    steps = sorted(story.in_order(), key=lambda step: (step.at_ms, step.end_ms))
    last = story.safe_after()
    begin_ms = 0
    if arguments.begin == "safe":
        begin_ms = 0 if last is None else last.end_ms
    elif arguments.begin is not None:
        named = [step for step in steps if step.number == arguments.begin]
        if not named:
            raise UsageError(f"no step has the number {arguments.begin}", hint=f"agenttrail timeline {arguments.task} …")  # fmt: skip
        begin_ms = named[0].at_ms
    calls = [
        {
            "step": step.number, "call_id": step.call_id, "server": step.event.get(f.MCP_SERVER_NAME), "tool": step.event.get(f.TOOL_NAME),
            "arguments": step.event.get(f.TOOL_ARGUMENTS), "outcome": step.outcome, "effect": step.effect or None, "done": step.done,
            "safe_to_repeat": step.effect in ("no", "repeatable") or not step.done,
            "needs_approval": step.event.get(f.POLICY_VERDICT) == "require_approval",
        }
        for step in steps
        if step.kind in ("call", "hand-over")
        and step.at_ms >= begin_ms
        and not (step is last and arguments.begin == "safe")
    ]  # fmt: skip
    unsafe = [call["step"] for call in calls if not call["safe_to_repeat"]]
    plan = {
        "task": story.id, "agent": story.agent, "state": story.state, "masked": True,
        "safe_from": None if (first := story.safe_from()) is None else first.number,
        "unsafe_calls": unsafe,
        "calls": calls,
    }  # fmt: skip
    sys.stdout.write(json.dumps(plan, ensure_ascii=False, indent=2) + "\n")
    if unsafe:
        sys.stderr.write(f"{len(calls)} calls, {len(unsafe)} of them would do again what lasts\n")
    return 0
