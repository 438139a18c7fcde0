"""Values that a word beside them or their form tells: phones, cards, licences, passports, addresses.

Each rule is a row of a table: a kind, a pattern, and a check. A pattern begins with its word, so that
a prefilter knows most texts by it. Up to three short words may stand
between ("call me at", "card number is").

Limits: the words are English; the recognisers of Thai, Japanese and Lao have their own. A value that
stands before its word is not found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from agenttrail.masks._findings import Finding
from agenttrail.masks._near import Near
from agenttrail.masks._people import PEOPLE, is_person

_BETWEEN = r"(?:[^\w\n]{1,3}[A-Za-z']{1,9}){0,3}?[^\w\n]{0,3}[^\w\n(]"
_DIGITS = re.compile(r"\d")

# Groups of digits as people write phones of any country, also with an extension.
_PHONE = (
    r"(?:call(?:ing|ed)?|phone|telephone|tel|mobile|cell|cellphone|fax|hotline|dial(?:ing|led)?|ring|answering"
    r"|reach(?:able|ed)?|whatsapp|voicemail|callback|texted|sms|(?:contact|phone|mobile|my|his|her|their|your|the) number)"
    rf"(?![A-Za-z_(]){_BETWEEN}"
    r"((?:\+?\d{1,3}[ .-]{1,2})?\(?\d{2,5}\)?(?:[ .-]{1,2}\d{2,6}){1,4}(?:,?\s?(?:ext|x|extension)\.?\s?\d{1,6})?)(?![\w-]|[.,:/]\d)"
)
_BARE_PHONE = (
    r"(?:call|phone|telephone|tel|mobile|cell|cellphone|fax|whatsapp|sms|dial|contact number|(?:phone|mobile|cell|fax) number"
    rf"|[a-z]{{2}} number)(?![A-Za-z_(]){_BETWEEN}"
    r"(\+?(?!1[67]\d{8})\d{9,15})(?![\w-]|[.,:/]\d)"
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
    r"((?-i:[A-Z]{0,5}[ -]?\d(?:[A-Z0-9]|[ -](?=[A-Z0-9])){3,22})|[a-z]{1,3}\d{5,14})(?![\w-])"
)
_PASSPORT = rf"passport(?![A-Za-z_(]){_BETWEEN}([A-Z]{{0,3}}\d{{6,9}})(?![\w-]|[.,]\d)"
# ISO 13616, SWIFT's registry: characters of an account's number by country. Groups of any size.
_LENGTHS = {
    said[:2]: int(said[2:])
    for said in (  # noqa: SIM905
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 "
        "FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 "
        "LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 "
        "SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
    ).split()
}
_IBAN = r"(?<![A-Za-z0-9])([A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30})"
# Ethereum in the mixed case of EIP-55 (the case is not checked), Monero, Bitcoin's bech32 in capitals.
_COIN = (
    r"(?<![A-Za-z0-9])(0x(?=[0-9]{0,36}[a-fA-F])(?=[0-9a-f]{0,39}[A-F])(?=[0-9A-F]{0,39}[a-f])[0-9a-fA-F]{40}"
    r"|[48][0-9AB][1-9A-HJ-NP-Za-km-z]{93}|BC1[02-9AC-HJ-NP-Z]{25,62})(?![A-Za-z0-9])"
)
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
    ("PHONE_NUMBER", rf"(?i:(?<![A-Za-z_.]){_BARE_PHONE})", _is_phone, 0.6),
    ("CREDIT_CARD", rf"(?i:{_CARD})", _is_card, 1.0),
    # Written as in the United States, or as everywhere else.
    ("US_DRIVER_LICENSE", f"(?i:{_LICENCE % 's'})", _has_digits, 0.9),
    ("NATIONAL_ID", f"(?i:{_LICENCE % 'c'})", _has_digits, 0.9),
    ("PASSPORT", rf"(?i:{_PASSPORT})", _has_digits, 0.4),
    ("CRYPTO", _COIN, _always, 0.8),
    *(("PERSON", pattern, is_person, score) for pattern, score in PEOPLE),
    ("ADDRESS", rf"(?i:{_LIVES})", _is_place, 0.6),
    ("ADDRESS", _STREET, _always, 0.7),
    ("ADDRESS", _BOX, _always, 0.6),
    ("ADDRESS", _TOWN, _always, 0.7),
)


# Findings in a text, at the places near which a prefilter says there can be any (none: anywhere); what
# a text of the same length holds in the same place, which is searched too, may be left out.
Rule = Callable[[str, Sequence[int], str | None], Iterator[Finding]]


def _find(
    pattern: Near,
    kind: str,
    is_one: Callable[[str], bool],
    score: float,
    text: str,
    places: Sequence[int],
    like: str | None,
) -> Iterator[Finding]:
    for match in pattern.matches(text, places, like):
        if is_one(match.group(1)):
            yield Finding(match.start(1), match.end(1), kind, score, "worded")


KINDS = frozenset(kind for kind, *_ in _TABLE) | {"IBAN_CODE"}


_IBANS = Near(_IBAN, 0)


def _ibans(text: str, places: Sequence[int], like: str | None) -> Iterator[Finding]:
    for match in _IBANS.matches(text, places, like):
        left = _LENGTHS.get(match.group(1)[:2], 0)
        bare = ""
        end = match.start()
        while len(bare) < left and end < match.end():
            bare += text[end] if text[end].isalnum() else ""
            end += 1
        if len(bare) == left and left and not text[end : end + 1].isalnum():
            number = int("".join(str(int(char, 36)) for char in bare[4:] + bare[:4]))
            if number % 97 == 1:
                yield Finding(match.start(), end, "IBAN_CODE", 1.0, "worded")


# As RULES of `_rules`: a pattern that matches wherever the rule finds anything, and the rule.
WORDED: tuple[tuple[str, Rule], ...] = (
    (_IBAN, _ibans),
    *(
        (pattern, partial(_find, Near(pattern, 0), kind, check, score))
        for kind, pattern, check, score in _TABLE
    ),
)
