"""Says whose agent an event is of, what data it deals with, and what the registry does not allow.

From the agent registry (`agenttrail explain agents`) it adds agent id, owner, department and purpose,
the data categories that are declared for the tool, what it says of the tool (read only, idempotent,
destructive: over the server's own claim), and findings:

- `unregistered_agent`: no entry's match fits the event;
- `undeclared_server`, `undeclared_tool`: the agent's entry does not name what it used;
- `category_not_allowed`: the tool deals with a category, or with personal data, beyond the agent's;
- `past_deprecation`: the event is of the agent's deprecation date or later;
- `not_seen`: the agent's first event after more days of silence than `seen_within_days` allows. The
  opposite, an agent that is silent now, has no event: `agenttrail registry unseen` lists those.

With a key, `agenttrail.resource.ids` holds a keyed hash of each record that the call reads or changes
(the registry's `resources` of the tool): equal records have equal hashes in every event, so that two
agents at one record are seen, and nobody without the key can try out ids. Without a key there are
none: a key made up for one run would not say the same tomorrow.

What the event itself claims in these fields is taken out: only the registry speaks here.

Limits: 100 records a call. A record is known by server and key alone: order 5 and ticket 5 of one
server are the same, and one record behind two servers is two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar

from agenttrail import fields as f
from agenttrail.governance import paths, seen
from agenttrail.governance.hashing import Hasher
from agenttrail.governance.registry import PII_LEVELS, Agent, Registry, Tool, bare_tool, load
from agenttrail.governance.state import State
from agenttrail.keys import KeyOptions, read_keys
from agenttrail.seams import Event

_OURS = (
    f.REGISTRY_AGENT_ID, f.REGISTRY_OWNER, f.REGISTRY_DEPARTMENT, f.REGISTRY_PURPOSE,
    f.REGISTRY_FINDINGS, f.RESOURCE_IDS,
)  # fmt: skip
_MOST_RECORDS = 100
# Servers and tools are named by logs: what is remembered of them is bounded.
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryOptions:
    """Owner, department, purpose and data categories by the agent registry, and what it does not allow."""

    type: ClassVar[str] = "registry"
    path: Annotated[str, "The registry: agents.yaml, or a folder of such files."]
    key: Annotated[
        KeyOptions | None, "Key that the keys of records are hashed with; null: no resource ids."
    ] = None
    state: Annotated[
        str | None,
        "File that remembers when each agent was last seen, for not_seen and `registry unseen`.",
    ] = None

    def build(self) -> RegistryEnricher:
        registry = load(self.path)
        hasher = None
        if self.key is not None:
            (key,) = read_keys("key", (self.key,))
            hasher = Hasher(key.secret)
        state = None if self.state is None else State(self.state, seen.SCOPE)
        return RegistryEnricher(registry, hasher=hasher, state=state)


@dataclass(frozen=True, slots=True)
class _Known:
    """What every event of one agent with one tool gets."""

    added: dict[str, Any]
    findings: tuple[str, ...]
    categories: tuple[str, ...]
    records: tuple[Callable[[Any], list[Any]], ...]


class RegistryEnricher:
    """See the module."""

    def __init__(
        self, registry: Registry, *, hasher: Hasher | None = None, state: State | None = None
    ) -> None:
        self._registry, self._hasher, self._state = registry, hasher, state
        self._seen = None if state is None else seen.Seen(state)
        self._known: dict[tuple[str, str | None, str | None], _Known] = {}

    def __call__(self, event: Event, /) -> Event:
        fields = event.fields
        merged = dict(fields)
        for name in _OURS:
            merged.pop(name, None)
        agent = self._registry.identify(fields) or self._named(fields)
        if agent is None:
            if fields.get(f.EVENT_KIND) == "event" and f.CONTROL_ACTION not in fields:
                merged[f.REGISTRY_FINDINGS] = ["unregistered_agent"]
            return Event(merged, event.origins)
        server, tool = _used(fields)
        known = self._known.get((agent.id, server, tool)) or self._learn(agent, server, tool)
        merged.update(known.added)
        findings = list(known.findings)
        if known.categories:
            categories = {*known.categories, *fields.get(f.DATA_CATEGORIES, ())}
            merged[f.DATA_CATEGORIES] = sorted(categories)
        moment = str(fields.get(f.TIMESTAMP, ""))
        if agent.deprecation is not None and moment[:10] >= agent.deprecation:
            findings.append("past_deprecation")
        if self._seen is not None and self._silent(agent, moment, fields[f.EVENT_ID]):
            findings.append("not_seen")
        if findings:
            merged[f.REGISTRY_FINDINGS] = findings
        if known.records and self._hasher is not None and (ids := self._records(known, fields, server)):  # fmt: skip
            merged[f.RESOURCE_IDS] = ids
        return Event(merged, event.origins)

    def _named(self, fields: Mapping[str, Any]) -> Agent | None:
        """Requests and decisions come from approval systems, which name agents by their registry id."""
        if fields.get(f.APPROVAL_STAGE) not in ("request", "decision"):
            return None
        agent = fields.get(f.AGENT_ID)
        return self._registry.agents.get(agent) if isinstance(agent, str) else None

    def save(self) -> None:
        if self._state is not None:
            self._state.save()

    def close(self) -> None:
        if self._state is not None:
            self._state.close()

    def _learn(self, agent: Agent, server: str | None, tool: str | None) -> _Known:
        facts = None if tool is None else self._registry.facts(server, tool)
        findings = []
        if server is not None or tool is not None:
            undeclared = self._registry.undeclared(agent, server, tool)
            if undeclared is not None:
                findings.append(undeclared)
        if facts is not None and _beyond(agent, facts):
            findings.append("category_not_allowed")
        held = {
            f.TOOL_READ_ONLY: facts.read_only,
            f.TOOL_IDEMPOTENT: facts.idempotent,
            f.TOOL_DESTRUCTIVE: facts.destructive,
        } if facts else {}  # fmt: skip
        known = _Known(
            added={
                f.REGISTRY_AGENT_ID: agent.id,
                f.REGISTRY_OWNER: agent.owner,
                f.REGISTRY_DEPARTMENT: agent.department,
                f.REGISTRY_PURPOSE: agent.purpose,
                **{name: value for name, value in held.items() if value is not None},
            },
            findings=tuple(findings),
            categories=facts.data_categories if facts else (),
            records=tuple(paths.compiled(path) for path in facts.resources) if facts else (),
        )
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[agent.id, server, tool] = known
        return known

    def _silent(self, agent: Agent, moment: str, event: str) -> bool:
        assert self._seen is not None
        try:
            at = datetime.fromisoformat(moment).timestamp()
        except ValueError:
            return False
        return self._seen.after_silence(agent.id, at, event, agent.seen_within_days)

    def _records(self, known: _Known, fields: Mapping[str, Any], server: str | None) -> list[str]:
        assert self._hasher is not None
        arguments = fields.get(f.TOOL_ARGUMENTS)
        ids: dict[str, None] = {}
        for find in known.records:
            for value in find(arguments):
                for key in value if isinstance(value, list) else (value,):
                    if key is None or isinstance(key, (dict, list)):
                        continue
                    ids[self._hasher("resource", [server, _written(key)])] = None
                    if len(ids) >= _MOST_RECORDS:
                        return list(ids)
        return list(ids)


def _used(fields: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The server and the tool that an event used; a tool only where it is called."""
    server = fields.get(f.MCP_SERVER_NAME)
    server = server if isinstance(server, str) else None
    tool = fields.get(f.TOOL_NAME)
    if not isinstance(tool, str):
        return server, None
    return server, bare_tool(tool, server)


def _beyond(agent: Agent, tool: Tool) -> bool:
    """Whether a tool deals with data that the agent may not."""
    return not set(tool.data_categories) <= set(agent.data_categories) or PII_LEVELS.index(
        tool.pii
    ) > PII_LEVELS.index(agent.pii)


def _written(key: Any) -> str:
    """The number 5 and the text 5 are one key."""
    return str(int(key)) if isinstance(key, float) and key.is_integer() else str(key)
