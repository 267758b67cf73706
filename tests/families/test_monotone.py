from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from modelwright.families import FAMILIES, available, family
from modelwright.families.base import Examples, FloatArray, Inputs
from modelwright.families.mitigated import MITIGATED

OTHERS = ("Dummy", *MITIGATED)
KEEPING = [
    t.__name__ for t in available(FAMILIES)[0] if t.keeps_monotone and t.__name__ not in OTHERS
]
GRID = np.linspace(-5, 5, 80)


def wavy(task: str, n: int = 600) -> Examples:
    """Answers that rise and fall with x0 and x1, which are declared rising and falling."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(n, 3))
    x[::11, 1] = np.nan
    codes = rng.integers(0, 4, size=(n, 1)).astype(np.int32)
    y = np.sin(3 * x[:, 0]) + x[:, 0] / 2 - np.nan_to_num(x[:, 1]) ** 2 + x[:, 0] * x[:, 2]
    y = y + codes[:, 0] + 0.3 * rng.normal(size=n)
    X = Inputs(x, codes, (4,))
    if task == "binary":
        return Examples(X, (y > 0).astype(int), "binary", 2, monotone=(1, -1, 0))
    return Examples(X, 100 * y, "regression", monotone=(1, -1, 0))


def along(model: Any, X: Inputs, column: int) -> FloatArray:
    """Answers `[rows, grid]` of the first 15 rows, one column moved over a grid."""
    numeric = np.repeat(X.numeric[:15], len(GRID), axis=0)
    numeric[:, column] = np.tile(GRID, 15)
    out = model.predict(replace(X, numeric=numeric, codes=np.repeat(X.codes[:15], len(GRID), 0)))
    return np.asarray(out[:, 1] if out.ndim == 2 else out).reshape(15, -1)


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("name", KEEPING)
def test_answers_are_monotone_over_the_whole_grid(name: str, task: str) -> None:
    rows = wavy(task)
    model = family(name)().fit(rows, rounds=80)
    for column, sign in ((0, 1), (1, -1)):
        steps = np.diff(along(model, rows.X, column), axis=1) * sign
        assert steps.min() >= -1e-9
        assert steps.max() > 0


@pytest.mark.parametrize("name", [n for n in KEEPING if n != "Tree"])
@pytest.mark.parametrize("loss", ["absolute", "quantile"])
def test_so_are_medians_and_quantiles(name: str, loss: Any) -> None:
    rows = replace(wavy("regression"), loss=loss, quantile=0.8)
    model = family(name)().fit(rows, rounds=80)
    assert (np.diff(along(model, rows.X, 0), axis=1) >= -1e-9).all()
    below = (rows.y <= model.predict(rows.X)).mean()
    assert abs(below - (0.5 if loss == "absolute" else 0.8)) < 0.05


@pytest.mark.parametrize("name", KEEPING)
def test_without_the_declaration_they_are_not(name: str) -> None:
    if name == "Linear":
        pytest.skip("a line is always monotone")
    rows = replace(wavy("regression"), monotone=())
    model = family(name)().fit(rows, rounds=80)
    assert (np.diff(along(model, rows.X, 0), axis=1) < -1.0).any()
