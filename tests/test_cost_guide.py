"""docs/cost.md: every file, command and output of the page, in its order, in one folder."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "cost.md"
BLOCK = re.compile(r"```(\w+)(?: (\S+))?\n(.*?)```", re.DOTALL)


def matches(shown: str, said: str) -> bool:
    """Whether an output is the one that is shown, `…` standing for what differs each time."""
    pattern = ".*?".join(re.escape(part) for part in shown.strip().split("…"))
    return re.fullmatch(pattern, said.strip(), re.DOTALL) is not None


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("openssl")), reason="needs curl and openssl"
)
def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    """A command that fails, or says something else, is a mistake in the page."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    server: subprocess.Popen[bytes] | None = None
    said, ran, compared = "", 0, 0
    try:
        for kind, name, body in BLOCK.findall(PAGE.read_text()):
            if kind == "yaml":
                (tmp_path / name).write_text(body)
            elif kind == "text":
                assert matches(body, said), f"{body}\n---\n{said}"
                compared += 1
            elif name == "serve":
                server = subprocess.Popen(["bash", "-ec", body], cwd=tmp_path, env=environment, stderr=subprocess.PIPE)  # fmt: skip
                assert server.stderr is not None
                line = server.stderr.readline()
                assert line.startswith(b"listening"), line
            else:
                done = subprocess.run(["bash", "-ec", body], cwd=tmp_path, env=environment, capture_output=True, timeout=120)  # fmt: skip
                assert done.returncode == 0, (body, done.stderr.decode())
                said = done.stdout.decode()
                ran += 1
    finally:
        if server is not None:
            server.terminate()
            server.wait(20)
            if server.stderr is not None:
                server.stderr.close()
    assert (ran, compared) >= (6, 5)
