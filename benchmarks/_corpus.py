"""A made-up capture of MCP traffic (`mcp_wire`), the same on every run: requests and their responses.

About a quarter of the strings hold personal data, all of reserved kinds (example.com, 555-01xx, test
card numbers, documentation addresses); the rest is what logs are full of: ids, times, versions,
paths, prose, code, JSON in strings; English with some Thai and Japanese. Six in ten strings repeat.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_FIRST = [
    "James",
    "Mary",
    "Robert",
    "Linda",
    "Carlos",
    "Aisha",
    "Priya",
    "Omar",
    "Ingrid",
    "Hiroshi",
    "Somchai",
    "Malee",
    "Kenji",
    "Chiara",
]
_LAST = [
    "Smith",
    "Johnson",
    "Garcia",
    "Tanaka",
    "Suzuki",
    "Srisai",
    "Wongsakul",
    "Kowalski",
    "Rossi",
    "Schmidt",
    "Okafor",
    "Khan",
]
_DOMAINS = ["example.com", "example.org", "mail.example.com", "example.co.th", "example.net"]
_TOOLS = [
    "crm.update_contact",
    "crm.search",
    "billing.create_invoice",
    "files.read",
    "search.web",
    "calendar.create",
    "mail.send",
    "db.query",
]
_CARDS = ("4111111111111111", "5555 5555 5555 4444", "3782-822463-10005", "6011111111111117")
_PERSONAL = [
    "Please update the contact record for {person} and set the email to {email}.",
    "Customer {person} called from {phone} about order {order} and wants a refund of {money} USD.",
    "Can you check why my card {card} was declined {n} times yesterday?",
    "The login came from {ip} which is not the usual location for {person}.",
    "Send the contract to {email} and copy {email} as well.",
    "ลูกค้า {person} โทร {phone} อีเมล {email} ครับ",
    "{person}さんの連絡先は {phone} です。メールは {email}",
    "Wire the remaining {money} to IBAN DE89370400440532013000 before Friday.",
    "Blocked sign-in attempt for {email} from {ip} after {n} failures.",
]
_PLAIN = [
    "The deployment finished without errors and all health checks are green.",
    "I could not find any matching documents, so I widened the search to the last {n} days.",
    "Retrying request after a timeout of {n} ms while calling {tool}.",
    "The function returned {n} rows in {n} ms and the cache was warm.",
    "Order {order} was shipped and the tracking page was updated.",
    "Version {version} introduces a breaking change in the config loader.",
    "ระบบทำงานเสร็จสมบูรณ์ ไม่พบข้อผิดพลาด",
    "処理は正常に完了しました。次のステップに進みます。",
    "ERROR {tool} failed: upstream returned 503 after {n} attempts (request {hex})",
    "Run id {uuid} completed at {time}; session expires at {epoch}.",
    "SELECT id, total, created_at FROM invoices WHERE status = 'open' AND total > {money} LIMIT {n}",
    'Traceback (most recent call last):\n  File "/app/agent/runner.py", line {n}, in call\n    result = await tool.invoke(args, timeout={n})\nagent.errors.ToolTimeout: {tool}',
]  # fmt: skip


def lines(size: int, seed: int = 1) -> Iterator[bytes]:
    """Lines without line end until they hold `size` bytes."""
    made = _Maker(random.Random(seed))
    while size > 0:
        for line in made.call():
            size -= len(line) + 1
            yield line


def recorded(folder: Path, size: int, seed: int = 1) -> Iterator[bytes]:
    """Recorded traffic again and again until it holds `size` bytes, every time with other numbers.

    Numbers of three digits and more (ids, times, sizes, hexadecimal too) are new in each round, the
    same within it, so that responses find their requests; words stay.
    """
    rng = random.Random(seed)
    files = [file.read_bytes().splitlines() for file in sorted(folder.glob("*.wire.jsonl"))]
    while size > 0:
        for number, lines_of in enumerate(files):
            fresh: dict[str, str] = {}
            connection = f"{seed}-{number}-{size}"

            def other(match: re.Match[str], fresh: dict[str, str] = fresh) -> str:
                text = match.group()
                if text not in fresh:
                    signs = "123456789" if text.isdecimal() else "abcdef123456789"
                    fresh[text] = "".join(rng.choices(signs, k=len(text)))
                return fresh[text]

            for line in lines_of:
                row = json.loads(line)
                row["conn"] = connection
                if isinstance(row.get("raw"), str):
                    row["raw"] = _NUMBER.sub(other, row["raw"])
                made = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()
                size -= len(made) + 1
                yield made
            if size <= 0:
                return


# Not within a word: neither a hash's name (sha256) nor an escape (\u00e9, %20) is one.
_NUMBER = re.compile(r"(?<![\w\\%.-])(?:(?=[0-9a-f]*[0-9])[0-9a-f]{8,}|\d{3,19})(?![\w.-])")


class _Maker:
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._number = 0
        self._clock = 1_770_000_000_000
        self._people = [self._person() for _ in range(400)]
        self._words: dict[str, Callable[[], str]] = {
            "person": lambda: rng.choice(self._people)["name"],
            "email": lambda: rng.choice(self._people)["email"],
            "phone": lambda: rng.choice(self._people)["phone"],
            "ip": lambda: f"203.0.113.{rng.randrange(1, 255)}",
            "card": lambda: rng.choice(_CARDS),
            "order": lambda: f"ORD-{rng.randrange(10**5, 10**8)}",
            "money": lambda: f"{rng.randrange(1, 9000)}.{rng.randrange(100):02}",
            "n": lambda: str(rng.randrange(1, 500)),
            "tool": lambda: rng.choice(_TOOLS),
            "version": lambda: f"{rng.randrange(9)}.{rng.randrange(40)}.{rng.randrange(30)}",
            "hex": lambda: f"{rng.getrandbits(128):032x}",
            "uuid": self._uuid,
            "time": self._time,
            "epoch": lambda: str(rng.randrange(1_750_000_000, 1_790_000_000)),
        }

    def call(self) -> Iterator[bytes]:
        """A tools/call and its result."""
        rng = self._rng
        self._number += 1
        tool = rng.choice(_TOOLS)
        meta = {"progressToken": self._uuid(), "traceparent": f"00-{rng.getrandbits(128):032x}-{rng.getrandbits(64):016x}-01"}  # fmt: skip
        params = {"name": tool, "arguments": self._arguments(tool), "_meta": meta}
        request = {"jsonrpc": "2.0", "id": self._number, "method": "tools/call", "params": params}
        content: list[dict[str, Any]] = [{"type": "text", "text": self._text(12)}]
        if rng.random() < 0.35:
            content.append({"type": "text", "text": json.dumps(self._row(), ensure_ascii=False)})
        result: dict[str, Any] = {"content": content, "isError": rng.random() < 0.08}
        if rng.random() < 0.6:
            result["structuredContent"] = {"items": [self._row() for _ in range(rng.randrange(1, 6))]}  # fmt: skip
        response = {"jsonrpc": "2.0", "id": self._number, "result": result}
        for way, message in (("c2s", request), ("s2c", response)):
            raw = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
            line = {"ts": self._time(), "server": tool.split(".")[0], "dir": way, "raw": raw}
            yield json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode()

    def _arguments(self, tool: str) -> dict[str, Any]:
        person = self._rng.choice(self._people)
        match tool.split(".")[0]:
            case "crm" | "billing":
                fields = {"company": "Northwind", "notes": self._text(4), **person}
                return {"contact_id": self._uuid(), "fields": fields, "total": self._words["money"]()}  # fmt: skip
            case "mail" | "calendar":
                return {"to": [person["email"]], "subject": self._fill("Invoice {order} is due"), "body": self._text(8)}  # fmt: skip
            case "db" | "files":
                path = f"/var/lib/agent/cache/{self._rng.getrandbits(40):x}.json"
                return {"path": path, "sql": self._fill(_PLAIN[-2]), "encoding": "utf-8", "limit": 100}  # fmt: skip
            case _:
                return {"query": self._fill("pricing for {order} in {version}"), "top_k": 5, "lang": "en"}  # fmt: skip

    def _row(self) -> dict[str, Any]:
        status = self._rng.choice(("active", "pending", "closed"))
        return {"id": self._uuid(), "status": status, "updated_at": self._time(), **self._rng.choice(self._people)}  # fmt: skip

    def _person(self) -> dict[str, str]:
        first, last = self._rng.choice(_FIRST), self._rng.choice(_LAST)
        mail = f"{first}.{last}{self._rng.randrange(99)}@{self._rng.choice(_DOMAINS)}".lower()
        phone = self._rng.choice((f"(212) 555-01{self._rng.randrange(100):02}", f"+1 415 555 01{self._rng.randrange(100):02}", f"020 7946 0{self._rng.randrange(1000):03}"))  # fmt: skip
        return {"name": f"{first} {last}", "email": mail, "phone": phone}

    def _text(self, most: int) -> str:
        count = self._rng.randrange(1, most)
        return " ".join(self._fill(self._rng.choice(_PERSONAL if self._rng.random() < 0.4 else _PLAIN)) for _ in range(count))  # fmt: skip

    def _fill(self, template: str) -> str:
        parts = template.split("{")
        filled = [parts[0]]
        for part in parts[1:]:
            name, rest = part.split("}", 1)
            filled += [self._words[name](), rest]
        return "".join(filled)

    def _uuid(self) -> str:
        text = f"{self._rng.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def _time(self) -> str:
        self._clock += self._rng.randrange(2000)
        minutes, ms = divmod(self._clock, 60_000)
        return f"2026-{1 + minutes // 43_200 % 12:02}-{1 + minutes // 1440 % 28:02}T{minutes // 60 % 24:02}:{minutes % 60:02}:{ms // 1000:02}.{ms % 1000:03}Z"
