"""Passes the bytes of a child process's three standard streams on, unchanged, as they come.

One thread a stream, each reading what is there and writing it before it reads again: nothing is
held back, and who does not read makes the writer wait as a pipe between the two would.

With a `Gate` the client's side is passed on line by line, each judged first; answers of our own are put
between the server's lines, by a thread of their own.
"""

from __future__ import annotations

import os
import select
import subprocess
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from agenttrail.sources._tap_gate import LINE_BYTES, Gate, Judged, Note
from agenttrail.sources._tap_recorder import Direction

_READ_BYTES = 65536  # the size of a Linux pipe
# A child may leave a process behind that holds its output open; a client waits for the end of tap.
LINGER_S = 1.0

# Answers of our own that wait for the client to read them.
_ANSWERS = 10_000


class See(Protocol):
    """Is shown each chunk before it is passed on, with a note where it is one refused line."""

    def __call__(self, direction: Direction, chunk: bytes, note: Note = None, /) -> None: ...  # fmt: skip


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
        gate: judges each line of the client; None passes all on.

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
        gate: Gate | None = None,
    ) -> None:
        self._ours = (stdin, stdout, stderr)
        self._linger_s = linger_s
        self._gate = gate
        self._out = threading.Lock()  # who writes to the client
        self._between = True  # the client has only whole lines
        self._answers: deque[bytes] = deque()  # taken under the lock, so that none is on its way
        self._answered = threading.Event()
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
                a direction; must neither wait nor raise. See `See`.

        Returns:
            The child's exit code, or 128 plus the signal that ended it.
        """
        child, (stdin, stdout, stderr) = self.child, self._ours
        assert child.stdin
        assert child.stdout
        assert child.stderr
        if self._gate is not None:
            answering = threading.Thread(target=self._answer, args=(see, stdout), daemon=True, name="tap-answers")  # fmt: skip
            self.threads.append(answering)
            answering.start()
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

    def _judged(self, see: See, source: int, target: int, gate: Gate) -> None:
        """Passes the client's lines on, but for those that are refused."""
        held = bytearray()
        rest = ""  # of a line that was too long: it is skipped, or passed on
        while chunk := _read(source):
            start = 0
            while (end := chunk.find(b"\n", start)) >= 0:
                line = bytes(held + chunk[start:end])
                held.clear()
                start = end + 1
                if rest == "pass":
                    see("c2s", line + b"\n")
                going = rest == "skip" or (
                    _write(target, line + b"\n")
                    if rest == "pass"
                    else self._pass(see, target, gate.judge(line), line, b"\n")
                )
                rest = ""
                if not going:
                    return
            held += chunk[start:]
            if len(held) <= LINE_BYTES:
                continue
            if not rest:
                judged = gate.too_long(bytes(held))
                rest = "skip" if judged.refused else "pass"
                going = self._pass(see, target, judged, bytes(held), b"")
            elif rest == "pass":
                see("c2s", bytes(held))
                going = _write(target, bytes(held))
            held.clear()
            if not going:
                return
        if held and rest != "skip":
            self._pass(see, target, gate.judge(bytes(held)), bytes(held), b"")

    def _pass(self, see: See, target: int, judged: Judged, line: bytes, end: bytes) -> bool:
        """One line to the server, or its refusal to the client; False where nobody reads any more."""
        if judged.note is None:
            see("c2s", line + end)
        else:
            see("c2s", line + b"\n", judged.note)
        if judged.reply:
            self._answers.append(judged.reply)
            self._answered.set()
            while len(self._answers) > _ANSWERS:  # a client that does not read waits
                time.sleep(0.01)
        return True if judged.refused else _write(target, judged.forward + end)

    def _answer(self, see: See, target: int) -> None:
        """Writes our own answers, between two lines of the server."""
        while True:
            self._answered.wait()
            self._answered.clear()
            with self._out:
                if self._between:
                    self._write_answers(see, target)

    def _write_answers(self, see: See, target: int) -> None:
        while self._answers:
            answer = self._answers.popleft()
            see("s2c", answer)
            _write(target, answer)

    def _relay(self, see: See, chunk: bytes, target: int) -> bool:
        """A chunk of the server's to the client; answers of our own that waited after its last line."""
        with self._out:
            end = chunk.rfind(b"\n") + 1
            if self._answers and 0 < end < len(chunk):
                see("s2c", chunk[:end])
                if not _write(target, chunk[:end]):
                    return False
                self._write_answers(see, target)
                chunk = chunk[end:]
            see("s2c", chunk)
            written = _write(target, chunk)
            self._between = chunk.endswith(b"\n")
            if self._between:
                self._write_answers(see, target)
            return written

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
        judged = direction == "c2s" and self._gate is not None
        if judged and self._gate is not None:
            self._judged(see, source, target, self._gate)
        while not judged and (chunk := _read(source)):
            self._writing[direction] = True
            if direction == "s2c" and self._gate is not None:
                written = self._relay(see, chunk, target) if open_target else True
            else:
                see(direction, chunk)
                written = _write(target, chunk) if open_target else True
            if not written:
                open_target = False
                if direction != "stderr":
                    break
            if direction != "c2s":
                self._last = time.monotonic()
            self._writing[direction] = False
        if direction == "s2c" and self._gate is not None:
            with self._out:  # every refusal came before the server's end of input: none is lost
                if self._answers and not self._between:
                    _write(target, b"\n")
                self._write_answers(see, target)
                self._between = False
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
