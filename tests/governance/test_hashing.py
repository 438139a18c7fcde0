"""Keyed hashes: one form for equal values, nothing to be had without the key."""

import hashlib
import hmac

import pytest

from agenttrail import jsontext
from agenttrail.governance.hashing import Hasher, canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": [1, {"d": 2, "c": 3}]}, {"b": [1, {"c": 3, "d": 2}], "a": 1}),
        ({"n": 5000.0}, {"n": 5000}),
        ({"n": jsontext.loads("5000.00")}, {"n": 5000}),
        ({"n": [1e3, "1.0"]}, {"n": [1000, "1.0"]}),
    ],
)
def test_equal_values_have_one_form(one: object, other: object) -> None:
    """Order of keys and the way a whole number is written say nothing."""
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"), [({"n": 1}, {"n": "1"}), ([1, 2], [2, 1]), ({"a": None}, {}), (1.5, 1)]
)
def test_other_values_have_other_forms(one: object, other: object) -> None:
    """A text is no number; the order of a list is part of it."""
    assert canonical(one) != canonical(other)


def test_the_recipe_can_be_followed_elsewhere_with_the_same_key() -> None:
    """As the module says it."""
    key = bytes(range(32))
    data = 'arguments\x00{"amount":5000,"to":"café"}'.encode()
    expected = hmac.new(key, data, hashlib.sha256).digest()[:16].hex()
    assert Hasher(key)("arguments", {"to": "café", "amount": 5000.0}) == expected


def test_purposes_and_keys_keep_hashes_apart() -> None:
    """Without a key of the operator's every process has its own."""
    one, other = Hasher(), Hasher()
    assert one("a", 1) == one("a", 1)
    assert one("a", 1) != one("b", 1)
    assert one("a", 1) != other("a", 1)
