"""Where a learning curve that is still being drawn will end, with an interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from modelwright.stats.intervals import Interval

Floats = npt.NDArray[np.float64]
POWERS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of falling power laws of the time
SPEEDS = (1.0, 3.0, 9.0, 27.0, 81.0)  # of falling exponentials, over the whole time
NOISES = (0.01, 0.03, 0.1)  # of one look, in accuracy
# The end before any shape is known: so much of the room above the newest look is gained or lost in
# the whole time, less in what is left of it. Set on eight of the sets of LCBench's surrogate.
MEAN, SPREAD, ROOM = 0.1, 0.5, 0.05
WIDER = 1.25  # times the deviation: no curve has exactly one of these shapes
CONFIDENCE = 0.9


def extrapolate(
    curve: Sequence[tuple[float, float]], end: float, confidence: float = CONFIDENCE
) -> Interval | None:
    """The score in 0..1 (more is better) expected at time `end` of a curve `(time, score)`.

    Every look is `a - b h(time)` with noise, for falling shapes `h` that are 0 at the end: power
    laws, exponentials and a straight line, as in the ensemble of Domhan, Springenberg and Hutter
    (IJCAI 2015). What differs: with priors on `a` and `b` each shape and each size of noise has its
    exact posterior, so that shapes are averaged by their evidence instead of sampled, and a curve
    of one look has an answer too (the prior around it). The schedule of the training is taken to
    be one: a curve that ended with a small learning rate does not tell what a longer training would
    have reached. An interval of 90 % held 80 to 100 % of the ends of 35 small networks on digits,
    from an eighth to three quarters of 6 or 18 epochs; and 67 to 82 % from half of 2 epochs.

    None without a look, or where the last is not before `end` and finite. Nothing is random.

    >>> print(extrapolate([(1, 0.5), (2, 0.6), (3, 0.66), (4, 0.7)], 8))
    0.7661 [0.6837, 0.8127]
    """
    times, scores = np.array([p for p in curve if p[0] > 0], float).reshape(-1, 2).T
    if not len(times) or not np.isfinite(scores).all() or not times[-1] < end < np.inf:
        return None
    logs, means, spreads = _posteriors(times, scores, end)
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    tail = (1 - confidence) / 2
    low, middle, high = (_quantile(weights, means, spreads, q) for q in (tail, 0.5, 1 - tail))
    return Interval(middle, low, high, confidence)


def _posteriors(times: Floats, scores: Floats, end: float) -> tuple[Floats, Floats, Floats]:
    """For each shape with each noise: log evidence; mean and deviation of a look at the end."""
    share = times / end
    powers, speeds = np.array(POWERS)[:, None], np.array(SPEEDS)[:, None]
    straight = 1 - share[None]  # a curve that has not bent yet may go on so
    shapes = np.vstack([share**-powers - 1, np.exp(-speeds * share) - np.exp(-speeds), straight])
    h = np.repeat(shapes / shapes[:, :1], len(NOISES), axis=0)  # [m, n]
    noise = np.tile(NOISES, len(shapes))
    design = np.stack([np.ones_like(h), -h], axis=2)  # [m, n, 2]
    room, left = max(ROOM, 1 - scores[-1]), 1 - share[-1]
    centre = np.array([scores[-1] + MEAN * room * left, 0.0])
    prior = np.diag([(SPREAD * room * left) ** 2, 1.0])
    cross = prior @ design.transpose(0, 2, 1)  # [m, 2, n]
    total = design @ cross + (noise**2)[:, None, None] * np.eye(len(times))
    gap = scores - design @ centre  # [m, n]
    solved = np.linalg.solve(total, gap[:, :, None])[:, :, 0]
    explained = np.linalg.solve(total, cross[:, 0, :, None])[:, :, 0]
    logs = -0.5 * ((gap * solved).sum(axis=1) + np.linalg.slogdet(total)[1])
    means = centre[0] + (cross[:, 0] * solved).sum(axis=1)
    variances = np.maximum(0.0, prior[0, 0] - (cross[:, 0] * explained).sum(axis=1))
    return logs, means, WIDER * np.sqrt(variances + noise**2)


def _quantile(weights: Floats, means: Floats, spreads: Floats, q: float) -> float:
    """Of a mixture of normal distributions, by halving."""
    from scipy.special import ndtr

    low, high = float((means - 9 * spreads).min()), float((means + 9 * spreads).max())
    for _ in range(60):
        middle = (low + high) / 2
        below = float(weights @ ndtr((middle - means) / spreads)) < q
        low, high = (middle, high) if below else (low, middle)
    return min(1.0, max(0.0, (low + high) / 2))
