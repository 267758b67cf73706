"""Asynchronous successive halving: when a free slot should take a trial one rung up.

Li et al., "A System for Massively Parallel Hyperparameter Tuning" (MLSys 2020). What differs: of
the promotable trials the one at the highest rung goes first, and limits count before the loss.
"""

from __future__ import annotations

from modelwright.core.trial import Proposal
from modelwright.core.view import Outcome, View


def promotable(view: View) -> tuple[Outcome, Proposal] | None:
    """The outcome to promote now and the proposal that does it; None when no rung has one.

    An outcome is promotable when it is among the best 1/eta of its rung and was not promoted yet.
    """
    for rung in range(view.rungs.top - 1, -1, -1):
        found = view.best_open(rung)
        if found is None:
            continue
        outcome, rank = found
        n = view.n_ranked(rung)
        if rank < int(n / view.rungs.eta):
            reason = (
                f"promoted from rung {rung}: trial {outcome.trial.number} is number {rank + 1} "
                f"of {n} there (loss {outcome.loss:.4g}); the best 1/{view.rungs.eta:g} go on"
            )
            candidate = outcome.trial.candidate
            return outcome, Proposal(candidate, reason, rung + 1, "search", "rungs")
    return None
