"""Each detection finds exactly its hits among all samples, in a real Elasticsearch; others parse."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any

import pytest

from agenttrail.packs import sigma
from agenttrail.sinks._elasticsearch_template import mappings
from tests.engines import elasticsearch as es
from tests.packs._pack import RUNBOOKS, anomaly_events, pack

INDEX = "agenttrail-samples"


@pytest.fixture(scope="module")
def filled(elasticsearch: es.Server) -> es.Server:
    """All samples of all anomalies, and what scan made of them, with the mappings that are shipped."""
    whole = {"settings": {"number_of_replicas": 0}, "mappings": mappings()}
    elasticsearch.request("PUT", f"/{INDEX}", whole)
    documents: list[Any] = [
        json.loads(line)
        for path in sorted(RUNBOOKS.glob("anomalies/*/*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]
    documents += [d for each in anomaly_events().values() for d in each]
    lines = [json.dumps(x) for d in documents for x in ({"index": {"_id": d["event"]["id"]}}, d)]
    request = urllib.request.Request(
        f"{elasticsearch.url}/{INDEX}/_bulk?refresh=true",
        ("\n".join(lines) + "\n").encode(),
        {"Content-Type": "application/x-ndjson"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer)["errors"] is False
    count = elasticsearch.request("GET", f"/{INDEX}/_count")["count"]
    assert count == len({d["event"]["id"] for d in documents})
    return elasticsearch


@pytest.mark.engine
def test_lucene_finds_exactly_the_hits_among_all_samples(filled: es.Server) -> None:
    """For what scan finds, the anomaly events of its hits."""
    queries = sigma.queries(pack(), "elasticsearch", "runbooks")
    assert len(queries) >= 20
    for anomaly in pack().anomalies:
        slug = anomaly.rule.slug
        if slug not in queries:
            continue
        if anomaly.sigma is None:
            wanted = {d["event"]["id"] for d in anomaly_events()[slug]}
        else:
            wanted = {str(event["event.id"]) for event in anomaly.hit}
        body = {"size": 1000, "query": {"query_string": {"query": queries[slug]}}}
        hits = filled.request("POST", f"/{INDEX}/_search", body)["hits"]["hits"]
        assert wanted, slug
        assert {hit["_id"] for hit in hits} == wanted, slug


@pytest.mark.engine
def test_queries_of_the_pages_are_understood(filled: es.Server) -> None:
    """Every Lucene block of every page, against the real mappings; words in capitals are filled in."""
    seen = 0
    for page in sorted(RUNBOOKS.rglob("*.md")):
        for query in re.findall(r"```lucene\n(.*?)```", page.read_text(), re.DOTALL):
            filled_in = re.sub(r":(AGENT|TASK|TOOL|SERVER|EVENT|RECORD|APPROVAL)\b", ":x", query)
            body = {"query": {"query_string": {"query": filled_in.strip()}}}
            answer = filled.request("POST", f"/{INDEX}/_validate/query?explain=true", body)
            assert answer["valid"], f"{page}: {query}: {answer}"
            seen += 1
    assert seen >= 30


def test_kibana_rules_have_what_the_import_asks_for() -> None:
    """One JSON object a line; ids, severities and the page as guide."""
    lines = sigma.kibana(pack(), "runbooks").splitlines()
    rules = [json.loads(line) for line in lines]
    assert len({rule["rule_id"] for rule in rules}) == len(rules) >= 20
    for rule in rules:
        assert rule["type"] == "query"
        assert rule["language"] == "lucene"
        assert 0 <= rule["risk_score"] <= 100
        assert rule["severity"] in ("critical", "high", "medium", "low")
        assert "## Mitigation" in rule["note"]


@pytest.mark.parametrize("target", sigma.TARGETS)
def test_every_target_has_a_query_of_every_detection(target: str) -> None:
    """Fields are those that the target can have."""
    wanted = {a.rule.slug for a in pack().anomalies if sigma.detects(a)}
    queries = sigma.queries(pack(), target, "runbooks")
    assert set(queries) == wanted
    if target in ("sentinel", "loki"):
        for query in queries.values():
            part = query.partition("where" if target == "sentinel" else "findings\" |")[2]  # fmt: skip
            assert part
            assert not re.search(r"\bagenttrail\.\w", part)
