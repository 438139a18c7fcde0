"""Sink `metrics`: SLIs of agents as OpenTelemetry metrics, to be scraped by Prometheus or sent by OTLP.

Counts what is delivered, from masked events alone: tasks and how they ended, tool calls, tokens, cost,
approvals and waits, findings, what was masked. `docs/slo.md` says how the SLIs follow from them. The
metrics are listed in `_metrics_measures`.

Promises:

- Each event is counted once in a process; counters begin at zero with it, as those of every process do.
  The sums equal those over the JSON Lines that the same run wrote.
- Attributes are names and enumerations of the record, masked like all of it. Of each attribute at most
  `values_max` values are told apart, then `other`; of their combinations at most `series_max` for each
  metric, then one more series with `otel.metric.overflow` alone (OpenTelemetry SDK specification,
  cardinality limits): no log can make the series grow without end. The sum over all series stays
  right; a query that filters by an attribute misses what is in that one.
- What became of lines and events (`agenttrail.pipeline.*`) is the run's own ledger at the time of
  asking: dead letters and lines that a format failed over are in it, which no delivered event shows.
- Prometheus names: dots become underscores, counters end in `_total` (OpenTelemetry's rules).

Versions: OpenTelemetry SDK 1.45; OTLP/HTTP; Prometheus text format. Cost: about 20 us an event.

Limits: events of a batch that another sink refuses for good are counted too. Sums so far of a task
(`agenttrail.task.*` histograms) miss what is logged after its end; counters do not.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from urllib.parse import urlsplit

from agenttrail import __version__
from agenttrail import fields as f
from agenttrail.errors import OptionError, Unreachable
from agenttrail.seams import Ledger, MaskedEvent
from agenttrail.sinks._extra import need
from agenttrail.sinks._metrics_measures import (
    INSTRUMENTS,
    OUTCOME,
    REASON,
    RUN,
    Attributes,
    Bounded,
    measures,
)

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsOptions:
    """SLIs as OpenTelemetry metrics: a Prometheus endpoint, OTLP, or both."""

    type: ClassVar[str] = "metrics"
    listen: Annotated[
        str | None, "HOST:PORT that answers Prometheus at /metrics; null for none."
    ] = "127.0.0.1:9464"
    otlp_endpoint: Annotated[
        str | None, "Address that takes OTLP/HTTP metrics, as http://localhost:4318."
    ] = None
    otlp_headers: Annotated[dict[str, str], "Sent with each request; for credentials."] = field(
        default_factory=dict, repr=False
    )
    interval_s: Annotated[float, "How often metrics are sent by OTLP, in seconds."] = 60.0
    values_max: Annotated[int, "Values of one attribute that are told apart."] = 1_000
    series_max: Annotated[
        int, "Combinations of values of one metric that are told apart; the rest is one series."
    ] = 2_000

    def __post_init__(self) -> None:
        if self.listen is None and self.otlp_endpoint is None:
            raise OptionError("listen", "listen or otlp_endpoint is needed")
        if self.listen is not None:
            _, _, port = self.listen.rpartition(":")
            if not port.isdecimal() or not 0 < int(port) < 65536 or ":" not in self.listen:
                raise OptionError("listen", "must be HOST:PORT", hint="127.0.0.1:9464")
        if self.otlp_endpoint is not None:
            parts = urlsplit(self.otlp_endpoint)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise OptionError("otlp_endpoint", "must be http://HOST:PORT or https://HOST:PORT")
            if parts.username:
                raise OptionError("otlp_endpoint", "must not hold credentials", hint="otlp_headers")
        elif self.otlp_headers:
            raise OptionError("otlp_headers", "has no effect without otlp_endpoint")
        if self.interval_s <= 0:
            raise OptionError("interval_s", "must be positive")
        for name in ("values_max", "series_max"):
            if getattr(self, name) < 1:
                raise OptionError(name, "must be at least 1")

    def build(self, now: Callable[[], float] = time.time) -> MetricsSink:
        """The sink; it listens from now on.

        Raises:
            Unreachable: a package is missing, or the address cannot be listened on.
        """
        need("metrics", "opentelemetry.sdk", "opentelemetry.exporter.prometheus")
        return MetricsSink(self, now)


class MetricsSink:
    """See the module."""

    def __init__(self, options: MetricsOptions, now: Callable[[], float]) -> None:
        self._options, self._now = options, now
        self._bounded = Bounded(options.values_max)
        self._newest = 0.0
        self._ledger: Callable[[], Ledger] = dict
        self._server: Any = None
        self._provider = self._start()
        from opentelemetry.metrics import CallbackOptions, Observation

        reasons = Bounded(options.values_max)

        def told(kind: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
            return lambda _: [
                Observation(count, {OUTCOME: outcome, REASON: reasons(REASON, reason)})
                for (what, outcome, reason), count in self._ledger().items()
                if what == kind
            ]

        meter = self._provider.get_meter("agenttrail", __version__)
        self._instruments: dict[str, Any] = {}
        for each in INSTRUMENTS.values():
            make = meter.create_counter if each.kind == "counter" else meter.create_histogram
            bounds = {"explicit_bucket_boundaries_advisory": each.buckets} if each.buckets else {}
            self._instruments[each.name] = make(
                each.name, unit=each.unit, description=each.meaning, **bounds
            )
        for kind, (name, unit, meaning) in RUN.items():
            meter.create_observable_counter(name, [told(kind)], unit=unit, description=meaning)
        meter.create_observable_gauge(
            "agenttrail.lag",
            callbacks=[lambda _: [Observation(max(0.0, now() - self._newest))] if self._newest else []],
            unit="s",
            description="Age of the newest event delivered.",
        )  # fmt: skip

    def _start(self) -> MeterProvider:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
        from opentelemetry.sdk.metrics.view import View
        from opentelemetry.sdk.resources import Resource

        options, readers = self._options, list[MetricReader]()
        if options.listen is not None:
            from opentelemetry.exporter.prometheus import PrometheusMetricReader
            from prometheus_client import CollectorRegistry, start_http_server

            registry = CollectorRegistry()
            readers.append(PrometheusMetricReader(registry=registry, scope_info_enabled=False))
            host, _, port = options.listen.rpartition(":")
            try:
                self._server = start_http_server(
                    int(port), addr=host.strip("[]"), registry=registry
                )
            except OSError as error:
                raise Unreachable(
                    f"metrics: {options.listen} cannot be listened on: {error.strerror}",
                    hint="another listen address, or stop what listens there",
                ) from None
        if options.otlp_endpoint is not None:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

            endpoint = options.otlp_endpoint.rstrip("/")
            if not urlsplit(endpoint).path:
                endpoint += "/v1/metrics"
            exporter = OTLPMetricExporter(endpoint=endpoint, headers=dict(options.otlp_headers))
            readers.append(
                PeriodicExportingMetricReader(
                    exporter, export_interval_millis=options.interval_s * 1000
                )
            )
        resource = Resource({"service.name": "agenttrail", "service.version": __version__})
        every = View(instrument_name="*", aggregation_cardinality_limit=options.series_max)
        return MeterProvider(readers, resource=resource, views=[every], shutdown_on_exit=False)

    def watch(self, ledger: Callable[[], Ledger], /) -> None:
        self._ledger = ledger

    def write(self, batch: Sequence[MaskedEvent], /) -> None:
        sums: Counter[tuple[str, Attributes]] = Counter()
        for event in batch:
            for name, value, attributes in measures(event.fields, self._bounded):
                if INSTRUMENTS[name].kind == "counter":
                    sums[name, attributes] += value  # type: ignore[assignment]  # sums of money too
                else:
                    self._instruments[name].record(value, dict(attributes))
            self._newest = max(self._newest, _seconds(event.fields[f.TIMESTAMP]))
        for (name, attributes), value in sums.items():
            self._instruments[name].add(value, dict(attributes))

    def check(self) -> None:
        """Listens already; what is sent by OTLP is retried by the SDK and lost where it stays down."""

    def close(self) -> None:
        self._provider.shutdown()
        if self._server is not None:
            server, thread = self._server
            server.shutdown()
            server.server_close()
            thread.join()


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
