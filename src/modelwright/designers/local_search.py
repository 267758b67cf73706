"""Local search: climb from the best design to a better neighbour; at a summit, start again."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.trial import Proposal
from modelwright.core.view import Brief, Outcome, View
from modelwright.designers.batch import Batch, breed
from modelwright.designers.standing import standing, told

PATH_LIMIT = 32
TRIES = 12


@dataclass(frozen=True)
class Climb:
    """Where the search stands.

    `here` is the best outcome of this climb, `best` that of all outcomes. `path` holds the ids
    that `here` went through, newest last. `tested` counts the outcomes of children of `here`,
    `newest` is the highest number among the children tested in this climb (-1 before the first).
    """

    here: Outcome | None = None
    best: Outcome | None = None
    path: tuple[str, ...] = ()
    tested: int = 0
    newest: int = -1


@dataclass(frozen=True)
class LocalSearch:
    """Moves to the first neighbour that is better; restarts when every neighbour was tried.

    It climbs from the best of `initial` evenly spread designs. A design with more than
    `neighbours` of them is left after as many small mutations without success.

    White et al., "Local Search is State of the Art for Neural Architecture Search Benchmarks"
    (2021): their variant that moves on the first improvement. What differs: `initial`, mutations
    where neighbours are too many, and what the team around it finds is climbed from when it is
    better than all before.
    """

    initial: int = 4
    neighbours: int = 100

    name: ClassVar[str] = "local_search"
    block: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if min(self.initial, self.neighbours) < 1:
            raise InputError(f"initial and neighbours are at least 1; got {self}.")

    def start(self, brief: Brief) -> Climb:
        """Nowhere yet."""
        return Climb()

    def update(self, state: Climb, outcomes: Sequence[Outcome], key: Key) -> Climb:
        """Moves on improvement; begins another climb where a restart was measured."""
        for outcome in outcomes:
            state = self._after(state, outcome)
        return state

    def _after(self, state: Climb, outcome: Outcome) -> Climb:
        parents, here = outcome.trial.candidate.parents, state.here
        ours = any(p in state.path for p in parents)
        if here is not None and ours and outcome.trial.rung == 0:
            newest = max(state.newest, outcome.trial.number)
            tested = state.tested + (here.trial.candidate.id in parents)
            state = replace(state, newest=newest, tested=tested)
        if not outcome.ok:
            return state
        best = min((o for o in (state.best, outcome) if o is not None), key=standing)
        state = replace(state, best=best)
        if here is None:
            return replace(state, here=outcome, path=(outcome.trial.candidate.id,))
        if here.trial.candidate.id == outcome.trial.candidate.id:
            higher = outcome.trial.rung >= here.trial.rung
            return replace(state, here=outcome) if higher else state
        # A start that was ordered after this climb's children was ordered because none was left.
        # One ordered before them belongs to the first starts, of which the best counts.
        # Inside a team or a portfolio, `by` tells the way to us, as in "team#2/local_search".
        mine = outcome.trial.by.rpartition("/")[2].partition("#")[0] == self.name
        start = mine and not parents
        again = start and -1 < state.newest < outcome.trial.number
        better = standing(outcome) < standing(here) and (ours or start or best is outcome)
        if not (again or better):
            return state
        known = state.path if ours else ()
        path = (*known, outcome.trial.candidate.id)[-PATH_LIMIT:]
        newest = state.newest if ours else -1
        return Climb(outcome, best, path, 0, newest)

    def propose(self, state: Climb, view: View, n: int, key: Key) -> Sequence[Proposal]:
        """Neighbours of the present design in random order, then starts elsewhere."""
        batch = Batch(view, n, self.name)
        here = state.here
        if here is not None and view.trials_spent >= self.initial:
            self._climb(batch, state, here, key)
        why = f"starts again, no new neighbour of {told(here)} is left: " if here else ""
        started = here is not None and view.trials_spent >= self.initial
        while not batch.full and batch.scatter(key, why if started else ""):
            pass
        return batch.proposals

    def _climb(self, batch: Batch, state: Climb, here: Outcome, key: Key) -> None:
        space, candidate = batch.view.space, here.trial.candidate
        design = space.design(candidate)
        near = list(itertools.islice(space.neighbours(design), self.neighbours + 1))
        if len(near) > self.neighbours:
            self._mutate(batch, state, here, key)
            return
        key.child("order").random().shuffle(near)
        for i, other in enumerate(near):
            if batch.full:
                return
            how = f"neighbour {i + 1} of {len(near)}, in random order, of {told(here)}"
            batch.offer(other, partial(_reason, space, how, design, other), (candidate.id,))

    def _mutate(self, batch: Batch, state: Climb, here: Outcome, key: Key) -> None:
        how = f"the best of this climb (try {state.tested + 1} of {self.neighbours})"
        for i in range(TRIES * batch.n):
            if batch.full or state.tested >= self.neighbours:
                return
            breed(batch, here, here, False, how, key.child("mutate", i))


def _reason(space: Any, how: str, design: Any, other: Any) -> str:
    return f"{how}, the best of this climb: {space.difference(design, other)}"
