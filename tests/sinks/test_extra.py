"""A sink whose packages are not installed says which command installs them."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "missing, option, extra",
    [
        ("elasticsearch", "--elasticsearch", "elasticsearch"),
        ("opentelemetry.proto", "--otlp", "otlp"),
        ("requests", "--otlp", "otlp"),
    ],
)
def test_a_missing_extra_is_named_with_its_command(missing: str, option: str, extra: str) -> None:
    """In a process in which the package cannot be imported."""
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from agenttrail.cli import main\n"
        f"sys.exit(main(['run', '-i', '/dev/null', {option!r}, 'http://127.0.0.1:9']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert done.returncode == 1
    assert f"try: pip install 'agenttrail[{extra}]'".encode() in done.stderr
