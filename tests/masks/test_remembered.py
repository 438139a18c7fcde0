"""What a mask remembers of texts, fields and values that stayed as they were changes no later answer."""

from __future__ import annotations

import base64

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agenttrail import fields as f
from agenttrail.masks.presidio import PresidioMask, PresidioOptions
from tests.masks.conftest import event
from tests.masks.test_properties import SECRETS, WORDS

OPTIONS = PresidioOptions(profile="fast")
# Under some of these a value is personal or secret whatever it is, under others only if it looks so.
KEYS = ("note", "name", "value", "password", "assignee", "type", "default", "token", "schema", "id")


def deep(text: str, layers: int) -> str:
    for _ in range(layers):
        text = base64.b64encode(text.encode()).decode()
    return text


texts = st.sampled_from((*SECRETS, *WORDS, "Somchai", "Anna Lee", "string", "Authorization", "1736899200123"))  # fmt: skip
leaves = texts | st.builds(deep, texts, st.integers(1, 5)) | st.integers(0, 10**13) | st.booleans()
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
    ),
    max_leaves=6,
)
fields = st.fixed_dictionaries(
    {},
    optional={
        f.TOOL_ARGUMENTS: st.dictionaries(st.sampled_from(KEYS), values, max_size=3),
        f.TOOL_RESULT: st.dictionaries(st.sampled_from(KEYS), values, max_size=3),
        f.MESSAGE: texts,
        f.TOOL_NAME: texts,
        f.ERROR_TYPE: texts,
        f.MCP_SERVER_NAME: texts,
    },
)


@pytest.fixture(scope="module")
def warm() -> PresidioMask:
    return OPTIONS.one()


def fresh(warm: PresidioMask, options: PresidioOptions = OPTIONS) -> PresidioMask:
    """A mask that has seen nothing yet."""
    return PresidioMask(options, warm._detector, warm._detector.known)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(fields, min_size=1, max_size=4))
def test_a_mask_that_has_seen_much_answers_as_a_new_one(warm, several):
    expected = [fresh(warm)([event(each)])[0].line for each in several]
    assert [masked.line for masked in warm([event(each) for each in several])] == expected
    assert [warm([event(each)])[0].line for each in several] == expected


def test_a_text_that_stayed_at_the_bottom_of_base64_is_read_elsewhere(warm):
    for layers in range(6):
        text = deep("somchai.j@example.co.th", layers)
        for each in (warm, fresh(warm)):
            lines = [
                each([event({f.TOOL_ARGUMENTS: {"note": value}})])[0].line
                for value in (deep(text, 4), text)
            ]
            if layers < 3:
                assert text.encode() not in lines[1], layers


def test_what_stayed_beyond_the_limit_of_an_event_is_read_in_the_next(warm):
    """A value that is known to stay counts as much as one that is read."""
    options = PresidioOptions(profile="fast", max_event_chars=30)
    mask = fresh(warm, options)
    value = {"note": "nothing to see here", "memo": "nor is there any here"}
    first = mask([event({f.TOOL_ARGUMENTS: value})])[0]
    again = mask([event({f.TOOL_ARGUMENTS: value})])[0]
    assert b"TEXT_TOO_LONG" in first.line
    assert again.line == first.line


def test_a_value_under_a_key_of_secrets_is_a_secret_though_it_stayed_elsewhere(warm):
    plain = warm([event({f.TOOL_ARGUMENTS: {"note": "seven words"}})])[0]
    assert b"seven words" in plain.line
    for value in ({"password": "seven words"}, {"credentials": {"note": "seven words"}}, {"name": "Authorization", "value": "seven words"}):  # fmt: skip
        assert b"seven words" not in warm([event({f.TOOL_ARGUMENTS: value})])[0].line
