"""What doctor is asked, what it reads and what it finds."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Severity = Literal["error", "warning"]
# Where --fix puts the hop: it takes unmasked data on the first and gives masked data to the second.
HOP_GRPC = "127.0.0.1:4327"
HOP_HTTP = "127.0.0.1:4328"
BACK_GRPC = "127.0.0.1:4319"
BACK_HTTP = "127.0.0.1:4320"
_LOOPBACK = re.compile(r"(?:^|//|@)(?:127\.\d+\.\d+\.\d+|localhost|\[::1\]|::1)(?::|/|$)", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that doctor looks for.

    Args:
        id: the collector's kind, a dash, what is wrong.
        severity: error where unmasked data may leave or data is lost, warning where it may be.
        why: what happens, in a sentence.
        fix: what to write instead.
        source: the documentation or source file that says so, with its version.
    """

    id: str
    severity: Severity
    why: str
    fix: str
    source: str


class Place(NamedTuple):
    """A line of a file, counted from 1."""

    path: str
    line: int


Repair = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding. `repair` makes the text of its file right, where a machine can."""

    rule: Rule
    place: Place
    what: str
    repair: Repair | None = field(default=None, compare=False, repr=False)

    def as_json(self) -> dict[str, Any]:
        """What a machine reads."""
        return {
            "rule": self.rule.id, "severity": self.rule.severity, "file": self.place.path,
            "line": self.place.line, "what": self.what, "why": self.rule.why,
            "fix": self.rule.fix, "source": self.rule.source,
            "can_be_fixed": self.repair is not None,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One file of a configuration."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user says of his configuration.

    Args:
        sources: globs of the names of sources that carry agents' logs; empty: all do.
        hop: further addresses, host:port, at which agenttrail listens.
    """

    sources: tuple[str, ...] = ()
    hop: tuple[str, ...] = ()

    def carries(self, *names: str) -> bool:
        """Whether the source with one of these names carries agents' logs."""
        return not self.sources or any(
            fnmatch.fnmatchcase(name, glob) for name in names for glob in self.sources
        )

    def is_hop(self, name: str, *addresses: object) -> bool:
        """Whether a component is agenttrail's, by its name or by where it sends to."""
        texts = [str(address) for address in addresses if address is not None]
        return (
            ours(name)
            or any(ours(text) for text in texts)
            or any(hop in text for hop in self.hop for text in texts)
        )


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """By file and line, each once."""
    unique = {(f.place, f.rule.id, f.what): f for f in findings}
    return [unique[key] for key in sorted(unique)]


def ours(text: object) -> bool:
    """Whether a name, a command or a path says that it is agenttrail's."""
    return "agenttrail" in str(text).lower()


def comes_back(text: object) -> bool:
    """Whether a source says that it gives masked data: agenttrail's, or named `masked`."""
    return ours(text) or bool(re.search(r"(?i)(?<![a-z])masked(?![a-z])", str(text)))


def loopback(address: object) -> bool:
    """Whether an address is of this machine only, in any of the ways that collectors write it."""
    return bool(_LOOPBACK.search(str(address)))


def truth(value: object, default: bool) -> bool:  # noqa: FBT001  a default is no flag
    """A switch, in the words that collectors take."""
    if value is None:
        return default
    return str(value).strip().lower() in ("true", "on", "yes", "1", "t", "y")
