"""The states of exponential smoothing, run for many series and many parameters at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from modelwright.families.series_base import FloatArray

_GROUP, _ROUNDS = 40, 3
_CELLS = 3_000_000  # numbers that the states of one run may take
_WARM = 3


@dataclass(frozen=True)
class Form:
    """Which states there are: a trend, a season of `m` steps (1 for none); of the logarithm."""

    trend: Literal["none", "additive", "damped"]
    m: int
    log: bool

    @property
    def parameters(self) -> int:
        """How many numbers are fitted: smoothing parameters and first states."""
        trend = {"none": 0, "additive": 2, "damped": 3}[self.trend]
        return 2 + trend + (self.m if self.m > 1 else 0)


def fit_form(y: FloatArray, form: Form, horizon: int) -> tuple[FloatArray, FloatArray]:
    """Corrected AIC `[c]` of a form on series `[c, n]`, and its forecasts `[c, horizon]`.

    With `form.log` the series must be over 0; forecasts are of the series itself.
    """
    size = max(1, _CELLS // (_GROUP * max(4, form.m)))
    parts = [_fit(y[i : i + size], form, horizon) for i in range(0, len(y), size)]
    scores, paths = zip(*parts, strict=True)
    return np.concatenate(scores), np.concatenate(paths)


def _fit(y: FloatArray, form: Form, horizon: int) -> tuple[FloatArray, FloatArray]:
    z = np.log(y) if form.log else np.asarray(y, float)
    c, n = z.shape
    scale = z.std(axis=1, keepdims=True) + 1e-12
    centre = z.mean(axis=1, keepdims=True)
    z = (z - centre) / scale
    rng = np.random.default_rng(0)
    chosen = np.repeat(_first(rng)[None], c, axis=0)
    spread = 0.35
    for _ in range(_ROUNDS):
        errors, *_ = _run(z, form, chosen)
        best = chosen[np.arange(c), np.argmin(errors, axis=1)]
        near = best[:, None] + spread * rng.normal(size=(1, _GROUP // 2, 4))
        near[:, 0] = best
        chosen = np.clip(near, 0.0, 1.0)
        spread /= 3
    errors, level, slope, cycle = _run(z, form, best[:, None])
    mse = np.maximum(errors[:, 0], 1e-12)
    k = form.parameters
    score = n * np.log(mse) + 2 * k + 2 * k * (k + 1) / max(1e-9, n - k - 1)
    if n - k - 1 <= 0:
        score = np.full(c, 1e300)
    score = score + 2 * n * np.log(scale[:, 0])
    if form.log:  # the density of the series, not of its logarithm
        score = score + 2 * np.log(y).sum(axis=1)
    phi = _phi(form, best)
    steps = np.arange(1, horizon + 1)
    damped = np.cumsum(phi[:, None] ** steps, axis=1)
    path = level + slope * damped + cycle[(n + steps - 1) % len(cycle), :, 0].T
    path = centre + scale * path
    if not form.log:
        return score, path
    top = np.log(y).max(axis=1, keepdims=True) + 2
    return score, np.exp(np.clip(path, np.log(y).min(axis=1, keepdims=True) - 2, top))


def _first(rng: np.random.Generator) -> FloatArray:
    """The first candidates `[g, 4]`, each parameter between 0 and 1: spread evenly, shuffled."""
    even = (np.arange(_GROUP) + 0.5) / _GROUP
    return np.stack([rng.permutation(even) for _ in range(4)], axis=1)


def _phi(form: Form, p: FloatArray) -> FloatArray:
    if form.trend == "damped":
        return np.asarray(0.8 + 0.18 * p[..., 3])
    return np.ones(p.shape[:-1])


def _run(
    z: FloatArray, form: Form, p: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Mean squared error `[c, g]` of one step ahead, and the last states, for parameters `p`."""
    n, m = z.shape[1], form.m
    alpha = 0.001 + 0.998 * p[..., 0] ** 2
    beta = alpha * (0.5 * p[..., 1] ** 2) if form.trend != "none" else np.zeros_like(alpha)
    gamma = (1 - alpha) * (0.001 + 0.6 * p[..., 2] ** 2)
    phi = _phi(form, p)
    level, slope, cycle = _start(z, form, alpha)
    total = np.zeros_like(alpha)
    warm = min(n // 2, max(_WARM, m if m > 1 else 0))
    seasonal, trended = m > 1, form.trend != "none"
    for t in range(n):
        ahead = level + phi * slope if trended else level
        place = t % m
        error = z[:, t, None] - ahead
        if seasonal:
            error = error - cycle[place]
            cycle[place] += gamma * error
        level = ahead + alpha * error
        if trended:
            slope = phi * slope + beta * error
        if t >= warm:
            total += error * error
    return total / max(1, n - warm), level, slope, cycle


def _start(
    z: FloatArray, form: Form, like: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """First level, slope and season: from the first two seasons, or the first few rows."""
    n, m = z.shape[1], form.m
    span = m if m > 1 else min(max(2, n // 4), 8)
    first, second = z[:, :span].mean(axis=1), z[:, span : 2 * span].mean(axis=1)
    rise = (second - first) / span if n >= 2 * span else np.zeros(len(z))
    if form.trend == "none":
        rise = np.zeros(len(z))
    cycle = np.zeros((m, *like.shape))
    start = first - rise * (span + 1) / 2
    if m > 1:
        t = np.arange(span)
        one = z[:, :m] - first[:, None] - rise[:, None] * (t - (span - 1) / 2)
        two = z[:, m : 2 * m] - second[:, None] - rise[:, None] * (t - (span - 1) / 2)
        cycle += ((one + two) / 2).T[:, :, None]
    grown = np.ones_like(like)
    return start[:, None] * grown, rise[:, None] * grown, cycle
