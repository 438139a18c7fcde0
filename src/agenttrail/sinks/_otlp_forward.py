"""Sends masked export requests on as they are: the sink of a hop that relays.

- What an operator must mend (a refused token, a wrong address) is RetryLater: the sender keeps its
  data until it is mended.
- A request that the destination refuses, as too large or as bad, is sent again in halves until the
  culprits are alone; they are counted as rejected, which the sender is told (partial success).
  After so many tries what is left of it counts as rejected whole.
- Of a partial success the count is passed on; nothing is sent again, as OTLP demands.

Limits: where one half was taken and the other must be tried later, the retry repeats the first.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agenttrail.errors import Refused, RetryLater, Unreachable
from agenttrail.seams import ExportKind, MaskedExport
from agenttrail.sinks._http import bare
from agenttrail.sinks._otlp_transport import HINT, GrpcTransport, HttpTransport, RefusedError

if TYPE_CHECKING:
    from agenttrail.sinks.otlp import OtlpOptions

_TRIES = 200


class OtlpExportSink:
    """Forwards; for any number of threads."""

    def __init__(self, options: OtlpOptions, now: Callable[[], float] = time.time) -> None:
        self._options, self._now = options, now
        self._bare = bare(options.endpoint)
        self._grpc = GrpcTransport(options) if options.protocol == "grpc" else None
        # A connection serves one request at a time: as many as are needed at once are kept.
        self._idle: queue.LifoQueue[HttpTransport] = queue.LifoQueue()

    def send(self, export: MaskedExport, /) -> int:
        """As `seams.ExportSink`."""
        tries = [_TRIES]
        rejected, reason = self._send(export.kind, export.payload, export.items, tries)
        if rejected and rejected == export.items and reason:
            raise Refused(f"{self._bare}: refused a request ({reason})", hint=HINT)
        return rejected

    def check(self) -> None:
        try:
            self._export("logs", b"")
            self._export("traces", b"")
        except RetryLater as error:
            raise Unreachable(error.message, hint=error.hint or HINT) from error
        except RefusedError as error:
            raise Unreachable(f"{self._bare}: {error}", hint=HINT) from None

    def close(self) -> None:
        if self._grpc is not None:
            self._grpc.close()
        while not self._idle.empty():
            self._idle.get().close()

    def _export(self, kind: ExportKind, payload: bytes) -> Any:
        if self._grpc is not None:
            return self._grpc.export(kind, payload)
        try:
            transport = self._idle.get_nowait()
        except queue.Empty:
            transport = HttpTransport(self._options, self._now)
        try:
            return transport.export(kind, payload)
        finally:
            self._idle.put(transport)

    def _send(
        self, kind: ExportKind, payload: bytes, items: int, tries: list[int]
    ) -> tuple[int, str]:
        """How many items were rejected, and why, where a whole request was refused."""
        tries[0] -= 1
        try:
            response = self._export(kind, payload)
        except Unreachable as error:
            raise RetryLater(error.message, hint=error.hint, after_s=5.0) from None
        except RefusedError as error:
            if items < 2 or tries[0] <= 0:
                return items, str(error)
            rejected, reason = 0, ""
            for half, count in _halves(kind, payload, items):
                more, why = self._send(kind, half, count, tries)
                rejected, reason = rejected + more, reason or why
            return rejected, reason
        partial = response.partial_success
        count = partial.rejected_log_records if kind == "logs" else partial.rejected_spans
        return min(items, max(0, count)), ""


def _halves(kind: ExportKind, payload: bytes, items: int) -> list[tuple[bytes, int]]:
    """The request as two, each with half of the items under its own resource and scope."""
    middle = items // 2
    return [
        (_part(kind, payload, range(middle)), middle),
        (_part(kind, payload, range(middle, items)), items - middle),
    ]


def _part(kind: ExportKind, payload: bytes, wanted: range) -> bytes:
    if kind == "logs":
        from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

        data: Any = LogsData.FromString(payload)  # the same message on the wire
        groups, middle, inner = data.resource_logs, "scope_logs", "log_records"
    else:
        from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

        data = TracesData.FromString(payload)
        groups, middle, inner = data.resource_spans, "scope_spans", "spans"
    at = 0
    for group in groups:
        for scoped in getattr(group, middle):
            listed = getattr(scoped, inner)
            first, after = max(wanted.start - at, 0), max(wanted.stop - at, 0)
            at += len(listed)
            del listed[after:]
            del listed[: min(first, len(listed))]
        kept = [scoped for scoped in getattr(group, middle) if getattr(scoped, inner)]
        _keep(getattr(group, middle), kept)
    _keep(groups, [group for group in groups if getattr(group, middle)])
    return bytes(data.SerializeToString())


def _keep(listed: Any, kept: list[Any]) -> None:
    if len(kept) < len(listed):
        copies = [type(item).FromString(item.SerializeToString()) for item in kept]
        del listed[:]
        listed.extend(copies)
