"""Several goals at once: who dominates whom, how crowded a front is, how much it covers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from modelwright.core.view import Outcome
from modelwright.designers.standing import standing

Losses = npt.NDArray[np.float64]


def hypervolume(points: Sequence[Sequence[float]], reference: Sequence[float]) -> float:
    """The volume that the points dominate up to the reference point, all losses (exact).

    Points that are not better than the reference in every goal add nothing. Meant for two or three
    goals: the cost grows as n**(goals - 1) * log n. Slices along the last goal, after Zitzler and
    Thiele (1999).

    >>> hypervolume([(1, 2), (2, 1)], reference=(3, 3))
    3.0
    >>> hypervolume([(0, 0, 0), (0.5, 0.5, 0.5)], reference=(1, 1, 1))
    1.0
    """
    far = tuple(map(float, reference))
    inside = [tuple(map(float, p)) for p in points]
    inside = [p for p in inside if all(a < b for a, b in zip(p, far, strict=True))]
    return _volume(inside, far)


def _volume(points: list[tuple[float, ...]], reference: tuple[float, ...]) -> float:
    if not points:
        return 0.0
    if len(reference) == 1:
        return reference[0] - min(points)[0]
    total = 0.0
    if len(reference) == 2:
        lowest = reference[1]
        for x, y in sorted(points):
            if y < lowest:
                total += (reference[0] - x) * (lowest - y)
                lowest = y
        return total
    rising = sorted(points, key=lambda p: p[-1])
    ends = [p[-1] for p in rising[1:]] + [reference[-1]]
    for i, (point, end) in enumerate(zip(rising, ends, strict=True)):
        if end > point[-1]:
            slab = [p[:-1] for p in rising[: i + 1]]
            total += (end - point[-1]) * _volume(slab, reference[:-1])
    return total


def fronts(losses: Losses) -> list[npt.NDArray[np.intp]]:
    """Places of the points by rank: first those that none dominates, then those only they dominate.

    `losses` has shape [n, n_goals]. Costs n**2 per goal.
    """
    no_worse = (losses[:, None, :] <= losses[None, :, :]).all(axis=2)
    better = (losses[:, None, :] < losses[None, :, :]).any(axis=2)
    dominates = np.asarray(no_worse & better)
    n_above: npt.NDArray[np.intp] = dominates.sum(axis=0)
    found = []
    while np.any(n_above >= 0):
        front = np.flatnonzero(n_above == 0)
        found.append(front)
        n_above = n_above - dominates[front].sum(axis=0)
        n_above[front] = -1
    return found


def crowding(losses: Losses) -> npt.NDArray[np.float64]:
    """How alone each point of one front is, [n]: the sum over goals of the gap between its sides.

    The ends of each goal are infinitely alone. Deb et al., "NSGA-II" (2002).
    """
    distance = np.zeros(len(losses))
    for goal in losses.T:
        order = np.argsort(goal, kind="stable")
        span = goal[order[-1]] - goal[order[0]]
        distance[order[[0, -1]]] = np.inf
        if span > 0:
            distance[order[1:-1]] += (goal[order[2:]] - goal[order[:-2]]) / span
    return distance


def ranked(outcomes: Sequence[Outcome]) -> list[tuple[Outcome, int, float]]:
    """Outcomes best first, each with its rank (0 is best) and how alone it stands there.

    Within limits before outside (by violation), failed ones last; a higher rung before a lower one,
    as losses of two rungs do not compare; then by front, the least crowded first. With one goal
    that is plain order by loss.
    """
    groups: dict[tuple[float, int], list[Outcome]] = {}
    for outcome in sorted(outcomes, key=standing):
        groups.setdefault(standing(outcome)[:2], []).append(outcome)
    found: list[tuple[Outcome, int, float]] = []
    rank = 0
    for group in groups.values():
        if not group[0].ok:
            found += [(o, rank, 0.0) for o in group]
            continue
        losses = np.array([o.losses for o in group])
        for front in fronts(losses):
            alone = crowding(losses[front])
            order = np.argsort(-alone, kind="stable")
            found += [(group[front[i]], rank, float(alone[i])) for i in order]
            rank += 1
    return found
