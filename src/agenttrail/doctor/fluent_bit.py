"""Fluent Bit: tags, matches, rewritten tags and routes, in both of its languages.

Checked against Fluent Bit 5.1.1 (fluent-bit-docs of 2026-08 and the source). All files given together
are one configuration, as @INCLUDE and `includes` make them.

An output is the mask where its alias or host has "agenttrail" in it, or it sends to an address of
`--hop`; what comes back comes by an input with "agenttrail" in its alias, tag, path or command.

Limits: parsers, plugins and stream processors are not read. A tag that the sender or the record
chooses counts as any tag but agenttrail's own (`agenttrail.…`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from agenttrail.doctor import _fluent_mend as mender
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
from agenttrail.doctor._fluent_text import Section, meet, sections
from agenttrail.doctor._graph import Graph, Node

KIND = "fluent_bit"
# Inputs that tell of the machine or of Fluent Bit, not of agents.
_OTHER_INPUTS = frozenset(
    ("cpu", "mem", "disk", "netif", "proc", "thermal", "health", "docker", "docker_events",
     "node_exporter_metrics", "process_exporter_metrics", "windows_exporter_metrics",
     "fluentbit_metrics", "prometheus_scrape", "prometheus_remote_write", "statsd", "collectd",
     "kmsg", "nginx_metrics", "gpu_metrics", "storage_backlog")
)  # fmt: skip
# Outputs that send nothing, or metrics only.
_SILENT_OUTPUTS = (
    "null",
    "counter",
    "flowcounter",
    "exit",
    "prometheus_exporter",
    "prometheus_remote_write",
)
# Filters that run a program of the user's; where it fails, the record goes on.
_PROGRAMS = ("lua", "wasm")
_LONG_LINE = 1_000_000

RULES = {
    rule.id: rule
    for rule in (
        Rule(
            id="fluentbit-bypass", severity="error",
            why="what an agent said reaches this output as it was said",
            fix="let the hop's output match it, and this output match what comes back",
            source="fluent-bit-docs 5.1: pipeline/router.md",
        ),
        Rule(
            id="fluentbit-filter-fail-open", severity="error",
            why="a filter whose program fails lets the record go on unchanged, and no setting changes that",
            fix="do not mask in it: send the records to the hop",
            source="Fluent Bit 5.1.1: plugins/filter_lua/lua.c, cb_lua_filter (an error ends with FLB_FILTER_NOTOUCH)",
        ),
        Rule(
            id="fluentbit-storage-memory", severity="error",
            why="what waits is in memory: a stop or a crash loses it",
            fix="storage.type filesystem here, storage.path in the service section",
            source="fluent-bit-docs 5.1: pipeline/buffering.md, storage.type (default memory)",
        ),
        Rule(
            id="fluentbit-queue-drops", severity="error",
            why="when the buffer is full the oldest data is thrown away",
            fix="storage.type filesystem, no storage.total_limit_size",
            source="fluent-bit-docs 5.1: pipeline/buffering.md, memrb, storage.total_limit_size",
        ),
        Rule(
            id="fluentbit-retry-ends", severity="error",
            why="after Retry_Limit attempts (1 unless set) a chunk is thrown away",
            fix="retry_limit no_limits",
            source="fluent-bit-docs 5.1: administration/scheduling-and-retries.md, Retry_Limit (default 1)",
        ),
        Rule(
            id="fluentbit-no-checkpoint", severity="error",
            why="positions are in memory only: a restart skips or repeats lines",
            fix="db /var/lib/fluent-bit/NAME.db",
            source="fluent-bit-docs 5.1: pipeline/inputs/tail.md, db (default none)",
        ),
        Rule(
            id="fluentbit-long-lines", severity="warning",
            why="a file with a line longer than buffer_max_size (32k unless set) is no longer read; agents write longer lines",
            fix="buffer_max_size 16M",
            source="fluent-bit-docs 5.1: pipeline/inputs/tail.md, buffer_max_size, skip_long_lines",
        ),
        Rule(
            id="fluentbit-loop", severity="error",
            why="what comes back from the hop is sent to it again, without end",
            fix=r"match_regex ^(?!agenttrail\.) on the hop's output",
            source="fluent-bit-docs 5.1: pipeline/router.md",
        ),
        Rule(
            id="fluentbit-hop-in-clear", severity="error",
            why="unmasked data crosses the network in clear text",
            fix="run the hop on this machine (127.0.0.1), or tls on and tls.verify on",
            source="fluent-bit-docs 5.1: administration/transport-security.md, tls (default off)",
        ),
        Rule(
            id="fluentbit-back-door", severity="warning",
            why="anybody who reaches this input writes past the mask",
            fix="listen 127.0.0.1 (the default is 0.0.0.0), or tls.verify_client_cert on",
            source="fluent-bit-docs 5.1: pipeline/inputs/opentelemetry.md, listen (default 0.0.0.0)",
        ),
    )
}  # fmt: skip


def sniff(file: ConfigFile) -> bool:
    """Whether a file is Fluent Bit's: classic sections, or a pipeline with inputs or outputs."""
    if re.search(r"(?mi)^[^\S\n]*\[(SERVICE|INPUT|FILTER|OUTPUT)\]\s*$", file.text):
        return True
    return bool(re.search(r"(?m)^pipeline:\s*$", file.text)) and bool(
        re.search(r"(?m)^[^\S\n]+(inputs|outputs|filters):", file.text)
    )


def examine(files: list[ConfigFile], asked: Asked) -> list[Finding]:
    """All findings, by file and line."""
    return Reader(files, asked).findings()


def mend(files: list[ConfigFile], asked: Asked) -> tuple[dict[str, str], list[str]]:
    """The files' new texts, and what is left to do by hand."""
    texts = {file.path: file.text for file in files}

    def again() -> Reader:
        return Reader([ConfigFile(path, text) for path, text in texts.items()], asked)

    reader = again()
    outputs = [reader.sections[leak.sink.key] for leak in reader.graph.leaks()]
    left = mender.insert(texts, outputs) if outputs else []
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


class Reader:
    """The graph and the rules of all files together."""

    def __init__(self, files: list[ConfigFile], asked: Asked) -> None:
        self.asked = asked
        self.files = files
        self.sections: dict[str, Section] = {}
        self.service = Section(kind="service", file=files[0].path, line=1)
        self.graph = Graph()
        counts: Counter[str] = Counter()
        for file in files:
            for section in sections(file):
                if section.kind == "service":
                    self.service = section
                elif section.kind in ("input", "filter", "output"):
                    key = f"{section.kind}:{section.name}.{counts[section.kind + section.name]}"
                    counts[section.kind + section.name] += 1
                    self.sections[key] = section
        self._build()

    def of(self, kind: str) -> Iterator[tuple[str, Section]]:
        for key, section in self.sections.items():
            if section.kind == kind:
                yield key, section

    def _build(self) -> None:
        for key, section in self.sections.items():
            kind, short = key.split(":", 1)
            masked = kind == "input" and comes_masked(section)
            known = [section.get("alias"), section.get("tag"), section.name, short]
            hop = kind == "output" and self.is_hop(section)
            self.graph.add(
                Node(
                    key=key, name=section.get("alias") or short,
                    place=Place(section.file, section.line), masked=masked, hop=hop,
                    raw=kind == "input" and not masked and section.name not in _OTHER_INPUTS
                    and self.asked.carries(*filter(None, known)),
                    sink=kind == "output",
                    mask=hop or (kind == "output" and section.name in _SILENT_OUTPUTS),
                )
            )  # fmt: skip
        for key, section in self.of("input"):
            self._flow(key, tag_of(key, section), first=True)
            for target, line in section.routes:
                for other, output in self.of("output"):
                    if target in (output.get("alias"), other.split(":", 1)[1]):
                        self.graph.link(key, other, Place(section.file, line))

    def _flow(self, key: str, tag: str, *, first: bool, depth: int = 0) -> None:
        for other, section in self.sections.items():
            if section.kind == "input" or depth > 8 or not matches(section, tag):
                continue
            line = section.line_of("match" if "match" in section.values else "match_regex")
            if section.kind == "output":
                self.graph.link(key, other, Place(section.file, line))
            elif section.name == "rewrite_tag":
                self.graph.link(key, other, Place(section.file, line))
                new = _rewritten(section)
                if new and (first or other != key):
                    self._flow(other, new, first=False, depth=depth + 1)

    def is_hop(self, section: Section) -> bool:
        address = f"{section.get('host')}:{section.get('port')}"
        return self.asked.is_hop(section.get("alias"), address, section.get("command"))

    def filesystem(self, section: Section) -> str:
        own = section.get("storage.type")
        if not own and truth(self.service.get("storage.inherit"), default=False):
            own = self.service.get("storage.type")
        return own.lower() or "memory"

    def findings(self) -> list[Finding]:
        found = [*self._paths()]
        reached = self.graph.reached()
        for key, section in self.sections.items():
            if key in reached:
                if section.kind == "input":
                    found += self._input(key, section)
                elif section.kind == "output" and section.name not in _SILENT_OUTPUTS:
                    found += self._output(key, section)
        found += self._filters()
        return ordered(found)

    def _paths(self) -> Iterator[Finding]:
        for leak in self.graph.leaks():
            yield Finding(
                rule=RULES["fluentbit-bypass"], place=leak.place,
                what=f"output {leak.sink.name} gets unmasked data: {leak.text()}",
            )  # fmt: skip
        for loop in self.graph.loops():
            yield Finding(
                rule=RULES["fluentbit-loop"], place=loop.place, what=f"masked data goes round: {loop.text()}"
            )  # fmt: skip

    def _filters(self) -> Iterator[Finding]:
        """Programs on the way of raw data to an output: nothing else is behind them."""
        leaking = {node.key for leak in self.graph.leaks() for path in leak.paths for node in path}
        tags = [tag_of(key, s) for key, s in self.of("input") if key in leaking]
        for key, section in self.of("filter"):
            if section.name in _PROGRAMS and any(matches(section, tag) for tag in tags):
                yield self._finding("fluentbit-filter-fail-open", section, "name", f"{key.split(':')[1]} lets a record go on where its program fails")  # fmt: skip

    def _finding(self, rule: str, section: Section, key: str, what: str, value: str | None = None) -> Finding:  # fmt: skip
        repair = None if value is None else mender.setting(section, key, value) if value else mender.without(section, key)  # fmt: skip
        place = Place(section.file, section.line_of(key))
        return Finding(rule=RULES[rule], place=place, what=what, repair=repair)

    def _input(self, key: str, section: Section) -> Iterator[Finding]:
        name = section.get("alias") or key.split(":", 1)[1]
        storage = self.filesystem(section)
        if storage == "memrb":
            yield self._finding("fluentbit-queue-drops", section, "storage.type", f"{name} throws the oldest data away", "filesystem")  # fmt: skip
        elif storage != "filesystem":
            yield self._finding("fluentbit-storage-memory", section, "storage.type", f"{name} buffers in memory", "filesystem")  # fmt: skip
        elif not self.service.get("storage.path"):
            yield Finding(
                rule=RULES["fluentbit-storage-memory"],
                place=Place(self.service.file, self.service.line),
                what="inputs are to buffer on disk, but there is no storage.path",
                repair=mender.service(self.service, "storage.path", "/var/lib/fluent-bit/storage"),
            )  # fmt: skip
        if section.name == "tail":
            if not section.get("db"):
                yield self._finding("fluentbit-no-checkpoint", section, "db", f"{name} keeps no position", f"/var/lib/fluent-bit/{_file_name(name)}.db")  # fmt: skip
            if _bytes(section.get("buffer_max_size", "32k")) < _LONG_LINE and not comes_masked(section):  # fmt: skip
                yield self._finding("fluentbit-long-lines", section, "buffer_max_size", f"{name} stops at a line of more than {section.get('buffer_max_size', '32k')}", "16M")  # fmt: skip
        if section.name == "opentelemetry" and comes_masked(section):
            checked = truth(section.get("tls.verify_client_cert"), default=False)
            if not checked and not loopback(section.get("listen", "0.0.0.0")):  # noqa: S104
                yield self._finding("fluentbit-back-door", section, "listen", f"{name} takes masked data from anybody", "127.0.0.1")  # fmt: skip

    def _output(self, key: str, section: Section) -> Iterator[Finding]:
        name = section.get("alias") or key.split(":", 1)[1]
        if section.name not in ("stdout", "file"):
            limit = section.get("retry_limit").lower()
            if limit not in ("no_limits", "false", "off"):
                yield self._finding("fluentbit-retry-ends", section, "retry_limit", f"{name} gives up after {limit or '1'} attempts", "no_limits")  # fmt: skip
        if section.get("storage.total_limit_size"):
            yield self._finding("fluentbit-queue-drops", section, "storage.total_limit_size", f"{name} throws the oldest data away beyond {section.get('storage.total_limit_size')}", "")  # fmt: skip
        if self.is_hop(section):
            host = section.get("host", "127.0.0.1")
            if not loopback(host) and not truth(section.get("tls"), default=False):
                yield self._finding("fluentbit-hop-in-clear", section, "host", f"{name} sends unmasked data without TLS")  # fmt: skip


def comes_masked(section: Section) -> bool:
    """Whether an input gives what agenttrail has masked."""
    return comes_back(section.get("alias")) or any(
        ours(section.get(key)) for key in ("tag", "path", "command")
    )


def tag_of(key: str, section: Section) -> str:
    """The tag of an input's records; a star where it is made from the file's path or the record."""
    made = {"opentelemetry": "v1_*", "http": "*", "forward": "*", "splunk": "*"}
    tag = section.get("tag") or made.get(section.name, key.split(":", 1)[1])
    if section.get("tag_key"):
        return "*"
    return re.sub(r"\$\w+(\[[^\]]*\])*|<[^>]*>", "*", tag)


def matches(section: Section, tag: str) -> bool:
    """Whether a filter or an output can get records with this tag."""
    if tag == "*" and ours(section.get("match")):
        return False
    if "match_regex" in section.values:
        try:
            pattern = re.compile(section.get("match_regex"))
        except re.error:
            return True  # of another dialect: better told once too often
        return bool(pattern.search(tag.replace("*", "x"))) or ("*" in tag and not tag.strip("*"))
    return "match" in section.values and meet(section.get("match"), tag)


def _rewritten(section: Section) -> str:
    """The tag that a rewrite_tag gives: the third word of its rule, captures as stars."""
    words = section.get("rule").split()
    return re.sub(r"\$[\w.\[\]']+", "*", words[2]) if len(words) > 2 else ""


def _bytes(size: str) -> int:
    found = re.fullmatch(r"(\d+)\s*([kmg]?)b?", size.strip().lower())
    if not found:
        return 0
    return int(found.group(1)) * {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}[found.group(2)]


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)
