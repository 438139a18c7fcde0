"""CPU seconds of `agenttrail --help` beside a Python that does nothing, interleaved, minimum of several.

python benchmarks/startup.py [--runs N] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

COMMANDS = {
    "agenttrail --help": [str(Path(sys.executable).parent / "agenttrail"), "--help"],
    "agenttrail list": [str(Path(sys.executable).parent / "agenttrail"), "list"],
    "python -c pass": [sys.executable, "-c", "pass"],
}


def cpu_seconds(command: list[str]) -> float:
    """User and system time of one run."""
    before = os.times()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return (
        after.children_user + after.children_system - before.children_user - before.children_system
    )


def main() -> None:
    """Prints a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(arguments.runs):
        for name, command in COMMANDS.items():
            seconds[name].append(cpu_seconds(command))
    least = {name: round(min(runs), 3) for name, runs in seconds.items()}
    if arguments.json:
        print(json.dumps(least))
        return
    print(f"CPU seconds, minimum of {arguments.runs}")
    for name, value in least.items():
        print(f"  {name:<20} {value:.3f}")


if __name__ == "__main__":
    main()
