"""The otel format: both carriers, one event a call, usage once, chained events, odd input."""

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
from agenttrail.formats import otel
from agenttrail.formats._otel_wire import signals
from agenttrail.formats.otel import OtelOptions

GOLDEN = Path(__file__).parent.parent / "golden" / "otel"
TRACE, SPAN, PARENT = "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7", "00f067aa0ba902b6"
START = 1_782_094_591_758_000_000


def span(name: str = "s", attributes: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    given = {
        "traceId": TRACE, "spanId": SPAN, "name": name, "kind": 1, "startTimeUnixNano": str(START),
        "endTimeUnixNano": str(START + 5_000_000), "attributes": attributes or {}, **more,
    }  # fmt: skip
    return {
        "kind": "span",
        "resource": {"attributes": {"service.name": "desk"}},
        "scope": {},
        "span": given,
    }


def log(name: str = "", attributes: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    given = {
        "timeUnixNano": str(START), "eventName": name, "attributes": attributes or {}, **more,
    }  # fmt: skip
    return {"kind": "log", "resource": {"attributes": {}}, "scope": {}, "log": given}


def run(*values: Any, **options: Any) -> list[Any]:
    """The fields of each event, and the reason of each record that was dropped."""
    form = OtelOptions(**options).build()
    lines = [value if isinstance(value, bytes) else jsontext.dumps(value) for value in values]
    got: list[Any] = []
    for record in testing.records(*lines):
        try:
            got += [event.fields for event in form(record) if isinstance(event, seams.Event)]
        except seams.Drop as drop:
            got.append(drop.reason)
    return got


@pytest.mark.parametrize(
    "given, field, expected",
    [
        ({"gen_ai.system": "openai"}, f.PROVIDER_NAME, "openai"),
        ({"gen_ai.system": "x", "gen_ai.provider.name": "openai"}, f.PROVIDER_NAME, "openai"),
        ({"gen_ai.usage.prompt_tokens": 3}, f.INPUT_TOKENS, 3),
        ({"gen_ai.usage.completion_tokens": "4"}, f.OUTPUT_TOKENS, 4),
        ({"gen_ai.usage.cache_creation.input_tokens": 5}, f.CACHE_WRITE_TOKENS, 5),
        ({"gen_ai.usage.cache_read_input_tokens": 6}, f.CACHE_READ_TOKENS, 6),
        ({"gen_ai.tool.call_id": "c1", "gen_ai.tool.name": "t"}, f.TOOL_CALL_ID, "c1"),
        ({"mcp.tool.name": "find"}, f.TOOL_NAME, "find"),
        ({"session.id": "s1", "gen_ai.system": "x"}, f.CONVERSATION_ID, "s1"),
        ({"enduser.id": "u-7", "gen_ai.system": "x"}, f.USER_ID, "u-7"),
        ({"llm.cost.total": 0.25, "gen_ai.system": "x"}, f.COST_CURRENCY, "USD"),
        ({"http.method": "GET"}, f.HTTP_METHOD, "GET"),
    ],
)
def test_an_older_or_foreign_name_is_taken_for_the_current_one(given, field, expected):
    (event,) = run(span(attributes=given))
    assert event[field] == expected


def test_what_has_no_field_or_another_type_is_left_over():
    (event,) = run(
        span(attributes={"gen_ai.usage.input_tokens": "many", "app.note": "n", "gen_ai.system": "a", "gen_ai.provider.name": "b"})
    )  # fmt: skip
    assert f.INPUT_TOKENS not in event
    raw = event[f.SOURCE_RAW]
    assert raw["gen_ai.usage.input_tokens"] == "many"
    assert raw["app.note"] == "n"
    assert raw["gen_ai.system"] == "a"
    assert raw["resource"] == {"service.name": "desk"}


@pytest.mark.parametrize(
    "name",
    sorted(
        path.name
        for path in GOLDEN.glob("*.in.jsonl")
        if path.stem not in ("odd_lines.in", "javascript_sdk.in")
    ),
)
def test_a_signal_alone_gives_the_event_that_its_export_gives(name):
    """The same signals one a line, as the source otlp gives them, are the same events: ids, all."""
    exports = [jsontext.loads(line) for line in (GOLDEN / name).read_bytes().splitlines()]
    alone = [flat(signal) for export in exports for signal in signals(export)]
    whole, single = run(*exports), run(*alone)
    assert len(whole) == len(single) > 0
    where = (f.SOURCE_LINE, f.SOURCE_LINES, f.SOURCE_BYTES)
    for one, other in zip(whole, single, strict=True):
        assert {k: v for k, v in one.items() if k not in where} == {
            k: v for k, v in other.items() if k not in where
        }


def flat(signal) -> dict[str, Any]:
    item: dict[str, Any] = {
        "traceId": signal.trace_id, "spanId": signal.span_id, "attributes": signal.attributes,
    }  # fmt: skip
    if signal.kind == "span":
        item |= {
            "parentSpanId": signal.parent_id, "name": signal.name, "kind": signal.span_kind,
            "startTimeUnixNano": signal.start, "endTimeUnixNano": signal.end,
            "status": {"code": 2 if signal.failed else 0, "message": signal.status_message},
            "events": [
                {"name": e["name"], "timeUnixNano": e["time"], "attributes": e["attributes"]}
                for e in signal.events
            ],
        }  # fmt: skip
    else:
        item |= {
            "timeUnixNano": signal.start, "observedTimeUnixNano": signal.observed, "body": signal.body,
            "eventName": signal.name, "severityText": signal.severity,
            "severityNumber": signal.severity_number,
        }  # fmt: skip
    return {
        "kind": signal.kind, signal.kind: item, "resource": {"attributes": signal.resource},
        "scope": {"name": signal.scope, "version": signal.scope_version},
    }  # fmt: skip


def test_an_export_that_is_sent_again_gives_the_same_ids():
    line = (GOLDEN / "claude_code_logs.in.jsonl").read_bytes().splitlines()[0]
    first, again = run(line), run(b"{}", line)[1:]
    assert [e[f.EVENT_ID] for e in first] == [e[f.EVENT_ID] for e in again]


def test_two_equal_records_of_one_export_are_two_events():
    record = {"timeUnixNano": str(START), "body": {"stringValue": "tick"}}
    export = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record, record]}]}]}
    one, two = run(export)
    assert one[f.MESSAGE] == two[f.MESSAGE] == "tick"
    assert one[f.EVENT_ID] != two[f.EVENT_ID]


CALL = {
    "mcp.method.name": "tools/call",
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "t",
}


@pytest.mark.parametrize("first", ["client", "server"])
def test_a_call_that_client_and_server_tell_is_one_tool_call(first):
    client = span("tools/call t", CALL, kind=3)
    server = span("tools/call t", CALL, kind=2, spanId="00f067aa0ba902b8", parentSpanId=SPAN)
    order = [client, server] if first == "client" else [server, client]
    assert [e[f.EVENT_ACTION] for e in run(*order)] == ["execute_tool", "tools/call"]
    # A call that nobody else tells, and one of another trace, are their own.
    other = span("tools/call t", CALL, kind=3, traceId="1af7651916cd43dd8448eb211c80319c")
    assert [e[f.EVENT_ACTION] for e in run(server, other)] == ["execute_tool", "execute_tool"]


def test_a_span_beside_a_log_of_one_call_is_no_second_call():
    common = {
        "session.id": "s",
        "tool_name": "Read",
        "tool_use_id": "toolu_01A09q90qw90lq917835lq9",
    }
    told = log("tool_result", {**common, "event.name": "tool_result", "success": "true"}, body="claude_code.tool_result")  # fmt: skip
    same = span("claude_code.tool", common)
    assert [e[f.EVENT_ACTION] for e in run(told, same)] == ["execute_tool", "tool_call_repeated"]
    assert [e[f.EVENT_ACTION] for e in run(same, told)] == ["execute_tool", "tool_call_repeated"]


def test_usage_is_told_once():
    used = {"model": "m", "input_tokens": 1, "output_tokens": 2, "request_id": "req_7hG4kQpL2mN5"}
    api = log("api_request", {**used, "event.name": "api_request"}, body="claude_code.api_request")
    request = span("claude_code.llm_request", used)
    first, second = run(api, request)
    assert f.USAGE_ROLLUP not in first
    assert second[f.USAGE_ROLLUP] is True
    assert [e[f.INPUT_TOKENS] for e in (first, second)] == [1, 1]


@pytest.mark.parametrize("between", [0, 1, 2])
def test_the_sum_that_an_agent_repeats_of_its_model_calls_is_marked(between):
    """Also where spans of no agent stand between the two."""
    ids = [f"00f067aa0ba902{n:02x}" for n in range(10, 14)]
    chat = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 3}
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 3}
    spans = [span("chat m", chat, spanId=ids[0], parentSpanId=ids[1])]
    for n in range(between):
        spans.append(span("step", {}, spanId=ids[n + 1], parentSpanId=ids[n + 2]))
    spans.append(span("invoke_agent a", agent, spanId=ids[between + 1]))
    events = run(*spans)
    assert f.USAGE_ROLLUP not in events[0]
    assert events[-1][f.USAGE_ROLLUP] is True
    # An agent whose model calls nobody tells has the only count.
    assert f.USAGE_ROLLUP not in run(span("invoke_agent a", agent))[0]


def test_signals_of_no_agent_are_small_events_or_dropped():
    web = span("GET /", {"http.request.method": "GET", "url.path": "/"})
    tool = span(
        "execute_tool t", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t"}
    )
    (event,) = run(web)
    assert (event[f.EVENT_ACTION], event[f.MESSAGE]) == ("span", "GET /")
    assert event[f.EVENT_DURATION] == 5_000_000
    assert run(web, log(body="x"), other="drop") == ["other_signal", "other_signal"]
    assert run(tool, other="drop")[0][f.EVENT_ACTION] == "execute_tool"


def test_our_own_events_come_back_as_they_were():
    """A masked event through the OTLP sink's log record and OTLP/JSON is the event that it was."""
    from google.protobuf.json_format import MessageToDict

    from agenttrail.sinks._otlp_message import log_record

    line = (GOLDEN / "mcp_spans.in.jsonl").read_bytes().splitlines()[0]
    for fields in run(line):
        sent = {**fields, f.PII_MASKED: 1, f.PII_BY_TYPE: {"PERSON": 1}, f.PII_POLICY: "p/1"}
        record = MessageToDict(log_record(sent, observed_ns=START))
        for name in ("traceId", "spanId"):  # OTLP/JSON has hex where protobuf's JSON has base64
            if name in record:
                record[name] = fields[f.TRACE_ID if name == "traceId" else f.SPAN_ID]
        export = {"resourceLogs": [{"resource": {}, "scopeLogs": [{"logRecords": [record]}]}]}
        (back,) = run(export)
        own = (
            f.SOURCE_TYPE,
            f.SOURCE_FILE,
            f.SOURCE_LINE,
            f.SOURCE_LINES,
            f.SOURCE_BYTES,
            f.LOG_LEVEL,
        )
        assert {k: v for k, v in back.items() if k not in own} == {
            k: v for k, v in sent.items() if k not in own
        }


@pytest.mark.parametrize(
    "line, expected",
    [
        (b"{x", "not_json"),
        (b"7", "unknown_shape"),
        (b'{"kind": "span"}', "unknown_shape"),
        (b'{"kind": "metric", "metric": {}}', "unknown_shape"),
    ],
)
def test_a_line_that_is_no_signal_is_an_event_of_its_own(line, expected):
    (event,) = run(line)
    assert event[f.EVENT_KIND] == "pipeline_error"
    assert event[f.SOURCE_ERROR] == expected


def test_metrics_and_empty_exports_are_dropped_by_name():
    assert run(b'{"resourceMetrics":[]}', b'{"resourceSpans":[]}', b" ") == ["metrics", "empty_export", "blank"]  # fmt: skip


@pytest.mark.parametrize(
    "changes, outcome",
    [
        ({}, "success"),
        ({"status": {"code": 1}}, "success"),
        ({"status": {"code": 2, "message": "no"}}, "failure"),
        ({"status": {"code": "STATUS_CODE_ERROR"}}, "failure"),
        ({"attributes": {"error.type": "timeout"}}, "failure"),
        ({"endTimeUnixNano": "0"}, "success"),
    ],
)
def test_the_outcome_is_the_spans_status_or_its_error(changes, outcome):
    (event,) = run(span("x", **changes))
    assert event[f.EVENT_OUTCOME] == outcome
    assert (f.EVENT_DURATION in event) == ("endTimeUnixNano" not in changes)


def test_a_message_of_an_error_that_is_none_is_not_lost():
    (event,) = run(span("x", {"error.message": "only a note"}))
    assert event[f.EVENT_OUTCOME] == "success"
    assert event[f.ERROR_MESSAGE] == "only a note"


PRINTED = (GOLDEN / "gemini_outfile.in.log").read_bytes().splitlines()


def test_an_object_printed_over_many_lines_is_the_event_of_the_same_object_on_one():
    whole = [
        json.loads(part)
        for part in b"\n".join(PRINTED).replace(b"\n}\n{", b"\n}\x00{").split(b"\x00")
    ]
    one_a_line = [jsontext.dumps(part) for part in whole]
    where = (f.SOURCE_LINE, f.SOURCE_LINES, f.SOURCE_BYTES)
    printed, single = run(*PRINTED), run(*one_a_line)
    assert [e if isinstance(e, str) else e[f.EVENT_ID] for e in printed if e != "metrics"] == [
        e if isinstance(e, str) else e[f.EVENT_ID] for e in single if e != "metrics"
    ]
    for one in printed:
        if not isinstance(one, str):
            assert one[f.SOURCE_LINES] > 20
    events = [e for e in printed if not isinstance(e, str)]
    for one, other in zip(events, [e for e in single if not isinstance(e, str)], strict=True):
        assert {k: v for k, v in one.items() if k not in where} == {
            k: v for k, v in other.items() if k not in where
        }


def accounted(*lines: bytes, end: bool = True) -> tuple[list[Any], int]:
    """Events and dropped, and how many lines they account for."""
    form = OtelOptions().build()
    got: list[Any] = []
    for record in testing.records(*lines):
        try:
            got += list(form(record))
        except seams.Drop as drop:
            got.append(seams.Dropped(record, drop.reason))
    got += list(form.end("test")) if end else []
    count = sum(len(e.origins) if isinstance(e, seams.Event) else 1 for e in got)
    return got, count


@pytest.mark.parametrize("cut", [1, 5, len(PRINTED) - 1])
def test_an_object_whose_end_never_came_is_one_event_of_its_lines(cut):
    got, count = accounted(*PRINTED[:cut])
    assert count == cut
    assert errors(got) == ["incomplete"]
    # Also where the next one begins behind it: that one is read.
    got, count = accounted(*PRINTED[:cut], *PRINTED)
    assert count == cut + len(PRINTED)
    assert errors(got) == ["incomplete"]
    whole, _ = accounted(*PRINTED)
    assert errors(whole) == []
    ids = [e.fields[f.EVENT_ID] for e in whole if isinstance(e, seams.Event)]
    assert set(ids) <= {e.fields[f.EVENT_ID] for e in got if isinstance(e, seams.Event)}


def errors(given: list[Any]) -> list[str]:
    events = [e for e in given if isinstance(e, seams.Event)]
    return [e.fields[f.SOURCE_ERROR] for e in events if f.SOURCE_ERROR in e.fields]


def test_an_object_that_never_ends_is_let_go_at_the_bound(monkeypatch):
    monkeypatch.setattr(otel, "_HELD_BYTES", 100)
    got, count = accounted(b"{", *[b'  "a": "' + b"x" * 50 + b'",'] * 5, end=False)
    assert got[0].fields[f.SOURCE_ERROR] == "too_long"
    assert len(got[0].origins) == 3
    assert count == 6


@pytest.mark.parametrize(
    "line, score",
    [
        (b'{"resourceLogs":[]}', 95),
        (b'{"resourceSpans":[{"resource":{"attri', 95),
        (b'{"kind":"span","resource":{},"span":{}}', 95),
        (b'{"kind":"span","span":{}}', 0),
        (b'{"kind":"Deployment","metadata":{}}', 0),
        (b'{"resource":"x"}', 0),
        (b"text", 0),
    ],
)
def test_it_is_recognised_by_its_carriers(line, score):
    assert otel.sniff([line], None) == score


def test_what_is_remembered_is_bounded():
    form = OtelOptions(remember_max=2).build()
    for n in range(50):
        line = jsontext.dumps(span("tools/call t", CALL, kind=3, spanId=f"00f067aa0ba90{n:03x}"))
        list(form(testing.records(line)[0]))
    assert len(form._memory._seen) == 2
    with pytest.raises(OptionError):
        OtelOptions(remember_max=0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["gen_ai.operation.name", "gen_ai.input.messages", "gen_ai.prompt.0.tool_calls.0.name", "mcp.method.name",
     "openinference.span.kind", "input.value", "llm.input_messages.0.message.contents.0.message_content.text",
     "llm.output_messages.0.message.tool_calls.0.tool_call.id", "tool_name", "tool_parameters", "decision", "source",
     "gen_ai.usage.input_tokens", "event.name", "traceloop.span.kind", "traceloop.entity.input", "success",
     "duration_ms", "function_args", "error", "error.type", "user.id", "agenttrail.schema.version", "event.id"]
)  # fmt: skip
TITLES = st.sampled_from(
    ["", "x", "claude_code.tool", "claude_code.tool_result", "codex.tool_result", "gemini_cli.tool_call",
     "codex.sse_event", "gemini_cli.api_response", "gen_ai.choice", "gen_ai.evaluation.result", "mcp.tool.call",
     "claude_code.api_request", "claude_code.tool_decision", "handoff to b"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    attributes=st.dictionaries(NAMES, JSON, max_size=5), title=TITLES, body=JSON, rest=JSON,
    kind=st.sampled_from(["span", "log"]),
)  # fmt: skip
def test_whatever_stands_in_a_signal_is_an_event_of_the_schema(attributes, title, body, rest, kind):
    make = span if kind == "span" else log
    more = {"events": rest, "links": rest, "status": rest} if kind == "span" else {"body": body}
    (event,) = run(make(title, attributes, **more))
    document = json.loads(jsontext.dumps(f.to_document(event)))
    assert document["event"]["action"]
    for name, value in event.items():
        kinds = {"long": int, "double": float, "keyword": str, "text": str, "keywords": list, "objects": list, "object": dict}  # fmt: skip
        expected = kinds.get(f.FIELDS[name].type)
        assert expected is None or isinstance(value, expected), name


@settings(max_examples=100, deadline=None)
@given(line=st.binary(max_size=60) | JSON.map(jsontext.dumps) | st.builds(lambda v: jsontext.dumps({"resourceSpans": v}), JSON))  # fmt: skip
def test_any_line_gives_events_or_a_reason(line):
    assert accounted(line)[1] >= 1
