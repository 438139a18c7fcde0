"""The property that matters, whole: bytes of a log in, and no byte that any sink writes holds a secret."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agenttrail import config
from agenttrail.errors import Rejected
from agenttrail.masks.presidio import PresidioMask, PresidioOptions
from agenttrail.runner import Runner, Settings
from agenttrail.seams import MaskedEvent
from agenttrail.sinks._otlp_message import log_record
from agenttrail.sinks.jsonl import JsonlOptions
from agenttrail.testing import ListSource, records

SECRETS = (
    "somchai.j@example.co.th", "4111 1111 1111 1111", "GB29 NWBK 6016 1331 9268 19",
    "219-09-9999", "+66 81 234 5678", "1-1017-00207-36-6", "192.168.17.20",
)  # fmt: skip
PLACES = ("value", "key", "nested", "json", "json in json", "url", "path", "error", "glued")


def plant(secret: str, place: str) -> object:
    """An arguments object that holds the secret there."""
    inner = json.dumps({"note": f"for {secret}"}, ensure_ascii=False)
    return {
        "value": {"text": f"write to {secret} please"},
        "key": {f"history of {secret}": 1},
        "nested": {"a": [{"b": [[{"c": secret}]]}]},
        "json": {"body": inner},
        "json in json": {"body": json.dumps({"payload": inner})},
        "url": {"uri": f"https://api.example.com/v1/{quote(secret, safe='')}?q={quote(secret)}"},
        "path": {"file": f"/srv/{secret}/report.txt"},
        "error": {"stack": f"ValueError: cannot parse '{secret}'\n  at main.py:3"},
        "glued": {"text": f"ติดต่อ{secret}ครับ 連絡は{secret}まで"},
    }[place]


def wire(message: object) -> bytes:
    line = {"ts": "2026-01-01T00:00:00Z", "server": "s", "dir": "c2s", "raw": json.dumps(message)}
    return json.dumps(line).encode()


def logs(held: object, text: str) -> dict[str, list[bytes]]:
    """One log a format, with the object and the text where users' words stand in it."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "t", "arguments": held, "_meta": {"baggage": text}}}  # fmt: skip
    failed = {"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": text, "data": held}}
    answer = wire(failed).replace(b'"c2s"', b'"s2c"')
    row = {"sessionId": "0f5d400c-97b8-4e2f-8ecf-eb4ba2c5ceb4", "timestamp": "2026-01-01T00:00:00Z",
           "version": "2.1.0", "isSidechain": False, "parentUuid": None, "cwd": f"/srv/{text}"}  # fmt: skip
    use = {"type": "tool_use", "id": "toolu_01ABCDEFGH", "name": "Bash", "input": held}
    result = {
        "type": "tool_result",
        "tool_use_id": "toolu_01ABCDEFGH",
        "content": text,
        "is_error": True,
    }
    rollout = {"timestamp": "2026-01-01T00:00:00Z", "type": "response_item"}
    return {
        "mcp_wire": [wire(call), answer, wire(call)[:-20]],
        "mcp_jsonrpc": [json.dumps(call).encode(), json.dumps(failed).encode()],
        "claude_desktop": [
            b"2026-01-01T00:00:00.000Z [s] [info] Message from client: " + json.dumps(call).encode(),
            f"  File stderr: {text}".encode(),
        ],
        "claude_code": [
            json.dumps({**row, "type": "assistant", "uuid": "u1", "message": {
                "id": "msg_01ABCDEFGH", "role": "assistant", "model": "m", "content": [use]}}).encode(),
            json.dumps({**row, "type": "user", "uuid": "u2", "message": {
                "role": "user", "content": [result]}}).encode(),
        ],
        "codex": [
            json.dumps({**rollout, "payload": {"type": "function_call", "name": "t",
                        "arguments": json.dumps(held), "call_id": "call_1abcdefg"}}).encode(),
            json.dumps({**rollout, "payload": {"type": "function_call_output",
                        "call_id": "call_1abcdefg", "output": text}}).encode(),
        ],
        "jsonl": [json.dumps({"agent": text, "data": held}).encode(), text.encode(), b'{"x": "' + text.encode()],
    }  # fmt: skip


@pytest.fixture(scope="module")
def mask() -> PresidioMask:
    return PresidioOptions().build()


class Outside:
    """Takes what the OTLP sink would put on the wire, then refuses the first event for good."""

    def __init__(self) -> None:
        self.sent = b""

    def write(self, batch: Sequence[MaskedEvent], /) -> None:
        for event in batch:
            self.sent += log_record(event.fields, observed_ns=1).SerializeToString()
        raise Rejected({0: "document_parsing_exception"})

    def check(self) -> None: ...

    def close(self) -> None: ...


@given(
    secret=st.sampled_from(SECRETS), place=st.sampled_from(PLACES), text_place=st.sampled_from(["", "id ", "ถึง"])
)  # fmt: skip
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_byte_of_any_sink_holds_a_planted_secret(
    mask: PresidioMask,
    tmp_path_factory: pytest.TempPathFactory,
    secret: str,
    place: str,
    text_place: str,
) -> None:
    """Every format, every place; the file, the dead letter, the OTLP message and every notice."""
    held, text = plant(secret, place), f"{text_place}{secret}"
    for name, lines in logs(held, text).items():
        folder: Path = tmp_path_factory.mktemp("out")
        outside = Outside()
        told: list[str] = []
        outcome = Runner(
            source=ListSource(records(*lines, path=f"/srv/{secret}/x.log")),
            format=config.members(config.STAGES["format"])[name]().build(), mask=mask,
            sinks={"file": JsonlOptions(path=str(folder / "out.jsonl")).build(), "otlp": outside},
            settings=Settings(dead_letter=str(folder / "dead.jsonl")), notice=told.append,
        ).run()  # fmt: skip
        assert outcome.counts.balance() == []
        assert outcome.counts.lines_read == len(lines)
        written = (folder / "out.jsonl").read_bytes() + (folder / "dead.jsonl").read_bytes()
        assert written
        assert outside.sent
        everything = (written + outside.sent).decode("utf-8", "replace") + "\n".join(told)
        for shape in {secret, quote(secret), quote(secret, safe=""), secret.replace(" ", "")}:
            assert shape not in everything, (name, place)


# Secrets that only the name beside them tells, and halves of what was cut.
NAMED = (
    {"DB_PASSWORD": "tulip-48151623"},
    {"password": 48151623},
    {"credentials": {"user": "tulip", "parts": [{"a": "tulip-48151623"}]}},
    {"Name": "new_password", "Value": "tulip-48151623"},
    {"headers": [["X-Api-Key", "tulip-48151623"]]},
    {"argv": ["run", "--token", "tulip-48151623"]},
    {"command": "run --token tulip-48151623 --verbose"},
    {"command": "DB_PASSWORD=tulip-48151623 run"},
    {"command": "curl -u jane:tulip-48151623 https://api.example.com"},
    {"env": "AWS_SECRET_ACCESS_KEY=tulip/48151623/Rose7wJalrXUtnFEMIK7MDENG"},
    {"dir": "/var/home/tulip48151623/x"},
)


def sent(mask: PresidioMask, folder: Path, name: str, lines: Sequence[bytes]) -> str:
    """All that leaves: the file, the dead letters, the OTLP messages and the notices."""
    outside, told = Outside(), list[str]()
    Runner(
        source=ListSource(records(*lines, path="/srv/x.log")),
        format=config.members(config.STAGES["format"])[name]().build(), mask=mask,
        sinks={"file": JsonlOptions(path=str(folder / "out.jsonl")).build(), "otlp": outside},
        settings=Settings(dead_letter=str(folder / "dead.jsonl")), notice=told.append,
    ).run()  # fmt: skip
    written = (folder / "out.jsonl").read_bytes() + (folder / "dead.jsonl").read_bytes()
    assert written
    return (written + outside.sent).decode("utf-8", "replace") + "\n".join(told)


@pytest.mark.parametrize("held", NAMED, ids=lambda held: next(iter(held)))
def test_no_secret_leaves_that_only_its_name_tells(
    mask: PresidioMask, tmp_path: Path, held: dict[str, object]
) -> None:
    for name, lines in logs(held, "text").items():
        folder = tmp_path / name
        folder.mkdir()
        everything = sent(mask, folder, name, lines)
        assert "48151623" not in everything, name
        assert "tulip-" not in everything, name


@pytest.mark.parametrize("text", ["mail bob@example.com", "card 5105 1051 0510 5100"])
def test_no_half_of_a_secret_leaves_where_a_line_was_cut(
    mask: PresidioMask, tmp_path: Path, text: str
) -> None:
    """The writer stopped seven signs before the end of it."""
    for name, lines in logs({"note": text}, text).items():
        folder = tmp_path / name
        folder.mkdir()
        ends = [(line, line.rfind(text.encode()) + len(text) - 7) for line in lines]
        halves = [line[:end] for line, end in ends if line.startswith(b"{") and end >= len(text)]
        everything = sent(mask, folder, name, halves or [b"{"])
        assert "bob@" not in everything, name
        assert "5105 1051" not in everything, name


@pytest.mark.parametrize("word", ["margaret.thatcher", "jane.roe/Thatcher"])
def test_no_method_that_is_a_name_leaves(mask: PresidioMask, tmp_path: Path, word: str) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": word, "params": {}}
    assert word not in sent(mask, tmp_path, "mcp_jsonrpc", [json.dumps(message).encode()])
