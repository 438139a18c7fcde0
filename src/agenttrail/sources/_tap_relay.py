"""Passes the bytes of a child process's three standard streams on, unchanged, as they come.

One thread a stream, each reading what is there and writing it before it reads again: nothing is
held back, and who does not read makes the writer wait as a pipe between the two would.
"""

from __future__ import annotations

import os
import select
import subprocess
import threading
import time
from collections.abc import Callable, Sequence

from agenttrail.sources._tap_recorder import Direction

_READ_BYTES = 65536  # the size of a Linux pipe
# A child may leave a process behind that holds its output open; a client waits for the end of tap.
LINGER_S = 1.0

See = Callable[[Direction, bytes], None]


class Relay:
    """Runs a command between three file descriptors of ours, as if it had been started with them.

    The command starts when this is made, and no thread does: signals can be arranged in between.

    Args:
        command: program and arguments; the program is looked up in PATH.
        stdin: our end that the client writes to; replaced by the null device when either side ends.
        stdout: our end that the client reads from; replaced likewise, so that the client sees the
            end of the output when the child ends it.
        stderr: our end of stderr.
        linger_s: how long output that the child left to others must be quiet to be given up.

    Raises:
        OSError: the command cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdin: int = 0,
        stdout: int = 1,
        stderr: int = 2,
        linger_s: float = LINGER_S,
    ) -> None:
        self._ours = (stdin, stdout, stderr)
        self._linger_s = linger_s
        self.threads: list[threading.Thread] = []
        self._last = 0.0  # when the child last said something
        self._writing = {"c2s": False, "s2c": False, "stderr": False}
        self.child = subprocess.Popen(  # noqa: S603 - running the command is what tap is for
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )

    def run(self, see: See) -> int:
        """Passes bytes on until the child has ended and its output is passed on.

        Args:
            see: called with each chunk before it is passed on, and with an empty one at the end of
                a direction; must neither wait nor raise.

        Returns:
            The child's exit code, or 128 plus the signal that ended it.
        """
        child, (stdin, stdout, stderr) = self.child, self._ours
        assert child.stdin
        assert child.stdout
        assert child.stderr
        self._start("c2s", see, stdin, child.stdin.fileno())
        outward = {
            "s2c": self._start("s2c", see, child.stdout.fileno(), stdout),
            "stderr": self._start("stderr", see, child.stderr.fileno(), stderr),
        }
        code = child.wait()
        self._last = time.monotonic()
        for direction, thread in outward.items():
            while thread.is_alive() and (
                self._writing[direction] or time.monotonic() - self._last < self._linger_s
            ):
                thread.join(0.02)
        return code if code >= 0 else 128 - code

    def _start(self, direction: Direction, see: See, source: int, target: int) -> threading.Thread:
        thread = threading.Thread(
            target=self._pump,
            args=(direction, see, source, target),
            name=f"tap-{direction}",
            daemon=True,
        )
        self.threads.append(thread)
        thread.start()
        return thread

    def _pump(self, direction: Direction, see: See, source: int, target: int) -> None:
        open_target = True
        while chunk := _read(source):
            self._writing[direction] = True
            see(direction, chunk)
            if open_target and not _write(target, chunk):
                open_target = False
                if direction != "stderr":
                    break
            if direction != "c2s":
                self._last = time.monotonic()
            self._writing[direction] = False
        see(direction, b"")
        # Cases: our client ended (its end of file goes to the child), the child closed its output
        # (the end goes to our client), or the reader went away (the writer must get EPIPE, as it
        # would without us). Only stderr stays as it is: our own messages go there too.
        if direction == "c2s":
            assert self.child.stdin
            self.child.stdin.close()
            _to_null(source)
        elif direction == "s2c":
            assert self.child.stdout
            self.child.stdout.close()
            _to_null(target)
        self._writing[direction] = False


def _read(fd: int) -> bytes:
    """The next bytes, empty at the end; a connection that broke is an end."""
    while True:
        try:
            return os.read(fd, _READ_BYTES)
        except BlockingIOError:
            # The descriptor is shared with a program that made it non-blocking.
            select.select([fd], [], [])
        except OSError:
            return b""


def _write(fd: int, chunk: bytes) -> bool:
    """Writes all of it; False where nobody can read it any more."""
    view = memoryview(chunk)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])
        except OSError:
            return False
    return True


def _to_null(fd: int) -> None:
    """Closes what `fd` is, but not its number, which would be given to the next file opened."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, fd, inheritable=fd <= 2)
    os.close(null)
