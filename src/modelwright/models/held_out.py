"""Rows that a fitted model did not see, with the model: what honest explanations are made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.data.schema import Features, Schema
from modelwright.families.base import FloatArray
from modelwright.models.decision import Decision
from modelwright.models.metrics import Metric, score_predictions


@dataclass(frozen=True)
class HeldOut:
    """A fold: its model and the rows that validate it.

    `predict` gives calibrated shares `[n, k]` or values `[n]` for features. `rows` are positions
    among the development rows.
    """

    predict: Callable[[Features], FloatArray]
    features: Features
    y: npt.NDArray[Any]
    rows: npt.NDArray[np.intp]
    weights: FloatArray | None = None

    def take(self, chosen: npt.NDArray[Any]) -> HeldOut:
        """The fold with some of its rows only."""
        weights = None if self.weights is None else self.weights[chosen]
        return replace(
            self, features=self.features.take(chosen), y=self.y[chosen], rows=self.rows[chosen],
            weights=weights,
        )  # fmt: skip


@dataclass(frozen=True)
class Judge:
    """How predictions are scored: the metric, and the decision where it looks at labels."""

    metric: Metric
    decision: Decision
    schema: Schema

    def loss(self, fold: HeldOut, out: FloatArray) -> float:
        """The loss of predictions for the rows of a fold; smaller is better."""
        return self.loss_of(fold.y, out, fold.weights)

    def loss_of(
        self, y: npt.NDArray[Any], out: FloatArray, weights: FloatArray | None = None
    ) -> float:
        """The loss of predictions `out` for labels or values `y`."""
        labels = None if self.schema.task == "regression" else self.decision.labels(out)
        given = labels if self.metric.needs == "labels" else None
        return self.metric.goal.loss(score_predictions(self.metric, y, out, weights, given))


def sampled(folds: Sequence[HeldOut], n_rows: int, rng: np.random.Generator) -> list[HeldOut]:
    """The folds with at most `n_rows` rows together, drawn at random, in equal parts."""
    share = max(1, n_rows // max(1, len(folds)))
    return [
        f if len(f.y) <= share else f.take(np.sort(rng.choice(len(f.y), share, replace=False)))
        for f in folds
    ]


class Clock:
    """Tells when the seconds for a piece of work are used up; None is no bound."""

    def __init__(self, seconds: float | None) -> None:
        self.end = None if seconds is None else time.monotonic() + seconds

    @property
    def over(self) -> bool:
        """True when the time is used up."""
        return self.end is not None and time.monotonic() >= self.end

    @property
    def left(self) -> float | None:
        """Seconds left, from 0; None without a bound."""
        return None if self.end is None else max(0.0, self.end - time.monotonic())
