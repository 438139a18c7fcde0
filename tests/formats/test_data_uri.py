"""Base64 of data: URIs becomes its hash and size, and nothing else changes."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenttrail import fields as f
from agenttrail.formats import _data_uri, _event
from agenttrail.formats.claude_code import ClaudeCodeOptions
from agenttrail.formats.codex import CodexOptions
from agenttrail.formats.jsonl import JsonlOptions
from agenttrail.jsontext import dumps
from agenttrail.testing import records
from tests.formats._logs import plain_run

FOUR = "sha256=054edec1d0211f62;bytes=4"  # of the bytes 0, 1, 2, 3
ICON = "data:image/png;base64,AAECAw=="


@pytest.mark.parametrize(
    "text, expected",
    [
        (ICON, f"data:image/png;{FOUR}"),
        ("data:image/svg+xml;charset=utf-8;base64,AAECAw==", f"data:image/svg+xml;charset=utf-8;{FOUR}"),
        ("DATA:image/png;BASE64,AAECAw==", f"data:image/png;{FOUR}"),
        ("data:;base64,AAECAw", f"data:;{FOUR}"),
        ("data:image/png;base64,AAEC\nAw%3D%3D", f"data:image/png;{FOUR}"),
        ("data:image/png;base64,", "data:image/png;sha256=e3b0c44298fc1c14;bytes=0"),
        # near misses: other text of the same beginning, and what is described already
        (f"data:image/png;{FOUR}", f"data:image/png;{FOUR}"),
        ("data:text/plain,base64,AAECAw==", "data:text/plain,base64,AAECAw=="),
        ("data:image/png,AAECAw==", "data:image/png,AAECAw=="),
        (f"see {ICON}", f"see {ICON}"),
        ('data: {"a":"base64,"}', 'data: {"a":"base64,"}'),
        ("", ""),
    ],
)  # fmt: skip
def test_a_data_uri_keeps_hash_and_size_of_its_content(text, expected):
    assert _data_uri.described(text) == expected


@given(st.binary(max_size=200), st.sampled_from(["image/png", "text/plain;charset=utf-8", ""]))
def test_hash_and_size_are_those_of_the_content(content, kind):
    made = _data_uri.described(f"data:{kind};base64,{base64.b64encode(content).decode()}")
    digest = hashlib.sha256(content).hexdigest()[:16]
    assert made == f"data:{kind};sha256={digest};bytes={len(content)}"


def test_a_cut_uri_does_not_come_out_either():
    made = _data_uri.described("data:image/png;base64,AAECA\u2026")
    assert made.startswith("data:image/png;sha256=")
    assert "AAECA" not in made


@given(st.text(max_size=60) | st.text(max_size=60).map("data:image/png;base64,".__add__))
def test_any_text_is_taken_and_the_second_time_changes_nothing(text):
    once = _data_uri.described(text)
    assert _data_uri.described(once) == once


def test_every_field_of_an_event_is_free_of_it():
    """An escaped letter does not hide the URI from the look at the line that saves a walk."""
    hidden = b'{"icon":"data:image/png;\\u0062ase64,AAECAw=="}'
    for line in (dumps({"icon": ICON}), hidden):
        (record,) = records(line)
        made = _event.make("x", {f.SOURCE_RAW: {"a": [{"icon": ICON}]}, f.URL_FULL: ICON}, record)
        assert made.fields[f.SOURCE_RAW] == {"a": [{"icon": f"data:image/png;{FOUR}"}]}
        assert made.fields[f.URL_FULL] == f"data:image/png;{FOUR}"


@pytest.mark.parametrize(
    "options, row",
    [
        (ClaudeCodeOptions(), {"type": "user", "uuid": "u", "sessionId": "s",
                               "message": {"role": "user", "content": ICON}}),
        (ClaudeCodeOptions(), {"type": "assistant", "uuid": "u", "sessionId": "s",
                               "message": {"id": "m", "content": [{"type": "tool_use", "id": "t", "name": "x",
                                                                   "input": {"deep": [ICON]}}]}}),
        (CodexOptions(), {"type": "response_item", "payload": {"type": "message", "role": "assistant",
                                                               "content": [{"type": "output_text", "text": ICON}]}}),
        (JsonlOptions(), {"picture": ICON}),
    ],
)  # fmt: skip
def test_agents_logs_and_plain_lines_are_free_of_it(options, row):
    events = plain_run(options.build(), dumps(row))
    text = b"".join(dumps(f.to_document(event.fields)) for event in events)
    assert FOUR.encode() in text
    assert b"AAECAw" not in text
