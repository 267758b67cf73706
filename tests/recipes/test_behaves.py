"""Behaviour as limits of a build: what wins has passed them, ensembles included."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import modelwright
from modelwright.core.errors import InputError
from modelwright.policy import LAPTOP

FAST = replace(LAPTOP, families=("Linear", "LightGbm"))


def frame(n: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    age, dose = rng.uniform(20, 80, n), rng.normal(size=n)
    sick = rng.random(n) < 1 / (1 + np.exp(-(0.08 * (age - 50) + 1.5 * dose)))
    kind = rng.choice(["a", "b", "c"], n)
    answer = np.where(sick, "yes", "no")
    return pd.DataFrame({"age": age, "dose": dose, "kind": kind, "sick": answer})


def built(tmp_path: Path, **question: Any) -> Any:
    return modelwright.build(
        frame(), "sick", budget="3trials", workspace=tmp_path, slots=0, policy=FAST, **question
    )


def test_what_is_asked_is_measured_for_all_and_kept_by_the_winner(tmp_path: Path) -> None:
    result = built(
        tmp_path, limits=("flip_rate<=0.2", "broken_columns<=0"), monotone=("age:+",), student=False
    )
    finished = [o for o in result.record.view.finished if o.trial.role != "refit"]
    assert {"rival", "search", "blend"} <= {o.trial.role for o in finished}
    for outcome in finished:
        scores = outcome.evidence.scores
        assert {"flip_rate", "broken_columns", "monotone_violations"} <= set(scores)
        assert outcome.evidence.noise["flip_rate"] >= 3 / 240
        assert scores["monotone_violations"] == 0
    assert result.shipped is not None
    assert result.best.violation == 0
    told = {str(limit) for limit in result.record.view.limits}
    assert told == {"flip_rate<=0.2", "broken_columns<=0", "monotone_violations<=0"}
    ages = pd.DataFrame({"age": np.linspace(20, 80, 40), "dose": 0.1, "kind": "b"})
    assert (np.diff(result.model.predict_proba(ages)[:, 1]) >= -1e-9).all()


def test_a_column_that_matters_is_not_invariant(tmp_path: Path) -> None:
    result = built(tmp_path, invariant=("dose",), student=False)
    gaps: dict[str, float] = {}
    for outcome in result.record.view.finished:
        if outcome.trial.role in ("rival", "search"):
            family = outcome.evidence.facts["family"]
            gap = outcome.evidence.scores["invariance_gap"]
            gaps[family] = max(gap, gaps.get(family, 0.0))
    assert gaps["Dummy"] == 0
    assert max(gaps["Linear"], gaps.get("LightGbm", 0.0)) > 0.5
    assert result.best.evidence.scores["invariance_gap"] <= 0.01


def test_an_invariant_column_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dosis.*Did you mean"):
        built(tmp_path, invariant=("dosis",))
