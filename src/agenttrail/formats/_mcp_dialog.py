"""Who said what to whom: pairs MCP requests with their responses and makes the events.

A `Dialog` follows one stream. A format reads its lines, puts what it knows around a message into a
`Carrier` and hands both over; the dialog answers with the events that are complete. Requests are
held until they are answered, responses never are.

Limits: at most `pending_max` requests of together `PENDING_BYTES` are held for a stream, the oldest
is let go first, as unanswered. What was learnt of a connection (names, versions, tool annotations)
is kept for the 1,000 connections seen last.
"""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from agenttrail import fields as f
from agenttrail.formats import _event, _jsonrpc, _mcp
from agenttrail.formats import _mcp_carrier as _carrier
from agenttrail.formats._mcp_carrier import Carrier
from agenttrail.seams import Event, Record

PENDING_BYTES = 64_000_000
_PEERS = 1_000
_TOOLS = 10_000
_CANCELLED = 1_000
_LEARNT = (
    f.MCP_SERVER_NAME,
    f.MCP_SERVER_VERSION,
    f.MCP_CLIENT_NAME,
    f.MCP_CLIENT_VERSION,
    f.MCP_PROTOCOL_VERSION,
)

# An id asked for again while it is open: "newest" lets the older request go (an id must not be
# used twice in a session, so the session is another one), "oldest" keeps both, first answer to the
# oldest (several processes of a server write to one log), "any" keeps both and looks at the answer.
Reuse = Literal["newest", "oldest", "any"]


@dataclass(slots=True)
class _Pending:
    carrier: Carrier
    message: Mapping[str, Any]
    method: str
    fields: dict[str, Any]
    peer: _Peer
    size: int


@dataclass(slots=True)
class _Peer:
    learnt: dict[str, Any] = field(default_factory=dict)
    tools: dict[str, dict[str, bool]] = field(default_factory=dict)


_Key = tuple[str, str, str | None, tuple[str, str]]  # server, connection, direction, id
_Group = tuple[str, str | None, str | None]  # of what, server, and which connection or exchange


class Dialog:
    """The state of one stream.

    Args:
        format_id: stands in every event.
        pending_max: most requests held.
        reuse: what an id means that is used again while it is open.
    """

    def __init__(self, format_id: str, *, pending_max: int, reuse: Reuse) -> None:
        self._format = format_id
        self._max = pending_max
        self._reuse = reuse
        self._pending: OrderedDict[int, _Pending] = OrderedDict()
        self._by_key: dict[_Key, list[int]] = {}
        # Open requests in order, by server, by connection and by HTTP exchange.
        self._open: dict[_Group, dict[int, None]] = {}
        self._count = 0
        self._bytes = 0
        self._peers: OrderedDict[tuple[str, str, str | None], _Peer] = OrderedDict()
        self._cancelled: OrderedDict[_Key, dict[str, Any]] = OrderedDict()

    # --- what a format calls ---------------------------------------------------------------------
    def message(self, carrier: Carrier, value: Any) -> list[Event]:
        """The events that a JSON value on the wire completes; an array is a batch (2025-03-26)."""
        if isinstance(value, list) and value:
            events: list[Event] = []
            for number, member in enumerate(value):
                last = number == len(value) - 1
                events += self._one(carrier.of_member(number, last=last), member)
            return events
        return self._one(carrier, value)

    def _one(self, carrier: Carrier, value: Any) -> list[Event]:
        kind = _jsonrpc.kind(value) if isinstance(value, dict) else None
        if kind is None or (
            carrier.cut and any(_jsonrpc.was_cut(value.get(key)) for key in ("method", "id"))
        ):
            return [self._unknown(carrier, value)]
        if kind == "notification" and carrier.cut and _mcp.is_request(value["method"]):
            return [self._without_id(carrier, value)]
        if kind == "request":
            return self._request(carrier, value)
        if kind == "notification":
            return self._notification(carrier, value)
        return [self._response(carrier, value)]

    def text(self, carrier: Carrier, action: str, text: str, **more: Any) -> Event:
        """The event of a line in words: stderr, a client's own log line, text that is no JSON."""
        peer = self._peer(carrier)
        fields = {
            **self._around(carrier, peer),
            f.EVENT_ACTION: action,
            f.MCP_MESSAGE_TYPE: "stderr" if action == "stderr" else "text",
            f.MESSAGE: _mcp.without_state(text) or None,
        }
        fields.update(more)
        return self._make(carrier.records, carrier, fields, type=("info",))

    def close(self, server: str | None, connection: str | None, *, reason: str) -> list[Event]:
        """The connection is over for certain: its open requests will never be answered."""
        group = ("server", server, None) if connection is None else ("connection", server, connection)  # fmt: skip
        return [self._unanswered(self._take(number), reason) for number in list(self._open.get(group, ()))]  # fmt: skip

    def fail(self, carrier: Carrier, error_type: str, reason: str | None) -> list[Event]:
        """The HTTP exchange of `carrier` ended without an answer: its requests failed."""
        if carrier.exchange is None:
            return []
        found = list(self._open.get(("exchange", carrier.server, carrier.exchange), ()))
        return [self._ended(self._take(number), carrier, error_type, reason) for number in found]

    def end(self) -> list[Event]:
        """The stream is over."""
        return [self._unanswered(self._take(number), None) for number in list(self._pending)]

    # --- requests --------------------------------------------------------------------------------
    def _request(self, carrier: Carrier, message: Mapping[str, Any]) -> list[Event]:
        method = message["method"]
        if carrier.direction is None:
            carrier = _carrier.with_changes(
                carrier, direction=_mcp.direction_of(method, request=True)
            )
        released: list[Event] = []
        if (
            method == "initialize"
            and carrier.direction != "s2c"
            and carrier.exchange is None
            and self._reuse != "oldest"
        ):
            released = self.close(carrier.server, carrier.connection, reason="initialised anew")
        peer = self._peer(carrier)
        fields = _mcp.of_request(method, message.get("params"))
        self._learn(peer, carrier, fields, of_session=method == "initialize")
        key = self._key(carrier, message)
        self._cancelled.pop(key, None)
        if self._reuse != "oldest":
            released += [
                self._unanswered(self._take(number), "its id was used again")
                for number in list(self._by_key.get(key, ()))
                if _same(self._pending[number].carrier, carrier, self._reuse)
            ]
        size = sum(len(record.data) for record in carrier.records)
        pending = _Pending(carrier, message, method, fields, peer, size)
        number = self._count
        self._count += 1
        self._pending[number] = pending
        self._by_key.setdefault(key, []).append(number)
        for group in _groups(carrier):
            self._open.setdefault(group, {})[number] = None
        self._bytes += size
        while len(self._pending) > self._max or self._bytes > PENDING_BYTES:
            oldest = next(iter(self._pending))
            released.append(self._unanswered(self._take(oldest), "too many requests were open"))
        return released

    def _without_id(self, carrier: Carrier, message: Mapping[str, Any]) -> Event:
        """A request that was cut before its id: no response can be known as its own."""
        peer = self._peer(carrier)
        told = _mcp.of_request(message["method"], message.get("params"))
        fields = self._of(_Pending(carrier, message, message["method"], told, peer, 0))
        fields[f.EVENT_REASON] = "The request was cut before its id."
        kinds = _mcp.event_type(message["method"], fields, answered=False)
        return self._make(carrier.records, carrier, fields, type=kinds)

    def _take(self, number: int) -> _Pending:
        pending = self._pending.pop(number)
        self._bytes -= pending.size
        key = self._key(pending.carrier, pending.message)
        numbers = self._by_key[key]
        del numbers[bisect.bisect_left(numbers, number)]
        if not numbers:
            del self._by_key[key]
        for group in _groups(pending.carrier):
            others = self._open[group]
            del others[number]
            if not others:
                del self._open[group]
        return pending

    def _unanswered(self, pending: _Pending, reason: str | None) -> Event:
        fields = self._of(pending)
        fields[f.ERROR_TYPE] = "no_response"  # a value of our own
        fields[f.EVENT_REASON] = reason
        kinds = _mcp.event_type(pending.method, fields, answered=False)
        return self._make(pending.carrier.records, pending.carrier, fields, type=kinds)

    def _ended(
        self, pending: _Pending, carrier: Carrier, error_type: str, reason: str | None
    ) -> Event:
        fields = self._of(pending) | _carrier.http_fields(pending.carrier, carrier)
        fields[f.EVENT_OUTCOME] = "failure"
        fields[f.ERROR_TYPE] = error_type
        fields[f.EVENT_REASON] = reason
        fields[f.EVENT_DURATION] = _carrier.duration(pending.carrier, carrier)
        kinds = _mcp.event_type(pending.method, fields, answered=True)
        records = _carrier.joined(pending.carrier.records, carrier.records)
        part = _carrier.part_of(pending.carrier, carrier)
        return self._make(
            records, _carrier.with_changes(pending.carrier, part=part), fields, type=kinds
        )

    # --- responses -------------------------------------------------------------------------------
    def _response(self, carrier: Carrier, message: Mapping[str, Any]) -> Event:
        found = self._find(carrier, message)
        if found is None:
            return self._orphan(carrier, message)
        pending = self._take(found)
        answer = _mcp.of_response(pending.method, message, cut=carrier.cut)
        self._learn(pending.peer, carrier, answer, of_session=pending.method == "initialize")
        if pending.method == "tools/list":
            self._learn_tools(pending, message.get("result"))
        fields = self._of(pending)
        _carrier.merge(fields, answer)
        fields.update(_carrier.http_fields(pending.carrier, carrier))
        fields[f.MCP_SESSION_ID] = pending.carrier.session or carrier.session
        fields[f.EVENT_DURATION] = _carrier.duration(pending.carrier, carrier)
        _carrier.leftovers(fields, "response", message)
        if carrier.extra:
            _carrier.keep_raw(fields, "response_line", dict(carrier.extra))
        kinds = _mcp.event_type(pending.method, fields, answered=True)
        both = _carrier.with_changes(
            pending.carrier,
            part=_carrier.part_of(pending.carrier, carrier),
            cut=pending.carrier.cut or carrier.cut,
            gap=pending.carrier.gap or carrier.gap,
        )
        records = _carrier.joined(pending.carrier.records, carrier.records)
        return self._make(records, both, fields, type=kinds)

    def _find(self, carrier: Carrier, message: Mapping[str, Any]) -> int | None:
        """The open request that a response answers: of its exchange, of its session, by age."""
        other: dict[Any, list[str | None]] = {"c2s": ["s2c", None], "s2c": ["c2s", None]}
        numbers = [
            number
            for direction in other.get(carrier.direction, ["c2s", "s2c", None])
            for number in self._by_key.get(self._key(carrier, message, direction), ())
        ]
        if not numbers:
            return None
        if self._reuse == "any":
            return max(numbers, key=lambda n: (_mcp.likeness(self._pending[n].method, message), n))
        carriers = {number: self._pending[number].carrier for number in numbers}
        if carrier.exchange is not None:
            same = [n for n in numbers if carriers[n].exchange == carrier.exchange]
            if same:
                return min(same)
        if carrier.session is not None:
            numbers = [n for n in numbers if carriers[n].session in (None, carrier.session)]
            known = [n for n in numbers if carriers[n].session is not None]
            numbers = known or numbers
        return min(numbers) if numbers else None

    def _orphan(self, carrier: Carrier, message: Mapping[str, Any]) -> Event:
        peer = self._peer(carrier)
        late = self._late(carrier, message)
        answer = _mcp.of_response(late.get(f.MCP_METHOD), message, cut=carrier.cut)
        self._learn(peer, carrier, answer, of_session=False)
        fields = {
            **self._around(carrier, peer),
            f.EVENT_ACTION: "response",
            f.MCP_MESSAGE_TYPE: "response",
            f.MCP_DIRECTION: carrier.direction,
            **_carrier.id_fields(message),
            **late,
        }
        _carrier.merge(fields, answer)
        fields.update(_carrier.http_fields(None, carrier))
        _carrier.leftovers(fields, "response", message)
        return self._make(carrier.records, carrier, fields, type=("info",))

    def _late(self, carrier: Carrier, message: Mapping[str, Any]) -> dict[str, Any]:
        for direction in ("c2s", "s2c", None):
            if direction != carrier.direction or direction is None:
                key = self._key(carrier, message, direction)
                if key in self._cancelled:
                    return self._cancelled.pop(key)
        return {}

    # --- notifications and the rest --------------------------------------------------------------
    def _notification(self, carrier: Carrier, message: Mapping[str, Any]) -> list[Event]:
        method = message["method"]
        if carrier.direction is None:
            carrier = _carrier.with_changes(
                carrier, direction=_mcp.direction_of(method, request=False)
            )
        peer = self._peer(carrier)
        told = _mcp.of_request(method, message.get("params"))
        self._learn(peer, carrier, told, of_session=False)
        fields = {
            **self._around(carrier, peer),
            f.EVENT_ACTION: method,
            f.MCP_MESSAGE_TYPE: "notification",
            f.MCP_DIRECTION: carrier.direction,
            **{name: value for name, value in told.items() if value is not None},
        }
        if carrier.server is not None:
            fields[f.MCP_SERVER_NAME] = carrier.server
        fields.update(_carrier.http_fields(carrier, None))
        _carrier.leftovers(fields, "request", message)
        events = [self._make(carrier.records, carrier, fields, type=("info",))]
        if method == "notifications/cancelled":
            events += self._cancel(carrier, message.get("params"))
        return events

    def _cancel(self, carrier: Carrier, params: Any) -> list[Event]:
        if not isinstance(params, dict) or _jsonrpc.id_key(params.get("requestId")) is None:
            return []
        named = {"id": params["requestId"]}
        directions = (carrier.direction, None) if carrier.direction else ("c2s", "s2c", None)
        for direction in directions:
            key = self._key(carrier, named, direction)
            numbers = [
                number
                for number in self._by_key.get(key, ())
                if self._pending[number].carrier.session in (None, carrier.session)
                or carrier.session is None
            ]
            if numbers:
                pending = self._take(numbers[-1] if self._reuse == "any" else numbers[0])
                self._cancelled[key] = {
                    f.MCP_METHOD: pending.method,
                    f.TOOL_NAME: pending.fields.get(f.TOOL_NAME),
                    f.EVENT_REASON: "late answer to a cancelled request",
                }
                while len(self._cancelled) > _CANCELLED:
                    self._cancelled.popitem(last=False)
                reason = _mcp.text_or_none(params.get("reason"))
                return [self._ended(pending, carrier, "cancelled", reason)]
        return []

    def _unknown(self, carrier: Carrier, value: Any) -> Event:
        fields = {
            **self._around(carrier, self._peer(carrier)),
            f.EVENT_ACTION: "unreadable",
            f.MCP_DIRECTION: carrier.direction,
            f.SOURCE_ERROR: "truncated" if carrier.cut else "unknown_shape",
        }
        if isinstance(value, dict):
            fields.update(_carrier.id_fields(value))
            if carrier.cut and _mcp.text_or_none(value.get("method")):
                fields[f.MCP_METHOD] = value["method"]
        _carrier.keep_raw(fields, "message", value)
        return self._make(
            carrier.records, carrier, fields, type=("info",), kind="pipeline_error"
        )  # fmt: skip

    # --- connections -----------------------------------------------------------------------------
    def _key(
        self, carrier: Carrier, message: Mapping[str, Any], *direction: str | None
    ) -> _Key:  # fmt: skip
        sender = direction[0] if direction else carrier.direction
        number = _jsonrpc.id_key(message.get("id")) or ("null", "")
        return carrier.server or "", carrier.connection, sender, number

    def _peer(self, carrier: Carrier) -> _Peer:
        """What is known of the connection; a session starts from what its initialize taught."""
        key = (carrier.server or "", carrier.connection, carrier.session)
        peer = self._peers.get(key)
        if peer is None:
            peer = _Peer()
            before = self._peers.get((key[0], key[1], None)) if carrier.session else None
            if before is not None:
                peer = _Peer(dict(before.learnt), dict(before.tools))
            self._peers[key] = peer
            while len(self._peers) > _PEERS:
                self._peers.popitem(last=False)
        else:
            self._peers.move_to_end(key)
        return peer

    def _learn(
        self, peer: _Peer, carrier: Carrier, fields: Mapping[str, Any], *, of_session: bool
    ) -> None:
        for name in _LEARNT:
            value = fields.get(name)
            if value is not None:
                peer.learnt[name] = value
        if of_session and carrier.session and self._peer(carrier) is not peer:
            self._peer(carrier).learnt.update(peer.learnt)

    def _learn_tools(self, pending: _Pending, result: Any) -> None:
        for name, hints in _mcp.tool_annotations(result):
            if name in pending.peer.tools or len(pending.peer.tools) < _TOOLS:
                pending.peer.tools[name] = hints

    # --- fields ----------------------------------------------------------------------------------
    def _around(self, carrier: Carrier, peer: _Peer) -> dict[str, Any]:
        fields = {**peer.learnt, **carrier.fields}
        if carrier.server is not None:
            fields[f.MCP_SERVER_NAME] = carrier.server
        fields[f.MCP_SESSION_ID] = carrier.session
        return fields

    def _of(self, pending: _Pending) -> dict[str, Any]:
        """The fields of a request as the connection is known now, not when it was sent."""
        carrier = pending.carrier
        fields = self._around(carrier, pending.peer)
        fields[f.MCP_MESSAGE_TYPE] = "request"
        fields[f.MCP_DIRECTION] = carrier.direction
        fields.update(_carrier.id_fields(pending.message))
        fields.update({k: v for k, v in pending.fields.items() if v is not None})
        fields[f.EVENT_ACTION] = fields.get(f.OPERATION_NAME, pending.method)
        if pending.method == "tools/call":
            fields.update(pending.peer.tools.get(fields.get(f.TOOL_NAME, ""), {}))
        if carrier.headers:
            fields[f.MCP_HEADERS] = dict(carrier.headers)
        _carrier.leftovers(fields, "request", pending.message)
        return fields

    def _make(
        self,
        records: Sequence[Record],
        carrier: Carrier,
        fields: dict[str, Any],
        *,
        type: tuple[str, ...],
        kind: str = "event",
    ) -> Event:
        fields[f.TIMESTAMP] = carrier.time
        fields[f.SOURCE_TIME] = carrier.time_source
        if carrier.fields.get(f.APPROVAL_OUTCOME) is not None:  # a gate refused it
            type = (type[0], "denied", *type[1:])  # noqa: A001  the name of ECS, as the argument
        if carrier.server is not None:
            fields[f.MCP_SERVER_NAME] = carrier.server
        if carrier.extra:
            _carrier.keep_raw(fields, "line", dict(carrier.extra))
        if carrier.cut or carrier.gap:
            fields[f.SOURCE_TRUNCATED] = True
        return _event.make(
            self._format, fields, *records, part=carrier.part, kind=kind, type=type
        )  # fmt: skip


def _same(old: Carrier, new: Carrier, reuse: Reuse) -> bool:
    """Whether two requests of one key cannot both be open."""
    return reuse == "any" or (old.session, old.exchange) == (new.session, new.exchange)


def _groups(carrier: Carrier) -> tuple[_Group, ...]:
    """What an open request of this carrier is ended with."""
    server = ("server", carrier.server, None)
    connection = ("connection", carrier.server, carrier.connection)
    if carrier.exchange is None:
        return server, connection
    return server, connection, ("exchange", carrier.server, carrier.exchange)
