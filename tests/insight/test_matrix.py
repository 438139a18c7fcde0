"""Who decides: every rule, budget and agent has its row, and what nobody decided is said."""

from pathlib import Path

from agenttrail.governance import policy, registry
from agenttrail.insight.matrix import markdown, matrix, page

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
KNOWN = registry.load(str(EXAMPLES / "agents.yaml"))
RULES = policy.load(str(EXAMPLES / "policy.yaml"), KNOWN)


def test_every_agent_rule_and_threshold_has_a_row() -> None:
    rows = matrix(KNOWN, RULES).rows

    for agent in KNOWN.agents:
        assert sum(row.subject == agent for row in rows) >= 3
    asked = [rule for rule in RULES.rules if rule.verdict != "automatic"]
    steps = sum(len(budget.thresholds) for budget in RULES.budgets)
    roles = 3 * len(KNOWN.agents) + sum(a.deprecation is not None for a in KNOWN.agents.values())
    assert len(rows) == roles + len(asked) + steps


def test_the_expense_example_reads_as_written() -> None:
    thresholds = [row.threshold for row in matrix(KNOWN, RULES).rows if row.looks_at == "pay_claim"]

    assert thresholds == ["amount over 100,000 JPY", "5 % of calls drawn, amount from 10,000 JPY up to 100,000 JPY"]  # fmt: skip


def test_what_is_undecided_is_said() -> None:
    """Gaps of the examples, and all of them where there is no policy."""
    undecided = matrix(KNOWN, RULES).undecided

    assert "researcher: what it may cost (no budget covers it)" in undecided
    assert "channel 'security': where it is (no address)" in undecided
    assert matrix(KNOWN, None).undecided[-1].startswith("there is no policy")


def test_markdown_and_page_have_every_row() -> None:
    made = matrix(KNOWN, RULES)

    assert markdown(made).count("\n| ") == len(made.rows) + 2
    assert page(made).count("<tr>") == len(made.rows) + 1
