"""How well a mask does on text whose personal data is marked: precision and recall, by kind and language.

A sample is a JSON object, one a line, or all in one array:

    {"text": "…", "spans": [{"start": 0, "end": 4, "label": "PERSON"}], "lang": "en"}
    {"full_text": "…", "spans": [{"start_position": 0, "end_position": 4, "entity_type": "PERSON"}]}
    {"record": {"to": "…"}, "spans": [{"path": "to", "start": 0, "end": 4, "label": "PERSON"}]}

The second is presidio-evaluator's InputSample. The third marks places in the values of a JSON record:
`path` is dotted, list positions are numbers, JSON in a string goes on with its own keys. A line that is
no such object is unlabelled.

Labels of values that a caller calls invalid (a card without its check digit, a phone of no country)
count by a kind of their own, `CREDIT_CARD (invalid)`: whether such a value is masked is no question of
recall, and to mask it no mistake.

A labelled span is found where a finding of its kind touches it, and masked where no letter or digit
of it is left, whatever the kind. A finding is right where it touches a label of its kind. Labels for
things that are not personal by themselves (dates, sums, ages, organisations and their public
numbers, host names) count by kind, and
in neither share of characters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from agenttrail import jsontext
from agenttrail.masks._trace import Leaf, Trace

# Labels as other people write them, and the kind that we call it.
_ALIASES = {
    "PER": "PERSON", "NAME": "PERSON", "GPE": "LOCATION", "LOC": "LOCATION", "CITY": "LOCATION",
    "COUNTRY": "LOCATION", "STREET_ADDRESS": "ADDRESS", "ZIP_CODE": "ADDRESS", "ZIP": "ADDRESS",
    "ORG": "ORGANIZATION", "EMAIL": "EMAIL_ADDRESS", "PHONE": "PHONE_NUMBER", "SSN": "US_SSN",
    "IBAN": "IBAN_CODE", "CARD": "CREDIT_CARD", "DATE": "DATE_TIME", "TIME": "DATE_TIME",
    "DOMAIN_NAME": "URL", "TH_PIN": "TH_TNIN", "IP": "IP_ADDRESS", "MAC": "MAC_ADDRESS",
}  # fmt: skip
# Kinds that may stand for one another: a key or a pattern of another country may have said it first.
_LIKE = (
    frozenset({"ADDRESS", "LOCATION"}),
    frozenset({"PERSON", "USER_NAME"}),
    frozenset({"SECRET", "CREDENTIALS"}),
    frozenset({"USER_ID", "USER_NAME", "EMAIL_ADDRESS"}),
)
_COUNTRY_ID = re.compile(
    r"NATIONAL_ID|[A-Z]{2}_(?:TNIN|TAX_ID|MY_NUMBER|SSN|CORPORATE_NUMBER|DRIVER_LICENSE|DRIVING_LICENCE)"
)
_PASSPORT = re.compile(r"(?:[A-Z]{2}_)?PASSPORT")
INVALID = " (invalid)"
NEUTRAL = frozenset(
    "DATE_TIME ORGANIZATION TITLE URL PERCENT MONEY LEN LAW AGE JP_CORPORATE_NUMBER".split()  # noqa: SIM905
)
_SCRIPTS = (
    ("th", re.compile("[\u0e00-\u0e7f]")),
    ("lo", re.compile("[\u0e80-\u0eff]")),
    ("ja", re.compile("[\u3040-\u30ff\u3400-\u9fff]")),
)


class Tracing(Protocol):
    """A mask that says where in a text it found what."""

    def trace(self, texts: Sequence[str], *, plain: bool = False) -> list[Trace]: ...


@dataclass(frozen=True, slots=True)
class Span:
    """Personal data at characters [start:end) of the text, or of the value at `path` of a record."""

    start: int
    end: int
    label: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """A text, and where personal data is in it; None where nobody said."""

    text: str
    spans: tuple[Span, ...] | None
    language: str
    record: bool = False


@dataclass(slots=True)
class Row:
    """Counts of one kind in one language."""

    labelled: int = 0
    found: int = 0
    masked: int = 0
    findings: int = 0
    right: int = 0
    beside: int = 0  # findings that touch no label at all

    def as_json(self) -> dict[str, Any]:
        """The counts, with recall and precision where there is something to divide by."""
        return {
            "labelled": self.labelled, "found": self.found, "masked": self.masked,
            "findings": self.findings, "right": self.right, "beside": self.beside,
            "recall": _share(self.found, self.labelled),
            "masked_share": _share(self.masked, self.labelled),
            "precision": _share(self.right, self.findings),
        }  # fmt: skip


@dataclass(slots=True)
class Score:
    """What a mask did on labelled samples."""

    samples: int = 0
    personal_chars: int = 0
    personal_masked: int = 0
    other_chars: int = 0
    other_masked: int = 0
    rows: dict[tuple[str, str], Row] = field(default_factory=dict)  # by kind and language

    def row(self, kind: str, language: str) -> Row:
        """The row of a kind and a language, made where there is none yet."""
        return self.rows.setdefault((kind, language), Row())

    def as_json(self) -> dict[str, Any]:
        """Counts and shares; shares are 0 to 1, None where there was nothing."""
        return {
            "samples": self.samples,
            "personal_chars": self.personal_chars,
            "personal_masked": _share(self.personal_masked, self.personal_chars),
            "other_chars": self.other_chars,
            "other_masked": _share(self.other_masked, self.other_chars),
            "kinds": [
                {"kind": kind, "language": language, **row.as_json()}
                for (kind, language), row in sorted(self.rows.items())
            ],
        }


@dataclass(frozen=True, slots=True)
class Frequent:
    """Findings that look alike: their kind, shape (9 a digit, a and A letters) and key."""

    entity: str
    shape: str
    path: str


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def read_samples(lines: Iterable[str]) -> Iterator[Sample]:
    """The samples of a file.

    Args:
        lines: of JSON Lines, of one JSON array, or of any log.

    Raises:
        ValueError: a label stands outside its text; the message names the line, no content.
    """
    numbered = enumerate(lines, start=1)
    for number, line in numbered:
        if not line.strip():
            continue
        if line.lstrip().startswith("["):
            whole = "\n".join([line, *(rest for _, rest in numbered)])
            try:
                items = jsontext.loads(whole)
            except ValueError:
                items = None
            if isinstance(items, list) and all(_is_sample(item) for item in items):
                for place, item in enumerate(items, start=1):
                    yield _sample(item, f"sample {place}")
                return
            for text in filter(str.strip, whole.split("\n")):
                yield _unlabelled(text)
            return
        try:
            item = jsontext.loads(line)
        except ValueError:
            item = None
        yield _sample(item, f"line {number}") if _is_sample(item) else _unlabelled(line)


def _unlabelled(text: str) -> Sample:
    return Sample(text, None, language_of(text))


def _is_sample(item: Any) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("spans"), list):
        return False
    texts = isinstance(item.get("text"), str), isinstance(item.get("full_text"), str), "record" in item  # fmt: skip
    return any(texts) and all(isinstance(span, dict) for span in item["spans"])


def _sample(item: dict[str, Any], place: str) -> Sample:
    record = "record" in item
    if record:
        text = jsontext.dumps(item["record"]).decode()
    else:
        text = item["text"] if isinstance(item.get("text"), str) else item["full_text"]
    spans = []
    for said in item["spans"]:
        start = said.get("start", said.get("start_position"))
        end = said.get("end", said.get("end_position"))
        label = said.get("label", said.get("entity_type"))
        path = said.get("path", "")
        if not (isinstance(start, int) and isinstance(end, int) and isinstance(label, str)):
            raise ValueError(f"{place}: a span needs start, end and label")
        if not 0 <= start < end or (not record and end > len(text)) or not isinstance(path, str):
            raise ValueError(f"{place}: a span stands outside its text")
        spans.append(Span(start, end, label, path))
    language = item.get("lang", item.get("language"))
    return Sample(text, tuple(spans), language if isinstance(language, str) else language_of(text), record)  # fmt: skip


def language_of(text: str) -> str:
    """`th`, `lo` or `ja` by the first of these scripts that stands in it, else `en`."""
    for language, letters in _SCRIPTS:
        if letters.search(text):
            return language
    return "en"


def kind_of_label(label: str, renamed: Mapping[str, str]) -> str:
    """Our word for a label; empty where it is to be passed over."""
    return renamed.get(label, _ALIASES.get(label, label))


def is_neutral(kind: str) -> bool:
    """True for labels of what is not personal by itself, or no true value of its kind."""
    return kind in NEUTRAL or kind.endswith(INVALID)


def alike(kind: str, other: str) -> bool:
    """True where a finding of one kind is right for a label of the other."""
    kind, other = kind.removesuffix(INVALID), other.removesuffix(INVALID)
    if _PASSPORT.fullmatch(kind) and _PASSPORT.fullmatch(other):
        return "PASSPORT" in (kind, other) or kind == other
    if kind == other or any(kind in group and other in group for group in _LIKE):
        return True
    return bool(_COUNTRY_ID.fullmatch(kind) and _COUNTRY_ID.fullmatch(other)) and "NATIONAL_ID" in (kind, other)  # fmt: skip


def measure(
    mask: Tracing,
    samples: Iterable[Sample],
    score: Score,
    renamed: Mapping[str, str] | None = None,
    *,
    is_invalid: Callable[[str, str], bool] | None = None,
) -> None:
    """Adds what a mask does on these labelled samples to a score.

    Args:
        mask: says what it finds.
        samples: labelled.
        score: added to.
        renamed: labels and the kinds that they stand for; empty passes over a label.
        is_invalid: says of a kind and a labelled value that the value is none of its kind.

    Raises:
        ValueError: a label names a path that its record does not have.
        MaskError: masking one of them fails.
    """
    chosen = list(samples)
    for record in (True, False):
        part = [sample for sample in chosen if sample.record is record]
        traced = mask.trace([sample.text for sample in part], plain=not record)
        for sample, trace in zip(part, traced, strict=True):
            _measure(sample, trace.leaves, score, renamed or {}, is_invalid)


def _measure(
    sample: Sample,
    leaves: Sequence[Leaf],
    score: Score,
    renamed: Mapping[str, str],
    is_invalid: Callable[[str, str], bool] | None,
) -> None:
    score.samples += 1
    by_path: dict[str, list[tuple[Span, str]]] = {}
    for span in sample.spans or ():
        kind = kind_of_label(span.label, renamed)
        if kind:
            by_path.setdefault(span.path, []).append((span, kind))
    for leaf in leaves:
        labels = [] if leaf.key else by_path.pop(leaf.path, [])
        if is_invalid is not None:
            labels = [
                (s, kind + INVALID if is_invalid(kind, leaf.text[s.start : s.end]) else kind)
                for s, kind in labels
            ]
        found = [x for x in leaf.findings if x.operator != "keep"]
        hidden = {i for x in found for i in range(x.start, x.end)}
        personal = {i for s, kind in labels if not is_neutral(kind) for i in range(s.start, s.end)}
        neutral = {i for s, kind in labels if is_neutral(kind) for i in range(s.start, s.end)}
        other = set(range(len(leaf.text))) - personal - neutral
        score.personal_chars += len(personal)
        score.personal_masked += len(personal & hidden)
        score.other_chars += len(other)
        score.other_masked += len(other & hidden)
        for span, kind in labels:
            if span.end > len(leaf.text):
                raise ValueError("a span stands outside its value")
            row = score.row(kind, sample.language)
            row.labelled += 1
            touching = [x for x in found if x.start < span.end and span.start < x.end]
            row.found += any(alike(x.entity, kind) for x in touching)
            row.masked += all(i in hidden for i in range(span.start, span.end) if leaf.text[i].isalnum())  # fmt: skip
        for x in found:
            row = score.row(x.entity, sample.language)
            row.findings += 1
            touched = [kind for span, kind in labels if x.start < span.end and span.start < x.end]
            row.right += any(alike(x.entity, kind) for kind in touched)
            row.beside += not touched
    if by_path:
        raise ValueError("a span names a path that its record does not have")


def frequent(
    traced: Iterable[Trace], shapes: Counter[Frequent], values: Counter[tuple[str, str]]
) -> int:
    """Counts what was found in unlabelled lines, by shape and by value; gives how many findings."""
    total = 0
    for trace in traced:
        for leaf in trace.leaves:
            path = ".".join(part for part in leaf.path.split(".") if not part.isdecimal())
            for x in leaf.findings:
                value = leaf.text[x.start : x.end]
                shapes[Frequent(x.entity, shape(value), path)] += 1
                values[x.entity, value] += 1
                total += 1
    return total


_WORD = re.compile(r"[^\W\d_]+|\d")


def shape(value: str) -> str:
    """What a value looks like: 9 for each digit, a or A for each word, punctuation as it is."""

    def put(match: re.Match[str]) -> str:
        first = match.group()[0]
        return "9" if first.isdigit() else "A" if first.isupper() else "a"

    value = _WORD.sub(put, value)
    return value if len(value) <= 40 else value[:39] + "…"
