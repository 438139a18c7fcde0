"""Requests of OTLP that are not whole yet: how much of them is in memory, over each transport.

What is whole is counted by `_otlp_intake.py`. Before that

- over HTTP the bytes that have come are counted: beyond `max_waiting_bytes` together a sender is told to
  come again;
- gRPC's library takes a message in as a whole, so places are counted: as many as bodies of
  `max_request_bytes` fit into `max_waiting_bytes`, and at least one. Who has none waits with its body
  still on its way; after a while it is told to come again, and the RPC that has had a place for as
  long and still has no body is cancelled, which OTLP's senders try again.

Source: OTLP specification 1.9 (retryable codes); grpcio's server, which starts to receive a message of a
streaming handler when the handler asks for it.

Limits: gRPC's transport buffers the window of each stream that is open (64 KiB and more) beside this.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from agenttrail.sources._otlp_intake import Answer

_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Coming:
    """Bytes of requests over HTTP that are not whole yet: together as many as may be at work.

    One is always let in. Used by the loop's thread only.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.requests = self.bytes = 0

    def full(self) -> bool:
        return self.bytes > self._most and self.requests > 1


async def read(
    receive: _Receive, limit: int, headers: Mapping[str, str], coming: Coming
) -> bytes | Answer | None:
    """The whole body; an answer where it is too long; None where the sender has left."""
    too_large = Answer("too_large", f"larger than {limit} bytes")
    length = headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and int(length[:15]) > limit:
        return too_large
    pieces: list[bytes] = []
    size = 0
    coming.requests += 1
    try:
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                return None
            pieces.append(event.get("body", b""))
            size += len(pieces[-1])
            coming.bytes += len(pieces[-1])
            if size > limit:
                return too_large
            if not event.get("more_body"):
                return b"".join(pieces)
            if coming.full():
                return Answer("throttled", "busy", after_s=1.0)
    finally:
        coming.requests -= 1
        coming.bytes -= size


class Receiving:
    """Places for RPCs whose body is on its way. Used by the threads of gRPC's pool.

    Args:
        places: how many there are.
        turn_s: how long one waits for a place, and how long one may keep it where others wait.
        clock: seconds.
    """

    def __init__(
        self, places: int, *, turn_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._places, self._turn_s, self._clock = places, turn_s, clock
        self._free = threading.Condition()
        self._held: dict[int, tuple[Any, float]] = {}

    def enter(self, context: Any) -> bool:
        """Whether there was a place for the RPC; whoever got one leaves it."""
        with self._free:
            if self._free.wait_for(lambda: len(self._held) < self._places, self._turn_s):
                self._held[id(context)] = (context, self._clock())
                return True
            oldest, since = next(iter(self._held.values()))
            if self._clock() - since >= self._turn_s:
                oldest.cancel()
            return False

    def leave(self, context: Any) -> None:
        with self._free:
            self._held.pop(id(context), None)
            self._free.notify()
