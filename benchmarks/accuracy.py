"""How much of what is personal is masked, and how much of what is not, on every labelled set there is.

    python benchmarks/accuracy.py [--profile balanced] [--only NAME] [--json]

The profiles stand side by side; for each set the characters of personal data and of other text that
are masked, recall and precision over the structured kinds, then by kind and language.

Sets of our own: agent logs made from a seed (`_labelled.py`) and sentences in Japanese, Lao and Thai
(`_sentences.py`). Where the folder of shared data is there, the sets of other people: Presidio's
sentences and the cases of its own tests, Thai news, ids and phones judged by other libraries, the ids
of Datadog's scanner, secrets and their look-alikes of gitleaks; of the cases and ids those of kinds
that the default profile looks for. Values that stand alone there are read as they are, in a sentence,
and glued to text of a script without spaces. Invalid ids and look-alikes are other text: masking one
is a mistake.

Structured are the kinds that a pattern, a check digit or a name beside them tells and that `balanced`
looks for (STRUCTURED below); a label whose value is none of its kind by the rules of `_validity.py`
stands in a row of its own and counts in no share.

It is the measure of `agenttrail mask-test`, whose help says what recall and precision are.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from _labelled import samples as agent_logs
from _sentences import sentences
from _validity import is_invalid

from agenttrail.masks._accuracy import Sample, Score, Span, measure, read_samples
from agenttrail.masks.presidio import PresidioOptions

DATA = Path(__file__).parent.parent.parent / "shared" / "data" / "pii"
BATCH = 200
PROFILES = ("stock", "balanced", "fast")
IN_TEXT = {
    "en": ("{}", "Value {} given.", "value={};"),
    "th": ("{}", "ข้อมูล {} ครับ", "ข้อมูล{}ครับ"),
    "ja": ("{}", "値は {} です", "値は{}です"),
    "lo": ("{}", "ຂໍ້ມູນ {} ຄັບ", "ຂໍ້ມູນ{}ຄັບ"),
}
STRUCTURED = frozenset(
    "EMAIL_ADDRESS PHONE_NUMBER CREDIT_CARD IBAN_CODE IP_ADDRESS MAC_ADDRESS CRYPTO BANK_ACCOUNT "  # noqa: SIM905
    "NATIONAL_ID PASSPORT US_SSN US_ITIN US_PASSPORT US_BANK_NUMBER US_DRIVER_LICENSE TH_TNIN TH_TAX_ID "
    "TH_PASSPORT JP_MY_NUMBER JP_PASSPORT JP_DRIVER_LICENSE SECRET CREDENTIALS".split()
)
REGION_LANGUAGE = {"TH": "th", "JP": "ja", "LA": "lo"}
# Validators of dd-sensitive-data-scanner, and our kind where we claim to find what they judge.
VALIDATORS = {
    "luhn_checksum": "CREDIT_CARD",
    "iban_checker": "IBAN_CODE",
    "btc_checksum": "CRYPTO",
    "ethereum_checksum": "CRYPTO",
    "monero_address": "CRYPTO",
    "github_token_checksum": "SECRET",
    "atlassian_token_checksum": "SECRET",
    "jwt_claims_validator": "SECRET",
}


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


def scanner_ids() -> Iterator[Sample]:
    for row in rows("dd_sds_ids"):
        kind = VALIDATORS.get(row["validator"])
        if kind and row["value"].strip():
            yield from in_texts(row["value"], kind if row["valid"] else None, "en")


def cases() -> Iterator[Sample]:
    """Presidio's own test cases of kinds that we look for, at its default leniency for phones.

    Not those that it gives less than the default score threshold: there it says that it guesses.
    """
    for row in rows("presidio_recognizer_cases"):
        ranges = row.get("expected_score_ranges", ())
        highest = [scores[-1] for scores in ranges if not isinstance(scores[-1], str)]
        if any(most <= 0.4 for most in highest) or row.get("leniency", 1) != 1:
            continue
        if set(row["entities"]) <= STRUCTURED:
            places = row["expected_positions"]
            spans = (Span(start, end, row["entities"][0]) for start, end in places)
            yield Sample(row["text"], tuple(spans), "en")


def secrets() -> Iterator[Sample]:
    """A line with a secret somewhere in it: what is masked of it counts by samples, not characters."""
    for row in rows("gitleaks_tp_fp"):
        text = row["text"]
        spans = (Span(0, len(text), "SECRET"),) if row["kind"] == "tp" else ()
        yield Sample(text, spans, "en")


def logs() -> Iterator[Sample]:
    yield from read_samples(json.dumps(sample) for sample in agent_logs(seed=1, records=500))


def own_sentences() -> Iterator[Sample]:
    yield from read_samples(json.dumps(sample) for sample in sentences(seed=1))


OWN = ("agent_logs", "own_sentences")
SETS: dict[str, Callable[[], Iterator[Sample]]] = {
    "agent_logs": logs,
    "own_sentences": own_sentences,
    "ids_by_stdnum": ids,
    "phones_by_phonenumbers": phones,
    "dd_sds_ids": scanner_ids,
    "gitleaks_tp_fp": secrets,
    "presidio_recognizer_cases": cases,
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
    kinds = [row for (kind, _), row in score.rows.items() if kind in STRUCTURED]
    counted, findings = sum(r.labelled for r in kinds), sum(r.findings for r in kinds)
    return {
        "labelled": counted,
        "recall": round(sum(r.found for r in kinds) / counted, 4) if counted else None,
        "precision": round(sum(r.right for r in kinds) / findings, 4) if findings else None,
    }


def measured(name: str, mask: Any) -> dict[str, Any]:
    """The score of a mask on one set."""
    score = Score()
    samples = SETS[name]()
    while batch := list(itertools.islice(samples, BATCH)):
        measure(mask, batch, score, is_invalid=is_invalid)
    said = score.as_json() | {"structured": structured(score)}
    # There a whole line is the label, and only a part of it a secret.
    return said | {"personal_masked": None} if name == "gitleaks_tp_fp" else said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--profile", choices=PROFILES, action="append", help="this one alone; can be repeated")  # fmt: skip
    parser.add_argument("--only", choices=SETS, action="append", help="this set; can be repeated")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    profiles = [p for p in PROFILES if p in (given.profile or PROFILES)]
    masks = {profile: PresidioOptions(profile=profile).one() for profile in profiles}
    said: dict[str, Any] = {"profiles": profiles, "sets": {}}
    for name in given.only or SETS:
        if name not in OWN and not DATA.exists():
            sys.stderr.write(f"{name}: passed over, there is no folder of shared data\n")
            continue
        said["sets"][name] = {profile: measured(name, mask) for profile, mask in masks.items()}
        if not given.json:
            sys.stdout.writelines(table(name, said["sets"][name]))
            sys.stdout.flush()
    if given.json:
        sys.stdout.write(json.dumps(said) + "\n")
    else:
        sys.stdout.writelines(summary(said["sets"]))


def table(name: str, of: Mapping[str, Any]) -> Iterator[str]:
    """One set: shares of characters, then recall and precision by kind and language."""
    one = next(iter(of.values()))
    yield f"\n{name}: {one['samples']} samples, in percent\n"
    yield _line(("", "", ""), [f"{profile:^17}" for profile in of])
    for what, chars in (("personal", one["personal_chars"]), ("other", one["other_chars"])):
        shares = [_percent(said[f"{what}_masked"]) for said in of.values()]
        yield _line((f"{what} characters masked", "", str(chars)), [f"{share:>8}{'':9}" for share in shares])  # fmt: skip
    heads = [f"{'recall':>8}{'precision':>9}"] * len(of)
    yield _line(("kind", "lang", "labelled"), heads)
    pairs = [_pair(said["structured"]) for said in of.values()]
    yield _line(("all structured kinds", "", str(one["structured"]["labelled"])), pairs)
    by_kind = [{(row["kind"], row["language"]): row for row in said["kinds"]} for said in of.values()]  # fmt: skip
    for key in sorted(set().union(*by_kind)):
        labels = max(rows[key]["labelled"] if key in rows else 0 for rows in by_kind)
        yield _line((*key, str(labels)), [_pair(rows.get(key, {})) for rows in by_kind])


def summary(sets: Mapping[str, Any]) -> Iterator[str]:
    """A line for each set and profile."""
    line = "{:28}{:10}{:>9}{:>10}{:>8}{:>20}{:>11}\n"
    yield "\nall sets, in percent\n"
    yield line.format("set", "profile", "samples", "personal", "other", "structured: recall", "precision")  # fmt: skip
    for name, of in sets.items():
        for profile, said in of.items():
            both = said["structured"]
            shares = (said["personal_masked"], said["other_masked"], both["recall"], both["precision"])  # fmt: skip
            yield line.format(name, profile, said["samples"], *map(_percent, shares))


def _line(first: tuple[str, str, str], cells: list[str]) -> str:
    return f"{first[0]:27}{first[1]:5}{first[2]:>9} |" + " |".join(cells).rstrip() + "\n"


def _pair(row: Mapping[str, Any]) -> str:
    return f"{_percent(row.get('recall')):>8}{_percent(row.get('precision')):>9}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


if __name__ == "__main__":
    main()
