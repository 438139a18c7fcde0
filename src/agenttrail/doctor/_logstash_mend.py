"""The smallest change of a Logstash configuration: read what agenttrail has masked.

No filter of Logstash runs a program, so agenttrail follows the files itself, keeps its own position,
and Logstash reads the masked copy, which has the same rotation and sincedb as before.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from agenttrail.doctor._logstash_text import Plugin
from agenttrail.doctor._yaml import CannotEdit, Key, Text, get

_FOLDER = "/var/log/agenttrail"


def _masked_path(plugin: Plugin) -> str:
    name = re.sub(r"[^A-Za-z0-9]+", "-", plugin.get("type") or plugin.id).strip("-") or "agents"
    return f"{_FOLDER}/{name}.jsonl"


def command(plugin: Plugin) -> str:
    """What to run beside Logstash."""
    paths = plugin.values.get("path")
    shown = " ".join(f"'{p}'" for p in (paths if isinstance(paths, list) else [paths]))
    return (
        f"agenttrail run --input {shown} --follow --checkpoint /var/lib/agenttrail/checkpoint.json "
        f"--output {_masked_path(plugin)}"
    )


def read_masked(text: str, plugin: Plugin) -> str | None:
    """The text with a file input on the masked copy; None where the input is no file."""
    span = plugin.spans.get("path")
    if plugin.name != "file" or span is None:
        return None
    return text[: span[0]] + f'path => "{_masked_path(plugin)}"' + text[span[1] :]


def setting(plugin: Plugin, key: str, value: str) -> Callable[[str], str]:
    """Sets one value of a plugin; an empty one takes it out, with its line where it has one."""

    def repair(text: str) -> str:
        span = plugin.spans.get(key)
        if span is None:
            return text
        if value:
            return text[: span[0]] + f"{key} => {value}" + text[span[1] :]
        start = text.rfind("\n", 0, span[0]) + 1
        end = text.find("\n", span[1])
        end = len(text) if end < 0 else end + 1
        rest = text[span[1] : end].strip()
        if not text[start : span[0]].strip() and (not rest or rest.startswith("#")):
            return text[:start] + text[end:]
        return text[: span[0]] + text[span[1] :].lstrip(" ")

    return repair


def dropping(tag: str, end: int) -> Callable[[str], str]:
    """Drops events with a tag, at the end of the filters."""

    def repair(text: str) -> str:
        glue = "" if text[:end].endswith("\n") else "\n"
        return f'{text[:end]}{glue}  if "{tag}" in [tags] {{ drop {{ }} }}\n{text[end:]}'

    return repair


def yaml(path: tuple[Key, ...], group: str, name: str, value: str) -> Callable[[str], str]:
    """Sets a setting of logstash.yml or pipelines.yml, in the form that is there."""

    def repair(text: str) -> str:
        change = Text(text)
        part = get(change.doc, *path) if path else change.doc
        nested = isinstance(get(part, group), dict)
        try:
            change.set((*path, group, name) if nested else (*path, f"{group}.{name}"), value)
        except CannotEdit:
            return text
        return change.text

    return repair
