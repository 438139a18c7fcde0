"""What docs/governance.md shows is valid and true."""

import json
import re
import shlex
from pathlib import Path

import pytest

from agenttrail import config
from agenttrail import fields as f
from agenttrail.formats.approvals import ApprovalsOptions
from agenttrail.governance import policy, registry
from agenttrail.testing import records
from tests.cli._run import agenttrail

GUIDE = (Path(__file__).parents[1] / "docs" / "governance.md").read_text()
BLOCKS = {text.split("\n")[0][2:]: text for text in re.findall(r"```yaml\n(# .*?)```", GUIDE, re.DOTALL)}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("agents.yaml", "policy.yaml"):
        (tmp_path / name).write_text(BLOCKS[name])
    return tmp_path


def test_the_files_it_shows_are_read(folder: Path) -> None:
    """Registry, policy and pipeline."""
    known = registry.load(str(folder / "agents.yaml"))
    assert set(known.agents) == {"expense"}
    assert len(policy.load(str(folder / "policy.yaml")).rules) == 3
    made = config.loads(BLOCKS["pipeline.yaml"], "governance.md")
    assert [enricher.type for enricher in made.enrichers] == ["registry", "policy", "approvals"]


def test_the_commands_it_shows_run(folder: Path) -> None:
    """But for those that need a state or another version."""
    (folder / "main").mkdir()
    (folder / "main" / "agents.yaml").write_text(BLOCKS["agents.yaml"])
    (folder / ".mcp.json").write_text('{"mcpServers": {"expenses": {}}}')
    (folder / "policy.yaml").write_text(BLOCKS["policy.yaml"].replace("tools: [publish]", "tools: [get_claim]"))  # fmt: skip
    commands = [
        line for block in re.findall(r"```\n(agenttrail .*?)```", GUIDE, re.DOTALL)
        for line in block.splitlines()
    ]  # fmt: skip
    assert len(commands) == 6
    for command in commands:
        done = agenttrail(folder, *shlex.split(command, comments=True)[1:])
        assert done.code == 0, done.err


def test_the_approvals_it_shows_are_read() -> None:
    """Both lines, nothing left over but the channel, which the enricher knows."""
    (block,) = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)
    form = ApprovalsOptions().build()
    for record in records(*block.encode().splitlines()):
        (event,) = form(record)
        assert json.loads(record.data)["id"] == event.fields[f.APPROVAL_ID]
        assert set(event.fields.get(f.SOURCE_RAW, {})) <= {"channel"}
        assert f.SOURCE_ERROR not in event.fields


def test_every_finding_is_explained() -> None:
    """One row or one sentence each."""
    for name in (f.REGISTRY_FINDINGS, f.APPROVAL_FINDINGS):
        shape = f.FIELDS[name].shape
        assert shape is not None
        for finding in shape.pattern.pattern.split("|"):
            assert f"`{finding}`" in GUIDE, finding
