"""The mcp_jsonrpc format: pairing without direction, arrays, odd lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agenttrail import fields as f
from agenttrail import jsontext, seams
from agenttrail.errors import OptionError
from agenttrail.formats import mcp_jsonrpc
from agenttrail.formats.mcp_jsonrpc import McpJsonrpcOptions
from tests.formats._logs import plain_run

EXAMPLES = Path(__file__).parents[3] / "shared" / "data" / "mcp" / "spec-2026-07-28-examples"


def message(**members: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", **members}


def run(*values: Any) -> list[seams.Event]:
    lines = [value if isinstance(value, bytes) else jsontext.dumps(value) for value in values]
    return plain_run(McpJsonrpcOptions().build(), *lines)


def test_a_response_before_its_request_is_nobodys() -> None:
    """Only a request that stands before a response is answered by it."""
    events = run(message(id=1, result={}), message(id=1, method="ping"))
    assert [e.fields[f.EVENT_ACTION] for e in events] == ["response", "ping"]
    assert events[1].fields[f.ERROR_TYPE] == "no_response"


@pytest.mark.parametrize("swap", [False, True])
def test_of_two_open_requests_the_one_that_the_answer_fits_gets_it(swap: bool) -> None:
    """Client and server may use one id at once; their answers look different."""
    asked = [
        message(id=1, method="tools/call", params={"name": "t"}),
        message(id=1, method="sampling/createMessage", params={"messages": [], "maxTokens": 1}),
    ]
    answers = [
        message(id=1, result={"content": []}),
        message(id=1, result={"role": "assistant", "content": {}, "model": "m"}),
    ]
    if swap:
        asked.reverse()
        answers.reverse()
    events = run(*asked, *answers)
    assert len(events) == 2
    for event in events:
        sampling = event.fields[f.EVENT_ACTION] == "sampling/createMessage"
        assert event.fields.get(f.RESPONSE_MODEL) == ("m" if sampling else None)
        assert event.fields[f.MCP_DIRECTION] == ("s2c" if sampling else "c2s")


def test_an_array_over_several_lines_is_read_element_by_element() -> None:
    events = run(
        b"[",
        jsontext.dumps(message(id=1, method="ping")) + b",",
        jsontext.dumps(message(id=1, result={})),
        b"]",
    )
    assert [e.fields[f.EVENT_OUTCOME] for e in events] == ["success"]


def test_ids_are_typed() -> None:
    events = run(
        message(id=0, method="tools/call", params={"name": "zero"}),
        message(id="0", method="tools/call", params={"name": "text"}),
        message(id="0", result={"content": ["text"]}),
        message(id=0, result={"content": ["zero"]}),
    )
    assert [e.fields[f.TOOL_NAME] for e in events] == ["text", "zero"]
    assert all(e.fields[f.TOOL_RESULT]["content"] == [e.fields[f.TOOL_NAME]] for e in events)


@pytest.mark.parametrize(
    "line, error",
    [
        (b"words", "not_json"),
        (b"\xff\xfe\x00", "not_json"),
        (b"{", "not_json"),
        (b"[]", "unknown_shape"),
        (b"7", "unknown_shape"),
        (b'{"a":1}', "unknown_shape"),
        (b'{"jsonrpc":"2.0"}', "unknown_shape"),
        (b"[" * 300, "not_json"),
    ],
)
def test_what_is_no_message_is_kept_as_unreadable(line: bytes, error: str) -> None:
    (event,) = run(line)
    assert event.fields[f.EVENT_KIND] == "pipeline_error"
    assert event.fields[f.SOURCE_ERROR] == error


def test_options_are_checked() -> None:
    with pytest.raises(OptionError, match="pending_max"):
        McpJsonrpcOptions(pending_max=-1)


@pytest.mark.parametrize(
    "sample, likely",
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', True),
        (b'[{"jsonrpc":"2.0","id":1,"result":{}}]', True),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"na', True),
        (b'{"dir":"c2s","msg":{"jsonrpc":"2.0","id":1,"method":"ping"}}', False),
        (b'{"method":"ping","id":1}', False),
        (b'{"jsonrpc":"2.0"}', False),
        (b'{"type":"user","uuid":"u","message":{}}', False),
        (b"[1,2]", False),
        (b"jsonrpc", False),
        (b"", False),
    ],
)
def test_sniff(sample: bytes, likely: bool) -> None:
    assert (mcp_jsonrpc.sniff([sample], None) >= 90) == likely


@pytest.mark.skipif(not EXAMPLES.exists(), reason="needs ../shared/data/mcp, absent here")
def test_the_official_messages_are_understood() -> None:
    values = [json.loads(path.read_text()) for path in sorted(EXAMPLES.glob("*/*.json"))]
    whole = [value for value in values if isinstance(value, dict) and "jsonrpc" in value]
    assert len(whole) > 25
    events = run(*whole)
    assert "unreadable" not in {e.fields[f.EVENT_ACTION] for e in events}


IDS = st.sampled_from([0, 1, "0", "1", None, 2.5])
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0"),
        "id": IDS,
        "method": st.sampled_from(["ping", "tools/call", "initialize", "notifications/cancelled"]),
        "params": st.dictionaries(st.sampled_from(["name", "requestId", "_meta"]), IDS),
        "result": st.none() | st.dictionaries(st.sampled_from(["content", "isError"]), IDS),
        "error": st.none() | st.dictionaries(st.sampled_from(["code", "message"]), IDS),
    },
)
LINES = st.one_of(
    MEMBERS.map(jsontext.dumps),
    st.lists(MEMBERS, max_size=4).map(jsontext.dumps),
    MEMBERS.map(lambda value: jsontext.dumps(value)[:-7]),
    st.binary(max_size=30),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, max_size=8))
def test_any_lines_are_accounted_for_and_nothing_is_raised(lines: list[bytes]) -> None:
    lines = [line.replace(b"\n", b"") for line in lines]
    assert [e.fields for e in run(*lines)] == [e.fields for e in run(*lines)]
