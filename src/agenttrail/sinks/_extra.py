"""Packages that only some sinks need, and what to say where one is not installed."""

from __future__ import annotations

import importlib.util

from agenttrail.errors import Unreachable


def need(extra: str, *modules: str) -> None:
    """Checks that the modules of an extra can be imported, without importing them.

    Raises:
        Unreachable: one is missing; the hint is the command that installs it.
    """
    for module in modules:
        try:
            found = importlib.util.find_spec(module) is not None
        except (ImportError, ValueError):
            found = False
        if not found:
            raise Unreachable(
                f"the package {module.split('.')[0]} is not installed",
                hint=f"pip install 'agenttrail[{extra}]'",
            )
