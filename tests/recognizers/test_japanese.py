"""Japanese ids, phones, addresses and names, and their near misses."""

from __future__ import annotations

import pytest

from tests.recognizers.conftest import rows


@pytest.mark.parametrize(
    "text, expected",
    [
        ("番号は5709-3641-4592です", [("JP_MY_NUMBER", "5709-3641-4592")]),
        ("５７０９３６４１４５９２", [("JP_MY_NUMBER", "５７０９３６４１４５９２")]),
        ("法人番号 7000012050002", [("JP_CORPORATE_NUMBER", "7000012050002")]),
        ("T7000012050002", [("JP_CORPORATE_NUMBER", "T7000012050002")]),
        ("電話03-1234-5678まで", [("PHONE_NUMBER", "03-1234-5678")]),
        ("０９０－１２３４－５６７８", [("PHONE_NUMBER", "０９０－１２３４－５６７８")]),
        ("03(1234)5678", [("PHONE_NUMBER", "03(1234)5678")]),
        ("+81 90-1234-5678", [("PHONE_NUMBER", "+81 90-1234-5678")]),
        ("0120-123-456", [("PHONE_NUMBER", "0120-123-456")]),
        ("〒100-0001", [("ADDRESS", "〒100-0001")]),
        ("大阪府大阪市北区見本町1-2-3", [("ADDRESS", "大阪府大阪市北区見本町1-2-3")]),
        ("東京都見本区例町一丁目2番3号に", [("ADDRESS", "東京都見本区例町一丁目2番3号")]),
        ("パスポート番号TR1234567", [("JP_PASSPORT", "TR1234567")]),
        ("普通 1234567", [("BANK_ACCOUNT", "1234567")]),
        ("山田太郎様より", [("PERSON", "山田太郎")]),
        ("氏名: 山田 花子", [("PERSON", "山田 花子")]),
    ],
)
def test_what_is_personal_is_found_whole(find, text, expected):
    found = find(text, "ja")
    assert set(expected) <= set(found)
    assert {kind for kind, _ in found} == {kind for kind, _ in expected}


def test_a_licence_is_known_behind_its_word(find):
    from agenttrail.recognizers.japanese import licence_fits

    body = "3012345678"
    check = next(d for d in range(10) if licence_fits([*map(int, body), d, 0]))
    kinds = {kind for kind, _ in find(f"運転免許証番号 {body}{check}0", "ja")}
    assert "JP_DRIVER_LICENSE" in kinds
    wrong = find(f"運転免許証番号 {body}{(check + 1) % 10}0", "ja")
    assert "JP_DRIVER_LICENSE" not in {kind for kind, _ in wrong}


@pytest.mark.parametrize(
    "text",
    [
        "570936414593",  # check digit
        "7000012050003",  # check digit
        "TR1234567",
        "1234567",
        "100-0001",  # no sign, word or prefecture: a range as well
        "03-1234-567",
        "2026-11-23",
        "新仕様と多様性、同様のお客様",
        "東京都で3人",
        "市場は3-5%伸びた",
    ],
)
def test_near_misses_are_nothing(find, text):
    assert find(text, "ja") == []


def test_every_writing_of_a_valid_number_is_found_and_no_invalid_one(find):
    """Corporate numbers that may be milliseconds of this decade need their word."""
    for row in rows("ids_by_stdnum.jsonl"):
        if row["kind"].startswith("JP_") and not row["value"].startswith(("16", "17")):
            kinds = {kind for kind, _ in find(row["value"], "ja")}
            assert (row["kind"] in kinds) is row["valid"], row


def test_names_by_the_dictionary(find):
    pytest.importorskip("sudachipy", reason="the dictionary is in the extra [ja]")
    assert find("田中太郎は高橋さんとトヨタに行った。鈴木です", "ja") == [
        ("PERSON", "田中太郎"),
        ("PERSON", "高橋"),
        ("PERSON", "鈴木"),
    ]
    assert find("会議室を予約し、エラーの担当は未定。トヨタと本田技研", "ja") == []
    assert find("山田" * 20_000, "ja")
    assert ("PERSON", "ジョン・スミス") in find("ジョン・スミスさん", "ja")
