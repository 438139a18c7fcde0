"""Fluent Bit's two languages as one list of sections, with lines and with changes to the text.

Classic: `[SECTION]` and indented `Key Value`. YAML: `service`, and `pipeline` with lists of
`inputs`, `filters` and `outputs`. Keys are compared in lower case, as Fluent Bit does.
Source: fluent-bit-docs of 2026-08 (Fluent Bit 5.1), classic-mode/format-schema.md, yaml.md.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from agenttrail.doctor._finding import ConfigFile
from agenttrail.doctor._yaml import CannotEdit, Key, Text, line_of, listed, mapping, read

_SECTION = re.compile(r"^\s*\[([A-Za-z_]+)\]\s*$")
_ENTRY = re.compile(r"^(\s*)(\S+)(?:([ \t]+)(.*?))?\s*$")
_STAGES = {"inputs": "input", "filters": "filter", "outputs": "output"}


@dataclass(slots=True, kw_only=True)
class Section:
    """One section. `path` is where it stands: keys of YAML, or the line index of its head."""

    kind: str
    file: str
    line: int
    values: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    path: tuple[Key, ...] = ()
    routes: list[tuple[str, int]] = field(default_factory=list)
    processors: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.values.get("name", "").lower()

    def get(self, key: str, default: str = "") -> str:
        return self.values.get(key, default)

    def line_of(self, key: str) -> int:
        return self.lines.get(key, self.line)


def is_yaml(file: ConfigFile) -> bool:
    """Whether a file is in the YAML language."""
    return not re.search(r"(?mi)^[^\S\n]*\[(SERVICE|INPUT|FILTER|OUTPUT)\]", file.text)


def sections(file: ConfigFile) -> list[Section]:
    """All sections of a file. Raises ConfigError where YAML is no YAML."""
    return list(_yaml(file) if is_yaml(file) else _classic(file))


def _classic(file: ConfigFile) -> Iterator[Section]:
    now: Section | None = None
    for number, text in enumerate(file.text.splitlines()):
        if not text.strip() or text.lstrip().startswith(("#", "@")):
            continue
        head = _SECTION.match(text)
        if head:
            if now:
                yield now
            now = Section(
                kind=head.group(1).lower(), file=file.path, line=number + 1, path=(number,)
            )
            continue
        entry = _ENTRY.match(text)
        if now and entry:
            key = entry.group(2).lower()
            now.values[key] = (entry.group(4) or "").strip()
            now.lines[key] = number + 1
    if now:
        yield now


def _yaml(file: ConfigFile) -> Iterator[Section]:
    doc = read(file)
    if mapping(doc, "service"):
        yield _of_yaml(file, doc, "service", ("service",))
    for stage, kind in _STAGES.items():
        parts = mapping(doc, "pipeline", stage)  # the older form: names to settings
        for name in parts:
            if isinstance(parts[name], dict):
                made = _of_yaml(file, doc, kind, ("pipeline", stage, name))
                made.values.setdefault("name", str(name))
                yield made
        for index, item in enumerate([] if parts else listed(doc, "pipeline", stage)):
            if isinstance(item, dict):
                yield _of_yaml(file, doc, kind, ("pipeline", stage, index))


def _of_yaml(file: ConfigFile, doc: Any, kind: str, path: tuple[Key, ...]) -> Section:
    made = Section(kind=kind, file=file.path, line=line_of(doc, *path), path=path)
    node: Any = doc
    for key in path:
        node = node[key]
    for key, value in node.items():
        if isinstance(value, (dict, list)):
            continue
        # An output is called null.
        text = "null" if value is None and key == "name" else "" if value is None else str(value)
        made.values[str(key).lower()] = text
        made.lines[str(key).lower()] = line_of(doc, *path, key)
    for index, route in enumerate(listed(node, "routes", "logs")):
        for target in listed(route, "to", "outputs"):
            name = target.get("name") if isinstance(target, dict) else target
            made.routes.append((str(name), line_of(doc, *path, "routes", "logs", index)))
    for step in listed(node, "processors", "logs"):
        if isinstance(step, dict):
            made.processors.append(str(step.get("name", "")).lower())
    return made


def put(text: str, section: Section, key: str, value: str) -> str:
    """The text with a section's value set. Raises CannotEdit."""
    if not isinstance(section.path[0], int):
        change = Text(text)
        spelt = next((k for k in mapping(change.doc, *section.path) if str(k).lower() == key), key)
        change.set((*section.path, spelt), value)
        return change.text
    lines = text.splitlines(keepends=True)
    if key in section.lines:
        at = section.lines[key] - 1
        entry = _ENTRY.match(lines[at])
        if entry is None:
            raise CannotEdit
        end = "\r\n" if lines[at].endswith("\r\n") else "\n" if lines[at].endswith("\n") else ""
        lines[at] = f"{entry.group(1)}{entry.group(2)}{entry.group(3) or ' '}{value}{end}"
        return "".join(lines)
    after = section.lines.get("name", section.line) - 1
    indent, width = "    ", 0
    if section.lines:
        entry = _ENTRY.match(lines[min(section.lines.values()) - 1])
        if entry:
            indent = entry.group(1) or indent
            width = len(entry.group(2)) + len(entry.group(3) or " ")
    if not lines[after].endswith("\n"):
        lines[after] += "\n"
    lines.insert(after + 1, f"{indent}{key:<{max(width - 1, 0)}} {value}\n")
    return "".join(lines)


def drop(text: str, section: Section, key: str) -> str:
    """The text without a section's value, which stands on a line of its own. Raises CannotEdit."""
    lines = text.splitlines(keepends=True)
    at = section.lines[key] - 1
    entry = _ENTRY.match(lines[at].replace("- ", "", 1).strip())
    if entry is None or entry.group(2).rstrip(":").lower() != key or lines[at].lstrip()[:2] == "- ":
        raise CannotEdit
    del lines[at]
    return "".join(lines)


def rename(text: str, section: Section, old: str, new: str, value: str) -> str:
    """The text with a section's key replaced by another one and its value."""
    if isinstance(section.path[0], int):
        lines = text.splitlines(keepends=True)
        at = section.lines[old] - 1
        entry = _ENTRY.match(lines[at])
        if entry is None:
            raise CannotEdit
        lines[at] = f"{entry.group(1)}{new}{entry.group(3) or ' '}{value}\n"
        return "".join(lines)
    change = Text(text)
    spelt = next(k for k in mapping(change.doc, *section.path) if str(k).lower() == old)
    line, column = mapping(change.doc, *section.path).lc.key(spelt)  # type: ignore[attr-defined]
    rows = change.text.splitlines(keepends=True)
    rows[line] = rows[line][:column] + new + rows[line][column + len(str(spelt)) :]
    change = Text("".join(rows))
    change.set((*section.path, new), value)
    return change.text


def add(text: str, section: str, values: dict[str, str], *, yaml: bool) -> str:
    """The text with a section more, behind the others of its kind."""
    if not yaml:
        width = max(map(len, values))
        lines = [f"[{section.upper()}]", *(f"    {k:<{width}} {v}" for k, v in values.items())]
        if section == "service":
            return "\n".join(lines) + "\n\n" + text
        return text + ("" if text.endswith("\n") else "\n") + "\n" + "\n".join(lines) + "\n"
    change = Text(text)
    if section == "service":
        change.set(("service",), dict(values))
        return change.text
    stage = next(name for name, kind in _STAGES.items() if kind == section)
    change.append(
        ("pipeline", stage), "{" + ", ".join(f"{k}: {v}" for k, v in values.items()) + "}"
    )
    return change.text


def meet(one: str, other: str) -> bool:
    """Whether two patterns with stars have a text in common.

    >>> meet("kube.*", "kube.var.log.*"), meet("a.*", "b.*"), meet("*", "x")
    (True, False, True)
    """
    if "*" not in one or "*" not in other:
        pattern, text = (one, other) if "*" in one else (other, one)
        return fnmatch.fnmatchcase(text, re.sub(r"([\[\]?])", r"[\1]", pattern))
    if one[:1] == "*":
        return any(meet(one[1:], other[i:]) for i in range(len(other) + 1)) or not one[1:]
    if other[:1] == "*":
        return meet(other, one)
    return one[:1] == other[:1] and meet(one[1:], other[1:])
