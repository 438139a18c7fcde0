"""A customer desk as an MCP server: the demo's server for both protocol eras, with made-up customers.

Built on the MCP Python SDK, so what it says on the wire is what real servers say. It has what an
audit log has to cope with: personal data in four languages, JSON in strings, a destructive tool that
asks for confirmation, progress, log messages, subscriptions, failing tools and a crash.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import Annotated

import anyio
from mcp.server.mcpserver import Context, Elicit, MCPServer, Resolve
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, ToolAnnotations
from pydantic import BaseModel

# The logging capability is deprecated as of 2026-07-28, and clients use it all the same.
warnings.simplefilter("ignore")


class Customer(BaseModel):
    """One customer."""

    number: int
    name: str
    email: str
    phone: str
    address: str
    national_id: str | None = None
    card: str | None = None


CUSTOMERS = {
    customer.email: customer
    for customer in (
        Customer(
            number=1041, name="Margaret Thornbury", email="m.thornbury@example.com",
            phone="+1 202-555-0143", address="48 Alder Street, Springfield",
            card="4111 1111 1111 1111",
        ),
        Customer(
            number=1042, name="สมชาย ใจดี", email="somchai@example.co.th",
            phone="+66 2 000 0142", address="99/1 ถนนตัวอย่าง แขวงบางรัก กรุงเทพมหานคร 10500",
            national_id="1-1017-00207-36-6",
        ),
        Customer(
            number=1043, name="山田 花子", email="hanako.yamada@example.jp",
            phone="+81 6-0000-0142", address="大阪府大阪市北区見本町1-2-3", national_id="1234-5678-9018",
        ),
        Customer(
            number=1044, name="ສົມພອນ ວົງສາ", email="somphone@example.la",
            phone="+856 21 000 142", address="ບ້ານຕົວຢ່າງ ເມືອງຈັນທະບູລີ ນະຄອນຫຼວງວຽງຈັນ",
        ),
    )
}  # fmt: skip

NOTES = [
    "Ms Thornbury called from +1 202-555-0143 about order 8812; wants the refund on 4111 1111 1111 1111.",
    "ลูกค้า สมชาย ใจดี แจ้งเลขบัตรประชาชน 1-1017-00207-36-6 และขอให้โทรกลับ +66 2 000 0142",
    "山田 花子様、マイナンバー 1234-5678-9018 の写しを /home/somchai/inbox/山田花子.pdf に保存済み",
    "ທ້າວ ສົມພອນ ວົງສາ ຂໍໃຫ້ຕິດຕໍ່ທາງ somphone@example.la ຫຼື +856 21 000 142",
]

server = MCPServer(
    "customer-desk",
    version="1.0.0",
    instructions="Look up customers before changing anything.",
    log_level="ERROR",
)


def note(text: str) -> None:
    """A careless log line, as servers write them."""
    print(f"[desk] {text}", file=sys.stderr, flush=True)


def find(email: str) -> Customer:
    if email not in CUSTOMERS:
        raise ToolError(
            f"no customer with e-mail {email}; is /home/somchai/crm/{email}.json there?"
        )
    return CUSTOMERS[email]


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def find_customer(email: str) -> Customer:
    """Finds a customer by e-mail address."""
    customer = find(email)
    note(f"lookup {customer.name} <{email}> from 203.0.113.7")
    return customer


@server.tool(annotations=ToolAnnotations(read_only_hint=True), structured_output=False)
def search_notes(query: str) -> str:
    """Searches the notes on customers; `query` is JSON: {"text": ..., "limit": ...}."""
    wanted = json.loads(query)
    found = [text for text in NOTES if wanted["text"] in text][: wanted.get("limit", 10)]
    # JSON in a string in JSON, as many tools answer.
    return json.dumps({"matches": found, "request": query})


class Confirmation(BaseModel):
    """What the person at the desk is asked."""

    confirm: bool
    callback_phone: str = ""


async def ask(email: str, amount: float) -> Elicit[Confirmation]:
    """The question before a refund."""
    return Elicit(f"Refund {amount:.2f} to {find(email).name} ({email})?", Confirmation)


@server.tool(annotations=ToolAnnotations(destructive_hint=True, idempotent_hint=False))
async def refund(
    email: str, amount: float, answer: Annotated[Confirmation, Resolve(ask)], ctx: Context
) -> str:
    """Pays money back to a customer, after asking."""
    customer = find(email)
    if not answer.confirm:
        raise ToolError(f"refund to {customer.name} was not confirmed")
    for step, text in enumerate(
        (f"checking {email}", "paying", f"calling {answer.callback_phone}"), 1
    ):
        await ctx.report_progress(step, 3, text)
    await ctx.log("info", {"refund": amount, "customer": customer.name}, logger_name="desk.refund")
    return f"Refunded {amount:.2f} to {customer.name}, card {customer.card or 'none on file'}."


@server.tool(annotations=ToolAnnotations(read_only_hint=False))
async def update_phone(email: str, phone: str, ctx: Context) -> str:
    """Changes a customer's phone number."""
    customer = find(email)
    await ctx.notify_resource_updated(f"desk://customers/{email}")
    return f"{customer.name}: {customer.phone} is now {phone}"


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def wait_for_courier(email: str) -> str:
    """Waits until the courier has been at a customer's."""
    await anyio.sleep(30)
    return f"delivered to {find(email).address}"


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def nightly_export(folder: str) -> str:
    """Exports all customers; ends the server when its disk is full."""
    note(f"export of {len(CUSTOMERS)} customers to {folder} failed: disk full")
    note("last row: 1043;山田 花子;hanako.yamada@example.jp")
    os._exit(1)


@server.tool()
def merge_customers(keep: str, remove: str) -> str:
    """Merges two customers; refuses by a protocol error."""
    raise MCPError(
        code=INVALID_PARAMS,
        message=f"cannot merge {remove} into {keep}",
        data={"keep": keep, "remove": remove},
    )


@server.resource("desk://customers/{email}", mime_type="application/json")
def customer_resource(email: str) -> str:
    """One customer as JSON."""
    if email not in CUSTOMERS:
        raise ResourceNotFoundError(f"no customer {email}")
    return CUSTOMERS[email].model_dump_json()


@server.prompt()
def apology(name: str, reason: str) -> str:
    """A letter of apology."""
    return f"Write to {name} and apologise: {reason}. Sign as Margaret Thornbury, m.thornbury@example.com."


if __name__ == "__main__":
    note("ready, customers from /home/somchai/crm/customers.json")
    server.run("stdio")
