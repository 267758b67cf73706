from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwright.families.base import Examples, Inputs, softmax
from modelwright.families.dummy import Dummy
from modelwright.families.glass_bins import Bins
from modelwright.families.glass_box import FittedGlassBox, GlassBox
from modelwright.testing.family import TASKS, toy


def fitted(examples: Examples, design: GlassBox | None = None, **how: Any) -> FittedGlassBox:
    """A model that is not the constant one."""
    model = (design or GlassBox()).fit(examples, **how)
    assert isinstance(model, FittedGlassBox)
    return model


def curves(n: int = 3000) -> Examples:
    """y = x0² + |x1| + 2 [code 1] + x2 x3, with little noise."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(n, 4))
    codes = rng.integers(0, 3, size=(n, 1)).astype(np.int32)
    y = x[:, 0] ** 2 + np.abs(x[:, 1]) + 2 * (codes[:, 0] == 1) + x[:, 2] * x[:, 3]
    return Examples(Inputs(x, codes, (3,)), y + rng.normal(size=n) * 0.05, "regression")


@pytest.mark.parametrize("task", TASKS)
def test_a_prediction_is_the_sum_of_its_terms(task: Any) -> None:
    rows = toy(task, 400)
    model = fitted(rows, rounds=60)
    parts = model.contributions(rows.X)
    assert parts.shape[1] == len(model.terms) == 7 + len(model.pairs.columns)
    scores = model.base + parts.sum(axis=1)
    if task == "regression":
        np.testing.assert_allclose(model.predict(rows.X), scores[:, 0])
    elif task == "binary":
        np.testing.assert_allclose(model.predict(rows.X)[:, 1], 1 / (1 + np.exp(-scores[:, 0])))
    else:
        np.testing.assert_allclose(model.predict(rows.X), softmax(scores))


@pytest.mark.parametrize("task", TASKS)
def test_tables_are_exactly_the_trees(task: Any) -> None:
    rows = toy(task, 400)
    model = fitted(rows, GlassBox(pairs=0), rounds=80)
    assert model.engine is not None
    from modelwright.families.glass_box import _with_gaps

    theirs = model.engine.booster.predict(_with_gaps(model.bins.apply(rows.X), model.bins))
    mine = model.predict(rows.X)
    np.testing.assert_allclose(mine[:, 1] if task == "binary" else mine, theirs, rtol=1e-9)


def test_known_shapes_and_the_one_true_pair_are_found() -> None:
    model = fitted(curves(), rounds=300)
    square, size, category = model.terms[0], model.terms[1], model.terms[4]
    middle = (square.edges[1:] + square.edges[:-1]) / 2
    found = square.values[1:-2, 0]
    assert np.abs(found - (middle**2 - 1 / 3)).mean() < 0.05
    middle = (size.edges[1:] + size.edges[:-1]) / 2
    assert np.abs(size.values[1:-2, 0] - (np.abs(middle) - 1 / 2)).mean() < 0.05
    shares = zip(category.categories, category.values[:, 0], strict=True)
    of_code = {code: value for codes, value in shares for code in codes}
    assert abs(of_code[1] - of_code[0] - 2) < 0.1
    assert abs(of_code[2] - of_code[0]) < 0.1
    assert model.pairs.columns[0].tolist() == [2, 3]
    corner = model.terms[5]
    assert corner.columns == (("numeric", 2), ("numeric", 3))
    assert corner.values[0, 0, 0] > 0.5 > -0.5 > corner.values[0, 14, 0]


def test_independent_columns_have_no_pair() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1500, 5))
    rows = Examples(Inputs.of(x), x[:, 0] + x[:, 1] + rng.normal(size=1500), "regression")
    assert len(fitted(rows, rounds=200).pairs.columns) == 0


def test_columns_average_to_zero_and_pairs_along_both() -> None:
    rows = curves(1500)
    model = fitted(rows, rounds=300)
    parts = model.contributions(rows.X)[:, :, 0]
    assert np.abs(parts.mean(axis=0)).max() < 0.02
    pair, group = parts[:, 5], model.pairs.groups[model._cells(rows.X)[:, 2]]
    means = [pair[group == g].mean() for g in np.unique(group)]
    assert np.abs(means).max() < 1e-3


def test_gaps_and_unseen_categories_count_as_the_average_if_never_met() -> None:
    model = fitted(curves(800), GlassBox(pairs=0), rounds=100)
    X = Inputs(np.array([[np.nan, 0.0, 0.0, 0.0]]), np.array([[9]], np.int32), (3,))
    parts = model.contributions(X)[0, :, 0]
    assert parts[0] == parts[4] == 0.0


def test_rounds_are_cut_as_if_trained_so_and_kept_in_the_file(tmp_path: Path) -> None:
    rows = curves(600)
    design = GlassBox(pairs=0)
    model = fitted(rows, design, rounds=50).with_rounds(20)
    again = fitted(rows, design, rounds=20)
    np.testing.assert_allclose(model.predict(rows.X), again.predict(rows.X))
    model.export(tmp_path)
    loaded = GlassBox.load(tmp_path)
    assert loaded.rounds == 20
    assert loaded.with_rounds(5) is loaded


def test_monotone_columns_are_so_everywhere_for_every_loss() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(900, 3))
    y = np.sin(2 * x[:, 0]) + x[:, 0] - x[:, 1] ** 2 + x[:, 0] * x[:, 2] + rng.normal(size=900)
    grid = np.linspace(-4, 4, 60)
    for loss in ("squared", "absolute", "quantile"):
        rows = Examples(Inputs.of(x), y, "regression", 0, None, loss, 0.8, (1, -1, 0))
        model = GlassBox().fit(rows, rounds=150)
        for column, sign in ((0, 1), (1, -1)):
            asked = np.repeat(x[:20], len(grid), axis=0)
            asked[:, column] = np.tile(grid, 20)
            answers = model.predict(Inputs.of(asked)).reshape(20, -1)
            assert (np.diff(answers * sign, axis=1) >= -1e-12).all()
        if loss == "quantile":
            assert 0.75 < (y <= model.predict(rows.X)).mean() < 0.85


@pytest.mark.parametrize("task", TASKS)
def test_as_onnx_it_answers_alike_also_to_what_it_never_saw(task: Any) -> None:
    from modelwright.families.onnx_graph import predict_by_onnx

    rows = toy(task, 900)
    model = fitted(rows, rounds=120)
    numeric, codes = rows.X.numeric.copy(), rows.X.codes.copy()
    codes[0], codes[1], codes[2] = 99, -1, -2
    numeric[3], numeric[4] = np.nan, 1e12
    X = Inputs(numeric, codes, rows.X.levels)
    np.testing.assert_allclose(predict_by_onnx(model, X), model.predict(X), atol=1e-9)


def test_onnx_of_a_column_without_edges() -> None:
    from modelwright.families.onnx_graph import predict_by_onnx

    X = Inputs(np.full((60, 1), 3.0), (np.arange(60) % 2)[:, None].astype(np.int32), (2,))
    model = fitted(Examples(X, (np.arange(60) % 2) * 1.0, "regression"), rounds=20)
    np.testing.assert_allclose(predict_by_onnx(model, X), model.predict(X))


def test_nothing_to_look_at_is_the_constant_answer() -> None:
    none = Examples(Inputs.of(np.zeros((20, 0))), np.arange(20) % 2, "binary", 2)
    assert np.array_equal(GlassBox().fit(none).predict(none.X), Dummy().fit(none).predict(none.X))


def test_bins_are_one_by_one_what_they_are_together() -> None:
    rng = np.random.default_rng(3)
    numeric = np.round(rng.normal(size=(300, 3)), 1)
    numeric[::7, 1], numeric[::5, 2] = np.nan, np.inf
    X = Inputs(numeric, rng.integers(-1, 40, (300, 2)).astype(np.int32), (40, 40))
    bins = Bins.fit(X, 16, 5)
    together = bins.apply(X)
    assert np.array_equal(together, np.concatenate([bins.apply(X.take([i])) for i in range(300)]))
    assert (together < bins.sizes).all()
    assert (together[::5, 2] == bins.sizes[2] - 1).all()
    assert len(np.unique(together[:, 0])) <= 16
