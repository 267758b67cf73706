"""Parts of an explanation on made data whose truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelwright.core.keys import Key
from modelwright.data.columns import ColumnInfo
from modelwright.data.schema import Features, Schema
from modelwright.models.association import alike_groups, association
from modelwright.models.decision import Decision
from modelwright.models.dependence import partial_dependence
from modelwright.models.doubtful_labels import doubtful_labels, doubtful_values
from modelwright.models.groups import worst_groups
from modelwright.models.held_out import Clock, HeldOut, Judge, sampled
from modelwright.models.importance import permutation_importance
from modelwright.models.metrics import find_metric
from modelwright.models.sparse import coverage

KEY = Key.of(0)
SCHEMA = Schema(
    (
        ColumnInfo("a", "numeric"), ColumnInfo("copy", "numeric"), ColumnInfo("none", "numeric"),
        ColumnInfo("kind", "categorical", categories=("u", "v")),
    ),
    "y", "regression",
)  # fmt: skip


def features(n: int, seed: int) -> Features:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    numeric = np.column_stack([a, a + 0.05 * rng.normal(size=n), rng.normal(size=n)])
    codes = rng.integers(0, 2, (n, 1)).astype(np.int32)
    return Features(numeric, codes, np.empty((n, 0)))


def truth(rows: Features) -> Any:
    """Half of the effect comes from each of two columns that tell one another."""
    return rows.numeric[:, 0] + rows.numeric[:, 1] + 0.5 * rows.codes[:, 0]


def folds(k: int = 4, n: int = 200, noise: float = 0.1) -> list[HeldOut]:
    made = []
    for seed in range(k):
        rows = features(n, seed)
        rng = np.random.default_rng(100 + seed)
        y = truth(rows) + noise * rng.normal(size=n)
        made.append(HeldOut(truth, rows, y, np.arange(n) + n * seed))
    return made


JUDGE = Judge(find_metric("rmse", "regression"), Decision(None), SCHEMA)


def test_importance_finds_what_matters_and_says_what_goes_together() -> None:
    found = permutation_importance(folds(), JUDGE, KEY, repeats=3, overlap=0.25)
    assert found is not None
    by_name = {i.columns[0]: i for i in found.single}
    assert (found.n_folds, found.repeats) == (4, 3)
    assert by_name["a"].low > 0.5
    assert by_name["none"].low == by_name["none"].high == 0
    assert by_name["kind"].mean > 0.05
    (together,) = found.groups
    assert together.columns == ("a", "copy")
    assert together.mean > by_name["a"].mean + by_name["copy"].mean * 0.3
    again = permutation_importance(folds(), JUDGE, KEY, repeats=3, overlap=0.25)
    assert again == found


def test_one_fold_has_an_interval_too_and_a_clock_that_is_over_gives_nothing() -> None:
    found = permutation_importance(folds(1), JUDGE, KEY, repeats=2)
    assert found is not None
    assert found.n_folds == 1
    assert found.single[0].low > 0
    assert permutation_importance(folds(), JUDGE, KEY, clock=Clock(0.0)) is None


class Looks(Clock):
    """A clock that is over after so many looks: five a fold, for four columns and a group."""

    def __init__(self, looks: int) -> None:
        super().__init__(None)
        self.looks = looks

    @property
    def over(self) -> bool:
        self.looks -= 1
        return self.looks < 0


def test_a_single_finished_fold_of_several_has_no_interval_and_is_not_told() -> None:
    assert permutation_importance(folds(), JUDGE, KEY, clock=Looks(5)) is None
    found = permutation_importance(folds(), JUDGE, KEY, clock=Looks(10))
    assert found is not None
    assert found.n_folds == 2
    assert all(np.isfinite([i.low, i.high]).all() for i in found.single)


def test_nothing_is_changed_by_an_explanation() -> None:
    given = folds(2)
    before = [fold.features.numeric.copy() for fold in given]
    permutation_importance(given, JUDGE, KEY, repeats=1)
    partial_dependence(given, JUDGE, ["a", "kind"])
    for fold, numeric in zip(given, before, strict=True):
        np.testing.assert_array_equal(fold.features.numeric, numeric)


def test_dependence_is_the_slope_of_an_additive_model_without_spread() -> None:
    line, category = partial_dependence(folds(), JUDGE, ["a", "kind"])
    values, curve = np.array(line.values, float), np.array(line.curves[0])
    assert np.polyfit(values, curve, 1)[0] == pytest.approx(1.0)
    np.testing.assert_allclose(line.low, line.curves[0], atol=1e-9)
    np.testing.assert_allclose(line.high, line.curves[0], atol=1e-9)
    assert category.values == ("u", "v")
    assert category.curves[0][1] - category.curves[0][0] == pytest.approx(0.5)


def test_the_band_shows_an_interaction() -> None:
    def crossed(rows: Features) -> Any:
        return rows.numeric[:, 2] * (2.0 * rows.codes[:, 0] - 1)

    rows = features(300, 0)
    fold = HeldOut(crossed, rows, crossed(rows), np.arange(300))
    (found,) = partial_dependence([fold], JUDGE, ["none"])
    assert np.ptp(found.curves[0]) < 0.6
    assert found.high[-1] - found.low[-1] > 2


def test_association_of_any_kinds() -> None:
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=500), rng.integers(0, 4, 500)
    assert association(x, -(x**3), (False, False)) == pytest.approx(1)
    assert association(g, (g + 1) % 4, (True, True)) > 0.95
    assert association(g, g + 0.01 * x, (True, False)) > 0.95
    assert association(x, g + 0.0, (False, True)) < 0.2
    assert association(g, rng.integers(0, 4, 500), (True, True)) < 0.15
    assert alike_groups(features(300, 1), SCHEMA) == (("a", "copy"),)


def test_flipped_labels_are_found() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 600)
    shares = np.full((600, 3), 0.08)
    shares[np.arange(600), true] = 0.84
    shares = rng.dirichlet(np.ones(3), 600) * 0.3 + shares * 0.7
    wrong = rng.choice(600, 30, replace=False)
    y = true.copy()
    y[wrong] = (y[wrong] + 1) % 3
    found = doubtful_labels(y, shares / shares.sum(axis=1, keepdims=True), ("a", "b", "c"))
    hits = len(set(found.rows.tolist()) & set(wrong.tolist()))
    assert hits >= 24
    assert len(found.rows) - hits <= 2
    assert sum(count for *_, count in found.pairs) == len(found.rows)
    clean = doubtful_labels(true, shares, ("a", "b", "c"))
    assert len(clean.rows) <= 3


def test_values_far_from_all_predictions_are_found() -> None:
    rng = np.random.default_rng(0)
    predicted = rng.uniform(1, 100, 800)
    y = predicted * (1 + 0.05 * rng.normal(size=800))  # errors grow with the size
    y[[10, 20, 30]] = [900.0, -500.0, 400.0]
    found = doubtful_values(y, predicted)
    assert set(found.rows[:3].tolist()) == {10, 20, 30}
    assert len(found.rows) < 10


def test_the_planted_worst_group_is_found_and_no_other() -> None:
    rng = np.random.default_rng(0)
    rows = features(1500, 5)
    error = np.where(rows.codes[:, 0] == 1, 3.0, 1.0)
    out = truth(rows)
    fold = HeldOut(truth, rows, out + error * rng.normal(size=1500), np.arange(1500))
    found = worst_groups(fold, out, JUDGE, KEY)
    assert [g.words for g in found.groups] == ["kind is 'v'"]
    assert found.groups[0].low > found.overall
    even = HeldOut(truth, rows, out + rng.normal(size=1500), np.arange(1500))
    assert worst_groups(even, out, JUDGE, KEY).groups == ()


def test_thin_places_are_named_with_their_counts() -> None:
    rng = np.random.default_rng(0)
    n = 1000
    schema = Schema(
        (
            ColumnInfo("size", "numeric"), ColumnInfo("p", "categorical", categories=("x", "y")),
            ColumnInfo("q", "categorical", categories=("s", "t", "rare")),
        ),
        "y", "regression",
    )  # fmt: skip
    p, q = rng.integers(0, 2, n), rng.integers(0, 2, n)
    q[(p == 1) & (q == 1) & (rng.random(n) < 0.5)] = 0
    p[(q == 1)] = 0  # y with t never occurs
    q[:4] = 2
    size = rng.normal(size=n)
    size[7] = 1e6
    made = Features(size[:, None], np.column_stack([p, q]).astype(np.int32), np.empty((n, 0)))
    found = coverage(made, schema, ["p", "q", "size"], KEY)
    assert "q: 1 of 3 categories have fewer than 10 rows (4 in all): 'rare' (4)" in found.rare
    assert any(s.startswith("p is 'y' and q is 't': 0 rows") for s in found.pairs)
    assert any(s.startswith("size: 99 % of the rows lie in 0.0%") for s in found.ends)
    assert 7 in found.lonely.tolist()
    assert found.share_lonely < 0.05


def test_sampling_keeps_the_folds_and_their_rows_apart() -> None:
    small = sampled(folds(4), 100, np.random.default_rng(0))
    assert [len(f.y) for f in small] == [25] * 4
    for fold, whole in zip(small, folds(4), strict=True):
        assert set(fold.rows.tolist()) <= set(whole.rows.tolist())


@pytest.mark.parametrize(("metric", "told"), [("log_loss", True), ("mcc", False)])
def test_a_group_of_one_class_is_told_where_the_metric_has_a_score_there(
    metric: str, told: bool
) -> None:
    kind = ColumnInfo("kind", "categorical", categories=("u", "v"))
    schema = Schema((kind,), "y", "binary", ("no", "yes"))
    codes = np.repeat([0, 1], 200).astype(np.int32)
    y = np.where(codes == 0, np.arange(400) % 2, 1)
    shares = np.where(codes == 0, np.where(y == 1, 0.9, 0.1), 0.05)
    out = np.column_stack([1 - shares, shares])
    rows = Features(np.empty((400, 0)), codes[:, None], np.empty((400, 0)))
    fold = HeldOut(lambda _: out, rows, y, np.arange(400))
    found = worst_groups(
        fold, out, Judge(find_metric(metric, "binary"), Decision(0.5), schema), KEY
    )
    assert [g.words for g in found.groups] == (["kind is 'v'"] if told else [])
