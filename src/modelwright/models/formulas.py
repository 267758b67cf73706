"""The formulas of the metrics: `(y, predictions, weights) -> float`, in NumPy.

Where a score is not defined (one class only, no spread) the value of a model that knows nothing is
given, so that a fold is never without a number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
TINY = 1e-15


def roc_auc(y: Array, shares: Array, w: Array) -> float:
    """Area under the ROC curve; with several classes the mean of one against the rest.

    The mean is over classes that occur beside others; 0.5 when there is none.
    """
    if shares.shape[1] == 2:
        return _auc(y == 1, shares[:, 1], w)
    present = [c for c in range(shares.shape[1]) if 0 < (y == c).sum() < len(y)]
    return float(np.mean([_auc(y == c, shares[:, c], w) for c in present])) if present else 0.5


def _auc(positive: Array, score: Array, w: Array) -> float:
    order = np.argsort(score, kind="stable")
    groups = np.concatenate([[0], np.cumsum(np.diff(score[order]) > 0)])
    up = np.bincount(groups, w[order] * positive[order])
    down = np.bincount(groups, w[order] * ~positive[order])
    below = np.cumsum(down) - down
    total = up.sum() * down.sum()
    return float((up * (below + down / 2)).sum() / total) if total > 0 else 0.5


def average_precision(y: Array, shares: Array, w: Array) -> float:
    """Mean precision over the recall steps of the positive class; 0 when it is absent."""
    score, positive = shares[:, 1], y == 1
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    hits = np.cumsum(w[order] * positive[order])[ends]
    seen = np.cumsum(w[order])[ends]
    if hits[-1] <= 0:
        return 0.0
    return float((np.diff(hits, prepend=0.0) * hits / np.maximum(seen, TINY)).sum() / hits[-1])


def log_loss(y: Array, shares: Array, w: Array) -> float:
    """Mean negative logarithm of the true class's share, shares clipped at 1e-15."""
    p = shares[np.arange(len(y)), y.astype(int)] / shares.sum(axis=1)
    return float(np.average(-np.log(np.clip(p, TINY, 1.0)), weights=w))


def brier(y: Array, shares: Array, w: Array) -> float:
    """Mean squared error of the shares: of the positive class, or summed over several classes."""
    if shares.shape[1] == 2:
        return float(np.average((shares[:, 1] - (y == 1)) ** 2, weights=w))
    truth = np.eye(shares.shape[1])[y.astype(int)]
    return float(np.average(((shares - truth) ** 2).sum(axis=1), weights=w))


def accuracy(y: Array, labels: Array, w: Array) -> float:
    """Share of right answers."""
    return float(np.average(y == labels, weights=w))


def balanced_accuracy(y: Array, labels: Array, w: Array) -> float:
    """Mean over the classes that occur of the share of their rows answered right."""
    hits, rows, _ = _counts(y, labels, w)
    return float(np.mean(hits[rows > 0] / rows[rows > 0]))


def macro_f1(y: Array, labels: Array, w: Array) -> float:
    """Mean F1 over the classes that occur or were answered."""
    hits, rows, answers = _counts(y, labels, w)
    some = rows + answers > 0
    return float(np.mean(2 * hits[some] / (rows + answers)[some]))


def mcc(y: Array, labels: Array, w: Array) -> float:
    """Matthews correlation of answers and truth (Gorodkin 2004 for several classes); 0 if none."""
    hits, rows, answers = _counts(y, labels, w)
    n = rows.sum()
    over = hits.sum() * n - (rows * answers).sum()
    under = (n**2 - (answers**2).sum()) * (n**2 - (rows**2).sum())
    return float(over / np.sqrt(under)) if under > 0 else 0.0


def f1(y: Array, labels: Array, w: Array) -> float:
    """Harmonic mean of precision and sensitivity of the positive class; 0 when both are empty."""
    hits, rows, answers = _positive(y, labels, w)
    return 2 * hits / (rows + answers) if rows + answers > 0 else 0.0


def weighted_f1(y: Array, labels: Array, w: Array) -> float:
    """Mean F1 over the classes, each counted by its rows."""
    hits, rows, answers = _counts(y, labels, w)
    each = np.divide(2 * hits, rows + answers, out=np.zeros_like(hits), where=rows + answers > 0)
    return float(np.average(each, weights=rows))


def f_beta(y: Array, labels: Array, w: Array, beta: float) -> float:
    """F measure in which sensitivity counts `beta` times as much as precision (van Rijsbergen)."""
    hits, rows, answers = _positive(y, labels, w)
    under = beta**2 * rows + answers
    return (1 + beta**2) * hits / under if under > 0 else 0.0


def kappa(y: Array, labels: Array, w: Array) -> float:
    """Agreement beyond that of chance (Cohen 1960); 0 where chance alone agrees everywhere."""
    hits, rows, answers = _counts(y, labels, w)
    n = rows.sum()
    chance = float((rows * answers).sum() / n**2)
    return float((hits.sum() / n - chance) / (1 - chance)) if chance < 1 else 0.0


def qwk(y: Array, labels: Array, w: Array) -> float:
    """Kappa of classes in an order, errors counted by the square of their distance (Cohen 1968)."""
    _, rows, answers = _counts(y, labels, w)
    place, n = np.arange(len(rows)), rows.sum()
    apart = (place[:, None] - place[None, :]) ** 2
    chance = float(rows @ apart @ answers) / n
    found = float((w * (y.astype(float) - labels) ** 2).sum())
    return 1 - found / chance if chance > 0 else 0.0


def lift(y: Array, shares: Array, w: Array, part: float) -> float:
    """How often the positive class is among the `part` of rows with the highest shares.

    As a multiple of how often it is among all; 1 when it is absent. Rows of equal shares count in
    proportion.
    """
    score, positive = shares[:, 1], y == 1
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    seen = np.concatenate([[0.0], np.cumsum(w[order])[ends]])
    hits = np.concatenate([[0.0], np.cumsum(w[order] * positive[order])[ends]])
    if hits[-1] <= 0:
        return 1.0
    return float(np.interp(part * seen[-1], seen, hits) / hits[-1] / part)


def precision(y: Array, labels: Array, w: Array) -> float:
    """Share of the positive answers that are right; 0 when there are none."""
    hits, _, answers = _positive(y, labels, w)
    return hits / answers if answers > 0 else 0.0


def sensitivity(y: Array, labels: Array, w: Array) -> float:
    """Share of the positive rows that are found (recall); 0 when there are none."""
    hits, rows, _ = _positive(y, labels, w)
    return hits / rows if rows > 0 else 0.0


def specificity(y: Array, labels: Array, w: Array) -> float:
    """Share of the negative rows that are left alone; 0 when there are none."""
    return sensitivity(1 - y, 1 - labels, w)


def rmse(y: Array, values: Array, w: Array) -> float:
    """Root of the mean squared error, in the unit of the target."""
    return float(np.sqrt(np.average((y - values) ** 2, weights=w)))


def mse(y: Array, values: Array, w: Array) -> float:
    """Mean squared error, in the squared unit of the target."""
    return float(np.average((y - values) ** 2, weights=w))


def pinball(y: Array, values: Array, w: Array, level: float) -> float:
    """Mean pinball loss of a quantile at `level` (Koenker and Bassett 1978).

    A value too low costs `level` for each unit, one too high the rest to 1.
    """
    error = y - values
    return float(np.average(np.maximum(level * error, (level - 1) * error), weights=w))


def mae(y: Array, values: Array, w: Array) -> float:
    """Mean size of the error, in the unit of the target."""
    return float(np.average(np.abs(y - values), weights=w))


def median_ae(y: Array, values: Array, w: Array) -> float:
    """Median size of the error, in the unit of the target."""
    error = np.abs(y - values)
    order = np.argsort(error, kind="stable")
    half = np.cumsum(w[order]) - w[order].sum() / 2
    at = int(np.searchsorted(half, -1e-12))
    # An even split lies between two errors: their mean, as the plain median has it.
    even = abs(half[at]) <= 1e-12 and at + 1 < len(error)
    return float(error[order][at : at + 2].mean() if even else error[order][at])


def r2(y: Array, values: Array, w: Array) -> float:
    """Share of the variance explained; 0 when the target does not vary."""
    total = np.average((y - np.average(y, weights=w)) ** 2, weights=w)
    return float(1 - np.average((y - values) ** 2, weights=w) / total) if total > 0 else 0.0


def rmsle(y: Array, values: Array, w: Array) -> float:
    """RMSE of log(1 + value); values below 0 count as 0."""
    return rmse(np.log1p(np.maximum(y, 0)), np.log1p(np.maximum(values, 0)), w)


def mape(y: Array, values: Array, w: Array) -> float:
    """Mean size of the error as a share of the true value; rows where that is 0 do not count."""
    some = y != 0
    if not some.any():
        return 0.0
    return float(np.average(np.abs((y - values)[some] / y[some]), weights=w[some]))


def smape(y: Array, values: Array, w: Array) -> float:
    """Mean size of the error as a share of the mean size of both values, from 0 to 2."""
    size = (np.abs(y) + np.abs(values)) / 2
    error = np.abs(y - values)
    return float(
        np.average(np.divide(error, size, out=np.zeros(len(y)), where=size > 0), weights=w)
    )


def _counts(y: Array, labels: Array, w: Array) -> tuple[Array, Array, Array]:
    """Per class the weight of right answers, of rows, and of answers."""
    k = int(max(y.max(), labels.max())) + 1
    a, b = y.astype(int), labels.astype(int)
    hits = np.bincount(a, w * (a == b), minlength=k)
    return hits, np.bincount(a, w, minlength=k), np.bincount(b, w, minlength=k)


def _positive(y: Array, labels: Array, w: Array) -> tuple[float, float, float]:
    hits = float(w[(y == 1) & (labels == 1)].sum())
    return hits, float(w[y == 1].sum()), float(w[labels == 1].sum())
