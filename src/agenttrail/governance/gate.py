"""May this call go ahead? The kill switch, then the policy, then the approvals: one answer.

For who can still refuse a call (`agenttrail tap --enforce`, `agenttrail verdicts`). Files are read again
when they change. Where something cannot be read there is no answer but `UndecidedError`: what happens then
is the caller's to decide, and to say.

    stop in the kill switch                          -> stop
    approval needed, by policy or kill switch        -> require_approval, unless a decision allows it
    else                                             -> automatic

An approval's id is a keyed hash of agent, server, tool and arguments: a call that is tried again has
the same one, other arguments have another. No answer holds an argument or an amount.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from agenttrail.errors import AgenttrailError
from agenttrail.governance import policy as policies
from agenttrail.governance import registry as registries
from agenttrail.governance.decisions import Decision, Decisions, allows
from agenttrail.governance.hashing import Hasher
from agenttrail.governance.kill_switch import Call as Asked
from agenttrail.governance.kill_switch import KillSwitch, Stop, resolved
from agenttrail.governance.policy import Action, ApprovalTerms
from agenttrail.governance.registry import Agent, Registry, bare_tool
from agenttrail.governance.verdicts import Call, Evaluator, Verdict

T = TypeVar("T")


class UndecidedError(AgenttrailError):
    """There is no verdict to be had; the message says which file is at fault, and no content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What holds for a call. `allowed` is what to do; the rest says why, in names only."""

    verdict: Action
    allowed: bool
    basis: str  # always, threshold, sampling, default, budget, stopped
    rules: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    version: str = ""  # of the policy
    scope: str = ""  # of the stop
    target: str = ""
    category: str = ""
    runbook: str = ""
    until: str = ""
    channel: str = ""
    approval: str = ""
    rests_on: Decision | None = field(default=None, repr=False)  # who may claim it

    def described(self) -> dict[str, Any]:
        """As JSON, what is empty left out."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "rests_on"}  # fmt: skip
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value not in ("", ())
        }

    def sentence(self) -> str:
        """For the one who was refused: what, why, and where to look."""
        if self.verdict == "stop" and self.scope:
            what = f"{self.scope} {self.target}" if self.target else "everything"
            text = f"{what} is stopped ({self.category}{f', until {self.until}' if self.until else ''})"
        elif self.verdict == "stop":
            text = f"the policy stops it ({', '.join(self.rules)})"
        else:
            text = f"an approval is needed ({', '.join(self.rules) or 'policy default'})"
            text += f" from {self.channel}" if self.channel else ""
            text += f", id {self.approval}" if self.approval else ""
        return f"Refused: {text}. Runbook: {self.runbook or 'none is configured'}"


class Gate:
    """See the module.

    Args:
        policy: its file, or None: only the kill switch is asked.
        registry: file or folder, or None.
        kill_switch: its file, or None: only the policy is asked.
        approvals: file of decisions, or None: what needs an approval has none.
        key: what approval ids are hashed with; needed for ids, the same everywhere.
        runbook: page for refusals that have none of their own.
        now: the clock.

    Raises:
        ConfigError, KillSwitchError: a file that cannot be used is told at once.
    """

    def __init__(
        self,
        *,
        policy: str | None = None,
        registry: str | None = None,
        kill_switch: str | None = None,
        approvals: str | None = None,
        key: bytes | None = None,
        runbook: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._registry = None if registry is None else _Watched(
            lambda: registries.files_of(registry), lambda: registries.load(registry)
        )  # fmt: skip
        self._policy = None if policy is None else _Watched(lambda: [policy], lambda: self._load(policy))  # fmt: skip
        self._switch = None if kill_switch is None else KillSwitch(kill_switch, now=now)
        self._hash = None if key is None else Hasher(key)
        self._decisions = None if approvals is None else Decisions(approvals, self._name)
        self._runbook, self._now = runbook, now
        if self._registry is not None:
            self._registry.value()
        if self._policy is not None:
            self._policy.value()
        if self._switch is not None:
            self._switch.stops()

    def _load(self, path: str) -> Evaluator:
        known: Registry | None = self._registry.value() if self._registry is not None else None
        return Evaluator(policies.load(path, known))

    @property
    def decisions(self) -> Decisions | None:
        """Where decisions are kept."""
        return self._decisions

    @property
    def has_registry(self) -> bool:
        """Whether unknown agents can be told."""
        return self._registry is not None

    def holds(self, asked: Asked) -> Stop | None:
        """The entry of the kill switch that holds for an agent.

        Raises:
            UndecidedError: it cannot be told.
        """
        return self._stop(asked)

    @property
    def stops_users(self) -> bool:
        """Whether a user is stopped, or needs approvals.

        Raises:
            UndecidedError: it cannot be told.
        """
        try:
            stops = self._switch.stops() if self._switch is not None else ()
        except AgenttrailError as error:
            raise UndecidedError(error.message, hint=error.hint) from None
        return any(stop.scope == "user" for stop in stops)

    def agent(self, fields: dict[str, Any]) -> Agent | None:
        """The registered agent that these fields are of."""
        return self._registry.value().identify(fields) if self._registry is not None else None

    def agent_of(self, name: str | None) -> Agent | None:
        """The registered agent of this id."""
        if self._registry is None or name is None:
            return None
        try:
            return self._registry.value().agents.get(name)
        except AgenttrailError as error:
            raise UndecidedError(error.message, hint=error.hint) from None

    def stopped(self, asked: Asked) -> Answer | None:
        """The answer where a stop holds, whatever is called; None where none does.

        Raises:
            UndecidedError: it cannot be told.
        """
        stop = self._stop(asked)
        return self._of_stop(stop) if stop is not None and stop.verdict == "stop" else None

    def decide(self, asked: Asked, arguments: Any, *, claim: bool) -> Answer:
        """The answer to one tool call.

        Args:
            asked: who calls what; its tool is needed.
            arguments: raw.
            claim: the call goes ahead if it is allowed: a decision that allows it is used up.

        Raises:
            UndecidedError: there is no answer.
        """
        asked = resolved(asked)
        stop = self._stop(asked)
        if stop is not None and stop.verdict == "stop":
            return self._of_stop(stop)
        try:
            agent = self.agent_of(asked.agent)
            found, version, terms = self._verdict(asked, agent, arguments)
            rules, basis, action = found.rules, str(found.basis), found.action
            if stop is not None and action == "automatic":
                action, basis = "require_approval", "budget" if stop.by == "budget" else "stopped"
                rules = (stop.budget or stop.scope, *rules)
            runbook = (stop.runbook if stop is not None else "") or self._runbook
            approval = ""
            if action == "require_approval":
                approval = self._name(asked.agent, asked.server, asked.tool or "", arguments)
            decision = None
            if action == "require_approval":
                decision = self._approval(approval, agent, found, terms)
        except AgenttrailError as error:
            raise UndecidedError(error.message, hint=error.hint) from None
        answer = Answer(
            verdict=action, allowed=action == "automatic" or decision is not None, rests_on=decision, basis=basis, rules=rules, findings=found.findings,
            version=version, runbook=runbook, approval=approval,
            channel=found.channel.name if found.channel is not None and action == "require_approval" else "",
        )  # fmt: skip
        if claim and self.claim([answer]) is not None:
            return replace(answer, allowed=False)
        return answer

    def claim(self, answers: Sequence[Answer]) -> int | None:
        """Uses up the decisions that answers rest on, of all of them or of none.

        Returns:
            The place of the first answer whose decision another call has used, or uses with it; None
            where the calls go ahead.

        Raises:
            UndecidedError: that cannot be written.
        """
        resting = [(n, a.rests_on) for n, a in enumerate(answers) if a.rests_on is not None]
        if not resting or self._decisions is None:
            return None
        try:
            used = self._decisions.claim(*(decision for _, decision in resting))
        except AgenttrailError as error:
            raise UndecidedError(error.message, hint=error.hint) from None
        return None if used is None else resting[used][0]

    def _stop(self, asked: Asked) -> Stop | None:
        if self._switch is None:
            return None
        try:
            return self._switch.verdict(asked)
        except AgenttrailError as error:
            raise UndecidedError(error.message, hint=error.hint) from None

    def _of_stop(self, stop: Stop) -> Answer:
        return Answer(
            verdict="stop", allowed=False, basis="budget" if stop.by == "budget" else "stopped",
            rules=(stop.budget,) if stop.budget else (), scope=stop.scope,
            target="" if stop.scope == "user" else stop.target, category=stop.category,
            runbook=stop.runbook or self._runbook, until=stop.until or "",
        )  # fmt: skip

    def _verdict(
        self, asked: Asked, agent: Agent | None, arguments: Any
    ) -> tuple[Verdict, str, ApprovalTerms]:
        if self._policy is None:
            return Verdict("automatic", "default"), "", ApprovalTerms()
        evaluate = self._policy.value()
        department = asked.department or (agent.department if agent is not None else "")
        call = Call(
            tool=bare_tool(asked.tool or "", asked.server), arguments=arguments,
            agent=asked.agent or "", department=department, server=asked.server,
        )  # fmt: skip
        return evaluate(call), evaluate.policy.version, evaluate.policy.approvals

    def _name(self, agent: str | None, server: str | None, tool: str, arguments: Any) -> str:
        """The id of the approval that a call needs; empty without a key."""
        if self._hash is None:
            return ""
        return "apr-" + self._hash("gate", [agent, server, bare_tool(tool, server), arguments])

    def _approval(
        self, approval: str, agent: Agent | None, found: Verdict, terms: ApprovalTerms
    ) -> Decision | None:
        """The decision that lets the call pass, whether or not it is used yet."""
        if self._decisions is None or not approval:
            return None
        decision = self._decisions.last(approval)
        owners: Iterable[str] = ()
        if agent is not None and self._registry is not None:
            owners = self._registry.value().owner_names(agent)
        approvers = found.channel.approvers if found.channel is not None else ()
        allowed = allows(decision, terms, self._now(), owners=tuple(owners), approvers=approvers)
        return decision if allowed else None


class _Watched(Generic[T]):
    """What files say, read again when one of them changes. Cost: a `stat` for each file and question."""

    def __init__(self, files: Callable[[], list[str]], load: Callable[[], T]) -> None:
        self._files, self._load = files, load
        self._seen: list[tuple[str, int, int, int]] | None = None
        self._value: T | None = None

    def value(self) -> T:
        """What they say now.

        Raises:
            ConfigError, OSError: they cannot be understood; asked again, they are read again.
        """
        try:
            seen = [(name, *_stat(name)) for name in self._files()]
        except OSError as error:
            self._seen = None
            raise UndecidedError(f"a file of the policy cannot be read: {error.strerror}") from None
        if self._value is None or seen != self._seen:
            self._seen = None
            self._value = self._load()
            self._seen = seen
        return self._value


def _stat(path: str) -> tuple[int, int, int]:
    found = os.stat(path)
    return found.st_mtime_ns, found.st_ino, found.st_size
