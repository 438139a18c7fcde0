"""Whether this installation can mask: versions, model, extras, keys, and what was kept back.

Nothing here prints what an event, a key or a file holds: names, counts, sizes and ages only.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

State = Literal["ok", "warning", "problem"]
# Findings depend on these versions; pyproject.toml pins them with ==.
_PIN = re.compile(r"^([A-Za-z0-9_.-]+)\s*==\s*([^\s;,]+)\s*$")
_EXTRAS = {
    "elasticsearch": "elasticsearch", "otlp": "opentelemetry.proto", "otel": "opentelemetry.sdk",
    "th": "pythainlp", "ja": "sudachipy", "metrics": "opentelemetry.exporter.prometheus",
    "insight": "duckdb",
}  # fmt: skip
_KEPT = ("dead_letter", "quarantine", "spool")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at."""

    name: str
    state: State
    said: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """Made-up personal data in a sentence; `values` must not be readable once it is masked.

    Args:
        needs: an extra without which this one is not found, or an empty string.
        model: whether the names model finds it.
    """

    language: str
    text: str
    values: tuple[str, ...]
    needs: str = ""
    model: bool = False


# Addresses of example.com, numbers reserved for fiction or made with valid check digits, common names.
PLANTED = (
    Planted(language="en", text="mail ann.lee@example.com, call +1 415-555-0143, card 4111 1111 1111 1111", values=("ann.lee@example.com", "555-0143", "4111 1111 1111 1111")),
    Planted(language="en", text="Please send the report to Margaret Thornbury before Friday.", values=("Margaret Thornbury",), model=True),
    Planted(language="th", text="ติดต่อคุณสมชาย ใจดี เลขบัตร 1-1017-00230-70-8 หรือ somchai@example.com", values=("สมชาย", "1-1017-00230-70-8", "somchai@example.com")),
    Planted(language="ja", text="山田太郎様のメールはtaro@example.comです。電話は03-1234-5678。", values=("山田太郎", "taro@example.com", "03-1234-5678")),
    Planted(language="lo", text="ທ້າວ ສົມພອນ ໂທ 020 5555 1234 ອີເມວ somphone@example.com", values=("ສົມພອນ", "5555 1234", "somphone@example.com")),
)  # fmt: skip

Masking = Callable[[Sequence[str]], Sequence[str]]


def versions() -> Iterator[Check]:
    """Python, and what is pinned."""
    now = ".".join(map(str, sys.version_info[:3]))
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Check(
        name="python", state="ok" if fits else "problem", said=now,
        hint="" if fits else "Python 3.11 to 3.13",
    )  # fmt: skip
    try:
        needed = importlib.metadata.requires("agenttrail") or []
    except importlib.metadata.PackageNotFoundError:
        yield Check(name="agenttrail", state="problem", said="is not installed", hint="pip install agenttrail")  # fmt: skip
        return
    wrong, right = [], 0
    for requirement in needed:
        match = _PIN.match(requirement)
        if not match:
            continue
        name, wanted = match.groups()
        try:
            there = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            there = "missing"
        right += there == wanted
        if there != wanted:
            wrong.append(f"{name} {there} (pinned: {wanted})")
    yield Check(
        name="pinned versions", state="problem" if wrong else "ok",
        said=", ".join(wrong) or f"{right} as pinned",
        hint="findings depend on them: pip install --require-hashes -r requirements/runtime.txt" if wrong else "",
    )  # fmt: skip


def model(name: str, *, needed: bool) -> Check:
    """The names model. `name` is an installed package or a folder."""
    there = (
        importlib.util.find_spec(name) is not None if name.isidentifier() else Path(name).is_dir()
    )
    if there:
        try:
            said = f"{name} {importlib.metadata.version(name.replace('_', '-'))}"
        except importlib.metadata.PackageNotFoundError:
            said = name
        return Check(name="names model", state="ok", said=said)
    return Check(
        name="names model", state="problem" if needed else "warning", said=f"{name} is not installed",
        hint=f"pip install {name.replace('_', '-')}, or --profile fast, which finds no names",
    )  # fmt: skip


def engine(found: str) -> Check:
    """What scans patterns."""
    said = {"hyperscan": "hyperscan", "re2": "google-re2: the same findings, slower", "none": "plain patterns: the same findings, much slower"}  # fmt: skip
    return Check(
        name="pattern engine", state="warning" if found == "none" else "ok", said=said[found],
        hint="pip install hyperscan, or 'agenttrail[re2]'" if found == "none" else "",
    )  # fmt: skip


def extras() -> Check:
    """Which extras are there; none is needed by all."""
    there = {name for name, module in _EXTRAS.items() if _has(module)}
    missing = [name for name in _EXTRAS if name not in there]
    said = ", ".join(name for name in _EXTRAS if name in there) or "none"
    return Check(name="extras", state="ok", said=said + (f"; not installed: {', '.join(missing)}" if missing else ""))  # fmt: skip


def _has(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def self_test(mask: Masking, *, names: bool) -> Iterator[Check]:
    """Masks planted data; what can still be read is named by language and number, not shown.

    Args:
        mask: masks texts, in their order; raises where it cannot.
        names: whether the profile has a names model.
    """
    for language in dict.fromkeys(p.language for p in PLANTED):
        planted = [p for p in PLANTED if p.language == language and (names or not p.model)]
        try:
            masked = mask([p.text for p in planted])
        except Exception as error:  # noqa: BLE001  its text may hold the text
            yield Check(name=f"self-test {language}", state="problem", said=f"masking failed ({type(error).__name__}): content would be left out, envelopes only", hint="agenttrail check pipeline.yaml")  # fmt: skip
            continue
        total = sum(len(p.values) for p in planted)
        readable = [
            v for p, text in zip(planted, masked, strict=True) for v in p.values if v in text
        ]
        yield Check(
            name=f"self-test {language}", state="problem" if readable else "ok",
            said=f"{total - len(readable)} of {total} planted values masked",
            hint="the installed versions are not the pinned ones?" if readable else "",
        )  # fmt: skip


def keys(options: Sequence[Any], read: Callable[[], object]) -> Iterator[Check]:
    """Keys of pseudonyms and of encryption: readable by us, and by nobody else.

    Args:
        options: what the configuration says of each: `id`, and `file` or `env`.
        read: reads them all, or raises an error without the key in it.
    """
    if not options:
        return
    try:
        read()
    except Exception as error:  # noqa: BLE001  told by its own message, which names the place only
        yield Check(name="keys", state="problem", said=getattr(error, "message", type(error).__name__), hint=getattr(error, "hint", ""))  # fmt: skip
        return
    yield Check(name="keys", state="ok", said=f"{len(options)} readable: {', '.join(o.id for o in options)}")  # fmt: skip
    for option in options:
        if option.file and os.stat(option.file).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield Check(
                name="keys", state="warning", said=f"{option.file} can be read by other users",
                hint=f"chmod 600 {option.file}",
            )  # fmt: skip


def kept(options: Any, now: float | None = None) -> Iterator[Check]:
    """Dead letters, quarantine and spool of a configuration: how much, and since when."""
    moment = time.time() if now is None else now
    for name, path in _paths(options):
        files = [p for p in (path.rglob("*") if path.is_dir() else [path]) if p.is_file()]
        size = sum(p.stat().st_size for p in files)
        if not size:
            yield Check(name=name, state="ok", said=f"{path}: empty")
            continue
        age = moment - max(p.stat().st_mtime for p in files)
        grows = age < 3600
        yield Check(
            name=name, state="warning",
            said=f"{path}: {size:,} bytes, {'growing, ' if grows else ''}last written {_ago(age)}",
            hint="see what was refused and why: its lines are masked, each has a reason" if name != "spool" else "is the destination away?",
        )  # fmt: skip


def _paths(options: Any) -> Iterator[tuple[str, Path]]:
    if not dataclasses.is_dataclass(options):
        return
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        kind = next((k for k in _KEPT if k in field.name), None)
        if kind and isinstance(value, str | Path) and str(value):
            yield kind.replace("_", " "), Path(value)
        elif dataclasses.is_dataclass(value):
            inner = "folder" if kind == "spool" else ""
            folder = next((getattr(value, n) for n in ("folder", "path", "directory") if hasattr(value, n)), None)  # fmt: skip
            if inner and isinstance(folder, str | Path):
                yield "spool", Path(folder)
            else:
                yield from _paths(value)
        elif isinstance(value, tuple | list):
            for item in value:
                yield from _paths(item)


def _ago(seconds: float) -> str:
    for size, word in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.0f} {word} ago"
    return f"{max(seconds, 0):.0f} seconds ago"
