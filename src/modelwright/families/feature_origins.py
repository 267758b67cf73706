"""What made columns add to an answer, given back to the columns that they were made of."""

from __future__ import annotations

import numpy as np

from modelwright.families.base import FloatArray, Inputs
from modelwright.families.feature_codes import Lookup
from modelwright.families.feature_numbers import Aggregate, Combine, Gaps
from modelwright.families.feature_steps import Features, Step


def given_back(features: Features, parts: FloatArray, X: Inputs) -> FloatArray:
    """Contributions `[n, numbers + codes after feature work]` as `[n, numeric + codes + texts]`.

    `X` are rows as they were before. A made column's share goes in equal parts to the columns that
    it was made of; sums over a row stay what they were.

    >>> from modelwright.families.feature_numbers import PRODUCT
    >>> step = Combine(np.array([0]), np.array([1]), np.array([PRODUCT]))
    >>> rows = Inputs.of([[2.0, 3.0]])
    >>> given_back(Features((step,)), np.array([[1.0, 0.0, 4.0]]), rows).tolist()
    [[3.0, 2.0]]
    """
    p, q = X.numeric.shape[1], len(X.levels)
    made = [owners for step in features.steps for owners in _owners(step, p, q)]
    if features.kept is not None:
        made = [made[i] for i in features.kept]
    codes = range(q) if features.recode is None else features.recode.kept
    owners = [*((j,) for j in range(p)), *made, *((p + int(j),) for j in codes)]
    out = np.zeros((len(parts), p + q + len(X.texts)))
    for column, places in zip(parts.T, owners, strict=True):
        for place in places:
            out[:, place] += column / len(places)
    return out


def _owners(step: Step, p: int, q: int) -> list[tuple[int, ...]]:
    """For each column of a step the places of what it was made of."""
    if isinstance(step, Lookup):
        pairs = zip(step.first.tolist(), step.second.tolist(), strict=True)
        made = [(p + a, p + b) if b >= 0 else (p + a,) for a, b in pairs]
        return [owners for owners in made for _ in range(step.values.shape[1])]
    if isinstance(step, Combine):
        return list(zip(step.first.tolist(), step.second.tolist(), strict=True))
    if isinstance(step, Aggregate):
        pairs = zip(step.number.tolist(), step.group.tolist(), strict=True)
        return [(number, p + group) for number, group in pairs]
    if isinstance(step, Gaps):
        return [tuple(range(p + q)), *((j,) for j in step.marked.tolist())]
    return [(p + q + step.column,)] * step.width  # type: ignore[attr-defined]
