from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_objective

from modelwright.core.code_hash import code_hash
from modelwright.core.errors import InputError
from modelwright.core.reference import reference, resolve
from modelwright.core.trial import Candidate, Evidence, Progress, Trial
from modelwright.evaluators.function import FunctionEvaluator, load
from modelwright.spaces import Space


class Points:
    kind = toy_objective.Point

    def design(self, candidate: Candidate) -> toy_objective.Point:
        return toy_objective.Point(float(candidate.document))


def trial(x: float = 3.0, fidelity: float = 1.0, seed: int = 0) -> Trial:
    return Trial(7, Candidate(str(x)), rung=0, fidelity=fidelity, cost=1.0, seed=seed)


def last(
    function: Callable[..., Any], goals: tuple[str, ...] = ("value",), **about: Any
) -> Evidence:
    *_, evidence = FunctionEvaluator(function, Points(), goals).evaluate(trial(**about))
    assert isinstance(evidence, Evidence)
    return evidence


def test_number() -> None:
    assert last(toy_objective.square).scores == {"value": 9.0}


def test_numpy_number_becomes_plain() -> None:
    score = last(lambda p: np.float32(p.x)).scores["value"]
    assert type(score) is float


def test_tuple_gives_the_goals_in_order() -> None:
    assert last(lambda p: (p.x, 2), goals=("a", "b")).scores == {"a": 3.0, "b": 2}


def test_tuple_of_the_wrong_length_is_told() -> None:
    with pytest.raises(InputError, match="3 values for 2 goals"):
        last(lambda p: (1, 2, 3), goals=("a", "b"))


def test_mapping_may_hold_more_than_the_goals() -> None:
    assert last(lambda p: {"value": 1.0, "size": 2.0}).scores == {"value": 1.0, "size": 2.0}


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), True, None, "3", {"other": 1.0}])
def test_what_is_no_score_fails(bad: Any) -> None:
    evidence = last(lambda p: bad)
    assert evidence.failure is not None
    assert evidence.failure.cause == "bad_score"


def test_fidelity_and_seed_reach_the_function() -> None:
    assert last(toy_objective.at, fidelity=5.0).scores == {"value": 15.0}
    assert last(toy_objective.seeded, seed=4).scores == {"value": 7.0}


def test_generator_reports_progress_and_the_last_value_counts() -> None:
    evaluator = FunctionEvaluator(toy_objective.growing, Points())
    *progress, evidence = evaluator.evaluate(trial(6.0, fidelity=3.0))
    assert [(p.step, p.scores["value"]) for p in progress if isinstance(p, Progress)] == [
        (0, 6.0), (1, 3.0), (2, 2.0),
    ]  # fmt: skip
    assert isinstance(evidence, Evidence)
    assert evidence.scores == {"value": 2.0}
    assert evidence.curve == ((0, 6.0), (1, 3.0), (2, 2.0))


def test_generator_may_return_its_score() -> None:
    def objective(p: toy_objective.Point) -> Generator[Any, None, float]:
        yield 1, 5.0
        return 4.0

    assert last(objective).scores == {"value": 4.0}


def test_generator_must_yield_pairs() -> None:
    def objective(p: toy_objective.Point) -> Iterator[Any]:
        yield 5.0

    with pytest.raises(InputError, match="yields \\(step, value\\)"):
        last(objective)


def test_errors_rise() -> None:
    with pytest.raises(ZeroDivisionError):
        last(lambda p: 1 / 0)


def test_a_worker_builds_the_same_evaluator() -> None:
    here = FunctionEvaluator(toy_objective.square, Points())
    entry = here.entry()
    there = load(**entry["arguments"])
    assert there.protocol() == here.protocol()
    assert entry["entry"] == "modelwright.evaluators.function:load"


def test_a_union_is_found_by_the_name_it_is_bound_to() -> None:
    space = Space(toy_objective.Place)
    entry = FunctionEvaluator(toy_objective.warmth, space).entry()
    assert entry["arguments"]["space"] == "toy_objective:Place"
    order = Trial(0, Candidate('{"type":"Pole","north":false}'), 0, 1.0, 1.0, seed=0)
    (evidence,) = load(**entry["arguments"]).evaluate(order)
    assert isinstance(evidence, Evidence)
    assert evidence.scores == {"value": 0.0}


def test_lambda_and_local_cannot_go_to_workers() -> None:
    def local(p: Any) -> float:
        return 0.0

    with pytest.raises(InputError, match="is a lambda"):
        FunctionEvaluator(lambda p: 0.0, Points()).entry()
    with pytest.raises(InputError, match="made inside a function"):
        FunctionEvaluator(local, Points()).entry()
    main = type("Main", (), {"__module__": "__main__", "__qualname__": "Main"})
    with pytest.raises(InputError, match="running script"):
        reference(main, "the type")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("math", "module:name"),
        ("no_such_module_here:f", "cannot be imported"),
        ("math:sqr", "Did you mean 'sqrt'"),
    ],
)
def test_bad_references(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve(text)


def test_objective_without_a_parameter() -> None:
    with pytest.raises(InputError, match="first parameter"):
        FunctionEvaluator(lambda: 1.0, Points())


def made(source: str, name: str = "f") -> Any:
    """A function from text, as in a notebook whose cells have no file."""
    space: dict[str, Any] = {}
    exec(source, space)
    return space[name]


def test_hash_changes_with_the_code_and_what_it_closes_over() -> None:
    def maker(k: float) -> Callable[[Any], float]:
        return lambda p: k * p.x

    assert code_hash(maker(1.0)) == code_hash(maker(1.0))
    assert code_hash(maker(1.0)) != code_hash(maker(2.0))
    assert code_hash(made("f = lambda p: p")) != code_hash(made("f = lambda p: -p"))


def test_hash_sees_constants_and_helpers_of_the_module() -> None:
    helper = "def g(p): return p * {}\ndef f(p): return g(p)"
    constant = "K = {}\ndef f(p): return p * K"
    for text in (helper, constant):
        assert code_hash(made(text.format(1))) == code_hash(made(text.format(1)))
        assert code_hash(made(text.format(1))) != code_hash(made(text.format(2)))


def test_hash_ignores_a_counter_that_the_function_writes() -> None:
    text = "n = 0\ndef f(p):\n    global n\n    n += 1\n    return p"
    function = made(text)
    before = code_hash(function)
    function(1)
    assert code_hash(function) == before


def test_hash_ignores_comments_and_layout(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "plain_one.py").write_text("def f(p):\n    return p\n")
    (tmp_path / "plain_two.py").write_text("def f(p):\n    # a remark\n\n    return ( p )\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert code_hash(resolve("plain_one:f")) == code_hash(resolve("plain_two:f"))


def test_recursion_and_callable_objects() -> None:
    class Scaled:
        def __init__(self, k: float) -> None:
            self.k = k

        def __call__(self, p: toy_objective.Point) -> float:
            return self.k * p.x

    assert code_hash(made("def f(n): return f(n - 1) if n else 0"))
    assert code_hash(Scaled(1.0)) != code_hash(Scaled(2.0))
    assert code_hash(np.add) == code_hash(np.add)
    assert last(Scaled(2.0)).scores == {"value": 6.0}
