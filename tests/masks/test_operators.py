"""What becomes of a finding: every operator, its keys, its markers, and what may not pass as one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agenttrail import config
from agenttrail import fields as f
from agenttrail.errors import ConfigError, OptionError
from agenttrail.keys import Key, KeyOptions, read_keys
from agenttrail.masks._markers import SEALED, Markers
from agenttrail.masks._operators import (
    Drop,
    Encrypt,
    Keep,
    Operator,
    Operators,
    Partial,
    Pseudonym,
    Replace,
    Vault,
    canonical,
)
from agenttrail.masks.presidio import PresidioMask, PresidioOptions
from tests._events import assert_valid
from tests.masks.conftest import event
from tests.masks.test_properties import forms, planted

K1, K2, E1 = Key("k1", b"\1" * 32), Key("k2", b"\2" * 32), Key("e1", b"\3" * 32)
KEEP = Keep(reason="known to be public")
EVERY: Mapping[str, Operator] = {
    o.type: o for o in (Replace(), Pseudonym(), Partial(), Encrypt(), Drop(), KEEP)
}


@pytest.fixture(scope="session")
def masks(mask: PresidioMask) -> Callable[..., PresidioMask]:
    """Masks with these operators, over the one detector that was loaded."""

    def made(
        default: Operator = Replace(),  # noqa: B008 - it cannot change
        by_kind: Mapping[str, Operator] | None = None,
        by_field: Mapping[str, Operator] | None = None,
        by_category: Mapping[str, Operator] | None = None,
        pseudonym_keys: tuple[Key, ...] = (K1,),
        encryption_keys: tuple[Key, ...] = (E1,),
    ) -> PresidioMask:
        operators = Operators(
            default=default,
            by_kind=by_kind or {},
            by_field=by_field or {},
            by_category=by_category,
            pseudonym_keys=pseudonym_keys,
            encryption_keys=encryption_keys,
            regions=("TH", "US"),
        )
        detector = mask._detector
        return PresidioMask(PresidioOptions(), detector, detector.known, operators)

    return made


@pytest.fixture(scope="session")
def by_operator(masks: Callable[..., PresidioMask]) -> dict[str, PresidioMask]:
    return {name: masks(operator) for name, operator in EVERY.items()}


def arguments(mask: PresidioMask, value: Any) -> Any:
    (masked,) = mask([event({f.TOOL_ARGUMENTS: value})])
    assert_valid(masked.line)
    return masked.fields[f.TOOL_ARGUMENTS]


@pytest.mark.parametrize(
    "operator, text, expected",
    [
        (Replace(), "mail bob@example.com", "mail <EMAIL_ADDRESS>"),
        (Pseudonym(), "mail bob@example.com", r"mail <EMAIL_ADDRESS:k1:[0-9a-f]{8}>"),
        (Pseudonym(digits=24), "mail bob@example.com", r"mail <EMAIL_ADDRESS:k1:[0-9a-f]{24}>"),
        (Partial(), "card 4111 1111 1111 1111", "card <CREDIT_CARD:last:1111>"),
        (Partial(shown=2), "call +66 81 234 5678", "call <PHONE_NUMBER:last:78>"),
        (Partial(), "เลข ๑๑๐๑๗๐๐๒๐๗๓๖๖ ครับ", "เลข <[A-Z_]+:last:7366> ครับ"),
        (Partial(), "mail bob@example.com", "mail <EMAIL_ADDRESS>"),
        (Partial(), "to /home/somchai/x", "to /home/<USER_NAME>/x"),
        (Encrypt(), "mail bob@example.com", r"mail <EMAIL_ADDRESS:e1:[A-Za-z0-9_-]{59}>"),
        (Drop(), "mail bob@example.com", "mail <DROPPED>"),
        (KEEP, "mail bob@example.com", "mail bob@example.com"),
    ],
)  # fmt: skip
def test_an_operator_leaves_its_marker(masks, operator, text, expected):
    assert re.fullmatch(expected, arguments(masks(operator), {"text": text})["text"])


def test_counts_say_what_became_of_findings(masks):
    """By kind, by operator, and apart what was kept; a second masking counts nothing again."""
    mask = masks(
        Replace(),
        {"EMAIL_ADDRESS": Pseudonym(), "CREDIT_CARD": Partial(), "IP_ADDRESS": KEEP},
        {"user": Encrypt()},
    )
    text = "bob@example.com paid with 4111111111111111 from 10.1.2.3, then eve@example.com from 10.1.2.4"
    once = mask([event({f.USER_ID: "u-7", f.TOOL_ARGUMENTS: {"text": text, "ssn": "219-09-9999"}})])
    fields = once[0].fields
    assert fields[f.PII_MASKED] == 5
    assert fields[f.PII_BY_TYPE] == {
        "CREDIT_CARD": 1,
        "EMAIL_ADDRESS": 2,
        "US_SSN": 1,
        "USER_ID": 1,
    }
    assert fields[f.PII_BY_OPERATOR] == {
        "encrypt": 1, "keep": 2, "partial": 1, "pseudonym": 2, "replace": 1,
    }  # fmt: skip
    assert fields[f.PII_KEPT] == {"IP_ADDRESS": 2}
    assert "10.1.2.3" in fields[f.TOOL_ARGUMENTS]["text"]
    assert mask([event(fields)]) == once


@pytest.mark.parametrize(
    "categories, expected",
    [
        (["hr"], "<DROPPED> <DROPPED> <EMAIL_ADDRESS>"),
        (["finance"], "<EMAIL_ADDRESS:k1:> <CREDIT_CARD:k1:> <EMAIL_ADDRESS>"),
        (["finance", "hr"], "<DROPPED> <DROPPED> <EMAIL_ADDRESS>"),
        (["customer"], "10.1.2.3 <EMAIL_ADDRESS> <CREDIT_CARD:last:1111> <EMAIL_ADDRESS>"),
        ([], "10.1.2.3 <EMAIL_ADDRESS> <CREDIT_CARD:last:1111> <EMAIL_ADDRESS>"),
        (None, "10.1.2.3 <EMAIL_ADDRESS> <CREDIT_CARD:last:1111> <EMAIL_ADDRESS>"),
        ("hr", "<DROPPED> <DROPPED> <EMAIL_ADDRESS>"),
        ([7, {"hr": 1}], "10.1.2.3 <EMAIL_ADDRESS> <CREDIT_CARD:last:1111> <EMAIL_ADDRESS>"),
    ],
)
def test_a_data_categorys_operator_comes_behind_the_fields_and_before_the_kinds(
    masks, categories, expected
):
    """Of two categories the one that tells less; a kept kind stays in none that says otherwise."""
    mask = masks(
        Replace(),
        {"CREDIT_CARD": Partial(), "IP_ADDRESS": KEEP},
        {f.TOOL_ARGUMENTS + ".to": Replace()},
        {"hr": Drop(), "finance": Pseudonym()},
    )
    value = {"text": "10.1.2.3 bob@example.com 4111 1111 1111 1111", "to": "eve@example.com"}
    fields = {f.TOOL_ARGUMENTS: value}
    if categories is not None:
        fields[f.DATA_CATEGORIES] = categories
    (masked,) = mask([event(fields)])
    said = masked.fields[f.TOOL_ARGUMENTS]
    text = re.sub(":k1:[0-9a-f]{8}", ":k1:", f"{said['text']} {said['to']}")
    whole = re.sub(r"^<(?:DROPPED|IP_ADDRESS[^>]*)> (?=<\w+[^>]*> <\w+[^>]*> <\w)", "", text)
    assert whole == expected
    assert b"eve@" not in masked.line
    # another event of the same batch keeps to its own categories
    first, second = mask([event(fields), event({f.MESSAGE: "10.1.2.3"})])
    assert first == masked
    assert second.fields[f.MESSAGE] == "10.1.2.3"


@pytest.mark.parametrize(
    "operators, said",
    [
        ({"two words": Drop()}, "a category is one word"),
        ({"hr": KEEP}, "keep is for a kind or a field"),
        ({"hr": Pseudonym()}, "pseudonym needs a key"),
        ({"hr": Encrypt()}, "encrypt needs a key"),
    ],
)
def test_an_operator_of_a_category_that_cannot_be_is_refused(operators, said):
    with pytest.raises(OptionError, match=said) as caught:
        PresidioOptions(category_operators=operators)
    assert caught.value.option == "category_operators"


@pytest.mark.parametrize(
    "name, value",
    [
        (f.USER_EMAIL, "bob@example.com"),
        (f.ERROR_MESSAGE, "no user bob@example.com"),
        (f.TOOL_ARGUMENTS, {"customer": {"email": "bob@example.com"}}),
        (f.TOOL_ARGUMENTS, {"customer": [{"cc": "bob@example.com"}]}),
    ],
)
def test_a_fields_operator_comes_before_that_of_the_kind(masks, name, value):
    """By field name, by its prefix, and by a path into an object, list positions left out."""
    places = {"user": Drop(), f.ERROR_MESSAGE: Drop(), f.TOOL_ARGUMENTS + ".customer": Drop()}
    mask = masks(Replace(), {"EMAIL_ADDRESS": Pseudonym()}, places)
    (masked,) = mask([event({name: value, f.TOOL_RESULT: {"to": "bob@example.com"}})])
    assert "<DROPPED>" in json.dumps(masked.fields[name])
    assert masked.fields[f.TOOL_RESULT]["to"].startswith("<EMAIL_ADDRESS:k1:")


def test_a_prefix_ends_where_a_name_ends(masks):
    mask = masks(Replace(), {}, {f.TOOL_ARGUMENTS + ".cust": Drop()})
    value = {"customer": "bob@example.com", "cust": "bob@example.com"}
    assert arguments(mask, value) == {"customer": "<EMAIL_ADDRESS>", "cust": "<DROPPED>"}


def test_a_kept_kind_hides_no_other_kind(masks):
    """An address of a kept kind with an e-mail address in it, also under a key of a kept kind."""
    mask = masks(Replace(), {"USER_NAME": KEEP, "PERSON": KEEP})
    masked = arguments(mask, {"username": "bob bob@example.com", "customer_name": "Eve Smith"})
    assert masked == {"username": "bob <EMAIL_ADDRESS>", "customer_name": "Eve Smith"}


def pseudonym(mask: PresidioMask, key: str, value: str) -> str:
    masked = arguments(mask, {key: value})[key]
    (found,) = re.findall(r"<[A-Z_]+:k\d:([0-9a-f]+)>", masked)
    return str(found)


@pytest.mark.parametrize(
    "one, other",
    [
        (("to", "Somchai.J@example.co.th"), ("to", "somchai.j@example.co.th")),
        (("to", "somchai.j@example.co.th"), ("email", " somchai.j@example.co.th ")),
        (("to", "x?to=somchai.j%40example.co.th"), ("to", "ask somchai.j@example.co.th now")),
        (("phone", "081-234-5678"), ("phone", "+66 81 234 5678")),
        (("phone", "(081) 2345678"), ("msisdn", "+66-81-234-5678")),
        (("card", "4111 1111 1111 1111"), ("card", "4111-1111-1111-1111")),
        (("card", "4111 1111 1111 1111"), ("card", "４１１１１１１１１１１１１１１１")),
        (("id", "1-1017-00207-36-6"), ("id", "๑๑๐๑๗๐๐๒๐๗๓๖๖")),
        (("customer_name", "Somchai  JAIDEE"), ("customer_name", "somchai jaidee")),
        (("customer_name", "Ｓｏｍｃｈａｉ Jaidee"), ("customer_name", "Somchai\u200b Jaidee")),
        (("iban", "GB29 NWBK 6016 1331 9268 19"), ("iban", "gb29nwbk60161331926819")),
        (("host", "2001:db8::1 is up"), ("host", "2001:0db8:0:0:0:0:0:1 is up")),
        (("user_login", "somchai.j@example.co.th"), ("email", "Somchai.J@example.co.th")),
    ],
)  # fmt: skip
def test_one_person_has_one_pseudonym(masks, one, other):
    """However the value was written, wherever it stood."""
    mask = masks(Pseudonym())
    assert pseudonym(mask, *one) == pseudonym(mask, *other)


@pytest.mark.parametrize(
    "one, other",
    [
        (("email", "somchai.j@example.co.th"), ("email", "somchai.k@example.co.th")),
        (("phone", "081-234-5678"), ("phone", "+1 212 555 0123")),
        (("password", "Secret12"), ("password", "secret12")),
        (("customer_name", "Ann Ab"), ("customer_name", "An Nab")),
    ],
)
def test_two_values_have_two_pseudonyms(masks, one, other):
    mask = masks(Pseudonym())
    assert pseudonym(mask, *one) != pseudonym(mask, *other)


def test_after_a_rotation_the_first_key_makes_pseudonyms_and_old_markers_stay(masks):
    """And what is asked for by value is found under every key."""
    old, new = masks(Pseudonym()), masks(Pseudonym(), pseudonym_keys=(K2, K1))
    value = {"email": "bob@example.com"}
    was, now = arguments(old, value), arguments(new, value)
    assert was["email"].startswith("<EMAIL_ADDRESS:k1:")
    assert now["email"].startswith("<EMAIL_ADDRESS:k2:")
    assert was["email"][-9:] != now["email"][-9:]
    assert arguments(new, was) == was
    known = new._operators.pseudonyms(Pseudonym(), "EMAIL_ADDRESS", "BOB@example.com")
    assert known == [now["email"], was["email"]]


def test_pseudonyms_rest_on_the_key_and_say_nothing_without_it():
    """A fixed example: other machines and later versions must give the same."""
    operators = Operators(default=Pseudonym(), by_kind={}, by_field={}, pseudonym_keys=(K1,))
    marker = operators.marker(Pseudonym(), "EMAIL_ADDRESS", "Somchai.J@example.co.th")
    assert marker == PINNED


PINNED = "<EMAIL_ADDRESS:k1:f4469b7d>"


def opened(text: str) -> str:
    vault = Vault(E1)
    return SEALED.sub(lambda m: str(vault.open(m["kind"], m["body"])), text)


@given(st.text(max_size=80), st.sampled_from(["PERSON", "EMAIL_ADDRESS"]))
def test_what_is_encrypted_comes_back(value, kind):
    """Whatever it is; equal values give equal bodies, which hold no number of six digits."""
    body = Vault(E1).seal(kind, value)
    assert body is not None
    assert Vault(E1).seal(kind, value) == body
    assert Vault(E1).open(kind, body) == value.encode("utf-8", "replace").decode()
    assert SEALED.fullmatch(f"<{kind}:e1:{body}>")
    assert not re.search(r"\d(?:[-_]?\d){5}", body)


def test_an_encrypted_value_opens_for_its_key_and_kind_alone():
    body = Vault(E1).seal("PERSON", "Somchai Jaidee")
    assert Vault(Key("e1", b"\4" * 32)).open("PERSON", body) is None
    assert Vault(E1).open("LOCATION", body) is None
    assert Vault(E1).open("PERSON", ("B" if body[0] == "A" else "A") + body[1:]) is None
    assert Vault(E1).open("PERSON", body[:-1]) is None
    assert Vault(E1).open("PERSON", "not base64url!") is None


def test_a_value_too_long_to_encrypt_is_replaced(masks):
    value = {"customer_name": "x" * 3_999}, {"customer_name": "x" * 4_000}
    mask = masks(Encrypt())
    assert arguments(mask, value[0])["customer_name"].startswith("<PERSON:e1:")
    assert arguments(mask, value[1]) == {"customer_name": "<PERSON>"}


def test_old_encryption_keys_still_open(masks):
    e2 = Key("e2", b"\5" * 32)
    old, new = masks(Encrypt()), masks(Encrypt(), encryption_keys=(e2, E1))
    was = arguments(old, {"email": "bob@example.com"})
    assert arguments(new, was) == was
    assert ":e2:" in arguments(new, {"email": "bob@example.com"})["email"]


@pytest.mark.parametrize(
    "text",
    [
        "<PERSON:k1:alice@example.com>",
        "<PERSON:k1:3f9a2c41…alice@example.com>",
        "<PERSON:k1:3f9a2c41alice@example.com>",
        "<PERSON:k1:4111111111111111>",
        "<PERSON:k1:3f9a2c41 4111111111111111>",
        "<PERSON:alice@example.com:3f9a2c41>",
        "<CREDIT_CARD:last:4111111111111111>",
        "<PERSON:e1:4111-1111-1111-1111_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa>",
        "<PERSON:e9:alice-smith-of-example-street-081-234-5678-aaaaaaaaaaaaaaaaaaaaaaaaaa>",
        "<DROPPED:alice@example.com>",
        "<EMAIL_ADDRESS alice@example.com>",
        "<<EMAIL_ADDRESS>alice@example.com>",
    ],
)
@pytest.mark.parametrize("name", ["replace", "pseudonym", "encrypt", "drop"])
def test_what_only_looks_like_a_marker_hides_nothing(by_operator, name, text):
    """A number, an address and the words in a marker that no key opens are masked all the same."""
    masked = arguments(by_operator[name], {"text": text, "user": "x"})["text"]
    masked = SEALED.sub("", masked)
    for secret in ("alice@example.com", "4111111111111111", "4111-1111-1111-1111", "alice-smith", "081-234-5678"):  # fmt: skip
        assert secret not in masked


@pytest.mark.parametrize("name", [f.USER_NAME, f.USER_EMAIL])
def test_a_personal_field_takes_no_forged_marker(masked, name):
    """Encrypted with a key that this mask does not have, it cannot be told from a forgery."""
    forged = f"<PERSON:e1:{'alice-smith' * 6}>"
    assert masked({name: forged}).fields[name] == f"<{f.FIELDS[name].kind}>"


def test_without_its_key_an_encrypted_marker_becomes_its_kind(masks, masked):
    sealed = arguments(masks(Encrypt()), {"to": "bob@example.com"})
    assert SEALED.fullmatch(sealed["to"])
    (event_,) = [masked({f.TOOL_ARGUMENTS: sealed})]
    assert event_.fields[f.TOOL_ARGUMENTS] == {"to": "<EMAIL_ADDRESS>"}


@given(st.text("<>:PERSONkel13579abcdef-_…last ", max_size=60))
def test_a_marker_admits_no_text(text):
    """Whatever is taken for a marker is a kind, an id, and hex or four digits."""
    markers = Markers({"PERSON"}, lambda kind, key, body: False)
    for start, end in markers.spans(text):
        assert re.fullmatch(
            r"<PERSON(?::(?:k\d{1,3}:[0-9a-f]{8,32}|last:\d{1,4}))?>", text[start:end]
        )
        assert not re.search(r"\d{5}", text[start:end])


SLOW = settings(
    max_examples=60, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip


@SLOW
@given(st.sampled_from(sorted(set(EVERY) - {"keep"})), planted())
def test_no_planted_value_leaves_under_any_operator_that_masks(by_operator, name, planted):
    secret, fields = planted
    (masked,) = by_operator[name]([event(fields)])
    assert not masked.failed
    assert_valid(masked.line)
    for form in forms(secret):
        assert form.encode() not in masked.line
    assert masked.fields[f.PII_BY_OPERATOR].keys() <= {name, "replace"}
    assert sum(masked.fields[f.PII_BY_OPERATOR].values()) == masked.fields[f.PII_MASKED] > 0


@SLOW
@given(st.sampled_from(sorted(EVERY)), st.lists(planted(), min_size=1, max_size=2))
def test_masking_twice_is_masking_once_under_every_operator(by_operator, name, many):
    mask = by_operator[name]
    once = mask([event(fields) for _, fields in many])
    assert mask([event(masked.fields) for masked in once]) == once


@SLOW
@given(st.sampled_from(sorted(EVERY)), planted())
def test_operators_of_two_masks_do_not_undo_each_other(by_operator, name, planted):
    """What one masked, another leaves alone, but for encrypted values whose key it lacks."""
    _, fields = planted
    (once,) = by_operator["pseudonym"]([event(fields)])
    (again,) = by_operator[name]([event(once.fields)])
    assert {**again.fields, **_counts(once)} == dict(once.fields)


def _counts(masked: Any) -> dict[str, Any]:
    names = (f.PII_MASKED, f.PII_BY_TYPE, f.PII_BY_OPERATOR, f.PII_REMOVED)
    return {name: masked.fields[name] for name in names if name in masked.fields}


@pytest.mark.parametrize(
    "kind, value, expected",
    [
        ("EMAIL_ADDRESS", " Somchai.J@X.th ", "somchai.j@x.th"),
        ("EMAIL_ADDRESS", "somchai.j%40x.th", "somchai.j@x.th"),
        ("PHONE_NUMBER", "๐๘๑-๒๓๔-๕๖๗๘", "+66812345678"),
        ("PHONE_NUMBER", "tel:+66-2-123-4567", "+6621234567"),
        ("PHONE_NUMBER", "1234", "1234"),
        ("CREDIT_CARD", "４１１１ 1111-1111.1111", "4111111111111111"),
        ("US_PASSPORT", "a1234567", "A1234567"),
        ("TH_ADDRESS", "99  ถนนสุขุมวิท", "99 ถนนสุขุมวิท"),
        ("PERSON", "ＳＯＭＣＨＡＩ  Jaidee", "somchai jaidee"),
        ("PERSON", "Straße", "strasse"),
        ("MAC_ADDRESS", "00:1B:44:11:3A:B7", "001b44113ab7"),
        ("IP_ADDRESS", "2001:DB8:0::1", "2001:db8::1"),
        ("IP_ADDRESS", "10.1.2", "10.1.2"),
        ("SECRET", " aB%20c ", " aB%20c "),
    ],
)
def test_the_canonical_form_of_a_kind(kind, value, expected):
    assert canonical(kind, value, ("TH", "US")) == expected


def test_a_region_of_its_own_decides_what_a_national_number_is():
    number = "020 7946 0958"
    assert canonical("PHONE_NUMBER", number, ("GB",)) == "+442079460958"
    assert canonical("PHONE_NUMBER", number, ("TH",)) != "+442079460958"


PIPELINE = "sources: [stdin]\nsinks: [{type: jsonl, path: o}]\nmask:\n  type: presidio\n"


@pytest.mark.parametrize(
    "lines, expected",
    [
        ("operators: {PERSON: psuedonym}", "no operator is called 'psuedonym'"),
        ("operators: {PERSON: psuedonym}", "did you mean 'pseudonym'?"),
        ("operators: {PERSON: pseudonym}", "pseudonym needs a key under pseudonym_keys"),
        ("operators: {PERSON: encrypt}", "encrypt needs a key under encryption_keys"),
        ("operators: {PERSON: encrypt}", "openssl rand -hex 32"),
        ("field_operators: {user: encrypt}", "encrypt needs a key under encryption_keys"),
        ("operator: pseudonym", "operator: pseudonym needs a key"),
        ("operators: {IP_ADDRESS: keep}", "'reason' is missing"),
        ("operators: {IP_ADDRESS: {type: keep, reason: ''}}", "must say in words why"),
        ("operators: {IP_ADDRESS: {type: keep, reason: x}}", "must say in words why"),
        ("operator: {type: keep, reason: we trust everybody}", "not for everything"),
        ("operators: {EMAIL_ADDRESS: partial}", "EMAIL_ADDRESS has no last digits to show"),
        ("operators: {CREDIT_CARD: {type: partial, shown: 8}}", "shown: must be 1 to 4"),
        ("operators: {PERSON: {type: pseudonym, digits: 4}}", "digits: must be 8 to 32"),
        ("operators: {PHONE_NUMBER: {type: pseudonym, region: Thai}}", "two capital letters"),
        ("operators: {email: drop}", "a kind is written in capitals"),
        ("field_operators: {user.mail: drop}", "no field is called 'user.mail'"),
        ("field_operators: {user.mail: drop}", "did you mean 'user.email'?"),
        ("field_operators: {user.email.x: drop}", "no field is called 'user.email.x'"),
        ("pseudonym_keys: [{id: key1, file: a}]", "small letter and up to three digits"),
        ("pseudonym_keys: [{id: e1, file: a}]", "ids of these keys begin with k"),
        ("pseudonym_keys: [{id: k1, file: a}, {id: k1, file: b}]", "two keys have one id"),
        ("pseudonym_keys: [{id: k1}]", "a key stands in a file or in an environment variable"),
        ("pseudonym_keys: [{id: k1, file: a, env: B}]", "a key stands in a file or in"),
        ("pseudonym_keys: [{id: k1, file: a, key: '00'}]", "no such option"),
    ],
)  # fmt: skip
def test_wrong_settings_are_told_with_a_way_out(lines, expected):
    with pytest.raises(ConfigError) as caught:
        config.loads(f"{PIPELINE}  {lines}\n", "p.yaml", {})
    (problem,) = caught.value.problems
    assert problem.startswith("p.yaml:5: mask.")
    assert expected in problem


def test_settings_are_read_from_a_pipeline_file():
    """Short and long forms side by side."""
    options = config.loads(
        PIPELINE + "  operator: drop\n"
        "  operators: {PERSON: pseudonym, CREDIT_CARD: {type: partial, shown: 2}}\n"
        "  field_operators: {user: {type: keep, reason: our own staff}}\n"
        "  pseudonym_keys: [{id: k2, file: new.key}, {id: k1, env: OLD}]\n"
    ).mask
    assert options.operator == Drop()
    assert options.operators == {"PERSON": Pseudonym(), "CREDIT_CARD": Partial(shown=2)}
    assert options.field_operators == {"user": Keep(reason="our own staff")}
    assert [key.id for key in options.pseudonym_keys] == ["k2", "k1"]


def test_an_operator_for_a_kind_that_nothing_finds_is_refused():
    """At the start, and not by silence."""
    with pytest.raises(OptionError, match="nothing finds the kind EMAIL_ADRESS") as caught:
        PresidioOptions(operators={"EMAIL_ADRESS": Drop()}).build()
    assert caught.value.hint == "did you mean EMAIL_ADDRESS?"


@pytest.mark.parametrize(
    "text, good",
    [
        ("00" * 32, True),
        (f"{'Ab' * 32}\n", True),
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", True),
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", False),
        ("00" * 31, False),
        ("correct horse battery staple", False),
        ("", False),
    ],
)
def test_a_key_is_32_bytes_as_hex_or_base64(tmp_path: Path, text: str, good: bool):
    """A pass phrase is none: it could be guessed from the pseudonyms."""
    (tmp_path / "key").write_text(text)
    for key, environment in (
        (KeyOptions(id="k1", file=str(tmp_path / "key")), {}),
        (KeyOptions(id="k1", env="KEY"), {"KEY": text}),
    ):
        if good:
            (read,) = read_keys("pseudonym_keys", [key], environment)
            assert (read.id, len(read.secret)) == ("k1", 32)
            assert repr(read.secret) not in repr(read)
        else:
            with pytest.raises(OptionError, match="32 bytes") as caught:
                read_keys("pseudonym_keys", [key], environment)
            assert not text.strip() or text.strip() not in str(caught.value)


@pytest.mark.parametrize(
    "key, message",
    [
        (
            KeyOptions(id="k1", file="no/such.key"),
            "the file of key k1 cannot be read: No such file",
        ),
        (KeyOptions(id="k1", env="NO_SUCH_KEY"), "the environment has no NO_SUCH_KEY"),
    ],
)
def test_a_missing_key_is_told_before_the_first_line(key, message):
    with pytest.raises(OptionError, match=message) as caught:
        PresidioOptions(operator=Pseudonym(), pseudonym_keys=(key,)).build()
    assert "openssl rand -hex 32" in caught.value.hint
