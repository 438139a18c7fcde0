"""Sink `otlp`: OTLP logs over HTTP/protobuf or gRPC, one LogRecord an event (`_otlp_message.py`).

Promises:

- `write` returns when the receiver has accepted every record. It goes by the messages themselves,
  not by the SDK's exporter, which reports a partial success as a success.
- Retryable answers (HTTP 429, 502, 503, 504; gRPC CANCELLED, DEADLINE_EXCEEDED, ABORTED,
  OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS, and RESOURCE_EXHAUSTED with RetryInfo) and lost connections
  are RetryLater, with the receiver's own wish of when (Retry-After, RetryInfo).
- Refused data (HTTP 400, 413, 422; gRPC INVALID_ARGUMENT, a message that is too large) is halved until
  the culprit is alone, and that one is Rejected. Nothing of a refused request was accepted, so the
  halves duplicate nothing. Every other answer is a fault that an operator must mend: Unreachable.
- Partial success: the receiver says how many it rejected, not which, and asking again would
  duplicate the rest and is forbidden. So all events of that request are Rejected, their reason
  saying how many truly were. The next requests hold half as many events, down to one, and grow by
  a quarter whenever one is accepted whole: where bad events go on, few good ones are suspected.

Source: OTLP specification 1.9 (opentelemetry-proto, docs/specification.md).

Limits: OTLP has no ids that a receiver would know again: what is sent twice (after a lost answer, say)
arrives twice; event.id tells. Refusals of HTTP status 500 stop the run, as retrying is forbidden and
nothing says that the data is at fault.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol
from urllib.parse import urlsplit

from agenttrail import __version__
from agenttrail import fields as f
from agenttrail.errors import OptionError, Rejected, RetryLater, Unreachable
from agenttrail.seams import ExportKind, MaskedEvent
from agenttrail.sinks._extra import need
from agenttrail.sinks._http import bare
from agenttrail.sinks._otlp_transport import HINT, GrpcTransport, HttpTransport, RefusedError

if TYPE_CHECKING:
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

_SCHEMA_URL = f"https://opentelemetry.io/schemas/{f.SEMCONV}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpOptions:
    """OpenTelemetry logs over HTTP or gRPC, to a collector or any backend that takes OTLP."""

    type: ClassVar[str] = "otlp"
    endpoint: Annotated[
        str, "Address: http(s)://HOST:PORT, for HTTP with a path if it is not /v1/logs."
    ] = "http://localhost:4318"
    protocol: Annotated[Literal["http", "grpc"], "http is HTTP with protobuf."] = "http"
    headers: Annotated[dict[str, str], "Sent with each request; for credentials."] = field(
        default_factory=dict, repr=False
    )
    resource: Annotated[dict[str, str], "Resource attributes beside service.name."] = field(
        default_factory=dict
    )
    ca_file: Annotated[str | None, "PEM file of the authority that signed the certificate."] = None
    cert_file: Annotated[str | None, "PEM file of the client's certificate."] = None
    key_file: Annotated[str | None, "PEM file of its private key."] = None
    verify: Annotated[bool, "Check the server's certificate; gRPC always does."] = True
    compress: Annotated[bool, "Send gzip."] = True
    # gRPC receivers take 4 MiB if not told otherwise.
    batch_bytes: Annotated[int, "Largest request before compression, in bytes."] = 3_500_000
    timeout_s: Annotated[float, "How long one request may take, in seconds."] = 30.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.endpoint)
        try:
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise OptionError("endpoint", "must be http://HOST:PORT or https://HOST:PORT")
        if parts.username:
            raise OptionError("endpoint", "must not hold credentials", hint="use headers")
        if self.protocol == "grpc" and parts.path not in ("", "/"):
            raise OptionError("endpoint", "has a path, which gRPC does not know")
        if self.protocol == "grpc" and not self.verify:
            raise OptionError("verify", "gRPC always verifies", hint="give ca_file")
        if parts.scheme == "http" and (self.ca_file or self.cert_file or not self.verify):
            raise OptionError("ca_file", "TLS options have no effect on an http:// endpoint")
        if (self.cert_file is None) != (self.key_file is None):
            raise OptionError("cert_file", "cert_file and key_file go together")
        if self.ca_file and not self.verify:
            raise OptionError("ca_file", "has no effect where verify is false")
        if self.batch_bytes <= 0:
            raise OptionError("batch_bytes", "must be positive")
        if self.timeout_s <= 0:
            raise OptionError("timeout_s", "must be positive")

    def build(self, now: Callable[[], float] = time.time) -> OtlpSink:
        """The sink. Raises OptionError for certificate files that cannot be read."""
        for name in ("ca_file", "cert_file", "key_file"):
            path = getattr(self, name)
            if path is not None and not Path(path).is_file():
                raise OptionError(name, "is no file")
        need("otlp", "opentelemetry.proto", "grpc" if self.protocol == "grpc" else "requests")
        transport = GrpcTransport(self) if self.protocol == "grpc" else HttpTransport(self, now)
        return OtlpSink(self, transport, now)


class _Transport(Protocol):
    def export(self, kind: ExportKind, data: bytes, /) -> Any:
        """Raises RetryLater, Unreachable or RefusedError."""

    def close(self) -> None: ...


class OtlpSink:
    """Exports batches. Not for use by several threads."""

    def __init__(
        self, options: OtlpOptions, transport: _Transport, now: Callable[[], float]
    ) -> None:
        self._options = options
        self._transport = transport
        self._now = now
        self._most: int | None = None  # events a request may hold, after a partial success

    def write(self, batch: Sequence[MaskedEvent], /) -> None:
        """See `seams.Sink`. Raises Unreachable where an operator must mend something first."""
        from agenttrail.sinks._otlp_message import log_record

        observed = int(self._now() * 1e9)
        records = [log_record(event.fields, observed_ns=observed) for event in batch]
        rejected: dict[int, str] = {}
        for chunk in self._chunks(records):
            self._send(records, chunk, rejected)
        if rejected:
            raise Rejected(rejected)

    def check(self) -> None:
        """Sends a request without records, which a receiver must accept."""
        try:
            self._export([])
        except RetryLater as error:
            raise Unreachable(error.message, hint=error.hint or HINT) from error
        except RefusedError as error:
            raise Unreachable(f"{bare(self._options.endpoint)}: {error}", hint=HINT) from None

    def close(self) -> None:
        self._transport.close()

    def _chunks(self, records: Sequence[LogRecord]) -> Iterator[range]:
        """Ranges of the records in requests of at most `batch_bytes`, or of one record."""
        start = size = 0
        for index, record in enumerate(records):
            bytes_ = record.ByteSize() + 8  # its tag and length
            full = self._most is not None and index - start >= self._most
            if index > start and (full or size + bytes_ > self._options.batch_bytes):
                yield range(start, index)
                start, size = index, 0
            size += bytes_
        if start < len(records):
            yield range(start, len(records))

    def _send(self, records: Sequence[LogRecord], chunk: range, rejected: dict[int, str]) -> None:
        try:
            response = self._export([records[i] for i in chunk])
        except RefusedError as error:
            if len(chunk) == 1:
                rejected[chunk[0]] = str(error)
                return
            middle = len(chunk) // 2
            self._send(records, chunk[:middle], rejected)
            self._send(records, chunk[middle:], rejected)
            return
        count = response.partial_success.rejected_log_records
        if count > 0:
            # Its error_message may quote content.
            rejected.update((i, f"partial_success_{count}_of_{len(chunk)}") for i in chunk)
            self._most = max(1, len(chunk) // 2)
        elif self._most is not None:
            self._most += max(1, self._most // 4)

    def _export(self, records: Sequence[LogRecord]) -> Any:
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

        from agenttrail.sinks._otlp_message import any_value

        request = ExportLogsServiceRequest()
        if records:
            group = request.resource_logs.add()
            for key, value in {"service.name": "agenttrail", **self._options.resource}.items():
                group.resource.attributes.add(key=key, value=any_value(value))
            scope = group.scope_logs.add(schema_url=_SCHEMA_URL)
            scope.scope.name, scope.scope.version = "agenttrail", __version__
            scope.log_records.extend(records)
        return self._transport.export("logs", request.SerializeToString())
