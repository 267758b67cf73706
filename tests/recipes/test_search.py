from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import objectives
import pytest
from objectives import Point, bowl

import modelwright as mw
from modelwright.core.errors import InputError, NoModelError


def test_a_second_call_goes_on_or_does_nothing(tmp_path: Path) -> None:
    options: dict[str, Any] = {"designer": "evolution", "workspace": tmp_path}
    first = mw.search(Point, bowl, budget=20, **options)
    again = mw.search(Point, bowl, budget=20, **options)
    more = mw.search(Point, bowl, budget=40, **options)
    whole = mw.search(Point, bowl, budget=40, designer="evolution", workspace=":memory:")
    assert len(first.trials) == len(again.trials) == 20
    assert len(more.trials) == 40
    assert more.best_design == whole.best_design
    assert more.best_value <= first.best_value


def test_worker_processes_give_what_inline_gives_for_equal_slots(tmp_path: Path) -> None:
    options: dict[str, Any] = {"budget": 12, "designer": "evolution", "executor": "processes"}
    a = mw.search(Point, bowl, slots=2, workspace=tmp_path / "a", **options)
    b = mw.search(Point, "objectives:bowl", slots=2, workspace=tmp_path / "b", **options)
    assert [o.trial.candidate for o in a.trials] == [o.trial.candidate for o in b.trials]
    assert a.best_value == b.best_value


def test_lambdas_run_inline_and_are_refused_by_workers(tmp_path: Path) -> None:
    assert mw.search(Point, lambda p: p.x, budget=3, designer="random", workspace=":memory:").trials
    with pytest.raises(InputError, match="lambda"):
        mw.search(
            Point, lambda p: p.x, budget=3, executor="processes", designer="random",
            workspace=tmp_path,
        )  # fmt: skip


def test_changed_code_is_told_and_the_user_chooses(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    body = """
import sys, modelwright as mw
sys.path.insert(0, {tests!r})
from objectives import Point
def loss(p):
    return p.x ** {power}
try:
    r = mw.search(Point, loss, budget=5, designer="random", workspace={work!r}, if_changed={say!r})
    print(r.name, len(r.trials))
except mw.ModelwrightError as error:
    print("refused:", error)
"""

    def play(power: int, say: str) -> str:
        tests, work = str(Path(objectives.__file__).parent), str(tmp_path / "runs")
        script.write_text(body.format(tests=tests, power=power, work=work, say=say))
        done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert play(2, "ask") == "loss 5"
    assert play(2, "ask") == "loss 5"
    assert "its code changed" in play(4, "ask")
    assert play(4, "new") == "loss-2 5"
    assert play(4, "keep") == "loss 5"


def test_several_goals_give_a_front() -> None:
    result = mw.search(
        Point, objectives.two_goals, goal=["minimise near", "minimise far"], budget=60,
        designer="nsga2", workspace=":memory:",
    )  # fmt: skip
    scores = [s for _, s in result.front]
    assert len(scores) > 5
    for a in scores:
        for b in scores:
            assert not (b["near"] < a["near"] and b["far"] <= a["far"])


def test_a_limit_that_nothing_meets_names_the_nearest() -> None:
    result = mw.search(
        Point, lambda p: {"value": p.x, "cost": 5 + p.x}, limits=["cost<=1"], budget=10,
        designer="random", workspace=":memory:",
    )  # fmt: skip
    with pytest.raises(NoModelError, match="cost<=1"):
        _ = result.best


def test_rungs_reach_the_objective() -> None:
    seen = []

    def loss(point: Point, epochs: float) -> float:
        seen.append(epochs)
        return point.x**2 + 1 / epochs

    result = mw.search(
        Point, loss, rungs=(1, 3, 9), budget="6runs", designer="random", workspace=":memory:"
    )
    assert set(seen) == {1.0, 3.0, 9.0}
    assert result.best.trial.fidelity == 9


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"budget": "soon"}, "a budget is a time"),
        ({"limits": ["cost"]}, "a limit is METRIC"),
        ({"goal": "biggest of all"}, "a goal is"),
        ({"designer": "bayesain"}, "Did you mean 'bayesian'"),
        ({"executor": "threads"}, "executor is"),
        ({"slots": 4}, "inline runs one trial"),
    ],
)
def test_wrong_arguments_get_one_sentence(options: dict[str, Any], sentence: str) -> None:
    plain: dict[str, Any] = {"budget": 2, "designer": "random", "workspace": ":memory:"}
    with pytest.raises(InputError, match=sentence):
        mw.search(Point, bowl, **(plain | options))


def test_ask_and_tell_resume_and_hand_out_what_was_not_told(tmp_path: Path) -> None:
    with mw.AskTell(Point, designer="evolution", workspace=tmp_path) as study:
        for _ in range(5):
            asked = study.ask()
            study.tell(asked, bowl(asked.design))
        left = study.ask()
    with mw.AskTell(Point, designer="evolution", workspace=tmp_path) as study:
        again = study.ask()
        assert again.design == left.design
        study.tell(again, bowl(again.design))
        study.enqueue(Point(1.0, 0.0))
        mine = study.ask()
        assert mine.design == Point(1.0, 0.0)
        study.tell(mine, bowl(mine.design))
        failed = study.ask()
        study.fail(failed, "the machine was away")
        assert study.result.best_value == 0
        assert len(study.result.trials) == 8


def test_the_notebook_shows_a_table() -> None:
    result = mw.search(Point, bowl, budget=3, designer="random", workspace=":memory:")
    assert result._repr_html_().count("<tr>") == 4
