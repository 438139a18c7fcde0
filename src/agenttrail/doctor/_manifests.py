"""Configurations inside Kubernetes manifests: the texts of config maps, with the lines of their file.

Limits: texts that are no literal block (`key: |`) are told with the line of their key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from agenttrail.doctor._finding import ConfigFile, Finding, Place
from agenttrail.doctor._yaml import documents, line_of, mapping
from agenttrail.errors import ConfigError

# Between a manifest's path with the number of its config map, and the text's own place in it.
SIGN = "\0"


def held(file: ConfigFile) -> Iterator[ConfigFile]:
    """Every text of every config map of a manifest; none where a file is no manifest."""
    if not re.search(r"(?m)^kind:\s*[\"']?ConfigMap", file.text):
        return
    try:
        made = documents(file)
    except ConfigError:
        return
    lines = file.text.splitlines()
    for number, document in enumerate(made):
        for key, text in mapping(document, "data").items():
            if isinstance(text, str):
                line = line_of(document, "data", key)
                block = re.search(r"[|>][-+0-9]*\s*(#.*)?$", lines[line - 1])
                # A name that keeps the key's ending, by which kinds are told.
                yield ConfigFile(f"{file.path}#{number}{SIGN}{line if block else -line}{SIGN}{key}", text)  # fmt: skip


def placed(finding: Finding) -> Finding:
    """A finding in such a text, at its line of the manifest's file."""
    if SIGN not in finding.place.path:
        return finding
    path, start, _ = finding.place.path.split(SIGN)
    first = int(start)
    line = first + finding.place.line if first > 0 else -first
    return replace(finding, place=Place(path.rsplit("#", 1)[0], line))
