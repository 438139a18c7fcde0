"""What once slipped through: words that are names, keys that speak of secrets, odd numbers, slow texts."""

from __future__ import annotations

import time

import pytest

from agenttrail import fields as f
from agenttrail.errors import MaskError, OptionError
from agenttrail.masks._readings import readings
from agenttrail.masks._rules import rule_findings
from agenttrail.masks.presidio import PresidioMask, PresidioOptions
from agenttrail.recognizers import all_recognizers
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


@pytest.mark.parametrize(
    "value, expected",
    [
        ("DB_PASSWORD=tulip", "DB_PASSWORD=<SECRET>"),
        ("export GITHUB_TOKEN=tulip7rose", "export GITHUB_TOKEN=<SECRET>"),
        ("dbPassword: tulip", "dbPassword: <SECRET>"),
        ('new_password: "correct horse battery"', 'new_password: "<SECRET>"'),
        ("run --token tulip7 -v", "run --token <SECRET> -v"),
        ("run --db-password='two words' -v", "run --db-password='<SECRET>' -v"),
        ("use --token to log in", "use --token to log in"),
        ("run --max-tokens 4096 --stop-token end", "run --max-tokens 4096 --stop-token end"),
        ("MAX_TOKEN=4096 next_page_token=tulip", "MAX_TOKEN=4096 next_page_token=tulip"),
        ("card 4111\u00a01111\u00a01111\u00a01111", "card <CREDIT_CARD>"),
        ("card 4111\n1111\n1111\n1111", "card <CREDIT_CARD>"),
        ("card 4111\t1111\t1111\t1111", "card <CREDIT_CARD>"),
        ("1234\n4111\n1111\n1111\n1111\n5555", "1234\n4111\n1111\n1111\n1111\n5555"),
        ("/var/home/janeroe", "/var/home/<USER_NAME>"),
        ("cd /export/home/janeroe/x", "cd /export/home/<USER_NAME>/x"),
        ("/data/home/janeroe", "/data/home/<USER_NAME>"),
        ("https://x.example/home/janeroe", "https://x.example/home/janeroe"),
        ("curl -u jane:tulip7 https://x.example", "curl -u jane:<SECRET> https://x.example"),
        ("key " + "sk_" + "live_51Habcdefghijklmnop123", "key <SECRET>"),
        ("key " + "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEF12", "key <SECRET>"),
        ("-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEpAIBAAKCAQEA1c7z5Pad7OejecsQ0bu\n-----END RSA PRIVATE KEY-----", "<SECRET>"),
    ],
)  # fmt: skip
def test_secrets_cards_and_homes_in_text(text, value, expected):
    assert text(value) == expected


HOSTILE = [
    *" \t\n!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~aA0",
    *["home/", "/home/", "/tmp/", "/tmp/home/", "Users/", "-home-", "C:\\Users\\", "a.", "a@", "@a.", "1-"],
    *["1 ", "+1", "(0", '="', "://", "a://", "//a:", "password", "password=", "password ", "--token "],
    *["--", "Bearer ", "authorization: ", "cookie:", "%4", "%41", "\\u0041", "&#6", "?token=", "a_", "key"],
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_no_text_makes_the_rules_slow(unit):
    """100,000 characters take milliseconds where the work grows with the length, else minutes."""
    started = time.process_time()
    for text in (unit * (100_000 // len(unit)), "/home/" + unit * (100_000 // len(unit))):
        for reading in readings(text):
            list(rule_findings(reading.text))
    assert time.process_time() - started < 20


@pytest.mark.parametrize("unit", HOSTILE)
def test_no_text_makes_the_recognisers_of_secrets_slow(unit):
    text = unit * (40_000 // len(unit))
    started = time.process_time()
    for recogniser in all_recognizers(language="en"):
        recogniser.analyze(text, recogniser.supported_entities, None)
    assert time.process_time() - started < 30


@pytest.mark.parametrize(
    "given, said",
    [
        ({"language": "de"}, "language"),
        ({"language": "xx"}, "language"),
        ({"phone_regions": ("TH", "ZZ")}, "phone_regions"),
        ({"phone_regions": ("TH", "ZZ"), "workers": 2}, "phone_regions"),
    ],
)
def test_an_option_that_would_leave_recognisers_out_is_refused(given, said):
    with pytest.raises(OptionError) as caught:
        PresidioOptions(**given).build()
    assert caught.value.option == said


def test_a_folder_that_is_no_model_is_named(tmp_path):
    with pytest.raises(MaskError, match="is no spaCy model"):
        PresidioOptions(spacy_model=str(tmp_path)).build()
