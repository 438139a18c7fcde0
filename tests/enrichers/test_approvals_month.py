"""A simulated month's approvals: what is found does not depend on the order in which its lines come."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agenttrail import fields as f
from agenttrail.cli import main
from agenttrail.enrichers.approvals import ApprovalsOptions
from agenttrail.enrichers.policy import PolicyOptions
from agenttrail.enrichers.registry import RegistryOptions
from agenttrail.formats.auto import AutoOptions
from agenttrail.seams import Drop, Event, Record, StreamEnd
from agenttrail.sources.file import FileOptions


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("month")
    assert main(["simulate", str(folder), "--days", "30", "--tasks-per-day", "30"]) == 0
    return folder


def events(month: Path, *folders: str) -> list[Event]:
    """The events of the logs in these folders, one file after another."""
    form = AutoOptions().build(choose=lambda *_: None)
    found: list[Event] = []
    for item in FileOptions(paths=tuple(str(month / name) for name in folders)).build().read():
        made: Any = ()
        try:
            if isinstance(item, Record):
                made = list(form(item))
            elif isinstance(item, StreamEnd):
                made = list(form.end(item.stream))
        except Drop:
            continue
        found += [event for event in made if isinstance(event, Event)]
    return found


def marks(month: Path, given: Sequence[Event]) -> Counter[tuple[str, str]]:
    """Marks by call, those of executions that a later line settled left out."""
    agents, policy = str(month / "agents.yaml"), str(month / "policy.yaml")
    enrichers = [
        RegistryOptions(path=agents).build(),
        PolicyOptions(policy=policy, registry=agents).build(),
        ApprovalsOptions(policy=policy, registry=agents).build(),
    ]
    made = []
    for event in given:
        for enrich in enrichers:
            event = enrich(event)
        made.append(event.fields)
    settled = {event_id for fields in made for event_id in fields.get(f.APPROVAL_SETTLES, ())}
    return Counter(
        (mark, str(fields.get(f.TOOL_CALL_ID)))
        for fields in made
        if fields[f.EVENT_ID] not in settled
        for mark in fields.get(f.APPROVAL_FINDINGS, ())
    )


def test_the_same_is_found_in_whatever_order_lines_come(month: Path) -> None:
    """Approvals first, last, by time, and by no order at all; and it is what was planted."""
    logs, asked = events(month, "claude", "codex", "otel", "mcp"), events(month, "approvals")
    expected = marks(month, [*asked, *logs])
    mixed = [*logs, *asked]
    orders = [mixed, sorted(mixed, key=lambda event: str(event.fields[f.TIMESTAMP]))]
    for seed in range(2):
        shuffled = list(mixed)
        random.Random(seed).shuffle(shuffled)
        orders.append(shuffled)
    for order in orders:
        assert marks(month, order) == expected
    truth = [json.loads(line) for line in (month / "truth.jsonl").read_text().splitlines()]
    planted = {row["name"] for row in truth if row["kind"] == "anomaly"}
    found = {mark for mark, _ in expected}
    for name, mark in {
        "approval-missing": "executed_without_approval", "approval-reused": "arguments_changed",
        "approval-expired": "executed_after_expiry", "approval-denied-executed": "executed_after_deny",
        "approval-by-owner": "approved_by_owner", "reviewers-overloaded": "target_missed",
    }.items():  # fmt: skip
        assert name in planted
        assert mark in found
