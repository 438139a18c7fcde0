"""`python -m tests.engines prepare [NAME…]`: fetches and builds engines ahead."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from tests.engines import (
    elasticsearch,
    opensearch,
    otelcol,
    prometheus,
    query_parsers,
    rsyslog,
    syslog_ng,
)
from tests.engines._process import MissingError, say

_ENGINES: dict[str, Callable[[], Any]] = {
    "elasticsearch": elasticsearch.prepare,
    "elasticsearch_esql": elasticsearch.prepare_esql,
    "opensearch": opensearch.prepare,
    "otelcol": otelcol.prepare,
    "prometheus": lambda: prometheus.prepare().prometheus,
    "query_parsers": query_parsers.prepare,
    "rsyslog": lambda: rsyslog.prepare().binary,
    "syslog_ng": lambda: syslog_ng.prepare().binary,
}


def main(arguments: list[str]) -> int:
    """Exit code: 0 all is here, 1 something is missing or failed, 2 wrong usage."""
    names = arguments[1:] or list(_ENGINES)
    if arguments[:1] != ["prepare"] or not set(names) <= set(_ENGINES):
        say(f"usage: python -m tests.engines prepare [{'] ['.join(_ENGINES)}]")
        return 2
    failed = 0
    for name in names:
        try:
            say(f"{name}: {_ENGINES[name]()}")
        except (MissingError, RuntimeError) as error:
            say(f"{name}: {error}")
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
