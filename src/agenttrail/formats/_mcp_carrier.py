"""What stands around an MCP message, and the fields that come from there.

Shared by the formats that carry MCP: the line a message stands on, its time, connection and
transport, and what of a line no field takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agenttrail import fields as f
from agenttrail.formats import _event, _jsonrpc, _mcp
from agenttrail.seams import Event, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """What is known of a message besides itself."""

    records: tuple[Record, ...]  # the line it stands on first, then lines that belong to it
    time: str  # RFC 3339 in UTC
    time_source: Literal["log", "neighbour", "read"]
    direction: Literal["c2s", "s2c"] | None = None
    server: str | None = None  # as the log names it
    connection: str = ""  # tells connections to one server apart
    session: str | None = None
    exchange: str | None = None  # HTTP exchange that it was part of
    fields: Mapping[str, Any] = field(default_factory=dict)  # transport and the like
    each: tuple[Mapping[str, Any], ...] = ()  # more of them, for each member of a batch
    headers: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)  # of the line, read by nobody
    cut: bool = False  # the end of the message is missing
    gap: bool = False  # something inside it is missing, its end is whole
    part: str = ""

    def with_part(self, part: str) -> Carrier:
        return with_changes(self, part=part)

    def of_member(self, number: int, *, last: bool) -> Carrier:
        """Of one member of a batch."""
        part = f"{self.part}.{number}" if self.part else str(number)
        more = self.each[number] if number < len(self.each) else {}
        fields = {**self.fields, **more} if more else self.fields
        return with_changes(self, part=part, cut=self.cut and last, fields=fields, each=())

    def with_extra(self, extra: Mapping[str, Any]) -> Carrier:
        return with_changes(self, extra=extra)

    def as_cut(self) -> Carrier:
        return with_changes(self, cut=True)


def unreadable(format_id: str, record: Record, error: str, *, neighbour: str | None) -> Event:
    """The event of a line that is not what its format expects, without a requestState in it.

    Args:
        format_id: stands in the event.
        record: the line.
        error: a short constant such as "not_json".
        neighbour: the time of the line before, if there is one.
    """
    event = _event.unreadable(
        format_id,
        record,
        error,
        timestamp=neighbour or record.time,
        time="neighbour" if neighbour else "read",
    )
    text = event.fields[f.SOURCE_RAW]["value"]
    return Event({**event.fields, f.SOURCE_RAW: {"value": _mcp.without_state(text)}}, event.origins)


def with_changes(carrier: Carrier, **changes: Any) -> Carrier:
    # dataclasses.replace() costs five times as much, on every message.
    made = object.__new__(Carrier)
    for name in Carrier.__slots__:
        value = changes[name] if name in changes else getattr(carrier, name)
        object.__setattr__(made, name, value)
    return made


def id_fields(message: Mapping[str, Any]) -> dict[str, Any]:
    key = _jsonrpc.id_key(message.get("id"))
    if key is None:
        return {f.JSONRPC_ID_TYPE: "null"} if "id" in message else {}
    if key[0] == "other":
        return {}
    return {f.JSONRPC_REQUEST_ID: key[1], f.JSONRPC_ID_TYPE: key[0]}


def merge(fields: dict[str, Any], answer: Mapping[str, Any]) -> None:
    """Adds what a response says; of two request states the later wins, the earlier is kept."""
    before = fields.get(f.MCP_REQUEST_STATE_HASH)
    meta = answer.get(_mcp.RESULT_META)
    fields.update(
        (name, value)
        for name, value in answer.items()
        if value is not None and name != _mcp.RESULT_META
    )
    kept: dict[str, Any] = {}
    if meta:
        kept["result"] = meta
    if before is not None and fields[f.MCP_REQUEST_STATE_HASH] != before:
        kept["requestStateHash"] = before
    if kept:
        fields[f.MCP_META] = {**fields.get(f.MCP_META, {}), **kept}


def leftovers(fields: dict[str, Any], side: str, message: Mapping[str, Any]) -> None:
    """Members of the envelope that have no field: kept under source.raw."""
    version = message.get("jsonrpc")
    if isinstance(version, str) and version not in ("2.0", ""):
        fields[f.JSONRPC_VERSION] = version
    known = ("jsonrpc", "id", "method", "params", "result", "error")
    left = {key: item for key, item in message.items() if key not in known}
    key = _jsonrpc.id_key(message.get("id"))
    if key is not None and key[0] == "other":
        left["id"] = message["id"]
    if side == "request" and ("result" in message or "error" in message):
        left.update((k, message[k]) for k in ("result", "error") if k in message)
    if side == "response" and "params" in message:
        left["params"] = message["params"]
    if left:
        keep_raw(fields, side, left)


def keep_raw(fields: dict[str, Any], name: str, value: Any) -> None:
    kept = _mcp.without_states(_mcp.without_blobs(value))
    fields[f.SOURCE_RAW] = {**fields.get(f.SOURCE_RAW, {}), name: kept}


def http_fields(request: Carrier | None, response: Carrier | None) -> dict[str, Any]:
    """Headers of both sides, those of the response under `response`, and the HTTP status."""
    headers = dict(request.headers) if request is not None else {}
    fields: dict[str, Any] = {}
    if response is not None:
        if response.headers:
            headers["response"] = dict(response.headers)
        if f.HTTP_STATUS in response.fields:
            fields[f.HTTP_STATUS] = response.fields[f.HTTP_STATUS]
    if headers:
        fields[f.MCP_HEADERS] = headers
    return fields


def joined(first: tuple[Record, ...], last: tuple[Record, ...]) -> tuple[Record, ...]:
    return tuple(dict.fromkeys(first + last))


def part_of(request: Carrier, response: Carrier) -> str:
    if not request.part and not response.part:
        return ""
    return f"{request.part}-{response.part}"


def duration(request: Carrier, response: Carrier) -> int | None:
    if request.time_source != "log" or response.time_source != "log":
        return None
    return _event.nanoseconds(request.time, response.time)
