"""rsyslog, the real daemon, run unprivileged on files and sockets of a folder of its own.

The one that is installed is taken; else Debian's packages (8.2302 in Debian 12) are unpacked into
the cache and nothing is installed, because they conflict with syslog-ng's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.engines._debian import daemons_path, libraries, unpacked
from tests.engines._process import Process, work_folder

_PACKAGES = ("rsyslog", "rsyslog-elasticsearch")


@dataclass(frozen=True, kw_only=True)
class Program:
    """Where the daemon and its modules are."""

    binary: Path
    modules: Path
    env: Mapping[str, str]

    def version(self) -> str:
        """As it names itself: "8.2302.0"."""
        said = subprocess.run(
            [self.binary, "-v"], env=self.env, capture_output=True, text=True, check=True
        )
        return said.stdout.split()[1]


def prepare() -> Program:
    """The installed daemon, or one fetched the first time (5 MB).

    Raises:
        MissingError: there is neither the daemon nor apt-get.
        RuntimeError: the packages could not be fetched.
    """
    installed = shutil.which("rsyslogd", path=daemons_path())
    if installed:
        for folder in sorted(Path("/usr").glob("lib*/**/rsyslog/mmexternal.so")):
            return Program(binary=Path(installed), modules=folder.parent, env=dict(os.environ))
    home = unpacked("rsyslog", _PACKAGES)
    modules = next(home.rglob("mmexternal.so")).parent
    return Program(binary=home / "usr/sbin/rsyslogd", modules=modules, env=libraries(home))


@dataclass(kw_only=True)
class Daemon:
    """A running rsyslogd; `folder` is removed at the end."""

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
def start(configuration: Callable[[Path], str], *, limit: str = "") -> Iterator[Daemon]:
    """A daemon for the length of the block.

    Args:
        configuration: given a folder, gives the text of rsyslog.conf.
        limit: an `ulimit` of the shell that starts it, as "-v 500000".
    """
    program = prepare()
    with work_folder("agenttrail-rsyslog-") as folder:
        (folder / "rsyslog.conf").write_text(configuration(folder))
        pid = folder / "rsyslog.pid"
        argv = [
            str(program.binary),
            *("-n", "-f", "rsyslog.conf", "-i", str(pid), "-M", str(program.modules)),
        ]
        if limit:
            argv = ["sh", "-c", f'ulimit {limit}; exec "$@"', "sh", *argv]
        process = Process(
            "rsyslog",
            argv,
            cwd=folder,
            log=folder / "rsyslog.log",
            env=program.env,
            healthy=pid.exists,
            start_s=20.0,
        )
        try:
            process.start()
            yield Daemon(folder=folder, process=process)
        finally:
            process.stop(wait_s=10.0)


def check(text: str, folder: Path) -> str:
    """What rsyslogd says of a configuration without running it; empty where it is sound."""
    program = prepare()
    path = folder / "check.conf"
    path.write_text(text)
    done = subprocess.run(
        [program.binary, "-N1", "-f", path, "-M", str(program.modules)],
        env=program.env, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = (done.stdout + done.stderr).splitlines()
    wrong = [line for line in said if "config validation run" not in line and "End of" not in line]
    return "\n".join(wrong) if done.returncode or wrong else ""
