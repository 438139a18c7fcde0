"""`agenttrail report`: what the agents did, cost, and saved, as one page and as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from agenttrail.errors import UsageError


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb."""
    parser = verbs.add_parser(
        "report",
        help="tasks, quality against targets, cost with forecast, approvals, incidents, hours saved",
        description="Reports on agents over masked JSON Lines, as one page that needs no network and as JSON: agents active against registered, tasks, SLIs against SLOs, cost by department with forecast, approvals and the workload they mean, incidents, audit coverage, masking, hours saved and return.",
    )
    parser.add_argument("input", nargs="+", metavar="PATH", help="masked JSON Lines, files or folders")  # fmt: skip
    parser.add_argument("--from", dest="since", metavar="TIME", help="first day or time, in UTC")
    parser.add_argument("--to", dest="until", metavar="TIME", help="last day, or time before which events are, in UTC")  # fmt: skip
    parser.add_argument("--preset", choices=("half-year",), help="half-year: the review of the six months up to --to, or to the last event")  # fmt: skip
    parser.add_argument("--registry", metavar="PATH", help="agents.yaml, or its folder")
    parser.add_argument("--policy", metavar="FILE", help="policy.yaml: budgets and channels")
    parser.add_argument("--prices", metavar="FILE", help="exchange rates, where worth and cost are in two currencies")  # fmt: skip
    parser.add_argument("--targets", metavar="FILE", help="what agenttrail slo propose --json printed")  # fmt: skip
    parser.add_argument("--reviewers", type=int, metavar="N", help="people who review; overload is told against it")  # fmt: skip
    parser.add_argument("--review-minutes", type=float, default=6.0, metavar="M", help="how long one review takes a person (6)")  # fmt: skip
    parser.add_argument("--language", choices=("en", "ja", "th"), default="en", help="of the page (en)")  # fmt: skip
    parser.add_argument("--html", metavar="FILE", help="write the page here")
    parser.add_argument("--json", action="store_true", help="the numbers as one JSON object on standard output")  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Writes the report; gives the exit code."""
    if arguments.html is None and not arguments.json:
        raise UsageError("nothing to write", hint="--html report.html, or --json")
    if arguments.review_minutes <= 0:
        raise UsageError("--review-minutes must be positive")
    if arguments.preset and arguments.since:
        raise UsageError("--from has no effect with --preset half-year", hint="give --to alone")
    from agenttrail.insight.events import opened
    from agenttrail.insight.report import Basis, report, targets_of

    registry = _read(arguments.registry, "registry")
    basis = Basis(
        registry=registry, policy=_read(arguments.policy, "policy"), prices=_read(arguments.prices, "prices"),
        targets=targets_of(_json(arguments.targets)) if arguments.targets else {},
        review_minutes=arguments.review_minutes, reviewers=arguments.reviewers,
    )  # fmt: skip
    since = arguments.since
    if arguments.preset:
        since = _half_a_year_before(arguments)
    with opened(arguments.input, since=since, until=arguments.until) as db:
        made = report(db, basis)
    if arguments.html is not None:
        from agenttrail.insight._report_html import page

        text = page(made, arguments.language, review=arguments.preset is not None)
        try:
            with open(arguments.html, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise UsageError(f"{arguments.html}: cannot be written: {error.strerror}") from None
        sys.stderr.write(f"{arguments.html} written\n")
    if arguments.json:
        sys.stdout.write(json.dumps(made, ensure_ascii=False) + "\n")
    return 0


def _half_a_year_before(arguments: argparse.Namespace) -> str:
    """The day half a year before the end of the period."""
    from datetime import date, timedelta

    from agenttrail.insight.events import opened

    end = arguments.until
    if end is None:
        with opened(arguments.input) as db:
            (last,) = db.execute("SELECT strftime(max(ts), '%Y-%m-%d') FROM events").fetchall()[0]
        end = last or str(date.today())  # noqa: DTZ011  no events: any day will do
    try:
        day = date.fromisoformat(end[:10])
    except ValueError:
        raise UsageError(f"not a time: {end}", hint="as 2026-10-01") from None
    return str(day - timedelta(days=182))


def _read(path: str | None, what: str) -> Any:
    if path is None:
        return None
    from agenttrail.governance import policy, prices, registry

    loaders: dict[str, Callable[[str], Any]] = {"registry": registry.load, "policy": policy.load, "prices": prices.load}  # fmt: skip
    return loaders[what](path)


def _json(path: str) -> Any:
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read as JSON ({type(error).__name__})", hint="agenttrail slo propose --json > FILE") from None  # fmt: skip
    if not isinstance(value, dict):
        raise UsageError(f"{path}: is no object", hint="agenttrail slo propose --json > FILE")
    return value
