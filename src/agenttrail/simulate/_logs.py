"""What the writers of logs share: times, files in memory, and JSON as these programs write it."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import orjson


def rfc3339(ms: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC."""
    whole, rest = divmod(ms, 1000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03}Z"


def day(ms: int) -> str:
    """The day of a time, in UTC."""
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%d}"


def text(value: Any) -> str:
    """JSON in a string."""
    return orjson.dumps(value).decode()


class Files:
    """Lines by file name, put in the order of their times when they are taken."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[int, int, bytes]]] = defaultdict(list)
        self._count = 0

    def add(self, name: str, at: int, row: Any) -> None:
        """A row of a file; rows of one time keep the order in which they came."""
        self._count += 1
        self._rows[name].append((at, self._count, orjson.dumps(row)))

    def take(self) -> dict[str, bytes]:
        """The files' content, by name."""
        return {
            name: b"".join(line + b"\n" for _, _, line in sorted(rows, key=lambda r: r[:2]))
            for name, rows in sorted(self._rows.items())
        }
