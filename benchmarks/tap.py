"""How much `agenttrail tap` adds to the round trip of one message, against the server without it.

    python benchmarks/tap.py [--pings 2000] [--json]

`ping` is a message that no policy speaks of, `call` a tool call that the policy of docs/examples lets
pass: with `--enforce` it is parsed and judged, its kill switch and policy looked at for changes.

The server answers each line with the same line, so that nothing but the way is measured. Both
servers run at the same time and are asked in turns, so that what disturbs the machine disturbs both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from agenttrail.governance.kill_switch import KillSwitch

SERVER = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.buffer.flush()"
SIZES = {"small": 200, "large": 50_000}
HEADS = {
    "ping": b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"',
    "call": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay_claim","arguments":{"amount":50,"currency":"JPY","note":"',
}
TAILS = {"ping": b'"}}\n', "call": b'"}}}\n'}
EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
WARM_UP = 100


def start(*before: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*before, sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
    )  # fmt: skip


def ping(process: subprocess.Popen[bytes], line: bytes) -> float:
    """Microseconds until the line is back."""
    stdin, stdout = process.stdin, process.stdout
    assert stdin
    assert stdout
    started = time.perf_counter_ns()
    write_all(stdin, line)
    left = len(line)
    while left:
        left -= len(stdout.read(left) or b"")
    return (time.perf_counter_ns() - started) / 1000


def write_all(file: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def measure(pings: int, folder: Path, *, pause_s: float) -> list[dict[str, object]]:
    tap = (sys.executable, "-m", "agenttrail", "tap")
    KillSwitch(str(folder / "kill.json")).create()
    ways = {
        "direct": start(),
        "tap --raw": start(*tap, "--raw", str(folder / "wire.jsonl"), "--"),
        "tap --output": start(*tap, "--output", str(folder / "out.jsonl"), "--"),
        "tap --enforce": start(
            *tap, "--output", str(folder / "enforced.jsonl"), "--server", "expenses", "--agent", "expense",
            "--enforce", "--policy", str(EXAMPLES / "policy.yaml"), "--registry", str(EXAMPLES / "agents.yaml"),
            "--kill-switch", str(folder / "kill.json"), "--",
        ),
    }  # fmt: skip
    names = list(ways)
    rows: list[dict[str, object]] = []
    for message, kind, size in ((f"{s} {k}", k, n) for s, n in SIZES.items() for k in HEADS):
        head, tail = HEADS[kind], TAILS[kind]
        line = head + b"a" * max(0, size - len(head) - len(tail)) + tail
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(WARM_UP + pings):
            # Who comes first after a pause finds cold caches: each in its turn.
            for way in names[number % len(names) :] + names[: number % len(names)]:
                taken[way].append(ping(ways[way], line))
            # Clients pause between messages; a stream without a pause measures throughput.
            time.sleep(pause_s if number > WARM_UP else 0)
        for way, values in taken.items():
            values = values[WARM_UP:]
            direct = taken["direct"][WARM_UP:]
            rows.append(
                {
                    "message": message, "bytes": size, "way": way, "pings": pings,
                    **{
                        f"{label}_us": round(percentile(values, part), 1)
                        for label, part in (("p50", 0.5), ("p99", 0.99))
                    },
                    **{
                        f"added_{label}_us": round(percentile(values, part) - percentile(direct, part), 1)
                        for label, part in (("p50", 0.5), ("p99", 0.99))
                    },
                }
            )  # fmt: skip
    for process in ways.values():
        assert process.stdin
        process.stdin.close()
        process.wait()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Round-trip latency that tap adds.")
    parser.add_argument("--pings", type=int, default=2000)
    parser.add_argument("--pause-ms", type=float, default=2.0, help="between two pings")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(arguments.pings, Path(folder), pause_s=arguments.pause_ms / 1000)
    if arguments.json:
        machine = {
            "python": platform.python_version(),
            "system": platform.system(),
            "cpus": os.cpu_count(),
        }
        print(json.dumps({"machine": machine, "rows": rows}))
        return
    print(
        f"{'message':<11} {'way':<14} {'p50':>9} {'p99':>9} {'added p50':>10} {'added p99':>10}  (µs)"
    )
    for row in rows:
        print(
            f"{row['message']:<11} {row['way']:<14} {row['p50_us']:>9} {row['p99_us']:>9} "
            f"{row['added_p50_us']:>10} {row['added_p99_us']:>10}"
        )


if __name__ == "__main__":
    main()
