"""Requests, decisions and executions: linked whatever they share, judged whatever their order."""

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agenttrail import fields as f
from agenttrail.enrichers.approvals import Approvals, ApprovalsOptions
from agenttrail.enrichers.policy import PolicyOptions
from agenttrail.enrichers.registry import RegistryOptions
from agenttrail.errors import OptionError
from agenttrail.governance import approvals as book
from agenttrail.governance.state import peek
from agenttrail.keys import KeyOptions
from agenttrail.seams import Event, Remembering
from agenttrail.testing import records
from tests.enrichers._made import AGENTS, POLICY, event, payment

REGISTRY = RegistryOptions(path=AGENTS).build()
RULES = PolicyOptions(policy=POLICY, registry=AGENTS).build()
ARGUMENTS = {"claim_id": "c-1", "amount": 250_000, "currency": "JPY"}


def built(**more: Any) -> Approvals:
    return ApprovalsOptions(policy=more.pop("policy", POLICY), registry=AGENTS, **more).build()


def run(enrich: Approvals, *events: Event) -> list[dict[str, Any]]:
    """What the events have behind registry, policy and approvals, as in a pipeline."""
    return [dict(enrich(RULES(REGISTRY(given))).fields) for given in events]


def request(id: str | None = "AP-1", **more: Any) -> Event:
    fields: dict[str, Any] = {f.APPROVAL_STAGE: "request", f.APPROVAL_OUTCOME: "require_approval"}
    if id is not None:
        fields[f.APPROVAL_ID] = id
    given = {"tool": "pay_claim", "arguments": ARGUMENTS, "action": "approval_requested", "at": "2026-11-25T09:00:00Z", **more}  # fmt: skip
    return event({**fields, f.AGENT_ID: "expense"}, **given)


def decision(id: str | None = "AP-1", outcome: str = "allow", at: str = "2026-11-25T09:10:00Z", **more: Any) -> Event:  # fmt: skip
    fields = {
        f.APPROVAL_STAGE: "decision", f.APPROVAL_OUTCOME: outcome, f.APPROVAL_SOURCE: "user",
        f.APPROVAL_SCOPE: "once", f.APPROVAL_APPROVER: "reviewer@example.com", **more,
    }  # fmt: skip
    if id is not None:
        fields[f.APPROVAL_ID] = id
    return event(fields, action="approval_decided", at=at)


def paid(at: str = "2026-11-25T09:20:00Z", **more: Any) -> Event:
    """The payment, with the call id that the request named."""
    return payment(**{"amount": 250_000, "at": at, "call": "toolu_01", **more})


def findings(made: dict[str, Any]) -> Any:
    return made.get(f.APPROVAL_FINDINGS)


def test_a_request_its_decision_and_the_execution_are_one_case() -> None:
    """With wait, channel, target, expiry; no marks where all is as it has to be."""
    asked, said, done = run(built(), request(call="toolu_01"), decision(), paid())
    for made, stage in ((asked, "request"), (said, "decision"), (done, "execution")):
        assert made[f.APPROVAL_STAGE] == stage
        assert made[f.APPROVAL_ID] == "AP-1"
        assert made[f.APPROVAL_CHANNEL] == "expense reviewers"
        assert made[f.APPROVAL_TARGET_MS] == 14_400_000
        assert findings(made) is None
    assert said[f.APPROVAL_WAIT_MS] == done[f.APPROVAL_WAIT_MS] == 600_000
    assert said[f.APPROVAL_EXPIRES] == "2026-11-26T09:10:00Z"


LINKS = {
    "by the approval's id on the call": ({}, {}, {f.APPROVAL_ID: "AP-1"}),
    "by the call's id": ({"call": "toolu_01"}, {}, {}),
    "by the call's id in the decision": ({}, {f.TOOL_CALL_ID: "toolu_01"}, {}),
    "by tool and arguments": ({}, {}, {}),
}


@pytest.mark.parametrize("name", LINKS)
def test_an_execution_finds_its_decision(name: str) -> None:
    """Whatever the three of them share."""
    asked, said, done = LINKS[name]
    *_, made = run(built(), request(**asked), decision(**said), paid(fields=done))
    assert findings(made) is None
    assert made[f.APPROVAL_ID] == "AP-1"


def test_by_tool_and_arguments_alone_a_decision_is_found_too() -> None:
    """An approval system without ids of anybody."""
    more = {f.TOOL_NAME: "pay_claim", f.TOOL_ARGUMENTS: ARGUMENTS}
    said, done = run(built(), decision(None, **more), paid(call="toolu_99"))
    assert findings(done) is None
    assert said[f.APPROVAL_ID] == done[f.APPROVAL_ID]
    assert "250000" not in json.dumps([said[f.APPROVAL_ID]])


CASES: dict[str, tuple[list[Event], list[list[str] | None]]] = {
    "nobody was asked": ([paid()], [["executed_without_approval"]]),
    "nobody has answered": ([request(call="toolu_01"), paid()], [None, ["executed_without_approval"]]),
    "an automatic call needs nobody": ([payment(500)], [None]),
    "denied": ([request(call="toolu_01"), decision(outcome="deny"), paid()], [None, None, ["executed_after_deny"]]),
    "denied, then allowed": ([request(call="toolu_01"), decision(outcome="deny"), decision(at="2026-11-25T09:15:00Z"), paid()], [None, None, None, None]),
    "allowed, then denied": ([request(call="toolu_01"), decision(), decision(outcome="deny", at="2026-11-25T09:15:00Z"), paid()], [None, None, None, ["executed_after_deny"]]),
    "denied after it ran": ([request(call="toolu_01"), decision(), paid(), decision(outcome="deny", at="2026-11-25T09:30:00Z")], [None, None, None, None]),
    "the request ran out": ([request(call="toolu_01"), decision(outcome="expired", at="2026-11-25T13:00:00Z"), paid("2026-11-25T13:01:00Z")], [None, None, ["executed_after_expiry"]]),
    "the decision ran out": ([request(call="toolu_01"), decision(), paid("2026-11-26T09:10:06Z")], [None, None, ["executed_after_expiry"]]),
    "the decision had just not run out": ([request(call="toolu_01"), decision(), paid("2026-11-26T09:10:04Z")], [None, None, None]),
    "the decision says until when": ([request(call="toolu_01"), decision(**{f.APPROVAL_EXPIRES: "2026-11-25T09:15:00Z"}), paid()], [None, None, ["executed_after_expiry"]]),
    "other arguments": ([request(call="toolu_01"), decision(), paid(amount=950_000)], [None, None, ["arguments_changed"]]),
    "arguments written another way": ([request(call="toolu_01", arguments={"currency": "JPY", "amount": 250_000.0, "claim_id": "c-1"}), decision(), paid()], [None, None, None]),
    "the decision's own arguments": ([request(call="toolu_01", arguments={"amount": 1}), decision(**{f.TOOL_NAME: "pay_claim", f.TOOL_ARGUMENTS: ARGUMENTS}), paid()], [None, None, None]),
    "run twice": ([request(), decision(), paid(call="toolu_02"), paid("2026-11-25T09:25:00Z", call="toolu_03")], [None, None, None, ["decision_reused"]]),
    "run twice with other arguments": ([request(), decision(), paid(fields={f.APPROVAL_ID: "AP-1"}, call="toolu_02"), paid("2026-11-25T09:25:00Z", call="toolu_03", amount=900_000, fields={f.APPROVAL_ID: "AP-1"})], [None, None, None, ["decision_reused", "arguments_changed"]]),
    "approved twice and run twice": ([request("A"), decision("A"), request("B"), decision("B", at="2026-11-25T09:12:00Z"), paid(call="toolu_02"), paid("2026-11-25T09:25:00Z", call="toolu_03")], [None] * 6),
    "one call in two logs": ([request(), decision(), paid(call="toolu_02", fields={f.SOURCE_FORMAT: "claude_code"}), paid("2026-11-25T09:20:01Z", call="toolu_02", fields={f.SOURCE_FORMAT: "otel"})], [None] * 4),
    "one call in two logs, one without its id": ([request(), decision(), paid(call="toolu_02", fields={f.SOURCE_FORMAT: "claude_code"}), event({f.SOURCE_FORMAT: "mcp_wire"}, agent="expense", server="expenses", tool="pay_claim", arguments=ARGUMENTS, at="2026-11-25T09:20:00.4Z")], [None] * 4),
    "by the owner": ([request(call="toolu_01"), decision(**{f.APPROVAL_APPROVER: "Head.Accounting@example.com"}), paid()], [None, None, ["approved_by_owner"]]),
    "by a setting": ([request(call="toolu_01"), decision(**{f.APPROVAL_SOURCE: "config"}), paid()], [None, None, ["executed_without_approval"]]),
    "by a setting after a person": ([request(call="toolu_01"), decision(), decision(None, at="2026-11-25T09:15:00Z", **{f.APPROVAL_SOURCE: "config", f.TOOL_CALL_ID: "toolu_01"}), paid()], [None] * 4),
    "a setting does not stand over a person's no": ([request(call="toolu_01"), decision(outcome="deny"), decision(None, at="2026-11-25T09:15:00Z", **{f.APPROVAL_SOURCE: "config", f.TOOL_CALL_ID: "toolu_01"}), paid()], [None, None, None, ["executed_after_deny"]]),
    "a standing permission": ([request(call="toolu_01"), decision(**{f.APPROVAL_SCOPE: "always"}), paid()], [None, None, ["executed_without_approval"]]),
    "too late": ([request(call="toolu_01"), decision(at="2026-11-25T13:00:01Z"), paid("2026-11-25T13:02:00Z")], [None, ["target_missed"], None]),
    "too late, the request logged last": ([decision(at="2026-11-25T13:00:01Z"), request(call="toolu_01")], [None, ["target_missed"]]),
    "just in time": ([request(call="toolu_01"), decision(at="2026-11-25T13:00:00Z"), paid("2026-11-25T13:02:00Z")], [None] * 3),
    "too late by its own account": ([decision(**{f.APPROVAL_CHANNEL: "security", f.APPROVAL_WAIT_MS: 900_001})], [["target_missed"]]),
    "nobody answered in time": ([request(call="toolu_01"), decision(outcome="expired", at="2026-11-25T14:00:00Z")], [None, ["target_missed"]]),
    "too late, and the refused call says so too": ([request(call="toolu_01"), decision(outcome="deny", at="2026-11-25T13:00:01Z"), paid("2026-11-25T13:02:00Z", fields={f.APPROVAL_OUTCOME: "deny"})], [None, ["target_missed"], None]),
    "clocks that are a little apart": ([request(call="toolu_01"), decision(at="2026-11-25T09:20:04Z"), paid()], [None] * 3),
    "decided afterwards": ([request(call="toolu_01"), paid(), decision(at="2026-11-25T09:21:00Z")], [None, ["executed_without_approval"], ["decided_after_execution"]]),
    "denied though nobody had to be asked": ([decision(None, "deny", **{f.TOOL_CALL_ID: "toolu_05"}), payment(500, call="toolu_05", at="2026-11-25T09:20:00Z")], [None, ["executed_after_deny"]]),
    "refused by a person and not run": ([paid(fields={f.APPROVAL_OUTCOME: "deny", f.APPROVAL_SOURCE: "user"})], [None]),
    "refused and then run all the same": ([paid(fields={f.APPROVAL_OUTCOME: "deny"}), paid("2026-11-25T09:30:00Z", call="toolu_02")], [None, ["executed_after_deny"]]),
    "an execution that brings its decision along": ([paid(fields={f.APPROVAL_OUTCOME: "allow", f.APPROVAL_SOURCE: "user"})], [None]),
    "waiting for input is no execution": ([paid(fields={f.MCP_RESULT_TYPE: "input_required"})], [None]),
    "a budget asks": ([payment(500, fields={f.BUDGET_VERDICT: "require_approval"})], [["executed_without_approval"]]),
    "codex runs nothing before the answer": ([request(None, call="call_1"), paid(call="call_1", fields={f.SOURCE_FORMAT: "codex"})], [None, None]),
    "what an event claims of itself": ([paid(fields={f.APPROVAL_FINDINGS: ["target_missed"]}), event({f.APPROVAL_FINDINGS: ["x"], f.APPROVAL_SETTLES: ["y"]})], [["executed_without_approval"], None]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_reconciliation_marks_what_is_wrong_and_nothing_else(name: str) -> None:
    """Each mark beside its near misses."""
    events, expected = CASES[name]
    made = run(built(), *events)
    assert [findings(fields) for fields in made] == expected
    assert all(f.APPROVAL_SETTLES not in fields for fields in made)


def test_whoever_may_decide_is_in_the_policy(tmp_path: Path) -> None:
    """A channel's approvers; empty is anybody."""
    text = Path(POLICY).read_text().replace("respond_within_s: 14400,", "respond_within_s: 14400, approvers: [boss@example.com],")  # fmt: skip
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    for approver, expected in (("boss@example.com", None), ("reviewer@example.com", ["approver_not_allowed"])):  # fmt: skip
        enrich = built(policy=str(path))
        *_, made = run(enrich, request(call="toolu_01"), decision(**{f.APPROVAL_APPROVER: approver}), paid())  # fmt: skip
        assert findings(made) == expected


def test_terms_can_be_other(tmp_path: Path) -> None:
    """Owners may approve, settings and standing permissions count."""
    text = Path(POLICY).read_text().replace("owner_may_approve: false", "owner_may_approve: true\n  standing: true").replace("sources: [user]", "sources: [user, config]")  # fmt: skip
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    said = {
        f.APPROVAL_APPROVER: "head.accounting@example.com", f.APPROVAL_SOURCE: "config",
        f.APPROVAL_SCOPE: "always",
    }  # fmt: skip
    made = run(built(policy=str(path)), request(), decision(**said), paid(call="a1"), paid(call="a2"))  # fmt: skip
    assert [findings(fields) for fields in made] == [None] * 4


@pytest.mark.parametrize(
    ("said", "marks"),
    [({}, None), ({"outcome": "deny"}, ["executed_after_deny"]),
     ({f.APPROVAL_APPROVER: "head.accounting@example.com"}, ["approved_by_owner"])],
)  # fmt: skip
def test_a_decision_that_is_logged_late_settles_what_was_judged_without_it(
    said: dict[str, Any], marks: list[str] | None
) -> None:
    """Nothing is held back: the decision's event says what the execution's mark should have been."""
    done, asked, late = run(built(), paid(), request(call="toolu_01"), decision(**said))
    assert findings(done) == ["executed_without_approval"]
    assert findings(asked) is None
    assert late[f.APPROVAL_SETTLES] == [done[f.EVENT_ID]]
    assert findings(late) == marks


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_in_any_order_of_lines_the_same_is_found_in_the_end(order: tuple[int, ...]) -> None:
    """The marks of executions that no decision settles, and of decisions."""
    for events, expected in (
        ([request(call="toolu_01"), decision(), paid(amount=950_000)], {"arguments_changed"}),
        ([request(call="toolu_01"), decision(outcome="deny"), paid()], {"executed_after_deny"}),
        ([request(call="toolu_01"), decision(), paid()], set()),
    ):
        made = run(built(), *[events[number] for number in order])
        settled = {i for fields in made for i in fields.get(f.APPROVAL_SETTLES, ())}
        left = {mark for fields in made if fields[f.EVENT_ID] not in settled for mark in findings(fields) or ()}  # fmt: skip
        assert left == expected


def test_an_elicitation_is_an_approval_only_of_servers_that_ask_for_it() -> None:
    """A server may ask for a name; that is no approval."""

    def asked(action: str) -> Event:
        return event({f.MCP_ELICITATION_ACTION: action}, server="expenses", action="elicitation/create", at="2026-11-25T09:20:05Z")  # fmt: skip

    def call(**more: Any) -> Event:
        return paid(call="toolu_01", fields={f.EVENT_DURATION: 10_000_000_000, **more})

    for servers, answer, expected in (
        (("expenses",), "accept", None),
        (("expenses",), "decline", ["executed_after_deny"]),
        ((), "accept", ["executed_without_approval"]),
    ):
        enrich = built(elicitation_servers=servers)
        said, done = run(enrich, asked(answer), call())
        assert findings(done) == expected
        assert (said.get(f.APPROVAL_STAGE) == "decision") is bool(servers)
    # MCP 2026-07-28: the call is sent again with the answer.
    enrich = built(elicitation_servers=("expenses",))
    (done,) = run(enrich, call(**{f.MCP_ELICITATION_ACTION: "accept"}))
    assert findings(done) is None
    # One of another call, before it.
    enrich = built(elicitation_servers=("expenses",))
    _, done = run(
        enrich, asked("accept"), paid("2026-11-25T09:30:00Z", fields={f.EVENT_DURATION: 5})
    )
    assert findings(done) == ["executed_without_approval"]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [("accept", "accept", None), ("accept", None, None), ("decline", "accept", ["executed_after_deny"]),
     ("accept", "decline", ["executed_after_deny"]), ("cancel", None, ["executed_after_deny"]),
     (None, None, ["executed_without_approval"])],
)  # fmt: skip
def test_a_retry_that_is_asked_again_does_not_lose_its_answer(
    tmp_path: Path, first: str | None, second: str | None, expected: Any
) -> None:
    """MCP 2026-07-28: the next retry holds the answer to the second question alone, linked by its state."""

    def tried(at: str, answer: str | None, **more: Any) -> Event:
        fields = {} if answer is None else {f.MCP_ELICITATION_ACTION: answer}
        return paid(f"2026-11-25T09:20:{at}Z", call=None, fields={**fields, **more})

    asked = {f.MCP_RESULT_TYPE: "input_required"}
    state = str(tmp_path / "state.db")
    enrich = built(elicitation_servers=("expenses",), state=state)
    opened, retried = run(
        enrich, tried("01", None, **asked, **{f.MCP_REQUEST_STATE_HASH: "a1" * 16}),
        tried("02", first, **asked, **{f.MCP_REQUEST_STATE_HASH: "b2" * 16, f.MCP_META: {"requestStateHash": "a1" * 16}}),
    )  # fmt: skip
    assert f.APPROVAL_STAGE not in opened
    assert retried.get(f.APPROVAL_STAGE) == (None if first is None else "decision")
    enrich.save()
    enrich.close()
    enrich = built(elicitation_servers=("expenses",), state=state)  # also over a restart
    (done,) = run(enrich, tried("03", second, **{f.MCP_REQUEST_STATE_HASH: "b2" * 16}))
    assert done[f.APPROVAL_STAGE] == "execution"
    assert findings(done) == expected


def test_hashes_of_arguments_leave_only_under_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """And are equal where the arguments are; a system that has the key may give the hash alone."""
    for made in run(built(), request(call="toolu_01"), decision(), paid()):
        assert f.APPROVAL_ARGUMENTS_HASH not in made
    monkeypatch.setenv("APPROVAL_KEY", "5f" * 32)
    key = KeyOptions(id="a1", env="APPROVAL_KEY")
    asked, said, done = run(built(key=key), request(call="toolu_01"), decision(), paid())
    assert asked[f.APPROVAL_ARGUMENTS_HASH] == done[f.APPROVAL_ARGUMENTS_HASH]
    assert f.APPROVAL_ARGUMENTS_HASH not in said
    given = {
        f.APPROVAL_ARGUMENTS_GIVEN: done[f.APPROVAL_ARGUMENTS_HASH],
        f.TOOL_CALL_ID: "toolu_01",
    }
    for amount, expected in ((250_000, None), (250_001, ["arguments_changed"])):
        said, done = run(built(key=key), decision(**given), paid(amount=amount))
        assert findings(done) == expected
        assert said[f.APPROVAL_ARGUMENTS_HASH] == given[f.APPROVAL_ARGUMENTS_GIVEN]
        assert f.APPROVAL_ARGUMENTS_GIVEN not in said


def test_a_channel_is_taken_from_a_line_only_where_the_policy_has_it() -> None:
    """Another word may be a person's name, and the field is not masked."""
    raw = {"channel": "security", "queue": "X"}
    said, other = run(
        built(), decision(**{f.SOURCE_RAW: raw}), decision(**{f.SOURCE_RAW: {"channel": "Ann Lee"}})
    )
    assert said[f.APPROVAL_CHANNEL] == "security"
    assert said[f.SOURCE_RAW] == {"queue": "X"}
    assert said[f.APPROVAL_TARGET_MS] == 900_000
    assert other[f.SOURCE_RAW] == {"channel": "Ann Lee"}
    assert "Ann Lee" not in str(other.get(f.APPROVAL_CHANNEL))


def test_a_hash_that_a_line_brings_along_leaves_only_under_a_key() -> None:
    """It may be a plain one."""
    for name in (f.APPROVAL_ARGUMENTS_GIVEN, f.APPROVAL_ARGUMENTS_HASH):
        (said,) = run(built(), decision(**{name: "ab" * 16}))
        assert name not in said
        chat = event({name: "ab" * 16}, agent="expense", action="chat")
        (said,) = run(built(), chat)  # also where it has nothing to do with approvals
        assert name not in said


def test_the_state_holds_nothing_of_an_event(tmp_path: Path) -> None:
    """Times, machine ids and keyed hashes; no argument, no approver, no name."""
    state = tmp_path / "state.db"
    enrich = built(state=str(state))
    run(
        enrich,
        request("somchai jaidee", arguments={**ARGUMENTS, "payee": "Somchai Jaidee"}, call="call of somchai"),
        decision("somchai jaidee", **{f.APPROVAL_APPROVER: "somchai@example.com"}),
        payment(250_000, call="call of somchai"),
    )  # fmt: skip
    enrich.save()
    enrich.close()
    for path in tmp_path.iterdir():
        data = path.read_bytes().lower()
        for word in (b"somchai", b"example.com", b"250000", b"c-1"):
            assert word not in data, path.name
    assert state.stat().st_mode & 0o777 == 0o600


def test_a_restart_remembers_and_what_is_given_again_has_the_same_marks(tmp_path: Path) -> None:
    """A killed run gives a batch again: nothing is counted twice."""
    state = str(tmp_path / "state.db")
    events = [request(), decision(), paid(call="toolu_02"), paid("2026-11-25T09:25:00Z", call="toolu_03")]  # fmt: skip
    one = built(state=state)
    assert isinstance(one, Remembering)
    first = run(one, *events)
    one.save()
    one.close()
    two = built(state=state)
    assert run(two, *events) == first
    *_, third = run(two, paid("2026-11-25T09:30:00Z", call="toolu_04"))
    assert findings(third) == ["decision_reused"]
    two.close()


PROGRAM = """
import os, signal, sys
from tests.enrichers.test_approvals import built, decision, request, run
enrich = built(state=sys.argv[1])
run(enrich, request(call="toolu_01"), decision())
enrich.save()
run(enrich, decision(outcome="deny", at="2026-11-25T09:11:00Z"))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_open_approvals_survive_a_kill(tmp_path: Path) -> None:
    """What was saved is there, what was not comes again with its line."""
    state = str(tmp_path / "state.db")
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, state], cwd=root, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    (made,) = run(built(state=state), paid())
    assert made[f.APPROVAL_ID] == "AP-1"
    assert findings(made) is None


def test_old_cases_are_forgotten_and_memory_stays_bounded(tmp_path: Path) -> None:
    """By the log's own time."""
    state = tmp_path / "state.db"
    enrich = built(state=str(state), keep_days=1)
    for number in range(12_000):
        day, minute = 1 + number // 1_000, number % 60
        at = f"2026-11-{day:02}T10:{minute:02}:00Z"
        run_one = decision(f"AP-{number}", at=at)
        enrich(run_one)
        if number % 100 == 99:
            enrich.save()
    enrich.close()
    kept = list(peek(str(state), book.SCOPE, "i"))
    assert 1_000 <= len(kept) < 8_000


def test_a_standard_pipeline_line_of_an_unknown_tool_is_left_alone() -> None:
    """No field is added where there is nothing to say."""
    enrich = built()
    plain = event(agent="expense", tool="get_claim", arguments={}, call="toolu_09")
    assert enrich(plain) is plain
    chat = event(agent="expense", action="chat")
    assert enrich(chat) is chat


def test_wrong_options_fail_at_start(tmp_path: Path) -> None:
    """With the option's name."""
    with pytest.raises(OptionError):
        ApprovalsOptions(policy=POLICY, keep_days=0)
    with pytest.raises(OptionError):
        built(key=KeyOptions(id="a1", file=str(tmp_path / "none")))


def test_connections_that_are_over_are_forgotten() -> None:
    """Elicitations are remembered for a thousand connections at most."""
    enrich = built(elicitation_servers=("expenses",))
    for number in range(1_500):
        (record,) = records(b"x", stream=f"s{number}")
        given = event({f.MCP_ELICITATION_ACTION: "accept"}, server="expenses")
        enrich(Event(given.fields, (record,)))
    assert len(enrich._elicited) <= 1_001


def test_a_call_that_a_gate_refused_did_not_run() -> None:
    """`tap --enforce`: lacking an approval it is a request, stopped it is nothing to reconcile."""
    refused = {
        f.APPROVAL_OUTCOME: "require_approval", f.APPROVAL_SOURCE: "policy", f.APPROVAL_ID: "apr-0a1b",
        f.EVENT_TYPE: ["access", "denied", "end"], f.AGENT_ID: "expense",
    }  # fmt: skip
    given = {"tool": "pay_claim", "arguments": ARGUMENTS, "at": "2026-11-25T09:00:00Z"}
    lacking, allowed, ran = run(
        built(),
        event(refused, action="execute_tool", **given),
        decision("apr-0a1b"),
        event({f.APPROVAL_ID: "apr-0a1b", f.AGENT_ID: "expense", f.EVENT_TYPE: ["access", "end"]}, action="execute_tool", **{**given, "at": "2026-11-25T09:20:00Z"}),
    )  # fmt: skip
    assert (lacking[f.APPROVAL_STAGE], findings(lacking)) == ("request", None)
    assert (ran[f.APPROVAL_STAGE], findings(ran)) == ("execution", None)
    assert lacking[f.APPROVAL_ID] == allowed[f.APPROVAL_ID] == ran[f.APPROVAL_ID] == "apr-0a1b"
    (stopped,) = run(
        built(), event({**refused, f.APPROVAL_OUTCOME: "deny"}, action="execute_tool", **given)
    )
    assert findings(stopped) is None
