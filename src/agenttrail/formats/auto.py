"""Chooses each stream's format from its first lines, and says which.

The choice waits for the first line that one format knows for certain, at most 20 lines or the end
of the stream; JSON objects of no known shape are read as `jsonl`. What no format can read (a
picture, plain text) is dropped line by line with a reason and reported, never guessed at.

Limits: the choice is made once a stream. Where a stream's lines then turn out unreadable, the run's
summary names the file and the format.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar

from agenttrail import jsontext
from agenttrail.errors import OptionError
from agenttrail.seams import Drop, Dropped, Event, Format, Record

# In the order of the folder's union; `jsonl` is the fallback and not asked.
KNOWN = (
    "mcp_wire", "mcp_jsonrpc", "claude_desktop", "claude_code", "codex", "otel", "agenttrail",
    "approvals", "evaluations",
)  # fmt: skip
_LINES = 20
_BYTES = 1 << 20
_CERTAIN = 90
_POSSIBLE = 40
_UNKNOWN = "unrecognised_format"


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoOptions:
    """Chooses the format of each file from its first lines, and says which."""

    type: ClassVar[str] = "auto"
    hints: Annotated[
        dict[str, str],
        "Globs of paths to format ids, asked first: for files whose first lines say too little.",
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for glob, name in self.hints.items():
            if name not in (*KNOWN, "jsonl"):
                raise OptionError(
                    "hints", f"'{glob}': no format is called '{name}'",
                    hint=f"known: {', '.join((*KNOWN, 'jsonl'))}",
                )  # fmt: skip

    def build(self, *, choose: Callable[[str, str, str], None] | None = None) -> AutoFormat:
        """`choose` is told stream, format id ("" for none) and the reason, once a stream."""
        return AutoFormat(self.hints, choose or (lambda *_: None))


class AutoFormat:
    """See the module."""

    def __init__(self, hints: dict[str, str], choose: Callable[[str, str, str], None]) -> None:
        self._hints, self._tell = hints, choose
        self._chosen: dict[str, Format | None] = {}
        self._waiting: dict[str, list[Record]] = {}
        self._built: dict[str, Format] = {}

    def __call__(self, record: Record, /) -> Iterable[Event | Dropped]:
        stream = record.stream
        if stream not in self._chosen:
            waiting = self._waiting.setdefault(stream, [])
            waiting.append(record)
            if not self._decide(stream, waiting, final=False):
                return ()
            del self._waiting[stream]
            return self._read(stream, waiting)
        return self._read(stream, [record])

    def end(self, stream: str, /) -> Iterable[Event | Dropped]:
        waiting = self._waiting.pop(stream, [])
        events: list[Event | Dropped] = []
        if waiting:
            self._decide(stream, waiting, final=True)
            events.extend(self._read(stream, waiting))
        chosen = self._chosen.pop(stream, None)
        if chosen is not None:
            events.extend(chosen.end(stream))
        return events

    def _read(self, stream: str, records: Sequence[Record]) -> list[Event | Dropped]:
        chosen = self._chosen[stream]
        made: list[Event | Dropped] = []
        for record in records:
            try:
                if chosen is None:
                    raise Drop(_UNKNOWN if record.data.strip() else "blank")
                made.extend(chosen(record))
            except Drop as drop:
                made.append(Dropped(record, drop.reason))
        return made

    def _decide(self, stream: str, waiting: Sequence[Record], *, final: bool) -> bool:
        lines = [record.data for record in waiting if record.data.strip()]
        path = waiting[0].path
        name, reason = self._guess(lines, path, final=final or len(waiting) >= _LINES or sum(map(len, lines)) > _BYTES)  # fmt: skip
        if name is None:
            return False
        if lines:
            self._tell(stream if path is None else path, name, reason)
        self._chosen[stream] = self._format(name) if name else None
        return True

    def _guess(
        self, lines: Sequence[bytes], path: str | None, *, final: bool
    ) -> tuple[str | None, str]:
        """A format id, "" for none, or None where more lines are needed; and why."""
        for glob, name in self._hints.items():
            if path is not None and fnmatchcase(path, glob):
                return name, f"hint {glob}"
        scores = {name: _module(name).sniff(lines, path) for name in KNOWN} if lines else {}
        best = max(scores, key=scores.__getitem__, default="")
        if scores and scores[best] >= _CERTAIN:
            return best, f"certain from {len(lines)} lines"
        if not final:
            return None, ""
        if scores and scores[best] >= _POSSIBLE:
            return best, f"likely from {len(lines)} lines"
        if any(_is_object(line) for line in lines):
            return "jsonl", "JSON objects of no known shape"
        return "", "no format knows these lines"

    def _format(self, name: str) -> Format:
        if name not in self._built:
            module = _module(name)
            cls = next(v for v in vars(module).values() if getattr(v, "type", None) == name)
            self._built[name] = cls().build()
        return self._built[name]


def _module(name: str) -> Any:
    return importlib.import_module(f"agenttrail.formats.{name}")


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(jsontext.loads(line), dict)
    except ValueError:
        return False
