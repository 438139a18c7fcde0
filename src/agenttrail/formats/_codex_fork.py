"""Where the copied history ends in a forked Codex rollout.

A fork's file begins with its own `session_meta` (with `forked_from_id`), then the parent's lines as
they were, or stamped anew with the time of the copy, the parent's `session_meta` among them.
Counting them again would count the parent's tokens in every fork (ccusage issues 1371 and 1460).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agenttrail.formats import _event
from agenttrail.formats import _messages as m

_V7 = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
# A copy is written within this time; a person or a parent agent takes longer to start a turn.
_COPIED_WITHIN = timedelta(seconds=1)
_STARTS = frozenset(("task_started", "turn_started", "user_message"))


@dataclass(slots=True)
class Fork:
    """What is known of one rollout's descent."""

    known: bool = False  # its session_meta was seen
    forked: bool = False
    begun: bool = False  # a turn of its own has started
    copying: bool = False
    name: str | None = None
    made: str | None = None  # when the session was made
    written: str | None = None  # when its first line was
    lines: int = 0  # of its own, session_meta not counted

    def replays(self, kind: str, inner: str, payload: dict[str, Any], time: str | None) -> bool:
        """Whether this line belongs to the parent's history; to be asked of every line in order."""
        if kind == "session_meta":
            return self._meta(payload, time)
        replayed = self.forked and self._copied(kind, inner, payload, time)
        self.lines += not replayed
        return replayed

    def succeeded(self, payload: dict[str, Any]) -> bool:
        """Whether this session_meta begins another session in the same stream (rollouts joined)."""
        own = self.lines > 0 and (self.begun or not self.forked)
        return self.known and own and _name(payload) != self.name

    def _copied(self, kind: str, inner: str, payload: dict[str, Any], time: str | None) -> bool:
        if (
            not self.begun
            and time is not None
            and self.made is not None
            and _before(time, self.made)
        ):
            self.copying = True
            return True
        age = self._age(payload)
        if age == "older" and not self.begun:
            self.copying = True
        elif kind.startswith("inter_agent_communication") or age == "own":
            self._begin()
        elif kind == "turn_context" or inner in _STARTS:
            late = time is not None and self.written is not None and _after(time, self.written)
            if age is None and (late or not self.copying):
                self._begin()
        return self.copying

    def _begin(self) -> None:
        self.begun, self.copying = True, False

    def _meta(self, payload: dict[str, Any], time: str | None) -> bool:
        name = _name(payload)
        if not self.known:
            self.known, self.name = True, name
            self.made = _event.timestamp(payload.get("timestamp"))
            self.written = time
            spawned = "subagent" in m.mapping(payload.get("source"))
            self.forked = payload.get("forked_from_id") is not None
            self.begun = not self.forked and not spawned
            return False
        if name == self.name or (self.begun and self.forked):
            return False
        self.forked = self.copying = True
        self.begun = False
        return True

    def _age(self, payload: dict[str, Any]) -> str | None:
        """own, older, or None where the ids do not tell."""
        turn, session = _moment(payload.get("turn_id")), _moment(self.name)
        if turn is None or session is None:
            return None
        return "own" if turn >= session else "older"


def _name(payload: dict[str, Any]) -> str | None:
    return m.string(payload.get("id")) or m.string(payload.get("session_id"))


def _moment(name: Any) -> int | None:
    """Milliseconds since 1970 in a UUIDv7 (RFC 9562 section 5.7)."""
    match = _V7.fullmatch(name) if isinstance(name, str) else None
    return int(match[1] + match[2], 16) if match else None


def _before(time: str, limit: str) -> bool:
    return datetime.fromisoformat(time) < datetime.fromisoformat(limit)


def _after(time: str, start: str) -> bool:
    return datetime.fromisoformat(time) - datetime.fromisoformat(start) > _COPIED_WITHIN
