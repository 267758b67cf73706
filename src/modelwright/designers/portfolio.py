"""An ordered list of designs first, then another designer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, ClassVar

from modelwright.core.keys import Key
from modelwright.core.roles import Designer
from modelwright.core.trial import Proposal
from modelwright.core.view import Brief, Outcome, View
from modelwright.designers.batch import Batch


@dataclass(frozen=True)
class Portfolio:
    """Proposes `documents` (JSON texts of designs) in their order, then what `then` proposes.

    `then` learns from all outcomes. A portfolio is how earlier studies enter a new one: the list is
    fixed before the first trial. Raises SpaceError at the start of a study for a document that is
    not of its space.

    `costs` are what the designs cost beside one another, in any unit. With a budget in seconds the
    finished trials tell how many seconds a unit takes here, and a design that would take longer
    than is left is passed over.

    >>> from modelwright.designers import Random
    >>> Portfolio(('{"flag":true}',), then=Random()).block
    1
    """

    documents: tuple[str, ...]
    then: Designer
    costs: tuple[float, ...] = ()

    name: ClassVar[str] = "portfolio"

    @classmethod
    def of(cls, space: Any, designs: Iterable[Any], then: Designer) -> Portfolio:
        """The portfolio of these designs of a space."""
        return cls(tuple(space.dump(space.check(design)) for design in designs), then)

    @property
    def block(self) -> int:
        """That of `then`."""
        return self.then.block

    def start(self, brief: Brief) -> tuple[tuple[Any, ...], Any]:
        """The designs, and the state of `then`."""
        designs = tuple(brief.space.load(document) for document in self.documents)
        return designs, self.then.start(brief)

    def update(self, state: Any, outcomes: Sequence[Outcome], key: Key) -> tuple[Any, Any]:
        """The state of `then` goes on."""
        return state[0], self.then.update(state[1], outcomes, key)

    def propose(self, state: Any, view: View, n: int, key: Key) -> Sequence[Proposal]:
        """The next of the list that were not tried, then those of `then`."""
        batch = Batch(view, n, self.name)
        affordable = self._affordable(view)
        for i, design in enumerate(state[0]):
            if batch.full:
                return batch.proposals
            if affordable[i]:
                batch.offer(design, f"number {i + 1} of a portfolio of {len(state[0])}")
        chosen = {p.candidate.id for p in batch.proposals}
        # `then` does not see what was just chosen, so it is asked for a few more.
        more = self.then.propose(state[1], view, n, key)
        rest = [p for p in more if p.candidate.id not in chosen]
        return [*batch.proposals, *rest][:n]

    def _affordable(self, view: View) -> list[bool]:
        """Whether each design of the list would end in time, as far as that can be told."""
        seconds = view.budget.seconds
        known = dict(zip(self.documents, self.costs, strict=False))
        taken = [
            (o.evidence.seconds or 0.0) / (known[o.trial.candidate.document] * o.trial.cost)
            for o in view.finished
            if o.ok and o.trial.candidate.document in known
        ]
        if seconds is None or not taken:
            return [True] * len(self.documents)
        left = seconds - view.elapsed
        return [known.get(d, 0.0) * median(taken) <= left for d in self.documents]
