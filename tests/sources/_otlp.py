"""What tests of the OTLP server send: requests, clients, certificates."""

from __future__ import annotations

import contextlib
import gzip
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import requests
from google.protobuf import any_pb2, json_format
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agenttrail.seams import Export
from agenttrail.sources.otlp import OtlpOptions
from tests.engines._process import tool

TRACE_ID = "5b8efff798038103d269b633813fc60c"
SPAN_ID, PARENT_ID = "eee19b7ec3c1b174", "00f067aa0ba902b7"
SERVICES = {
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
LOGS_JSON: dict[str, Any] = {
    "resourceLogs": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "desk"}}]},
            "scopeLogs": [
                {
                    "scope": {"name": "agent", "version": "1"},
                    "logRecords": [
                        {
                            "timeUnixNano": "1544712660300000000",
                            "severityNumber": 9,
                            "body": {"stringValue": "mail ann@example.com"},
                            "attributes": [
                                {"key": "n", "value": {"intValue": "7"}},
                                {
                                    "key": "to",
                                    "value": {"arrayValue": {"values": [{"stringValue": "a"}]}},
                                },
                                {
                                    "key": "who",
                                    "value": {
                                        "kvlistValue": {
                                            "values": [{"key": "x", "value": {"boolValue": True}}]
                                        }
                                    },
                                },
                                {"key": "raw", "value": {"bytesValue": "AAE="}},
                            ],
                            "traceId": TRACE_ID.upper(),
                            "spanId": SPAN_ID,
                            "eventName": "told",
                        }
                    ],
                }
            ],
        }
    ]
}
TRACES_JSON: dict[str, Any] = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "desk"}}]},
            "scopeSpans": [
                {
                    "scope": {"name": "agent"},
                    "schemaUrl": "https://opentelemetry.io/schemas/1.40.0",
                    "spans": [
                        {
                            "traceId": TRACE_ID,
                            "spanId": SPAN_ID,
                            "parentSpanId": PARENT_ID,
                            "name": "execute_tool find",
                            "kind": 3,
                            "startTimeUnixNano": "1544712660000000000",
                            "endTimeUnixNano": 1544712661000000000,
                            "attributes": [{"key": "x", "value": {"doubleValue": 1.5}}],
                            "events": [{"timeUnixNano": "1544712660500000000", "name": "step"}],
                            "links": [{"traceId": TRACE_ID, "spanId": PARENT_ID}],
                            "status": {"code": 2, "message": "gone"},
                            "somethingNew": {"a": 1},
                        }
                    ],
                }
            ],
        }
    ]
}


def logs(*bodies: str) -> ExportLogsServiceRequest:
    """A request with a record for each body."""
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for body in bodies:
        scope.log_records.add().body.string_value = body
    return request


def binary(kind: str) -> bytes:
    """The request of `LOGS_JSON` or `TRACES_JSON` as protobuf."""
    text = {"logs": LOGS_JSON, "traces": TRACES_JSON}[kind]
    request = ExportLogsServiceRequest() if kind == "logs" else ExportTraceServiceRequest()
    import base64
    import copy

    value = copy.deepcopy(text)

    def ids(node: Any) -> None:
        if isinstance(node, dict):
            for key, item in node.items():
                if key in ("traceId", "spanId", "parentSpanId"):
                    node[key] = base64.b64encode(bytes.fromhex(item)).decode()
                else:
                    ids(item)
        elif isinstance(node, list):
            for item in node:
                ids(item)

    ids(value)
    return json_format.ParseDict(value, request, ignore_unknown_fields=True).SerializeToString()


@contextlib.contextmanager
def serve(handle: Callable[[Export], int], **options: Any) -> Iterator[Any]:
    """A server on free ports of the loopback address; `.said` is what it told."""
    said: list[str] = []
    made = OtlpOptions(**{"grpc": "127.0.0.1:0", "http": "127.0.0.1:0", **options})
    server = made.serve(handle, said.append)
    server.said = said
    server.start()
    try:
        yield server
    finally:
        server.close()


def post(
    server: Any, kind: str, body: bytes, *, scheme: str = "http", headers: Mapping[str, str] = {}, **more: Any
) -> requests.Response:  # fmt: skip
    """One POST as OTLP/HTTP; binary protobuf if the headers say nothing else."""
    return requests.post(
        f"{scheme}://localhost:{server.ports['http']}/v1/{kind}" if scheme == "https" else f"http://127.0.0.1:{server.ports['http']}/v1/{kind}",
        data=body, headers={"Content-Type": "application/x-protobuf", **headers}, timeout=30, **more,
    )  # fmt: skip


def call(
    server: Any,
    kind: str,
    body: bytes,
    *,
    credentials: grpc.ChannelCredentials | None = None,
    timeout: float = 30.0,
    metadata: tuple[tuple[str, str], ...] = (),
    compression: grpc.Compression | None = None,
) -> bytes:
    """One unary call as OTLP/gRPC; raises grpc.RpcError."""
    target = f"localhost:{server.ports['grpc']}" if credentials else f"127.0.0.1:{server.ports['grpc']}"  # fmt: skip
    options = [("grpc.max_send_message_length", -1)]
    channel = (
        grpc.secure_channel(target, credentials, options=options)
        if credentials
        else grpc.insecure_channel(target, options=options)
    )
    with channel:
        return channel.unary_unary(SERVICES[kind])(
            body, timeout=timeout, metadata=metadata, compression=compression
        )


def retry_delay_s(error: grpc.RpcError) -> float | None:
    """What the RetryInfo of a status says."""
    packed = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if packed is None:
        return None
    for detail in status_pb2.Status.FromString(packed).details:
        info = error_details_pb2.RetryInfo()
        assert isinstance(detail, any_pb2.Any)
        assert detail.Unpack(info)
        return info.retry_delay.ToNanoseconds() / 1e9
    return None


def squeezed(body: bytes) -> bytes:
    """gzip."""
    return gzip.compress(body)


def certificates(folder: Path) -> Path:
    """An authority, a server's certificate for localhost and a client's, by openssl."""
    openssl = tool("openssl", "apt-get install openssl")
    (folder / "san").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca",
        "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile san",
        "req -newkey rsa:2048 -nodes -keyout client.key -out client.csr -subj /CN=client",
        "x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out client.pem -days 2",
    ):
        subprocess.run([openssl, *command.split()], cwd=folder, check=True, capture_output=True)
    return folder
