"""Linear forecasts: regressions on lags, for all steps at once or step by step."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Interval

from modelwright.families.base import read_fitted, write_fitted
from modelwright.families.series_base import FloatArray, Panel, Paths, all_positive, flat_width
from modelwright.families.series_known import KnownEffects, effects_from, known_effects
from modelwright.families.series_lags import Centre, Look, n_lags, ridge
from modelwright.spaces import Log

_MOST = 10_000  # windows that are fitted on, evenly spaced
_FEWEST, _LARGEST = 20, 40_000_000  # windows of a series alone; numbers of all models together
_FAR = 6.0  # deviations of the history beyond which a recursion is held


@dataclass(frozen=True)
class LagLinear:
    """Ridge regression of the next steps on lags, level, waves of the seasons and covariates.

    On windows that are centred and scaled; one model for `all` series, or one for `each` that has
    enough windows. `direct` has coefficients of its own for each step ahead; `recursive` forecasts
    one step and feeds it back, which needs fewer windows. Effects of columns known ahead are taken
    off first and put back. `memory` counts seasons of lags. Of logarithms with `log`, where all
    values are over 0; with `pull` the mean so far draws it. The strength is chosen on the newest
    fifth of the windows.
    """

    way: Literal["direct", "recursive"] = "direct"
    scope: Literal["all", "each"] = "all"
    memory: Annotated[float, Log(0.5, 6.0)] = 1.5
    centre: Centre = "mean"
    harmonics: Annotated[int, Interval(ge=0, le=8)] = 2
    log: bool = False
    covariates: bool = False
    pull: bool = True

    name: ClassVar[str] = "LagLinear"

    def fit(self, panel: Panel, *, threads: int = 1, seed: int = 0) -> FittedLagLinear:
        """Solves one regression, or one for each series; nothing is random."""
        log = self.log and all_positive(panel)
        effects = known_effects(panel, log)
        panel = effects.removed(panel)
        lags = n_lags(panel, self.memory)
        look = Look(lags, self.centre, self.harmonics, log, self.covariates, self.pull)
        ahead = panel.schema.horizon if self.way == "direct" else 1
        found = len(look.windows(panel, ahead, 1)[0])
        while not found and look.lags > 1:  # every series is shorter than that: look back less
            look = replace(look, lags=look.lags // 2)
            found = len(look.windows(panel, ahead, 1)[0])
        if not found:
            coefficients = np.zeros((look.at_ends(panel)[0].shape[1], ahead))
            return FittedLagLinear(look, ahead, coefficients, (), effects)
        whole = self._solve(panel, look, ahead)
        every = [whole.astype(np.float32)]
        names: list[str] = []
        if self.scope == "each" and len(panel) > 1 and whole.size * len(panel) <= _LARGEST:
            for s in range(len(panel)):
                if len(panel.y[s]) >= 2 * look.lags + ahead + _FEWEST:
                    alone = panel.cells([s], [len(panel.y[s])])
                    names.append(panel.names[s])
                    every.append(self._solve(alone, look, ahead).astype(np.float32))
        return FittedLagLinear(look, ahead, np.concatenate(every, axis=1), tuple(names), effects)

    def _solve(self, panel: Panel, look: Look, ahead: int) -> FloatArray:
        X, Y, age = look.windows(panel, ahead, _MOST)
        return ridge(X, Y, age, free=(0,))[0]  # the constant stands first

    @staticmethod
    def load(folder: Path) -> FittedLagLinear:
        """The forecaster that `export` wrote."""
        facts, arrays = read_fitted(folder)
        look = Look(**facts["look"])
        return FittedLagLinear(
            look, facts["ahead"], arrays["coefficients"], tuple(facts["names"]),
            effects_from(arrays, look.log),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class FittedLagLinear:
    """Coefficients for what a look gives; with `ahead` 1 forecasts are fed back.

    `coefficients` is `[d, ahead * (1 + names)]`: those of all series, then those of each one named.
    """

    look: Look
    ahead: int
    coefficients: FloatArray
    names: tuple[str, ...]
    effects: KnownEffects

    @property
    def needs(self) -> int:
        """One season or so of rows; fewer lags are filled up."""
        return min(self.look.lags, 8)

    def forecast(self, panel: Panel) -> Paths:
        """The steps after each series."""
        whole, panel = panel, self.effects.removed(panel)
        if self.ahead == panel.schema.horizon and self.ahead > 1:
            X, adds, scales = self.look.at_ends(panel)
            centre = self.look.back(self._answers(panel, X), adds, scales)
        else:
            centre = self._recursive(panel)
        paths = Paths(_held(centre, panel), flat_width(panel))
        return self.effects.added(paths, whole)

    def _answers(self, panel: Panel, X: FloatArray) -> FloatArray:
        """Scaled answers `[c, ahead]` to one row of features per series."""
        place = {name: i for i, name in enumerate(self.names, 1)}
        which = np.array([place.get(name, 0) for name in panel.names])
        out = np.empty((len(X), self.ahead))
        for i in np.unique(which):
            rows = which == i
            block = self.coefficients[:, i * self.ahead : (i + 1) * self.ahead]
            out[rows] = X[rows] @ block
        return out

    def _recursive(self, panel: Panel) -> FloatArray:
        """One step at a time, each forecast a lag of the next; covariates stay as they were."""
        horizon = panel.schema.horizon
        out = np.zeros((len(panel), horizon))
        at = panel
        for h in range(horizon):
            X, adds, scales = self.look.at_ends(at)
            if h == 0:
                first = scales
            step = np.clip(self._answers(panel, X), -50, 50)
            out[:, h] = self.look.back(step, adds, first)[:, 0]
            at = _longer(at, out[:, h])
        return out

    def export(self, folder: Path) -> None:
        """Writes one JSON file and the coefficients."""
        facts = {"look": asdict(self.look), "ahead": self.ahead, "names": list(self.names)}
        arrays = {"coefficients": self.coefficients, **self.effects.arrays()}
        write_fitted(folder, "LagLinear", facts, arrays)


def _longer(panel: Panel, values: FloatArray) -> Panel:
    """The panel with one more value in each series."""
    y = tuple(np.append(old, new) for old, new in zip(panel.y, values, strict=True))
    past = tuple(np.concatenate([p, p[-1:]]) for p in panel.past)
    seen = tuple(np.append(s, False) for s in panel.seen)
    return replace(panel, y=y, past=past, seen=seen)


def _held(centre: FloatArray, panel: Panel) -> FloatArray:
    """Forecasts held near what the history has seen: a recursion may run away."""
    low = np.array([y.min() for y in panel.y])
    high = np.array([y.max() for y in panel.y])
    room = _FAR * np.array([float(y.std()) + 1e-9 for y in panel.y])
    safe = np.where(np.isfinite(centre), centre, np.array([y[-1] for y in panel.y])[:, None])
    return np.clip(safe, (low - room)[:, None], (high + room)[:, None])
