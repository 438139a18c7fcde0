"""TOML with line numbers, and changes to its text that touch no other line.

Limits: a value behind a key of an inline table, or one that goes over several lines and is no array,
is not edited: `CannotEdit`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any

from agenttrail.doctor._finding import ConfigFile
from agenttrail.doctor._yaml import CannotEdit, Key, get
from agenttrail.errors import ConfigError

_HEADER = re.compile(r"\s*\[\[?\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=\s*"""
)
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


def read(file: ConfigFile) -> dict[str, Any]:
    """The document. Raises ConfigError with the line where it is no TOML."""
    try:
        return tomllib.loads(file.text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        line = found.group(1) if found else "1"
        raise ConfigError([f"{file.path}:{line}: this is no TOML"]) from None


class Lines:
    """Where tables and keys stand: paths to line indexes."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines(keepends=True)
        self.headers: dict[tuple[str, ...], int] = {}
        self.keys: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        at = 0
        while at < len(self.lines):
            line = self.lines[at]
            header = _HEADER.match(line)
            key = _KEY.match(line)
            if header and not key:
                table = _parts(header.group(1))
                self.headers.setdefault(table, at)
            elif key:
                path = (*table, *_parts(key.group(1)))
                self.keys.setdefault(path, at)
                at = _value_end(self.lines, at, key.end())[0]
            at += 1

    def line(self, path: Sequence[Key]) -> int:
        """The line, from 1, of a path, or of the nearest parent that has one."""
        names = tuple(str(p) for p in path if not isinstance(p, int))
        while names:
            for known in (self.keys, self.headers):
                if names in known:
                    return known[names] + 1
            inner = [n for p, n in (*self.keys.items(), *self.headers.items()) if p[: len(names)] == names]  # fmt: skip
            if inner:
                return min(inner) + 1
            names = names[:-1]
        return 1


class Text:
    """A document's text, changed one value at a time."""

    def __init__(self, text: str) -> None:
        self.text = text

    def set(self, path: Sequence[Key], value: str) -> None:
        """Gives the value (TOML text) at a path; adds the key to its table where it is missing.

        Raises:
            CannotEdit: the text is not of a form that this can change.
        """
        where = Lines(self.text)
        names = tuple(map(str, path))
        if names in where.keys:
            at = where.keys[names]
            match = _KEY.match(where.lines[at])
            assert match is not None
            last, end = _value_end(where.lines, at, match.end())
            tail = where.lines[last][end:]
            where.lines[at : last + 1] = [where.lines[at][: match.end()] + value + tail]
            self.text = "".join(where.lines)
            return
        for depth in range(len(names) - 1, 0, -1):
            parent = names[:depth]
            if parent in where.keys:
                raise CannotEdit  # an inline table
            if parent in where.headers:
                at = where.headers[parent]
                indent = where.lines[at][: len(where.lines[at]) - len(where.lines[at].lstrip())]
                if not where.lines[at].endswith("\n"):
                    where.lines[at] += "\n"
                where.lines.insert(at + 1, f"{indent}{'.'.join(names[depth:])} = {value}\n")
                self.text = "".join(where.lines)
                return
        first = min(where.headers.values(), default=len(where.lines))
        where.lines.insert(first, f"{'.'.join(names)} = {value}\n")
        self.text = "".join(where.lines)

    def add(self, lines: Sequence[str]) -> None:
        """Adds lines at the end."""
        if self.text and not self.text.endswith("\n"):
            self.text += "\n"
        self.text += "\n" + "\n".join(lines) + "\n"

    def get(self, *path: Key) -> Any:
        """The value at a path, or None."""
        return get(read(ConfigFile("", self.text)), *path)


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(name))


def _value_end(lines: list[str], line: int, column: int) -> tuple[int, int]:
    """Line and column behind a value that begins here."""
    text = lines[line]
    for quotes in ('"""', "'''"):
        if text.startswith(quotes, column):
            at, start = line, column + 3
            while at < len(lines):
                end = lines[at].find(quotes, start)
                if end >= 0:
                    return at, end + 3
                at, start = at + 1, 0
            return len(lines) - 1, len(lines[-1].rstrip("\r\n"))
    if text[column : column + 1] not in ("[", "{"):
        if text[column : column + 1] in ("'", '"'):
            end = text.find(text[column], column + 1)
            while text[column] == '"' and end > 0 and text[end - 1] == "\\":
                end = text.find('"', end + 1)
            return line, end + 1 if end >= 0 else len(text.rstrip("\r\n"))
        plain = text.split("#", 1)[0].rstrip() if "#" in text[column:] else text.rstrip("\r\n")
        return line, max(len(plain), column)
    depth, quote = 0, ""
    at = line
    while at < len(lines):
        here = lines[at]
        for index in range(column if at == line else 0, len(here)):
            character = here[index]
            if quote:
                quote = "" if character == quote else quote
            elif character in "\"'":
                quote = character
            elif character == "#":
                break
            else:
                depth += (character in "[{") - (character in "]}")
                if depth == 0:
                    return at, index + 1
        at += 1
    return len(lines) - 1, len(lines[-1].rstrip("\r\n"))
