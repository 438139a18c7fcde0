"""What pySigma makes of the detections, asked of the engine or the parser of each language.

- ES|QL: a real Elasticsearch 8.19 with its ES|QL module; exactly the hits among all samples.
- OpenSearch: a real OpenSearch 3.8; exactly the hits among all samples.
- Microsoft Sentinel: Microsoft's own parser of KQL, against the columns of the record.
- Loki: Grafana's own grammar of LogQL. Loki itself is not run: no registry that tests reach has a
  build of it.
- Splunk: no parser. Splunk publishes none, and what others publish (three packages by single authors,
  one of 2014) guesses at the language; what they accept would prove nothing. Shape and names are
  checked, no more.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from agenttrail import fields as f
from agenttrail.packs import sigma
from agenttrail.sinks._elasticsearch_template import mappings
from tests.engines import elasticsearch as es
from tests.engines import query_parsers
from tests.engines.fixtures import required
from tests.packs._pack import RUNBOOKS, pack
from tests.packs._samples import documents, fill, lucene_hits, opensearch_mappings, wanted

_INDEX = f"logs-{f.DATASET}-samples"
_KUSTO = {
    "keyword": "string", "text": "string", "keywords": "dynamic", "date": "datetime", "long": "long",
    "double": "real", "boolean": "bool", "object": "dynamic", "objects": "dynamic", "counts": "dynamic",
}  # fmt: skip
_COUNTED = f"{f.PII_BY_TYPE}.SECRET"


def _shipped(target: str) -> dict[str, str]:
    """The queries as they are checked in."""
    made = {path.stem: path.read_text() for path in (RUNBOOKS / "rules" / target).iterdir()}
    assert set(made) == {a.rule.slug for a in pack().anomalies if sigma.detects(a)}
    return made


@pytest.fixture(scope="module")
def esql() -> Iterator[es.Server]:
    """A server whose only events are the samples: the queries name the whole data stream."""
    with required():
        es.prepare_esql()
    with es.start(esql=True) as server:
        fill(server, _INDEX, mappings(), documents())
        yield server


def _esql_hits(server: es.Server, query: str) -> set[str]:
    answer = server.request("POST", "/_query", {"query": query})
    place = [column["name"] for column in answer["columns"]].index("_id")
    return {row[place] for row in answer["values"]}


@pytest.mark.engine
def test_esql_finds_exactly_the_hits_among_all_samples(esql: es.Server) -> None:
    queries = _shipped("esql")
    for anomaly in pack().anomalies:
        slug = anomaly.rule.slug
        if slug in queries:
            assert _esql_hits(esql, queries[slug]) == wanted(anomaly), slug


@pytest.mark.engine
def test_esql_correlations_find_the_bursts_among_all_samples(esql: es.Server) -> None:
    """Each window with enough events of its hits, with their number; of its misses none.

    The misses are as many events as fire the rule, further apart: without its window it would find them.
    """
    correlated = [a for a in pack().anomalies if a.correlation is not None]
    assert correlated
    for anomaly in correlated:
        assert anomaly.correlation is not None
        slug, rule = anomaly.rule.slug, anomaly.correlation
        (by,) = rule["group-by"]
        query = (RUNBOOKS / "rules" / "correlations" / "esql" / f"{slug}.esql").read_text()

        def found(name: str, text: str, slug: str = slug, by: str = by) -> dict[Any, int]:
            asked = text.replace(sigma.INDEX, f"{slug}-{name}")
            answer = esql.request("POST", "/_query", {"query": asked})
            at = {column["name"]: n for n, column in enumerate(answer["columns"])}
            return {
                (row[at["timebucket"]] if "timebucket" in at else None, row[at[by]]): row[at["event_count"]]
                for row in answer["values"]
            }  # fmt: skip

        for name in ("hit", "miss"):
            lines = (RUNBOOKS / "anomalies" / slug / f"{name}.jsonl").read_bytes().splitlines()
            fill(esql, f"{slug}-{name}", mappings(), [json.loads(line) for line in lines])
        minutes = int(rule["timespan"].removesuffix("m"))
        counted: Counter[tuple[str, str]] = Counter()
        for event in anomaly.hit:
            moment = datetime.fromisoformat(str(event[f.TIMESTAMP]))
            bucket = moment.replace(
                minute=moment.minute // minutes * minutes, second=0, microsecond=0
            )
            counted[f"{bucket:%Y-%m-%dT%H:%M:%S.000Z}", str(event[by])] += 1
        wanted_rows = {key: n for key, n in counted.items() if n >= rule["gte"]}
        assert wanted_rows
        assert found("hit", query) == wanted_rows
        assert found("miss", query) == {}
        assert " by timebucket, " in query
        assert found("miss", query.replace(" by timebucket, ", " by "))


@pytest.mark.engine
def test_esql_finds_an_event_with_several_findings(esql: es.Server) -> None:
    """The plain comparison does not: that is why such fields are asked about in Lucene."""
    event = {
        "@timestamp": "2026-11-02T10:00:00Z",
        "event": {"id": "two-findings"},
        "agenttrail": {"registry": {"findings": ["unregistered_agent", "undeclared_tool"]}},
    }
    fill(esql, "several", mappings(), [event])
    query = _shipped("esql")["agent-unregistered"].replace(sigma.INDEX, "several")
    assert _esql_hits(esql, query) == {"two-findings"}
    plain = f'from several metadata _id | where {f.REGISTRY_FINDINGS} == "unregistered_agent"'
    assert _esql_hits(esql, plain) == set()


@pytest.mark.engine
def test_esql_takes_a_query_whose_kind_was_never_found(esql: es.Server) -> None:
    """A stream without one secret so far has no such field, and the rule is enabled on its first day."""
    event = {"@timestamp": "2026-11-02T10:00:00Z", "event": {"id": "none"}}
    fill(esql, "young", mappings(), [event])
    query = _shipped("esql")["secret-exposed"].replace(sigma.INDEX, "young")
    assert _esql_hits(esql, query) == set()


@pytest.mark.engine
def test_esql_of_the_pages_is_understood(esql: es.Server) -> None:
    """Every ES|QL block of every page; words in capitals stand in strings and need no value.

    `==` is not true of a field that holds several values; `:` looks at each.
    """
    lists = [name for name, field in f.FIELDS.items() if field.type == "keywords"]
    seen = 0
    for page in sorted(RUNBOOKS.rglob("*.md")):
        for query in re.findall(r"```esql\n(.*?)```", page.read_text(), re.DOTALL):
            compared = [
                name for name in lists if re.search(rf"{re.escape(name)} *(==|!=|IN\b)", query)
            ]
            assert not compared, f"{page}: ask {compared} with ':'"
            answer = esql.request("POST", "/_query", {"query": query.strip()})
            assert answer["columns"], f"{page}: {query}"
            seen += 1
    assert seen >= 10


@pytest.mark.engine
def test_opensearch_finds_exactly_the_hits_among_all_samples(opensearch: es.Server) -> None:
    fill(opensearch, _INDEX, opensearch_mappings(), documents())
    queries = _shipped("opensearch")
    for anomaly in pack().anomalies:
        slug = anomaly.rule.slug
        if slug in queries:
            assert lucene_hits(opensearch, _INDEX, queries[slug]) == wanted(anomaly), slug


@pytest.mark.engine
def test_sentinel_queries_are_sound_against_the_columns_of_the_record() -> None:
    """Microsoft's parser: syntax, names and types; each asks about columns that the record has."""
    columns = {sigma.underscored(each.name): _KUSTO[each.type] for each in f.FIELDS.values()}
    columns[sigma.underscored(_COUNTED)] = "long"
    queries = _shipped("sentinel")
    with required():
        parsed = query_parsers.kql(queries, {"AgentTrail_CL": columns})
    for slug, each in parsed.items():
        assert not each.errors, f"{slug}: {each.errors}"
        assert each.names, slug
        asked = {sigma.underscored(name) for name in _asked(slug)}
        assert set(each.names) == asked, slug


@pytest.mark.engine
def test_loki_queries_are_of_the_grammar_and_ask_for_labels_of_the_record() -> None:
    queries = _shipped("loki")
    with required():
        parsed = query_parsers.logql(queries)
    for slug, each in parsed.items():
        assert not each.errors, f"{slug}: {each.errors}"
        asked = {sigma.underscored(name) for name in _asked(slug)}
        assert set(each.names) == {"job", *asked}, slug


@pytest.mark.engine
@pytest.mark.parametrize(
    "text, error",
    [
        ("AgentTrail_CL | where (", "KS006"),
        ("AgentTrail_CL | where no_such_column == 1", "KS142"),
        ("AgentTrail_CL | where number contains 'x'", "KS106"),
        ("Other_CL | take 1", "KS204"),
    ],
)
def test_the_parser_of_kql_tells_what_is_wrong(text: str, error: str) -> None:
    """Syntax, an unknown column, a type that does not fit, an unknown table."""
    with required():
        parsed = query_parsers.kql({"it": text}, {"AgentTrail_CL": {"number": "long"}})
    assert any(each.startswith(error) for each in parsed["it"].errors)


@pytest.mark.engine
@pytest.mark.parametrize("text", ['{job="a"} | json | b=~', '{job="a"', '{job="a"} | where b'])
def test_the_grammar_of_logql_refuses_what_is_none(text: str) -> None:
    with required():
        assert query_parsers.logql({"it": text})["it"].errors


def test_splunk_queries_ask_for_fields_as_splunk_names_them() -> None:
    """Lists of JSON have {} behind their name there; without it nothing is found."""
    for slug, query in _shipped("splunk").items():
        names = set(re.findall(r'([\w.]+(?:\{\})?)"?(?:>=|=| IN )', query))
        lists = {n for n, field in f.FIELDS.items() if field.type == "keywords"}
        assert names == {f"{n}{{}}" if n in lists else n for n in _asked(slug)}, slug
        assert query.count('"') % 2 == 0
        assert query.count("(") == query.count(")")


def _asked(slug: str) -> set[str]:
    """Fields that the detection of an anomaly names, without Sigma's modifiers."""
    (anomaly,) = (a for a in pack().anomalies if a.rule.slug == slug)
    detection = sigma.detects(anomaly)
    assert detection is not None
    return {
        name.partition("|")[0]
        for part in detection.values()
        if isinstance(part, dict)
        for name in part
    }
