from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwright.families.base import Examples, FloatArray, Inputs
from modelwright.families.linear import Linear
from modelwright.families.linear_basis import products, ramps
from modelwright.families.linear_fit import bounded
from modelwright.testing.family import TASKS, toy

LINE = Linear(interactions="none")


def rows_of(y: Any, x: FloatArray) -> Examples:
    return Examples(Inputs.of(x), np.asarray(y, float), "regression")


def error(design: Linear, rows: Examples) -> float:
    n = len(rows.y) * 2 // 3
    held = rows.take(slice(n, None))
    return float(np.abs(design.fit(rows.take(slice(0, n))).predict(held.X) - held.y).mean())


def test_products_find_the_pair_that_matters_and_no_other() -> None:
    x = np.random.default_rng(0).normal(size=(900, 6))
    noise = np.random.default_rng(1).normal(size=900)
    rows = rows_of(x[:, 0] + 2 * x[:, 1] * x[:, 4] + 0.3 * noise, x)
    model = Linear(interactions="products").fit(rows)
    assert list(zip(model.basis.left, model.basis.right, strict=True)) == [(1, 4)]
    assert error(Linear(interactions="products"), rows) < 0.4 * error(LINE, rows)


def test_no_product_is_taken_from_noise() -> None:
    x = np.random.default_rng(0).normal(size=(600, 20))
    rows = rows_of(x[:, 0] + np.random.default_rng(1).normal(size=600), x)
    assert len(Linear(interactions="products").fit(rows).basis) == 0


def test_ramps_bend_the_line() -> None:
    x = np.random.default_rng(0).uniform(-2, 2, size=(900, 2))
    rows = rows_of(np.abs(x[:, 0]) + 0.1 * x[:, 1], x)
    assert error(Linear(interactions="ramps"), rows) < 0.3 * error(LINE, rows)


def test_ramps_of_a_column_sum_to_the_column() -> None:
    A = np.random.default_rng(0).normal(size=(400, 2))
    made = ramps(A, 2)
    whole = (made.apply(A) * made.scale)[:, made.left == 0].sum(axis=1)
    np.testing.assert_allclose(whole, A[:, 0] - A[:, 0].min())


def test_barred_columns_are_in_no_product() -> None:
    A = np.random.default_rng(0).normal(size=(500, 4))
    found = products(A, A[:, 0] * A[:, 1] + A[:, 2] * A[:, 3], np.ones(500), np.array([0]))
    assert list(zip(found.left, found.right, strict=True)) == [(2, 3)]


@pytest.mark.parametrize("task", TASKS)
def test_the_wider_model_survives_its_file_and_onnx(task: Any, tmp_path: Path) -> None:
    from modelwright.families.onnx_graph import predict_by_onnx

    rows = toy(task, 400)
    rows = replace(rows, X=replace(rows.X, numeric=np.abs(rows.X.numeric) ** 1.5))
    model = Linear(interactions="both").fit(rows)
    assert len(model.basis) > 5
    model.export(tmp_path)
    loaded = Linear.load(tmp_path)
    assert np.array_equal(loaded.predict(rows.X), model.predict(rows.X))
    np.testing.assert_allclose(predict_by_onnx(model, rows.X), model.predict(rows.X), atol=1e-9)


def test_its_attributions_sum_to_the_score() -> None:
    from modelwright.families.contributions import contributions

    rows = toy("regression", 400)
    model = Linear(interactions="both").fit(rows)
    found = contributions(model, rows.X.take(slice(0, 20)), rows.X)
    assert found is not None
    np.testing.assert_allclose(
        found[0].sum(axis=1) + found[1], model.predict(rows.X.take(slice(0, 20)))
    )


def test_quantiles_of_a_spread_that_grows_are_lines_of_their_own() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 3, size=(2000, 1))
    rows = rows_of(rng.normal(size=2000) * x[:, 0], x)
    model = Linear().fit(replace(rows, loss="quantile", quantile=0.9))
    low, high = model.predict(Inputs.of([[0.5], [2.5]]))
    assert low == pytest.approx(0.5 * 1.28, abs=0.25)
    assert high == pytest.approx(2.5 * 1.28, abs=0.4)


def test_the_median_is_what_scikit_learn_finds() -> None:
    from sklearn.linear_model import QuantileRegressor

    rng = np.random.default_rng(3)
    A = rng.normal(size=(300, 3))
    y = A @ [1.0, -2.0, 0.0] + rng.standard_t(2, size=300) * 0.3
    y = y / y.std()
    mine, constant = bounded(A, y, np.ones(300), "pinball", 1e6, np.zeros(3, int), 0.5)
    theirs = QuantileRegressor(quantile=0.5, alpha=0).fit(A, y)
    np.testing.assert_allclose(mine, theirs.coef_, atol=0.03)
    assert constant == pytest.approx(theirs.intercept_, abs=0.03)


def test_signs_are_kept_and_cost_nothing_where_they_hold() -> None:
    rng = np.random.default_rng(4)
    A = rng.normal(size=(400, 2))
    y = A @ [1.0, -1.0] + 0.1 * rng.normal(size=400)
    free, _ = bounded(A, y, np.ones(400), "squared", 1e3, np.array([0, 0]))
    right, _ = bounded(A, y, np.ones(400), "squared", 1e3, np.array([1, -1]))
    wrong, _ = bounded(A, y, np.ones(400), "squared", 1e3, np.array([-1, -1]))
    np.testing.assert_allclose(free, right, atol=1e-3)
    assert wrong[0] == 0 > wrong[1]
