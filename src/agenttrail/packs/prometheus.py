"""Prometheus alert rules, promtool tests out of the samples, and Alertmanager's routes.

Every alert carries severity, channel and its runbook. A counter that begins at one has no increase that
Prometheus could see, so counts are asked for twice: for the increase, and for what came into being
within the window. Rules write `risen(SELECTOR[6h])` for both. What is usual is recorded: `baselines`.

Versions: Prometheus 2.42 and later; Alertmanager 0.25 and later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agenttrail.packs import baselines
from agenttrail.packs._promql import written_out
from agenttrail.packs.anomalies import Anomaly, Pack, PrometheusRule, written
from agenttrail.packs.baselines import Window
from agenttrail.packs.series import Kind, Measure, notation, selector, series

AGENT = "gen_ai_agent_name"
# Whom an alert is about: the first of these that it has.
WHOM = (AGENT, "agenttrail_mcp_server_name", "agenttrail_registry_department")
GRAFANA = "http://localhost:3000"
STAGES = ("owner-first", "shared", "whole-rota")
# Channel to receiver, by stage: first the owner of the workload alone, then shared, then the whole rota.
_RECEIVERS: dict[str, dict[str, str]] = {
    "owner-first": {"owner": "agent-owner", "operations": "agent-owner", "security": "security"},
    "shared": {"owner": "agent-owner", "operations": "on-call", "security": "security"},
    "whole-rota": {"owner": "on-call", "operations": "on-call", "security": "security"},
}
# Alerts ask for what is recorded at the same moment.
_ORDER = ["agenttrail-baselines", "agenttrail-anomalies"]
_AGAIN = {"critical": "1h", "high": "4h", "medium": "12h", "low": "24h"}


def rules(pack: Pack, runbooks: str, grafana: str = GRAFANA) -> dict[str, Any]:
    """The rules file; `runbooks` is the address of the folder `anomalies`, `grafana` that of Grafana."""
    made = [
        _alert(anomaly, asked, pack, runbooks, grafana)
        for anomaly in pack.anomalies
        if (asked := list(_of(anomaly)))
    ]
    return {"groups": [{"name": "agenttrail-anomalies", "rules": made}]}


def recording(pack: Pack) -> dict[str, Any]:
    """The rules file of the baselines that alerts rest on. Each value is recorded once."""
    made: dict[str, str] = {}
    for anomaly in pack.anomalies:
        rule = anomaly.rule.prometheus
        if rule is not None and rule.baseline is not None:
            made |= dict(baselines.recorded(rule.baseline, _window(pack)))
    rules = [{"record": name, "expr": expr} for name, expr in made.items()]
    return {"groups": [{"name": "agenttrail-baselines", "rules": rules}]}


def _window(pack: Pack) -> Window:
    numbers = (pack.thresholds[name].value for name in ("baseline_window", "baseline_age"))
    return Window(*map(written, numbers))


def _of(anomaly: Anomaly) -> Iterator[PrometheusRule]:
    """The rule's own, and for what `agenttrail scan` finds the counter of anomalies."""
    if anomaly.rule.prometheus is not None:
        yield anomaly.rule.prometheus
    if anomaly.rule.scan:
        name = f'agenttrail_anomalies_total{{agenttrail_anomaly_name="{anomaly.rule.slug}"}}'
        yield PrometheusRule(counted=name)


def _expr(rule: PrometheusRule, pack: Pack) -> str:
    if rule.baseline is not None:
        return baselines.alert(rule.baseline, rule.by, _window(pack))
    return written_out(rule.expr) or _counted(rule, written(pack.thresholds["alert_window"].value))


def _alert(
    anomaly: Anomaly, asked: list[PrometheusRule], pack: Pack, runbooks: str, grafana: str
) -> dict[str, Any]:
    rule = asked[0]
    labels = {"severity": anomaly.rule.severity, "channel": anomaly.rule.channel, "anomaly": anomaly.rule.slug}  # fmt: skip
    named = [w for w in WHOM if (f"by ({w}" in rule.expr if rule.expr else w in rule.by)]
    about = f"{{{{ $labels.{named[0]} }}}}: " if named else ""
    # The first that the rule names; a rule of a user's own may name none yet.
    first = next(iter(anomaly.rule.dashboards), None)
    shown = {} if first is None else {"dashboard_url": f"{grafana}/d/agenttrail-{first}"}
    return {
        "alert": anomaly.alert,
        "expr": " or ".join(_expr(each, pack) for each in asked),
        **({} if rule.wait == "0s" else {"for": rule.wait}),
        "labels": labels,
        "annotations": {
            "summary": about + anomaly.rule.title,
            "description": anomaly.rule.summary,
            "runbook_url": f"{runbooks}/{anomaly.rule.slug}/README.md",
            **shown,
        },
    }


def _counted(rule: PrometheusRule, window: str) -> str:
    by, counter = ", ".join(rule.by), rule.counted
    return (
        f"sum by ({by}) (increase({counter}[{window}])) > 0 "
        f"or sum by ({by}) ({counter} unless {counter} offset {window}) > 0"
    )


def promtool_tests(
    pack: Pack, rules_files: list[str], measure: Measure, kinds: Mapping[str, Kind]
) -> dict[int, dict[str, Any]]:
    """Each alert fires on its hit, for the agents that the rule names, and not on its miss.

    A file for each step between scrapes, in seconds: promtool has one for all tests of a file.
    """
    tests: dict[int, list[dict[str, Any]]] = {}
    for anomaly in pack.anomalies:
        # What scan finds is no metric yet in its samples: scan writes the event, its own test runs it.
        if anomaly.rule.prometheus is None:
            continue
        for case, events in (("hit", anomaly.hit), ("miss", anomaly.miss)):
            rule = anomaly.rule
            more: dict[str, Any] = {}
            if case == "hit":
                more = {"delivered_after_s": rule.delivered_after_s, "refused_as": rule.refused_as}
            seen = series(events, measure, kinds, **more)
            fired = rule.fires_for if case == "hit" else ()
            tests.setdefault(seen.step_s, []).append(
                {
                    "name": f"{anomaly.rule.slug} {case}",
                    "interval": f"{seen.step_s}s",
                    "input_series": [
                        {"series": selector(*key), "values": notation(values)}
                        for key, values in seen.values.items()
                    ],
                    "promql_expr_test": [
                        {
                            "expr": f'group by ({AGENT}) (last_over_time(ALERTS{{alertname="{anomaly.alert}", alertstate="firing"}}[60d]))',
                            "eval_time": f"{seen.steps * seen.step_s}s",
                            "exp_samples": [
                                {"labels": f'{{{AGENT}="{name}"}}' if name else "{}", "value": 1}
                                for name in fired
                            ],
                        }
                    ],
                }
            )
    return {
        step: {
            "rule_files": rules_files,
            "group_eval_order": _ORDER,
            "evaluation_interval": f"{step}s",
            "tests": each,
        }
        for step, each in tests.items()
    }


def alertmanager(stage: str) -> dict[str, Any]:
    """Routes of one stage of on-call; the receivers' addresses are the operator's to fill in."""
    receivers = _RECEIVERS[stage]
    routes = [
        {
            "receiver": receiver,
            "matchers": [f'channel="{channel}"'],
            "routes": [
                {"receiver": receiver, "matchers": [f'severity="{severity}"'], "repeat_interval": again}
                for severity, again in _AGAIN.items()
            ],
        }
        for channel, receiver in receivers.items()
    ]  # fmt: skip
    names = sorted({*receivers.values()})
    return {
        "route": {
            "receiver": receivers["operations"],
            "group_by": ["alertname", AGENT],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "12h",
            "routes": routes,
        },
        # One agent that is in trouble pages once: what is less severe waits.
        "inhibit_rules": [
            {
                "source_matchers": ['severity="critical"'],
                "target_matchers": ['severity=~"medium|low"'],
                "equal": [AGENT, "channel"],
            }
        ],
        "receivers": [
            {
                "name": name,
                "webhook_configs": [{"url": f"http://alerts.example.com/{name}"}],
            }
            for name in names
        ],
    }
