r"""Claude Desktop's MCP logs: `mcp.log` and `mcp-server-NAME.log`.

    2026-03-17T21:02:22.693Z [weather] [info] Message from client: {…} { metadata: undefined }
    2025-03-12T17:53:14.656Z [info] [weather] Message from server: {…}
    2024-11-28T09:27:43.719Z [info] Attempting to connect to MCP server weather...

Undocumented; read off logs of 2024 to 2026, from macOS `~/Library/Logs/Claude` and Windows
`%APPDATA%\Claude\logs`. Both orders of level and server; with and without the tail; util.inspect
blocks over several lines, which belong to the line that opens them; between the lines whatever the
server wrote to stderr, unmarked.

It promises: one call with its response is one event, as in `mcp_wire`; every other line of the
program is one event (`event.action` log), every stderr line one more. A payload that its writer cut
(`...[11759 chars truncated]...`) is read before and behind the gap and marked
`agenttrail.source.truncated`; it is paired by its id where the id is there. A tool result without
its `isError` is of unknown outcome.

Limits: a stderr line has the time of the line before it. Several processes of one server write to
one file: their equal ids are paired in order. A stderr line that looks like a line of the program
is taken for one. `mcp.log` repeats what the servers' own files hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from agenttrail import fields as f
from agenttrail import jsontext
from agenttrail.errors import OptionError
from agenttrail.formats import _event, _jsonrpc
from agenttrail.formats._cut import CUT, drop_end, drop_start
from agenttrail.formats._mcp_carrier import Carrier, keep_raw
from agenttrail.formats._mcp_dialog import Dialog
from agenttrail.seams import Drop, Event, Record

_LEVEL = r"\[(?P<level>error|warn|warning|info|http|verbose|debug|trace|silly)\]"
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z) (?=\[)")
_MESSAGE = re.compile(r"Message from (client|server): (.*)", re.DOTALL)
_TAILS = ("{ metadata: undefined }", "{ metadata: undefined } %o")
_CUT = re.compile(r"\.\.\.\[\d+ chars truncated\]\.\.\.")
# What stands behind the gap is the end of the message: its own id, and isError of its result.
_LAST_ID = re.compile(
    r',"(?:jsonrpc":"2\.0",")?id":(-?\d+|"(?:[^"\\]|\\.)*")(?:,"jsonrpc":"2\.0")?\}\s*\Z'
)
_LAST_ERROR = re.compile(
    r'(?<!\\)"isError":(true|false)\}(?=,"(?:jsonrpc|id)":[^{}]*\}\s*\Z|\}\s*\Z)'
)
_FILE = re.compile(r"(?:.*[/\\])?mcp(?:-server-(.+?))?\.log(?:\.\w+)*", re.DOTALL)
_PHRASES = re.compile(
    r"Message from (?:client|server): |Initializing server|Server started and connected|"
    r"(?:Server|Client) transport closed|Shutting down server|Using (?:MCP server command|built-in)|"
    r"(?:Attempting to connect|Connected) to MCP server|Server disconnected"
)
# A server may be called anything, brackets and words like [info] in its name; the level is one of a
# few. So a plain name is looked for first, then one that ends where the program's own words begin,
# then the shortest. No name with a brace, a quote or more than 100 characters: those are in payloads.
_NAME = r"\[(?P<server>[^{}\"\r\n]{1,100}?)\]"
_WORDS = rf"(?= (?:{_PHRASES.pattern}))"
_HEADS = tuple(
    re.compile(rf"{head}(?: (?P<text>.*))?\Z", re.DOTALL)
    for head in (
        rf"\[(?P<server>[^\]]+)\] {_LEVEL}",
        rf"{_LEVEL} {_NAME}{_WORDS}",
        rf"{_NAME} {_LEVEL}{_WORDS}",
        rf"{_LEVEL}(?: {_NAME}(?= |\Z))?",
        rf"{_NAME} {_LEVEL}",
    )
)
_END_CHARS = 4_000  # where an id behind a gap is looked for
_BLOCK_LINES = 500
_BLOCK_BYTES = 1_000_000
_SERVERS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeDesktopOptions:
    """Claude Desktop's mcp.log and mcp-server-NAME.log."""

    type: ClassVar[str] = "claude_desktop"
    pending_max: Annotated[int, "Most unanswered requests held for a stream."] = 10_000

    def __post_init__(self) -> None:
        if self.pending_max < 1:
            raise OptionError("pending_max", "must be at least 1")

    def build(self) -> ClaudeDesktopFormat:
        return ClaudeDesktopFormat(self)


@dataclass(slots=True)
class _Entry:
    """One line of the program, with the lines of its block so far."""

    record: Record
    time: str
    server: str | None
    level: str
    text: str
    block: list[Record] = field(default_factory=list)


@dataclass(slots=True)
class _Stream:
    dialog: Dialog
    held: _Entry | None = None
    time: str | None = None
    server: str | None = None
    processes: dict[str, int] = field(default_factory=dict)


class ClaudeDesktopFormat:
    """Turns log lines into events; a line that opens a block waits for the block's end."""

    def __init__(self, options: ClaudeDesktopOptions) -> None:
        self._options = options
        self._streams: dict[str, _Stream] = {}

    def __call__(self, record: Record, /) -> Iterable[Event]:
        stream = self._streams.get(record.stream)
        if stream is None:
            dialog = Dialog("claude_desktop", pending_max=self._options.pending_max, reuse="oldest")
            stream = self._streams[record.stream] = _Stream(dialog)
        entry = _entry(record)
        if entry is not None:
            events = _release(stream)
            stream.time, stream.server = entry.time, entry.server
            stream.held = entry
            opens = entry.text == "{" or entry.text.endswith(" {")
            return events if opens else events + _release(stream)
        if stream.held is not None:
            stream.held.block.append(record)
            size = sum(len(line.data) for line in stream.held.block)
            full = size > _BLOCK_BYTES or len(stream.held.block) >= _BLOCK_LINES
            done = record.data.startswith(b"}") or full
            return _release(stream) if done else []
        if not record.data.strip():
            raise Drop("blank")
        return [_stderr(record, stream)]

    def end(self, stream: str, /) -> Iterable[Event]:
        state = self._streams.pop(stream, None)
        return _release(state) + state.dialog.end() if state is not None else []


def sniff(lines: Sequence[bytes], path: str | None) -> int:
    """0 (not this) to 100 (certainly): how much these lines look like Claude Desktop's."""
    named = path is not None and _FILE.fullmatch(path) is not None
    heads = [head for line in lines if (head := _head(line)) is not None]
    if any(_PHRASES.match(text) for _, _, _, text in heads):
        return 97
    if heads:
        return 90 if named else 60 if any(server for _, _, server, _ in heads) else 20
    texts = [line for line in lines if line.strip()]
    return 45 if named and texts and not any(line.lstrip()[:1] in b"{[" for line in texts) else 0


def _head(data: bytes) -> tuple[str, str, str | None, str] | None:
    """Time, level, server and text of a line of the program; None for any other line."""
    line = data.decode("utf-8", "replace").rstrip()
    begun = _TIME.match(line)
    if begun is None:
        return None
    for head in _HEADS:
        if match := head.match(line, begun.end()):
            return begun[1], match["level"], match["server"], match["text"] or ""
    return None


def _entry(record: Record) -> _Entry | None:
    head = _head(record.data)
    time = _event.timestamp(head[0]) if head is not None else None
    if head is None or time is None:
        return None
    _, level, server, text = head
    if record.truncated:
        text = drop_end(text)
    if not server and record.path is not None and (file := _FILE.fullmatch(record.path)):
        server = file[1]
    return _Entry(record, time, server or None, level, text)


def _release(stream: _Stream) -> list[Event]:
    """The events of the held line, now that its block is whole."""
    entry, stream.held = stream.held, None
    if entry is None:
        return []
    message = _MESSAGE.fullmatch(entry.text)
    if message is not None:
        return _protocol(entry, message, stream)
    return _log(entry, stream)


def _carrier(
    entry: _Entry, direction: Literal["c2s", "s2c"] | None, *, cut: bool, gap: bool = False
) -> Carrier:
    return Carrier(
        records=(entry.record, *entry.block),
        time=entry.time,
        time_source="log",
        direction=direction,
        server=entry.server,
        fields={f.NETWORK_TRANSPORT: "pipe", f.LOG_LEVEL: entry.level},
        cut=cut or any(record.truncated for record in (entry.record, *entry.block)),
        gap=gap,
    )


def _block(entry: _Entry) -> str:
    lines = (
        drop_end(line) + CUT if record.truncated else line
        for record in entry.block
        for line in [_around_gaps(record.data.decode("utf-8", "replace").rstrip("\r"))]
    )
    return "".join(f"\n{line}" for line in lines)


def _without_tail(text: str) -> str:
    end = text.rstrip()
    for tail in _TAILS:
        if end.endswith(tail):
            return end.removesuffix(tail).rstrip()
    return text


# --- messages ------------------------------------------------------------------------------------
def _protocol(entry: _Entry, message: re.Match[str], stream: _Stream) -> list[Event]:
    direction: Literal["c2s", "s2c"] = "c2s" if message[1] == "client" else "s2c"
    text = message[2]
    try:
        value, end = jsontext.loads_prefix(text)
        if _CUT.search(text):
            text = _around_gaps(text)
            value, end = jsontext.loads_prefix(text)
        cut, rest = False, text[end:]
    except ValueError:
        value, cut, rest = _read_gap(_without_tail(text)), True, ""
    # A gap within one string leaves a text that parses.
    carrier = _carrier(entry, direction, cut=cut, gap=_CUT.search(text) is not None)
    rest = _without_tail(rest) + _block(entry)
    if cut and not _jsonrpc.says_something(value):
        text = _without_tail(_around_gaps(entry.text)) + _block(entry)
        more = {f.MCP_DIRECTION: direction, f.SOURCE_ERROR: "not_json"}
        return [stream.dialog.text(carrier, "text", text, **more)]
    if rest.strip():
        carrier = carrier.with_extra({"tail": rest.strip()})
    return stream.dialog.message(carrier, value)


def _around_gaps(text: str) -> str:
    """The text without the halves of words beside what its writer left out."""
    parts = _CUT.split(text)
    gaps = _CUT.findall(text)
    made = parts[0]
    for gap, part in zip(gaps, parts[1:], strict=True):
        made = f"{drop_end(made)}{CUT}{gap}{CUT}{drop_start(part)}"
    return made


def _read_gap(text: str) -> Any:
    """What can be read of a payload cut in its middle or at its end."""
    gap = None
    for gap in _CUT.finditer(text):  # noqa: B007 - the last one is the writer's
        pass
    if gap is None:
        return _jsonrpc.read_cut(text)
    value = _jsonrpc.read_cut(_around_gaps(text[: gap.start()]))
    if not isinstance(value, dict):
        return value
    behind = text[gap.end() :][-_END_CHARS:]
    if (last := _LAST_ID.search(behind)) and ("id" not in value or _jsonrpc.was_cut(value["id"])):
        value["id"] = jsontext.loads(last[1])
    result = value.get("result")
    if isinstance(result, dict) and (said := _LAST_ERROR.search(behind)):
        result.setdefault("isError", said[1] == "true")
    return value


# --- everything else -----------------------------------------------------------------------------
def _log(entry: _Entry, stream: _Stream) -> list[Event]:
    text = _around_gaps(_without_tail(entry.text))
    more: dict[str, Any] = {}
    start = text.find(' {"')
    if start >= 0 and not entry.block:
        try:
            keep_raw(more, "metadata", jsontext.loads(text[start:]))
            text = text[:start]
        except ValueError:
            pass
    event = stream.dialog.text(
        _carrier(entry, None, cut=False), "log", text + _block(entry), **more
    )
    server = entry.server or ""
    if text == "Initializing server...":
        if server in stream.processes or len(stream.processes) < _SERVERS:
            stream.processes[server] = stream.processes.get(server, 0) + 1
    elif text == "Server transport closed":
        left = stream.processes.get(server, 0) - 1
        stream.processes[server] = left
        if left <= 0:
            stream.processes.pop(server)
            closed = stream.dialog.close(entry.server, None, reason="the server's transport closed")
            return [event, *closed]
    return [event]


def _stderr(record: Record, stream: _Stream) -> Event:
    server = stream.server
    if server is None and record.path is not None and (file := _FILE.fullmatch(record.path)):
        server = file[1]
    carrier = Carrier(
        records=(record,),
        time=stream.time or record.time,
        time_source="neighbour" if stream.time else "read",
        server=server,
        fields={f.NETWORK_TRANSPORT: "pipe"},
    )
    text = _around_gaps(record.data.decode("utf-8", "replace").rstrip("\r"))
    if record.truncated:
        text = drop_end(text) + CUT
    return stream.dialog.text(carrier, "stderr", text, **{f.MCP_DIRECTION: "stderr"})
