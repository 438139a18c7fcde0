"""The mask as a library: lines, JSON, texts and OpenTelemetry signals, outside the pipeline.

    masker = Masker(profile="fast")
    masker.text("mail ann@example.com")                # 'mail <EMAIL_ADDRESS>'
    masker.json({"to": ["ann@example.com"]})           # {'to': ['<EMAIL_ADDRESS>']}
    masker.line(b'{"to":"ann@example.com"}')           # b'{"to":"<EMAIL_ADDRESS>"}'
    masker.signals([Signal(attributes={"user.email": "ann@example.com"})])

Making one loads the recognisers and raises where they cannot be had, before any data is there. After
that nothing raises for what a value holds: what cannot be masked is left out (fail closed), counted
in `failures`, and named by its class only. Values that no JSON has (sets, objects of a program's own)
cannot be masked.

One masker serves all threads of a process, one after the other, and goes on in a forked child. Cost:
about 0.7 s (`fast`) or 1.5 s and 170 MB (`balanced`) to make.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from agenttrail import fields as f
from agenttrail import jsontext
from agenttrail.masks._attributes import FAILED, MaskedSignal, Signal, failed_signal
from agenttrail.masks.presidio import PresidioOptions
from agenttrail.seams import Event, MaskedEvent

Profile = Literal["stock", "balanced", "fast"]

__all__ = ["FAILED", "MaskedSignal", "Masker", "Profile", "Signal"]


class Masker:
    """Masks values of any kind; see the module.

    Args:
        options: of the mask `presidio`; None is its defaults with `profile`.
        profile: without options: balanced, or fast (no names).

    Attributes:
        failures: how many values could not be masked, by class of the failure.

    Raises:
        MaskError: the model is not installed, or an entity is unknown.
        OptionError: a key is missing or is none.
    """

    def __init__(
        self,
        options: PresidioOptions | None = None,
        *,
        profile: Profile = "balanced",
    ) -> None:
        self._options = options or PresidioOptions(profile=profile)
        self._mask = self._options.build()
        self._lock = threading.Lock()
        self._thread: int | None = None  # that masks right now
        # Forked in the middle of masking: what the engine held belongs to a thread that is no more.
        self._is_torn = False
        self.failures: Counter[str] = Counter()
        _maskers.add(self)

    @classmethod
    def shared(cls, profile: Profile = "balanced") -> Masker:
        """The one of a profile, made once a process. Raises as making one does."""
        with _making:
            if profile not in _shared:
                _shared[profile] = cls(profile=profile)
            return _shared[profile]

    def signals(self, signals: Sequence[Signal], /) -> list[MaskedSignal]:
        """As many masked signals, in their order; every text of them is analysed once."""
        if self._thread == threading.get_ident():
            # What masking itself logs, say, comes here again: it may not wait for its own end.
            masked = [failed_signal(signal, "Reentered") for signal in signals]
        else:
            with self._lock:
                self._thread = threading.get_ident()
                try:
                    masked = self._whole_mask().signals(signals)
                except Exception as error:  # noqa: BLE001 - the mask does not raise, making it may
                    masked = [failed_signal(signal, type(error).__name__) for signal in signals]
                finally:
                    self._thread = None
        for signal in masked:
            if signal.failed:
                self.failures[signal.error] += 1
        return masked

    def _whole_mask(self) -> Any:
        if self._is_torn:
            self._mask = self._options.build()
            self._is_torn = False
        return self._mask

    def values(self, values: Sequence[Any], /) -> list[tuple[Any, str]]:
        """JSON values masked in one batch, each with the class of its failure or an empty string.

        A dotted path that is a known name is masked as that field: `{"user": {"id": 7}}`.
        """
        return [
            (signal.values[0], signal.error)
            for signal in self.signals([Signal(values=(value,)) for value in values])
        ]

    def json(self, value: Any, /) -> Any:
        """A JSON value masked; one that cannot be is `{"agenttrail": {"pii": {"failed": true}}}`."""
        masked, error = self.values([value])[0]
        return failed_object(error) if error else masked

    def text(self, text: str, /) -> str:
        """A text masked, JSON in it as JSON; one that cannot be is `<MASKING_FAILED>`."""
        masked, error = self.values([text])[0]
        return FAILED if error or not isinstance(masked, str) else masked

    def line(self, line: bytes, /) -> bytes:
        """A line masked: JSON as JSON, anything else as text; its line break stays.

        Undecodable bytes become U+FFFD. A line that cannot be masked is as `json` or `text` say.
        """
        return self.lines([line])[0]

    def lines(self, lines: Sequence[bytes], /) -> list[bytes]:
        """As `line`, many at once, which is faster."""
        return [line for line, _ in self.masked_lines(lines)]

    def masked_lines(self, lines: Sequence[bytes], /) -> list[tuple[bytes, str]]:
        """As `lines`, each with the class of its failure or an empty string."""
        parsed = [_parsed(line) for line in lines]
        masked = self.values([value for value, _, _ in parsed])
        return [
            (_written(was_json, value, error) + end, error)
            for (value, error), (_, was_json, end) in zip(masked, parsed, strict=True)
        ]

    def events(self, events: Sequence[Event], /) -> list[MaskedEvent]:
        """Events of the pipeline masked, as the mask of a pipeline does it."""
        with self._lock:
            masked = self._mask(events)
        self.failures.update(str(e.fields.get(f.PII_ERROR)) for e in masked if e.failed)
        return masked

    def close(self) -> None:
        """Ends the worker processes where the options ask for some."""
        close = getattr(self._mask, "close", None)
        if close is not None:
            close()


def failed_object(error: str) -> dict[str, Any]:
    """What stands for a JSON value that could not be masked."""
    return f.to_document({f.PII_FAILED: True, f.PII_ERROR: error})


def _parsed(line: bytes) -> tuple[Any, bool, bytes]:
    """The line's value, whether it was JSON, and its line break."""
    bare = line.rstrip(b"\r\n")
    end = line[len(bare) :]
    text = bare.decode("utf-8", "replace")
    if text.lstrip("\ufeff \t")[:1] in ("{", "["):
        try:
            return jsontext.loads(text), True, end
        except ValueError:
            pass
    return text, False, end


def _written(was_json: bool, value: Any, error: str) -> bytes:  # noqa: FBT001
    if was_json:
        return jsontext.dumps(failed_object(error) if error else value)
    return FAILED.encode() if error else str(value).encode("utf-8", "replace")


# A lock that another thread held when the process was forked would never be released in the child.
_maskers: weakref.WeakSet[Masker] = weakref.WeakSet()
_shared: dict[str, Masker] = {}
_making = threading.Lock()


def _after_fork() -> None:
    global _making
    _making = threading.Lock()
    for masker in _maskers:
        masker._is_torn = masker._is_torn or masker._thread is not None
        masker._lock, masker._thread = threading.Lock(), None


os.register_at_fork(after_in_child=_after_fork)
