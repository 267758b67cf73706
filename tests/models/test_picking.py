"""An ensemble against picking its best member, both chosen on other rows."""

from __future__ import annotations

import numpy as np
import pytest

from modelwright.models.crossfit import Validation
from modelwright.models.ensemble import blend, gain_over_picking
from modelwright.models.metrics import METRICS


def _validation(n: int, folds: int, y: np.ndarray) -> Validation:
    parts = np.ones((folds, n), np.int8)
    for f in range(folds):
        parts[f, f::5] = 2
    return Validation(y, parts, "regression", 0, folds)


@pytest.mark.parametrize("folds", [1, 5])
def test_averaging_away_errors_is_a_gain_and_averaging_in_noise_is_none(folds: int) -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=2000)
    validation = _validation(2000, folds, y)
    empty = validation.empty()
    shown = ~np.isnan(np.where((validation.parts == 2).any(axis=0), 0.0, np.nan))

    def oof(error: float) -> np.ndarray:
        out = empty.copy()
        out[0, shown, 0] = (y + rng.normal(scale=error, size=len(y)))[shown]
        return out

    alike = [oof(1.0) for _ in range(6)]
    _, _, blended = blend(validation, alike, METRICS["rmse"])
    assert gain_over_picking(validation, alike, blended, METRICS["rmse"]) > 0.3
    uneven = [oof(0.1), *(oof(5.0) for _ in range(5))]
    _, _, blended = blend(validation, uneven, METRICS["rmse"])
    assert abs(gain_over_picking(validation, uneven, blended, METRICS["rmse"])) < 0.01
