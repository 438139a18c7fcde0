"""Budgets over many tasks: how fast, and how much memory and disk the state takes.

    python benchmarks/budgets.py [--tasks 1000000] [--events 2] [--json]

Events with a cost go through the enricher `budgets` (a budget for each task, one by agent and day) with
its state on disk, saved every 500 as the pipeline does. A task's events come far apart, so that the
second one finds its account on disk. At the end a sample of accounts is compared with plain sums.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from agenttrail import fields as f
from agenttrail.enrichers.budgets import Budgets
from agenttrail.governance import ledger as books
from agenttrail.governance.budget import Budget, Threshold
from agenttrail.governance.ledger import Ledger
from agenttrail.governance.state import State, peek
from agenttrail.seams import Event
from agenttrail.testing import records

BATCH = 500
STOP = (Threshold(at=1, then="stop"),)
BUDGETS = (
    Budget(name="task", by="task", amount=Decimal("0.015"), currency="USD", thresholds=STOP),
    Budget(name="day", by="agent", amount=Decimal(10**9), currency="USD", period="day", thresholds=STOP),
)  # fmt: skip


def rss_mb() -> float:
    """What the process has in memory now, in millions of bytes."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 1e6
    except OSError:  # no /proc: the most it ever had
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def cost(number: int, tasks: int) -> float:
    """The cost of the n-th event, in hundredths of a cent."""
    return (number * 7919 % 97 + number // tasks) / 10_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=2, help="events of each task")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    tasks, total = arguments.tasks, arguments.tasks * arguments.events
    origins = tuple(records(b"x"))
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "state.db")
        state = State(path, books.SCOPE)
        enrich = Budgets(Ledger(BUDGETS, state), state)
        begun, cpu, stops = time.monotonic(), time.process_time(), 0
        before = rss_mb()
        for number in range(total):
            fields = {
                f.TIMESTAMP: f"2026-11-{1 + number * 28 // total:02}T10:00:00Z", f.EVENT_ID: f"e{number}",
                f.COST_TOTAL: cost(number, tasks), f.COST_CURRENCY: "USD", f.AGENT_NAME: f"a{number % 50}",
                f.TASK_ID: f"t{number % tasks}",
            }  # fmt: skip
            stops += f.BUDGET_VERDICT in enrich(Event(fields, origins)).fields
            if number % BATCH == BATCH - 1:
                enrich.save()
            if (number + 1) % (total // 10) == 0:
                spent = time.process_time() - cpu
                rows.append({
                    "events": number + 1, "tasks": min(number + 1, tasks), "rss_mb": round(rss_mb(), 1),
                    "state_mb": round(os.path.getsize(path) / 1e6, 1),
                    "events_per_cpu_s": round((number + 1) / spent), "events_per_s": round((number + 1) / (time.monotonic() - begun)),
                })  # fmt: skip
                if not arguments.json:
                    print("  ".join(f"{k} {v}" for k, v in rows[-1].items()), flush=True)
        enrich.save()
        enrich.close()
        wrong = check(path, tasks, arguments.events)
    grown = rows[-1]["rss_mb"] - rows[0]["rss_mb"]
    summary = {
        "rss_before_mb": round(before, 1), "rss_grown_since_first_tenth_mb": round(grown, 1),
        "stops": stops, "sampled_accounts_wrong": wrong,
    }  # fmt: skip
    print(json.dumps({"rows": rows, **summary}) if arguments.json else "  ".join(f"{k} {v}" for k, v in summary.items()))  # fmt: skip
    return 1 if wrong else 0


def check(path: str, tasks: int, events: int) -> int:
    """How many of a thousand accounts differ from a plain sum."""
    sample = {f"t{n}": n for n in random.Random(1).sample(range(tasks), min(1000, tasks))}
    wrong, seen = 0, 0
    for key, (spent, _, _) in peek(path, books.SCOPE, "s\x1ftask\x1f"):
        number = sample.get(key.rsplit("\x1f", 1)[1])
        if number is not None:
            seen += 1
            expected = sum(
                (Decimal(str(cost(number + tasks * round_, tasks))) for round_ in range(events)),
                Decimal(0),
            )
            wrong += Decimal(spent) != expected
    return wrong + len(sample) - seen


if __name__ == "__main__":
    sys.exit(main())
