"""Each detector finds its hit and nothing in its near misses; nothing is found twice."""

from pathlib import Path

import pytest

from agenttrail.insight.scan import DETECTORS, Numbers, scan
from tests.packs._pack import found, pack


@pytest.mark.parametrize("slug", DETECTORS)
def test_a_detector_finds_its_hit_and_no_near_miss(slug: str) -> None:
    """For the agents that the rule names."""
    (anomaly,) = [a for a in pack().anomalies if a.rule.slug == slug]

    assert {each.agent for each in found(slug, "hit")} == set(anomaly.rule.fires_for)
    assert found(slug, "miss") == []


@pytest.mark.parametrize("slug", DETECTORS)
def test_evidence_is_counts_and_ids(slug: str) -> None:
    """No text of the events; and the same id on a second run."""
    path = next(a.folder for a in pack().anomalies if a.rule.slug == slug) / "hit.jsonl"
    again = scan([str(path)], Numbers(), only=[slug])

    assert [each.id for each in again] == [each.id for each in found(slug, "hit")]
    for each in again:
        for value in each.evidence.values():
            texts = value if isinstance(value, list) else [value]
            assert all(isinstance(t, (int, float)) or " " not in t for t in texts), each.evidence


def test_numbers_decide(tmp_path: Path) -> None:
    """A higher limit, and the hit is none."""
    path = next(a.folder for a in pack().anomalies if a.rule.slug == "destruction-bursting")
    lax = Numbers(destruction_calls=30)
    assert scan([str(path / "hit.jsonl")], lax, only=["destruction-bursting"]) == []


def test_the_planted_anomalies_of_the_month_are_found(month: object, month_run: Path) -> None:
    """All that scan has a detector for, and of those nothing else but rare tools and a change put back."""
    every = scan([str(month_run / "masked.jsonl")], Numbers())
    planted = [row for row in month.truth if row["kind"] == "anomaly" and row["name"] in DETECTORS]  # type: ignore[attr-defined]

    assert len(planted) >= 8
    for row in planted:
        assert [e for e in every if e.slug == row["name"] and e.task in row["tasks"]], row["name"]
    tasks = {task for row in planted for task in row["tasks"]}
    strange = [e.slug for e in every if e.task not in tasks and e.slug != "tool-first-seen"]
    # The server says the old words again the day after: that is a change too.
    assert strange == ["tool-definition-changed"]
