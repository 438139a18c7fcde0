"""`agenttrail try`: one record of a file through the pipeline, shown after each stage.

What it prints holds unmasked data: it is for the terminal of somebody who may read the log anyway.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from agenttrail.errors import UsageError

if TYPE_CHECKING:
    from agenttrail.seams import Event

_SHOWN_CHARACTERS = 2_000


def add(verbs: Any) -> None:
    """Adds the verb."""
    from agenttrail.cli._options import add_format, add_profile

    parser = verbs.add_parser(
        "try",
        help="one record of a file through the pipeline, shown after each stage",
        description="Shows a record as it was read, the event made of it, and the masked event, with every finding named. It prints UNMASKED data: for your own terminal.",
    )
    parser.add_argument("file", metavar="FILE", help="log file; - is standard input")
    add_format(parser)
    add_profile(parser)
    parser.add_argument("-c", "--config", metavar="FILE", help="use the format, enrichers and mask of this pipeline")  # fmt: skip
    parser.add_argument("-n", "--events", type=int, default=1, metavar="N", help="show N events (1)")  # fmt: skip
    parser.add_argument("-l", "--line", type=int, metavar="LINE", help="show the events made of this line")  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints to standard output; 1 where the file holds no such record."""
    from agenttrail import config
    from agenttrail.cli._options import component
    from agenttrail.cli._options import mask as mask_of
    from agenttrail.formats.auto import AutoOptions

    if arguments.events < 1:
        raise UsageError("--events must be at least 1")
    if arguments.config and arguments.format != "auto":
        raise UsageError("--format has no effect with --config", hint="say it in the file")
    mask = mask_of(arguments)
    if arguments.config:
        options = config.load(arguments.config)
        form, enrichers, mask = options.format, options.enrichers, options.mask
    else:
        form, enrichers = component("format", arguments.format), ()

    def chosen(path: str, name: str, reason: str) -> None:
        sys.stderr.write(f"{path}: read as {name or 'nothing known'} ({reason})\n")

    read = form.build(choose=chosen) if isinstance(form, AutoOptions) else form.build()
    built = [enricher.build() for enricher in enrichers]
    masking = None
    shown = 0
    for event in _events(arguments.file, read, arguments.line):
        if masking is None:
            masking = mask.one()
        for enricher in built:
            event = enricher(event)
        _show(event, masking, coloured=sys.stdout.isatty())
        shown += 1
        if shown >= arguments.events and arguments.line is None:
            break
    if not shown:
        place = f"line {arguments.line}" if arguments.line else "any line"
        sys.stderr.write(f"no event was made of {place} of {arguments.file}\n")
        return 1
    return 0


def _events(path: str, read: Any, line: int | None) -> Iterator[Event]:
    """The file's events, or those that `line` is part of."""
    from agenttrail.seams import Drop, Dropped, Record, StreamEnd
    from agenttrail.sources.file import FileOptions
    from agenttrail.sources.stdin import StdinOptions

    source = StdinOptions().build() if path == "-" else FileOptions(paths=(path,)).build()
    try:
        for item in source.read():
            try:
                if isinstance(item, Record):
                    made = list(read(item))
                elif isinstance(item, StreamEnd):
                    made = list(read.end(item.stream))
                else:
                    continue
            except Drop as drop:
                assert isinstance(item, Record)
                made = [Dropped(item, drop.reason)]
            for event in made:
                if isinstance(event, Dropped):
                    if event.record.line == line:
                        sys.stderr.write(f"line {line} makes no event: {event.reason}\n")
                elif line is None or any(origin.line == line for origin in event.origins):
                    yield event
    finally:
        source.close()


def _show(event: Event, mask: Any, *, coloured: bool) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True, no_color=not coloured)
    console.rule("record, as it was read")
    for origin in event.origins:
        console.print(f"{origin.path or origin.source}:{origin.line}", style="dim", markup=False)
        console.print(_cut(origin.data.decode("utf-8", "replace")), markup=False)
    console.rule("event, not masked")
    _print_fields(console, event.fields, {})
    found = mask.findings(event)
    (masked,) = mask([event])
    console.rule("event, masked")
    marks: dict[str, list[str]] = {}
    for finding in found:
        name = next((n for n in event.fields if finding.path == n or finding.path.startswith((n + ".", n + "["))), finding.path)  # fmt: skip
        marks.setdefault(name, []).append(
            f"{finding.entity} {finding.score:.2f} by {finding.recogniser} at {finding.path}"
        )
    _print_fields(console, masked.fields, marks)
    if masked.failed:
        console.print("masking FAILED: the content was left out", style="bold red")
    console.rule("line, as a sink gets it")
    console.print(_cut(masked.line.decode()), markup=False)


def _print_fields(console: Any, fields: Any, marks: dict[str, list[str]]) -> None:
    from agenttrail import fields as f
    from agenttrail import jsontext

    for name in sorted(fields, key=list(f.FIELDS).index):
        text = _cut(jsontext.dumps(fields[name]).decode())
        style = "yellow" if name in marks else ""
        console.print(f"  {name} = {text}", style=style, markup=False)
        for mark in marks.get(name, ()):
            console.print(f"      ^ {mark}", style="bold yellow", markup=False)


def _cut(text: str) -> str:
    rest = len(text) - _SHOWN_CHARACTERS
    return text if rest <= 0 else f"{text[:_SHOWN_CHARACTERS]}… ({rest:,} more characters)"
