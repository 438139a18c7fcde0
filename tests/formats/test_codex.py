"""Codex rollouts: calls paired, counts not counted twice, copied history left out."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings

from agenttrail import fields as f
from agenttrail.errors import OptionError
from agenttrail.formats import claude_code, codex
from agenttrail.jsontext import dumps, loads
from agenttrail.testing import records
from tests.formats._logs import lines_of, mutated, read, run, run_rows, shared

SESSION = "019c8a4c-ed82-79a1-aa28-7738fc5ab61a"
TURN = "019c8a4d-0330-71a2-b22b-785a3a27ed20"
PARENT_TURN = "019c8a00-0330-71a2-b22b-785a3a27ed20"


def row(kind, payload, second=0, **more):
    return {
        "timestamp": f"2026-03-01T10:00:{second:02}.000Z",
        "type": kind,
        "payload": payload,
        **more,
    }


def item(type_, second=0, **payload):
    return row("response_item", {"type": type_, **payload}, second)


def message(type_, second=0, **payload):
    return row("event_msg", {"type": type_, **payload}, second)


def usage(input_, output, cached=0, reasoning=0):
    return {
        "input_tokens": input_, "cached_input_tokens": cached, "output_tokens": output,
        "reasoning_output_tokens": reasoning, "total_tokens": input_ + output,
    }  # fmt: skip


def count(total, last, second=0):
    return message(
        "token_count", second, info={"total_token_usage": total, "last_token_usage": last}
    )


def said(text, role="assistant", second=0):
    kind = "output_text" if role == "assistant" else "input_text"
    return item("message", second, role=role, content=[{"type": kind, "text": text}])


def meta(second=0, **payload):
    own = {"id": SESSION, "timestamp": "2026-03-01T10:00:00.000Z", "cwd": "/work", "originator": "codex_cli_rs",
           "cli_version": "0.104.0", "source": "cli", "model_provider": "openai"}  # fmt: skip
    return row("session_meta", {**own, **payload}, second)


def turn(second=0, **payload):
    own = {"turn_id": TURN, "cwd": "/work", "approval_policy": "on-request", "model": "gpt-5.3-codex",
           "sandbox_policy": {"type": "workspace-write"}, "effort": "high"}  # fmt: skip
    return row("turn_context", {**own, **payload}, second)


def call(name="exec_command", arguments='{"cmd":"ls -la"}', call_id="call_1", second=1):
    return item("function_call", second, name=name, arguments=arguments, call_id=call_id)


def output(text, call_id="call_1", second=2):
    return item("function_call_output", second, call_id=call_id, output=text)


def go(*rows, path=None, **options):
    return run_rows(codex.CodexOptions(**options).build(), *rows, path=path)


def test_a_turn_becomes_prompt_call_and_chat():
    result = go(
        meta(), message("task_started", turn_id=TURN), said("list it", "user"),
        message("user_message", message="list it"), turn(), call(),
        count(usage(100, 20, 60, 5), usage(100, 20, 60, 5), 1),
        output("Chunk ID: 1\nProcess exited with code 0\nOutput:\nfile"),
        message("task_complete", 3, turn_id=TURN, last_agent_message="x"),
    )  # fmt: skip
    assert result.actions() == [
        "session_start",
        "user_prompt",
        "settings",
        "chat",
        "execute_tool",
        "turn_completed",
    ]
    chat, tool, prompt = (
        result.of("chat")[0],
        result.of("execute_tool")[0],
        result.of("user_prompt")[0],
    )
    assert prompt[f.INPUT_MESSAGES] == [
        {"role": "user", "parts": [{"type": "text", "content": "list it"}]}
    ]
    assert (
        chat[f.INPUT_TOKENS],
        chat[f.CACHE_READ_TOKENS],
        chat[f.OUTPUT_TOKENS],
        chat[f.REASONING_TOKENS],
    ) == (100, 60, 20, 5)
    assert chat[f.REQUEST_MODEL] == "gpt-5.3-codex"
    assert tool[f.PROCESS_COMMAND_LINE] == "ls -la"
    assert tool[f.PROCESS_EXIT_CODE] == 0
    assert tool[f.EVENT_DURATION] == 1_000_000_000
    assert tool[f.EVENT_OUTCOME] == "success"
    assert tool[f.TASK_ID] == TURN
    assert tool[f.PERMISSION_MODE] == "on-request"
    assert tool[f.PERMISSION_SANDBOX] == "workspace-write"
    assert {event[f.CONVERSATION_ID] for event in result.events} == {SESSION}
    assert f.INPUT_TOKENS not in tool


def test_a_count_whose_total_stays_is_counted_once():
    one, two = usage(10, 1), usage(30, 3)
    result = go(
        meta(), message("token_count", info=None), said("a"), count(one, one), count(one, one),
        said("b"), count(two, usage(20, 2)), count(two, usage(20, 2)),
    )  # fmt: skip
    assert result.total(f.INPUT_TOKENS) == 30
    assert len(result.of("chat")) == 2
    assert result.drops == {"rate_limits": 1, "repeated_token_count": 2}


def test_a_usage_record_and_its_count_are_one_answer():
    record = row("token_usage_record", {"response_id": "resp_abcdef", "usage": usage(10, 1)})
    result = go(meta(), said("a"), record, count(usage(10, 1), usage(10, 1)))
    (chat,) = result.of("chat")
    assert (chat[f.INPUT_TOKENS], chat[f.RESPONSE_ID]) == (10, "resp_abcdef")


def test_a_count_without_last_usage_is_the_difference_of_totals():
    first = message("token_count", info={"total_token_usage": usage(10, 1)})
    then = message("token_count", info={"total_token_usage": usage(25, 4)})
    assert go(meta(), first, then).total(f.INPUT_TOKENS) == 25


@pytest.mark.parametrize(
    "text, outcome, error, code",
    [
        ('{"output":"ok","metadata":{"exit_code":0,"duration_seconds":0.1}}', "success", None, 0),
        ('{"output":"no","metadata":{"exit_code":2,"duration_seconds":0.1}}', "failure", "tool_error", 2),
        ("Exit code: 1\nWall time: 0.1 seconds\nOutput:\nbad", "failure", "tool_error", 1),
        ("Process exited with code 127\nOutput:", "failure", "tool_error", 127),
        ("Process running with session ID 5\nOutput:", "success", None, None),
        ("exec command rejected by user", "failure", "rejected", None),
        ("aborted by user after 3.1s", "failure", "cancelled", None),
        ("tool call error: no such tool", "failure", "tool_error", None),
        ("The review said: rejected by user testing", "success", None, None),
        ("Exit code: 0\nOutput:\nexec command rejected by user", "success", None, 0),
        ([{"type": "input_text", "text": "Exit code: 3"}], "failure", "tool_error", 3),
        ({"content": "x", "success": False}, "failure", "tool_error", None),
    ],
)  # fmt: skip
def test_outcome_of_an_output(text, outcome, error, code):
    (tool,) = go(meta(), call(), output(text)).of("execute_tool")
    assert (tool[f.EVENT_OUTCOME], tool.get(f.ERROR_TYPE), tool.get(f.PROCESS_EXIT_CODE)) == (
        outcome,
        error,
        code,
    )
    assert (f.TOOL_RESULT in tool) == (outcome == "success")
    assert (tool.get(f.APPROVAL_OUTCOME) == "deny") == (error == "rejected")


def test_the_end_of_a_call_adds_to_it_and_makes_no_second_event():
    end = message("mcp_tool_call_end", 2, call_id="call_1", duration={"secs": 1, "nanos": 5},
                  invocation={"server": "files", "tool": "read", "arguments": {}},
                  result={"Ok": {"content": [], "isError": True}})  # fmt: skip
    result = go(meta(), call("read", "{}"), end, output("x"), end)
    (tool,) = result.of("execute_tool")
    assert tool[f.MCP_SERVER_NAME] == "files"
    assert tool[f.EVENT_DURATION] == 1_000_000_005
    assert tool[f.EVENT_OUTCOME] == "failure"
    assert result.drops == {"repeated_call": 1}


def test_an_end_without_item_is_a_call_of_its_own():
    end = message("exec_command_end", call_id="u1", command=["bash", "-lc", "id"], exit_code=0,
                  aggregated_output="uid", duration="250ms")  # fmt: skip
    (tool,) = go(meta(), end).of("execute_tool")
    assert tool[f.PROCESS_COMMAND_LINE] == "id"
    assert tool[f.EVENT_DURATION] == 250_000_000
    assert tool[f.TOOL_RESULT] == {"value": "uid"}


@pytest.mark.parametrize(
    "given, expected",
    [
        ({"duration": {"secs": 2, "nanos": 1}}, 2_000_000_001),
        ({"duration": "1.5s"}, 1_500_000_000),
        ({"duration_ms": 457}, 457_000_000),
        ({"duration": "soon"}, None),
        ({"duration": {"secs": -1, "nanos": 0}}, None),
    ],
)
def test_durations_come_in_several_forms(given, expected):
    (tool,) = go(meta(), message("exec_command_end", call_id="c", exit_code=0, **given)).of(
        "execute_tool"
    )
    assert tool.get(f.EVENT_DURATION) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ('{"output":"ok","metadata":{"exit_code":0,"duration_seconds":0.5}}', 500_000_000),
        ('{"output":"ok","metadata":{"exit_code":0,"duration_seconds":3}}', 3_000_000_000),
        ('{"output":"ok","metadata":{"exit_code":1,"duration_seconds":0.30}}', 300_000_000),
        ("Exit code: 0\nWall time: 0.1 seconds\nOutput:\nok", 100_000_000),
        ("Chunk ID: 4f\nWall time: 0.0521 seconds\nProcess exited with code 0\nOutput:", 52_100_000),
        # near misses: the lines' own times (call at 1 s, output at 2 s) are what is left
        ('{"output":"ok","metadata":{"exit_code":0}}', 1_000_000_000),
        ('{"output":"ok","metadata":{"duration_seconds":"0.5"}}', 1_000_000_000),
        ('{"output":"ok","metadata":{"duration_seconds":true}}', 1_000_000_000),
        ('{"output":"ok","metadata":{"duration_seconds":-1}}', 1_000_000_000),
        ('{"output":"ok","metadata":{"duration_seconds":1e400}}', 1_000_000_000),
        ("Exit code: 0\nOutput:\nWall time: 9 seconds\n", 1_000_000_000),
    ],
)  # fmt: skip
def test_a_duration_that_the_output_states_is_the_calls(text, expected):
    (tool,) = go(meta(), call(), output(text)).of("execute_tool")
    assert tool[f.EVENT_DURATION] == expected


def test_a_stated_duration_holds_for_lines_of_one_moment_and_for_a_lone_output():
    stated = '{"output":"ok","metadata":{"exit_code":0,"duration_seconds":0.5}}'
    (tool,) = go(meta(), call(second=2), output(stated)).of("execute_tool")
    (lone,) = go(meta(), output(stated)).of("tool_result")
    assert [event[f.EVENT_DURATION] for event in (tool, lone)] == [500_000_000] * 2


def test_a_call_without_output_is_reported_at_the_end():
    (tool,) = go(meta(), call()).of("execute_tool")
    assert (tool[f.EVENT_OUTCOME], tool[f.ERROR_TYPE]) == ("unknown", "no_response")


def test_an_output_without_call_is_kept():
    (orphan,) = go(meta(), output("x")).of("tool_result")
    assert orphan[f.SOURCE_ERROR] == "no_request"


def test_a_patch_and_a_server_tool():
    patch = item(
        "custom_tool_call",
        1,
        name="apply_patch",
        input="*** Begin Patch",
        call_id="call_2",
        status="completed",
    )
    done = item(
        "custom_tool_call_output",
        2,
        call_id="call_2",
        output='{"output":"Done","metadata":{"exit_code":0}}',
    )
    search = item("web_search_call", 3, status="completed", action={"type": "search", "query": "q"})
    first, second = go(meta(), patch, done, search).of("execute_tool")
    assert first[f.TOOL_ARGUMENTS] == {"value": "*** Begin Patch"}
    assert first[f.EVENT_CATEGORY] == ["api", "file"]
    assert (second[f.TOOL_NAME], second[f.EVENT_CATEGORY]) == ("web_search", ["api", "web"])


def test_an_mcp_tool_names_its_server():
    (tool,) = go(meta(), call("mcp__cloud__run", "{}"), output("ok")).of("execute_tool")
    assert (tool[f.MCP_SERVER_NAME], tool[f.TOOL_NAME]) == ("cloud", "mcp__cloud__run")


def fork(*rows, stamp=0):
    parent = usage(1000, 100)
    return (
        meta(forked_from_id="p", timestamp="2026-03-01T10:00:00.000Z"),
        row("session_meta", {"id": "p", "timestamp": "2026-02-01T10:00:00.000Z"}, stamp),
        message("task_started", stamp, turn_id=PARENT_TURN), turn(stamp, turn_id=PARENT_TURN),
        said("old", stamp), call(second=stamp), count(parent, parent, stamp), output("x", second=stamp), *rows,
    )  # fmt: skip


@pytest.mark.parametrize("turn_id, second", [(TURN, 0), (TURN, 30), ("t-2", 30)])
def test_a_fork_does_not_count_its_parent_again(turn_id, second):
    result = go(*fork(
        message("task_started", second, turn_id=turn_id), turn(second, turn_id=turn_id), said("new", second=second),
        count(usage(1050, 105), usage(50, 5), second),
    ))  # fmt: skip
    assert result.total(f.INPUT_TOKENS) == 50
    assert not result.of("execute_tool")
    assert result.drops["replayed_history"] == 7


def test_a_fork_whose_copy_keeps_its_old_times_is_told_by_them():
    old = {"timestamp": "2026-02-01T10:00:00Z"}
    result = go(
        meta(forked_from_id="p"), {**count(usage(9, 9), usage(9, 9)), **old},
        turn(20, turn_id="x"), count(usage(12, 10), usage(3, 1), 21),
    )  # fmt: skip
    assert result.total(f.INPUT_TOKENS) == 3


def test_a_fork_without_copy_loses_nothing():
    result = go(meta(forked_from_id="p"), said("rules", "developer"), message("task_started", turn_id=TURN),
                said("hi"), count(usage(5, 1), usage(5, 1)))  # fmt: skip
    assert result.total(f.INPUT_TOKENS) == 5
    assert not result.drops["replayed_history"]


def test_a_sub_agent_names_its_parent():
    source = {"subagent": {"thread_spawn": {"parent_thread_id": "p-1", "depth": 1}}}
    event = go(meta(source=source), said("hello")).of("chat")[0]
    assert event[f.AGENT_PARENT_ID] == "p-1"
    assert event[f.AGENT_INSTANCE_ID] == SESSION
    assert event[f.AGENT_SIDECHAIN] is True


def test_two_rollouts_joined_are_two_sessions():
    result = go(meta(), said("a"), count(usage(5, 1), usage(5, 1)), meta(id="other"), said("b"),
                count(usage(5, 1), usage(5, 1)))  # fmt: skip
    assert [chat[f.CONVERSATION_ID] for chat in result.of("chat")] == [SESSION, "other"]
    assert result.total(f.INPUT_TOKENS) == 10


def test_the_old_form_without_envelope():
    result = go(
        {"id": "c3c4b301", "timestamp": "2025-08-18T01:16:13.522Z", "instructions": None, "git": {}},
        {"record_type": "state"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "<environment_context>x"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "do it"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "e"},
        {"type": "function_call", "name": "shell", "arguments": '{"command":["bash","-lc","pwd"]}', "call_id": "c1"},
        {"record_type": "state"},
        {"type": "function_call_output", "call_id": "c1", "output": "{\"output\":\"/\",\"metadata\":{\"exit_code\":0}}"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "done"}]},
    )  # fmt: skip
    assert result.actions() == [
        "session_start",
        "context_added",
        "user_prompt",
        "chat",
        "execute_tool",
        "chat",
    ]
    assert {event[f.TIMESTAMP] for event in result.events} == {"2025-08-18T01:16:13.522Z"}
    assert result.of("execute_tool")[0][f.PROCESS_COMMAND_LINE] == "pwd"
    assert result.of("execute_tool")[0][f.SOURCE_TIME] == "neighbour"
    assert result.of("chat")[0][f.OUTPUT_MESSAGES][0]["parts"][0] == {
        "type": "reasoning",
        "content": "hm",
    }


@pytest.mark.parametrize(
    "event, action, expected",
    [
        (message("turn_aborted", reason="interrupted"), "turn_aborted", {f.EVENT_OUTCOME: "failure"}),
        (message("error", message="boom", codex_error_info="usage_limit_exceeded"), "error",
         {f.ERROR_TYPE: "usage_limit_exceeded", f.ERROR_MESSAGE: "boom"}),
        (message("stream_error", message="x"), "api_error", {f.ERROR_TYPE: "stream_error"}),
        (message("context_compacted"), "conversation_compacted", {f.CONVERSATION_COMPACTED: True}),
        (row("compacted", {"message": "sum", "replacement_history": [1, 2]}), "conversation_compacted",
         {f.MESSAGE: "sum", f.SOURCE_RAW: {"replacement_items": 2}}),
        (message("exec_approval_request", call_id="c", command=["rm", "-r", "x y"], reason="risky"),
         "approval_requested", {f.APPROVAL_OUTCOME: "require_approval", f.PROCESS_COMMAND_LINE: "rm -r 'x y'"}),
        (message("guardian_assessment", status="denied", target_item_id="c"), "guardian_assessment",
         {f.APPROVAL_OUTCOME: "deny", f.EVENT_TYPE: ["denied"]}),
        (message("entered_review_mode", user_facing_hint="h"), "entered_review_mode",
         {f.SOURCE_RAW: {"user_facing_hint": "h"}}),
        (message("Never Seen"), "log", {f.SOURCE_EVENT_TYPE: "event_msg.Never Seen"}),
        (row("inter_agent_communication", {"author": "/root"}), "agent_message", {f.SOURCE_RAW: {"author": "/root"}}),
        (item("novelty", x=1), "log", {f.SOURCE_RAW: {"x": 1}}),
    ],
)  # fmt: skip
def test_other_rows_are_events(event, action, expected):
    (found,) = go(event).of(action)
    assert {name: found.get(name) for name in expected} == expected


def test_settings_are_an_event_only_when_they_change():
    result = go(
        meta(),
        turn(),
        turn(),
        turn(approval_policy="never"),
        turn(approval_policy="never", model="m2"),
    )
    assert result.actions() == ["session_start", "settings", "permission_mode_changed", "settings"]
    assert result.drops == {"unchanged_settings": 1}


def test_a_compaction_told_twice_is_one_event():
    result = go(
        row("compacted", {"message": ""}),
        message("context_compacted"),
        item("compaction", encrypted_content="x"),
    )
    assert result.actions() == ["conversation_compacted"]


def test_what_is_held_is_bounded():
    calls = [call(call_id=f"c{number}") for number in range(10)]
    form = codex.CodexOptions(pending_max=3).build()
    events = [event for record in records(*lines_of(*calls)) for event in form(record)]
    assert sum(event.fields[f.EVENT_ACTION] == "execute_tool" for event in events) == 7


@pytest.mark.parametrize("option", ["pending_max", "remember_max"])
def test_bounds_must_be_positive(option):
    with pytest.raises(OptionError):
        codex.CodexOptions(**{option: 0})


def test_the_session_is_known_from_the_path_where_the_log_lost_it():
    (event,) = go(call(), path=f"rollout-2026-02-23T12-40-23-{SESSION}.jsonl").of("execute_tool")
    assert event[f.CONVERSATION_ID] == SESSION


SAMPLES = [
    meta(), turn(), said("a"), said("b", "user"), said("c", "developer"), call(), output("Exit code: 1"), *fork(),
    message("user_message", message="b", images=["data:image/png;base64,AAAA"]), count(usage(1, 2), usage(1, 2)),
    message("mcp_tool_call_end", call_id="call_1", invocation={"server": "s"}, result={"Err": "e"}, duration="1s"),
    message("exec_command_end", call_id="call_9", command=["a"], exit_code=1), message("task_complete"),
    item("reasoning", summary=[{"type": "summary_text", "text": "x"}]), item("web_search_call", status="failed"),
    item("image_generation_call", result="AAAA"), row("token_usage_record", {"usage": usage(1, 1)}),
    item("local_shell_call", call_id="l", action={"type": "exec", "command": ["ls"]}), {"record_type": "state"},
    {"type": "message", "role": "user", "content": "x"}, {"id": "x", "timestamp": "2025-01-01T00:00:00Z", "instructions": ""},
    message("guardian_assessment", status="approved"), message("error", codex_error_info={"http": 1}),
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

    result = run(codex.CodexOptions().build(), given_rows())
    assert len({event[f.EVENT_ID] for event in result.events}) == len(result.events)
    again = run(codex.CodexOptions().build(), given_rows(), validate=False)
    assert dumps(again.events) == dumps(result.events)
    codex.sniff(first, None)


def test_sniff():
    assert codex.sniff(lines_of(meta()), None) >= 90
    assert codex.sniff(lines_of({"record_type": "state"}), None) >= 60
    assert codex.sniff(lines_of({"type": "message", "role": "user", "content": []}), None) >= 60
    assert codex.sniff([dumps(meta())[:200]], None) >= 60
    for foreign in (
        {"jsonrpc": "2.0", "id": "1", "method": "x"},
        {"ts": "2026-01-01T00:00:00Z", "server": "s", "dir": "c2s", "msg": {}},
        {"type": "event", "payload": {"a": 1}},
        {
            "type": "user",
            "uuid": "u",
            "sessionId": "s",
            "message": {"role": "user", "content": "x"},
        },
        {"id": "x", "timestamp": 1},
        [1],
    ):
        assert codex.sniff(lines_of(foreign), None) == 0
    assert claude_code.sniff(lines_of(meta(), turn()), None) == 0


def test_real_rollouts_are_read_whole_with_the_right_totals():
    for path in shared("codex/*.jsonl"):
        lines = read(path)
        result = run(codex.CodexOptions().build(), records(*lines, path=str(path)))
        rows = [loads(line) for line in lines]
        infos = [r["payload"]["info"] for r in rows if r["payload"].get("type") == "token_count"]
        changed, last = [], None
        for info in filter(None, infos):
            if info["total_token_usage"] != last:
                changed.append(info["last_token_usage"])
            last = info["total_token_usage"]
        names = {f.INPUT_TOKENS: "input_tokens", f.OUTPUT_TOKENS: "output_tokens",
                 f.CACHE_READ_TOKENS: "cached_input_tokens", f.REASONING_TOKENS: "reasoning_output_tokens"}  # fmt: skip
        for ours, theirs in names.items():
            assert result.total(ours) == sum(usage[theirs] for usage in changed) == last[theirs]
        outputs = {
            r["payload"]["call_id"]
            for r in rows
            if str(r["payload"].get("type")).endswith("_call_output")
        }
        paired = {
            e[f.TOOL_CALL_ID]
            for e in result.of("execute_tool")
            if f.TOOL_RESULT in e or f.ERROR_MESSAGE in e
        }
        assert outputs <= paired
        assert len(result.of("user_prompt")) == sum(
            r["payload"].get("type") == "user_message" for r in rows
        )
        assert codex.sniff(lines[:20], str(path)) == 100
        assert codex.sniff(lines[:1], None) >= 90
