"""The policy: which calls go ahead, which need a person first, who that is, and what may be spent.

A `policy.yaml` holds rules of three kinds. An expense agent with over ¥100,000 always, under ¥10,000
automatic, and 5 % of those between:

    version: "2026-11-25"
    seed: ${SAMPLING_SEED}
    default: automatic
    rules:
      - {type: threshold, name: over 100k, agents: [expense], tools: [pay_claim], channel: reviewers,
         range: {path: $.amount, currency_path: $.currency, currency: JPY, over: 100000}}
      - {type: sampling, name: 5 % between, agents: [expense], tools: [pay_claim], channel: reviewers,
         range: {path: $.amount, currency_path: $.currency, currency: JPY, at_least: 10000, at_most: 100000},
         share: 0.05, key: [$.claim_id]}
    channels:
      - {name: reviewers, kind: reviewer, respond_within_s: 14400}

How rules combine: every rule whose agents, departments, servers, tools and conditions fit speaks, and
the strictest wins: stop, then require_approval, then automatic. A sampling rule says its verdict for
the share that it draws and automatic for the rest. `default` holds where no rule speaks.

What cannot be judged needs an approval: a range whose value is missing (unless `optional`), is no
number, is several where one is needed, is a negative amount, or whose currency is missing or one that
no rule over the same path states; and a sampling key that is missing. Such verdicts are marked.

Sampling draws by a keyed hash of seed, rule and key, so that a run over the same calls draws the same
ones and a call that is tried again is not drawn again. Keep the seed from the agents: whoever has it
knows what will be drawn.

Limits: a call is judged by itself; one amount split over several calls is what budgets are for.
Currencies are not converted: a rule for each, or an approval.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from agenttrail import decode
from agenttrail import fields as f
from agenttrail.errors import ConfigError, OptionError
from agenttrail.governance import paths
from agenttrail.governance.budget import Budget
from agenttrail.governance.registry import Registry, currency
from agenttrail.shapes import LABEL, TOKEN

Action = Literal["automatic", "require_approval", "stop"]
STRICTNESS = {"automatic": 0, "require_approval": 1, "stop": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A number of the call and between which bounds it has to be. Bounds that are left out are open."""

    path: Annotated[str | None, "JSONPath (RFC 9535) to it in the arguments."] = None
    field: Annotated[str | None, "Or the field of the event that has it."] = None
    measure: Annotated[
        Literal["value", "sum", "largest", "smallest", "count"],
        "Of the values found: the only one, their sum, an extreme, or how many there are (a list counts as many as it holds).",
    ] = "value"
    over: Annotated[Decimal | None, "Above this."] = None
    at_least: Annotated[Decimal | None, "This or above."] = None
    under: Annotated[Decimal | None, "Below this."] = None
    at_most: Annotated[Decimal | None, "This or below."] = None
    currency: Annotated[str | None, "ISO 4217 code of the bounds; needed for money."] = None
    currency_path: Annotated[
        str | None,
        "JSONPath to the currency of the call's amount; null: every amount is in `currency`.",
    ] = None
    unit: Annotated[str | None, "Unit of the bounds where it is no money: points, files, %."] = None
    optional: Annotated[bool, "A call without the value does not fit, instead of needing an approval."] = (
        False
    )  # fmt: skip

    def __post_init__(self) -> None:
        _one_place(self.path, self.field)
        if self.currency is not None:
            currency("currency", self.currency)
            if self.unit is not None:
                raise OptionError(
                    "unit", "an amount has a currency, not a unit", hint="leave one of the two out"
                )
        elif self.currency_path is not None:
            raise OptionError(
                "currency_path", "the currency of the bounds is missing", hint="currency: JPY"
            )
        elif self.unit is None and self.measure != "count":
            raise OptionError(
                "",
                "the currency is missing",
                hint="currency: JPY; or, for what is no money, unit: points",
            )
        if self.currency_path is not None:
            paths.compiled(self.currency_path, "currency_path")
        for one, other in (("over", "at_least"), ("under", "at_most")):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise OptionError(other, f"there is {one} already", hint="leave one of the two out")
        low, high = self.bounds
        if low is None and high is None:
            raise OptionError("", "has no bound", hint="over, at_least, under or at_most")
        closed = self.over is None and self.under is None
        if low is not None and high is not None and (low > high or (low == high and not closed)):
            raise OptionError(
                "", "nothing is between these bounds", hint="the lower bound is over or at_least"
            )

    @property
    def bounds(self) -> tuple[Decimal | None, Decimal | None]:
        """The lower and the upper bound, each None where it is open."""
        return (
            self.over if self.over is not None else self.at_least,
            self.under if self.under is not None else self.at_most,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that a call has to say. Of several values found, one that fits is enough."""

    path: Annotated[str | None, "JSONPath (RFC 9535) into the arguments."] = None
    field: Annotated[str | None, "Or a field of the event."] = None
    like: Annotated[
        tuple[str, ...], "A value fits one of these patterns (*, ?; case does not matter)."
    ] = ()
    not_like: Annotated[
        tuple[str, ...], "A value fits none of these: a recipient outside of your own domain."
    ] = ()
    exists: Annotated[bool | None, "There is a value, or there is none."] = None

    def __post_init__(self) -> None:
        _one_place(self.path, self.field)
        if sum((bool(self.like), bool(self.not_like), self.exists is not None)) != 1:
            raise OptionError(
                "", "has one of like, not_like and exists", hint="like: ['*@example.com']"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    name: Annotated[str, "What events and people call it."]
    agents: Annotated[tuple[str, ...], "Agents by registry id, or patterns; empty: all."] = ()
    departments: Annotated[tuple[str, ...], "Departments of the agents; empty: all."] = ()
    servers: Annotated[tuple[str, ...], "MCP servers, or patterns; empty: all and none."] = ()
    tools: Annotated[tuple[str, ...], "Tools, or patterns: transfer_*; empty: all."] = ()
    where: Annotated[tuple[Condition, ...], "What the call has to say; all of it."] = ()
    verdict: Annotated[Action, "What holds then."] = "require_approval"
    channel: Annotated[str | None, "Where an approval is asked for."] = None

    def __post_init__(self) -> None:
        _label("name", self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlwaysRule(_Rule):
    """By tool and by what the arguments say: transfers, contracts, announcements."""

    type: ClassVar[str] = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdRule(_Rule):
    """By a number: an amount, a confidence, how many files."""

    type: ClassVar[str] = "threshold"
    range: Annotated[Range, "The number and its bounds."]


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingRule(_Rule):
    """For a fixed share, drawn by a seed."""

    type: ClassVar[str] = "sampling"
    share: Annotated[float, "Share that is drawn: 0.05 is 5 %."]
    range: Annotated[Range | None, "Only calls with a number between bounds."] = None
    key: Annotated[
        tuple[str, ...],
        "JSONPaths to what is drawn, as a claim's id; empty: all arguments. A call tried again is the same draw.",
    ] = ()

    def __post_init__(self) -> None:
        # Not super(): slots make a new class, which the one of this method's cell is not.
        _Rule.__post_init__(self)
        if not 0 < self.share < 1:
            raise OptionError("share", "is between 0 and 1", hint="0.05 is 5 %")
        for number, path in enumerate(self.key):
            paths.compiled(path, f"key[{number}]")


Rule = AlwaysRule | ThresholdRule | SamplingRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Where approvals are asked for, and how soon there is an answer."""

    name: Annotated[str, "As rules and events call it."]
    kind: Annotated[Literal["reviewer", "business_owner", "security"], "Who answers there."]
    respond_within_s: Annotated[float, "Response time that it promises, in seconds."]
    approvers: Annotated[
        tuple[str, ...], "Who may decide, as the approval system names them; empty: anybody there."
    ] = ()
    address: Annotated[str, "Where it is: a chat channel, a queue."] = ""

    def __post_init__(self) -> None:
        _label("name", self.name)
        if self.respond_within_s <= 0:
            raise OptionError("respond_within_s", "must be positive", hint="14400 is four hours")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalTerms:
    """What makes a decision count."""

    valid_for_s: Annotated[float, "How long a decision holds, in seconds, where it says nothing."] = (
        86_400.0
    )  # fmt: skip
    owner_may_approve: Annotated[bool, "The agent's business owner may approve its calls."] = False
    sources: Annotated[
        tuple[Literal["user", "config", "hook", "policy"], ...],
        "Whose decisions count (agenttrail.approval.source).",
    ] = ("user",)
    standing: Annotated[
        bool, "A permission for a session, or for ever, counts as an approval of each call."
    ] = False
    skew_s: Annotated[
        float, "How far the clocks of agents and approval systems are apart, in seconds."
    ] = 5.0

    def __post_init__(self) -> None:
        if self.valid_for_s <= 0:
            raise OptionError("valid_for_s", "must be positive", hint="86400 is a day")
        if self.skew_s < 0:
            raise OptionError("skew_s", "must not be negative", hint="0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """A policy.yaml."""

    explained_as: ClassVar[str] = "policy"

    version: Annotated[str, "Version of the policy: events carry it."]
    default: Annotated[Action, "What holds for a call that no rule speaks of."]
    seed: Annotated[str | None, "Secret that sampling draws by; needed where a rule samples."] = (
        field(default=None, repr=False)
    )
    rules: Annotated[tuple[Rule, ...], "The rules."] = ()
    channels: Annotated[tuple[Channel, ...], "Where approvals are asked for."] = ()
    approvals: Annotated[ApprovalTerms, "What makes a decision count."] = ApprovalTerms()
    budgets: Annotated[tuple[Budget, ...], "What may be spent."] = ()

    def __post_init__(self) -> None:
        if not TOKEN.fits(self.version):
            raise OptionError("version", "is letters, digits, dots and dashes", hint='"2026-11-25"')


def load(path: str, registry: Registry | None = None) -> PolicyFile:
    """The policy of a file, its names checked against a registry where there is one.

    Raises:
        ConfigError: everything that is wrong with it, at once.
    """
    document = survey(path, registry)
    if document.problems:
        raise ConfigError(document.problems)
    policy: PolicyFile = document.value
    return policy


def survey(path: str, registry: Registry | None = None) -> decode.Document:
    """A policy as far as it can be read, with all its problems.

    Raises:
        ConfigError: the file cannot be read.
    """
    from agenttrail.governance import policy_lints

    document = decode.document(decode.text_of(path), path, PolicyFile)
    policy_lints.consistent(document)
    if registry is not None:
        policy_lints.known(document, registry)
    return document


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a policy.yaml, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "agenttrail policy",
        **decode.schema(PolicyFile),
    }


def strictest(actions: Sequence[Action]) -> Action:
    """The strictest of one or more verdicts."""
    return max(actions, key=STRICTNESS.__getitem__)


def _one_place(path: str | None, field: str | None) -> None:
    if (path is None) == (field is None):
        raise OptionError(
            "path", "a value is under a path of the arguments or in a field", hint="path: $.amount"
        )
    if path is not None:
        paths.compiled(path)
    if field is not None and field not in f.FIELDS:
        raise OptionError("field", "no field has this name", hint="agenttrail explain fields")


def _label(option: str, text: str) -> None:
    # It leaves as it is, past the mask: `shapes.LABEL` says what such words may be.
    if not LABEL.fits(text) or re.fullmatch(r"\s*", text):
        raise OptionError(
            option, "is one line of up to 200 characters without <, > and @", hint="name: over 100k"
        )
