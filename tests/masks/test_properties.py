"""The property that matters: a planted secret is in no byte that leaves, wherever it was planted."""

from __future__ import annotations

import json
from urllib.parse import quote

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agenttrail import fields as f
from agenttrail.masks._rules import kind_of
from tests._events import assert_valid
from tests.masks.conftest import event

SECRETS = (
    "somchai.j@example.co.th",
    "bob+news@example.com",
    "4111 1111 1111 1111",
    "5555555555554444",
    "ES9121000418450200051332",
    "GB29 NWBK 6016 1331 9268 19",
    "219-09-9999",
    "+66 81 234 5678",
    "081-234-5678",
    "+81 90-1234-5678",
    "+856 20 5555 1234",
    "(212) 555-0123",
    "192.168.17.20",
    "1101700207366",
    "1-1017-00207-36-6",
    "5709-3641-4592",
    "00:1b:44:11:3a:b7",
)
WORDS = (
    "",
    "the result is",
    "failed for",
    "contact:",
    "โทร",
    "連絡先",
    "ຕິດຕໍ່",
    "<EMAIL_ADDRESS>",
    "{",
    "item 1234",
    "7",
    "see /tmp/x",
    "50%",
)
TEXT_FIELDS = sorted(
    x.name
    for x in f.FIELDS.values()
    if x.type in ("text", "keyword", "keywords") and x.name not in f.REQUIRED
)
OBJECT_FIELDS = sorted(x.name for x in f.FIELDS.values() if x.type == "object")

secrets = st.sampled_from(SECRETS)
words = st.sampled_from(WORDS)
# Between these a number may be a card or a Thai id.
integers = st.integers(-(10**12), 10**12 - 1) | st.integers(min_value=10**19)
# A number under or behind a word such as โทร or mobile is personal: not for these values.
plain_words = words.filter(lambda word: kind_of(word) is None)
names = st.text(max_size=12).filter(lambda text: kind_of(text.lstrip("-")) is None)
json_values = st.recursive(
    st.none() | st.booleans() | integers | st.floats(-1e11, 1e11) | names | plain_words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@st.composite
def sentences(draw):
    secret, before, after = draw(secrets), draw(words), draw(words)
    return secret, draw(
        st.sampled_from(
            (
                secret,
                f"{before} {secret} {after}",
                f"{before} '{secret}', {after}",
                f"{before}\n{secret}\n{after}",
                f"https://api.example.com/v1/{quote(secret, safe='')}/items?page=2",
                f"https://api.example.com/v1/items?q={quote(secret)}&page=2",
                f"Error: ENOENT: no such file, open '/srv/data/{secret}/x.txt'",
            )
        )
    )


@st.composite
def planted(draw):
    """A secret and the fields of an event that hold it."""
    secret, text = draw(sentences())
    if draw(st.booleans()):
        return secret, {draw(st.sampled_from(TEXT_FIELDS)): text}
    value = draw(json_values)
    place = draw(st.sampled_from(("value", "key", "list", "beside")))
    value = {
        "value": {"a": text, "b": value},
        "key": {text: value},
        "list": {"a": [value, text]},
        "beside": {"a": value, "b": {"c": [{"d": text}]}},
    }[place]
    for _ in range(draw(st.integers(0, 3))):
        value = {"json": json.dumps(value, ensure_ascii=draw(st.booleans()))}
    return secret, {draw(st.sampled_from(OBJECT_FIELDS)): value}


def forms(secret):
    """The ways in which a secret could still be read in a line."""
    escaped = secret.encode().decode()
    for _ in range(4):
        yield escaped
        escaped = json.dumps(escaped)[1:-1]
    yield quote(secret)
    yield quote(secret, safe="")


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(planted())
def test_a_planted_secret_never_leaves(mask, planted):
    secret, fields = planted
    (masked,) = mask([event(fields)])
    for form in forms(secret):
        assert form.encode() not in masked.line
    assert_valid(masked.line)
    assert not masked.failed
    assert masked.fields[f.PII_MASKED] > 0


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(planted(), min_size=1, max_size=3))
def test_masking_twice_is_masking_once(mask, many):
    once = mask([event(fields) for _, fields in many])
    assert mask([event(masked.fields) for masked in once]) == once


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(planted(), min_size=1, max_size=4))
def test_a_batch_gives_what_its_events_give_alone(mask, many):
    events = [event(fields) for _, fields in many]
    assert mask(events) == [mask([one])[0] for one in events]


def shape(value):
    """A JSON value with its strings, keys and personal numbers made equal."""
    if isinstance(value, dict):
        return [shape(item) for item in value.values()]
    if isinstance(value, list):
        return [shape(item) for item in value]
    return "" if isinstance(value, str) else value


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example([["โทร", 0]])
@given(json_values)
def test_the_shape_of_json_and_its_numbers_stay(mask, value):
    (masked,) = mask([event({f.TOOL_RESULT: {"value": value}})])
    assert not masked.failed
    assert shape(masked.fields[f.TOOL_RESULT]["value"]) == shape(value)
    assert_valid(masked.line)
