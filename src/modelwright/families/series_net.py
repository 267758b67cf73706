"""A net for series: lags in, quantiles of all steps ahead out; trained in PyTorch, run in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from annotated_types import Interval

from modelwright.families.base import read_fitted, write_fitted
from modelwright.families.series_base import FloatArray, Panel, Paths, all_positive, flat_width
from modelwright.families.series_known import KnownEffects, effects_from, known_effects
from modelwright.families.series_lags import Centre, Look, n_lags, newest_fifth
from modelwright.spaces import Log

_MOST = 20_000
_REACH = 6.0  # deviations that an input is held within
_LEAST_WIDTH = 0.05  # of the series' own width: a net may be too sure


@dataclass(frozen=True)
class LagNet:
    """A linear map of the lags plus a small net, trained on the quantile loss.

    Inputs are those of `LagLinear`: centred lags, level, waves, covariates, and like there effects
    of columns known ahead are taken off first. The linear part is
    DLinear's thought (Zeng et al. 2023), the net beside it that of N-BEATS (Oreshkin et al. 2020),
    here in one block. It stops on the newest fifth of the windows.
    """

    memory: Annotated[float, Log(0.5, 6.0)] = 2.0
    centre: Centre = "last"
    harmonics: Annotated[int, Interval(ge=0, le=6)] = 2
    width: Annotated[int, Log(16, 256)] = 64
    layers: Annotated[int, Interval(ge=1, le=3)] = 2
    learning_rate: Annotated[float, Log(3e-4, 1e-2)] = 2e-3
    weight_decay: Annotated[float, Log(1e-4, 0.3)] = 1e-2
    dropout: Annotated[float, Interval(ge=0.0, le=0.5)] = 0.1
    steps: Annotated[int, Log(100, 3000)] = 600
    covariates: bool = False
    log: bool = False

    name: ClassVar[str] = "LagNet"

    def fit(self, panel: Panel, *, threads: int = 1, seed: int = 0) -> FittedLagNet:
        """Trains on windows of all series; random in `seed`."""
        from modelwright.training.forecast import Course, train_quantiles

        log = self.log and all_positive(panel)
        effects = known_effects(panel, log)
        panel = effects.removed(panel)
        look = Look(n_lags(panel, self.memory), self.centre, self.harmonics, log, self.covariates)
        X, Y, age = look.windows(panel, panel.schema.horizon, _MOST)
        while len(X) < 20 and look.lags > 1:
            look = replace(look, lags=look.lags // 2)
            X, Y, age = look.windows(panel, panel.schema.horizon, _MOST)
        if len(X) < 20:
            return FittedLagNet(look, {}, effects)
        mean, spread = X.mean(axis=0), X.std(axis=0) + 1e-3
        Z = np.clip((X - mean) / spread, -_REACH, _REACH)
        course = Course(
            (self.width,) * self.layers, self.steps, 128, self.learning_rate, self.weight_decay,
            self.dropout,
        )  # fmt: skip
        weights = train_quantiles(Z, Y, newest_fifth(age), course, threads=threads, seed=seed)
        arrays = {"mean": mean.astype("f4"), "spread": spread.astype("f4"), **weights}
        return FittedLagNet(look, arrays, effects)

    @staticmethod
    def load(folder: Path) -> FittedLagNet:
        """The forecaster that `export` wrote."""
        facts, arrays = read_fitted(folder)
        look = Look(**facts["look"])
        return FittedLagNet(look, arrays, effects_from(arrays, look.log))


@dataclass(frozen=True, eq=False)
class FittedLagNet:
    """Weights as arrays; without any (too few windows) the last value."""

    look: Look
    weights: Mapping[str, npt.NDArray[Any]]
    effects: KnownEffects

    @property
    def needs(self) -> int:
        """A handful of rows; fewer lags are filled up."""
        return min(self.look.lags, 8)

    def forecast(self, panel: Panel) -> Paths:
        """The steps after each series, with the net's own widths."""
        return self.effects.added(self._paths(self.effects.removed(panel)), panel)

    def _paths(self, panel: Panel) -> Paths:
        X, adds, scales = self.look.at_ends(panel)
        if "head.weight" not in self.weights:
            zeros = np.zeros((len(panel), panel.schema.horizon))
            return Paths(self.look.back(zeros, adds, scales), flat_width(panel))
        low, middle, up = quantiles_of(self.weights, X)
        parts = [self.look.back(part, adds, scales) for part in (low, middle, up)]
        width = (parts[2] - parts[0]) / 2
        return Paths(parts[1], np.maximum(width, _LEAST_WIDTH * flat_width(panel)))

    def export(self, folder: Path) -> None:
        """Writes one JSON file and the weights."""
        arrays = {**self.weights, **self.effects.arrays()}
        write_fitted(folder, "LagNet", {"look": asdict(self.look)}, arrays)


def quantiles_of(
    weights: Mapping[str, npt.NDArray[Any]], X: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Lower, middle and upper quantile `[n, horizon]`, as `training.forecast` has them."""
    x = np.clip((X - weights["mean"]) / weights["spread"], -_REACH, _REACH)
    h, i = x, 0
    while f"layer{i}.weight" in weights:
        h = np.maximum(h @ weights[f"layer{i}.weight"] + weights[f"layer{i}.bias"], 0)
        i += 1
    raw = h @ weights["head.weight"] + x @ weights["skip.weight"] + weights["head.bias"]
    low, middle, up = np.split(raw, 3, axis=1)
    return middle - np.logaddexp(0, low), middle, middle + np.logaddexp(0, up)
