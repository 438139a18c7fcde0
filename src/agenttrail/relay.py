"""The way of a request through a hop that relays: masked, then delivered or kept on disk, then answered.

Nothing is answered before it is safe: the sender keeps its copy until the destination has the
masked one, or the spool has it on disk. There is no queue in memory that a crash would empty.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from agenttrail.seams import Export, ExportMask, ExportSink, MaskedExport


class Keeper(Protocol):
    """Keeps masked requests on disk; raises `errors.RetryLater` when it is full."""

    def put(self, export: MaskedExport, /) -> None: ...


class Relay:
    """Handles requests, as many at a time as come; what the mask allows at once is its own matter.

    Args:
        mask: the only way to the sink.
        sink: the destination.
        keeper: where given, a request is answered when it is kept there; delivery is its matter.
        say: told once about requests of which parts could not be masked.
    """

    def __init__(
        self,
        mask: ExportMask,
        sink: ExportSink,
        *,
        keeper: Keeper | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._mask, self._sink, self._keeper, self._say = mask, sink, keeper, say
        self._lock = threading.Lock()
        self._told = False
        self.counts: Counter[str] = Counter()
        self.masked: Counter[str] = Counter()

    def __call__(self, export: Export, /) -> int:
        """How many items the destination rejected. Raises RetryLater or Refused."""
        masked = self._mask(export)
        if masked.failed and not self._told:
            self._told = True
            self._say("masking failed for parts of a request; they went on without their content, marked agenttrail.pii.failed")  # fmt: skip
        rejected = 0
        if self._keeper is not None:
            self._keeper.put(masked)
        else:
            rejected = self._sink.send(masked)
        with self._lock:
            self.counts["delivered" if self._keeper is None else "spooled"] += (
                masked.items - rejected
            )
            self.counts["rejected"] += rejected
            self.counts["failed"] += masked.failed
            self.masked.update(masked.counts)
        return rejected
