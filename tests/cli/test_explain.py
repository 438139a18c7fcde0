"""`agenttrail explain`: promises, options and fields, as they are in the code."""

import json
from pathlib import Path

import pytest

from agenttrail import config
from agenttrail import fields as f
from tests.cli._run import agenttrail

NAMES = sorted({name for union in config.STAGES.values() for name in config.members(union)})


@pytest.mark.parametrize("name", [*NAMES, "pipeline"])
def test_every_component_is_explained_with_all_its_options(tmp_path: Path, name: str) -> None:
    """What it does and each option with type, default and meaning."""
    told = agenttrail(tmp_path, "explain", name).out
    for union in config.STAGES.values():
        cls = config.members(union).get(name)
        for option in config.options_of(cls) if cls else ():
            assert f"  {option.name}: " in told
            assert option.meaning in told
    assert json.loads(agenttrail(tmp_path, "explain", name, "--json").out)


def test_the_example_of_a_pipeline_is_a_valid_one(tmp_path: Path) -> None:
    """What is shown can be copied."""
    told = agenttrail(tmp_path, "explain", "pipeline").out
    example = told.split("Example:\n\n")[1]
    assert config.loads(example, environment={"ES_PASSWORD": "x"}).sinks[0].type == "elasticsearch"


def test_fields_are_those_of_the_registry(tmp_path: Path) -> None:
    """All of them, or those below a prefix."""
    every = json.loads(agenttrail(tmp_path, "explain", "fields", "--json").out)
    assert set(every) == set(f.FIELDS)
    some = agenttrail(tmp_path, "explain", "fields", "gen_ai.usage").out
    assert "gen_ai.usage.input_tokens: long [{token}]" in some
    assert "event.id" not in some


@pytest.mark.parametrize(
    "arguments, message",
    [(["elasticsarch"], "did you mean 'elasticsearch'?"), (["fields", "zzz"], "no field begins")],
)
def test_an_unknown_name_is_told_the_nearest(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    """Exit code 2."""
    done = agenttrail(tmp_path, "explain", *arguments)
    assert done.code == 2
    assert message in done.err
