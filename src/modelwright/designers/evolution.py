"""Ageing evolution: good recent designs have children, old ones die."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random as Generator
from typing import ClassVar

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.trial import Proposal
from modelwright.core.view import Brief, Outcome, View
from modelwright.designers.batch import Batch, breed
from modelwright.designers.standing import joined, standing

TRIES = 12


@dataclass(frozen=True)
class Evolution:
    """Regularised (ageing) evolution with tournament selection.

    After `initial` evenly spread trials, `sample` members of the population (the newest
    `population` finished designs) are drawn, and the best of them has a child: a small mutation, a
    large one with probability `large`, or with probability `crossover` a mixture with the winner of
    a second draw. Failed trials never become parents. A design measured again at a higher rung
    keeps its age and takes the new score.

    Real et al., "Regularized Evolution for Image Classifier Architecture Search" (AAAI 2019). What
    differs: crossover, the mutation's two sizes, the even start, rungs and limits; and smaller
    numbers, for budgets of a hundred trials rather than twenty thousand.
    """

    population: int = 24
    sample: int = 16
    initial: int = 10
    crossover: float = 0.2
    large: float = 0.2

    name: ClassVar[str] = "evolution"
    block: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if min(self.population, self.sample, self.initial) < 1:
            raise InputError(f"population, sample and initial are at least 1; got {self}.")

    def start(self, brief: Brief) -> tuple[Outcome, ...]:
        """The empty population."""
        return ()

    def update(
        self, state: tuple[Outcome, ...], outcomes: Sequence[Outcome], key: Key
    ) -> tuple[Outcome, ...]:
        """The population with the new members at its end and the oldest gone."""
        for outcome in outcomes:
            state = joined(state, outcome)[-self.population :]
        return state

    def propose(
        self, state: tuple[Outcome, ...], view: View, n: int, key: Key
    ) -> Sequence[Proposal]:
        """Children of tournament winners; evenly spread points at the start."""
        batch = Batch(view, n, self.name)
        while not batch.full:
            own = key.child(len(batch.proposals))
            started = view.trials_spent + len(batch.proposals) >= self.initial
            if not (state and started and self._child(state, batch, own)) and not batch.scatter(
                own
            ):
                break
        return batch.proposals

    def _child(self, state: tuple[Outcome, ...], batch: Batch, key: Key) -> bool:
        """Takes one child; False when every try gave a design that was there already."""
        rng = key.random()
        for i in range(TRIES):
            parent = self._winner(state, rng)
            other = self._winner(state, rng) if rng.random() < self.crossover else parent
            # Small steps may all have been tried; the last tries go further.
            large = rng.random() < self.large or i >= TRIES // 2
            how = f"best of {min(self.sample, len(state))} drawn from the newest {len(state)}"
            if breed(batch, parent, other, large, how, key.child(i)):
                return True
        return False

    def _winner(self, state: tuple[Outcome, ...], rng: Generator) -> Outcome:
        return min(rng.sample(state, min(self.sample, len(state))), key=standing)
