"""Base64 in `data:` URIs (RFC 2397), replaced by what it was: icons, pictures, whole files.

A string stays a string, `data:image/png;sha256=<first 16 hex>;bytes=<decoded size>`, because it stands
where a reader expects a URI. Only a string that is such a URI from its first character on is one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any
from urllib.parse import unquote_to_bytes

_HEAD = re.compile(r"\s*data:([^,]{0,200});\s*base64\s*,", re.IGNORECASE)
_SPACE = re.compile(rb"\s+")


def possible(line: bytes) -> bool:
    """Whether such a URI may stand in this line of a log; an escaped letter may hide the word."""
    return b"base64" in line.lower() or b"\\u00" in line


def described(text: str) -> str:
    """The URI without its content; any other string as it is.

    Content that is no base64 (its end was cut, say) is hashed and counted as it is written.
    """
    head = _HEAD.match(text) if "data:" in text[:16].lower() else None
    if head is None:
        return text
    # urlsafe letters and percent escapes are met in both kinds of URIs; padding is often left out.
    raw = _SPACE.sub(b"", unquote_to_bytes(text[head.end() :].encode("utf-8", "replace")))
    plain = raw.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        content = base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        content = raw
    digest = hashlib.sha256(content).hexdigest()[:16]
    return f"data:{head[1].strip()};sha256={digest};bytes={len(content)}"


def without_content(value: Any) -> Any:
    """The value with every such string in it, however deep, described; keys are left alone."""
    if isinstance(value, str):
        return described(value)
    if isinstance(value, list):
        return [without_content(item) for item in value]
    if isinstance(value, dict):
        return {key: without_content(item) for key, item in value.items()}
    return value
