"""Tasks drawn for review: reproducible, by share, and never of a stratum none."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenttrail import fields as f
from agenttrail.errors import UsageError
from agenttrail.insight.events import opened
from agenttrail.insight.sample import quotas, sample
from tests.insight._lines import ended, write


def log(folder: Path, sizes: dict[str, int]) -> str:
    events = [{**ended(agent, "completed"), f.TASK_ID: f"{agent}-{n}"} for agent, size in sizes.items() for n in range(size)]  # fmt: skip
    return write(folder / "a.jsonl", events)


def test_the_same_seed_draws_the_same_and_more_tasks_keep_those_drawn(tmp_path: Path) -> None:
    with opened([log(tmp_path, {"a": 80, "b": 20})]) as db:
        ten, again = sample(db, 10), sample(db, 10)
        twenty = sample(db, 20)
        other = sample(db, 10, seed="2")

    assert ten == again
    assert {d.task for d in ten} < {d.task for d in twenty}
    assert ten != other
    assert [sum(d.agent == name for d in ten) for name in "ab"] == [8, 2]


@given(
    st.dictionaries(st.tuples(st.text("abc", min_size=1, max_size=3)), st.integers(1, 500), min_size=1, max_size=12),
    st.integers(1, 300),
)  # fmt: skip
def test_every_stratum_has_one_and_none_more_than_it_has(
    sizes: dict[tuple[str, ...], int], number: int
) -> None:
    made = quotas(sizes, number)

    assert all(1 <= made[key] <= sizes[key] for key in sizes)
    total = sum(sizes.values())
    assert sum(made.values()) == total if number >= total else sum(made.values()) <= number + len(sizes)  # fmt: skip
    if number < total:
        for key, size in sizes.items():
            assert abs(made[key] - number * size / total) <= 1 or made[key] == 1


def test_a_column_that_is_none_is_refused(tmp_path: Path) -> None:
    with opened([log(tmp_path, {"a": 1})]) as db, pytest.raises(UsageError, match="cannot draw by"):
        sample(db, 1, by=("tool",))
