"""Plain statistics of series as features with names: level, shape, parts, rhythm, agreement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

PARTS = (2, 4, 8, 16)  # a series is looked at in so many parts (Deng et al. 2013, with fixed ends)
BANDS = 8  # of frequencies, each twice as wide as the one before
PAIRED = 8  # channels up to which all pairs are compared
_TINY = 1e-12


def statistics(
    grids: npt.NDArray[np.floating], lengths: Whole, channels: Sequence[str]
) -> tuple[Floats, list[str]]:
    """Columns `[n, m]` and their names, of series `[n, c, t]` with so many own moments each.

    Of each channel: mean, deviation, ends, extremes, skewness, slope; how it moves from one moment
    to the next; mean, deviation and slope of halves, quarters and so on; its shares of power by
    frequency; and of each pair of channels the correlation. Which columns there are follows from
    `t` alone. Nothing is random or learned.
    """
    mask = np.arange(grids.shape[2]) < lengths[:, None]
    found: list[tuple[str, Floats]] = []
    values = np.asarray(grids, float)
    for c, name in enumerate(channels):
        for parts in (_whole, _in_parts, _rhythm):
            found += [(f"{name}: {what}", col) for what, col in parts(values[:, c], mask, lengths)]
    if len(channels) <= PAIRED:
        found += _pairs(values, mask, channels)
    return np.stack([column for _, column in found], axis=1), [what for what, _ in found]


def _mean(x: Floats, mask: npt.NDArray[np.bool_]) -> Floats:
    """Means over the moments of a mask `[n, t]`; zero where there are none."""
    return np.asarray(np.where(mask, x, 0).sum(axis=1) / np.maximum(mask.sum(axis=1), 1))


def _moments(x: Floats, mask: npt.NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Mean, deviation, and slope over the stretch of a mask."""
    mean = _mean(x, mask)
    rest = np.where(mask, x - mean[:, None], 0)
    deviation = np.sqrt(_mean(rest**2, mask))
    place = np.cumsum(mask, axis=1, dtype=float) / np.maximum(mask.sum(axis=1), 1)[:, None]
    away = np.where(mask, place - _mean(place, mask)[:, None], 0)
    slope = (rest * away).sum(axis=1) / np.maximum((away**2).sum(axis=1), _TINY)
    return mean, deviation, slope


def _whole(x: Floats, mask: npt.NDArray[np.bool_], lengths: Whole) -> Iterator[tuple[str, Floats]]:
    mean, deviation, slope = _moments(x, mask)
    rest = np.where(mask, x - mean[:, None], 0)
    step, both = np.diff(x, axis=1), mask[:, 1:]
    safe = np.maximum(deviation, _TINY)
    yield "mean", mean
    yield "deviation", deviation
    yield "slope", slope
    yield "first value", x[:, 0]
    yield "last value", x[np.arange(len(x)), lengths - 1]
    yield "least", np.where(mask, x, np.inf).min(axis=1)
    yield "most", np.where(mask, x, -np.inf).max(axis=1)
    yield "skewness", np.where(deviation > _TINY, _mean(rest**3, mask) / safe**3, 0)
    yield "step to step", _mean(np.abs(step), both)
    yield "share of rises", _mean((step > 0).astype(float), both)
    crossed = (rest[:, 1:] > 0) != (rest[:, :-1] > 0)
    yield "crossings of the mean", _mean(crossed.astype(float), both)
    for lag in (1, 2, 4, 8):
        if x.shape[1] > lag:
            alike = np.where(mask[:, lag:], rest[:, lag:] * rest[:, :-lag], 0).sum(axis=1)
            power = np.maximum((rest**2).sum(axis=1), _TINY)
            yield f"autocorrelation at {lag}", alike / power


def _in_parts(
    x: Floats, mask: npt.NDArray[np.bool_], lengths: Whole
) -> Iterator[tuple[str, Floats]]:
    place, rows = (np.arange(x.shape[1]) + 0.5) / lengths[:, None], np.arange(len(x))
    for parts in PARTS:
        if x.shape[1] < 2 * parts:
            return
        for i in range(parts):
            here = mask & (place >= i / parts) & (place < (i + 1) / parts)
            told = f"of part {i + 1}/{parts}"
            mean, deviation, slope = _moments(x, here)
            centre = x[rows, ((i + 0.5) / parts * lengths).astype(int)]
            mean = np.where(here.any(axis=1), mean, centre)  # of a series shorter than the parts
            yield f"mean {told}", mean
            if parts < PARTS[-1]:
                yield f"deviation {told}", deviation
                yield f"slope {told}", slope


def _rhythm(x: Floats, mask: npt.NDArray[np.bool_], lengths: Whole) -> Iterator[tuple[str, Floats]]:
    """Logarithms of the shares of power in bands of frequencies, per moment."""
    width = x.shape[1]
    if width < 8:
        return
    rest = np.where(mask, x - _mean(x, mask)[:, None], 0)
    power = np.abs(np.fft.rfft(rest, axis=1))[:, 1:] ** 2
    total = np.maximum(power.sum(axis=1), _TINY)
    frequency = np.fft.rfftfreq(width)[1:]
    yield "centre of frequencies", (power * frequency).sum(axis=1) / total
    for band in range(BANDS):
        high, low = 0.5 / 2**band, 0.5 / 2 ** (band + 1)
        here = (frequency > low) & (frequency <= high) if band < BANDS - 1 else frequency <= high
        if here.any():
            share = power[:, here].sum(axis=1) / total
            yield f"power at periods from {1 / high:.0f} steps", np.log10(share + 1e-6)


def _pairs(
    values: Floats, mask: npt.NDArray[np.bool_], channels: Sequence[str]
) -> list[tuple[str, Floats]]:
    found = []
    for a in range(len(channels)):
        for b in range(a):
            x, y = values[:, a], values[:, b]
            both = _mean(x * y, mask) - _mean(x, mask) * _mean(y, mask)
            spread = _moments(x, mask)[1] * _moments(y, mask)[1]
            column = np.where(spread > _TINY, both / np.maximum(spread, _TINY), 0)
            found.append((f"{channels[b]} and {channels[a]}: correlation", column))
    return found
