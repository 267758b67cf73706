from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from modelwright.core.errors import InputError
from modelwright.models.abstention import Abstention
from modelwright.models.conform import choose_conformal
from modelwright.models.crossfit import Finish, Validation
from modelwright.models.metrics import METRICS, costs_metric
from modelwright.models.risk_curve import choose_abstention


def folds(n: int, k: int = 5) -> Any:
    fold = np.random.default_rng(0).permutation(np.arange(n) % k)
    return np.where(fold[None, :] == np.arange(k)[:, None], 2, 1).astype(np.int8)


def binary(n: int = 4000, seed: int = 0, power: float = 1.0) -> tuple[Validation, Any]:
    rng = np.random.default_rng(seed)
    p = rng.beta(0.7, 0.7, size=n)
    y = (rng.random(n) < p).astype(np.int32)
    q = np.column_stack([1 - p, p]) ** power
    return Validation(y, folds(n), "binary", 2, 5), (q / q.sum(axis=1, keepdims=True))[None]


def test_fewer_answers_have_fewer_errors() -> None:
    rule, facts = choose_abstention(*binary(), METRICS["accuracy"])
    assert rule is not None
    curve = facts["curve"]
    risks = [point["risk"] for point in curve]
    assert curve[-1]["answered"] == 1.0
    assert risks[0] < 0.02 < 0.15 < risks[-1]
    assert all(a <= b + 0.01 for a, b in pairwise(risks))
    assert curve[-1]["score"] == pytest.approx(1 - risks[-1], abs=1e-5)
    assert curve[9]["answered"] == pytest.approx(0.5, abs=0.01)


def test_at_confidence_one_every_row_of_the_curve_is_answered() -> None:
    validation, oof = binary(997)
    rule, facts = choose_abstention(validation, oof, METRICS["accuracy"])
    assert rule is not None
    assert not rule.left(oof[0], 1.0).any()
    for point in facts["curve"]:
        assert (~rule.left(oof[0], point["answered"])).sum() >= point["rows"]


def test_asking_is_worth_its_price() -> None:
    """With shares that mean what they say, the cheapest threshold is the cost of asking."""
    metric = costs_metric([[0, 1], [5, 0]])
    validation, oof = binary()
    rule, facts = choose_abstention(validation, oof, metric, ask=0.3)
    told = facts["ask"]
    assert rule is not None
    assert rule.threshold == pytest.approx(0.3, abs=0.08)
    assert told["mean_cost"] < told["mean_cost_answering_all"] - 0.05
    assert told["mean_cost"] < 0.3
    assert 0.3 < told["answered"] < 0.8
    left = rule.left(oof[0])
    assert left.mean() == pytest.approx(1 - told["answered"], abs=0.01)
    free = choose_abstention(validation, oof, metric, ask=0.0)[1]["ask"]
    dear = choose_abstention(validation, oof, metric, ask=9.0)[1]["ask"]
    assert free["answered"] < 0.05
    assert dear["answered"] == 1.0


def test_shares_that_are_too_sure_get_a_learned_threshold() -> None:
    metric = costs_metric([[0, 1], [1, 0]])
    validation, oof = binary(power=4.0)
    _, facts = choose_abstention(validation, oof, metric, ask=0.2)
    assert facts["ask"]["learned"]
    assert facts["ask"]["threshold"] < 0.05  # claimed 0.05, truly about 0.2 to 0.3
    _, honest = choose_abstention(*binary(), metric, ask=0.2)
    assert honest["ask"]["mean_cost"] == pytest.approx(facts["ask"]["mean_cost"], rel=0.05)


def test_several_classes_with_costs() -> None:
    rng = np.random.default_rng(0)
    truth = rng.dirichlet((1, 1, 1), 3000)
    y = np.array([rng.choice(3, p=p) for p in truth])
    metric = costs_metric([[0, 1, 1], [1, 0, 1], [10, 10, 0]])
    validation = Validation(y, folds(3000), "multiclass", 3, 5)
    rule, facts = choose_abstention(validation, truth[None], metric, ask=0.3)
    assert rule is not None
    assert rule.kind == "cost"
    assert facts["ask"]["mean_cost"] < min(0.3, facts["ask"]["mean_cost_answering_all"])


def test_values_are_left_where_intervals_are_wide() -> None:
    rng = np.random.default_rng(0)
    centre = rng.uniform(0, 10, 2000)
    validation = Validation(
        centre + (0.2 + centre) * rng.normal(size=2000), folds(2000), "regression", 0, 5
    )
    oof = centre[None, :, None]
    found = choose_conformal(validation, oof)
    assert found is not None
    rule, facts = choose_abstention(validation, oof, METRICS["rmse"], conformal=found.conformal)
    assert rule is not None
    left = rule.left(centre, 0.8)
    assert left.mean() == pytest.approx(0.2, abs=0.03)
    assert centre[left].min() > np.quantile(centre, 0.7)
    assert facts["curve"][0]["risk"] < 0.3 * facts["curve"][-1]["risk"]
    even = Validation(rng.normal(size=2000), folds(2000), "regression", 0, 5)
    flat = choose_conformal(even, np.zeros((1, 2000, 1)))
    assert flat is not None
    nothing = choose_abstention(
        even, np.zeros((1, 2000, 1)), METRICS["rmse"], conformal=flat.conformal
    )
    assert nothing == (None, {})


def test_without_a_price_there_is_no_automatic_threshold() -> None:
    rule, facts = choose_abstention(*binary(400), METRICS["roc_auc"])
    assert rule is not None
    assert "ask" not in facts
    with pytest.raises(InputError, match="what it costs to ask a person"):
        rule.left(np.array([[0.5, 0.5]]))
    assert Abstention.from_json(rule.to_json()) == rule
    finish = Finish(abstention=rule)
    assert Finish.from_json(finish.to_json()) == finish
    assert Finish.from_json(Finish().to_json()).abstention is None
