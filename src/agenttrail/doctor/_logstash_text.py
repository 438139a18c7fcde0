"""Logstash's pipeline language as plugins and branches, with lines and offsets.

Each sign is looked at a bounded number of times, however long a file or a condition is.

Source: Logstash 9.5 (logstash-core/lib/logstash/config/grammar.treetop).
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from agenttrail.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_NUMBER = re.compile(r"-?\d+(?:\.\d*)?")
_STRING = re.compile(r'"(?:\\"|[^"])*"|\'(?:\\\'|[^\'])*\'', re.S)
_REGEX = re.compile(r"/(?:\\/|[^/\n])*/")


@dataclass(slots=True, kw_only=True)
class Plugin:
    """One plugin. `conditions` are those it stands behind, each with what it must come to."""

    section: str
    name: str
    file: str
    line: int
    start: int
    inside: int
    end: int = 0
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    conditions: list[tuple[str, bool]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return str(self.values.get("id") or self.name)

    def get(self, key: str) -> str:
        value = self.values.get(key)
        return "" if value is None else str(value)

    def line_of(self, key: str) -> int:
        return self.lines.get(key, self.line)


@dataclass(slots=True, kw_only=True)
class Document:
    """One file: its plugins in their order, and where each section's braces are."""

    plugins: list[Plugin] = field(default_factory=list)
    sections: list[tuple[str, int, int]] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)


def parse(text: str, path: str) -> Document:
    """The document. Raises ConfigError with the line where it is none."""
    parser = _Parser(text, path)
    try:
        return parser.document()
    except (IndexError, ValueError, RecursionError):
        line = text.count("\n", 0, parser.at) + 1
        raise ConfigError([f"{path}:{line}: this is no Logstash pipeline"]) from None


class _Parser:
    def __init__(self, text: str, path: str) -> None:
        self.text, self.path, self.at = text, path, 0
        self.made = Document()
        self._breaks = [match.start() for match in re.finditer("\n", text)]

    def document(self) -> Document:
        self._skip()
        while self.at < len(self.text):
            section = self._name()
            if section not in ("input", "filter", "output"):
                raise ValueError
            self._expect("{")
            start = self.at
            self._block(section, [])
            self.made.sections.append((section, start, self.at - 1))
            self._skip()
        return self.made

    def _skip(self) -> None:
        while self.at < len(self.text):
            if self.text[self.at].isspace():
                self.at += 1
            elif self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return

    def _expect(self, sign: str) -> None:
        self._skip()
        if not self.text.startswith(sign, self.at):
            raise ValueError
        self.at += len(sign)

    def _name(self) -> str:
        self._skip()
        match = _NAME.match(self.text, self.at)
        if match:
            self.at = match.end()
            return match.group()
        return str(self._string())

    def _string(self) -> str:
        match = _STRING.match(self.text, self.at)
        if not match:
            raise ValueError
        self.at = match.end()
        return match.group()[1:-1]

    def _block(self, section: str, conditions: list[tuple[str, bool]]) -> None:
        """What stands in braces; the opening one is behind us."""
        refused: list[tuple[str, bool]] = []
        while True:
            self._skip()
            if self.text[self.at] == "}":
                self.at += 1
                return
            start = self.at
            name = self._name()
            if name == "if":
                condition = self._condition()
                refused = [(condition, False)]
                self._block(section, [*conditions, (condition, True)])
            elif name == "else":
                self._skip()
                if self.text.startswith("if", self.at) and not self.text[self.at + 2].isalnum():
                    self.at += 2
                    condition = self._condition()
                    self._block(section, [*conditions, *refused, (condition, True)])
                    refused.append((condition, False))
                else:
                    self._expect("{")
                    self._block(section, [*conditions, *refused])
            else:
                self._plugin(section, name, start, conditions)

    def _condition(self) -> str:
        start = self.at
        before = ""  # the last two signs that are no space
        while (sign := self.text[self.at]) != "{":
            match = _STRING.match(self.text, self.at) if sign in "\"'" else None
            if sign == "/" and before in ("=~", "!~"):
                match = _REGEX.match(self.text, self.at)
            if not sign.isspace():
                before = before[-1:] + sign
            self.at = match.end() if match else self.at + 1
        condition = self.text[start : self.at].strip()
        self.made.conditions.append(condition)
        self.at += 1
        return condition

    def _plugin(
        self, section: str, name: str, start: int, conditions: list[tuple[str, bool]]
    ) -> None:
        self._expect("{")
        made = Plugin(
            section=section, name=name, file=self.path, line=self._line(start), start=start,
            inside=self.at, conditions=list(conditions),
        )  # fmt: skip
        self.made.plugins.append(made)
        while True:
            self._skip()
            if self.text[self.at] == "}":
                self.at += 1
                made.end = self.at
                return
            begin = self.at
            key = self._name()
            self._expect("=>")
            made.lines[key] = self._line(begin)
            made.values[key] = self._value()
            made.spans[key] = (begin, self.at)

    def _value(self) -> Any:
        self._skip()
        sign = self.text[self.at]
        if sign in "\"'":
            return self._string()
        if sign == "[":
            self.at += 1
            return list(self._items("]"))
        if sign == "{":
            self.at += 1
            return dict(self._pairs())
        number = _NUMBER.match(self.text, self.at)
        if number:
            self.at = number.end()
            return number.group()
        name = self._name()
        behind = self.at
        self._skip()
        if self.text[self.at] == "{":  # a codec with settings
            self.at += 1
            return {"": name, **dict(self._pairs())}
        self.at = behind
        return name

    def _items(self, closing: str) -> Iterator[Any]:
        while True:
            self._skip()
            if self.text[self.at] == closing:
                self.at += 1
                return
            if self.text[self.at] == ",":
                self.at += 1
                continue
            yield self._value()

    def _pairs(self) -> Iterator[tuple[str, Any]]:
        while True:
            self._skip()
            if self.text[self.at] == "}":
                self.at += 1
                return
            if self.text[self.at] == ",":
                self.at += 1
                continue
            key = self._name()
            self._expect("=>")
            yield key, self._value()

    def _line(self, offset: int) -> int:
        return bisect.bisect_left(self._breaks, offset) + 1
