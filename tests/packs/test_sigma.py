"""Each detection finds exactly its hits among all samples, in a real Elasticsearch."""

from __future__ import annotations

import re

import pytest

from agenttrail.packs import sigma
from agenttrail.sinks._elasticsearch_template import mappings
from tests.engines import elasticsearch as es
from tests.packs._pack import RUNBOOKS, pack
from tests.packs._samples import documents, fill, lucene_hits, wanted

INDEX = "agenttrail-samples"


@pytest.fixture(scope="module")
def filled(elasticsearch: es.Server) -> es.Server:
    """All samples of all anomalies, and what scan made of them, with the mappings that are shipped."""
    fill(elasticsearch, INDEX, mappings(), documents())
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
        assert lucene_hits(filled, INDEX, queries[slug]) == wanted(anomaly), slug


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
