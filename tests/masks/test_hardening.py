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


def arguments(masked, value):
    return masked({f.TOOL_ARGUMENTS: value}).fields[f.TOOL_ARGUMENTS]


HIDDEN = "<SECRET>"


@pytest.mark.parametrize(
    "value, expected",
    [
        ({"password": 48151623}, {"password": HIDDEN}),
        ({"db_password": 4815}, {"db_password": HIDDEN}),
        ({"client_secret": 4815162342}, {"client_secret": HIDDEN}),
        ({"token": 5, "cookies": 3}, {"token": 5, "cookies": 3}),
        ({"password": True}, {"password": True}),
        ({"password": None}, {"password": None}),
    ],
)
def test_a_number_that_is_a_secret_is_masked(masked, value, expected):
    assert arguments(masked, value) == expected


@pytest.mark.parametrize(
    "key",
    [
        "DB_PASSWORD", "new_password", "dbPassword", "AWS_SECRET_ACCESS_KEY", "x-goog-api-key",
        "GITHUB_TOKEN", "slack.bot.token", "ssh-private-key", "userPasswords", "SMTP_PWD",
        "my_service_long_enough_to_be_more_than_forty_signs_password", "X-Amz-Security-Token",
    ],
)  # fmt: skip
def test_a_key_that_ends_in_a_secret_masks_its_value(masked, key):
    assert arguments(masked, {key: "tulip"}) == {key: HIDDEN}


@pytest.mark.parametrize(
    "key",
    [
        "input_tokens", "max_tokens", "token_count", "completion_tokens", "tokenizer", "secretary",
        "passwordless", "progressToken", "nextToken", "next_page_token", "stop_token", "pwd",
        "public_key", "primary_key", "password_hash_rounds", "token_type",
    ],
)  # fmt: skip
def test_a_key_that_only_looks_like_a_secret_stays(masked, key):
    value = {key: "tulip", "n": {key: 4815}}
    assert arguments(masked, value) == value


@pytest.mark.parametrize(
    "value, expected",
    [
        ({"password": {"value": "tulip", "n": [7, {"a": "b"}]}}, {"password": {"value": HIDDEN, "n": [HIDDEN, {"a": HIDDEN}]}}),
        ({"apiKeys": ["tulip", ["rose"]]}, {"apiKeys": [HIDDEN, [HIDDEN]]}),
        ({"secret": {"a": None, "b": True, "c": ""}}, {"secret": {"a": None, "b": True, "c": ""}}),
        ({"Name": "password", "Value": "tulip"}, {"Name": "password", "Value": HIDDEN}),
        ({"key": "db_password", "value": {"stringValue": "tulip"}}, {"key": "db_password", "value": {"stringValue": HIDDEN}}),
        ({"h": ["X-Api-Key", "tulip-7"]}, {"h": ["X-Api-Key", HIDDEN]}),
        ({"h": [["X-Api-Key", "tulip"], ["Host", "a"]]}, {"h": [["X-Api-Key", HIDDEN], ["Host", "a"]]}),
        ({"rawHeaders": ["Host", "a", "X-Api-Key", "tulip-7", "Accept", "b"]}, {"rawHeaders": ["Host", "a", "X-Api-Key", HIDDEN, "Accept", "b"]}),
        ({"args": ["run", "--token", "tulip", "--verbose"]}, {"args": ["run", "--token", HIDDEN, "--verbose"]}),
        ({"args": ["--db-password", 4815, "x"]}, {"args": ["--db-password", HIDDEN, "x"]}),
        ({"args": ["--password=tulip"]}, {"args": ["--password=" + HIDDEN]}),
        ({"password": {"type": "string", "default": "tulip", "description": "to log in"}}, {"password": {"type": "string", "default": HIDDEN, "description": "to log in"}}),
    ],
)  # fmt: skip
def test_a_secret_is_masked_wherever_its_name_stands(masked, value, expected):
    assert arguments(masked, value) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"required": ["password", "city"]},
        {"columns": [["email", "password"], ["city", "street"]]},
        {"token": {"text": "tulip", "position": 3}},
        {"properties": {"password": {"type": ["string", "null"], "minLength": 8}}},
        {"args": ["--max-tokens", "4096", "--token-file", "x", "--token", "--verbose"]},
    ],
)
def test_names_of_secrets_without_a_secret_stay(masked, value):
    assert arguments(masked, value) == value
