"""Values that the words beside them tell: phones, cards, licences, passports and addresses in prose.

Each rule is a row of a table: a kind, a pattern that begins with the word, and a check. The pattern
begins with the word so that a prefilter knows most texts by it. Up to three short words may stand
between ("call me at", "card number is").

Limits: the words are English; the recognisers of Thai, Japanese and Lao have their own. A value that
stands before its word is not found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from agenttrail.masks._findings import Finding

_BETWEEN = r"(?:[^\w\n]{1,3}[A-Za-z']{1,9}){0,3}?[^\w\n]{0,3}[^\w\n(]"
_DIGITS = re.compile(r"\d")

# Groups of digits as people write phones of any country, also with an extension.
_PHONE = (
    r"(?:call(?:ing|ed)?|phone|telephone|tel|mobile|cell|cellphone|fax|hotline|dial(?:ing|led)?|ring|answering"
    r"|reach(?:able|ed)?|whatsapp|voicemail|callback|texted|sms|(?:contact|phone|mobile|my|his|her|their|your|the) number)"
    rf"(?![A-Za-z_(]){_BETWEEN}"
    r"((?:\+?\d{1,3}[ .-]{1,2})?\(?\d{2,5}\)?(?:[ .-]{1,2}\d{2,6}){1,4}(?:,?\s?(?:ext|x|extension)\.?\s?\d{1,6})?)(?![\w-]|[.,:/]\d)"
)
# 2026-01-31, 31.01.2026, 12.345, 10.0.0.1; 219-09-9999 is a social security number
_NO_PHONE = re.compile(
    r"\d{3}-\d\d-\d{4}|(?:19|20)\d\d[.-]\d{1,2}[.-]\d{1,2}|\d{1,2}[.-]\d{1,2}[.-](?:19|20)?\d\d|\d+\.\d+|\d{1,3}(?:\.\d{1,3}){2,3}"
)
_CARD = (
    r"(?:card|visa|mastercard|maestro|amex|american express|jcb|discover|diners(?: club)?|unionpay|kreditkarte)"
    rf"(?![A-Za-z_(]){_BETWEEN}"
    r"(\d{12,19}|\d{4}(?:[ -]\d{4}){2,3}(?:[ -]\d{1,3})?|\d{4}[ -]\d{6}[ -]\d{4,5})(?![\w-]|[.,]\d)"
)
_LICENCE = (
    rf"(?:driver['’]?s?['’]?|driving)[ _-]licen%se(?![A-Za-z_(]){_BETWEEN}"
    r"((?-i:[A-Z]{0,5}[ -]?\d(?:[A-Z0-9]|[ -](?=[A-Z0-9])){3,22}))(?![\w-])"
)
_PASSPORT = rf"passport(?![A-Za-z_(]){_BETWEEN}((?-i:[A-Z]{{0,3}})\d{{6,9}})(?![\w-]|[.,]\d)"
# Where somebody lives: at least one word and one number, up to the comma or the end of the line.
_LIVES = (
    r"(?:(?:lives?|living|resid(?:es?|ing)|located) (?:at|on) |(?<![A-Za-z] )(?:my|his|her|their|our|home|postal|mailing|shipping|billing"
    r"|delivery|street|the) address(?: of [^\n:]{1,40}?)?(?: is|:) )"
    r"((?:\d{1,6} ){0,2}[^\W\d_](?![xX]\d)[^\n,;:=@/<>\"(){}\[\]\\]{2,60}?\d{1,6}|\d{1,6} [^\n,;:=@/<>\"(){}\[\]\\\d]{3,60}?)(?=[,;.\n]|\Z| (?:street|st\.))"
)
_STREET = (
    r"(?<![\w.])(\d{1,6}[A-Za-z]?(?: \d{1,5})?(?: [A-Z][\w.'’-]{0,24}){1,4} (?:Street|St|Avenue|Ave|Road|Rd|Drive|Dr|Lane|Ln"
    r"|Boulevard|Blvd|Court|Ct|Place|Pl|Square|Sq|Terrace|Parkway|Pkwy|Highway|Hwy|Crescent|Cres)(?:\.|(?![\w]))"
    r"(?:,? (?:Apt|Suite|Ste|Unit|Floor|#)\.? ?\w{1,6})?)"
)
_BOX = (
    r"(?<!\w)((?:(?:PSC|CMR|Unit) \d{1,5},? )?(?:P\.? ?O\.? )?Box \d{1,6}(?:\s{1,3}(?:APO|FPO|DPO) A[AEP] \d{5}(?:-\d{4})?)?"
    r"|(?:APO|FPO|DPO) A[AEP] \d{5}(?:-\d{4})?|(?:Apt|Apartment)\.? #?\d{1,5})(?!\w)"
)
_STATE = "A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]"
_TOWN = (
    rf"((?<!\w)[A-Z][a-z]{{2,20}}(?: [A-Z][a-z]{{2,20}})?, (?:{_STATE}) \d{{5}}(?:-\d{{4}})?)(?!\w)"
)


def _is_phone(value: str) -> bool:
    digits = len(_DIGITS.findall(value.partition("x")[0]))
    return 6 <= digits <= 15 and not _NO_PHONE.fullmatch(value)


def _is_card(value: str) -> bool:
    digits = [int(char) for char in value if char.isdecimal()]
    doubled = (d * (1 + i % 2) for i, d in enumerate(reversed(digits)))
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0 and len(set(digits)) > 2


def _has_digits(value: str) -> bool:
    return len(_DIGITS.findall(value)) >= 5


def _is_place(value: str) -> bool:
    return re.search(r"[^\W\d_]{3}", value) is not None and _DIGITS.search(value) is not None


def _always(_value: str) -> bool:
    return True


# Kind, pattern with the value as its group, check, score, with or without regard to case.
_TABLE: tuple[tuple[str, str, Callable[[str], bool], float], ...] = (
    ("PHONE_NUMBER", rf"(?i:(?<![A-Za-z_.]){_PHONE})", _is_phone, 0.7),
    ("CREDIT_CARD", rf"(?i:{_CARD})", _is_card, 1.0),
    # Written as in the United States, or as everywhere else.
    ("US_DRIVER_LICENSE", f"(?i:{_LICENCE % 's'})", _has_digits, 0.9),
    ("NATIONAL_ID", f"(?i:{_LICENCE % 'c'})", _has_digits, 0.9),
    ("PASSPORT", rf"(?i:{_PASSPORT})", _has_digits, 0.4),
    ("ADDRESS", rf"(?i:{_LIVES})", _is_place, 0.6),
    ("ADDRESS", _STREET, _always, 0.7),
    ("ADDRESS", _BOX, _always, 0.6),
    ("ADDRESS", _TOWN, _always, 0.7),
)


def _find(
    pattern: re.Pattern[str], kind: str, is_one: Callable[[str], bool], score: float, text: str
) -> Iterator[Finding]:
    for match in pattern.finditer(text):
        if is_one(match.group(1)):
            yield Finding(*match.span(1), kind, score, "worded")


KINDS = frozenset(kind for kind, *_ in _TABLE)
# As RULES of `_rules`: a pattern that matches wherever the rule finds anything, and the rule.
WORDED: tuple[tuple[str, Callable[[str], Iterator[Finding]]], ...] = tuple(
    (pattern, partial(_find, re.compile(pattern), kind, check, score))
    for kind, pattern, check, score in _TABLE
)
