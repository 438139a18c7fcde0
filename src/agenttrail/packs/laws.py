"""What must hold of a pack: rule and page, page and command line, samples and fields, links, ids.

Each law gives its problems, with the file that they are about; none is left out because another failed.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agenttrail import fields as f
from agenttrail.packs import sigma
from agenttrail.packs.anomalies import Anomaly, Pack
from agenttrail.packs.kibana_dashboards import TITLES

SECTIONS = ("Meaning", "Impact", "Diagnosis", "Mitigation", "Tuning")
_LONGEST = 80
_MARKS = re.compile(r"\b(T[O]DO|F[I]XME|TBD|X[X]X)\b")
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)")
_BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
_FIELD = re.compile(r"\b(?:agenttrail|gen_ai|mcp|event|error|user|trace)\.[a-z0-9_]+(?:\.[a-zA-Z0-9_]+)*")  # fmt: skip


def problems(pack: Pack, parser: argparse.ArgumentParser) -> list[str]:
    """All problems of a pack; `parser` is that of the command line that pages quote."""
    found: list[str] = []
    for what in ("id", "title"):
        counts = Counter(getattr(a.rule, what) for a in pack.anomalies)
        found += [f"{pack.root}: {what} '{each}' is used {n} times" for each, n in counts.items() if n > 1]  # fmt: skip
    for anomaly in pack.anomalies:
        found += _of_rule(anomaly)
        found += page_problems(anomaly.folder / "README.md", anomaly.page, parser)
        found += _of_page(anomaly)
    used = {name for a in pack.anomalies for name in a.names} | {
        "alert_window",
        "baseline_window",
        "baseline_age",
    }
    for name, each in pack.thresholds.items():
        place = f"{pack.root / 'thresholds.yaml'}: thresholds.{name}"
        if name not in used and not name.startswith("scan_"):
            found.append(f"{place}: no rule uses it")
        if not each.reason or not each.move:
            found.append(f"{place}: reason and move must say why, and when to move it")
    for page in sorted((pack.root / "procedures").glob("*.md")):
        found += page_problems(page, page.read_text(encoding="utf-8"), parser)
    return found


def _of_rule(anomaly: Anomaly) -> Iterator[str]:
    path, rule = anomaly.folder / "rule.yaml", anomaly.rule
    if not (rule.prometheus or anomaly.sigma or rule.scan):
        yield f"{path}: nothing finds it\n  give prometheus, sigma or scan"
    if not rule.dashboards:
        yield f"{path}: dashboards: must name what shows it"
    for name in rule.dashboards:
        if name not in TITLES:
            yield f"{path}: dashboards: none is called '{name}'\n  known: {', '.join(TITLES)}"
    if not rule.fires_for:
        yield f"{path}: fires_for: must name the agents that hit.jsonl is about; '' where it is about none"  # fmt: skip
    for name in _fields_of(sigma.detects(anomaly) or {}):
        if not _known(name):
            yield f"{path}: sigma: no field is called '{name}'"
    correlation = anomaly.correlation or {}
    for name in (*_fields_of(correlation.get("detection", {})), *correlation.get("group-by", ())):
        if not _known(name):
            yield f"{path}: correlation: no field is called '{name}'"
    ids = [str(e[f.EVENT_ID]) for e in (*anomaly.hit, *anomaly.miss)]
    for each, count in Counter(ids).items():
        if count > 1:
            yield f"{anomaly.folder}: event id {each} stands in its samples {count} times"


def _fields_of(detection: Mapping[str, Any]) -> Iterator[str]:
    for name, part in detection.items():
        if name == "condition":
            continue
        for each in part if isinstance(part, list) else [part]:
            if isinstance(each, Mapping):
                for key in each:
                    yield str(key).partition("|")[0]


def _known(name: str) -> bool:
    """Whether it is a field, a part of one, or a path below an object of the record."""
    if name in f.FIELDS or any(known.startswith(name + ".") for known in f.FIELDS):
        return True
    return any(
        name.startswith(known + ".") and field.type in ("object", "objects", "counts")
        for known, field in f.FIELDS.items()
    )


def _of_page(anomaly: Anomaly) -> Iterator[str]:
    path, page = anomaly.folder / "README.md", anomaly.page
    lines = page.splitlines()
    if not lines or lines[0] != f"# {anomaly.rule.title}":
        yield f"{path}:1: the first line must be '# {anomaly.rule.title}'"
    heads = [line[3:] for line in lines if line.startswith("## ")]
    if heads != list(SECTIONS):
        yield f"{path}: sections must be {', '.join(SECTIONS)}"
        return
    if len(lines) > _LONGEST:
        yield f"{path}: {len(lines)} lines; at most {_LONGEST}"
    parts = dict(zip(SECTIONS, re.split(r"^## .*$", page, flags=re.MULTILINE)[1:], strict=True))
    for name in ("Diagnosis", "Mitigation"):
        if not _BLOCK.search(parts[name]):
            yield f"{path}: {name} has no command or query to paste"
    # TASK is no label of an alert: the page says where to find it.
    if "TASK" in parts["Mitigation"] and "task" not in parts["Diagnosis"].lower():
        yield f"{path}: Mitigation speaks of TASK, and Diagnosis finds none"
    # What stops the harm comes first: an agent, a tool, a server, or the pipeline that leaks.
    first = _BLOCK.search(parts["Mitigation"])
    if first and not first[2].lstrip().startswith("agenttrail stop "):
        yield f"{path}: Mitigation must begin with `agenttrail stop …`"
    for name in sorted(anomaly.names):
        if name not in parts["Tuning"]:
            yield f"{path}: Tuning says nothing of {name}"


def page_problems(path: Path, text: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """What holds of every page: links, commands, fields, no notes to self."""
    if found := _MARKS.search(text):
        yield f"{path}: holds a note to self: {found[1]}"
    for target in _LINK.findall(text):
        if not (path.parent / target).exists():
            yield f"{path}: the link {target} leads nowhere"
    for kind, block in _BLOCK.findall(text):
        if kind not in ("sh", "promql", "lucene", "sql", "esql", "text", "yaml", "json"):
            yield f"{path}: a block must say what it is: sh, promql, lucene, sql, esql, yaml, json, text"
        if kind == "sh":
            for line in re.sub(r"\\\n", " ", block).splitlines():
                if problem := command_problem(line, parser):
                    yield f"{path}: {problem}"
        if kind in ("lucene", "esql"):
            for name in _FIELD.findall(re.sub(r"logs-\S+", "", block)):
                if not _known(name):
                    yield f"{path}: no field is called '{name}'"


def command_problem(line: str, parser: argparse.ArgumentParser) -> str | None:
    """What our command line would say to a line of a page; None where it would take it."""
    for part in re.split(r"\s(?:\||&&)\s", line):
        words = re.sub(r"\s\d?>\s*\S+", "", part).strip()
        if not words.startswith("agenttrail "):
            continue
        try:
            arguments = shlex.split(words, comments=True)[1:]
        except ValueError:
            return f"cannot be pasted: {words}"
        if not _takes(parser, arguments):
            return f"our command line does not take: {words}"
    return None


def _takes(parser: argparse.ArgumentParser, arguments: list[str]) -> bool:
    import contextlib
    import io

    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            parser.parse_args(arguments)
    except SystemExit as done:
        return done.code == 0
    return True
