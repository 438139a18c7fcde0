"""What is written is true: the reference is fresh, README and guides name what there is."""

import re
import runpy
from pathlib import Path

import pytest

from agenttrail import config

ROOT = Path(__file__).parent.parent
BUILD = runpy.run_path(str(ROOT / "docs" / "build.py"))
README = (ROOT / "README.md").read_text()


def test_the_reference_is_what_the_code_says() -> None:
    """Run `make docs` after changing a command, an option or a field."""
    assert (ROOT / "docs" / "reference.md").read_text() == BUILD["build"]()


@pytest.mark.parametrize("verb", sorted(BUILD["verbs"]()))
def test_every_verb_is_in_the_readme_and_has_help(verb: str) -> None:
    """A command nobody is told of is not there."""
    assert f"`agenttrail {verb}" in README
    parser = BUILD["verbs"]()[verb]
    assert parser.description
    for action in parser._actions:
        assert action.help or action.choices, f"{verb} {action.dest} has no help"


def test_every_component_is_in_the_readmes_table() -> None:
    """One row a stage, the components in alphabetical order."""
    for stage, union in config.STAGES.items():
        names = ", ".join(f"`{name}`" for name in sorted(config.members(union)))
        assert f"| {stage} | {names} |" in README


def test_the_readme_is_short() -> None:
    """Under 200 lines."""
    assert len(README.splitlines()) < 200


@pytest.mark.parametrize("page", ["README.md", "docs/slo.md"])
def test_pipelines_in_the_pages_are_valid(page: str) -> None:
    """Each YAML block with sources is decoded."""
    text = (ROOT / page).read_text()
    blocks = [b for b in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "sources:" in b]
    assert blocks
    for block in blocks:
        assert config.loads(block, page, {"ES_PASSWORD": "x"})


@pytest.mark.parametrize(
    "path", sorted(p for p in ROOT.rglob("*.md") if not {".venv", ".cache"} & set(p.parts)),
    ids=lambda p: str(p.relative_to(ROOT)),
)  # fmt: skip
def test_links_lead_to_files_that_exist(path: Path) -> None:
    """Relative links of every page."""
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_every_released_change_is_in_the_changelog() -> None:
    """The version in the code has its entry."""
    from agenttrail import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
