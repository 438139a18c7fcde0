"""`agenttrail unmask`: encrypted values made readable, for who holds the key, and on record.

Before a single value is printed, an event of its own is appended to the audit log and is on disk:
who (the account of this process), when, why, which file, how many values of which kind; never a
value. Where it cannot be written, nothing is printed.

Limits: the record is as safe as the file that it is appended to: ship it (it is an event of our
schema, readable by the format `agenttrail`) to a place where the same person cannot change it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import pwd
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from agenttrail.errors import AgenttrailError, OptionError, UsageError

if TYPE_CHECKING:
    import re

    from agenttrail.masks._operators import Vault

POLICY = "unmask/1"
_ANY_KEY = "e0"


def add(verbs: Any) -> None:
    """Adds the verb."""
    parser = verbs.add_parser(
        "unmask",
        help="encrypted values made readable, for who holds the key, and on record",
        description="Prints a file with its encrypted values decrypted. First it appends an event to the audit log that says who did it, when, why, and how many values of which kind.",
    )
    parser.add_argument("file", metavar="FILE", help="masked lines; - is standard input")
    parser.add_argument("--key-file", action="append", default=[], metavar="[ID=]FILE", help="key, as hex or base64; with an id (e1=FILE) only for markers that name it; can be repeated")  # fmt: skip
    parser.add_argument("-c", "--config", metavar="FILE", help="use the encryption_keys of this pipeline")  # fmt: skip
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why; it stands in the audit log")  # fmt: skip
    parser.add_argument("--audit-log", required=True, metavar="FILE", help="JSON Lines file that the record of this is appended to")  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints to standard output; 1 where a value could not be decrypted."""
    if not arguments.reason.strip():
        raise UsageError("--reason must say why")
    vaults = _vaults(arguments.key_file, arguments.config)
    with _opened(arguments.file) as file:
        opened: Counter[str] = Counter()
        left: Counter[str] = Counter()
        lines = 0
        for line in file:
            lines += 1
            _unmasked(line, vaults, opened, left)
        event = _event(
            arguments.file, arguments.reason, lines, opened, datetime.now(UTC), failed=bool(left)
        )
        _append(arguments.audit_log, event)
        file.seek(0)
        for line in file:
            sys.stdout.buffer.write(_unmasked(line, vaults, Counter(), Counter()))
    sys.stderr.write(f"{opened.total()} values decrypted, recorded in {arguments.audit_log}\n")
    if left:
        sys.stderr.write(f"{left.total()} values have another key or were changed: left as they are\n")  # fmt: skip
    return 1 if left else 0


def _vaults(files: list[str], config: str | None) -> list[tuple[str, Vault]]:
    """Ids and keys; the id `e0` of a key given without one stands for every id."""
    from agenttrail.keys import KeyOptions, read_keys
    from agenttrail.masks._operators import Vault

    keys = []
    for given in files:
        name, found, path = given.partition("=")
        keys.append(KeyOptions(id=name, file=path) if found else KeyOptions(id=_ANY_KEY, file=given))  # fmt: skip
    if config is not None:
        from agenttrail.config import load

        keys += load(config).mask.encryption_keys
    if not keys:
        raise UsageError("no key", hint="--key-file e1=FILE, or -c pipeline.yaml with encryption_keys")  # fmt: skip
    try:
        return [(key.id, Vault(key)) for key in read_keys("--key-file", keys)]
    except OptionError as error:
        raise UsageError(error.message, hint=error.hint) from None


def _opened(path: str) -> IO[bytes]:
    """A file that can be read twice; of a pipe a copy, which is masked still."""
    try:
        file = sys.stdin.buffer if path == "-" else open(path, "rb")  # noqa: SIM115
        if file.seekable() and path != "-":
            return file
        kept = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
        with file:
            shutil.copyfileobj(file, kept)
        kept.seek(0)
        return kept
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _unmasked(
    line: bytes, vaults: list[tuple[str, Vault]], opened: Counter[str], left: Counter[str]
) -> bytes:
    """A line with every marker opened that a key opens; counts both kinds."""
    if b":e" not in line:
        return line
    from agenttrail import jsontext
    from agenttrail.masks._markers import SEALED

    def value_of(match: re.Match[str]) -> str:
        for name, vault in vaults:
            if name in (match["key"], _ANY_KEY):
                value = vault.open(match["kind"], match["body"])
                if value is not None:
                    opened[match["kind"]] += 1
                    return value
        left[match["kind"]] += 1
        return match.group()

    def walked(value: Any) -> Any:
        if isinstance(value, dict):
            return {walked(key): walked(item) for key, item in value.items()}
        if isinstance(value, list):
            return [walked(item) for item in value]
        return text(value) if isinstance(value, str) and SEALED.search(value) else value

    def text(value: str) -> str:
        # JSON in a string stays JSON, whatever a value holds.
        if value.lstrip()[:1] in ("{", "["):
            try:
                return jsontext.dumps(walked(jsontext.loads(value))).decode()
            except ValueError:
                pass
        return SEALED.sub(value_of, value)

    string = line.decode("utf-8", "surrogateescape")
    bare = string.rstrip("\r\n")
    if not SEALED.search(bare):
        return line
    return (text(bare) + string[len(bare) :]).encode("utf-8", "surrogateescape")


def _event(
    path: str, reason: str, lines: int, opened: Mapping[str, int], now: datetime, *, failed: bool
) -> bytes:
    from agenttrail import fields as f
    from agenttrail import jsontext

    account = os.getuid()
    try:
        who = pwd.getpwuid(account).pw_name
    except KeyError:  # an account without a name, as in a container
        who = str(account)
    fields: dict[str, Any] = f.CONSTANTS | {
        f.TIMESTAMP: now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        f.EVENT_KIND: "event",
        f.EVENT_CATEGORY: ["file"],
        f.EVENT_TYPE: ["access"],
        f.EVENT_ACTION: "unmask",
        f.EVENT_OUTCOME: "failure" if failed and not opened else "success",
        f.EVENT_REASON: reason,
        f.DATA_STREAM_NAMESPACE: "default",
        f.USER_ID: str(account),
        f.USER_NAME: who,
        f.SOURCE_TYPE: "unmask",
        f.SOURCE_FORMAT: "agenttrail",
        f.SOURCE_FILE: path,
        f.SOURCE_LINE: 1,
        f.SOURCE_LINES: lines,
        f.SOURCE_TIME: "read",
        f.PII_MASKED: 0,
        f.PII_POLICY: POLICY,
        f.PII_UNMASKED: dict(sorted(opened.items())),
    }
    digest = hashlib.sha256(jsontext.dumps(f.to_document(fields)) + str(os.getpid()).encode())
    fields[f.EVENT_ID] = digest.hexdigest()[:32]
    return jsontext.dumps(f.to_document(fields)) + b"\n"


def _append(path: str, line: bytes) -> None:
    """Appends a line and waits until it is on disk.

    Raises:
        AgenttrailError: it cannot be written; nothing was unmasked then.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.write(handle, line) < len(line):
                raise OSError(28, "No space left on device")
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise AgenttrailError(f"{path} cannot be written: {error.strerror}", hint="nothing was unmasked: it must be on record") from None  # fmt: skip
