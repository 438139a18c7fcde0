"""A report over many events: time and memory as they grow, beside plain DuckDB over the same file.

    .venv/bin/python benchmarks/report.py --events 100000 1000000 10000000

The events are those of a simulated month, repeated with ids, tasks and records of their own. For each size one
file is written; `agenttrail report --json` runs on it in a process of its own (CPU seconds, peak memory),
and so does a single DuckDB query over the same file that reads as many fields and sums two of them. The
last column says how report time grew against events.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PLAIN = """
import duckdb, sys
sys.path[:0] = {path!r}
from agenttrail.insight.events import COLUMNS, _path, _struct
shape = _struct([*COLUMNS.values()])
picked = ", ".join(f'count({{_path(field)}})' for field in COLUMNS.values())
db = duckdb.connect()
db.execute(f"SELECT {{picked}}, sum(gen_ai.usage.input_tokens), sum(agenttrail.cost.total) FROM read_json(?, format='newline_delimited', columns={{shape}}, ignore_errors=true, maximum_object_size=67108864)", [{file!r}]).fetchall()
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", help="where the files are written; removed at the end")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        seed = lines(Path(folder))
        for events in arguments.events:
            file = Path(folder) / "events.jsonl"
            size = write(seed, file, events)
            ours = measured([sys.executable, "-m", "agenttrail", "report", str(file), "--json"])
            plain = measured([sys.executable, "-c", _PLAIN.format(path=sys.path, file=str(file))])
            file.unlink()
            row = {
                "events": events, "MB": round(size / 1e6), "report_s": ours["wall"], "report_cpu_s": ours["cpu"], "report_peak_MB": ours["peak"],
                "duckdb_s": plain["wall"], "duckdb_cpu_s": plain["cpu"], "duckdb_peak_MB": plain["peak"],
            }  # fmt: skip
            if rows:
                grown = row["report_cpu_s"] / rows[-1]["report_cpu_s"]
                row["growth"] = round(grown / (events / rows[-1]["events"]), 2)
            rows.append(row)
            if not arguments.json:
                print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    if arguments.json:
        print(json.dumps({"rows": rows}))
    return 0


def lines(folder: Path) -> list[bytes]:
    """The masked lines of a simulated month."""
    month = folder / "month"
    run = [sys.executable, "-m", "agenttrail"]
    subprocess.run([*run, "simulate", str(month)], check=True, stderr=subprocess.DEVNULL)
    subprocess.run([*run, "run", "-q", "-c", "pipeline.yaml"], cwd=month, check=True)
    return (month / "masked.jsonl").read_bytes().splitlines()


def write(seed: list[bytes], file: Path, events: int) -> int:
    """So many lines, each round of the month with other ids and tasks; the bytes written."""
    with file.open("wb") as out:
        for number, line in enumerate(rounds(seed)):
            if number == events:
                break
            out.write(line)
    return file.stat().st_size


def rounds(seed: list[bytes]) -> Iterator[bytes]:
    number = 0
    while True:
        mark = f"{number:06x}".encode()
        for line in seed:
            # Six more digits before each id say which round it is: tasks and records of their own.
            for name in (b'"event":{"id":"', b'"task":{"id":"', b'"resource":{"ids":["'):
                line = line.replace(name, name + mark, 1)
            yield line + b"\n"
        number += 1


def measured(command: list[str]) -> dict[str, float]:
    """Seconds, CPU seconds and peak memory of a process."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    peak = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return {
        "wall": round(time.perf_counter() - started, 1), "cpu": round(usage.ru_utime + usage.ru_stime, 1), "peak": round(peak),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
