"""The webhook: signed, sent again until taken, and nobody waits for it."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from agenttrail.errors import OptionError
from agenttrail.governance.webhook import Webhook, WebhookOptions


class Receiver(HTTPServer):
    """A real server that answers with the statuses it is told, 200 when there are no more."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.slow_s = 0.0
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        time.sleep(server.slow_s)
        body = self.rfile.read(int(self.headers["content-length"]))
        server.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(server.statuses.pop(0) if server.statuses else 200)
        self.send_header("location", "/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def url(server: Receiver) -> str:
    return f"http://127.0.0.1:{server.server_port}/hook?x=1"


def test_a_message_is_signed_as_standard_webhooks_says(receiver: Receiver, tmp_path: Path) -> None:
    """HMAC-SHA256 over id, time and body; the secret may have its prefix."""
    secret = b"0123456789abcdef0123456789abcdef"
    (tmp_path / "s").write_bytes(b"whsec_" + base64.b64encode(secret) + b"\n")
    hook = WebhookOptions(url=url(receiver), secret_file=str(tmp_path / "s")).build()
    assert hook.send("m1", b'{"verdict":"stop"}')
    hook.close()
    ((headers, body),) = receiver.got
    signed = f"m1.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert (headers["webhook-id"], headers["content-type"]) == ("m1", "application/json")
    assert json.loads(body) == {"verdict": "stop"}
    assert hook.settled() == ["m1"]
    assert hook.settled() == []


@pytest.mark.parametrize(
    ("statuses", "tries"),
    [([200], 1), ([503, 500, 429, 408, 204], 5), ([400], 1), ([302], 1), ([404], 1)],
)
def test_what_may_pass_later_is_sent_again(
    receiver: Receiver, statuses: list[int], tries: int
) -> None:
    """A refusal and a redirect are for good; a redirect is not followed."""
    receiver.statuses = list(statuses)
    hook = Webhook(url(receiver), first_pause_s=0.001)
    hook.send("m1", b"{}")
    deadline = time.monotonic() + 10
    while not (settled := hook.settled()) and time.monotonic() < deadline:
        time.sleep(0.005)
    hook.close()
    assert settled == ["m1"]
    assert [headers["webhook-id"] for headers, _ in receiver.got] == ["m1"] * tries


@pytest.mark.parametrize(
    ("statuses", "counts", "told"),
    [([302], {"refused": 1}, ["answered 302; it refuses a message for good"]),
     ([410], {"refused": 1}, ["answered 410; it refuses a message for good"]),
     ([503, 200], {"failed_tries": 1, "taken": 1}, ["answered 503; a message is tried again"]),
     ([503, 503, 404], {"failed_tries": 2, "refused": 1}, ["answered 503; a message is tried again", "answered 404; it refuses"]),
     ([200], {"taken": 1}, [])],
)  # fmt: skip
def test_what_a_receiver_did_not_take_is_told_and_counted(
    receiver: Receiver, statuses: list[int], counts: dict[str, int], told: list[str]
) -> None:
    """By host and status; neither the address, which may be a secret, nor the message."""
    receiver.statuses = list(statuses)
    said: list[str] = []
    hook = Webhook(url(receiver), first_pause_s=0.001, say=said.append)
    hook.send("m1", b'{"target":"expense"}')
    deadline = time.monotonic() + 10
    while not hook.settled() and time.monotonic() < deadline:
        time.sleep(0.005)
    hook.close()
    assert dict(hook.counts) == counts
    for line, part in zip(said, told, strict=False):
        assert line.startswith("webhook to 127.0.0.1: ")
        assert part in line
        assert "hook?x" not in line
        assert "expense" not in line
    summary = ["0 messages taken, 1 refused for good, 0 given up, 0 not sent yet"]
    assert [line.split(": ")[1] for line in said[len(told) :]] == summary * ("refused" in counts)


def test_a_message_that_nobody_took_for_a_day_is_given_up_and_told() -> None:
    """And one that has no room in the queue, and one that is left at the end."""
    now = [0.0]
    said: list[str] = []
    hook = Webhook("http://127.0.0.1:9/", clock=lambda: now[0], first_pause_s=0, say=said.append)
    hook.send("m1", b"{}")
    deadline = time.monotonic() + 10
    while not hook.counts["failed_tries"] and time.monotonic() < deadline:
        time.sleep(0.005)
    now[0] = 90_000.0
    hook.send("m2", b"{}")
    while not hook.settled() and time.monotonic() < deadline:
        time.sleep(0.005)
    hook.close(0)
    assert hook.counts["given_up"] == 1
    assert any("ConnectionRefusedError" in line and "given up" in line for line in said)
    assert said[-1].endswith("0 messages taken, 0 refused for good, 1 given up, 1 not sent yet")


def test_nobody_waits_for_a_receiver_that_hangs_or_is_away(receiver: Receiver) -> None:
    """The queue has an end; what does not fit is told to the caller."""
    receiver.slow_s = 0.3
    hook = Webhook(url(receiver))
    started = time.monotonic()
    taken = [hook.send(f"m{number}", b"{}") for number in range(1_100)]
    assert time.monotonic() - started < 0.25
    assert taken.count(True) in (1_000, 1_001)
    assert hook.counts["no_room"] == taken.count(False)
    assert hook.send("m5", b"{}")
    hook.close(0)
    away = Webhook("http://127.0.0.1:9/")
    away.send("m", b"{}")
    started = time.monotonic()
    away.close(3)
    assert time.monotonic() - started < 2
    assert away.settled() == []


@pytest.mark.parametrize(
    ("option", "more"),
    [("url", {"url": "ftp://example.com"}), ("url", {"url": "https://"}), ("url", {"url": "x"}),
     ("url", {"url": "http://u:p@example.com/"}), ("url", {"url": "http://example.com:0/"}),
     ("url", {"url": "http://example.com:99999/"}), ("timeout_s", {"timeout_s": 0}),
     ("secret_file", {"secret_file": "/no/such/file"}), ("secret_file", {"secret_file": "short"}),
     ("secret_file", {"secret_file": "bad"})],
)  # fmt: skip
def test_wrong_options_fail_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, more: dict[str, Any]
) -> None:
    """Before anything is sent."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short").write_bytes(b"abc")
    (tmp_path / "bad").write_bytes(b"whsec_!!!")
    with pytest.raises(OptionError) as caught:
        WebhookOptions(**{"url": "http://example.com", **more}).build()
    assert caught.value.option == option
