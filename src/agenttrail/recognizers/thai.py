"""Thailand: national and tax ids, phones, passports, bank accounts, postcodes and addresses.

All are patterns and check digits over text as it stands: Thai digits, dashes or spaces between the
groups, glued to Thai letters. Names are in `thai_names`.

Limits: an address needs two of its parts (house number, หมู่, ซอย, ถนน, แขวง or ตำบล, เขต or อำเภอ,
จังหวัด); a province alone is no address. Passports and bank accounts are known by the word before
them only: seven or ten digits say nothing by themselves.
"""

from __future__ import annotations

import re

from agenttrail.recognizers._base import (
    AFTER,
    BEFORE,
    DASH,
    SEPARATOR,
    PatternClass,
    ScriptPatternClass,
    digits_of,
    one_script,
)

LETTER = "\u0e01-\u0e3a\u0e40-\u0e4e"  # Unicode 16, Thai: consonants, vowels and marks, no digits


def passes_mod_11(text: str) -> bool:
    """True where the 13th digit is the check digit of the twelve before it.

    Weights 13 to 2, eleven less the rest, last digit. Source: python-stdnum `th.pin`, after the
    Department of Provincial Administration.
    """
    digits = digits_of(text)
    if len(digits) != 13:
        return False
    weighted = sum(d * w for d, w in zip(digits, range(13, 1, -1), strict=False))
    return (11 - weighted % 11) % 10 == digits[12]


class ThaiNationalIdRecognizer(PatternClass):
    """The 13 digits of an identity card, 1-2345-67890-12-1; the first is 1 to 8.

    Source: Department of Provincial Administration (the first digit is the kind of person, 9 is not
    given out); the grouping as printed on the card; check digit as `passes_mod_11`.
    Limits: one number of 13 digits in eleven passes by chance, an epoch in milliseconds too.
    """

    ENTITY = "TH_TNIN"
    SOURCE_PATTERNS = (
        ("Thai national id", rf"{BEFORE}\d{{13}}{AFTER}", 0.5),
        (
            "Thai national id (groups)",
            rf"{BEFORE}\d{SEPARATOR}\d{{4}}{SEPARATOR}\d{{5}}{SEPARATOR}\d{{2}}{SEPARATOR}\d{AFTER}",
            0.9,
        ),
    )

    def validate_result(self, pattern_text: str) -> bool | None:
        digits = digits_of(pattern_text)
        fits = 1 <= digits[0] <= 8 and one_script(pattern_text) and passes_mod_11(pattern_text)
        return None if fits else False


class ThaiTaxIdRecognizer(PatternClass):
    """The 13 digits of a tax id behind the words that say so; a company's begins with 0.

    Source: Revenue Department, same check digit as the national id (python-stdnum `th.tin`).
    """

    ENTITY = "TH_TAX_ID"
    SOURCE_PATTERNS = (
        (
            "Thai tax id with its word",
            rf"(?=\d)(?<=(?:ผู้เสียภาษี(?:อากร)?|tax\s?id|TIN)[^\d\n]{{0,12}}){BEFORE}"
            rf"(?:\d{{13}}|\d{SEPARATOR}\d{{4}}{SEPARATOR}\d{{5}}{SEPARATOR}\d{{2}}{SEPARATOR}\d){AFTER}",
            0.9,
        ),
    )

    def validate_result(self, pattern_text: str) -> bool | None:
        return None if passes_mod_11(pattern_text) else False


class ThaiPhoneRecognizer(PatternClass):
    """Phones of Thailand: mobile 06, 08, 09, Bangkok 02, provinces 03 to 07, +66, 1800 and 1900.

    Source: NBTC Telecommunication Numbering Plan; the groups as ITU-T E.123 and habit write them.
    Limits: nine digits without a separator are not taken for a landline.
    """

    ENTITY = "PHONE_NUMBER"
    SOURCE_PATTERNS = (
        (
            "Thai mobile (groups)",
            rf"{BEFORE}(?:0[689]\d[{DASH} .]\d{{3}}[{DASH} .]?\d{{4}}|0[689][{DASH} ]\d{{4}}[{DASH} ]\d{{4}})"
            rf"{AFTER}",
            0.6,
        ),
        ("Thai mobile", rf"{BEFORE}[0๐][689๖๘๙]\d{{8}}{AFTER}", 0.4),
        ("Thai mobile in Thai digits", rf"{BEFORE}๐[๖๘๙]\d{SEPARATOR}?\d{{3}}{SEPARATOR}?\d{{4}}{AFTER}", 0.6),
        (
            "Thai landline (groups)",
            rf"{BEFORE}(?:\(?[0๐][2๒]\)?{SEPARATOR}\d{{3}}{SEPARATOR}?\d{{4}}"
            rf"|\(?[0๐][3-57๓-๕๗]\d\)?{SEPARATOR}\d{{3}}{SEPARATOR}?\d{{3}}"
            rf"|[0๐][{DASH}][2-9๒-๙]\d{{2,3}}[{DASH}]\d{{4}}){AFTER}",
            0.6,
        ),
        (
            "Thai phone, international",
            rf"(?<![A-Za-z\d_])(?:[+＋]|00)66{SEPARATOR}?(?:\(0\))?(?:{SEPARATOR}?\d){{8,10}}{AFTER}",
            0.7,
        ),
        ("Thai 1800 and 1900", rf"{BEFORE}1[89]00[{DASH} ]\d{{3}}[{DASH} ]\d{{3}}{AFTER}", 0.5),
        (
            "Thai phone with its word",
            rf"(?=\d)(?<=(?:โทรศัพท์|โทร\.?|เบอร์|มือถือ)[^\d\n]{{0,12}}){BEFORE}[0๐]\d{{8,9}}{AFTER}",
            0.7,
        ),
    )  # fmt: skip

    def validate_result(self, pattern_text: str) -> bool | None:
        digits = digits_of(pattern_text)
        return None if len(set(digits[1:])) > 1 else False


class ThaiPassportRecognizer(PatternClass):
    """Two letters and seven digits (one and six or seven before 2005) behind the word passport.

    Source: Department of Consular Affairs, ICAO 9303 for the number's place; no check digit of its
    own outside the machine readable zone.
    """

    ENTITY = "TH_PASSPORT"
    SOURCE_PATTERNS = (
        (
            "Thai passport with its word",
            r"(?=[A-Za-z])(?<=(?:หนังสือเดินทาง|พาสปอร์ต)[^\n]{0,20})(?<![A-Za-z\d])"
            rf"[A-Za-z]{{1,2}}\d{{6,7}}{AFTER}",
            0.8,
        ),
    )


class ThaiBankAccountRecognizer(PatternClass):
    """Ten to twelve digits, also as 123-4-56789-0, behind the words for a bank account.

    Source: account numbers as the Thai banks print them (3-1-5-1); there is no common check digit.
    """

    ENTITY = "BANK_ACCOUNT"
    SOURCE_PATTERNS = (
        (
            "Thai bank account with its word",
            rf"(?=\d)(?<=(?:เลข(?:ที่)?บัญชี|บัญชี(?:ธนาคาร|ออมทรัพย์)?|พร้อมเพย์)[^\d\n]{{0,24}}){BEFORE}"
            rf"(?:\d{{10,12}}|\d{{3}}{SEPARATOR}\d{SEPARATOR}\d{{5}}{SEPARATOR}\d){AFTER}",
            0.8,
        ),
    )


# Royal Gazette, the 76 provinces and Bangkok.
PROVINCES = [
    "กรุงเทพมหานคร",
    "กรุงเทพฯ",
    "กระบี่",
    "กาญจนบุรี",
    "กาฬสินธุ์",
    "กำแพงเพชร",
    "ขอนแก่น",
    "จันทบุรี",
    "ฉะเชิงเทรา",
    "ชลบุรี",
    "ชัยนาท",
    "ชัยภูมิ",
    "ชุมพร",
    "เชียงราย",
    "เชียงใหม่",
    "ตรัง",
    "ตราด",
    "ตาก",
    "นครนายก",
    "นครปฐม",
    "นครพนม",
    "นครราชสีมา",
    "นครศรีธรรมราช",
    "นครสวรรค์",
    "นนทบุรี",
    "นราธิวาส",
    "น่าน",
    "บึงกาฬ",
    "บุรีรัมย์",
    "ปทุมธานี",
    "ประจวบคีรีขันธ์",
    "ปราจีนบุรี",
    "ปัตตานี",
    "พระนครศรีอยุธยา",
    "พะเยา",
    "พังงา",
    "พัทลุง",
    "พิจิตร",
    "พิษณุโลก",
    "เพชรบุรี",
    "เพชรบูรณ์",
    "แพร่",
    "ภูเก็ต",
    "มหาสารคาม",
    "มุกดาหาร",
    "แม่ฮ่องสอน",
    "ยโสธร",
    "ยะลา",
    "ร้อยเอ็ด",
    "ระนอง",
    "ระยอง",
    "ราชบุรี",
    "ลพบุรี",
    "ลำปาง",
    "ลำพูน",
    "เลย",
    "ศรีสะเกษ",
    "สกลนคร",
    "สงขลา",
    "สตูล",
    "สมุทรปราการ",
    "สมุทรสงคราม",
    "สมุทรสาคร",
    "สระแก้ว",
    "สระบุรี",
    "สิงห์บุรี",
    "สุโขทัย",
    "สุพรรณบุรี",
    "สุราษฎร์ธานี",
    "สุรินทร์",
    "หนองคาย",
    "หนองบัวลำภู",
    "อ่างทอง",
    "อำนาจเจริญ",
    "อุดรธานี",
    "อุตรดิตถ์",
    "อุทัยธานี",
    "อุบลราชธานี",
]
_PROVINCE = "|".join(sorted(PROVINCES, key=len, reverse=True))
_NEAR = "หมู่(?:บ้าน|ที่)?|ซอย|ตรอก|ถนน"
_FAR = "แขวง|ตำบล|เขต|อำเภอ|จังหวัด"
_SHORT = r"ม\.(?=\s?\d)|ซ\.|ถ\.|ต\.|อ\.|จ\."
_WORDS = f"(?:{_NEAR}|{_FAR}|{_SHORT})"
# Where a sentence goes on no name of a place does: and, or, which, got, with, that, officials, ...
_ON = "และ|หรือ|ซึ่ง|ได้|กำลัง|เพื่อ|โดย|เป็น|กับ|ว่า|ที่(?![ก-ฮ]?[ \\d])|จาก|เจ้าหน้าที่|ประมาณ|พร้อม|ไหน|มัน|คาด|ขอ(?=อนุ)|เข้า|ห้าม|เลือกตั้ง|อเนก"
_NAME = rf"(?:(?!{_WORDS}|{_ON})[{LETTER}\d]){{2,30}}"
_PART = rf"(?:{_WORDS}\s?(?:\d{{1,3}}(?![{LETTER}\d])|{_NAME}(?:\s\d{{1,3}}(?!\d))?))"
# 3 เขต, 29 จังหวัด count districts and provinces.
_FIRST = rf"(?:(?<!\s\d\s)(?<!\s\d\d\s)(?:{_NEAR}|{_FAR})|(?<![{LETTER}.])(?:{_SHORT}))\s?(?:\d{{1,3}}(?![{LETTER}\d])|{_NAME}(?:\s\d{{1,3}}(?!\d))?)"
_REST = rf"(?:[\s,]{{0,3}}(?:{_PART}|{_PROVINCE}|กทม\.?))"
_HOUSE = r"(?<![A-Za-z\d_./:-])(?:(?:บ้าน)?เลขที่\s?)?\d{1,4}(?:/\d{1,4})?\s{1,2}"
_POSTCODE = r"(?:\s{0,2}\d{5}(?!\d))?"


class ThaiAddressRecognizer(ScriptPatternClass):
    """A house number and street, or two and more parts of an address, with a postcode behind them.

    Source: the parts that Thailand Post asks for on an envelope, in full and as abbreviations.
    """

    ENTITY = "ADDRESS"
    SCRIPT = re.compile(f"[{LETTER}]")
    SOURCE_PATTERNS = (
        (
            "Thai house and street",
            rf"{_HOUSE}(?:{_NEAR}|(?<![{LETTER}.])(?:ม\.(?=\s?\d)|ซ\.|ถ\.))\s?(?:\d{{1,3}}(?![{LETTER}\d])|{_NAME})"
            rf"{_REST}{{0,8}}{_POSTCODE}",
            0.8,
        ),
        ("Thai address parts", rf"{_FIRST}{_REST}{{1,8}}{_POSTCODE}", 0.7),
        (
            "Thai province and postcode",
            rf"(?:{_PROVINCE}|กทม\.?)\s{{1,2}}\d{{5}}(?!\d)",
            0.6,
        ),
        (
            "Thai postcode with its word",
            rf"(?=\d)(?<=(?:รหัสไปรษณีย์|ไปรษณีย์)[^\d\n]{{0,8}}){BEFORE}[1-9๑-๙]\d{{4}}{AFTER}",
            0.7,
        ),
    )
