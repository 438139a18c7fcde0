"""The garbage collector, kept from what lives to the end anyway: a tenth of the time of a run."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Events hold no cycles: they go when nothing needs them. What is left for the collector is little.
_YOUNG = 50_000


@contextmanager
def uncollected() -> Iterator[None]:
    """While modules are imported and the pipeline is built; it is never looked at again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(_YOUNG)
        gc.enable()
