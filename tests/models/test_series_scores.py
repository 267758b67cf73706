from __future__ import annotations

import numpy as np
import pytest

from modelwright.models.series_scores import LEVELS, Truth, coverage_of, offsets_of, quantiles_from


def errors(rng: np.random.Generator, n: int, horizon: int = 12) -> np.ndarray:
    """Errors that grow with the step and are alike within one forecast."""
    alike = rng.normal(size=(n, 1)) + rng.normal(size=(n, horizon))
    return np.asarray(alike * np.sqrt(np.arange(1, horizon + 1)))


def truth_of(y: np.ndarray) -> Truth:
    places = np.arange(len(y))
    return Truth(y, np.ones(len(y)), places, places)


@pytest.mark.parametrize("n", [4, 12, 300])
def test_intervals_hold_what_they_promise_from_few_forecasts_and_from_many(n: int) -> None:
    rng = np.random.default_rng(n)
    held: dict[float, list[float]] = {0.8: [], 0.95: []}
    for _ in range(150 if n < 100 else 10):
        past, future = errors(rng, n), truth_of(errors(rng, 20))
        offsets = offsets_of(truth_of(past), np.zeros_like(past), np.ones_like(past))
        flat = np.zeros_like(future.y)
        quantiles = quantiles_from(flat, flat + 1, offsets)
        held[0.8].append(coverage_of(future, quantiles))
        ends = LEVELS.index(0.025), LEVELS.index(0.975)
        held[0.95].append(coverage_of(future, quantiles, *ends))
    assert 0.78 < np.mean(held[0.8]) < 0.86
    assert 0.92 < np.mean(held[0.95]) < 0.98
    assert offsets[-1, -1] > 1.2 * offsets[0, -1]


def test_errors_to_one_side_leave_no_interval_without_the_other() -> None:
    past = np.abs(errors(np.random.default_rng(0), 4))
    offsets = offsets_of(truth_of(past), np.zeros_like(past), np.ones_like(past))
    assert (offsets[:, 0] < 0).all()
    assert (offsets[:, -1] > -offsets[:, 0]).all()


def test_one_forecast_without_values_gives_intervals_of_no_width() -> None:
    past = np.full((1, 5), np.nan)
    found = offsets_of(truth_of(past), np.zeros((1, 5)), np.ones((1, 5)))
    assert (found == 0).all()
