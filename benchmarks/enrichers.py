"""What the enrichers cost: the whole pipeline with and without them, in the `fast` profile.

    python benchmarks/enrichers.py [--mb 3] [--days 12] [--repeat 5] [--json]

File source, format, enrichers (registry, tasks, cost, budgets, policy, approvals; state on disk), mask,
JSON Lines sink. CPU seconds of the process (user and system) from the first line to the last commit,
with and without enrichers in turns, the least of several; models and recognisers are loaded before.
`share` is what the enrichers add, of the whole. The rows of `each` are one enricher's calls alone.

Corpora: a capture of MCP traffic (`_corpus.py`), real Claude Code sessions where ../shared/data is,
and days of `agenttrail simulate`, whose registry, policy and prices are used for all. The simulated events are
the smallest (1 KB), so their share is the highest; the limit is for captured and real logs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("OMP_NUM_THREADS", "1")

from agenttrail import config
from agenttrail.cli import main as agenttrail
from agenttrail.formats.auto import AutoOptions
from agenttrail.masks.presidio import PresidioOptions
from agenttrail.runner import Runner
from agenttrail.seams import Closing, Drop, Dropped, Event, Record, Remembering, StreamEnd
from agenttrail.sinks.jsonl import JsonlOptions
from agenttrail.sources.file import FileOptions
from benchmarks import _corpus

AGENTS = Path(__file__).parents[2] / "shared" / "data" / "agents" / "claude_code"
LIMIT = 0.15
ENRICHERS = """
  - {type: registry, path: agents.yaml, key: {id: r1, file: records.key}}
  - {type: tasks, state: STATE}
  - {type: cost, prices: prices.yaml}
  - {type: budgets, policy: policy.yaml, state: STATE, kill_switch: KILL}
  - {type: policy, policy: policy.yaml, registry: agents.yaml}
  - {type: approvals, policy: policy.yaml, registry: agents.yaml, state: STATE}
"""


def options(folder: Path, place: Path) -> list[Any]:
    """The enrichers' options, their state in `place`."""
    text = ENRICHERS.replace("STATE", str(place / "state.db")).replace(
        "KILL", str(place / "kill.json")
    )
    pipeline = f"sources: [stdin]\nsinks: [{{type: jsonl, path: o}}]\nenrichers:{text}"
    before = os.getcwd()
    os.chdir(folder)
    try:
        return [built.build() for built in config.loads(pipeline).enrichers]
    finally:
        os.chdir(before)


def run(paths: list[Path], folder: Path, *, enrich: bool) -> tuple[float, int, int]:
    """CPU seconds, events and bytes of one run over everything."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        enrichers = options(folder, place) if enrich else []
        source = FileOptions(
            paths=tuple(map(str, paths)), checkpoint=str(place / "checkpoint.json")
        ).build()
        sink = JsonlOptions(path=str(place / "out.jsonl")).build()
        runner = Runner(
            source=source, format=AutoOptions().build(choose=lambda *_: None),
            mask=PresidioOptions(profile="fast").build(), sinks={"jsonl": sink}, enrichers=enrichers,
        )  # fmt: skip
        begun = time.process_time()
        outcome = runner.run()
        spent = time.process_time() - begun
        source.close()
        sink.close()
        for enricher in enrichers:
            if isinstance(enricher, Closing):
                enricher.close()
        assert outcome.failure is None, outcome.failure
        return spent, outcome.counts.events_delivered, outcome.counts.bytes_read


def each(paths: list[Path], folder: Path) -> dict[str, float]:
    """CPU seconds of each enricher's calls alone, over the events of the paths."""
    events: list[Event] = []
    form = AutoOptions().build(choose=lambda *_: None)
    source = FileOptions(paths=tuple(map(str, paths))).build()
    for item in source.read():
        if isinstance(item, Record):
            try:
                events += [made for made in form(item) if not isinstance(made, Dropped)]
            except Drop:
                continue
        elif isinstance(item, StreamEnd):
            events += [made for made in form.end(item.stream) if not isinstance(made, Dropped)]
    with tempfile.TemporaryDirectory() as temporary:
        spent: dict[str, float] = {}
        for enricher in options(folder, Path(temporary)):
            begun = time.process_time()
            made = []
            for start in range(0, len(events), 500):
                made += [enricher(event) for event in events[start : start + 500]]
                if isinstance(enricher, Remembering):
                    enricher.save()
            spent[type(enricher).__name__] = time.process_time() - begun
            events = made
            if isinstance(enricher, Closing):
                enricher.close()
    return spent


def corpora(folder: Path, size: int) -> dict[str, list[Path]]:
    """Names to files."""
    capture = folder / "capture.wire.jsonl"
    with capture.open("wb") as file:
        file.writelines(line + b"\n" for line in _corpus.lines(size))
    found = {"mcp_wire": [capture]}
    if AGENTS.is_dir():
        found["claude_code"] = sorted(AGENTS.rglob("*.jsonl"))
    found["simulated"] = sorted(
        path for path in folder.rglob("*.jsonl") if path not in (capture, folder / "truth.jsonl")
    )
    return found


def least(repeat: int, action: Callable[[bool], tuple[float, int, int]]) -> dict[bool, tuple[float, int, int]]:  # fmt: skip
    """The least of several runs with and without, in turns."""
    runs: dict[bool, list[tuple[float, int, int]]] = {True: [], False: []}
    for number in range(repeat):
        for enrich in ((True, False), (False, True))[number % 2]:
            runs[enrich].append(action(enrich))
    return {enrich: min(several) for enrich, several in runs.items()}


def share_of(rows: list[dict[str, Any]]) -> float:
    """What the enrichers add, of the whole of these rows."""
    whole = sum(row["with_cpu_s"] for row in rows)
    return round(1 - sum(row["without_cpu_s"] for row in rows) / whole, 3) if whole else 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--mb", type=float, default=3.0, help="size of the capture")
    parser.add_argument("--days", type=int, default=12, help="simulated days")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", choices=("mcp_wire", "claude_code", "simulated"), help="this corpus only")  # fmt: skip
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            streams, sys.stdout, sys.stderr = (sys.stdout, sys.stderr), nowhere, nowhere
            try:
                agenttrail(
                    ["simulate", str(folder), "--days", str(arguments.days), "--quiet-month"]
                )
            finally:
                sys.stdout, sys.stderr = streams
        for name, paths in corpora(folder, int(arguments.mb * 1e6)).items():
            if arguments.only not in (None, name):
                continue
            found = least(arguments.repeat, lambda enrich, paths=paths: run(paths, folder, enrich=enrich))  # type: ignore[misc]  # fmt: skip
            (with_s, events, size), (without_s, _, _) = found[True], found[False]
            rows.append({
                "corpus": name, "mb": round(size / 1e6, 2), "events": events,
                "without_cpu_s": round(without_s, 3), "with_cpu_s": round(with_s, 3),
                "share": round((with_s - without_s) / with_s, 3),
                "us_per_event": round((with_s - without_s) / events * 1e6, 1),
                "each_us": {k: round(s / events * 1e6, 1) for k, s in each(paths, folder).items()},
            })  # fmt: skip
            if not arguments.json:
                print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    logs = [row for row in rows if row["corpus"] != "simulated"]
    shares = {"all": share_of(rows), "logs": share_of(logs)}
    if arguments.json:
        machine = {"python": platform.python_version(), "cpus": os.cpu_count()}
        print(json.dumps({"machine": machine, "rows": rows, "shares": shares}))
    else:
        print(f"captured and real logs: {shares['logs']:.1%} of the pipeline's CPU (limit {LIMIT:.0%}); with the simulated days: {shares['all']:.1%}")  # fmt: skip
    return 0 if shares["logs"] <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
