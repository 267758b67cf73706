"""What one column alone tells about another: a score on rows that were not used to learn it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BINS, FOLDS, PRIOR, MOST_CLASSES = 24, 3, 2.0, 8
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Strength:
    """How well a column predicts a target alone, 0 for not at all and 1 for exactly.

    `skill` is the share of the squared error that it takes away: R² for numbers, the same of class
    shares (Brier) for classes. `auc` is the area under the ROC curve, for several classes the mean
    of one against the rest over the eight most frequent; None for numbers.
    """

    skill: float
    auc: float | None = None


def strength(codes: npt.NDArray[Any], y: npt.NDArray[Any], n_classes: int) -> Strength:
    """The strength of a column given as small codes `[n]` (-1 is missing, a value like any other).

    Learned are the mean (or class shares) per code on two thirds of the rows, drawn towards the
    whole mean by two rows' weight, and scored on the third; so rare codes promise nothing. `y` is
    class numbers, or values when `n_classes` is 0.

    >>> y = np.arange(90) % 2
    >>> strength(y, y, 2).auc, strength(np.zeros(90, int), y, 2).auc
    (1.0, 0.5)
    """
    targets = _targets(y, n_classes)
    n, k = targets.shape
    out = np.empty((n, k))
    _, codes = np.unique(codes, return_inverse=True)
    size = int(codes.max()) + 1
    fold = np.random.default_rng(n).permutation(n) % FOLDS
    for f in range(FOLDS):
        train, held = fold != f, fold == f
        whole = targets[train].mean(axis=0)
        counts = np.bincount(codes[train], minlength=size) + PRIOR
        for c in range(k):
            sums = np.bincount(codes[train], targets[train, c], minlength=size)
            out[held, c] = ((sums + PRIOR * whole[c]) / counts)[codes[held]]
    whole = ((targets - targets.mean(axis=0)) ** 2).sum()
    skill = 1 - float(((targets - out) ** 2).sum() / whole) if whole > 0 else 0.0
    if not n_classes:
        return Strength(max(0.0, skill))
    often = [1] if k == 2 else np.argsort(-targets.sum(axis=0))[:MOST_CLASSES]
    areas = [_auc(targets[:, c] > 0, out[:, c], fold) for c in often]
    return Strength(max(0.0, skill), float(np.mean(areas)))


def order_auc(values: npt.NDArray[Any], positive: npt.NDArray[np.bool_]) -> float:
    """How well a number itself orders two classes, from 0.5: nothing is learned but the direction.

    Rows without a value are left out; 0.5 with fewer than 10 rows of a class or 9 in 10 with gaps.

    >>> order_auc(np.arange(40.0), np.arange(40) >= 30)
    1.0
    """
    there = np.isfinite(values)
    values, positive = values[there], positive[there]
    n = int(positive.sum())
    if min(n, len(values) - n) < 10 or len(values) < 0.1 * len(there):
        return 0.5
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[codes]
    area = (rank[positive].sum() - n * (n + 1) / 2) / (n * (len(values) - n))
    return float(max(area, 1 - area))


def binned(values: npt.NDArray[Any], bins: int = BINS) -> npt.NDArray[np.intp]:
    """Numbers as the codes of about equally full bins, -1 where missing.

    >>> binned(np.array([1.0, 2.0, np.nan, 3.0]), 3).tolist()
    [0, 1, -1, 2]
    """
    there = np.isfinite(values)
    out = np.full(len(values), -1, np.intp)
    if there.any():
        known = np.unique(values[there])
        inner = np.linspace(0, 1, bins + 1)[1:-1]
        if len(known) <= bins:
            cuts = (known[1:] + known[:-1]) / 2
        else:  # where one value fills many bins, some more cuts among the distinct values
            even = np.quantile(known, inner[:: max(1, bins // 8)])
            cuts = np.unique([*np.quantile(values[there], inner), *even])
        out[there] = np.searchsorted(cuts, values[there], side="right")
    return out


def _targets(y: npt.NDArray[Any], n_classes: int) -> Floats:
    """One column per class, or ranks of values: a few huge ones shall not decide."""
    if n_classes:
        return np.asarray(y[:, None] == np.arange(n_classes), float)
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    return ((np.cumsum(counts) - counts / 2)[codes] / len(y))[:, None]


def _auc(positive: npt.NDArray[np.bool_], score: Floats, fold: npt.NDArray[Any]) -> float:
    """The mean over folds: scores of different folds are not comparable to the last digit."""
    areas = []
    for f in range(FOLDS):
        a, s = positive[fold == f], score[fold == f]
        if not 0 < a.sum() < len(a):
            continue
        _, codes, counts = np.unique(s, return_inverse=True, return_counts=True)
        rank = (np.cumsum(counts) - (counts - 1) / 2)[codes]
        n = int(a.sum())
        areas.append((rank[a].sum() - n * (n + 1) / 2) / (n * (len(a) - n)))
    return float(np.mean(areas)) if areas else 0.5
