"""What a budget may say, and which instant belongs to which period."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from agenttrail.errors import OptionError
from agenttrail.governance.budget import Budget, Threshold


def budget(**more: Any) -> Budget:
    given = {
        "name": "b", "by": "agent", "amount": Decimal(10), "currency": "USD", "period": "month",
        "thresholds": (Threshold(at=0.8, then="alert"), Threshold(at=1, then="stop")), **more,
    }  # fmt: skip
    return Budget(**given)


@pytest.mark.parametrize(
    ("period", "zone", "moment", "begins", "ends"),
    [
        ("day", "UTC", "2026-01-31T23:59:59.999999", "2026-01-31", "2026-02-01T00:00:00"),
        ("day", "Asia/Bangkok", "2026-01-31T16:59:59", "2026-01-31", "2026-01-31T17:00:00"),
        ("day", "Asia/Bangkok", "2026-01-31T17:00:00", "2026-02-01", "2026-02-01T17:00:00"),
        ("week", "UTC", "2026-11-23T00:00:00", "2026-11-23", "2026-11-30T00:00:00"),  # a Monday
        ("week", "UTC", "2026-11-22T23:59:59", "2026-11-16", "2026-11-23T00:00:00"),
        ("week", "Asia/Tokyo", "2026-11-22T15:00:00", "2026-11-23", "2026-11-29T15:00:00"),
        ("month", "UTC", "2026-12-31T23:59:59", "2026-12-01", "2027-01-01T00:00:00"),
        ("month", "Asia/Tokyo", "2026-12-31T15:00:00", "2027-01-01", "2027-01-31T15:00:00"),
        ("month", "UTC", "2028-02-29T12:00:00", "2028-02-01", "2028-03-01T00:00:00"),
        # A day of 23 hours, and one of 25.
        ("day", "Europe/Berlin", "2026-03-29T12:00:00", "2026-03-29", "2026-03-29T22:00:00"),
        ("day", "Europe/Berlin", "2026-10-25T12:00:00", "2026-10-25", "2026-10-25T23:00:00"),
    ],
)
def test_periods_begin_at_midnight_of_the_named_zone(
    period: str, zone: str, moment: str, begins: str, ends: str
) -> None:
    """Half open, weeks from Monday, also where the clock changes."""
    made = budget(period=period, time_zone=zone)
    found = made.begins(datetime.fromisoformat(moment).replace(tzinfo=UTC))
    assert found == date.fromisoformat(begins)
    assert made.ends(found) == datetime.fromisoformat(ends).replace(tzinfo=UTC)


def test_a_task_has_no_period() -> None:
    """All of it is one budget."""
    assert budget(by="task", period=None).begins(datetime.now(UTC)) is None


@pytest.mark.parametrize(
    ("option", "more"),
    [
        ("name", {"name": " "}), ("amount", {"amount": Decimal(0)}),
        ("amount", {"amount": Decimal("NaN")}), ("currency", {"currency": "usd"}),
        ("currency", {"currency": ""}), ("period", {"by": "task"}), ("period", {"period": None}),
        ("time_zone", {"time_zone": "Asia/Atlantis"}), ("time_zone", {"time_zone": "../etc"}),
        ("thresholds", {"thresholds": ()}),
        ("thresholds", {"thresholds": (Threshold(at=1, then="alert"), Threshold(at=1, then="stop"))}),
        ("thresholds", {"thresholds": (Threshold(at=0.5, then="stop"), Threshold(at=1, then="alert"))}),
    ],
)  # fmt: skip
def test_a_budget_that_says_nothing_clear_is_refused(option: str, more: dict[str, Any]) -> None:
    """Overlapping thresholds, a missing currency, a zone that is none."""
    with pytest.raises(OptionError) as caught:
        budget(**more)
    assert caught.value.option == option
