"""The claude_desktop format: line shapes seen in the wild, blocks, cut payloads, noise."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agenttrail import fields as f
from agenttrail import jsontext, seams, testing
from agenttrail.errors import OptionError
from agenttrail.formats import claude_desktop
from agenttrail.formats.claude_desktop import ClaudeDesktopOptions
from tests.formats._logs import plain_run

NEW = "2026-03-10T15:18:27.783Z [box] [info] {} {{ metadata: undefined }}"
CALL = '{"method":"tools/call","params":{"name":"t","arguments":{}},"jsonrpc":"2.0","id":%s}'


def run(*lines: str | bytes, path: str | None = "mcp-server-box.log") -> list[seams.Event]:
    data = [line.encode() if isinstance(line, str) else line for line in lines]
    return plain_run(ClaudeDesktopOptions().build(), *data, path=path)


@pytest.mark.parametrize(
    "line, server, level",
    [
        ("2026-03-10T15:18:27.783Z [box] [info] Message from client: {} {{ metadata: undefined }}", "box", "info"),
        ("2025-03-12T17:53:14.656Z [info] [box] Message from client: {}", "box", "info"),
        ("2025-03-12T17:53:14.656Z [Box (Reference) 2.0] [warn] Message from client: {}", "Box (Reference) 2.0", "warn"),
        ("2025-03-12T17:53:14.656Z [error] [info] Message from client: {}", "error", "info"),
        ("2026-01-08T10:19:20Z [box] [trace] Message from client: {}", "box", "trace"),
        ("2026-01-08T10:19:20Z [a[0]] [info] Message from client: {}", "a[0]", "info"),
        ("2026-01-08T10:19:20Z [info] [a[0]] Message from client: {}", "a[0]", "info"),
        ("2026-01-08T10:19:20Z [we]ird] [warn] Message from client: {}", "we]ird", "warn"),
        ("2026-01-08T10:19:20Z [debug] [we]ird] Message from client: {}", "we]ird", "debug"),
        ("2026-01-08T10:19:20Z [a] b] [info] Message from client: {}", "a] b", "info"),
        ("2026-01-08T10:19:20Z [info] [a] b] Message from client: {}", "a] b", "info"),
        ("2026-01-08T10:19:20Z []] [info] Message from client: {}", "]", "info"),
        ("2026-01-08T10:19:20Z [[x] [error] Message from client: {}", "[x", "error"),
        ("2026-01-08T10:19:20Z [info] y] [warn] Message from client: {}", "info] y", "warn"),
        ("2026-01-08T10:19:20Z [verbose] [x] [info] Message from client: {}", "x] [info", "verbose"),
        ("2026-01-08T10:19:20.559Z [info] Message from client: {}", "from-file", "info"),
        ("2026-01-08T10:19:20Z [box] [info] Message from client: {}  trailing words", "box", "info"),
    ],
)  # fmt: skip
def test_both_orders_of_level_and_server(line: str, server: str, level: str) -> None:
    """The server is where the level is not; without one the file's name says it."""
    text = line.replace("{}", CALL % 0).replace("{{", "{").replace("}}", "}", 0)
    text = text.replace(" {{ metadata: undefined }}", " { metadata: undefined }")
    (event,) = run(text, path="/logs/mcp-server-from-file.log")
    assert event.fields[f.EVENT_ACTION] == "execute_tool"
    assert event.fields[f.MCP_SERVER_NAME] == server
    assert event.fields[f.LOG_LEVEL] == level
    assert event.fields[f.JSONRPC_REQUEST_ID] == "0"
    assert f.SOURCE_TRUNCATED not in event.fields


@pytest.mark.parametrize(
    "line",
    [
        "Server listening",
        "2026-03-17 17:02:22 - mcp.server.lowlevel.server - INFO - Processing request",
        "2025-03-31T21:30:55.172892Z  INFO server: starting",
        "[2025-01-17T10:30:15.123Z] [INFO] [uptime:45s] starting",
        "2025-01-17T10:30:15.123Z [INFO] [uptime:45s] starting",
        "2025-01-17T10:30:15.123Z [we]ird] [loud] Message from client: {}",
        "2025-01-17T10:30:15.123Z [] [info]",
        '2025-01-17T10:30:15.123Z [a] {"b": [1]} [info] none of the program',
        "2025-13-41T99:99:99Z [box] [info] no such time",
        "'C:\\Program' is not recognized as an internal or external command,",
        "}",
    ],
)
def test_whatever_is_no_line_of_the_program_is_stderr(line: str) -> None:
    (event,) = run(line)
    assert event.fields[f.EVENT_ACTION] == "stderr"
    assert event.fields[f.MESSAGE] == line
    assert event.fields[f.MCP_SERVER_NAME] == "box"


@pytest.mark.parametrize(
    "line, server, text",
    [
        ("[info] [box] see [x] [error] there", "box", "see [x] [error] there"),
        ("[box] [info] see [x] [error] there", "box", "see [x] [error] there"),
        ("[info] [box] it said {} [x] Message from server: no", "box", "it said {} [x] Message from server: no"),
        ("[a]b] [info] see [x] there", "a]b", "see [x] there"),
        ("[info] [a]b] see [x] there", "a]b", "see [x] there"),
        ("[info] [box]", "box", None),
        ("[info] see [x] there", "from-file", "see [x] there"),
    ],
)  # fmt: skip
def test_brackets_in_the_text_are_no_part_of_the_servers_name(
    line: str, server: str, text: str | None
) -> None:
    (event,) = run(f"2026-01-08T10:19:20Z {line}", path="mcp-server-from-file.log")
    assert event.fields[f.EVENT_ACTION] == "log"
    assert event.fields[f.MCP_SERVER_NAME] == server
    assert event.fields.get(f.MESSAGE) == text


def test_a_block_belongs_to_the_line_that_opens_it() -> None:
    """Blank lines within it too; what follows the block is stderr again."""
    first, second = run(
        NEW.format("Using MCP server command: npx with args and path: {").replace(
            " { metadata: undefined }", ""
        ),
        "  metadata: {",
        "",
        "  }",
        "} %o",
        "noise",
    )
    assert [origin.line for origin in first.origins] == [1, 2, 3, 4, 5]
    assert first.fields[f.MESSAGE].endswith("  }\n} %o")
    assert second.fields[f.EVENT_ACTION] == "stderr"


def test_a_block_that_never_ends_is_let_go() -> None:
    events = run("2026-03-10T15:18:27.783Z [box] [error] bad {", *["x"] * 600)
    assert events[0].fields[f.SOURCE_LINES] == 501
    assert len(events) == 101


def test_a_message_with_a_block_keeps_its_pairing() -> None:
    head = "2026-03-10T15:18:27.783Z [box] [info] Message from "
    events = run(
        f"{head}client: {CALL % 3} {{",
        "  metadata: { kept: true }",
        "}",
        head + 'server: {"jsonrpc":"2.0","id":3,"result":{"content":[]}}',
    )
    assert [e.fields[f.EVENT_OUTCOME] for e in events] == ["success"]
    assert [origin.line for origin in events[0].origins] == [1, 2, 3, 4]
    assert "kept: true" in events[0].fields[f.SOURCE_RAW]["line"]["tail"]


GAP = "...[11759 chars truncated]..."


@pytest.mark.parametrize(
    "payload, outcome, truncated",
    [
        ('{"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"a' + GAP, "unknown", True),
        ('{"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"a' + GAP + ' b"}]}}', "success", True),
        ('{"jsonrpc":"2.0","id":3,"result":{"content":[{"ty' + GAP + '"}],"isError":true}}', "failure", True),
        ('{"jsonrpc":"2.0","id":3,"result":{"content":[{"ty' + GAP + '"}],"isError":false}}', "success", True),
        ('{"result":{"content":[{"ty' + GAP + '"}],"isError":true},"jsonrpc":"2.0","id":3}', "failure", True),
        ('{"result":{"content":[{"ty' + GAP + '"}]},"jsonrpc":"2.0","id":3}', "unknown", True),
        # near misses: what looks like an id or an isError is the tool's own text
        ('{"jsonrpc":"2.0","id":3,"result":{"content":[{"ty' + GAP + '\\"isError\\":true}"}]}}', "unknown", True),
        ('{"jsonrpc":"2.0","id":3,"result":{"content":[{"ty' + GAP + ',"id":9}}', "unknown", True),
        ('{"jsonrpc":"2.0","id":3,"result":{"content":[]}}', "success", None),
    ],
)  # fmt: skip
def test_cut_responses_are_paired_and_marked(
    payload: str, outcome: str, truncated: bool | None
) -> None:
    (event,) = run(
        NEW.format("Message from client: " + CALL % 3),
        NEW.format("Message from server: " + payload),
    )
    assert event.fields[f.TOOL_NAME] == "t"
    assert event.fields[f.EVENT_OUTCOME] == outcome
    assert event.fields.get(f.SOURCE_TRUNCATED) == truncated


@pytest.mark.parametrize("keep", range(1, len(CALL) + 1, 3))
def test_a_request_cut_anywhere_is_one_marked_event(keep: int) -> None:
    """Never a part of a tool's name, of a method or of an id as if it were the whole."""
    (event,) = run(
        "2026-03-10T15:18:27.783Z [box] [info] Message from client: " + (CALL % 37)[:keep]
    )
    assert event.fields.get(f.TOOL_NAME, "t") == "t"
    assert event.fields.get(f.MCP_METHOD, "tools/call") == "tools/call"
    assert event.fields.get(f.JSONRPC_REQUEST_ID, "37") == "37"
    assert event.fields.get(f.SOURCE_TRUNCATED) is (True if keep < len(CALL % 37) else None)


def test_two_processes_of_one_server_are_paired_in_order() -> None:
    """Equal ids stay open side by side until each process has closed."""
    answer = '{"jsonrpc":"2.0","id":0,"result":{"content":["%s"]}}'
    events = run(
        NEW.format("Initializing server..."),
        NEW.format("Initializing server..."),
        NEW.format("Message from client: " + CALL % 0),
        NEW.format("Message from client: " + CALL % 0),
        NEW.format("Message from server: " + answer % "first"),
        NEW.format("Server transport closed"),
        NEW.format("Message from server: " + answer % "second"),
        NEW.format("Message from client: " + CALL % 1),
        NEW.format("Server transport closed"),
    )
    calls = [e for e in events if e.fields[f.EVENT_ACTION] == "execute_tool"]
    assert [e.origins[0].line for e in calls] == [3, 4, 8]
    assert [e.fields[f.EVENT_OUTCOME] for e in calls] == ["success", "success", "unknown"]
    assert calls[2].fields[f.EVENT_REASON] == "the server's transport closed"


def test_options_are_checked() -> None:
    with pytest.raises(OptionError, match="pending_max"):
        ClaudeDesktopOptions(pending_max=0)


@pytest.mark.parametrize(
    "lines, path, low, high",
    [
        ([NEW.format("Initializing server...")], None, 90, 100),
        (["2025-03-12T17:53:14.656Z [info] [box] Message from client: {}"], "x.txt", 90, 100),
        (["2025-03-12T17:53:14.656Z [info] Attempting to connect to MCP server a..."], None, 90, 100),
        (["npm warn", "2025-03-12T17:53:14.656Z [box] [info] Something"], "mcp-server-box.log", 90, 100),
        (["2025-03-12T17:53:14.656Z [box] [info] Something"], None, 40, 89),
        (["2025-03-12T17:53:14.656Z [info] some other program"], "app.log", 0, 39),
        (["starting up"], "C:\\logs\\mcp-server-box.log", 40, 89),
        (["starting up"], "server.log", 0, 0),
        (['{"jsonrpc":"2.0","id":1,"method":"ping"}'], "mcp.log", 0, 0),
        (['{"type":"user","message":{"content":"Message from client: {}"}}'], None, 0, 0),
        ([""], "mcp.log", 0, 0),
    ],
)  # fmt: skip
def test_sniff(lines: list[str], path: str | None, low: int, high: int) -> None:
    assert low <= claude_desktop.sniff([line.encode() for line in lines], path) <= high


PARTS = st.sampled_from(
    [
        "2026-03-10T15:18:27.783Z ", "[box] ", "[info] ", "Message from client: ",
        "Message from server: ", CALL % 1, '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}',
        " { metadata: undefined }", " {", "}", "} %o", GAP, "Server transport closed",
        "Initializing server...", '{"context":"connection"}', "\x00", "\r", " ", '"', "\\", "[",
    ]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.binary(max_size=30)
        | st.lists(PARTS, max_size=7).map(lambda parts: "".join(parts).encode()),
        max_size=8,
    )
)
def test_any_lines_are_accounted_for_and_nothing_is_raised(lines: list[bytes]) -> None:
    lines = [line.replace(b"\n", b"") for line in lines]
    first, second = run(*lines), run(*lines)
    assert [e.fields for e in first] == [e.fields for e in second]
    for event in first:
        json.loads(jsontext.dumps(f.to_document(event.fields)))


def test_streams_keep_their_own_state() -> None:
    form = ClaudeDesktopOptions().build()
    lines: list[Any] = [
        testing.records(NEW.format("Message from client: " + CALL % 1).encode(), stream="a"),
        testing.records(
            NEW.format('Message from server: {"jsonrpc":"2.0","id":1,"result":{}}').encode(),
            stream="b",
        ),
    ]
    events = [*form(lines[0][0]), *form(lines[1][0]), *form.end("a"), *form.end("b")]
    assert [e.fields[f.EVENT_ACTION] for e in events] == ["response", "execute_tool"]
