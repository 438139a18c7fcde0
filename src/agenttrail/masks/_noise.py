"""Findings that are passed over, though kind and score would count: what they are far more often.

Each rule is a row: of which kinds, in which place. A recogniser of numbers knows a length and at best
a check digit, one in eleven of which is right by chance; a language model takes identifiers for
names. What speaks for a number is the word before it, a + or groups of its own; what speaks against
it is a unit behind it or the word for a count before it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from agenttrail.masks._findings import Finding

NAMES = frozenset({"PERSON", "LOCATION", "NRP", "ORGANIZATION"})
# Words of a finding that is called a name; signs of markup, and what joins key and value, part them.
_TOKEN = re.compile(r"[^\s=:,;|<>\"()\[\]{}]+")
_EDGES = "*_`'\"()[]{}<>.,!?~#$-@/\\"
# What stands inside of no name: digits, signs of code, paths and addresses.
_CODE = re.compile(r"[\d_\\@#~^*%$+]|/[^A-Z]|/.*/")
_UNDERSCORED = re.compile(r"[A-Z][a-z]+(?:_[A-Z][a-z]+)+")
# House and street numbers: 221B, 42nd.
_HOUSE = re.compile(r"\d{1,5}(?:[A-Za-z]|st|nd|rd|th)?")
# parseValue, HTTPServer and XYZABCDEFGHI are names of programs'; McLane and O'Brien are not.
_PREFIX = re.compile(r"(?:Mc|Mac|De|Di|Da|Du|La|Le|Van|Von|Fitz|O['’]|D['’])(?=[A-Z][a-z])")
_PROGRAM = re.compile(r"[a-z][A-Z]|[A-Z]{2,}[a-z]|[A-Z]{16}")

# 'Margaret Thatcher', of which a model may see one half.
_BEGINS = re.compile(r"['\"(=>\[{]([A-Z][a-z'’-]+ )\Z")
_ENDS = re.compile(r" [A-Z][a-z'’-]+(?=['\")<\]}])")

# Score of a number without groups between its digits, of which one in eleven has a valid check digit.
_BARE = 0.5
_BY_CHANCE = {
    # Kind, the script that it is at home in, others' scripts.
    "TH_TNIN": (re.compile("[\u0e01-\u0e4e]"), re.compile("[\u3041-\u30fa]")),
    "JP_MY_NUMBER": (
        re.compile("(?i)[\u3041-\u30fa\u4e00-\u9fff]|my ?number"),
        re.compile("[\u0e01-\u0e4e\u0e81-\u0ecd]"),
    ),
}
# What a number is a count or an id of where such a word stands before it. (Not line, case or part:
# LINE is where people give their phones.)
_COUNTED = re.compile(
    r"(?i)(?:order|invoice|receipt|since|until|epoch|timestamp|time|ticket|tracking|sku|transaction|txn"
    r"|batch|build|sequence|offset|commit|version|revision|size|seed|serial|isbn|ean|upc|gtin|issue|bug"
    r"|count|total|amount|price|port|pid)(?:[ _]?(?:id|no|number|code))?[\s\"'.:=#(]{1,4}\Z"
    r"|(?:คำสั่งซื้อ|ออเดอร์|ใบแจ้งหนี้|ราคา|จำนวน|注文(?:番号)?|伝票(?:番号)?|価格|合計|ຄຳສັ່ງຊື້|ລາຄາ|ຈຳນວນ)[\s\"'.:=#(は]{0,4}\Z"
)
# ... and where such a unit stands behind it; %20 and ms=12 are none.
_UNIT = re.compile(
    r"\s?(?:(?i:bytes?|[kmgt]i?b|secs?|seconds?|minutes?|hours?|rows?|tokens?|chars?|characters|records?|events?"
    r"|requests?|percent|usd|eur|gbp|thb|jpy|baht|yen)|ms|ns|us|µs|%(?![0-9A-Fa-f]{2})|บาท|ชิ้น|円|件|個|ກີບ)(?![A-Za-z_=:-])"
)
# Kinds that are a run of letters and digits and nothing else: each needs its word near by. Presidio looks for
# its context words inside of others, so that it takes the "us" of "customer" for the United States.
_NEEDS_WORD = {
    "US_SSN": re.compile(r"(?i)\b(?:ssns?|ss#|social|security)\b"),
    "US_PASSPORT": re.compile(r"(?i)\bpassport|travel document"),
    "US_BANK_NUMBER": re.compile(r"(?i)\b(?:account|acct|a/c|bank|checking|savings|routing|deposit|debit)\b"),
    "US_ITIN": re.compile(r"(?i)\b(?:itin|tax(?:payer)?|individual)\b"),
    "UK_NHS": re.compile(r"(?i)\bnhs\b|national health|health service"),
    "ABA_ROUTING_NUMBER": re.compile(r"(?i)\b(?:aba|routing|bank|transit)\b"),
}  # fmt: skip
_NEAR = 80

# ISO/IEC 7812: lengths and first digits of the cards in use, as the networks publish them.
_CARD = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[0-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|(?:6\d{3}|35\d\d|5[6-8]\d\d)\d{12}(?:\d{2,3})?"
    r"|3(?:0[0-5]|[689]\d)\d{11}|(?:2131|1800|1\d{3})\d{11}"
)

# Seconds, milliseconds, microseconds and nanoseconds from 2001 to 2033 as they stand in logs.
_EPOCH = re.compile(r"1\d{9}(?:\d{3}){0,3}")
# claude-sonnet-4-5-20250929: a version and a day behind a name.
_DATED = re.compile(r"[\d.-]{0,8}20\d\d-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])")
_UUID_BEFORE = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}-(?:[0-9a-f]{4}-){0,3}\Z", re.IGNORECASE)
_DECIMAL = re.compile(r"[\[(]?\d{1,3}\.\d{3,}[\])]?")
_FRACTION = re.compile(r"[\[(]?0\.\d+[\])]?")
_VERSION = re.compile(r"\d{1,3}(?:\.\d{1,3}){1,3}")
_IPV4 = re.compile(r"[\[(]?\d{1,3}(?:\.\d{1,3}){3}[\])]?")
_UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")
# 000, 666 and 900 to 999 begin no social security number (Social Security Administration).
_NO_SSN = re.compile(r"(?:000|666|9\d\d)")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?")
# Digits of the shortest phone that is told by nothing but its form.
_LEAST_PHONE = 7


def useful(
    text: str, finding: Finding, *, is_token: bool, read: str | None = None
) -> tuple[Finding, ...]:
    """What of a finding counts: all, nothing, or of a name the words that may be one.

    Args:
        text: what the finding is in.
        finding: any.
        read: what was found, where it is not written out in the text.
        is_token: the text is an identifier of a machine, in which a bare run of digits is no phone.
    """
    found = text[finding.start : finding.end] if read is None else read
    kind = finding.entity
    if kind in NAMES:
        return tuple(_completed(text, part) for part in _names(found, finding))
    if kind == "IP_ADDRESS":
        return (finding,) if found.strip(":") else ()
    if kind == "EMAIL_ADDRESS":
        glued = read is None and not found.isascii()
        return (_without_words(found, finding),) if glued else (finding,)
    if kind == "US_SSN" and _NO_SSN.match(found):
        return ()
    if kind in _BY_CHANCE and finding.score <= _BARE and found.isdecimal():
        return () if _is_count(text, finding) or _is_foreign(text, finding) else (finding,)
    if kind == "CREDIT_CARD" and found.isdecimal() and finding.recogniser == "CreditCardRecognizer":
        return (finding,) if _CARD.fullmatch(found) else ()
    if kind in _NEEDS_WORD and found.isalnum():
        near = text[max(0, finding.start - _NEAR) : finding.end + _NEAR // 2]
        return (finding,) if _NEEDS_WORD[kind].search(near) else ()
    if kind == "PHONE_NUMBER":
        if (
            _IPV4.fullmatch(found)
            or _FRACTION.fullmatch(found)
            or (found.isdecimal() and _UNIT.match(text, finding.end))
        ):
            return ()
        if finding.score <= 0.4 and (
            _is_machine_number(text, finding, found, is_token=is_token) or _is_count(text, finding)
        ):
            return ()
    return (finding,)


def _names(found: str, finding: Finding) -> tuple[Finding, ...]:
    """The parts of a name that hold a word, without the punctuation around them.

    In Latin letters what has digits or signs of code in it is no name, and a part counts where a word
    of it is written like one; words in small letters count where no code is beside them.
    """
    if not found.isascii():
        part = _trimmed(found, 0, len(found), finding)
        return (part,) if part else ()
    pieces: list[list[re.Match[str]]] = [[]]
    end = 0
    for token in _TOKEN.finditer(found):
        word = token.group().strip(_EDGES)
        is_house = _HOUSE.fullmatch(word) is not None
        is_code = _CODE.search(word) is not None and not _UNDERSCORED.fullmatch(word)
        if "\n" in found[end : token.start()] or (is_code and not is_house):
            pieces.append([])
        if not is_code or is_house:
            pieces[-1].append(token)
        end = token.end()
    parts = [
        _trimmed(found, piece[0].start(), piece[-1].end(), finding)
        for piece in pieces
        if any(map(_is_name, piece)) or (len(pieces) == 1 and piece and not _is_program(piece))
    ]
    return tuple(part for part in parts if part)


def _completed(text: str, finding: Finding) -> Finding:
    """A name with the word that begins or ends it in quotes, brackets or behind a sign of code."""
    before = _BEGINS.search(text, max(0, finding.start - 30), finding.start)
    behind = _ENDS.match(text, finding.end)
    if before is None and behind is None:
        return finding
    start = before.start(1) if before is not None else finding.start
    return finding.moved(start, behind.end() if behind is not None else finding.end)


def _is_name(token: re.Match[str]) -> bool:
    word = token.group().strip(_EDGES)
    return len(word) > 1 and word[0].isupper() and not _PROGRAM.search(_PREFIX.sub("", word))


def _is_program(piece: Sequence[re.Match[str]]) -> bool:
    """True for what holds no word, and for one word that is written as only programs write names."""
    words = [token.group().strip(_EDGES) for token in piece]
    if not any(sum(map(str.isalpha, word)) > 1 for word in words):
        return True
    return len(words) == 1 and _PROGRAM.search(_PREFIX.sub("", words[0])) is not None


def _trimmed(found: str, start: int, end: int, finding: Finding) -> Finding | None:
    while start < end and not found[start].isalnum():
        start += 1
    while start < end and not _ends_word(found[end - 1]):
        end -= 1
    if start == end:
        return None
    return finding.moved(finding.start + start, finding.start + end)


def _ends_word(char: str) -> bool:
    """True for letters, digits and the marks that Thai and Lao put on them, ี as in ใจดี."""
    return char.isalnum() or unicodedata.category(char) in ("Mn", "Mc")


def _without_words(found: str, finding: Finding) -> Finding:
    """An address without the words of a script without spaces that it is glued to."""
    local = found.partition("@")[0]
    last = max((m.end() for m in _UNSPACED.finditer(local)), default=0)
    return finding.moved(finding.start + last, finding.end) if last < len(local) else finding


def _is_count(text: str, finding: Finding) -> bool:
    """True where the word before a number or the unit behind it says that it is no person's."""
    if _COUNTED.search(text, max(0, finding.start - 30), finding.start):
        return True
    return _UNIT.match(text, finding.end) is not None


def _is_foreign(text: str, finding: Finding) -> bool:
    """True where the text is in a script of a country that does not give out such numbers."""
    home, others = _BY_CHANCE[finding.entity]
    return others.search(text) is not None and home.search(text) is None


def _is_machine_number(text: str, finding: Finding, found: str, *, is_token: bool) -> bool:
    """True for part of a timestamp, a version, the end of a model's name, an epoch, a short run.

    In a token any bare run of digits is one, unless it begins with a trunk 0.
    """
    if _DECIMAL.fullmatch(found) or _VERSION.fullmatch(found):
        return True
    if "/" in found and _UNSPACED.search(text):
        # Thailand, Japan and Laos write papers so, 0503/44549, and no phones.
        return True
    if sum(map(str.isdecimal, found)) < _LEAST_PHONE:
        return True
    before = text[max(0, finding.start - 30) : finding.start]
    if _UUID_BEFORE.search(before) and text[finding.end : finding.end + 1] == "-":
        return True
    if _DATED.fullmatch(found):
        return re.search(r"[A-Za-z0-9][-@_:]$", before) is not None
    near = text[max(0, finding.start - 30) : finding.end + 10]
    offset = finding.start - max(0, finding.start - 30)
    for stamp in _TIMESTAMP.finditer(near):
        if stamp.start() <= offset and offset + len(found) <= stamp.end():
            return True
    if not found.isdecimal() or before.endswith(("+", "%2B", "%2b")):
        return False
    return (
        _EPOCH.fullmatch(found) is not None
        or len(found) < 8
        # A national number has at most 12 digits with its 0; behind 00 stands an international one.
        or (len(found) > 12 and not found.startswith("00"))
        or (is_token and found[0] != "0")
    )
