"""The generated files: path below the target folder to text, each byte the same on every run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import yaml

from agenttrail.errors import UsageError
from agenttrail.packs import (
    grafana_dashboards,
    kibana_dashboards,
    kibana_rules,
    prometheus,
    sigma,
)
from agenttrail.packs.anomalies import Pack
from agenttrail.packs.series import Kind, Measure

_HEAD = "# Made by `agenttrail pack export`; do not edit.\n"
_ENDINGS = {"elasticsearch": "lucene", "esql": "esql", "opensearch": "lucene", "splunk": "spl", "sentinel": "kql", "loki": "logql"}  # fmt: skip
DASHBOARDS = ("grafana", "kibana-dashboards")
TARGETS = ("prometheus", "alertmanager", "sigma", "kibana", *sigma.TARGETS)


def files(
    pack: Pack, runbooks: str, measure: Measure, kinds: Mapping[str, Kind], targets: tuple[str, ...] = TARGETS,
    grafana: str = prometheus.GRAFANA,
) -> dict[str, str]:  # fmt: skip
    """All files of some targets.

    Args:
        pack: the anomalies.
        runbooks: address of the folder `anomalies` that alerts link to.
        measure: what an event counts in, for promtool's tests.
        kinds: what is known of each metric.
        targets: out of `TARGETS`.
        grafana: address of Grafana, whose dashboards alerts link to.

    Raises:
        UsageError: a package is missing.
    """
    made: dict[str, str] = {}
    build: dict[str, Callable[[], dict[str, str]]] = {
        "prometheus": lambda: {
            "prometheus/alerts.yaml": dumped(prometheus.rules(pack, runbooks, grafana)),
            "prometheus/recording.yaml": dumped(prometheus.recording(pack)),
            **{
                f"prometheus/tests-{step}s.yaml": dumped(tests)
                for step, tests in prometheus.promtool_tests(
                    pack, ["recording.yaml", "alerts.yaml"], measure, kinds
                ).items()
            },
        },
        "alertmanager": lambda: {
            f"alertmanager/{stage}.yaml": dumped(prometheus.alertmanager(stage))
            for stage in prometheus.STAGES
        },
        "sigma": lambda: (
            {
                f"sigma/{a.rule.slug}.yml": dumped(written)
                for a in pack.anomalies
                if (written := sigma.rule(a, runbooks))
            }
            | {
                f"correlations/sigma/{a.rule.slug}.yml": _HEAD
                + yaml.safe_dump_all(both, sort_keys=False, width=1000, allow_unicode=True)
                for a in pack.anomalies
                if (both := sigma.correlation(a, runbooks))
            }
        ),
        "kibana": lambda: {
            "kibana/rules.ndjson": kibana_rules.ndjson(pack, runbooks),
            "kibana/rules-esql.ndjson": kibana_rules.ndjson(pack, runbooks, "esql"),
        },
    }
    for target in targets:
        try:
            if target in build:
                made |= build[target]()
            else:
                queries = sigma.queries(pack, target, runbooks)
                made |= {
                    f"{target}/{slug}.{_ENDINGS[target]}": query.rstrip("\n") + "\n"
                    for slug, query in queries.items()
                }
                if target in sigma.CORRELATING:
                    made |= {
                        f"correlations/{target}/{slug}.{_ENDINGS[target]}": query.rstrip("\n")
                        + "\n"
                        for slug, query in sigma.correlated(pack, target, runbooks).items()
                    }
        except ModuleNotFoundError:
            raise UsageError(f"{target}: pySigma is not installed", hint="pip install 'agenttrail[packs]'") from None  # fmt: skip
    return dict(sorted(made.items()))


def dashboards(pack: Pack, runbooks: str, targets: tuple[str, ...] = DASHBOARDS) -> dict[str, str]:
    """All files of some dashboards' targets.

    Args:
        pack: the anomalies, whose runbooks are linked.
        runbooks: address of the folder `anomalies`.
        targets: out of `DASHBOARDS`.

    Raises:
        UsageError: a package is missing.
    """
    build: dict[str, Callable[[], dict[str, str]]] = {
        "grafana": lambda: grafana_dashboards.files(pack, runbooks),
        "kibana-dashboards": lambda: {
            "kibana/agenttrail.ndjson": kibana_dashboards.ndjson(pack, runbooks)
        },
    }
    try:
        return {name: text for target in targets for name, text in build[target]().items()}
    except ModuleNotFoundError:
        raise UsageError("grafana: grafana-foundation-sdk is not installed", hint="pip install 'agenttrail[packs]'") from None  # fmt: skip


def dumped(value: Any) -> str:
    """YAML with a line that says where it comes from."""
    return _HEAD + yaml.safe_dump(value, sort_keys=False, width=1000, allow_unicode=True)
