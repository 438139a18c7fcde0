"""Canaries into a pipeline: a line in a file, OTLP over HTTP, syslog, or a program's standard input."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import IO, Any
from urllib.parse import urlsplit

from agenttrail.canary import shapes
from agenttrail.canary.plant import Canary
from agenttrail.errors import Unreachable, UsageError

_TIMEOUT_S = 30.0


def append(path: str, lines: Sequence[str]) -> None:
    """Appends lines to a file that exists; one write, so that no other writer comes between.

    Raises:
        Unreachable: it cannot be written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            data = "".join(f"{line}\n" for line in lines).encode()
            while data:
                data = data[os.write(handle, data) :]
        finally:
            os.close(handle)
    except OSError as error:
        raise Unreachable(
            f"{path} cannot be appended to: {error.strerror}",
            hint="name the log that your collector follows" if isinstance(error, FileNotFoundError) else "",
        ) from None  # fmt: skip


def otlp(
    url: str, canaries: Sequence[Canary], now: datetime, signals: Sequence[str], headers: Mapping[str, str]
) -> None:  # fmt: skip
    """Posts OTLP/JSON to /v1/logs and /v1/traces.

    Raises:
        UsageError: the address is none.
        Unreachable: it was not taken; the message has the status and no answer of the server.
    """
    check_url("--otlp", url)
    bodies = {"logs": shapes.otlp_logs, "traces": shapes.otlp_traces}
    for signal in signals:
        address = f"{url.rstrip('/')}/v1/{signal}"
        body = json.dumps(bodies[signal](canaries, now)).encode()
        kind = {"Content-Type": "application/json", **headers}
        request = urllib.request.Request(address, body, kind, method="POST")  # noqa: S310  checked
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
                answer.read()
        except urllib.error.HTTPError as error:
            error.close()
            raise Unreachable(f"{address} answered {error.code}") from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise Unreachable(f"{address} cannot be reached: {getattr(reason, 'strerror', None) or type(reason).__name__}") from None  # fmt: skip


def syslog(url: str, lines: Sequence[str], marks: Sequence[str], now: datetime) -> None:
    """Sends RFC 5424 messages, a line each: a datagram each, or one connection with line breaks.

    Raises:
        UsageError: the address is none.
        Unreachable: nobody listens there (of UDP that is not always told).
    """
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port or 514
    except ValueError:
        host, port = "", 0
    if parts.scheme not in ("udp", "tcp") or not host:
        raise UsageError("--syslog is udp://HOST:PORT or tcp://HOST:PORT")
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    messages = [
        f"<14>1 {stamp} localhost agenttrail-canary - {mark} - {line}".encode()
        for line, mark in zip(lines, marks, strict=True)
    ]
    kind = socket.SOCK_DGRAM if parts.scheme == "udp" else socket.SOCK_STREAM
    try:
        family = socket.getaddrinfo(host, port, type=kind)[0][0]
        with socket.socket(family, kind) as connection:
            connection.settimeout(_TIMEOUT_S)
            connection.connect((host, port))
            for message in messages:
                connection.sendall(message if parts.scheme == "udp" else message + b"\n")
    except OSError as error:
        raise Unreachable(f"{url} cannot be reached: {error.strerror}") from None


def command(text: str, lines: Sequence[str], out: IO[bytes] | int) -> None:
    """Runs a program with the lines on its standard input, until it ends.

    Raises:
        Unreachable: it cannot be run, or ended with an error.
    """
    data = "".join(f"{line}\n" for line in lines).encode()
    argv = shlex.split(text)
    try:
        done = subprocess.run(argv, input=data, stdout=out, timeout=600, check=False)  # noqa: S603  the user's own
    except (OSError, IndexError, ValueError) as error:
        raise Unreachable(f"the command cannot be run: {getattr(error, 'strerror', None) or type(error).__name__}") from None  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Unreachable("the command did not end in 10 minutes") from None
    if done.returncode:
        raise Unreachable(f"the command ended with {done.returncode}")


def check_url(option: str, url: str) -> None:
    """Raises UsageError for what is no http address."""
    if not url.startswith(("http://", "https://")) or not urlsplit(url).netloc:
        raise UsageError(f"{option} is http://HOST:PORT or https://HOST:PORT")


def headers_of(given: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE pairs. Raises UsageError for what is none."""
    made: dict[str, Any] = {}
    for pair in given:
        name, sign, value = pair.partition("=")
        if not sign or not name.strip():
            raise UsageError("--header needs NAME=VALUE")
        made[name.strip()] = value
    return made
