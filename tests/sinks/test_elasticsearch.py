"""The sink `elasticsearch`, against a real server."""

from __future__ import annotations

import json
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agenttrail import fields as f
from agenttrail.errors import OptionError, Rejected, RetryLater, Unreachable
from agenttrail.seams import MaskedEvent
from agenttrail.sinks import _elasticsearch_template as template
from agenttrail.sinks.elasticsearch import ElasticsearchOptions, ElasticsearchSink
from tests._events import assert_valid, full, masked
from tests.engines._process import free_ports
from tests.engines.elasticsearch import Server
from tests.sinks._http_server import serve

TRIES_S = 240.0


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test writes to."""
    return uuid.uuid4().hex[:12]


@pytest.fixture
def build() -> Iterator[Callable[..., ElasticsearchSink]]:
    """Builds sinks that are closed at the end."""
    made: list[ElasticsearchSink] = []

    def build(server: Server, **options: Any) -> ElasticsearchSink:
        if server.user:
            options = {"user": server.user, "password": server.password, **options}
        if server.ca_file and options.get("verify", True):
            options = {"ca_file": server.ca_file, **options}
        options = {key: value for key, value in options.items() if value is not None}
        made.append(ElasticsearchOptions(url=server.url, **options).build())
        return made[-1]

    yield build
    for sink in made:
        sink.close()


@pytest.fixture
def sink(elasticsearch: Server, build: Callable[..., ElasticsearchSink]) -> ElasticsearchSink:
    """A sink to the server without security, the template installed."""
    sink = build(elasticsearch)
    sink.install()
    return sink


def stream(namespace: str) -> str:
    return f"logs-agenttrail.audit-{namespace}"


def event(namespace: str, fields: dict[str, Any] | None = None, *, id: str = "") -> MaskedEvent:
    return masked({f.DATA_STREAM_NAMESPACE: namespace, **(fields or {})}, id=id or uuid.uuid4().hex)


def deep(levels: int) -> dict[str, Any]:
    value: Any = "bottom"
    for _ in range(levels):
        value = {"down": value}
    return value


# --- what arrives --------------------------------------------------------------------------------


@pytest.mark.engine
def test_every_field_of_the_registry_arrives_and_can_be_searched(
    elasticsearch: Server, sink: ElasticsearchSink
) -> None:
    namespace = f"full{uuid.uuid4().hex[:8]}"
    made = full(id=uuid.uuid4().hex)
    every = masked({**made.fields, f.DATA_STREAM_NAMESPACE: namespace}, id=made.fields[f.EVENT_ID])
    assert set(every.fields) == set(f.FIELDS)
    assert_valid(every.line)
    sink.write([every])
    (hit,) = elasticsearch.search(stream(namespace))
    assert hit["_id"] == every.fields[f.EVENT_ID]
    assert hit["_source"] == json.loads(every.line)
    missed = [
        name
        for name in f.FIELDS
        if not elasticsearch.search(stream(namespace), {"exists": {"field": name}})
    ]
    assert missed == []


@pytest.mark.engine
@pytest.mark.parametrize(
    "query",
    [
        {"term": {"gen_ai.tool.call.arguments.path.inner": "two"}},
        {"range": {"agenttrail.pii.by_type.EMAIL_ADDRESS": {"gte": 2}}},
        {"match": {"error.message": "REFUSED"}},
        {"term": {"error.message.keyword": "Connection refused"}},
        {"wildcard": {"process.command_line": "rm -rf */tmp*"}},
        {"match": {"process.command_line.text": "tmp"}},
        {
            "range": {
                "@timestamp": {"gte": "2026-01-02T03:04:05.678Z", "lt": "2026-01-02T03:04:06Z"}
            }
        },
        {"range": {"gen_ai.usage.input_tokens": {"gt": 999}}},
        {"term": {"gen_ai.input.messages.role": "assistant"}},
        {"term": {"agenttrail.agent.sidechain": True}},
    ],
    ids=lambda query: next(iter(next(iter(query.values())))),
)
def test_each_kind_of_field_is_found_by_the_queries_that_it_is_for(
    elasticsearch: Server, sink: ElasticsearchSink, namespace: str, query: dict[str, Any]
) -> None:
    wanted = event(
        namespace,
        {
            f.TOOL_ARGUMENTS: {"path": {"inner": ["one", "two"]}},
            f.PII_BY_TYPE: {"EMAIL_ADDRESS": 2},
            f.ERROR_MESSAGE: "Connection refused",
            f.PROCESS_COMMAND_LINE: "rm -rf /tmp/build",
            f.INPUT_TOKENS: 1000,
            f.INPUT_MESSAGES: [{"role": "user"}, {"role": "assistant"}],
            f.AGENT_SIDECHAIN: True,
        },
    )
    other = event(namespace, {f.TIMESTAMP: "2026-01-02T03:04:06Z", f.INPUT_TOKENS: 999})
    sink.write([other, wanted])
    hits = elasticsearch.search(stream(namespace), query)
    assert [hit["_id"] for hit in hits] == [wanted.fields[f.EVENT_ID]]


HARMLESS: dict[str, dict[str, Any]] = {
    "a string of 33 kB in words": {f.MESSAGE: "word " * 6600},
    "a string of 33 kB without a space": {f.MESSAGE: "x" * 33_000},
    "a string of 1 MB in arguments": {f.TOOL_ARGUMENTS: {"text": "y" * 1_000_000}},
    "a keyword of 100 kB": {f.CONVERSATION_ID: "z" * 100_000},
    "a command line of 33 kB in Thai": {f.PROCESS_COMMAND_LINE: "ก" * 11_000},
    "a command line of 8191 characters outside the BMP": {f.PROCESS_COMMAND_LINE: "\U0001f600" * 8191},
    "a leaf at the limit, all four bytes": {f.TOOL_ARGUMENTS: {"k" * 2000: "\U0001f600" * 1024}},
    "200 levels": {f.TOOL_RESULT: deep(200)},
    "200 levels of lists": {f.TOOL_RESULT: {"list": json.loads("[" * 199 + "]" * 199)}},
    "10,000 keys": {f.TOOL_ARGUMENTS: {f"key{n}": n for n in range(10_000)}},
    "empty, dotted and blank keys": {f.TOOL_ARGUMENTS: {"": 1, ".": 2, "a..b": 3, " ": 4, "a.b.": 5}},
    "an integer beyond 64 bits in an object": {f.TOOL_ARGUMENTS: {"n": 10**400}},
    "an integer beyond 64 bits in a number": {f.INPUT_TOKENS: 10**30},
    "an integer beyond 64 bits in counts": {f.PII_BY_TYPE: {"PERSON": 10**30}},
    "NUL and surrogate pairs in values": {f.MESSAGE: "\0 \U0001f600 \ufdd0", f.TOOL_ARGUMENTS: {"a": "\0"}},
    "year 0001": {f.TIMESTAMP: "0001-01-01T00:00:00Z"},
    "year 9999": {f.TIMESTAMP: "9999-12-31T23:59:59.999999999Z"},
    "an empty object and an empty list": {f.TOOL_ARGUMENTS: {}, f.INPUT_MESSAGES: []},
    "keys that differ in type from event to event": {f.TOOL_ARGUMENTS: {"key": {"inner": 1}}},
    "the same key as a string": {f.TOOL_ARGUMENTS: {"key": "1"}},
}  # fmt: skip


@pytest.mark.engine
@pytest.mark.parametrize("fields", HARMLESS.values(), ids=HARMLESS)
def test_what_is_odd_but_legal_is_kept_whole(
    elasticsearch: Server, sink: ElasticsearchSink, fields: dict[str, Any]
) -> None:
    odd = event("odd", fields)
    assert_valid(odd.line)
    sink.write([odd])
    (hit,) = elasticsearch.search(stream("odd"), {"ids": {"values": [odd.fields[f.EVENT_ID]]}})
    assert hit["_source"] == json.loads(odd.line)


@pytest.mark.engine
def test_a_name_that_the_mapping_does_not_know_costs_nothing(
    elasticsearch: Server, sink: ElasticsearchSink, namespace: str
) -> None:
    """A record of a newer agenttrail meets the template of an older one."""
    known = event(namespace)
    document = {**json.loads(known.line), "agenttrail": {"future": {"field": [1, {"a": "b"}]}}}
    newer = MaskedEvent(known.fields, json.dumps(document).encode())
    sink.write([newer])
    (hit,) = elasticsearch.search(stream(namespace))
    assert hit["_source"] == document


@pytest.mark.engine
def test_index_overrides_the_data_stream_of_the_events(
    elasticsearch: Server, build: Callable[..., ElasticsearchSink], namespace: str
) -> None:
    sink = build(elasticsearch, index=f"plain-{namespace}", compress=False)
    sink.check()
    sink.write([event(namespace)])
    assert len(elasticsearch.search(f"plain-{namespace}")) == 1


# --- sent again, refused, split ------------------------------------------------------------------


@pytest.mark.engine
def test_sending_again_adds_nothing(
    elasticsearch: Server, sink: ElasticsearchSink, namespace: str
) -> None:
    events = [event(namespace) for _ in range(20)]
    sink.write(events[:12])
    sink.write(events)
    sink.write([*events, *events])
    hits = elasticsearch.search(stream(namespace))
    assert [hit["_id"] for hit in hits] == sorted(e.fields[f.EVENT_ID] for e in events)


POISON: dict[str, tuple[dict[str, Any], str]] = {
    "no object where one belongs": (
        {f.TOOL_ARGUMENTS: "secret-marker"},
        "document_parsing_exception: parsing_exception",
    ),
    "an object where a string belongs": (
        {f.CONVERSATION_ID: {"secret-marker": 1}},
        "document_parsing_exception: illegal_argument_exception",
    ),
    "NUL in a key": (
        {f.TOOL_ARGUMENTS: {"secret-marker\0": 1}},
        "document_parsing_exception: illegal_argument_exception",
    ),
    "a key of 40 kB": (
        {f.TOOL_ARGUMENTS: {"secret-marker" * 3200: 1}},
        "document_parsing_exception: illegal_argument_exception",
    ),
    "no date": (
        {f.TIMESTAMP: "secret-marker"},
        "document_parsing_exception: illegal_argument_exception",
    ),
    "a namespace that no index can have": (
        {f.DATA_STREAM_NAMESPACE: "Secret-Marker"},
        "illegal_argument_exception",
    ),
}


@pytest.mark.engine
@pytest.mark.parametrize("fields, reason", POISON.values(), ids=POISON)
def test_a_poisoned_event_is_rejected_alone_and_its_content_is_not_told(
    elasticsearch: Server,
    sink: ElasticsearchSink,
    namespace: str,
    fields: dict[str, Any],
    reason: str,
) -> None:
    good = [event(namespace) for _ in range(4)]
    with pytest.raises(Rejected) as caught:
        sink.write([*good[:2], event(namespace, fields), *good[2:]])
    assert caught.value.reasons == {2: reason}
    assert "marker" not in f"{caught.value!r}{caught.value.__cause__!r}".lower()
    hits = elasticsearch.search(stream(namespace))
    assert [hit["_id"] for hit in hits] == sorted(e.fields[f.EVENT_ID] for e in good)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)  # fmt: skip


def nul_in_key(value: Any) -> bool:
    if isinstance(value, dict):
        return any("\0" in key or nul_in_key(item) for key, item in value.items())
    return isinstance(value, list) and any(map(nul_in_key, value))


@pytest.mark.engine
@given(values=st.lists(JSON_VALUES, min_size=1, max_size=20))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_json_is_delivered_but_for_a_nul_in_a_key(
    elasticsearch: Server, sink: ElasticsearchSink, values: list[Any]
) -> None:
    namespace = uuid.uuid4().hex[:12]
    events = [
        event("any", {f.SOURCE_RAW: {"value": value}, f.TAGS: [namespace]}) for value in values
    ]
    try:
        sink.write(events)
        rejected: set[int] = set()
    except Rejected as error:
        rejected = set(error.reasons)
    assert rejected == {n for n, value in enumerate(values) if nul_in_key(value)}
    delivered = {e.fields[f.EVENT_ID] for n, e in enumerate(events) if n not in rejected}
    if delivered:
        hits = elasticsearch.search(stream("any"), {"term": {"tags": namespace}})
        assert {hit["_id"] for hit in hits} == delivered


@pytest.mark.engine
def test_a_document_that_fits_no_memory_of_the_server_is_rejected_and_not_tried_for_ever(
    elasticsearch: Server, sink: ElasticsearchSink, namespace: str
) -> None:
    """Indexing pressure is a 429 (try later) even for what is over the limit by itself."""
    if elasticsearch.process is None:
        pytest.skip("the memory of a server that was not started here is unknown")
    small = [event(namespace) for _ in range(2)]
    huge = event(namespace, {f.MESSAGE: "m" * 60_000_000})
    with pytest.raises(Rejected) as caught:
        sink.write([small[0], huge, small[1]])
    assert caught.value.reasons == {1: "too_large"}
    assert len(elasticsearch.search(stream(namespace))) == 2


@pytest.mark.engine
def test_a_string_of_45_mb_is_kept(
    elasticsearch: Server, sink: ElasticsearchSink, namespace: str
) -> None:
    long = event(namespace, {f.MESSAGE: "word " * 9_000_000})
    sink.write([long])
    (hit,) = elasticsearch.search(stream(namespace), {"match": {"message": "word"}})
    assert hit["_source"] == json.loads(long.line)


@pytest.mark.engine
@pytest.mark.parametrize("compress", [True, False])
def test_a_request_that_is_too_large_is_split_down_to_the_event_that_is(
    elasticsearch_secured: Server,
    build: Callable[..., ElasticsearchSink],
    namespace: str,
    compress: bool,
) -> None:
    sink = build(elasticsearch_secured, compress=compress, batch_bytes=50_000_000)
    sink.install()
    good = [event(namespace, {f.MESSAGE: "m" * 300_000}) for _ in range(7)]
    with pytest.raises(Rejected) as caught:
        sink.write([*good[:3], event(namespace, {f.MESSAGE: "m" * 1_100_000}), *good[3:]])
    assert caught.value.reasons == {3: "too_large"}
    assert len(elasticsearch_secured.search(stream(namespace))) == 7


def test_batch_bytes_bounds_a_request() -> None:
    """One event to a request where each is larger than the bound, all in one where it is wide."""
    sizes: list[int] = []

    def answer(
        method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        sizes.append(body.count(b"\n") // 2)
        return 200, ES_HEADERS, b'{"errors":false}'

    with serve(answer) as url:
        for batch_bytes in (1, 2 * len(masked().line), 10**6):
            sink = ElasticsearchOptions(url=url, batch_bytes=batch_bytes, compress=False).build()
            sink.write([masked()] * 5)
            sink.close()
    assert sizes == [1, 1, 1, 1, 1, 2, 2, 1, 5]


# --- a server that is down, full, or behind a proxy ----------------------------------------------

ES_HEADERS = {"X-Elastic-Product": "Elasticsearch", "Content-Type": "application/json"}


@pytest.mark.engine
def test_a_killed_server_loses_and_duplicates_nothing(
    elasticsearch_secured: Server, build: Callable[..., ElasticsearchSink], namespace: str
) -> None:
    """The server is killed while batches are being written; the writer only ever tries again."""
    sink = build(elasticsearch_secured, timeout_s=10.0)
    sink.install()
    batches = [[event(namespace) for _ in range(20)] for _ in range(30)]
    restart = threading.Thread(target=elasticsearch_secured.restart, args=(signal.SIGKILL,))
    failures = 0
    deadline = time.monotonic() + TRIES_S
    for number, batch in enumerate(batches):
        if number == 10:
            restart.start()
        while True:
            try:
                sink.write(batch)
                break
            except RetryLater:
                failures += 1
                assert time.monotonic() < deadline, "the server did not come back"
                time.sleep(0.2)
    restart.join()
    assert failures > 0
    sink.write(batches[0])
    hits = elasticsearch_secured.search(stream(namespace))
    wanted = sorted(e.fields[f.EVENT_ID] for batch in batches for e in batch)
    assert [hit["_id"] for hit in hits] == wanted


def test_a_server_that_is_not_there() -> None:
    (port,) = free_ports(1)
    sink = ElasticsearchOptions(url=f"http://127.0.0.1:{port}").build()
    with pytest.raises(RetryLater, match="no answer") as later:
        sink.write([masked()])
    assert later.value.after_s is None
    with pytest.raises(Unreachable, match="no answer"):
        sink.check()
    with pytest.raises(Unreachable, match="no answer"):
        sink.install()
    sink.close()


@pytest.mark.parametrize(
    "status, header, after_s",
    [
        (429, "7", 7.0),
        (502, None, None),
        (503, "Thu, 01 Jan 1970 00:01:40 GMT", 40.0),
        (503, "soon", None),
        (504, "Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        (500, None, None),
    ],
)
def test_overload_is_retried_when_the_server_wishes(
    status: int, header: str | None, after_s: float | None
) -> None:
    headers = {"Content-Type": "text/html", **({"Retry-After": header} if header else {})}
    with serve(lambda *_: (status, headers, b"<html>busy</html>")) as url:
        sink = ElasticsearchOptions(url=url).build(now=lambda: 60.0)
        with pytest.raises(RetryLater, match=str(status)) as caught:
            sink.write([masked()])
        sink.close()
    assert caught.value.after_s == after_s


@pytest.mark.parametrize("status", [429, 500, 503])
def test_one_event_that_has_to_wait_holds_the_whole_batch(status: int) -> None:
    """What was taken is a conflict next time, what was rejected is rejected again."""
    items = [{"create": {"status": s}} for s in (201, 400, status)]
    body = json.dumps({"errors": True, "items": items}).encode()
    with serve(lambda *_: (200, ES_HEADERS, body)) as url:
        sink = ElasticsearchOptions(url=url).build()
        with pytest.raises(RetryLater):
            sink.write([masked()] * 3)
        sink.close()


@pytest.mark.parametrize(
    "status, kind", [(403, "security_exception"), (404, "index_not_found_exception")]
)
def test_a_fault_of_the_operator_on_one_item_stops_and_rejects_nothing(
    status: int, kind: str
) -> None:
    items = [{"create": {"status": status, "error": {"type": kind}}}]
    body = json.dumps({"errors": True, "items": items}).encode()
    with serve(lambda *_: (200, ES_HEADERS, body)) as url:
        sink = ElasticsearchOptions(url=url).build()
        with pytest.raises(Unreachable, match=kind) as caught:
            sink.write([masked()])
        sink.close()
    assert caught.value.hint


def test_what_is_no_elasticsearch_is_named() -> None:
    with serve(lambda *_: (200, {"Content-Type": "application/json"}, b"{}")) as url:
        sink = ElasticsearchOptions(url=url).build()
        for call in (sink.check, lambda: sink.write([masked()])):
            with pytest.raises(Unreachable, match="is not Elasticsearch"):
                call()
        sink.close()


# --- setup ---------------------------------------------------------------------------------------


@pytest.mark.engine
def test_setup_says_what_it_would_do_does_it_once_and_brings_old_streams_up_to_date(
    build: Callable[..., ElasticsearchSink], elasticsearch_empty: Server
) -> None:
    server, sink = elasticsearch_empty, build(elasticsearch_empty)
    with pytest.raises(Unreachable, match="not installed") as caught:
        sink.check()
    assert caught.value.hint == "agenttrail setup elasticsearch"

    would = sink.install(dry_run=True)
    assert [(c.method, c.path, c.state) for c in would] == [
        ("PUT", "/_component_template/logs-agenttrail.audit@package", "created"),
        ("PUT", "/_index_template/logs-agenttrail.audit", "created"),
    ]
    with pytest.raises(Unreachable, match="not installed"):
        sink.check()

    assert sink.install() == would
    sink.check()
    assert {c.state for c in sink.install()} == {"unchanged"}

    # A template of an older version, and a data stream made from it.
    path = "/_component_template/logs-agenttrail.audit@package"
    older = json.loads(json.dumps(would[0].body))
    del older["template"]["mappings"]["properties"]["gen_ai"]["properties"]["tool"]
    server.request("PUT", path, older)
    old = event("older", {f.TOOL_NAME: "read_file"})
    sink.write([old])
    by_tool = {"term": {"gen_ai.tool.name": "read_file"}}
    assert server.search(stream("older"), by_tool) == []

    before = server.request("GET", path)
    states = {c.path: c.state for c in sink.install(dry_run=True)}
    assert states == {
        path: "updated",
        "/_index_template/logs-agenttrail.audit": "unchanged",
        "/logs-agenttrail.audit-older/_mapping?write_index_only=true": "updated",
    }
    assert server.request("GET", path) == before
    sink.install()
    assert {c.state for c in sink.install()} == {"unchanged"}
    new = event("older", {f.TOOL_NAME: "read_file"})
    sink.write([new])
    assert [h["_id"] for h in server.search(stream("older"), by_tool)] == [new.fields[f.EVENT_ID]]

    kept = build(server, retention="90d")
    assert [c.state for c in kept.install()][:2] == ["unchanged", "updated"]
    assert {c.state for c in kept.install()} == {"unchanged"}
    there = server.request("GET", "/_index_template/logs-agenttrail.audit")
    lifecycle = there["index_templates"][0]["index_template"]["template"]["lifecycle"]
    assert lifecycle["data_retention"] == "90d"


def test_the_template_can_be_rendered_without_a_server() -> None:
    bodies = template.render(ilm_policy="logs-90d")
    component, index = bodies.values()
    assert component["template"]["settings"]["index"]["lifecycle"] == {"name": "logs-90d"}
    assert index["index_patterns"] == ["logs-agenttrail.audit-*"]
    assert json.loads(json.dumps(bodies)) == bodies


def test_every_field_is_mapped() -> None:
    def leaves(properties: dict[str, Any], prefix: str = "") -> Iterator[str]:
        for name, mapping in properties.items():
            if set(mapping) == {"properties"}:
                yield from leaves(mapping["properties"], f"{prefix}{name}.")
            else:
                yield prefix + name

    assert set(leaves(template.mappings()["properties"])) == set(f.FIELDS)


# --- credentials and TLS -------------------------------------------------------------------------


@pytest.mark.engine
def test_a_wrong_password_is_named_and_not_shown(
    elasticsearch_secured: Server, build: Callable[..., ElasticsearchSink]
) -> None:
    sink = build(elasticsearch_secured, password="wrong-password")
    for call in (sink.check, sink.install, lambda: sink.write([masked()])):
        with pytest.raises(Unreachable, match="401") as caught:
            call()
        assert "password" in caught.value.hint
        assert "wrong-password" not in f"{caught.value!r}{caught.value.__cause__!r}"


@pytest.mark.engine
@pytest.mark.parametrize(
    "user, require_template", [("writer", True), ("writer_without_monitor", False)]
)
def test_a_role_that_may_only_write_is_enough(
    elasticsearch_secured: Server,
    build: Callable[..., ElasticsearchSink],
    namespace: str,
    user: str,
    require_template: bool,
) -> None:
    build(elasticsearch_secured).install()
    sink = build(elasticsearch_secured, user=user, require_template=require_template)
    sink.check()
    sink.write([event(namespace)])
    assert len(elasticsearch_secured.search(stream(namespace))) == 1


@pytest.mark.engine
@pytest.mark.parametrize("user", ["reader", "writer_without_monitor"])
def test_a_role_that_lacks_a_privilege_is_told_which_ones_are_needed(
    elasticsearch_secured: Server, build: Callable[..., ElasticsearchSink], user: str
) -> None:
    build(elasticsearch_secured).install()
    with pytest.raises(Unreachable, match="403") as caught:
        build(elasticsearch_secured, user=user).check()
    assert "create_doc" in caught.value.hint
    assert "monitor" in caught.value.hint


@pytest.mark.engine
def test_writing_without_the_right_to_stops_and_rejects_nothing(
    elasticsearch_secured: Server, build: Callable[..., ElasticsearchSink], namespace: str
) -> None:
    with pytest.raises(Unreachable, match="403"):
        build(elasticsearch_secured, user="reader").write([event(namespace)])


@pytest.mark.engine
def test_a_certificate_of_an_unknown_authority_is_refused_unless_told_otherwise(
    elasticsearch_secured: Server, build: Callable[..., ElasticsearchSink], namespace: str
) -> None:
    server = elasticsearch_secured
    build(server).install()
    stranger = Server(url=server.url, user=server.user, password=server.password)
    for call in (build(stranger).check, lambda: build(stranger).write([masked()])):
        with pytest.raises(Unreachable, match="TLS failed") as caught:
            call()
        assert "ca_file" in caught.value.hint
    trusting = build(stranger, verify=False)
    trusting.check()
    trusting.write([event(namespace)])
    assert len(server.search(stream(namespace))) == 1


@pytest.mark.parametrize(
    "options, header",
    [
        ({"api_key": "a2V5OnNlY3JldA=="}, "ApiKey a2V5OnNlY3JldA=="),
        ({"token": "secret-token"}, "Bearer secret-token"),
        ({"user": "u", "password": "p"}, "Basic dTpw"),
    ],
)
def test_credentials_are_sent(options: dict[str, str], header: str) -> None:
    seen: list[str | None] = []

    def answer(
        method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        seen.append(headers.get("authorization"))
        return 200, ES_HEADERS, b'{"errors":false}'

    with serve(answer) as url:
        for where, given in ((url, options), (url.replace("//", "//u:p@"), {})):
            sink = ElasticsearchOptions(url=where, **given).build()
            sink.write([masked()])
            sink.close()
    assert seen == [header, "Basic dTpw"]


@pytest.mark.parametrize(
    "options, option",
    [
        ({"url": "localhost:9200"}, "url"),
        ({"url": "ftp://localhost"}, "url"),
        ({"url": "http://"}, "url"),
        ({"url": "http://localhost:99999"}, "url"),
        ({"url": "http://u:p@localhost", "api_key": "x"}, "url"),
        ({"user": "u"}, "user"),
        ({"password": "p"}, "user"),
        ({"user": "u", "password": "p", "api_key": "x"}, "api_key"),
        ({"token": "t", "api_key": "x"}, "api_key"),
        ({"ca_file": "ca.pem"}, "ca_file"),
        ({"verify": False}, "ca_file"),
        ({"url": "https://localhost", "cert_file": "c"}, "cert_file"),
        ({"url": "https://localhost", "ca_file": "c", "verify": False}, "ca_file"),
        ({"index": ""}, "index"),
        ({"batch_bytes": 0}, "batch_bytes"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"retention": "90 days"}, "retention"),
        ({"retention": "90d", "ilm_policy": "p"}, "retention"),
    ],
)
def test_options_that_cannot_be_are_named(options: dict[str, Any], option: str) -> None:
    with pytest.raises(OptionError) as caught:
        ElasticsearchOptions(**options)
    assert caught.value.option == option


def test_secrets_are_not_in_the_text_of_the_options() -> None:
    shown = [
        repr(ElasticsearchOptions(user="u", password="secret-1")),
        repr(ElasticsearchOptions(api_key="secret-2")),
        repr(ElasticsearchOptions(token="secret-3")),
        repr(ElasticsearchOptions(url="http://u:secret-4@localhost")),
    ]
    assert "secret" not in "".join(shown)


def test_a_ca_file_that_is_not_there_is_named() -> None:
    with pytest.raises(OptionError, match="ca_file"):
        ElasticsearchOptions(url="https://localhost", ca_file="/nowhere/ca.pem").build()
