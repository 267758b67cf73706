"""Random search on evenly spread points: the honest baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from modelwright.core.keys import Key
from modelwright.core.trial import Proposal
from modelwright.core.view import Brief, Outcome, View
from modelwright.designers.batch import Batch


@dataclass(frozen=True)
class Random:
    """Tries the default, then evenly spread points (see `Batch.scatter`); it learns nothing.

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
        while not batch.full and batch.scatter(key):
            pass
        return batch.proposals
