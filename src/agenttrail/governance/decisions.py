"""Decisions on approvals, for who may still refuse a call: a JSON Lines file that people's systems append to.

    {"approval": "decision", "id": "apr-1f0c…", "at": "2026-11-25T02:00:00Z", "outcome": "allow",
     "approver": "lead@example.com", "channel": "expense reviewers", "expires": "2026-11-25T06:00:00Z"}

Lines are those of the format `approvals` (`agenttrail explain approvals`), so the same file can be read
into the audit log; requests in it are passed over. `id` is the one that a refused call was given: a
keyed hash of agent, server, tool and arguments. So a decision is for these arguments and no others, and
a call that is tried again has the same id. Instead of it a line may name `agent`, `server`, `tool` and
`arguments`. `agenttrail verdicts` appends what is handed in over HTTP.

Promises: the last decision on an id counts, and what cannot be read as a yes is none; each allows one
call, also where several processes ask (`FILE.used` says which were used, written and synced before the
call goes on). A `scope` of session or always needs `approvals.standing` in the policy, and is not used
up. The file and its companion have mode 0600: approvers are people.

Limits: flock(2), so not on a network disk without it. The last 100,000 ids are remembered.
"""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from agenttrail import jsontext
from agenttrail.errors import AgenttrailError
from agenttrail.governance.policy import ApprovalTerms

_MOST = 100_000
_YES = frozenset(("allow", "allowed", "approve", "approved", "accept", "accepted"))
_STANDING = ("session", "always")
# Agent, server, tool and arguments of a decision without an id, to an id.
Name = Callable[[str | None, str | None, str, Any], str]


class DecisionsError(AgenttrailError):
    """The file cannot be read or written: whether there is an approval is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What somebody decided."""

    approval: str
    outcome: Literal["allow", "deny"]
    time: datetime
    approver: str = ""
    source: str = "user"
    scope: str = "once"
    expires: datetime | None = None

    def holds(self, terms: ApprovalTerms, now: datetime) -> bool:
        """Whether it was made, and is not over."""
        if self.time > now + timedelta(seconds=terms.skew_s):
            return False
        return now <= (self.expires or self.time + timedelta(seconds=terms.valid_for_s))


class Decisions:
    """The decisions of a file, read on as it grows.

    Args:
        path: the file.
        name: gives the id of a call, for decisions that have none.
    """

    def __init__(self, path: str, name: Name) -> None:
        self.path = path
        self._name = name
        self._file = _Growing(path)
        self._used = _Growing(f"{path}.used")
        self._last: OrderedDict[str, Decision] = OrderedDict()
        self._taken: OrderedDict[str, None] = OrderedDict()

    def last(self, approval: str) -> Decision | None:
        """The last decision on an id, by its own time.

        Raises:
            DecisionsError: it cannot be told.
        """
        for line in self._file.new():
            decision = parsed(line, self._name)
            if decision is None:
                continue
            before = self._last.get(decision.approval)
            if before is None or before.time <= decision.time:
                _keep(self._last, decision.approval, decision)
        return self._last.get(approval)

    def claim(self, *decisions: Decision) -> int | None:
        """Uses each decision for one call, all of them or none. Returns when that is on disk.

        Returns:
            The place of the first that was used before, or stands twice among them; None where all
            are used now.

        Raises:
            DecisionsError: that cannot be written: the calls must not go on.
        """
        names = [
            None if d.scope in _STANDING else f"{d.approval} {d.time.isoformat()}"
            for d in decisions
        ]
        if not any(names):
            return None
        with self._used.alone():
            for line in self._used.new():
                _keep(self._taken, line.decode("utf-8", "replace"), None)
            for number, name in enumerate(names):
                if name is not None and (name in self._taken or name in names[:number]):
                    return number
            self._used.append(b"".join(name.encode() + b"\n" for name in names if name is not None))
            return None

    def hand_in(self, decision: Mapping[str, Any]) -> Decision | None:
        """Appends a decision; None where it is none.

        Raises:
            DecisionsError: it cannot be written.
        """
        line = jsontext.dumps(dict(decision))
        made = parsed(line, self._name)
        if made is not None:
            with self._file.alone():
                self._file.append(line + b"\n")
        return made


def allows(
    decision: Decision | None,
    terms: ApprovalTerms,
    now: datetime,
    *,
    owners: Collection[str] = (),
    approvers: Collection[str] = (),
) -> bool:
    """Whether a decision lets a call go on.

    Args:
        decision: the last one on the call.
        terms: of the policy.
        now: the clock.
        owners: names of the agent's business owner, who may not approve unless the terms say so.
        approvers: who may decide; empty: anybody.
    """
    if decision is None or decision.outcome != "allow" or not decision.holds(terms, now):
        return False
    who = decision.approver.casefold()
    if decision.source not in terms.sources:
        return False
    if decision.scope in _STANDING and not terms.standing:
        return False
    if not terms.owner_may_approve and who and who in {name.casefold() for name in owners}:
        return False
    return not approvers or who in {name.casefold() for name in approvers}


def parsed(line: bytes, name: Name) -> Decision | None:
    """The decision that a line holds; None where it holds none."""
    try:
        value = jsontext.loads(line)
    except ValueError:
        return None
    if not isinstance(value, dict) or value.get("approval") not in ("decision", "expiry"):
        return None
    time, expires = _moment(value.get("at")), _moment(value.get("expires"))
    approval = _id(value, name)
    if not approval or time is None or (value.get("expires") is not None and expires is None):
        return None
    yes = value["approval"] == "decision" and str(value.get("outcome")).strip().lower() in _YES
    return Decision(
        approval=approval, outcome="allow" if yes else "deny", time=time, expires=expires,
        approver=_text(value.get("approver")), source=_text(value.get("source")) or "user",
        scope=_text(value.get("scope")) or "once",
    )  # fmt: skip


def _id(value: dict[str, Any], name: Name) -> str:
    given = value.get("id")
    if isinstance(given, str) and 0 < len(given) <= 200:
        return given
    tool, arguments = value.get("tool"), value.get("arguments")
    if given is not None or not isinstance(tool, str) or not isinstance(arguments, dict):
        return ""
    return name(
        _text(value.get("agent")) or None, _text(value.get("server")) or None, tool, arguments
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _moment(value: Any) -> datetime | None:
    """RFC 3339 (without a zone: UTC), or seconds to nanoseconds since 1970, told apart by their size."""
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            scale = next(s for s in (1, 10**3, 10**6, 10**9) if abs(value) < 10**11 * s)
            return datetime.fromtimestamp(value / scale, UTC)
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError, StopIteration):
        return None
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment


def _keep(memory: OrderedDict[str, Any], key: str, value: Any) -> None:
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > _MOST:
        memory.popitem(last=False)


class _Growing:
    """A file that lines are appended to, read from where it was read last; begun anew where it shrank."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._place = (0, 0)  # inode, offset

    def new(self) -> list[bytes]:
        """Whole lines that came since; none where there is no file yet."""
        try:
            try:
                file = open(self._path, "rb")  # noqa: SIM115  closed below
            except FileNotFoundError:
                return []
            with file:
                found = os.fstat(file.fileno())
                offset = self._place[1] if self._place[0] == found.st_ino and found.st_size >= self._place[1] else 0  # fmt: skip
                if found.st_size == offset:
                    return []
                file.seek(offset)
                data = file.read()
        except OSError as error:
            raise self._failed("read", error) from None
        whole = data[: data.rfind(b"\n") + 1]
        self._place = (found.st_ino, offset + len(whole))
        return whole.splitlines()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """No other process of ours writes."""
        import fcntl

        try:
            descriptor = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._failed("written", error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def append(self, line: bytes) -> None:
        """Whole lines, on disk when this returns; one that another writer left unfinished is ended."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                if size and os.pread(descriptor, 1, size - 1) != b"\n":
                    line = b"\n" + line
                if os.write(descriptor, line) < len(line):
                    raise OSError(28, "No space left on device")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._failed("written", error) from None

    def _failed(self, what: str, error: OSError) -> DecisionsError:
        return DecisionsError(f"{self._path}: cannot be {what}: {error.strerror}")
