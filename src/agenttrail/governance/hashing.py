r"""Keyed hashes of what must not leave: of arguments, of the keys of records, of people's ids.

A plain hash of an amount or a name can be turned back by trying all of them; with a key that stays
here it cannot. The same recipe in another system gives the same hash, where it has the same key:

    HMAC-SHA-256 over purpose, a zero byte and the canonical JSON; its first 16 bytes as hex

Canonical JSON has its keys sorted, no spaces, UTF-8 without escapes that are not needed, and whole
numbers without a fraction (5000.0 is 5000), after RFC 8785.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from typing import Any

import orjson

# Beyond it a float is not exact, and 1e400 has no integer to be.
_EXACT = 2.0**53
# A number with a fraction or an exponent; one inside of a text is taken for one too, which is harmless.
_FRACTION = re.compile(rb"[\[:,]-?\d+[.eE]|^-?\d+[.eE]")
_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS


def canonical(value: Any) -> bytes:
    """The one form of a JSON value.

    >>> canonical({"b": 5000.0, "a": "é"}).decode()
    '{"a":"é","b":5000}'
    """
    data = _written(value)
    # Floats are rare: only then the value is walked.
    return _written(_whole(value)) if _FRACTION.search(data) else data


def _written(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=_SORTED)
    except TypeError:  # integers beyond 64 bits, numbers that keep their digits
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode("utf-8", "surrogatepass")


def _whole(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= _EXACT else value
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value


class Hasher:
    """Hashes under one key.

    Args:
        secret: 32 bytes; None makes a key of this process's own.
    """

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secret or secrets.token_bytes(32)

    def __call__(self, purpose: str, value: Any) -> str:
        """32 hex digits; `purpose` keeps equal values of two kinds apart."""
        # Text is most of what is hashed, and has no other form.
        written = _written(value) if type(value) is str else canonical(value)
        data = purpose.encode() + b"\x00" + written
        return hmac.digest(self._secret, data, "sha256")[:16].hex()
