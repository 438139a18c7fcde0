"""The registry: who an event is of, what is declared, and every mistake with its place and a hint."""

import datetime
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from agenttrail import fields as f
from agenttrail.errors import ConfigError
from agenttrail.governance import registry, registry_lints

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "agents.yaml"
TODAY = datetime.date(2026, 11, 25)
AGENT = """\
  - id: {id}
    purpose: Tests
    owner: Owners
    technical_contact: Makers
    reviewer: Reviewers
    operations: Operators
    department: tests
    version: "1"
    history: [{{date: 2026-01-01, version: "1", change: Made}}]
"""


def agent(id: str, *more: str) -> str:
    """One valid entry, with more lines at its end."""
    return AGENT.format(id=id) + "".join(f"    {line}\n" for line in more)


def problems(folder: Path, text: str, *, now: datetime.date = TODAY) -> list[str]:
    """All that is found in a file, mistakes and advice."""
    path = folder / "agents.yaml"
    path.write_text(text, encoding="utf-8")
    documents = registry.survey(str(path))
    registry_lints.consistent(documents)
    registry_lints.advise(documents, now=now)
    return [p.replace(f"{folder}/", "") for document in documents for p in document.problems]


def loaded(folder: Path, text: str) -> registry.Registry:
    path = folder / "agents.yaml"
    path.write_text(text, encoding="utf-8")
    return registry.load(str(path))


@pytest.fixture(scope="module")
def company() -> registry.Registry:
    return registry.load(str(EXAMPLE))


def test_the_example_has_no_problems_and_follows_the_schema() -> None:
    """What people copy is right."""
    documents = registry.survey(str(EXAMPLE))
    registry_lints.consistent(documents)
    registry_lints.advise(documents, now=TODAY)
    assert [document.problems for document in documents] == [[]]
    value = json.loads(json.dumps(yaml.safe_load(EXAMPLE.read_text()), default=str))
    jsonschema.Draft202012Validator(registry.json_schema()).validate(value)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({f.AGENT_NAME: "expense"}, "expense"),
        ({f.AGENT_NAME: "expense-tokyo"}, "expense"),
        ({f.AGENT_NAME: "Expense"}, None),
        ({f.AGENT_NAME: "unknown", f.MCP_CLIENT_NAME: "support-desk"}, "support"),
        ({f.SOURCE_RAW: {"resource": {"service.name": "sales-agent"}}}, "sales-2"),
        ({f.SOURCE_RAW: {"resource": {"attributes": {"service.name": "sales-agent"}}}}, "sales-2"),
        ({f.SOURCE_RAW: {"service.name": "sales-agent"}}, "sales-2"),
        ({f.AGENT_NAME: 5, f.SOURCE_RAW: "text"}, None),
        ({}, None),
    ],
)
def test_an_event_is_of_the_agent_whose_match_fits(
    company: registry.Registry, fields: dict[str, Any], expected: str | None
) -> None:
    """By name, by client, by OTel service; twice, because the answer is remembered."""
    for _ in range(2):
        found = company.identify(fields)
        assert (found.id if found else None) == expected


def test_all_that_a_match_names_must_fit_and_the_first_agent_wins(tmp_path: Path) -> None:
    """So a catch-all can stand last."""
    made = loaded(
        tmp_path,
        "agents:\n"
        + agent("one", "match: [{agent_names: [a, b], files: ['*/logs/*']}]")
        + agent("rest", "match: [{agent_names: ['*']}]")
        + agent("by-id"),
    )
    for fields, expected in [
        ({f.AGENT_NAME: "a", f.SOURCE_FILE: "/srv/logs/x.jsonl"}, "one"),
        ({f.AGENT_NAME: "a", f.SOURCE_FILE: "/srv/other/x.jsonl"}, "rest"),
        ({f.AGENT_ID: "by-id"}, "by-id"),
    ]:
        found = made.identify(fields)
        assert found is not None
        assert found.id == expected


def test_user_agents_and_working_directories_identify_too(tmp_path: Path) -> None:
    """A header's name in any case."""
    made = loaded(
        tmp_path,
        "agents:\n"
        + agent("ua", "match: [{user_agents: ['desk/*']}]")
        + agent("wd", "match: [{working_directories: [/srv/expense]}]"),
    )
    one = made.identify({f.MCP_HEADERS: {"USER-agent": "desk/2"}})
    two = made.identify({f.PROCESS_WORKING_DIRECTORY: "/srv/expense"})
    assert one is not None
    assert two is not None
    assert (one.id, two.id) == ("ua", "wd")


@pytest.mark.parametrize(
    ("agent_id", "server", "tool", "expected"),
    [
        ("expense", "expenses", "pay_claim", None),
        ("expense", "expenses", "drop_table", "undeclared_tool"),
        ("expense", "crm", "find_customer", "undeclared_server"),
        ("expense", "expenses", None, None),
        ("expense", "crm", None, "undeclared_server"),
        ("expense", None, "Bash", "undeclared_tool"),
        ("researcher", "library", "search", None),
        ("researcher", "library", "publish", "undeclared_tool"),
    ],
)
def test_what_an_agent_does_not_declare_is_told(
    company: registry.Registry, agent_id: str, server: str | None, tool: str, expected: str | None
) -> None:
    """A server, a tool of it, a tool of its own."""
    assert company.undeclared(company.agents[agent_id], server, tool) == expected


def test_facts_of_a_tool_are_found_by_name_before_pattern(tmp_path: Path) -> None:
    """What is written about one tool stands over what is written about many."""
    made = loaded(
        tmp_path,
        "servers: [{name: s, tools: [{name: 'get_*', read_only: true}, {name: get_rid, destructive: true}]}]\n"
        "agents:\n" + agent("a", "uses: [{server: s}]"),
    )
    exact, pattern = made.facts("s", "get_rid"), made.facts("s", "get_all")
    assert exact is not None
    assert pattern is not None
    assert exact.destructive
    assert pattern.read_only
    assert made.facts("s", "put") is None
    assert made.facts("other", "get_all") is None


@pytest.mark.parametrize(
    ("tool", "server", "bare"),
    [("pay_claim", "expenses", "pay_claim"), ("mcp__expenses__pay_claim", "expenses", "pay_claim"),
     ("mcp__expenses__pay__all", None, "pay__all"), ("mcp__odd", None, "mcp__odd"),
     ("mcp__other__pay", "expenses", "pay"), ("Bash", None, "Bash")],
)  # fmt: skip
def test_clients_prefixes_are_no_part_of_a_tools_name(tool: str, server: str | None, bare: str) -> None:  # fmt: skip
    """Claude Code and Codex write mcp__SERVER__TOOL."""
    assert registry.bare_tool(tool, server) == bare


def test_an_owner_is_known_by_all_of_their_ids(company: registry.Registry) -> None:
    """In whatever case an approval system writes them."""
    expense = company.agents["expense"]
    assert company.is_owner(expense, "HEAD.accounting@example.com")
    assert company.is_owner(expense, "Head of accounting")
    assert not company.is_owner(expense, "reviewer@example.com")


def test_a_folder_is_one_registry(tmp_path: Path) -> None:
    """Its .yaml files in the order of their names; what is in two of them is told with both places."""
    (tmp_path / "a.yaml").write_text("servers: [{name: s, tools: [{name: t}]}]\n")
    (tmp_path / "b.yml").write_text("agents:\n" + agent("b", "uses: [{server: s, tools: [t]}]"))
    (tmp_path / "readme.txt").write_text("not read")
    assert set(registry.load(str(tmp_path)).agents) == {"b"}
    (tmp_path / "c.yaml").write_text("agents:\n" + agent("b"))
    with pytest.raises(ConfigError) as caught:
        registry.load(str(tmp_path))
    (problem,) = caught.value.problems
    assert problem.startswith(f"{tmp_path}/c.yaml:2: agents[0].id: agent 'b' is described twice")
    assert f"first at {tmp_path}/b.yml:2" in problem


def test_a_folder_without_files_is_told(tmp_path: Path) -> None:
    """It would be a registry of nobody."""
    with pytest.raises(ConfigError):
        registry.load(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("agents:\n  - {id: A}", "agents.yaml:2: agents[0]: 'purpose' is missing"),
        ("agents:\n" + agent("Upper"), "agents.yaml:2: agents[0].id: is lower case"),
        ("agents:\n" + agent("a") + agent("a"), "agents.yaml:11: agents[1].id: agent 'a' is described twice"),
        ("agents:\n" + agent("a").replace("owner: Owners", "owner: o@example.com"), "agents.yaml:4: agents[0].owner: is one line"),
        ("agents:\n" + agent("a").replace("Operators", "Owners"), "agents.yaml:7: agents[0].operations: owner and operations are the same"),
        ("contacts: {Owners: {ids: [x]}, Operators: {ids: [x]}}\nagents:\n" + agent("a"), "agents.yaml:8: agents[0].operations: owner and operations are the same"),
        ("agents:\n" + agent("a", "uses: [{server: nowhere}]"), "agents.yaml:11: agents[0].uses[0].server: no server is called 'nowhere'"),
        ("servers:\n  - name: s\n    tools: [{name: pay_claim}]\nagents:\n" + agent("a", "uses:", "  - server: s", "    tools: [pay_clam]"), "agents.yaml:16: agents[0].uses[0].tools[0]: no tool is called 'pay_clam' of server 's'"),
        ("servers:\n  - name: s\n    tools: [{name: t}, {name: t}]\nagents:\n" + agent("a", "uses: [{server: s}]"), "agents.yaml:3: servers[0].tools[1].name: tool 't' is described twice"),
        ("servers:\n  - name: s\nagents:\n" + agent("a"), "agents.yaml:2: servers[0].name: no agent uses server 's'"),
        ("agents:\n" + agent("a", "uses: [{tools: ['x*']}]"), "agents.yaml:11: agents[0].uses[0].tools[0]: no tool fits 'x*'"),
        ("agents:\n" + agent("a", "replaced_by: b"), "agents.yaml:11: agents[0].replaced_by: no agent is called 'b'"),
        ("agents:\n" + agent("a", "hands_over_to: [b]"), "agents.yaml:11: agents[0].hands_over_to[0]: no agent is called 'b'"),
        ("agents:\n" + agent("a", "match: [{agent_names: [n]}]") + agent("b", "match: [{agent_names: [n]}]"), "agents.yaml:21: agents[1].match[0]: agent 'a' has the same match and comes first"),
        ("agents:\n" + agent("a", "match: [{}]"), "agents.yaml:11: agents[0].match[0]: names nothing"),
        ("agents:\n" + agent("a", "deprecation: 2026-11-25", "replaced_by: a"), "agents.yaml:11: agents[0].deprecation: agent 'a' is past its deprecation date"),
        ("agents:\n" + agent("a", "deprecation: 2027-01-01"), "agents.yaml:11: agents[0].deprecation: nothing is said to come after it"),
        ("agents:\n" + agent("a", "deprecation: soon"), "agents.yaml:11: agents[0].deprecation: is no day"),
        ("agents:\n" + agent("a").replace('version: "1"\n', 'version: "2"\n'), "agents.yaml:9: agents[0].version: is not that of the last entry"),
        ("agents:\n" + agent("a").replace("{date: 2026-01-01", '{date: 2026-02-01, version: "0", change: x}, {date: 2026-01-01'), "agents.yaml:10: agents[0].history: is not in the order"),
        ("servers: [{name: s, tools: [{name: t, data_categories: [hr]}]}]\nagents:\n" + agent("a", "uses: [{server: s}]"), "agents.yaml:12: agents[0].uses[0]: tool 't' deals with hr"),
        ("servers: [{name: s, tools: [{name: t, pii: personal}]}]\nagents:\n" + agent("a", "uses: [{server: s}]"), "agents.yaml:12: agents[0].uses[0]: tool 't' deals with personal data"),
        ("tools: [{name: t, read_only: true, destructive: true}]", "agents.yaml:1: tools[0].destructive: a tool that is read_only"),
        ("tools: [{name: t, resources: ['$.a', 'b']}]", "agents.yaml:1: tools[0].resources[1]: is no JSONPath"),
        ("agents:\n" + agent("a", "baseline: {minutes_per_task: 1, cost_per_hour: 1, currency: yen}"), "agents.yaml:11: agents[0].baseline.currency: is no currency"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_and_a_hint(
    tmp_path: Path, text: str, expected: str
) -> None:
    """Near misses of a good file."""
    found = problems(tmp_path, text)
    (problem,) = [p for p in found if p.startswith(expected)] or [str(found)]
    assert problem.startswith(expected)
    assert "\n  " in problem, "a hint"


def test_all_mistakes_come_at_once_also_beside_a_broken_part(tmp_path: Path) -> None:
    """A wrong type in one entry does not hide what is wrong in the others."""
    text = (
        "agents:\n"
        + agent("a", "uses: [{server: nowhere}]", "seen_within_days: often")
        + agent("b").replace("Operators", "Owners")
    )
    found = "\n".join(problems(tmp_path, text))
    for part in ("agents[0].seen_within_days", "agents[0].uses[0].server", "agents[1].operations"):
        assert part in found


def test_advice_does_not_keep_a_registry_from_loading(tmp_path: Path) -> None:
    """A date that passes over night must not stop the log."""
    assert loaded(tmp_path, "agents:\n" + agent("a", "deprecation: 2020-01-01")).agents


def test_what_is_remembered_of_names_in_logs_is_bounded(company: registry.Registry) -> None:
    """A log can name a million agents."""
    for number in range(25_000):
        company.identify({f.AGENT_NAME: f"agent {number}"})
        company.facts("expenses", f"tool {number}")
    assert len(company._agents) <= 10_000
    assert len(company._facts) <= 10_000
