"""What `tap --enforce` and `verdicts` share: the options of a gate, and the gate that they stand for."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agenttrail.errors import AgenttrailError, UsageError

if TYPE_CHECKING:
    from agenttrail.governance.gate import Answer, Gate
    from agenttrail.sources._tap_gate import Gate as LineGate
    from agenttrail.sources._tap_gate import Refusal

_CLIENT = "io.modelcontextprotocol/clientInfo"  # MCP 2026-07-28, Basic, _meta


def add_gate(parser: argparse.ArgumentParser) -> None:
    """`--policy`, `--registry`, `--kill-switch`, `--approvals`, `--key-file`, `--runbook`."""
    parser.add_argument("--policy", metavar="FILE", help="policy.yaml that calls are judged by")
    parser.add_argument("--registry", metavar="PATH", help="agents.yaml, or a folder: departments, owners, names")  # fmt: skip
    parser.add_argument("--kill-switch", metavar="FILE", help="file that says what is stopped")
    parser.add_argument("--approvals", metavar="FILE", help="JSON Lines file of decisions; each lets one call pass")  # fmt: skip
    parser.add_argument("--key-file", metavar="FILE", help="32 bytes as hex or base64 that approval ids and users are hashed with; needed with --approvals")  # fmt: skip
    parser.add_argument("--runbook", metavar="URL", default="", help="page that refusals name which have none of their own")  # fmt: skip


def gate_of(arguments: argparse.Namespace) -> Gate:
    """The gate, all its files read once.

    Raises:
        UsageError: nothing to judge by, or approvals without a key.
        ConfigError: the problems of policy and registry.
    """
    from agenttrail.governance.gate import Gate

    if not (arguments.policy or arguments.kill_switch):
        raise UsageError("nothing to judge by", hint="--policy FILE, --kill-switch FILE, or both")
    if arguments.approvals and not arguments.key_file:
        raise UsageError("--approvals needs --key-file", hint="openssl rand -hex 32 > FILE")
    return Gate(
        policy=arguments.policy, registry=arguments.registry, kill_switch=arguments.kill_switch,
        approvals=arguments.approvals, key=key_of(arguments), runbook=arguments.runbook,
    )  # fmt: skip


def key_of(arguments: argparse.Namespace) -> bytes | None:
    """The key of `--key-file`.

    Raises:
        OptionError: it is none.
    """
    if not arguments.key_file:
        return None
    from agenttrail.keys import KeyOptions, read_keys

    return read_keys("--key-file", [KeyOptions(id="a1", file=arguments.key_file)])[0].secret


def line_gate(arguments: argparse.Namespace, server: str, say: Callable[[str], None]) -> LineGate:
    """A gate for the lines of one client of one server.

    Who calls is `--agent`; without it, the registered agent that fits what the client says of itself,
    else that name: a client can lie about it.

    Raises:
        UsageError: an agent that the registry does not know.
    """
    from agenttrail.governance.gate import UndecidedError
    from agenttrail.sources._tap_gate import Gate as LineGate
    from agenttrail.sources._tap_gate import Refusal

    gate = gate_of(arguments)
    named: str | None = arguments.agent
    if named is not None and arguments.registry and gate.agent_of(named) is None:
        raise UsageError(f"{arguments.registry} has no agent '{named}'")
    caller = _Caller(gate, named, server)
    denies = arguments.on_error == "deny"
    told: set[str] = set()

    def undecided(error: AgenttrailError) -> Refusal:
        if error.message not in told and len(told) < 100:
            told.add(error.message)
            say(f"no verdict: {error.message}; calls are {'refused' if denies else 'let pass'}")
        if not denies:
            return Refusal("", {"unjudged": True}, passes=True)
        return Refusal(
            f"Refused: no verdict can be had. Runbook: {arguments.runbook or 'none is configured'}",
            {"refused": True, "verdict": "stop", "basis": "default", "category": "no_verdict",
             **({"runbook": arguments.runbook} if arguments.runbook else {})},
        )  # fmt: skip

    def decide(tool: str, args: Any, _: dict[str, Any]) -> Refusal | None:
        try:
            answer = gate.decide(caller.asked(tool), args, claim=False)
        except UndecidedError as error:
            return undecided(error)
        if answer.allowed and answer.approval:
            # The execution is linked to its decision.
            return Refusal("", {"approved": True, **answer.described()}, passes=True, uses=answer)
        return None if answer.allowed else _refusal(answer)

    def use(answers: Sequence[Answer]) -> tuple[int, Refusal] | None:
        """The decisions that the calls of one line rest on."""
        try:
            used = gate.claim(answers)
        except UndecidedError as error:
            return 0, undecided(error)
        return None if used is None else (used, _refusal(replace(answers[used], allowed=False)))

    def stopped() -> Refusal | None:
        try:
            answer = gate.stopped(caller.asked(None))
        except UndecidedError as error:
            # What only tells what there is passes even so: a client stays connected.
            refusal = undecided(error)
            return refusal if denies else None
        return None if answer is None else _refusal(answer)

    def unreadable() -> Refusal:
        return undecided(AgenttrailError("a line of the client cannot be judged"))

    return LineGate(decide, stopped, learn=caller.learn, on_unreadable=unreadable, use=use)


class _Caller:
    """Who sends the lines, as far as it is known now."""

    def __init__(self, gate: Gate, named: str | None, server: str) -> None:
        from agenttrail import fields as f
        from agenttrail.governance.kill_switch import Call as Asked

        self._gate, self._server, self._fields, self._asked = gate, server, f, Asked
        self._named = named
        self._agent = named
        self._department: str | None = None
        self._said: str | None = None
        self._find(None)

    def learn(self, params: dict[str, Any]) -> None:
        """Takes the client's name from `initialize`, or from the `_meta` of a request."""
        if self._named is not None:
            return
        meta = params.get("_meta")
        info = params.get("clientInfo") or (meta.get(_CLIENT) if isinstance(meta, dict) else None)
        name = info.get("name") if isinstance(info, dict) else None
        if isinstance(name, str) and name != self._said:
            self._find(name)

    def _find(self, client: str | None) -> None:
        f = self._fields
        self._said = client
        if self._named is not None:
            agent = self._gate.agent_of(self._named)
        else:
            given = {
                f.MCP_CLIENT_NAME: client, f.AGENT_NAME: client, f.MCP_SERVER_NAME: self._server,
                f.PROCESS_WORKING_DIRECTORY: os.getcwd(),
            }  # fmt: skip
            try:
                agent = self._gate.agent({n: v for n, v in given.items() if v is not None})
            except AgenttrailError:
                agent = None  # the call itself will have no verdict
            self._agent = agent.id if agent is not None else client
        self._department = agent.department if agent is not None else None

    def asked(self, tool: str | None) -> Any:
        return self._asked(
            agent=self._agent, server=self._server, tool=tool, department=self._department
        )


def _refusal(answer: Answer) -> Refusal:
    from agenttrail.sources._tap_gate import Refusal

    return Refusal(answer.sentence(), {"refused": True, **answer.described()})
