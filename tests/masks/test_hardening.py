"""What once slipped through: words that are names, keys that speak of secrets, odd numbers, slow texts."""

from __future__ import annotations

import pytest

from agenttrail import fields as f
from agenttrail.masks.presidio import PresidioMask, PresidioOptions
from tests.masks.conftest import event
from tests.masks.test_presidio import Breaking


@pytest.mark.parametrize(
    "name, value, expected",
    [
        (f.EVENT_ACTION, "margaret.thatcher", "<PERSON>"),
        (f.MCP_METHOD, "jane.roe/Thatcher", "<PERSON>"),
        (f.ERROR_TYPE, "margaret.thatcher", "<PERSON>"),
        (f.EVENT_ACTION, "codex.tool_decision", "codex.tool_decision"),
        (f.MCP_METHOD, "workspace/configuration", "workspace/configuration"),
        (f.MCP_METHOD, "tools/call", "tools/call"),
        (f.ERROR_TYPE, "requests.exceptions.Timeout", "requests.exceptions.Timeout"),
        (f.PROVIDER_NAME, "aws.bedrock", "aws.bedrock"),
        (f.EVENT_ID, "call_a4111111111111111", "call_<CREDIT_CARD>"),
    ],
)
def test_a_word_of_no_protocol_is_read_for_names(masked, name, value, expected):
    once = masked({name: value})
    assert once.fields[name].replace("call_a", "call_") == expected
    assert masked(once.fields) == once


@pytest.mark.parametrize(
    "name, counts, stays",
    [
        (f.PII_BY_TYPE, {"EMAIL_ADDRESS": 1}, True),
        (f.PII_BY_TYPE, {"Thatcher": 1}, False),
        (f.PII_KEPT, {"jane_roe": 1}, False),
        (f.PII_BY_OPERATOR, {"replace": 1}, True),
        (f.PII_BY_OPERATOR, {"jane_roe": 1}, False),
    ],
)
def test_counts_of_a_chained_line_hold_kinds_and_operators_only(masked, name, counts, stays):
    fields = masked({name: counts}).fields
    assert (fields.get(name) == counts) == stays
    assert (f.PII_REMOVED in fields) != stays


def test_where_masking_fails_no_word_of_no_protocol_leaves():
    mask = PresidioMask(PresidioOptions(), Breaking("bomb", ValueError()), frozenset())
    (failed,) = mask(
        [event({f.MESSAGE: "bomb", f.MCP_METHOD: "jane.roe/Thatcher", f.EVENT_ACTION: "Thatcher"})]
    )
    assert failed.failed
    assert b"hatcher" not in failed.line
