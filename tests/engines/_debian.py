"""Programs from the packages of a Debian-like system, unpacked into the cache and not installed.

rsyslog and syslog-ng conflict with one another as packages, and a test must not change the system
that it runs on; so the packages, and those that they need and the system has not, are fetched with
`apt-get download` and unpacked with `dpkg -x`.

Limits: for the distribution and the processor that this runs on; needs no root, but a package list
(`apt-get update`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.engines._process import MissingError, cache_folder, carry_out, locked, say, tool


def unpacked(name: str, packages: Sequence[str]) -> Path:
    """The folder that stands for `/` of these packages and of what they need.

    Args:
        name: of the folder in the cache.
        packages: what to fetch; further ones are found by apt.

    Raises:
        MissingError: no apt here, or it knows no such package.
        RuntimeError: they could not be fetched.
    """
    home = cache_folder() / f"{name}-packages"
    with locked(name):
        if home.exists():
            return home
        hint = f"apt-get update && apt-get install {' '.join(packages)}"
        apt, dpkg = tool("apt-get", hint), tool("dpkg", hint)
        asked = subprocess.run(
            [
                apt,
                "-o",
                "Debug::NoLocking=1",
                "install",
                "--print-uris",
                "-qq",
                "-y",
                "--no-install-recommends",
                *packages,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        files = [line.split()[1] for line in asked.stdout.splitlines() if line.startswith("'")]
        if asked.returncode or not files:
            raise MissingError(f"apt-get knows no {' or '.join(packages)}", hint)
        say(f"fetching {len(files)} packages of {name}")
        fetched = cache_folder() / f"{name}-fetch"
        shutil.rmtree(fetched, ignore_errors=True)
        root = fetched / "root"
        root.mkdir(parents=True)
        carry_out([apt, "-qq", "download", *(f.partition("_")[0] for f in files)], cwd=fetched)
        for package in sorted(fetched.glob("*.deb")):
            carry_out([dpkg, "-x", str(package), str(root)], cwd=fetched)
        root.rename(home)
        shutil.rmtree(fetched)
    return home


def libraries(home: Path) -> dict[str, str]:
    """The environment in which programs of the folder find their libraries."""
    found = sorted({str(p.parent) for p in home.rglob("*.so*") if p.parent.name != "loggen"})
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(found)}


def daemons_path() -> str:
    """The search path with the folder of daemons, which a user's own often lacks."""
    path = os.environ.get("PATH", "")
    return path + os.pathsep + "/usr/sbin" if "/usr/bin" in path.split(os.pathsep) else path
