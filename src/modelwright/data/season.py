"""How long the season of a series is: guessed from its step, checked by autocorrelation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.data.steps import DAY, Step

FloatArray = npt.NDArray[np.floating[Any]]
_HOUR, _WEEK, _YEAR = 3600.0, 7 * DAY, 365.25 * DAY
_CYCLES = 2.0  # of a season that a series must hold before it counts
_CLEAR = 0.15  # autocorrelation at the season, at least
_LONGER = 0.05  # by which a longer season must be clearer: it repeats the shorter one
_HIDDEN = 0.3  # and where the step suggests none
_NEARLY = 0.85  # of the highest peak: the first so high is the season
_MOST_ROWS = 20_000


def periods_of(step: Step) -> tuple[float, ...]:
    """The seasons that a calendar gives a step, in steps, shortest first: a day, a week, a year.

    >>> periods_of(Step("second", 3600.0)), periods_of(Step("month", 3.0))
    ((24.0, 168.0, 8766.0), (4.0,))
    """
    if step.unit == "weekday":
        return (5.0, 260.9)
    if step.unit == "number":
        return ()
    if step.unit == "month":
        return (12 / step.size,) if step.size < 12 else ()
    found = [p / step.size for p in (_HOUR, DAY, _WEEK, _YEAR)]
    if step.size > 60:  # the hour is a season of seconds and minutes only
        found = found[1:]
    return tuple(round(p, 4) for p in found if p >= 2)


def find_season(series: Sequence[FloatArray], step: Step) -> tuple[int, str]:
    """The season in steps (1 where there is none), and a sentence on how it was found.

    Of the calendar's seasons the one with the highest autocorrelation, mean over series; where the
    calendar has none that shows, the first high peak of the autocorrelation.
    """
    candidates = [p for p in periods_of(step) if round(p) >= 2]
    best, height = 1, -_LONGER
    for period in candidates:
        found = _mean([_at(y, round(period)) for y in series])
        if found > max(height + _LONGER, _CLEAR):
            best, height = round(period), found
    if best > 1:
        return best, (
            f"the season is {best} steps of one {step.words}: autocorrelation {height:.2f} there"
        )
    best, height = _hidden(series)
    if best > 1:
        return best, (
            f"the season is {best} steps of one {step.words}: no season of the calendar shows, and "
            f"the autocorrelation has a peak of {height:.2f} there"
        )
    return 1, "no season shows in the autocorrelation"


def periods_with(season: int, step: Step, longest: int) -> tuple[float, ...]:
    """All periods that forecasts may use: the calendar's with two cycles in `longest`, and ours."""
    found = [p for p in periods_of(step) if _CYCLES * p <= longest]
    if season > 1 and all(abs(p - season) > 0.02 * season for p in found):
        found.append(float(season))
    return tuple(sorted(found))


def autocorrelation(y: FloatArray, most: int) -> FloatArray:
    """Autocorrelation of a series without its straight line, at lags 0 to `most`, `[most + 1]`."""
    y = np.asarray(y[-_MOST_ROWS:], float)
    t = np.arange(len(y))
    y = y - np.polyval(np.polyfit(t, y, 1), t)
    size = 1 << int(np.ceil(np.log2(2 * len(y))))
    power = np.abs(np.fft.rfft(y, size)) ** 2
    raw = np.fft.irfft(power, size)[: most + 1]
    # Each lag has fewer pairs than the one before; without this long seasons would look weak.
    raw = raw / np.maximum(1, len(y) - np.arange(most + 1))
    return np.asarray(raw / raw[0] if raw[0] > 0 else np.zeros(most + 1))


def _at(y: FloatArray, lag: int) -> float:
    """Autocorrelation at a lag of a series without its moving mean; 0 where it is no peak there.

    A slow wander correlates at every lag; without the mean over one season it does at none.
    """
    if len(y) < _CYCLES * lag + 2:
        return np.nan
    y = np.asarray(y[-_MOST_ROWS:], float)
    window = lag + 1 - lag % 2
    padded = np.pad(y, window // 2, mode="reflect")
    total = np.cumsum(np.concatenate([[0.0], padded]))
    found = autocorrelation(y - (total[window:] - total[:-window]) / window, lag + 1)
    side = found[max(1, lag - max(1, lag // 6))]
    return float(found[lag]) if found[lag] > max(side, found[lag // 2]) else 0.0


def _hidden(series: Sequence[FloatArray]) -> tuple[int, float]:
    """A season that no calendar gives: the first high peak after a valley below zero."""
    longest = max(len(y) for y in series)
    most = min(longest // 3, 2000)
    if most < 4:
        return 1, 0.0
    rows = [autocorrelation(y, most) for y in series if len(y) > 3 * most - 1][:20]
    if not rows:
        return 1, 0.0
    found = np.mean(rows, axis=0)
    below = np.flatnonzero(found < 0)
    if not len(below):
        return 1, 0.0
    later = np.arange(max(2, int(below[0])), most)
    peaks = later[(found[later] > found[later - 1]) & (found[later] >= found[later + 1])]
    if not len(peaks) or found[peaks].max() <= _HIDDEN:
        return 1, 0.0
    # Every multiple of a season has a peak too, and noise may lift it a little.
    peak = int(peaks[found[peaks] >= _NEARLY * found[peaks].max()][0])
    return peak, float(found[peak])


def _mean(values: Sequence[float]) -> float:
    kept = [v for v in values if np.isfinite(v)]
    return float(np.mean(kept)) if kept else 0.0
