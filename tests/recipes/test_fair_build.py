from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelwright.core.errors import InputError, RefusedError
from modelwright.families.onnx_graph import run_graph
from modelwright.models import load_model
from modelwright.policy import RulePolicy
from modelwright.readers.report import report_html
from modelwright.recipes.automl import build, plan_build
from modelwright.recipes.fairness import best_plain
from modelwright.recipes.question import Question

FEW = RulePolicy(families=("Linear", "Thresholded"))


def people(n: int = 1000) -> pd.DataFrame:
    """Loans that were given by merit and by sex; the neighbourhood tells the sex."""
    rng = np.random.default_rng(2)
    sex = rng.choice(["f", "m"], n)
    merit = rng.normal(size=n).round(3)
    street = np.where(rng.random(n) < 0.85, sex == "m", rng.random(n) < 0.5)
    age = rng.integers(18, 80, n)
    paid = merit + 1.3 * (sex == "m") + rng.normal(0, 0.8, n) > 0.6
    columns = {"merit": merit, "street": np.where(street, "north", "south"), "sex": sex}
    return pd.DataFrame({**columns, "age": age, "paid": np.where(paid, "yes", "no")})


def test_a_limit_blocks_the_unfair_champion_and_a_mitigated_one_ships(tmp_path: Path) -> None:
    frame = people()
    result = build(
        frame, "paid", positive="yes", budget="3trials", protect=("sex", "age:30,50"),
        limits=("selection_rate_gap<=0.25",), group_thresholds=True, policy=FEW, slots=0,
        workspace=tmp_path,
    )  # fmt: skip
    assert result.shipped is not None
    view = result.record.view
    plain = best_plain(result.record)
    assert plain is not None
    assert plain.violation > 0  # the best plain one is outside, and was not chosen
    assert view.champion is not None
    chosen = view.outcome(view.champion)
    assert chosen is not None
    assert chosen.violation == 0
    assert chosen.evidence.scores["selection_rate_gap"] <= 0.25
    order = [o.evidence.facts["family"] for o in view.finished if o.trial.role == "search"]
    assert "Thresholded" in order

    facts = json.loads((result.run.path / "fairness.json").read_text("utf-8"))
    assert [m["role"] for m in facts["models"]][:2] == ["chosen", "plain"]
    assert facts["models"][1]["broken"] == ["selection_rate_gap<=0.25"]
    assert {g["attribute"] for g in facts["models"][0]["groups"]} == {"sex", "age", "sex and age"}
    told = facts["models"][0]["gaps"]["selection_rate_gap"][0]
    assert told == pytest.approx(chosen.evidence.scores["selection_rate_gap"], abs=1e-5)
    change, low, high = facts["price"]["accuracy"]
    assert low < change < high
    assert change < 0
    page = report_html(result.run, result.record)
    assert "<h2>Fairness</h2>" in page
    assert "the price" in page
    check_forms(result.shipped.path, frame)


def check_forms(folder: Path, frame: pd.DataFrame) -> None:
    """All forms of a model whose thresholds are by group answer alike, and need the group."""
    model = load_model(folder)
    assert "sex" not in {c.name for c in model.schema.columns}
    if model.finish.decision.groups is None:
        return
    answers = model.predict(frame)
    singles = [model.predict(frame.iloc[i].to_dict())[0] for i in range(30)]
    assert singles == answers[:30].tolist()
    fed: dict[str, Any] = {"merit": frame["merit"].to_numpy(), "age": frame["age"].to_numpy(float)}
    fed |= {name: frame[name].to_numpy(object) for name in ("street", "sex")}
    label, _ = run_graph((folder / "model.onnx").read_bytes(), fed)
    assert label.tolist() == answers.tolist()
    with pytest.raises(InputError, match="'sex'"):
        model.predict(frame.drop(columns="sex"))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"limits": ("tpr_gap<=0.1",)}, "needs columns: --protect"),
        ({"protect": ("gender",)}, "gender"),
        ({"protect": ("sex",), "limits": ("mae_gap<=1",)}, "does not go with binary"),
        ({"protect": ("rare",), "limits": ("tpr_gap<=0.1",)}, "no two groups"),
    ],
)
def test_says_what_cannot_be_measured(asked: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    frame = people(200).assign(rare=lambda t: np.where(np.arange(len(t)) < 20, "a", "b"))
    with pytest.raises(InputError, match=sentence):
        build(frame, "paid", budget="3trials", workspace=tmp_path, **asked)


def test_thresholds_per_group_are_for_the_policy_to_allow(tmp_path: Path) -> None:
    team = RulePolicy("team", allow=("run", "evaluate", "ship"))
    question = Question("<DataFrame>", "paid", protect=("sex",), group_thresholds=True)
    with pytest.raises(RefusedError, match="group_thresholds"):
        plan_build(question, people(200), budget="3trials", workspace=tmp_path, policy=team)
