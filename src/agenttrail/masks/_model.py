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

    return spacy.load(name)


if _name := os.environ.get(PRELOAD):
    import presidio_analyzer  # noqa: F401  shared by the workers, like the model

    load(_name)
