"""Agent logs with every piece of personal data marked, made from a seed: the same on every machine.

MCP calls and results, prompts in four languages, stack traces, shell commands, JSON in strings; among
them what only looks like personal data: trace ids, hashes, versions, epochs, order numbers, prices.
All of it is made up: reserved domains, addresses and phone numbers, test cards, published examples of
account numbers, Thai ids of a province that does not exist.

    python benchmarks/_labelled.py [--seed 1] [--records 500] > samples.jsonl
    agenttrail mask-test samples.jsonl

Limits: rule and data may have had one author; the other sets of `accuracy.py` had not.
"""

from __future__ import annotations

import argparse
import json
import random
import string
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from agenttrail import jsontext

CARDS = ("4111111111111111", "5555555555554444", "378282246310005", "6011111111111117", "3530111333300000")  # fmt: skip
IBANS = ("GB29NWBK60161331926819", "DE89370400440532013000", "FR1420041010050500013M02606", "ES9121000418450200051332")  # fmt: skip
SSNS = ("219-09-9999", "457-55-5462")
PHONES = {
    "en": ("(212) 555-0123", "+1 415 555 0187", "+1-303-555-0142", "206-555-0100", "+442079460958"),
    "th": ("081-234-5678", "+66 81 234 5678", "02-123-4567", "+66812345678", "๐๘๑-๒๓๔-๕๖๗๘"),
    "ja": ("090-1234-5678", "+81 90-1234-5678", "03-1234-5678", "０９０－１２３４－５６７８"),
    "lo": ("020 5555 1234", "+856 20 5555 1234"),
}
NAMES = {
    "en": ("John Smith", "Maria Garcia", "Emily Johnson", "Ahmed Hassan", "Priya Sharma", "Tom Baker"),
    "th": ("สมชาย ใจดี", "สมหญิง รักไทย", "ประเสริฐ วงศ์สวัสดิ์", "กมลชนก ศรีสุข"),
    "ja": ("山田太郎", "佐藤花子", "鈴木一郎", "田中美咲"),
    "lo": ("ສົມພອນ ວົງສາ", "ບຸນມີ ສີສຸກ"),
}  # fmt: skip
STREETS = {
    "en": ("221 Example Street, Springfield", "14 Oak Avenue, Portland"),
    "th": ("99/1 ถนนสุขุมวิท แขวงคลองเตย เขตคลองเตย กรุงเทพมหานคร 10110",),
    "ja": ("〒100-0001 東京都千代田区千代田1-1",),
    "lo": ("ບ້ານໂພນທັນ ເມືອງໄຊເສດຖາ ນະຄອນຫຼວງວຽງຈັນ",),
}
SENTENCES = {
    "en": (
        "Please tell {} that the report is late.", "Customer: {}", "I could not reach {}, try again later.",
        "{} was not found in the directory.", "Send a reminder to {} before Friday.",
    ),
    "th": ("ช่วยติดต่อ {} ให้หน่อยครับ", "ข้อมูลของลูกค้าคือ {}ครับ", "ไม่พบ {} ในระบบ"),
    "ja": ("{}に連絡してください", "お客様の情報は{}です", "{}が見つかりません"),
    "lo": ("ກະລຸນາຕິດຕໍ່ {} ດ້ວຍ", "ຂໍ້ມູນຂອງລູກຄ້າແມ່ນ {}"),
}  # fmt: skip


@dataclass(frozen=True)
class Marked:
    """Personal data of a kind."""

    value: str
    label: str


@dataclass(frozen=True)
class Text:
    """A string of plain and marked parts."""

    parts: tuple[str | Marked, ...]


@dataclass(frozen=True)
class Embedded:
    """JSON in a string."""

    value: Any


def text(*parts: str | Marked) -> Text:
    return Text(parts)


def sample(value: Any, language: str) -> dict[str, Any]:
    """The sample of a value in which strings may be `Text`, `Marked` or `Embedded`."""
    spans: list[dict[str, Any]] = []

    def plain(item: Any, path: tuple[str, ...]) -> Any:
        if isinstance(item, dict):
            return {key: plain(inner, (*path, key)) for key, inner in item.items()}
        if isinstance(item, list):
            return [plain(inner, (*path, str(i))) for i, inner in enumerate(item)]
        if isinstance(item, Embedded):
            return jsontext.dumps(plain(item.value, path)).decode()
        if isinstance(item, Marked):
            item = Text((item,))
        if isinstance(item, Text):
            made = ""
            for part in item.parts:
                if isinstance(part, Marked):
                    place = {"path": ".".join(path), "start": len(made)}
                    spans.append(place | {"end": len(made) + len(part.value), "label": part.label})
                    made += part.value
                else:
                    made += part
            return made
        return item

    record = plain(value, ())
    return {"record": record, "spans": spans, "lang": language}


class Maker:
    """Makes values, sentences and records from one source of chance."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def digits(self, count: int) -> str:
        return "".join(self.rng.choices(string.digits, k=count))

    def hex(self, count: int) -> str:
        return "".join(self.rng.choices("0123456789abcdef", k=count))

    # --- personal data -------------------------------------------------------------------------
    def email(self, _language: str) -> Marked:
        name = self.rng.choice(("somchai.j", "bob", "eve.smith", "t-tanaka", "a.nguyen+news", "info_desk"))  # fmt: skip
        host = self.rng.choice(("example.com", "example.org", "mail.example.net", "example.co.th", "example.co.jp"))  # fmt: skip
        return Marked(f"{name}@{host}", "EMAIL_ADDRESS")

    def phone(self, language: str) -> Marked:
        return Marked(self.rng.choice(PHONES[language]), "PHONE_NUMBER")

    def person(self, language: str) -> Marked:
        return Marked(self.rng.choice(NAMES[language]), "PERSON")

    def card(self, _language: str) -> Marked:
        digits = self.rng.choice(CARDS)
        mark = self.rng.choice(("", " ", "-"))
        if len(digits) == 16:
            digits = mark.join(digits[i : i + 4] for i in range(0, 16, 4))
        return Marked(digits, "CREDIT_CARD")

    def iban(self, _language: str) -> Marked:
        value = self.rng.choice(IBANS)
        if self.rng.random() < 0.5:
            value = " ".join(value[i : i + 4] for i in range(0, len(value), 4))
        return Marked(value, "IBAN_CODE")

    def ip(self, _language: str) -> Marked:
        net = self.rng.choice(("192.0.2.{}", "198.51.100.{}", "203.0.113.{}", "2001:db8::{:x}"))
        return Marked(net.format(self.rng.randint(1, 254)), "IP_ADDRESS")

    def mac(self, _language: str) -> Marked:
        return Marked(f"00:00:5e:00:53:{self.rng.randint(0, 255):02x}", "MAC_ADDRESS")

    def national_id(self, language: str) -> Marked:
        if language == "en":
            return Marked(self.rng.choice(SSNS), "US_SSN")
        if language == "ja":
            eleven = self.digits(11)
            total = sum(
                int(d) * (n + 1 if n <= 6 else n - 5)
                for n, d in zip(range(1, 12), reversed(eleven), strict=True)
            )
            check = 0 if total % 11 <= 1 else 11 - total % 11
            value = f"{eleven}{check}"
            if self.rng.random() < 0.4:
                value = f"{value[:4]} {value[4:8]} {value[8:]}"
            if self.rng.random() < 0.3:
                value = value.translate({ord(d): ord(d) + 0xFEE0 for d in string.digits})
            return Marked(value, "JP_MY_NUMBER")
        twelve = f"{self.rng.randint(1, 8)}99{self.digits(9)}"
        total = sum(int(d) * w for d, w in zip(twelve, range(13, 1, -1), strict=True))
        value = f"{twelve}{(11 - total % 11) % 10}"
        form = self.rng.random()
        if form < 0.3:
            value = f"{value[0]}-{value[1:5]}-{value[5:10]}-{value[10:12]}-{value[12]}"
        elif form < 0.5 and language == "th":
            value = "".join(chr(0x0E50 + int(d)) for d in value)
        return Marked(value, "TH_TNIN")

    def secret(self, _language: str) -> Marked:
        letters = string.ascii_letters + string.digits
        prefix, count = self.rng.choice((("ghp_", 36), ("sk-proj-", 40), ("xoxb-", 30), ("glpat-", 20)))  # fmt: skip
        return Marked(prefix + "".join(self.rng.choices(letters, k=count)), "SECRET")

    def address(self, language: str) -> Marked:
        return Marked(self.rng.choice(STREETS[language]), "ADDRESS")

    # --- what is none ----------------------------------------------------------------------------
    def look_alike(self) -> str:
        epoch = 1_760_000_000 + self.rng.randint(0, 30_000_000)
        version = f"{self.rng.randint(0, 20)}.{self.rng.randint(0, 40)}.{self.rng.randint(0, 99)}"
        uuid = f"{self.hex(8)}-{self.hex(4)}-4{self.hex(3)}-a{self.hex(3)}-{self.hex(12)}"
        makers: tuple[Callable[[], str], ...] = (
            lambda: f"trace_id={self.hex(32)}",
            lambda: f"sha256:{self.hex(64)}",
            lambda: f"commit {self.hex(40)}",
            lambda: uuid,
            lambda: f"v{version}",
            lambda: f"python=={version}",
            lambda: f"at {epoch}",
            lambda: f"took {self.rng.randint(1, 99999)} ms since {epoch}{self.digits(3)}",
            lambda: f"order 2026{self.digits(8)}",
            lambda: f"order #{self.digits(7)}",
            lambda: f"invoice INV-2026-{self.digits(5)}",
            lambda: f"{self.rng.randint(1, 999)},{self.digits(3)}.{self.digits(2)} THB",
            lambda: f"¥{self.rng.randint(1, 99)},{self.digits(3)}",
            lambda: f"${self.rng.randint(1, 9999)}.{self.digits(2)}",
            lambda: f"line {self.rng.randint(1, 9999)}, column {self.rng.randint(1, 80)}",
            lambda: f"{self.rng.randint(1, 99)}/{self.rng.randint(100, 999)} tests passed",
            lambda: f"request req_{self.hex(24)}",
            lambda: f"session {self.hex(16)}",
            lambda: f"pod api-{self.hex(9)}-{self.hex(5)}",
            lambda: f"sku {self.digits(4)}-{self.digits(4)}",
            lambda: f"size {self.digits(9)} bytes",
            lambda: f"2026-{self.rng.randint(1, 12):02}-{self.rng.randint(1, 28):02}T10:{self.rng.randint(10, 59)}:07.{self.digits(3)}Z",
            lambda: "image@sha256 is pinned",
            lambda: "logo@2x.png",
            lambda: f"matrix [{self.rng.random():.6f}, {self.rng.random():.6f}]",
        )  # fmt: skip
        return self.rng.choice(makers)()

    def anything(self, language: str) -> Marked:
        kinds = (
            self.email, self.phone, self.person, self.card, self.iban, self.ip, self.mac,
            self.national_id, self.secret, self.email, self.phone, self.person,
        )  # fmt: skip
        return self.rng.choice(kinds)(language)

    def sentence(self, language: str) -> Text:
        before, after = self.rng.choice(SENTENCES[language]).split("{}")
        noise = f" ({self.look_alike()})" if self.rng.random() < 0.5 else ""
        if self.rng.random() < 0.3:
            return text(before, "ID-7", after, noise)
        return text(before, self.anything(language), after, noise)

    # --- records ---------------------------------------------------------------------------------
    def call(self, language: str) -> Any:
        arguments: dict[str, Any] = {
            "query": self.sentence(language),
            "limit": self.rng.randint(1, 500),
            "since": 1_760_000_000_000 + self.rng.randint(0, 10**10),
            "cursor": self.hex(24),
        }
        for key, make in self.rng.sample(
            (
                ("email", self.email), ("customer_name", self.person), ("phone", self.phone),
                ("card_number", self.card), ("iban", self.iban), ("to", self.email),
                ("client", self.ip), ("id", self.national_id), ("api_key", self.secret),
                ("shipping_address", self.address), ("device", self.mac),
            ),
            3,
        ):  # fmt: skip
            arguments[key] = make(language)
        return {
            "jsonrpc": "2.0",
            "id": self.rng.randint(1, 9999),
            "method": "tools/call",
            "params": {
                "name": self.rng.choice(("crm_find", "send_mail", "db.query")),
                "arguments": arguments,
                "_meta": {"traceparent": f"00-{self.hex(32)}-{self.hex(16)}-01"},
            },
        }

    def result(self, language: str) -> Any:
        rows = [
            {
                "email": self.email(language),
                "note": self.sentence(language),
                "order_id": f"2026{self.digits(8)}",
                "total": round(self.rng.random() * 10_000, 2),
                "updated_at": 1_760_000_000 + self.rng.randint(0, 30_000_000),
            }
            for _ in range(self.rng.randint(1, 3))
        ]
        return {
            "jsonrpc": "2.0",
            "id": self.rng.randint(1, 9999),
            "result": {
                "content": [
                    {"type": "text", "text": Embedded({"rows": rows, "etag": self.hex(40)})}
                ],
                "isError": False,
            },
        }

    def prompt(self, language: str) -> Any:
        other = self.rng.choice(("en", language))
        parts = [*self.sentence(language).parts, "\n", *self.sentence(other).parts]
        return {"role": "user", "content": [{"type": "text", "text": Text(tuple(parts))}]}

    def trace(self, _language: str) -> Any:
        who = self.email("en")
        stack = text(
            "Traceback (most recent call last):\n"
            f'  File "/srv/app/worker_{self.rng.randint(1, 9)}.py", line {self.rng.randint(1, 999)}, in handle\n'
            "    return store.put(key, value)\n"
            f"ValueError: duplicate key (email)=(", who, f") {self.look_alike()}\n"
            "  caused by ConnectionError: [", self.ip("en"), f"]:{self.rng.randint(1024, 9999)} refused",
        )  # fmt: skip
        return {"level": "error", "message": stack, "version": f"1.{self.rng.randint(0, 30)}.0"}

    def command(self, _language: str) -> Any:
        line = text(
            "curl -s -H 'Authorization: Bearer ", self.secret("en"),
            f"' 'https://api.example.com/v2/items?page={self.rng.randint(1, 99)}&user=", self.email("en"),
            f"' | jq . > /tmp/out_{self.hex(8)}.json",
        )  # fmt: skip
        return {"tool": "Bash", "input": {"command": line, "timeout": 120_000}}

    def quiet(self, _language: str) -> Any:
        """A record with nothing personal in it."""
        lines = "\n".join(self.look_alike() for _ in range(self.rng.randint(3, 10)))
        return {
            "event": "build",
            "output": lines,
            "digest": self.hex(64),
            "duration_ms": self.rng.randint(1, 10**6),
            "checks": [self.look_alike() for _ in range(4)],
        }

    def record(self) -> dict[str, Any]:
        language = self.rng.choice(("en", "en", "th", "ja", "lo"))
        kinds = (
            self.call, self.call, self.result, self.prompt, self.prompt, self.trace, self.command,
            self.quiet,
        )  # fmt: skip
        make = self.rng.choice(kinds)
        alone = make in (self.trace, self.command, self.quiet)
        language = "en" if alone else language
        return sample(make(language), language)


def samples(seed: int = 1, records: int = 500) -> Iterator[dict[str, Any]]:
    """Samples as `agenttrail mask-test` reads them."""
    maker = Maker(seed)
    for _ in range(records):
        yield maker.record()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--records", type=int, default=500)
    given = parser.parse_args()
    for made in samples(given.seed, given.records):
        sys.stdout.write(json.dumps(made, ensure_ascii=False) + "\n")
