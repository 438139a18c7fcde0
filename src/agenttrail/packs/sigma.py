"""Sigma rules, and what pySigma makes of them for each SIEM.

Field names are those of the record everywhere but where a target cannot have dots: Microsoft Sentinel's
columns and Loki's labels have underscores. Splunk names a list of JSON with {} behind it.

Versions: Sigma 2.1; pySigma 1.5 and its backends, pinned, because generated rules are compared.

Limits: Sentinel is asked in the table AgentTrail_CL, Loki in the stream {job="agenttrail"}; Splunk is
expected to read the lines as JSON (KV_MODE=json, or HEC's event endpoint).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from agenttrail import fields as f
from agenttrail.packs.anomalies import Anomaly, Pack

INDEX = f"logs-{f.DATASET}-*"
# How the stream of masked lines is labelled in Loki.
_STREAM = '{job="agenttrail"}'
_DATE = "2026-11-25"
TARGETS = ("elasticsearch", "esql", "opensearch", "splunk", "sentinel", "loki")
# Of pySigma's other backends Lucene and Kusto have no correlations; Loki's has them and takes no boolean.
CORRELATING = ("esql", "splunk")
# Kinds of finding that rules ask for by name.
_COUNTED = tuple(f"{f.PII_BY_TYPE}.{kind}" for kind in ("SECRET", "PERSON", "EMAIL_ADDRESS"))
# The fields that an analyst looks at first.
SHOWN = (f.TIMESTAMP, f.REGISTRY_AGENT_ID, f.AGENT_NAME, f.TASK_ID, f.TOOL_NAME, f.EVENT_ID)


def detects(anomaly: Anomaly) -> Mapping[str, Any] | None:
    """The Sigma detection: the rule's own, or for what scan finds the anomaly event."""
    if anomaly.sigma is not None:
        return anomaly.sigma["detection"]  # type: ignore[no-any-return]
    if anomaly.rule.scan:
        return {"found": {f.ANOMALY_NAME: anomaly.rule.slug}, "condition": "found"}
    return None


def rule(anomaly: Anomaly, runbooks: str) -> dict[str, Any] | None:
    """One Sigma rule, or None for what only metrics show."""
    detection = detects(anomaly)
    if detection is None:
        return None
    known = anomaly.rule
    # Sigma tags are namespace.name in lower case.
    tags = [f"owasp.{each.lower()}" for each in known.owasp_asi]
    tags += [f"atlas.{each.removeprefix('AML.').lower()}" for each in known.mitre_atlas]
    made: dict[str, Any] = {
        "title": known.title,
        "id": known.id,
        "name": known.slug.replace("-", "_"),
        "status": "test",
        "description": known.summary,
        "references": [f"{runbooks}/{known.slug}/README.md"],
        "author": "agenttrail",
        "date": _DATE,
        "tags": tags,
        "logsource": {"product": "agenttrail", "service": "audit"},
        "detection": dict(detection),
        "fields": list(SHOWN),
        "falsepositives": list(known.falsepositives) or ["Unknown"],
        "level": known.severity,
    }
    if not tags:
        del made["tags"]
    return made


def correlation(anomaly: Anomaly, runbooks: str) -> list[dict[str, Any]] | None:
    """The rule of one event and the correlation of many, or None where there is none.

    It finds the burst in the events themselves, without `agenttrail scan`; windows are those of the SIEM,
    which begin at full multiples of the time span.
    """
    known, made = anomaly.rule, anomaly.correlation
    if made is None:
        return None
    name = f"{known.slug.replace('-', '_')}_event"
    event = {
        "title": f"{known.title}: one of them",
        "id": str(uuid.uuid5(uuid.UUID(known.id), "event")),
        "name": name,
        "status": "test",
        "description": "One event of many; the correlation counts them.",
        "author": "agenttrail",
        "date": _DATE,
        "logsource": {"product": "agenttrail", "service": "audit"},
        "detection": dict(made["detection"]),
        "level": "informational",
    }
    return [
        event,
        {
            "title": known.title,
            "id": str(uuid.uuid5(uuid.UUID(known.id), "correlation")),
            "status": "test",
            "description": known.summary,
            "references": [f"{runbooks}/{known.slug}/README.md"],
            "author": "agenttrail",
            "date": _DATE,
            "correlation": {
                "type": made["type"],
                "rules": [name],
                "group-by": list(made["group-by"]),
                "timespan": made["timespan"],
                "condition": {"gte": made["gte"]},
            },
            "falsepositives": list(known.falsepositives) or ["Unknown"],
            "level": known.severity,
        },
    ]


def correlated(pack: Pack, target: str, runbooks: str) -> dict[str, str]:
    """The query of each correlation by slug, in the language of a target out of `CORRELATING`."""
    convert = _backend(target)
    return {
        anomaly.rule.slug: convert(*written)
        for anomaly in pack.anomalies
        if (written := correlation(anomaly, runbooks)) is not None
    }


def queries(pack: Pack, target: str, runbooks: str) -> dict[str, str]:
    """The query of each anomaly by slug, in the language of a target out of `TARGETS`.

    Cost: a second for all targets of thirty rules.
    """
    convert = _backend(target)
    made = {}
    for anomaly in pack.anomalies:
        written = rule(anomaly, runbooks)
        if written is not None:
            # The columns to show are a matter of each system's own search.
            del written["fields"]
            made[anomaly.rule.slug] = convert(written)
    return made


def _with_contains(detection: Mapping[str, Any]) -> dict[str, Any]:
    """The detection with `contains` on fields that hold lists, for targets that keep lists as text."""

    def part(value: Any) -> Any:
        if isinstance(value, list):
            return [part(each) for each in value]
        if not isinstance(value, dict):
            return value
        return {f"{k}|contains" if _is_list(k) else k: v for k, v in value.items()}

    return {name: part(value) for name, value in detection.items()}


def _is_list(name: str) -> bool:
    return name in f.FIELDS and f.FIELDS[name].type == "keywords"


def _backend(target: str) -> Callable[..., str]:
    from sigma.collection import SigmaCollection
    from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
    from sigma.processing.transformations import (
        SetCustomAttributeTransformation,
        SetStateTransformation,
    )

    backend: Any
    made: list[Callable[[], Any]] = []
    match target:
        case "elasticsearch":
            from sigma.backends.elasticsearch.elasticsearch_lucene import LuceneBackend

            backend = LuceneBackend
        case "esql":
            from agenttrail.packs import _esql

            backend = _esql.Backend
            made = [lambda: SetStateTransformation("index", INDEX)]
        case "opensearch":
            from sigma.backends.opensearch.opensearch import OpensearchLuceneBackend

            backend = OpensearchLuceneBackend
        case "splunk":
            from sigma.backends.splunk.splunk import SplunkBackend

            backend = SplunkBackend
            made = [lambda: _renamed({n: f"{n}{{}}" for n in f.FIELDS if _is_list(n)})]
        case "sentinel":
            from sigma.backends.kusto.kusto import KustoBackend

            backend = KustoBackend
            made = [lambda: _renamed(_underscored())]
        case _:
            from sigma.backends.loki import LogQLBackend

            backend = LogQLBackend
            # The parser `json` makes a label of each path, with underscores, and passes lists over:
            # those that rules ask for are named.
            lists = sorted(n for n in f.FIELDS if _is_list(n) and n.endswith(".findings"))
            named = ", ".join(f'{name.replace(".", "_")}="{name}"' for name in lists)
            made = [
                lambda: SetCustomAttributeTransformation("loki_parser", f"json | json {named}"),
                lambda: SetCustomAttributeTransformation("logsource_loki_selection", _STREAM),
            ]

    def convert(*rules: dict[str, Any]) -> str:
        written = list(rules)
        if target in ("sentinel", "loki"):
            written = [{**r, "detection": _with_contains(r["detection"])} for r in written]
        pipeline = ProcessingPipeline(
            name="agenttrail", items=[ProcessingItem(each()) for each in made]
        )
        (query,) = backend(processing_pipeline=pipeline).convert(
            SigmaCollection.from_dicts(written)
        )
        return f"AgentTrail_CL\n| where {query}" if target == "sentinel" else str(query)

    return convert


def _renamed(names: Mapping[str, str]) -> Any:
    from sigma.processing.transformations import FieldMappingTransformation

    mapped: dict[str | None, str | list[str]] = dict(names.items())
    return FieldMappingTransformation(mapped)


def _underscored() -> dict[str, str]:
    return {name: underscored(name) for name in (*f.FIELDS, *_COUNTED)}


def underscored(name: str) -> str:
    """A field's name where names cannot have dots."""
    return name.replace(".", "_").replace("@", "")
