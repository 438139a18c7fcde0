"""The sink `otlp`: against a real collector, and against stand-ins for receivers that refuse."""

from __future__ import annotations

import contextlib
import gzip
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2, duration_pb2
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

from agenttrail import __version__, jsontext
from agenttrail import fields as f
from agenttrail.errors import OptionError, Rejected, RetryLater, Unreachable
from agenttrail.seams import MaskedEvent
from agenttrail.sinks._otlp_message import any_value, log_record, unix_nanoseconds
from agenttrail.sinks.otlp import OtlpOptions, OtlpSink
from tests._events import assert_valid, full, masked
from tests.engines._process import free_ports, tool
from tests.engines.otelcol import Collector, otlp_to_file
from tests.sinks._http_server import serve

PROTOCOLS = ["http", "grpc"]
NOW = 1_800_000_000.5
WAIT_S = 20.0


@pytest.fixture
def build() -> Iterator[Callable[..., OtlpSink]]:
    """Builds sinks with a still clock that are closed at the end."""
    made: list[OtlpSink] = []

    def build(**options: Any) -> OtlpSink:
        made.append(OtlpOptions(**options).build(now=lambda: NOW))
        return made[-1]

    yield build
    for sink in made:
        sink.close()


def arrived(collector: Collector, *ids: str) -> list[dict[str, Any]]:
    """The log records with these event ids, in the order of `ids`, waited for."""
    deadline = time.monotonic() + WAIT_S
    while True:
        records = {attributes(r)[f.EVENT_ID]: r for r in collector.log_records()}
        if all(each in records for each in ids) or time.monotonic() > deadline:
            return [records[each] for each in ids]
        time.sleep(0.05)


def attributes(record: Mapping[str, Any]) -> dict[str, Any]:
    return {item["key"]: plain(item["value"]) for item in record["attributes"]}


def plain(value: Mapping[str, Any]) -> Any:
    """An OTLP/JSON AnyValue as the JSON value it stands for."""
    if not value:
        return None
    ((kind, inner),) = value.items()
    match kind:
        case "intValue":
            return int(inner)
        case "kvlistValue":
            return {item.get("key", ""): plain(item["value"]) for item in inner.get("values", [])}
        case "arrayValue":
            return [plain(item) for item in inner.get("values", [])]
    return inner


# --- what arrives at a collector -----------------------------------------------------------------


@pytest.mark.engine
@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_field_of_the_registry_arrives(
    otel_collector: Collector, build: Callable[..., OtlpSink], protocol: str, compress: bool
) -> None:
    sink = build(
        endpoint=f"http://{otel_collector.address(protocol)}",
        protocol=protocol,
        compress=compress,
        resource={"deployment.environment.name": "test", "service.name": "trail"},
    )
    sink.check()
    every = full(id=uuid.uuid4().hex)
    traced = masked(
        {
            **every.fields,
            f.TRACE_ID: "4bf92f3577b34da6a3ce929d0e0e4736",
            f.SPAN_ID: "00f067aa0ba902b7",
            f.LOG_LEVEL: "warning",
            f.MESSAGE: "disk nearly full",
        },
        id=every.fields[f.EVENT_ID],
    )
    assert set(traced.fields) == set(f.FIELDS)
    assert_valid(traced.line)
    sink.write([traced])
    (record,) = arrived(otel_collector, traced.fields[f.EVENT_ID])

    at_top = {f.TIMESTAMP, f.TRACE_ID, f.SPAN_ID, f.MESSAGE}
    assert attributes(record) == {k: v for k, v in traced.fields.items() if k not in at_top}
    assert record["timeUnixNano"] == "1767323045678901234"
    assert record["observedTimeUnixNano"] == "1800000000500000000"
    assert record["eventName"] == "execute_tool"
    assert record["traceId"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert record["spanId"] == "00f067aa0ba902b7"
    assert (record["severityNumber"], record["severityText"]) == (13, "warning")
    assert record["body"] == {"stringValue": "disk nearly full"}
    assert attributes(record["resource"]) == {
        "service.name": "trail",
        "deployment.environment.name": "test",
    }
    assert record["scope"] == {
        "name": "agenttrail",
        "version": __version__,
        "schemaUrl": "https://opentelemetry.io/schemas/1.44.0",
    }


@pytest.mark.engine
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_odd_but_legal_arrives(
    otel_collector: Collector, build: Callable[..., OtlpSink], protocol: str
) -> None:
    deep: Any = "bottom"
    for _ in range(100):
        deep = {"down": deep}
    given: dict[str, Any] = {
        "null": None,
        "empty": {},
        "none": [],
        "long": 2**63 - 1,
        "longer": 2**63,
        "longest": 10**400,
        "exact": jsontext.Number("1.10"),
        "huge": jsontext.Number("1e400"),
        "float": 0.5,
        "": {"a.b": [[1, None], True]},
        "text": "x" * 1_000_000,
        "thai": "สวัสดี \U0001f600 \0",
        "deep": deep,
    }
    event = masked({f.TOOL_ARGUMENTS: given}, id=uuid.uuid4().hex)
    build(endpoint=f"http://{otel_collector.address(protocol)}", protocol=protocol).write([event])
    (record,) = arrived(otel_collector, event.fields[f.EVENT_ID])
    got = attributes(record)[f.TOOL_ARGUMENTS]
    text = got.pop("deep")
    levels = 0
    while isinstance(text, dict):
        text, levels = text["down"], levels + 1
    assert levels == 29, "30 levels are structured, the arguments themselves being the first"
    assert text == jsontext.dumps(any_levels(deep, levels)).decode()
    wanted = {key: value for key, value in given.items() if key != "deep"}
    assert got == {
        **wanted,
        "longer": str(2**63),
        "longest": str(10**400),
        "exact": "1.10",
        "huge": "1e400",
    }


def any_levels(value: Any, levels: int) -> Any:
    for _ in range(levels):
        value = value["down"]
    return value


@pytest.mark.engine
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_batch_larger_than_a_request_arrives_in_several(
    otel_collector: Collector, build: Callable[..., OtlpSink], protocol: str
) -> None:
    """12 MB in all: a gRPC receiver takes 4 MiB a message."""
    sink = build(endpoint=f"http://{otel_collector.address(protocol)}", protocol=protocol)
    events = [masked({f.MESSAGE: "m" * 1_000_000}, id=uuid.uuid4().hex) for _ in range(12)]
    sink.write(events)
    assert len(arrived(otel_collector, *(e.fields[f.EVENT_ID] for e in events))) == 12


@pytest.mark.engine
def test_an_event_larger_than_a_message_is_rejected_alone(
    otel_collector: Collector, build: Callable[..., OtlpSink]
) -> None:
    sink = build(
        endpoint=f"http://{otel_collector.address('grpc')}", protocol="grpc", batch_bytes=10**9
    )
    events = [masked(id=uuid.uuid4().hex) for _ in range(4)]
    huge = masked({f.MESSAGE: "m" * 5_000_000})
    with pytest.raises(Rejected) as caught:
        sink.write([*events[:3], huge, events[3]])
    assert caught.value.reasons == {3: "too_large"}
    assert len(arrived(otel_collector, *(e.fields[f.EVENT_ID] for e in events))) == 4


@pytest.mark.engine
def test_a_collector_that_was_away(
    start_otel_collector: Callable[..., Collector], build: Callable[..., OtlpSink]
) -> None:
    """Down: RetryLater from write, Unreachable from check. Up again: the same sinks deliver."""
    collector = start_otel_collector()
    sinks = [
        build(endpoint=f"http://{collector.address(p)}", protocol=p, timeout_s=5.0)
        for p in PROTOCOLS
    ]
    first = [masked(id=uuid.uuid4().hex) for _ in sinks]
    for sink, event in zip(sinks, first, strict=True):
        sink.write([event])
    arrived(collector, *(e.fields[f.EVENT_ID] for e in first))
    collector.process.stop()
    second = [masked(id=uuid.uuid4().hex) for _ in sinks]
    for sink, event in zip(sinks, second, strict=True):
        with pytest.raises(RetryLater):
            sink.write([event])
        with pytest.raises(Unreachable):
            sink.check()
    collector.process.start()
    for sink, event in zip(sinks, second, strict=True):
        retry(lambda sink=sink, event=event: sink.write([event]))
    assert len(arrived(collector, *(e.fields[f.EVENT_ID] for e in [*first, *second]))) == 4


def retry(call: Callable[[], None]) -> None:
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            return call()
        except RetryLater:
            assert time.monotonic() < deadline, "it did not come back"
            time.sleep(0.1)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.crt, and server and client .crt and .key signed by it."""
    folder = tmp_path_factory.mktemp("tls")
    openssl = tool("openssl", "apt-get install openssl")
    (folder / "san.cnf").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    commands = [
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca"
        " -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.crt"
    ]
    for name in ("server", "client"):
        commands += [
            f"req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr",
            f"x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2"
            f" -extfile san.cnf -out {name}.crt",
        ]
    for command in commands:
        subprocess.run([openssl, *command.split()], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.mark.engine
def test_mutual_tls(
    start_otel_collector: Callable[..., Collector],
    certificates: Path,
    build: Callable[..., OtlpSink],
) -> None:
    def settings(ports: Mapping[str, int], folder: Path) -> dict[str, Any]:
        tls = {
            "cert_file": str(certificates / "server.crt"),
            "key_file": str(certificates / "server.key"),
            "client_ca_file": str(certificates / "ca.crt"),
        }
        return otlp_to_file(ports, folder, grpc={"tls": tls}, http={"tls": tls})

    collector = start_otel_collector(settings)
    ca = {"ca_file": str(certificates / "ca.crt")}
    own = {
        "cert_file": str(certificates / "client.crt"),
        "key_file": str(certificates / "client.key"),
    }
    for protocol in PROTOCOLS:
        where = {"endpoint": f"https://{collector.address(protocol)}", "protocol": protocol}
        event = masked(id=uuid.uuid4().hex)
        sink = build(**where, **ca, **own)
        sink.check()
        sink.write([event])
        assert arrived(collector, event.fields[f.EVENT_ID])
        for wrong in (ca, own, {}):
            with pytest.raises(Unreachable) as caught:
                build(**where, **wrong, timeout_s=5.0).check()
            assert caught.value.hint
    trusting = build(endpoint=f"https://{collector.address('http')}", verify=False, **own)
    trusting.check()


# --- stand-ins for receivers that refuse: real servers of the protocol, in this process ----------


class Receiver:
    """Keeps the event ids it accepted. `refuse` says what happens to a request, given its ids.

    It gives an HTTP or gRPC answer, or the number of records that are rejected (a partial success).
    """

    def __init__(self, refuse: Callable[[list[str]], Any]) -> None:
        self.refuse = refuse
        self.accepted: list[str] = []
        self.sizes: list[int] = []
        self.headers: list[dict[str, str]] = []

    def take(self, request: ExportLogsServiceRequest) -> Any:
        ids = [
            next(a.value.string_value for a in record.attributes if a.key == f.EVENT_ID)
            for group in request.resource_logs
            for scoped in group.scope_logs
            for record in scoped.log_records
        ]
        self.sizes.append(len(ids))
        answer = self.refuse(ids)
        if answer is None:
            self.accepted += ids
        return answer

    def over_http(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        assert (method, path) == ("POST", "/v1/logs")
        self.headers.append(headers)
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        answer = self.take(ExportLogsServiceRequest.FromString(body))
        if isinstance(answer, tuple):
            return answer
        return 200, PROTOBUF, response(answer or 0).SerializeToString()


PROTOBUF = {"Content-Type": "application/x-protobuf"}


def response(rejected: int) -> ExportLogsServiceResponse:
    made = ExportLogsServiceResponse()
    if rejected:
        made.partial_success.rejected_log_records = rejected
        made.partial_success.error_message = "content of a secret-marker"
    return made


@contextlib.contextmanager
def serve_grpc(receiver: Receiver) -> Iterator[str]:
    class Service(logs_service_pb2_grpc.LogsServiceServicer):
        def Export(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
            receiver.headers.append(dict(context.invocation_metadata()))
            answer = receiver.take(request)
            if isinstance(answer, tuple):
                code, details = answer
                context.set_trailing_metadata(details)
                context.abort(code, "content of a secret-marker")
            return response(answer or 0)

    server = grpc.server(futures.ThreadPoolExecutor(1))
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(1.0).wait()


@contextlib.contextmanager
def receiving(
    protocol: str, refuse: Callable[[list[str]], Any]
) -> Iterator[tuple[Receiver, dict[str, str]]]:
    """A receiver and the options of a sink to it."""
    receiver = Receiver(refuse)
    with serve(receiver.over_http) if protocol == "http" else serve_grpc(receiver) as url:
        yield receiver, {"endpoint": url, "protocol": protocol}


def numbered(count: int) -> list[MaskedEvent]:
    return [masked(id=f"{number:016x}") for number in range(count)]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_partial_success_rejects_the_request_and_narrows_the_next_ones(
    protocol: str, build: Callable[..., OtlpSink]
) -> None:
    """Which records were rejected is not said: all of that request are, and nothing is resent."""
    bad = f"{5:016x}"
    with receiving(protocol, lambda ids: 1 if bad in ids else None) as (receiver, options):
        sink = build(**options)
        with pytest.raises(Rejected) as caught:
            sink.write(numbered(8))
        assert caught.value.reasons == dict.fromkeys(range(8), "partial_success_1_of_8")
        assert receiver.sizes == [8]
        assert "marker" not in repr(caught.value.reasons)
        with pytest.raises(Rejected) as caught:
            sink.write(numbered(8))
        assert caught.value.reasons == dict.fromkeys(range(4, 8), "partial_success_1_of_4")
        with pytest.raises(Rejected) as caught:
            sink.write(numbered(8))
        assert caught.value.reasons == dict.fromkeys((5, 6, 7), "partial_success_1_of_3")
        assert receiver.sizes == [8, 4, 4, 2, 3, 3]
        sink.write(numbered(5))
        assert receiver.sizes[6:] == [1, 2, 2], "requests grow again when nothing is rejected"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_warning_without_rejected_records_is_a_success(
    protocol: str, build: Callable[..., OtlpSink]
) -> None:
    with receiving(protocol, lambda ids: None) as (receiver, options):
        build(**options).write(numbered(3))
    assert receiver.accepted == [f"{n:016x}" for n in range(3)]


@pytest.mark.parametrize(
    "protocol, answer, reason",
    [
        ("http", (400, PROTOBUF, b""), "status_400"),
        ("http", (413, {"Content-Type": "text/html"}, b"<p>secret-marker"), "status_413"),
        ("http", (422, {}, b""), "status_422"),
        ("grpc", (grpc.StatusCode.INVALID_ARGUMENT, ()), "invalid_argument"),
    ],
)
def test_bad_data_is_found_by_halving_and_nothing_is_sent_twice(
    protocol: str, answer: Any, reason: str, build: Callable[..., OtlpSink]
) -> None:
    bad = {f"{2:016x}", f"{7:016x}"}
    with receiving(protocol, lambda ids: answer if bad & set(ids) else None) as (
        receiver,
        options,
    ):
        with pytest.raises(Rejected) as caught:
            build(**options).write(numbered(9))
        assert caught.value.reasons == {2: reason, 7: reason}
        assert receiver.accepted == [f"{n:016x}" for n in range(9) if n not in (2, 7)]


def retry_info(seconds: int, nanos: int = 0, kind: str = "RetryInfo") -> tuple[Any, ...]:
    """Metadata with a google.rpc.Status of code 14 and two details, the second a RetryInfo."""

    def nested(number: int, message: bytes) -> bytes:
        assert len(message) < 128
        return bytes([number << 3 | 2, len(message)]) + message

    delay = duration_pb2.Duration(seconds=seconds, nanos=nanos).SerializeToString()
    details = [
        any_pb2.Any(type_url="type.googleapis.com/google.rpc.DebugInfo", value=nested(1, b"frame")),
        any_pb2.Any(type_url=f"type.googleapis.com/google.rpc.{kind}", value=nested(1, delay)),
    ]
    status = b"\x08\x0e" + nested(2, b"busy")
    status += b"".join(nested(3, detail.SerializeToString()) for detail in details)
    return (("grpc-status-details-bin", status),)


@pytest.mark.parametrize(
    "protocol, answer, after_s",
    [
        ("http", (429, {"Retry-After": "12"}, b""), 12.0),
        ("http", (503, {"Retry-After": "Fri, 15 Jan 2027 08:00:30 GMT"}, b""), 29.5),
        ("http", (502, {}, b""), None),
        ("http", (504, {"Retry-After": "later"}, b""), None),
        ("grpc", (grpc.StatusCode.UNAVAILABLE, ()), None),
        ("grpc", (grpc.StatusCode.UNAVAILABLE, retry_info(7)), 7.0),
        ("grpc", (grpc.StatusCode.RESOURCE_EXHAUSTED, retry_info(0, 500_000_000)), 0.5),
        ("grpc", (grpc.StatusCode.UNAVAILABLE, retry_info(7, kind="QuotaFailure")), None),
        ("grpc", (grpc.StatusCode.UNAVAILABLE, (("grpc-status-details-bin", b"\xff"),)), None),
        ("grpc", (grpc.StatusCode.ABORTED, ()), None),
        ("grpc", (grpc.StatusCode.OUT_OF_RANGE, ()), None),
        ("grpc", (grpc.StatusCode.DATA_LOSS, ()), None),
        ("grpc", (grpc.StatusCode.CANCELLED, ()), None),
        ("grpc", (grpc.StatusCode.DEADLINE_EXCEEDED, ()), None),
    ],
)
def test_what_may_be_retried_is_when_the_receiver_wishes(
    protocol: str, answer: Any, after_s: float | None, build: Callable[..., OtlpSink]
) -> None:
    with receiving(protocol, lambda ids: answer) as (receiver, options):
        with pytest.raises(RetryLater) as caught:
            build(**options).write(numbered(4))
        assert caught.value.after_s == after_s
        assert receiver.sizes == [4]


@pytest.mark.parametrize(
    "protocol, answer",
    [
        *(("http", (status, {}, b"secret-marker")) for status in (301, 401, 403, 404, 405, 500)),
        ("http", (200, {"Content-Type": "text/html"}, b"<p>secret-marker")),
        ("http", (200, PROTOBUF, b"\xff\xff secret-marker")),
        ("http", (200, {"Content-Type": "application/json"}, b"secret-marker")),
        *(
            ("grpc", (code, ()))
            for code in (
                grpc.StatusCode.UNAUTHENTICATED,
                grpc.StatusCode.PERMISSION_DENIED,
                grpc.StatusCode.UNIMPLEMENTED,
                grpc.StatusCode.INTERNAL,
                grpc.StatusCode.RESOURCE_EXHAUSTED,
            )
        ),
    ],
)
def test_what_an_operator_must_mend_stops_and_rejects_nothing(
    protocol: str, answer: Any, build: Callable[..., OtlpSink]
) -> None:
    with receiving(protocol, lambda ids: answer) as (receiver, options):
        sink = build(**options)
        for call in (lambda: sink.write(numbered(4)), sink.check):
            with pytest.raises(Unreachable) as caught:
                call()
            assert caught.value.hint
            assert "marker" not in f"{caught.value!r}{caught.value.__cause__!r}"
    assert receiver.sizes == [4, 0]


def test_a_json_answer_is_understood(build: Callable[..., OtlpSink]) -> None:
    """The response has to be of the request's kind, but not every receiver knows."""
    answer = b'{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"no"},"more":1}'
    with serve(lambda *_: (200, {"Content-Type": "application/json"}, answer)) as url:
        with pytest.raises(Rejected) as caught:
            build(endpoint=url).write(numbered(1))
        assert caught.value.reasons == {0: "partial_success_1_of_1"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_headers_are_sent_and_not_shown(protocol: str, build: Callable[..., OtlpSink]) -> None:
    with receiving(protocol, lambda ids: None) as (receiver, options):
        sent = {"Authorization": "Bearer secret-token", "X-Tenant": "a"}
        build(**options, headers=sent).check()
        assert "secret-token" not in repr(OtlpOptions(**options, headers=sent))
    assert receiver.sizes == [0]
    assert receiver.headers[0]["authorization"] == "Bearer secret-token"
    assert receiver.headers[0]["x-tenant"] == "a"
    assert f"agenttrail/{__version__}" in receiver.headers[0]["user-agent"]


def test_the_path_of_the_endpoint_is_used_where_it_has_one(
    build: Callable[..., OtlpSink],
) -> None:
    paths: list[str] = []

    def answer(
        method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        paths.append(path)
        return 200, {}, b""

    with serve(answer) as url:
        for suffix in ("", "/", "/otlp/v1/logs", "/ingest?tenant=a"):
            build(endpoint=url + suffix).check()
    assert paths == ["/v1/logs", "/v1/logs", "/otlp/v1/logs", "/ingest?tenant=a"]


def test_nobody_there(build: Callable[..., OtlpSink]) -> None:
    (port,) = free_ports(1)
    for protocol in PROTOCOLS:
        sink = build(endpoint=f"http://127.0.0.1:{port}", protocol=protocol, timeout_s=5.0)
        with pytest.raises(RetryLater):
            sink.write(numbered(1))
        with pytest.raises(Unreachable) as caught:
            sink.check()
        assert caught.value.hint


# --- the message ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "timestamp, nanoseconds",
    [
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("2026-01-02T03:04:05Z", 1_767_323_045_000_000_000),
        ("2026-01-02T03:04:05.5Z", 1_767_323_045_500_000_000),
        ("2026-01-02T03:04:05.678901234Z", 1_767_323_045_678_901_234),
        ("2554-07-21T23:34:33.709551615Z", 2**64 - 1),
        ("2554-07-21T23:34:33.709551616Z", None),  # one more than 64 bits hold
        ("1970-01-01T00:00:00Z", None),  # zero means unknown in OTLP
        ("1969-12-31T23:59:59Z", None),
        ("2026-02-30T00:00:00Z", None),
        ("2026-01-02T03:04:05+00:00", None),
    ],
)
def test_time_to_the_nanosecond(timestamp: str, nanoseconds: int | None) -> None:
    assert unix_nanoseconds(timestamp) == nanoseconds
    record = log_record(masked({f.TIMESTAMP: timestamp}).fields, observed_ns=5)
    kept = {a.key for a in record.attributes}
    assert record.time_unix_nano == (nanoseconds or 0)
    assert (f.TIMESTAMP in kept) == (nanoseconds is None)
    assert record.observed_time_unix_nano == 5


TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "trace, span, at_top",
    [
        (TRACE, SPAN, {f.TRACE_ID, f.SPAN_ID}),
        (TRACE, "0" * 16, {f.TRACE_ID}),
        (TRACE, "0f067aa0ba902b7", {f.TRACE_ID}),
        ("0" * 32, SPAN, set()),
        (TRACE.upper(), SPAN, set()),
        (TRACE[:-1], SPAN, set()),
        (TRACE + "0", SPAN, set()),
        ("<PERSON>", SPAN, set()),
    ],
)
def test_only_ids_as_w3c_has_them_are_trace_and_span(
    trace: str, span: str, at_top: set[str]
) -> None:
    record = log_record(masked({f.TRACE_ID: trace, f.SPAN_ID: span}).fields, observed_ns=0)
    left = {a.key for a in record.attributes} & {f.TRACE_ID, f.SPAN_ID}
    assert left == {f.TRACE_ID, f.SPAN_ID} - at_top
    assert record.trace_id.hex() == (trace if f.TRACE_ID in at_top else "")
    assert record.span_id.hex() == (span if f.SPAN_ID in at_top else "")


@pytest.mark.parametrize(
    "level, outcome, number, text",
    [
        (None, "success", 9, "INFO"),
        (None, "unknown", 9, "INFO"),
        (None, "failure", 17, "ERROR"),
        ("debug", "failure", 5, "debug"),
        ("notice", "success", 10, "notice"),
        ("warning", "success", 13, "warning"),
        ("emergency", "success", 21, "emergency"),
        ("loud", "failure", 17, "loud"),
        ("loud", "success", 9, "loud"),
    ],
)
def test_severity(level: str | None, outcome: str, number: int, text: str) -> None:
    fields = {f.EVENT_OUTCOME: outcome, **({f.LOG_LEVEL: level} if level else {})}
    record = log_record(masked(fields).fields, observed_ns=0)
    assert (record.severity_number, record.severity_text) == (number, text)


def test_the_event_name_is_no_attribute_called_event_name() -> None:
    record = log_record(masked().fields, observed_ns=0)
    assert record.event_name == "execute_tool"
    assert "event.name" not in {a.key for a in record.attributes}


def test_lone_surrogates_become_u_fffd() -> None:
    value = any_value({"\ud800": ["\udfff"]})
    (item,) = value.kvlist_value.values
    assert item.key == "\ufffd"
    assert item.value.array_value.values[0].string_value == "\ufffd"


def test_the_deepest_value_can_be_read_back_by_protobuf() -> None:
    """Its libraries refuse messages nested deeper than 100."""
    value: Any = "bottom"
    for _ in range(200):
        value = {"d": value}
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.CopyFrom(log_record(masked({f.TOOL_RESULT: value}).fields, observed_ns=0))
    assert ExportLogsServiceRequest.FromString(request.SerializeToString()) == request


@pytest.mark.parametrize(
    "options, option",
    [
        ({"endpoint": "localhost:4317"}, "endpoint"),
        ({"endpoint": "http://"}, "endpoint"),
        ({"endpoint": "http://u:p@localhost"}, "endpoint"),
        ({"endpoint": "http://localhost/v1/logs", "protocol": "grpc"}, "endpoint"),
        ({"endpoint": "https://localhost", "protocol": "grpc", "verify": False}, "verify"),
        ({"ca_file": "ca.pem"}, "ca_file"),
        ({"verify": False}, "ca_file"),
        ({"endpoint": "https://localhost", "key_file": "k"}, "cert_file"),
        ({"endpoint": "https://localhost", "ca_file": "c", "verify": False}, "ca_file"),
        ({"batch_bytes": 0}, "batch_bytes"),
        ({"timeout_s": -1}, "timeout_s"),
    ],
)
def test_options_that_cannot_be_are_named(options: dict[str, Any], option: str) -> None:
    with pytest.raises(OptionError) as caught:
        OtlpOptions(**options)
    assert caught.value.option == option


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(OptionError, match="ca_file"):
        OtlpOptions(endpoint="https://localhost", ca_file="/nowhere/ca.pem").build()
