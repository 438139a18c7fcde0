"""`agenttrail start`: ends a stop, a person's or a budget's, on record first.

The event goes through the mask to the audit log before the kill switch is changed; where that fails
nothing is started. `start --all` also makes the kill switch where there is none yet; it ends the stop
of everything, not those of single agents, tools and servers.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from agenttrail.errors import AgenttrailError


def add(verbs: Any) -> None:
    """Adds the verb."""
    from agenttrail.cli._control import add_target

    parser: argparse.ArgumentParser = verbs.add_parser(
        "start",
        help="ends the stop of an agent, a tool, a server or everything, on record",
        description="Appends an event with who and why, masked, to the audit log, then takes the entry out of the kill-switch file.",
    )
    add_target(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Records, then starts."""
    from agenttrail.cli import _control

    scope, name = _control.target_of(arguments)
    switch, log = _control.switch_of(arguments), _control.log_of(arguments)
    if os.path.exists(switch.path):
        switch.stops()  # one that cannot be read is told before anything is recorded
    try:
        _control.record(log, "start", scope, name, arguments.reason)
    except AgenttrailError as error:
        raise AgenttrailError(f"nothing was started: {error.message}", hint=error.hint) from None
    gone = switch.start(scope, name)
    what = f"{scope} {name}" if name else "everything"
    sys.stderr.write(f"{what}: {'started' if gone else 'was not stopped'}\n")
    left = switch.stops()
    if left:
        sys.stderr.write(f"{len(left)} other stops hold: agenttrail stop --list\n")
    return 0
