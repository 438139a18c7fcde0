"""`agenttrail mask`: plain text or JSON lines masked; with --explain, why.

What --explain prints holds unmasked data: it is for the terminal of somebody who may read the text
anyway. Without it nothing unmasked is printed: a line whose masking fails becomes `<MASKING_FAILED>`.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agenttrail.errors import MaskError, UsageError

if TYPE_CHECKING:
    from agenttrail.masks._trace import Trace
    from agenttrail.masks.presidio import PresidioMask

FAILED = "<MASKING_FAILED>"
_BATCH = 200


def add(verbs: Any) -> None:
    """Adds the verb."""
    from agenttrail.cli._options import add_profile

    parser = verbs.add_parser(
        "mask",
        help="plain text or JSON lines masked; with --explain, why",
        description="Masks each line of a text or file as it would be masked inside an event; JSON in a line is masked as JSON. With --explain it shows what was seen, by which recogniser, with which score, and why it was masked, kept or dropped: that prints UNMASKED data, for your own terminal.",
    )
    parser.add_argument("input", metavar="TEXT|FILE|-", help="a file, - for standard input, or else the text itself")  # fmt: skip
    parser.add_argument("-c", "--config", metavar="FILE", help="use the mask of this pipeline")
    add_profile(parser)
    parser.add_argument("--explain", action="store_true", help="show every candidate and why it counts or not")  # fmt: skip
    parser.add_argument("--kind", metavar="KIND", help="the text is one value of this kind: print what it becomes, as a pseudonym under every key, to search for it")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="a JSON object a line: the masked text and its findings")  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints to standard output; 1 where masking a line failed."""
    options = mask_options(arguments)
    if arguments.kind is not None:
        if arguments.explain:
            raise UsageError("--explain has no effect with --kind")
        markers = options.one().become(arguments.kind, arguments.input)
        for marker in [{"markers": markers}] if arguments.json else markers:
            _print(marker)
        return 0
    lines = _lines(arguments.input)
    mask = options.one()
    wide = options.wide().one() if arguments.explain else None
    failed = 0
    for line, traced in _traced(mask, lines):
        if traced is None:
            failed += 1
            _print({"masked": FAILED, "failed": True} if arguments.json else FAILED)
        elif arguments.json:
            _print(_described(traced, mask, wide))
        elif wide is None:
            _print(traced.masked)
        else:
            _explain(line, traced, mask, wide)
    if failed:
        sys.stderr.write(f"masking failed for {failed} lines; their content was left out\n")
    return 1 if failed else 0


def mask_options(arguments: argparse.Namespace) -> Any:
    """The mask's options of the pipeline file that is named, or those of the profile."""
    from agenttrail.cli._options import mask
    from agenttrail.config import load

    chosen = mask(arguments)
    return load(arguments.config).mask if arguments.config is not None else chosen


def lines_of(path: str) -> Iterator[str]:
    """The lines of a file or of standard input, without their breaks.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with sys.stdin.buffer if path == "-" else open(path, "rb") as file:
            for line in file:
                yield line.rstrip(b"\r\n").decode("utf-8", "replace")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _lines(given: str) -> Iterator[str]:
    try:
        is_file = given == "-" or Path(given).is_file()
    except (OSError, ValueError):  # too long for a path, or with a zero byte
        is_file = False
    if is_file:
        return lines_of(given)
    return iter(given.splitlines() or [""])


def _traced(mask: PresidioMask, lines: Iterator[str]) -> Iterator[tuple[str, Trace | None]]:
    """Each line with its trace, None where masking it failed; in batches, which the model likes."""
    batch: list[str] = []
    for line in lines:
        batch.append(line)
        if len(batch) >= _BATCH:
            yield from _batch(mask, batch)
            batch = []
    yield from _batch(mask, batch)


def _batch(mask: PresidioMask, lines: list[str]) -> Iterator[tuple[str, Trace | None]]:
    try:
        yield from zip(lines, mask.trace(lines), strict=True)
        return
    except MaskError:
        pass  # one of them fails: each on its own
    for line in lines:
        try:
            (traced,) = mask.trace([line])
        except MaskError:
            yield line, None
        else:
            yield line, traced


def _described(traced: Trace, mask: PresidioMask, wide: PresidioMask | None) -> dict[str, Any]:
    said: dict[str, Any] = {
        "masked": traced.masked,
        "findings": [
            {"path": leaf.path, **dataclasses.asdict(found)}
            for leaf in traced.leaves
            for found in leaf.findings
        ],
    }
    if wide is not None:
        said["candidates"] = [dataclasses.asdict(r) for r in mask.explain(traced, wide)]
    return said


def _explain(line: str, traced: Trace, mask: PresidioMask, wide: PresidioMask) -> None:
    _print(line)
    _print(traced.masked)
    reasons = mask.explain(traced, wide)
    for reason in reasons:
        place = f"{reason.path}:" if reason.path else ""
        seen = f", read {reason.reading}" if reason.reading else ""
        _print(
            f"  {reason.outcome:7} {reason.entity} {reason.score:.2f} {reason.value!r} "
            f"at {place}{reason.start}-{reason.end} by {reason.recogniser}{seen}: {reason.why}"
        )
    if not reasons:
        _print("  nothing was seen in it")


def _print(line: str | dict[str, Any]) -> None:
    from agenttrail import jsontext

    text = line if isinstance(line, str) else jsontext.dumps(line).decode()
    sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")
