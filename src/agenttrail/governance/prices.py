"""What tokens cost: a dated table of list prices, and exact arithmetic with it.

    prices:
      - provider: anthropic            # a pattern; any provider where it is left out
        model: claude-opus-4-6*        # a pattern
        currency: USD
        valid_from: 2026-02-05         # until the next entry of this provider and model
        per_million: {input: 5, output: 25, cache_read: 0.5, cache_write: 6.25, cache_write_1h: 10}
        tiers:
          - {above_input_tokens: 200000, per_million: {input: 10, output: 37.5}}
    rates:
      - {base: USD, quote: JPY, rate: 150.2, valid_from: 2026-01-01}

Which price holds: of the entries whose provider and model fit, those with the most letters that are no
wildcard, provider first, and of these the one valid on the day (UTC) of the event. Patterns are as in
a shell (`*`, `?`, `[ab]`) and do not look at case; an event that names no provider fits `*` only. A price holds until `valid_until` (that day left
out), else until the next entry for the same provider and model begins; before the first entry there
is no price. Above a tier's number of input tokens, cached ones included, all tokens of that call have
the tier's prices.

Input that is neither read from a cache nor written to one costs `input`. What is left out costs:
cache_read and cache_write as input, cache_write_1h as cache_write, reasoning as output.

Money is `Decimal` and never rounded on the way: a call costs the exact sum of tokens times price.
`rounded` keeps ten decimals (half to even), which is exact for prices of up to four.
Prices are the operator's own to keep: `prices.example.yaml` is for tests and a first look.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from importlib import resources
from itertools import pairwise
from typing import Annotated, Any

from agenttrail import decode
from agenttrail.errors import ConfigError, OptionError

_MILLION = Decimal(1_000_000)
_PLACES = Decimal("1e-10")
_KINDS = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning")
# Models are named by logs: what is remembered of them is bounded.
_REMEMBERED = 1_000
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PerMillion:
    """Prices of a million tokens of each kind."""

    input: Annotated[Decimal, "Input tokens that no cache is involved in."]
    output: Annotated[Decimal, "Output tokens; 0 for embeddings."]
    cache_read: Annotated[Decimal | None, "Input tokens read from a cache; null: as input."] = None
    cache_write: Annotated[
        Decimal | None, "Input tokens written to a cache for five minutes; null: as input."
    ] = None
    cache_write_1h: Annotated[
        Decimal | None, "Input tokens written to a cache for an hour; null: as cache_write."
    ] = None
    reasoning: Annotated[
        Decimal | None, "Output tokens spent on reasoning, where they have a price of their own."
    ] = None

    def __post_init__(self) -> None:
        for name in _KINDS:
            value = getattr(self, name)
            if value is not None and not (value.is_finite() and value >= 0):
                raise OptionError(name, "a price is a number that is not negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Other prices for calls with much input."""

    above_input_tokens: Annotated[int, "Input tokens, cached ones included, above which they hold."]
    per_million: Annotated[PerMillion, "Prices of all tokens of such a call."]

    def __post_init__(self) -> None:
        if self.above_input_tokens < 1:
            raise OptionError("above_input_tokens", "must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model costs from a day on."""

    model: Annotated[str, "Pattern of the model's name."]
    currency: Annotated[str, "ISO 4217 code."]
    valid_from: Annotated[str, "First day that the price holds, as 2026-01-31."]
    per_million: Annotated[PerMillion, "Prices of a million tokens."]
    provider: Annotated[str, "Pattern of gen_ai.provider.name."] = "*"
    valid_until: Annotated[str | None, "First day that it no longer holds; null: the next entry's."] = None  # fmt: skip
    tiers: Annotated[tuple[Tier, ...], "Other prices for calls with much input."] = ()
    source: Annotated[str, "Where the price was read."] = ""

    def __post_init__(self) -> None:
        _check_currency("currency", self.currency)
        _check_days(self.valid_from, self.valid_until)
        steps = [tier.above_input_tokens for tier in self.tiers]
        if steps != sorted(set(steps)):
            raise OptionError("tiers", "go from few tokens to many, each number once")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What one unit of a currency is worth in another from a day on."""

    base: Annotated[str, "Currency that is exchanged."]
    quote: Annotated[str, "Currency that it is exchanged for."]
    rate: Annotated[Decimal, "Units of quote for one of base."]
    valid_from: Annotated[str, "First day that the rate holds."]

    def __post_init__(self) -> None:
        _check_currency("base", self.base)
        _check_currency("quote", self.quote)
        _check_days(self.valid_from, None)
        if not (self.rate.is_finite() and self.rate > 0):
            raise OptionError("rate", "must be positive")
        if self.base == self.quote:
            raise OptionError("quote", "is the same currency")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """A file of prices and, for budgets in another currency, exchange rates."""

    prices: Annotated[tuple[Price, ...], "Prices by model and day."] = ()
    rates: Annotated[tuple[Rate, ...], "Exchange rates by day."] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call; `input` has all input, `output` all output, the others are parts of them."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0

    def cost(self, price: Price) -> Decimal:
        """The exact cost; parts that are larger than their whole count once, as the larger."""
        per = price.per_million
        for tier in price.tiers:
            if self.input > tier.above_input_tokens:
                per = tier.per_million
        long = min(self.cache_write_1h, self.cache_write)
        write = per.input if per.cache_write is None else per.cache_write
        write_1h = write if per.cache_write_1h is None else per.cache_write_1h
        reasoning = per.output if per.reasoning is None else per.reasoning
        total = max(0, self.input - self.cache_read - self.cache_write) * per.input
        total += max(0, self.output - self.reasoning) * per.output
        if self.cache_read:
            total += self.cache_read * (per.input if per.cache_read is None else per.cache_read)
        if self.cache_write:
            total += (self.cache_write - long) * write + long * write_1h
        if self.reasoning:
            total += self.reasoning * reasoning
        return total / _MILLION


class Prices:
    """A checked table, ready to be asked."""

    def __init__(self, table: PriceTable) -> None:
        fitted = [
            (price, _pattern(price.provider), _pattern(price.model)) for price in table.prices
        ]
        # The most particular first; of one pattern the newest first.
        fitted.sort(key=lambda item: item[0].valid_from, reverse=True)
        fitted.sort(key=lambda item: (_literal(item[0].provider), _literal(item[0].model)), reverse=True)  # fmt: skip
        self._prices = fitted
        self._found: dict[tuple[str, str], list[Price]] = {}
        self._rates: dict[tuple[str, str], list[Rate]] = {}
        for rate in sorted(table.rates, key=lambda rate: rate.valid_from, reverse=True):
            self._rates.setdefault((rate.base, rate.quote), []).append(rate)

    def price(self, provider: str, model: str, day: str) -> Price | None:
        """The price that holds, or None.

        Args:
            provider: its name, or an empty string where it is not known.
            model: its name.
            day: as 2026-01-31, UTC.
        """
        key = (provider, model)
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            found = self._found[key] = self._fitting(provider, model)
        for price in found:
            if price.valid_from <= day:
                return price if price.valid_until is None or day < price.valid_until else None
        return None

    def _fitting(self, provider: str, model: str) -> list[Price]:
        """The entries of the most particular pattern that fits, newest first."""
        fitting = [p for p, of, named in self._prices if of.match(provider) and named.match(model)]
        return [p for p in fitting if _key(p) == _key(fitting[0])]

    def converted(self, amount: Decimal, base: str, quote: str, day: str) -> Decimal | None:
        """The amount in another currency by that day's rate, or its inverse; None without a rate."""
        if base == quote:
            return amount
        for rate in self._rates.get((base, quote), ()):
            if rate.valid_from <= day:
                return amount * rate.rate
        for rate in self._rates.get((quote, base), ()):
            if rate.valid_from <= day:
                return amount / rate.rate
        return None


def load(path: str) -> Prices:
    """The prices of a file.

    Raises:
        ConfigError: everything that is wrong with it, at once, each with file and line.
    """
    return loads(decode.text_of(path), path)


def loads(text: str, path: str = "<prices>") -> Prices:
    """As `load`, for text; `path` stands in the messages."""
    document = decode.document(text, path, PriceTable)
    table: PriceTable | None = document.value
    if table is not None:
        _check_overlaps(document, table)
        if not document.problems and not table.prices and not table.rates:
            document.problem(table, "", "has no prices")
    if document.problems or table is None:
        raise ConfigError(sorted(document.problems, key=_place))
    return Prices(table)


def example() -> str:
    """The text of the price table that comes with the package."""
    return resources.files("agenttrail.governance").joinpath("prices.example.yaml").read_text()


def money(value: Any) -> Decimal | None:
    """The exact decimal of a JSON number; None for what is none, is negative or without end."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount < 10**15 else None


def rounded(amount: Decimal) -> Decimal:
    """To ten decimals, half to even."""
    return amount.quantize(_PLACES)


def _check_overlaps(document: decode.Document, table: PriceTable) -> None:
    for group in _groups(table.prices, _key):
        for before, after in pairwise(group):
            name = f"{after.model} of {after.provider}" if after.provider != "*" else after.model
            place = document.place(before)
            if before.valid_from == after.valid_from:
                document.problem(
                    after, "valid_from", f"{name} has a price from the same day at {place}",
                    "keep one of them",
                )  # fmt: skip
            elif before.valid_until is not None and before.valid_until > after.valid_from:
                document.problem(
                    after, "valid_from",
                    f"{name} has a price until {before.valid_until} at {place}: they overlap",
                    "leave valid_until out: a price holds until the next one begins",
                )  # fmt: skip
    for rated in _groups(table.rates, lambda rate: frozenset((rate.base, rate.quote))):
        for first, second in pairwise(rated):
            if first.valid_from == second.valid_from:
                document.problem(
                    second, "valid_from",
                    f"these currencies have a rate from the same day at {document.place(first)}",
                    "keep one of them; the other direction follows from it",
                )  # fmt: skip


def _groups(items: Sequence[Any], key: Callable[[Any], Any]) -> Iterable[list[Any]]:
    by_key: dict[Any, list[Any]] = {}
    for item in sorted(items, key=lambda item: item.valid_from):
        by_key.setdefault(key(item), []).append(item)
    return by_key.values()


def _key(price: Price) -> tuple[str, str]:
    return price.provider.lower(), price.model.lower()


def _place(problem: str) -> int:
    match = re.search(r":(\d+):", problem)
    return int(match[1]) if match else 0


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(text), re.IGNORECASE)


def _literal(pattern: str) -> tuple[bool, int]:
    plain = re.sub(r"\[[^\]]*\]|[*?]", "", pattern)
    return plain == pattern, len(plain)


def _check_currency(option: str, value: str) -> None:
    if not _CURRENCY.fullmatch(value):
        raise OptionError(
            option, "is no ISO 4217 code", hint="three capital letters, as USD or JPY"
        )


def _check_days(first: str, last: str | None) -> None:
    for option, value in (("valid_from", first), ("valid_until", last)):
        if value is not None:
            try:
                if date.fromisoformat(value).isoformat() != value:
                    raise ValueError
            except ValueError:
                raise OptionError(option, "is no day", hint="write it as 2026-01-31") from None
    if last is not None and last <= first:
        raise OptionError("valid_until", "is not after valid_from")
