"""`agenttrail list`: what there is, from the same unions that the decoder reads."""

import json
from pathlib import Path

from agenttrail import config
from tests.cli._run import agenttrail


def test_every_component_is_listed_with_a_sentence(tmp_path: Path) -> None:
    """For people and for machines alike."""
    machine = json.loads(agenttrail(tmp_path, "list", "--json").out)
    people = agenttrail(tmp_path, "list").out
    assert {stage: set(names) for stage, names in machine.items()} == {
        stage: set(config.members(union)) for stage, union in config.STAGES.items()
    }
    for names in machine.values():
        for name, sentence in names.items():
            assert f"  {name} " in people
            assert sentence in people
