"""How many reviewers approvals need: a queue of requests, so many people, a target for the wait.

Requests come at random (Poisson) at the rate of the busiest hour of the week, each takes a reviewer some
minutes, and a share of them must be begun within the target. The smallest number of reviewers for which
that holds is needed.

Source: A. K. Erlang (1917), the delay formula of the M/M/c queue (Erlang C); the share served within a
time as in D. Gross and C. Harris, Fundamentals of Queueing Theory, section 2.3.

Limits: reviews that come in bursts need more; so do people who do other work between them.
"""

from __future__ import annotations

import math

_MOST = 1_000


def waiting_share(rate_h: float, minutes: float, reviewers: int) -> float:
    """The share of requests that have to wait at all (Erlang C); 1 where the queue only grows.

    Args:
        rate_h: requests an hour.
        minutes: that one takes a reviewer.
        reviewers: people at work.
    """
    load = rate_h * minutes / 60
    if load <= 0:
        return 0.0
    if load >= reviewers:
        return 1.0
    term, total = 1.0, 1.0
    for n in range(1, reviewers):
        term *= load / n
        total += term
    last = term * load / reviewers * reviewers / (reviewers - load)
    return last / (total + last)


def served_within(rate_h: float, minutes: float, reviewers: int, target_s: float) -> float:
    """The share of requests that a reviewer begins with within the target."""
    load = rate_h * minutes / 60
    if load >= reviewers:
        return 0.0
    waiting = waiting_share(rate_h, minutes, reviewers)
    return 1 - waiting * math.exp(-(reviewers - load) * target_s / (minutes * 60))


def reviewers_needed(rate_h: float, minutes: float, target_s: float, share: float = 0.95) -> int:
    """The smallest number of reviewers that begin with this share of requests within the target."""
    for reviewers in range(1, _MOST):
        if served_within(rate_h, minutes, reviewers, target_s) >= share:
            return reviewers
    return _MOST
