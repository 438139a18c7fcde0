"""What a hop in the Collector's way costs, beside the same Collector without, and with `redaction`.

    python benchmarks/hop.py [--mb 0.4] [--rounds 2] [--batch 20] [--only NAME…] [--json]

Four ways for the same log records, in one run and in turns, each from a client by OTLP/gRPC through
the real Collector to a second one that writes them down; no queue on the way, so a request is
answered when its records are there:

    alone       Collector
    redaction   Collector with its `redaction` processor and ten ordinary rules
    fast        Collector, `agenttrail hop --profile fast`, Collector
    balanced    the same with names

Throughput and CPU by four clients at a time: CPU seconds (user and system) of the Collector and the
hop with its processes together, of the destination none; the least of the rounds. Latency of single requests of
`--batch` records, one after the other: p50 and p99 over all rounds; `asked` says how many. Every round sends other records,
so that nothing is known already. Read the ratios; seconds are this machine's. Linux only (/proc).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from agenttrail import jsontext
from agenttrail.sinks._otlp_message import any_value
from benchmarks import _corpus
from benchmarks.mask import TEN
from tests.engines import otelcol
from tests.engines._process import free_ports, listening

EXPORT = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
CLIENTS = 4
WAYS = ("alone", "redaction", "fast", "balanced")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--mb", type=float, default=0.4, help="millions of bytes a round and way")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batch", type=int, default=20, help="records in a request")
    parser.add_argument("--singles", type=int, default=60, help="most single requests a round, for latency")  # fmt: skip
    parser.add_argument("--latency-s", type=float, default=5.0, help="most seconds a round and way for them")  # fmt: skip
    parser.add_argument("--only", nargs="*", choices=WAYS, help="these ways only")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    ways = [way for way in WAYS if not arguments.only or way in arguments.only]
    with contextlib.ExitStack() as stack:
        back = stack.enter_context(otelcol.start(large_to_file))
        running = {way: stack.enter_context(started(way, back)) for way in ways}
        rows = measure(running, arguments)
    if arguments.json:
        machine = {"cpu": platform.processor() or platform.machine(), "cpus": os.cpu_count(), "python": platform.python_version()}  # fmt: skip
        print(json.dumps({"machine": machine, "rows": rows}))
        return 0
    print(f"{'way':<10} {'records/s':>10} {'MB/s':>7} {'CPU s/MB':>9} {'× alone':>8} {'p50 ms':>8} {'p99 ms':>8} {'asked':>6} {'masked':>8}")  # fmt: skip
    for row in rows:
        print(
            f"{row['way']:<10} {row['records_s']:>10,.0f} {row['mb_s']:>7.2f} {row['cpu_s_per_mb']:>9.3f} "
            f"{row.get('cpu_times_alone', 1):>8} {row['p50_ms']:>8.1f} {row['p99_ms']:>8.1f} {row['asked']:>6} {row['masked']:>8,}"
        )
    return 0


def measure(running: Mapping[str, Way], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    singles, wanted = arguments.singles, arguments.mb * 1e6
    stream = packed(arguments.batch)
    rounds: list[list[tuple[bytes, int]]] = []
    for _ in range(arguments.rounds + 1):  # the last one is for warming up
        part = [next(stream) for _ in range(singles + CLIENTS)]
        while sum(len(body) for body, _ in part[singles:]) < wanted:
            part.append(next(stream))
        rounds.append(part)
    warm = rounds.pop()[:CLIENTS]
    found: dict[str, dict[str, Any]] = {
        way: {"cpu": [], "wall": [], "latency": [], "bytes": 0, "items": 0} for way in running
    }
    for each in running.values():
        each.connect(warm[0][0])
        each.send(warm)  # connections, models, caches of code
    for number, part in enumerate(rounds):
        order = list(running)
        for way in order[number % len(order) :] + order[: number % len(order)]:
            kept = found[way]
            each = running[way]
            alone, together = part[:singles], part[singles:]
            # A slow way is asked fewer times, but at least as often as there are clients.
            begun = time.perf_counter()
            for asked, (body, _) in enumerate(alone):
                if asked >= CLIENTS and time.perf_counter() - begun > arguments.latency_s:
                    break
                kept["latency"].append(each.one(body))
            before, started_at = each.cpu_s(), time.perf_counter()
            each.send(together)
            kept["wall"].append(time.perf_counter() - started_at)
            kept["cpu"].append(each.cpu_s() - before)
            kept["bytes"] = sum(len(body) for body, _ in together)
            kept["items"] = sum(items for _, items in together)
    rows = []
    for way, kept in found.items():
        mb, wall = kept["bytes"] / 1e6, min(kept["wall"])
        latency = sorted(kept["latency"])
        rows.append(
            {
                "way": way, "records_s": round(kept["items"] / wall, 1), "mb_s": round(mb / wall, 3),
                "cpu_s_per_mb": round(min(kept["cpu"]) / mb, 4),
                "p50_ms": round(1000 * latency[len(latency) // 2], 2),
                "p99_ms": round(1000 * latency[int(len(latency) * 0.99)], 2),
                "asked": len(latency), "records": kept["items"], "mb": round(mb, 3), "masked": running[way].masked(),
            }
        )  # fmt: skip
    if "alone" in running:
        base = rows[0]["cpu_s_per_mb"]
        for row in rows:
            row["cpu_times_alone"] = round(row["cpu_s_per_mb"] / base, 1)
    return rows


def packed(batch: int) -> Iterator[tuple[bytes, int]]:
    """Requests of so many records, whose bodies are messages as objects; no two are equal."""
    records: list[Any] = []
    for number, line in enumerate(_corpus.lines(10**9)):
        records.append(any_value(jsontext.loads(json.loads(line)["raw"])))
        if len(records) == batch:
            request = ExportLogsServiceRequest()
            group = request.resource_logs.add()
            group.resource.attributes.add(key="service.name").value.string_value = "desk"
            scope = group.scope_logs.add()
            for place, body in enumerate(records, number):
                scope.log_records.add(time_unix_nano=place, body=body)
            yield request.SerializeToString(), batch
            records = []


class Way:
    """One chain that runs."""

    def __init__(self, name: str, front: otelcol.Collector, hop: subprocess.Popen[bytes] | None, health: int) -> None:  # fmt: skip
        self.name, self.front, self.hop, self.health = name, front, hop, health
        options = [("grpc.max_send_message_length", -1)]
        self.channel = grpc.insecure_channel(front.address("grpc"), options=options)
        self.export = self.channel.unary_unary(EXPORT)

    def connect(self, body: bytes) -> None:
        """Waits until the Collector has found the hop."""
        for _ in range(60):
            try:
                self.export(body, timeout=120)
            except grpc.RpcError:
                time.sleep(0.5)
            else:
                return
        raise SystemExit(f"{self.name}: the Collector does not reach the hop")

    def one(self, body: bytes) -> float:
        """Seconds until the records are at their destination."""
        started_at = time.perf_counter()
        self.export(body, timeout=120)
        return time.perf_counter() - started_at

    def send(self, requests: list[tuple[bytes, int]]) -> None:
        """All of them, by several clients at a time."""
        left = iter(requests)
        lock, errors = threading.Lock(), []

        def client() -> None:
            while True:
                with lock:
                    each = next(left, None)
                if each is None:
                    return
                try:
                    self.export(each[0], timeout=120)
                except grpc.RpcError as error:
                    errors.append(error)
                    return

        threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise SystemExit(f"{self.name}: {errors[0].code()}: {errors[0].details()}")

    def cpu_s(self) -> float:
        pids = [self.front.process._process.pid]  # type: ignore[union-attr]
        if self.hop is not None:
            pids += [self.hop.pid, *self.report()["mask_pids"]]
        return sum(map(seconds_of, pids))

    def masked(self) -> int:
        """Findings that were replaced, as the hop counts them."""
        return 0 if self.hop is None else sum(self.report()["masked"].values())

    def report(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health}/healthz") as answer:
            found: dict[str, Any] = json.load(answer)
        return found


def seconds_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def large_to_file(ports: Mapping[str, int], folder: Path) -> dict[str, Any]:
    return otelcol.otlp_to_file(ports, folder, grpc={"max_recv_msg_size_mib": 64})


@contextlib.contextmanager
def started(way: str, back: otelcol.Collector) -> Iterator[Way]:
    """The chain of one way, without queues."""
    hop_grpc, hop_http, health = free_ports(3)
    has_hop = way in ("fast", "balanced")

    def to(address: str) -> dict[str, Any]:
        return {
            "endpoint": address, "tls": {"insecure": True}, "timeout": "120s",
            "sending_queue": {"enabled": False}, "retry_on_failure": {"enabled": False},
        }  # fmt: skip

    def settings(ports: Mapping[str, int], _: Path) -> dict[str, Any]:
        def listen(port: str) -> dict[str, Any]:
            return {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{ports[port]}", "max_recv_msg_size_mib": 64}}}  # fmt: skip

        made: dict[str, Any] = {
            "receivers": {"otlp": listen("grpc"), "otlp/agenttrail": listen("back")},
            "processors": {"redaction": {"allow_all_keys": True, "blocked_values": TEN}},
            "exporters": {"otlp/agenttrail": to(f"127.0.0.1:{hop_grpc}"), "otlp": to(back.address("grpc"))},
            "service": {"telemetry": {"metrics": {"level": "none"}}},
        }  # fmt: skip
        first = {"receivers": ["otlp"], "exporters": ["otlp/agenttrail" if has_hop else "otlp"]}
        if way == "redaction":
            first["processors"] = ["redaction"]
        second = {"receivers": ["otlp/agenttrail"], "exporters": ["otlp"]}
        made["service"]["pipelines"] = {"logs": first, "logs/masked": second}
        return made

    with otelcol.start(settings, ("grpc", "back")) as front, contextlib.ExitStack() as stack:
        hop = None
        if has_hop:
            hop = subprocess.Popen(
                [sys.executable, "-m", "agenttrail", "hop", "-q", "--to", f"http://{front.address('back')}",
                 "--grpc", f"127.0.0.1:{hop_grpc}", "--http", f"127.0.0.1:{hop_http}",
                 "--health", f"127.0.0.1:{health}", "--profile", way],
            )  # fmt: skip
            stack.callback(hop.wait)
            stack.callback(hop.terminate)
            while not listening(hop_http):
                if hop.poll() is not None:
                    raise SystemExit("the hop did not start")
                time.sleep(0.05)
        made = Way(way, front, hop, health)
        stack.callback(made.channel.close)
        yield made


if __name__ == "__main__":
    raise SystemExit(main())
