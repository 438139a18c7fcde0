"""The main job on recorded traffic: six MCP sessions to masked JSON Lines, and the report of a simulated
week of agents; with no server.

Run by `make demo`. With AGENTTRAIL_ELASTICSEARCH_URL set it ships there too.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from agenttrail.cli import main

HERE = Path(os.path.relpath(Path(__file__).parent))
OUT = Path("out") / "demo.jsonl"


def run() -> int:
    """Masks the recordings, tells what came out, and what to try next; the exit code."""
    OUT.parent.mkdir(exist_ok=True)
    arguments = ["run", "--input", str(HERE / "demo"), "--output", str(OUT), "--json"]
    url = os.environ.get("AGENTTRAIL_ELASTICSEARCH_URL")
    if url:
        if code := main(["setup", "elasticsearch", "--url", url]):
            return code
        arguments += ["--elasticsearch", url]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = main(arguments)
    if code:
        return code
    tell(json.loads(printed.getvalue()), url)
    return week()


def tell(report: dict[str, Any], url: str | None) -> None:
    """The summary, for a person."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    events = [json.loads(line) for line in OUT.read_text(encoding="utf-8").splitlines()]
    console.print(
        f"\n[bold]{report['events']['delivered']} events[/] from {report['lines']['read']} lines of "
        f"real MCP traffic (6 servers, both protocol eras): "
        + ", ".join(f"{count} {name}" for name, count in sorted(report["outcomes"].items()))
    )
    calls: dict[tuple[str, str], Counter[str]] = {}
    for event in events:
        if event["event"]["action"] == "execute_tool":
            server = event["agenttrail"]["mcp"]["server"]["name"]
            tool = event["gen_ai"]["tool"]["name"]
            calls.setdefault((server, tool), Counter())[event["event"]["outcome"]] += 1
    table = Table(
        "server",
        "tool",
        "calls",
        "failed",
        "pending",
        title="Tools called",
        box=None,
        title_justify="left",
    )
    for (server, tool), outcomes in sorted(calls.items()):
        table.add_row(
            server, tool, str(outcomes.total()),
            str(outcomes["failure"] or ""), str(outcomes["unknown"] or ""),
        )  # fmt: skip
    console.print(table)
    table = Table("kind", "masked", title="\nPersonal data masked", box=None, title_justify="left")
    for kind, count in sorted(report["masked"].items(), key=lambda each: -each[1]):
        table.add_row(kind, str(count))
    console.print(table)
    _planted(console)
    console.print(f"\nMasked JSON Lines: [bold]{OUT}[/]", soft_wrap=True)
    if url:
        console.print("Shipped to Elasticsearch, data stream logs-agenttrail.audit-default")
    binary = os.path.relpath(Path(sys.executable).parent / "agenttrail")
    console.print("\nTry next:")
    for command in (
        f"{binary} try {HERE}/demo/desk.wire.jsonl --line 9",
        f"{binary} run --input ~/.claude/projects --output out/mine.jsonl",
        f"{binary} tap --output out/live.jsonl -- YOUR-MCP-SERVER-COMMAND",
    ):
        console.print(f"  {command}", soft_wrap=True, markup=False)


def week() -> int:
    """A simulated week of a company's agents, and the report about it; the exit code."""
    from rich.console import Console

    folder, page = OUT.parent / "week", OUT.parent / "report.html"
    shutil.rmtree(folder, ignore_errors=True)
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    console.print("\nA simulated week of a company's agents (Bangkok, Tokyo, Vientiane):")
    program = [sys.executable, "-m", "agenttrail"]
    asked = [
        "simulate",
        str(folder),
        "--start",
        "2026-11-16",
        "--days",
        "7",
        "--tasks-per-day",
        "40",
    ]
    if code := subprocess.run([*program, *asked, "--json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode:  # fmt: skip
        return code
    if code := subprocess.run([*program, "run", "-q", "-c", "pipeline.yaml"], cwd=folder, check=False).returncode:  # fmt: skip
        return code
    files = [
        str(folder / name) for name in ("masked.jsonl", "agents.yaml", "policy.yaml", "prices.yaml")
    ]
    asked = ["report", files[0], "--registry", files[1], "--policy", files[2], "--prices", files[3], "--html", str(page), "--json"]  # fmt: skip
    done = subprocess.run([*program, *asked], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr)
        return done.returncode
    made = json.loads(done.stdout)
    tasks, marks = made["tasks"], sum(row["events"] for row in made["incidents"])
    console.print(
        f"  {tasks['ended']} tasks ended, {tasks['success']:.0%} completed without a person, "
        f"{tasks['tool_calls']} tool calls, {tasks['cost']:.2f} {tasks['currency']}, {marks} marks of incidents"
    )
    console.print(f"Report: [bold]{page}[/]", soft_wrap=True)
    return 0


def _planted(console: Any) -> None:
    """What of the planted personal data can still be read, said as it is."""
    text = OUT.read_text(encoding="utf-8")
    planted = json.loads((HERE / "PLANTED.json").read_text(encoding="utf-8"))
    readable = [item for item in planted if item["value"] in text]
    console.print(
        f"\nOf {len(planted)} planted values {len(planted) - len(readable)} are gone from every line."
    )
    if readable:
        left = Counter(f"{item['language']} {item['kind']}" for item in readable)
        console.print(
            "Still readable somewhere (the small English model does not know them): "
            + ", ".join(f"{what} {count}" for what, count in sorted(left.items()))
        )


if __name__ == "__main__":
    sys.exit(run())
