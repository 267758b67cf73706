from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelwright.families import family
from modelwright.families.base import Examples, Fitted, Inputs
from modelwright.families.matrix import Matrix
from modelwright.families.onnx_graph import (
    Graph,
    NotExpressibleError,
    predict_by_onnx,
    run_graph,
)
from modelwright.families.onnx_trees import read_lightgbm
from modelwright.testing.family import TASKS, toy

DESIGNS: list[tuple[str, dict[str, Any]]] = [
    ("Dummy", {}),
    ("Linear", {}),
    ("Linear", {"scaling": "robust"}),
    ("Linear", {"scaling": "quantile"}),
    ("Forest", {"trees": 50}),
    ("Forest", {"trees": 50, "kind": "random", "min_leaf": 1}),
    ("LightGbm", {}),
    ("LightGbm", {"random_cuts": True, "min_leaf": 2, "category_smooth": 0.1}),
    ("KNearest", {}),
    ("KNearest", {"near": False, "neighbours": 40, "scaling": "quantile"}),
    ("GlassBox", {}),
    ("Tree", {}),
    ("CatBoost", {}),
    ("CatBoost", {"one_hot": 64, "depth": 3}),
]


def strange(X: Inputs) -> Inputs:
    """The rows, and some more: all missing, huge, tiny, every category."""
    numeric, codes = X.numeric.copy(), X.codes.copy()
    numeric[:4] = np.nan
    codes[:2] = -1
    numeric[4:8], numeric[8:12], numeric[12:16] = 1e12, -1e12, 0.0
    for j, levels in enumerate(X.levels):
        codes[20 : 20 + levels, j] = np.arange(levels)
    return Inputs(numeric, codes, X.levels)


def same(fitted: Fitted, X: Inputs, rtol: float = 1e-9) -> None:
    np.testing.assert_allclose(predict_by_onnx(fitted, X), fitted.predict(X), rtol, 1e-12)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("name", "fields"), DESIGNS)
def test_onnx_answers_as_the_model_does(name: str, fields: dict[str, Any], task: Any) -> None:
    examples = toy(task)
    fitted = family(name)(**fields).fit(examples, rounds=30)
    same(fitted, examples.X)
    same(fitted, strange(examples.X))


@pytest.mark.parametrize("name", ["Linear", "Forest", "LightGbm", "CatBoost", "GlassBox"])
@pytest.mark.parametrize("task", TASKS)
def test_odd_tables(name: str, task: Any) -> None:
    full = toy(task, 30)
    X, k, y = full.X, full.n_classes, full.y
    lone = Inputs(X.numeric[:, :1], X.codes[:, :0], ())
    words = Inputs(X.numeric[:, :0], X.codes, X.levels)
    nothing = Inputs(X.numeric[:, :0], X.codes[:, :0], ())
    for part in (lone, words, nothing, X):
        same(family(name)().fit(Examples(part, y, task, k), rounds=3), part)
    if k:
        first = Examples(X, np.where(y == 1, 0, y), task, k)
        same(family(name)().fit(first, rounds=3), X)


@pytest.mark.parametrize("task", TASKS)
def test_the_statistics_of_catboost_are_tables(task: Any) -> None:
    rng = np.random.default_rng(0)
    codes = np.column_stack([rng.integers(-1, 40, 2000), rng.integers(0, 5, 2000)]).astype(np.int32)
    numeric = rng.normal(size=(2000, 2))
    numeric[::9, 0] = np.nan
    signal = 2 * rng.normal(size=41)[codes[:, 0]] + numeric[:, 1] + (codes[:, 1] == 2)
    y = {"binary": signal > 0, "multiclass": np.digitize(signal, [-1, 1]), "regression": signal}
    k = {"binary": 2, "multiclass": 3, "regression": 0}[task]
    X = Inputs(numeric, codes, (42, 6))
    fitted = family("CatBoost")().fit(Examples(X, y[task] * 1, task, k), rounds=30)
    same(fitted, X)
    new = Inputs(numeric[:3], np.array([[41, 5], [-1, -1], [41, 0]], np.int32), X.levels)
    same(fitted, new)


def test_many_categories_keep_their_sides() -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 300, (3000, 2)).astype(np.int32)
    effect = rng.normal(size=(300, 2))
    y = effect[codes[:, 0], 0] + effect[codes[:, 1], 1] + rng.normal(size=3000) / 5
    examples = Examples(Inputs(np.zeros((3000, 0)), codes, (300, 300)), y, "regression")
    fitted = family("LightGbm")(category_smooth=1.0).fit(examples, rounds=40)  # type: ignore[call-arg]
    asked = Inputs(np.zeros((301, 0)), np.tile(np.arange(-1, 300), (2, 1)).T, (300, 300))
    same(fitted, asked)


def test_thresholds_are_hit_exactly() -> None:
    x = np.random.default_rng(0).normal(size=(400, 1))
    fitted: Any = family("LightGbm")().fit(Examples(Inputs.of(x), x[:, 0], "regression"), rounds=3)
    trees, _ = read_lightgbm(fitted.booster.model_to_string())
    cuts = trees.threshold[:, None]
    edges = np.vstack([np.nextafter(cuts, -np.inf), cuts, np.nextafter(cuts, np.inf)])
    same(fitted, Inputs.of(edges))
    sides = predict_by_onnx(fitted, Inputs.of(edges)).reshape(3, -1)
    assert (sides[1] == sides[0]).all()
    assert (sides[2] != sides[1]).all()


def test_missing_goes_where_training_sent_it() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2))
    y = np.where(x[:, 0] > 0, 3.0, 0.0)
    x[:100, 0], y[:100] = np.nan, 3.0
    fitted = family("LightGbm")().fit(Examples(Inputs.of(x), y, "regression"), rounds=20)
    # The first column had gaps in training, the second none.
    rows = Inputs.of([[np.nan, 0.1], [0.2, np.nan], [np.nan, np.nan], [-1.0, 0.0]])
    same(fitted, rows)
    assert predict_by_onnx(fitted, rows)[0] > 1.5


@pytest.mark.parametrize("scaling", ["plain", "standard", "robust", "quantile"])
def test_matrix_with_ties_and_far_values(scaling: Any) -> None:
    rng = np.random.default_rng(0)
    numeric = np.column_stack(
        [rng.integers(0, 5, 500), rng.gamma(1, 1, 500), np.repeat([0, 1], 250)]
    )
    matrix = Matrix.fit(Inputs.of(numeric), scaling)
    far = np.array([[-9, -9, -9], [99, 1e120, 99], [2.5, 0.1, 0.5]])
    asked = np.concatenate([numeric[:50], far])
    graph = Graph()
    numeric_name = graph.input("numeric", "double", 3)
    codes_name = graph.input("codes", "int64", 0)
    graph.output(matrix.add_to(graph, numeric_name, codes_name), "out")
    inputs = {"numeric": asked, "codes": np.zeros((len(asked), 0), np.int64)}
    found = run_graph(graph.model(), inputs)[0]
    np.testing.assert_allclose(found, matrix.apply(Inputs.of(asked)), rtol=1e-12, atol=1e-13)


def test_what_has_no_form_is_told() -> None:
    class Odd:
        pass

    with pytest.raises(NotExpressibleError, match="Odd has no form"):
        predict_by_onnx(Odd(), Inputs.of([[1.0]]))


def test_many_training_rows_are_refused() -> None:
    rng = np.random.default_rng(0)
    wide = Examples(Inputs.of(rng.normal(size=(5000, 300))), rng.normal(size=5000), "regression")
    with pytest.raises(NotExpressibleError, match="5,000 rows of 300 columns"):
        predict_by_onnx(family("KNearest")().fit(wide), wide.X)


@pytest.mark.parametrize("task", TASKS)
def test_pairs_of_a_glass_box(task: Any) -> None:
    rng = np.random.default_rng(0)
    numeric = rng.normal(size=(1500, 3))
    numeric[::20, 1] = np.nan
    codes = rng.integers(-1, 4, (1500, 1)).astype(np.int32)
    signal = np.nan_to_num(numeric[:, 0] * numeric[:, 1]) + (codes[:, 0] == 2) * numeric[:, 2]
    y = {"binary": signal > 0, "multiclass": np.digitize(signal, [-1, 1]), "regression": signal}
    k = {"binary": 2, "multiclass": 3, "regression": 0}[task]
    X = Inputs(numeric, codes, (4,))
    fitted: Any = family("GlassBox")().fit(Examples(X, y[task] * 1, task, k), rounds=20)
    assert len(fitted.pairs.columns)
    same(fitted, X)
