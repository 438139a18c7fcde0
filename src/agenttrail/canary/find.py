"""What a destination holds: JSON Lines and OTLP files from where they ended, or Elasticsearch.

Only what came after the start is read of files. Records are given to the judge and nowhere else.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, Protocol

from agenttrail.canary.judge import Arrived
from agenttrail.errors import Unreachable

_HITS = 2000
_CHUNK = 1 << 20


class Destination(Protocol):
    """New records since the last call; the same one may come again."""

    def read(self) -> Iterator[Arrived]: ...


class FileDestination:
    """A file that grows: each whole line is one JSON value, or a text where it is none.

    Args:
        path: it need not exist yet.
        otlp: a line is an OTLP request, each of its parts a record.
        name: what places are called by, instead of the path.
    """

    def __init__(self, path: str, *, otlp: bool = False, name: str = "") -> None:
        self.path, self._otlp, self._name = path, otlp, name or path
        self._inode, self._at, self._line = 0, 0, 0
        self._rest = b""
        try:
            there = os.stat(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise Unreachable(f"{path} cannot be read: {error.strerror}") from None
        self._inode, self._at = there.st_ino, there.st_size
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                self._line += chunk.count(b"\n")

    def read(self) -> Iterator[Arrived]:
        try:
            with open(self.path, "rb") as file:
                there = os.fstat(file.fileno())
                if there.st_ino != self._inode or there.st_size < self._at:
                    self._inode, self._at, self._line, self._rest = there.st_ino, 0, 0, b""
                file.seek(self._at)
                data = self._rest + file.read()
                self._at = file.tell()
        except FileNotFoundError:
            return
        except OSError as error:
            raise Unreachable(f"{self.path} cannot be read: {error.strerror}") from None
        *lines, self._rest = data.split(b"\n")
        for line in lines:
            self._line += 1
            yield from self.records(line, f"{self._name}:{self._line}")

    def records(self, line: bytes, place: str) -> Iterator[Arrived]:
        """The records of one line."""
        text = line.decode("utf-8", "replace")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        if self._otlp and isinstance(value, dict):
            yield from (Arrived(place, part) for part in split_otlp(value))
        else:
            yield Arrived(place, value)


def split_otlp(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each log record and span of an OTLP/JSON request, with its resource and scope."""
    for groups, scopes, items in (
        ("resourceLogs", "scopeLogs", "logRecords"), ("resourceSpans", "scopeSpans", "spans"),
    ):  # fmt: skip
        for group in request.get(groups) or ():
            for scope in group.get(scopes) or ():
                for item in scope.get(items) or ():
                    yield {
                        "resource": group.get("resource"),
                        "scope": scope.get("scope"),
                        "item": item,
                    }


class ElasticsearchDestination:
    """Documents of an index pattern that hold the run's word, and the newest ones beside them.

    Searched by the word in every field that is indexed; fields that are not indexed are read in the
    newest documents since the start (`@timestamp`).

    Args:
        url: address without credentials.
        run: the run's word.
        since: when the run began, RFC 3339.
    """

    def __init__(
        self, url: str, index: str, run: str, since: str, *,
        user: str = "", password: str = "", api_key: str = "", ca_file: str | None = None,
    ) -> None:  # fmt: skip
        self._url = (
            f"{url.rstrip('/')}/{index}/_search?ignore_unavailable=true&allow_no_indices=true"
        )
        self._headers = {"Content-Type": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"ApiKey {api_key}"
        elif user:
            pair = base64.b64encode(f"{user}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
        try:
            self._tls = (
                ssl.create_default_context(cafile=ca_file) if url.startswith("https") else None
            )
        except OSError as error:
            raise Unreachable(f"{ca_file} cannot be read: {error.strerror}") from None
        by_word = {"query_string": {"query": f"*{run}*", "fields": ["*"], "lenient": True}}
        newest = {"range": {"@timestamp": {"gte": since}}}
        self._queries: list[dict[str, Any]] = [
            {"size": _HITS, "query": by_word},
            {"size": _HITS, "query": newest, "sort": [{"@timestamp": {"order": "desc", "unmapped_type": "date"}}]},
        ]  # fmt: skip

    def read(self) -> Iterator[Arrived]:
        seen = set()
        for query in self._queries:
            for hit in self._search(query):
                place = f"{hit['_index']}/{hit['_id']}"
                if place not in seen:
                    seen.add(place)
                    yield Arrived(place, hit.get("_source") or {})

    def _search(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        request = urllib.request.Request(self._url, json.dumps(query).encode(), self._headers)  # noqa: S310  checked
        try:
            with urllib.request.urlopen(request, timeout=30, context=self._tls) as answer:  # noqa: S310
                found = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            error.close()
            raise Unreachable(f"Elasticsearch answered {error.code}") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise Unreachable(f"Elasticsearch cannot be reached: {getattr(reason, 'strerror', None) or type(reason).__name__}") from None  # fmt: skip
        hits: list[dict[str, Any]] = found["hits"]["hits"]
        return hits
