"""syslog-ng, the real daemon, run unprivileged on files and sockets of a folder of its own.

The one that is installed is taken; else Debian's packages (3.38 in Debian 12) are unpacked into the
cache and nothing is installed, because they conflict with rsyslog's.

Limits: its `python()` embeds the Python of the distribution. A library with compiled parts can be
imported there where this interpreter has the same minor version; `Program.python` says which it is.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.engines._debian import daemons_path, libraries, unpacked
from tests.engines._process import MissingError, Process, work_folder

_PACKAGES = ("syslog-ng-core", "syslog-ng-mod-python", "syslog-ng-mod-http")


@dataclass(frozen=True, kw_only=True)
class Program:
    """Where the daemon and its modules are."""

    binary: Path
    modules: Path
    env: Mapping[str, str]
    python: str  # that it embeds, as "3.11"

    def version(self) -> str:
        """As a configuration names it: "3.38"."""
        said = subprocess.run(
            [self.binary, "--version"], env=self.env, capture_output=True, text=True, check=True
        )
        found = re.search(r"Config version: (\S+)", said.stdout)
        assert found is not None, said.stdout
        return found.group(1)


def prepare() -> Program:
    """The installed daemon, or one fetched the first time (2 MB).

    Raises:
        MissingError: there is neither the daemon nor apt-get, or its Python is another one.
        RuntimeError: the packages could not be fetched.
    """
    installed = shutil.which("syslog-ng", path=daemons_path())
    found = sorted(Path("/usr").glob("lib*/**/syslog-ng/**/libmod-python*.so")) if installed else []
    if installed and found:
        return _program(Path(installed), found[0], dict(os.environ))
    home = unpacked("syslog-ng", _PACKAGES)
    module = next(home.rglob("libmod-python*.so"))
    return _program(home / "usr/sbin/syslog-ng", module, libraries(home))


def _program(binary: Path, module: Path, env: Mapping[str, str]) -> Program:
    listed = subprocess.run(["ldd", module], env=env, capture_output=True, text=True, check=False)
    found = re.search(r"libpython(3\.\d+)", listed.stdout)
    if found is None or "libpython" + found.group(1) + ".so.1.0 => not found" in listed.stdout:
        raise MissingError(
            "syslog-ng's python module has no Python", "apt-get install libpython3-dev"
        )
    python = found.group(1)
    own = f"3.{sys.version_info.minor}"
    if python != own:
        raise MissingError(
            f"syslog-ng embeds Python {python} and the tests run on {own}",
            f"make PYTHON=python{python} test",
        )
    return Program(binary=binary, modules=module.parent, env=env, python=python)


@dataclass(kw_only=True)
class Daemon:
    """A running syslog-ng; `folder` is removed at the end."""

    folder: Path
    process: Process

    def restart(self, how: int = 15) -> None:
        """Stops it by a signal and starts it on the same folder."""
        self.process.stop(how)
        self.process.start()

    def wait_for(self, true: Callable[[], bool], wait_s: float = 30.0) -> None:
        """Waits until it is true. Raises AssertionError with the end of the log."""
        deadline = time.monotonic() + wait_s
        while not true():
            assert time.monotonic() < deadline, f"not in {wait_s} s\n{self.process.tail()}"
            time.sleep(0.05)


@contextlib.contextmanager
def start(
    configuration: Callable[[Path], str], *, env: Mapping[str, str] | None = None, limit: str = ""
) -> Iterator[Daemon]:
    """A daemon for the length of the block.

    Args:
        configuration: given a folder, gives the text of syslog-ng.conf.
        env: added to its environment (PYTHONPATH, say).
        limit: an `ulimit` of the shell that starts it, as "-v 500000".
    """
    program = prepare()
    with work_folder("agenttrail-syslog-ng-") as folder:
        (folder / "syslog-ng.conf").write_text(configuration(folder))
        log = folder / "syslog-ng.log"
        argv = [
            str(program.binary), "-F", "-e", "-f", "syslog-ng.conf", "-R", str(folder / "persist"),
            "-c", str(folder / "control"), "-p", str(folder / "pid"),
            f"--module-path={program.modules}",
        ]  # fmt: skip
        if limit:
            argv = ["sh", "-c", f'ulimit {limit}; exec "$@"', "sh", *argv]
        begun = 0

        def ready() -> bool:
            said = log.read_text(errors="replace") if log.exists() else ""
            return said.count("syslog-ng starting up") > begun

        process = Process(
            "syslog-ng", argv, cwd=folder, log=log, env={**program.env, **(env or {})},
            healthy=ready, start_s=30.0,
        )  # fmt: skip

        class Counted(Daemon):
            def restart(self, how: int = 15) -> None:
                nonlocal begun
                self.process.stop(how)
                begun = log.read_text(errors="replace").count("syslog-ng starting up")
                self.process.start()

        try:
            process.start()
            yield Counted(folder=folder, process=process)
        finally:
            process.stop(wait_s=10.0)
