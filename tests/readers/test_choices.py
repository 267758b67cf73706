"""Which design choices mattered: from trials alone, and nothing where they tell nothing."""

from __future__ import annotations

import json

import numpy as np

from modelwright.core.problem import Goal, Problem
from modelwright.core.record import Record
from modelwright.core.trial import Candidate, Evidence, Trial, Verdict
from modelwright.policy import LAPTOP
from modelwright.readers.choices import between_families, important_choices
from modelwright.readers.explain import chosen_lines
from modelwright.readers.explained import choice_lines


def record(n: int, effect: float, noise: float = 0.01) -> Record:
    """Trials of two families; only `rate` matters, and a few designs are disasters."""
    problem = Problem("table", (Goal("auc", "maximise"),))
    first = {
        "name": "run", "problem": problem.to_json(), "designer": {"name": "random"}, "slots": 1,
        "rungs": {"fidelities": [1.0], "costs": [1.0], "eta": 3.0},
        "budget": {"seconds": None, "trials": 99, "full_runs": None, "bytes": None},
        "policy": LAPTOP.to_json(), "at": 0.0,
    }  # fmt: skip
    made = Record.open(first)
    made.absorb("study", first)
    rng = np.random.default_rng(0)
    for number in range(n):
        rate = float(10 ** rng.uniform(-3, 0))
        family = "Boosted" if number % 5 else "Plain"
        design = {"type": family, "rate": rate, "work": {"crosses": bool(rng.integers(2))},
                  "size": int(rng.integers(4, 64)), "fixed": 1.0}  # fmt: skip
        score = 0.8 + effect * (np.log10(rate) + 1.5) ** 2 + noise * rng.normal()
        score -= 0.3 * (number == 7) + 0.1 * (family == "Plain")
        trial = Trial(number, Candidate(json.dumps(design)), 0, 1.0, 1.0, 1, "search", "random", "")
        made.order(trial, 1.0)
        folds = {"auc": tuple(score + 0.01 * rng.normal(size=3))}
        made.evidence(Evidence(number, {"auc": float(score)}, folds), 1.0)
        made.verdict(Verdict(number, "promote" if number == 0 else "reject", "", 0), 2.0)
    return made


def test_the_choice_that_matters_comes_first() -> None:
    boosted, plain = important_choices(record(80, -0.05).view)
    assert boosted.family == "Boosted"
    assert boosted.n_trials == 64
    assert boosted.choices[0].name == "rate"
    assert boosted.choices[0].share > 0.6
    assert boosted.fit > 0.5
    assert {c.name for c in boosted.choices} == {"rate", "size", "work.crosses"}
    low, high = map(float, boosted.choices[0].best.split(" to "))
    assert low < 10**-1.5 < high
    assert plain.refused == "16 trials, and 20 are needed"


def test_noise_is_not_explained() -> None:
    boosted = important_choices(record(80, 0.0).view)[0]
    assert boosted.choices == ()
    assert "unseen trials" in boosted.refused
    assert any("not told" in line for line in choice_lines(record(80, 0.0).view))


def test_the_variance_between_families() -> None:
    found = between_families(record(80, 0.0).view)
    assert found is not None
    share, n = found
    assert n == 80
    assert share > 0.7
    assert between_families(record(10, 0.0).view) is None


def test_what_was_chosen_is_told_against_others_with_an_interval() -> None:
    lines = chosen_lines(record(30, -0.05).view)
    assert lines[0].startswith("Chosen: Plain (trial 0)")
    assert any("against the best boosted" in line.lower() for line in lines)
    assert any("95 % interval" in line and "after 30 looks" in line for line in lines)
