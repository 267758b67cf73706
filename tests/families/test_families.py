from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from modelwright.core.errors import InputError, MissingLibraryError
from modelwright.families import FAMILIES, WITH_WEIGHTS, available, family, table_model
from modelwright.families.base import Examples, Inputs, inner_split, weighted_median
from modelwright.families.matrix import Matrix
from modelwright.families.mitigated import MITIGATED
from modelwright.spaces import Space
from modelwright.testing import family as suite

# Mitigated designs are others' designs without groups of people; with them: test_mitigated.py.
NAMES = [name for name in FAMILIES if name not in (*WITH_WEIGHTS, *MITIGATED)]


def quick(name: str) -> suite.Make:
    """The default design, but for a forest of fewer trees and smaller nets."""
    if name in ("TabM", "RealMlp"):
        kind: Any = family(name)
        size = {"members": 4} if name == "TabM" else {"depth": 2}
        return lambda: kind(width=32, **size)
    if name == "Forest":
        from modelwright.families.forest import Forest

        return lambda: Forest(trees=50)
    return family(name)


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_suite(name: str, check: Any) -> None:
    check(quick(name))


def test_the_suite_finds_a_family_that_ignores_its_seed() -> None:
    linear = family("Linear")

    class Moody(linear):  # type: ignore[valid-type, misc]
        calls = 0

        def fit(self, examples: Examples, **how: Any) -> Any:
            Moody.calls += 1
            rows = examples.take(np.arange(Moody.calls % 7, len(examples.y)))
            return super().fit(rows, **how)

    with pytest.raises(AssertionError, match="same seed"):
        suite.same_seed_same_model(Moody)


def test_forest_is_what_scikit_learn_says() -> None:
    from modelwright.families.forest import Forest, _as_numbers, _single

    for task in suite.TASKS:
        examples = suite.toy(task)
        design = Forest(trees=50)
        fitted = design.fit(examples, seed=5)
        model = design._model(task == "regression", 240, 1, 5)
        A = _single(fitted.matrix, _as_numbers(examples.X))
        model.fit(A, examples.y)
        theirs = model.predict(A) if task == "regression" else model.predict_proba(A)
        # Shares are stored in single precision.
        np.testing.assert_allclose(fitted.predict(examples.X), theirs, rtol=1e-12, atol=1e-7)


def test_forest_of_values_agrees_to_the_last_digits() -> None:
    from modelwright.families.forest import Forest, _as_numbers, _single

    examples = suite.toy("regression")
    fitted = Forest(kind="random", trees=50).fit(examples, seed=1)
    model = Forest(kind="random", trees=50)._model(True, 240, 1, 1)
    A = _single(fitted.matrix, _as_numbers(examples.X))
    theirs = model.fit(A, examples.y).predict(A)
    np.testing.assert_allclose(fitted.predict(examples.X), theirs, rtol=1e-12)


def test_neighbours_are_the_nearest() -> None:
    from scipy.spatial.distance import cdist

    rng = np.random.default_rng(0)
    rows, asked = np.round(rng.normal(size=(500, 3)), 1), rng.normal(size=(40, 3))
    y = rng.normal(size=500)
    fitted = family("KNearest")(neighbours=7, near=False).fit(  # type: ignore[call-arg]
        Examples(Inputs.of(rows), y, "regression")
    )
    scale = rows.std(axis=0)
    order = np.argsort(cdist(asked / scale, rows / scale), axis=1, kind="stable")[:, :7]
    assert np.allclose(fitted.predict(Inputs.of(asked)), y[order].mean(axis=1))


def test_threads_do_not_change_a_booster() -> None:
    examples = suite.toy("binary")
    one, two = (
        family("LightGbm")().fit(examples, threads=t, rounds=30).predict(examples.X) for t in (1, 2)
    )
    assert np.array_equal(one, two)


def test_only_neighbours_hold_rows() -> None:
    assert [n for n in NAMES if family(n).contains_rows] == ["KNearest"]


def test_union_is_a_space_that_starts_with_the_first_default() -> None:
    space = Space(table_model())
    assert space.default() == family("LightGbm")()
    document = space.dump(family("Linear")())
    assert '"type":"Linear"' in document
    assert space.load(document) == family("Linear")()


def test_unknown_and_missing_families() -> None:
    with pytest.raises(InputError, match="Did you mean 'Linear'"):
        family("linea")


def test_a_missing_library_leaves_its_family_out(monkeypatch: Any) -> None:
    monkeypatch.setitem(
        FAMILIES, "CatBoost", ("modelwright.families.catboost", "no_such_library", "catboost")
    )
    types, left_out = available(["Linear", "CatBoost"])
    assert [t.__name__ for t in types] == ["Linear"]
    assert left_out == ["left out: family CatBoost needs no_such_library: pip install catboost"]
    with pytest.raises(MissingLibraryError):
        family("CatBoost")


def test_looking_at_families_loads_no_library() -> None:
    import subprocess

    code = (
        "import sys, modelwright.families as f; f.available(); "
        "print([m for m in ('sklearn', 'lightgbm', 'catboost', 'scipy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("scaling", ["plain", "standard", "robust", "quantile"])
def test_matrix_is_finite_and_marks_gaps(scaling: Any) -> None:
    X = suite.toy("binary").X
    matrix = Matrix.fit(X, scaling)
    A = matrix.apply(X)
    assert np.isfinite(A).all()
    assert A.shape == (len(X), matrix.width)
    gaps = A[:, len(matrix.kept)]
    assert np.array_equal(gaps, np.isnan(X.numeric[:, 2]).astype(float))


def test_rare_categories_share_a_column_and_unseen_ones_fall_in_it() -> None:
    codes = np.array([[0]] * 6 + [[1]] * 6 + [[2], [3]])
    X = Inputs(np.zeros((14, 0)), codes.astype(np.int32), (9,))
    A = Matrix.fit(X, min_count=5).apply(X)
    assert A.shape == (14, 3)
    assert A.sum(axis=1).tolist() == [1.0] * 14
    seen_rarely, never = Matrix.fit(X, min_count=5).apply(
        Inputs(np.zeros((2, 0)), np.array([[3], [8]], np.int32), (9,))
    )
    assert seen_rarely.tolist() == never.tolist()


def test_quantile_scaling_puts_ties_in_the_middle() -> None:
    x = np.array([0.0] * 50 + list(range(1, 51)))[:, None]
    z = Matrix.fit(Inputs.of(x), "quantile").apply(Inputs.of(x))[:, 0]
    assert z[0] == pytest.approx(-0.67, abs=0.05)  # the quarter of a normal curve
    assert (np.diff(z) >= 0).all()


def test_inner_split_keeps_classes_in_proportion() -> None:
    y = np.array([0] * 90 + [1] * 10)
    examples = Examples(Inputs.of(np.arange(100.0)[:, None]), y, "binary", 2)
    part, held = inner_split(examples, 0)
    assert (len(held.y), int(held.y.sum())) == (10, 1)
    together = np.sort(np.r_[part.X.numeric[:, 0], held.X.numeric[:, 0]])
    assert np.array_equal(together, np.arange(100.0))


def test_absolute_loss_aims_at_the_median() -> None:
    y = np.array([0.0] * 60 + [100.0] * 40)
    X = Inputs.of(np.zeros((100, 1)))
    for name in ("Dummy", "Linear"):
        fitted = family(name)().fit(Examples(X, y, "regression", loss="absolute"))
        assert fitted.predict(X)[0] == pytest.approx(0.0, abs=1e-9), name
    assert weighted_median(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 5.0])) == 3.0


def test_tables_that_do_not_fit_are_refused() -> None:
    X = Inputs.of(np.zeros((3, 1)))
    with pytest.raises(InputError, match="3 rows and 2 labels"):
        Examples(X, np.zeros(2), "regression")
    with pytest.raises(InputError, match="does not go with"):
        Examples(X, np.zeros(3), "binary", 0)
    with pytest.raises(InputError, match="same rows"):
        Inputs(np.zeros((3, 1)), np.zeros((2, 0), np.int32))
