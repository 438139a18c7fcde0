"""Bare JSON-RPC messages of MCP: one a line, or arrays of them, without direction, time or server.

    {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}
    {"jsonrpc":"2.0","id":1,"result":{"content":[]}}

It promises what `mcp_wire` promises of messages. A response is paired with a request of its typed id
that stands before it. The direction is told from the method where the method tells
(`sampling/createMessage` comes from a server, `tools/call` from a client). A `ts`, `timestamp` or
`time` beside the message is its time; without one, the time of reading stands.

MCP 2024-11-05 to 2026-07-28. Limits: client and server may both have a request of one id open; then
the response goes to the request whose kind of result it is, else to the later one. An array spread
over lines is read where each element has its own line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from agenttrail import jsontext
from agenttrail.errors import OptionError
from agenttrail.formats import _event, _jsonrpc
from agenttrail.formats._mcp_carrier import Carrier, unreadable
from agenttrail.formats._mcp_dialog import Dialog
from agenttrail.seams import Drop, Event, Record

_TIMES = ("ts", "timestamp", "time")


@dataclass(frozen=True, slots=True, kw_only=True)
class McpJsonrpcOptions:
    """Bare JSON-RPC lines or arrays of MCP messages, direction unknown."""

    type: ClassVar[str] = "mcp_jsonrpc"
    pending_max: Annotated[int, "Most unanswered requests held for a stream."] = 10_000

    def __post_init__(self) -> None:
        if self.pending_max < 1:
            raise OptionError("pending_max", "must be at least 1")

    def build(self) -> McpJsonrpcFormat:
        return McpJsonrpcFormat(self)


@dataclass(slots=True)
class _Stream:
    dialog: Dialog
    time: str | None = None


class McpJsonrpcFormat:
    """Turns lines of messages into events; a request waits for its response."""

    def __init__(self, options: McpJsonrpcOptions) -> None:
        self._options = options
        self._streams: dict[str, _Stream] = {}

    def __call__(self, record: Record, /) -> Iterable[Event]:
        text = record.data.strip()
        if not text:
            raise Drop("blank")
        if text in (b"[", b"]", b"],"):
            raise Drop("array_bracket")
        stream = self._streams.get(record.stream)
        if stream is None:
            dialog = Dialog("mcp_jsonrpc", pending_max=self._options.pending_max, reuse="any")
            stream = self._streams[record.stream] = _Stream(dialog)
        value, cut = _read(text)
        if value is None or (cut and not _jsonrpc.says_something(value)):
            return [unreadable("mcp_jsonrpc", record, "not_json", neighbour=stream.time)]
        if not _is_message(value):
            return [unreadable("mcp_jsonrpc", record, "unknown_shape", neighbour=stream.time)]
        return stream.dialog.message(_carrier(record, value, stream, cut=cut), value)

    def end(self, stream: str, /) -> Iterable[Event]:
        state = self._streams.pop(stream, None)
        return state.dialog.end() if state is not None else []


def sniff(lines: Sequence[bytes], path: str | None) -> int:  # noqa: ARG001
    """0 (not this) to 100 (certainly): how much these lines look like bare JSON-RPC."""
    stripped = [line.strip() for line in lines]
    read = [_read(line)[0] for line in stripped if line not in (b"", b"[", b"]", b"],")]
    if not read:
        return 0
    share = sum(_is_rpc(value) for value in read) / len(read)
    return 95 if share == 1 else round(80 * share)


def _is_rpc(value: Any) -> bool:
    """A message that says it is JSON-RPC, or an array that starts with one."""
    if isinstance(value, list):
        return bool(value) and _is_rpc(value[0])
    if not isinstance(value, dict) or not isinstance(value.get("jsonrpc"), str):
        return False
    return any(key in value for key in ("method", "result", "error", "id"))


def _is_message(value: Any) -> bool:
    members = value if isinstance(value, list) else [value]
    return any(isinstance(item, dict) and _jsonrpc.says_something(item) for item in members)


def _read(text: bytes) -> tuple[Any, bool]:
    """The value of a line, and whether its end is missing."""
    try:
        return jsontext.loads(text.removesuffix(b",")), False
    except ValueError:
        return _jsonrpc.read_cut(text.decode("utf-8", "replace")), True


def _carrier(record: Record, value: Any, stream: _Stream, *, cut: bool) -> Carrier:
    first = value[0] if isinstance(value, list) else value
    beside = first if isinstance(first, dict) else {}
    time = next((t for key in _TIMES if (t := _event.timestamp(beside.get(key)))), None)
    if time is not None:
        stream.time = time
    return Carrier(
        records=(record,),
        time=time or stream.time or record.time,
        time_source="log" if time else "neighbour" if stream.time else "read",
        cut=cut or record.truncated,
    )
