"""Which tasks there are in a month: when, of which agent, asked by whom, in which session."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from agenttrail.simulate import _company as c
from agenttrail.simulate import _tasks as tasks
from agenttrail.simulate._story import Task

Asks = Callable[[str, int], str | None]


@dataclass(slots=True)
class Anomaly:
    """One thing out of order that was put into the month; `name` is its runbook's slug."""

    name: str
    agent: str
    at: int
    tasks: list[str] = field(default_factory=list)
    detail: dict[str, Any] = field(default_factory=dict)


class Plan:
    """The tasks of a month, and what is used to add more of them."""

    def __init__(self, seed: int, start: date, days: int, tasks_per_day: int, asks: Asks) -> None:
        self.seed, self.start, self.days, self.asks = seed, start, days, asks
        self.tasks_per_day = tasks_per_day
        self.tasks: list[Task] = []
        self.anomalies: list[Anomaly] = []
        self.listings: list[tuple[Task, str, int, dict[str, str]]] = []
        self._number = 0
        shares = [agent.share for agent in c.AGENTS]
        for day in range(days):
            if (start + timedelta(days=day)).weekday() > 4:
                continue
            rng = random.Random(f"{seed}:day:{day}")  # noqa: S311
            for agent in sorted(rng.choices(c.AGENTS, shares, k=tasks_per_day), key=lambda a: a.id):
                self.add(agent, self.moment(agent, day, 9 + 8.5 * rng.random()))

    def moment(self, agent: c.Agent, day: int, hour: float) -> int:
        """A local hour of a day of the month at an agent's office, in milliseconds since 1970."""
        midnight = datetime.combine(self.start + timedelta(days=day), datetime.min.time(), UTC)
        seconds = midnight.timestamp() + (hour - agent.office.offset_h) * 3600
        return int(seconds * 1000)

    def working_days(self) -> list[int]:
        """Numbers of the days, from 0, that are no weekend."""
        return [d for d in range(self.days) if (self.start + timedelta(days=d)).weekday() < 5]

    def of(self, agent: str, day: int | None = None) -> list[Task]:
        """Tasks of an agent, on one day or on all."""
        return [
            task
            for task in self.tasks
            if task.agent.id == agent and (day is None or self.day_of(task) == day)
        ]

    def day_of(self, task: Task) -> int:
        """The day of the month on which a task began, at its office."""
        local = datetime.fromtimestamp(task.start / 1000, UTC) + timedelta(
            hours=task.agent.office.offset_h
        )
        return (local.date() - self.start).days

    def add(self, agent: c.Agent, start: int, story: Callable[[Task], None] | None = None) -> Task:
        """One more task, with the story of its agent's kind or another one."""
        self._number += 1
        rng = random.Random(f"{self.seed}:{self._number}")  # noqa: S311
        # The trace of OpenTelemetry, or the id of a prompt or a turn.
        own = f"{rng.getrandbits(128):032x}" if agent.log in ("otel", "mcp_wire") else tasks.uuid(rng)  # fmt: skip
        user = c.person(agent.office, rng.randrange(300))
        task = Task(
            id=own, number=self._number, agent=agent, user=user, conversation="", start=start,
            prompt=_prompt(agent, user, rng), version=agent.version, rng=rng,
        )  # fmt: skip
        if story is not None:
            story(task)
        elif agent.kind == "expense":
            tasks.expense(task, self.asks)
        else:
            _STORIES[agent.kind](task)
        self.tasks.append(task)
        return task

    def settle(self) -> None:
        """Gives every task its session: tasks of one day and agent share one where none overlap."""
        self.tasks.sort(key=lambda task: (task.start, task.number))
        lanes: dict[tuple[str, int], list[tuple[int, str]]] = {}
        for task in self.tasks:
            open_ = lanes.setdefault((task.agent.id, self.day_of(task)), [])
            for place, (free, name) in enumerate(open_):
                if free < task.start:
                    task.conversation = name
                    open_[place] = (task.end + 5_000, name)
                    break
            else:
                task.conversation = tasks.uuid(task.rng)
                open_.append((task.end + 5_000, task.conversation))


_STORIES: dict[str, Callable[[Task], None]] = {
    "support": tasks.support,
    "sales": tasks.sales,
    "research": tasks.research,
    "helpdesk": tasks.helpdesk,
}
_ASKED: dict[str, dict[str, Sequence[str]]] = {
    "support": {
        "th": ("{name} ขอเปลี่ยนเบอร์โทรเป็น {phone} อีเมล {email} ครับ",),
        "ja": ("{name}です。電話番号を {phone} に変更してください。メールは {email} です。",),
        "lo": ("{name} ຂໍປ່ຽນເບີໂທເປັນ {phone} ອີເມວ {email}",),
    },
    "expense": {"ja": ("{name} の経費精算をお願いします。",)},
    "sales": {"th": ("ขอใบเสนอราคาให้ {name} อีเมล {email}",)},
    "research": {"ja": ("市場調査をまとめてください。担当は {name} です。",)},
    "helpdesk": {"th": ("{name} เข้าระบบไม่ได้",)},
}


def _prompt(agent: c.Agent, user: c.Person, rng: random.Random) -> str:
    asked = rng.choice(_ASKED[agent.kind][agent.office.language])
    return asked.format(name=user.name, phone=user.phone, email=user.email)
