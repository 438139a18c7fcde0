"""`agenttrail tap`: stands between an MCP client and a stdio server and records what they say.

With `--enforce` it also refuses calls: of what the kill switch stops, and those that the policy wants an
approval for that they do not have. A refused call never reaches the server and is an audit event; see
`sources._tap_gate` for what exactly is judged. Where no verdict can be had calls are refused, unless
`--on-error allow` says otherwise; which it is stands on stderr at the start.

Three processes: the server; this one, which only passes bytes on and records copies; and, where a
pipeline was asked for, a third that masks and delivers, so that no model ever holds up a message.

Exit codes: the server's own, or 128 plus the signal that ended it; 127 and 126 where the command
does not exist or may not be run; 2 for wrong usage. Recording never changes the exit code.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agenttrail.cli._enforce import add_gate, line_gate
from agenttrail.errors import AgenttrailError, UsageError

if TYPE_CHECKING:
    from agenttrail.sources.tap import Direction, Recorder

# What ends or steers a server. A stop or a window change goes to the whole process group anyway.
_FORWARDED = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2")
_SI_KERNEL = 0x80  # Linux, asm-generic/siginfo.h: sent by the kernel, as a terminal's Ctrl-C is
# Neither a disk that hangs nor a destination that is away may keep the client waiting for the end.
_CLOSE_S = {"raw": 5.0, "pipeline": 10.0}

_HELP = "Stand between an MCP client and a stdio server and record what they say."
_EPILOG = """\
The traffic passes unchanged, whatever happens to the recording. Messages of tap go to stderr.
The file of --raw holds the traffic UNMASKED; it is made readable for its owner only.

Example: agenttrail tap --server files --output audit.jsonl -- npx server-filesystem ~/notes
"""


def add(subparsers: Any) -> None:
    """Adds the verb to the command line."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "tap",
        help=_HELP,
        description=_HELP,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="agenttrail tap [--raw FILE] [--server NAME] [-c FILE | --output FILE] [-v]"
        " [--enforce --policy FILE --kill-switch FILE …] -- COMMAND...",
    )
    parser.add_argument(
        "--raw", metavar="FILE", help="append the UNMASKED traffic as mcp_wire lines"
    )
    parser.add_argument("--server", metavar="NAME", help="name of the server (default: of COMMAND)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-c", "--config", metavar="FILE", help="pipeline to run the traffic through")
    where.add_argument("--output", metavar="FILE", help="write masked events as JSON Lines")
    parser.add_argument("-v", "--verbose", action="store_true", help="print counts at the end")
    parser.add_argument("--agent", metavar="ID", help="who calls, by its id in the registry; with --enforce better than what a client says of itself")  # fmt: skip
    parser.add_argument("--enforce", action="store_true", help="refuse calls that are stopped, or that lack an approval; needs -c or --output")  # fmt: skip
    parser.add_argument("--on-error", choices=("deny", "allow"), default="deny", help="what happens to a call where no verdict can be had (default: deny)")  # fmt: skip
    add_gate(parser)
    parser.add_argument(
        "command",
        nargs=argparse.REMAINDER,
        metavar="-- COMMAND...",
        help="the server's own command",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Runs the command between our standard streams; gives its exit code.

    Raises:
        UsageError: no command, nothing to record to, or not a POSIX system.
        ConfigError: the problems of the pipeline's file.
    """
    if os.name != "posix":
        raise UsageError("tap runs on Linux and macOS only")
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise UsageError("no command to run", hint="agenttrail tap --raw wire.jsonl -- COMMAND...")
    if not (args.raw or args.config or args.output):
        raise UsageError("nowhere to record to", hint="add --raw FILE, --output FILE or -c FILE")
    given = [n for n in ("policy", "registry", "kill_switch", "approvals", "key_file", "runbook") if getattr(args, n)]  # fmt: skip
    if given and not args.enforce:
        raise UsageError(f"--{given[0].replace('_', '-')} has no effect without --enforce")
    if args.enforce and not (args.config or args.output):
        raise UsageError("every refusal is an audit event: --enforce needs a place for it", hint="add --output FILE or -c FILE")  # fmt: skip
    if args.output == "-":
        raise UsageError("--output: stdout belongs to the protocol", hint="name a file")
    if args.config:
        # A configuration that cannot work is told now, not after the session.
        from agenttrail import config

        options = config.load(args.config)
        if any(source.type != "tap" for source in options.sources):
            raise UsageError(
                f"{args.config}: sources: a tap reads nothing else", hint="sources: [tap]"
            )
        for number, sink in enumerate(options.sinks):
            if getattr(sink, "path", None) == "-":
                raise UsageError(f"sinks[{number}].path: stdout belongs to the protocol")
    return _Tap(args, command).run()


class _Tap:
    """One run of the verb."""

    def __init__(self, args: argparse.Namespace, command: list[str]) -> None:
        self.args = args
        self.command = command
        self.server: str = args.server or os.path.basename(command[0])
        self.recorders: dict[str, Recorder] = {}
        # Never the same twice: event ids rest on it, and no two sessions are one.
        self.connection = f"{time.time_ns():x}"
        self.exit_code: int | None = None

    def run(self) -> int:
        from agenttrail.sources.tap import Relay, open_private

        gate = None
        if self.args.enforce:
            gate = line_gate(self.args, self.server, say)
            denied = self.args.on_error == "deny"
            say(f"enforcing; where no verdict can be had calls are {'refused' if denied else 'let pass'} (--on-error {self.args.on_error})")  # fmt: skip
        # The order matters. A fork must come before any thread; the server must inherit neither
        # blocked signals nor the pipeline's pipe; and threads must inherit the blocked signals,
        # so that the thread of `_forward` alone takes them.
        pipeline = self._fork_pipeline() if self.args.config or self.args.output else None
        try:
            relay = Relay(self.command, gate=gate)
        except OSError as error:
            if pipeline:
                os.close(pipeline[1])
            self._close(pipeline)
            say(f"cannot run {shlex.quote(self.command[0])}: {os.strerror(error.errno or 0)}")
            return 127 if isinstance(error, FileNotFoundError) else 126
        # The recorder's thread gives way to the traffic's after half a millisecond, not after five.
        sys.setswitchinterval(0.0005)
        numbers = [signal.Signals[name] for name in _FORWARDED]
        signals = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        if self.args.raw:
            say(f"recording UNMASKED traffic to {shlex.quote(self.args.raw)}")
            self.recorders["raw"] = self._recorder(lambda: open_private(self.args.raw), exact=True)
        if pipeline:
            to_pipeline = pipeline[1]
            self.recorders["pipeline"] = self._recorder(lambda: to_pipeline, exact=False)
        recorders = tuple(self.recorders.values())

        def see(
            direction: Direction, chunk: bytes, note: dict[str, Any] | list[Any] | None = None, /
        ) -> None:
            for recorder in recorders:
                recorder.put(direction, chunk, note)

        threading.Thread(target=self._forward, args=(relay.child, signals), daemon=True).start()
        self.exit_code = relay.run(see)
        if gate is not None and (self.args.verbose or gate.refused):
            say(f"{gate.calls} calls judged, {gate.refused} lines refused")
        self._close(pipeline)
        return self.exit_code

    def _recorder(self, open_output: Callable[[], int], *, exact: bool) -> Recorder:
        from agenttrail.sources.tap import Recorder

        return Recorder(
            open_output,
            server=self.server,
            connection=self.connection,
            agent=self.args.agent,
            report=say,
            exact=exact,
        )

    def _forward(self, child: subprocess.Popen[bytes], signals: list[signal.Signals]) -> None:
        """Passes signals on; one that comes when the server is over ends the wait for recording."""
        while True:
            number, by_kernel = _next_signal(signals)
            if self.exit_code is not None:
                os._exit(self.exit_code)
            if not by_kernel:  # the terminal has sent it to the server too
                child.send_signal(number)

    def _close(self, pipeline: tuple[int, int] | None) -> None:
        """Writes what is still queued, waits for the pipeline, and says what was not recorded."""
        for name, recorder in self.recorders.items():
            done = recorder.close(_CLOSE_S[name])
            counts = recorder.counts
            if self.args.verbose or counts.lost or not done:
                text = f"{name}: {counts.written} lines recorded, {counts.lost} lost"
                text += f", {counts.cut} cut" if counts.cut else ""
                say(text + ("" if done else "; gave up writing the rest"))
        if pipeline:
            code = _wait(pipeline[0], _CLOSE_S["pipeline"])
            if code is None:
                say(
                    f"the pipeline is still delivering and goes on by itself as process {pipeline[0]}"
                )
            elif code:
                say(f"the pipeline ended with {code}; the traffic was not affected")

    def _fork_pipeline(self) -> tuple[int, int]:
        """Starts the pipeline in a process of its own; gives its id and the pipe to write lines to.

        It leaves the process group, so that a client that kills the group after closing loses no
        event: the pipeline ends by itself when the pipe does and all is delivered.
        """
        reading, writing = os.pipe()
        # Whoever is forked prints what is buffered twice.
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            os.close(reading)
            return pid, writing
        code = 1
        try:
            os.setsid()
            os.close(writing)
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, 0)
            os.close(null)
            os.dup2(2, 1)  # stdout is the protocol's
            code = self._run_pipeline(reading)
        except AgenttrailError as error:
            say(f"the pipeline failed: {error.message}")
            code = error.exit_code
        except BaseException as error:  # noqa: BLE001 - the process must end here, whatever it is
            say(f"the pipeline failed: {type(error).__name__}")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _run_pipeline(self, reading: int) -> int:
        from agenttrail.sources.tap import TapSource

        source = TapSource(reading, stream=f"tap:{self.server}:{self.connection}")
        from agenttrail.cli._run import run_source

        return run_source(source, self.args)


def say(text: str) -> None:
    """One message for a human, on stderr; a closed stderr is no reason to fail."""
    with contextlib.suppress(OSError):
        os.write(2, f"agenttrail tap: {text}\n".encode("utf-8", "backslashreplace"))


def _wait(pid: int, timeout_s: float) -> int | None:
    """The exit code of a child process, or None where it has not ended in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            return None
        time.sleep(0.01)


def _next_signal(signals: list[signal.Signals]) -> tuple[signal.Signals, bool]:
    """Waits for a signal; says too whether a terminal sent it, which only Linux can tell."""
    if sys.platform == "linux":
        info = signal.sigwaitinfo(signals)
        return signal.Signals(info.si_signo), info.si_code == _SI_KERNEL
    return signal.Signals(signal.sigwait(signals)), False
