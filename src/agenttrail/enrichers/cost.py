"""Money: what the tokens of a call cost by a dated price table, without counting any token twice.

A cost that the source reports stands (`agenttrail.cost.source: reported`). Where a price is known as
well and differs by more than `tolerance`, the event gets `agenttrail.cost.computed` and the finding
`differs_from_reported`. Without a reported cost it is computed; without a price the event gets the
finding `no_price` and no cost: none is guessed.

Which events count: usage is counted where a model was called, and nowhere else. That is decided by
what an event says of itself, so the order of events does not matter and a late child changes nothing:

- a model call (`chat`, `generate_content`, `text_completion`, `embeddings`, `fetch_response`) counts;
- `invoke_agent`, `invoke_workflow`, `plan`, `execute_tool` and the like repeat the usage of calls below
  them (OTel GenAI spans): a roll-up, but for the agents named in `own_usage`, whose calls have no
  events of their own;
- an event with usage and no such operation counts where it names a model (LangSmith's runs of type
  llm do, its chains do not), and is a roll-up where it names none;
- `agenttrail.usage.rollup` that a format has set stands. Claude Code's totals of a sub-agent and
  Codex's repeated counts never become usage (see these formats);
- a cost without tokens that a tool reports is its own price, and counts.

A roll-up is marked `agenttrail.usage.rollup`; sums leave it out.

Limits: the price is the one of the event's day (UTC). Batch and priority tariffs are not known from
logs: reported cost has them. What `agenttrail` computed in an earlier run stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from agenttrail import fields as f
from agenttrail.errors import OptionError
from agenttrail.governance.prices import Price, Prices, Usage, example, load, loads, money, rounded
from agenttrail.seams import Event

# OTel GenAI e07f4eba, gen_ai.operation.name: calls of a model, and what is made of such calls.
_CALLS = frozenset(("chat", "generate_content", "text_completion", "embeddings", "fetch_response"))
_ABOVE = frozenset(
    ("invoke_agent", "invoke_workflow", "create_agent", "plan", "execute_tool", "handle_conversation_turn")
)  # fmt: skip
_USAGE = {
    f.INPUT_TOKENS: "input",
    f.OUTPUT_TOKENS: "output",
    f.CACHE_READ_TOKENS: "cache_read",
    f.CACHE_WRITE_TOKENS: "cache_write",
    f.CACHE_WRITE_1H_TOKENS: "cache_write_1h",
    f.REASONING_TOKENS: "reasoning",
}
# Beyond it a count is a fault of its source, and money from it no sum.
_MOST_TOKENS = 10**12
EXAMPLE = "example"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostOptions:
    """Tokens to money by a dated price table; roll-ups marked, reported cost compared."""

    type: ClassVar[str] = "cost"
    prices: Annotated[
        str, "File of prices; `example` is a table of list prices for a first look, not to rely on."
    ]
    tolerance: Annotated[float, "Share of the reported cost that the computed one may differ by."] = 0.01  # fmt: skip
    own_usage: Annotated[
        tuple[str, ...],
        "Names of agents whose model calls have no events of their own: usage on their invoke_agent counts.",
    ] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance <= 1:
            raise OptionError("tolerance", "is a share from 0 to 1")

    def build(self) -> Cost:
        prices = loads(example(), EXAMPLE) if self.prices == EXAMPLE else load(self.prices)
        return Cost(prices, tolerance=self.tolerance, own_usage=self.own_usage)


class Cost:
    """See the module."""

    def __init__(
        self, prices: Prices, *, tolerance: float = 0.01, own_usage: tuple[str, ...] = ()
    ) -> None:
        self._prices = prices
        self._tolerance = Decimal(str(tolerance))
        self._own = frozenset(own_usage)

    def __call__(self, event: Event, /) -> Event:
        fields = event.fields
        tokens = f.INPUT_TOKENS in fields or f.OUTPUT_TOKENS in fields
        if not tokens and f.COST_TOTAL not in fields:
            return event
        added = self._added(fields, tokens=tokens)
        return Event({**fields, **added}, event.origins) if added else event

    def _added(self, fields: Mapping[str, Any], *, tokens: bool) -> dict[str, Any]:
        if fields.get(f.USAGE_ROLLUP) is True or self._is_rollup(fields, tokens=tokens):
            return {f.USAGE_ROLLUP: True}
        reported = money(fields.get(f.COST_TOTAL))
        if reported is not None and fields.get(f.COST_SOURCE) == "computed":
            return {}
        usage = _usage(fields) if tokens else None
        if usage is None:
            return {} if reported is None else {f.COST_SOURCE: "reported"}
        price = self._price(fields)
        if reported is not None:
            return {f.COST_SOURCE: "reported", **self._compared(fields, reported, usage, price)}
        if price is None:
            return {f.COST_FINDINGS: ["no_price"]}
        return {
            f.COST_TOTAL: float(rounded(usage.cost(price))),
            f.COST_CURRENCY: price.currency,
            f.COST_SOURCE: "computed",
            f.COST_PRICE_DATE: price.valid_from,
        }

    def _is_rollup(self, fields: Mapping[str, Any], *, tokens: bool) -> bool:
        operation = fields.get(f.OPERATION_NAME)
        if operation in _CALLS:
            return False
        if operation == "execute_tool" and not tokens:
            return False
        if operation in _ABOVE:
            own = operation == "invoke_agent" and fields.get(f.AGENT_NAME) in self._own
            return not own
        return f.REQUEST_MODEL not in fields and f.RESPONSE_MODEL not in fields

    def _price(self, fields: Mapping[str, Any]) -> Price | None:
        provider = fields.get(f.PROVIDER_NAME)
        day = str(fields[f.TIMESTAMP])[:10]
        # The model that answered is what is paid for; the one asked for may be an alias.
        for name in (f.RESPONSE_MODEL, f.REQUEST_MODEL):
            model = fields.get(name)
            if isinstance(model, str):
                price = self._prices.price(
                    provider if isinstance(provider, str) else "", model, day
                )
                if price is not None:
                    return price
        return None

    def _compared(
        self, fields: Mapping[str, Any], reported: Decimal, usage: Usage, price: Price | None
    ) -> dict[str, Any]:
        currency = fields.get(f.COST_CURRENCY)
        if price is None or not isinstance(currency, str):
            return {}
        computed = self._prices.converted(
            usage.cost(price), price.currency, currency, str(fields[f.TIMESTAMP])[:10]
        )
        if computed is None or abs(computed - reported) <= abs(reported) * self._tolerance:
            return {}
        return {
            f.COST_COMPUTED: float(rounded(computed)),
            f.COST_PRICE_DATE: price.valid_from,
            f.COST_FINDINGS: ["differs_from_reported"],
        }


def _usage(fields: Mapping[str, Any]) -> Usage | None:
    """The tokens of an event; None where they are no counts, or none at all."""
    counts: dict[str, int] = {}
    for name, kind in _USAGE.items():
        value = fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | None):
            return None
        if value is not None and not 0 <= value < _MOST_TOKENS:
            return None
        counts[kind] = value or 0
    return Usage(**counts) if any(counts.values()) else None
