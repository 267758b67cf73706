"""A Gaussian process: what a record of scores says about designs that were not tried."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Groups = npt.NDArray[np.intp]

ROOT5 = math.sqrt(5.0)
JITTER = 1e-8
# Centres and widths (natural log) of the normal priors on noise variance, signal variance, mean.
LOG_NOISE, LOG_NOISE_SD = math.log(1e-4), 2.0
LOG_SIGNAL_SD = 1.0
MEAN_SD = 1.0
BOUNDS_LENGTH = (math.log(0.02), math.log(50.0))
BOUNDS_NOISE = (math.log(1e-6), 0.0)
BOUNDS_SIGNAL = (math.log(0.05), math.log(20.0))


def first_guess(n_groups: int) -> Vector:
    """Hyperparameters to start from: log length scales, log noise and log signal variance."""
    length = math.log(0.5) + 0.5 * math.log(max(n_groups, 1))
    return np.array([length] * n_groups + [math.log(1e-2), 0.0])


def _length_prior(n_groups: int) -> tuple[float, float]:
    """Centre and width of the normal prior on log length scales.

    Typical distances in a cube grow with the root of its dimension, so lengths do: Hvarfner,
    Hellsten, Nardi, "Vanilla Bayesian Optimization Performs Great in High Dimensions" (2024).
    """
    return math.sqrt(2.0) + 0.5 * math.log(max(n_groups, 1)), math.sqrt(3.0)


@dataclass(frozen=True)
class Process:
    """A Gaussian process with a Matern-5/2 kernel, conditioned on rows and targets.

    `rows` [n, n_columns], `targets` [n] (about standardised); `theta` are the natural logs of one
    length scale per group of columns, of the noise variance and of the signal variance. The
    constant mean has a normal prior and is the posterior's.
    """

    rows: Matrix
    targets: Vector
    groups: Groups
    theta: Vector

    @cached_property
    def _scale(self) -> Vector:
        weights: Vector = np.exp(-self.theta[:-2])[self.groups]
        return weights

    @cached_property
    def _signal(self) -> float:
        return math.exp(self.theta[-1])

    @cached_property
    def _solved(self) -> tuple[Matrix, Vector, float]:
        """Cholesky factor of the kernel matrix, its solution for the targets, and the mean."""
        kernel = self._signal * _matern(self._squares(self.rows))[0]
        kernel[np.diag_indices_from(kernel)] += math.exp(self.theta[-2]) + JITTER
        factor = _cholesky(kernel)
        ones = _solve(factor, np.ones(len(kernel)))
        mean = float(ones @ self.targets / (ones.sum() + MEAN_SD**-2))
        return factor, _solve(factor, self.targets - mean), mean

    def _squares(self, rows: Matrix) -> Matrix:
        a, b = rows * self._scale, self.rows * self._scale
        gaps: Matrix = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2.0 * (a @ b.T)
        return np.maximum(gaps, 0.0, out=gaps)

    def predict(self, rows: Matrix) -> tuple[Vector, Vector]:
        """Mean and standard deviation (noise left out) at rows [m, n_columns]; both [m]."""
        from scipy.linalg import solve_triangular

        factor, weights, mean = self._solved
        cross = self._signal * _matern(self._squares(rows))[0]
        half = solve_triangular(factor, cross.T, lower=True, check_finite=False)
        variance = np.maximum(self._signal - (half * half).sum(0), 1e-10)
        return mean + cross @ weights, np.sqrt(variance)

    def slopes(self, rows: Matrix, places: Groups) -> tuple[Vector, Vector, Matrix, Matrix]:
        """Mean, standard deviation and their derivatives by the columns `places` [m, n_places]."""
        factor, weights, mean = self._solved
        shape, slope = _matern(self._squares(rows))
        cross, slope = self._signal * shape, -self._signal * slope
        solved = _solve(factor, cross.T).T
        sd = np.sqrt(np.maximum(self._signal - (cross * solved).sum(1), 1e-10))
        at, known, scale = rows[:, places], self.rows[:, places], self._scale[places] ** 2

        def by_place(pull: Matrix) -> Matrix:
            out: Matrix = (pull.sum(1)[:, None] * at - pull @ known) * scale
            return out

        d_mean = by_place(slope * weights)
        d_sd = -by_place(slope * solved) / sd[:, None]
        return mean + cross @ weights, sd, d_mean, d_sd


def fit_theta(
    rows: Matrix, targets: Vector, groups: Groups, starts: list[Vector], steps: int
) -> Vector:
    """The most probable hyperparameters that L-BFGS finds from the given starts in `steps` steps.

    Analytic gradient of the log posterior. Source: Rasmussen and Williams, "Gaussian Processes for
    Machine Learning" (2006), chapter 5.
    """
    from scipy.optimize import minimize

    n_groups = len(starts[0]) - 2
    gaps = _gaps(rows, groups, n_groups)
    bounds = [BOUNDS_LENGTH] * n_groups + [BOUNDS_NOISE, BOUNDS_SIGNAL]
    found = [
        minimize(
            _objective,
            start,
            args=(gaps, targets),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": steps},
        )
        for start in starts
    ]
    best: Vector = min(found, key=lambda result: float(result.fun)).x
    return best


def _gaps(rows: Matrix, groups: Groups, n_groups: int) -> Matrix:
    """Squared distances of all pairs, group by group, [n_groups, n * n]."""
    out = np.zeros((n_groups, len(rows) * len(rows)))
    for g in range(n_groups):
        part = rows[:, groups == g]
        if part.shape[1] == 1:
            out[g] = ((part - part.T) ** 2).ravel()
        else:
            norm = (part * part).sum(1)
            out[g] = (norm[:, None] + norm[None, :] - 2.0 * (part @ part.T)).ravel()
    return out


def _objective(theta: Vector, gaps: Matrix, targets: Vector) -> tuple[float, Vector]:
    """Negative log posterior of the hyperparameters and its gradient."""
    n, n_groups = len(targets), len(theta) - 2
    noise, signal = math.exp(theta[-2]), math.exp(theta[-1])
    shrink = np.exp(-2.0 * theta[:n_groups])
    shape, slope = _matern((shrink @ gaps).reshape(n, n))
    kernel = signal * shape
    kernel[np.diag_indices(n)] += noise + JITTER
    try:
        factor = _cholesky(kernel)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(theta)
    inverse = _solve(factor, np.eye(n))
    ones = inverse.sum(0)
    mean = float(ones @ targets / (ones.sum() + MEAN_SD**-2))
    residual = targets - mean
    weights = inverse @ residual
    value = 0.5 * float(residual @ weights) + float(np.log(np.diag(factor)).sum())
    value += 0.5 * (mean / MEAN_SD) ** 2
    pull = inverse - np.outer(weights, weights)
    gradient = np.empty_like(theta)
    gradient[:n_groups] = 0.5 * signal * (gaps @ (pull * slope).ravel()) * shrink
    trace = float(np.trace(pull))
    gradient[-2] = 0.5 * noise * trace
    gradient[-1] = 0.5 * float((pull * kernel).sum()) - 0.5 * (noise + JITTER) * trace
    centre, width = _length_prior(n_groups)
    centres = np.array([centre] * n_groups + [LOG_NOISE, 0.0])
    widths = np.array([width] * n_groups + [LOG_NOISE_SD, LOG_SIGNAL_SD])
    off = (theta - centres) / widths
    return value + 0.5 * float(off @ off), gradient + off / widths


def _matern(squares: Matrix) -> tuple[Matrix, Matrix]:
    """Matern-5/2 correlation at squared distances, and -2 times its derivative by them."""
    distance = ROOT5 * np.sqrt(np.maximum(squares, 0.0))
    decay = np.exp(-distance)
    slope = (5.0 / 3.0) * (1.0 + distance) * decay
    return (1.0 + distance) * decay + (5.0 / 3.0) * squares * decay, slope


def _cholesky(kernel: Matrix) -> Matrix:
    factor: Matrix = np.asarray(np.linalg.cholesky(kernel), dtype=np.float64)
    return factor


def _solve(factor: Matrix, right: Matrix) -> Matrix:
    from scipy.linalg import cho_solve

    out: Matrix = cho_solve((factor, True), right, check_finite=False)
    return out
