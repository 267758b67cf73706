"""Ensembles of forecasts: weights that are good on some windows, scored on the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from modelwright.models.series_scores import FloatArray, Truth

Mask = npt.NDArray[np.bool_]
STEPS, BAGS = 20, 16
_LEAST = 0.04  # a member that would weigh less is left out
_EVEN = 0.25  # how far weights are drawn towards equal ones among those chosen: windows are few


def choose_weights(truth: Truth, centres: Sequence[FloatArray], squared: bool) -> FloatArray:
    """Weights `[m]` of forecasts `[c, h]` each, summing to 1.

    Bagged ensemble selection (Caruana et al. 2004) on scaled absolute errors, or squared ones:
    in each of 16 bags half of the members, drawn once and for all, are added greedily with
    replacement. Windows of one series are few and alike, so the result is drawn a quarter of the
    way to equal weights of those that count.
    """
    m = len(centres)
    if m == 1:
        return np.ones(1)
    seen = np.isfinite(truth.y)
    scale = np.broadcast_to(truth.scale[:, None], truth.y.shape)[seen]
    scale = np.ones_like(scale) if squared else scale
    y = truth.y[seen] / scale
    parts = np.stack([c[seen] / scale for c in centres])
    every = max(1, len(y) // 8000)
    y, parts = y[::every], parts[:, ::every]
    total = _greedy(y, parts, np.arange(m), squared)
    if m > 3:
        rng = np.random.default_rng(0)
        for _ in range(BAGS):
            total = total + _greedy(y, parts, rng.choice(m, -(-m // 2), replace=False), squared)
    weights = total / total.sum()
    weights = np.where(weights < _LEAST, 0.0, weights)
    weights = weights / weights.sum()
    used = weights > 0
    return np.asarray((1 - _EVEN) * weights + _EVEN * used / used.sum())


def _greedy(y: FloatArray, parts: FloatArray, library: object, squared: bool) -> FloatArray:
    """Weights of one greedy run over some members, as counts over the best number of steps."""
    chosen: list[int] = []
    path: list[float] = []
    which = np.asarray(library)
    total = np.zeros(len(y))
    for step in range(1, STEPS + 1):
        off = (total + parts[which]) / step - y
        losses = (off**2 if squared else np.abs(off)).mean(axis=1)
        best = int(np.argmin(losses))
        chosen.append(int(which[best]))
        path.append(float(losses[best]))
        total = total + parts[which[best]]
        if step - int(np.argmin(path)) > 4:
            break
    counts = np.bincount(chosen[: int(np.argmin(path)) + 1], minlength=len(parts)).astype(float)
    return np.asarray(counts / counts.sum())


def mixed(parts: Sequence[FloatArray], weights: FloatArray) -> FloatArray:
    """The weighted mean of arrays of one shape."""
    out = np.zeros(parts[0].shape)
    for part, weight in zip(parts, weights, strict=True):
        if weight > 0:
            out = out + weight * part
    return out


def blocks_of(truth: Truth) -> list[tuple[Mask, Mask]]:
    """Per block of windows which forecasts are in it and which are not, as masks `[c]`.

    Neighbouring windows go together, in at most six blocks; with one window there is one block, and
    its weights are its own.
    """
    windows = np.unique(truth.windows)
    groups = np.array_split(windows, min(6, len(windows)))
    masks = [np.isin(truth.windows, group) for group in groups]
    return [(mask, ~mask if (~mask).any() else mask) for mask in masks]
