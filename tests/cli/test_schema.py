"""`agenttrail schema`: what it prints is what is used."""

import json
from pathlib import Path

from agenttrail import config
from agenttrail import fields as f
from tests.cli._run import agenttrail


def test_both_schemas_are_printed(tmp_path: Path) -> None:
    """The event's and the pipeline's."""
    assert json.loads(agenttrail(tmp_path, "schema", "event").out) == f.json_schema()
    assert json.loads(agenttrail(tmp_path, "schema", "pipeline").out) == config.json_schema()
