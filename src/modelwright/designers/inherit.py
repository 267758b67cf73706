"""Lets designs begin with the weights of the trial that they come from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.trial import Proposal
from modelwright.core.view import Outcome, View
from modelwright.designers.around import Around

AMONG = 6  # the best of the first rung, whose weights are given on
WEIGHTS = "weights"  # what a trial calls the artefact that another may begin from


@dataclass(frozen=True)
class Inherit(Around):
    """Proposes what `then` does; at the first of several rungs from a checkpoint.

    That is the `weights` of the candidate's parent at that rung; of the nearest design (in the unit
    cube of the space) where it has no parent, or one that is not among the best `among` of the
    rung, of which alone weights are kept. Higher rungs begin anew, so that a design which owes its
    place to its parent's training is found out there.

    Real et al. 2017 (arXiv:1703.01041) inherit at every training. What differs: only first looks
    do; and as these ranked designs less well than first looks from scratch, it is nobody's default
    (docs/networks.md).

    >>> from modelwright.designers import Evolution
    >>> Inherit(Evolution()).block
    1
    """

    among: int = AMONG

    name: ClassVar[str] = "inherit"

    def __post_init__(self) -> None:
        if self.among < 1:
            raise InputError(f"among is at least 1; got {self.among}.")

    def propose(self, state: Any, view: View, n: int, key: Key) -> Sequence[Proposal]:
        """The proposals of `then`, those at the first rung with their checkpoint."""
        found = self.then.propose(state, view, n, key)
        kept = [o for o in view.best(self.among, 0) if WEIGHTS in o.evidence.artefacts]
        if not kept or view.rungs.top == 0:
            return found
        return [_begun(p, kept, view) if p.rung == 0 and p.role == "search" else p for p in found]


def _begun(proposal: Proposal, kept: Sequence[Outcome], view: View) -> Proposal:
    parents = proposal.candidate.parents
    own = [o for o in kept if o.trial.candidate.id in parents]
    if own:
        of, why = own[0], "its parent"
    else:
        at = view.space.to_unit(view.space.design(proposal.candidate))
        of = min(kept, key=lambda o: (_apart(at, view.space, o), o.rank))
        why = "the nearest design of which weights are kept"
    told = f"{proposal.reason}; begins with the weights of trial {of.trial.number}, {why}"
    return replace(proposal, reason=told, checkpoint=of.evidence.artefacts[WEIGHTS])


def _apart(at: Sequence[float], space: Any, outcome: Outcome) -> float:
    """The distance of a design to a point of the unit cube."""
    other = space.to_unit(space.design(outcome.trial.candidate))
    return math.dist(at, other)
