"""syslog-ng: sources, parsers, log paths and destinations.

Checked against the source of syslog-ng 4.11, and 3.38, which is run in the tests. All files given together are one configuration, as
@include makes them.

The mask is a parser that has "agenttrail" in its name or its options, or a Python class whose code
imports it. What that gives stands in `${agenttrail.line}`: a destination behind it is safe only with a
template of that, without `$MESSAGE`. Files, pipes and terminals stay on this machine and are not
counted as leaving it. Positions of files are kept by syslog-ng itself (its persist file).

Limits: filters are not evaluated, so a path behind one counts as taken; `@include` is not followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from agenttrail.doctor import _syslog_ng_mend as mender
from agenttrail.doctor._finding import (
    Asked,
    ConfigFile,
    Finding,
    Place,
    Repair,
    Rule,
    ordered,
    ours,
    truth,
)
from agenttrail.doctor._graph import Graph, Node
from agenttrail.doctor._syslog_ng_text import Word, parse

KIND = "syslog_ng"
_STAYS = frozenset(
    ("file", "pipe", "unix-dgram", "unix-stream", "usertty", "pseudofile", "stdout", "null", "channel")
)  # fmt: skip
_NETWORK = frozenset(("network", "syslog", "tcp", "udp", "tcp6", "udp6"))
_ENOUGH = 1000

RULES = {
    rule.id: rule
    for rule in (
        Rule(
            id="syslogng-bypass", severity="error",
            why="what an agent said reaches this destination as it was said",
            fix="parser(p_agenttrail) in front of it, in the same log path",
            source="syslog-ng 4.11: lib/cfg-tree.c, log paths; run on 3.38",
        ),
        Rule(
            id="syslogng-fail-open", severity="error",
            why="the mask writes into ${agenttrail.line}; the message itself stays as it was",
            fix="a template of ${agenttrail.line}, without $MESSAGE",
            source="collectors/syslog_ng, run on syslog-ng 3.38",
        ),
        Rule(
            id="syslogng-queue-memory", severity="error",
            why="what waits is in memory: a stop or a crash loses it",
            fix="disk-buffer(reliable(yes) …) in the destination",
            source="syslog-ng 4.11: modules/diskq/diskq-options.c, reliable (default no); no disk-buffer unless asked for",
        ),
        Rule(
            id="syslogng-drops", severity="error",
            why="a destination that is away fills its buffer and then messages are dropped",
            fix="flags(flow-control) in the log path",
            source="syslog-ng 4.11: lib/logpipe.h, lib/cfg-tree.c, flow-control (off unless the flag is there)",
        ),
        Rule(
            id="syslogng-retry-ends", severity="error",
            why="after retries() attempts (3 unless set) a batch is thrown away",
            fix="retries(1000000)",
            source="syslog-ng 4.11: lib/logthrdest/logthrdestdrv.c, MAX_RETRIES_ON_ERROR_DEFAULT (3)",
        ),
        Rule(
            id="syslogng-udp", severity="error",
            why="datagrams that the receiver cannot take are lost and nobody is told",
            fix='transport("tcp")',
            source="syslog-ng 4.11: modules/afsocket, transport udp",
        ),
    )
}  # fmt: skip


def sniff(file: ConfigFile) -> bool:
    """Whether a file is syslog-ng's: its version, or sources, destinations and log paths in braces."""
    return bool(
        re.search(r"(?m)^@version:\s*[\d.]+", file.text)
        or (
            re.search(r"(?m)^[^\S\n]*log\s*\{", file.text)
            and re.search(r"(?m)^[^\S\n]*(source|destination)\s+[\w.-]+\s*\{", file.text)
        )
    )


def examine(files: list[ConfigFile], asked: Asked) -> list[Finding]:
    """All findings, by file and line."""
    return Reader(files, asked).findings()


def mend(files: list[ConfigFile], asked: Asked) -> tuple[dict[str, str], list[str]]:
    """The files' new texts, and what is left to do by hand."""
    texts = {file.path: file.text for file in files}
    left: list[str] = []

    def again() -> Reader:
        return Reader([ConfigFile(path, text) for path, text in texts.items()], asked)

    for _ in range(500):
        reader = again()
        todo: list[tuple[str, Repair]] = [
            (step.file, mender.masking(step.word, known=reader.masks_by_name))
            for step in reader.steps
            if step.raw and not step.masked and step.word.text == "destination" and step.leaves
        ]
        todo += [(f.place.path, f.repair) for f in reader.findings() if f.repair]
        if not todo:
            break
        path, repair = todo[0]
        new = repair(texts[path])
        if new == texts[path]:
            left.append(f"{path}: a log path is written in a way that is not edited")
            break
        texts[path] = new
    return texts, left


@dataclass(slots=True, kw_only=True)
class Step:
    """A destination in a log path, and what has become of messages by then."""

    word: Word
    file: str
    path: Word
    drivers: list[tuple[str, Word]]
    masked: bool
    flow: bool
    leaves: bool
    raw: bool = False


@dataclass(slots=True, kw_only=True)
class _Path:
    """A log path as it is walked."""

    word: Word
    file: str
    flow: bool
    sources: list[str] = field(default_factory=list)
    masked: bool = False


class Reader:
    """The graph and the rules of all files together."""

    def __init__(self, files: list[ConfigFile], asked: Asked) -> None:
        self.asked = asked
        self.parts: dict[str, dict[str, tuple[str, Word]]] = {"source": {}, "destination": {}, "parser": {}}  # fmt: skip
        self.classes: set[str] = set()
        self.logs: list[tuple[str, Word]] = []
        self.steps: list[Step] = []
        self.graph = Graph()
        for file in files:
            self._collect(file)
        self.masks_by_name = "p_agenttrail" in self.parts["parser"]
        for path, word in self.logs:
            self._walk(word.brace or [], _Path(word=word, file=path, flow=_flow(word)), top=True)

    def _collect(self, file: ConfigFile) -> None:
        keyword = ""
        for word in parse(file.text):
            if word.text == "log" and word.brace is not None:
                self.logs.append((file.path, word))
            elif word.text == "python" and "agenttrail" in word.code:
                self.classes |= set(re.findall(r"(?m)^class\s+(\w+)", word.code))
            elif keyword in self.parts and word.brace is not None:
                self.parts[keyword][word.text] = (file.path, word)
            keyword = word.text

    def _walk(self, words: list[Word], path: _Path, *, top: bool = False) -> None:
        branches: list[_Path] = []
        for word in words:
            if word.text in ("if", "elif", "else", "channel"):
                inner = _Path(word=path.word, file=path.file, flow=path.flow, sources=list(path.sources), masked=path.masked)  # fmt: skip
                self._walk(word.brace or [], inner)
                branches.append(inner)
                path.sources = list(dict.fromkeys([*path.sources, *inner.sources]))
                continue
            if word.text == "junction":
                self._walk(word.brace or [], path)
            elif word.text == "source":
                path.sources += self._sources(word, path.file)
            elif word.text == "parser" and self._is_mask(word):
                path.masked = True
            elif word.text == "destination":
                self._destination(word, path)
            elif word.text == "log" and word.brace is not None:
                self._walk(word.brace, _Path(word=word, file=path.file, flow=path.flow or _flow(word), sources=list(path.sources), masked=path.masked))  # fmt: skip
        if branches and not top and all(branch.masked for branch in branches):
            path.masked = True

    def _sources(self, word: Word, file: str) -> list[str]:
        keys = []
        named = [(n.text, *self.parts["source"].get(n.text, (file, n))) for n in word.paren]
        if word.brace is not None:
            named = [(f"source in line {word.line}", file, word)]
        for name, place, inner in named:
            drivers = inner.brace or []
            masked = any(ours(w.text) for d in drivers for w in d.every())
            own = bool(drivers) and all(d.text == "internal" for d in drivers)
            key = f"source:{name}"
            self.graph.add(
                Node(
                    key=key, name=name, place=Place(place, inner.line), masked=masked and ours(_path_of(drivers)),
                    raw=not own and not ours(_path_of(drivers)) and self.asked.carries(name),
                )
            )  # fmt: skip
            keys.append(key)
        return keys

    def _is_mask(self, word: Word) -> bool:
        names = [w.text for w in word.paren]
        found = [self.parts["parser"][n][1] for n in names if n in self.parts["parser"]]
        inner = [w for part in (*found, word) for w in part.every()]
        return any(ours(n) for n in names) or any(ours(w.text) or w.text in self.classes for w in inner if w is not word)  # fmt: skip

    def _destination(self, word: Word, path: _Path) -> None:
        if word.brace is not None:
            named = [(f"destination in line {word.line}", path.file, word)]
        else:
            named = [(n.text, *self.parts["destination"].get(n.text, (path.file, n))) for n in word.paren]  # fmt: skip
        for name, file, inner in named:
            drivers = [(file, d) for d in inner.brace or []]
            leaves = any(d.text not in _STAYS for _, d in drivers)
            step = Step(
                word=word, file=path.file, path=path.word, drivers=drivers, masked=path.masked,
                flow=path.flow, leaves=leaves,
            )  # fmt: skip
            self.steps.append(step)
            if not leaves:
                continue
            hop = self.asked.is_hop(name, *(w.text for _, d in drivers if d.text in ("program", "http", "opentelemetry") for w in d.every()))  # fmt: skip
            key = f"destination:{name}:{word.start}"
            self.graph.add(Node(key=key, name=name, place=Place(path.file, word.line), sink=True, mask=path.masked or hop))  # fmt: skip
            step.masked = step.masked or hop
            for source in path.sources:
                self.graph.link(source, key, Place(path.file, word.line))
                step.raw = step.raw or self.graph.nodes[source].raw

    def findings(self) -> list[Finding]:
        found = [
            Finding(
                rule=RULES["syslogng-bypass"], place=leak.place,
                what=f"destination {leak.sink.name} gets unmasked messages: {leak.text()}",
            )
            for leak in self.graph.leaks()
        ]  # fmt: skip
        for step in self.steps:
            if step.leaves:
                found += self._step(step)
        return ordered(found)

    def _step(self, step: Step) -> Iterator[Finding]:
        if not step.flow:
            yield Finding(
                rule=RULES["syslogng-drops"], place=Place(step.file, step.path.line),
                what="the log path has no flow control", repair=mender.flow_control(step.path),
            )  # fmt: skip
        for file, driver in step.drivers:
            if driver.text in _STAYS:
                continue
            place = Place(file, driver.line)
            if step.masked and step.raw and not _clean(driver) and driver.text != "program":
                yield Finding(
                    rule=RULES["syslogng-fail-open"], place=place,
                    what=f"{driver.text} writes more than the mask has given", repair=mender.template(driver),
                )  # fmt: skip
            buffer = driver.get("disk-buffer") or driver.get("disk_buffer")
            if buffer is None or not truth(buffer.value("reliable") or None, default=False):
                yield Finding(
                    rule=RULES["syslogng-queue-memory"], place=Place(file, buffer.line if buffer else driver.line),
                    what=f"{driver.text} keeps what it cannot send in memory", repair=mender.disk_buffer(driver, buffer),
                )  # fmt: skip
            transport = driver.value("transport").lower()
            if driver.text in ("udp", "udp6") or (driver.text in _NETWORK and transport == "udp"):
                option = driver.get("transport")
                yield Finding(
                    rule=RULES["syslogng-udp"], place=Place(file, option.line if option else driver.line),
                    what=f"{driver.text} sends datagrams", repair=mender.by_tcp(driver, option),
                )  # fmt: skip
            tries = driver.value("retries")
            if driver.text in ("http", "elasticsearch-http") and not (tries.isdigit() and int(tries) >= _ENOUGH):  # fmt: skip
                option = driver.get("retries")
                yield Finding(
                    rule=RULES["syslogng-retry-ends"], place=Place(file, option.line if option else driver.line),
                    what=f"{driver.text} gives up after {tries or 3} tries", repair=mender.retries(driver, option),
                )  # fmt: skip


def _path_of(drivers: list[Word]) -> str:
    """Files that a source reads, as one text."""
    return " ".join(
        w.text for d in drivers if d.text in ("file", "wildcard-file") for w in d.every()
    )


def _flow(path: Word) -> bool:
    flags = [w.text for word in path.brace or [] if word.text == "flags" for w in word.paren]
    return any(flag.replace("_", "-") == "flow-control" for flag in flags)


def _clean(driver: Word) -> bool:
    """Whether its texts have what the mask gave, and no other part of the message."""
    text = " ".join(w.text for w in driver.every())
    raw = re.search(
        r"(?i)\$\{?(MESSAGE|MSG|RAWMSG|MSGHDR|LEGACY_MSGHDR)\b|--scope\s+(?!none)", text
    )
    return "agenttrail." in text and raw is None
