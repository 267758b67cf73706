"""Rare classes made heavier while a model learns, and the shares turned back afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from modelwright.families.base import Examples, FloatArray

Balance = Literal["none", "root", "full"]


def class_factors(examples: Examples, balance: Balance) -> FloatArray:
    """What each class's weights are multiplied by, `[n_classes]`; ones where nothing is done.

    `full` gives every class the same weight in total, `root` goes half of the way (on a log scale).
    The mean over rows stays 1. A class without rows has factor 1.

    >>> from modelwright.families.base import Inputs
    >>> rows = Inputs.of([[0.0]] * 10)
    >>> toy = Examples(rows, np.array([0] * 9 + [1]), "binary", 2)
    >>> class_factors(toy, "full").round(2).tolist()
    [0.56, 5.0]
    """
    if balance == "none" or not examples.n_classes:
        return np.ones(max(1, examples.n_classes))
    totals = np.bincount(examples.y.astype(int), examples.weight, minlength=examples.n_classes)
    shares = totals / totals.sum()
    factors = np.where(shares > 0, np.maximum(shares, 1e-12), 1.0) ** -1.0
    factors = np.sqrt(factors) if balance == "root" else factors
    factors = np.where(shares > 0, factors, 0.0)
    factors = factors / (factors * shares).sum()
    return np.where(shares > 0, factors, 1.0)


def weighted_by(examples: Examples, factors: FloatArray) -> Examples:
    """The examples with each row's weight times the factor of its class.

    A model fitted on them takes the classes for more alike in number than they are: its shares are
    those of the rows once divided by the factors (Elkan 2001, "The foundations of cost-sensitive
    learning"), which on a log scale is to subtract `log(factors)`.
    """
    if not examples.n_classes or bool((factors == 1).all()):
        return examples
    return replace(examples, weights=examples.weight * factors[examples.y.astype(int)])
