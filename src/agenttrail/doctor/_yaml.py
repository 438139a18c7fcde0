"""YAML (and JSON) with line numbers, and changes to its text that touch no other line.

ruamel.yaml reads and says where everything stands; the text itself is edited by line, so that
comments, order, quotes and spaces of all other lines stay as they were, byte for byte.

Limits: a value inside a flow mapping that goes over several lines, or behind an anchor, is not
edited: `CannotEdit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agenttrail.doctor._finding import ConfigFile
from agenttrail.errors import ConfigError

Key = str | int


class CannotEdit(Exception):  # noqa: N818  it is caught, not shown
    """This change cannot be made by a machine."""


def read(file: ConfigFile) -> Any:
    """The first document: dicts and lists of ruamel.yaml, scalars as plain values.

    Raises:
        ConfigError: it is no YAML; the message has the line and no content.
    """
    return next(iter(documents(file)), None)


def documents(file: ConfigFile) -> list[Any]:
    """All documents. Raises as `read`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="rt")
    yaml.allow_duplicate_keys = True
    try:
        return list(yaml.load_all(file.text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigError([f"{file.path}:{line}: this is no YAML"]) from None
    except (YAMLError, ValueError, RecursionError):
        raise ConfigError([f"{file.path}:1: this is no YAML"]) from None


def get(node: Any, *path: Key) -> Any:
    """The value at a path, or None."""
    for key in path:
        if isinstance(node, dict) or (isinstance(node, list) and isinstance(key, int)):
            try:
                node = node[key]  # type: ignore[index]
            except (KeyError, IndexError):
                return None
        else:
            return None
    return node


def mapping(node: Any, *path: Key) -> dict[str, Any]:
    """The mapping at a path; an empty one where there is none."""
    found = get(node, *path)
    return found if isinstance(found, dict) else {}


def listed(node: Any, *path: Key) -> list[Any]:
    """The list at a path; a single value becomes a list, nothing an empty one."""
    found = get(node, *path)
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


def line_of(node: Any, *path: Key) -> int:
    """The line, from 1, on which the key or item at a path stands; of its parent if unknown."""
    line = 1
    for key in path:
        try:
            at = _lc(node).key(key) if isinstance(node, dict) else _lc(node).item(key)
            line = at[0] + 1
            node = node[key]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line


def block(value: Any, indent: int, prefix: str = "") -> list[str]:
    """A mapping as lines of YAML: texts as they are (flow YAML is welcome), a list as a literal."""
    lines = []
    for key, inner in value.items():
        if isinstance(inner, dict):
            lines.append(f"{' ' * indent}{prefix}{key}:")
            lines += block(inner, indent + 2)
        elif isinstance(inner, list):
            lines.append(f"{' ' * indent}{prefix}{key}: |")
            lines += [f"{' ' * (indent + 2)}{line}" for line in inner]
        else:
            lines.append(f"{' ' * indent}{prefix}{key}: {inner}")
    return lines


class Text:
    """A document's text, changed one value at a time."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._parse()

    def _parse(self) -> None:
        self.doc = read(ConfigFile("", self.text))
        self._lines = self.text.splitlines(keepends=True)
        self._end = "\r\n" if self._lines and self._lines[0].endswith("\r\n") else "\n"

    def _put(self, at: int, new: Sequence[str]) -> None:
        if at and at == len(self._lines) and not self._lines[-1].endswith("\n"):
            self._lines[-1] += self._end
        self._lines[at:at] = [line + self._end for line in new]
        self.text = "".join(self._lines)
        self._parse()

    def _splice(self, line: int, start: int, end: int, new: str) -> None:
        old = self._lines[line]
        self._lines[line] = old[:start] + new + old[end:]
        self.text = "".join(self._lines)
        self._parse()

    def set(self, path: Sequence[Key], value: Any) -> None:
        """Gives the value at a path; makes what is missing on the way.

        Args:
            path: keys and places in lists.
            value: YAML text, or a mapping of such texts and mappings.

        Raises:
            CannotEdit: the text is not of a form that this can change.
        """
        node = self.doc
        for depth, key in enumerate(path):
            rest = list(path[depth + 1 :])
            there = isinstance(node, list) or (isinstance(node, dict) and key in node)
            if not there:
                self._add(node, {str(key): _nest(rest, value)})
                return
            inner = node[key]
            if not rest:
                self._replace(node, key, value)
                return
            if inner is None or inner == {}:
                self._replace(node, key, _nest(rest, value))
                return
            node = inner
        raise CannotEdit

    def append(self, path: Sequence[Key], item: str) -> None:
        """Adds an item in front of a list; makes the list where there is none."""
        found = get(self.doc, *path)
        if found is None:
            self.set(path, f"[{item}]")
            return
        if not isinstance(found, list):
            raise CannotEdit
        if _flows(found) or not found:
            parent = get(self.doc, *path[:-1]) if len(path) > 1 else self.doc
            line, column = _lc(parent).value(path[-1])
            if self._lines[line][column] != "[":
                raise CannotEdit
            self._splice(line, column + 1, column + 1, item + (", " if found else ""))
            return
        line, column = _lc(found).line, _lc(found).col
        if self._lines[line][:column].strip() or self._lines[line][column] != "-":
            raise CannotEdit
        self._put(line, [f"{' ' * column}- {item}"])

    def replace_list(self, path: Sequence[Key], items: Sequence[str]) -> None:
        """Gives a list these items, in its own style."""
        parent = get(self.doc, *path[:-1]) if len(path) > 1 else self.doc
        found = parent[path[-1]]
        if isinstance(found, list) and not _flows(found) and found:
            column = _lc(found).col
            lines = [_lc(found).item(i)[0] for i in range(len(found))]
            if any(self._lines[n][:column].strip() for n in lines) or any(
                isinstance(item, (dict, list)) for item in found
            ):
                raise CannotEdit
            for number in reversed(lines):
                del self._lines[number]
            self.text = "".join(self._lines)
            self._put(lines[0], [f"{' ' * column}- {item}" for item in items])
            return
        self._replace(parent, path[-1], f"[{', '.join(items)}]")

    def _replace(self, node: Any, key: Key, value: Any) -> None:
        old = node[key]
        try:
            line, column = _lc(node).value(key) if isinstance(node, dict) else _lc(node).item(key)
        except (AttributeError, KeyError):
            raise CannotEdit from None
        flow = bool(_flows(node))
        if isinstance(value, dict):
            if flow:
                value = _flow(value)
            elif old is None or old == {}:
                key_line, key_column = _lc(node).key(key)
                if old == {} and old is not None:
                    end = self._lines[line].index("}", column) + 1
                    self._splice(line, column, end, "")
                self._put(key_line + 1, block(value, key_column + 2))
                return
            else:
                raise CannotEdit
        if old is None and isinstance(node, dict):
            key_line, key_column = _lc(node).key(key)
            text = self._lines[key_line]
            if (line, column) != (key_line, key_column) and text[column : column + 1] not in (
                "",
                "\n",
                "\r",
                "#",
            ):
                self._splice(line, column, self._scalar_end(line, column, flow=flow), value)
                return
            colon = text.index(":", key_column + len(str(key))) + 1
            self._splice(key_line, colon, colon, f" {value}")
            return
        if isinstance(old, (dict, list)):
            text = self._lines[line]
            closing = {"[": "]", "{": "}"}.get(text[column])
            if closing is None:
                raise CannotEdit
            end = _closing(text, column)
            if end is None:
                raise CannotEdit
            self._splice(line, column, end, value)
            return
        if self._lines[line][column] in "|>&*!":
            raise CannotEdit
        self._splice(line, column, self._scalar_end(line, column, flow=flow), value)

    def _scalar_end(self, line: int, column: int, *, flow: bool) -> int:
        text = self._lines[line].rstrip("\r\n")
        if text[column] in "\"'":
            end = _closing(text, column)
            if end is None:
                raise CannotEdit
            return end
        end = column
        while end < len(text):
            if text[end] == "#" and text[end - 1] in " \t":
                break
            if flow and text[end] in ",]}":
                break
            end += 1
        return column + len(text[column:end].rstrip())

    def _add(self, node: Any, value: dict[str, Any]) -> None:
        if not isinstance(node, dict):
            raise CannotEdit
        if not node and node is not self.doc:
            raise CannotEdit
        if _flows(node):
            line, column = _lc(node).line, _lc(node).col
            if self._lines[line][column] != "{":
                raise CannotEdit
            inner = _flow(value)[1:-1]
            self._splice(line, column + 1, column + 1, inner + ", ")
            return
        if node is self.doc:
            self._put(len(self._lines), block(value, 0))
            return
        line, column = _lc(node).line, _lc(node).col
        if self._lines[line][:column].strip():
            # The first key stands behind the dash of its list item: go below it.
            keys = list(node)
            if len(keys) == 1:
                at = _lc(node).value(keys[0])[0] + 1
                if isinstance(node[keys[0]], (dict, list)):
                    raise CannotEdit
            else:
                at = _lc(node).key(keys[1])[0]
            self._put(at, block(value, column))
            return
        self._put(line, block(value, column))


def _lc(node: Any) -> Any:
    """Where ruamel.yaml says that a node and its parts stand."""
    return node.lc


def _flows(node: Any) -> bool:
    return bool(node.fa.flow_style())


def _nest(path: Sequence[Key], value: Any) -> Any:
    for key in reversed(path):
        value = {str(key): value}
    return value


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    return str(value)


def _closing(text: str, start: int) -> int | None:
    """Behind what closes the bracket or quote at `start`, on the same line."""
    opening = text[start]
    if opening in "\"'":
        at = start + 1
        while at < len(text):
            if opening == '"' and text[at] == "\\":
                at += 2
                continue
            if text[at] == opening:
                if opening == "'" and text[at + 1 : at + 2] == "'":
                    at += 2
                    continue
                return at + 1
            at += 1
        return None
    depth, at = 0, start
    while at < len(text):
        if text[at] in "\"'":
            after = _closing(text, at)
            if after is None:
                return None
            at = after
            continue
        depth += (text[at] in "[{") - (text[at] in "]}")
        at += 1
        if depth == 0:
            return at
    return None
