"""Exponential smoothing: level, trend and season that follow the series, fitted when asked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Interval

from modelwright.families.base import read_fitted, write_fitted
from modelwright.families.series_base import FloatArray, Panel, Paths, by_block
from modelwright.families.series_states import Form, fit_form

_MOST = 1500  # rows that are looked at; older ones hardly weigh
_SEASONS, _LEAST = 6, 400
Trend = Literal["auto", "none", "additive", "damped"]
Season = Literal["auto", "none", "additive", "multiplicative"]


@dataclass(frozen=True)
class Ets:
    """Exponential smoothing in state space form (Hyndman et al. 2002), errors additive.

    `auto` takes for each series the form with the smallest corrected AIC. A multiplicative season
    is an additive one of the logarithm, which goes with multiplicative errors; series that are not
    positive throughout have none. Smoothing parameters come from a search that narrows over three
    rounds, for all series and candidates at once; at most 1,500 rows of each series are used.
    """

    trend: Trend = "auto"
    season: Season = "auto"

    name: ClassVar[str] = "Ets"

    def fit(self, panel: Panel, *, threads: int = 1, seed: int = 0) -> FittedEts:
        """Parameters are found anew in every history: nothing is learned here."""
        return FittedEts(self.trend, self.season)

    @staticmethod
    def load(folder: Path) -> FittedEts:
        """The forecaster that `export` wrote."""
        facts, _ = read_fitted(folder)
        return FittedEts(facts["trend"], facts["season"])


@dataclass(frozen=True)
class FittedEts:
    """The forms that are allowed; the rest is found in the history."""

    trend: Trend
    season: Season

    @property
    def needs(self) -> int:
        """A handful of rows."""
        return 4

    def forecast(self, panel: Panel) -> Paths:
        """The steps after each series, by the form with the smallest corrected AIC."""
        m, horizon = panel.schema.season, panel.schema.horizon
        most = min(_MOST, max(_LEAST, _SEASONS * m))

        def path(block: FloatArray, _: object) -> FloatArray:
            best = np.full(len(block), np.inf)
            out = np.repeat(block[:, -1:], horizon, axis=1)
            for form in _forms(self.trend, self.season, m, block.shape[1]):
                usable = (block > 0).all(axis=1) if form.log else np.ones(len(block), bool)
                if not usable.any():
                    continue
                score, found = fit_form(block[usable], form, horizon)
                better = np.flatnonzero(usable)[score < best[usable]]
                kept = score < best[usable]
                best[better], out[better] = score[kept], found[kept]
            return out

        return by_block(panel, most, path)

    def export(self, folder: Path) -> None:
        """Writes one JSON file."""
        write_fitted(folder, "Ets", asdict(self), {})


def _forms(trend: Trend, season: Season, m: int, n: int) -> list[Form]:
    trends: list[Any] = ["none", "additive", "damped"] if trend == "auto" else [trend]
    seasonal = m > 1 and n >= 2 * m + 2
    seasons = ["none", "additive", "multiplicative"] if season == "auto" else [season]
    if not seasonal:
        seasons = ["multiplicative"] if season == "multiplicative" else ["none"]
    elif season == "auto" and n < 3 * m:
        seasons = seasons[1:]
    return [
        Form(t, m if s != "none" and seasonal else 1, s == "multiplicative")
        for s in seasons
        for t in trends
    ]


@dataclass(frozen=True)
class Theta:
    """The theta method (Assimakopoulos & Nikolopoulos 2000), best of the M3 competition.

    The series without its season is forecast by simple exponential smoothing plus a share of the
    slope of its straight line, then the season comes back. `share` 0.5 is the classical one. With
    `log` positive series are forecast as logarithms. What differs: a long season is smoothed.
    """

    share: Annotated[float, Interval(ge=0.0, le=1.0)] = 0.5
    season: Literal["auto", "none"] = "auto"
    log: bool = True

    name: ClassVar[str] = "Theta"

    def fit(self, panel: Panel, *, threads: int = 1, seed: int = 0) -> FittedTheta:
        """Nothing is learned here: a history is all it needs."""
        return FittedTheta(self.share, self.season, self.log)

    @staticmethod
    def load(folder: Path) -> FittedTheta:
        """The forecaster that `export` wrote."""
        facts, _ = read_fitted(folder)
        return FittedTheta(facts["share"], facts["season"], facts["log"])


@dataclass(frozen=True)
class FittedTheta:
    """The settings; the rest is found in the history."""

    share: float
    season: str
    log: bool

    @property
    def needs(self) -> int:
        """A handful of rows."""
        return 4

    def forecast(self, panel: Panel) -> Paths:
        """The steps after each series."""
        horizon = panel.schema.horizon
        m = panel.schema.season if self.season == "auto" else 1
        most = min(4 * _MOST, max(_LEAST, 10 * m))

        def path(block: FloatArray, _: object) -> FloatArray:
            out = np.zeros((len(block), horizon))
            positive = (block > 0).all(axis=1) & self.log
            for log, which in ((True, positive), (False, ~positive)):
                if which.any():
                    out[which] = self._path(block[which], m, horizon, log)
            return out

        return by_block(panel, most, path)

    def _path(self, block: FloatArray, m: int, horizon: int, log: bool) -> FloatArray:
        y = np.log(block) if log else block
        n = y.shape[1]
        cycle: FloatArray = np.zeros((len(y), max(1, m)))
        if m > 1 and n >= 2 * m + 2:
            cycle = season_of(y, m)
        places = np.arange(n + horizon) % cycle.shape[1]
        plain = y - cycle[:, places[:n]]
        t = np.arange(n) - (n - 1) / 2
        slope = (plain @ t) / (t @ t)
        _, level = fit_form(plain, Form("none", 1, False), 1)
        steps = np.arange(1, horizon + 1)
        out = level + self.share * slope[:, None] * steps + cycle[:, places[n:]]
        if not log:
            return np.asarray(out)
        # A logarithm that runs away is a fault of the method, not a forecast.
        low, high = y.min(axis=1)[:, None] - 2, y.max(axis=1)[:, None] + 2
        return np.asarray(np.exp(np.clip(out, low, high)))

    def export(self, folder: Path) -> None:
        """Writes one JSON file."""
        write_fitted(folder, "Theta", asdict(self), {})


def season_of(y: FloatArray, m: int, harmonics: int = 10) -> FloatArray:
    """What each place of the season adds, `[c, m]`, places counted from the first column of `y`.

    Means of the values less their moving mean (classical decomposition), centred; a season of over
    60 steps keeps its first ten harmonics only: its places are seen too seldom.
    """
    c, n = y.shape
    window = np.ones(m + 1) if m % 2 == 0 else np.ones(m)
    if m % 2 == 0:
        window[[0, -1]] = 0.5
    window /= window.sum()
    smooth = np.stack([np.convolve(row, window, mode="valid") for row in y])
    half = (n - smooth.shape[1]) // 2
    rest = y[:, half : half + smooth.shape[1]] - smooth
    cycle = np.zeros((c, m))
    for place in range(m):
        columns = rest[:, (place - half) % m :: m]
        cycle[:, place] = columns.mean(axis=1) if columns.shape[1] else 0.0
    if m > 60:
        waves = np.fft.rfft(cycle, axis=1)
        waves[:, harmonics + 1 :] = 0
        cycle = np.fft.irfft(waves, m, axis=1)
    return np.asarray(cycle - cycle.mean(axis=1, keepdims=True))
