"""What the policy asks of a call stands on its event; the call's values do not."""

from pathlib import Path

import pytest

from agenttrail import fields as f
from agenttrail.enrichers.policy import PolicyEnricher, PolicyOptions
from agenttrail.enrichers.registry import RegistryOptions
from agenttrail.errors import ConfigError
from tests.enrichers._made import AGENTS, POLICY, event, payment


@pytest.fixture(scope="module")
def enrich() -> PolicyEnricher:
    return PolicyOptions(policy=POLICY, registry=AGENTS).build()


def test_a_call_that_needs_an_approval_says_so_with_rule_channel_and_target(
    enrich: PolicyEnricher,
) -> None:
    """Of the amount nothing is added."""
    given = payment(250_000)
    fields = enrich(given).fields
    assert {name: fields[name] for name in fields if name not in given.fields} == {
        f.POLICY_VERDICT: "require_approval",
        f.POLICY_BASIS: "threshold",
        f.POLICY_RULES: ["expense over 100,000 yen"],
        f.POLICY_VERSION: "2026-11-25",
        f.APPROVAL_CHANNEL: "expense reviewers",
        f.APPROVAL_TARGET_MS: 14_400_000,
    }


def test_an_automatic_call_names_its_rule_and_no_channel(enrich: PolicyEnricher) -> None:
    """Under ¥10,000."""
    fields = enrich(payment(500)).fields
    assert fields[f.POLICY_VERDICT] == "automatic"
    assert fields[f.POLICY_RULES] == ["expense under 10,000 yen"]
    assert f.APPROVAL_CHANNEL not in fields


def test_what_cannot_be_judged_is_marked(enrich: PolicyEnricher) -> None:
    """And needs an approval."""
    fields = enrich(payment(500, "USD")).fields
    assert fields[f.POLICY_VERDICT] == "require_approval"
    assert fields[f.POLICY_FINDINGS] == ["currency_unknown"]


def test_a_call_that_no_rule_speaks_of_has_the_default(enrich: PolicyEnricher) -> None:
    """And names no rule."""
    fields = enrich(event(agent="expense", tool="get_claim", arguments={})).fields
    assert (fields[f.POLICY_VERDICT], fields[f.POLICY_BASIS]) == ("automatic", "default")
    assert f.POLICY_RULES not in fields


def test_only_tool_calls_are_judged_and_claims_do_not_stand(enrich: PolicyEnricher) -> None:
    """A log cannot say that its call was automatic."""
    claim = {f.POLICY_VERDICT: "automatic", f.POLICY_RULES: ["mine"], f.POLICY_FINDINGS: ["x"]}
    assert f.POLICY_VERDICT not in enrich(event(claim, agent="expense", action="chat")).fields
    given = payment(250_000)
    fields = enrich(event({**given.fields, **claim})).fields
    assert fields[f.POLICY_VERDICT] == "require_approval"
    assert f.POLICY_FINDINGS not in fields
    plain = event(agent="expense", action="chat")
    assert enrich(plain) is plain


def test_the_registrys_agent_is_the_one_that_rules_go_by(enrich: PolicyEnricher) -> None:
    """expense-tokyo is the agent expense; without the registry no rule is for it."""
    given = payment(250_000, agent="expense-tokyo")
    assert enrich(given).fields[f.POLICY_BASIS] == "default"
    registered = RegistryOptions(path=AGENTS).build()
    assert enrich(registered(given)).fields[f.POLICY_VERDICT] == "require_approval"


def test_a_name_that_the_registry_does_not_know_fails_at_start(tmp_path: Path) -> None:
    """A rule that could never speak."""
    path = tmp_path / "policy.yaml"
    path.write_text(Path(POLICY).read_text().replace("[pay_claim]", "[pay_clam]"))
    with pytest.raises(ConfigError, match="did you mean 'pay_claim'"):
        PolicyOptions(policy=str(path), registry=AGENTS).build()
