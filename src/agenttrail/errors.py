"""Every error a user can meet, each with a hint. No message ever carries event content.

Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class AgenttrailError(Exception):
    """What went wrong, where, and what to do about it.

    Args:
        message: one sentence; kind, name, position and sizes only.
        hint: what to do next, or an empty string.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(AgenttrailError):
    """A command line that cannot be carried out as written."""

    exit_code = 2


class OptionError(AgenttrailError):
    """One option has a value it cannot have. Raised by an options class, placed by `config`."""

    exit_code = 2

    def __init__(self, option: str, message: str, *, hint: str = "") -> None:
        super().__init__(f"{option}: {message}", hint=hint)
        self.option = option
        self.reason = message


class ConfigError(AgenttrailError):
    """All problems of a configuration at once, each as `file:line: path: problem` and hints."""

    exit_code = 2

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class SourceError(AgenttrailError):
    """A source cannot be read."""


class CheckpointError(AgenttrailError):
    """The checkpoint file cannot be read or written."""


class MaskError(AgenttrailError):
    """Masking cannot be set up (a missing model, say). Nothing runs without a mask."""


class Unreachable(AgenttrailError):
    """A sink's destination cannot be used as configured."""


class RetryLater(AgenttrailError):
    """The destination could not take the batch now; `after_s` is its own wish, if it had one."""

    def __init__(self, message: str, *, hint: str = "", after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.after_s = after_s


class Rejected(AgenttrailError):
    """The batch is delivered but for some events that the destination will never take.

    Args:
        reasons: batch index to a short reason without content (an error type, a status).
    """

    def __init__(self, reasons: Mapping[int, str]) -> None:
        super().__init__(f"{len(reasons)} events rejected")
        self.reasons = dict(reasons)


class Refused(AgenttrailError):
    """A whole request that the destination will never take; nothing of it was accepted."""


class Bug(AgenttrailError):
    """agenttrail broke one of its own promises; the message says which."""
