r"""Looks at each line that an MCP client sends before the server sees it, and answers what is refused itself.

What is refused is never passed on. The client gets a JSON-RPC error of code -32010: MCP 2026-07-28
leaves -32000 to -32019 to implementations (of these the Python SDK uses -32000 and -32001), and
2025-11-25 the whole server-error range. It is an error of the protocol and not a result with
`isError`: those carry "feedback that language models can use to self-correct and retry with adjusted
parameters" (MCP 2025-11-25, Tools, Error Handling), and a call that policy refuses must not be tried
again with other parameters. `data.agenttrail` has the verdict, the rules' names and the runbook.

What is judged: every `tools/call`, of both eras, in batches (2025-03-26) and as a notification too.
While an agent, a server or everything is stopped every request is refused but those that only tell
what there is, so that a client stays connected.

A line that this side and the server could understand differently is not passed on as it is: what is no
JSON, an object in which a key stands twice, and a message whose keys are the protocol's but for case
(Go's encoding/json takes `Method` for `method`), is refused where it could be a call; a line with a
character at which some servers break lines (a carriage return, U+2028 and the like) is passed on
written anew. All else passes byte by byte.

Limits: a line longer than `LINE_BYTES` is refused. Two lines are judged one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

CODE = -32010
_PARSE_ERROR, _INVALID = -32700, -32600  # JSON-RPC 2.0
LINE_BYTES = 64 * 1024 * 1024
# They tell what there is, end something, or keep the connection.
_HARMLESS = frozenset(
    ("initialize", "ping", "server/discover", "tools/list", "resources/list", "resources/templates/list",
     "prompts/list", "tasks/list", "tasks/get", "tasks/cancel", "logging/setLevel", "resources/unsubscribe")
)  # fmt: skip
# Where readers of lines other than ours end one: carriage return, vertical tab, form feed, separators;
# beyond ASCII NEL, line and paragraph separator. One byte is found fast, so these come first.
_BREAKS = (b"\r", b"\x0b", b"\x0c", b"\x1c", b"\x1d", b"\x1e")
_WIDE_BREAKS = (b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9")
# A method may hide behind escapes (\\u0074ools\\/call) or in another encoding (UTF-16 has zeros).
_ESCAPES = (b"\\u00", b"\\/", b"\\x")
# Keys that a reader without regard to case would take for these.
_OF_MESSAGES = frozenset(("jsonrpc", "id", "method", "params"))
_OF_CALLS = frozenset(("name", "arguments", "_meta"))


@dataclass(frozen=True, slots=True)
class Refusal:
    """What whoever is refused is told, and what the recording says of it. No content of the call.

    With `passes` it is none: the call goes on, and the recording says why, or that it was not judged.
    `uses` is then what is used up if its line goes on.
    """

    message: str
    data: dict[str, Any]
    passes: bool = False
    uses: Any = None


@dataclass(frozen=True, slots=True)
class Judged:
    """One line, judged: what the server gets, what the client gets, and a note for the recording."""

    forward: bytes
    reply: bytes = b""
    note: Note = None
    refused: bool = False


# Of a batch there is an entry for each member.
Note = dict[str, Any] | list[dict[str, Any] | None] | None

# Tool, arguments and `_meta` of a call; None lets it pass. Uses nothing up.
Decide = Callable[[str, Any, dict[str, Any]], Refusal | None]
# A method that is no tool call; None lets it pass.
Stopped = Callable[[], Refusal | None]
# What the calls of a line use, all of it or nothing: None where it is used now, else which of them
# cannot have it, and its refusal.
Use = Callable[[Sequence[Any]], tuple[int, Refusal] | None]


class Gate:
    """Judges lines.

    Args:
        decide: asked for each tool call.
        stopped: asked for every request that does more than tell what there is.
        learn: is shown the parameters of `initialize`, and each request's `_meta`.
        on_unreadable: the refusal of a call that cannot be judged, or None to let it pass.
        use: told what is used up by the calls of a line that nothing else refuses.
    """

    def __init__(
        self,
        decide: Decide,
        stopped: Stopped,
        *,
        learn: Callable[[dict[str, Any]], None] = lambda _: None,
        on_unreadable: Callable[[], Refusal | None] = lambda: Refusal(
            "Refused: the call cannot be judged", {}
        ),
        use: Use = lambda _: None,
    ) -> None:
        self._decide, self._stopped, self._learn = decide, stopped, learn
        self._unreadable, self._use = on_unreadable, use
        self.calls = self.refused = 0

    def judge(self, line: bytes) -> Judged:
        """One line without its line break."""
        broken = _has_break(line)
        # Most lines cannot be a call, whatever reads them.
        # Backwards: CPython's search in that direction is several times faster on long lines.
        plain = line.rfind(b"tools/call") < 0 and b"\x00" not in line and not _escaped(line)
        wide = self._stopped()
        if plain and not broken and wide is None and not _introduces(line):
            return Judged(line)
        if not line.strip():
            return Judged(line)
        try:
            value = _loads(line)
        except _TwiceError as error:
            return self._cannot_tell(line, error.value, _INVALID)
        except (ValueError, RecursionError):
            return self._cannot_tell(line, None, _PARSE_ERROR)
        if isinstance(value, list):
            return self._batch(line, value, wide, broken=broken)
        (refusal,) = self._settled([self._one(value, wide)])
        if refusal is None or refusal.passes:
            return Judged(_rewritten(value) if broken else line, note=_note(refusal))
        self.refused += 1
        return Judged(b"", _reply(value, refusal), refusal.data, refused=True)

    def too_long(self, line: bytes) -> Judged:
        """The beginning of a line beyond `LINE_BYTES`: what it is cannot be told."""
        return self._cannot_tell(line, None, _INVALID)

    def _one(self, value: Any, wide: Refusal | None) -> Refusal | None:
        if isinstance(value, dict) and _resembles(value, _OF_MESSAGES):
            return self._unreadable()
        if not isinstance(value, dict) or not isinstance(value.get("method"), str):
            # A response, or what no server takes for a call.
            return None if isinstance(value, dict) and "method" not in value else self._unreadable()
        method, params = value["method"], value.get("params")
        if isinstance(params, dict):
            self._learn(params)
        if method == "tools/call":
            self.calls += 1
            tool = params.get("name") if isinstance(params, dict) else None
            arguments = params.get("arguments", {}) if isinstance(params, dict) else None
            if not isinstance(tool, str) or not isinstance(arguments, dict):
                return self._unreadable()
            if _resembles(params, _OF_CALLS):
                return self._unreadable()
            meta = params.get("_meta") if isinstance(params, dict) else None
            try:
                return self._decide(tool, arguments, meta if isinstance(meta, dict) else {})
            except Exception:  # noqa: BLE001  nested too deep, say: who asked waits for an answer
                return self._unreadable()
        if wide is None or method in _HARMLESS or method.startswith("notifications/"):
            return None
        return wide

    def _batch(
        self, line: bytes, members: list[Any], wide: Refusal | None, *, broken: bool
    ) -> Judged:
        """All of a batch or nothing: who sent it gets an answer to each of its requests."""
        refusals = self._settled([self._one(member, wide) for member in members])
        if all(refusal is None or refusal.passes for refusal in refusals):
            notes = [_note(refusal) for refusal in refusals]
            return Judged(
                _rewritten(members) if broken else line, note=notes if any(notes) else None
            )
        self.refused += 1
        # What another call lacks, an approval say, is not said of those beside it.
        runbook = next((r.data["runbook"] for r in refusals if r and "runbook" in r.data), None)
        data = {"refused": True, "batch": True, **({"runbook": runbook} if runbook else {})}
        beside = Refusal("Refused: another call of its batch is", data)
        told = [beside if r is None or r.passes else r for r in refusals]
        replies = [
            _error(member, refusal)
            for member, refusal in zip(members, told, strict=True)
            if isinstance(member, dict) and member.get("id") is not None and "method" in member
        ]
        reply = json.dumps(replies).encode() + b"\n" if replies else b""
        return Judged(b"", reply, [refusal.data for refusal in told], refused=True)

    def _settled(self, refusals: list[Refusal | None]) -> list[Refusal | None]:
        """The same, after what its calls use is used; of a line that is refused nothing is."""
        using = [n for n, r in enumerate(refusals) if r is not None and r.uses is not None]
        if not using or any(r is not None and not r.passes for r in refusals):
            return refusals
        uses = [r.uses for r in refusals if r is not None and r.uses is not None]
        try:
            failed = self._use(uses)
        except Exception:  # noqa: BLE001  who asked waits for an answer
            failed = (0, self._unreadable() or Refusal("", {}, passes=True))
        if failed is not None:
            refusals[using[failed[0]]] = failed[1]
        return refusals

    def _cannot_tell(self, line: bytes, value: Any, code: int) -> Judged:
        refusal = self._unreadable()
        if refusal is None or refusal.passes:
            return Judged(line, note=_note(refusal))
        self.refused += 1
        number = value.get("id") if isinstance(value, dict) else None
        number = number if isinstance(number, (str, int)) else None
        error = {"code": code, "message": refusal.message, "data": {"agenttrail": refusal.data}}
        reply = json.dumps({"jsonrpc": "2.0", "id": number, "error": error}).encode() + b"\n"
        return Judged(b"", reply, refusal.data, refused=True)


class _TwiceError(ValueError):
    """An object has a key twice; `value` is what the last of them would say."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


def _loads(line: bytes) -> Any:
    """The value of a line that every reader understands alike.

    Raises:
        ValueError: it is no JSON, or a key stands twice in an object of it.
    """
    twice = False

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        made = dict(items)
        twice = twice or len(made) < len(items)
        return made

    value = json.loads(line.decode("utf-8"), object_pairs_hook=pairs, parse_constant=_no_number)
    if twice:
        raise _TwiceError(value)
    return value


def _resembles(value: Any, names: frozenset[str]) -> bool:
    """Whether a key is one of these names but for its case."""
    return any(key not in names and key.casefold() in names for key in value)


def _no_number(_: str) -> Any:
    raise ValueError


def _note(refusal: Refusal | None) -> dict[str, Any] | None:
    return None if refusal is None else refusal.data


def _introduces(line: bytes) -> bool:
    """Whether a client may say who it is: `initialize`, and `_meta` of 2026-07-28."""
    return line.rfind(b"clientInfo") >= 0


def _has_break(line: bytes) -> bool:
    inner = line[:-1] if line.endswith(b"\r") else line
    if any(mark in inner for mark in _BREAKS):
        return True
    return not inner.isascii() and any(mark in inner for mark in _WIDE_BREAKS)


def _escaped(line: bytes) -> bool:
    return b"\\" in line and any(escape in line for escape in _ESCAPES)


def _rewritten(value: Any) -> bytes:
    """The same value with every character that is not ASCII escaped, on one line."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()


def _reply(value: Any, refusal: Refusal) -> bytes:
    if not isinstance(value, dict) or value.get("id") is None:
        return b""  # a notification has no answer
    return json.dumps(_error(value, refusal)).encode() + b"\n"


def _error(value: dict[str, Any], refusal: Refusal) -> dict[str, Any]:
    error = {"code": CODE, "message": refusal.message, "data": {"agenttrail": refusal.data}}
    return {"jsonrpc": "2.0", "id": value["id"], "error": error}
