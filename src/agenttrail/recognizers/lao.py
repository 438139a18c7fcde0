"""Laos: phones, addresses and names, by patterns, titles and a short list.

Lao is written without spaces between words; the words of a name are put apart, and the name from
what follows it, by spaces. So a name is the run of letters behind its title and, where one follows
that begins no sentence, a second run.

Limits: no free dictionary of Lao names is known; without a title, a label or a name of the short
list a name is not found. There is no national id with a published check digit.
"""

from __future__ import annotations

import re

from agenttrail.recognizers._base import (
    AFTER,
    BEFORE,
    SEPARATOR,
    PatternClass,
    ScriptPatternClass,
    digits_of,
)

LETTER = "\u0e81-\u0ebd\u0ec0-\u0ecd\u0edc-\u0edf"  # Unicode 16, Lao: letters, vowels, marks


class LaoPhoneRecognizer(PatternClass):
    """Phones of Laos: mobile 020 and eight digits, 030 and seven, landlines 021 to 088, +856.

    Source: ITU-T national numbering plan of Laos (Operational Bulletin), Lao digits too.
    """

    ENTITY = "PHONE_NUMBER"
    SOURCE_PATTERNS = (
        (
            "Lao mobile",
            rf"{BEFORE}[0໐][2໒][0໐]{SEPARATOR}?[25789໒໕໗໘໙]\d(?:{SEPARATOR}?\d{{3}}{SEPARATOR}?\d{{3}}|\d{{2}}{SEPARATOR}?\d{{4}})"
            rf"{AFTER}",
            0.5,
        ),
        ("Lao wireless", rf"{BEFORE}[0໐][3໓][0໐]{SEPARATOR}?[2-9໒-໙]\d(?:\d{SEPARATOR}\d{{4}}|{SEPARATOR}\d{{5}}|{SEPARATOR}\d{{2}}{SEPARATOR}\d{{3}}){AFTER}", 0.5),
        ("Lao landline", rf"{BEFORE}\(?[0໐][2-8໒-໘][1-8໑-໘]\)?{SEPARATOR}\d{{3}}{SEPARATOR}?\d{{3}}{AFTER}", 0.5),
        (
            "Lao phone, international",
            rf"(?<![A-Za-z\d_])(?:[+＋]|00)856{SEPARATOR}?(?:{SEPARATOR}?\d){{8,10}}{AFTER}",
            0.7,
        ),
        (
            "Lao phone with its word",
            rf"(?=\d)(?<=(?:ໂທລະສັບ|ໂທ|ເບີ)[^\d\n]{{0,12}}){BEFORE}(?:[0໐]\d{{8,10}}|[0໐]\d{{2}}(?:{SEPARATOR}?\d){{6,8}}){AFTER}",
            0.7,
        ),
    )  # fmt: skip

    def validate_result(self, pattern_text: str) -> bool | None:
        return None if len(set(digits_of(pattern_text)[1:])) > 1 else False


_WORDS = "ບ້ານ|ເມືອງ|ແຂວງ|ນະຄອນຫຼວງ|ນະຄອນຫລວງ|ຖະໜົນ|ຖະຫນົນ|ຮ່ອມ|ໜ່ວຍ"
_PART = rf"(?:{_WORDS})\s?(?:(?!{_WORDS})[{LETTER}\d]){{2,30}}"


class LaoAddressRecognizer(ScriptPatternClass):
    """Two and more parts of an address: house, unit, street, village, district, province.

    Source: the order of a Lao address, village (ບ້ານ), district (ເມືອງ), province (ແຂວງ), as the
    Universal Postal Union describes it.
    """

    ENTITY = "ADDRESS"
    SCRIPT = re.compile(f"[{LETTER}]")
    SOURCE_PATTERNS = (
        ("Lao address parts", rf"{_PART}(?:[\s,]{{0,3}}{_PART}){{1,6}}", 0.7),
        (
            "Lao address with its label",
            rf"(?=[{LETTER}\d])(?<=ທີ່ຢູ່\s?[:：]\s?)[{LETTER}\d][{LETTER}\d ,./-]{{3,80}}",
            0.7,
        ),
    )


# Words that begin what follows a title or a name and are no name: verbs, particles, offices.
_NO_NAME = (
    "ສາມາດ|ຈະ|ຈະໄດ້|ຕ້ອງ|ໄດ້|ບໍ່|ມີ|ກຳລັງ|ຢາກ|ແລະ|ປະທານ|ລັດຖະມົນຕີ|ທີ່|ຂໍ|ຊຶ່ງ|ເຊິ່ງ|ວ່າ|ແມ່ນ|ຢູ່|ໃນ|ຂອງ|ກັບ|ເຖິງ|ຈາກ|ໄປ|ມາ|ກໍ|"
    "ໃຫ້|ທູດ|ຫົວໜ້າ|ຮອງ|ເລຂາ|ຄວນ|ເປັນ|ແຈ້ງ|ໂທ|ຫຼື|ພວກ|ທັງ|ຜູ້|ງາມ|ແບບ|ຄົນ|ອາດ|ຍັງ|ຄື|ບອກ|ສົ່ງ|ເບີ|ດ້ວຍ|ແດ່|ເດີ|ແລ້ວ|ນຳ(?![ກ-ຮ])"
)
_RUN = rf"(?!{_NO_NAME})[{LETTER}]{{2,24}}"
# A name goes on behind one space, not behind a word that begins a sentence.
_NEXT = rf"(?:[ \u00a0](?!{_NO_NAME})[{LETTER}]{{2,24}})?"
_END = rf"(?![{LETTER}])"
# Given names that many people bear and that are no words of their own.
_GIVEN = (
    "ສົມພອນ|ສົມຈິດ|ສົມສັກ|ສົມໄຊ|ສົມບັດ|ສົມພົງ|ສົມຫວັງ|ສົມສະໄໝ|ບຸນມີ|ບຸນທອງ|ບຸນຍັງ|ບຸນເລີດ|ບຸນຄົງ|ບຸນຖົມ|ບຸນເພັງ|"
    "ຄຳພັນ|ຄຳຫຼ້າ|ຄຳໃບ|ຄຳສິງ|ຄຳຮູ້|ຄຳແພງ|ຄຳໄພ|ຄຳຕັນ|ຄຳຜຸຍ|ຈັນທະລາ|ຈັນເພັງ|ຈັນສະໝອນ|ວຽງໄຊ|ວຽງຄຳ|ສຸລິຍາ|ສຸກສະຫວັນ|"
    "ສີສະຫວັດ|ສີພອນ|ພອນສະຫວັນ|ພອນທິບ|ພອນສຸກ|ພູວຽງ|ພູທອງ|ມະນີວັນ|ມະນີຈັນ|ນະລິນ|ແສງດາວ|ແສງເພັດ|ອຸດົມສັກ|ອານຸສອນ|"
    "ທອງລຸນ|ທອງໃສ|ທອງສິງ|ໄຊຍະສິດ|ໄຊສົມພອນ|ເພັດສະໝອນ|ເພັດສະຫວັນ|ລັດສະໝີ|ວິໄລພອນ|ວິໄລວັນ|ດາລາວັນ|ແກ້ວມະນີ|ສຸພາພອນ"
)


class LaoNameRecognizer(ScriptPatternClass):
    """Names behind a title (ທ່ານ, ທ້າວ, ນາງ, ນາງສາວ, ນາຍ, ດຣ.) or a label, and of a list of given names.

    The title is no part of the finding. Source: titles as Lao offices write them; the list is our
    own. Limits: a title that is part of a longer word (ນາຍົກ) is told by the mark behind it only.
    """

    ENTITY = "PERSON"
    SCRIPT = re.compile(f"[{LETTER}]")
    SOURCE_PATTERNS = (
        (
            "Lao name with its title",
            rf"(?=[{LETTER}])(?<=(?<![{LETTER}])(?:ທ່ານ|ທ້າວ|ນາງສາວ|ນາງ|ນາຍ|ດຣ\.?|ທ່ານ ?ນາງ|ທ່ານ ?ດຣ\.?) ?)"
            rf"(?!ສາວ|ນາງ|ດຣ)(?=[ກ-ຮເ-ໄໜໝ]){_RUN}{_NEXT}{_END}",
            0.7,
        ),
        (
            "Lao name with its label",
            rf"(?=[{LETTER}])(?<=(?:ຊື່|ຊື່ ?ແລະ ?ນາມສະກຸນ|ນາມສະກຸນ|ຜູ້ຮັບ|ລູກຄ້າ)\s?[:：]\s?){_RUN}{_NEXT}{_END}",
            0.8,
        ),
        ("Lao given name", rf"(?<![{LETTER}])(?:{_GIVEN}){_NEXT}{_END}", 0.6),
    )  # fmt: skip
