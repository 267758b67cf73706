"""Where forecasts of the past start: the windows that candidates are scored on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modelwright.data.panel import IntArray, Panel
from modelwright.data.series import LEAST

CELLS = 24  # windows of all series together, at least, where the history allows
FEWEST, MOST = 4, 24  # windows of one series
SPREAD = 0.3  # of a long history, over which its windows are spread
FOLDS, LARGE = 4, 40_000  # fits of each candidate; two where there are so many rows


@dataclass(frozen=True)
class Origins:
    """Windows, oldest first: `lengths` `[w, s]` rows of history before each, 0 where too short.

    `folds` `[w]` says by which fit a window is forecast: one that saw nothing after the first
    window of its fold.
    """

    lengths: IntArray
    folds: IntArray

    @property
    def n_folds(self) -> int:
        """How many fits a candidate takes."""
        return int(self.folds.max()) + 1

    def cells(self) -> tuple[IntArray, IntArray]:
        """Window and series of each forecast, window by window, `[c]` both."""
        windows, series = np.nonzero(self.lengths)
        return np.asarray(windows), np.asarray(series)

    def first_of(self, fold: int) -> IntArray:
        """Rows of each series that the fit of a fold may see, `[s]`; 0 for none."""
        window = int(np.flatnonzero(self.folds == fold)[0])
        return np.asarray(self.lengths[window])


def sealed_lengths(panel: Panel) -> IntArray | None:
    """Rows of each series before its sealed part, one horizon long; None where none fits.

    A series gives its end when two horizons more remain; the others are not looked at.
    """
    horizon = panel.schema.horizon
    rows = panel.lengths
    long_enough = rows >= 3 * horizon + LEAST
    if not long_enough.any():
        return None
    return np.where(long_enough, rows - horizon, rows)


def plan_origins(panel: Panel) -> Origins:
    """The windows of a panel: as many as its length allows, without its first half or so.

    With few series there are more windows: at least 24 forecasts in all where that can be. They are
    one horizon apart, further in a long history, closer together in a short one.
    """
    horizon, season = panel.schema.horizon, panel.schema.season
    lengths = panel.lengths
    n = int(lengths.max())
    least = max(LEAST, min(n // 2, max(horizon, n // 3)), min(2 * season + 2, int(0.6 * n)))
    least = min(least, n - horizon)
    room = n - horizon - least  # steps between the first and the last origin
    wanted = min(MOST, max(FEWEST, -(-CELLS // len(panel))))
    count = min(wanted, room // horizon + 1)
    if count < FEWEST:  # windows that overlap are better than one or two
        count = max(1, min(FEWEST, 1 + room // max(1, horizon // 3)))
    apart = max(1, room // max(1, count - 1)) if count > 1 else horizon
    apart = min(apart, max(horizon, int(SPREAD * n / count)))
    back = horizon + apart * np.arange(count)[::-1]
    found = lengths[None, :] - back[:, None]
    needed = np.minimum(least, np.maximum(LEAST, lengths // 3))
    found = np.where(found >= needed[None, :], found, 0)
    found = found[(found > 0).any(axis=1)]
    folds = min(2 if panel.rows > LARGE else FOLDS, len(found))
    return Origins(found, np.arange(len(found)) * folds // len(found))
