"""Decisions on approvals, for who may still refuse a call: a JSON Lines file that people's systems append to.

    {"approval": "apr-1f0c…", "decision": "allow", "time": "2026-11-25T02:00:00Z",
     "approver": "lead@example.com", "channel": "expense reviewers", "expires": "2026-11-25T06:00:00Z"}

`approval` is the id that a refused call was given: a keyed hash of agent, server, tool and arguments.
So a decision is for these arguments and no others, and a call that is tried again has the same id.
`agenttrail verdicts` appends what is handed in over HTTP; a ticket system may append by itself.

Promises: the last decision on an id counts; each allows one call, also where several processes ask
(`FILE.used` says which were used, written and synced before the call goes on). A line that cannot be
read is no decision. The file and its companion have mode 0600: approvers are people.

Limits: flock(2), so not on a network disk without it. The last 100,000 ids are remembered.
"""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from agenttrail import jsontext
from agenttrail.errors import AgenttrailError
from agenttrail.governance.policy import ApprovalTerms

_MOST = 100_000
_OUTCOMES: Mapping[str, Literal["allow", "deny"]] = {
    "allow": "allow", "approve": "allow", "approved": "allow", "accept": "allow",
    "deny": "deny", "denied": "deny", "reject": "deny", "rejected": "deny", "expired": "deny",
}  # fmt: skip


class DecisionsError(AgenttrailError):
    """The file cannot be read or written: whether there is an approval is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What somebody decided."""

    approval: str
    outcome: Literal["allow", "deny"]
    time: datetime
    approver: str = ""
    channel: str = ""
    expires: datetime | None = None

    def holds(self, terms: ApprovalTerms, now: datetime) -> bool:
        """Whether it was made, and is not over."""
        until = self.expires or self.time + timedelta(seconds=terms.valid_for_s)
        return self.time <= now + timedelta(seconds=terms.skew_s) and now <= until


class Decisions:
    """The decisions of a file, read on as it grows."""

    def __init__(self, path: str) -> None:
        self.path = path
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
            decision = parsed(line)
            if decision is None:
                continue
            before = self._last.get(decision.approval)
            if before is None or before.time <= decision.time:
                _keep(self._last, decision.approval, decision)
        return self._last.get(approval)

    def claim(self, decision: Decision) -> bool:
        """Uses a decision for one call; False where it was used before. Returns when that is on disk.

        Raises:
            DecisionsError: that cannot be written: the call must not go on.
        """
        name = f"{decision.approval} {decision.time.isoformat()}"
        with self._used.alone():
            for line in self._used.new():
                _keep(self._taken, line.decode("utf-8", "replace"), None)
            if name in self._taken:
                return False
            self._used.append(name.encode() + b"\n")
            return True

    def hand_in(self, decision: Mapping[str, Any]) -> Decision | None:
        """Appends a decision; None where it is none.

        Raises:
            DecisionsError: it cannot be written.
        """
        line = jsontext.dumps(dict(decision))
        made = parsed(line)
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
    if "user" not in terms.sources:
        return False
    if not terms.owner_may_approve and who and who in {name.casefold() for name in owners}:
        return False
    return not approvers or who in {name.casefold() for name in approvers}


def parsed(line: bytes) -> Decision | None:
    """The decision that a line holds; None where it holds none."""
    try:
        value = jsontext.loads(line)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    approval, outcome = value.get("approval"), _OUTCOMES.get(str(value.get("decision")).lower())
    time, expires = _moment(value.get("time")), _moment(value.get("expires"))
    if not isinstance(approval, str) or not approval or len(approval) > 200 or outcome is None or time is None:  # fmt: skip
        return None
    if value.get("expires") is not None and expires is None:
        return None
    who, channel = value.get("approver"), value.get("channel")
    return Decision(
        approval=approval, outcome=outcome, time=time, expires=expires,
        approver=who if isinstance(who, str) else "", channel=channel if isinstance(channel, str) else "",
    )  # fmt: skip


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    # A time without a zone may be off by hours: it is no time to rely on.
    return None if moment.tzinfo is None else moment.astimezone(UTC)


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
        """One line, on disk when this returns; a line that another writer left unfinished is ended."""
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
