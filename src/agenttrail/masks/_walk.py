r"""One pass over one event: what is text, what is left alone, and where findings are put back.

Left alone in a text are values that no personal data fits: ids that machines make, digests, UUIDs
and timestamps. JSON inside a string is parsed, masked and put back as compact JSON; a string in
which nothing was found stays as it was, byte for byte.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from agenttrail import fields as f
from agenttrail import jsontext
from agenttrail.masks._encoded import encode, is_described, whole, without_content
from agenttrail.masks._findings import Finding, render
from agenttrail.masks._objects import (
    SCHEMA_KEYS,
    SCHEMA_VALUES,
    free_key,
    has_twins,
    is_plain,
    is_schema,
    is_settled,
    keys_of,
    names_next,
)
from agenttrail.masks._operators import Keep, Operator, Operators
from agenttrail.masks._people import is_written_name
from agenttrail.masks._reader import Mode, Reader
from agenttrail.masks._rules import (
    holds_secrets,
    is_count,
    is_time,
    kind_of,
    number_kind,
)

# Nesting that is kept as objects; deeper values become JSON in a string: Elasticsearch refuses a
# document whose flattened field is nested deeper than its depth_limit.
MAX_LEVELS = 32
_LEVELS = {0: b"0", 1: b"1"}
# Each round masks more of a text, so it ends by itself; the bound is for a detector gone wrong.
_ROUNDS = 10
_REMEMBERED_CHARS = 500
# Of one key with its value.
_REMEMBERED_PAIR_CHARS = 4_000
# Of a text that is too long so much is read at least, or nothing.
_LEAST_HEAD = 1_000
# Base64 in base64: deeper is no text but content.
_FRAMES = 3  # objects begun in a text before it is taken for no more than text
_LAYERS = 3
_LONE = re.compile("[\ud800-\udfff]")
_WORD = re.compile(r"[A-Za-zÀ-ɏ]+")
_ONE_NAME = re.compile(r"[A-ZÀ-Þ][a-zß-ÿ'’-]{2,}")
_WORDS = re.compile(r"[A-Za-z]{1,64}(?:[_./:$-]{1,2}[A-Za-z]{1,64}){1,7}")
_SEPARATOR = re.compile(r"[_./:$-]")
# MCP 2026-07-28, Streamable HTTP: header values that are not ASCII.
_BASE64 = re.compile(r"=\?base64\?([A-Za-z0-9+/=]*)\?=")


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that was masked: where (dotted path), what, and who found it.

    `start` and `end` are offsets into the string at `path` as it was when this was found; both are
    0 where the whole value was replaced.
    """

    path: str
    entity: str
    start: int
    end: int
    score: float
    recogniser: str
    operator: str = "replace"


class Walk:
    """Masks the values of one event. What the reader does not know yet stays, and is noted there."""

    # Whether what was seen to stay as it is need not be looked at again.
    _remembers = True

    def __init__(
        self, reader: Reader, operators: Operators, *, max_text_chars: int, max_event_chars: int
    ) -> None:
        self._reader = reader
        self._operators = operators
        self._pairs = reader.unchanged.pairs if self._remembers else {}
        # Characters that a field's text counts for, of those that stay.
        self.known_fields = reader.unchanged.fields if self._remembers else {}
        self._max_text_chars = max_text_chars
        self._chars_left = max_event_chars
        self._embedded = 0
        # True below a key that speaks of a secret: every string and number there is a part of it.
        self._in_secret = False
        # Masked by kind, kept by kind, and both by operator.
        self.counts: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()
        self.by_operator: Counter[str] = Counter()
        # What was masked and where, for who sets a list here: of many findings it is long.
        self.found: list[Found] | None = None
        self.path: list[str] = []
        self._layers = 0
        # Values that were written anew though nothing was found in them.
        self.rewritten = 0
        # True where the event is too large for a copy of its values.
        self.is_large = False
        # How often anything was found, kept or masked.
        self._counted = 0

    def whole(self, kind: str, value: str, recogniser: str = "field") -> str:
        """What stands for a whole value; where its kind is kept, what else it holds is masked."""
        operator = self._operators.choose(kind, self.path)
        finding = Finding(0, 0, kind, 1.0, recogniser)
        if isinstance(operator, Keep):
            kept = self.kept[kind]
            text = self.text(value)
            if self.kept[kind] == kept:
                self._count(finding, operator.type)
            return text
        self._count(finding, operator.type)
        return self._operators.marker(operator, kind, value)

    def is_marker(self, text: str) -> bool:
        return self._reader.is_marker(text)

    def value(self, value: Any, key: str = "", level: int = 1) -> Any:
        """Any JSON value masked; same type, but that a personal number becomes a string."""
        if isinstance(value, str):
            return self._keyed(value, key)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            return self._number(value, key)
        if level > MAX_LEVELS and not self._embedded:
            return self._as_text(value, key, level)
        if not isinstance(value, (dict, list, tuple)):
            raise TypeError("not a JSON value")
        outer = self._in_secret
        describes = isinstance(value, dict) and is_schema(value)
        self._in_secret = outer or (holds_secrets(key) and not describes)
        try:
            if isinstance(value, dict):
                return self._object(value, level, key if describes else "")
            return self._list(value, key, level)
        finally:
            self._in_secret = outer

    def text(self, value: str, key: str = "", mode: Mode | None = None) -> str:
        """A string masked: left alone, or as JSON, or as words."""
        unchanged = self._reader.unchanged.texts.get(value)
        if unchanged is not None and unchanged <= self._chars_left:
            self._chars_left -= unchanged
            return value
        if not value.isascii():
            value = _LONE.sub("\ufffd", value)
        if not value or is_settled(value) or self.is_marker(value) or is_time(value, key):
            return value
        if len(value) >= 12:
            plain = self._decoded(value, key)
            if plain is not None:
                return plain
        if value.lstrip()[:1] in ("{", "[", '"'):
            masked = self._json(value, key)
            if masked is not None:
                return masked
        elif '{"' in value and (masked := self._framed(value, key)) is not None:
            return masked
        how = mode or self._mode(value, key)
        before = self._chars_left
        masked = self.words(value, how)
        if (
            masked == value
            and mode is None
            and not self._layers
            and len(value) <= _REMEMBERED_CHARS
            and (how == "prose" or not _ONE_NAME.fullmatch(value.strip()))
            and self._reader.ask(value, how) == ()
        ):
            self._reader.unchanged.text(value, before - self._chars_left)
        return masked

    def _decoded(self, value: str, key: str) -> str | None:
        """A string with content that is no text, or with text in base64, masked; else None."""
        match = _BASE64.fullmatch(value) if value.startswith("=?") else None
        if match:
            return self._base64(value, match.group(1), key)
        without = without_content(value)
        if without != value:
            self.rewritten += 1
            return without if is_described(without) else self.text(without, key)
        if is_described(value):
            return value
        read = whole(value)
        if read is None or self._layers >= _LAYERS:
            return None
        before = self.counts.total() + self.rewritten
        self._layers += 1
        masked = self.text(read, key)
        self._layers -= 1
        if self.counts.total() + self.rewritten == before:
            return None
        return self.words(encode(masked, value), "plain")

    def word(self, value: str) -> str:
        """A string masked that is one word, of which a name may be a part: replaced whole then."""
        if _WORDS.fullmatch(value):
            findings = self._reader.ask(_SEPARATOR.sub(" ", value), "prose")
            if findings:
                return self.whole(findings[0].entity, value, findings[0].recogniser)
        return self.text(value)

    def words(self, value: str, mode: Mode) -> str:
        """A string masked as nothing but text."""
        size = len(self._reader.bare(value))
        most = min(self._max_text_chars, self._chars_left)
        if size > most:
            head = _head(value, most)
            end = self.whole("TEXT_TOO_LONG", "", "size")
            return f"{self.words(head, mode)} {end}" if head else end
        self._chars_left -= size
        for _ in range(_ROUNDS):
            findings = self._reader.ask(value, mode)
            if not findings:
                break
            chosen = [(f, self._operators.choose(f.entity, self.path)) for f in findings]
            masked = [(f, operator) for f, operator in chosen if not isinstance(operator, Keep)]
            for finding, operator in masked or chosen:
                self._count(finding, operator.type)
            if not masked:
                break
            value = self._put(value, masked)
        return value

    def _put(self, value: str, masked: Sequence[tuple[Finding, Operator]]) -> str:
        markers = [
            self._operators.marker(operator, f.entity, value[f.start : f.end])
            for f, operator in masked
        ]
        return render(value, [f for f, _ in masked], markers)

    def _count(self, finding: Finding, operator: str) -> None:
        self._counted += 1
        (self.kept if operator == Keep.type else self.counts)[finding.entity] += 1
        self.by_operator[operator] += 1
        if self.found is not None:
            self.found.append(
                Found(
                    ".".join(self.path),
                    finding.entity,
                    finding.start,
                    finding.end,
                    finding.score,
                    finding.recogniser,
                    operator,
                )
            )

    def _keyed(self, value: str, key: str) -> str:
        # Deep in base64 a text is not decoded any more: what stays there need not stay elsewhere.
        if self._in_secret or self._layers or len(value) > _REMEMBERED_PAIR_CHARS or not self._remembers:  # fmt: skip
            return self._named(value, key)
        pair = key, value
        chars = self._pairs.get(pair)
        if chars is not None and chars <= self._chars_left:
            self._chars_left -= chars
            return value
        before, left = self._mark(), self._chars_left
        masked = self._named(value, key)
        if masked == value and self._mark() == before:
            self._reader.unchanged.pair(pair, left - self._chars_left)
        return masked

    @property
    def is_quiet(self) -> bool:
        """True where nothing was found so far."""
        return not self._counted

    def afford(self, chars: int) -> bool:
        """Counts characters as read, where so many may be; False counts nothing."""
        if chars > self._chars_left:
            return False
        self._chars_left -= chars
        return True

    def field(self, name: str, value: Any, mask: Callable[[f.Field, Any, Walk], Any]) -> Any:
        """A field's value masked, and a string that stays as it is remembered."""
        if type(value) is not str or len(value) > _REMEMBERED_CHARS or not self._remembers:
            return mask(f.FIELDS[name], value, self)
        before, left = self._mark(), self._chars_left
        masked = mask(f.FIELDS[name], value, self)
        if masked == value and self._mark() == before:
            self._reader.unchanged.field(name, value, left - self._chars_left)
        return masked

    def _mark(self) -> tuple[int, int, int]:
        """Equal before and after something in which nothing was found, asked in vain or rewritten."""
        return self._counted, self.rewritten, len(self._reader.missed)

    def remembered(self, value: Any, level: int = 1) -> Any:
        """A nested value masked, as `value` masks it: at once where an equal one stayed as it was."""
        if self.is_large or not self._remembers:
            return self.value(value, level=level)
        # Not the text but a digest of it: values are long, and few come again.
        digest = hashlib.blake2b(
            jsontext.dumps(value), digest_size=16, salt=_LEVELS[level]
        ).digest()
        chars = self._reader.unchanged.values.get(digest)
        if chars is not None and chars <= self._chars_left:
            self._chars_left -= chars
            return value
        before, left = self._mark(), self._chars_left
        masked = self.value(value, level=level)
        if masked == value and self._mark() == before:
            self._reader.unchanged.value(digest, left - self._chars_left)
        return masked

    def _named(self, value: str, key: str) -> str:
        kind = kind_of(key) or ("SECRET" if self._in_secret else None)
        if kind is None and is_written_name(key, value):
            kind = "PERSON"
        if kind is None or not value.strip() or self.is_marker(value):
            return self.text(value, key)
        return self.whole(kind, value, "key")

    def _number(self, value: int | float, key: str) -> int | float | str:
        kind = kind_of(key)
        if kind == "SECRET" and not self._in_secret and is_count(value, key):
            kind = None
        if kind is None and self._in_secret:
            kind = "SECRET"
        if kind is not None:
            return self._whole_number(kind, value, "key")
        if isinstance(value, int) or value.is_integer():
            kind = number_kind(abs(int(value)), key)
            if kind is not None:
                return self._whole_number(kind, value, "number")
        return value

    def _whole_number(self, kind: str, value: int | float, recogniser: str) -> int | float | str:
        operator = self._operators.choose(kind, self.path)
        if isinstance(operator, Keep):
            self._count(Finding(0, 0, kind, 1.0, recogniser), operator.type)
            return value
        text = str(int(value)) if value == value // 1 else jsontext.dumps(value).decode()
        return self.whole(kind, text, recogniser)

    def _object(self, value: dict[str, Any], level: int, schema_of: str = "") -> dict[str, Any]:
        names = tuple(value)
        shape = keys_of(names)
        keys = {} if shape.is_plain else {key: self.key(key) for key in names}
        taken = {masked for key, masked in keys.items() if masked == key}
        # {"name": "Authorization", "value": "…"}: the key stands beside its value.
        said = ""
        if shape.names and shape.values:
            beside = [item for key in shape.names if isinstance(item := value[key], str)]
            said = next((name for name in beside if kind_of(name)), beside[0] if beside else "")
        known = {} if self._in_secret or self._layers else self._pairs
        masked: dict[str, Any] = {}
        for key, item in value.items():
            by = said if said and key in shape.values else key
            if schema_of and key in SCHEMA_VALUES:
                by = schema_of
            place = key if shape.is_plain else keys[key]
            chars = known.get((by, item)) if type(item) is str else None
            if chars is not None and chars <= self._chars_left:
                self._chars_left -= chars
                result = item
            else:
                self.path.append(place)
                result = self.value(item, by, level + 1)
                self.path.pop()
            masked[place if place == key else free_key(place, taken)] = result
        return masked

    def _list(
        self, value: list[Any] | tuple[Any, ...], key: str, level: int, *, inner: bool = False
    ) -> list[Any]:
        masked = []
        before = ""
        for index, item in enumerate(value):
            self.path.append(str(index))
            # The key speaks for a list of strings, not for objects inside the list.
            if isinstance(item, (list, tuple)) and not self._in_secret and level < MAX_LEVELS:
                masked.append(self._list(item, key, level + 1, inner=True))
            else:
                by = before if names_next(before, item, is_pair=inner and len(value) == 2) else key
                masked.append(self.value(item, by.lstrip("-"), level + 1))
            before = item if isinstance(item, str) else ""
            self.path.pop()
        return masked

    def key(self, key: str) -> str:
        """A key masked."""
        if is_plain(key):
            return key
        return self.words(without_content(_LONE.sub("\ufffd", key)), self._mode(key, ""))

    def _mode(self, text: str, key: str) -> Mode:
        """Prose is what the model can say something about: two words, or one capitalised."""
        stripped = text.strip()
        if _ONE_NAME.fullmatch(stripped):
            return "plain" if key in SCHEMA_KEYS else "prose"
        bare = stripped if "<" not in text else self._reader.bare(text).strip()
        if len(bare.split(None, 1)) < 2 and "%20" not in bare and "+" not in bare:
            return "plain"
        words = _WORD.finditer(bare)
        return "prose" if next(words, None) and next(words, None) else "plain"

    def _as_text(self, value: Any, key: str, level: int) -> str:
        self._embedded += 1
        try:
            return jsontext.dumps(self.value(value, key, level)).decode()
        finally:
            self._embedded -= 1

    def _json(self, value: str, key: str) -> str | None:
        """A string that holds JSON with its values masked; None where it holds none."""
        try:
            parsed = jsontext.loads(value)
        except ValueError:
            return None
        if not isinstance(parsed, (dict, list, str)):
            return None
        before = self.counts.total() + self.rewritten
        self._embedded += 1
        try:
            masked = self.value(parsed, key if isinstance(parsed, list) else "")
        finally:
            self._embedded -= 1
        if self.counts.total() + self.rewritten == before and not has_twins(value):
            return value
        return jsontext.dumps(masked).decode()

    def _framed(self, value: str, key: str) -> str | None:
        """A text with a JSON object in it (a line of a log in its frame), masked; None where that is no more than text."""
        start = -1
        for _ in range(_FRAMES):
            start = value.find('{"', start + 1)
            if start < 0:
                return None
            try:
                parsed, length = jsontext.loads_prefix(value[start:])
            except ValueError:
                continue
            inner = value[start : start + length].rstrip()
            masked = self._json(inner, key) if isinstance(parsed, dict) else None
            if masked is None or masked == inner:
                return None  # its names say no more than its text does
            before, behind = value[:start], value[start + len(inner) :]
            return self.text(before, key) + masked + (self.text(behind, key) if behind else "")
        return None

    def _base64(self, value: str, encoded: str, key: str) -> str:
        try:
            decoded = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return self.words(value, "plain")
        before = self.counts.total()
        masked = self.text(decoded, key)
        return value if self.counts.total() == before else masked


def _head(text: str, most: int) -> str:
    """The words of a text up to `most` characters; nothing where that is not worth reading.

    It ends before a space, which is in no marker, and before a word that would be cut in two.
    """
    if most < _LEAST_HEAD:
        return ""
    end = max(text.rfind(space, most - _LEAST_HEAD // 2, most) for space in " \n\t")
    return text[:end].rstrip() if end > 0 else ""
