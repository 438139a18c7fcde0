"""`agenttrail simulate`: a made-up company's agents for a month, as logs in the real formats, with the truth."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from datetime import date
from typing import Any

from agenttrail.errors import UsageError


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb."""
    parser = verbs.add_parser(
        "simulate",
        help="a company's agents for a month: logs in the real formats, and the truth about them",
        description="Writes a month of a made-up company's agents in the formats of Claude Code, Codex, OTLP and MCP, with registry, policy, prices and a pipeline for them, and truth.jsonl: every task, cost, approval and planted anomaly. The same seed gives the same bytes.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="where the files go; made where missing")
    parser.add_argument("--seed", type=int, default=1, help="of all that is by chance (1)")
    parser.add_argument("--start", default="2026-10-01", metavar="DAY", help="first day (2026-10-01)")  # fmt: skip
    parser.add_argument("--days", type=int, default=30, help="how many days (30)")
    parser.add_argument("--tasks-per-day", type=int, default=60, metavar="N", help="tasks of all agents together on a working day (60)")  # fmt: skip
    parser.add_argument("--quiet-month", action="store_true", help="without anomalies")
    parser.add_argument("--json", action="store_true", help="the totals as one JSON object on standard output")  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Writes the files; gives the exit code."""
    from agenttrail.simulate.month import simulate

    try:
        start = date.fromisoformat(arguments.start)
    except ValueError:
        raise UsageError("--start is no day", hint="as 2026-10-01") from None
    for name in ("days", "tasks_per_day"):
        if not 1 <= getattr(arguments, name) <= 100_000:
            raise UsageError(f"--{name.replace('_', '-')} must be between 1 and 100000")
    if os.path.isdir(arguments.folder) and os.listdir(arguments.folder):
        raise UsageError(f"{arguments.folder} is not empty", hint="name a new folder")
    begun = time.monotonic()
    shown = sys.stderr.isatty()

    def progress(done: int, tasks: int) -> None:
        if shown:
            sys.stderr.write(f"\r{done:,} of {tasks:,} tasks")

    made = simulate(
        seed=arguments.seed, start=start, days=arguments.days, tasks_per_day=arguments.tasks_per_day,
        anomalies=not arguments.quiet_month, progress=progress,
    )  # fmt: skip
    files = {**made.files, "truth.jsonl": b"".join(_line(row) for row in made.truth)}
    for name, content in files.items():
        path = os.path.join(arguments.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
    seconds = time.monotonic() - begun
    total = made.truth[-1]
    if shown:
        sys.stderr.write("\r")
    sys.stderr.write(
        f"{total['tasks']:,} tasks, {total['tool_calls']:,} tool calls, {total['anomalies']} anomalies in "
        f"{len(files):,} files, {sum(map(len, files.values())) / 1e6:.1f} MB ({seconds:.1f} s)\n"
        f"next: cd {arguments.folder} && agenttrail run -c pipeline.yaml\n"
    )
    if arguments.json:
        sys.stdout.write(json.dumps(total) + "\n")
    return 0


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
