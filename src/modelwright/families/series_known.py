"""What columns known ahead do to a series: taken off before learning, put back on forecasts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modelwright.families.series_base import FloatArray, Panel, Paths
from modelwright.families.series_lags import panel_scales

_HOLD = 0.01  # ridge, as a share of the columns' own variance
_SEASONS = 3  # seasons that a series has to hold for its differences to be of one season


@dataclass(frozen=True, eq=False)
class KnownEffects:
    """A regression on known columns, its errors forecast by whatever model comes after.

    `weights` `[k]` count deviations of a series for each unit of a column; `low` and `high` `[k]`
    are what was seen in training, beyond which a column counts no further. With `log` they are of
    logarithms.
    """

    weights: FloatArray
    low: FloatArray
    high: FloatArray
    log: bool

    def removed(self, panel: Panel) -> Panel:
        """The series without the effects."""
        if not len(self.weights):
            return panel
        scales = panel_scales(panel, self.log)
        y = tuple(
            self._moved(values, -scale * self._of(panel, s)[: len(values)])
            for s, (values, scale) in enumerate(zip(panel.y, scales, strict=True))
        )
        return replace(panel, y=y)

    def added(self, paths: Paths, panel: Panel) -> Paths:
        """Forecasts of the series without the effects, with those of the steps ahead."""
        if not len(self.weights):
            return paths
        horizon, scales = panel.schema.horizon, panel_scales(panel, self.log)
        ahead = np.stack([
            scale * self._of(panel, s)[len(panel.y[s]) :][:horizon]
            for s, scale in enumerate(scales)
        ])  # fmt: skip
        width = self._moved(paths.width, ahead) if self.log else paths.width
        return Paths(self._moved(paths.centre, ahead), width)

    def _of(self, panel: Panel, s: int) -> FloatArray:
        return np.asarray(np.clip(panel.known[s], self.low, self.high) @ self.weights)

    def _moved(self, y: FloatArray, by: FloatArray) -> FloatArray:
        return np.asarray(y * np.exp(by) if self.log else y + by)

    def arrays(self) -> dict[str, FloatArray]:
        """What `effects_from` reads; nothing where no column is known."""
        if not len(self.weights):
            return {}
        return {"known": np.stack([self.weights, self.low, self.high])}


def effects_from(arrays: Mapping[str, Any], log: bool) -> KnownEffects:
    """The effects among a fitted forecaster's arrays."""
    found = np.asarray(arrays.get("known", np.zeros((3, 0))), float)
    return KnownEffects(found[0], found[1], found[2], log)


def known_effects(panel: Panel, log: bool) -> KnownEffects:
    """Fits the effects on changes from one season (or step) to the next, over all series.

    Changes leave out what is slow, and what comes again each season anyway. Ridge; nothing random.
    """
    k = panel.known[0].shape[1]
    if not k:
        return effects_from({}, log)
    m = panel.schema.season
    A, B, n = np.zeros((k, k)), np.zeros(k), 0
    for s, scale in enumerate(panel_scales(panel, log)):
        y, X = panel.y[s], panel.known[s][: len(panel.y[s])]
        z = (np.log(np.maximum(y, 1e-9)) if log else y) / scale
        lag = m if len(y) > _SEASONS * m else 1
        if len(y) <= lag + 1:
            continue
        change, moved = z[lag:] - z[:-lag], X[lag:] - X[:-lag]
        A, B, n = A + moved.T @ moved, B + moved.T @ (change - change.mean()), n + len(change)
    every = np.concatenate([panel.known[s][: len(y)] for s, y in enumerate(panel.y)])
    low, high = every.min(axis=0), every.max(axis=0)
    # A column that hardly ever moved says nothing of what it does.
    hold = _HOLD * np.diag(A) + 1e-6 * max(1, n) * np.maximum(every.var(axis=0), 1e-9)
    return KnownEffects(np.linalg.solve(A + np.diag(hold + 1e-12), B), low, high, log)
