"""Which files a list of paths, globs and folders names."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from agenttrail.errors import SourceError

# What a folder is searched for; a file named by the user is read whatever its name.
_LOG_NAME = re.compile(r"[^.].*\.(?:jsonl|ndjson|json|log|txt)(?:[.-]\d+)*(?:\.(?:gz|zst|zstd))?")
# logrotate: name.log.1, name.log-20260131, both with a compression suffix
_ROTATION = re.compile(r"(?:[.-]\d{1,3}|-\d{8}(?:-\d{1,10})?)?(?:\.(?:gz|zst|zstd))?$")


@dataclass(slots=True)
class Found:
    """A file to read. `key` names its stream: the path below what the user named."""

    path: str
    key: str


def find(paths: Sequence[str], exclude: Sequence[str], *, required: bool) -> list[Found]:
    """The files that the paths name now, each once, in the order of their names.

    Raises:
        SourceError: with `required`, a path that names nothing.
    """
    found: dict[str, Found] = {}
    for given in paths:
        matches = list(_matches(given))
        if required and not matches:
            raise SourceError(
                f"no file to read at {given}",
                hint="a folder is searched for *.jsonl, *.ndjson, *.json, *.log and *.txt, rotated and compressed ones too; name other files themselves"
                if os.path.isdir(given)
                else "check the path; quote a glob so that the shell leaves it alone",
            )
        for path, root in matches:
            real = os.path.realpath(path)
            if real not in found and not any(_fits(path, pattern) for pattern in exclude):
                found[real] = Found(path, _ROTATION.sub("", os.path.relpath(path, root)))
    return list(found.values())


def _fits(path: str, pattern: str) -> bool:
    return fnmatchcase(path, pattern) or fnmatchcase(os.path.basename(path), pattern)


def _matches(given: str) -> Iterator[tuple[str, str]]:
    """Paths and, for each, the folder that its stream's name is relative to."""
    if os.path.isdir(given):
        for folder, folders, names in os.walk(given):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                if _LOG_NAME.fullmatch(name) and _is_readable_kind(path):
                    yield path, given
    elif os.path.exists(given):
        yield given, os.path.dirname(given) or "."
    elif glob.has_magic(given):
        parts = given.split(os.sep)
        fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
        root = os.sep.join(parts[:fixed]) or (os.sep if given.startswith(os.sep) else ".")
        for path in sorted(glob.glob(given, recursive=True)):
            if _is_readable_kind(path):
                yield path, root


def _is_readable_kind(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False
