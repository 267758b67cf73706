"""Solvers for linear models."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np

from modelwright.families.base import FloatArray, IntArray

Kind = Literal["squared", "pinball", "logistic"]
_SMOOTH = (0.3, 0.05)  # widths of the rounded corner of the pinball loss, in deviations of y


def logistic(strength: float, penalty: str, seed: int) -> Any:
    """scikit-learn's logistic regression, `strength` the inverse of the penalty."""
    from sklearn.linear_model import LogisticRegression

    if penalty == "l2":
        return LogisticRegression(C=strength, max_iter=300)
    about: dict[str, Any] = {"C": strength, "l1_ratio": 0.5, "solver": "saga", "max_iter": 100}
    if LogisticRegression().get_params().get("penalty") == "l2":  # scikit-learn before 1.8
        about["penalty"] = "elasticnet"
    return LogisticRegression(**about, random_state=seed, tol=1e-3)


def ridge(A: FloatArray, y: FloatArray, w: FloatArray, strength: float, penalty: str) -> FloatArray:
    """Coefficients of the penalised least squares of centred columns."""
    if penalty == "elastic":
        from sklearn.linear_model import ElasticNet

        alpha = 1.0 / (strength * len(y))
        model = ElasticNet(alpha=alpha, l1_ratio=0.5, fit_intercept=False, tol=1e-3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(model.fit(A, y, sample_weight=w).coef_)
    rooted = A * np.sqrt(w)[:, None]
    gram = rooted.T @ rooted
    gram[np.diag_indices_from(gram)] += 1.0 / strength
    return np.asarray(np.linalg.solve(gram, A.T @ (w * y)))


def bounded(
    A: FloatArray,
    y: FloatArray,
    w: FloatArray,
    kind: Kind,
    strength: float,
    signs: IntArray,
    level: float = 0.5,
) -> tuple[FloatArray, float]:
    """Coefficients `[width]` and constant of a penalised loss, each with the sign asked for.

    `signs` is +1, -1 or 0 (free) per column. `logistic` has `y` in 0, 1; for the others `y` is best
    of deviation 1. The pinball loss of the quantile `level` is rounded at its corner, less so in a
    second pass (Zheng 2011, "Gradient descent algorithms for quantile regression with smooth
    approximation"). Solved by L-BFGS-B (Byrd et al. 1995).
    """
    from scipy.optimize import minimize

    bounds = [(0.0 if s > 0 else None, 0.0 if s < 0 else None) for s in signs]
    found = np.zeros(A.shape[1] + 1)
    for width in _SMOOTH if kind == "pinball" else _SMOOTH[:1]:

        def cost(b: FloatArray, width: float = width) -> tuple[float, FloatArray]:
            value, slope = _loss(A @ b[:-1] + b[-1], y, kind, level, width)
            slope = w * slope
            total = float(w @ value) + float(b[:-1] @ b[:-1]) / (2 * strength)
            return total, np.append(slope @ A + b[:-1] / strength, slope.sum())

        found = minimize(
            cost, found, jac=True, method="L-BFGS-B", bounds=[*bounds, (None, None)],
            options={"maxiter": 200},
        ).x  # fmt: skip
    return np.asarray(found[:-1]), float(found[-1])


def _loss(
    scores: FloatArray, y: FloatArray, kind: Kind, level: float, width: float
) -> tuple[FloatArray, FloatArray]:
    """Loss of each row and its slope in the score."""
    left = y - scores
    if kind == "squared":
        return left**2 / 2, -left
    if kind == "logistic":
        share = np.exp(-np.logaddexp(0, -scores))
        return np.logaddexp(0, scores) - y * scores, share - y
    over = np.exp(-np.logaddexp(0, left / width))  # smooth version of: the score is too high
    return level * left + width * np.logaddexp(0, -left / width), over - level
