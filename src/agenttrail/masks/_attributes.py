"""Signals of OpenTelemetry masked in their own shape: attributes, names, bodies, events and links.

A `Signal` is what of a span, a log record, a resource or a scope may hold personal data, as plain
JSON; ids and times stay with the caller. Signals are masked in batches: every text of a batch is
analysed once. A signal is masked as a whole, its parts with it, or not at all.

- A known attribute (`_attribute_names`) is masked as its policy says: a personal one is replaced
  whole, a structural one is left alone while it has its shape, the rest is searched. Every other
  attribute is searched, and what its name says counts (`customer.email`).
- JSON held in a string is parsed, masked inside and written again; a string in which nothing was
  found stays byte for byte. Keys are masked too.
- Types stay, but that a personal number becomes a string. Bytes, `data:` URIs and long runs of base64
  become `data:<media type>;sha256=<first 16 hex>;bytes=<size>`, a hash where there is enough to hash.
- Masking twice changes nothing.

Fail closed: where masking a signal raises, of its attributes those stay that the envelope admits
while they have their shape, `agenttrail.pii.failed` and the class of the failure are added, names
become `<MASKING_FAILED>` and values None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from agenttrail import fields as f
from agenttrail import shapes
from agenttrail.masks._attribute_names import PARENTS, Policy, policy_of
from agenttrail.masks._encoded import described
from agenttrail.masks._envelope import named
from agenttrail.masks._objects import free_key, is_settled
from agenttrail.masks._rules import kind_of
from agenttrail.masks._walk import Walk

FAILED = "<MASKING_FAILED>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What of one span, log record, resource or scope may hold personal data.

    `names` are what programs call things: span and event names, scope names. `values` are bodies,
    status messages, anything else. `parts` are masked as signals and fail with their whole: a
    span's events and links.
    """

    attributes: Mapping[str, Any] = field(default_factory=dict)
    names: Sequence[str] = ()
    values: Sequence[Any] = ()
    parts: Sequence[Signal] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedSignal:
    """A signal that may leave, of the same shape: as many names, values and parts, in their order.

    `counts` are findings replaced, by kind, in the signal and its parts; empty on parts. `error` is
    the class of the failure where masking failed, else empty.
    """

    attributes: dict[str, Any]
    names: list[str]
    values: list[Any]
    parts: list[MaskedSignal]
    counts: dict[str, int] = field(default_factory=dict)
    error: str = ""

    @property
    def failed(self) -> bool:
        return self.error != ""


class AttributeWalk(Walk):
    """Masks the values of one signal; see the module."""

    def value(self, value: Any, key: str = "", level: int = 1) -> Any:
        if isinstance(value, (bytes, bytearray, memoryview)):
            self.rewritten += 1
            return described(bytes(value))
        return super().value(value, key, level)

    def whole_signal(self, signal: Signal) -> MaskedSignal:
        """The signal masked, with the counts of what was found."""
        masked = self._signal(signal)
        return replace(masked, counts=dict(sorted(self.counts.items())))

    def _signal(self, signal: Signal) -> MaskedSignal:
        return MaskedSignal(
            attributes=self._object(signal.attributes, level=1, is_attributes=True),
            names=[self.text(name, "name") for name in signal.names],
            values=[self.value(value) for value in signal.values],
            parts=[self._signal(part) for part in signal.parts],
        )

    def _object(
        self,
        value: Mapping[str, Any],
        level: int,
        schema_of: str = "",
        *,
        is_attributes: bool = False,
        prefix: str = "",
    ) -> dict[str, Any]:
        """Attributes, or an object in which dotted paths are known names: `{"user": {"id": …}}`."""
        if not is_attributes and not prefix and not (level == 1 and _may_be_known(value)):
            return super()._object(dict(value), level, schema_of)
        keys = {name: name if _is_plain(prefix + name) else self.key(name) for name in value}
        taken = {key for name, key in keys.items() if key == name}
        masked: dict[str, Any] = {}
        for name, item in value.items():
            path = prefix + name
            self.path.append(keys[name])
            # A bare word is a known name among attributes only.
            policy = policy_of(path) if is_attributes or "." in path else None
            if policy is not None:
                result = self._attribute(policy, item, level)
            elif isinstance(item, dict) and path in PARENTS:
                result = self._object(item, level + 1, prefix=path + ".")
            else:
                result = self.value(item, _key_of(path), level + 1)
            self.path.pop()
            key = keys[name]
            masked[key if key == name else free_key(key, taken)] = result
        return masked

    def _attribute(self, policy: Policy, value: Any, level: int) -> Any:
        if isinstance(value, (list, tuple)) and not policy.is_object:
            return [self._known(policy, item, level + 1) for item in value]
        return self._known(policy, value, level)

    def _known(self, policy: Policy, value: Any, level: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if policy.kind:
            text = value if isinstance(value, str) else _text(value)
            return value if not text or self.is_marker(text) else self.whole(policy.kind, text)
        if isinstance(value, (int, float)):
            if policy.is_number:
                return value
            return self.value(value, "", level + 1) if policy.shape is None else self._shaped(policy.shape, value)  # fmt: skip
        if isinstance(value, str) and policy.shape is not None:
            return self._shaped(policy.shape, value)
        return self.value(value, "", level + 1)

    def _shaped(self, shape: shapes.Shape, value: str | int | float) -> Any:
        text = value if isinstance(value, str) else _text(value)
        if shape.fits(text):
            masked = text if not shape.scan or is_settled(text) else self.words(text, "token")
        else:
            masked = self.word(text) if shape.words else self.text(text)
        return value if masked == text else masked


def failed_signal(signal: Signal, error: str) -> MaskedSignal:
    """What of a signal may leave though masking it failed."""
    kept: dict[str, Any] = {
        name: value for name, value in signal.attributes.items() if _admits(name, value)
    }
    kept[f.PII_FAILED] = True
    kept[f.PII_ERROR] = named(error)
    return MaskedSignal(
        attributes=kept,
        names=[name if name in _CONSTANT_NAMES else FAILED for name in signal.names],
        values=[None for _ in signal.values],
        parts=[failed_signal(part, error) for part in signal.parts],
        error=named(error),
    )


# Event and span names that conventions write, which say nothing of a person.
_CONSTANT_NAMES = frozenset(
    {
        "exception",
        "gen_ai.client.inference.operation.details",
        "gen_ai.client.operation.exception",
        "gen_ai.evaluation.result",
    }
)


def _admits(name: str, value: Any) -> bool:
    policy = policy_of(name)
    if policy is None or not policy.envelope:
        return False
    if isinstance(value, (list, tuple)):
        return all(_admits(name, item) for item in value)
    if policy.is_number:
        return isinstance(value, (bool, int, float))
    # A loose shape may hold a phone or a name; without a mask nobody can tell.
    return (
        isinstance(value, str)
        and policy.shape is not None
        and not policy.shape.scan
        and policy.shape.fits(value)
    )


def _may_be_known(value: Mapping[str, Any]) -> bool:
    return any(name in PARENTS or ("." in name and policy_of(name) is not None) for name in value)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


_SEGMENT = r"[A-Za-z_$][A-Za-z0-9_$-]{0,40}"
_PLAIN_NAME = re.compile(rf"{_SEGMENT}(?:\.(?:{_SEGMENT}|\d{{1,4}})){{0,12}}")
_SEVEN_DIGITS = re.compile(r"(?:\D*\d){7}")


@lru_cache(8192)
def _is_plain(name: str) -> bool:
    """True for a name that is no personal data: a dotted one of a program's."""
    if policy_of(name) is not None:
        return True
    return _PLAIN_NAME.fullmatch(name) is not None and not _SEVEN_DIGITS.match(name)


@lru_cache(8192)
def _key_of(name: str) -> str:
    """What of an unknown name says something of its value: its last two words, or its last."""
    parts = name.split(".")
    for key in (name, "_".join(parts[-2:])):
        if kind_of(key) is not None:
            return key
    return parts[-1]
