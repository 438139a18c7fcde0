"""The recognisers are Presidio's kind of recognisers, and work in a plain analyzer."""

from __future__ import annotations

import socket
import sys

import pytest

from agenttrail import recognizers


def test_a_plain_analyzer_finds_all_languages_in_one_string():
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NoOpNlpEngine

    engine = NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "no_op"}])
    engine.load()
    analyzer = AnalyzerEngine(
        registry=recognizers.registry(), nlp_engine=engine, supported_languages=["en"]
    )
    text = "นายสมชาย ใจดี 山田太郎様 ທ້າວ ສົມພອນ ວົງສາ npm_" + "a8Fk2LmQ9rTz" * 3
    kinds = {(x.entity_type, text[x.start : x.end]) for x in analyzer.analyze(text, "en")}
    assert {("PERSON", "สมชาย ใจดี"), ("PERSON", "山田太郎"), ("PERSON", "ສົມພອນ ວົງສາ")} <= kinds
    assert "SECRET" in {kind for kind, _ in kinds}


def test_groups_are_chosen_by_name_and_registered_under_a_language():
    thai = recognizers.all_recognizers("th", language="th")
    assert {r.supported_language for r in thai} == {"th"}
    assert "TH_TNIN" in {kind for r in thai for kind in r.supported_entities}
    assert len(recognizers.all_recognizers()) == sum(
        len(recognizers.all_recognizers(group)) for group in recognizers.GROUPS
    )
    with pytest.raises(KeyError):
        recognizers.all_recognizers("xx")


def test_nothing_is_asked_of_the_network_or_written(monkeypatch, tmp_path):
    def refuse(*args):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HOME", str(tmp_path))
    for recogniser in recognizers.all_recognizers():
        recogniser.analyze("คุณสมชาย 山田さん", recogniser.supported_entities)
    assert list(tmp_path.iterdir()) == []


def test_without_the_extras_titles_labels_and_patterns_still_work(monkeypatch):
    from agenttrail.recognizers import thai_names

    for package in ("pythainlp", "sudachipy"):
        monkeypatch.setitem(sys.modules, package, None)
    thai_names._names.cache_clear()
    try:
        text = "นายสมชาย ใจดี กล่าวว่า คุณสมศรี 山田太郎様 氏名: 山田 花子 090-1234-5678"
        found = {
            text[x.start : x.end]
            for recogniser in recognizers.all_recognizers("th", "ja")
            for x in recogniser.analyze(text, recogniser.supported_entities)
        }
        assert {"สมชาย ใจดี", "สมศรี", "山田太郎", "山田 花子", "090-1234-5678"} <= found
    finally:
        thai_names._names.cache_clear()


@pytest.mark.parametrize(
    "text",
    [
        "0af7651916cd43dd8448eb211c80319c",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "toolu_01A09q90qw90lq917835lq9",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "2026-11-23T01:02:03.123456789+07:00",
        "08-12-2026 10:30:00",
        "1732350000",
        "took 1732350000123 ms to finish",
        "v2.13.0-beta.1 of 3.11.9",
        "claude-sonnet-4-5-20250929",
        "order A-1042 has 3 items for 1,299.00 THB",
        "ราคา 1,250 บาท จำนวน 3 ชิ้น",
        "価格は12,800円です。3-5営業日",
        "仕様書と設計を同様に確認。お客様各位",
        "นายกรัฐมนตรีและนายจ้าง คุณภาพดี มิถุนายน",
        "ນາຍົກລັດຖະມົນຕີ ທ່ານ ສາມາດ ເຮັດໄດ້",
        "def get_token(self, key: str) -> str: return self.tokens[key]",
        "max_tokens: 4096, next_token=null, token_type: bearer",
        "password: ${DB_PASSWORD} and PASSWORD=<password>",
        "Password must be at least 8 characters",
        "api_key = os.environ['API_KEY']",
        "https://example.com/users/12345678/orders?page=2",
        "0123456789",
        "000-000-0000",
        "primary_key=3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    ],
)
def test_what_only_looks_personal_is_nothing(find, text):
    assert find(text) == []
