"""Builds docs/reference.md from the command line, the components' options and the field registry.

`make docs` writes it; a test builds it again and compares.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from agenttrail import config
from agenttrail.cli import parser
from agenttrail.cli.explain import default_text, parts_of, type_name
from agenttrail.fields import ECS_VERSION, FIELDS, GEN_AI_SEMCONV, SCHEMA_VERSION, SEMCONV
from agenttrail.governance.policy import PolicyFile
from agenttrail.governance.registry import RegistryFile

PATH = Path(__file__).parent / "reference.md"


def verbs() -> dict[str, argparse.ArgumentParser]:
    """Each command's parser by its name."""
    (action,) = [a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(action.choices)


def _all_verbs() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Each command, and behind it the actions that it has."""
    for name, verb in verbs().items():
        yield name, verb
        for action in verb._actions:
            if isinstance(action, argparse._SubParsersAction):
                yield from ((f"{name} {inner}", parser) for inner, parser in action.choices.items())


def build() -> str:
    """The whole page."""
    return "\n".join([*_head(), *_commands(), *_components(), *_fields()]) + "\n"


def _head() -> Iterator[str]:
    yield "# Reference"
    yield ""
    yield "Made by `make docs` from the code; do not edit."
    yield ""


def _commands() -> Iterator[str]:
    yield "## Commands"
    for name, verb in _all_verbs():
        yield from ("", f"### agenttrail {name}", "", str(verb.description), "")
        yield from ("| option | meaning |", "| --- | --- |")
        for action in verb._actions:
            if isinstance(action, argparse._HelpAction):
                continue
            if isinstance(action, argparse._SubParsersAction):
                yield f"| `{action.metavar}` | {', '.join(action.choices)} |"
                continue
            flags = ", ".join(action.option_strings)
            value = action.metavar or ("" if action.nargs == 0 else action.dest.upper())
            value = " ".join(value) if isinstance(value, tuple) else value
            meaning = action.help or ", ".join(map(str, action.choices or ()))
            yield f"| `{' '.join(filter(None, (flags, value)))}` | {_cell(meaning)} |"


def _components() -> Iterator[str]:
    yield from ("", "## Pipeline file", "")
    yield from _options(config.PipelineOptions)
    yield from ("", "### delivery", "")
    yield from _options(config.DeliveryOptions)
    for title, cls in (("Agent registry file", RegistryFile), ("Policy file", PolicyFile)):
        yield from ("", f"## {title}", "")
        yield from _options(cls)
        for name, part in parts_of(cls):
            yield from ("", f"### {name}", "", (part.__doc__ or "").split("\n")[0], "")
            yield from _options(part)
    yield from ("", "## Hop file", "")
    yield from _options(config.HopOptions)
    for stage, union in config.STAGES.items():
        yield from ("", f"## {stage.capitalize()}s")
        for name, cls in sorted(config.members(union).items()):
            yield from ("", f"### {stage} `{name}`", "", (cls.__doc__ or "").split("\n")[0], "")
            if config.options_of(cls):
                yield from _options(cls)
            else:
                yield "It has no options."
            for title, part in parts_of(cls):
                yield from ("", f"#### {title}", "", (part.__doc__ or "").split("\n")[0])
                if config.options_of(part):
                    yield ""
                    yield from _options(part)


def _options(cls: type) -> Iterator[str]:
    yield from ("| option | type | default | meaning |", "| --- | --- | --- | --- |")
    for option in config.options_of(cls):
        default = "needed" if option.required else f"`{default_text(option.default)}`"
        yield f"| `{option.name}` | {_cell(type_name(option.type))} | {_cell(default)} | {_cell(option.meaning)} |"


def _fields() -> Iterator[str]:
    yield from ("", "## Fields", "")
    yield (
        f"Schema {SCHEMA_VERSION}; ECS {ECS_VERSION}; OTel {SEMCONV}; OTel GenAI {GEN_AI_SEMCONV}. "
        "*structural*: left alone while it has its shape; *text*: analysed, keys too; "
        "*personal*: replaced whole."
    )
    yield from ("", "| field | type | privacy | meaning | source | OCSF |", "| --- | --- | --- | --- | --- | --- |")  # fmt: skip
    for field in FIELDS.values():
        unit = f" [{field.unit}]" if field.unit else ""
        yield f"| `{field.name}` | {field.type}{unit} | {field.privacy} | {_cell(field.meaning)} | {field.source} | {field.ocsf} |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    PATH.write_text(build(), encoding="utf-8")
    sys.stderr.write(f"{PATH.name} written\n")
