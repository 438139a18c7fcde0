"""What a budget is: how much, for whom, in which time, and what happens at which share of it.

    - name: sales month
      by: department          # one budget for each department; `only` names those it is for
      only: [sales]
      amount: 200
      currency: USD
      period: month
      time_zone: Asia/Tokyo
      thresholds:
        - {at: 0.8, then: alert}
        - {at: 1.0, then: stop}

Periods are half open and named by their first day in the budget's time zone; weeks begin on Monday.
A task has one budget for all of it, and no period.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from agenttrail.errors import OptionError

By = Literal["task", "agent", "department", "user"]
Period = Literal["day", "week", "month"]
Then = Literal["alert", "require_approval", "stop"]
# The least strict first.
VERDICTS: tuple[Then, ...] = ("alert", "require_approval", "stop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """What happens when a share of a budget is spent."""

    at: Annotated[float, "Share of the amount: 0.8 is four fifths, more than 1 is allowed."]
    then: Annotated[Then, "alert, require_approval or stop."]

    def __post_init__(self) -> None:
        if not 0 < self.at <= 100:
            raise OptionError("at", "is a share above 0", hint="0.8 is four fifths of the amount")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Money that each task, agent, department or user may spend."""

    name: Annotated[str, "Stands on the events that pass a threshold."]
    by: Annotated[By, "Whose spending is summed: of each task, agent, department or user."]
    amount: Annotated[Decimal, "Money, in `currency`."]
    currency: Annotated[str, "ISO 4217 code."]
    thresholds: Annotated[tuple[Threshold, ...], "What happens at which share, rising."]
    period: Annotated[Period | None, "day, week (from Monday) or month; null for a task, which has one budget for all of it."] = None  # fmt: skip
    time_zone: Annotated[str, "Zone whose midnight begins a period, as Asia/Bangkok."] = "UTC"
    only: Annotated[tuple[str, ...], "Names that it is for; empty for each of them."] = ()
    runbook: Annotated[str, "Address of the page to follow when it stops something."] = ""

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise OptionError("name", "is empty")
        if not (self.amount.is_finite() and self.amount > 0):
            raise OptionError("amount", "must be positive")
        if not (len(self.currency) == 3 and self.currency.isascii() and self.currency.isupper()):
            raise OptionError("currency", "is no ISO 4217 code", hint="three capital letters, as USD or JPY")  # fmt: skip
        if self.by == "task" and self.period is not None:
            raise OptionError("period", "a task has one budget for all of it: leave it out")
        if self.by != "task" and self.period is None:
            raise OptionError("period", "is missing", hint="day, week or month")
        try:
            ZoneInfo(self.time_zone)
        except (ValueError, OSError, KeyError):
            raise OptionError("time_zone", "no such time zone here", hint="as Asia/Bangkok; the system's tzdata knows them") from None  # fmt: skip
        self._check_thresholds()

    def _check_thresholds(self) -> None:
        if not self.thresholds:
            raise OptionError("thresholds", "nothing happens at any", hint="- {at: 1, then: alert}")
        steps = [threshold.at for threshold in self.thresholds]
        if steps != sorted(set(steps)):
            raise OptionError("thresholds", "overlap: go from small to large, each share once")
        strict = [VERDICTS.index(threshold.then) for threshold in self.thresholds]
        if strict != sorted(strict):
            raise OptionError("thresholds", "a later one is less strict than one before it")

    def begins(self, moment: datetime) -> date | None:
        """First day of the period that an instant belongs to; None where there is no period."""
        if self.period is None:
            return None
        day = moment.astimezone(ZoneInfo(self.time_zone)).date()
        if self.period == "week":
            return day - timedelta(days=day.weekday())
        return day.replace(day=1) if self.period == "month" else day

    def ends(self, begins: date) -> datetime:
        """The instant at which the period that begins on this day is over."""
        if self.period == "month":
            last = (begins.replace(day=28) + timedelta(days=4)).replace(day=1)
        else:
            last = begins + timedelta(days=7 if self.period == "week" else 1)
        return datetime(last.year, last.month, last.day, tzinfo=ZoneInfo(self.time_zone))

    def started(self, begins: date) -> datetime:
        """The instant at which the period that begins on this day starts."""
        return datetime(begins.year, begins.month, begins.day, tzinfo=ZoneInfo(self.time_zone))
