"""The parts of the Bayesian designer: rows, surrogate, targets, acquisition."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
import scipy.linalg  # noqa: F401  (its BLAS is one more)
from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped]

from modelwright.designers.acquisition import (
    log_chance_slopes,
    log_chance_within,
    log_expected_improvement,
    log_improvement_slopes,
)
from modelwright.designers.one_thread import one_thread
from modelwright.designers.surrogate_features import Encoder
from modelwright.designers.surrogate_gp import Process, _gaps, _objective, first_guess, fit_theta
from modelwright.designers.surrogate_targets import scalarised, targets
from modelwright.spaces import Space
from modelwright.testing.zoo import zoo


@dataclass(frozen=True)
class Told:
    """A design that tells more than its fields."""

    a: Literal["x", "y", "z"] = "x"
    b: Literal["x", "y", "z"] = "x"

    def features(self) -> tuple[float | tuple[float, ...], ...]:
        return (float(self.a == self.b), (0.25, 0.75))

    def canonical_key(self) -> str:
        return "".join(sorted(self.a + self.b))


@pytest.mark.parametrize("name", ["mixed", "conditional", "stack", "tree", "tiny", "empty"])
def test_rows_of_units_are_nearly_the_rows_of_their_designs(name: str) -> None:
    space = zoo()[name]
    encoder = Encoder(space)
    rng = np.random.default_rng(0)
    points = rng.random((50, space.unit_dimension))
    exact = encoder.rows([space.from_unit(p.tolist()) for p in points])
    near = encoder.rows_of_units(points)
    assert exact.shape == near.shape == (50, len(encoder.groups))
    # Categories and what exists agree exactly; whole numbers are rounded in one and not the other.
    assert np.abs(exact - near).max(initial=0.0) < 0.2
    exists = encoder.exists(exact)
    assert (exact[:, encoder.places][~exists] == 0.5).all()


def test_features_and_keys_of_the_type_are_used() -> None:
    encoder = Encoder(Space(Told))
    assert encoder.groups.tolist() == [0, 0, 0, 1, 1, 1, 2, 3, 3]
    row = encoder.rows([Told("x", "y")])[0]
    assert row.tolist() == [1, 0, 0, 0, 1, 0, 0, 0.25, 0.75]
    assert encoder.key(Told("x", "y")) == encoder.key(Told("y", "x"))
    assert not encoder.by_unit


def _problem(n: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    rows = rng.random((n, 4))
    groups = np.array([0, 1, 2, 2])
    values = np.sin(3 * rows[:, 0]) + rows[:, 1] ** 2 + 0.1 * rng.standard_normal(n)
    return (
        rows,
        (values - values.mean()) / values.std(),
        groups,
        np.array([0.1, -0.5, 0.4, -4, 0.3]),
    )


def test_gradient_of_the_posterior_is_its_slope() -> None:
    rows, values, groups, theta = _problem()
    gaps = _gaps(rows, groups, 3)
    _, gradient = _objective(theta, gaps, values)
    for i in range(len(theta)):
        step = np.zeros(len(theta))
        step[i] = 1e-5
        up, down = (_objective(theta + s * step, gaps, values)[0] for s in (1, -1))
        assert gradient[i] == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-6)


def test_prediction_agrees_with_the_textbook() -> None:
    rows, values, groups, theta = _problem()
    process = Process(rows, values, groups, theta)
    new = np.random.default_rng(2).random((5, 4))
    scale = np.exp(-theta[:3])[groups]

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        r = np.linalg.norm((a[:, None] - b[None]) * scale, axis=2) * math.sqrt(5)
        return np.asarray(math.exp(0.3) * (1 + r + r * r / 3) * np.exp(-r))

    inverse = np.linalg.inv(kernel(rows, rows) + (math.exp(-4) + 1e-8) * np.eye(len(rows)))
    m = inverse.sum(0) @ values / (inverse.sum() + 1)
    mean = m + kernel(new, rows) @ inverse @ (values - m)
    cross = kernel(new, rows)
    sd = np.sqrt(math.exp(0.3) - np.einsum("ij,jk,ik->i", cross, inverse, cross))
    found_mean, found_sd = process.predict(new)
    np.testing.assert_allclose(found_mean, mean, rtol=1e-6)
    np.testing.assert_allclose(found_sd, sd, rtol=1e-6)


def test_slopes_are_those_of_the_prediction_and_the_acquisition() -> None:
    rows, values, groups, theta = _problem()
    process = Process(rows, values, groups, theta)
    new, places = np.random.default_rng(3).random((3, 4)), np.array([0, 2])
    value, slope = log_improvement_slopes(*process.slopes(new, places), -0.5)
    np.testing.assert_allclose(
        value, log_expected_improvement(*process.predict(new), -0.5), rtol=1e-6
    )
    for j, place in enumerate(places):
        step = np.zeros(4)
        step[place] = 1e-6
        up, down = (
            log_expected_improvement(*process.predict(new + s * step), -0.5) for s in (1, -1)
        )
        np.testing.assert_allclose(slope[:, j], (up - down) / 2e-6, rtol=1e-3, atol=1e-6)


def test_slopes_of_the_chance_are_its_own() -> None:
    mean, sd = np.array([-1.0, 0.5, 9.0]), np.array([0.5, 1.0, 0.2])
    d_mean, d_sd = np.array([[1.0], [-2.0], [0.5]]), np.array([[0.3], [0.1], [-0.2]])
    value, slope = log_chance_slopes(mean, sd, d_mean, d_sd)
    np.testing.assert_allclose(value, log_chance_within(mean, sd))
    up, down = (
        log_chance_within(mean + s * d_mean[:, 0], sd + s * d_sd[:, 0]) for s in (1e-6, -1e-6)
    )
    np.testing.assert_allclose(slope[:, 0], (up - down) / 2e-6, rtol=1e-5)


def test_fit_tells_parts_that_matter_from_those_that_do_not() -> None:
    rng = np.random.default_rng(4)
    rows = rng.random((40, 3))
    values = np.sin(6 * rows[:, 0])
    theta = fit_theta(
        rows, (values - values.mean()) / values.std(), np.arange(3), [first_guess(3)], 50
    )
    assert theta[0] + 1.0 < min(theta[1], theta[2])


def test_expected_improvement_is_finite_and_rises_everywhere() -> None:
    z = np.concatenate([-np.logspace(6, -3, 200), np.logspace(-3, 2, 100)])
    value = log_expected_improvement(-z, np.ones_like(z), 0.0)
    assert np.isfinite(value).all()
    assert (np.diff(value) > 0).all()
    # sd * (phi(0)) at z = 0
    assert math.exp(log_expected_improvement(np.zeros(1), np.full(1, 2.0), 0.0)[0]) == (
        pytest.approx(2 / math.sqrt(2 * math.pi))
    )


def test_targets_cut_what_is_far_off() -> None:
    losses = np.array([1.0, 2.0, 3.0, 1000.0, math.inf, -1000.0])
    found = targets(losses, np.array([True] * 4 + [False] * 2))
    # Median 2.5 and best 1 of the designs within: cut at 4 and at -0.5.
    back = found.values * found.scale + found.centre
    np.testing.assert_allclose(back, [1.0, 2.0, 3.0, 4.0, 4.0, -0.5])
    assert abs(found.values.mean()) < 1e-12
    assert targets(np.array([2.0, 2.0]), np.ones(2, dtype=bool)).values.tolist() == [0.0, 0.0]


def test_mixture_keeps_order_of_domination() -> None:
    losses = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [math.inf, math.inf]])
    mixed = scalarised(losses, np.array([0.5, 0.5]))
    assert mixed[2] > mixed[0]
    assert mixed[2] > mixed[1]
    assert mixed[3] == math.inf


def _threads() -> set[int]:
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def test_matrices_are_worked_on_by_one_thread_and_others_keep_theirs() -> None:
    with threadpool_limits(2, user_api="blas"):
        with one_thread():
            assert _threads() == {1}
        assert _threads() == {2}
        assert one_thread()(_threads)() == {1}
