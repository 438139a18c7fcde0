"""The mcp_wire format: pairing, the success rule, what connections teach, real captures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agenttrail import fields as f
from agenttrail import jsontext, seams, testing
from agenttrail.errors import OptionError
from agenttrail.formats import mcp_wire
from agenttrail.formats.mcp_wire import McpWireOptions
from tests.formats._logs import plain_run

DATA = Path(__file__).parents[3] / "shared" / "data" / "mcp"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data/mcp, absent here")


def line(direction: str, message: Any, **more: Any) -> bytes:
    return jsontext.dumps({"dir": direction, "msg": message, "server": "s", **more})


def request(id: Any, method: str = "tools/call", **params: Any) -> dict[str, Any]:
    if method == "tools/call":
        params = {"name": "t", "arguments": {}, **params}
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def response(id: Any, result: Any = None, **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "result": {} if result is None else result, **more}


def events_of(*lines: bytes, **options: Any) -> list[dict[str, Any]]:
    return [dict(event.fields) for event in run(*lines, **options)]


def run(*lines: bytes, **options: Any) -> list[seams.Event]:
    return plain_run(McpWireOptions(**options).build(), *lines)


def call(answer: dict[str, Any], method: str = "tools/call", **params: Any) -> dict[str, Any]:
    """The event of one request and this answer (result or error)."""
    (event,) = events_of(
        line("c2s", request(1, method, **params)),
        line("s2c", {"jsonrpc": "2.0", "id": 1, **answer}),
    )
    return event


@pytest.mark.parametrize(
    "answer, outcome, error_type",
    [
        ({"result": {"content": []}}, "success", None),
        ({"result": {"content": [], "isError": False}}, "success", None),
        ({"result": {"content": [], "isError": True}}, "failure", "tool_error"),
        # near misses: only the boolean true is an error of the tool
        ({"result": {"content": [], "isError": "true"}}, "success", None),
        ({"result": {"content": [], "isError": 1}}, "success", None),
        ({"result": {"content": [], "iserror": True}}, "success", None),
        ({"result": {"content": [{"isError": True}]}}, "success", None),
        ({"error": {"code": -32602, "message": "no"}}, "failure", "-32602"),
        ({"error": {"code": 0, "message": "no"}}, "failure", "0"),
        ({"error": {"code": "E_NO", "message": "no"}}, "failure", "E_NO"),
        ({"error": {"message": "no code"}}, "failure", "_OTHER"),
        ({"error": "words"}, "failure", "_OTHER"),
        ({"error": {"code": -1, "message": ""}, "result": {"content": []}}, "failure", "-1"),
        # near miss: some peers write a null error beside the result
        ({"error": None, "result": {"content": []}}, "success", None),
        ({"result": {"resultType": "complete", "content": []}}, "success", None),
        ({"result": {"resultType": "input_required", "requestState": "x"}}, "unknown", None),
        ({"result": {"resultType": "input_required", "isError": True}}, "failure", "tool_error"),
        ({"result": {"resultType": "something_new", "content": []}}, "unknown", None),
        ({"result": {"resultType": "Complete", "content": []}}, "unknown", None),
        ({"result": {"resultType": "", "content": []}}, "unknown", None),
        ({"result": {"resultType": 1, "content": []}}, "unknown", None),
        ({"result": {"resultType": "something_new", "isError": True}}, "failure", "tool_error"),
        # near miss: an absent value that was written out
        ({"result": {"resultType": None, "content": []}}, "success", None),
        ({"result": {"resultType": "task", "taskId": "t", "status": "working"}}, "unknown", None),
        ({"result": {"task": {"taskId": "t", "status": "working"}}}, "unknown", None),
        ({"result": {"task": {"taskId": "t", "status": "input_required"}}}, "unknown", None),
        ({"result": {"task": {"taskId": "t", "status": "completed"}}}, "success", None),
        ({"result": {"task": {"taskId": "t", "status": "failed"}}}, "failure", "task_failed"),
        ({"result": {"task": {"taskId": "t", "status": "cancelled"}}}, "failure", "cancelled"),
        # near miss: a status without a task is the tool's own word
        ({"result": {"status": "working", "content": []}}, "success", None),
        ({"result": None}, "unknown", None),
        ({"result": "text"}, "success", None),
        ({"result": []}, "success", None),
        ({"result": False}, "success", None),
    ],
)
def test_success_rule(answer: dict[str, Any], outcome: str, error_type: str | None) -> None:
    """Error, isError, pending and success are told apart exactly; the result is kept either way."""
    event = call(answer)
    assert event[f.EVENT_OUTCOME] == outcome
    assert event.get(f.ERROR_TYPE) == error_type
    assert (f.TOOL_RESULT in event) == (outcome == "success")


@pytest.mark.parametrize("method", ["ping", "tools/list", "completion/complete"])
def test_a_null_result_of_any_method_is_no_success(method: str) -> None:
    event = call({"result": None}, method)
    assert event[f.EVENT_OUTCOME] == "unknown"
    assert event[f.EVENT_REASON] == "The result is null."
    assert f.ERROR_TYPE not in event


@pytest.mark.parametrize(
    "method, result, outcome, error_type",
    [
        ("tasks/get", {"taskId": "t", "status": "working"}, "unknown", None),
        ("tasks/get", {"taskId": "t", "status": "completed", "result": {}}, "success", None),
        (
            "tasks/get",
            {"taskId": "t", "status": "completed", "result": {"isError": True, "content": []}},
            "failure",
            "tool_error",
        ),
        (
            "tasks/get",
            {"taskId": "t", "status": "failed", "error": {"code": -32603, "message": "x"}},
            "failure",
            "-32603",
        ),
        # what was asked for was done
        ("tasks/cancel", {"taskId": "t", "status": "cancelled"}, "success", None),
        ("tasks/result", {"content": [], "isError": True}, "failure", "tool_error"),
        ("tasks/list", {"tasks": [{"taskId": "t", "status": "failed"}]}, "success", None),
    ],
)
def test_tasks_of_both_eras(
    method: str, result: dict[str, Any], outcome: str, error_type: str | None
) -> None:
    """A task asked after tells its own fate, by 2025-11-25 and by SEP-2663."""
    event = call({"result": result}, method, taskId="t")
    assert (event[f.EVENT_OUTCOME], event.get(f.ERROR_TYPE)) == (outcome, error_type)
    assert event[f.MCP_TASK_ID] == "t"


def test_an_unanswered_request_is_unknown() -> None:
    (event,) = events_of(line("c2s", request(0)))
    assert event[f.EVENT_OUTCOME] == "unknown"
    assert event[f.ERROR_TYPE] == "no_response"
    assert event[f.EVENT_TYPE] == ["access", "start"]


def test_ids_are_typed() -> None:
    """1 and "1" are two requests, 0 is a request, and an id is free again once answered."""
    events = events_of(
        line("c2s", request(1, name="number")),
        line("c2s", request("1", name="string")),
        line("c2s", request(0, name="zero")),
        line("s2c", response("1", {"content": ["string"]})),
        line("s2c", response(1, {"content": ["number"]})),
        line("s2c", response(0, {"content": ["zero"]})),
        line("c2s", request(1, name="again")),
        line("s2c", response(1, {"content": ["again"]})),
    )
    assert [e[f.TOOL_NAME] for e in events] == ["string", "number", "zero", "again"]
    assert all(e[f.TOOL_RESULT]["content"] == [e[f.TOOL_NAME]] for e in events)


def test_the_two_directions_and_servers_have_their_own_ids() -> None:
    events = events_of(
        line("c2s", request(1, name="a"), server="a"),
        line("c2s", request(1, name="b"), server="b"),
        line("s2c", request(1, "roots/list"), server="a"),
        line("s2c", response(1, {"content": ["b"]}), server="b"),
        line("c2s", response(1, {"roots": []}), server="a"),
        line("s2c", response(1, {"content": ["a"]}), server="a"),
    )
    assert [(e[f.EVENT_ACTION], e[f.MCP_SERVER_NAME]) for e in events] == [
        ("execute_tool", "b"),
        ("roots/list", "a"),
        ("execute_tool", "a"),
    ]
    assert all(e[f.EVENT_OUTCOME] == "success" for e in events)


def test_streams_do_not_answer_one_another() -> None:
    """Two files with the same server and ids are two conversations."""
    form = McpWireOptions().build()
    one = testing.records(line("c2s", request(1)), stream="one")
    two = testing.records(line("s2c", response(1)), stream="two")
    events = [*form(one[0]), *form(two[0]), *form.end("two"), *form.end("one")]
    assert [e.fields[f.EVENT_ACTION] for e in events] == ["response", "execute_tool"]
    assert events[1].fields[f.ERROR_TYPE] == "no_response"


def test_the_oldest_request_is_let_go_when_too_many_are_open() -> None:
    events = events_of(*(line("c2s", request(n, name=f"t{n}")) for n in range(5)), pending_max=2)
    assert [e[f.TOOL_NAME] for e in events] == ["t0", "t1", "t2", "t3", "t4"]
    reasons = [e.get(f.EVENT_REASON) for e in events]
    assert reasons == ["too many requests were open"] * 3 + [None] * 2


def test_a_cancelled_request_fails_and_its_late_answer_is_kept() -> None:
    told = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}}
    near_miss = {**told, "params": {"requestId": "5"}}
    events = events_of(
        line("c2s", request(5)),
        line("c2s", near_miss),
        line("s2c", told),
        line("c2s", told),
        line("s2c", response(5)),
    )
    assert [e[f.EVENT_ACTION] for e in events] == [
        *["notifications/cancelled"] * 3,
        "execute_tool",
        "response",
    ]
    assert (events[3][f.EVENT_OUTCOME], events[3][f.ERROR_TYPE]) == ("failure", "cancelled")
    assert events[4][f.TOOL_NAME] == "t"
    assert events[4][f.EVENT_REASON] == "late answer to a cancelled request"


@pytest.mark.parametrize(
    "body",
    [
        "\ufeffdata: {}\n\n",
        "\ufeff: keep-alive\n\nevent: message\ndata: {}\n\n",
        "\ufeff\r\nid: 7\r\ndata: {}\r\n\r\n",
        "\ufeff{}",
        "data: {}\n\n",
    ],
)
def test_a_byte_order_mark_before_an_event_stream_is_passed_over(body: str) -> None:
    """The request finds its answer, whether the body begins with a mark or not."""
    answer = jsontext.dumps(response(1, {"content": []})).decode()
    (event,) = events_of(
        line("c2s", request(1), i=1),
        jsontext.dumps(
            {"dir": "s2c", "server": "s", "i": 1, "status": 200, "raw": body.replace("{}", answer)}
        ),
    )
    assert event[f.EVENT_OUTCOME] == "success"
    assert f.SOURCE_ERROR not in event


@pytest.mark.parametrize("place", ["params", "result", "both"])
def test_request_state_never_comes_out(place: str) -> None:
    """requestState may hold anything: its hash links the retry, its value is nowhere."""
    state = {"requestState": "c2VjcmV0LXN0YXRl"}
    asked = request(1, **(state if place != "result" else {}))
    given = {"resultType": "input_required", **(state if place != "params" else {})}
    (event,) = run(line("c2s", asked), line("s2c", response(1, given)))
    text = jsontext.dumps(f.to_document(event.fields))
    assert b"c2VjcmV0" not in text
    assert b'"requestState"' not in text
    assert len(event.fields[f.MCP_REQUEST_STATE_HASH]) == 32


@pytest.mark.parametrize("keep", range(60, 170, 7))
def test_request_state_never_comes_out_of_a_cut_line(keep: int) -> None:
    wire = jsontext.dumps(request(1, requestState="c2VjcmV0LXN0YXRl" * 3)).decode()
    whole = jsontext.dumps({"dir": "c2s", "raw": wire})
    for event in run(whole[:keep], jsontext.dumps({"dir": "c2s", "raw": wire[:keep]})):
        assert b"c2VjcmV0" not in jsontext.dumps(f.to_document(event.fields))


def test_base64_is_replaced_by_what_it_was() -> None:
    blocks = [
        {"type": "image", "data": "AAECAw==", "mimeType": "image/png"},
        {"type": "audio", "data": "not base64!", "mimeType": "audio/wav"},
        {"type": "resource", "resource": {"uri": "file:///x", "blob": "AAECAw=="}},
        {"type": "text", "text": "x", "data": "AAECAw=="},  # near miss: no image
    ]
    given = call({"result": {"content": blocks}})[f.TOOL_RESULT]["content"]
    described = {"sha256": "054edec1d0211f624fed0cbca9d4f940", "bytes": 4}
    assert given[0]["data"] == {**described, "mimeType": "image/png"}
    assert given[1]["data"]["bytes"] == 11
    assert given[2]["resource"]["blob"] == described
    assert given[3]["data"] == "AAECAw=="


def test_icons_keep_the_hash_and_size_of_their_content_only() -> None:
    """In lists of tools, in names of servers, in arguments: wherever a data: URI stands."""
    icon = "data:image/png;base64,AAECAw=="
    listed = {"tools": [{"name": "t", "icons": [{"src": icon, "mimeType": "image/png"}]}]}
    first, second = events_of(
        line("c2s", request(1, "tools/list")),
        line("s2c", response(1, listed)),
        line("c2s", request(2, arguments={"logo": icon}, _meta={"x": [icon]})),
        line("s2c", response(2, {"content": [{"type": "text", "text": icon}]})),
    )
    put = "data:image/png;sha256=054edec1d0211f62;bytes=4"
    assert first[f.MCP_RESULT]["tools"][0]["icons"] == [{"src": put, "mimeType": "image/png"}]
    assert second[f.TOOL_ARGUMENTS] == {"logo": put}
    assert second[f.TOOL_RESULT]["content"][0]["text"] == put
    assert second[f.MCP_META] == {"x": [put]}


@pytest.mark.parametrize(
    "hints, kind",
    [
        ({"readOnlyHint": True}, "access"),
        ({"readOnlyHint": True, "destructiveHint": True}, "access"),
        ({"readOnlyHint": False}, "change"),
        ({"destructiveHint": True}, "change"),
        ({"destructiveHint": False}, "access"),
        ({"readOnlyHint": "true"}, "access"),
        ({}, "access"),
    ],
)
def test_tools_list_teaches_what_a_call_is(hints: dict[str, Any], kind: str) -> None:
    tools = {"tools": [{"name": "t", "annotations": hints}, {"name": "other"}, None]}
    *_, event = events_of(
        line("c2s", request(1, "tools/list")),
        line("s2c", response(1, tools)),
        line("c2s", request(2)),
        line("s2c", response(2)),
    )
    assert event[f.EVENT_TYPE] == [kind, "end"]
    read_only = hints.get("readOnlyHint")
    assert event.get(f.TOOL_READ_ONLY) == (read_only if isinstance(read_only, bool) else None)


def test_the_configured_server_name_wins_over_the_reported_one() -> None:
    """Without a name in the capture the server's own is used, also for later messages."""
    hello = response(0, {"protocolVersion": "2025-06-18", "serverInfo": {"name": "Own"}})
    for server, name in (("s", "s"), (None, "Own")):
        events = events_of(
            line("c2s", request(0, "initialize"), server=server),
            line("s2c", hello, server=server),
            line("c2s", request(1), server=server),
        )
        assert [e[f.MCP_SERVER_NAME] for e in events] == [name, name]
        assert {e[f.MCP_PROTOCOL_VERSION] for e in events} == {"2025-06-18"}


@pytest.mark.parametrize(
    "ts, expected, source",
    [
        (1772355600.5, "2026-03-01T09:00:00.500000Z", "log"),
        (1772355600123, "2026-03-01T09:00:00.123Z", "log"),
        ("2026-03-01T16:00:00+07:00", "2026-03-01T09:00:00Z", "log"),
        ("2026-99-99T99:99:99Z", "2026-01-01T00:00:00Z", "read"),
        ("0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00Z", "read"),
        (-59_000_000_000, "0100-05-13T15:06:40Z", "log"),
        (1e400, "2026-01-01T00:00:00Z", "read"),
        (None, "2026-01-01T00:00:00Z", "read"),
        (True, "2026-01-01T00:00:00Z", "read"),
    ],
)
def test_times(ts: Any, expected: str, source: str) -> None:
    (event,) = events_of(line("c2s", request(1), ts=ts))
    assert (event[f.TIMESTAMP], event[f.SOURCE_TIME]) == (expected, source)


def test_a_line_without_time_gets_its_neighbours_and_no_duration() -> None:
    (event,) = events_of(
        line("c2s", request(1), ts="2026-03-01T09:00:00Z"), line("s2c", response(1))
    )
    assert f.EVENT_DURATION not in event
    events = events_of(line("stderr", "x", ts="2026-03-01T09:00:00Z"), line("stderr", "y"))
    assert events[1][f.TIMESTAMP] == "2026-03-01T09:00:00Z"
    assert events[1][f.SOURCE_TIME] == "neighbour"


def test_credentials_in_headers_are_left_out() -> None:
    headers = {"authorization": "Bearer s3cr3t", "Cookie": "sid=s3cr3t", "Mcp-Name": "t"}
    (event,) = run(line("c2s", request(1), http="POST", i=0, headers=headers))
    assert b"s3cr3t" not in jsontext.dumps(f.to_document(event.fields))
    assert event.fields[f.MCP_HEADERS]["Mcp-Name"] == "t"


def test_a_line_cut_at_the_size_limit_is_marked_and_read_as_far_as_it_goes() -> None:
    data = line("c2s", request(7, name="big", arguments={"text": "x" * 500}))[:120]
    (record,) = testing.records(data)
    fields = {name: getattr(record, name) for name in type(record).__dataclass_fields__}
    record = seams.Record(**{**fields, "full_bytes": 10_000})
    form = McpWireOptions().build()
    (event,) = [*form(record), *form.end("test")]
    assert event.fields[f.SOURCE_TRUNCATED] is True
    assert event.fields[f.TOOL_NAME] == "big"
    assert event.fields[f.JSONRPC_REQUEST_ID] == "7"


def test_options_are_checked() -> None:
    with pytest.raises(OptionError, match="pending_max"):
        McpWireOptions(pending_max=0)


# --- sniffing ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "sample, likely",
    [
        (line("c2s", request(1)), True),
        (jsontext.dumps({"i": 1, "dir": "s2c", "status": 202}), True),
        (line("c2s", request(1))[:40], True),
        (jsontext.dumps(request(1)), False),
        (b'{"type":"user","uuid":"u","sessionId":"s","message":{"role":"user"}}', False),
        (b'{"timestamp":"2026-01-01T00:00:00Z","type":"response_item","payload":{}}', False),
        (b'{"@timestamp":"2026-01-01T00:00:00Z","event":{},"agenttrail":{}}', False),
        (b'{"dir":"/home","raw":"x"}', False),
        (b"2026-01-01T00:00:00.000Z [a] [info] Message from client: {}", False),
        (b"", False),
    ],
)
def test_sniff(sample: bytes, likely: bool) -> None:
    assert (mcp_wire.sniff([sample], None) > 50) == likely


# --- properties ----------------------------------------------------------------------------------
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
KEYS = st.sampled_from(
    ["jsonrpc", "id", "method", "params", "result", "error", "_meta", "code", "message", "data", "name", "arguments", "dir", "raw", "msg", "ts", "server", "status", "http", "i", "headers", "uri", "sse", "closed", "taskId", "status", "task", "resultType", "isError", "content", "tools", "annotations", "inputResponses", "requestState", "ref", "type", "blob", "requestId", "session"]
)  # fmt: skip
METHODS = st.sampled_from(
    [
        "initialize",
        "tools/call",
        "tools/list",
        "tasks/get",
        "notifications/cancelled",
        "notifications/message",
        "completion/complete",
        "sampling/createMessage",
        "elicitation/create",
        "x",
    ]
)
JSON = st.recursive(
    SCALARS | METHODS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
MESSAGES = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0")},
    optional={
        "id": st.sampled_from([0, 1, "1", 1.5, None, True, [], 10**30]),
        "method": METHODS,
        "params": JSON,
        "result": JSON,
        "error": JSON,
    },
)
LINES = st.builds(
    lambda direction, value, more: json.dumps({**more, "dir": direction, **value}).encode(),
    st.sampled_from(["c2s", "s2c", "stderr", "x"]),
    st.one_of(
        st.fixed_dictionaries({"msg": MESSAGES | JSON | st.lists(MESSAGES, max_size=3)}),
        st.fixed_dictionaries({"raw": st.builds(json.dumps, MESSAGES) | st.text()}),
        st.fixed_dictionaries({"status": st.sampled_from([200, 401, "x", None])}),
    ),
    st.dictionaries(
        st.sampled_from(["ts", "server", "i", "http", "headers", "uri", "closed", "session"]),
        JSON,
        max_size=3,
    ),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES | st.binary(max_size=40) | st.builds(lambda b: b[:60], LINES), max_size=8))
def test_any_lines_are_accounted_for_and_nothing_is_raised(lines: list[bytes]) -> None:
    """Whatever stands in the file: one event or one drop for each record, the same on every run."""
    lines = [data.replace(b"\n", b"") for data in lines]
    first, second = run(*lines), run(*lines)
    assert [e.fields for e in first] == [e.fields for e in second]
    for event in first:
        json.loads(jsontext.dumps(f.to_document(event.fields)))
    run(*lines, pending_max=1)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0, 1, 2, "0", "1", "2"]), st.sampled_from(["c2s", "s2c"])),
        unique=True,
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
def test_every_answer_finds_its_own_question(asked: list[Any], rng: Any) -> None:
    """Typed ids of both directions, answered in any order, are paired without a mistake."""
    other = {"c2s": "s2c", "s2c": "c2s"}
    questions = [
        line(way, request(number, name=f"{way}-{number!r}".replace("'", "_")))
        for number, way in asked
    ]
    answers = [
        line(other[way], response(number, {"content": [f"{way}-{number!r}".replace("'", "_")]}))
        for number, way in asked
    ]
    rng.shuffle(answers)
    events = events_of(*questions, *answers)
    assert len(events) == len(asked)
    assert all(e[f.TOOL_RESULT]["content"] == [e[f.TOOL_NAME]] for e in events)


# --- real captures -------------------------------------------------------------------------------
def examples() -> list[Path]:
    return sorted((DATA / "spec-2026-07-28-examples").glob("*/*.json")) if DATA.exists() else []


@needs_data
def test_every_official_message_is_understood() -> None:
    """Each example of the specification, alone or put into an envelope, is read for what it is."""
    seen = set()
    for path in examples():
        value = json.loads(path.read_text())
        kind = path.parent.name
        if kind.endswith("Request"):
            message = {"jsonrpc": "2.0", "id": 1, **value}
            other = {"jsonrpc": "2.0", "id": message["id"], "result": {}}
            lines = [line("c2s", message), line("s2c", other)]
        elif kind.endswith("Notification"):
            lines = [line("s2c", {"jsonrpc": "2.0", **value})]
        elif kind.endswith("ResultResponse"):
            message = request(value["id"], METHOD_OF[kind.removesuffix("ResultResponse")])
            lines = [line("c2s", message), line("s2c", value)]
        elif kind.endswith("Error"):
            error = value if "error" in value else {"jsonrpc": "2.0", "id": 1, "error": value}
            lines = [line("c2s", request(error["id"])), line("s2c", error)]
        elif kind.endswith("Result"):
            method = METHOD_OF.get(kind.removesuffix("Result"), "tools/call")
            lines = [line("c2s", request(1, method)), line("s2c", response(1, value))]
        else:
            continue
        (event,) = events_of(*lines)
        seen.add(kind)
        assert event[f.EVENT_ACTION] not in ("unreadable", "response", "text"), path.name
        expected = "failure" if kind.endswith("Error") or "tool-input-error" in path.name else None
        if expected is None and not kind.endswith("Notification"):
            expected = "unknown" if kind == "InputRequiredResult" else "success"
        assert event[f.EVENT_OUTCOME] == (expected or "unknown"), path.name
        assert f.SOURCE_RAW not in event, path.name
    assert len(seen) > 40


METHOD_OF = {
    "CallTool": "tools/call",
    "Complete": "completion/complete",
    "Discover": "server/discover",
    "GetPrompt": "prompts/get",
    "ListPrompts": "prompts/list",
    "ListResourceTemplates": "resources/templates/list",
    "ListResources": "resources/list",
    "ListTools": "tools/list",
    "ReadResource": "resources/read",
    "SubscriptionsListen": "subscriptions/listen",
    "CreateMessage": "sampling/createMessage",
    "Elicit": "elicitation/create",
    "ListRoots": "roots/list",
}


@needs_data
def test_the_real_http_session_is_paired_whole() -> None:
    """Every request of the recorded session has its response; every line is in an event."""
    path = DATA / "streamable_http" / "deepwiki.wire.jsonl"
    lines = path.read_bytes().splitlines()
    events = events_of(*lines)
    actions = [e[f.EVENT_ACTION] for e in events]
    assert actions.count("execute_tool") == 1
    assert "unreadable" not in actions
    assert "response" not in actions
    asked = [e for e in events if e[f.MCP_MESSAGE_TYPE] == "request"]
    assert len(asked) == sum(b'"c2s"' in x and b'"id"' in x for x in lines)
    assert {e[f.EVENT_OUTCOME] for e in asked} == {"success"}
    assert {e[f.MCP_SERVER_NAME] for e in events if e[f.EVENT_ACTION] == "tools/list"} == {
        "DeepWiki"
    }
    assert mcp_wire.sniff(lines[:20], str(path)) > 90


def test_two_http_sessions_with_equal_ids_are_told_apart() -> None:
    """Each answer goes to the request of its own session, whichever was sent first."""
    http = {"server": None, "uri": "https://mcp.example.com/mcp"}
    events = events_of(
        line("c2s", request(1, name="a"), session="A", http="POST", **http),
        line("c2s", request(1, name="b"), session="B", http="POST", **http),
        line("s2c", response(1, {"content": ["b"]}), session="B", status=200, **http),
        line("s2c", response(1, {"content": ["a"]}), session="A", status=200, **http),
        line("s2c", response(1, {"content": ["c"]}), session="C", status=200, **http),
    )
    assert [(e.get(f.TOOL_NAME), e[f.MCP_SESSION_ID]) for e in events] == [
        ("b", "B"),
        ("a", "A"),
        (None, "C"),
    ]
    assert all(e[f.TOOL_RESULT]["content"] == [e[f.TOOL_NAME]] for e in events[:2])


def test_what_a_gate_said_of_one_call_of_a_batch_is_said_of_no_other() -> None:
    """An approval of one of them is not the other's."""
    asked = {"refused": True, "verdict": "require_approval", "approval": "apr-1"}
    batch = [request(1), request(2), request(3)]
    one, two, three = events_of(line("c2s", batch, gate=[asked, {"refused": True, "batch": True}, None]))  # fmt: skip
    assert (one[f.APPROVAL_ID], one[f.APPROVAL_OUTCOME]) == ("apr-1", "require_approval")
    assert (f.APPROVAL_ID in two, two[f.APPROVAL_OUTCOME]) == (False, "deny")
    assert not any(".approval." in name or ".policy." in name for name in three)


def test_what_a_gate_refused_is_denied_by_name() -> None:
    """Only words of ours are taken over; the agent that tap was told stands on every line."""
    said = {
        "refused": True, "verdict": "require_approval", "basis": "threshold", "rules": ["over 100"],
        "approval": "apr-1", "channel": "desk", "version": "7", "scope": "agent", "target": "a",
        "unheard": {"of": "x"}, "findings": "no list",
    }  # fmt: skip
    error = {"error": {"code": -32010, "message": "Refused"}}
    (event,) = events_of(
        line("c2s", request(1), agent="expense", gate=said),
        line("s2c", {"jsonrpc": "2.0", "id": 1, **error}, agent="expense"),
    )
    assert event[f.EVENT_TYPE] == ["access", "denied", "end"]
    found = {name: value for name, value in event.items() if ".approval." in name or ".policy." in name or ".control." in name}  # fmt: skip
    assert found == {
        f.POLICY_VERDICT: "require_approval", f.POLICY_BASIS: "threshold", f.POLICY_RULES: ["over 100"],
        f.POLICY_VERSION: "7", f.APPROVAL_ID: "apr-1", f.APPROVAL_CHANNEL: "desk",
        f.APPROVAL_OUTCOME: "require_approval", f.APPROVAL_SOURCE: "policy", f.APPROVAL_STAGE: "request",
        f.CONTROL_SCOPE: "agent", f.CONTROL_TARGET: "a",
    }  # fmt: skip
    assert (event[f.AGENT_NAME], event[f.ERROR_TYPE]) == ("expense", "-32010")
    for broken in (5, [], {"verdict": 5, "rules": [5]}, {}):
        (event,) = events_of(line("c2s", request(1), gate=broken))
        assert "denied" not in event[f.EVENT_TYPE]
        assert f.POLICY_VERDICT not in event
