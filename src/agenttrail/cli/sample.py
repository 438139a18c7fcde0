"""`agenttrail sample`: tasks drawn for review, as a sheet to fill in and import again."""

from __future__ import annotations

import argparse
import csv
import json
import sys

from agenttrail.errors import UsageError


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb."""
    parser = verbs.add_parser(
        "sample",
        help="tasks drawn for review, seeded and stratified, as CSV to fill in",
        description="Draws tasks out of masked JSON Lines for people to review: the same for the same seed, of every agent and outcome as many as its share asks for. Prints CSV with empty scores; filled in, `agenttrail run --format evaluations --input FILE` reads it.",
    )
    parser.add_argument("input", nargs="+", metavar="PATH", help="masked JSON Lines, files or folders")  # fmt: skip
    parser.add_argument("-n", "--number", type=int, default=50, help="how many tasks (50)")
    parser.add_argument("--by", default="agent,state", metavar="COLUMNS", help="strata: agent, state, department, version, escalated; several with commas (agent,state)")  # fmt: skip
    parser.add_argument("--seed", default="1", help="of the draw (1)")
    parser.add_argument("--name", default="correct", help="what is evaluated (correct)")
    parser.add_argument("--from", dest="since", metavar="TIME", help="first day or time, in UTC")
    parser.add_argument("--to", dest="until", metavar="TIME", help="last day, or time before which events are, in UTC")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="JSON Lines instead of CSV")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the sheet; gives the exit code."""
    from agenttrail.insight.events import opened
    from agenttrail.insight.sample import sample

    if arguments.number < 1:
        raise UsageError("--number must be at least 1")
    by = tuple(part.strip() for part in arguments.by.split(","))
    with opened(arguments.input, since=arguments.since, until=arguments.until) as db:
        drawn = sample(db, arguments.number, by=by, seed=arguments.seed)
    rows = [
        {"task": d.task, "name": arguments.name, "score": "", "label": "", "explanation": "", "agent": d.agent, "state": d.state, "begun": d.begun}
        for d in drawn
    ]  # fmt: skip
    if arguments.json:
        for row in rows:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    else:
        names = ["task", "name", "score", "label", "explanation", "agent", "state", "begun"]
        sheet = csv.DictWriter(sys.stdout, names, lineterminator="\n")
        sheet.writeheader()
        sheet.writerows(rows)
    sys.stderr.write(f"{len(rows)} tasks of {len({d.stratum for d in drawn})} strata\n")
    return 0
