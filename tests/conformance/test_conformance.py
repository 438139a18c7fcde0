"""One masking core: whatever way a line comes in, the same bytes leave."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance import corpus, routes

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Every line in its own shape, masked in process."""
    return routes.masker(corpus.all_lines(), tmp_path_factory.mktemp("reference"))


def test_the_reference_is_what_a_person_has_read(reference: list[bytes]) -> None:
    """All routes could be wrong together. AGENTTRAIL_REWRITE_GOLDEN writes it anew: read it then."""
    found = b"".join(line + b"\n" for line in reference[: len(corpus.LINES)])
    if os.environ.get("AGENTTRAIL_REWRITE_GOLDEN"):
        corpus.MASKED.write_bytes(found)
    assert found == corpus.MASKED.read_bytes()


def test_every_planted_value_is_in_the_lines_and_none_in_the_reference(
    reference: list[bytes],
) -> None:
    before, after = b"\n".join(corpus.LINES).decode(), b"\n".join(reference).decode()
    assert [value for value in corpus.PLANTED if value not in before] == []
    assert [value for value in corpus.PLANTED if value in after] == []


@pytest.mark.parametrize("route", [r for r in routes.MASKED.values() if r is not routes.masker])
def test_the_same_lines_leave_by_every_way(
    route: routes.Masked, reference: list[bytes], tmp_path: Path
) -> None:
    found = route(corpus.all_lines(), tmp_path)
    assert _sorted(found, corpus.canonical_line) == _sorted(reference, corpus.canonical_line)


# Every format by one protocol, and the protocols with formats that hold lines back and that do not.
CASES = [
    (form, log, route)
    for form, log in corpus.LOGS
    for route in routes.NORMALISED.values()
    if route is routes.normalised_jsonl or form in ("mcp_jsonrpc", "codex")
]


@pytest.mark.parametrize("form, log, route", CASES, ids=[f"{f}-{r.__name__}" for f, _, r in CASES])
def test_the_same_events_leave_by_every_way(
    form: str, log: Path, route: routes.Normalised, tmp_path: Path
) -> None:
    lines = [line for line in log.read_bytes().splitlines() if line.strip()]
    expected = _reference(form, tuple(lines), tmp_path)
    assert len(expected) > 1
    assert _sorted(route(form, lines, tmp_path), corpus.canonical_event) == expected


@pytest.mark.parametrize("form", ["mcp_wire"])
def test_the_same_events_leave_rsyslog(form: str, tmp_path: Path) -> None:
    lines = [line for line in dict(corpus.LOGS)[form].read_bytes().splitlines() if line.strip()]
    found = routes.normalised_real_rsyslog(form, lines, tmp_path)
    assert _sorted(found, corpus.canonical_event) == _reference(form, tuple(lines), tmp_path)


_references: dict[str, list[bytes]] = {}


def _reference(form: str, lines: tuple[bytes, ...], folder: Path) -> list[bytes]:
    """The events of `agenttrail run`, once a format."""
    if form not in _references:
        found = routes.run_file(form, lines, folder)
        _references[form] = _sorted(found, corpus.canonical_event)
    return _references[form]


def _sorted(lines: list[bytes], canonical: Callable[[bytes], bytes]) -> list[bytes]:
    return sorted(map(canonical, lines))
