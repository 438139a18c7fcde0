"""What happens in a task: the steps that every writer of logs and the truth are made from.

Times are milliseconds since 1970 in UTC. Tokens are counted as Anthropic does, cached ones apart.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from agenttrail.simulate._company import Agent, Model, Person


@dataclass(slots=True)
class Chat:
    """One answer of the model."""

    at: int
    ms: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    text: str
    final: bool = False

    @property
    def end(self) -> int:
        return self.at + self.ms


@dataclass(slots=True)
class Call:
    """One tool call; `ran` is False where a person or a hook kept it from running."""

    at: int
    ms: int
    id: str
    server: str
    tool: str
    arguments: dict[str, Any]
    result: dict[str, Any]
    error: str | None = None
    ran: bool = True

    @property
    def end(self) -> int:
        return self.at + self.ms


@dataclass(slots=True)
class Approval:
    """A person was asked. `outcome` is allow, deny or expired; `decided` is None where nobody answered."""

    id: str
    at: int
    decided: int | None
    outcome: str
    call: Call
    approver: Person
    role: str
    channel: str
    expires: int
    arguments: dict[str, Any] | None = None  # where other ones were approved than those that ran

    @property
    def end(self) -> int:
        return self.decided or self.expires


@dataclass(slots=True)
class Handover:
    """Work given to another agent: what the giver knew, what it passed on, and what was done."""

    at: int
    id: str  # of the call that hands over
    to: str
    instance: str
    known: dict[str, str]
    passed: dict[str, str]
    steps: list[Chat | Call] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.steps[-1].end if self.steps else self.at


Step = Chat | Call | Approval | Handover


@dataclass(slots=True)
class Task:
    """One unit of work. `state`: completed, failed or abandoned."""

    id: str
    number: int
    agent: Agent
    user: Person
    conversation: str
    start: int
    prompt: str
    version: str
    steps: list[Step] = field(default_factory=list)
    state: str = "completed"
    human: bool = False
    mode: str = "default"  # permission mode of a command-line runtime
    rng: random.Random = field(default_factory=random.Random)

    @property
    def end(self) -> int:
        return self.steps[-1].end if self.steps else self.start

    def chats(self) -> list[Chat]:
        """Answers of the model, those of agents that work was handed to included."""
        return [s for s in self.all_steps() if isinstance(s, Chat)]

    def calls(self) -> list[Call]:
        """Tool calls that were made, refused ones and those of other agents included."""
        return [s for s in self.all_steps() if isinstance(s, Call)]

    def handovers(self) -> list[Handover]:
        return [s for s in self.steps if isinstance(s, Handover)]

    def approvals(self) -> list[Approval]:
        return [s for s in self.steps if isinstance(s, Approval)]

    def all_steps(self) -> list[Step]:
        """Steps in the order in which they begin, those of other agents where they were taken."""
        made: list[Step] = []
        for step in self.steps:
            made.append(step)
            if isinstance(step, Handover):
                made += step.steps
        return sorted(made, key=lambda step: step.at)


def cost_of(model: Model, chat: Chat) -> Decimal:
    """What an answer costs in USD, exactly."""
    return (
        model.input * chat.input
        + model.output * chat.output
        + model.cache_read * chat.cache_read
        + model.cache_write * chat.cache_write
    ) / 1_000_000
