r"""Keyed hashes of what must not leave: of arguments, of the keys of records, of people's ids.

A plain hash of an amount or a name can be turned back by trying all of them; with a key that stays
here it cannot. The same recipe in another system gives the same hash, where it has the same key:

    HMAC-SHA-256 over purpose, a zero byte and the canonical JSON; its first 16 bytes as hex

Canonical JSON has its keys sorted, no spaces, characters beyond ASCII escaped (\uXXXX), and whole
numbers without a fraction (5000.0 is 5000): what RFC 8785 calls equal has one form.
"""

from __future__ import annotations

import hmac
import json
import secrets
from typing import Any

# Beyond it a float is not exact, and 1e400 has no integer to be.
_EXACT = 2.0**53


def canonical(value: Any) -> bytes:
    r"""The one form of a JSON value.

    >>> canonical({"b": 5000.0, "a": "é"})
    b'{"a":"\\u00e9","b":5000}'
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    # Floats are rare: only then the value is walked.
    if "." in text or "e" in text or "E" in text:
        text = json.dumps(_whole(value), sort_keys=True, separators=(",", ":"))
    return text.encode()


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
        data = purpose.encode() + b"\x00" + canonical(value)
        return hmac.digest(self._secret, data, "sha256")[:16].hex()
