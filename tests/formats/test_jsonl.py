"""Any JSON object a line: kept whole, mapped where the user says so."""

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenttrail import fields as f
from agenttrail.errors import OptionError
from agenttrail.formats.jsonl import JsonlOptions, sniff
from agenttrail.jsontext import dumps, loads
from agenttrail.seams import Drop
from agenttrail.testing import records

SCHEMA = jsonschema.Draft202012Validator(f.json_schema())


def read(line: bytes, **options):
    (record,) = records(line)
    (event,) = JsonlOptions(**options).build()(record)
    assert event.origins == (record,)
    return event.fields


def assert_valid(fields):
    document = f.to_document({**fields, f.PII_MASKED: 0, f.PII_POLICY: "none"})
    SCHEMA.validate(loads(dumps(document)))


def test_an_object_is_kept_whole():
    fields = read(b'{"a": {"b": [1, "x"]}, "n": 12345678901234567890123}')
    assert fields[f.SOURCE_RAW] == {"a": {"b": [1, "x"]}, "n": 12345678901234567890123}
    assert fields[f.EVENT_ACTION] == "log"
    assert_valid(fields)


@pytest.mark.parametrize(
    "line, value", [(b"42", 42), (b'"x"', "x"), (b"[1]", [1]), (b"null", None)]
)
def test_what_is_no_object_stands_under_value(line, value):
    assert read(line)[f.SOURCE_RAW] == {"value": value}


@pytest.mark.parametrize(
    "line, time",
    [
        (b'{"@timestamp": "2026-01-02T03:04:05Z"}', "2026-01-02T03:04:05Z"),
        (b'{"ts": 1768432156789}', "2026-01-14T23:09:16.789Z"),
        (b'{"ts": "1768432156.5"}', "2026-01-14T23:09:16.500000Z"),
        (
            b'{"time": "yesterday", "eventTime": "2026-01-02 03:04:05+07:00"}',
            "2026-01-01T20:04:05Z",
        ),
    ],
)
def test_the_usual_names_of_a_time_are_known(line, time):
    fields = read(line)
    assert (fields[f.TIMESTAMP], fields[f.SOURCE_TIME]) == (time, "log")


@pytest.mark.parametrize(
    "line", [b'{"ts": "2026-13-01T00:00:00Z"}', b'{"ts": true}', b'{"ts": {}}', b"{}"]
)
def test_without_a_time_the_time_of_reading_counts_and_says_so(line):
    fields = read(line)
    assert (fields[f.TIMESTAMP], fields[f.SOURCE_TIME]) == ("2026-01-01T00:00:00Z", "read")


def test_mapped_values_move_into_their_fields_and_leave_raw():
    fields = read(
        b'{"who": {"id": "u-7", "x": 1}, "calls": [{"tool": "a"}, {"tool": "b"}], "ok": "true", "n": "7"}',
        fields={
            "user.id": "/who/id",
            "gen_ai.tool.name": "calls.1.tool",
            "agenttrail.agent.sidechain": "ok",
            "gen_ai.usage.input_tokens": "n",
        },
        constants={"agenttrail.mcp.server.name": "billing"},
    )
    assert fields[f.USER_ID] == "u-7"
    assert fields[f.TOOL_NAME] == "b"
    assert fields[f.AGENT_SIDECHAIN] is True
    assert fields[f.INPUT_TOKENS] == 7
    assert fields[f.MCP_SERVER_NAME] == "billing"
    assert fields[f.SOURCE_RAW] == {"who": {"x": 1}, "calls": [{"tool": "a"}]}
    assert_valid(fields)


def test_two_items_of_one_list_are_both_taken():
    fields = read(
        b'{"l": ["a", "b", "c"]}', fields={"gen_ai.tool.name": "l.0", "event.action": "l.1"}
    )
    assert (fields[f.TOOL_NAME], fields[f.EVENT_ACTION]) == ("a", "b")
    assert fields[f.SOURCE_RAW] == {"l": ["c"]}


def test_a_key_with_dots_wins_over_nesting():
    fields = read(b'{"a.b": "flat", "a": {"b": "nested"}}', fields={"gen_ai.tool.name": "a.b"})
    assert fields[f.TOOL_NAME] == "flat"
    assert fields[f.SOURCE_RAW] == {"a": {"b": "nested"}}


@pytest.mark.parametrize(
    "name, value",
    [
        ("gen_ai.usage.input_tokens", "007"),
        ("gen_ai.usage.input_tokens", 1.5),
        ("gen_ai.usage.input_tokens", True),
        ("gen_ai.usage.input_tokens", 10**30),
        ("agenttrail.agent.sidechain", "yes"),
        ("event.outcome", "OK"),
        ("gen_ai.tool.name", {"a": 1}),
        ("@timestamp", "soon"),
    ],
)
def test_a_value_of_another_type_stays_in_raw_and_is_marked(name, value):
    fields = read(dumps({"v": value}), fields={name: "v"})
    assert fields[f.SOURCE_RAW] == {"v": value}
    assert fields[f.SOURCE_ERROR] == "bad_type"
    assert_valid(fields)


def test_a_line_that_is_no_json_becomes_an_event():
    fields = read(b"not json \xff")
    assert fields[f.EVENT_ACTION] == "unreadable"
    assert fields[f.SOURCE_RAW] == {"value": "not json �"}


def test_a_blank_line_is_dropped():
    with pytest.raises(Drop, match="blank"):
        list(JsonlOptions().build()(records(b"  ")[0]))


@pytest.mark.parametrize(
    "options, option, hint",
    [
        ({"fields": {"gen_ai.tool.nme": "x"}}, "fields.gen_ai.tool.nme", "gen_ai.tool.name"),
        ({"constants": {"user.nam": "x"}}, "constants.user.nam", "user.name"),
        ({"fields": {"event.id": "x"}}, "fields.event.id", ""),
        ({"fields": {"agenttrail.pii.masked": "x"}}, "fields.agenttrail.pii.masked", ""),
        ({"fields": {"user.id": ""}}, "fields.user.id", ""),
        (
            {"constants": {"gen_ai.usage.input_tokens": "x"}},
            "constants.gen_ai.usage.input_tokens",
            "",
        ),
        ({"fields": {"user.id": "a"}, "constants": {"user.id": "b"}}, "constants.user.id", ""),
        ({"timestamp": ("",)}, "timestamp", ""),
    ],
)
def test_a_mapping_that_cannot_work_is_refused(options, option, hint):
    with pytest.raises(OptionError) as caught:
        JsonlOptions(**options)
    assert caught.value.option == option
    assert hint in caught.value.hint


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)
PATHS = st.sampled_from(["a", "a.0", "/a/b", "a.b.c", "/", "time", "0"])


@given(
    st.binary() | JSON.map(dumps) | st.builds(lambda v: dumps({"a": v, "time": v}), JSON),
    st.dictionaries(
        st.sampled_from(sorted(set(f.FIELDS) - set(f.CONSTANTS) - {f.EVENT_ID, f.SOURCE_RAW}))
        .filter(lambda name: not name.startswith(("agenttrail.source.", "agenttrail.pii."))),
        PATHS, max_size=4,
    ),
)  # fmt: skip
def test_any_line_under_any_mapping_gives_one_valid_event(data, mapping):
    (record,) = records(data)
    form = JsonlOptions(fields=mapping).build()
    if not data.strip():
        with pytest.raises(Drop, match="blank"):
            list(form(record))
        return
    (event,) = form(record)
    assert_valid(event.fields)


def test_sniff_takes_objects_and_nothing_else():
    assert sniff([b'{"a": 1}', b"", b'{"b": 2}'], None) == 5
    assert sniff([b'{"a": 1}', b"[1]"], None) == 0
    assert sniff([b"2026 text"], None) == 0
    assert sniff([], None) == 0
