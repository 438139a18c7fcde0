"""Every way in, as a function from lines to what leaves. A new way is a new row.

A route of the mode `mask` gives one line for each, in its own shape; one of the mode `normalise` gives
events. Ways whose collectors cannot be had here are driven with the bytes that they send.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from agenttrail import jsontext
from agenttrail.guard import Guard
from agenttrail.masking import Masker
from agenttrail.masks.presidio import PresidioOptions
from tests.cli._run import BINARY
from tests.collectors import _canaries as canaries
from tests.collectors import _hop, test_rsyslog, test_syslog_ng
from tests.engines import otelcol, rsyslog, syslog_ng
from tests.engines.fixtures import required

# Without names, which the lines in their own shape are compared with: half the time.
FAST = ("--profile", "fast")
NORMALISE = ("--mode", "normalise", *FAST)
Lines = Sequence[bytes]
Masked = Callable[[Lines, Path], list[bytes]]
Normalised = Callable[[str, Lines, Path], list[bytes]]


def _filter(stdin: bytes, *arguments: str) -> list[bytes]:
    done = subprocess.run(
        [BINARY, "filter", *arguments], input=stdin, capture_output=True, check=True, timeout=120
    )
    return done.stdout.splitlines()


def _asked(lines: Lines, *arguments: str) -> list[bytes]:
    """As rsyslog does: a line, its answer, the next line; gives what the answers let out."""
    with subprocess.Popen(
        [BINARY, "filter", "--protocol", "rsyslog", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        out: list[bytes] = []
        for line in lines:
            message = {"msg": line.decode(), "$!": {"metadata": {"filename": "/a.log"}}}
            process.stdin.write(json.dumps(message).encode() + b"\n")
            process.stdin.flush()
            own = jsontext.loads(process.stdout.readline())["$!"]["agenttrail"]
            out += own["line"].encode().splitlines()
        process.stdin.close()
    return out


def _records(lines: Lines) -> bytes:
    """As fluentd does: `<format> @type json`."""
    return b"".join(
        json.dumps({"message": line.decode(), "tag": "agents"}).encode() + b"\n" for line in lines
    )


# --- each line in its own shape --------------------------------------------------------------------


def masker(lines: Lines, _: Path) -> list[bytes]:
    """In process."""
    return Masker().lines(lines)


def masker_one_by_one(lines: Lines, _: Path) -> list[bytes]:
    one = Masker()
    return [one.line(line) for line in lines]


def guarded(lines: Lines, _: Path) -> list[bytes]:
    with Guard(PresidioOptions(), timeout_s=60) as guard:
        return [line for line, _ in guard.lines(lines)]


def filter_jsonl(lines: Lines, _: Path) -> list[bytes]:
    return _filter(b"".join(line + b"\n" for line in lines))


def filter_rsyslog(lines: Lines, _: Path) -> list[bytes]:
    return _asked(lines)


def filter_fluentd(lines: Lines, _: Path) -> list[bytes]:
    answers = _filter(_records(lines), "--protocol", "fluentd")
    return [str(jsontext.loads(answer)["message"]).encode() for answer in answers]


def real_rsyslog(lines: Lines, _: Path) -> list[bytes]:
    with required():
        rsyslog.prepare()
    with test_rsyslog.running(edit=lambda text: text) as made:
        made.write(b"".join(line + b"\n" for line in lines))
        return made.wait_for_lines(len(lines))


def real_syslog_ng(lines: Lines, _: Path) -> list[bytes]:
    with required():
        syslog_ng.prepare()
    with test_syslog_ng.running(lambda text: text) as made:
        made.write(b"".join(line + b"\n" for line in lines))
        return made.wait_for_lines(len(lines))


def relay(lines: Lines, _: Path) -> list[bytes]:
    """filelog of the real Collector, the hop, the Collector again: a log record's body."""
    with required():
        otelcol.prepare()
    with _hop.pipeline(None) as made:
        made.write(*lines)
        _hop.wait_for(lambda: len(made.bodies()) >= len(lines), 60)
        return [body.encode() for body in made.bodies()]


MASKED: dict[str, Masked] = {
    each.__name__: each
    for each in (
        masker, masker_one_by_one, guarded, filter_jsonl, filter_rsyslog, filter_fluentd,
        real_rsyslog, real_syslog_ng, relay,
    )
}  # fmt: skip


# --- events ----------------------------------------------------------------------------------------


def run_file(form: str, lines: Lines, folder: Path) -> list[bytes]:
    """The reference: `agenttrail run` over a file."""
    (folder / "in.log").write_bytes(b"".join(line + b"\n" for line in lines))
    command = [BINARY, "run", "-q", *FAST, "--input", "in.log", "--format", form, "--output", "-"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, check=True, timeout=120
    ).stdout.splitlines()


def normalised_jsonl(form: str, lines: Lines, _: Path) -> list[bytes]:
    stdin = b"".join(line + b"\n" for line in lines)
    return _filter(stdin, *NORMALISE, "--format", form)


def normalised_fluentd(form: str, lines: Lines, _: Path) -> list[bytes]:
    return _filter(_records(lines), "--protocol", "fluentd", *NORMALISE, "--format", form)


def normalised_rsyslog(form: str, lines: Lines, folder: Path) -> list[bytes]:
    rest = folder / "rest.jsonl"
    out = _asked(lines, *NORMALISE, "--format", form, "--rest", str(rest))
    return out + rest.read_bytes().splitlines()


def normalised_real_rsyslog(form: str, lines: Lines, folder: Path) -> list[bytes]:
    """The shipped configuration, but for the mode; what is held comes when rsyslog ends."""
    with required():
        rsyslog.prepare()
    rest = folder / "rest.jsonl"
    options = (*NORMALISE, "--format", form, "--rest", str(rest))
    last = canaries.line(3)  # no event of any format but an unreadable one: it comes at once
    with test_rsyslog.running(*options, edit=lambda text: text) as made:
        made.write(b"".join(line + b"\n" for line in lines) + last + b"\n")
        made.daemon.wait_for(lambda: b"n=3;" in made.out())
        # A service manager waits for the program too, which ends when rsyslog has.
        program = made.filter()
        os.kill(made.daemon.process.pid, signal.SIGTERM)
        made.daemon.wait_for(lambda: _ended(program))
        out = [line for line in made.out().splitlines() if line and b"n=3;" not in line]
    return out + rest.read_bytes().splitlines()


def _ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except FileNotFoundError:
        return True


NORMALISED: dict[str, Normalised] = {
    each.__name__: each for each in (normalised_jsonl, normalised_fluentd, normalised_rsyslog)
}
