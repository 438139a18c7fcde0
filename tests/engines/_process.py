"""What every engine needs: a cache folder, a lock, a free port, and a process that is watched.

Limits: a free port is found by binding and letting go, so another program may take it before the
engine does; the engine then fails to start and says so.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


class MissingError(Exception):
    """An engine or the tool that brings it is not here; `hint` is the command that installs it."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}. To install: {hint}")
        self.hint = hint


def cache_folder() -> Path:
    """Where fetched and built engines are kept: AGENTTRAIL_ENGINES, or .cache/engines."""
    folder = Path(os.environ.get("AGENTTRAIL_ENGINES") or PROJECT / ".cache" / "engines")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def tool(name: str, hint: str) -> str:
    """The path of a program. Raises MissingError where there is none."""
    path = shutil.which(name)
    if path is None:
        raise MissingError(f"{name} is not installed", hint)
    return path


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """One process at a time fetches or builds an engine; the others wait and find it done."""
    with (cache_folder() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def say(text: str) -> None:
    """Progress for people; stderr, because stdout may be a test's."""
    print(f"engines: {text}", file=sys.stderr, flush=True)


def carry_out(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None) -> None:
    """Runs a fetch or a build, its output going where ours goes.

    Raises:
        RuntimeError: it failed.
    """
    result = subprocess.run(argv, cwd=cwd, env=env, stdout=sys.stderr.fileno(), check=False)
    if result.returncode:
        raise RuntimeError(f"{argv[0]} ended with {result.returncode}; its output is above")


def free_ports(count: int) -> list[int]:
    """So many different ports of the loopback address that nothing listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def listening(port: int) -> bool:
    """Whether something accepts connections on this port of the loopback address."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def work_folder(prefix: str) -> Iterator[Path]:
    """A temporary folder that other users may pass through, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Process:
    """One engine's process: in a group of its own, so that its children end with it.

    Args:
        name: for messages.
        argv: command and arguments.
        log: file that gets its output.
        healthy: whether it is ready; asked until it says so.
        user: account to run as, where we are root and the engine refuses root.
        start_s: how long it may take to get ready.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        cwd: Path,
        log: Path,
        healthy: Callable[[], bool],
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        start_s: float = 120.0,
    ) -> None:
        self.name, self.argv, self.cwd, self.log = name, list(argv), cwd, log
        self.healthy, self.env, self.user, self.start_s = healthy, env, user, start_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    def start(self) -> None:
        """Starts it and waits until it is ready. Raises RuntimeError with the end of its log."""
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self.argv,
                cwd=self.cwd,
                env=None if self.env is None else dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.user,
                extra_groups=None if self.user is None else [],
            )
        deadline = time.monotonic() + self.start_s
        while not self.healthy():
            if self._process.poll() is not None:
                raise RuntimeError(
                    f"{self.name} ended with {self._process.returncode}\n{self.tail()}"
                )
            if time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self.name} was not ready in {self.start_s} s\n{self.tail()}")
            time.sleep(0.1)

    def stop(self, how: int = signal.SIGTERM, wait_s: float = 30.0) -> None:
        """Ends it and all of its children; by force where it takes longer than `wait_s`."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def tail(self, lines: int = 40) -> str:
        """The last lines of its log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""
