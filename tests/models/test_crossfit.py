from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.errors import InputError
from modelwright.models import formulas
from modelwright.models.calibration import Calibration, fit_calibration
from modelwright.models.crossfit import Finish, Validation, calibrate, score_oof
from modelwright.models.decision import (
    COUNTED,
    Decision,
    choose_decision,
    decision_interval,
    parse_constraint,
)
from modelwright.models.ensemble import blend, choose_weights
from modelwright.models.metrics import (
    METRICS,
    costs_metric,
    find_metric,
    score_predictions,
)


def folds(n: int, k: int = 5, repeats: int = 1, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    dealt = [rng.permutation(np.arange(n) % k) for _ in range(repeats)]
    return np.concatenate(
        [np.where(fold[None, :] == np.arange(k)[:, None], 2, 1) for fold in dealt]
    ).astype(np.int8)


def binary(n: int = 600, repeats: int = 1, seed: int = 0) -> tuple[Validation, Any]:
    """Labels, and the true shares they were drawn from as `[repeats, n, 2]`."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.8, 2, size=n)
    y = (rng.random(n) < p).astype(np.int32)
    validation = Validation(y, folds(n, 5, repeats), "binary", 2, 5)
    return validation, np.stack([np.column_stack([1 - p, p])] * repeats)


def sharpened(shares: Any, power: float) -> Any:
    q = np.clip(shares, 1e-9, 1) ** power
    return q / q.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("kind", ["temperature", "platt", "isotonic"])
def test_calibration_mends_overconfidence(kind: Any) -> None:
    validation, truth = binary(4000)
    bad = sharpened(truth[0], 3.0)
    fitted = fit_calibration(kind, validation.y, bad)
    before = formulas.log_loss(validation.y, bad, np.ones(4000))
    after = formulas.log_loss(validation.y, fitted.apply(bad), np.ones(4000))
    best = formulas.log_loss(validation.y, truth[0], np.ones(4000))
    assert after - best < 0.1 * (before - best)
    assert Calibration.from_json(fitted.to_json()) == fitted


@pytest.mark.parametrize("kind", ["temperature", "platt", "isotonic"])
def test_calibration_never_turns_the_order_around(kind: Any) -> None:
    rng = np.random.default_rng(0)
    p = np.sort(rng.random(500))
    y = rng.integers(0, 2, 500)  # nothing to learn: slopes may come out wrong
    q = fit_calibration(kind, y, np.column_stack([1 - p, p])).apply(np.column_stack([1 - p, p]))
    assert (np.diff(q[:, 1]) >= -1e-12).all()
    assert np.allclose(q.sum(axis=1), 1)


def test_calibration_of_several_classes() -> None:
    rng = np.random.default_rng(0)
    truth = rng.dirichlet((0.5, 0.5, 0.5), 2000)
    y = np.array([rng.choice(3, p=p) for p in truth])
    fitted = fit_calibration("temperature", y, sharpened(truth, 2.5))
    assert fitted.numbers[0] == pytest.approx(2.5, rel=0.2)


def test_calibration_is_kept_only_when_it_helps() -> None:
    validation, truth = binary(2000)
    assert calibrate(validation, truth)[1].kind == "none"
    assert calibrate(validation, sharpened(truth, 3.0))[1].kind != "none"


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(4, 40),
    name=st.sampled_from(["f1", "mcc", "balanced_accuracy", "macro_f1", "accuracy"]),
)
def test_no_threshold_is_better_than_the_chosen_one(seed: int, n: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    p = np.round(rng.random(n), 1)
    shares = np.column_stack([1 - p, p])
    metric = METRICS[name]
    chosen = choose_decision(metric, y, shares)
    score = score_predictions(metric, y, shares, labels=chosen.labels(shares))
    if metric.tuned:
        for t in np.linspace(-0.05, 1.05, 23):
            other = score_predictions(metric, y, shares, labels=Decision(t).labels(shares))
            assert score >= other - 1e-9
    else:
        assert chosen.threshold == 0.5


def test_counted_metrics_agree_with_their_formulas() -> None:
    from modelwright.models.decision import _counts

    rng = np.random.default_rng(0)
    y, p, w = rng.integers(0, 2, 50), np.round(rng.random(50), 1), rng.random(50)
    shares = np.column_stack([1 - p, p])
    thresholds, counts = _counts(y, p, w)
    for name in COUNTED:
        table = ((0.0, 2.0), (7.0, 0.0))
        metric = costs_metric(table) if name == "costs" else METRICS[name]
        scores = counts.score(name, table)
        for t, score in zip(thresholds, scores, strict=True):
            labels = Decision(float(t)).labels(shares)
            assert score == pytest.approx(score_predictions(metric, y, shares, w, labels))


def test_a_constraint_binds() -> None:
    validation, truth = binary(2000)
    limit = parse_constraint("sensitivity>=0.95")
    free = choose_decision(METRICS["f1"], validation.y, truth[0])
    bound = choose_decision(METRICS["f1"], validation.y, truth[0], constraint=limit)
    w = np.ones(2000)
    assert formulas.sensitivity(validation.y, free.labels(truth[0]), w) < 0.95
    assert formulas.sensitivity(validation.y, bound.labels(truth[0]), w) >= 0.95
    with pytest.raises(InputError, match="Did you mean 'sensitivity'"):
        parse_constraint("sensitivty>=0.9")


def test_costs_move_the_threshold() -> None:
    validation, truth = binary(4000)
    dear_miss = costs_metric([[0, 1], [9, 0]])
    chosen = choose_decision(dear_miss, validation.y, truth[0])
    assert chosen.threshold == pytest.approx(0.1, abs=0.05)  # cost 1 against 9


def test_scores_are_means_over_folds() -> None:
    validation, truth = binary(600, repeats=3)
    scored = score_oof(validation, truth, METRICS["log_loss"], [METRICS["roc_auc"]])
    assert len(scored.folds["log_loss"]) == 15
    per = [
        score_predictions(METRICS["roc_auc"], validation.y[rows], truth[r][rows])
        for r, rows in validation.folds
    ]
    assert scored.folds["roc_auc"] == pytest.approx(tuple(per))
    assert scored.scores["roc_auc"] == pytest.approx(np.mean(per))
    assert Finish.from_json(scored.finish.to_json()) == scored.finish


def test_a_threshold_tuned_on_noise_does_not_look_good() -> None:
    """Chosen on the rows it is scored on, the threshold would seem to find signal in noise."""
    rng = np.random.default_rng(0)
    gains = []
    for seed in range(20):
        y = rng.integers(0, 2, 60)
        p = rng.random(60)
        shares = np.column_stack([1 - p, p])[None]
        validation = Validation(y, folds(60, seed=seed), "binary", 2, 5)
        honest = score_oof(validation, shares, METRICS["mcc"]).scores["mcc"]
        chosen = choose_decision(METRICS["mcc"], y, shares[0])
        seen = score_predictions(METRICS["mcc"], y, shares[0], labels=chosen.labels(shares[0]))
        gains.append((honest, seen))
    honest, seen = np.mean(gains, axis=0)
    assert abs(honest) < 0.1
    assert seen > 0.15


def test_fewer_folds_leave_rows_out() -> None:
    validation, truth = binary(600, repeats=3)
    short = validation.first(1)
    assert (short.repeats, validation.first(6).repeats) == (1, 2)
    oof = short.empty()
    rows = short.folds[0][1]
    oof[0, rows] = truth[0, rows]
    scored = score_oof(short, oof, METRICS["f1"])
    assert np.isfinite(scored.scores["f1"])
    assert len(scored.folds["f1"]) == 1


def test_the_blend_prefers_members_that_err_differently() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=500)
    noise = rng.normal(size=(3, 500))
    oofs = [(y + noise[i])[None, :, None] for i in range(2)]
    oofs.append((y + noise[0] + 0.1 * noise[2])[None, :, None])  # the first one, blurred
    validation = Validation(y, folds(500), "regression", 0, 5)
    weights, scored, out = blend(validation, oofs, METRICS["rmse"])
    assert weights[:2].min() > 0.3
    assert weights.sum() == pytest.approx(1)
    single = min(score_oof(validation, o, METRICS["rmse"]).scores["rmse"] for o in oofs)
    assert scored.scores["rmse"] < 0.8 * single
    assert out.shape == oofs[0].shape


def test_a_blend_of_noise_is_not_flattered() -> None:
    """Thirty models that know nothing: in-sample weights find a pattern, crossed ones none."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 100)
    validation = Validation(y, folds(100), "binary", 2, 5)
    oofs = []
    for _ in range(30):
        p = rng.random(100)
        oofs.append(np.column_stack([1 - p, p])[None])
    every = np.arange(100)
    weights = choose_weights(validation, oofs, METRICS["roc_auc"], every)
    mixed = sum(w * o for w, o in zip(weights, oofs, strict=True))
    flattered = score_oof(validation, mixed, METRICS["roc_auc"]).scores["roc_auc"]
    _, honest, _ = blend(validation, oofs, METRICS["roc_auc"])
    assert flattered > 0.7
    assert honest.scores["roc_auc"] < 0.62


def test_a_single_good_member_stays_alone() -> None:
    validation, truth = binary(1000)
    rng = np.random.default_rng(0)
    p = rng.random(1000)
    bad = np.column_stack([1 - p, p])[None]
    weights = choose_weights(validation, [bad, truth], METRICS["log_loss"], np.arange(1000))
    assert weights[1] > 0.9


def test_answers_among_several_classes_are_weighed_for_the_metric() -> None:
    rng = np.random.default_rng(0)
    truth = rng.dirichlet((8, 1, 1), 3000)
    y = np.array([rng.choice(3, p=p) for p in truth])
    metric = METRICS["balanced_accuracy"]
    chosen = choose_decision(metric, y, truth)
    plain = score_predictions(metric, y, truth)
    weighed = score_predictions(metric, y, truth, labels=chosen.labels(truth))
    assert weighed > plain + 0.05
    assert Decision.from_json(chosen.to_json()) == chosen
    # Accuracy is highest for the likeliest class, whatever the classes' sizes.
    assert choose_decision(METRICS["accuracy"], y, truth) == Decision(None)


def test_costs_of_several_classes_answer_what_is_cheapest() -> None:
    rng = np.random.default_rng(0)
    truth = rng.dirichlet((1, 1, 1), 2000)
    y = np.array([rng.choice(3, p=p) for p in truth])
    metric = costs_metric([[0, 1, 1], [1, 0, 1], [20, 20, 0]])
    chosen = choose_decision(metric, y, truth)
    cost = score_predictions(metric, y, truth, labels=chosen.labels(truth))
    likeliest = score_predictions(metric, y, truth, labels=truth.argmax(axis=1))
    assert cost < 0.5 * likeliest
    assert (chosen.labels(truth) == 2).mean() > 0.8


def test_kappa_and_f_beta_tune_the_threshold() -> None:
    validation, truth = binary(2000)
    f2, f1 = find_metric("f_beta@2", "binary"), METRICS["f1"]
    eager = choose_decision(f2, validation.y, truth[0]).threshold
    even = choose_decision(f1, validation.y, truth[0]).threshold
    assert eager is not None
    assert even is not None
    assert eager < even - 0.05
    for name in ("kappa", "f_beta@2"):
        metric = find_metric(name, "binary")
        chosen = choose_decision(metric, validation.y, truth[0])
        best = score_predictions(metric, validation.y, truth[0], None, chosen.labels(truth[0]))
        for t in np.linspace(0, 1, 41):
            labels = Decision(t).labels(truth[0])
            assert best >= score_predictions(metric, validation.y, truth[0], None, labels) - 1e-9


def test_one_good_member_among_many_is_not_diluted() -> None:
    """Half of the bags lack it; the run over all members shows that they are far behind."""
    validation, truth = binary(1000)
    rng = np.random.default_rng(0)
    oofs = [truth]
    for _ in range(11):
        p = rng.random(1000)
        oofs.append(np.column_stack([1 - p, p])[None])
    weights = choose_weights(validation, oofs, METRICS["log_loss"], np.arange(1000))
    assert weights[0] > 0.9


def test_bags_share_the_weight_among_members_that_are_alike() -> None:
    """A single run takes a few of ten equal members by chance; bags use most of them."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=300)
    oofs = [(y + rng.normal(size=300))[None, :, None] for _ in range(10)]
    validation = Validation(y, folds(300), "regression", 0, 5)
    weights = choose_weights(validation, oofs, METRICS["rmse"], np.arange(300))
    assert (weights > 0.03).sum() >= 8
    assert weights.max() < 0.25
    assert weights.sum() == pytest.approx(1)


def test_values_are_mixed_for_what_the_metric_minimises() -> None:
    """Of a low and a high guess a quantile of 0.9 takes the high one, a median neither."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=2000)
    validation = Validation(y, folds(2000), "regression", 0, 5)
    oofs = [np.full((1, 2000, 1), at) for at in (-1.28, 1.28)]
    every = np.arange(2000)
    high = choose_weights(validation, oofs, find_metric("pinball@0.9", "regression"), every)
    assert high[1] > 0.9
    middle = choose_weights(validation, oofs, METRICS["mae"], every)
    assert middle[1] == pytest.approx(0.5, abs=0.1)


def test_a_metric_of_ones_own_chooses_the_weights_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tails.py").write_text("def tail_error(y, p): return float(abs(p - y).max())\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    rng = np.random.default_rng(0)
    y = rng.normal(size=300)
    near = y + 0.1 * rng.normal(size=300)
    near[::20] += 5  # near on average, far on a few rows
    even = y + rng.uniform(-1, 1, 300)
    validation = Validation(y, folds(300), "regression", 0, 5)
    oofs = [near[None, :, None], even[None, :, None]]
    metric = find_metric("tails:tail_error", "regression")
    assert choose_weights(validation, oofs, metric, np.arange(300))[1] > 0.6


def test_calibration_heeds_weights() -> None:
    """Half of the rows, weighing nothing, are drawn from other shares: the fit ignores them."""
    validation, truth = binary(4000)
    rng = np.random.default_rng(1)
    y = np.where(np.arange(4000) % 2, validation.y, rng.integers(0, 2, 4000))
    w = np.where(np.arange(4000) % 2, 1.0, 1e-6)
    bad = sharpened(truth[0], 3.0)
    for kind in ("temperature", "platt", "isotonic"):
        fitted = fit_calibration(kind, y, bad, w)
        clean = fit_calibration(kind, y[1::2], bad[1::2])
        gap = np.abs(fitted.apply(bad) - clean.apply(bad)).mean()
        assert gap < 0.01, kind


@pytest.mark.parametrize("n", [6, 12, 25])
def test_few_rows_are_never_made_worse(n: int) -> None:
    """Platt's curve on a dozen rows is noise: shares of such models stay as they are."""
    changed = []
    for seed in range(40):
        validation, truth = binary(n, seed=seed)
        if len(set(validation.y)) < 2:
            continue
        out, calibration = calibrate(validation, truth)
        assert np.isfinite(out).all()
        changed.append(calibration.kind != "none")
    assert np.mean(changed) < 0.2


def test_ranking_metrics_do_not_see_the_calibration() -> None:
    validation, truth = binary(2000)
    bad = sharpened(truth, 3.0)
    names = ("roc_auc", "average_precision")
    scored = score_oof(validation, bad, METRICS["log_loss"], [METRICS[n] for n in names])
    assert scored.finish.calibration.kind != "none"
    for name in names:
        per = [score_predictions(METRICS[name], validation.y[r], bad[0][r])
               for _, r in validation.folds]  # fmt: skip
        assert scored.scores[name] == pytest.approx(np.mean(per), abs=1e-12)


def test_the_interval_of_a_threshold_narrows_with_rows() -> None:
    wide: list[float] = []
    narrow: list[float] = []
    for n, out in ((100, wide), (4000, narrow)):
        validation, truth = binary(n)
        low, high = decision_interval(METRICS["f1"], validation.y, truth[0], seed=1)
        chosen = choose_decision(METRICS["f1"], validation.y, truth[0]).threshold
        assert chosen is not None
        assert low <= chosen <= high
        out.append(high - low)
    assert narrow[0] < 0.6 * wide[0]
