"""Shapes of JSON that another program reads: an unknown key fails as a missing one does.

A shape is: a type; a compiled pattern that a string fits whole; a set of the values there are; a list
with the shape of all items; a tuple of shapes of which one fits; a dict with the shape of each key, where
`"name?"` may be missing and `"*"` stands for any other name; a function that says whether a value is right.
"""

from __future__ import annotations

import re
from typing import Any


class ShapeError(AssertionError):
    """Names the place and what is wrong there."""


def check(value: Any, shape: Any, where: str = "$") -> None:
    """Raises ShapeError at the first thing that does not fit."""
    if isinstance(shape, dict):
        _check_keys(value, shape, where)
    elif isinstance(shape, list):
        _need(isinstance(value, list), where, "is no list")
        for number, item in enumerate(value):
            check(item, shape[0], f"{where}[{number}]")
    elif isinstance(shape, tuple):
        problems = []
        for each in shape:
            try:
                check(value, each, where)
                return
            except ShapeError as error:
                problems.append(str(error))
        raise ShapeError(f"{where}: fits none of {len(shape)} shapes: {'; '.join(problems)}")
    elif isinstance(shape, re.Pattern):
        fits = isinstance(value, str) and shape.fullmatch(value) is not None
        _need(fits, where, f"{value!r} does not fit {shape.pattern}")
    elif isinstance(shape, (set, frozenset)):
        fits = any(value == each and type(value) is type(each) for each in shape)
        _need(fits, where, f"{value!r} is none of {sorted(map(str, shape))}")
    elif isinstance(shape, type):
        # A boolean is an int to Python and not to JSON.
        fits = isinstance(value, shape) and (shape is bool or not isinstance(value, bool))
        _need(fits, where, f"{value!r} is no {shape.__name__}")
    else:
        _need(shape(value), where, f"{value!r} is not right")


def _check_keys(value: Any, shape: dict[str, Any], where: str) -> None:
    _need(isinstance(value, dict), where, "is no object")
    known = {name.removesuffix("?"): each for name, each in shape.items()}
    for name in shape:
        if name != "*" and not name.endswith("?"):
            _need(name in value, where, f"'{name}' is missing")
    for name, each in value.items():
        inner = known.get(name, known.get("*"))
        _need(inner is not None, where, f"'{name}' is unknown")
        check(each, inner, f"{where}.{name}")


def _need(true: bool, where: str, problem: str) -> None:
    if not true:
        raise ShapeError(f"{where}: {problem}")
