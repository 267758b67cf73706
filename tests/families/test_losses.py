from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from modelwright.core.errors import InputError
from modelwright.families import family
from modelwright.families.base import Examples, Inputs, weighted_quantile
from modelwright.families.soft import together


def spread_rows(n: int = 1500) -> Examples:
    """The spread of the answers grows with x: their 90 % quantile is 1.28 x, their mean 0."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 3, size=(n, 1))
    return Examples(
        Inputs.of(x), rng.normal(size=n) * x[:, 0], "regression", 0, None, "quantile", 0.9
    )


@pytest.mark.parametrize("name", ["Dummy", "Linear", "KNearest", "LightGbm", "CatBoost"])
def test_a_tenth_of_the_answers_lie_above_the_ninth_decile(name: str) -> None:
    rows = spread_rows()
    train, held = rows.take(slice(0, 1000)), rows.take(slice(1000, None))
    above = held.y > family(name)().fit(train, rounds=60).predict(held.X)
    assert 0.05 < above.mean() < 0.2  # of 15 neighbours, the quantile is rough


@pytest.mark.parametrize("name", ["LightGbm", "CatBoost"])
def test_a_quantile_follows_the_spread(name: str) -> None:
    low, high = family(name)().fit(spread_rows()).predict(Inputs.of([[0.3], [2.7]]))
    assert low < 1.0 < 2.5 < high


def test_weighted_quantile_of_one_heavy_row() -> None:
    values = np.array([5.0, 1.0, 3.0])
    assert weighted_quantile(values, np.array([0.1, 0.1, 9.0]), 0.9) == 3.0
    assert weighted_quantile(values, np.ones(3), 0.9) == 5.0


def test_what_examples_declare_survives_taking_and_joining() -> None:
    rows = replace(spread_rows(20), monotone=(1,))
    part = rows.take([3, 1])
    assert (part.loss, part.quantile, part.monotone) == ("quantile", 0.9, (1,))
    both = together(part, rows)
    assert (both.loss, both.quantile, both.monotone, len(both.y)) == ("quantile", 0.9, (1,), 22)
    assert (rows.level, replace(rows, loss="absolute").level) == (0.9, 0.5)


def test_refuses_signs_that_do_not_fit() -> None:
    rows = spread_rows(10)
    with pytest.raises(InputError, match="for each of 1 numeric columns"):
        replace(rows, monotone=(1, 0))
    with pytest.raises(InputError, match="-1, 0 or 1"):
        replace(rows, monotone=(2,))
    with pytest.raises(InputError, match="two classes or a number"):
        Examples(rows.X, np.arange(10) % 3, "multiclass", 3, monotone=(1,))
    with pytest.raises(InputError, match="between 0 and 1"):
        replace(rows, quantile=90.0)
