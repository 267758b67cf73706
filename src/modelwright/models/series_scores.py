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

LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
SCORED = tuple(i for i, level in enumerate(LEVELS) if 0.1 <= level <= 0.9)  # what wql averages
LOW, MIDDLE, HIGH = LEVELS.index(0.1), LEVELS.index(0.5), LEVELS.index(0.9)
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
_NEAR = 30  # errors that a quantile of one step ahead is made of, at least


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

    For each step the errors at it and at the steps nearest to it, at least 30 where there are so
    many; split conformal prediction (Vovk et al. 2005) by step, without its promise, as windows of
    one series are not exchangeable. The middle stays the forecast itself.
    """
    error = (truth.y - centre) / width
    horizon = error.shape[1]
    reach = max(0, -(-_NEAR // max(1, len(error))) // 2)
    reach = max(reach, horizon // 24)
    out = np.zeros((horizon, len(LEVELS)))
    for h in range(horizon):
        near = error[:, max(0, h - reach) : h + reach + 1]
        values = near[np.isfinite(near)]
        if not len(values):
            values = error[np.isfinite(error)]
        if len(values):
            out[h] = _spread(values)
    return np.asarray(np.sort(out, axis=1))


def _spread(values: FloatArray) -> FloatArray:
    """Quantiles of errors, moved so that the middle is no error, and widened for few of them."""
    n = len(values)
    levels = np.array(LEVELS)
    wide = np.clip(0.5 + (levels - 0.5) * (1 + 1 / n), 0, 1)
    out = np.quantile(values, wide)
    out[MIDDLE] = 0.0
    out[:MIDDLE] = np.minimum(out[:MIDDLE], 0.0)
    out[MIDDLE + 1 :] = np.maximum(out[MIDDLE + 1 :], 0.0)
    return np.asarray(out)


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


def coverage_of(truth: Truth, quantiles: FloatArray) -> float:
    """The share of seen values between the quantiles 0.1 and 0.9."""
    seen = np.isfinite(truth.y)
    inside = (truth.y >= quantiles[:, :, LOW]) & (truth.y <= quantiles[:, :, HIGH])
    return float(inside[seen].mean()) if seen.any() else float("nan")


def by_step(truth: Truth, centre: FloatArray) -> FloatArray:
    """Mean absolute error of each step ahead in units of the scales, `[h]`; NaN where unseen."""
    error = np.abs(truth.y - centre) / truth.scale[:, None]
    seen = np.isfinite(error)
    total = np.where(seen, error, 0.0).sum(axis=0)
    counts = seen.sum(axis=0)
    return np.where(counts > 0, total / np.maximum(1, counts), np.nan)
