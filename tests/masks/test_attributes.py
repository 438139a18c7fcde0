"""Signals of OpenTelemetry keep their shape and lose their personal data, or keep their envelope only."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agenttrail import fields as f
from agenttrail.masks._attributes import FAILED, MaskedSignal, Signal
from agenttrail.masks.presidio import PresidioMask, PresidioOptions

MAIL = "ann@example.com"
PICTURE = base64.b64encode(bytes(range(256)) * 2).decode()
DESCRIBED = "sha256=110009dcee21620b;bytes=512"


@pytest.fixture(scope="module")
def fast() -> PresidioMask:
    return PresidioOptions(profile="fast").one()


def attributes(mask: PresidioMask, given: dict) -> dict:
    (masked,) = mask.signals([Signal(attributes=given)])
    assert not masked.failed
    return masked.attributes


def again(masked: MaskedSignal) -> Signal:
    return Signal(
        attributes=masked.attributes,
        names=masked.names,
        values=masked.values,
        parts=[again(part) for part in masked.parts],
    )


@pytest.mark.parametrize(
    "name, value, expected",
    [
        # personal by name: whole, whatever it looks like
        (f.USER_ID, "u-7", "<USER_ID>"),
        (f.USER_ID, 7, "<USER_ID>"),
        # a number under a known name is searched as under any other
        ("gen_ai.tool.call.arguments", 4111111111111111, "<CREDIT_CARD>"),
        ("gen_ai.evaluation.explanation", 4111111111111111, "<CREDIT_CARD>"),
        ("url.full", [4111111111111111, 7], ["<CREDIT_CARD>", 7]),
        ("gen_ai.tool.call.arguments", 200, 200),
        ("user.account_uuid", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "<USER_ID>"),
        ("enduser.id", "<USER_ID>", "<USER_ID>"),
        ("user.email", "", ""),
        ("host.ip", ["203.0.113.7", "10.0.0.1"], ["<IP_ADDRESS>", "<IP_ADDRESS>"]),
        ("client.address", "laptop", "<IP_ADDRESS>"),
        # structural while it has its shape
        (f.TOOL_NAME, "find_customer", "find_customer"),
        (f.TOOL_NAME, "mail " + MAIL, "mail <EMAIL_ADDRESS>"),
        ("service.name", "Checkout", "Checkout"),
        ("service.name", "checkout of " + MAIL, "checkout of <EMAIL_ADDRESS>"),
        ("openinference.span.kind", "TOOL", "TOOL"),
        ("openinference.span.kind", MAIL, "<EMAIL_ADDRESS>"),
        ("llm.input_messages.12.message.role", "user", "user"),
        ("llm.output_messages.0.message.tool_calls.3.tool_call.id", "call_8Xg3kQpL2", "call_8Xg3kQpL2"),
        (f.JSONRPC_REQUEST_ID, 5, 5),
        (f.JSONRPC_REQUEST_ID, 4111111111111111, "<CREDIT_CARD>"),
        ("exception.type", "botocore.exceptions.ClientError", "botocore.exceptions.ClientError"),
        # numbers and booleans keep their type
        (f.INPUT_TOKENS, 4111111111111111, 4111111111111111),
        (f.INPUT_TOKENS, "12", "12"),
        ("llm.cost.total", 0.25, 0.25),
        ("exception.escaped", False, False),
        ("order.total", 1.5, 1.5),
        ("payment.card", 4111111111111111, "<CREDIT_CARD>"),
        # unknown names are searched, and what they say counts
        ("app.note", "ask " + MAIL, "ask <EMAIL_ADDRESS>"),
        ("customer.email", "none of ours", "<EMAIL_ADDRESS>"),
        ("app.customer.name", "ann", "<PERSON>"),
        ("http.request.header.authorization", ["Bearer abcdef"], ["<SECRET>"]),
        ("app.tags", ["blue", MAIL, 3, None], ["blue", "<EMAIL_ADDRESS>", 3, None]),
        ("app.object", {"to": [{"email": "x"}], "n": 3}, {"to": [{"email": "<EMAIL_ADDRESS>"}], "n": 3}),
        ("app.none", None, None),
        # JSON in strings
        ("input.value", '{"to": "ann@example.com", "n": 1.10}', '{"to":"<EMAIL_ADDRESS>","n":1.10}'),
        ("input.value", '{"a": [1, 2]}', '{"a": [1, 2]}'),
        (f.TOOL_ARGUMENTS, '{"user": {"id": 7, "phone": "x"}}', '{"user":{"id":"<USER_ID>","phone":"<PHONE_NUMBER>"}}'),
        (f.TOOL_ARGUMENTS, {"user": {"note": MAIL}}, {"user": {"note": "<EMAIL_ADDRESS>"}}),
        ("app.broken", '{"to": "ann@example.com', '{"to": "<EMAIL_ADDRESS>'),
        # content that is no text
        ("app.bytes", b"\x00" * 512, "data:application/octet-stream;sha256=076a27c79e5ace2a;bytes=512"),
        ("app.bytes", MAIL.encode(), "data:application/octet-stream;bytes=15"),
        ("app.image", "data:image/png;base64," + PICTURE, f"data:image/png;{DESCRIBED}"),
        ("app.image", "data:ann@example.com;base64," + PICTURE, f"data:application/octet-stream;{DESCRIBED}"),
        ("app.image", PICTURE, f"data:application/octet-stream;{DESCRIBED}"),
        (f.INPUT_MESSAGES, json.dumps([{"type": "blob", "content": PICTURE}]), '[{"type": "blob", "content": "data:application/octet-stream;' + DESCRIBED + '"}]'),
        ("app.words", "no base64 " * 40, "no base64 " * 40),
    ],
)  # fmt: skip
def test_an_attribute_leaves_as_its_name_and_shape_say(fast, name, value, expected):
    masked = attributes(fast, {name: value})
    assert masked == {name: expected}
    assert type(masked[name]) is type(expected)
    assert attributes(fast, masked) == masked


def test_prose_in_messages_is_read_by_the_model(mask):
    said = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "call John Smith"}]}])
    masked = attributes(mask, {f.INPUT_MESSAGES: said, "service.name": "Margaret"})
    assert json.loads(masked[f.INPUT_MESSAGES])[0]["parts"][0]["content"] == "call <PERSON>"
    assert masked["service.name"] == "Margaret"


def test_keys_are_masked_and_two_that_become_one_are_told_apart(fast):
    given = {f"of {MAIL}": 1, "of bob@example.com": 2, "of <EMAIL_ADDRESS>": 3, "a.b-c.0.d": 4}
    assert attributes(fast, given) == {
        "of <EMAIL_ADDRESS>_2": 1,
        "of <EMAIL_ADDRESS>_3": 2,
        "of <EMAIL_ADDRESS>": 3,
        "a.b-c.0.d": 4,
    }


def test_a_signal_keeps_its_shape_and_counts_what_it_lost(fast):
    signals = [
        Signal(
            attributes={"user.email": MAIL},
            names=["execute_tool find", f"GET /users/{MAIL}"],
            values=[f"no {MAIL}", {"user": {"id": 7}, "note": "none"}, None, 3],
            parts=[
                Signal(names=["exception"], attributes={"exception.message": f"no {MAIL}"}),
                Signal(),
            ],
        ),
        Signal(),
    ]
    first, second = fast.signals(signals)
    assert first.names == ["execute_tool find", "GET /users/<EMAIL_ADDRESS>"]
    assert first.values == ["no <EMAIL_ADDRESS>", {"user": {"id": "<USER_ID>"}, "note": "none"}, None, 3]  # fmt: skip
    assert [part.names for part in first.parts] == [["exception"], []]
    assert first.parts[0].attributes == {"exception.message": "no <EMAIL_ADDRESS>"}
    assert first.counts == {"EMAIL_ADDRESS": 4, "USER_ID": 1}
    assert second == MaskedSignal(attributes={}, names=[], values=[], parts=[])
    (twice,) = fast.signals([again(first)])
    assert (twice.attributes, twice.names, twice.values) == (first.attributes, first.names, first.values)  # fmt: skip
    assert twice.counts == {}


class Failing:
    def prose(self, texts):
        if any("poison" in text for text in texts):
            raise RuntimeError("the text was " + MAIL)
        return iter([()] * len(texts))

    patterns = prose


def test_a_signal_whose_masking_fails_keeps_its_envelope_and_takes_no_other_with_it():
    mask = PresidioMask(PresidioOptions(), Failing(), frozenset({"EMAIL_ADDRESS"}))
    good = Signal(attributes={"app.note": "all is well"})
    bad = Signal(
        attributes={
            f.OPERATION_NAME: "execute_tool",
            f.ERROR_TYPE: "tool_error",
            f.INPUT_TOKENS: 12,  # no envelope field
            "duration_ms": 3.5,
            "telemetry.sdk.name": "opentelemetry",
            "openinference.span.kind": "someone",
            "service.name": "0812345678",  # fits its shape, which is loose
            f.MCP_METHOD: "tools/call",
            "exception.type": ["ValueError"],
            "app.note": "poison",
            MAIL: 1,
        },
        names=["execute_tool find", "exception"],
        values=[f"no {MAIL}"],
        parts=[Signal(names=["log"], attributes={"app.note": MAIL, f.ERROR_TYPE: "timeout"})],
    )
    before, failed, after = mask.signals([good, bad, good])
    assert not before.failed
    assert before == after
    assert failed.error == "RuntimeError"
    assert failed.attributes == {
        f.OPERATION_NAME: "execute_tool",
        f.ERROR_TYPE: "tool_error",
        "duration_ms": 3.5,
        "telemetry.sdk.name": "opentelemetry",
        f.MCP_METHOD: "tools/call",
        "exception.type": ["ValueError"],
        f.PII_FAILED: True,
        f.PII_ERROR: "RuntimeError",
    }
    assert failed.names == [FAILED, "exception"]
    assert failed.values == [None]
    assert failed.parts[0].names == [FAILED]
    assert failed.parts[0].attributes == {
        f.ERROR_TYPE: "timeout", f.PII_FAILED: True, f.PII_ERROR: "RuntimeError",
    }  # fmt: skip
    assert MAIL not in repr(failed)


def test_a_value_that_no_json_has_fails_its_signal(fast):
    (masked,) = fast.signals([Signal(attributes={"app.set": {"a"}, "app.note": MAIL})])
    assert masked.attributes == {f.PII_FAILED: True, f.PII_ERROR: "TypeError"}


SECRETS = st.sampled_from([MAIL, "+66 81 234 5678", "4111 1111 1111 1111", "219-09-9999"])
WRAPPED = st.recursive(
    SECRETS,
    lambda inner: st.one_of(
        inner.map(lambda v: {"note": v}),
        inner.map(lambda v: [1, v, None]),
        inner.map(lambda v: json.dumps({"to": v})),
        SECRETS.map(lambda v: {v: 1}),
    ),
    max_leaves=6,
)
NAMES = st.one_of(
    st.sampled_from(["app.note", "input.value", f.TOOL_ARGUMENTS, f.TOOL_NAME, "service.name", f.ERROR_TYPE]),
    SECRETS.map(lambda v: f"app {v}"),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(given=st.dictionaries(NAMES, WRAPPED, max_size=4), body=WRAPPED, name=SECRETS)
def test_a_planted_value_is_nowhere_and_masking_again_changes_nothing(fast, given, body, name):
    signal = Signal(
        attributes=given, names=[f"span of {name}"], values=[body], parts=[Signal(attributes=given)]
    )
    (masked,) = fast.signals([signal])
    assert not masked.failed
    for secret in (MAIL, "+66 81 234 5678", "4111 1111 1111 1111", "219-09-9999"):
        assert secret not in repr(masked)
    (twice,) = fast.signals([again(masked)])
    assert again(twice) == again(masked)
    assert twice.counts == {}


def test_workers_mask_signals_as_one_process_does_and_keep_their_order(fast):
    signals = [
        Signal(attributes={"app.note": f"{n} of {MAIL}"}, names=[f"span {n}"], values=[n])
        for n in range(9)
    ]
    workers = PresidioOptions(profile="fast", workers=2).build()
    try:
        assert workers.signals(signals) == fast.signals(signals)
        # What does not travel to a worker fails alone.
        odd = workers.signals([signals[0], Signal(values=[lambda: MAIL]), signals[1]])
        assert [signal.failed for signal in odd] == [False, True, False]
        assert odd[1].values == [None]
    finally:
        workers.close()
