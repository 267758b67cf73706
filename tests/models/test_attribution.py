"""Attributions: they sum to the answer, and tell the truth where it is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelwright.core.errors import InputError
from modelwright.data.columns import ColumnInfo
from modelwright.data.schema import Schema, encode_rows
from modelwright.families import family
from modelwright.families.base import Examples
from modelwright.families.inputs import inputs_of
from modelwright.families.linear import Linear
from modelwright.models.attribution import explain_rows
from modelwright.models.background import background_of, background_rows
from modelwright.models.calibration import Calibration
from modelwright.models.crossfit import Finish
from modelwright.models.decision import Decision
from modelwright.models.model import Model

COLUMNS = (
    ColumnInfo("a", "numeric", low=-4.0, high=4.0),
    ColumnInfo("b", "numeric", low=-4.0, high=4.0, missing=0.1),
    ColumnInfo("kind", "categorical", categories=("x", "y", "z")),
    ColumnInfo("nothing", "numeric", low=-4.0, high=4.0),
)


def rows(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "nothing"])
    frame["kind"] = rng.choice(["x", "y", "z"], n)
    frame.loc[rng.random(n) < 0.1, "b"] = np.nan
    return frame


def made(name: str, task: Any = "regression", finish: Finish | None = None) -> tuple[Model, Any]:
    frame = rows()
    classes = () if task == "regression" else ("no", "yes", "maybe")[: 2 + (task == "multiclass")]
    schema = Schema(COLUMNS, "target", task, classes)
    features = encode_rows(schema, frame).features
    score = 3 * frame["a"] + (frame["kind"] == "y") * 2.0 - frame["b"].fillna(0)
    cuts = {"regression": score.to_numpy(), "binary": (score > 0).to_numpy().astype(int)}
    y = cuts.get(task, np.digitize(score, [-1, 2]))
    examples = Examples(inputs_of(features, schema), np.asarray(y), task, len(classes))
    rounds = 60 if name in ("LightGbm", "CatBoost", "GlassBox") else None
    # Without products, so that a linear model's parts are Shapley values exactly.
    design = Linear(interactions="none") if name == "Linear" else family(name)()
    fitted = design.fit(examples, rounds=rounds)
    card = {"background": background_of(features, schema)}
    return Model(schema, ((fitted, 1.0),), (name,), finish or Finish(), card), frame


@pytest.mark.parametrize("name", ["Linear", "LightGbm", "CatBoost"])
@pytest.mark.parametrize("task", ["regression", "binary"])
def test_exact_parts_sum_to_the_answer(name: str, task: str) -> None:
    model, frame = made(name, task)
    for told in explain_rows(model, frame.head(20)):
        assert told.gap < 1e-4
        assert told.scale == ("value" if task == "regression" else "log-odds")
        assert told.errors == {}
        assert {c for c, _ in told.parts} == {"a", "b", "kind", "nothing"}


def test_calibrated_answers_are_explained_as_they_are_given() -> None:
    finish = Finish(Calibration("platt", (0.5, 0.3)), Decision(0.5))
    model, frame = made("LightGbm", "binary", finish)
    told = explain_rows(model, frame.head(1))[0]
    share = model.predict_proba(frame.head(1))[0, 1]
    assert told.answer == pytest.approx(np.log(share / (1 - share)))
    assert told.gap < 1e-6


def test_sampled_parts_agree_with_the_exact_ones_of_a_linear_model() -> None:
    model, frame = made("Linear")
    exact = explain_rows(model, frame.head(5))
    sampled = explain_rows(model, frame.head(5), method="sampled", samples=128)
    for one, other in zip(exact, sampled, strict=True):
        assert other.gap < 1e-6
        assert other.base == pytest.approx(one.base, abs=1e-6)
        parts = dict(one.parts)
        for column, value in other.parts:
            assert value == pytest.approx(parts[column], abs=1e-6), column


@pytest.mark.parametrize("task", ["regression", "multiclass"])
def test_any_model_can_be_explained_and_nothing_gets_nothing(task: str) -> None:
    model, frame = made("Forest" if task == "regression" else "LightGbm", task)
    told = explain_rows(model, frame.head(6), method="sampled", samples=64)
    assert max(t.gap for t in told) < 1e-6
    mean = {c: np.mean([abs(dict(t.parts)[c]) for t in told]) for c in ("a", "b", "nothing")}
    assert mean["a"] > 3 * mean["nothing"]
    assert mean["a"] > mean["b"]
    again = explain_rows(model, frame.head(6), method="sampled", samples=64)
    assert [t.parts for t in again] == [t.parts for t in told]


def test_the_background_has_the_marginals_and_no_row_of_training() -> None:
    model, frame = made("Linear")
    features = encode_rows(model.schema, frame).features
    made_up = background_rows(model.schema, model.card["background"], 64)
    assert np.mean(made_up.codes[:, 0] == 1) == pytest.approx(
        (frame["kind"] != "x").mean() / 2, abs=0.1
    )
    assert np.isnan(made_up.numeric[:, 1]).mean() == pytest.approx(0.1, abs=0.05)
    assert np.median(made_up.numeric[:, 0]) == pytest.approx(frame["a"].median(), abs=0.2)
    ours = {tuple(row) for row in np.nan_to_num(made_up.numeric).round(6).tolist()}
    theirs = {tuple(row) for row in np.nan_to_num(features.numeric).round(6).tolist()}
    assert not ours & theirs


def test_a_model_without_a_background_is_explained_too() -> None:
    model, frame = made("Linear")
    old = Model(model.schema, model.members, model.families, model.finish, {})
    assert explain_rows(old, frame.iloc[0].to_dict())[0].gap < 1e-6


def test_too_few_samples_are_refused() -> None:
    model, frame = made("Linear")
    with pytest.raises(InputError, match="at least 2"):
        explain_rows(model, frame.head(1), samples=1)
