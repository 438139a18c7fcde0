"""The gate of tap: no call passes unjudged, however it is written; what is no call passes as it is."""

import json
import os
import random
import sys
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenttrail.sources._tap_gate import CODE, Gate, Refusal
from agenttrail.sources._tap_relay import Relay

STOP = Refusal(
    "Refused: stopped. Runbook: https://example.com/r", {"refused": True, "verdict": "stop"}
)


def gate(*refused: str, wide: bool = False, unreadable: Refusal | None = STOP) -> Gate:
    """Refuses these tools; with `wide` everything is stopped."""
    return Gate(
        lambda tool, _arguments, _meta: STOP if tool in refused or wide else None,
        lambda: STOP if wide else None,
        on_unreadable=lambda: unreadable,
    )


def call(tool: Any = "send", id: Any = 1, **more: Any) -> dict[str, Any]:
    return {
        "jsonrpc": "2.0",
        "id": id,
        "method": "tools/call",
        "params": {"name": tool, "arguments": {}, **more},
    }


def line(value: Any) -> bytes:
    return json.dumps(value).encode()


MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
CALL = line(call())


@pytest.mark.parametrize(
    "sent",
    [
        CALL,
        line(call(_meta=MODERN)),  # 2026-07-28
        line(call(id="x")), line(call(id=0)),
        b"  " + CALL + b"  ", CALL + b"\r",
        CALL.replace(b"tools/call", b"tools\\/call"),
        CALL.replace(b"tools/call", b"\\u0074ools/call"),
        CALL.replace(b"send", b"\\u0073end"),
        b'{"id":1,"params":{"arguments":{},"name":"send"},"jsonrpc":"2.0","method":"tools/call"}',
        line(call(inputResponses={}, requestState="s")),  # a retry of 2026-07-28
    ],
)  # fmt: skip
def test_a_refused_call_is_answered_and_not_passed_on(sent: bytes) -> None:
    """With the code of this side, the request's own id and the runbook."""
    judged = gate("send").judge(sent)
    assert (judged.refused, judged.forward, judged.note) == (True, b"", STOP.data)
    reply = json.loads(judged.reply)
    assert judged.reply.endswith(b"\n")
    assert reply == {
        "jsonrpc": "2.0", "id": json.loads(sent)["id"],
        "error": {"code": CODE, "message": STOP.message, "data": {"agenttrail": STOP.data}},
    }  # fmt: skip
    assert type(reply["id"]) is type(json.loads(sent)["id"])


@pytest.mark.parametrize(
    "sent",
    [
        CALL.replace(b'"method": "tools/call"', b'"method": "ping", "method": "tools/call"'),
        CALL.replace(b'"method": "tools/call"', b'"method": "tools/call", "method": "ping"'),
        CALL.replace(b'"name": "send"', b'"name": "send", "name": "read"'),
        CALL.replace(b'"arguments": {}', b'"arguments": {"a": 1, "a": 2}'),
        CALL[:-1] + b",}", b"// x\n".strip() + CALL, CALL + b" garbage", CALL + CALL,
        b"\xef\xbb\xbf" + CALL, CALL.replace(b"{}", b"{\"x\": NaN}"), CALL.decode().encode("utf-16"),
        CALL.replace(b"send", b"se\xffnd"), b"[" * 100_000 + CALL, line(call(tool=None)), line(call(tool=["send"])),
        line({**call(), "params": None}), line({**call(), "params": []}), line(call(arguments="x")),
        line([call(tool="read"), "x"]), line([[call(tool="read")]]),
        # Readers without regard to case see a call in these, or another one.
        CALL.replace(b'"method"', b'"Method"'), CALL.replace(b'"params"', b'"PARAMS"'),
        CALL.replace(b'"params"', b'"param\xc5\xbf"'), CALL.replace(b'"name"', b'"Name"'),
        line({**call(tool="read"), "Params": {"name": "send", "arguments": {}}}),
        line(call(tool="read", Name="send")), line(call(tool="read", Arguments={"amount": 1})),
        line([call(tool="read"), {**call(), "METHOD": "ping"}]),
    ],
)  # fmt: skip
def test_what_could_be_a_call_and_cannot_be_judged_is_refused(sent: bytes) -> None:
    """Also where every tool is allowed: a server might read it in another way."""
    judged = gate().judge(sent)
    assert judged.refused
    assert judged.forward == b""
    if judged.reply:
        assert b"Refused" in judged.reply


def test_a_judgement_that_breaks_is_a_refusal() -> None:
    """Not a thread that ends and a client that waits for ever."""

    def broken(*_: Any) -> None:
        raise RecursionError

    judged = Gate(broken, lambda: None).judge(CALL)
    assert (judged.refused, judged.forward) == (True, b"")
    assert json.loads(judged.reply)["id"] == 1


def test_a_call_that_cannot_be_judged_can_be_let_pass_and_is_noted() -> None:
    """Where --on-error allow says so."""
    passes = Refusal("", {"unjudged": True}, passes=True)
    for sent in (CALL + b",", line(call(tool=None)), line([call(tool=None)])):
        judged = gate(unreadable=passes).judge(sent)
        said = [{"unjudged": True}] if sent.startswith(b"[") else {"unjudged": True}
        assert (judged.refused, judged.forward, judged.note) == (False, sent, said)


@pytest.mark.parametrize(
    "sent",
    [
        line(call(tool="read")), line({"jsonrpc": "2.0", "id": 1, "method": "ping"}), b"", b"   ",
        line({"jsonrpc": "2.0", "id": 1, "result": {"text": "tools/call"}}), b"not json at all",
        line({"jsonrpc": "2.0", "method": "notifications/initialized"}), b'{"a":1,"a":2}', b"\xff\xfe",
        line({"id": 1, "method": "sampling/createMessage", "params": {"text": "say tools/call"}}),
        line([call(tool="read"), {"id": 2, "method": "ping"}]), "ลูกค้า 日本".encode(),
    ],
)  # fmt: skip
def test_what_is_no_refused_call_passes_byte_by_byte(sent: bytes) -> None:
    """Whatever it is."""
    judged = gate("send").judge(sent)
    assert (judged.refused, judged.forward, judged.reply, judged.note) == (False, sent, b"", None)


@pytest.mark.parametrize("mark", ["\r", "\u2028", "\u2029", "\x85"])
def test_a_line_that_a_server_may_break_in_two_is_written_anew(mark: str) -> None:
    """A call hidden behind another line break never arrives as a line."""
    hidden = json.dumps({"method": "ping", "x": "y"})[:-1]
    if mark == "\r":
        sent = f'{hidden},"a":{mark}{CALL.decode()}{mark}}}'.encode()
    else:
        sent = f'{hidden},"a":"{mark}"}}'.encode()
    judged = gate("send").judge(sent)
    assert not judged.refused
    assert json.loads(judged.forward) == json.loads(sent)
    assert judged.forward.isascii()
    assert len(judged.forward.decode().splitlines()) == 1
    text = f"x{mark}{CALL.decode()}".encode()  # no JSON, but a call behind the break
    assert gate("send").judge(text).refused


def test_a_batch_passes_whole_or_not_at_all() -> None:
    """MCP 2025-03-26: each request in it has its answer, notifications have none."""
    batch = [
        call(tool="read", id=1),
        call(id=2),
        {"jsonrpc": "2.0", "method": "notifications/x"},
        call(id=None),
    ]
    del batch[3]["id"]
    judged = gate("send").judge(line(batch))
    assert judged.refused
    replies = json.loads(judged.reply)
    assert [r["id"] for r in replies] == [1, 2]
    assert "another call of its batch" in replies[0]["error"]["message"]
    assert replies[1]["error"]["message"] == STOP.message


def test_what_the_calls_of_a_batch_use_is_used_only_where_all_of_them_go_on() -> None:
    """An approval is not spent on a call that is refused because of another one beside it."""
    used: list[list[str]] = []
    lacking: set[str] = set()

    def use(uses: Any) -> tuple[int, Refusal] | None:
        used.append(list(uses))
        at = next((n for n, one in enumerate(uses) if one in lacking), None)
        return None if at is None else (at, Refusal("Refused: used", {"approval": uses[at]}))

    def decide(tool: str, *_: Any) -> Refusal | None:
        if tool == "read":
            return None
        return STOP if tool == "send" else Refusal("", {"approval": tool}, passes=True, uses=tool)

    made = Gate(decide, lambda: None, use=use)
    both = line([call("apr-1", 1), call("send", 2), call("read", 3)])
    judged = made.judge(both)
    assert judged.refused
    assert used == []
    # What each of them is told, and what is recorded of it, is its own.
    assert [r["error"]["data"]["agenttrail"] for r in json.loads(judged.reply)] == judged.note
    assert judged.note == [{"refused": True, "batch": True}, STOP.data, {"refused": True, "batch": True}]  # fmt: skip
    judged = made.judge(line([call("apr-1", 1), call("read", 2), call("apr-2", 3)]))
    assert not judged.refused
    assert judged.note == [{"approval": "apr-1"}, None, {"approval": "apr-2"}]
    assert used == [["apr-1", "apr-2"]]
    lacking.add("apr-2")
    judged = made.judge(line([call("apr-1", 1), call("read", 2), call("apr-2", 3)]))
    assert judged.refused
    assert judged.note == [{"refused": True, "batch": True}, {"refused": True, "batch": True}, {"approval": "apr-2"}]  # fmt: skip
    assert made.judge(line(call("apr-2"))).refused
    assert made.judge(line([call("read", 1), call("read", 2)])).note is None


def test_a_call_as_a_notification_is_refused_without_an_answer() -> None:
    """There is nobody to answer to."""
    sent = call()
    del sent["id"]
    judged = gate("send").judge(line(sent))
    assert (judged.refused, judged.forward, judged.reply) == (True, b"", b"")


@pytest.mark.parametrize(
    ("method", "passes"),
    [("initialize", True), ("ping", True), ("server/discover", True), ("tools/list", True),
     ("notifications/cancelled", True), ("tasks/cancel", True), ("resources/read", False),
     ("prompts/get", False), ("completion/complete", False), ("tasks/update", False), ("x/own", False)],
)  # fmt: skip
def test_while_all_is_stopped_only_what_tells_passes(method: str, passes: bool) -> None:
    """A client stays connected and sees what there is; nothing is done."""
    sent = line({"jsonrpc": "2.0", "id": 7, "method": method, "params": {}})
    assert gate(wide=True).judge(sent).refused is not passes
    assert not gate(wide=True).judge(line({"jsonrpc": "2.0", "id": 7, "result": {}})).refused


@given(st.binary(max_size=200))
def test_no_bytes_break_the_gate(data: bytes) -> None:
    """Judged or passed, never an exception, and a call by any name is seen."""
    judged = gate("send").judge(data.replace(b"\n", b""))
    assert judged.refused or judged.forward is not None


# --- in the relay --------------------------------------------------------------------------------
SERVER = """
import sys
for line in sys.stdin.buffer:
    for part in (line[:3], line[3:]):
        sys.stdout.buffer.write(part); sys.stdout.buffer.flush()
"""


def run(data: bytes, made: Gate, *, cut: int | None = None) -> tuple[bytes, list[tuple[Any, ...]]]:
    """A server that answers each line with itself, in pieces; what the client gets, and what was seen."""
    to_us, from_client = os.pipe()
    to_client, from_us = os.pipe()
    seen: list[tuple[Any, ...]] = []
    relay = Relay([sys.executable, "-c", SERVER], stdin=to_us, stdout=from_us, stderr=2, gate=made)
    got: list[bytes] = []

    def read() -> None:
        while chunk := os.read(to_client, 65536):
            got.append(chunk)

    def write() -> None:
        rng = random.Random(1)
        rest = data
        while rest:
            size = cut or rng.randrange(1, 40)
            os.write(from_client, rest[:size])
            rest = rest[size:]
        os.close(from_client)

    threads = [threading.Thread(target=read), threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    relay.run(lambda *arguments: seen.append(arguments))
    os.close(from_us)
    for thread in threads:
        thread.join()
    os.close(to_client)
    os.close(to_us)
    return b"".join(got), seen


@pytest.mark.parametrize("cut", [None, 1_000_000])
def test_answers_of_our_own_stand_between_whole_lines(cut: int | None) -> None:
    """However the bytes come; nothing refused reaches the server, nothing else is lost or changed."""
    passed = [line({"id": n, "method": "ping", "x": "a" * (n % 50)}) for n in range(300)]
    sent = [
        item
        for n, item in enumerate(passed)
        for item in ([line(call(id=n + 1000)), item] if n % 3 == 0 else [item])
    ]
    output, seen = run(b"".join(item + b"\n" for item in sent), gate("send"), cut=cut)
    lines = output.splitlines()
    replies = [value for value in map(json.loads, lines) if "error" in value]
    assert [item for item in lines if b"error" not in item] == passed
    assert [reply["id"] for reply in replies] == [n + 1000 for n in range(0, 300, 3)]
    notes = [
        (json.loads(chunk), note)
        for direction, chunk, *more in seen
        for note in more
        if direction == "c2s"
    ]
    assert [value["id"] for value, _ in notes] == [n + 1000 for n in range(0, 300, 3)]
    assert {note["verdict"] for _, note in notes} == {"stop"}
    # What is recorded of the server's side is what the client got.
    assert b"".join(chunk for direction, chunk, *_ in seen if direction == "s2c") == output


def test_the_answer_to_a_last_line_without_a_break_is_not_lost() -> None:
    """The client closes its side at once."""
    for _ in range(5):
        output, _ = run(CALL, gate("send"))
        assert json.loads(output)["error"]["code"] == CODE


def test_a_line_too_long_to_be_judged_is_refused_or_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is never held without a bound."""
    monkeypatch.setattr("agenttrail.sources._tap_relay.LINE_BYTES", 1000)
    long = line(call(tool="read", x="a" * 200_000))
    after = line({"id": 2, "method": "ping"})
    output, _ = run(long + b"\n" + after + b"\n", gate(), cut=65_536)
    refused, passed = output.splitlines()
    assert json.loads(refused)["error"]["code"] == -32600
    assert passed == after
    output, seen = run(long + b"\n" + after + b"\n", gate(unreadable=None), cut=65_536)
    assert output.splitlines() == [long, after]
    assert (
        b"".join(chunk for direction, chunk, *_ in seen if direction == "c2s")
        == long + b"\n" + after + b"\n"
    )


def test_judging_takes_microseconds_for_what_is_no_call() -> None:
    """A line of fifty thousand bytes without a call is not even parsed."""
    sent = line({"id": 1, "method": "ping", "x": "a\\n" * 25_000})
    made = gate("send")
    started = time.process_time()
    for _ in range(200):
        made.judge(sent)
    assert (time.process_time() - started) / 200 < 0.002
