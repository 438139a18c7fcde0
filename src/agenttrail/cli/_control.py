"""What `stop` and `start` share: what is meant, which kill switch, and the record of it."""

from __future__ import annotations

import argparse
import difflib
from typing import Any

from agenttrail import fields as f
from agenttrail.cli._audit import AuditLog, add_audit
from agenttrail.errors import AgenttrailError, UsageError
from agenttrail.governance.kill_switch import KillSwitch, Scope

_NAMES = {"agent": f.AGENT_NAME, "tool": f.TOOL_NAME, "server": f.MCP_SERVER_NAME}


def add_target(parser: argparse.ArgumentParser) -> None:
    """What is stopped or started, why, and where that is written."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("agent", nargs="?", metavar="AGENT", help="an agent, by its id in the registry")  # fmt: skip
    what.add_argument("--tool", metavar="NAME", help="a tool, at whatever server")
    what.add_argument("--server", metavar="NAME", help="an MCP server, all of its tools")
    what.add_argument("--all", action="store_true", help="everything")
    parser.add_argument("--reason", metavar="TEXT", help="why; it stands in the audit log, masked")
    parser.add_argument("--kill-switch", metavar="FILE", help="the file that says what is stopped")
    parser.add_argument("--registry", metavar="PATH", help="refuse an agent, tool or server that the registry does not know")  # fmt: skip
    add_audit(parser)


def target_of(arguments: argparse.Namespace) -> tuple[Scope, str]:
    """Scope and name; a name that the registry does not know is refused.

    Raises:
        UsageError: none, a name that is none, or no reason.
    """
    asked: tuple[tuple[Scope, str | None], ...] = (
        ("agent", arguments.agent),
        ("tool", arguments.tool),
        ("server", arguments.server),
        ("all", "" if arguments.all else None),
    )
    given = [(scope, name) for scope, name in asked if name is not None]
    if len(given) != 1:
        raise UsageError("name one thing", hint="AGENT, --tool NAME, --server NAME or --all")
    scope, name = given[0]
    if scope != "all" and not f.FIELDS[f.CONTROL_TARGET].shape.fits(name):  # type: ignore[union-attr]
        raise UsageError("the name is letters, digits and _ . : / + ~ -")
    if not (arguments.reason or "").strip():
        raise UsageError("--reason must say why", hint="it stands in the audit log, masked")
    if arguments.registry is not None and scope != "all":
        _check_known(arguments.registry, scope, name)
    return scope, name


def stranger(arguments: argparse.Namespace, scope: Scope, name: str) -> str:
    """What a person should know of a name that the pipeline's own registry does not know; else empty.

    It is stopped all the same: an agent that nobody registered is what a stop is for. Nor may a registry
    that cannot be read hold up the record of a stop.
    """
    if arguments.config is None or arguments.registry is not None or scope == "all":
        return ""
    from agenttrail import config
    from agenttrail.enrichers.registry import RegistryOptions

    for options in config.load(arguments.config).enrichers:
        if isinstance(options, RegistryOptions):
            try:
                _check_known(options.path, scope, name)
            except UsageError as error:
                return f"{error.message}: is it a misspelling? {error.hint or ''}".strip()
            except AgenttrailError:
                return f"{options.path}: cannot be read, so whether it knows {scope} {name} is not checked"
    return ""


def switch_of(arguments: argparse.Namespace) -> KillSwitch:
    """The kill switch of `--kill-switch`, or the one that the pipeline's enricher writes.

    Raises:
        UsageError: it is not said which.
        ConfigError: the pipeline's problems.
    """
    path = arguments.kill_switch
    if path is None and arguments.config is not None:
        from agenttrail import config
        from agenttrail.enrichers.budgets import BudgetsOptions

        for options in config.load(arguments.config).enrichers:
            if isinstance(options, BudgetsOptions) and options.kill_switch is not None:
                path = options.kill_switch
    if path is None:
        raise UsageError("which kill switch?", hint="--kill-switch FILE, or -c with an enricher budgets that names it")  # fmt: skip
    return KillSwitch(path)


def log_of(arguments: argparse.Namespace) -> AuditLog:
    """Where the record goes."""
    # With both, -c names the kill switch and the mask's file only.
    config = None if arguments.audit_log is not None else arguments.config
    return AuditLog(config, arguments.audit_log)


def record(log: AuditLog, verb: str, scope: Scope, name: str, reason: str, **more: Any) -> None:
    """Writes the event of a stop or a start.

    Raises:
        AgenttrailError: it is not on record.
    """
    fields: dict[str, Any] = {
        f.EVENT_ACTION: f"{verb}_{scope}",
        f.CONTROL_ACTION: verb,
        f.CONTROL_SCOPE: scope,
        f.EVENT_REASON: reason,
        **more,
    }
    if name:
        fields[f.CONTROL_TARGET] = name
        fields[_NAMES[scope]] = name
    try:
        log.write(verb, fields)
    finally:
        log.close()


def _check_known(path: str, scope: Scope, name: str) -> None:
    from agenttrail.governance import registry
    from agenttrail.governance.registry import bare_tool

    known = registry.load(path)
    names = {
        "agent": set(known.agents),
        "server": set(known.servers),
        "tool": {t.name for s in known.servers.values() for t in s.tools} | {t.name for t in known.tools},
    }[scope]  # fmt: skip
    wanted = bare_tool(name, None) if scope == "tool" else name
    if wanted not in names:
        close = difflib.get_close_matches(wanted, sorted(names), n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(sorted(names))}"
        raise UsageError(f"{path} knows no {scope} of this name", hint=hint)
