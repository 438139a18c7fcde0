"""What is dropped where a text was cut: the half of a word or a number that nobody would recognise.

Half an e-mail address or half a card fits no rule of any mask, so it must not come so far.
"""

from __future__ import annotations

import re

# Stands where something was cut, so that no reader takes what is there for the whole.
CUT = "…"

_ENDS = '" \t\n\r\v\f\u00a0'
# A card or a phone in groups may go on behind the cut.
_GROUP = re.compile(r"[+(]{0,2}\d[\d().+-]{0,30}")
_GROUPS = 12
_FIRST = re.compile(r"([^\s\"]*)((?:[^\S\n]{1,3}[\d().-]{1,12}(?![^\s\",;]))*)")


def drop_end(text: str) -> str:
    """The text without its last word, and without the groups of digits before that.

    A word ends at a space or a quotation mark, so that JSON stays as readable as it was.
    """
    at = _last_end(text)
    for _ in range(_GROUPS):
        whole = text[:at].rstrip(" \t\u00a0")
        if len(whole) == at:
            break
        start = _last_end(whole)
        if not _GROUP.fullmatch(whole, start):
            break
        at = start
    return text[:at]


def drop_start(text: str) -> str:
    """The text without its first word, and without the groups of digits behind a part of a number."""
    match = _FIRST.match(text)
    if match is None:
        return text
    word = match[1]
    return text[match.end() if not word or word[-1].isdigit() else match.end(1) :]


def _last_end(text: str) -> int:
    return 1 + max(text.rfind(end) for end in _ENDS)
