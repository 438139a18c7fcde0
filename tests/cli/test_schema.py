"""`agenttrail schema`: what it prints is what is used."""

import json
from pathlib import Path

from agenttrail import config
from agenttrail import fields as f
from agenttrail.governance import policy, registry
from tests.cli._run import agenttrail


def test_every_schema_is_printed(tmp_path: Path) -> None:
    """The event's and those of the files that people write."""
    expected = {
        "event": f.json_schema, "pipeline": config.json_schema,
        "agents": registry.json_schema, "policy": policy.json_schema,
    }  # fmt: skip
    for what, schema in expected.items():
        assert json.loads(agenttrail(tmp_path, "schema", what).out) == schema()
