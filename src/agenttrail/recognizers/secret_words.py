"""What tells a secret from its look-alikes: placeholders, references to a secret, entropy."""

from __future__ import annotations

import math
import re
from collections import Counter

# ${VAR} $VAR $(cmd) `cmd` %VAR% {{ value }} <value> [value] *** ...
_TEMPLATE = re.compile(
    r"\$[A-Za-z_]\w*|[`<\[{(].*|%\w+%|\*+|.*(?:\$[{(]|\{\{|\*{3,}|\.{3,}|…).*|ENC\[.*",
    re.DOTALL,
)
# env.NAME, settings.key, calls, indexes, paths, addresses of a vault
_MEMBER = re.compile(
    r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|[A-Za-z_][\w.]*[(\[].*"
    r"|(?:vault|ssm|op|secretsmanager|arn|file|https?):.*|[/~.]{1,2}[a-z][\w.-]*/.*",
    re.DOTALL,
)
_PLACEHOLDER = re.compile(
    r".*(?:example|sample|dummy|placeholder|changeme|change[_-]me|redacted|your[_-]|_here\b|\bhere$|insert|replace|x{5,}|0{8,}).*"
    r"|(?:my|the|some|test|fake|your|new|old|user|admin)?[_-]?(?:api)?[_-]?(?:password|passwd|passphrase|secret|token|key|value|credentials?)s?\d?",
    re.IGNORECASE | re.DOTALL,
)
# What stands behind "password:" in messages, schemas and forms.
_WORDS = frozenset(
    [
        "string",
        "str",
        "text",
        "hidden",
        "input",
        "field",
        "null",
        "none",
        "nil",
        "true",
        "false",
        "undefined",
        "required",
        "optional",
        "incorrect",
        "invalid",
        "wrong",
        "missing",
        "reset",
        "changed",
        "expired",
        "protected",
        "forgotten",
        "empty",
        "unset",
        "must",
        "should",
        "cannot",
        "with",
        "from",
        "that",
        "this",
        "is",
        "was",
        "not",
        "for",
        "and",
        "the",
        "are",
        "has",
        "have",
        "bool",
        "boolean",
        "number",
        "integer",
        "int",
        "bytes",
        "object",
        "array",
        "type",
        "auth",
        "basic",
        "bearer",
        "oauth2",
        "default",
        "unknown",
        "disabled",
        "enabled",
        "masked",
        "secret",
        "password",
        "token",
        "yes",
        "no",
        "ok",
        "failed",
        "needed",
        "unchanged",
        "confirm",
        "confirmation",
        "strength",
        "policy",
    ]
)


def is_template(value: str) -> bool:
    """True for what is filled in elsewhere, is masked already, or is one sign repeated."""
    bare = value.strip("\"'`,;")
    # `etcdctl get …` up to its first space: a command whose output it is.
    if value[:1] == "`" and value.count("`") == 1:
        return True
    return len(set(bare.lower())) <= 2 or _TEMPLATE.fullmatch(bare) is not None


def is_reference(value: str) -> bool:
    """True for what names a secret and is none: a template, a variable, a call, a path."""
    return is_template(value) or _MEMBER.fullmatch(value.strip("\"'`,;")) is not None


def is_placeholder(value: str) -> bool:
    """True for what stands where a secret would: a word, a reference, an example, one repeated sign."""
    bare = value.strip("\"'`,;")
    if len(set(bare.lower())) <= 3 or bare.lower() in _WORDS:
        return True
    return is_reference(value) or _PLACEHOLDER.fullmatch(bare) is not None


def entropy(text: str) -> float:
    """Shannon entropy in bits a character; 0 for one repeated character."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def looks_random(value: str) -> bool:
    """True for a value that no person made: digits among letters, or mixed case that is no word.

    Numbers alone, UUIDs, digests that name themselves, versions and words in camel case are not.
    """
    if len(value) < 10 or value.isdecimal() or _NAMED.fullmatch(value):
        return False
    letters = any(c.isalpha() for c in value)
    if not letters or any(ord(c) > 0x7E for c in value):
        return False
    if any(c.isdecimal() for c in value):
        return entropy(value) >= 2.9 and not _WORDY.fullmatch(value)
    mixed = any(c.islower() for c in value) and any(c.isupper() for c in value)
    return len(value) >= 20 and mixed and entropy(value) >= 4.0 and not _CAMEL.fullmatch(value)


_NAMED = re.compile(
    r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
    r"|(?:sha\d{1,3}|md5)[:=-].*|v?\d+(?:\.\d+){1,3}\S{0,12}|\d{4}-\d\d-\d\d.*"
)
# words with a number behind them: prod-db-2, key_12, us-east-1
_WORDY = re.compile(r"[A-Za-z]{2,}(?:[_.:/-][A-Za-z]{2,})*[_.:/-]?\d{0,4}")
_CAMEL = re.compile(r"[A-Z]?[a-z]{2,}(?:[A-Z][a-z]+|[_.-][A-Za-z]+)*")
