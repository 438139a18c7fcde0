"""The smallest change of a Collector's file: the hop between what is read and what is exported.

A pipeline whose exporters see raw data keeps its receivers and processors and exports to the hop; a
new pipeline takes what comes back to the exporters that were there. Checked with `otelcol validate`
of the Collector 0.145.0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agenttrail.doctor._finding import BACK_GRPC, HOP_GRPC, Asked, ConfigFile
from agenttrail.doctor._yaml import CannotEdit, Key, Text, get, listed, mapping, read

HOP = "otlp/agenttrail"
_STORE = "file_storage/agenttrail"
Plan = dict[str, tuple[list[str], list[str]]]
Repair = Callable[[str], str]


def insert(
    path: str, text: str, asked: Asked, plan: Callable[[ConfigFile, Asked], Plan]
) -> tuple[str, list[str]]:
    """The text with the hop in it, and what could not be done."""
    pipelines = plan(ConfigFile(path, text), asked)
    left: list[str] = []
    for signal in ("logs", "traces"):
        here = {name: parts for name, parts in pipelines.items() if name.split("/")[0] == signal}
        if not here:
            continue
        wanted = {tuple(sorted(bad)) for bad, _ in here.values()}
        if len(wanted) > 1:
            names = ", ".join(here)
            left.append(
                f"{path}: the {signal} pipelines {names} have different exporters; what comes back "
                "from one hop cannot be told apart: give each a hop and a receiver of its own"
            )
            continue
        try:
            text = _split(text, signal, here, list(next(iter(here.values()))[0]))
        except CannotEdit:
            left.append(f"{path}: the {signal} pipelines are written in a way that is not edited")
    return text, left


def _split(text: str, signal: str, pipelines: Plan, exporters: list[str]) -> str:
    doc = read(ConfigFile("", text))
    change = Text(text)
    if HOP not in mapping(doc, "exporters"):
        change.set(
            ["exporters", HOP],
            {
                "endpoint": f"{HOP_GRPC}  # agenttrail's source otlp: unmasked data, this machine only",
                "tls": "{insecure: true}",
                "sending_queue": "{enabled: false}  # the hop answers when the masked data is safe",
                "retry_on_failure": "{max_elapsed_time: 0}",
            },
        )
    if HOP not in mapping(doc, "receivers"):
        change.set(
            ["receivers", HOP],
            {"protocols": f"{{grpc: {{endpoint: '{BACK_GRPC}'}}}}  # masked data, from agenttrail"},
        )
    name = f"{signal}/agenttrail"
    change.set(
        ["service", "pipelines", name],
        {"receivers": f"[{HOP}]", "exporters": f"[{', '.join(exporters)}]"},
    )
    for pipeline, (_, stay) in pipelines.items():
        change.replace_list(["service", "pipelines", pipeline, "exporters"], [HOP, *(e for e in stay if e != HOP)])  # fmt: skip
    return change.text


def setting(path: tuple[Key, ...], value: Any) -> Repair:
    """Sets one value."""

    def repair(text: str) -> str:
        change = Text(text)
        try:
            change.set(path, value)
        except CannotEdit:
            return text
        return change.text

    return repair


def without(path: tuple[Key, ...], item: str) -> Repair:
    """Takes an item out of a list."""

    def repair(text: str) -> str:
        change = Text(text)
        items = [str(i) for i in listed(change.doc, *path) if str(i) != item]
        try:
            change.replace_list(path, items)
        except CannotEdit:
            return text
        return change.text

    return repair


def stored(path: tuple[Key, ...]) -> Repair:
    """Sets a storage: the file_storage that is there, or a new one."""

    def repair(text: str) -> str:
        change = Text(text)
        extensions = mapping(change.doc, "extensions")
        name = next((str(e) for e in extensions if str(e).split("/")[0] == "file_storage"), _STORE)
        try:
            if name not in extensions:
                change.set(
                    ["extensions", name],
                    {"directory": "/var/lib/otelcol/agenttrail", "create_directory": "true"},
                )
            if name not in map(str, listed(change.doc, "service", "extensions")):
                if get(change.doc, "service", "extensions") is None:
                    change.set(["service", "extensions"], f"[{name}]")
                else:
                    change.append(["service", "extensions"], name)
            change.set(path, name)
        except CannotEdit:
            return text
        return change.text

    return repair
