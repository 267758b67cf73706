"""How far two orders of the same things agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations


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
