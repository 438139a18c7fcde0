"""Canaries: made-up personal data, new for every run, each with a mark that no mask takes for data.

A canary's mark (`agenttrail_canary_<run>_<number>`) tells where it arrived. Its `fragments` are what
must not be readable there: parts of the planted values that nothing else in a record spells.

Addresses are of example.com, numbers reserved for fiction or of test cards, names common ones;
tokens are drawn at random for every run and open nothing.

Limits: `hard` canaries are of kinds that agenttrail's mask says it does not see (its explain page).
"""

from __future__ import annotations

import base64
import html
import json
import string
import urllib.parse
from dataclasses import dataclass
from random import Random
from typing import Any

MARK = "agenttrail_canary_"
# No vowels: such a word is in no list of names, and the mask's tests draw thousands of them.
_LETTERS = "bcdfghjkmnpqrtvwxz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """One.

    Args:
        name: what is planted, and how it is wrapped, as `en.email` or `wrapped.percent`.
        mark: unique in its run; it stays readable.
        text: a sentence with the planted values.
        data: a JSON value with them, or None.
        fragments: what must not be readable.
        unique: fragments that no other run plants: they are a leak in any record, marked or not.
        hard: the mask says that it does not see this.
    """

    name: str
    mark: str
    text: str
    fragments: tuple[str, ...]
    data: Any = None
    unique: tuple[str, ...] = ()
    hard: bool = False


def run_id(rng: Random) -> str:
    """A word for one run."""
    return "".join(rng.choice(_LETTERS) for _ in range(8))


def plant(run: str, rng: Random, *, hard: bool = False) -> list[Canary]:
    """All canaries of a run.

    Args:
        run: as of `run_id`.
        rng: where tokens and local parts come from.
        hard: with what the mask says it does not see.
    """
    made: list[Canary] = []

    def word() -> str:
        return "".join(rng.choice(_LETTERS) for _ in range(10))

    def token(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
        return "".join(rng.choice(alphabet) for _ in range(length))

    def add(name: str, text: str, *fragments: str, data: Any = None, unique: tuple[str, ...] = (), hard: bool = False) -> None:  # fmt: skip
        made.append(
            Canary(
                name=name, mark=f"{MARK}{run}_{len(made) + 1:02d}", text=text, data=data, hard=hard,
                fragments=(*fragments, *unique), unique=unique,
            )
        )  # fmt: skip

    mails = [word() for _ in range(16)]
    mail = [f"ann.{local}@example.com" for local in mails]

    add("en.email", f"Send the bill to {mail[0]} today.", unique=(mails[0],))
    add("en.phone", "Call her at +1 415-555-0143 before noon.", "4155550143")
    add("en.card", "Paid with card 4111 1111 1111 1111, thank you.", "4111111111111111")
    add("en.iban", "Refund to IBAN GB82 WEST 1234 5698 7654 32 please.", "WEST12345698765432")
    add("en.address", "Connected from 203.0.113.77 just now.", "203.0.113.77")
    add("en.name", "Please ask Margaret Thornbury about the contract.", "Thornbury")
    add("th.id", "เลขบัตรประชาชน 1-1017-00230-70-8 ค่ะ", "1101700230708")
    add("th.name", "ติดต่อคุณสมชาย ใจดี เรื่องใบแจ้งหนี้", "สมชาย", "ใจดี")
    add("th.email", f"อีเมล{mail[1]}ค่ะ", unique=(mails[1],))
    add("ja.name", "山田太郎様から問い合わせがありました。", "山田太郎")
    add("ja.number", "マイナンバー 123456789018 を確認しました。", "123456789018")
    add("ja.phone", "電話は０３－１２３４－５６７８です。", "0312345678")
    add("lo.name", "ຕິດຕໍ່ ທ້າວ ສົມພອນ ກ່ຽວກັບໃບບິນ", "ສົມພອນ")
    add("lo.phone", "ໂທ 020 5555 1234 ໄດ້", "02055551234")
    add("lo.email", f"ອີເມວ{mail[2]}", unique=(mails[2],))

    cloud = "AKIA" + token(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    forge = "ghp_" + token(36)
    password = token(14)
    add("secret.cloud_key", f"export AWS_ACCESS_KEY_ID={cloud}", unique=(cloud,))
    add("secret.token", f"git clone with {forge} failed", unique=(forge,))
    add("secret.url_password", f"postgres://svc:{password}@db.example.com/audit refused", unique=(password,))  # fmt: skip

    add("nested.object", "the tool was called", unique=(mails[3],), data={"customer": {"contacts": [{"kind": "mail", "value": mail[3]}]}})  # fmt: skip
    add("nested.string", "the tool answered", unique=(mails[4],), data={"payload": json.dumps({"body": json.dumps({"to": mail[4]})})})  # fmt: skip
    add("nested.key", "grouped by address", unique=(mails[5],), data={"by_address": {mail[5]: 3}})
    add("nested.deep", "a deep answer", unique=(mails[6],), data=_deep({"mail": mail[6]}, 12))
    add("nested.field", "a customer was found", "Somphone", "Thornbury", data={"customer_name": "Somphone Thornbury"})  # fmt: skip

    add("wrapped.percent", f"GET /find?mail={urllib.parse.quote(mail[7], safe='')} 200", unique=(mails[7],))  # fmt: skip
    add("wrapped.html", f"<td>{_entities(mail[8])}</td>", unique=(mails[8],))
    add(
        "wrapped.full_width",
        "カード番号 ４１１１ １１１１ １１１１ １１１１ です。",
        "4111111111111111",
    )
    add("wrapped.zero_width", f"mail {mail[9].replace('.com', '​.com')} now", unique=(mails[9],))
    encoded = base64.b64encode(json.dumps({"mail": mail[10]}).encode()).decode()
    add("wrapped.base64", f"payload {encoded} stored", unique=(mails[10],))
    if hard:
        add("wrapped.hex", f"bytes {mail[11].encode().hex()} read", unique=(mails[11],), hard=True)
        words = "four" + " one" * 15
        add("wrapped.words", f"card {words}, she said", words, hard=True)
    return made


def _deep(value: Any, levels: int) -> Any:
    for level in range(levels):
        value = {"items": [value]} if level % 2 else {"inner": value}
    return value


def _entities(text: str) -> str:
    """Every second character as a numeric entity, the rest as it is."""
    made = "".join(f"&#{ord(c)};" if i % 2 else c for i, c in enumerate(text))
    assert html.unescape(made) == text
    return made
