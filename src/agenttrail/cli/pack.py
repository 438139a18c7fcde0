"""`agenttrail pack check | export`: anomalies with rules, samples and runbooks, checked and built for SIEMs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from agenttrail.errors import ConfigError, UsageError


def add(verbs: Any) -> None:
    """Adds the verb and its actions."""
    from agenttrail.packs.exports import DASHBOARDS, TARGETS

    parser: argparse.ArgumentParser = verbs.add_parser(
        "pack",
        help="anomalies with rules, samples and runbooks: checked, and exported for Prometheus and SIEMs",
        description="One folder an anomaly: the rule, samples that must and must not fire it, the page for on-call. Checks all of it, and makes alert rules and detections for Prometheus, Alertmanager, Sigma, Kibana, Elasticsearch, OpenSearch, Splunk, Microsoft Sentinel and Loki.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="all problems of rules, samples, pages and numbers", description="Holds a pack against all its laws: rule and page, page and command line, fields, links, ids, samples, numbers. All problems at once.")  # fmt: skip
    export = actions.add_parser("export", help="writes rules and dashboards for one target or all", description="Makes the rules of a target out of the anomalies, or the dashboards.")  # fmt: skip
    export.add_argument("target", choices=("all", *TARGETS, *DASHBOARDS, "index"), help="what to make; index: the table of README.md")  # fmt: skip
    export.add_argument("--output", metavar="FOLDER", help="where the files go (rules/ of the pack; dashboards/ beside the pack)")  # fmt: skip
    export.add_argument("--runbooks", metavar="URL", default="runbooks/anomalies", help="address of the pages that alerts link to (runbooks/anomalies)")  # fmt: skip
    export.add_argument("--grafana", metavar="URL", default="http://localhost:3000", help="address of Grafana, whose dashboards alerts link to (http://localhost:3000)")  # fmt: skip
    for action in (check, export):
        action.add_argument("--pack", metavar="FOLDER", default="runbooks", help="the folder with anomalies/ and thresholds.yaml (runbooks)")  # fmt: skip
        action.add_argument("--thresholds", metavar="FILE", help="numbers of your own, as thresholds.yaml; they win")  # fmt: skip
    check.set_defaults(run=_check)
    export.set_defaults(run=_export)


def _load(arguments: argparse.Namespace) -> Any:
    from agenttrail.packs.anomalies import load

    mine = arguments.thresholds
    return load(Path(arguments.pack), None if mine is None else Path(mine))


def _check(arguments: argparse.Namespace) -> int:
    from agenttrail.cli import parser
    from agenttrail.packs.laws import problems

    pack = _load(arguments)
    found = problems(pack, parser())
    if found:
        raise ConfigError(found)
    samples = sum(len(a.hit) + len(a.miss) for a in pack.anomalies)
    sys.stdout.write(f"{len(pack.anomalies)} anomalies, {samples} samples, {len(pack.thresholds)} numbers: all laws hold\n")  # fmt: skip
    return 0


def metrics() -> tuple[Any, Any]:
    """What the sink `metrics` measures of an event, and what is known of each metric."""
    from agenttrail.packs.series import Kind
    from agenttrail.sinks._metrics_measures import INSTRUMENTS, Bounded, measures

    bounded = Bounded(10_000)
    kinds = {name: Kind(each.kind, each.unit) for name, each in INSTRUMENTS.items()}
    return lambda event: measures(event, bounded), kinds


def _export(arguments: argparse.Namespace) -> int:
    from agenttrail.packs import chapter, exports

    pack = _load(arguments)
    if arguments.target in ("all", "index"):
        readme = pack.root / "README.md"
        if readme.exists():
            _write(readme, chapter.with_index(pack, readme.read_text(encoding="utf-8")))
        elif arguments.target == "index":
            raise UsageError(f"{readme}: no such file")
    if arguments.target == "index":
        return 0
    whole = arguments.target == "all"
    output = Path(arguments.output) if arguments.output else None
    if whole or arguments.target in exports.TARGETS:
        targets = exports.TARGETS if whole else (arguments.target,)
        made = exports.files(pack, arguments.runbooks, *metrics(), targets, arguments.grafana)
        _write_all(output or pack.root / "rules", made)
    if whole or arguments.target in exports.DASHBOARDS:
        shown = tuple(each for each in exports.DASHBOARDS if whole or each == arguments.target)
        made = exports.dashboards(pack, arguments.runbooks, shown)
        beside = pack.root.resolve().parent if output is None else output
        _write_all(beside / "dashboards" if output is None or whole else output, made)
    return 0


def _write_all(folder: Path, made: dict[str, str]) -> None:
    for name, text in made.items():
        _write(folder / name, text)
    sys.stderr.write(f"{len(made)} files written below {folder}\n")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
