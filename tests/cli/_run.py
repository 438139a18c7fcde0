"""Runs the installed command in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BINARY = str(Path(sys.executable).parent / "agenttrail")


@dataclass(frozen=True)
class Done:
    """What a command left: exit code and both streams."""

    code: int
    out: str
    err: str


def agenttrail(
    folder: Path, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> Done:
    """Runs `agenttrail ARGUMENTS…` in `folder`; never longer than two minutes."""
    done = subprocess.run(
        [BINARY, *arguments], cwd=folder, input=stdin, capture_output=True, timeout=120,
        env={**os.environ, "PYTHONUTF8": "1", **(env or {})}, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
