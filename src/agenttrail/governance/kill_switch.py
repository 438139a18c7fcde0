"""The kill switch: one JSON file that says what is stopped, for everything that can refuse a call.

    {"version": 1, "updated": "2026-11-25T02:00:00Z", "stopped": [
      {"scope": "agent", "target": "expense", "verdict": "stop", "since": "2026-11-25T02:00:00Z",
       "until": "2026-11-25T17:00:00Z", "by": "budget", "budget": "expense day",
       "category": "budget", "runbook": "https://wiki.example.com/stopped"}]}

One file a deployment; whoever runs agents reads it before a call (agenttrail's `tap --enforce` and
`verdicts` do). An entry without `until` holds until a person ends it; one with it ends by itself.
`verdict` is `stop`, or `require_approval` where calls may go on if a person agrees.

Promises: a reader sees the file before a change or after it, never between (written aside, synced,
renamed); writers wait for one another; what cannot be read is an error and never "nothing is stopped":
a missing file is one too. The file holds names of agents, tools, servers and budgets, no event content;
users stand in it as keyed hashes; tasks, and agents and departments that only a log names, as hashes
where the name could be a person's (`written_name`). Readers take a hash for the name that it is of.

Limits: POSIX locks, so not on a network file system that has none. At most 10,000 entries: of those
that end by themselves the first to end are let go.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from agenttrail import jsontext, shapes
from agenttrail.errors import AgenttrailError

Scope = Literal["all", "agent", "server", "tool", "department", "user", "task"]
# In the order in which they are named when several match.
SCOPES: tuple[Scope, ...] = ("all", "agent", "server", "tool", "department", "user", "task")
CATEGORIES = ("budget", "incident", "security", "quality", "maintenance", "other")
_MOST = 10_000
_TEXT = {"scope", "target", "verdict", "since", "by", "budget", "category", "runbook"}


class KillSwitchError(AgenttrailError):
    """The file cannot be read or written: what is stopped is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One thing that is stopped, or that a person must agree to. Times are RFC 3339 in UTC."""

    scope: Scope
    target: str  # its name; "" for all
    since: str
    by: Literal["budget", "person"]
    verdict: Literal["stop", "require_approval"] = "stop"
    until: str | None = None
    budget: str = ""
    category: str = "other"
    runbook: str = ""

    @property
    def what(self) -> tuple[str, str, str, str]:
        """What tells two entries apart."""
        return self.scope, self.target, self.verdict, self.budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is asked about, as far as it is known."""

    agent: str | None = None
    server: str | None = None
    tool: str | None = None
    department: str | None = None
    user: str | None = None  # as its keyed hash
    task: str | None = None


class KillSwitch:
    """Reads and changes the file.

    Args:
        path: the file.
        now: the clock.
    """

    def __init__(
        self, path: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.path = path
        self._now = now
        self._seen: tuple[int, int, int] | None = None
        self._stops: tuple[Stop, ...] = ()

    def stops(self) -> tuple[Stop, ...]:
        """What is stopped now. Cost: one `stat` where the file has not changed.

        Raises:
            KillSwitchError: it cannot be told.
        """
        try:
            found = os.stat(self.path)
            seen = (found.st_mtime_ns, found.st_ino, found.st_size)
            if seen != self._seen:
                self._stops = self._read()
                self._seen = seen
        except OSError as error:
            self._seen = None
            raise self._failed(f"cannot be read: {error.strerror}") from None
        now = _text(self._now())
        return tuple(stop for stop in self._stops if stop.until is None or now < stop.until)

    def verdict(self, call: Call) -> Stop | None:
        """The entry that holds for a call: a stop before one that asks for an approval.

        Raises:
            KillSwitchError: it cannot be told.
        """
        call = resolved(call)
        matching = [stop for stop in self.stops() if _matches(stop, call)]
        return min(
            matching,
            key=lambda stop: (stop.verdict != "stop", SCOPES.index(stop.scope)),
            default=None,
        )

    def create(self) -> None:
        """Makes the file, with nothing stopped, where there is none."""
        if not os.path.exists(self.path):
            self._change(lambda stops: stops)

    def stop(self, stop: Stop) -> bool:
        """Adds an entry; False where the same holds already, whose `since` stays."""
        changed = True

        def added(stops: Sequence[Stop]) -> Sequence[Stop]:
            nonlocal changed
            same = [old for old in stops if old.what == stop.what]
            if any(old.until is None or (stop.until is not None and old.until >= stop.until) for old in same):  # fmt: skip
                changed = False
                return stops
            since = min([stop.since, *(old.since for old in same)])
            return [*(old for old in stops if old not in same), replace(stop, since=since)]

        self._change(added)
        return changed

    def start(self, scope: Scope, target: str) -> tuple[Stop, ...]:
        """Takes away every entry of this scope and target; those that were there."""
        gone: list[Stop] = []

        def left(stops: Sequence[Stop]) -> Sequence[Stop]:
            gone.extend(stop for stop in stops if (stop.scope, stop.target) == (scope, target))
            return [stop for stop in stops if stop not in gone]

        self._change(left)
        return tuple(gone)

    def _change(self, change: Callable[[Sequence[Stop]], Sequence[Stop]]) -> None:
        now = _text(self._now())
        try:
            with _alone(f"{self.path}.lock"):
                before = self._read() if os.path.exists(self.path) else ()
                held = [stop for stop in before if stop.until is None or now < stop.until]
                after = list(change(held))
                if len(after) > _MOST:
                    lasting = [stop for stop in after if stop.until is None]
                    ending = sorted((s for s in after if s.until is not None), key=lambda s: s.until or "")  # fmt: skip
                    after = lasting + ending[len(after) - _MOST :]
                document = {"version": 1, "updated": now, "stopped": [_written(s) for s in after]}
                _replace(self.path, jsontext.dumps(document) + b"\n")
        except OSError as error:
            raise self._failed(f"cannot be written: {error.strerror}") from None

    def _read(self) -> tuple[Stop, ...]:
        with open(self.path, "rb") as file:
            data = file.read()
        try:
            document = jsontext.loads(data)
            if document["version"] != 1:
                raise ValueError
            return tuple(_stop(entry) for entry in document["stopped"])
        except (ValueError, KeyError, TypeError, OverflowError):
            raise self._failed("is no kill switch of this version") from None

    def _failed(self, what: str) -> KillSwitchError:
        return KillSwitchError(
            f"kill switch {self.path}: {what}",
            hint="agenttrail start --all --reason TEXT makes one in which nothing is stopped",
        )


def resolved(call: Call) -> Call:
    """The same call with the tool's own name, and its server where only the tool's name says it.

    Agents name the tools of MCP servers mcp__SERVER__TOOL.
    """
    if call.tool is None or not call.tool.startswith("mcp__"):
        return call
    if call.server and call.tool.startswith(prefix := f"mcp__{call.server}__"):
        return replace(call, tool=call.tool[len(prefix) :] or call.tool)
    server, _, tool = call.tool[5:].partition("__")
    return replace(call, server=call.server or server, tool=tool) if server and tool else call


_SEVEN_DIGITS = re.compile(r"(?:\d[^0-9A-Za-z]?){7}")


def written_name(name: str) -> str:
    """How a name from a log is written down: as it is, or as a hash where it is no identifier.

    A task's id, an agent's name or a department's may be an address, a number or a person's name.
    Without a key, as whoever reads a kill switch has to find it: a guess can be tried.
    """
    if shapes.MADE_ID.fits(name):
        return name
    if shapes.TOKEN.fits(name) and not _SEVEN_DIGITS.search(name):
        return name
    return hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _matches(stop: Stop, call: Call) -> bool:
    if stop.scope == "all":
        return True
    if stop.scope == "tool" and call.tool is not None:
        # As agents name the tools of MCP servers.
        return stop.target in (call.tool, f"mcp__{call.server}__{call.tool}")
    asked: str | None = getattr(call, stop.scope)
    if asked is None or stop.target == asked:
        return asked is not None
    return stop.scope in ("task", "agent", "department") and stop.target == written_name(asked)


def _stop(entry: Any) -> Stop:
    """An entry of the file; what it says must be understood in full, or the file is not.

    Raises:
        ValueError: it is no entry.
    """
    if not isinstance(entry, dict):
        raise ValueError
    until = entry.get("until")
    if set(entry) - _TEXT - {"until"} or not isinstance(until, str | None):
        raise ValueError
    if any(not isinstance(entry.get(name, ""), str) for name in _TEXT):
        raise ValueError
    stop = Stop(**entry)
    if stop.scope not in SCOPES or stop.verdict not in ("stop", "require_approval"):
        raise ValueError
    if until is None:
        return stop
    # As we write it: another zone's would be compared wrongly, and the stop end too early.
    moment = datetime.fromisoformat(until)
    return replace(stop, until=_text(moment if moment.tzinfo else moment.replace(tzinfo=UTC)))


def _written(stop: Stop) -> dict[str, Any]:
    return {name: value for name, value in asdict(stop).items() if value not in (None, "")} | {
        "target": stop.target
    }


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextlib.contextmanager
def _alone(path: str) -> Iterator[None]:
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: str, data: bytes) -> None:
    """The file's new content, all of it or nothing, and on disk when this returns."""
    folder = os.path.dirname(os.path.abspath(path))
    descriptor, aside = tempfile.mkstemp(prefix=".kill-switch-", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # Other runtimes read it under other accounts.
        os.chmod(aside, 0o644)
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)
