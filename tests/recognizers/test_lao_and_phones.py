"""Lao phones, addresses and names; phones of all three countries in every writing."""

from __future__ import annotations

import pytest

from tests.recognizers.conftest import rows


@pytest.mark.parametrize(
    "text, expected",
    [
        ("ໂທ020 5555 1234", [("PHONE_NUMBER", "020 5555 1234")]),
        ("໐໒໐ ໕໕໕໕ ໑໒໓໔", [("PHONE_NUMBER", "໐໒໐ ໕໕໕໕ ໑໒໓໔")]),
        ("+856 21 000 142", [("PHONE_NUMBER", "+856 21 000 142")]),
        ("021 212 862", [("PHONE_NUMBER", "021 212 862")]),
        ("ທ່ານ ສົມພອນ ວົງສາ ຂໍ", [("PERSON", "ສົມພອນ ວົງສາ")]),
        ("ນາງສາວມະນີວັນ", [("PERSON", "ມະນີວັນ")]),
        ("ຊື່: ວິໄລ", [("PERSON", "ວິໄລ")]),
        ("ບ້ານຕົວຢ່າງ ເມືອງຈັນທະບູລີ", [("ADDRESS", "ບ້ານຕົວຢ່າງ ເມືອງຈັນທະບູລີ")]),
    ],
)
def test_what_is_personal_is_found_whole(find, text, expected):
    assert sorted(set(find(text, "lo"))) == expected


@pytest.mark.parametrize(
    "text", ["020 555", "ນາຍົກ", "ທ່ານ ສາມາດ", "ເມືອງ ດີ", "021212862", "010 5555 1234"]
)
def test_near_misses_are_nothing(find, text):
    assert find(text, "lo") == []


def test_phones_in_every_writing(find):
    for row in rows("phones_by_phonenumbers.jsonl"):
        if row["region"] in ("TH", "JP", "LA"):
            found = [text for kind, text in find(row["value"], "th", "ja", "lo")]
            assert row["value"].removeprefix("tel:") in found, row
