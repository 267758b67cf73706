from __future__ import annotations

import numpy as np
import pytest

from modelwright.data.schema import Features
from modelwright.families.augment import augment
from modelwright.families.base import Examples, Inputs
from modelwright.families.linear import Linear
from modelwright.families.soft import soft_examples, together


def table(n: int = 400, seed: int = 0) -> Features:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    numeric = np.column_stack([a, a + 0.1 * rng.normal(size=n), rng.integers(0, 90, n)])
    numeric[rng.random(n) < 0.2, 1] = np.nan
    codes = np.column_stack([rng.integers(-1, 3, n), a > 0]).astype(np.int32)
    dates = np.asarray(1e9 + 86400.0 * rng.integers(0, 50, n), np.float64)[:, None]
    texts = {"note": np.array([f"note {i % 7}" for i in range(n)], dtype=object)}
    return Features(numeric, codes, dates, texts)


def test_made_rows_look_like_the_table() -> None:
    real = table()
    made = augment(real, 4000, seed=1)
    assert 3900 < len(made) <= 4000
    whole = made.numeric[:, 2]
    assert np.array_equal(whole, np.round(whole))
    assert np.nanmin(made.numeric[:, 0]) >= real.numeric[:, 0].min()
    assert 0.1 < np.isnan(made.numeric[:, 1]).mean() < 0.3
    assert set(np.unique(made.codes[:, 0])) == {-1, 0, 1, 2}
    assert set(made.dates[:, 0]) <= set(real.dates[:, 0])
    assert set(made.texts["note"]) == set(real.texts["note"])


def test_columns_that_go_together_still_do() -> None:
    made = augment(table(), 4000, seed=1)
    known = ~np.isnan(made.numeric[:, 1])
    near = np.corrcoef(made.numeric[known, 0], made.numeric[known, 1])[0, 1]
    rng = np.random.default_rng(0)
    apart = np.corrcoef(made.numeric[known, 0], rng.permutation(made.numeric[known, 1]))[0, 1]
    assert near > 0.7 > abs(apart)
    assert ((made.numeric[:, 0] > 0) == made.codes[:, 1]).mean() > 0.75


def test_no_made_row_is_one_of_the_table() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, (60, 4)).astype(np.int32)
    real = Features(np.zeros((60, 0)), codes, np.zeros((60, 0)))
    made = augment(real, 600, seed=0)
    assert 0 < len(made) < 600
    assert not {tuple(r) for r in made.codes} & {tuple(r) for r in codes}


def test_the_seed_decides_and_the_table_is_left_alone() -> None:
    real = table()
    before = real.numeric.copy(), real.codes.copy()
    one, two, other = (augment(real, 300, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.numeric, two.numeric)
    assert not np.array_equal(one.numeric[:50], other.numeric[:50], equal_nan=True)
    np.testing.assert_array_equal(real.numeric, before[0])
    np.testing.assert_array_equal(real.codes, before[1])


@pytest.mark.parametrize("n", [0, 1, 3])
def test_a_table_of_a_few_rows_gives_none(n: int) -> None:
    assert len(augment(table().take(slice(0, n)), 100, seed=0)) == 0


def test_a_family_learns_the_shares_it_was_told() -> None:
    x = np.repeat([[0.0], [1.0]], 200, axis=0)
    told = np.where(x == 1, [[0.2, 0.8]], [[0.7, 0.3]])
    like = Examples(Inputs.of(x), np.zeros(400, int), "binary", 2)
    lesson = soft_examples(like, like.X, told, np.ones(400))
    assert lesson.weight.sum() == pytest.approx(400)
    shares = Linear(strength=1000.0).fit(lesson).predict(Inputs.of([[0.0], [1.0]]))
    np.testing.assert_allclose(shares[:, 1], [0.3, 0.8], atol=0.01)


def test_tiny_shares_are_dropped_and_rows_keep_their_weight() -> None:
    like = Examples(Inputs.of([[0.0]]), np.array([0]), "multiclass", 3)
    lesson = soft_examples(like, like.X, np.array([[0.005, 0.495, 0.5]]), np.array([2.0]))
    assert lesson.y.tolist() == [1, 2]
    assert lesson.weight.sum() == pytest.approx(2.0)


def test_rows_without_weights_join_rows_with_weights() -> None:
    plain = Examples(Inputs.of([[0.0], [1.0]]), np.array([0, 1]), "binary", 2)
    both = together(plain, soft_examples(plain, plain.X, np.eye(2), np.full(2, 0.3)))
    assert both.weight.tolist() == [1.0, 1.0, 0.3, 0.3]
