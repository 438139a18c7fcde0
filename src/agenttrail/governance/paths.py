"""JSONPath (RFC 9535) over the arguments of a call, compiled once.

A path of plain names and places (`$.claim.amount`, `$.lines[0].sum`, `$['claim id']`) is walked
directly, which is what policies have most; any other one is given to jsonpath-rfc9535.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from agenttrail.errors import OptionError

# All values that a path finds, in the order of the document.
Finder = Callable[[Any], list[Any]]

_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]{0,99})|\[(0|[1-9][0-9]{0,5})\]|\['([^'\\]{1,100})'\]")


def compiled(path: str, option: str = "path") -> Finder:
    """A function from a JSON value to all values that `path` finds in it; may be none.

    Args:
        path: a JSONPath; it begins with `$`.
        option: named in the error.

    Raises:
        OptionError: it is no JSONPath.

    >>> compiled("$.lines[*].sum")({"lines": [{"sum": 1}, {"sum": 2}]})
    [1, 2]
    """
    steps = _plain(path)
    if steps is not None:
        return _walker(steps)
    import jsonpath_rfc9535
    from jsonpath_rfc9535 import JSONPathError

    try:
        query = jsonpath_rfc9535.compile(path)
    except JSONPathError:
        raise OptionError(
            option, "is no JSONPath", hint="as $.amount or $.lines[*].sum (RFC 9535)"
        ) from None

    def find(value: Any) -> list[Any]:
        # Nesting beyond the library's limit: nothing is found, and whoever asks fails safe.
        try:
            return list(query.find(value).values())
        except (JSONPathError, RecursionError):
            return []

    return find


def _plain(path: str) -> tuple[str | int, ...] | None:
    """The names and places of a path that has nothing else, or None."""
    if not path.startswith("$"):
        return None
    steps: list[str | int] = []
    at = 1
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            return None
        name, place, quoted = match.groups()
        steps.append(int(place) if place is not None else name or quoted)
        at = match.end()
    return tuple(steps)


def _walker(steps: tuple[str | int, ...]) -> Finder:
    if len(steps) == 1 and isinstance(steps[0], str):
        only = steps[0]
        return lambda value: [value[only]] if isinstance(value, dict) and only in value else []

    def find(value: Any) -> list[Any]:
        for step in steps:
            if isinstance(step, str):
                if not isinstance(value, dict) or step not in value:
                    return []
            elif not isinstance(value, list) or step >= len(value):
                return []
            value = value[step]
        return [value]

    return find
