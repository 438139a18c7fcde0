"""What was seen to stay as it is, so that it need not be looked at again.

Each thing that stays counts for the characters that were read to see it, as if they were read again: so
an event that is too large is cut in the same place whether its values are known or not. What stays
depends on no operator, since nothing was found in it.
"""

from __future__ import annotations

# Of a remembered thing beside its text.
_OVERHEAD_CHARS = 100


class Unchanged:
    """Characters by what stays; bounded by so many characters, of which all are forgotten at once."""

    def __init__(self, most_chars: int) -> None:
        self.texts: dict[str, int] = {}  # under any key
        self.pairs: dict[tuple[str, str], int] = {}  # a key in an object, and a text
        self.fields: dict[tuple[str, str], int] = {}  # a field, and a text
        self.values: dict[bytes, int] = {}  # digests of nested values
        self._chars = 0
        self._most_chars = most_chars

    def text(self, text: str, chars: int) -> None:
        """A text stays under any key."""
        self._chars += len(text) + _OVERHEAD_CHARS
        self.texts[text] = chars

    def pair(self, pair: tuple[str, str], chars: int) -> None:
        """A text stays under this key."""
        self._chars += len(pair[1]) + _OVERHEAD_CHARS
        self.pairs[pair] = chars

    def field(self, name: str, text: str, chars: int) -> None:
        """A text stays in this field."""
        self._chars += len(text) + _OVERHEAD_CHARS
        self.fields[name, text] = chars

    def value(self, digest: bytes, chars: int) -> None:
        """A nested value of this digest stays."""
        self._chars += _OVERHEAD_CHARS
        self.values[digest] = chars

    def trim(self) -> None:
        """Forgets everything where it is more than may be remembered."""
        if self._chars > self._most_chars:
            for each in (self.texts, self.pairs, self.fields, self.values):
                each.clear()
            self._chars = 0
