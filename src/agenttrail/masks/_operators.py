"""What becomes of a finding: replaced, made a pseudonym, shown in part, encrypted, dropped or kept.

Every operator but `keep` puts a marker (see `_markers.py`) in the place of the value, so that masking
twice changes nothing. Equal values get equal markers on every run and machine that has the same key.

pseudonym: HMAC-SHA-256 of the value's canonical form, cut to `digits` hexadecimal digits. Two of
10,000 people share 8 digits with a chance of 1 in 86; 16 digits are enough for every purpose. The
kind is not hashed: an address found once as USER_ID and once as EMAIL_ADDRESS has the same digits.

encrypt: AES-256-GCM, the kind authenticated with the value. The nonce is an HMAC of the value, so
that a repeated run gives the same line; who has no key learns which values are equal and, to 16
bytes, how long they are. A value above 4,000 bytes is replaced instead.

Limits: names join where they are written the same but for case, width and spaces; a nickname or the
order of family and given name makes another pseudonym. A phone written without its country joins
with the international form only where `region` (or the first of phone_regions that fits) is right.
"""

from __future__ import annotations

import base64
import binascii
import copy
import difflib
import hashlib
import hmac
import ipaddress
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Annotated, ClassVar, Protocol

from agenttrail import fields as f
from agenttrail.errors import OptionError
from agenttrail.keys import Key, KeyOptions, check_keys
from agenttrail.masks._markers import DROPPED, HEX_BODY
from agenttrail.masks._readings import plainest
from agenttrail.shapes import TOKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """`<KIND>`: what it was, and nothing of it."""

    type: ClassVar[str] = "replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pseudonym:
    """`<KIND:k1:3f9a2c41>`: the same for the same value, under the first of pseudonym_keys."""

    type: ClassVar[str] = "pseudonym"
    digits: Annotated[int, "Hexadecimal digits of it, 8 to 32."] = 8
    region: Annotated[str | None, "Country of phone numbers written without one, as TH."] = None

    def __post_init__(self) -> None:
        if not 8 <= self.digits <= 32:
            raise OptionError("digits", "must be 8 to 32")
        if self.region is not None and not re.fullmatch("[A-Z]{2}", self.region):
            raise OptionError("region", "a region is two capital letters, as TH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """`<KIND:last:1111>`: the last digits; `<KIND>` where it has fewer than eight in all."""

    type: ClassVar[str] = "partial"
    shown: Annotated[int, "Digits that stay, 1 to 4."] = 4

    def __post_init__(self) -> None:
        if not 1 <= self.shown <= 4:
            raise OptionError("shown", "must be 1 to 4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encrypt:
    """`<KIND:e1:…>`: for `agenttrail unmask`, under the first of encryption_keys."""

    type: ClassVar[str] = "encrypt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """`<DROPPED>`: neither the value nor its kind."""

    type: ClassVar[str] = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Leaves the value as it is, and counts it as kept."""

    type: ClassVar[str] = "keep"
    reason: Annotated[str, "Why it may stay, in words."]

    def __post_init__(self) -> None:
        if len(self.reason.split()) < 2:
            raise OptionError("reason", "must say in words why the value may stay")


Operator = Replace | Pseudonym | Partial | Encrypt | Drop | Keep

# Kinds of words, and kinds of which the last digits tell nearly all.
_NO_DIGITS = frozenset(
    [
        "PERSON",
        "LOCATION",
        "NRP",
        "ORGANIZATION",
        "EMAIL_ADDRESS",
        "URL",
        "USER_NAME",
        "USER_ID",
        "ADDRESS",
        "SECRET",
        "CREDENTIALS",
        "IP_ADDRESS",
        "MAC_ADDRESS",
        "DATE_OF_BIRTH",
        "DATE_TIME",
        "CRYPTO",
        "UUID",
        "TEXT_TOO_LONG",
        "DROPPED",
    ]
)
_IDS = frozenset(
    ["CREDIT_CARD", "IBAN_CODE", "BANK_ACCOUNT", "NATIONAL_ID", "PASSPORT", "MEDICAL_LICENSE"]
)
# JP_MY_NUMBER, US_SSN, TH_TNIN: ids that a country gives.
_COUNTRY = re.compile(r"[A-Z]{2}_(?!.*(?:ADDRESS|NAME|PERSON|LOCATION))[A-Z0-9_]+")
_KIND = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_EXACT = frozenset({"SECRET", "CREDENTIALS", "CRYPTO"})
_PLAIN_HEX = re.compile(HEX_BODY)
# As _PLAIN_HEX for base64url: six digits, also in groups, never stand in an encrypted marker.
_SIX_DIGITS = re.compile(r"\d(?:[-_]?\d){5}")
_MOST_BYTES = 4_000
_NONCE, _TAG, _BLOCK = 12, 16, 16


class Chosen(Protocol):
    """The options of a mask that say what becomes of findings."""

    @property
    def operator(self) -> Operator: ...

    @property
    def operators(self) -> Mapping[str, Operator]: ...

    @property
    def field_operators(self) -> Mapping[str, Operator]: ...

    @property
    def category_operators(self) -> Mapping[str, Operator]: ...

    @property
    def pseudonym_keys(self) -> tuple[KeyOptions, ...]: ...

    @property
    def encryption_keys(self) -> tuple[KeyOptions, ...]: ...


def check_operators(chosen: Chosen) -> None:
    """Checks that every operator has what it needs and stands for something.

    Raises:
        OptionError: the first that does not.
    """
    check_keys("pseudonym_keys", chosen.pseudonym_keys, "k")
    check_keys("encryption_keys", chosen.encryption_keys, "e")
    if isinstance(chosen.operator, Keep):
        raise OptionError("operator", "keep is for a kind or a field, not for everything")
    _check("operator", chosen.operator, None, chosen)
    for kind, operator in chosen.operators.items():
        if not _KIND.fullmatch(kind):
            raise OptionError("operators", "a kind is written in capitals, as EMAIL_ADDRESS")
        _check("operators", operator, kind, chosen)
    for name, operator in chosen.field_operators.items():
        if not any(_covers(name, field) for field in f.FIELDS.values()):
            close = difflib.get_close_matches(name, f.FIELDS, n=1)
            raise OptionError(
                "field_operators", f"no field is called '{name}'",
                hint=f"did you mean '{close[0]}'?" if close else "agenttrail explain fields",
            )  # fmt: skip
        _check("field_operators", operator, None, chosen)
    for category, operator in chosen.category_operators.items():
        if not TOKEN.fits(category):
            raise OptionError("category_operators", "a category is one word, as hr or customer")
        if isinstance(operator, Keep):
            raise OptionError(
                "category_operators", "keep is for a kind or a field, not for whole events"
            )
        _check("category_operators", operator, None, chosen)


def _check(option: str, operator: Operator, kind: str | None, chosen: Chosen) -> None:
    """Checks one operator, which is for `kind` alone where that is not None."""
    for needed, letter, missing in (
        ("pseudonym_keys", "k", isinstance(operator, Pseudonym) and not chosen.pseudonym_keys),
        ("encryption_keys", "e", isinstance(operator, Encrypt) and not chosen.encryption_keys),
    ):
        if missing:
            raise OptionError(
                option, f"{operator.type} needs a key under {needed}",
                hint=f"{needed}: [{{id: {letter}1, file: /path/to/key}}], made by: openssl rand -hex 32",
            )  # fmt: skip
    if isinstance(operator, Partial) and kind in _NO_DIGITS:
        raise OptionError(option, f"{kind} has no last digits to show", hint="use replace or pseudonym")  # fmt: skip


def _covers(name: str, field: f.Field) -> bool:
    """True where an operator for `name` can meet a finding in this field."""
    if name == field.name or field.name.startswith(name + "."):
        return True
    return field.type in ("object", "objects") and name.startswith(field.name + ".")


class Operators:
    """Chooses the operator of a finding and applies it."""

    def __init__(
        self,
        *,
        default: Operator,
        by_kind: Mapping[str, Operator],
        by_field: Mapping[str, Operator],
        by_category: Mapping[str, Operator] | None = None,
        pseudonym_keys: Sequence[Key] = (),
        encryption_keys: Sequence[Key] = (),
        regions: Sequence[str] = (),
    ) -> None:
        """Takes operators that `check_operator` found good.

        Args:
            default: for what no other is for.
            by_kind: by kind of the finding.
            by_field: by dotted field name, its prefix, or a path into an object; before by_kind.
            by_category: by data category of the event; before by_kind.
            pseudonym_keys: the first makes pseudonyms.
            encryption_keys: the first encrypts, all decrypt.
            regions: countries (ISO 3166) of phone numbers written without one.
        """
        self._default = default
        self._by_kind = dict(by_kind)
        self._by_field = sorted(by_field.items(), key=lambda item: -len(item[0]))
        self._by_category = dict(by_category or {})
        # What the categories of the event at hand say; see `within`.
        self._of_event: Operator | None = None
        self._pseudonym_keys = tuple(pseudonym_keys)
        self._vaults = {key.id: Vault(key) for key in encryption_keys}
        self._regions = tuple(regions)
        self.kept_kinds = frozenset(k for k, o in by_kind.items() if isinstance(o, Keep))

    def within(self, categories: object) -> Operators:
        """These operators for an event of some data categories: of several the strictest counts.

        Args:
            categories: what the event says; whatever is no list of words counts for nothing.
        """
        if not self._by_category or not isinstance(categories, (list, tuple, str)):
            return self
        words = [categories] if isinstance(categories, str) else categories
        said = [
            self._by_category[word]
            for word in words
            if isinstance(word, str) and word in self._by_category
        ]
        if not said:
            return self
        narrowed = copy.copy(self)
        narrowed._of_event = min(said, key=lambda operator: _STRICTEST.index(operator.type))
        return narrowed

    def choose(self, kind: str, path: Sequence[str]) -> Operator:
        """The operator for a finding of this kind in the value at `path` (field name, then keys)."""
        if kind == "TEXT_TOO_LONG":
            return _REPLACE
        if self._by_field:
            place = ".".join(part for part in path if not part.isdecimal())
            for name, operator in self._by_field:
                if place == name or place.startswith(name + "."):
                    return operator
        if self._of_event is not None:
            return self._of_event
        return self._by_kind.get(kind, self._default)

    def marker(self, operator: Operator, kind: str, value: str) -> str:
        """What stands in the place of the value; `keep` has none and gives `<KIND>` too."""
        match operator:
            case Pseudonym():
                return self._pseudonym(operator, self._pseudonym_keys[0], kind, value)
            case Partial(shown=shown) if kind not in _NO_DIGITS:
                digits = [d for c in plainest(value) if (d := unicodedata.decimal(c, None)) is not None]  # fmt: skip
                if len(digits) >= 8:
                    return f"<{kind}:last:{''.join(map(str, digits[-shown:]))}>"
            case Encrypt():
                vault = next(iter(self._vaults.values()))
                body = vault.seal(kind, value)
                if body is not None:
                    return f"<{kind}:{vault.id}:{body}>"
            case Drop():
                return f"<{DROPPED}>"
        return f"<{kind}>"

    def pseudonyms(self, operator: Pseudonym, kind: str, value: str) -> list[str]:
        """The value's pseudonyms under every key, the current one first: to search older lines."""
        return [self._pseudonym(operator, key, kind, value) for key in self._pseudonym_keys]

    def opens(self, kind: str, key: str, body: str) -> bool:
        """True where a key at hand decrypts this body of an encrypted marker."""
        vault = self._vaults.get(key)
        return vault is not None and vault.open(kind, body) is not None

    def _pseudonym(self, operator: Pseudonym, key: Key, kind: str, value: str) -> str:
        regions = (operator.region,) if operator.region else self._regions
        plain = canonical(kind, value, regions).encode("utf-8", "replace")
        for attempt in count():
            made = hmac.new(key.secret, b"agenttrail pseudonym %d\0%b" % (attempt, plain), hashlib.sha256)  # fmt: skip
            digits = made.hexdigest()[: operator.digits]
            if _PLAIN_HEX.fullmatch(digits):
                return f"<{kind}:{key.id}:{digits}>"
        raise AssertionError("unreachable")


_REPLACE = Replace()
# Of two categories the operator that tells less of the value.
_STRICTEST = ("drop", "replace", "encrypt", "pseudonym", "partial")


class Vault:
    """Encrypts and decrypts values under one key.

    The key of AES and that of the nonces are HMAC-SHA-256 of the words below under the secret. The
    value is UTF-8, a byte 0x80, and zeros to a multiple of 16 bytes (ISO/IEC 7816-4).
    """

    def __init__(self, key: Key) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.id = key.id
        self._cipher = AESGCM(hmac.new(key.secret, b"agenttrail encrypt", hashlib.sha256).digest())
        self._nonces = hmac.new(key.secret, b"agenttrail nonce", hashlib.sha256).digest()

    def seal(self, kind: str, value: str) -> str | None:
        """The body of a marker, or None where the value is too long."""
        plain = value.encode("utf-8", "replace") + b"\x80"
        if len(plain) > _MOST_BYTES:
            return None
        plain += bytes(-len(plain) % _BLOCK)
        said = kind.encode()
        for attempt in count():
            message = b"%d\0%b\0%b" % (attempt, said, plain)
            nonce = hmac.new(self._nonces, message, hashlib.sha256).digest()[:_NONCE]
            sealed = nonce + self._cipher.encrypt(nonce, plain, said)
            body = base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
            if not _SIX_DIGITS.search(body):
                return body
        raise AssertionError("unreachable")

    def open(self, kind: str, body: str) -> str | None:
        """The value, or None where this key did not encrypt it as of this kind."""
        from cryptography.exceptions import InvalidTag

        try:
            sealed = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
            if base64.urlsafe_b64encode(sealed).rstrip(b"=").decode() != body:
                return None
            if len(sealed) < _NONCE + _BLOCK + _TAG:
                return None
            plain = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], kind.encode())
            return plain.rstrip(b"\0").removesuffix(b"\x80").decode()
        except (binascii.Error, InvalidTag, UnicodeDecodeError):
            return None


def canonical(kind: str, value: str, regions: Sequence[str] = ()) -> str:
    """The form in which equal values are equal, whatever they were found in.

    Escapes are undone, full-width forms and invisible characters go; then by kind: e-mail addresses
    in small letters; phones as E.164, or their digits where they are no number; ids as digits and
    capital letters; addresses of machines as they are usually written; secrets as they are; all
    else without regard to case and number of spaces.
    """
    if kind in _EXACT:
        return value
    text = unicodedata.normalize("NFKC", plainest(value)).strip()
    if kind == "PHONE_NUMBER":
        return _phone(_folded_digits(text), regions)
    if kind in _IDS or _COUNTRY.fullmatch(kind):
        return "".join(filter(str.isalnum, _folded_digits(text))).upper()
    if kind == "IP_ADDRESS":
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            return text.lower()
    if kind == "MAC_ADDRESS":
        return "".join(filter(str.isalnum, text)).lower()
    if kind == "EMAIL_ADDRESS":
        return text.lower()
    return " ".join(text.casefold().split())


def _folded_digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(char, char)) for char in text)


def _phone(text: str, regions: Sequence[str]) -> str:
    import phonenumbers

    for region in (None,) if text.startswith("+") else (*regions, None):
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number) or len(regions) == 1 or text.startswith("+"):
            return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return "".join(filter(str.isdecimal, text))
