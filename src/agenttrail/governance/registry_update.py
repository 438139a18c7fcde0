"""Brings an agent's entry in line with what is deployed: what a pipeline calls after a deployment.

Read are, by what they hold:

- an MCP configuration: `.mcp.json` and `claude_desktop_config.json` (`mcpServers`), VS Code's `mcp.json`
  (`servers`), Codex's `config.toml` (`mcp_servers`, with `enabled`, `enabled_tools`, `disabled_tools`);
- an A2A agent card (`agent-card.json`): version and skills;
- a server's answer to `tools/list`: its tools, with their annotations as a first word on each of them.

Only what differs is changed: servers that the agent uses, tools that its configuration allows, skills,
version. A server that the registry does not describe is added without tools, a tool with the server's
own claims: somebody has to say what they deal with, and `agenttrail registry check` asks. Each update
that changes something is an entry in the agent's history. Purpose, owner and the like are people's.

Limits: `disabled_tools` leave the described tools of the server without those; what is not described
cannot be left out.
"""

from __future__ import annotations

import datetime
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from agenttrail import decode
from agenttrail.errors import Bug, UsageError
from agenttrail.governance import registry
from agenttrail.governance._yaml_edit import Edits, Plain, child

_LAST = "history"  # the key that others are written before
_CLAIMS = {"readOnlyHint": "read_only", "destructiveHint": "destructive", "idempotentHint": "idempotent"}  # fmt: skip


@dataclass(slots=True)
class Allowed:
    """What of a server's tools a configuration lets the agent use."""

    only: tuple[str, ...] = ()  # empty: all
    without: tuple[str, ...] = ()


@dataclass(slots=True)
class Deployed:
    """What one or more files of a deployment say; None is nothing."""

    servers: dict[str, Allowed] | None = None
    version: str | None = None
    skills: list[str] | None = None
    tools: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by server


@dataclass(slots=True)
class Update:
    """The registry's file as it should be, and what changed in words."""

    path: str
    before: str
    after: str
    changes: list[str]


def read(paths: Sequence[str], *, server: str | None = None) -> Deployed:
    """What files of a deployment say together.

    Args:
        paths: the files.
        server: whose answer to tools/list is among them.

    Raises:
        UsageError: one cannot be read, or is none of these.
    """
    found = Deployed()
    for path in paths:
        data = _parsed(path)
        servers = next((data[key] for key in ("mcpServers", "mcp_servers", "servers") if isinstance(data.get(key), dict)), None)  # fmt: skip
        tools = data.get("tools", (data.get("result") or {}).get("tools") if isinstance(data.get("result"), dict) else None)  # fmt: skip
        if servers is not None:
            found.servers = {**(found.servers or {}), **_servers(servers)}
        elif isinstance(data.get("skills"), list) and isinstance(data.get("version"), str):
            found.version = data["version"]
            found.skills = [s["id"] for s in data["skills"] if isinstance(s, dict) and isinstance(s.get("id"), str)]  # fmt: skip
        elif isinstance(tools, list):
            if server is None:
                raise UsageError(f"{path}: is an answer to tools/list, of which server?", hint="--server NAME")  # fmt: skip
            found.tools[server] = [t for t in tools if isinstance(t, dict) and isinstance(t.get("name"), str)]  # fmt: skip
        else:
            raise UsageError(
                f"{path}: is no MCP configuration, no agent card and no answer to tools/list",
                hint="known: .mcp.json, claude_desktop_config.json, mcp.json, config.toml, agent-card.json",
            )
    return found


def update(
    path: str,
    agent_id: str,
    deployed: Deployed,
    *,
    now: datetime.date,
    version: str | None = None,
    by: str = "",
    reason: str = "",
) -> Update:
    """The file that an agent's entry stands in, brought in line.

    Args:
        path: the registry, a file or a folder.
        agent_id: whose entry.
        deployed: what is in use.
        now: today, for the history.
        version: that is deployed; None: the agent card's, else as it was.
        by: who deploys, for the history.
        reason: why, for the history.

    Raises:
        ConfigError: the registry has mistakes.
        UsageError: it has no such agent.
    """
    known = registry.load(path)
    if agent_id not in known.agents:
        raise UsageError(f"{path}: no agent is called '{agent_id}'", hint=f"known: {', '.join(sorted(known.agents))}")  # fmt: skip
    name, edits, entry = _entry(path, agent_id)
    agent = known.agents[agent_id]
    changes: list[str] = []
    described: set[str] = set()
    if deployed.servers is not None:
        _change_uses(edits, entry, agent, deployed.servers, known, changes)
        described = {s for s in deployed.servers if s not in known.servers}
    described |= {s for s in deployed.tools if s not in known.servers}
    changes += [f"server {server} described" for server in sorted(described)]
    for server, tools in deployed.tools.items():
        if server in known.servers:
            _change_tools(path, name, edits, known.servers[server], tools, changes)
    if described:
        added = [_server(s, deployed.tools.get(s, [])) for s in sorted(described)]
        _extend(edits, edits.root, "servers", added)
    if deployed.skills is not None:
        _change_words(edits, entry, "skills", list(agent.skills), deployed.skills, changes)
    version = version or deployed.version or agent.version
    if version != agent.version:
        edits.replace(child(entry, "version"), version)
        changes.append(f"version {agent.version} is {version} now")
    if changes:
        said = "; ".join(changes)
        item = {"date": Plain(now.isoformat()), "version": version, "change": f"{reason}: {said}" if reason else said}  # fmt: skip
        _extend(edits, entry, "history", [item | ({"by": by} if by else {})])
    after = edits.applied()
    document = decode.document(after, name, registry.RegistryFile)
    if document.problems or not _holds(document.value, agent_id, version, deployed):
        raise Bug(f"{name}: cannot be edited as it is written", hint="edit it by hand, and please report how it is written")  # fmt: skip
    return Update(name, edits.text, after, changes)


def _parsed(path: str) -> dict[str, Any]:
    text = decode.text_of(path)
    try:
        data = tomllib.loads(text) if Path(path).suffix == ".toml" else json.loads(text)
    except ValueError as error:
        # Their words name a place; the text around it may hold secrets of the configuration.
        line = getattr(error, "lineno", None)
        raise UsageError(f"{path}{f':{line}' if line else ''}: is neither JSON nor TOML") from None
    return data if isinstance(data, dict) else {}


def _servers(given: Mapping[str, Any]) -> dict[str, Allowed]:
    found = {}
    for name, entry in given.items():
        entry = entry if isinstance(entry, dict) else {}
        if entry.get("enabled") is False or entry.get("disabled") is True:
            continue
        found[name] = Allowed(_words(entry.get("enabled_tools")), _words(entry.get("disabled_tools")))  # fmt: skip
    return found


def _words(value: Any) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def _entry(path: str, agent_id: str) -> tuple[str, Edits, yaml.MappingNode]:
    for name in registry.files_of(path):
        edits = Edits(decode.text_of(name))
        agents = child(edits.root, "agents")
        for entry in agents.value if agents is not None else ():
            if child(entry, "id").value == agent_id:
                return name, edits, entry
    raise Bug(f"{path}: an agent that is registered has no entry")


def _change_uses(
    edits: Edits, entry: yaml.MappingNode, agent: registry.Agent, wanted: dict[str, Allowed],
    known: registry.Registry, changes: list[str],
) -> None:  # fmt: skip
    uses = child(entry, "uses")
    used = {use.server: use for use in agent.uses if use.server is not None}
    gone = [node for node in (uses.value if uses is not None else ()) if _server_of(node) not in (None, *wanted)]  # fmt: skip
    changes += [f"server {_server_of(node)} is not used any more" for node in gone]
    added = []
    for name, allowed in wanted.items():
        tools = _tools_of(allowed, known.servers.get(name))
        if name not in used:
            added.append({"server": name, **({"tools": tools} if tools else {})})
            changes.append(f"server {name} is used" + (f", tools {', '.join(tools)}" if tools else ""))  # fmt: skip
        elif (allowed.only or allowed.without) and set(tools) != set(used[name].tools):
            node = next(n for n in uses.value if _server_of(n) == name)
            if uses.flow_style:  # its text is written anew as a whole
                gone.append(node)
                added.append({"server": name, "tools": tools})
                changes.append(
                    f"server {name}: tools {', '.join(tools) or 'all that are described'}"
                )
                continue
            _change_words(edits, node, "tools", list(used[name].tools), tools, changes, f"server {name}: ")  # fmt: skip
    if uses is None:
        _extend(edits, entry, "uses", added)
    elif gone or added:
        edits.change(uses, gone, added)


def _tools_of(allowed: Allowed, server: registry.Server | None) -> list[str]:
    if allowed.only:
        return [name for name in allowed.only if name not in allowed.without]
    if not allowed.without or server is None:
        return []
    return [tool.name for tool in server.tools if tool.name not in allowed.without]


def _server_of(node: yaml.Node) -> str | None:
    found = child(node, "server")
    return None if found is None or found.tag.endswith(":null") else str(found.value)


def _change_words(
    edits: Edits, mapping: yaml.MappingNode, key: str, before: list[str], after: list[str],
    changes: list[str], prefix: str = "",
) -> None:  # fmt: skip
    """A list of words: those that are gone out, new ones behind the others."""
    gone, new = [w for w in before if w not in after], [w for w in after if w not in before]
    if not gone and not new:
        return
    what = key.removesuffix("s")
    changes += [f"{prefix}{what} {word} added" for word in new]
    changes += [f"{prefix}{what} {word} removed" for word in gone]
    node = child(mapping, key)
    if node is None:
        edits.put(mapping, key, new, before=_LAST)
        return
    edits.change(node, [item for item in node.value if item.value in gone], new)


def _change_tools(
    path: str, name: str, edits: Edits, server: registry.Server, tools: list[dict[str, Any]], changes: list[str]
) -> None:  # fmt: skip
    described = {tool.name for tool in server.tools}
    new = [tool for tool in tools if tool["name"] not in described]
    changes += [f"server {server.name}: tool {tool['name']} described" for tool in new]
    servers = child(edits.root, "servers")
    node = next((n for n in (servers.value if servers else ()) if child(n, "name").value == server.name), None)  # fmt: skip
    if new and node is None:
        raise UsageError(
            f"{path}: server {server.name} is described in another file than the agent ({name})",
            hint="update that file: its own agents first",
        )
    if new:
        _extend(edits, node, "tools", [_tool(tool) for tool in new])


def _server(name: str, tools: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, **({"tools": [_tool(tool) for tool in tools]} if tools else {})}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    given = tool.get("annotations")
    claims: dict[str, Any] = given if isinstance(given, dict) else {}
    made: dict[str, Any] = {"name": tool["name"]}
    made |= {ours: claims[theirs] for theirs, ours in _CLAIMS.items() if isinstance(claims.get(theirs), bool)}  # fmt: skip
    if made.get("read_only"):
        made.pop("destructive", None)  # MCP: has no meaning where readOnlyHint is true
    return made


def _extend(edits: Edits, mapping: Any, key: str, items: list[Any]) -> None:
    node = child(mapping, key)
    if not items:
        return
    if node is None:
        edits.put(mapping, key, items, before=_LAST)
        return
    edits.change(node, [], items)


def _holds(value: registry.RegistryFile, agent_id: str, version: str, deployed: Deployed) -> bool:
    """Whether a file that was edited says what it should."""
    agent = next(a for a in value.agents if a.id == agent_id)
    used = {use.server for use in agent.uses if use.server is not None}
    return (
        agent.version == version
        and (deployed.servers is None or used == set(deployed.servers))
        and (deployed.skills is None or set(agent.skills) == set(deployed.skills))
    )
