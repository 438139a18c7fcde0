"""Records the demo traffic anew: real MCP servers, driven by the MCP client, through `agenttrail tap`.

    python collectors/mcp_stdio/record.py [--into FOLDER] [SESSION...]

Needs the packages of the dev group, and Node.js with npm for three of the six servers, which it
installs into .cache/engines/node. Every person in it is made up: addresses under example.*, phone
numbers of blocks that are not given out, a test card. PLANTED.json says which value is where.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, MCPError, StdioServerParameters, types
from mcp.client.stdio import stdio_client

HERE = Path(__file__).parent
NODE = HERE.parent.parent / ".cache" / "engines" / "node"
# Recordings must not show the machine they were made on.
ROOM = Path("/tmp/agenttrail-demo")
HOME = ROOM / "home" / "somchai"
NPM = ("server-everything", "server-filesystem", "server-memory")
NPM_VERSION = "2026.8.31"

# (value, language, kind)
PLANTED = [
    ("Margaret Thornbury", "en", "PERSON"),
    ("Thornbury", "en", "PERSON"),
    ("m.thornbury@example.com", "en", "EMAIL_ADDRESS"),
    ("+1 202-555-0143", "en", "PHONE_NUMBER"),
    ("4111 1111 1111 1111", "en", "CREDIT_CARD"),
    ("48 Alder Street", "en", "LOCATION"),
    ("203.0.113.7", "en", "IP_ADDRESS"),
    ("สมชาย ใจดี", "th", "PERSON"),
    ("somchai", "th", "PERSON"),
    ("somchai@example.co.th", "th", "EMAIL_ADDRESS"),
    ("somchai.old@example.co.th", "th", "EMAIL_ADDRESS"),
    ("+66 2 000 0142", "th", "PHONE_NUMBER"),
    ("+66 2 000 0143", "th", "PHONE_NUMBER"),
    ("1-1017-00207-36-6", "th", "TH_TNIN"),
    ("99/1 ถนนตัวอย่าง แขวงบางรัก", "th", "LOCATION"),
    ("山田 花子", "ja", "PERSON"),
    ("山田花子", "ja", "PERSON"),
    ("hanako.yamada@example.jp", "ja", "EMAIL_ADDRESS"),
    ("+81 6-0000-0142", "ja", "PHONE_NUMBER"),
    ("1234-5678-9018", "ja", "JP_MY_NUMBER"),
    ("大阪府大阪市北区見本町1-2-3", "ja", "LOCATION"),
    ("ສົມພອນ ວົງສາ", "lo", "PERSON"),
    ("somphone@example.la", "lo", "EMAIL_ADDRESS"),
    ("nobody@example.la", "lo", "EMAIL_ADDRESS"),
    ("+856 21 000 142", "lo", "PHONE_NUMBER"),
    ("+856 21 000 143", "lo", "PHONE_NUMBER"),
    ("ບ້ານຕົວຢ່າງ ເມືອງຈັນທະບູລີ", "lo", "LOCATION"),
]


# --- the sessions --------------------------------------------------------------------------------


async def desk(client: Client) -> None:
    """Everything an agent does at a customer desk; ends with the server's crash."""
    await client.list_tools()
    async with client.listen(resource_subscriptions=["desk://customers/somphone@example.la"]):
        await client.call_tool("find_customer", {"email": "m.thornbury@example.com"})
        await client.call_tool("find_customer", {"email": "somchai@example.co.th"})
        await client.call_tool("search_notes", {"query": '{"text": "สมชาย", "limit": 5}'})
        await client.call_tool("search_notes", {"query": '{"text": "花子"}'})
        await client.call_tool(
            "refund",
            {"email": "m.thornbury@example.com", "amount": 120.5},
            progress_callback=ignore_progress,
        )
        await client.call_tool(
            "update_phone", {"email": "somphone@example.la", "phone": "+856 21 000 143"}
        )
        # isError: the tool ran and failed.
        await client.call_tool("find_customer", {"email": "somchai.old@example.co.th"})
        async with asyncio.TaskGroup() as burst:
            for email in (
                "somchai@example.co.th",
                "hanako.yamada@example.jp",
                "somphone@example.la",
            ):
                burst.create_task(client.call_tool("find_customer", {"email": email}))
                burst.create_task(client.read_resource(f"desk://customers/{email}"))
        await client.get_prompt("apology", {"name": "山田 花子", "reason": "遅延"})
        # Errors of the protocol: refused parameters, a resource that is not there.
        with contextlib.suppress(MCPError):
            await client.call_tool(
                "merge_customers",
                {"keep": "somchai@example.co.th", "remove": "hanako.yamada@example.jp"},
            )
        with contextlib.suppress(MCPError):
            await client.read_resource("desk://customers/nobody@example.la")
        with contextlib.suppress(MCPError):
            await client.call_tool("delete_customer", {"email": "somphone@example.la"})
        with anyio.move_on_after(0.3):
            await client.call_tool("wait_for_courier", {"email": "hanako.yamada@example.jp"})
        await client.call_tool("search_notes", {"query": '{"text": "ສົມພອນ"}'})
    with contextlib.suppress(MCPError):
        await client.call_tool("nightly_export", {"folder": "/home/somchai/exports"})


async def desk_legacy(client: Client) -> None:
    """The same desk before 2026: a handshake, and the server asks by a request of its own."""
    await client.list_tools()
    await client.call_tool("find_customer", {"email": "hanako.yamada@example.jp"})
    await client.call_tool(
        "refund",
        {"email": "somchai@example.co.th", "amount": 80},
        progress_callback=ignore_progress,
    )
    await client.call_tool("search_notes", {"query": '{"text": "Thornbury"}'})
    await client.read_resource("desk://customers/somphone@example.la")
    with anyio.move_on_after(0.3):
        await client.call_tool("wait_for_courier", {"email": "somchai@example.co.th"})
    with contextlib.suppress(MCPError):
        await client.call_tool("nightly_export", {"folder": "/home/somchai/exports"})


async def files(client: Client) -> None:
    """Reads and writes files of a home folder."""
    await client.list_tools()
    await client.call_tool("list_directory", {"path": str(HOME)})
    await client.call_tool("read_text_file", {"path": str(HOME / "contacts.csv")})
    await client.call_tool(
        "write_file",
        {
            "path": str(HOME / "letters" / "山田花子.txt"),
            "content": "山田 花子 様\n大阪府大阪市北区見本町1-2-3\nTEL +81 6-0000-0142\n",
        },
    )
    await client.call_tool(
        "read_multiple_files",
        {"paths": [str(HOME / "letters" / "山田花子.txt"), str(HOME / "order.json")]},
    )
    await client.call_tool(
        "edit_file",
        {
            "path": str(HOME / "contacts.csv"),
            "edits": [{"oldText": "+66 2 000 0142", "newText": "+66 2 000 0143"}],
        },
    )
    await client.call_tool("search_files", {"path": str(HOME), "pattern": "**/*山田*"})
    # Outside of what the server may see: a tool error that names the path.
    await client.call_tool("read_text_file", {"path": "/home/somchai/.ssh/id_ed25519"})


async def memory(client: Client) -> None:
    """A knowledge graph of people."""
    await client.list_tools()
    people = [
        ("สมชาย ใจดี", "โทร +66 2 000 0142 อีเมล somchai@example.co.th"),
        ("山田 花子", "住所: 大阪府大阪市北区見本町1-2-3"),
        ("ສົມພອນ ວົງສາ", "ທີ່ຢູ່: ບ້ານຕົວຢ່າງ ເມືອງຈັນທະບູລີ"),
        ("Margaret Thornbury", "pays with 4111 1111 1111 1111"),
    ]
    await client.call_tool(
        "create_entities",
        {
            "entities": [
                {"name": name, "entityType": "person", "observations": [text]}
                for name, text in people
            ]
        },
    )
    await client.call_tool(
        "create_relations",
        {
            "relations": [
                {"from": "สมชาย ใจดี", "to": "Margaret Thornbury", "relationType": "reports to"}
            ]
        },
    )
    await client.call_tool("search_nodes", {"query": "花子"})
    await client.call_tool("open_nodes", {"names": ["ສົມພອນ ວົງສາ"]})
    # Nobody of that name: a tool error that names her.
    await client.call_tool(
        "add_observations",
        {
            "observations": [
                {"entityName": "Maggie Thornbury", "contents": ["m.thornbury@example.com"]}
            ]
        },
    )
    await client.call_tool("delete_entities", {"entityNames": ["Margaret Thornbury"]})
    await client.call_tool("read_graph", {})


async def everything(client: Client) -> None:
    """The reference server: requests from the server, progress, resources, prompts."""
    await client.list_tools()
    await client.call_tool("echo", {"message": "สมชาย ใจดี somchai@example.co.th"})
    await client.call_tool("get-sum", {"a": 4111, "b": 1041})
    # A type error in the arguments: the server answers with the value.
    await client.call_tool("get-sum", {"a": "+1 202-555-0143", "b": 1})
    await client.call_tool(
        "trigger-long-running-operation",
        {"duration": 0.3, "steps": 3},
        progress_callback=ignore_progress,
    )
    await client.call_tool("get-annotated-message", {"messageType": "error"})
    await client.call_tool("trigger-elicitation-request", {})
    await client.call_tool(
        "trigger-sampling-request", {"prompt": "Greet ສົມພອນ ວົງສາ in Lao.", "maxTokens": 50}
    )
    await client.call_tool("get-roots-list", {})
    await client.list_prompts()
    await client.get_prompt("args-prompt", {"city": "48 Alder Street, Springfield"})
    await client.read_resource("demo://resource/dynamic/text/1")
    with contextlib.suppress(MCPError):
        await client.read_resource("demo://resource/dynamic/text/somchai@example.co.th")
    await client.call_tool("send-invoice", {"to": "m.thornbury@example.com"})
    with anyio.move_on_after(0.5):
        await client.call_tool("trigger-long-running-operation", {"duration": 20, "steps": 2})


async def clock(client: Client) -> None:
    """A small server from PyPI, with a mistake in the arguments."""
    await client.list_tools()
    await client.call_tool("get_current_time", {"timezone": "Asia/Vientiane"})
    async with asyncio.TaskGroup() as burst:
        for zone in ("Asia/Bangkok", "Asia/Tokyo", "America/New_York"):
            burst.create_task(
                client.call_tool(
                    "convert_time",
                    {"source_timezone": "Asia/Vientiane", "time": "09:30", "target_timezone": zone},
                )
            )
    # An agent put the person into the wrong argument: the error repeats it.
    await client.call_tool(
        "get_current_time", {"timezone": "Asia/Tokyo (山田 花子, hanako.yamada@example.jp)"}
    )
    with contextlib.suppress(MCPError):
        await client.call_tool("book_meeting", {"with": "somphone@example.la"})


# --- what stands around them ---------------------------------------------------------------------


async def ignore_progress(progress: float, total: float | None, message: str | None) -> None:
    """Asking for progress is what makes a server send it."""


async def answer(_context: Any, params: Any) -> types.ElicitResult:
    """Fills in a form as the person at the desk would."""
    known = {
        "confirm": True,
        "callback_phone": "+66 2 000 0142",
        "name": "สมชาย ใจดี",
        "email": "somchai@example.co.th",
    }
    asked = params.requested_schema["properties"]
    return types.ElicitResult(
        action="accept", content={key: known[key] for key in asked if key in known}
    )


async def sample(_context: Any, _params: Any) -> types.CreateMessageResult:
    """Stands for the client's model."""
    text = "ສະບາຍດີ ສົມພອນ ວົງສາ (somphone@example.la)"
    return types.CreateMessageResult(
        role="assistant", model="demo-model", content=types.TextContent(type="text", text=text)
    )


async def roots(_context: Any) -> types.ListRootsResult:
    """The folders that the client shows to servers."""
    return types.ListRootsResult(
        roots=[types.Root(uri="file:///home/somchai/projects", name="somchai")]
    )


def node(server: str, *arguments: str) -> list[str]:
    """The command of a server from npm, without npx around it."""
    return [
        "node",
        str(NODE / "node_modules" / "@modelcontextprotocol" / server / "dist" / "index.js"),
        *arguments,
    ]


# name: (what is done, the server's command, how the client opens)
SESSIONS: dict[str, tuple[Any, list[str], Any]] = {
    "desk": (desk, [sys.executable, str(HERE / "desk_server.py")], "auto"),
    "desk-legacy": (desk_legacy, [sys.executable, str(HERE / "desk_server.py")], "legacy"),
    "files": (files, node("server-filesystem", str(HOME)), "auto"),
    "memory": (memory, node("server-memory"), "legacy"),
    "everything": (everything, node("server-everything"), "legacy"),
    "time": (
        clock,
        [sys.executable, "-m", "mcp_server_time", "--local-timezone", "Asia/Bangkok"],
        "auto",
    ),
}


@contextlib.asynccontextmanager
async def connect(name: str, command: list[str], mode: Any, raw: Path) -> AsyncIterator[Client]:
    """A client whose server runs behind tap."""
    environment = {"MEMORY_FILE_PATH": str(ROOM / "memory.jsonl"), "HOME": str(HOME), "TZ": "UTC"}
    if "PYTHONPATH" in os.environ:
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "agenttrail", "tap", "--raw", str(raw), "--server", name, "--", *command],
        env=environment,
        cwd=ROOM,
    )
    with open(os.devnull, "w", encoding="utf-8") as errors:
        async with Client(
            stdio_client(parameters, errlog=errors),
            mode=mode,
            client_info=types.Implementation(name="agenttrail-demo", version="1.0"),
            elicitation_callback=answer,
            sampling_callback=sample if name == "everything" else None,
            list_roots_callback=roots if name == "everything" else None,
            log_level="info",
        ) as client:
            yield client


def furnish() -> None:
    """A home folder with files about people, the same on every machine."""
    shutil.rmtree(ROOM, ignore_errors=True)
    (HOME / "letters").mkdir(parents=True)
    (HOME / "contacts.csv").write_text(
        "name,email,phone\n"
        "สมชาย ใจดี,somchai@example.co.th,+66 2 000 0142\n"
        "ສົມພອນ ວົງສາ,somphone@example.la,+856 21 000 142\n"
        "Margaret Thornbury,m.thornbury@example.com,+1 202-555-0143\n",
        encoding="utf-8",
    )
    order = {
        "order": 8812,
        "payload": json.dumps({"card": "4111 1111 1111 1111", "name": "Margaret Thornbury"}),
    }
    (HOME / "order.json").write_text(json.dumps(order), encoding="utf-8")


def install() -> None:
    """The servers from npm, of the versions named above."""
    wanted = [f"@modelcontextprotocol/{name}@{NPM_VERSION}" for name in NPM]
    if not all((NODE / "node_modules" / "@modelcontextprotocol" / name).is_dir() for name in NPM):
        NODE.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "install", "--prefix", str(NODE), "--no-audit", "--no-fund", *wanted],
            check=True,
        )


async def record(name: str, folder: Path) -> Path:
    """Runs one session and leaves its recording in `folder`."""
    what, command, mode = SESSIONS[name]
    raw = ROOM / f"{name}.wire.jsonl"
    raw.unlink(missing_ok=True)
    async with connect(name, command, mode, raw) as client:
        await what(client)
    target = folder / raw.name
    folder.mkdir(exist_ok=True)
    target.write_bytes(raw.read_bytes())
    return target


def places(value: str, folder: Path) -> list[str]:
    """Where a planted value is: file and direction; also where JSON in a string escaped it."""
    escaped = json.dumps(value)[1:-1]
    forms = {value, escaped, json.dumps(escaped)[1:-1]}
    found = set()
    for path in sorted(folder.glob("*.wire.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            message = json.loads(line)
            if any(form in message["raw"] for form in forms):
                found.add(f"{path.name}:{message['dir']}")
    return sorted(found)


def main() -> None:
    parser = argparse.ArgumentParser(description="Records the demo traffic anew.")
    parser.add_argument("sessions", nargs="*", choices=[[], *SESSIONS], help="default: all")
    parser.add_argument("--into", type=Path, default=HERE / "demo", metavar="FOLDER")
    arguments = parser.parse_args()
    names = arguments.sessions or list(SESSIONS)
    if any(SESSIONS[name][1][0] == "node" for name in names):
        install()
    furnish()
    for name in names:
        path = asyncio.run(record(name, arguments.into))
        print(
            f"{path.name}: {len(path.read_bytes().splitlines())} lines, {path.stat().st_size} bytes"
        )
    shutil.rmtree(ROOM)
    if arguments.into == HERE / "demo":
        planted = [
            {
                "value": value,
                "language": language,
                "kind": kind,
                "where": places(value, arguments.into),
            }
            for value, language, kind in PLANTED
        ]
        text = json.dumps(planted, ensure_ascii=False, indent=1)
        (HERE / "PLANTED.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
