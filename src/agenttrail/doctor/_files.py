"""Files and folders given to doctor: what kind each is, what is found, what would be changed."""

from __future__ import annotations

import contextlib
import difflib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import ModuleType

from agenttrail.doctor import _manifests as manifests
from agenttrail.doctor import fluent_bit, logstash, otelcol, rsyslog, syslog_ng, vector
from agenttrail.doctor._finding import Asked, ConfigFile, Finding, Rule
from agenttrail.errors import ConfigError, UsageError

# In the order in which they are asked: the more particular look first.
KINDS: dict[str, ModuleType] = {
    module.KIND: module for module in (otelcol, logstash, fluent_bit, syslog_ng, vector, rsyslog)
}
_ENDINGS = (".conf", ".yaml", ".yml", ".toml", ".json", ".cfg")


def rules() -> list[Rule]:
    """Every rule of every kind."""
    return [rule for module in KINDS.values() for rule in module.RULES.values()]


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What was found in files, and what `mend` would make of them.

    Args:
        kinds: kind to its files, in the order given.
        within: of configurations inside manifests, the manifest's file.
        passed: files of a folder that are of no known kind.
        texts: new text by path, of files that would change.
        left: what is to be done by hand.
        remaining: findings that the new texts still have.
    """

    kinds: dict[str, list[ConfigFile]] = field(default_factory=dict)
    within: dict[str, str] = field(default_factory=dict)
    passed: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    remaining: list[Finding] = field(default_factory=list)


def examine(paths: Sequence[str], asked: Asked, *, kind: str | None, fix: bool) -> Outcome:
    """Reads and examines files and the files of folders; with `fix`, says what would become of them.

    Files of one kind are one configuration; so are those of one Kubernetes config map.

    Raises:
        UsageError: a file cannot be read, or its kind cannot be told.
        ConfigError: all files that are not what they look like, with their lines.
    """
    made = Outcome()
    problems: list[str] = []
    groups: dict[tuple[str, str], list[ConfigFile]] = {}
    for path in paths:
        inside = Path(path).is_dir()
        names = sorted(str(p) for p in Path(path).iterdir() if p.suffix in _ENDINGS) if inside else [path]  # fmt: skip
        for name in names:
            file = ConfigFile(name, _text(name))
            held = [(k, f) for f in manifests.held(file) if (k := kind or _kind(f))]
            of = None if held else kind or _kind(file)
            if held:
                made.within.update((inner.path, name) for _, inner in held)
                for k, inner in held:
                    groups.setdefault((k, inner.path.split(manifests.SIGN)[0]), []).append(inner)
            elif of is not None:
                groups.setdefault((of, ""), []).append(file)
            elif inside:
                made.passed.append(name)
            else:
                raise UsageError(
                    f"{name}: of which collector is this?",
                    hint=f"--kind, one of: {', '.join(KINDS)}",
                )
    if not groups:
        raise UsageError(
            "there is no configuration of a collector", hint=f"known: {', '.join(KINDS)}"
        )
    for (of, _), files in groups.items():
        made.kinds.setdefault(of, []).extend(files)
        try:
            made.findings += map(manifests.placed, KINDS[of].examine(files, asked))
            if fix:
                _mend(made, of, files, asked)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return made


def _kind(file: ConfigFile) -> str | None:
    return next((kind for kind, module in KINDS.items() if module.sniff(file)), None)


def _mend(made: Outcome, kind: str, files: list[ConfigFile], asked: Asked) -> None:
    if any(file.path in made.within for file in files):
        for path in dict.fromkeys(made.within[f.path] for f in files):
            made.left.append(
                f"{path}: the configuration stands inside a manifest: take it out, mend it, put it back"
            )
        made.remaining += map(manifests.placed, KINDS[kind].examine(files, asked))
        return
    texts, left = KINDS[kind].mend(files, asked)
    made.left += left
    made.remaining += KINDS[kind].examine([ConfigFile(f.path, texts[f.path]) for f in files], asked)
    made.texts |= {f.path: texts[f.path] for f in files if texts[f.path] != f.text}


def diff(file: ConfigFile, new: str) -> str:
    """A unified diff of one file."""
    return "".join(
        line if line.endswith("\n") else line + "\n\\ No newline at end of file\n"
        for line in difflib.unified_diff(
            file.text.splitlines(keepends=True), new.splitlines(keepends=True), file.path, file.path
        )
    )


def write(path: str, text: str, now: datetime) -> str:
    """Puts a new text in a file's place, all of it or nothing; gives the backup's path.

    Raises:
        UsageError: it cannot be written.
    """
    target = Path(path).resolve()
    backup = Path(f"{path}.bak-{now:%Y%m%dT%H%M%SZ}")
    number = 1
    while backup.exists():
        number += 1
        backup = Path(f"{path}.bak-{now:%Y%m%dT%H%M%SZ}-{number}")
    try:
        shutil.copy2(target, backup)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            shutil.copystat(target, name)
            owner = target.stat()
            with contextlib.suppress(PermissionError):
                os.chown(name, owner.st_uid, owner.st_gid)
            os.replace(name, target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
            raise
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    return str(backup)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no text in UTF-8") from None
