"""What a policy adds to a question, and what it refuses before anything is spent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from modelwright.core.errors import InputError, RefusedError
from modelwright.policy import LAPTOP, RulePolicy
from modelwright.policy.terms import Cost, DataTerms
from modelwright.recipes.automl import plan_build
from modelwright.recipes.question import Question
from modelwright.recipes.under_policy import asked_under, cost_range, gates, priced

REGULATED = RulePolicy(
    "strict", limits=("flip_rate<=0.05",), max_energy_joules=1e5, max_memory_bytes=4 * 10**9,
    data=DataTerms(must_state=("purpose",), forbid_columns=("*_id",)), refuse=("student",),
    cost=Cost(0.36),
)  # fmt: skip


def test_a_price_is_told_once() -> None:
    assert priced(LAPTOP, "0.40 usd").cost == Cost(0.4, "USD")
    assert priced(REGULATED, 0.36) == REGULATED
    with pytest.raises(InputError, match="an hour costs"):
        priced(REGULATED, "0.01")
    with pytest.raises(InputError, match="a price per hour"):
        priced(LAPTOP, "cheap")


def test_a_plan_has_the_limits_terms_and_bounds_of_its_policy(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=60), "shop_id": rng.integers(9, size=60)})
    frame["y"] = (frame.x + rng.normal(size=60) > 0).astype(int)
    question = Question("<DataFrame>", "y", limits=("flip_rate<=0.05",))
    with pytest.raises(RefusedError, match="wants the purpose of the data stated: --purpose"):
        asked_under(question, REGULATED, "table")
    stated = replace(question, purpose="a test")
    with pytest.raises(RefusedError, match="--drop shop_id"):
        plan_build(stated, frame, budget="60s", policy=REGULATED, folder=tmp_path / "a")
    asked = replace(stated, drop=("shop_id",))
    plan = plan_build(asked, frame, budget="60s", policy=REGULATED, folder=tmp_path / "b")
    assert [str(x) for x in plan.study.problem.limits] == ["flip_rate<=0.05"]
    assert plan.study.problem.about["question"]["purpose"] == "a test"
    assert plan.study.budget.energy_joules == 1e5
    assert plan.worker_bytes is not None
    assert plan.worker_bytes * plan.study.slots < 4 * 10**9
    assert [(g["action"], g["word"]) for g in gates(plan, REGULATED)] == [("student", "refuse")]
    costs = cost_range(plan, REGULATED)
    assert costs["money"] == [None, 0.006]
    low, high = costs["trials"]
    assert 0 < low < high
    with pytest.raises(RefusedError, match="caps memory"):
        asked_under(replace(asked, memory="8GB"), REGULATED, "table")
