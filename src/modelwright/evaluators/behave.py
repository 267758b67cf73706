"""Measures how a candidate behaves: its fold models, on rows they did not see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.core.keys import Key
from modelwright.data.schema import Features
from modelwright.evaluators.table import TableData
from modelwright.families.base import Fitted, FloatArray
from modelwright.families.inputs import inputs_of
from modelwright.models.behaviour import Asked, behaviour_of_folds
from modelwright.models.crossfit import Finish, Validation
from modelwright.models.held_out import HeldOut, Judge, sampled

if TYPE_CHECKING:
    from modelwright.models.metrics import Metric

ROWS = 800  # of all folds together: a share is then known to 3 points or better
MAX_FOLDS = 5
Predict = Callable[[Features], FloatArray]


def asked_of(told: Mapping[str, Any] | None) -> Asked:
    """What plain data asks for: `names`, `monotone` (`[["age", 1]]`) and `invariant`."""
    if not told:
        return Asked()
    return Asked(
        tuple(told.get("names", ())),
        tuple((str(name), int(sign)) for name, sign in told.get("monotone", ())),
        tuple(told.get("invariant", ())),
    )


def measure(
    asked: Asked,
    metric: Metric,
    table: TableData,
    validation: Validation,
    predicts: Sequence[Predict],
    finish: Finish,
) -> tuple[dict[str, float], dict[str, float]]:
    """Scores of behaviour and their noise; both empty when nothing is asked.

    `predicts` has the raw answers of the model of each fold, in order; the first five count, on at
    most 800 rows that they validate. The rows and the noise are the same for every candidate.
    """
    if not asked.names:
        return {}, {}
    part, schema = table.part, table.part.schema
    folds = []
    for (_, rows), predict in list(zip(validation.folds, predicts, strict=False))[:MAX_FOLDS]:
        weights = validation.weight(rows)
        y = np.asarray(validation.y[rows])
        folds.append(
            HeldOut(_finished(predict, finish), part.features.take(rows), y, rows, weights)
        )
    key = Key.of(0).child("behaviour")
    few = sampled(folds, ROWS, np.random.default_rng(key.child("rows").seed(128)))
    return behaviour_of_folds(few, Judge(metric, finish.decision, schema), asked, key)


def predict_of_fitted(fitted: Fitted, table: TableData) -> Predict:
    """The raw answers of a fitted model for features."""
    return lambda features: fitted.predict(inputs_of(features, table.part.schema))


def _finished(predict: Predict, finish: Finish) -> Predict:
    """Calibrated shares `[n, k]`, or values `[n]`."""

    def answer(features: Features) -> FloatArray:
        out = predict(features)
        if out.ndim == 2 and out.shape[1] == 1:
            return out[:, 0]
        return out if out.ndim == 1 else finish.calibration.apply(out)

    return answer
