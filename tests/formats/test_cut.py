"""Where a text was cut, the half of a word or number that is left does not come out."""

from __future__ import annotations

import dataclasses
import json

import pytest

from agenttrail import config
from agenttrail import fields as f
from agenttrail.formats._cut import drop_end, drop_start
from agenttrail.formats._jsonrpc import read_cut
from agenttrail.seams import Event
from agenttrail.testing import records


@pytest.mark.parametrize(
    "text, kept",
    [
        ("mail jane.roe@example.c", "mail "),
        ("card 4111 1111 1111 11", "card "),
        ("call +1 (212) 555 01", "call "),
        ("call 212 555 ", "call "),
        ("in 2026 Jane", "in "),
        ("of 3 files Jane R", "of 3 files Jane "),
        ('{"password":"hunt', '{"password":"'),
        ("jane", ""),
        ("", ""),
        ("whole ", "whole "),
    ],
)
def test_the_last_word_before_a_cut_is_dropped(text: str, kept: str) -> None:
    assert drop_end(text) == kept


@pytest.mark.parametrize(
    "text, kept",
    [
        ("le.com and more", " and more"),
        ("11 1111 1111, paid", ", paid"),
        (" 1111 1111 paid", " paid"),
        (' 1111"}', '"}'),
        ("st 3 files", " 3 files"),
        ('le.com"}', '"}'),
        ("", ""),
    ],
)
def test_the_first_word_behind_a_gap_is_dropped(text: str, kept: str) -> None:
    assert drop_start(text) == kept


def test_a_cut_string_keeps_its_whole_words() -> None:
    assert read_cut('{"a":{"b":"mail jane.roe@example.c') == {"a": {"b": "mail …"}}
    assert read_cut(r'{"a":"{\"b\":\"mail jane.roe@exa') == {"a": '{"b":"mail …'}


HALVES = ("jane.roe@exa", "4111 1111 11", "le.com", "1111 9999")
BEFORE = ("mail jane.roe@exa", "card 4111 1111 11")


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize(
    "format_id", sorted(set(config.members(config.STAGES["format"])) - {"auto"})
)
def test_a_line_cut_in_a_word_brings_no_half_of_it(format_id: str, before: str) -> None:
    """Over the size limit or by its writer, as text, as JSON and as a message."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "t", "arguments": {"note": before}}}  # fmt: skip
    wire = {"ts": "2026-01-01T00:00:00Z", "server": "s", "dir": "c2s", "raw": json.dumps(call)}
    texts = (
        json.dumps(call).removesuffix('"}}}'),
        json.dumps(wire).removesuffix(r'\"}}}"}'),
        "2026-01-01T00:00:00.000Z [s] [info] Message from client: " + json.dumps(call).removesuffix('"}}}'),
        f"2026-01-01T00:00:00.000Z [s] [info] {before}",
        f"File {before}",
    )  # fmt: skip
    for text in texts:
        form = config.members(config.STAGES["format"])[format_id]().build()
        (whole,) = records(text.encode(), path="x.log")
        cut = dataclasses.replace(whole, full_bytes=whole.full_bytes + 100)
        made = [*form(cut), *form.end(cut.stream)]
        events = [event for event in made if isinstance(event, Event)]
        assert events
        for event in events:
            line = json.dumps({**event.fields, "raw": ""})
            assert not any(half in line for half in HALVES), text


@pytest.mark.parametrize(
    "payload",
    [
        '{"jsonrpc":"2.0","method":"x","params":{"a":"mail jane.roe@exa...[900 chars truncated]...le.com now"}}',
        '{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":"card 4111 1111 11...[9 chars truncated]...11 1111 9999"}}',
        "no message: mail jane.roe@exa...[900 chars truncated]...le.com now",
    ],
)
def test_a_gap_in_a_word_brings_neither_half(payload: str) -> None:
    """Claude Desktop leaves out the middle of long payloads."""
    form = config.members(config.STAGES["format"])["claude_desktop"]().build()
    line = f"2026-01-01T00:00:00.000Z [s] [info] Message from server: {payload}"
    (record,) = records(line.encode(), path="mcp.log")
    events = [*form(record), *form.end(record.stream)]
    assert events
    for event in events:
        text = json.dumps(dict(event.fields))
        assert not any(half in text for half in HALVES)
        assert f.TIMESTAMP in event.fields
