"""`agenttrail slo show | propose`: SLIs measured over masked events, and targets one step above them."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from typing import Any

from agenttrail.errors import UsageError


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb."""
    parser = verbs.add_parser(
        "slo",
        help="SLIs measured over masked events, and targets proposed from a pilot",
        description="Measures service level indicators of agents over masked JSON Lines: `show` prints them, `propose` proposes targets one step above what a pilot measured, with the evidence, and writes the Prometheus rules and OpenSLO documents for them.",
    )
    parser.add_argument("what", choices=("show", "propose"), help="show: the indicators; propose: targets")  # fmt: skip
    parser.add_argument("input", nargs="+", metavar="PATH", help="masked JSON Lines, files or folders")  # fmt: skip
    parser.add_argument("--from", dest="since", metavar="TIME", help="first day or time, in UTC")
    parser.add_argument("--to", dest="until", metavar="TIME", help="last day, or time before which events are, in UTC")  # fmt: skip
    parser.add_argument("--by", default="agent", metavar="COLUMNS", help="show: rows for each agent, version, department, day; several with commas (agent)")  # fmt: skip
    parser.add_argument("--least", type=int, default=30, metavar="N", help="propose: tasks below which nothing is proposed (30)")  # fmt: skip
    parser.add_argument("--rules", metavar="FILE", help="propose: write Prometheus recording and alert rules")  # fmt: skip
    parser.add_argument("--openslo", metavar="FILE", help="propose: write OpenSLO v1 documents")
    parser.add_argument("--runbooks", default="runbooks/anomalies", metavar="URL", help="propose: address of the runbooks that alerts name")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the table; gives the exit code."""
    from agenttrail.insight.events import opened

    for option in ("rules", "openslo"):
        if arguments.what == "show" and getattr(arguments, option):
            raise UsageError(f"--{option} has no effect with show", hint="agenttrail slo propose")
    with opened(arguments.input, since=arguments.since, until=arguments.until) as db:
        if arguments.what == "show":
            return _show(db, arguments)
        return _propose(db, arguments)


def _show(db: Any, arguments: argparse.Namespace) -> int:
    from agenttrail.insight.sli import slis

    by = tuple(part.strip() for part in arguments.by.split(","))
    rows = slis(db, by)
    if arguments.json:
        shares = ("success", "escalation", "calls_per_task", "tokens_per_task", "cost_per_task", "failed_work", "reviews_in_time", "open")  # fmt: skip
        found = [
            {**dataclasses.asdict(row), "key": dict(zip(by, row.key, strict=True)), **{n: getattr(row, n) for n in shares}}
            for row in rows
        ]  # fmt: skip
        sys.stdout.write(json.dumps({"slis": found}) + "\n")
        return 0
    titles = [*by, "tasks", "ended", "success", "escalated", "calls/task", "tokens/task", "cost/task", "failed work", "reviews in time"]  # fmt: skip
    _table(
        titles,
        [
            [*row.key, f"{row.tasks:,}", f"{row.ended:,}", _share(row.success), _share(row.escalation), _number(row.calls_per_task), _number(row.tokens_per_task), f"{_number(row.cost_per_task)} {row.currency}".strip(), _share(row.failed_work), _share(row.reviews_in_time)]
            for row in rows
        ],
        len(by),
    )  # fmt: skip
    return 0


def _propose(db: Any, arguments: argparse.Namespace) -> int:
    import yaml

    from agenttrail.insight import slo

    proposals = slo.propose(db, least=arguments.least)
    if arguments.rules:
        _write(arguments.rules, yaml.safe_dump(slo.rules(proposals, runbooks=arguments.runbooks), sort_keys=False, width=1000))  # fmt: skip
    if arguments.openslo:
        _write(arguments.openslo, yaml.safe_dump_all(slo.openslo(proposals), sort_keys=False, width=1000))  # fmt: skip
    if arguments.json:
        found = [dataclasses.asdict(proposal) for proposal in proposals]
        sys.stdout.write(json.dumps({"proposals": found}) + "\n")
        return 0
    _table(
        ["agent", "indicator", "measured", "of", "95 % interval", "target"],
        [
            [p.agent, p.indicator, _share(p.measured), f"{p.of:,}", f"{p.low:.1%} to {p.high:.1%}" if p.of else "-", _share(p.target) if p.target else p.note]
            for p in proposals
        ],
        2,
    )  # fmt: skip
    return 0


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
    sys.stderr.write(f"{path} written\n")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _table(titles: list[str], rows: list[list[str]], words: int) -> None:
    """Columns with titles on standard output; the first `words` columns to the left."""
    if not rows:
        sys.stderr.write("no events in this time\n")
        return
    widths = [max(len(line[i]) for line in (titles, *rows)) for i in range(len(titles))]
    for line in (titles, *rows):
        cells = [
            cell.ljust(width) if i < words or i == len(line) - 1 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
