"""Which two columns act together, and how: the pairwise part of a generalised additive model.

The test and the boosting of pairs follow FAST and GA2M (Lou et al. 2013, "Accurate intelligible
models with pairwise interactions"): each pair of columns is a small table of gradient sums, and all
ways to cut it into four quadrants are tried at once. Differing from the paper, a pair is chosen by
the part of the quadrants that no sum of two columns explains, with a threshold for the number of
trials, so that small tables get no pairs at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from modelwright.families.base import FloatArray, IntArray

GROUPS = 16
_SCREEN_ROWS = 20_000
_SCREEN_COLUMNS = 40
_STEP = 0.15
_TINY = 1e-12

# Scores [n, k] -> gradient and curvature [n, k] of the loss, times the rows' weights.
Slopes = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


@dataclass(frozen=True)
class Pairs:
    """Fitted tables of pairs of columns.

    `columns` `[m, 2]`; `groups` `[total bins]` is the coarse group of each bin of each column;
    `tables` `[m, 16, 16, k]` what a pair of groups adds to the scores.
    """

    columns: IntArray
    groups: IntArray
    tables: FloatArray

    @classmethod
    def none(cls, total: int, k: int) -> Pairs:
        """No pair at all."""
        empty = np.zeros((0, GROUPS, GROUPS, k))
        return cls(np.zeros((0, 2), np.int64), np.zeros(total, np.int64), empty)

    def each(self, cells: IntArray) -> FloatArray:
        """What each pair adds, `[n, m, k]`; `cells` `[n, columns]` are bins as places in tables."""
        g = self.groups[cells]
        which = np.arange(len(self.columns))
        out: FloatArray = self.tables[which, g[:, self.columns[:, 0]], g[:, self.columns[:, 1]]]
        return out


def coarse_groups(values: FloatArray, counts: IntArray, starts: IntArray, p: int) -> IntArray:
    """At most 16 groups of bins per column with about equal rows, `[total bins]`.

    Neighbours are grouped in a numeric column (the first `p`; gaps stay alone), and categories
    with like effects in the others; `values` `[total, k]` are the effects so far.
    """
    out = np.zeros(len(counts), np.int64)
    for j, (a, b) in enumerate(pairwise(starts)):
        c = counts[a:b]
        if j < p:
            out[a : b - 1] = _shared(c[:-1], GROUPS - 1)
            out[b - 1] = out[b - 2] + 1
        else:
            order = np.argsort(values[a:b].mean(axis=1), kind="stable")
            out[a + order] = _shared(c[order], GROUPS)
    return out


def _shared(counts: IntArray, groups: int) -> IntArray:
    """Group numbers, rising by one, for counts in a row."""
    if len(counts) <= groups:
        return np.arange(len(counts))
    middle = np.cumsum(counts) - counts / 2
    wanted = np.minimum((middle * groups / max(1, counts.sum())).astype(np.int64), groups - 1)
    return np.unique(wanted, return_inverse=True)[1]


def choose_pairs(
    groups: IntArray, slopes: tuple[FloatArray, FloatArray], strength: FloatArray, n_pairs: int
) -> IntArray:
    """The pairs of columns with a clear joint effect beyond their sum, strongest first, `[m, 2]`.

    `groups` is `[n, columns]`. Of many columns the 40 of most `strength` (NaN: not allowed) are
    looked at, on at most 20,000 rows.
    """
    allowed = np.flatnonzero(np.isfinite(strength))
    best = allowed[np.argsort(-strength[allowed], kind="stable")[:_SCREEN_COLUMNS]]
    few = slice(None, None, -(-len(groups) // _SCREEN_ROWS))
    gradient, curve = slopes[0][few], slopes[1][few]
    found = []
    for i, a in enumerate(best):
        for b in best[i + 1 :]:
            cells = groups[few, a] * GROUPS + groups[few, b]
            found.append((_joint(*_sums(cells, gradient, curve)), min(a, b), max(a, b)))
    if not found:
        return np.zeros((0, 2), np.int64)
    scale = float(
        (gradient**2).sum() / max(_TINY, curve.sum())
    )  # 1 for a loss that is a likelihood
    threshold = 2 * np.log(len(found) * GROUPS**2) * max(scale, _TINY)
    clear = sorted((f for f in found if f[0] > threshold), key=lambda f: (-f[0], f[1], f[2]))
    return np.array([f[1:] for f in clear[:n_pairs]], np.int64).reshape(-1, 2)


def boost_pairs(
    chosen: IntArray,
    groups: IntArray,
    scores: FloatArray,
    slopes: Slopes,
    ridge: float,
    sweeps: int,
) -> FloatArray:
    """Tables `[m, 16, 16, k]` by `sweeps` small steps for each pair, from `scores` `[n, k]` on."""
    tables = np.zeros((len(chosen), GROUPS, GROUPS, scores.shape[1]))
    cells = [groups[:, a] * GROUPS + groups[:, b] for a, b in chosen]
    scores = scores.copy()
    for _ in range(sweeps):
        for table, cell in zip(tables, cells, strict=True):
            step = _STEP * _four(*_sums(cell, *slopes(scores)), ridge)
            table += step
            scores += step.reshape(GROUPS * GROUPS, -1)[cell]
    return tables


def _sums(
    cells: IntArray, gradient: FloatArray, curve: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Sums over the rows of each cell, `[16, 16, k]`."""
    size = GROUPS * GROUPS

    def total(values: FloatArray) -> FloatArray:
        sums = [np.bincount(cells, v, minlength=size) for v in values.T]
        return np.stack(sums, axis=1).astype(float).reshape(GROUPS, GROUPS, -1)

    return total(gradient), total(curve)


def _quadrants(sums: FloatArray) -> Sequence[FloatArray]:
    """Sums of the four quadrants for every cut, each `[15, 15, k]`: low-low, low-high, ..."""
    full = sums.cumsum(axis=0).cumsum(axis=1)
    ll = full[:-1, :-1]
    lh = full[:-1, -1:] - ll
    hl = full[-1:, :-1] - ll
    return ll, lh, hl, full[-1, -1] - ll - lh - hl


def _joint(gradient: FloatArray, curve: FloatArray) -> float:
    """The largest squared contrast of four quadrants, in units of its variance, over all cuts."""
    sums, weights = _quadrants(gradient), _quadrants(curve)
    enough = np.min(weights, axis=0) > _TINY
    safe = [np.where(enough, w, 1.0) for w in weights]
    ll, lh, hl, hh = (g / w for g, w in zip(sums, safe, strict=True))
    contrast = (ll - lh - hl + hh) ** 2 / sum(1 / w for w in safe)
    return float(np.where(enough, contrast, 0.0).sum(axis=2).max())


def _four(gradient: FloatArray, curve: FloatArray, ridge: float) -> FloatArray:
    """The best answer that is constant in four quadrants, `[16, 16, k]`."""
    sums, weights = _quadrants(gradient), _quadrants(curve)
    gain = sum(g**2 / (w + ridge) for g, w in zip(sums, weights, strict=True))
    i, j = np.unravel_index(int(np.sum(gain, axis=2).argmax()), (GROUPS - 1, GROUPS - 1))
    ll, lh, hl, hh = (-g[i, j] / (w[i, j] + ridge) for g, w in zip(sums, weights, strict=True))
    out = np.empty_like(gradient)
    out[: i + 1, : j + 1], out[: i + 1, j + 1 :] = ll, lh
    out[i + 1 :, : j + 1], out[i + 1 :, j + 1 :] = hl, hh
    return out


def purify(
    pairs: Pairs, weights: FloatArray, values: FloatArray, starts: IntArray
) -> tuple[Pairs, FloatArray]:
    """Moves what one column alone explains from the pairs' tables to the columns' own.

    `weights` is `[m, 16, 16]`, `values` `[total bins, k]`. The sum stays as it is; afterwards each
    pair averages to zero along both of its columns (Lengerich et al. 2020, "Purifying interaction
    effects with the functional ANOVA").
    """
    tables, values = pairs.tables.copy(), values.copy()
    for table, w, columns in zip(tables, weights, pairs.columns, strict=True):
        for _ in range(20):
            for axis, column in enumerate(columns):
                other = 1 - axis
                total = np.maximum(w.sum(axis=other), _TINY)
                mean = (table * w[:, :, None]).sum(axis=other) / total[:, None]
                table -= np.expand_dims(mean, other)
                a, b = starts[column], starts[column + 1]
                values[a:b] += mean[pairs.groups[a:b]]
    return Pairs(pairs.columns, pairs.groups, tables), values
