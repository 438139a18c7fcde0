"""What a destination's records say of canaries: leaked, masked or lost.

A record is read in every way in which a value could still be read in it: as it stands, JSON inside
strings, percent and HTML escapes, base64, hex, full-width and zero-width characters, other spacing.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import html
import json
import re
import unicodedata
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from agenttrail.canary.plant import Canary
from agenttrail.canary.shapes import names_of

Verdict = Literal["leaked", "masked", "lost"]
_DEPTH = 5
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){8,}")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
_GAPS = re.compile(r"[ \t\u00a0\u3000‐-―−ー-]")


@dataclass(frozen=True, slots=True)
class Arrived:
    """A record of the destination, and where it is (a file's line, an index and id)."""

    place: str
    value: Any


@dataclass(slots=True, kw_only=True)
class Result:
    """What became of one canary. `places` are where it leaked, or else where it arrived."""

    canary: Canary
    verdict: Verdict = "lost"
    places: list[str] = field(default_factory=list)


def judge(canaries: Sequence[Canary], records: Iterable[Arrived]) -> list[Result]:
    """A result a canary, in their order.

    A fragment that only this run plants is a leak wherever it is; any other one in a record that
    has the canary's mark.
    """
    results = [Result(canary=canary) for canary in canaries]
    for record in records:
        text = readable(record.value)
        squeezed = squeeze(text)
        for result in results:
            canary = result.canary
            marked = any(name in text for name in names_of(canary))
            looked_for = canary.fragments if marked else canary.unique
            leaked = any(squeeze(fragment) in squeezed for fragment in looked_for)
            if leaked:
                if result.verdict != "leaked":
                    result.verdict, result.places = "leaked", []
                result.places.append(record.place)
            elif marked and result.verdict != "leaked":
                result.verdict = "masked"
                result.places.append(record.place)
    return results


def readable(value: Any) -> str:
    """Every text in a record, one a line, as it stands and decoded in every way that is known."""
    seen: dict[str, None] = {}
    _read(value, 0, seen)
    return "\n".join(seen)


def squeeze(text: str) -> str:
    """A text without what separates digits or hides letters, in one case and width."""
    return _GAPS.sub("", _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))).casefold()


def _read(value: Any, depth: int, seen: dict[str, None]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _read(str(key), depth, seen)
            _read(inner, depth, seen)
    elif isinstance(value, list):
        for inner in value:
            _read(inner, depth, seen)
    elif isinstance(value, str):
        if value in seen:
            return
        seen[value] = None
        if depth < _DEPTH:
            for inner in _decoded(value):
                _read(inner, depth + 1, seen)
    elif value is not None:
        seen[str(value)] = None


def _decoded(text: str) -> Iterator[Any]:
    start = min((text.find(c) for c in "{[" if c in text), default=-1)
    if start >= 0:
        with contextlib.suppress(ValueError, RecursionError):
            yield json.JSONDecoder().raw_decode(text[start:])[0]
    if "%" in text:
        yield urllib.parse.unquote(text, errors="replace")
    if "&" in text:
        yield html.unescape(text)
    if "\\" in text:
        yield re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m.group(1), 16)), text)
    for match in _BASE64.finditer(text):
        coded = match.group().rstrip("=").replace("-", "+").replace("_", "/")
        try:
            plain = base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True)
            decoded = plain.decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
        if decoded.isprintable():
            yield decoded
    for match in _HEX.finditer(text):
        with contextlib.suppress(UnicodeDecodeError):
            decoded = bytes.fromhex(match.group()).decode()
            if decoded.isprintable():
                yield decoded
