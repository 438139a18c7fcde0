"""The price table: which price holds, exact money, and every mistake named with its line."""

from decimal import Decimal

import pytest

from agenttrail.errors import ConfigError
from agenttrail.governance import prices
from agenttrail.governance.prices import Usage

TABLE = """
prices:
  - model: "*"
    currency: USD
    valid_from: 2026-01-01
    per_million: {input: 1, output: 1}
  - provider: anthropic
    model: opus-*
    currency: USD
    valid_from: 2026-01-01
    per_million: {input: 5, output: 25, cache_read: 0.5, cache_write: 6.25, cache_write_1h: 10}
  - provider: anthropic
    model: opus-*
    currency: USD
    valid_from: 2026-03-01
    per_million: {input: 4, output: 20}
    tiers:
      - {above_input_tokens: 1000, per_million: {input: 8, output: 30}}
      - {above_input_tokens: 2000, per_million: {input: 9, output: 31}}
  - provider: anthropic
    model: opus-mini
    currency: JPY
    valid_from: 2026-01-01
    valid_until: 2026-02-01
    per_million: {input: 7, output: 8, reasoning: 100}
rates:
  - {base: USD, quote: JPY, rate: 150, valid_from: 2026-01-01}
  - {base: USD, quote: JPY, rate: 160, valid_from: 2026-02-01}
"""


LINES = {("*", "2026-01-01"): 3, ("opus-*", "2026-01-01"): 7, ("opus-*", "2026-03-01"): 12,
         ("opus-mini", "2026-01-01"): 20}  # fmt: skip


def line_of(provider: str, model: str, day: str) -> int | None:
    price = prices.loads(TABLE).price(provider, model, day)
    return price and LINES[price.model, price.valid_from]


@pytest.mark.parametrize(
    ("provider", "model", "day", "line"),
    [
        ("anthropic", "opus-4", "2026-01-01", 7),
        ("anthropic", "OPUS-4", "2026-02-28", 7),
        ("anthropic", "opus-4", "2026-03-01", 12),
        ("anthropic", "opus-4", "2027-01-01", 12),
        ("anthropic", "opus-4", "2025-12-31", None),  # a price never holds before its day
        ("anthropic", "opus-mini", "2026-01-15", 20),  # the exact name wins over the pattern
        ("anthropic", "opus-mini", "2026-02-01", None),  # ended, and no other is guessed
        ("openai", "opus-4", "2026-01-01", 3),
        ("", "opus-4", "2026-01-01", 3),  # without a provider only `*` fits
    ],
)
def test_the_most_particular_entry_of_the_day_holds(
    provider: str, model: str, day: str, line: int | None
) -> None:
    """Provider before model, an exact name before a pattern, then the day."""
    assert line_of(provider, model, day) == line


@pytest.mark.parametrize(
    ("usage", "day", "cost"),
    [
        (Usage(input=1_000_000), "2026-01-01", "5"),
        (Usage(input=100, output=10), "2026-01-01", "0.00075"),
        # 10 plain, 60 read, 20 for five minutes, 10 for an hour
        (
            Usage(input=100, cache_read=60, cache_write=30, cache_write_1h=10),
            "2026-01-01",
            "0.000305",
        ),
        (Usage(input=5, cache_read=60), "2026-01-01", "0.00003"),  # a source that counts apart
        (Usage(input=1000, output=1), "2026-03-01", "0.00402"),  # not above the tier
        (Usage(input=1001, output=1), "2026-03-01", "0.008038"),
        (Usage(input=2001, output=1), "2026-03-01", "0.01804"),
        (Usage(input=100, cache_read=60, cache_write=20), "2026-03-01", "0.0004"),  # as input
    ],
)
def test_money_is_exact(usage: Usage, day: str, cost: str) -> None:
    """Tokens times price, all tokens of a call above a tier at the tier's price."""
    price = prices.loads(TABLE).price("anthropic", "opus-4", day)
    assert price is not None
    assert usage.cost(price) == Decimal(cost)


def test_reasoning_priced_apart_leaves_the_output() -> None:
    """Output tokens include reasoning; the part has its own price."""
    price = prices.loads(TABLE).price("anthropic", "opus-mini", "2026-01-02")
    assert price is not None
    assert Usage(output=10, reasoning=4).cost(price) == Decimal("0.000448")


def test_a_million_cheap_calls_add_up_without_a_rounding_fault() -> None:
    """What floats would get wrong."""
    price = prices.loads(TABLE).price("openai", "x", "2026-01-01")
    assert price is not None
    one = prices.rounded(Usage(input=1).cost(price))
    assert one == Decimal("0.000001")
    assert sum((one for _ in range(1_000)), Decimal(0)) * 1_000 == 1


@pytest.mark.parametrize(
    ("base", "quote", "day", "amount"),
    [("USD", "JPY", "2026-01-31", "1500"), ("USD", "JPY", "2026-02-01", "1600"),
     ("JPY", "USD", "2026-02-01", "0.0625"), ("USD", "USD", "2020-01-01", "10"),
     ("USD", "JPY", "2025-12-31", None), ("USD", "THB", "2026-02-01", None)],
)  # fmt: skip
def test_currencies_are_exchanged_by_the_days_rate_or_not_at_all(
    base: str, quote: str, day: str, amount: str | None
) -> None:
    """One direction gives the other; what has no rate is None, never a guess."""
    found = prices.loads(TABLE).converted(Decimal(10), base, quote, day)
    assert found == (None if amount is None else Decimal(amount))


def test_every_mistake_is_named_at_once_with_its_line() -> None:
    """A price without a date, without a currency, unknown keys, overlaps: in one go."""
    text = """prices:
  - {model: a, currency: USD, per_million: {input: 1, output: 1}}
  - {model: b, valid_from: 2026-01-01, per_million: {input: 1, output: 1}}
  - {model: c, currency: yen, valid_from: 2026-01-01, per_million: {input: 1, output: 1}}
  - {model: d, currency: USD, valid_from: 2026-13-01, per_million: {input: 1, output: 1}}
  - {model: e, currency: USD, valid_from: 2026-01-01, per_milion: {input: 1, output: 1}}
  - {model: f, currency: USD, valid_from: 2026-01-01, per_million: {input: -1, output: 1}}
  - {model: g, currency: USD, valid_from: 2026-01-01, valid_until: 2026-06-01, per_million: {input: 1, output: 1}}
  - {model: G, currency: USD, valid_from: 2026-05-01, per_million: {input: 1, output: 1}}
  - {model: h, currency: USD, valid_from: 2026-05-01, per_million: {input: 1, output: 1}}
  - {model: h, currency: EUR, valid_from: 2026-05-01, per_million: {input: 2, output: 1}}
  - {model: i, currency: USD, valid_from: 2026-05-01, valid_until: 2026-05-01, per_million: {input: 2, output: 1}}
  - model: j
    currency: USD
    valid_from: 2026-05-01
    per_million: {input: 1, output: 1}
    tiers: [{above_input_tokens: 2, per_million: {input: 1, output: 1}}, {above_input_tokens: 2, per_million: {input: 1, output: 1}}]
rates:
  - {base: USD, quote: JPY, rate: 150, valid_from: 2026-01-01}
  - {base: JPY, quote: USD, rate: 0.0066, valid_from: 2026-01-01}
  - {base: USD, quote: USD, rate: 1, valid_from: 2026-01-01}
  - {base: USD, quote: THB, rate: 0, valid_from: 2026-01-01}
"""
    with pytest.raises(ConfigError) as caught:
        prices.loads(text, "p.yaml")
    said = [problem.split("\n")[0] for problem in caught.value.problems]
    for line, part in [
        (2, "'valid_from' is missing"),
        (3, "'currency' is missing"),
        (4, "no ISO 4217 code"),
        (5, "is no day"),
        (6, "no such option"),
        (6, "'per_million' is missing"),
        (7, "not negative"),
        (9, "until 2026-06-01 at p.yaml:8: they overlap"),
        (11, "from the same day at p.yaml:10"),
        (12, "is not after valid_from"),
        (17, "each number once"),
        (20, "from the same day at p.yaml:19"),
        (21, "the same currency"),
        (22, "must be positive"),
    ]:
        assert any(p.startswith(f"p.yaml:{line}:") and part in p for p in said), (line, part, said)
    assert said == sorted(said, key=lambda p: int(p.split(":")[1]))


@pytest.mark.parametrize("text", ["", "prices: []", "- x", "prices: {", "prices: 5"])
def test_a_table_that_is_none_is_refused(text: str) -> None:
    """Fail at start."""
    with pytest.raises(ConfigError):
        prices.loads(text, "p.yaml")


def test_the_example_has_a_source_and_a_date_for_every_price() -> None:
    """It says that it is not to be relied on, and knows the models of the real sessions."""
    text = prices.example()
    assert "NOT a price list" in text
    table = prices.loads(text, "example")
    assert all(price.source for price, _, _ in table._prices)
    assert table.price("anthropic", "claude-opus-4-6", "2026-02-20") is not None
    assert table.price("openai", "gpt-5.3-codex", "2026-02-23") is not None


def test_names_from_logs_are_remembered_within_bounds() -> None:
    """A log with endless model names does not fill the memory."""
    table = prices.loads(TABLE)
    for number in range(5_000):
        table.price("anthropic", f"opus-{number}", "2026-01-01")
    assert len(table._found) <= 1_000
