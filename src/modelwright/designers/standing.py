"""Which outcome is better, and how a reason speaks of one."""

from __future__ import annotations

import math

from modelwright.core.view import Outcome


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


def joined(members: tuple[Outcome, ...], outcome: Outcome) -> tuple[Outcome, ...]:
    """The members and a new outcome: at the end, or in the place of its candidate's lower rung."""
    if not outcome.ok:
        return members
    for i, member in enumerate(members):
        if member.trial.candidate.id == outcome.trial.candidate.id:
            if outcome.trial.rung < member.trial.rung:
                return members
            return (*members[:i], outcome, *members[i + 1 :])
    return (*members, outcome)
