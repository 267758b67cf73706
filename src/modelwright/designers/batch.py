"""What every designer does with its ideas: keep the new ones, rank outcomes, say what changed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from modelwright.core.keys import Key
from modelwright.core.trial import Candidate, Proposal
from modelwright.core.view import Outcome, View

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


def standing(outcome: Outcome) -> tuple[float, int, float, int]:
    """Sorts outcomes of several rungs, best first.

    Within limits before outside, failed last; then the higher rung first, because only the better
    part of a rung goes on; then the loss; then age.
    """
    violation = outcome.violation if outcome.ok else math.inf
    return (violation, -outcome.trial.rung, outcome.loss, outcome.trial.number)


def told(outcome: Outcome) -> str:
    """A trial and what it scored, for a reason.

    It names the rung where there are several, and the violation of the limits where there is one.
    """
    trial = outcome.trial
    parts = [f"loss {outcome.loss:.4g}" if outcome.ok else "failed"]
    if trial.rung:
        parts.append(f"rung {trial.rung}")
    if outcome.violation:
        parts.append(f"outside the limits by {outcome.violation:.3g}")
    return f"trial {trial.number} ({', '.join(parts)})"


def difference(space: Any, a: Any, b: Any) -> str:
    """What tells the second design from the first, in words."""
    text: str = space.difference(a, b) if hasattr(space, "difference") else space.dump(b)
    return text
