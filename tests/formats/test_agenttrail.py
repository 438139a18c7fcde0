"""Our own lines read back."""

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenttrail import fields as f
from agenttrail.formats.agenttrail import AgenttrailOptions, sniff
from agenttrail.formats.jsonl import JsonlOptions
from agenttrail.jsontext import dumps, loads
from agenttrail.seams import Drop
from agenttrail.testing import records

SCHEMA = jsonschema.Draft202012Validator(f.json_schema())


def masked(fields):
    return {f.PII_MASKED: 0, f.PII_POLICY: "none", **fields}


def line_of(fields) -> bytes:
    return dumps(f.to_document(masked(fields)))


def read(line: bytes):
    (record,) = records(line, path="chained.jsonl")
    (event,) = AgenttrailOptions().build()(record)
    assert event.origins == (record,)
    SCHEMA.validate(loads(dumps(f.to_document(masked(event.fields)))))
    return event.fields


def sample():
    options = JsonlOptions(fields={"gen_ai.tool.name": "t"}, constants={"event.outcome": "success"})
    (event,) = options.build()(
        records(b'{"t": "echo", "ts": "2026-01-02T03:04:05Z", "x": {"y": 1}}')[0]
    )
    return masked(event.fields)


def test_an_event_comes_back_as_it_was():
    assert read(line_of(sample())) == sample()


def test_without_a_file_the_chained_file_is_not_claimed():
    fields = {name: value for name, value in sample().items() if name != f.SOURCE_FILE}
    assert f.SOURCE_FILE not in read(line_of(fields))


def test_unknown_keys_and_wrong_types_go_under_raw():
    document = f.to_document(sample())
    document["event"]["duration"] = "long"
    document["event"]["category"] = "api"
    document["event"]["kind"] = "party"
    document["gen_ai"]["novel"] = {"a": 1}
    document["extra"] = [1]
    fields = read(dumps(document))
    assert fields[f.SOURCE_RAW] == {
        "ts": "2026-01-02T03:04:05Z",
        "x": {"y": 1},
        "event.duration": "long",
        "event.kind": "party",
        "gen_ai.novel": {"a": 1},
        "extra": [1],
    }
    assert fields[f.EVENT_CATEGORY] == ["api"]
    assert fields[f.EVENT_KIND] == "event"
    assert f.EVENT_DURATION not in fields


def test_what_is_required_and_missing_is_filled_in():
    fields = read(b'{"agenttrail": {"schema": {"version": "0.9"}}, "event": {}}')
    assert fields[f.SCHEMA_VERSION_FIELD] == "0.9"
    assert fields[f.SOURCE_TIME] == "read"
    assert fields[f.EVENT_ACTION] == "log"


@pytest.mark.parametrize(
    "line, error",
    [
        (b"\xff", "not_json"),
        (b"{}", "unknown_shape"),
        (b'{"agenttrail": 1}', "unknown_shape"),
        (b"[]", "unknown_shape"),
    ],
)
def test_other_lines_are_unreadable_events(line, error):
    assert read(line)[f.SOURCE_ERROR] == error


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(sorted(f.FIELDS)), JSON, max_size=8).map(
        lambda changes: dumps(f.to_document({**sample(), **changes}))
    )
    | st.binary()
)
def test_any_line_gives_one_valid_event(data):
    if data.strip():
        read(data)
    else:
        with pytest.raises(Drop, match="blank"):
            read(data)


def test_sniff_is_certain_of_our_lines_only():
    line = line_of(sample())
    assert sniff([line], None) == 100
    assert sniff([line, line, b"cut {"], None) == 100
    assert sniff([line, line, b'{"a": 1}'], None) == 80
    assert sniff([line, b'{"a": 1}'], None) == 0
    assert sniff([b'{"agenttrail": {}}'], None) == 0
    assert sniff([b"["], None) == 0
    assert sniff([], None) == 0
