"""The jobs of pipelines, run as they are written: real git, real agenttrail; only the service is a stub."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli._run import BINARY, agenttrail

FOLDER = Path(__file__).parents[2] / "collectors" / "ci"
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def steps(path: Path) -> list[str]:
    """The scripts of a job, in order."""
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    if "jobs" in document:
        (job,) = document["jobs"].values()
        return [step["run"] for step in job["steps"] if "run" in step]
    (job,) = (value for value in document.values() if "script" in value)
    return list(job["script"])


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments],
        cwd=folder, capture_output=True, check=True, text=True,
    )  # fmt: skip
    return done.stdout


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A repository of a registry with an origin, one of an agent, and stubs of what is not ours."""
    stubs = tmp_path / "bin"
    stubs.mkdir()
    (stubs / "pip").write_text("#!/bin/sh\n")
    (stubs / "gh").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/gh.log\n')
    for stub in stubs.iterdir():
        stub.chmod(0o755)
    (stubs / "agenttrail").symlink_to(BINARY)
    registry = tmp_path / "registry"
    registry.mkdir()
    git(registry, "init", "-q", "-b", "main")
    for name in ("agents.yaml", "policy.yaml"):
        shutil.copy(EXAMPLES / name, registry / name)
    git(registry, "add", ".")
    git(registry, "commit", "-q", "-m", "first")
    git(tmp_path, "clone", "-q", "--bare", "registry", "origin.git")
    shutil.rmtree(registry)
    agent = tmp_path / "agent"
    agent.mkdir()
    git(agent, "init", "-q", "-b", "main")
    servers = {"expenses": {"command": "expenses"}, "crm": {"command": "crm"}}
    (agent / ".mcp.json").write_text(json.dumps({"mcpServers": servers}))
    git(agent, "add", ".")
    git(agent, "commit", "-q", "-m", "agent")
    return tmp_path


def run(place: Path, folder: str, scripts: list[str], **env: str) -> str:
    """One script after another, as a runner does it; what they said."""
    said = ""
    for script in scripts:
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script], cwd=place / folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            env={**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}", **env},
        )  # fmt: skip
        said += done.stdout
        assert done.returncode == 0, said
    return said


def pushed(place: Path) -> str:
    """What the one new branch of the registry changes."""
    names = git(place / "origin.git", "branch", "--format", "%(refname:short)").split()
    (branch,) = [name for name in names if name != "main"]
    return git(place / "origin.git", "diff", f"main..{branch}")


def test_githubs_job_proposes_the_change_of_a_deployment(place: Path) -> None:
    """A branch, a pull request whose text has the diff; nothing where nothing differs."""
    git(place / "agent", "clone", "-q", str(place / "origin.git"), "registry")
    env = {"AGENT": "expense", "REGISTRY_REPOSITORY": "example/registry", "RELEASE": "v7", "GITHUB_ACTOR": "deployer"}  # fmt: skip
    run(place, "agent", steps(FOLDER / "github" / "agent-deployed.yml"), **env)
    diff = pushed(place)
    assert "+      - {server: crm}" in diff
    assert "Release v7: server crm is used" in diff
    assert "+      - {server: crm}" in (place / "agent" / "body.md").read_text()
    assert (place / "gh.log").read_text().startswith("pr create --repo example/registry")
    (place / "gh.log").unlink()
    run(place, "agent", steps(FOLDER / "github" / "agent-deployed.yml"), **env)
    assert not (place / "gh.log").exists()


def test_gitlabs_job_proposes_the_change_of_a_deployment(place: Path) -> None:
    """By a push option."""
    scripts = [
        re.sub(r'git clone "[^"]*"', f"git clone -q {place}/origin.git", script)
        for script in steps(FOLDER / "gitlab" / "agent-deployed.yml")
    ]
    git(place / "origin.git", "config", "receive.advertisePushOptions", "true")
    env = {"AGENT": "expense", "REGISTRY_REPOSITORY": "x/y", "CI_COMMIT_SHORT_SHA": "abc123", "REGISTRY_TOKEN": "t", "CI_SERVER_HOST": "gitlab.example.com"}  # fmt: skip
    run(place, "agent", scripts, **env)
    assert "Release abc123: server crm is used" in pushed(place)


@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_the_registrys_job_checks_a_change_and_shows_it(place: Path, service: str) -> None:
    """And fails where something is wrong."""
    git(place, "clone", "-q", "origin.git", "change")
    git(place / "change", "switch", "-q", "-c", "change")
    path = place / "change" / "agents.yaml"
    text = path.read_text().replace("    pii: personal\n    budget: accounting", "    pii: sensitive\n    budget: accounting")  # fmt: skip
    path.write_text(text)
    env = {"BASE": "main", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "GITHUB_STEP_SUMMARY": str(place / "summary.md")}  # fmt: skip
    said = run(place, "change", steps(FOLDER / service / "registry-check.yml"), **env)
    shown = (place / "summary.md").read_text() if service == "github" else said
    assert "! agent expense: pii: personal is sensitive now" in shown
    path.write_text(text.replace("server: expenses", "server: expanses"))
    with pytest.raises(AssertionError, match="no server is called 'expanses'"):
        run(place, "change", steps(FOLDER / service / "registry-check.yml"), **env)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*/*.yml")), ids=lambda p: f"{p.parent.name}/{p.name}")  # fmt: skip
def test_every_job_is_valid_shell_in_valid_yaml(path: Path) -> None:
    """And every command of ours in it exists."""
    scripts = steps(path)
    assert scripts
    for script in scripts:
        subprocess.run(["bash", "-n", "-c", script], check=True)
    assert "agenttrail registry" in "\n".join(scripts)


def test_the_sample_is_what_the_command_prints(tmp_path: Path) -> None:
    """Of the example's registry."""
    shutil.copy(EXAMPLES / "agents.yaml", tmp_path / "agents.yaml")
    done = agenttrail(
        tmp_path, "registry", "update", "agents.yaml", "--agent", "expense",
        "--from", str(FOLDER / "sample.mcp.json"), "--version", "2.1", "--by", "deploy",
        "--reason", "Release 7", "--now", "2026-11-25",
    )  # fmt: skip
    assert done.out == (FOLDER / "sample.diff").read_text()
