"""Stock Presidio against the fast engine on strings made to be hard; any difference is printed.

python benchmarks/differential.py --strings 1000000 --seed 7 [--prose] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.masks._differential import differences, fast_engine, fuzz, stock_engine

CHUNK = 2_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strings", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prose", action="store_true", help="with the language model")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    stock = stock_engine(model=arguments.prose)
    fast = fast_engine(stock)
    started, done, unlike = time.process_time(), 0, 0
    while done < arguments.strings:
        # One seed a chunk: a difference is found again without what came before.
        seed = arguments.seed * 1_000_003 + done // CHUNK
        texts = list(fuzz(seed, min(CHUNK, arguments.strings - done)))
        for text, expected, found in differences(stock, fast, texts, prose=arguments.prose):
            unlike += 1
            print(f"seed {seed}: {text!r}\n  stock {expected}\n  fast  {found}", file=sys.stderr)
        done += len(texts)
    report = {"strings": done, "seed": arguments.seed, "prose": arguments.prose,
              "differences": unlike, "cpu_s": round(time.process_time() - started)}  # fmt: skip
    print(
        json.dumps(report) if arguments.json else "  ".join(f"{k} {v}" for k, v in report.items())
    )
    return 1 if unlike else 0


if __name__ == "__main__":
    sys.exit(main())
