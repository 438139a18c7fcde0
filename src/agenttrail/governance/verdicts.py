"""What the policy says of one call, and why; see `policy` for how rules combine.

    evaluate = Evaluator(policy.load("policy.yaml"))
    verdict = evaluate(Call(agent="expense", server="expenses", tool="pay_claim", arguments=arguments))
    verdict.action, verdict.rules       # "require_approval", ("expense over 100,000 yen",)

Neither a verdict nor its explanation holds a value of the call.

Cost: a call is compared with the rules of its agent, server and tool only, found once for each; a path
that several rules share is read once.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any, Literal

from agenttrail import fields as f
from agenttrail.governance import paths
from agenttrail.governance.hashing import canonical
from agenttrail.governance.policy import (
    STRICTNESS,
    Action,
    Channel,
    Condition,
    PolicyFile,
    Range,
    Rule,
    SamplingRule,
)
from agenttrail.governance.registry import bare_tool
from agenttrail.jsontext import Number

Basis = Literal["always", "threshold", "sampling", "default"]
# What a rule says of a call: it fits, it does not, or that cannot be told.
Fit = Literal["fits", "does not fit", "cannot be judged"]

_NUMERIC = re.compile(r"-?\d{1,40}(?:\.\d{1,40})?")
# Tools are named by logs: what is remembered of them is bounded.
_REMEMBERED = 10_000
_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A tool call before or after it ran, with its raw arguments."""

    tool: str
    arguments: Any
    agent: str = ""
    department: str = ""
    server: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)  # of the event, for rules that ask them


@dataclass(frozen=True, slots=True)
class Verdict:
    """What holds, the kind of rule that decided, and all rules that spoke, the deciding one first.

    `findings` say what could not be judged: value_missing, value_unreadable, value_negative,
    currency_missing, currency_unknown, key_missing.
    """

    action: Action
    basis: Basis
    rules: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    channel: Channel | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """One rule's word on a call, for people."""

    rule: Rule
    fit: Fit
    action: Action | None  # None where it does not fit
    finding: str = ""
    drawn: bool | None = None  # of sampling


def call_of(fields: Mapping[str, Any]) -> Call | None:
    """The call that an event is of, by its raw fields; None where it is of none.

    The agent is the registry's where an enricher found it, else what the event calls itself.
    """
    tool = fields.get(f.TOOL_NAME)
    if not isinstance(tool, str):
        return None
    server = fields.get(f.MCP_SERVER_NAME)
    agent = fields.get(f.REGISTRY_AGENT_ID) or fields.get(f.AGENT_ID) or fields.get(f.AGENT_NAME)
    return Call(
        tool=bare_tool(tool, server), arguments=fields.get(f.TOOL_ARGUMENTS, _NOTHING),
        agent=agent or "", department=fields.get(f.REGISTRY_DEPARTMENT) or "", server=server,
        fields=fields,
    )  # fmt: skip


class Evaluator:
    """A policy, ready to be asked. Safe to share between threads."""

    def __init__(self, policy: PolicyFile) -> None:
        self.policy = policy
        self._channels = {channel.name: channel for channel in policy.channels}
        seed = hashlib.blake2b((policy.seed or "").encode(), digest_size=32).digest()
        self._rules = [_Ready(rule, seed) for rule in policy.rules]
        self._silent = Verdict(policy.default, "default")
        self._of: dict[tuple[str, str, str | None, str], tuple[_Ready, ...]] = {}

    def __call__(self, call: Call) -> Verdict:
        """The verdict on a call."""
        bound = self._bound(call)
        if not bound:
            return self._silent
        spoken = [said for said in self._said(bound, call) if said.action is not None]
        if not spoken:
            return self._silent
        # The first in the file among the strictest decides.
        deciding = max(spoken, key=lambda said: STRICTNESS[said.action or "automatic"])
        names = [deciding.rule.name, *(s.rule.name for s in spoken if s is not deciding)]
        findings = dict.fromkeys(said.finding for said in spoken if said.finding)
        channel = deciding.rule.channel
        return Verdict(
            deciding.action or "automatic", _BASES[deciding.rule.type], tuple(names), tuple(findings),
            self._channels[channel] if channel is not None else None,
        )  # fmt: skip

    def explain(self, call: Call) -> list[Said]:
        """What every rule that is for such calls says of this one, in the order of the file."""
        return self._said(self._bound(call), call)

    def _said(self, bound: Sequence[_Ready], call: Call) -> list[Said]:
        asked = [(ready, ready.asks(call)) for ready in bound]
        # Only what the rules of this very call state is a currency that they can judge.
        stated: dict[Any, set[str]] = {}
        for ready, asks in asked:
            if asks and ready.currency is not None:
                stated.setdefault(ready.place, set()).add(ready.currency)
        read: dict[Any, _Reading] = {}
        return [
            ready.say(call, read, stated.get(ready.place, ()))
            if asks
            else Said(ready.rule, "does not fit", None)
            for ready, asks in asked
        ]

    def _bound(self, call: Call) -> tuple[_Ready, ...]:
        key = (call.agent, call.department, call.server, call.tool)
        found = self._of.get(key)
        if found is None:
            found = tuple(ready for ready in self._rules if ready.is_for(call))
            if len(self._of) >= _REMEMBERED:
                self._of.clear()
            self._of[key] = found
        return found


@dataclass(frozen=True, slots=True)
class _Reading:
    """A number of a call as it was read: a value, or what is wrong with it."""

    value: int | Decimal | None
    finding: str = ""
    currency: str | None = None


class _Ready:
    """One rule with everything compiled."""

    __slots__ = (
        "_finders",
        "_keys",
        "_most",
        "_tests",
        "currency",
        "place",
        "range",
        "rule",
        "seed",
    )

    def __init__(self, rule: Rule, seed: bytes) -> None:
        self.rule = rule
        self._tests = [_test(condition) for condition in rule.where]
        self.range: Range | None = getattr(rule, "range", None)
        # Rules that read the same number of a call share the reading.
        self.place: Any = None
        self.currency: str | None = None
        if self.range is not None:
            r = self.range
            self.currency = r.currency
            self.place = (
                r.path, r.field, r.measure, r.currency_path, r.optional, r.currency is None
            )  # fmt: skip
            self._finders = (
                None if r.path is None else paths.compiled(r.path),
                None if r.currency_path is None else paths.compiled(r.currency_path),
            )
        self._keys: list[paths.Finder] = []
        self._most = 0
        if isinstance(rule, SamplingRule):
            self._keys = [paths.compiled(path) for path in rule.key]
            self._most = int(rule.share * 2**64)
        # One key for each rule: what one draws says nothing of what another does.
        self.seed = hashlib.blake2b(rule.name.encode(), key=seed, digest_size=32).digest()

    def is_for(self, call: Call) -> bool:
        rule = self.rule
        return (
            _fits(call.agent, rule.agents)
            and _fits(call.department, rule.departments)
            and _fits(call.server, rule.servers)
            and _fits(call.tool, rule.tools)
        )

    def asks(self, call: Call) -> bool:
        """Whether all that the rule wants the call to say is said."""
        return all(test(call) for test in self._tests)

    def say(self, call: Call, read: dict[Any, _Reading], currencies: Collection[str]) -> Said:
        rule = self.rule
        if self.range is not None:
            reading = read.get(self.place)
            if reading is None:
                reading = read[self.place] = self._reading(call, currencies)
            if reading.finding:
                return Said(rule, "cannot be judged", "require_approval", reading.finding)
            if reading.value is None or not _between(reading, self.range):
                return Said(rule, "does not fit", None)
        if not isinstance(rule, SamplingRule):
            return Said(rule, "fits", rule.verdict)
        drawn = self._drawn(call)
        if drawn is None:
            return Said(rule, "cannot be judged", "require_approval", "key_missing")
        return Said(rule, "fits", rule.verdict if drawn else "automatic", drawn=drawn)

    def _reading(self, call: Call, currencies: Collection[str]) -> _Reading:
        r = self.range
        assert r is not None
        amount, currency = self._finders
        if amount is not None:
            found = amount(call.arguments)
        else:
            value = call.fields.get(r.field or "")
            found = [] if value is None else [value]
        if r.measure == "count":
            return _Reading(sum(len(v) if isinstance(v, list) else 1 for v in found))
        if not found:
            return _Reading(None, "" if r.optional else "value_missing")
        if r.measure == "value" and len(found) > 1:
            return _Reading(None, "value_unreadable")
        numbers = [number for value in found if (number := _number(value)) is not None]
        if len(numbers) < len(found):
            return _Reading(None, "value_unreadable")
        if r.currency is not None and min(numbers) < 0:
            return _Reading(None, "value_negative")
        stated = None
        if currency is not None:
            said = currency(call.arguments)
            if len(said) != 1 or not isinstance(said[0], str) or not said[0].strip():
                return _Reading(None, "currency_missing")
            stated = said[0].strip().upper()
            if stated not in currencies:
                return _Reading(None, "currency_unknown")
        try:
            return _Reading(_MEASURES[r.measure](numbers), currency=stated)
        except ArithmeticError:  # exponents beyond all sense
            return _Reading(None, "value_unreadable")

    def _drawn(self, call: Call) -> bool | None:
        """Whether the call is in the share; None where what is drawn by is missing."""
        if self._keys:
            found = [find(call.arguments) for find in self._keys]
            if not all(found):
                return None
            data = canonical(found)
        else:
            data = canonical([call.server, call.tool, call.arguments])
        digest = hashlib.blake2b(data, key=self.seed, digest_size=8).digest()
        return int.from_bytes(digest, "big") < self._most


_MEASURES: dict[str, Callable[[Sequence[int | Decimal]], int | Decimal]] = {
    "value": lambda numbers: numbers[0],
    "sum": sum,
    "largest": max,
    "smallest": min,
}


_BASES: dict[str, Basis] = {"always": "always", "threshold": "threshold", "sampling": "sampling"}


def _fits(value: str | None, patterns: Sequence[str]) -> bool:
    if not patterns:
        return True
    return value is not None and any(fnmatchcase(value, pattern) for pattern in patterns)


def _number(value: Any) -> int | Decimal | None:
    """An exact number of a JSON number or of text that is one; None for all else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        text = value.text if isinstance(value, Number) else repr(value)
    elif isinstance(value, str) and _NUMERIC.fullmatch(value):
        text = value
    else:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _between(reading: _Reading, r: Range) -> bool:
    value = reading.value
    assert value is not None
    if reading.currency is not None and reading.currency != r.currency:
        return False
    return (
        (r.over is None or value > r.over)
        and (r.at_least is None or value >= r.at_least)
        and (r.under is None or value < r.under)
        and (r.at_most is None or value <= r.at_most)
    )


def _test(condition: Condition) -> Callable[[Call], bool]:
    find: Callable[[Call], list[Any]]
    if condition.path is not None:
        in_arguments = paths.compiled(condition.path)
        find = lambda call: in_arguments(call.arguments)  # noqa: E731
    else:
        name = condition.field or ""
        find = lambda call: [call.fields[name]] if name in call.fields else []  # noqa: E731
    if condition.exists is not None:
        wanted = condition.exists
        return lambda call: bool(find(call)) is wanted
    patterns = [
        re.compile(fnmatch.translate(pattern.casefold())).match
        for pattern in condition.like or condition.not_like
    ]
    wanted = bool(condition.like)
    return lambda call: any(
        any(match(text) for match in patterns) is wanted
        for value in find(call)
        for text in _texts(value)
    )


def _texts(value: Any) -> list[str]:
    """All texts of a value, lists and objects looked into, without regard to case."""
    if isinstance(value, str):
        return [value.casefold()]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    if value is None:
        return ["null"]
    return [str(value).lower()]
