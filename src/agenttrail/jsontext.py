"""JSON text to values and back without changing a digit.

`loads` and `dumps` differ from the libraries underneath in what an audit log needs: integers of any
size and decimals keep their digits (`1.10`, `1e400`), lone surrogates become U+FFFD (no JSON reader
downstream takes them), NaN and infinities become strings, and nesting is bounded.

Limits: of two equal keys in one object the last wins, as RFC 8259 section 4 leaves open. Values
nested deeper than 200 levels are refused by `loads`: Elasticsearch, orjson and OTLP all refuse them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import orjson

MAX_DEPTH = 200
_LONE = re.compile("[\ud800-\udfff]")
_MAYBE_LONE = re.compile(r"\\u[dD][89a-fA-F]")
_INT64 = range(-(2**63), 2**64)  # what orjson writes by itself
_OPTIONS = orjson.OPT_PASSTHROUGH_SUBCLASS


class Number(float):
    """A number whose digits neither float nor int would give back; `text` is how it was written."""

    text: str

    def __new__(cls, text: str) -> Number:
        self = super().__new__(cls, text)
        self.text = text
        return self


def _float(text: str) -> float:
    value = float(text)
    return value if repr(value) == text else Number(text)


def _int(text: str) -> int | float:
    # Python refuses integers of more than 4300 digits (CVE-2020-10735); their text is enough for us.
    return int(text) if len(text) < 4000 else Number(text)


_decode = json.JSONDecoder(parse_float=_float, parse_constant=str, strict=False).raw_decode
_decode_long = json.JSONDecoder(
    parse_float=_float, parse_int=_int, parse_constant=str, strict=False
).raw_decode
_SPACE = re.compile(r"[ \t\r\n]*")


def loads(text: str | bytes) -> Any:
    """The value of one JSON text.

    Args:
        text: UTF-8 bytes (undecodable ones become U+FFFD) or a string; a leading BOM is passed over.

    Raises:
        ValueError: no JSON text, or something after it; the message holds a position, no content.
    """
    value, end = loads_prefix(text)
    rest = text[end:] if isinstance(text, str) else b""
    if rest:
        raise ValueError(f"text after the JSON value at character {end}")
    return value


def loads_prefix(text: str | bytes) -> tuple[Any, int]:
    """The JSON value at the start of `text`, and where in the decoded text what follows it begins.

    For bytes nothing may follow the value. White space around the value is passed over.

    Raises:
        ValueError: as `loads`.
    """
    from_bytes = isinstance(text, bytes)
    string = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    start = _SPACE.match(string, 1 if string.startswith("\ufeff") else 0).end()  # type: ignore[union-attr]
    try:
        try:
            value, end = _decode(string, start)
        except ValueError as error:
            if isinstance(error, json.JSONDecodeError):
                raise
            value, end = _decode_long(string, start)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON at character {error.pos}") from None
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
    escaped = "\\u" in string and _MAYBE_LONE.search(string)
    if escaped or not (from_bytes or string.isascii() or not _LONE.search(string)):
        value = _mend(value)
    if string.count("[") + string.count("{") > MAX_DEPTH and not _shallow(value, MAX_DEPTH):
        raise ValueError("JSON nested too deeply")
    end = _SPACE.match(string, end).end()  # type: ignore[union-attr]
    if from_bytes and end < len(string):
        raise ValueError(f"text after the JSON value at character {end}")
    return value, end


def dumps(value: Any) -> bytes:
    """Compact UTF-8 JSON of a value as `loads` gives it; keys in their order.

    Lone surrogates in values made by other means become U+FFFD.
    """
    try:
        return orjson.dumps(value, default=_default, option=_OPTIONS)
    except TypeError:
        # An integer beyond 64 bits, a lone surrogate, or a subclass of str, list or dict.
        return orjson.dumps(_plain(value), default=_default, option=_OPTIONS)


def _default(value: Any) -> Any:
    if isinstance(value, Number):
        return orjson.Fragment(value.text)
    raise TypeError(type(value).__name__)


def _mend(value: Any) -> Any:
    return _map(value, lambda text: _LONE.sub("\ufffd", text), lambda number: number)


def _plain(value: Any) -> Any:
    return _map(
        value,
        lambda text: _LONE.sub("\ufffd", str(text)),
        lambda number: number if number in _INT64 else orjson.Fragment(str(number)),
    )


def _map(value: Any, text: Callable[[str], Any], number: Callable[[int], Any]) -> Any:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return {text(key): _map(item, text, number) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_map(item, text, number) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return number(value)
    return value


def _shallow(value: Any, depth: int) -> bool:
    if isinstance(value, dict):
        return depth > 0 and all(_shallow(item, depth - 1) for item in value.values())
    if isinstance(value, list):
        return depth > 0 and all(_shallow(item, depth - 1) for item in value)
    return True
