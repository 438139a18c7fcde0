"""A planted value never leaves: over profiles, operators, languages, depths and encodings.

Whoever reads the masked event may undo any encoding that docs/masking.md says is found, as often as they
like: the value is in none of what they can get.
"""

from __future__ import annotations

import base64
import html
import json
import random
from collections.abc import Callable, Iterator
from urllib.parse import quote, unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agenttrail import fields as f
from agenttrail.keys import Key
from agenttrail.masks._encoded import readable, runs, without_content
from agenttrail.masks._markers import SEALED
from agenttrail.masks._operators import Drop, Encrypt, Operators, Partial, Pseudonym, Replace
from agenttrail.masks._readings import plainest, readings
from agenttrail.masks.presidio import PresidioMask, PresidioOptions
from tests.masks.conftest import event

# By language: values that patterns and check digits know, in sentences of that language.
VALUES = {
    "en": ("bob+news@example.com", "4111 1111 1111 1111", "+1 415 555 0187", "GB29 NWBK 6016 1331 9268 19", "219-09-9999"),
    "th": ("somchai.j@example.co.th", "1-1017-00207-36-6", "081-234-5678"),
    "ja": ("taro@example.co.jp", "5709-3641-4592", "090-1234-5678"),
    "lo": ("noy@example.com", "+856 20 5555 1234"),
}  # fmt: skip
SENTENCES = {
    "en": "please write it down: {}, thank you",
    "th": "ข้อมูลคือ {} ครับ",
    "ja": "情報は {} です",
    "lo": "ຂໍ້ມູນແມ່ນ {} ເດີ",
}
OPERATORS = {
    "replace": Replace(), "pseudonym": Pseudonym(), "partial": Partial(), "encrypt": Encrypt(), "drop": Drop(),
}  # fmt: skip


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "percent": lambda text: quote(text, safe=""),
    "percent, every octet": lambda text: "".join(f"%{octet:02X}" for octet in text.encode()),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "base64": _b64,
    "base64 of JSON": lambda text: _b64(json.dumps({"note": text}, ensure_ascii=False)),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 twice": lambda text: _b64(_b64(text)),
    "base64 in a text": lambda text: f"payload={_b64(text)}; next",
    "entities": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "entities in base 16": lambda text: "".join(f"&#x{ord(char):X};" for char in text),
    "named entities": lambda text: html.escape(text).replace("@", "&commat;").replace(".", "&period;"),
    "full width": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "zero width": lambda text: "\u200b".join(text),
    "soft hyphens": lambda text: "\u00ad".join(text),
    "unicode escapes": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "JSON with escapes": lambda text: json.dumps({"note": text}),
    "JSON in JSON": lambda text: json.dumps({"body": json.dumps({"note": text})}),
}  # fmt: skip


@pytest.fixture(scope="module")
def masks(mask: PresidioMask) -> dict[tuple[str, str], PresidioMask]:
    """By profile and operator, over one detector a profile."""
    made = {}
    for profile in ("balanced", "fast"):
        options = PresidioOptions(profile=profile)
        whole = mask if profile == "balanced" else options.one()
        for name, operator in OPERATORS.items():
            operators = Operators(
                default=operator, by_kind={}, by_field={}, regions=("US", "TH"),
                pseudonym_keys=(Key("k1", b"\1" * 32),), encryption_keys=(Key("e1", b"\2" * 32),),
            )  # fmt: skip
            made[profile, name] = PresidioMask(options, whole._detector, whole._kinds, operators)
    return made


def undone(text: str, rounds: int = 5) -> Iterator[str]:
    """Everything that can be read out of a text by undoing encodings, again and again."""
    seen, waiting = set(), [text]
    for _ in range(rounds):
        more: list[str] = []
        for one in waiting:
            if one in seen:
                continue
            seen.add(one)
            yield one
            more += [unquote(one), html.unescape(one), plainest(one)]
            more += [reading.text for reading in readings(one)]
            more += [read for _, _, read in runs(one)]
            if (read := readable(one.strip())) is not None:
                more.append(read)
        waiting = more


def bare(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum() or char in "@.")


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    profile=st.sampled_from(("balanced", "fast")),
    operator=st.sampled_from(sorted(OPERATORS)),
    language=st.sampled_from(sorted(VALUES)),
    encoding=st.sampled_from(sorted(ENCODINGS)),
    in_sentence=st.booleans(),
    depth=st.integers(0, 4),
    pick=st.integers(0, 99),
)
def test_a_planted_value_never_leaves_in_any_encoding(
    masks, profile, operator, language, encoding, in_sentence, depth, pick
):
    value = VALUES[language][pick % len(VALUES[language])]
    text = ENCODINGS[encoding](SENTENCES[language].format(value) if in_sentence else value)
    held: object = {"text": text}
    for level in range(depth):
        held = (
            {"inner": [held]} if level % 2 else {"json": json.dumps(held, ensure_ascii=level == 0)}
        )
    used = masks[profile, operator]
    (masked,) = used([event({f.TOOL_ARGUMENTS: held})])
    assert not masked.failed
    assert masked.fields[f.PII_MASKED] > 0
    said = json.dumps(masked.fields[f.TOOL_ARGUMENTS], ensure_ascii=False)
    for read in undone(said):
        # Of a cipher nobody reads anything out, but of what stands around it.
        assert bare(value) not in bare(SEALED.sub("", read))
    assert value not in said
    assert (
        used([event(masked.fields)])[0].fields[f.TOOL_ARGUMENTS] == masked.fields[f.TOOL_ARGUMENTS]
    )


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
@pytest.mark.parametrize("language", sorted(VALUES))
def test_each_encoding_of_each_value_is_found(masks, language, encoding):
    """The table behind the property: none is left to chance."""
    for value in VALUES[language]:
        text = ENCODINGS[encoding](SENTENCES[language].format(value))
        (traced,) = masks["fast", "replace"].trace([text])
        assert not any(bare(value) in bare(read) for read in undone(traced.masked)), value


BLOB = base64.b64encode(random.Random(1).randbytes(600)).decode()
DESCRIBED = "sha256=1f4a1fd9d8ae3b2c;bytes=600"


@pytest.mark.parametrize(
    "name, value",
    [
        (f.MESSAGE, "see {} and bob@example.com"),
        (f.TOOL_ARGUMENTS, {"image": "{}", "to": "x"}),
        (f.TOOL_ARGUMENTS, {"page": '<img src="{}"> end'}),
        (f.TOOL_ARGUMENTS, {"json": json.dumps({"a": [{"b": "{}"}]})}),
        (f.TOOL_RESULT, {"content": [{"type": "text", "text": "![chart]({}) done"}]}),
        (f.INPUT_MESSAGES, [{"role": "user", "parts": [{"type": "text", "content": "{}"}]}]),
        (f.ERROR_MESSAGE, "cannot decode {}"),
        (f.TOOL_ARGUMENTS, {"{}": 1}),
    ],
)
@pytest.mark.parametrize("head", ["data:image/png;base64,", ""])
def test_a_picture_leaves_nowhere_but_its_hash_type_and_size(masks, name, value, head):
    """As a value, a key, in a sentence, in markup, in JSON in a string, in messages and errors."""
    whole = json.dumps(value).replace("{}", head + BLOB)
    (masked,) = masks["fast", "replace"]([event({name: json.loads(whole)})])
    said = masked.line.decode()
    assert BLOB[:40] not in said
    assert BLOB[-40:] not in said
    kind = "image/png" if head else "application/octet-stream"
    assert f"data:{kind};sha256=" in said
    assert ";bytes=600" in said
    assert masks["fast", "replace"]([event(masked.fields)])[0] == masked


@pytest.mark.parametrize(
    "text",
    [
        "0af7651916cd43dd8448eb211c80319c" * 10,
        "/usr/lib/python3/dist-packages/" * 12,
        "getPagesInConfluenceSpace,searchConfluenceUsingCql",
        "AAAA" * 100,
        "no base64 at all " * 20,
        "data:text/plain,hello",
        "deadbeef" * 4,
    ],
)
def test_what_is_no_content_stays(text):
    assert without_content(text) == text
    assert list(runs(text)) == []


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 9])
def test_base64_that_was_cut_is_read_up_to_the_cut(masks, cut):
    text = _b64("the customer bob@example.com is waiting for an answer")[:-cut]
    for form in (text, f"payload={text}"):
        (traced,) = masks["fast", "replace"].trace([form])
        assert not any("bob@example" in read for read in undone(traced.masked))
