"""Cost: exact, reported before computed, and every token once."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agenttrail import fields as f
from agenttrail.enrichers.cost import Cost, CostOptions
from agenttrail.errors import ConfigError, OptionError
from agenttrail.formats.claude_code import ClaudeCodeOptions
from agenttrail.formats.codex import CodexOptions
from agenttrail.governance import prices
from agenttrail.seams import Drop, Dropped, Event
from agenttrail.testing import records

SHARED = Path(__file__).parents[3] / "shared" / "data" / "agents"
TABLE = """
prices:
  - {provider: anthropic, model: opus, currency: USD, valid_from: 2026-01-01, per_million: {input: 5, output: 25, cache_read: 0.5, cache_write: 6.25, cache_write_1h: 10}}
  - {provider: openai, model: gpt, currency: USD, valid_from: 2026-01-01, per_million: {input: 2, output: 8}}
rates:
  - {base: USD, quote: JPY, rate: 150, valid_from: 2026-01-01}
"""


def event(**more: Any) -> Event:
    return Event({f.TIMESTAMP: "2026-05-01T23:59:59Z", **more}, tuple(records(b"x")))


def call(operation: str | None = "chat", *, model: str | None = "opus", **more: Any) -> Event:
    fields = {
        f.OPERATION_NAME: operation, f.RESPONSE_MODEL: model, f.PROVIDER_NAME: "anthropic",
        f.INPUT_TOKENS: 100, f.OUTPUT_TOKENS: 10, **more,
    }  # fmt: skip
    return event(**{name: value for name, value in fields.items() if value is not None})


def added(given: Event, **options: Any) -> dict[str, Any]:
    made = Cost(prices.loads(TABLE), **options)(given).fields
    assert given.fields.items() <= {**made, **given.fields}.items()
    return {name: value for name, value in made.items() if given.fields.get(name) != value}


COMPUTED = {f.COST_CURRENCY: "USD", f.COST_SOURCE: "computed", f.COST_PRICE_DATE: "2026-01-01"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (call(), {f.COST_TOTAL: 0.00075, **COMPUTED}),
        (call(**{f.CACHE_READ_TOKENS: 60, f.CACHE_WRITE_TOKENS: 30, f.CACHE_WRITE_1H_TOKENS: 10}),
         {f.COST_TOTAL: 0.000555, **COMPUTED}),
        (call(model="opus", **{f.REQUEST_MODEL: "other"}), {f.COST_TOTAL: 0.00075, **COMPUTED}),
        (call(model="unheard", **{f.REQUEST_MODEL: "opus"}), {f.COST_TOTAL: 0.00075, **COMPUTED}),
        (call(model="unheard"), {f.COST_FINDINGS: ["no_price"]}),
        (call(**{f.TIMESTAMP: "2025-12-31T23:59:59Z"}), {f.COST_FINDINGS: ["no_price"]}),
        (call(**{f.PROVIDER_NAME: "aws.bedrock"}), {f.COST_FINDINGS: ["no_price"]}),
        (call(**{f.INPUT_TOKENS: 0, f.OUTPUT_TOKENS: 0}), {}),
        (event(), {}),
        # What is no count of tokens is no money.
        (call(**{f.INPUT_TOKENS: "100"}), {}),
        (call(**{f.INPUT_TOKENS: -5}), {}),
        (call(**{f.INPUT_TOKENS: True}), {}),
        (call(**{f.INPUT_TOKENS: 10**400}), {}),
    ],
)  # fmt: skip
def test_tokens_become_money_by_the_price_of_the_day(
    given: Event, expected: dict[str, Any]
) -> None:
    """And what has no price says so instead of costing nothing."""
    assert added(given) == expected


def reported(cost: Any, currency: str | None = "USD", **more: Any) -> Event:
    more = {f.COST_TOTAL: cost, **({f.COST_CURRENCY: currency} if currency else {}), **more}
    return call(**more)


DIFFERS = {
    f.COST_SOURCE: "reported", f.COST_COMPUTED: 0.00075, f.COST_PRICE_DATE: "2026-01-01",
    f.COST_FINDINGS: ["differs_from_reported"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (reported(0.00075), {f.COST_SOURCE: "reported"}),
        (reported(0.000757), {f.COST_SOURCE: "reported"}),  # within a hundredth
        (reported(0.0008), DIFFERS),
        (reported(0), DIFFERS),
        (reported(0.1125, "JPY"), {f.COST_SOURCE: "reported"}),
        (reported(0.2, "JPY"), {**DIFFERS, f.COST_COMPUTED: 0.1125}),
        (reported(0.2, "EUR"), {f.COST_SOURCE: "reported"}),  # no rate: nothing to compare with
        (reported(0.2, None), {f.COST_SOURCE: "reported"}),  # of no known currency
        (reported(0.2, model="unheard"), {f.COST_SOURCE: "reported"}),
        (reported(0.2, **{f.COST_SOURCE: "computed"}), {}),  # by an earlier run of ours
        (event(**{f.OPERATION_NAME: "execute_tool", f.COST_TOTAL: 0.2}), {f.COST_SOURCE: "reported"}),
        (reported(float("nan"), None), {f.COST_TOTAL: 0.00075, **COMPUTED}),
        (reported(-1, None), {f.COST_TOTAL: 0.00075, **COMPUTED}),
    ],
)  # fmt: skip
def test_a_reported_cost_wins_and_a_difference_is_flagged(
    given: Event, expected: dict[str, Any]
) -> None:
    """Beyond the tolerance both stand on the event, in one currency."""
    assert added(given) == expected


@pytest.mark.parametrize("operation", ["invoke_agent", "invoke_workflow", "execute_tool", "plan"])
def test_usage_of_what_stands_above_calls_is_a_roll_up(operation: str) -> None:
    """With or without a model or a cost of its own: its children are counted."""
    assert added(call(operation)) == {f.USAGE_ROLLUP: True}
    assert added(call(operation, **{f.COST_TOTAL: 5.0})) == {f.USAGE_ROLLUP: True}


def test_an_agent_whose_calls_are_not_logged_can_be_counted_itself() -> None:
    """By its name; others stay roll-ups."""
    agent = {f.AGENT_NAME: "remote"}
    own = {"own_usage": ("remote",)}
    assert added(call("invoke_agent", **agent), **own) == {f.COST_TOTAL: 0.00075, **COMPUTED}
    assert added(call("invoke_agent"), **own) == {f.USAGE_ROLLUP: True}


def test_runs_without_an_operation_count_where_they_name_a_model() -> None:
    """LangSmith: chains repeat the tokens and cost of their llm runs, and name no model."""
    assert added(call(None)) == {f.COST_TOTAL: 0.00075, **COMPUTED}
    assert added(call(None, model=None, **{f.COST_TOTAL: 3.0})) == {f.USAGE_ROLLUP: True}


def test_a_roll_up_that_a_format_knows_stands() -> None:
    """It says so already; nothing is added."""
    assert added(call(**{f.USAGE_ROLLUP: True})) == {}


def test_the_order_of_parents_and_children_does_not_matter() -> None:
    """Parent first, last or in between, and children that come late: one sum."""
    tree = [call("invoke_workflow", **{f.INPUT_TOKENS: 300, f.OUTPUT_TOKENS: 30}),
            call("invoke_agent", **{f.INPUT_TOKENS: 200, f.OUTPUT_TOKENS: 20}), call(), call(), call()]  # fmt: skip
    for order in (tree, tree[::-1], tree[2:] + tree[:2], tree[1:] + tree[:1]):
        assert counted(Cost(prices.loads(TABLE)), order)[f.INPUT_TOKENS] == 300


def counted(enrich: Cost, events: list[Event]) -> Counter[str]:
    total: Counter[str] = Counter()
    for made in map(enrich, events):
        if made.fields.get(f.USAGE_ROLLUP) is not True:
            for name in (
                f.INPUT_TOKENS,
                f.OUTPUT_TOKENS,
                f.CACHE_READ_TOKENS,
                f.CACHE_WRITE_TOKENS,
            ):
                total[name] += made.fields.get(name, 0)
    return total


def test_bad_options_and_files_fail_at_the_start(tmp_path: Path) -> None:
    """Before the first event."""
    with pytest.raises(OptionError):
        CostOptions(prices="example", tolerance=2)
    (tmp_path / "p.yaml").write_text("prices:\n - {model: x}")
    with pytest.raises(ConfigError, match=r"p\.yaml:2: .*'valid_from' is missing"):
        CostOptions(prices=str(tmp_path / "p.yaml")).build()
    with pytest.raises(ConfigError, match="cannot be read"):
        CostOptions(prices=str(tmp_path / "none.yaml")).build()


# --- real sessions -------------------------------------------------------------------------------
def _events(form: Any, paths: list[Path]) -> Iterator[Event]:
    for path in paths:
        given = records(*path.read_bytes().splitlines(), path=str(path), stream=str(path))
        for record in given:
            with contextlib.suppress(Drop):
                yield from (item for item in form(record) if not isinstance(item, Dropped))
        yield from (item for item in form.end(given[0].stream) if not isinstance(item, Dropped))


def _rows(paths: list[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        for line in path.read_text().splitlines():
            row = json.loads(line) if line.startswith("{") else None
            if isinstance(row, dict):
                yield row


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data/agents")
def test_claude_code_sessions_cost_what_their_messages_say() -> None:
    """Sub-agents in files of their own and their totals on the parent's rows: each token once.

    The sum is taken from the rows themselves: the furthest usage of each message id of a file.
    """
    paths = sorted((SHARED / "claude_code").rglob("*.jsonl"))
    last: dict[tuple[str, str], dict[str, Any]] = {}
    models: dict[tuple[str, str], str] = {}
    for path, row in ((file, row) for file in paths for row in _rows([file])):
        message = row.get("message")
        if row.get("type") == "assistant" and isinstance(message, dict) and "usage" in message:
            # The small made-up files use one id for several messages.
            name, usage = (path.name, message["id"]), message["usage"]
            models[name] = message["model"]
            if usage.get("output_tokens", 0) >= last.get(name, {}).get("output_tokens", 0):
                last[name] = usage
    sums: Counter[str] = Counter()
    opus = Decimal(0)
    for name, usage in last.items():
        plain, out = usage.get("input_tokens", 0), usage.get("output_tokens", 0)
        read, write = usage.get("cache_read_input_tokens", 0), usage.get("cache_creation_input_tokens", 0)  # fmt: skip
        hour = (usage.get("cache_creation") or {}).get("ephemeral_1h_input_tokens", 0)
        sums += Counter(input=plain + read + write, output=out, read=read, write=write)
        if models[name] == "claude-opus-4-6":
            opus += (plain * 5 + read * Decimal("0.5") + (write - hour) * Decimal("6.25") + hour * 10 + out * 25) / Decimal(10**6)  # fmt: skip
    enrich = CostOptions(prices="example").build()
    events = list(_events(ClaudeCodeOptions().build(), paths))
    total = counted(enrich, events)
    assert (total[f.INPUT_TOKENS], total[f.OUTPUT_TOKENS], total[f.CACHE_READ_TOKENS],
            total[f.CACHE_WRITE_TOKENS]) == (sums["input"], sums["output"], sums["read"], sums["write"])  # fmt: skip
    assert sums["output"] > 10_000
    money = sum(
        (Decimal(str(made.fields[f.COST_TOTAL])) for made in map(enrich, events)
         if made.fields.get(f.RESPONSE_MODEL) == "claude-opus-4-6" and f.COST_TOTAL in made.fields),
        Decimal(0),
    )  # fmt: skip
    assert money == opus > 1
    # Totals of sub-agents stand on their parent's rows and are no usage of any event.
    assert any("totalTokens" in json.dumps(row.get("toolUseResult")) for row in _rows(paths))


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data/agents")
def test_codex_rollouts_cost_what_their_last_total_says() -> None:
    """Repeated counts are counted once: the cumulative total at the end of each file."""
    paths = sorted((SHARED / "codex").glob("*.jsonl"))
    sums: Counter[str] = Counter()
    for path in paths:
        totals = [
            row["payload"]["info"]["total_token_usage"] for row in _rows([path])
            if row["payload"].get("type") == "token_count" and row["payload"].get("info")
        ]  # fmt: skip
        sums += Counter(totals[-1])
    enrich = CostOptions(prices="example").build()
    events = list(_events(CodexOptions().build(), paths))
    total = counted(enrich, events)
    assert (total[f.INPUT_TOKENS], total[f.CACHE_READ_TOKENS], total[f.OUTPUT_TOKENS]) == (
        sums["input_tokens"], sums["cached_input_tokens"], sums["output_tokens"])  # fmt: skip
    expected = (
        (sums["input_tokens"] - sums["cached_input_tokens"]) * Decimal("1.75")
        + sums["cached_input_tokens"] * Decimal("0.175")
        + sums["output_tokens"] * 14
    ) / Decimal(10**6)
    money = sum((Decimal(str(made.fields.get(f.COST_TOTAL, 0))) for made in map(enrich, events)), Decimal(0))  # fmt: skip
    assert money == expected > 1
