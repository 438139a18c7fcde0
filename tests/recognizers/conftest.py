from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agenttrail import recognizers

DATA = Path(__file__).parents[3] / "shared/data/pii"


def rows(name: str) -> list[dict]:
    """The rows of one set of the shared data."""
    if not (DATA / name).exists():
        pytest.skip("no labelled data: ../shared/data/pii is absent")
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="session")
def find() -> Callable[..., list[tuple[str, str]]]:
    """(kind, found text) of every finding at or above 0.4, in order of place."""
    loaded = {group: recognizers.all_recognizers(group) for group in recognizers.GROUPS}

    def found(text: str, *groups: str) -> list[tuple[str, str]]:
        results = sorted(
            {
                (x.start, x.end, x.entity_type)
                for group in groups or recognizers.GROUPS
                for recogniser in loaded[group]
                for x in recogniser.analyze(text, recogniser.supported_entities)
                if x.score >= 0.4
            }
        )
        return [(kind, text[start:end]) for start, end, kind in results]

    return found
