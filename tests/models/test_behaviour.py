"""Behaviour of models whose faults are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.data.columns import ColumnInfo
from modelwright.data.schema import Features, Schema
from modelwright.models.behaviour import Asked, behaviour_of_folds, measure_behaviour
from modelwright.models.decision import Decision
from modelwright.models.held_out import HeldOut, Judge
from modelwright.models.limits import BEHAVIOUR
from modelwright.models.metrics import find_metric
from modelwright.recipes.question import Question

N = 400
COLUMNS = (
    ColumnInfo("a", "numeric"),
    ColumnInfo("b", "numeric"),
    ColumnInfo("sex", "categorical", categories=("f", "m")),
    ColumnInfo("born", "date"),
    ColumnInfo("words", "text"),
)
KEY = Key.of(7)
Predict = Callable[[Features], Any]


def table(seed: int = 0) -> Features:
    rng = np.random.default_rng(seed)
    words = np.array(["one", "two"], dtype=object)[rng.integers(0, 2, N)]
    return Features(
        rng.normal(size=(N, 2)),
        rng.integers(0, 2, (N, 1)).astype(np.int32),
        rng.uniform(0, 1e9, (N, 1)),
        {"words": words},
    )


def judge(task: Any) -> Judge:
    classes = ("no", "yes") if task == "binary" else ()
    return Judge(find_metric(None, task), Decision(0.5), Schema(COLUMNS, "y", task, classes))


def shares(score: Any) -> Any:
    p = 1 / (1 + np.exp(-np.asarray(score)))
    return np.column_stack([1 - p, p])


def test_a_model_on_a_steep_edge_flips_and_a_smooth_one_does_not() -> None:
    features = table()
    y = (features.numeric[:, 0] > 0).astype(int)
    asked = Asked(("flip_rate",))

    def edges(f: Features) -> Any:
        return shares(8 * np.sin(60 * f.numeric[:, 0]))

    wild = measure_behaviour(edges, features, y, judge("binary"), asked, KEY)["flip_rate"]
    calm = measure_behaviour(
        lambda f: shares(8 * f.numeric[:, 0]), features, y, judge("binary"), asked, KEY
    )["flip_rate"]
    assert wild > 0.4
    assert calm < 0.05


def test_no_flip_in_n_rows_is_known_to_three_over_n() -> None:
    features = table()
    fold = HeldOut(lambda f: np.zeros(len(f)), features, np.ones(N), np.arange(N))
    scores, noise = behaviour_of_folds([fold], judge("regression"), Asked(("flip_rate",)), KEY)
    assert scores["flip_rate"] == 0.0
    assert noise["flip_rate"] == pytest.approx(3 / N)


@pytest.mark.parametrize(("sign", "share"), [(1, 0.0), (-1, 1.0)])
def test_a_declared_direction_is_kept_or_not(sign: int, share: float) -> None:
    features = table()
    asked = Asked(("monotone_violations",), monotone=(("a", sign),))
    y = features.numeric[:, 0]
    found = measure_behaviour(
        lambda f: f.numeric[:, 0] + f.numeric[:, 1], features, y, judge("regression"), asked, KEY
    )
    assert found == {"monotone_violations": share}


def test_a_bump_in_some_rows_is_a_violation_of_these_rows() -> None:
    features = table()
    asked = Asked(("monotone_violations",), monotone=(("a", 1),))

    def bumpy(f: Features) -> Any:
        falls = np.where(f.codes[:, 0] == 1, -1.0, 1.0)
        return shares(falls * f.numeric[:, 0])

    y = np.zeros(N, int)
    found = measure_behaviour(bumpy, features, y, judge("binary"), asked, KEY)
    assert found["monotone_violations"] == pytest.approx((features.codes[:, 0] == 1).mean())


@pytest.mark.parametrize("name", ["a", "sex", "born", "words"])
def test_the_gap_of_an_invariant_column_is_what_the_model_makes_of_it(name: str) -> None:
    features = table()
    y = np.zeros(N, int)

    def predict(f: Features) -> Any:
        worth = {
            "a": (f.numeric[:, 0] > 0),
            "sex": f.codes[:, 0] == 1,
            "born": f.dates[:, 0] > 5e8,
            "words": f.texts["words"] == "two",
        }[name]
        p = 0.3 + 0.2 * worth
        return np.column_stack([1 - p, p])

    asked = Asked(("invariance_gap",), invariant=(name,))
    found = measure_behaviour(predict, features, y, judge("binary"), asked, KEY)
    assert found["invariance_gap"] == pytest.approx(0.2)
    other = Asked(("invariance_gap",), invariant=("b",))
    assert measure_behaviour(predict, features, y, judge("binary"), other, KEY) == {
        "invariance_gap": 0.0
    }


def test_the_needed_column_is_found_and_a_model_that_breaks_is_counted() -> None:
    features = table()
    y = 3 * features.numeric[:, 0]
    asked = Asked(("missing_drop", "broken_columns"))

    def careful(f: Features) -> Any:
        return 3 * np.nan_to_num(f.numeric[:, 0])

    def careless(f: Features) -> Any:
        return 3 * f.numeric[:, 0] + 0 * f.dates[:, 0]  # no number where either is missing

    def foolish(f: Features) -> Any:
        return 3 * np.nan_to_num(f.numeric[:, 0], nan=50.0)

    regression = judge("regression")
    measured = {
        p.__name__: measure_behaviour(p, features, y, regression, asked, KEY)
        for p in (careful, careless, foolish)
    }
    spread = float(np.std(y))
    assert measured["careful"]["missing_drop"] == pytest.approx(spread, rel=0.05)
    assert measured["careful"]["broken_columns"] == 0
    assert measured["careless"] == {
        "missing_drop": pytest.approx(spread, rel=0.05),
        "broken_columns": 2.0,
    }
    assert measured["foolish"]["broken_columns"] == 1
    assert measured["foolish"]["missing_drop"] > 100


def test_the_hardest_region_is_found_with_its_interval() -> None:
    features = table()
    rng = np.random.default_rng(3)
    hard = features.codes[:, 0] == 1
    y = np.where(hard, 3.0, 1.0) * rng.normal(size=N)
    fold = HeldOut(lambda f: np.zeros(len(f)), features, y, np.arange(N))
    scores, noise = behaviour_of_folds([fold], judge("regression"), Asked(("hardest_ratio",)), KEY)
    truth = 9 / (9 * hard.mean() + 1 * (~hard).mean())
    assert abs(scores["hardest_ratio"] - truth) < 2 * noise["hardest_ratio"]
    assert scores["hardest_ratio"] - noise["hardest_ratio"] > 1


def test_measuring_changes_no_row_and_repeats() -> None:
    features = table()
    before = replace(features, numeric=features.numeric.copy(), codes=features.codes.copy())
    for array in (features.numeric, features.codes, features.dates):
        array.flags.writeable = False
    asked = Asked(tuple(BEHAVIOUR), (("b", 1),), ("sex",))
    y = (features.numeric[:, 0] > 0).astype(int)
    runs = [
        measure_behaviour(
            lambda f: shares(np.nan_to_num(f.numeric[:, 0])),
            features,
            y,
            judge("binary"),
            asked,
            KEY,
        )
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert set(runs[0]) == set(BEHAVIOUR)
    assert np.array_equal(features.numeric, before.numeric)


def test_says_what_cannot_be_measured() -> None:
    with pytest.raises(InputError, match="flip_rate"):
        Asked(("flip_rat",))
    with pytest.raises(InputError, match="declared invariant"):
        Asked(("invariance_gap",))
    with pytest.raises(InputError, match="--invariant"):
        Question("a.csv", "y", limits=("invariance_gap<=0.1",))


def test_the_question_names_what_is_measured() -> None:
    question = Question("a.csv", "y", limits=("flip_rate<=0.02", "size_kb<=9"), invariant=("sex",))
    assert [str(limit) for limit in question.bounds][-1] == "invariance_gap<=0.01"
    assert question.behaviour()["names"] == ["flip_rate", "invariance_gap"]
    assert Question("a.csv", "y").behaviour() == {}
    assert Question.from_json(question.to_json()) == question
