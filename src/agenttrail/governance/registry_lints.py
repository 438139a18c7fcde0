"""What is wrong with a registry as a whole: mistakes that make it unusable, and advice.

`consistent` finds what contradicts itself (nothing loads with that); `advise` finds what a reviewer
would ask about. Both note their problems in the documents, with file, line and a hint.
"""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Collection, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from agenttrail.decode import Document
from agenttrail.governance.registry import PII_LEVELS, Agent, Server, Tool

_WILD = set("*?[")


def consistent(documents: Sequence[Document]) -> None:
    """Ids and names that are given twice, uses of what is not described, unknown agents."""
    _twice(documents, "agents", "id", "agent")
    _twice(documents, "servers", "name", "server")
    for document, server in _parts(documents, "servers"):
        _tools_twice(document, server.tools)
    servers = {server.name: server for _, server in _parts(documents, "servers")}
    own = [tool for _, tool in _parts(documents, "tools")]
    ids = {agent.id for _, agent in _parts(documents, "agents")}
    for document, agent in _parts(documents, "agents"):
        _uses(document, agent, servers, own)
        for number, name in enumerate(agent.hands_over_to):
            _known(document, agent, f"hands_over_to[{number}]", "agent", name, ids)
        if agent.replaced_by is not None:
            _known(document, agent, "replaced_by", "agent", agent.replaced_by, ids)
    _matched_twice(documents)


def advise(documents: Sequence[Document], *, now: datetime.date) -> None:
    """What should not stay so: roles in one hand, dates that have passed, data beyond what is allowed.

    Args:
        documents: the registry's files.
        now: today.
    """
    people = {n: set(c.ids) for d in documents if d.value for n, c in d.value.contacts.items()}
    servers = {server.name: server for _, server in _parts(documents, "servers")}
    own = [tool for _, tool in _parts(documents, "tools")]
    used: set[str] = set()
    for document, agent in _parts(documents, "agents"):
        used |= {use.server for use in agent.uses if use.server}
        if _same(agent.owner, agent.operations, people):
            document.problem(
                agent, "operations", "owner and operations are the same",
                "who answers for an agent and who runs it are two: name another team",
            )  # fmt: skip
        _dates(document, agent, now)
        _data(document, agent, servers, own)
    for document, server in _parts(documents, "servers"):
        if server.name not in used:
            document.problem(
                server, "name", f"no agent uses server '{server.name}'",
                "add it to an agent's uses, or take it out",
            )  # fmt: skip


def _parts(documents: Iterable[Document], name: str) -> Iterator[tuple[Document, Any]]:
    for document in documents:
        if document.value is not None:
            for part in getattr(document.value, name):
                yield document, part


def _twice(documents: Sequence[Document], parts: str, option: str, what: str) -> None:
    first: dict[str, str] = {}
    for document, part in _parts(documents, parts):
        name = getattr(part, option)
        if name in first:
            document.problem(
                part, option, f"{what} '{name}' is described twice", f"first at {first[name]}"
            )
        else:
            first[name] = document.place(part, option)


def _tools_twice(document: Document, tools: Sequence[Tool]) -> None:
    first: dict[str, str] = {}
    for tool in tools:
        if tool.name in first:
            document.problem(tool, "name", f"tool '{tool.name}' is described twice", f"first at {first[tool.name]}")  # fmt: skip
        first.setdefault(tool.name, document.place(tool, "name"))


def _uses(
    document: Document, agent: Agent, servers: dict[str, Server], own: Sequence[Tool]
) -> None:
    for use in agent.uses:
        if use.server is not None and use.server not in servers:
            _known(document, use, "server", "server", use.server, servers)
            continue
        tools = own if use.server is None else servers[use.server].tools
        names = [tool.name for tool in tools]
        for number, name in enumerate(use.tools):
            if _WILD & set(name):
                if name != "*" and not any(fnmatchcase(known, name) for known in names):
                    document.problem(use, f"tools[{number}]", f"no tool fits '{name}'", f"known: {', '.join(sorted(names)) or 'none'}")  # fmt: skip
            elif not any(fnmatchcase(name, known) for known in names):
                place = f" of server '{use.server}'" if use.server else ""
                _known(document, use, f"tools[{number}]", f"tool{place}", name, names)


def _known(
    document: Document, part: Any, option: str, what: str, name: str, known: Collection[str]
) -> None:
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=1)
    kind, _, rest = what.partition(" ")
    document.problem(
        part, option, f"no {kind} is called '{name}'{' ' + rest if rest else ''}",
        f"known: {', '.join(sorted(known)) or 'none'}",
        f"did you mean '{close[0]}'?" if close else "",
    )  # fmt: skip


def _matched_twice(documents: Sequence[Document]) -> None:
    """The same match in two agents: the second would never be found."""
    first: dict[Any, tuple[str, str]] = {}
    for document, agent in _parts(documents, "agents"):
        for match in agent.match:
            other = first.setdefault(match, (agent.id, document.place(match)))
            if other[0] != agent.id:
                document.problem(
                    match, "", f"agent '{other[0]}' has the same match and comes first",
                    f"at {other[1]}; add what tells the two apart",
                )  # fmt: skip


def _same(one: str, other: str, people: dict[str, set[str]]) -> bool:
    return one.casefold() == other.casefold() or bool(
        people.get(one, set()) & people.get(other, set())
    )


def _dates(document: Document, agent: Agent, now: datetime.date) -> None:
    if agent.deprecation is not None:
        if datetime.date.fromisoformat(agent.deprecation) <= now:
            document.problem(
                agent, "deprecation", f"agent '{agent.id}' is past its deprecation date",
                "retire it, or set a later day and say why in its history",
            )  # fmt: skip
        elif agent.replaced_by is None:
            document.problem(agent, "deprecation", "nothing is said to come after it", "replaced_by: ID")  # fmt: skip
    days = [change.date for change in agent.history]
    if days != sorted(days):
        document.problem(agent, "history", "is not in the order of its days", "the latest last")
    if not agent.history:
        document.problem(agent, "history", "is empty", "one entry for the version in use")
    elif agent.history[-1].version != agent.version:
        document.problem(
            agent, "version", "is not that of the last entry of its history",
            "add an entry, or use: agenttrail registry update",
        )  # fmt: skip


def _data(
    document: Document, agent: Agent, servers: dict[str, Server], own: Sequence[Tool]
) -> None:
    for use in agent.uses:
        if use.server is not None and use.server not in servers:
            continue
        tools = own if use.server is None else servers[use.server].tools
        for tool in tools:
            if use.tools and not any(fnmatchcase(tool.name, name) for name in use.tools):
                continue
            extra = sorted(set(tool.data_categories) - set(agent.data_categories))
            if extra:
                document.problem(
                    use, "", f"tool '{tool.name}' deals with {', '.join(extra)}, which '{agent.id}' may not",
                    "allow the category, or take the tool out",
                )  # fmt: skip
            if PII_LEVELS.index(tool.pii) > PII_LEVELS.index(agent.pii):
                document.problem(
                    use, "", f"tool '{tool.name}' deals with {tool.pii} data; '{agent.id}' may at most {agent.pii}",
                    "raise the agent's pii, or take the tool out",
                )  # fmt: skip
