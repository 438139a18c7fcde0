"""Shapes of the structural strings of `fields.py`: what fits is left alone by the mask.

A shape must not fit personal data; where it is loose enough to, it says so and is searched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a structural string must look like to be left alone.

    `scan` is True where the shape is loose enough to fit a phone number or a card: then it is still
    searched by patterns (not by the language model, which sees names in identifiers). With `words`
    a value that does not fit is read by the model too, its separators as spaces.
    """

    name: str
    pattern: re.Pattern[str]
    scan: bool = False
    words: bool = False

    def fits(self, value: str) -> bool:
        return self.pattern.fullmatch(value) is not None


# Hex that is no number with a letter in it. Digests have three letters and more, all but 1 in 20,000.
_HEX = (
    r"(?:(?=[0-9]{0,14}[a-f])(?![0-9a-f]{0,8}\d{7})[0-9a-f]{8,15}"
    r"|(?![0-9a-f]{0,19}\d{12})[0-9a-f]{16,31}|(?=(?:[0-9]{0,125}[a-f]){3})[0-9a-f]{32,128})"
)
# Ids that machines make. A long run of digits, also one cut by dashes, is in none of them: it may be
# a card or a phone. A prefixed one has a letter behind a digit, which names and years have not.
_MADE = (
    r"(?=[0-9-]{0,35}[a-fA-F]|0{8}-)[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    rf"|(?=[0-9a-f]{{16,64}}\Z){_HEX}"
    r"|(?=[0-9A-Z]{0,25}[A-Z])(?![0-9A-Z]{0,17}\d{9})[0-7][0-9A-HJKMNP-TV-Z]{25}"  # ULID
    r"|(?:toolu|srvtoolu|call|fc|ctc|rs|msg|req|resp|chatcmpl|run|thread|trace|span|agent|task|sess|evt)"
    r"_(?:bdrk_|vrtx_|\d{2}_)?"
    rf"(?:(?=[0-9a-f]{{32,80}}\Z){_HEX}"
    r"|(?=[A-Za-z]{0,79}\d{1,6}[A-Za-z])(?![A-Za-z0-9]{0,73}\d{7})[A-Za-z0-9]{6,80})"
    r"|\d{1,6}"
)
MADE_ID = Shape(name="id", pattern=re.compile(_MADE))
TOKEN = Shape(name="token", pattern=re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/+~-]{0,255}"), scan=True)
# A code from a protocol: few, short, never a person. One of another shape (margaret.thatcher, or a
# class with its path) is read as the words it is made of.
_WORD = r"[A-Za-z_-][A-Za-z_-]{0,63}|-?\d{1,6}"
WORD = Shape(name="word", pattern=re.compile(_WORD), words=True)
CLASS = Shape(
    name="class of an error",
    pattern=re.compile(
        rf"{_WORD}|(?:[A-Za-z_]{{1,32}}[.:$]{{1,2}}){{1,6}}[A-Za-z_]{{0,48}}"
        r"(?:Error|Exception|Timeout|Interrupt|Exit|Failure|Fault|Warning|Refused)"
    ),
    words=True,
)
# Names of systems in OTel GenAI: aws.bedrock, gcp.vertex_ai.
PROVIDER = Shape(
    name="provider",
    pattern=re.compile(rf"{_WORD}|(?:aws|azure|gcp|ibm|oracle)(?:\.[a-z_]{{1,32}}){{1,3}}"),
    words=True,
)
# Methods of MCP 2024-11-05 to 2026-07-28 and of its extensions, and those that clients send of
# their own under their name. Any other is read as the words it is made of.
_METHOD = (
    r"initialize|ping|(?:server|tools|prompts|resources|roots|sampling|elicitation|completion|logging"
    r"|tasks|subscriptions|messages|events|notifications|ui|codex|claude)(?:/[a-zA-Z_]{1,40}){1,4}"
)
METHOD = Shape(name="method", pattern=re.compile(_METHOD), words=True)
ACTION = Shape(name="action", pattern=re.compile(rf"{_METHOD}|[a-z][a-z_-]{{0,63}}"), words=True)
VERSION = Shape(
    name="version",
    pattern=re.compile(r"v?\d{1,5}(?:[.-]\d{1,5}){0,3}(?:[-+.]?[A-Za-z0-9.+-]{0,32})?"),
    scan=True,
)
# Words of whoever runs agenttrail, from a file of theirs: a department, a rule, a channel, in any
# script. Searched by patterns, never by the model.
LABEL = Shape(name="label", pattern=re.compile(r"[^\x00-\x1f<>@]{1,200}"), scan=True)
HEX = Shape(name="hex", pattern=re.compile(_HEX))
DATE = Shape(
    name="date",
    pattern=re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z"),
)


def one_of(*values: str) -> Shape:
    """The shape of an enumeration."""
    return Shape(name="one of", pattern=re.compile("|".join(map(re.escape, values))))
