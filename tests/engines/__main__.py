"""`python -m tests.engines prepare [elasticsearch] [otelcol]`: fetches and builds engines ahead."""

from __future__ import annotations

import sys

from tests.engines import elasticsearch, otelcol
from tests.engines._process import MissingError, say

_ENGINES = {"elasticsearch": elasticsearch.prepare, "otelcol": otelcol.prepare}


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
