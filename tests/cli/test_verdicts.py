"""`agenttrail verdicts`: a real server asked over HTTP, by who may and by who may not."""

import http.client
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agenttrail.cli._audit import AuditLog
from agenttrail.cli.verdicts import Desk
from agenttrail.governance.gate import Gate
from agenttrail.governance.kill_switch import KillSwitch, Stop
from agenttrail.governance.ledger import user_hash
from tests._events import assert_valid
from tests.cli._run import BINARY, agenttrail

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SINCE = "2026-01-01T00:00:00Z"
BIG = {"agent": "expense", "server": "expenses", "tool": "pay_claim", "arguments": {"amount": 250_000, "currency": "JPY", "claim_id": "c-1", "note": "for ann.lee@example.com"}}  # fmt: skip
SMALL = {**BIG, "arguments": {"amount": 500, "currency": "JPY", "claim_id": "c-2"}}


class Server:
    """One server, and a way to ask it."""

    def __init__(self, folder: Path, process: subprocess.Popen[str], port: int) -> None:
        self.folder, self.process, self.port = folder, process, port
        self.switch = KillSwitch(str(folder / "kill.json"))

    def ask(self, method: str, path: str, value: Any = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        data = value if isinstance(value, bytes | None) else json.dumps(value).encode()
        given = {
            "content-type": "application/json",
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        try:
            connection.request(method, path, data, given)
            response = connection.getresponse()
            body = response.read()
            return response.status, json.loads(body) if body else None
        finally:
            connection.close()

    def decide(self, value: Any, **headers: str) -> Any:
        status, answer = self.ask("POST", "/v1/decide", value, **headers)
        assert status == 200, answer
        return answer


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Server]:
    (folder / "key").write_text("cd" * 32)
    (folder / "secret").write_text("0123456789abcdef0123456789abcdef\n")
    (folder / "p.yaml").write_text(
        "sources: [stdin]\nmask: {type: presidio, profile: fast}\nsinks: [{type: jsonl, path: audit.jsonl}]\n"
    )
    (folder / "policy.yaml").write_text((EXAMPLES / "policy.yaml").read_text())
    KillSwitch(str(folder / "kill.json")).create()
    process = subprocess.Popen(
        [BINARY, "verdicts", "--listen", "127.0.0.1:0", "-c", "p.yaml", "--policy", "policy.yaml",
         "--registry", str(EXAMPLES / "agents.yaml"), "--kill-switch", "kill.json", "--approvals", "decisions.jsonl",
         "--key-file", "key", "--approvals-token-file", "secret", "--runbook", "https://example.com/r", *options],
        cwd=folder, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        assert line.startswith("listening on http://127.0.0.1:"), line + process.stderr.read()
        yield Server(folder, process, int(line.split("127.0.0.1:")[1].split(";")[0]))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        (folder / "stderr.txt").write_text(line + process.stderr.read())
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


TOKEN = {"authorization": "Bearer 0123456789abcdef0123456789abcdef"}


def test_a_runtime_asks_before_it_calls_and_a_person_decides(tmp_path: Path) -> None:
    """Automatic, an approval that is handed in and used once, a stop; refusals masked and on record."""
    with serving(tmp_path) as server:
        assert server.ask("GET", "/v1/agents/expense") == (
            200,
            {"agent": "expense", "status": "allowed"},
        )
        small = server.decide(SMALL)
        assert (small["verdict"], small["allowed"], small["rules"]) == (
            "automatic",
            True,
            ["expense under 10,000 yen"],
        )
        big = server.decide(BIG)
        assert (big["verdict"], big["allowed"], big["channel"]) == (
            "require_approval",
            False,
            "expense reviewers",
        )
        assert big["message"].endswith("Runbook: https://example.com/r")
        decision = {
            "approval": "decision",
            "id": big["approval"],
            "at": datetime.now(UTC).isoformat(),
            "outcome": "approve",
            "approver": "reviewer@example.com",
        }
        assert server.ask("POST", "/v1/approvals", decision)[0] == 401
        assert server.ask("POST", "/v1/approvals", decision, authorization="Bearer no")[0] == 401
        assert not server.decide(BIG)["allowed"]
        assert server.ask(
            "POST", "/v1/approvals", [decision, {"approval": "request"}], **TOKEN
        ) == (422, {"taken": 1, "not_understood": 1})
        assert server.decide({**BIG, "claim": False})["allowed"]
        assert not server.decide({**BIG, "arguments": {**BIG["arguments"], "amount": 250_001}})[
            "allowed"
        ]
        assert server.decide(BIG)["allowed"]
        assert not server.decide(BIG)["allowed"]
        # The owner may not.
        own = {
            **decision,
            "at": datetime.now(UTC).isoformat(),
            "approver": "head.accounting@example.com",
        }
        assert server.ask("POST", "/v1/approvals", own, **TOKEN) == (
            200,
            {"taken": 1, "not_understood": 0},
        )
        assert not server.decide(BIG)["allowed"]
        server.switch.stop(
            Stop(
                scope="department",
                target="accounting",
                since=SINCE,
                by="budget",
                budget="accounting month",
                category="budget",
            )
        )
        stopped = server.decide(SMALL)
        assert (stopped["verdict"], stopped["basis"], stopped["rules"]) == (
            "stop",
            "budget",
            ["accounting month"],
        )
        status, agent = server.ask("GET", "/v1/agents/expense")
        assert (status, agent) == (
            200,
            {
                "agent": "expense",
                "status": "stopped",
                "category": "budget",
                "scope": "department",
                "by": "budget",
                "since": SINCE,
                "runbook": "https://example.com/r",
            },
        )
        assert server.ask("GET", "/v1/agents/support")[1]["status"] == "allowed"
        server.switch.stop(
            Stop(
                scope="user",
                target=user_hash(bytes.fromhex("cd" * 32), "u-7"),
                since=SINCE,
                by="person",
            )
        )
        support = {"agent": "support", "server": "desk", "tool": "get_ticket"}
        assert server.decide({**support, "user": "u-8"})["allowed"]
        stopped = server.decide({**support, "user": "u-7"})
        assert (stopped["scope"], "target" in stopped) == ("user", False)
    assert "(--on-error deny)" in (tmp_path / "stderr.txt").read_text()
    lines = (tmp_path / "audit.jsonl").read_bytes().splitlines()
    for line in lines:
        assert_valid(line)
    for path in tmp_path.iterdir():
        assert b"ann.lee" not in path.read_bytes(), path
    events = [json.loads(line) for line in lines]
    assert len(events) == 7
    first = events[0]
    assert first["gen_ai"]["tool"]["call"]["arguments"]["note"] == "for <EMAIL_ADDRESS>"
    assert first["agenttrail"]["approval"] == {
        "outcome": "require_approval",
        "source": "policy",
        "id": big["approval"],
        "stage": "request",
        "channel": "expense reviewers",
    }
    assert first["event"]["type"] == ["access", "denied"]
    assert events[-1]["user"] == {"id": "<USER_ID>"}


def test_only_who_may_ask_is_answered(tmp_path: Path) -> None:
    """No page of a browser, no bent name, nothing that is not asked properly."""
    with serving(tmp_path) as server:
        for headers in (
            {"origin": "https://example.com"},
            {"host": "evil.example.com"},
            {"sec_fetch_site": "cross-site"},
        ):
            assert server.ask("GET", "/v1/agents/expense", **headers)[0] == 403
        assert server.ask("GET", "/v1/agents/expense", host="localhost:1")[0] == 200
        assert server.ask("GET", "/v1/agents/nobody")[0] == 404
        assert server.ask("GET", "/v1/agents/a/b")[0] == 404
        assert server.ask("GET", "/")[0] == 404
        assert server.ask("GET", "/v1/decide")[0] == 405
        assert server.ask("DELETE", "/v1/agents/expense")[0] == 405
        assert server.ask("POST", "/v1/decide", BIG, content_type="text/plain")[0] == 400
        for wrong in (
            b"{",
            b"",
            [],
            5,
            {},
            {"tool": 5},
            {"tool": "t", "arguments": []},
            {"tool": "t", "x": 1},
            {"tool": "t", "claim": "no"},
            {"tool": "t", "agent": ["a"]},
        ):
            status, answer = server.ask("POST", "/v1/decide", wrong)
            assert (status, answer["allowed"]) == (400, False), wrong
        assert server.ask("POST", "/v1/decide", b" " * 2_000_000)[0] == 413
        assert server.ask("POST", "/v1/approvals", {"x": 1}, **TOKEN)[0] == 422
    assert not (tmp_path / "decisions.jsonl").exists()


@pytest.mark.parametrize("on_error", ["deny", "allow"])
def test_without_a_verdict_the_answer_is_as_configured(tmp_path: Path, on_error: str) -> None:
    """A refusal with its own status; the process says why, and goes on."""
    with serving(tmp_path, "--on-error", on_error) as server:
        (tmp_path / "kill.json").write_text("{")
        status, answer = server.ask("POST", "/v1/decide", SMALL)
        agent_status, agent = server.ask("GET", "/v1/agents/expense")
        if on_error == "deny":
            assert (status, answer["allowed"], answer["category"]) == (503, False, "no_verdict")
            assert (agent_status, agent["status"]) == (503, "stopped")
        else:
            assert (status, answer["allowed"], answer["unjudged"]) == (200, True, True)
            assert agent["status"] == "allowed"
        (tmp_path / "kill.json").write_text('{"version":1,"stopped":[]}')
        assert server.decide(SMALL)["allowed"]
    assert (
        "no verdict: kill switch kill.json: is no kill switch"
        in (tmp_path / "stderr.txt").read_text()
    )


def test_a_stopped_user_is_not_let_pass_where_users_cannot_be_told_apart(tmp_path: Path) -> None:
    """Without a key there is no verdict on a user while one is stopped."""
    switch = KillSwitch(str(tmp_path / "kill.json"))
    switch.create()
    desk = Desk(Gate(kill_switch=switch.path), AuditLog(None, str(tmp_path / "audit.jsonl")))
    headers = {"host": "localhost", "content-type": "application/json"}

    def asked(**more: str) -> tuple[int, Any]:
        body = json.dumps({"tool": "t", **more}).encode()
        return desk.answer("POST", "/v1/decide", headers, body)

    assert asked(user="ann@example.com")[0] == 200
    switch.stop(Stop(scope="user", target="0a1b", since="2026-11-25T02:00:00Z", by="person"))
    status, answer = asked(user="ann@example.com")
    assert (status, answer["allowed"]) == (503, False)
    assert asked()[0] == 200


def test_a_token_is_asked_for_where_there_is_one(tmp_path: Path) -> None:
    """Whatever the host is called."""
    with serving(tmp_path, "--token-file", "secret") as server:
        assert server.ask("GET", "/v1/agents/expense")[0] == 401
        assert server.ask("GET", "/v1/agents/expense", **TOKEN, host="example.com")[0] == 200


@pytest.mark.parametrize(
    ("options", "part"),
    [(("--listen", "0.0.0.0:0", "--kill-switch", "k", "--audit-log", "a"), "is not loopback"),
     (("--listen", "example.com:80", "--kill-switch", "k", "--audit-log", "a"), "IPv4 address"),
     (("--listen", "127.0.0.1:99999", "--kill-switch", "k", "--audit-log", "a"), "IPv4 address"),
     (("--kill-switch", "k"), "name one place for the record"),
     (("--audit-log", "a"), "nothing to judge by"),
     (("--kill-switch", "none", "--audit-log", "a"), "cannot be read"),
     (("--kill-switch", "k", "--audit-log", "a", "--approvals-token-file", "short"), "no effect without"),
     (("--kill-switch", "k", "--audit-log", "a", "--token-file", "short"), "fewer than 16")],
)  # fmt: skip
def test_what_would_be_unsafe_does_not_start(tmp_path: Path, options: tuple[str, ...], part: str) -> None:  # fmt: skip
    """With a hint."""
    KillSwitch(str(tmp_path / "k")).create()
    (tmp_path / "short").write_text("abc")
    done = agenttrail(tmp_path, "verdicts", *options)
    assert done.code != 0
    assert part in done.err
