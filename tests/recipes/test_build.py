from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import modelwright as mw
from modelwright.core.errors import InputError, NoModelError
from modelwright.policy import RulePolicy
from modelwright.recipes.automl import resume_build
from modelwright.recipes.table_build import plan_again

FAST = RulePolicy("fast", families=("Linear", "KNearest"))  # what fits in a blink


def frame(n: int = 120, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=(n, 3)), rng.normal(size=n)
    y = np.where(x[:, 0] + 0.5 * x[:, 1] + 0.3 * noise > 0, "yes", "no")
    group = rng.choice(["a", "b", "c"], n)
    return pd.DataFrame({"x": x[:, 0], "z": x[:, 1], "w": x[:, 2], "group": group, "y": y})


def build(data: pd.DataFrame, where: Path, **more: Any) -> mw.BuildResult:
    options: dict[str, Any] = {"budget": 5, "workspace": where, "policy": FAST, "slots": 2}
    return mw.build(data, "y", **(options | more))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> mw.BuildResult:
    return build(frame(), tmp_path_factory.mktemp("runs"))


def test_a_build_ships_a_model_that_predicts(built: mw.BuildResult) -> None:
    assert built.exit_code == 0
    assert built.shipped is not None
    assert built.shipped.rows == "all rows"
    rows = frame(50, seed=1)
    hits = np.mean(built.model.predict(rows.drop(columns="y")) == rows["y"])
    assert hits > 0.8
    board = built.leaderboard()
    assert [row["place"] for row in board] == list(range(1, len(board) + 1))
    assert board[0]["score"] > 0.9 > next(r["score"] for r in board if r["by"] == "trivial")
    assert "best model" in built.sentence
    assert "<table>" in built._repr_html_()


def test_equal_seeds_give_equal_rows_in_parallel(built: mw.BuildResult, tmp_path: Path) -> None:
    again = build(frame(), tmp_path)

    def told(result: mw.BuildResult) -> list[tuple[Any, ...]]:
        return [
            (o.trial.number, o.trial.candidate.document, o.trial.reason, o.losses)
            for o in result.record.seen.finished
            if o.trial.role in ("search", "rival")
        ]

    assert told(again) == told(built)


def test_more_budget_goes_on_and_ships_again(built: mw.BuildResult) -> None:
    before = len(built.record.view.finished)
    more = resume_build(built.run, mw.Budget(trials=2))
    assert len(more.record.view.searched) == 7
    assert len(more.record.view.finished) > before
    assert more.exit_code == 0
    same = resume_build(built.run)
    assert len(same.record.view.finished) == len(more.record.view.finished)
    assert same.shipped is not None


def test_a_run_goes_on_with_what_its_first_row_says(tmp_path: Path, monkeypatch: Any) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(6000, 3)), columns=["a", "b", "c"])
    table["y"] = table["a"] + rng.normal(size=6000)
    policy = RulePolicy(families=("Linear",))
    built = mw.build(
        table, "y", budget="2s", workspace=tmp_path, policy=policy, slots=0, student=False
    )
    first = built.record.settings
    monkeypatch.setenv("MODELWRIGHT_TABICL", str(tmp_path))  # would be searched from now on
    monkeypatch.chdir(tmp_path)
    plan = plan_again(built.run, built.record, time.monotonic())
    assert plan.arguments == first["settings"]["arguments"]
    assert list(plan.study.rungs.fidelities) == first["rungs"]["fidelities"]
    assert plan.study.kept_seconds == first["settings"]["kept_seconds"]
    assert plan.study.space.hash == first["space"]


def test_a_limit_that_nothing_meets_names_itself_and_the_nearest(tmp_path: Path) -> None:
    result = build(frame(), tmp_path, budget=2, slots=0, limits=["size_kb<=0.001"])
    assert result.exit_code == 3
    assert "size_kb<=0.001 (measured" in result.sentence
    with pytest.raises(NoModelError, match="no model met the limits"):
        _ = result.model


def test_the_policy_asks_before_shipping_and_the_model_waits(tmp_path: Path) -> None:
    asking = RulePolicy("asks", tuple(a for a in FAST.allow if a != "ship"), ("ship",))
    result = build(frame(), tmp_path, budget=1, slots=0, policy=asking)
    assert result.exit_code == 5
    assert not result.run.model_path.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"metric": "acuracy"}, "accuracy"),
        ({"limits": ["latency<=1"]}, "latency_ms"),
        ({"group": "gruop"}, "Did you mean 'group'"),
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"task": "clustering"}, "a task is"),
        ({"backbone": "folder"}, "--backbone goes with networks"),
        ({"kind": "table", "series": "group"}, "--series goes with series"),
        ({"budget": "quick"}, "a budget is"),
        ({"seed": -1}, "a seed is"),
    ],
)
def test_a_wrong_question_is_refused_and_leaves_no_run(
    tmp_path: Path, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        build(frame(), tmp_path, **options)
    assert not list(tmp_path.glob("*/ledger.sqlite"))
