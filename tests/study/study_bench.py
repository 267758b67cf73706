from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Interval

from modelwright.core.keys import Key
from modelwright.core.problem import Budget, Goal, Problem
from modelwright.core.trial import Evidence, Progress, Proposal, Trial
from modelwright.core.view import Brief, Outcome, View
from modelwright.evaluators.function import FunctionEvaluator
from modelwright.executors import FileStore, Inline, ToolBox
from modelwright.gates import Best
from modelwright.policy import LAPTOP
from modelwright.spaces import Space
from modelwright.study import Study


@dataclass(frozen=True)
class Point:
    x: Annotated[float, Interval(ge=-1, le=1)]
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Climber:
    """Mutates the best of what it sees: its proposals depend on every outcome seen so far."""

    name: str = "climber"
    block: int = 3

    def start(self, brief: Brief) -> tuple[int, float]:
        return 0, 0.0

    def update(
        self, state: tuple[int, float], outcomes: Sequence[Outcome], key: Key
    ) -> tuple[int, float]:
        return state[0] + len(outcomes), state[1] + sum(o.loss for o in outcomes if o.ok)

    def propose(self, state: Any, view: View, n: int, key: Key) -> Sequence[Proposal]:
        best = view.best(1, 0)
        if not best:
            return [Proposal(view.space.candidate(view.space.sample(key)), "nothing seen yet")]
        parent = best[0].trial.candidate
        child = view.space.mutate(view.space.design(parent), key)
        reason = f"mutates trial {best[0].trial.number}; state {state[0]}, {state[1]:.6f}"
        return [Proposal(view.space.candidate(child, (parent.id,)), reason)]


def square(point: Point) -> float:
    return point.x**2 + (point.kind == "b")


class Shuffled:
    """Several places in one process, finishing in an order of its own."""

    interrupts = True

    def __init__(self, inline: Inline, slots: int, seed: int) -> None:
        self.inline, self.slots, self.random = inline, slots, random.Random(seed)
        self.waiting: list[Trial] = []
        self.submitted: list[int] = []

    def submit(self, trial: Trial, deadline: float | None = None) -> None:
        self.waiting.append(trial)
        self.submitted.append(trial.number)
        assert len(self.waiting) <= self.slots

    def send(self, number: int, word: str) -> None:
        raise NotImplementedError

    def poll(self, timeout: float) -> Sequence[Progress | Evidence]:
        if not self.waiting or self.random.random() < 0.3:
            return []
        trial = self.waiting.pop(self.random.randrange(len(self.waiting)))
        self.inline.submit(trial)
        return self.inline.poll(0)

    def cancel(self, number: int) -> None:
        self.waiting = [trial for trial in self.waiting if trial.number != number]

    def close(self) -> None:
        self.inline.close()


class Bench:
    """Makes studies of `square` and the executors that run them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.space = folder, Space(Point)

    def study(self, trials: int = 20, **changes: Any) -> Study:
        plain = Study(
            "s", Problem("function", (Goal("value"),), seed=3), self.space, Climber(), Best(),
            LAPTOP, Budget(trials=trials),
        )  # fmt: skip
        return replace(plain, **changes)

    def description(self, study: Study) -> dict[str, Any]:
        return study.to_json({"name": study.designer.name}, LAPTOP.to_json())

    def inline(self, function: Callable[..., Any] = square) -> Inline:
        tools = ToolBox(self.folder, FileStore(self.folder / "artefacts"))
        return Inline(FunctionEvaluator(function, self.space), tools)

    def shuffled(self, slots: int, seed: int) -> Shuffled:
        return Shuffled(self.inline(), slots, seed)
