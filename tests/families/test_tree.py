from __future__ import annotations

import numpy as np
import pytest

from modelwright.families.base import Examples, FloatArray, Inputs, Task
from modelwright.families.tree import Tree
from modelwright.testing import family as suite


@pytest.mark.parametrize("task", suite.TASKS)
def test_it_is_one_tree_with_no_more_leaves_than_asked(task: Task) -> None:
    fitted = Tree(leaves=7, min_leaf=5).fit(suite.toy(task))
    assert len(fitted.roots) == 1
    assert 2 <= len(fitted.value) <= 7


def test_declared_directions_are_kept_where_the_rows_say_otherwise() -> None:
    rng = np.random.default_rng(0)
    numeric = rng.normal(size=(600, 3))
    numeric[:, 0] = 3.0  # a constant column vanishes: the others must keep their direction
    y = (numeric[:, 1] + np.sin(4 * numeric[:, 2]) + rng.normal(0, 0.5, 600) > 0).astype(int)
    X = Inputs.of(numeric)
    grid = np.zeros((50, 3))
    grid[:, 2] = np.linspace(-3, 3, 50)

    def steps(monotone: tuple[int, ...]) -> FloatArray:
        fitted = Tree().fit(Examples(X, y, "binary", 2, monotone=monotone))
        return np.diff(fitted.predict(Inputs.of(grid))[:, 1])

    assert steps(()).min() < 0 < steps(()).max()
    assert steps((0, 0, 1)).min() >= 0
    assert steps((0, 0, -1)).max() <= 0


def test_rows_of_small_weight_do_not_make_leaves() -> None:
    X = Inputs.of(np.arange(200.0)[:, None])
    y = (np.arange(200) % 2).astype(float)
    heavy = np.where(np.arange(200) < 100, 1.0, 1e-9)
    fitted = Tree(leaves=200, min_leaf=1).fit(Examples(X, y, "regression", weights=heavy))
    assert len(fitted.value) <= 103
