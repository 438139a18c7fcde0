"""How export requests are sent: OTLP/HTTP with binary protobuf, and OTLP/gRPC.

Both map every answer to what a sink knows: a response, RetryLater, Unreachable or RefusedError.

Source: OTLP specification 1.9 (opentelemetry-proto, docs/specification.md), OTLP/gRPC Response and
OTLP/HTTP Response.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agenttrail import __version__
from agenttrail.errors import RetryLater, Unreachable
from agenttrail.seams import ExportKind
from agenttrail.sinks._http import about_certificate, bare, retry_after_s

if TYPE_CHECKING:
    from agenttrail.sinks.otlp import OtlpOptions

HINT = "is this an OTLP receiver, and are the credentials in headers right?"
LOGS_PATH = "/v1/logs"
_METHODS: Mapping[ExportKind, str] = {
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
}
_RETRYABLE_HTTP = {429, 502, 503, 504}
_BAD_DATA_HTTP = {400, 413, 422}
_RETRYABLE_GRPC = {
    "CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS",
}  # fmt: skip


class RefusedError(Exception):
    """The receiver will not take the data of this request; nothing of it was accepted."""


def response_class(kind: ExportKind) -> Any:
    """The message that answers a request of this kind."""
    if kind == "logs":
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
            ExportLogsServiceResponse,
        )

        return ExportLogsServiceResponse
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    return ExportTraceServiceResponse


class HttpTransport:
    """OTLP/HTTP with binary protobuf. Not for use by several threads."""

    def __init__(self, options: OtlpOptions, now: Callable[[], float]) -> None:
        import requests
        import urllib3

        parts = urlsplit(options.endpoint)
        path = LOGS_PATH if parts.path in ("", "/") else parts.path
        self._urls = {
            "logs": parts._replace(path=path).geturl(),
            "traces": parts._replace(path=path.removesuffix(LOGS_PATH) + "/v1/traces").geturl(),
        }
        self._now = now
        self._options = options
        self._session = requests.Session()
        # Credentials come from the options alone, not from a .netrc; proxies still do.
        self._session.auth = _no_auth
        self._session.headers.update(
            {
                **options.headers,
                "Content-Type": "application/x-protobuf",
                "User-Agent": f"agenttrail/{__version__}",
            }
        )
        self._verify = (options.ca_file or True) if options.verify else False
        if not options.verify:
            # The operator chose it; once a request would be noise.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        if options.cert_file and options.key_file:
            self._session.cert = (options.cert_file, options.key_file)

    def export(self, kind: ExportKind, data: bytes, /) -> Any:
        """The response to a serialized request. Raises RetryLater, Unreachable or RefusedError."""
        import requests
        from google.protobuf import json_format
        from google.protobuf.message import DecodeError

        where = bare(self._urls[kind])
        headers: dict[str, str] = {}
        if self._options.compress:
            data = gzip.compress(data, compresslevel=6, mtime=0)
            headers["Content-Encoding"] = "gzip"
        try:
            answer = self._session.post(
                self._urls[kind],
                data=data,
                headers=headers,
                timeout=self._options.timeout_s,
                verify=self._verify,  # here, because REQUESTS_CA_BUNDLE overrides a session's
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as error:
            # A certificate stays wrong; a handshake may break because the receiver is restarting.
            raise (Unreachable if about_certificate(str(error)) else RetryLater)(
                f"{where}: TLS failed",
                hint="check https, ca_file, cert_file, key_file and verify",
            ) from None
        except requests.RequestException as error:
            raise RetryLater(
                f"{where}: no answer ({type(error).__name__})",
                hint="is the address right and the receiver up?",
            ) from None
        status = answer.status_code
        if status in _RETRYABLE_HTTP:
            now = datetime.fromtimestamp(self._now(), UTC)
            wish = retry_after_s(answer.headers.get("Retry-After"), now)
            raise RetryLater(f"{where}: answered {status}", after_s=wish)
        if status in _BAD_DATA_HTTP:
            raise RefusedError(f"status_{status}")
        if not 200 <= status < 300:
            raise Unreachable(f"{where}: answered {status}", hint=HINT)
        content_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if not answer.content:
            return response_class(kind)()
        try:
            if content_type == "application/json":
                return json_format.Parse(
                    answer.content, response_class(kind)(), ignore_unknown_fields=True
                )
            if content_type == "application/x-protobuf":
                return response_class(kind).FromString(answer.content)
        except (DecodeError, json_format.ParseError):
            pass
        # Something that says 200 to everything (a proxy, a login page) must not eat events.
        raise Unreachable(f"{where}: the answer is not OTLP's", hint=HINT)

    def close(self) -> None:
        self._session.close()


class GrpcTransport:
    """OTLP/gRPC, unary exports; for any number of threads."""

    def __init__(self, options: OtlpOptions) -> None:
        import grpc

        parts = urlsplit(options.endpoint)
        default = 443 if parts.scheme == "https" else 4317
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        target = f"{host}:{parts.port or default}"
        settings: dict[str, Any] = {
            "options": [
                # The runner decides how long to wait; a channel that sulks longer would fail its tries.
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.min_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 1000),
                ("grpc.primary_user_agent", f"agenttrail/{__version__}"),
            ],
            "compression": grpc.Compression.Gzip if options.compress else None,
        }
        if parts.scheme == "https":
            credentials = grpc.ssl_channel_credentials(
                *(
                    Path(path).read_bytes() if path else None
                    for path in (options.ca_file, options.key_file, options.cert_file)
                )
            )
            self._channel = grpc.secure_channel(target, credentials, **settings)
        else:
            self._channel = grpc.insecure_channel(target, **settings)
        self._calls = {
            kind: self._channel.unary_unary(
                method, response_deserializer=response_class(kind).FromString
            )
            for kind, method in _METHODS.items()
        }
        self._metadata = [(key.lower(), value) for key, value in options.headers.items()]
        self._timeout_s = options.timeout_s
        self._bare = bare(options.endpoint)

    def export(self, kind: ExportKind, data: bytes, /) -> Any:
        """The response to a serialized request. Raises RetryLater, Unreachable or RefusedError."""
        import grpc

        try:
            response = self._calls[kind](data, timeout=self._timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            code, wish = error.code().name, _retry_delay_s(error.trailing_metadata() or ())
            if code in _RETRYABLE_GRPC or (code == "RESOURCE_EXHAUSTED" and wish is not None):
                raise RetryLater(
                    f"{self._bare}: answered {code}",
                    hint="is the address right, TLS as the receiver has it, and the receiver up?",
                    after_s=wish,
                ) from None
            too_large = code == "RESOURCE_EXHAUSTED" and "larger than" in (error.details() or "")
            if code == "INVALID_ARGUMENT" or too_large:
                raise RefusedError("too_large" if too_large else code.lower()) from None
            raise Unreachable(f"{self._bare}: answered {code}", hint=HINT) from None
        return response

    def close(self) -> None:
        self._channel.close()


def _retry_delay_s(metadata: Sequence[tuple[str, Any]]) -> float | None:
    """Seconds of RetryInfo in the details of a gRPC status; None where there is none.

    google.rpc's messages are read by their field numbers (google/rpc/status.proto: details is 3;
    google/rpc/error_details.proto: retry_delay is 1): no package of them is needed for one number.
    """
    from google.protobuf.any_pb2 import Any as AnyMessage
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.message import DecodeError

    try:
        for detail in _fields(dict(metadata).get("grpc-status-details-bin", b""), 3):
            packed = AnyMessage.FromString(detail)
            if packed.type_url.endswith("/google.rpc.RetryInfo"):
                for delay in _fields(packed.value, 1):
                    return max(0, Duration.FromString(delay).ToNanoseconds()) / 1e9
    except DecodeError:
        pass
    return None


def _fields(message: bytes, number: int) -> Iterator[bytes]:
    """The values of one length-delimited field of a message whose type is not known here."""
    from google.protobuf.empty_pb2 import Empty
    from google.protobuf.unknown_fields import UnknownFieldSet

    unknown = UnknownFieldSet(Empty.FromString(message))
    for index in range(len(unknown)):
        field = unknown[index]
        if field.field_number == number and isinstance(field.data, bytes):
            yield field.data


def _no_auth(request: Any) -> Any:
    return request
