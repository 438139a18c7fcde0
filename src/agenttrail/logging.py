"""Masks for plain Python logging: a handler around another handler, and a filter.

    logging.getLogger().addHandler(MaskingHandler(logging.StreamHandler()))

`MaskingHandler` masks a copy, so that other handlers get the record as it was. `MaskingFilter` on a
logger or a handler masks the record itself, and whoever gets it afterwards gets it masked.

Masked are the message with its arguments, the traceback, the stack, and the fields given by `extra`
(a field's name counts: `extra={"email": …}`); values of other types than JSON's as their text. A
record whose masking fails keeps its logger, level, time and place, its message is
`<MASKING_FAILED>`, and nothing else of it is left.

Limits: arguments are put into the message before it is masked, so formatters that want them find
none; `exc_info` becomes the masked text of the traceback (`exc_text`). A record that is logged
while another one is being masked in the same thread, by the mask itself, is left without content.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from typing import Any

from agenttrail import fields as f
from agenttrail.masking import FAILED, Masker, Profile, Signal

__all__ = ["MaskingFilter", "MaskingHandler"]

# What every record has (Python 3.11 to 3.13, "LogRecord attributes"), and what formatters add.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_formatter = logging.Formatter()


class MaskingFilter(logging.Filter):
    """Masks each record that passes; never holds one back.

    Args:
        masker: None is one of `profile`, shared in the process.
        profile: without a masker: balanced, or fast (no names).

    Raises:
        MaskError: the mask cannot be set up; at start, before there is data.
    """

    def __init__(
        self,
        masker: Masker | None = None,
        *,
        profile: Profile = "balanced",
    ) -> None:
        super().__init__()
        self._masker = masker or Masker.shared(profile)

    def filter(self, record: logging.LogRecord) -> bool:
        mask(record, self._masker)
        return True


class MaskingHandler(logging.Handler):
    """Hands a masked copy of each record to another handler.

    Args:
        handler: gets the copies; its own level, filters and formatter count.
        masker: None is one of `profile`, shared in the process.
        profile: without a masker: balanced, or fast (no names).

    Raises:
        MaskError: the mask cannot be set up; at start, before there is data.
    """

    def __init__(
        self,
        handler: logging.Handler,
        masker: Masker | None = None,
        *,
        profile: Profile = "balanced",
    ) -> None:
        super().__init__()
        self._handler = handler
        self._masker = masker or Masker.shared(profile)

    def handle(self, record: logging.LogRecord) -> bool:
        """Without a lock: the mask has its own, and what it logs itself must not wait for this one."""
        passed: Any = self.filter(record)  # a record instead of True since Python 3.12
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= self._handler.level:
            masked = copy.copy(record)
            mask(masked, self._masker)
            self._handler.handle(masked)

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802 - logging's own name
        self._handler.setFormatter(fmt)

    def flush(self) -> None:
        self._handler.flush()

    def close(self) -> None:
        self._handler.close()
        super().close()


def mask(record: logging.LogRecord, masker: Masker) -> None:
    """Masks a record in place; never raises."""
    try:
        _mask(record, masker)
    except Exception as error:  # noqa: BLE001 - fail closed, whatever an argument's __str__ raised
        masker.failures[type(error).__name__] += 1
        _empty(record)


def _mask(record: logging.LogRecord, masker: Masker) -> None:
    extra = {name: value for name, value in vars(record).items() if name not in _OWN}
    trace = record.exc_text
    if record.exc_info and record.exc_info[0] is not None and not trace:
        trace = _formatter.formatException(record.exc_info)
    (masked,) = masker.signals(
        [
            Signal(
                attributes={name: _plain(value) for name, value in extra.items()},
                names=[record.threadName or "", record.processName or ""],
                values=[record.getMessage(), trace, record.stack_info, record.pathname],
            )
        ]
    )
    if masked.failed:
        _empty(record)
        return
    message, trace, stack, path = masked.values
    record.msg, record.args = message, None
    record.exc_info, record.exc_text, record.stack_info = None, trace, stack
    record.pathname = path
    record.threadName, record.processName = (name or None for name in masked.names)
    for name in extra:
        delattr(record, name)
    for name, value in masked.attributes.items():
        if name not in _OWN:
            setattr(record, name, value)


def _empty(record: logging.LogRecord) -> None:
    for name in [name for name in vars(record) if name not in _OWN]:
        delattr(record, name)
    record.msg, record.args = FAILED, None
    record.exc_info = record.exc_text = record.stack_info = None
    record.threadName = record.processName = None
    record.pathname = record.filename
    setattr(record, f.PII_FAILED, True)


def _plain(value: Any, depth: int = 0) -> Any:
    """The value in JSON's types; anything else as its text."""
    if value is None or isinstance(value, (str, int, float, bytes)):
        return value
    if depth < 20 and isinstance(value, Mapping):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if depth < 20 and isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, depth + 1) for item in value]
    return str(value)
