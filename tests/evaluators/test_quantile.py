from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelwright.core.canonical import canonical
from modelwright.core.trial import Candidate, Trial
from modelwright.data import Question, prepare, read_table
from modelwright.evaluators.fit_and_score import load
from modelwright.evaluators.table import load_table
from modelwright.executors import FileStore, ToolBox
from modelwright.testing.evaluator import run_trial


@pytest.fixture(scope="module")
def tools(tmp_path_factory: Any) -> ToolBox:
    rng = np.random.default_rng(0)
    x = rng.random(1500)
    frame = pd.DataFrame({"x": x, "pay": 3 * x + (0.2 + x) * rng.normal(size=1500)})
    folder: Path = tmp_path_factory.mktemp("quantile")
    prepared = prepare(read_table(frame, target="pay"), Question("pay", seal=False), folder)
    return ToolBox(prepared.dev, FileStore(folder / "store"))


@pytest.mark.parametrize("level", [0.1, 0.9])
@pytest.mark.parametrize("family", ["LightGbm", "Linear"])
def test_a_pinball_metric_fits_that_quantile(tools: ToolBox, family: str, level: float) -> None:
    name = f"pinball@{level}"
    evaluator = load("regression", name)
    trial = Trial(0, Candidate(canonical({"type": family})), 0, 1.0, 1.0, seed=5)
    _, evidence = run_trial(evaluator, trial, tools)
    oof = np.load(tools.store.path(evidence.artefacts["oof"]), allow_pickle=False)
    y = load_table(tools.data).examples.y
    assert (y <= oof[0, :, 0]).mean() == pytest.approx(level, abs=0.05)
    # For a normal spread of s the pinball loss of the true quantile is s times the density there.
    assert evidence.scores[name] < 1.15 * 0.7 * 0.1755
    assert {"rmse", "mae", "r2"} <= set(evidence.scores)
