"""Log records leave the process masked, with the ids, times and severity that they had."""

from __future__ import annotations

import logging

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk._logs import LoggerProvider, LogRecordLimits
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    InMemoryLogRecordExporter,
    LogRecordExporter,
    LogRecordExportResult,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from agenttrail.masking import Masker
from agenttrail.otel import MaskingLogRecordExporter

MAIL = "ann@example.com"


def both(masker, **provider):
    """A provider whose records go to two exporters: as they are, and masked."""
    raw, masked = InMemoryLogRecordExporter(), InMemoryLogRecordExporter()
    made = LoggerProvider(**provider)
    made.add_log_record_processor(SimpleLogRecordProcessor(raw))
    made.add_log_record_processor(BatchLogRecordProcessor(MaskingLogRecordExporter(masked, masker)))
    return made, raw, masked


@pytest.mark.filterwarnings("ignore:Log record attributes were dropped")
def test_all_of_a_record_is_masked_but_its_ids_times_and_severity(masker):
    provider, raw, masked = both(
        masker,
        resource=Resource({"service.name": "desk", "user.id": "u-7"}),
        log_record_limits=LogRecordLimits(max_attributes=3),
    )
    logger = provider.get_logger("desk", "1.2")
    with TracerProvider().get_tracer("t").start_as_current_span("turn"):
        logger.emit(
            LogRecord(
                timestamp=5, observed_timestamp=6, severity_text="WARN", event_name="tool_result",
                severity_number=SeverityNumber.WARN, body={"to": MAIL, "user": {"id": 7}, "n": 1},
                attributes={"a": 1, "user.email": MAIL, "args": f'{{"to": "{MAIL}"}}', "n": 2},
            )
        )  # fmt: skip
    try:
        raise ValueError(f"no {MAIL}")
    except ValueError as error:
        logger.emit(LogRecord(body=f"asked by {MAIL}", exception=error))
    provider.shutdown()
    before, after = raw.get_finished_logs(), masked.get_finished_logs()
    for one, two in zip(before, after, strict=True):
        for name in ("timestamp", "observed_timestamp", "trace_id", "span_id", "trace_flags", "severity_number", "severity_text"):  # fmt: skip
            assert getattr(two.log_record, name) == getattr(one.log_record, name)
        assert two.dropped_attributes == one.dropped_attributes
        assert two.log_record.exception is None
    first, second = (each.log_record for each in after)
    assert first.trace_id != 0
    assert first.body == {"to": "<EMAIL_ADDRESS>", "user": {"id": "<USER_ID>"}, "n": 1}
    assert first.event_name == "tool_result"
    assert dict(first.attributes) == {
        "user.email": "<EMAIL_ADDRESS>", "args": '{"to":"<EMAIL_ADDRESS>"}', "n": 2,
    }  # fmt: skip
    assert after[0].dropped_attributes == 1
    assert second.body == "asked by <EMAIL_ADDRESS>"
    assert second.attributes["exception.message"] == "no <EMAIL_ADDRESS>"
    assert after[0].resource.attributes == {"service.name": "desk", "user.id": "<USER_ID>"}
    assert (after[0].instrumentation_scope.name, after[0].instrumentation_scope.version) == ("desk", "1.2")  # fmt: skip
    assert MAIL.encode() not in encode_logs(after).SerializeToString()
    assert MAIL.encode() in encode_logs(before).SerializeToString()


def test_a_record_that_cannot_be_masked_keeps_its_envelope(broken):
    provider, _, masked = both(broken)
    logger = provider.get_logger("desk")
    logger.emit(LogRecord(timestamp=5, body="poison", attributes={"note": MAIL, "error.type": "timeout"}))  # fmt: skip
    logger.emit(LogRecord(timestamp=6, body="fine"))
    provider.shutdown()
    failed, fine = (each.log_record for each in masked.get_finished_logs())
    assert failed.timestamp == 5
    assert failed.body is None
    assert dict(failed.attributes) == {
        "error.type": "timeout", "agenttrail.pii.failed": True, "agenttrail.pii.error": "RuntimeError",
    }  # fmt: skip
    assert fine.body == "fine"


class Recording(LogRecordExporter):
    def __init__(self):
        self.calls = []

    def export(self, batch):
        self.calls.append(("export", len(batch)))
        return LogRecordExportResult.SUCCESS

    def shutdown(self):
        self.calls.append("shutdown")

    def force_flush(self, timeout_millis=30000):
        self.calls.append(("force_flush", timeout_millis))
        return False


def test_a_batch_that_cannot_be_put_together_is_failed_and_none_of_it_leaves(caplog):
    class Wrong(Masker):
        def signals(self, signals, /):
            raise ValueError(f"cannot mask {signals}")

    inner = Recording()
    provider = LoggerProvider()
    exporter = MaskingLogRecordExporter(inner, Wrong(profile="fast"))
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    with caplog.at_level(logging.ERROR):
        provider.get_logger("desk").emit(LogRecord(body=MAIL))
    assert inner.calls == []
    assert caplog.messages == ["1 log records not exported: ValueError while masking"]
    provider.shutdown()


def test_flush_and_shutdown_are_the_inner_exporters(masker):
    inner = Recording()
    exporter = MaskingLogRecordExporter(inner, masker)
    assert exporter.force_flush(123) is False
    exporter.shutdown()
    assert inner.calls == [("force_flush", 123), "shutdown"]
