"""`agenttrail mask-test`: what the mask does on your own lines, before it is rolled out.

On labelled lines: precision and recall by kind and language, and characters masked. On others: the
most frequent findings, in which false positives stand out. Values are shown on a terminal alone, and
only where they are asked for.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from agenttrail.errors import UsageError

if TYPE_CHECKING:
    from agenttrail.masks._accuracy import Frequent, Score

_BATCH = 200


def add(verbs: Any) -> None:
    """Adds the verb."""
    from agenttrail.cli._options import add_profile

    parser = verbs.add_parser(
        "mask-test",
        help="precision and recall on labelled lines, the most frequent findings on others",
        description='Reads labelled samples, a JSON object each: {"text": TEXT, "spans": [{"start": 0, "end": 4, "label": "PERSON"}]}, or {"full_text", "spans"} of presidio-evaluator, or {"record": JSON, "spans": [{"path": "a.0", …}]} with places inside a record. Prints precision and recall by kind and language, and how much of the personal and of the other text is masked. Of lines without labels it lists the most frequent findings. Labels of dates, sums, ages, organisations and host names count by kind alone.',
    )
    parser.add_argument("samples", metavar="SAMPLES", help="file; - is standard input")
    parser.add_argument("-c", "--config", metavar="FILE", help="use the mask of this pipeline")
    add_profile(parser)
    parser.add_argument("--label", action="append", default=[], metavar="LABEL=KIND", help="take a label for this kind; LABEL= passes over it; can be repeated")  # fmt: skip
    parser.add_argument("--top", type=int, default=20, metavar="N", help="frequent findings to list (20)")  # fmt: skip
    parser.add_argument("--show-values", action="store_true", help="list values, not shapes: UNMASKED data, on a terminal only")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints to standard output."""
    from agenttrail.cli.mask import lines_of, mask_options
    from agenttrail.masks._accuracy import Score, frequent, measure, read_samples

    if arguments.top < 1:
        raise UsageError("--top must be at least 1")
    if arguments.show_values and (arguments.json or not sys.stdout.isatty()):
        raise UsageError("--show-values is for a terminal", hint="leave it out to see shapes")
    renamed = {}
    for said in arguments.label:
        label, given, kind = said.partition("=")
        if not given:
            raise UsageError("--label needs LABEL=KIND", hint="--label GPE=LOCATION")
        renamed[label] = kind
    options = mask_options(arguments)
    score = Score()
    shapes: Counter[Frequent] = Counter()
    values: Counter[tuple[str, str]] = Counter()
    lines = findings = 0
    samples = read_samples(lines_of(arguments.samples))
    mask = options.one()
    try:
        while batch := list(itertools.islice(samples, _BATCH)):
            measure(mask, (s for s in batch if s.spans is not None), score, renamed)
            texts = [s.text for s in batch if s.spans is None]
            lines += len(texts)
            findings += frequent(mask.trace(texts), shapes, values)
            if len(values) > 100_000:  # what is frequent is long counted
                values = Counter(dict(values.most_common(50_000)))
    except ValueError as error:
        raise UsageError(f"{arguments.samples}: {error}") from None
    if not score.samples and not lines:
        raise UsageError(f"{arguments.samples} holds no line")
    top = shapes.most_common(arguments.top)
    if arguments.json:
        said = score.as_json() if score.samples else {}
        listed = [{"kind": x.entity, "shape": x.shape, "path": x.path, "findings": n} for x, n in top]  # fmt: skip
        unlabelled = {"lines": lines, "findings": findings, "frequent": listed}
        sys.stdout.write(json.dumps({"labelled": said, "unlabelled": unlabelled}) + "\n")
        return 0
    if score.samples:
        print_score(score)
    if lines:
        sys.stdout.write(f"{lines} lines without labels, {findings} findings; the most frequent:\n")
        if arguments.show_values:
            for (kind, value), number in values.most_common(arguments.top):
                sys.stdout.write(f"{number:8} {kind} {value!r}\n")
        else:
            for x, number in top:
                sys.stdout.write(f"{number:8} {x.entity} {x.shape}{f'  at {x.path}' if x.path else ''}\n")  # fmt: skip
    return 0


def print_score(score: Score) -> None:
    """A table of a score, rates in percent."""
    said = score.as_json()
    sys.stdout.write(
        f"{score.samples} samples; masked: {_percent(said['personal_masked'])} of "
        f"{score.personal_chars} personal characters, {_percent(said['other_masked'])} of "
        f"{score.other_chars} others\n"
    )
    head = ("kind", "lang", "labelled", "recall", "masked", "findings", "precision")
    rows = [
        (
            row["kind"], row["language"], str(row["labelled"]), _percent(row["recall"]),
            _percent(row["masked_share"]), str(row["findings"]), _percent(row["precision"]),
        )
        for row in said["kinds"]
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for cells in (head, *rows):
        text = "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        sys.stdout.write(text.rstrip() + "\n")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
