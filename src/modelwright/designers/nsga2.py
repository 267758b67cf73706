"""Evolution for several goals: parents by Pareto rank, then by how alone they stand."""

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
from modelwright.designers.pareto import ranked
from modelwright.designers.standing import joined

TRIES = 12

Ranked = tuple[Outcome, int, float]


@dataclass(frozen=True)
class Nsga2:
    """Parents win tournaments of `sample` by Pareto rank, then by the room around them.

    After `initial` evenly spread trials each proposal is a child: a mixture of two winners with
    probability `crossover`, else a mutation (large with probability `large`). When more than twice
    `population` designs are alive, the best `population` stay.

    Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II" (2002). What differs:
    one child at a time, as trials finish, in place of generations; a child is mixed or mutated, not
    both. With one goal it is plain elitist evolution.
    """

    population: int = 24
    sample: int = 8
    initial: int = 12
    crossover: float = 0.7
    large: float = 0.1

    name: ClassVar[str] = "nsga2"
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
        """The population with the new members, cut to the best when it grew too large."""
        for outcome in outcomes:
            state = joined(state, outcome)
            if len(state) > 2 * self.population:
                state = tuple(member for member, _, _ in ranked(state)[: self.population])
        return state

    def propose(
        self, state: tuple[Outcome, ...], view: View, n: int, key: Key
    ) -> Sequence[Proposal]:
        """Children of tournament winners; evenly spread points at the start."""
        batch = Batch(view, n, self.name)
        members = ranked(state)
        while not batch.full:
            own = key.child(len(batch.proposals))
            started = view.trials_spent + len(batch.proposals) >= self.initial
            bred = bool(members) and started and self._child(members, batch, own)
            if not bred and not batch.scatter(own):
                break
        return batch.proposals

    def _child(self, members: Sequence[Ranked], batch: Batch, key: Key) -> bool:
        rng = key.random()
        for i in range(TRIES):
            first = self._winner(members, rng)
            second = self._winner(members, rng) if rng.random() < self.crossover else first
            large = rng.random() < self.large or i >= TRIES // 2
            how = f"of Pareto rank {first[1]} among {len(members)}"
            if first is not second:
                how = f"of Pareto ranks {first[1]} and {second[1]} among {len(members)}"
            if breed(batch, first[0], second[0], large, how, key.child(i)):
                return True
        return False

    def _winner(self, members: Sequence[Ranked], rng: Generator) -> Ranked:
        drawn = [rng.randrange(len(members)) for _ in range(self.sample)]
        return members[min(drawn)]
