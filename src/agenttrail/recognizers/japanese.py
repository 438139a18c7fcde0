"""Japan: My Number, corporate number, phones, licence, passport, bank account, postcode, address.

All are patterns and check digits over text as it stands: full-width digits and dashes, glued to
kana and kanji. Names are in `japanese_names`.

Limits: an address needs a prefecture with a municipality, or a municipality with a block number;
licence, passport and account are known by the word before them only.
"""

from __future__ import annotations

import re

from agenttrail.recognizers._base import (
    AFTER,
    BEFORE,
    DASH,
    PatternClass,
    ScriptPatternClass,
    digits_of,
    one_script,
)

_S = f"[{DASH} \u00a0\u3000]"


def my_number_fits(digits: list[int]) -> bool:
    """True where the last of 12 digits is the check digit of the eleven before it.

    Source: ordinance 85 of 2014 of the Ministry of Internal Affairs and Communications, article 5.
    """
    if len(digits) != 12:
        return False
    weighted = sum(
        d * (n + 1 if n <= 6 else n - 5) for n, d in enumerate(reversed(digits[:11]), start=1)
    )
    rest = weighted % 11
    return digits[11] == (0 if rest <= 1 else 11 - rest)


def corporate_number_fits(digits: list[int]) -> bool:
    """True where the first of 13 digits is the check digit of the twelve behind it.

    Source: ordinance on corporate numbers, Ministry of Finance 70 of 2014, article 2.
    """
    if len(digits) != 13:
        return False
    weighted = sum(d * (1 + n % 2) for n, d in enumerate(reversed(digits[1:])))
    return digits[0] == 9 - weighted % 9


def licence_fits(digits: list[int]) -> bool:
    """True where the eleventh of 12 digits is the check digit of the ten before it.

    Source: National Police Agency, licence number, weights 5 4 3 2 7 6 5 4 3 2, modulus 11.
    """
    if len(digits) != 12:
        return False
    weights = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
    rest = sum(d * w for d, w in zip(digits, weights, strict=False)) % 11
    return digits[10] == (0 if rest <= 1 else 11 - rest)


class JapaneseMyNumberRecognizer(PatternClass):
    """The 12 digits of an individual number, 1234 5678 9018.

    Source: `my_number_fits`. Limits: one number of 12 digits in eleven passes by chance.
    """

    ENTITY = "JP_MY_NUMBER"
    SOURCE_PATTERNS = (
        ("My Number", rf"{BEFORE}\d{{12}}{AFTER}", 0.5),
        # A fourth group makes a card of it.
        (
            "My Number (groups)",
            rf"{BEFORE}(?<!(?<!\d)\d{{4}}{_S})\d{{4}}({_S})\d{{4}}\1\d{{4}}(?!\1\d{{4}}(?!\d)){AFTER}",
            0.9,
        ),
    )

    def validate_result(self, pattern_text: str) -> bool | None:
        fits = one_script(pattern_text) and my_number_fits(digits_of(pattern_text))
        return None if fits else False


class JapaneseCorporateNumberRecognizer(PatternClass):
    """The 13 digits of a company, also with the T of an invoice number: public, and no person's.

    It is known so that it is not taken for another number. Source: `corporate_number_fits`; the
    letter T, consumption tax act, qualified invoice issuers. Limits: milliseconds of the years
    2020 to 2027 are passed over where no word says what they are.
    """

    ENTITY = "JP_CORPORATE_NUMBER"
    SOURCE_PATTERNS = (
        ("Corporate number", rf"{BEFORE}(?!1[67])\d{{13}}{AFTER}", 0.4),
        (
            "Corporate number with its word",
            rf"(?=\d)(?<=(?:法人番号|会社番号|登録番号)[^\d\n]{{0,12}}T?)(?<!\d)\d{{13}}{AFTER}",
            0.95,
        ),
        ("Corporate number (groups)", rf"{BEFORE}\d{_S}\d{{4}}{_S}\d{{4}}{_S}\d{{4}}{AFTER}", 0.8),
        ("Invoice number", rf"(?-i:(?<![A-Za-z\d])T{_S}?\d{{13}}){AFTER}", 0.8),
    )

    def validate_result(self, pattern_text: str) -> bool | None:
        digits = digits_of(pattern_text)
        return None if one_script(pattern_text) and corporate_number_fits(digits) else False


class JapanesePhoneRecognizer(PatternClass):
    """Phones of Japan: 03-1234-5678, 0123-45-6789, 090 and 0120 numbers, +81, full-width too.

    Source: numbering plan of the Ministry of Internal Affairs and Communications: ten digits, and
    eleven behind 020, 050, 060, 070, 080, 090 and 0800.
    """

    ENTITY = "PHONE_NUMBER"
    SOURCE_PATTERNS = (
        (
            "Japanese phone (groups)",
            rf"{BEFORE}\(?[0０][1-9１-９]\d{{0,3}}\)?{_S}\d{{1,4}}{_S}\d{{3,4}}{AFTER}",
            0.5,
        ),
        ("Japanese phone (brackets)", rf"{BEFORE}[0０][1-9１-９]\d{{0,3}}[(（]\d{{1,4}}[)）]\d{{4}}{AFTER}", 0.6),
        ("Japanese mobile", rf"{BEFORE}[0０][5-9５-９][0０]\d{{8}}{AFTER}", 0.45),
        (
            "Japanese phone, international",
            rf"(?<![A-Za-z\d_])(?:[+＋]|00)(?:81|８１){_S}?(?:[(（][0０][)）])?(?:{_S}?\d){{8,10}}{AFTER}",
            0.7,
        ),
        (
            "Japanese phone with its word",
            rf"(?=\d)(?<=(?:電話(?:番号)?|携帯|連絡先|TEL|℡)[^\d\n]{{0,8}}){BEFORE}[0０]\d{{9,10}}{AFTER}",
            0.7,
        ),
    )  # fmt: skip

    def validate_result(self, pattern_text: str) -> bool | None:
        digits = digits_of(pattern_text)
        if pattern_text[0] in "+＋" or digits[:2] == [0, 0]:
            return None
        # 060 numbers of the former personal service have ten.
        eleven = (digits[2] == 0 and digits[1] in (2, 5, 6, 7, 8, 9)) or digits[:4] == [0, 8, 0, 0]
        length = len(digits) == 11 if eleven else len(digits) == 10
        if digits[:3] == [0, 6, 0] and len(digits) == 10:
            length = True
        return None if length and one_script(pattern_text) and len(set(digits[2:])) > 1 else False


class JapaneseLicenceRecognizer(PatternClass):
    """The 12 digits of a driving licence behind the word for it.

    Source: `licence_fits`; the twelfth digit counts re-issues.
    """

    ENTITY = "JP_DRIVER_LICENSE"
    SOURCE_PATTERNS = (
        (
            "Japanese licence with its word",
            rf"(?=\d)(?<=(?:免許証?(?:の?番号)?|driver'?s?\s?licen[cs]e)[^\d\n]{{0,12}}){BEFORE}\d{{12}}{AFTER}",
            0.95,
        ),
    )

    def validate_result(self, pattern_text: str) -> bool | None:
        return None if licence_fits(digits_of(pattern_text)) else False


class JapanesePassportRecognizer(PatternClass):
    """Two letters and seven digits behind the word for passport.

    Source: Ministry of Foreign Affairs, ICAO 9303.
    """

    ENTITY = "JP_PASSPORT"
    SOURCE_PATTERNS = (
        (
            "Japanese passport with its word",
            r"(?=[A-Za-zＡ-Ｚ])(?<=(?:旅券|パスポート)[^\n]{0,14})(?<![A-Za-z\dＡ-Ｚ])[A-ZＡ-Ｚ]{2}\d{7}"
            rf"{AFTER}",
            0.8,
        ),
    )


class JapaneseBankAccountRecognizer(PatternClass):
    """Seven digits behind 口座番号, 普通 or 当座.

    Source: Japanese Bankers Association (Zengin): branch of three, account of seven digits.
    """

    ENTITY = "BANK_ACCOUNT"
    SOURCE_PATTERNS = (
        (
            "Japanese bank account with its word",
            rf"(?=\d)(?<=(?:口座(?:番号)?|普通(?:預金)?|当座(?:預金)?)[^\d\n]{{0,6}}){BEFORE}\d{{7}}{AFTER}",
            0.8,
        ),
    )


# Local Autonomy Act: the 47 prefectures.
_PREFECTURES = (
    "北海道|青森県|岩手県|宮城県|秋田県|山形県|福島県|茨城県|栃木県|群馬県|埼玉県|千葉県|東京都|神奈川県|新潟県|富山県|石川県|"
    "福井県|山梨県|長野県|岐阜県|静岡県|愛知県|三重県|滋賀県|京都府|大阪府|兵庫県|奈良県|和歌山県|鳥取県|島根県|岡山県|広島県|"
    "山口県|徳島県|香川県|愛媛県|高知県|福岡県|佐賀県|長崎県|熊本県|大分県|宮崎県|鹿児島県|沖縄県"
)
_KANJI = "々〆ヵヶ\u4e00-\u9fff"
_WRITTEN = f"{_KANJI}ぁ-ゖァ-ヺー"
_NUMBER = r"(?:\d{1,4}|[一二三四五六七八九十]{1,3})"
_LINK = f"(?:丁目|番地の?|番|号|[{DASH}]|の)"
_BLOCK = (
    rf"\s?{_NUMBER}(?:丁目|番地?|[{DASH}]\d)(?:\d{{0,4}}{_LINK}){{0,4}}\d{{0,4}}(?:号室|号|階|F)?"
)


class JapaneseAddressRecognizer(ScriptPatternClass):
    """〒 and postcode; prefecture and municipality; municipality and block (1丁目2番3号, 1-2-3).

    Source: act on indication of residential address (住居表示), Japan Post for the postcode.
    """

    ENTITY = "ADDRESS"
    SCRIPT = re.compile(f"[〒{_KANJI}]")
    SOURCE_PATTERNS = (
        ("Japanese postcode", rf"〒\s?\d{{3}}[{DASH}]?\d{{4}}(?!\d)", 0.9),
        (
            "Japanese postcode with its word",
            rf"(?=\d)(?<=(?:郵便番号|zip)[^\d\n]{{0,6}}){BEFORE}\d{{3}}[{DASH}]\d{{4}}{AFTER}",
            0.8,
        ),
        (
            "Japanese postcode and prefecture",
            rf"{BEFORE}\d{{3}}[{DASH}]\d{{4}}(?=\s{{0,2}}(?:{_PREFECTURES}))",
            0.8,
        ),
        ("Japanese address", rf"(?:{_PREFECTURES})\s?[{_WRITTEN}]{{1,30}}{_BLOCK}", 0.9),
        (
            "Japanese prefecture and municipality",
            rf"(?:{_PREFECTURES})\s?[{_KANJI}ぁ-ゖァ-ヺー]{{1,6}}?[市区町村郡](?:[{_KANJI}]{{1,5}}[区町村])?",
            0.5,
        ),
        (
            "Japanese municipality and block",
            rf"[{_KANJI}]{{1,6}}[市区町村][{_WRITTEN}]{{1,16}}{_NUMBER}(?:丁目|番地|[{DASH}]\d{{1,4}}[{DASH}]\d{{1,4}})"
            rf"(?:\d{{0,4}}{_LINK}){{0,3}}\d{{0,4}}(?:号室|号)?",
            0.7,
        ),
        (
            "Japanese address with its label",
            rf"(?<=(?:住所|所在地)\s?[:：]\s?)[{_WRITTEN}〒\d][{_WRITTEN}\d{DASH} ]{{4,60}}",
            0.8,
        ),
    )
