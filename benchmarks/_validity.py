"""Which labelled values are what their label says: others are reported apart, by these rules.

Generated sentences hold numbers that were made without regard to check digits and numbering plans. A
rule for each kind says what is called invalid; a kind without a rule has no invalid values.

    CREDIT_CARD     not 12 to 19 digits, or the last is not their Luhn digit (ISO/IEC 7812)
    PHONE_NUMBER    fewer than six digits (emergency and hotline numbers, which are nobody's), or of a
                    length that no country's plan has (phonenumbers, is_possible_number in no region)
    IBAN_CODE       the remainder by 97 is not 1 (ISO 13616)
    IP_ADDRESS      the standard library does not read it
    US_SSN          a part is zero, or the area is 666 or 9xx (Social Security Administration)
"""

from __future__ import annotations

import ipaddress
import re
from functools import cache


@cache
def is_invalid(kind: str, value: str) -> bool:
    """True where a rule above says that the value is none of its kind."""
    rule = _RULES.get(kind)
    return rule is not None and not rule(value)


def _card(value: str) -> bool:
    digits = [int(char) for char in value if char.isdecimal()]
    doubled = [d * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return 12 <= len(digits) <= 19 and sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _phone(value: str) -> bool:
    import phonenumbers

    if sum(map(str.isdecimal, value)) < 6:
        return False
    for region in phonenumbers.SUPPORTED_REGIONS:
        try:
            if phonenumbers.is_possible_number(phonenumbers.parse(value, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


def _iban(value: str) -> bool:
    bare = re.sub(r"[\s-]", "", value).upper()
    return bare.isalnum() and int("".join(str(int(c, 36)) for c in bare[4:] + bare[:4])) % 97 == 1


def _ip(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _ssn(value: str) -> bool:
    match = re.fullmatch(r"(\d{3})-?(\d\d)-?(\d{4})", value)
    if match is None:
        return False
    area, group, serial = map(int, match.groups())
    return 0 < area < 900 and area != 666 and group > 0 and serial > 0


_RULES = {
    "CREDIT_CARD": _card,
    "PHONE_NUMBER": _phone,
    "IBAN_CODE": _iban,
    "IP_ADDRESS": _ip,
    "US_SSN": _ssn,
}
