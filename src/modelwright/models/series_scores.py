"""Scores of forecasts, and quantiles made of the errors on windows of the past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError, did_you_mean
from modelwright.core.problem import Goal

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

LEVELS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
SCORED = tuple(i for i, level in enumerate(LEVELS) if 0.1 <= level <= 0.9)  # what wql averages
LOW, MIDDLE, HIGH = LEVELS.index(0.1), LEVELS.index(0.5), LEVELS.index(0.9)
LOWEST, HIGHEST = 0, len(LEVELS) - 1  # of the 95 % intervals
METRICS: Mapping[str, str] = {
    "mase": "mean absolute error, in units of the seasonal naive's error in the history",
    "wql": "mean loss of the quantiles 0.1 to 0.9, as a share of the mean size of the values",
    "smape": "symmetric mean absolute percentage error, 0 to 2",
    "rmse": "root of the mean squared error",
    "mae": "mean absolute error",
}
ALIASES = {"weighted_quantile_loss": "wql", "quantile": "wql", "mean_absolute_error": "mae",
           "root_mean_squared_error": "rmse"}  # fmt: skip
PARTS = 40  # of the windows and series, for intervals and paired comparison
_NEAR = 30  # errors that the size at one step ahead is made of, at least
# Measured on 329 pieces of nine series (docs/series.md): how many independent errors a forecast is
# worth, how many forecasts without a side the errors are mirrored with, and drawn towards.
_ALIKE, _MIRROR, _DRAWN = 1.5, 8.0, 4.0


def find_goal(name: str | None) -> Goal:
    """The goal of a metric's name; `mase` by default. Raises InputError for an unknown one.

    >>> find_goal("WQL")
    Goal(metric='wql', direction='minimise')
    """
    text = (name or "mase").lower().replace("-", "_")
    text = ALIASES.get(text, text)
    if text not in METRICS:
        raise InputError(
            f"unknown metric {name!r} for a forecast.{did_you_mean(text, METRICS)} "
            f"Known: {', '.join(METRICS)}."
        )
    return Goal(text, "minimise")


@dataclass(frozen=True)
class Truth:
    """What came, for c forecasts: `y` `[c, h]` (NaN where nothing was seen) and `scale` `[c]`.

    `windows` `[c]` numbers the windows; `parts` `[c]` groups forecasts, for intervals.
    """

    y: FloatArray
    scale: FloatArray
    windows: IntArray
    parts: IntArray

    @classmethod
    def of(cls, y: FloatArray, scale: FloatArray, windows: IntArray, series: IntArray) -> Truth:
        """With parts of a window and some series each, about 40 of them."""
        n_windows = len(np.unique(windows))
        n_series = int(series.max()) + 1
        groups = max(1, min(n_series, PARTS // n_windows))
        found = windows * groups + (series % groups)
        seen = np.isfinite(y).any(axis=1)
        parts = np.full(len(y), -1)
        parts[seen] = np.unique(found[seen], return_inverse=True)[1]
        return cls(y, scale, windows, parts)

    def take(self, rows: Any) -> Truth:
        """Some of the forecasts, their parts numbered anew."""
        parts = self.parts[rows]
        again = np.full(len(parts), -1)
        kept = parts >= 0
        again[kept] = np.unique(parts[kept], return_inverse=True)[1]
        return Truth(self.y[rows], self.scale[rows], self.windows[rows], again)


def scores_of(truth: Truth, quantiles: FloatArray) -> tuple[dict[str, float], FloatArray]:
    """Every metric as the mean over parts, and all of them part by part, `[5, parts]`.

    `quantiles` is `[c, h, levels]`; the point forecast is the middle one.
    """
    n = int(truth.parts.max()) + 1
    found = np.stack([_part(truth, quantiles, truth.parts == p) for p in range(n)], axis=1)
    return dict(zip(METRICS, found.mean(axis=1).tolist(), strict=True)), found


def _part(truth: Truth, quantiles: FloatArray, rows: npt.NDArray[np.bool_]) -> FloatArray:
    y, q = truth.y[rows], quantiles[rows]
    seen = np.isfinite(y)
    error = np.where(seen, np.abs(y - q[:, :, MIDDLE]), 0.0)
    count = seen.sum()
    each = error.sum(axis=1) / np.maximum(1, seen.sum(axis=1))
    any_seen = seen.any(axis=1)
    mase = float((each / truth.scale[rows])[any_seen].mean())
    size = np.where(seen, np.abs(y), 0.0)
    both = size + np.where(seen, np.abs(q[:, :, MIDDLE]), 0.0)
    smape = float((2 * error[seen] / np.maximum(both[seen], 1e-12)).mean())
    loss = 0.0
    for i in SCORED:
        off = np.where(seen, y - q[:, :, i], 0.0)
        loss += float(np.maximum(LEVELS[i] * off, (LEVELS[i] - 1) * off).sum())
    wql = 2 * loss / len(SCORED) / max(float(size.sum()), 1e-3 * float(truth.scale[rows].sum()))
    rmse = float(np.sqrt((error**2).sum() / count))
    return np.array([mase, wql, smape, rmse, float(error.sum() / count)])


def offsets_of(truth: Truth, centre: FloatArray, width: FloatArray) -> FloatArray:
    """Quantiles of the errors in units of `width`, `[h, levels]`: what makes intervals.

    Errors are divided by their usual size at their step, pooled over all steps, and mirrored, the
    more the fewer forecasts there are: whether four windows erred to one side is chance. The errors
    of one forecast are alike, so that quantiles are stretched as those of a t distribution are for
    so few independent errors, and as a further value is uncertain. The middle stays the forecast
    itself. Split conformal prediction (Vovk et al. 2005) gave the thought; its promise does not
    hold, as windows of one series are not exchangeable.
    """
    error = (truth.y - centre) / width
    sizes = _sizes(np.abs(error))
    ratios = error / sizes
    found = ratios[np.isfinite(ratios)]
    if not len(found):
        return np.zeros((error.shape[1], len(LEVELS)))
    n = len(error)
    mirrored = _MIRROR / (_MIRROR + n) / 2
    weights = np.repeat([1 - mirrored, mirrored], len(found))
    quantiles = _quantiles(np.concatenate([found, -found]), weights) * _stretch(n)
    quantiles[:MIDDLE] = np.minimum(quantiles[:MIDDLE], 0.0)
    quantiles[MIDDLE] = 0.0
    quantiles[MIDDLE + 1 :] = np.maximum(quantiles[MIDDLE + 1 :], 0.0)
    return np.asarray(sizes[:, None] * quantiles)


def _sizes(error: FloatArray) -> FloatArray:
    """The mean size of the errors `[n, h]` by step, `[h]`, over 0.

    Of each step and those nearest to it, at least 30 errors where there are so many, drawn towards
    that of all steps as if four forecasts more had said that.
    """
    n, horizon = error.shape
    seen = np.isfinite(error)
    overall = max(float(error[seen].mean()) if seen.any() else 1.0, 1e-12)
    reach = max(-(-_NEAR // max(1, n)) // 2, horizon // 24)
    totals = np.concatenate([[0.0], np.cumsum(np.where(seen, error, 0.0).sum(axis=0))])
    counts = np.concatenate([[0], np.cumsum(seen.sum(axis=0))])
    begin = np.maximum(0, np.arange(horizon) - reach)
    end = np.minimum(horizon, np.arange(horizon) + reach + 1)
    many = counts[end] - counts[begin]
    near = np.where(many > 0, (totals[end] - totals[begin]) / np.maximum(1, many), overall)
    return np.asarray((n * near + _DRAWN * overall) / (n + _DRAWN))


def _quantiles(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted quantiles at all levels."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weights[order]) - weights[order] / 2
    return np.asarray(np.interp(LEVELS, share / weights.sum(), values[order]))


def _stretch(n: int) -> FloatArray:
    """By how much quantiles of the errors of `n` forecasts are too narrow, by level."""
    from scipy.special import ndtri, stdtrit

    errors = _ALIKE * n
    levels = np.array(LEVELS)
    levels[MIDDLE] = 0.9  # any other: the middle is 0
    student = stdtrit(max(2.0, errors - 1), levels) / ndtri(levels)
    return np.asarray(student * np.sqrt(1 + 1 / errors))


def quantiles_from(centre: FloatArray, width: FloatArray, offsets: FloatArray) -> FloatArray:
    """Quantile forecasts `[c, h, levels]` of centres, widths `[c, h]` and offsets `[h, levels]`."""
    return np.asarray(centre[:, :, None] + width[:, :, None] * offsets[None])


def crossed_quantiles(truth: Truth, centre: FloatArray, width: FloatArray) -> FloatArray:
    """Quantile forecasts for scoring: the offsets of each window come from the other windows.

    With a single window they are its own, which flatters; a note of the build says so.
    """
    out = np.empty((*centre.shape, len(LEVELS)))
    for window in np.unique(truth.windows):
        mine = truth.windows == window
        others = ~mine if (~mine).any() else mine
        offsets = offsets_of(truth.take(others), centre[others], width[others])
        out[mine] = quantiles_from(centre[mine], width[mine], offsets)
    return out


def coverage_of(truth: Truth, quantiles: FloatArray, low: int = LOW, high: int = HIGH) -> float:
    """The share of seen values between two quantiles, by default 0.1 and 0.9."""
    seen = np.isfinite(truth.y)
    inside = (truth.y >= quantiles[:, :, low]) & (truth.y <= quantiles[:, :, high])
    return float(inside[seen].mean()) if seen.any() else float("nan")


def by_step(truth: Truth, centre: FloatArray) -> FloatArray:
    """Mean absolute error of each step ahead in units of the scales, `[h]`; NaN where unseen."""
    error = np.abs(truth.y - centre) / truth.scale[:, None]
    seen = np.isfinite(error)
    total = np.where(seen, error, 0.0).sum(axis=0)
    counts = seen.sum(axis=0)
    return np.where(counts > 0, total / np.maximum(1, counts), np.nan)
