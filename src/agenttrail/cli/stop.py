"""`agenttrail stop`: stops an agent, a tool, a server or everything, and says who did it and why.

The kill switch is written first: nothing may hold up a stop. Then the event goes through the mask to
the audit log; where that fails the stop holds all the same, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import Any

from agenttrail.errors import AgenttrailError, UsageError

CATEGORIES = ("incident", "security", "quality", "maintenance", "budget", "other")


def add(verbs: Any) -> None:
    """Adds the verb."""
    from agenttrail.cli._control import add_target

    parser: argparse.ArgumentParser = verbs.add_parser(
        "stop",
        help="stops an agent, a tool, a server or everything, on record",
        description="Writes what is stopped into the kill-switch file, which `tap --enforce`, `verdicts` and other runtimes read before a call, and appends an event with who and why, masked, to the audit log.",
    )
    add_target(parser)
    parser.add_argument("--category", choices=CATEGORIES, default="other", help="kind of reason that whoever is refused may read (default: other)")  # fmt: skip
    parser.add_argument("--runbook", metavar="URL", default="", help="page that whoever is refused is sent to")  # fmt: skip
    parser.add_argument("--until", metavar="TIME", help="ends by itself then (RFC 3339); else a person has to start it again")  # fmt: skip
    parser.add_argument("--list", action="store_true", help="show what is stopped, and change nothing")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="with --list: as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Stops, then records; or lists."""
    from agenttrail import fields as f
    from agenttrail.cli import _control
    from agenttrail.governance.kill_switch import Stop

    if arguments.list:
        return _list(arguments)
    if arguments.json:
        raise UsageError("--json has no effect without --list")
    scope, name = _control.target_of(arguments)
    until = None if arguments.until is None else _moment(arguments.until)
    switch, log = _control.switch_of(arguments), _control.log_of(arguments)
    stop = Stop(
        scope=scope, target=name, by="person", since=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        until=until, category=arguments.category, runbook=arguments.runbook,
    )  # fmt: skip
    changed = switch.stop(stop)
    what = f"{scope} {name}" if name else "everything"
    sys.stderr.write(f"{what}: {'stopped' if changed else 'was stopped already'}\n")
    if told := _control.stranger(arguments, scope, name):
        sys.stderr.write(f"{told}\n")
    more = {f.TAGS: [f"category:{arguments.category}"]}
    try:
        _control.record(log, "stop", scope, name, arguments.reason, **more)
    except AgenttrailError as error:
        raise AgenttrailError(f"stopped, but NOT on record: {error.message}", hint=error.hint or "run it again when the place for the record can be written") from None  # fmt: skip
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from agenttrail.cli import _control

    stops = _control.switch_of(arguments).stops()
    if arguments.json:
        sys.stdout.write(json.dumps([asdict(stop) for stop in stops]) + "\n")
        return 0
    for stop in stops:
        what = f"{stop.scope} {stop.target}".strip()
        by = f"budget {stop.budget}" if stop.by == "budget" else "a person"
        ends = f"until {stop.until}" if stop.until else "until a person starts it"
        asks = "needs an approval" if stop.verdict == "require_approval" else "stopped"
        sys.stdout.write(f"{what}: {asks} since {stop.since} by {by} ({stop.category}), {ends}\n")
    if not stops:
        sys.stdout.write("nothing is stopped\n")
    return 0


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError("--until is no time", hint="2026-11-30T09:00:00+07:00") from None
    if moment.tzinfo is None:
        raise UsageError("--until has no time zone", hint="end it with Z or +07:00")
    if moment <= datetime.now(UTC):
        raise UsageError("--until is in the past")
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
