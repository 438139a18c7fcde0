"""Keys of the operators: where they are kept, and what they must be.

A key is 32 bytes written as hex or base64 on one line, in a file or an environment variable, never
in the pipeline file: `openssl rand -hex 32 > FILE`.

Limits: who may read the file is the system's business; agenttrail does not look at its mode.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from agenttrail.errors import OptionError

_ID = re.compile(r"[a-z]\d{1,3}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")
_BYTES = 32
_HINT = "openssl rand -hex 32 > FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOptions:
    """One key: its id, which stands in every marker made with it, and where it is kept."""

    id: Annotated[str, "A small letter and a number, as k1; never used again for another key."]
    file: Annotated[str | None, "File that holds the key as hex or base64."] = None
    env: Annotated[str | None, "Environment variable that holds it."] = None

    def __post_init__(self) -> None:
        # So short that nothing can be written in the place of an id.
        if not _ID.fullmatch(self.id):
            raise OptionError("id", "is a small letter and up to three digits", hint="id: k1")
        if (self.file is None) == (self.env is None):
            raise OptionError("file", "a key stands in a file or in an environment variable", hint="write either file: PATH or env: NAME")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is used; its secret is in no repr."""

    id: str
    secret: bytes = field(repr=False)


def check_keys(option: str, keys: Sequence[KeyOptions], letter: str) -> None:
    """Checks the ids of one list of keys.

    Raises:
        OptionError: an id is given twice or begins with another letter than `letter`.
    """
    ids = [key.id for key in keys]
    if len(set(ids)) < len(ids):
        raise OptionError(option, "two keys have one id")
    if any(not name.startswith(letter) for name in ids):
        raise OptionError(option, f"ids of these keys begin with {letter}", hint=f"id: {letter}1")


def read_keys(
    option: str, keys: Sequence[KeyOptions], environment: Mapping[str, str] | None = None
) -> tuple[Key, ...]:
    """The keys, in their order.

    Args:
        option: named in errors.
        keys: where they are kept.
        environment: instead of this process's.

    Raises:
        OptionError: one is missing or is no key; the message names its id and place, no more.
    """
    return tuple(Key(key.id, _read(option, key, environment)) for key in keys)


def _read(option: str, key: KeyOptions, environment: Mapping[str, str] | None) -> bytes:
    place = f"the file of key {key.id}" if key.file else f"${key.env} of key {key.id}"
    if key.file is not None:
        try:
            text = Path(key.file).read_text(encoding="ascii", errors="replace")
        except OSError as error:
            raise OptionError(option, f"{place} cannot be read: {error.strerror}", hint=_HINT) from None  # fmt: skip
    else:
        found = (os.environ if environment is None else environment).get(str(key.env))
        if found is None:
            raise OptionError(option, f"the environment has no {key.env}", hint=_HINT)
        text = found
    secret = _decoded(text.strip())
    if secret is None or len(secret) != _BYTES:
        raise OptionError(option, f"{place} does not hold 32 bytes as hex or base64", hint=_HINT)
    return secret


def _decoded(text: str) -> bytes | None:
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return None
