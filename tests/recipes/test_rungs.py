"""First looks: fewer folds, or a share of the rows where a budget would see few designs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from modelwright.core.problem import Budget
from modelwright.data import Part, Question, load_part, prepare, read_table
from modelwright.executors import FileStore
from modelwright.policy import RulePolicy
from modelwright.recipes.automl import build
from modelwright.recipes.ship import fold_models
from modelwright.recipes.table_study import _rungs


def _part(tmp_path: Path, n: int, seconds: float | None) -> Part:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(n, 6)), columns=list("abcdef"))
    frame["y"] = np.where(frame["a"] + rng.normal(size=n) > 0, "yes", "no")
    question = Question("y", seconds=seconds)
    return load_part(prepare(read_table(frame, "y"), question, tmp_path / "data").dev)


def test_small_tables_begin_with_one_repeat(tmp_path: Path) -> None:
    assert _rungs(_part(tmp_path, 300, None), Budget(seconds=60)).fidelities == (1 / 3, 1.0)


def test_large_tables_begin_with_one_fold(tmp_path: Path) -> None:
    part = _part(tmp_path, 8000, 600)
    assert len(part.parts) == 5
    assert _rungs(part, Budget(seconds=600)).fidelities == (0.2, 1.0)


def test_with_more_rows_than_time_a_share_of_them_is_the_full_look(tmp_path: Path) -> None:
    part = _part(tmp_path, 15_000, 4)
    assert len(part.parts) == 1
    first, full = _rungs(part, Budget(seconds=1)).fidelities
    assert 0.05 <= full < 1
    assert first == full / 5
    assert _rungs(part, Budget(seconds=600)).fidelities == (1.0,)
    assert _rungs(part, Budget(trials=100)).fidelities == (1.0,)


def test_an_ensemble_finds_the_fold_models_of_members_that_were_looked_at_first(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(160, 4)), columns=list("abcd"))
    frame["y"] = frame["a"] * frame["b"] + frame["c"] + rng.normal(scale=0.3, size=160)
    policy = RulePolicy(families=("Linear", "KNearest"))
    built = build(
        frame, "y", budget="20trials", workspace=tmp_path, policy=policy, slots=0, student=False
    )
    view = built.record.view
    assert view.rungs.fidelities == (1 / 3, 1.0)
    blends = [o for o in view.finished if o.trial.role == "blend" and o.ok]
    store = FileStore(built.run.path / "artefacts")
    assert blends
    for blend in blends:
        kept = fold_models(built.record, blend, store)
        assert kept is not None
        assert all(path.exists() for path, _ in kept)
