"""Links requests, decisions and executions, and marks what was done without the approval it needed.

Every format that knows of approvals gives events of three stages: a request, a decision, an execution.
They are linked by the approval's id, the id of the tool call, or by tool and arguments
(`governance/approvals.py` says how), and get:

- `agenttrail.approval.id` (the system's own or the call's where machines make such, else a hash) and
  `.stage`; on an execution the wait and the expiry of its decision too;
- `agenttrail.approval.arguments.hash` where `key` is set: a keyed hash, because amounts and names are
  few enough to try them all against a plain one. Without a key none leaves, one that a line brought
  along is taken out too; linking works the same;
  The recipe, for systems that give the hash instead of the arguments: HMAC-SHA-256 under the key over
  `arguments`, a zero byte and the arguments as JSON (keys sorted, no spaces, UTF-8, whole numbers
  without a fraction); its first 16 bytes as hex;
- `agenttrail.approval.findings`. On executions: `executed_without_approval` (needed by policy or
  budget, and no decision that counts was made before), `executed_after_deny`, `executed_after_expiry`,
  `arguments_changed`, `decision_reused`, `approved_by_owner`, `approver_not_allowed`. On decisions:
  `target_missed` (later than the channel promises; on the request where that is logged last) and `decided_after_execution`;
- `agenttrail.approval.settles` on a decision (made before an execution, logged after it) or a request:
  the events of executions that were judged without it. Its own findings replace theirs; whoever counts
  leaves the marks of settled events out.

What counts as a decision: Claude Code's and Codex's answers to a permission prompt, refusals in
session logs, decisions of hooks and settings (`approvals.sources` of the policy says whose count),
lines of the format `approvals`, and answers to MCP elicitations of `elicitation_servers`, also those of
a retry that is answered by another question (one refusal among them refuses the call). Other
servers ask people for many things; their elicitations are no approvals. Codex does not log the answer
to a prompt, but runs nothing before it: a call that ran after its prompt was allowed.

State: with `state`, all of it survives `kill -9`, and events that a killed run gives again get the
same marks. The file holds times, ids that machines made and keyed hashes; its key is in it (mode 0600).

Limits: Claude Code's session logs do not say that a person allowed a call, only that one refused: its
OpenTelemetry events do. The same tool with the same arguments, approved once and run twice, is a
reuse even where two people meant it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from agenttrail import fields as f
from agenttrail.errors import OptionError
from agenttrail.governance import approvals as book
from agenttrail.governance import policy, registry
from agenttrail.governance.hashing import Hasher
from agenttrail.governance.state import State
from agenttrail.governance.verdicts import Call, Evaluator, Verdict, call_of
from agenttrail.keys import KeyOptions, read_keys
from agenttrail.seams import Event

# Runtimes that wait for the answer to their own prompt before they run a call.
_WAITING = frozenset({"codex"})
_ELICITED = {"accept": "allow", "decline": "deny", "cancel": "deny"}
_ELICITATIONS = 20  # remembered of one connection
_SCOPES = ("once", "session", "always")
_SOURCES = ("user", "config", "hook", "policy")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalsOptions:
    """Requests, decisions and executions linked; what ran without its approval marked."""

    type: ClassVar[str] = "approvals"
    policy: Annotated[str, "The policy: which calls need an approval, and what makes one count."]
    registry: Annotated[
        str | None, "The registry, which says who owns an agent; null: no approval is by an owner."
    ] = None
    state: Annotated[
        str | None,
        "SQLite file that keeps open approvals over a restart; null keeps them in memory.",
    ] = None
    key: Annotated[
        KeyOptions | None, "Key of the hash of arguments that leaves; null: none leaves."
    ] = None
    elicitation_servers: Annotated[
        tuple[str, ...], "MCP servers whose elicitations ask for the approval of the call itself."
    ] = ()
    keep_days: Annotated[float, "How long approvals are remembered, by the log's own time."] = 45.0

    def __post_init__(self) -> None:
        if self.keep_days <= 0:
            raise OptionError("keep_days", "must be positive")

    def build(self) -> Approvals:
        known = None if self.registry is None else registry.load(self.registry)
        rules = policy.load(self.policy, known)
        hasher = None
        if self.key is not None:
            (key,) = read_keys("key", (self.key,))
            hasher = Hasher(key.secret)
        state = State(self.state, book.SCOPE)
        return Approvals(
            Evaluator(rules), book.Book(state, rules.approvals, keep_days=self.keep_days),
            registry=known, hasher=hasher, elicitation_servers=self.elicitation_servers,
        )  # fmt: skip


class Approvals:
    """See the module."""

    def __init__(
        self,
        evaluate: Evaluator,
        cases: book.Book,
        *,
        registry: registry.Registry | None = None,
        hasher: Hasher | None = None,
        elicitation_servers: tuple[str, ...] = (),
    ) -> None:
        self._evaluate, self._book, self._registry = evaluate, cases, registry
        self._hasher, self._servers = hasher, frozenset(elicitation_servers)
        self._terms = evaluate.policy.approvals
        self._channels = {channel.name: channel for channel in evaluate.policy.channels}
        self._owners: dict[str, list[str]] = {}
        self._elicited: dict[tuple[str, str], list[tuple[float, str, str]]] = {}

    def __call__(self, event: Event, /) -> Event:
        fields = event.fields
        claimed = f.APPROVAL_FINDINGS in fields or f.APPROVAL_SETTLES in fields
        stage = self._stage(fields)
        added: dict[str, Any] = {}
        if stage == "execution":
            added = self._execution(fields, event)
        elif stage == "decision":
            added = self._decision(fields, event, call_of(fields))
        elif stage == "request":
            added = self._request(fields, call_of(fields))
        # Whether they have a key is not known: one without could be turned back.
        foreign = [
            name
            for name in (f.APPROVAL_ARGUMENTS_GIVEN, f.APPROVAL_ARGUMENTS_HASH)
            if name in fields and (self._hasher is None or name == f.APPROVAL_ARGUMENTS_GIVEN)
        ]
        if not added and not claimed and not foreign:
            return event
        merged = {**fields, **{name: value for name, value in added.items() if value is not None}}
        for name in foreign:
            del merged[name]
        if f.APPROVAL_CHANNEL not in fields and self._raw_channel(fields) is not None:
            raw = {name: value for name, value in fields[f.SOURCE_RAW].items() if name != "channel"}
            merged[f.SOURCE_RAW] = raw
            if not raw:
                del merged[f.SOURCE_RAW]
        for name in (f.APPROVAL_FINDINGS, f.APPROVAL_SETTLES):
            if name in merged and not added.get(name):
                del merged[name]  # what an event claims of itself does not stand
        return Event(merged, event.origins)

    def save(self) -> None:
        self._book.save()

    def close(self) -> None:
        self._book.close()

    def _stage(self, fields: Mapping[str, Any]) -> str | None:
        """request, decision, execution, or None for what has nothing to do with approvals."""
        outcome = fields.get(f.APPROVAL_OUTCOME)
        if fields.get(f.EVENT_ACTION) == "execute_tool":
            if fields.get(f.APPROVAL_SOURCE) == "policy" and "denied" in fields.get(
                f.EVENT_TYPE, ()
            ):
                # A gate refused it (`tap --enforce`): it did not run, and nobody decided.
                return "request" if outcome == "require_approval" else None
            if outcome in ("deny", "expired"):
                return "decision"  # refused: it did not run
            if fields.get(f.MCP_RESULT_TYPE) == "input_required":
                # It has not run yet: the retry with the answer will. A retry whose answer is answered
                # by another question brings the answer to the first one: no later one does.
                return "decision" if self._has_answer(fields) else None
            return "execution"
        if fields.get(f.APPROVAL_STAGE) in ("request", "decision"):
            return str(fields[f.APPROVAL_STAGE])
        if outcome in ("allow", "deny", "expired"):
            return "decision"
        if outcome == "require_approval":
            return "request"
        return "decision" if self._has_answer(fields) else None

    def _has_answer(self, fields: Mapping[str, Any]) -> bool:
        """Whether it holds a person's answer to a server that asks for approvals."""
        return f.MCP_ELICITATION_ACTION in fields and fields.get(f.MCP_SERVER_NAME) in self._servers

    # --- the three stages ------------------------------------------------------------------------
    def _request(self, fields: Mapping[str, Any], call: Call | None) -> dict[str, Any]:
        names = _names(fields, call)
        place = self._book.find(names)
        key, case = place.key, place.case
        case.id = case.id or _id(names, key)
        moment = _seconds(fields)
        case.asked = moment if case.asked is None else min(case.asked, moment)
        channel, target = self._channel(fields, call)
        case.channel, case.target_ms = self._own_channel(channel) or case.channel, target or case.target_ms  # fmt: skip
        if f.TOOL_ARGUMENTS in fields:
            case.arguments = self._book.hash("arguments", names.arguments)
        case.given = _given(fields) or case.given
        event_id = fields[f.EVENT_ID]
        if event_id not in case.requests:
            settles, marks = book.judged_again(case, self._terms)
            if book.missed(case):
                marks.append("target_missed")
            if settles or marks:
                case.requests[event_id] = [settles, marks]
        settles, marks = case.requests.get(event_id, ([], []))
        self._book.keep(place)
        return {
            f.APPROVAL_STAGE: "request",
            f.APPROVAL_ID: case.id,
            f.APPROVAL_CHANNEL: channel or case.channel,
            f.APPROVAL_TARGET_MS: case.target_ms,
            f.APPROVAL_ARGUMENTS_HASH: self._hash(fields, case),
            f.APPROVAL_FINDINGS: marks,
            f.APPROVAL_SETTLES: settles,
        }

    def _decision(
        self, fields: Mapping[str, Any], event: Event, call: Call | None
    ) -> dict[str, Any]:
        elicited = fields.get(f.MCP_ELICITATION_ACTION)
        outcome = str(fields.get(f.APPROVAL_OUTCOME))
        retried = outcome not in ("allow", "deny", "expired")
        if retried:
            outcome = _ELICITED.get(str(elicited), "deny")
        moment = _seconds(fields)
        if f.APPROVAL_OUTCOME not in fields and fields.get(f.EVENT_ACTION) != "execute_tool":
            # An elicitation of its own stands for the call that it came in the middle of.
            self._elicit(fields, event, moment, outcome)
            return {f.APPROVAL_STAGE: "decision", f.APPROVAL_OUTCOME: outcome, f.APPROVAL_SOURCE: "user"}  # fmt: skip
        names = _names(fields, call)
        place = self._book.find(names)
        key, case = place.key, place.case
        case.id = case.id or _id(names, key)
        event_id = fields[f.EVENT_ID]
        if retried:
            outcome = _answered(case, fields)
        decision = next((d for d in case.decisions if d.event == event_id), None)
        channel, target = self._channel(fields, call)
        case.channel, case.target_ms = case.channel or self._own_channel(channel), case.target_ms or target  # fmt: skip
        wait = fields.get(f.APPROVAL_WAIT_MS)
        if wait is None and case.asked is not None and moment >= case.asked:
            wait = round((moment - case.asked) * 1000)
        if decision is None:
            decision = self._read(fields, event_id, moment, outcome)
            decision.state = _text(fields.get(f.MCP_REQUEST_STATE_HASH)) if retried else None
            # A call that was refused reports a decision; who decided answered somewhere else.
            decision.timed = fields.get(f.EVENT_ACTION) == "execute_tool"
            took = None if decision.timed else wait
            if took is not None and case.target_ms is not None:
                decision.timed = True
                if took > case.target_ms:
                    decision.marks.append("target_missed")
            case.decisions.append(decision)
            decision.settles, more = book.judged_again(case, self._terms, decision)
            decision.marks += more
        self._book.keep(place)
        expires = decision.expires
        if expires is None and outcome == "allow":
            expires = moment + self._terms.valid_for_s
        return {
            f.APPROVAL_STAGE: "decision",
            f.APPROVAL_ID: case.id,
            f.APPROVAL_OUTCOME: outcome,
            f.APPROVAL_SOURCE: decision.source,
            f.APPROVAL_CHANNEL: fields.get(f.APPROVAL_CHANNEL) or case.channel,
            f.APPROVAL_TARGET_MS: case.target_ms,
            f.APPROVAL_WAIT_MS: wait,
            f.APPROVAL_EXPIRES: _written(expires),
            f.APPROVAL_ARGUMENTS_HASH: self._hash(fields, case),
            f.APPROVAL_FINDINGS: decision.marks,
            f.APPROVAL_SETTLES: decision.settles,
        }

    def _execution(self, fields: Mapping[str, Any], event: Event) -> dict[str, Any]:
        call = call_of(fields)
        if call is None:
            return {}
        verdict = self._evaluate(call)
        needed = verdict.action != "automatic" or fields.get(f.BUDGET_VERDICT) in ("require_approval", "stop")  # fmt: skip
        names = _names(fields, call if needed else None)
        place = self._book.find(names)
        key, case = place.key, place.case
        event_id, moment = fields[f.EVENT_ID], _seconds(fields)
        self._own(case, fields, event, moment)
        if not needed and case.asked is None and not case.decisions:
            return {}
        case.id = case.id or _id(names, key)
        execution = next((e for e in case.executions if e.event == event_id), None)
        if execution is None:
            execution = self._made(fields, names, event_id, moment, verdict, needed=needed)
            execution.marks = self._book.judge(case, execution)
            case.executions.append(execution)
        self._book.keep(place)
        rests = next((d for d in case.decisions if d.event == execution.by), None)
        wait = None
        if rests is not None and case.asked is not None and rests.at >= case.asked:
            wait = round((rests.at - case.asked) * 1000)
        return {
            f.APPROVAL_STAGE: "execution",
            f.APPROVAL_ID: case.id,
            f.APPROVAL_CHANNEL: case.channel,
            f.APPROVAL_WAIT_MS: wait,
            f.APPROVAL_EXPIRES: None if rests is None else _written(rests.expires),
            f.APPROVAL_ARGUMENTS_HASH: self._hash(fields, case),
            f.APPROVAL_FINDINGS: execution.marks,
        }

    # --- parts -----------------------------------------------------------------------------------
    def _read(
        self, fields: Mapping[str, Any], event_id: str, moment: float, outcome: str
    ) -> book.Decision:
        approver, scope = fields.get(f.APPROVAL_APPROVER), fields.get(f.APPROVAL_SCOPE)
        source = fields.get(f.APPROVAL_SOURCE) or "user"
        arguments, call = fields.get(f.TOOL_ARGUMENTS), fields.get(f.TOOL_CALL_ID)
        return book.Decision(event_id, moment, outcome,
            source=source if source in _SOURCES else "unknown",
            scope=scope if scope in _SCOPES else "once",
            expires=_seconds(fields, f.APPROVAL_EXPIRES) if f.APPROVAL_EXPIRES in fields else None,
            arguments=None if arguments is None else self._book.hash("arguments", arguments),
            given=_given(fields),
            approver=None if approver is None else book.person(self._book.hash, str(approver)),
            call=None if call is None else self._book.hash("call", call),
        )  # fmt: skip

    def _own(self, case: book.Case, fields: Mapping[str, Any], event: Event, moment: float) -> None:
        """Decisions that an execution brings along: its own, an elicitation's, one that was awaited."""
        event_id = fields[f.EVENT_ID]
        if fields.get(f.APPROVAL_OUTCOME) == "allow":
            self._note(case, self._read(fields, event_id, moment, "allow"))
        server = fields.get(f.MCP_SERVER_NAME)
        if server in self._servers:
            if f.MCP_ELICITATION_ACTION in fields:  # MCP 2026-07-28: the retry has the answer
                self._note(case, self._read(fields, event_id, moment, _answered(case, fields)))
            last = moment + fields.get(f.EVENT_DURATION, 0) / 1e9
            for at, outcome, other in self._elicited.get((event.origins[0].stream, server), ()):
                if moment <= at <= last:
                    # It was asked for and given while the call waited: as if just before it ran.
                    self._note(case, book.Decision(other, moment, outcome))
        if case.asked is not None and not case.decisions and fields.get(f.SOURCE_FORMAT) in _WAITING:  # fmt: skip
            self._note(case, book.Decision(event_id, moment, "allow"))

    @staticmethod
    def _note(case: book.Case, decision: book.Decision) -> None:
        decision.timed = True  # it stands with an execution: when somebody answered is not known
        if all(known.event != decision.event for known in case.decisions):
            case.decisions.append(decision)

    def _elicit(self, fields: Mapping[str, Any], event: Event, moment: float, outcome: str) -> None:
        kept = self._elicited.setdefault((event.origins[0].stream, fields[f.MCP_SERVER_NAME]), [])
        kept.append((moment, outcome, fields[f.EVENT_ID]))
        del kept[:-_ELICITATIONS]
        if len(self._elicited) > 1_000:  # connections that are long over
            del self._elicited[next(iter(self._elicited))]

    def _made(
        self, fields: Mapping[str, Any], names: book.Names,
        event_id: str, moment: float,
        verdict: Verdict, *, needed: bool,
    ) -> book.Execution:  # fmt: skip
        call = fields.get(f.TOOL_CALL_ID)
        channel = verdict.channel
        return book.Execution(event_id, moment, self._book.hash("arguments", names.arguments),
            given=None if self._hasher is None else self._hasher("arguments", names.arguments),
            call=None if call is None else self._book.hash("call", call),
            log=str(fields.get(f.SOURCE_FORMAT, "")),
            needed=needed,
            owners=self._owners_of(fields),
            approvers=[]
            if channel is None
            else [book.person(self._book.hash, who) for who in channel.approvers],
        )  # fmt: skip

    def _owners_of(self, fields: Mapping[str, Any]) -> list[str]:
        agent = fields.get(f.REGISTRY_AGENT_ID)
        if self._registry is None or agent not in self._registry.agents:
            return []
        if agent not in self._owners:
            names = self._registry.owner_names(self._registry.agents[agent])
            self._owners[agent] = [book.person(self._book.hash, name) for name in names]
        return self._owners[agent]

    def _channel(
        self, fields: Mapping[str, Any], call: Call | None
    ) -> tuple[str | None, int | None]:
        """Where an approval is asked for, and how soon there has to be an answer."""
        name = fields.get(f.APPROVAL_CHANNEL) or self._raw_channel(fields)
        channel = self._channels.get(name) if isinstance(name, str) else None
        if channel is None and call is not None and f.TOOL_ARGUMENTS in fields:
            channel = self._evaluate(call).channel
        if channel is None:
            return name, None
        return name or channel.name, round(channel.respond_within_s * 1000)

    def _own_channel(self, name: str | None) -> str | None:
        """What may be kept of a channel's name: one of the policy's."""
        return name if name in self._channels else None

    def _raw_channel(self, fields: Mapping[str, Any]) -> str | None:
        """A channel that a line of the format `approvals` names, where it is one of the policy's.

        Any other may be the name of a person, and the field of channels is not masked.
        """
        raw = fields.get(f.SOURCE_RAW)
        name = raw.get("channel") if isinstance(raw, dict) else None
        return name if isinstance(name, str) and name in self._channels else None

    def _hash(self, fields: Mapping[str, Any], case: book.Case) -> str | None:
        """The hash of the arguments that leaves: ours, or the approval system's with the same key."""
        if self._hasher is None:
            return None
        if f.TOOL_ARGUMENTS in fields:
            return self._hasher("arguments", fields[f.TOOL_ARGUMENTS])
        return _given(fields) or case.given


def _names(fields: Mapping[str, Any], call: Call | None) -> book.Names:
    """By what an event finds its case; by tool and arguments only where the call is given."""
    arguments = fields.get(f.TOOL_ARGUMENTS)
    return book.Names(
        approval=_text(fields.get(f.APPROVAL_ID)), call=_text(fields.get(f.TOOL_CALL_ID)),
        tool=None if call is None or arguments is None else call.tool, arguments=arguments,
    )  # fmt: skip


def _id(names: book.Names, key: str) -> str | None:
    """What links a case's events: the approval system's id, the call's, or a hash of its own."""
    return book.shown(names.approval) or book.shown(names.call) or key[1:] or None


def _answered(case: book.Case, fields: Mapping[str, Any]) -> str:
    """What a retried call was answered: allow only where it was to every question on the way."""
    answer = _ELICITED.get(str(fields[f.MCP_ELICITATION_ACTION]), "deny")
    meta = fields.get(f.MCP_META)
    sent = meta.get("requestStateHash") if isinstance(meta, dict) else None
    sent = sent or fields.get(f.MCP_REQUEST_STATE_HASH)
    before = any(d.state is not None and d.state == sent and d.outcome != "allow" for d in case.decisions)  # fmt: skip
    return "deny" if before else answer


def _given(fields: Mapping[str, Any]) -> str | None:
    given = fields.get(f.APPROVAL_ARGUMENTS_GIVEN) or fields.get(f.APPROVAL_ARGUMENTS_HASH)
    return book.hexed(_text(given))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _seconds(fields: Mapping[str, Any], name: str = f.TIMESTAMP) -> float:
    try:
        return datetime.fromisoformat(str(fields[name])).timestamp()
    except (ValueError, KeyError, OverflowError):
        return 0.0


def _written(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
