from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.canonical import canonical, digest
from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.problem import Budget, Goal, Limit, Problem, Rungs
from modelwright.core.trial import Candidate, Evidence, Failure, Trial

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text(), part, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=100)
@given(JSON)
def test_canonical_text_reads_back_and_is_stable(value: object) -> None:
    text = canonical(value)
    assert canonical(json.loads(text)) == text
    assert digest(value) == digest(json.loads(text))


def test_nan_has_no_canonical_text() -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical(math.nan)


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("5m", Budget(seconds=300)),
        ("90 s", Budget(seconds=90)),
        ("1h30m", Budget(seconds=5400)),
        ("200trials", Budget(trials=200)),
        ("1 trial", Budget(trials=1)),
        ("2.5runs", Budget(full_runs=2.5)),
        ("5m, 100trials, 2GB", Budget(seconds=300, trials=100, bytes=2_000_000_000)),
        (7, Budget(trials=7)),
    ],
)
def test_budgets_are_read(text: str | int, budget: Budget) -> None:
    assert Budget.parse(text) == budget


@pytest.mark.parametrize("text", ["", "5", "fast", "-5m", "0s", "5m5", "1e9999s", "m", "5 parsecs"])
def test_bad_budgets_are_refused_or_counted(text: str) -> None:
    if text == "5":  # a bare number is a number of trials
        assert Budget.parse(text) == Budget(trials=5)
        return
    with pytest.raises(InputError, match="budget"):
        Budget.parse(text)


@pytest.mark.parametrize("text", ["latency", "latency_ms=1", "latency_ms<=", "<=1", "a<=nan"])
def test_bad_limits_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="a limit is"):
        Limit.parse(text)


def test_an_unknown_limited_metric_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean 'latency_ms'"):
        Limit.parse("latencyms<=1", {"latency_ms": "time", "size_kb": "size"})


def test_rungs_rise() -> None:
    with pytest.raises(InputError, match="rising"):
        Rungs((3, 1))
    rungs = Rungs.timed(9.0, 3.0, 2)
    assert (rungs.fidelities, rungs.eta) == ((4.5, 9.0), 2)
    assert Rungs.timed(0.2, 3.0).fidelities == (1.0,)
    assert Rungs.timed(1e4, 3.0).fidelities == (370.37, 1111.111, 3333.333, 1e4)
    assert Rungs.of(json.loads(json.dumps(asdict(rungs)))) == rungs


def test_a_problem_reads_back_with_its_hash() -> None:
    problem = Problem(
        "table", (Goal("auc", "maximise"),), (Limit("a", "<=", 1.0),), {"file": "x"}, 4
    )
    again = Problem.from_json(json.loads(canonical(problem.to_json())))
    assert again == problem
    assert again.hash == problem.hash


def test_trials_and_evidence_travel_as_json() -> None:
    trial = Trial(3, Candidate('{"x":1}', ("p",)), 1, 6.0, 0.1, 9, "search", "tpe", "why", None, 2)
    assert Trial.from_json(json.loads(canonical(trial.to_json()))) == trial
    evidence = Evidence(
        3, {"auc": 0.9}, {"auc": (0.8, 1.0)}, {"ms": 0.1}, ((1.0, 0.5),), {"oof": "ab"}, {"k": [1]},
        protocol="p", seconds=1.5,
    )  # fmt: skip
    assert Evidence.from_json(json.loads(canonical(evidence.to_json()))) == evidence
    failed = Evidence(4, failure=Failure("timeout", "too long"))
    assert Evidence.from_json(json.loads(canonical(failed.to_json()))) == failed


@pytest.mark.parametrize("score", [math.nan, math.inf, True, "0.5", None])
def test_what_is_no_number_is_no_score(score: object) -> None:
    evidence = Evidence(0, {"value": score}).checked(("value",))  # type: ignore[dict-item]
    assert evidence.failure is not None
    assert evidence.failure.cause == "bad_score"


def test_keys_are_independent_and_repeat() -> None:
    root = Key.of(0)
    draws = {root.child("a", i).random().random() for i in range(1000)}
    assert len(draws) == 1000
    assert root.child("a", 1) != root.child("a", "1")
    assert 0 <= root.seed(31) < 2**31


def test_the_front_door_is_light() -> None:
    """Neither the import nor --help loads a numerical library, and both are quick."""
    code = (
        "import sys, modelwright\n"
        "heavy = {'numpy','pandas','sklearn','scipy','torch','lightgbm','catboost','sqlalchemy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    cli = code.replace("modelwright\n", "modelwright.apps.cli\n", 1)
    done = subprocess.run([sys.executable, "-c", cli], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import modelwright"], check=True)
    assert time.monotonic() - began < 20, "a hang, not a slow machine"


def test_the_front_lists_what_it_has() -> None:
    import modelwright

    missing = [name for name in modelwright.__all__ if name not in dir(modelwright)]
    assert missing == []
    with pytest.raises(AttributeError, match="no attribute 'biuld'"):
        _ = modelwright.biuld
