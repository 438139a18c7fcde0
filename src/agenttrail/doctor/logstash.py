"""Logstash: pipelines, conditionals and pipeline-to-pipeline; logstash.yml and pipelines.yml.

Checked against Logstash 9.5 (its reference, config/logstash.yml and grammar of 2026-08).

Files that each have an input and an output are pipelines of their own; otherwise all files given are
one pipeline, as a folder in `path.config` is. An output is the mask where its command, url, host or
id has "agenttrail" in it, or it sends to an address of `--hop`; what comes back comes by an input
with "agenttrail" in its id, path or command.

Limits: of conditions only those on `[type]` and `[tags]` of an input's own settings are evaluated;
any other one counts as true and as false. A filter of Logstash is never taken for the mask.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from agenttrail.doctor import _logstash_mend as mender
from agenttrail.doctor._finding import (
    Asked,
    ConfigFile,
    Finding,
    Place,
    Rule,
    loopback,
    ordered,
    ours,
    truth,
)
from agenttrail.doctor._graph import Graph, Node
from agenttrail.doctor._logstash_text import Document, Plugin, parse
from agenttrail.doctor._yaml import get, line_of, read

KIND = "logstash"
_OTHER_INPUTS = ("heartbeat", "generator", "dead_letter_queue", "jmx", "snmp", "snmptrap")
_SILENT_OUTPUTS = ("null", "sink")
# Filters whose failure leaves the event as it was, with this tag.
_FAILURE_TAGS = {"ruby": "_rubyexception", "http": "_httprequestfailure"}
_VOLATILE = re.compile(r"^(/dev/null|NUL$|/tmp/|/var/tmp/|/dev/shm/|/run/)", re.I)
_SETTINGS = re.compile(
    r"(?m)^[^\S\n]*(?:-[^\S\n]*)?\"?(pipeline\.(id|workers|batch|ecs)|queue\.type|path\.(data|config|logs|queue)|dead_letter_queue)"
)

RULES = {
    rule.id: rule
    for rule in (
        Rule(
            id="logstash-bypass", severity="error",
            why="what an agent said reaches this output as it was said",
            fix="let agenttrail mask before Logstash reads (input file on agenttrail's masked files), or send these events to agenttrail",
            source="Logstash 9.5: docs/reference/pipeline-to-pipeline.md, event-dependent-configuration.md",
        ),
        Rule(
            id="logstash-fail-open", severity="error",
            why="where this filter fails, the event goes on unchanged but for a tag",
            fix='if "_rubyexception" in [tags] { drop { } } behind it',
            source="logstash-filter-ruby 3.1.8: lib/logstash/filters/ruby.rb, tag_on_exception (default _rubyexception); Logstash 9.5",
        ),
        Rule(
            id="logstash-queue-memory", severity="error",
            why="events wait in memory: a stop or a crash loses them",
            fix="queue.type: persisted",
            source="Logstash 9.5: config/logstash.yml, queue.type (default memory)",
        ),
        Rule(
            id="logstash-no-dead-letters", severity="warning",
            why="an event that Elasticsearch refuses is thrown away",
            fix="dead_letter_queue.enable: true",
            source="Logstash 9.5: docs/reference/dead-letter-queues.md (disabled by default)",
        ),
        Rule(
            id="logstash-dead-letters-drop", severity="warning",
            why="a full dead letter queue throws the oldest entries away",
            fix="dead_letter_queue.storage_policy: drop_newer, and watch its size",
            source="Logstash 9.5: config/logstash.yml, dead_letter_queue.storage_policy (default drop_newer)",
        ),
        Rule(
            id="logstash-retry-ends", severity="error",
            why="an event that could not be delivered is thrown away",
            fix="retry_failed => true (the default); tcp instead of udp",
            source="logstash-output-http 6.0.1: lib/logstash/outputs/http.rb, retry_failed (default true), retryable_codes",
        ),
        Rule(
            id="logstash-no-checkpoint", severity="error",
            why="positions are not kept over a restart: lines come twice or not at all",
            fix="leave sincedb_path out (it is kept below path.data), or a file on a disk that stays",
            source="logstash-input-file 4.4.7: lib/logstash/inputs/file.rb, sincedb_path (default below path.data)",
        ),
        Rule(
            id="logstash-hop-in-clear", severity="error",
            why="unmasked data crosses the network in clear text",
            fix="run agenttrail on this machine, or use https",
            source="logstash-output-http 6.0.1: lib/logstash/outputs/http.rb, url",
        ),
    )
}  # fmt: skip


def sniff(file: ConfigFile) -> bool:
    """Whether a file is a pipeline of Logstash, or its settings."""
    if file.path.endswith((".yml", ".yaml", ".json", ".toml")):
        return _is_settings(file)
    return bool(re.search(r"(?m)^[^\S\n]*(input|filter|output)\s*\{", file.text))


def _is_settings(file: ConfigFile) -> bool:
    return file.path.endswith((".yml", ".yaml")) and bool(_SETTINGS.search(file.text))


def examine(files: list[ConfigFile], asked: Asked) -> list[Finding]:
    """All findings, by file and line."""
    return Reader(files, asked).findings()


def mend(files: list[ConfigFile], asked: Asked) -> tuple[dict[str, str], list[str]]:
    """The files' new texts, and what is left to do by hand."""
    texts = {file.path: file.text for file in files}

    def again() -> Reader:
        return Reader([ConfigFile(path, text) for path, text in texts.items()], asked)

    reader = again()
    left = []
    raw = {path[0].key for leak in reader.graph.leaks() for path in leak.paths}
    for key in sorted(raw, key=lambda k: -reader.plugins[k].start):
        plugin = reader.plugins[key]
        new = mender.read_masked(texts[plugin.file], plugin)
        if new is None:
            left.append(
                f"{plugin.file}:{plugin.line}: input {plugin.id} is no file: send it to agenttrail's source otlp "
                "by its own collector, or its events by an output to agenttrail (collectors/logstash)"
            )
        else:
            texts[plugin.file] = new
            left.append(
                f"{plugin.file}:{plugin.line}: run agenttrail on {plugin.get('path')}: {mender.command(plugin)}"
            )
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
        self.settings = [file for file in files if _is_settings(file)]
        documents = {f.path: parse(f.text, f.path) for f in files if not _is_settings(f)}
        self.documents = documents
        self.plugins: dict[str, Plugin] = {}
        self.graph = Graph()
        whole = [
            {p.section for p in document.plugins} >= {"input", "output"}
            for document in documents.values()
        ]
        if all(whole):
            self.pipelines = [[document] for document in documents.values()]
        else:
            self.pipelines = [list(documents.values())]
        for number, pipeline in enumerate(self.pipelines):
            self._build(number, pipeline)
        self._join()

    def _build(self, number: int, documents: list[Document]) -> None:
        plugins = [plugin for document in documents for plugin in document.plugins]
        inputs, outputs = [], []
        for plugin in plugins:
            key = f"{number}:{plugin.file}:{plugin.start}"
            if plugin.section == "filter":
                continue
            self.plugins[key] = plugin
            place = Place(plugin.file, plugin.line)
            linked = plugin.name == "pipeline"
            if plugin.section == "input":
                masked = any(ours(plugin.get(k)) for k in ("id", "path", "command"))
                known = [plugin.id, plugin.name, plugin.get("type"), plugin.get("path")]
                raw = not masked and not linked and plugin.name not in _OTHER_INPUTS and self.asked.carries(*filter(None, known))  # fmt: skip
                self.graph.add(Node(key=key, name=plugin.id, place=place, raw=raw, masked=masked))
                inputs.append((key, plugin))
            else:
                mask = self.is_mask(plugin) or plugin.name in _SILENT_OUTPUTS
                self.graph.add(
                    Node(key=key, name=plugin.id, place=place, sink=not linked, mask=mask)
                )
                outputs.append((key, plugin))
        changed = self._changed(plugins)
        for key, source in inputs:
            for other, output in outputs:
                if all(possible(c, source, changed, wanted) for c, wanted in output.conditions):
                    self.graph.link(key, other, Place(output.file, output.line))

    def _changed(self, plugins: list[Plugin]) -> set[str]:
        """Of type and tags, those that a filter may change: then an input's own say nothing."""
        changed = set()
        for plugin in plugins:
            if plugin.section == "filter":
                text = str(plugin.values)
                changed |= {name for name in ("type", "tags") if name in text}
                if "add_tag" in plugin.values or "remove_tag" in plugin.values:
                    changed.add("tags")
                if (plugin.name == "json" and "target" not in plugin.values) or plugin.get("path"):
                    changed.add("type")  # of the record's own, or by a script that is not read
        return changed

    def _join(self) -> None:
        """An output `pipeline` goes on at the inputs that have its address."""
        for key, output in self.plugins.items():
            if output.section != "output" or output.name != "pipeline":
                continue
            sent = output.values.get("send_to")
            targets = sent if isinstance(sent, list) else [sent]
            for other, source in self.plugins.items():
                if source.section == "input" and source.name == "pipeline" and source.values.get("address") in targets:  # fmt: skip
                    self.graph.link(key, other, Place(output.file, output.line))

    def is_mask(self, plugin: Plugin) -> bool:
        host = f"{plugin.get('host')}:{plugin.get('port')}"
        return self.asked.is_hop(plugin.get("id"), plugin.get("command"), plugin.get("url"), plugin.get("path"), host)  # fmt: skip

    def findings(self) -> list[Finding]:
        found = [
            Finding(
                rule=RULES["logstash-bypass"], place=leak.place,
                what=f"output {leak.sink.name} gets unmasked events: {leak.text()}",
            )
            for leak in self.graph.leaks()
        ]  # fmt: skip
        reached = self.graph.reached()
        for key, plugin in self.plugins.items():
            if key in reached:
                found += self._input(plugin) if plugin.section == "input" else self._output(plugin)
        found += self._filters()
        for file in self.settings:
            found += self._file(file)
        return ordered(found)

    def _finding(self, rule: str, plugin: Plugin, key: str, what: str, value: str | None = None) -> Finding:  # fmt: skip
        repair = None if value is None else mender.setting(plugin, key, value)
        place = Place(plugin.file, plugin.line_of(key))
        return Finding(rule=RULES[rule], place=place, what=what, repair=repair)

    def _input(self, plugin: Plugin) -> Iterator[Finding]:
        if plugin.name == "file" and _VOLATILE.match(plugin.get("sincedb_path")):
            yield self._finding("logstash-no-checkpoint", plugin, "sincedb_path", f"{plugin.id} keeps no position that stays", "")  # fmt: skip

    def _output(self, plugin: Plugin) -> Iterator[Finding]:
        if plugin.name == "http" and plugin.values.get("retry_failed") is not None and not truth(plugin.get("retry_failed"), default=True):  # fmt: skip
            yield self._finding("logstash-retry-ends", plugin, "retry_failed", f"{plugin.id} does not repeat what failed", "true")  # fmt: skip
        if plugin.name == "udp":
            yield self._finding("logstash-retry-ends", plugin, "name", f"{plugin.id} sends datagrams: what is lost is not told")  # fmt: skip
        url = plugin.get("url")
        if self.is_mask(plugin) and url.startswith("http://") and not loopback(url):
            yield self._finding("logstash-hop-in-clear", plugin, "url", f"{plugin.id} sends unmasked data without TLS")  # fmt: skip

    def _filters(self) -> Iterator[Finding]:
        for pipeline in self.pipelines:
            conditions = " ".join(c for document in pipeline for c in document.conditions)
            for document in pipeline:
                ends = [end for section, _, end in document.sections if section == "filter"]
                for plugin in document.plugins:
                    tag = _FAILURE_TAGS.get(plugin.name)
                    if plugin.section != "filter" or tag is None:
                        continue
                    own = plugin.values.get("tag_on_exception") or plugin.values.get("tag_on_request_failure") or tag  # fmt: skip
                    own = own[0] if isinstance(own, list) else own
                    if str(own) not in conditions:
                        yield Finding(
                            rule=RULES["logstash-fail-open"], place=Place(plugin.file, plugin.line),
                            what=f"filter {plugin.id} lets an event go on where it fails ({own})",
                            repair=mender.dropping(str(own), ends[-1]),
                        )  # fmt: skip

    def _file(self, file: ConfigFile) -> Iterator[Finding]:
        """logstash.yml, a mapping, or pipelines.yml, a list of them."""
        doc = read(file)
        listing = isinstance(doc, list)
        parts: list[tuple[tuple[Any, ...], Any]] = [((i,), e) for i, e in enumerate(doc)] if listing else [((), doc)]  # fmt: skip
        for path, part in parts:
            name = str(get(part, "pipeline.id") or file.path.rsplit("/", 1)[-1])
            kind = _setting(part, "queue", "type")
            if kind != "persisted" and not (listing and kind is None):
                yield Finding(
                    rule=RULES["logstash-queue-memory"], place=Place(file.path, _where(doc, path, "queue", "type")),
                    what=f"{name} queues in memory",
                    repair=mender.yaml(path, "queue", "type", "persisted"),
                )  # fmt: skip
            if listing:
                continue
            if not truth(_setting(part, "dead_letter_queue", "enable"), default=False):
                yield Finding(
                    rule=RULES["logstash-no-dead-letters"],
                    place=Place(file.path, _where(doc, path, "dead_letter_queue", "enable")),
                    what=f"{name} keeps no dead letters",
                    repair=mender.yaml(path, "dead_letter_queue", "enable", "true"),
                )  # fmt: skip
            if _setting(part, "dead_letter_queue", "storage_policy") == "drop_older":
                yield Finding(
                    rule=RULES["logstash-dead-letters-drop"],
                    place=Place(file.path, _where(doc, path, "dead_letter_queue", "storage_policy")),
                    what=f"{name} throws old dead letters away",
                    repair=mender.yaml(path, "dead_letter_queue", "storage_policy", "drop_newer"),
                )  # fmt: skip


def _setting(part: Any, group: str, name: str) -> Any:
    """A setting that may be written `a.b: x` or nested."""
    flat = get(part, f"{group}.{name}")
    return flat if flat is not None else get(part, group, name)


def _where(doc: Any, path: tuple[Any, ...], group: str, name: str) -> int:
    inner = get(doc, *path) if path else doc
    if get(inner, f"{group}.{name}") is not None:
        return line_of(doc, *path, f"{group}.{name}")
    return line_of(doc, *path, group, name)


def possible(condition: str, source: Plugin, changed: set[str], wanted: bool) -> bool:  # noqa: FBT001
    """Whether a condition can come to `wanted` for an event of this input.

    Only single comparisons of [type] and [tags] with a text are known; others can be both.
    """
    match = re.fullmatch(r"""\(?\s*\[type\]\s*(==|!=)\s*["']([^"']*)["']\s*\)?""", condition)
    if match and "type" not in changed and source.get("type"):
        return ((source.get("type") == match.group(2)) == (match.group(1) == "==")) == wanted
    match = re.fullmatch(r"""\(?\s*["']([^"']*)["']\s+(not\s+)?in\s+\[tags\]\s*\)?""", condition)
    if match and "tags" not in changed:
        tags = source.values.get("tags") or []
        has = match.group(1) in (tags if isinstance(tags, list) else [tags])
        return (has != bool(match.group(2))) == wanted
    return True
