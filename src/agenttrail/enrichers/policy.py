"""Says what the policy asks of each tool call: automatic, an approval first, or a stop.

Every tool call, refused ones too, is judged by the policy (`agenttrail explain policy`) on its raw
arguments; what leaves is the verdict, the kind of rule that decided, the names of the rules that spoke
and what could not be judged. No amount, no argument. Where an approval is needed the event has the
channel and its response time too.

The agent is the one that the enricher `registry` found, if it stands before this one, else the id or
name that the event gives. What the event itself claims in these fields is taken out.

Limits: this says what should have happened; `approvals` says whether it did, and
`agenttrail tap --enforce` refuses the call before it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from agenttrail import fields as f
from agenttrail.governance import policy as policies
from agenttrail.governance import registry
from agenttrail.governance.verdicts import Evaluator, call_of
from agenttrail.seams import Event

_OURS = (
    f.POLICY_VERDICT, f.POLICY_BASIS, f.POLICY_RULES, f.POLICY_VERSION, f.POLICY_FINDINGS,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOptions:
    """What the policy asks of each tool call: automatic, an approval, or a stop."""

    type: ClassVar[str] = "policy"
    policy: Annotated[str, "The policy: policy.yaml."]
    registry: Annotated[
        str | None, "The registry that names in the policy are checked against at start."
    ] = None

    def build(self) -> PolicyEnricher:
        known = None if self.registry is None else registry.load(self.registry)
        return PolicyEnricher(Evaluator(policies.load(self.policy, known)))


class PolicyEnricher:
    """See the module."""

    def __init__(self, evaluate: Evaluator) -> None:
        self._evaluate = evaluate
        self._version = evaluate.policy.version

    def __call__(self, event: Event, /) -> Event:
        fields = event.fields
        claimed = [name for name in _OURS if name in fields]
        call = call_of(fields) if fields.get(f.EVENT_ACTION) == "execute_tool" else None
        if call is None:
            if not claimed:
                return event
            return Event({n: v for n, v in fields.items() if n not in claimed}, event.origins)
        verdict = self._evaluate(call)
        merged: dict[str, Any] = dict(fields)
        for name in claimed:
            del merged[name]
        merged[f.POLICY_VERDICT] = verdict.action
        merged[f.POLICY_BASIS] = verdict.basis
        merged[f.POLICY_VERSION] = self._version
        if verdict.rules:
            merged[f.POLICY_RULES] = list(verdict.rules)
        if verdict.findings:
            merged[f.POLICY_FINDINGS] = list(verdict.findings)
        if verdict.channel is not None and verdict.action == "require_approval":
            merged.setdefault(f.APPROVAL_CHANNEL, verdict.channel.name)
            merged[f.APPROVAL_TARGET_MS] = round(verdict.channel.respond_within_s * 1000)
        return Event(merged, event.origins)
