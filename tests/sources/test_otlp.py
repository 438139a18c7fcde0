"""The source `otlp`: what it takes, what it refuses and how, and when it answers."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from agenttrail.errors import OptionError, Refused, RetryLater, SourceError
from agenttrail.seams import Export, Idle, Notice, Record
from agenttrail.sources._otlp_decode import TooLargeError, UndecodableError, decompress, parse
from agenttrail.sources._otlp_intake import Intake, Work, count_items
from agenttrail.sources._otlp_server import Server
from agenttrail.sources.otlp import OtlpOptions, OtlpSource
from tests.sources._otlp import (
    LOGS_JSON,
    PARENT_ID,
    SERVICES,
    SPAN_ID,
    TRACE_ID,
    TRACES_JSON,
    binary,
    call,
    certificates,
    logs,
    post,
    retry_delay_s,
    serve,
    squeezed,
)

JSON = {"Content-Type": "application/json"}
ENCODERS = {"gzip": squeezed, "zstd": zstandard.compress, "deflate": zlib.compress}
SECRET = "ann@example.com"


def accept(_: Export) -> int:
    return 0


def until(condition: Callable[[], Any]) -> None:
    """Waits for what happens in another thread."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- what comes in is what was sent --------------------------------------------------------------


@pytest.mark.parametrize("kind", ["logs", "traces"])
def test_every_transport_encoding_and_compression_gives_the_same_request(kind: str) -> None:
    seen: list[Export] = []
    data = binary(kind)
    text = json.dumps(LOGS_JSON if kind == "logs" else TRACES_JSON).encode()

    def take(export: Export) -> int:
        seen.append(export)
        return 0

    with serve(take) as server:
        for body, headers in ((data, {}), (text, JSON)):
            assert post(server, kind, body, headers=headers).status_code == 200
            for name, encode in ENCODERS.items():
                answer = post(
                    server, kind, encode(body), headers={**headers, "Content-Encoding": name}
                )
                assert answer.status_code == 200, (name, answer.content)
        for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
            answer = call(server, kind, data, compression=compression)
            response = ExportLogsServiceResponse if kind == "logs" else ExportTraceServiceResponse
            assert response.FromString(answer) == response()
    assert len(seen) == 10
    assert {export.message.SerializeToString() for export in seen} == {data}
    assert {count_items(export) for export in seen} == {1}


@pytest.mark.parametrize(
    "headers, kind", [({}, "application/x-protobuf"), (JSON, "application/json")]
)
def test_an_answer_is_in_the_encoding_of_its_request(headers: dict[str, str], kind: str) -> None:
    with serve(lambda _: 3) as server:
        body = json.dumps(LOGS_JSON).encode() if headers else binary("logs")
        answer = post(server, "logs", body, headers=headers)
        assert answer.headers["Content-Type"] == kind
        if headers:
            assert answer.json() == {
                "partialSuccess": {
                    "rejectedLogRecords": "3",
                    "errorMessage": "rejected by the destination",
                }
            }
        else:
            partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
            assert partial.rejected_log_records == 3
        partial = ExportTraceServiceResponse.FromString(
            call(server, "traces", binary("traces"))
        ).partial_success
        assert partial.rejected_spans == 3


def test_a_request_without_data_is_accepted() -> None:
    with serve(accept) as server:
        assert post(server, "logs", b"").status_code == 200
        assert post(server, "traces", b"{}", headers=JSON).status_code == 200
        assert call(server, "logs", b"") == b""


def test_bytes_that_no_string_may_hold_are_replaced_and_cost_nothing_else() -> None:
    """Go's protobuf writes what a log file held; Python's refuses the whole request for it."""
    sent = logs("caf\u00e9 XXXX tail", "another")
    sent.resource_logs[0].resource.attributes.add(key="kXXXX").value.array_value.values.add().string_value = "v"  # fmt: skip
    data = sent.SerializeToString().replace(b"XXXX", b"\xff\xfe\xf0\x28")
    message = parse("logs", data)
    (group,) = message.resource_logs
    assert [r.body.string_value for r in group.scope_logs[0].log_records] == [
        "caf\u00e9 \ufffd\ufffd\ufffd( tail",
        "another",
    ]
    assert group.resource.attributes[0].key == "k\ufffd\ufffd\ufffd("
    assert group.resource.attributes[0].value.array_value.values[0].string_value == "v"


def test_fields_that_are_not_known_do_not_go_on() -> None:
    """They could not be masked. Field 1000, a string, in the request, a record and a value."""
    unknown = b"\xc2\x3e\x0f" + SECRET.encode()
    record = logs("x")
    inner = record.resource_logs[0].scope_logs[0].log_records[0]
    inner.MergeFromString(unknown)
    inner.body.MergeFromString(unknown)
    data = record.SerializeToString() + unknown
    assert data.count(SECRET.encode()) == 3
    assert parse("logs", data) == logs("x")
    assert SECRET.encode() not in parse("logs", data).SerializeToString()


# --- what is refused, and how ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "path, method, headers, body, status",
    [
        ("/v1/metrics", "POST", {}, b"", 404),
        ("/", "POST", {}, b"", 404),
        ("/v1/logs/", "POST", {}, b"", 404),
        ("/v1/logs", "GET", {}, b"", 405),
        ("/v1/logs", "POST", {"Content-Type": "text/plain"}, b"", 415),
        ("/v1/logs", "POST", {"Content-Type": ""}, b"", 415),
        ("/v1/logs", "POST", {"Content-Encoding": "br"}, b"", 415),
        ("/v1/logs", "POST", {"Content-Encoding": "gzip, gzip"}, b"", 415),
        ("/v1/logs", "POST", {}, b"\xff", 400),
        ("/v1/logs", "POST", {}, b"\x0a\x7fshort", 400),
        ("/v1/logs", "POST", JSON, b"{", 400),
        ("/v1/logs", "POST", JSON, b"[]", 400),
        ("/v1/logs", "POST", JSON, b'{"resourceLogs": 1}', 400),
        ("/v1/logs", "POST", JSON, b'{"resourceLogs": [1]}', 400),
        ("/v1/logs", "POST", JSON, b'{"resourceLogs":' + b"[" * 500 + b"]" * 500 + b"}", 400),
        ("/v1/traces", "POST", JSON, b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"zz"}]}]}]}', 400),
        ("/v1/logs", "POST", {"Content-Encoding": "gzip"}, b"no gzip", 400),
        ("/v1/logs", "POST", {"Content-Encoding": "gzip"}, squeezed(b"cut")[:-9], 400),
        ("/v1/logs", "POST", {"Content-Encoding": "deflate"}, b"no deflate", 400),
        ("/v1/logs", "POST", {"Content-Encoding": "zstd"}, b"no zstd", 400),
        ("/v1/logs", "POST", {}, bytes(3000), 413),
        ("/v1/logs", "POST", JSON, bytes(3000), 413),
        ("/v1/logs", "POST", {"Content-Encoding": "gzip"}, squeezed(bytes(10_000_000)), 413),
        ("/v1/logs", "POST", {"Content-Encoding": "zstd"}, zstandard.compress(bytes(10_000_000)), 413),
        ("/v1/logs", "POST", {"Content-Encoding": "deflate"}, zlib.compress(bytes(1_000_000)), 413),
    ],
)  # fmt: skip
def test_http_refuses_with_the_status_of_the_specification(
    path: str, method: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    with serve(accept, max_request_bytes=2000, grpc=None) as server:
        answer = requests.request(
            method, f"http://127.0.0.1:{server.ports['http']}{path}", data=body, timeout=30,
            headers={"Content-Type": "application/x-protobuf", **headers},
        )  # fmt: skip
    assert answer.status_code == status
    assert "Retry-After" not in answer.headers
    if headers == JSON:
        assert answer.json()["message"]


@pytest.mark.parametrize(
    "kind, body, code",
    [
        ("logs", b"\xff", "INVALID_ARGUMENT"),
        ("logs", bytes(3000), "RESOURCE_EXHAUSTED"),
        ("metrics", b"", "UNIMPLEMENTED"),
    ],
)
def test_grpc_refuses_with_the_code_of_the_specification(kind: str, body: bytes, code: str) -> None:
    with serve(accept, max_request_bytes=2000, http=None) as server:
        for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
            with pytest.raises(grpc.RpcError) as caught:
                call(server, kind, body, compression=compression)
            assert caught.value.code().name == code
            assert retry_delay_s(caught.value) is None


def test_a_small_body_that_unpacks_to_gigabytes_is_refused_by_both_transports() -> None:
    bomb = bytes(30_000_000)
    with serve(accept) as server:
        with pytest.raises(grpc.RpcError) as caught:
            call(server, "logs", bomb, compression=grpc.Compression.Gzip)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        for name, encode in ENCODERS.items():
            answer = post(server, "logs", encode(bomb), headers={"Content-Encoding": name})
            assert answer.status_code == 413


@pytest.mark.parametrize(
    "error, status, code, after",
    [
        (RetryLater("the destination is away", after_s=7.2), 503, "UNAVAILABLE", "8"),
        (RetryLater("the destination is away"), 503, "UNAVAILABLE", "1"),
        (Refused("the destination refused it"), 400, "INVALID_ARGUMENT", None),
        (MemoryError(), 503, "UNAVAILABLE", "5"),
        (ValueError(f"about {SECRET}"), 503, "UNAVAILABLE", "5"),
    ],
)
def test_what_the_work_ends_with_is_answered_and_never_with_content(
    error: Exception, status: int, code: str, after: str | None
) -> None:
    def fail(_: Export) -> int:
        raise error

    with serve(fail) as server:
        answer = post(server, "logs", binary("logs"))
        assert (answer.status_code, answer.headers.get("Retry-After")) == (status, after)
        with pytest.raises(grpc.RpcError) as caught:
            call(server, "logs", binary("logs"))
        assert caught.value.code().name == code
        assert (retry_delay_s(caught.value) is None) == (after is None)
        told = f"{server.said} {answer.content!r} {caught.value!r}"
        assert SECRET not in told
        assert len(server.said) == 1, "one kind of trouble is told once a minute"


@pytest.mark.parametrize(
    "given, status",
    [(None, 401), ("Bearer wrong", 401), ("Basic s3cret", 401), ("bearer s3cret", 200), ("Bearer s3cret", 200)],
)  # fmt: skip
def test_a_bearer_token_is_asked_for(given: str | None, status: int) -> None:
    with serve(accept, token="s3cret") as server:
        headers = {"Authorization": given} if given else {}
        answer = post(server, "logs", binary("logs"), headers=headers)
        assert answer.status_code == status
        metadata = (("authorization", given),) if given else ()
        if status == 200:
            call(server, "logs", binary("logs"), metadata=metadata)
        else:
            with pytest.raises(grpc.RpcError) as caught:
                call(server, "logs", binary("logs"), metadata=metadata)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("mutual", [False, True])
def test_tls_and_mutual_tls(tls: Path, mutual: bool) -> None:
    ca, pair = str(tls / "ca.pem"), (str(tls / "client.pem"), str(tls / "client.key"))
    options = {"cert_file": str(tls / "server.pem"), "key_file": str(tls / "server.key")}
    if mutual:
        options["client_ca_file"] = ca
    root = Path(ca).read_bytes()
    known = grpc.ssl_channel_credentials(
        root, Path(pair[1]).read_bytes(), Path(pair[0]).read_bytes()
    )
    with serve(accept, **options) as server:
        assert post(server, "logs", b"", scheme="https", verify=ca, cert=pair).status_code == 200
        call(server, "logs", b"", credentials=known)
        with pytest.raises(requests.ConnectionError):
            post(server, "logs", b"")
        if mutual:
            with pytest.raises(requests.ConnectionError):
                post(server, "logs", b"", scheme="https", verify=ca)
            with pytest.raises(grpc.RpcError):
                call(server, "logs", b"", credentials=grpc.ssl_channel_credentials(root), timeout=3)
        else:
            assert post(server, "logs", b"", scheme="https", verify=ca).status_code == 200
            call(server, "logs", b"", credentials=grpc.ssl_channel_credentials(root))


def test_an_address_that_is_taken_is_told() -> None:
    with serve(accept) as server:
        for name in ("grpc", "http"):
            address = f"127.0.0.1:{server.ports[name]}"
            options = {"grpc": None, "http": None, name: address}
            with pytest.raises(SourceError, match="cannot listen on"), serve(accept, **options):
                pass


@pytest.mark.parametrize(
    "options, option",
    [
        ({"grpc": None, "http": None}, "grpc"),
        ({"grpc": "4317"}, "grpc"),
        ({"http": "127.0.0.1:99999"}, "http"),
        ({"http": "0.0.0.0:4318"}, "http"),
        ({"grpc": "collector.example.com:4317"}, "grpc"),
        ({"cert_file": "a"}, "cert_file"),
        ({"client_ca_file": "a"}, "client_ca_file"),
        ({"plaintext": True, "cert_file": "a", "key_file": "b"}, "plaintext"),
        ({"token": ""}, "token"),
        ({"max_request_bytes": 0}, "max_request_bytes"),
        ({"items_per_s": -1.0}, "items_per_s"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], option: str) -> None:
    with pytest.raises(OptionError) as caught:
        OtlpOptions(**options)
    assert caught.value.option == option


def test_files_that_are_missing_are_told_before_the_server_starts() -> None:
    with pytest.raises(OptionError, match="key_file: is no file"):
        OtlpOptions(cert_file=__file__, key_file="/nowhere").build()


def test_a_package_that_is_missing_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(SourceError, match="uvicorn is not installed") as caught:
        OtlpOptions().build()
    assert "agenttrail[otlp]" in caught.value.hint


# --- too much at once ------------------------------------------------------------------------------


def test_a_sender_is_told_to_come_again_where_too_many_bytes_wait() -> None:
    go, at_work = threading.Event(), threading.Event()

    def slow(_: Export) -> int:
        at_work.set()
        go.wait(20)
        return 0

    with serve(slow, max_waiting_bytes=100) as server, ThreadPoolExecutor() as pool:
        first = pool.submit(post, server, "logs", logs("a" * 200).SerializeToString())
        assert at_work.wait(10)
        answer = post(server, "logs", logs("b").SerializeToString())
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
        with pytest.raises(grpc.RpcError) as caught:
            call(server, "logs", logs("c").SerializeToString())
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert retry_delay_s(caught.value) == 1.0
        go.set()
        # One request is let in however large it is.
        assert first.result().status_code == 200
        assert post(server, "logs", logs("b").SerializeToString()).status_code == 200


def test_bodies_that_never_end_cannot_fill_the_memory() -> None:
    """Before they are whole they count together; who is beyond it is told to come again."""
    head = b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 900\r\n\r\n"
    with serve(lambda _: 0, max_waiting_bytes=100) as server:
        address = ("127.0.0.1", server.ports["http"])
        with socket.create_connection(address, 10) as one, socket.create_connection(address, 10) as other:  # fmt: skip
            one.sendall(head + b"x" * 500)
            time.sleep(0.2)
            other.sendall(head + b"x" * 50)
            answer = other.recv(1000)
            assert answer.startswith(b"HTTP/1.1 429 ")
            assert b"retry-after: 1" in answer.lower()
            one.settimeout(0.2)
            with pytest.raises(TimeoutError):
                one.recv(1000)
        deadline = time.monotonic() + 10
        while server._coming.requests:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert server._coming.bytes == 0
        assert post(server, "logs", logs("a").SerializeToString()).status_code == 200


def test_bodies_over_grpc_have_places_that_whoever_never_ends_cannot_keep() -> None:
    """Two places for bodies on their way; while both are kept a third sender is told to come again."""
    intake = Intake(accept, max_request_bytes=1_000, max_waiting_bytes=2_500)
    server = Server(intake, grpc="127.0.0.1:0", http=None, turn_s=1.0)
    server.start()
    stop = threading.Event()

    def never() -> Any:
        stop.wait(20)
        yield from ()

    try:
        with grpc.insecure_channel(f"127.0.0.1:{server.ports['grpc']}") as channel:
            slow: list[Any] = []
            for number in (1, 2):  # one after the other: who was first is known
                slow.append(channel.stream_unary(SERVICES["logs"]).future(never()))
                until(lambda number=number: len(server._receiving._held) == number)
            with pytest.raises(grpc.RpcError) as caught:
                call(server, "logs", logs("a").SerializeToString())
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert retry_delay_s(caught.value) == 1.0
            # Who was first has kept its place for long enough; the place is free for who comes again.
            assert slow[0].exception(10).code() is grpc.StatusCode.CANCELLED
            assert not slow[1].done()
            until(lambda: len(server._receiving._held) == 1)
            call(server, "logs", logs("a").SerializeToString())
            stop.set()
            assert slow[1].exception(10).code() is grpc.StatusCode.INVALID_ARGUMENT
        until(lambda: not server._receiving._held)
    finally:
        stop.set()
        server.close()


def test_a_rate_is_kept_and_nothing_is_lost_over_it() -> None:
    now = [0.0]
    taken: list[int] = []

    def handle(export: Export) -> int:
        taken.append(count_items(export))
        return 0

    intake = Intake(
        handle, max_request_bytes=10_000, max_waiting_bytes=10_000, items_per_s=10,
        clock=lambda: now[0],
    )  # fmt: skip

    def send(items: int, mark: str) -> Any:
        begun = intake.begin("logs", logs(*[mark] * items).SerializeToString())
        assert isinstance(begun, Work)
        return begun.done.result(10)

    assert send(8, "a").code == "ok"
    answer = send(8, "b")
    assert (answer.code, round(answer.after_s, 3)) == ("throttled", 0.6)
    now[0] += answer.after_s
    assert send(8, "b").code == "ok"
    now[0] += 1.0
    assert send(25, "c").code == "ok", "a request of more than a second's worth comes through"
    answer = send(1, "d")
    assert (answer.code, round(answer.after_s, 3)) == ("throttled", 1.6)
    assert taken == [8, 8, 25]


# --- a sender that asks again ----------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_a_retry_waits_for_the_same_work_and_an_answer_nobody_heard_is_kept_for_it(
    transport: str,
) -> None:
    go, runs = threading.Event(), []

    def slow(export: Export) -> int:
        runs.append(export)
        go.wait(20)
        return 0

    body = binary("logs")
    with serve(slow) as server, ThreadPoolExecutor() as pool:

        def impatient() -> None:
            if transport == "grpc":
                with pytest.raises(grpc.RpcError) as caught:
                    call(server, "logs", body, timeout=0.3)
                assert caught.value.code().name in ("DEADLINE_EXCEEDED", "UNAVAILABLE")
            else:
                with pytest.raises(requests.ReadTimeout):
                    requests.post(
                        f"http://127.0.0.1:{server.ports['http']}/v1/logs", data=body,
                        headers={"Content-Type": "application/x-protobuf"}, timeout=0.3,
                    )  # fmt: skip

        def patient() -> bool:
            if transport == "grpc":
                return call(server, "logs", body) == b""
            return post(server, "logs", body).status_code == 200

        impatient()
        second = pool.submit(patient)  # while the first is at work
        time.sleep(0.2)
        assert len(runs) == 1
        go.set()
        assert second.result()
        assert len(runs) == 1
        # This one was heard, so the same bytes once more are a new request.
        go.clear()
        left = server.intake.counts["requests_unheard"]
        impatient()
        until(lambda: server.intake.counts["requests_unheard"] > left)
        go.set()
        until(lambda: not server.intake.at_work)
        assert len(runs) == 2
        assert patient(), "the answer into the void is given to the retry"
        assert len(runs) == 2
        assert patient()
        assert len(runs) == 3


def test_an_outcome_that_was_no_success_is_not_kept() -> None:
    def fail(_: Export) -> int:
        raise RetryLater("not now")

    intake = Intake(fail, max_request_bytes=100, max_waiting_bytes=100)
    work = intake.begin("logs", b"")
    assert isinstance(work, Work)
    assert work.done.result(10).code == "unavailable"
    intake.left(work)
    assert isinstance(intake.begin("logs", b""), Work)


def test_a_thread_that_dies_is_told_by_its_class_alone() -> None:
    """It might have been the one that answers."""
    told: list[str] = []
    made = OtlpOptions(grpc="127.0.0.1:0", http=None).serve(accept, told.append, told.append)

    def fail() -> None:
        raise ValueError(SECRET)

    made.start()
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    made.close()
    assert told == ["a thread ended with ValueError"]


def test_a_source_whose_server_may_be_dead_ends_with_an_error() -> None:
    made = OtlpOptions(grpc="127.0.0.1:0", http=None).build()
    reading = iter(made.read())
    next(reading)
    thread = threading.Thread(target=lambda: [][0])
    thread.start()
    thread.join()
    with pytest.raises(SourceError, match="a thread ended with IndexError"):
        list(reading)
    made.close()


# --- records, ids and commits ----------------------------------------------------------------------


@pytest.fixture
def source() -> Any:
    made = OtlpOptions(grpc="127.0.0.1:0", http="127.0.0.1:0").build()
    reading = iter(made.read())
    for _ in range(2):
        assert isinstance(next(reading), Notice)
    yield made, reading
    made.close()


def read(reading: Any, count: int) -> list[Record]:
    records: list[Record] = []
    deadline = time.monotonic() + 10
    while len(records) < count and time.monotonic() < deadline:
        item = next(reading)
        if isinstance(item, Record):
            records.append(item)
        else:
            assert isinstance(item, Idle)
    return records


def test_a_record_says_everything_that_its_format_needs(source: Any) -> None:
    made, reading = source
    with ThreadPoolExecutor() as pool:
        sent = [pool.submit(call, made, kind, binary(kind)) for kind in ("logs", "traces")]
        records = read(reading, 2)
        made.commit([record.position for record in records])
        assert [each.result() for each in sent] == [b"", b""]
    by_kind = {(value := json.loads(record.data))["kind"]: value for record in records}
    assert by_kind["log"] == {
        "kind": "log",
        "resource": {"attributes": {"service.name": "desk"}},
        "scope": {"name": "agent", "version": "1"},
        "log": {
            "timeUnixNano": "1544712660300000000",
            "severityNumber": 9,
            "body": "mail ann@example.com",
            "attributes": {
                "n": 7,
                "to": ["a"],
                "who": {"x": True},
                "raw": "data:application/octet-stream;base64,AAE=",
            },
            "traceId": TRACE_ID,
            "spanId": SPAN_ID,
            "eventName": "told",
        },
    }
    assert by_kind["span"] == {
        "kind": "span",
        "resource": {"attributes": {"service.name": "desk"}},
        "scope": {"name": "agent", "schemaUrl": "https://opentelemetry.io/schemas/1.40.0"},
        "span": {
            "traceId": TRACE_ID,
            "spanId": SPAN_ID,
            "parentSpanId": PARENT_ID,
            "name": "execute_tool find",
            "kind": 3,
            "startTimeUnixNano": "1544712660000000000",
            "endTimeUnixNano": "1544712661000000000",
            "attributes": {"x": 1.5},
            "events": [{"timeUnixNano": "1544712660500000000", "name": "step"}],
            "links": [{"traceId": TRACE_ID, "spanId": PARENT_ID}],
            "status": {"message": "gone", "code": 2},
        },
    }
    for record in records:
        assert (record.source, record.path, record.line) == ("otlp", None, 1)
        assert record.full_bytes == len(record.data)


def test_a_request_is_answered_when_all_of_it_is_committed_and_not_before(source: Any) -> None:
    made, reading = source
    with ThreadPoolExecutor() as pool:
        sent = pool.submit(post, made, "logs", logs("a", "b", "c").SerializeToString())
        records = read(reading, 3)
        made.commit([records[1].position])
        time.sleep(0.2)
        assert not sent.done()
        made.commit([records[2].position])
        assert sent.result().status_code == 200


def test_what_is_not_delivered_when_the_source_ends_is_given_back(source: Any) -> None:
    made, reading = source
    with ThreadPoolExecutor() as pool:
        sent = pool.submit(post, made, "logs", logs("a").SerializeToString())
        read(reading, 1)
        made.close()
        assert sent.result().status_code == 503
        assert "Retry-After" in sent.result().headers


def test_ids_rest_on_content_and_not_on_the_company_it_comes_in(source: Any) -> None:
    """A collector that was restarted sends the same records in other batches."""
    made, _ = source
    digests: list[list[bytes]] = []
    for bodies in (("a", "b", "b"), ("b", "c"), ("a",)):
        export = Export("logs", logs(*bodies), 0)
        digests.append([record.digest for record in made._records(export, "x")])
    (a, b, twin), (b2, c), (a2,) = digests
    assert (a, b) == (a2, b2)
    assert len({a, b, twin, c}) == 4


# --- any bytes in, only our errors out -------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["", "gzip", "zstd", "deflate"]), st.booleans())
def test_any_bytes_are_read_or_refused(body: bytes, encoding: str, as_json: bool) -> None:
    for kind in ("logs", "traces"):
        with contextlib.suppress(UndecodableError, TooLargeError):
            message = parse(kind, decompress(body, encoding, 1000), as_json=as_json)
            assert isinstance(message.SerializeToString(), bytes)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_request_is_read_or_refused(data: Any) -> None:
    body = bytearray(binary(data.draw(st.sampled_from(["logs", "traces"]))))
    for _ in range(data.draw(st.integers(1, 5))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    for kind in ("logs", "traces"):
        with contextlib.suppress(UndecodableError):
            assert isinstance(parse(kind, bytes(body)).SerializeToString(), bytes)


def test_the_source_is_found_by_its_options() -> None:
    made = OtlpOptions(grpc="127.0.0.1:0", http=None).build()
    assert isinstance(made, OtlpSource)
    made.close()


def test_a_request_message_is_what_the_wire_says() -> None:
    assert ExportLogsServiceRequest.FromString(binary("logs")).resource_logs
