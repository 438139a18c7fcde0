"""Fixtures: one simulated month, and the lines that its own pipeline made of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agenttrail.simulate.month import Month, simulate
from tests.cli._run import agenttrail


@pytest.fixture(scope="session")
def month() -> Month:
    """Twenty-four days, about four hundred tasks, every anomaly."""
    return simulate(days=24, tasks_per_day=20)


@pytest.fixture(scope="session")
def month_run(month: Month, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the month was read as a user would: its `masked.jsonl` and its settings."""
    folder = tmp_path_factory.mktemp("month")
    for name, content in month.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    assert agenttrail(folder, "check", "pipeline.yaml").code == 0
    done = agenttrail(folder, "run", "-c", "pipeline.yaml", "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["balanced"]
    assert report["unreadable"] == 0
    return folder
