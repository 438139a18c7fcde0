"""pytest fixtures of the engines. Where one is missing: a failure if CI is set, else a skip."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.engines import elasticsearch as es
from tests.engines import opensearch as os_engine
from tests.engines import otelcol
from tests.engines._process import MissingError


@contextlib.contextmanager
def required() -> Iterator[None]:
    """Turns a missing engine into a skip with the install command, or into a failure where CI is set."""
    try:
        yield
    except MissingError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def elasticsearch() -> Iterator[es.Server]:
    """A server without security: the one named by the environment, or one of our own."""
    running = es.running()
    if running is not None:
        yield running
        return
    with required():
        es.prepare()
    with es.start() as server:
        yield server


_LOGS = "logs-agenttrail.audit-*"
ROLES = {
    "writer": {
        "cluster": ["monitor"],
        "indices": [{"names": [_LOGS], "privileges": ["auto_configure", "create_doc"]}],
    },
    "writer_without_monitor": {
        "cluster": [],
        "indices": [{"names": [_LOGS], "privileges": ["auto_configure", "create_doc"]}],
    },
    "reader": {"cluster": ["monitor"], "indices": [{"names": [_LOGS], "privileges": ["read"]}]},
}


@pytest.fixture(scope="session")
def elasticsearch_secured() -> Iterator[es.Server]:
    """A server of our own with passwords and TLS; tests may stop and restart it.

    It has a user of each role in ROLES, all with the same password, and takes requests of 1 MB at
    most, as a proxy in front of a server may.
    """
    with required():
        es.prepare()
    with es.start(
        password="test-password-of-elastic",
        tls=True,
        roles=ROLES,
        settings={"http.max_content_length": "1mb"},
    ) as server:
        yield server


@pytest.fixture
def elasticsearch_empty() -> Iterator[es.Server]:
    """A server of our own that holds nothing yet, for one test."""
    with required():
        es.prepare()
    with es.start() as server:
        yield server


@pytest.fixture(scope="session")
def elasticsearch_esql() -> Iterator[es.Server]:
    """A server of our own that has ES|QL (`POST /_query`)."""
    with required():
        es.prepare_esql()
    with es.start(esql=True) as server:
        yield server


@pytest.fixture(scope="session")
def opensearch() -> Iterator[es.Server]:
    """An OpenSearch: the one named by the environment, or one of our own."""
    running = os_engine.running()
    if running is not None:
        yield running
        return
    with required():
        os_engine.prepare()
    with os_engine.start() as server:
        yield server


@pytest.fixture(scope="session")
def start_otel_collector() -> Iterator[Callable[..., otelcol.Collector]]:
    """Starts collectors with settings of the test's own; they end with the session."""
    with required():
        otelcol.prepare()
    with contextlib.ExitStack() as stack:

        def start(
            settings: otelcol.Settings = otelcol.otlp_to_file,
            ports: Sequence[str] = ("grpc", "http"),
        ) -> otelcol.Collector:
            return stack.enter_context(otelcol.start(settings, ports))

        yield start


@pytest.fixture(scope="session")
def otel_collector(start_otel_collector: Callable[..., otelcol.Collector]) -> otelcol.Collector:
    """A collector that writes the OTLP logs it gets to a file (`Collector.log_records`)."""
    return start_otel_collector()
