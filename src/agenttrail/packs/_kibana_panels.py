"""What Kibana's dashboards show: panels by dashboard, each asked of the events alone.

Sums and shares are those of `agenttrail slo show`: tasks by the event that ends them, roll-ups left out,
executions of an approval not counted as another decision.

Limits: counts by kind of finding are of events, not of findings: a field exists in Elasticsearch only once
an event had that kind, and Lens refuses a chart that names one that does not.
"""

from __future__ import annotations

from dataclasses import dataclass

from agenttrail import fields as f
from agenttrail.packs._lens import Bucket, Chart, Column, Esql, Metric, Question
from agenttrail.packs.sigma import INDEX

TOOL_CALL = f"{f.OPERATION_NAME}:execute_tool"
MODEL_CALL = f"{f.OPERATION_NAME}:chat"
ENDED = f"{f.TASK_STATE}:(completed OR failed OR abandoned)"
SPENT = f"{f.COST_TOTAL}:* AND NOT {f.USAGE_ROLLUP}:true"
DECIDED = f"{f.APPROVAL_WAIT_MS}:* AND NOT {f.APPROVAL_STAGE}:execution"
_KINDS = {
    "PERSON": "Names", "EMAIL_ADDRESS": "E-mail addresses", "PHONE_NUMBER": "Phone numbers",
    "USER_ID": "User ids", "SECRET": "Secrets", "CREDIT_CARD": "Card numbers", "IP_ADDRESS": "IP addresses",
}  # fmt: skip
_WITHIN = f"FROM {INDEX}\n| WHERE @timestamp >= ?_tstart AND @timestamp <= ?_tend"


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart; width and height in Kibana's grid of 48 columns."""

    title: str
    description: str
    chart: Chart
    asked: Question | Esql
    width: int
    height: int


def _number(
    title: str, description: str, metric: Metric, query: str = "", width: int = 12
) -> Panel:
    return Panel(title, description, "number", Question(query=query, metrics=(metric,)), width, 7)


def _count(label: str, query: str = "") -> Metric:
    return Metric(operation="count", label=label, query=query)


def _sum(label: str, field: str, query: str = "", decimals: int = 0) -> Metric:
    return Metric(operation="sum", label=label, field=field, query=query, decimals=decimals)


def _distinct(label: str, field: str) -> Metric:
    return Metric(operation="unique_count", label=label, field=field)


def _chart(
    title: str, description: str, chart: Chart, query: str, metrics: tuple[Metric, ...],
    *buckets: Bucket, width: int = 24, height: int = 13,
) -> Panel:  # fmt: skip
    asked = Question(query=query, metrics=metrics, buckets=buckets)
    return Panel(title, description, chart, asked, width, height)


def _ratio(
    title: str, description: str, sums: str, ratio: str, *, format: str = "percent", decimals: int = 1
) -> Panel:  # fmt: skip
    """A quotient of sums, in ES|QL.

    Args:
        title: of the panel and of its number.
        description: one sentence.
        sums: what STATS makes.
        ratio: the quotient of these.
        format: percent, or number.
        decimals: how many are shown.
    """
    text = f"{_WITHIN}\n| STATS {sums}\n| EVAL ratio = {ratio}\n| KEEP ratio"
    column = Column(name="ratio", label=title, type="double", metric=True, format=format, decimals=decimals)  # fmt: skip
    return Panel(title, description, "number", Esql(text=text, columns=(column,)), 12, 7)


def _rows(
    title: str, description: str, where: str, shown: dict[str, str], limit: int = 200
) -> Panel:
    """The latest events, a row each."""
    text = (
        f"{_WITHIN} AND {where}\n| SORT @timestamp DESC\n| KEEP {', '.join(shown)}\n| LIMIT {limit}"
    )
    types = {name: f.FIELDS[name].type for name in shown}
    columns = tuple(
        Column(name=name, label=label, type="keyword" if types[name] == "keywords" else types[name])
        for name, label in shown.items()
    )
    return Panel(title, description, "table", Esql(text=text, columns=columns), 48, 18)


TIME = Bucket(field=f.TIMESTAMP, label="Time")
AGENT = Bucket(field=f.REGISTRY_AGENT_ID, label="Agent")
NAME = Bucket(field=f.AGENT_NAME, label="Agent")  # what an agent calls itself, registered or not
DEPARTMENT = Bucket(field=f.REGISTRY_DEPARTMENT, label="Department")
TOOL = Bucket(field=f.TOOL_NAME, label="Tool")
SERVER = Bucket(field=f.MCP_SERVER_NAME, label="Server")
MODEL = Bucket(field=f.REQUEST_MODEL, label="Model")
STATE = Bucket(field=f.TASK_STATE, label="How it ended")
ANOMALY = Bucket(field=f.ANOMALY_NAME, label="Anomaly", size=40)
CHANNEL = Bucket(field=f.APPROVAL_CHANNEL, label="Channel")

_TASKS = f'ended = COUNT(*) WHERE {f.TASK_STATE} IN ("completed", "failed", "abandoned")'
_CALLS = f'{f.OPERATION_NAME} == "execute_tool" AND {f.EVENT_OUTCOME}'
_DECISION = f'{f.APPROVAL_WAIT_MS} IS NOT NULL AND {f.APPROVAL_TARGET_MS} IS NOT NULL AND {f.APPROVAL_STAGE} != "execution"'
_OWN = f"WHERE {f.USAGE_ROLLUP} IS NULL"
_SUCCESS = _ratio(
    "Task success",
    "Tasks completed without a person, of all that ended.",
    f'completed = COUNT(*) WHERE {f.TASK_STATE} == "completed", helped = COUNT(*) WHERE {f.TASK_ESCALATED} == "completed", {_TASKS}',
    "TO_DOUBLE(completed - helped) / ended",
)
_ESCALATION = _ratio(
    "Escalation rate",
    "Ended tasks that a person was called into.",
    f"escalated = COUNT(*) WHERE {f.TASK_ESCALATED} IS NOT NULL, {_TASKS}",
    "TO_DOUBLE(escalated) / ended",
)
_FAILED_WORK = _ratio(
    "Failed work",
    "Tool calls that failed, of those with an outcome.",
    f'failed = COUNT(*) WHERE {_CALLS} == "failure", settled = COUNT(*) WHERE {_CALLS} IN ("success", "failure")',
    "TO_DOUBLE(failed) / settled",
)
_IN_TIME = _ratio(
    "Reviews in time",
    "Decisions within the time that their channel promises.",
    f"kept = COUNT(*) WHERE {_DECISION} AND {f.APPROVAL_WAIT_MS} <= {f.APPROVAL_TARGET_MS}, decided = COUNT(*) WHERE {_DECISION}",
    "TO_DOUBLE(kept) / decided",
)
_TASK_COST = _ratio(
    "Cost of a task",
    "Cost, of all that was spent, for each task that ended.",
    f"cost = SUM({f.COST_TOTAL}) {_OWN}, {_TASKS}",
    "cost / ended",
    format="number",
    decimals=4,
)
_TASK_TOKENS = _ratio(
    "Tokens of a task",
    "Input and output tokens for each task that ended.",
    f"put = SUM({f.INPUT_TOKENS}) {_OWN}, got = SUM({f.OUTPUT_TOKENS}) {_OWN}, {_TASKS}",
    "TO_DOUBLE(put + got) / ended",
    format="number",
    decimals=0,
)
_TASK_CALLS = _ratio(
    "Tool calls of a task",
    "Tool calls for each task that ended.",
    f'calls = COUNT(*) WHERE {f.OPERATION_NAME} == "execute_tool", {_TASKS}',
    "TO_DOUBLE(calls) / ended",
    format="number",
)
_CACHE_READS = _ratio(
    "Cache reads",
    "Input tokens that came from a cache, of all; a fall costs money.",
    f"cached = SUM({f.CACHE_READ_TOKENS}) {_OWN}, put = SUM({f.INPUT_TOKENS}) {_OWN}",
    "TO_DOUBLE(cached) / put",
)
_MASKING_RATE = _ratio(
    "Masking rate",
    "Events with findings, of all; a sudden fall is a leak.",
    f"found = COUNT(*) WHERE {f.PII_MASKED} > 0, seen = COUNT(*)",
    "TO_DOUBLE(found) / seen",
)
_SERVER_CALLS = (
    f'{_WITHIN} AND {f.OPERATION_NAME} == "execute_tool" AND {f.MCP_SERVER_NAME} IS NOT NULL'
)
_SERVERS = Panel(
    "Servers: failures and answer times",
    "A server that fails every call is down; times in milliseconds.",
    "table",
    Esql(
        text=f'{_SERVER_CALLS}\n| STATS calls = COUNT(*), failed = COUNT(*) WHERE {f.EVENT_OUTCOME} == "failure", median = MEDIAN({f.EVENT_DURATION}) / 1000000, p95 = PERCENTILE({f.EVENT_DURATION}, 95) / 1000000 BY server = {f.MCP_SERVER_NAME}\n| SORT calls DESC\n| LIMIT 50\n| KEEP server, calls, failed, median, p95',
        columns=(
            Column(name="server", label="Server", type="keyword"),
            Column(name="calls", label="Calls", type="long", metric=True),
            Column(name="failed", label="Failed", type="long", metric=True),
            Column(name="median", label="Median, ms", type="double", metric=True),
            Column(name="p95", label="95th percentile, ms", type="double", metric=True),
        ),
    ),
    24,
    13,
)
_ANSWER_TIMES = Panel(
    "Answer time of servers",
    "95th percentile over time, in milliseconds.",
    "line",
    Esql(
        text=f"{_SERVER_CALLS}\n| STATS p95 = PERCENTILE({f.EVENT_DURATION}, 95) / 1000000 BY time = BUCKET({f.TIMESTAMP}, 50, ?_tstart, ?_tend), server = {f.MCP_SERVER_NAME}\n| SORT time\n| KEEP time, server, p95",
        columns=(
            Column(name="time", label="Time", type="date"),
            Column(name="server", label="Server", type="keyword"),
            Column(name="p95", label="95th percentile, ms", type="double", metric=True),
        ),
    ),
    24,
    13,
)

PANELS: dict[str, tuple[Panel, ...]] = {
    "fleet-overview": (
        _number("Agents", "Agents of the registry that did something.", _distinct("Agents", f.REGISTRY_AGENT_ID)),
        _number("Tasks begun", "Tasks that a person or a job asked for.", _count("Tasks"), f"{f.TASK_STATE}:started"),
        _number("Tool calls", "Calls of tools by all agents.", _count("Tool calls"), TOOL_CALL),
        _number("Cost", "Money spent on models, roll-ups left out.", _sum("Cost", f.COST_TOTAL, decimals=2), SPENT),
        _chart("Events by agent", "What agents did, over time.", "bar", "", (_count("Events"),), TIME, AGENT),
        _chart("Tasks by how they ended", "Completed, failed and abandoned tasks, over time.", "bar", ENDED, (_count("Tasks"),), TIME, STATE),
        _chart(
            "Agents at a glance", "Each agent's work, failures and cost.", "table", "",
            (
                _count("Events"), _count("Tasks ended", ENDED), _count("Tool calls", TOOL_CALL),
                _count("Failures", f"{f.EVENT_OUTCOME}:failure"), _sum("Cost", f.COST_TOTAL, SPENT, 2),
            ),
            Bucket(field=f.REGISTRY_AGENT_ID, label="Agent", size=50), width=48, height=14,
        ),
        _chart("Tools called most", "The tools that agents use.", "bars", TOOL_CALL, (_count("Calls"),), TOOL),
        _chart("Findings about agents", "Unregistered, past their date, or beyond what their entry allows.", "table", f"{f.REGISTRY_FINDINGS}:*", (_count("Events"),), Bucket(field=f.REGISTRY_FINDINGS, label="Finding"), NAME),
    ),
    "agent-quality": (
        _SUCCESS,
        _ESCALATION,
        _FAILED_WORK,
        _IN_TIME,
        _TASK_CALLS,
        _TASK_COST,
        _TASK_TOKENS,
        _number("Tasks ended", "What the shares are of.", _count("Tasks"), ENDED),
        _chart("Tasks by how they ended", "Failures and interruptions beside what was completed.", "bar", ENDED, (_count("Tasks"),), TIME, STATE),
        _chart("Tasks with a person", "Ended tasks that a person was called into, over time.", "bar", f"{f.TASK_ESCALATED}:*", (_count("Tasks"),), TIME, AGENT),
        _chart(
            "Tasks by agent", "What a task of each agent takes.", "table", ENDED,
            (
                _count("Ended"), _count("Completed", f"{f.TASK_STATE}:completed"), _count("Failed", f"{f.TASK_STATE}:failed"), _count("Abandoned", f"{f.TASK_STATE}:abandoned"),
                Metric(operation="average", label="Tool calls", field=f.TASK_TOOL_CALLS, decimals=1),
                Metric(operation="average", label="Tokens", field=f.TASK_TOKENS),
                Metric(operation="average", label="Cost", field=f.TASK_COST, decimals=4),
            ),
            Bucket(field=f.REGISTRY_AGENT_ID, label="Agent", size=50), width=48, height=14,
        ),
        _chart("Spread of tool calls", "Median and 95th percentile of a task; a loop shows as a jump.", "line", ENDED, (Metric(operation="median", label="Median", field=f.TASK_TOOL_CALLS), Metric(operation="percentile", label="95th percentile", field=f.TASK_TOOL_CALLS)), TIME),
        _chart("Failed tool calls", "By tool, over time.", "bar", f"{TOOL_CALL} AND {f.EVENT_OUTCOME}:failure", (_count("Calls"),), TIME, TOOL),
        _SERVERS,
        _ANSWER_TIMES,
    ),
    "cost": (
        _number("Cost", "Money spent on models, roll-ups left out.", _sum("Cost", f.COST_TOTAL, decimals=2), SPENT),
        _TASK_COST,
        _TASK_TOKENS,
        _CACHE_READS,
        _chart("Cost by department", "What each department's agents spend, over time.", "bar", SPENT, (_sum("Cost", f.COST_TOTAL, decimals=2),), TIME, DEPARTMENT),
        _chart("Cost by model", "What each model costs, over time.", "bar", SPENT, (_sum("Cost", f.COST_TOTAL, decimals=2),), TIME, MODEL),
        _chart(
            "Cost by agent", "Cost, tokens and calls of each agent.", "table", SPENT,
            (_sum("Cost", f.COST_TOTAL, decimals=2), _sum("Input tokens", f.INPUT_TOKENS), _sum("Output tokens", f.OUTPUT_TOKENS), _sum("From cache", f.CACHE_READ_TOKENS), _count("Model calls")),
            Bucket(field=f.REGISTRY_AGENT_ID, label="Agent", size=50), DEPARTMENT, width=48, height=14,
        ),
        _chart("Dearest tasks", "The tasks that cost most.", "table", SPENT, (_sum("Cost", f.COST_TOTAL, decimals=4), _count("Model calls")), Bucket(field=f.TASK_ID, label="Task", size=20), AGENT),
        _chart("Budget thresholds passed", "Budgets that alerted, asked for an approval or stopped.", "table", f"{f.BUDGET_VERDICT}:*", (_count("Times"), Metric(operation="max", label="Spent", field=f.BUDGET_USED, format="percent")), Bucket(field=f.BUDGET_NAMES, label="Budget"), Bucket(field=f.BUDGET_VERDICT, label="Asks for")),
    ),
    "approvals": (
        _number("Requests", "Approvals that were asked for.", _count("Requests"), f"{f.APPROVAL_STAGE}:request"),
        _number("Denied", "Decisions that said no.", _count("Denied"), f"{f.APPROVAL_OUTCOME}:deny AND NOT {f.APPROVAL_STAGE}:execution"),
        Panel(
            "Wait for a decision", "Median, in minutes.", "number",
            Esql(
                text=f'{_WITHIN} AND {f.APPROVAL_STAGE} != "execution"\n| STATS minutes = MEDIAN({f.APPROVAL_WAIT_MS}) / 60000\n| KEEP minutes',
                columns=(Column(name="minutes", label="Minutes", type="double", metric=True, decimals=1),),
            ),
            12, 7,
        ),
        _IN_TIME,
        _chart("Requests and decisions", "Over time; a gap between them is work that waits.", "bar", f"{f.APPROVAL_STAGE}:(request OR decision)", (_count("Events"),), TIME, Bucket(field=f.APPROVAL_STAGE, label="Stage")),
        _chart("Wait by channel", "Median and 95th percentile of the time until a decision, in milliseconds.", "line", DECIDED, (Metric(operation="median", label="Median", field=f.APPROVAL_WAIT_MS), Metric(operation="percentile", label="95th percentile", field=f.APPROVAL_WAIT_MS)), TIME),
        _chart("Channels", "Who is asked, how long it takes and what is promised.", "table", DECIDED, (_count("Decisions"), Metric(operation="median", label="Median wait, ms", field=f.APPROVAL_WAIT_MS), Metric(operation="max", label="Longest wait, ms", field=f.APPROVAL_WAIT_MS), Metric(operation="min", label="Promised, ms", field=f.APPROVAL_TARGET_MS)), CHANNEL),
        _chart("What went past approval", "Executed without one, after a denial, after it expired, or with other arguments.", "table", f"{f.APPROVAL_FINDINGS}:*", (_count("Events"),), Bucket(field=f.APPROVAL_FINDINGS, label="Finding", size=20), AGENT),
        _chart("What policy asks", "Verdicts on calls, by what decided.", "donut", f"{f.POLICY_VERDICT}:*", (_count("Calls"),), Bucket(field=f.POLICY_VERDICT, label="Verdict"), Bucket(field=f.POLICY_BASIS, label="Basis")),
        _chart("Rules that ask", "Rules of the policy that asked for an approval or sampled.", "bars", f"{f.POLICY_RULES}:*", (_count("Calls"),), Bucket(field=f.POLICY_RULES, label="Rule")),
    ),
    "security-audit": (
        _number("Anomalies", "Found by `agenttrail scan`.", _count("Anomalies"), f"{f.ANOMALY_NAME}:*"),
        _number("Past approval", "Executed without approval, after a denial or after it expired.", _count("Calls"), f"{f.APPROVAL_FINDINGS}:(executed_without_approval OR executed_after_deny OR executed_after_expiry)"),
        _number("Calls with a secret", "Tool calls in whose arguments or result the mask found a secret.", _count("Calls"), f"{TOOL_CALL} AND {f.PII_BY_TYPE}.SECRET:>=1"),
        _number("Unfenced", "Events of agents that ask nobody and are fenced by nothing.", _count("Events"), f"{f.PERMISSION_MODE}:bypassPermissions OR {f.PERMISSION_SANDBOX}:danger\\-full\\-access"),
        _chart("Anomalies over time", "By name; each has a runbook.", "bar", f"{f.ANOMALY_NAME}:*", (_count("Anomalies"),), TIME, ANOMALY),
        _chart("Anomalies by name", "Which, how severe, and how often.", "table", f"{f.ANOMALY_NAME}:*", (_count("Anomalies"),), ANOMALY, Bucket(field=f.ANOMALY_SEVERITY, label="Severity")),
        _chart("Beyond their entry", "Undeclared tools and servers, foreign data, agents past their date or unknown.", "table", f"{f.REGISTRY_FINDINGS}:*", (_count("Events"),), Bucket(field=f.REGISTRY_FINDINGS, label="Finding"), NAME),
        _chart("Destructive calls", "Of tools whose server says that they destroy.", "bar", f"{TOOL_CALL} AND {f.TOOL_DESTRUCTIVE}:true", (_count("Calls"),), TIME, TOOL),
        _chart("Servers", "Which servers agents reach.", "bars", f"{f.MCP_SERVER_NAME}:*", (_count("Calls"),), SERVER),
        _chart("Failures by kind", "Errors of tools and models.", "bars", f"{f.ERROR_TYPE}:*", (_count("Events"),), Bucket(field=f.ERROR_TYPE, label="Error")),
        _rows("Latest calls that something was wrong with", "Findings of registry, policy and approvals.", f"({f.REGISTRY_FINDINGS} IS NOT NULL OR {f.APPROVAL_FINDINGS} IS NOT NULL)", {f.TIMESTAMP: "Time", f.REGISTRY_AGENT_ID: "Agent", f.TASK_ID: "Task", f.TOOL_NAME: "Tool", f.REGISTRY_FINDINGS: "Registry", f.APPROVAL_FINDINGS: "Approval", f.EVENT_ID: "Event"}),
    ),
    "privacy": (
        _number("Findings masked", "Values that were replaced.", _sum("Findings", f.PII_MASKED)),
        _number("Events with findings", "Events in which something was replaced.", _count("Events"), f"{f.PII_MASKED}:>0"),
        _number("Masking failed", "Events whose content was left out because masking failed.", _count("Events"), f"{f.PII_FAILED}:true"),
        _MASKING_RATE,
        _chart("Events by kind of finding", "Over time; kinds that a source always had and no longer has are a leak.", "line", "", tuple(_count(label, f"{f.PII_BY_TYPE}.{kind}:*") for kind, label in _KINDS.items()), TIME, width=48),
        _chart("Findings by agent", "Whose logs hold personal data.", "table", f"{f.PII_MASKED}:>0", (_sum("Findings", f.PII_MASKED), _count("Events")), Bucket(field=f.REGISTRY_AGENT_ID, label="Agent", size=50), DEPARTMENT),
        _chart("Findings by source", "Which format of log they come from.", "bars", f"{f.PII_MASKED}:>0", (_sum("Findings", f.PII_MASKED),), Bucket(field=f.SOURCE_FORMAT, label="Format")),
        _chart("Data categories", "What kinds of data the calls deal with, by registry and policy.", "bars", f"{f.DATA_CATEGORIES}:*", (_count("Events"),), Bucket(field=f.DATA_CATEGORIES, label="Category")),
        _chart("Findings of one event", "Median and largest number; a jump is a dump of records.", "line", f"{f.PII_MASKED}:>0", (Metric(operation="median", label="Median", field=f.PII_MASKED), Metric(operation="max", label="Largest", field=f.PII_MASKED)), TIME),
    ),
    "pipeline-health": (
        _number("Events", "All that was delivered.", _count("Events")),
        _number("Lines that could not be read", "Kept as events with the reason.", _count("Lines"), f"{f.EVENT_KIND}:pipeline_error"),
        _number("Bytes read", "Size of the lines that events were made of.", Metric(operation="sum", label="Bytes", field=f.SOURCE_BYTES, format="bytes", decimals=1)),
        _number("Times not from the log", "Events dated by a neighbour or by the time of reading.", _count("Events"), f"{f.SOURCE_TIME}:(neighbour OR read)"),
        _chart("Events by format", "A format that stops is a source that is no longer read.", "bar", "", (_count("Events"),), TIME, Bucket(field=f.SOURCE_FORMAT, label="Format")),
        _chart("Events by source", "Which component reads them.", "bar", "", (_count("Events"),), TIME, Bucket(field=f.SOURCE_TYPE, label="Source")),
        _chart("Versions in the data", "Schemas and masking policies; two at once is a pipeline not yet updated.", "table", "", (_count("Events"),), Bucket(field=f.SCHEMA_VERSION_FIELD, label="Record"), Bucket(field=f.PII_POLICY, label="Masking policy")),
        _chart("Last event of each agent", "An agent that works and whose log is silent is not watched.", "table", "", (Metric(operation="max", label="Last event", field=f.TIMESTAMP), _count("Events")), Bucket(field=f.REGISTRY_AGENT_ID, label="Agent", size=50)),
    ),
    "task-story": (
        _number("Tasks seen", "Tasks that something happened in.", _distinct("Tasks", f.TASK_ID)),
        _number("Steps", "Events of these tasks.", _count("Steps"), f"{f.TASK_ID}:*"),
        _number("Tool calls", "Calls of tools.", _count("Tool calls"), TOOL_CALL),
        _number("Handed over", "Events in which one agent hands over to another.", _count("Events"), f"{f.HANDOFF_TO}:* OR {f.AGENT_PARENT_ID}:*"),
        _chart("Steps over time", "What was done, when.", "bar", f"{f.TASK_ID}:*", (_count("Steps"),), TIME, Bucket(field=f.EVENT_ACTION, label="Action", size=20), width=48),
        _chart("Tasks", "Filter on one to read its story.", "table", f"{f.TASK_ID}:*", (_count("Steps"), _count("Tool calls", TOOL_CALL), _count("Failures", f"{f.EVENT_OUTCOME}:failure"), _sum("Cost", f.COST_TOTAL, SPENT, 4)), Bucket(field=f.TASK_ID, label="Task", size=50), AGENT, width=48, height=14),
        _rows("Story", "The steps in their order, latest first.", f"{f.TASK_ID} IS NOT NULL", {f.TIMESTAMP: "Time", f.TASK_ID: "Task", f.REGISTRY_AGENT_ID: "Agent", f.EVENT_ACTION: "Action", f.TOOL_NAME: "Tool", f.EVENT_OUTCOME: "Outcome", f.APPROVAL_STAGE: "Approval", f.ERROR_TYPE: "Error", f.EVENT_ID: "Event"}, 500),
    ),
}  # fmt: skip
