"""How strongly two columns tell one another, whatever their kinds, and groups of columns alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from modelwright.data.one_column import column_of, feature_columns
from modelwright.data.schema import Features, Schema

ALIKE = 0.8
MAX_ROWS, MAX_COLUMNS = 2000, 120


def alike_groups(
    features: Features, schema: Schema, threshold: float = ALIKE
) -> tuple[tuple[str, ...], ...]:
    """Groups of two or more columns connected by associations above `threshold`, in their order.

    Texts stand alone. At most the first 2,000 rows and 120 columns are looked at.
    """
    listed = [(i.name, b) for i, b, _ in feature_columns(schema) if b != "texts"][:MAX_COLUMNS]
    small = features.take(slice(0, MAX_ROWS))
    columns = [column_of(small, schema, name) for name, _ in listed]
    leader = list(range(len(listed)))
    for i in range(len(listed)):
        for j in range(i):
            kinds = listed[i][1] == "codes", listed[j][1] == "codes"
            if leader[i] != leader[j] and association(columns[i], columns[j], kinds) > threshold:
                old, new = max(leader[i], leader[j]), min(leader[i], leader[j])
                leader = [new if x == old else x for x in leader]
    groups: dict[int, list[str]] = {}
    for (name, _), lead in zip(listed, leader, strict=True):
        groups.setdefault(lead, []).append(name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)


def association(
    a: npt.NDArray[np.generic], b: npt.NDArray[np.generic], codes: tuple[bool, bool]
) -> float:
    """Strength from 0 to 1: rank correlation, correlation ratio, or Cramér's V (bias-corrected).

    `codes` tells which of the two hold categories (then below zero is missing).

    >>> association(np.arange(50.0), np.arange(50.0) ** 3, (False, False)).__round__(6)
    1.0
    """
    x, y = np.asarray(a, float), np.asarray(b, float)
    there = np.isfinite(x) & np.isfinite(y)
    x, y = x[there], y[there]
    if len(x) < 10 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    if codes == (True, True):
        return _cramer(x, y)
    if codes == (False, False):
        return abs(float(np.corrcoef(_ranks(x), _ranks(y))[0, 1]))
    category, number = (x, y) if codes[0] else (y, x)
    return _ratio(category, _ranks(number))


def _ranks(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    _, codes, counts = np.unique(x, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - counts / 2)[codes])


def _ratio(category: npt.NDArray[np.float64], number: npt.NDArray[np.float64]) -> float:
    """Correlation ratio, less what as many random groups would reach (epsilon squared)."""
    _, codes, counts = np.unique(category, return_inverse=True, return_counts=True)
    n, k = len(number), len(counts)
    if n <= k:
        return 0.0
    means = np.bincount(codes, number) / counts
    inside = float(((number - means[codes]) ** 2).sum()) / (n - k)
    whole = float(number.var(ddof=1))
    return float(np.sqrt(max(0.0, 1 - inside / whole)))


def _cramer(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    """Cramér's V with the correction of Bergsma (2013)."""
    _, a = np.unique(x, return_inverse=True)
    _, b = np.unique(y, return_inverse=True)
    r, k, n = int(a.max()) + 1, int(b.max()) + 1, len(a)
    if r * k > 250_000:
        return 0.0
    table = np.bincount(a * k + b, minlength=r * k).reshape(r, k)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    phi = float(((table - expected) ** 2 / expected).sum()) / n
    phi = max(0.0, phi - (k - 1) * (r - 1) / (n - 1))
    rr, kk = r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)
    smaller = min(rr, kk) - 1
    return float(np.sqrt(phi / smaller)) if smaller > 0 else 0.0
