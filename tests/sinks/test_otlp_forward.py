"""Masked requests forwarded: every answer of a destination becomes what a hop can act on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from agenttrail.errors import Refused, RetryLater, Unreachable
from agenttrail.seams import MaskedExport
from agenttrail.sinks._otlp_forward import OtlpExportSink
from agenttrail.sinks.otlp import OtlpOptions
from tests.engines._process import free_ports
from tests.sinks._http_server import serve

PROTOBUF = {"Content-Type": "application/x-protobuf"}


def traces(*names: str) -> MaskedExport:
    """A span a name, each in a scope of its own, two scopes a resource."""
    message = ExportTraceServiceRequest()
    for number, name in enumerate(names):
        if number % 2 == 0:
            group = message.resource_spans.add(schema_url=f"r{number // 2}")
        group.scope_spans.add(schema_url=f"s{number}").spans.add(name=name)
    return _masked("traces", message, len(names))


def logs(*bodies: str) -> MaskedExport:
    message = ExportLogsServiceRequest()
    scope = message.resource_logs.add().scope_logs.add()
    for body in bodies:
        scope.log_records.add().body.string_value = body
    return _masked("logs", message, len(bodies))


def _masked(kind: Any, message: Any, items: int) -> MaskedExport:
    return MaskedExport(
        kind=kind, payload=message.SerializeToString(), items=items, failed=0, counts={}
    )


class Destination:
    """Answers in turn, and keeps what it was sent: (path or method, names or bodies)."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.got = list(answers), []

    def take(self, where: str, body: bytes) -> Any:
        if "races" in where or "Trace" in where:
            read = ExportTraceServiceRequest.FromString(body)
            inside = [s.name for r in read.resource_spans for g in r.scope_spans for s in g.spans]
        else:
            message = ExportLogsServiceRequest.FromString(body)
            inside = [
                record.body.string_value
                for r in message.resource_logs
                for g in r.scope_logs
                for record in g.log_records
            ]
        self.got.append((where, inside))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(inside) if callable(answer) else answer


@contextlib.contextmanager
def http(destination: Destination, **options: Any) -> Iterator[OtlpExportSink]:
    def answer(_: str, path: str, __: dict[str, str], body: bytes) -> Any:
        return destination.take(path, body)

    with serve(answer) as url:
        sink = OtlpExportSink(
            OtlpOptions(**{"endpoint": url, "compress": False, **options}), now=lambda: 0.0
        )
        yield sink
        sink.close()


@contextlib.contextmanager
def rpc(destination: Destination) -> Iterator[OtlpExportSink]:
    """A gRPC server; an answer is bytes, or a status code by name."""

    def handler(details: Any) -> Any:
        def answer(body: bytes, context: Any) -> bytes:
            made = destination.take(details.method, body)
            if isinstance(made, tuple):
                context.abort(grpc.StatusCode[made[0]], made[1])
            return made

        return grpc.unary_unary_rpc_method_handler(answer)

    class Any_(grpc.GenericRpcHandler):  # noqa: N801
        def service(self, details: Any) -> Any:
            return handler(details)

    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=(Any_(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sink = OtlpExportSink(
        OtlpOptions(endpoint=f"http://127.0.0.1:{port}", protocol="grpc", compress=False)
    )
    try:
        yield sink
    finally:
        sink.close()
        server.stop(None)


OK = (200, PROTOBUF, b"")


def test_each_signal_goes_to_its_own_address_unchanged() -> None:
    for options, paths in (
        ({}, ["/v1/logs", "/v1/traces"]),
        ({"endpoint": "{}/otlp/v1/logs"}, ["/otlp/v1/logs", "/otlp/v1/traces"]),
    ):
        destination = Destination(OK)

        def answer(_: str, path: str, __: dict[str, str], body: bytes, to: Any = destination) -> Any:  # fmt: skip
            return to.take(path, body)

        with serve(answer) as url:
            endpoint = options.get("endpoint", "{}").format(url)
            sink = OtlpExportSink(OtlpOptions(endpoint=endpoint, compress=False))
            assert sink.send(logs("a")) == 0
            assert sink.send(traces("b")) == 0
            sink.check()
            sink.close()
        assert destination.got[:2] == [(paths[0], ["a"]), (paths[1], ["b"])]
        assert destination.got[2:] == [(paths[0], []), (paths[1], [])]


def test_grpc_calls_the_service_of_each_signal() -> None:
    destination = Destination(b"")
    with rpc(destination) as sink:
        assert sink.send(logs("a")) == 0
        assert sink.send(traces("b")) == 0
    assert [(where.split(".")[-1], inside) for where, inside in destination.got] == [
        ("LogsService/Export", ["a"]),
        ("TraceService/Export", ["b"]),
    ]


@pytest.mark.parametrize(
    "answer, after",
    [
        ((429, {"Retry-After": "7"}, b""), 7.0),
        ((503, {}, b""), None),
        ((401, {}, b""), 5.0),
        ((404, {}, b""), 5.0),
        ((500, {}, b""), 5.0),
        ((200, {"Content-Type": "text/html"}, b"log in"), 5.0),
    ],
)
def test_what_may_be_mended_is_given_back_to_the_sender(answer: Any, after: float | None) -> None:
    with http(Destination(answer)) as sink, pytest.raises(RetryLater) as caught:
        sink.send(logs("a", "b"))
    assert caught.value.after_s == after
    with http(Destination(answer)) as sink, pytest.raises(Unreachable):
        sink.check()


def test_nobody_there_is_given_back_too() -> None:
    for protocol in ("http", "grpc"):
        sink = OtlpExportSink(
            OtlpOptions(endpoint=f"http://127.0.0.1:{free_ports(1)[0]}", protocol=protocol, timeout_s=2)  # type: ignore[arg-type]
        )  # fmt: skip
        with pytest.raises(RetryLater):
            sink.send(logs("a"))
        sink.close()


@pytest.mark.parametrize("status", [400, 413])
def test_a_refused_request_is_halved_until_the_culprit_is_alone(status: int) -> None:
    destination = Destination(lambda inside: (status, {}, b"") if "bad" in inside else OK)
    with http(destination) as sink:
        assert sink.send(traces("a", "b", "c", "bad", "d")) == 1
    accepted = [name for _, inside in destination.got for name in inside if "bad" not in inside]
    assert sorted(accepted) == ["a", "b", "c", "d"]


def test_halves_keep_their_resource_and_scope() -> None:
    kept: list[Any] = []

    def answer(_: str, __: str, ___: dict[str, str], body: bytes) -> Any:
        message = ExportTraceServiceRequest.FromString(body)
        shape = [
            (group.schema_url, scoped.schema_url, span.name)
            for group in message.resource_spans
            for scoped in group.scope_spans
            for span in scoped.spans
        ]
        if len(shape) > 1:
            return 413, {}, b""
        assert len(message.resource_spans) == len(message.resource_spans[0].scope_spans) == 1
        kept.append(shape[0])
        return OK

    with serve(answer) as url:
        sink = OtlpExportSink(OtlpOptions(endpoint=url, compress=False))
        assert sink.send(traces("a", "b", "c")) == 0
        sink.close()
    assert kept == [("r0", "s0", "a"), ("r0", "s1", "b"), ("r1", "s2", "c")]


def test_a_request_that_is_refused_whole_is_refused_and_the_tries_have_an_end() -> None:
    destination = Destination((400, {}, b""))
    with http(destination) as sink:
        with pytest.raises(Refused, match="status_400"):
            sink.send(logs("a"))
        with pytest.raises(Refused):
            sink.send(logs(*map(str, range(1000))))
    assert len(destination.got) <= 402


def test_a_request_too_large_for_grpc_is_halved() -> None:
    destination = Destination(
        lambda inside: ("RESOURCE_EXHAUSTED", "message larger than max") if len(inside) > 1 else b""
    )
    with rpc(destination) as sink:
        assert sink.send(logs("a", "b", "c")) == 0
    assert [inside for _, inside in destination.got if len(inside) == 1] == [["a"], ["b"], ["c"]]


def test_a_partial_success_is_passed_on_and_nothing_is_sent_again() -> None:
    log_answer, trace_answer = ExportLogsServiceResponse(), ExportTraceServiceResponse()
    log_answer.partial_success.rejected_log_records = 2
    trace_answer.partial_success.rejected_spans = 99
    destination = Destination(log_answer.SerializeToString(), trace_answer.SerializeToString())
    with rpc(destination) as sink:
        assert sink.send(logs("a", "b", "c")) == 2
        assert sink.send(traces("a", "b")) == 2
    assert len(destination.got) == 2
