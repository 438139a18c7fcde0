"""The command line: one file a verb. Machines read standard output, people standard error."""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback

from agenttrail import __version__
from agenttrail.errors import AgenttrailError, ConfigError

# Each is a module here with `add(subparsers)`; a trailing underscore keeps Python's words apart.
VERBS = (
    "run",
    "check",
    "try_",
    "mask",
    "filter",
    "mask_test",
    "unmask",
    "stop",
    "start",
    "budget",
    "verdicts",
    "tap",
    "hop",
    "simulate",
    "report",
    "matrix",
    "sample",
    "timeline",
    "replay_plan",
    "slo",
    "setup",
    "doctor",
    "canary",
    "registry",
    "policy",
    "pack",
    "scan",
    "list",
    "explain",
    "schema",
)

_EPILOG = """start here:
  agenttrail run --input LOGS --output masked.jsonl    read logs, mask them, write JSON Lines
  agenttrail try LOG                                   one record, shown after each stage
  agenttrail explain pipeline                          what a pipeline.yaml may say

exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line, every verb added."""
    top = argparse.ArgumentParser(
        prog="agenttrail",
        description="Masked, searchable audit logs of AI agents for the collectors and SIEM already there.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"agenttrail {__version__}")
    verbs = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for verb in VERBS:
        importlib.import_module(f"agenttrail.cli.{verb}").add(verbs)
    return top


def main(argv: list[str] | None = None) -> int:
    """Runs one command and gives its exit code. Never shows what an event holds."""
    arguments = parser().parse_args(argv)
    _leave_no_core()
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except ConfigError as error:
        sys.stderr.write("\n".join(error.problems) + "\n")
        return error.exit_code
    except AgenttrailError as error:
        sys.stderr.write(f"agenttrail: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"  try: {error.hint}\n")
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output left; Python must not complain again at exit.
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001  its text may hold content: kind and place only
        frame = traceback.extract_tb(error.__traceback__)[-1]
        sys.stderr.write(
            f"agenttrail: internal error: {type(error).__name__} at {frame.name}:{frame.lineno}; "
            "nothing was committed wrongly, please report this\n"
        )
        return 1
    return code


def _leave_no_core() -> None:
    """Where native code crashes no core is written, here nor in workers: memory holds unmasked text."""
    try:
        import resource
    except ImportError:  # another system than Linux and macOS
        return
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    # core(5): a core is piped to a program whatever the limit, but for 1; one byte is no file either.
    resource.setrlimit(resource.RLIMIT_CORE, (min(1, hard) if hard >= 0 else 1, hard))
