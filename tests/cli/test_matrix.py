"""`agenttrail matrix`: one page of who decides."""

import json
from pathlib import Path

from tests.cli._run import agenttrail

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
FILES = (str(EXAMPLES / "agents.yaml"), str(EXAMPLES / "policy.yaml"))


def test_markdown_json_and_page(tmp_path: Path) -> None:
    people = agenttrail(tmp_path, "matrix", *FILES)
    machine = agenttrail(tmp_path, "matrix", *FILES, "--json", "--html", "matrix.html")

    assert "| expense | expense reviewers | pay_claim | amount over 100,000 JPY |" in people.out
    assert len(json.loads(machine.out)["rows"]) > 20
    assert "Who decides" in (tmp_path / "matrix.html").read_text()


def test_strict_ends_with_1_where_something_is_undecided(tmp_path: Path) -> None:
    """For a pipeline that must not go on with gaps."""
    assert agenttrail(tmp_path, "matrix", *FILES, "--strict").code == 1
    assert agenttrail(tmp_path, "matrix", *FILES).code == 0
