"""`agenttrail explain`: a component's promises, limits and options; the pipeline file; the fields."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import importlib
import json
import sys
import types
import typing
from decimal import Decimal
from typing import Any, Literal, Union, get_args, get_origin

from agenttrail.errors import UsageError

_EXAMPLE = """# pipeline.yaml
sources:
  - type: file
    paths: [/var/log/agents/]
    follow: true
    checkpoint: /var/lib/agenttrail/checkpoint.json
sinks:
  - type: elasticsearch
    url: https://elasticsearch.example.com:9200
    user: agenttrail
    password: ${ES_PASSWORD}
"""

_HOP_EXAMPLE = """# hop.yaml
listen: {type: otlp, grpc: "127.0.0.1:4317", http: "127.0.0.1:4318"}
mask: {type: presidio, profile: fast}
forward: {type: otlp, endpoint: "http://127.0.0.1:4337", protocol: grpc}
health: "127.0.0.1:4329"
"""


def add(verbs: Any) -> None:
    """Adds the verb."""
    parser = verbs.add_parser(
        "explain",
        help="a component's promises and options; `pipeline`; `fields`",
        description="Shows what a component does, what it promises, its limits and its options. `explain pipeline` shows the pipeline file, `explain hop` the file of a hop, `explain agents` and `explain policy` the agent registry and the policy, `explain fields [PREFIX]` every field that is emitted.",
    )
    parser.add_argument(
        "name", metavar="NAME", help="component, pipeline, hop, agents, policy, fields"
    )
    parser.add_argument("prefix", nargs="?", default="", metavar="PREFIX", help="with fields: only those that begin so")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints to standard output."""
    from agenttrail import config

    if arguments.name == "fields":
        return _fields(arguments.prefix, as_json=arguments.json)
    if arguments.name == "pipeline":
        found = [("pipeline", config.PipelineOptions), ("delivery", config.DeliveryOptions)]
    elif arguments.name == "hop":
        found = [("hop", config.HopOptions)]
    elif arguments.name == "agents":
        from agenttrail.governance.registry import RegistryFile

        found = [("agents.yaml", RegistryFile)]
    else:
        found = [
            (f"{stage} {name}", cls)
            for stage, union in config.STAGES.items()
            for name, cls in config.members(union).items()
            if name == arguments.name
        ]
    if arguments.name == "policy":
        from agenttrail.governance.policy import PolicyFile

        found.append(("policy.yaml", PolicyFile))
    if not found:
        names = sorted({n for union in config.STAGES.values() for n in config.members(union)})
        close = difflib.get_close_matches(
            arguments.name, [*names, "pipeline", "hop", "agents", "fields"], n=1
        )
        raise UsageError(
            f"nothing is called '{arguments.name}'",
            hint=f"did you mean '{close[0]}'?" if close else f"known: {', '.join(names)}",
        )
    if arguments.json:
        sys.stdout.write(json.dumps({title: _described(cls) for title, cls in found}) + "\n")
        return 0
    for title, cls in found:
        _print(title, cls)
    if arguments.name == "pipeline":
        sys.stdout.write(f"Example:\n\n{_EXAMPLE}")
    if arguments.name == "hop":
        sys.stdout.write(f"Example:\n\n{_HOP_EXAMPLE}")
    return 0


def _described(cls: type[Any]) -> dict[str, Any]:
    from agenttrail.config import options_of

    return {
        "what": (cls.__doc__ or "").strip(),
        "options": [
            {
                "name": o.name, "type": type_name(o.type), "meaning": o.meaning,
                "required": o.required, "default": None if o.required else default_text(o.default),
            }
            for o in options_of(cls)
        ],
    }  # fmt: skip


def parts_of(cls: type[Any]) -> list[tuple[str, type[Any]]]:
    """What options hold that has options of its own, each once, but for the pipeline's components.

    Titles are the option's name, with the part's own `type` where there are several.
    """
    from agenttrail.config import STAGES, members, options_of

    components = {c for union in STAGES.values() for c in members(union).values()}
    found: dict[type[Any], str] = {}

    def look(hint: Any, name: str) -> None:
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            own = getattr(hint, "type", None)
            title = f"{name} {own}" if isinstance(own, str) else name
            if hint not in components:
                found.setdefault(hint, title)
        for inner in get_args(hint):
            look(inner, name)

    if cls in components or cls.__name__.endswith("File"):
        for option in options_of(cls):
            look(option.type, option.name)
    return [(title, part) for part, title in found.items()]


def _print(title: str, cls: type[Any]) -> None:
    from agenttrail.config import options_of

    module = importlib.import_module(cls.__module__)
    whole = cls.__name__.endswith("File") or (
        hasattr(cls, "type") and cls.__name__.endswith("Options")
    )
    text = (module.__doc__ if whole else cls.__doc__) or ""
    sys.stdout.write(f"{title}\n{'=' * len(title)}\n\n{text.strip()}\n\n")
    options = options_of(cls)
    sys.stdout.write("Options:\n\n" if options else "It has no options.\n\n")
    for option in options:
        value = "needed" if option.required else f"default: {default_text(option.default)}"
        sys.stdout.write(f"  {option.name}: {type_name(option.type)} ({value})\n")
        sys.stdout.write(f"      {option.meaning}\n")
    sys.stdout.write("\n")
    for part, inner in parts_of(cls):
        _print(part, inner)


def _fields(prefix: str, *, as_json: bool) -> int:
    from agenttrail.fields import FIELDS

    chosen = [field for name, field in FIELDS.items() if name.startswith(prefix)]
    if not chosen:
        raise UsageError(f"no field begins with '{prefix}'")
    if as_json:
        rows = {
            field.name: {
                "type": field.type, "unit": field.unit, "meaning": field.meaning,
                "source": field.source, "ecs": field.ecs, "ocsf": field.ocsf,
                "privacy": field.privacy,
            }
            for field in chosen
        }  # fmt: skip
        sys.stdout.write(json.dumps(rows) + "\n")
        return 0
    for field in chosen:
        unit = f" [{field.unit}]" if field.unit else ""
        sys.stdout.write(f"{field.name}: {field.type}{unit}, {field.privacy} ({field.source})\n")
        sys.stdout.write(f"    {field.meaning}\n")
    return 0


def type_name(hint: Any) -> str:
    """A type as a user of YAML would say it."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(type_name(choice) for choice in get_args(hint)))
    if origin is Literal:
        return " or ".join(map(str, get_args(hint)))
    if origin is tuple:
        return f"list of {type_name(get_args(hint)[0])}"
    if origin is dict:
        return f"mapping of text to {type_name(get_args(hint)[1])}"
    if origin is typing.Annotated:
        return type_name(get_args(hint)[0])
    if dataclasses.is_dataclass(hint):
        return str(getattr(hint, "type", "")) or "mapping"
    plain = {str: "text", int: "whole number", float: "number", Decimal: "number", bool: "true or false", type(None): "null"}  # fmt: skip
    return plain[hint]


def default_text(value: Any) -> str:
    """A default as a user of YAML would write it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(default_text, value))}]"
    if dataclasses.is_dataclass(value):
        return str(getattr(value, "type", "see below"))
    return str(value) if value != "" else '""'
