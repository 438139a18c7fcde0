r"""Other ways to read a text, each with the way back to the places in the original.

Recognisers look for ASCII digits and for word boundaries that scripts without spaces do not have.
So besides the text itself other readings are searched:

- folded: letters of scripts written without spaces become spaces, digits of every script and
  full-width forms and spaces of any width become ASCII, invisible characters go, colours of a
  terminal become spaces, and an underscore or a letter beside a
  long number becomes a space;
- decoded: percent-encoding, `\uXXXX`, `\xXX`, `\n` and HTML entities undone, up to three times
  over, and the `+` of a query as a space; of an address also its parts, a line each, since a
  language model makes nothing of an address as a whole;
- of markup what stands between the tags, for the model;
- inside: what base64 in the text holds where that is text, and the encoded words of e-mail headers.
  What is found in there stands for the whole run.
"""

from __future__ import annotations

import base64
import html
import quopri
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from agenttrail.masks._encoded import TRIGGER, runs

_ROUNDS = 3
_ENCODED_WORD = re.compile(r"=\?([\w-]{1,30})\?([BbQq])\?([^?\s]{1,2000})\?=")
_ESCAPED = re.compile(
    r"(?:%[0-9A-Fa-f]{2})+|%u[0-9A-Fa-f]{4}|\\u[0-9A-Fa-f]{4}|\\u\{[0-9A-Fa-f]{1,6}\}|\\U[0-9A-Fa-f]{8}|\\x[0-9A-Fa-f]{2}"
    r"|\\[nrtbf\"'/\\]|&#\d{1,7};|&#[xX][0-9A-Fa-f]{1,6};|&[A-Za-z][A-Za-z0-9]{1,24};"
)
_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", "b": " ", "f": " "}
# Zero-width and direction characters, soft hyphen: invisible, and they cut a number in two.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]"
)
_HOST = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://[^/?#\s]*")
_DELIMITER = re.compile(r"[/?&=#;:]")
# 13 digits: the shortest card and the Thai id. Shorter runs glued to letters are ids far more often.
_GLUED = re.compile(r"[A-Za-z](?=\d{13})|(?<=\d{13})[A-Za-z]")
_GLUING = re.compile(r"_(?:(?=\d)|(?<=\d_))")
_BEYOND_ASCII = re.compile("[^\x00-\x7f]+")
# Without one of these in it a text has nothing to unescape, or to put apart.
_LONG_NUMBER = re.compile("[0-9]{13}")
# Colours of a terminal end in a letter (ECMA-48), which would be glued to what is coloured.
# A model makes nothing of a name between tags.
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
_ANSI = re.compile(r"\x1b\[[0-9;:?]{0,30}[@-~]|\x1b\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)")
# One of these matches wherever an ASCII text has a second reading.
TRIGGERS = (
    _ESCAPED.pattern,
    r"\+|_\d|\d_|[A-Za-z]\d{13}|\d{13}[A-Za-z]",
    TRIGGER,
    r"=\?[\w-]{1,30}\?[BbQq]\?",
    r"\x1b",
    "</",
)
# Unicode 16 blocks of scripts written without spaces, and of Hangul, whose particles are glued on.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1100, 0x11FF),  # Hangul Jamo
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x312F),  # CJK radicals and punctuation, kana, Bopomofo
    (0x3130, 0x9FFF),
    (0xAC00, 0xD7FF),  # Hangul
    (0xF900, 0xFAFF),
    (0xFF65, 0xFFEF),  # half-width kana
    (0x20000, 0x3FFFF),
)
_UNSPACED_CHARACTER = re.compile(
    f"[{''.join(f'{chr(first)}-{chr(last)}' for first, last in _UNSPACED)}]"
)
_DASHES = frozenset("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u30fc\uff70\ufe63")


@dataclass(frozen=True, slots=True)
class Reading:
    """A text and, character by character, where it stands in the original.

    `spans` is None where the offsets are the same. `prose` is True where the language model may
    read it too: where nothing of its wording was taken away.
    """

    text: str
    spans: tuple[tuple[int, int], ...] | None
    prose: bool

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where the half-open span of this reading stands in the original."""
        if self.spans is None:
            return start, end
        return self.spans[start][0], self.spans[end - 1][1]


def readings(text: str) -> Iterator[Reading]:
    """The text itself, then those readings that differ from it."""
    plain = Reading(text, None, prose=True)
    yield plain
    folded = _fold(plain)
    if folded.text != text:
        yield folded
    decoded = plain
    for number in range(_ROUNDS):
        again = _decode(decoded, first=number == 0)
        if again.text == decoded.text:
            break
        decoded = again
    if decoded is not plain:
        if any(map(str.isspace, text)):
            yield decoded
        else:
            yield Reading(decoded.text, decoded.spans, prose=False)
            parts = _HOST.sub(_blank, decoded.text)
            yield Reading(_DELIMITER.sub("\n", parts), decoded.spans, prose=True)
        folded = _fold(decoded)
        if folded.text != decoded.text:
            yield folded
    if "</" in text:
        yield Reading(_TAG.sub(_blank, text), None, prose=True)
    for start, end, read in (*runs(text), *_encoded_words(text)):
        inside = Reading(read, ((start, end),) * len(read), prose=True)
        yield inside
        for again in (_decode(inside, first=False), _fold(inside)):
            if again.text != read:
                yield again
        for _, _, deeper in runs(read):
            yield Reading(deeper, ((start, end),) * len(deeper), prose=True)


def _encoded_words(text: str) -> Iterator[tuple[int, int, str]]:
    """Words of e-mail headers that are not ASCII, =?utf-8?Q?=E0=B8=81?= (RFC 2047)."""
    for match in _ENCODED_WORD.finditer(text) if "=?" in text else ():
        charset, form, body = match.groups()
        try:
            if form in "Bb":
                content = base64.b64decode(body + "=" * (-len(body) % 4))
            else:
                content = quopri.decodestring(body.replace("_", " ").encode())
            read = content.decode(charset)
        except (ValueError, LookupError):
            continue
        if read:
            yield *match.span(), read


def without_unspaced(text: str) -> str:
    """The text with a space for each character of a script written without spaces; same length."""
    return text if text.isascii() else _UNSPACED_CHARACTER.sub(" ", text)


def plainest(text: str) -> str:
    """The text with its escapes undone and its invisible characters gone; nothing folded."""
    reading = Reading(text, None, prose=True)
    for number in range(_ROUNDS):
        again = _decode(reading, first=number == 0)
        if again.text == reading.text:
            break
        reading = again
    return _INVISIBLE.sub("", reading.text)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match.group())


def _fold(reading: Reading) -> Reading:
    text, spans = reading.text, reading.spans
    if not text.isascii():
        if _INVISIBLE.search(text):
            seen = [i for i, char in enumerate(text) if not _INVISIBLE.match(char)]
            spans = tuple(reading.place(i, i + 1) for i in seen)
            text = "".join(text[i] for i in seen)
        text = _BEYOND_ASCII.sub(_folded, text)
    if "\x1b" in text:
        text = _ANSI.sub(_blank, text)
    if "_" in text:
        text = _GLUING.sub(" ", text)
    if _LONG_NUMBER.search(text):
        text = _GLUED.sub(" ", text)
    return Reading(text, spans, prose=False)


class _Folds(dict[int, str]):
    """Code point to the one character that it is read as; filled as characters come."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        digit = unicodedata.decimal(char, None)
        if code < 0x80:
            read = char
        elif digit is not None:
            read = str(digit)
        elif char in _DASHES:
            read = "-"
        elif unicodedata.category(char) == "Zs":
            read = " "
        elif 0xFF01 <= code <= 0xFF5E:
            read = chr(code - 0xFEE0)
        elif any(first <= code <= last for first, last in _UNSPACED):
            read = " "
        else:
            read = char
        self[code] = read
        return read


_FOLDS = _Folds()
_MOST_RUNS, _LONGEST_RUN = 10_000, 200


def _folded(run: re.Match[str], known: dict[str, str] = {}) -> str:  # noqa: B006  a memory
    text = run.group()
    read = known.get(text)
    if read is None:
        read = text.translate(_FOLDS)
        if len(text) <= _LONGEST_RUN:
            if len(known) >= _MOST_RUNS:
                known.clear()
            known[text] = read
    return read


def _decode(reading: Reading, *, first: bool) -> Reading:
    text = reading.text
    plus = first and "+" in text and "=" in text and not any(map(str.isspace, text))
    escaped = "%" in text or "\\" in text or "&" in text
    if not plus and not (escaped and _ESCAPED.search(text)):
        return reading
    chars: list[str] = []
    spans: list[tuple[int, int]] = []

    def copy(start: int, end: int) -> None:
        piece = text[start:end]
        chars.append(piece.replace("+", " ") if plus else piece)
        spans.extend(reading.place(i, i + 1) for i in range(start, end))

    at = 0
    for match in _ESCAPED.finditer(text):
        copy(at, match.start())
        at = match.end()
        for char, start, end in _unescaped(match.group()):
            chars.append("\ufffd" if "\ud800" <= char <= "\udfff" else char)
            spans.append(reading.place(match.start() + start, match.start() + end))
    copy(at, len(text))
    return Reading("".join(chars), tuple(spans), prose=True)


def _unescaped(escape: str) -> Iterator[tuple[str, int, int]]:
    """The characters of one escape (or run of %XX), each with its span in the escape."""
    if escape[:2] == "%u":
        yield chr(int(escape[2:], 16)), 0, len(escape)
    elif escape[0] == "%":
        octets = bytes.fromhex(escape.replace("%", ""))
        try:
            decoded = octets.decode("utf-8")
        except UnicodeDecodeError:
            decoded = octets.decode("latin-1")
        width = 3 if len(decoded) == len(octets) else 0
        at = 0
        for char in decoded:
            size = width or 3 * len(char.encode())
            yield char, at, at + size
            at += size
    elif escape[0] == "&":
        read = html.unescape(escape)
        if read == escape:  # no entity of HTML
            yield from ((char, i, i + 1) for i, char in enumerate(escape))
        else:
            yield from ((char, 0, len(escape)) for char in read)
    elif escape[1] in "uUx" and len(escape) > 2:
        code = int(escape[2:].strip("{}"), 16)
        yield chr(code) if code <= 0x10FFFF else "\ufffd", 0, len(escape)
    else:
        yield _SIMPLE.get(escape[1], escape[1]), 0, len(escape)
