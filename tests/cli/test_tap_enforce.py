"""`agenttrail tap --enforce` between a real MCP client and a real server, in both protocol eras."""

import argparse
import asyncio
import json
import os
import sys
import time
import warnings
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agenttrail.cli._enforce import line_gate
from agenttrail.governance.kill_switch import KillSwitch, Stop
from tests._events import assert_valid
from tests.cli._run import agenttrail

pytest.importorskip("mcp", reason="needs the MCP client of the dev group")
pytest.importorskip("mcp_server_time", reason="needs the MCP server of the dev group")

POLICY = """
version: "7"
default: automatic
channels: [{name: desk, kind: reviewer, respond_within_s: 60, approvers: [lead@example.com]}]
rules:
  - {type: always, name: american times, agents: [clock], tools: [get_current_time], where: [{path: $.timezone, like: ["America/*"]}], channel: desk}
  - {type: always, name: no conversions, tools: [convert_time], verdict: stop}
"""
REGISTRY = """
servers:
  - {name: time, tools: [{name: get_current_time, read_only: true}, {name: convert_time, read_only: true}]}
agents:
  - {id: clock, purpose: Tells the time, owner: Head of time, technical_contact: T, reviewer: R, operations: O, department: sales, version: "1", match: [{clients: [clock-client]}], uses: [{server: time}]}
"""
PIPELINE = """
sources: [tap]
format: mcp_wire
mask: {type: presidio, profile: fast}
sinks: [{type: jsonl, path: audit.jsonl}]
"""
RUNBOOK = "https://wiki.example.com/refused"


def prepare(folder: Path, *options: str) -> list[str]:
    """Files, and the arguments of tap in front of the server, which writes down all that it gets."""
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "agents.yaml").write_text(REGISTRY)
    (folder / "key").write_text("ab" * 32)
    (folder / "p.yaml").write_text(PIPELINE)
    KillSwitch(str(folder / "kill.json")).create()
    server = f"tee received.txt | {sys.executable} -m mcp_server_time --local-timezone Asia/Bangkok"
    return [
        "tap", "--server", "time", "-c", "p.yaml", "--enforce", "--policy", "policy.yaml",
        "--registry", "agents.yaml", "--kill-switch", "kill.json", "--approvals", "decisions.jsonl",
        "--key-file", "key", "--runbook", RUNBOOK, *options, "--", "sh", "-c", server,
    ]  # fmt: skip


@asynccontextmanager
async def connected(folder: Path, arguments: list[str], mode: Any) -> Any:
    from mcp import Client, StdioServerParameters, types
    from mcp.client.stdio import stdio_client

    environment = {name: os.environ[name] for name in ("PYTHONPATH", "PATH") if name in os.environ}
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "agenttrail", *arguments], env=environment, cwd=folder
    )
    with (folder / "stderr.txt").open("a") as errors:
        async with Client(
            stdio_client(parameters, errlog=errors), mode=mode,
            client_info=types.Implementation(name="clock-client", version="1"),
        ) as client:  # fmt: skip
            yield client


def session(folder: Path, arguments: list[str], mode: Any, act: Callable[[Any], Awaitable[None]]) -> None:  # fmt: skip
    async def run() -> None:
        async with connected(folder, arguments, mode) as client:
            await act(client)

    with warnings.catch_warnings():
        # The SDK's own: what the test is about is what passes between the two.
        warnings.simplefilter("ignore")
        asyncio.run(run())


async def refused(client: Any, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The refusal of a call: its code is ours, it names the runbook, and it gives its data."""
    from mcp import MCPError

    with pytest.raises(MCPError) as caught:
        await client.call_tool(tool, arguments)
    error = caught.value.error
    assert error.code == -32010
    assert error.message.startswith("Refused: ")
    data: dict[str, Any] = error.data["agenttrail"]
    assert data["runbook"] in error.message
    return data


async def passes(client: Any, zone: str) -> None:
    result = await client.call_tool("get_current_time", {"timezone": zone})
    assert not result.is_error
    assert zone in result.content[0].text


def decide(folder: Path, approval: str, outcome: str, **more: str) -> None:
    at = datetime.now(UTC).isoformat()
    made = {"approval": "decision", "id": approval, "at": at, "outcome": outcome, **more}
    with (folder / "decisions.jsonl").open("a") as file:
        file.write(json.dumps(made) + "\n")


def received(folder: Path) -> list[dict[str, Any]]:
    """The calls that reached the server."""
    lines = map(json.loads, (folder / "received.txt").read_text().splitlines())
    return [line["params"] for line in lines if line.get("method") == "tools/call"]


def audit(folder: Path, calls: int) -> list[dict[str, Any]]:
    """The events of the session; the pipeline goes on by itself when a client has left."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        path = folder / "audit.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        events = [json.loads(line) for line in lines]
        if sum(event["event"]["action"] == "execute_tool" for event in events) >= calls:
            for line in lines:
                assert_valid(line)
            return events
        time.sleep(0.05)
    raise AssertionError("the pipeline did not deliver")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_refused_calls_never_reach_the_server_and_are_on_record(tmp_path: Path, mode: str) -> None:
    """The policy, approvals, the kill switch: changed while the session runs."""
    mail = "ann.lee@example.com"
    switch = KillSwitch(str(tmp_path / "kill.json"))
    ids: list[str] = []

    async def act(client: Any) -> None:
        await passes(client, "Asia/Tokyo")
        stop = await refused(client, "convert_time", {"source_timezone": "Asia/Tokyo", "time": mail, "target_timezone": "UTC"})  # fmt: skip
        assert (stop["verdict"], stop["basis"], stop["rules"], stop["version"]) == ("stop", "always", ["no conversions"], "7")  # fmt: skip
        ask = await refused(client, "get_current_time", {"timezone": "America/New_York"})
        assert (ask["verdict"], ask["channel"], ask["rules"]) == ("require_approval", "desk", ["american times"])  # fmt: skip
        ids.append(ask["approval"])
        # The same call has the same id, another one another.
        assert (await refused(client, "get_current_time", {"timezone": "America/New_York"}))["approval"] == ids[0]  # fmt: skip
        assert (await refused(client, "get_current_time", {"timezone": "America/Lima"}))["approval"] != ids[0]  # fmt: skip
        # Decisions that do not count: another call's, a stranger's, one that is over, a refusal.
        decide(tmp_path, "apr-other", "allow", approver="lead@example.com")
        decide(tmp_path, ids[0], "allow", approver="somebody@example.com")
        await refused(client, "get_current_time", {"timezone": "America/New_York"})
        decide(tmp_path, ids[0], "allow", approver="lead@example.com", expires="2020-01-01T00:00:00Z")  # fmt: skip
        await refused(client, "get_current_time", {"timezone": "America/New_York"})
        decide(tmp_path, ids[0], "allow", approver="lead@example.com")
        decide(tmp_path, ids[0], "deny", approver="lead@example.com")
        await refused(client, "get_current_time", {"timezone": "America/New_York"})
        # One that does, for one call.
        decide(tmp_path, ids[0], "approved", approver="Lead@example.com")
        await passes(client, "America/New_York")
        await refused(client, "get_current_time", {"timezone": "America/New_York"})
        # The kill switch.
        switch.stop(Stop(scope="agent", target="clock", since="2026-01-01T00:00:00Z", by="person", category="incident", runbook="https://example.com/stopped"))  # fmt: skip
        stop = await refused(client, "get_current_time", {"timezone": "Asia/Tokyo"})
        assert (stop["basis"], stop["scope"], stop["target"], stop["category"], stop["runbook"]) == (
            "stopped", "agent", "clock", "incident", "https://example.com/stopped")  # fmt: skip
        assert len((await client.list_tools()).tools) == 2
        switch.start("agent", "clock")
        switch.stop(Stop(scope="department", target="sales", since="2026-01-01T00:00:00Z", by="budget", budget="sales day", verdict="require_approval"))  # fmt: skip
        ask = await refused(client, "get_current_time", {"timezone": "Asia/Tokyo"})
        assert (ask["verdict"], ask["basis"], ask["rules"]) == ("require_approval", "budget", ["sales day"])  # fmt: skip
        switch.start("department", "sales")
        await passes(client, "Asia/Tokyo")

    session(tmp_path, prepare(tmp_path), mode, act)
    assert [call["arguments"]["timezone"] for call in received(tmp_path)] == [
        "Asia/Tokyo", "America/New_York", "Asia/Tokyo"]  # fmt: skip
    events = audit(tmp_path, 13)
    assert mail not in (tmp_path / "audit.jsonl").read_text()
    calls = [e for e in events if e["event"]["action"] == "execute_tool"]
    denied = [e for e in calls if "denied" in e["event"]["type"]]
    assert len(calls) - len(denied) == 3
    assert len(denied) == 10
    for event in denied:
        assert (event["event"]["outcome"], event["error"]["type"]) == ("failure", "-32010")
        assert event["mcp"]["method"]["name"] == "tools/call"
    first = denied[0]
    assert first["agenttrail"]["policy"] == {"verdict": "stop", "basis": "always", "rules": ["no conversions"], "version": "7"}  # fmt: skip
    assert first["agenttrail"]["approval"] == {"outcome": "deny", "source": "policy"}
    assert first["gen_ai"]["tool"]["call"]["arguments"]["time"] == "<EMAIL_ADDRESS>"
    # The execution that an approval let pass is linked to it.
    assert [e["agenttrail"]["approval"]["id"] for e in calls if e not in denied and "approval" in e["agenttrail"]] == ids  # fmt: skip
    assert denied[1]["agenttrail"]["approval"] == {
        "outcome": "require_approval", "source": "policy", "id": ids[0], "stage": "request", "channel": "desk"}  # fmt: skip
    stopped = next(e for e in denied if e["agenttrail"]["policy"]["basis"] == "stopped")
    assert stopped["agenttrail"]["control"] == {"scope": "agent", "target": "clock"}
    stderr = (tmp_path / "stderr.txt").read_text()
    assert "calls are refused (--on-error deny)" in stderr
    assert "13 calls judged, 10 lines refused" in stderr
    assert mail not in stderr


@pytest.mark.parametrize(
    ("broken", "on_error"),
    [("kill.json", "deny"), ("policy.yaml", "deny"), ("agents.yaml", "deny"),
     ("decisions.jsonl", "deny"), ("kill.json", "allow"), ("policy.yaml", "allow")],
)  # fmt: skip
def test_what_happens_without_a_verdict_is_configured(
    tmp_path: Path, broken: str, on_error: str
) -> None:
    """Files that break while a session runs; said on stderr, without content, and on record."""
    arguments = prepare(tmp_path, *(("--on-error", on_error) if on_error == "allow" else ()))
    zone = "America/Lima" if broken == "decisions.jsonl" else "Asia/Tokyo"

    async def act(client: Any) -> None:
        if broken == "decisions.jsonl":
            (tmp_path / broken).mkdir()
        else:
            (tmp_path / broken).write_text("{ broken")
        if on_error == "allow":
            await passes(client, zone)
        else:
            stop = await refused(client, "get_current_time", {"timezone": zone})
            assert (stop["category"], stop["runbook"]) == ("no_verdict", RUNBOOK)
            # The client stays connected and sees what there is.
            assert len((await client.list_tools()).tools) == 2

    session(tmp_path, arguments, "auto", act)
    assert len(received(tmp_path)) == (on_error == "allow")
    stderr = (tmp_path / "stderr.txt").read_text()
    assert f"(--on-error {on_error})" in stderr
    assert "no verdict: " in stderr
    events = audit(tmp_path, 1)
    (call,) = [e for e in events if e["event"]["action"] == "execute_tool"]
    if on_error == "allow":
        assert call["event"]["reason"] == "no verdict could be had; let pass, as configured"
        assert "denied" not in call["event"]["type"]
    else:
        assert "denied" in call["event"]["type"]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--enforce", "--raw", "x", "--policy", "policy.yaml"), "needs a place for it"),
        (("--enforce", "--output", "x"), "nothing to judge by"),
        (("--output", "x", "--policy", "policy.yaml"), "no effect without --enforce"),
        (("--output", "x", "--enforce", "--policy", "policy.yaml", "--approvals", "a"), "needs --key-file"),
        (("--output", "x", "--enforce", "--policy", "none.yaml"), "cannot be read"),
        (("--output", "x", "--enforce", "--kill-switch", "none.json"), "cannot be read"),
        (("--output", "x", "--enforce", "--policy", "agents.yaml"), "agents.yaml:3"),
        (("--output", "x", "--enforce", "--kill-switch", "kill.json", "--registry", "agents.yaml", "--agent", "clok"), "has no agent 'clok'"),
    ],
)  # fmt: skip
def test_what_cannot_be_enforced_does_not_start(
    tmp_path: Path, arguments: tuple[str, ...], part: str
) -> None:
    """A server that runs without its gate would be worse than none."""
    prepare(tmp_path)
    done = agenttrail(tmp_path, "tap", *arguments, "--", "touch", "started")
    assert part in done.err
    assert done.code != 0
    assert not (tmp_path / "started").exists()


def test_a_client_that_lies_about_its_name_is_who_tap_says_it_is(tmp_path: Path) -> None:
    """With --agent what a client says of itself does not matter."""
    arguments = prepare(tmp_path, "--agent", "clock")
    (tmp_path / "agents.yaml").write_text(REGISTRY.replace("clients: [clock-client]", "clients: [other]"))  # fmt: skip

    async def act(client: Any) -> None:
        await refused(client, "get_current_time", {"timezone": "America/Lima"})

    session(tmp_path, arguments, "auto", act)
    assert received(tmp_path) == []
    events = audit(tmp_path, 1)
    assert {e["gen_ai"]["agent"]["name"] for e in events} == {"clock"}


def test_calls_of_a_batch_use_an_approval_each_and_none_where_one_is_refused(
    tmp_path: Path,
) -> None:
    """MCP 2025-03-26 has batches: they pass whole or not at all, and so are approvals used."""
    prepare(tmp_path)
    gate = line_gate(
        argparse.Namespace(
            policy=str(tmp_path / "policy.yaml"), registry=None, kill_switch=None, agent="clock",
            approvals=str(tmp_path / "decisions.jsonl"), key_file=str(tmp_path / "key"), runbook=RUNBOOK,
            on_error="deny",
        ), "time", lambda _: None,
    )  # fmt: skip

    def call(number: int, tool: str, **arguments: str) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}  # fmt: skip

    def judge(*calls: dict[str, Any]) -> tuple[bool, list[Any]]:
        judged = gate.judge(json.dumps(calls).encode())
        assert isinstance(judged.note, list)
        return judged.refused, [(one or {}).get("approval") for one in judged.note]

    lima, new_york = (call(n, "get_current_time", timezone=f"America/{z}") for n, z in ((1, "Lima"), (2, "New_York")))  # fmt: skip
    stopped = call(3, "convert_time", time="12:00")
    refused, ids = judge(lima, new_york)
    assert refused
    assert len({*ids, None}) == 3
    decide(tmp_path, ids[0], "allow", approver="lead@example.com")
    decide(tmp_path, ids[1], "allow", approver="lead@example.com")
    assert judge(lima, stopped)[0]  # the approval is not spent on it
    assert judge(lima, new_york, lima) == (True, [None, None, ids[0]])  # one approval, one call
    assert judge(lima, new_york) == (False, ids)
    assert judge(lima, new_york)[0]
