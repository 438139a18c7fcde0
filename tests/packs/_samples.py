"""All samples of all anomalies, and what scan made of them, in a search engine."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any

from agenttrail.packs.anomalies import Anomaly
from agenttrail.sinks._elasticsearch_template import mappings
from tests.engines import elasticsearch as es
from tests.packs._pack import RUNBOOKS, anomaly_events


def documents() -> list[dict[str, Any]]:
    """Each as a line of the record."""
    made: list[dict[str, Any]] = [
        json.loads(line)
        for path in sorted(RUNBOOKS.glob("anomalies/*/*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]
    return made + [d for each in anomaly_events().values() for d in each]


def wanted(anomaly: Anomaly) -> set[str]:
    """Ids of what its detection must find; for what scan finds, the anomaly events of its hits."""
    if anomaly.sigma is None:
        found = {str(d["event"]["id"]) for d in anomaly_events()[anomaly.rule.slug]}
    else:
        found = {str(event["event.id"]) for event in anomaly.hit}
    assert found, anomaly.rule.slug
    return found


def fill(
    server: es.Server, index: str, mapped: Mapping[str, Any], made: list[dict[str, Any]]
) -> None:
    """Makes an index that holds the documents, by their event ids."""
    whole = {"settings": {"number_of_replicas": 0}, "mappings": mapped}
    server.request("PUT", f"/{index}", whole)
    for at in range(0, len(made), 2000):  # a small Elasticsearch refuses a larger request
        part = made[at : at + 2000]
        lines = [json.dumps(x) for d in part for x in ({"index": {"_id": d["event"]["id"]}}, d)]
        request = urllib.request.Request(
            f"{server.url}/{index}/_bulk?refresh=true",
            ("\n".join(lines) + "\n").encode(),
            {"Content-Type": "application/x-ndjson"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer)["errors"] is False
    count = server.request("GET", f"/{index}/_count")["count"]
    assert count == len({d["event"]["id"] for d in made})


def lucene_hits(server: es.Server, index: str, query: str) -> set[str]:
    """Ids that a query in Lucene's syntax finds."""
    body = {"size": 1000, "query": {"query_string": {"query": query}}}
    hits = server.request("POST", f"/{index}/_search", body)["hits"]["hits"]
    return {hit["_id"] for hit in hits}


def opensearch_mappings() -> dict[str, Any]:
    """The shipped mappings in OpenSearch's types.

    Its `flat_object` is Elasticsearch's `flattened`, and its booleans cannot ignore what is none.
    """

    def turned(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if value.get("type") == "flattened":
            return {"type": "flat_object"}
        if value.get("type") == "boolean":
            return {"type": "boolean"}
        return {name: turned(each) for name, each in value.items()}

    made: dict[str, Any] = turned(mappings())
    return made
