from __future__ import annotations

from typing import Any

import pytest

from modelwright.core.problem import Goal, Problem
from modelwright.core.record import Record
from modelwright.core.trial import Candidate, Evidence, Trial, Verdict
from modelwright.policy import LAPTOP
from modelwright.readers.explain import explain_run
from modelwright.readers.price import price_of_glass


def record(*trials: tuple[str, tuple[float, ...], bool], direction: Any = "minimise") -> Record:
    """Judged trials: family, scores of the folds, and whether it became the champion."""
    problem = Problem("table", (Goal("rmse", direction),), (), {})
    first: dict[str, Any] = {
        "name": "run", "problem": problem.to_json(), "designer": {"name": "random"}, "slots": 1,
        "rungs": {"fidelities": [0.4, 1.0], "costs": [0.4, 1.0], "eta": 3.0},
        "budget": {"seconds": None, "trials": 9, "full_runs": None, "bytes": None},
        "policy": LAPTOP.to_json(), "at": 0.0,
    }  # fmt: skip
    made = Record.open(first)
    made.absorb("study", first)
    for number, (family, folds, promoted) in enumerate(trials):
        rung = 1 if len(folds) == 5 else 0
        document = f'{{"type":"{family}","k":{number}}}'
        made.order(
            Trial(number, Candidate(document), rung, 1.0, 1.0, 1, "search", "random", "so"), 1.0
        )
        score = sum(folds) / len(folds)
        facts = {"overlap": 0.25}
        made.evidence(Evidence(number, {"rmse": score}, {"rmse": folds}, facts=facts), 1.0)
        word: Any = "promote" if promoted else "reject"
        made.verdict(Verdict(number, word, "told", number), 2.0)
    return made


BEST = ("LightGbm", (1.0, 1.1, 0.9, 1.0, 1.0), True)


def test_the_price_is_the_paired_difference_with_its_interval() -> None:
    told = price_of_glass(record(("GlassBox", (1.2, 1.31, 1.1, 1.19, 1.2), False), BEST).view)
    assert told is not None
    assert "would cost 0.2 compared with the chosen one" in told
    assert "on 5 folds)" in told
    assert "chance" not in told


def test_a_difference_within_noise_is_called_so_and_a_gain_is_no_cost() -> None:
    told = price_of_glass(record(("GlassBox", (0.8, 1.4, 0.7, 1.0, 1.0), False), BEST).view)
    assert told is not None
    assert "would gain 0.02" in told
    assert "which may be chance" in told


def test_a_glass_box_that_saw_fewer_folds_is_paired_on_those() -> None:
    told = price_of_glass(record(("GlassBox", (1.2, 1.32), False), BEST).view)
    assert told is not None
    assert "would cost 0.21 " in told
    assert "on 2 folds" in told


def test_where_higher_is_better_the_price_is_still_a_cost() -> None:
    best = ("LightGbm", (0.9, 0.91, 0.9, 0.92, 0.9), True)
    glass = ("GlassBox", (0.85, 0.86, 0.86, 0.87, 0.85), False)
    told = price_of_glass(record(glass, best, direction="maximise").view)
    assert told is not None
    assert "would cost 0.048 " in told


@pytest.mark.parametrize("glass", [True, False])
def test_it_is_said_among_the_words_of_the_run_when_there_is_one(glass: bool) -> None:
    trials = [("GlassBox", (1.2, 1.31, 1.1, 1.19, 1.2), False)] if glass else []
    lines = explain_run(record(*trials, BEST))
    assert any("glass-box" in line for line in lines) == glass


def test_a_chosen_glass_box_costs_nothing() -> None:
    told = price_of_glass(record(("GlassBox", (1.0, 1.1, 0.9, 1.0, 1.0), True)).view)
    assert told is not None
    assert "costs nothing" in told
