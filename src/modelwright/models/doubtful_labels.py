"""Rows whose label (or value) the out-of-fold predictions contradict: candidates for a look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.families.base import FloatArray

FAR = 6.0  # robust deviations of an error beyond which a value is doubted


@dataclass(frozen=True)
class Doubtful:
    """Positions of doubtful rows, the clearest first, and why.

    `pairs` counts them by `(given class, suggested class)`; empty for values. `estimated` is how
    many labels are estimated to be wrong in all (classes), which says how noisy they are, or how
    hard the question is: the two cannot be told apart without looking.
    """

    rows: npt.NDArray[np.intp]
    pairs: tuple[tuple[str, str, int], ...]
    estimated: int
    n_rows: int


def doubtful_labels(y: npt.NDArray[Any], shares: FloatArray, classes: Sequence[str]) -> Doubtful:
    """Label-error candidates by confident learning, from out-of-fold shares `[n, k]`.

    A class's threshold is the mean share of the class among rows that carry it; a row counts for
    the likeliest class above its threshold (Northcutt, Jiang, Chuang, "Confident Learning", JAIR
    2021, arXiv:1911.00068), which gives the joint distribution of given and true classes. Of each
    pair of classes as many rows are told as that distribution, calibrated to the class counts, has
    ("prune by noise rate"), those with the largest margin, and only where the other class is the
    likeliest.

    >>> y = np.array([0] * 20 + [1] * 20)
    >>> sure = np.where(y == 0, 0.95, 0.05)
    >>> sure[3] = 0.02  # called 0, and looks like 1
    >>> doubtful_labels(y, np.column_stack([sure, 1 - sure]), ("a", "b")).rows.tolist()
    [3]
    """
    y = y.astype(int)
    n, k = shares.shape
    counts = np.bincount(y, minlength=k)
    own = np.array([shares[y == c, c].mean() if counts[c] else 1.0 for c in range(k)])
    above = np.where(shares >= own, shares, -1.0)
    counted = np.where(above.max(axis=1) >= 0, above.argmax(axis=1), -1)
    there = counted >= 0
    joint = np.zeros((k, k))
    np.add.at(joint, (y[there], counted[there]), 1.0)
    sums = joint.sum(axis=1, keepdims=True)
    joint = np.divide(joint, sums, out=np.zeros_like(joint), where=sums > 0) * counts[:, None]
    likeliest = shares.argmax(axis=1)
    margin = shares[np.arange(n), y] - shares[np.arange(n), likeliest]
    found: list[npt.NDArray[np.intp]] = []
    pairs = []
    for a in range(k):
        for b in range(k):
            rows = np.flatnonzero((y == a) & (likeliest == b))
            most = round(joint[a, b])
            if a == b or not len(rows) or not most:
                continue
            rows = rows[np.argsort(margin[rows], kind="stable")][:most]
            found.append(rows)
            pairs.append((classes[a], classes[b], len(rows)))
    every = np.concatenate(found) if found else np.zeros(0, np.intp)
    order = np.argsort(margin[every], kind="stable")
    pairs.sort(key=lambda pair: -pair[2])
    estimated = round(float(joint.sum() - np.trace(joint)))
    return Doubtful(every[order], tuple(pairs), estimated, n)


def doubtful_values(y: npt.NDArray[Any], predicted: FloatArray) -> Doubtful:
    """Rows whose value is further from its out-of-fold prediction than errors elsewhere explain.

    An error counts in robust deviations (1.4826 median absolute deviations, or the spread of the
    middle nine tenths over 3.29 where errors have long tails) of the errors of rows with a
    prediction of about the same size, so that large values may have large errors.
    """
    error = np.asarray(y, float) - predicted
    n = len(error)
    order = np.argsort(predicted, kind="stable")
    deviation = np.empty(n)
    for rows in np.array_split(order, max(1, min(20, n // 50))):
        deviation[rows] = _deviation(error[rows])
    least = _deviation(error)
    scale = np.maximum(deviation, 0.25 * least)
    far = np.abs(error) / np.where(scale > 0, scale, np.inf)
    rows = np.flatnonzero(far > FAR)
    rows = rows[np.argsort(-far[rows], kind="stable")]
    return Doubtful(rows, (), len(rows), n)


def _deviation(error: FloatArray) -> float:
    low, middle, high = np.quantile(error, [0.05, 0.5, 0.95])
    return max(1.4826 * float(np.median(np.abs(error - middle))), float(high - low) / 3.29)
