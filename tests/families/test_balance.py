from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from modelwright.families import family
from modelwright.families.balance import class_factors, weighted_by
from modelwright.families.base import Examples, Inputs
from modelwright.models.metrics import METRICS, score_predictions
from modelwright.testing.family import toy


def rare(n: int = 3000, classes: int = 2) -> Examples:
    """One row in 14 (and one in 50 of a third class) is of a class that x tells, with doubt."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(n, 3))
    noise = rng.normal(size=n)
    y = (x[:, 0] + noise > 2.1).astype(int)
    if classes == 3:
        y[x[:, 1] + noise > 2.9] = 2
    return Examples(Inputs.of(x), y, "binary" if classes == 2 else "multiclass", classes)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", ["Linear", "LightGbm", "CatBoost", "Forest"])
def test_shares_stay_calibrated_and_the_ranking_good(name: str, classes: int) -> None:
    rows = rare(classes=classes)
    train, held = rows.take(slice(0, 2000)), rows.take(slice(2000, None))
    truth = np.bincount(held.y, minlength=classes) / len(held.y)
    losses, answers = {}, {}
    for how in ("none", "root", "full"):
        design: Any = family(name)
        out = design(balance=how).fit(train, rounds=40).predict(held.X)
        answers[how] = out
        losses[how] = score_predictions(METRICS["log_loss"], held.y, out)
        assert np.abs(out.mean(axis=0) - truth).max() < 0.04
        assert score_predictions(METRICS["roc_auc"], held.y, out) > 0.8
    assert max(losses.values()) < 1.25 * losses["none"]
    assert not np.allclose(answers["none"], answers["full"], atol=1e-3)


def test_factors_keep_the_mean_weight_and_leave_absent_classes_alone() -> None:
    rows = replace(rare(classes=3), n_classes=4)
    full, root = class_factors(rows, "full"), class_factors(rows, "root")
    totals = np.bincount(rows.y, weighted_by(rows, full).weight, minlength=4)
    assert np.allclose(totals[:3], totals[0])
    for factors in (full, root):
        assert weighted_by(rows, factors).weight.mean() == pytest.approx(1)
        assert factors[3] == 1
    assert (class_factors(rows, "none") == 1).all()
    assert (root[1] / root[0]) ** 2 == pytest.approx(full[1] / full[0])
    assert weighted_by(toy("regression"), class_factors(toy("regression"), "full")).weights is None
