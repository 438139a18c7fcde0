"""What the policy says of a call: kinds of rules, how they combine, and what cannot be judged."""

import math
import random
from pathlib import Path
from typing import Any

import pytest

from agenttrail import fields as f
from agenttrail import jsontext
from agenttrail.governance import policy, verdicts
from agenttrail.governance.verdicts import Call, Evaluator

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "policy.yaml"
HEAD = 'version: "1"\ndefault: automatic\nseed: s\nrules:\n'


def evaluator(folder: Path, *rules: str, head: str = HEAD) -> Evaluator:
    path = folder / "policy.yaml"
    path.write_text(head + "".join(f"  - {rule}\n" for rule in rules), encoding="utf-8")
    return Evaluator(policy.load(str(path)))


def pay(arguments: Any, **more: Any) -> Call:
    return Call(agent="expense", server="expenses", tool="pay_claim", arguments=arguments, **more)


def claim(amount: Any, currency: Any = "JPY", id: Any = "c-1") -> dict[str, Any]:
    return {"claim_id": id, "amount": amount, "currency": currency}


@pytest.fixture(scope="module")
def expense() -> Evaluator:
    return Evaluator(policy.load(str(EXAMPLE)))


@pytest.mark.parametrize(
    ("arguments", "action", "rule", "findings"),
    [
        (claim(100_001), "require_approval", "expense over 100,000 yen", ()),
        (claim(jsontext.loads("100000.000000000000000001")), "require_approval", "expense over 100,000 yen", ()),
        (claim(jsontext.loads("1e400")), "require_approval", "expense over 100,000 yen", ()),
        (claim("250000"), "require_approval", "expense over 100,000 yen", ()),
        (claim(100_000), None, "expense sample", ()),
        (claim(10_000), None, "expense sample", ()),
        (claim(9_999.99), "automatic", "expense under 10,000 yen", ()),
        (claim(0), "automatic", "expense under 10,000 yen", ()),
        (claim(500, " jpy "), "automatic", "expense under 10,000 yen", ()),
        (claim(500, "THB"), "require_approval", "expense over 100,000 yen", ("currency_unknown",)),
        (claim(500, "¥"), "require_approval", "expense over 100,000 yen", ("currency_unknown",)),
        (claim(500, ""), "require_approval", "expense over 100,000 yen", ("currency_missing",)),
        (claim(500, 392), "require_approval", "expense over 100,000 yen", ("currency_missing",)),
        ({"amount": 500, "claim_id": "c"}, "require_approval", "expense over 100,000 yen", ("currency_missing",)),
        (claim(-500_000), "require_approval", "expense over 100,000 yen", ("value_negative",)),
        (claim("¥500"), "require_approval", "expense over 100,000 yen", ("value_unreadable",)),
        (claim("5e2"), "require_approval", "expense over 100,000 yen", ("value_unreadable",)),
        (claim(True), "require_approval", "expense over 100,000 yen", ("value_unreadable",)),
        (claim(None), "require_approval", "expense over 100,000 yen", ("value_unreadable",)),
        (claim([500]), "require_approval", "expense over 100,000 yen", ("value_unreadable",)),
        ({}, "require_approval", "expense over 100,000 yen", ("value_missing",)),
        ({"value": "text"}, "require_approval", "expense over 100,000 yen", ("value_missing",)),
        (None, "require_approval", "expense over 100,000 yen", ("value_missing",)),
        ({"amount": 50_000, "currency": "JPY"}, "require_approval", "expense sample", ("key_missing",)),
    ],
)  # fmt: skip
def test_the_expense_policy_works_as_written_and_fails_safe(
    expense: Evaluator, arguments: Any, action: str | None, rule: str, findings: tuple[str, ...]
) -> None:
    """Over ¥100,000 always, under ¥10,000 automatic, what cannot be judged needs an approval."""
    verdict = expense(pay(arguments))
    assert action in (verdict.action, None)
    assert verdict.rules[0] == rule
    assert verdict.findings == findings


def test_ten_thousand_claims_are_decided_as_the_policy_says_and_sampled_within_the_interval(
    expense: Evaluator,
) -> None:
    """Every claim above and below exactly; of those between 5 %, the same ones again."""
    rng = random.Random(20261125)
    claims = [claim(round(10 ** rng.uniform(2, 6)), id=f"claim-{n}") for n in range(10_000)]
    between = drawn = 0
    for arguments in claims:
        verdict = expense(pay(arguments))
        if arguments["amount"] > 100_000:
            assert (verdict.action, verdict.basis) == ("require_approval", "threshold")
        elif arguments["amount"] < 10_000:
            assert (verdict.action, verdict.basis) == ("automatic", "threshold")
        else:
            assert verdict.basis == "sampling"
            between += 1
            drawn += verdict.action == "require_approval"
    share = drawn / between
    # 99.9 % of all seeds give a share within this of 5 %.
    assert abs(share - 0.05) <= 3.29 * math.sqrt(0.05 * 0.95 / between)
    again = Evaluator(policy.load(str(EXAMPLE)))
    assert all(again(pay(arguments)) == expense(pay(arguments)) for arguments in claims)


def test_another_seed_draws_other_calls_and_each_rule_draws_for_itself(tmp_path: Path) -> None:
    """What one rule draws says nothing of what another one does."""
    rule = "{type: sampling, name: NAME, share: 0.5, key: [$.claim_id]}"
    calls = [pay(claim(1, id=n)) for n in range(400)]

    def drawn(head: str, name: str) -> list[bool]:
        made = evaluator(tmp_path, rule.replace("NAME", name), head=head)
        return [made(call).action == "require_approval" for call in calls]

    first = drawn(HEAD, "a")
    for other in (drawn(HEAD, "b"), drawn(HEAD.replace("seed: s", "seed: t"), "a")):
        same = sum(x == y for x, y in zip(first, other, strict=True))
        assert 140 < same < 260


def test_a_call_tried_again_is_the_same_draw(tmp_path: Path) -> None:
    """By its arguments where no key is named: trying again does not draw again."""
    made = evaluator(tmp_path, "{type: sampling, name: a, share: 0.5}")
    for number in range(50):
        one = made(pay({"n": number, "x": 5.0}))
        assert one == made(pay({"x": 5, "n": number}))


@pytest.mark.parametrize(
    ("rule", "arguments", "action"),
    [
        ("{type: always, name: a, tools: ['pay_*']}", {}, "require_approval"),
        ("{type: always, name: a, tools: [other]}", {}, "automatic"),
        ("{type: always, name: a, agents: ['exp*']}", {}, "require_approval"),
        ("{type: always, name: a, servers: [expenses]}", {}, "require_approval"),
        ("{type: always, name: a, servers: [crm]}", {}, "automatic"),
        ("{type: always, name: a, departments: [accounting]}", {}, "require_approval"),
        ("{type: always, name: a, departments: [sales]}", {}, "automatic"),
        ("{type: always, name: a, verdict: stop}", {}, "stop"),
        ("{type: always, name: a, where: [{path: $.kind, like: ['contract*']}]}", {"kind": "Contract-5"}, "require_approval"),
        ("{type: always, name: a, where: [{path: $.kind, like: ['contract*']}]}", {"kind": "note"}, "automatic"),
        ("{type: always, name: a, where: [{path: $.kind, like: ['contract*']}]}", {}, "automatic"),
        ("{type: always, name: a, where: [{path: $.binding, like: ['true']}]}", {"binding": True}, "require_approval"),
        ("{type: always, name: a, where: [{path: '$.to[*]', not_like: ['*@example.com']}]}", {"to": ["a@example.com", "b@example.org"]}, "require_approval"),
        ("{type: always, name: a, where: [{path: $.to, not_like: ['*@example.com']}]}", {"to": ["A@Example.com"]}, "automatic"),
        ("{type: always, name: a, where: [{path: $.to, not_like: ['*@example.com']}]}", {"to": [{"mail": "b@example.org"}]}, "require_approval"),
        ("{type: always, name: a, where: [{path: $.force, exists: true}]}", {"force": None}, "require_approval"),
        ("{type: always, name: a, where: [{path: $.ticket, exists: false}]}", {}, "require_approval"),
        ("{type: always, name: a, where: [{path: $.a, exists: true}, {path: $.b, exists: true}]}", {"a": 1}, "automatic"),
        ("{type: always, name: a, where: [{field: agenttrail.permission.mode, like: [bypass*]}]}", {}, "require_approval"),
        ("{type: threshold, name: a, range: {path: '$.files[*]', measure: count, over: 2}}", {"files": [1, 2, 3]}, "require_approval"),
        ("{type: threshold, name: a, range: {path: $.files, measure: count, over: 2}}", {"files": [1, 2, 3]}, "require_approval"),
        ("{type: threshold, name: a, range: {path: $.files, measure: count, over: 2}}", {"files": [1, 2]}, "automatic"),
        ("{type: threshold, name: a, range: {path: $.files, measure: count, over: 2}}", {}, "automatic"),
        ("{type: threshold, name: a, range: {path: '$.lines[*].sum', measure: sum, currency: JPY, over: 10}}", {"lines": [{"sum": 6}, {"sum": "5"}]}, "require_approval"),
        ("{type: threshold, name: a, range: {path: '$.lines[*].sum', measure: largest, currency: JPY, over: 10}}", {"lines": [{"sum": 6}, {"sum": 5}]}, "automatic"),
        ("{type: threshold, name: a, range: {path: '$.lines[*].sum', measure: smallest, currency: JPY, under: 6}}", {"lines": [{"sum": 6}, {"sum": 5}]}, "require_approval"),
        ("{type: threshold, name: a, range: {path: '$.lines[*].sum', currency: JPY, over: 10}}", {"lines": [{"sum": 1}, {"sum": 1}]}, "require_approval"),
        ("{type: threshold, name: a, range: {path: $.confidence, unit: share, under: 0.6}}", {"confidence": 0.59}, "require_approval"),
        ("{type: threshold, name: a, range: {path: $.confidence, unit: share, over: 0.6}}", {"confidence": 0.6}, "automatic"),
        ("{type: threshold, name: a, range: {path: $.confidence, unit: share, under: 0.6, optional: true}}", {}, "automatic"),
        ("{type: threshold, name: a, range: {path: $.confidence, unit: share, under: 0.6, optional: true}}", {"confidence": "high"}, "require_approval"),
        ("{type: threshold, name: a, range: {path: $.change, unit: points, under: 0}}", {"change": -5}, "require_approval"),
        ("{type: threshold, name: a, range: {field: agenttrail.tool.arguments.bytes, unit: bytes, over: 10}}", {}, "require_approval"),
        ("{type: threshold, name: a, verdict: automatic, range: {path: $.amount, currency: JPY, under: 5}}", {}, "require_approval"),
        ("{type: threshold, name: a, verdict: stop, range: {path: $.amount, currency: JPY, over: 5}}", {}, "require_approval"),
        ("{type: threshold, name: a, range: {path: '$.n[*]', measure: sum, unit: points, over: 5}}", {"n": [jsontext.loads("1e9999999"), jsontext.loads("1e9999999")]}, "require_approval"),
    ],
)  # fmt: skip
def test_rules_speak_by_tool_by_argument_and_by_number(
    tmp_path: Path, rule: str, arguments: dict[str, Any], action: str
) -> None:
    """Each kind, with its near misses."""
    call = pay(
        arguments, department="accounting",
        fields={f.PERMISSION_MODE: "bypassPermissions", f.TOOL_ARGUMENTS_BYTES: 11},
    )  # fmt: skip
    assert evaluator(tmp_path, rule)(call).action == action


def test_the_strictest_wins_and_all_that_spoke_are_named(tmp_path: Path) -> None:
    """The one that decided first, whatever its place."""
    made = evaluator(
        tmp_path,
        "{type: always, name: fine, verdict: automatic}",
        "{type: always, name: ask, channel: c}",
        "{type: always, name: never, verdict: stop}",
        "{type: always, name: never too, verdict: stop}",
        head=HEAD.replace("rules:", "channels: [{name: c, kind: security, respond_within_s: 60}]\nrules:"),
    )  # fmt: skip
    verdict = made(pay({}))
    assert verdict.action == "stop"
    assert verdict.rules == ("never", "fine", "ask", "never too")
    assert verdict.channel is None


def test_the_default_holds_only_where_no_rule_speaks(tmp_path: Path) -> None:
    """So that rules can allow where the default asks; a rule that says automatic has spoken."""
    made = evaluator(
        tmp_path,
        "{type: always, name: reads, tools: ['get_*'], verdict: automatic}",
        head=HEAD.replace("default: automatic", "default: require_approval"),
    )
    assert made(Call(tool="get_claim", arguments={})).action == "automatic"
    silent = made(Call(tool="pay_claim", arguments={}))
    assert (silent.action, silent.basis, silent.rules) == ("require_approval", "default", ())


def test_a_currency_that_only_rules_for_other_calls_state_needs_an_approval(tmp_path: Path) -> None:
    """What a rule's conditions leave out it does not judge."""
    money = "path: $.amount, currency_path: $.currency"
    made = evaluator(
        tmp_path,
        f"{{type: threshold, name: yen, range: {{{money}, currency: JPY, over: 10}}}}",
        f"{{type: threshold, name: baht, range: {{{money}, currency: THB, over: 10}}, where: [{{path: $.office, like: [bangkok]}}]}}",
    )  # fmt: skip
    assert made(pay({**claim(5, "THB"), "office": "Bangkok"})).action == "automatic"
    verdict = made(pay(claim(5, "THB")))
    assert (verdict.action, verdict.findings) == ("require_approval", ("currency_unknown",))


def test_an_explanation_names_every_rule_that_is_for_the_call(expense: Evaluator) -> None:
    """For `agenttrail policy try`."""
    said = {s.rule.name: (s.fit, s.action, s.drawn) for s in expense.explain(pay(claim(5_000)))}
    assert said == {
        "expense over 100,000 yen": ("does not fit", None, None),
        "expense sample": ("does not fit", None, None),
        "expense under 10,000 yen": ("fits", "automatic", None),
    }


def test_the_call_of_an_event_has_the_registrys_agent_and_the_tools_own_name() -> None:
    """What the event calls its agent counts only where no registry spoke."""
    fields = {
        f.TOOL_NAME: "mcp__expenses__pay_claim", f.MCP_SERVER_NAME: "expenses",
        f.TOOL_ARGUMENTS: {"amount": 5}, f.AGENT_NAME: "expense-tokyo",
    }  # fmt: skip
    call = verdicts.call_of(fields)
    assert call is not None
    assert (call.agent, call.server, call.tool) == ("expense-tokyo", "expenses", "pay_claim")
    call = verdicts.call_of({**fields, f.REGISTRY_AGENT_ID: "expense", f.REGISTRY_DEPARTMENT: "x"})
    assert call is not None
    assert (call.agent, call.department) == ("expense", "x")
    assert verdicts.call_of({f.AGENT_NAME: "expense"}) is None


def test_no_verdict_and_no_explanation_holds_a_value(expense: Evaluator) -> None:
    """Only names of rules leave."""
    call = pay(claim(123_456_789, id="secret-claim"))
    text = repr(expense(call)) + repr(expense.explain(call))
    assert "123456789" not in text
    assert "secret-claim" not in text


def test_what_is_remembered_of_tools_in_logs_is_bounded(expense: Evaluator) -> None:
    """A log can name a million tools."""
    for number in range(25_000):
        expense(Call(tool=f"tool {number}", arguments={}))
    assert len(expense._of) <= 10_000
