"""What of finished trials stays on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from modelwright.core.problem import Goal
from modelwright.core.trial import Candidate, Evidence, Trial
from modelwright.core.view import Brief, View
from modelwright.recipes.tidy import Tidy
from modelwright.spaces import Space


@dataclass(frozen=True)
class Nothing:
    width: bool = True


@dataclass
class Finished:
    """An executor whose trials are done at once, each worse than the one before."""

    waiting: list[Trial] = field(default_factory=list)
    tied: bool = False  # each as good as the one before, but for what decides ties

    def submit(self, trial: Trial, deadline: float | None = None) -> None:
        self.waiting.append(trial)

    def poll(self, timeout: float) -> Sequence[Any]:
        trials, self.waiting = self.waiting, []
        return [
            Evidence(t.number, {"value": 0.0 if self.tied else t.number, "log_loss": -t.number},
                     artefacts={"model": f"m{t.number}"},
                     facts={"family": "Net", **({"tie_break": "log_loss"} if self.tied else {})})
            for t in trials
        ]  # fmt: skip


@dataclass
class Store:
    gone: list[str] = field(default_factory=list)

    def remove(self, name: str) -> None:
        self.gone.append(name)


def test_models_that_fell_behind_go_and_finals_stay() -> None:
    store = Store()
    view = View(Brief(Space(Nothing), (Goal("value"),)))
    tidy = Tidy(Finished(), store, view, keep=2)  # type: ignore[arg-type]
    for number in range(6):
        role: Any = "final" if number > 3 else "search"
        tidy.submit(Trial(number, Candidate("{}"), 0, 1.0, 1.0, 0, role=role))
    tidy.poll(0.0)
    assert store.gone == ["m2", "m3"]


def test_of_models_equally_good_those_stay_that_the_gate_prefers() -> None:
    store = Store()
    view = View(Brief(Space(Nothing), (Goal("value"),)))
    tidy = Tidy(Finished(tied=True), store, view, keep=2)  # type: ignore[arg-type]
    for number in range(4):
        tidy.submit(Trial(number, Candidate("{}"), 0, 1.0, 1.0, 0))
    tidy.poll(0.0)
    assert store.gone == ["m0", "m1"]
