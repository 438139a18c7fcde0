"""What differs between two versions of a registry, in words, and which of it a reviewer has to look at."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agenttrail.governance.registry import PII_LEVELS, Agent, Registry, Server

_LISTS = ("data_categories", "hands_over_to", "skills")
_WORDS = (
    "purpose", "owner", "technical_contact", "reviewer", "operations", "department", "office",
    "version", "budget", "deprecation", "replaced_by", "seen_within_days",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs. `look` marks what gives an agent more, or changes who answers for it."""

    where: str
    what: str
    look: bool = False


def differences(old: Registry, new: Registry) -> list[Difference]:
    """Everything that differs, agents first, each in the order of the new version."""
    return [
        *_both("agent", old.agents, new.agents, _agent),
        *_both("server", old.servers, new.servers, _server),
        *_tools("own tools", {t.name: t for t in old.tools}, {t.name: t for t in new.tools}),
        *_contacts(old, new),
    ]


def _both(kind: str, old: Mapping[str, Any], new: Mapping[str, Any], inner: Any) -> Iterator[Difference]:  # fmt: skip
    for name in [*new, *(n for n in old if n not in new)]:
        where = f"{kind} {name}"
        if name not in old:
            yield Difference(where, "added", look=True)
        elif name not in new:
            yield Difference(where, "removed")
        else:
            yield from inner(where, old[name], new[name])


def _agent(where: str, old: Agent, new: Agent) -> Iterator[Difference]:
    for name in _WORDS:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            look = name in ("owner", "reviewer", "operations", "deprecation", "budget")
            yield Difference(where, f"{name}: {_said(before)} is {_said(after)} now", look)
    if old.pii != new.pii:
        more = PII_LEVELS.index(new.pii) > PII_LEVELS.index(old.pii)
        yield Difference(where, f"pii: {old.pii} is {new.pii} now", more)
    for name in _LISTS:
        yield from _words(where, name, getattr(old, name), getattr(new, name), look=name != "skills")  # fmt: skip
    before = {use.server or "its own tools": use.tools for use in old.uses}
    after = {use.server or "its own tools": use.tools for use in new.uses}
    for server in [*after, *(s for s in before if s not in after)]:
        if server not in before:
            yield Difference(where, f"uses {server}{_of(after[server])}", look=True)
        elif server not in after:
            yield Difference(where, f"uses {server} no more")
        elif before[server] != after[server]:
            yield Difference(where, f"uses of {server}{_of(after[server])}, not{_of(before[server])} any more", look=True)  # fmt: skip
    for name in ("match", "baseline"):
        if getattr(old, name) != getattr(new, name):
            yield Difference(where, f"{name} changed", look=name == "match")
    for change in new.history[len(old.history) :]:
        yield Difference(where, f"history: {change.date} {change.version} {change.change}")


def _server(where: str, old: Server, new: Server) -> Iterator[Difference]:
    if old.description != new.description:
        yield Difference(where, "description changed")
    yield from _tools(where, {t.name: t for t in old.tools}, {t.name: t for t in new.tools})


def _tools(where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for name in [*new, *(n for n in old if n not in new)]:
        if name not in old:
            facts = [n for n in ("read_only", "destructive") if getattr(new[name], n)]
            yield Difference(where, f"tool {name} added{f' ({facts[0]})' if facts else ''}", look=True)  # fmt: skip
        elif name not in new:
            yield Difference(where, f"tool {name} removed")
        elif old[name] != new[name]:
            before, after = dataclasses.asdict(old[name]), dataclasses.asdict(new[name])
            for key in (k for k in after if before[k] != after[k]):
                yield Difference(where, f"tool {name}: {key}: {_said(before[key])} is {_said(after[key])} now", look=key != "minutes_saved")  # fmt: skip


def _contacts(old: Registry, new: Registry) -> Iterator[Difference]:
    for name in [*new.contacts, *(n for n in old.contacts if n not in new.contacts)]:
        if old.contacts.get(name) != new.contacts.get(name):
            yield Difference(f"contact {name}", "changed", look=True)


def _words(where: str, name: str, old: tuple[str, ...], new: tuple[str, ...], *, look: bool) -> Iterator[Difference]:  # fmt: skip
    for word in (w for w in new if w not in old):
        yield Difference(where, f"{name}: {word} added", look)
    for word in (w for w in old if w not in new):
        yield Difference(where, f"{name}: {word} removed")


def _of(tools: tuple[str, ...]) -> str:
    return f": {', '.join(tools)}" if tools else ": all that are described"


def _said(value: Any) -> str:
    if value is None or value == "" or value == ():
        return "nothing"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
