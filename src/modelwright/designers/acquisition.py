"""How much a design promises: expected improvement, on the log scale."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)


def log_expected_improvement(mean: Vector, sd: Vector, best: float) -> Vector:
    """Log of the expected amount by which normal losses fall below `best`; all of shape [n].

    Ament et al., "Unexpected Improvements to Expected Improvement" (2023): finite, with a useful
    slope, where the improvement itself underflows. What differs: the far tail is a series.
    """
    return np.log(sd) + _log_h((best - mean) / sd)


def log_improvement_slopes(
    mean: Vector, sd: Vector, d_mean: Matrix, d_sd: Matrix, best: float
) -> tuple[Vector, Matrix]:
    """The same [n] and its derivatives [n, d], from those of mean and standard deviation."""
    from scipy.special import log_ndtr

    z = (best - mean) / sd
    log_h = _log_h(z)
    density = np.exp(-0.5 * z * z - LOG_ROOT_2PI - log_h)[:, None]
    below = np.exp(log_ndtr(z) - log_h)[:, None]
    return np.log(sd) + log_h, (density * d_sd - below * d_mean) / sd[:, None]


def log_chance_within(mean: Vector, sd: Vector) -> Vector:
    """Log of the chance that a normal value is below 0; all of shape [n].

    Gardner et al., "Bayesian Optimization with Inequality Constraints" (2014), multiply the
    expected improvement by it.
    """
    from scipy.special import log_ndtr

    out: Vector = log_ndtr(-mean / sd)
    return out


def log_chance_slopes(
    mean: Vector, sd: Vector, d_mean: Matrix, d_sd: Matrix
) -> tuple[Vector, Matrix]:
    """The same [n] and its derivatives [n, d], from those of mean and standard deviation."""
    z = -mean / sd
    chance = log_chance_within(mean, sd)
    ratio = np.exp(-0.5 * z * z - LOG_ROOT_2PI - chance)
    return chance, (ratio / sd)[:, None] * (-d_mean - z[:, None] * d_sd)


def _log_h(z: Vector) -> Vector:
    """log(phi(z) + z * Phi(z)), stable for every z."""
    from scipy.special import erfcx, log_ndtr

    out = np.empty_like(z)
    near = z > -1.0
    a = z[near]
    out[near] = np.log(np.exp(-0.5 * a * a - LOG_ROOT_2PI) + a * np.exp(log_ndtr(a)))
    u = -z[~near]
    rest = 1.0 - u * math.sqrt(math.pi / 2.0) * erfcx(u / math.sqrt(2.0))
    # Past 50 the difference has lost its digits and its series has not.
    rest = np.where(u > 50.0, (1.0 - 3.0 / (u * u)) / (u * u), rest)
    out[~near] = -0.5 * u * u - LOG_ROOT_2PI + np.log(rest)
    return out
