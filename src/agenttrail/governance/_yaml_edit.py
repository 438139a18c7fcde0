"""Edits of YAML text that a person wrote: what does not change stays as it is, to the last blank.

Places are found in the parsed tree, changes are made in the text. Edits are collected and applied from
the end of the text to its beginning, so that no place moves before its turn.

Limits: what is added goes behind what is there; comments stay where they are. Block scalars (`|`, `>`)
are not edited.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml


class Edits:
    """Changes to one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        assert root is not None
        self.root: yaml.Node = root
        self._changes: list[tuple[int, int, str]] = []

    def applied(self) -> str:
        """The text with all changes."""
        text = self.text
        # Of several at one place the first one comes first.
        for _, (start, end, new) in sorted(
            enumerate(self._changes), key=lambda change: (change[1][0], change[0]), reverse=True
        ):
            text = text[:start] + new + text[end:]
        return text

    def replace(self, node: yaml.ScalarNode, value: str) -> None:
        """Another scalar in the place of one, in its quotes where it has any."""
        plain = '"' not in value and "\\" not in value
        new = f'"{value}"' if node.style == '"' and plain else written(value)
        self._changes.append((node.start_mark.index, node.end_mark.index, new))

    def change(
        self, sequence: yaml.SequenceNode, gone: Sequence[yaml.Node], new: Sequence[Any]
    ) -> None:
        """Items out of a list and others behind its last, written like the items before them."""
        kept = [item for item in sequence.value if item not in gone]
        if sequence.flow_style:
            texts = [self.text[item.start_mark.index : _end(item)] for item in kept]
            inner = ", ".join([*texts, *map(written, new)])
            self._changes.append((sequence.start_mark.index, sequence.end_mark.index, f"[{inner}]"))
            return
        if not kept and not new:
            start = len(self.text[: sequence.start_mark.index].rstrip())  # on the line of its key
            self._changes.append((start, _end(sequence), " []"))
            return
        for item in gone:
            start = self.text.rindex("\n", 0, item.start_mark.index) + 1
            stop = self.text.find("\n", _end(item))
            self._changes.append((start, len(self.text) if stop < 0 else stop + 1, ""))
        last = sequence.value[-1]
        indent = " " * sequence.start_mark.column
        for item in new:
            self._behind_line(
                _end(last), "".join(f"\n{indent}{line}" for line in _item(item, last))
            )

    def put(self, mapping: yaml.MappingNode, key: str, value: Any, *, before: str = "") -> None:
        """A key that a mapping has not yet, behind its others or before one of them.

        A list of mappings gets a line for each.
        """
        if mapping.flow_style:
            place = _end(mapping.value[-1][1]) if mapping.value else mapping.end_mark.index - 1
            self._changes.append((place, place, f"{', ' if mapping.value else ''}{key}: {written(value)}"))  # fmt: skip
            return
        indent = " " * mapping.start_mark.column
        lines = [f"{indent}{key}: {written(value)}"]
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines = [f"{indent}{key}:", *(f"{indent}  - {written(item)}" for item in value)]
        following = next((k for k, _ in mapping.value if k.value == before), None)
        if following is not None and following is not mapping.value[0][0]:
            place = self.text.rindex("\n", 0, following.start_mark.index) + 1
            self._changes.append((place, place, "".join(f"{line}\n" for line in lines)))
        else:
            self._behind_line(_end(mapping.value[-1][1]), "".join(f"\n{line}" for line in lines))

    def _behind_line(self, place: int, new: str) -> None:
        stop = self.text.find("\n", place)
        stop = len(self.text) if stop < 0 else stop
        self._changes.append((stop, stop, new))


def child(node: yaml.Node | None, key: str) -> Any:
    """The node under a key of a mapping; None where there is none."""
    if isinstance(node, yaml.MappingNode):
        for key_node, value in node.value:
            if key_node.value == key:
                return value
    return None


def written(value: Any) -> str:
    """A value on one line, as YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, Plain):
        return str(value)
    text = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=10**9)
    return text.strip()[1:-1]


class Plain(str):
    """Text that is written without quotes, because it reads as itself: a day."""

    __slots__ = ()


def _item(value: Any, like: yaml.Node) -> list[str]:
    """The lines of a list's item: a mapping over several lines where the one before it is."""
    if isinstance(value, dict) and isinstance(like, yaml.MappingNode) and not like.flow_style:
        return [
            f"{'  ' if number else '- '}{key}: {written(item)}"
            for number, (key, item) in enumerate(value.items())
        ]
    return [f"- {written(value)}"]


def _end(node: yaml.Node) -> int:
    """Where a node's own text ends: a block ends with its last item, not with the next thing's start."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    end: int = node.end_mark.index
    return end
