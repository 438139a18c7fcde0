"""JSON-RPC 2.0 below any protocol: kinds of message, typed ids, and what a cut text still says.

Defined by https://www.jsonrpc.org/specification (2.0). Pure functions over parsed values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from agenttrail import jsontext
from agenttrail.formats._cut import CUT as CUT
from agenttrail.formats._cut import drop_end

Kind = Literal["request", "notification", "response"]


def kind(message: Mapping[str, Any]) -> Kind | None:
    """What a JSON object is as JSON-RPC, or None where it is none.

    A method with an id is a request (0 and "" are ids), a method without one or with null a
    notification (MCP forbids null ids), a result or an error a response.
    """
    if isinstance(message.get("method"), str):
        return "notification" if message.get("id") is None else "request"
    if "method" not in message and ("result" in message or message.get("error") is not None):
        return "response"
    return None


def id_key(value: Any) -> tuple[str, str] | None:
    """The id as (type, text): 1 and "1" differ, 1 and 1.0 do not. None for null and for no id.

    JSON-RPC allows strings and numbers only; anything else still gets a key of type "other", so
    that a careless peer's messages are paired all the same.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return "string", value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "other", jsontext.dumps(value).decode("utf-8", "replace")
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if isinstance(value, int):
        return "number", str(value)
    return "number", jsontext.dumps(value).decode()


_TOKENS = re.compile(r'"(?:[^"\\]++|\\.)*+("?)|[{}\[\],]', re.DOTALL)
_DANGLING = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:u[0-9a-fA-F]{0,3})?\Z")


def read_cut(text: str) -> Any:
    """What can still be read of a JSON text whose end is missing; None where nothing can.

    Containers are closed where the text ends. A string in the middle of which it ends is kept but
    for its last word (`drop_end`), and gets `CUT` at its end; a number, a literal or a key there is left out, because a part of a
    number is another number.

    Cost: one pass over the text.
    """
    closers: list[str] = []
    safe = 0  # everything before it is whole
    open_string = False
    for token in _TOKENS.finditer(text):
        first = token[0][0]
        if first == '"':
            open_string = not token[1]
        elif first in "{[":
            closers.append("}" if first == "{" else "]")
            safe = token.end()
        elif first == ",":
            safe = token.start()
        else:
            if not closers or closers.pop() != first:
                return None
            safe = token.end()
            if not closers:
                break
    tail = "".join(reversed(closers))
    attempts = [text[:safe] + tail]
    if open_string:
        attempts.insert(0, f'{_DANGLING.sub(_backslashes, drop_end(text))}{CUT}"{tail}')
    elif text.rstrip().endswith('"'):
        attempts.insert(0, text + tail)
    for attempt in attempts:
        try:
            return jsontext.loads(attempt)
        except ValueError:
            continue
    return None


def _backslashes(match: re.Match[str]) -> str:
    return match[1]


def was_cut(value: Any) -> bool:
    """Whether this string is one that `read_cut` had to end."""
    return isinstance(value, str) and value.endswith(CUT)


def says_something(value: Any) -> bool:
    """Whether what `read_cut` gave is worth more than its text: part of a JSON-RPC message."""
    if isinstance(value, list):
        return any(says_something(item) for item in value)
    if not isinstance(value, dict):
        return False
    return any(key in value for key in ("jsonrpc", "method", "id", "result", "error"))
