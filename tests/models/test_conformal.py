from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelwright.core.errors import InputError
from modelwright.models.conform import choose_conformal
from modelwright.models.conformal import Intervals, Ranked, Sets, conformal_from_json
from modelwright.models.crossfit import Validation


def folds(n: int, k: int = 5, seed: int = 0) -> Any:
    fold = np.random.default_rng(seed).permutation(np.arange(n) % k)
    return np.where(fold[None, :] == np.arange(k)[:, None], 2, 1).astype(np.int8)


def regression(n: int, seed: int, noise: Any) -> tuple[Validation, Any]:
    """Values, and predictions that miss them by `noise(rng, centre)`."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(0, 10, n)
    y = centre + noise(rng, centre)
    return Validation(y, folds(n, seed=seed), "regression", 0, 5), centre[None, :, None]


def classes(n: int, seed: int, k: int = 4) -> tuple[Validation, Any]:
    """Class numbers drawn from the true shares, and shares that are too sure of themselves."""
    rng = np.random.default_rng(seed)
    truth = rng.dirichlet(np.full(k, 0.5) + np.arange(k) / 4, n)
    y = np.array([rng.choice(k, p=p) for p in truth])
    sure = truth**2 / (truth**2).sum(axis=1, keepdims=True)
    return Validation(y, folds(n, seed=seed), "multiclass", k, 5), sure[None]


@pytest.mark.parametrize("form", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("n", [60, 400])
def test_intervals_hold_new_rows_as_often_as_asked(n: int, form: tuple[bool, bool]) -> None:
    """The mean over many draws is at least the coverage, and not far above it."""
    held = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        centre = rng.uniform(0, 10, 2 * n)
        errors = rng.normal(size=2 * n) * (0.5 + centre)
        fitted = Intervals.fit(centre[:n], errors[:n], signed=form[0], scaled=form[1])
        ends = fitted.around(centre[n:], 0.9)
        truth = centre[n:] + errors[n:]
        held.append(((truth >= ends[:, 0]) & (truth <= ends[:, 1])).mean())
    assert 0.89 < np.mean(held) < 0.93


@pytest.mark.parametrize("rule", ["least", "adaptive", "by_class"])
def test_sets_hold_new_rows_as_often_as_asked(rule: Any) -> None:
    held, worst = [], []
    for seed in range(40):
        validation, oof = classes(1000, seed)
        y, shares = validation.y, oof[0]
        fitted = Sets.fit(y[:500], shares[:500])
        inside = fitted.inside(shares[500:], 0.9, rule)
        right = inside[np.arange(500), y[500:]]
        held.append(right.mean())
        worst.append([right[y[500:] == c].mean() for c in range(4)])
    assert 0.89 < np.mean(held) < (0.94 if rule != "adaptive" else 0.97)
    if rule == "by_class":
        assert np.mean(worst, axis=0).min() > 0.89
    if rule == "least":  # the rare classes pay for the common ones
        assert np.mean(worst, axis=0).min() < 0.88


def test_repeats_count_their_rows_once() -> None:
    validation, oof = regression(40, 0, lambda rng, c: rng.normal(size=len(c)))
    thrice = Validation(validation.y, np.concatenate([validation.parts] * 3), "regression", 0, 5)
    one, three = (choose_conformal(validation, oof), choose_conformal(thrice, np.repeat(oof, 3, 0)))
    assert one is not None
    assert three is not None
    assert isinstance(one.conformal, Intervals)
    assert isinstance(three.conformal, Intervals)
    for coverage in (0.5, 0.8, 0.9, 0.975):
        ends = one.conformal.around(np.zeros(1), coverage)
        assert np.array_equal(ends, three.conformal.around(np.zeros(1), coverage))


def test_the_difficulty_is_used_where_errors_grow_and_only_there() -> None:
    growing = choose_conformal(*regression(1500, 0, lambda r, c: r.normal(size=len(c)) * (0.2 + c)))
    even = choose_conformal(*regression(1500, 0, lambda r, c: r.normal(size=len(c))))
    assert growing is not None
    assert even is not None
    assert growing.facts["scaled"]
    assert not even.facts["scaled"]
    assert isinstance(growing.conformal, Intervals)
    ends = growing.conformal.around(np.array([1.0, 9.0]), 0.9)
    width = ends[:, 1] - ends[:, 0]
    assert width[1] > 4 * width[0]


def test_skewed_errors_get_two_sides() -> None:
    skewed = choose_conformal(*regression(1500, 0, lambda r, c: r.exponential(size=len(c))))
    assert skewed is not None
    assert skewed.facts["two_sided"]
    assert isinstance(skewed.conformal, Intervals)
    low, high = skewed.conformal.around(np.array([0.0]), 0.9)[0]
    assert low > 0
    assert high == pytest.approx(3.0, abs=0.4)  # -log(0.05)


def test_measured_coverage_is_near_the_one_asked() -> None:
    for found in (
        choose_conformal(*regression(2000, 1, lambda r, c: r.standard_t(3, len(c)))),
        choose_conformal(*classes(2000, 1)),
    ):
        assert found is not None
        assert [x["coverage"] for x in found.facts["levels"]] == [0.8, 0.9, 0.95]
        for level in found.facts["levels"]:
            assert abs(level["measured"] - level["coverage"]) < 3 * level["error"] + 0.01
        assert "90% coverage held" in found.facts["sentence"]


def test_weighted_rows_count_by_their_weight() -> None:
    rng = np.random.default_rng(0)
    errors = np.concatenate([rng.normal(size=500), 10 * rng.normal(size=500)])
    w = np.repeat([1.0, 0.01], 500)
    plain = Intervals.fit(np.zeros(1000), errors, signed=False, scaled=False)
    heavy = Intervals.fit(np.zeros(1000), errors, w, signed=False, scaled=False)
    wide, narrow = (x.around(np.zeros(1), 0.9)[0, 1] for x in (plain, heavy))
    assert narrow < 2 < 5 < wide


def test_too_few_rows_are_told_with_what_could_be_asked() -> None:
    fitted = Intervals.fit(np.zeros(19), np.arange(19.0), signed=False, scaled=False)
    assert fitted.around(np.zeros(1), 0.95).tolist() == [[-18.0, 18.0]]
    with pytest.raises(
        InputError, match=r"0\.99 cannot be promised from 19 rows; .* at most 0\.95"
    ):
        fitted.around(np.zeros(1), 0.99)
    rare = Sets.fit(np.array([0] * 50 + [1] * 3), np.full((53, 2), 0.5))
    with pytest.raises(InputError, match=r"from 3 rows of the rarest class; .* at most 0\.75"):
        rare.labels(np.full((1, 2), 0.5), 0.9, "by_class")
    assert choose_conformal(*regression(8, 0, lambda r, c: c)) is None


def test_thinned_scores_never_cover_less() -> None:
    scores = np.random.default_rng(0).exponential(size=5000)
    thin = Ranked.of(scores)
    assert len(thin.values) < 400
    for coverage in np.linspace(0.05, 0.999, 40):
        cut = thin.cut(coverage)
        assert cut is not None
        exact = np.sort(scores)[int(np.ceil(coverage * 5001)) - 1]
        assert exact <= cut * (1 + 1e-6)
        assert (scores <= cut).mean() < coverage + 0.01


def test_plain_data_and_back() -> None:
    for found in (
        choose_conformal(*regression(300, 0, lambda r, c: r.exponential(size=len(c)))),
        choose_conformal(*classes(300, 0)),
    ):
        assert found is not None
        assert conformal_from_json(found.conformal.to_json()) == found.conformal
    assert conformal_from_json(None) is None


def test_groups_and_time_bring_a_warning() -> None:
    data = regression(300, 0, lambda r, c: r.normal(size=len(c)))
    for how, told in (("stratified", "held"), ("grouped", "new group"), ("time", "Later rows")):
        found = choose_conformal(*data, how=how)
        assert found is not None
        assert told in found.facts["sentence"]
        assert ("may be missed" in found.facts["sentence"]) == (how != "stratified")
