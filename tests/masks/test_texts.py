"""What is found in a string, and what looks like it and stays."""

from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize(
    "value, expected",
    [
        ('<13>Nov 22 10:15:33 host app: {"customer_name":"Somsri Jaidee","n":1} done',
         '<13>Nov 22 10:15:33 host app: {"customer_name":"<PERSON>","n":1} done'),
        ('got payload={"date_of_birth":"1980-01-02"} and {"ชื่อ":"สมชาย"}',
         'got payload={"date_of_birth":"<DATE_OF_BIRTH>"} and {"ชื่อ":"<PERSON>"}'),
        ('state {"ok": true, "n": 1.50} now', 'state {"ok": true, "n": 1.50} now'),
        ('cut {"customer_name":"<PERSON>","n":', 'cut {"customer_name":"<PERSON>","n":'),
    ],
)  # fmt: skip
def test_names_of_json_within_a_text_count(text, value, expected):
    """A line of a log in its frame: what its keys say is known, and the rest stays as it was."""
    assert text(value) == expected


@pytest.mark.parametrize(
    "value, expected",
    [
        ("write to somchai@example.co.th today", "write to <EMAIL_ADDRESS> today"),
        ("a_bob@example.com_b", "<EMAIL_ADDRESS>_b"),
        ("{'mail': 'bob@example.com'}", "{'mail': '<EMAIL_ADDRESS>'}"),
        ("key " + "AKIA" + "QYLPMN5HFIQR7XYA", "key <SECRET>"),
        ("root@db.corp is full", "<EMAIL_ADDRESS> is full"),
        ("crm/somchai.old@example.co.th.json is there", "crm/<EMAIL_ADDRESS>.json is there"),
        ("a.lee@example.com.csv", "<EMAIL_ADDRESS>"),
        ("logo@2x.png", "logo@2x.png"),
        ("card 4111 1111 1111 1111 declined", "card <CREDIT_CARD> declined"),
        ("4111111111111111", "<CREDIT_CARD>"),
        ("order 1234 4111 1111 1111 1111", "order 1234 <CREDIT_CARD>"),
        ("report_4111111111111111.pdf", "report_<CREDIT_CARD>.pdf"),
        ("pay ES9121000418450200051332 before Friday", "pay <IBAN_CODE> before Friday"),
        ("pay gb29nwbk60161331926819 now", "pay <IBAN_CODE> now"),
        ("peer 192.168.1.20 reset", "peer <IP_ADDRESS> reset"),
        ("peer 2001:db8::8a2e:370:7334 reset", "peer <IP_ADDRESS> reset"),
        ("ssn 219-09-9999", "ssn <US_SSN>"),
        ("ring +66 81 234 5678", "ring <PHONE_NUMBER>"),
        ("ring 081-234-5678", "ring <PHONE_NUMBER>"),
        ("ring +81 90-1234-5678", "ring <PHONE_NUMBER>"),
        ("ring +856 20 5555 1234", "ring <PHONE_NUMBER>"),
        ("ring (212) 555-0123", "ring <PHONE_NUMBER>"),
        ("ring +66 81 234 5678 50% of the time", "ring <PHONE_NUMBER>% of the time"),
        ("ring 081-234-5678 2 times", "ring <PHONE_NUMBER> times"),
        ("1-1017-00207-36-6", "<TH_TNIN>"),
        ("1101700207366", "<TH_TNIN>"),
        ("6888035343345", "<TH_TNIN>"),
        ("819886553462", "<JP_MY_NUMBER>"),
        ("番号は5709-3641-4592です", "番号は<JP_MY_NUMBER>です"),
        ("nic 00:1b:44:11:3a:b7", "nic <MAC_ADDRESS>"),
        ("Hello John Smith from Bangkok", "Hello <PERSON> from <LOCATION>"),
        ("her passport number is A12345678", "her passport number is <US_PASSPORT>"),
        ("passport: AB1234567", "passport: <PASSPORT>"),
        ("you can call 73 448 266 today", "you can call <PHONE_NUMBER> today"),
        ("answering at (88) 684-334", "answering at <PHONE_NUMBER>"),
        ("my number is 25-62-29-72.", "my number is <PHONE_NUMBER>."),
        ("tel. +1 415 555 0187 ext. 12", "tel. <PHONE_NUMBER>"),
        ("my card number is 675984103431?", "my card number is <CREDIT_CARD>?"),
        ("visa 4111 1111 1111 1111", "visa <CREDIT_CARD>"),
        ("her driver's license is 2270-66-1551", "her driver's license is <US_DRIVER_LICENSE>"),
        ("his driving licence: MORGA 657054 SM9", "his driving licence: <NATIONAL_ID>"),
        (
            "my driver's license number is a56319335",
            "my driver's license number is <US_DRIVER_LICENSE>",
        ),
        ("she lives at 95 Lille Vej 8, upstairs", "she lives at <ADDRESS>, upstairs"),
        ("my address is 12 Old Mill", "my address is <ADDRESS>"),
        ("sent to 3314 Harley Brook Lane", "sent to <ADDRESS>"),
        ("P.O. Box 41", "<ADDRESS>"),
        ("pay DE4450-0105-1754-0732-4931 now", "pay <IBAN_CODE> now"),
        ("tel: 13812345678", "tel: <PHONE_NUMBER>"),
        ("to 0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb", "to <CRYPTO>"),
        ("refused by [203.0.113.191]:1626", "refused by [<IP_ADDRESS>]:1626"),
        ("メールはtaro@example.co.jp、電話は", "メールは<EMAIL_ADDRESS>、電話は"),
        ("宛名: 山田太郎 住所: 東京都千代田区千代田1-1", "宛名: <PERSON> 住所: <ADDRESS>"),
        ("Springfield, IL 62704", "<ADDRESS>"),
        ("John Smith/Jane Doe called", "<PERSON> called"),
        ("**John Smith** said so", "**<PERSON>** said so"),
        ("John_Smith is away", "<PERSON> is away"),
    ],
)
def test_personal_data_becomes_its_kind(text, value, expected):
    assert text(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "0af7651916cd43dd8448eb211c80319c",  # a trace id
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",  # a UUID
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",  # a ULID
        "toolu_01A09q90qw90lq917835lq9",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "2026-11-23T01:02:03.123456789+07:00",
        "2026-11-23",
        "1732350000",  # seconds since 1970
        "1732350000123",
        "took 1732350000123 ms to finish",
        "took 40 ms since 1770473099286",  # its check digit would do for a Thai id
        "order 202618697764 is late",  # its check digit would do for a My Number
        "注文番号: 202618697764",
        "หมายเลข 202618697764 ครับ",  # twelve digits, as no Thai number has
        "0655346195172",  # 13 digits: longer than a national phone number
        "(matrix [0.976580], 0.162971)",
        "f5205a8d-0538-4748-ae0d-2da241080ab1x",
        "password = var.db_password",
        "v2.13.0-beta.1",
        "3.11.9",
        "claude-sonnet-4-5-20250929",
        "read_text_file",
        "notifications/tools/list_changed",
        "application/json",
        "order A-1042 has 3 items",
        "exit code 127",
        "4111111111111112",  # a card but for its check digit
        "819886553460",  # a My Number but for its check digit
        "1101700207367",  # a Thai id but for its check digit
        "/usr/lib/python3.11/site-packages/mcp/server.py",
        "they call 12.345 times",
        "call it on 2026-01-31 or 31.01.2026",
        "dial 10.0.1 again",  # a version
        "(matrix [0.664221, 0.994801])",
        "sku 0463-0526",
        "size 063276459 bytes",
        "customer 904982034",  # no passport, though "us" is in the word
        "python==16.4.87",
        "注文番号202618697764は発送済みです。",
        "ที่นร.0503/44549 ลงวันที่",  # the number of a letter
        "tax id 911-89-1234",  # no number begins so
        "commit 0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
        "-e KEY_ACCESS_KEY=`etcdctl get /key`",
        "invoice INV-2026-51436",
        "pod api-b360069fd-0e662",
        "the memory address is 0x7fff1234",
        "see AppendAllTheThings()",
        "/home/runner/work/app",
        "@modelcontextprotocol/server-filesystem@2025.8.21",
        "The file was not found",
        "logo@2x.png",
        "created 2026-02-10T22:46:05.115176095+01:00 by hand",
        "done in 0.9s with seed: 374312, ok",
        "@spec strip(String.t()) :: String.t()",
        "* Basic authentication\n* Basic .gitlab-ci.yml",
        'cwd is "/Users/..." here',
        "getty@tty1.service",
        "true",
        "",
        " ",
    ],
)
def test_what_only_looks_personal_stays(text, value):
    assert text(value) == value


@pytest.mark.parametrize(
    "value, expected",
    [
        ("อีเมลsomchai@example.co.thครับ", "อีเมล<EMAIL_ADDRESS>ครับ"),
        ("メールはtaro@example.comです", "メールは<EMAIL_ADDRESS>です"),
        ("ອີເມວnoy@example.comເດີ", "ອີເມວ<EMAIL_ADDRESS>ເດີ"),
        ("เลข1101700207366ครับ", "เลข<TH_TNIN>ครับ"),
        ("เลข๑๑๐๑๗๐๐๒๐๗๓๖๖ครับ", "เลข<TH_TNIN>ครับ"),
        ("IPは192.168.1.20です", "IPは<IP_ADDRESS>です"),
        ("カード4111111111111111です", "カード<CREDIT_CARD>です"),
        ("４１１１１１１１１１１１１１１１", "<CREDIT_CARD>"),
        ("ｔａｒｏ＠ｅｘａｍｐｌｅ．ｃｏｍ", "<EMAIL_ADDRESS>"),
        ("โทร๐๘๑-๒๓๔-๕๖๗๘ค่ะ", "โทร<PHONE_NUMBER>ค่ะ"),
        ("taro\u200b@example\u200b.com", "<EMAIL_ADDRESS>"),
    ],
)
def test_patterns_are_found_in_scripts_without_spaces(text, value, expected):
    assert text(value) == expected


@pytest.mark.parametrize(
    "value, expected",
    [
        ("file:///home/alice/notes.txt", "file:///home/<USER_NAME>/notes.txt"),
        ("/Users/Somchai Jaidee/Documents/a.pdf", "/Users/<USER_NAME>/Documents/a.pdf"),
        (r"C:\Users\alice\AppData", r"C:\Users\<USER_NAME>\AppData"),
        ("/home/alice", "/home/<USER_NAME>"),
        ("/srv/mail/bob@example.com/inbox", "/srv/mail/<EMAIL_ADDRESS>/inbox"),
        ("https://api.example.com/u?mail=bob%40example.com&n=1", "https://api.example.com/u?mail=<EMAIL_ADDRESS>&n=1"),
        ("https://api.example.com/u?tel=%2B66812345678", "https://api.example.com/u?tel=<PHONE_NUMBER>"),
        ("https://x.example/%E0%B8%81bob%2540example.com", "https://x.example/<EMAIL_ADDRESS>"),
        ("postgres://svc:hunter22@db:5432/app", "postgres://<CREDENTIALS>@db:5432/app"),
        ("https://api.example.com/users/John%20Smith/orders", "https://api.example.com/users/<PERSON>/orders"),
        ("GET /x\nAuthorization: Bearer abc.def-123\nHost: a", "GET /x\nAuthorization: Bearer <SECRET>\nHost: a"),
        ("curl -H 'Cookie: sid=38afes7a8; u=2'", "curl -H 'Cookie: <SECRET>'"),
        ("login with password=hunter22 failed", "login with password=<SECRET> failed"),
        (r"body {\"mail\":\"bob\u0040example.com\"", r"body {\"mail\":\"<EMAIL_ADDRESS>\""),
        ("&lt;bob&#64;example.com&gt;", "&lt;<EMAIL_ADDRESS>&gt;"),
    ],
)  # fmt: skip
def test_addresses_paths_headers_and_escapes_are_searched(text, value, expected):
    assert text(value) == expected


@pytest.mark.parametrize("depth", range(4))
def test_json_in_strings_is_masked_at_every_depth_and_stays_json(text, depth):
    value = {"to": ["bob@example.com", 12345678901234567890123], "n": 1}
    expected = {"to": ["<EMAIL_ADDRESS>", 12345678901234567890123], "n": 1}
    for _ in range(depth + 1):
        value, expected = (json.dumps(v, separators=(",", ":")) for v in (value, expected))
    assert text(value) == expected


@pytest.mark.parametrize(
    "value",
    ['{"a": 1.10, "b":  [ ] }', "[1e400, 123456789012345678901234567890]", '"plain"', '{"a": 1'],
)
def test_json_in_a_string_without_a_finding_stays_byte_for_byte(text, value):
    assert text(value) == value


def test_numbers_beside_a_finding_in_a_json_string_keep_their_digits(text):
    value = '{"m":"bob@example.com","x":1.10,"y":1e400,"z":123456789012345678901234567890}'
    assert text(value) == value.replace("bob@example.com", "<EMAIL_ADDRESS>")


def test_a_key_written_twice_hides_nothing(text):
    assert "bob@example.com" not in text('{"a":"bob@example.com","a":1}')


def test_a_header_value_in_base64_is_read(text):
    assert text("=?base64?4LiE4Li44LiTIGJvYkBleGFtcGxlLmNvbQ==?=") == "คุณ <EMAIL_ADDRESS>"
    assert text("=?base64?4Liq4Lin4Lix4Liq4LiU4Li1?=") == "=?base64?4Liq4Lin4Lix4Liq4LiU4Li1?="


def test_a_lone_surrogate_does_not_hide_its_neighbours(text):
    assert text("\ud800 bob@example.com") == "\ufffd <EMAIL_ADDRESS>"


def test_a_long_text_is_searched_to_its_end(text):
    filler = "the quick brown fox jumps over the lazy dog\n" * 1000
    assert text(filler + "bob@example.com") == filler + "<EMAIL_ADDRESS>"
