"""Bytes of an OTLP export request to its message: decompressed within a limit, read, cleaned.

- Content encodings gzip, zstd and deflate; decompression stops at the size limit, not behind it.
- OTLP/JSON: ids in hexadecimal, names in lowerCamelCase, 64-bit integers as strings or numbers,
  enumerations as numbers, fields that are not known ignored.
- A string that is no UTF-8 (a Go sender does not check) has its broken bytes replaced by U+FFFD
  instead of costing its whole request.
- Fields that this version of OTLP does not know are removed: they could not be masked.

Source: OTLP specification 1.9 (opentelemetry-proto, docs/specification.md), OTLP/HTTP Request and
JSON Protobuf Encoding.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from agenttrail import jsontext
from agenttrail.seams import ExportKind

if TYPE_CHECKING:
    from google.protobuf.message import Message

_CHUNK_BYTES = 1 << 16
_ZSTD_WINDOW_BYTES = 1 << 23  # RFC 8878, 3.1.1.1.2: what every decoder should take
_JSON_IDS = ("traceId", "spanId", "parentSpanId")
_JSON_LISTS = {
    "logs": ("resourceLogs", "scopeLogs", "logRecords"),
    "traces": ("resourceSpans", "scopeSpans", "spans"),
}


class UndecodableError(Exception):
    """These bytes are no such request; the text says why and holds no content."""


class TooLargeError(Exception):
    """More bytes than the limit, before or after decompression."""


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its content encoding.

    Raises:
        TooLargeError: it is longer than `limit`.
        UndecodableError: it is not in this encoding, or the encoding is not known.
    """
    if encoding in ("", "identity"):
        if len(body) > limit:
            raise TooLargeError
        return body
    try:
        if encoding == "zstd":
            return _unzstd(body, limit)
        if encoding in ("gzip", "deflate", "zlib"):
            # RFC 9110 8.4.1.2: deflate is the zlib format.
            return _inflate(body, limit)
    except (zlib.error, EOFError):
        raise UndecodableError(f"not {encoding}") from None
    raise UndecodableError(f"the content encoding is none of {', '.join(ENCODINGS)}")


ENCODINGS = ("gzip", "zstd", "deflate")


def _inflate(body: bytes, limit: int) -> bytes:
    out = bytearray()
    while body:  # gzip may have several members
        inflater = zlib.decompressobj(32 + zlib.MAX_WBITS)
        out += inflater.decompress(body, limit + 1 - len(out))
        if len(out) > limit:
            raise TooLargeError
        if not inflater.eof:
            raise EOFError
        body = inflater.unused_data
    return bytes(out)


def _unzstd(body: bytes, limit: int) -> bytes:
    import zstandard

    out = bytearray()
    try:
        # The window is bounded too: a frame of a few bytes may ask for gigabytes of it.
        decompressor = zstandard.ZstdDecompressor(max_window_size=max(limit, _ZSTD_WINDOW_BYTES))
        reader = decompressor.stream_reader(body, read_across_frames=True)
        while chunk := reader.read(_CHUNK_BYTES):
            out += chunk
            if len(out) > limit:
                raise TooLargeError
    except zstandard.ZstdError as error:
        if "too much memory" in str(error):
            raise TooLargeError from None
        raise UndecodableError("not zstd") from None
    return bytes(out)


def parse(kind: ExportKind, data: bytes, *, as_json: bool = False) -> Any:
    """The request message of these bytes, without fields that are not known.

    Raises:
        UndecodableError: they are none.
    """
    message = new_request(kind)
    if as_json:
        _parse_json(kind, data, message)
    else:
        _parse_binary(data, message)
    return message


def new_request(kind: ExportKind) -> Any:
    """An empty request message."""
    if kind == "logs":
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

        return ExportLogsServiceRequest()
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    return ExportTraceServiceRequest()


def new_response(kind: ExportKind, rejected: int = 0) -> Any:
    """The answer to a request of which the destination rejected so many items."""
    if kind == "logs":
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

        response: Any = ExportLogsServiceResponse()
        if rejected:
            response.partial_success.rejected_log_records = rejected
    else:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceResponse,
        )

        response = ExportTraceServiceResponse()
        if rejected:
            response.partial_success.rejected_spans = rejected
    if rejected:
        response.partial_success.error_message = "rejected by the destination"
    return response


def _parse_binary(data: bytes, message: Any) -> None:
    from google.protobuf.message import DecodeError

    try:
        message.ParseFromString(data)
    except DecodeError:
        try:
            message.ParseFromString(_mended(data, message))
        except DecodeError:
            raise UndecodableError("not the protobuf message of this request") from None
    message.DiscardUnknownFields()


def _mended(data: bytes, message: Message) -> bytes:
    """The same message with every string made UTF-8; raises DecodeError where more is wrong."""
    loose = _loose_class(message.DESCRIPTOR.full_name)()
    loose.ParseFromString(data)
    _mend(loose)
    return bytes(loose.SerializeToString())


def _mend(message: Any) -> None:
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for item in value if field.is_repeated else (value,):
                _mend(item)
        elif field.type == field.TYPE_BYTES and field.name in _STRINGS:
            if field.is_repeated:
                value[:] = [_utf8(item) for item in value]
            else:
                setattr(message, field.name, _utf8(value))


def _utf8(value: bytes) -> bytes:
    return value.decode("utf-8", "replace").encode()


_STRINGS: set[str] = (
    set()
)  # names of fields that are strings in OTLP, and bytes in the loose classes


@lru_cache
def _loose_class(name: str) -> Any:
    """The message class of this name with bytes where OTLP has strings: they have the same encoding."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    pool = descriptor_pool.DescriptorPool()

    def add(file: Any) -> None:
        for dependency in file.dependencies:
            add(dependency)
        proto = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(proto)
        queue = list(proto.message_type)
        while queue:
            described = queue.pop()
            queue += described.nested_type
            for field in described.field:
                if field.type == field.TYPE_STRING:
                    field.type = field.TYPE_BYTES
                    _STRINGS.add(field.name)
        pool.Add(proto)

    add(new_request("logs").DESCRIPTOR.file)
    add(new_request("traces").DESCRIPTOR.file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def _parse_json(kind: ExportKind, data: bytes, message: Any) -> None:
    from google.protobuf import json_format

    try:
        value = jsontext.loads(data)
        if not isinstance(value, dict):
            raise UndecodableError("not a JSON object")
        _ids_to_base64(kind, value)
        json_format.ParseDict(value, message, ignore_unknown_fields=True)
    except UndecodableError:
        raise
    except (
        json_format.ParseError, ValueError, TypeError, AttributeError, KeyError, RecursionError
    ):  # fmt: skip
        # Their texts quote the content.
        raise UndecodableError("not the OTLP/JSON message of this request") from None


def _ids_to_base64(kind: ExportKind, value: dict[str, Any]) -> None:
    """Protobuf's own JSON mapping has bytes in base64, OTLP's has ids in hexadecimal."""
    outer, middle, inner = _JSON_LISTS[kind]
    for group in value.get(outer) or ():
        for scoped in group.get(middle) or ():
            for item in scoped.get(inner) or ():
                for holder in (item, *(item.get("links") or ())):
                    for name in _JSON_IDS:
                        if holder.get(name):
                            holder[name] = _base64(holder[name])


def _base64(text: Any) -> str:
    try:
        return base64.b64encode(bytes.fromhex(text)).decode()
    except (binascii.Error, ValueError, TypeError):
        raise UndecodableError("an id is not hexadecimal") from None
