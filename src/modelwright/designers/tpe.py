"""Tree-structured Parzen estimator: what resembles the good designs, not the rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.trial import Proposal
from modelwright.core.view import Brief, Outcome, View
from modelwright.designers.batch import Batch
from modelwright.designers.density import Density
from modelwright.designers.pareto import ranked
from modelwright.designers.standing import standing, told

Floats = npt.NDArray[np.float64]

CAP = 500  # Outcomes remembered; the time of a proposal is proportional to it.
CAP_SLACK = 100  # How many more before the oldest are dropped, the best `MAX_GOOD` never.
MAX_GOOD = 25
MAX_LIARS = 64


@dataclass(frozen=True)
class Memory:
    """The outcomes remembered, oldest first, and their codes, shape [n, n_columns]."""

    outcomes: tuple[Outcome, ...]
    codes: Floats
    space: Any


@dataclass(frozen=True)
class Tpe:
    """Models the good designs and the rest by two densities and tries where their ratio is largest.

    The best `share` of the outcomes (at most 25) are good. Each density is a mixture with one
    kernel per outcome over all columns at once, and one that covers the space, of weight `prior`.
    A column that a kernel's design lacks is uniform in it, so conditional parts that go together
    are modelled together, by the designs that have them. `draws` designs are drawn from the good
    density; the one of the highest ratio is proposed. Failed trials and those outside the limits
    rank last; running trials count as bad, so that parallel proposals spread. With several goals
    outcomes rank by Pareto front and crowding.

    Bergstra et al., "Algorithms for Hyper-Parameter Optimization" (2011); the multivariate kernel
    after Falkner et al., "BOHB" (2018); multi-objective ranks after Ozaki et al. (2020). What
    differs: one density over all parts of a tree of choices; parts that the encoding only
    summarises are mutated, not drawn.
    """

    initial: int = 10
    share: float = 0.1
    draws: int = 128
    prior: float = 1.0

    name: ClassVar[str] = "tpe"
    block: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if min(self.initial, self.draws) < 1 or not 0 < self.share < 1 or self.prior <= 0:
            raise InputError(
                f"initial and draws are at least 1, share within 0 and 1, prior over 0; got {self}."
            )

    def start(self, brief: Brief) -> Memory:
        """Nothing remembered."""
        return Memory((), np.empty((0, len(brief.space.layout()))), brief.space)

    def update(self, state: Memory, outcomes: Sequence[Outcome], key: Key) -> Memory:
        """The outcomes and their codes are added; a design measured again is moved up."""
        for outcome in outcomes:
            state = _remembered(state, outcome)
        return state

    def propose(self, state: Memory, view: View, n: int, key: Key) -> Sequence[Proposal]:
        """The best of the designs drawn from the good density, evenly spread points at first."""
        batch = Batch(view, n, self.name)
        model = None
        while not batch.full:
            own = key.child(len(batch.proposals))
            if view.trials_spent + len(batch.proposals) >= self.initial:
                model = model or self._model(state)
            if not (model and self._best_draw(model, state, batch, own)) and not batch.scatter(own):
                break
        return batch.proposals

    def _model(self, state: Memory) -> _Model | None:
        """The good outcomes and the rest; None while nothing good is known."""
        order = _order(state.outcomes)
        good = min(math.ceil(self.share * len(order)), MAX_GOOD)
        good = min(good, sum(o.ok for o in state.outcomes))
        return _Model(order[:good], order[good:], len(order)) if good else None

    def _best_draw(self, model: _Model, state: Memory, batch: Batch, key: Key) -> bool:
        space, view = state.space, batch.view
        layout = space.layout()
        rng = np.random.default_rng(key.seed(128))
        running = [t.candidate for t in view.pending][-MAX_LIARS:]
        running += [p.candidate for p in batch.proposals]
        liars = space.encode_many([space.design(c) for c in running])
        good = Density(layout, state.codes[list(model.good)], self.prior)
        bad = Density(layout, np.vstack([state.codes[list(model.bad)], liars]), self.prior)
        origins, designs = self._drawn(good, model, state, rng, key)
        codes = space.encode_many(designs)
        scores = good.log(codes) - bad.log(codes)
        for i in np.argsort(-scores, kind="stable"):
            origin = state.outcomes[model.good[origins[i]]] if origins[i] >= 0 else None
            reason = _Reason(model, origin, float(scores[i]), len(designs), space, designs[i])
            parents = (origin.trial.candidate.id,) if origin else ()
            if batch.offer(designs[i], reason, parents):
                return True
        return False

    def _drawn(
        self, good: Density, model: _Model, state: Memory, rng: np.random.Generator, key: Key
    ) -> tuple[npt.NDArray[np.intp], list[Any]]:
        """Designs from the good density, each with the good outcome it was drawn around or -1."""
        space = state.space
        origins, points = good.draw(self.draws, rng)
        designs = [space.from_unit(point) for point in points.tolist()]
        if not space.layout().exact:
            # The unit cube does not reach what the encoding summarises; mutation does.
            for i in range(0, self.draws, 2):
                place = int(origins[i])
                if place >= 0:
                    candidate = state.outcomes[model.good[place]].trial.candidate
                    designs[i] = space.mutate(space.design(candidate), key.child("mutate", i))
        return origins, designs


@dataclass(frozen=True)
class _Model:
    good: tuple[int, ...]
    bad: tuple[int, ...]
    n: int


@dataclass(frozen=True)
class _Reason:
    model: _Model
    origin: Outcome | None
    score: float
    n_draws: int
    space: Any
    design: Any

    def __call__(self) -> str:
        text = (
            f"best of {self.n_draws} draws: e^{self.score:.2f} times as dense among the best "
            f"{len(self.model.good)} of {self.model.n} outcomes as among the rest"
        )
        if self.origin is None:
            return f"{text}; drawn from the whole space"
        old = self.space.design(self.origin.trial.candidate)
        return (
            f"{text}; drawn around {told(self.origin)}: {self.space.difference(old, self.design)}"
        )


def _remembered(state: Memory, outcome: Outcome) -> Memory:
    outcomes, codes, space = state.outcomes, state.codes, state.space
    trial = outcome.trial
    if trial.promoted_from is not None:
        same = [i for i, o in enumerate(outcomes) if o.trial.candidate.id == trial.candidate.id]
        if same and outcome.ok:
            i = same[0]
            return Memory((*outcomes[:i], outcome, *outcomes[i + 1 :]), codes, space)
    row = space.encode_many([space.design(trial.candidate)])
    outcomes, codes = (*outcomes, outcome), np.vstack([codes, row])
    if len(outcomes) > CAP + CAP_SLACK:
        best = set(_order(outcomes)[:MAX_GOOD])
        old = [i for i in range(len(outcomes)) if i not in best][:CAP_SLACK]
        keep = sorted(set(range(len(outcomes))) - set(old))
        outcomes, codes = tuple(outcomes[i] for i in keep), codes[keep]
    return Memory(outcomes, codes, space)


def _order(outcomes: Sequence[Outcome]) -> tuple[int, ...]:
    """Places of the outcomes, best first."""
    if len(outcomes) and max(len(o.losses) for o in outcomes) > 1:
        places = {o.trial.number: i for i, o in enumerate(outcomes)}
        return tuple(places[o.trial.number] for o, _, _ in ranked(outcomes))
    return tuple(sorted(range(len(outcomes)), key=lambda i: standing(outcomes[i])))
