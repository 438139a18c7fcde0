"""Which of many patterns can match in which of many texts: one scan, and no pattern is missed.

The patterns, relaxed (see `_relax`), form one database for ASCII texts and one for others. With
hyperscan 0.9 texts are joined and scanned at once; with google-re2 1.1 they are matched one by one;
without either every pattern is held possible everywhere. Findings are the same, speed is not.

A hyperscan database is kept in the user's cache folder, since compiling it takes a second and
loading it a millisecond. Its file is named after a digest of the patterns and versions and begins
with a digest of itself; one that is damaged, or made for another processor, is made again.

Cost: hyperscan 40 to 300 MB/s, plus 0.5 us a hit; google-re2 30 MB/s.

Source: https://intel.github.io/hyperscan/dev-reference/ (Compilation, Serialization).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import agenttrail
from agenttrail.masks._relax import NotRelaxableError, relax

Engine = Literal["hyperscan", "re2", "none"]
# Ids of the patterns that can match in a text, sorted, each with the places (sorted) near which it
# can, or with none where that is anywhere; None means that any pattern can, anywhere.
Hits = Mapping[int, Sequence[int]] | None
NOTHING: Mapping[int, Sequence[int]] = {}
# Between joined texts: no word character, so that \b holds at both ends of every text.
_SEPARATOR = "\n"
_JOINED_CHARS = 1_000_000


@dataclass(frozen=True, slots=True)
class Source:
    """A pattern, as text and flags of `regex` or `re`.

    With `relaxed_other` it is relaxed already: `pattern` for ASCII texts, that one for others.
    """

    pattern: str
    flags: int
    relaxed_other: str | None = None

    def relaxed(self, *, ascii_only: bool) -> str:
        if self.relaxed_other is not None:
            return self.pattern if ascii_only else self.relaxed_other
        return relax(self.pattern, self.flags, ascii_only=ascii_only)


def best_engine() -> Engine:
    """The fastest engine that is installed."""
    if importlib.util.find_spec("hyperscan") is not None:
        return "hyperscan"
    return "re2" if importlib.util.find_spec("re2") is not None else "none"


class Prefilter:
    """Patterns by their place in `sources`; hits for texts, one answer a text, in order."""

    def __init__(self, sources: Sequence[Source], engine: Engine | None = None) -> None:
        """Compiles the patterns, or loads what was compiled before.

        Args:
            sources: a pattern that cannot be relaxed, or that the engine refuses, hits always.
            engine: one that is installed; None is the best.
        """
        self.sources = tuple(sources)
        self.engine = engine or best_engine()
        made = _MAKERS[self.engine]
        self._ascii = made(sources, ascii_only=True)
        self._other = made(sources, ascii_only=False)
        # Imported here: a mask without recognisers needs no regex.
        import regex

        # The digits of this very `regex`, and the four letters of _relax.
        special = r"(?V1)[[\d--[0-9]]\u0130\u0131\u017f\u212a]"
        self._special: Callable[[str], Any] = regex.compile(special).search

    def hits(self, texts: Sequence[str]) -> list[Hits]:
        """For each text what can match in it; `NOTHING` where nothing can."""
        found: list[Hits] = [NOTHING] * len(texts)
        ascii_at: list[int] = []
        other_at: list[int] = []
        for i, text in enumerate(texts):
            if text.isascii():
                ascii_at.append(i)
            elif self._special(text):
                found[i] = None
            else:
                other_at.append(i)
        for at, matcher in ((ascii_at, self._ascii), (other_at, self._other)):
            if at:
                some = texts if len(at) == len(texts) else [texts[i] for i in at]
                for i, hits in matcher.match(some):
                    found[at[i]] = hits
        return found


class _Maker(Protocol):
    def __call__(self, sources: Sequence[Source], *, ascii_only: bool) -> _Matcher: ...


class _Matcher(Protocol):
    def match(self, texts: Sequence[str]) -> Iterable[tuple[int, Hits]]:
        """Places of texts with hits, and the hits."""
        ...


class _Nothing:
    """Every pattern may match."""

    def __init__(self, sources: Sequence[Source], *, ascii_only: bool) -> None:
        del sources, ascii_only

    def match(self, texts: Sequence[str]) -> Iterable[tuple[int, Hits]]:
        return ((i, None) for i in range(len(texts)))


def _compilable(
    sources: Sequence[Source],
    refuses: Callable[[str], bool],
    *,
    ascii_only: bool,
) -> tuple[list[tuple[int, str]], tuple[int, ...]]:
    """Ids with relaxed patterns, and the ids of those that always hit."""
    usable: list[tuple[int, str]] = []
    always: list[int] = []
    for number, source in enumerate(sources):
        try:
            relaxed = source.relaxed(ascii_only=ascii_only)
        except NotRelaxableError:
            always.append(number)
            continue
        if refuses(relaxed):
            always.append(number)
        else:
            usable.append((number, relaxed))
    return usable, tuple(always)


class _Re2:
    def __init__(self, sources: Sequence[Source], *, ascii_only: bool) -> None:
        import re2

        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.dot_nl = True
        options.log_errors = False

        def refuses(pattern: str) -> bool:
            try:
                re2.compile(pattern.encode(), options)
            except re2.error:
                return True
            return False

        usable, self._always = _compilable(sources, refuses, ascii_only=ascii_only)
        self._ids = [number for number, _ in usable]
        self._set = re2.Set.SearchSet(options)
        for _, pattern in usable:
            self._set.Add(pattern.encode())
        self._set.Compile()

    def match(self, texts: Sequence[str]) -> Iterable[tuple[int, Hits]]:
        for i, text in enumerate(texts):
            data = text.encode("utf-8", "surrogatepass")
            # None where nothing matches.
            hits = (self._set.Match(data) if self._ids else None) or ()
            if hits or self._always:
                yield i, dict.fromkeys(sorted([*(self._ids[hit] for hit in hits), *self._always]), ())  # fmt: skip


class _Hyperscan:
    def __init__(self, sources: Sequence[Source], *, ascii_only: bool) -> None:
        import hyperscan

        def compiled(patterns: Sequence[tuple[int, str]]) -> Any:
            database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
            database.compile(
                expressions=[pattern.encode() for _, pattern in patterns],
                ids=[number for number, _ in patterns],
                elements=len(patterns),
                flags=[hyperscan.HS_FLAG_DOTALL] * len(patterns),
            )
            return database

        def refuses(pattern: str) -> bool:
            try:
                compiled([(0, pattern)])
            except hyperscan.error:
                return True
            return False

        key = _key(sources, ascii_only=ascii_only)
        kept = _load(key)
        self._database: Any = None
        if kept is not None:
            with contextlib.suppress(hyperscan.error, ValueError, IndexError):
                always, dump = kept.split(b"\n", 1)
                self._always = tuple(map(int, always.split()))
                self._database = hyperscan.loadb(dump, mode=hyperscan.HS_MODE_BLOCK)
                self._database.scratch = hyperscan.Scratch(self._database)
        if self._database is None:
            try:
                usable, self._always = _compilable(sources, lambda _: False, ascii_only=ascii_only)
                self._database = compiled(usable)
            except hyperscan.error:
                usable, self._always = _compilable(sources, refuses, ascii_only=ascii_only)
                # A database needs one pattern: this one hits nowhere.
                self._database = compiled(usable or [(len(sources), "never\\x00\\x01\\x00")])
            dump = hyperscan.dumpb(self._database)
            _keep(key, b" ".join(b"%d" % number for number in self._always) + b"\n" + dump)
        self._hits: list[tuple[int, int]] = []
        # Values it returns other than None end the scan.
        append = self._hits.append
        self._note: Callable[[int, int, int, int, Any], None] = (
            lambda number, _start, end, _flags, _context: append((end, number))
        )

    def match(self, texts: Sequence[str]) -> Iterable[tuple[int, Hits]]:
        for first, last in _batches(texts):
            joined = _SEPARATOR.join(texts[first:last])
            data = joined.encode("utf-8", "surrogatepass")
            hits = self._hits
            hits.clear()
            self._database.scan(data, match_event_handler=self._note)
            # By their ends, which hyperscan promises no order of.
            hits.sort()
            by_text: dict[int, dict[int, list[int]]] = {}
            is_wide = len(data) != len(joined)
            i, start, stop = first - 1, 0, -1
            chars = at = 0
            for end, number in hits:
                while end > stop:
                    i += 1
                    start = at = stop + 1
                    chars = 0
                    text = texts[i]
                    stop = start + (
                        len(text)
                        if not is_wide or text.isascii()
                        else len(text.encode("utf-8", "surrogatepass"))
                    )
                if is_wide:
                    if end > at:
                        chars += len(data[at:end].translate(None, _CONTINUED))
                        at = end
                    place = chars
                else:
                    place = end - start
                known = by_text.get(i)
                if known is None:
                    by_text[i] = {number: [place]}
                elif number not in known:
                    known[number] = [place]
                elif known[number][-1] != place:
                    known[number].append(place)
            always = self._always
            for i in range(first, last) if always else by_text:
                found = by_text.get(i, {})
                if len(found) + len(always) > 1:
                    yield i, {n: found.get(n, ()) for n in sorted({*found, *always})}
                else:
                    yield i, found or dict.fromkeys(always, ())


# UTF-8: octets that go on with a character.
_CONTINUED = bytes(range(0x80, 0xC0))
_MAKERS: dict[Engine, _Maker] = {
    "hyperscan": _Hyperscan,
    "re2": _Re2,
    "none": _Nothing,
}


def _batches(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Runs of texts (half-open) that are scanned together."""
    first, chars = 0, 0
    for i, text in enumerate(texts):
        if chars and chars + len(text) > _JOINED_CHARS:
            yield first, i
            first, chars = i, 0
        chars += len(text) + 1
    if chars:
        yield first, len(texts)


def _key(sources: Sequence[Source], *, ascii_only: bool) -> str:
    """A digest of all that a database depends on."""
    from importlib.metadata import version

    parts = [agenttrail.__version__, version("hyperscan"), sys.version, str(ascii_only)]
    parts += [f"{s.flags} {s.pattern} {s.relaxed_other}" for s in sources]
    relaxer = Path(relax.__code__.co_filename).read_bytes()
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass") + relaxer).hexdigest()


def cache_folder() -> Path | None:
    """Where databases are kept; None where there is no home."""
    base = os.environ.get("XDG_CACHE_HOME")
    with contextlib.suppress(RuntimeError):
        if base:
            return Path(base) / "agenttrail"
        local = "Library/Caches" if sys.platform == "darwin" else ".cache"
        return Path.home() / local / "agenttrail"
    return None


def _load(key: str) -> bytes | None:
    folder = cache_folder()
    if folder is None:
        return None
    try:
        data = (folder / f"{key}.hsdb").read_bytes()
    except OSError:
        return None
    digest, content = data[:32], data[32:]
    return content if hashlib.sha256(content).digest() == digest else None


def _keep(key: str, content: bytes) -> None:
    """Keeps it where that is possible; a start without it is only slower."""
    folder = cache_folder()
    if folder is None:
        return
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(dir=folder, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
            Path(path).replace(folder / f"{key}.hsdb")
        except OSError:
            Path(path).unlink(missing_ok=True)
