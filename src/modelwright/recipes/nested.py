"""Studies inside studies: an outer design is judged by the best an inner search finds for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelwright.core.record import Record
from modelwright.evaluators.function import FunctionEvaluator
from modelwright.evaluators.run_study import RunStudy
from modelwright.executors import FileStore, Inline, ToolBox
from modelwright.ledger import open_ledger
from modelwright.policy import LAPTOP
from modelwright.recipes.search import plan_search
from modelwright.study import run


def nested(
    outer_space: Any,
    inner_space: Any,
    objective: Callable[[Any, Any], float],
    *,
    budget: str | int = 20,
    goal: str = "minimise",
    designer: str = "random",
) -> RunStudy:
    """An evaluator of outer designs: each runs an inner study of `objective(outer, inner)`.

    The inner study has `budget` trials (a slice of the outer trial), its seed is the outer trial's,
    and its rows live in memory; their last hash stays in the outer evidence.

    >>> from dataclasses import dataclass
    >>> from typing import Annotated, Literal
    >>> from annotated_types import Interval
    >>> from modelwright.core.trial import Trial
    >>> from modelwright.spaces import Space
    >>> @dataclass(frozen=True)
    ... class Shape:
    ...     power: Literal[1, 2]
    >>> @dataclass(frozen=True)
    ... class Size:
    ...     x: Annotated[float, Interval(ge=0.5, le=2)]
    >>> evaluator = nested(Space(Shape), Size, lambda a, b: b.x ** a.power, budget=5)
    >>> candidate = Space(Shape).candidate(Shape(2))
    >>> [evidence] = evaluator.evaluate(Trial(0, candidate, 0, 1.0, 1.0, seed=0), None)
    >>> evidence.facts["child_trials"], 0 < evidence.scores["value"] < 4
    (5, True)
    """

    def inner(design: Any, seed: int, fidelity: float) -> tuple[Record, str]:
        plan = plan_search(
            inner_space, lambda part: objective(design, part), budget=budget, goal=goal, limits=(),
            rungs=None, slots=1, designer=designer, seed=seed, name="child", workspace=":memory:",
            policy=LAPTOP,
        )  # fmt: skip
        assert isinstance(plan.evaluator, FunctionEvaluator)
        executor = Inline(plan.evaluator, ToolBox(Path(), FileStore(Path())))
        ledger = open_ledger(":memory:")
        try:
            record = run(plan.study, ledger, executor, plan.description)
            return record, ledger.head("child").hash
        finally:
            ledger.close()

    return RunStudy(outer_space, inner, (plan_goal(goal),))


def plan_goal(goal: str) -> str:
    """The metric's name in a goal as it is written."""
    from modelwright.core.problem import Goal

    return Goal.parse(goal).metric
