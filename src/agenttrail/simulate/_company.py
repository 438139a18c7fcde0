"""The company: its offices, departments, agents, tools, models and people."""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """One office; `offset_h` is its time zone's hours before UTC."""

    code: str
    city: str
    zone: str
    offset_h: int
    language: str
    domain: str


BANGKOK = Office(code="bkk", city="Bangkok", zone="Asia/Bangkok", offset_h=7, language="th", domain="example.co.th")  # fmt: skip
TOKYO = Office(code="tyo", city="Tokyo", zone="Asia/Tokyo", offset_h=9, language="ja", domain="example.co.jp")  # fmt: skip
VIENTIANE = Office(code="vte", city="Vientiane", zone="Asia/Vientiane", offset_h=7, language="lo", domain="example.la")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model and what it costs, in USD for a million tokens: made up, so that truth needs no list."""

    name: str
    provider: str
    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write: Decimal


SMALL = Model(
    name="claude-haiku-4-5", provider="anthropic", input=Decimal("1.00"), output=Decimal("5.00"),
    cache_read=Decimal("0.10"), cache_write=Decimal("1.25"),
)  # fmt: skip
LARGE = Model(
    name="claude-sonnet-4-5", provider="anthropic", input=Decimal("3.00"), output=Decimal("15.00"),
    cache_read=Decimal("0.30"), cache_write=Decimal("3.75"),
)  # fmt: skip
CODER = Model(
    name="gpt-5-codex", provider="openai", input=Decimal("1.25"), output=Decimal("10.00"),
    cache_read=Decimal("0.125"), cache_write=Decimal("1.25"),
)  # fmt: skip
MODELS = (SMALL, LARGE, CODER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One agent. `log` is the format that its runtime writes; `share` its part of all tasks."""

    id: str
    kind: str  # whose story it tells: support, expense, sales, research, helpdesk
    log: str  # claude_code, codex, otel, mcp_wire
    office: Office
    department: str
    purpose: str
    version: str
    model: Model | None
    share: float

    @property
    def folder(self) -> str:
        """Where a command-line runtime works; it tells these agents apart in their logs."""
        return f"/srv/agents/{self.id}"


def _support(office: Office, share: float) -> Agent:
    return Agent(
        id=f"support-{office.code}", kind="support", log="otel", office=office, department="Support",
        purpose=f"answers customers of {office.city}", version="2.3.0", model=SMALL, share=share,
    )  # fmt: skip


AGENTS = (
    _support(BANGKOK, 0.2),
    _support(TOKYO, 0.2),
    _support(VIENTIANE, 0.1),
    Agent(id="expense", kind="expense", log="claude_code", office=TOKYO, department="Accounting", purpose="checks and pays expense claims", version="1.8.2", model=LARGE, share=0.2),
    Agent(id="sales", kind="sales", log="codex", office=BANGKOK, department="Sales", purpose="prepares quotes", version="0.104.0", model=CODER, share=0.12),
    Agent(id="research", kind="research", log="claude_code", office=TOKYO, department="Research", purpose="plans market studies and hands them over for writing", version="1.2.0", model=LARGE, share=0.08),
    Agent(id="helpdesk", kind="helpdesk", log="mcp_wire", office=BANGKOK, department="IT", purpose="helps staff with accounts and devices", version="3.1.0", model=None, share=0.1),
)  # fmt: skip
# Writes what `research` plans; it has no tasks of its own.
WRITER = "research-writer"
# Registered, and to be switched off in the month: what it does afterwards is an anomaly.
FAQ = Agent(id="faq", kind="support", log="otel", office=BANGKOK, department="Support", purpose="answered common questions", version="0.9.0", model=SMALL, share=0.0)  # fmt: skip
# In nobody's registry.
SHADOW = Agent(id="shadow-bot", kind="support", log="otel", office=TOKYO, department="", purpose="", version="0.1.0", model=SMALL, share=0.0)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """What a server says of its tool, and what the registry of the company adds."""

    server: str
    name: str
    read_only: bool = False
    idempotent: bool = False
    destructive: bool = False
    category: str = "internal"
    resource: str | None = None  # argument that names the record it touches
    human: bool = False  # calls a person in


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(server="crm", name="find_customer", read_only=True, idempotent=True, category="customer"),
        Tool(server="crm", name="update_customer", idempotent=True, category="customer", resource="customer_id"),
        Tool(server="tickets", name="get_ticket", read_only=True, idempotent=True, category="customer"),
        Tool(server="tickets", name="reply", category="customer", resource="ticket_id"),
        Tool(server="tickets", name="hand_to_person", category="customer", resource="ticket_id", human=True),
        Tool(server="finance", name="get_claim", read_only=True, idempotent=True, category="finance"),
        Tool(server="finance", name="pay_claim", destructive=True, category="finance", resource="claim_id"),
        Tool(server="finance", name="reject_claim", idempotent=True, category="finance", resource="claim_id"),
        Tool(server="mail", name="send_mail", destructive=True, category="internal"),
        Tool(server="web", name="search", read_only=True, idempotent=True, category="public"),
        Tool(server="web", name="fetch", read_only=True, idempotent=True, category="public"),
        Tool(server="docs", name="get_brief", read_only=True, idempotent=True, category="internal"),
        Tool(server="docs", name="write_section", idempotent=True, category="internal", resource="document_id"),
        Tool(server="quotes", name="get_prices", read_only=True, idempotent=True, category="internal"),
        Tool(server="quotes", name="create_quote", category="customer", resource="quote_id"),
        Tool(server="directory", name="find_employee", read_only=True, idempotent=True, category="hr"),
        Tool(server="directory", name="reset_password", destructive=True, category="hr", resource="employee_id"),
        Tool(server="files", name="delete_file", destructive=True, category="internal", resource="path"),
        Tool(server="hr", name="get_salary", read_only=True, idempotent=True, category="hr"),
    )
}  # fmt: skip

USES = {
    "support": ("find_customer", "update_customer", "get_ticket", "reply", "hand_to_person"),
    "expense": ("get_claim", "pay_claim", "reject_claim", "send_mail"),
    "sales": ("find_customer", "get_prices", "create_quote", "send_mail"),
    "research": ("get_brief", "search", "fetch"),
    "writer": ("write_section",),
    "helpdesk": ("find_employee", "reset_password", "delete_file"),
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody made up: common names put together by chance."""

    id: str
    name: str  # as written at home
    latin: str
    email: str
    phone: str


_NAMES = {
    "th": (("สมชาย", "somchai"), ("มาลี", "malee"), ("ประเสริฐ", "prasert"), ("สุดา", "suda"), ("อนุชา", "anucha"), ("วันเพ็ญ", "wanpen")),
    "ja": (("太郎", "taro"), ("花子", "hanako"), ("健一", "kenichi"), ("由美", "yumi"), ("直樹", "naoki"), ("恵子", "keiko")),
    "lo": (("ສົມພອນ", "somphone"), ("ບຸນມີ", "bounmy"), ("ນາງຄຳ", "khamla"), ("ສຸລິຍາ", "souliya"), ("ແກ້ວ", "keo"), ("ວິໄລ", "vilay")),
}  # fmt: skip
_FAMILIES = {
    "th": (("ใจดี", "jaidee"), ("ศรีสุข", "srisuk"), ("วงศ์สวัสดิ์", "wongsawat"), ("แก้วมณี", "kaewmanee"), ("ทองดี", "thongdee")),
    "ja": (("田中", "tanaka"), ("鈴木", "suzuki"), ("佐藤", "sato"), ("高橋", "takahashi"), ("伊藤", "ito")),
    "lo": (("ພົມມະຈັນ", "phommachanh"), ("ສີສຸວົງ", "sisouvong"), ("ວົງສາ", "vongsa"), ("ແສງດາລາ", "sengdara"), ("ຈັນທະວົງ", "chanthavong")),
}  # fmt: skip
_TITLES = {"th": "คุณ", "ja": "", "lo": "ທ່ານ "}


def person(office: Office, number: int) -> Person:
    """The person of this number of an office: always the same one."""
    rng = random.Random(f"{office.code}:{number}")  # noqa: S311  nothing is guarded by it
    given, given_latin = rng.choice(_NAMES[office.language])
    family, family_latin = rng.choice(_FAMILIES[office.language])
    title = _TITLES[office.language]
    name = f"{family} {given}" if office.language == "ja" else f"{title}{given} {family}"
    digits = f"{rng.randrange(10**4):04}"
    phone = {
        "th": f"081-555-{digits}",
        "ja": f"090-5550-{digits}",
        "lo": f"020 5555 {digits}",
    }[office.language]
    return Person(
        id=f"{office.code}-{number:04}",
        name=name,
        latin=f"{given_latin.capitalize()} {family_latin.capitalize()}",
        email=f"{given_latin}.{family_latin}{number}@{office.domain}",
        phone=phone,
    )


def owner(agent: Agent) -> Person:
    """The business owner of an agent, who does not approve its payments."""
    return person(agent.office, 9_100 + sum(map(ord, agent.id)) % 100)
