"""Waves and a line: a regression on the seasons, with what is left forecast from its own past."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Interval

from modelwright.families.base import read_fitted, write_fitted
from modelwright.families.series_base import FloatArray, Panel, Paths, flat_width, fourier
from modelwright.spaces import Log

_MOST = 30_000
_AR_ROWS = 4000
_BEND = 0.98  # by which a damped line loses of its slope with each hundredth of the history


@dataclass(frozen=True)
class Harmonic:
    """Harmonic regression with autoregressive errors (dynamic harmonic regression).

    A line and `harmonics` waves of each season are fitted on the newest `share` of the history by
    least squares with a little ridge; an autoregression of order `order` carries on what is left.
    `flat` leaves the line out, `damped` lets it fade out. Of logarithms with `log`.
    """

    trend: Literal["flat", "line", "damped"] = "damped"
    harmonics: Annotated[int, Interval(ge=1, le=12)] = 4
    order: Annotated[int, Interval(ge=0, le=30)] = 6
    share: Annotated[float, Log(0.15, 1.0)] = 1.0
    log: bool = False

    name: ClassVar[str] = "Harmonic"

    def fit(self, panel: Panel, *, threads: int = 1, seed: int = 0) -> FittedHarmonic:
        """Everything is found anew in each history: nothing is learned here."""
        return FittedHarmonic(self)

    @staticmethod
    def load(folder: Path) -> FittedHarmonic:
        """The forecaster that `export` wrote."""
        facts, _ = read_fitted(folder)
        return FittedHarmonic(Harmonic(**facts["design"]))


@dataclass(frozen=True)
class FittedHarmonic:
    """The settings; the rest is found in the history."""

    design: Harmonic

    @property
    def needs(self) -> int:
        """A handful of rows."""
        return 4

    def forecast(self, panel: Panel) -> Paths:
        """The steps after each series."""
        paths = [self._path(panel, s) for s in range(len(panel))]
        return Paths(np.stack(paths), flat_width(panel))

    def _path(self, panel: Panel, s: int) -> FloatArray:
        design, whole, horizon = self.design, panel.y[s], panel.schema.horizon
        longest = max([8.0, *[p for p in panel.schema.periods if 2 * p <= len(whole)]])
        n = min(_MOST, len(whole), max(round(design.share * len(whole)), int(2 * longest) + 2))
        y = whole[len(whole) - n :]
        log = design.log and y.min() > 0
        z = np.log(y) if log else np.asarray(y, float)
        periods = tuple(p for p in panel.schema.periods if 1.5 * p <= n)
        positions = panel.ends[s] - n + np.arange(n + horizon)
        X = _terms(positions, n, horizon, periods, design)
        # A term for every three rows at most; the slow waves come first.
        A, B = X[:n].T @ X[:n], X[:n].T @ z
        hold = np.full(len(A), 1e-3 * n)
        hold[0] = 1e-9
        w = np.linalg.solve(A + np.diag(hold), B)
        fitted = X @ w
        out = fitted[n:] + _autoregression(z - fitted[:n], design.order, horizon)
        spread = float(z.std()) + 1e-9
        out = np.clip(out, z.min() - 4 * spread, z.max() + 4 * spread)
        return np.asarray(np.exp(out) if log else out)

    def export(self, folder: Path) -> None:
        """Writes one JSON file."""
        write_fitted(folder, "Harmonic", {"design": asdict(self.design)}, {})


def _terms(
    positions: FloatArray, n: int, horizon: int, periods: tuple[float, ...], design: Harmonic
) -> FloatArray:
    parts: list[FloatArray] = [np.ones((n + horizon, 1))]
    if design.trend != "flat":
        t = np.arange(n + horizon) / n - 0.5
        if design.trend == "damped":
            late = np.maximum(0, np.arange(n + horizon) - (n - 1)) * (100 / n)
            t = np.minimum(t, 0.5 - 1 / n) + (1 - _BEND**late) / (1 - _BEND) / 100
        parts.append(t[:, None])
    harmonics = max(1, min(design.harmonics, n // (6 * max(1, len(periods)))))
    parts.append(fourier(positions, periods, harmonics))
    return np.concatenate(parts, axis=1)


def _autoregression(rest: FloatArray, order: int, horizon: int) -> FloatArray:
    """What is left, carried on by an autoregression, `[horizon]`."""
    rest = rest[-_AR_ROWS:]
    order = min(order, len(rest) // 4)
    if order < 1 or rest.std() < 1e-12:
        return np.zeros(horizon)
    X = np.lib.stride_tricks.sliding_window_view(rest, order)[:-1]
    y = rest[order:]
    A = X.T @ X
    w = np.linalg.solve(A + np.eye(order) * (1e-3 * np.trace(A) / order + 1e-12), X.T @ y)
    past = rest[-order:].tolist()
    bound = 3 * float(np.abs(rest).max())
    out = np.zeros(horizon)
    for h in range(horizon):
        value = float(np.clip(np.dot(w, past), -bound, bound))
        out[h] = value
        past = [*past[1:], value]
    return out
