"""What stands in the place of a finding: the grammar of markers, and which of them are believed.

    <PERSON>                        replaced
    <PERSON:k1:3f9a2c41>            pseudonym made with key k1
    <CREDIT_CARD:last:1111>         the last digits shown
    <PERSON:e1:7gTQ…>               encrypted with key e1
    <DROPPED>                       dropped, kind and all

A log can hold text that looks like a marker, written by somebody who wants it to be left alone. So
a marker admits nothing that could be read: a kind that is known, an id of one letter and up to three
digits, at most 32 hexadecimal digits without five decimal ones in a row, at most four digits. The
body of an encrypted one could hold words; it is believed only where a key at hand opens it. Without
the key it is a finding of its kind, masked like any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

DROPPED = "DROPPED"
# Five decimal digits could be a postcode or a part of a phone, card or id number.
HEX_BODY = r"(?![0-9a-f]*[0-9]{5})[0-9a-f]{8,32}"
LAST_BODY = r"[0-9]{1,4}"
# Base64url of a nonce of 12 bytes, blocks of 16, a tag of 16.
SEALED_BODY = r"[A-Za-z0-9_-]{59,8192}"
SEALED = re.compile(rf"<(?P<kind>[A-Z][A-Z0-9_]{{0,63}}):(?P<key>e[0-9]{{1,3}}):(?P<body>{SEALED_BODY})>")  # fmt: skip


class Markers:
    """Tells markers from text."""

    def __init__(self, kinds: Iterable[str], opens: Callable[[str, str, str], bool]) -> None:
        """Takes the kinds of its markers.

        Args:
            kinds: what may stand first in a marker.
            opens: whether a key at hand opens an encrypted marker of this kind, key id and body.
        """
        names = sorted({*kinds, DROPPED}, key=lambda kind: (-len(kind), kind))
        self._pattern = re.compile(
            rf"<(?P<kind>{'|'.join(map(re.escape, names))})"
            rf"(?::(?:k[0-9]{{1,3}}:{HEX_BODY}|last:{LAST_BODY}|(?P<key>e[0-9]{{1,3}}):(?P<body>{SEALED_BODY})))?>"
        )
        self._opens = opens

    def is_marker(self, text: str) -> bool:
        """True for a text that is one marker to be believed and nothing else."""
        match = self._pattern.fullmatch(text) if text[:1] == "<" else None
        return match is not None and self._true(match)

    def bare(self, text: str) -> str:
        """The text without its markers: by this a text is judged, so that masking changes nothing."""
        if "<" not in text:
            return text
        return self._pattern.sub(lambda m: "" if self._true(m) else m.group(), text)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where the believed markers stand, in order."""
        return [m.span() for m in self._found(text) if self._true(m)]

    def forged(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Where encrypted markers stand that no key at hand opens, each with its kind."""
        for match in self._found(text):
            if not self._true(match):
                yield *match.span(), match["kind"]

    def _found(self, text: str) -> Iterator[re.Match[str]]:
        return self._pattern.finditer(text) if "<" in text else iter(())

    def _true(self, match: re.Match[str]) -> bool:
        key = match["key"]
        return key is None or self._opens(match["kind"], key, match["body"])
