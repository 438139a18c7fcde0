"""Reviewers needed, against published values of the Erlang C formula."""

import pytest

from agenttrail.insight.workload import reviewers_needed, served_within, waiting_share


@pytest.mark.parametrize(
    "load, servers, waiting",
    # One server: the load itself. Two servers at one erlang: 1/3. Ten at eight: 0.409.
    [(0.5, 1, 0.5), (0.9, 1, 0.9), (1.0, 2, 1 / 3), (8.0, 10, 0.4092), (5.0, 5, 1.0)],
)
def test_the_share_that_waits_is_erlangs(load: float, servers: int, waiting: float) -> None:
    assert waiting_share(load * 60, 1.0, servers) == pytest.approx(waiting, abs=5e-4)


def test_one_is_enough_where_little_is_asked_and_more_where_much_is() -> None:
    assert reviewers_needed(0.5, 6, 900) == 1
    assert reviewers_needed(0, 6, 900) == 1
    needed = [reviewers_needed(rate, 6, 900) for rate in (1, 10, 20, 40, 80)]
    assert needed == sorted(needed)
    assert needed[-1] >= 80 * 6 / 60


@pytest.mark.parametrize("rate", [1.0, 7.0, 30.0])
def test_one_fewer_would_not_do(rate: float) -> None:
    needed = reviewers_needed(rate, 6, 600)

    assert served_within(rate, 6, needed, 600) >= 0.95
    assert needed == 1 or served_within(rate, 6, needed - 1, 600) < 0.95
