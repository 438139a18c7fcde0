"""What a destination's records say of canaries, however the values are wrapped in them."""

from __future__ import annotations

import base64
import html
import json
import random
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agenttrail.canary.find import FileDestination, split_otlp
from agenttrail.canary.judge import Arrived, judge, readable
from agenttrail.canary.plant import MARK, Canary, plant, run_id
from agenttrail.canary.shapes import FORMATS, otlp_logs, otlp_traces, session_of
from agenttrail.masks.presidio import PresidioOptions

CANARY = Canary(name="x", mark=f"{MARK}bcdfghjk_01", text="", fragments=("4111111111111111", "Thornbury", "bdwqzlocal"), unique=("bdwqzlocal",))  # fmt: skip
MAIL = "ann.bdwqzlocal@example.com"
NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        MAIL, MAIL.upper(), {"a": [{MAIL: 1}]}, json.dumps({"a": json.dumps([MAIL])}),
        urllib.parse.quote(MAIL, safe=""), urllib.parse.quote(urllib.parse.quote(MAIL, safe="")),
        html.escape(MAIL).replace("b", "&#98;"), "".join(f"\\u{ord(c):04x}" for c in MAIL),
        "data " + base64.b64encode(json.dumps({"m": MAIL}).encode()).decode(),
        "data " + base64.urlsafe_b64encode(json.dumps({"m": MAIL}).encode()).decode().rstrip("="),
        f"bytes {MAIL.encode().hex()}", f"0x{MAIL.encode().hex().upper()}",
        MAIL.replace("d", "d​"), MAIL.replace("b", "ｂ"), f"prefix {json.dumps({'m': MAIL})} suffix",
        json.dumps(json.dumps(json.dumps({"m": MAIL}))),
    ],
)  # fmt: skip
def test_a_value_of_this_run_is_a_leak_in_any_wrapping_and_in_any_record(value: object) -> None:
    (result,) = judge([CANARY], [Arrived("f:1", {"x": value})])
    assert (result.verdict, result.places) == ("leaked", ["f:1"])


@pytest.mark.parametrize(
    "text, verdict",
    [
        (f"{CANARY.mark} card 4111 1111 1111 1111", "leaked"),
        (f"{CANARY.mark} card 4111-1111-1111-1111", "leaked"),
        (f"{CANARY.mark} card ４１１１１１１１１１１１１１１１", "leaked"),
        (f"{CANARY.mark} Ms thornbury", "leaked"),
        (f"{CANARY.mark} <CREDIT_CARD>", "masked"),
        (f"{CANARY.mark} <CREDIT_CARD:last:1111>", "masked"),
        ("card 4111 1111 1111 1111 of another run", "lost"),
        (f"{CANARY.mark[:-1]}2 card 4111 1111 1111 1111", "lost"),
        ("nothing", "lost"),
    ],
)
def test_what_others_plant_too_counts_only_beside_the_mark(text: str, verdict: str) -> None:
    (result,) = judge([CANARY], [Arrived("f:1", {"message": text})])
    assert result.verdict == verdict


def test_one_unmasked_copy_is_a_leak_whenever_it_comes() -> None:
    good, bad = Arrived("f:1", {"m": CANARY.mark}), Arrived("f:2", {"m": f"{CANARY.mark} {MAIL}"})
    for records in ([good, bad], [bad, good]):
        (result,) = judge([CANARY], records)
        assert (result.verdict, result.places) == ("leaked", ["f:2"])


def test_a_record_without_its_text_is_known_by_its_session() -> None:
    """Masking failed: the envelope alone arrived, which is no loss."""
    (result,) = judge([CANARY], [Arrived("f:1", {"session": {"id": session_of(CANARY)}})])
    assert result.verdict == "masked"


@pytest.mark.parametrize("shape", sorted(FORMATS))
def test_every_canary_can_be_read_in_its_own_lines(shape: str) -> None:
    """A canary that hides from its own judge would never be found to leak."""
    canaries = plant("bcdfghjk", random.Random(1), hard=True)
    records = [
        Arrived(canary.name, json.loads(line)) for canary in canaries for line in FORMATS[shape](canary, NOW)
    ]  # fmt: skip
    assert {r.canary.name: r.verdict for r in judge(canaries, records)} == {c.name: "leaked" for c in canaries}  # fmt: skip
    for make in (otlp_logs, otlp_traces):
        parts = [Arrived("", part) for part in split_otlp(make(canaries, NOW))]
        assert len(parts) == len(canaries)
        assert {r.verdict for r in judge(canaries, parts)} == {"leaked"}


@pytest.mark.parametrize("profile", ["balanced", "fast"])
def test_no_mask_takes_a_mark_for_personal_data(profile: str) -> None:
    """Thousands of runs: the mark is what results rest on."""
    rng = random.Random(7)
    marks = [f"{MARK}{run_id(rng)}_{n % 40:02d}" for n in range(2000)]
    mask = PresidioOptions(profile=profile).one()  # type: ignore[arg-type]
    for mark, traced in zip(
        marks, mask.trace([f"{m} the tool answered" for m in marks]), strict=True
    ):
        assert mark in traced.masked


def test_a_file_is_read_from_where_it_ended_and_again_from_the_start_of_a_new_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text('{"old": 1}\n')
    file = FileDestination(str(path))
    with path.open("a") as out:
        out.write('{"new": 1}\nno json\n{"half"')
    assert [(r.place, r.value) for r in file.read()] == [(f"{path}:2", {"new": 1}), (f"{path}:3", "no json")]  # fmt: skip
    with path.open("a") as out:
        out.write(": 2}\n")
    assert [(r.place, r.value) for r in file.read()] == [(f"{path}:4", {"half": 2})]
    path.rename(tmp_path / "out.1")
    path.write_text('{"rotated": 1}\n')
    assert [(r.place, r.value) for r in file.read()] == [(f"{path}:1", {"rotated": 1})]
    path.unlink()
    assert list(file.read()) == []


def test_what_is_no_json_at_all_is_read_too() -> None:
    assert "ann@example.com" in readable("\x00 {broken ann%40example.com &lt; \\u00e9 %zz [")
