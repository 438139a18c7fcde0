"""What masking costs: stock Presidio and ours on the same records, and the Collector's `redaction`.

    python benchmarks/mask.py [--mb 8] [--records 120] [--repeat 3] [--only NAME…] [--json]

CPU seconds (user and system) of the process that works, ours and theirs in turns, the least of
several: read the ratios, seconds are this machine's. MB are millions of bytes of input. How right
the findings are is another table: `python benchmarks/accuracy.py`. Needs Linux (/proc) and, for the
rows with the Collector, Go; less than ten minutes on two idle cores.

Two captures: "dense", made up, a quarter of whose strings hold personal data; "recorded", the traffic
of `collectors/mcp_stdio/demo` again and again with other numbers, of which few do.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("OMP_NUM_THREADS", "1")

from agenttrail.cli._collector import uncollected
from agenttrail.formats.mcp_wire import McpWireOptions
from agenttrail.masks._analyse import Analyzer
from agenttrail.masks._fast import FastRecognisers
from agenttrail.masks._markers import Markers
from agenttrail.masks._reader import Reader
from agenttrail.masks._relax import NotRelaxableError
from agenttrail.masks.presidio import PresidioMask, PresidioOptions
from agenttrail.seams import Event, Record
from benchmarks import _corpus
from tests.masks._differential import stock_answer, stock_engine

DEMO = Path(__file__).parents[1] / "collectors/mcp_stdio/demo"
AGENTS = Path(__file__).parents[2] / "shared/data/agents"
# What a careful user of the `redaction` processor writes down; none of them knows a check digit.
TEN = [
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}", r"\b(?:\d[ -]?){13,16}\b", r"\b\d{3}-\d{2}-\d{4}\b",
    r"\b(?:\d{1,3}\.){3}\d{1,3}\b", r"\+?\d{1,3}?[ .-]?\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}", r"\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}\b",
    r"\b(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}\b", r"\b[1-8]\d{12}\b", r"\bAKIA[0-9A-Z]{16}\b",
    r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\b",
]  # fmt: skip
Row = dict[str, object]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=float, default=8.0, help="size of the capture")
    parser.add_argument("--records", type=int, default=120, help="records for stock Presidio")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=sorted(PARTS), help="these rows only")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        capture = Path(folder) / "capture.jsonl"
        with capture.open("wb") as file:
            file.writelines(line + b"\n" for line in _corpus.lines(int(arguments.mb * 1e6)))
        rows: list[Row] = []
        for name, part in PARTS.items():
            if arguments.only and name not in arguments.only:
                continue
            for row in part(capture, arguments):
                rows.append(row)
                if not arguments.json:
                    print("  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
    if arguments.json:
        machine = {"cpu": platform.processor() or platform.machine(), "python": platform.python_version()}  # fmt: skip
        print(json.dumps({"machine": machine, "rows": rows}))
    return 0


def patterns(capture: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """Stock Presidio with patterns only, every string, against ours without and with memory."""
    texts = [text for event in events(capture, arguments.records) for text in strings(event)]
    stock = stock_engine(model=False)
    recognisers = stock.registry.get_recognizers("en", all_fields=True)
    stock.analyze("a@example.com 212-555-0100", "en")

    def cold() -> dict[str, Any]:
        # The prefilter is compiled once and kept on disk; what is remembered of phones is not.
        fast = Analyzer(stock, "en", threshold=None, recognisers=FastRecognisers(recognisers))
        unique = list(dict.fromkeys(texts))
        started = cpu()
        known = dict(zip(unique, fast.patterns(unique), strict=True))
        answers = [known[text] for text in texts]
        return {"s": cpu() - started, "known": known, "answers": answers}

    best = {"stock": 1e9, "cold": 1e9, "warm": 1e9}
    different = 0
    for _ in range(arguments.repeat):
        started = cpu()
        expected = [stock_answer(stock, text) for text in texts]
        best["stock"] = min(best["stock"], cpu() - started)
        run = cold()
        best["cold"] = min(best["cold"], run["s"])
        different = sum(
            [(x.entity, x.start, x.end, x.score, x.recogniser) for x in found] != answer
            for found, answer in zip(run["answers"], expected, strict=True)
        )
        reader = Reader(
            Known(run["known"]), Markers(("PERSON",), lambda *_: False), 10**9, as_is=True
        )
        [reader.ask(text, "prose") for text in texts]
        reader.learn()
        started = cpu()
        for _ in range(10):
            [reader.ask(text, "prose") for text in texts]
        best["warm"] = min(best["warm"], (cpu() - started) / 10)
    yield row("stock, patterns only, cold", best["stock"] / best["cold"], "x", 15, strings=len(texts), different=different, us_stock=us(best["stock"], texts), us_ours=us(best["cold"], texts))  # fmt: skip
    yield row("stock, patterns only, repeated strings", best["stock"] / best["warm"], "x", 500)


class Known:
    """A detector that has its answers."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known = known

    def prose(self, texts: Sequence[str]) -> Iterator[Any]:
        return map(self._known.__getitem__, texts)

    patterns = prose


def model(capture: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """The same with the small English model, per string."""
    texts = [text for event in events(capture, max(1, arguments.records // 4)) for text in strings(event)]  # fmt: skip
    stock = stock_engine(model=True)
    recognisers = stock.registry.get_recognizers("en", all_fields=True)
    best = {"stock": 1e9, "ours": 1e9}
    different = 0
    for _ in range(arguments.repeat):
        started = cpu()
        expected = [stock_answer(stock, text) for text in texts]
        best["stock"] = min(best["stock"], cpu() - started)
        fast = Analyzer(stock, "en", threshold=None, recognisers=FastRecognisers(recognisers))
        list(fast.prose(["John"]))
        started = cpu()
        unique = list(dict.fromkeys(texts))
        known = dict(zip(unique, fast.prose(unique), strict=True))
        answers = [known[text] for text in texts]
        best["ours"] = min(best["ours"], cpu() - started)
        different = sum(
            [(x.entity, x.start, x.end, x.score, x.recogniser) for x in found] != answer
            for found, answer in zip(answers, expected, strict=True)
        )
    yield row("stock with the model, per string", best["stock"] / best["ours"], "x", 6, strings=len(texts), different=different, us_stock=us(best["stock"], texts), us_ours=us(best["ours"], texts))  # fmt: skip


def masks(capture: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """Events masked, cold and again, in the profiles fast and balanced."""
    made = list(events(capture, None))
    size = capture.stat().st_size / 1e6
    for profile, share in (("fast", 1.0), ("balanced", 0.25)):
        some = made[: int(len(made) * share)]
        best = {"cold": 1e9, "warm": 1e9}
        for _ in range(arguments.repeat if profile == "fast" else 1):
            with uncollected():  # as every run does
                mask = PresidioOptions(profile=profile).build()  # type: ignore[arg-type]
            mask(some[:1])
            for how in best:
                started = cpu()
                for at in range(0, len(some), 100):
                    mask(some[at : at + 100])
                best[how] = min(best[how], cpu() - started)
        yield row(f"dense: {profile}, mask alone, cold", size * share / best["cold"], "MB/s")
        yield row(f"dense: {profile}, mask alone, every string seen", size * share / best["warm"], "MB/s")  # fmt: skip


def files(capture: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """File to masked JSON Lines in `fast`, start-up apart, and the Collector on the same file."""
    one = capture.with_name("one.jsonl")
    one.write_bytes(capture.read_bytes().split(b"\n", 1)[0] + b"\n")
    start = {p: min(run_seconds(one, p) for _ in range(arguments.repeat)) for p in ("fast", "balanced")}  # fmt: skip
    yield row("start of `agenttrail run --profile fast`, one line", start["fast"], "s", 1)
    yield row("start of `agenttrail run --profile balanced`, one line", start["balanced"], "s")
    recorded = capture.with_name("recorded.jsonl")
    with recorded.open("wb") as file:
        file.writelines(line + b"\n" for line in _corpus.recorded(DEMO, capture.stat().st_size))
    for name, path in (("dense", capture), ("recorded", recorded)):
        yield from _beside_the_collector(name, path, start["fast"], arguments)


def _beside_the_collector(
    name: str, capture: Path, start: float, arguments: argparse.Namespace
) -> Iterator[Row]:
    size = capture.stat().st_size / 1e6
    made = list(events(capture, None))
    best: dict[str, float] = {}

    def note(what: str, seconds: float) -> None:
        best[what] = min(best.get(what, 1e9), seconds)

    for _ in range(arguments.repeat):
        with uncollected():  # as every run does
            mask = PresidioOptions(profile="fast").build()
        mask(made[:1])
        started = cpu()
        for at in range(0, len(made), 100):
            mask(made[at : at + 100])
        note("mask", cpu() - started)
        note("ours", run_seconds(capture, "fast") - start)
        note("parse", collector_seconds(capture, []))
        note("ten", collector_seconds(capture, TEN))
    many = as_many_patterns()
    note("many", collector_seconds(capture, many))
    texts = [text for event in made for text in strings(event)]
    yield row(f"{name}: fast, file to file", size / best["ours"], "MB/s", repeated_strings=round(1 - len(set(texts)) / len(texts), 2))  # fmt: skip
    yield row(f"{name}: Collector, parse only, file to file", size / best["parse"], "MB/s")
    yield row(f"{name}: Collector, ten regexes, file to file", size / best["ten"], "MB/s")
    yield row(f"{name}: fast against the Collector, file to file", best["ten"] / best["ours"], "x", 1)  # fmt: skip
    redaction = best["ten"] - best["parse"]
    yield row(f"{name}: fast, mask alone, cold", size / best["mask"], "MB/s")
    yield row(f"{name}: Collector, redaction alone", size / redaction, "MB/s")
    yield row(f"{name}: fast against redaction, mask alone, cold", redaction / best["mask"], "x", 1.5)  # fmt: skip
    # Not a goal: what the same number of patterns costs there, without a checksum and without a name.
    redaction = best["many"] - best["parse"]
    yield row(f"{name}: Collector, redaction alone with the patterns of fast", size / redaction, "MB/s", patterns=len(many))  # fmt: skip
    yield row(f"{name}: fast against it, mask alone, cold", redaction / best["mask"], "x")


def sessions(_: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """Real sessions of coding agents, with names and without."""
    if not AGENTS.exists():
        yield {"what": "real sessions", "skipped": "../shared/data/agents is absent"}
        return
    logs = sorted(AGENTS.rglob("*.jsonl"))
    size = sum(log.stat().st_size for log in logs) / 1e6
    seconds = {p: min(run_seconds(AGENTS, p) for _ in range(max(1, arguments.repeat - 1))) for p in ("fast", "balanced")}  # fmt: skip
    yield row("balanced on real sessions, file to file", size / seconds["balanced"], "MB/s")
    yield row("fast on real sessions, file to file", size / seconds["fast"], "MB/s")
    yield row("share of the model in it", 100 * (1 - seconds["fast"] / seconds["balanced"]), "%")


def workers(capture: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """Two processes against one, by the clock, in the profile balanced; what the second one costs."""
    some = list(events(capture, 10 * arguments.records))
    best: dict[int, float] = {}
    private: list[float] = []
    for count in (1, 2):
        mask = PresidioOptions(workers=count, cache_chars=0).build()
        mask(some[:8])
        started = time.perf_counter()
        for at in range(0, len(some), 200):
            mask(some[at : at + 200])
        best[count] = time.perf_counter() - started
        if not isinstance(mask, PresidioMask):
            private = [private_mb(pid) for pid in mask.pids()]
            mask.close()
    yield row("2 workers against 1", best[1] / best[2], "x", 1.8, clock_s=round(best[1], 1))
    yield row("private memory of a worker", max(private), "MB", 60, workers=len(private))


def memory(capture: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """The most memory that a run over one line of 50 MB takes, as it is and with it read whole."""
    del arguments
    line = capture.with_name("line.jsonl")
    rows = [json.loads(json.loads(data)["raw"]) for data in _corpus.lines(56_000_000)]
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "db.query"}}
    response = {"jsonrpc": "2.0", "id": 1, "result": {"structuredContent": {"items": rows}}}
    with line.open("wb") as file:
        for way, message in (("c2s", request), ("s2c", response)):
            raw = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
            file.write(json.dumps({"server": "db", "dir": way, "raw": raw}, ensure_ascii=False).encode() + b"\n")  # fmt: skip
    del rows, response, raw
    size = line.stat().st_size / 1e6
    assert size >= 50
    peak = peak_mb("-i", str(line), "--profile", "fast")
    yield row("peak memory, a line of 50 MB of which the head is read", peak, "MB", 600, line_mb=round(size))  # fmt: skip
    pipeline = capture.with_name("pipeline.yaml")
    pipeline.write_text(
        json.dumps(
            {
                "sources": [{"type": "file", "paths": [str(line)], "max_line_bytes": 100_000_000}],
                "format": {"type": "mcp_wire"},
                "mask": {"type": "presidio", "profile": "fast"},
                "sinks": [{"type": "jsonl", "path": str(capture.with_name("out.jsonl"))}],
            }
        )
    )
    peak = peak_mb("-c", str(pipeline))
    yield row("peak memory, a line of 50 MB read whole", peak, "MB", 600, line_mb=round(size))  # fmt: skip


PARTS: Mapping[str, Callable[[Path, argparse.Namespace], Iterator[Row]]] = {
    "patterns": patterns,
    "model": model,
    "masks": masks,
    "files": files,
    "sessions": sessions,
    "workers": workers,
    "memory": memory,
}


def row(what: str, value: float, unit: str, goal: float | None = None, **more: object) -> Row:
    shown: Row = {"what": what, "value": round(value, 2), "unit": unit}
    return {**shown, **({"goal": goal} if goal is not None else {}), **more}


def us(seconds: float, texts: Sequence[str]) -> int:
    return round(seconds / len(texts) * 1e6)


def cpu() -> float:
    return time.process_time()


def events(capture: Path, most: int | None) -> Iterator[Event]:
    """Events of the capture's first lines, as the format makes them."""
    read = McpWireOptions().build()
    at = 0
    for number, data in enumerate(capture.read_bytes().splitlines(), 1):
        if most is not None and number > most:
            return
        record = Record(
            data=data, source="file", path="capture.jsonl", stream="s", incarnation="s", line=number,
            offset=at, end=at + len(data) + 1, digest=number.to_bytes(16, "big"), full_bytes=len(data),
            time="2026-01-01T00:00:00Z",
        )  # fmt: skip
        at = record.end
        yield from read(record)


def strings(value: Any) -> Iterator[str]:
    """Every string in an event's fields, or in a value of them."""
    if isinstance(value, Event):
        value = value.fields
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings(item)


def run_seconds(source: Path, profile: str) -> float:
    """CPU seconds of a whole `agenttrail run` into a file."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.jsonl"
        usage = run_usage("--profile", profile, "-i", str(source), "-o", str(out))
        assert out.stat().st_size > 0
    return usage.ru_utime + usage.ru_stime


def run_usage(*arguments: str) -> resource.struct_rusage:
    """What a whole `agenttrail run` used, by the system's account."""
    command = [sys.executable, "-m", "agenttrail", "run", "-q", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    # Sessions have lines that no format reads: 1 is told of them. Anything else is no run.
    assert process.returncode in (0, 1), command
    return usage


def peak_mb(*arguments: str) -> float:
    """The most memory that a whole `agenttrail run` held (Linux).

    Not the system's account of it: there a process begins with the peak of the one that started it.
    """
    command = [sys.executable, "-m", "agenttrail", "run", "-q", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    status, peak = Path(f"/proc/{process.pid}/status"), 0.0
    while process.poll() is None:
        with contextlib.suppress(OSError):
            for text in status.read_text().splitlines():
                if text.startswith("VmHWM:"):
                    peak = max(peak, int(text.split()[1]) / 1024)
        time.sleep(0.02)
    assert process.returncode == 0, command
    return peak


def private_mb(pid: int) -> float:
    """Memory that a process shares with no other (Linux)."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_")) / 1024  # fmt: skip


def collector_seconds(capture: Path, regexes: Sequence[str]) -> float:
    """CPU seconds of a Collector that reads the file, parses JSON, redacts and writes a file.

    Its start is not counted: the file comes when it is ready.
    """
    from tests.engines import otelcol

    def settings(_ports: Mapping[str, int], folder: Path) -> dict[str, Any]:
        processors: dict[str, Any] = {}
        if regexes:
            processors["redaction"] = {"allow_all_keys": True, "blocked_values": list(regexes)}
        operators = [
            {"type": "json_parser", "parse_from": "body", "parse_to": "attributes"},
            {"type": "json_parser", "parse_from": "attributes.raw", "parse_to": "body"},
            {"type": "remove", "field": "attributes.raw"},
        ]
        pipeline = {"receivers": ["filelog"], "processors": list(processors), "exporters": ["file"]}
        return {
            "receivers": {"filelog": {"include": [str(folder / "in" / "*.jsonl")], "start_at": "beginning", "poll_interval": "100ms", "max_log_size": "16MiB", "operators": operators}},
            "processors": processors,
            "exporters": {"file": {"path": str(folder / "out.jsonl"), "flush_interval": "50ms"}},
            "service": {"telemetry": {"metrics": {"level": "none"}}, "pipelines": {"logs": pipeline}},
        }  # fmt: skip

    lines = capture.read_bytes().count(b"\n")
    with otelcol.start(settings, ports=()) as collector:
        (collector.folder / "in").mkdir()
        pid = collector_pid(collector)
        before = process_seconds(pid)
        part = collector.folder / "in" / "part"
        part.write_bytes(capture.read_bytes())
        part.rename(collector.folder / "in" / "capture.jsonl")
        out = collector.folder / "out.jsonl"

        def done() -> bool:
            if not out.exists():
                return False
            return out.read_bytes().count(b'"timeUnixNano"') + out.read_bytes().count(b'"observedTimeUnixNano"') >= lines  # fmt: skip

        with contextlib.suppress(AssertionError):
            collector.wait_for(done, wait_s=120)
        return process_seconds(pid) - before


def as_many_patterns() -> list[str]:
    """The patterns of the profile fast, relaxed as the prefilter has them, that RE2 takes."""
    import re2

    mask = PresidioOptions(profile="fast").one()
    detector: Any = mask._detector
    found = []
    for source in [*detector._analyzer._fast.prefilter.sources, *mask._reader._rules.sources]:
        with contextlib.suppress(re2.error, NotRelaxableError):
            pattern = "(?s)" + source.relaxed(ascii_only=True)
            options = re2.Options()
            options.log_errors = False
            re2.compile(pattern, options)
            found.append(pattern)
    return list(dict.fromkeys(found))


def collector_pid(collector: Any) -> int:
    process = collector.process
    for name in ("pid", "_process", "_popen", "popen"):
        value = getattr(process, name, None)
        if isinstance(value, int):
            return value
        if value is not None and hasattr(value, "pid"):
            return int(value.pid)
    raise AttributeError("the Collector's process id")


def process_seconds(pid: int) -> float:
    """User and system time of a running process (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
