from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelwright.core.errors import InputError
from modelwright.models import load_model
from modelwright.policy import RulePolicy
from modelwright.recipes.automl import build, plan_build
from modelwright.recipes.question import Question


def table(n: int = 260) -> pd.DataFrame:
    """What is paid rises with the area, falls with the distance, and wavers in between."""
    rng = np.random.default_rng(7)
    area, far = rng.uniform(20, 200, n), rng.uniform(0, 30, n)
    town = rng.choice(["a", "b", "c"], n)
    price = 3 * area + 60 * np.sin(area / 8) - 10 * far + 40 * (town == "b") + rng.normal(0, 60, n)
    return pd.DataFrame({"area": area, "far": far, "town": town, "price": price})


def test_the_shipped_model_is_monotone_on_a_grid(tmp_path: Path) -> None:
    frame = table(1000)  # below, a trial is three times as many fits
    result = build(
        frame, "price", budget="4trials", monotone=("area:+", "far:-"), workspace=tmp_path, slots=0
    )
    assert result.shipped is not None
    families = {o.evidence.facts["family"] for o in result.record.view.finished if o.ok}
    assert not families & {"Forest", "KNearest", "TabM", "RealMlp"}
    assert any("cannot keep a column monotone" in line for line in result.notes)
    model = load_model(result.shipped.path)
    for name, sign in (("area", 1), ("far", -1)):
        grid = np.linspace(frame[name].min(), frame[name].max(), 60)
        asked = frame.head(12).loc[np.repeat(np.arange(12), 60)].reset_index(drop=True)
        asked[name] = np.tile(grid, 12)
        answers = np.asarray(model.predict(asked), float).reshape(12, 60)
        assert (np.diff(answers * sign, axis=1) >= -1e-6).all()


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (("aera:+",), "Did you mean 'area'"),
        (("town:+",), "holds categorical values"),
        (("area",), "written column:"),
        (("area:up",), "written column:"),
        (("area:+", "area:-"), "declared monotone twice"),
    ],
)
def test_says_what_cannot_be_monotone(asked: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        build(table(60), "price", budget="3trials", monotone=asked, workspace=tmp_path)


def test_several_classes_have_no_direction(tmp_path: Path) -> None:
    frame = table(90).assign(kind=lambda t: np.array(["x", "y", "z"])[np.arange(len(t)) % 3])
    with pytest.raises(InputError, match="has 3 classes"):
        plan_build(
            Question("<DataFrame>", "kind", monotone=("area:+",)),
            frame,
            budget="3trials",
            workspace=tmp_path,
        )


def test_an_allowed_family_that_cannot_keep_it_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no family"):
        plan_build(
            Question("<DataFrame>", "price", monotone=("area:+",)),
            table(60),
            budget="3trials",
            workspace=tmp_path,
            policy=RulePolicy("only neighbours", families=("KNearest",)),
        )
