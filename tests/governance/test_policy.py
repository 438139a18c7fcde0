"""The policy file: the example is right, and every mistake has its place and a hint."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from agenttrail.errors import ConfigError
from agenttrail.governance import policy, registry

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
HEAD = 'version: "1"\ndefault: automatic\n'
MONEY = "path: $.amount, currency_path: $.currency, currency: JPY"


def problems(folder: Path, text: str, *, known: bool = False) -> list[str]:
    """All that is found in a policy; with `known` also against the example's registry."""
    path = folder / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    agents = registry.load(str(EXAMPLES / "agents.yaml")) if known else None
    return [p.replace(f"{folder}/", "") for p in policy.survey(str(path), agents).problems]


def rules(*lines: str) -> str:
    return HEAD + "seed: s\nrules:\n" + "".join(f"  - {line}\n" for line in lines)


def threshold(name: str, bounds: str, more: str = "") -> str:
    return f"{{type: threshold, name: {name}, range: {{{MONEY}, {bounds}}}{more}}}"


def test_the_example_has_no_problems_and_follows_the_schema() -> None:
    """What people copy is right, also beside the registry of the same company."""
    agents = registry.load(str(EXAMPLES / "agents.yaml"))
    path = EXAMPLES / "policy.yaml"
    assert policy.survey(str(path), agents).problems == []
    assert len(policy.load(str(path), agents).rules) == 8
    value = json.loads(json.dumps(yaml.safe_load(path.read_text()), default=str))
    jsonschema.Draft202012Validator(policy.json_schema()).validate(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version: '1'", "policy.yaml:1: 'default' is missing"),
        ("version: a b\ndefault: stop", "policy.yaml:1: version: is letters, digits"),
        (rules("{type: sometimes, name: a}"), "policy.yaml:5: rules[0].type: no rule is called 'sometimes'"),
        (rules("{type: always, name: a}", "{type: always, name: a}"), "policy.yaml:6: rules[1].name: a rule 'a' is there already"),
        (rules("{type: always, name: 'a<b'}"), "policy.yaml:5: rules[0].name: is one line"),
        (rules("{type: always, name: a, channel: c}"), "policy.yaml:5: rules[0].channel: no channel is called 'c'"),
        (rules("{type: always, name: a, where: [{path: $.x}]}"), "policy.yaml:5: rules[0].where[0]: has one of"),
        (rules("{type: always, name: a, where: [{like: [x]}]}"), "policy.yaml:5: rules[0].where[0].path: a value is under"),
        (rules("{type: always, name: a, where: [{field: no.such, like: [x]}]}"), "policy.yaml:5: rules[0].where[0].field: no field has this name"),
        (rules("{type: always, name: a, where: [{path: amount, exists: true}]}"), "policy.yaml:5: rules[0].where[0].path: is no JSONPath"),
        (rules("{type: threshold, name: a, range: {path: $.amount, over: 5}}"), "policy.yaml:5: rules[0].range: the currency is missing"),
        (rules("{type: threshold, name: a, range: {path: $.amount, currency_path: $.c, over: 5}}"), "policy.yaml:5: rules[0].range.currency_path: the currency of the bounds is missing"),
        (rules("{type: threshold, name: a, range: {path: $.amount, currency: yen, over: 5}}"), "policy.yaml:5: rules[0].range.currency: is no currency"),
        (rules("{type: threshold, name: a, range: {path: $.amount, currency: JPY, unit: yen, over: 5}}"), "policy.yaml:5: rules[0].range.unit: an amount has a currency"),
        (rules("{type: threshold, name: a, range: {path: $.n, unit: files}}"), "policy.yaml:5: rules[0].range: has no bound"),
        (rules(threshold("a", "over: 5, at_least: 5")), "policy.yaml:5: rules[0].range.at_least: there is over already"),
        (rules(threshold("a", "over: 5, at_most: 5")), "policy.yaml:5: rules[0].range: nothing is between"),
        (rules("{type: threshold, name: a, range: {path: $.n, currency: JPY, over: 5}}", "{type: threshold, name: b, range: {path: $.n, currency: THB, under: 5}}"), "policy.yaml:6: rules[1].range.currency: rule 'a' says that the same amount"),
        (rules("{type: sampling, name: a, share: 5}"), "policy.yaml:5: rules[0].share: is between 0 and 1"),
        (rules("{type: sampling, name: a, share: 0.5, key: [id]}"), "policy.yaml:5: rules[0].key[0]: is no JSONPath"),
        (rules("{type: sampling, name: a, share: 0.5, verdict: automatic}"), "policy.yaml:5: rules[0].verdict: sampling draws"),
        (rules("{type: sampling, name: a, share: 0.5}").replace("seed: s\n", ""), "policy.yaml:4: rules[0]: the policy has no seed"),
        (rules(threshold("a", "over: 10"), threshold("b", "over: 5")), "policy.yaml:6: rules[1].range: overlaps the range of rule 'a'"),
        (rules(threshold("a", "at_least: 10"), threshold("b", "at_most: 10")), "policy.yaml:6: rules[1].range: overlaps the range of rule 'a'"),
        (rules(threshold("a", "over: 10", ", tools: ['pay_*']"), threshold("b", "under: 20", ", tools: [pay_claim]")), "policy.yaml:6: rules[1].range: overlaps"),
        (rules(threshold("a", "over: 10"), threshold("b", "under: 10").replace("JPY", "THB")), "policy.yaml:6: rules[1].range.currency: amounts above 10 THB have no rule"),
        (HEAD + "channels:\n  - {name: c, kind: reviewer, respond_within_s: 0}", "policy.yaml:4: channels[0].respond_within_s: must be positive"),
        (HEAD + "approvals: {valid_for_s: 0}", "policy.yaml:3: approvals.valid_for_s: must be positive"),
        (HEAD + "budgets:\n  - {name: b, by: agent, amount: 5, period: day, thresholds: [{at: 1, then: stop}]}", "policy.yaml:4: budgets[0]: 'currency' is missing"),
        (HEAD + "budgets:\n  - {name: b, by: agent, amount: 5, currency: USD, period: day, thresholds: [{at: 1, then: stop}, {at: 0.5, then: alert}]}", "policy.yaml:4: budgets[0].thresholds: overlap"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_and_a_hint(
    tmp_path: Path, text: str, expected: str
) -> None:
    """Near misses of a good file."""
    found = problems(tmp_path, text)
    (problem,) = [p for p in found if p.startswith(expected)] or [str(found)]
    assert problem.startswith(expected)
    assert "\n  " in problem or "go from" in problem, "a hint"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (threshold("a", "over: 10"), threshold("b", "at_most: 10")),
        (threshold("a", "at_least: 10"), threshold("b", "under: 10")),
        (threshold("a", "over: 10", ", tools: [x]"), threshold("b", "over: 5", ", tools: [y]")),
        (threshold("a", "over: 10", ", agents: [x]"), threshold("b", "over: 5", ", agents: [y]")),
        (threshold("a", "over: 10"), threshold("b", "over: 5").replace("JPY", "THB")),
        (threshold("a", "over: 10"), threshold("b", "over: 5").replace("$.amount", "$.other")),
        (
            threshold("a", "over: 10"),
            threshold("b", "over: 5", ", where: [{path: $.to, like: [x]}]"),
        ),
    ],
)
def test_ranges_that_only_touch_or_are_of_other_calls_do_not_overlap(
    tmp_path: Path, one: str, other: str
) -> None:
    """A policy of bands is what thresholds are for."""
    assert problems(tmp_path, rules(one, other)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rules("{type: always, name: a, agents: [expanse]}"), "policy.yaml:5: rules[0].agents[0]: no agent is called 'expanse'"),
        (rules("{type: always, name: a, agents: ['x*']}"), "policy.yaml:5: rules[0].agents[0]: no agent of the registry fits"),
        (rules("{type: always, name: a, tools: [pay_clam]}"), "policy.yaml:5: rules[0].tools[0]: no tool is called 'pay_clam'"),
        (rules("{type: always, name: a, servers: [crm], tools: [pay_claim]}"), "policy.yaml:5: rules[0].tools[0]: no tool is called 'pay_claim'"),
        (rules("{type: always, name: a, servers: [erp]}"), "policy.yaml:5: rules[0].servers[0]: no server is called 'erp'"),
        (rules("{type: always, name: a, departments: [legal]}"), "policy.yaml:5: rules[0].departments[0]: no department is called 'legal'"),
        (HEAD + "budgets:\n  - {name: b, by: department, only: [legal], amount: 5, currency: USD, period: day, thresholds: [{at: 1, then: stop}]}", "policy.yaml:4: budgets[0].only[0]: no name is called 'legal'"),
        (HEAD, "policy.yaml:1: budgets: agent 'support' of the registry names budget 'support month'"),
    ],
)  # fmt: skip
def test_what_registry_and_policy_do_not_share_is_told(
    tmp_path: Path, text: str, expected: str
) -> None:
    """A rule for a tool that no server has would never speak."""
    found = problems(tmp_path, text, known=True)
    (problem,) = [p for p in found if p.startswith(expected)] or [str(found)]
    assert problem.startswith(expected)
    assert "\n  " in problem, "a hint"


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    """Of the file and of what it says together."""
    text = rules(
        threshold("a", "over: 10", ", channel: nobody"),
        threshold("b", "over: 5", ", agents: 5"),
        "{type: threshold, name: c, range: {path: $.amount, over: 5}}",
    )
    found = "\n".join(problems(tmp_path, text))
    for part in ("rules[0].channel", "rules[1].agents", "rules[2].range: the currency", "rules[1].range: overlaps"):  # fmt: skip
        assert part in found
    with pytest.raises(ConfigError):
        policy.load(str(tmp_path / "policy.yaml"))


def test_a_seed_comes_from_the_environment_and_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has it knows what will be drawn."""
    text = rules("{type: sampling, name: a, share: 0.5}").replace("seed: s", "seed: ${DRAW}")
    assert problems(tmp_path, text)[0].startswith(
        "policy.yaml:3: seed: the environment has no DRAW"
    )
    monkeypatch.setenv("DRAW", "hunter2")
    assert problems(tmp_path, text) == []
    made = policy.load(str(tmp_path / "policy.yaml"))
    assert made.seed == "hunter2"
    assert "hunter2" not in repr(made)
