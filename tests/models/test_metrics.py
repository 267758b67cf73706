from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk

from modelwright.core.errors import InputError
from modelwright.families.base import Task
from modelwright.models.metrics import (
    METRICS,
    STANDARD,
    costs_metric,
    costs_table,
    find_metric,
    metric_tasks,
    score_predictions,
)

rng = np.random.default_rng(0)
N = 200
Y2, Y3 = rng.integers(0, 2, N), rng.integers(0, 3, N)
S2 = np.round(rng.dirichlet((1, 1), N), 2)  # rounded: ties must count
S3 = rng.dirichlet((1, 1, 1), N)
L2, L3 = S2.argmax(1), S3.argmax(1)
Y, V = rng.gamma(2, size=N), rng.gamma(2, size=N)
W = rng.random(N)

REFERENCE: list[tuple[str, Any, Any, Any]] = [
    ("roc_auc", Y2, S2, lambda w: sk.roc_auc_score(Y2, S2[:, 1], sample_weight=w)),
    (
        "average_precision",
        Y2,
        S2,
        lambda w: sk.average_precision_score(Y2, S2[:, 1], sample_weight=w),
    ),
    ("log_loss", Y3, S3, lambda w: sk.log_loss(Y3, S3, sample_weight=w)),
    ("brier", Y2, S2, lambda w: sk.brier_score_loss(Y2, S2[:, 1], sample_weight=w)),
    ("accuracy", Y3, S3, lambda w: sk.accuracy_score(Y3, L3, sample_weight=w)),
    (
        "balanced_accuracy",
        Y3,
        S3,
        lambda w: sk.balanced_accuracy_score(Y3, L3, sample_weight=w),
    ),
    ("f1", Y2, S2, lambda w: sk.f1_score(Y2, L2, sample_weight=w)),
    ("macro_f1", Y3, S3, lambda w: sk.f1_score(Y3, L3, average="macro", sample_weight=w)),
    ("mcc", Y2, S2, lambda w: sk.matthews_corrcoef(Y2, L2, sample_weight=w)),
    ("mcc", Y3, S3, lambda w: sk.matthews_corrcoef(Y3, L3, sample_weight=w)),
    ("precision", Y2, S2, lambda w: sk.precision_score(Y2, L2, sample_weight=w)),
    ("sensitivity", Y2, S2, lambda w: sk.recall_score(Y2, L2, sample_weight=w)),
    ("specificity", Y2, S2, lambda w: sk.recall_score(1 - Y2, 1 - L2, sample_weight=w)),
    ("weighted_f1", Y3, S3, lambda w: sk.f1_score(Y3, L3, average="weighted", sample_weight=w)),
    ("kappa", Y3, S3, lambda w: sk.cohen_kappa_score(Y3, L3, sample_weight=w)),
    ("qwk", Y3, S3, lambda w: sk.cohen_kappa_score(Y3, L3, weights="quadratic", sample_weight=w)),
    ("mse", Y, V, lambda w: sk.mean_squared_error(Y, V, sample_weight=w)),
    ("pinball@0.9", Y, V, lambda w: sk.mean_pinball_loss(Y, V, sample_weight=w, alpha=0.9)),
    ("pinball@0.25", Y, V, lambda w: sk.mean_pinball_loss(Y, V, sample_weight=w, alpha=0.25)),
    ("f_beta@2", Y2, S2, lambda w: sk.fbeta_score(Y2, L2, beta=2, sample_weight=w)),
    ("smape", Y, V, lambda w: np.average(2 * np.abs(Y - V) / (Y + V), weights=w)),
    ("rmse", Y, V, lambda w: sk.root_mean_squared_error(Y, V, sample_weight=w)),
    ("mae", Y, V, lambda w: sk.mean_absolute_error(Y, V, sample_weight=w)),
    ("r2", Y, V, lambda w: sk.r2_score(Y, V, sample_weight=w)),
    ("rmsle", Y, V, lambda w: sk.root_mean_squared_log_error(Y, V, sample_weight=w)),
    ("mape", Y, V, lambda w: sk.mean_absolute_percentage_error(Y, V, sample_weight=w)),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "y", "p", "expected"), REFERENCE)
def test_agrees_with_scikit_learn(name: str, y: Any, p: Any, expected: Any, weighted: bool) -> None:
    w = W if weighted else None
    shares: Task = "binary" if p.ndim == 2 and p.shape[1] == 2 else "multiclass"
    metric = find_metric(name, "regression" if y is Y else shares)
    assert score_predictions(metric, y, p, w) == pytest.approx(expected(w), abs=1e-12)


def test_median_and_auc_of_several_classes() -> None:
    assert score_predictions(METRICS["median_ae"], Y, V) == sk.median_absolute_error(Y, V)
    expected = sk.roc_auc_score(Y3, S3, multi_class="ovr")
    assert score_predictions(METRICS["roc_auc"], Y3, S3) == pytest.approx(expected)


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda m: m.name)
def test_every_metric_is_finite_on_one_class_and_within_its_range(metric: Any) -> None:
    if metric.needs == "values":
        y, p = np.ones(4), np.full(4, 2.0)
    else:
        y, p = np.zeros(4, int), np.full((4, 2), 0.5)
    score = score_predictions(metric, y, p)
    assert math.isfinite(score)
    assert metric.low <= score <= metric.high


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda m: m.name)
def test_a_row_of_weight_two_counts_as_two_rows(metric: Any) -> None:
    y, p = (Y, V) if metric.needs == "values" else (Y2, S2)
    twice = np.r_[0:N, 0:20]
    w = np.ones(N)
    w[:20] = 2
    assert score_predictions(metric, y[twice], p[twice]) == pytest.approx(
        score_predictions(metric, y, p, w)
    )


def test_predictions_that_are_no_numbers_have_no_score() -> None:
    assert math.isnan(score_predictions(METRICS["rmse"], np.ones(2), np.array([1.0, np.nan])))
    with pytest.raises(InputError, match="3 predictions for 2 rows"):
        score_predictions(METRICS["rmse"], np.ones(2), np.ones(3))


def test_names_aliases_and_defaults() -> None:
    assert find_metric("AUC", "binary") is METRICS["roc_auc"]
    assert find_metric(None, "multiclass") is METRICS["log_loss"]
    with pytest.raises(InputError, match="Did you mean 'accuracy'"):
        find_metric("acuracy", "binary")
    with pytest.raises(InputError, match="rmse is for regression targets"):
        find_metric("rmse", "binary")
    for task, names in STANDARD.items():
        assert all(task in METRICS[name].tasks for name in names)


def test_lift_counts_the_highest_shares_and_ties_in_proportion() -> None:
    y = np.array([1, 1, 0, 0, 1, 0, 0, 0, 0, 0])
    p = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05])
    lift = find_metric("lift@0.2", "binary")
    assert score_predictions(lift, y, np.column_stack([1 - p, p])) == pytest.approx(1 / 0.3)
    equal = np.full((10, 2), 0.5)
    assert score_predictions(lift, y, equal) == pytest.approx(1.0)
    twice = score_predictions(lift, np.r_[y, y], np.tile(np.column_stack([1 - p, p]), (2, 1)))
    assert twice == pytest.approx(1 / 0.3)


def test_a_level_is_asked_for_and_kept_in_the_name() -> None:
    metric = find_metric("pinball@0.90", "regression")
    assert (metric.name, metric.loss, metric.level) == ("pinball@0.9", "quantile", 0.9)
    assert metric.identity()["name"] == "pinball@0.9"
    assert find_metric("quantile@0.1", "regression").name == "pinball@0.1"
    with pytest.raises(
        InputError, match=r"number between 0 and 1 after an @, such as pinball@0\.9"
    ):
        find_metric("pinball", "regression")
    with pytest.raises(InputError, match="between 0 and 1"):
        find_metric("pinball@90", "regression")
    with pytest.raises(InputError, match=r"lift@0\.1 is for binary targets"):
        find_metric("lift@0.1", "regression")
    assert metric_tasks("r_squared") == ("regression",)
    assert metric_tasks("mine:rmse") == metric_tasks("nothing") == ()


def test_costs_choose_the_answer_and_are_its_score() -> None:
    table = costs_table({"bad>good": 5, "good > bad": 1}, ("bad", "good"))
    metric = find_metric({"costs": table}, "binary")
    shares = np.array([[0.3, 0.7], [0.1, 0.9]])
    # 0.3 x 5 > 0.7 x 1: calling the first row bad is cheaper though good is likelier.
    assert score_predictions(metric, np.array([0, 1]), shares) == 0.0
    assert score_predictions(metric, np.array([1, 0]), shares) == (1 + 5) / 2
    with pytest.raises(InputError, match="Did you mean 'bad'"):
        costs_table({"bda>good": 5}, ("bad", "good"))
    with pytest.raises(InputError, match="square table"):
        costs_metric([[1, 2]])


def test_a_metric_of_ones_own(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "mymetrics.py").write_text(
        "def gain(y_true, y_pred): return float((y_true == y_pred).mean())\n"
        "def pinball_loss(y_true, y_pred, sample_weight): return float(sample_weight.sum())\n"
        "def sharp(y_true, y_score): return float(y_score.mean())\n"
        "def one(y): return 0.0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    gain = find_metric("mymetrics:gain", "binary")
    assert (gain.direction, gain.needs, gain.name) == ("maximise", "labels", "gain")
    assert score_predictions(gain, Y2, S2) == sk.accuracy_score(Y2, L2)
    assert gain.identity()["code"]
    pinball = find_metric("mymetrics:pinball_loss", "regression")
    assert pinball.direction == "minimise"
    assert score_predictions(pinball, Y, V, W) == pytest.approx(W.sum())
    sharp = find_metric("minimise mymetrics:sharp", "binary")
    assert (sharp.direction, sharp.needs) == ("minimise", "shares")
    assert score_predictions(sharp, Y2, S2) == pytest.approx(S2[:, 1].mean())
    with pytest.raises(InputError, match="function of \\(y_true, y_pred\\)"):
        find_metric("mymetrics:one", "binary")
