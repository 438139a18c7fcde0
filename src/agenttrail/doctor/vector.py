"""Vector: sources, transforms and sinks of YAML, TOML or JSON files, with wildcard inputs.

Checked against Vector 0.58.0 (its source and generated reference of that version). All files given
together are one configuration, as `vector --config a --config b` reads them.

A sink is the mask where its id or its address has "agenttrail" in it, or it sends to an address of
`--hop`; what comes back comes from a source that has "agenttrail" in its id, its files or its
command, or the word "masked" in its id. A file sink that reads nothing but `….dropped` outputs is a quarantine: it stays here.

Limits: `${VAR}` is not expanded; VRL is not read, so a remap that cannot fail is told like one that
can.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator
from typing import Any

from agenttrail.doctor import _toml
from agenttrail.doctor import _vector_mend as mender
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
from agenttrail.doctor._graph import Graph, Leak, Node
from agenttrail.doctor._yaml import get, line_of, listed, mapping, read

KIND = "vector"
# Sources that tell of the machine or of Vector, not of agents.
_OTHER_SOURCES = frozenset(
    ("internal_logs", "internal_metrics", "host_metrics", "apache_metrics", "aws_ecs_metrics",
     "eventstoredb_metrics", "mongodb_metrics", "nginx_metrics", "postgresql_metrics",
     "prometheus_scrape", "prometheus_remote_write", "prometheus_pushgateway", "statsd",
     "static_metrics")
)  # fmt: skip
_LONG_LINE = 1_000_000
_VOLATILE = re.compile(r"^(/tmp|/var/tmp|/dev/shm|/run|/var/run)(/|$)")

RULES = {
    rule.id: rule
    for rule in (
        Rule(
            id="vector-bypass", severity="error",
            why="what an agent said reaches this sink as it was said",
            fix="send its inputs to the hop, and what comes back to this sink",
            source="Vector 0.58.0: src/config/compiler.rs, inputs and their wildcards",
        ),
        Rule(
            id="vector-fail-open", severity="error",
            why="an event for which the program fails goes on unchanged",
            fix="drop_on_error: true, drop_on_abort: true, reroute_dropped: true",
            source="Vector 0.58.0: src/transforms/remap.rs, drop_on_error (default false), drop_on_abort (default true)",
        ),
        Rule(
            id="vector-dropped-lost", severity="error",
            why="events that the program drops are gone",
            fix="reroute_dropped: true, and a sink that reads the output .dropped",
            source="Vector 0.58.0: src/transforms/remap.rs, reroute_dropped (default false)",
        ),
        Rule(
            id="vector-buffer-drops", severity="error",
            why="a full buffer drops the newest events",
            fix="buffer.when_full: block",
            source="Vector 0.58.0: lib/vector-buffers/src/lib.rs, WhenFull (default block)",
        ),
        Rule(
            id="vector-buffer-memory", severity="error",
            why="the buffer is in memory and nobody waits for the delivery: a crash loses it",
            fix="buffer.type: disk, or acknowledgements.enabled: true",
            source="Vector 0.58.0: lib/vector-buffers/src/config.rs (default memory, 500 events)",
        ),
        Rule(
            id="vector-unacknowledged", severity="error",
            why="a source goes on before the event is delivered; what fails then is lost",
            fix="acknowledgements.enabled: true, for all sinks or for this one",
            source="Vector 0.58.0: lib/vector-core/src/config/mod.rs, AcknowledgementsConfig (default off)",
        ),
        Rule(
            id="vector-retry-ends", severity="error",
            why="after that many attempts a batch is thrown away",
            fix="leave request.retry_attempts out (it never ends)",
            source="Vector 0.58.0: sinks/generated/http.cue, request.retry_attempts (default 2^63-1)",
        ),
        Rule(
            id="vector-long-lines",
            severity="warning",
            why="a line longer than max_line_bytes (102,400 unless set) is thrown away; agents write longer lines",
            fix="max_line_bytes: 16777216",
            source="Vector 0.58.0: sources/generated/file.cue, max_line_bytes (default 102400)",
        ),
        Rule(
            id="vector-no-checkpoint", severity="error",
            why="positions are not used or not kept over a restart: lines come twice or not at all",
            fix="data_dir on a disk that stays (default /var/lib/vector/), no ignore_checkpoints",
            source="Vector 0.58.0: sources/generated/file.cue, ignore_checkpoints, data_dir",
        ),
        Rule(
            id="vector-loop", severity="error",
            why="what comes back from the hop is sent to it again, without end",
            fix="name the inputs of the hop's sink one by one",
            source="Vector 0.58.0: src/config/compiler.rs, inputs and their wildcards",
        ),
        Rule(
            id="vector-hop-in-clear", severity="error",
            why="unmasked data crosses the network in clear text",
            fix="run the hop on this machine (127.0.0.1), or use https with tls.ca_file",
            source="Vector 0.58.0: sinks/generated/http.cue, uri and tls",
        ),
        Rule(
            id="vector-back-door", severity="warning",
            why="anybody who reaches this source writes past the mask",
            fix="listen on 127.0.0.1, or tls.verify_certificate: true",
            source="Vector 0.58.0: sources/generated/opentelemetry.cue, tls.verify_certificate",
        ),
    )
}  # fmt: skip


def sniff(file: ConfigFile) -> bool:
    """Whether a file is Vector's: sources, transforms or sinks with types."""
    yaml = re.search(r"(?m)^\"?(sources|sinks)\"?:", file.text) and "inputs" in file.text
    toml = re.search(r"(?m)^[^\S\n]*\[(sources|transforms|sinks)\.", file.text)
    json = re.search(r"^\s*\{", file.text) and re.search(r'"(sources|sinks)"\s*:', file.text)
    return bool(yaml or toml or json)


def examine(files: list[ConfigFile], asked: Asked) -> list[Finding]:
    """All findings, by file and line."""
    return _Reader(files, asked).findings()


def mend(files: list[ConfigFile], asked: Asked) -> tuple[dict[str, str], list[str]]:
    """The files' new texts, and what is left to do by hand."""
    texts = {file.path: file.text for file in files}

    def again() -> _Reader:
        return _Reader([ConfigFile(path, text) for path, text in texts.items()], asked)

    leaks = again().graph.leaks()
    left = mender.insert(texts, _groups(again(), leaks)) if leaks else []
    for _ in range(500):
        todo = [f for f in again().findings() if f.repair]
        if not todo or todo[0].repair is None:
            break
        path = todo[0].place.path
        new = todo[0].repair(texts[path])
        if new == texts[path]:
            break
        texts[path] = new
    return texts, left


def _groups(reader: _Reader, leaks: list[Leak]) -> dict[tuple[str, ...], list[tuple[str, str]]]:
    """Sinks that raw data reaches, as (file, id), by their inputs."""
    groups: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for leak in leaks:
        settings = reader.parts[("sinks", leak.sink.name)]
        inputs = tuple(
            name
            for wanted in map(str, listed(settings, "inputs"))
            for name in reader.expand(wanted)
        )
        groups.setdefault(inputs, []).append((reader.files[("sinks", leak.sink.name)], leak.sink.name))  # fmt: skip
    return groups


class _Reader:
    """The graph and the rules of all files together."""

    def __init__(self, files: list[ConfigFile], asked: Asked) -> None:
        self.asked = asked
        self.parts: dict[tuple[str, str], dict[str, Any]] = {}
        self.files: dict[tuple[str, str], str] = {}
        self._lines: dict[str, Callable[..., int]] = {}
        self._global: dict[str, tuple[Any, str]] = {}
        self.graph = Graph()
        for file in files:
            self._read(file)
        self._build()

    def _read(self, file: ConfigFile) -> None:
        if is_toml(file):
            doc: Any = _toml.read(file)
            lines = _toml.Lines(file.text)
            self._lines[file.path] = lambda *path: lines.line(path)
        else:
            doc = read(file)
            self._lines[file.path] = lambda *path: line_of(doc, *path)
        for stage in ("sources", "transforms", "sinks"):
            for name, settings in mapping(doc, stage).items():
                if isinstance(settings, dict):
                    self.parts[(stage, str(name))] = settings
                    self.files[(stage, str(name))] = file.path
        for key in ("data_dir", "acknowledgements"):
            if get(doc, key) is not None:
                self._global[key] = (get(doc, key), file.path)

    def place(self, stage: str, name: str, *path: Any) -> Place:
        file = self.files[(stage, name)]
        return Place(file, self._lines[file](stage, name, *path))

    def _build(self) -> None:
        for (stage, name), settings in self.parts.items():
            masked = stage == "sources" and _comes_masked(name, settings)
            self.graph.add(
                Node(
                    key=name, name=name, place=self.place(stage, name), masked=masked,
                    raw=stage == "sources" and not masked and self.asked.carries(name)
                    and settings.get("type") not in _OTHER_SOURCES,
                    sink=stage == "sinks",
                    mask=stage == "sinks" and (self.is_hop(name) or _stays(settings)),
                    hop=stage == "sinks" and self.is_hop(name),
                )
            )  # fmt: skip
        for (stage, name), settings in self.parts.items():
            for index, wanted in enumerate(map(str, listed(settings, "inputs"))):
                for before in self._matching(wanted, name):
                    self.graph.link(before, name, self.place(stage, name, "inputs", index))

    def _matching(self, wanted: str, name: str) -> Iterator[str]:
        for stage, other in self.parts:
            if stage == "sinks" or other == name:
                continue
            if wanted.split(".", 1)[0] == other or any(
                fnmatch.fnmatchcase(output, wanted) for output in self._outputs(stage, other)
            ):
                yield other

    def expand(self, wanted: str) -> list[str]:
        """A wildcard as the outputs that it stands for now: it must not take in what comes back."""
        if not set(wanted) & set("*?["):
            return [wanted]
        return [
            output
            for stage, name in self.parts
            if stage != "sinks"
            for output in self._outputs(stage, name)
            if fnmatch.fnmatchcase(output, wanted) and (output == name or self._given(name, output))
        ]

    def _given(self, name: str, output: str) -> bool:
        settings = self.parts.get(("transforms", name)) or {}
        port = output.removeprefix(f"{name}.")
        if settings.get("type") in ("route", "exclusive_route"):
            return port not in ("dropped", "logs", "traces", "metrics")
        return port == "dropped" and truth(settings.get("reroute_dropped"), default=False)

    def _outputs(self, stage: str, name: str) -> list[str]:
        settings = self.parts[(stage, name)]
        ports = [*mapping(settings, "route"), "_unmatched", "dropped", "logs", "traces", "metrics"]
        return [name, *(f"{name}.{port}" for port in ports)]

    def is_hop(self, name: str) -> bool:
        settings = self.parts[("sinks", name)]
        return not _stays(settings) and self.asked.is_hop(name, *_addresses(settings))

    def findings(self) -> list[Finding]:
        reached = self.graph.reached()
        found = [
            Finding(
                rule=RULES["vector-bypass"], place=leak.place,
                what=f"sink {leak.sink.name} gets unmasked data: {leak.text()}",
            )
            for leak in self.graph.leaks()
        ]  # fmt: skip
        found += [
            Finding(rule=RULES["vector-loop"], place=loop.place, what=f"masked data goes round: {loop.text()}")
            for loop in self.graph.loops()
        ]  # fmt: skip
        for stage, name in self.parts:
            if name in reached:
                rules = {
                    "sources": self._source,
                    "transforms": self._transform,
                    "sinks": self._sink,
                }
                found += rules[stage](name)
        found += self._data_dir()
        return ordered(found)

    def _finding(self, rule: str, stage: str, name: str, path: tuple[Any, ...], what: str, value: str | None = None) -> Finding:  # fmt: skip
        place = self.place(stage, name, *path)
        where = (stage, name, *path)
        repair = None if value is None else mender.setting(where, value, toml=place.path.endswith(".toml"))  # fmt: skip
        return Finding(rule=RULES[rule], place=place, what=what, repair=repair)

    def _transform(self, name: str) -> Iterator[Finding]:
        settings = self.parts[("transforms", name)]
        if settings.get("type") != "remap":
            return
        for key, default in (("drop_on_error", False), ("drop_on_abort", True)):
            if not truth(settings.get(key), default=default):
                yield self._finding("vector-fail-open", "transforms", name, (key,), f"{name} lets events go on unchanged ({key}: false)", "true")  # fmt: skip
        if not truth(settings.get("reroute_dropped"), default=False):
            yield self._finding("vector-dropped-lost", "transforms", name, ("reroute_dropped",), f"{name} drops events for good", "true")  # fmt: skip
        elif not self._consumed(f"{name}.dropped"):
            yield Finding(
                rule=RULES["vector-dropped-lost"],
                place=self.place("transforms", name, "reroute_dropped"),
                what=f"nobody reads {name}.dropped",
                repair=mender.quarantine(f"{name}.dropped", toml=self.files[("transforms", name)].endswith(".toml")),
            )  # fmt: skip

    def _consumed(self, output: str) -> bool:
        return any(
            wanted == output or ("*" in wanted and fnmatch.fnmatchcase(output, wanted))
            for settings in self.parts.values()
            for wanted in map(str, listed(settings, "inputs"))
        )

    def _sink(self, name: str) -> Iterator[Finding]:
        settings = self.parts[("sinks", name)]
        if settings.get("type") in ("blackhole", "console") or _stays(settings):
            return
        stages = listed(settings, "buffer") or [{}]
        for index, stage in enumerate(stages):
            path: tuple[Any, ...] = ("buffer", index) if isinstance(settings.get("buffer"), list) else ("buffer",)  # fmt: skip
            if get(stage, "when_full") == "drop_newest":
                yield self._finding("vector-buffer-drops", "sinks", name, (*path, "when_full"), f"{name} drops what its buffer cannot take", "block")  # fmt: skip
        acknowledged = self._acknowledged(settings)
        if not acknowledged and not any(get(stage, "type") == "disk" for stage in stages):
            yield self._finding("vector-buffer-memory", "sinks", name, ("buffer",), f"{name} buffers in memory")  # fmt: skip
        if not acknowledged:
            path = ("acknowledgements",) if "acknowledgements" in settings else ()
            yield Finding(
                rule=RULES["vector-unacknowledged"], place=self.place("sinks", name, *path),
                what=f"nobody waits until {name} has delivered",
                repair=mender.acknowledged(
                    ("sinks", name), toml=self.files[("sinks", name)].endswith(".toml"),
                    plain=isinstance(settings.get("acknowledgements"), bool),
                ),
            )  # fmt: skip
        for path in (("request", "retry_attempts"), ("protocol", "request", "retry_attempts")):
            attempts = get(settings, *path)
            if isinstance(attempts, int) and attempts < 1_000_000:
                yield self._finding("vector-retry-ends", "sinks", name, path, f"{name} gives up after {attempts} attempts", "9223372036854775807")  # fmt: skip
        if self.is_hop(name):
            for address in _addresses(settings):
                if str(address).startswith("http://") and not loopback(address):
                    yield self._finding("vector-hop-in-clear", "sinks", name, ("protocol", "uri"), f"{name} sends unmasked data without TLS")  # fmt: skip

    def _acknowledged(self, settings: dict[str, Any]) -> bool:
        own = settings.get("acknowledgements")
        if own is None:
            own = self._global.get("acknowledgements", (None, ""))[0]
        return truth(own.get("enabled") if isinstance(own, dict) else own, default=False)

    def _source(self, name: str) -> Iterator[Finding]:
        settings = self.parts[("sources", name)]
        longest = settings.get("max_line_bytes", 102_400)
        if settings.get("type") == "file" and isinstance(longest, int) and longest < _LONG_LINE and not _comes_masked(name, settings):  # fmt: skip
            yield self._finding("vector-long-lines", "sources", name, ("max_line_bytes",), f"{name} throws lines of more than {longest:,} bytes away", "16777216")  # fmt: skip
        if truth(settings.get("ignore_checkpoints"), default=False):
            yield self._finding("vector-no-checkpoint", "sources", name, ("ignore_checkpoints",), f"{name} does not use its positions", "false")  # fmt: skip
        if _VOLATILE.match(str(settings.get("data_dir") or "")):
            yield self._finding("vector-no-checkpoint", "sources", name, ("data_dir",), f"{name} keeps its positions where a restart of the machine deletes them", '"/var/lib/vector"')  # fmt: skip
        if settings.get("type") == "opentelemetry" and _comes_masked(name, settings):
            for protocol in ("grpc", "http"):
                address = get(settings, protocol, "address")
                checked = truth(get(settings, protocol, "tls", "verify_certificate"), default=False)
                if address and not loopback(address) and not checked:
                    yield self._finding("vector-back-door", "sources", name, (protocol, "address"), f"{name} takes masked data from anybody on {protocol}")  # fmt: skip

    def _data_dir(self) -> Iterator[Finding]:
        value, file = self._global.get("data_dir", ("", ""))
        if _VOLATILE.match(str(value)):
            yield Finding(
                rule=RULES["vector-no-checkpoint"], place=Place(file, self._lines[file]("data_dir")),
                what="positions and buffers are kept where a restart of the machine deletes them",
                repair=mender.setting(("data_dir",), '"/var/lib/vector"', toml=file.endswith(".toml")),
            )  # fmt: skip


def is_toml(file: ConfigFile) -> bool:
    """Whether a file is TOML, by its name, or by its look where the name says nothing."""
    if file.path.endswith((".yaml", ".yml", ".json")):
        return False
    return file.path.endswith(".toml") or bool(
        re.search(r"(?m)^[^\S\n]*\[(sources|sinks)\.", file.text)
    )


def _comes_masked(name: str, settings: dict[str, Any]) -> bool:
    return comes_back(name) or any(
        ours(item) for key in ("include", "command") for item in listed(settings, key)
    )


def _stays(settings: dict[str, Any]) -> bool:
    if settings.get("type") == "blackhole":
        return True
    inputs = [str(i) for i in listed(settings, "inputs")]
    return settings.get("type") == "file" and bool(inputs) and all(i.endswith(".dropped") for i in inputs)  # fmt: skip


def _addresses(settings: dict[str, Any]) -> list[Any]:
    paths = (("uri",), ("address",), ("endpoint",), ("protocol", "uri"))
    return [get(settings, *p) for p in paths] + listed(settings, "endpoints")
