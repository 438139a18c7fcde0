"""PromQL that rules write in short, written out."""

from __future__ import annotations

import re

_RISEN = re.compile(r"\brisen\((?P<selector>[^()\[\]]+)\[(?P<window>\d+[smhd])\]\)")


def written_out(expr: str) -> str:
    """PromQL on one line; `risen(…)` is the increase, and all of what came into being within the window.

    >>> written_out("sum(risen(a_total[1h]))")
    'sum(((a_total unless a_total offset 1h) or increase(a_total[1h])))'
    """
    return _RISEN.sub(
        r"((\g<selector> unless \g<selector> offset \g<window>) or increase(\g<selector>[\g<window>]))",
        " ".join(expr.split()),
    )
