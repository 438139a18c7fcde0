"""Which files a list of paths, globs and folders names."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections import Counter
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
    """A file to read.

    `key` names its stream wherever it lies: its name without what rotation adds, and the folders
    above it where two files of one run share that name. `stream` is that file's place on this
    machine; a rotated file has the stream of the file that it was.
    """

    path: str
    key: str
    stream: str


def find(paths: Sequence[str], exclude: Sequence[str], *, required: bool) -> list[Found]:
    """The files that the paths name now, each once; of one stream the oldest first.

    Raises:
        SourceError: with `required`, a path that names nothing.
    """
    places: dict[str, tuple[str, str]] = {}
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
            if not any(_fits(path, pattern) for pattern in exclude):
                places.setdefault(os.path.realpath(path), (path, root))
    streams: dict[str, list[tuple[str, str]]] = {}
    for path, root in places.values():
        streams.setdefault(stream_of(path), []).append((path, root))
    names = Counter(os.path.basename(stream) for stream in streams)
    found = []
    for stream, files in streams.items():
        name = os.path.basename(stream)
        for path, root in sorted(files, key=lambda file: _age(file[0])):
            below = os.path.relpath(os.path.dirname(path) or ".", root)
            key = name if names[name] == 1 else os.path.normpath(os.path.join(below, name))
            found.append(Found(path, key, stream))
    return found


def stream_of(path: str) -> str:
    """The place of the file that this one is, or was before it was rotated away."""
    whole = os.path.abspath(path)
    return os.path.join(os.path.dirname(whole), _ROTATION.sub("", os.path.basename(whole)))


def would_find(paths: Sequence[str], exclude: Sequence[str], path: str) -> bool:
    """Whether a file at `path`, there or not, is or may become one of those found."""
    real, name = os.path.realpath(path), os.path.basename(path)
    if any(_fits(path, pattern) for pattern in exclude):
        return False
    for given in paths:
        place = os.path.realpath(given)
        if os.path.isdir(given):
            if real.startswith(place + os.sep) and _LOG_NAME.fullmatch(name):
                return True
        elif real == place:
            return True
        elif glob.has_magic(given):
            pattern = os.path.abspath(given)
            deep = "**" in given or pattern.count(os.sep) == real.count(os.sep)
            if deep and fnmatchcase(real, pattern):
                return True
    return False


def _age(path: str) -> tuple[int, str]:
    try:
        return os.stat(path).st_mtime_ns, path
    except OSError:
        return 0, path


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
