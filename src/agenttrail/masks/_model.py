"""The spaCy model of this process, loaded once; as a module a fork server can load it ahead.

With AGENTTRAIL_PRELOAD in the environment (the settings of a detector, as JSON), importing this makes
that detector, so that every worker forked afterwards shares its memory.
"""

from __future__ import annotations

import functools
import gc
import importlib
import importlib.util
import json
import os
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

PRELOAD = "AGENTTRAIL_PRELOAD"


def import_presidio() -> None:
    """Imports presidio_analyzer, and spaCy below it, without spaCy's command line.

    That one brings a template engine and an HTTP client: a third of the time, for commands that
    nobody gives here. Whoever imports spacy.cli later gets it.
    """
    stood_in: dict[str, types.ModuleType] = {}
    if "spacy" not in sys.modules:
        command, info = types.ModuleType("spacy.cli"), types.ModuleType("spacy.cli.info")
        command.__path__ = []
        setattr(info, "info", _info)  # noqa: B010
        stood_in = {"spacy.cli": command, "spacy.cli.info": info}
        sys.modules.update(stood_in)
    try:
        with known_patterns():
            import presidio_analyzer  # noqa: F401
    finally:
        for name, module in stood_in.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


@contextmanager
def known_patterns() -> Iterator[None]:
    """While Presidio's recognisers and ours are made: their patterns are compiled when they first hit.

    Presidio compiles every pattern twice, first to see that it can be, a fifth of the start. Those
    that ship with it and ours can.
    """
    name = "presidio_analyzer.pattern"
    package = importlib.util.find_spec("presidio_analyzer")
    if name not in sys.modules and package is not None and package.submodule_search_locations:
        # By itself: importing the package makes the first patterns.
        place = os.path.join(package.submodule_search_locations[0], "pattern.py")
        spec = importlib.util.spec_from_file_location(name, place)
        if spec is not None and spec.loader is not None:
            sys.modules[name] = module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
    pattern = sys.modules[name].Pattern
    check = "_Pattern__validate_regex"
    before = vars(pattern)[check]
    setattr(pattern, check, staticmethod(lambda _pattern: None))
    try:
        yield
    finally:
        setattr(pattern, check, before)


def _info(*arguments: Any, **options: Any) -> Any:
    """spacy.info, by spaCy's command line."""
    from spacy.cli.info import info

    return info(*arguments, **options)


@functools.cache
def load(name: str) -> Any:
    """The pipeline of an installed spaCy package or of a folder.

    Cost: about 0.5 s and 60 MB for a small model, the first time.
    """
    import_presidio()
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


def _preload(detection: str) -> None:
    """Makes what every worker needs, to be shared by them; the collector then leaves it alone."""
    gc.disable()
    # What is wrong here a worker meets too, and tells.
    with suppress(Exception):
        importlib.import_module("agenttrail.masks._workers")
        importlib.import_module("agenttrail.masks._detect").make_ahead(json.loads(detection))
    gc.freeze()
    gc.enable()


if _detection := os.environ.get(PRELOAD):
    _preload(_detection)
