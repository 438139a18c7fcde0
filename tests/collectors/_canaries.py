"""Numbered lines with planted personal data, and what must be true of where they end up."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import time
from pathlib import Path

import agenttrail

PERSON = "planted.person@example.com"
CARD = "4111111111111111"
PHONE = "081-555-0199"
CANARIES = (PERSON, CARD, PHONE)


def line(number: int) -> bytes:
    """A line of JSON, or every third time of text; `n=NUMBER;` stays readable."""
    mark = f"n={number};"
    if number % 3 == 0:
        return f"{mark} mail {PERSON} or ring {PHONE}".encode()
    inner = json.dumps({"card": CARD, PERSON: [PHONE]})
    return json.dumps({"mark": mark, "to": PERSON, "inner": inner}).encode()


def lines(numbers: range) -> bytes:
    return b"".join(line(number) + b"\n" for number in numbers)


def leaked(data: bytes) -> list[str]:
    """The planted values that can be read in it."""
    return [canary for canary in CANARIES if canary.encode() in data]


def arrived(data: bytes) -> set[int]:
    """The numbers of the lines that are there."""
    pieces = data.split(b"n=")[1:]
    return {int(piece.partition(b";")[0]) for piece in pieces if b";" in piece[:12]}


def program(folder: Path, *options: str) -> Path:
    """The command as a collector runs it, with no environment of its own: this interpreter's.

    Args:
        folder: where the script is put.
        options: added at the end of every command line.
    """
    source = Path(agenttrail.__file__).parents[1]
    path = folder / "agenttrail"
    added = " ".join(options)
    path.write_text(
        f'#!/bin/sh\nPYTHONPATH="{source}" exec "{sys.executable}" -m agenttrail "$@" {added}\n'
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return path


def child(pid: int) -> int:
    """The newest child of a process; waited for, as it may be starting."""
    deadline = time.monotonic() + 20
    while True:
        found = subprocess.run(
            ["pgrep", "-n", "-P", str(pid)], capture_output=True, text=True, check=False
        )
        if found.stdout:
            return int(found.stdout)
        assert time.monotonic() < deadline, "it has no child"
        time.sleep(0.05)
