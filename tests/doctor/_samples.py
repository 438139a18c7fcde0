"""The samples, and the faults that their own comments say they have."""

from __future__ import annotations

import re
from pathlib import Path

from agenttrail.doctor._files import KINDS
from agenttrail.doctor._finding import ConfigFile

FOLDER = Path(__file__).parent / "samples"
OPEN = sorted(p for p in FOLDER.iterdir() if "-sound" not in p.name)
SOUND = sorted(p for p in FOLDER.iterdir() if "-sound" in p.name)


def kind_of(path: Path) -> str:
    """A sample's name begins with its kind."""
    return next(kind for kind in KINDS if path.name.startswith(kind))


def load(path: Path) -> ConfigFile:
    return ConfigFile(str(path), path.read_text())


def planted(path: Path) -> list[tuple[int, str]]:
    """(line, rule) of every `# FAULT: rule, rule`: on its own line, or on the next one that is none."""
    found: list[tuple[int, str]] = []
    waiting: list[str] = []
    for number, text in enumerate(path.read_text().splitlines(), 1):
        match = re.search(r"# FAULT: ([\w, -]+)", text)
        rules = re.split(r",\s*", match.group(1).strip()) if match else []
        if match and text.strip().startswith("#"):
            waiting += rules
        else:
            found += [(number, rule) for rule in [*waiting, *rules]]
            waiting = []
    assert not waiting
    return sorted(found)
