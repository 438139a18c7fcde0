"""How collectors hand a line to a program and what answer they expect, for `agenttrail filter`.

`jsonl`: a line in, its masked line out; as normalised events 0 to n lines. Vector's and Fluent Bit's
`exec`, Logstash's `pipe` and any shell pipe.

`fluentd`: one JSON object a line in and out, as `out_exec_filter` sends with `<format> @type json` and
reads with `<parse> @type json`. Normalised: the line is the value of one key, the stream that of
another, and 0 to n objects come out.

`rsyslog`: `mmexternal` writes a line and waits, without a time limit, for exactly one line of JSON: the
properties to change. The line is the message (`interface.input="msg"` or "rawmsg") or a JSON object
with all properties ("fulljson"), in which line breaks are safe. The answer leaves the message itself as
it is, so that it can be asked again, and sets

    $!agenttrail!status   masked; failed: masking did, the line is an envelope; held: its event comes
                          with a later line; dropped: there is no event in it
    $!agenttrail!line     what may leave; of several events one a line
    $!agenttrail!count    how many events that is (normalised)
    $!agenttrail!id       an id of the line, for destinations that store an id once
    $!agenttrail!uuid     `$!agenttrail_uuid` of the message that this is the answer to

A message without a status was not masked: rsyslog passes messages on unchanged where the program is
gone. One with another's uuid has the answer of the message before: rsyslog stops waiting where a signal
interrupts it, as at its end, and takes the answer that comes for the next message's. Sources: rsyslog 8.2302 plugins/external/INTERFACE.md and mmexternal.c; fluentd 1.16
out_exec_filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from agenttrail import jsontext
from agenttrail.seams import Record

Status = Literal["masked", "failed", "held", "dropped"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One line as the collector means it.

    `line` is what is masked; `stream` and `path` say of which log it is, where the collector told.
    `problem` is set, and `line` empty, where the collector's own wrapping cannot be read.
    """

    line: bytes
    stream: str = ""
    path: str | None = None
    problem: str = ""
    uuid: str = ""


class Protocol_(Protocol):  # noqa: N801  `Protocol` is typing's
    """One collector's convention; `one_answer` is True where every line needs exactly one."""

    one_answer: bool

    def ask(self, record: Record, /, *, whole: bool) -> Asked:
        """What is in a line; `whole` where it is answered in its own shape."""

    def answer(
        self, record: Record, asked: Asked, lines: Sequence[bytes], status: Status, /
    ) -> bytes:
        """The answer to one line, with its line break; `lines` is what may leave."""


class Jsonl:
    """See the module."""

    one_answer = False

    def ask(self, record: Record, /, *, whole: bool) -> Asked:  # noqa: ARG002
        return Asked(record.data)

    def answer(self, _: Record, __: Asked, lines: Sequence[bytes], ___: Status, /) -> bytes:
        return b"".join(line + b"\n" for line in lines)


class Fluentd:
    """See the module.

    Args:
        line_key: key of the log line in a record.
        stream_key: key of what names the stream, the tag.
    """

    one_answer = False

    def __init__(self, line_key: str, stream_key: str) -> None:
        self._line_key, self._stream_key = line_key, stream_key

    def ask(self, record: Record, /, *, whole: bool) -> Asked:
        value = _object(record)
        if isinstance(value, str):
            return Asked(b"", problem=value)
        if whole:
            return Asked(record.data)
        line = value.get(self._line_key)
        text = line if isinstance(line, str) else jsontext.dumps(value).decode()
        stream = value.get(self._stream_key)
        return Asked(_one_line(text), stream if isinstance(stream, str) else "")

    def answer(self, _: Record, __: Asked, lines: Sequence[bytes], ___: Status, /) -> bytes:
        return b"".join(line + b"\n" for line in lines)


class Rsyslog:
    """See the module; `fulljson` as in `interface.input`."""

    one_answer = True

    def __init__(self, *, fulljson: bool) -> None:
        self._fulljson = fulljson

    def ask(self, record: Record, /, *, whole: bool) -> Asked:
        if not self._fulljson:
            return Asked(record.data)
        value = _object(record)
        if isinstance(value, str):
            return Asked(b"", problem=value)
        message = value.get("msg")
        if not isinstance(message, str):
            return Asked(b"", problem="no_msg")
        own = value.get("$!")
        metadata = own.get("metadata") if isinstance(own, dict) else None
        path = metadata.get("filename") if isinstance(metadata, dict) else None
        path = path if isinstance(path, str) else None
        stream = path or str(value.get("syslogtag") or "")
        uuid = own.get("agenttrail_uuid") if isinstance(own, dict) else None
        line = message.encode() if whole else _one_line(message)
        return Asked(line, stream, path, uuid=uuid if isinstance(uuid, str) else "")

    def answer(
        self, record: Record, asked: Asked, lines: Sequence[bytes], status: Status, /
    ) -> bytes:
        # A zero byte would end the text in rsyslog.
        line = b"\n".join(lines).decode("utf-8", "replace").replace("\0", "\ufffd")
        own = {
            "status": status, "line": line, "count": len(lines), "id": record.digest.hex(),
            "uuid": asked.uuid,
        }  # fmt: skip
        return jsontext.dumps({"$!": {"agenttrail": own}}) + b"\n"


def _object(record: Record) -> dict[str, Any] | str:
    """The object in a line, or why there is none."""
    if record.truncated:
        return "too_long"
    try:
        value = jsontext.loads(record.data)
    except ValueError:
        return "not_json"
    return value if isinstance(value, dict) else "not_an_object"


def _one_line(text: str) -> bytes:
    """A message as one line: formats read lines, and a break in JSON is a space."""
    return text.replace("\r\n", " ").replace("\n", " ").encode()
