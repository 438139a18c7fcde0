"""Base64 in texts: what of it is text and can be read, and what is none, of which hash and size stay.

Readable is what decodes to UTF-8 without control characters, at least nine bytes of it. Content that
is no text (pictures, sound, files) becomes `data:<media type>;sha256=<first 16 hex>;bytes=<size>`,
wherever it stands: a whole value, a `data:` URI in a sentence, a long run of base64 in a text.

Limits: a run of less than 12 characters is not decoded, nor one of which the beginning was cut off. Text that was compressed or encrypted first is content that is no text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

from agenttrail import shapes

# Shorter runs that are no text are ids and signatures; longer ones are pictures, sound and files.
BLOB_CHARS = 256
_DATA_URI = re.compile(
    r"data:(?P<type>[^,\s\"'<>()]{0,100}?);base64,(?P<body>[A-Za-z0-9+/_%-]*(?:(?:\r?\n|\\n)[A-Za-z0-9+/_-]{4,})*={0,2})",
    re.IGNORECASE,
)
_BLOB = re.compile(
    r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{60,}(?:(?:\r?\n|\\n)[A-Za-z0-9+/_-]{4,})*={0,2}(?![A-Za-z0-9+/_=-])"
)
_RUN = re.compile(r"[A-Za-z0-9+/_-]{12,}(?:\r?\n[A-Za-z0-9+/_-]{4,})*={0,2}")
_SEPARATOR = re.compile(r"[/_-]|\r?\n")
_STARTS = 24
_LEAST_BYTES = 9
_PART = re.compile(r"[A-Za-z0-9+]{12,}={0,2}")
# Three groups of base64 that hold ASCII, or three characters of 3 bytes: a run that is worth decoding
# has these. Of three random groups one in 512 looks so.
_ASCII_GROUP = "[A-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/_-]"
TRIGGER = rf"(?:{_ASCII_GROUP}){{3}}|(?:[4-6][A-Za-z0-9+/_-]{{3}}){{3}}"
_MAYBE = re.compile(TRIGGER)
_DESCRIBED = re.compile(
    r"data:[a-z]{1,12}/[a-z0-9.+-]{1,40}(?:;sha256=([0-9a-f]{16}))?;bytes=\d{1,9}"
)
# Of fewer bytes a hash would tell which they were, to whoever tries all.
_HASHED_BYTES = 64
_OCTETS = "application/octet-stream"
_MEDIA = re.compile(r"(?:image|audio|video|text|font|model|application)/[a-z0-9.+-]{1,40}")
_SEALED = re.compile(r"<[A-Z][A-Z0-9_]{0,63}:e[0-9]{1,3}:\Z")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")


def described(content: bytes, media_type: str = _OCTETS) -> str:
    """What stands in the place of content that is no text."""
    digest = ""
    if len(content) >= _HASHED_BYTES:
        digest = f";sha256={hashlib.sha256(content).hexdigest()[:16]}"
    return f"data:{media_type}{digest};bytes={len(content)}"


def is_described(text: str) -> bool:
    """True for what `described` writes, of which the digest is no number."""
    match = _DESCRIBED.fullmatch(text) if text.startswith("data:") else None
    if match is None or not _MEDIA.fullmatch(text[5:].split(";")[0]):
        return False
    return match[1] is None or shapes.HEX.fits(match[1])


def without_content(text: str) -> str:
    """The text without what its `data:` URIs hold, and its long runs of base64 that are no text."""
    if "base64," in text or "BASE64," in text:
        text = _DATA_URI.sub(_of_uri, text)
    if len(text) >= BLOB_CHARS:
        text = _BLOB.sub(_of_run, text)
    return text


def _of_uri(match: re.Match[str]) -> str:
    kind = match["type"].lower().split(";")[0] or "text/plain"  # RFC 2397
    return described(_octets(match["body"]), kind if _MEDIA.fullmatch(kind) else _OCTETS)


def _of_run(match: re.Match[str]) -> str:
    run = match.group()
    before = match.string[max(0, match.start() - 80) : match.start()]
    if _SEALED.search(before) and match.string[match.end() :][:1] == ">":
        return run  # the body of an encrypted marker, believed or masked by who has the key or not
    if len(run) < BLOB_CHARS or not _is_mixed(run) or readable(run) is not None:
        return run
    return described(_octets(run))


def _is_mixed(text: str) -> bool:
    """True where a text has what base64 of some length has: capitals, small letters and digits."""
    return all(re.search(kind, text) for kind in ("[A-Z]", "[a-z]", "[0-9]"))


def _octets(text: str) -> bytes:
    """What a run of base64 holds; where it is none (its end was cut, say) the run itself."""
    decoded = _decode(text)
    return text.encode("utf-8", "replace") if decoded is None else decoded


def _decode(text: str) -> bytes | None:
    plain = re.sub(r"\s+|\\n|%0[AaDd]", "", text).replace("%2B", "+").replace("%2F", "/")
    plain = plain.translate(_STANDARD).rstrip("=")
    if len(plain) % 4 == 1:  # cut
        plain = plain[:-1]
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


_STANDARD = str.maketrans("-_", "+/")


def readable(text: str) -> str | None:
    """The text that a run of base64 holds, or None where it holds none."""
    content = _decode(text)
    if content is None or len(content) < _LEAST_BYTES:
        return None
    try:
        read = content.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(content) - 3:
            return None
        read = content[: error.start].decode("utf-8")  # cut within a character
    return None if _CONTROL.search(read) else read


def whole(text: str) -> str | None:
    """The text that a string holds which is base64 from its first sign to its last, or None."""
    bare = text.strip()
    if len(bare) < 12 or " " in bare or _MAYBE.match(bare) is None or _RUN.fullmatch(bare) is None:
        return None
    return readable(bare)


def encode(read: str, text: str) -> str:
    """`read` in base64, in the alphabet and with or without the padding that `text` has."""
    encoded = base64.b64encode(read.encode("utf-8", "replace")).decode()
    if "-" in text or "_" in text:
        encoded = encoded.translate(str.maketrans("+/", "-_"))
    return encoded if len(text.strip()) % 4 == 0 else encoded.rstrip("=")


def runs(text: str) -> Iterator[tuple[int, int, str]]:
    """Where base64 of text stands in a text, half-open, and what it holds."""
    if _MAYBE.search(text) is None:
        return
    for match in _RUN.finditer(text):
        read = readable(match.group())
        if read is not None:
            yield *match.span(), read
            continue
        # A path or an address before it is of the same alphabet: it begins behind one of its signs.
        separators = list(_SEPARATOR.finditer(text, *match.span()))[:_STARTS]
        for separator in separators:
            start = separator.end()
            read = readable(text[start : match.end()]) if match.end() - start >= 12 else None
            if read is not None:
                yield start, match.end(), read
                break
        else:
            for part in _PART.finditer(text, *match.span()) if separators else ():
                read = readable(part.group())
                if read is not None:
                    yield *part.span(), read
