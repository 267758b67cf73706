"""Which inputs of a function matter, from values at scattered points: a forest's variance in parts.

Follows functional ANOVA (Hutter, Hoos, Leyton-Brown, "An efficient approach for assessing
hyperparameter importance", ICML 2014). What differs: the measure is not the uniform one over a
space but that of the points that were tried (inputs are given as ranks), only main effects are told
apart, and the rest is left together as "in combination".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.keys import Key

Floats = npt.NDArray[np.float64]
MIN_LEAF = 2


@dataclass(frozen=True)
class VarianceParts:
    """Shares of the variance that single inputs explain.

    `shares` `[p]` is the mean over trees and `spread` `[p]` its standard error; `combined` is what
    only several inputs together explain; they sum to 1. `fit` is the share of the values' variance
    that the forest explains at points its trees did not see (at most 1, negative when it explains
    nothing): with a low one the shares mean little.
    """

    shares: Floats
    spread: Floats
    combined: float
    fit: float


def ranks(values: Floats) -> Floats:
    """Values as places in [0, 1], equal values at the middle of their places; NaN comes first.

    >>> ranks(np.array([10.0, 20.0, 20.0, 40.0])).tolist()
    [0.125, 0.5, 0.5, 0.875]
    """
    filled = np.where(np.isnan(values), -np.inf, values)
    _, codes, counts = np.unique(filled, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray(((ends - counts / 2) / len(values))[codes])


def variance_parts(X: Floats, y: Floats, key: Key, trees: int = 32) -> VarianceParts | None:
    """The parts for points `X` `[n, p]` in [0, 1] and values `y` `[n]`; None when nothing varies.

    Trees are grown on bootstrap samples that `key` draws, each split on half of the inputs.
    """
    n, p = X.shape
    if n < 4 or p == 0 or float(np.ptp(y)) == 0:
        return None
    rng = np.random.default_rng(key.seed(128))
    shares = []
    seen, outside = np.zeros(n), np.zeros(n)
    for _ in range(trees):
        rows = np.asarray(rng.integers(0, n, n))
        leaves: list[tuple[Floats, Floats, float]] = []
        _grow(X, y, rows, np.zeros(p), np.ones(p), rng, leaves)
        low = np.array([leaf[0] for leaf in leaves])
        high = np.array([leaf[1] for leaf in leaves])
        value = np.array([leaf[2] for leaf in leaves])
        out = np.setdiff1d(np.arange(n), rows)
        outside[out] += _predict(X[out], low, high, value)
        seen[out] += 1
        parts, total = _parts(low, high, value)
        if total > 0:
            shares.append(parts / total)
    if not shares:
        return None
    there = seen > 0
    error = float(np.mean((y[there] - outside[there] / seen[there]) ** 2))
    mean = np.mean(shares, axis=0)
    spread = np.std(shares, axis=0) / np.sqrt(len(shares))
    fit = 1 - error / float(np.var(y))
    return VarianceParts(mean, spread, max(0.0, float(1 - mean.sum())), fit)


def _grow(
    X: Floats,
    y: Floats,
    rows: npt.NDArray[Any],
    low: Floats,
    high: Floats,
    rng: np.random.Generator,
    leaves: list[tuple[Floats, Floats, float]],
) -> None:
    """Adds the leaves of a tree over these rows in this box: its bounds and its mean."""
    found = _split(X[rows], y[rows], rng) if len(rows) >= 2 * MIN_LEAF else None
    if found is None:
        leaves.append((low, high, float(y[rows].mean())))
        return
    j, cut = found
    left = X[rows, j] <= cut
    middle_high, middle_low = high.copy(), low.copy()
    middle_high[j] = middle_low[j] = cut
    _grow(X, y, rows[left], low, middle_high, rng, leaves)
    _grow(X, y, rows[~left], middle_low, high, rng, leaves)


def _split(X: Floats, y: Floats, rng: np.random.Generator) -> tuple[int, float] | None:
    """The input and cut that leave the least squared error, of half of the inputs."""
    n, p = X.shape
    columns = rng.permutation(p)[: max(1, (p + 1) // 2)]
    columns = columns[np.ptp(X[:, columns], axis=0) > 0]
    if not len(columns) or float(np.ptp(y)) == 0:
        return None
    order = np.argsort(X[:, columns], axis=0, kind="stable")
    sorted_x = np.take_along_axis(X[:, columns], order, axis=0)
    sums = np.cumsum(y[order], axis=0)
    left = np.arange(1, n)[:, None]
    gain = sums[:-1] ** 2 / left + (sums[-1] - sums[:-1]) ** 2 / (n - left)
    allowed = (sorted_x[1:] > sorted_x[:-1]) & (left >= MIN_LEAF) & (n - left >= MIN_LEAF)
    if not allowed.any():
        return None
    i, j = np.unravel_index(int(np.where(allowed, gain, -np.inf).argmax()), gain.shape)
    cut = (sorted_x[i, j] + sorted_x[i + 1, j]) / 2
    return int(columns[j]), float(cut)


def _predict(X: Floats, low: Floats, high: Floats, value: Floats) -> Floats:
    inside = ((X[:, None] > low - (low == 0)) & (X[:, None] <= high)).all(axis=2)
    return np.asarray(value[inside.argmax(axis=1)])


def _parts(low: Floats, high: Floats, value: Floats) -> tuple[Floats, float]:
    """Variance of the mean over all other inputs, per input; and the whole variance of a tree."""
    width = high - low
    volume = width.prod(axis=1)
    centre = float(volume @ value)
    total = float(volume @ (value - centre) ** 2)
    parts = np.zeros(low.shape[1])
    for j in range(low.shape[1]):
        edges = np.unique(np.concatenate([low[:, j], high[:, j]]))
        if len(edges) <= 2:
            continue
        middle = (edges[1:] + edges[:-1]) / 2
        inside = (low[:, j] < middle[:, None]) & (middle[:, None] < high[:, j])
        others = volume / width[:, j]
        marginal = inside @ (others * value)
        parts[j] = float(np.diff(edges) @ (marginal - centre) ** 2)
    return parts, total
