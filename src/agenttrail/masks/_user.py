"""Recognisers of a user's own: Presidio's, from a YAML file or as a Python class.

    recognizers:
      - /etc/agenttrail/recognizers.yaml       # patterns, deny lists, context words
      - company.recognizers:EmployeeId         # a class of an installed module
      - /etc/agenttrail/employees.py:Badge     # a class of a file

The file is Presidio's own form (a list under `recognizers`, each with name, supported_entity, patterns
or deny_list, context). A class is called without arguments and must be a Presidio EntityRecognizer.
Patterns run behind the prefilter where their form allows, else on every text; the findings are the
same. What they find is never passed over as noise.

A class is code that runs inside the mask and sees unmasked text: name only what you would run.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from agenttrail.errors import OptionError

_OPTION = "recognizers"
_CLASS = re.compile(r"(?P<where>.+):(?P<name>[A-Za-z_]\w*)")
_HINT = "PATH.yaml, MODULE:CLASS or PATH.py:CLASS"


def check_specs(specs: Sequence[str]) -> None:
    """Checks that every name has one of the forms.

    Raises:
        OptionError: the first that has none.
    """
    for spec in specs:
        if not spec.endswith((".yaml", ".yml")) and not _CLASS.fullmatch(spec):
            raise OptionError(_OPTION, f"'{spec}' names no recogniser", hint=_HINT)


def load_recognisers(specs: Sequence[str], language: str, taken: Iterable[str]) -> list[Any]:
    """The recognisers of these files and classes, loaded, in their order.

    Args:
        specs: as `check_specs` found them good.
        language: code that they are to be registered under.
        taken: names of recognisers that there are already.

    Raises:
        OptionError: one cannot be made; neither content nor the message of its error is told.
    """
    from presidio_analyzer import EntityRecognizer

    names = set(taken)
    found: list[Any] = []
    for spec in specs:
        made = (
            _from_yaml(spec, language) if spec.endswith((".yaml", ".yml")) else [_from_class(spec)]
        )
        if not all(isinstance(one, EntityRecognizer) for one in made):
            raise OptionError(_OPTION, f"'{spec}' is no Presidio EntityRecognizer", hint=_HINT)
        for recogniser in made:
            if recogniser.supported_language != language:
                raise OptionError(
                    _OPTION, f"{recogniser.name} of '{spec}' is for another language",
                    hint=f"supported_language: {language}, whatever language it finds things in",
                )  # fmt: skip
            if recogniser.name in names:
                raise OptionError(_OPTION, f"there is a recogniser {recogniser.name} already", hint="give it another name")  # fmt: skip
            for kind in recogniser.supported_entities:
                if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", kind):
                    raise OptionError(_OPTION, f"{recogniser.name} of '{spec}': a kind is written in capitals, as EMPLOYEE_ID")  # fmt: skip
            names.add(recogniser.name)
            found.append(recogniser)
    return found


def _from_yaml(spec: str, language: str) -> list[Any]:
    import yaml
    from presidio_analyzer import PatternRecognizer

    try:
        said = yaml.safe_load(Path(spec).read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(_OPTION, f"'{spec}' cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise OptionError(_OPTION, f"'{spec}' is no YAML") from None
    listed = said.get("recognizers") if isinstance(said, dict) else None
    if not isinstance(listed, list) or not listed:
        raise OptionError(_OPTION, f"'{spec}' has no list under recognizers")
    made: list[Any] = []
    for place, item in enumerate(listed, start=1):
        where = f"'{spec}', recogniser {place}"
        if not isinstance(item, dict):
            raise OptionError(_OPTION, f"{where}: not a mapping")
        try:
            recogniser: Any = PatternRecognizer.from_dict({"supported_language": language, **item})
        except Exception as error:  # noqa: BLE001 - presidio's, of many classes
            raise OptionError(
                _OPTION, f"{where}: {type(error).__name__}",
                hint="name, supported_entity, patterns: [{name, regex, score}] or deny_list, context",
            ) from None  # fmt: skip
        made.append(recogniser)
    return made


def _from_class(spec: str) -> Any:
    match = _CLASS.fullmatch(spec)
    assert match is not None
    where, name = match.group("where", "name")
    try:
        kind = getattr(_module(where), name)
        return kind()
    except Exception as error:  # noqa: BLE001 - whatever a user's code raises
        raise OptionError(_OPTION, f"'{spec}' cannot be made: {type(error).__name__}", hint=_HINT) from None  # fmt: skip


def _module(where: str) -> Any:
    if not where.endswith(".py"):
        return importlib.import_module(where)
    found = importlib.util.spec_from_file_location(f"_agenttrail_user_{abs(hash(where))}", where)
    if found is None or found.loader is None:
        raise ImportError(where)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
