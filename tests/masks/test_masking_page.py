"""docs/masking.md says what is true: each row of its tables is held against the mask."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from agenttrail import fields as f
from agenttrail.keys import Key
from agenttrail.masks import _detect, _operators, _walk
from agenttrail.masks._encoded import BLOB_CHARS
from agenttrail.masks._operators import Keep, Operators
from agenttrail.masks.presidio import PresidioMask, PresidioOptions
from tests.masks import test_fail_closed
from tests.masks.conftest import event

PAGE = (Path(__file__).parents[2] / "docs" / "masking.md").read_text(encoding="utf-8")


def table(heading: str) -> list[list[str]]:
    """The rows of the table under a heading, without its head."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def code(cell: str) -> str:
    assert cell.startswith("`"), cell
    assert cell.endswith("`"), cell
    return cell.strip("`")


def masked(mask: PresidioMask, text: str) -> str:
    """A text as the value of an argument, twice: masking again changes nothing."""
    (once,) = mask([event({f.TOOL_ARGUMENTS: {"text": text}})])
    assert not once.failed
    assert mask([event(once.fields)])[0] == once
    said: str = once.fields[f.TOOL_ARGUMENTS]["text"]
    return said


def test_every_kind_has_its_row_and_is_on_or_off_as_it_says(mask: PresidioMask) -> None:
    rows = {row[0]: row[2] for row in table("Kinds")}
    assert set(rows) == mask._kinds - {"DROPPED"} | {"ORGANIZATION"}
    off = {kind for kind, default in rows.items() if default == "off"}
    assert off == set(PresidioOptions().exclude_entities)
    assert list(rows) == sorted(rows)


@pytest.mark.parametrize("text", [code(row[0]) for row in table("What looks like it and stays")])
def test_what_the_page_says_stays_stays(mask: PresidioMask, text: str) -> None:
    assert masked(mask, text) == text


@pytest.mark.parametrize("row", table("Languages"), ids=lambda row: row[0])
def test_what_the_page_says_of_languages(mask: PresidioMask, row: list[str]) -> None:
    assert masked(mask, code(row[0])) == code(row[1])


@pytest.mark.parametrize("profile", ["balanced", "fast"])
def test_what_the_page_says_of_encodings(mask: PresidioMask, profile: str) -> None:
    """Where it says yes nothing that is written out can be read in any form; where it says no the text stays."""
    used = mask if profile == "balanced" else PresidioOptions(profile="fast").one()
    rows = table("Encodings")
    assert {row[2] for row in rows} == {"yes", "no"}
    for name, cell, found in rows:
        text = code(cell)
        (traced,) = used.trace([text])
        if found == "no":
            assert traced.masked == text, name
        else:
            kinds = {x.entity for leaf in traced.leaves for x in leaf.findings}
            assert kinds & {"EMAIL_ADDRESS", "CREDIT_CARD"}, name
            left = masked(used, text)
            assert text not in left, name
            pieces = re.findall(r"[A-Za-z0-9+/]{12,}|\w+@\S+|\d{4}", text)
            assert not [piece for piece in pieces if piece in left and "EMAIL" not in piece], name


@pytest.mark.parametrize("row", table("Operators"), ids=lambda row: row[0])
def test_what_the_page_says_of_operators(mask: PresidioMask, row: list[str]) -> None:
    kinds = {kind.type: kind for kind in _operators.Operator.__args__}
    name = code(row[0])
    operator = Keep(reason="shown to all") if name == "keep" else kinds[name]()
    operators = Operators(
        default=_operators.Replace(),
        by_kind={"CREDIT_CARD": operator},
        by_field={},
        pseudonym_keys=(Key("k1", b"\1" * 32),),
        encryption_keys=(Key("e1", b"\2" * 32),),
    )
    changed = PresidioMask(PresidioOptions(), mask._detector, mask._kinds, operators)
    expected = re.escape(code(row[1])).replace("…", "[A-Za-z0-9_-]+")
    assert re.fullmatch(expected, masked(changed, "card 4111 1111 1111 1111"))


def test_every_operator_has_its_row() -> None:
    names = {kind.type for kind in _operators.Operator.__args__}
    assert {code(row[0]) for row in table("Operators")} == names
    strictest = re.search(r"the strictest: ([\w, ]+)\)", PAGE)
    assert strictest is not None
    assert tuple(strictest.group(1).split(", ")) == _operators._STRICTEST


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    from importlib.metadata import version

    for said in (
        f"windows of {_detect.WINDOW_CHARS:,} characters",
        f"neighbours share {_detect.OVERLAP_CHARS}",
        f"a run of {BLOB_CHARS} and more characters",
        f"Presidio {version('presidio-analyzer')}",
        "longer than 10 s",
    ):
        assert said in " ".join(PAGE.split()), said
    assert PresidioOptions().max_text_chars >= _walk._LEAST_HEAD


def test_the_profiles_of_the_page_are_those_there_are() -> None:
    profile = get_type_hints(PresidioOptions)["profile"]
    assert {code(row[0]) for row in table("Profiles")} == set(get_args(profile))


def errors() -> Iterator[str]:
    for row in table("Where something breaks"):
        yield from re.findall(r"`(\w+Error)`", row[2])


def test_each_error_of_the_page_is_one_of_the_whole_test() -> None:
    """`test_fail_closed.py` runs the command over each of them."""
    (mark,) = [
        m
        for m in test_fail_closed.test_what_breaks_drops_the_content_keeps_the_envelope_and_is_counted.pytestmark
        if m.name == "parametrize"
    ]
    tried = {error for _, breaks in mark.args[1] for error in breaks.values()}
    assert set(errors()) == tried


def test_the_file_of_recognisers_on_the_page_is_one(tmp_path: Path) -> None:
    """Its options are read as the page writes them; the files it names are not there."""
    from agenttrail import config
    from agenttrail.errors import ConfigError, OptionError

    block = PAGE.split("```yaml\n", 1)[1].split("```", 1)[0]
    path = tmp_path / "pipeline.yaml"
    path.write_text("sources: [{type: stdin}]\n" + block + "sinks: [{type: jsonl, path: out.jsonl}]\n", encoding="utf-8")  # fmt: skip
    mask = config.load(path).mask
    assert len(mask.recognizers) == 3
    with pytest.raises((ConfigError, OptionError), match=r"cannot be read"):
        mask.one()
