"""Boosted trees for series: one LightGBM model for all series and all steps ahead."""

from __future__ import annotations

import gzip
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Interval

from modelwright.core.keys import Key
from modelwright.families.base import read_fitted, write_fitted
from modelwright.families.lightgbm import unpacked
from modelwright.families.series_base import (
    BoolArray,
    FloatArray,
    IntArray,
    Panel,
    Paths,
    all_positive,
    flat_width,
)
from modelwright.families.series_lags import panel_scales, standardised
from modelwright.spaces import Log

_ROUNDS, _PATIENCE = 600, 30
_HELD = 0.15  # of the newest origins, that tell when to stop
_SEASONS = 3


@dataclass(frozen=True)
class BoostedLags:
    """Gradient boosting (Ke et al. 2017) on lags, means, seasons, calendar and covariates.

    A row is an origin and a step ahead, drawn at random: `rows` thousand of them. Values are told
    as distances from the recent level in units of the series' deviation, so that one model serves
    all. `level` counts the seasons (or dozens of steps) whose mean is the recent level. The number
    of rounds is found on the newest origins.
    """

    learning_rate: Annotated[float, Log(0.01, 0.3)] = 0.08
    leaves: Annotated[int, Log(4, 128)] = 24
    min_leaf: Annotated[int, Log(5, 200)] = 20
    columns: Annotated[float, Interval(ge=0.3, le=1.0)] = 0.7
    loss: Literal["absolute", "squared"] = "absolute"
    level: Annotated[int, Log(1, 6)] = 1
    rows: Annotated[int, Log(10, 120)] = 25
    lags: Annotated[int, Log(4, 64)] = 24
    log: bool = False

    name: ClassVar[str] = "BoostedLags"

    def fit(self, panel: Panel, *, threads: int = 1, seed: int = 0) -> FittedBoosted:
        """Draws rows from `seed`; rounds stop when 30 brought nothing on the newest origins."""
        import lightgbm

        sight = Sight(self.level, self.lags, self.log and all_positive(panel))
        X, y, new = sight.training(panel, self.rows * 1000, Key.of(seed).child("rows").seed(128))
        settings = {
            "objective": "l1" if self.loss == "absolute" else "l2",
            "metric": "l1", "learning_rate": self.learning_rate, "num_leaves": self.leaves,
            "min_data_in_leaf": min(self.min_leaf, max(2, len(y) // 20)),
            "feature_fraction": self.columns, "bagging_fraction": 0.8, "bagging_freq": 1,
            "num_threads": threads, "seed": seed % 2**31, "deterministic": True,
            "force_col_wise": True, "verbosity": -1,
        }  # fmt: skip
        if len(y) < 30 or not new.any() or new.all():
            return FittedBoosted(sight, None)
        fit_on = lightgbm.Dataset(X[~new], y[~new], free_raw_data=False)
        held = lightgbm.Dataset(X[new], y[new], reference=fit_on, free_raw_data=False)
        stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
        found = lightgbm.train(settings, fit_on, _ROUNDS, valid_sets=[held], callbacks=[stop])
        rounds = max(1, found.best_iteration)
        whole = lightgbm.Dataset(X, y)  # the newest rows are most like what will be asked
        return FittedBoosted(sight, lightgbm.train(settings, whole, rounds))

    @staticmethod
    def load(folder: Path) -> FittedBoosted:
        """The forecaster that `export` wrote."""
        import lightgbm

        facts, _ = read_fitted(folder)
        path = folder / "model.txt.gz"
        text = unpacked(path.read_bytes()) if path.exists() else None
        booster = None if text is None else lightgbm.Booster(model_str=text)
        return FittedBoosted(Sight(**facts["sight"]), booster)


@dataclass(frozen=True, eq=False)
class FittedBoosted:
    """Trees over what a `Sight` gives; without trees (too few rows) the recent level."""

    sight: Sight
    booster: Any

    @property
    def needs(self) -> int:
        """A handful of rows; what is further back counts as missing."""
        return 4

    def forecast(self, panel: Panel) -> Paths:
        """The steps after each series, all at once."""
        horizon = panel.schema.horizon
        which = np.repeat(np.arange(len(panel)), horizon)
        at = np.repeat(panel.lengths, horizon)
        ahead = np.tile(np.arange(1, horizon + 1), len(panel))
        X, level, scale = self.sight.rows(panel, which, at, ahead)
        few = {"num_threads": 1} if len(X) < 2000 else {}
        out = 0.0 if self.booster is None else self.booster.predict(X, **few)
        values = level + scale * out
        values = np.exp(np.clip(values, -50, 50)) if self.sight.log else values
        return Paths(values.reshape(len(panel), horizon), flat_width(panel))

    def export(self, folder: Path) -> None:
        """Writes one JSON file and LightGBM's own text, packed."""
        write_fitted(folder, "BoostedLags", {"sight": asdict(self.sight)}, {})
        if self.booster is not None:
            text = self.booster.model_to_string()
            (folder / "model.txt.gz").write_bytes(gzip.compress(text.encode(), 1, mtime=0))


@dataclass(frozen=True)
class Sight:
    """What a row of an origin and a step ahead holds; NaN where the history is too short."""

    level: int
    lags: int
    log: bool

    def training(
        self, panel: Panel, most: int, seed: int
    ) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Rows `[n, d]` at past origins, scaled targets `[n]`, and which origins are the newest."""
        horizon = panel.schema.horizon
        first = np.minimum(panel.lengths // 3, 2 * self._span(panel))
        first = np.maximum(first, 2)
        room = panel.lengths - first  # rows that may be targets
        counts = np.maximum(0, room)
        rng = np.random.default_rng(seed)
        n = int(min(most, counts.sum() * min(horizon, 20)))
        if n == 0:
            return np.zeros((0, 1)), np.zeros(0), np.zeros(0, bool)
        which = rng.choice(len(panel), n, p=counts / counts.sum())
        ahead = rng.integers(1, horizon + 1, n)
        ahead = np.minimum(ahead, room[which])
        at = first[which] + (rng.random(n) * (room[which] - ahead + 1)).astype(np.int64)
        target, seen = np.empty(n), np.empty(n, bool)
        for s in np.unique(which):
            rows = which == s
            target[rows] = self._values(panel.y[s])[at[rows] + ahead[rows] - 1]
            seen[rows] = panel.seen[s][at[rows] + ahead[rows] - 1]
        which, at, ahead, target = which[seen], at[seen], ahead[seen], target[seen]
        X, level, scale = self.rows(panel, which, at, ahead)
        age = (at + ahead - first[which]) / np.maximum(1, room[which])
        return X, (target - level) / scale, age > 1 - _HELD

    def rows(
        self, panel: Panel, which: IntArray, at: IntArray, ahead: IntArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Features `[n, d]`, recent level `[n]` and scale `[n]` at origins of some series."""
        scales = panel_scales(panel, self.log)
        order = np.argsort(which, kind="stable")
        cuts = np.flatnonzero(np.diff(which[order])) + 1
        found: list[tuple[IntArray, FloatArray, FloatArray]] = []
        for group in np.split(order, cuts):
            s = int(which[group[0]])
            part, its = self._series(panel, s, at[group], ahead[group], float(scales[s]))
            found.append((group, part, its))
        X = np.empty((len(which), found[0][1].shape[1]))
        level = np.empty(len(which))
        for rows, part, its in found:
            X[rows], level[rows] = part, its
        return X, level, scales[which]

    def _series(
        self, panel: Panel, s: int, at: IntArray, ahead: IntArray, scale: float
    ) -> tuple[FloatArray, FloatArray]:
        y = self._values(panel.y[s])
        total = np.concatenate([[0.0], np.cumsum(y)])
        squares = np.concatenate([[0.0], np.cumsum(y * y)])
        span = self._span(panel)

        def mean(of: FloatArray, length: int, end: IntArray) -> FloatArray:
            begin = np.maximum(0, end - length)
            return np.asarray((of[end] - of[begin]) / np.maximum(1, end - begin))

        def value(place: IntArray) -> FloatArray:
            known = (place >= 0) & (place < at)
            return np.where(known, y[np.clip(place, 0, len(y) - 1)], np.nan)

        level = mean(total, span, at)
        columns = [ahead.astype(float)]
        columns += [(value(at - 1 - i) - level) / scale for i in range(self.lags)]
        for length in (max(2, span // 4), 4 * span):
            columns.append((mean(total, length, at) - level) / scale)
        columns.append((total[at] / np.maximum(1, at) - level) / scale)
        for length in (span, 4 * span):
            spread = mean(squares, length, at) - mean(total, length, at) ** 2
            columns.append(np.sqrt(np.maximum(spread, 0)) / scale)
        for period in _seasons(panel):
            back = np.ceil(ahead / period)
            for j in range(_SEASONS):
                place = at + ahead - 1 - np.round((back + j) * period).astype(np.int64)
                columns.append((value(place) - level) / scale)
        here = panel.ends[s] - len(y) + at + ahead - 1
        columns += [np.mod(here, period) for period in panel.schema.periods]
        block = np.stack(columns, axis=1)
        parts = [block, *_beside(panel, s, at, ahead)]
        return np.concatenate(parts, axis=1), level

    def _values(self, y: FloatArray) -> FloatArray:
        return np.log(np.maximum(y, 1e-9)) if self.log else np.asarray(y, float)

    def _span(self, panel: Panel) -> int:
        season = panel.schema.season
        return self.level * (season if 1 < season <= 400 else 12)


def _seasons(panel: Panel) -> list[float]:
    """The seasons whose earlier values a row holds: the season found, and the calendar's."""
    found = [float(panel.schema.season)] if panel.schema.season > 1 else []
    return found + [p for p in panel.schema.periods if all(abs(p - f) > 1 for f in found)]


def _beside(panel: Panel, s: int, at: IntArray, ahead: IntArray) -> list[FloatArray]:
    """Covariates at the origin with their change, known columns at the step ahead, static ones."""
    out = []
    past, known, schema = panel.past[s], panel.known[s], panel.schema
    if past.shape[1]:
        z = standardised(past, schema.numbers(schema.past))
        last = np.clip(at - 1, 0, len(z) - 1)
        day = np.maximum(0, last - max(1, min(schema.season, 24)))
        out += [z[last], z[last] - z[day]]
    if known.shape[1]:
        z = standardised(known, schema.numbers(schema.known))
        here = z[np.minimum(at + ahead - 1, len(z) - 1)]
        out += [here, here - z[np.clip(at - 1, 0, len(z) - 1)]]
    return [*out, np.repeat(panel.static[s : s + 1], len(at), axis=0)]
