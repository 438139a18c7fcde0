"""Captures of MCP traffic: JSON Lines with a line for each message or HTTP exchange part.

    {"ts": …, "server": "files", "dir": "c2s" | "s2c" | "stderr", "raw": "<the line on the wire>"}

`msg` (the parsed message) may stand for `raw`; `ts` (RFC 3339, or seconds, milli-, micro- or
nanoseconds since 1970) and `server` may be missing; `conn` tells connections to one server apart and
`session` is the MCP session. A Streamable HTTP capture adds `i` (number of the exchange), `http`
(method), `uri`, `status`, `sse`, `headers`, and `closed: true` where an event stream ended; its
`raw` may be a whole SSE body. `agent` names who calls. `gate` stands on a request that `agenttrail tap
--enforce` refused: verdict, basis, names of rules, id of the approval that it lacks; its event is
denied. Of a batch it is a list, with an entry or null for each member. This is what `agenttrail tap --raw` writes.

It promises: one request with its response is one event; a notification, an unanswered request, a
response that nobody asked for, a stderr line and a text that is no JSON are one event each; members
of a batch (MCP 2025-03-26) are told apart. A `raw` cut before its end is read as far as it goes and
marked `agenttrail.source.truncated`. The value of `requestState` and base64 content never come out,
their hashes do. Credentials in HTTP headers are left out.

MCP 2024-11-05 to 2025-11-25 (initialize, sessions, requests from the server) and 2026-07-28
(`_meta` with every request, input_required, tasks as an extension).

Limits: an exchange's `uri` is remembered for the last 10,000 exchanges. Of several `initialize` on
HTTP none ends another client's requests. See `_mcp` and `_mcp_dialog` for the rest.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from agenttrail import fields as f
from agenttrail import jsontext
from agenttrail.errors import OptionError
from agenttrail.formats import _event, _jsonrpc
from agenttrail.formats._mcp_carrier import Carrier, unreadable
from agenttrail.formats._mcp_dialog import Dialog
from agenttrail.seams import Drop, Event, Record

_DIRECTIONS = ("c2s", "s2c", "stderr")
_HTTP = ("i", "http", "status", "sse", "uri", "headers", "closed")
_KNOWN = frozenset(
    {
        "ts",
        "server",
        "dir",
        "raw",
        "msg",
        "conn",
        "connection",
        "session",
        "session_id",
        "agent",
        "gate",
        *_HTTP,
    }
)
_EXCHANGES = 10_000
_ENCODED = re.compile(r"=\?base64\?([A-Za-z0-9+/_=-]*)\?=")  # MCP 2026-07-28, Transports
_CREDENTIALS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"}
)
_SSE = re.compile(r"(?:data|event|id|retry)?:")


@dataclass(frozen=True, slots=True, kw_only=True)
class McpWireOptions:
    """Captured MCP traffic (stdio or Streamable HTTP), as `agenttrail tap --raw` writes it."""

    type: ClassVar[str] = "mcp_wire"
    pending_max: Annotated[int, "Most unanswered requests held for a stream."] = 10_000

    def __post_init__(self) -> None:
        if self.pending_max < 1:
            raise OptionError("pending_max", "must be at least 1")

    def build(self) -> McpWireFormat:
        return McpWireFormat(self)


@dataclass(slots=True)
class _Stream:
    dialog: Dialog
    time: str | None = None
    uri: str = ""
    exchanges: OrderedDict[str, str] = field(default_factory=OrderedDict)


class McpWireFormat:
    """Turns lines of a capture into events; a request waits for its response."""

    def __init__(self, options: McpWireOptions) -> None:
        self._options = options
        self._streams: dict[str, _Stream] = {}

    def __call__(self, record: Record, /) -> Iterable[Event]:
        if not record.data.strip():
            raise Drop("blank")
        stream = self._stream(record.stream)
        line, cut = _read(record.data)
        if not isinstance(line, dict) or not _is_wire(line):
            error = "unknown_shape" if line is not None and not cut else "not_json"
            return [unreadable("mcp_wire", record, error, neighbour=stream.time)]
        carrier = _carrier(record, line, stream, cut=cut or record.truncated)
        if not any(key in line for key in ("raw", "msg")):
            return _bare(carrier, line, stream)
        return _message(carrier, line, stream)

    def end(self, stream: str, /) -> Iterable[Event]:
        state = self._streams.pop(stream, None)
        return state.dialog.end() if state is not None else []

    def _stream(self, name: str) -> _Stream:
        stream = self._streams.get(name)
        if stream is None:
            dialog = Dialog("mcp_wire", pending_max=self._options.pending_max, reuse="newest")
            stream = self._streams[name] = _Stream(dialog)
        return stream


def sniff(lines: Sequence[bytes], path: str | None) -> int:  # noqa: ARG001
    """0 (not this) to 100 (certainly): how much these lines look like a capture."""
    read = [_read(line)[0] for line in lines if line.strip()]
    if not read:
        return 0
    share = sum(isinstance(line, dict) and _is_wire(line) for line in read) / len(read)
    return 98 if share == 1 else round(90 * share)


def _read(data: bytes) -> tuple[Any, bool]:
    """The value of a line and whether its end is missing; (None, True) where nothing is readable."""
    try:
        return jsontext.loads(data), False
    except ValueError:
        return _jsonrpc.read_cut(data.decode("utf-8", "replace")), True


def _is_wire(line: Mapping[str, Any]) -> bool:
    return line.get("dir") in _DIRECTIONS and any(
        key in line for key in ("raw", "msg", "status", "http", "closed")
    )


# --- what stands around a message ----------------------------------------------------------------
def _carrier(record: Record, line: Mapping[str, Any], stream: _Stream, *, cut: bool) -> Carrier:
    time = _event.timestamp(line.get("ts"))
    if time is not None:
        stream.time = time
    fields: dict[str, Any] = {f.NETWORK_TRANSPORT: "pipe"}
    headers: dict[str, Any] = {}
    session = _word(line.get("session")) or _word(line.get("session_id"))
    exchange = None
    uri = ""
    if any(key in line for key in _HTTP):
        fields = {f.NETWORK_TRANSPORT: "tcp", f.NETWORK_PROTOCOL: "http"}
        number = _jsonrpc.id_key(line.get("i"))
        exchange = number[1] if number is not None else None
        uri = _uri(line.get("uri"), exchange, stream)
        fields.update(_address(uri))
        fields[f.HTTP_METHOD] = _word(line.get("http"))
        status = line.get("status")
        if isinstance(status, int) and not isinstance(status, bool):
            fields[f.HTTP_STATUS] = status
        headers = _headers(line.get("headers"))
        session = session or _take(headers, "mcp-session-id")
        fields[f.MCP_PROTOCOL_VERSION] = _find(headers, "mcp-protocol-version")
    named = _word(line.get("conn")) or _word(line.get("connection"))
    fields[f.AGENT_NAME] = _word(line.get("agent"))
    said = line.get("gate")
    fields |= _gate(said)
    return Carrier(
        records=(record,),
        time=time or stream.time or record.time,
        time_source="log" if time else "neighbour" if stream.time else "read",
        direction=line["dir"] if line["dir"] != "stderr" else None,
        server=_word(line.get("server")),
        connection=named or uri,
        session=session,
        exchange=exchange,
        fields={name: value for name, value in fields.items() if value is not None},
        headers=headers,
        each=tuple(_gate(one) for one in said) if isinstance(said, list) else (),
        extra={key: value for key, value in line.items() if key not in _KNOWN},
        cut=cut,
    )


def _gate(value: Any) -> dict[str, Any]:
    """What a gate said of a request; only words of ours are taken over."""
    if not isinstance(value, dict):
        return {}
    names = {
        "verdict": f.POLICY_VERDICT, "basis": f.POLICY_BASIS, "version": f.POLICY_VERSION,
        "approval": f.APPROVAL_ID, "channel": f.APPROVAL_CHANNEL, "scope": f.CONTROL_SCOPE,
        "target": f.CONTROL_TARGET,
    }  # fmt: skip
    found: dict[str, Any] = {
        to: value[name] for name, to in names.items() if isinstance(value.get(name), str)
    }
    for name, to in (("rules", f.POLICY_RULES), ("findings", f.POLICY_FINDINGS)):
        items = value.get(name)
        if isinstance(items, list) and items and all(isinstance(item, str) for item in items):
            found[to] = items
    if value.get("unjudged") is True:
        found[f.EVENT_REASON] = "no verdict could be had; let pass, as configured"
    elif value.get("refused") is True:
        asks = found.get(f.POLICY_VERDICT) == "require_approval"
        found[f.APPROVAL_OUTCOME] = "require_approval" if asks else "deny"
        found[f.APPROVAL_SOURCE] = "policy"
        if asks:
            found[f.APPROVAL_STAGE] = "request"
    return found


def _word(value: Any) -> str | None:
    """A string, or a number as one: captures number their connections."""
    if isinstance(value, str):
        return value or None
    key = _jsonrpc.id_key(value)
    return key[1] if key is not None and key[0] == "number" else None


def _uri(value: Any, exchange: str | None, stream: _Stream) -> str:
    """The address that a line belongs to: its own, its exchange's, or the one seen last."""
    if isinstance(value, str) and value:
        stream.uri = value
        if exchange is not None:
            stream.exchanges[exchange] = value
            stream.exchanges.move_to_end(exchange)
            while len(stream.exchanges) > _EXCHANGES:
                stream.exchanges.popitem(last=False)
        return value
    return stream.exchanges.get(exchange, stream.uri) if exchange is not None else stream.uri


def _address(uri: str) -> dict[str, Any]:
    if not uri:
        return {}
    try:
        parts = urlsplit(uri)
        return {f.URL_FULL: uri, f.SERVER_ADDRESS: parts.hostname, f.SERVER_PORT: parts.port}
    except ValueError:
        return {f.URL_FULL: uri}


def _headers(value: Any) -> dict[str, Any]:
    """Headers as an object, base64 values decoded, credentials left out."""
    if isinstance(value, list):  # pairs, as ASGI and HAR write them
        value = {
            str(pair[0]): pair[1] for pair in value if isinstance(pair, list) and len(pair) == 2
        }
    if not isinstance(value, dict):
        return {}
    return {
        name: "[removed]" if name.lower() in _CREDENTIALS else _decoded(item)
        for name, item in value.items()
    }


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if not isinstance(value, str):
        return value
    match = _ENCODED.fullmatch(value.strip())
    if match is None:
        return value
    text = match[1].replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode(
            "utf-8", "replace"
        )
    except (binascii.Error, ValueError):
        return value


def _find(headers: Mapping[str, Any], name: str) -> str | None:
    for key, value in headers.items():
        if key.lower() == name:
            first = value[0] if isinstance(value, list) and value else value
            return first if isinstance(first, str) and first else None
    return None


def _take(headers: dict[str, Any], name: str) -> str | None:
    value = _find(headers, name)
    for key in [key for key in headers if key.lower() == name]:
        del headers[key]
    return value


# --- messages ------------------------------------------------------------------------------------
def _message(carrier: Carrier, line: Mapping[str, Any], stream: _Stream) -> list[Event]:
    value = line["msg"] if line.get("msg") is not None else line.get("raw")
    if carrier.exchange is not None and isinstance(value, str) and not value.strip():
        value = None  # 202 Accepted, a body of keep-alives
    if line["dir"] == "stderr":
        text = value if isinstance(value, str) else jsontext.dumps(value).decode()
        return [stream.dialog.text(carrier, "stderr", text, **{f.MCP_DIRECTION: "stderr"})]
    events: list[Event] = []
    if isinstance(value, str):
        events += _raw(carrier, value, stream)
    elif value is not None:
        events += stream.dialog.message(carrier, value)
    if value is None or line.get("closed") is True:
        return events + _bare(carrier, line, stream)
    status = carrier.fields.get(f.HTTP_STATUS, 0)
    if status >= 400:  # a body that is no answer: a proxy's page, say
        events += stream.dialog.fail(carrier, str(status), "HTTP status")
    return events


def _raw(carrier: Carrier, text: str, stream: _Stream) -> list[Event]:
    # WHATWG HTML, 9.2.5: one leading BOM of an event stream is passed over.
    if carrier.exchange is not None and _SSE.match(text.removeprefix("\ufeff").lstrip()):
        parts = [part for part in _sse(text) if part.strip()]
    else:
        parts = [text]
    if not any(part.strip() for part in parts):
        raise Drop("blank_message")
    events: list[Event] = []
    for number, part in enumerate(parts):
        events += _part(carrier, part, stream, number=str(number) if len(parts) > 1 else "")
    return events


def _part(carrier: Carrier, text: str, stream: _Stream, *, number: str) -> list[Event]:
    carrier = carrier.with_part(number) if number else carrier
    try:
        return stream.dialog.message(carrier, jsontext.loads(text.strip()))
    except ValueError:
        pass
    whole = text.removesuffix(_jsonrpc.CUT) if carrier.cut else text
    partial = _jsonrpc.read_cut(whole.strip())
    if _jsonrpc.says_something(partial):
        return stream.dialog.message(carrier.as_cut(), partial)
    more = {f.MCP_DIRECTION: carrier.direction, f.SOURCE_ERROR: "not_json"}
    return [stream.dialog.text(carrier, "text", text, **more)]


def _sse(body: str) -> Iterable[str]:
    """The data of each event of an SSE body (WHATWG HTML, 9.2); comments are keep-alives."""
    data: list[str] = []
    for line in [
        *body.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n"),
        "",
    ]:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []
    if data:
        yield "\n".join(data)


def _bare(carrier: Carrier, line: Mapping[str, Any], stream: _Stream) -> list[Event]:
    """A part of an HTTP exchange without a message: accepted, refused, opened, closed."""
    status = carrier.fields.get(f.HTTP_STATUS)
    failed = isinstance(status, int) and status >= 400
    events: list[Event] = []
    if failed:
        events = stream.dialog.fail(carrier, str(status), "HTTP status")
    elif line.get("closed") is True:
        # MCP 2026-07-28, Transports: closing the stream is how HTTP cancels.
        events = stream.dialog.fail(carrier, "cancelled", "the event stream was closed")
    if line.get("closed") is True and (events or "raw" in line or "msg" in line):
        return events
    if events:
        return events
    more: dict[str, Any] = {
        f.MCP_DIRECTION: carrier.direction,
        f.EVENT_OUTCOME: "failure" if failed else "success" if status else "unknown",
        f.ERROR_TYPE: str(status) if failed else None,
        f.MCP_HEADERS: dict(carrier.headers) or None,
    }
    action = "http_request" if line["dir"] == "c2s" else "http_response"
    return [stream.dialog.text(carrier, action, "", **more)]
