"""Random search on evenly spread points: the honest baseline, and every search's first steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from modelwright.core.keys import Key
from modelwright.core.trial import Proposal
from modelwright.core.view import Brief, Outcome, View
from modelwright.designers.batch import Batch
from modelwright.designers.sobol import sobol_point


def scatter(batch: Batch, key: Key) -> bool:
    """Takes the next point of the random search; False when the space seems to hold no more.

    The first is the space's default, the i-th after it is point i of a Sobol sequence that the
    study's seed scrambles. Points that were tried already are replaced by plain draws.
    """
    view, space = batch.view, batch.view.space
    index = view.trials_spent + len(batch.proposals)
    if index == 0 and batch.offer(space.default(), "the space's default, where a search starts"):
        return True
    dimension = space.unit_dimension
    if index and dimension > 0:
        point = sobol_point(dimension, index - 1, view.brief.seed)
        reason = f"point {index} of an even spread over {dimension} dimensions"
        if batch.offer(space.from_unit(point.tolist()), reason):
            return True
    return batch.draw(key.child("draw", index))


@dataclass(frozen=True)
class Random:
    """Tries the default, then evenly spread points (see `scatter`); it learns nothing.

    >>> from modelwright.designers import Random
    >>> Random().name
    'random'
    """

    name: ClassVar[str] = "random"
    block: ClassVar[int] = 1

    def start(self, brief: Brief) -> None:
        """No state."""

    def update(self, state: Any, outcomes: Sequence[Outcome], key: Key) -> None:
        """No state."""

    def propose(self, state: Any, view: View, n: int, key: Key) -> Sequence[Proposal]:
        """The next `n` points, fewer when the space holds no more."""
        batch = Batch(view, n, self.name)
        while not batch.full and scatter(batch, key):
            pass
        return batch.proposals
