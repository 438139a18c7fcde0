"""`agenttrail verdicts`: a small HTTP server that tells other runtimes whether a call may go ahead.

    GET  /v1/agents/{id}    {"agent": …, "status": "allowed" | "stopped" | "approval_needed", …}
    POST /v1/decide         {"agent", "server", "tool", "arguments"} -> {"verdict", "allowed", "rules", …}
    POST /v1/approvals      decisions, as the format `approvals` has them

The answers are those of `tap --enforce`: kill switch, policy, approvals. A decision that allows a call
is used up by the question; `"claim": false` only asks.

It listens on loopback. Another address needs `--token-file`, and the questions its bearer token. Handing
in decisions needs a token of its own everywhere (`--approvals-token-file`): who may ask must not be who
approves. Without a token only requests that name this machine as their host are answered, and none that
a web page sent.

What is refused is an audit event, masked and at its destination before the answer is given. Nothing
else is logged. Where there is no verdict the answer is a refusal with status 503, unless `--on-error
allow` says otherwise; which it is stands on stderr at the start.

Limits: one question at a time is judged. No TLS: put a proxy in front of another address. A decision
handed in is in the file of `--approvals`; `agenttrail run --format approvals` reads it into the log.
"""

from __future__ import annotations

import argparse
import hmac
import ipaddress
import re
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from agenttrail.cli._audit import AuditLog, add_audit
from agenttrail.cli._enforce import add_gate, gate_of, key_of
from agenttrail.errors import AgenttrailError, UsageError

if TYPE_CHECKING:
    from http.server import ThreadingHTTPServer

    from agenttrail.governance.gate import Answer, Gate

_BODY_BYTES = 1_048_576
_TIMEOUT_S = 10.0
_TEXTS = ("agent", "server", "tool", "department", "user", "task")


def add(verbs: Any) -> None:
    """Adds the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "verdicts",
        help="an HTTP endpoint that tells other runtimes whether a call may go ahead",
        description="Answers over HTTP, on loopback, what `tap --enforce` would do: allowed, stopped, or an approval needed, with rules and runbook. Takes decisions on approvals. Refusals are masked audit events.",
    )
    parser.add_argument("--listen", metavar="HOST:PORT", default="127.0.0.1:8093", help="where to listen; port 0 takes a free one (default: 127.0.0.1:8093)")  # fmt: skip
    parser.add_argument("--token-file", metavar="FILE", help="bearer token that questions need; needed for an address that is not loopback")  # fmt: skip
    parser.add_argument("--approvals-token-file", metavar="FILE", help="bearer token that decisions are handed in with; without it none are taken")  # fmt: skip
    parser.add_argument("--on-error", choices=("deny", "allow"), default="deny", help="what is answered where no verdict can be had (default: deny)")  # fmt: skip
    add_gate(parser)
    add_audit(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serves until it is told to end."""
    host, port = _address(arguments.listen)
    if not ipaddress.ip_address(host).is_loopback and not arguments.token_file:
        raise UsageError(f"{host} is not loopback: --token-file is needed", hint="openssl rand -hex 32 > FILE")  # fmt: skip
    if arguments.approvals_token_file and not arguments.approvals:
        raise UsageError("--approvals-token-file has no effect without --approvals")
    desk = Desk(
        gate_of(arguments), AuditLog(arguments.config, arguments.audit_log),
        token=_token(arguments.token_file), approvals_token=_token(arguments.approvals_token_file),
        key=key_of(arguments), denies=arguments.on_error == "deny", runbook=arguments.runbook,
    )  # fmt: skip
    desk.log.open()
    try:
        server = made(host, port, desk)
    except OSError as error:
        raise AgenttrailError(f"cannot listen on {arguments.listen}: {error.strerror}") from None
    thread = threading.Thread(target=server.serve_forever, name="verdicts")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    thread.start()
    sys.stderr.write(
        f"listening on http://{host}:{server.server_port}; where no verdict can be had the answer is "
        f"{'a refusal' if desk.denies else 'yes'} (--on-error {arguments.on_error})\n"
    )
    sys.stderr.flush()
    ended.wait()
    server.shutdown()
    thread.join()
    server.server_close()
    desk.log.close()
    return 0


class Desk:
    """What is answered; see the module. `answer` gives a status and a JSON value."""

    def __init__(
        self,
        gate: Gate,
        log: AuditLog,
        *,
        token: bytes | None = None,
        approvals_token: bytes | None = None,
        key: bytes | None = None,
        denies: bool = True,
        runbook: str = "",
    ) -> None:
        self.gate, self.log, self.denies = gate, log, denies
        self._token, self._approvals_token, self._key, self._runbook = token, approvals_token, key, runbook  # fmt: skip
        self._one = threading.Lock()

    def answer(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, Any]]:
        """The answer to one request; header names are lower case."""
        from agenttrail.governance.gate import UndecidedError

        approving = path == "/v1/approvals"
        wanted = self._approvals_token if approving else self._token
        if approving and wanted is None:
            return 403, _problem("approvals_off", "start with --approvals and --approvals-token-file")  # fmt: skip
        if wanted is not None and not _bears(headers, wanted):
            return 401, _problem("no_token", "send Authorization: Bearer TOKEN")
        if wanted is None and not _local(headers):
            return 403, _problem("not_local", "without a token only this machine is answered")
        with self._one:
            try:
                agent = re.fullmatch(r"/v1/agents/([^/?#]{1,300})", path)
                if agent is not None:
                    return self._agent(unquote(agent[1])) if method == "GET" else _WRONG_METHOD
                if path not in ("/v1/decide", "/v1/approvals"):
                    return 404, _problem("unknown_path", "/v1/agents/{id}, /v1/decide, /v1/approvals")  # fmt: skip
                if method != "POST":
                    return _WRONG_METHOD
                value = _read(headers, body)
                if value is None:
                    return 400, _problem("bad_request", "a JSON object with content-type application/json")  # fmt: skip
                return self._approvals(value) if approving else self._decide(value)
            except UndecidedError as error:
                sys.stderr.write(f"no verdict: {error.message}\n")
                return self._undecided()
            except AgenttrailError as error:
                sys.stderr.write(f"{error.message}\n")
                return 503, _problem("not_recorded", "the answer could not be put on record")

    def _agent(self, name: str) -> tuple[int, dict[str, Any]]:
        from agenttrail.governance.kill_switch import Call

        known = self.gate.agent_of(name)
        if known is None and self.gate.has_registry:
            return 404, _problem("unknown_agent", "it is not in the registry")
        department = known.department if known is not None else None
        asked = Call(agent=name, department=department)
        stop = self.gate.holds(asked)
        if stop is None:
            return 200, {"agent": name, "status": "allowed"}
        status = "stopped" if stop.verdict == "stop" else "approval_needed"
        said = {
            "agent": name, "status": status, "category": stop.category, "scope": stop.scope, "by": stop.by,
            "since": stop.since, "until": stop.until, "runbook": stop.runbook or self._runbook,
        }  # fmt: skip
        return 200, {key: value for key, value in said.items() if value}

    def _decide(self, value: Any) -> tuple[int, dict[str, Any]]:
        from agenttrail.governance.gate import UndecidedError
        from agenttrail.governance.kill_switch import Call
        from agenttrail.governance.ledger import user_hash

        if not isinstance(value, dict):
            return 400, _problem("bad_request", "one JSON object")
        unknown = set(value) - {*_TEXTS, "arguments", "claim"}
        wrong = [name for name in _TEXTS if not isinstance(value.get(name), str | None)]
        arguments, claim = value.get("arguments", {}), value.get("claim", True)
        if unknown or wrong or not value.get("tool") or not isinstance(arguments, dict) or not isinstance(claim, bool):  # fmt: skip
            return 400, _problem("bad_request", "known: agent, server, tool (needed), arguments, department, user, task, claim")  # fmt: skip
        given = {name: value.get(name) for name in _TEXTS}
        if given["user"] is not None:
            if self._key is None and self.gate.stops_users:
                raise UndecidedError("a user is stopped, and only with --key-file is it known who")
            given["user"] = user_hash(self._key, given["user"]) if self._key is not None else None
        known = self.gate.agent_of(given["agent"])
        if known is not None and given["department"] is None:
            given["department"] = known.department
        answer = self.gate.decide(Call(**given), arguments, claim=claim)
        if not answer.allowed:
            self.log.write("verdicts", _event(value, answer))
        return 200, {**answer.described(), **({} if answer.allowed else {"message": answer.sentence()})}  # fmt: skip

    def _approvals(self, value: Any) -> tuple[int, dict[str, Any]]:
        decisions = self.gate.decisions
        assert decisions is not None
        given = value if isinstance(value, list) else [value]
        taken = 0
        for item in given:
            if isinstance(item, dict):
                taken += decisions.hand_in(item) is not None
        status = 200 if taken == len(given) else 422
        return status, {"taken": taken, "not_understood": len(given) - taken}

    def _undecided(self) -> tuple[int, dict[str, Any]]:
        if not self.denies:
            return 200, {"verdict": "automatic", "allowed": True, "status": "allowed", "unjudged": True}  # fmt: skip
        said = {"verdict": "stop", "allowed": False, "status": "stopped", "category": "no_verdict"}
        return 503, {**said, **({"runbook": self._runbook} if self._runbook else {})}


def made(host: str, port: int, desk: Desk) -> ThreadingHTTPServer:
    """The server, listening.

    Raises:
        OSError: it cannot.
    """
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    from agenttrail import jsontext

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "agenttrail", ""
        timeout = _TIMEOUT_S

        def _respond(self) -> None:
            try:
                size = int(self.headers.get("content-length") or 0)
            except ValueError:
                size = -1
            if self.headers.get("transfer-encoding") or not 0 <= size <= _BODY_BYTES:
                # What is not read would be taken for the next request.
                self.close_connection = True
                self._send(413, _problem("too_long", f"content-length, at most {_BODY_BYTES}"))
                return
            body = self.rfile.read(size)
            if len(body) < size:
                self.close_connection = True
                return
            headers = {name.lower(): text for name, text in self.headers.items()}
            self._send(*desk.answer(self.command, self.path, headers, body))

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = _respond  # noqa: N815

        def _send(self, status: int, value: dict[str, Any]) -> None:
            data = jsontext.dumps(value) + b"\n"
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.send_header("cache-control", "no-store")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Says nothing: a path may hold a name."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that went away is no matter, and a trace may hold what it said."""

    return Server((host, port), Handler)


_WRONG_METHOD: tuple[int, dict[str, Any]] = (405, {"error": "wrong_method"})


def _problem(error: str, hint: str) -> dict[str, Any]:
    return {"error": error, "hint": hint, "allowed": False}


def _bears(headers: dict[str, str], token: bytes) -> bool:
    kind, _, given = headers.get("authorization", "").partition(" ")
    return kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token)


def _local(headers: dict[str, str]) -> bool:
    """Asked by a program of this machine: no page in a browser, no name that was bent to it."""
    if "origin" in headers or "sec-fetch-site" in headers:
        return False
    host = headers.get("host", "").rsplit(":", 1)[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(headers: dict[str, str], body: bytes) -> Any:
    from agenttrail import jsontext

    if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        return None
    try:
        return jsontext.loads(body)
    except ValueError:
        return None


def _event(value: dict[str, Any], answer: Answer) -> dict[str, Any]:
    from agenttrail import fields as f

    asks = answer.verdict == "require_approval"
    fields: dict[str, Any] = {
        f.EVENT_ACTION: "call_refused",
        f.EVENT_CATEGORY: ["api"],
        f.EVENT_TYPE: ["access", "denied"],
        f.EVENT_OUTCOME: "failure",
        f.EVENT_REASON: answer.sentence(),
        f.AGENT_NAME: value.get("agent"),
        f.MCP_SERVER_NAME: value.get("server"),
        f.TASK_ID: value.get("task"),
        f.TOOL_NAME: value["tool"],
        f.TOOL_ARGUMENTS: value.get("arguments") or {},
        f.USER_ID: value.get("user"),
        f.USER_NAME: None,
        f.POLICY_VERDICT: answer.verdict,
        f.POLICY_BASIS: answer.basis,
        f.POLICY_RULES: list(answer.rules) or None,
        f.POLICY_FINDINGS: list(answer.findings) or None,
        f.POLICY_VERSION: answer.version or None,
        f.APPROVAL_OUTCOME: "require_approval" if asks else "deny",
        f.APPROVAL_SOURCE: "policy",
        f.APPROVAL_STAGE: "request" if asks else None,
        f.APPROVAL_ID: answer.approval or None,
        f.APPROVAL_CHANNEL: answer.channel or None,
        f.CONTROL_SCOPE: answer.scope or None,
        f.CONTROL_TARGET: answer.target or None,
    }
    return fields


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    try:
        if not 0 <= int(port) < 65_536:
            raise ValueError
        return str(ipaddress.IPv4Address("127.0.0.1" if host == "localhost" else host)), int(port)
    except ValueError:
        raise UsageError("--listen is an IPv4 address and a port", hint="127.0.0.1:8093") from None


def _token(path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            token = file.read().strip()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    if len(token) < 16:
        raise UsageError(f"{path}: holds fewer than 16 characters", hint="openssl rand -hex 32 > FILE")  # fmt: skip
    return token
