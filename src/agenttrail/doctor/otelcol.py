"""OpenTelemetry Collector: pipelines, connectors, queues and checkpoints of one YAML file.

Checked against the Collector 0.145.0 and its contrib components (the source of that version).

A pipeline's exporter is the mask where it is an OTLP exporter that has "agenttrail" in its name or
its endpoint, or sends to an address of `--hop`; what comes back comes by an OTLP receiver with
"agenttrail" or the word "masked" in its name.

Limits: files that the Collector merges (`--config a --config b`) are read one by one; `${env:…}` is
not expanded; an in-process mask of an agent's SDK is not seen, so name the other sources with
`--source`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from agenttrail.doctor import _otelcol_mend as mender
from agenttrail.doctor._finding import (
    Asked,
    ConfigFile,
    Finding,
    Place,
    Rule,
    comes_back,
    loopback,
    ordered,
    ours,
    truth,
)
from agenttrail.doctor._graph import Graph, Node
from agenttrail.doctor._yaml import get, line_of, listed, mapping, read

KIND = "otelcol"
# Signals that hold what agents said; metrics are numbers.
_SIGNALS = ("logs", "traces", "profiles")
# Exporters that have no sending queue (their factories in 0.145.0), or no network behind it.
_UNQUEUED = frozenset({"debug", "nop", "file", "logging", "prometheus"})
# Those whose default has turned from propagate to ignore.
_OTTL = ("transform", "filter", "routing")
_STANZA = ("filelog", "file_log", "journald")
_OTLP = ("otlp", "otlp_grpc", "otlphttp", "otlp_http")

RULES = {
    rule.id: rule
    for rule in (
        Rule(
            id="otelcol-bypass", severity="error",
            why="what an agent said reaches this exporter as it was said",
            fix="send the pipeline to the hop and the hop's answer to this exporter",
            source="Collector 0.145.0: service/README, pipelines and connectors",
        ),
        Rule(
            id="otelcol-error-mode",
            severity="error",
            why="a statement that fails is passed over and the record goes on unchanged; unset, that depends on the version",
            fix="error_mode: propagate, written out",
            source="contrib: processor/transformprocessor/README.md, default propagate in 0.145.0, ignore from 0.153.0 on (pull request 48415; filter 49668, routing 49682)",
        ),
        Rule(
            id="otelcol-queue-memory", severity="error",
            why="the queue is in memory: what waits in it is lost when the Collector stops",
            fix="sending_queue.storage: a file_storage extension",
            source="Collector 0.145.0: exporter/exporterhelper/README.md, sending_queue.storage (default none)",
        ),
        Rule(
            id="otelcol-queue-overflow", severity="error",
            why="a full queue rejects what comes and it is lost",
            fix="sending_queue.block_on_overflow: true",
            source="Collector 0.145.0: exporter/exporterhelper/README.md, block_on_overflow (default false)",
        ),
        Rule(
            # Without a queue the error goes back to who sent it, who still has the data.
            id="otelcol-retry-ends", severity="error",
            why="after max_elapsed_time (5 minutes unless set) a batch is thrown away",
            fix="retry_on_failure.max_elapsed_time: 0",
            source="Collector 0.145.0: config/configretry/backoff.go, MaxElapsedTime (default 5m, 0 never ends)",
        ),
        Rule(
            id="otelcol-batch-unacknowledged", severity="warning",
            why="the batch processor accepts data before it is delivered; what then fails is only logged",
            fix="batch in the exporter's sending_queue instead, where the queue keeps it",
            source="Collector 0.145.0: processor/batchprocessor/batch_processor.go, \"Sender failed\"",
        ),
        Rule(
            id="otelcol-no-checkpoint", severity="error",
            why="offsets are in memory only: a restart skips or repeats lines",
            fix="storage: a file_storage extension",
            source="contrib 0.145.0: receiver/filelogreceiver/README.md, storage (default none)",
        ),
        Rule(
            id="otelcol-receiver-gives-up", severity="error",
            why="lines that the pipeline refuses are dropped instead of being read again",
            fix="retry_on_failure: {enabled: true, max_elapsed_time: 0}",
            source="contrib 0.145.0: receiver/filelogreceiver/README.md, retry_on_failure (default disabled, 5m)",
        ),
        Rule(
            id="otelcol-loop", severity="error",
            why="what comes back from the hop is sent to it again, without end",
            fix="a pipeline of its own for what comes back",
            source="Collector 0.145.0: service/README, pipelines",
        ),
        Rule(
            id="otelcol-hop-in-clear", severity="error",
            why="unmasked data crosses the network in clear text",
            fix="run the hop on this machine (127.0.0.1), or give tls with ca_file",
            source="Collector 0.145.0: config/configtls/README.md, insecure",
        ),
        Rule(
            id="otelcol-back-door", severity="warning",
            why="anybody who reaches this receiver writes past the mask",
            fix="listen on 127.0.0.1, or ask for a client certificate (tls.client_ca_file) or auth",
            source="Collector 0.145.0: config/configgrpc/README.md, auth; config/configtls/README.md, client_ca_file",
        ),
    )
}  # fmt: skip


def sniff(file: ConfigFile) -> bool:
    """Whether a file is a Collector's: receivers, exporters and service at the top."""
    return bool(re.search(r"(?m)^service:", file.text)) and bool(
        re.search(r"(?m)^(receivers|exporters):", file.text)
    )


def examine(files: list[ConfigFile], asked: Asked) -> list[Finding]:
    """All findings, file by file, by line."""
    found: list[Finding] = []
    for file in files:
        found += _Reader(file, asked).findings()
    return found


def mend(files: list[ConfigFile], asked: Asked) -> tuple[dict[str, str], list[str]]:
    """The files' new texts, and what is left to do by hand.

    Repairs one finding after the other until nothing can be repaired any more.
    """
    texts, left = {}, []
    for file in files:
        text, notes = mender.insert(file.path, file.text, asked, plan)
        for _ in range(500):
            repairs = [f.repair for f in examine([ConfigFile(file.path, text)], asked) if f.repair]
            new = repairs[0](text) if repairs else text
            if new == text:
                break
            text = new
        texts[file.path] = text
        left += notes
    return texts, left


def plan(file: ConfigFile, asked: Asked) -> dict[str, tuple[list[str], list[str]]]:
    """Pipelines whose exporters see raw data: those exporters, and those that may stay."""
    reader = _Reader(file, asked)
    leaks = {leak.sink.key for leak in reader.graph.leaks()}
    raw = reader.graph.reached(masked=False)
    found = {}
    for name in reader.pipelines:
        if f"pipeline:{name}" not in raw or _signal(name) not in ("logs", "traces"):
            continue
        exporters = [str(e) for e in listed(reader.pipelines, name, "exporters")]
        bad = [e for e in exporters if f"exporter:{e}:{_signal(name)}" in leaks]
        if bad:
            found[name] = (bad, [e for e in exporters if e not in bad])
    return found


def _type(component: str) -> str:
    return component.split("/", 1)[0].strip()


def _signal(pipeline: str) -> str:
    return pipeline.split("/", 1)[0].strip()


class _Reader:
    """One file's graph and rules."""

    def __init__(self, file: ConfigFile, asked: Asked) -> None:
        self.file, self.asked = file, asked
        self.doc = read(file)
        self.pipelines = mapping(self.doc, "service", "pipelines")
        self.connectors = mapping(self.doc, "connectors")
        self.graph = Graph()
        self._build()

    def place(self, *path: Any) -> Place:
        return Place(self.file.path, line_of(self.doc, *path))

    def _build(self) -> None:
        for name in self.pipelines:
            self.graph.add(
                Node(
                    key=f"pipeline:{name}",
                    name=name,
                    place=self.place("service", "pipelines", name),
                )
            )
            for connector in self.connectors:
                self.graph.add(
                    Node(key=f"connector:{connector}", name=connector, place=self.place("connectors", connector))
                )  # fmt: skip
        for name in self.pipelines:
            signal = _signal(name)
            here = f"pipeline:{name}"
            at = ("service", "pipelines", name)
            for index, receiver in enumerate(listed(self.doc, *at, "receivers")):
                line = self.place(*at, "receivers", index)
                self.graph.link(self._receiver(str(receiver), signal), here, line)
            for index, exporter in enumerate(listed(self.doc, *at, "exporters")):
                line = self.place(*at, "exporters", index)
                self.graph.link(here, self._exporter(str(exporter), signal), line)

    def _receiver(self, name: str, signal: str) -> str:
        if name in self.connectors:
            return f"connector:{name}"
        masked = _type(name) in _OTLP and comes_back(name)
        path = str(get(self.doc, "receivers", name, "include") or "")
        masked = masked or (ours(path) and _type(name) in _STANZA)
        node = Node(
            key=f"receiver:{name}:{signal}", name=name, place=self.place("receivers", name),
            raw=signal in _SIGNALS and not masked and self.asked.carries(name),
            masked=masked,
        )  # fmt: skip
        return self.graph.add(node).key

    def _exporter(self, name: str, signal: str) -> str:
        if name in self.connectors:
            return f"connector:{name}"
        settings = mapping(self.doc, "exporters", name)
        quiet = _type(name) == "nop" or (
            _type(name) in ("debug", "logging") and settings.get("verbosity", "basic") == "basic"
        )
        node = Node(
            key=f"exporter:{name}:{signal}", name=name, place=self.place("exporters", name),
            sink=True, mask=quiet or self.is_hop(name), hop=self.is_hop(name),
        )  # fmt: skip
        return self.graph.add(node).key

    def is_hop(self, name: str) -> bool:
        settings = mapping(self.doc, "exporters", name)
        addresses = [settings.get(f"{s}endpoint") for s in ("", "logs_", "traces_")]
        return _type(name) in _OTLP and self.asked.is_hop(name, *addresses)

    def findings(self) -> list[Finding]:
        found = [*self._bypasses(), *self._steps(), *self._exporters(), *self._receivers()]
        return ordered(found)

    def _bypasses(self) -> Iterator[Finding]:
        for leak in self.graph.leaks():
            yield Finding(
                rule=RULES["otelcol-bypass"], place=leak.place,
                what=f"exporter {leak.sink.name} gets unmasked data: {leak.text()}",
            )  # fmt: skip

        for loop in self.graph.loops():
            yield Finding(
                rule=RULES["otelcol-loop"], place=loop.place, what=f"masked data goes round: {loop.text()}"
            )  # fmt: skip

    def _reached(self, prefix: str) -> list[str]:
        """Names of components that agents' logs pass, raw or masked, in the order of the file."""
        keys = self.graph.reached()
        names = [key.split(":")[1] for key in self.graph.nodes if key in keys and key.startswith(prefix)]  # fmt: skip
        return list(dict.fromkeys(names))

    def _steps(self) -> Iterator[Finding]:
        seen = set()
        for name in self._reached("pipeline:"):
            processors = listed(self.doc, "service", "pipelines", name, "processors")
            for index, processor in enumerate(map(str, processors)):
                if _type(processor) == "batch":
                    yield Finding(
                        rule=RULES["otelcol-batch-unacknowledged"],
                        place=self.place("service", "pipelines", name, "processors", index),
                        what=f"pipeline {name} batches before it delivers",
                        repair=self._without_batch(name, processor),
                    )  # fmt: skip
                seen.add(("processors", processor))
        seen |= {("connectors", name) for name in self._reached("connector:")}
        for part, name in sorted(seen):
            settings = mapping(self.doc, part, name)
            if _type(name) in _OTTL and settings and "error_mode" not in settings:
                yield self._finding(
                    "otelcol-error-mode", (part, name), f"{name} does not say what happens after an error",
                    mender.setting((part, name, "error_mode"), "propagate"),
                )  # fmt: skip
            yield from self._error_modes((part, name))

    def _error_modes(self, path: tuple[Any, ...]) -> Iterator[Finding]:
        node = get(self.doc, *path)
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()  # fmt: skip
        for key, value in list(items):
            if key == "error_mode" and str(value) != "propagate":
                where = (*path, key)
                yield Finding(
                    rule=RULES["otelcol-error-mode"], place=self.place(*where),
                    what=f"{path[1]} goes on after an error (error_mode: {value})",
                    repair=mender.setting(where, "propagate"),
                )  # fmt: skip
            elif isinstance(value, (dict, list)):
                yield from self._error_modes((*path, key))

    def _without_batch(self, pipeline: str, processor: str) -> Callable[[str], str]:
        return mender.without(("service", "pipelines", pipeline, "processors"), processor)

    def _exporters(self) -> Iterator[Finding]:
        for name in self._reached("exporter:"):
            if _type(name) in _UNQUEUED:
                continue
            settings = mapping(self.doc, "exporters", name)
            here = ("exporters", name)
            queue = get(settings, "sending_queue")
            queue = queue if isinstance(queue, dict) else {}
            at = (*here, "sending_queue")
            if truth(queue.get("enabled"), default=True):
                if not queue.get("storage"):
                    # In front of the hop a queue on disk would hold unmasked data: none is better.
                    repair = (
                        mender.setting((*at, "enabled"), "false")
                        if self.is_hop(name)
                        else mender.stored((*at, "storage"))
                    )
                    yield self._finding("otelcol-queue-memory", at, f"{name} queues in memory", repair)  # fmt: skip
                if not truth(queue.get("block_on_overflow"), default=False) and not self.is_hop(name):  # fmt: skip
                    yield self._finding(
                        "otelcol-queue-overflow", (*at, "block_on_overflow"), f"{name} drops what its queue cannot take",
                        mender.setting((*at, "block_on_overflow"), "true"),
                    )  # fmt: skip
                yield from self._retries(name, here)
            if self.is_hop(name):
                yield from self._hop(name, settings, here)

    def _retries(self, name: str, here: tuple[Any, ...]) -> Iterator[Finding]:
        at = (*here, "retry_on_failure")
        retry = mapping(self.doc, *at)
        enabled = truth(retry.get("enabled"), default=True)
        if not enabled:
            yield self._finding(
                "otelcol-retry-ends", (*at, "enabled"), f"{name} does not repeat what failed",
                mender.setting((*at, "enabled"), "true"),
            )  # fmt: skip
        elif not _never(retry.get("max_elapsed_time")):
            yield self._finding(
                "otelcol-retry-ends", (*at, "max_elapsed_time"), f"{name} throws a batch away after {retry.get('max_elapsed_time', '5m')}",
                mender.setting((*at, "max_elapsed_time"), "0"),
            )  # fmt: skip

    def _hop(self, name: str, settings: dict[str, Any], here: tuple[Any, ...]) -> Iterator[Finding]:
        address = str(settings.get("endpoint") or settings.get("logs_endpoint") or "")
        clear = truth(get(settings, "tls", "insecure"), default=False) or address.startswith("http://")  # fmt: skip
        if clear and address and not loopback(address):
            yield self._finding("otelcol-hop-in-clear", (*here, "endpoint"), f"{name} sends unmasked data without TLS", None)  # fmt: skip

    def _receivers(self) -> Iterator[Finding]:
        for name in self._reached("receiver:"):
            at = ("receivers", name)
            settings = mapping(self.doc, *at)
            if _type(name) in _STANZA:
                if not settings.get("storage"):
                    yield self._finding("otelcol-no-checkpoint", at, f"{name} keeps no position", mender.stored((*at, "storage")))  # fmt: skip
                retry = mapping(settings, "retry_on_failure")
                where = (*at, "retry_on_failure")
                if not truth(retry.get("enabled"), default=False):
                    yield self._finding(
                        "otelcol-receiver-gives-up", where, f"{name} drops lines that the pipeline refuses",
                        mender.setting((*where, "enabled"), "true"),
                    )  # fmt: skip
                elif not _never(retry.get("max_elapsed_time")):
                    yield self._finding(
                        "otelcol-receiver-gives-up", (*where, "max_elapsed_time"), f"{name} gives up after {retry.get('max_elapsed_time', '5m')}",
                        mender.setting((*where, "max_elapsed_time"), "0"),
                    )  # fmt: skip
            if _type(name) in _OTLP and comes_back(name):
                for protocol, inner in mapping(settings, "protocols").items():
                    inner = inner if isinstance(inner, dict) else {}
                    guarded = get(inner, "tls", "client_ca_file") or inner.get("auth")
                    if inner.get("endpoint") and not loopback(inner["endpoint"]) and not guarded:
                        yield self._finding(
                            "otelcol-back-door", (*at, "protocols", protocol, "endpoint"),
                            f"{name} takes masked data from anybody on {protocol}", None,
                        )  # fmt: skip

    def _finding(
        self, rule: str, path: tuple[Any, ...], what: str, repair: Callable[[str], str] | None
    ) -> Finding:
        return Finding(rule=RULES[rule], place=self.place(*path), what=what, repair=repair)


def _never(value: Any) -> bool:
    """Whether a duration means that retries never end."""
    return value is not None and bool(re.fullmatch(r"0+(ns|us|ms|s|m|h)?", str(value).strip()))
