"""Stage 5: bytes out. A sink delivers masked events, or says exactly what it could not deliver."""

from agenttrail.sinks.elasticsearch import ElasticsearchOptions
from agenttrail.sinks.jsonl import JsonlOptions
from agenttrail.sinks.metrics import MetricsOptions
from agenttrail.sinks.otlp import OtlpOptions

SinkOptions = ElasticsearchOptions | JsonlOptions | MetricsOptions | OtlpOptions
