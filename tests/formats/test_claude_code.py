"""Claude Code sessions: messages counted once, tools paired, and everything an auditor asks for."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings

from agenttrail import fields as f
from agenttrail.errors import OptionError
from agenttrail.formats import claude_code, codex
from agenttrail.jsontext import dumps, loads
from agenttrail.testing import records
from tests.formats._logs import Run, lines_of, mutated, read, run, run_rows, shared

SESSION = "0a1b2c3d-0000-4000-8000-000000000001"
_numbers = itertools.count()


def row(kind, second=0, **more):
    return {
        "type": kind, "uuid": f"u-{next(_numbers)}", "parentUuid": None, "isSidechain": False, "sessionId": SESSION,
        "timestamp": f"2026-03-01T10:00:{second:02}.000Z", "version": "2.1.39", "cwd": "/work", "gitBranch": "main", **more,
    }  # fmt: skip


def prompt(text="hello", second=0, **more):
    return row("user", second, message={"role": "user", "content": text}, **more)


def answer(*blocks, second=1, id="msg_1", output=10, plain=3, read=20, write=5, stop=None, **more):
    usage = {
        "input_tokens": plain,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": write,
        "output_tokens": output,
    }
    message = {
        "id": id,
        "role": "assistant",
        "model": "claude-opus-5",
        "content": list(blocks),
        "stop_reason": stop,
        "usage": usage,
    }
    return row("assistant", second, message=message, requestId="req_1", **more)


def text(words):
    return {"type": "text", "text": words}


def use(name="Bash", id="toolu_1", **given):
    return {"type": "tool_use", "id": id, "name": name, "input": given}


def result(content="ok", id="toolu_1", second=3, error=None, structured=None, **more):
    block = {"type": "tool_result", "tool_use_id": id, "content": content}
    if error is not None:
        block["is_error"] = error
    if structured is not None:
        more["toolUseResult"] = structured
    return row("user", second, message={"role": "user", "content": [block]}, **more)


def system(subtype, **more):
    return row("system", subtype=subtype, **more)


def go(*rows, path=None, **options):
    return run_rows(claude_code.ClaudeCodeOptions(**options).build(), *rows, path=path)


def test_the_rows_of_one_message_are_one_chat_with_its_last_usage():
    found = go(
        prompt(), answer({"type": "thinking", "thinking": "hm", "signature": "s"}, output=2), answer(text("I look"), output=2),
        answer(use(command="ls"), output=40, stop="tool_use"), result(), answer(text("done"), id="msg_2", second=5),
    )  # fmt: skip
    first, second = found.of("chat")
    assert (
        first[f.INPUT_TOKENS],
        first[f.OUTPUT_TOKENS],
        first[f.CACHE_READ_TOKENS],
        first[f.CACHE_WRITE_TOKENS],
    ) == (28, 40, 20, 5)
    assert [part["type"] for part in first[f.OUTPUT_MESSAGES][0]["parts"]] == [
        "reasoning",
        "text",
        "tool_call",
    ]
    assert first[f.FINISH_REASONS] == ["tool_use"]
    assert first[f.SOURCE_LINES] == 3
    assert second[f.RESPONSE_ID] == "msg_2"
    assert found.total(f.CACHE_WRITE_TOKENS) == 10


def test_a_message_may_go_on_after_the_result_of_its_first_tool():
    found = go(
        answer(use(id="toolu_1")),
        result(),
        answer(use(id="toolu_2"), output=50),
        result(id="toolu_2"),
    )
    assert len(found.of("chat")) == 1
    assert found.total(f.OUTPUT_TOKENS) == 50


def test_rows_that_come_again_are_dropped():
    history = [prompt(), answer(use(command="ls")), result(), answer(text("done"), id="msg_2")]
    again = [{**line, "sessionId": "another"} for line in history]
    renamed = {**history[3], "uuid": "new", "timestamp": "2026-03-01T11:00:00Z"}
    found = go(*history, *again, prompt("next", 9), renamed)
    assert found.total(f.OUTPUT_TOKENS) == 20
    assert len(found.of("execute_tool")) == 1
    assert found.drops == {"repeated_row": 4, "repeated_message": 1}


def test_a_copy_in_another_file_makes_the_same_events():
    history = [prompt(), answer(use(command="ls")), result(), answer(text("done"), id="msg_2")]
    copy = [{**line, "sessionId": "another"} for line in history]
    one, two = go(*history), go({"type": "summary", "summary": "s", "leafUuid": "x"}, *copy)
    assert [e[f.EVENT_ID] for e in one.events] == [e[f.EVENT_ID] for e in two.events]


def files(*contents, **options):
    """A run over several files, one after the other, as a source gives them."""
    form = claude_code.ClaudeCodeOptions(**options).build()
    found = Run()
    for number, lines in enumerate(contents):
        part = run(form, records(*lines_of(*lines), stream=f"file {number}"))
        found.events += part.events
        found.drops += part.drops
    return found


def copied(lines):
    """As a resumed session has them: under its own id, all else as it was."""
    return [{**line, "sessionId": "another", "slug": "x", "version": "2.2.0"} for line in lines]


HISTORY = [prompt(), answer(use(command="ls")), result(), answer(text("done"), id="msg_2")]


def test_a_copy_read_in_the_same_run_is_counted_once():
    new = [prompt("next", 5), answer(text("more"), id="msg_3", second=6)]
    found = files(HISTORY, copied(HISTORY) + [{**line, "sessionId": "another"} for line in new])
    assert found.drops == {"replayed_history": 4}
    assert found.total(f.OUTPUT_TOKENS) == 30
    assert found.actions() == ["user_prompt", "execute_tool", "chat", "chat", "user_prompt", "chat"]
    assert len({event[f.EVENT_ID] for event in found.events}) == 6
    assert [event[f.CONVERSATION_ID] for event in found.events] == [SESSION] * 4 + ["another"] * 2


def test_the_file_that_is_read_first_keeps_the_rows():
    one, two = files(HISTORY, copied(HISTORY)), files(copied(HISTORY), HISTORY)
    assert {event[f.CONVERSATION_ID] for event in one.events} == {SESSION}
    assert {event[f.CONVERSATION_ID] for event in two.events} == {"another"}
    assert [e[f.EVENT_ID] for e in one.events] == [e[f.EVENT_ID] for e in two.events]


def test_near_misses_of_a_copy_are_kept():
    """Another uuid, another text or no uuid at all: no copy."""
    said = prompt("a")
    bare = {key: value for key, value in said.items() if key != "uuid"}
    changed = {**said, "message": {"role": "user", "content": "b"}}
    found = files([said, bare], [{**said, "uuid": "v"}, changed, bare])
    assert found.drops == {}
    assert len(found.of("user_prompt")) == 5


def test_a_result_behind_the_copy_finds_the_call_that_was_copied():
    """The first session was broken off in the call; its rows in the copy are still its own."""
    begun = [prompt(), answer(use(command="ls"), second=1)]
    found = files(begun, [*copied(begun), result(second=4, sessionId="another")])
    first, second = found.of("execute_tool")
    assert (first[f.ERROR_TYPE], second[f.EVENT_OUTCOME]) == ("no_response", "success")
    assert second[f.TOOL_ARGUMENTS] == {"command": "ls"}
    assert second[f.EVENT_DURATION] == 3_000_000_000
    assert second[f.SOURCE_LINES] == 1
    assert found.drops == {"replayed_history": 2}
    assert not found.of("tool_result")


def test_more_of_a_copied_message_has_no_usage():
    begun = [prompt(), answer(text("a"))]
    found = files(begun, [*copied(begun), answer(text("b"), sessionId="another")])
    assert found.total(f.OUTPUT_TOKENS) == 10
    assert len(found.of("message_part")) == 1


def test_the_mode_and_the_task_of_copied_rows_hold_for_what_follows():
    begun = [prompt(permissionMode="plan", promptId="p1")]
    behind = [
        answer(text("b"), sessionId="another"),
        prompt("go", 5, sessionId="another", permissionMode="default", promptId="p2"),
    ]
    found = files(begun, [*copied(begun), *behind])
    (chat,) = found.of("chat")
    assert (chat[f.TASK_ID], chat[f.PERMISSION_MODE]) == ("p1", "plan")
    (changed,) = found.of("permission_mode_changed")
    assert changed[f.EVENT_REASON] == "from plan to default"


def test_rows_of_a_sub_agent_in_two_files_are_counted_once_and_its_progress_stays():
    """Older versions keep a sub-agent's rows in the session's file, newer ones in a file of its own."""
    inner = answer(use(id="toolu_9"), id="msg_9", isSidechain=True, agentId="a1")
    copy = row("progress", data={"type": "agent_progress", "agentId": "a1", "message": inner})
    found = files([prompt(), copy, inner], [inner, result(id="toolu_9", agentId="a1")])
    assert found.drops == {"replayed_history": 1}
    assert found.total(f.OUTPUT_TOKENS) == 10
    assert len(found.of("agent_progress")) == 1


def test_what_is_remembered_over_files_is_bounded():
    lines = [prompt(str(number)) for number in range(6)]
    assert files(lines, lines, remember_max=6).drops == {"replayed_history": 6}
    assert files(lines, lines, remember_max=5).drops == {}


def test_the_same_ids_with_other_content_are_other_events():
    one, two = go(answer(text("a"), uuid="u")), go(answer(text("b"), uuid="u"))
    assert one.events[0][f.EVENT_ID] != two.events[0][f.EVENT_ID]


def test_more_of_a_message_that_was_given_already_is_kept_without_usage():
    found = go(answer(text("a")), answer(text("x"), id="msg_2"), answer(text("late")))
    assert found.total(f.OUTPUT_TOKENS) == 20
    assert len(found.of("message_part")) == 1


def test_a_tool_call_is_paired_with_its_result():
    found = go(
        prompt(promptId="p-1"),
        answer(use(command="ls -la")),
        result("file", structured={"stdout": "file" * 99, "interrupted": False}),
    )
    (tool,) = found.of("execute_tool")
    assert tool[f.TOOL_NAME] == "Bash"
    assert tool[f.PROCESS_COMMAND_LINE] == "ls -la"
    assert tool[f.TOOL_RESULT] == {"value": "file"}
    assert tool[f.EVENT_DURATION] == 2_000_000_000
    assert tool[f.EVENT_CATEGORY] == ["api", "process"]
    assert tool[f.TASK_ID] == "p-1"
    assert tool[f.SOURCE_RAW] == {"gitBranch": "main", "toolUseResult": {"interrupted": False}}
    assert found.origins[found.events.index(tool)] == (2, 3)
    assert f.INPUT_TOKENS not in tool


REFUSED = "The user doesn't want to proceed with this tool use. The tool use was rejected"


@pytest.mark.parametrize(
    "content, error, structured, outcome, kind, decider",
    [
        ("ok", None, None, "success", None, None),
        ("ok", False, {"stdout": "ok"}, "success", None, None),
        ("Exit code 2\nbad", True, "Error: Exit code 2", "failure", "tool_error", None),
        ("<tool_use_error>File does not exist.</tool_use_error>", True, None, "failure", "tool_error", None),
        (REFUSED, True, "User rejected tool use", "failure", "rejected", "user"),
        (REFUSED, False, None, "success", None, None),
        ("[Request interrupted by user for tool use]", True, None, "failure", "rejected", "user"),
        ("PreToolUse:Bash hook error: no", True, None, "failure", "denied", "hook"),
        ("Claude requested permissions to use Bash, but you haven't granted it yet.", True, None, "failure", "denied", "config"),
        ("Permission to use Bash with command rm has been denied.", True, None, "failure", "denied", "config"),
        ("Permission denied", True, None, "failure", "tool_error", None),
        ("part", None, {"interrupted": True}, "failure", "cancelled", None),
    ],
)  # fmt: skip
def test_outcome_of_a_result(content, error, structured, outcome, kind, decider):
    (tool,) = go(answer(use(command="x")), result(content, error=error, structured=structured)).of(
        "execute_tool"
    )
    assert (tool[f.EVENT_OUTCOME], tool.get(f.ERROR_TYPE), tool.get(f.APPROVAL_SOURCE)) == (
        outcome,
        kind,
        decider,
    )
    assert (f.TOOL_RESULT in tool) == (outcome == "success")
    assert ("denied" in tool[f.EVENT_TYPE]) == (decider is not None)
    assert tool.get(f.PROCESS_EXIT_CODE) == (2 if content.startswith("Exit code 2") else None)
    assert "tool_use_error" not in tool.get(f.ERROR_MESSAGE, "")


def test_tools_say_what_they_touch():
    found = go(
        answer(use("mcp__files__read", "toolu_1", path="/x"), use("Edit", "toolu_2"), use("WebFetch", "toolu_3", url="https://example.com"),
               use("Read", "toolu_4")),
    )  # fmt: skip
    mcp, edit, web, reading = found.of("execute_tool")
    assert (mcp[f.MCP_SERVER_NAME], mcp[f.TOOL_NAME], mcp[f.MCP_METHOD]) == (
        "files",
        "mcp__files__read",
        "tools/call",
    )
    assert (edit[f.EVENT_CATEGORY], edit[f.EVENT_TYPE]) == (["api", "file"], ["change"])
    assert (web[f.EVENT_CATEGORY], web[f.URL_FULL]) == (["api", "web"], "https://example.com")
    assert reading[f.EVENT_TYPE] == ["access"]
    assert {tool[f.ERROR_TYPE] for tool in (mcp, edit, web, reading)} == {"no_response"}


def test_a_sub_agent_is_named_and_its_roll_up_is_not_counted():
    done = {
        "agentId": "a1",
        "status": "completed",
        "totalTokens": 999,
        "usage": {"input_tokens": 999},
    }
    found = go(
        answer(use("Task", subagent_type="Explore", description="look")), result([text("r")], structured=done),
        answer(text("sub"), id="msg_9", isSidechain=True, agentId="a1"),
        prompt("do", isSidechain=True, agentId="a1"),
    )  # fmt: skip
    (tool,) = found.of("execute_tool")
    assert (tool[f.AGENT_INSTANCE_ID], tool[f.AGENT_TYPE], tool[f.AGENT_PARENT_ID]) == (
        "a1",
        "Explore",
        SESSION,
    )
    assert tool[f.SOURCE_RAW]["toolUseResult"]["usage"] == {"input_tokens": 999}
    assert found.total(f.INPUT_TOKENS) == 56
    (sub,) = [chat for chat in found.of("chat") if chat[f.RESPONSE_ID] == "msg_9"]
    assert (sub[f.AGENT_INSTANCE_ID], sub[f.AGENT_SIDECHAIN]) == ("a1", True)
    assert len(found.of("agent_prompt")) == 1


def test_progress_of_a_sub_agent_has_no_usage():
    inner = answer(use(id="toolu_9"), id="msg_9")
    copy = row(
        "progress",
        data={"type": "agent_progress", "agentId": "a1", "message": inner},
        parentToolUseID="toolu_1",
    )
    found = go(copy)
    (event,) = found.of("agent_progress")
    assert event[f.AGENT_INSTANCE_ID] == "a1"
    assert found.total(f.INPUT_TOKENS) == 0
    assert not found.of("execute_tool")


@pytest.mark.parametrize(
    "line, action, expected",
    [
        (prompt("hi"), "user_prompt", {f.INPUT_MESSAGES: [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]}),
        (prompt([text("[Request interrupted by user]")]), "user_interrupt", {}),
        (prompt("<command-name>/model</command-name>"), "user_command", {f.PROMPT_NAME: "model"}),
        (prompt("<local-command-stdout>x</local-command-stdout>"), "local_command_output", {}),
        (prompt("<task-notification>x"), "task_notification", {}),
        (prompt("skill", isMeta=True), "context_added", {}),
        (prompt("sum", isCompactSummary=True), "compact_summary", {f.CONVERSATION_COMPACTED: True}),
        (prompt("from afar", origin={"kind": "channel"}), "context_added", {}),
        (prompt("typed", origin={"kind": "human"}), "user_prompt", {}),
        (system("compact_boundary", content="c", compactMetadata={"trigger": "auto"}), "conversation_compacted",
         {f.CONVERSATION_COMPACTED: True, f.SOURCE_RAW: {"gitBranch": "main", "compactMetadata": {"trigger": "auto"}}}),
        (system("api_error", error={"status": 529, "message": "busy"}, level="error"), "api_error",
         {f.EVENT_OUTCOME: "failure", f.HTTP_STATUS: 529, f.ERROR_MESSAGE: "busy", f.LOG_LEVEL: "error"}),
        (system("api_error", error="ECONNRESET"), "api_error", {f.ERROR_MESSAGE: "ECONNRESET"}),
        (system("turn_duration", durationMs=5), "turn_completed", {f.EVENT_DURATION: 5_000_000}),
        (system("local_command", content="<command-name>/model</command-name>"), "user_command", {f.PROMPT_NAME: "model"}),
        (system("informational", content="note"), "system_message", {f.MESSAGE: "note"}),
        (system("stop_hook_summary", preventedContinuation=True, stopReason="no"), "hook",
         {f.EVENT_OUTCOME: "failure", f.EVENT_REASON: "no"}),
        (row("progress", data={"type": "hook_progress", "hookEvent": "PreToolUse", "command": "guard.sh"}, toolUseID="toolu_1"),
         "hook", {f.PROCESS_COMMAND_LINE: "guard.sh", f.TOOL_CALL_ID: "toolu_1"}),
        (row("attachment", attachment={"type": "hook_blocking_error", "command": "g", "blockingError": {"blockingError": "no"}}),
         "hook", {f.APPROVAL_OUTCOME: "deny", f.APPROVAL_SOURCE: "hook", f.EVENT_TYPE: ["denied"]}),
        (row("attachment", attachment={"type": "hook_non_blocking_error", "exitCode": 1, "stderr": "e"}),
         "hook", {f.EVENT_OUTCOME: "failure", f.PROCESS_EXIT_CODE: 1, f.ERROR_MESSAGE: "e"}),
        (row("attachment", attachment={"type": "hook_permission_decision", "decision": "allow"}), "hook", {f.APPROVAL_OUTCOME: "allow"}),
        (row("attachment", attachment={"type": "hook_success", "exitCode": 0}), "hook", {f.EVENT_OUTCOME: "success"}),
        (row("attachment", attachment={"type": "queued_command", "prompt": "and then", "commandMode": "prompt"}), "user_prompt", {}),
        (row("attachment", attachment={"type": "file", "filename": "x"}), "context_added", {}),
        (row("queue-operation", operation="enqueue", content="later"), "prompt_queued", {}),
        (row("permission-mode", permissionMode="plan"), "permission_mode_changed", {f.PERMISSION_MODE: "plan"}),
        (row("pr-link", prUrl="https://example.com/1"), "pull_request_linked", {f.URL_FULL: "https://example.com/1"}),
        (row("novelty", a=1), "log", {f.SOURCE_EVENT_TYPE: "novelty", f.SOURCE_RAW: {"gitBranch": "main", "a": 1}}),
        (answer(text("API Error: 529"), isApiErrorMessage=True, apiErrorStatus=529, output=0), "api_error",
         {f.ERROR_MESSAGE: "API Error: 529", f.HTTP_STATUS: 529, f.INPUT_TOKENS: None}),
        (result("lost"), "tool_result", {f.SOURCE_ERROR: "no_request"}),
    ],
)  # fmt: skip
def test_rows_become_events_of_their_kind(line, action, expected):
    (event,) = go(line).events
    assert event[f.EVENT_ACTION] == action
    assert {name: event.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    "line, reason",
    [
        (row("progress", data={"type": "bash_progress", "output": "x"}), "progress"),
        ({"type": "summary", "summary": "t", "leafUuid": "x"}, "title"),
        ({"type": "file-history-snapshot", "messageId": "m", "snapshot": {}}, "file_history"),
        ({"type": "queue-operation", "operation": "dequeue"}, "queue_operation"),
        (b"  ", "blank"),
    ],
)
def test_what_serves_the_screen_is_dropped(line, reason):
    assert go(line).drops == {reason: 1}


@pytest.mark.parametrize(
    "line, error",
    [
        (b'{"type": "user", "mess', "not_json"), (b"\xff\x00", "not_json"), (b"42", "unknown_shape"), (b'{"silly": 1}', "unknown_shape"),
        (row("user", message="error"), "unknown_shape"), (row("assistant", message={"contenst": []}), "unknown_shape"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_kept_with_the_time_before_it(line, error):
    _, event = go(prompt(), line).events
    assert (event[f.SOURCE_ERROR], event[f.TIMESTAMP]) == (error, "2026-03-01T10:00:00.000Z")


def test_a_changed_permission_mode_is_an_event():
    found = go(
        prompt(permissionMode="default"),
        prompt("b", permissionMode="default"),
        prompt("c", permissionMode="bypassPermissions"),
    )
    (event,) = found.of("permission_mode_changed")
    assert event[f.EVENT_REASON] == "from default to bypassPermissions"


def test_images_leave_their_size_and_hash():
    image = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "QUJDRA=="},
    }
    found = go(prompt([image]), answer(use("Read")), result([image]))
    assert b"QUJDRA" not in dumps(found.events)
    assert found.of("user_prompt")[0][f.INPUT_MESSAGES][0]["parts"][0]["mime_type"] == "image/png"


def test_hooks_can_be_left_out():
    line = row("progress", data={"type": "hook_progress", "command": "x"})
    assert go(line, hooks=False).drops == {"hook": 1}


def test_what_is_held_is_bounded():
    rows = [answer(use(id=f"toolu_{n}"), id=f"msg_{n}", agentId=f"a{n}") for n in range(10)]
    form = claude_code.ClaudeCodeOptions(pending_max=3).build()
    actions = [
        e.fields[f.EVENT_ACTION] for record in records(*lines_of(*rows)) for e in form(record)
    ]
    assert (actions.count("execute_tool"), actions.count("chat")) == (7, 7)


@pytest.mark.parametrize("option", ["pending_max", "remember_max"])
def test_bounds_must_be_positive(option):
    with pytest.raises(OptionError):
        claude_code.ClaudeCodeOptions(**{option: 0})


SAMPLES = [
    prompt(), answer(text("a"), use(command="x")), answer(use("Task", "toolu_2"), id="msg_2"), result(), result(id="toolu_2", structured={"agentId": "a"}),
    result("Exit code 1", error=True), result([{"type": "image", "source": {"data": "AA", "media_type": "image/png"}}], id="toolu_2"),
    answer({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}),
    answer({"type": "redacted_thinking", "data": "x"}, text("b"), isApiErrorMessage=True), prompt([text("<command-name>/x</command-name>")], permissionMode="plan"),
    system("api_error", error={"status": 529, "error": {"error": {"type": "overloaded_error", "message": "m"}}}), system("turn_duration", durationMs=1),
    system("compact_boundary"), system("stop_hook_summary", hookErrors=["x"]), row("progress", data={"type": "hook_progress", "command": "c", "exitCode": 1}),
    row("progress", data={"type": "agent_progress", "message": {"message": {"role": "assistant", "content": [text("x")]}}}),
    row("attachment", attachment={"type": "hook_blocking_error", "blockingError": {}}), row("attachment", attachment={"type": "queued_command", "prompt": "q"}),
    row("queue-operation", operation="enqueue", content="x"), row("permission-mode", permissionMode="default"), {"type": "summary", "summary": "s"},
]  # fmt: skip


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(mutated(SAMPLES), mutated(SAMPLES))
def test_any_lines_in_any_order_are_accounted_for(first, second):
    def given_rows():
        return [
            record
            for pair in itertools.zip_longest(
                records(*first, stream="a"), records(*second, stream="b")
            )
            for record in pair
            if record is not None
        ]

    found = run(claude_code.ClaudeCodeOptions().build(), given_rows())
    again = run(claude_code.ClaudeCodeOptions().build(), given_rows(), validate=False)
    assert dumps(again.events) == dumps(found.events)
    claude_code.sniff(first, None)


def test_sniff():
    assert claude_code.sniff(lines_of(prompt()), None) >= 90
    assert (
        claude_code.sniff(lines_of({"type": "summary", "summary": "s", "leafUuid": "u"}), None)
        >= 90
    )
    assert claude_code.sniff([dumps(prompt())[:-30]], None) >= 60
    printed = {"type": "system", "subtype": "init", "session_id": SESSION, "uuid": "u"}
    assert claude_code.sniff(lines_of(printed), None) >= 80
    for foreign in (
        {"jsonrpc": "2.0", "id": "1", "method": "x"},
        {"ts": "2026-01-01T00:00:00Z", "server": "s", "dir": "c2s", "msg": {}},
        {"type": "user", "name": "x"},
        {"type": "message", "role": "user", "content": []},
        {"type": [], "sessionId": "x"},
        [1],
    ):
        assert claude_code.sniff(lines_of(foreign), None) == 0
    assert codex.sniff(lines_of(prompt(), answer(text("a"))), None) == 0


def test_real_sessions_are_read_whole_with_the_right_totals():
    for path in shared("claude_code/**/*.jsonl"):
        lines = read(path)
        found = run(claude_code.ClaudeCodeOptions().build(), records(*lines, path=str(path)))
        assert len({event[f.EVENT_ID] for event in found.events}) == len(found.events)
        rows = [value for value in map(loads, lines) if isinstance(value, dict)]
        last = {
            r["message"]["id"]: r["message"]["usage"] for r in rows if r.get("type") == "assistant"
        }
        assert len(found.of("chat")) == len(last)
        names = {f.OUTPUT_TOKENS: ["output_tokens"], f.CACHE_WRITE_TOKENS: ["cache_creation_input_tokens"],
                 f.INPUT_TOKENS: ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]}  # fmt: skip
        for ours, theirs in names.items():
            assert found.total(ours) == sum(
                usage.get(name, 0) for usage in last.values() for name in theirs
            )
        blocks = [
            (r["type"], block)
            for r in rows
            if isinstance(r.get("message"), dict) and isinstance(r["message"].get("content"), list)
            for block in r["message"]["content"]
            if isinstance(block, dict)
        ]  # fmt: skip
        used = {block["id"] for _, block in blocks if block["type"] == "tool_use"}
        answered = {block["tool_use_id"] for _, block in blocks if block["type"] == "tool_result"}
        calls = {event[f.TOOL_CALL_ID]: event for event in found.of("execute_tool")}
        assert set(calls) == used
        assert {
            name for name, event in calls.items() if event.get(f.ERROR_TYPE) != "no_response"
        } == used & answered
        assert claude_code.sniff(lines[:20], str(path)) >= 90
        assert claude_code.sniff(lines[:1], None) >= 90


def test_a_sum_over_rows_would_overcount_the_real_session():
    (path,) = shared("claude_code/258c7280-*.jsonl")
    lines = read(path)
    found = run(claude_code.ClaudeCodeOptions().build(), records(*lines, path=str(path)))
    rows = [loads(line) for line in lines]
    naive = sum(
        r["message"]["usage"]["cache_creation_input_tokens"]
        for r in rows
        if r["type"] == "assistant"
    )
    assert round(naive / found.total(f.CACHE_WRITE_TOKENS), 1) == 2.7
