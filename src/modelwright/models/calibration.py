"""Shares that mean what they say: a map from a model's shares to better ones, kept if it helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from modelwright.families.base import FloatArray, both_classes, softmax
from modelwright.models import formulas

Kind = Literal["none", "temperature", "platt", "isotonic"]
Labels = npt.NDArray[Any]
_LEAST = 1e-7
_MAX_ROWS = 5000
_ISOTONIC_FROM = 1000


@dataclass(frozen=True)
class Calibration:
    """A fitted map of shares `[n, k]`, plain numbers.

    `temperature` (Guo et al. 2017, arXiv:1706.04599) raises shares to a power, for any number of
    classes; `platt` (Platt 1999) is a logistic curve over the log-odds of two classes; `isotonic`
    (Zadrozny and Elkan 2002) a rising step curve, smoothed to straight pieces.

    >>> Calibration("temperature", (2.0,)).apply(np.array([[0.8, 0.2]])).round(2).tolist()
    [[0.67, 0.33]]
    """

    kind: Kind = "none"
    numbers: tuple[float, ...] = ()

    def apply(self, shares: FloatArray) -> FloatArray:
        """The calibrated shares, `[n, k]`."""
        if self.kind == "none":
            return shares
        if self.kind == "temperature":
            return softmax(_logs(shares) / self.numbers[0])
        if self.kind == "platt":
            slope, shift = self.numbers
            odds = slope * _odds(shares) + shift
            return both_classes(np.exp(-np.logaddexp(0, -odds)))
        half = len(self.numbers) // 2
        return both_classes(np.interp(shares[:, 1], self.numbers[:half], self.numbers[half:]))

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back."""
        return {"kind": self.kind, "numbers": list(self.numbers)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Calibration:
        """The calibration that `to_json` wrote."""
        return cls(data["kind"], tuple(data["numbers"]))


NONE = Calibration()


def fit_calibration(
    kind: Kind, y: Labels, shares: FloatArray, weights: FloatArray | None = None
) -> Calibration:
    """The map of that kind with the least log loss (isotonic: least squares) on these rows.

    At most 5,000 rows, evenly spaced, are looked at.
    """
    step = -(-len(y) // _MAX_ROWS)
    w = np.ones(len(y)) if weights is None else weights
    y, shares, w = y[::step], shares[::step], w[::step]
    if kind == "temperature":
        return Calibration(kind, (_temperature(y, shares, w),))
    if kind == "platt":
        return Calibration(kind, _platt(y, shares, w))
    if kind == "isotonic":
        return Calibration(kind, _isotonic(y, shares, w))
    return NONE


def kinds_for(n_classes: int, n_rows: int) -> Sequence[Kind]:
    """The kinds worth trying, simplest first."""
    if n_classes != 2:
        return ("temperature",)
    return ("temperature", "platt", "isotonic") if n_rows >= _ISOTONIC_FROM else ("platt",)


def _logs(shares: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.clip(shares, _LEAST, 1)))


def _odds(shares: FloatArray) -> FloatArray:
    p = np.clip(shares[:, 1], _LEAST, 1 - _LEAST)
    return np.asarray(np.log(p) - np.log1p(-p))


def _temperature(y: Labels, shares: FloatArray, w: FloatArray) -> float:
    """Golden-section search on the logarithm of the temperature; the loss has one minimum."""
    logs = _logs(shares)

    def loss(t: float) -> float:
        return formulas.log_loss(y, softmax(logs / np.exp(t)), w)

    low, high, golden = -2.0, 2.0, (5**0.5 - 1) / 2
    a, b = high - golden * (high - low), low + golden * (high - low)
    fa, fb = loss(a), loss(b)
    for _ in range(20):
        if fa < fb:
            high, b, fb = b, a, fa
            a = high - golden * (high - low)
            fa = loss(a)
        else:
            low, a, fa = a, b, fb
            b = low + golden * (high - low)
            fb = loss(b)
    return float(np.exp((low + high) / 2))


def _platt(y: Labels, shares: FloatArray, w: FloatArray) -> tuple[float, float]:
    """Newton steps; targets are pulled towards the middle as in Platt's paper."""
    x = _odds(shares)
    up, down = w[y == 1].sum(), w[y != 1].sum()
    target = np.where(y == 1, (up + 1) / (up + 2), 1 / (down + 2))
    A = np.column_stack([x, np.ones(len(x))])
    at = np.array([1.0, 0.0])
    for _ in range(20):
        p = np.exp(-np.logaddexp(0, -(A @ at)))
        bend = (A * (w * np.maximum(p * (1 - p), 1e-9))[:, None]).T @ A + 1e-6 * np.eye(2)
        step = np.linalg.solve(bend, A.T @ (w * (p - target)))
        at = at - np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-8:
            break
    return float(max(at[0], 1e-3)), float(at[1])


def _isotonic(y: Labels, shares: FloatArray, w: FloatArray) -> tuple[float, ...]:
    from scipy.optimize import isotonic_regression

    order = np.argsort(shares[:, 1], kind="stable")
    x, target, weight = shares[order, 1], (y[order] == 1).astype(float), w[order] + 1e-12
    starts = np.flatnonzero(np.diff(x, prepend=-1.0) > 0)
    mass = np.add.reduceat(weight, starts)
    level = np.add.reduceat(weight * target, starts) / mass
    fit = isotonic_regression(level, weights=mass)
    # Through the middle of each flat piece: no jumps, and the order of rows is kept.
    blocks = np.asarray(fit.blocks)
    total = np.add.reduceat(mass, blocks[:-1])
    middle = np.add.reduceat(mass * x[starts], blocks[:-1]) / total
    least = 0.5 / (
        weight.sum() + 1
    )  # a share of exactly 0 or 1 would be claimed of no finite sample
    height = np.clip(np.asarray(fit.x)[blocks[:-1]], least, 1 - least)
    # Rising also before the first piece and after the last, so that no two shares become equal.
    ends = 0.9 * float(height[0]), 1 - 0.9 * (1 - float(height[-1]))
    return (0.0, *middle.tolist(), 1.0, ends[0], *height.tolist(), ends[1])
