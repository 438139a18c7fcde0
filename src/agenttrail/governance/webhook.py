"""Tells another system, over HTTP, that something was stopped. The only one here that speaks to the network.

One POST of a small JSON object for each message, signed where there is a secret, as Standard Webhooks
1.0 says (https://www.standardwebhooks.com): `webhook-id`, `webhook-timestamp`, and `webhook-signature:
v1,` with the base64 HMAC-SHA256 of `id.timestamp.body`. A receiver knows a repetition by its id.

Promises: nothing waits for it: messages are sent by a thread, from a queue of at most 1,000. What was
not taken (no 2xx) is sent again with growing pauses for a day. Redirects are not followed. A message
holds names and verdicts that the caller gives, no event content; an answer is not read. What a receiver
refuses for good (a redirect, most of 4xx), does not take for now, or never took is told, at most once a
minute for each kind, and counted: `counts` has taken, refused, given_up, no_room, and failed_tries.

Limits: what is in the queue ends with the process; whoever must not lose it keeps it until `settled`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from agenttrail.errors import OptionError

_MOST = 1_000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 300.0
_FOR_S = 86_400.0
_AGAIN = (408, 425, 429)
_SAY_AGAIN_S = 60.0
_TOLD = {
    "refused": "it refuses a message for good, nothing was told there",
    "given_up": "a message was tried for a day and is given up",
    "failed_tries": "a message is tried again",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOptions:
    """An address that is told of stops."""

    url: Annotated[str, "http or https address to post to."]
    secret_file: Annotated[str | None, "File with the secret that messages are signed by."] = None
    timeout_s: Annotated[float, "How long one request may take, in seconds."] = 10.0

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            port = parts.port
        except ValueError:
            raise OptionError("url", "is no address") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            raise OptionError("url", "is no http or https address")
        if parts.username is not None or parts.fragment:
            raise OptionError("url", "holds a user or a fragment", hint="sign with secret_file")
        if self.timeout_s <= 0:
            raise OptionError("timeout_s", "must be positive")

    def build(self) -> Webhook:
        """A thread that sends.

        Raises:
            OptionError: the secret cannot be read.
        """
        secret = None
        if self.secret_file is not None:
            try:
                with open(self.secret_file, "rb") as file:
                    secret = file.read().strip()
                if secret.startswith(b"whsec_"):  # Standard Webhooks: the rest is base64
                    secret = base64.b64decode(secret[6:], validate=True)
            except OSError as error:
                raise OptionError("secret_file", f"cannot be read: {error.strerror}") from None
            except ValueError:
                raise OptionError("secret_file", "is no base64 behind whsec_") from None
            if len(secret) < 16:
                raise OptionError("secret_file", "holds fewer than 16 bytes", hint="openssl rand -hex 32 > FILE")  # fmt: skip
        return Webhook(self.url, secret, timeout_s=self.timeout_s)


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")


@dataclass(slots=True)
class _Message:
    body: bytes
    born: float
    due: float
    pause_s: float = _FIRST_PAUSE_S


class Webhook:
    """See the module.

    Args:
        url: where to post.
        secret: what to sign with, or None.
        timeout_s: of one request.
        first_pause_s: before the first repetition.
        clock: seconds.
        say: is told of trouble: the host, a status or the class of an error, never a message.
    """

    def __init__(
        self,
        url: str,
        secret: bytes | None = None,
        *,
        timeout_s: float = 10.0,
        first_pause_s: float = _FIRST_PAUSE_S,
        clock: Callable[[], float] = time.monotonic,
        say: Callable[[str], None] = _to_stderr,
    ) -> None:
        self._parts = urlsplit(url)
        self._say, self._said = say, dict[str, float]()
        self.counts: Counter[str] = Counter()
        self._secret, self._timeout_s, self._first_pause_s = secret, timeout_s, first_pause_s
        self._clock = clock
        self._waiting: dict[str, _Message] = {}
        self._settled: list[str] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._thread.start()

    def send(self, id: str, body: bytes) -> bool:
        """Queues a message; False where the queue is full. One that is queued already is not doubled."""
        with self._changed:
            if id in self._waiting:
                return True
            if len(self._waiting) >= _MOST:
                self.counts["no_room"] += 1
                self._tell("the queue is full: a message waits for the next run")
                return False
            now = self._clock()
            self._waiting[id] = _Message(body, now, now, self._first_pause_s)
            self._changed.notify()
            return True

    def settled(self) -> list[str]:
        """Ids that need no keeping any more, told once: taken, refused for good, or too old."""
        with self._changed:
            ids, self._settled = self._settled, []
            return ids

    def close(self, wait_s: float = 5.0) -> None:
        """Gives what is queued one more chance for so long, then ends."""
        deadline = time.monotonic() + wait_s
        with self._changed:
            while self._waiting and time.monotonic() < deadline:
                if all(message.due > self._clock() for message in self._waiting.values()):
                    break  # all were tried and wait for another day
                self._changed.wait(0.05)
            self._closed = True
            left = len(self._waiting)
            self._changed.notify()
        lost = {name: self.counts[name] for name in ("refused", "given_up", "no_room")}
        if left or any(lost.values()):
            self._say(f"{self._name}: {self.counts['taken']} messages taken, {lost['refused']} refused for good, {lost['given_up']} given up, {left + lost['no_room']} not sent yet")  # fmt: skip

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                now = self._clock()
                name, message = min(
                    self._waiting.items(), key=lambda item: item[1].due, default=("", None)
                )
                if message is None or message.due > now:
                    self._changed.wait(None if message is None else message.due - now)
                    continue
            outcome, why = self._post(name, message.body)
            with self._changed:
                now = self._clock()
                if outcome == "failed_tries" and now - message.born > _FOR_S:
                    outcome = "given_up"
                self.counts[outcome] += 1
                if outcome != "taken":
                    self._tell(f"{why}; {_TOLD[outcome]}")
                if outcome != "failed_tries":
                    self._waiting.pop(name, None)
                    self._settled.append(name)
                else:
                    message.due = now + message.pause_s
                    message.pause_s = min(message.pause_s * 2, _LONGEST_PAUSE_S)
                self._changed.notify()

    def _post(self, id: str, body: bytes) -> tuple[str, str]:
        """One try: taken, refused or failed_tries, and why in words."""
        from http.client import HTTPConnection, HTTPException, HTTPSConnection

        kind = HTTPSConnection if self._parts.scheme == "https" else HTTPConnection
        connection = kind(str(self._parts.hostname), self._parts.port, timeout=self._timeout_s)
        path = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
        try:
            connection.request("POST", path, body, self._headers(id, body))
            status = connection.getresponse().status
        except (OSError, HTTPException, ValueError) as error:
            return "failed_tries", f"no answer ({type(error).__name__})"
        finally:
            connection.close()
        if 200 <= status < 300:
            return "taken", ""
        # A redirect or a refusal will be the same next time.
        again = status >= 500 or status in _AGAIN
        return "failed_tries" if again else "refused", f"the receiver answered {status}"

    def _tell(self, text: str) -> None:
        now = self._clock()
        if now - self._said.get(text, -_SAY_AGAIN_S) >= _SAY_AGAIN_S:
            self._said[text] = now
            self._say(f"{self._name}: {text}")

    @property
    def _name(self) -> str:
        # A path may be a secret.
        return f"webhook to {self._parts.hostname}"

    def _headers(self, id: str, body: bytes) -> dict[str, str]:
        headers = {
            "content-type": "application/json", "user-agent": "agenttrail",
            "webhook-id": id, "webhook-timestamp": str(int(time.time())),
        }  # fmt: skip
        if self._secret is not None:
            headers["webhook-signature"] = signature(
                self._secret, id, headers["webhook-timestamp"], body
            )
        return headers


def signature(secret: bytes, id: str, timestamp: str, body: bytes) -> str:
    """The value of `webhook-signature`, for who checks it."""
    signed = b".".join((id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
