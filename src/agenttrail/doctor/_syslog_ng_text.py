"""syslog-ng's configuration as a tree of words with what stands in their parentheses and braces.

Source: syslog-ng 3.38 (lib/cfg-lex.l, cfg-grammar.y; the administration guide).

Limits: `@include`, `block` and backtick variables are not expanded; Python code is kept as a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_WORD = re.compile(r"""[^\s(){};,"'#]+""")
_STRING = re.compile(r'"(?:\\.|[^"\\])*"|\'[^\']*\'', re.S)


@dataclass(slots=True, kw_only=True)
class Word:
    """One word or quoted text.

    Args:
        inside: offset behind its opening parenthesis; -1 where it has none.
        paren: what stands in its parentheses.
        brace: what stands in its braces, or None where it has none.
        end: offset behind its last parenthesis or brace.
    """

    text: str
    line: int
    start: int
    end: int = 0
    inside: int = -1
    paren: list[Word] = field(default_factory=list)
    brace: list[Word] | None = None
    code: str = ""

    def get(self, name: str) -> Word | None:
        """The option of this name in its parentheses."""
        return next((w for w in self.paren if w.text == name), None)

    def value(self, name: str) -> str:
        """The first text in that option's parentheses, or an empty one."""
        option = self.get(name)
        return option.paren[0].text if option and option.paren else ""

    def every(self) -> Iterator[Word]:
        yield self
        for word in (*self.paren, *(self.brace or ())):
            yield from word.every()


def parse(text: str) -> list[Word]:
    """The top level. What does not close ends with the text."""
    return _Parser(text).words("")


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def words(self, closing: str) -> list[Word]:
        found: list[Word] = []
        while True:
            self._skip()
            if self.at >= len(self.text):
                return found
            sign = self.text[self.at]
            if sign == closing:
                self.at += 1
                return found
            if sign in ")},;" or (sign in "({" and not found):
                self.at += 1
                continue
            if sign == "(":
                self.at += 1
                found[-1].inside = self.at
                found[-1].paren = self.words(")")
                found[-1].end = self.at
            elif sign == "{":
                self.at += 1
                if found[-1].text == "python":
                    found[-1].code = self._code()
                    found[-1].brace = []
                else:
                    found[-1].brace = self.words("}")
                found[-1].end = self.at
            else:
                found.append(self._word())

    def _word(self) -> Word:
        start = self.at
        line = self.text.count("\n", 0, start) + 1
        match = _STRING.match(self.text, start) or _WORD.match(self.text, start)
        if match is None:  # a quote that does not close
            self.at += 1
            return Word(text="", line=line, start=start, end=self.at)
        self.at = match.end()
        plain = match.group()
        if plain[0] in "\"'":
            plain = plain[1:-1]
        return Word(text=plain, line=line, start=start, end=self.at)

    def _skip(self) -> None:
        while self.at < len(self.text):
            if self.text[self.at].isspace():
                self.at += 1
            elif self.text[self.at] in "#@" and (self.text[self.at] == "#" or self._begins_line()):
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return

    def _begins_line(self) -> bool:
        return not self.text[self.text.rfind("\n", 0, self.at) + 1 : self.at].strip()

    def _code(self) -> str:
        start, depth = self.at, 1
        while self.at < len(self.text) and depth:
            depth += (self.text[self.at] == "{") - (self.text[self.at] == "}")
            self.at += 1
        return self.text[start : self.at - 1]
