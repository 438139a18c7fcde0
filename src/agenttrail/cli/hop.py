"""`agenttrail hop`: stands in a collector's way and masks logs and traces that pass.

A collector sends to the hop, the hop sends on what it masked, to the same collector or to any other
place that takes OTLP. Nothing is answered before it is safe there (or in the spool): while the hop
or its destination is away, the sender keeps its data, so give it a queue on disk.

Exit codes: 0 ended by a signal, 1 failed, 2 wrong usage or configuration.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agenttrail.errors import SourceError, Unreachable, UsageError

if TYPE_CHECKING:
    from agenttrail.config import HopOptions
    from agenttrail.guard import Guard
    from agenttrail.relay import Relay
    from agenttrail.sources._otlp_server import Server
    from agenttrail.spool import Spool

_HELP = "stand in a collector's way and mask the logs and traces that pass"
_EPILOG = """\
Example: agenttrail hop --to http://127.0.0.1:4337 --grpc 127.0.0.1:4317 --profile fast
A file says more (TLS, tokens, a spool, operators): see collectors/otel_collector/hop.yaml
"""
_TICK_S = 0.2


def add(verbs: Any) -> None:
    """Adds the verb."""
    from agenttrail.cli._options import add_profile

    parser = verbs.add_parser(
        "hop", help=_HELP, epilog=_EPILOG,
        description="Listens for OTLP (gRPC and HTTP), masks personal data in every span and log record, and sends them on with their ids, times, resource and shape. Ends on SIGTERM or Ctrl-C.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("-c", "--config", metavar="FILE", help="the hop's file: listen, mask, forward, spool, health")  # fmt: skip
    parser.add_argument("--to", metavar="URL", help="where masked logs and traces go, as http://HOST:PORT")  # fmt: skip
    parser.add_argument("--protocol", choices=("grpc", "http"), help="how they go there (default: grpc)")  # fmt: skip
    parser.add_argument("--grpc", metavar="HOST:PORT", help="where to listen for gRPC (default: 127.0.0.1:4317)")  # fmt: skip
    parser.add_argument("--http", metavar="HOST:PORT", help="where to listen for HTTP (default: 127.0.0.1:4318)")  # fmt: skip
    parser.add_argument("--health", metavar="HOST:PORT", help="where GET /healthz and /metrics are answered, on this machine")  # fmt: skip
    add_profile(parser)
    parser.add_argument("--check", action="store_true", help="check the file and the destination, and end")  # fmt: skip
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serves until a signal comes; 0 then.

    Raises:
        UsageError: options that do not go together.
        ConfigError: the file's problems.
        SourceError: an address is taken.
        Unreachable: with `--check`, the destination cannot be used.
    """
    options = _options(arguments)
    say = _quiet if arguments.quiet else _say
    return _Hop(options, say).check() if arguments.check else _Hop(options, say).run()


def _options(arguments: argparse.Namespace) -> HopOptions:
    from agenttrail import config
    from agenttrail.cli._options import mask
    from agenttrail.sinks.otlp import OtlpOptions as Sink
    from agenttrail.sources.otlp import OtlpOptions as Source

    if arguments.config is not None:
        for name in ("to", "protocol", "grpc", "http", "health", "profile"):
            if getattr(arguments, name) is not None:
                raise UsageError(f"--{name} has no effect with --config", hint="say it in the file")
        return config.load_hop(arguments.config)
    if arguments.to is None:
        raise UsageError("where do masked signals go?", hint="--to http://HOST:PORT, or -c hop.yaml")  # fmt: skip
    listen = {name: getattr(arguments, name) for name in ("grpc", "http") if getattr(arguments, name)}  # fmt: skip
    return config.HopOptions(
        listen=Source(**listen),
        mask=mask(arguments),
        forward=Sink(endpoint=arguments.to, protocol=arguments.protocol or "grpc"),
        health=arguments.health,
    )


class _Hop:
    """One run of the verb."""

    def __init__(self, options: HopOptions, say: Any) -> None:
        self.options, self.say = options, say

    def check(self) -> int:
        sink = self._sink()
        try:
            sink.check()
        finally:
            sink.close()
        self.say(f"{self.options.forward.endpoint} takes logs and traces")
        return 0

    def run(self) -> int:
        from contextlib import ExitStack

        from agenttrail.cli._run import Stopper, attempt
        from agenttrail.guard import Guard
        from agenttrail.masks._export import PresidioExportMask, pack, unpack
        from agenttrail.relay import Relay
        from agenttrail.spool import Spool

        options, say = self.options, self.say
        with ExitStack() as stack:
            sink = self._sink()
            stack.callback(sink.close)
            # In processes of its own: what hangs or dies over an item takes nothing else with it.
            mask = attempt(
                "mask", options.mask.type,
                lambda: Guard(options.mask, timeout_s=options.mask_timeout_s),
            )  # fmt: skip
            stack.callback(mask.close)
            try:
                sink.check()
            except Unreachable as error:
                say(f"the destination cannot be used yet: {error.message}; senders keep their data until it can")  # fmt: skip
            stop = stack.enter_context(Stopper())
            spool = None
            if options.spool is not None:
                spool = Spool(
                    options.spool, max_bytes=options.spool_bytes, sink=sink, pack=pack,
                    unpack=unpack, say=say,
                )  # fmt: skip
                spool.start()
                stack.callback(spool.close)
            relay = Relay(PresidioExportMask(mask), sink, keeper=spool, say=say)
            server = options.listen.serve(relay, say, _die)
            report = Report(relay, server, spool, mask)
            if options.health is not None:
                stack.callback(_serve_health(options.health, report))
            server.start()
            stack.callback(server.close)
            for protocol, port in server.ports.items():
                say(f"listening for {protocol} on port {port}")
            while not stop():
                time.sleep(_TICK_S)
            say("stopping")
        self._summary(report)
        return 0

    def _sink(self) -> Any:
        from agenttrail.cli._run import attempt
        from agenttrail.sinks._otlp_forward import OtlpExportSink

        options = self.options.forward
        # The options' own build checks their files and the packages.
        attempt("sink", options.type, options.build).close()
        return OtlpExportSink(options)

    def _summary(self, report: Report) -> None:
        now = report()
        masked: Counter[str] = Counter(now["masked"])
        parts = [f"{now[name]:,} {text}" for name, text in _OUTCOMES.items() if now[name]]
        self.say(
            f"items     {now['logs']:,} log records, {now['traces']:,} spans: "
            + (", ".join(parts) or "none")
        )
        if masked:
            self.say("masked    " + ", ".join(f"{k} {n:,}" for k, n in masked.most_common(12)))
        self.say("requests  " + ", ".join(f"{k} {n:,}" for k, n in now["requests"].items()))


_OUTCOMES = {
    "delivered": "delivered",
    "spooled": "taken into the spool",
    "rejected": "rejected by the destination",
    "refused": "refused by the destination, kept in the spool",
    "failed": "parts without content, masking failed",
}


# Outcome of a metric to the report's count; with a spool what came is `spooled` before it is delivered.
_MEASURED = ("delivered", "rejected", "refused")


class Report:
    """What a hop did so far: counts only, never content."""

    def __init__(self, relay: Relay, server: Server, spool: Spool | None, mask: Guard) -> None:
        self._relay, self._server, self._spool, self._mask = relay, server, spool, mask
        self._started = time.monotonic()

    def __call__(self) -> dict[str, Any]:
        intake = self._server.intake
        made: Counter[str] = Counter(self._relay.counts)
        if self._spool is not None:
            made.update(self._spool.counts)
        return {
            "status": "ok",
            "pid": os.getpid(),
            "seconds": round(time.monotonic() - self._started, 3),
            "cpu_seconds": round(time.process_time(), 3),
            "requests": {
                name.removeprefix("requests_"): count
                for name, count in sorted(intake.counts.items())
                if name.startswith("requests_")
            },
            "at_work": intake.at_work,
            "mask_pids": self._mask.pids,
            "mask_restarts": self._mask.restarts,
            "logs": intake.counts["logs_items"],
            "traces": intake.counts["traces_items"],
            "bytes": intake.counts["logs_bytes"] + intake.counts["traces_bytes"],
            **{name: made[name] for name in _OUTCOMES},
            "masked": dict(self._relay.masked),
            **({"spool_requests": self._spool.waiting, "spool_bytes": self._spool.bytes} if self._spool else {}),
        }  # fmt: skip

    def metrics(self) -> str:
        """The same for Prometheus, under the names that the sink `metrics` of a pipeline has."""
        now = self()
        lines = ["# HELP agenttrail_pipeline_events_total What became of log records and spans."]
        lines.append("# TYPE agenttrail_pipeline_events_total counter")
        lines += [
            f'agenttrail_pipeline_events_total{{agenttrail_pipeline_outcome="{name}"}} {now[name]}'
            for name in _MEASURED
        ]
        for name, kind, value, meaning in (
            ("agenttrail_mask_failed_total", "counter", now["failed"], "Parts that left without content, masking failed."),
            ("agenttrail_spool_requests", "gauge", now.get("spool_requests"), "Requests that wait in the spool."),
            ("agenttrail_spool_bytes", "gauge", now.get("spool_bytes"), "Size of the spool, what was set aside included."),
        ):  # fmt: skip
            if value is not None:
                lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", f"{name} {value}"]
        return "\n".join(lines) + "\n"


def _serve_health(address: str, report: Report) -> Callable[[], None]:
    """Answers GET /healthz and /metrics with the report; gives what ends it. Raises SourceError."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, kind = 200, "text/plain; version=0.0.4; charset=utf-8"
            if self.path == "/metrics":
                body = report.metrics().encode()
            elif self.path == "/healthz":
                body, kind = json.dumps(report()).encode() + b"\n", "application/json"
            else:
                code, body = 404, b"only /healthz and /metrics\n"
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    host, _, port = address.rpartition(":")
    try:
        server = ThreadingHTTPServer((host.strip("[]"), int(port)), Handler)
    except OSError as error:
        raise SourceError(f"health: cannot listen on {address}: {error.strerror}") from None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.2,), name="health", daemon=True).start()

    def end() -> None:
        server.shutdown()
        server.server_close()

    return end


def _say(text: str) -> None:
    sys.stderr.write(f"agenttrail hop: {text}\n")
    sys.stderr.flush()


def _die(text: str) -> None:
    """Ends the process at once: nothing is lost by it, and who watches it starts it again."""
    _say(f"{text}; ending, to be started again")
    os._exit(1)


def _quiet(_: str) -> None:
    pass
