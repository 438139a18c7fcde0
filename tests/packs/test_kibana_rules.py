"""Kibana's detection rules, field by field against the published schema of 8.19.

Source: elastic/detection-rules, the JSON schemas of rules of types `query` and `esql` for 8.19 (keys, types,
limits and enumerations are below; what we do not write is left out), with what Kibana's import asks for
beyond them: `rule_id`, `name`, `risk_score`.
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from agenttrail import fields as f
from agenttrail.packs import kibana_rules, sigma
from tests.packs._pack import RUNBOOKS, pack
from tests.packs._shape import ShapeError, check

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DURATION = re.compile(r"\d+[mshd]")
_DATE_MATH = re.compile(r"now(-\d+[smhd])?")
RULE: dict[str, Any] = {
    "rule_id": _UUID,
    "name": re.compile(r"\S.*"),
    "description": re.compile(r"\S.*", re.DOTALL),
    "author": [str],
    "license?": str,
    "query": re.compile(r"\S.*", re.DOTALL),
    "severity": {"low", "medium", "high", "critical"},
    "risk_score": lambda value: type(value) is int and 1 <= value <= 100,
    "interval?": _DURATION,
    "from?": _DATE_MATH,
    "to?": _DATE_MATH,
    "max_signals?": lambda value: type(value) is int and value >= 1,
    "enabled?": bool,
    "tags?": [str],
    "false_positives?": [str],
    "references?": [str],
    "investigation_fields?": {"field_names": [re.compile(r".+")]},
    "note?": str,
    "setup?": str,
    "timestamp_override?": str,
    "version?": lambda value: type(value) is int and value >= 1,
}
LUCENE = RULE | {"type": {"query"}, "language": {"kuery", "lucene"}, "index": [str]}
ESQL = RULE | {"type": {"esql"}, "language": {"esql"}}


def _rules(name: str = "rules") -> list[dict[str, Any]]:
    text = (RUNBOOKS / "rules" / "kibana" / f"{name}.ndjson").read_text()
    assert text.endswith("}\n")
    return [json.loads(line) for line in text.splitlines()]


def test_every_rule_is_of_the_published_schema() -> None:
    lucene, esql = _rules(), _rules("rules-esql")
    assert len(lucene) == len(esql) >= 20
    for rule in lucene:
        check(rule, LUCENE, rule["name"])
    for rule in esql:
        check(rule, ESQL, rule["name"])
    assert len({rule["rule_id"] for rule in lucene + esql}) == len(lucene + esql)


def test_both_files_hold_the_queries_that_are_tried_on_elasticsearch() -> None:
    """In each language, the one of the target's own file."""
    for name, folder, ending in (
        ("rules", "elasticsearch", "lucene"),
        ("rules-esql", "esql", "esql"),
    ):
        tried = {
            p.read_text().rstrip("\n") for p in (RUNBOOKS / "rules" / folder).glob(f"*.{ending}")
        }
        assert {rule["query"] for rule in _rules(name)} == tried


@pytest.mark.parametrize(
    "change, problem",
    [
        ({"colour": "red"}, "'colour' is unknown"),
        ({"author": None}, "'author' is missing"),
        ({"risk_score": 0}, "0 is not right"),
        ({"enabled": 0}, "0 is no bool"),
        ({"severity": "urgent"}, "is none of"),
        ({"investigation_fields": {"field_names": [""]}}, "does not fit"),
        ({"interval": "5 minutes"}, "does not fit"),
    ],
)
def test_the_schema_refuses_what_kibana_would(change: dict[str, Any], problem: str) -> None:
    """None stands for a key that is taken away."""
    rule = copy.deepcopy(_rules()[0])
    rule |= change
    rule = {name: value for name, value in rule.items() if value is not None}
    with pytest.raises(ShapeError, match=re.escape(problem)):
        check(rule, LUCENE)


def test_a_rule_shows_its_page_its_fields_and_its_dashboards() -> None:
    """What is late by an hour is still seen: each run looks back farther than the interval."""
    for rule in _rules():
        assert "## Mitigation" in rule["note"]
        assert rule["index"] == [sigma.INDEX]
        assert set(rule["investigation_fields"]["field_names"]) <= set(f.FIELDS)
        (reference,) = rule["references"]
        assert (RUNBOOKS.parent / reference).is_file()
        (anomaly,) = (a for a in pack().anomalies if a.rule.id == rule["rule_id"])
        for slug in anomaly.rule.dashboards:
            address = f"/app/dashboards#/view/{kibana_rules.dashboard_id(slug)}"
            assert f"[{slug}]({address})" in rule["note"].splitlines()[0]
