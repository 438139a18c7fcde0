"""Planted values where a profile or an operator promises less: `stock` and `keep`."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from agenttrail import fields as f
from agenttrail.keys import Key
from agenttrail.masks._markers import SEALED
from agenttrail.masks._operators import Keep, Operator, Operators
from agenttrail.masks.presidio import PresidioMask, PresidioOptions
from tests._events import assert_valid
from tests.masks._differential import stock_answer, stock_engine
from tests.masks.conftest import event
from tests.masks.test_encodings import ENCODINGS, OPERATORS, bare, undone
from tests.masks.test_properties import WORDS, forms

SLOW = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
# Stock Presidio knows these in English text; which of them, it says itself.
KNOWN = (
    "bob+news@example.com", "4111 1111 1111 1111", "5555555555554444", "GB29 NWBK 6016 1331 9268 19",
    "(212) 555-0123", "192.168.17.20", "00:1b:44:11:3a:b7", "219-09-9999",
)  # fmt: skip
KEYS = {"pseudonym_keys": (Key("k1", b"\1" * 32),), "encryption_keys": (Key("e1", b"\2" * 32),)}


def nested(value: object, depth: int) -> object:
    for level in range(depth):
        value = {"list": [value, level]} if level % 2 else {"json": json.dumps(value)}
    return value


@pytest.fixture(scope="module")
def engine():
    return stock_engine(model=True)


@pytest.fixture(scope="module")
def stock() -> dict[str, PresidioMask]:
    options = PresidioOptions(profile="stock")
    whole = options.one()
    return {
        name: PresidioMask(
            options, whole._detector, whole._kinds,
            Operators(default=operator, by_kind={}, by_field={}, regions=("US",), **KEYS),
        )
        for name, operator in OPERATORS.items()
    }  # fmt: skip


@SLOW
@given(
    operator=st.sampled_from(sorted(OPERATORS)),
    value=st.sampled_from(KNOWN),
    before=st.sampled_from(WORDS),
    after=st.sampled_from(WORDS),
    depth=st.integers(0, 4),
    as_key=st.booleans(),
)
def test_what_stock_presidio_finds_never_leaves_in_the_profile_stock(
    stock, engine, operator, value, before, after, depth, as_key
):
    text = f"{before} {value} {after}"
    held = {text: 1} if as_key else {"text": text}
    (masked,) = stock[operator]([event({f.TOOL_ARGUMENTS: nested(held, depth)})])
    assert not masked.failed
    assert_valid(masked.line)
    # Of the value that was planted; words around it may stand in the line again.
    at = text.index(value)
    found = [
        (max(start, at), min(end, at + len(value)))
        for _, start, end, *_ in stock_answer(engine, text)
    ]
    found = [(start, end) for start, end in found if start < end]
    assume(found)  # what stock does not know there, this profile does not either
    line = SEALED.sub("", masked.line.decode())
    for start, end in found:
        # A single sign stands anywhere in a line.
        if end - start > 5:
            for form in forms(text[start:end]):
                assert form not in line


@pytest.fixture(scope="module")
def keeping(mask: PresidioMask) -> dict[str, PresidioMask]:
    """Masks that keep addresses of mail and do something else with all other kinds."""
    kept: dict[str, Operator] = {"EMAIL_ADDRESS": Keep(reason="addresses of one office")}
    return {
        name: PresidioMask(
            PresidioOptions(), mask._detector, mask._kinds,
            Operators(default=operator, by_kind=kept, by_field={}, regions=("US", "TH"), **KEYS),
        )
        for name, operator in OPERATORS.items()
    }  # fmt: skip


@SLOW
@given(
    operator=st.sampled_from(sorted(OPERATORS)),
    value=st.sampled_from(("4111 1111 1111 1111", "1-1017-00207-36-6", "5709-3641-4592", "+66 81 234 5678")),
    between=st.sampled_from((" ", ", ", " โทร ", "; id ", "\n")),
    encoding=st.sampled_from(sorted(ENCODINGS)),
    depth=st.integers(0, 3),
)  # fmt: skip
def test_beside_a_kept_kind_every_other_is_masked_in_any_encoding(
    keeping, operator, value, between, encoding, depth
):
    text = ENCODINGS[encoding](f"write to noy@example.com{between}{value}, thank you")
    (masked,) = keeping[operator]([event({f.TOOL_ARGUMENTS: nested({"text": text}, depth)})])
    assert not masked.failed
    assert_valid(masked.line)
    said = json.dumps(masked.fields[f.TOOL_ARGUMENTS], ensure_ascii=False)
    for read in undone(said):
        assert bare(value) not in bare(SEALED.sub("", read))
    # A run of an encoding is masked whole where it holds anything that is.
    if encoding == "as it is":
        assert masked.fields[f.PII_KEPT]["EMAIL_ADDRESS"] >= 1
        assert "noy@example.com" in said
