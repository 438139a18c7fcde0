"""Detection rules for Kibana: one line of JSON each, with the anomaly's page as investigation guide.

There are two files of the same rules, in Lucene and in ES|QL; either is enough. Import: Security, Rules,
Import. Rules are disabled until somebody enables them. The guide begins with
links to the dashboards that show the anomaly; they lead to the saved objects of `kibana_dashboards`, in
Kibana's default space at the root of its address.

Source: Kibana detections API 8.19, rules of types `query` and `esql`; their schemas of 8.19 in
elastic/detection-rules.

Limits: MITRE ATLAS techniques are tags: until 9.4 Kibana's `threat` knows MITRE ATT&CK only.
"""

from __future__ import annotations

import json
import uuid
from typing import Any, Literal

from agenttrail.packs import sigma
from agenttrail.packs.anomalies import Anomaly, Pack

_SCORES = {"critical": 99, "high": 73, "medium": 47, "low": 21}  # Elastic's own scale


def ndjson(pack: Pack, runbooks: str, language: Literal["lucene", "esql"] = "lucene") -> str:
    """All rules that a query finds."""
    queries = sigma.queries(pack, "elasticsearch" if language == "lucene" else language, runbooks)
    lines = [
        _rule(anomaly, queries[anomaly.rule.slug], runbooks, language)
        for anomaly in pack.anomalies
        if anomaly.rule.slug in queries
    ]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def dashboard_id(slug: str) -> str:
    """Of the saved object that a dashboard is in Kibana."""
    return f"agenttrail-{slug}"


def _rule(anomaly: Anomaly, query: str, runbooks: str, language: str) -> dict[str, Any]:
    known = anomaly.rule
    asked: dict[str, Any] = {"type": "esql", "language": language, "query": query}
    if language == "lucene":
        asked = {"type": "query", "language": language, "query": query, "index": [sigma.INDEX]}
    tags = ["agenttrail", f"channel: {known.channel}"]
    tags += [f"OWASP {each}" for each in known.owasp_asi]
    tags += [f"MITRE ATLAS {each}" for each in known.mitre_atlas]
    return {
        # Another rule to Kibana, so that both can be there at once.
        "rule_id": known.id
        if language == "lucene"
        else str(uuid.uuid5(uuid.UUID(known.id), language)),
        "name": known.title,
        "description": known.summary,
        "author": ["agenttrail"],
        "license": "Apache-2.0",
        **asked,
        "severity": known.severity,
        "risk_score": _SCORES[known.severity],
        "interval": "5m",
        # An hour behind: a log that is read late is still seen.
        "from": "now-65m",
        "to": "now",
        "max_signals": 100,
        "enabled": False,
        "tags": tags,
        "false_positives": list(known.falsepositives),
        "references": [f"{runbooks}/{known.slug}/README.md"],
        "investigation_fields": {"field_names": list(sigma.SHOWN)},
        "note": _guide(anomaly),
        "version": 1,
    }


def _guide(anomaly: Anomaly) -> str:
    links = [
        f"[{slug}](/app/dashboards#/view/{dashboard_id(slug)})" for slug in anomaly.rule.dashboards
    ]
    return (f"Dashboards: {', '.join(links)}\n\n" if links else "") + anomaly.page
