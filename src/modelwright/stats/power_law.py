"""A learning curve: a falling power law through losses at growing numbers of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.keys import Key

Floats = npt.NDArray[np.float64]
# Steep ones stand for curves that have become flat.
_EXPONENTS = np.concatenate([np.linspace(0.1, 1.5, 29), np.linspace(1.75, 4.0, 10)])


@dataclass(frozen=True)
class LearningCurve:
    """`loss(n) = floor + scale * n ** -exponent`, with bootstrap copies of the three numbers."""

    floor: float
    scale: float
    exponent: float
    copies: Floats

    def at(self, n: float) -> float:
        """The loss expected with `n` rows."""
        return float(self.floor + self.scale * n**-self.exponent)

    def change(self, start: float, stop: float) -> tuple[float, float, float]:
        """How much the loss falls from `start` to `stop` rows, and a 90 % interval of that."""
        _, scale, exponent = self.copies.T
        drawn = scale * start**-exponent - scale * stop**-exponent
        low, high = np.quantile(drawn, [0.05, 0.95])
        return self.at(start) - self.at(stop), float(low), float(high)


def fit_learning_curve(
    rows: Sequence[float], losses: Sequence[Sequence[float]], key: Key, rounds: int = 200
) -> LearningCurve | None:
    """The curve through losses `[repeats, sizes]` at `rows` `[sizes]` training rows.

    Power laws fit learning curves well where they were looked at (Hestness et al. 2017,
    arXiv:1712.00409; Viering and Loog 2022). The floor and the scale are not negative where the
    best of 39 exponents from 0.1 to 4 allows; the interval comes from a bootstrap over repeats
    and of residuals, random by `key`. None with fewer than three sizes, or without a fall.
    """
    n = np.asarray(rows, float)
    table = np.asarray(losses, float)
    if len(n) < 3 or not np.isfinite(table).all():
        return None
    mean = table.mean(axis=0)
    best = _fit(n, mean)
    fitted = best[0] + best[1] * n ** -best[2]
    residuals = (mean - fitted) * np.sqrt(len(n) / max(1, len(n) - 2))
    rng = np.random.default_rng(key.seed(128))
    copies = []
    for _ in range(rounds):
        sample = table[rng.integers(0, len(table), len(table))].mean(axis=0)
        noise = rng.choice(residuals, len(n))
        copies.append(_fit(n, sample - mean + fitted + noise))
    if best[1] <= 0:
        return None
    return LearningCurve(*best, np.array(copies))


def _fit(n: Floats, loss: Floats) -> tuple[float, float, float]:
    """Floor, scale and exponent of the least squares, the scale never negative."""
    best: tuple[float, tuple[float, float, float]] = (float("inf"), (float(loss.mean()), 0.0, 1.0))
    for exponent in _EXPONENTS:
        x = n**-exponent
        centred = x - x.mean()
        scale = max(0.0, float(centred @ loss) / float(centred @ centred))
        floor = float(loss.mean() - scale * x.mean())
        error = float(((loss - floor - scale * x) ** 2).sum())
        if error < best[0] - 1e-15:
            best = (error, (floor, scale, float(exponent)))
    return best[1]


def told_curve(curve: LearningCurve | None, n: int, metric: str, sign: float) -> str:
    """Whether more data would help, in one sentence. `sign` is -1 where higher scores are better.

    >>> told_curve(None, 100, "rmse", 1.0)
    'More rows would hardly help: rmse did not improve with the number of training rows.'
    """
    if curve is None:
        return (
            f"More rows would hardly help: {metric} did not improve with the number of "
            "training rows."
        )
    gain, low, high = curve.change(n, 2 * n)
    now, then = sign * curve.at(n), sign * curve.at(2 * n)
    words = f"{metric} from about {now:.4g} to {then:.4g}"
    bounds = f"a gain of {gain:.2g}, 90 % interval {low:.2g} to {high:.2g}"
    if low <= 0 or gain < 0.005 * max(abs(now), 1e-9):
        return f"Twice the rows would change little: {words} ({bounds})."
    return f"Twice the rows would help: {words} ({bounds})."


def as_json(curve: LearningCurve | None) -> dict[str, Any] | None:
    """The three numbers as plain data."""
    if curve is None:
        return None
    return {"floor": curve.floor, "scale": curve.scale, "exponent": curve.exponent}
