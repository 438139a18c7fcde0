"""Registry, policy and approvals in real pipelines: nothing of a person leaves, and kills change nothing."""

import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.cli._run import agenttrail
from tests.enrichers._made import AGENTS, POLICY

PIPELINE = """
sources: [{type: file, paths: [approvals.jsonl, calls.jsonl], checkpoint: checkpoint.json}]
enrichers:
  - {type: registry, path: agents.yaml, key: {id: k1, file: key}, state: state.db}
  - {type: policy, policy: policy.yaml, registry: agents.yaml}
  - {type: approvals, policy: policy.yaml, registry: agents.yaml, key: {id: k1, file: key}, state: state.db}
mask: {type: presidio, profile: fast}
sinks: [{type: jsonl, path: out.jsonl, mode: append}]
delivery: {batch_events: 40}
"""


def folder_of(tmp_path: Path, approvals: list[dict[str, Any]], calls: list[dict[str, Any]]) -> Path:
    for name, rows in (("approvals.jsonl", approvals), ("calls.jsonl", calls)):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    shutil.copy(AGENTS, tmp_path / "agents.yaml")
    shutil.copy(POLICY, tmp_path / "policy.yaml")
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    (tmp_path / "key").write_text("5f" * 32)
    return tmp_path


def called(number: int, arguments: dict[str, Any], at: str) -> list[dict[str, Any]]:
    """A row of Claude Code with a payment, and the row with its result."""
    call = f"toolu_01Ab{number:06}Cd"
    common = {"sessionId": "0199a3de-77aa-4c01-9a12-3456789abcde", "version": "2.1.0", "cwd": "/srv/expense", "isSidechain": False, "userType": "external"}  # fmt: skip
    block = {"type": "tool_use", "id": call, "name": "mcp__expenses__pay_claim", "input": arguments}
    answer = {"type": "tool_result", "tool_use_id": call, "content": "paid", "is_error": False}
    return [
        {**common, "type": "assistant", "uuid": f"a{number}", "timestamp": at, "requestId": f"req_{number}",
         "message": {"role": "assistant", "model": "m", "id": f"msg_{number}", "content": [block], "usage": {"input_tokens": 5, "output_tokens": 5}}},
        {**common, "type": "user", "uuid": f"u{number}", "parentUuid": f"a{number}", "timestamp": at,
         "message": {"role": "user", "content": [answer]}},
    ]  # fmt: skip


def asked(
    number: int, arguments: dict[str, Any], outcome: str, **more: Any
) -> list[dict[str, Any]]:
    call = f"toolu_01Ab{number:06}Cd"
    return [
        {"approval": "request", "id": f"AP-{number}", "at": "2026-11-25T09:00:00Z", "agent": "expense", "tool": "pay_claim", "call_id": call, "arguments": arguments, **more},
        {"approval": "decision", "id": f"AP-{number}", "at": "2026-11-25T09:10:00Z", "outcome": outcome, "approver": "reviewer@example.com", **more},
    ]  # fmt: skip


def match_by_folder(folder: Path) -> None:
    """Claude Code's rows name no agent: the registry knows it by where it works."""
    path = folder / "agents.yaml"
    path.write_text(path.read_text().replace("{agent_names: [expense, expense-*]}", "{working_directories: [/srv/expense]}"))  # fmt: skip


def output(folder: Path) -> dict[str, dict[str, Any]]:
    """Event ids to what was written last of them."""
    rows = map(json.loads, (folder / "out.jsonl").read_text().splitlines())
    return {row["event"]["id"]: row for row in rows}


PLANTED = ("ann.lee@example.com", "+66 2 555 0123", "4111 1111 1111 1111", "203.0.113.77")


def test_nothing_of_a_person_leaves_with_verdicts_links_and_marks(tmp_path: Path) -> None:
    """Planted in arguments, ids, channels, approvers and reasons; looked for in all that is written."""
    mail, phone, card, address = PLANTED
    arguments = {"claim_id": mail, "amount": 250_000, "currency": "JPY", "note": f"{phone} {card}"}
    approvals = asked(1, arguments, "allow", channel=f"DM {mail}", reason=f"call {phone} from {address}", approver=mail)  # fmt: skip
    approvals += [{"approval": "decision", "id": mail, "at": "2026-11-25T09:11:00Z", "outcome": "deny", "approver": mail, "call_id": phone, "arguments_hash": mail, "expires": mail}]  # fmt: skip
    calls = called(1, {**arguments, "amount": 260_000}, "2026-11-25T09:20:00Z")
    folder = folder_of(tmp_path, approvals, calls)
    match_by_folder(folder)
    done = agenttrail(folder, "run", "-c", "pipeline.yaml")
    assert done.code == 0, done.err
    rows = output(folder).values()
    marks = [mark for row in rows for mark in row["agenttrail"].get("approval", {}).get("findings", ())]  # fmt: skip
    assert marks == ["arguments_changed"]
    (paid,) = [row for row in rows if row["agenttrail"].get("approval", {}).get("stage") == "execution"]  # fmt: skip
    assert paid["agenttrail"]["registry"]["owner"] == "Head of accounting"
    assert paid["agenttrail"]["policy"]["rules"] == ["expense over 100,000 yen"]
    assert paid["agenttrail"]["resource"]["ids"]
    inputs = {"approvals.jsonl", "calls.jsonl"}
    written = [p for p in folder.iterdir() if p.is_file() and p.name not in inputs]
    assert {"out.jsonl", "state.db"} <= {path.name for path in written}
    for text in (done.out.encode(), done.err.encode(), *(p.read_bytes() for p in written)):
        for planted in PLANTED:
            assert planted.encode() not in text


def test_a_hash_of_arguments_does_not_leave_where_nobody_reads_approvals(tmp_path: Path) -> None:
    """Amounts are few: whoever sees a plain hash of them tries them all."""
    plain = hashlib.sha256(b'{"amount":250000}').hexdigest()[:32]
    (tmp_path / "a.jsonl").write_text(json.dumps(
        {"approval": "decision", "id": "AP-1", "at": "2026-11-25T09:00:00Z", "outcome": "allow", "arguments_hash": plain}
    ))  # fmt: skip
    (tmp_path / "p.yaml").write_text(
        "sources: [{type: file, paths: [a.jsonl]}]\nformat: approvals\n"
        "mask: {type: presidio, profile: fast}\nsinks: [{type: jsonl, path: out.jsonl}]\n"
    )
    done = agenttrail(tmp_path, "run", "-c", "p.yaml")
    assert done.code == 0, done.err
    (row,) = output(tmp_path).values()
    assert row["agenttrail"]["approval"]["id"] == "AP-1"
    assert plain not in (tmp_path / "out.jsonl").read_text()


def test_a_pipeline_that_is_killed_finds_the_same(tmp_path: Path) -> None:
    """Real processes, decisions read after executions, killed at any moment: the marks of one whole run."""
    rng = random.Random(7)
    approvals, calls = [], []
    for number in range(300):
        arguments = {"claim_id": f"c-{number}", "amount": rng.choice((500, 250_000, 300_000)), "currency": "JPY"}  # fmt: skip
        if rng.random() < 0.7:
            said = {**arguments, "amount": 1} if rng.random() < 0.2 else arguments
            approvals += asked(number, said, rng.choice(("allow", "allow", "deny")))
        calls += called(number, arguments, "2026-11-25T09:20:00Z")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
        folder_of(folder, approvals, calls)
        match_by_folder(folder)
        path = folder / "pipeline.yaml"
        path.write_text(path.read_text().replace("[approvals.jsonl, calls.jsonl]", "[calls.jsonl, approvals.jsonl]"))  # fmt: skip
    command = [sys.executable, "-m", "agenttrail", "run", "-c", "pipeline.yaml"]
    subprocess.run(command, cwd=whole, check=True, capture_output=True)
    kills, out = 0, killed / "out.jsonl"
    for _ in range(2):
        goal = (out.stat().st_size if out.exists() else 0) + rng.randrange(20_000, 250_000)
        process = subprocess.Popen(command, cwd=killed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if out.exists() and out.stat().st_size > goal:
                process.kill()
            time.sleep(0.002)
        kills += process.wait() == -signal.SIGKILL
    assert kills
    subprocess.run(command, cwd=killed, check=True, capture_output=True)
    expected, found = output(whole), output(killed)
    assert set(found) == set(expected)
    approval = [(e["agenttrail"].get("approval"), e["agenttrail"].get("policy")) for e in expected.values()]  # fmt: skip
    assert len({json.dumps(a) for a in approval}) > 5
    keys = {(row["event"]["id"]): judged(row) for row in expected.values()}
    assert {id_: judged(row) for id_, row in found.items()} == keys


def judged(row: dict[str, Any]) -> tuple[Any, ...]:
    """What was found about an event."""
    approval = row["agenttrail"].get("approval", {})
    return (
        row["agenttrail"].get("policy"), approval.get("stage"), approval.get("id"),
        approval.get("findings"), approval.get("settles"), approval.get("wait_ms"),
    )  # fmt: skip
