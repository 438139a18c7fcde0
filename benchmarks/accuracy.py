"""How much of what is personal is masked, and how much of what is not, on every labelled set there is.

    python benchmarks/accuracy.py [--profile balanced] [--only NAME] [--json]

Sets: agent logs made from a seed (`_labelled.py`), and, where the folder of shared data is there, the
sets of other people: Presidio's sentences, Thai news, ids and phones judged by other libraries, secrets
and their look-alikes. Values that stand alone there are read as they are, in a sentence, and glued to
text of a script without spaces. Invalid ids and look-alikes are other text: masking one is a mistake.

It is the measure of `agenttrail mask-test`, whose help says what recall and precision are.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from _labelled import samples as agent_logs

from agenttrail.cli.mask_test import print_score
from agenttrail.masks._accuracy import NEUTRAL, Sample, Score, Span, measure, read_samples
from agenttrail.masks.presidio import PresidioOptions

DATA = Path(__file__).parent.parent.parent / "shared" / "data" / "pii"
BATCH = 200
IN_TEXT = {
    "en": ("{}", "Value {} given.", "value={};"),
    "th": ("{}", "ข้อมูล {} ครับ", "ข้อมูล{}ครับ"),
    "ja": ("{}", "値は {} です", "値は{}です"),
    "lo": ("{}", "ຂໍ້ມູນ {} ຄັບ", "ຂໍ້ມູນ{}ຄັບ"),
}
# Kinds without a structure that a pattern could know.
FREE = NEUTRAL | {
    "PERSON",
    "LOCATION",
    "NRP",
    "ADDRESS",
    "USER_NAME",
    "USER_ID",
    "US_DRIVER_LICENSE",
}
REGION_LANGUAGE = {"TH": "th", "JP": "ja", "LA": "lo"}


def rows(name: str) -> Iterator[dict[str, Any]]:
    for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def labelled(name: str) -> Iterator[Sample]:
    yield from read_samples((DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines())


def in_texts(value: str, label: str | None, language: str) -> Iterator[Sample]:
    """The value alone, in a sentence, and glued; labelled where `label` says what it is."""
    for frame in IN_TEXT[language]:
        at = frame.index("{}")
        spans = (Span(at, at + len(value), label),) if label else ()
        yield Sample(frame.format(value), spans, language)


def ids() -> Iterator[Sample]:
    for row in rows("ids_by_stdnum"):
        yield from in_texts(row["value"], row["kind"] if row["valid"] else None, row["lang"])


def phones() -> Iterator[Sample]:
    for row in rows("phones_by_phonenumbers"):
        value = row["value"].removeprefix("tel:")
        language = REGION_LANGUAGE.get(row["region"], "en")
        yield from in_texts(value, "PHONE_NUMBER" if row["valid"] else None, language)


def secrets() -> Iterator[Sample]:
    """A line with a secret somewhere in it: what is masked of it counts by samples, not characters."""
    for row in rows("gitleaks_tp_fp"):
        text = row["text"]
        spans = (Span(0, len(text), "SECRET"),) if row["kind"] == "tp" else ()
        yield Sample(text, spans, "en")


def logs() -> Iterator[Sample]:
    yield from read_samples(json.dumps(sample) for sample in agent_logs(seed=1, records=500))


SETS: dict[str, Callable[[], Iterator[Sample]]] = {
    "agent_logs": logs,
    "ids_by_stdnum": ids,
    "phones_by_phonenumbers": phones,
    "gitleaks_tp_fp": secrets,
    **{
        name: (lambda name=name: labelled(name))  # type: ignore[misc]
        for name in (
            "en_presidio_generated_small",
            "en_presidio_generated_large",
            "en_presidio_synth_v2",
            "th_thainer13",
        )
    },
}


def structured(score: Score) -> dict[str, float | None]:
    """Recall and precision over all kinds that have a structure: no names, places, words."""
    rows = [row for (kind, _), row in score.rows.items() if kind not in FREE]
    labelled, findings = sum(r.labelled for r in rows), sum(r.findings for r in rows)
    return {
        "recall": sum(r.found for r in rows) / labelled if labelled else None,
        "precision": sum(r.right for r in rows) / findings if findings else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--profile", default="balanced", choices=("stock", "balanced", "fast"))
    parser.add_argument("--only", choices=SETS, action="append", help="this set; can be repeated")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    mask = PresidioOptions(profile=given.profile).build()
    said: dict[str, Any] = {"profile": given.profile, "sets": {}}
    for name in given.only or SETS:
        if name != "agent_logs" and not DATA.exists():
            sys.stderr.write(f"{name}: passed over, there is no folder of shared data\n")
            continue
        score = Score()
        samples = SETS[name]()
        while batch := list(itertools.islice(samples, BATCH)):
            measure(mask, batch, score)
        said["sets"][name] = score.as_json()
        said["sets"][name] |= {"structured": structured(score)}
        if not given.json:
            sys.stdout.write(f"\n{name} ({given.profile})\n")
            print_score(score)
            sys.stdout.flush()
    if given.json:
        sys.stdout.write(json.dumps(said) + "\n")
        return
    sys.stdout.write(f"\nall sets ({given.profile}), in percent\n")
    line = "{:28}{:>9}{:>10}{:>8}{:>20}{:>11}\n"
    sys.stdout.write(line.format("set", "samples", "personal", "other", "structured: recall", "precision"))  # fmt: skip
    for name, of in said["sets"].items():
        both = of["structured"]
        shares = (of["personal_masked"], of["other_masked"], both["recall"], both["precision"])
        shown = ["-" if share is None else f"{100 * share:.1f}" for share in shares]
        sys.stdout.write(line.format(name, of["samples"], *shown))


if __name__ == "__main__":
    main()
