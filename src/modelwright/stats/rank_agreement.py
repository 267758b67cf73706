"""How far two orders of the same things agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import NormalDist

from modelwright.stats.intervals import Interval

FARTHEST = 0.9999  # from 0 that a correlation is taken to be: at 1 its interval has no width


def kendall_tau(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Kendall's tau-b of two rows of scores of the same things, -1 to 1 (Kendall 1945).

    1 is the same order, 0 none in common, -1 the reverse; ties count for neither. None with fewer
    than two things, or where one row has a single value. Raises ValueError when the lengths differ.
    The work grows with the square of the length.

    >>> kendall_tau([1, 2, 3, 4], [1, 2, 4, 3])
    0.6666666666666666
    """
    pairs = list(combinations(list(zip(a, b, strict=True)), 2))
    agree = turned = tied_a = tied_b = 0
    for (x, y), (u, v) in pairs:
        tied_a += x == u
        tied_b += y == v
        if x != u and y != v:
            same = (x < u) == (y < v)
            agree += same
            turned += not same
    scale = math.sqrt((len(pairs) - tied_a) * (len(pairs) - tied_b))
    return (agree - turned) / scale if scale else None


def places(values: Sequence[float]) -> list[float]:
    """The place of each value from 1, the smallest; equal ones share the mean of their places.

    >>> places([3.0, 1.0, 3.0])
    [2.5, 1.0, 2.5]
    """
    order = sorted(values)
    first = {value: i for i, value in reversed(list(enumerate(order, 1)))}
    last = {value: i for i, value in enumerate(order, 1)}
    return [(first[value] + last[value]) / 2 for value in values]


def spearman_interval(
    a: Sequence[float], b: Sequence[float], confidence: float = 0.95
) -> Interval | None:
    """Spearman's correlation of two rows of scores of the same things, -1 to 1, with its interval.

    The interval is Fisher's, with the variance of Bonett and Wright (2000), which holds for few
    things and strong correlations too. None with fewer than five things, or where one row has a
    single value.

    >>> print(spearman_interval([1, 2, 3, 4, 5, 6], [2, 1, 3, 4, 6, 5]))
    0.8857 [0.06639, 0.9916]
    """
    n = len(a)
    if n < 5 or len(set(a)) < 2 or len(set(b)) < 2:
        return None
    x, y = ([place - (n + 1) / 2 for place in places(row)] for row in (a, b))
    scale = math.sqrt(sum(v * v for v in x) * sum(v * v for v in y))
    rho = sum(u * v for u, v in zip(x, y, strict=True)) / scale
    centre = math.atanh(max(-FARTHEST, min(FARTHEST, rho)))
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt((1 + rho**2 / 2) / (n - 3))
    low, high = math.tanh(centre - half), math.tanh(centre + half)
    return Interval(rho, min(low, rho), max(high, rho), confidence)
