"""Soft labels for any family: a row of shares becomes weighted rows of its classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from modelwright.families.base import Examples, FloatArray, Inputs

LEAST = 0.01  # smaller shares are dropped; the row's other classes take them over


def soft_examples(like: Examples, X: Inputs, labels: FloatArray, weights: FloatArray) -> Examples:
    """Rows `X` whose labels are shares `[n, k]`, or values `[n]`, for any family to be fitted on.

    A row with shares is repeated once for each class of which it has at least 1 %, with that share
    of its weight; the weights of a row keep their sum. Values are labels as they are. What is
    asked (task, loss, monotone columns) is that of `like`. The rows have no groups.

    >>> like = Examples(Inputs.of([[0.0]]), np.array([1]), "binary", 2)
    >>> out = soft_examples(like, like.X, np.array([[0.25, 0.75]]), np.ones(1))
    >>> out.y.tolist(), out.weight.tolist()
    ([0, 1], [0.25, 0.75])
    """
    if like.task == "regression":
        return replace(like, X=X, y=labels.astype(float), weights=weights, groups=None)
    top = labels.max(axis=1, keepdims=True)  # kept even where every share is below the least
    kept = np.where((labels >= LEAST) | (labels == top), labels, 0.0)
    kept = kept / kept.sum(axis=1, keepdims=True)
    rows, classes = np.nonzero(kept)
    weights = kept[rows, classes] * weights[rows]
    return replace(like, X=X.take(rows), y=classes, weights=weights, groups=None)


def together(a: Examples, b: Examples) -> Examples:
    """The rows of both, which ask the same; they have groups where both do."""
    weights = None
    if a.weights is not None or b.weights is not None:
        weights = np.concatenate([a.weight, b.weight])
    groups = None
    if a.groups is not None and b.groups is not None:
        groups = np.concatenate([a.groups, b.groups])
    y = np.concatenate([a.y, b.y])
    return replace(a, X=a.X.joined(b.X), y=y, weights=weights, groups=groups)
