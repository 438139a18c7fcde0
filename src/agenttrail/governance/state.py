"""What an enricher remembers between events and over restarts, exactly once for every event.

Values live in SQLite, one table a scope. Changes are held in memory until `save`, which writes them in
one transaction together with the ids of the events that they come from. The runner saves after every
sink has a batch and before its positions are committed; a run that was killed in between gives these
events again, in batches of other sizes and among new ones, and `seen` tells them, so that nothing is
counted twice and nothing is lost.

    batch delivered -> save (changes + ids, one transaction) -> positions committed

Memory holds the changes of one batch and at most `remembered` values read lately; the rest is on disk.
Without a path all of it is in memory and ends with the process.

Limits: one process writes a scope at a time (a second one is refused); a clock is not used, `prune`
goes by the times that callers give. Values are JSON; the file has mode 0600, and callers put hashes
of personal data into it, never the data.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from agenttrail import jsontext
from agenttrail.errors import AgenttrailError

_MISSING: Any = object()
# Runs whose last batch is remembered: a killed one's may come again in any later run.
_RUNS = 100


class StateError(AgenttrailError):
    """The state file cannot be read or written."""


class State:
    """A dictionary of JSON values by text keys that survives `kill -9`; see the module.

    Args:
        path: the SQLite file, made where it is missing; None keeps all in memory.
        scope: name of this dictionary in the file: lower case letters and underscores.
        remembered: how many values read or written lately are kept in memory.

    Raises:
        StateError: the file cannot be opened, is no state file, or is in use for this scope.
    """

    def __init__(self, path: str | None, scope: str, *, remembered: int = 10_000) -> None:
        if not scope.replace("_", "").isalpha() or scope != scope.lower():
            raise ValueError(f"not a scope: {scope}")
        self._path, self._scope, self._most = path or "memory", scope, remembered
        self._changed: dict[str, tuple[Any, float]] = {}
        self._known: OrderedDict[str, Any] = OrderedDict()
        self._batch: set[str] = set()
        self._lock: int | None = None
        try:
            if path is not None:
                self._lock = _only_writer(f"{path}.{scope}.lock")
                # Made by us first, so that nobody else can read it at any time.
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            # Only one thread uses it at a time; the server of verdicts is not the one that opened it.
            self._db = sqlite3.connect(path or ":memory:", timeout=30, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute(
                f"CREATE TABLE IF NOT EXISTS {scope}"
                " (key TEXT PRIMARY KEY, value BLOB, at REAL) WITHOUT ROWID"
            )
            self._db.execute(f"CREATE INDEX IF NOT EXISTS {scope}_at ON {scope} (at)")
            # A run's last batch: the ids of its events as one value, which costs less than a row each.
            self._db.execute(
                f"CREATE TABLE IF NOT EXISTS {scope}_last (run INTEGER PRIMARY KEY, ids BLOB)"
            )
            self._db.execute(
                f"DELETE FROM {scope}_last WHERE run NOT IN"  # noqa: S608  a checked name
                f" (SELECT run FROM {scope}_last ORDER BY run DESC LIMIT {_RUNS})"
            )
            self._db.commit()
            saved = self._db.execute(f"SELECT run, ids FROM {scope}_last").fetchall()  # noqa: S608
            # What earlier runs saved last and may give again.
            self._left = {name for _, ids in saved for name in jsontext.loads(ids)}
            self._run = 1 + max((run for run, _ in saved), default=0)
        except (sqlite3.Error, OSError) as error:
            raise self._failed("cannot be opened", error) from None

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key; a JSON value of the caller's own to change and `put` back."""
        if key in self._changed:
            value = self._changed[key][0]
            return default if value is _MISSING else value
        if key in self._known:
            self._known.move_to_end(key)
            value = self._known[key]
        else:
            row = self._read(f"SELECT value FROM {self._scope} WHERE key = ?", key)  # noqa: S608
            value = _MISSING if row is None else jsontext.loads(row[0])
            self._remember(key, value)
        return default if value is _MISSING else value

    def put(self, key: str, value: Any, *, at: float = 0.0) -> None:
        """Sets a value. `at` is the time that `prune` goes by, in seconds of any one clock."""
        self._changed[key] = (value, at)

    def delete(self, key: str) -> None:
        """Forgets a key; one that is not there is no error."""
        self._changed[key] = (_MISSING, 0.0)

    def items(self, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """All keys that begin with `prefix`, sorted, with their values. Reads the disk."""
        rows = self._all(
            f"SELECT key, value FROM {self._scope} WHERE key >= ? AND key < ? ORDER BY key",  # noqa: S608
            prefix,
            prefix + "\U0010ffff",
        )
        stored = {key: value for key, value in rows if key not in self._changed}
        fresh = {k: v for k, (v, _) in self._changed.items() if k.startswith(prefix)}
        for key in sorted({*stored, *fresh}):
            value = fresh[key] if key in fresh else jsontext.loads(stored[key])
            if value is not _MISSING:
                yield key, value

    def seen(self, event_id: str) -> bool:
        """True where the event was saved by a run that ended before it could commit: skip it.

        Otherwise notes that the event is being counted now. Ask once an event.
        """
        # What was known belongs to the batch at hand now, and is saved with it again.
        self._batch.add(event_id)
        return event_id in self._left

    def save(self) -> None:
        """Writes all changes and the ids that they come from, at once and durably.

        Raises:
            StateError: the disk would not take it; nothing of it is written.
        """
        if not self._changed and not self._batch:
            return
        changed = [
            (key, jsontext.dumps(value), at)
            for key, (value, at) in self._changed.items()
            if value is not _MISSING
        ]
        gone = [(key,) for key, (value, _) in self._changed.items() if value is _MISSING]
        scope = self._scope
        try:
            with self._db:
                self._db.executemany(f"DELETE FROM {scope} WHERE key = ?", gone)  # noqa: S608
                self._db.executemany(f"INSERT OR REPLACE INTO {scope} VALUES (?, ?, ?)", changed)  # noqa: S608
                if self._batch:
                    self._db.execute(
                        f"INSERT OR REPLACE INTO {scope}_last VALUES (?, ?)",  # noqa: S608
                        (self._run, jsontext.dumps(list(self._batch))),
                    )
        except sqlite3.Error as error:
            raise self._failed("cannot be written", error) from None
        for key, (value, _) in self._changed.items():
            self._remember(key, value)
        self._changed.clear()
        self._batch = set()

    def prune(self, before: float) -> int:
        """Forgets all saved values whose `at` is before this time; how many there were."""
        try:
            with self._db:
                gone = self._db.execute(
                    f"DELETE FROM {self._scope} WHERE at < ? RETURNING key",  # noqa: S608
                    (before,),
                ).fetchall()
        except sqlite3.Error as error:
            raise self._failed("cannot be written", error) from None
        for (key,) in gone:
            self._known.pop(key, None)
        return len(gone)

    def discard(self, keys: Iterable[str]) -> None:
        """Forgets saved values at once, apart from the batch at hand."""
        gone = [key for key in keys if key not in self._changed]
        try:
            with self._db:
                self._db.executemany(
                    f"DELETE FROM {self._scope} WHERE key = ?",  # noqa: S608
                    [(key,) for key in gone],
                )
        except sqlite3.Error as error:
            raise self._failed("cannot be written", error) from None
        for key in gone:
            self._known.pop(key, None)

    def close(self) -> None:
        """Lets go of the file; what is not saved is forgotten."""
        self._db.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _remember(self, key: str, value: Any) -> None:
        self._known[key] = value
        self._known.move_to_end(key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    def _read(self, query: str, *values: str) -> Any:
        rows = self._all(query, *values)
        return rows[0] if rows else None

    def _all(self, query: str, *values: str) -> list[Any]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed("cannot be read", error) from None

    def _failed(self, what: str, error: Exception) -> StateError:
        # SQLite's own words never hold values; a path is the caller's.
        reason = getattr(error, "strerror", None) or str(error)
        return StateError(
            f"state {self._path}: {what}: {reason}", hint="is the disk full, or the file in use?"
        )


def peek(path: str, scope: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """What is saved under keys that begin with `prefix`, sorted; also while another process writes.

    Raises:
        StateError: the file cannot be read, or has no such scope.
    """
    query = f"SELECT key, value FROM {scope} WHERE key >= ? AND key < ? ORDER BY key"  # noqa: S608  a name of ours
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=30)
        ) as db:
            for key, value in db.execute(query, (prefix, prefix + "\U0010ffff")):
                yield key, jsontext.loads(value)
    except sqlite3.Error as error:
        raise StateError(f"state {path}: cannot be read: {error}") from None


def _only_writer(path: str) -> int:
    """Holds a lock file for as long as the process lives; OSError where another one has it."""
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
