"""Confidence intervals of means and of paired differences."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from modelwright.core.keys import Key


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with a confidence interval; `low <= estimate <= high` in the estimate's unit."""

    estimate: float
    low: float
    high: float
    confidence: float = 0.95

    @property
    def excludes_zero(self) -> bool:
        """True when the whole interval lies on one side of 0."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{self.estimate:.4g} [{self.low:.4g}, {self.high:.4g}]"


def _t_quantile(p: float, degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, p))


def mean_interval(
    values: Sequence[float], confidence: float = 0.95, overlap: float = 0.0
) -> Interval:
    """Student's t interval of the mean of fold scores.

    `overlap` is the ratio of validation to training rows of a fold (1/4 for five folds). Folds
    share training rows, so the variance is raised by it (Nadeau & Bengio, Machine Learning 2003);
    0 means independent values. With fewer than two values the interval is infinite.

    >>> str(mean_interval([0.8, 0.82, 0.81, 0.79, 0.83], overlap=0.25))
    '0.81 [0.7806, 0.8394]'
    """
    n = len(values)
    centre = statistics.fmean(values)
    if n < 2:
        return Interval(centre, -math.inf, math.inf, confidence)
    spread = math.sqrt(statistics.variance(values) * (1 / n + overlap))
    half = _t_quantile(0.5 + confidence / 2, n - 1) * spread
    return Interval(centre, centre - half, centre + half, confidence)


def paired_interval(
    better: Sequence[float],
    worse: Sequence[float],
    *,
    looks: int = 1,
    confidence: float = 0.95,
    overlap: float = 0.25,
) -> Interval:
    """Interval of the mean difference `better - worse` on the same folds or seeds.

    `looks` is how many comparisons were made so far on the same folds: the error rate is divided by
    it (Bonferroni), so that luck in many tries is not sold as progress. Raises ValueError when the
    two have different lengths.

    >>> paired_interval([3.0, 3.1, 3.2], [1.0, 1.2, 1.1]).excludes_zero
    True
    >>> paired_interval([3.0, 3.1, 3.2], [1.0, 1.2, 1.1], looks=1000).excludes_zero
    False
    """
    pairs = [a - b for a, b in zip(better, worse, strict=True)]
    return mean_interval(pairs, 1 - (1 - confidence) / max(1, looks), overlap)


def bootstrap_interval(
    statistic: Callable[[Any], float],
    n: int,
    key: Key,
    *,
    confidence: float = 0.95,
    rounds: int = 500,
) -> Interval:
    """Percentile bootstrap of a statistic over `n` rows (Efron 1979).

    `statistic` is called with an integer array of `n` row numbers, first the rows as they are.
    Rounds where it raises ValueError or is not finite (a class is missing) are left out; with fewer
    than 20 good rounds the interval is infinite. The resamples are random by `key`.
    """
    import numpy as np

    centre = statistic(np.arange(n))
    generator = np.random.default_rng(key.seed(128))
    drawn: list[float] = []
    for _ in range(rounds):
        try:
            value = float(statistic(generator.integers(0, n, n)))
        except ValueError:
            continue
        if math.isfinite(value):
            drawn.append(value)
    if len(drawn) < 20:
        return Interval(centre, -math.inf, math.inf, confidence)
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(centre, min(float(low), centre), max(float(high), centre), confidence)
