"""`agenttrail registry`: the agent registry checked, compared, brought in line, and who is silent."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from agenttrail.errors import ConfigError, UsageError


def add(verbs: Any) -> None:
    """Adds the verb."""
    parser = verbs.add_parser(
        "registry",
        help="the agent registry: check, diff, update, unseen",
        description="Checks the agent registry (agents.yaml, or a folder of such files), compares two versions of it, brings an entry in line with what is deployed, and lists agents that are silent.",
    )
    what = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    check = what.add_parser(
        "check",
        help="all mistakes at once, and what a reviewer would ask about",
        description="Reports everything that is wrong with a registry at once, with file, line and a hint: mistakes that keep it from loading, and what should not stay so. Ends with 2 where there is anything.",
    )
    check.add_argument("path", metavar="PATH", help="agents.yaml, or a folder of such files")
    check.add_argument("--policy", metavar="FILE", help="policy.yaml whose names have to be known here, and whose budgets agents name")  # fmt: skip
    check.add_argument("--seen", metavar="FILE", help="state of the enricher registry: agents that are listed but silent are reported too")  # fmt: skip
    _add_now(check)
    check.set_defaults(run=_check)

    diff = what.add_parser(
        "diff",
        help="what differs between two versions",
        description="Says what differs between two versions of a registry, one line each; what gives an agent more, or changes who answers for it, begins with an exclamation mark.",
    )
    diff.add_argument("old", metavar="OLD", help="file or folder")
    diff.add_argument("new", metavar="NEW", help="file or folder")
    diff.add_argument("--json", action="store_true", help="one JSON object a line")
    diff.set_defaults(run=_diff)

    update = what.add_parser(
        "update",
        help="an agent's entry brought in line with what is deployed",
        description="For deployment pipelines: reads the agent's own MCP configuration (.mcp.json, claude_desktop_config.json, mcp.json, Codex's config.toml), its A2A agent card or a server's answer to tools/list, changes in the registry only what differs, keeps comments, adds to the history, and prints a diff for a pull request.",
    )
    update.add_argument("path", metavar="PATH", help="agents.yaml, or a folder of such files")
    update.add_argument("--agent", metavar="ID", required=True, help="whose entry")
    update.add_argument("--from", dest="deployed", metavar="FILE", nargs="+", required=True, help="what is deployed")  # fmt: skip
    update.add_argument("--server", metavar="NAME", help="whose answer to tools/list is among them")
    update.add_argument("--version", metavar="VERSION", help="version that is deployed; else the agent card's, else as it was")  # fmt: skip
    update.add_argument("--by", metavar="WHO", default="", help="who deploys, for the history")
    update.add_argument("--reason", metavar="TEXT", default="", help="why, for the history")
    update.add_argument("--write", action="store_true", help="write the file; without it the diff is all")  # fmt: skip
    _add_now(update)
    update.set_defaults(run=_update)

    unseen = what.add_parser(
        "unseen",
        help="agents that are listed but have no events",
        description="Lists agents of the registry that had no event for longer than their seen_within_days, or than --days, by the state that the enricher registry keeps.",
    )
    unseen.add_argument("path", metavar="PATH", help="agents.yaml, or a folder of such files")
    unseen.add_argument("--state", metavar="FILE", required=True, help="state of the enricher registry; it may be running")  # fmt: skip
    unseen.add_argument("--days", metavar="N", type=int, help="for all agents, whatever their entry says")  # fmt: skip
    unseen.add_argument("--json", action="store_true", help="one JSON object a line")
    _add_now(unseen)
    unseen.set_defaults(run=_unseen)


def _add_now(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--now", metavar="DAY", help="the day to go by, as 2026-11-25; else today")


def _now(arguments: argparse.Namespace) -> Any:
    from datetime import UTC, datetime, time

    from agenttrail.errors import OptionError
    from agenttrail.governance.registry import day

    if arguments.now is None:
        return datetime.now(UTC)
    try:
        return datetime.combine(day("--now", arguments.now), time(), tzinfo=UTC)
    except OptionError as error:
        raise UsageError(error.message, hint=error.hint) from None


def _check(arguments: argparse.Namespace) -> int:
    from agenttrail.governance import policy, registry, registry_lints, seen

    now = _now(arguments)
    documents = registry.survey(arguments.path)
    registry_lints.consistent(documents)
    usable = not any(document.problems for document in documents)
    registry_lints.advise(documents, now=now.date())
    problems = [problem for document in documents for problem in document.problems]
    known = registry.Registry([d.value for d in documents if d.value is not None])
    if arguments.policy:
        problems += policy.survey(arguments.policy, known).problems
    if arguments.seen and usable:
        times = seen.from_state(arguments.seen)
        for agent, last in seen.silent(known, times, now=now, days=None):
            document = next(d for d in documents if d.value and agent in d.value.agents)
            since = f"since {last:%Y-%m-%d}" if last else "ever"
            document.problem(
                agent, "seen_within_days", f"agent '{agent.id}' had no event {since}",
                "retire it, or see why its logs do not arrive",
            )  # fmt: skip
            problems.append(document.problems[-1])
    if problems:
        raise ConfigError(problems)
    tools = sum(len(server.tools) for server in known.servers.values()) + len(known.tools)
    sys.stderr.write(f"ok: {len(known.agents)} agents, {len(known.servers)} servers, {tools} tools\n")  # fmt: skip
    return 0


def _diff(arguments: argparse.Namespace) -> int:
    from agenttrail.governance import registry
    from agenttrail.governance.registry_diff import differences

    found = differences(registry.load(arguments.old), registry.load(arguments.new))
    for one in found:
        if arguments.json:
            row = {"where": one.where, "what": one.what, "look": one.look}
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        else:
            sys.stdout.write(f"{'!' if one.look else ' '} {one.where}: {one.what}\n")
    if not found:
        sys.stderr.write("nothing differs\n")
    return 0


def _update(arguments: argparse.Namespace) -> int:
    import difflib
    import os
    from pathlib import Path

    from agenttrail.governance import registry_update

    deployed = registry_update.read(arguments.deployed, server=arguments.server)
    made = registry_update.update(
        arguments.path, arguments.agent, deployed, now=_now(arguments).date(),
        version=arguments.version, by=arguments.by, reason=arguments.reason,
    )  # fmt: skip
    lines = difflib.unified_diff(
        made.before.splitlines(keepends=True), made.after.splitlines(keepends=True),
        f"a/{made.path}", f"b/{made.path}",
    )  # fmt: skip
    sys.stdout.writelines(lines)
    for change in made.changes or ["nothing differs"]:
        sys.stderr.write(f"{change}\n")
    if arguments.write and made.changes:
        # Beside it first: a registry that is written by half would stop every pipeline.
        aside = Path(f"{made.path}.new")
        aside.write_text(made.after, encoding="utf-8")
        aside.chmod(Path(made.path).stat().st_mode & 0o777)
        os.replace(aside, made.path)
        sys.stderr.write(f"{made.path} written\n")
    return 0


def _unseen(arguments: argparse.Namespace) -> int:
    from agenttrail.governance import registry, seen

    if arguments.days is not None and arguments.days < 1:
        raise UsageError("--days must be at least 1")
    known = registry.load(arguments.path)
    found = seen.silent(
        known, seen.from_state(arguments.state), now=_now(arguments), days=arguments.days
    )
    for agent, last in found:
        when = f"{last:%Y-%m-%dT%H:%M:%SZ}" if last else None
        if arguments.json:
            row = {"agent": agent.id, "owner": agent.owner, "last_seen": when}
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        else:
            sys.stdout.write(f"{agent.id}\t{when or 'never'}\t{agent.owner}\n")
    sys.stderr.write(f"{len(found)} of {len(known.agents)} agents are silent\n")
    return 0
