"""Variance in parts and learning curves: the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from modelwright.core.keys import Key
from modelwright.stats.power_law import fit_learning_curve, told_curve
from modelwright.stats.variance_parts import ranks, variance_parts

KEY = Key.of(0)


def test_the_parts_of_a_sum_are_the_variances_of_its_terms() -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack([ranks(column) for column in rng.random((200, 5)).T])
    y = 3 * X[:, 0] + X[:, 1] ** 2
    parts = variance_parts(X, y, KEY)
    assert parts is not None
    # 9/12 of 9/12 + 4/45 is 0.89, of which the forest finds most
    assert parts.shares[0] == pytest.approx(0.85, abs=0.08)
    assert parts.shares[1] > 2 * parts.shares[2:].max()
    assert parts.fit > 0.85
    assert parts.shares.sum() + parts.combined == pytest.approx(1, abs=1e-9)


def test_an_interaction_is_combined_and_noise_has_no_fit() -> None:
    rng = np.random.default_rng(1)
    X = np.column_stack([ranks(column) for column in rng.random((300, 2)).T])
    both = ((X[:, 0] > 0.5) ^ (X[:, 1] > 0.5)).astype(float)
    parts = variance_parts(X, both, KEY)
    assert parts is not None
    assert parts.combined > 0.7
    noise = variance_parts(X, rng.normal(size=300), KEY)
    assert noise is not None
    assert noise.fit < 0.05
    assert variance_parts(X, np.ones(300), KEY) is None


def test_ranks_put_gaps_first() -> None:
    assert ranks(np.array([3.0, np.nan, 1.0])).argmin() == 1


def test_a_power_law_is_found_again_and_carried_on() -> None:
    n = np.array([100.0, 200, 400, 800, 1600])
    rng = np.random.default_rng(0)
    losses = [(0.2 + 3 * n**-0.5 + rng.normal(0, 0.002, 5)).tolist() for _ in range(4)]
    curve = fit_learning_curve(n.tolist(), losses, KEY)
    assert curve is not None
    assert curve.at(3200) == pytest.approx(0.2 + 3 * 3200**-0.5, abs=0.01)
    gain, low, high = curve.change(1600, 3200)
    true = 3 * (1600**-0.5 - 3200**-0.5)
    assert low <= true <= high
    assert gain == pytest.approx(true, rel=0.3)
    assert told_curve(curve, 1600, "log_loss", 1.0).startswith("Twice the rows would help")


def test_losses_that_do_not_fall_promise_nothing() -> None:
    flat = fit_learning_curve([10, 20, 40], [[0.5, 0.51, 0.52]], KEY)
    assert flat is None
    assert "hardly help" in told_curve(flat, 40, "roc_auc", -1.0)
    assert fit_learning_curve([10, 20], [[0.5, 0.4]], KEY) is None
    same = fit_learning_curve([100, 200, 400, 800], [[0.3, 0.22, 0.2004, 0.2]] * 2, KEY)
    assert same is not None
    assert "little" in told_curve(same, 800, "rmse", 1.0)
