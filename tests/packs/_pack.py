"""The pack of this repository, and anomaly events of its samples as `agenttrail scan` writes them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from agenttrail import fields as f
from agenttrail.cli.scan import event
from agenttrail.insight.scan import Found, Numbers, scan
from agenttrail.masks.presidio import PresidioOptions
from agenttrail.packs.anomalies import Pack, load

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "runbooks"


@functools.cache
def pack() -> Pack:
    return load(RUNBOOKS)


@functools.cache
def found(slug: str, case: str) -> list[Found]:
    """What scan finds of this anomaly in a file of samples."""
    path = RUNBOOKS / "anomalies" / slug / f"{case}.jsonl"
    return scan([str(path)], Numbers(), only=[slug])


@functools.cache
def anomaly_events() -> dict[str, list[dict[str, Any]]]:
    """By slug, the documents of the anomaly events of its hits; masked by the real mask."""
    mask = PresidioOptions(profile="fast").build()
    made = {}
    for anomaly in pack().anomalies:
        if anomaly.rule.scan:
            events = [event(each) for each in found(anomaly.rule.slug, "hit")]
            made[anomaly.rule.slug] = [f.to_document(e.fields) for e in mask(events)]
    return made
