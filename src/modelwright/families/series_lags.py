"""Windows of series as rows to learn from: lags, level, season and covariates at each origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from modelwright.families.series_base import BoolArray, FloatArray, IntArray, Panel, fourier

Centre = Literal["last", "mean"]
_LONGEST_BASE = 200  # a longer season is told by its waves, not by that many lags
_SHORTEST_BASE = 12


def n_lags(panel: Panel, memory: float) -> int:
    """How many rows back to look: `memory` times the longest season of at most 200 steps.

    A season counts when the longest series holds four of it; without one it is 12 steps. At most a
    third of the longest series, less the horizon.
    """
    longest, horizon = int(panel.lengths.max()), panel.schema.horizon
    seasons = (*panel.schema.periods, float(panel.schema.season))
    fitting = [p for p in seasons if 1 < p <= _LONGEST_BASE and longest >= 4 * p]
    base = max([_SHORTEST_BASE, *fitting])
    return max(1, min(round(memory * base), (longest - min(horizon, longest // 3)) // 3))


@dataclass(frozen=True)
class Look:
    """What of a history a row holds: so many lags, centred, with so many waves of each season.

    With `pull` also how far it is from its mean so far.
    """

    lags: int
    centre: Centre
    harmonics: int
    log: bool
    covariates: bool
    pull: bool = True

    def at_ends(self, panel: Panel) -> tuple[FloatArray, FloatArray, FloatArray]:
        """One row per series at its end: features `[c, d]`, what to add and to multiply by `[c]`.

        A series with fewer rows than lags is continued to the front by its first value.
        """
        rows, adds, scales = [], [], panel_scales(panel, self.log)
        for s in range(len(panel)):
            y = self._values(panel.y[s])
            if len(y) < self.lags:
                y = np.concatenate([np.full(self.lags - len(y), y[0]), y])
            at = np.array([len(y)])
            x, c = self._rows(panel, s, y, at, scales[s])
            rows.append(x)
            adds.append(c)
        return np.concatenate(rows), np.concatenate(adds), scales

    def windows(
        self, panel: Panel, ahead: int, most: int
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Rows at past origins: features `[n, d]`, the next `ahead` values `[n, ahead]`, age `[n]`.

        Values are centred and scaled as the features are. `age` runs from 0 (the first origin of a
        series) to 1 (its last). At most `most` rows, evenly spaced.
        """
        starts = max(self.lags, min(2 * self.lags, 8))
        counts = [max(0, len(y) - starts - ahead + 1) for y in panel.y]
        every = max(1, -(-sum(counts) // most))
        xs, ys, ages = [], [], []
        scales = panel_scales(panel, self.log)
        for s, count in enumerate(counts):
            if count == 0:
                continue
            # From the newest origin backwards: that one is most like what will be asked.
            at = len(panel.y[s]) - ahead - np.arange(0, count, every)[::-1]
            y = self._values(panel.y[s])
            x, c = self._rows(panel, s, y, at, scales[s])
            target = sliding_window_view(y, ahead)[at]
            xs.append(x)
            ys.append((target - c[:, None]) / scales[s])
            ages.append((at - starts + 1) / count)
        if not xs:
            return np.zeros((0, 0)), np.zeros((0, ahead)), np.zeros(0)
        return np.concatenate(xs), np.concatenate(ys), np.concatenate(ages)

    def back(self, scaled: FloatArray, adds: FloatArray, scales: FloatArray) -> FloatArray:
        """Scaled answers `[c, h]` as values of the series."""
        out = scaled * scales[:, None] + adds[:, None]
        return np.asarray(np.exp(np.clip(out, -50, 50)) if self.log else out)

    def _values(self, y: FloatArray) -> FloatArray:
        return np.log(np.maximum(y, 1e-9)) if self.log else np.asarray(y, float)

    def _rows(
        self, panel: Panel, s: int, y: FloatArray, at: IntArray, scale: float
    ) -> tuple[FloatArray, FloatArray]:
        """Features at origins `at` (rows before them are the past), and the centres."""
        lags = sliding_window_view(y, self.lags)[at - self.lags]
        centre = lags[:, -1] if self.centre == "last" else lags.mean(axis=1)
        parts: list[FloatArray] = [np.ones((len(at), 1)), (lags - centre[:, None]) / scale]
        if self.pull:  # towards the mean so far, which a wandering series comes back to
            mean = np.cumsum(y)[at - 1] / at
            parts.append(((centre - mean) / scale)[:, None])
        if self.harmonics:
            here = panel.ends[s] - len(panel.y[s]) + at - (len(y) - len(panel.y[s]))
            parts.append(fourier(here, panel.schema.periods, self.harmonics))
        if self.covariates and panel.past[s].shape[1]:
            numbers = panel.schema.numbers(panel.schema.past)
            back = len(y) - len(panel.past[s])
            parts.append(_covariates(panel.past[s], at - back, numbers))
        if self.covariates:
            parts.append(np.repeat(panel.static[s : s + 1], len(at), axis=0))
        return np.concatenate(parts, axis=1), centre


def _covariates(past: FloatArray, at: IntArray, numbers: BoolArray) -> FloatArray:
    """Covariates at origins: the last value and its change, `numbers` standardised so far.

    Wild values are held within five deviations of the mean; indicators stay as they are.
    """
    n = np.arange(1, len(past) + 1)[:, None]
    mean = np.where(numbers, np.cumsum(past, axis=0) / n, 0.0)
    square = np.cumsum(past**2, axis=0) / n
    spread = np.where(numbers, np.sqrt(np.maximum(square - mean**2, 1e-12)) + 1e-9, 1.0)
    last = at - 1
    before = np.maximum(0, last - 1)
    z = (past[last] - mean[last]) / spread[last]
    change = (past[last] - past[before]) / spread[last]
    return np.asarray(np.clip(np.concatenate([z, change], axis=1), -5, 5))


def standardised(columns: FloatArray, numbers: BoolArray) -> FloatArray:
    """Columns with `numbers` standardised over all rows and held within five deviations."""
    z = (columns - columns.mean(axis=0)) / (columns.std(axis=0) + 1e-9)
    return np.where(numbers, np.clip(z, -5, 5), columns)


def panel_scales(panel: Panel, log: bool) -> FloatArray:
    """Per series what its values are divided by: the deviation of the (log) values, over 0."""
    found = [float(np.std(np.log(np.maximum(y, 1e-9)) if log else y)) or 1.0 for y in panel.y]
    return np.asarray(np.maximum(np.array(found), 1e-9))


def newest_fifth(age: FloatArray) -> BoolArray:
    """Which rows `[n]` judge a fit on the others: the newest, or every fifth where all tie."""
    held = age > np.quantile(age, 0.8)
    if not held.any():  # many short series have few ages
        held = age >= age.max()
    return held if not held.all() else np.asarray(np.arange(len(age)) % 5 == 4)


def ridge(
    X: FloatArray, Y: FloatArray, age: FloatArray, free: Sequence[int] = ()
) -> tuple[FloatArray, float]:
    """Coefficients `[d, k]` of a ridge regression, and the strength that held up best.

    The strength is chosen on the newest fifth of the rows, by absolute error; `free` columns are
    hardly held back.
    """
    held = newest_fifth(age) if len(X) >= 20 else np.zeros(len(X), bool)
    strengths = [10.0**e for e in (-3, -2, -1, 0, 1, 2, 3)]
    if not held.any():
        return _solve(X, Y, [1.0], free)[0], 1.0
    train = ~held
    rows = np.flatnonzero(held)[:: max(1, int(held.sum()) // 600)]
    found = _solve(X[train], Y[train], strengths, free)
    losses = [float(np.abs(X[rows] @ w - Y[rows]).mean()) for w in found]
    best = strengths[int(np.argmin(losses))]
    return _solve(X, Y, [best], free)[0], best


def _solve(
    X: FloatArray, Y: FloatArray, strengths: Sequence[float], free: Sequence[int]
) -> list[Any]:
    A, B = X.T @ X, X.T @ Y
    weight = np.full(len(A), np.trace(A) / max(1, len(A)) / 10)
    weight[list(free)] *= 1e-4
    return [np.linalg.solve(A + np.diag(weight * s + 1e-9), B) for s in strengths]
