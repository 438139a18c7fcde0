"""Approvals, kept: which request, which decisions and which executions belong together, and what is wrong.

A case is one thing that somebody was asked about. Requests, decisions and executions find their case
by the approval's id, by the id of the tool call, or, where an approval system knows neither of these,
by tool and arguments. What comes later may join two cases into one.

Which decision counts for an execution: the last one that was made (by its own time, `skew_s` allowed
for clocks) before the execution began; the order in which log lines come does not matter. An
execution is judged when it comes, because nothing is held back. A decision that was made before it, or
a request that it belongs to, but that is logged later, has it judged again: that event then says which
executions it settles, and the marks that they deserve instead.

A case keeps times, outcomes, ids that machines made and keyed hashes: of arguments, of approvers.
The key of these hashes is made with the state file and stays in it.

Limits: a case remembers its last 20 decisions and 50 executions. A case that nothing was added to for
`keep_days` of the log's own time is forgotten: what comes for it later finds no decision.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agenttrail.governance.hashing import Hasher
from agenttrail.governance.policy import ApprovalTerms
from agenttrail.governance.state import State
from agenttrail.shapes import HEX, MADE_ID

SCOPE = "approvals"
_KEY = "k"
_FOREVER = 1e18  # an `at` that `prune` never reaches
_DECISIONS, _EXECUTIONS = 20, 50
_PRUNE_EVERY = 5_000
# AP-1042, apr_7fGq2, CHG0031-7: letters, a separator, and a number somewhere behind it.
_NUMBERED = re.compile(
    r"[A-Za-z]{1,16}[A-Za-z0-9]{0,16}[-_][A-Za-z0-9_-]{0,40}\d[A-Za-z0-9_-]{0,40}"
)
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """By what an event may find its case; raw, only hashes of them are kept."""

    approval: str | None = None
    call: str | None = None
    tool: str | None = None  # with arguments; only where neither of the others is known
    arguments: Any = None


@dataclass(slots=True)
class Decision:
    """One decision. Times are seconds since 1970."""

    event: str
    at: float
    outcome: str  # allow, deny, expired
    source: str = "user"
    scope: str = "once"
    expires: float | None = None
    arguments: str | None = None  # hash of those that it was about, where it says them
    given: str | None = None  # their hash by the approval system, with a key that we share
    approver: str | None = None  # hash
    call: str | None = None  # hash of the id of the one call that it was about
    state: str | None = None  # hash that links an MCP retry with the next one
    timed: bool = False  # whether it is known if it kept the target, or it says nothing of that
    settles: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Execution:
    """One execution, and what was found about it."""

    event: str
    at: float
    arguments: str | None
    given: str | None = None
    call: str | None = None  # hash
    log: str = ""  # format of the log: one call in two logs is one execution
    by: str | None = None  # event id of the decision that it rests on
    needed: bool = False
    owners: list[str] = field(default_factory=list)  # hashes
    approvers: list[str] = field(default_factory=list)  # hashes of who may decide; empty: anybody
    marks: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Case:
    """All that is known of one thing that somebody was asked about."""

    id: str | None = None  # approval id as events have it
    asked: float | None = None
    channel: str | None = None
    target_ms: int | None = None
    arguments: str | None = None  # hash of those that were asked about
    given: str | None = None
    decisions: list[Decision] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    # What requests that came late said of executions: event id to settled events and marks.
    requests: dict[str, list[list[str]]] = field(default_factory=dict)

    def dump(self) -> dict[str, Any]:
        """As a JSON value, what is empty left out."""
        return {
            **_filled(
                self, ("id", "asked", "channel", "target_ms", "arguments", "given", "requests")
            ),
            "d": [_filled(d, Decision.__slots__) for d in self.decisions],
            "e": [_filled(e, Execution.__slots__) for e in self.executions],
        }

    @classmethod
    def load(cls, value: Mapping[str, Any]) -> Case:
        rest = {name: item for name, item in value.items() if name not in ("d", "e")}
        return cls(
            **rest,
            decisions=[Decision(**d) for d in value["d"]],
            executions=[Execution(**e) for e in value["e"]],
        )

    @property
    def latest(self) -> float:
        """The newest time of the case."""
        times = [d.at for d in self.decisions] + [e.at for e in self.executions]
        return max([*times, self.asked or 0.0])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a case is kept: by all keys that an event has for it, the case itself under one."""

    keys: list[str]
    key: str
    case: Case


class Book:
    """All cases of one state.

    Args:
        state: of the scope `SCOPE`.
        terms: what makes a decision count.
        keep_days: how long a case is remembered, by the log's own time.
    """

    def __init__(self, state: State, terms: ApprovalTerms, *, keep_days: float = 45.0) -> None:
        self._state, self._terms, self._keep_s = state, terms, keep_days * _DAY_S
        secret = state.get(_KEY)
        if secret is None:
            secret = secrets.token_hex(32)
            state.put(_KEY, secret, at=_FOREVER)
            state.save()  # before any hash: a key that is lost would cut all links
        self.hash = Hasher(bytes.fromhex(secret))
        self._newest, self._events = 0.0, 0

    def find(self, names: Names) -> Place:
        """The case that an event belongs to, a new one where there is none.

        Cases that turn out to be one are joined.
        """
        keys = list(_keys(self.hash, names))
        found: dict[str, Case] = {}
        for key in keys:
            place = self._state.get(key)
            while isinstance(place, str):  # joined into another one since
                key, place = place, self._state.get(place)
            if place is not None and key not in found:
                found[key] = Case.load(place)
        if not found:
            return Place(keys, keys[0] if keys else "", Case())
        (first, case), *others = found.items()
        for other, more in others:
            _join(case, more)
            self._state.put(other, first, at=more.latest)
        return Place(keys, first, case)

    def keep(self, place: Place) -> None:
        """Writes a case, and the names that the event had for it."""
        key, case = place.key, place.case
        del case.decisions[:-_DECISIONS]
        del case.executions[:-_EXECUTIONS]
        at = case.latest
        if key:
            self._state.put(key, case.dump(), at=at)
            for name in place.keys:
                if name != key and self._state.get(name) is None:
                    self._state.put(name, key, at=at)
        self._newest = max(self._newest, at)
        self._events += 1

    def save(self) -> None:
        """Makes all of it durable, and forgets what is old."""
        self._state.save()
        if self._events >= _PRUNE_EVERY:
            self._events = 0
            self._state.prune(self._newest - self._keep_s)

    def close(self) -> None:
        self._state.close()

    def judge(self, case: Case, execution: Execution) -> list[str]:
        """Everything that is wrong with an execution, by the decisions that are known now."""
        return judge(case, execution, self._terms)


def judge(
    case: Case, execution: Execution, terms: ApprovalTerms, *, again: bool = False
) -> list[str]:
    """The marks of an execution; empty where all is as it has to be. Notes the decision it rests on.

    Of two executions on one decision the one that is judged later is the reuse; judged `again`, the one
    that ran later.
    """
    others = [e for e in case.executions if not again or e.at <= execution.at]
    last = _counting(case, execution, terms, others)
    execution.by = None
    if last is None:
        return ["executed_without_approval"] if execution.needed else []
    if last.outcome == "deny":
        return ["executed_after_deny"]
    if last.outcome != "allow":
        return ["executed_after_expiry"] if execution.needed else []
    marks = []
    if execution.needed:
        if not _counts(last, terms):
            return ["executed_without_approval"]
        until = last.expires if last.expires is not None else last.at + terms.valid_for_s
        if execution.at > until + terms.skew_s:
            marks.append("executed_after_expiry")
        if last.approver in execution.owners and not terms.owner_may_approve:
            marks.append("approved_by_owner")
        if execution.approvers and last.approver not in execution.approvers:
            marks.append("approver_not_allowed")
        if last.scope == "once" and _used(others, last, execution, terms.skew_s):
            marks.append("decision_reused")
    execution.by = last.event
    if _differ(last.arguments or case.arguments, execution.arguments) or _differ(
        last.given or case.given, execution.given
    ):
        marks.append("arguments_changed")
    return marks


def missed(case: Case) -> bool:
    """Whether a decision that was logged before its request turns out to have missed the target."""
    found = False
    for decision in case.decisions:
        if decision.timed or case.asked is None or case.target_ms is None:
            continue
        decision.timed = True
        found = found or (decision.at - case.asked) * 1000 > case.target_ms
    return found


def judged_again(
    case: Case, terms: ApprovalTerms, decision: Decision | None = None
) -> tuple[list[str], list[str]]:
    """Executions whose marks are others now that a request or a decision has come: events, and marks.

    Args:
        case: with what has come.
        terms: of the policy.
        decision: what has come, where it is one: only what it was made before is judged again.
    """
    settles: list[str] = []
    found: list[str] = []
    late = False
    for execution in case.executions:
        if decision is not None and decision.at > execution.at + terms.skew_s:
            late = late or "executed_without_approval" in execution.marks
            continue
        marks = judge(case, execution, terms, again=True)
        if marks != execution.marks:
            execution.marks = marks
            settles.append(execution.event)
            found += [mark for mark in marks if mark not in found]
    if late and decision is not None and decision.outcome == "allow":
        found.append("decided_after_execution")
    return settles, found


def person(hasher: Hasher, who: str) -> str:
    """The hash that a person is known by, in whatever case the name is written."""
    return hasher("person", who.casefold())


def shown(given: str | None) -> str | None:
    """An approval's or a call's id as it may be kept: of a shape that machines make, else None.

    A word without a separator and a number in it could be somebody's login.
    """
    if given is None:
        return None
    return given if MADE_ID.fits(given) or _NUMBERED.fullmatch(given) else None


def hexed(given: str | None) -> str | None:
    """A hash that an approval system gives, where it looks like one."""
    return given if given is not None and HEX.fits(given) else None


def _keys(hasher: Hasher, names: Names) -> Iterable[str]:
    if names.approval is not None:
        yield "i" + hasher("approval", names.approval)
    if names.call is not None:
        yield "c" + hasher("call", names.call)
    if names.tool is not None:
        yield "h" + hasher("tool", [names.tool, names.arguments])


def _counting(
    case: Case, execution: Execution, terms: ApprovalTerms, others: Sequence[Execution]
) -> Decision | None:
    """The decision that counts for an execution.

    Those about another call of the same case only where there are no others; a permission that does not count never stands
    over a decision that does (a runtime's setting over a person's no). Of these the last, and of
    several that allow and that nothing came between, one that is not used yet.
    """
    before = [d for d in case.decisions if d.at <= execution.at + terms.skew_s]
    if execution.call is not None:
        before = [d for d in before if d.call in (None, execution.call)] or before
    before = [d for d in before if d.outcome != "allow" or _counts(d, terms)] or before
    if not before:
        return None
    before.sort(key=lambda d: d.at)
    if before[-1].outcome == "allow":
        for decision in reversed(before):
            if decision.outcome != "allow":
                break
            if not _used(others, decision, execution, terms.skew_s):
                return decision
    return before[-1]


def _counts(decision: Decision, terms: ApprovalTerms) -> bool:
    """Whether a permission is an approval in the policy's terms."""
    return decision.source in terms.sources and (decision.scope == "once" or terms.standing)


def _used(
    others: Sequence[Execution], decision: Decision, execution: Execution, skew_s: float
) -> bool:
    """Whether another execution rests on the decision."""
    return any(
        other.by == decision.event and not _same(other, execution, skew_s) for other in others
    )


def _same(one: Execution, other: Execution, skew_s: float) -> bool:
    """Whether two are one: the same event again, or one call in two logs."""
    if one.event == other.event:
        return True
    if one.call is not None and other.call is not None:
        return one.call == other.call
    return (
        one.log != other.log
        and one.arguments == other.arguments
        and abs(one.at - other.at) <= skew_s
    )  # fmt: skip


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other


def _join(case: Case, other: Case) -> None:
    for name in ("id", "channel", "target_ms", "arguments", "given"):
        if getattr(case, name) is None:
            setattr(case, name, getattr(other, name))
    asked = [time for time in (case.asked, other.asked) if time is not None]
    case.asked = min(asked, default=None)
    case.decisions = sorted([*case.decisions, *other.decisions], key=lambda d: d.at)
    case.executions = sorted([*case.executions, *other.executions], key=lambda e: e.at)
    case.requests |= other.requests


def _filled(item: Any, names: Iterable[str]) -> dict[str, Any]:
    return {
        n: v
        for n in names
        if (v := getattr(item, n)) is not None and v is not False and v not in ([], {})
    }
