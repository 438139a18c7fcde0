"""Masks in an agent's own process: wrappers of the OpenTelemetry SDK's exporters.

    provider.add_span_processor(BatchSpanProcessor(MaskingSpanExporter(OTLPSpanExporter())))
    logs.add_log_record_processor(BatchLogRecordProcessor(MaskingLogRecordExporter(OTLPLogExporter())))

Needs the extra `[otel]`. For plain Python logging see `agenttrail.logging`.
"""

try:
    from agenttrail.otel._logs import MaskingLogRecordExporter
    from agenttrail.otel._spans import MaskingSpanExporter
except ModuleNotFoundError as error:  # pragma: no cover - told to whoever lacks the extra
    if (error.name or "").partition(".")[0] != "opentelemetry":
        raise
    raise ModuleNotFoundError(
        "agenttrail.otel needs the OpenTelemetry SDK: pip install 'agenttrail[otel]'",
        name=error.name,
    ) from None

__all__ = ["MaskingLogRecordExporter", "MaskingSpanExporter"]
