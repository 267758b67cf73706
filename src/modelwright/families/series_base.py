"""What a family of forecasters is: a type that is its own search space, and what fitting gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from modelwright.data.panel import BoolArray, FloatArray, IntArray, Panel

__all__ = ["BoolArray", "FloatArray", "Forecaster", "IntArray", "Panel", "Paths", "SeriesFamily"]


@dataclass(frozen=True)
class Paths:
    """Forecasts of the steps after each of c series: `centre` `[c, horizon]`, the likely value.

    `width` `[c, horizon]`, over 0, says how unsure each is beside the others; intervals are made
    of it and of how large errors in units of it were on windows of the past.
    """

    centre: FloatArray
    width: FloatArray


@runtime_checkable
class Forecaster(Protocol):
    """A fitted forecaster. It may be asked for any history with the schema it was fitted on."""

    @property
    def needs(self) -> int:
        """Rows of history without which it cannot forecast."""
        ...

    def forecast(self, panel: Panel) -> Paths:
        """The steps after the end of each series of the panel, which is not changed."""
        ...

    def export(self, folder: Path) -> None:
        """Writes it into an empty folder, without pickle; `load` forecasts identically."""


@runtime_checkable
class SeriesFamily(Protocol):
    """A design of one family of forecasters: its fields are the search space."""

    name: ClassVar[str]

    def fit(self, panel: Panel, *, threads: int = 1, seed: int = 0) -> Forecaster:
        """Fits on all series of the panel, all randomness taken from `seed`."""
        ...

    @staticmethod
    def load(folder: Path) -> Forecaster:
        """The fitted forecaster that `export` wrote into that folder."""
        ...


def tails(panel: Panel, most: int) -> Iterator[tuple[npt.NDArray[np.intp], FloatArray]]:
    """The last rows of the series in blocks of one length: which series, and `[c, length]`.

    Series are cut at the front to at most `most` rows, and to lengths of a grid with steps of a
    tenth, so that many series make few blocks.
    """
    lengths = np.array([_rounded(min(int(n), most)) for n in panel.lengths])
    for length in np.unique(lengths):
        which = np.flatnonzero(lengths == length)
        yield which, np.stack([panel.y[s][len(panel.y[s]) - length :] for s in which])


def _rounded(n: int) -> int:
    if n <= 60:
        return n
    return int(60 * 1.1 ** np.floor(np.log(n / 60) / np.log(1.1) + 1e-9))


def by_block(
    panel: Panel, most: int, path: Callable[[FloatArray, npt.NDArray[np.intp]], FloatArray]
) -> Paths:
    """Paths of a function of blocks of series `[c, length]` and which series they are."""
    centre = np.zeros((len(panel), panel.schema.horizon))
    for which, block in tails(panel, most):
        centre[which] = path(block, which)
    return Paths(centre, flat_width(panel))


def flat_width(panel: Panel) -> FloatArray:
    """One width per series, the mean step of one season: `[c, horizon]`."""
    return np.repeat(panel.scales()[:, None], panel.schema.horizon, axis=1)


def fourier(positions: Any, periods: tuple[float, ...], harmonics: int) -> FloatArray:
    """Sines and cosines of the seasons at some positions, `[n, 2 * terms]`.

    Of each period at most `harmonics`, and none faster than two steps; a harmonic that another
    period has as well counts once.
    """
    found: list[float] = []
    for period in periods:
        for k in range(1, min(harmonics, int(period // 2)) + 1):
            if all(abs(period / k - f) > 1e-6 * f for f in found):
                found.append(period / k)
    if not found:
        return np.zeros((len(positions), 0))
    angle = 2 * np.pi * np.asarray(positions, float)[:, None] / np.array(found)
    waves = [np.sin(angle), np.cos(angle[:, [f > 2 + 1e-9 for f in found]])]
    return np.concatenate(waves, axis=1)


def all_positive(panel: Panel) -> bool:
    """Whether every value of every series is over 0, so that it has a logarithm."""
    return all(float(y.min(initial=1.0)) > 0 for y in panel.y)
