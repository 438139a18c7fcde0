"""rsyslog: inputs, rulesets and actions of RainerScript and of legacy lines.

Checked against rsyslog 8.2608 (its documentation and source) and 8.2302 (run in the tests). All files
given together are one configuration, as $IncludeConfig and include() make them.

The mask is an mmexternal action whose program has "agenttrail" in it. rsyslog passes a message on as
it was where that fails, so an action behind it is safe only with a template of `$!agenttrail!…` and
without `msg` or `rawmsg`. An omprog or omfwd that has "agenttrail" in its program or target, or sends to an address
of `--hop`, is the mask too. What stays on this machine (omfile, omusrmsg, omjournal) is not counted
as leaving it.

Limits: conditions are not evaluated, so an action behind any condition counts as reached.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agenttrail.doctor import _rsyslog_mend as mender
from agenttrail.doctor._finding import Asked, ConfigFile, Finding, Place, Rule, ordered, ours, truth
from agenttrail.doctor._graph import Graph, Node
from agenttrail.doctor._rsyslog_text import Statement, statements

KIND = "rsyslog"
DEFAULT = "RSYSLOG_DefaultRuleset"
# Inputs that tell of the kernel or of rsyslog, not of agents.
_OTHER_INPUTS = ("imklog", "immark", "impstats", "imdiag")
_STAYS = ("omfile", "omusrmsg", "omdiscard", "omjournal", "omstdout", "omnull", "omtesting")

RULES = {
    rule.id: rule
    for rule in (
        Rule(
            id="rsyslog-bypass", severity="error",
            why="what an agent said reaches this action as it was said",
            fix="an mmexternal action with agenttrail in front of it, in the same ruleset",
            source="rsyslog 8.2608: concepts/multi_ruleset.rst; configuration/modules/mmexternal.rst",
        ),
        Rule(
            id="rsyslog-fail-open", severity="error",
            why="when the mask's program dies or its answer cannot be read, the message goes on unchanged",
            fix="write only what the mask gave: a template of $!agenttrail!line, without msg and rawmsg",
            source="rsyslog 8.2302: plugins/mmexternal/mmexternal.c, processProgramReply and doAction",
        ),
        Rule(
            id="rsyslog-retry-ends", severity="error",
            why="a failed action is tried action.resumeRetryCount times (0 unless set) and the message is thrown away",
            fix='action.resumeRetryCount="-1"',
            source="rsyslog 8.2608: configuration/actions.rst, action.resumeRetryCount (default 0)",
        ),
        Rule(
            id="rsyslog-queue-memory", severity="error",
            why="messages wait in memory: a stop or a crash loses them",
            fix='queue.type="LinkedList" queue.filename="NAME" queue.saveOnShutdown="on"',
            source="rsyslog 8.2608: rainerscript/queue_parameters.rst, queue.type (default Direct), queue.filename (default none)",
        ),
        Rule(
            id="rsyslog-queue-not-saved", severity="error",
            why="what is in the memory part of the queue is lost when rsyslog stops",
            fix='queue.saveOnShutdown="on"',
            source="rsyslog 8.2608: rainerscript/queue_parameters.rst, queue.saveOnShutdown (default off)",
        ),
        Rule(
            id="rsyslog-queue-drops", severity="error",
            why="a filling queue throws messages away",
            fix='no queue.discardSeverity below 8, no queue.timeoutEnqueue="0"',
            source="rsyslog 8.2608: rainerscript/queue_parameters.rst, queue.discardMark, queue.discardSeverity (default 8), queue.timeoutEnqueue",
        ),
        Rule(
            id="rsyslog-udp", severity="error",
            why="datagrams that the receiver cannot take are lost and nobody is told",
            fix='protocol="tcp" (or omrelp, which is acknowledged)',
            source="rsyslog 8.2608: tools/omfwd.c (default UDP)",
        ),
        Rule(
            id="rsyslog-no-checkpoint", severity="error",
            why="positions in files are not kept, or only when rsyslog stops in order",
            fix='global(workDirectory="/var/spool/rsyslog"), and persistStateInterval="100" at the input',
            source="rsyslog 8.2608: reference/parameters/imfile-persiststateinterval.rst (default 0), imfile-statefile-directory.rst, imfile-freshstarttail.rst",
        ),
    )
}  # fmt: skip


def sniff(file: ConfigFile) -> bool:
    """Whether a file is rsyslog's: its objects with types, its directives or its forwards."""
    return bool(
        re.search(r"(?m)^[^\S\n]*(module|input|action|ruleset|global|template|main_queue)\s*\(", file.text)
        or re.search(r"(?m)^\$(ModLoad|IncludeConfig|Action\w+|WorkDirectory|Input\w+|UDPServerRun)", file.text)
        or re.search(r"(?m)^[\w*,;.!=]+\.[\w*!=]+\s+(@@?|-?/)", file.text)
    )  # fmt: skip


def examine(files: list[ConfigFile], asked: Asked) -> list[Finding]:
    """All findings, by file and line."""
    return Reader(files, asked).findings()


def mend(files: list[ConfigFile], asked: Asked) -> tuple[dict[str, str], list[str]]:
    """The files' new texts, and what is left to do by hand."""
    texts = {file.path: file.text for file in files}

    def again() -> Reader:
        return Reader([ConfigFile(path, text) for path, text in texts.items()], asked)

    for _ in range(500):
        reader = again()
        bare = [step for step in reader.steps if not step.masked and step.raw]
        if bare:
            path = bare[0].file
            texts[path] = mender.insert(texts[path], bare[0].statement)
            continue
        todo = [f for f in reader.findings() if f.repair]
        if not todo or todo[0].repair is None:
            break
        path = todo[0].place.path
        new = todo[0].repair(texts[path])
        if new == texts[path]:
            break
        texts[path] = new
    return texts, []


@dataclass(slots=True, kw_only=True)
class Step:
    """An action that messages reach, and what has become of them by then.

    `ruleset` is where they came in, `home` where the action stands.
    """

    statement: Statement
    file: str
    ruleset: str
    home: str
    key: str
    masked: bool
    raw: bool = False


@dataclass(slots=True, kw_only=True)
class _State:
    masked: bool = False


class Reader:
    """The graph and the rules of all files together."""

    def __init__(self, files: list[ConfigFile], asked: Asked) -> None:
        self.asked = asked
        self.rulesets: dict[str, list[tuple[str, Statement]]] = {DEFAULT: []}
        self.queues: dict[str, tuple[str, Statement]] = {}
        self.inputs: list[tuple[str, Statement, str]] = []
        self.settings: dict[str, str] = {}
        self.steps: list[Step] = []
        self.templates: dict[str, str] = {}
        self.graph = Graph()
        for file in files:
            self._collect(file)
        self._build()

    def _collect(self, file: ConfigFile) -> None:
        now = DEFAULT
        listed = ""
        for statement in statements(file.text):
            name = statement.name
            if statement.kind == "block" and listed:  # what a template of type list is made of
                names = " ".join(s.get("name") for s in statement.body)
                self.templates[listed] = names
                listed = ""
                continue
            listed = ""
            if statement.kind == "directive":
                value = statement.get("value")
                if name == "template":
                    self.templates[value.split(",")[0].strip()] = value
                elif name == "ruleset":
                    now = value
                    self.rulesets.setdefault(now, [])
                elif name == "workdirectory":
                    self.settings["workdirectory"] = value
                elif name in ("inputrunfilemonitor", "inputtcpserverrun", "udpserverrun"):
                    bound = statement.get("inputtcpserverbindruleset") or now
                    self.inputs.append((file.path, statement, bound))
                elif name == "modload" and value.split(".")[0] in ("imuxsock", "imjournal"):
                    self.inputs.append((file.path, statement, DEFAULT))
            elif statement.kind == "object" and name == "ruleset":
                ruleset = statement.get("name")
                self.queues[ruleset] = (file.path, statement)
                self.rulesets.setdefault(ruleset, []).extend((file.path, s) for s in statement.body)
            elif statement.kind == "object" and name == "template":
                listed = statement.get("name")
                self.templates[listed] = statement.get("string") or statement.get("subtree")
            elif statement.kind == "object" and name == "main_queue":
                self.queues[DEFAULT] = (file.path, statement)
            elif statement.kind == "object" and name == "global":
                self.settings |= {k: v for k, v in statement.values.items() if k == "workdirectory"}
            elif statement.kind == "object" and name == "module":
                loaded = statement.get("load")
                if loaded == "imfile" and statement.get("statefile.directory"):
                    self.settings["workdirectory"] = statement.get("statefile.directory")
                if loaded in ("imuxsock", "imjournal"):
                    self.inputs.append((file.path, statement, DEFAULT))
            elif statement.kind == "object" and name == "input":
                self.inputs.append((file.path, statement, statement.get("ruleset") or DEFAULT))
            else:
                self.rulesets[now].append((file.path, statement))

    def _build(self) -> None:
        for name in self.rulesets:
            self._run(name, name, _State(), 0)
        for number, (file, statement, ruleset) in enumerate(self.inputs):
            kind = _input_type(statement)
            label = statement.get("tag") or statement.get("inputfiletag") or kind
            path = statement.get("file") or statement.get("inputfilename")
            masked = ours(path)
            key = f"input:{number}"
            raw = not masked and kind not in _OTHER_INPUTS and self.asked.carries(label.strip(":"), kind, path)  # fmt: skip
            self.graph.add(Node(key=key, name=label.strip(":"), place=Place(file, statement.line), raw=raw, masked=masked))  # fmt: skip
            for step in self.steps:
                if step.ruleset != ruleset:
                    continue
                step.raw |= raw
                self.graph.add(
                    Node(
                        key=step.key, name=_label(step.statement), place=Place(step.file, step.statement.line),
                        sink=True, mask=step.masked or self.is_mask(step.statement),
                    )
                )  # fmt: skip
                self.graph.link(key, step.key, Place(step.file, step.statement.line))
        self.steps = [
            s for s in self.steps if not self.is_mask(s.statement) or _is_filter(s.statement)
        ]

    def _run(self, ruleset: str, name: str, state: _State, depth: int) -> None:
        for file, statement in self.rulesets.get(name, []):
            self._step((ruleset, name), file, statement, state, depth)

    def _step(
        self, where: tuple[str, str], file: str, statement: Statement, state: _State, depth: int
    ) -> None:
        if statement.kind == "action":
            if _is_filter(statement):
                state.masked = True
            if _is_filter(statement) or _leaves(statement):
                key = f"{where[0]}:{file}:{statement.start}"
                self.steps.append(
                    Step(
                        statement=statement, file=file, ruleset=where[0], home=where[1], key=key, masked=state.masked,
                    )
                )  # fmt: skip
        elif statement.kind == "if":
            branches = []
            for body in (statement.body, statement.other):
                inner = _State(masked=state.masked)
                for each in body:
                    self._step(where, file, each, inner, depth)
                branches.append(inner)
            state.masked = all(branch.masked for branch in branches)
        elif statement.kind == "block":
            for each in statement.body:
                self._step(where, file, each, state, depth)
        elif statement.kind == "call" and depth < 10:
            self._run(where[0], statement.name, state, depth + 1)

    def _clean(self, statement: Statement) -> bool:
        """Whether an action writes only what the mask has given."""
        text = self.templates.get(statement.get("template"), "")
        return "$!agenttrail" in text and not re.search(
            r"(?i)\b(rawmsg|msg)\b|%\$!%|(^| )\$!( |$)", text
        )

    def is_mask(self, statement: Statement) -> bool:
        address = f"{statement.get('target')}:{statement.get('port')}"
        return self.asked.is_hop(statement.get("name"), statement.get("binary"), statement.get("target"), address)  # fmt: skip

    def findings(self) -> list[Finding]:
        found = [*self._bypasses(), *self._actions(), *self._files()]
        return ordered(found)

    def _bypasses(self) -> Iterator[Finding]:
        for leak in self.graph.leaks():
            yield Finding(
                rule=RULES["rsyslog-bypass"], place=leak.place,
                what=f"action {leak.sink.name} gets unmasked messages: {leak.text()}",
            )  # fmt: skip

    def _finding(self, rule: str, file: str, statement: Statement, key: str, what: str, values: dict[str, str] | None = None) -> Finding:  # fmt: skip
        repair = mender.setting(statement, values) if values else None
        place = Place(file, statement.line_of(key))
        return Finding(rule=RULES[rule], place=place, what=what, repair=repair)

    def _actions(self) -> Iterator[Finding]:
        used = {ruleset for _, _, ruleset in self.inputs}
        for step in self.steps:
            if step.ruleset not in used:
                continue
            statement, file, name = step.statement, step.file, _label(step.statement)
            if _is_filter(statement):
                continue
            if statement.get("action.resumeretrycount") != "-1":
                yield self._finding("rsyslog-retry-ends", file, statement, "action.resumeretrycount", f"{name} gives a message up", {"action.resumeRetryCount": "-1"})  # fmt: skip
            if step.masked and not self._clean(statement):
                yield Finding(
                    rule=RULES["rsyslog-fail-open"], place=Place(file, statement.line),
                    what=f"{name} writes more than the mask has given",
                    repair=mender.templated(statement),
                )  # fmt: skip
            if statement.name == "omfwd" and statement.get("protocol", "udp").lower() == "udp":
                yield Finding(
                    rule=RULES["rsyslog-udp"], place=Place(file, statement.line_of("protocol")),
                    what=f"{name} sends datagrams", repair=mender.by_tcp(statement),
                )  # fmt: skip
            yield from self._queue(step, name)

    def _queue(self, step: Step, name: str) -> Iterator[Finding]:
        statement, file = step.statement, step.file
        held = self.queues.get(step.home)
        own = statement.get("queue.filename") or statement.get("queue.type").lower() in ("disk", "segmenteddisk")  # fmt: skip
        if not own and not (held and held[1].get("queue.filename") and statement.get("queue.type").lower() in ("", "direct")):  # fmt: skip
            yield self._finding(
                "rsyslog-queue-memory", file, statement, "queue.type", f"{name} keeps what it cannot send in memory",
                {"queue.type": "LinkedList", "queue.filename": f"agenttrail_{step.statement.line}", "queue.saveOnShutdown": "on"},
            )  # fmt: skip
        for place, holder in [(file, statement), *([held] if held else [])]:
            if holder.get("queue.filename") and holder.get("queue.type").lower() != "disk" and not truth(holder.get("queue.saveonshutdown") or None, default=False):  # fmt: skip
                yield self._finding("rsyslog-queue-not-saved", place, holder, "queue.filename", "the queue's memory part is not saved", {"queue.saveOnShutdown": "on"})  # fmt: skip
            severity = holder.get("queue.discardseverity")
            if severity.isdigit() and int(severity) < 8:
                yield self._finding("rsyslog-queue-drops", place, holder, "queue.discardseverity", f"messages of severity {severity} and less urgent are dropped", {"queue.discardSeverity": "8"})  # fmt: skip
            if holder.get("queue.timeoutenqueue") == "0":
                yield self._finding("rsyslog-queue-drops", place, holder, "queue.timeoutenqueue", "a full queue drops at once", {"queue.timeoutEnqueue": "2000"})  # fmt: skip

    def _files(self) -> Iterator[Finding]:
        for number, (file, statement, _) in enumerate(self.inputs):
            node = self.graph.nodes[f"input:{number}"]
            if _input_type(statement) != "imfile" or not (node.raw or node.masked):
                continue
            modern = statement.inside >= 0
            interval = statement.get("persiststateinterval") or statement.get("inputfilepersiststateinterval")  # fmt: skip
            if not self.settings.get("workdirectory"):
                yield Finding(
                    rule=RULES["rsyslog-no-checkpoint"], place=Place(file, statement.line),
                    what=f"{node.name}: there is no workDirectory for state files (if another file has it, give that file too)",
                    repair=mender.head('global(workDirectory="/var/spool/rsyslog")'),
                )  # fmt: skip
            elif interval in ("", "0"):
                repair = {"persistStateInterval": "100"} if modern else None
                found = self._finding("rsyslog-no-checkpoint", file, statement, "persiststateinterval", f"{node.name} keeps its position only when rsyslog stops in order", repair)  # fmt: skip
                if modern:
                    yield found
                else:
                    yield Finding(rule=found.rule, place=found.place, what=found.what, repair=mender.before(statement, "$InputFilePersistStateInterval 100"))  # fmt: skip
            if truth(statement.get("freshstarttail") or None, default=False):
                yield self._finding("rsyslog-no-checkpoint", file, statement, "freshstarttail", f"{node.name} passes over what was written while rsyslog was down", {"freshStartTail": "off"})  # fmt: skip


def _input_type(statement: Statement) -> str:
    made = {"inputrunfilemonitor": "imfile", "inputtcpserverrun": "imtcp", "udpserverrun": "imudp"}
    if statement.name in made:
        return made[statement.name]
    if statement.name == "modload":
        return statement.get("value").split(".")[0]
    return statement.get("type").lower() or statement.get("load").lower()


def _is_filter(statement: Statement) -> bool:
    return statement.name == "mmexternal" and ours(statement.get("binary"))


def _leaves(statement: Statement) -> bool:
    if statement.name == "ompipe" and statement.get("legacy").startswith("|/dev/"):
        return False  # the console
    return statement.name.startswith("om") and statement.name not in _STAYS


def _label(statement: Statement) -> str:
    name = statement.get("name") or statement.get("target")
    return f"{statement.name}{f' {name}' if name else ''}"
