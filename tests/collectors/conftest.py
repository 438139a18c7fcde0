"""One Collector with a hop in its way for all tests that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.collectors._hop import Pipeline, pipeline
from tests.engines import otelcol
from tests.engines.fixtures import required


@pytest.fixture(scope="session")
def running() -> Iterator[Pipeline]:
    """The shipped configuration, with a second Collector as destination and the profile fast."""
    with required():
        otelcol.prepare()
    with pipeline("{type: presidio, profile: fast}") as made:
        yield made
