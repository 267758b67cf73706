"""Forecasts that anybody makes by eye: the last season again, or the straight line on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Interval

from modelwright.families.base import read_fitted, write_fitted
from modelwright.families.series_base import FloatArray, Panel, Paths, by_block


@dataclass(frozen=True)
class SeasonalNaive:
    """Each step is the value one season before; without a season, the last value.

    What the MASE divides by is the error of this forecast in the history.
    """

    name: ClassVar[str] = "SeasonalNaive"

    def fit(self, panel: Panel, *, threads: int = 1, seed: int = 0) -> FittedNaive:
        """Nothing is learned."""
        return FittedNaive("SeasonalNaive", 1, 0.0)

    @staticmethod
    def load(folder: Path) -> FittedNaive:
        """The forecaster that `export` wrote."""
        return _load(folder)


@dataclass(frozen=True)
class Drift:
    """The mean of the last few seasons at each step, moved along the line from first to last value.

    With one season and no drift it is the seasonal naive forecast; the line is damped by `drift`.
    """

    seasons: Annotated[int, Interval(ge=1, le=8)] = 1
    drift: Annotated[float, Interval(ge=0.0, le=1.0)] = 1.0

    name: ClassVar[str] = "Drift"

    def fit(self, panel: Panel, *, threads: int = 1, seed: int = 0) -> FittedNaive:
        """Nothing is learned."""
        return FittedNaive("Drift", self.seasons, self.drift)

    @staticmethod
    def load(folder: Path) -> FittedNaive:
        """The forecaster that `export` wrote."""
        return _load(folder)


@dataclass(frozen=True)
class FittedNaive:
    """The last seasons again, with or without a line."""

    family: str
    seasons: int
    drift: float

    @property
    def needs(self) -> int:
        """Any history will do."""
        return 1

    def forecast(self, panel: Panel) -> Paths:
        """The steps after each series."""
        season, horizon = panel.schema.season, panel.schema.horizon
        most = 10_000

        def path(block: FloatArray, _: object) -> FloatArray:
            m = season if block.shape[1] >= season else 1
            k = max(1, min(self.seasons, block.shape[1] // m))
            cycles = block[:, block.shape[1] - k * m :].reshape(len(block), k, m)
            n = block.shape[1]
            slope = (block[:, -1] - block[:, 0]) / max(1, n - 1)
            if n >= 2 * m and m > 1:  # of the means of whole seasons: a season is no trend
                first, last = block[:, :m].mean(axis=1), block[:, -m:].mean(axis=1)
                slope = (last - first) / (n - m)
            slope = self.drift * slope
            back = m * np.arange(k, 0, -1)  # steps from a cycle to the one that is forecast
            profile = (cycles + (slope[:, None] * back)[:, :, None]).mean(axis=1)
            rounds, place = np.divmod(np.arange(horizon), m)
            return np.asarray(profile[:, place] + slope[:, None] * (rounds * m)[None, :])

        return by_block(panel, most, path)

    def export(self, folder: Path) -> None:
        """Writes one JSON file."""
        write_fitted(folder, self.family, {"seasons": self.seasons, "drift": self.drift}, {})


def _load(folder: Path) -> FittedNaive:
    facts, _ = read_fitted(folder)
    return FittedNaive(facts["family"], facts["seasons"], facts["drift"])
