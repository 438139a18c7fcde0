"""An entry brought in line with a deployment: only what differs changes, to the last blank."""

import datetime
import difflib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from agenttrail.errors import UsageError
from agenttrail.governance import registry, registry_lints, registry_update
from agenttrail.governance.registry_diff import differences

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "agents.yaml"
TODAY = datetime.date(2026, 11, 25)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The example, to be changed."""
    copy = tmp_path / "agents.yaml"
    copy.write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    return copy


def deployed(folder: Path, name: str, content: Any, **more: Any) -> registry_update.Deployed:
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return registry_update.read([str(file)], **more)


def changed(path: Path, agent: str, what: registry_update.Deployed, **more: Any) -> list[str]:
    """The lines of the diff that are not context, after the new text was written and checked."""
    made = registry_update.update(str(path), agent, what, now=TODAY, **more)
    path.write_text(made.after, encoding="utf-8")
    registry.load(str(path))
    lines = difflib.unified_diff(made.before.splitlines(), made.after.splitlines(), n=0, lineterm="")  # fmt: skip
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def mcp(*servers: str, **more: Any) -> dict[str, Any]:
    return {"mcpServers": {name: {"command": "run", "env": {"TOKEN": "s3cret"}} for name in servers} | more}  # fmt: skip


def test_what_is_in_line_already_stays_as_it_is(tmp_path: Path, path: Path) -> None:
    """No entry in the history for nothing."""
    made = registry_update.update(str(path), "expense", deployed(tmp_path, ".mcp.json", mcp("expenses")), now=TODAY)  # fmt: skip
    assert made.changes == []
    assert made.after == made.before == EXAMPLE.read_text(encoding="utf-8")


def test_a_server_more_is_used_and_the_history_says_so(tmp_path: Path, path: Path) -> None:
    """Two lines more, no other line touched; no command and no secret of the configuration."""
    lines = changed(path, "expense", deployed(tmp_path, ".mcp.json", mcp("expenses", "crm")), by="deploy", reason="Release 7")  # fmt: skip
    assert lines == [
        "+      - {server: crm}",
        "+      - {date: 2026-11-25, version: '2.0', change: 'Release 7: server crm is used', by: deploy}",
    ]


def test_a_server_that_nobody_described_is_added_and_check_asks_about_it(tmp_path: Path, path: Path) -> None:  # fmt: skip
    """Somebody has to say what its tools deal with."""
    lines = changed(path, "expense", deployed(tmp_path, "claude_desktop_config.json", mcp("expenses", "erp")))  # fmt: skip
    assert "+  - name: erp" in lines
    assert "+      - {server: erp}" in lines
    assert not [line for line in lines if line.startswith("-")]
    assert registry.load(str(path)).undeclared(registry.load(str(path)).agents["expense"], "erp", "post") == "undeclared_tool"  # fmt: skip


def test_a_server_that_is_gone_is_used_no_more(tmp_path: Path, path: Path) -> None:
    """And one that came instead is in its place."""
    lines = changed(path, "expense", deployed(tmp_path, ".mcp.json", mcp("crm")))
    assert lines[:2] == ["-      - {server: expenses}", "+      - {server: crm}"]
    lines = changed(path, "expense", deployed(tmp_path, ".mcp.json", mcp()))
    assert lines[:3] == ["-    uses:", "-      - {server: crm}", "+    uses: []"]
    lines = changed(path, "expense", deployed(tmp_path, ".mcp.json", mcp("crm", "desk")))
    assert lines[:2] == ["-    uses: []", "+    uses: [{server: crm}, {server: desk}]"]


def test_codex_says_which_tools_are_allowed(tmp_path: Path, path: Path) -> None:
    """enabled_tools, disabled_tools, and servers that are switched off."""
    config = """
[mcp_servers.library]
command = "library"
enabled_tools = ["search", "fetch_page"]
[mcp_servers.crm]
url = "https://crm.example.com/mcp"
enabled = false
"""
    lines = changed(path, "researcher", deployed(tmp_path, "config.toml", config))
    assert lines[0] == "-      - {server: library, tools: [search, fetch_page, save_note]}"
    assert lines[1] == "+      - {server: library, tools: [search, fetch_page]}"
    assert "tool save_note removed" in lines[2]
    config = '[mcp_servers.library]\ncommand = "library"\ndisabled_tools = ["publish"]\n'
    changed(path, "writer", deployed(tmp_path, "config.toml", config))
    (use,) = registry.load(str(path)).agents["writer"].uses
    assert set(use.tools) == {"search", "fetch_page", "save_note", "delete_notes"}


def test_an_agent_card_has_version_and_skills(tmp_path: Path, path: Path) -> None:
    """The purpose is people's; the card's description does not replace it."""
    card = {
        "name": "Sales", "description": "x", "version": "1.5.0",
        "skills": [{"id": "offer", "name": "Offers"}, {"id": "terms", "name": "Terms"}],
        "supportedInterfaces": [{"url": "https://sales.example.com", "protocolBinding": "JSONRPC"}],
    }  # fmt: skip
    lines = changed(path, "sales", deployed(tmp_path, "agent-card.json", card))
    assert '-    version: "1.4"' in lines
    assert '+    version: "1.5.0"' in lines
    assert "+    skills: [offer, terms]" in lines
    assert any("version 1.4 is 1.5.0 now" in line for line in lines)
    card["skills"] = [{"id": "terms"}, {"id": "prices"}]
    lines = changed(path, "sales", deployed(tmp_path, "agent-card.json", card))
    assert "+    skills: [terms, prices]" in lines


def test_an_answer_to_tools_list_describes_tools_with_the_servers_claims(tmp_path: Path, path: Path) -> None:  # fmt: skip
    """Of a known server those that are new, of a new one all."""
    answer = {"jsonrpc": "2.0", "id": 1, "result": {"tools": [
        {"name": "get_claim"},
        {"name": "list_claims", "annotations": {"readOnlyHint": True, "destructiveHint": True}},
        {"name": "void_claim", "annotations": {"destructiveHint": True, "title": "Void"}},
    ]}}  # fmt: skip
    lines = changed(path, "expense", deployed(tmp_path, "tools.json", answer, server="expenses"))
    assert "+      - {name: list_claims, read_only: true}" in lines
    assert "+      - {name: void_claim, destructive: true}" in lines
    assert not any("get_claim" in line for line in lines)
    changed(path, "expense", deployed(tmp_path, "tools.json", answer["result"], server="erp"))
    assert [t.name for t in registry.load(str(path)).servers["erp"].tools] == ["get_claim", "list_claims", "void_claim"]  # fmt: skip


def test_a_new_version_is_enough_for_an_entry(tmp_path: Path, path: Path) -> None:
    """What a pipeline knows best."""
    lines = changed(path, "expense", deployed(tmp_path, ".mcp.json", mcp("expenses")), version="2.1")  # fmt: skip
    assert lines == [
        '-    version: "2.0"', '+    version: "2.1"',
        "+      - {date: 2026-11-25, version: '2.1', change: version 2.0 is 2.1 now}",
    ]  # fmt: skip
    documents = registry.survey(str(path))
    registry_lints.advise(documents, now=TODAY)
    assert documents[0].problems == []


WRITTEN = """\
# Ours

agents:
# the expense agent
- id: expense   # do not rename
  purpose: 'Pays'
  owner: A
  technical_contact: B
  reviewer: C
  operations: D
  department: E
  version: '1'
  uses:   # all of it
  - server: one      # first
    tools:
    - a
    - b   # b is needed
  # a comment between
  - server: two
  history:
  - date: 2026-01-01
    version: '1'
    change: >
      Made.
      So it was.

# the end
servers: [{name: one, tools: [{name: a}, {name: b}, {name: c}]},
          {name: two}]
"""


def test_other_ways_of_writing_are_kept_too(tmp_path: Path) -> None:
    """Lists at the left, comments between, lists in brackets, texts over lines."""
    path = tmp_path / "agents.yaml"
    path.write_text(WRITTEN)
    config = '[mcp_servers.one]\nenabled_tools = ["b", "c"]\n[mcp_servers.three]\ncommand="x"\n'
    lines = changed(path, "expense", deployed(tmp_path, "config.toml", config), version="2")
    after = path.read_text()
    for kept in ("# Ours\n", "# the expense agent", "# do not rename", "# all of it", "# first", "# b is needed", "# a comment between", "# the end"):  # fmt: skip
        assert kept in after
    assert "+  version: '2'" in lines
    assert "+    - c" in lines
    assert "-    - a" in lines
    assert "-  - server: two" in lines
    assert "+  - server: three" in lines
    assert "+  - date: 2026-11-25" in lines
    assert "{name: three}" in after
    made = registry.load(str(path)).agents["expense"]
    assert [(use.server, use.tools) for use in made.uses] == [("one", ("b", "c")), ("three", ())]
    assert len(made.history) == 2


def test_lists_in_brackets_are_written_anew_in_brackets(tmp_path: Path) -> None:
    """Also where tools inside of them change."""
    path = tmp_path / "agents.yaml"
    text = re.sub(r"  uses:.*?  history", "  uses: [{server: one, tools: [a, b]}, {server: two}]\n  history", WRITTEN, flags=re.DOTALL)  # fmt: skip
    path.write_text(text)
    config = '[mcp_servers.one]\nenabled_tools = ["b"]\n[mcp_servers.two]\ncommand="x"\n'
    lines = changed(path, "expense", deployed(tmp_path, "config.toml", config))
    assert "+  uses: [{server: two}, {server: one, tools: [b]}]" in lines


def test_the_agent_is_found_in_its_file_of_a_folder(tmp_path: Path) -> None:
    """Only that file changes."""
    folder = tmp_path / "agents"
    folder.mkdir()
    (folder / "a.yaml").write_text(EXAMPLE.read_text())
    (folder / "b.yaml").write_text(
        "agents:\n  - {id: b, purpose: P, owner: O, technical_contact: T, reviewer: R, operations: X,\n"
        "     department: D, version: '1'}\n"
    )
    made = registry_update.update(str(folder), "b", deployed(tmp_path, ".mcp.json", mcp("crm")), now=TODAY)  # fmt: skip
    assert made.path == str(folder / "b.yaml")
    assert "uses: [{server: crm}]" in made.after
    assert "history: [{date: 2026-11-25" in made.after


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.json", "{"), ("x.toml", "= 5"), ("x.json", {"other": 1}), ("x.json", [1]), ("x.json", {"tools": []})],
)  # fmt: skip
def test_what_is_no_deployment_is_told(tmp_path: Path, name: str, content: Any) -> None:
    """Without a word of what stands in it."""
    with pytest.raises(UsageError) as caught:
        deployed(tmp_path, name, content)
    assert caught.value.message.startswith(str(tmp_path / name))


def test_an_agent_that_is_not_registered_is_told(tmp_path: Path, path: Path) -> None:
    """With those that are."""
    with pytest.raises(UsageError, match="no agent is called 'nobody'"):
        changed(path, "nobody", deployed(tmp_path, ".mcp.json", mcp()))


def test_differences_say_what_a_reviewer_looks_at(tmp_path: Path, path: Path) -> None:
    """What gives an agent more, or changes who answers for it."""
    old = registry.load(str(EXAMPLE))
    text = EXAMPLE.read_text()
    for before, after in (
        ("owner: Head of sales", "owner: Head of research"),
        ("    pii: personal\n    budget: accounting month", "    pii: sensitive\n    budget: accounting month"),
        ("data_categories: [announcement]", "data_categories: []"),
        ("{name: search, read_only: true}", "{name: search}"),
        ("- {server: crm, tools: [find_customer, send_offer]}", "- {server: desk}\n      - {server: crm, tools: [find_customer]}"),
        ("      - {name: delete_notes, destructive: true, resources: [\"$.note_ids[*]\"]}\n", "      - {name: wipe, destructive: true}\n"),
        ("delete_notes, publish", "wipe, publish"),
        ("ids: [head.research@example.com]", "ids: [hr@example.com]"),
        ("{agent_names: [researcher]}", "{agent_names: [researcher, finder]}"),
    ):  # fmt: skip
        assert before in text
        text = text.replace(before, after)
    path.write_text(text)
    found = {(d.where, d.what, d.look) for d in differences(old, registry.load(str(path)))}
    assert {
        ("agent sales", "owner: Head of sales is Head of research now", True),
        ("agent expense", "pii: personal is sensitive now", True),
        ("agent writer", "data_categories: announcement removed", False),
        ("agent sales-2", "uses desk: all that are described", True),
        ("agent sales-2", "uses of crm: find_customer, not: find_customer, send_offer any more", True),
        ("agent researcher", "match changed", True),
        ("server library", "tool search: read_only: true is nothing now", True),
        ("server library", "tool wipe added (destructive)", True),
        ("server library", "tool delete_notes removed", False),
        ("contact Head of research", "changed", True),
    } <= found  # fmt: skip
    assert differences(old, old) == []
