"""rsyslog's configuration as statements: RainerScript objects, `if`, `call`, and legacy lines.

Source: rsyslog 8.2608 (doc/source/rainerscript/, doc/source/configuration/; grammar/lexer.l).

Limits: `foreach`, `lookup_table` and `parser` are passed over; the quotes of a legacy line are not
read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_OBJECT = re.compile(r"([A-Za-z_]\w*)\s*\(")
_PARAMETER = re.compile(r"""([\w.$]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|\[([^\]]*)\])""")
_THEN = re.compile(r"\bthen\b")
_LEGACY_TYPES = (
    (re.compile(r"@"), "omfwd"), (re.compile(r"-?/"), "omfile"), (re.compile(r"-?\?"), "omfile"),
    (re.compile(r"\|"), "ompipe"), (re.compile(r"\^"), "omshell"), (re.compile(r"~|stop\b"), "stop"),
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Statement:
    """One statement.

    Args:
        kind: action, object, if, call, stop, directive, block or other.
        name: an object's, a directive's, or what is called; an action's type.
        start: offset of its first character; `end` is behind its last.
        inside: offset behind the opening parenthesis of an object; -1 for legacy.
    """

    kind: str
    name: str
    line: int
    start: int
    end: int = 0
    inside: int = -1
    values: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    condition: str = ""
    body: list[Statement] = field(default_factory=list)
    other: list[Statement] = field(default_factory=list)

    def get(self, key: str, default: str = "") -> str:
        return self.values.get(key, default)

    def line_of(self, key: str) -> int:
        return self.lines.get(key, self.line)


def statements(text: str) -> list[Statement]:
    """All statements, nested; directives that belong to an action stand in its values."""
    return _Parser(text).block(top=True)


def walk(block: list[Statement]) -> Iterator[Statement]:
    """All statements of a block, inner ones too."""
    for statement in block:
        yield statement
        yield from walk(statement.body)
        yield from walk(statement.other)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._starts = [0, *(m.end() for m in re.finditer(r"\n", text))]
        self._pending: dict[str, tuple[str, int]] = {}

    def line(self, offset: int) -> int:
        low, high = 0, len(self._starts)
        while low < high:
            middle = (low + high) // 2
            if self._starts[middle] <= offset:
                low = middle + 1
            else:
                high = middle
        return low

    def _skip(self) -> None:
        while self.at < len(self.text):
            if self.text[self.at].isspace():
                self.at += 1
            elif self.text[self.at] == "#":
                self.at = self._line_end()
            elif self.text.startswith("/*", self.at):
                end = self.text.find("*/", self.at)
                self.at = len(self.text) if end < 0 else end + 2
            else:
                return

    def _line_end(self) -> int:
        end = self.text.find("\n", self.at)
        return len(self.text) if end < 0 else end

    def block(self, *, top: bool = False) -> list[Statement]:
        found: list[Statement] = []
        while True:
            self._skip()
            if self.at >= len(self.text):
                return found
            if self.text[self.at] == "}":
                self.at += 1
                if top:
                    continue
                return found
            before = self.at
            found.append(self._statement(found))
            if self.at <= before:
                self.at = before + 1

    def _statement(self, before: list[Statement]) -> Statement:
        start, line = self.at, self.line(self.at)
        text = self.text
        made: Statement
        if text[start] == "{":
            self.at += 1
            made = Statement(kind="block", name="", line=line, start=start)
            made.body = self.block()
        elif text[start] == "$":
            made = self._directive(start, line)
        elif re.match(r"if\b", text[start:]):
            made = self._if(start, line)
        elif match := re.match(r"(call|call_indirect)\s+([^\s;]+)", text[start:]):
            self.at += match.end()
            made = Statement(kind="call", name=match.group(2), line=line, start=start)
        elif match := re.match(r"(stop\b|~)", text[start:]):
            self.at += match.end()
            made = Statement(kind="stop", name="stop", line=line, start=start)
        elif match := re.match(
            r"""(set|unset|reset)\b(?:"[^"]*"|'[^']*'|[^;"'])*;?""", text[start:]
        ):
            self.at += match.end()
            made = Statement(kind="other", name="set", line=line, start=start)
        elif match := _OBJECT.match(text, start):
            made = self._object(match, start, line)
        else:
            made = self._legacy(start, line, before)
        made.end = self.at
        return made

    def _object(self, match: re.Match[str], start: int, line: int) -> Statement:
        end = self._closing(match.end())
        name = match.group(1).lower()
        made = Statement(kind="object", name=name, line=line, start=start, inside=match.end())
        for found in _PARAMETER.finditer(self.text, match.end(), end):
            key = found.group(1).lower()
            made.values[key] = found.group(2) if found.group(2) is not None else found.group(3)
            made.lines[key] = self.line(found.start())
            made.spans[key] = found.span()
        self.at = end + 1
        if name == "action":
            made.kind, made.name = "action", made.get("type").lower()
        elif name == "ruleset":
            self._skip()
            if self.text.startswith("{", self.at):
                self.at += 1
                made.body = self.block()
        return made

    def _closing(self, at: int) -> int:
        depth, quoted = 1, False
        while at < len(self.text):
            character = self.text[at]
            if quoted:
                at += character == "\\"
                quoted = character != '"'
            elif character == '"':
                quoted = True
            elif character == "#" and self.text[at - 1] in " \t\n":
                end = self.text.find("\n", at)
                at = len(self.text) if end < 0 else end
            else:
                depth += (character == "(") - (character == ")")
                if depth == 0:
                    return at
            at += 1
        return len(self.text)

    def _if(self, start: int, line: int) -> Statement:
        made = Statement(kind="if", name="if", line=line, start=start)
        at, quote = start + 2, ""
        while at < len(self.text):
            character = self.text[at]
            if quote:
                at += character == "\\"
                quote = "" if character == quote else quote
            elif character in "\"'":
                quote = character
            elif _THEN.match(self.text, at) and self.text[at - 1] in " \t\n)":
                break
            at += 1
        made.condition = self.text[start + 2 : at].strip()
        self.at = at + 4
        made.body = self._branch()
        keep = self.at
        self._skip()
        if re.match(r"else\b", self.text[self.at :]):
            self.at += 4
            made.other = self._branch()
        else:
            self.at = keep
        return made

    def _branch(self) -> list[Statement]:
        self._skip()
        if self.text.startswith("{", self.at):
            self.at += 1
            return self.block()
        return [self._statement([])] if self.at < len(self.text) else []

    def _directive(self, start: int, line: int) -> Statement:
        self.at = self._line_end()
        words = self.text[start : self.at].split("#")[0].split(None, 1)
        name = words[0][1:].lower()
        value = words[1].strip() if len(words) > 1 else ""
        self._pending[name] = (value, line)
        made = Statement(kind="directive", name=name, line=line, start=start)
        made.values["value"] = value
        if name in ("inputrunfilemonitor", "inputtcpserverrun", "udpserverrun"):
            made.values |= {k: v for k, (v, _) in self._pending.items() if k.startswith("input")}
        return made

    def _legacy(self, start: int, line: int, before: list[Statement]) -> Statement:
        end = self._line_end()
        text = self.text[start:end]
        if text.startswith("&"):
            action = text[1:].lstrip()
            condition = before[-1].condition if before else ""
        elif (match := re.match(r':\w+\s*,\s*!?\w+\s*,\s*"(?:\\.|[^"\\])*"\s*', text)) or (
            match := re.match(r"\S+\s+", text)
        ):
            condition, action = match.group(), text[match.end() :]
        else:
            condition, action = text, ""
        offset = start + len(text) - len(action)
        if action.startswith("{") or _OBJECT.match(action):
            made = Statement(
                kind="if", name="if", line=line, start=start, condition=condition.strip()
            )
            self.at = offset
            made.body = self._branch()
            return made
        self.at = end
        name = next((n for pattern, n in _LEGACY_TYPES if pattern.match(action)), "omusrmsg")
        if name == "stop":
            made = Statement(
                kind="if", name="if", line=line, start=start, condition=condition.strip()
            )
            made.body = [Statement(kind="stop", name="stop", line=line, start=offset, end=end)]
            return made
        made = Statement(
            kind="action", name=name, line=line, start=start, condition=condition.strip()
        )
        bare = action.split("#")[0].rstrip()
        made.values["legacy"] = bare
        made.spans["legacy"] = (offset, offset + len(bare))
        if name == "omfwd":
            if ";" in action:
                made.values["template"] = action.split(";")[1].split("#")[0].strip()
            made.values["protocol"] = "tcp" if action.startswith("@@") else "udp"
            made.values["target"] = action.lstrip("@").split(";")[0].strip()
        for key, modern in _DIRECTIVES.items():
            if key in self._pending:
                made.values[modern], made.lines[modern] = self._pending.pop(key)
        return made


# Legacy directives of the next action, and the parameters that they stand for.
_DIRECTIVES = {
    "actionqueuetype": "queue.type", "actionqueuefilename": "queue.filename",
    "actionqueuesaveonshutdown": "queue.saveonshutdown", "actionqueuesize": "queue.size",
    "actionqueuediscardmark": "queue.discardmark",
    "actionqueuediscardseverity": "queue.discardseverity",
    "actionqueuetimeoutenqueue": "queue.timeoutenqueue",
    "actionresumeretrycount": "action.resumeretrycount",
}  # fmt: skip
