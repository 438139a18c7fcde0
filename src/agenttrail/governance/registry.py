"""The agent registry: which agents there are, whose they are, what they use and what they may read.

One YAML file (`agents.yaml`), or a folder of such files read as one. Servers and tools are described
once, with what is known of each tool; an agent names those that it uses:

    contacts:
      Head of accounting: {ids: [head.accounting@example.com]}
    servers:
      - name: expenses
        tools:
          - {name: get_claim, read_only: true, data_categories: [finance], resources: [$.claim_id]}
          - {name: pay_claim, destructive: true, data_categories: [finance], resources: [$.claim_id]}
    agents:
      - id: expense
        purpose: Checks expense claims and pays them
        owner: Head of accounting
        operations: Platform team
        …
        match: [{agent_names: [expense-*]}]
        uses: [{server: expenses}]

Which agent an event is of: the first in the file of which one `match` fits. A `match` fits where each
thing it names (agent name, MCP client, OTel service, …) has a value that one of its patterns (as in a
shell: `*`, `?`, `[ab]`; upper and lower case differ) covers. An agent without `match` is found by its
id as agent id or agent name.

Tools that belong to no MCP server (an agent's own: Bash, Read) stand under `tools`, and a `uses`
entry without `server` names them. An entry without `tools` means all that are described.

Limits: names that agents and clients give of themselves can be forged; match what you control (the
collector's file, the service, the working directory) where that matters.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from agenttrail import decode
from agenttrail import fields as f
from agenttrail.errors import ConfigError, OptionError
from agenttrail.governance import paths
from agenttrail.shapes import LABEL, TOKEN

Pii = Literal["none", "pseudonymous", "personal", "sensitive"]
PII_LEVELS: tuple[str, ...] = get_args(Pii)

K = TypeVar("K")
V = TypeVar("V")
_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
# Keys are names that logs give: what is remembered of them is bounded.
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A person or team and the names by which other systems know them."""

    ids: Annotated[
        tuple[str, ...], "Who this is in approval systems and chats: accounts, addresses."
    ] = ()
    channel: Annotated[str, "Where they are reached: a chat channel, a phone list."] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """What is known of one tool; its own annotations are a claim, this is what you hold true."""

    name: Annotated[str, "Its name, or a pattern: get_*."]
    read_only: Annotated[bool | None, "It changes nothing."] = None
    idempotent: Annotated[bool | None, "Calling it twice is as calling it once."] = None
    destructive: Annotated[bool | None, "What it does cannot be taken back."] = None
    data_categories: Annotated[tuple[str, ...], "Categories of the data that it deals with."] = ()
    pii: Annotated[Pii, "Personal data that it deals with, at most."] = "none"
    resources: Annotated[
        tuple[str, ...],
        "JSONPaths into the arguments to the keys of the records that it reads or changes: equal keys, one record.",
    ] = ()
    minutes_saved: Annotated[
        float | None, "Minutes of work that one call saves a person, for reports."
    ] = None

    def __post_init__(self) -> None:
        if not self.name:
            raise OptionError("name", "is empty", hint="its name, or a pattern: get_*")
        if self.read_only and self.destructive:
            raise OptionError(
                "destructive",
                "a tool that is read_only destroys nothing",
                hint="leave one of the two out",
            )
        _tokens("data_categories", self.data_categories)
        for number, path in enumerate(self.resources):
            paths.compiled(path, f"resources[{number}]")
        if self.minutes_saved is not None and self.minutes_saved < 0:
            raise OptionError("minutes_saved", "must not be negative", hint="0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """An MCP server and its tools."""

    name: Annotated[str, "As events have it: the name in the client's configuration, else its own."]
    description: Annotated[str, "What it is for."] = ""
    tools: Annotated[tuple[Tool, ...], "Its tools."] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Tools that an agent uses."""

    server: Annotated[str | None, "An MCP server; null: the tools that belong to none."] = None
    tools: Annotated[tuple[str, ...], "Names or patterns; empty: all that are described."] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What an agent's events have: every thing that is named must fit one of its patterns."""

    agent_ids: Annotated[tuple[str, ...], "The agent's id, gen_ai.agent.id."] = ()
    agent_names: Annotated[tuple[str, ...], "Its name, gen_ai.agent.name."] = ()
    agent_types: Annotated[tuple[str, ...], "Kind of sub-agent, agenttrail.agent.type."] = ()
    clients: Annotated[tuple[str, ...], "The MCP client, agenttrail.mcp.client.name."] = ()
    servers: Annotated[tuple[str, ...], "The MCP server, agenttrail.mcp.server.name."] = ()
    services: Annotated[tuple[str, ...], "service.name of the OTel resource."] = ()
    user_agents: Annotated[tuple[str, ...], "The HTTP header User-Agent."] = ()
    files: Annotated[tuple[str, ...], "Where the log was read, agenttrail.source.file."] = ()
    working_directories: Annotated[
        tuple[str, ...], "Where it works, process.working_directory."
    ] = ()
    namespaces: Annotated[tuple[str, ...], "The operator's own data_stream.namespace."] = ()

    def __post_init__(self) -> None:
        if not any(getattr(self, name) for name in self.__slots__):
            raise OptionError("", "names nothing", hint="agent_names: [NAME]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One entry of an agent's history."""

    date: Annotated[str, "Day, as 2026-11-25."]
    version: Annotated[str, "Version that it made."]
    change: Annotated[str, "What changed and why."]
    by: Annotated[str, "Who changed it."] = ""

    def __post_init__(self) -> None:
        day("date", self.date)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What the work took before the agent did it, for reports."""

    minutes_per_task: Annotated[float, "Minutes that a person took for one task."]
    cost_per_hour: Annotated[float, "What an hour of that work costs."]
    currency: Annotated[str, "ISO 4217 code of that cost."]

    def __post_init__(self) -> None:
        for name in ("minutes_per_task", "cost_per_hour"):
            if getattr(self, name) < 0:
                raise OptionError(name, "must not be negative", hint="0 or more")
        currency("currency", self.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One agent: whose it is, what it is for, what it uses and may read."""

    id: Annotated[str, "Lower case letters, digits, dots, dashes; never used for another agent."]
    purpose: Annotated[str, "What it is for, in one sentence."]
    owner: Annotated[str, "Business owner: answers for what it does. A role rather than a person."]
    technical_contact: Annotated[str, "Who knows how it works."]
    reviewer: Annotated[str, "Who approves what it asks for and reviews its work."]
    operations: Annotated[str, "Who runs it; not the owner."]
    department: Annotated[str, "Department that it works for."]
    version: Annotated[str, "Version in use."]
    office: Annotated[str, "Place that it works for."] = ""
    match: Annotated[tuple[Match, ...], "What its events have; one of these has to fit."] = ()
    uses: Annotated[tuple[Use, ...], "MCP servers and tools that it uses."] = ()
    skills: Annotated[tuple[str, ...], "Ids of the skills on its A2A agent card."] = ()
    hands_over_to: Annotated[tuple[str, ...], "Ids of agents that it may hand over to."] = ()
    data_categories: Annotated[tuple[str, ...], "Categories of data that it may deal with."] = ()
    pii: Annotated[Pii, "Personal data that it may deal with, at most."] = "none"
    budget: Annotated[str | None, "Name of its budget in the policy."] = None
    deprecation: Annotated[str | None, "Day from which it is not to be used, as 2027-03-31."] = None
    replaced_by: Annotated[str | None, "Id of the agent that comes after it."] = None
    seen_within_days: Annotated[
        int | None, "Days without an event after which something is wrong; null: any number."
    ] = None
    baseline: Annotated[Baseline | None, "What its work took before."] = None
    history: Annotated[tuple[Change, ...], "Its changes, the latest last."] = ()

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise OptionError(
                "id", "is lower case letters, digits, dots and dashes, up to 64", hint="id: expense"
            )
        # They leave as they are, past the mask: `fields.LABEL` says what such words may be.
        for name in ("purpose", "owner", "department"):
            if not LABEL.fits(getattr(self, name)):
                raise OptionError(
                    name, "is one line of up to 200 characters without <, > and @",
                    hint="name a role; addresses stand under contacts",
                )  # fmt: skip
        for name in ("technical_contact", "reviewer", "operations", "version"):
            if not getattr(self, name).strip():
                raise OptionError(name, "is empty", hint="write what it is")
        _tokens("data_categories", self.data_categories)
        if self.deprecation is not None:
            day("deprecation", self.deprecation)
        if self.seen_within_days is not None and self.seen_within_days < 1:
            raise OptionError(
                "seen_within_days", "must be at least 1", hint="null: any number of days"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryFile:
    """An agents.yaml, or one file of a folder."""

    explained_as: ClassVar[str] = "agents"

    contacts: Annotated[
        dict[str, Contact], "Owners and the like, by the names that agents give them."
    ] = field(default_factory=dict)
    servers: Annotated[tuple[Server, ...], "MCP servers and their tools."] = ()
    tools: Annotated[tuple[Tool, ...], "Tools that belong to no server: an agent's own."] = ()
    agents: Annotated[tuple[Agent, ...], "The agents."] = ()


class Registry:
    """What one or more files say; see the module.

    Args:
        files: what was read, in order.
    """

    def __init__(self, files: Sequence[RegistryFile]) -> None:
        self.agents = {agent.id: agent for file in files for agent in file.agents}
        self.contacts = {n: c for file in files for n, c in file.contacts.items()}
        self.servers = {server.name: server for file in files for server in file.servers}
        self.tools = tuple(tool for file in files for tool in file.tools)
        self._matches = [
            (agent, _patterns(match)) for agent in self.agents.values() for match in _matches(agent)
        ]
        used = {name for _, patterns in self._matches for name, _ in patterns}
        self._asked = tuple(name for name in _READERS if name in used)
        self._agents: dict[tuple[Any, ...], Agent | None] = {}
        self._facts: dict[tuple[str | None, str], Tool | None] = {}
        self._declared: dict[tuple[str, str | None, str | None], str | None] = {}

    def identify(self, fields: Mapping[str, Any]) -> Agent | None:
        """The agent that an event is of, by its raw fields; None where none is registered for it."""
        key = tuple([_READERS[name](fields) for name in self._asked])
        if key in self._agents:
            return self._agents[key]
        values = dict(zip(self._asked, key, strict=True))
        found = next(
            (
                agent for agent, patterns in self._matches
                if all(_covered(values[name], globs) for name, globs in patterns)
            ),
            None,
        )  # fmt: skip
        return _remember(self._agents, key, found)

    def facts(self, server: str | None, tool: str) -> Tool | None:
        """What is known of a tool; None where it is not described."""
        key = (server, tool)
        if key in self._facts:
            return self._facts[key]
        known = self.tools if server is None else getattr(self.servers.get(server), "tools", ())
        exact = next((t for t in known if t.name == tool), None)
        found = exact or next((t for t in known if fnmatchcase(tool, t.name)), None)
        return _remember(self._facts, key, found)

    def undeclared(self, agent: Agent, server: str | None, tool: str | None) -> str | None:
        """undeclared_server or undeclared_tool, as findings are called; None where all is declared."""
        key = (agent.id, server, tool)
        if key not in self._declared:
            _remember(self._declared, key, self._undeclared(agent, server, tool))
        return self._declared[key]

    def _undeclared(self, agent: Agent, server: str | None, tool: str | None) -> str | None:
        uses = [use for use in agent.uses if use.server == server]
        if not uses and server is not None:
            return "undeclared_server"
        if tool is None:
            return None
        for use in uses:
            named = any(fnmatchcase(tool, pattern) for pattern in use.tools)
            if named or (not use.tools and self.facts(server, tool) is not None):
                return None
        return "undeclared_tool"

    def owner_names(self, agent: Agent) -> list[str]:
        """All names by which systems know the agent's business owner."""
        contact = self.contacts.get(agent.owner)
        return [agent.owner, *(contact.ids if contact else ())]

    def is_owner(self, agent: Agent, who: str) -> bool:
        """Whether `who`, as an approval system names people, is the agent's business owner."""
        return who.casefold() in {name.casefold() for name in self.owner_names(agent)}


def bare_tool(tool: str, server: str | None) -> str:
    """A tool's name without the client's prefix: mcp__expenses__pay_claim is pay_claim of expenses.

    Clients write mcp__SERVER__TOOL (Claude Code, Codex) or the name alone.
    """
    if tool.startswith("mcp__"):
        prefix = f"mcp__{server}__" if server is not None else ""
        if prefix and tool.startswith(prefix):
            return tool[len(prefix) :]
        return tool[5:].partition("__")[2] or tool
    return tool


def load(path: str) -> Registry:
    """The registry of a file, or of all .yaml and .yml files of a folder.

    Raises:
        ConfigError: everything that is wrong with it, at once.
    """
    from agenttrail.governance import registry_lints

    documents = survey(path)
    registry_lints.consistent(documents)
    problems = [problem for document in documents for problem in document.problems]
    if problems:
        raise ConfigError(problems)
    return Registry([document.value for document in documents])


def survey(path: str) -> list[decode.Document]:
    """The files of a registry as far as they can be read, each with its problems.

    Raises:
        ConfigError: there is no such file, or none in the folder.
    """
    files = files_of(path)
    if not files:
        raise ConfigError([f"{path}: no .yaml file is in this folder"])
    return [decode.document(decode.text_of(name), name, RegistryFile) for name in files]


def files_of(path: str) -> list[str]:
    """The files of a registry, sorted."""
    if not Path(path).is_dir():
        return [path]
    found = [p for p in Path(path).iterdir() if p.suffix in (".yaml", ".yml") and p.is_file()]
    return [str(p) for p in sorted(found)]


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of an agents.yaml, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "agenttrail agent registry",
        **decode.schema(RegistryFile),
    }


def day(option: str, text: str) -> datetime.date:
    """The day that a text such as 2026-11-25 names.

    Raises:
        OptionError: it names none.
    """
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise OptionError(option, "is no day", hint="as 2026-11-25") from None


def currency(option: str, text: str) -> None:
    """Checks an ISO 4217 code by its form.

    Raises:
        OptionError: it is none.
    """
    if not re.fullmatch("[A-Z]{3}", text):
        raise OptionError(option, "is no currency", hint="an ISO 4217 code: JPY, THB, LAK, USD")


def _tokens(option: str, values: Sequence[str]) -> None:
    for value in values:
        if not TOKEN.fits(value):
            raise OptionError(
                option, "a category is letters, digits, dots and dashes", hint="[finance, customer]"
            )


def _remember(cache: dict[K, V], key: K, value: V) -> V:
    if len(cache) >= _REMEMBERED:
        cache.clear()
    cache[key] = value
    return value


# --- what a match looks at -----------------------------------------------------------------------
def _service(fields: Mapping[str, Any]) -> Any:
    """service.name: OTel formats keep resource attributes under source.raw."""
    raw = fields.get(f.SOURCE_RAW)
    for place in ("resource", "resource_attributes", None):
        inner = raw if place is None else raw.get(place) if isinstance(raw, dict) else None
        if isinstance(inner, dict):
            inner = inner.get("attributes", inner) if place == "resource" else inner
            if isinstance(inner, dict) and "service.name" in inner:
                return _text(inner["service.name"])
    return None


def _user_agent(fields: Mapping[str, Any]) -> Any:
    headers = fields.get(f.MCP_HEADERS)
    if isinstance(headers, dict):
        for name, value in headers.items():
            if name.lower() == "user-agent":
                return _text(value)
    return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _field(name: str) -> Any:
    return lambda fields: _text(fields.get(name))


_READERS: dict[str, Any] = {
    "agent_ids": _field(f.AGENT_ID),
    "agent_names": _field(f.AGENT_NAME),
    "agent_types": _field(f.AGENT_TYPE),
    "clients": _field(f.MCP_CLIENT_NAME),
    "servers": _field(f.MCP_SERVER_NAME),
    "services": _service,
    "user_agents": _user_agent,
    "files": _field(f.SOURCE_FILE),
    "working_directories": _field(f.PROCESS_WORKING_DIRECTORY),
    "namespaces": _field(f.DATA_STREAM_NAMESPACE),
}


def _matches(agent: Agent) -> Iterator[Match]:
    if agent.match:
        yield from agent.match
    else:
        yield Match(agent_ids=(agent.id,))
        yield Match(agent_names=(agent.id,))


def _patterns(match: Match) -> list[tuple[str, tuple[str, ...]]]:
    return [(name, getattr(match, name)) for name in _READERS if getattr(match, name)]


def _covered(value: str | None, globs: Sequence[str]) -> bool:
    return value is not None and any(fnmatchcase(value, glob) for glob in globs)
