"""The spaCy model of this process, loaded once; as a module a fork server can load it ahead.

With AGENTTRAIL_PRELOAD_SPACY in the environment, importing this loads that model and Presidio, so
that every worker forked afterwards shares their memory.
"""

from __future__ import annotations

import functools
import os
from typing import Any

PRELOAD = "AGENTTRAIL_PRELOAD_SPACY"


@functools.cache
def load(name: str) -> Any:
    """The pipeline of an installed spaCy package or of a folder.

    Cost: about 0.5 s and 60 MB for a small model, the first time.
    """
    import spacy

    _outlive_exit()
    return spacy.load(name)


def _outlive_exit() -> None:
    """Keeps the matrix library under spaCy usable until the process is gone.

    blis frees its memory in an exit handler. A thread that still masks then, because its owner's
    handler was registered earlier and so runs later (a span processor that is flushed at exit),
    would crash the process.
    """
    import atexit
    import importlib

    try:
        finalize = importlib.import_module("blis.cy").finalize
    except (ImportError, AttributeError):  # another spaCy, another matrix library
        return
    atexit.unregister(finalize)


if _name := os.environ.get(PRELOAD):
    import presidio_analyzer  # noqa: F401  shared by the workers, like the model

    load(_name)
