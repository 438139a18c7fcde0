"""Source `otlp`: an OTLP server for logs and traces, over gRPC and HTTP (protobuf or JSON).

A span or a log record becomes one record for the format `otel`, a JSON object:

    {"kind": "span" | "log",
     "resource": {"attributes": {…}, "schemaUrl": "…"},
     "scope": {"name": "…", "version": "…", "attributes": {…}, "schemaUrl": "…"},
     "span" | "log": {… as in OTLP/JSON …}}

in which ids are lowercase hexadecimal, times decimal strings of nanoseconds, enumerations numbers,
and every `attributes` (of events and links too) and the `body` plain JSON. What is empty is left out.

Promises:

- A request is answered when every sink has all of it, so its sender may forget it then, and not
  before. A sender who asks again meanwhile waits for the same outcome (`_otlp_intake.py`).
- The same span or log record has the same event id however often and in whatever company it is
  sent, so a retry after a crash stores nothing twice. Of equal records in one request each counts.
- Too much is refused with the answer that makes senders come again (`_otlp_server.py`): memory is
  bounded, nothing is dropped.
- A byte that no string may hold becomes U+FFFD; only what is no OTLP at all is refused for good.

Metrics are not served (UNIMPLEMENTED, 404): they hold no content to mask; let them pass beside.

To mask traces and logs and pass them on as they are, see `agenttrail hop`.

Source: OTLP specification 1.9 (opentelemetry-proto, docs/specification.md).

For a sender that cannot wait for the destination (an SDK without a queue), let the sink be `jsonl`,
which syncs what it writes, and ship that file by a second run (source `file` with a checkpoint,
format `agenttrail`): the answer then comes when masked events are on disk.

Limits: zstd is understood over HTTP only. An address that other machines reach needs TLS, or
`plaintext: true` where the network is trusted. An answer waits for the batch (delivery.flush_s at
most, at once where nothing else comes).
"""

from __future__ import annotations

import hashlib
import importlib.util
import queue
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from agenttrail.errors import OptionError, RetryLater, SourceError
from agenttrail.seams import Export, Idle, Notice, Position, Record, StreamEnd

if TYPE_CHECKING:
    from agenttrail.sources._otlp_intake import Handler
    from agenttrail.sources._otlp_server import Server

_LOOPBACK = ("127.", "localhost", "[::1]", "::1")
_QUEUED = 1000
_IDLE_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpOptions:
    """OpenTelemetry logs and traces, over gRPC and HTTP, from a collector or an SDK."""

    type: ClassVar[str] = "otlp"
    grpc: Annotated[str | None, "HOST:PORT to listen on for gRPC; null for none."] = (
        "127.0.0.1:4317"
    )
    http: Annotated[str | None, "HOST:PORT to listen on for HTTP; null for none."] = (
        "127.0.0.1:4318"
    )
    cert_file: Annotated[str | None, "PEM file of the server's certificate."] = None
    key_file: Annotated[str | None, "PEM file of its private key."] = None
    client_ca_file: Annotated[
        str | None, "PEM file of an authority; clients must show a certificate that it signed."
    ] = None
    token: Annotated[str | None, "What clients must send as: Authorization: Bearer TOKEN."] = field(
        default=None, repr=False
    )
    plaintext: Annotated[
        bool, "Allow an address that other machines reach without TLS; for networks you trust."
    ] = False
    max_request_bytes: Annotated[
        int, "Largest request, before and after decompression; a larger one is refused for good."
    ] = 20_971_520
    max_waiting_bytes: Annotated[
        int, "Bytes of all requests at work together; beyond it senders are told to come again."
    ] = 67_108_864
    items_per_s: Annotated[
        float | None, "Spans and log records a second; beyond it senders are told to come again."
    ] = None

    def __post_init__(self) -> None:
        if self.grpc is None and self.http is None:
            raise OptionError("grpc", "neither gRPC nor HTTP is served", hint="leave one of them")
        for name in ("grpc", "http"):
            address = getattr(self, name)
            if address is None:
                continue
            host, _, port = address.rpartition(":")
            if not host or not port.isdecimal() or int(port) > 65535:
                raise OptionError(name, "must be HOST:PORT, as 127.0.0.1:4317")
            if not (self.cert_file or self.plaintext or host.startswith(_LOOPBACK)):
                raise OptionError(
                    name, "other machines reach this address, and it has no TLS",
                    hint="cert_file and key_file; or 127.0.0.1; or plaintext: true on a trusted network",
                )  # fmt: skip
        if (self.cert_file is None) != (self.key_file is None):
            raise OptionError("cert_file", "cert_file and key_file go together")
        if self.client_ca_file and not self.cert_file:
            raise OptionError("client_ca_file", "has no effect without cert_file and key_file")
        if self.plaintext and self.cert_file:
            raise OptionError("plaintext", "has no effect where cert_file is given")
        if self.token == "":
            raise OptionError("token", "must not be empty")
        for name in ("max_request_bytes", "max_waiting_bytes", "items_per_s"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise OptionError(name, "must be positive")

    def build(self, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> OtlpSource:
        """The source; it listens as soon as it is read. Raises OptionError for missing files."""
        for name in ("cert_file", "key_file", "client_ca_file"):
            path = getattr(self, name)
            if path is not None and not Path(path).is_file():
                raise OptionError(name, "is no file")
        return OtlpSource(self, now=now)

    def serve(
        self,
        handle: Handler,
        say: Callable[[str], None],
        died: Callable[[str], None] = lambda _: None,
    ) -> Server:
        """A server, not yet started, that gives every request to `handle`.

        `died` is told where it may listen and never answer again: start anew.

        Raises:
            SourceError: a package of the extra `otlp` is not installed.
        """
        _need("grpc", "uvicorn", "opentelemetry.proto", "google.rpc")
        from agenttrail.sources._otlp_intake import Intake
        from agenttrail.sources._otlp_server import Server, Tls

        tls = None
        if self.cert_file and self.key_file:
            tls = Tls(
                cert_file=self.cert_file, key_file=self.key_file, client_ca_file=self.client_ca_file
            )
        intake = Intake(
            handle, max_request_bytes=self.max_request_bytes,
            max_waiting_bytes=self.max_waiting_bytes, items_per_s=self.items_per_s, say=say,
        )  # fmt: skip
        return Server(
            intake, grpc=self.grpc, http=self.http, tls=tls, token=self.token, died=died
        )  # fmt: skip


def _need(*modules: str) -> None:
    """Raises SourceError where one of the modules cannot be imported; imports none of them."""
    for module in modules:
        try:
            found = importlib.util.find_spec(module) is not None
        except (ImportError, ValueError):
            found = False
        if not found:
            raise SourceError(
                f"otlp: the package {module.split('.')[0]} is not installed",
                hint="pip install 'agenttrail[otlp]'",
            )


@dataclass(slots=True)
class _Request:
    """One request between the server's thread and the runner's."""

    records: list[Record]
    done: threading.Event = field(default_factory=threading.Event)
    failed: bool = False


class OtlpSource:
    """Records of what is sent to the server; see the module.

    Every request is an incarnation of its own, and its positions count records.
    """

    def __init__(self, options: OtlpOptions, *, now: Callable[[], datetime]) -> None:
        self._options, self._now = options, now
        self._server = options.serve(self._handle, self._say, self._die)
        self._queue: queue.Queue[_Request | Notice | SourceError] = queue.Queue(_QUEUED)
        self._open: dict[str, _Request] = {}
        self._lock = threading.Lock()
        self._number = 0
        self._closed = False

    @property
    def ports(self) -> dict[str, int]:
        """The ports that are listened on, by protocol."""
        return self._server.ports

    def read(self) -> Iterator[Record | StreamEnd | Notice | Idle]:
        self._server.start()
        for protocol, port in self._server.ports.items():
            yield Notice(text=f"otlp: listening for {protocol} on port {port}")
        while not self._closed:
            try:
                item = self._queue.get(timeout=0.0)
            except queue.Empty:
                # Nothing else waits: what came is shipped at once, and its sender answered.
                yield Idle()
                try:
                    item = self._queue.get(timeout=_IDLE_S)
                except queue.Empty:
                    continue
            if isinstance(item, SourceError):
                raise item
            if isinstance(item, Notice):
                yield item
            else:
                yield from item.records

    def commit(self, positions: Sequence[Position], /) -> None:
        """Answers the requests of which every record is delivered."""
        for position in positions:
            with self._lock:
                request = self._open.get(position.incarnation)
            if request is not None and position.offset >= len(request.records):
                request.done.set()

    def close(self) -> None:
        self._closed = True
        with self._lock:
            waiting = [request for request in self._open.values() if not request.done.is_set()]
        for request in waiting:
            request.failed = True
            request.done.set()
        self._server.close()

    def _handle(self, export: Export) -> int:
        with self._lock:
            self._number += 1
            name = f"otlp:{self._number}"
        request = _Request(list(self._records(export, name)))
        if not request.records:
            return 0
        with self._lock:
            if self._closed:
                raise RetryLater("closing down", after_s=1.0)
            self._open[name] = request
        try:
            self._queue.put(request)
            request.done.wait()
        finally:
            with self._lock:
                del self._open[name]
        if request.failed:
            raise RetryLater("closing down before everything was delivered", after_s=1.0)
        return 0

    def _records(self, export: Export, name: str) -> Iterator[Record]:
        from agenttrail.sources._otlp_json import lines

        time = self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        seen: Counter[bytes] = Counter()
        for number, data in enumerate(lines(export)):
            # What is equal counts each time, and has the same ids whenever it is sent again.
            content = hashlib.blake2b(data, digest_size=16).digest()
            twin = seen[content].to_bytes(4, "big")
            seen[content] += 1
            yield Record(
                data=data, source=self._options.type, path=None, stream="otlp", incarnation=name,
                line=number + 1, offset=number, end=number + 1, full_bytes=len(data), time=time,
                digest=hashlib.blake2b(content + twin, digest_size=16, person=b"otlp").digest(),
            )  # fmt: skip

    def _die(self, text: str) -> None:
        self._queue.put(
            SourceError(f"otlp: {text}", hint="start it again; senders keep their data")
        )

    def _say(self, text: str) -> None:
        try:
            self._queue.put_nowait(Notice(text=f"otlp: {text}"))
        except queue.Full:
            sys.stderr.write(f"otlp: {text}\n")
