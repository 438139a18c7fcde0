"""`agenttrail setup elasticsearch`: installs once, says what it would do, asks which server."""

import json
from pathlib import Path

import pytest

from tests.cli._run import agenttrail
from tests.engines.elasticsearch import Server


@pytest.mark.engine
def test_setup_is_idempotent_and_a_dry_run_changes_nothing(
    tmp_path: Path, elasticsearch_empty: Server
) -> None:
    """Would create, creates, finds unchanged."""
    url = elasticsearch_empty.url
    states = []
    for arguments in (["--dry-run"], [], []):
        done = agenttrail(tmp_path, "setup", "elasticsearch", "--url", url, "--json", *arguments)
        assert done.code == 0, done.err
        states.append({change["state"] for change in json.loads(done.out)})
    assert states == [{"created"}, {"created"}, {"unchanged"}]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "which Elasticsearch?"),
        (["--url", "http://127.0.0.1:9"], "127.0.0.1:9"),
        (["--url", "ftp://x"], "must be http://HOST:PORT"),
        (["-c", "p.yaml"], "has no elasticsearch sink"),
        (["-c", "p.yaml", "--url", "http://x"], "--url has no effect with --config"),
    ],
)
def test_wrong_use_is_one_clear_sentence(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    """Never a traceback."""
    (tmp_path / "p.yaml").write_text("sources: [stdin]\nsinks: [{type: jsonl, path: o}]\n")
    done = agenttrail(
        tmp_path, "setup", "elasticsearch", *arguments, env={"AGENTTRAIL_ELASTICSEARCH_URL": ""}
    )
    assert done.code in (1, 2)
    assert message in done.err
    assert "Traceback" not in done.err
