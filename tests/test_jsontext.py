"""Exact JSON: what goes in comes out, digit for digit."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agenttrail import jsontext

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["123456789012345678901234567890", "-98765432109876543210987", "1.10", "1e400", "-0.0",
     "1.0e5", "0.1234567890123456789", "18446744073709551615", "18446744073709551616",
     "9" * 5000, "[1.50,{\"a\":[2.0]}]"],
)  # fmt: skip
def test_a_number_comes_out_as_it_went_in(text: str) -> None:
    """Integers beyond 64 bits, trailing zeros and huge exponents keep their digits."""
    assert jsontext.dumps(jsontext.loads(text)).decode() == text


@given(_JSON)
@settings(max_examples=200, deadline=None)
def test_values_survive_a_round_trip(value: object) -> None:
    """What the standard library reads from our output is what it reads from its own."""
    text = json.dumps(value)
    expected = json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    assert json.loads(jsontext.dumps(jsontext.loads(text))) == expected


@pytest.mark.parametrize(
    "text, expected",
    [('"\\ud800x"', "�x"), ('"\\ud83d\\ude00"', "😀"), ("NaN", "NaN"), ("-Infinity", "-Infinity"),
     ("\ufeff1", 1), (" \n[1] ", [1])],
)  # fmt: skip
def test_what_json_readers_refuse_is_mended(text: str, expected: object) -> None:
    """Lone surrogates, NaN and a byte order mark do not reach a sink as they are."""
    assert jsontext.loads(text) == expected


@pytest.mark.parametrize("text", ["", "{", "1 2", "[" * 300 + "]" * 300, "[" * 100_000, '{"a" 1}'])
def test_no_json_is_a_value_error_without_content(text: str) -> None:
    """The message holds a position, never the text."""
    with pytest.raises(ValueError, match=r"^(not JSON at character|text after|JSON nested)"):
        jsontext.loads(text)


def test_nesting_up_to_the_limit_is_read() -> None:
    """200 levels are read, 201 are not."""
    assert jsontext.loads("[" * 200 + "]" * 200)
    with pytest.raises(ValueError, match="nested"):
        jsontext.loads("[" * 201 + "]" * 201)


def test_a_prefix_ends_where_the_value_does() -> None:
    """The rest of a line begins after the value and the white space."""
    assert jsontext.loads_prefix('{"a":1} { metadata: undefined }') == ({"a": 1}, 8)
