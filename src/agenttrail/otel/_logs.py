"""A log record exporter that masks before it hands on to another."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult

from agenttrail.masking import MaskedSignal, Masker, Profile, Signal
from agenttrail.otel._shared import Surroundings, attributes, log, plain


class MaskingLogRecordExporter(LogRecordExporter):
    """Hands log records on with body, attributes, event name, resource and scope masked.

    Ids, times and severity stay. Else as `MaskingSpanExporter`; the severity text is masked too.

    Args:
        exporter: gets the masked records.
        masker: None is one of `profile`, shared by all wrappers of the process.
        profile: without a masker: balanced, or fast (no names).

    Raises:
        MaskError: the mask cannot be set up; at start, before there is data.
    """

    def __init__(
        self,
        exporter: LogRecordExporter,
        masker: Masker | None = None,
        *,
        profile: Profile = "balanced",
    ) -> None:
        self._exporter = exporter
        self._masker = masker or Masker.shared(profile)
        self._around = Surroundings(self._masker)

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        try:
            masked = self._masked(batch)
        except Exception as error:  # noqa: BLE001 - fail closed; its message may quote a record
            log.error(
                "%d log records not exported: %s while masking", len(batch), type(error).__name__
            )
            return LogRecordExportResult.FAILURE
        return self._exporter.export(masked)

    def shutdown(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def _masked(self, batch: Sequence[ReadableLogRecord]) -> list[ReadableLogRecord]:
        around = self._around.masked(
            [item for each in batch for item in (each.resource, each.instrumentation_scope)]
        )
        signals = self._masker.signals([_signal(each) for each in batch])
        return [_made(each, signal, around) for each, signal in zip(batch, signals, strict=True)]


def _signal(each: ReadableLogRecord) -> Signal:
    record = each.log_record
    return Signal(
        attributes=plain(record.attributes),
        names=[record.event_name or ""],
        values=[record.body, record.severity_text],
    )


def _made(
    each: ReadableLogRecord, masked: MaskedSignal, around: dict[Any, Any]
) -> ReadableLogRecord:
    record = copy.copy(each.log_record)
    record.body, record.severity_text = masked.values
    record.attributes = attributes(masked.attributes, each.log_record.attributes)
    record.event_name = None if record.event_name is None else masked.names[0]
    # An exception beside the attributes that tell of it would leave unmasked.
    record.exception = None
    return ReadableLogRecord(
        log_record=record,
        resource=around[each.resource],
        instrumentation_scope=(
            around[each.instrumentation_scope] if each.instrumentation_scope else None
        ),
        limits=each.limits,
    )
