"""Fields are masked as the registry declares them, objects with their keys, and failure is closed."""

from __future__ import annotations

import json
import logging

import pytest

from agenttrail import fields as f
from agenttrail.errors import MaskError, OptionError
from agenttrail.masks._findings import Finding
from agenttrail.masks._walk import MAX_LEVELS
from agenttrail.masks.presidio import PresidioMask, PresidioOptions
from tests.masks.conftest import BASE, event


@pytest.mark.parametrize(
    "name, value, expected",
    [
        (f.USER_ID, "u-7", "<USER_ID>"),
        (f.USER_ID, 7, "<USER_ID>"),
        (f.USER_NAME, "root", "<USER_NAME>"),
        (f.USER_EMAIL, "", ""),
        (f.USER_EMAIL, "<EMAIL_ADDRESS>", "<EMAIL_ADDRESS>"),
        (f.USER_NAME, "<ALICE>", "<USER_NAME>"),
        (f.CLIENT_ADDRESS, "laptop", "<IP_ADDRESS>"),
        (f.CONVERSATION_ID, "sess-1", "sess-1"),
        (f.CONVERSATION_ID, "bob@example.com", "<EMAIL_ADDRESS>"),
        (f.CONVERSATION_ID, "081-234-5678", "<PHONE_NUMBER>"),
        (f.CONVERSATION_ID, 4111111111111111, "<CREDIT_CARD>"),
        (f.TOOL_NAME, "John Smith", "<PERSON>"),
        (f.TOOL_NAME, "read_file", "read_file"),
        (f.TOOL_NAME, "192.168.1.20", "<IP_ADDRESS>"),
        (f.REQUEST_MODEL, "claude-3-5-sonnet-20241022", "claude-3-5-sonnet-20241022"),
        (f.REQUEST_MODEL, "gpt-4.1-mini-2025-04-14", "gpt-4.1-mini-2025-04-14"),
        (f.JSONRPC_REQUEST_ID, "1234567890", "1234567890"),
        (f.JSONRPC_REQUEST_ID, "0812345678", "<PHONE_NUMBER>"),
        (f.EVENT_ACTION, "tell bob@example.com", "tell <EMAIL_ADDRESS>"),
        (f.TRACE_ID, "4111111111111111", "<CREDIT_CARD>"),
        (f.ERROR_TYPE, "-32602", "-32602"),
        (f.TAGS, ["prod", "bob@example.com"], ["prod", "<EMAIL_ADDRESS>"]),
        (f.TAGS, "prod", ["prod"]),
        (f.ERROR_MESSAGE, "no user bob@example.com", "no user <EMAIL_ADDRESS>"),
        (f.SERVER_ADDRESS, "10.1.2.3", "<IP_ADDRESS>"),
        (f.MESSAGE, {"to": "bob@example.com"}, '{"to":"<EMAIL_ADDRESS>"}'),
        (f.TOOL_ARGUMENTS, ["bob@example.com"], {"value": ["<EMAIL_ADDRESS>"]}),
        (f.TOOL_DEFINITIONS, [{"name": "a"}, 1], [{"name": "a"}, {"value": 1}]),
        (f.EVENT_DURATION, 4111111111111111, 4111111111111111),
        (f.COST_TOTAL, 0.1, 0.1),
    ],
)
def test_a_field_leaves_as_its_privacy_and_shape_say(masked, name, value, expected):
    assert masked({name: value}).fields[name] == expected


@pytest.mark.parametrize(
    "name, value",
    [
        (f.INPUT_TOKENS, "bob@example.com"),
        (f.INPUT_TOKENS, True),
        (f.INPUT_TOKENS, 1.5),
        (f.COST_TOTAL, "0.1"),
        (f.TOOL_READ_ONLY, "bob@example.com"),
        (f.TIMESTAMP, "bob@example.com"),
        (f.TIMESTAMP, "2026-01-01"),
        (f.PII_BY_TYPE, {"bob@example.com": 1}),
    ],
)
def test_a_value_that_its_type_cannot_hold_is_left_out_and_counted(masked, name, value):
    event = masked({name: value})
    assert name not in event.fields
    assert event.fields[f.PII_REMOVED] == 1
    assert not event.failed


def arguments(masked, value):
    return masked({f.TOOL_ARGUMENTS: value}).fields[f.TOOL_ARGUMENTS]


def test_keys_are_masked_and_none_is_lost(masked):
    value = {
        "<EMAIL_ADDRESS>": 0,
        "bob@example.com": 1,
        "eve@example.com": 2,
        "card 4111111111111111": 3,
    }
    assert arguments(masked, value) == {
        "<EMAIL_ADDRESS>": 0,
        "<EMAIL_ADDRESS>_2": 1,
        "<EMAIL_ADDRESS>_3": 2,
        "card <CREDIT_CARD>": 3,
    }


@pytest.mark.parametrize(
    "value, expected",
    [
        ({"n": 4111111111111111}, {"n": "<CREDIT_CARD>"}),
        ({"n": -4111111111111111.0}, {"n": "<CREDIT_CARD>"}),
        ({"n": 1101700207366}, {"n": "<TH_TNIN>"}),
        ({"phone": 66812345678}, {"phone": "<PHONE_NUMBER>"}),
        ({"account_number": 12345678}, {"account_number": "<BANK_ACCOUNT>"}),
        ({"n": 4111111111111112}, {"n": 4111111111111112}),
        ({"updateTime": 4111111111111111}, {"updateTime": "<CREDIT_CARD>"}),
        ({"candidate": 1700000000002}, {"candidate": "<TH_TNIN>"}),
        ({"startTime": 1700000000002}, {"startTime": 1700000000002}),
        ({"startTime": "1700000000002"}, {"startTime": "1700000000002"}),
        ({"n": 123456789012345678901234567890}, {"n": 123456789012345678901234567890}),
        ({"a": None, "b": True, "c": -1, "d": 0.5}, {"a": None, "b": True, "c": -1, "d": 0.5}),
    ],
)  # fmt: skip
def test_numbers_keep_their_digits_unless_they_are_personal(masked, value, expected):
    assert arguments(masked, value) == expected


@pytest.mark.parametrize(
    "value, expected",
    [
        ({"Authorization": "Bearer x"}, {"Authorization": "<SECRET>"}),
        ({"X-Api-Key": "k"}, {"X-Api-Key": "<SECRET>"}),
        ({"cookie": ["a=1", "b=2"]}, {"cookie": ["<SECRET>", "<SECRET>"]}),
        ({"name": "Authorization", "value": "x"}, {"name": "Authorization", "value": "<SECRET>"}),
        ({"first_name": "noy"}, {"first_name": "<PERSON>"}),
        ({"email": {"type": "string"}}, {"email": {"type": "string"}}),
        ({"email": ""}, {"email": ""}),
        ({"required": ["email"]}, {"required": ["email"]}),
        ({"progressToken": 5, "token": 5}, {"progressToken": 5, "token": 5}),
    ],
)
def test_a_key_that_names_personal_data_masks_its_value(masked, value, expected):
    assert arguments(masked, value) == expected


def test_message_objects_keep_their_structure(masked):
    messages = [
        {"role": "user", "parts": [{"type": "text", "content": "I am John Smith"}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "call_a1b2c3d4", "name": "Bash", "arguments": {}}]},
    ]  # fmt: skip
    assert masked({f.INPUT_MESSAGES: messages}).fields[f.INPUT_MESSAGES] == [
        {"role": "user", "parts": [{"type": "text", "content": "I am <PERSON>"}]},
        messages[1],
    ]


def test_deep_nesting_becomes_json_in_a_string_and_loses_nothing(masked):
    value = "bob@example.com"
    for _ in range(60):
        value = {"a": value}
    shallow = arguments(masked, value)
    for _ in range(MAX_LEVELS):
        shallow = shallow["a"]
    assert isinstance(shallow, str)
    assert shallow.count('{"a":') == 60 - MAX_LEVELS
    assert "<EMAIL_ADDRESS>" in shallow
    assert "bob" not in shallow


def test_findings_are_counted_by_kind_and_the_policy_is_named(masked):
    fields = masked({f.USER_ID: "u", f.MESSAGE: "bob@example.com and eve@example.com"}).fields
    assert fields[f.PII_MASKED] == 3
    assert fields[f.PII_BY_TYPE] == {"EMAIL_ADDRESS": 2, "USER_ID": 1}
    assert fields[f.PII_POLICY] == "presidio-default/1"


def test_the_line_is_the_nested_document_of_the_fields(masked):
    event = masked({f.MESSAGE: "hi", f.TOOL_ARGUMENTS: {"n": 123456789012345678901234567890}})
    assert json.loads(event.line) == f.to_document(event.fields)


def test_a_text_beyond_the_limits_is_replaced_not_passed():
    options = PresidioOptions(max_text_chars=30, max_event_chars=60)
    mask = PresidioMask(options, Breaking("bomb", ValueError()), frozenset({"EMAIL_ADDRESS"}))
    value = {
        "a": "word " * 7,
        "b": "a few words of text",
        "c": "twenty-eight more characters",
        "d": "too much",
    }
    once = mask([event({f.TOOL_ARGUMENTS: value})])[0]
    assert once.fields[f.TOOL_ARGUMENTS] == value | {"a": "<TEXT_TOO_LONG>", "d": "<TEXT_TOO_LONG>"}
    assert once.fields[f.PII_BY_TYPE] == {"TEXT_TOO_LONG": 2}


def test_a_text_does_not_grow_too_long_by_being_masked():
    options = PresidioOptions(max_text_chars=len("bob@example.com") + 1)
    mask = PresidioMask(options, Breaking("bomb", ValueError()), frozenset({"EMAIL_ADDRESS"}))
    once = mask([event({f.MESSAGE: "(bob@example.com"})])[0]
    assert once.fields[f.MESSAGE] == "(<EMAIL_ADDRESS>"
    assert mask([event(once.fields)])[0] == once


def test_explaining_names_place_kind_and_recogniser(mask):
    found = mask.findings(event({f.TOOL_ARGUMENTS: {"to": ["hi bob@example.com"]}, f.USER_ID: "u"}))
    assert [(x.path, x.entity, x.start, x.end, x.recogniser) for x in found] == [
        (f"{f.TOOL_ARGUMENTS}.to.0", "EMAIL_ADDRESS", 3, 18, "EmailRecognizer"),
        (f.USER_ID, "USER_ID", 0, 0, "field"),
    ]


class Breaking:
    """A detector that raises on a mark, and finds e-mail addresses without a model."""

    def __init__(self, mark: str, error: BaseException) -> None:
        self.mark, self.error = mark, error

    def patterns(self, texts):
        for text in texts:
            if self.mark in text:
                raise self.error
            at = text.find("bob@example.com")
            yield () if at < 0 else (Finding(at, at + 15, "EMAIL_ADDRESS", 1.0, "test"),)

    prose = patterns


@pytest.mark.parametrize(
    "error", [ValueError("bomb"), RecursionError(), MemoryError(), TimeoutError()]
)
def test_where_masking_fails_only_the_envelope_leaves_and_its_neighbours_are_whole(caplog, error):
    caplog.set_level(logging.DEBUG)
    mask = PresidioMask(PresidioOptions(), Breaking("bomb", error), frozenset({"EMAIL_ADDRESS"}))
    fine = event({f.MESSAGE: "to bob@example.com"})
    bad = event(
        {
            f.MESSAGE: "a bomb",
            f.USER_ID: "u",
            f.TOOL_NAME: "bomb",
            f.MCP_METHOD: "tools/call",
            f.EVENT_ACTION: "bob@example.com",
            f.EVENT_DURATION: 5,
            f.DATA_STREAM_NAMESPACE: "bomb",
        }
    )
    first, second, third = mask([fine, bad, fine])
    assert first == third
    assert first.fields[f.MESSAGE] == "to <EMAIL_ADDRESS>"
    assert not first.failed
    assert second.failed
    assert second.fields == BASE | {
        f.MCP_METHOD: "tools/call",
        f.EVENT_DURATION: 5,
        f.EVENT_ACTION: "unreadable",
        f.DATA_STREAM_NAMESPACE: "default",
        f.PII_MASKED: 0,
        f.PII_POLICY: "presidio-default/1",
        f.PII_FAILED: True,
        f.PII_ERROR: type(error).__name__,
        f.PII_REMOVED: 3,
    }
    assert b"bomb" not in second.line
    assert "bomb" not in caplog.text


def test_what_is_no_json_value_or_no_field_fails_closed(masked):
    for fields in (
        {f.TOOL_ARGUMENTS: {"a": b"bob@example.com"}},
        {"no.such.field": "bob@example.com"},
    ):
        event = masked(fields)
        assert event.failed
        assert b"bob" not in event.line


def test_explaining_an_event_that_fails_tells_the_class_only():
    mask = PresidioMask(PresidioOptions(), Breaking("bomb", ValueError("bomb")), frozenset())
    with pytest.raises(MaskError, match=r"^masking failed: ValueError$") as caught:
        mask.findings(event({f.MESSAGE: "bomb"}))
    assert caught.value.__context__ is None


def test_a_missing_model_is_named_with_its_install_command():
    with pytest.raises(MaskError, match="no_such_model is not installed") as caught:
        PresidioOptions(spacy_model="no_such_model").build()
    assert caught.value.hint.startswith("pip install no-such-model")


@pytest.mark.parametrize(
    "option, value",
    [
        ("score_threshold", 1.5),
        ("max_text_chars", 0),
        ("max_event_chars", 0),
        ("cache_chars", -1),
        ("entities", ("email",)),
        ("exclude_entities", ("e-mail",)),
        ("phone_regions", ("Thailand",)),
        ("policy", "two words"),
    ],
)
def test_an_impossible_option_is_refused_by_its_name(option, value):
    with pytest.raises(OptionError) as caught:
        PresidioOptions(**{option: value})
    assert caught.value.option == option
