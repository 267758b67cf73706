"""What every designer does with its ideas: keep the new ones, with their reasons."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from modelwright.core.keys import Key
from modelwright.core.trial import Candidate, Proposal
from modelwright.core.view import Outcome, View
from modelwright.designers.sobol import sobol_point
from modelwright.designers.standing import told

DRAW_TRIES = 32
HARD_DRAW_TRIES = 256
LIST_LIMIT = 10_000


class Batch:
    """Collects the proposals of one call of `propose`: distinct, new to the study, allowed."""

    def __init__(self, view: View, n: int, by: str, rung: int = 0) -> None:
        self.view, self.n, self.by, self.rung = view, n, by, rung
        self.proposals: list[Proposal] = []
        self._taken: set[str] = set()

    @property
    def full(self) -> bool:
        """True when as many proposals as asked for are there."""
        return len(self.proposals) >= self.n

    def is_new(self, candidate: Candidate) -> bool:
        """True when it was neither tried at this rung, refused or banned, nor taken just now."""
        view, identity = self.view, candidate.id
        return (
            identity not in self._taken
            and view.tried(identity, self.rung) is None
            and identity not in view.refused
            and identity not in view.banned
        )

    def offer(
        self, design: Any, reason: str | Callable[[], str], parents: Sequence[str] = ()
    ) -> bool:
        """Takes the design when it is new; True when taken. The reason is made only then."""
        candidate = self.view.space.candidate(design, parents)
        if not self.is_new(candidate):
            return False
        text = reason if isinstance(reason, str) else reason()
        self._taken.add(candidate.id)
        self.proposals.append(Proposal(candidate, text, self.rung, by=self.by))
        return True

    def scatter(self, key: Key, why: str = "") -> bool:
        """Takes the next point of an even spread; False when the space seems to hold no more.

        The first trial is the space's default, the i-th after it is point i of a Sobol sequence
        that the study's seed scrambles. Points that were tried already are replaced by draws.
        `why` leads the reason.
        """
        view, space = self.view, self.view.space
        index = view.trials_spent + len(self.proposals)
        if index == 0:
            reason = f"{why}the space's default, where a search starts"
            if self.offer(space.default(), reason):
                return True
        elif space.unit_dimension:
            point = sobol_point(space.unit_dimension, index - 1, view.brief.seed)
            reason = f"{why}point {index} of an even spread over {len(point)} dimensions"
            if self.offer(space.from_unit(point.tolist()), reason):
                return True
        return self.draw(key.child("draw", index), f"{why}drawn at random")

    def draw(self, key: Key, reason: str = "drawn at random") -> bool:
        """Takes a new design drawn at random; False when the space seems to hold no more.

        A space of up to `LIST_LIMIT` designs is then listed, so its last design is found too.
        """
        space, size = self.view.space, self.view.space.size()
        small = size <= LIST_LIMIT
        for i in range(DRAW_TRIES if small else HARD_DRAW_TRIES):
            if self.offer(space.sample(key.child(i)), reason):
                return True
        if not small:
            return False
        start = key.child("list").random().randrange(max(1, int(size)))
        later = itertools.islice(space.enumerate(), start, None)
        sooner = itertools.islice(space.enumerate(), start)
        last = f"{reason}, among the last of {int(size)} designs"
        return any(self.offer(design, last) for design in itertools.chain(later, sooner))


def breed(batch: Batch, parent: Outcome, other: Outcome, large: bool, how: str, key: Key) -> bool:
    """Takes a child of two outcomes' designs (a mutation where they are one); True when new."""
    space = batch.view.space
    a = parent.trial.candidate
    design: Any = space.design(a)
    if other.trial.candidate.id != a.id:
        b = other.trial.candidate
        child = space.cross(design, space.design(b), key)
        reason = f"crosses {told(parent)} and {told(other)}, each {how}"
        return batch.offer(child, reason, (a.id, b.id))
    child = space.mutate(design, key, "large" if large else "small")
    return batch.offer(
        child, lambda: f"mutates {told(parent)}, {how}: {space.difference(design, child)}", (a.id,)
    )
