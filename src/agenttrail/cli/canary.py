"""`agenttrail canary`: planted data through your own pipeline: leaked, masked or lost, each named.

Exit codes: 0 all masked, 1 something leaked (or could not be sent or looked for), 2 wrong usage,
3 nothing leaked but something did not arrive.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agenttrail.errors import Unreachable, UsageError

if TYPE_CHECKING:
    from agenttrail.canary.find import Destination
    from agenttrail.canary.judge import Arrived, Result
    from agenttrail.canary.plant import Canary

LOST = 3
_POLL_S = 0.3
_EPILOG = """\
examples:
  agenttrail canary --append /var/log/agents/a.jsonl --format jsonl --jsonl /var/log/masked.jsonl
  agenttrail canary --otlp http://127.0.0.1:4318 --otlp-file /var/log/otel/out.jsonl
  agenttrail canary --syslog tcp://127.0.0.1:514 --elasticsearch https://es.example.com:9200 --index 'logs-*'
  agenttrail canary --exec 'agenttrail filter' --jsonl -

exit codes: 0 all masked, 1 something leaked or could not be sent, 2 wrong usage, 3 something was lost
"""


def add(verbs: Any) -> None:
    """Adds the verb."""
    parser = verbs.add_parser(
        "canary",
        help="send planted data through your own pipeline and look for it at its end",
        description="Sends marked, made-up personal data (English, Thai, Japanese, Lao, secrets, nested JSON, keys, encodings) into a pipeline and searches its destination: leaked, masked or lost, each named. Nothing of what the destination holds is printed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    into = parser.add_argument_group("into the pipeline (one of)")
    into.add_argument("--append", metavar="FILE", help="append lines to a log that the pipeline follows")  # fmt: skip
    into.add_argument("--otlp", metavar="URL", help="post OTLP/JSON to URL/v1/logs and URL/v1/traces")  # fmt: skip
    into.add_argument("--syslog", metavar="URL", help="send syslog to udp://HOST:PORT or tcp://HOST:PORT")  # fmt: skip
    into.add_argument("--exec", metavar="COMMAND", help="write lines to a program's standard input")
    out = parser.add_argument_group("its destination (one of)")
    out.add_argument("--jsonl", metavar="FILE", help="a file of JSON Lines; - is the standard output of --exec")  # fmt: skip
    out.add_argument("--otlp-file", metavar="FILE", help="a file of the Collector's file exporter")
    out.add_argument("--elasticsearch", metavar="URL", help="an Elasticsearch; password from AGENTTRAIL_CANARY_PASSWORD, or key from AGENTTRAIL_CANARY_API_KEY")  # fmt: skip
    parser.add_argument("--format", choices=("jsonl", "claude_code", "mcp_wire"), help="of the lines that are written (default: jsonl)")  # fmt: skip
    parser.add_argument("--signal", choices=("logs", "traces", "both"), help="of --otlp (default: both)")  # fmt: skip
    parser.add_argument("--header", action="append", default=[], metavar="NAME=VALUE", help="of --otlp; can be repeated")  # fmt: skip
    parser.add_argument("--index", metavar="PATTERN", help="of --elasticsearch (default: logs-*)")
    parser.add_argument("--user", metavar="NAME", help="of --elasticsearch")
    parser.add_argument("--ca-file", metavar="FILE", help="PEM file of the authority of --elasticsearch")  # fmt: skip
    parser.add_argument("--without", action="append", default=[], metavar="NAME", help="leave a canary out (en.name), or all of a word before the dot (secret); can be repeated")  # fmt: skip
    parser.add_argument("--hard", action="store_true", help="with what the mask does not see (hex, numbers in words)")  # fmt: skip
    parser.add_argument("--wait-s", type=float, default=60.0, metavar="N", help="how long canaries may take (60)")  # fmt: skip
    parser.add_argument("--settle-s", type=float, default=2.0, metavar="N", help="how long to go on looking for a second copy when all are there (2)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 where every canary arrived and none can be read."""
    from agenttrail.canary import plant

    _check(arguments)
    rng = random.SystemRandom()
    word = plant.run_id(rng)
    canaries = [c for c in plant.plant(word, rng, hard=arguments.hard) if not _left_out(c.name, arguments.without)]  # fmt: skip
    if not canaries:
        raise UsageError("no canary is left")
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="agenttrail-canary-") as folder:
        answer = os.path.join(folder, "out")
        destination = _destination(arguments, word, now, answer)
        _send(arguments, canaries, now, answer)
        results = watch(
            destination, canaries, wait_s=arguments.wait_s, settle_s=arguments.settle_s,
            ended=arguments.jsonl == "-",
        )  # fmt: skip
    return report(word, results, as_json=arguments.json)


def watch(
    destination: Destination, canaries: Sequence[Canary], *, wait_s: float, settle_s: float, ended: bool = False
) -> list[Result]:  # fmt: skip
    """Reads the destination until all canaries are there and it has settled, or the time is up.

    Args:
        destination: what is read.
        canaries: what is looked for.
        wait_s: longest time.
        settle_s: how long to look on when all have arrived: an unmasked copy may come later.
        ended: nothing more will come.

    Raises:
        Unreachable: the destination could not be read at the end.
    """
    from agenttrail.canary.judge import judge

    end = time.monotonic() + wait_s
    settled: float | None = None
    records: dict[tuple[str, str], Arrived] = {}
    while True:
        away: Unreachable | None = None
        try:
            for number, record in enumerate(destination.read()):
                key = str(number) if ended else _digest(record.value)
                records[(record.place, key)] = record
        except Unreachable as error:
            away = error  # an index that is only just being made, say
        results = judge(canaries, records.values())
        moment = time.monotonic()
        if settled is None and all(result.verdict != "lost" for result in results):
            settled = moment + settle_s
        if ended or moment >= end or (settled is not None and moment >= settled):
            if away is not None:
                raise away
            return results
        time.sleep(_POLL_S)


def _digest(value: Any) -> str:
    import hashlib

    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def report(word: str, results: Sequence[Result], *, as_json: bool) -> int:
    """Prints a line a canary and gives the exit code."""
    counts = {v: sum(r.verdict == v for r in results) for v in ("masked", "leaked", "lost")}
    code = 1 if counts["leaked"] else LOST if counts["lost"] else 0
    if as_json:
        listed = [
            {"canary": r.canary.name, "mark": r.canary.mark, "verdict": r.verdict, "places": r.places[:10]}
            for r in results
        ]  # fmt: skip
        sys.stdout.write(json.dumps({"ok": code == 0, "run": word, **counts, "canaries": listed}) + "\n")  # fmt: skip
        return code
    for result in sorted(results, key=lambda r: ("leaked", "lost", "masked").index(r.verdict)):
        places = ", ".join(dict.fromkeys(result.places[:3])) if result.verdict == "leaked" else ""
        mark = result.canary.mark if result.verdict != "masked" else ""
        sys.stdout.write(f"{result.verdict:6} {result.canary.name:20} {mark} {places}".rstrip() + "\n")  # fmt: skip
    sys.stderr.write(
        f"run {word}: {counts['masked']} masked, {counts['leaked']} leaked, {counts['lost']} lost\n"
    )
    return code


def _check(arguments: argparse.Namespace) -> None:
    for names in (("append", "otlp", "syslog", "exec"), ("jsonl", "otlp_file", "elasticsearch")):
        given = [n for n in names if getattr(arguments, n) is not None]
        if len(given) != 1:
            wanted = ", ".join(f"--{n.replace('_', '-')}" for n in names)
            raise UsageError(f"one of {wanted} is needed" if not given else f"only one of {wanted}")
    if arguments.jsonl == "-" and arguments.exec is None:
        raise UsageError("--jsonl - is the output of --exec")
    needs = {"signal": "otlp", "index": "elasticsearch", "user": "elasticsearch", "ca_file": "elasticsearch"}  # fmt: skip
    for name, other in needs.items():
        if getattr(arguments, name) is not None and getattr(arguments, other) is None:
            raise UsageError(f"--{name.replace('_', '-')} has no effect without --{other}")
    if arguments.format is not None and arguments.otlp is not None:
        raise UsageError("--format has no effect with --otlp")
    if arguments.header and arguments.otlp is None:
        raise UsageError("--header has no effect without --otlp")
    if arguments.wait_s <= 0 or arguments.settle_s < 0:
        raise UsageError("--wait-s must be positive, --settle-s not negative")


def _left_out(name: str, without: Sequence[str]) -> bool:
    return name in without or name.split(".")[0] in without


def _destination(
    arguments: argparse.Namespace, word: str, now: datetime, answer: str
) -> Destination:
    from agenttrail.canary.find import ElasticsearchDestination, FileDestination
    from agenttrail.canary.send import check_url

    if arguments.elasticsearch is not None:
        check_url("--elasticsearch", arguments.elasticsearch)
        return ElasticsearchDestination(
            arguments.elasticsearch, arguments.index or "logs-*", word, now.isoformat(),
            user=arguments.user or "", password=os.environ.get("AGENTTRAIL_CANARY_PASSWORD", ""),
            api_key=os.environ.get("AGENTTRAIL_CANARY_API_KEY", ""), ca_file=arguments.ca_file,
        )  # fmt: skip
    if arguments.otlp_file is not None:
        return FileDestination(arguments.otlp_file, otlp=True)
    if arguments.jsonl == "-":
        return FileDestination(answer, name="stdout")
    return FileDestination(arguments.jsonl)


def _send(arguments: argparse.Namespace, canaries: Sequence[Canary], now: datetime, answer: str) -> None:  # fmt: skip
    from agenttrail.canary import send, shapes

    if arguments.otlp is not None:
        signals = ("logs", "traces") if arguments.signal in (None, "both") else (arguments.signal,)
        send.otlp(arguments.otlp, canaries, now, signals, send.headers_of(arguments.header))
        return
    shape = shapes.FORMATS[arguments.format or "jsonl"]
    made = [(line, canary.mark) for canary in canaries for line in shape(canary, now)]
    lines = [line for line, _ in made]
    if arguments.append is not None:
        send.append(arguments.append, lines)
    elif arguments.syslog is not None:
        send.syslog(arguments.syslog, lines, [mark for _, mark in made], now)
    elif arguments.jsonl == "-":
        with open(answer, "wb") as out:
            send.command(arguments.exec, lines, out)
    else:
        send.command(arguments.exec, lines, 2)  # what it says goes where our own messages go
